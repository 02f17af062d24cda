//! Cursors and options of SCAN, HSCAN, SSCAN and ZSCAN.

use crate::{Args, Failure};
use resp::glob;
use resp::write::Writer;
use store::{Kind, Str};

/// A text that is no cursor.
pub const INVALID_CURSOR: Failure = Failure::new("ERR invalid cursor");

/// Elements that a call looks for when nothing is said.
const COUNT: usize = 10;

/// What a walk over the elements of one key was told.
#[derive(Debug)]
pub struct WalkOptions<'a> {
    /// About how many elements to look at.
    pub count: usize,
    /// The word that makes the reply shorter was said.
    pub bare: bool,
    /// The type that keys must have.
    kind: Option<&'a [u8]>,
    pattern: Option<&'a [u8]>,
}

impl<'a> WalkOptions<'a> {
    /// Reads MATCH, COUNT and `bare` (a word of its own) of a walk over the elements of a key, from argument 3 on.
    pub fn of_elements(args: &Args<'a>, bare: Option<&str>) -> Result<WalkOptions<'a>, Failure> {
        WalkOptions::parse(args, 3, bare, false)
    }

    /// Reads MATCH, COUNT and TYPE of a walk over keys, from argument 2 on.
    pub fn of_keys(args: &Args<'a>) -> Result<WalkOptions<'a>, Failure> {
        WalkOptions::parse(args, 2, None, true)
    }

    fn parse(
        args: &Args<'a>,
        first: usize,
        bare: Option<&str>,
        typed: bool,
    ) -> Result<WalkOptions<'a>, Failure> {
        let mut options = WalkOptions { count: COUNT, bare: false, kind: None, pattern: None };
        let mut position = first;
        while position < args.len() {
            if bare.is_some_and(|word| args.is(position, word)) {
                options.bare = true;
                position += 1;
                continue;
            }
            let operand = args.try_get(position + 1).ok_or(Failure::SYNTAX)?;
            if args.is(position, "COUNT") {
                let count = args.integer(position + 1).ok_or(Failure::NOT_INTEGER)?;
                let count = usize::try_from(count).ok().filter(|count| *count > 0);
                options.count = count.ok_or(Failure::SYNTAX)?;
            } else if args.is(position, "MATCH") {
                options.pattern = (operand != b"*").then_some(operand);
            } else if typed && args.is(position, "TYPE") {
                options.kind = Some(operand);
            } else {
                return Err(Failure::SYNTAX);
            }
            position += 2;
        }
        Ok(options)
    }

    /// Whether an element is asked for.
    pub fn fits(&self, element: Str<'_>) -> bool {
        self.pattern.is_none_or(|pattern| {
            glob::matches(pattern, element.as_bytes(&mut itoa::Buffer::new()))
        })
    }

    /// Whether keys of this type are asked for.
    pub fn fits_kind(&self, kind: Kind) -> bool {
        self.kind.is_none_or(|name| kind.name().as_bytes().eq_ignore_ascii_case(name))
    }
}

/// Replies that there is nothing to walk over.
pub fn reply_nothing(reply: &mut Writer<'_>) {
    reply.array(2);
    reply.bulk(b"0");
    reply.array(0);
}

/// Replies with a step of a walk: `step` writes elements and gives the next cursor and how many it wrote. The
/// cursor stands before the elements and is known after them.
pub fn reply_step(reply: &mut Writer<'_>, step: impl FnOnce(&mut Writer<'_>) -> (u64, usize)) {
    let mut elements = Vec::new();
    let (next, shown) = step(&mut Writer::new(&mut elements, reply.protocol()));
    reply.array(2);
    reply.bulk(itoa::Buffer::new().format(next).as_bytes());
    reply.array(shown);
    reply.raw(&elements);
}

/// Reads a cursor as C's `strtoul` does, by which Redis reads it: a sign is allowed (and `-1` is
/// 2^64 - 1), nothing at all is 0, a NUL byte ends the text; but no blank, and no overflow.
pub fn parse_cursor(text: &[u8]) -> Option<u64> {
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    let text = &text[..end];
    let (negative, digits) = match text {
        [] => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut number: u64 = 0;
    for digit in digits {
        number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    Some(if negative { number.wrapping_neg() } else { number })
}
