//! The shape of one command in COMMAND INFO.

use crate::commands::categories::categories;
use crate::table::{Entry, Table};
use command::{Begin, Find, Flags, KeySpec, Spec};
use resp::write::Writer;

/// The flags that clients see, by name, in the order in which Redis lists them.
const FLAG_NAMES: [(Flags, &str); 19] = [
    (Flags::WRITE, "write"),
    (Flags::READONLY, "readonly"),
    (Flags::DENYOOM, "denyoom"),
    (Flags::ADMIN, "admin"),
    (Flags::PUBSUB, "pubsub"),
    (Flags::NOSCRIPT, "noscript"),
    (Flags::BLOCKING, "blocking"),
    (Flags::LOADING, "loading"),
    (Flags::STALE, "stale"),
    (Flags::SKIP_MONITOR, "skip_monitor"),
    (Flags::SKIP_SLOWLOG, "skip_slowlog"),
    (Flags::ASKING, "asking"),
    (Flags::FAST, "fast"),
    (Flags::NO_AUTH, "no_auth"),
    (Flags::NO_MANDATORY_KEYS, "no_mandatory_keys"),
    (Flags::NO_ASYNC_LOADING, "no_async_loading"),
    (Flags::NO_MULTI, "no_multi"),
    (Flags::MOVABLEKEYS, "movablekeys"),
    (Flags::ALLOW_BUSY, "allow_busy"),
];

/// Writes a command and its sub-commands, ten elements each.
pub fn write(table: &Table, entry: &Entry, reply: &mut Writer<'_>) {
    let spec = entry.spec;
    let (first, last, step) = legacy_range(spec);
    reply.array(10);
    reply.bulk(entry.full_name.as_bytes());
    reply.integer(i64::from(spec.arity.0));
    let flags = FLAG_NAMES.iter().filter(|(flag, _)| spec.flags.has(*flag));
    let names: Vec<&str> = flags.map(|(_, name)| *name).collect();
    statuses(&names, reply);
    reply.integer(first);
    reply.integer(last);
    reply.integer(step);
    statuses(&categories(spec), reply);
    reply.set(spec.tips.len());
    spec.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(spec.keys.len());
    spec.keys.iter().for_each(|spec| key_spec(spec, reply));
    reply.set(entry.subcommands.len());
    for id in &entry.subcommands {
        write(table, table.entry(*id), reply);
    }
}

/// A set of status lines.
fn statuses(names: &[&str], reply: &mut Writer<'_>) {
    reply.set(names.len());
    names.iter().for_each(|name| reply.simple(name));
}

/// First key, last key and step as clients older than key specs read them: the ranges at fixed
/// positions, taken together when they touch.
pub fn legacy_range(spec: &Spec) -> (i64, i64, i64) {
    let fixed = spec.keys.iter().filter_map(|spec| match (spec.begin, spec.find) {
        (Begin::Index(first), Find::Range { last, step, .. }) => {
            let first = i64::from(first);
            let last = if last < 0 { i64::from(last) } else { first + i64::from(last) };
            Some((first, last, i64::from(step)))
        }
        _ => None,
    });
    let touching = |sum: (i64, i64, i64), next: (i64, i64, i64)| {
        let one_by_one = sum.2 == 1 && next.2 == 1;
        if one_by_one && sum.1 + 1 == next.0 { (sum.0, next.1, 1) } else { sum }
    };
    fixed.reduce(touching).unwrap_or((0, 0, 0))
}

fn key_spec(spec: &KeySpec, reply: &mut Writer<'_>) {
    reply.map(if spec.notes.is_empty() { 3 } else { 4 });
    if !spec.notes.is_empty() {
        reply.bulk(b"notes");
        reply.bulk(spec.notes.as_bytes());
    }
    reply.bulk(b"flags");
    statuses(spec.flags, reply);
    reply.bulk(b"begin_search");
    match spec.begin {
        Begin::Index(index) => numbers("index", &[("index", i64::from(index))], reply),
        Begin::Unknown(_) => {
            head("unknown", 0, reply);
            reply.bulk(b"find_keys");
            return head("unknown", 0, reply);
        }
        Begin::Keyword(word, from) => {
            head("keyword", 2, reply);
            reply.bulk(b"keyword");
            reply.bulk(word.as_bytes());
            reply.bulk(b"startfrom");
            reply.integer(i64::from(from));
        }
    }
    reply.bulk(b"find_keys");
    match spec.find {
        Find::Range { last, step, limit } => {
            let (last, step, limit) = (i64::from(last), i64::from(step), i64::from(limit));
            numbers("range", &[("lastkey", last), ("keystep", step), ("limit", limit)], reply);
        }
        Find::Numkeys { numkeys, first, step } => {
            let (numkeys, first, step) = (i64::from(numkeys), i64::from(first), i64::from(step));
            numbers(
                "keynum",
                &[("keynumidx", numkeys), ("firstkey", first), ("keystep", step)],
                reply,
            );
        }
    }
}

fn head(kind: &str, pairs: usize, reply: &mut Writer<'_>) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(pairs);
}

fn numbers(kind: &str, pairs: &[(&str, i64)], reply: &mut Writer<'_>) {
    head(kind, pairs.len(), reply);
    for (name, number) in pairs {
        reply.bulk(name.as_bytes());
        reply.integer(*number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(keys: &'static [KeySpec]) -> (i64, i64, i64) {
        legacy_range(&Spec { keys, ..Spec::NEW })
    }

    #[test]
    fn ranges_that_touch_are_one_and_others_are_left_out() {
        const ONE: KeySpec = KeySpec::one(1, &[]);
        const TWO: KeySpec = KeySpec::one(2, &[]);
        const REST: KeySpec = KeySpec::range(2, -1, 1, &[]);
        const COUNTED: KeySpec = KeySpec::counted(2, &[]);
        assert_eq!(range(&[ONE]), (1, 1, 1));
        assert_eq!(range(&[ONE, TWO]), (1, 2, 1));
        assert_eq!(range(&[ONE, REST]), (1, -1, 1));
        assert_eq!(range(&[ONE, COUNTED]), (1, 1, 1));
        assert_eq!(range(&[COUNTED]), (0, 0, 0));
        assert_eq!(range(&[]), (0, 0, 0));
    }
}
