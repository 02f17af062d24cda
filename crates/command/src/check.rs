//! `check(script, replies)`: how data commands are tested, without an engine, a socket or a clock.
//!
//! ```
//! use command::check::{check, check3};
//! check("SET k v EX 10; @+10000; GET k; @+1; GET k", "OK; v; nil");
//! check("SET k a; INCR k; STRLEN k extra", "OK; ERR value is not an integer or out of range; ERR");
//! check3("GET none", "nil");
//! ```
//!
//! A script is statements separated by `;`, a statement is words separated by blanks; words may be
//! quoted as in redis-cli (`"a;b\x00"`, `'a b'`). The expected replies are separated by `;` as well, in the
//! notation of [`resp::read::Value`]; of an error, its text or its first word alone is enough.
//! Statements that begin with `@` give no reply: `@+1500` lets 1500 milliseconds pass, `@db 3` selects a
//! database, `@set directive value` configures.
//!
//! `@woken` gives the reply of the last command that waited: it is served if a key that it waits for is ready, else it
//! is the text `waits`.
//!
//! A [`World`] is what scripts run in. It also holds every command to its contract: exactly one reply;
//! after a failure nothing written and nothing changed; a READONLY command changes nothing; a command that waits can
//! block, and no key that it waits for is ready.

use crate::spec::{Command, Flags};
use crate::{Args, Ctx, Failure, Run, Wait, table};
use base::{Now, Settings};
use resp::parse::Span;
use resp::read::{Value, frame_len};
use resp::write::{Protocol, Writer};
use store::{Eviction, Hasher, Policy, Store};

/// When scripts begin: UNIX milliseconds.
pub const START_MS: i64 = 1_700_000_000_000;

/// The seed of the hash of keys.
const HASH_SEED: u64 = 7;

/// Runs a script in a fresh world that speaks RESP2 and compares the replies. Panics with both when
/// they differ.
#[track_caller]
pub fn check(script: &str, replies: &str) {
    compare(script, &World::new(Protocol::Resp2).script(script), replies);
}

/// The same in RESP3.
#[track_caller]
pub fn check3(script: &str, replies: &str) {
    compare(script, &World::new(Protocol::Resp3).script(script), replies);
}

#[track_caller]
fn compare(script: &str, got: &[Value], expected: &str) {
    let shown: Vec<String> = got.iter().map(Value::to_string).collect();
    let wanted: Vec<&str> = expected.split(';').map(str::trim).collect();
    let fits = shown.len() == wanted.len()
        && shown.iter().zip(&wanted).all(|(shown, wanted)| is_as_expected(shown, wanted));
    let both = format!("script:   {script}\ngot:      {}\nexpected: {expected}", shown.join("; "));
    assert!(fits || shown.join("; ") == expected, "{both}");
}

fn is_as_expected(shown: &str, wanted: &str) -> bool {
    let error = shown.strip_prefix("(err) ");
    shown == wanted
        || error.is_some_and(|text| text == wanted || text.split(' ').next() == Some(wanted))
}

/// Calls `use_args` with these words as a request.
pub fn with_args<T>(words: &[&[u8]], use_args: impl FnOnce(&Args<'_>) -> T) -> T {
    with_hashed_args(words, Hasher::new(HASH_SEED), use_args)
}

/// The same with a hasher that is there: each new one takes memory for good.
fn with_hashed_args<T>(
    words: &[&[u8]],
    hasher: Hasher,
    use_args: impl FnOnce(&Args<'_>) -> T,
) -> T {
    let (mut bytes, mut spans) = (Vec::new(), Vec::new());
    for word in words {
        spans.push(Span { start: bytes.len() as u32, len: word.len() as u32 });
        bytes.extend_from_slice(word);
    }
    use_args(&Args::new(&bytes, &spans, hasher))
}

/// The databases of one core that owns every slot, a time and a configuration.
pub struct World {
    /// The databases.
    pub store: Store,
    /// The present time; it passes only by [`World::advance`].
    pub now: Now,
    settings: Settings,
    protocol: Protocol,
    db: u8,
    /// What the last command that found nothing waits for.
    pub wait: Option<Box<Wait>>,
}

impl World {
    /// An empty world at [`START_MS`] with the default configuration.
    pub fn new(protocol: Protocol) -> World {
        let settings = Settings::default();
        let databases = settings.size(base::settings::DATABASES);
        World {
            store: Store::new(databases, 0..base::SLOTS as u16, HASH_SEED, 1),
            now: Now { unix_us: START_MS * 1000, mono_us: 1_000_000_000 },
            settings,
            protocol,
            db: 0,
            wait: None,
        }
    }

    /// Lets time pass.
    pub fn advance(&mut self, ms: i64) {
        self.now.unix_us += ms * 1000;
        self.now.mono_us = self.now.mono_us.saturating_add_signed(ms * 1000);
    }

    /// Sets a directive. Panics when there is none such or the value is none for it.
    pub fn configure(&mut self, directive: &str, value: &str) {
        let pairs = [(directive.as_bytes(), value.as_bytes())];
        let changed = self.settings.apply(&pairs, true);
        self.settings =
            changed.unwrap_or_else(|refusal| panic!("{}", refusal.text().escape_ascii()));
        let policy = Policy::parse(self.settings.choice(base::settings::MAXMEMORY_POLICY))
            .expect("the table of settings names the policies of the store");
        self.store.set_eviction(Eviction { policy, ..*self.store.eviction() });
        self.store.set_shapes(crate::shapes::shapes(&self.settings));
    }

    /// Runs a script; gives the replies.
    pub fn script(&mut self, script: &str) -> Vec<Value> {
        let mut replies = Vec::new();
        for words in statements(script) {
            if words[0] == b"@woken" {
                let woken = self.woken();
                replies
                    .push(woken.map_or(Value::Simple("waits".to_owned()), |reply| parsed(&reply)));
                continue;
            }
            if words[0].starts_with(b"@") {
                self.direct(&words);
                continue;
            }
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            let reply = self.run(&words);
            replies.push(parsed(&reply));
        }
        replies
    }

    /// Obeys a statement that is no command.
    fn direct(&mut self, words: &[Vec<u8>]) {
        let words: Vec<&str> = words
            .iter()
            .map(|word| std::str::from_utf8(word).expect("directions are text"))
            .collect();
        match words[..] {
            ["@db", index] => self.db = index.parse().expect("@db takes a number"),
            ["@set", directive, value] => self.configure(directive, value),
            [pause] => match pause.strip_prefix("@+").and_then(|ms| ms.parse().ok()) {
                Some(ms) => self.advance(ms),
                None => panic!("no direction: {pause}"),
            },
            _ => panic!("no direction: {words:?}"),
        }
    }

    /// Runs one command; gives its encoded reply. Panics when the command breaks its contract.
    pub fn run(&mut self, words: &[&[u8]]) -> Vec<u8> {
        self.run_as(words, |command| command.run)
    }

    /// Serves who waits from the first of its keys that is ready; gives the encoded reply, or `None` when none is.
    pub fn woken(&mut self) -> Option<Vec<u8>> {
        let wait = self.wait.take().expect("a command has waited");
        let Some(key) = wait.keys.iter().find(|key| self.is_ready(&key.words)) else {
            self.wait = Some(wait);
            return None;
        };
        let words: Vec<&[u8]> = key.words.iter().map(|word| &**word).collect();
        let reply =
            self.run_as(&words, |command| command.spec.blocks.expect("it has waited").woken);
        assert!(self.wait.is_none(), "{} is ready and waits", show(&words));
        Some(reply)
    }

    /// Whether running these words would serve who waits with them.
    fn is_ready(&mut self, words: &[Box<[u8]>]) -> bool {
        let words: Vec<&[u8]> = words.iter().map(|word| &**word).collect();
        let command = find(&words).expect("words to be run again are a request");
        let blocks = command.spec.blocks.expect("who waits can block");
        let (before, hasher) = (self.store.changes(), self.store.hasher());
        let mut unread = Vec::new();
        let mut ctx = Ctx {
            store: &mut self.store,
            db: self.db,
            now: self.now,
            settings: &self.settings,
            reply: Writer::new(&mut unread, self.protocol),
            scripted: false,
            wait: None,
        };
        let ready = with_hashed_args(&words, hasher, |args| (blocks.ready)(&mut ctx, args));
        assert!(unread.is_empty() && self.store.changes() == before, "{} is asked", show(&words));
        ready
    }

    /// Runs a function of the command that these words call.
    fn run_as(&mut self, words: &[&[u8]], run: fn(&Command) -> Run) -> Vec<u8> {
        let mut reply = Vec::new();
        if let Err(failure) = self.call(words, run, &mut reply) {
            assert!(reply.is_empty(), "{} wrote before it failed", show(words));
            Writer::new(&mut reply, self.protocol).error(&*failure.0);
        }
        let whole = matches!(frame_len(&reply), Some(Ok(len)) if len == reply.len());
        assert!(whole, "{} does not reply just once: {}", show(words), reply.escape_ascii());
        reply
    }

    fn call(
        &mut self,
        words: &[&[u8]],
        run: fn(&Command) -> Run,
        reply: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let command = find(words)?;
        let before = self.store.changes();
        let hasher = self.store.hasher();
        let mut ctx = Ctx {
            store: &mut self.store,
            db: self.db,
            now: self.now,
            settings: &self.settings,
            reply: Writer::new(reply, self.protocol),
            scripted: false,
            wait: None,
        };
        let result = with_hashed_args(words, hasher, |args| run(command)(&mut ctx, args));
        let wait = ctx.wait.take();
        let changed = self.store.changes() != before;
        let may_change = result.is_ok() && command.spec.flags.has(Flags::WRITE);
        assert!(may_change || !changed, "{} has changed something", show(words));
        if let Some(wait) = wait {
            let can_block = result.is_ok() && command.spec.flags.has(Flags::BLOCKING);
            assert!(can_block && !wait.keys.is_empty(), "{} cannot wait", show(words));
            let ready = wait.keys.iter().find(|key| self.is_ready(&key.words));
            assert!(ready.is_none(), "{} waits for what is there", show(words));
            self.wait = Some(wait);
        }
        result
    }
}

/// The command or sub-command that these words call, its arity checked.
fn find(words: &[&[u8]]) -> Result<&'static Command, Failure> {
    let named =
        |command: &Command, word: &[u8]| command.spec.name.as_bytes().eq_ignore_ascii_case(word);
    let mut known = table::families();
    let Some(mut command) = known.find(|command| named(command, words[0])) else {
        return Err(Failure::text(format!("ERR unknown command '{}'", show(&words[..1]))));
    };
    let mut name = command.spec.name.to_ascii_lowercase();
    if words.len() > 1 && !command.subcommands.is_empty() {
        let Some(sub) = command.subcommands.iter().find(|sub| named(sub, words[1])) else {
            return Ok(command);
        };
        name = format!("{name}|{}", sub.spec.name.to_ascii_lowercase());
        command = sub;
    }
    if !command.spec.arity.fits(words.len()) {
        return Err(Failure::wrong_arity(&name));
    }
    Ok(command)
}

fn parsed(reply: &[u8]) -> Value {
    Value::parse(reply).expect("a reply is whole").expect("a reply is RESP").0
}

fn show(words: &[&[u8]]) -> String {
    words.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
}

/// Cuts a script into statements of words. Panics when a quote is not closed.
fn statements(script: &str) -> Vec<Vec<Vec<u8>>> {
    let mut done: Vec<Vec<Vec<u8>>> = vec![Vec::new()];
    let mut word: Option<Vec<u8>> = None;
    let mut rest = script.as_bytes();
    while let [byte, behind @ ..] = rest {
        rest = behind;
        match byte {
            b'"' | b'\'' => rest = quoted(*byte, rest, word.get_or_insert_default()),
            b';' | b' ' | b'\n' => {
                let statement = done.last_mut().expect("there is always one");
                statement.extend(word.take());
                if *byte == b';' {
                    done.push(Vec::new());
                }
            }
            _ => word.get_or_insert_default().push(*byte),
        }
    }
    done.last_mut().expect("there is always one").extend(word);
    done.retain(|words| !words.is_empty());
    done
}

/// Reads up to the closing quote into `word`; gives what is behind it.
fn quoted<'a>(quote: u8, mut rest: &'a [u8], word: &mut Vec<u8>) -> &'a [u8] {
    loop {
        rest = match rest {
            [] => panic!("a quote is not closed"),
            [byte, behind @ ..] if *byte == quote => return behind,
            [b'\\', b'x', high, low, behind @ ..] if quote == b'"' => {
                let digit = |byte: &u8| {
                    char::from(*byte).to_digit(16).expect("\\x has two hexadecimal digits") as u8
                };
                word.push(digit(high) * 16 + digit(low));
                behind
            }
            [b'\\', escaped, behind @ ..] if quote == b'"' => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    other => *other,
                });
                behind
            }
            [byte, behind @ ..] => {
                word.push(*byte);
                behind
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_cut_at_semicolons_and_blanks_outside_of_quotes() {
        let words = statements("SET a \"x; \\x00\\n\";  GET 'b c'\n; ;");
        assert_eq!(
            words,
            [
                vec![b"SET".to_vec(), b"a".to_vec(), b"x; \0\n".to_vec()],
                vec![b"GET".to_vec(), b"b c".to_vec()]
            ]
        );
    }

    #[test]
    fn directions_move_time_database_and_configuration() {
        check("SET k v PX 5; @+6; GET k; @db 3; SET k w; @db 0; GET k", "OK; nil; OK; nil");
        check("@set maxmemory-policy allkeys-lfu; SET k v; OBJECT IDLETIME k", "OK; ERR");
    }

    #[test]
    fn errors_may_be_expected_by_their_first_word() {
        check("GET; NOSUCH; SET k v; INCR k", "ERR; ERR; OK; ERR");
    }

    #[test]
    #[should_panic(expected = "expected: nil")]
    fn a_different_reply_is_reported() {
        check("SET k v", "nil");
    }
}
