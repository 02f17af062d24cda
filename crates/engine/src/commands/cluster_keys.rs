//! Keys by slot: CLUSTER COUNTKEYSINSLOT, GETKEYSINSLOT, SLOT-STATS.
//!
//! All cores are asked and the owner's answer counts: any core answers for any slot, which a node of a
//! Redis Cluster does not. SLOT-STATS is about the slots of the core that the connection came in by.

use super::cluster::require_cluster;
use super::query::{Answer, Query, Witness};
use super::{Desk, EngineCommand, Next, help};
use base::{CoreId, SLOTS, Slot};
use command::{Arg, ArgKind, Args, Arity, Failure, Flags, Group, Spec};

/// Keys that one GETKEYSINSLOT gives at the most; asking for more is no error.
const KEYS_MAX: i64 = 1 << 20;

/// A question about keys by slot.
#[derive(Debug, Clone)]
pub enum SlotQuery {
    /// How many keys the slot has.
    Count(Slot),
    /// Some of the slot's keys.
    Keys(Slot, usize),
    /// How many keys each slot of a core has.
    Stats(Stats),
}

/// Which slots of which core are meant by SLOT-STATS, and in which order.
#[derive(Debug, Clone)]
pub struct Stats {
    core: CoreId,
    first: u16,
    last: u16,
    order: Option<Order>,
}

#[derive(Debug, Clone, Copy)]
struct Order {
    limit: usize,
    ascending: bool,
}

/// Answers on one core.
pub(super) fn answer(query: &SlotQuery, witness: Witness<'_>) -> Answer {
    let Witness { core, shard, .. } = witness;
    let is_mine = |slot: Slot| core.route.owner(slot) == core.id;
    match query {
        SlotQuery::Count(slot) if is_mine(*slot) => {
            Answer::Count(shard.store.len_of_slot(0, *slot) as u64)
        }
        SlotQuery::Keys(slot, count) if is_mine(*slot) => {
            let mut found = Vec::new();
            let visit = |key: &[u8]| found.push(key.to_vec());
            shard.store.db(0).keys_of_slot(*slot, *count, core.now, visit);
            Answer::Keys(found)
        }
        SlotQuery::Stats(stats) if stats.core == core.id => {
            let mine = core.route.slots(core.id);
            let slots = stats.first.max(mine.start)..(stats.last + 1).min(mine.end);
            let count = |number| {
                let slot = Slot::new(number).expect("slots of a core exist");
                (number, shard.store.len_of_slot(0, slot) as u64)
            };
            Answer::SlotCounts(slots.map(count).collect())
        }
        _ => Answer::Done,
    }
}

/// Writes what the owner answered.
pub(super) fn merge(query: &SlotQuery, answers: Vec<Answer>, desk: &mut Desk<'_>) {
    for answer in answers {
        match (query, answer) {
            (_, Answer::Count(count)) => desk.reply.integer(count as i64),
            (_, Answer::Keys(keys)) => {
                desk.reply.array(keys.len());
                keys.iter().for_each(|key| desk.reply.bulk(key));
            }
            (SlotQuery::Stats(stats), Answer::SlotCounts(counts)) => {
                write_stats(stats, counts, desk)
            }
            _ => {}
        }
    }
}

fn write_stats(stats: &Stats, mut counts: Vec<(u16, u64)>, desk: &mut Desk<'_>) {
    if let Some(order) = stats.order {
        match order.ascending {
            true => counts.sort_by_key(|(slot, count)| (*count, *slot)),
            false => counts.sort_by_key(|(slot, count)| (std::cmp::Reverse(*count), *slot)),
        }
        counts.truncate(order.limit);
    }
    desk.reply.array(counts.len());
    for (slot, count) in counts {
        desk.reply.array(2);
        desk.reply.integer(i64::from(slot));
        desk.reply.map(1);
        desk.reply.bulk(b"key-count");
        desk.reply.integer(count as i64);
    }
}

fn slot_of(number: i64) -> Option<Slot> {
    u16::try_from(number).ok().and_then(Slot::new)
}

/// Counts the keys of a slot.
pub const COUNTKEYSINSLOT: EngineCommand = EngineCommand::new(
    Spec {
        name: "COUNTKEYSINSLOT",
        arity: Arity::exactly(3),
        flags: Flags::STALE,
        group: Group::Cluster,
        since: "3.0.0",
        summary: "Return the number of local keys in the specified hash slot",
        args: &[Arg::new("slot", ArgKind::Integer)],
        ..Spec::NEW
    },
    countkeysinslot,
);

fn countkeysinslot(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    let number = args.integer(2).ok_or(Failure::NOT_INTEGER)?;
    let slot = slot_of(number).ok_or(Failure::new("ERR Invalid slot"))?;
    Ok(Next::Ask(Query::Slot(SlotQuery::Count(slot))))
}

/// Names keys of a slot.
pub const GETKEYSINSLOT: EngineCommand = EngineCommand::new(
    Spec {
        name: "GETKEYSINSLOT",
        arity: Arity::exactly(4),
        flags: Flags::STALE,
        group: Group::Cluster,
        since: "3.0.0",
        complexity: "O(log(N)) where N is the number of requested keys",
        summary: "Return local key names in the specified hash slot",
        args: &[Arg::new("slot", ArgKind::Integer), Arg::new("count", ArgKind::Integer)],
        tips: &["nondeterministic_output"],
        ..Spec::NEW
    },
    getkeysinslot,
);

fn getkeysinslot(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    let number = args.integer(2).ok_or(Failure::NOT_INTEGER)?;
    let count = args.integer(3).ok_or(Failure::NOT_INTEGER)?;
    let slot = slot_of(number).filter(|_| count >= 0);
    let slot = slot.ok_or(Failure::new("ERR Invalid slot or number of keys"))?;
    let count = count.min(KEYS_MAX) as usize;
    Ok(Next::Ask(Query::Slot(SlotQuery::Keys(slot, count))))
}

/// Figures of the slots of this core.
pub const SLOT_STATS: EngineCommand = EngineCommand::new(
    Spec {
        name: "SLOT-STATS",
        arity: Arity::at_least(4),
        flags: Flags::STALE.and(Flags::LOADING).and(Flags::NEWER),
        group: Group::Cluster,
        since: "8.2.0",
        complexity: "O(N) where N is the total number of slots based on arguments. \
                     O(N*log(N)) with ORDERBY subcommand.",
        summary: "Return an array of slot usage statistics for slots assigned to the current node.",
        args: &[Arg::new(
            "filter",
            ArgKind::OneOf(&[
                Arg::new(
                    "slotsrange",
                    ArgKind::Block(&[
                        Arg::new("start-slot", ArgKind::Integer),
                        Arg::new("end-slot", ArgKind::Integer),
                    ]),
                )
                .token("SLOTSRANGE"),
                Arg::new(
                    "orderby",
                    ArgKind::Block(&[
                        Arg::new("metric", ArgKind::String),
                        Arg::new("limit", ArgKind::Integer).token("LIMIT").optional(),
                        Arg::new(
                            "order",
                            ArgKind::OneOf(&[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")]),
                        )
                        .optional(),
                    ]),
                )
                .token("ORDERBY"),
            ]),
        )],
        tips: &["nondeterministic_output", "request_policy:all_shards"],
        ..Spec::NEW
    },
    slot_stats,
);

fn slot_stats(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    let stats = if args.is(2, "SLOTSRANGE") && args.len() == 5 {
        parse_range(args, desk.core.id)?
    } else if args.is(2, "ORDERBY") {
        parse_order(args, desk.core.id)?
    } else {
        return Err(help::unknown("CLUSTER", args));
    };
    Ok(Next::Ask(Query::Slot(SlotQuery::Stats(stats))))
}

fn parse_range(args: &Args<'_>, core: CoreId) -> Result<Stats, Failure> {
    let slot = |index| {
        let slot = args.integer(index).and_then(slot_of);
        slot.map(Slot::number).ok_or(Failure::new("ERR Invalid or out of range slot"))
    };
    let (first, last) = (slot(3)?, slot(4)?);
    if first > last {
        return Err(Failure::text(format!(
            "ERR Start slot number {first} is greater than end slot number {last}"
        )));
    }
    Ok(Stats { core, first, last, order: None })
}

/// `ORDERBY metric [LIMIT n] [ASC|DESC]`; the largest first unless said otherwise.
fn parse_order(args: &Args<'_>, core: CoreId) -> Result<Stats, Failure> {
    let mut order = Order { limit: SLOTS, ascending: false };
    let mut at = 4;
    while at < args.len() {
        if args.is(at, "ASC") || args.is(at, "DESC") {
            order.ascending = args.is(at, "ASC");
            at += 1;
        } else if args.is(at, "LIMIT") && at + 1 < args.len() {
            let limit = args.integer(at + 1).filter(|limit| (1..=SLOTS as i64).contains(limit));
            let bad = "ERR Limit has to lie in between 1 and 16384 (maximum number of slots).";
            order.limit = limit.ok_or(Failure::new(bad))? as usize;
            at += 2;
        } else {
            return Err(Failure::SYNTAX);
        }
    }
    if !args.is(3, "KEY-COUNT") {
        return Err(Failure::new("ERR Unrecognized sort metric for ORDERBY."));
    }
    Ok(Stats { core, first: 0, last: SLOTS as u16 - 1, order: Some(order) })
}

#[cfg(test)]
mod tests {
    use crate::check::World;

    #[test]
    fn any_core_counts_and_names_the_keys_of_any_slot() {
        let mut world = World::new(3);
        let clients: Vec<_> = (0..3).map(|core| world.open_cluster(core)).collect();
        assert_eq!(world.ask(clients[0], "SET {foo}1 v"), "OK");
        assert_eq!(world.ask(clients[0], "SET {foo}2 v"), "OK");
        for client in clients {
            assert_eq!(world.ask(client, "CLUSTER COUNTKEYSINSLOT 12182"), "2");
            assert_eq!(world.ask(client, "CLUSTER COUNTKEYSINSLOT 1"), "0");
            assert_eq!(world.ask(client, "CLUSTER GETKEYSINSLOT 1 10"), "[]");
            assert_eq!(world.ask(client, "CLUSTER GETKEYSINSLOT 12182 0"), "[]");
            let keys = world.ask(client, "CLUSTER GETKEYSINSLOT 12182 10");
            assert!(keys.contains("{foo}1") && keys.contains("{foo}2"), "{keys}");
        }
    }

    #[test]
    fn bad_slots_and_counts_are_told_apart() {
        let mut world = World::new(1);
        let client = world.open_cluster(0);
        for (command, text) in [
            ("COUNTKEYSINSLOT x", "value is not an integer or out of range"),
            ("COUNTKEYSINSLOT 16384", "Invalid slot"),
            ("COUNTKEYSINSLOT -1", "Invalid slot"),
            ("GETKEYSINSLOT 1 -1", "Invalid slot or number of keys"),
            ("GETKEYSINSLOT 16384 1", "Invalid slot or number of keys"),
            ("GETKEYSINSLOT 1 x", "value is not an integer or out of range"),
            ("SLOT-STATS SLOTSRANGE 1 99999", "Invalid or out of range slot"),
            ("SLOT-STATS SLOTSRANGE 5 1", "Start slot number 5 is greater than end slot number 1"),
            ("SLOT-STATS ORDERBY x", "Unrecognized sort metric for ORDERBY."),
            (
                "SLOT-STATS ORDERBY key-count LIMIT 0",
                "Limit has to lie in between 1 and 16384 (maximum number of slots).",
            ),
        ] {
            assert_eq!(
                world.ask(client, &format!("CLUSTER {command}")),
                format!("(err) ERR {text}")
            );
        }
    }

    #[test]
    fn slot_stats_are_about_the_slots_of_the_core() {
        let mut world = World::new(2);
        let client = world.open_cluster(1);
        for key in ["{foo}1", "{foo}2", "{bar}1"] {
            world.ask(client, &format!("SET {key} v"));
        }
        assert_eq!(
            world.ask(client, "CLUSTER SLOT-STATS SLOTSRANGE 8191 8193"),
            "[[8192 [key-count 0]] [8193 [key-count 0]]]"
        );
        assert_eq!(
            world.ask(client, "CLUSTER SLOT-STATS ORDERBY key-count LIMIT 1 DESC"),
            "[[12182 [key-count 2]]]"
        );
        assert_eq!(
            world.ask(client, "CLUSTER SLOT-STATS ORDERBY key-count LIMIT 1 ASC"),
            "[[8192 [key-count 0]]]"
        );
    }
}
