//! `command-table`: what both servers say of the commands that both know, field by field.
//!
//! Drivers route by COMMAND INFO and its key specifications, so a wrong flag there is a wrong reply. The comparison reads
//! RESP3, where sets are sets. Wordings (`summary`) changed between 7.0 and 7.2 and are not compared.

mod docs;
mod info;
mod keys;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::cli::TableArgs;
use crate::peer::{Link, Reply, Server, Sides, exchange, take};
use crate::random::intended::excuse_field;
use crate::random::start;
use crate::wire::{Value, encode};

/// A reply about the table that takes longer is missing.
const PATIENCE: Duration = Duration::from_secs(10);

/// One field of one command that differs.
#[derive(Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The command, `container|sub` for a sub-command.
    pub command: String,
    /// Which field, and where in it.
    pub field: String,
    /// The oracle's value.
    pub expected: String,
    /// The subject's value.
    pub got: String,
}

/// Runs the comparison. True when every field agrees.
pub fn run(args: &TableArgs) -> Result<bool> {
    let servers = start(&args.places)?;
    let mut links = connect(&servers)?;
    ask(&mut links, &["HELLO", "3"]);
    let names = ask(&mut links, &["COMMAND", "LIST"]);
    let lists = Sides { oracle: names_of(&names.oracle)?, subject: names_of(&names.subject)? };
    let common: Vec<&str> = lists
        .oracle
        .iter()
        .filter(|name| lists.subject.contains(*name))
        .map(String::as_str)
        .collect();
    let missing: Vec<&String> =
        lists.oracle.iter().filter(|name| !lists.subject.contains(*name)).collect();
    let newer: Vec<&String> =
        lists.subject.iter().filter(|name| !lists.oracle.contains(*name)).collect();

    let mut mismatches = Vec::new();
    for name in &common {
        let replies = ask(&mut links, &["COMMAND", "INFO", name]);
        info::compare(name, &replies.oracle, &replies.subject, &mut mismatches);
        let replies = ask(&mut links, &["COMMAND", "DOCS", name]);
        docs::compare(name, &replies.oracle, &replies.subject, &mut mismatches);
    }
    let samples = keys::compare(&mut links, &common, &mut mismatches);

    let all = mismatches.len();
    mismatches.retain(|mismatch| excuse_field(&mismatch.command, &mismatch.field).is_none());
    let intended = all - mismatches.len();

    for mismatch in &mismatches {
        println!(
            "{} {}\n  expected {}\n  got      {}",
            mismatch.command, mismatch.field, mismatch.expected, mismatch.got
        );
    }
    println!(
        "{} commands in both compared with {samples} samples of GETKEYS: {} fields differ and {intended} are meant to; {} only in the oracle, {} only in the server under test",
        common.len(),
        mismatches.len(),
        missing.len(),
        newer.len()
    );
    if args.missing {
        println!(
            "only in the oracle: {}",
            missing.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ")
        );
        println!(
            "only in the server under test: {}",
            newer.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ")
        );
    }
    if common.is_empty() {
        bail!("no command is known to both");
    }
    Ok(mismatches.is_empty())
}

fn connect(servers: &Sides<Server>) -> Result<Sides<Link>> {
    Ok(Sides {
        oracle: Link::connect(servers.oracle.addr())?,
        subject: Link::connect(servers.subject.addr())?,
    })
}

/// One request to both sides.
pub fn ask(links: &mut Sides<Link>, words: &[&str]) -> Sides<Value> {
    let args: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    let mut bytes = Vec::new();
    encode(&args, &mut bytes);
    links.oracle.queue(&bytes);
    links.subject.queue(&bytes);
    exchange(links, 1, PATIENCE);
    let value = |link: &mut Link| {
        let reply = take(link, 1).remove(0);
        match reply {
            Reply::Raw(raw) => Value::parse(&raw),
            other => Value::Odd(other.to_string().into_bytes()),
        }
    };
    Sides { oracle: value(&mut links.oracle), subject: value(&mut links.subject) }
}

fn names_of(list: &Value) -> Result<BTreeSet<String>> {
    match list.items() {
        Some(items) => {
            Ok(items.iter().filter_map(Value::string).map(|name| name.to_lowercase()).collect())
        }
        None => bail!("COMMAND LIST answered {}", list.show()),
    }
}

/// Notes a field whose two values differ.
fn note(command: &str, field: &str, oracle: &Value, subject: &Value, into: &mut Vec<Mismatch>) {
    if oracle != subject {
        into.push(Mismatch {
            command: command.to_owned(),
            field: field.to_owned(),
            expected: oracle.show(),
            got: subject.show(),
        });
    }
}
