//! Numbers in and out of text, by Redis' rules.
//!
//! Integers have exactly one spelling: no plus, no leading zeros, no `-0`, no spaces. Floats are what C's
//! `strtod` takes when it must take all of the text and the text does not begin with a space:
//! decimal, hexadecimal (`0x1.8p3`), `inf`, `infinity`; but not NaN, and not a number too large for the
//! type or one that vanishes to zero. For INCRBYFLOAT's arithmetic see [`crate::long_double`].

use rustc_apfloat::ieee::Double;
use rustc_apfloat::{Float, Round};

/// The integer that `text` spells, or `None`. O(length), at most 20 bytes are looked at.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', b'1'..=b'9', ..] => 0i64.checked_sub_unsigned(parse_u64(&text[1..])?),
        _ => i64::try_from(parse_u64(text)?).ok(),
    }
}

/// The unsigned integer that `text` spells (the whole range of `u64`), or `None`.
#[inline]
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    match text {
        [b'0'] => return Some(0),
        [b'1'..=b'9', ..] if text.len() <= 20 => {}
        _ => return None,
    }
    let mut value: u64 = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// Appends a float the way Redis 7.2 replies with it: `inf`, `-inf`, `nan`; whole numbers up to 2^62
/// without a dot or exponent; else the shortest digits that read back as the same number, as
/// `0.1`, `1.5e-7` or `1e+300`. O(1), at most 25 bytes.
pub fn write_f64(value: f64, out: &mut Vec<u8>) {
    const WHOLE_MAX: f64 = (i64::MAX / 2) as f64;
    if value.is_nan() {
        out.extend_from_slice(b"nan");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"inf" } else { b"-inf" });
    } else if value == 0.0 {
        out.extend_from_slice(if value.is_sign_negative() { b"-0" } else { b"0" });
    } else if value.abs() <= WHOLE_MAX && value.trunc() == value {
        out.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
    } else {
        write_shortest(value, out);
    }
}

/// Appends a finite number other than zero by its shortest digits. With the decimal point left out
/// the number is `digits` × 10^`power`; where few zeros are needed they are written, else an exponent is.
fn write_shortest(value: f64, out: &mut Vec<u8>) {
    let text = format!("{:e}", value.abs());
    let (mantissa, exponent) = text.split_once('e').expect("`{:e}` always has an exponent");
    let exponent: i32 = exponent.parse().expect("`{:e}` writes the exponent as an integer");
    let digits: Vec<u8> = mantissa.bytes().filter(|byte| *byte != b'.').collect();
    let power = exponent + 1 - digits.len() as i32;
    if value < 0.0 {
        out.push(b'-');
    }
    if power >= 0 && exponent < digits.len() as i32 + 7 {
        out.extend_from_slice(&digits);
        out.resize(out.len() + power as usize, b'0');
    } else if power < 0 && (power > -7 || exponent.abs() < 4) {
        let (whole, zeros) = match usize::try_from(exponent + 1) {
            Ok(whole) => (whole, 0),
            Err(_) => (0, exponent.unsigned_abs() as usize - 1),
        };
        out.extend_from_slice(if whole == 0 { b"0" } else { &digits[..whole] });
        out.push(b'.');
        out.resize(out.len() + zeros, b'0');
        out.extend_from_slice(&digits[whole..]);
    } else {
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        out.extend_from_slice(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
    }
}

/// The float that `text` spells, or `None`. Never NaN. O(length); a hexadecimal spelling of more than
/// [`HEX_FLOAT_BYTES_MAX`] bytes is refused, which Redis would take.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    // Most are whole and small, which is exact.
    if text.len() < 16
        && let Some(number) = parse_i64(text)
    {
        return Some(number as f64);
    }
    parse_any_f64(text)
}

fn parse_any_f64(text: &[u8]) -> Option<f64> {
    let value = match FloatText::of(text)? {
        FloatText::Infinity { negative: false } => return Some(f64::INFINITY),
        FloatText::Infinity { negative: true } => return Some(f64::NEG_INFINITY),
        FloatText::Decimal(decimal) => decimal.parse::<f64>().ok()?,
        FloatText::Hexadecimal(hex) => f64::from_bits(parse_hex::<Double>(hex)?.to_bits() as u64),
    };
    let vanished = value == 0.0 && !spells_zero(text);
    (value.is_finite() && !vanished).then_some(value)
}

/// Bytes of the longest hexadecimal float taken.
pub const HEX_FLOAT_BYTES_MAX: usize = 5 * 1024;

/// What kind of float a text spells, judged by its grammar alone.
pub(crate) enum FloatText<'a> {
    /// `inf` or `infinity` in any case.
    Infinity { negative: bool },
    /// Digits with at most one dot, a sign before and an exponent behind perhaps.
    Decimal(&'a str),
    /// The same with `0x` before the digits and a binary exponent (`p3`).
    Hexadecimal(&'a str),
}

impl FloatText<'_> {
    /// The kind of `text`; `None` when it is no float, or NaN.
    pub(crate) fn of(text: &[u8]) -> Option<FloatText<'_>> {
        let negative = text.first() == Some(&b'-');
        let unsigned = match text {
            [b'+' | b'-', rest @ ..] => rest,
            _ => text,
        };
        if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") {
            return Some(FloatText::Infinity { negative });
        }
        let whole = std::str::from_utf8(text).ok()?;
        match unsigned {
            [b'0', b'x' | b'X', digits @ ..] => {
                let fits = text.len() <= HEX_FLOAT_BYTES_MAX;
                (fits && is_number(digits, u8::is_ascii_hexdigit, b'p'))
                    .then_some(FloatText::Hexadecimal(whole))
            }
            _ => is_number(unsigned, u8::is_ascii_digit, b'e').then_some(FloatText::Decimal(whole)),
        }
    }
}

/// Whether `text` is digits with at most one dot and at least one digit, then perhaps `mark` (of
/// either case) and a decimal exponent.
fn is_number(text: &[u8], is_digit: fn(&u8) -> bool, mark: u8) -> bool {
    let end = text.iter().position(|byte| !is_digit(byte) && *byte != b'.').unwrap_or(text.len());
    let (mantissa, behind) = text.split_at(end);
    let dots = mantissa.iter().filter(|byte| **byte == b'.').count();
    let exponent_is_good = match behind {
        [] => true,
        [found, exponent @ ..] if found.eq_ignore_ascii_case(&mark) => {
            let digits = match exponent {
                [b'+' | b'-', digits @ ..] => digits,
                _ => exponent,
            };
            !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    };
    dots <= 1 && mantissa.len() > dots && exponent_is_good
}

/// Whether a text that is a float has only zeros before its exponent.
pub(crate) fn spells_zero(text: &[u8]) -> bool {
    let is_hex = text.iter().take(3).any(|byte| matches!(byte, b'x' | b'X'));
    text.iter()
        .take_while(|byte| !(matches!(byte, b'p' | b'P') || !is_hex && matches!(byte, b'e' | b'E')))
        .all(|byte| matches!(byte, b'0' | b'.' | b'x' | b'X' | b'+' | b'-'))
}

/// Reads a hexadecimal float of the grammar above, rounding to nearest even.
pub(crate) fn parse_hex<F: Float>(text: &str) -> Option<F> {
    let has_exponent = text.bytes().any(|byte| matches!(byte, b'p' | b'P'));
    let full = format!("{text}{}", if has_exponent { "" } else { "p0" });
    Some(F::from_str_r(&full, Round::NearestTiesToEven).ok()?.value)
}

/// A double with up to 17 significant digits, as C's `%.17g` prints it.
pub fn seventeen_digits(number: f64) -> String {
    const DIGITS: i32 = 17;
    if !number.is_finite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{:.*e}", DIGITS as usize - 1, number);
    let (mantissa, exponent) = scientific.split_once('e').expect("a number in this notation");
    let exponent: i32 = exponent.parse().expect("an exponent");
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..DIGITS).contains(&exponent) {
        return trimmed(&format!("{:.*}", (DIGITS - 1 - exponent) as usize, number));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_have_seventeen_digits_as_in_c() {
        for (number, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.10000000000000001"),
            (1e17, "1e+17"),
            (123456789012345678.0, "1.2345678901234568e+17"),
            (12345678901234567.0, "12345678901234568"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(seventeen_digits(number), text);
        }
    }
}
