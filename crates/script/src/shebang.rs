//! The first line of a script or a library: `#!lua flags=no-writes`, `#!lua name=mylib`.
//!
//! Words are split as in inline commands, quotes included.

use resp::inline;

/// What a script promises or asks for by its first line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Which of the five were named, by their bits.
    bits: u8,
    /// Whether there is a shebang at all. Without one Redis guards a script less strictly.
    pub declared: bool,
}

/// The flags by their names, in the order of FUNCTION LIST.
pub const FLAGS: [(&str, u8); 5] = [
    ("no-writes", Flags::NO_WRITES),
    ("allow-oom", Flags::ALLOW_OOM),
    ("allow-stale", Flags::ALLOW_STALE),
    ("no-cluster", Flags::NO_CLUSTER),
    ("allow-cross-slot-keys", Flags::ALLOW_CROSS_SLOT_KEYS),
];

impl Flags {
    /// It never writes.
    pub const NO_WRITES: u8 = 1;
    /// It may run while memory is short.
    pub const ALLOW_OOM: u8 = 2;
    /// It may run on a stale replica.
    pub const ALLOW_STALE: u8 = 4;
    /// It refuses to run in a cluster.
    pub const NO_CLUSTER: u8 = 8;
    /// Its keys may live in several slots.
    pub const ALLOW_CROSS_SLOT_KEYS: u8 = 16;

    /// No flag, but declared.
    pub fn declared() -> Flags {
        Flags { bits: 0, declared: true }
    }

    /// Whether all of `bits` were named.
    pub fn has(self, bits: u8) -> bool {
        self.bits & bits == bits
    }

    /// Adds the flag of this name; false if there is none.
    pub fn add(&mut self, name: &[u8]) -> bool {
        let known = FLAGS.iter().find(|(flag, _)| flag.as_bytes() == name);
        self.bits |= known.map_or(0, |(_, bit)| *bit);
        known.is_some()
    }

    /// The names of the flags that were given.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        FLAGS.into_iter().filter(move |(_, bit)| self.has(*bit)).map(|(name, _)| name)
    }
}

/// Splits a source into its first line, without `#!`, and the rest, which begins with the line's end so that
/// lines keep their numbers. `None` if it has no shebang; an empty rest means that the line does not end.
fn split(source: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = source.strip_prefix(b"#!")?;
    let end = line.iter().position(|&byte| byte == b'\n').unwrap_or(line.len());
    Some(line.split_at(end))
}

/// The flags of a script and the source behind its first line.
///
/// # Errors
/// The text of the error reply.
pub fn of_script(source: &[u8]) -> Result<(Flags, &[u8]), Vec<u8>> {
    let Some((line, rest)) = split(source) else { return Ok((Flags::default(), source)) };
    if rest.is_empty() {
        return Err(b"ERR Invalid script shebang".to_vec());
    }
    let words = words(line).ok_or(b"ERR Invalid engine in script shebang".to_vec())?;
    let engine = words.first().map_or(&b""[..], |word| &word[..]);
    if engine != b"lua" {
        return Err([b"ERR Unexpected engine in script shebang: #!", engine].concat());
    }
    let mut flags = Flags::declared();
    for word in &words[1..] {
        let Some(list) = word.strip_prefix(b"flags=") else {
            return Err([b"ERR Unknown lua shebang option: ", &word[..]].concat());
        };
        for name in list.split(|&byte| byte == b',').filter(|_| !list.is_empty()) {
            if !flags.add(name) {
                return Err([b"ERR Unexpected flag in script shebang: ", name].concat());
            }
        }
    }
    Ok((flags, rest))
}

/// The name of a library and the source behind its first line.
///
/// # Errors
/// The text of the error reply.
pub fn of_library(source: &[u8]) -> Result<(Vec<u8>, &[u8]), Vec<u8>> {
    let (line, rest) = split(source).ok_or(b"ERR Missing library metadata".to_vec())?;
    if rest.is_empty() {
        return Err(b"ERR Invalid library metadata".to_vec());
    }
    let words = words(line).ok_or(b"ERR Invalid library metadata".to_vec())?;
    let mut words = words.into_iter();
    let engine = words.next().unwrap_or_default();
    let mut name: Option<Vec<u8>> = None;
    for word in words {
        match word.split_at_checked(b"name=".len()) {
            Some((b"name=", _)) if name.is_some() => {
                return Err(
                    b"ERR Invalid metadata value, name argument was given multiple times".to_vec()
                );
            }
            Some((b"name=", value)) => name = Some(value.to_vec()),
            _ => return Err([b"ERR Invalid metadata value given: ", &word[..]].concat()),
        }
    }
    let name = name.ok_or(b"ERR Library name was not given".to_vec())?;
    if !is_name(&name) {
        return Err([b"ERR ", NAME_RULE].concat());
    }
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err([b"ERR Engine '", &engine[..], b"' not found"].concat());
    }
    Ok((name, rest))
}

/// What a bad name of a library or a function is answered with.
pub const NAME_RULE: &[u8] = b"Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";

/// Whether a library or a function may be called so.
pub fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The words of a line, quotes as in inline commands; `None` if they do not close.
fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut spans, mut scratch) = (Vec::new(), Vec::new());
    inline::split(line, &mut spans, &mut scratch).ok()?;
    let word = |span: &resp::Span| {
        let start = span.start as usize;
        scratch[start..start + span.len as usize].to_vec()
    };
    Some(spans.iter().map(word).collect())
}
