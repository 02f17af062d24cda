//! Single members: adding, removing, asking for them.

use super::{KEY, MEMBER, MEMBERS};
use crate::spec::{Arg, Arity, Command, Fanout, Flags, Group, KeySpec, Spec, Writes};
use crate::{Args, Ctx, Failure};
use store::Look;

/// Adds members to a set, and counts those that are new.
pub const SADD: Command = Command::new(
    Spec {
        name: "SADD",
        arity: Arity::at_least(3),
        keys: &[KeySpec::one(1, &["RW", "insert"])],
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        group: Group::Set,
        since: "1.0.0",
        complexity: "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.",
        summary: "Adds members to a set, and counts those that are new.",
        args: &[KEY, MEMBERS],
        history: &[("2.4.0", "Accepts multiple `member` arguments.")],
        ..Spec::NEW
    },
    sadd,
);

fn sadd(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (key, now) = (args.key(1), ctx.now);
    let added = ctx.keyspace().edit_set(&key, now, |set| set.add_all(args.from(2)))?;
    ctx.reply.integer(added as i64);
    Ok(())
}

/// Removes members from a set, and the set with its last member.
pub const SREM: Command = Command::new(
    Spec {
        name: "SREM",
        arity: Arity::at_least(3),
        keys: &[KeySpec::one(1, &["RW", "delete"])],
        flags: Flags::WRITE.and(Flags::FAST),
        group: Group::Set,
        since: "1.0.0",
        complexity: "O(N) where N is the number of members to be removed.",
        summary: "Removes members from a set, and the set with its last member.",
        args: &[KEY, MEMBERS],
        history: &[("2.4.0", "Accepts multiple `member` arguments.")],
        ..Spec::NEW
    },
    srem,
);

fn srem(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (key, now) = (args.key(1), ctx.now);
    let removed = ctx.keyspace().edit_set(&key, now, |set| {
        args.from(2).map(|member| i64::from(set.remove(member))).sum()
    })?;
    ctx.reply.integer(removed);
    Ok(())
}

/// Moves a member from one set to another.
pub const SMOVE: Command = Command::new(
    Spec {
        name: "SMOVE",
        writes: Writes::Moved,
        arity: Arity::exactly(4),
        keys: &[KeySpec::one(1, &["RW", "access", "delete"]), KeySpec::one(2, &["RW", "insert"])],
        flags: Flags::WRITE.and(Flags::FAST),
        fanout: Fanout::Loan,
        group: Group::Set,
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Moves a member from one set to another.",
        args: &[Arg::key("source", 0), Arg::key("destination", 1), MEMBER],
        ..Spec::NEW
    },
    smove,
);

fn smove(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (from, to, member, now) = (args.key(1), args.key(2), args.get(3), ctx.now);
    let there = {
        let mut keyspace = ctx.keyspace();
        if keyspace.kind_as(&from, Look::Write, now).is_none() {
            ctx.reply.integer(0);
            return Ok(());
        }
        let there = keyspace
            .edit_set(&from, now, |set| set.view().is_some_and(|set| set.contains(member)))?;
        // The destination's type is looked at whether or not the member is there.
        keyspace.edit_set(&to, now, |_| ())?;
        there
    };
    if there && from.bytes != to.bytes {
        let mut keyspace = ctx.keyspace();
        keyspace.edit_set(&from, now, |set| set.remove(member))?;
        keyspace.edit_set(&to, now, |set| set.add(member))?;
    }
    ctx.reply.integer(i64::from(there));
    Ok(())
}

/// Tells whether a set has a member.
pub const SISMEMBER: Command = Command::new(
    Spec {
        name: "SISMEMBER",
        arity: Arity::exactly(3),
        keys: &[KeySpec::one(1, &["RO"])],
        flags: Flags::READONLY.and(Flags::FAST),
        group: Group::Set,
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Tells whether a set has a member.",
        args: &[KEY, MEMBER],
        ..Spec::NEW
    },
    sismember,
);

fn sismember(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let set = ctx.store.db(ctx.db).set_at(&args.key(1), Look::Read, ctx.now)?;
    ctx.reply.integer(i64::from(set.is_some_and(|set| set.contains(args.get(2)))));
    Ok(())
}

/// Tells of several members whether a set has them.
pub const SMISMEMBER: Command = Command::new(
    Spec {
        name: "SMISMEMBER",
        arity: Arity::at_least(3),
        keys: &[KeySpec::one(1, &["RO", "access"])],
        flags: Flags::READONLY.and(Flags::FAST),
        group: Group::Set,
        since: "6.2.0",
        complexity: "O(N) where N is the number of elements being checked for membership",
        summary: "Tells of several members whether a set has them.",
        args: &[KEY, MEMBERS],
        ..Spec::NEW
    },
    smismember,
);

fn smismember(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let set = ctx.store.db(ctx.db).set_at(&args.key(1), Look::Read, ctx.now)?;
    ctx.reply.array(args.len() - 2);
    for member in args.from(2) {
        ctx.reply.integer(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

/// Returns the number of members of a set.
pub const SCARD: Command = Command::new(
    Spec {
        name: "SCARD",
        arity: Arity::exactly(2),
        keys: &[KeySpec::one(1, &["RO"])],
        flags: Flags::READONLY.and(Flags::FAST),
        group: Group::Set,
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Returns the number of members of a set.",
        args: &[KEY],
        ..Spec::NEW
    },
    scard,
);

fn scard(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let set = ctx.store.db(ctx.db).set_at(&args.key(1), Look::Read, ctx.now)?;
    ctx.reply.integer(set.map_or(0, |set| set.len() as i64));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    #[test]
    fn members_come_and_go() {
        check(
            "SADD s a b a; SADD s a c; SCARD s; SISMEMBER s a; SISMEMBER s x; SMISMEMBER s a x c; SREM s a x; SCARD s; SREM s b c; EXISTS s",
            "2; 1; 3; 1; 0; [1 0 1]; 1; 2; 2; 0",
        );
        check("SCARD none; SISMEMBER none a; SMISMEMBER none a b; SREM none a", "0; 0; [0 0]; 0");
        check(
            "SADD s 1 01 \" 1\"; SCARD s; SISMEMBER s 1; SISMEMBER s 01; SISMEMBER s 001",
            "3; 3; 1; 1; 0",
        );
    }

    #[test]
    fn a_member_moves_from_one_set_to_another() {
        check(
            "SADD a 1 2; SMOVE a b 1; SMEMBERS a; SMEMBERS b; SMOVE a b 9; SMOVE a b 2; EXISTS a; SMOVE none b 1",
            "2; 1; [2]; [1]; 0; 1; 0; 0",
        );
        check(
            "SADD a 1; SET s v; SMOVE none s 1; SMOVE a s 9; SMOVE a s 1; SMOVE s a 1; SMOVE a a 1; SMOVE a a 2; SMEMBERS a",
            "1; OK; 0; WRONGTYPE; WRONGTYPE; WRONGTYPE; 1; 0; [1]",
        );
    }

    #[test]
    fn another_type_is_refused_by_every_command_and_nothing_changes() {
        for command in [
            "SADD s a",
            "SREM s a",
            "SISMEMBER s a",
            "SMISMEMBER s a",
            "SCARD s",
            "SMEMBERS s",
            "SSCAN s 0",
            "SRANDMEMBER s",
            "SRANDMEMBER s 1",
            "SPOP s",
            "SPOP s 1",
        ] {
            check(&format!("SET s v; {command}; GET s"), "OK; WRONGTYPE; v");
        }
        check("SADD s a; GET s; HGET s a; TYPE s", "1; WRONGTYPE; WRONGTYPE; set");
    }

    #[test]
    fn integers_become_packed_members_and_then_a_table() {
        check(
            "SADD s 1 2; OBJECT ENCODING s; SADD s x; OBJECT ENCODING s; SREM s x; OBJECT ENCODING s; SMEMBERS s",
            "2; intset; 1; listpack; 1; listpack; [1 2]",
        );
        check(
            "@set set-max-intset-entries 2; SADD s 1 2; OBJECT ENCODING s; SADD s 2; OBJECT ENCODING s; SADD s 3; OBJECT ENCODING s; SADD t 1 2 3; OBJECT ENCODING t",
            "2; intset; 0; intset; 1; hashtable; 3; listpack",
        );
        check(
            "@set set-max-listpack-entries 2; SADD s a b; OBJECT ENCODING s; SADD s c; OBJECT ENCODING s; SADD t 1 2 3; SADD t x; OBJECT ENCODING t",
            "2; listpack; 1; hashtable; 3; 1; hashtable",
        );
        let long = "x".repeat(65);
        check(
            &format!(
                "SADD s a {long}; OBJECT ENCODING s; SADD t 1; SADD t {long}; OBJECT ENCODING t; SISMEMBER t 1; SISMEMBER t {long}"
            ),
            "2; hashtable; 1; 1; hashtable; 1; 1",
        );
    }

    #[test]
    fn integers_of_every_width_are_found() {
        check(
            "SADD s 1 -1 32767 -32768 32768 -32769 2147483647 2147483648 -2147483649 9223372036854775807 -9223372036854775808 0; OBJECT ENCODING s; SMEMBERS s; SREM s 0 32768 -9223372036854775808; SISMEMBER s 2147483648; SISMEMBER s 0; SADD s 9223372036854775808; OBJECT ENCODING s",
            "12; intset; [-9223372036854775808 -2147483649 -32769 -32768 -1 0 1 32767 32768 2147483647 2147483648 9223372036854775807]; 3; 1; 0; 1; listpack",
        );
    }
}
