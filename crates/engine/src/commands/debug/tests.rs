use crate::check::{Client, World};

fn enabled(cores: usize) -> (World, Client) {
    let mut world = World::with(cores, &[("enable-debug-command", "local")]);
    let client = world.open(0);
    (world, client)
}

#[test]
fn without_the_setting_nothing_is_allowed() {
    let mut world = World::new(1);
    let client = world.open(0);
    assert_eq!(
        world.ask(client, "DEBUG HELP"),
        "(err) ERR DEBUG command not allowed. If the enable-debug-command option is set to \
         \"local\", you can run it from a local connection, otherwise you need to set this option \
         in the configuration file, and then restart the server."
    );
}

#[test]
fn words_and_their_number_are_checked_as_redis_does() {
    let (mut world, client) = enabled(2);
    world.ask(client, "SET s hello");
    let unknown = |word: &str| {
        format!(
            "(err) ERR unknown subcommand or wrong number of arguments for '{word}'. Try DEBUG HELP."
        )
    };
    for words in ["sleep", "sleep 0 1", "JMAP", "foo", "object", "digest x", "segfault"] {
        let word = words.split(' ').next().unwrap();
        assert_eq!(world.ask(client, &format!("DEBUG {words}")), unknown(word));
    }
    for (words, reply) in [
        ("SET-ACTIVE-EXPIRE x", "OK"),
        ("PAUSE-CRON 1", "OK"),
        ("OBJECT none", "(err) ERR no such key"),
        ("LISTPACK s", "(err) ERR Not a listpack encoded object."),
        ("LISTPACK none", "(err) ERR no such key"),
        ("HTSTATS 99", "(err) ERR Out of range database"),
        ("HTSTATS x", "(err) ERR value is not an integer or out of range"),
        ("QUICKLIST-PACKED-THRESHOLD 100b", "OK"),
        (
            "QUICKLIST-PACKED-THRESHOLD 5gb",
            "(err) ERR argument must be a memory value bigger than 1 and smaller than 4gb",
        ),
        ("RELOAD", "OK"),
        (
            "RELOAD foo",
            "(err) ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
        ),
        ("REPLYBUFFER resizing x", "OK"),
        ("REPLYBUFFER peak-reset-time x", "(err) ERR value is not an integer or out of range"),
        ("CLIENT-EVICTION", "(err) ERR maxmemory-clients is disabled."),
        ("POPULATE -1", "(err) ERR value is out of range, must be positive"),
        ("CHANGE-REPL-ID", "OK"),
        ("STRINGMATCH-LEN 5 a*b", "0"),
        ("STRINGMATCH-LEN 5 a*", "1"),
        ("ERROR oops", "(err) oops"),
        ("LOG hi", "OK"),
    ] {
        assert_eq!(world.ask(client, &format!("DEBUG {words}")), reply, "{words}");
    }
}

#[test]
fn populate_fills_what_is_missing_on_every_core() {
    let (mut world, client) = enabled(3);
    world.ask(client, "SET key:1 mine");
    assert_eq!(world.ask(client, "DEBUG POPULATE 50"), "OK");
    assert_eq!(world.ask(client, "DBSIZE"), "50");
    assert_eq!(world.ask(client, "MGET key:0 key:1 key:49"), "[value:0 mine value:49]");
    assert_eq!(world.ask(client, "DEBUG POPULATE 2 pre 10"), "OK");
    assert_eq!(world.ask(client, "GET pre:1"), "value:1\\x00\\x00\\x00");
}

#[test]
fn digests_are_those_of_redis_on_any_number_of_cores() {
    for cores in [1, 3] {
        let (mut world, client) = enabled(cores);
        assert_eq!(world.ask(client, "DEBUG DIGEST"), "0".repeat(40));
        world.ask(client, "SET s hello");
        let digest = "a500c6b54937da22f2ac1167da1da852479c7339";
        assert_eq!(world.ask(client, "DEBUG DIGEST"), digest);
        assert_eq!(
            world.ask(client, "DEBUG DIGEST-VALUE s none"),
            format!("[36b23a1456b2dce2c3ed252c456761301dba8060 {}]", "0".repeat(40))
        );
        world.ask(client, "SET s hello PXAT 9999999999999");
        assert_eq!(world.ask(client, "DEBUG DIGEST"), "57f46986386fa1b88cf97e377a8f44776b0a340a");
        world.ask(client, "FLUSHALL");
        world.ask(client, "SELECT 2");
        world.ask(client, "SET s hello");
        world.ask(client, "SELECT 0");
        world.ask(client, "SET a b");
        world.ask(client, "SET c d");
        assert_eq!(world.ask(client, "DEBUG DIGEST"), "b524effaf124affa4d11ab0e835c5d5afad8c40d");
    }
}

#[test]
fn objects_show_what_redis_shows() {
    let (mut world, client) = enabled(2);
    world.ask(client, "SET s hello");
    world.ask(client, "SET i 5");
    let object = world.ask(client, "DEBUG OBJECT s");
    assert!(object.starts_with("Value at:0x"), "{object}");
    assert!(object.contains(" refcount:1 encoding:embstr serializedlength:6 lru:"), "{object}");
    assert!(object.ends_with(" lru_seconds_idle:0"), "{object}");
    let object = world.ask(client, "DEBUG OBJECT i");
    assert!(object.contains(" refcount:2147483647 encoding:int serializedlength:2 "), "{object}");
}

#[test]
fn a_sleep_stops_every_core_and_its_reply_comes_at_the_end() {
    let (mut world, client) = enabled(2);
    world.ask(client, "CONFIG SET latency-monitor-threshold 100 slowlog-log-slower-than 100000");
    let other = world.open(1);
    assert_eq!(world.ask(client, "DEBUG SLEEP 0.5"), "");
    assert_eq!(world.ask(other, "PING"), "");
    world.pass_ms(400);
    assert_eq!((world.take(client), world.take(other)), (Vec::new(), Vec::new()));
    world.pass_ms(100);
    assert_eq!(
        (world.take(client), world.take(other)),
        (b"+OK\r\n".to_vec(), b"+PONG\r\n".to_vec())
    );
    assert_eq!(world.ask(other, "LATENCY HISTORY command"), "[[1700000000 500]]");
    let log = world.ask(other, "SLOWLOG GET");
    assert!(log.contains(" 500000 [DEBUG SLEEP 0.5] 127.0.0.1:10001 \"\""), "{log}");
}
