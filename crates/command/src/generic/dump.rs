//! Values as bytes: DUMP and RESTORE.

use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use rdb::{Malformed, Restored};
use store::{Expiry, Look, Value};

/// Returns a value in a serialized form.
pub const DUMP: Command = Command::new(
    Spec {
        name: "DUMP",
        arity: Arity::exactly(2),
        keys: &[KeySpec::one(1, &["RO", "access"])],
        flags: Flags::READONLY,
        group: Group::Generic,
        since: "2.6.0",
        complexity: "O(1) to access the key and additional O(N*M) to serialize it, where N is the number of Redis objects composing the value and M their average size. For small string values the time complexity is thus O(1)+O(1*M) where M is small, so simply O(1).",
        summary: "Returns a value in a serialized form.",
        args: &[Arg::key("key", 0)],
        tips: &["nondeterministic_output"],
        ..Spec::NEW
    },
    dump,
);

fn dump(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (key, now) = (args.key(1), ctx.now);
    ctx.keyspace().kind_as(&key, Look::Read, now);
    match ctx.store.see(ctx.db, &key, now) {
        None => ctx.reply.null(),
        Some(value) => {
            let payload = rdb::dump(&value);
            ctx.reply.bulk(&payload);
        }
    }
    Ok(())
}

/// Creates a key from a serialized value.
pub const RESTORE: Command = Command::new(
    Spec {
        name: "RESTORE",
        categories: &["@dangerous"],
        arity: Arity::at_least(4),
        keys: &[KeySpec::one(1, &["OW", "update"])],
        flags: Flags::WRITE.and(Flags::DENYOOM),
        group: Group::Generic,
        since: "2.6.0",
        complexity: "O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the number of Redis objects composing the value and M their average size. For small string values the time complexity is thus O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values the complexity is O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).",
        summary: "Creates a key from a serialized value.",
        args: &[
            Arg::key("key", 0),
            Arg::integer("ttl"),
            Arg::string("serialized-value"),
            Arg::word("replace", "REPLACE").optional().since("3.0.0"),
            Arg::word("absttl", "ABSTTL").optional().since("5.0.0"),
            Arg::integer("seconds").token("IDLETIME").optional().since("5.0.0"),
            Arg::integer("frequency").token("FREQ").optional().since("5.0.0"),
        ],
        history: &[
            ("3.0.0", "Added the `REPLACE` modifier."),
            ("5.0.0", "Added the `ABSTTL` modifier."),
            ("5.0.0", "Added the `IDLETIME` and `FREQ` options."),
        ],
        ..Spec::NEW
    },
    restore,
);

/// Bytes that a value takes in DUMP's payload, without type and footer.
pub fn serialized_length(value: &store::Anything<'_>) -> usize {
    rdb::dump(value).len() - rdb::FRAME
}

/// The key is there and REPLACE was not said.
const BUSY: Failure = Failure::new("BUSYKEY Target key name already exists.");
/// The checksum does not fit, or the payload is of a version that we do not know.
const FOOTER: Failure = Failure::new("ERR DUMP payload version or checksum are wrong");
/// The payload is no value.
const BAD: Failure = Failure::new("ERR Bad data format");

/// What RESTORE was told beside the value.
#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    idle_s: Option<u64>,
    frequency: Option<u8>,
}

impl Options {
    fn parse(args: &Args<'_>) -> Result<Options, Failure> {
        let (mut options, mut position) = (Options::default(), 4);
        while position < args.len() {
            let more = position + 1 < args.len();
            if args.is(position, "REPLACE") {
                options.replace = true;
            } else if args.is(position, "ABSTTL") {
                options.absolute = true;
            } else if args.is(position, "IDLETIME") && more && options.frequency.is_none() {
                position += 1;
                let idle = args.integer(position).ok_or(Failure::NOT_INTEGER)?;
                let idle = u64::try_from(idle).ok();
                options.idle_s =
                    Some(idle.ok_or(Failure::new("ERR Invalid IDLETIME value, must be >= 0"))?);
            } else if args.is(position, "FREQ") && more && options.idle_s.is_none() {
                position += 1;
                let frequency = args.integer(position).ok_or(Failure::NOT_INTEGER)?;
                let frequency = u8::try_from(frequency).ok();
                options.frequency = Some(
                    frequency
                        .ok_or(Failure::new("ERR Invalid FREQ value, must be >= 0 and <= 255"))?,
                );
            } else {
                return Err(Failure::SYNTAX);
            }
            position += 1;
        }
        Ok(options)
    }
}

fn restore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let options = Options::parse(args)?;
    let (key, now) = (args.key(1), ctx.now);
    let there = ctx.keyspace().kind_as(&key, Look::Write, now).is_some();
    if there && !options.replace {
        return Err(BUSY);
    }
    let ttl = args.integer(2).ok_or(Failure::NOT_INTEGER)?;
    if ttl < 0 {
        return Err(Failure::new("ERR Invalid TTL value, must be >= 0"));
    }
    let restored =
        rdb::restore(args.get(3), ctx.store, now).map_err(|malformed| match malformed {
            Malformed::Footer => FOOTER,
            Malformed::Value => BAD,
        })?;
    let deadline = match (ttl, options.absolute) {
        (0, _) => None,
        (ttl, true) => Some(ttl),
        // What is beyond the end of time is before its beginning, as in Redis: the key is gone at once.
        (ttl, false) => Some(ttl.wrapping_add(now.unix_ms())),
    };
    let mut keyspace = ctx.store.db(ctx.db);
    if deadline.is_some_and(|deadline| deadline <= now.unix_ms()) {
        // It would be gone at once.
        keyspace.remove(&key, now);
        ctx.reply.ok();
        return Ok(());
    }
    match restored {
        Restored::String(bytes) => {
            keyspace.set_value(&key, Value::detect(&bytes), Expiry::Clear, now);
        }
        Restored::Collection(made) => _ = keyspace.put_made(&key, made, now),
    }
    if deadline.is_some() {
        keyspace.set_expiry(&key, deadline, now);
    }
    keyspace.set_use(&key, options.idle_s, options.frequency, now);
    ctx.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check};
    use resp::read::Value;
    use resp::write::Protocol;

    /// The payload of a key.
    fn payload(world: &mut World, key: &str) -> Vec<u8> {
        let reply = world.run(&[b"DUMP", key.as_bytes()]);
        match Value::parse(&reply).unwrap().unwrap().0 {
            Value::Bulk(bytes) => bytes,
            other => panic!("no payload: {other}"),
        }
    }

    #[test]
    fn what_was_dumped_is_restored_as_it_was() {
        let script = "SET s hello; SET i -120; SET big 12345678901; RPUSH l a 1 b; SADD ints 3 1 2; SADD set a b 3; \
                      ZADD z 1.5 a 2 b -inf c; HSET h a 1 b 2; HSET ttl a 1 b 2; HPEXPIRE ttl 5000 FIELDS 1 a";
        for listpack in ["512", "0"] {
            let mut world = World::new(Protocol::Resp2);
            for directive in [
                "hash-max-listpack-entries",
                "set-max-listpack-entries",
                "zset-max-listpack-entries",
            ] {
                world.configure(directive, listpack);
            }
            world.script(script);
            for key in ["s", "i", "big", "l", "ints", "set", "z", "h", "ttl"] {
                let bytes = payload(&mut world, key);
                assert_eq!(world.run(&[b"RESTORE", b"copy", b"0", &bytes, b"REPLACE"]), b"+OK\r\n");
                for question in [
                    "TYPE",
                    "OBJECT ENCODING",
                    "GET",
                    "LRANGE",
                    "SMEMBERS",
                    "ZRANGE",
                    "HGETALL",
                    "HPTTL",
                ] {
                    let tail = match question {
                        "LRANGE" => "0 -1",
                        "ZRANGE" => "0 -1 WITHSCORES",
                        "HPTTL" => "FIELDS 2 a b",
                        _ => "",
                    };
                    let sorted = |value: &Value| {
                        let mut parts: Vec<String> = value
                            .to_string()
                            .split(' ')
                            .map(|part| part.trim_matches(['[', ']']).to_owned())
                            .collect();
                        parts.sort();
                        parts
                    };
                    let one = world.script(&format!("{question} {key} {tail}"));
                    let other = world.script(&format!("{question} copy {tail}"));
                    assert_eq!(sorted(&one[0]), sorted(&other[0]), "{question} {key}");
                }
            }
        }
    }

    #[test]
    fn a_negative_zero_comes_back_where_the_sorted_set_is_not_packed() {
        let mut world = World::new(Protocol::Resp2);
        world.configure("zset-max-listpack-entries", "0");
        world.script("ZADD z -0 a 1 b");
        let bytes = payload(&mut world, "z");
        world.configure("zset-max-listpack-entries", "1");
        world.run(&[b"RESTORE", b"large", b"0", &bytes]);
        world.configure("zset-max-listpack-entries", "2");
        world.run(&[b"RESTORE", b"small", b"0", &bytes]);
        let replies = world.script("ZSCORE z a; ZSCORE large a; ZSCORE small a");
        let shown: Vec<String> = replies.iter().map(Value::to_string).collect();
        assert_eq!(shown, ["-0", "-0", "0"]);
    }

    #[test]
    fn options_and_times_to_live_are_checked_in_redis_order() {
        check(
            "SET a 1; RESTORE b 0 x; RESTORE b -1 x; RESTORE b x x; RESTORE a 0 x; RESTORE a -1 x; RESTORE a 0 x FOO; RESTORE a 0 x IDLETIME -1; RESTORE a 0 x IDLETIME x; RESTORE a 0 x FREQ 256; RESTORE a 0 x FREQ 1 IDLETIME 1; DUMP none",
            "OK; ERR DUMP payload version or checksum are wrong; ERR Invalid TTL value, must be >= 0; ERR value is not an integer or out of range; BUSYKEY Target key name already exists.; BUSYKEY Target key name already exists.; \
             ERR syntax error; ERR Invalid IDLETIME value, must be >= 0; ERR value is not an integer or out of range; ERR Invalid FREQ value, must be >= 0 and <= 255; ERR syntax error; nil",
        );
        let mut world = World::new(Protocol::Resp2);
        world.script("HSET h a 1");
        let bytes = payload(&mut world, "h");
        world.run(&[b"RESTORE", b"g", b"5000", &bytes]);
        world.run(&[b"RESTORE", b"i", b"1700000009000", &bytes, b"ABSTTL", b"IDLETIME", b"100"]);
        world.run(&[b"RESTORE", b"gone", b"1", &bytes, b"ABSTTL"]);
        world.run(&[b"RESTORE", b"gone", b"9223372036854775807", &bytes]);
        let replies = world.script("PTTL g; PTTL i; OBJECT IDLETIME i; EXISTS gone");
        let shown: Vec<String> = replies.iter().map(Value::to_string).collect();
        assert_eq!(shown, ["5000", "9000", "100", "0"]);
    }

    #[test]
    fn a_damaged_payload_is_refused_and_the_key_stays() {
        let mut world = World::new(Protocol::Resp2);
        world.script("RPUSH l a b c; SET k v");
        let mut bytes = payload(&mut world, "l");
        bytes[2] ^= 1;
        let reply = world.run(&[b"RESTORE", b"k", b"0", &bytes, b"REPLACE"]);
        assert!(reply.starts_with(b"-ERR DUMP payload version or checksum are wrong"));
        // With the right checksum the value itself is judged.
        bytes.truncate(bytes.len() - 10);
        bytes[1] = 9;
        rdb::seal(&mut bytes, 10);
        let reply = world.run(&[b"RESTORE", b"k", b"0", &bytes, b"REPLACE"]);
        assert!(reply.starts_with(b"-ERR Bad data format"));
        assert_eq!(world.run(&[b"GET", b"k"]), b"$1\r\nv\r\n");
    }
}
