//! How a line of a configuration file becomes words, and a word becomes text again.
//!
//! The rules are those of redis.conf: words are separated by white space; double quotes know the
//! escapes `\n \r \t \a \b \xHH` and `\` before anything else; single quotes know `\'` only; a
//! closing quote must end its word.

/// Cuts a line into words. `None` when quotes are not balanced.
pub fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line.trim_ascii_start();
    while !rest.is_empty() {
        let (word, after) = next_word(rest)?;
        words.push(word);
        rest = after.trim_ascii_start();
    }
    Some(words)
}

/// The first word of a text that does not begin with white space, and what follows it.
fn next_word(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        match byte {
            b'"' | b'\'' => {
                let after = quoted(*byte, tail, &mut word)?;
                let ends = after.first().is_none_or(u8::is_ascii_whitespace);
                return ends.then_some((word, after));
            }
            byte if byte.is_ascii_whitespace() => break,
            byte => {
                word.push(*byte);
                rest = tail;
            }
        }
    }
    Some((word, rest))
}

/// Reads up to the closing quote; gives what follows it.
fn quoted<'a>(quote: u8, mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [] => return None,
            [byte, tail @ ..] if *byte == quote => return Some(tail),
            [b'\\', b'\'', tail @ ..] if quote == b'\'' => {
                word.push(b'\'');
                rest = tail;
            }
            [b'\\', b'x', high, low, tail @ ..]
                if quote == b'"' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                word.push(hex(*high) << 4 | hex(*low));
                rest = tail;
            }
            [b'\\', escaped, tail @ ..] if quote == b'"' => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                rest = tail;
            }
            [byte, tail @ ..] => {
                word.push(*byte);
                rest = tail;
            }
        }
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit.to_ascii_lowercase() - b'a' + 10,
    }
}

/// The word in double quotes, so that [`words`] gives it back whatever its bytes.
pub fn quote(word: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in word {
        match byte {
            b'"' | b'\\' => text.extend(['\\', *byte as char]),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            0x07 => text.push_str("\\a"),
            0x08 => text.push_str("\\b"),
            b' '..=b'~' => text.push(*byte as char),
            other => text.push_str(&format!("\\x{other:02x}")),
        }
    }
    text.push('"');
    text
}

/// The word bare where that is safe, else in double quotes.
pub fn quote_if_needed(word: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\' | b'#');
    match std::str::from_utf8(word) {
        Ok(text) if !word.is_empty() && word.iter().all(plain) => text.to_owned(),
        _ => quote(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(line: &str) -> Option<Vec<String>> {
        let words = words(line.as_bytes())?;
        Some(words.into_iter().map(|word| String::from_utf8_lossy(&word).into_owned()).collect())
    }

    fn given(words: &[&str]) -> Option<Vec<String>> {
        Some(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn words_are_cut_at_white_space() {
        assert_eq!(cut("  hz \t 10\r"), given(&["hz", "10"]));
        assert_eq!(cut(""), given(&[]));
        assert_eq!(cut(" \t "), given(&[]));
    }

    #[test]
    fn quotes_keep_spaces_and_know_their_escapes() {
        assert_eq!(cut(r#"a "b c" 'd e' """#), given(&["a", "b c", "d e", ""]));
        assert_eq!(cut(r#""\x41\n\t\"\\\q""#), given(&["A\n\t\"\\q"]));
        assert_eq!(cut(r"'\'\n\x41'"), given(&[r"'\n\x41"]));
        assert_eq!(cut(r#""\xzz""#), given(&["xzz"]));
    }

    #[test]
    fn unbalanced_quotes_and_text_glued_to_a_quote_are_refused() {
        for line in [r#"hz "10"#, r#"hz "10"x"#, "hz '10", r#"a "b\"#, r#""\""#] {
            assert_eq!(cut(line), None, "{line}");
        }
    }

    #[test]
    fn a_quoted_word_is_read_back_whatever_its_bytes() {
        let every: Vec<u8> = (0..=255).collect();
        assert_eq!(words(quote(&every).as_bytes()), Some(vec![every.clone()]));
        for word in [b"".as_slice(), b"plain", b"two words", b"#hash", b"q\"uote", b"\xff"] {
            assert_eq!(words(quote_if_needed(word).as_bytes()), Some(vec![word.to_vec()]));
        }
        assert_eq!(quote_if_needed(b"-::1"), "-::1");
    }
}
