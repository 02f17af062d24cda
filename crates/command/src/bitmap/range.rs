//! Counting and finding bits: BITCOUNT and BITPOS.

use super::words::{count_ones, count_ones_between, find_bit};
use super::{KEY, READ};
use crate::spec::{Arg, Arity, Command, Flags, Group, Spec};
use crate::{Args, Ctx, Failure};

/// The unit of a range in COMMAND DOCS.
const UNIT: Arg = Arg::one_of("index_unit", &[Arg::word("byte", "BYTE"), Arg::word("bit", "BIT")])
    .optional()
    .since("7.0.0");

const START: Arg = Arg::integer("start");
const END: Arg = Arg::integer("end");

const HISTORY: &[(&str, &str)] = &[("7.0.0", "Added the `BYTE|BIT` option.")];

/// Counts the bits that are set.
pub const BITCOUNT: Command = Command::new(
    Spec {
        name: "BITCOUNT",
        arity: Arity::at_least(2),
        keys: READ,
        flags: Flags::READONLY,
        group: Group::Bitmap,
        since: "2.6.0",
        complexity: "O(N)",
        summary: "Counts the number of set bits (population counting) in a string.",
        args: &[KEY, Arg::block("index", &[START, END, UNIT]).optional()],
        history: HISTORY,
        ..Spec::NEW
    },
    bitcount,
);

fn bitcount(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let mut keyspace = store.db(*db);
    // As in Redis 7.2 the arguments of an absent key are not looked at.
    let Some(value) = keyspace.string(&args.key(1), *now)? else {
        reply.integer(0);
        return Ok(());
    };
    let mut digits = itoa::Buffer::new();
    let bytes = value.as_bytes(&mut digits);
    let ones = match args.len() {
        2 => count_ones(bytes),
        4 | 5 => {
            let (start, end) = (index(args, 2)?, index(args, 3)?);
            if start < 0 && end < start {
                // Only here do negative indexes that are the wrong way round always mean nothing, and
                // whatever follows them, too.
                0
            } else {
                let range = Range { start, end, in_bits: is_in_bits(args, 4)? };
                range
                    .bits(bytes.len())
                    .map_or(0, |(first, last)| count_ones_between(bytes, first, last))
            }
        }
        _ => return Err(Failure::SYNTAX),
    };
    reply.integer(ones as i64);
    Ok(())
}

/// Finds the first bit of a value.
pub const BITPOS: Command = Command::new(
    Spec {
        name: "BITPOS",
        arity: Arity::at_least(3),
        keys: READ,
        flags: Flags::READONLY,
        group: Group::Bitmap,
        since: "2.8.7",
        complexity: "O(N)",
        summary: "Finds the first set (1) or clear (0) bit in a string.",
        args: &[
            KEY,
            Arg::integer("bit"),
            Arg::block("index", &[START, Arg::block("end_index", &[END, UNIT]).optional()])
                .optional(),
        ],
        history: HISTORY,
        ..Spec::NEW
    },
    bitpos,
);

fn bitpos(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let bit = match args.integer(2).ok_or(Failure::NOT_INTEGER)? {
        0 => false,
        1 => true,
        _ => return Err(Failure::new("ERR The bit argument must be 1 or 0.")),
    };
    let Ctx { store, reply, db, now, .. } = ctx;
    let mut keyspace = store.db(*db);
    let Some(value) = keyspace.string(&args.key(1), *now)? else {
        reply.integer(if bit { -1 } else { 0 });
        return Ok(());
    };
    let mut digits = itoa::Buffer::new();
    let bytes = value.as_bytes(&mut digits);
    if args.len() > 6 {
        return Err(Failure::SYNTAX);
    }
    // The unit is judged before the end that stands before it.
    let start = if args.len() > 3 { index(args, 3)? } else { 0 };
    let in_bits = is_in_bits(args, 5)?;
    let end = if args.len() > 4 { index(args, 4)? } else { -1 };
    let range = Range { start, end, in_bits };
    let position = match range.bits(bytes.len()) {
        None => -1,
        Some((first, last)) => match find_bit(bytes, bit, first, last) {
            Some(position) => position as i64,
            // Without an end a string goes on with zeros, which are found behind it.
            None if !bit && args.len() < 5 => bytes.len() as i64 * 8,
            None => -1,
        },
    };
    reply.integer(position);
    Ok(())
}

/// A range of a string as a request gives it: inclusive, negative indexes count from the end.
struct Range {
    start: i64,
    end: i64,
    in_bits: bool,
}

fn index(args: &Args<'_>, position: usize) -> Result<i64, Failure> {
    args.integer(position).ok_or(Failure::NOT_INTEGER)
}

/// Whether the unit at `position`, where it may be missing, is bits.
fn is_in_bits(args: &Args<'_>, position: usize) -> Result<bool, Failure> {
    match args.try_get(position) {
        None => Ok(false),
        Some(_) if args.is(position, "BIT") => Ok(true),
        Some(_) if args.is(position, "BYTE") => Ok(false),
        Some(_) => Err(Failure::SYNTAX),
    }
}

impl Range {
    /// The first and the last bit of the range in a string of `len` bytes; `None` when it has none.
    fn bits(&self, len: usize) -> Option<(usize, usize)> {
        let units = if self.in_bits { len as i64 * 8 } else { len as i64 };
        let place = |index: i64| if index < 0 { (units + index).max(0) } else { index };
        let (start, end) = (place(self.start), place(self.end).min(units - 1));
        if start > end {
            return None;
        }
        let (start, end) = (start as usize, end as usize);
        Some(if self.in_bits { (start, end) } else { (start * 8, end * 8 + 7) })
    }
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check};
    use base::Prng;
    use resp::write::Protocol;

    #[test]
    fn bitcount_counts_the_whole_or_a_range_of_bytes_or_bits() {
        check(
            "SET k foobar; BITCOUNT k; BITCOUNT k 0 0; BITCOUNT k 1 1; BITCOUNT k 1 1 byte; BITCOUNT k 5 30 BIT",
            "OK; 26; 4; 6; 6; 17",
        );
        check("SET k 10; BITCOUNT k; BITCOUNT k 1 1; OBJECT ENCODING k", "OK; 5; 2; int");
        check(
            "BITCOUNT k; SET k \"\"; BITCOUNT k; BITCOUNT k 0 -1; BITCOUNT k 0 0 bit",
            "0; OK; 0; 0; 0",
        );
    }

    #[test]
    fn bitcount_takes_indexes_from_both_ends() {
        for (range, ones) in [
            ("0 -1", 21),
            ("-1 -1", 6),
            ("-50 -100", 0),
            ("-1 -100", 0),
            ("0 -100", 3),
            ("-100 -50", 3),
            ("5 9", 0),
            ("4 9", 6),
            ("9 5", 0),
            ("-9223372036854775808 9223372036854775807", 21),
            ("-1 -9223372036854775808", 0),
            ("5 9 BIT", 1),
            ("-50 -100 bit", 0),
            ("0 -100 bit", 0),
            ("-100 -50 bit", 0),
            ("1 1 bit", 1),
            ("-1 -1 bit", 1),
            ("39 400 bit", 1),
            ("40 400 bit", 0),
        ] {
            check(&format!("SET k hello; BITCOUNT k {range}"), &format!("OK; {ones}"));
        }
    }

    #[test]
    fn arguments_are_judged_only_when_the_key_is_there() {
        check("BITCOUNT k a b; BITCOUNT k 1; BITPOS k 1 a; BITPOS k 0 0 5 foo", "0; 0; -1; 0");
        for (arguments, error) in [
            ("1", "ERR syntax error"),
            ("0 1 foo", "ERR syntax error"),
            ("0 1 bit bar", "ERR syntax error"),
            ("a 1", "ERR value is not an integer or out of range"),
            ("1 a", "ERR value is not an integer or out of range"),
            ("a 1 foo", "ERR value is not an integer or out of range"),
            ("-3 a foo", "ERR value is not an integer or out of range"),
            ("-4 -3 foo", "ERR syntax error"),
            ("-3 -4 foo", "0"),
        ] {
            check(&format!("SET k a; BITCOUNT k {arguments}"), &format!("OK; {error}"));
        }
        for (arguments, error) in [
            ("1 a", "ERR value is not an integer or out of range"),
            ("1 0 a", "ERR value is not an integer or out of range"),
            ("1 0 1 foo", "ERR syntax error"),
            ("1 0 a foo", "ERR syntax error"),
            ("1 a 1 foo", "ERR value is not an integer or out of range"),
            ("1 0 1 bit x", "ERR syntax error"),
        ] {
            check(&format!("SET k a; BITPOS k {arguments}"), &format!("OK; {error}"));
        }
    }

    #[test]
    fn bitpos_finds_the_first_bit_of_either_value() {
        check("SET k \"\\xff\\xf0\\x00\"; BITPOS k 0; BITPOS k 1; BITPOS k 1 2", "OK; 12; 0; -1");
        check(
            "SET k \"\\x00\\xff\\xf0\"; BITPOS k 1 0; BITPOS k 1 2; BITPOS k 0 1",
            "OK; 8; 16; 20",
        );
        check(
            "SET k \"\\x00\\xff\\xf0\"; BITPOS k 1 7 15 bit; BITPOS k 1 7 -3 BIT; BITPOS k 0 8 15 bit; BITPOS k 1 0 1 BYTE",
            "OK; 8; 8; -1; 8",
        );
        check(
            "BITPOS k 1; BITPOS k 0; BITPOS k 0 5; BITPOS k 2; BITPOS k a; BITPOS k -1",
            "-1; 0; 0; ERR The bit argument must be 1 or 0.; ERR value is not an integer or out of range; ERR The bit argument must be 1 or 0.",
        );
    }

    #[test]
    fn a_clear_bit_is_found_behind_the_end_unless_an_end_was_given() {
        check(
            "SET k \"\\xff\\xff\"; BITPOS k 0; BITPOS k 0 1; BITPOS k 0 0 -1; BITPOS k 0 0 9; BITPOS k 0 2; BITPOS k 1 2",
            "OK; 16; 16; -1; -1; -1; -1",
        );
        check(
            "SET k \"\"; BITPOS k 0; BITPOS k 1; BITPOS k 0 0; BITPOS k 0 0 -1",
            "OK; -1; -1; -1; -1",
        );
    }

    #[test]
    fn bitpos_takes_indexes_from_both_ends() {
        for (range, one, zero) in [
            ("-50 -100", 1, 0),
            ("-1 -100", -1, -1),
            ("0 -100", 1, 0),
            ("0 -100 bit", -1, 0),
            ("5 9", -1, -1),
            ("5 9 bit", 9, 5),
            ("9 5 bit", -1, -1),
            ("-9223372036854775808 9223372036854775807", 1, 0),
        ] {
            check(
                &format!("SET k hello; BITPOS k 1 {range}; BITPOS k 0 {range}"),
                &format!("OK; {one}; {zero}"),
            );
        }
    }

    #[test]
    fn ranges_agree_with_a_bit_by_bit_model() {
        let mut prng = Prng::new(11);
        let mut world = World::new(Protocol::Resp2);
        for _ in 0..2000 {
            let len = prng.below(20) as i64;
            let bytes: Vec<u8> = (0..len)
                .map(|_| [0, 0xff, prng.below(256) as u8][prng.below(3) as usize])
                .collect();
            let bits: Vec<bool> =
                (0..len as usize * 8).map(|at| bytes[at / 8] >> (7 - at % 8) & 1 == 1).collect();
            world.run(&[b"SET", b"k", &bytes]);
            let (unit, size) = [("BYTE", 8), ("BIT", 1)][prng.below(2) as usize];
            let count = len * 8 / size;
            let [start, end] = [0; 2].map(|_| prng.below(4 * count as u64 + 8) as i64 - 2 * count);
            let place = |index: i64| if index < 0 { (index + count).max(0) } else { index };
            let within: Vec<i64> = (place(start)..=place(end).min(count - 1))
                .flat_map(|at| at * size..(at + 1) * size)
                .collect();
            let mut ones = within.iter().filter(|at| bits[**at as usize]).count();
            if start < 0 && end < start {
                ones = 0;
            }
            let ask = |world: &mut World, words: &[&str]| {
                let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
                String::from_utf8(world.run(&words)).expect("a number")
            };
            let (start, end) = (start.to_string(), end.to_string());
            assert_eq!(
                ask(&mut world, &["BITCOUNT", "k", &start, &end, unit]),
                format!(":{ones}\r\n")
            );
            for bit in [false, true] {
                let found =
                    within.iter().find(|at| bits[**at as usize] == bit).copied().unwrap_or(-1);
                let bit = if bit { "1" } else { "0" };
                let reply = ask(&mut world, &["BITPOS", "k", bit, &start, &end, unit]);
                assert_eq!(reply, format!(":{found}\r\n"), "{bytes:?} {bit} {start} {end} {unit}");
            }
        }
    }
}
