//! Streams, as Redis 7.0 writes them, and as 5.0 to 7.2 do.
//!
//! ```text
//! stream:   count of nodes, nodes, entries, last ID, [first ID, greatest deleted ID, entries ever added,]
//!           count of groups, groups                     [..] not in the first form
//! node:     string of 16 bytes: its ID, big-endian; string: a listpack
//! listpack: live, deleted, count of names, names, 0, then entries
//! entry:    flags (1 deleted, 2 the names are those above), milliseconds and sequence less those of the node,
//!           [count, then names and] values, how many elements this was
//! group:    name, last ID, [entries read,] count, pending entries, count, consumers
//! pending:  16 bytes of ID, 8 of the time of delivery, deliveries
//! consumer: name, 8 bytes of when it was seen, [8 of when it was active: third form,] count, IDs of what is pending
//! ```
//!
//! What was released (XNACK) and belongs to nobody has no form in Redis 7.0, which ends when it is asked for it. It is
//! written as if a consumer without a name had had it delivered in 1970, so that anybody may claim it at once, and
//! is read as released again: XPENDING shows it so anyway.

use crate::dump::{put_bytes, put_length};
use crate::elements::Elements;
use crate::kind;
use crate::listpack::{self, listpack};
use crate::read::Reader;
use crate::restore::count;
use store::{Entry, Group, Pack, PackMaker, Str, Stream, StreamId};

/// The mark of an entry that was deleted.
const DELETED: i64 = 1;
/// The mark of an entry that has the names of its node.
const SAME_NAMES: i64 = 2;
/// The name of the consumer that has what was released.
const NOBODY: &[u8] = b"";
/// When that was delivered.
const LONG_AGO_MS: i64 = 0;
/// What stands for a count of entries read that is not known.
const UNKNOWN: u64 = u64::MAX;

/// Writes a stream, its type first.
pub(crate) fn write(stream: &Stream, out: &mut Vec<u8>) {
    out.push(kind::STREAM_2);
    let packs = stream.packs();
    put_length(packs.len() as u64, out);
    for pack in packs {
        put_length(16, out);
        put_raw_id(pack.key(), out);
        put_bytes(&packed(&pack), out);
    }
    put_length(stream.len(), out);
    for id in [stream.last_id(), stream.first_id(), stream.max_deleted] {
        put_id(id, out);
    }
    put_length(stream.entries_added as u64, out);
    let groups = stream.groups();
    put_length(groups.len() as u64, out);
    for (name, group) in groups {
        put_bytes(name, out);
        put_group(group, out);
    }
}

fn put_id(id: StreamId, out: &mut Vec<u8>) {
    put_length(id.ms, out);
    put_length(id.seq, out);
}

fn put_raw_id(id: StreamId, out: &mut Vec<u8>) {
    out.extend_from_slice(&id.ms.to_be_bytes());
    out.extend_from_slice(&id.seq.to_be_bytes());
}

/// A node as a listpack.
fn packed(pack: &Pack<'_>) -> Vec<u8> {
    let mut out = listpack::Writer::new();
    let (count, names) = pack.names();
    for number in [i64::from(pack.live()), i64::from(pack.dead()), count as i64] {
        out.push(Str::Int(number));
    }
    names.for_each(|name| out.push(name));
    out.push(Str::Int(0));
    for (entry, is_dead) in pack.entries() {
        put_entry(pack.key(), &entry, is_dead, &mut out);
    }
    out.finish()
}

fn put_entry(key: StreamId, entry: &Entry<'_>, is_dead: bool, out: &mut listpack::Writer) {
    let own = entry.has_own_names();
    let flags = if is_dead { DELETED } else { 0 } | if own { 0 } else { SAME_NAMES };
    let ms = entry.id.ms.wrapping_sub(key.ms) as i64;
    let seq = entry.id.seq.wrapping_sub(key.seq) as i64;
    [flags, ms, seq].into_iter().for_each(|number| out.push(Str::Int(number)));
    if own {
        out.push(Str::Int(entry.len() as i64));
    }
    entry.each(|name, value| {
        if own {
            out.push(name);
        }
        out.push(value);
    });
    out.push(Str::Int(elements_of(entry.len(), own) as i64));
}

/// How many elements an entry takes, the last one left out, which says so.
fn elements_of(fields: usize, own_names: bool) -> usize {
    if own_names { 2 * fields + 4 } else { fields + 3 }
}

fn put_group(group: &Group, out: &mut Vec<u8>) {
    put_id(group.last_id, out);
    put_length(group.entries_read.map_or(UNKNOWN, |read| read as u64), out);
    put_length(group.pending_len() as u64, out);
    let mut released = Vec::new();
    for pending in group.pending(StreamId::MIN, StreamId::MAX) {
        put_raw_id(pending.id, out);
        let is_released = pending.consumer.is_none();
        let delivered = if is_released { LONG_AGO_MS } else { pending.delivered_ms };
        out.extend_from_slice(&delivered.to_le_bytes());
        put_length(pending.count as u64, out);
        if is_released {
            released.push(pending.id);
        }
    }
    let consumers = group.consumers();
    let has_nobody = released.is_empty() || group.consumer_id(NOBODY).is_some();
    put_length(consumers.len() as u64 + u64::from(!has_nobody), out);
    if !has_nobody {
        put_consumer(NOBODY, LONG_AGO_MS, &released, out);
    }
    for (number, consumer) in consumers {
        let ids = group.pending_of(number, StreamId::MIN, StreamId::MAX).map(|pending| pending.id);
        let mut ids: Vec<StreamId> = ids.collect();
        if consumer.name() == NOBODY {
            ids.extend_from_slice(&released);
        }
        put_consumer(consumer.name(), consumer.seen_ms, &ids, out);
    }
}

fn put_consumer(name: &[u8], seen_ms: i64, pending: &[StreamId], out: &mut Vec<u8>) {
    put_bytes(name, out);
    out.extend_from_slice(&seen_ms.to_le_bytes());
    put_length(pending.len() as u64, out);
    pending.iter().for_each(|id| put_raw_id(*id, out));
}

/// Reads a stream of this type.
pub(crate) fn read(reader: &mut Reader<'_>, kind: u8) -> Option<Stream> {
    let mut stream = Stream::default();
    let mut words = Words::default();
    for _ in 0..count(reader)? {
        let key = reader.string()?;
        let node = reader.string()?;
        let key = raw_id(&mut Reader(&key)).filter(|_| key.len() == 16)?;
        read_node(&mut stream, key, listpack(&node)?, &mut words)?;
    }
    let entries = reader.length()?;
    let last_id = id(reader)?;
    if entries != stream.len() || stream.last_entry().is_some_and(|last| last.id > last_id) {
        return None;
    }
    stream.set_last_id(last_id);
    if kind == kind::STREAM {
        stream.entries_added = i64::try_from(entries).ok()?;
    } else {
        // What the first ID is can be seen.
        id(reader)?;
        stream.max_deleted = id(reader)?;
        stream.entries_added = reader.length()? as i64;
    }
    for _ in 0..count(reader)? {
        read_group(&mut stream, reader, kind)?;
    }
    Some(stream)
}

fn id(reader: &mut Reader<'_>) -> Option<StreamId> {
    Some(StreamId { ms: reader.length()?, seq: reader.length()? })
}

fn raw_id(reader: &mut Reader<'_>) -> Option<StreamId> {
    let ms = u64::from_be_bytes(reader.array()?);
    Some(StreamId { ms, seq: u64::from_be_bytes(reader.array()?) })
}

/// The words of an entry, in memory that the next one uses again.
#[derive(Default)]
struct Words {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Words {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn push(&mut self, word: Str<'_>) {
        self.bytes.extend_from_slice(word.as_bytes(&mut itoa::Buffer::new()));
        self.ends.push(self.bytes.len());
    }

    fn get(&self, at: usize) -> &[u8] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.bytes[start..self.ends[at]]
    }
}

fn read_node(
    stream: &mut Stream,
    key: StreamId,
    mut elements: Elements<'_>,
    words: &mut Words,
) -> Option<()> {
    let mut next = || elements.next();
    let (live, dead, count) = (int(next()?)?, int(next()?)?, int(next()?)?);
    let count = usize::try_from(count).ok()?;
    words.clear();
    for _ in 0..count {
        words.push(next()?);
    }
    if next()? != Str::Int(0) {
        return None;
    }
    let names = std::mem::take(words);
    // Names stand where an entry would have names and values by turns.
    let mut pack = stream.begin_pack(key, |word| names.get(word / 2), 2 * count)?;
    let mut found = [0, 0];
    while elements.len() > 0 {
        let is_dead = read_entry(&mut pack, key, (&names, count), &mut elements, words)?;
        found[usize::from(is_dead)] += 1;
    }
    pack.finish();
    (found == [live, dead]).then_some(())
}

/// Reads an entry into a node; tells whether it was deleted.
fn read_entry(
    pack: &mut PackMaker<'_>,
    key: StreamId,
    (names, count): (&Words, usize),
    elements: &mut Elements<'_>,
    words: &mut Words,
) -> Option<bool> {
    let (flags, ms, seq) = (int(elements.next()?)?, int(elements.next()?)?, int(elements.next()?)?);
    let id = StreamId { ms: key.ms.wrapping_add(ms as u64), seq: key.seq.wrapping_add(seq as u64) };
    let own = flags & SAME_NAMES == 0;
    let fields = if own { usize::try_from(int(elements.next()?)?).ok()? } else { count };
    // A field takes an element at the least, so a count that lies ends here.
    if fields > elements.len() {
        return None;
    }
    words.clear();
    for _ in 0..if own { 2 * fields } else { fields } {
        words.push(elements.next()?);
    }
    if int(elements.next()?)? != elements_of(fields, own) as i64 {
        return None;
    }
    let is_dead = flags & DELETED != 0;
    let fits = if own {
        pack.push(id, is_dead, |word| words.get(word), 2 * fields)
    } else {
        let word =
            |at: usize| if at.is_multiple_of(2) { names.get(at / 2) } else { words.get(at / 2) };
        pack.push(id, is_dead, word, 2 * fields)
    };
    fits.then_some(is_dead)
}

fn int(element: Str<'_>) -> Option<i64> {
    match element {
        Str::Int(number) => Some(number),
        Str::Bytes(_) => None,
    }
}

fn read_group(stream: &mut Stream, reader: &mut Reader<'_>, kind: u8) -> Option<()> {
    let name = reader.string()?;
    let last_id = id(reader)?;
    let entries_read = if kind == kind::STREAM {
        stream.added_until(last_id)
    } else {
        Some(reader.length()?).filter(|read| *read != UNKNOWN).map(|read| read as i64)
    };
    if !stream.add_group(&name, last_id, entries_read) {
        return None;
    }
    stream.with_group(&name, |group, _| read_members(group, reader, kind))?
}

/// Reads what is pending in a group, and its consumers.
fn read_members(group: &mut Group, reader: &mut Reader<'_>, kind: u8) -> Option<()> {
    let pending = count(reader)?;
    for _ in 0..pending {
        let id = raw_id(reader)?;
        let delivered = i64::from_le_bytes(reader.array()?);
        let deliveries = reader.length()? as i64;
        if !group.restore_pending(id, delivered, deliveries) {
            return None;
        }
    }
    let (mut owned, mut released) = (0, Vec::new());
    for _ in 0..count(reader)? {
        owned += read_consumer(group, reader, kind, &mut released)?;
    }
    let is_released =
        |id: &StreamId| group.pending_entry(*id).is_some_and(|p| p.consumer.is_none());
    released.sort_unstable();
    // Each has one owner, or is released, once.
    let is_whole = owned + released.len() == pending
        && released.is_sorted_by(|one, other| one < other)
        && released.iter().all(is_released);
    let nobody = group.consumer_id(NOBODY).map(|number| group.consumer(number));
    if !released.is_empty()
        && nobody.is_some_and(|nobody| nobody.pending() == 0 && nobody.seen_ms == LONG_AGO_MS)
    {
        group.remove_consumer(NOBODY);
    }
    is_whole.then_some(())
}

/// Reads a consumer; gives how much is pending for it, what was released left out.
fn read_consumer(
    group: &mut Group,
    reader: &mut Reader<'_>,
    kind: u8,
    released: &mut Vec<StreamId>,
) -> Option<usize> {
    let name = reader.string()?;
    let seen = i64::from_le_bytes(reader.array()?);
    let active = match kind {
        kind::STREAM_3 => i64::from_le_bytes(reader.array()?),
        // The best that is known, as in Redis 7.2.
        _ => seen,
    };
    let (consumer, is_new) = group.ensure_consumer(&name, seen);
    if !is_new {
        return None;
    }
    group.restore_times(consumer, seen, Some(active).filter(|active| *active != -1));
    let mut owned = 0;
    for _ in 0..count(reader)? {
        let id = raw_id(reader)?;
        let delivered = group.pending_entry(id)?.delivered_ms;
        if *name == *NOBODY && delivered == LONG_AGO_MS {
            released.push(id);
        } else if group.restore_owner(id, consumer) {
            owned += 1;
        } else {
            return None;
        }
    }
    Some(owned)
}
