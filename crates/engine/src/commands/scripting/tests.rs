//! Worlds of some cores: what one core takes in, all have.

use crate::check::{World, check};

#[test]
fn a_script_is_taken_in_by_all_cores_and_forgotten_by_all() {
    let mut world = World::new(3);
    let (one, other) = (world.open(0), world.open(2));
    let sha = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
    assert_eq!(world.ask(one, "SCRIPT LOAD 'return 1'"), sha);
    assert_eq!(world.ask(other, &format!("SCRIPT EXISTS {sha} x")), "[1 0]");
    assert_eq!(world.ask(other, &format!("SCRIPT SHOW {sha}")), "return 1");
    assert_eq!(world.ask(other, "SCRIPT FLUSH ASYNC"), "OK");
    assert_eq!(world.ask(one, &format!("SCRIPT EXISTS {sha}")), "[0]");
    let gone = "(err) NOSCRIPT No matching script. Please use EVAL.";
    assert_eq!(world.ask(one, &format!("SCRIPT SHOW {sha}")), gone);
}

#[test]
fn what_is_taken_in_and_forgotten_at_once_ends_the_same_on_all_cores() {
    let sha = script::Sha::of(b"return 1");
    for cores in [2, 3, 4] {
        for (loader, flusher) in (0..cores).flat_map(|one| (0..cores).map(move |two| (one, two))) {
            for rounds in 0..4 {
                let mut world = World::new(cores);
                let (one, two) = (world.open(loader), world.open(flusher));
                world.feed_quietly(one, b"SCRIPT LOAD 'return 1'\r\n");
                (0..rounds).for_each(|_| _ = world.round());
                world.feed_quietly(two, b"SCRIPT FLUSH\r\n");
                world.settle();
                let has = |core| {
                    let core = world.core(core);
                    core.scripts.made().is_some_and(|interpreter| interpreter.exists(&sha))
                };
                assert!((1..cores).all(|core| has(core) == has(0)), "{loader} {flusher} {rounds}");
            }
        }
    }
}

#[test]
fn wrong_arguments_get_redis_texts() {
    check(
        "SCRIPT LOAD 'return ('; SCRIPT FLUSH x; SCRIPT FLUSH SYNC x; SCRIPT KILL; SCRIPT DEBUG x; SCRIPT DEBUG sync; \
         FUNCTION LOAD x y; FUNCTION LIST x; FUNCTION LIST LIBRARYNAME; FUNCTION RESTORE abc; \
         FUNCTION RESTORE a b; FUNCTION FLUSH x; FUNCTION FLUSH SYNC x; FUNCTION DELETE x; FUNCTION KILL",
        &[
            "(err) ERR Error compiling script (new function): user_script:1: unexpected symbol near '<eof>'",
            "(err) ERR SCRIPT FLUSH only support SYNC|ASYNC option",
            "(err) ERR SCRIPT FLUSH only support SYNC|ASYNC option",
            "(err) NOTBUSY No scripts in execution right now.",
            "(err) ERR Use SCRIPT DEBUG YES/SYNC/NO",
            "OK",
            "(err) ERR Unknown option given: x",
            "(err) ERR Unknown argument x",
            "(err) ERR library name argument was not given",
            "(err) ERR DUMP payload version or checksum are wrong",
            "(err) ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            "(err) ERR FUNCTION FLUSH only supports SYNC|ASYNC option",
            "(err) ERR unknown subcommand or wrong number of arguments for 'FLUSH'. Try FUNCTION HELP.",
            "(err) ERR Library not found",
            "(err) NOTBUSY No scripts in execution right now.",
        ],
    );
}

fn library(name: &str, function: &str) -> Vec<u8> {
    let code = format!(
        "#!lua name={name}\nredis.register_function('{function}', function() return 1 end)"
    );
    code.into_bytes()
}

fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[test]
fn a_library_is_on_all_cores_and_goes_from_all() {
    let mut world = World::new(3);
    let (one, other) = (world.open(1), world.open(2));
    let load = request(&[b"FUNCTION", b"LOAD", &library("lib", "f")]);
    assert_eq!(world.feed(one, &load), b"$3\r\nlib\r\n");
    assert_eq!(world.feed(other, &load), b"-ERR Library 'lib' already exists\r\n");
    let broken = request(&[b"FUNCTION", b"LOAD", b"#!lua name=lib\nreturn ("]);
    assert_eq!(world.feed(other, &broken), b"-ERR Library 'lib' already exists\r\n");
    let list = "[[library_name lib engine LUA functions [[name f description nil flags []]]]]";
    for core in 0..3 {
        let client = world.open(core);
        assert_eq!(world.ask(client, "FUNCTION LIST"), list);
    }
    let clash = request(&[b"FUNCTION", b"LOAD", &library("lib2", "F")]);
    assert_eq!(world.feed(other, &clash), b"-ERR Function f already exists\r\n");
    let stats = "[running_script nil engines [LUA [libraries_count 1 functions_count 1]]]";
    assert_eq!(world.ask(other, "FUNCTION STATS"), stats);
    assert_eq!(world.ask(other, "FUNCTION DELETE lib"), "OK");
    assert_eq!(world.ask(one, "FUNCTION LIST"), "[]");
}

#[test]
fn a_dump_is_restored_by_each_policy() {
    let mut world = World::new(2);
    let (one, other) = (world.open(0), world.open(1));
    world.feed(one, &request(&[b"FUNCTION", b"LOAD", &library("lib", "f")]));
    let dump = world.feed(one, b"FUNCTION DUMP\r\n");
    let start = dump.windows(2).position(|two| two == b"\r\n").expect("a length") + 2;
    let dump = &dump[start..dump.len() - 2];
    let restore = |world: &mut World, policy: &[u8]| {
        let out = world.feed(other, &request(&[b"FUNCTION", b"RESTORE", dump, policy]));
        String::from_utf8(out).expect("text")
    };
    assert_eq!(restore(&mut world, b"APPEND"), "-ERR Library lib already exists\r\n");
    assert_eq!(restore(&mut world, b"REPLACE"), "+OK\r\n");
    world.ask(one, "FUNCTION FLUSH");
    world.feed(one, &request(&[b"FUNCTION", b"LOAD", &library("lib2", "f")]));
    assert_eq!(restore(&mut world, b"APPEND"), "-ERR Function f already exists\r\n");
    assert_eq!(restore(&mut world, b"REPLACE"), "-ERR Function f already exists\r\n");
    assert_eq!(restore(&mut world, b"FLUSH"), "+OK\r\n");
    for client in [one, other] {
        let list = world.ask(client, "FUNCTION LIST");
        assert!(list.starts_with("[[library_name lib engine"), "{list}");
    }
}

#[test]
fn a_library_that_does_not_end_is_refused() {
    let mut world = World::new(2);
    let client = world.open(1);
    let load = request(&[b"FUNCTION", b"LOAD", b"#!lua name=q\nwhile true do end"]);
    let refusal = "-ERR Error registering functions: ERR FUNCTION LOAD timeout\r\n";
    assert_eq!(String::from_utf8_lossy(&world.feed(client, &load)), refusal);
    // Who decides on changes is free again.
    let load = request(&[b"FUNCTION", b"LOAD", &library("lib", "f")]);
    assert_eq!(world.feed(client, &load), b"$3\r\nlib\r\n");
}

#[test]
fn figures_of_scripts_are_those_of_one_core_and_memory_that_of_all() {
    let mut world = World::new(2);
    let client = world.open(0);
    world.ask(client, "SCRIPT LOAD 'return 1'");
    world.feed(client, &request(&[b"FUNCTION", b"LOAD", &library("lib", "f")]));
    let info = world.ask(client, "INFO memory");
    for field in ["number_of_cached_scripts:1", "number_of_functions:1", "number_of_libraries:1"] {
        assert!(info.contains(field), "{info}");
    }
    assert!(info.contains("used_memory_scripts_eval:16"), "{info}");
    assert!(!info.contains("used_memory_lua:0"), "{info}");
}

#[test]
fn of_two_changes_that_contradict_each_other_all_cores_make_the_same() {
    for first in 0..3 {
        for second in (0..3).filter(|second| *second != first) {
            let mut world = World::new(3);
            let clients = [world.open(first), world.open(second)];
            for (client, code) in clients.into_iter().zip(["one", "two"]) {
                let code = library("lib", code);
                world.feed_quietly(client, &request(&[b"FUNCTION", b"LOAD", &code]));
            }
            world.settle();
            let replies = clients.map(|client| world.take(client));
            let loaded = replies.iter().filter(|reply| &reply[..] == b"$3\r\nlib\r\n").count();
            let refused = b"-ERR Library 'lib' already exists\r\n";
            let refused = replies.iter().filter(|reply| &reply[..] == refused).count();
            assert_eq!((loaded, refused), (1, 1), "{first} {second}");
            let lists = [0, 1, 2].map(|core| {
                let client = world.open(core);
                world.ask(client, "FUNCTION LIST WITHCODE")
            });
            assert!(lists.iter().all(|list| *list == lists[0]), "{lists:?}");
        }
    }
}

#[test]
fn a_client_that_goes_during_its_change_leaves_the_way_to_others_free() {
    let mut world = World::new(3);
    let (gone, other) = (world.open(1), world.open(2));
    let load = request(&[b"FUNCTION", b"LOAD", b"REPLACE", &library("lib", "f")]);
    world.feed_quietly(gone, &load);
    world.hang_up(gone);
    assert_eq!(world.feed(other, &load), b"$3\r\nlib\r\n");
}

/// What redis-server 7.0.15 gave for a library of 123 bytes, compressed.
const FOREIGN_DUMP: &[u8] = b"\xf5\xc3@L@{\x1f#!lua name=lib\nredis.register_fu\x0bnction('f', \xe0\x00\x0d\x13) return 1 end)\n-- =\xe0'\x00\x01=\n\n\x001\xc0\xcd\xd4\x9am\x9dz";

#[test]
fn a_dump_of_redis_is_restored() {
    let mut world = World::new(2);
    let client = world.open(1);
    let out = world.feed(client, &request(&[b"FUNCTION", b"RESTORE", FOREIGN_DUMP]));
    assert_eq!(out, b"+OK\r\n");
    let other = world.open(0);
    let list = world.ask(other, "FUNCTION LIST WITHCODE");
    assert!(
        list.contains("[[name f description nil flags []]] library_code #!lua name=lib"),
        "{list}"
    );
    assert!(list.contains(&"=".repeat(50)), "{list}");
}
