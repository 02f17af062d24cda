//! Single bits: SETBIT and GETBIT.

use super::{KEY, READ, bit_offset};
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};

/// Sets or clears a bit.
pub const SETBIT: Command = Command::new(
    Spec {
        name: "SETBIT",
        arity: Arity::exactly(4),
        keys: &[KeySpec::one(1, &["RW", "access", "update"])],
        flags: Flags::WRITE.and(Flags::DENYOOM),
        group: Group::Bitmap,
        since: "2.2.0",
        summary: "Sets or clears the bit at offset of the string value. Creates the key if it doesn't exist.",
        args: &[KEY, Arg::integer("offset"), Arg::integer("value")],
        ..Spec::NEW
    },
    setbit,
);

fn setbit(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    const NOT_A_BIT: Failure = Failure::new("ERR bit is not an integer or out of range");
    let offset = bit_offset(ctx, args, 2, None)? as usize;
    let set = match args.integer(3) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(NOT_A_BIT),
    };
    let (key, now, byte) = (args.key(1), ctx.now, offset / 8);
    let old = ctx.keyspace().edit_string(&key, byte + 1, now, |bytes| {
        let mask = 0x80 >> (offset % 8);
        let old = bytes[byte] & mask != 0;
        if old != set {
            bytes[byte] ^= mask;
        }
        (old, old != set)
    })?;
    ctx.reply.integer(i64::from(old));
    Ok(())
}

/// Returns a bit.
pub const GETBIT: Command = Command::new(
    Spec {
        name: "GETBIT",
        arity: Arity::exactly(3),
        keys: READ,
        flags: Flags::READONLY.and(Flags::FAST),
        group: Group::Bitmap,
        since: "2.2.0",
        summary: "Returns a bit value by offset.",
        args: &[KEY, Arg::integer("offset")],
        ..Spec::NEW
    },
    getbit,
);

fn getbit(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let offset = bit_offset(ctx, args, 2, None)? as usize;
    let Ctx { store, reply, db, now, .. } = ctx;
    let mut keyspace = store.db(*db);
    let value = keyspace.string(&args.key(1), *now)?;
    let mut digits = itoa::Buffer::new();
    let bytes = value.as_ref().map_or(&b""[..], |value| value.as_bytes(&mut digits));
    let byte = bytes.get(offset / 8).copied().unwrap_or(0);
    reply.integer(i64::from(byte >> (7 - offset % 8) & 1));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check};
    use resp::write::Protocol;

    #[test]
    fn bits_count_from_the_most_significant_of_the_first_byte() {
        check(
            "SETBIT k 7 1; GET k; SETBIT k 7 0; GET k; SETBIT k 0 1; GET k",
            "0; \\x01; 1; \\x00; 0; \\x80",
        );
        check("SET k a; GETBIT k 0; GETBIT k 1; GETBIT k 7; GETBIT k 8", "OK; 0; 1; 1; 0");
    }

    #[test]
    fn a_string_grows_with_zeros_up_to_the_bit() {
        check("SETBIT k 17 0; STRLEN k; GET k; TTL k", "0; 3; \\x00\\x00\\x00; -1");
        check("SET k ab EX 9; SETBIT k 39 1; GET k; TTL k", "OK; 0; ab\\x00\\x00\\x01; 9");
    }

    #[test]
    fn an_integer_is_its_text_and_a_touched_string_is_raw() {
        check("SET k 10; SETBIT k 7 0; GET k; OBJECT ENCODING k", "OK; 1; 00; raw");
        check("SET k a; SETBIT k 1 1; OBJECT ENCODING k", "OK; 1; raw");
        check("SET k 12; GETBIT k 15; OBJECT ENCODING k", "OK; 0; int");
    }

    #[test]
    fn nothing_is_there_in_an_absent_key() {
        check("GETBIT k 0; GETBIT k 4294967295; EXISTS k", "0; 0; 0");
    }

    #[test]
    fn only_bits_within_the_longest_string_are_numbers_of_bits() {
        let refused = "ERR bit offset is not an integer or out of range";
        for offset in ["-1", "4294967296", "9223372036854775808", "a", "\"\"", "01", "+1", "#1"] {
            check(
                &format!("SETBIT k {offset} 1; GETBIT k {offset}; SETBIT k {offset} 2; EXISTS k"),
                &format!("{refused}; {refused}; {refused}; 0"),
            );
        }
        let mut world = World::new(Protocol::Resp2);
        world.configure("proto-max-bulk-len", "1mb");
        assert_eq!(world.run(&[b"SETBIT", b"k", b"8388607", b"1"]), b":0\r\n");
        assert_eq!(world.run(&[b"STRLEN", b"k"]), b":1048576\r\n");
        let reply = world.run(&[b"SETBIT", b"k", b"8388608", b"1"]);
        assert_eq!(reply, format!("-{refused}\r\n").as_bytes());
    }

    #[test]
    fn a_bit_is_0_or_1() {
        for bit in ["2", "-1", "a", "01", "\"\"", "1.0"] {
            check(
                &format!("SETBIT k 1 {bit}; EXISTS k"),
                "ERR bit is not an integer or out of range; 0",
            );
        }
    }

    #[test]
    fn writing_what_is_there_changes_nothing() {
        let mut world = World::new(Protocol::Resp2);
        world.script("SETBIT k 9 0");
        let changes = world.store.changes();
        world.script("SETBIT k 9 0; SETBIT k 0 0");
        assert_eq!(world.store.changes(), changes);
        world.script("SETBIT k 9 1");
        assert_eq!(world.store.changes(), changes + 1);
    }

    #[test]
    fn bits_of_long_strings_are_set_in_place() {
        let mut world = World::new(Protocol::Resp2);
        world.script("SETBIT k 80000000 1; SETBIT k 0 1; SETBIT k 28671 1; SETBIT k 28672 1");
        let replies = world
            .script("STRLEN k; BITCOUNT k; GETBIT k 80000000; GETBIT k 79999999; GETBIT k 28672");
        let shown: Vec<String> = replies.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["10000001", "4", "1", "0", "1"]);
    }
}
