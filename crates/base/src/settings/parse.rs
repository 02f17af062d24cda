//! From words to a value, with the error details of Redis.

use super::kind::{
    Kind, OUTPUT_NORMAL, OUTPUT_PUBSUB, OUTPUT_REPLICA, OutputLimit, SavePoint, Setting, Value,
};
use super::notify;
use crate::until_nul;

const WORD_COUNT: &str = "wrong number of arguments";
const NOT_AN_INTEGER: &str = "argument couldn't be parsed into an integer";
const NOT_OCTAL: &str = "argument couldn't be parsed as an octal number";
const NOT_MEMORY: &str = "argument must be a memory value";
const NOT_MEMORY_OR_PERCENT: &str = "argument must be a memory or percent value";

/// Cuts at every space; two spaces make an empty word, nothing makes no word.
pub(super) fn split(text: &[u8]) -> Vec<&[u8]> {
    if text.is_empty() { Vec::new() } else { text.split(|byte| *byte == b' ').collect() }
}

/// The value that `words` mean for a row; `now` is the present one, which a partial value (one
/// class of `client-output-buffer-limit`) changes in part.
pub(super) fn value(row: &Setting, now: &Value, words: &[&[u8]]) -> Result<Value, String> {
    let value = if row.kind.takes_words() {
        several(row, now, words)?
    } else {
        let word = match words {
            [] => b"".as_slice(),
            [word] => word,
            _ => return Err(WORD_COUNT.into()),
        };
        single(row.kind, word)?
    };
    match row.check {
        Some(check) => check(value),
        None => Ok(value),
    }
}

fn single(kind: Kind, word: &[u8]) -> Result<Value, String> {
    match kind {
        Kind::Flag => flag(word),
        Kind::Int { min, max } => {
            let number = integer(word).ok_or(NOT_AN_INTEGER)?;
            if (min..=max).contains(&number) {
                Ok(Value::Int(number))
            } else {
                Err(outside(min, max))
            }
        }
        Kind::Octal { max } => {
            let text = std::str::from_utf8(word).map_err(|_| NOT_OCTAL)?;
            let number = i64::from_str_radix(text, 8).map_err(|_| NOT_OCTAL)?;
            if (0..=max).contains(&number) {
                Ok(Value::Int(number))
            } else {
                Err(format!("argument must be between 0 and {max:o} inclusive"))
            }
        }
        Kind::Memory { min, max } => {
            let bytes = memory(word).ok_or(NOT_MEMORY)?;
            if (min..=max).contains(&bytes) {
                Ok(Value::Memory(bytes))
            } else {
                Err(outside(min, max))
            }
        }
        Kind::MemoryOrPercent => memory_or_percent(word),
        Kind::Choice(names) => {
            position(names, word).map(Value::Choice).ok_or_else(|| one_of(names))
        }
        Kind::Text => Ok(Value::Text(word.into())),
        Kind::Notify => notify::parse(until_nul(word))
            .map(Value::Notify)
            .ok_or_else(|| "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into()),
        Kind::Options(_)
        | Kind::Words { .. }
        | Kind::Save
        | Kind::OutputLimits
        | Kind::OomScores
        | Kind::Percentiles => unreachable!("kinds of several words are parsed by `several`"),
    }
}

fn several(row: &Setting, now: &Value, words: &[&[u8]]) -> Result<Value, String> {
    match row.kind {
        Kind::Options(names) => options(names, words),
        Kind::Words { max } if words.len() <= max => {
            Ok(Value::Words(words.iter().map(|word| (*word).into()).collect()))
        }
        Kind::Words { .. } if row.name == "bind" => {
            Err("Too many bind addresses specified.".into())
        }
        Kind::Words { .. } => Err(WORD_COUNT.into()),
        Kind::Save => save(words).ok_or_else(|| "Invalid save parameters".into()),
        Kind::OutputLimits => output_limits(now, words),
        Kind::OomScores => oom_scores(words),
        Kind::Percentiles => percentiles(row.name, words),
        _ => unreachable!("kinds of one word are parsed by `single`"),
    }
}

fn flag(word: &[u8]) -> Result<Value, String> {
    let word = until_nul(word);
    if word.eq_ignore_ascii_case(b"yes") {
        Ok(Value::Flag(true))
    } else if word.eq_ignore_ascii_case(b"no") {
        Ok(Value::Flag(false))
    } else {
        Err("argument must be 'yes' or 'no'".into())
    }
}

fn outside(min: impl std::fmt::Display, max: impl std::fmt::Display) -> String {
    format!("argument must be between {min} and {max} inclusive")
}

fn one_of(names: &[&str]) -> String {
    format!("argument(s) must be one of the following: {}", names.join(", "))
}

fn position(names: &[&str], word: &[u8]) -> Option<usize> {
    names.iter().position(|name| name.as_bytes().eq_ignore_ascii_case(until_nul(word)))
}

/// A whole number in its one canonical spelling: no sign but `-`, no leading zeros, no spaces.
pub(super) fn integer(word: &[u8]) -> Option<i64> {
    let digits = word.strip_prefix(b"-").unwrap_or(word);
    let canonical = match digits {
        [b'0'] => word.len() == 1,
        [first, ..] => first.is_ascii_digit() && *first != b'0',
        [] => false,
    };
    if !canonical {
        return None;
    }
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// Digits and a unit, as bytes. No digits mean 0 and too many the largest number, as in Redis;
/// unlike Redis a unit does not wrap around.
pub(super) fn memory(word: &[u8]) -> Option<u64> {
    let word = until_nul(word);
    let count = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, unit) = word.split_at(count);
    let factor: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let number = digits
        .iter()
        .fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Some(number.saturating_mul(factor))
}

fn memory_or_percent(word: &[u8]) -> Result<Value, String> {
    let Some(digits) = word.strip_suffix(b"%") else {
        return memory(word).map(Value::Memory).ok_or_else(|| NOT_MEMORY_OR_PERCENT.into());
    };
    match integer(digits) {
        Some(0) => Ok(Value::Memory(0)),
        Some(percent @ 1..=100) => Ok(Value::Percent(percent as u8)),
        Some(101..) => Err("percentage argument must be less or equal to 100".into()),
        Some(_) | None => Err(NOT_MEMORY_OR_PERCENT.into()),
    }
}

fn options(names: &[&str], words: &[&[u8]]) -> Result<Value, String> {
    if words.is_empty() {
        return Err(one_of(names));
    }
    words
        .iter()
        .try_fold(0u32, |bits, word| match position(names, word) {
            Some(0) => Ok(bits),
            Some(index) => Ok(bits | 1 << (index - 1)),
            None => Err(one_of(names)),
        })
        .map(Value::Options)
}

fn save(words: &[&[u8]]) -> Option<Value> {
    if matches!(words, [b""]) {
        return Some(Value::Save(Box::default()));
    }
    if !words.len().is_multiple_of(2) {
        return None;
    }
    let points = words.chunks_exact(2).map(|pair| {
        let (seconds, changes) = (integer(pair[0])?, integer(pair[1])?);
        (seconds >= 1 && changes >= 0).then_some(SavePoint { seconds, changes })
    });
    Some(Value::Save(points.collect::<Option<_>>()?))
}

fn output_limits(now: &Value, words: &[&[u8]]) -> Result<Value, String> {
    let Value::OutputLimits(limits) = now else {
        unreachable!("the value's arm follows the row's kind")
    };
    let mut limits = limits.clone();
    if !words.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    }
    for group in words.chunks_exact(4) {
        let class = match until_nul(group[0]).to_ascii_lowercase().as_slice() {
            b"normal" => OUTPUT_NORMAL,
            b"slave" | b"replica" => OUTPUT_REPLICA,
            b"pubsub" => OUTPUT_PUBSUB,
            _ => {
                return Err("Invalid client class specified in buffer limit configuration.".into());
            }
        };
        let limit =
            (memory(group[1]), memory(group[2]), integer(group[3]).filter(|seconds| *seconds >= 0));
        let (Some(hard_bytes), Some(soft_bytes), Some(soft_s)) = limit else {
            return Err(
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.".into(),
            );
        };
        limits[class] = OutputLimit { hard_bytes, soft_bytes, soft_s };
    }
    Ok(Value::OutputLimits(limits))
}

fn oom_scores(words: &[&[u8]]) -> Result<Value, String> {
    let [first, second, third] = words else {
        return Err(WORD_COUNT.into());
    };
    let score = |word: &[u8]| {
        integer(word).filter(|score| (-2000..=2000).contains(score)).ok_or_else(|| {
            "Invalid oom-score-adj-values, elements must be between -2000 and 2000.".to_owned()
        })
    };
    Ok(Value::OomScores([score(first)?, score(second)?, score(third)?]))
}

fn percentiles(name: &str, words: &[&[u8]]) -> Result<Value, String> {
    let list = words.iter().map(|word| {
        let text = std::str::from_utf8(word).ok();
        let number: Option<f64> = text.and_then(|text| text.parse().ok());
        match number {
            None => Err(format!("Invalid {name} parameters")),
            Some(number) if (0.0..=100.0).contains(&number) => Ok(number),
            Some(_) => Err(format!("{name} parameters should sit between [0.0,100.0]")),
        }
    });
    Ok(Value::Percentiles(list.collect::<Result<_, _>>()?))
}
