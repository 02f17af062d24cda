//! Plays a script on both servers in step and finds the first reply that differs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::clients;
use super::intended::{self, Case, Intended};
use super::rules;
use super::sabotage::Sabotage;
use super::script::{Action, line};
use super::signature::signature;
use crate::r#gen::{CONNECTIONS, PASSWORD, TOUCHED};
use crate::peer::{Link, Reply, Server, Sides, exchange, take};
use crate::wire::{Value, encode};

/// A reply that takes longer is missing.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// The same while a script that made a server silent is shrunk.
pub const PATIENCE_SHORT: Duration = Duration::from_secs(1);
/// Requests of one pipeline.
const CHUNK: usize = 50;

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
    /// The ids of the script's connections, the same on both sides.
    pub ids: [Option<u64>; CONNECTIONS],
    /// The last request and what the oracle said, for excuses that need to know what came before.
    last: Option<(Vec<Vec<u8>>, Reply)>,
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
            ids: clients::no_ids(),
            last: None,
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

    pub fn connect(&self) -> Result<Sides<Link>> {
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
        self.ids = clients::no_ids();
        self.last = None;
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
        self.align_ids(&mut links)?;
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
    pub fn link(&mut self, conn: usize) -> Result<Sides<Link>> {
        if let Some(links) = self.links[conn].take() {
            return Ok(links);
        }
        let mut links = self.connect()?;
        self.note_id(conn, &mut links);
        if self.protocols[conn] == 3 {
            ask(&mut links, &[b"HELLO", b"3"]);
        }
        Ok(links)
    }

    /// Keeps a connection for later, unless it is closed or out of step.
    pub fn keep(&mut self, conn: usize, links: Sides<Link>, in_step: bool) {
        if in_step && !links.oracle.is_closed() && !links.subject.is_closed() {
            self.links[conn] = Some(links);
        } else {
            self.ids[conn] = None;
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
        requests.iter().for_each(|args| encode(&self.with_ids(args), &mut bytes));
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
            self.last = Some((requests[i].to_vec(), oracle.clone()));
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
    pub fn judge(
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
            if normaliser.agree(&a, &b, self.slack_ms())
                || normaliser.is_client_list() && self.same_clients(&a, &b)
            {
                return None;
            }
            views = Some(normaliser.views(&a, &b));
        }
        let before = self.last.as_ref().map(|(args, reply)| (args.as_slice(), reply));
        let case = Case { args, replies: Sides { oracle, subject }, before };
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
pub fn ask(links: &mut Sides<Link>, words: &[&[u8]]) -> Sides<Reply> {
    let args: Vec<Vec<u8>> = words.iter().map(|word| word.to_vec()).collect();
    let mut bytes = Vec::new();
    encode(&args, &mut bytes);
    links.oracle.queue(&bytes);
    links.subject.queue(&bytes);
    exchange(links, 1, PATIENCE);
    let first = |link: &mut Link| take(link, 1).remove(0);
    Sides { oracle: first(&mut links.oracle), subject: first(&mut links.subject) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_is_one_connection_and_ends_with_quit() {
        let command =
            |conn, name: &str| Action::Command { conn, args: vec![name.as_bytes().to_vec()] };
        let script = [command(0, "GET"), command(0, "quit"), command(0, "GET"), command(1, "GET")];
        assert_eq!(pipeline_length(&script, 0), 2);
        assert_eq!(pipeline_length(&script[2..], 0), 1);
    }
}
