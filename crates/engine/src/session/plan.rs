//! Where a request goes.

use crate::table::{Entry, Home, KeyShape};
use base::{CoreId, RouteTable, Slot};
use command::{Args, Fanout, Find, Spec};

/// Where a request is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// On this core's shard.
    Here,
    /// On one other core.
    One(CoreId),
    /// Its keys live on several cores, or it concerns all of them.
    Many,
    /// At the session: a command of the connection or the server.
    Session,
}

/// A plan with the hash that finding it has cost.
#[derive(Debug, Clone, Copy)]
pub struct Planned {
    /// Where.
    pub plan: Plan,
    /// Which argument was hashed; 0 when none.
    pub key: u32,
    /// Its slot.
    pub slot: Slot,
    /// Its hash.
    pub hash: u64,
}

impl Planned {
    /// Whether its key will be looked up on this core.
    #[inline]
    pub fn is_local_key(&self) -> bool {
        self.plan == Plan::Here && self.key != 0
    }
}

/// Where the request goes that `args` are. O(keys). `keys` is scratch.
pub fn plan(
    entry: &Entry,
    args: &Args<'_>,
    core: CoreId,
    route: RouteTable,
    keys: &mut Vec<u32>,
) -> Planned {
    let nowhere = Slot::of_key(b"");
    let unhashed = |plan| Planned { plan, key: 0, slot: nowhere, hash: 0 };
    let Home::Data(_) = entry.home else { return unhashed(Plan::Session) };
    let at = |owner| if owner == core { Plan::Here } else { Plan::One(owner) };
    match (entry.spec.fanout, entry.keys) {
        (Fanout::All(_) | Fanout::RandomCore | Fanout::Cursor, _) if route.cores() > 1 => {
            unhashed(Plan::Many)
        }
        (_, KeyShape::One(position)) if (position as usize) < args.len() => {
            let key = args.key(position as usize);
            let (slot, hash) = (key.slot, key.hash);
            Planned { plan: at(route.owner(slot)), key: u32::from(position), slot, hash }
        }
        (_, KeyShape::Listed) => {
            keys.clear();
            entry.spec.keys.iter().for_each(|spec| spec.positions(args, keys));
            let whole =
                keys.last().is_none_or(|last| *last as usize + key_step(entry.spec) <= args.len());
            if !whole {
                // The last key lacks its value: the command finds that itself, on any core.
                return unhashed(Plan::Here);
            }
            let planned = several(keys, args, core, route, unhashed(Plan::Here));
            let reads_more = || entry.spec.derived.is_some_and(|derived| (derived.any)(args));
            if route.cores() > 1 && planned.plan != Plan::Many && reads_more() {
                // Whose keys they are is not known yet.
                return unhashed(Plan::Many);
            }
            planned
        }
        _ => unhashed(Plan::Here),
    }
}

/// The plan for several keys; without keys the command runs here and finds its own error.
fn several(
    keys: &[u32],
    args: &Args<'_>,
    core: CoreId,
    route: RouteTable,
    none: Planned,
) -> Planned {
    let Some((first, rest)) = keys.split_first() else { return none };
    let key = args.key(*first as usize);
    let owner = route.owner(key.slot);
    let elsewhere =
        |position: &u32| route.owner(Slot::of_key(args.get(*position as usize))) != owner;
    let plan = if route.cores() > 1 && rest.iter().any(elsewhere) {
        Plan::Many
    } else if owner == core {
        Plan::Here
    } else {
        Plan::One(owner)
    };
    Planned { plan, key: *first, slot: key.slot, hash: key.hash }
}

/// Which core a SCAN cursor names; a cursor that is none goes to core 0, which refuses it.
pub(crate) fn cursor_owner(cursor: Option<&[u8]>, route: RouteTable) -> CoreId {
    let slot = cursor.and_then(command::generic::walk::cursor_slot_of);
    slot.map_or(CoreId(0), |slot| route.owner(slot))
}

/// How many arguments belong to each key: itself, and its value for MSET.
pub fn key_step(spec: &Spec) -> usize {
    match spec.keys.first().map(|spec| spec.find) {
        Some(Find::Range { step, .. } | Find::Numkeys { step, .. }) => step as usize,
        None => 1,
    }
}
