//! What clients did and what they were told, with the times: all that the checkers look at.

use resp::read::Value;
use std::collections::BTreeSet;

/// Before a reply has come.
pub const NEVER: u64 = u64::MAX;

/// One request.
#[derive(Debug, Clone)]
pub struct Record {
    /// Whose.
    pub client: usize,
    /// Its words.
    pub words: Vec<Vec<u8>>,
    /// When it left the client, in nanoseconds.
    pub sent_ns: u64,
    /// When the reply was there; [`NEVER`] if none came.
    pub answered_ns: u64,
    /// The reply.
    pub reply: Option<Value>,
    /// What it means to the causality checker.
    pub mark: Mark,
}

/// What a request means to the causality checker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Nothing.
    None,
    /// Reads the flag of a pair.
    Flag(usize),
    /// Reads the data of a pair.
    Data(usize),
}

impl Record {
    /// The request and its reply on a line.
    pub fn show(&self) -> String {
        let words: Vec<String> =
            self.words.iter().map(|word| word.escape_ascii().to_string()).collect();
        let reply = self.reply.as_ref().map_or("(no reply)".to_owned(), Value::to_string);
        let until = if self.answered_ns == NEVER { 0 } else { self.answered_ns };
        let (from, clipped) = (self.sent_ns, reply.chars().take(200).collect::<String>());
        format!("client {} [{from}..{until}] {} -> {clipped}", self.client, words.join(" "))
    }
}

/// Everything that was asked and answered.
#[derive(Debug, Default)]
pub struct History {
    /// In the order of sending.
    pub records: Vec<Record>,
    /// The clients that have said that they send no more, and have heard all that they were told until the server closed.
    pub left: BTreeSet<usize>,
}

/// Words as a request.
pub fn encode(words: &[Vec<u8>], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// A request from words separated by blanks.
pub fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}
