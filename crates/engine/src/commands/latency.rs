//! LATENCY: spikes of events over a threshold, and histograms of every command.

mod histogram;
mod reports;
pub mod spikes;

use super::query::{Answer, Query, Witness};
use super::{Desk, EngineCommand, Next, help};
use base::settings;
use command::{Arg, ArgKind, Args, Arity, Failure, Flags, Group, Spec};
use spikes::Series;
use std::collections::{BTreeMap, BTreeSet};

/// The family's list.
pub const COMMANDS: &[EngineCommand] = &[LATENCY];

const FLAGS: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE);
const TIPS: &[&str] =
    &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"];

/// What the sub-commands share.
const BASE: Spec = Spec {
    flags: FLAGS,
    group: Group::Server,
    since: "2.8.13",
    arity: Arity::exactly(2),
    tips: TIPS,
    ..Spec::NEW
};

/// A container.
pub const LATENCY: EngineCommand = EngineCommand {
    spec: Spec {
        name: "LATENCY",
        arity: Arity::at_least(2),
        group: Group::Server,
        since: "2.8.13",
        complexity: "Depends on subcommand.",
        summary: "A container for latency diagnostics commands.",
        ..Spec::NEW
    },
    subcommands: &[DOCTOR, GRAPH, HISTOGRAM, HISTORY, LATEST, RESET, HELP],
    ..EngineCommand::container()
};

const DOCTOR: EngineCommand = EngineCommand::new(
    Spec { name: "DOCTOR", summary: "Returns a human-readable latency analysis report.", ..BASE },
    |_, _| Ok(Next::Ask(Query::Latency(Question::Doctor))),
);

const GRAPH: EngineCommand = EngineCommand::new(
    Spec {
        name: "GRAPH",
        arity: Arity::exactly(3),
        summary: "Returns a latency graph for an event.",
        args: &[Arg::new("event", ArgKind::String)],
        ..BASE
    },
    |_, args| Ok(Next::Ask(Query::Latency(Question::Graph(args.get(2).to_vec())))),
);

const HISTOGRAM: EngineCommand = EngineCommand::new(
    Spec {
        name: "HISTOGRAM",
        arity: Arity::at_least(2),
        since: "7.0.0",
        complexity: "O(N) where N is the number of commands with latency information being retrieved.",
        summary: "Returns the cumulative distribution of latencies of a subset or all commands.",
        args: &[Arg::new("command", ArgKind::String).optional().multiple()],
        ..BASE
    },
    histogram::run,
);

const HISTORY: EngineCommand = EngineCommand::new(
    Spec {
        name: "HISTORY",
        arity: Arity::exactly(3),
        summary: "Returns timestamp-latency samples for an event.",
        args: &[Arg::new("event", ArgKind::String)],
        ..BASE
    },
    |_, args| Ok(Next::Ask(Query::Latency(Question::History(args.get(2).to_vec())))),
);

const LATEST: EngineCommand = EngineCommand::new(
    Spec { name: "LATEST", summary: "Returns the latest latency samples for all events.", ..BASE },
    |_, _| Ok(Next::Ask(Query::Latency(Question::Latest))),
);

const RESET: EngineCommand = EngineCommand::new(
    Spec {
        name: "RESET",
        arity: Arity::at_least(2),
        summary: "Resets the latency data for one or more events.",
        args: &[Arg::new("event", ArgKind::String).optional().multiple()],
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..BASE
    },
    reset,
);

fn reset(_desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let events = args.from(2).map(<[u8]>::to_vec).collect();
    Ok(Next::Ask(Query::Latency(Question::Reset(events))))
}

const HELP: EngineCommand = help::command(BASE, |desk, _| {
    help::write(
        desk,
        "LATENCY",
        &[
            "DOCTOR",
            "    Return a human readable latency analysis report.",
            "GRAPH <event>",
            "    Return an ASCII latency graph for the <event> class.",
            "HISTORY <event>",
            "    Return time-latency samples for the <event> class.",
            "LATEST",
            "    Return the latest latency samples for all events.",
            "RESET [<event> ...]",
            "    Reset latency data of one or more <event> classes.",
            "    (default: reset all data for all event classes)",
            "HISTOGRAM [COMMAND ...]",
            "    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.",
            "    If no commands are specified then all histograms are replied.",
        ],
    )
});

/// What is asked of the cores.
#[derive(Debug)]
pub enum Question {
    /// Every event's series, for prose.
    Doctor,
    /// One event's series, for a picture.
    Graph(Vec<u8>),
    /// One event's series.
    History(Vec<u8>),
    /// Every event's latest.
    Latest,
    /// Forget these, or all.
    Reset(Vec<Vec<u8>>),
    /// Histograms of these commands, by position in the table.
    Histogram(Vec<u16>),
}

/// Series by event.
pub type ByEvent = Vec<(&'static str, Series)>;

/// One core's part.
pub fn answer(question: &Question, witness: Witness<'_>) -> Answer {
    let core = witness.core;
    match question {
        Question::Doctor | Question::Latest => {
            Answer::Spikes(core.spikes.all().map(|(name, series)| (name, series.clone())).collect())
        }
        Question::Graph(event) | Question::History(event) => Answer::Spikes(
            core.spikes.of(event).map(|series| ("", series.clone())).into_iter().collect(),
        ),
        Question::Reset(events) => {
            let gone = core.spikes.reset(events).into_iter();
            Answer::Spikes(gone.map(|event| (event, Series::default())).collect())
        }
        Question::Histogram(commands) => histogram::answer(commands, core),
    }
}

/// The reply.
pub fn merge(question: &Question, answers: Vec<Answer>, desk: &mut Desk<'_>) {
    if let Question::Histogram(commands) = question {
        return histogram::merge(commands, answers, desk);
    }
    let all = by_event(answers);
    let unix_s = desk.core.now.unix_s();
    match question {
        Question::Doctor => {
            let threshold = desk.core.settings.int(settings::LATENCY_MONITOR_THRESHOLD);
            let text = reports::doctor(&all, threshold, unix_s);
            desk.reply.verbatim("txt", text.as_bytes());
        }
        Question::Graph(event) => match all.first() {
            Some((_, series)) => {
                let event = String::from_utf8_lossy(event);
                let text = reports::graph(&event, series, unix_s);
                desk.reply.verbatim("txt", text.as_bytes());
            }
            None => {
                let before = "ERR No samples available for event '";
                desk.reply.error(&*Failure::quoting(before, event, "'").0);
            }
        },
        Question::History(_) => {
            let samples = all.first().map(|(_, series)| &series.samples);
            desk.reply.array(samples.map_or(0, |samples| samples.len()));
            for sample in samples.into_iter().flatten() {
                desk.reply.array(2);
                desk.reply.integer(sample.unix_s);
                desk.reply.integer(sample.ms as i64);
            }
        }
        Question::Latest => write_latest(&all, desk),
        Question::Reset(_) => desk.reply.integer(all.len() as i64),
        Question::Histogram(_) => unreachable!("handled above"),
    }
}

fn write_latest(all: &ByEvent, desk: &mut Desk<'_>) {
    desk.reply.array(all.len());
    for (event, series) in all {
        let last = series.samples.back().copied();
        desk.reply.array(4);
        desk.reply.bulk(event.as_bytes());
        desk.reply.integer(last.map_or(0, |sample| sample.unix_s));
        desk.reply.integer(last.map_or(0, |sample| sample.ms) as i64);
        desk.reply.integer(series.max_ms as i64);
    }
}

/// One series an event, of all cores.
fn by_event(answers: Vec<Answer>) -> ByEvent {
    let mut of: BTreeMap<&'static str, Vec<Series>> = BTreeMap::new();
    for answer in answers {
        if let Answer::Spikes(series) = answer {
            series
                .into_iter()
                .for_each(|(event, series)| of.entry(event).or_default().push(series));
        }
    }
    of.into_iter().map(|(event, several)| (event, Series::merged(several))).collect()
}

/// Names without repetition, in the order of their first appearance.
fn unique<T: Copy + Ord>(all: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = BTreeSet::new();
    all.into_iter().filter(|one| seen.insert(*one)).collect()
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check};

    #[test]
    fn without_spikes_there_is_nothing_to_see() {
        check(
            "LATENCY LATEST; LATENCY HISTORY x; LATENCY RESET; LATENCY GRAPH x; LATENCY HISTORY; \
             LATENCY HISTOGRAM nosuch; LATENCY FOO",
            &[
                "[]",
                "[]",
                "0",
                "(err) ERR No samples available for event 'x'",
                "(err) ERR wrong number of arguments for 'latency|history' command",
                "[]",
                "(err) ERR unknown subcommand 'FOO'. Try LATENCY HELP.",
            ],
        );
    }

    #[test]
    fn spikes_are_seen_on_every_core_until_they_are_reset() {
        let directives = [("enable-debug-command", "yes"), ("latency-monitor-threshold", "10")];
        let mut world = World::with(2, &directives);
        let (a, b) = (world.open(0), world.open(1));
        world.ask(a, "DEBUG SLEEP 0.05");
        world.pass_ms(50);
        world.take(a);
        world.pass_ms(2000);
        world.ask(b, "DEBUG SLEEP 0.2");
        world.pass_ms(200);
        world.take(b);
        assert_eq!(world.ask(a, "LATENCY LATEST"), "[[command 1700000002 200 200]]");
        assert_eq!(world.ask(b, "LATENCY HISTORY command"), "[[1700000000 50] [1700000002 200]]");
        assert!(
            world.text(a, "LATENCY DOCTOR").contains("1. command: 2 latency spikes (average 125ms")
        );
        assert!(
            world.text(a, "LATENCY GRAPH command").starts_with("command - high 200 ms, low 50 ms")
        );
        assert_eq!(world.ask(a, "LATENCY RESET command other"), "1");
        assert_eq!(world.ask(b, "LATENCY LATEST"), "[]");
    }

    #[test]
    fn histograms_have_a_container_s_subcommands_and_their_calls() {
        let mut world = World::new(2);
        let client = world.open(0);
        world.ask(client, "CONFIG GET hz");
        world.ask(client, "HELLO 3");
        let histogram = world.ask(client, "LATENCY HISTOGRAM config nosuch config|get");
        assert_eq!(histogram, "{config|get {calls 1 histogram_usec {1 1}}}");
    }
}
