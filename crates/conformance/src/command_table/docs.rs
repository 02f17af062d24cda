//! COMMAND DOCS: since, group, complexity, flags and the tree of arguments.

use super::{Mismatch, note};
use crate::wire::Value;

/// Compared by equality. `summary` was reworded in 7.2 and `history` has more rows there, so neither is.
const FIELDS: &[&str] =
    &["since", "group", "complexity", "doc_flags", "deprecated_since", "replaced_by"];
/// What an argument is; `display_text` is a wording.
const ARGUMENT_FIELDS: &[&str] =
    &["name", "type", "token", "key_spec_index", "since", "deprecated_since"];

/// Compares one command's reply of COMMAND DOCS.
pub fn compare(name: &str, oracle: &Value, subject: &Value, into: &mut Vec<Mismatch>) {
    let row = |reply: &Value| {
        reply.pairs().and_then(|pairs| pairs.into_iter().next()).map(|(_, docs)| docs)
    };
    match (row(oracle), row(subject)) {
        (Some(oracle), Some(subject)) => compare_docs(name, &oracle, &subject, into),
        _ => note(name, "COMMAND DOCS", oracle, subject, into),
    }
}

fn compare_docs(name: &str, oracle: &Value, subject: &Value, into: &mut Vec<Mismatch>) {
    for field in FIELDS {
        compare_field(name, field, oracle, subject, into);
    }
    compare_arguments(name, "arguments", oracle, subject, into);
    let subs =
        |docs: &Value| docs.get("subcommands").and_then(|subs| subs.pairs()).unwrap_or_default();
    let theirs = subs(subject);
    for (sub, docs) in subs(oracle) {
        let sub = sub.string().unwrap_or_default();
        if let Some((_, other)) =
            theirs.iter().find(|(other, _)| other.string().as_deref() == Some(sub.as_str()))
        {
            compare_docs(&sub, &docs, other, into);
        }
    }
}

fn compare_field(
    name: &str,
    field: &str,
    oracle: &Value,
    subject: &Value,
    into: &mut Vec<Mismatch>,
) {
    let held = |docs: &Value| {
        docs.get(field).map_or(Value::Null, |value| crate::random::rules::unordered(&value))
    };
    note(name, &format!("docs {field}"), &held(oracle), &held(subject), into);
}

fn compare_arguments(
    name: &str,
    path: &str,
    oracle: &Value,
    subject: &Value,
    into: &mut Vec<Mismatch>,
) {
    let list = |docs: &Value| {
        docs.get("arguments")
            .and_then(|list| list.items().map(<[Value]>::to_vec))
            .unwrap_or_default()
    };
    let (expected, got) = (list(oracle), list(subject));
    if expected.len() != got.len() {
        let names = |list: &[Value]| {
            Value::Array(list.iter().filter_map(|argument| argument.get("name")).collect())
        };
        into.push(Mismatch {
            command: name.to_owned(),
            field: format!("docs {path}"),
            expected: names(&expected).show(),
            got: names(&got).show(),
        });
        return;
    }
    for (expected, got) in expected.iter().zip(&got) {
        let argument = expected.get("name").and_then(|name| name.string()).unwrap_or_default();
        let path = format!("{path}.{argument}");
        for field in ARGUMENT_FIELDS {
            let held = |argument: &Value| argument.get(field).unwrap_or(Value::Null);
            note(name, &format!("docs {path} {field}"), &held(expected), &held(got), into);
        }
        let flags = |argument: &Value| {
            argument
                .get("flags")
                .map_or(Value::Null, |flags| crate::random::rules::unordered(&flags))
        };
        note(name, &format!("docs {path} flags"), &flags(expected), &flags(got), into);
        compare_arguments(name, &path, expected, got, into);
    }
}
