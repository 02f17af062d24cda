//! Dropping the oldest entries: XTRIM, and the options that it shares with XADD.

use super::{KEY, id};
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use base::{Settings, settings};
use store::{Goal, Refs, Trim};

const STRATEGY: Arg = Arg::one_of(
    "strategy",
    &[Arg::word("maxlen", "MAXLEN"), Arg::word("minid", "MINID").since("6.2.0")],
);
const OPERATOR: Arg =
    Arg::one_of("operator", &[Arg::word("equal", "="), Arg::word("approximately", "~")]).optional();

/// How trimming is asked for, in COMMAND DOCS.
pub(super) const TRIM: Arg = Arg::block(
    "trim",
    &[
        STRATEGY,
        OPERATOR,
        Arg::string("threshold"),
        Arg::integer("count").token("LIMIT").optional().since("6.2.0"),
    ],
);

/// What becomes of references, in COMMAND DOCS.
pub(super) const CONDITION: Arg = Arg::one_of(
    "condition",
    &[Arg::word("keepref", "KEEPREF"), Arg::word("delref", "DELREF"), Arg::word("acked", "ACKED")],
)
.optional()
.since("8.2.0");

/// Drops the oldest entries of a stream.
pub const XTRIM: Command = Command::new(
    Spec {
        name: "XTRIM",
        arity: Arity::at_least(4),
        keys: &[KeySpec::one(1, &["RW", "delete"])],
        flags: Flags::WRITE,
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(N), with N being the number of evicted entries. Constant times are very small however, since entries are organized in macro nodes containing multiple entries that can be released with a single deallocation.",
        summary: "Drops the oldest entries of a stream until it has a given length, or begins at a given ID.",
        args: &[KEY, TRIM, CONDITION],
        tips: &["nondeterministic_output"],
        history: &[("6.2.0", "Added the `MINID` trimming strategy and the `LIMIT` option.")],
        ..Spec::NEW
    },
    xtrim,
);

const NEGATIVE_MAXLEN: Failure = Failure::new("ERR The MAXLEN argument must be >= 0.");
const NEGATIVE_LIMIT: Failure = Failure::new("ERR The LIMIT argument must be >= 0.");
const BOTH: Failure =
    Failure::new("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
const LIMIT_ALONE: Failure =
    Failure::new("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
const NO_STRATEGY: Failure =
    Failure::new("ERR syntax error, XTRIM must be called with a trimming strategy");
const LIMIT_EXACT: Failure =
    Failure::new("ERR syntax error, LIMIT cannot be used without the special ~ option");

/// The options of XADD and XTRIM.
pub(super) struct Options {
    /// XADD does not make a stream.
    pub(super) only_existing: bool,
    /// How to trim, if at all.
    pub(super) trim: Option<Trim>,
    /// The argument at which the options end: the ID of XADD.
    pub(super) behind: usize,
}

/// What was read of the options so far.
#[derive(Default)]
struct Read {
    only_existing: bool,
    goal: Option<Goal>,
    approximate: bool,
    limit: Option<u64>,
    refs: Option<Refs>,
}

/// What becomes of references, if argument `at` says it.
pub(super) fn refs(args: &Args<'_>, at: usize) -> Option<Refs> {
    [("KEEPREF", Refs::Keep), ("DELREF", Refs::Drop), ("ACKED", Refs::Acked)]
        .into_iter()
        .find(|(word, _)| args.is(at, word))
        .map(|(_, refs)| refs)
}

/// Reads the options from argument 2 on; those of XADD end where an ID must stand.
pub(super) fn options(
    args: &Args<'_>,
    settings: &Settings,
    is_add: bool,
) -> Result<Options, Failure> {
    let (mut read, mut at) = (Read::default(), 2);
    while at < args.len() {
        let more = args.len() - 1 - at;
        if is_add && args.get(at) == b"*" {
            break;
        } else if more > 0 && (args.is(at, "MAXLEN") || args.is(at, "MINID")) {
            at = goal(args, at, &mut read)?;
        } else if more > 0 && args.is(at, "LIMIT") {
            let limit = args.integer(at + 1).ok_or(Failure::NOT_INTEGER)?;
            read.limit = Some(u64::try_from(limit).map_err(|_| NEGATIVE_LIMIT)?);
            at += 1;
        } else if is_add && args.is(at, "NOMKSTREAM") {
            read.only_existing = true;
        } else if let Some(refs) = refs(args, at) {
            if read.refs.is_some() {
                return Err(Failure::SYNTAX);
            }
            read.refs = Some(refs);
        } else if is_add {
            break;
        } else {
            return Err(Failure::SYNTAX);
        }
        at += 1;
    }
    if is_add && at < args.len() {
        id::new(args.get(at))?;
    }
    let trim = trim_of(&read, settings, is_add)?;
    Ok(Options { only_existing: read.only_existing, trim, behind: at })
}

/// Reads MAXLEN or MINID at `at`; gives the position of its last word.
fn goal(args: &Args<'_>, at: usize, read: &mut Read) -> Result<usize, Failure> {
    if read.goal.is_some() {
        return Err(BOTH);
    }
    let by_id = args.is(at, "MINID");
    let mut at = at + 1;
    if at + 1 < args.len() && matches!(args.get(at), b"~" | b"=") {
        read.approximate = args.get(at) == b"~";
        at += 1;
    }
    read.goal = Some(if by_id {
        Goal::MinId(id::exact(args.get(at), 0)?)
    } else {
        let len = args.integer(at).ok_or(Failure::NOT_INTEGER)?;
        Goal::MaxLen(u64::try_from(len).map_err(|_| NEGATIVE_MAXLEN)?)
    });
    Ok(at)
}

/// Checks the options against each other.
fn trim_of(read: &Read, settings: &Settings, is_add: bool) -> Result<Option<Trim>, Failure> {
    let given = read.limit.filter(|limit| *limit > 0);
    if read.goal.is_none() && given.is_some() {
        return Err(LIMIT_ALONE);
    }
    if read.goal.is_none() && !is_add {
        return Err(NO_STRATEGY);
    }
    if read.limit.is_some() && !read.approximate {
        return Err(LIMIT_EXACT);
    }
    let Some(goal) = read.goal else { return Ok(None) };
    // What is approximate is also bounded, unless the client says otherwise.
    let limit = match read.limit {
        Some(_) => given,
        None if read.approximate => Some(default_limit(settings)),
        None => None,
    };
    let refs = read.refs.unwrap_or(Refs::Keep);
    Ok(Some(Trim { goal, approximate: read.approximate, limit, refs }))
}

/// Entries that approximate trimming drops at the most: those of a hundred nodes, within reason.
fn default_limit(settings: &Settings) -> u64 {
    match settings.size(settings::STREAM_NODE_MAX_ENTRIES) as u64 {
        0 => 10_000,
        entries => entries.saturating_mul(100).min(1_000_000),
    }
}

fn xtrim(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let options = options(args, ctx.settings, false)?;
    let Some(trim) = options.trim else { return Err(Failure::SYNTAX) };
    let Ctx { store, reply, db, now, .. } = ctx;
    let dropped = store.db(*db).edit_stream(&args.key(1), *now, |stream| {
        if stream.view().is_none() {
            return 0;
        }
        let dropped = stream.trim(&trim);
        stream.changed(dropped);
        dropped
    })?;
    reply.integer(dropped as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check};
    use resp::write::Protocol;

    #[test]
    fn nodes_have_as_many_entries_as_in_redis_whatever_integers_are_in_them() {
        type NextId = fn(u64) -> (u64, u64);
        const FAR: u64 = 1 << 40;
        let next: NextId = |entry| (entry, 1);
        let later: NextId = |entry| (if entry > 1 { FAR + entry } else { 1 }, 1);
        let further: NextId = |entry| (5, if entry > 1 { FAR + entry } else { 1 });
        // As many as redis-server 7.0 put into the first node.
        let seen: [(u64, NextId, &str); 6] = [
            (383, next, "1"),
            (280, next, "1700000000"),
            (221, next, "1700000000000"),
            (221, next, "1700000000000000"),
            (227, later, "1"),
            (227, further, "1"),
        ];
        for (entries, id, value) in seen {
            let mut world = World::new(Protocol::Resp2);
            world.configure("stream-node-max-entries", "0");
            let mut nodes = |from: u64, to: u64| {
                for (ms, seq) in (from..=to).map(id) {
                    world.script(&format!("XADD x {ms}-{seq} a {value}"));
                }
                let told = world.script("XINFO STREAM x")[0].to_string();
                told.contains("radix-tree-keys 1 ")
            };
            assert!(nodes(1, entries), "{value}: {entries} are in a node");
            assert!(!nodes(entries + 1, entries + 1), "{value}: no more are in a node");
        }
    }

    #[test]
    fn a_stream_is_trimmed_to_a_length_or_an_id() {
        check(
            "XADD x 1 a b; XADD x 2 a b; XADD x 3 a b; XADD x 4 a b; XTRIM x MAXLEN 3; XTRIM x MAXLEN = 3; XTRIM x MINID 4; XTRIM x MAXLEN 0; XLEN x; EXISTS x",
            "1-0; 2-0; 3-0; 4-0; 1; 0; 2; 1; 0; 1",
        );
        check("XTRIM none MAXLEN 0; EXISTS none", "0; 0");
    }

    #[test]
    fn approximate_trimming_drops_whole_nodes() {
        let mut world = World::new(Protocol::Resp2);
        world.configure("stream-node-max-entries", "10");
        for id in 1..=35 {
            world.script(&format!("XADD x {id} a b"));
        }
        let shown = |world: &mut World, script: &str| world.script(script)[0].to_string();
        assert_eq!(shown(&mut world, "XTRIM x MAXLEN ~ 16"), "10");
        assert_eq!(shown(&mut world, "XTRIM x MAXLEN ~ 15"), "10");
        assert_eq!(shown(&mut world, "XTRIM x MINID ~ 30 LIMIT 5"), "0");
        assert_eq!(shown(&mut world, "XTRIM x MINID ~ 30 LIMIT 0"), "0");
        assert_eq!(shown(&mut world, "XTRIM x MINID ~ 31 LIMIT 9"), "0");
        assert_eq!(shown(&mut world, "XTRIM x MINID ~ 31 LIMIT 10"), "10");
        assert_eq!(shown(&mut world, "XLEN x"), "5");
    }

    #[test]
    fn options_are_checked_before_the_key() {
        let both = "ERR syntax error, MAXLEN and MINID options at the same time are not compatible";
        let exact = "ERR syntax error, LIMIT cannot be used without the special ~ option";
        let alone = "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy";
        check(
            "SET s v; XTRIM s MAXLEN x; XTRIM s MAXLEN -1; XTRIM s MAXLEN 3; XTRIM s FOO 3; XTRIM s MAXLEN 3 4; XTRIM s MAXLEN ~",
            "OK; ERR value is not an integer or out of range; ERR The MAXLEN argument must be >= 0.; WRONGTYPE; ERR syntax error; ERR syntax error; ERR value is not an integer or out of range",
        );
        check(
            "XTRIM x MAXLEN = 3 LIMIT 4; XTRIM x LIMIT 4 MAXLEN ~ 3; XTRIM x LIMIT 3; XTRIM x MAXLEN 3 MINID 3; XTRIM x MAXLEN ~ 3 LIMIT -1; XTRIM x MINID -; XTRIM x MAXLEN 3 MAXLEN; XTRIM x LIMIT 0; XADD x LIMIT 0 1 a b",
            &format!(
                "{exact}; 0; {alone}; {both}; ERR The LIMIT argument must be >= 0.; ERR Invalid stream ID specified as stream command argument; ERR syntax error; ERR syntax error, XTRIM must be called with a trimming strategy; {exact}"
            ),
        );
    }

    #[test]
    fn references_stay_go_or_hold_entries() {
        let start = "XADD x 1 a b; XADD x 2 a b; XADD x 3 a b; XADD x 4 a b; XGROUP CREATE x g 0; XGROUP CREATE x h 3; XREADGROUP GROUP g c COUNT 3 STREAMS x >; XACK x g 1 3";
        let replies = "1-0; 2-0; 3-0; 4-0; OK; OK; [[x [[1-0 [a b]] [2-0 [a b]] [3-0 [a b]]]]]; 2";
        let ids = "XRANGE x - +; XPENDING x g";
        check(
            &format!("{start}; XTRIM x MAXLEN 1 KEEPREF; {ids}"),
            &format!("{replies}; 3; [[4-0 [a b]]]; [1 2-0 2-0 [[c 1]]]"),
        );
        check(
            &format!("{start}; XTRIM x MAXLEN 1 DELREF; {ids}"),
            &format!("{replies}; 3; [[4-0 [a b]]]; [0 nil nil nil]"),
        );
        // 2 is pending, 4 was not read.
        check(
            &format!("{start}; XTRIM x MAXLEN 0 ACKED; {ids}; XTRIM x MINID 3 ACKED"),
            &format!("{replies}; 2; [[2-0 [a b]] [4-0 [a b]]]; [1 2-0 2-0 [[c 1]]]; 0"),
        );
        check(
            &format!(
                "{start}; XTRIM x ACKED MAXLEN 3; XRANGE x - + COUNT 1; XTRIM x MAXLEN 1 ACKED DELREF"
            ),
            &format!("{replies}; 1; [[2-0 [a b]]]; ERR syntax error"),
        );
        // A node goes whole or not at all.
        check(
            &format!("{start}; XTRIM x MAXLEN ~ 0 ACKED; XTRIM x MAXLEN ~ 0 DELREF; {ids}"),
            &format!("{replies}; 0; 4; []; [0 nil nil nil]"),
        );
        check("XADD x 1 a b; XTRIM x MAXLEN 0 ACKED", "1-0; 1");
    }
}
