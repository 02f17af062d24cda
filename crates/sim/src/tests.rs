//! What the simulator itself must be able to do: repeat itself, find planted bugs, find no others.

use crate::fuzz;
use crate::run::{Options, run};
use crate::shrink::shrink;
use crate::workload::Theme;
use crate::world::plant::Plant;
use clap::ValueEnum;
use engine::table::Table;
use std::sync::Arc;

fn table() -> Arc<Table> {
    Arc::new(Table::new(&[]).expect("nothing is renamed"))
}

/// Seeds that must show a planted bug at the latest.
const SEEDS: u64 = 300;

/// The first seed that fails with a planted bug in a way that says this.
fn first_failure(plant: Plant, says: &str) -> Option<(u64, String)> {
    let theme = if plant.is_of_transactions() { Theme::Transactions } else { Theme::Keys };
    let theme = Some(theme);
    let options = Options { plant: Some(plant), steps: 40, theme, ..Options::default() };
    let table = table();
    (0..SEEDS).find_map(|seed| {
        let failure = run(seed, &table, &options).err()?;
        failure.contains(says).then_some((seed, failure))
    })
}

#[test]
fn equal_seeds_give_equal_runs() {
    let table = table();
    for seed in 0..6 {
        let once = run(seed, &table, &Options::default());
        assert_eq!(once, run(seed, &table, &Options::default()));
        assert!(once.is_ok(), "{once:?}");
    }
}

#[test]
fn different_seeds_give_different_runs() {
    let table = table();
    let digest = |seed| run(seed, &table, &Options::default()).map(|report| report.digest);
    assert_ne!(digest(1), digest(2));
}

#[test]
fn nothing_is_found_where_nothing_is_planted() {
    let table = table();
    for seed in 100..130 {
        let result = run(seed, &table, &Options { steps: 40, ..Options::default() });
        assert!(result.is_ok(), "seed {seed}: {result:?}");
    }
}

#[test]
fn every_planted_bug_is_found() {
    for plant in Plant::value_variants() {
        // What a wrong mailbox does shows in no reply by itself, only in what came before what.
        let says = match plant {
            Plant::LateJobs | Plant::NoStamps | Plant::EarlyDrain => "seen before its cause",
            Plant::StaleStamp | Plant::LocksLast => "seen before its cause",
            _ => "",
        };
        let found = first_failure(*plant, says);
        assert!(found.is_some(), "{plant:?} was not found within {SEEDS} seeds");
    }
}

#[test]
fn operations_on_several_cores_are_explained_where_nothing_is_planted() {
    let table = table();
    let theme = Some(Theme::Transactions);
    for seed in 200..230 {
        let result = run(seed, &table, &Options { steps: 40, theme, ..Options::default() });
        assert!(result.is_ok(), "seed {seed}: {result:?}");
    }
}

#[test]
fn a_failing_seed_is_made_smaller_and_still_fails() {
    let table = table();
    let options = Options { plant: Some(Plant::StaleRead), ..Options::default() };
    let (seed, failure) = (0..SEEDS)
        .find_map(|seed| run(seed, &table, &options).err().map(|failure| (seed, failure)))
        .expect("it is found");
    let (smaller, _) = shrink(seed, &table, &options, failure);
    assert!(smaller.steps <= options.steps);
    assert!(run(seed, &table, &smaller).is_err());
}

#[test]
fn some_lives_of_fuzz_end_as_they_began() {
    let table = table();
    for seed in 0..2 {
        let done = fuzz::live(seed, &table);
        assert!(done.as_ref().is_ok_and(|(inputs, _)| *inputs > 1000), "life {seed}: {done:?}");
        assert_eq!(done, fuzz::live(seed, &table));
    }
}
