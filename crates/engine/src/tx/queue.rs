//! What a client has queued since MULTI, and the form in which it travels: one request whose first argument says which commands the
//! rest are.

use crate::message::Words;
use command::{Args, Flags};
use resp::parse::Span;

/// The commands queued since MULTI.
#[derive(Debug, Default)]
pub struct Queue {
    /// Something could not be queued: EXEC refuses.
    pub failed: bool,
    /// What the commands want of the gates, all together.
    pub flags: u32,
    commands: Vec<(u16, u32)>,
    words: Words,
}

/// Memory that a queue may take: places in it are counted in 32 bits.
const QUEUE_BYTES_MAX: usize = 1 << 30;

/// Bytes of the header for each command: its position in the table, its database, how many arguments.
const HEADER_BYTES: usize = 7;

/// One command of a queue.
#[derive(Debug, Clone, Copy)]
pub struct Queued {
    /// Its position in the table.
    pub command: u16,
    /// The database that it runs in.
    pub db: u8,
    /// Where its arguments begin among those of the whole.
    pub first: usize,
    /// How many they are.
    pub count: usize,
}

impl Queue {
    /// Puts a command behind the others. O(bytes).
    pub fn push(&mut self, command: u16, flags: Flags, args: &Args<'_>) {
        self.flags |= flags.0;
        self.commands.push((command, args.len() as u32));
        for arg in args.from(0) {
            let start = self.words.bytes.len() as u32;
            self.words.spans.push(Span { start, len: arg.len() as u32 });
            self.words.bytes.extend_from_slice(arg);
        }
    }

    /// Whether there is room for a command with so many bytes of arguments.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.memory() + bytes <= QUEUE_BYTES_MAX
    }

    /// How many commands there are.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Memory in bytes.
    pub fn memory(&self) -> usize {
        self.words.memory() + self.commands.capacity() * size_of::<(u16, u32)>()
    }

    /// The queue as one request: `name`, the header, all arguments. `db_of` gives the database of each command, told its
    /// position and arguments in order.
    pub fn seal(self, exec: u16, name: &[u8], mut db_of: impl FnMut(u16, &[&[u8]]) -> u8) -> Words {
        let Queue { commands, words, .. } = self;
        let mut header = Vec::with_capacity(commands.len() * HEADER_BYTES);
        let mut first = 0;
        for (command, count) in &commands {
            let spans = &words.spans[first..first + *count as usize];
            let args: Vec<&[u8]> = spans
                .iter()
                .map(|span| &words.bytes[span.start as usize..(span.start + span.len) as usize])
                .collect();
            header.extend_from_slice(&command.to_le_bytes());
            header.push(db_of(*command, &args));
            header.extend_from_slice(&count.to_le_bytes());
            first += *count as usize;
        }
        let mut sealed = words;
        let start = sealed.bytes.len() as u32;
        sealed.bytes.extend_from_slice(name);
        let head = sealed.bytes.len() as u32;
        sealed.bytes.extend_from_slice(&header);
        let own = [
            Span { start, len: name.len() as u32 },
            Span { start: head, len: header.len() as u32 },
        ];
        sealed.spans.splice(0..0, own);
        sealed.command = exec;
        sealed
    }
}

/// The commands of a sealed queue, in order.
pub fn commands<'a>(args: &Args<'a>) -> impl Iterator<Item = Queued> + use<'a> {
    let header = args.get(1);
    let mut first = 2;
    header.chunks_exact(HEADER_BYTES).map(move |entry| {
        let count = u32::from_le_bytes([entry[3], entry[4], entry[5], entry[6]]) as usize;
        let command = u16::from_le_bytes([entry[0], entry[1]]);
        let queued = Queued { command, db: entry[2], first, count };
        first += count;
        queued
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_holds_what_32_bits_can_count_and_no_more() {
        let mut queue = Queue::default();
        assert!(queue.has_room(QUEUE_BYTES_MAX) && !queue.has_room(QUEUE_BYTES_MAX + 1));
        let spans = [Span { start: 0, len: 4 }];
        queue.push(7, Flags(0), &Args::new(b"PING", &spans, store::Hasher::new(1)));
        assert!(!queue.has_room(QUEUE_BYTES_MAX));
        assert_eq!(queue.len(), 1);
    }
}
