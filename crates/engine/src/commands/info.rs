//! INFO: what the server knows of itself, gathered fresh from every core.
//!
//! The asking core writes the text from the sum of the cores' reports. Names and order of the
//! fields are those of Redis 7.2, so that dashboards and exporters go on working; a field that
//! means nothing here is zero. What only this server has stands in the section `Corelane`.

pub mod report;
mod sections;
mod server_fields;
mod statistics;

pub use server_fields::REDIS_VERSION;

use super::query::{Answer, Query, Witness};
use super::{Desk, EngineCommand, Next};
use command::{Arg, ArgKind, Args, Arity, Failure, Flags, Group, Spec};
use report::{CoreReport, Depth};

/// The family's list.
pub const COMMANDS: &[EngineCommand] = &[INFO];

/// Answers sections of fields about the server.
pub const INFO: EngineCommand = EngineCommand::new(
    Spec {
        name: "INFO",
        arity: Arity::at_least(1),
        flags: Flags::LOADING.and(Flags::STALE),
        group: Group::Server,
        categories: &["@dangerous"],
        summary: "Returns information and statistics about the server.",
        args: &[Arg::new("section", ArgKind::String).optional().multiple()],
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        history: &[("7.0.0", "Added support for taking multiple section arguments.")],
        ..Spec::NEW
    },
    info,
);

/// The sections in the order in which they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// What the server is.
    Server,
    /// Connections.
    Clients,
    /// Where memory goes.
    Memory,
    /// Snapshots and logs of writes.
    Persistence,
    /// Counters.
    Stats,
    /// Master and replicas.
    Replication,
    /// CPU time.
    Cpu,
    /// Loaded modules.
    Modules,
    /// Counters of each command.
    Commandstats,
    /// Error replies by their first word.
    Errorstats,
    /// Percentiles of each command's latency.
    Latencystats,
    /// Whether this is a cluster node.
    Cluster,
    /// Each database.
    Keyspace,
    /// What only this server has: cores, hops, wake-ups.
    Corelane,
    /// What only `INFO debug` shows.
    Debug,
}

impl Section {
    /// Every section in order.
    const ALL: [Section; 15] = [
        Section::Server,
        Section::Clients,
        Section::Memory,
        Section::Persistence,
        Section::Stats,
        Section::Replication,
        Section::Cpu,
        Section::Modules,
        Section::Commandstats,
        Section::Errorstats,
        Section::Latencystats,
        Section::Cluster,
        Section::Keyspace,
        Section::Corelane,
        Section::Debug,
    ];

    /// The heading, which in lower case is the name that INFO takes.
    fn title(self) -> &'static str {
        match self {
            Section::Server => "Server",
            Section::Clients => "Clients",
            Section::Memory => "Memory",
            Section::Persistence => "Persistence",
            Section::Stats => "Stats",
            Section::Replication => "Replication",
            Section::Cpu => "CPU",
            Section::Modules => "Modules",
            Section::Commandstats => "Commandstats",
            Section::Errorstats => "Errorstats",
            Section::Latencystats => "Latencystats",
            Section::Cluster => "Cluster",
            Section::Keyspace => "Keyspace",
            Section::Corelane => "Corelane",
            Section::Debug => "Debug",
        }
    }

    /// Whether the word asks for this section.
    fn is_asked_by(self, word: &[u8]) -> bool {
        let costly = matches!(self, Section::Commandstats | Section::Latencystats);
        if word.eq_ignore_ascii_case(b"all") || word.eq_ignore_ascii_case(b"everything") {
            return self != Section::Debug;
        }
        if word.eq_ignore_ascii_case(b"default") {
            return !costly && self != Section::Debug;
        }
        let second = self == Section::Modules && word.eq_ignore_ascii_case(b"module_list");
        second || word.eq_ignore_ascii_case(self.title().as_bytes())
    }
}

fn info(_desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let words: Vec<&[u8]> = if args.len() == 1 { vec![b"default"] } else { args.from(1).collect() };
    let asked = |section: &Section| words.iter().any(|word| section.is_asked_by(word));
    Ok(Next::Ask(Query::Info(Section::ALL.into_iter().filter(asked).collect())))
}

/// One core's part.
pub fn answer(sections: &[Section], mut witness: Witness<'_>) -> Answer {
    let has = |section| sections.contains(&section);
    let commands = has(Section::Commandstats) || has(Section::Stats);
    let depth = Depth { commands, latency: has(Section::Latencystats) };
    Answer::Report(Box::new(CoreReport::of(&mut witness, depth)))
}

/// The text from all parts.
pub fn merge(sections: &[Section], answers: Vec<Answer>, desk: &mut Desk<'_>) {
    let cores = reports(answers);
    let sum = CoreReport::sum(cores.iter());
    let scene =
        sections::Scene { core: desk.core, peer: &desk.session.peer, sum: &sum, cores: &cores };
    let mut text = String::new();
    for section in sections {
        if !text.is_empty() {
            text += "\r\n";
        }
        text += &format!("# {}\r\n", section.title());
        scene.write(*section, &mut text);
    }
    desk.reply.verbatim("txt", text.as_bytes());
}

/// The reports among answers, in the order of the cores.
pub fn reports(answers: Vec<Answer>) -> Vec<CoreReport> {
    let report = |answer| match answer {
        Answer::Report(report) => Some(*report),
        _ => None,
    };
    answers.into_iter().filter_map(report).collect()
}

/// Bytes as people read them: `1.50M`.
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["K", "M", "G", "T", "P"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let power = ((bytes.ilog2() / 10) as usize).min(UNITS.len());
    format!("{:.2}{}", bytes as f64 / 1024f64.powi(power as i32), UNITS[power - 1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::World;

    #[test]
    fn bytes_are_rounded_for_people_as_redis_does() {
        assert_eq!(human(0), "0B");
        assert_eq!(human(1023), "1023B");
        assert_eq!(human(1024), "1.00K");
        assert_eq!(human(965_936), "943.30K");
        assert_eq!(human(1_572_864), "1.50M");
        assert_eq!(human(25_276_514_304), "23.54G");
        assert_eq!(human(1 << 50), "1.00P");
    }

    #[test]
    fn figures_of_all_cores_are_added_and_old_ones_follow_a_change() {
        let mut world = World::new(3);
        let (a, b) = (world.open(0), world.open(2));
        for key in ["a", "b", "c", "d"] {
            assert_eq!(world.ask(a, &format!("SET {key} 1")), "OK");
        }
        let text = world.text(b, "INFO");
        assert!(text.contains("\nconnected_clients:2\n"), "{text}");
        assert!(text.contains("\ndb0:keys=4,expires=0,avg_ttl=0\n"), "{text}");
        assert!(text.contains("\ncores:3\ncore_0:busy=0.0,connections=1,keys="), "{text}");
        assert!(
            text.contains("\nredis_version:7.2.4\n") && text.contains("\nserver_name:corelane\n")
        );
        assert!(!text.contains("# Commandstats"));
        assert!(world.text(b, "INFO commandstats").contains("cmdstat_set:calls=4,"));
        assert_eq!(world.ask(b, "CONFIG RESETSTAT"), "OK");
        assert!(!world.text(b, "INFO commandstats").contains("cmdstat_set"));
    }

    #[test]
    fn unknown_sections_give_an_empty_text_and_headings_come_once_in_order() {
        let mut world = World::new(1);
        let client = world.open(0);
        assert_eq!(world.ask(client, "INFO nosuch"), "\"\"");
        let text = world.text(client, "INFO cpu SERVER cpu");
        assert_eq!(text.matches("# ").count(), 2);
        assert!(text.find("# Server").unwrap() < text.find("# CPU").unwrap());
        let all = world.text(client, "INFO everything");
        let headings: Vec<&str> =
            all.lines().filter(|line| line.trim_start_matches('"').starts_with("# ")).collect();
        assert_eq!(headings.len(), 14, "{headings:?}");
    }

    #[test]
    fn words_ask_for_their_sections_in_any_case() {
        let asked = |word: &str| {
            let has = |section: &Section| section.is_asked_by(word.as_bytes());
            Section::ALL.into_iter().filter(has).count()
        };
        assert_eq!(asked("cpu"), 1);
        assert_eq!(asked("CommandStats"), 1);
        assert_eq!(asked("nosuch"), 0);
        assert_eq!(asked("default"), 12);
        assert_eq!(asked("ALL"), 14);
        assert_eq!(asked("everything"), 14);
        assert_eq!(asked("module_list"), 1);
    }
}
