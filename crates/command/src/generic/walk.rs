//! The keyspace as a whole: KEYS, SCAN, RANDOMKEY, DBSIZE.
//!
//! **SCAN over several cores.** A cursor is a place in the walk over all slots in order: its high bits
//! name the slot ([`store::cursor_slot`]), and so the core. When a core is through with its own slots,
//! the cursor is the beginning of the next core's first slot; after the last slot it is 0. The engine
//! lets a call that may show more go on there. The guarantee of SCAN (what is there from first to
//! last call is returned) is the store's, core by core.

use crate::spec::{Arg, ArgKind, Arity, Command, Fanout, Flags, Group, Merge, Spec};
use crate::walk::{self, INVALID_CURSOR, WalkOptions, parse_cursor};
use crate::{Args, Ctx, Failure};
use base::{SLOTS, Slot};
use resp::glob;
use store::Str;

/// Lists the keys that match a pattern.
pub const KEYS: Command = Command::new(
    Spec {
        name: "KEYS",
        arity: Arity::exactly(2),
        flags: Flags::READONLY,
        fanout: Fanout::All(Merge::Concat),
        categories: &["@dangerous"],
        complexity: "O(N) with N being the number of keys in the database, under the assumption that the key names in the database and the given pattern have limited length.",
        summary: "Returns all key names that match a pattern.",
        args: &[Arg::new("pattern", ArgKind::Pattern)],
        tips: &["request_policy:all_shards", "nondeterministic_output_order"],
        ..Spec::NEW
    },
    keys,
);

fn keys(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let pattern = args.get(1);
    let list = reply.deferred_array();
    let mut found = 0;
    store.db(*db).keys(*now, |key| {
        if pattern == b"*" || glob::matches(pattern, key) {
            reply.bulk(key);
            found += 1;
        }
    });
    reply.close(list, found);
    Ok(())
}

/// Walks over the keys in steps.
pub const SCAN: Command = Command::new(
    Spec {
        name: "SCAN",
        arity: Arity::at_least(2),
        flags: Flags::READONLY,
        fanout: Fanout::Cursor,
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection.",
        summary: "Iterates over the key names in the database.",
        args: &[
            Arg::integer("cursor"),
            Arg::new("pattern", ArgKind::Pattern).token("MATCH").optional(),
            Arg::integer("count").token("COUNT").optional(),
            Arg::string("type").token("TYPE").optional().since("6.0.0"),
        ],
        tips: &["nondeterministic_output", "request_policy:special"],
        history: &[("6.0.0", "Added the `TYPE` subcommand.")],
        ..Spec::NEW
    },
    scan,
);

fn scan(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let cursor = parse_cursor(args.get(1)).ok_or(INVALID_CURSOR)?;
    let options = WalkOptions::of_keys(args)?;
    let Ctx { store, reply, db, now, .. } = ctx;
    walk::reply_step(reply, |list| {
        let mut found = 0;
        let next = store.db(*db).scan(cursor, options.count, *now, |key, kind| {
            if options.fits(Str::Bytes(key)) && options.fits_kind(kind) {
                list.bulk(key);
                found += 1;
            }
        });
        (if next == 0 { behind(store.slots().end) } else { next }, found)
    });
    Ok(())
}

/// The cursor at which the walk goes on behind a core's slots.
fn behind(end: u16) -> u64 {
    Slot::new(end).filter(|_| (end as usize) < SLOTS).map_or(0, store::cursor_at)
}

/// How many keys a SCAN asks for; 0 when it is none.
pub fn count_of(args: &Args<'_>) -> usize {
    WalkOptions::of_keys(args).map_or(0, |options| options.count)
}

/// The slot that a SCAN cursor, as the client sent it, names; none for a text that is no cursor.
pub fn cursor_slot_of(text: &[u8]) -> Option<Slot> {
    parse_cursor(text).map(store::cursor_slot)
}

/// The slot that a SCAN cursor names; none for a number that is no cursor of ours.
pub fn cursor_slot(cursor: u64) -> Option<Slot> {
    Some(store::cursor_slot(cursor))
}

/// Draws a key.
pub const RANDOMKEY: Command = Command::new(
    Spec {
        name: "RANDOMKEY",
        arity: Arity::exactly(1),
        flags: Flags::READONLY,
        fanout: Fanout::RandomCore,
        summary: "Returns a random key name from the database.",
        tips: &["request_policy:all_shards", "nondeterministic_output"],
        ..Spec::NEW
    },
    randomkey,
);

fn randomkey(ctx: &mut Ctx<'_>, _args: &Args<'_>) -> Result<(), Failure> {
    let now = ctx.now;
    match ctx.keyspace().random_key(now) {
        Some(key) => ctx.reply.bulk(&key),
        None => ctx.reply.null(),
    }
    Ok(())
}

/// Counts the keys of a database.
pub const DBSIZE: Command = Command::new(
    Spec {
        name: "DBSIZE",
        arity: Arity::exactly(1),
        flags: Flags::READONLY.and(Flags::FAST),
        fanout: Fanout::All(Merge::Sum),
        group: Group::Server,
        categories: &["@keyspace"],
        summary: "Returns the number of keys in the database.",
        tips: &["request_policy:all_shards", "response_policy:agg_sum"],
        ..Spec::NEW
    },
    dbsize,
);

fn dbsize(ctx: &mut Ctx<'_>, _args: &Args<'_>) -> Result<(), Failure> {
    ctx.reply.integer(ctx.store.len(ctx.db) as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{World, check, check3};
    use base::Now;
    use resp::read::Value;
    use resp::write::Protocol;
    use std::collections::BTreeSet;
    use store::{Expiry, Store};

    #[test]
    fn keys_lists_what_matches_and_has_not_expired() {
        check(
            "KEYS *; SET a 1 PX 5; SET b 2; @+6; KEYS *; KEYS b?; KEYS [a-c]",
            "[]; OK; OK; [b]; []; [b]",
        );
    }

    #[test]
    fn scan_finds_every_key_however_small_its_steps_are() {
        let mut world = World::new(Protocol::Resp2);
        let expected: BTreeSet<String> = (0..1000).map(|index| format!("key:{index}")).collect();
        for key in &expected {
            world.run(&[b"SET", key.as_bytes(), b"v"]);
        }
        for count in ["1", "7", "100000"] {
            let (mut cursor, mut found) = ("0".to_owned(), BTreeSet::new());
            loop {
                let reply = world.script(&format!("SCAN {cursor} COUNT {count}"));
                let Value::Array(pair) = &reply[0] else { panic!("{reply:?}") };
                let Value::Array(keys) = &pair[1] else { panic!("{reply:?}") };
                found.extend(keys.iter().map(Value::to_string));
                cursor = pair[0].to_string();
                assert!(cursor.parse::<u64>().unwrap() < 1 << 53);
                if cursor == "0" {
                    break;
                }
            }
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn scan_filters_by_pattern_and_type() {
        check("SCAN 0; SET a 1; SCAN 0 MATCH b*", "[0 []]; OK; [0 []]");
        check(
            "MSET a 1 b 2; SCAN 0 COUNT 100000 MATCH b; SCAN 0 COUNT 100000 MATCH x match a; SCAN 0 COUNT 100000 TYPE String MATCH a; SCAN 0 COUNT 100000 TYPE list",
            "OK; [0 [b]]; [0 [a]]; [0 [a]]; [0 []]",
        );
        check3("SET a 1; SCAN 0 COUNT 100000", "OK; [0 [a]]");
    }

    #[test]
    fn scan_refuses_what_is_no_cursor_and_options_in_their_order() {
        for cursor in
            ["a", "0x0", "18446744073709551616", "\" 1\"", "\"1 \"", "-", "+", "--1", "\"- 1\""]
        {
            check(&format!("SCAN {cursor} COUNT a"), "ERR invalid cursor");
        }
        for cursor in ["+0", "00", "\"\"", "\"0\\x00x\""] {
            check(&format!("SCAN {cursor}"), "[0 []]");
        }
        for options in
            ["COUNT", "COUNT 0", "COUNT -1", "MATCH", "TYPE", "FOO", "FOO a", "COUNT 0 COUNT a"]
        {
            check(&format!("SCAN 0 {options}"), "ERR syntax error");
        }
        check("SCAN 0 COUNT a FOO", "ERR value is not an integer or out of range");
    }

    #[test]
    fn cursors_are_read_as_strtoul_reads_them() {
        assert_eq!(parse_cursor(b"-1"), Some(u64::MAX));
        assert_eq!(parse_cursor(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_cursor(b"-18446744073709551616"), None);
        assert_eq!(cursor_slot_of(b"0").map(Slot::number), Some(0));
        assert_eq!(cursor_slot_of(b"zero"), None);
    }

    #[test]
    fn a_walk_goes_from_core_to_core_and_ends_behind_the_last_slot() {
        let now = Now { unix_us: 1, mono_us: 1 };
        let bounds = [0u16, 5000, 5001, 12000, SLOTS as u16];
        let mut cores: Vec<Store> =
            bounds.windows(2).map(|pair| Store::new(1, pair[0]..pair[1], 7, 1)).collect();
        let owner = |slot: Slot| bounds[1..].iter().position(|end| slot.number() < *end).unwrap();
        let expected: BTreeSet<Vec<u8>> =
            (0..500).map(|index| format!("key:{index}").into_bytes()).collect();
        for bytes in &expected {
            let core = &mut cores[owner(Slot::of_key(bytes))];
            let key = core.hasher().key(bytes);
            core.db(0).set(&key, b"v", Expiry::Clear, now);
        }
        let (mut cursor, mut found) = (0, BTreeSet::new());
        loop {
            let core = &mut cores[owner(store::cursor_slot(cursor))];
            cursor = core.db(0).scan(cursor, 20, now, |key, _| _ = found.insert(key.to_vec()));
            if cursor == 0 {
                cursor = behind(core.slots().end);
            }
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn randomkey_draws_a_key_that_exists() {
        check("RANDOMKEY; SET a 1; RANDOMKEY; SET a 1 PX 5; @+6; RANDOMKEY", "nil; OK; a; OK; nil");
    }

    #[test]
    fn dbsize_counts_the_selected_database() {
        check("DBSIZE; MSET a 1 b 2; DBSIZE; @db 1; DBSIZE", "0; OK; 2; 0");
    }
}
