//! PFDEBUG, which looks inside, and PFSELFTEST.

use super::element::place;
use super::estimate::{counts, estimate};
use super::format::{Encoding, HEADER, empty, opened, raise, raise_one, to_dense};
use super::sparse::{Hint, describe};
use super::{REGISTERS, Registers};
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use store::{Expiry, Look, Value};

/// Shows or changes how a HyperLogLog is stored.
pub const PFDEBUG: Command = Command::new(
    Spec {
        name: "PFDEBUG",
        arity: Arity::exactly(3),
        keys: &[KeySpec::one(2, &["RW", "access"])],
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::ADMIN).and(Flags::SYSCMD),
        group: Group::HyperLogLog,
        since: "2.8.9",
        complexity: "N/A",
        summary: "Internal commands for debugging HyperLogLog values.",
        args: &[Arg::string("subcommand"), Arg::key("key", 0)],
        ..Spec::NEW
    },
    pfdebug,
);

fn pfdebug(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (key, now) = (args.key(2), ctx.now);
    let Ctx { store, reply, db, .. } = ctx;
    let mut keyspace = store.db(*db);
    let Some(value) = keyspace.string_as(&key, Look::Write, now)? else {
        return Err(Failure::new("ERR The specified key does not exist"));
    };
    let (bytes, encoding) = opened(value)?;
    let (wants_registers, wants_dense) = (args.is(1, "GETREG"), args.is(1, "TODENSE"));
    let is_sparse = encoding == Encoding::Sparse;
    if wants_registers || wants_dense {
        let dense = if is_sparse { to_dense(bytes) } else { Ok(bytes.to_vec()) };
        match &dense {
            Ok(dense) if is_sparse => {
                keyspace.set_value(&key, Value::Raw(dense), Expiry::Keep, now);
            }
            // As in Redis it has become `raw` even so.
            _ => drop(keyspace.annotate_string(&key, now, |_| ())?),
        }
        let dense = dense?;
        if wants_dense {
            reply.integer(i64::from(is_sparse));
        } else {
            let mut registers = [0; REGISTERS];
            raise(&mut registers, &dense, Encoding::Dense)?;
            reply.array(REGISTERS);
            registers.iter().for_each(|value| reply.integer(i64::from(*value)));
        }
        return Ok(());
    }
    let shown = is_sparse.then(|| describe(&bytes[HEADER..]));
    keyspace.annotate_string(&key, now, |_| ())?;
    match shown {
        _ if args.is(1, "ENCODING") => reply.simple(encoding.name()),
        Some(shown) if args.is(1, "DECODE") => reply.bulk(shown.as_bytes()),
        None if args.is(1, "DECODE") => {
            return Err(Failure::new("ERR HLL encoding is not sparse"));
        }
        _ => return Err(Failure::quoting("ERR Unknown PFDEBUG subcommand '", args.get(1), "'")),
    }
    Ok(())
}

/// Tests the registers and the estimate on the machine it runs on.
pub const PFSELFTEST: Command = Command::new(
    Spec {
        name: "PFSELFTEST",
        arity: Arity::exactly(1),
        flags: Flags::ADMIN.and(Flags::SYSCMD),
        group: Group::HyperLogLog,
        since: "2.8.9",
        complexity: "N/A",
        summary: "An internal command for testing HyperLogLog values.",
        ..Spec::NEW
    },
    pfselftest,
);

/// Elements of the self-test: few enough for a turn, where Redis counts ten million for a minute.
const TEST_ELEMENTS: u64 = 300;

/// Four standard errors of the estimate, as a share of the elements.
const ERROR_MAX: f64 = 4.0 * 0.0081;

fn pfselftest(ctx: &mut Ctx<'_>, _: &Args<'_>) -> Result<(), Failure> {
    const LIMITS: [usize; 2] = [0, usize::MAX];
    let mut strings = [empty(), empty()];
    let mut registers: Registers = [0; REGISTERS];
    for number in 0..TEST_ELEMENTS {
        let (index, value) = place(&number.to_le_bytes());
        registers[index] = value.max(registers[index]);
        for (bytes, sparse_bytes_max) in strings.iter_mut().zip(LIMITS) {
            raise_one(bytes, (index, value), sparse_bytes_max, &mut Hint::START.clone())?;
        }
    }
    for bytes in strings {
        let mut stored = [0; REGISTERS];
        raise(&mut stored, &bytes, Encoding::of(&bytes)?)?;
        if stored != registers {
            return Err(Failure::new("TESTFAILED Registers are not what was written to them"));
        }
    }
    let count = estimate(&counts(&registers));
    if count.abs_diff(TEST_ELEMENTS) as f64 > ERROR_MAX * TEST_ELEMENTS as f64 {
        return Err(Failure::text(format!("TESTFAILED {count} for {TEST_ELEMENTS} elements")));
    }
    ctx.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check, check3};
    use resp::write::Protocol;

    #[test]
    fn pfdebug_shows_and_changes_the_encoding() {
        check(
            "PFADD k a; PFDEBUG ENCODING k; PFDEBUG decode k; PFDEBUG TODENSE k; PFDEBUG todense k; PFDEBUG ENCODING k; PFDEBUG DECODE k; STRLEN k; PFCOUNT k",
            "1; sparse; Z:12711 v:2,1 Z:3672; 1; 0; dense; ERR HLL encoding is not sparse; 12304; 1",
        );
        check(
            "PFDEBUG FOO none; PFADD k a; PFDEBUG FOO k; SET s a; PFDEBUG FOO s",
            "ERR The specified key does not exist; 1; ERR Unknown PFDEBUG subcommand 'FOO'; OK; WRONGTYPE Key is not a valid HyperLogLog string value.",
        );
    }

    #[test]
    fn the_registers_of_a_sparse_one_are_shown_after_it_became_dense() {
        let mut world = World::new(Protocol::Resp2);
        world.script("PFADD k a; EXPIRE k 9");
        let reply = world.run(&[b"PFDEBUG", b"GETREG", b"k"]);
        let lines: Vec<&[u8]> = reply.split(|byte| *byte == b'\n').collect();
        assert_eq!(lines[0], b"*16384\r");
        assert_eq!(lines[12_712], b":2\r");
        assert_eq!(lines.iter().filter(|line| **line == b":0\r").count(), 16_383);
        let replies = world.script("PFDEBUG ENCODING k; TTL k");
        assert_eq!(replies[0].to_string() + &replies[1].to_string(), "dense9");
    }

    #[test]
    fn a_cut_off_run_is_described_too() {
        let header = "HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80";
        check(
            &format!("SET k \"{header}\\x03\\x80\\x7f\"; PFDEBUG DECODE k"),
            "OK; z:4 v:1,1 Z:16129",
        );
        check(&format!("SET k \"{header}\"; PFDEBUG DECODE k"), "OK; \"\"");
    }

    #[test]
    fn the_self_test_is_content() {
        check("PFSELFTEST; PFSELFTEST x", "OK; ERR");
        check3("PFSELFTEST", "OK");
    }
}
