//! Payloads of every type: there and back, and damaged in every way.
//!
//! `RDB_CASES` sets how many damaged payloads are tried: a million is a campaign.

use base::{Now, Prng};
use rdb::{Malformed, Restored, dump, restore, seal};
use store::{Anything, End, Made, Store, Str, Stream, StreamId};

const NOW: Now = Now { unix_us: 1_700_000_000_000_000, mono_us: 0 };

fn store() -> Store {
    Store::new(1, 0..base::SLOTS as u16, 7, 1)
}

/// A stream of so many entries, some deleted, with a group to which half were delivered.
fn stream(store: &Store, many: usize) -> Made {
    let mut stream = Stream::default();
    let id = |seq: usize| StreamId { ms: 1000 + seq as u64 / 3, seq: seq as u64 };
    for node in (0..many).step_by(50) {
        let words = |at: usize| [&b"name"[..], b"value"][at % 2];
        let mut pack = stream.begin_pack(id(node), words, 2).expect("IDs grow");
        for seq in node..many.min(node + 50) {
            assert!(pack.push(id(seq), seq % 7 == 2, words, if seq % 5 == 0 { 4 } else { 2 }));
        }
        pack.finish();
    }
    stream.entries_added = many as i64 + 3;
    stream.max_deleted = id(2);
    assert!(stream.add_group(b"group", id(many / 2), None));
    stream.with_group(b"group", |group, _| {
        let (one, _) = group.ensure_consumer(b"one", NOW.unix_ms());
        group.ensure_consumer(b"idle", NOW.unix_ms() - 5);
        for seq in 0..many / 2 {
            assert!(group.restore_pending(id(seq), NOW.unix_ms() - seq as i64, seq as i64));
            assert!(group.restore_owner(id(seq), one));
        }
        assert!(group.restore_pending(id(many - 1), 0, 3), "released");
    });
    store.make_stream(NOW, stream)
}

/// All that a stream has.
fn shown_stream(stream: &Stream) -> Vec<String> {
    let mut shown = vec![format!(
        "{:?} {:?} {:?} {} {}",
        stream.last_id(),
        stream.first_id(),
        stream.max_deleted,
        stream.entries_added,
        stream.len()
    )];
    for pack in stream.packs() {
        shown.push(format!("{:?} {} {}", pack.key(), pack.live(), pack.dead()));
        for (entry, is_dead) in pack.entries() {
            let mut words = Vec::new();
            entry.each(|name, value| words.extend([name.to_vec(), value.to_vec()]));
            shown.push(format!("{:?} {is_dead} {words:?}", entry.id));
        }
    }
    for (name, group) in stream.groups() {
        shown.push(format!("{name:?} {:?} {:?}", group.last_id, group.entries_read));
        shown.extend(group.pending(StreamId::MIN, StreamId::MAX).map(|one| format!("{one:?}")));
        shown.extend(group.consumers().map(|(_, consumer)| {
            format!("{:?} {} {}", consumer.name(), consumer.seen_ms, consumer.pending())
        }));
    }
    shown
}

/// Values of every type, small and large.
fn values(store: &mut Store) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    for many in [3usize, 700] {
        let number = |index: usize| {
            if index.is_multiple_of(2) { format!("{index}") } else { format!("e{index}") }
        };
        let made: Vec<Made> = vec![
            store.make_list(NOW, |list| {
                for index in 0..many {
                    list.push(End::Tail, Str::Bytes(number(index).as_bytes()));
                }
            }),
            store.make_set(NOW, |set| {
                (0..many).for_each(|index| _ = set.add(number(index).as_bytes()))
            }),
            store.make_set(NOW, |set| {
                (0..many).for_each(|index| _ = set.add(index.to_string().as_bytes()))
            }),
            store.make_sorted_set(NOW, |set| {
                (0..many)
                    .for_each(|index| _ = set.set(number(index).as_bytes(), index as f64 / 3.0));
            }),
            store.make_hash(NOW, |hash| {
                (0..many).for_each(|index| _ = hash.set(number(index).as_bytes(), b"value", None));
            }),
            store.make_hash(NOW, |hash| {
                (0..many).for_each(|index| {
                    let deadline =
                        index.is_multiple_of(3).then(|| NOW.unix_ms() + 5000 + index as i64);
                    hash.set(number(index).as_bytes(), b"value", deadline);
                });
            }),
        ];
        let made = made.into_iter().chain([stream(store, many.min(130))]);
        for made in made.collect::<Vec<Made>>() {
            let key = store.hasher().key(b"k");
            store.db(0).put_made(&key, made, NOW);
            let value = store.see(0, &key, NOW).expect("just put");
            payloads.push(dump(&value));
        }
    }
    let long = vec![b'x'; 5000];
    payloads.extend([&b"12"[..], b"-30000", b"text", b"", &long].map(|bytes| {
        let key = store.hasher().key(b"k");
        store.db(0).set(&key, bytes, store::Expiry::Clear, NOW);
        dump(&store.see(0, &key, NOW).expect("just put"))
    }));
    payloads
}

/// What a payload holds, in an order of its own.
fn shown(store: &mut Store, payload: &[u8]) -> Result<Vec<String>, Malformed> {
    let key = store.hasher().key(b"shown");
    match restore(payload, store, NOW)? {
        Restored::String(bytes) => return Ok(vec![format!("{bytes:?}")]),
        Restored::Collection(made) => _ = store.db(0).put_made(&key, made, NOW),
    }
    let text = |string: Str<'_>| format!("{:?}", string.to_vec());
    let mut shown: Vec<String> = match store.see(0, &key, NOW).expect("just put") {
        Anything::String(string) => vec![text(string)],
        Anything::List(list) => {
            list.iter().enumerate().map(|(at, one)| format!("{at:09} {}", text(one))).collect()
        }
        Anything::Set(set) => set.iter().map(text).collect(),
        Anything::SortedSet(set) => {
            set.iter_from(0).map(|one| format!("{} {}", text(one.member), one.score)).collect()
        }
        Anything::Hash(hash) => hash
            .iter()
            .map(|field| format!("{} {} {:?}", text(field.name), text(field.value), field.deadline))
            .collect(),
        Anything::Stream(stream) => shown_stream(stream),
    };
    shown.sort();
    Ok(shown)
}

#[test]
fn what_was_written_is_read_as_it_was() {
    let mut store = store();
    for payload in values(&mut store) {
        let first = shown(&mut store, &payload).expect("our own payload");
        let key = store.hasher().key(b"shown");
        let again = store.see(0, &key, NOW).map(|value| dump(&value));
        if first.len() > 1 {
            assert_eq!(shown(&mut store, &again.expect("a collection")), Ok(first));
        }
    }
}

/// A payload without its footer.
fn value_of(payload: &[u8]) -> Vec<u8> {
    payload[..payload.len() - 10].to_vec()
}

#[test]
fn damaged_payloads_are_an_error_or_a_whole_value() {
    let cases =
        std::env::var("RDB_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(3_000u64);
    let mut store = store();
    let payloads = values(&mut store);
    let mut prng = Prng::new(cases);
    let (mut refused, mut read) = (0, 0);
    for _ in 0..cases {
        let mut bytes = value_of(&payloads[prng.below(payloads.len() as u64) as usize]);
        for _ in 0..=prng.below(3) {
            let value = bytes.len();
            match prng.below(5) {
                0 => bytes[prng.below(value.min(12) as u64) as usize] = prng.next_u64() as u8,
                1 | 2 => bytes[prng.below(value as u64) as usize] ^= 1 << prng.below(8),
                3 => {
                    bytes.truncate(prng.below(value as u64) as usize);
                    break;
                }
                _ => {
                    let at = prng.below(value as u64 + 1) as usize;
                    bytes.insert(at, prng.next_u64() as u8);
                }
            }
        }
        // The checksum is right, so that the value itself is judged.
        seal(&mut bytes, 10);
        match shown(&mut store, &bytes) {
            Ok(_) => read += 1,
            Err(malformed) => {
                assert_eq!(malformed, Malformed::Value);
                refused += 1;
            }
        }
    }
    assert!(refused > 0 && read > 0, "{refused} refused, {read} read");
}

#[test]
fn a_wrong_checksum_or_version_is_refused() {
    let mut store = store();
    let payload = values(&mut store).remove(0);
    for at in 0..payload.len() {
        let mut bytes = payload.clone();
        bytes[at] ^= 4;
        assert_eq!(restore(&bytes, &store, NOW).err(), Some(Malformed::Footer));
    }
    for len in 0..12.min(payload.len()) {
        assert_eq!(restore(&payload[..len], &store, NOW).err(), Some(Malformed::Footer));
    }
}
