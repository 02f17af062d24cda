//! What a command is, apart from what it does. Everything that others derive stands here.

use crate::{Args, Ctx, Failure};

/// A data command: its spec, its function, and its sub-commands if it is a container.
#[derive(Debug)]
pub struct Command {
    /// What everybody derives from.
    pub spec: Spec,
    /// What it does. For a container: answers an unknown sub-command.
    pub run: Run,
    /// The sub-commands of a container such as OBJECT; their `name` is the second word.
    pub subcommands: &'static [Command],
}

impl Command {
    /// A command without sub-commands.
    pub const fn new(spec: Spec, run: Run) -> Command {
        Command { spec, run, subcommands: &[] }
    }
}

/// The function of a data command. It writes exactly one reply to `ctx.reply`, or returns the
/// failure whose text is the reply, in which case it must have changed and written nothing.
pub type Run = fn(&mut Ctx<'_>, &Args<'_>) -> Result<(), Failure>;

/// Everything about a command that is data. Fields left out come from [`Spec::NEW`].
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// Upper case; a sub-command has the second word only.
    pub name: &'static str,
    /// How many arguments, the name included.
    pub arity: Arity,
    /// Where the keys are, and what happens to them.
    pub keys: &'static [KeySpec],
    /// Which of them it has written to when it has changed something.
    pub writes: Writes,
    /// Gates and properties.
    pub flags: Flags,
    /// How it runs when there are several cores.
    pub fanout: Fanout,
    /// Tells a second database that the keys may be in, for a command that works on two.
    pub other_db: Option<fn(&Args<'_>) -> Option<u8>>,
    /// Tells further keys, whose names follow from what its keys hold.
    pub derived: Option<Derived>,
    /// How a client that waits for a key is served, for a command that can wait.
    pub blocks: Option<Blocks>,
    /// The group of the reference page; with the flags it gives the ACL categories.
    pub group: Group,
    /// ACL categories beyond those that flags and group give, e.g. `"@dangerous"`.
    pub categories: &'static [&'static str],
    /// First Redis version with it.
    pub since: &'static str,
    /// Time complexity, as users of the reference page read it.
    pub complexity: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The argument tree of COMMAND DOCS.
    pub args: &'static [Arg],
    /// Hints for clients and proxies: COMMAND's tips, e.g. `"nondeterministic_output"`.
    pub tips: &'static [&'static str],
    /// `(version, what changed)`, oldest first.
    pub history: &'static [(&'static str, &'static str)],
    /// `(since, replacement)` when the command is deprecated.
    pub deprecated: Option<(&'static str, &'static str)>,
}

impl Spec {
    /// The defaults that a spec starts from.
    pub const NEW: Spec = Spec {
        name: "",
        arity: Arity::at_least(1),
        keys: &[],
        writes: Writes::Keys,
        flags: Flags::NONE,
        fanout: Fanout::Single,
        other_db: None,
        derived: None,
        blocks: None,
        group: Group::Generic,
        categories: &[],
        since: "1.0.0",
        complexity: "O(1)",
        summary: "",
        args: &[],
        tips: &[],
        history: &[],
        deprecated: None,
    };
}

/// Which of its keys a command has written to, as those see it who watch them or wait for them. Observed at a redis-server 7.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// All that were there before or are afterwards, if it has changed something.
    Keys,
    /// The same, also if it has changed nothing.
    Always,
    /// The first that was there; it leaves the others alone.
    FirstThere,
    /// The first; and the second, if it has counted more than one change, or else that one had what was moved already.
    Moved,
    /// Those that came or went: what it changes beside is what groups of a stream know, which is no change of the stream.
    OnlyGroups,
    /// As `Keys`, but it is a change only to those who wait for the key: a group has gone, and its stream is as it was.
    OnlyWaits,
}

/// How a client is served that waits for a key. Both functions get the words of a [`crate::wait::WaitKey`].
#[derive(Debug, Clone, Copy)]
pub struct Blocks {
    /// Whether running the words now would give the client its reply. Changes and counts nothing. O(log n).
    pub ready: fn(&mut Ctx<'_>, &Args<'_>) -> bool,
    /// What runs when they are ready. It is the command's own function, unless what the command says to a
    /// client that has waited is not what it says to one that asks.
    pub woken: Run,
}

/// Calls its last argument with the name of each further key that the command reads in a round, counted from 0. Says
/// whether there is another round, for which these keys have to be here.
pub type NameKeys = fn(&mut Ctx<'_>, &Args<'_>, u32, &mut dyn FnMut(&[u8])) -> bool;

/// Keys that a command reads beside those that it names. Cores that own them lend them in further rounds.
#[derive(Debug, Clone, Copy)]
pub struct Derived {
    /// Whether the arguments ask for any.
    pub any: fn(&Args<'_>) -> bool,
    /// Gives their names, as often as they are read, once the named keys are here. Changes and counts nothing.
    pub keys: NameKeys,
}

/// How many arguments a command takes, its name included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arity(pub i16);

impl Arity {
    /// Just `count`.
    pub const fn exactly(count: i16) -> Arity {
        Arity(count)
    }

    /// `count` or more.
    pub const fn at_least(count: i16) -> Arity {
        Arity(-count)
    }

    /// Whether `count` arguments fit.
    pub fn fits(self, count: usize) -> bool {
        let count = count as i64;
        let arity = i64::from(self.0);
        if arity >= 0 { count == arity } else { count >= -arity }
    }
}

/// A set of command flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    /// No flag.
    pub const NONE: Flags = Flags(0);
    /// May change the keyspace.
    pub const WRITE: Flags = Flags(1);
    /// Only reads the keyspace.
    pub const READONLY: Flags = Flags(1 << 1);
    /// May need memory: refused when memory is exhausted.
    pub const DENYOOM: Flags = Flags(1 << 2);
    /// Administrative.
    pub const ADMIN: Flags = Flags(1 << 3);
    /// Belongs to pub/sub.
    pub const PUBSUB: Flags = Flags(1 << 4);
    /// Not allowed from scripts.
    pub const NOSCRIPT: Flags = Flags(1 << 5);
    /// May block the client.
    pub const BLOCKING: Flags = Flags(1 << 6);
    /// Allowed while loading.
    pub const LOADING: Flags = Flags(1 << 7);
    /// Allowed on a stale replica.
    pub const STALE: Flags = Flags(1 << 8);
    /// Not shown by MONITOR.
    pub const SKIP_MONITOR: Flags = Flags(1 << 9);
    /// Not in SLOWLOG.
    pub const SKIP_SLOWLOG: Flags = Flags(1 << 10);
    /// Constant or logarithmic time.
    pub const FAST: Flags = Flags(1 << 11);
    /// Allowed before authentication.
    pub const NO_AUTH: Flags = Flags(1 << 12);
    /// May replicate even though it is not a write.
    pub const MAY_REPLICATE: Flags = Flags(1 << 13);
    /// Not allowed in MULTI.
    pub const NO_MULTI: Flags = Flags(1 << 14);
    /// Keys cannot all be found by the key specs alone.
    pub const MOVABLEKEYS: Flags = Flags(1 << 15);
    /// Allowed while a script is busy.
    pub const ALLOW_BUSY: Flags = Flags(1 << 16);
    /// No async loading.
    pub const NO_ASYNC_LOADING: Flags = Flags(1 << 17);
    /// Needs all arguments to be keys of one slot in a cluster; kept for COMMAND's answer.
    pub const ASKING: Flags = Flags(1 << 18);
    /// Refused unless a directive enables it (DEBUG).
    pub const PROTECTED: Flags = Flags(1 << 19);
    /// Not in Redis 7.2; COMMAND lists it, the conformance matrix leaves it out.
    pub const NEWER: Flags = Flags(1 << 20);
    /// Allowed in RESP2 subscribed mode.
    pub const SUBSCRIBED: Flags = Flags(1 << 21);
    /// No mandatory keys (FCALL, EVAL with numkeys 0).
    pub const NO_MANDATORY_KEYS: Flags = Flags(1 << 22);

    /// Internal to servers: COMMAND DOCS says so.
    pub const SYSCMD: Flags = Flags(1 << 23);

    /// Carried out at once by a client in MULTI, not queued.
    pub const AT_ONCE: Flags = Flags(1 << 24);
    /// Its keys are watched for the client from then on.
    pub const WATCHES: Flags = Flags(1 << 25);

    /// Runs a script, with what keys it names and touches.
    pub const SCRIPT: Flags = Flags(1 << 26);

    /// The union; usable in constants.
    pub const fn and(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Whether all of `other` are in this set.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// One key specification, as COMMAND INFO shows it.
#[derive(Debug, Clone, Copy)]
pub struct KeySpec {
    /// What happens to the keys: `"RO"`, `"RW"`, `"OW"`, `"RM"` and `"access"`, `"update"`,
    /// `"insert"`, `"delete"`, `"not_key"`, …
    pub flags: &'static [&'static str],
    /// Where the search for the keys begins.
    pub begin: Begin,
    /// How the keys are found from there.
    pub find: Find,
    /// Notes for COMMAND INFO; rarely used.
    pub notes: &'static str,
}

/// Where a search for keys begins.
#[derive(Debug, Clone, Copy)]
pub enum Begin {
    /// At this argument.
    Index(u16),
    /// After this word, looked for from an argument on (negative: from the end).
    Keyword(&'static str, i16),
    /// Where only the command itself can tell; clients are told that it is unknown.
    Unknown(fn(&Args<'_>) -> Option<usize>),
}

/// How keys are found from where the search begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Find {
    /// Each `step`th argument up to `last` (negative: from the end of the arguments; relative to
    /// the beginning otherwise). `limit`: 0 or 1 means all, n means the first 1/n of them.
    Range {
        /// Last key, relative to the beginning, or negative from the end.
        last: i16,
        /// Distance between keys.
        step: u16,
        /// Divides the remaining arguments.
        limit: u16,
    },
    /// A count of keys at `numkeys` (relative to the beginning), keys from `first` on.
    Numkeys {
        /// Where the count is, relative to the beginning.
        numkeys: u16,
        /// Where the first key is, relative to the beginning.
        first: u16,
        /// Distance between keys.
        step: u16,
    },
}

impl KeySpec {
    /// One key at argument `index`.
    pub const fn one(index: u16, flags: &'static [&'static str]) -> KeySpec {
        KeySpec::range(index, 0, 1, flags)
    }

    /// Keys from argument `first` to `last` (relative to `first`, or negative from the end).
    pub const fn range(
        first: u16,
        last: i16,
        step: u16,
        flags: &'static [&'static str],
    ) -> KeySpec {
        KeySpec {
            flags,
            begin: Begin::Index(first),
            find: Find::Range { last, step, limit: 0 },
            notes: "",
        }
    }

    /// Keys that follow their count, which is argument `index`.
    pub const fn counted(index: u16, flags: &'static [&'static str]) -> KeySpec {
        KeySpec {
            flags,
            begin: Begin::Index(index),
            find: Find::Numkeys { numkeys: 0, first: 1, step: 1 },
            notes: "",
        }
    }

    /// Appends the positions of the keys among `args` to `found`. Positions outside the arguments
    /// are not given; a count of keys that does not fit gives none. O(keys).
    pub fn positions(&self, args: &Args<'_>, found: &mut Vec<u32>) {
        let Some(begin) = self.begin.position(args) else { return };
        match self.find {
            Find::Range { last, step, limit } => {
                let count = args.len() as i64;
                let last = match last {
                    from_end if from_end < 0 && limit > 1 => {
                        begin as i64 + (count - begin as i64) / i64::from(limit) - 1
                    }
                    from_end if from_end < 0 => count + i64::from(from_end),
                    relative => begin as i64 + i64::from(relative),
                };
                let keys = (begin as i64..=last.min(count - 1)).step_by(step as usize);
                found.extend(keys.map(|position| position as u32));
            }
            Find::Numkeys { numkeys, first, step } => {
                let Some(text) = args.try_get(begin + numkeys as usize) else { return };
                let Some(keys) = resp::number::parse_i64(text) else { return };
                let start = begin + first as usize;
                let fits = |keys: i64| {
                    keys.checked_mul(i64::from(step))
                        .is_some_and(|all| all <= (args.len() as i64 - start as i64).max(0))
                };
                if keys > 0 && fits(keys) {
                    found
                        .extend((0..keys as usize).map(|key| (start + key * step as usize) as u32));
                }
            }
        }
    }
}

impl Begin {
    /// The argument at which the search begins, if there is one.
    fn position(self, args: &Args<'_>) -> Option<usize> {
        match self {
            Begin::Index(index) => ((index as usize) < args.len()).then_some(index as usize),
            Begin::Unknown(find) => find(args).filter(|position| *position < args.len()),
            Begin::Keyword(word, from) => {
                let is_word =
                    |position: &usize| args.get(*position).eq_ignore_ascii_case(word.as_bytes());
                let found = if from >= 0 {
                    (from as usize..args.len()).find(is_word)
                } else {
                    let last = args.len().checked_sub(from.unsigned_abs() as usize)?;
                    (1..=last).rev().find(is_word)
                };
                found.map(|position| position + 1).filter(|position| *position < args.len())
            }
        }
    }
}

/// How a command runs when there are several cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fanout {
    /// On the owner of its keys; a command without keys on the core of its session.
    Single,
    /// In parts: each owner of some of the keys runs the same command on those of the arguments
    /// that belong to it; the replies are merged.
    Split(Merge),
    /// On every core, with the same arguments; the replies are merged.
    All(Merge),
    /// On the core that the cursor in argument 1 names, and on the next ones while it may show more.
    Cursor,
    /// On one core, drawn by the number of keys that each has.
    RandomCore,
    /// Needs all its keys at one place, and may write them: they are lent to one core
    /// (docs/design/loan.md), the command runs there, and they go home.
    Loan,
    /// Sets several keys under a condition on all of them: parts ask first, then write.
    Conditional,
}

/// How the replies of parts become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// Integers are added.
    Sum,
    /// Array elements go back to the places that their keys had.
    InOrder,
    /// Arrays are concatenated.
    Concat,
    /// All say OK; the first error wins.
    Ok,
    /// The first part's reply is the reply.
    First,
}

/// The group of a command on the reference page, as COMMAND DOCS names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Any type of value.
    Generic,
    /// Strings.
    String,
    /// Lists.
    List,
    /// Sets.
    Set,
    /// Sorted sets.
    SortedSet,
    /// Hashes.
    Hash,
    /// Streams.
    Stream,
    /// Bitmaps.
    Bitmap,
    /// HyperLogLogs.
    HyperLogLog,
    /// Places on earth.
    Geo,
    /// Connections.
    Connection,
    /// The server.
    Server,
    /// Cluster.
    Cluster,
    /// Transactions.
    Transactions,
    /// Pub/sub.
    PubSub,
    /// Scripts and functions.
    Scripting,
}

impl Group {
    /// The name in COMMAND DOCS.
    pub fn name(self) -> &'static str {
        match self {
            Group::Generic => "generic",
            Group::String => "string",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Hash => "hash",
            Group::Stream => "stream",
            Group::Bitmap => "bitmap",
            Group::HyperLogLog => "hyperloglog",
            Group::Geo => "geo",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Cluster => "cluster",
            Group::Transactions => "transactions",
            Group::PubSub => "pubsub",
            Group::Scripting => "scripting",
        }
    }
}

/// One argument in the tree of COMMAND DOCS.
#[derive(Debug, Clone, Copy)]
pub struct Arg {
    /// Its name.
    pub name: &'static str,
    /// What is shown for it, if not the name.
    pub display: Option<&'static str>,
    /// What it is.
    pub kind: ArgKind,
    /// The word before it, if any.
    pub token: Option<&'static str>,
    /// Which key spec it belongs to, for keys.
    pub key_spec: Option<u8>,
    /// First version with it, when newer than the command.
    pub since: Option<&'static str>,
    /// First version in which it is deprecated.
    pub deprecated: Option<&'static str>,
    /// May be left out.
    pub optional: bool,
    /// May be repeated.
    pub multiple: bool,
    /// Its token is repeated with it.
    pub multiple_token: bool,
}

/// What an argument is.
#[derive(Debug, Clone, Copy)]
pub enum ArgKind {
    /// Any string.
    String,
    /// An integer.
    Integer,
    /// A double.
    Double,
    /// A key.
    Key,
    /// A pattern.
    Pattern,
    /// Seconds or milliseconds since the epoch.
    UnixTime,
    /// Just the token.
    PureToken,
    /// One of these.
    OneOf(&'static [Arg]),
    /// All of these together.
    Block(&'static [Arg]),
}

impl Arg {
    /// A plain argument.
    pub const fn new(name: &'static str, kind: ArgKind) -> Arg {
        Arg {
            name,
            display: None,
            kind,
            token: None,
            key_spec: None,
            since: None,
            deprecated: None,
            optional: false,
            multiple: false,
            multiple_token: false,
        }
    }

    /// Any string.
    pub const fn string(name: &'static str) -> Arg {
        Arg::new(name, ArgKind::String)
    }

    /// An integer.
    pub const fn integer(name: &'static str) -> Arg {
        Arg::new(name, ArgKind::Integer)
    }

    /// A UNIX time.
    pub const fn unix_time(name: &'static str) -> Arg {
        Arg::new(name, ArgKind::UnixTime)
    }

    /// One of `choices`.
    pub const fn one_of(name: &'static str, choices: &'static [Arg]) -> Arg {
        Arg::new(name, ArgKind::OneOf(choices))
    }

    /// All of `parts` together.
    pub const fn block(name: &'static str, parts: &'static [Arg]) -> Arg {
        Arg::new(name, ArgKind::Block(parts))
    }

    /// A key of the key spec `index`.
    pub const fn key(name: &'static str, index: u8) -> Arg {
        Arg { key_spec: Some(index), ..Arg::new(name, ArgKind::Key) }
    }

    /// The same; what it names are keys of the key spec `index`.
    pub const fn names_keys(self, index: u8) -> Arg {
        Arg { key_spec: Some(index), ..self }
    }

    /// A word that stands for itself.
    pub const fn word(name: &'static str, token: &'static str) -> Arg {
        Arg { token: Some(token), ..Arg::new(name, ArgKind::PureToken) }
    }

    /// The same with a word before it.
    pub const fn token(self, token: &'static str) -> Arg {
        Arg { token: Some(token), ..self }
    }

    /// The same, but it may be left out.
    pub const fn optional(self) -> Arg {
        Arg { optional: true, ..self }
    }

    /// The same, but it may be repeated.
    pub const fn multiple(self) -> Arg {
        Arg { multiple: true, ..self }
    }

    /// The same, but it may be repeated, and its word with it.
    pub const fn each_with_token(self) -> Arg {
        Arg { multiple: true, multiple_token: true, ..self }
    }

    /// The same, new in a version.
    pub const fn since(self, version: &'static str) -> Arg {
        Arg { since: Some(version), ..self }
    }

    /// The same, deprecated since a version.
    pub const fn deprecated(self, version: &'static str) -> Arg {
        Arg { deprecated: Some(version), ..self }
    }
}
