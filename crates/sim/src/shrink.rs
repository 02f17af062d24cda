//! A failing seed made smaller: fewer clients, fewer requests, as long as it still fails.

use crate::run::{self, Options};
use engine::table::Table;
use std::sync::Arc;

/// Attempts at the most; each is a run.
const ATTEMPTS_MAX: usize = 60;

/// Looks for smaller options with which the seed still fails; gives them and that failure.
pub fn shrink(
    seed: u64,
    table: &Arc<Table>,
    options: &Options,
    failure: String,
) -> (Options, String) {
    let mut best = (Options { verbose: false, ..options.clone() }, failure);
    let mut attempts = 0;
    let mut attempt = |options: Options, best: &mut (Options, String)| {
        attempts += 1;
        if attempts > ATTEMPTS_MAX {
            return false;
        }
        match run::run(seed, table, &options) {
            Ok(_) => false,
            Err(failure) => {
                *best = (options, failure);
                true
            }
        }
    };
    let mut steps = best.0.steps / 2;
    while steps > 0 {
        let smaller = Options { steps, ..best.0.clone() };
        if attempt(smaller, &mut best) {
            steps = best.0.steps / 2;
        } else if best.0.steps - steps > 1 {
            steps += (best.0.steps - steps) / 2;
        } else {
            break;
        }
    }
    let mut clients: Vec<usize> = best.0.clients.clone().unwrap_or_else(|| (0..8).collect());
    for client in clients.clone() {
        let fewer: Vec<usize> = clients.iter().copied().filter(|one| *one != client).collect();
        let smaller = Options { clients: Some(fewer.clone()), ..best.0.clone() };
        if attempt(smaller, &mut best) {
            clients = fewer;
        }
    }
    best
}
