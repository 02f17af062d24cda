//! COMMAND GETKEYS and GETKEYSANDFLAGS: where the keys of a whole command are.

use crate::commands::{Desk, Next};
use crate::table::Entry;
use command::{Args, Failure, Find, Flags};

pub(super) fn get_keys(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let keys = found(desk, args)?;
    desk.reply.array(keys.len());
    keys.iter().for_each(|(key, _)| desk.reply.bulk(key));
    Ok(Next::Done)
}

pub(super) fn get_keys_and_flags(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let keys = found(desk, args)?;
    desk.reply.array(keys.len());
    for (key, flags) in keys {
        desk.reply.array(2);
        desk.reply.bulk(key);
        desk.reply.set(flags.len());
        flags.iter().for_each(|flag| desk.reply.simple(flag));
    }
    Ok(Next::Done)
}

/// A key with what happens to it.
type Key<'a> = (&'a [u8], &'static [&'static str]);

fn found<'a>(desk: &Desk<'_>, args: &Args<'a>) -> Result<Vec<Key<'a>>, Failure> {
    let inner = args.skipping(2);
    let entry = lookup(desk, &inner).ok_or(Failure::new("ERR Invalid command specified"))?;
    let spec = entry.spec;
    if spec.keys.is_empty() {
        return Err(Failure::new("ERR The command has no key arguments"));
    }
    if !spec.arity.fits(inner.len()) {
        return Err(Failure::new("ERR Invalid number of arguments specified for command"));
    }
    let mut keys = Vec::new();
    for spec in spec.keys {
        let mut positions = Vec::new();
        spec.positions(&inner, &mut positions);
        if positions.is_empty() && matches!(spec.find, Find::Numkeys { .. }) {
            return match entry.spec.flags.has(Flags::NO_MANDATORY_KEYS) {
                true => Ok(Vec::new()),
                false => Err(Failure::new("ERR Invalid arguments specified for command")),
            };
        }
        let flags = flags_now(entry, spec.flags, &inner);
        keys.extend(positions.iter().map(|position| (inner.get(*position as usize), flags)));
    }
    if keys.len() > 1 && entry.full_name == "migrate" {
        // With KEYS the key argument stands empty and is none; else there are none at all.
        if !keys[0].0.is_empty() {
            return Err(Failure::new("ERR Invalid arguments specified for command"));
        }
        keys.remove(0);
    }
    Ok(keys)
}

/// What happens to a key in this very call, where the spec says that it depends.
fn flags_now(
    entry: &Entry,
    flags: &'static [&'static str],
    args: &Args<'_>,
) -> &'static [&'static str] {
    if !flags.contains(&"variable_flags") {
        return flags;
    }
    let reads = entry.full_name != "set" || (3..args.len()).any(|at| args.is(at, "get"));
    if reads { &["RW", "access", "update"] } else { &["OW", "update"] }
}

fn lookup<'t>(desk: &'t Desk<'_>, args: &Args<'_>) -> Option<&'t Entry> {
    let entry = desk.core.table.find(args.get(0))?;
    match args.try_get(1) {
        Some(sub) if !entry.subcommands.is_empty() => desk.core.table.find_subcommand(entry, sub),
        _ => Some(entry),
    }
}
