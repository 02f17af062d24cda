//! `transfers`: money that moves between accounts on several cores while others count all of it.
//!
//! Every way to move is atomic in Redis (MULTI, WATCH with EXEC, a script with its keys declared and not, MSET under WATCH, and a
//! plain MSET where one client alone owns the accounts), and every way to count is a snapshot (MGET, MULTI of GETs, a script).
//! So each sum must be right, and at the end each account must hold what the ledgers of all clients say. `--plant` moves
//! in a way that is wrong and must be caught.

mod audit;
mod bank;
mod movers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::cli::TransfersArgs;
use crate::peer::{Caller, Server};
use audit::Counting;
use bank::{ACCOUNTS, Bank, VAULTS};
use movers::Form;

/// Clients that count in one way at one bank. What comes from one core is in order by nature, so there are several, which the
/// server spreads over its cores.
const AUDITORS: usize = 2;

/// What all clients share.
pub struct Shared {
    /// No more transfers: all are made, or a sum was wrong.
    pub stop: AtomicBool,
}

/// What one client did.
#[derive(Debug, Default)]
pub struct Done {
    /// What it was.
    pub name: &'static str,
    /// Transfers made, or sums taken.
    pub count: u64,
    /// Transactions that had to be tried again.
    pub retries: u64,
    /// What it did to each account, in sum.
    pub ledger: BTreeMap<String, i64>,
    /// Sums that were wrong.
    pub wrong: Vec<String>,
}

type Work = JoinHandle<Result<Done>>;

/// Runs `transfers`. True when every sum and every account was right.
pub fn run(args: &TransfersArgs) -> Result<bool> {
    let server = match args.places.addr {
        Some(addr) => Server::external(addr)?,
        None => Server::start(args.places.subject_spec()?)?,
    };
    let mut control = Caller::connect(server.addr())?;
    let banks = [Bank::new("account", ACCOUNTS), Bank::new("vault", VAULTS)];
    for bank in &banks {
        bank.open(&mut control)?;
    }
    let shared = Arc::new(Shared { stop: AtomicBool::new(false) });
    let begun = Instant::now();
    let forms = forms(args)?;
    let ways = chosen(&Counting::ALL, &args.counts, Counting::word)?;
    let clients: usize = forms.iter().map(|form| form.clients()).sum();
    // Each client has its share, so that those who are beaten all the time by others come to theirs at last.
    let quota = args.transfers.div_ceil(clients as u64);
    let mut seed = args.seed;
    let mut movers: Vec<Work> = Vec::new();
    for form in forms {
        for _ in 0..form.clients() {
            seed += 1;
            movers.push(movers::start(&server, form, seed, quota, &shared)?);
        }
    }
    let mut auditors: Vec<Work> = Vec::new();
    for counting in ways {
        // Those of one bank connect one after the other: a server that deals connections out in turn would else give all of
        // them to the core of the client that moves.
        for bank in banks.iter().flat_map(|bank| [bank; AUDITORS]) {
            auditors.push(audit::start(&server, counting, bank.clone(), &shared)?);
        }
    }
    let moved = ended(movers, Duration::from_secs(args.max_seconds), &shared)?;
    let seconds = begun.elapsed().as_secs_f64();
    shared.stop.store(true, Ordering::Relaxed);
    let audited = ended(auditors, Duration::from_secs(30), &shared)?;
    let right = report(&moved, &audited, seconds);
    let balanced = banks.iter().map(|bank| bank.settled(&mut control, &moved));
    let balanced = balanced.collect::<Result<Vec<bool>>>()?.into_iter().all(|right| right);
    let enough = moved.iter().map(|done| done.count).sum::<u64>() >= args.transfers;
    if !enough {
        println!("FAIL  fewer transfers than asked for");
    }
    Ok(right && balanced && enough)
}

fn forms(args: &TransfersArgs) -> Result<Vec<Form>> {
    let mut forms = chosen(&Form::SOUND, &args.forms, Form::word)?;
    match args.plant.as_deref() {
        None => {}
        Some("loose") => forms.push(Form::Loose),
        Some("lost-update") => forms.push(Form::LostUpdate),
        Some(other) => bail!("no plant {other:?}; there are loose, lost-update"),
    }
    Ok(forms)
}

/// Those of `all` that are named; all when none is.
fn chosen<T: Copy>(all: &[T], names: &[String], word: fn(T) -> &'static str) -> Result<Vec<T>> {
    let known: Vec<&str> = all.iter().map(|one| word(*one)).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("no way {name:?}; there are {}", known.join(", "));
    }
    let is_chosen = |one: &&T| names.is_empty() || names.iter().any(|name| name == word(**one));
    Ok(all.iter().filter(is_chosen).copied().collect())
}

/// What the clients did, once all of them are done.
fn ended(work: Vec<Work>, within: Duration, shared: &Shared) -> Result<Vec<Done>> {
    let begun = Instant::now();
    let mut done = Vec::new();
    for client in work {
        while !client.is_finished() && begun.elapsed() < within {
            std::thread::sleep(Duration::from_millis(5));
        }
        if !client.is_finished() {
            shared.stop.store(true, Ordering::Relaxed);
        }
        let outcome = client.join();
        ensure!(outcome.is_ok(), "a client panicked");
        done.push(outcome.expect("checked in the line before")?);
    }
    Ok(done)
}

fn report(moved: &[Done], audited: &[Done], seconds: f64) -> bool {
    let mut lines: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for done in moved.iter().chain(audited) {
        let line = lines.entry(done.name).or_default();
        line.0 += done.count;
        line.1 += done.retries;
    }
    let total: u64 = moved.iter().map(|done| done.count).sum();
    println!("{total} transfers in {seconds:.1} s, {:.0}/s", total as f64 / seconds);
    for (name, (count, retries)) in lines {
        let again = if retries > 0 { format!(", {retries} tried again") } else { String::new() };
        println!("  {name}: {count}{again}");
    }
    let wrong: Vec<&String> = audited.iter().flat_map(|done| &done.wrong).collect();
    for text in wrong.iter().take(10) {
        println!("FAIL  {text}");
    }
    let blind: Vec<&str> =
        audited.iter().filter(|done| done.count == 0).map(|done| done.name).collect();
    if !blind.is_empty() {
        println!("FAIL  nothing was counted by {}", blind.join(", "));
    }
    println!("{} wrong sums", wrong.len());
    wrong.is_empty() && blind.is_empty()
}
