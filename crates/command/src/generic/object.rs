//! What a key is made of: OBJECT, and USAGE for the MEMORY container.

use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use store::{Look, Policy, Str};

/// Tells how keys are kept.
pub const OBJECT: Command = Command {
    spec: Spec {
        name: "OBJECT",
        categories: &["-@keyspace"],
        arity: Arity::at_least(2),
        since: "2.2.3",
        complexity: "Depends on subcommand.",
        summary: "A container for object introspection commands.",
        ..Spec::NEW
    },
    run: unknown,
    subcommands: &[ENCODING, FREQ, HELP, IDLETIME, REFCOUNT],
};

/// Bytes of a sub-command's name that the error repeats.
const NAME_BYTES_MAX: usize = 128;

fn unknown(_ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Some(name) = args.try_get(1) else { return Err(Failure::wrong_arity("object")) };
    let name = &name[..name.len().min(NAME_BYTES_MAX)];
    Err(Failure::quoting("ERR unknown subcommand '", name, "'. Try OBJECT HELP."))
}

/// What the sub-commands on a key have in common.
const ABOUT_A_KEY: Spec = Spec {
    arity: Arity::exactly(3),
    keys: &[KeySpec::one(2, &["RO"])],
    flags: Flags::READONLY,
    since: "2.2.3",
    args: &[Arg::key("key", 0)],
    tips: &["nondeterministic_output"],
    ..Spec::NEW
};

/// Names the encoding of a value.
pub const ENCODING: Command = Command::new(
    Spec {
        name: "ENCODING",
        summary: "Returns the internal encoding of a Redis object.",
        ..ABOUT_A_KEY
    },
    encoding,
);

fn encoding(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let now = ctx.now;
    match ctx.keyspace().encoding(&args.key(2), now) {
        Some(name) => ctx.reply.bulk(name.as_bytes()),
        None => ctx.reply.null(),
    }
    Ok(())
}

/// Tells how often a key is used.
pub const FREQ: Command = Command::new(
    Spec {
        name: "FREQ",
        since: "4.0.0",
        summary: "Returns the logarithmic access frequency counter of a Redis object.",
        ..ABOUT_A_KEY
    },
    freq,
);

fn freq(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (now, lfu) = (ctx.now, ctx.store.eviction().policy.is_lfu());
    let Some(frequency) = ctx.keyspace().frequency(&args.key(2), now) else {
        ctx.reply.null();
        return Ok(());
    };
    if !lfu {
        return Err(Failure::new(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    ctx.reply.integer(i64::from(frequency));
    Ok(())
}

/// Tells how long a key was not used.
pub const IDLETIME: Command = Command::new(
    Spec {
        name: "IDLETIME",
        summary: "Returns the time since the last access to a Redis object.",
        ..ABOUT_A_KEY
    },
    idletime,
);

fn idletime(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (now, lfu) = (ctx.now, ctx.store.eviction().policy.is_lfu());
    let Some(seconds) = ctx.keyspace().idle_seconds(&args.key(2), now) else {
        ctx.reply.null();
        return Ok(());
    };
    if lfu {
        return Err(Failure::new(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    ctx.reply.integer(seconds as i64);
    Ok(())
}

/// Counts references to a value.
pub const REFCOUNT: Command = Command::new(
    Spec {
        name: "REFCOUNT",
        summary: "Returns the reference count of a value of a key.",
        ..ABOUT_A_KEY
    },
    refcount,
);

/// The reference count of what Redis shares and never frees.
const SHARED_REFCOUNT: i64 = i32::MAX as i64;

/// Nothing is shared here; the answer is Redis', which shares the integers below this, unless an
/// LRU or LFU policy needs their access times.
const SHARED_INTEGERS: std::ops::Range<i64> = 0..10_000;

fn refcount(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    use Policy::{AllKeysLfu, AllKeysLru, VolatileLfu, VolatileLru};
    let policy = ctx.store.eviction().policy;
    let shares = ctx.settings.int(base::settings::MAXMEMORY) == 0
        || !matches!(policy, AllKeysLfu | AllKeysLru | VolatileLfu | VolatileLru);
    let (key, now) = (args.key(2), ctx.now);
    let mut keyspace = ctx.keyspace();
    let answer = match keyspace.string_as(&key, Look::Glance, now) {
        Ok(None) => None,
        Ok(Some(Str::Int(number))) if shares && SHARED_INTEGERS.contains(&number) => {
            Some(SHARED_REFCOUNT)
        }
        Ok(Some(_)) | Err(_) => Some(1),
    };
    match answer {
        Some(count) => ctx.reply.integer(count),
        None => ctx.reply.null(),
    }
    Ok(())
}

/// Explains the sub-commands.
pub const HELP: Command = Command::new(
    Spec {
        name: "HELP",
        arity: Arity::exactly(2),
        flags: Flags::LOADING.and(Flags::STALE),
        since: "6.2.0",
        summary: "Returns helpful text about the different subcommands.",
        ..Spec::NEW
    },
    help,
);

const HELP_LINES: &[&str] = &[
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>. The returned integer is",
    "    proportional to the logarithm of the recent access frequency of the key.",
    "IDLETIME <key>",
    "    Return the idle time of the <key>, that is the approximated number of",
    "    seconds elapsed since the last access to the key.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
    "HELP",
    "    Prints this help.",
];

fn help(ctx: &mut Ctx<'_>, _args: &Args<'_>) -> Result<(), Failure> {
    ctx.reply.array(HELP_LINES.len());
    HELP_LINES.iter().for_each(|line| ctx.reply.simple(line));
    Ok(())
}

/// MEMORY USAGE, for the MEMORY container: that lives in the engine, which can speak of its other
/// sub-commands.
pub const MEMORY_USAGE: Command = Command::new(
    Spec {
        name: "USAGE",
        arity: Arity::at_least(3),
        keys: &[KeySpec::one(2, &["RO"])],
        flags: Flags::READONLY,
        group: Group::Server,
        since: "4.0.0",
        complexity: "O(N) where N is the number of samples.",
        summary: "Estimates the memory usage of a key.",
        args: &[Arg::key("key", 0), Arg::integer("count").token("SAMPLES").optional()],
        ..Spec::NEW
    },
    memory_usage,
);

/// Replies with the bytes that the key at argument 2 takes; the function of `MEMORY USAGE key
/// [SAMPLES count]`. A count is checked and changes nothing: no type is sampled yet.
pub fn memory_usage(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    for position in (3..args.len()).step_by(2) {
        if !args.is(position, "SAMPLES") || position + 1 >= args.len() {
            return Err(Failure::SYNTAX);
        }
        if args.integer(position + 1).ok_or(Failure::NOT_INTEGER)? < 0 {
            return Err(Failure::SYNTAX);
        }
    }
    let now = ctx.now;
    match ctx.keyspace().memory_usage(&args.key(2), now) {
        Some(bytes) => ctx.reply.integer(bytes as i64),
        None => ctx.reply.null(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{World, check, with_args};
    use base::Settings;
    use resp::write::{Protocol, Writer};

    #[test]
    fn encodings_are_those_of_redis() {
        check(
            "OBJECT ENCODING k; SET k 12; OBJECT ENCODING k; SET k a; object encoding k",
            "nil; OK; int; OK; embstr",
        );
        let (short, long) = ("a".repeat(44), "a".repeat(45));
        check(
            &format!("SET k {short}; OBJECT ENCODING k; SET k {long}; OBJECT ENCODING k"),
            "OK; embstr; OK; raw",
        );
        check(
            "SET k 12345678901234567890; OBJECT ENCODING k; SET k 9223372036854775807; OBJECT ENCODING k",
            "OK; embstr; OK; int",
        );
        check(
            "SET k 12; GETRANGE k 0 0; OBJECT ENCODING k; SETRANGE k 0 9; OBJECT ENCODING k; INCR k; OBJECT ENCODING k",
            "OK; 1; int; 2; raw; 93; int",
        );
    }

    #[test]
    fn small_integers_count_as_shared_unless_their_use_is_tracked() {
        check(
            "OBJECT REFCOUNT k; SET k 9999; OBJECT REFCOUNT k; SET k 10000; OBJECT REFCOUNT k; SET k -1; OBJECT REFCOUNT k; INCR k; OBJECT REFCOUNT k",
            "nil; OK; 2147483647; OK; 1; OK; 1; 0; 2147483647",
        );
        check(
            "@set maxmemory 1gb; SET k 5; OBJECT REFCOUNT k; @set maxmemory-policy allkeys-lru; OBJECT REFCOUNT k",
            "OK; 2147483647; 1",
        );
    }

    #[test]
    fn idle_time_and_frequency_each_need_their_policy() {
        check(
            "SET k v; @+2500; OBJECT IDLETIME k; GET k; OBJECT IDLETIME k; OBJECT IDLETIME none; OBJECT FREQ none; OBJECT FREQ k",
            "OK; 2; v; 0; nil; nil; ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
        );
        check(
            "@set maxmemory-policy volatile-lfu; SET k v; OBJECT FREQ k; OBJECT IDLETIME none; OBJECT IDLETIME k",
            "OK; 5; nil; ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
        );
    }

    #[test]
    fn unknown_subcommands_and_wrong_counts_are_named() {
        check(
            "OBJECT; OBJECT FOO; OBJECT ENCODING; OBJECT HELP a",
            "ERR wrong number of arguments for 'object' command; ERR unknown subcommand 'FOO'. Try OBJECT HELP.; ERR wrong number of arguments for 'object|encoding' command; ERR wrong number of arguments for 'object|help' command",
        );
        let help = World::new(Protocol::Resp2).run(&[b"OBJECT", b"HELP"]);
        assert!(help.starts_with(b"*15\r\n+OBJECT <subcommand>"));
    }

    #[test]
    fn memory_usage_tells_bytes_and_checks_its_options() {
        let mut world = World::new(Protocol::Resp2);
        world.run(&[b"SET", b"k", &[b'x'; 1000]]);
        let settings = Settings::default();
        let mut usage = |words: &[&[u8]]| {
            let mut reply = Vec::new();
            let mut ctx = Ctx {
                store: &mut world.store,
                db: 0,
                now: world.now,
                settings: &settings,
                reply: Writer::new(&mut reply, Protocol::Resp2),
                scripted: false,
                wait: None,
            };
            let failure = with_args(words, |args| memory_usage(&mut ctx, args)).err();
            (String::from_utf8(reply).unwrap(), failure)
        };
        let (reply, _) = usage(&[b"MEMORY", b"USAGE", b"k", b"SAMPLES", b"0"]);
        assert!(reply.trim_start_matches(':').trim_end().parse::<usize>().unwrap() >= 1001);
        assert_eq!(usage(&[b"MEMORY", b"USAGE", b"none"]).0, "$-1\r\n");
        for (options, failure) in [
            (&[&b"SAMPLES"[..]][..], Failure::SYNTAX),
            (&[b"SAMPLES", b"-1"], Failure::SYNTAX),
            (&[b"SAMPLES", b"a"], Failure::NOT_INTEGER),
            (&[b"FOO"], Failure::SYNTAX),
        ] {
            let words = [&[&b"MEMORY"[..], b"USAGE", b"none"][..], options].concat();
            assert_eq!(usage(&words).1, Some(failure));
        }
    }
}
