//! WATCH, at the owners of the keys: who watches what, and whether it has changed since.
//!
//! A key has changed when a command has written to it, or when it is there and was not, or is not and was: so keys that expire, are
//! evicted or flushed count, and one that had expired before and is only now deleted does not.

use super::locks::{LockId, lock_id};
use crate::engine::Engine;
use crate::message::{Message, Words};
use crate::shard::feed::{DbKey, is_there};
use base::{ConnId, CoreId, CoreSet, Slot};
use command::{Args, Flags};
use std::collections::{BTreeMap, HashMap};
use store::Look;

/// A session of any core.
pub type Client = (CoreId, ConnId);

/// Everybody who watches keys of this core.
#[derive(Debug, Default)]
pub struct Watches {
    clients: HashMap<Client, Watching>,
    by_key: HashMap<DbKey, Vec<Client>>,
    bytes: usize,
}

/// What one client watches here.
#[derive(Debug, Default)]
struct Watching {
    dirty: bool,
    /// Each with whether it was there.
    keys: BTreeMap<DbKey, bool>,
}

impl Watches {
    /// How many clients watch something.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether nobody does.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Memory in bytes of what is watched.
    pub fn memory(&self) -> usize {
        self.bytes
    }

    /// A key was written to.
    pub(crate) fn on_touched(&mut self, key: &DbKey) {
        for client in self.by_key.get(key).into_iter().flatten() {
            self.clients.get_mut(client).expect("who watches a key is known").dirty = true;
        }
    }
}

/// Memory of a key that one client watches, which stands in three tables.
fn memory_of((_, key): &DbKey) -> usize {
    const ENTRIES: usize = 3;
    ENTRIES * (size_of::<DbKey>() + key.len()) + size_of::<Client>()
}

impl Engine {
    /// A request has been executed here: if it is a WATCH, its client watches its keys from now on. O(keys).
    pub(crate) fn watch_words(&mut self, client: Client, words: &Words, db: u8) {
        let args = Args::new(&words.bytes, &words.spans, self.core.hasher);
        self.watch(client, words.command, db, &args);
    }

    /// The same for a request that is not held in a transaction.
    pub(crate) fn watch(&mut self, client: Client, id: u16, db: u8, args: &Args<'_>) {
        if !self.core.table.entry(id).spec.flags.has(Flags::WATCHES) {
            return;
        }
        let watching = self.watches.clients.entry(client).or_default();
        for key in args.from(1) {
            let key: DbKey = (db, key.into());
            if watching.keys.contains_key(&key) {
                continue;
            }
            let there = is_there(&mut self.shard.store, self.core.hasher, &key, self.core.now);
            self.shard.feed.care(key.clone());
            self.watches.by_key.entry(key.clone()).or_default().push(client);
            self.watches.bytes += memory_of(&key);
            watching.keys.insert(key, there);
        }
    }

    /// Whether anything that a client watches here has changed. O(keys that it watches).
    pub(crate) fn is_dirty(&mut self, client: Client) -> bool {
        let Engine { watches, shard, core, .. } = self;
        let Some(watching) = watches.clients.get(&client) else { return false };
        let changed = |(key, before): (&DbKey, &bool)| {
            is_there(&mut shard.store, core.hasher, key, core.now) != *before
        };
        watching.dirty || watching.keys.iter().any(changed)
    }

    /// Until when nothing that a client watches here expires, in milliseconds since the epoch. O(keys that it watches).
    pub(crate) fn clean_until_ms(&mut self, client: Client) -> i64 {
        let Engine { watches, shard, core, .. } = self;
        let keys = watches.clients.get(&client).into_iter().flat_map(|watching| &watching.keys);
        let deadline = |((db, key), _): (&DbKey, &bool)| {
            let key = core.hasher.key(key);
            shard.store.db(*db).expiry_as(&key, Look::Peek, core.now).flatten()
        };
        keys.filter_map(deadline).min().unwrap_or(i64::MAX)
    }

    /// A client watches nothing here any more.
    pub(crate) fn unwatch(&mut self, client: Client) {
        let Some(watching) = self.watches.clients.remove(&client) else { return };
        for key in watching.keys.into_keys() {
            self.watches.bytes -= memory_of(&key);
            self.shard.feed.forget(&key);
            let others = self.watches.by_key.get_mut(&key).expect("a watched key has watchers");
            others.retain(|other| *other != client);
            if others.is_empty() {
                self.watches.by_key.remove(&key);
            }
        }
    }

    /// Adds the locks of all that a client watches here.
    pub(crate) fn watched_locks(&self, client: Client, locks: &mut Vec<LockId>) {
        let watching = self.watches.clients.get(&client).into_iter();
        let keys = watching.flat_map(|watching| watching.keys.keys());
        locks.extend(keys.map(|(db, key)| lock_id(*db, self.core.hasher.hash(key))));
    }

    /// A session's WATCH is about to go to the owners of these keys.
    pub(crate) fn note_watched(&mut self, conn: ConnId, args: &Args<'_>) {
        let owners = args.from(1).map(|key| self.core.route.owner(Slot::of_key(key)));
        if let Some(session) = self.sessions.get(conn) {
            owners.for_each(|owner| _ = session.watched_at.insert(owner));
        }
    }

    /// Tells all owners that a session watches nothing any more.
    pub(crate) fn unwatch_all(&mut self, conn: ConnId) {
        let Some(session) = self.sessions.get(conn) else { return };
        let owners = std::mem::take(&mut session.watched_at);
        self.unwatch_at(conn, owners);
    }

    /// The same for a session that may be gone already.
    pub(crate) fn unwatch_at(&mut self, conn: ConnId, owners: CoreSet) {
        if owners.is_empty() {
            return;
        }
        for owner in owners.iter() {
            match owner == self.core.id {
                true => self.unwatch((owner, conn)),
                false => self.outbox.post_in_order(owner, Message::Unwatch(conn)),
            }
        }
    }

    /// A WATCH of a session has been answered by its owners: if the session has gone meanwhile, nobody watches.
    pub(crate) fn after_watch(&mut self, conn: ConnId, owners: impl Iterator<Item = CoreId>) {
        if self.sessions.peek(conn).is_some() {
            return;
        }
        let mut gone = CoreSet::default();
        owners.for_each(|owner| _ = gone.insert(owner));
        self.unwatch_at(conn, gone);
    }

    /// Looks at what the last commands have written to.
    #[inline]
    pub(crate) fn heed(&mut self) {
        if !self.shard.feed.touched.is_empty() || !self.shard.feed.stirred.is_empty() {
            self.heed_touched();
        }
    }

    #[cold]
    fn heed_touched(&mut self) {
        let touched = self.shard.feed.touched.take();
        touched.iter().for_each(|key| self.watches.on_touched(key));
        for key in touched.into_iter().chain(std::mem::take(&mut self.shard.feed.stirred)) {
            if self.waiters.of(&key).is_some() {
                self.waiters.due.push_back(key);
            }
        }
        self.serve_waiters();
    }
}

#[cfg(test)]
mod tests {
    use crate::check::World;

    #[test]
    fn the_end_of_a_group_is_no_change_of_its_stream_and_its_readers_hear_of_it() {
        for cores in [1, 2, 3] {
            for (key, way) in
                ["a", "b", "c"].into_iter().flat_map(|key| [(key, 0), (key, 1), (key, 2)])
            {
                let mut world = World::new(cores);
                let (one, two, three) = (world.open(0), world.open(cores - 1), world.open(0));
                world.ask(two, &format!("XGROUP CREATE {key} g $ MKSTREAM"));
                world.ask(one, &format!("WATCH {key}"));
                world.ask(three, &format!("XREADGROUP GROUP g c BLOCK 0 STREAMS {key} >"));
                let plain = format!("XGROUP DESTROY {key} g\r\n");
                let within = format!("MULTI\r\n{plain}SET d 1\r\nSET e 1\r\nSET f 1\r\nEXEC\r\n");
                let script = format!(
                    "EVAL return{{redis.call([[XGROUP]],[[DESTROY]],[[{key}]],[[g]]),redis.call([[DBSIZE]])}} 0\r\n"
                );
                world.feed(two, [plain, within, script][way].as_bytes());
                assert!(world.take(three).starts_with(b"-NOGROUP"), "{key} on {cores}");
                world.ask(one, "MULTI");
                assert_eq!(world.ask(one, "EXEC"), "[]", "{key}, {way}, {cores} cores");
            }
        }
    }

    #[test]
    fn trimming_a_list_changes_it_even_where_nothing_is_cut_off() {
        for cores in [1, 3] {
            let mut world = World::new(cores);
            let (one, two) = (world.open(0), world.open(cores - 1));
            world.ask(two, "RPUSH list 1 2");
            for (trim, wanted) in [("LTRIM list 0 -1", "nil"), ("LTRIM none 0 -1", "[]")] {
                world.ask(one, "WATCH list none");
                world.ask(two, trim);
                world.ask(one, "MULTI");
                assert_eq!(world.ask(one, "EXEC"), wanted, "{trim}");
            }
        }
    }

    #[test]
    fn a_command_that_takes_from_one_of_its_keys_changes_no_other() {
        let pops = [
            ("LMPOP 2 a b LEFT", "RPUSH"),
            ("BLMPOP 0 3 none a b RIGHT", "RPUSH"),
            ("BLPOP a b 0", "RPUSH"),
            ("BRPOP none a b 0", "RPUSH"),
            ("ZMPOP 2 a b MIN", "ZADD"),
            ("BZMPOP 0 2 a b MAX", "ZADD"),
            ("BZPOPMIN a b 0", "ZADD"),
            ("BZPOPMAX a b 0", "ZADD"),
            ("SMOVE a b 1", "SADD"),
        ];
        for cores in [1, 2, 3] {
            for (pop, add) in pops {
                for (watched, dirty) in [("b", false), ("a", true)] {
                    let mut world = World::new(cores);
                    let (one, two) = (world.open(0), world.open(cores - 1));
                    for key in ["a", "b"] {
                        let elements = if add == "ZADD" { "1 x 2 y" } else { "1 2" };
                        world.ask(two, &format!("{add} {key} {elements}"));
                    }
                    world.ask(one, &format!("WATCH {watched}"));
                    world.ask(two, pop);
                    world.ask(one, "MULTI");
                    let wanted = if dirty { "nil" } else { "[]" };
                    assert_eq!(world.ask(one, "EXEC"), wanted, "{pop}, {watched}, {cores} cores");
                }
            }
        }
    }
}
