//! The patterns of KEYS, SCAN MATCH, CONFIG GET, PSUBSCRIBE and ACL rules.
//!
//! `*` is any bytes, `?` one byte, `[a-z]` one of a class, `[^…]` one not of it, `\` takes the meaning of
//! what follows. Every element but `*` takes exactly one byte, so when an attempt fails it is enough
//! to let the *last* `*` take one byte more: earlier ones need no second look. That makes matching
//! O(pattern × text) at worst without recursion, where trying every split is exponential.
//!
//! Odd patterns mean what they mean to Redis (observed, see `examples/oracle.rs`): a class that is not
//! closed ends with the pattern; a `\` at the end is a backslash; `[z-a]` is `[a-z]`; in `[a-]` the range
//! ends at `]`; in ranges the bytes from 0x80 on come before all others, as C's signed `char` on x86-64
//! has it; the empty text is matched by the empty pattern and by `*` alone, not by `**`.

/// Whether `text` as a whole matches `pattern`; bytes are compared as they are.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    glob(pattern, text, |byte| byte)
}

/// Whether `text` as a whole matches `pattern`, ASCII letters of either case being the same.
pub fn matches_nocase(pattern: &[u8], text: &[u8]) -> bool {
    glob(pattern, text, |byte| byte.to_ascii_lowercase())
}

fn glob(pattern: &[u8], text: &[u8], fold: impl Fn(u8) -> u8 + Copy) -> bool {
    if text.is_empty() {
        return pattern.is_empty() || pattern == b"*";
    }
    let (mut p, mut t) = (0, 0);
    // Behind the last `*`: where the pattern goes on, and which byte it was last tried at.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            if p == pattern.len() {
                return true;
            }
            retry = Some((p, t));
            continue;
        }
        match one(&pattern[p..], text[t], fold) {
            Some(width) => {
                p += width;
                t += 1;
            }
            None => match retry {
                Some((behind, tried)) => {
                    retry = Some((behind, tried + 1));
                    (p, t) = (behind, tried + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Whether the first element of `pattern`, which is not a `*`, takes `byte`: its width if so.
fn one(pattern: &[u8], byte: u8, fold: impl Fn(u8) -> u8 + Copy) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => {
            let (found, width) = in_class(class, byte, fold);
            found.then_some(width + 1)
        }
        [b'\\', literal, ..] => (fold(*literal) == fold(byte)).then_some(2),
        [literal, ..] => (fold(*literal) == fold(byte)).then_some(1),
    }
}

/// Whether the class, given from behind its `[`, holds `byte`; and its width up to and with its `]`.
fn in_class(class: &[u8], byte: u8, fold: impl Fn(u8) -> u8 + Copy) -> (bool, usize) {
    let negated = class.first() == Some(&b'^');
    let mut rest = &class[usize::from(negated)..];
    let byte = fold(byte);
    let mut found = false;
    loop {
        rest = match rest {
            [] => return (found != negated, class.len()),
            [b'\\', literal, behind @ ..] => {
                found |= fold(*literal) == byte;
                behind
            }
            [b']', behind @ ..] => return (found != negated, class.len() - behind.len()),
            [low, b'-', high, behind @ ..] => {
                // The ends are put in order first, then folded, as in Redis.
                let (low, high) = (*low as i8, *high as i8);
                let (low, high) =
                    (fold(low.min(high) as u8) as i8, fold(low.max(high) as u8) as i8);
                found |= (low..=high).contains(&(byte as i8));
                behind
            }
            [literal, behind @ ..] => {
                found |= fold(*literal) == byte;
                behind
            }
        };
    }
}
