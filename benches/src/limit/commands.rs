//! Bytes to replies: the three commands, and just enough of an answer for what load generators ask when they connect.

use std::collections::HashMap;

use arrayvec::ArrayVec;

/// The longest key held. Keys stand inside the table's slots, so that a hit does not chase one more pointer.
const KEY_BYTES_MAX: usize = 36;

/// The data: a plain hash map with a fast hasher.
pub type Keyspace = HashMap<ArrayVec<u8, KEY_BYTES_MAX>, Vec<u8>, foldhash::fast::RandomState>;

/// Arguments of one request; more is a protocol error here.
const ARGUMENTS_MAX: usize = 32;

/// One parsed request: where it ends, and its arguments.
struct Request<'a> {
    end: usize,
    count: usize,
    arguments: [&'a [u8]; ARGUMENTS_MAX],
}

enum Parsed {
    Complete,
    Incomplete,
    Malformed,
}

/// Executes every complete request of `input` and appends the replies.
/// Gives the number of bytes used, or nothing when the input is not RESP.
pub fn execute_all(input: &[u8], keyspace: &mut Keyspace, output: &mut Vec<u8>) -> Option<usize> {
    let mut request = Request { end: 0, count: 0, arguments: [&[]; ARGUMENTS_MAX] };
    let mut at = 0;
    while at < input.len() {
        match parse(input, at, &mut request) {
            Parsed::Complete => {}
            Parsed::Incomplete => return Some(at),
            Parsed::Malformed => return None,
        }
        execute(&request.arguments[..request.count], keyspace, output);
        at = request.end;
    }
    Some(at)
}

#[inline]
fn parse<'a>(input: &'a [u8], at: usize, request: &mut Request<'a>) -> Parsed {
    if input[at] != b'*' {
        return parse_inline(input, at, request);
    }
    let (count, mut at) = match length(input, at + 1) {
        Ok(Some(found)) => found,
        Ok(None) => return Parsed::Incomplete,
        Err(()) => return Parsed::Malformed,
    };
    if count > ARGUMENTS_MAX {
        return Parsed::Malformed;
    }
    for slot in &mut request.arguments[..count] {
        match input.get(at) {
            Some(b'$') => {}
            Some(_) => return Parsed::Malformed,
            None => return Parsed::Incomplete,
        }
        let (bytes, start) = match length(input, at + 1) {
            Ok(Some(found)) => found,
            Ok(None) => return Parsed::Incomplete,
            Err(()) => return Parsed::Malformed,
        };
        let end = start + bytes;
        if input.len() < end + 2 {
            return Parsed::Incomplete;
        }
        *slot = &input[start..end];
        at = end + 2;
    }
    request.count = count;
    request.end = at;
    Parsed::Complete
}

/// A decimal number up to CRLF: its value and the place after. `None` when more bytes are needed.
#[inline]
fn length(input: &[u8], mut at: usize) -> Result<Option<(usize, usize)>, ()> {
    let mut value = 0usize;
    while let Some(&byte) = input.get(at) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            if byte != b'\r' {
                return Err(());
            }
            return Ok((at + 1 < input.len()).then_some((value, at + 2)));
        }
        value = value * 10 + usize::from(digit);
        if value > 1 << 29 {
            return Err(());
        }
        at += 1;
    }
    Ok(None)
}

#[cold]
fn parse_inline<'a>(input: &'a [u8], at: usize, request: &mut Request<'a>) -> Parsed {
    let Some(length) = input[at..].iter().position(|&byte| byte == b'\n') else {
        return if input.len() - at > 64 * 1024 { Parsed::Malformed } else { Parsed::Incomplete };
    };
    request.count = 0;
    for word in input[at..at + length].trim_ascii().split(|&byte| byte == b' ').take(ARGUMENTS_MAX)
    {
        request.arguments[request.count] = word;
        request.count += 1;
    }
    request.end = at + length + 1;
    Parsed::Complete
}

#[inline]
fn execute(arguments: &[&[u8]], keyspace: &mut Keyspace, output: &mut Vec<u8>) {
    match arguments {
        [name, key] if name.eq_ignore_ascii_case(b"GET") => match keyspace.get(*key) {
            Some(value) => bulk(value, output),
            None => output.extend_from_slice(b"$-1\r\n"),
        },
        [name, key, value] if name.eq_ignore_ascii_case(b"SET") => {
            match keyspace.get_mut(*key) {
                Some(held) => {
                    held.clear();
                    held.extend_from_slice(value);
                }
                None => match ArrayVec::try_from(*key) {
                    Ok(key) => drop(keyspace.insert(key, value.to_vec())),
                    Err(_) => {
                        return output
                            .extend_from_slice(b"-ERR the limit holds short keys only\r\n");
                    }
                },
            }
            output.extend_from_slice(b"+OK\r\n");
        }
        [name] if name.eq_ignore_ascii_case(b"PING") => output.extend_from_slice(b"+PONG\r\n"),
        _ => execute_rare(arguments, keyspace, output),
    }
}

/// What clients ask while they connect. An empty array satisfies redis-benchmark's and redis-cli's questions.
#[cold]
fn execute_rare(arguments: &[&[u8]], keyspace: &mut Keyspace, output: &mut Vec<u8>) {
    let is = |name: &[u8]| arguments.first().is_some_and(|word| word.eq_ignore_ascii_case(name));
    if is(b"CONFIG") || is(b"COMMAND") {
        output.extend_from_slice(b"*0\r\n");
    } else if is(b"SELECT") || is(b"AUTH") || is(b"CLIENT") {
        output.extend_from_slice(b"+OK\r\n");
    } else if is(b"DBSIZE") {
        output.extend_from_slice(format!(":{}\r\n", keyspace.len()).as_bytes());
    } else if is(b"FLUSHALL") {
        keyspace.clear();
        output.extend_from_slice(b"+OK\r\n");
    } else if !arguments.is_empty() {
        output.extend_from_slice(b"-ERR unknown command\r\n");
    }
}

/// `$<length>\r\n<value>\r\n` with one growth check.
#[inline]
fn bulk(value: &[u8], output: &mut Vec<u8>) {
    let mut number = itoa::Buffer::new();
    let length = number.format(value.len()).as_bytes();
    output.reserve(length.len() + value.len() + 5);
    output.push(b'$');
    output.extend_from_slice(length);
    output.extend_from_slice(b"\r\n");
    output.extend_from_slice(value);
    output.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8], used: usize, replies: &str) {
        let mut output = Vec::new();
        assert_eq!(execute_all(input, &mut Keyspace::default(), &mut output), Some(used));
        assert_eq!(String::from_utf8_lossy(&output), replies);
    }

    #[test]
    fn set_then_get_answers_the_value() {
        let input = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nvv\r\n*2\r\n$3\r\nget\r\n$1\r\nk\r\n*2\r\n$3\r\nGET\r\n$1\r\nx\r\n";
        check(input, input.len(), "+OK\r\n$2\r\nvv\r\n$-1\r\n");
    }

    #[test]
    fn every_cut_of_a_request_waits_for_the_rest() {
        let input = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nvv\r\n";
        for cut in 0..input.len() {
            check(&input[..cut], 0, "");
        }
    }

    #[test]
    fn inline_ping_is_answered_and_garbage_length_is_refused() {
        check(b"PING\r\n", 6, "+PONG\r\n");
        assert_eq!(execute_all(b"*x\r\n", &mut Keyspace::default(), &mut Vec::new()), None);
        assert_eq!(
            execute_all(
                b"*1\r\n$99999999999999999999\r\n",
                &mut Keyspace::default(),
                &mut Vec::new()
            ),
            None
        );
    }
}
