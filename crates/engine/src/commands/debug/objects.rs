//! DEBUG on keys: what they are, and making many of them.

use crate::commands::query::{Answer, Witness};
use store::{Anything, Expiry, Key, Look, Str};

/// What is to be seen of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aspect {
    /// Encoding, size, idle time.
    Object,
    /// Its listpack, which strings have none of.
    Listpack,
    /// Its hash table, which strings have none of.
    Table,
}

/// Integers up to here are shared objects in Redis, with a reference count of their own.
const SHARED_INTEGERS: i64 = 10_000;

/// Looks at a key on its owner; none elsewhere, or when there is no such key.
pub fn look(
    aspect: Aspect,
    db: u8,
    bytes: &[u8],
    witness: Witness<'_>,
) -> Option<Result<String, String>> {
    let key = witness.core.hasher.key(bytes);
    if witness.core.route.owner(key.slot) != witness.core.id {
        return None;
    }
    let now = witness.core.now;
    let mut keyspace = witness.shard.store.db(db);
    keyspace.kind_as(&key, Look::Peek, now)?;
    match aspect {
        Aspect::Listpack => Some(Err("ERR Not a listpack encoded object.".to_owned())),
        Aspect::Table => Some(Err(
            "ERR The value stored at the specified key is not represented using an hash table"
                .to_owned(),
        )),
        Aspect::Object => {
            let encoding = keyspace.encoding(&key, now)?;
            let idle_s = keyspace.idle_seconds(&key, now)?;
            let value = witness.shard.store.see(db, &key, now)?;
            let (length, shared) = match value {
                Anything::String(string) => (serialized_length(&string), is_shared(&string)),
                _ => (command::generic::dump::serialized_length(&value), false),
            };
            let references = if shared { i64::from(i32::MAX) } else { 1 };
            let lru = (now.unix_s() - idle_s as i64) & 0xff_ffff;
            Some(Ok(format!(
                "Value at:{:#x} refcount:{references} encoding:{encoding} \
                 serializedlength:{length} lru:{lru} lru_seconds_idle:{idle_s}",
                pretended_address(&key),
            )))
        }
    }
}

/// Where the value is is nobody's business and changes; what is shown is stable for a key.
fn pretended_address(key: &Key<'_>) -> u64 {
    key.hash & 0x7fff_ffff_fff0
}

fn is_shared(string: &Str<'_>) -> bool {
    matches!(string, Str::Int(number) if (0..SHARED_INTEGERS).contains(number))
}

/// Bytes in an RDB file, without compression.
fn serialized_length(string: &Str<'_>) -> usize {
    if let Str::Int(number) = string {
        let small = match number {
            -128..=127 => Some(2),
            -32_768..=32_767 => Some(3),
            -2_147_483_648..=2_147_483_647 => Some(5),
            _ => None,
        };
        if let Some(length) = small {
            return length;
        }
    }
    let length = string.len();
    let header = match length {
        0..=63 => 1,
        64..=16_383 => 2,
        _ => 5,
    };
    header + length
}

/// Makes the keys of a POPULATE that belong to this core and do not exist. O(count), in one go, as
/// on Redis: it is a command for tests.
pub fn populate(db: u8, count: u64, prefix: &[u8], size: usize, witness: Witness<'_>) {
    let Witness { core, shard, .. } = witness;
    for number in 0..count {
        let mut name = prefix.to_vec();
        name.extend_from_slice(format!(":{number}").as_bytes());
        let key = core.hasher.key(&name);
        if core.route.owner(key.slot) != core.id {
            continue;
        }
        let mut keyspace = shard.store.db(db);
        if keyspace.kind_as(&key, Look::Peek, core.now).is_none() {
            let mut value = format!("value:{number}").into_bytes();
            if size > 0 {
                value.resize(size, 0);
            }
            keyspace.set(&key, &value, Expiry::Clear, core.now);
        }
    }
    shard.refresh_used();
}

/// The text of HTSTATS. How long chains are is not known of tables without chains.
pub fn tables_text(answers: &[Answer]) -> String {
    let mut sums = [0u64; 2];
    for answer in answers {
        if let Answer::Sizes(sizes) = answer {
            sums.iter_mut().zip(sizes).for_each(|(sum, size)| *sum += size);
        }
    }
    let part = |title: &str, size: u64| {
        let stats = match size {
            0 => "No stats available for empty dictionaries\n".to_owned(),
            size => format!(" number of elements: {size}\n"),
        };
        format!("[{title} HT]\nHash table 0 stats (main hash table):\n{stats}")
    };
    part("Dictionary", sums[0]) + &part("Expires", sums[1])
}
