//! Plays a script on both servers in step and finds the first reply that differs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::intended::{self, Case, Intended};
use super::rules;
use super::sabotage::Sabotage;
use super::script::{Action, line};
use crate::r#gen::{CONNECTIONS, PASSWORD, TOUCHED};
use crate::peer::{Link, Reply, Server, Sides, exchange, exchange_until, take};
use crate::wire::{Value, encode, printable};

/// A reply that takes longer is missing.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// The same while a script that made a server silent is shrunk.
pub const PATIENCE_SHORT: Duration = Duration::from_secs(1);
/// Requests of one pipeline.
const CHUNK: usize = 50;
/// A raw script whose end no server answers is given this long.
const RAW_QUIET: Duration = Duration::from_millis(12);
/// The same when it mattered.
const RAW_QUIET_PATIENT: Duration = Duration::from_millis(300);
/// A piece over this may be a line beyond the limit of 64 KiB.
const LONG_PIECE_BYTES: usize = 60_000;
/// A pause between the pieces of raw bytes, so that they arrive as several reads.
const PIECE_PAUSE: Duration = Duration::from_millis(1);
/// What a raw script ends with: it tells a connection that still listens from one that waits for more bytes.
const SENTINEL: &[u8] = b"\r\n*2\r\n$4\r\nECHO\r\n$15\r\nEND-OF-RAW-DATA\r\n";
const SENTINEL_REPLY: &[u8] = b"$15\r\nEND-OF-RAW-DATA\r\n";
/// Databases that scripts can reach.
const DATABASES: usize = 16;
/// Pages of one SCAN iteration; a longer one does not end.
const SCAN_PAGES_MAX: usize = 10_000;

/// A reply that differs.
#[derive(Debug, Clone)]
pub struct Difference {
    /// Which action of the script.
    pub action: usize,
    /// The request (or what was compared) as text.
    pub request: String,
    /// What the oracle said.
    pub expected: String,
    /// What the subject said.
    pub got: String,
    /// Command and form of the difference, to tell equal ones from new ones.
    pub signature: String,
}

/// Both servers, their connections of the current script, and what is counted.
pub struct Runner {
    /// The servers.
    pub servers: Sides<Server>,
    links: Vec<Option<Sides<Link>>>,
    baseline: Sides<Vec<(String, String)>>,
    sabotage: Option<Sabotage>,
    protocols: [u8; CONNECTIONS],
    slowest: Duration,
    /// How long a reply may take. Shrinking a script that makes the server silent waits less.
    pub patience: Duration,
    /// Multiplies waits; verification of a difference is more patient than the search.
    pub caution: u32,
    /// Requests compared so far, by all scripts.
    pub compared: u64,
    /// How often each intended difference was met.
    pub excused: BTreeMap<&'static str, u64>,
}

impl Runner {
    /// Takes two servers that answer, and notes the settings that scripts may change.
    pub fn new(servers: Sides<Server>, sabotage: Option<Sabotage>) -> Result<Runner> {
        let mut runner = Runner {
            servers,
            links: Vec::new(),
            baseline: Sides::default(),
            sabotage,
            protocols: [2; CONNECTIONS],
            slowest: Duration::ZERO,
            patience: PATIENCE,
            caution: 1,
            compared: 0,
            excused: BTreeMap::new(),
        };
        runner.note_settings()?;
        Ok(runner)
    }

    fn note_settings(&mut self) -> Result<()> {
        let mut links = self.connect()?;
        for (name, _) in TOUCHED {
            let replies = ask(&mut links, &[b"CONFIG", b"GET", name.as_bytes()]);
            let held = |reply: &Reply| {
                reply.value().and_then(|value| value.get(name)).and_then(|value| value.string())
            };
            if let Some(value) = held(&replies.oracle) {
                self.baseline.oracle.push(((*name).to_owned(), value));
            }
            if let Some(value) = held(&replies.subject) {
                self.baseline.subject.push(((*name).to_owned(), value));
            }
        }
        for side in [&mut self.baseline.oracle, &mut self.baseline.subject] {
            for (name, value) in side {
                // Slow commands would be logged on one side only, by chance.
                if name == "slowlog-log-slower-than" {
                    *value = "-1".to_owned();
                }
            }
        }
        Ok(())
    }

    fn connect(&self) -> Result<Sides<Link>> {
        Ok(Sides {
            oracle: Link::connect(self.servers.oracle.addr())
                .context("the oracle does not accept connections")?,
            subject: Link::connect(self.servers.subject.addr())
                .context("the server under test does not accept connections")?,
        })
    }

    /// Empties both servers and puts their settings back. `protocols` are the protocol versions of the connections to come.
    pub fn reset(&mut self, protocols: [u8; CONNECTIONS]) -> Result<()> {
        self.links = (0..CONNECTIONS).map(|_| None).collect();
        self.protocols = protocols;
        self.slowest = Duration::ZERO;
        let mut links = self.connect()?;
        let replies = ask(&mut links, &[b"PING"]);
        let wants_password = |reply: &Reply| {
            reply.value().and_then(|v| v.error()).is_some_and(|e| e.starts_with("NOAUTH"))
        };
        if wants_password(&replies.oracle) || wants_password(&replies.subject) {
            ask(&mut links, &[b"AUTH", PASSWORD.as_bytes()]);
        }
        for (link, settings) in [
            (&mut links.oracle, &self.baseline.oracle),
            (&mut links.subject, &self.baseline.subject),
        ] {
            let mut args = vec![b"CONFIG".to_vec(), b"SET".to_vec()];
            // Several names of one setting may not stand in one request, so each goes alone.
            for (name, value) in settings {
                args.truncate(2);
                args.push(name.clone().into_bytes());
                args.push(value.clone().into_bytes());
                let mut bytes = Vec::new();
                encode(&args, &mut bytes);
                link.queue(&bytes);
            }
        }
        let due = [self.baseline.oracle.len(), self.baseline.subject.len()];
        // The sides may know different numbers of settings, so each is waited for by itself.
        exchange(&mut links, due[0].min(due[1]), PATIENCE);
        for (link, due) in [(&mut links.oracle, due[0]), (&mut links.subject, due[1])] {
            finish_alone(link, due);
        }
        // The last of them forgets what the others changed or counted.
        for request in [
            &[b"CLIENT".as_slice(), b"UNPAUSE"][..],
            &[b"DEBUG", b"SET-ACTIVE-EXPIRE", b"1"],
            &[b"FLUSHALL"],
            &[b"SLOWLOG", b"RESET"],
            &[b"LATENCY", b"RESET"],
            &[b"CONFIG", b"RESETSTAT"],
        ] {
            ask(&mut links, request);
        }
        Ok(())
    }

    /// Plays `actions` from an empty state. Returns the first difference.
    pub fn play(
        &mut self,
        actions: &[Action],
        protocols: [u8; CONNECTIONS],
    ) -> Result<Option<Difference>> {
        self.reset(protocols)?;
        let mut at = 0;
        while at < actions.len() {
            let (taken, difference) = match &actions[at] {
                Action::Command { conn, .. } => {
                    let length = pipeline_length(&actions[at..], *conn);
                    (length, self.pipeline(&actions[at..at + length], *conn)?)
                }
                Action::Raw { pieces } => (1, self.raw(pieces)?),
                Action::Scan { conn, options } => (1, self.scan(*conn, options)?),
                Action::RandomKey { conn } => (1, self.random_key(*conn)?),
                Action::Lapse { conn, before, wait, after } => {
                    (1, self.lapse(*conn, before, *wait, after)?)
                }
                Action::Sweep => (1, self.sweep()?),
            };
            self.compared +=
                actions[at..at + taken].iter().map(|action| action.requests() as u64).sum::<u64>();
            if let Some(mut difference) = difference {
                difference.action += at;
                return Ok(Some(difference));
            }
            at += taken;
        }
        Ok(None)
    }

    /// The connection of a script, opened when it is first used or after it was closed.
    fn link(&mut self, conn: usize) -> Result<Sides<Link>> {
        if let Some(links) = self.links[conn].take() {
            return Ok(links);
        }
        let mut links = self.connect()?;
        if self.protocols[conn] == 3 {
            ask(&mut links, &[b"HELLO", b"3"]);
        }
        Ok(links)
    }

    /// Keeps a connection for later, unless it is closed or out of step.
    fn keep(&mut self, conn: usize, links: Sides<Link>, in_step: bool) {
        if in_step && !links.oracle.is_closed() && !links.subject.is_closed() {
            self.links[conn] = Some(links);
        }
    }

    fn pipeline(&mut self, actions: &[Action], conn: usize) -> Result<Option<Difference>> {
        let requests: Vec<&[Vec<u8>]> = actions
            .iter()
            .map(|action| match action {
                Action::Command { args, .. } => args.as_slice(),
                _ => unreachable!("a pipeline is made of commands only"),
            })
            .collect();
        self.requests(conn, &requests)
    }

    /// Sends requests as one pipeline and compares reply by reply.
    fn requests(&mut self, conn: usize, requests: &[&[Vec<u8>]]) -> Result<Option<Difference>> {
        let mut links = self.link(conn)?;
        let mut bytes = Vec::new();
        requests.iter().for_each(|args| encode(args, &mut bytes));
        links.oracle.queue(&bytes);
        links.subject.queue(&bytes);
        let took = exchange(&mut links, requests.len(), self.patience);
        self.slowest = self.slowest.max(took);
        let expected = take(&mut links.oracle, requests.len());
        let mut got = take(&mut links.subject, requests.len());
        if let Some(sabotage) = self.sabotage {
            requests.iter().zip(&mut got).for_each(|(args, reply)| sabotage.spoil(args, reply));
        }
        for (i, (oracle, subject)) in expected.iter().zip(&got).enumerate() {
            if let Some(difference) = self.judge(requests[i], oracle, subject, i) {
                return Ok(Some(difference));
            }
        }
        let surplus =
            Sides { oracle: links.oracle.replies.first(), subject: links.subject.replies.first() };
        if surplus.oracle != surplus.subject {
            let show =
                |reply: Option<&Reply>| reply.map_or("(nothing more)".to_owned(), Reply::show);
            let last = requests.last().map(|args| line(args)).unwrap_or_default();
            return Ok(Some(Difference {
                action: requests.len() - 1,
                request: format!("(after) {last}"),
                expected: show(surplus.oracle),
                got: show(surplus.subject),
                signature: "unasked reply".to_owned(),
            }));
        }
        let in_step = expected.iter().chain(&got).all(|reply| matches!(reply, Reply::Raw(_)));
        self.keep(conn, links, in_step);
        Ok(None)
    }

    /// Whether two replies to one request agree, by bytes, by rule, or by an intended difference.
    fn judge(
        &mut self,
        args: &[Vec<u8>],
        oracle: &Reply,
        subject: &Reply,
        action: usize,
    ) -> Option<Difference> {
        if oracle == subject {
            return None;
        }
        let mut views = None;
        if let (Some(normaliser), Reply::Raw(a), Reply::Raw(b)) =
            (rules::normaliser(args), oracle, subject)
        {
            let (a, b) = (Value::parse(a), Value::parse(b));
            if normaliser.agree(&a, &b, self.slack_ms()) {
                return None;
            }
            views = Some(normaliser.views(&a, &b));
        }
        let case = Case { args, replies: Sides { oracle, subject } };
        if let Some(Intended { name, .. }) = intended::excuse(&case) {
            *self.excused.entry(name).or_default() += 1;
            return None;
        }
        let shown =
            views.unwrap_or_else(|| Sides { oracle: oracle.show(), subject: subject.show() });
        Some(Difference {
            action,
            request: line(args),
            signature: signature(args, &shown.oracle, &shown.subject),
            expected: shown.oracle,
            got: shown.subject,
        })
    }

    /// How far apart the two servers can have executed the same two requests.
    fn slack_ms(&self) -> i64 {
        2 + 2 * i64::try_from(self.slowest.as_millis()).unwrap_or(i64::MAX / 4)
    }

    fn lapse(
        &mut self,
        conn: usize,
        before: &[Vec<Vec<u8>>],
        wait: Duration,
        after: &[Vec<Vec<u8>>],
    ) -> Result<Option<Difference>> {
        let before: Vec<&[Vec<u8>]> = before.iter().map(Vec::as_slice).collect();
        if let Some(difference) = self.requests(conn, &before)? {
            return Ok(Some(Difference { action: 0, ..difference }));
        }
        std::thread::sleep(wait * self.caution);
        let after: Vec<&[Vec<u8>]> = after.iter().map(Vec::as_slice).collect();
        Ok(self.requests(conn, &after)?.map(|difference| Difference { action: 0, ..difference }))
    }

    /// Raw bytes on fresh connections. A difference is looked at once more with patience, because a server that is only
    /// late looks as if it waited for more bytes.
    fn raw(&mut self, pieces: &[Vec<u8>]) -> Result<Option<Difference>> {
        let mut story = self.raw_once(pieces, RAW_QUIET)?;
        if story.oracle != story.subject {
            story = self.raw_once(pieces, RAW_QUIET_PATIENT)?;
        }
        if story.oracle == story.subject {
            return Ok(None);
        }
        let shown: Vec<_> = pieces.iter().map(|piece| printable(piece)).collect();
        Ok(Some(Difference {
            action: 0,
            request: format!("raw bytes {}", shown.join(" + ")),
            signature: raw_signature(&story),
            expected: story.oracle.join(", "),
            got: story.subject.join(", "),
        }))
    }

    fn raw_once(&mut self, pieces: &[Vec<u8>], quiet: Duration) -> Result<Sides<Vec<String>>> {
        let mut links = self.connect()?;
        let answered = |link: &Link| {
            link.replies
                .last()
                .is_some_and(|reply| matches!(reply, Reply::Raw(raw) if raw == SENTINEL_REPLY))
        };
        for (i, piece) in pieces.iter().enumerate() {
            if i > 0 {
                std::thread::sleep(PIECE_PAUSE);
            }
            if is_http(piece) {
                // Such a line closes the connection before replies that are still to be written.
                exchange_until(&mut links, quiet, |link| link.is_closed());
            }
            for link in [&mut links.oracle, &mut links.subject] {
                link.queue(piece);
                link.write_some();
            }
            if piece.len() > LONG_PIECE_BYTES {
                // Whether a line is too long is seen when it has come whole and its end has not.
                exchange_until(&mut links, RAW_QUIET_PATIENT / 4, Link::is_closed);
            }
        }
        links.oracle.queue(SENTINEL);
        links.subject.queue(SENTINEL);
        exchange_until(&mut links, quiet, |link| answered(link) && !link.wants_write());
        Ok(links.as_ref().map(|link| raw_story(link, answered(link))))
    }

    /// Walks both keyspaces to the end, each by its own cursors.
    fn scan(&mut self, conn: usize, options: &[Vec<u8>]) -> Result<Option<Difference>> {
        let mut links = self.link(conn)?;
        let oracle = collect_scan(&mut links, true, options);
        let subject = collect_scan(&mut links, false, options);
        self.keep(conn, links, true);
        if oracle == subject {
            return Ok(None);
        }
        let show = |found: &Result<Vec<Vec<u8>>, String>| match found {
            Ok(keys) => format!("{} keys: {}", keys.len(), line(keys)),
            Err(why) => why.clone(),
        };
        Ok(Some(Difference {
            action: 0,
            request: format!("SCAN 0 {} until done", line(options)),
            expected: show(&oracle),
            got: show(&subject),
            signature: "SCAN iteration".to_owned(),
        }))
    }

    fn random_key(&mut self, conn: usize) -> Result<Option<Difference>> {
        let mut links = self.link(conn)?;
        let drawn = ask(&mut links, &[b"RANDOMKEY"]);
        // Each side's key is looked up on both: the keyspaces are equal, so whoever drew it.
        let key = |reply: &Reply| reply.value().and_then(|value| value.text().map(<[u8]>::to_vec));
        let agreed = match (key(&drawn.oracle), key(&drawn.subject)) {
            (Some(_), Some(key)) => {
                let found = ask(&mut links, &[b"EXISTS", &key]);
                found.oracle == Reply::Raw(b":1\r\n".to_vec())
            }
            _ => drawn.oracle == drawn.subject,
        };
        self.keep(conn, links, true);
        Ok((!agreed).then(|| Difference {
            action: 0,
            request: "RANDOMKEY".to_owned(),
            expected: format!("an existing key, as {}", drawn.oracle.show()),
            got: drawn.subject.show(),
            signature: "RANDOMKEY".to_owned(),
        }))
    }

    /// Compares all keys of all databases over a connection of its own.
    fn sweep(&mut self) -> Result<Option<Difference>> {
        let mut links = self.connect()?;
        let replies = ask(&mut links, &[b"PING"]);
        if replies.oracle.value().and_then(|v| v.error()).is_some() {
            ask(&mut links, &[b"AUTH", PASSWORD.as_bytes()]);
        }
        for database in 0..DATABASES {
            ask(&mut links, &[b"SELECT", database.to_string().as_bytes()]);
            let keys = ask(&mut links, &[b"KEYS", b"*"]);
            let request = |words: &str| {
                vec![format!("(database {database})").into_bytes(), words.as_bytes().to_vec()]
            };
            let sorted =
                keys.as_ref().map(|reply| reply.value().map(|value| rules::unordered(&value)));
            if sorted.oracle != sorted.subject {
                return Ok(Some(self.sweep_difference(&request("KEYS *"), &keys)));
            }
            let names = sorted
                .oracle
                .and_then(|value| value.items().map(<[Value]>::to_vec))
                .unwrap_or_default();
            if let Some(difference) = self.sweep_keys(&mut links, &names)? {
                let request = format!("(database {database}) {}", difference.request);
                return Ok(Some(Difference {
                    request,
                    signature: format!("state: {}", difference.signature),
                    ..difference
                }));
            }
        }
        Ok(None)
    }

    fn sweep_keys(
        &mut self,
        links: &mut Sides<Link>,
        names: &[Value],
    ) -> Result<Option<Difference>> {
        let mut requests = Vec::new();
        for name in names.iter().filter_map(Value::text) {
            for words in
                [&[b"TYPE".as_slice()][..], &[b"GET"], &[b"PEXPIRETIME"], &[b"OBJECT", b"ENCODING"]]
            {
                requests.push(
                    words.iter().copied().chain([name]).map(<[u8]>::to_vec).collect::<Vec<_>>(),
                );
            }
        }
        let mut bytes = Vec::new();
        requests.iter().for_each(|args| encode(args, &mut bytes));
        links.oracle.queue(&bytes);
        links.subject.queue(&bytes);
        exchange(links, requests.len(), self.patience);
        let expected = take(&mut links.oracle, requests.len());
        let got = take(&mut links.subject, requests.len());
        let replies = expected.iter().zip(&got).zip(&requests);
        Ok(replies
            .into_iter()
            .find_map(|((oracle, subject), args)| self.judge(args, oracle, subject, 0)))
    }

    fn sweep_difference(&self, request: &[Vec<u8>], replies: &Sides<Reply>) -> Difference {
        let show = |reply: &Reply| {
            reply.value().map_or_else(|| reply.show(), |value| rules::unordered(&value).show())
        };
        Difference {
            action: 0,
            request: line(request),
            expected: show(&replies.oracle),
            got: show(&replies.subject),
            signature: "state: KEYS *".to_owned(),
        }
    }
}

/// How many of the leading actions go out as one pipeline.
fn pipeline_length(actions: &[Action], conn: usize) -> usize {
    let same =
        |action: &&Action| matches!(action, Action::Command { conn: other, .. } if *other == conn);
    let quits = |action: &Action| matches!(action, Action::Command { args, .. } if args[0].eq_ignore_ascii_case(b"QUIT"));
    let run = actions.iter().take_while(same).take(CHUNK).count();
    // Nothing is answered after QUIT, so a pipeline ends with it.
    actions[..run].iter().position(quits).map_or(run, |i| i + 1)
}

/// One request to both, outside of any comparison.
fn ask(links: &mut Sides<Link>, words: &[&[u8]]) -> Sides<Reply> {
    let args: Vec<Vec<u8>> = words.iter().map(|word| word.to_vec()).collect();
    let mut bytes = Vec::new();
    encode(&args, &mut bytes);
    links.oracle.queue(&bytes);
    links.subject.queue(&bytes);
    exchange(links, 1, PATIENCE);
    let first = |link: &mut Link| take(link, 1).remove(0);
    Sides { oracle: first(&mut links.oracle), subject: first(&mut links.subject) }
}

fn is_http(piece: &[u8]) -> bool {
    let upper = piece.to_ascii_uppercase();
    memchr::memmem::find(&upper, b"POST").is_some()
        || memchr::memmem::find(&upper, b"HOST:").is_some()
}

/// Waits for `due` replies of one link and drops them.
fn finish_alone(link: &mut Link, due: usize) {
    let begun = Instant::now();
    while link.replies.len() < due && !link.is_closed() && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_micros(200));
        link.read_some();
    }
    link.replies.clear();
}

/// The replies of a raw script and how the connection ended.
fn raw_story(link: &Link, answered: bool) -> Vec<String> {
    let shown = |reply: &Reply| match reply.value() {
        // A raw script may say HELLO, whose ids and versions agree as little there as anywhere.
        Some(value) if value.get("proto").is_some() => rules::hello(&value).show(),
        _ => reply.show(),
    };
    let mut story: Vec<String> = link.replies.iter().map(shown).collect();
    story.push(if answered {
        "(open)".to_owned()
    } else if link.is_closed() {
        "(closed)".to_owned()
    } else {
        format!("(waits for more, {} bytes of a reply begun)", link.rest().len())
    });
    story
}

fn raw_signature(story: &Sides<Vec<String>>) -> String {
    let at = story.oracle.iter().zip(&story.subject).position(|(a, b)| a != b).unwrap_or(0);
    let form = |story: &[String]| story.get(at).map(|text| abstracted(text)).unwrap_or_default();
    format!("raw {} / {}", form(&story.oracle), form(&story.subject))
}

/// One side's SCAN from cursor 0 back to 0: the keys found, sorted, each once.
fn collect_scan(
    links: &mut Sides<Link>,
    oracle: bool,
    options: &[Vec<u8>],
) -> Result<Vec<Vec<u8>>, String> {
    let mut cursor = b"0".to_vec();
    let mut found = Vec::new();
    for _ in 0..SCAN_PAGES_MAX {
        let mut words: Vec<&[u8]> = vec![b"SCAN", &cursor];
        words.extend(options.iter().map(Vec::as_slice));
        // Both are asked with this side's cursor, which keeps the connections in step; only this side's answer counts.
        let replies = ask(links, &words);
        let reply = if oracle { replies.oracle } else { replies.subject };
        let value = reply.value().ok_or_else(|| reply.show())?;
        match value.items() {
            Some([Value::Bulk(next), Value::Array(keys)]) => {
                found.extend(keys.iter().filter_map(|key| key.text().map(<[u8]>::to_vec)));
                cursor.clone_from(next);
            }
            _ => return Err(value.show()),
        }
        if cursor == b"0" {
            found.sort();
            found.dedup();
            return Ok(found);
        }
    }
    Err(format!("no end after {SCAN_PAGES_MAX} pages"))
}

/// Equal for differences of one cause, mostly: the command and the form of both replies.
fn signature(args: &[Vec<u8>], expected: &str, got: &str) -> String {
    let (expected, got) = (abstracted(expected), abstracted(got));
    // What an unknown command was called does not matter.
    if expected.starts_with("-ERR unknown command") && got.starts_with("-ERR unknown command") {
        return "(unknown commands)".to_owned();
    }
    if got.starts_with("-ERR unknown command") {
        return format!("{MISSING}{}", word(args, 0));
    }
    // What an unknown sub-command was called does not matter either.
    let unknown_both = expected.starts_with("-ERR unknown subcommand")
        && got.starts_with("-ERR unknown subcommand");
    let name = if unknown_both { "(unknown sub-commands)".to_owned() } else { command_name(args) };
    format!("{name}: {expected} / {got}")
}

/// How the signature of a command starts that the subject does not have.
pub const MISSING: &str = "(missing) ";

/// Commands whose second word names a sub-command.
const CONTAINERS: &[&str] = &[
    "OBJECT", "CLIENT", "CONFIG", "COMMAND", "SLOWLOG", "LATENCY", "MEMORY", "DEBUG", "ACL",
    "CLUSTER", "MODULE",
];

/// The command's name with its sub-command, in capitals.
pub fn command_name(args: &[Vec<u8>]) -> String {
    let (name, sub) = (word(args, 0), word(args, 1));
    let is_word = !sub.is_empty() && sub.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    match CONTAINERS.contains(&name.as_str()) && is_word {
        true => format!("{name} {sub}"),
        false => name,
    }
}

fn word(args: &[Vec<u8>], i: usize) -> String {
    args.get(i).map(|arg| printable(&arg.to_ascii_uppercase())).unwrap_or_default()
}

/// The words of an error without what it quotes, or just the type of another reply.
fn abstracted(shown: &str) -> String {
    if !shown.starts_with('-') && !shown.starts_with('(') {
        return shown.chars().take(1).collect();
    }
    let unquoted: Vec<&str> = shown.split('\'').step_by(2).collect();
    unquoted.join("''").chars().take(80).map(|c| if c.is_ascii_digit() { '#' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_words_do_not_tell_differences_apart() {
        let sign = |name: &str, oracle: &str, subject: &str| {
            signature(&[name.as_bytes().to_vec()], oracle, subject)
        };
        assert_eq!(
            sign("GET", "-ERR bad 'a'", "-ERR worse 'b'"),
            sign("get", "-ERR bad 'x'", "-ERR worse 'y'")
        );
        assert_ne!(sign("GET", "-ERR bad 'a'", ":1"), sign("GET", "-ERR bad 'a'", "$-1"));
        assert_eq!(
            sign("a", "-ERR unknown command 'a'", "-ERR unknown command 'b'"),
            "(unknown commands)"
        );
    }

    #[test]
    fn a_pipeline_is_one_connection_and_ends_with_quit() {
        let command =
            |conn, name: &str| Action::Command { conn, args: vec![name.as_bytes().to_vec()] };
        let script = [command(0, "GET"), command(0, "quit"), command(0, "GET"), command(1, "GET")];
        assert_eq!(pipeline_length(&script, 0), 2);
        assert_eq!(pipeline_length(&script[2..], 0), 1);
    }
}
