//! The arithmetic of INCRBYFLOAT and HINCRBYFLOAT.
//!
//! On x86-64 Redis adds in C's `long double`: 64 bits of mantissa, 15 of exponent. So 0.1 + 0.2 prints as
//! `0.3` there, and a client may compare the text. This file gives the same digits on every machine:
//! the sum by a software float of that format, the text by exact integer arithmetic, rounded half to
//! even at 17 decimal places as glibc's `printf("%.17Lf")` does, then without trailing zeros.
//!
//! Decimal arithmetic would be nicer and would differ: 1e30 is 1000000000000000000024696061952 there.

use crate::number::{FloatText, parse_hex, spells_zero};
use rustc_apfloat::ieee::X87DoubleExtended;
use rustc_apfloat::{Float, Round};

/// Bytes of the longest spelling taken, as in Redis.
pub const LONG_DOUBLE_BYTES_MAX: usize = 5 * 1024 - 1;

/// Decimal places written at the most.
const PLACES: usize = 17;

/// 10 to the power of [`PLACES`]; below 2^57.
const PLACES_POWER: u128 = 100_000_000_000_000_000;

/// The bias of the exponent, and the mantissa's bits behind its first: value = mantissa × 2^(e - this).
const EXPONENT_BIAS: i32 = 16383 + 63;

/// A float with 64 bits of mantissa. Never NaN when parsed; a sum may be.
#[derive(Clone, Copy, Debug)]
pub struct LongDouble(X87DoubleExtended);

impl LongDouble {
    /// Zero.
    pub const ZERO: LongDouble = LongDouble(X87DoubleExtended::ZERO);

    /// The largest finite value.
    pub fn largest() -> LongDouble {
        LongDouble(X87DoubleExtended::largest())
    }

    /// The float that `text` spells, rounded to nearest even, or `None`: see [`crate::number`] for what
    /// is taken. `inf` is. O(length²) in theory, with [`LONG_DOUBLE_BYTES_MAX`] as bound.
    pub fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.len() > LONG_DOUBLE_BYTES_MAX {
            return None;
        }
        let infinity = X87DoubleExtended::INFINITY;
        let value = match FloatText::of(text)? {
            FloatText::Infinity { negative: false } => return Some(LongDouble(infinity)),
            FloatText::Infinity { negative: true } => return Some(LongDouble(-infinity)),
            FloatText::Decimal(decimal) => {
                X87DoubleExtended::from_str_r(decimal, Round::NearestTiesToEven).ok()?.value
            }
            FloatText::Hexadecimal(hex) => parse_hex::<X87DoubleExtended>(hex)?,
        };
        let vanished = value.is_zero() && !spells_zero(text);
        (value.is_finite() && !vanished).then_some(LongDouble(value))
    }

    /// Whether the value is neither infinite nor NaN; else INCRBYFLOAT answers with an error.
    pub fn is_finite(self) -> bool {
        self.0.is_finite()
    }

    /// A thousand times the value, rounded to nearest even and then up to the next integer: seconds as
    /// milliseconds. `None` outside of 64 bits.
    pub fn thousandfold_up(self) -> Option<i64> {
        let thousand = X87DoubleExtended::from_u128(1000).value;
        let product = self.0.mul_r(thousand, Round::NearestTiesToEven).value;
        let rounded = product.to_i128_r(128, Round::TowardPositive, &mut false);
        i64::try_from(rounded.value).ok().filter(|_| product.is_finite())
    }

    /// Appends the value with up to 17 decimal places and no trailing zeros, never with an exponent;
    /// zero of either sign is `0`. At most 4,952 bytes; O(digits²) for those beyond 2^128. What is not
    /// finite is written as `inf`, `-inf` or `nan`.
    pub fn write(self, out: &mut Vec<u8>) {
        if !self.0.is_finite() {
            let text = match (self.0.is_nan(), self.0.is_negative()) {
                (true, _) => &b"nan"[..],
                (false, true) => b"-inf",
                (false, false) => b"inf",
            };
            return out.extend_from_slice(text);
        }
        let bits = self.0.to_bits();
        let mantissa = bits as u64;
        let biased = (bits >> 64) as i32 & 0x7fff;
        let (whole, places) = split(mantissa, biased.max(1) - EXPONENT_BIAS);
        if self.0.is_negative() && (whole != b"0" || places != 0) {
            out.push(b'-');
        }
        out.extend_from_slice(&whole);
        write_places(places, out);
    }
}

impl PartialEq for LongDouble {
    fn eq(&self, other: &LongDouble) -> bool {
        self.0 == other.0
    }
}

impl PartialOrd for LongDouble {
    fn partial_cmp(&self, other: &LongDouble) -> Option<std::cmp::Ordering> {
        self.0.partial_cmp(&other.0)
    }
}

impl std::ops::Sub for LongDouble {
    type Output = LongDouble;

    /// The difference, rounded to nearest even; may be infinite or NaN.
    fn sub(self, other: LongDouble) -> LongDouble {
        LongDouble(self.0.sub_r(other.0, Round::NearestTiesToEven).value)
    }
}

impl std::ops::Neg for LongDouble {
    type Output = LongDouble;

    fn neg(self) -> LongDouble {
        LongDouble(-self.0)
    }
}

impl std::ops::Add for LongDouble {
    type Output = LongDouble;

    /// The sum, rounded to nearest even; may be infinite or NaN.
    fn add(self, other: LongDouble) -> LongDouble {
        LongDouble(self.0.add_r(other.0, Round::NearestTiesToEven).value)
    }
}

/// The digits of `mantissa` × 2^`power` before the point, and the 17 behind it as an integer, the whole
/// rounded half to even.
fn split(mantissa: u64, power: i32) -> (Vec<u8>, u128) {
    if power >= 0 {
        return (shifted_digits(mantissa, power as u32), 0);
    }
    let shift = power.unsigned_abs();
    // mantissa × 10^17 < 2^121: below half of the last place from here on.
    if shift >= 123 {
        return (b"0".to_vec(), 0);
    }
    let mut whole = u128::from(mantissa) >> shift;
    let scaled = (u128::from(mantissa) & ((1 << shift) - 1)) * PLACES_POWER;
    let (mut places, rest) = (scaled >> shift, scaled & ((1 << shift) - 1));
    let half = 1u128 << (shift - 1);
    if rest > half || (rest == half && places % 2 == 1) {
        places += 1;
    }
    if places == PLACES_POWER {
        places = 0;
        whole += 1;
    }
    (whole.to_string().into_bytes(), places)
}

/// The decimal digits of `mantissa` × 2^`shift`.
fn shifted_digits(mantissa: u64, shift: u32) -> Vec<u8> {
    if shift <= 64 {
        return (u128::from(mantissa) << shift).to_string().into_bytes();
    }
    const LIMB: u64 = 1_000_000_000;
    // Limbs of nine digits, lowest first; each round multiplies by up to 2^32.
    let mut limbs = vec![mantissa % LIMB, mantissa / LIMB % LIMB, mantissa / LIMB / LIMB];
    let mut left = shift;
    while left > 0 {
        let step = left.min(32);
        let mut carry = 0;
        for limb in &mut limbs {
            let product = (*limb << step) + carry;
            *limb = product % LIMB;
            carry = product / LIMB;
        }
        while carry > 0 {
            limbs.push(carry % LIMB);
            carry /= LIMB;
        }
        left -= step;
    }
    while limbs.len() > 1 && limbs.last() == Some(&0) {
        limbs.pop();
    }
    let mut text = limbs.pop().unwrap_or(0).to_string();
    for limb in limbs.iter().rev() {
        text.push_str(&format!("{limb:09}"));
    }
    text.into_bytes()
}

/// Writes `.` and 17 places without trailing zeros; nothing when they are all zero.
fn write_places(places: u128, out: &mut Vec<u8>) {
    if places > 0 {
        let text = format!("{places:0width$}", width = PLACES);
        out.push(b'.');
        out.extend_from_slice(text.trim_end_matches('0').as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(a: &str, b: &str) -> String {
        let parse = |text: &str| LongDouble::parse(text.as_bytes()).expect("a float");
        let mut out = Vec::new();
        (parse(a) + parse(b)).write(&mut out);
        String::from_utf8(out).expect("digits are ASCII")
    }

    #[test]
    fn values_compare_and_subtract_as_numbers() {
        let parse = |text: &str| LongDouble::parse(text.as_bytes()).expect("a float");
        assert!(parse("-1") < LongDouble::ZERO && LongDouble::ZERO == parse("-0"));
        assert!(
            parse("1e4932") <= LongDouble::largest() && -LongDouble::largest() < parse("-1e4932")
        );
        assert!(parse("inf") > LongDouble::largest());
        let mut out = Vec::new();
        (parse("0.3") - parse("0.1")).write(&mut out);
        assert_eq!(out, b"0.2");
    }

    #[test]
    fn sums_have_the_digits_of_a_64_bit_mantissa() {
        assert_eq!(sum("0.1", "0.2"), "0.3");
        assert_eq!(sum("10.5", "0.1"), "10.6");
        assert_eq!(sum("5.0e3", "200"), "5200");
        assert_eq!(sum("1e30", "0"), "1000000000000000000024696061952");
        assert_eq!(sum("123456789012345678", "0.1"), "123456789012345678.1015625");
        assert_eq!(sum("1", "-1"), "0");
        assert_eq!(sum("-0", "-0"), "0");
    }

    #[test]
    fn the_seventeenth_place_is_rounded_half_to_even_of_the_binary_value() {
        assert_eq!(sum("1e-17", "0"), "0.00000000000000001");
        assert_eq!(sum("2.5e-17", "0"), "0.00000000000000002");
        assert_eq!(sum("-4e-18", "0"), "0");
        assert_eq!(sum("1e-4950", "0"), "0");
        // 2^-18 has 18 places and ends in 5: a true tie.
        assert_eq!(sum("0x1p-18", "0"), "0.00000381469726562");
        assert_eq!(sum("0x3p-18", "0"), "0.00001144409179688");
        assert_eq!(sum("0.999999999999999999", "0"), "1");
    }

    #[test]
    fn spellings_are_taken_and_refused_as_redis_does() {
        for good in [
            "0",
            "-0.0",
            "+1",
            ".5",
            "5.",
            "1e+5",
            "0x.8",
            "0X1P2",
            "inf",
            "-Infinity",
            "1e4932",
            "0e99999999999",
        ] {
            assert!(LongDouble::parse(good.as_bytes()).is_some(), "{good}");
        }
        for bad in [
            "",
            "+",
            ".",
            "1e",
            "1e+",
            "0x",
            "0xp1",
            "infinit",
            "nan",
            " 1",
            "1 ",
            "1_0",
            "1e4933",
            "1e-4951",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "1\0",
            "1.5f",
            "0x1g",
            "1.2.3",
            "١",
        ] {
            assert!(LongDouble::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        let zeros = |count: usize| [vec![b'0'; count], b"1".to_vec()].concat();
        assert!(LongDouble::parse(&zeros(5118)).is_some());
        assert!(LongDouble::parse(&zeros(5119)).is_none());
    }

    #[test]
    fn infinite_sums_are_recognised() {
        let parse = |text: &str| LongDouble::parse(text.as_bytes()).expect("a float");
        assert!(!(parse("1.18e4932") + parse("1.18e4932")).is_finite());
        assert!(!(parse("inf") + parse("-inf")).is_finite());
        assert_eq!(sum("inf", "1"), "inf");
        assert_eq!(sum("inf", "-inf"), "nan");
    }
}
