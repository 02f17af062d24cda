//! JSON to Lua.

use super::{DEPTH_CAP, Settings};
use crate::errors::positioned;
use mlua::{Lua, Value};

/// The value that a text spells.
pub fn decode(lua: &Lua, settings: Settings, text: &[u8]) -> mlua::Result<Value> {
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err(positioned(lua, "JSON parser does not support UTF-16 or UTF-32"));
    }
    let mut decoder = Decoder { lua, settings, text, at: 0, depth: 0 };
    let (at, token) = decoder.token();
    let value = decoder.value(at, token)?;
    let (at, token) = decoder.token();
    match token {
        Token::End => Ok(value),
        token => Err(decoder.expected("the end", at, &token)),
    }
}

enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    /// What is wrong with it.
    Bad(&'static str),
}

impl Token {
    fn name(&self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::String(_) => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Bad(what) => what,
        }
    }
}

struct Decoder<'a> {
    lua: &'a Lua,
    settings: Settings,
    text: &'a [u8],
    at: usize,
    depth: u32,
}

impl Decoder<'_> {
    fn expected(&self, what: &str, at: usize, found: &Token) -> mlua::Error {
        let found = found.name();
        positioned(self.lua, format!("Expected {what} but found {found} at character {}", at + 1))
    }

    fn peek(&self) -> u8 {
        // Behind the text there is a zero, as behind C's strings.
        self.text.get(self.at).copied().unwrap_or(0)
    }

    /// The next token and where it, or what is wrong with it, begins.
    fn token(&mut self) -> (usize, Token) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        let at = self.at;
        let single = match self.peek() {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b':' => Token::Colon,
            b',' => Token::Comma,
            0 => return (at, Token::End),
            b'"' => return self.string(),
            byte => return (at, self.word(byte)),
        };
        self.at += 1;
        (at, single)
    }

    fn word(&mut self, first: u8) -> Token {
        let rest = &self.text[self.at..];
        if first == b'-' || first.is_ascii_digit() {
            if !self.settings.decode_invalid && is_invalid(rest) {
                return Token::Bad("invalid number");
            }
            return self.number().unwrap_or(Token::Bad("invalid number"));
        }
        for (word, token) in [
            ("true", Token::Boolean(true)),
            ("false", Token::Boolean(false)),
            ("null", Token::Null),
        ] {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return token;
            }
        }
        let invalid = matches!(first, b'+' | b'i' | b'I' | b'n' | b'N');
        if invalid && self.settings.decode_invalid && is_invalid(rest) {
            return self.number().unwrap_or(Token::Bad("invalid token"));
        }
        Token::Bad("invalid token")
    }

    fn number(&mut self) -> Option<Token> {
        let (number, len) = super::super::c_number::parse(&self.text[self.at..])?;
        self.at += len;
        Some(Token::Number(number))
    }

    fn string(&mut self) -> (usize, Token) {
        let start = self.at;
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let at = self.at;
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return (start, Token::String(out));
                }
                0 => return (at, Token::Bad("unexpected end of string")),
                b'\\' => {
                    self.at += 1;
                    let escaped = self.peek();
                    let plain = match escaped {
                        b'"' | b'\\' | b'/' => escaped,
                        b'b' => 8,
                        b't' => 9,
                        b'n' => 10,
                        b'f' => 12,
                        b'r' => 13,
                        b'u' => {
                            let Some(letter) = self.unicode(at) else {
                                return (at, Token::Bad("invalid unicode escape code"));
                            };
                            let mut room = [0; 4];
                            out.extend_from_slice(letter.encode_utf8(&mut room).as_bytes());
                            continue;
                        }
                        _ => return (at, Token::Bad("invalid escape code")),
                    };
                    out.push(plain);
                    self.at += 1;
                }
                byte => {
                    out.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    fn unit(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |code, &digit| Some(code * 16 + char::from(digit).to_digit(16)?))
    }

    /// The letter of an escape that begins at `at`.
    fn unicode(&mut self, at: usize) -> Option<char> {
        let high = self.unit(at)?;
        self.at = at + 6;
        if (high & 0xf800) != 0xd800 {
            return char::from_u32(high);
        }
        let low = self.unit(at + 6)?;
        if high & 0x400 != 0 || low & 0xfc00 != 0xdc00 {
            return None;
        }
        self.at = at + 12;
        char::from_u32(0x10000 + ((high & 0x3ff) << 10 | low & 0x3ff))
    }

    fn value(&mut self, at: usize, token: Token) -> mlua::Result<Value> {
        match token {
            Token::String(text) => Ok(Value::String(self.lua.create_string(text)?)),
            Token::Number(number) => Ok(Value::Number(number)),
            Token::Boolean(value) => Ok(Value::Boolean(value)),
            Token::Null => Ok(Value::NULL),
            Token::ObjectBegin => self.object(),
            Token::ArrayBegin => self.array(),
            other => Err(self.expected("value", at, &other)),
        }
    }

    fn descend(&mut self) -> mlua::Result<()> {
        self.depth += 1;
        if self.depth > self.settings.decode_depth.min(DEPTH_CAP) {
            let (depth, at) = (self.depth, self.at);
            let text = format!("Found too many nested data structures ({depth}) at character {at}");
            return Err(positioned(self.lua, text));
        }
        Ok(())
    }

    fn object(&mut self) -> mlua::Result<Value> {
        self.descend()?;
        let table = self.lua.create_table()?;
        let (mut at, mut token) = self.token();
        if !matches!(token, Token::ObjectEnd) {
            loop {
                let Token::String(key) = token else {
                    return Err(self.expected("object key string", at, &token));
                };
                match self.token() {
                    (_, Token::Colon) => {}
                    (at, other) => return Err(self.expected("colon", at, &other)),
                }
                let (value_at, value) = self.token();
                let value = self.value(value_at, value)?;
                table.raw_set(self.lua.create_string(key)?, value)?;
                match self.token() {
                    (_, Token::ObjectEnd) => break,
                    (_, Token::Comma) => (at, token) = self.token(),
                    (at, other) => return Err(self.expected("comma or object end", at, &other)),
                }
            }
        }
        self.depth -= 1;
        Ok(Value::Table(table))
    }

    fn array(&mut self) -> mlua::Result<Value> {
        self.descend()?;
        let table = self.lua.create_table()?;
        let (mut at, mut token) = self.token();
        if !matches!(token, Token::ArrayEnd) {
            for index in 1.. {
                let value = self.value(at, token)?;
                table.raw_set(index, value)?;
                match self.token() {
                    (_, Token::ArrayEnd) => break,
                    (_, Token::Comma) => (at, token) = self.token(),
                    (at, other) => return Err(self.expected("comma or array end", at, &other)),
                }
            }
        }
        self.depth -= 1;
        Ok(Value::Table(table))
    }
}

/// Whether a number is spelt as JSON does not: a plus, leading zeros, hexadecimal, infinite, none.
fn is_invalid(text: &[u8]) -> bool {
    let at = |index: usize| text.get(index).copied().unwrap_or(0);
    if at(0) == b'+' {
        return true;
    }
    let digits = &text[usize::from(at(0) == b'-').min(text.len())..];
    let digit = |index: usize| digits.get(index).copied().unwrap_or(0);
    match digit(0) {
        b'0' => matches!(digit(1) | 0x20, b'x') || digit(1).is_ascii_digit(),
        b'1'..=b'9' => false,
        _ => digits.get(..3).is_some_and(|word| {
            word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"nan")
        }),
    }
}
