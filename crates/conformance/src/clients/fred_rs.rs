//! fred, asynchronous, with one server and with the cluster face.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fred::prelude::*;
use fred::types::config::ServerConfig;
use fred::types::{Key, RespVersion};
use tokio::runtime::Runtime;

use super::{Tally, Target, figures};

/// A client that is not connected by then is not.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Requests in flight at once in the cluster and concurrency checks.
const IN_FLIGHT: usize = 100;

/// Checks against a server without a password.
pub fn run(target: &Target, tally: &mut Tally) {
    checks(target, tally, |target, version, tally, runtime, name| {
        tally.note(
            &format!("fred {name} strings, TTL, pipeline"),
            runtime.block_on(strings(target, version.clone())),
        );
        tally.note(&format!("fred {name} SCAN"), runtime.block_on(scan(target, version.clone())));
        tally.note(
            &format!("fred {name} {IN_FLIGHT} in flight"),
            runtime.block_on(concurrency(target, version)),
        );
    });
}

/// Checks against a server that wants a password.
pub fn run_with_password(target: &Target, tally: &mut Tally) {
    checks(target, tally, |target, version, tally, runtime, name| {
        tally.note(&format!("fred {name} AUTH"), runtime.block_on(password(target, version)));
    });
}

fn checks(
    target: &Target,
    tally: &mut Tally,
    some: impl Fn(&Target, RespVersion, &mut Tally, &Runtime, &str),
) {
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return tally.note("fred", Err(error.into())),
    };
    for (name, version) in [("RESP2", RespVersion::RESP2), ("RESP3", RespVersion::RESP3)] {
        some(target, version.clone(), tally, &runtime, name);
        if let Some(node) = target.cluster {
            tally.note(&format!("fred {name} cluster"), cluster(target, node, version, &runtime));
        }
    }
}

async fn connect(
    server: ServerConfig,
    version: RespVersion,
    password: Option<&str>,
) -> Result<Client> {
    let config = Config {
        server,
        version,
        password: password.map(str::to_owned),
        fail_fast: true,
        ..Config::default()
    };
    let client = Builder::from_config(config).build()?;
    tokio::time::timeout(CONNECT_TIMEOUT, client.init())
        .await
        .context("not connected in time")??;
    Ok(client)
}

async fn single(target: &Target, version: RespVersion) -> Result<Client> {
    let server = ServerConfig::new_centralized(target.addr.ip().to_string(), target.addr.port());
    connect(server, version, target.password.as_deref()).await
}

async fn strings(target: &Target, version: RespVersion) -> Result<String> {
    let client = single(target, version).await?;
    let _: () = client.flushall(false).await?;
    let _: () = client.set("f:k", "v", Some(Expiration::EX(100)), None, false).await?;
    let value: Option<String> = client.get("f:k").await?;
    ensure!(value.as_deref() == Some("v"), "GET gave {value:?}");
    let ttl: i64 = client.ttl("f:k").await?;
    ensure!((98..=100).contains(&ttl), "TTL is {ttl}");
    let taken: Option<String> = client.set("f:k", "w", None, Some(SetOptions::NX), false).await?;
    ensure!(taken.is_none(), "SET NX on a key gave {taken:?}");
    let pipeline = client.pipeline();
    for i in 0..1_000i64 {
        let _: () = pipeline.set(format!("f:{i}"), i, None, None, false).await?;
        let _: () = pipeline.incr_by(format!("f:{i}"), 1).await?;
    }
    let replies: Vec<Value> = pipeline.all().await?;
    ensure!(replies.len() == 2_000, "{} replies to 2,000 requests", replies.len());
    for (i, pair) in replies.chunks(2).enumerate() {
        ensure!(
            pair[1].as_i64() == Some(i as i64 + 1),
            "reply {i} of the pipeline is {:?}",
            pair[1]
        );
    }
    client.quit().await?;
    Ok(String::new())
}

async fn scan(target: &Target, version: RespVersion) -> Result<String> {
    let client = single(target, version).await?;
    let mut found: HashSet<Vec<u8>> = HashSet::new();
    let mut cursor = String::from("0");
    loop {
        let (next, keys): (String, Vec<Key>) =
            client.scan_page(cursor, "f:*", Some(100), None).await?;
        found.extend(keys.into_iter().map(|key| key.as_bytes().to_vec()));
        if next == "0" {
            break;
        }
        cursor = next;
    }
    client.quit().await?;
    ensure!(found.len() == 1_001, "SCAN found {} of 1,001 keys", found.len());
    Ok(String::new())
}

async fn concurrency(target: &Target, version: RespVersion) -> Result<String> {
    let client = single(target, version).await?;
    let _: i64 = client.del("f:shared").await?;
    let mut tasks = Vec::new();
    for _ in 0..IN_FLIGHT {
        let client = client.clone();
        tasks.push(tokio::spawn(async move {
            for _ in 0..50 {
                let _: i64 = client.incr("f:shared").await?;
            }
            Ok::<(), Error>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let total: i64 = client.get("f:shared").await?;
    client.quit().await?;
    ensure!(total == 50 * IN_FLIGHT as i64, "{} increments counted as {total}", 50 * IN_FLIGHT);
    Ok(String::new())
}

async fn password(target: &Target, version: RespVersion) -> Result<String> {
    let client = single(target, version.clone()).await?;
    let _: () = client.set("f:k", "v", None, None, false).await?;
    client.quit().await?;
    let wrong = Target { password: Some("wrong".to_owned()), ..target.clone() };
    ensure!(single(&wrong, version).await.is_err(), "a wrong password is refused");
    Ok(String::new())
}

/// Writes and reads through the cluster client; the server must neither redirect nor hop.
fn cluster(
    target: &Target,
    node: SocketAddr,
    version: RespVersion,
    runtime: &Runtime,
) -> Result<String> {
    let password = target.password.as_deref();
    let server = ServerConfig::new_clustered(vec![(node.ip().to_string(), node.port())]);
    let client = runtime.block_on(connect(server, version, password))?;
    figures::counts_hops(target.addr, password)?;
    let (hops, moved) = figures::hops_during(target.addr, password, || {
        runtime.block_on(write_and_read(&client, target.keys))
    })?;
    runtime.block_on(client.quit())?;
    ensure!(moved == 0, "{moved} MOVED replies");
    ensure!(hops == 0, "{hops} hops for {} requests", 2 * target.keys);
    Ok(format!("({} keys written and read, no MOVED, no hop)", target.keys))
}

async fn write_and_read(client: &Client, keys: usize) -> Result<()> {
    let mut tasks = Vec::new();
    for worker in 0..IN_FLIGHT {
        let client = client.clone();
        tasks.push(tokio::spawn(async move {
            for i in (worker..keys).step_by(IN_FLIGHT) {
                let _: () = client.set(format!("fc:{i}"), i as i64, None, None, false).await?;
            }
            for i in (worker..keys).step_by(IN_FLIGHT) {
                let value: Option<i64> = client.get(format!("fc:{i}")).await?;
                ensure!(value == Some(i as i64), "fc:{i} is {value:?}");
            }
            Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}
