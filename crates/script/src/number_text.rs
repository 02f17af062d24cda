//! Numbers as C's `printf("%.<precision>g")` spells them, which is how Lua and its libraries do.

use std::io::Write;

/// Digits of a number handed to `redis.call`.
pub const FULL_DIGITS: usize = 17;
/// Digits of a number that Lua makes a string of.
pub const LUA_DIGITS: usize = 14;

/// Appends `value` as `%.<precision>g`; `precision` is at least 1.
pub fn general(value: f64, precision: usize, out: &mut Vec<u8>) {
    if value.is_nan() {
        out.extend_from_slice(if value.is_sign_negative() { b"-nan" } else { b"nan" });
        return;
    }
    if value.is_infinite() {
        out.extend_from_slice(if value < 0.0 { b"-inf" } else { b"inf" });
        return;
    }
    // One digit, a point, the others, `e`, the exponent: rounded to nearest even as C does.
    let scientific = format!("{value:.*e}", precision - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= precision as i32 {
        out.extend_from_slice(without_zeros(mantissa).as_bytes());
        let sign = if exponent < 0 { '-' } else { '+' };
        // Writing to a vector cannot fail.
        let _ = write!(out, "e{sign}{:02}", exponent.abs());
    } else {
        let decimals = (precision as i32 - 1 - exponent).max(0) as usize;
        out.extend_from_slice(without_zeros(&format!("{value:.decimals$}")).as_bytes());
    }
}

/// Appends a number as an argument of a command: integers as such, others with 17 digits.
pub fn argument(value: f64, out: &mut Vec<u8>) {
    let whole = value as i64;
    if (whole as f64).to_bits() == value.to_bits() && whole.unsigned_abs() < 1_000_000_000_000_000 {
        out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
    } else {
        general(value, FULL_DIGITS, out);
    }
}

/// Leaves out zeros behind the point, and the point if nothing is left behind it.
fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: f64, precision: usize) -> String {
        let mut out = Vec::new();
        general(value, precision, &mut out);
        String::from_utf8(out).expect("digits")
    }

    #[test]
    fn numbers_are_spelt_as_c_spells_them() {
        assert_eq!(text(0.1, 17), "0.10000000000000001");
        assert_eq!(text(1e20, 17), "1e+20");
        assert_eq!(text(-0.0, 17), "-0");
        assert_eq!(text(1e-5, 17), "1.0000000000000001e-05");
        assert_eq!(text(123456.0, 14), "123456");
        assert_eq!(text(1e15, 14), "1e+15");
        assert_eq!(text(10.0 / 3.0, 14), "3.3333333333333");
        assert_eq!(text(0.5, 1), "0.5");
        assert_eq!(text(f64::NAN.copysign(-1.0), 14), "-nan");
        assert_eq!(text(1e300, 3), "1e+300");
    }

    #[test]
    fn an_argument_is_an_integer_where_it_is_one() {
        let spell = |value| {
            let mut out = Vec::new();
            argument(value, &mut out);
            String::from_utf8(out).expect("digits")
        };
        assert_eq!(spell(3.0), "3");
        assert_eq!(spell(-0.0), "-0");
        assert_eq!(spell(1e15), "1000000000000000");
        assert_eq!(spell(123456789012345678.0), "1.2345678901234568e+17");
        assert_eq!(spell(1.5), "1.5");
    }
}
