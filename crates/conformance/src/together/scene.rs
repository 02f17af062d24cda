//! What was under way in a step of several clients: who was asked what, and what each has said.

use super::meant::{changes_names, is_exec};
use super::pen::{is_key, names_keys};
use super::step::{Request, Step};
use crate::peer::Reply;
use crate::wire::Value;

/// What a client has under way.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// Requests without a reply, those of this step included.
    pub requests: Vec<Request>,
    /// How many of them were sent in earlier steps: the first is a wait.
    pub old: usize,
    /// What of a transaction was queued before.
    pub queued: Vec<Request>,
    /// All that the client may watch.
    pub watched: Vec<Vec<u8>>,
    /// Since which step it waits.
    pub since: u64,
    /// Whether it is known which request a reply belongs to.
    pub mapped: bool,
}

/// What was under way when a step began, with what the step sends.
#[derive(Debug)]
pub struct Scene {
    /// What each client has under way; none for those that are not connected.
    pub parts: Vec<Option<Part>>,
    /// The step.
    pub step: Step,
}

/// What the server under test has said to each client in a step.
#[derive(Debug, Default, Clone)]
pub struct Told {
    /// Its replies.
    pub replies: Vec<Reply>,
    /// Its connection is closed.
    pub closed: bool,
    /// Redis has said something to it, in its own order.
    pub by_redis: bool,
}

/// A client in an order that is tried.
#[derive(Debug)]
pub struct Actor {
    /// Which client it is.
    pub client: usize,
    /// What it is asked and has answered, in pieces that come in one go: a transaction comes when its EXEC does.
    pub pieces: Vec<Vec<(Request, Reply)>>,
    /// What it was asked and has not answered.
    pub rest: Vec<Request>,
    /// Its wait was ended with nothing, or an error: it has to be under way before, as only who waits is told that.
    pub waits: bool,
    /// The key that served its wait, where that takes something.
    pub served: Option<Vec<u8>>,
    /// Since which step it waits.
    pub since: u64,
    /// The keys of each piece; none where it may be about all there is.
    pub keys: Vec<Option<Vec<Vec<u8>>>>,
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

    /// Whether a transaction runs in it that changes what the server knows by name.
    pub fn changes_names(&self) -> bool {
        let parts = self.parts.iter().flatten();
        parts.clone().flat_map(|part| &part.requests).any(is_exec)
            && parts.flat_map(|part| part.queued.iter().chain(&part.requests)).any(changes_names)
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

    /// Whether somebody was killed by a client that the step woke: what it had under way then was done or not, and nobody was told.
    pub fn kills(&self, told: &[Told]) -> bool {
        let is = |request: &Request, at: usize, word: &[u8]| {
            request.get(at).is_some_and(|arg| arg.eq_ignore_ascii_case(word))
        };
        let is_kill = |request: &Request| is(request, 0, b"CLIENT") && is(request, 1, b"KILL");
        let mut woken = self.parts.iter().zip(told).filter_map(|(part, told)| {
            let part = part.as_ref().filter(|part| part.old > 0)?;
            Some(part.requests.iter().take(told.replies.len()))
        });
        let closed = self.parts.iter().zip(told).any(|(part, told)| part.is_some() && told.closed);
        closed && woken.any(|mut done| done.any(is_kill))
    }

    /// Whether a transaction runs in it that kills or unblocks clients: that part of it comes behind its part on data, and those whom
    /// the data wakes may be served between.
    pub fn acts_on_clients(&self) -> bool {
        let acts = |request: &Request| {
            let word = |at: usize| request.get(at).map(|word| word.to_ascii_uppercase());
            let what = word(1).unwrap_or_default();
            word(0).as_deref() == Some(b"CLIENT") && matches!(what.as_slice(), b"KILL" | b"UNBLOCK")
        };
        let parts = self.parts.iter().flatten();
        parts.clone().flat_map(|part| &part.requests).any(is_exec)
            && parts.flat_map(|part| part.queued.iter().chain(&part.requests)).any(acts)
    }

    /// The keys of all waits that ended in the step, on either side.
    fn contested(&self, told: &[Told]) -> Vec<&Vec<u8>> {
        let ended = self.parts.iter().zip(told).filter_map(|(part, told)| {
            let part = part.as_ref().filter(|part| part.old > 0)?;
            (told.by_redis || !told.replies.is_empty()).then_some(&part.requests[0])
        });
        ended.flatten().filter(|word| is_key(word)).collect()
    }

    fn sender(&self) -> Option<usize> {
        match self.step {
            Step::Send { client, .. } => Some(client),
            _ => None,
        }
    }

    /// The clients of which something came in the step, or may have been overtaken in it, and how many of them waited. Those whose bit
    /// in `natural` is set are under way before the step, others' waits are sent only where they end.
    pub fn actors(&self, told: &[Told], natural: u32, narrows: bool) -> Option<(Vec<Actor>, u32)> {
        let (mut actors, mut waiters) = (Vec::new(), 0);
        let contested = self.contested(told);
        for (client, (part, told)) in self.parts.iter().zip(told).enumerate() {
            let Some(part) = part else { continue };
            let replies = &told.replies;
            let first = part.requests.first().filter(|_| part.old > 0);
            // What Redis gave it may have gone with what came behind in the pipeline that brought it: then it waits on.
            let is_contested =
                |request: &Request| request.iter().any(|word| contested.contains(&word));
            let overtaken = replies.is_empty()
                && first.is_some_and(|first| told.by_redis || is_contested(first));
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
            let mut rest = part.requests[replies.len().max(usize::from(is_natural))..].to_vec();
            if told.closed {
                // It was closed before they were looked at.
                rest.clear();
            }
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
    // A move between cores holds no lock until it runs: who comes anew may be faster than it and those behind it.
    let is_slow = |other: &Actor, key: &[u8]| {
        let first = other.pieces.first().and_then(|piece| Some(&piece.first()?.0));
        let first = first.or(other.rest.first());
        other.since <= waits.since
            && first.is_some_and(|first| moves_away(first) && first[1] == *key)
    };
    keys.any(|key| {
        let is_slow = actors.iter().any(|other| is_slow(other, key));
        actors.iter().filter(|other| other.client != waits.client).any(|other| {
            let is_later = other.served.as_ref() == Some(key) && other.since > waits.since;
            let others = other.pieces.iter().skip(usize::from(other.served.is_some())).flatten();
            is_later || !is_slow && others.clone().any(|asked| takes(asked, key))
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
pub fn is_refusal(reply: &Reply) -> bool {
    let nothing: [&[u8]; 3] = [b"*-1\r\n", b"_\r\n", b"$-1\r\n"];
    matches!(reply, Reply::Raw(raw) if raw.starts_with(b"-") || nothing.contains(&&**raw))
}

/// The key that a wait took its element from.
pub fn key_served(request: &Request, reply: &Reply) -> Option<Vec<u8>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Request {
        line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    fn reply(raw: &str) -> Reply {
        Reply::Raw(raw.as_bytes().to_vec())
    }

    #[test]
    fn a_transaction_is_one_piece_and_a_read_begins_in_one_of_its_own() {
        let asked = ["BLPOP k 0", "MULTI", "GET k", "EXEC", "XREAD BLOCK 0 STREAMS s $", "PING"];
        let said = ["*2\r\n$1\r\nk\r\n$1\r\nv\r\n", "+OK\r\n", "+QUEUED\r\n", "*0\r\n", "*0\r\n"];
        let asked: Vec<Request> = asked.iter().map(|line| words(line)).collect();
        let said: Vec<Reply> = said.iter().map(|raw| reply(raw)).collect();
        let pieces = pieces(&asked, &said, true);
        assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [1, 3, 0, 1]);
    }

    #[test]
    fn a_wait_for_several_keys_is_narrowed_to_the_one_that_served_it() {
        let popped = reply("*2\r\n$1\r\nb\r\n$1\r\nv\r\n");
        for (request, narrow) in [
            ("BLPOP a b 0", "BLPOP b 0"),
            ("BZMPOP 0 3 a b c MIN COUNT 2", "BZMPOP 0 1 b MIN COUNT 2"),
            ("BLMOVE a b LEFT LEFT 0", "BLMOVE a b LEFT LEFT 0"),
        ] {
            assert_eq!(narrowed(&words(request), &popped), words(narrow));
        }
        let read = reply("*1\r\n*2\r\n$1\r\nb\r\n*0\r\n");
        let request = words("XREAD BLOCK 0 STREAMS a b 1-1 2-2");
        assert_eq!(narrowed(&request, &read), words("XREAD BLOCK 0 STREAMS b 2-2"));
    }

    #[test]
    fn scripts_that_name_keys_themselves_are_about_everything() {
        let piece = |line: &str| vec![(words(line), reply("+OK\r\n"))];
        let keys = |line: &str| keys_of(&piece(line), &[b"set:1".to_vec()]);
        assert_eq!(keys("GET string:0"), Some(words("string:0")));
        assert_eq!(keys("EVAL return(1) 1 list:1"), Some(words("list:1")));
        assert_eq!(keys("EVAL redis.call('del','list:0') 0"), None);
        assert_eq!(keys("FLUSHALL"), None);
        assert_eq!(keys("EXEC"), Some(words("set:1")), "what is watched decides whether it runs");
    }
}
