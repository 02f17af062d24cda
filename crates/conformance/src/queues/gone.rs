//! Clients that have gone before anything is pushed for them: nothing may be taken for one of them.
//!
//! Here nothing is a race. The clients wait, each on keys of its own; they go, each in its way; the server says that nobody waits
//! any more; only then is something pushed, and all of it must be found.

use std::net::Shutdown;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::net::sockopt::set_socket_linger;

use super::Plant;
use super::poll::{heard, say, turn};
use crate::cli::QueuesArgs;
use crate::clients::info_field;
use crate::peer::{Caller, Link, Server};

/// Times that clients come and go.
const ROUNDS: usize = 10;
/// Clients of a round.
const WAITERS: usize = 120;
/// What some send behind the request that waits: more than a server needs to look at while they wait.
const BEHIND_BYTES: usize = 100_000;
/// A server has noticed by then that a client has gone.
const NOTICE: Duration = Duration::from_secs(5);
/// Between two looks.
const TICK: Duration = Duration::from_millis(1);

/// What each client asks for; `{}` is its number.
const REQUESTS: [&str; 5] = [
    "BLPOP gone:{} gone:more:{} 0",
    "BRPOP gone:more:{} gone:{} 0",
    "BLMPOP 0 2 gone:more:{} gone:{} LEFT COUNT 2",
    "BLMOVE gone:{} gone:sink LEFT LEFT 0",
    "BZPOPMIN gone:{} gone:more:{} 0",
];

/// How a client goes.
#[derive(Debug, Clone, Copy)]
enum End {
    /// It ends its half of the connection.
    Half,
    /// It closes its socket.
    Close,
    /// It resets the connection.
    Reset,
}

const ENDS: [End; 3] = [End::Half, End::Close, End::Reset];

/// Runs this part; gives what was wrong.
pub fn run(server: &Server, _: &QueuesArgs, plant: Plant) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    let mut slowest = Duration::ZERO;
    for _ in 0..ROUNDS {
        let mut links = come(server)?;
        let staying = usize::from(plant == Plant::Thief);
        let halves = go(links.split_off(staying))?;
        let begun = Instant::now();
        while waiting(server)? > staying as u64 && begun.elapsed() < NOTICE {
            std::thread::sleep(TICK);
        }
        slowest = slowest.max(begun.elapsed());
        let left = waiting(server)?.saturating_sub(staying as u64);
        if left > 0 {
            complaints.push(format!("{left} clients that have gone still wait"));
        }
        complaints.extend(push_and_look(server)?);
        complaints.extend(listen(halves));
    }
    println!(
        "{ROUNDS} times {WAITERS} clients that go before something is pushed: noticed within {:.1} ms, {} complaints",
        1000.0 * slowest.as_secs_f64(),
        complaints.len()
    );
    Ok(complaints)
}

fn waiting(server: &Server) -> Result<u64> {
    info_field(server.addr(), "clients", "blocked_clients")
}

/// All clients, once all of them wait.
fn come(server: &Server) -> Result<Vec<Link>> {
    let mut links = Vec::new();
    for number in 0..WAITERS {
        let mut link = Link::connect(server.addr())?;
        let request = REQUESTS[number % REQUESTS.len()].replace("{}", &number.to_string());
        say(&mut link, &request.split(' ').collect::<Vec<_>>());
        if number % 4 == 3 {
            link.queue(&b"PING\r\n".repeat(BEHIND_BYTES / 6));
        }
        links.push(link);
    }
    let begun = Instant::now();
    while waiting(server)? < WAITERS as u64 || links.iter().any(Link::wants_write) {
        ensure!(begun.elapsed() < NOTICE, "not all clients wait");
        turn(&mut links.iter_mut().collect::<Vec<_>>(), TICK);
    }
    Ok(links)
}

/// All go; gives those that still hear what comes.
fn go(links: Vec<Link>) -> Result<Vec<Link>> {
    let mut halves = Vec::new();
    for (number, link) in links.into_iter().enumerate() {
        match ENDS[number % ENDS.len()] {
            End::Half => {
                link.socket().shutdown(Shutdown::Write)?;
                halves.push(link);
            }
            End::Close => drop(link),
            End::Reset => set_socket_linger(link.socket(), Some(Duration::ZERO))?,
        }
    }
    Ok(halves)
}

/// One value for each client that has gone, and where it is then.
fn push_and_look(server: &Server) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    let mut control = Caller::connect(server.addr())?;
    control.set_patience(NOTICE)?;
    let is_scored = |number: usize| REQUESTS[number % REQUESTS.len()].starts_with("BZ");
    for number in 0..WAITERS {
        let key = format!("gone:{number}");
        match is_scored(number) {
            true => control.queue(&["ZADD", &key, "1", "v"]),
            false => control.queue(&["RPUSH", &key, "v"]),
        }
    }
    control.finish(WAITERS)?;
    for number in 0..WAITERS {
        let key = format!("gone:{number}");
        let look = if is_scored(number) { "ZRANGE" } else { "LRANGE" };
        let found = control.demand(&[look, &key, "0", "-1"])?;
        if found.items().is_none_or(|items| items.len() != 1) {
            let (request, end) = (REQUESTS[number % REQUESTS.len()], ENDS[number % ENDS.len()]);
            complaints
                .push(format!("{request}: a value was taken for a client that had gone ({end:?})"));
        }
        control.demand(&["DEL", &key])?;
    }
    control.demand(&["DEL", "gone:sink"])?;
    Ok(complaints)
}

/// Who hears what comes hears nothing but the end.
fn listen(mut halves: Vec<Link>) -> Vec<String> {
    let mut complaints = Vec::new();
    let begun = Instant::now();
    while halves.iter().any(|link| !link.is_closed()) && begun.elapsed() < NOTICE {
        turn(&mut halves.iter_mut().collect::<Vec<_>>(), TICK);
    }
    for link in &mut halves {
        let said = heard(link);
        if let Some(value) = said.first() {
            complaints.push(format!("a client that had gone was told {}", value.show()));
        }
        if !link.is_closed() {
            complaints.push("the connection of a client that has gone is still open".to_owned());
        }
    }
    complaints
}
