//! EXEC with scripts among what was queued. A script may touch more than the keys that it names, and what ran before it in the same
//! transaction cannot be undone for another attempt: so such an EXEC has every core locked from the beginning, and its keys
//! come while it runs (`exclusive.rs`).

use super::exclusive::{Errand, Errands};
use super::exec::protocol;
use super::queue::{Queue, Queued, commands};
use super::script::{Attempt, Order, Scope};
use crate::commands::query::{self, Answer, Query};
use crate::commands::scripting::Question;
use crate::commands::{Desk, Next};
use crate::engine::Engine;
use crate::event::Peer;
use crate::message::{JobFlags, Words};
use crate::session::Session;
use crate::shard::execute::Verdict;
use crate::table::Home;
use base::{ConnId, CoreId};
use command::{Args, Flags, Group};
use resp::Sink;
use resp::write::{Protocol, Writer};
use std::collections::VecDeque;
use std::sync::Arc;

impl Engine {
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
            if let Some(reply) = self.execute_about_scripts(queued, flags, &own) {
                replies.push(reply);
                continue;
            }
            self.core.note_protocol(queued.command, &own, &mut flags);
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
        // What is wrong with it is told when it runs.
        if let Ok(Some(source)) = self.core.new_source(queued.command, own) {
            self.ask_locked(&Arc::new(Query::InstallScript { source }));
        }
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

    /// SCRIPT and FUNCTION in a queue while every core is locked: in their places, as the scripts behind them are to find what they
    /// have changed, and those before them are not. None for other commands, and while a change that somebody else has asked for is
    /// on its way: then it has to wait for that, and runs behind the transaction.
    pub(super) fn execute_about_scripts(
        &mut self,
        queued: Queued,
        flags: JobFlags,
        args: &Args<'_>,
    ) -> Option<Vec<u8>> {
        let entry = self.core.table.entry(queued.command);
        let Home::Engine(run) = entry.home else { return None };
        if entry.spec.group != Group::Scripting {
            return None;
        }
        let now = self.core.now;
        let mut session = Session::new(ConnId::NONE, Peer::nameless(0), now, true);
        session.protocol = protocol(flags);
        // What is said before it in the transaction is due.
        session.pipeline.reserve();
        let mut reply = Vec::new();
        let writer = Writer::new(&mut reply, session.protocol);
        let desk = &mut Desk { session: &mut session, core: &mut self.core, reply: writer };
        let mut next = run(desk, args);
        if matches!(next, Ok(Next::Ask(_))) && !self.hears_of_no_change() {
            return None;
        }
        while let Ok(Next::Ask(query)) = next {
            let query = Arc::new(query);
            let answers = self.ask_locked(&query);
            next = match query::follow_up(&query, &answers) {
                // It was told to try again.
                Some(Query::Scripts(Question::Propose(_))) => return None,
                Some(query) => Ok(Next::Ask(query)),
                None => {
                    let writer = Writer::new(&mut reply, session.protocol);
                    let core = &mut self.core;
                    let mut desk = Desk { session: &mut session, core, reply: writer };
                    query::merge(&query, answers, &mut desk);
                    Ok(Next::Done)
                }
            };
        }
        let failed = next.is_err();
        if let Err(failure) = next {
            reply.clear();
            Writer::new(&mut reply, Protocol::Resp2).error(&*failure.0);
        }
        let verdict = Verdict { failed, weight: 1, ..Verdict::default() };
        self.account_queued(queued.command, verdict, &reply);
        Some(reply)
    }

    /// Whether no change of the scripts or libraries that somebody else has asked for is on its way: it would come behind ours here, and
    /// before it elsewhere. Every core is locked.
    fn hears_of_no_change(&mut self) -> bool {
        let changes = self.ask_locked(&Arc::new(Query::Scripts(Question::Changes)));
        changes.iter().all(|answer| answer.count() == self.core.scripts.changes)
    }

    /// Asks every core something, while it is locked as a whole; gives their answers in their order.
    pub(super) fn ask_locked(&mut self, query: &Arc<Query>) -> Vec<Answer> {
        let cores = (0..self.core.route.cores() as u16).map(CoreId);
        let ask = |core| {
            let query = Some(Arc::clone(query));
            let errand = self.exchange(core, Box::new(Errand { query, ..Errand::default() }));
            errand.said.expect("an errand with a question brings an answer")
        };
        cores.map(ask).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::check::World;

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
            assert_eq!(world.eval(one, source, &["1", "a", "x"]), "QUEUED");
            let rest = ["GET a", "SELECT 1", "SET other 1"];
            rest.iter().for_each(|command| _ = world.ask(one, command));
            world.eval(one, "return redis.call('DBSIZE')", &["0"]);
            world.eval(one, "return (", &["0"]);
            world.eval(one, "return redis.call('LPUSH', KEYS[1], 1)", &["1", "other"]);
            world.ask(one, "SELECT 0");
            world.eval(one, "redis.call('FLUSHDB') return #redis.call('KEYS', '*')", &["0"]);
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
            world.eval(one, "return redis.call('XDEL', 's', '1-1')", &["0"]);
            assert_eq!(world.ask(one, "EXEC"), "[nil nil 0]");
        }
    }

    #[test]
    fn a_script_of_a_transaction_is_known_to_all_cores_afterwards() {
        for cores in [1, 2, 3] {
            let mut world = World::new(cores);
            let one = world.open(0);
            world.ask(one, "MULTI");
            world.eval(one, "return redis.call('INCR', KEYS[1])", &["1", "a"]);
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
                    world.eval(one, "redis.call('SET', 'd', 1) return 5", &["0"]);
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
            world.eval(one, source, &keys);
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

    #[test]
    fn what_changes_the_scripts_within_a_transaction_does_so_in_its_place() {
        for cores in [1, 2, 3] {
            let mut world = World::new(cores);
            let (one, two) = (world.open(0), world.open(cores - 1));
            let source = "return redis.call('INCR', KEYS[1])";
            let sha = script::Sha::of(source.as_bytes()).hex();
            let sha = String::from_utf8(sha.to_vec()).expect("digits");
            let library = "#!lua name=lib\nredis.register_function('f', function() return 'f' end)";
            world.ask(one, "MULTI");
            world.ask(one, &format!("EVALSHA {sha} 1 a"));
            world.ask_words(one, &[b"SCRIPT", b"LOAD", source.as_bytes()]);
            world.ask(one, &format!("EVALSHA {sha} 1 a"));
            world.ask(one, &format!("SCRIPT EXISTS {sha}"));
            world.ask(one, "SCRIPT FLUSH");
            world.ask(one, &format!("EVALSHA {sha} 1 a"));
            world.eval(one, source, &["1", "b"]);
            world.ask(one, "FCALL f 0");
            world.ask_words(one, &[b"FUNCTION", b"LOAD", library.as_bytes()]);
            world.ask(one, "FCALL f 0");
            world.ask(one, "FUNCTION DELETE lib");
            world.ask(one, "FUNCTION DELETE lib");
            world.ask(one, "FCALL f 0");
            world.ask(one, "SCRIPT DEBUG NO");
            let no_script = "(err) NOSCRIPT No matching script. Please use EVAL.";
            let no_function = "(err) ERR Function not found";
            let expected = format!(
                "[{no_script} {sha} 1 [1] OK {no_script} 1 {no_function} lib f OK (err) ERR Library not found {no_function} (err) {}]",
                script::texts::SCRIPT_DEBUG_LATE
            );
            assert_eq!(world.ask(one, "EXEC"), expected, "{cores}");
            for key in ["c", "d", "e"] {
                assert_eq!(world.ask(two, &format!("EVALSHA {sha} 1 {key}")), "1");
            }
            assert_eq!(world.ask_words(two, &[b"FUNCTION", b"LOAD", library.as_bytes()]), "lib");
            assert!((0..cores).all(|core| world.census(core).locks == 0));
        }
    }
}
