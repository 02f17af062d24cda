//! From a value to what CONFIG GET prints.

use super::kind::{Kind, Setting, Value};
use super::notify;

/// The value as CONFIG GET prints it: sizes as bytes, lists with single spaces.
pub(super) fn value(row: &Setting, value: &Value) -> Vec<u8> {
    let text = match value {
        Value::Text(text) => return text.to_vec(),
        Value::Words(words) => return words.join(b" ".as_slice()),
        Value::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Value::Int(number) if matches!(row.kind, Kind::Octal { .. }) => format!("{number:o}"),
        Value::Int(number) => number.to_string(),
        Value::Memory(bytes) => bytes.to_string(),
        Value::Percent(percent) => format!("{percent}%"),
        Value::Choice(index) => names(row.kind)[*index].to_owned(),
        Value::Options(bits) => options(names(row.kind), *bits),
        Value::Save(points) => {
            joined(points.iter().map(|point| format!("{} {}", point.seconds, point.changes)))
        }
        Value::OutputLimits(limits) => {
            joined(limits.iter().zip(["normal", "slave", "pubsub"]).map(|(limit, class)| {
                format!("{class} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_s)
            }))
        }
        Value::OomScores(scores) => joined(scores.iter().map(i64::to_string)),
        Value::Percentiles(list) => joined(list.iter().map(|number| percentile(*number))),
        Value::Notify(bits) => notify::print(*bits),
    };
    text.into_bytes()
}

fn names(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Choice(names) | Kind::Options(names) => names,
        _ => unreachable!("only choices and options have names"),
    }
}

fn options(names: &[&str], bits: u32) -> String {
    if bits == 0 {
        return names[0].to_owned();
    }
    let set = names[1..].iter().enumerate().filter(|(index, _)| bits & (1 << index) != 0);
    joined(set.map(|(_, name)| (*name).to_owned()))
}

/// Six decimals at the most, without trailing zeros.
fn percentile(number: f64) -> String {
    let text = format!("{number:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn joined(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(" ")
}
