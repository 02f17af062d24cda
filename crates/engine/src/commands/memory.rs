//! MEMORY: where memory goes.
//!
//! USAGE concerns one key, so it is a data command within this container and runs at the key's
//! owner; the others gather the same reports as INFO.

use super::info::report::{CoreReport, Depth};
use super::info::reports;
use super::query::{Answer, Query, Witness};
use super::{Desk, EngineCommand, Next, help};
use command::{Arg, ArgKind, Args, Arity, Command, Ctx, Failure, Flags, Group, KeySpec, Spec};
use resp::write::Writer;

/// The family's list.
pub const COMMANDS: &[EngineCommand] = &[MEMORY];

/// Under so much memory the doctor has nothing to say.
const DOCTOR_BYTES_MIN: u64 = 5 * 1024 * 1024;

/// The doctor finds a peak this much over the present, and RSS this much over the accounted
/// memory, worth a line.
const DOCTOR_RATIO: f64 = 1.5;

const ALL_SHARDS: &[&str] =
    &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"];

/// What the sub-commands share.
const BASE: Spec =
    Spec { arity: Arity::exactly(2), group: Group::Server, since: "4.0.0", ..Spec::NEW };

/// A container.
pub const MEMORY: EngineCommand = EngineCommand {
    spec: Spec {
        name: "MEMORY",
        arity: Arity::at_least(2),
        complexity: "Depends on subcommand.",
        summary: "A container for memory diagnostics commands.",
        ..BASE
    },
    subcommands: &[DOCTOR, HELP, MALLOC_STATS, PURGE, STATS],
    data_subcommands: &[USAGE],
    ..EngineCommand::container()
};

/// Bytes that a key and its value take, with their share of the table.
const USAGE: Command = Command::new(
    Spec {
        name: "USAGE",
        arity: Arity::at_least(3),
        keys: &[KeySpec::one(2, &["RO"])],
        flags: Flags::READONLY,
        complexity: "O(N) where N is the number of samples.",
        summary: "Estimates the memory usage of a key.",
        args: &[
            Arg::key("key", 0),
            Arg::new("count", ArgKind::Integer).token("SAMPLES").optional(),
        ],
        ..BASE
    },
    usage,
);

/// SAMPLES is checked and means nothing while every value is one entry.
fn usage(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let mut at = 3;
    while at < args.len() {
        if !args.is(at, "samples") || at + 1 >= args.len() {
            return Err(Failure::SYNTAX);
        }
        if args.integer(at + 1).ok_or(Failure::NOT_INTEGER)? < 0 {
            return Err(Failure::SYNTAX);
        }
        at += 2;
    }
    let now = ctx.now;
    match ctx.keyspace().memory_usage(&args.key(2), now) {
        Some(bytes) => ctx.reply.integer(bytes as i64),
        None => ctx.reply.null(),
    }
    Ok(())
}

const DOCTOR: EngineCommand = EngineCommand::new(
    Spec { name: "DOCTOR", summary: "Outputs a memory problems report.", tips: ALL_SHARDS, ..BASE },
    |_, _| Ok(Next::Ask(Query::Memory(Question::Doctor))),
);

const STATS: EngineCommand = EngineCommand::new(
    Spec {
        name: "STATS",
        summary: "Returns details about memory usage.",
        tips: ALL_SHARDS,
        ..BASE
    },
    |_, _| Ok(Next::Ask(Query::Memory(Question::Stats))),
);

/// Entries that PURGE moves on each core out of sparse spans at the most.
const PURGE_ITEMS: usize = 4096;

/// Moves entries together, so that spans become free and go back to the system.
const PURGE: EngineCommand = EngineCommand::new(
    Spec {
        name: "PURGE",
        complexity: "Depends on how much memory is allocated, could be slow",
        summary: "Asks the allocator to release memory.",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        ..BASE
    },
    |_, _| Ok(Next::Ask(Query::Memory(Question::Purge))),
);

/// What Redis answers on an allocator other than jemalloc.
const MALLOC_STATS: EngineCommand = EngineCommand::new(
    Spec {
        name: "MALLOC-STATS",
        complexity: "Depends on how much memory is allocated, could be slow",
        summary: "Returns the allocator statistics.",
        tips: ALL_SHARDS,
        ..BASE
    },
    |desk, _| {
        desk.reply.bulk(b"Stats not supported for the current allocator");
        Ok(Next::Done)
    },
);

const HELP: EngineCommand = help::command(BASE, |desk, _| {
    help::write(
        desk,
        "MEMORY",
        &[
            "DOCTOR",
            "    Return memory problems reports.",
            "MALLOC-STATS",
            "    Return internal statistics report from the memory allocator.",
            "PURGE",
            "    Attempt to purge dirty pages for reclamation by the allocator.",
            "STATS",
            "    Return information about the memory usage of the server.",
            "USAGE <key> [SAMPLES <count>]",
            "    Return memory in bytes used by <key> and its value. Nested values are",
            "    sampled up to <count> times (default: 5, 0 means sample all).",
        ],
    )
});

/// What is asked of the cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Figures, for prose.
    Doctor,
    /// Figures.
    Stats,
    /// A step of compaction.
    Purge,
}

/// One core's part.
pub fn answer(question: Question, mut witness: Witness<'_>) -> Answer {
    match question {
        Question::Purge => {
            witness.shard.store.compact_step(PURGE_ITEMS);
            Answer::Done
        }
        Question::Doctor | Question::Stats => {
            Answer::Report(Box::new(CoreReport::of(&mut witness, Depth::default())))
        }
    }
}

/// The reply.
pub fn merge(question: Question, answers: Vec<Answer>, desk: &mut Desk<'_>) {
    let sum = CoreReport::sum(reports(answers).iter());
    match question {
        Question::Purge => desk.reply.ok(),
        Question::Stats => write_stats(&sum, &mut desk.reply),
        Question::Doctor => desk.reply.verbatim("txt", doctor(&sum).as_bytes()),
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn write_stats(sum: &CoreReport, reply: &mut Writer<'_>) {
    let (used, rss) = (sum.used_bytes(), sum.figures.rss_bytes);
    let overhead = sum.overhead_bytes();
    let dataset = used.saturating_sub(overhead);
    let keys: u64 = sum.databases.iter().map(|db| db.keys).sum();
    let databases: Vec<usize> =
        (0..sum.databases.len()).filter(|db| sum.databases[*db].keys > 0).collect();
    let integer = |reply: &mut Writer<'_>, name: &str, value: i64| {
        reply.bulk(name.as_bytes());
        reply.integer(value);
    };
    let double = |reply: &mut Writer<'_>, name: &str, value: f64| {
        reply.bulk(name.as_bytes());
        reply.double(value);
    };
    reply.map(27 + databases.len());
    integer(reply, "peak.allocated", sum.peak_bytes as i64);
    integer(reply, "total.allocated", used as i64);
    integer(reply, "startup.allocated", 0);
    integer(reply, "replication.backlog", 0);
    integer(reply, "clients.slaves", 0);
    integer(reply, "clients.normal", sum.clients.bytes as i64);
    integer(reply, "cluster.links", 0);
    integer(reply, "aof.buffer", 0);
    integer(reply, "lua.caches", sum.scripts.script_bytes as i64);
    integer(reply, "functions.caches", sum.scripts.library_bytes as i64);
    for db in databases {
        // Tables are shared out by the keys in them: the store does not keep them apart by database.
        let main = u128::from(sum.tables_bytes()) * u128::from(sum.databases[db].keys)
            / u128::from(keys.max(1));
        reply.bulk(format!("db.{db}").as_bytes());
        reply.map(3);
        integer(reply, "overhead.hashtable.main", main as i64);
        integer(reply, "overhead.hashtable.expires", 0);
        integer(reply, "overhead.hashtable.slot-to-keys", 0);
    }
    integer(reply, "overhead.total", overhead as i64);
    integer(reply, "keys.count", keys as i64);
    integer(reply, "keys.bytes-per-key", used.checked_div(keys).unwrap_or(0) as i64);
    integer(reply, "dataset.bytes", dataset as i64);
    double(reply, "dataset.percentage", share(dataset, used));
    double(reply, "peak.percentage", share(used, sum.peak_bytes));
    let active = used + sum.memory.fragmentation as u64;
    let resident = rss.max(used);
    integer(reply, "allocator.allocated", used as i64);
    integer(reply, "allocator.active", active as i64);
    integer(reply, "allocator.resident", resident as i64);
    double(reply, "allocator-fragmentation.ratio", ratio(active, used));
    integer(reply, "allocator-fragmentation.bytes", (active - used) as i64);
    double(reply, "allocator-rss.ratio", ratio(resident, active));
    integer(reply, "allocator-rss.bytes", resident as i64 - active as i64);
    double(reply, "rss-overhead.ratio", ratio(rss, resident));
    integer(reply, "rss-overhead.bytes", rss as i64 - resident as i64);
    double(reply, "fragmentation", ratio(rss, used));
    integer(reply, "fragmentation.bytes", rss as i64 - used as i64);
}

/// A report in prose.
fn doctor(sum: &CoreReport) -> String {
    let (used, rss) = (sum.used_bytes(), sum.figures.rss_bytes);
    if used < DOCTOR_BYTES_MIN {
        return "Hi Sam, this instance is empty or is using very little memory, my issues detector \
            can't be used in these conditions. Please, leave for your mission on Earth and fill it \
            with some data. The new Sam and I will be back to our programming as soon as I finished \
            rebooting.\n"
            .to_owned();
    }
    let mut findings = Vec::new();
    if ratio(sum.peak_bytes, used) > DOCTOR_RATIO {
        findings.push(
            "Peak memory: this server has used more than one and a half times what it uses now; \
             memory that is resident without being used may stem from then.",
        );
    }
    if rss > 0 && ratio(rss, used) > DOCTOR_RATIO {
        findings.push(
            "Resident memory is far above what is accounted: MEMORY PURGE moves entries together \
             and gives free spans back.",
        );
    }
    if sum.clients.bytes as u64 > used / 2 {
        findings.push(
            "Clients: buffers of connections take more than half of the memory; CLIENT LIST shows \
             whose, maxmemory-clients bounds them.",
        );
    }
    if findings.is_empty() {
        return "Hi Sam, I can't find any memory issue in your instance. I can only account for what \
            occurs on this base.\n"
            .to_owned();
    }
    let list: String = findings.iter().map(|finding| format!(" * {finding}\n\n")).collect();
    format!("Sam, I detected a few issues in this Redis instance memory implants:\n\n{list}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::World;

    #[test]
    fn usage_is_answered_by_the_owner_of_the_key() {
        let mut world = World::new(3);
        let clients: Vec<_> = (0..3).map(|core| world.open(core)).collect();
        world.ask(clients[0], "SET k some-value");
        let answers: Vec<String> =
            clients.iter().map(|client| world.ask(*client, "MEMORY USAGE k")).collect();
        assert!(answers[0].parse::<u64>().unwrap() > 10);
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        assert_eq!(world.ask(clients[0], "MEMORY USAGE none"), "nil");
        for (words, reply) in [
            ("MEMORY USAGE k SAMPLES -1", "(err) ERR syntax error"),
            ("MEMORY USAGE k SAMPLES x", "(err) ERR value is not an integer or out of range"),
            ("MEMORY USAGE k x 1", "(err) ERR syntax error"),
            ("MEMORY USAGE", "(err) ERR wrong number of arguments for 'memory|usage' command"),
            ("MEMORY X", "(err) ERR unknown subcommand 'X'. Try MEMORY HELP."),
            ("MEMORY PURGE", "OK"),
            ("MEMORY MALLOC-STATS", "Stats not supported for the current allocator"),
        ] {
            assert_eq!(world.ask(clients[1], words), reply, "{words}");
        }
    }

    #[test]
    fn statistics_name_the_databases_that_have_keys() {
        let mut world = World::new(2);
        let client = world.open(0);
        world.ask(client, "SET a 1");
        world.ask(client, "SET b 1");
        let stats = world.ask(client, "MEMORY STATS");
        assert!(stats.contains(" db.0 [overhead.hashtable.main "), "{stats}");
        assert!(stats.contains(" keys.count 2 "), "{stats}");
        assert!(!stats.contains("db.1"));
    }

    #[test]
    fn the_doctor_waits_for_data_and_then_names_what_is_odd() {
        assert!(doctor(&CoreReport::default()).starts_with("Hi Sam, this instance is empty"));
        let mut report = CoreReport::default();
        report.memory.used = 100 << 20;
        report.peak_bytes = 100 << 20;
        assert!(doctor(&report).starts_with("Hi Sam, I can't find any memory issue"));
        report.figures.rss_bytes = 400 << 20;
        assert!(doctor(&report).contains("Resident memory"));
    }
}
