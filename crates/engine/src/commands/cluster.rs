//! CLUSTER on the core ports: each core presents itself as a node of a Redis Cluster that owns its
//! range of slots (architecture.md, "Two faces of the same data").
//!
//! Here is what the nodes look like. Keys by slot are in `cluster_keys.rs`; what would change a real
//! cluster, and here cannot, is in `cluster_admin.rs`. On the standalone face every sub-command
//! answers that cluster support is disabled.

use super::client::HELP_FLAGS;
use super::client_list::host_of;
use super::{Desk, EngineCommand, Next, cluster_admin as admin, cluster_keys as keys, help};
use crate::core::Core;
use crate::event::Peer;
use base::{CoreId, SLOTS, Slot, settings};
use command::{Arg, ArgKind, Args, Arity, Failure, Flags, Group, Spec};
use std::ops::Range;

/// The family's list.
pub const COMMANDS: &[EngineCommand] = &[CLUSTER, READONLY, READWRITE, ASKING];

/// The distance between a node's port and that of its bus, which other tools take for granted.
const BUS_PORT_OFFSET: u16 = 10_000;

/// The container.
pub const CLUSTER: EngineCommand = EngineCommand {
    spec: Spec {
        name: "CLUSTER",
        arity: Arity::at_least(2),
        group: Group::Cluster,
        since: "3.0.0",
        complexity: "Depends on subcommand.",
        summary: "A container for cluster commands",
        ..Spec::NEW
    },
    subcommands: &[
        admin::ADDSLOTS,
        admin::ADDSLOTSRANGE,
        admin::BUMPEPOCH,
        admin::COUNT_FAILURE_REPORTS,
        keys::COUNTKEYSINSLOT,
        admin::DELSLOTS,
        admin::DELSLOTSRANGE,
        admin::FAILOVER,
        admin::FLUSHSLOTS,
        admin::FORGET,
        keys::GETKEYSINSLOT,
        HELP,
        INFO,
        KEYSLOT,
        LINKS,
        admin::MEET,
        MYID,
        MYSHARDID,
        NODES,
        admin::REPLICAS,
        admin::REPLICATE,
        admin::RESET,
        admin::SAVECONFIG,
        admin::SET_CONFIG_EPOCH,
        admin::SETSLOT,
        SHARDS,
        admin::SLAVES,
        SLOTS_COMMAND,
        keys::SLOT_STATS,
    ],
    ..EngineCommand::container()
};

/// Fails on the standalone face.
pub(super) fn require_cluster(peer: &Peer) -> Result<(), Failure> {
    match peer.cluster_face {
        true => Ok(()),
        false => Err(Failure::new("ERR This instance has cluster support disabled")),
    }
}

/// One core as a node.
pub(super) struct Node {
    /// Forty hexadecimal digits.
    pub id: String,
    ip: String,
    hostname: String,
    port: u16,
    slots: Range<u16>,
    myself: bool,
}

impl Node {
    /// The first and the last slot.
    fn bounds(&self) -> (u16, u16) {
        (self.slots.start, self.slots.end - 1)
    }

    /// What clients should connect to, by `cluster-preferred-endpoint-type`: `None` is "where you
    /// got this from".
    fn endpoint(&self, preferred: &str) -> Option<&str> {
        match preferred {
            "hostname" if self.hostname.is_empty() => Some("?"),
            "hostname" => Some(&self.hostname),
            "unknown-endpoint" => None,
            _ => Some(&self.ip),
        }
    }
}

/// All cores as nodes, as the client behind `peer` sees them: at the address it came in by unless
/// the configuration announces another.
pub(super) fn nodes(core: &Core, peer: &Peer) -> Vec<Node> {
    let text = |id| String::from_utf8_lossy(core.settings.text(id)).into_owned();
    let announced = text(settings::CLUSTER_ANNOUNCE_IP);
    let ip = if announced.is_empty() { host_of(&peer.local_address).to_owned() } else { announced };
    let first_port = core.settings.int(settings::CLUSTER_ANNOUNCE_PORT) as u16;
    let cores = (0..core.route.cores() as u16).map(CoreId);
    cores
        .map(|id| Node {
            id: node_id(core, id),
            ip: ip.clone(),
            hostname: text(settings::CLUSTER_ANNOUNCE_HOSTNAME),
            port: match first_port {
                0 => core.process.core_ports.get(id.index()).copied().unwrap_or(0),
                first => first.saturating_add(id.0),
            },
            slots: core.route.slots(id),
            myself: id == core.id,
        })
        .collect()
}

fn node_id(core: &Core, id: CoreId) -> String {
    core.process.node_ids.get(id.index()).cloned().unwrap_or_else(|| format!("{:040x}", id.0))
}

/// Describes the slots and who has them, in the form that most client libraries ask for.
pub const SLOTS_COMMAND: EngineCommand = EngineCommand::new(
    Spec {
        name: "SLOTS",
        arity: Arity::exactly(2),
        flags: Flags::STALE,
        group: Group::Cluster,
        since: "3.0.0",
        complexity: "O(N) where N is the total number of Cluster nodes",
        summary: "Get array of Cluster slot to node mappings",
        tips: &["nondeterministic_output"],
        history: &[
            ("4.0.0", "Added node IDs."),
            ("7.0.0", "Added additional networking metadata field."),
        ],
        deprecated: Some(("7.0.0", "`CLUSTER SHARDS`")),
        ..Spec::NEW
    },
    slots,
);

fn slots(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    let preferred = desk.core.settings.choice(settings::CLUSTER_PREFERRED_ENDPOINT_TYPE);
    let nodes = nodes(desk.core, &desk.session.peer);
    let reply = &mut desk.reply;
    reply.array(nodes.len());
    for node in &nodes {
        let (first, last) = node.bounds();
        reply.array(3);
        reply.integer(i64::from(first));
        reply.integer(i64::from(last));
        reply.array(4);
        match node.endpoint(preferred) {
            Some(endpoint) => reply.bulk(endpoint.as_bytes()),
            None => reply.null(),
        }
        reply.integer(i64::from(node.port));
        reply.bulk(node.id.as_bytes());
        let facts = [("ip", &node.ip), ("hostname", &node.hostname)];
        let told: Vec<_> =
            facts.iter().filter(|(name, value)| *name != preferred && !value.is_empty()).collect();
        reply.map(told.len());
        for (name, value) in told {
            reply.bulk(name.as_bytes());
            reply.bulk(value.as_bytes());
        }
    }
    Ok(Next::Done)
}

/// Describes the shards: here, the cores.
pub const SHARDS: EngineCommand = EngineCommand::new(
    Spec {
        name: "SHARDS",
        arity: Arity::exactly(2),
        flags: Flags::STALE,
        group: Group::Cluster,
        since: "7.0.0",
        complexity: "O(N) where N is the total number of cluster nodes",
        summary: "Get array of cluster slots to node mappings",
        tips: &["nondeterministic_output"],
        ..Spec::NEW
    },
    shards,
);

fn shards(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    let preferred = desk.core.settings.choice(settings::CLUSTER_PREFERRED_ENDPOINT_TYPE);
    let nodes = nodes(desk.core, &desk.session.peer);
    let reply = &mut desk.reply;
    reply.array(nodes.len());
    for node in &nodes {
        let (first, last) = node.bounds();
        reply.map(2);
        reply.bulk(b"slots");
        reply.array(2);
        reply.integer(i64::from(first));
        reply.integer(i64::from(last));
        reply.bulk(b"nodes");
        reply.array(1);
        reply.map(if node.hostname.is_empty() { 7 } else { 8 });
        let mut pair = |name: &str, value: &str| {
            reply.bulk(name.as_bytes());
            match name {
                "port" | "replication-offset" => reply.integer(value.parse().unwrap_or(0)),
                _ => reply.bulk(value.as_bytes()),
            }
        };
        pair("id", &node.id);
        pair("port", &node.port.to_string());
        pair("ip", &node.ip);
        pair("endpoint", node.endpoint(preferred).unwrap_or(""));
        if !node.hostname.is_empty() {
            pair("hostname", &node.hostname);
        }
        pair("role", "master");
        pair("replication-offset", "0");
        pair("health", "online");
    }
    Ok(Next::Done)
}

/// Describes the nodes, one line each.
pub const NODES: EngineCommand = EngineCommand::new(
    Spec {
        name: "NODES",
        arity: Arity::exactly(2),
        flags: Flags::STALE,
        group: Group::Cluster,
        since: "3.0.0",
        complexity: "O(N) where N is the total number of Cluster nodes",
        summary: "Get Cluster config for the node",
        tips: &["nondeterministic_output"],
        ..Spec::NEW
    },
    list_nodes,
);

fn list_nodes(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    let mut text = String::new();
    for node in nodes(desk.core, &desk.session.peer) {
        let (first, last) = node.bounds();
        let bus = node.port.saturating_add(BUS_PORT_OFFSET);
        let comma = if node.hostname.is_empty() { "" } else { "," };
        let flags = if node.myself { "myself,master" } else { "master" };
        text += &format!(
            "{} {}:{}@{bus}{comma}{} {flags} - 0 0 1 connected ",
            node.id, node.ip, node.port, node.hostname
        );
        text += &if first == last { format!("{first}\n") } else { format!("{first}-{last}\n") };
    }
    desk.reply.verbatim("txt", text.as_bytes());
    Ok(Next::Done)
}

/// The state of the cluster, which is always whole.
pub const INFO: EngineCommand = EngineCommand::new(
    Spec {
        name: "INFO",
        arity: Arity::exactly(2),
        flags: Flags::STALE,
        group: Group::Cluster,
        since: "3.0.0",
        summary: "Provides info about Redis Cluster node state",
        tips: &["nondeterministic_output"],
        ..Spec::NEW
    },
    info,
);

fn info(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    let cores = desk.core.route.cores();
    let text = format!(
        "cluster_state:ok\r\ncluster_slots_assigned:{SLOTS}\r\ncluster_slots_ok:{SLOTS}\r\n\
         cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:{cores}\r\n\
         cluster_size:{cores}\r\ncluster_current_epoch:1\r\ncluster_my_epoch:1\r\n\
         cluster_stats_messages_sent:0\r\ncluster_stats_messages_received:0\r\n\
         total_cluster_links_buffer_limit_exceeded:0\r\n"
    );
    desk.reply.verbatim("txt", text.as_bytes());
    Ok(Next::Done)
}

/// The id of the core that the connection came in by.
pub const MYID: EngineCommand = EngineCommand::new(
    Spec {
        name: "MYID",
        arity: Arity::exactly(2),
        flags: Flags::STALE,
        group: Group::Cluster,
        since: "3.0.0",
        summary: "Return the node id",
        ..Spec::NEW
    },
    myid,
);

fn myid(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    desk.reply.bulk(node_id(desk.core, desk.core.id).as_bytes());
    Ok(Next::Done)
}

/// The id of the shard that this core is: a core is a shard of one, named by its id read backwards,
/// so that it is as stable as the id.
pub const MYSHARDID: EngineCommand = EngineCommand::new(
    Spec {
        name: "MYSHARDID",
        arity: Arity::exactly(2),
        flags: Flags::STALE,
        group: Group::Cluster,
        since: "7.2.0",
        summary: "Returns the shard ID of a node.",
        tips: &["nondeterministic_output"],
        ..Spec::NEW
    },
    myshardid,
);

fn myshardid(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    let id: String = node_id(desk.core, desk.core.id).chars().rev().collect();
    desk.reply.bulk(id.as_bytes());
    Ok(Next::Done)
}

/// The links of the cluster bus, of which there are none.
pub const LINKS: EngineCommand = EngineCommand::new(
    Spec {
        name: "LINKS",
        arity: Arity::exactly(2),
        flags: Flags::STALE,
        group: Group::Cluster,
        since: "7.0.0",
        complexity: "O(N) where N is the total number of Cluster nodes",
        summary: "Returns a list of all TCP links to and from peer nodes in cluster",
        tips: &["nondeterministic_output"],
        ..Spec::NEW
    },
    links,
);

fn links(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    desk.reply.array(0);
    Ok(Next::Done)
}

/// The slot of a key.
pub const KEYSLOT: EngineCommand = EngineCommand::new(
    Spec {
        name: "KEYSLOT",
        arity: Arity::exactly(3),
        flags: Flags::STALE,
        group: Group::Cluster,
        since: "3.0.0",
        complexity: "O(N) where N is the number of bytes in the key",
        summary: "Returns the hash slot of the specified key",
        args: &[Arg::new("key", ArgKind::String)],
        ..Spec::NEW
    },
    keyslot,
);

fn keyslot(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    desk.reply.integer(i64::from(Slot::of_key(args.get(2)).number()));
    Ok(Next::Done)
}

/// Explains the sub-commands.
pub const HELP: EngineCommand = EngineCommand::new(
    Spec {
        name: "HELP",
        arity: Arity::exactly(2),
        flags: HELP_FLAGS,
        group: Group::Cluster,
        since: "5.0.0",
        summary: "Show helpful text about the different subcommands",
        ..Spec::NEW
    },
    explain,
);

fn explain(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    help::write(desk, "CLUSTER", HELP_LINES)
}

const HELP_LINES: &[&str] = &[
    "ADDSLOTS <slot> [<slot> ...]",
    "    Assign slots to current node.",
    "ADDSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]",
    "    Assign slots which are between <start-slot> and <end-slot> to current node.",
    "BUMPEPOCH",
    "    Advance the cluster config epoch.",
    "COUNT-FAILURE-REPORTS <node-id>",
    "    Return number of failure reports for <node-id>.",
    "COUNTKEYSINSLOT <slot>",
    "    Return the number of keys in <slot>.",
    "DELSLOTS <slot> [<slot> ...]",
    "    Delete slots information from current node.",
    "DELSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]",
    "    Delete slots information which are between <start-slot> and <end-slot> from current node.",
    "FAILOVER [FORCE|TAKEOVER]",
    "    Promote current replica node to being a master.",
    "FORGET <node-id>",
    "    Remove a node from the cluster.",
    "GETKEYSINSLOT <slot> <count>",
    "    Return key names stored by current node in a slot.",
    "FLUSHSLOTS",
    "    Delete current node own slots information.",
    "INFO",
    "    Return information about the cluster.",
    "KEYSLOT <key>",
    "    Return the hash slot for <key>.",
    "MEET <ip> <port> [<bus-port>]",
    "    Connect nodes into a working cluster.",
    "MYID",
    "    Return the node id.",
    "MYSHARDID",
    "    Return the node's shard id.",
    "NODES",
    "    Return cluster configuration seen by node. Output format:",
    "    <id> <ip:port> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...",
    "REPLICATE <node-id>",
    "    Configure current node as replica to <node-id>.",
    "RESET [HARD|SOFT]",
    "    Reset current node (default: soft).",
    "SET-CONFIG-EPOCH <epoch>",
    "    Set config epoch of current node.",
    "SETSLOT <slot> (IMPORTING <node-id>|MIGRATING <node-id>|STABLE|NODE <node-id>)",
    "    Set slot state.",
    "REPLICAS <node-id>",
    "    Return <node-id> replicas.",
    "SAVECONFIG",
    "    Force saving cluster configuration on disk.",
    "SLOT-STATS (SLOTSRANGE <start-slot> <end-slot>|ORDERBY <metric> [LIMIT <limit>] [ASC|DESC])",
    "    Return usage statistics of the slots of the current node.",
    "SLOTS",
    "    Return information about slots range mappings. Each range is made of:",
    "    start, end, master and replicas IP addresses, ports and ids",
    "SHARDS",
    "    Return information about slot range mappings and the nodes associated with them.",
    "LINKS",
    "    Return information about all network links between this node and its peers.",
    "    Output format is an array where each array element is a map containing attributes of a link",
];

/// Says that reads from a replica are welcome; every core is a master, so it changes nothing but
/// what CLIENT LIST shows.
pub const READONLY: EngineCommand = EngineCommand::new(
    Spec {
        name: "READONLY",
        arity: Arity::exactly(1),
        flags: Flags::FAST.and(Flags::LOADING).and(Flags::STALE),
        group: Group::Cluster,
        categories: &["@connection"],
        since: "3.0.0",
        summary: "Enables read queries for a connection to a cluster replica node",
        ..Spec::NEW
    },
    readonly,
);

fn readonly(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    desk.session.readonly = true;
    desk.reply.ok();
    Ok(Next::Done)
}

/// Takes READONLY back.
pub const READWRITE: EngineCommand = EngineCommand::new(
    Spec {
        name: "READWRITE",
        arity: Arity::exactly(1),
        flags: Flags::FAST.and(Flags::LOADING).and(Flags::STALE),
        group: Group::Cluster,
        categories: &["@connection"],
        since: "3.0.0",
        summary: "Disables read queries for a connection to a cluster replica node",
        ..Spec::NEW
    },
    readwrite,
);

fn readwrite(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    desk.session.readonly = false;
    desk.reply.ok();
    Ok(Next::Done)
}

/// Announces a request that was sent here by -ASK. Slots never move here, so there is nothing to
/// allow.
pub const ASKING: EngineCommand = EngineCommand::new(
    Spec {
        name: "ASKING",
        arity: Arity::exactly(1),
        flags: Flags::FAST,
        group: Group::Cluster,
        categories: &["@connection"],
        since: "3.0.0",
        summary: "Sent by cluster clients after an -ASK redirect",
        ..Spec::NEW
    },
    asking,
);

fn asking(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    require_cluster(&desk.session.peer)?;
    desk.reply.ok();
    Ok(Next::Done)
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check, node_id};

    #[test]
    fn the_standalone_face_knows_no_cluster() {
        let disabled = "(err) ERR This instance has cluster support disabled";
        check(
            "CLUSTER INFO; CLUSTER HELP; CLUSTER KEYSLOT a; CLUSTER SLOTS; CLUSTER MEET a b; READONLY; \
             READWRITE; ASKING; CLUSTER FOO",
            &[
                disabled,
                disabled,
                disabled,
                disabled,
                disabled,
                disabled,
                disabled,
                disabled,
                "(err) ERR unknown subcommand 'FOO'. Try CLUSTER HELP.",
            ],
        );
    }

    #[test]
    fn cores_are_masters_with_their_slots_at_the_address_the_client_came_by() {
        let mut world = World::new(2);
        let client = world.open_cluster(1);
        let (a, b) = (node_id(0), node_id(1));
        assert_eq!(
            world.ask(client, "CLUSTER SLOTS"),
            format!("[[0 8191 [127.0.0.1 7001 {a} []]] [8192 16383 [127.0.0.1 7002 {b} []]]]")
        );
        assert_eq!(
            world.ask(client, "CLUSTER NODES"),
            format!(
                "{a} 127.0.0.1:7001@17001 master - 0 0 1 connected 0-8191\\n\
                 {b} 127.0.0.1:7002@17002 myself,master - 0 0 1 connected 8192-16383\\n"
            )
        );
        let shard = |id: &str, port: u16, from: u16, to: u16| {
            format!(
                "[slots [{from} {to}] nodes [[id {id} port {port} ip 127.0.0.1 endpoint 127.0.0.1 \
                 role master replication-offset 0 health online]]]"
            )
        };
        let shards = [shard(&a, 7001, 0, 8191), shard(&b, 7002, 8192, 16383)].join(" ");
        assert_eq!(world.ask(client, "CLUSTER SHARDS"), format!("[{shards}]"));
        assert_eq!(world.ask(client, "CLUSTER MYID"), b);
        assert_eq!(world.ask(client, "CLUSTER MYSHARDID").len(), 40);
        assert_eq!(world.ask(client, "CLUSTER LINKS"), "[]");
        assert_eq!(world.ask(client, "CLUSTER KEYSLOT foo"), "12182");
        let info = world.ask(client, "CLUSTER INFO");
        assert!(info.starts_with("cluster_state:ok\\r\\ncluster_slots_assigned:16384"), "{info}");
        assert!(info.contains("cluster_known_nodes:2\\r\\ncluster_size:2\\r\\n"), "{info}");
    }

    #[test]
    fn announced_addresses_and_preferred_endpoints_are_shown_as_redis_does() {
        let node = |settings: &[(&str, &str)]| {
            let mut world = World::with(1, settings);
            let client = world.open_cluster(0);
            let slots = world.ask(client, "CLUSTER SLOTS").replace(&node_id(0), "id");
            let shards = world.ask(client, "CLUSTER SHARDS");
            (slots, shards)
        };
        let (slots, _) =
            node(&[("cluster-announce-ip", "1.2.3.4"), ("cluster-announce-port", "9")]);
        assert_eq!(slots, "[[0 16383 [1.2.3.4 9 id []]]]");
        let host = ("cluster-announce-hostname", "h.example");
        let (slots, shards) = node(&[host]);
        assert_eq!(slots, "[[0 16383 [127.0.0.1 7001 id [hostname h.example]]]]");
        assert!(shards.contains("endpoint 127.0.0.1 hostname h.example role"), "{shards}");
        let preferred = |what| ("cluster-preferred-endpoint-type", what);
        let (slots, _) = node(&[host, preferred("hostname")]);
        assert_eq!(slots, "[[0 16383 [h.example 7001 id [ip 127.0.0.1]]]]");
        let (slots, shards) = node(&[preferred("hostname")]);
        assert_eq!(slots, "[[0 16383 [? 7001 id [ip 127.0.0.1]]]]");
        assert!(shards.contains("endpoint ? role"), "{shards}");
        let (slots, _) = node(&[host, preferred("unknown-endpoint")]);
        assert_eq!(slots, "[[0 16383 [nil 7001 id [ip 127.0.0.1 hostname h.example]]]]");
    }

    #[test]
    fn readonly_is_a_flag_of_the_connection() {
        let mut world = World::new(1);
        let client = world.open_cluster(0);
        assert_eq!(world.ask(client, "READONLY"), "OK");
        assert!(world.ask(client, "CLIENT INFO").contains(" flags=r "));
        assert_eq!(world.ask(client, "READWRITE"), "OK");
        assert!(world.ask(client, "CLIENT INFO").contains(" flags=N "));
        assert_eq!(world.ask(client, "ASKING"), "OK");
    }
}
