//! What a script is made of, and how it reads in a report.

use std::time::Duration;

use crate::wire::printable;

/// One step of a script. Steps are independent, so that shrinking may drop any of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// One request on one of the episode's connections. Neighbours on one connection are pipelined.
    Command { conn: usize, args: Vec<Vec<u8>> },
    /// Bytes on a fresh connection, a pause between the pieces; every reply and whether it closes is compared.
    Raw { pieces: Vec<Vec<u8>> },
    /// A whole SCAN iteration with these options; the collected sets are compared.
    Scan { conn: usize, options: Vec<Vec<u8>> },
    /// RANDOMKEY; each side's key must exist on the other.
    RandomKey { conn: usize },
    /// Requests, a wait in which a key expires, and requests; all replies are compared.
    Lapse { conn: usize, before: Vec<Vec<Vec<u8>>>, wait: Duration, after: Vec<Vec<Vec<u8>>> },
    /// Compares every key of every database: type, value, encoding, time to live.
    Sweep,
}

impl Action {
    /// How many requests it counts as.
    pub fn requests(&self) -> usize {
        match self {
            Action::Command { .. } | Action::Scan { .. } | Action::RandomKey { .. } => 1,
            Action::Raw { pieces } => pieces.len(),
            Action::Lapse { before, after, .. } => before.len() + after.len(),
            Action::Sweep => 0,
        }
    }

    /// The step as lines of a report.
    pub fn show(&self) -> String {
        match self {
            Action::Command { conn, args } => format!("[{conn}] {}", line(args)),
            Action::Raw { pieces } => {
                let pieces: Vec<_> = pieces.iter().map(|piece| printable(piece)).collect();
                format!("[new] raw bytes {}", pieces.join(" + "))
            }
            Action::Scan { conn, options } => {
                format!("[{conn}] SCAN 0 {} until done", line(options))
            }
            Action::RandomKey { conn } => format!("[{conn}] RANDOMKEY"),
            Action::Lapse { conn, before, wait, after } => {
                let mut lines: Vec<_> =
                    before.iter().map(|args| format!("[{conn}] {}", line(args))).collect();
                lines.push(format!("    (wait {} ms)", wait.as_millis()));
                lines.extend(after.iter().map(|args| format!("[{conn}] {}", line(args))));
                lines.join("\n")
            }
            Action::Sweep => "    (compare all keys)".to_owned(),
        }
    }
}

/// A request as one would type it.
pub fn line(args: &[Vec<u8>]) -> String {
    args.iter().map(|arg| printable(arg)).collect::<Vec<_>>().join(" ")
}

/// Splits lines as redis-cli does (quotes, `\xHH`), for `replay`. A leading `@N` names the connection.
pub fn parse(text: &str) -> Result<Vec<Action>, String> {
    let mut actions = Vec::new();
    for line in text.lines().flat_map(|line| line.split(';')).map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut args = words(line)?;
        let conn = match args.first().and_then(|word| word.strip_prefix(b"@")) {
            Some(digits) => {
                let digits = String::from_utf8_lossy(digits).into_owned();
                args.remove(0);
                digits.parse().map_err(|_| format!("no connection number: {digits}"))?
            }
            None => 0,
        };
        if conn >= crate::r#gen::CONNECTIONS {
            return Err(format!("connections are 0 to {}", crate::r#gen::CONNECTIONS - 1));
        }
        if !args.is_empty() {
            actions.push(Action::Command { conn, args });
        }
    }
    Ok(actions)
}

/// The words of one request as [`line`] writes them.
pub fn words(line: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut bytes = line.bytes().peekable();
    let mut words = Vec::new();
    while let Some(&byte) = bytes.peek() {
        if byte == b' ' {
            bytes.next();
            continue;
        }
        let mut word = Vec::new();
        if byte == b'"' {
            bytes.next();
            loop {
                match bytes.next().ok_or("a quote is not closed")? {
                    b'"' => break,
                    b'\\' => word.push(match bytes.next().ok_or("a quote is not closed")? {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'x' => {
                            let hex: String = bytes.by_ref().take(2).map(char::from).collect();
                            u8::from_str_radix(&hex, 16).map_err(|_| format!("bad \\x{hex}"))?
                        }
                        other => other,
                    }),
                    other => word.push(other),
                }
            }
        } else {
            while let Some(byte) = bytes.next_if(|byte| *byte != b' ') {
                word.push(byte);
            }
        }
        words.push(word);
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_request_reads_back() {
        let args = vec![b"SET".to_vec(), b"a b\r\n\0\xff\"\\".to_vec(), Vec::new()];
        let actions = parse(&line(&args)).expect("reads back");
        assert_eq!(actions, vec![Action::Command { conn: 0, args }]);
    }

    #[test]
    fn several_requests_and_connections_read_from_one_line() {
        let actions = parse("SET k v; @1 GET k").expect("reads");
        assert_eq!(actions.len(), 2);
        assert!(matches!(&actions[1], Action::Command { conn: 1, args } if args.len() == 2));
    }
}
