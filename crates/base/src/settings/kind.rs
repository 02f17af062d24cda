//! What a row of the table says, and what a value can be.

/// Addresses that `bind` takes at the most, as in Redis.
pub const MAX_BIND_ADDRESSES: usize = 16;

/// The class of ordinary clients in `client-output-buffer-limit`.
pub const OUTPUT_NORMAL: usize = 0;
/// The class of replicas.
pub const OUTPUT_REPLICA: usize = 1;
/// The class of subscribers.
pub const OUTPUT_PUBSUB: usize = 2;

/// One row of the table of settings.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The directive, in lower case.
    pub name: &'static str,
    /// An older or other spelling that Redis knows too.
    pub alias: Option<&'static str>,
    /// What values it takes.
    pub kind: Kind,
    /// The default, in the form that CONFIG SET takes.
    pub default: &'static str,
    /// When it may change.
    pub change: Change,
    /// Whether its value must not appear in logs, MONITOR and SLOWLOG.
    pub sensitive: bool,
    /// Whether patterns of CONFIG GET pass it over; its own name finds it.
    pub hidden: bool,
    /// Whether it does something here.
    pub meaning: Meaning,
    /// Sentences for the reference.
    pub help: &'static str,
    /// A last look at a value of the right kind: corrects it, or refuses it with Redis' detail.
    pub check: Option<fn(Value) -> Result<Value, String>>,
}

/// When a setting may change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// By CONFIG SET at any time.
    AtRunTime,
    /// Only in the configuration file and on the command line.
    AtStart,
    /// By CONFIG SET if `enable-protected-configs` allows it.
    Protected,
}

/// Whether a setting does something here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    /// The server does what it says.
    Honoured,
    /// It is accepted and printed back, and does nothing, for this reason.
    Inert(&'static str),
}

/// What values a setting takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `yes` or `no`.
    Flag,
    /// A whole number, both bounds included.
    Int {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// File permissions in octal.
    Octal {
        /// The most.
        max: i64,
    },
    /// Bytes, with units (`1k` is 1000, `1kb` is 1024).
    Memory {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// Bytes, or a percentage of `maxmemory` (`5%`).
    MemoryOrPercent,
    /// One of these names.
    Choice(&'static [&'static str]),
    /// Any of these names, the first alone meaning none of the others.
    Options(&'static [&'static str]),
    /// A text of one word (quotes make anything one word).
    Text,
    /// Up to this many words.
    Words {
        /// The most.
        max: usize,
    },
    /// Pairs of seconds and changes.
    Save,
    /// Class, hard limit, soft limit and seconds; one or more classes.
    OutputLimits,
    /// Three adjustments of the OOM killer's score.
    OomScores,
    /// Percentiles, 0 to 100.
    Percentiles,
    /// Letters of classes of keyspace events.
    Notify,
}

impl Kind {
    /// Whether the value is a list of words in the configuration file.
    pub fn takes_words(self) -> bool {
        matches!(
            self,
            Kind::Options(_)
                | Kind::Words { .. }
                | Kind::Save
                | Kind::OutputLimits
                | Kind::OomScores
                | Kind::Percentiles
        )
    }
}

/// One pair of `save`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SavePoint {
    /// After this many seconds…
    pub seconds: i64,
    /// …if at least this many changes happened.
    pub changes: i64,
}

/// The bounds of one class' output buffers; 0 means no bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OutputLimit {
    /// A client over this is closed at once.
    pub hard_bytes: u64,
    /// A client over this for `soft_s` seconds is closed.
    pub soft_bytes: u64,
    /// How long a client may stay over the soft limit.
    pub soft_s: i64,
}

/// The value of one setting. Which arm it is follows from the row's kind.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// Of [`Kind::Flag`].
    Flag(bool),
    /// Of [`Kind::Int`] and [`Kind::Octal`].
    Int(i64),
    /// Of [`Kind::Memory`] and [`Kind::MemoryOrPercent`].
    Memory(u64),
    /// Of [`Kind::MemoryOrPercent`].
    Percent(u8),
    /// Of [`Kind::Choice`]: the name's position.
    Choice(usize),
    /// Of [`Kind::Options`]: bit `n` is the name at position `n + 1`.
    Options(u32),
    /// Of [`Kind::Text`].
    Text(Box<[u8]>),
    /// Of [`Kind::Words`].
    Words(Box<[Box<[u8]>]>),
    /// Of [`Kind::Save`].
    Save(Box<[SavePoint]>),
    /// Of [`Kind::OutputLimits`], indexed by [`OUTPUT_NORMAL`] and its sisters.
    OutputLimits(Box<[OutputLimit; 3]>),
    /// Of [`Kind::OomScores`].
    OomScores([i64; 3]),
    /// Of [`Kind::Percentiles`].
    Percentiles(Box<[f64]>),
    /// Of [`Kind::Notify`]: bits of `settings::notify`.
    Notify(u32),
}

impl Value {
    /// What a value of this kind is before anything was set.
    pub(super) fn empty(kind: Kind) -> Value {
        match kind {
            Kind::Flag => Value::Flag(false),
            Kind::Int { .. } | Kind::Octal { .. } => Value::Int(0),
            Kind::Memory { .. } | Kind::MemoryOrPercent => Value::Memory(0),
            Kind::Choice(_) => Value::Choice(0),
            Kind::Options(_) => Value::Options(0),
            Kind::Text => Value::Text(Box::default()),
            Kind::Words { .. } => Value::Words(Box::default()),
            Kind::Save => Value::Save(Box::default()),
            Kind::OutputLimits => Value::OutputLimits(Box::default()),
            Kind::OomScores => Value::OomScores([0; 3]),
            Kind::Percentiles => Value::Percentiles(Box::default()),
            Kind::Notify => Value::Notify(0),
        }
    }
}

// The table is written with these: a kind and a name make a row, the rest is said when it differs.
impl Setting {
    pub(super) const fn new(name: &'static str, kind: Kind, default: &'static str) -> Setting {
        Setting {
            name,
            alias: None,
            kind,
            default,
            change: Change::AtRunTime,
            sensitive: false,
            hidden: false,
            meaning: Meaning::Honoured,
            help: "",
            check: None,
        }
    }

    pub(super) const fn alias(mut self, alias: &'static str) -> Setting {
        self.alias = Some(alias);
        self
    }

    pub(super) const fn at_start(mut self) -> Setting {
        self.change = Change::AtStart;
        self
    }

    pub(super) const fn protected(mut self) -> Setting {
        self.change = Change::Protected;
        self
    }

    pub(super) const fn sensitive(mut self) -> Setting {
        self.sensitive = true;
        self
    }

    pub(super) const fn hidden(mut self) -> Setting {
        self.hidden = true;
        self
    }

    pub(super) const fn inert(mut self, why: &'static str) -> Setting {
        self.meaning = Meaning::Inert(why);
        self
    }

    pub(super) const fn check(mut self, check: fn(Value) -> Result<Value, String>) -> Setting {
        self.check = Some(check);
        self
    }

    pub(super) const fn help(mut self, help: &'static str) -> Setting {
        self.help = help;
        self
    }
}
