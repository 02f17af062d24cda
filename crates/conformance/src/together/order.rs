//! Orders that clients cannot tell from Redis' own.
//!
//! Redis has one thread, so one order is given with what it is sent. Where cores work beside each other, what one step sets off may come in
//! others: when a pipeline wakes clients, their own requests and the rest of the pipeline are concurrent, and each client
//! only knows the order of its own. When the replies of a step differ, or the data afterwards, another order is looked for, and *Redis
//! judges it*: it plays the script again, and in the last step the requests are sent one after the other in the order that is tried,
//! a wait that ended in this step being sent only where it ends. If each reply and all data are those of the server
//! under test, nothing has gone wrong, and the script goes on from there. So nothing passes that is not what Redis
//! answers in some order in which each client's requests stay in theirs.
//!
//! A client that waited for several keys may be served by any of them that has something, since each owner serves whom it finds:
//! where its request fits no order, it is tried with the key alone that its reply names.
//!
//! Who waits longer is served first: an order in which two clients are served from one key the other way round is not tried,
//! and one in which a client is served while another waits for it fails, since to Redis the other does wait.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::pen::{all_keys, is_key, names_keys, whole};
use super::play::{CLIENTS, PATIENCE, Player, blocked_clients, unlike};
use super::scripts::KNOWN;
use super::seat::{Seat, translated};
use super::step::{Request, Step};
use crate::r#gen::Draw;
use crate::peer::{Link, Reply, Server, Sides, exchange, take};
use crate::random::{Difference, rules};
use crate::wire::{Value, encode};

/// How long orders of one step are tried.
const TRIES_TIME: Duration = Duration::from_secs(40);
/// The same while a difference is shrunk.
const TRIES_TIME_SHORT: Duration = Duration::from_secs(2);
/// How long a reply of Redis may take that is sure to come, such as that of a wait which gives up.
const REPLY_TIME: Duration = Duration::from_millis(300);
/// Databases that scripts use.
const DATABASES: usize = 3;

/// What a client has under way.
#[derive(Debug, Clone, Default)]
struct Part {
    /// Requests without a reply, those of this step included.
    requests: Vec<Request>,
    /// How many of them were sent in earlier steps: the first is a wait.
    old: usize,
    /// What of a transaction was queued before.
    queued: Vec<Request>,
    /// All that the client may watch.
    watched: Vec<Vec<u8>>,
    /// Since which step it waits.
    since: u64,
    mapped: bool,
}

/// What was under way when a step began, with what the step sends.
#[derive(Debug)]
pub struct Scene {
    parts: Vec<Option<Part>>,
    step: Step,
}

/// What the server under test has said to each client in a step.
#[derive(Debug, Default, Clone)]
pub struct Told {
    replies: Vec<Reply>,
    closed: bool,
    /// Redis has said something to it, in its own order.
    by_redis: bool,
}

/// A client in an order that is tried.
#[derive(Debug)]
struct Actor {
    client: usize,
    /// What it is asked and has answered, in pieces that come in one go: a transaction comes when its EXEC does.
    pieces: Vec<Vec<(Request, Reply)>>,
    /// What it was asked and has not answered.
    rest: Vec<Request>,
    /// Its wait was ended with nothing, or an error: it has to be under way before, as only who waits is told that.
    waits: bool,
    /// The key that served its wait, where that takes something.
    served: Option<Vec<u8>>,
    since: u64,
    /// The keys of each piece; none where it may be about all there is.
    keys: Vec<Option<Vec<Vec<u8>>>>,
}

/// A search among the orders in which clients' pieces may come. Which comes next is chosen by lot, since mostly little depends on it;
/// what was found to lead nowhere is not tried again.
struct Search {
    actors: Vec<Actor>,
    order: Vec<usize>,
    dead: HashSet<Vec<usize>>,
    dice: Draw,
}

impl Search {
    fn new(actors: Vec<Actor>) -> Search {
        Search { actors, order: Vec::new(), dead: HashSet::new(), dice: Draw::new(1) }
    }

    /// How many pieces of each client an order has.
    fn done(&self, order: &[usize]) -> Vec<usize> {
        let mut done = vec![0; self.actors.len()];
        order.iter().for_each(|at| done[*at] += 1);
        done
    }

    /// Whose pieces may come behind those of `order`. One that is served from a key comes behind those who have waited longer for it; of
    /// two neighbours with nothing in common only one order is tried.
    fn may_come(&self, order: &[usize]) -> Vec<usize> {
        let done = self.done(order);
        let last = order.last().map(|last| (*last, &self.actors[*last].keys[done[*last] - 1]));
        let fits = |at: &usize| {
            let (actor, next) = (&self.actors[*at], done[*at]);
            if next == actor.pieces.len() {
                return false;
            }
            if let (Some((last, Some(before))), Some(keys)) = (last, &actor.keys[next])
                && last > *at
                && !before.iter().any(|key| keys.contains(key))
            {
                return false;
            }
            let is_before = |(other, done): (&Actor, &usize)| {
                *done == 0 && other.served == actor.served && other.since < actor.since
            };
            let is_served = next == 0 && actor.served.is_some();
            !(is_served && self.actors.iter().zip(&done).any(is_before))
        };
        (0..self.actors.len()).filter(fits).collect()
    }

    /// Those of them that have not been found to lead nowhere.
    fn open(&self, order: &[usize]) -> Vec<usize> {
        let behind = |at: usize| order.iter().copied().chain([at]).collect::<Vec<_>>();
        let mut may = self.may_come(order);
        may.retain(|at| !self.dead.contains(&behind(*at)));
        may
    }

    /// Whose piece comes next; nobody's when all have come.
    fn choose(&mut self) -> Option<usize> {
        let open = self.open(&self.order);
        if open.is_empty() {
            return None;
        }
        let next = open[self.dice.below(open.len())];
        self.order.push(next);
        Some(next)
    }

    /// The order leads nowhere. False when none is left.
    fn bury(&mut self) -> bool {
        let mut order = std::mem::take(&mut self.order);
        loop {
            self.dead.insert(order.clone());
            if order.pop().is_none() {
                return false;
            }
            if !self.open(&order).is_empty() {
                return true;
            }
        }
    }
}

/// Redis, as it plays the script again.
struct Stage {
    addr: SocketAddr,
    protocols: [u8; CLIENTS],
    control: Link,
    /// The connections, each with its id.
    links: Vec<Option<(Link, Vec<u8>)>>,
    queued: Vec<Vec<Request>>,
    /// The reads that have begun in the step, as they are to be sent, each with its client and the place of its piece.
    begun: HashMap<(usize, usize), Request>,
}

impl Stage {
    /// Lets nobody be connected and nothing be there.
    fn empty(server: &Server, protocols: [u8; CLIENTS]) -> Result<Stage> {
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

    fn play(&mut self, step: &Step) -> Result<()> {
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

    fn send(&mut self, client: usize, requests: &[Request]) -> Result<()> {
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
    fn requests_of(&self, actor: &Actor, at: usize) -> Vec<Request> {
        match self.begun.get(&(actor.client, at)) {
            Some(request) => vec![request.clone()],
            None => actor.pieces[at].iter().map(|(request, _)| request.clone()).collect(),
        }
    }

    /// Reads all that Redis has to say: it has one thread, so what comes before its second answer to another connection is all. Who
    /// is waited `for` gets its reply by the clock, perhaps.
    fn collect(&mut self, awaited: Option<usize>) {
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
    fn with_last_ids(&mut self, client: usize, request: &Request) -> Result<Request> {
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
fn ask_one(link: &mut Link, words: &[&str]) -> Reply {
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
fn compare_keyspaces(control: &mut Sides<Link>) -> Option<(String, Sides<String>)> {
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

impl Scene {
    /// Whether anything was concurrent in it: then the data is looked at too.
    pub fn is_open(&self, told: &[Told]) -> bool {
        let woken = self.parts.iter().zip(told).filter(|(part, told)| {
            part.as_ref().is_some_and(|part| part.old > 0) && !told.replies.is_empty()
        });
        let several = matches!(&self.step, Step::Send { requests, .. } if requests.len() > 1);
        match woken.clone().count() {
            0 => false,
            1 => several || woken.clone().any(|(_, told)| told.replies.len() > 1),
            _ => true,
        }
    }

    /// Whether it may have made many keys ready at once, of which Redis takes one after the other in the order of a hash table.
    pub fn is_sweeping(&self) -> bool {
        const SWEEPING: [&[u8]; 3] = [b"FLUSHALL", b"FLUSHDB", b"SWAPDB"];
        let sweeps = |word: &Vec<u8>| {
            let word = word.to_ascii_uppercase();
            SWEEPING.iter().any(|name| word.windows(name.len()).any(|part| part == *name))
        };
        let parts = self.parts.iter().flatten();
        parts.flat_map(|part| part.requests.iter().chain(&part.queued)).flatten().any(sweeps)
    }

    /// Who has begun to watch something while others were woken.
    pub fn watchers_in_doubt(&self, told: &[Told]) -> Vec<usize> {
        let watches = |request: &Request| request[0].eq_ignore_ascii_case(b"WATCH");
        let each = self.parts.iter().zip(told).enumerate().filter(|_| self.is_open(told));
        each.filter_map(|(client, (part, told))| {
            let done = part.as_ref()?.requests.iter().take(told.replies.len());
            done.clone().any(watches).then_some(client)
        })
        .collect()
    }

    fn sender(&self) -> Option<usize> {
        match self.step {
            Step::Send { client, .. } => Some(client),
            _ => None,
        }
    }

    /// The clients of which something came in the step, or may have been overtaken in it, and how many of them waited. Those whose bit
    /// in `natural` is set are under way before the step, others' waits are sent only where they end.
    fn actors(&self, told: &[Told], natural: u32, narrows: bool) -> Option<(Vec<Actor>, u32)> {
        let (mut actors, mut waiters) = (Vec::new(), 0);
        for (client, (part, told)) in self.parts.iter().zip(told).enumerate() {
            let Some(part) = part else { continue };
            let replies = &told.replies;
            let first = part.requests.first().filter(|_| part.old > 0);
            // What Redis gave it may have gone with what came behind in the pipeline that brought it: then it waits on.
            let overtaken = replies.is_empty() && first.is_some() && told.by_redis;
            if replies.is_empty() && Some(client) != self.sender() && !overtaken {
                continue;
            }
            if !part.mapped || replies.len() > part.requests.len() {
                return None;
            }
            let mut is_natural = first.is_some() && replies.first().is_none_or(is_refusal);
            if first.is_some() && (overtaken || !is_natural) {
                is_natural = natural & 1 << waiters != 0;
                waiters += 1;
            }
            if overtaken && is_natural && Some(client) != self.sender() {
                continue;
            }
            let rest = part.requests[replies.len().max(usize::from(is_natural))..].to_vec();
            let served = first
                .filter(|_| !is_natural)
                .and_then(|request| key_served(request, replies.first()?));
            let mut pieces = pieces(&part.requests, replies, first.is_some());
            if let (true, false, Some((request, reply))) =
                (narrows, is_natural, pieces.first_mut().and_then(|piece| piece.first_mut()))
                && first.is_some()
            {
                *request = narrowed(request, reply);
            }
            let keys_at = |at: usize| {
                let piece = pieces[at..].iter().find(|piece| !piece.is_empty())?;
                keys_of(piece, &part.watched)
            };
            let keys = (0..pieces.len()).map(keys_at).collect();
            let since = part.since;
            actors.push(Actor { client, pieces, rest, waits: is_natural, served, since, keys });
        }
        (!actors.iter().any(|actor| is_passed_by(actor, &actors))).then_some((actors, waiters))
    }
}

/// Whether a client that waits on was passed by another in the queue of its key.
fn is_passed_by(waits: &Actor, actors: &[Actor]) -> bool {
    let Some(request) = waits.rest.first().filter(|_| waits.pieces.is_empty() && !waits.waits)
    else {
        return false;
    };
    let takes = |(request, reply): &(Request, Reply), key: &[u8]| {
        key_served(request, reply).is_some_and(|served| served == key)
    };
    let mut keys = request[1..].iter().filter(|word| is_key(word));
    keys.any(|key| {
        actors.iter().filter(|other| other.client != waits.client).any(|other| {
            let is_later = other.served.as_ref() == Some(key) && other.since > waits.since;
            // A move between cores holds no lock until it runs: who comes anew may be faster.
            let others = other.pieces.iter().skip(usize::from(other.served.is_some())).flatten();
            is_later || !moves_away(request) && others.clone().any(|asked| takes(asked, key))
        })
    })
}

/// Whether a wait is for something that is put elsewhere.
fn moves_away(request: &Request) -> bool {
    let name = request[0].to_ascii_uppercase();
    matches!(name.as_slice(), b"BLMOVE" | b"BRPOPLPUSH") && request.get(1) != request.get(2)
}

/// Whether a request reads what comes after it has begun.
fn reads_new(request: &Request) -> bool {
    request[0].eq_ignore_ascii_case(b"XREAD") && request.iter().any(|word| word == b"$")
}

/// The replies to requests, in pieces that end where a client could be told apart from another. A wait is one alone; before a read of
/// what is new comes an empty piece: there it begins.
fn pieces(requests: &[Request], replies: &[Reply], waited: bool) -> Vec<Vec<(Request, Reply)>> {
    let mut pieces = Vec::new();
    let mut piece = Vec::new();
    for (at, (request, reply)) in requests.iter().zip(replies).enumerate() {
        let is_old = at == 0 && waited;
        if !is_old && reads_new(request) && piece.is_empty() {
            pieces.push(Vec::new());
        }
        piece.push((request.clone(), reply.clone()));
        let is_multi = request.first().is_some_and(|name| name.eq_ignore_ascii_case(b"MULTI"));
        let is_queued = matches!(reply, Reply::Raw(raw) if raw == b"+QUEUED\r\n");
        if !(is_multi || is_queued) || is_old {
            pieces.push(std::mem::take(&mut piece));
        }
    }
    pieces.extend((!piece.is_empty()).then_some(piece));
    pieces
}

/// The keys that requests are about, if it is those that they name. An EXEC is also about what its client watches.
fn keys_of(piece: &[(Request, Reply)], watched: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    const WIDE: &[&[u8]] = &[b"FLUSHALL", b"FLUSHDB", b"SWAPDB", b"DBSIZE", b"QUIT"];
    let mut keys = Vec::new();
    for (request, _) in piece {
        let name = request.first()?.to_ascii_uppercase();
        let second = request.get(1).map(|word| word.to_ascii_uppercase()).unwrap_or_default();
        if name == b"CLIENT" && matches!(second.as_slice(), b"KILL" | b"UNBLOCK" | b"PAUSE") {
            return None;
        }
        // Scripts and functions as such are one thing more.
        if [&b"FUNCTION"[..], b"SCRIPT", b"FCALL", b"EVALSHA"].iter().any(|of| name.starts_with(of))
        {
            keys.push(Vec::new());
        }
        // A script may touch what its text names, or makes of names.
        let is_wide = |source: &Vec<u8>| {
            let text = source.to_ascii_uppercase();
            names_keys(source)
                || WIDE.iter().any(|wide| text.windows(wide.len()).any(|part| part == *wide))
        };
        let source = request.get(1).filter(|_| name.starts_with(b"EVAL"));
        if WIDE.contains(&name.as_slice()) || source.is_some_and(is_wide) {
            return None;
        }
        if name == b"EXEC" {
            keys.extend_from_slice(watched);
        }
        keys.extend(request.iter().filter(|word| is_key(word)).cloned());
    }
    Some(keys)
}

/// Whether a wait ended with this because of something that only who waits is told.
fn is_refusal(reply: &Reply) -> bool {
    let nothing: [&[u8]; 3] = [b"*-1\r\n", b"_\r\n", b"$-1\r\n"];
    matches!(reply, Reply::Raw(raw) if raw.starts_with(b"-") || nothing.contains(&&**raw))
}

/// The key that a wait took its element from.
pub(super) fn key_served(request: &Request, reply: &Reply) -> Option<Vec<u8>> {
    match request[0].to_ascii_uppercase().as_slice() {
        b"BLMOVE" | b"BRPOPLPUSH" => request.get(1).cloned(),
        b"BLPOP" | b"BRPOP" | b"BLMPOP" | b"BZPOPMIN" | b"BZPOPMAX" | b"BZMPOP" => {
            reply.value()?.items()?.first()?.text().map(<[u8]>::to_vec)
        }
        _ => None,
    }
}

/// A wait for several keys with those alone that its reply names.
fn narrowed(request: &Request, reply: &Reply) -> Request {
    let name = request[0].to_ascii_uppercase();
    let text = |word: &str| word.as_bytes().to_vec();
    if let (b"XREAD", Some(streams)) = (name.as_slice(), reply.value()) {
        let names: Vec<Vec<u8>> = match &streams {
            Value::Map(streams) => {
                streams.iter().filter_map(|(key, _)| Some(key.text()?.to_vec())).collect()
            }
            _ => (streams.items().unwrap_or_default().iter())
                .filter_map(|stream| Some(stream.items()?.first()?.text()?.to_vec()))
                .collect(),
        };
        let Some(at) = request.iter().position(|word| word.eq_ignore_ascii_case(b"STREAMS")) else {
            return request.clone();
        };
        let count = (request.len() - at - 1) / 2;
        let kept = (at + 1..=at + count).filter(|at| names.contains(&request[*at]));
        let (keys, ids): (Vec<_>, Vec<_>) =
            kept.map(|at| (request[at].clone(), request[at + count].clone())).unzip();
        return request[..=at].iter().cloned().chain(keys).chain(ids).collect();
    }
    let Some(key) = key_served(request, reply) else {
        return request.clone();
    };
    match (name.as_slice(), request.last()) {
        (b"BLPOP" | b"BRPOP" | b"BZPOPMIN" | b"BZPOPMAX", Some(timeout)) => {
            vec![name, key, timeout.clone()]
        }
        (b"BLMPOP" | b"BZMPOP", _) => {
            let count = std::str::from_utf8(&request[2]).ok().and_then(|count| count.parse().ok());
            let rest = request.iter().skip(3 + count.unwrap_or(1_usize)).cloned();
            [name, request[1].clone(), text("1"), key].into_iter().chain(rest).collect()
        }
        _ => request.clone(),
    }
}

impl Player {
    /// What is under way before a step.
    pub(super) fn scene(&self, step: &Step) -> Scene {
        let mut parts = vec![None; CLIENTS];
        for (part, seat) in parts.iter_mut().zip(&self.seats) {
            *part = seat.as_ref().map(|seat| Part {
                requests: seat.sent.iter().cloned().collect(),
                old: seat.sent.len(),
                queued: seat.queued.clone(),
                watched: Vec::new(),
                since: seat.since,
                mapped: seat.mapped,
            });
        }
        match step {
            Step::Send { client, requests } => {
                let fresh = || Part { mapped: true, ..Part::default() };
                let part = parts[*client].get_or_insert_with(fresh);
                part.requests.extend(requests.iter().cloned());
            }
            Step::Vanish { client } => parts[*client] = None,
            Step::Wait(_) => {}
        }
        for step in self.log.iter().chain([step]) {
            let Step::Send { client, requests } = step else { continue };
            let watches = |request: &&Request| request[0].eq_ignore_ascii_case(b"WATCH");
            if let Some(part) = &mut parts[*client] {
                let keys = requests.iter().filter(watches).flatten();
                part.watched.extend(keys.filter(|word| is_key(word)).cloned());
            }
        }
        Scene { parts, step: step.clone() }
    }

    /// What the server under test has said since the last step.
    pub(super) fn told(&self) -> Vec<Told> {
        let one = |seat: &Option<Seat>| match seat {
            None => Told { closed: true, ..Told::default() },
            Some(seat) => Told {
                replies: seat.links.subject.replies.clone(),
                closed: seat.links.subject.is_closed(),
                by_redis: !seat.links.oracle.replies.is_empty(),
            },
        };
        self.seats.iter().map(one).collect()
    }

    /// Whether Redis lets a client wait for a key that could serve it, as it does after another kind of value was overwritten.
    pub(super) fn is_forgotten(&mut self, request: &Request, reply: &Reply) -> bool {
        let Some(key) = key_served(request, reply) else {
            return false;
        };
        let Some(Sides { oracle, .. }) = &mut self.control else {
            return false;
        };
        let wanted: &[u8] =
            if request[0].to_ascii_uppercase().starts_with(b"BZ") { b"zset" } else { b"list" };
        let Ok(key) = std::str::from_utf8(&key) else {
            return false;
        };
        let is_there = (0..DATABASES).any(|database| {
            ask_one(oracle, &["SELECT", &database.to_string()]);
            ask_one(oracle, &["TYPE", key]).value().is_some_and(|kind| kind.text() == Some(wanted))
        });
        ask_one(oracle, &["SELECT", "0"]);
        is_there
    }

    /// Compares all data.
    pub(super) fn keyspaces_differ(&mut self, step: &Step) -> Option<Difference> {
        let mut control = self.control.take()?;
        let difference = compare_keyspaces(&mut control);
        self.control = Some(control);
        difference.map(|(key, sides)| {
            let shown = format!("(data) {key} after {}", step.show());
            Difference {
                request: shown,
                ..unlike(&[key.into_bytes()], sides.oracle, sides.subject)
            }
        })
    }

    /// Looks for another order of what a step has set off in which Redis says what the server under test has said. If there is one,
    /// Redis has played it when this returns, and the clients go on from there.
    pub(super) fn has_another_order(&mut self, scene: &Scene, told: &[Told]) -> Result<bool> {
        for seat in self.seats.iter_mut().flatten() {
            seat.links.oracle.close();
        }
        self.tried = (0, true);
        let Some((_, waiters)) = scene.actors(told, 0, false) else {
            return Ok(false);
        };
        let all = (1 << waiters) - 1;
        let mut ways = vec![(all, false), (0, false)];
        ways.extend((1..all).map(|natural| (natural, false)));
        ways.extend((0..all).map(|natural| (natural, true)));
        // Where a difference is shrunk nobody waits so long.
        let time = if self.patience == PATIENCE { TRIES_TIME } else { TRIES_TIME_SHORT };
        let end = Instant::now() + time;
        for (natural, narrows) in ways {
            if let Some((actors, _)) = scene.actors(told, natural, narrows)
                && self.search(actors, scene, told, end)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Tries the orders of what these clients are asked.
    fn search(
        &mut self,
        actors: Vec<Actor>,
        scene: &Scene,
        told: &[Told],
        end: Instant,
    ) -> Result<bool> {
        let excused = self.excused.clone();
        let mut search = Search::new(actors);
        while Instant::now() < end {
            self.tried.0 += 1;
            if let Some(stage) = self.try_one(&mut search, scene, told)? {
                self.take_over(stage, scene, &search, told);
                return Ok(true);
            }
            if !search.bury() {
                self.excused = excused;
                return Ok(false);
            }
        }
        self.tried.1 = false;
        self.excused = excused;
        Ok(false)
    }

    /// Plays the script again, and the step in one order as far as the replies are the right ones.
    fn try_one(
        &mut self,
        search: &mut Search,
        scene: &Scene,
        told: &[Told],
    ) -> Result<Option<Stage>> {
        let mut stage = self.stage(scene, &mut search.actors)?;
        let mut done = vec![0; search.actors.len()];
        while let Some(at) = search.choose() {
            if !self.act(&mut stage, &search.actors, at, &mut done)? {
                return Ok(None);
            }
        }
        let complete =
            search.actors.iter().zip(&done).all(|(actor, done)| *done == actor.pieces.len());
        Ok((complete && self.ends_well(&mut stage, search, told)?).then_some(stage))
    }

    /// What was sent before the step and stays there, and, at their places in it, the waits that are to be sent in the step instead.
    fn relogged(&self, scene: &Scene, actors: &[Actor]) -> (Vec<Step>, Vec<(usize, usize)>) {
        let mut left: Vec<usize> = vec![0; CLIENTS];
        for step in &self.log {
            match step {
                Step::Send { client, requests } => left[*client] += requests.len(),
                Step::Vanish { client } => left[*client] = 0,
                Step::Wait(_) => {}
            }
        }
        // All but those of a client that come only in the step; what it sent before it vanished is all to be sent.
        let mut cut = vec![usize::MAX; CLIENTS];
        for actor in actors {
            let old = scene.parts[actor.client].as_ref().map_or(0, |part| part.old);
            let held = if actor.waits { old.saturating_sub(1) } else { old };
            cut[actor.client] = left[actor.client] - held;
        }
        let mut kept: Vec<Step> = Vec::new();
        let mut waits = Vec::new();
        let mut count = vec![0; CLIENTS];
        let last_leave = |client: usize| {
            let leaves =
                |step: &Step| matches!(step, Step::Vanish { client: who } if *who == client);
            self.log.iter().rposition(leaves).map_or(0, |at| at + 1)
        };
        let from: Vec<usize> = (0..CLIENTS).map(last_leave).collect();
        for (at, step) in self.log.iter().enumerate() {
            let Step::Send { client, requests } = step else {
                kept.push(step.clone());
                continue;
            };
            let may = if at < from[*client] { usize::MAX } else { cut[*client] - count[*client] };
            if at >= from[*client] {
                if may < requests.len() && may + count[*client] == cut[*client] && may != usize::MAX
                {
                    let is_first = !waits.iter().any(|(_, who)| who == client);
                    waits.extend(is_first.then_some((kept.len() + usize::from(may > 0), *client)));
                }
                count[*client] += requests.len().min(may);
            }
            let requests = requests[..requests.len().min(may)].to_vec();
            if !requests.is_empty() {
                kept.push(Step::Send { client: *client, requests });
            }
        }
        if !matches!(scene.step, Step::Send { .. }) {
            kept.push(scene.step.clone());
        }
        (kept, waits)
    }

    /// Empties Redis and plays what came before the step, without the waits that end in it.
    fn stage(&mut self, scene: &Scene, actors: &mut [Actor]) -> Result<Stage> {
        let mut stage = Stage::empty(&self.servers.oracle, self.protocols)?;
        let (log, waits) = self.relogged(scene, actors);
        for at in 0..=log.len() {
            for (_, client) in waits.iter().filter(|(place, _)| *place == at) {
                let later = |actor: &&mut Actor| actor.client == *client && !actor.waits;
                let first =
                    actors.iter_mut().find(later).and_then(|actor| actor.pieces.first_mut());
                if let Some((request, _)) = first.and_then(|piece| piece.first_mut()) {
                    *request = stage.with_last_ids(*client, request)?;
                }
            }
            if let Some(step) = log.get(at) {
                stage.play(step)?;
            }
        }
        for (client, part) in scene.parts.iter().enumerate() {
            stage.queued[client] = part.as_ref().map_or_else(Vec::new, |part| part.queued.clone());
        }
        Ok(stage)
    }

    /// Sends the next piece of a client. True when each client has what it had from the server under test, and no more.
    fn act(
        &mut self,
        stage: &mut Stage,
        actors: &[Actor],
        at: usize,
        done: &mut [usize],
    ) -> Result<bool> {
        let actor = &actors[at];
        let piece = &actor.pieces[done[at]];
        let is_sent = actor.waits && done[at] == 0;
        if piece.is_empty() {
            let (request, _) = &actor.pieces[done[at] + 1][0];
            let request = stage.with_last_ids(actor.client, request)?;
            done[at] += 1;
            stage.begun.insert((actor.client, done[at]), request);
            return Ok(true);
        }
        if !is_sent {
            stage.send(actor.client, &stage.requests_of(actor, done[at]))?;
        }
        let ends_by_itself = is_sent && is_refusal(&piece[0].1);
        stage.collect(ends_by_itself.then_some(actor.client));
        for (client, link) in stage.links.iter_mut().enumerate() {
            let Some((link, id)) = link else { continue };
            let replies = std::mem::take(&mut link.replies);
            let due = if client == actor.client { piece.as_slice() } else { &[] };
            let waits = actors.iter().enumerate().find(|(other, actor)| {
                actor.client == client
                    && client != actors[at].client
                    && actor.waits
                    && done[*other] == 0
            });
            // Its wait is ended by what was sent: it is looked at when its turn comes.
            if waits.is_some() && replies.len() == 1 {
                link.replies = replies;
                continue;
            }
            if replies.len() != due.len() {
                return Ok(false);
            }
            let subject_id =
                self.seats[client].as_ref().map_or_else(Vec::new, |seat| seat.ids.subject.clone());
            let ids = Sides { oracle: id.clone(), subject: subject_id };
            for ((request, wanted), reply) in due.iter().zip(&replies) {
                let open = &mut stage.queued[client];
                if self.judge(open, &ids, request, reply, wanted).is_some() {
                    return Ok(false);
                }
            }
        }
        done[at] += 1;
        Ok(true)
    }

    /// Whether with the requests that are still unanswered nobody has an answer, and all data are the same.
    fn ends_well(&mut self, stage: &mut Stage, search: &Search, told: &[Told]) -> Result<bool> {
        let mut last: Vec<&Actor> =
            search.order.iter().rev().map(|at| &search.actors[*at]).collect();
        last.extend(&search.actors);
        let mut sent = [false; CLIENTS];
        let mut rests = Vec::new();
        for actor in last {
            if !std::mem::replace(&mut sent[actor.client], true) {
                rests.push(actor);
            }
        }
        for actor in rests.into_iter().rev() {
            stage.send(actor.client, &actor.rest)?;
            stage.collect(None);
        }
        for (link, told) in stage.links.iter_mut().zip(told) {
            if link.as_ref().is_some_and(|(link, _)| {
                !link.replies.is_empty() || link.is_closed() != told.closed
            }) {
                return Ok(false);
            }
        }
        let mut control = self.control.take().context("the control connections are open")?;
        std::mem::swap(&mut control.oracle, &mut stage.control);
        let blocked = blocked_clients(&mut control);
        let same = blocked.oracle == blocked.subject && compare_keyspaces(&mut control).is_none();
        std::mem::swap(&mut control.oracle, &mut stage.control);
        self.control = Some(control);
        Ok(same)
    }

    /// The clients go on with Redis as it has played the script now.
    fn take_over(&mut self, mut stage: Stage, scene: &Scene, search: &Search, told: &[Told]) {
        let mut done = vec![0; search.actors.len()];
        let (mut log, _) = self.relogged(scene, &search.actors);
        for at in &search.order {
            let actor = &search.actors[*at];
            let requests = stage.requests_of(actor, done[*at]);
            if !(actor.waits && done[*at] == 0) && !requests.is_empty() {
                log.push(Step::Send { client: actor.client, requests });
            }
            done[*at] += 1;
        }
        for actor in search.actors.iter().filter(|actor| !actor.rest.is_empty()) {
            log.push(Step::Send { client: actor.client, requests: actor.rest.clone() });
        }
        self.log = log;
        for client in 0..CLIENTS {
            let Some(link) = stage.links[client].take() else { continue };
            let Some(seat) = &mut self.seats[client] else { continue };
            seat.links.oracle = link.0;
            seat.ids.oracle = link.1;
            seat.queued = std::mem::take(&mut stage.queued[client]);
            seat.links.subject.replies.clear();
            if let Some(part) = &scene.parts[client] {
                let answered = told[client].replies.len().min(part.requests.len());
                seat.sent = part.requests[answered..].iter().cloned().collect();
                seat.since = if answered > 0 { self.steps } else { part.since };
            }
            if told[client].closed {
                self.seats[client] = None;
            }
        }
        if let Some(control) = &mut self.control {
            control.oracle = stage.control;
        }
    }
}
