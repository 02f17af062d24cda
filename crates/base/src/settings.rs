//! The settings: one table, and the values of one moment.
//!
//! [`table`] is the closed list of everything that can be configured: a row says the name, the
//! kind of value, the default, when it may change and what it means here. From it derive the
//! configuration file, the command line, CONFIG GET/SET/REWRITE and
//! `docs/reference/configuration.md`. Adding a setting is adding a row.
//!
//! [`Settings`] is a plain value. Each core holds its own copy; CONFIG SET makes a new one with
//! [`Settings::apply`], which changes several or none, and hands a copy to every core. Reading is
//! an index into an array: `settings.int(settings::HZ)`, `settings.flag(settings::DYNAMIC_HZ)`.
//!
//! The texts of errors and the printed forms are those of Redis 7.2, because operators and client
//! libraries match on them. A directive that has no meaning here is still known, accepted, and
//! printed back; its row says why it does nothing ([`Meaning::Inert`]).

mod check;
mod index;
mod kind;
pub mod notify;
mod parse;
mod print;
mod table;

pub use self::kind::{
    Change, Kind, MAX_BIND_ADDRESSES, Meaning, OUTPUT_NORMAL, OUTPUT_PUBSUB, OUTPUT_REPLICA,
    OutputLimit, SavePoint, Setting, Value,
};
pub use self::table::*;

/// Names one row of [`TABLE`]; the constants of this module are the only sensible values.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct SettingId(u16);

impl SettingId {
    /// Every setting, in the order of the table.
    pub fn all() -> impl Iterator<Item = SettingId> {
        (0..TABLE.len() as u16).map(SettingId)
    }

    /// The setting with this name or alias, whatever its case. O(1).
    pub fn find(name: &[u8]) -> Option<SettingId> {
        index::find(name).map(|entry| entry.id)
    }

    /// The setting's place in arrays over all settings.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The row of the table.
    pub fn row(self) -> &'static Setting {
        &TABLE[self.index()]
    }
}

/// What Redis says without an allocator made for it.
const NO_DEFRAGMENTATION: &str = "Active defragmentation cannot be enabled: it requires a Redis \
    server compiled with a modified Jemalloc like the one shipped by default with the Redis source \
    distribution";

/// Why CONFIG SET was refused. [`Refusal::text`] is what the client reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No such directive; holds the name as it was given.
    Unknown(Vec<u8>),
    /// The directive, and what is wrong with it. A bad value names it as the table spells it,
    /// everything else as it was given.
    Argument(Vec<u8>, String),
}

impl Refusal {
    /// The error reply, with its `ERR` prefix and without the line end. A name is repeated byte for
    /// byte; what is unknown only up to its first NUL, as in Redis.
    pub fn text(&self) -> Vec<u8> {
        match self {
            Refusal::Unknown(name) => {
                let before = b"ERR Unknown option or number of arguments for CONFIG SET - '";
                [before.as_slice(), crate::until_nul(name), b"'"].concat()
            }
            Refusal::Argument(name, detail) => {
                let before = b"ERR CONFIG SET failed (possibly related to argument '";
                [before.as_slice(), name, b"') - ", detail.as_bytes()].concat()
            }
        }
    }
}

/// The value of every setting at one moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    values: Vec<Value>,
}

impl Default for Settings {
    /// Every setting at the table's default.
    fn default() -> Settings {
        let values = TABLE.iter().map(|row| {
            let whole = row.default.as_bytes();
            let words = if row.kind.takes_words() { parse::split(whole) } else { vec![whole] };
            parse::value(row, &Value::empty(row.kind), &words)
                .expect("a test holds that every default parses")
        });
        Settings { values: values.collect() }
    }
}

impl Settings {
    /// A number. Memory sizes count too, capped at `i64::MAX`; a percentage is 0 (see
    /// [`Settings::memory_of`]).
    pub fn int(&self, id: SettingId) -> i64 {
        match self.value(id) {
            Value::Int(number) => *number,
            Value::Memory(bytes) => i64::try_from(*bytes).unwrap_or(i64::MAX),
            Value::Percent(_) => 0,
            _ => wrong_kind(id),
        }
    }

    /// A number as a `usize`, for counts and sizes whose row forbids negative ones.
    pub fn size(&self, id: SettingId) -> usize {
        usize::try_from(self.int(id)).unwrap_or(0)
    }

    /// A memory size in bytes; a percentage is taken of `whole`.
    pub fn memory_of(&self, id: SettingId, whole: u64) -> u64 {
        match self.value(id) {
            Value::Memory(bytes) => *bytes,
            Value::Percent(percent) => (u128::from(whole) * u128::from(*percent) / 100) as u64,
            _ => wrong_kind(id),
        }
    }

    /// A yes or no.
    pub fn flag(&self, id: SettingId) -> bool {
        match self.value(id) {
            Value::Flag(flag) => *flag,
            _ => wrong_kind(id),
        }
    }

    /// One of the row's names, in the row's spelling.
    pub fn choice(&self, id: SettingId) -> &'static str {
        match (self.value(id), id.row().kind) {
            (Value::Choice(index), Kind::Choice(names)) => names[*index],
            _ => wrong_kind(id),
        }
    }

    /// Several of the row's names, as a bit set in the order of the row's names.
    pub fn options(&self, id: SettingId) -> u32 {
        match self.value(id) {
            Value::Options(bits) => *bits,
            _ => wrong_kind(id),
        }
    }

    /// A text, as the bytes that were given (a password need not be UTF-8). Of a choice its name.
    pub fn text(&self, id: SettingId) -> &[u8] {
        match self.value(id) {
            Value::Text(text) => text,
            Value::Choice(_) => self.choice(id).as_bytes(),
            _ => wrong_kind(id),
        }
    }

    /// A list of words.
    pub fn words(&self, id: SettingId) -> &[Box<[u8]>] {
        match self.value(id) {
            Value::Words(words) => words,
            _ => wrong_kind(id),
        }
    }

    /// The points of `save`.
    pub fn save_points(&self) -> &[SavePoint] {
        match self.value(SAVE) {
            Value::Save(points) => points,
            _ => wrong_kind(SAVE),
        }
    }

    /// `client-output-buffer-limit` of one class: [`OUTPUT_NORMAL`], [`OUTPUT_REPLICA`] or
    /// [`OUTPUT_PUBSUB`].
    pub fn output_limit(&self, class: usize) -> OutputLimit {
        match self.value(CLIENT_OUTPUT_BUFFER_LIMIT) {
            Value::OutputLimits(limits) => limits[class],
            _ => wrong_kind(CLIENT_OUTPUT_BUFFER_LIMIT),
        }
    }

    /// The percentiles of a list of them, 0 to 100.
    pub fn percentiles(&self, id: SettingId) -> &[f64] {
        match self.value(id) {
            Value::Percentiles(list) => list,
            _ => wrong_kind(id),
        }
    }

    /// `notify-keyspace-events` as bits of [`notify`].
    pub fn notify(&self) -> u32 {
        match self.value(NOTIFY_KEYSPACE_EVENTS) {
            Value::Notify(bits) => *bits,
            _ => wrong_kind(NOTIFY_KEYSPACE_EVENTS),
        }
    }

    /// The value itself, for code that goes over all kinds.
    pub fn value(&self, id: SettingId) -> &Value {
        &self.values[id.index()]
    }

    /// The value exactly as CONFIG GET prints it.
    pub fn get(&self, id: SettingId) -> Vec<u8> {
        print::value(id.row(), self.value(id))
    }

    /// Takes a value in the one-argument form of CONFIG SET. Says nothing of whether it may change
    /// now: that is [`Settings::apply`]. The error is the detail that Redis gives.
    pub fn set(&mut self, id: SettingId, value: &[u8]) -> Result<(), String> {
        self.set_words(id, &[value])
    }

    /// Takes a value in the form of a line of the configuration file, already cut into words.
    /// A single word of a setting that takes several is cut at its spaces, as Redis does.
    pub fn set_words(&mut self, id: SettingId, words: &[&[u8]]) -> Result<(), String> {
        let split;
        let words = match words {
            [one] if id.row().kind.takes_words() => {
                split = parse::split(one);
                &split
            }
            several => several,
        };
        let value = parse::value(id.row(), self.value(id), words)?;
        self.values[id.index()] = value;
        Ok(())
    }

    /// Takes over one value of other settings.
    pub fn take(&mut self, id: SettingId, from: &Settings) {
        self.values[id.index()] = from.values[id.index()].clone();
    }

    /// CONFIG SET: the settings with all of `pairs` changed, or what is wrong with the first bad
    /// one. `protected` says whether this client may change protected settings
    /// ([`Settings::protected_allowed`]). O(number of settings).
    pub fn apply(&self, pairs: &[(&[u8], &[u8])], protected: bool) -> Result<Settings, Refusal> {
        let mut named: Vec<(index::Entry, &[u8])> = Vec::with_capacity(pairs.len());
        for (name, value) in pairs {
            let Some(entry) = index::find(name) else {
                return Err(Refusal::Unknown(name.to_vec()));
            };
            let refuse = |detail: &str| Err(Refusal::Argument(name.to_vec(), detail.to_owned()));
            match entry.id.row().change {
                Change::AtStart => return refuse("can't set immutable config"),
                Change::Protected if !protected => return refuse("can't set protected config"),
                Change::Protected | Change::AtRunTime => {}
            }
            if named.iter().any(|(other, _)| *other == entry) {
                return refuse("duplicate parameter");
            }
            named.push((entry, value));
        }
        let mut changed = self.clone();
        for (entry, value) in named {
            let refuse = |detail| Refusal::Argument(entry.name().into(), detail);
            changed.set(entry.id, value).map_err(refuse)?;
            // A file that says so is taken with a warning; here somebody waits for an answer, and it
            // is the one of a Redis whose allocator cannot be asked either.
            if entry.id == ACTIVEDEFRAG && changed.flag(ACTIVEDEFRAG) {
                return Err(refuse(NO_DEFRAGMENTATION.to_owned()));
            }
        }
        Ok(changed)
    }

    /// The settings that differ from those of `before`, in the order of the table.
    pub fn changed_since(&self, before: &Settings) -> Vec<SettingId> {
        SettingId::all().filter(|id| self.value(*id) != before.value(*id)).collect()
    }

    /// Whether a client may set protected settings, which `enable-protected-configs` decides;
    /// `local` says whether it is on the loopback interface or the UNIX socket.
    pub fn protected_allowed(&self, local: bool) -> bool {
        self.local_choice(ENABLE_PROTECTED_CONFIGS, local)
    }

    /// Decides a setting of `yes`, `no` or `local` for one client.
    pub fn local_choice(&self, id: SettingId, local: bool) -> bool {
        match self.choice(id) {
            "yes" => true,
            "local" => local,
            _ => false,
        }
    }
}

/// CONFIG GET: name and setting of what the patterns name, each name once, in the order of the
/// table. `is_match(pattern, name)` is the caller's glob, case-insensitive. A pattern without
/// wildcards is a look-up, finds hidden settings too and is answered with the caller's spelling.
pub fn matching(
    patterns: &[&[u8]],
    is_match: impl Fn(&[u8], &[u8]) -> bool,
) -> Vec<(Vec<u8>, SettingId)> {
    let mut found: Vec<(index::Entry, Vec<u8>)> = Vec::new();
    for pattern in patterns {
        let wild = pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['));
        let hits = match wild {
            false => index::find(pattern)
                .map(|entry| (entry, pattern.to_ascii_lowercase()))
                .into_iter()
                .collect(),
            true => visible(pattern, &is_match),
        };
        for (entry, name) in hits {
            if !found.iter().any(|(other, _)| *other == entry) {
                found.push((entry, if wild { name } else { pattern.to_vec() }));
            }
        }
    }
    found.sort_by_key(|(entry, _)| (entry.id, entry.alias));
    found.into_iter().map(|(entry, name)| (name, entry.id)).collect()
}

/// The names a pattern with wildcards finds; hidden settings are not among them.
fn visible(
    pattern: &[u8],
    is_match: &impl Fn(&[u8], &[u8]) -> bool,
) -> Vec<(index::Entry, Vec<u8>)> {
    let names = SettingId::all().filter(|id| !id.row().hidden).flat_map(|id| {
        let alias = id.row().alias.map(|_| index::Entry { id, alias: true });
        [Some(index::Entry { id, alias: false }), alias].into_iter().flatten()
    });
    names
        .filter(|entry| is_match(pattern, entry.name().as_bytes()))
        .map(|entry| (entry, entry.name().as_bytes().to_vec()))
        .collect()
}

/// A setting was read as what it is not: a slip of ours that any test of the reader finds.
fn wrong_kind(id: SettingId) -> ! {
    panic!("setting {} was read as another kind than its row says", id.row().name)
}

#[cfg(test)]
mod tests;
