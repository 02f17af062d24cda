//! What is meant to be different between the two servers when several clients meet, beside what `random` knows of single replies.

use super::step::Request;
use crate::peer::Reply;
use crate::wire::Value;

/// Whether Redis cuts a reply in the middle: that of a transaction in which a client has killed its own connection.
pub fn ends_itself(request: &Request, queued: &[Request]) -> bool {
    let is = |request: &Request, at: usize, word: &[u8]| {
        request.get(at).is_some_and(|arg| arg.eq_ignore_ascii_case(word))
    };
    is(request, 0, b"EXEC")
        && queued.iter().any(|queued| is(queued, 0, b"CLIENT") && is(queued, 1, b"KILL"))
}

/// Whether it ends a transaction and runs it.
pub fn is_exec(request: &Request) -> bool {
    request.first().is_some_and(|name| name.eq_ignore_ascii_case(b"EXEC"))
}

/// Whether it is the null of a transaction that did not run.
pub fn is_null(reply: &Reply) -> bool {
    matches!(reply, Reply::Raw(raw) if raw == b"*-1\r\n" || raw == b"_\r\n")
}

/// Whether a request runs what the server knows by its name.
pub fn calls_by_name(request: &Request) -> bool {
    let name = request.first().map(|name| name.to_ascii_uppercase()).unwrap_or_default();
    name.starts_with(b"FCALL") || name.starts_with(b"EVALSHA")
}

/// Whether it may change what that is, or tells of it: within a transaction such commands run behind those on data.
pub fn changes_names(request: &Request) -> bool {
    let name = request.first().map(|name| name.to_ascii_uppercase()).unwrap_or_default();
    name == b"FUNCTION" || name == b"SCRIPT"
}

/// Whether Redis 7.0 wakes a reader of a stream with nothing, after an entry that one transaction has added and deleted. 7.2 lets it wait.
pub fn is_void(request: &[Vec<u8>], oracle: &Reply) -> bool {
    let reads = request.first().is_some_and(|name| name.to_ascii_uppercase().starts_with(b"XREAD"));
    let is_empty = |entries: &Value| entries.items().is_some_and(<[Value]>::is_empty);
    let streams = oracle.value().and_then(|value| match value {
        Value::Array(streams) => {
            streams.iter().map(|stream| stream.items()?.get(1).cloned()).collect()
        }
        Value::Map(streams) => Some(streams.into_iter().map(|(_, entries)| entries).collect()),
        _ => None,
    });
    reads
        && streams
            .is_some_and(|streams: Vec<Value>| !streams.is_empty() && streams.iter().all(is_empty))
}
