//! What a kind cannot say: the last look of single rows at their values.

use super::kind::Value;
use super::parse;

/// `hz` outside 1..=500 is taken as the nearer end, as in Redis.
pub(super) fn hz(value: Value) -> Result<Value, String> {
    let Value::Int(number) = value else {
        return Ok(value);
    };
    Ok(Value::Int(number.clamp(1, 500)))
}

/// A backlog under 16 kb is taken as 16 kb, as in Redis.
pub(super) fn repl_backlog_size(value: Value) -> Result<Value, String> {
    let Value::Memory(bytes) = value else { return Ok(value) };
    Ok(Value::Memory(bytes.max(16 << 10)))
}

/// `relative` is another word for `yes` and printed so.
pub(super) fn oom_score_adj(value: Value) -> Result<Value, String> {
    Ok(if value == Value::Choice(2) { Value::Choice(1) } else { value })
}

/// A host name as it may stand in CLUSTER SLOTS.
pub(super) fn hostname(value: Value) -> Result<Value, String> {
    let Value::Text(text) = &value else {
        return Ok(value);
    };
    if text.len() >= 256 {
        return Err("Hostnames must be less than 256 characters".into());
    }
    if text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) {
        return Ok(value);
    }
    Err("Hostnames may only contain alphanumeric characters, hyphens or dots".into())
}

/// A name of this node that people read; it goes into CLUSTER NODES, so it must not break a line.
pub(super) fn nodename(value: Value) -> Result<Value, String> {
    match &value {
        Value::Text(text) if text.iter().any(|byte| !byte.is_ascii_graphic() || *byte == b',') => {
            Err("Announced human node name contained invalid character".into())
        }
        _ => Ok(value),
    }
}

/// A file name without a folder.
pub(super) fn dbfilename(value: Value) -> Result<Value, String> {
    no_folder(value, "dbfilename can't be a path, just a filename")
}

/// A file name without a folder.
pub(super) fn appendfilename(value: Value) -> Result<Value, String> {
    no_folder(value, "appendfilename can't be a path, just a filename")
}

/// A folder name without a folder above it.
pub(super) fn appenddirname(value: Value) -> Result<Value, String> {
    no_folder(value, "appenddirname can't be a path, just a dirname")
}

fn no_folder(value: Value, complaint: &str) -> Result<Value, String> {
    match &value {
        Value::Text(text) if text.contains(&b'/') => Err(complaint.into()),
        _ => Ok(value),
    }
}

/// SAVE and NOSAVE exclude each other (bits 0 and 1 of the options).
pub(super) fn shutdown(value: Value) -> Result<Value, String> {
    match value {
        Value::Options(bits) if bits & 0b11 == 0b11 => {
            Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into())
        }
        _ => Ok(value),
    }
}

/// Host and port, or `no one`, which is nothing.
pub(super) fn replicaof(value: Value) -> Result<Value, String> {
    let Value::Words(words) = &value else {
        return Ok(value);
    };
    match &**words {
        [] => Ok(value),
        [no, one] if no.eq_ignore_ascii_case(b"no") && one.eq_ignore_ascii_case(b"one") => {
            Ok(Value::Words(Box::default()))
        }
        [_, port] if parse::integer(port).is_some_and(|port| (0..=65535).contains(&port)) => {
            Ok(value)
        }
        [_, _] => Err("Invalid master port".into()),
        _ => Err("wrong number of arguments".into()),
    }
}

/// Braces in a title template enclose one of the variables that Redis knows.
pub(super) fn title_template(value: Value) -> Result<Value, String> {
    const VARIABLES: [&str; 7] =
        ["title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file"];
    let Value::Text(text) = &value else {
        return Ok(value);
    };
    let text = String::from_utf8_lossy(text);
    let mut rest = &*text;
    let mut fine = !rest.trim().is_empty();
    while let Some(open) = rest.find('{') {
        let inner = &rest[open + 1..];
        let Some(close) = inner.find('}') else {
            fine = false;
            break;
        };
        fine &= VARIABLES.contains(&&inner[..close]);
        rest = &inner[close + 1..];
    }
    if fine {
        Ok(value)
    } else {
        Err("template format is invalid or contains unknown variables".into())
    }
}
