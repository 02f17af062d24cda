//! The sub-commands of CLUSTER that would change a cluster.
//!
//! The slots of the cores are fixed, every core is a master and nobody joins or leaves. So each of
//! these checks its arguments as Redis does and then gives the error that Redis has for the
//! situation, or [`FIXED`] where Redis would do it.

use super::cluster::{nodes, require_cluster};
use super::{Desk, EngineCommand, Next, help};
use base::{Slot, until_nul};
use command::{Arg, ArgKind, Args, Arity, Failure, Flags, Group, Spec};
use core::net::IpAddr;

/// The answer where Redis would change the cluster.
const FIXED: Failure =
    Failure::new("ERR The cores of this server are a fixed cluster: their slots cannot be changed");

const BAD_SLOT: Failure = Failure::new("ERR Invalid or out of range slot");

const MANAGEMENT: Flags = Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING);

fn slot(args: &Args<'_>, index: usize) -> Result<u16, Failure> {
    let number = args.integer(index).and_then(|number| u16::try_from(number).ok());
    number.and_then(Slot::new).map(Slot::number).ok_or(BAD_SLOT)
}

/// The node with the id in argument `index`; the error names it when there is none.
fn is_myself(desk: &Desk<'_>, args: &Args<'_>, index: usize) -> Result<bool, Failure> {
    let id = args.get(index);
    let nodes = nodes(desk.core, &desk.session.peer);
    match nodes.iter().position(|node| node.id.as_bytes() == id) {
        Some(position) => Ok(position == desk.core.id.index()),
        None => Err(Failure::quoting("ERR Unknown node ", id, "")),
    }
}

/// Gives slots to the node. Every slot has a node already.
pub const ADDSLOTS: EngineCommand = EngineCommand::new(
    Spec {
        name: "ADDSLOTS",
        arity: Arity::at_least(3),
        flags: MANAGEMENT,
        group: Group::Cluster,
        since: "3.0.0",
        complexity: "O(N) where N is the total number of hash slot arguments",
        summary: "Assign new hash slots to receiving node",
        args: &[Arg::new("slot", ArgKind::Integer).multiple()],
        ..Spec::NEW
    },
    addslots,
);

fn addslots(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    for index in 2..args.len() {
        slot(args, index)?;
    }
    Err(Failure::text(format!("ERR Slot {} is already busy", slot(args, 2)?)))
}

/// Takes slots from the node.
pub const DELSLOTS: EngineCommand = EngineCommand::new(
    Spec {
        name: "DELSLOTS",
        arity: Arity::at_least(3),
        flags: MANAGEMENT,
        group: Group::Cluster,
        since: "3.0.0",
        complexity: "O(N) where N is the total number of hash slot arguments",
        summary: "Set hash slots as unbound in receiving node",
        args: &[Arg::new("slot", ArgKind::Integer).multiple()],
        ..Spec::NEW
    },
    delslots,
);

fn delslots(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    for index in 2..args.len() {
        slot(args, index)?;
    }
    Err(FIXED)
}

/// Reads pairs of slots; gives the first of the first range.
fn ranges(args: &Args<'_>, name: &str) -> Result<u16, Failure> {
    if args.len() % 2 == 1 {
        return Err(Failure::wrong_arity(name));
    }
    for index in (2..args.len()).step_by(2) {
        let (start, end) = (slot(args, index)?, slot(args, index + 1)?);
        if start > end {
            return Err(Failure::text(format!(
                "ERR start slot number {start} is greater than end slot number {end}"
            )));
        }
    }
    slot(args, 2)
}

/// Gives ranges of slots to the node.
pub const ADDSLOTSRANGE: EngineCommand = EngineCommand::new(
    Spec {
        name: "ADDSLOTSRANGE",
        arity: Arity::at_least(4),
        flags: MANAGEMENT,
        group: Group::Cluster,
        since: "7.0.0",
        complexity: "O(N) where N is the total number of the slots between the start slot and end slot arguments.",
        summary: "Assign new hash slots to receiving node",
        args: &[Arg::new(
            "start-slot_end-slot",
            ArgKind::Block(&[
                Arg::new("start-slot", ArgKind::Integer),
                Arg::new("end-slot", ArgKind::Integer),
            ]),
        )
        .multiple()],
        ..Spec::NEW
    },
    addslotsrange,
);

fn addslotsrange(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    let first = ranges(args, "cluster|addslotsrange")?;
    Err(Failure::text(format!("ERR Slot {first} is already busy")))
}

/// Takes ranges of slots from the node.
pub const DELSLOTSRANGE: EngineCommand = EngineCommand::new(
    Spec {
        name: "DELSLOTSRANGE",
        arity: Arity::at_least(4),
        flags: MANAGEMENT,
        group: Group::Cluster,
        since: "7.0.0",
        complexity: "O(N) where N is the total number of the slots between the start slot and end slot arguments.",
        summary: "Set hash slots as unbound in receiving node",
        args: &[Arg::new(
            "start-slot_end-slot",
            ArgKind::Block(&[
                Arg::new("start-slot", ArgKind::Integer),
                Arg::new("end-slot", ArgKind::Integer),
            ]),
        )
        .multiple()],
        ..Spec::NEW
    },
    delslotsrange,
);

fn delslotsrange(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    ranges(args, "cluster|delslotsrange")?;
    Err(FIXED)
}

/// Takes all slots from the node.
pub const FLUSHSLOTS: EngineCommand = EngineCommand::new(
    Spec {
        name: "FLUSHSLOTS",
        arity: Arity::exactly(2),
        flags: MANAGEMENT,
        group: Group::Cluster,
        since: "3.0.0",
        summary: "Delete a node's own slots information",
        ..Spec::NEW
    },
    flushslots,
);

fn flushslots(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    Err(FIXED)
}

/// Moves the epoch of the configuration, which never has to move here.
pub const BUMPEPOCH: EngineCommand = EngineCommand::new(
    Spec {
        name: "BUMPEPOCH",
        arity: Arity::exactly(2),
        flags: MANAGEMENT,
        group: Group::Cluster,
        since: "3.0.0",
        summary: "Advance the cluster config epoch",
        tips: &["nondeterministic_output"],
        ..Spec::NEW
    },
    bumpepoch,
);

fn bumpepoch(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    desk.reply.simple("STILL 1");
    Ok(Next::Done)
}

/// Sets the epoch of the configuration, which is set already.
pub const SET_CONFIG_EPOCH: EngineCommand = EngineCommand::new(
    Spec {
        name: "SET-CONFIG-EPOCH",
        arity: Arity::exactly(3),
        flags: MANAGEMENT,
        group: Group::Cluster,
        since: "3.0.0",
        summary: "Set the configuration epoch in a new node",
        args: &[Arg::new("config-epoch", ArgKind::Integer)],
        ..Spec::NEW
    },
    set_config_epoch,
);

fn set_config_epoch(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    let epoch = args.integer(2).ok_or(Failure::NOT_INTEGER)?;
    if epoch < 0 {
        return Err(Failure::text(format!("ERR Invalid config epoch specified: {epoch}")));
    }
    Err(Failure::new("ERR Node config epoch is already non-zero"))
}

/// Writes the state of the cluster to disk; there is none that could get lost.
pub const SAVECONFIG: EngineCommand = EngineCommand::new(
    Spec {
        name: "SAVECONFIG",
        arity: Arity::exactly(2),
        flags: MANAGEMENT,
        group: Group::Cluster,
        since: "3.0.0",
        summary: "Forces the node to save cluster state on disk",
        ..Spec::NEW
    },
    saveconfig,
);

fn saveconfig(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    desk.reply.ok();
    Ok(Next::Done)
}

/// Counts who says that a node has failed.
pub const COUNT_FAILURE_REPORTS: EngineCommand = EngineCommand::new(
    Spec {
        name: "COUNT-FAILURE-REPORTS",
        arity: Arity::exactly(3),
        flags: Flags::ADMIN.and(Flags::STALE),
        group: Group::Cluster,
        since: "3.0.0",
        complexity: "O(N) where N is the number of failure reports",
        summary: "Return the number of failure reports active for a given node",
        args: &[Arg::new("node-id", ArgKind::String)],
        tips: &["nondeterministic_output"],
        ..Spec::NEW
    },
    count_failure_reports,
);

fn count_failure_reports(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    is_myself(desk, args, 2)?;
    desk.reply.integer(0);
    Ok(Next::Done)
}

/// Lists the replicas of a node.
pub const REPLICAS: EngineCommand = EngineCommand::new(
    Spec {
        name: "REPLICAS",
        arity: Arity::exactly(3),
        flags: Flags::ADMIN.and(Flags::STALE),
        group: Group::Cluster,
        since: "5.0.0",
        summary: "List replica nodes of the specified master node",
        args: &[Arg::new("node-id", ArgKind::String)],
        tips: &["nondeterministic_output"],
        ..Spec::NEW
    },
    replicas,
);

/// The old name of REPLICAS.
pub const SLAVES: EngineCommand = EngineCommand::new(
    Spec {
        name: "SLAVES",
        arity: Arity::exactly(3),
        flags: Flags::ADMIN.and(Flags::STALE),
        group: Group::Cluster,
        since: "3.0.0",
        summary: "List replica nodes of the specified master node",
        args: &[Arg::new("node-id", ArgKind::String)],
        tips: &["nondeterministic_output"],
        deprecated: Some(("5.0.0", "`CLUSTER REPLICAS`")),
        ..Spec::NEW
    },
    replicas,
);

fn replicas(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    is_myself(desk, args, 2)?;
    desk.reply.array(0);
    Ok(Next::Done)
}

/// Makes the node a replica.
pub const REPLICATE: EngineCommand = EngineCommand::new(
    Spec {
        name: "REPLICATE",
        arity: Arity::exactly(3),
        flags: MANAGEMENT,
        group: Group::Cluster,
        since: "3.0.0",
        summary: "Reconfigure a node as a replica of the specified master node",
        args: &[Arg::new("node-id", ArgKind::String)],
        ..Spec::NEW
    },
    replicate,
);

fn replicate(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    match is_myself(desk, args, 2)? {
        true => Err(Failure::new("ERR Can't replicate myself")),
        false => Err(Failure::new(
            "ERR To set a master the node must be empty and without assigned slots.",
        )),
    }
}

/// Makes a replica a master.
pub const FAILOVER: EngineCommand = EngineCommand::new(
    Spec {
        name: "FAILOVER",
        arity: Arity::at_least(2),
        flags: MANAGEMENT,
        group: Group::Cluster,
        since: "3.0.0",
        summary: "Forces a replica to perform a manual failover of its master.",
        args: &[Arg::new(
            "options",
            ArgKind::OneOf(&[Arg::word("force", "FORCE"), Arg::word("takeover", "TAKEOVER")]),
        )
        .optional()],
        ..Spec::NEW
    },
    failover,
);

fn failover(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    check_option(args, &["FORCE", "TAKEOVER"])?;
    Err(Failure::new("ERR You should send CLUSTER FAILOVER to a replica"))
}

/// Whether what follows the sub-command is nothing, or one of these words.
fn check_option(args: &Args<'_>, words: &[&str]) -> Result<(), Failure> {
    match args.len() {
        2 => Ok(()),
        3 if words.iter().any(|word| args.is(2, word)) => Ok(()),
        3 => Err(Failure::SYNTAX),
        _ => Err(help::unknown("CLUSTER", args)),
    }
}

/// Makes the node forget another.
pub const FORGET: EngineCommand = EngineCommand::new(
    Spec {
        name: "FORGET",
        arity: Arity::exactly(3),
        flags: MANAGEMENT,
        group: Group::Cluster,
        since: "3.0.0",
        summary: "Remove a node from the nodes table",
        args: &[Arg::new("node-id", ArgKind::String)],
        ..Spec::NEW
    },
    forget,
);

fn forget(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    match is_myself(desk, args, 2)? {
        true => Err(Failure::new("ERR I tried hard but I can't forget myself...")),
        false => Err(FIXED),
    }
}

/// Introduces another node.
pub const MEET: EngineCommand = EngineCommand::new(
    Spec {
        name: "MEET",
        arity: Arity::at_least(4),
        flags: MANAGEMENT,
        group: Group::Cluster,
        since: "3.0.0",
        summary: "Force a node cluster to handshake with another node",
        args: &[
            Arg::new("ip", ArgKind::String),
            Arg::new("port", ArgKind::Integer),
            Arg::new("cluster_bus_port", ArgKind::Integer).since("4.0.0").optional(),
        ],
        history: &[("4.0.0", "Added the optional `cluster_bus_port` argument.")],
        ..Spec::NEW
    },
    meet,
);

fn meet(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    if args.len() > 5 {
        return Err(help::unknown("CLUSTER", args));
    }
    for (index, which) in [(3, "base"), (4, "bus")] {
        if index < args.len() && args.integer(index).is_none() {
            let before = format!("ERR Invalid TCP {which} port specified: ");
            return Err(Failure::quoting(&before, args.get(index), ""));
        }
    }
    let port_exists = args.integer(3).is_some_and(|port| (1..=65535).contains(&port));
    let ip = std::str::from_utf8(args.get(2)).ok().and_then(|text| text.parse::<IpAddr>().ok());
    if ip.is_none() || !port_exists {
        let text = [
            b"ERR Invalid node address specified: ",
            until_nul(args.get(2)),
            b":",
            until_nul(args.get(3)),
        ];
        return Err(Failure::text(text.concat()));
    }
    Err(FIXED)
}

/// Makes the node one without cluster.
pub const RESET: EngineCommand = EngineCommand::new(
    Spec {
        name: "RESET",
        arity: Arity::at_least(2),
        flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::STALE),
        group: Group::Cluster,
        since: "3.0.0",
        complexity: "O(N) where N is the number of known nodes. The command may execute a FLUSHALL as a side effect.",
        summary: "Reset a Redis Cluster node",
        args: &[Arg::new(
            "hard_soft",
            ArgKind::OneOf(&[Arg::word("hard", "HARD"), Arg::word("soft", "SOFT")]),
        )
        .optional()],
        ..Spec::NEW
    },
    reset,
);

fn reset(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    check_option(args, &["HARD", "SOFT"])?;
    Err(FIXED)
}

/// Moves a slot.
pub const SETSLOT: EngineCommand = EngineCommand::new(
    Spec {
        name: "SETSLOT",
        arity: Arity::at_least(4),
        flags: MANAGEMENT,
        group: Group::Cluster,
        since: "3.0.0",
        summary: "Bind a hash slot to a specific node",
        args: &[
            Arg::new("slot", ArgKind::Integer),
            Arg::new(
                "subcommand",
                ArgKind::OneOf(&[
                    Arg::new("node-id", ArgKind::String).token("IMPORTING"),
                    Arg::new("node-id", ArgKind::String).token("MIGRATING"),
                    Arg::new("node-id", ArgKind::String).token("NODE"),
                    Arg::word("stable", "STABLE"),
                ]),
            ),
        ],
        ..Spec::NEW
    },
    setslot,
);

fn setslot(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    let number = slot(args, 2)?;
    let owner = desk.core.route.owner(Slot::new(number).ok_or(BAD_SLOT)?);
    let mine = owner == desk.core.id;
    let unknown = |text: &str| Failure::quoting(&format!("ERR {text} "), args.get(4), "");
    let with_node = args.len() == 5;
    if with_node && args.is(3, "MIGRATING") {
        if !mine {
            return Err(Failure::text(format!("ERR I'm not the owner of hash slot {number}")));
        }
        is_myself(desk, args, 4).map_err(|_| unknown("I don't know about node"))?;
    } else if with_node && args.is(3, "IMPORTING") {
        if mine {
            return Err(Failure::text(format!("ERR I'm already the owner of hash slot {number}")));
        }
        is_myself(desk, args, 4).map_err(|_| unknown("I don't know about node"))?;
    } else if with_node && args.is(3, "NODE") {
        is_myself(desk, args, 4)?;
    } else if args.len() == 4 && args.is(3, "STABLE") {
        desk.reply.ok();
        return Ok(Next::Done);
    } else {
        return Err(Failure::new(
            "ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP",
        ));
    }
    Err(FIXED)
}

#[cfg(test)]
mod tests {
    use crate::check::{World, node_id};

    #[test]
    fn nothing_of_the_fixed_cluster_can_be_changed_and_redis_texts_say_so() {
        let mut world = World::new(2);
        let client = world.open_cluster(0);
        let (me, other) = (node_id(0), node_id(1));
        let fixed = "The cores of this server are a fixed cluster: their slots cannot be changed";
        let cases = [
            ("ADDSLOTS 1", "Slot 1 is already busy"),
            ("ADDSLOTS x", "Invalid or out of range slot"),
            ("ADDSLOTSRANGE 2 1", "start slot number 2 is greater than end slot number 1"),
            ("ADDSLOTSRANGE 1 2", "Slot 1 is already busy"),
            (
                "ADDSLOTSRANGE 1 2 3",
                "wrong number of arguments for 'cluster|addslotsrange' command",
            ),
            ("DELSLOTS x", "Invalid or out of range slot"),
            ("DELSLOTS 1", fixed),
            ("FAILOVER", "You should send CLUSTER FAILOVER to a replica"),
            ("FAILOVER x", "syntax error"),
            ("FORGET x", "Unknown node x"),
            (&format!("FORGET {me}"), "I tried hard but I can't forget myself..."),
            (&format!("FORGET {other}"), fixed),
            ("MEET 127.0.0.1 x", "Invalid TCP base port specified: x"),
            ("MEET nowhere 7001", "Invalid node address specified: nowhere:7001"),
            ("MEET 127.0.0.1 7001", fixed),
            ("REPLICATE x", "Unknown node x"),
            (&format!("REPLICATE {me}"), "Can't replicate myself"),
            ("RESET x", "syntax error"),
            ("SET-CONFIG-EPOCH -1", "Invalid config epoch specified: -1"),
            ("SET-CONFIG-EPOCH 1", "Node config epoch is already non-zero"),
            ("SETSLOT x STABLE", "Invalid or out of range slot"),
            (
                "SETSLOT 1 FOO",
                "Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP",
            ),
            ("SETSLOT 1 NODE x", "Unknown node x"),
            ("SETSLOT 1 IMPORTING x", "I'm already the owner of hash slot 1"),
            ("SETSLOT 1 MIGRATING x", "I don't know about node x"),
            ("SETSLOT 9000 MIGRATING x", "I'm not the owner of hash slot 9000"),
            ("COUNT-FAILURE-REPORTS x", "Unknown node x"),
        ];
        for (command, text) in cases {
            let answer = world.ask(client, &format!("CLUSTER {command}"));
            assert_eq!(answer, format!("(err) ERR {text}"), "{command}");
        }
        assert_eq!(world.ask(client, &format!("CLUSTER REPLICAS {other}")), "[]");
        assert_eq!(world.ask(client, &format!("CLUSTER COUNT-FAILURE-REPORTS {me}")), "0");
        assert_eq!(world.ask(client, "CLUSTER SAVECONFIG"), "OK");
        assert_eq!(world.ask(client, "CLUSTER BUMPEPOCH"), "STILL 1");
        assert_eq!(world.ask(client, "CLUSTER SETSLOT 1 STABLE"), "OK");
    }
}
