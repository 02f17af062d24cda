//! Redis alone, as it plays a script again, request after request.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::pen::{all_keys, whole};
use super::play::{CLIENTS, PATIENCE};
use super::scene::Actor;
use super::scripts::KNOWN;
use super::seat::translated;
use super::step::{Request, Step};
use crate::peer::{Link, Reply, Server, Sides, exchange, take};
use crate::random::rules;
use crate::wire::encode;

/// How long a reply of Redis may take that is sure to come, such as that of a wait which gives up.
const REPLY_TIME: Duration = Duration::from_millis(300);
/// Databases that scripts use.
pub const DATABASES: usize = 3;

/// Redis, as it plays the script again.
pub struct Stage {
    addr: SocketAddr,
    protocols: [u8; CLIENTS],
    /// A connection of nobody in the script.
    pub control: Link,
    /// The connections, each with its id.
    pub links: Vec<Option<(Link, Vec<u8>)>>,
    /// What each client has queued.
    pub queued: Vec<Vec<Request>>,
    /// The reads that have begun in the step, as they are to be sent, each with its client and the place of its piece.
    pub begun: HashMap<(usize, usize), Request>,
}

impl Stage {
    /// Lets nobody be connected and nothing be there.
    pub fn empty(server: &Server, protocols: [u8; CLIENTS]) -> Result<Stage> {
        let addr = server.addr();
        let control = Link::connect(addr).context("the oracle does not accept connections")?;
        let links = (0..CLIENTS).map(|_| None).collect();
        let mut stage = Stage {
            addr,
            protocols,
            control,
            links,
            queued: vec![Vec::new(); CLIENTS],
            begun: HashMap::new(),
        };
        let emptied: [&[&str]; 4] =
            [&["CLIENT", "UNPAUSE"], &["SCRIPT", "FLUSH"], &["FUNCTION", "FLUSH"], &["FLUSHALL"]];
        for words in emptied {
            ask_one(&mut stage.control, words);
        }
        let begun = Instant::now();
        loop {
            let clients = ask_one(&mut stage.control, &["INFO", "clients"]);
            let text = clients.value().and_then(|value| value.string()).unwrap_or_default();
            if text.contains("blocked_clients:0") {
                return Ok(stage);
            }
            ensure!(begun.elapsed() < PATIENCE, "clients of the oracle that have gone still wait");
        }
    }

    /// Plays a step; what Redis says to it is not looked at.
    pub fn play(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Send { client, requests } => self.send(*client, requests)?,
            Step::Vanish { client } if self.links[*client].is_none() => return Ok(()),
            Step::Vanish { client } => self.links[*client] = None,
            Step::Wait(time) => std::thread::sleep(*time),
        }
        self.collect(None);
        for link in &mut self.links {
            // Whom Redis has closed connects again.
            link.take_if(|(link, _)| link.is_closed());
            link.iter_mut().for_each(|(link, _)| link.replies.clear());
        }
        Ok(())
    }

    /// Sends requests of a client, which is connected first if it is not.
    pub fn send(&mut self, client: usize, requests: &[Request]) -> Result<()> {
        if self.links[client].is_none() {
            let mut link = Link::connect(self.addr)?;
            let id = ask_one(&mut link, &["CLIENT", "ID"]).value().and_then(|id| id.integer());
            if self.protocols[client] == 3 {
                ask_one(&mut link, &["HELLO", "3"]);
            }
            self.links[client] = Some((link, id.unwrap_or(0).to_string().into_bytes()));
        }
        let id_of = |number: usize| {
            let (_, id) = self.links.get(number)?.as_ref()?;
            Some(Sides { oracle: id.clone(), subject: id.clone() })
        };
        let mut bytes = Vec::new();
        for request in requests {
            encode(&translated(request, id_of, &Sides::default()).oracle, &mut bytes);
        }
        if let Some((link, _)) = &mut self.links[client] {
            link.queue(&bytes);
            link.write_some();
        }
        Ok(())
    }

    /// What a piece of a client is to ask.
    pub fn requests_of(&self, actor: &Actor, at: usize) -> Vec<Request> {
        match self.begun.get(&(actor.client, at)) {
            Some(request) => vec![request.clone()],
            None => actor.pieces[at].iter().map(|(request, _)| request.clone()).collect(),
        }
    }

    /// Reads all that Redis has to say: it has one thread, so what comes before its second answer to another connection is all. Who
    /// is waited `for` gets its reply by the clock, perhaps.
    pub fn collect(&mut self, awaited: Option<usize>) {
        let begun = Instant::now();
        loop {
            // Redis reads a connection once in a round: the second answer is of a later round than all that was sent before.
            for _ in 0..2 {
                ask_one(&mut self.control, &["PING"]);
            }
            self.links.iter_mut().flatten().for_each(|(link, _)| link.read_some());
            let link = awaited.and_then(|client| self.links[client].as_ref());
            if link.is_none_or(|(link, _)| !link.replies.is_empty()) || begun.elapsed() > REPLY_TIME
            {
                return;
            }
        }
    }

    /// A read that is to be sent later than it began: what was the last entry then, `$`, is looked up now.
    pub fn with_last_ids(&mut self, client: usize, request: &Request) -> Result<Request> {
        let mut request = request.clone();
        let streams = request.iter().position(|word| word.eq_ignore_ascii_case(b"STREAMS"));
        let Some(keys) = streams.filter(|_| request[0].eq_ignore_ascii_case(b"XREAD")) else {
            return Ok(request);
        };
        let count = (request.len() - keys - 1) / 2;
        for at in keys + 1..=keys + count {
            if request[at + count] != b"$" {
                continue;
            }
            let ask = [b"XINFO".to_vec(), b"STREAM".to_vec(), request[at].clone()];
            self.send(client, &[ask.to_vec()])?;
            self.collect(None);
            let Some((link, _)) = &mut self.links[client] else { continue };
            let reply = link.replies.pop().and_then(|reply| reply.value());
            let last =
                reply.and_then(|value| value.get("last-generated-id")?.text().map(<[u8]>::to_vec));
            request[at + count] = last.unwrap_or_else(|| b"0-0".to_vec());
        }
        Ok(request)
    }
}

/// One request to Redis alone, outside of any comparison.
pub fn ask_one(link: &mut Link, words: &[&str]) -> Reply {
    let mut bytes = Vec::new();
    encode(&words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>(), &mut bytes);
    link.queue(&bytes);
    let begun = Instant::now();
    while link.replies.is_empty() && !link.is_closed() && begun.elapsed() < PATIENCE {
        link.write_some();
        link.wait(PATIENCE);
        link.read_some();
    }
    link.replies.pop().unwrap_or(Reply::Silent)
}

/// The first key that both sides do not show as the same, and what they show.
pub fn compare_keyspaces(control: &mut Sides<Link>) -> Option<(String, Sides<String>)> {
    let mut requests: Vec<Vec<String>> = Vec::new();
    for database in 0..DATABASES {
        requests.push(vec!["SELECT".to_owned(), database.to_string()]);
        for key in all_keys() {
            requests.push(vec!["TYPE".to_owned(), key.clone()]);
            requests.push(whole(&key).split(' ').map(str::to_owned).collect());
        }
    }
    requests.push(vec!["SELECT".to_owned(), "0".to_owned()]);
    let known = KNOWN.iter().map(|(_, sha)| (*sha).to_owned());
    requests.push(["SCRIPT".to_owned(), "EXISTS".to_owned()].into_iter().chain(known).collect());
    requests.push(["FUNCTION", "LIST", "WITHCODE"].map(str::to_owned).to_vec());
    let mut bytes = Vec::new();
    for request in &requests {
        let words: Vec<Vec<u8>> = request.iter().map(|word| word.as_bytes().to_vec()).collect();
        encode(&words, &mut bytes);
    }
    control.oracle.queue(&bytes);
    control.subject.queue(&bytes);
    exchange(control, requests.len(), PATIENCE);
    let replies = Sides {
        oracle: take(&mut control.oracle, requests.len()),
        subject: take(&mut control.subject, requests.len()),
    };
    let each = requests.iter().zip(replies.oracle.iter().zip(&replies.subject));
    let is_same = |request: &[String], oracle: &Reply, subject: &Reply| {
        let words: Vec<Vec<u8>> = request.iter().map(|word| word.as_bytes().to_vec()).collect();
        oracle == subject
            || match (rules::normaliser(&words), oracle.value(), subject.value()) {
                (Some(normaliser), Some(a), Some(b)) => normaliser.agree(&a, &b, 0),
                _ => false,
            }
    };
    let mut different =
        each.filter(|(request, (oracle, subject))| !is_same(request, oracle, subject));
    different.next().map(|(request, (oracle, subject))| {
        (request.join(" "), Sides { oracle: oracle.show(), subject: subject.show() })
    })
}
