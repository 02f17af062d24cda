//! What the standalone face says to a cluster client.

use super::{Family, line};

pub const FAMILY: Family = Family {
    name: "cluster",
    templates: &[
        line(1, "CLUSTER (INFO|NODES|SLOTS|SHARDS|MYID|LINKS|HELP|<junk>)"),
        line(1, "CLUSTER (KEYSLOT <key>|COUNTKEYSINSLOT <slot>|GETKEYSINSLOT <slot> <count>)"),
        line(1, "(READONLY|READWRITE|ASKING)"),
    ],
};
