//! Numbers and patterns by Redis' rules. `examples/oracle.rs` compares them with a real server.

use proptest::prelude::*;
use resp::glob::{matches, matches_nocase};
use resp::long_double::LongDouble;
use resp::number::{parse_f64, parse_i64, parse_u64, write_f64};

#[test]
fn integers_have_one_spelling_and_the_whole_range() {
    assert_eq!(parse_i64(b"0"), Some(0));
    assert_eq!(parse_i64(b"-1"), Some(-1));
    assert_eq!(parse_i64(b"9223372036854775807"), Some(i64::MAX));
    assert_eq!(parse_i64(b"-9223372036854775808"), Some(i64::MIN));
    assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
    for bad in [
        "",
        "-",
        "+1",
        "01",
        "-0",
        "-01",
        " 1",
        "1 ",
        "1a",
        "9223372036854775808",
        "-9223372036854775809",
        "100000000000000000000",
        "18446744073709551616",
        "--1",
    ] {
        assert_eq!(parse_i64(bad.as_bytes()), None, "{bad:?}");
    }
    assert_eq!(parse_u64(b"18446744073709551616"), None);
    assert_eq!(parse_u64(b"-1"), None);
}

fn float_shown(value: f64) -> String {
    let mut out = Vec::new();
    write_f64(value, &mut out);
    String::from_utf8(out).expect("digits are ASCII")
}

#[test]
fn floats_are_written_as_redis_7_2_does() {
    let cases: [(f64, &str); 22] = [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (-17.0, "-17"),
        (3.25, "3.25"),
        (0.1, "0.1"),
        (-0.1, "-0.1"),
        (0.1 + 0.2, "0.30000000000000004"),
        (123456.789, "123456.789"),
        (1e17, "100000000000000000"),
        (4e18, "4000000000000000000"),
        (5e18, "5e+18"),
        (1.5e300, "1.5e+300"),
        (0.00001, "0.00001"),
        (0.0000012, "1.2e-6"),
        (1.5e-7, "1.5e-7"),
        (5e-324, "5e-324"),
        (f64::MAX, "1.7976931348623157e+308"),
        (-2.5e19, "-2.5e+19"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
        (f64::NAN, "nan"),
    ];
    for (value, text) in cases {
        assert_eq!(float_shown(value), text);
    }
}

#[test]
fn floats_are_taken_and_refused_as_redis_does() {
    let cases = [
        ("1.5", 1.5),
        ("-0", -0.0),
        ("+1", 1.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e5", 1e5),
        ("0x10", 16.0),
        ("0x1.8p-2", 0.375),
        ("-0X.8", -0.5),
        ("inf", f64::INFINITY),
        ("-INFINITY", f64::NEG_INFINITY),
        ("0e999", 0.0),
        ("5e-324", 5e-324),
        ("0x0p99999", 0.0),
    ];
    for (text, value) in cases {
        assert_eq!(parse_f64(text.as_bytes()).map(f64::to_bits), Some(value.to_bits()), "{text}");
    }
    for bad in [
        "",
        ".",
        "+",
        "1e",
        "1e+",
        "0x",
        "0xp1",
        "0x1p",
        "nan",
        "-nan",
        "infinit",
        " 1",
        "1 ",
        "1e400",
        "-1e400",
        "1e-400",
        "0x1p-2000",
        "0x1p2000",
        "1\0",
        "1_0",
        "\u{661}",
    ] {
        assert_eq!(parse_f64(bad.as_bytes()), None, "{bad:?}");
    }
}

#[test]
fn patterns_match_as_in_redis() {
    let cases: [(&str, &str, bool); 34] = [
        ("*", "", true),
        ("**", "", false),
        ("", "", true),
        ("", "a", false),
        ("a", "", false),
        ("*", "abc", true),
        ("a*c", "abc", true),
        ("a*c", "abcd", false),
        ("a**c", "ac", true),
        ("?", "a", true),
        ("?", "", false),
        ("h?llo", "hello", true),
        ("h[ae]llo", "hello", true),
        ("h[ae]llo", "hillo", false),
        ("h[^e]llo", "hello", false),
        ("h[^e]llo", "hallo", true),
        ("h[a-b]llo", "hbllo", true),
        ("h[b-a]llo", "hallo", true),
        ("[a-]", "-", false),
        ("[a-]", "]", true),
        ("[a-", "-", true),
        ("[abc", "b", true),
        ("[", "[", false),
        ("[^", "x", true),
        ("[]", "]", false),
        ("\\*", "*", true),
        ("\\*", "a", false),
        ("a\\", "a\\", true),
        ("[\\]]", "]", true),
        ("[\\a-c]", "b", false),
        ("A", "a", false),
        ("*a*b", "xxaxxb", true),
        ("*a*b", "xxbxxa", false),
        ("a*b?c*", "a-b-cb-c", true),
    ];
    for (pattern, text, expected) in cases {
        assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
    }
    assert!(matches_nocase(b"MAX[L-N]*", b"maxmemory"));
    assert!(!matches_nocase(b"max", b"MAXMEMORY"));
}

#[test]
fn many_stars_take_no_exponential_time() {
    // Trying every split would take more than 10^30 steps here; this takes 10^6.
    let pattern = [b"a*".repeat(50), b"b".to_vec()].concat();
    assert!(!matches(&pattern, &[b'a'; 10_000]));
}

/// The rules once more, by trying every split.
fn slow_match(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|skip| slow_match(rest, &text[skip..])),
        ([b'?', rest @ ..], [_, text @ ..]) => slow_match(rest, text),
        ([a, rest @ ..], [b, text @ ..]) => a == b && slow_match(rest, text),
        _ => false,
    }
}

proptest! {
    #[test]
    fn stars_match_what_trying_every_split_does(pattern in "[ab?*]{0,8}", text in "[ab]{1,12}") {
        prop_assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), slow_match(pattern.as_bytes(), text.as_bytes()));
    }

    #[test]
    fn arbitrary_patterns_never_panic(pattern in prop::collection::vec(any::<u8>(), 0..40), text in prop::collection::vec(any::<u8>(), 0..40)) {
        matches(&pattern, &text);
        matches_nocase(&pattern, &text);
    }

    #[test]
    fn every_integer_reads_back(value: i64, unsigned: u64) {
        prop_assert_eq!(parse_i64(value.to_string().as_bytes()), Some(value));
        prop_assert_eq!(parse_u64(unsigned.to_string().as_bytes()), Some(unsigned));
    }

    #[test]
    fn every_float_reads_back(bits: u64) {
        let value = f64::from_bits(bits);
        let text = float_shown(value);
        prop_assert!(text.len() <= 25);
        match parse_f64(text.as_bytes()) {
            Some(again) => prop_assert_eq!(again.to_bits(), bits),
            None => prop_assert!(value.is_nan()),
        }
    }

    #[test]
    fn float_like_text_never_panics(a in "[-+]?(0x)?[0-9a-f.]{0,40}[epEP]?[-+]?[0-9]{0,25}", bytes in prop::collection::vec(any::<u8>(), 0..30)) {
        for text in [a.as_bytes(), &bytes] {
            parse_f64(text);
            if let Some(value) = LongDouble::parse(text) {
                let mut out = Vec::new();
                (value + value).write(&mut out);
                prop_assert!(out.len() <= 4952);
            }
        }
    }
}

#[test]
fn floats_of_the_greatest_length_and_exponents_are_bounded_work() {
    let digits = |count: usize| "9".repeat(count);
    for text in [
        digits(5119),
        format!(".{}", digits(5118)),
        format!("{}e-4000", digits(5000)),
        format!("0.{}1e5000", "0".repeat(5000)),
        format!("0x{}p-9", digits(5000)),
        format!("0x.{}1p30000", "0".repeat(4990)),
        format!("1e{}", digits(5000)),
        format!("1e-{}", digits(5000)),
        format!("0x1p{}", digits(5000)),
        format!("0x1p-{}", digits(5000)),
    ] {
        parse_f64(text.as_bytes());
        LongDouble::parse(text.as_bytes());
    }
}
