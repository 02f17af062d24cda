//! One client of a script: a connection to each side, and which requests still wait for their replies.

use std::collections::VecDeque;

use super::step::Request;
use crate::peer::{Link, Sides};
use crate::wire::Value;

/// How an argument begins that stands for the id of one of the script's clients; its number follows.
pub const ID_TOKEN: &str = "client-id-of-connection-";
/// Stands for what FUNCTION DUMP last gave on the side that the request goes to.
pub const OWN_DUMP_TOKEN: &str = "function-dump-of-this-side";
/// Stands for what FUNCTION DUMP last gave on the oracle.
pub const ORACLE_DUMP_TOKEN: &str = "function-dump-of-the-oracle";
/// An id that nobody has, for clients that are not connected.
const NOBODY: &[u8] = b"999999999";

/// A connected client.
pub struct Seat {
    /// Its connections.
    pub links: Sides<Link>,
    /// Its ids.
    pub ids: Sides<Vec<u8>>,
    /// Requests without a reply yet, oldest first.
    pub sent: VecDeque<Request>,
    /// The requests of its open transaction, as far as they were queued.
    pub queued: Vec<Request>,
    /// Whether it had no reply at the end of the step before.
    pub waited: bool,
    /// Since which step it has been waiting for the reply to the first of `sent`.
    pub since: u64,
    /// It began to watch keys in a step in which others were woken: what these wrote came before that, or after.
    pub unsure: bool,
    /// False once CLIENT REPLY made it unknown which request a reply belongs to.
    pub mapped: bool,
}

impl Seat {
    /// A client that has just connected.
    pub fn new(links: Sides<Link>, ids: Sides<Vec<u8>>) -> Seat {
        Seat {
            links,
            ids,
            sent: VecDeque::new(),
            queued: Vec::new(),
            waited: false,
            since: 0,
            unsure: false,
            mapped: true,
        }
    }

    /// Reads and writes what is possible now, on both sides.
    pub fn move_bytes(&mut self) {
        for link in [&mut self.links.oracle, &mut self.links.subject] {
            link.write_some();
            link.read_some();
        }
    }

    /// The request that the next reply belongs to; empty when that is not known.
    pub fn next_request(&mut self) -> Request {
        let request = self.sent.pop_front().unwrap_or_default();
        if self.mapped { request } else { Request::new() }
    }
}

/// A request as each side gets it: with its own ids, of which `id_of` knows those of connected clients, and dumps in the place of
/// the words that stand for them.
pub fn translated(
    request: &Request,
    id_of: impl Fn(usize) -> Option<Sides<Vec<u8>>>,
    dumps: &Sides<Vec<u8>>,
) -> Sides<Request> {
    let word = |arg: &Vec<u8>| {
        if let Some(digits) = arg.strip_prefix(ID_TOKEN.as_bytes()) {
            let number: Option<usize> =
                std::str::from_utf8(digits).ok().and_then(|d| d.parse().ok());
            let nobody = || Sides { oracle: NOBODY.to_vec(), subject: NOBODY.to_vec() };
            return number.and_then(&id_of).unwrap_or_else(nobody);
        }
        match arg.as_slice() {
            token if token == OWN_DUMP_TOKEN.as_bytes() => dumps.clone(),
            token if token == ORACLE_DUMP_TOKEN.as_bytes() => {
                Sides { oracle: dumps.oracle.clone(), subject: dumps.oracle.clone() }
            }
            _ => Sides { oracle: arg.clone(), subject: arg.clone() },
        }
    };
    let words: Vec<Sides<Vec<u8>>> = request.iter().map(word).collect();
    Sides {
        oracle: words.iter().map(|word| word.oracle.clone()).collect(),
        subject: words.into_iter().map(|word| word.subject).collect(),
    }
}

/// Puts the oracle's dump in the place of the words that stand for one.
pub fn fill_in_dumps(request: &mut Request, dump: &[u8]) {
    for word in request {
        if *word == OWN_DUMP_TOKEN.as_bytes() || *word == ORACLE_DUMP_TOKEN.as_bytes() {
            *word = dump.to_vec();
        }
    }
}

/// What HELLO says, with a word in the place of the id if that is the client's own: the servers count connections that the
/// other has not had, such as those of a server that was started again.
pub fn without_own_id(request: &Request, reply: &Value, own: &[u8]) -> Value {
    let is_own = |name: &Value, held: &Value| {
        let id = held.integer().map(|id| id.to_string().into_bytes());
        name.text() == Some(b"id") && id.as_deref() == Some(own)
    };
    let is_hello = request.first().is_some_and(|name| name.eq_ignore_ascii_case(b"HELLO"));
    let Some(pairs) = is_hello.then(|| reply.pairs()).flatten() else {
        return reply.clone();
    };
    let rewritten = pairs.into_iter().map(|(name, held)| match is_own(&name, &held) {
        true => (name, Value::Simple(b"the client's own".to_vec())),
        false => (name, held),
    });
    match reply {
        Value::Map(_) => Value::Map(rewritten.collect()),
        _ => Value::Array(rewritten.flat_map(|(name, held)| [name, held]).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_id_is_left_out_of_hello() {
        let hello = vec![b"HELLO".to_vec()];
        let reply = |id| Value::parse(format!("%1\r\n$2\r\nid\r\n:{id}\r\n").as_bytes());
        let (mine, yours) = (reply(7), reply(8));
        assert_eq!(without_own_id(&hello, &mine, b"7"), without_own_id(&hello, &yours, b"8"));
        assert_eq!(without_own_id(&hello, &yours, b"7"), yours);
        assert_eq!(without_own_id(&vec![b"HGETALL".to_vec()], &mine, b"7"), mine);
    }
}
