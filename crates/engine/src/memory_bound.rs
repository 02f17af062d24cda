//! Whole engines at `maxmemory`: what several cores do that share one limit.

use crate::check::World;

/// Keys of about a kilobyte on core `core` of two, `count` of them.
fn fill(world: &mut World, core: u16, count: usize, name: &str) -> Vec<String> {
    let route = base::RouteTable::new(2);
    let client = world.open(0);
    let keys = (0..)
        .map(|number| format!("{name}:{number}"))
        .filter(|key| route.owner(base::Slot::of_key(key.as_bytes())).0 == core);
    let value = "x".repeat(1000);
    let mut failed = Vec::new();
    for (number, key) in keys.take(count).enumerate() {
        let reply = world.ask(client, &format!("SET {key} {value}"));
        if reply != "OK" {
            failed.push(reply);
        }
        if number % 100 == 0 {
            world.pass_ms(10);
        }
    }
    failed
}

#[test]
fn a_core_that_is_filled_late_is_neither_starved_nor_refused() {
    let limits = [("maxmemory", "8mb"), ("maxmemory-policy", "allkeys-lru")];
    let mut world = World::with(2, &limits);
    assert_eq!(fill(&mut world, 0, 12_000, "early"), [""; 0], "the first core has all of it");
    let before = world.keys(1);
    assert_eq!(fill(&mut world, 1, 12_000, "late"), [""; 0], "the second evicts, it never refuses");
    let (first, second) = (world.keys(0), world.keys(1));
    assert_eq!(before, 0);
    assert!(second * 3 > first, "the cores have {first} and {second} keys");
}

#[test]
fn a_full_server_that_never_evicts_sleeps_until_something_changes() {
    let limits = [("maxmemory", "4mb"), ("maxmemory-policy", "noeviction")];
    let mut world = World::with(2, &limits);
    let failed = fill(&mut world, 0, 6_000, "some");
    assert!(failed.len() > 1_000, "the memory is full");
    (0..5).for_each(|_| world.pass_ms(10));
    let clients = [world.open(0), world.open(1)];
    for (core, client) in clients.into_iter().enumerate() {
        assert_eq!(world.next_deadline_ms(core), None, "core {core} has nothing to wait for");
        assert_eq!(world.ask(client, "GET nothing"), "nil");
        assert_eq!(world.next_deadline_ms(core), None, "core {core} after a read");
    }
    // With more memory, and with a policy that evicts, it writes again.
    assert_eq!(world.ask(clients[0], "CONFIG SET maxmemory 5mb"), "OK");
    assert_eq!(fill(&mut world, 0, 100, "more"), [""; 0]);
    let failed = fill(&mut world, 0, 6_000, "even-more");
    assert!(failed.len() > 1_000, "it is full again");
    assert_eq!(world.ask(clients[0], "CONFIG SET maxmemory-policy allkeys-lru"), "OK");
    world.pass_ms(10);
    assert_eq!(fill(&mut world, 0, 2_000, "again"), [""; 0]);
}

#[test]
fn of_two_changes_of_the_limit_under_way_at_once_all_cores_take_the_same_and_grant_no_more() {
    for (cores, delay) in (2..=3).flat_map(|cores| (0..4).map(move |delay| (cores, delay))) {
        let mut world = World::with(cores, &[("maxmemory", "64mb")]);
        let clients = [world.open(0), world.open(cores - 1)];
        fill(&mut world, 0, 300, "some");
        let within = |world: &World| {
            let all: Vec<(u64, u64)> = (0..cores).map(|core| world.granted(core)).collect();
            let limit = all[0].1;
            let agreed = all.iter().all(|(_, other)| *other == limit);
            let granted: u64 = all.iter().map(|(granted, _)| granted).sum();
            assert!(!agreed || granted <= limit, "{granted} of {limit} are granted: {all:?}");
            agreed
        };
        world.feed_quietly(clients[0], b"CONFIG SET maxmemory 48mb\r\n");
        (0..delay).for_each(|_| _ = world.round());
        world.feed_quietly(clients[1], b"CONFIG SET maxmemory 32mb\r\n");
        while world.round() {
            within(&world);
        }
        assert!(within(&world), "all know the same limit");
        assert!([48 << 20, 32 << 20].contains(&world.granted(0).1));
        for client in clients {
            assert_eq!(world.take(client), b"+OK\r\n");
        }
        // And so it stays while the cores use what they are granted.
        for part in 0..4 {
            fill(&mut world, part % 2, 300, &format!("part-{part}"));
            within(&world);
        }
    }
}

#[test]
fn batches_and_widened_receive_buffers_count_and_what_is_not_needed_goes() {
    let mut world = World::with(2, &[("maxmemory", "8mb"), ("maxmemory-policy", "noeviction")]);
    let clients: Vec<_> = (0..50).map(|_| world.open(0)).collect();
    let key_of = |core| {
        let owner = |key: &str| base::RouteTable::new(2).owner(base::Slot::of_key(key.as_bytes()));
        (0..).map(|number| format!("k{number}")).find(|key| owner(key).0 == core).expect("half")
    };
    let request = format!("STRLEN {}\r\n", key_of(1)).repeat(100);
    for client in &clients {
        world.feed_quietly(*client, request.as_bytes());
    }
    world.settle();
    let used = |world: &mut World| {
        let text = world.text(clients[0], "INFO memory");
        let line = text.lines().find_map(|line| line.strip_prefix("used_memory:"));
        line.expect("INFO has it").trim().parse::<u64>().expect("a number")
    };
    let (grown, used_then) = (world.plumbing_bytes(0), used(&mut world));
    assert!(grown > 50 * 1000, "{grown} bytes of batches");
    (0..30).for_each(|_| world.pass_ms(200));
    let left = world.plumbing_bytes(0);
    assert!(left < grown / 10, "{left} of {grown} bytes of batches are kept");
    assert!(used_then - used(&mut world) >= grown - left, "and what went is not counted");
    world.widen_buffers(0, 64 << 20);
    (0..3).for_each(|_| world.pass_ms(200));
    assert!(used(&mut world) >= 64 << 20);
    let text = "(err) OOM command not allowed when used memory > 'maxmemory'.";
    assert_eq!(world.ask(clients[0], &format!("SET {} x", key_of(0))), text);
}

#[test]
fn writes_are_refused_only_when_the_whole_memory_is_exhausted() {
    let limits = [("maxmemory", "8mb"), ("maxmemory-policy", "noeviction")];
    let mut world = World::with(2, &limits);
    let failed = fill(&mut world, 0, 5_000, "some");
    assert_eq!(failed, [""; 0], "more than a core's fair share, less than the whole");
    let failed = fill(&mut world, 1, 12_000, "more");
    let text = "(err) OOM command not allowed when used memory > 'maxmemory'.";
    assert!(failed.len() > 2_000, "{} writes were refused", failed.len());
    assert!(failed.iter().all(|reply| reply == text), "{}", failed[0]);
}
