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
