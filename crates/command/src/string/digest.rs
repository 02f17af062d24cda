//! Conditions on a value, told by the value itself or by its digest: DIGEST, DELEX, DELIFEQ, and
//! what SET takes as NX, XX, IFEQ, IFNE, IFDEQ and IFDNE.
//!
//! The digest is XXH3 with 64 bits and seed 0, written as 16 lower-case hexadecimal digits and read in
//! either case (Redis 8.4).

use super::{KEY, READ, VALUE};
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use store::{Look, Str};
use xxhash_rust::xxh3::xxh3_64;

/// Hexadecimal digits of a digest.
const DIGEST_LEN: usize = 16;

/// What must be so of a key for a command to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition<'a> {
    /// NX: it does not exist.
    Absent,
    /// XX: it exists.
    Present,
    /// IFEQ: it has this value.
    Equal(&'a [u8]),
    /// IFNE: it has another value or none.
    NotEqual(&'a [u8]),
    /// IFDEQ: its value has this digest.
    DigestEqual(&'a [u8]),
    /// IFDNE: its value has another digest, or it has none.
    DigestNotEqual(&'a [u8]),
}

impl<'a> Condition<'a> {
    /// The condition at `position` and how many arguments it has; `None` for another word, or when
    /// its value is missing.
    pub fn read(args: &Args<'a>, position: usize) -> Option<(Condition<'a>, usize)> {
        match args.get(position) {
            [b'N' | b'n', b'X' | b'x'] => Some((Condition::Absent, 1)),
            [b'X' | b'x', b'X' | b'x'] => Some((Condition::Present, 1)),
            [b'I' | b'i', b'F' | b'f', ..] => {
                Condition::about_value(args, position).map(|about| (about, 2))
            }
            _ => None,
        }
    }

    /// The condition on the value at `position`, of those that DELEX knows too.
    fn about_value(args: &Args<'a>, position: usize) -> Option<Condition<'a>> {
        const WORDS: [&str; 4] = ["IFEQ", "IFNE", "IFDEQ", "IFDNE"];
        let word = WORDS.iter().position(|word| args.is(position, word))?;
        let operand = args.try_get(position + 1)?;
        Some(match word {
            0 => Condition::Equal(operand),
            1 => Condition::NotEqual(operand),
            2 => Condition::DigestEqual(operand),
            _ => Condition::DigestNotEqual(operand),
        })
    }

    /// Whether both are the same word: only that may be repeated.
    pub fn is_same_word(self, other: Condition<'_>) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }

    /// The digest that the condition is about, if it is about one.
    pub fn check_digest(self) -> Result<Option<u64>, Failure> {
        let (Condition::DigestEqual(text) | Condition::DigestNotEqual(text)) = self else {
            return Ok(None);
        };
        let digits = (text.len() == DIGEST_LEN && text.iter().all(u8::is_ascii_hexdigit))
            .then(|| std::str::from_utf8(text).ok())
            .flatten();
        let digest = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        match digest {
            Some(digest) => Ok(Some(digest)),
            None => Err(Failure::new("ERR must be exactly 16 hexadecimal characters")),
        }
    }

    /// Whether the condition holds for this value; `digest` is what [`Condition::check_digest`] gave.
    /// O(length) for a digest.
    pub fn holds(self, value: Option<Str<'_>>, digest: Option<u64>) -> bool {
        let is = |expected: &[u8]| value.is_some_and(|value| equal(value, expected));
        let has = || value.is_some_and(|value| Some(digest_of(value)) == digest);
        match self {
            Condition::Absent => value.is_none(),
            Condition::Present => value.is_some(),
            Condition::Equal(expected) => is(expected),
            Condition::NotEqual(expected) => !is(expected),
            Condition::DigestEqual(_) => has(),
            Condition::DigestNotEqual(_) => !has(),
        }
    }
}

fn equal(value: Str<'_>, expected: &[u8]) -> bool {
    value.as_bytes(&mut itoa::Buffer::new()) == expected
}

fn digest_of(value: Str<'_>) -> u64 {
    xxh3_64(value.as_bytes(&mut itoa::Buffer::new()))
}

/// Returns the digest of a value.
pub const DIGEST: Command = Command::new(
    Spec {
        name: "DIGEST",
        arity: Arity::exactly(2),
        keys: READ,
        flags: Flags::READONLY.and(Flags::FAST).and(Flags::NEWER),
        group: Group::String,
        since: "8.4.0",
        complexity: "O(N) where N is the length of the string value.",
        summary: "Returns the hash digest of a string value as a hexadecimal string.",
        args: &[KEY],
        ..Spec::NEW
    },
    digest,
);

fn digest(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    match store.db(*db).string(&args.key(1), *now)? {
        Some(value) => reply.bulk(format!("{:016x}", digest_of(value)).as_bytes()),
        None => reply.null(),
    }
    Ok(())
}

/// Deletes a key under a condition on its value.
pub const DELEX: Command = Command::new(
    Spec {
        name: "DELEX",
        arity: Arity::at_least(2),
        keys: &[KeySpec::one(1, &["RW", "delete", "variable_flags"])],
        flags: Flags::WRITE.and(Flags::FAST).and(Flags::NEWER),
        group: Group::String,
        since: "8.4.0",
        complexity: "O(1) for IFEQ/IFNE, O(N) for IFDEQ/IFDNE where N is the length of the string value.",
        summary: "Conditionally removes the specified key based on value or digest comparison.",
        args: &[
            KEY,
            Arg::one_of(
                "condition",
                &[
                    Arg::string("ifeq-value").token("IFEQ"),
                    Arg::string("ifne-value").token("IFNE"),
                    Arg::string("ifdeq-digest").token("IFDEQ"),
                    Arg::string("ifdne-digest").token("IFDNE"),
                ],
            )
            .optional(),
        ],
        ..Spec::NEW
    },
    delex,
);

fn delex(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (key, now) = (args.key(1), ctx.now);
    let gone = match args.len() {
        2 => ctx.keyspace().remove(&key, now),
        4 => {
            let condition = Condition::about_value(args, 2)
                .ok_or(Failure::new("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"))?;
            remove_if(ctx, args, condition)?
        }
        _ => return Err(Failure::wrong_arity("delex")),
    };
    ctx.reply.integer(i64::from(gone));
    Ok(())
}

/// Deletes a key that has a value, if the condition holds for it.
fn remove_if(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    condition: Condition<'_>,
) -> Result<bool, Failure> {
    let (key, now) = (args.key(1), ctx.now);
    let digest = condition.check_digest()?;
    let mut keyspace = ctx.keyspace();
    let value = keyspace.string_as(&key, Look::Write, now)?;
    Ok(value.is_some() && condition.holds(value, digest) && keyspace.remove(&key, now))
}

/// Deletes a key that has this value.
pub const DELIFEQ: Command = Command::new(
    Spec {
        name: "DELIFEQ",
        arity: Arity::exactly(3),
        keys: &[KeySpec::one(1, &["RW", "access", "delete"])],
        flags: Flags::WRITE.and(Flags::FAST).and(Flags::NEWER),
        group: Group::String,
        since: "9.0.0",
        summary: "Deletes a key if its value is equal to the given string.",
        args: &[KEY, VALUE],
        ..Spec::NEW
    },
    delifeq,
);

fn delifeq(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let gone = remove_if(ctx, args, Condition::Equal(args.get(2)))?;
    ctx.reply.integer(i64::from(gone));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    #[test]
    fn a_digest_is_xxh3_in_sixteen_digits() {
        check("SET k \"Hello world\"; DIGEST k; DIGEST none", "OK; b6acb9d84a38ff74; nil");
        // A digest with leading zeros, from the report that made Redis write them.
        let value = "v8lf0c11xh8ymlqztfd3eeq16kfn4sspw7fqmnuuq3k3t75em5wdizgcdw7uc26nnf961u2jkfzkjytls2kwlj7626sd";
        check(
            &format!("SET k {value}; DIGEST k; DELEX k IFDEQ 00006c38adf31777"),
            "OK; 00006c38adf31777; 1",
        );
    }

    #[test]
    fn the_digest_of_an_integer_is_that_of_its_text() {
        check(
            "SET k 12; APPEND s 1; APPEND s 2; DIGEST s; DIGEST k",
            "OK; 1; 2; 7ecd2e572c949f74; 7ecd2e572c949f74",
        );
    }

    #[test]
    fn delex_without_a_condition_is_del() {
        check("DELEX k; SET k v; DELEX k; EXISTS k", "0; OK; 1; 0");
    }

    #[test]
    fn delex_deletes_only_if_the_condition_holds() {
        check("SET k v; DELEX k IFEQ x; DELEX k ifeq v; DELEX k IFEQ v", "OK; 0; 1; 0");
        check("SET k v; DELEX k IFNE v; DELEX k IFNE x; DELEX k IFNE x", "OK; 0; 1; 0");
        check(
            "SET k \"Hello world\"; DELEX k IFDNE B6ACB9D84A38FF74; DELEX k IFDEQ B6ACB9D84A38FF74",
            "OK; 0; 1",
        );
    }

    #[test]
    fn delex_names_what_is_wrong_with_its_arguments() {
        check(
            "DELEX k IFEQ; DELEX k IFEQ a b",
            "ERR wrong number of arguments for 'delex' command; ERR wrong number of arguments for 'delex' command",
        );
        check(
            "DELEX k NX a; DELEX k IFDEQ 12",
            "ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE; ERR must be exactly 16 hexadecimal characters",
        );
    }

    #[test]
    fn delifeq_releases_a_lock_only_for_its_holder() {
        check("SET lock me; DELIFEQ lock you; DELIFEQ lock me; DELIFEQ lock me", "OK; 0; 1; 0");
        check("SET lock 42; DELIFEQ lock 042; DELIFEQ lock 42", "OK; 0; 1");
    }
}
