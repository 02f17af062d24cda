//! DEBUG DIGEST and DIGEST-VALUE: equal data has equal digests, here and on Redis.
//!
//! The composition was observed: a value's digest mixes its type and its bytes, a key's mixes the
//! name before, and the digests of a database are joined by exclusive or, so that their order, and
//! with it the core that has a key, does not matter.

use crate::commands::query::{Answer, Witness};
use sha1::{Digest, Sha1};
use store::{Anything, Look, Str};

/// Twenty bytes.
pub type Value = [u8; 20];

fn sha1(bytes: &[u8]) -> Value {
    Sha1::digest(bytes).into()
}

fn xor(digest: &mut Value, other: &Value) {
    digest.iter_mut().zip(other).for_each(|(byte, other)| *byte ^= other);
}

/// Mixes bytes in; the order counts.
fn mix(digest: &mut Value, bytes: &[u8]) {
    xor(digest, &sha1(bytes));
    *digest = sha1(digest);
}

/// Hexadecimal digits.
pub fn hex(digest: &Value) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Mixes in a value and whether it expires. The order of a list's elements counts, that of others' does not.
fn mix_value(digest: &mut Value, value: &Anything<'_>, expires: bool) {
    let (number, mut buffer) = (type_number(value), itoa::Buffer::new());
    mix(digest, &number.to_be_bytes());
    match value {
        Anything::String(string) => mix(digest, string.as_bytes(&mut buffer)),
        Anything::List(list) => {
            list.iter().for_each(|element| mix(digest, element.as_bytes(&mut buffer)));
        }
        Anything::Set(set) => {
            set.iter().for_each(|member| xor(digest, &sha1(member.as_bytes(&mut buffer))));
        }
        Anything::SortedSet(set) => set.iter_from(0).for_each(|scored| {
            let score = resp::number::seventeen_digits(scored.score);
            mix_pair(digest, scored.member, Str::Bytes(score.as_bytes()));
        }),
        Anything::Hash(hash) => {
            hash.iter().for_each(|field| mix_pair(digest, field.name, field.value))
        }
        Anything::Stream(_) => {}
    }
    if expires {
        xor(digest, &sha1(b"!!expire!!"));
    }
}

/// Mixes in two strings that belong together, whatever their place among others.
fn mix_pair(digest: &mut Value, first: Str<'_>, second: Str<'_>) {
    let mut pair = [0; 20];
    for string in [first, second] {
        mix(&mut pair, string.as_bytes(&mut itoa::Buffer::new()));
    }
    xor(digest, &sha1(&pair));
}

fn type_number(value: &Anything<'_>) -> u32 {
    match value {
        Anything::String(_) => 0,
        Anything::List(_) => 1,
        Anything::Set(_) => 2,
        Anything::SortedSet(_) => 3,
        Anything::Hash(_) => 4,
        Anything::Stream(_) => 6,
    }
}

/// Of each database of this core the joined digests of its keys; none of an empty one.
pub fn databases(witness: Witness<'_>) -> Vec<Option<Value>> {
    let (now, hasher) = (witness.core.now, witness.core.hasher);
    let store = &mut witness.shard.store;
    let mut joined = Vec::new();
    for db in 0..store.databases() as u8 {
        let mut keys = Vec::new();
        store.db(db).keys(now, |key| keys.push(key.to_vec()));
        let mut sum = (!keys.is_empty()).then_some([0; 20]);
        for bytes in keys {
            let key = hasher.key(&bytes);
            let mut keyspace = store.db(db);
            let expires = keyspace.expiry_as(&key, Look::Peek, now).flatten().is_some();
            let mut digest = [0; 20];
            mix(&mut digest, &bytes);
            if let Some(value) = store.see(db, &key, now) {
                mix_value(&mut digest, &value, expires);
            }
            xor(sum.get_or_insert([0; 20]), &sha1(&digest));
        }
        joined.push(sum);
    }
    joined
}

/// The digests of these values as far as this core has them.
pub fn values(db: u8, keys: &[Vec<u8>], witness: Witness<'_>) -> Vec<Option<Value>> {
    let (now, core) = (witness.core.now, witness.core);
    let store = &mut witness.shard.store;
    let value = |bytes: &Vec<u8>| {
        let key = core.hasher.key(bytes);
        if core.route.owner(key.slot) != core.id {
            return None;
        }
        let mut keyspace = store.db(db);
        let expires = keyspace.expiry_as(&key, Look::Peek, now)?.is_some();
        let mut digest = [0; 20];
        mix_value(&mut digest, &store.see(db, &key, now)?, expires);
        Some(digest)
    };
    keys.iter().map(value).collect()
}

/// What the cores have answered, place by place: joined, zeros where nobody has anything.
pub fn merged(places: usize, answers: Vec<Answer>) -> Vec<Value> {
    joined(places, answers).into_iter().map(Option::unwrap_or_default).collect()
}

fn joined(places: usize, answers: Vec<Answer>) -> Vec<Option<Value>> {
    let mut sums: Vec<Option<Value>> = vec![None; places];
    for answer in answers {
        let Answer::Digests(digests) = answer else { continue };
        sums.resize(sums.len().max(digests.len()), None);
        for (sum, digest) in sums.iter_mut().zip(digests) {
            if let Some(digest) = digest {
                xor(sum.get_or_insert([0; 20]), &digest);
            }
        }
    }
    sums
}

/// The digest of everything, in hexadecimal digits.
pub fn whole(answers: Vec<Answer>) -> String {
    let mut digest = [0; 20];
    for (db, sum) in joined(0, answers).into_iter().enumerate() {
        if let Some(sum) = sum {
            mix(&mut digest, &(db as u32).to_be_bytes());
            xor(&mut digest, &sum);
        }
    }
    hex(&digest)
}
