//! What SLOWLOG and COMMANDLOG remember: one bounded list a kind, at the core of the session.

use base::ConnId;
use base::settings::{self, Settings};
use command::{Args, Flags, Spec};
use std::collections::VecDeque;

/// Arguments of one entry; the last one then says how many more there were.
const ARGS_MAX: usize = 32;

/// Bytes of one argument; behind them stands how many more there were.
const ARG_BYTES_MAX: usize = 128;

/// What takes the place of a password.
const REDACTED: &[u8] = b"(redacted)";

/// One command that was remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Grows with time over all cores.
    pub id: u64,
    /// When it was executed, in microseconds since the epoch.
    pub unix_us: i64,
    /// Microseconds for slow commands; bytes for large requests and replies.
    pub value: u64,
    /// The arguments, trimmed.
    pub args: Vec<Vec<u8>>,
    /// The client's address.
    pub address: String,
    /// The client's name; empty without one.
    pub name: Vec<u8>,
    /// Whose request it was, and its place in the order of that session's replies.
    pub order: (ConnId, u32),
}

impl Entry {
    /// Whether the same session asked for this one earlier than for `other`.
    fn was_asked_before(&self, other: &Entry) -> bool {
        let ((conn, place), (other, later)) = (self.order, other.order);
        conn == other && (later.wrapping_sub(place) as i32) > 0
    }
}

/// One list, newest last.
#[derive(Debug, Default)]
pub struct Log {
    entries: VecDeque<Entry>,
    /// Entries kept at the most.
    limit: usize,
    /// The id of the next entry on a server of one core; on others a lower bound of it.
    next_id: u64,
}

impl Log {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Newest first.
    pub fn newest(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().rev()
    }

    /// Forgets everything; ids go on.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Remembers an entry, whose id is given here, and drops the oldest over the limit.
    ///
    /// One core numbers its entries 0, 1, 2, … as Redis does. Several cores do not wait for each
    /// other: their ids are made of the time and the core, so that they are unique and who polls
    /// for ids above the last one seen misses nothing. They stay below 2^53, which clients that
    /// read integers as doubles need.
    pub fn push(&mut self, mut entry: Entry, core: u64, cores: u64) {
        entry.id = match cores {
            1 => self.next_id,
            _ => {
                let by_time = entry.unix_us.max(0) as u64 / 1000 * cores + core;
                by_time.max(self.next_id)
            }
        };
        self.next_id = entry.id + cores;
        self.entries.push_back(entry);
        self.put_in_order();
        while self.entries.len() > self.limit {
            self.entries.pop_front();
        }
    }

    /// Outcomes of other cores come back late: the newest entry goes before those that the same
    /// session asked for after it, so that a client finds its pipeline in the order it sent. Ids and
    /// times stay where they are; they only grow. O(entries passed).
    fn put_in_order(&mut self) {
        for at in (1..self.entries.len()).rev() {
            if !self.entries[at].was_asked_before(&self.entries[at - 1]) {
                return;
            }
            self.entries.swap(at - 1, at);
            let (id, unix_us) = (self.entries[at].id, self.entries[at].unix_us);
            (self.entries[at].id, self.entries[at].unix_us) =
                (self.entries[at - 1].id, self.entries[at - 1].unix_us);
            (self.entries[at - 1].id, self.entries[at - 1].unix_us) = (id, unix_us);
        }
    }

    fn memory(&self) -> usize {
        let bytes = |entry: &Entry| -> usize {
            size_of::<Entry>() + entry.args.iter().map(|arg| arg.len() + 24).sum::<usize>()
        };
        self.entries.iter().map(bytes).sum()
    }
}

/// Which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Commands that took long.
    Slow,
    /// Commands with many bytes of arguments.
    LargeRequest,
    /// Commands with many bytes of reply.
    LargeReply,
}

/// The lists of one core, and from when on a command enters them.
#[derive(Debug, Default)]
pub struct CommandLogs {
    /// SLOWLOG.
    pub slow: Log,
    /// COMMANDLOG's large requests.
    pub large_request: Log,
    /// COMMANDLOG's large replies.
    pub large_reply: Log,
    /// From so many microseconds on; none: never.
    pub slow_us: Option<u64>,
    request_bytes: Option<u64>,
    reply_bytes: Option<u64>,
}

impl CommandLogs {
    /// Takes over what a changed configuration says.
    pub fn configure(&mut self, settings: &Settings) {
        let bound = |id| u64::try_from(settings.int(id)).ok();
        self.slow_us = bound(settings::SLOWLOG_LOG_SLOWER_THAN);
        self.request_bytes = bound(settings::COMMANDLOG_REQUEST_LARGER_THAN);
        self.reply_bytes = bound(settings::COMMANDLOG_REPLY_LARGER_THAN);
        self.slow.limit = settings.size(settings::SLOWLOG_MAX_LEN);
        self.large_request.limit = settings.size(settings::COMMANDLOG_LARGE_REQUEST_MAX_LEN);
        self.large_reply.limit = settings.size(settings::COMMANDLOG_LARGE_REPLY_MAX_LEN);
    }

    /// A request or a reply of more bytes than this is looked at closer.
    pub fn large_bytes(&self) -> u64 {
        self.request_bytes.into_iter().chain(self.reply_bytes).min().unwrap_or(u64::MAX)
    }

    /// One of the lists.
    pub fn of(&mut self, kind: Kind) -> &mut Log {
        match kind {
            Kind::Slow => &mut self.slow,
            Kind::LargeRequest => &mut self.large_request,
            Kind::LargeReply => &mut self.large_reply,
        }
    }

    /// The lists that a command with these figures enters, each with its value.
    pub fn entered(&self, figures: Figures) -> impl Iterator<Item = (Kind, u64)> + use<> {
        let reached = |bound: Option<u64>, value: u64| {
            (bound.is_some_and(|bound| value >= bound)).then_some(value)
        };
        let slow = figures.us.and_then(|us| reached(self.slow_us, us));
        let request = reached(self.request_bytes, figures.request_bytes);
        let reply = reached(self.reply_bytes, figures.reply_bytes);
        [(Kind::Slow, slow), (Kind::LargeRequest, request), (Kind::LargeReply, reply)]
            .into_iter()
            .filter_map(|(kind, value)| Some((kind, value?)))
    }

    /// Memory of the lists in bytes.
    pub fn memory(&self) -> usize {
        self.slow.memory() + self.large_request.memory() + self.large_reply.memory()
    }
}

/// What is known of one execution.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// Its duration in microseconds, if it was measured.
    pub us: Option<u64>,
    /// Bytes of its arguments.
    pub request_bytes: u64,
    /// Bytes of its reply.
    pub reply_bytes: u64,
}

/// An execution that is looked at once its reply is written: a command that asks all cores must not
/// find itself in the answer, and one that changes a threshold is judged by the new one, as in Redis.
#[derive(Debug)]
pub struct Remembered {
    /// The command.
    pub command: u16,
    /// Its duration in microseconds, if it was measured.
    pub us: Option<u64>,
    /// Bytes of its arguments.
    pub request_bytes: u64,
    /// The arguments, trimmed; none of a command that never enters a list.
    pub args: Vec<Vec<u8>>,
}

/// The arguments as an entry keeps them.
pub fn trimmed(name: &str, args: &Args<'_>) -> Vec<Vec<u8>> {
    let secret = secrets(name, args);
    let keep = if args.len() > ARGS_MAX { ARGS_MAX - 1 } else { args.len() };
    let mut kept: Vec<Vec<u8>> = (0..keep)
        .map(|index| if secret(index) { REDACTED.to_vec() } else { clipped(args.get(index)) })
        .collect();
    if keep < args.len() {
        kept.push(format!("... ({} more arguments)", args.len() - keep).into_bytes());
    }
    kept
}

fn clipped(arg: &[u8]) -> Vec<u8> {
    if arg.len() <= ARG_BYTES_MAX {
        return arg.to_vec();
    }
    let mut kept = arg[..ARG_BYTES_MAX].to_vec();
    let more = arg.len() - ARG_BYTES_MAX;
    kept.extend_from_slice(format!("... ({more} more bytes)").as_bytes());
    kept
}

/// Which arguments must not be shown: passwords, and values of sensitive settings.
fn secrets<'a>(name: &str, args: &'a Args<'_>) -> impl Fn(usize) -> bool + use<'a> {
    let whole = match name {
        "auth" => Some(1),
        "acl|setuser" => Some(2),
        _ => None,
    };
    // AUTH inside HELLO and MIGRATE has a user name and a password, or (AUTH) only the latter.
    let inside = match name {
        "hello" => word(args, 2, b"AUTH").map(|at| (at, 2)),
        "migrate" => {
            let one = word(args, 6, b"AUTH").map(|at| (at, 1));
            one.or_else(|| word(args, 6, b"AUTH2").map(|at| (at, 2)))
        }
        _ => None,
    };
    let setting = name == "config|set";
    move |index| {
        let value = setting && index > 2 && index % 2 == 1;
        whole.is_some_and(|from| index >= from)
            || inside.is_some_and(|(at, count)| index > at && index <= at + count)
            || value && is_sensitive(args.get(index - 1))
    }
}

fn word(args: &Args<'_>, from: usize, word: &[u8]) -> Option<usize> {
    (from..args.len()).find(|index| args.get(*index).eq_ignore_ascii_case(word))
}

fn is_sensitive(name: &[u8]) -> bool {
    settings::SettingId::find(name).is_some_and(|id| id.row().sensitive)
}

/// Whether the command never enters a list.
pub fn is_skipped(spec: &Spec) -> bool {
    spec.flags.has(Flags::SKIP_SLOWLOG)
}

#[cfg(test)]
mod tests {
    use super::*;
    use resp::parse::Span;
    use store::Hasher;

    fn entry(unix_us: i64) -> Entry {
        let (args, name) = (Vec::new(), Vec::new());
        let order = (ConnId { index: 0, generation: 0 }, 0);
        Entry { id: 0, unix_us, value: 1, args, address: String::new(), name, order }
    }

    fn kept(name: &str, words: &[&str]) -> Vec<String> {
        let mut bytes = Vec::new();
        let spans: Vec<Span> = words
            .iter()
            .map(|word| {
                let start = bytes.len() as u32;
                bytes.extend_from_slice(word.as_bytes());
                Span { start, len: word.len() as u32 }
            })
            .collect();
        let args = Args::new(&bytes, &spans, Hasher::new(1));
        let kept = trimmed(name, &args);
        kept.into_iter().map(|arg| String::from_utf8(arg).unwrap()).collect()
    }

    #[test]
    fn long_arguments_and_long_lists_of_them_are_trimmed() {
        let long = "x".repeat(200);
        let mut words = vec!["del"];
        words.extend(std::iter::repeat_n("k", 40));
        let trimmed = kept("del", &words);
        assert_eq!(trimmed.len(), 32);
        assert_eq!(trimmed[31], "... (10 more arguments)");
        assert_eq!(
            kept("ping", &["ping", &long])[1],
            format!("{}... (72 more bytes)", &long[..128])
        );
        assert_eq!(kept("del", &words[..32]).len(), 32);
        assert_eq!(kept("del", &words[..32])[31], "k");
    }

    #[test]
    fn passwords_are_not_remembered() {
        let hidden = "(redacted)";
        assert_eq!(kept("auth", &["auth", "u", "p"]), ["auth", hidden, hidden]);
        assert_eq!(
            kept("hello", &["hello", "2", "auth", "u", "p", "setname", "n"]),
            ["hello", "2", "auth", hidden, hidden, "setname", "n"]
        );
        assert_eq!(
            kept("config|set", &["config", "set", "hz", "10", "requirepass", "x"]),
            ["config", "set", "hz", "10", "requirepass", hidden]
        );
        assert_eq!(
            kept("migrate", &["migrate", "h", "1", "k", "0", "10", "auth", "pw"])[7],
            hidden
        );
    }

    #[test]
    fn a_late_outcome_goes_before_what_its_session_asked_for_later() {
        let mut log = Log { limit: 10, ..Log::default() };
        let asked = |index: u32, place: u32| Entry {
            value: u64::from(place),
            order: (ConnId { index, generation: 0 }, place),
            ..entry(i64::from(place))
        };
        for (conn, place) in [(1, u32::MAX), (2, 9), (1, 1), (1, 2), (1, 0), (2, 8)] {
            log.push(asked(conn, place), 0, 1);
        }
        let found: Vec<_> = log.newest().map(|one| (one.order.0.index, one.value)).collect();
        let whole = u64::from(u32::MAX);
        assert_eq!(found, [(2, 8), (1, 2), (1, 1), (1, 0), (2, 9), (1, whole)]);
        assert!(log.newest().map(|one| one.id).eq([5, 4, 3, 2, 1, 0]));
    }

    #[test]
    fn the_oldest_entries_go_first_and_ids_go_on_after_a_reset() {
        let mut log = Log { limit: 2, ..Log::default() };
        (0..3).for_each(|time| log.push(entry(time), 0, 1));
        assert_eq!(log.newest().map(|entry| entry.id).collect::<Vec<_>>(), [2, 1]);
        log.clear();
        log.push(entry(9), 0, 1);
        assert_eq!(log.newest().next().unwrap().id, 3);
        let mut none = Log::default();
        none.push(entry(0), 0, 1);
        assert!(none.is_empty());
    }

    #[test]
    fn ids_of_several_cores_are_unique_and_grow_with_time() {
        let mut logs: Vec<Log> = (0..3).map(|_| Log { limit: 100, ..Log::default() }).collect();
        let mut seen = Vec::new();
        for (core, unix_us) in [(0, 5_000), (2, 5_000), (2, 5_000), (1, 9_000), (0, 9_000)] {
            logs[core as usize].push(entry(unix_us), core, 3);
            seen.push(logs[core as usize].newest().next().unwrap().id);
        }
        assert!(seen[3] > seen[0] && seen[3] > seen[1] && seen[4] > seen[0]);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 5);
    }
}
