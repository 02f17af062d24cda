//! EXEC with scripts among what was queued. A script may touch more than the keys that it names, and what ran before it in the same
//! transaction cannot be undone for another attempt: so such an EXEC has every core locked from the beginning, and its keys
//! come while it runs (`exclusive.rs`).

use super::exclusive::Errands;
use super::queue::{Queue, Queued, commands};
use super::script::{Attempt, Order, Scope};
use crate::commands::query::Query;
use crate::dispatch::Flow;
use crate::engine::Engine;
use crate::gather::Then;
use crate::message::{JobFlags, Words};
use crate::session::client::{Gates, Stall};
use base::{ConnId, CoreId};
use command::{Args, Flags};
use resp::Sink;
use std::collections::VecDeque;

/// New scripts of one EXEC that all cores are given before it runs; with more of them, EVAL's list might forget the first meanwhile.
const INSTALLED_MAX: usize = 64;

impl Engine {
    /// Whether a session has queued a script, and its EXEC is not refused.
    pub(crate) fn has_queued_script(&mut self, conn: ConnId) -> bool {
        let Some(session) = self.sessions.get(conn) else { return false };
        let Some(queue) = &session.queue else { return false };
        let flags = Flags(queue.flags);
        let runs = !queue.failed && flags.has(Flags::SCRIPT);
        let cores = self.core.route.cores() as u16;
        runs && !self.shard.refuses(&mut self.core, flags, 0)
            && !(0..cores).any(|core| self.outbox.is_crowded(CoreId(core)))
    }

    /// EXEC of a session that has queued a script.
    #[cold]
    pub(crate) fn exec_scripts(&mut self, conn: ConnId, id: u16) -> Flow {
        while let Some(source) = self.queued_source(conn) {
            self.ask(conn, Query::InstallScript { source });
            if self.wait_if_stalled(conn) != Flow::Next {
                // EXEC begins again when all cores have it.
                return Flow::Wait;
            }
        }
        self.exec_locked(conn, id)
    }

    fn exec_locked(&mut self, conn: ConnId, id: u16) -> Flow {
        let Some(session) = self.sessions.get(conn) else { return Flow::WaitAfter };
        let Some(queue) = session.queue.take() else { return Flow::WaitAfter };
        session.gates.set(Gates::MULTI, false);
        let words = self.seal_queue(conn, id, *queue);
        let args = Args::new(&words.bytes, &words.spans, self.core.hasher);
        self.show_queue(conn, &args);
        if self.core.route.cores() == 1 && self.locks.is_idle() {
            return self.exec_at_home(conn, id, &args);
        }
        let then = Then::Loan { attempts: 0 };
        let Some(mut gather) = self.begin_gather(conn, id, &args, then) else {
            return Flow::WaitAfter;
        };
        gather.global = true;
        if let Some(session) = self.sessions.get(conn) {
            gather.watched = std::mem::take(&mut session.watched_at);
        }
        self.enter_transaction(conn);
        self.stall(conn, Stall::Sequenced);
        self.ask_for_loans(gather);
        self.wait_if_stalled(conn)
    }

    /// The next script among what a session has queued that compiles and that not all cores have.
    fn queued_source(&mut self, conn: ConnId) -> Option<Vec<u8>> {
        let Engine { core, sessions, .. } = self;
        let queue = sessions.get(conn)?.queue.as_ref()?;
        let is_eval = |id| matches!(core.table.entry(id).spec.name, "EVAL" | "EVAL_RO");
        let sources: Vec<&[u8]> = queue
            .requests()
            .filter(|(id, args)| is_eval(*id) && args.len() > 1)
            .map(|(_, args)| args[1])
            .take(INSTALLED_MAX + 1)
            .collect();
        if sources.len() > INSTALLED_MAX {
            return None;
        }
        let mut new = sources.into_iter().filter(|source| {
            let sha = core.scripts.sha_of(source);
            let interpreter = core.scripts.interpreter();
            !interpreter.exists(&sha) && interpreter.check(source).is_ok()
        });
        new.next().map(<[u8]>::to_vec)
    }

    /// Executes a queue with everything locked, scripts among it; gives each reply, and what is left for the session.
    pub(crate) fn execute_with_scripts(
        &mut self,
        args: &Args<'_>,
        mut flags: JobFlags,
        errands: &mut Errands,
    ) -> (Vec<Vec<u8>>, VecDeque<(usize, Words)>) {
        let (mut replies, mut todo) = (Vec::new(), VecDeque::new());
        for (index, queued) in commands(args).enumerate() {
            let own = queued.part(args);
            if self.core.table.entry(queued.command).spec.flags.has(Flags::SCRIPT) {
                replies.push(self.execute_queued_script(queued, flags, &own, errands));
                continue;
            }
            self.answers_in(queued.command, &own, &mut flags);
            let mut single = Queue::default();
            single.push(queued.command, Flags(0), &own);
            let words = single.seal(self.core.exec, b"EXEC", |_, _| queued.db);
            let single = Args::new(&words.bytes, &words.spans, self.core.hasher);
            let (reply, left) = self.execute_on_guests(&single, flags, Some(errands));
            replies.extend(reply);
            todo.extend(left.into_iter().map(|(_, words)| (index, words)));
        }
        (replies, todo)
    }

    /// The same for a core that has no others beside it.
    pub(crate) fn execute_queued_script_at_home(
        &mut self,
        queued: Queued,
        flags: JobFlags,
        own: &Args<'_>,
    ) -> Vec<u8> {
        let order = Order { id: queued.command, db: queued.db, flags };
        let mut reply = Vec::new();
        let attempt = self.run_script(order, &mut Scope::Own, own, Sink::plain(&mut reply));
        let Attempt::Ended(verdict) = attempt else { unreachable!("the only core has all keys") };
        self.account_queued(queued.command, verdict, &reply);
        reply
    }

    fn execute_queued_script(
        &mut self,
        queued: Queued,
        flags: JobFlags,
        own: &Args<'_>,
        errands: &mut Errands,
    ) -> Vec<u8> {
        let order = Order { id: queued.command, db: queued.db, flags };
        let mut scope = Scope::All(std::mem::take(errands));
        let mut reply = Vec::new();
        let attempt = self.run_script(order, &mut scope, own, Sink::plain(&mut reply));
        let Scope::All(lent) = scope else { unreachable!("a run leaves its scope as it is") };
        *errands = lent;
        let Attempt::Ended(verdict) = attempt else {
            unreachable!("with everything locked nothing is missing")
        };
        self.account_queued(queued.command, verdict, &reply);
        reply
    }

    /// What follows a HELLO of a queue is answered in its protocol.
    fn answers_in(&self, id: u16, args: &Args<'_>, flags: &mut JobFlags) {
        if self.core.table.entry(id).spec.name == "HELLO"
            && let Some(version @ 2..=3) = args.integer(1)
        {
            flags.resp3 = version == 3;
        }
    }

    /// A queue as one request; each command with the database that a SELECT before it has chosen.
    fn seal_queue(&self, conn: ConnId, id: u16, queue: Queue) -> Words {
        let mut db = self.sessions.peek(conn).map_or(0, |session| session.db);
        let databases = self.shard.store.databases() as i64;
        queue.seal(id, b"EXEC", |command, args| {
            let own = db;
            if command == self.core.select
                && let Some(index) = args.get(1).and_then(|index| resp::number::parse_i64(index))
                && (0..databases).contains(&index)
            {
                db = index as u8;
            }
            own
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::check::{Client, World};

    fn eval(world: &mut World, client: Client, source: &str, rest: &[&str]) -> String {
        let mut words: Vec<&[u8]> = vec![b"EVAL", source.as_bytes()];
        words.extend(rest.iter().map(|word| word.as_bytes()));
        world.ask_words(client, &words)
    }

    #[test]
    fn a_transaction_runs_its_scripts_in_their_order_on_any_keys() {
        for cores in [1, 2, 3] {
            let mut world = World::new(cores);
            let (one, two) = (world.open(0), world.open(0));
            world.ask(one, "SET seen 5");
            for command in ["MULTI", "SET a 1"] {
                world.ask(one, command);
            }
            let source = "redis.call('INCRBY', KEYS[1], 10) redis.call('SET', 'undeclared', ARGV[1]) \
                          return redis.call('GET', KEYS[1])";
            assert_eq!(eval(&mut world, one, source, &["1", "a", "x"]), "QUEUED");
            let rest = ["GET a", "SELECT 1", "SET other 1"];
            rest.iter().for_each(|command| _ = world.ask(one, command));
            eval(&mut world, one, "return redis.call('DBSIZE')", &["0"]);
            eval(&mut world, one, "return (", &["0"]);
            eval(&mut world, one, "return redis.call('LPUSH', KEYS[1], 1)", &["1", "other"]);
            world.ask(one, "SELECT 0");
            eval(&mut world, one, "redis.call('FLUSHDB') return #redis.call('KEYS', '*')", &["0"]);
            world.ask(one, "DBSIZE");
            let reply = world.ask(one, "EXEC");
            assert!(reply.starts_with("[OK 11 11 OK OK 1 (err) ERR Error compiling"), "{reply}");
            assert!(reply.contains("WRONGTYPE"), "{reply}");
            assert!(reply.ends_with("OK 0 0]"), "{reply}");
            assert_eq!(world.ask(two, "EXISTS undeclared a seen"), "0");
            assert!((0..cores).all(|core| world.census(core).locks == 0));
        }
    }

    #[test]
    fn a_command_that_would_wait_leaves_the_scripts_behind_it_alone() {
        for cores in [1, 2, 3] {
            let mut world = World::new(cores);
            let one = world.open(0);
            for command in ["MULTI", "XREAD BLOCK 0 STREAMS s $", "BLPOP l 0"] {
                world.ask(one, command);
            }
            eval(&mut world, one, "return redis.call('XDEL', 's', '1-1')", &["0"]);
            assert_eq!(world.ask(one, "EXEC"), "[nil nil 0]");
        }
    }

    #[test]
    fn a_script_of_a_transaction_is_known_to_all_cores_afterwards() {
        for cores in [1, 2, 3] {
            let mut world = World::new(cores);
            let one = world.open(0);
            world.ask(one, "MULTI");
            eval(&mut world, one, "return redis.call('INCR', KEYS[1])", &["1", "a"]);
            assert_eq!(world.ask(one, "EXEC"), "[1]");
            let sha = script::Sha::of(b"return redis.call('INCR', KEYS[1])").hex();
            let sha = String::from_utf8(sha.to_vec()).expect("digits");
            for key in ["a", "b", "c", "d", "e"] {
                let two = world.open(cores - 1);
                assert!(!world.ask(two, &format!("EVALSHA {sha} 1 {key}")).contains("err"));
            }
            world.ask(one, "MULTI");
            world.ask(one, &format!("EVALSHA {sha} 1 a"));
            world.ask(one, "EVALSHA 0123456789012345678901234567890123456789 0");
            let reply = world.ask(one, "EXEC");
            assert!(reply.starts_with("[3 (err) NOSCRIPT"), "{reply}");
        }
    }

    #[test]
    fn a_transaction_with_a_script_does_nothing_when_a_watched_key_has_changed() {
        for cores in [1, 2, 3] {
            for key in ["a", "b", "c"] {
                let mut world = World::new(cores);
                let (one, two) = (world.open(0), world.open(cores - 1));
                for changes in [true, false] {
                    world.ask(one, &format!("WATCH {key}"));
                    if changes {
                        world.ask(two, &format!("SET {key} 1"));
                    }
                    world.ask(one, "MULTI");
                    eval(&mut world, one, "redis.call('SET', 'd', 1) return 5", &["0"]);
                    let wanted = if changes { "nil" } else { "[5]" };
                    assert_eq!(world.ask(one, "EXEC"), wanted);
                    assert_eq!(world.ask(two, "EXISTS d"), if changes { "0" } else { "1" });
                }
                assert!((0..cores).all(|core| world.census(core).locks == 0));
            }
        }
    }

    #[test]
    fn of_several_keys_that_a_script_writes_the_first_one_serves_who_waits_for_all() {
        for (cores, within) in [(1, false), (1, true), (2, false), (2, true)] {
            let mut world = World::new(cores);
            let (waiting, one) = (world.open(0), world.open(cores - 1));
            let wanted = ["{t}9", "{t}1", "{t}5"];
            world.feed_quietly(waiting, b"BLPOP {t}1 {t}5 {t}9 0\r\n");
            let source = "for i, key in ipairs(KEYS) do redis.call('RPUSH', key, i) end";
            let keys = ["3", wanted[0], wanted[1], wanted[2]];
            if within {
                world.ask(one, "MULTI");
            }
            eval(&mut world, one, source, &keys);
            if within {
                world.ask(one, "EXEC");
            }
            let got = String::from_utf8(world.take(waiting)).expect("text");
            assert!(got.contains("{t}9"), "{cores} {within}: {got}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_call_of_a_script_is_told_in_one_order() {
        let mut world = World::new(2);
        let one = world.open(0);
        let unknown = "0123456789012345678901234567890123456789";
        for (command, wanted) in [
            ("EVALSHA abc x".to_owned(), "NOSCRIPT"),
            (format!("EVALSHA {unknown} x"), "ERR value is not an integer"),
            (format!("EVALSHA {unknown} 3 a"), "ERR Number of keys can't be greater"),
            (format!("EVALSHA {unknown} 0"), "NOSCRIPT"),
            ("EVAL ( x".to_owned(), "ERR value is not an integer"),
            ("FCALL none x".to_owned(), "ERR Function not found"),
        ] {
            let reply = world.ask(one, &command);
            assert!(reply.starts_with(&format!("(err) {wanted}")), "{command}: {reply}");
            world.ask(one, "MULTI");
            world.ask(one, &command);
            let reply = world.ask(one, "EXEC");
            assert!(reply.starts_with(&format!("[(err) {wanted}")), "{command}: {reply}");
        }
    }
}
