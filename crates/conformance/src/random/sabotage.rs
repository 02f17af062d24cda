//! Planted bugs: proof that the comparison can fail. Each spoils one kind of reply of the server under test after it was
//! read, and a run with it must find, shrink and report that command.

use anyhow::{Result, bail};

use crate::peer::Reply;

/// A bug that `--sabotage` plants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// STRLEN is one too long beyond three bytes.
    Strlen,
    /// GETRANGE loses its last byte when the end is negative.
    Getrange,
    /// The arity error of INCR has a full stop.
    ErrorText,
    /// A null in RESP3 comes as RESP2's null bulk.
    Null,
    /// TTL is ten seconds too short.
    Ttl,
}

/// All bugs with the names that `--sabotage` takes.
pub const ALL: &[(&str, Sabotage)] = &[
    ("strlen", Sabotage::Strlen),
    ("getrange", Sabotage::Getrange),
    ("error-text", Sabotage::ErrorText),
    ("null", Sabotage::Null),
    ("ttl", Sabotage::Ttl),
];

impl Sabotage {
    /// The bug of this name.
    pub fn named(name: &str) -> Result<Sabotage> {
        match ALL.iter().find(|(known, _)| *known == name) {
            Some((_, sabotage)) => Ok(*sabotage),
            None => bail!(
                "no sabotage {name:?}; there are {}",
                ALL.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(", ")
            ),
        }
    }

    /// Spoils `reply` if the bug concerns this request.
    pub fn spoil(self, args: &[Vec<u8>], reply: &mut Reply) {
        let Reply::Raw(raw) = reply else {
            return;
        };
        let is = |name: &[u8]| args[0].eq_ignore_ascii_case(name);
        let integer =
            || std::str::from_utf8(raw).ok()?.trim_end().strip_prefix(':')?.parse::<i64>().ok();
        match self {
            Sabotage::Strlen if is(b"STRLEN") => {
                if let Some(n) = integer().filter(|n| *n > 3) {
                    *raw = format!(":{}\r\n", n + 1).into_bytes();
                }
            }
            Sabotage::Getrange
                if is(b"GETRANGE") && args.get(3).is_some_and(|end| end.starts_with(b"-")) =>
            {
                if let Some(body) =
                    crate::wire::Value::parse(raw).text().filter(|body| !body.is_empty())
                {
                    let shorter = &body[..body.len() - 1];
                    *raw =
                        [format!("${}\r\n", shorter.len()).as_bytes(), shorter, b"\r\n"].concat();
                }
            }
            Sabotage::ErrorText if is(b"INCR") && raw.starts_with(b"-ERR wrong number") => {
                *raw = [&raw[..raw.len() - 2], b".\r\n"].concat();
            }
            Sabotage::Null if raw == b"_\r\n" => *raw = b"$-1\r\n".to_vec(),
            Sabotage::Ttl if is(b"TTL") => {
                if let Some(n) = integer().filter(|n| *n > 10) {
                    *raw = format!(":{}\r\n", n - 10).into_bytes();
                }
            }
            _ => {}
        }
    }
}
