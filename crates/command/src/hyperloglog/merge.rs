//! PFMERGE.

use super::REGISTERS;
use super::count::raise_by;
use super::format::{Encoding, HEADER, dense_with, empty, forget_count, opened, raise_one};
use super::sparse::Hint;
use crate::spec::{Arg, Arity, Command, Fanout, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use store::{Expiry, Look, Value};

/// Merges HyperLogLogs.
pub const PFMERGE: Command = Command::new(
    Spec {
        name: "PFMERGE",
        arity: Arity::at_least(2),
        keys: &[
            KeySpec::one(1, &["RW", "access", "insert"]),
            KeySpec::range(2, -1, 1, &["RO", "access"]),
        ],
        flags: Flags::WRITE.and(Flags::DENYOOM),
        fanout: Fanout::Loan,
        group: Group::HyperLogLog,
        since: "2.8.9",
        complexity: "O(N) to merge N HyperLogLogs, but with high constant times.",
        summary: "Merges one or more HyperLogLog values into a single key.",
        args: &[Arg::key("destkey", 0), Arg::key("sourcekey", 1).optional().multiple()],
        ..Spec::NEW
    },
    pfmerge,
);

fn pfmerge(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let mut registers = [0; REGISTERS];
    let mut any_dense = false;
    for position in 1..args.len() {
        any_dense |= raise_by(ctx, args, position, &mut registers)? == Some(Encoding::Dense);
    }
    let (key, now) = (args.key(1), ctx.now);
    let sparse_bytes_max = ctx.settings.size(base::settings::HLL_SPARSE_MAX_BYTES);
    let mut keyspace = ctx.keyspace();
    let mut merged = match keyspace.string_as(&key, Look::Write, now)? {
        Some(old) => opened(old)?.0.to_vec(),
        None => empty(),
    };
    if any_dense {
        merged.truncate(HEADER);
        merged = dense_with(merged, &registers);
    } else {
        // One by one and in order, as the runs that come of it depend on that.
        let mut hint = Hint::START;
        let raised = registers.iter().enumerate().filter(|(_, value)| **value > 0);
        for (index, value) in raised {
            raise_one(&mut merged, (index, *value), sparse_bytes_max, &mut hint)?;
        }
    }
    forget_count(&mut merged);
    keyspace.set_value(&key, Value::Raw(&merged), Expiry::Keep, now);
    ctx.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check};
    use resp::write::Protocol;

    #[test]
    fn pfmerge_makes_the_union_in_the_first_key() {
        check(
            "PFADD a 1 2 3; PFADD b 3 4; PFMERGE d a none b; PFCOUNT d; PFMERGE a b; PFCOUNT a; PFCOUNT b; OBJECT ENCODING d",
            "1; 1; OK; 4; OK; 4; 2; raw",
        );
        check("PFMERGE d; PFCOUNT d; PFMERGE e none; STRLEN e; PFMERGE", "OK; 0; OK; 18; ERR");
        check("PFADD d 1; EXPIRE d 9; PFMERGE d d; TTL d; PFCOUNT d", "1; 1; OK; 9; 1");
    }

    #[test]
    fn the_union_is_dense_if_one_of_them_is_or_it_is_too_large() {
        check(
            "PFADD a 1 2; PFADD b 3; PFDEBUG TODENSE b; PFMERGE d a b; PFDEBUG ENCODING d; PFCOUNT d; PFMERGE a b; PFDEBUG ENCODING a; PFCOUNT a",
            "1; 1; 1; OK; dense; 3; OK; dense; 3",
        );
        check(
            "PFADD a 1 2 3 4; PFADD b 5 6 7 8; @set hll-sparse-max-bytes 40; PFMERGE d a b; PFDEBUG ENCODING d; PFCOUNT d; PFDEBUG ENCODING a",
            "1; 1; OK; dense; 8; sparse",
        );
    }

    #[test]
    fn a_merge_of_many_runs_holds_what_elements_one_by_one_would() {
        let mut world = World::new(Protocol::Resp2);
        for number in 0..1000 {
            let text = number.to_string();
            world.run(&[b"PFADD", b"all", text.as_bytes()]);
            world.run(&[b"PFADD", [b"a", b"b"][number % 2], text.as_bytes()]);
        }
        let all = world.run(&[b"PFDEBUG", b"GETREG", b"all"]);
        world.run(&[b"PFMERGE", b"d", b"a", b"b"]);
        assert_eq!(world.run(&[b"PFDEBUG", b"ENCODING", b"d"]), b"+sparse\r\n");
        assert!(world.run(&[b"PFDEBUG", b"GETREG", b"d"]) == all);
    }
}
