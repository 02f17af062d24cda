//! MULTI, EXEC, DISCARD, UNWATCH. What EXEC does is in `tx/exec.rs`; WATCH is a data command, because it has keys.

use super::{Desk, EngineCommand, Next};
use crate::session::client::Gates;
use command::{Args, Arity, Failure, Flags, Group, Spec};

/// The family's list.
pub const COMMANDS: &[EngineCommand] = &[DISCARD, EXEC, MULTI, UNWATCH];

/// What all of them have in common.
const FLAGS: Flags = Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE);

/// Begins a transaction: commands are queued from now on.
pub const MULTI: EngineCommand = EngineCommand::new(
    Spec {
        name: "MULTI",
        arity: Arity::exactly(1),
        flags: FLAGS.and(Flags::FAST).and(Flags::ALLOW_BUSY).and(Flags::AT_ONCE),
        group: Group::Transactions,
        since: "1.2.0",
        summary: "Begins a transaction: the commands that follow are queued",
        ..Spec::NEW
    },
    multi,
);

fn multi(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    if desk.session.queue.is_some() {
        return Err(Failure::new("ERR MULTI calls can not be nested"));
    }
    desk.session.queue = Some(Box::default());
    desk.session.gates.set(Gates::MULTI, true);
    desk.reply.ok();
    Ok(Next::Done)
}

/// Executes what was queued, all of it and nothing in between.
pub const EXEC: EngineCommand = EngineCommand::new(
    Spec {
        name: "EXEC",
        arity: Arity::exactly(1),
        flags: FLAGS.and(Flags::SKIP_SLOWLOG).and(Flags::AT_ONCE),
        group: Group::Transactions,
        since: "1.2.0",
        complexity: "Depends on commands in the transaction",
        summary: "Executes all commands of a transaction",
        ..Spec::NEW
    },
    |_, _| Ok(Next::Exec),
);

/// Forgets what was queued.
pub const DISCARD: EngineCommand = EngineCommand::new(
    Spec {
        name: "DISCARD",
        arity: Arity::exactly(1),
        flags: FLAGS.and(Flags::FAST).and(Flags::ALLOW_BUSY).and(Flags::AT_ONCE),
        group: Group::Transactions,
        since: "2.0.0",
        complexity: "O(N), when N is the number of queued commands",
        summary: "Ends a transaction without executing its commands",
        ..Spec::NEW
    },
    discard,
);

fn discard(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    if desk.session.queue.take().is_none() {
        return Err(Failure::new("ERR DISCARD without MULTI"));
    }
    desk.session.gates.set(Gates::MULTI, false);
    desk.reply.ok();
    Ok(Next::Unwatch)
}

/// Watches nothing any more.
pub const UNWATCH: EngineCommand = EngineCommand::new(
    Spec {
        name: "UNWATCH",
        arity: Arity::exactly(1),
        flags: FLAGS.and(Flags::FAST).and(Flags::ALLOW_BUSY),
        group: Group::Transactions,
        since: "2.2.0",
        summary: "Watches none of the keys any more",
        ..Spec::NEW
    },
    |desk, _| {
        desk.reply.ok();
        Ok(Next::Unwatch)
    },
);

#[cfg(test)]
mod tests {
    use crate::check::{World, check};

    #[test]
    fn what_was_queued_is_executed_at_exec_on_one_core_and_on_several() {
        check(
            "MULTI; SET a 1; INCR b; SADD c x y; GET a; EXEC; GET a; EXEC; DISCARD",
            &[
                "OK",
                "QUEUED",
                "QUEUED",
                "QUEUED",
                "QUEUED",
                "[OK 1 2 1]",
                "1",
                "(err) ERR EXEC without MULTI",
                "(err) ERR DISCARD without MULTI",
            ],
        );
        check(
            "MULTI; EXEC; MULTI; DISCARD; EXEC",
            &["OK", "[]", "OK", "OK", "(err) ERR EXEC without MULTI"],
        );
        check(
            "MULTI; SET {t}a 1; INCR {t}a; LPOP {t}a; GET {t}a; EXEC",
            &[
                "OK",
                "QUEUED",
                "QUEUED",
                "QUEUED",
                "QUEUED",
                "[OK 2 (err) WRONGTYPE Operation against a key holding the wrong kind of value 2]",
            ],
        );
    }

    #[test]
    fn an_error_while_queueing_aborts_and_one_while_executing_does_not() {
        check(
            "MULTI; SET a; SET a 1; EXEC; GET a; MULTI; NOSUCH; EXEC; MULTI; MULTI; SET a 2; WATCH a; EXEC",
            &[
                "OK",
                "(err) ERR wrong number of arguments for 'set' command",
                "QUEUED",
                "(err) EXECABORT Transaction discarded because of previous errors.",
                "nil",
                "OK",
                "(err) ERR unknown command 'NOSUCH', with args beginning with: ",
                "(err) EXECABORT Transaction discarded because of previous errors.",
                "OK",
                "(err) ERR MULTI calls can not be nested",
                "QUEUED",
                "(err) ERR WATCH inside MULTI is not allowed",
                "[OK]",
            ],
        );
    }

    #[test]
    fn commands_of_the_session_and_the_server_have_their_places_in_the_reply() {
        check(
            "MULTI; SET a 1; PING; SELECT 2; SET a 2; CONFIG SET hz 20; CONFIG GET hz; EXEC; GET a; SELECT 0; GET a",
            &[
                "OK",
                "QUEUED",
                "QUEUED",
                "QUEUED",
                "QUEUED",
                "QUEUED",
                "QUEUED",
                "[OK PONG OK OK OK [hz 20]]",
                "2",
                "OK",
                "1",
            ],
        );
    }

    #[test]
    fn a_watched_key_that_changes_undoes_the_transaction() {
        for cores in [1, 3] {
            for (change, applies) in [
                ("SET a 2", false),
                ("GET a", true),
                ("DEL a", false),
                ("DEL b nokey", true),
                ("MSET b 1 a 2", false),
                ("RENAME a b", false),
                ("FLUSHALL", false),
                ("PEXPIREAT a 1", false),
                ("SUNIONSTORE c d", true),
                ("SWAPDB 0 5", false),
                ("SWAPDB 4 5", true),
                ("XGROUP CREATE e g $ MKSTREAM", false),
                ("XADD e 1-1 f v", false),
            ] {
                let mut world = World::new(cores);
                let (one, two) = (world.open(0), world.open(cores - 1));
                for command in ["SET a 1", "WATCH a e", "GET a", "MULTI", "SET x 1", "SET y 2"] {
                    world.ask(one, command);
                }
                world.ask(two, change);
                let reply = world.ask(one, "EXEC");
                assert_eq!(reply, if applies { "[OK OK]" } else { "nil" }, "{change} on {cores}");
                // Watched no longer.
                world.ask(two, "SET a 3");
                for command in ["MULTI", "SET x 2"] {
                    world.ask(one, command);
                }
                assert_eq!(world.ask(one, "EXEC"), "[OK]");
            }
        }
    }

    #[test]
    fn unwatch_discard_and_leaving_end_the_watch() {
        for cores in [1, 3] {
            for end in ["UNWATCH", "DISCARD", "RESET"] {
                let mut world = World::new(cores);
                let (one, two) = (world.open(0), world.open(0));
                world.ask(one, "WATCH a b c d");
                if end == "DISCARD" {
                    world.ask(one, "MULTI");
                }
                world.ask(one, end);
                world.ask(two, "MSET a 1 b 1 c 1 d 1");
                world.ask(one, "MULTI");
                world.ask(one, "PING");
                assert_eq!(world.ask(one, "EXEC"), "[PONG]", "{end}");
                world.ask(one, "WATCH a b c d");
                world.hang_up(one);
                assert!((0..cores).all(|core| world.census(core).watches == 0));
            }
        }
    }

    #[test]
    fn an_exec_that_is_refused_says_so_and_forgets_what_was_queued() {
        let refused = "(err) EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command";
        check(
            "MULTI; EXEC now; EXEC; EXEC now; WATCH a; MULTI; EXEC now; GET a; DISCARD",
            &[
                "OK",
                refused,
                "(err) ERR EXEC without MULTI",
                refused,
                "OK",
                "OK",
                refused,
                "nil",
                "(err) ERR DISCARD without MULTI",
            ],
        );
        let mut world = World::with(1, &[("requirepass", "x")]);
        let client = world.open(0);
        let refused =
            "(err) EXECABORT Transaction discarded because of: NOAUTH Authentication required.";
        assert_eq!(world.ask(client, "EXEC"), refused);
    }

    #[test]
    fn replies_that_are_switched_off_within_a_transaction_are_left_out_of_it() {
        for cores in [1, 3] {
            let mut world = World::new(cores);
            let client = world.open(0);
            let asked = b"MULTI\r\nSET a 1\r\nCLIENT REPLY OFF\r\nSET b 1\r\nSET c 1\r\nPING\r\nCLIENT REPLY ON\r\nGET b\r\nEXEC\r\nPING\r\n";
            let replies = String::from_utf8(world.feed(client, asked)).expect("text");
            let queued = "+QUEUED\r\n".repeat(7);
            assert_eq!(replies, format!("+OK\r\n{queued}*7\r\n+OK\r\n+OK\r\n$1\r\n1\r\n+PONG\r\n"));
        }
    }

    #[test]
    fn what_follows_a_hello_within_a_transaction_speaks_its_protocol() {
        for cores in [1, 3] {
            let mut world = World::new(cores);
            let client = world.open(0);
            for command in
                ["MULTI", "LPOP a", "HELLO 3", "HGETALL b", "LPOP c", "HELLO 2", "LPOP d"]
            {
                world.ask(client, command);
            }
            let replies =
                String::from_utf8(world.feed(client, b"EXEC\r\nLPOP a\r\n")).expect("text");
            assert!(replies.starts_with("*6\r\n$-1\r\n%7\r\n"), "{replies}");
            assert!(replies.contains("%0\r\n_\r\n*14\r\n"), "{replies}");
            assert!(replies.ends_with("\r\n$-1\r\n$-1\r\n"), "{replies}");
        }
    }

    #[test]
    fn commands_of_all_keys_and_of_the_session_meet_in_a_transaction_on_one_core() {
        let mut world = World::new(1);
        let client = world.open(0);
        for command in ["SET a 1", "MULTI", "PING", "DBSIZE", "FLUSHALL", "SET b 1", "KEYS *"] {
            world.ask(client, command);
        }
        assert_eq!(world.ask(client, "EXEC"), "[PONG 1 OK OK [b]]");
        assert_eq!(world.ask(client, "EXISTS a"), "0");
        for command in ["WATCH b", "SET b 2", "MULTI", "PING", "SET c 1"] {
            world.ask(client, command);
        }
        assert_eq!(world.ask(client, "EXEC"), "nil");
        assert_eq!(world.ask(client, "GET c"), "nil");
        assert_eq!(world.census(0).watches, 0);
    }

    #[test]
    fn a_key_that_is_copied_to_another_database_has_not_changed_and_one_that_is_moved_has() {
        for key in ["a", "b", "c", "d"] {
            for cores in [1, 3] {
                for (command, reply) in [
                    ("COPY {} {} DB 1", "[PONG]"),
                    ("COPY {} e DB 1", "[PONG]"),
                    ("MOVE {} 1", "nil"),
                ] {
                    let mut world = World::new(cores);
                    let client = world.open(0);
                    for line in ["SET {} 1", "WATCH {}", command, "MULTI", "PING"] {
                        world.ask(client, &line.replace("{}", key));
                    }
                    assert_eq!(world.ask(client, "EXEC"), reply, "{command} on {cores} cores");
                    for line in [
                        "SET f 1",
                        "DEL {}",
                        "SELECT 1",
                        "DEL {} e",
                        "WATCH {} e",
                        "SELECT 0",
                        "SET {} 2",
                        command,
                        "MULTI",
                        "PING",
                    ] {
                        world.ask(client, &line.replace("{}", key));
                    }
                    assert_eq!(world.ask(client, "EXEC"), "nil", "{command} on {cores} cores");
                }
            }
        }
    }

    #[test]
    fn a_watched_key_that_expires_between_its_lock_and_the_execution_has_changed() {
        for watched in ["a", "b", "c", "d"] {
            for rounds in 0..10 {
                let mut world = World::new(3);
                let (client, other) = (world.open(0), world.open(1));
                world.ask(other, &format!("SET {watched} 1 PX 30"));
                for line in ["WATCH {}", "MULTI", "MSET e 1 f 2 g 3", "EXISTS {}"] {
                    world.ask(client, &line.replace("{}", watched));
                }
                world.feed_quietly(client, b"EXEC\r\n");
                (0..rounds).for_each(|_| _ = world.round());
                world.advance_ms(50);
                world.settle();
                let got = String::from_utf8(world.take(client)).expect("text");
                assert!(
                    ["*2\r\n+OK\r\n:1\r\n", "*-1\r\n"].contains(&&*got),
                    "{watched} {rounds}: {got}"
                );
            }
        }
    }

    #[test]
    fn no_key_expires_in_the_middle_of_a_transaction_on_all_cores() {
        for key in ["a", "b", "c", "d"] {
            for rounds in 0..12 {
                let mut world = World::new(3);
                let (client, other) = (world.open(0), world.open(1));
                world.ask(other, &format!("SET {key} 1 PX 30"));
                for line in ["MULTI", "KEYS *", "EXISTS {}", "MGET {} x y", "DBSIZE"] {
                    world.ask(client, &line.replace("{}", key));
                }
                world.feed_quietly(client, b"EXEC\r\n");
                (0..rounds).for_each(|_| _ = world.round());
                world.advance_ms(50);
                world.settle();
                let got = String::from_utf8(world.take(client)).expect("text");
                let there = format!(
                    "*4\r\n*1\r\n$1\r\n{key}\r\n:1\r\n*3\r\n$1\r\n1\r\n$-1\r\n$-1\r\n:1\r\n"
                );
                let gone = "*4\r\n*0\r\n:0\r\n*3\r\n$-1\r\n$-1\r\n$-1\r\n:";
                assert!(got == there || got.starts_with(gone), "{key} {rounds}: {got}");
            }
        }
    }

    #[test]
    fn what_all_cores_refuse_is_refused() {
        check(
            "SET a 1; SET b 1; SET c 1; FLUSHALL x; FLUSHDB x; SWAPDB 0 x; SWAPDB x 0; SWAPDB 0 16; EXISTS a b c; MULTI; FLUSHALL x; SWAPDB 0 x; EXEC; FLUSHALL SYNC; EXISTS a b c",
            &[
                "OK",
                "OK",
                "OK",
                "(err) ERR syntax error",
                "(err) ERR syntax error",
                "(err) ERR invalid second DB index",
                "(err) ERR invalid first DB index",
                "(err) ERR DB index is out of range",
                "3",
                "OK",
                "QUEUED",
                "QUEUED",
                "[(err) ERR syntax error (err) ERR invalid second DB index]",
                "OK",
                "0",
            ],
        );
    }

    #[test]
    fn what_only_groups_of_a_stream_know_is_no_change_of_it() {
        for cores in [1, 3] {
            for change in [
                "XGROUP CREATE s h $ MKSTREAM",
                "XGROUP CREATECONSUMER s g d",
                "XGROUP DELCONSUMER s g c",
                "XGROUP SETID s g 0",
                "XREADGROUP GROUP g c STREAMS s >",
                "XACK s g 1-1",
                "XCLAIM s g d 0 1-1",
                "XAUTOCLAIM s g d 0 0",
                "XSETID s 9-1",
            ] {
                let mut world = World::new(cores);
                let (one, two) = (world.open(0), world.open(cores - 1));
                for command in [
                    "XADD s 1-1 f v",
                    "XADD s 2-1 f v",
                    "XGROUP CREATE s g 0",
                    "XREADGROUP GROUP g c COUNT 1 STREAMS s >",
                ] {
                    world.ask(two, command);
                }
                world.ask(one, "WATCH s");
                assert!(!world.ask(two, change).starts_with("(err)"), "{change}");
                world.ask(one, "MULTI");
                assert_eq!(world.ask(one, "EXEC"), "[]", "{change} on {cores}");
            }
        }
    }
}
