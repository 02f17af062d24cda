//! Parts of strings: APPEND, GETRANGE and its old name SUBSTR, SETRANGE.

use super::{KEY, READ, VALUE, check_length};
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use store::Look;

/// Appends to a string.
pub const APPEND: Command = Command::new(
    Spec {
        name: "APPEND",
        arity: Arity::exactly(3),
        keys: &[KeySpec::one(1, &["RW", "insert"])],
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        group: Group::String,
        since: "2.0.0",
        complexity: "O(1). The amortized time complexity is O(1) assuming the appended value is small and the already present value is of any size, since the dynamic string library used by Redis will double the free space available on every reallocation.",
        summary: "Appends a string to the value of a key. Creates the key if it doesn't exist.",
        args: &[KEY, VALUE],
        ..Spec::NEW
    },
    append,
);

fn append(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (key, tail, now) = (args.key(1), args.get(2), ctx.now);
    if let Some(old) = ctx.keyspace().string_as(&key, Look::Peek, now)? {
        let len = old.len() + tail.len();
        check_length(ctx, len)?;
    }
    let len = ctx.keyspace().append(&key, tail, now)?;
    ctx.reply.integer(len as i64);
    Ok(())
}

const SUBSTRING_COST: &str = "O(N) where N is the length of the returned string. The complexity is ultimately determined by the returned length, but because creating a substring from an existing string is very cheap, it can be considered O(1) for small strings.";

/// Returns a part of a string.
pub const GETRANGE: Command = Command::new(
    Spec {
        name: "GETRANGE",
        arity: Arity::exactly(4),
        keys: READ,
        flags: Flags::READONLY,
        group: Group::String,
        since: "2.4.0",
        complexity: SUBSTRING_COST,
        summary: "Returns a substring of the string stored at a key.",
        args: &[KEY, Arg::integer("start"), Arg::integer("end")],
        ..Spec::NEW
    },
    getrange,
);

/// The old name of GETRANGE.
pub const SUBSTR: Command = Command::new(
    Spec {
        name: "SUBSTR",
        since: "1.0.0",
        summary: "Returns a substring from a string value.",
        deprecated: Some(("2.0.0", "`GETRANGE`")),
        ..GETRANGE.spec
    },
    getrange,
);

fn getrange(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let start = args.integer(2).ok_or(Failure::NOT_INTEGER)?;
    let end = args.integer(3).ok_or(Failure::NOT_INTEGER)?;
    let Ctx { store, reply, db, now, .. } = ctx;
    let mut keyspace = store.db(*db);
    let value = keyspace.string(&args.key(1), *now)?;
    let mut digits = itoa::Buffer::new();
    let bytes = value.as_ref().map_or(&b""[..], |value| value.as_bytes(&mut digits));
    reply.bulk(slice(bytes, start, end));
    Ok(())
}

/// The bytes from `start` to `end` inclusive; negative ones count from the end. Beyond the ends
/// they are moved to them, so `-100 -50` of a short string is its first byte, as in Redis.
fn slice(bytes: &[u8], start: i64, end: i64) -> &[u8] {
    if start < 0 && end < 0 && start > end {
        return b"";
    }
    let len = bytes.len() as i64;
    let place = |index: i64| if index < 0 { (len + index).max(0) } else { index };
    let (start, end) = (place(start), place(end).min(len - 1));
    if start > end { b"" } else { &bytes[start as usize..=end as usize] }
}

/// Overwrites a part of a string.
pub const SETRANGE: Command = Command::new(
    Spec {
        name: "SETRANGE",
        arity: Arity::exactly(4),
        keys: &[KeySpec::one(1, &["RW", "update"])],
        flags: Flags::WRITE.and(Flags::DENYOOM),
        group: Group::String,
        since: "2.2.0",
        complexity: "O(1), not counting the time taken to copy the new string in place. Usually, this string is very small so the amortized complexity is O(1). Otherwise, complexity is O(M) with M being the length of the value argument.",
        summary: "Overwrites a part of a string value with another by an offset. Creates the key if it doesn't exist.",
        args: &[KEY, Arg::integer("offset"), VALUE],
        ..Spec::NEW
    },
    setrange,
);

fn setrange(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let offset = args.integer(2).ok_or(Failure::NOT_INTEGER)?;
    let Ok(offset) = usize::try_from(offset) else {
        return Err(Failure::new("ERR offset is out of range"));
    };
    let (key, patch, now) = (args.key(1), args.get(3), ctx.now);
    let old_len = match ctx.keyspace().string_as(&key, Look::Write, now)? {
        Some(old) => old.len(),
        None => 0,
    };
    let len = if patch.is_empty() {
        old_len
    } else {
        check_length(ctx, offset.saturating_add(patch.len()))?;
        ctx.keyspace().set_range(&key, offset, patch, now)?
    };
    ctx.reply.integer(len as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check};
    use resp::write::Protocol;

    #[test]
    fn append_creates_and_extends() {
        check("APPEND k Hello; APPEND k \" World\"; GET k", "5; 11; Hello World");
        check("SET k 12 EX 9; APPEND k 3; GET k; TTL k; OBJECT ENCODING k", "OK; 3; 123; 9; raw");
        check(
            "APPEND k 12; OBJECT ENCODING k; APPEND e \"\"; EXISTS e; APPEND e \"\"",
            "2; int; 0; 1; 0",
        );
    }

    #[test]
    fn getrange_takes_indexes_from_both_ends() {
        let script =
            |range: &str| format!("SET k \"hello world\"; GETRANGE k {range}; SUBSTR k {range}");
        for (range, part) in [
            ("0 -1", "hello world"),
            ("0 4", "hello"),
            ("-3 -1", "rld"),
            ("-3 -5", "\"\""),
            ("3 2", "\"\""),
            ("-100 3", "hell"),
            ("-100 -50", "h"),
            ("11 20", "\"\""),
            ("10 20", "d"),
            ("-1 0", "\"\""),
            ("9223372036854775807 9223372036854775807", "\"\""),
            ("0 -9223372036854775808", "h"),
            ("-9223372036854775808 9223372036854775807", "hello world"),
        ] {
            check(&script(range), &format!("OK; {part}; {part}"));
        }
        check("SET k 12345; GETRANGE k 1 2; GETRANGE none 0 -1", "OK; 23; \"\"");
        check(
            "GETRANGE k a 1; GETRANGE k 1 a",
            "ERR value is not an integer or out of range; ERR value is not an integer or out of range",
        );
    }

    #[test]
    fn setrange_patches_and_fills_gaps_with_zeros() {
        check("SET k \"Hello World\"; SETRANGE k 6 Redis; GET k", "OK; 11; Hello Redis");
        check(
            "SETRANGE k 2 ab; GET k; SETRANGE k 0 1; OBJECT ENCODING k",
            "4; \\x00\\x00ab; 4; raw",
        );
        check("SET k 12 EX 9; SETRANGE k 1 3; GET k; TTL k", "OK; 2; 13; 9");
    }

    #[test]
    fn an_empty_patch_changes_and_creates_nothing() {
        check(
            "SETRANGE k 5 \"\"; EXISTS k; SET k abc; SETRANGE k 9223372036854775807 \"\"",
            "0; 0; OK; 3",
        );
    }

    #[test]
    fn strings_stay_within_proto_max_bulk_len() {
        let mut world = World::new(Protocol::Resp2);
        world.configure("proto-max-bulk-len", "1mb");
        let value = vec![b'a'; (1 << 20) - 1];
        world.run(&[b"SET", b"k", &value]);
        assert_eq!(world.run(&[b"APPEND", b"k", b"b"]), b":1048576\r\n");
        let refused = b"-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n";
        assert_eq!(world.run(&[b"APPEND", b"k", b"b"]), refused);
        assert_eq!(world.run(&[b"SETRANGE", b"k", b"1048576", b"b"]), refused);
        assert_eq!(world.run(&[b"SETRANGE", b"n", b"9223372036854775807", b"b"]), refused);
        assert_eq!(world.run(&[b"SETRANGE", b"k", b"1048575", b"b"]), b":1048576\r\n");
        check(
            "SETRANGE k -1 a; SETRANGE k a a; EXISTS k",
            "ERR offset is out of range; ERR value is not an integer or out of range; 0",
        );
    }
}
