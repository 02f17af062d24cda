//! A reply as a tree, for the places where raw bytes cannot be compared: unordered replies, ids, clocks.

use super::encode::{escaped, printable};

/// One reply, with every wire type kept apart so that a wrong type is a difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// `+`
    Simple(Vec<u8>),
    /// `-`
    Error(Vec<u8>),
    /// `:`
    Integer(i64),
    /// `$`, and `$-1` as [`Value::NullBulk`].
    Bulk(Vec<u8>),
    /// `$-1`
    NullBulk,
    /// `*-1`
    NullArray,
    /// `_`
    Null,
    /// `#`
    Boolean(bool),
    /// `,` as text, because its digits matter.
    Double(Vec<u8>),
    /// `(` as text.
    BigNumber(Vec<u8>),
    /// `=` with its three letters of format.
    Verbatim(Vec<u8>),
    /// `!`
    BlobError(Vec<u8>),
    /// `*`
    Array(Vec<Value>),
    /// `%`
    Map(Vec<(Value, Value)>),
    /// `~`
    Set(Vec<Value>),
    /// `>`
    Push(Vec<Value>),
    /// `|` with the reply it decorates.
    Attribute(Vec<(Value, Value)>, Box<Value>),
    /// Bytes that the framer accepted but no type explains (a `:` without digits, a `#` that is neither t nor f).
    Odd(Vec<u8>),
}

impl Value {
    /// Parses one whole raw reply as the framer returned it. Never fails: what has no meaning becomes [`Value::Odd`].
    pub fn parse(raw: &[u8]) -> Value {
        let mut at = 0;
        Self::parse_at(raw, &mut at).unwrap_or_else(|| Value::Odd(raw.to_vec()))
    }

    fn parse_at(raw: &[u8], at: &mut usize) -> Option<Value> {
        let rest = raw.get(*at..)?;
        let end = memchr::memmem::find(rest, b"\r\n")?;
        let (&kind, body) = rest[..end].split_first()?;
        *at += end + 2;
        let number = || std::str::from_utf8(body).ok()?.parse::<i64>().ok();
        Some(match kind {
            b'+' => Value::Simple(body.to_vec()),
            b'-' => Value::Error(body.to_vec()),
            b':' => number().map_or_else(|| Value::Odd(rest[..end].to_vec()), Value::Integer),
            b'_' => Value::Null,
            b'#' => match body {
                b"t" => Value::Boolean(true),
                b"f" => Value::Boolean(false),
                _ => Value::Odd(rest[..end].to_vec()),
            },
            b',' => Value::Double(body.to_vec()),
            b'(' => Value::BigNumber(body.to_vec()),
            b'$' | b'=' | b'!' => {
                let length = number()?;
                if length < 0 {
                    return Some(Value::NullBulk);
                }
                let length = usize::try_from(length).ok()?;
                let bytes = raw.get(*at..*at + length)?.to_vec();
                *at += length + 2;
                match kind {
                    b'$' => Value::Bulk(bytes),
                    b'=' => Value::Verbatim(bytes),
                    _ => Value::BlobError(bytes),
                }
            }
            b'*' if number()? < 0 => Value::NullArray,
            b'*' | b'~' | b'>' => {
                let items =
                    (0..number()?).map(|_| Self::parse_at(raw, at)).collect::<Option<Vec<_>>>()?;
                match kind {
                    b'*' => Value::Array(items),
                    b'~' => Value::Set(items),
                    _ => Value::Push(items),
                }
            }
            b'%' | b'|' => {
                let pairs = (0..number()?)
                    .map(|_| Some((Self::parse_at(raw, at)?, Self::parse_at(raw, at)?)))
                    .collect::<Option<Vec<_>>>()?;
                if kind == b'%' {
                    Value::Map(pairs)
                } else {
                    Value::Attribute(pairs, Box::new(Self::parse_at(raw, at)?))
                }
            }
            _ => return None,
        })
    }

    /// The bytes that [`Value::parse`] would make this value of.
    pub fn to_raw(&self) -> Vec<u8> {
        let line = |kind: &str, body: &[u8]| [kind.as_bytes(), body, b"\r\n"].concat();
        let count = |kind: &str, n: usize| format!("{kind}{n}\r\n").into_bytes();
        let blob = |kind: &str, body: &[u8]| [&count(kind, body.len()), body, b"\r\n"].concat();
        let list = |kind: &str, items: &[Value]| {
            let parts = items.iter().flat_map(Value::to_raw);
            count(kind, items.len()).into_iter().chain(parts).collect()
        };
        let map = |kind: &str, pairs: &[(Value, Value)]| {
            let parts = pairs.iter().flat_map(|(k, v)| [k.to_raw(), v.to_raw()].concat());
            count(kind, pairs.len()).into_iter().chain(parts).collect()
        };
        match self {
            Value::Simple(text) => line("+", text),
            Value::Error(text) => line("-", text),
            Value::Integer(n) => line(":", n.to_string().as_bytes()),
            Value::Bulk(text) => blob("$", text),
            Value::NullBulk => b"$-1\r\n".to_vec(),
            Value::NullArray => b"*-1\r\n".to_vec(),
            Value::Null => b"_\r\n".to_vec(),
            Value::Boolean(yes) => line("#", if *yes { b"t" } else { b"f" }),
            Value::Double(text) => line(",", text),
            Value::BigNumber(text) => line("(", text),
            Value::Verbatim(text) => blob("=", text),
            Value::BlobError(text) => blob("!", text),
            Value::Array(items) => list("*", items),
            Value::Set(items) => list("~", items),
            Value::Push(items) => list(">", items),
            Value::Map(pairs) => map("%", pairs),
            Value::Attribute(pairs, value) => [map("|", pairs), value.to_raw()].concat(),
            Value::Odd(bytes) => bytes.clone(),
        }
    }

    /// The bytes of any string-like reply (simple, bulk, verbatim without its prefix).
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Value::Simple(bytes) | Value::Bulk(bytes) => Some(bytes),
            Value::Verbatim(bytes) => bytes.get(4..),
            _ => None,
        }
    }

    /// [`Value::text`] as UTF-8, lossy.
    pub fn string(&self) -> Option<String> {
        self.text().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// An integer reply, or a bulk that spells one.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Value::Integer(n) => Some(*n),
            other => std::str::from_utf8(other.text()?).ok()?.parse().ok(),
        }
    }

    /// The error line, if this is one.
    pub fn error(&self) -> Option<String> {
        match self {
            Value::Error(bytes) | Value::BlobError(bytes) => {
                Some(String::from_utf8_lossy(bytes).into_owned())
            }
            _ => None,
        }
    }

    /// Elements of an array, set or push.
    pub fn items(&self) -> Option<&[Value]> {
        match self {
            Value::Array(items) | Value::Set(items) | Value::Push(items) => Some(items),
            _ => None,
        }
    }

    /// Pairs of a map, also of the flat array that RESP2 has in its place.
    pub fn pairs(&self) -> Option<Vec<(Value, Value)>> {
        match self {
            Value::Map(pairs) => Some(pairs.clone()),
            Value::Array(items) if items.len() % 2 == 0 => {
                Some(items.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
            }
            _ => None,
        }
    }

    /// The value under a textual key of a map (or flat array).
    pub fn get(&self, key: &str) -> Option<Value> {
        let found = self.pairs()?.into_iter().find(|(k, _)| k.text() == Some(key.as_bytes()))?;
        Some(found.1)
    }

    /// One line for reports, with the wire type visible.
    pub fn show(&self) -> String {
        let list = |items: &[Value]| items.iter().map(Value::show).collect::<Vec<_>>().join(", ");
        let map = |pairs: &[(Value, Value)]| {
            let shown = pairs.iter().map(|(k, v)| format!("{} => {}", k.show(), v.show()));
            shown.collect::<Vec<_>>().join(", ")
        };
        match self {
            Value::Simple(bytes) => format!("+{}", escaped(bytes)),
            Value::Error(bytes) => format!("-{}", escaped(bytes)),
            Value::Integer(n) => format!(":{n}"),
            Value::Bulk(bytes) => {
                let shown = printable(bytes);
                if shown.starts_with('"') { shown } else { format!("\"{shown}\"") }
            }
            Value::NullBulk => "$-1 (null bulk)".to_owned(),
            Value::NullArray => "*-1 (null array)".to_owned(),
            Value::Null => "_ (null)".to_owned(),
            Value::Boolean(b) => format!("#{b}"),
            Value::Double(bytes) => format!(",{}", String::from_utf8_lossy(bytes)),
            Value::BigNumber(bytes) => format!("({}", String::from_utf8_lossy(bytes)),
            Value::Verbatim(bytes) => format!("={}", printable(bytes)),
            Value::BlobError(bytes) => format!("!{}", printable(bytes)),
            Value::Array(items) => format!("[{}]", list(items)),
            Value::Map(pairs) => format!("%{{{}}}", map(pairs)),
            Value::Set(items) => format!("~{{{}}}", list(items)),
            Value::Push(items) => format!(">[{}]", list(items)),
            Value::Attribute(pairs, value) => format!("|{{{}}} {}", map(pairs), value.show()),
            Value::Odd(bytes) => format!("?{}", printable(bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_types_stay_apart() {
        assert_ne!(Value::parse(b"+OK\r\n"), Value::parse(b"$2\r\nOK\r\n"));
        assert_ne!(Value::parse(b"$-1\r\n"), Value::parse(b"_\r\n"));
        assert_ne!(Value::parse(b"*-1\r\n"), Value::parse(b"*0\r\n"));
        assert_eq!(Value::parse(b":x\r\n"), Value::Odd(b":x".to_vec()));
    }

    #[test]
    fn a_map_reads_the_same_in_both_protocols() {
        let resp2 = Value::parse(b"*2\r\n$1\r\na\r\n:1\r\n");
        let resp3 = Value::parse(b"%1\r\n$1\r\na\r\n:1\r\n");
        assert_eq!(resp2.get("a"), Some(Value::Integer(1)));
        assert_eq!(resp3.get("a"), Some(Value::Integer(1)));
    }

    #[test]
    fn a_value_gives_back_the_bytes_it_came_from() {
        let raw = b"*5\r\n$1\r\na\r\n*-1\r\n%1\r\n+k\r\n,1.5\r\n~1\r\n#t\r\n-ERR x\r\n";
        assert_eq!(Value::parse(raw).to_raw(), raw);
    }

    #[test]
    fn nested_replies_show_on_one_line() {
        let value = Value::parse(b"*3\r\n$1\r\na\r\n*-1\r\n%1\r\n+k\r\n,1.5\r\n");
        assert_eq!(value.show(), "[\"a\", *-1 (null array), %{+k => ,1.5}]");
    }
}
