//! BITOP: strings combined bit by bit.
//!
//! The store lends one string at a time, so the sources are folded into the result one after the other:
//! nothing is copied but the first. Sources count as zero behind their end, and the result is as long as
//! the longest.

use crate::spec::{Arg, Arity, Command, Fanout, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use std::ops::Range;
use store::Look;

/// Combines strings bit by bit.
pub const BITOP: Command = Command::new(
    Spec {
        name: "BITOP",
        arity: Arity::at_least(4),
        keys: &[KeySpec::one(2, &["OW", "update"]), KeySpec::range(3, -1, 1, &["RO", "access"])],
        flags: Flags::WRITE.and(Flags::DENYOOM),
        fanout: Fanout::Loan,
        group: Group::Bitmap,
        since: "2.6.0",
        complexity: "O(N)",
        summary: "Performs bitwise operations on multiple strings, and stores the result.",
        args: &[Arg::string("operation"), Arg::key("destkey", 0), Arg::key("key", 1).multiple()],
        history: &[("8.2.0", "Added the `DIFF`, `DIFF1`, `ANDOR` and `ONE` operations.")],
        ..Spec::NEW
    },
    bitop,
);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    And,
    Or,
    Xor,
    Not,
    /// In the first and in none of the others.
    Diff,
    /// In some of the others and not in the first.
    Diff1,
    /// In the first and in some of the others.
    AndOr,
    /// In just one.
    One,
}

const OPS: [(&str, Op); 8] = [
    ("AND", Op::And),
    ("OR", Op::Or),
    ("XOR", Op::Xor),
    ("NOT", Op::Not),
    ("DIFF", Op::Diff),
    ("DIFF1", Op::Diff1),
    ("ANDOR", Op::AndOr),
    ("ONE", Op::One),
];

/// Where the sources begin.
const FIRST: usize = 3;

impl Op {
    fn parse(args: &Args<'_>) -> Result<Op, Failure> {
        let known = OPS.iter().find(|(name, _)| args.is(1, name));
        let (name, op) = known.ok_or(Failure::SYNTAX)?;
        let sources = args.len() - FIRST;
        match op {
            Op::Not if sources != 1 => {
                Err(Failure::new("ERR BITOP NOT must be called with a single source key."))
            }
            Op::Diff | Op::Diff1 | Op::AndOr if sources < 2 => Err(Failure::text(format!(
                "ERR BITOP {name} must be called with at least two source keys."
            ))),
            _ => Ok(*op),
        }
    }
}

fn bitop(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let op = Op::parse(args)?;
    let mut len = 0;
    for position in FIRST..args.len() {
        let (key, now) = (args.key(position), ctx.now);
        if let Some(source) = ctx.keyspace().string(&key, now)? {
            len = len.max(source.len());
        }
    }
    let (dest, now) = (args.key(2), ctx.now);
    if len == 0 {
        ctx.keyspace().remove(&dest, now);
    } else {
        let result = combine(ctx, args, op, len)?;
        ctx.keyspace().set_long(&dest, result, now);
    }
    ctx.reply.integer(len as i64);
    Ok(())
}

/// How one source changes the result so far.
#[derive(Clone, Copy)]
enum Step {
    Copy,
    Or,
    Xor,
    And,
    AndNot,
}

impl Step {
    /// Takes one more source, which is no longer than the result, into the result. O(result).
    fn take(self, result: &mut [u8], source: &[u8]) {
        let (head, tail) = result.split_at_mut(source.len());
        let pairs = head.iter_mut().zip(source);
        match self {
            Step::Copy => head.copy_from_slice(source),
            Step::Or => pairs.for_each(|(old, new)| *old |= new),
            Step::Xor => pairs.for_each(|(old, new)| *old ^= new),
            Step::AndNot => pairs.for_each(|(old, new)| *old &= !new),
            Step::And => {
                pairs.for_each(|(old, new)| *old &= new);
                tail.fill(0);
            }
        }
    }
}

/// What `op` makes of the sources, the longest of which has `len` bytes. O(length of all).
fn combine(ctx: &mut Ctx<'_>, args: &Args<'_>, op: Op, len: usize) -> Result<Vec<u8>, Failure> {
    let mut result = vec![0; len];
    let (first, others, all) = (FIRST..FIRST + 1, FIRST + 1..args.len(), FIRST..args.len());
    let steps = match op {
        Op::And => [(first, Step::Copy), (others, Step::And)],
        Op::Or => [(first, Step::Copy), (others, Step::Or)],
        Op::Xor => [(first, Step::Copy), (others, Step::Xor)],
        Op::Not => [(first, Step::Copy), (others, Step::Copy)],
        Op::Diff => [(first, Step::Copy), (others, Step::AndNot)],
        Op::Diff1 => [(others, Step::Or), (first, Step::AndNot)],
        Op::AndOr => [(others, Step::Or), (first, Step::And)],
        Op::One => {
            in_just_one(ctx, args, all, &mut result)?;
            return Ok(result);
        }
    };
    for (positions, step) in steps {
        for position in positions {
            read(ctx, args, position, |source| step.take(&mut result, source))?;
        }
    }
    if op == Op::Not {
        result.iter_mut().for_each(|byte| *byte = !*byte);
    }
    Ok(result)
}

fn in_just_one(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    positions: Range<usize>,
    result: &mut [u8],
) -> Result<(), Failure> {
    let mut in_several = vec![0; result.len()];
    for position in positions {
        read(ctx, args, position, |source| {
            for ((one, several), new) in result.iter_mut().zip(&mut in_several).zip(source) {
                *several |= *one & new;
                *one |= new;
            }
        })?;
    }
    result.iter_mut().zip(&in_several).for_each(|(one, several)| *one &= !several);
    Ok(())
}

/// Shows a source, which is empty if absent, to `use_bytes`. It has been counted as read before.
fn read(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    position: usize,
    use_bytes: impl FnOnce(&[u8]),
) -> Result<(), Failure> {
    let (key, now) = (args.key(position), ctx.now);
    let mut keyspace = ctx.keyspace();
    let value = keyspace.string_as(&key, Look::Peek, now)?;
    let mut digits = itoa::Buffer::new();
    use_bytes(value.as_ref().map_or(&b""[..], |value| value.as_bytes(&mut digits)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check};
    use base::Prng;
    use resp::write::Protocol;

    #[test]
    fn operations_combine_strings_of_one_length() {
        check("SET a foobar; SET b abcdef; BITOP AND d a b; GET d", "OK; OK; 6; `bc`ab");
        check(
            "SET a \"\\x0f\"; SET b \"\\x33\"; BITOP or d a b; GET d; BITOP Xor d a b; GET d; BITOP NOT d a; GET d",
            "OK; OK; 1; ?; 1; <; 1; \\xf0",
        );
    }

    #[test]
    fn shorter_and_absent_sources_count_as_zero() {
        check(
            "SET a abc; SET b b; BITOP AND d a b; GET d; BITOP OR d b none a; GET d; BITOP XOR d b a; GET d; BITOP AND d none a; GET d",
            "OK; OK; 3; `\\x00\\x00; 3; cbc; 3; \\x03bc; 3; \\x00\\x00\\x00",
        );
        check("SET n 12; BITOP OR d n; GET d; OBJECT ENCODING d", "OK; 2; 12; raw");
    }

    #[test]
    fn an_empty_result_deletes_the_destination() {
        check("SET d v; BITOP OR d none none; EXISTS d; BITOP NOT d d", "OK; 0; 0; 0");
        check("SET d v; SET e \"\"; BITOP NOT d e; EXISTS d", "OK; OK; 0; 0");
    }

    #[test]
    fn the_destination_is_replaced_with_its_time_to_live_and_may_be_a_source() {
        check("SET a a EX 9; BITOP OR a a a; GET a; TTL a", "OK; 1; a; -1");
        check("SET a a; SET b bb; BITOP XOR a a b a; GET a", "OK; OK; 2; bb");
    }

    #[test]
    fn the_newer_operations_tell_the_first_source_from_the_others() {
        let sources = "SET x \"\\x0f\\xff\"; SET y \"\\x03\"; SET z \"\\x14\\x01\\x80\"";
        for (op, result) in [
            ("DIFF", "\\x08\\xfe\\x00"),
            ("DIFF1", "\\x10\\x00\\x80"),
            ("ANDOR", "\\x07\\x01\\x00"),
            ("ONE", "\\x18\\xfe\\x80"),
        ] {
            check(
                &format!("{sources}; BITOP {op} d x y z; GET d"),
                &format!("OK; OK; OK; 3; {result}"),
            );
        }
        check("SET x ab; BITOP ONE d x; GET d; BITOP ONE d x x; GET d", "OK; 2; ab; 2; \\x00\\x00");
        check(
            "SET x a; BITOP diff1 d none x; GET d; BITOP DIFF d none x; GET d",
            "OK; 1; a; 1; \\x00",
        );
    }

    #[test]
    fn every_operation_wants_its_number_of_sources() {
        check(
            "BITOP NOT d a b; BITOP FOO d a; BITOP AND d",
            "ERR BITOP NOT must be called with a single source key.; ERR syntax error; ERR wrong number of arguments for 'bitop' command",
        );
        for op in ["DIFF", "DIFF1", "ANDOR"] {
            let error = format!("ERR BITOP {op} must be called with at least two source keys.");
            check(&format!("BITOP {} d a", op.to_ascii_lowercase()), &error);
        }
    }

    /// What an operation makes of the bits of all sources at one place.
    fn model(op: &str, bits: &[bool]) -> bool {
        let others = bits[1..].contains(&true);
        match op {
            "AND" => bits.iter().all(|bit| *bit),
            "OR" => bits.contains(&true),
            "XOR" => bits.iter().filter(|bit| **bit).count() % 2 == 1,
            "NOT" => !bits[0],
            "DIFF" => bits[0] && !others,
            "DIFF1" => !bits[0] && others,
            "ANDOR" => bits[0] && others,
            _ => bits.iter().filter(|bit| **bit).count() == 1,
        }
    }

    #[test]
    fn operations_agree_with_a_bit_by_bit_model() {
        let mut prng = Prng::new(5);
        let mut world = World::new(Protocol::Resp2);
        for _ in 0..500 {
            let (op, _) = super::OPS[prng.below(8) as usize];
            let count = if op == "NOT" { 1 } else { 2 + prng.below(3) as usize };
            let mut words: Vec<Vec<u8>> = vec![b"BITOP".to_vec(), op.into(), b"d".to_vec()];
            let mut sources = Vec::new();
            for number in 0..count {
                let key = format!("k{number}").into_bytes();
                let bytes: Vec<u8> = (0..prng.below(70)).map(|_| prng.below(256) as u8).collect();
                world.run(&[b"SET", &key, &bytes]);
                words.push(key);
                sources.push(bytes);
            }
            let len = sources.iter().map(Vec::len).max().unwrap_or(0);
            let expected: Vec<u8> = (0..len)
                .map(|at| {
                    (0..8).fold(0, |byte, bit| {
                        let bits: Vec<bool> = sources
                            .iter()
                            .map(|bytes| bytes.get(at).is_some_and(|byte| byte >> bit & 1 == 1))
                            .collect();
                        byte | u8::from(model(op, &bits)) << bit
                    })
                })
                .collect();
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            assert_eq!(world.run(&words), format!(":{len}\r\n").as_bytes());
            let mut reply = format!("${len}\r\n").into_bytes();
            reply.extend(expected.iter().chain(b"\r\n"));
            let got = world.run(&[b"GET", b"d"]);
            assert!(got == reply || len == 0 && got == b"$-1\r\n", "{op} {sources:?}");
        }
    }
}
