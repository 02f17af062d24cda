//! Streams as plain values. All ids are `1-` and a number that the server counts up, and there is one group, `g`.

use super::keyspace::{Bench, Held, Told, number};

/// A stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Stream {
    entries: Vec<(u64, Vec<u8>)>,
    /// The number of the next entry.
    next: u64,
    /// From which number on the group has been given nothing; none without the group.
    group: Option<u64>,
}

impl Stream {
    /// As text.
    pub fn show(&self) -> String {
        let line = |(id, value): &(u64, Vec<u8>)| format!("1-{id} {}", value.escape_ascii());
        let lines: Vec<String> = self.entries.iter().map(line).collect();
        format!("{lines:?} group {:?}", self.group)
    }
}

impl Bench<'_> {
    fn stream(&self, key: &[u8]) -> Option<Stream> {
        match self.get(key) {
            Some(Held::Stream(stream)) => Some(stream.clone()),
            _ => None,
        }
    }

    /// Does what a command on streams says.
    pub(super) fn of_streams(&mut self, name: &[u8], words: &[Vec<u8>]) -> Told {
        if name == b"XGROUP" {
            let mut stream = self.stream(&words[2]).unwrap_or_default();
            if stream.group.is_some() {
                return Told::Error;
            }
            stream.group = Some(0);
            self.put(&words[2], Some(Held::Stream(stream)));
            return Told::Ok;
        }
        let mut stream = self.stream(&words[1]).unwrap_or_default();
        match name {
            b"XADD" => {
                let id = stream.next;
                stream.entries.push((id, words[4].clone()));
                stream.next += 1;
                self.put(&words[1], Some(Held::Stream(stream)));
                Told::Bytes(format!("1-{id}").into_bytes())
            }
            b"XLEN" => Told::Number(stream.entries.len() as i64),
            b"XRANGE" => shown(&stream.entries),
            b"XDEL" => {
                let before = stream.entries.len();
                stream.entries.retain(|(id, _)| *id != number_of(&words[2]));
                let gone = before - stream.entries.len();
                self.put_if(gone > 0, &words[1], Held::Stream(stream));
                Told::Number(gone as i64)
            }
            other => unreachable!("{} is not in the model", other.escape_ascii()),
        }
    }

    /// XREAD and XREADGROUP: none while there is nothing.
    pub(super) fn reading(&mut self, words: &[Vec<u8>]) -> Option<Told> {
        let (keys, ids) = keys_and_ids(words);
        let mut found = Vec::new();
        for (key, id) in keys.iter().zip(ids) {
            let entries = match words[0] == b"XREAD" {
                true => {
                    let from = if id == b"0" { 0 } else { number_of(id) + 1 };
                    let mut entries = self.stream(key).unwrap_or_default().entries;
                    entries.retain(|(id, _)| *id >= from);
                    entries
                }
                false => {
                    let Some(mut stream) = self.stream(key) else { return Some(Told::Error) };
                    let Some(from) = stream.group else { return Some(Told::Error) };
                    let mut entries = stream.entries.clone();
                    entries.retain(|(id, _)| *id >= from);
                    if let Some((last, _)) = entries.last() {
                        stream.group = Some(last + 1);
                        self.put(key, Some(Held::Stream(stream)));
                    }
                    entries
                }
            };
            if !entries.is_empty() {
                found.push(Told::Several(vec![Told::Bytes(key.clone()), shown(&entries)]));
            }
        }
        (!found.is_empty()).then_some(Told::Several(found))
    }
}

/// What stands behind STREAMS.
pub fn keys_and_ids(words: &[Vec<u8>]) -> (&[Vec<u8>], &[Vec<u8>]) {
    let streams = words.iter().position(|word| word == b"STREAMS").unwrap_or(words.len() - 1);
    let rest = &words[streams + 1..];
    rest.split_at(rest.len() / 2)
}

/// The number in `1-number`.
fn number_of(id: &[u8]) -> u64 {
    number(id.strip_prefix(b"1-").unwrap_or(id)) as u64
}

fn shown(entries: &[(u64, Vec<u8>)]) -> Told {
    let one = |(id, value): &(u64, Vec<u8>)| {
        let fields = vec![Told::Bytes(b"f".to_vec()), Told::Bytes(value.clone())];
        Told::Several(vec![Told::Bytes(format!("1-{id}").into_bytes()), Told::Several(fields)])
    };
    Told::Several(entries.iter().map(one).collect())
}
