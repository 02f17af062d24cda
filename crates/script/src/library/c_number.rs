//! Numbers as C's `strtod` reads them: decimal and hexadecimal, `inf` and `nan`.

/// The number that `text` begins with, and its length.
pub fn parse(text: &[u8]) -> Option<(f64, usize)> {
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let negative = text.first() == Some(&b'-');
    let body = &text[sign..];
    let (value, len) = match body {
        _ if starts(body, b"infinity") => (f64::INFINITY, 8),
        _ if starts(body, b"inf") => (f64::INFINITY, 3),
        _ if starts(body, b"nan") => (f64::NAN, 3),
        _ => hexadecimal(body).or_else(|| decimal(body))?,
    };
    Some((if negative { -value } else { value }, sign + len))
}

fn starts(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word))
}

fn run(text: &[u8], is_digit: impl Fn(&u8) -> bool) -> usize {
    text.iter().position(|byte| !is_digit(byte)).unwrap_or(text.len())
}

/// The length of an exponent that begins with `letter`, 0 if there is none.
fn exponent(text: &[u8], letter: u8) -> usize {
    if text.first().map(u8::to_ascii_lowercase) != Some(letter) {
        return 0;
    }
    let sign = usize::from(matches!(text.get(1), Some(b'+' | b'-')));
    match run(&text[1 + sign..], u8::is_ascii_digit) {
        0 => 0,
        digits => 1 + sign + digits,
    }
}

fn decimal(text: &[u8]) -> Option<(f64, usize)> {
    let whole = run(text, u8::is_ascii_digit);
    let mut len = whole;
    if text.get(len) == Some(&b'.') {
        let fraction = run(&text[len + 1..], u8::is_ascii_digit);
        if whole + fraction == 0 {
            return None;
        }
        len += 1 + fraction;
    } else if whole == 0 {
        return None;
    }
    len += exponent(&text[len..], b'e');
    std::str::from_utf8(&text[..len]).ok()?.parse().ok().map(|value| (value, len))
}

fn hexadecimal(text: &[u8]) -> Option<(f64, usize)> {
    if !starts(text, b"0x") {
        return None;
    }
    let (mut value, mut scale, mut digits, mut len) = (0.0_f64, 0_i32, 0, 2);
    let mut behind_point = false;
    while let Some(&byte) = text.get(len) {
        match char::from(byte).to_digit(16) {
            Some(digit) => {
                value = value * 16.0 + f64::from(digit);
                scale -= if behind_point { 4 } else { 0 };
                digits += 1;
            }
            None if byte == b'.' && !behind_point => behind_point = true,
            None => break,
        }
        len += 1;
    }
    if digits == 0 {
        return None;
    }
    let power = exponent(&text[len..], b'p');
    if power > 0 {
        let written = std::str::from_utf8(&text[len + 1..len + power]).ok()?;
        scale = scale.saturating_add(written.parse().unwrap_or(0));
        len += power;
    }
    Some((value * 2.0_f64.powi(scale), len))
}
