//! Requests as COMMAND DOCS describes them, of every command that both sides know.

use super::{Dice, Words, words};
use command::spec::{Arg, ArgKind, Command, Flags};
use command::table::families;

/// Words that arguments are drawn from beside keys.
const WORDS: &[&str] = &[
    "",
    "0",
    "1",
    "-1",
    "2",
    "10",
    "-3",
    "1.5",
    "-0",
    "+1",
    "01",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "9223372036854775",
    "9223372036854776",
    "-100",
    "1048570",
    "1700000000",
    "1700000000000",
    "4102444800",
    "4102444800000",
    "inf",
    "nan",
    "1e4932",
    "0x1p3",
    "0.1",
    "abc",
    "NX",
    "xx",
    "GT",
    "LT",
    "EX",
    "px",
    "EXAT",
    "PXAT",
    "KEEPTTL",
    "PERSIST",
    "GET",
    "LEN",
    "IDX",
    "MINMATCHLEN",
    "WITHMATCHLEN",
    "COUNT",
    "MATCH",
    "TYPE",
    "string",
    "*",
    "?",
    "[a-b]",
    "ASYNC",
    "SYNC",
    "foo",
    "ohmytext",
    "mynewtext",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

/// Numbers for those who add floats.
const FLOATS: &[&str] =
    &["0.1", "-0.3", "1e3", "2.50", "1e-9", "123456789.987654321", "1e300", "0x10", "5"];

const KEYS: &[&str] = &["a", "b", "c", "d"];

/// The words that call a command, and the command.
pub type Callable = (Words, &'static Command);

/// Every command and sub-command that both sides know and answer soon.
pub fn callable() -> Vec<Callable> {
    let mut commands = Vec::new();
    // The self-test of Redis takes a minute.
    let known = |command: &&Command| {
        !command.spec.flags.has(Flags::NEWER) && command.spec.name != "PFSELFTEST"
    };
    for command in families().filter(known) {
        commands.push((words(command.spec.name), command));
        let subs = command.subcommands.iter();
        commands.extend(
            subs.map(|sub| (words(&format!("{} {}", command.spec.name, sub.spec.name)), sub)),
        );
    }
    commands
}

impl Dice {
    /// One request: mostly as documented, else words at random.
    pub fn documented_request(&mut self, commands: &[Callable]) -> Words {
        let (name, command) = &commands[self.below(commands.len())];
        let empties = name[0].starts_with(b"FLUSH") || name[0] == b"SWAPDB";
        if empties && self.below(20) > 0 {
            return self.documented_request(commands);
        }
        let mut words = name.clone();
        if self.below(4) == 0 {
            self.nonsense(command, &mut words);
        } else {
            command.spec.args.iter().for_each(|arg| self.documented(arg, &mut words));
        }
        self.avoid_short_lives(&mut words);
        words
    }

    /// Words at random; keys are mostly where keys belong.
    fn nonsense(&mut self, command: &Command, words: &mut Words) {
        let arity = command.spec.arity.0;
        let more = if arity < 0 { self.below(6) } else { 0 };
        let len = match self.below(20) {
            0 => self.below(6),
            _ => arity.unsigned_abs() as usize + more,
        };
        let name_len = words.len();
        while words.len() < len {
            let is_key =
                !command.spec.keys.is_empty() && (words.len() == name_len || self.below(3) == 0);
            let from = if is_key && self.below(30) > 0 { KEYS } else { WORDS };
            words.push(self.pick(from).into());
        }
    }

    /// An argument as COMMAND DOCS describes it; its value may still be none.
    fn documented(&mut self, arg: &Arg, words: &mut Words) {
        // What Redis 7.0 does not know; it begins with the IF options of SET.
        let newer = |arg: &Arg| arg.since.is_some_and(|version| version.starts_with('8'));
        if newer(arg) || (arg.optional && self.below(3) > 0) {
            return;
        }
        let times = if arg.multiple { 1 + self.below(3) } else { 1 };
        for _ in 0..times {
            words.extend(arg.token.map(Into::into));
            match arg.kind {
                ArgKind::PureToken => {}
                ArgKind::Key => words.push(self.pick(KEYS).into()),
                ArgKind::OneOf(choices) => {
                    let known: Vec<&Arg> = choices.iter().filter(|arg| !newer(arg)).collect();
                    let choice = self.pick(&known);
                    self.documented(choice, words);
                }
                ArgKind::Block(parts) => parts.iter().for_each(|part| self.documented(part, words)),
                ArgKind::String | ArgKind::Pattern => words.push(self.pick(WORDS).into()),
                ArgKind::Integer | ArgKind::Double | ArgKind::UnixTime => {
                    let number = match self.below(4) {
                        0 => self.pick(WORDS).to_owned(),
                        1 => self.pick(FLOATS).to_owned(),
                        _ => (self.below(30) as i64 - 8).to_string(),
                    };
                    let is_float = matches!(arg.kind, ArgKind::Double);
                    let fits = is_float || number.parse::<i64>().is_ok() || self.below(9) == 0;
                    words.push(if fits { number.into() } else { "4102444800".into() });
                }
            }
        }
    }

    /// Lengthens what would expire while the script runs.
    fn avoid_short_lives(&mut self, words: &mut Words) {
        let in_ms = words.iter().any(|word| {
            ["PX", "PSETEX", "PEXPIRE"]
                .iter()
                .any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
        });
        for word in words.iter_mut().skip(2) {
            let number = std::str::from_utf8(word).ok().and_then(|word| word.parse().ok());
            if in_ms && number.is_some_and(|ms: i64| (1..100_000).contains(&ms)) {
                *word = "250000".into();
            }
        }
    }
}
