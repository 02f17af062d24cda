//! BITFIELD and BITFIELD_RO: a string as an array of integers of any width.

use super::field::{Field, Overflow};
use super::{KEY, READ, bit_offset};
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};

/// The two arguments of every operation in COMMAND DOCS.
const ENCODING: Arg = Arg::string("encoding");
const OFFSET: Arg = Arg::integer("offset");

/// Reads and writes integers within a string.
pub const BITFIELD: Command = Command::new(
    Spec {
        name: "BITFIELD",
        arity: Arity::at_least(2),
        keys: &[KeySpec {
            notes: "This command allows both access and modification of the key",
            ..KeySpec::one(1, &["RW", "access", "update", "variable_flags"])
        }],
        flags: Flags::WRITE.and(Flags::DENYOOM),
        group: Group::Bitmap,
        since: "3.2.0",
        complexity: "O(1) for each subcommand specified",
        summary: "Performs arbitrary bitfield integer operations on strings.",
        args: &[
            KEY,
            Arg::one_of(
                "operation",
                &[
                    Arg::block("encoding_offset", &[ENCODING, OFFSET]).token("GET"),
                    Arg::block(
                        "write",
                        &[
                            Arg::one_of(
                                "wrap_sat_fail",
                                &[
                                    Arg::word("wrap", "WRAP"),
                                    Arg::word("sat", "SAT"),
                                    Arg::word("fail", "FAIL"),
                                ],
                            )
                            .token("OVERFLOW")
                            .optional(),
                            Arg::one_of(
                                "write_operation",
                                &[
                                    Arg::block(
                                        "encoding_offset_value",
                                        &[ENCODING, OFFSET, Arg::integer("value")],
                                    )
                                    .token("SET"),
                                    Arg::block(
                                        "encoding_offset_increment",
                                        &[ENCODING, OFFSET, Arg::integer("increment")],
                                    )
                                    .token("INCRBY"),
                                ],
                            ),
                        ],
                    ),
                ],
            )
            .optional()
            .multiple(),
        ],
        ..Spec::NEW
    },
    |ctx, args| bitfield(ctx, args, false),
);

/// Reads integers within a string.
pub const BITFIELD_RO: Command = Command::new(
    Spec {
        name: "BITFIELD_RO",
        arity: Arity::at_least(2),
        keys: READ,
        flags: Flags::READONLY.and(Flags::FAST),
        group: Group::Bitmap,
        since: "6.0.0",
        complexity: "O(1) for each subcommand specified",
        summary: "Performs arbitrary read-only bitfield integer operations on strings.",
        args: &[
            KEY,
            Arg {
                multiple_token: true,
                ..Arg::block("encoding_offset", &[ENCODING, OFFSET])
                    .token("GET")
                    .optional()
                    .multiple()
            },
        ],
        ..Spec::NEW
    },
    |ctx, args| bitfield(ctx, args, true),
);

/// One operation of a request.
struct Operation {
    action: Action,
    field: Field,
    offset: u64,
}

enum Action {
    Get,
    Set(i64, Overflow),
    IncrBy(i64, Overflow),
}

/// All operations of a request, in order.
fn parse(ctx: &Ctx<'_>, args: &Args<'_>) -> Result<Vec<Operation>, Failure> {
    let mut operations = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut position = 2;
    while position < args.len() {
        let more = args.len() - position - 1;
        if args.is(position, "OVERFLOW") && more >= 1 {
            overflow = parse_overflow(args, position + 1)?;
            position += 2;
            continue;
        }
        let values = match () {
            () if args.is(position, "GET") && more >= 2 => 2,
            () if args.is(position, "SET") && more >= 3 => 3,
            () if args.is(position, "INCRBY") && more >= 3 => 3,
            () => return Err(Failure::SYNTAX),
        };
        let field = Field::parse(args.get(position + 1)).ok_or(Failure::new(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        ))?;
        let offset = bit_offset(ctx, args, position + 2, Some(field.width))?;
        let action = if values == 2 {
            Action::Get
        } else {
            let value = args.integer(position + 3).ok_or(Failure::NOT_INTEGER)?;
            if args.is(position, "SET") {
                Action::Set(value, overflow)
            } else {
                Action::IncrBy(value, overflow)
            }
        };
        operations.push(Operation { action, field, offset });
        position += 1 + values;
    }
    Ok(operations)
}

fn parse_overflow(args: &Args<'_>, position: usize) -> Result<Overflow, Failure> {
    let named = |name| args.is(position, name);
    match () {
        () if named("WRAP") => Ok(Overflow::Wrap),
        () if named("SAT") => Ok(Overflow::Saturate),
        () if named("FAIL") => Ok(Overflow::Fail),
        () => Err(Failure::new("ERR Invalid OVERFLOW type specified")),
    }
}

impl Operation {
    /// Bytes that the string must have for what this writes; 0 if it only reads.
    fn len_least(&self) -> usize {
        match self.action {
            Action::Get => 0,
            _ => (self.offset + u64::from(self.field.width)).div_ceil(8) as usize,
        }
    }

    /// Does it; gives the reply, `None` when it failed, and whether anything changed.
    fn run(&self, bytes: &mut [u8]) -> (Option<i64>, bool) {
        let old = self.field.read(bytes, self.offset);
        let (new, reply) = match self.action {
            Action::Get => return (Some(old), false),
            Action::Set(value, overflow) => {
                let new = self.field.fit(value, overflow);
                (new, new.map(|_| old))
            }
            Action::IncrBy(by, overflow) => {
                let new = self.field.add(old, by, overflow);
                (new, new)
            }
        };
        let changed = new.is_some_and(|new| self.field.write(bytes, self.offset, new));
        (reply, changed)
    }
}

fn bitfield(ctx: &mut Ctx<'_>, args: &Args<'_>, only_reads: bool) -> Result<(), Failure> {
    let operations = parse(ctx, args)?;
    let len_least = operations.iter().map(Operation::len_least).max().unwrap_or(0);
    if only_reads && len_least > 0 {
        return Err(Failure::new("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    let Ctx { store, reply, db, now, .. } = ctx;
    let (mut keyspace, key) = (store.db(*db), args.key(1));
    if len_least == 0 {
        let value = keyspace.string(&key, *now)?;
        let mut digits = itoa::Buffer::new();
        let bytes = value.as_ref().map_or(&b""[..], |value| value.as_bytes(&mut digits));
        reply.array(operations.len());
        for operation in &operations {
            reply.integer(operation.field.read(bytes, operation.offset));
        }
        return Ok(());
    }
    keyspace.edit_string(&key, len_least, *now, |bytes| {
        let mut any = false;
        reply.array(operations.len());
        for operation in &operations {
            let (value, changed) = operation.run(bytes);
            match value {
                Some(value) => reply.integer(value),
                None => reply.null(),
            }
            any |= changed;
        }
        ((), any)
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check, check3};
    use resp::write::Protocol;

    #[test]
    fn fields_are_read_written_and_incremented_in_order() {
        check(
            "BITFIELD k INCRBY i5 100 1 GET u4 0; STRLEN k; BITFIELD k SET u8 #1 200 GET u8 #1 GET u8 8; BITFIELD_RO k GET i8 8 get i5 100",
            "[1 0]; 14; [0 200 200]; [-56 1]",
        );
        check("BITFIELD k; BITFIELD_RO k; EXISTS k; BITFIELD k OVERFLOW sat", "[]; []; 0; []");
        check("BITFIELD k GET u8 0 GET i64 4294967295; EXISTS k", "[0 0]; 0");
    }

    #[test]
    fn a_string_grows_to_what_is_written_and_not_to_what_is_read() {
        check("BITFIELD k SET u1 0 0 GET u63 1000; STRLEN k; GET k", "[0 0]; 1; \\x00");
        check(
            "BITFIELD k SET i64 1 -1; GET k",
            "[0]; \\x7f\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x80",
        );
        check(
            "SET k 49 EX 9; BITFIELD k GET u8 0; OBJECT ENCODING k; BITFIELD k INCRBY u8 0 1; GET k; OBJECT ENCODING k; TTL k",
            "OK; [52]; int; [53]; 59; raw; 9",
        );
    }

    #[test]
    fn overflow_holds_for_the_operations_behind_it() {
        check(
            "BITFIELD k INCRBY u2 0 3 INCRBY u2 0 1 OVERFLOW SAT INCRBY u2 0 9 OVERFLOW FAIL INCRBY u2 0 1 OVERFLOW WRAP INCRBY u2 0 1",
            "[3 0 3 nil 0]",
        );
        check(
            "BITFIELD k OVERFLOW SAT SET u8 0 -1 SET u8 0 300 SET i8 0 -300 GET i8 0 SET i8 0 300 GET i8 0",
            "[0 255 -1 -128 -128 127]",
        );
        check(
            "BITFIELD k OVERFLOW fail SET u8 0 256 SET i8 0 128 SET u8 0 7 GET u8 0",
            "[nil nil 0 7]",
        );
        check3("BITFIELD k OVERFLOW FAIL SET u8 0 256", "[nil]");
    }

    #[test]
    fn the_widest_fields_overflow_like_the_narrow_ones() {
        check(
            "BITFIELD k SET u63 0 9223372036854775807 INCRBY u63 0 1 INCRBY u63 0 -1 OVERFLOW SAT INCRBY u63 0 9223372036854775807",
            "[0 0 9223372036854775807 9223372036854775807]",
        );
        check(
            "BITFIELD k SET i64 3 9223372036854775807 INCRBY i64 3 1 OVERFLOW SAT INCRBY i64 3 -1 OVERFLOW FAIL INCRBY i64 3 -1 SET i64 3 -1",
            "[0 -9223372036854775808 -9223372036854775808 nil -9223372036854775808]",
        );
        check(
            "BITFIELD k SET u63 0 -1 GET u63 0 OVERFLOW FAIL SET u63 0 -1",
            "[0 9223372036854775807 nil]",
        );
    }

    #[test]
    fn a_failed_overflow_still_makes_the_string() {
        check(
            "BITFIELD k OVERFLOW FAIL INCRBY u2 100 9; STRLEN k; GET k",
            "[nil]; 13; \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00",
        );
    }

    #[test]
    fn the_first_mistake_is_told_and_nothing_is_done() {
        let kind = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";
        let offset = "ERR bit offset is not an integer or out of range";
        for (operations, error) in [
            ("SET u8 0 1 GET", "ERR syntax error"),
            ("GET u8", "ERR syntax error"),
            ("SET u8 0", "ERR syntax error"),
            ("INCRBY u8 0", "ERR syntax error"),
            ("OVERFLOW", "ERR syntax error"),
            ("FOO u8 0 1", "ERR syntax error"),
            ("OVERFLOW foo SET", "ERR Invalid OVERFLOW type specified"),
            ("SET u8 0 1 GET u64 0", kind),
            ("GET i0 a", kind),
            ("GET u8 a", offset),
            ("GET u8 -1", offset),
            ("GET u8 #", offset),
            ("GET u8 #-1", offset),
            ("GET u8 #00", offset),
            ("GET u8 #9223372036854775807", offset),
            ("GET u8 4294967296", offset),
            ("GET u8 #536870912", offset),
            ("SET u8 a b", offset),
            ("SET u8 0 a", "ERR value is not an integer or out of range"),
            ("INCRBY u8 0 9223372036854775808", "ERR value is not an integer or out of range"),
        ] {
            check(&format!("BITFIELD k {operations}; EXISTS k"), &format!("{error}; 0"));
            check(&format!("BITFIELD_RO k {operations}"), error);
        }
        check(
            "BITFIELD_RO k SET u8 0 1; BITFIELD_RO k GET u8 0 INCRBY u8 0 1; BITFIELD_RO k OVERFLOW FAIL GET u8 0",
            "ERR BITFIELD_RO only supports the GET subcommand; ERR BITFIELD_RO only supports the GET subcommand; [0]",
        );
    }

    #[test]
    fn products_of_counted_offsets_wrap_at_64_bits_as_in_redis() {
        check("SET k abc; BITFIELD k GET u8 #2305843009213693953", "OK; [98]");
    }

    #[test]
    fn a_change_is_counted_once_and_only_if_there_is_one() {
        let mut world = World::new(Protocol::Resp2);
        let count = |world: &mut World, script: &str| {
            let before = world.store.changes();
            world.script(script);
            world.store.changes() - before
        };
        assert_eq!(count(&mut world, "BITFIELD k SET u8 0 5 SET u8 9 1"), 1);
        assert_eq!(count(&mut world, "BITFIELD k SET u8 0 5 INCRBY u8 9 0"), 0);
        assert_eq!(count(&mut world, "BITFIELD k SET u8 0 5 INCRBY u8 9 1"), 1);
    }
}
