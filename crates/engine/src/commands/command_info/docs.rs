//! The shape of one command in COMMAND DOCS.

use crate::table::{Entry, Table};
use command::{Arg, ArgKind, Flags};
use resp::write::Writer;

/// Writes a command's name and the map about it.
pub fn write(table: &Table, entry: &Entry, reply: &mut Writer<'_>) {
    let spec = entry.spec;
    reply.bulk(entry.full_name.as_bytes());
    let map = reply.deferred_map();
    let mut pairs = 3;
    text("summary", spec.summary, reply);
    text("since", spec.since, reply);
    text("group", spec.group.name(), reply);
    if !spec.complexity.is_empty() {
        text("complexity", spec.complexity, reply);
        pairs += 1;
    }
    let deprecated = spec.deprecated.map(|_| "deprecated");
    let internal = spec.flags.has(Flags::SYSCMD).then_some("syscmd");
    let flags: Vec<&str> = deprecated.into_iter().chain(internal).collect();
    if !flags.is_empty() {
        reply.bulk(b"doc_flags");
        reply.set(flags.len());
        flags.iter().for_each(|flag| reply.simple(flag));
        pairs += 1;
    }
    if let Some((since, replacement)) = spec.deprecated {
        text("deprecated_since", since, reply);
        pairs += 1;
        if !replacement.is_empty() {
            text("replaced_by", replacement, reply);
            pairs += 1;
        }
    }
    if !spec.history.is_empty() {
        reply.bulk(b"history");
        reply.set(spec.history.len());
        for (version, change) in spec.history {
            reply.array(2);
            reply.bulk(version.as_bytes());
            reply.bulk(change.as_bytes());
        }
        pairs += 1;
    }
    if !spec.args.is_empty() {
        reply.bulk(b"arguments");
        arguments(spec.args, reply);
        pairs += 1;
    }
    if !entry.subcommands.is_empty() {
        reply.bulk(b"subcommands");
        reply.map(entry.subcommands.len());
        for id in &entry.subcommands {
            write(table, table.entry(*id), reply);
        }
        pairs += 1;
    }
    reply.close(map, pairs);
}

fn text(name: &str, value: &str, reply: &mut Writer<'_>) {
    reply.bulk(name.as_bytes());
    reply.bulk(value.as_bytes());
}

/// An array of maps. The tree of arguments is a constant of ours, so its depth is bounded.
fn arguments(args: &[Arg], reply: &mut Writer<'_>) {
    reply.array(args.len());
    args.iter().for_each(|arg| argument(arg, reply));
}

fn argument(arg: &Arg, reply: &mut Writer<'_>) {
    let flags: Vec<&str> = [
        (arg.optional, "optional"),
        (arg.multiple, "multiple"),
        (arg.multiple_token, "multiple_token"),
    ]
    .into_iter()
    .filter_map(|(on, name)| on.then_some(name))
    .collect();
    let inner = match arg.kind {
        ArgKind::OneOf(inner) | ArgKind::Block(inner) => Some(inner),
        _ => None,
    };
    let optional_pairs = [
        arg.display.is_some(),
        arg.key_spec.is_some(),
        arg.token.is_some(),
        arg.since.is_some(),
        arg.deprecated.is_some(),
        !flags.is_empty(),
        inner.is_some(),
    ];
    reply.map(2 + optional_pairs.into_iter().filter(|present| *present).count());
    text("name", arg.name, reply);
    text("type", kind_name(arg.kind), reply);
    if let Some(display) = arg.display {
        text("display_text", display, reply);
    }
    if let Some(index) = arg.key_spec {
        reply.bulk(b"key_spec_index");
        reply.integer(i64::from(index));
    }
    if let Some(token) = arg.token {
        text("token", token, reply);
    }
    if let Some(since) = arg.since {
        text("since", since, reply);
    }
    if let Some(since) = arg.deprecated {
        text("deprecated_since", since, reply);
    }
    if !flags.is_empty() {
        reply.bulk(b"flags");
        reply.set(flags.len());
        flags.iter().for_each(|flag| reply.simple(flag));
    }
    if let Some(inner) = inner {
        reply.bulk(b"arguments");
        arguments(inner, reply);
    }
}

fn kind_name(kind: ArgKind) -> &'static str {
    match kind {
        ArgKind::String => "string",
        ArgKind::Integer => "integer",
        ArgKind::Double => "double",
        ArgKind::Key => "key",
        ArgKind::Pattern => "pattern",
        ArgKind::UnixTime => "unix-time",
        ArgKind::PureToken => "pure-token",
        ArgKind::OneOf(_) => "oneof",
        ArgKind::Block(_) => "block",
    }
}
