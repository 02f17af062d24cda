//! What holds for every command of the table, whatever it does.

use super::families;
use crate::check::{World, with_args};
use crate::spec::{Arg, ArgKind, Begin, Command, Fanout, Find, Flags, Group, Spec};
use crate::{geo, hash, list, set, sorted_set, stream};
use base::Prng;
use resp::write::Protocol;
use std::collections::{BTreeMap, BTreeSet};

/// Every command and sub-command, with the words that call it.
fn all() -> impl Iterator<Item = (Vec<&'static str>, &'static Command)> {
    families().flat_map(|command| {
        let name = command.spec.name;
        let subs = command.subcommands.iter().map(move |sub| (vec![name, sub.spec.name], sub));
        std::iter::once((vec![name], command)).chain(subs)
    })
}

#[test]
fn names_are_unique_and_in_upper_case() {
    let mut seen = BTreeSet::new();
    for (words, _) in all() {
        let name = words.join(" ");
        assert_eq!(name, name.to_ascii_uppercase());
        assert!(seen.insert(name.clone()), "{name} is there twice");
    }
}

#[test]
fn every_command_is_documented() {
    for (words, Command { spec, .. }) in all() {
        assert!(spec.summary.ends_with('.'), "{words:?} has no summary");
        assert!(!spec.complexity.is_empty(), "{words:?} has no complexity");
        let version: Vec<u32> = spec.since.split('.').map(|part| part.parse().unwrap()).collect();
        assert_eq!(version.len(), 3, "{words:?}: since {}", spec.since);
        let newer = spec.flags.has(Flags::NEWER);
        assert_eq!(newer, version[0] >= 8, "{words:?}: NEWER is what Redis 7.2 does not know");
        assert!(!matches!(spec.group, Group::Connection | Group::Cluster), "{words:?}");
        for (version, change) in spec.history {
            assert!(!version.is_empty() && change.ends_with('.'), "{words:?}: {change}");
        }
    }
}

/// Words that these arguments take at the least.
fn words_of_all(args: &[Arg]) -> usize {
    args.iter().filter(|arg| !arg.optional).map(words_of).sum()
}

fn words_of(arg: &Arg) -> usize {
    let token = usize::from(arg.token.is_some());
    match arg.kind {
        ArgKind::PureToken => 1,
        ArgKind::Block(parts) => token + words_of_all(parts),
        ArgKind::OneOf(choices) => token + choices.iter().map(words_of).min().unwrap_or(0),
        _ => token + 1,
    }
}

/// Whether the number of words is left open.
fn is_open(arg: &Arg) -> bool {
    let inner = match arg.kind {
        ArgKind::OneOf(choices) => {
            let lengths: BTreeSet<usize> = choices.iter().map(words_of).collect();
            lengths.len() > 1 || choices.iter().any(is_open)
        }
        ArgKind::Block(parts) => parts.iter().any(is_open),
        _ => false,
    };
    arg.optional || arg.multiple || inner
}

#[test]
fn documented_arguments_fit_the_arity() {
    for (words, Command { spec, subcommands, .. }) in all() {
        let least = words_of_all(spec.args) + words.len();
        let open = spec.args.iter().any(is_open) || !subcommands.is_empty();
        if subcommands.is_empty() {
            assert!(spec.arity.fits(least), "{words:?} takes {least} words at the least");
            assert!(!spec.arity.fits(least - 1), "{words:?} needs {least} words");
        }
        assert_eq!(spec.arity.0 < 0, open, "{words:?}: open-ended or not");
    }
}

#[test]
fn keys_are_within_the_shortest_request() {
    for (words, Command { spec, .. }) in all() {
        let least = spec.arity.0.unsigned_abs() as usize;
        // What a group has read is not counted as a part of the key.
        let writes = spec.name == "XREADGROUP"
            || spec.keys.is_empty()
            || spec.keys.iter().any(|keys| keys.flags[0] != "RO");
        assert!(writes || !spec.flags.has(Flags::WRITE), "{words:?} writes none of its keys");
        for (number, keys) in spec.keys.iter().enumerate() {
            // What stands behind a word need not be there.
            let Begin::Index(first) = keys.begin else { continue };
            assert!(matches!(keys.flags[0], "RO" | "RW" | "OW" | "RM"), "{words:?}");
            // PFCOUNT writes down what it counted, which is no change.
            let reads = keys.flags[0] == "RO" || words == ["PFCOUNT"];
            assert!(reads || !spec.flags.has(Flags::READONLY), "{words:?} writes a key");
            if number > 0 && first as usize == least {
                // Further keys, such as the sources of PFMERGE, may be none.
                continue;
            }
            assert!((first as usize) < least, "{words:?}: key {first} of {least} words");
            if let Find::Range { last, .. } = keys.find {
                assert!((first as i16 + last.max(0)) < least as i16, "{words:?}: last key {last}");
            }
            // Where no key is demanded, one more word is the first key.
            let optional = usize::from(spec.flags.has(Flags::NO_MANDATORY_KEYS));
            let request: Vec<&[u8]> = vec![b"1"; least + optional];
            let found = with_args(&request, |args| {
                let mut found = Vec::new();
                keys.positions(args, &mut found);
                found
            });
            assert!(!found.is_empty(), "{words:?}: no key in the shortest request");
        }
    }
}

#[test]
fn flags_and_fan_out_agree_with_each_other() {
    for (words, Command { spec, .. }) in all() {
        let Spec { flags, fanout, keys, .. } = spec;
        let (write, readonly) = (flags.has(Flags::WRITE), flags.has(Flags::READONLY));
        assert!(!(write && readonly), "{words:?} is both");
        assert!(!flags.has(Flags::DENYOOM) || write, "{words:?} needs memory without writing");
        match fanout {
            Fanout::Split(_) | Fanout::Conditional | Fanout::Loan => {
                assert!(!keys.is_empty(), "{words:?} is split by keys");
            }
            Fanout::All(_) | Fanout::RandomCore | Fanout::Cursor => {
                assert!(keys.is_empty(), "{words:?} has keys and goes everywhere");
            }
            Fanout::Single => {}
        }
    }
}

/// As redis-server 7.0 answers COMMAND INFO; for newer ones as their documentation says.
#[test]
fn fast_commands_are_those_that_redis_calls_fast() {
    let fast = "APPEND BITFIELD_RO DBSIZE DECR DECRBY DELEX DELIFEQ DIGEST EXISTS EXPIRE EXPIREAT EXPIRETIME GET \
                GETBIT GETDEL GETEX GETSET INCR INCRBY INCRBYFLOAT INCREX MGET MOVE PERSIST RENAMENX PEXPIRE PEXPIREAT \
                PEXPIRETIME PFADD PTTL SETNX \
                STRLEN SWAPDB TOUCH TTL TYPE UNLINK WATCH";
    let fast = [
        fast,
        hash::facts::FAST,
        list::facts::FAST,
        set::facts::FAST,
        sorted_set::facts::FAST,
        stream::facts::FAST,
    ]
    .into_iter()
    .flat_map(str::split_ascii_whitespace);
    let expected: BTreeSet<&str> = fast.collect();
    let found: BTreeSet<&str> = all()
        .filter(|(_, command)| command.spec.flags.has(Flags::FAST))
        .map(|(words, _)| words[0])
        .collect();
    assert_eq!(found, expected);
}

/// Its payload is made when it is called.
const RESTORE: &str = "RESTORE restored 0 payload";

/// Every command in at least one call that takes effect.
const EXAMPLES: &[&str] = &[
    "APPEND k a",
    "DECR n",
    "DECRBY n 2",
    "SET d v",
    "DELEX d",
    "SET d v",
    "DELIFEQ d v",
    "DIGEST k",
    "GET k",
    "SET d v",
    "GETDEL d",
    "GETEX k EX 100",
    "GETRANGE k 0 1",
    "GETSET k b",
    "INCR n",
    "INCRBY n 2",
    "INCRBYFLOAT n 0.5",
    "SET n 1",
    "INCREX n",
    "LCS k n",
    "MGET k n",
    "MSET k 1 n 2",
    "MSETEX 1 k 1",
    "MSETNX x 1 y 2",
    "PSETEX k 100000 v",
    "SET k v",
    "SETEX k 100 v",
    "SETNX z v",
    "SETRANGE k 1 x",
    "STRLEN k",
    "SUBSTR k 0 1",
    "DBSIZE",
    "DEL z",
    "EXISTS k",
    "KEYS *",
    "DUMP k",
    RESTORE,
    "COPY k c",
    "RENAME c c2",
    "RENAMENX c2 c3",
    "MOVE c3 5",
    "OBJECT ENCODING k",
    "OBJECT IDLETIME k",
    "OBJECT REFCOUNT k",
    "OBJECT HELP",
    "OBJECT FREQ none",
    "RANDOMKEY",
    "SCAN 0",
    "LPUSH sl 2 1",
    "SORT sl STORE sd",
    "SORT_RO sl",
    "TOUCH k",
    "TYPE k",
    "WATCH k",
    "UNLINK x",
    "EXPIRE k 100",
    "EXPIREAT k 1700000100",
    "EXPIRETIME k",
    "PERSIST k",
    "PEXPIRE k 9000",
    "PEXPIREAT k 1700000100000",
    "PEXPIRETIME k",
    "PTTL k",
    "TTL k",
    "SWAPDB 0 1",
    "SWAPDB 0 1",
    "SETBIT b 7 1",
    "GETBIT b 7",
    "BITCOUNT b",
    "BITPOS b 1",
    "BITFIELD b SET u8 0 5",
    "BITFIELD_RO b GET u8 0",
    "BITOP OR c b b",
    "PFADD hll a",
    "PFCOUNT hll",
    "PFMERGE hll2 hll",
    "PFDEBUG TODENSE hll",
    "PFSELFTEST",
    "FLUSHDB",
    "SET k v",
    "FLUSHALL",
];

#[test]
fn writing_commands_change_and_others_never_do() {
    let mut world = World::new(Protocol::Resp2);
    let mut changed: BTreeMap<String, bool> = BTreeMap::new();
    for example in [
        hash::facts::EXAMPLES,
        list::facts::EXAMPLES,
        set::facts::EXAMPLES,
        sorted_set::facts::EXAMPLES,
        geo::facts::EXAMPLES,
        stream::facts::EXAMPLES,
        EXAMPLES,
    ]
    .into_iter()
    .flatten()
    {
        let mut words: Vec<&[u8]> = example.split(' ').map(str::as_bytes).collect();
        let mut payload = b"\0\x01a".to_vec();
        rdb::seal(&mut payload, 10);
        if *example == RESTORE {
            words[3] = &payload;
        }
        let before = world.store.changes();
        let reply = world.run(&words);
        assert!(!reply.starts_with(b"-"), "{example}: {}", reply.escape_ascii());
        let mut name = example.split(' ').next().unwrap().to_owned();
        if matches!(&*name, "OBJECT" | "XGROUP" | "XINFO") {
            name = example.split(' ').take(2).collect::<Vec<_>>().join(" ");
        }
        *changed.entry(name).or_default() |= world.store.changes() != before;
    }
    // What runs scripts is the engine's, and changes what the script changes.
    let own = |command: &Command| {
        command.subcommands.is_empty() && !command.spec.flags.has(Flags::SCRIPT)
    };
    for (words, command) in all().filter(|(_, command)| own(command)) {
        let name = words.join(" ");
        let changes = changed.get(&name).unwrap_or_else(|| panic!("{name} has no example"));
        assert_eq!(*changes, command.spec.flags.has(Flags::WRITE), "{name}");
    }
}

/// Words that mean something to some command, and some that mean nothing to any.
const WORDS: &[&[u8]] = &[
    b"a",
    b"b",
    b"c",
    b"",
    b"0",
    b"1",
    b"-1",
    b"2",
    b"10",
    b"100",
    b"1.5",
    b"-0",
    b"+1",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"536870912",
    b"1700000000000",
    b"1700000001",
    b"inf",
    b"nan",
    b"1e4932",
    b"-1e4932",
    b"0x1p3",
    b"NX",
    b"xx",
    b"GT",
    b"LT",
    b"EX",
    b"px",
    b"EXAT",
    b"PXAT",
    b"KEEPTTL",
    b"PERSIST",
    b"GET",
    b"IFEQ",
    b"IFNE",
    b"IFDEQ",
    b"IFDNE",
    b"b6acb9d84a38ff74",
    b"LEN",
    b"IDX",
    b"MINMATCHLEN",
    b"WITHMATCHLEN",
    b"COUNT",
    b"MATCH",
    b"TYPE",
    b"string",
    b"*",
    b"[a-",
    b"\\",
    b"ASYNC",
    b"SYNC",
    b"BYINT",
    b"BYFLOAT",
    b"LBOUND",
    b"UBOUND",
    b"SATURATE",
    b"ENX",
    b"ENCODING",
    b"FREQ",
    b"IDLETIME",
    b"REFCOUNT",
    b"HELP",
    b"\0",
    b"\xff\xfe\r\n",
    b"ohmytext",
    b"mynewtext",
    b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x7f\xff",
    b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x7f\xfe\x80",
    b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x83\x7f",
    b"AND",
    b"NOT",
    b"DIFF",
    b"ONE",
    b"BIT",
    b"INCRBY",
    b"OVERFLOW",
    b"FAIL",
    b"u8",
    b"i64",
    b"#3",
    b"8388607",
    b"TODENSE",
    b"DECODE",
    b"549755813888",
    b"4503599627370495",
    b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

/// Calls that a run of the test makes; more are one environment variable away:
/// `COMMAND_FUZZ_CALLS=10000000 cargo test -p command arguments`.
const FUZZ_CALLS: u64 = 100_000;

#[test]
fn no_arguments_make_a_command_panic_or_break_its_contract() {
    let calls = std::env::var("COMMAND_FUZZ_CALLS").ok().and_then(|calls| calls.parse().ok());
    let mut prng = Prng::new(1);
    let commands: Vec<_> = all().collect();
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let mut world = World::new(protocol);
        world.configure("proto-max-bulk-len", "1mb");
        for _ in 0..calls.unwrap_or(FUZZ_CALLS) / 2 {
            let (name, command) = &commands[prng.below(commands.len() as u64) as usize];
            let mut words: Vec<&[u8]> = name.iter().map(|word| word.as_bytes()).collect();
            let least = command.spec.arity.0.unsigned_abs() as usize;
            let more = if command.spec.arity.0 < 0 { prng.below(8) as usize } else { 0 };
            while words.len() < least + more {
                words.push(WORDS[prng.below(WORDS.len() as u64) as usize]);
            }
            // The world checks the contract: one reply, no change and no output on failure.
            world.run(&words);
            world.advance(prng.below(40) as i64);
        }
    }
}
