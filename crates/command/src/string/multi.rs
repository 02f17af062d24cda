//! Several keys in one command: MGET, MSET, MSETNX, MSETEX.
//!
//! MGET and MSET are split: each owner runs them on its own keys. MSETNX and MSETEX write under a
//! condition on all keys; when those have several owners, the engine asks each with EXISTS first
//! and then sends each an MSETEX without condition: [`Pairs`] tells it what to ask and to send.

use super::{VALUE, reply_text};
use crate::lifetime::{self, Also, Lifetime};
use crate::spec::{Arg, Arity, Command, Fanout, Find, Flags, Group, KeySpec, Merge, Spec};
use crate::{Args, Begin, Ctx, Failure};
use store::{Expiry, Look};

/// Returns the values of several keys.
pub const MGET: Command = Command::new(
    Spec {
        name: "MGET",
        arity: Arity::at_least(2),
        keys: &[KeySpec::range(1, -1, 1, &["RO", "access"])],
        flags: Flags::READONLY.and(Flags::FAST),
        fanout: Fanout::Split(Merge::InOrder),
        group: Group::String,
        complexity: "O(N) where N is the number of keys to retrieve.",
        summary: "Atomically returns the string values of one or more keys.",
        args: &[Arg::key("key", 0).multiple()],
        tips: &["request_policy:multi_shard"],
        ..Spec::NEW
    },
    mget,
);

fn mget(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    reply.array(args.len() - 1);
    for position in 1..args.len() {
        match store.db(*db).string(&args.key(position), *now) {
            Ok(Some(value)) => reply_text(reply, value),
            Ok(None) | Err(_) => reply.null(),
        }
    }
    Ok(())
}

const PAIR: Arg = Arg::block("key_value", &[Arg::key("key", 0), VALUE]).multiple();
const PER_KEY: &str = "O(N) where N is the number of keys to set.";

/// Sets several keys.
pub const MSET: Command = Command::new(
    Spec {
        name: "MSET",
        arity: Arity::at_least(3),
        keys: &[KeySpec::range(1, -1, 2, &["OW", "update"])],
        flags: Flags::WRITE.and(Flags::DENYOOM),
        fanout: Fanout::Split(Merge::Ok),
        group: Group::String,
        since: "1.0.1",
        complexity: PER_KEY,
        summary: "Atomically creates or modifies the string values of one or more keys.",
        args: &[PAIR],
        tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
        ..Spec::NEW
    },
    mset,
);

fn mset(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    if args.len().is_multiple_of(2) {
        return Err(Failure::wrong_arity("mset"));
    }
    let now = ctx.now;
    let mut keyspace = ctx.store.db(ctx.db);
    for position in (1..args.len()).step_by(2) {
        keyspace.set(&args.key(position), args.get(position + 1), Expiry::Clear, now);
    }
    ctx.reply.ok();
    Ok(())
}

/// Sets several keys if none of them exists.
pub const MSETNX: Command = Command::new(
    Spec {
        name: "MSETNX",
        arity: Arity::at_least(3),
        keys: &[KeySpec::range(1, -1, 2, &["OW", "insert"])],
        flags: Flags::WRITE.and(Flags::DENYOOM),
        fanout: Fanout::Conditional,
        group: Group::String,
        since: "1.0.1",
        complexity: PER_KEY,
        summary: "Atomically modifies the string values of one or more keys only when all keys don't exist.",
        args: &[PAIR],
        tips: &["request_policy:multi_shard", "response_policy:agg_min"],
        ..Spec::NEW
    },
    |ctx, args| set_pairs(ctx, args, &Pairs::parse_as("MSETNX", args)?),
);

/// Sets several keys with one time to live, perhaps under a condition.
pub const MSETEX: Command = Command::new(
    Spec {
        name: "MSETEX",
        arity: Arity::at_least(4),
        keys: &[KeySpec {
            flags: &["OW", "update"],
            begin: Begin::Index(1),
            find: Find::Numkeys { numkeys: 0, first: 1, step: 2 },
            notes: "",
        }],
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::MOVABLEKEYS).and(Flags::NEWER),
        fanout: Fanout::Conditional,
        group: Group::String,
        since: "8.4.0",
        complexity: PER_KEY,
        summary: "Atomically sets multiple string keys with an optional shared expiration in a single operation.",
        args: &[
            Arg::integer("numkeys"),
            Arg::block("data", &[Arg::key("key", 0), VALUE]).multiple(),
            Arg::one_of("condition", &[Arg::word("nx", "NX"), Arg::word("xx", "XX")]).optional(),
            Arg::one_of(
                "expiration",
                &[lifetime::EX, lifetime::PX, lifetime::EXAT, lifetime::PXAT, lifetime::KEEPTTL],
            )
            .optional(),
        ],
        tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
        ..Spec::NEW
    },
    |ctx, args| set_pairs(ctx, args, &Pairs::parse_as("MSETEX", args)?),
);

fn set_pairs(ctx: &mut Ctx<'_>, args: &Args<'_>, pairs: &Pairs) -> Result<(), Failure> {
    let now = ctx.now;
    let expiry = pairs.lifetime.expiry(Expiry::Clear, "msetex", args, now)?;
    let mut keyspace = ctx.store.db(ctx.db);
    let holds = pairs.must_exist.is_none_or(|wanted| {
        pairs
            .keys()
            .all(|key| keyspace.kind_as(&args.key(key), Look::Write, now).is_some() == wanted)
    });
    if holds {
        for key in pairs.keys() {
            keyspace.set(&args.key(key), args.get(key + 1), expiry, now);
        }
    }
    ctx.reply.integer(i64::from(holds));
    Ok(())
}

/// The pairs of a command that sets several keys under a condition on all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairs {
    /// Position of the first key.
    first: usize,
    /// How many pairs.
    count: usize,
    /// Whether all keys must exist (true) or none (false).
    must_exist: Option<bool>,
    /// What is said about the time to live.
    lifetime: Lifetime,
    /// Positions of the options but the condition.
    options: Vec<usize>,
}

impl Pairs {
    /// Reads MSETNX or MSETEX, told apart by argument 0, and finds every fault that they have but
    /// a time to live that only overflows when the present time is added. O(arguments).
    pub fn parse(args: &Args<'_>) -> Result<Pairs, Failure> {
        Pairs::parse_as(if args.is(0, "MSETEX") { "MSETEX" } else { "MSETNX" }, args)
    }

    /// The same where the client may call the command by another name (`rename-command`): `name` is
    /// the one in its spec.
    pub fn parse_as(name: &str, args: &Args<'_>) -> Result<Pairs, Failure> {
        if name == "MSETEX" { Pairs::msetex(args) } else { Pairs::msetnx(args) }
    }

    fn msetnx(args: &Args<'_>) -> Result<Pairs, Failure> {
        if args.len().is_multiple_of(2) {
            return Err(Failure::wrong_arity("msetnx"));
        }
        Ok(Pairs {
            first: 1,
            count: args.len() / 2,
            must_exist: Some(false),
            lifetime: Lifetime::Unsaid,
            options: Vec::new(),
        })
    }

    fn msetex(args: &Args<'_>) -> Result<Pairs, Failure> {
        let count = args.integer(1).filter(|count| (1..=i64::from(i32::MAX)).contains(count));
        let count = count.ok_or(Failure::new("ERR invalid numkeys value"))? as usize;
        let mut position = 2 + 2 * count;
        if position > args.len() {
            return Err(Failure::new("ERR wrong number of key-value pairs"));
        }
        let mut pairs = Pairs {
            first: 2,
            count,
            must_exist: None,
            lifetime: Lifetime::Unsaid,
            options: Vec::new(),
        };
        while position < args.len() {
            position += pairs.take(args, position).ok_or(Failure::SYNTAX)?;
        }
        // Faults of the number are found at any time, zero included.
        pairs.lifetime.expiry(Expiry::Clear, "msetex", args, base::Now::default())?;
        Ok(pairs)
    }

    /// Takes the option at `position` and gives how many arguments it has.
    fn take(&mut self, args: &Args<'_>, position: usize) -> Option<usize> {
        let condition = match args.get(position) {
            [b'N' | b'n', b'X' | b'x'] => false,
            [b'X' | b'x', b'X' | b'x'] => true,
            _ => {
                let taken = self.lifetime.take(args, position, Also::KeepTtl)?;
                self.options.extend(position..position + taken);
                return Some(taken);
            }
        };
        if self.must_exist.is_some_and(|other| other != condition) {
            return None;
        }
        self.must_exist = Some(condition);
        Some(1)
    }

    fn keys(&self) -> impl Iterator<Item = usize> + use<> {
        let first = self.first;
        (0..self.count).map(move |pair| first + 2 * pair)
    }

    /// How many of the keys must exist; none when there is no condition.
    pub fn required_existing(&self) -> Option<i64> {
        self.must_exist.map(|all| if all { self.count as i64 } else { 0 })
    }

    /// Positions of the keys.
    pub fn positions(&self) -> Vec<u32> {
        self.keys().map(|key| key as u32).collect()
    }

    /// Positions of the options that are no condition.
    pub fn options(&self) -> impl Iterator<Item = usize> + '_ {
        self.options.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{check, check3, with_args};

    #[test]
    fn mget_answers_in_order_with_nil_for_what_is_absent() {
        check("MSET a 1 b x; MGET b none a a", "OK; [x nil 1 1]");
        check3("MGET none", "[nil]");
    }

    #[test]
    fn mset_sets_all_and_the_last_of_a_repeated_key_wins() {
        check("SET a x EX 10; MSET a 1 b 2 a 3; MGET a b; TTL a", "OK; OK; [3 2]; -1");
        check("MSET a 1 b; EXISTS a", "ERR wrong number of arguments for 'mset' command; 0");
    }

    #[test]
    fn msetnx_sets_all_or_nothing() {
        check("MSETNX a 1 b 2; MSETNX b 3 c 4; MGET a b c", "1; 0; [1 2 nil]");
        check(
            "MSETNX a 1 a 2; GET a; MSETNX a 1 b",
            "1; 2; ERR wrong number of arguments for 'msetnx' command",
        );
    }

    #[test]
    fn msetex_sets_all_with_one_time_to_live() {
        check("MSETEX 2 a 1 b 2 EX 10; TTL a; PTTL b; MGET a b", "1; 10; 10000; [1 2]");
        check(
            "SET a x EX 50; MSETEX 2 a 1 b 2 KEEPTTL; TTL a; TTL b; MSETEX 1 a 2; TTL a",
            "OK; 1; 50; -1; 1; -1",
        );
    }

    #[test]
    fn msetex_obeys_its_condition_wherever_it_stands() {
        check(
            "MSETEX 2 a 1 b 2 EX 10 NX; MSETEX 2 b 5 c 6 nx EX 10; EXISTS c; MSETEX 2 a 7 b 8 XX; MGET a b; MSETEX 2 a 1 c 1 xx",
            "1; 0; 0; 1; [7 8]; 0",
        );
    }

    #[test]
    fn msetex_names_what_is_wrong_with_its_arguments() {
        for count in ["0", "-1", "a", "2147483648", "99999999999999999999"] {
            check(&format!("MSETEX {count} a 1"), "ERR invalid numkeys value");
        }
        check(
            "MSETEX 2 a 1; MSETEX 2 a 1 b",
            "ERR wrong number of key-value pairs; ERR wrong number of key-value pairs",
        );
        for options in ["FOO", "NX XX", "EX", "EX 1 PX 1", "KEEPTTL EX 1", "PERSIST", "b 2"] {
            check(&format!("MSETEX 1 a 1 {options}; EXISTS a"), "ERR syntax error; 0");
        }
        check(
            "MSETEX 1 a 1 EX 0; MSETEX 1 a 1 PX 9223372036854775807; MSETEX 1 a 1 EX a; EXISTS a",
            "ERR invalid expire time in 'msetex' command; ERR invalid expire time in 'msetex' command; ERR value is not an integer or out of range; 0",
        );
    }

    #[test]
    fn pairs_tell_keys_condition_and_options_apart() {
        with_args(&[b"msetex", b"2", b"a", b"1", b"b", b"2", b"EX", b"9", b"XX"], |args| {
            let pairs = Pairs::parse(args).unwrap();
            assert_eq!(pairs.positions(), [2, 4]);
            assert_eq!(pairs.options().collect::<Vec<_>>(), [6, 7]);
            assert_eq!(pairs.required_existing(), Some(2));
        });
        with_args(&[b"MSETNX", b"a", b"1", b"b", b"2"], |args| {
            let pairs = Pairs::parse(args).unwrap();
            assert_eq!((pairs.positions(), pairs.required_existing()), (vec![1, 3], Some(0)));
        });
        with_args(&[b"MSETEX", b"1", b"a", b"1", b"KEEPTTL"], |args| {
            assert_eq!(Pairs::parse(args).unwrap().required_existing(), None);
        });
    }

    #[test]
    fn the_keys_of_msetex_are_found_by_its_spec() {
        with_args(&[b"MSETEX", b"2", b"a", b"1", b"b", b"2", b"EX", b"9"], |args| {
            let mut found = Vec::new();
            MSETEX.spec.keys[0].positions(args, &mut found);
            assert_eq!(found, [2, 4]);
        });
    }
}
