//! `clients`: real client libraries against the binary. Nothing is compared with an oracle; each check is a thing that
//! must work, and says what did not.

mod figures;
mod fred_rs;
mod redis_rs;
mod scripts;

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;

use crate::cli::ClientsArgs;
use crate::peer::Server;
pub use scripts::{output, written};

/// The password that the server of the second part wants.
const PASSWORD: &str = "open-sesame";

/// Where the checks of one server connect to.
#[derive(Debug, Clone)]
pub struct Target {
    /// The standalone face.
    pub addr: SocketAddr,
    /// One node of the cluster face, unless there is none.
    pub cluster: Option<SocketAddr>,
    /// The password, if the server wants one.
    pub password: Option<String>,
    /// Keys that cluster checks write and read.
    pub keys: usize,
}

/// Counts checks and prints each as it ends.
#[derive(Debug, Default)]
pub struct Tally {
    passed: usize,
    failed: usize,
}

impl Tally {
    /// Whether there were checks and none failed.
    pub fn all_passed(&self) -> bool {
        self.passed > 0 && self.failed == 0
    }

    /// Notes the end of one check.
    pub fn note(&mut self, name: &str, outcome: Result<String>) {
        match outcome {
            Ok(figure) => {
                self.passed += 1;
                println!("ok    {name} {figure}");
            }
            Err(error) => {
                self.failed += 1;
                println!("FAIL  {name}: {error:#}");
            }
        }
    }
}

/// Runs all chosen clients. True when every check passed.
pub fn run(args: &ClientsArgs) -> Result<bool> {
    let mut tally = Tally::default();
    let open = target(args, None);
    with_server(args, &open, |target| {
        redis_rs::run(target, &mut tally);
        fred_rs::run(target, &mut tally);
        scripts::run(args, target, &mut tally);
    })?;
    if args.places.addr.is_none() {
        let locked = target(args, Some(PASSWORD));
        with_server(args, &locked, |target| {
            redis_rs::run_with_password(target, &mut tally);
            fred_rs::run_with_password(target, &mut tally);
        })?;
    }
    println!("{} checks passed, {} failed", tally.passed, tally.failed);
    Ok(tally.failed == 0)
}

fn target(args: &ClientsArgs, password: Option<&str>) -> Target {
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // A plain redis-server has no cluster face beside its standalone one.
    let own = (!args.places.subject_is_redis()).then(|| local(args.places.core_port()));
    Target {
        addr: args.places.addr.unwrap_or_else(|| local(args.places.port)),
        cluster: args.cluster_addr.or(own),
        password: password.map(str::to_owned),
        keys: args.keys,
    }
}

fn with_server(args: &ClientsArgs, target: &Target, checks: impl FnOnce(&Target)) -> Result<()> {
    let _server = match args.places.addr {
        Some(addr) => Server::external(addr)?,
        None => {
            let mut spec = args.places.subject_spec()?;
            if let Some(password) = &target.password {
                spec.extra.extend(["--requirepass".to_owned(), password.clone()]);
            }
            Server::start(spec)?
        }
    };
    checks(target);
    Ok(())
}

/// A numeric field of INFO of a server without a password; 0 when it is not there.
pub fn info_field(addr: SocketAddr, section: &str, name: &str) -> Result<u64> {
    figures::field(addr, None, section, name)
}
