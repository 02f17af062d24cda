//! The ten elements of a COMMAND INFO row.

use super::{Mismatch, note};
use crate::random::rules::unordered;
use crate::wire::Value;

/// Elements of a row, in order. Flags, categories, tips and key specifications are sets.
const FIELDS: &[&str] = &[
    "name",
    "arity",
    "flags",
    "first key",
    "last key",
    "step",
    "categories",
    "tips",
    "key specs",
    "sub-commands",
];

/// Compares one command's reply of COMMAND INFO.
pub fn compare(name: &str, oracle: &Value, subject: &Value, into: &mut Vec<Mismatch>) {
    let row = |reply: &Value| reply.items().and_then(|items| items.first().cloned());
    match (row(oracle), row(subject)) {
        (Some(oracle), Some(subject)) => compare_row(name, &oracle, &subject, into),
        _ => note(name, "COMMAND INFO", oracle, subject, into),
    }
}

fn compare_row(name: &str, oracle: &Value, subject: &Value, into: &mut Vec<Mismatch>) {
    let (Some(expected), Some(got)) = (oracle.items(), subject.items()) else {
        return note(name, "COMMAND INFO", oracle, subject, into);
    };
    if expected.len() != got.len() {
        return note(name, "COMMAND INFO", oracle, subject, into);
    }
    for (field, (expected, got)) in FIELDS.iter().zip(expected.iter().zip(got)) {
        match *field {
            "sub-commands" => compare_subcommands(name, expected, got, into),
            "key specs" => note(name, field, &deep_order(expected), &deep_order(got), into),
            "flags" | "categories" | "tips" => compare_sets(name, field, expected, got, into),
            _ => note(name, field, expected, got, into),
        }
    }
}

/// Says only what is missing and what is too much.
fn compare_sets(name: &str, field: &str, expected: &Value, got: &Value, into: &mut Vec<Mismatch>) {
    if unordered(expected) == unordered(got) {
        return;
    }
    match (expected.items(), got.items()) {
        (Some(want), Some(have))
            if std::mem::discriminant(expected) == std::mem::discriminant(got) =>
        {
            let list = |from: &[Value], not: &[Value]| {
                Value::Array(from.iter().filter(|item| !not.contains(item)).cloned().collect())
                    .show()
            };
            let (missing, surplus) = (list(want, have), list(have, want));
            into.push(Mismatch {
                command: name.to_owned(),
                field: field.to_owned(),
                expected: format!("{} (missing {missing})", expected.show()),
                got: format!("{} (too much {surplus})", got.show()),
            });
        }
        _ => note(name, field, expected, got, into),
    }
}

/// Sub-commands that both have are compared; those of one side alone are a matter of versions and are counted as commands.
fn compare_subcommands(name: &str, expected: &Value, got: &Value, into: &mut Vec<Mismatch>) {
    let (Some(expected), Some(got)) = (expected.items(), got.items()) else {
        return note(name, "sub-commands", expected, got, into);
    };
    for row in expected {
        let sub = row
            .items()
            .and_then(|fields| fields.first())
            .and_then(Value::string)
            .unwrap_or_default();
        let same = |other: &&Value| {
            other.items().and_then(|fields| fields.first()).and_then(Value::string).as_deref()
                == Some(sub.as_str())
        };
        if let Some(other) = got.iter().find(same) {
            compare_row(&sub, row, other, into);
        }
    }
}

/// Sets and maps in a fixed order at every depth.
pub fn deep_order(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(deep_order).collect()),
        Value::Set(items) => {
            let mut items: Vec<Value> = items.iter().map(deep_order).collect();
            items.sort();
            Value::Set(items)
        }
        Value::Map(pairs) => {
            let mut pairs: Vec<(Value, Value)> =
                pairs.iter().map(|(k, v)| (k.clone(), deep_order(v))).collect();
            pairs.sort();
            Value::Map(pairs)
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(flags: &str, arity: i64) -> Value {
        let count = flags.split(' ').count();
        let flags: String = flags.split(' ').map(|flag| format!("+{flag}\r\n")).collect();
        let text = format!(
            "*1\r\n*10\r\n$3\r\nget\r\n:{arity}\r\n~{count}\r\n{flags}:1\r\n:1\r\n:1\r\n~0\r\n~0\r\n~0\r\n~0\r\n"
        );
        Value::parse(text.as_bytes())
    }

    #[test]
    fn the_order_of_flags_does_not_matter_but_their_number_does() {
        let mut found = Vec::new();
        compare("get", &row("readonly fast", 2), &row("fast readonly", 2), &mut found);
        assert_eq!(found, []);
        compare("get", &row("readonly fast", 2), &row("readonly", 2), &mut found);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].field, "flags");
    }

    #[test]
    fn a_wrong_arity_is_named() {
        let mut found = Vec::new();
        compare("get", &row("fast", 2), &row("fast", -2), &mut found);
        assert_eq!(found[0].field, "arity");
    }
}
