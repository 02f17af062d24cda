//! What scripts touch beside the keys that they declare, learnt from those of their runs that had to begin anew: the next one
//! begins where these keys are, or with all of them.
//!
//! A key is remembered by how it comes from the arguments: `limit:` and the second one, or a name that is always the same. A guess
//! that was wrong costs a lock that was not needed, once or twice, or another attempt; it is never wrong in what it does. A script
//! that has touched what it declared is not in here and costs nothing.

use super::script::{Named, Touched};
use crate::shard::feed::DbKey;
use command::Args;
use std::collections::{BTreeSet, HashMap};

/// Scripts of which something is remembered. When there are more, all is forgotten and learnt again.
const SCRIPTS_MAX: usize = 512;

/// Keys that are remembered of one: who touches more finds them by attempts.
const KEYS_MAX: usize = 32;

/// Runs in which a remembered key was not touched, after which it is forgotten.
const IDLE_RUNS_MAX: u8 = 2;

/// Runs that needed everything locked, after which the next ones begin so.
const WIDE_RUNS_MIN: u8 = 2;

/// Of those that begin so, each so many-th begins narrow, to see whether that will do again.
const WIDE_RUNS_MAX: u32 = 64;

/// The first argument from which keys are made: those before are the script and a number.
const FIRST_ARGUMENT: usize = 3;

/// All that was learnt on one core.
#[derive(Debug, Default)]
pub struct Learnt {
    scripts: HashMap<Named, Known>,
}

#[derive(Debug, Default)]
struct Known {
    keys: Vec<Template>,
    wide: u8,
    wide_runs: u32,
}

/// How a key's name comes from the arguments.
#[derive(Debug, PartialEq, Eq)]
struct Template {
    /// None for the database of the client.
    db: Option<u8>,
    before: Box<[u8]>,
    argument: Option<usize>,
    after: Box<[u8]>,
    writes: bool,
    idle: u8,
}

impl Template {
    /// The longest argument that the name contains is taken for its source.
    fn of(key: &DbKey, writes: bool, db: u8, args: &Args<'_>) -> Template {
        let name = &*key.1;
        let find = |arg: &[u8]| name.windows(arg.len()).position(|window| window == arg);
        let found = (FIRST_ARGUMENT..args.len())
            .filter(|at| !args.get(*at).is_empty())
            .filter_map(|at| find(args.get(at)).map(|place| (at, place)))
            .max_by_key(|(at, _)| (args.get(*at).len(), args.len() - at));
        let (before, argument, after) = match found {
            Some((at, place)) => (&name[..place], Some(at), &name[place + args.get(at).len()..]),
            None => (name, None, &b""[..]),
        };
        Template {
            db: (key.0 != db).then_some(key.0),
            before: before.into(),
            argument,
            after: after.into(),
            writes,
            idle: 0,
        }
    }

    fn key(&self, db: u8, args: &Args<'_>) -> Option<DbKey> {
        let middle = match self.argument {
            Some(at) => args.try_get(at)?,
            None => b"",
        };
        let name = [&self.before, middle, &self.after].concat();
        Some((self.db.unwrap_or(db), name.into_boxed_slice()))
    }
}

impl Learnt {
    /// Whether nothing was learnt yet.
    pub fn is_empty(&self) -> bool {
        self.scripts.is_empty()
    }

    /// What a call will touch beside what it declares, and whether it needs everything; none when nothing is known. O(keys
    /// remembered).
    pub(crate) fn expect(
        &mut self,
        named: &Named,
        db: u8,
        args: &Args<'_>,
    ) -> Option<(Touched, bool)> {
        let known = self.scripts.get_mut(named)?;
        if known.wide >= WIDE_RUNS_MIN {
            known.wide_runs = (known.wide_runs + 1) % WIDE_RUNS_MAX;
            if known.wide_runs > 0 {
                return Some((Touched::new(), true));
            }
        }
        let mut keys = Touched::new();
        for template in &known.keys {
            if let Some(key) = template.key(db, args) {
                *keys.entry(key).or_default() |= template.writes;
            }
        }
        Some((keys, false))
    }

    /// A run had to begin anew, for these keys or for everything.
    pub(crate) fn learn(
        &mut self,
        named: Named,
        db: u8,
        args: &Args<'_>,
        (strayed, all): (&Touched, bool),
    ) {
        if self.scripts.len() >= SCRIPTS_MAX && !self.scripts.contains_key(&named) {
            self.scripts.clear();
        }
        let known = self.scripts.entry(named).or_default();
        known.wide = known.wide.saturating_add(u8::from(all));
        for (key, writes) in strayed {
            let known_at =
                known.keys.iter().position(|template| template.key(db, args).as_ref() == Some(key));
            match known_at {
                Some(at) => known.keys[at].writes |= writes,
                None if known.keys.len() < KEYS_MAX => {
                    known.keys.push(Template::of(key, *writes, db, args));
                }
                None => {}
            }
        }
    }

    /// A run that began with what was expected has ended, and has touched these keys.
    pub(crate) fn judge(&mut self, named: &Named, db: u8, args: &Args<'_>, used: &BTreeSet<DbKey>) {
        let Some(known) = self.scripts.get_mut(named) else { return };
        known.wide = 0;
        for template in &mut known.keys {
            let touched = template.key(db, args).is_some_and(|key| used.contains(&key));
            template.idle = if touched { 0 } else { template.idle + 1 };
        }
        known.keys.retain(|template| template.idle < IDLE_RUNS_MAX);
        if known.keys.is_empty() {
            self.scripts.remove(named);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::World;
    use resp::parse::Span;

    fn with_args<T>(words: &[&str], run: impl FnOnce(&Args<'_>) -> T) -> T {
        let (mut bytes, mut spans) = (Vec::new(), Vec::new());
        for word in words {
            spans.push(Span { start: bytes.len() as u32, len: word.len() as u32 });
            bytes.extend_from_slice(word.as_bytes());
        }
        run(&Args::new(&bytes, &spans, World::new(1).core(0).hasher))
    }

    fn key(name: &str) -> DbKey {
        (0, name.as_bytes().into())
    }

    fn named() -> Named {
        Named::Function(b"f".to_vec())
    }

    #[test]
    fn keys_are_remembered_by_how_they_come_from_the_arguments() {
        let mut learnt = Learnt::default();
        let strayed = Touched::from([(key("n:ann:x"), true), (key("all"), false)]);
        with_args(&["FCALL", "f", "0", "n", "ann"], |args| {
            learnt.learn(named(), 0, args, (&strayed, false));
        });
        with_args(&["FCALL", "f", "0", "n", "bob"], |args| {
            let expected = learnt.expect(&named(), 0, args);
            let keys = Touched::from([(key("n:bob:x"), true), (key("all"), false)]);
            assert_eq!(expected, Some((keys, false)));
        });
        with_args(&["FCALL", "f", "0", "n"], |args| {
            let expected = learnt.expect(&named(), 0, args);
            assert_eq!(expected, Some((Touched::from([(key("all"), false)]), false)));
        });
        assert!(with_args(&["FCALL", "g", "0"], |args| {
            learnt.expect(&Named::Function(b"g".to_vec()), 0, args).is_none()
        }));
    }

    #[test]
    fn what_is_not_touched_any_more_is_forgotten_and_so_is_that_everything_was_needed() {
        let mut learnt = Learnt::default();
        with_args(&["FCALL", "f", "0"], |args| {
            let strayed = Touched::from([(key("a"), true)]);
            (0..2).for_each(|_| learnt.learn(named(), 0, args, (&strayed, true)));
            let wide = (1..WIDE_RUNS_MAX)
                .filter(|_| learnt.expect(&named(), 0, args).is_some_and(|(_, all)| all));
            assert_eq!(wide.count() as u32, WIDE_RUNS_MAX - 1);
            assert_eq!(learnt.expect(&named(), 0, args), Some((strayed.clone(), false)));
            learnt.judge(&named(), 0, args, &BTreeSet::from([key("a")]));
            assert_eq!(learnt.expect(&named(), 0, args), Some((strayed, false)), "not wide");
            (0..2).for_each(|_| learnt.judge(&named(), 0, args, &BTreeSet::new()));
            assert!(learnt.is_empty());
        });
    }

    #[test]
    fn memory_is_bounded() {
        let mut learnt = Learnt::default();
        with_args(&["FCALL", "f", "0"], |args| {
            let many: Touched = (0..100).map(|it| (key(&format!("k{it}")), true)).collect();
            for number in 0..2 * SCRIPTS_MAX {
                let named = Named::Function(number.to_string().into_bytes());
                learnt.learn(named, 0, args, (&many, false));
            }
            assert!(learnt.scripts.len() <= SCRIPTS_MAX);
            assert!(learnt.scripts.values().all(|known| known.keys.len() == KEYS_MAX));
        });
    }

    fn undone(world: &World) -> u64 {
        (0..3).map(|core| world.core(core).counters.scripts_undone).sum()
    }

    #[test]
    fn a_script_of_undeclared_keys_begins_where_they_are_the_next_time() {
        let mut world = World::new(3);
        let one = world.open(0);
        // One key, wherever it is.
        let limiter = "return redis.call('INCR', 'limit:' .. ARGV[1])";
        (0..20).for_each(|it| drop(world.eval(one, limiter, &["0", &format!("user{it}")])));
        assert!(undone(&world) <= 2, "{}", undone(&world));
        let transactions = world.core(0).counters.transactions;
        for it in 0..20 {
            assert_eq!(world.eval(one, limiter, &["0", &format!("user{it}")]), "2");
        }
        assert_eq!(world.core(0).counters.transactions, transactions, "it runs where its key is");
        // Several keys beside the declared one, on several cores.
        let queue = "redis.call('RPUSH', KEYS[1] .. ':wait', ARGV[1]) redis.call('INCR', 'jobs') \
                     return redis.call('LLEN', KEYS[1] .. ':wait')";
        for it in 0..4 {
            world.eval(one, queue, &["1", &format!("queue{it}"), "job"]);
        }
        let before = undone(&world);
        for it in 4..20 {
            let reply = world.eval(one, queue, &["1", &format!("queue{it}"), "job"]);
            assert_eq!(reply, "1");
        }
        assert_eq!(undone(&world), before);
        assert_eq!(world.ask(one, "GET jobs"), "20");
        assert!((0..3).all(|core| world.census(core).locks == 0));
    }
}
