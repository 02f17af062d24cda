//! `dumps`: DUMP here, RESTORE there, both ways, for random values of every type and encoding.
//!
//! Each value is made by the same commands on both servers. What each of them dumps is restored on both, and must be
//! what it was where it was dumped, as far as commands can see. redis-server checks payloads in depth
//! (`sanitize-dump-payload yes`), so that one which is only nearly right is found too.

mod contents;
mod values;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fastrand::Rng;

use crate::cli::DumpsArgs;
use crate::peer::{Link, Reply, Server, Sides, exchange, take};
use crate::wire::{Value, encode, escaped};
use contents::{encoding, normal, questions};
use values::{CONFIGURATIONS, TYPES};

/// A reply that takes longer is missing.
const PATIENCE: Duration = Duration::from_secs(20);
/// Values between two configurations.
const CONFIGURED_FOR: u64 = 25;
/// Differences shown of one type; what comes then is counted.
const SHOWN_MAX: u64 = 3;

type Request = Vec<Vec<u8>>;

/// What was seen of one type.
#[derive(Default)]
struct Seen {
    values: u64,
    round_trips: u64,
    payload_bytes: u64,
    differences: u64,
    encodings: BTreeSet<(String, String)>,
}

/// Runs `dumps`. True when every value came through as it was.
pub fn run(args: &DumpsArgs) -> Result<bool> {
    let servers = start(args)?;
    let mut links = Sides {
        oracle: Link::connect(servers.oracle.addr())?,
        subject: Link::connect(servers.subject.addr())?,
    };
    let mut whole = true;
    for (number, (name, make)) in TYPES.iter().enumerate() {
        let begun = Instant::now();
        let mut seen = Seen::default();
        for case in 0..args.count {
            let seed = args.seed << 32 ^ (number as u64) << 28 ^ case;
            let mut rng = Rng::with_seed(seed);
            if case % CONFIGURED_FOR == 0 {
                configure(&mut links, &mut rng)?;
            }
            let build = make(&mut rng);
            let found = round_trips(&mut links, name, &build, &mut rng, &mut seen)?;
            seen.differences += u64::from(found.is_some());
            if let Some(difference) = found.filter(|_| seen.differences <= SHOWN_MAX) {
                println!("{name}, value {case} of --seed {}: {difference}", args.seed);
            }
        }
        whole &= seen.differences == 0;
        let encodings: Vec<String> =
            seen.encodings.iter().map(|(theirs, ours)| format!("{theirs}/{ours}")).collect();
        println!(
            "{name}: {} values, {} round trips, {} differences, {} KiB of payloads, {:.1} s; encodings there/here: {}",
            seen.values,
            seen.round_trips,
            seen.differences,
            seen.payload_bytes >> 10,
            begun.elapsed().as_secs_f64(),
            encodings.join(" ")
        );
    }
    Ok(whole)
}

fn start(args: &DumpsArgs) -> Result<Sides<Server>> {
    let places = &args.places;
    let mut oracle = places.oracle_spec();
    oracle.extra.extend(["--sanitize-dump-payload".to_owned(), "yes".to_owned()]);
    Ok(Sides {
        oracle: match places.oracle_addr {
            Some(addr) => Server::external(addr)?,
            None => Server::start(oracle)?,
        },
        subject: match places.addr {
            Some(addr) => Server::external(addr)?,
            None => Server::start(places.subject_spec()?)?,
        },
    })
}

fn words(request: &str) -> Request {
    request.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// Other thresholds, so that small values have every encoding.
fn configure(links: &mut Sides<Link>, rng: &mut Rng) -> Result<()> {
    let mut requests: Vec<Request> = CONFIGURATIONS
        .iter()
        .map(|(directive, choices)| {
            words(&format!("CONFIG SET {directive} {}", rng.choice(*choices).unwrap_or(&"64")))
        })
        .collect();
    // Only this makes nodes of one long element before it has a gigabyte.
    let threshold = if rng.bool() { "8k" } else { "0" };
    requests.push(words(&format!("DEBUG QUICKLIST-PACKED-THRESHOLD {threshold}")));
    let replies = ask(links, Sides { oracle: requests.clone(), subject: requests })?;
    for reply in replies.oracle.iter().chain(&replies.subject) {
        ensure!(reply.text() == Some(b"OK"), "a configuration was refused: {}", reply.show());
    }
    Ok(())
}

/// As many requests to each side; the replies.
fn ask(links: &mut Sides<Link>, requests: Sides<Vec<Request>>) -> Result<Sides<Vec<Value>>> {
    let count = requests.oracle.len();
    ensure!(count == requests.subject.len(), "both sides are asked as much");
    let queue = |link: &mut Link, requests: &[Request]| {
        let mut bytes = Vec::new();
        requests.iter().for_each(|request| encode(request, &mut bytes));
        link.queue(&bytes);
    };
    queue(&mut links.oracle, &requests.oracle);
    queue(&mut links.subject, &requests.subject);
    exchange(links, count, PATIENCE);
    let replies = |link: &mut Link, who: &str| -> Result<Vec<Value>> {
        let replies = take(link, count);
        let broken = replies.iter().position(|reply| !matches!(reply, Reply::Raw(_)));
        ensure!(broken.is_none(), "{who} does not answer request {broken:?} of a value");
        Ok(replies.iter().filter_map(Reply::value).collect())
    };
    Ok(Sides {
        oracle: replies(&mut links.oracle, "the oracle")?,
        subject: replies(&mut links.subject, "the server under test")?,
    })
}

/// Makes a value on both sides and sends both payloads to both; what differs, if anything does.
fn round_trips(
    links: &mut Sides<Link>,
    name: &str,
    build: &[Request],
    rng: &mut Rng,
    seen: &mut Seen,
) -> Result<Option<String>> {
    let mut requests = vec![words("DEL k")];
    requests.extend_from_slice(build);
    let asked = requests.len();
    requests.extend(questions(name, "k"));
    requests.push(words("DUMP k"));
    let replies = ask(links, Sides { oracle: requests.clone(), subject: requests })?;
    let payload = |replies: &[Value]| replies.last().and_then(Value::text).map(<[u8]>::to_vec);
    let payloads = replies.as_ref().map(|replies| payload(replies));
    let (Some(theirs), Some(ours)) = (payloads.oracle, payloads.subject) else {
        return Ok(Some("nothing was made".to_owned()));
    };
    seen.values += 1;
    seen.payload_bytes += (theirs.len() + ours.len()) as u64;

    let mut requests = Vec::new();
    for (key, payload) in [("theirs", &theirs), ("ours", &ours)] {
        let mut restore = words(&format!("RESTORE {key} 0"));
        restore.extend([payload.clone(), b"REPLACE".to_vec()]);
        requests.push(restore);
        requests.extend(questions(name, key));
        requests.push(words(&format!("OBJECT ENCODING {key}")));
    }
    let part = requests.len() / 2;
    let before_work = requests.len();
    let work = values::work(name, rng);
    requests.extend(work.iter().cloned());
    let restored = ask(links, Sides { oracle: requests.clone(), subject: requests })?;
    let wanted = replies.as_ref().map(|replies| normal(name, &replies[asked..replies.len() - 1]));
    for (from, wanted, payload, at) in
        [("redis-server", wanted.oracle, &theirs, 0), ("here", wanted.subject, &ours, part)]
    {
        for (to, got) in [("redis-server", &restored.oracle), ("here", &restored.subject)] {
            seen.round_trips += 1;
            let found = normal(name, &got[at + 1..at + part - 1]);
            if got[at].text() != Some(b"OK") || found != wanted {
                return Ok(Some(told(from, to, &got[at], (&wanted, &found), payload)));
            }
        }
        let encodings = restored.as_ref().map(|replies| encoding(&replies[at + part - 1]));
        let is_meant = contents::is_meant(&encodings);
        seen.encodings.insert((encodings.oracle.clone(), encodings.subject.clone()));
        if !is_meant {
            return Ok(Some(format!("from {from}, the encodings are {encodings:?}")));
        }
    }
    let after = restored.as_ref().map(|replies| normal(name, &replies[before_work..]));
    if after.oracle == after.subject {
        return Ok(None);
    }
    let shown = |request: &Request| request.iter().map(|word| escaped(word)).collect::<Vec<_>>();
    let done: Vec<String> = work.iter().map(|request| shown(request).join(" ")).collect();
    let told = told("both", "both", &Value::Null, (&after.oracle, &after.subject), &ours);
    Ok(Some(format!("after {:.3000}:\n{told}", done.join("; "))))
}

fn told(
    from: &str,
    to: &str,
    reply: &Value,
    (wanted, found): (&[Value], &[Value]),
    payload: &[u8],
) -> String {
    let differs = wanted.iter().zip(found).find(|(wanted, found)| wanted != found);
    let shown = differs.map(|(wanted, found)| {
        format!("\n  expected {:.2000}\n  got      {:.2000}", wanted.show(), found.show())
    });
    format!(
        "from {from} to {to}: RESTORE says {}{}\n  payload {:.3000}",
        reply.show(),
        shown.unwrap_or_default(),
        escaped(payload)
    )
}
