//! Scenarios of operations on several cores: either few clients that wait for each reply, whose whole history is then explained
//! (`check/serial.rs`), or invariants under pipelines.

use super::invariants::{Homes, Keeper, Subject};
use super::mixed::{self, Diet, Mixed};
use super::{Checks, Common, Scenario, configure, manners};
use crate::player::Player;
use crate::world::Chaos;
use base::{Prng, settings};
use engine::table::Table;
use std::sync::Arc;

/// A socket that takes so much takes all replies of a client that waits for each.
const WIDE: usize = 1 << 16;

/// Whether nothing holds up what is on its way for long.
fn is_prompt(chaos: &Chaos) -> bool {
    chaos.preempted_one_in == 0
        && chaos.wake_lost_one_in == 0
        && chaos.network_slow_one_in == 0
        && chaos.sluggish.is_none()
}

/// Draws a scenario of this kind. `steps` is how many requests a client sends at the most.
pub fn draw(seed: u64, table: &Arc<Table>, steps: usize) -> Scenario {
    let mut prng = Prng::new(seed ^ 0x0074_7261_6e73);
    let mut cores = [2, 2, 2, 3, 3, 4, 5, 8][prng.below(8) as usize];
    // Whoever writes is slow to publish, and whoever is told wakes at leisure: the order of the mail shows.
    let leisurely = prng.one_in(8);
    if leisurely {
        cores = cores.max(4);
    }
    let mut chaos = Chaos::draw(&mut prng);
    if prng.one_in(2) {
        // Crumbs and slow networks keep clients from meeting.
        (chaos.piece, chaos.window) = (1 << 14, 1 << 20);
        (chaos.network_ns, chaos.network_slow_one_in) = (1_000 + prng.below(10_000), 0);
    }
    if prng.one_in(3) {
        chaos.sluggish = Some(prng.below(cores as u64) as usize);
    }
    let common = Common {
        table: table.clone(),
        cores,
        lossy: false,
        kills: false,
        flushes: false,
        expires: false,
        long: false,
    };
    let settings = configure(&[(settings::MAXMEMORY, "0")]);
    let clients = 2 + prng.below(6) as usize;
    let explained = prng.below(5) > 1 && !leisurely;
    let diet = Diet::draw(&mut prng, &common);
    let subjects = [
        Subject::Bank,
        Subject::Twins,
        Subject::Token,
        Subject::Belt,
        Subject::Order,
        Subject::Queue,
    ];
    let drawn = subjects[prng.below(subjects.len() as u64) as usize];
    let subject = if leisurely { Subject::Order } else { drawn };
    let homes = if leisurely { Homes::APART } else { Homes::draw(&mut prng, cores) };
    if leisurely {
        chaos = Chaos { step_ns: 3_000, wake_ns: 100_000, network_ns: 1_000, ..Chaos::CALM };
        chaos.sluggish = Some(homes.writer);
    }
    let players = (0..clients).map(|number| {
        let mut manners = manners(&mut prng, &common, steps);
        if explained {
            // Who does not take its replies loses them when it says that it sends no more.
            if prng.one_in(4) && chaos.window >= WIDE {
                manners.leave_after = manners.vanish_after.take().or(Some(steps / 3));
            }
            let script = Mixed::new(&common, diet, number);
            script.place(&mut prng, &mut manners);
            return Player::new(number, seed, manners, Box::new(script));
        }
        let script = Keeper::draw(&mut prng, &common, subject, homes, number);
        script.place(&mut prng, &mut manners);
        if leisurely {
            (manners.depth, manners.think_ns) = (1 + prng.below(2) as usize, 50_000);
        }
        Player::new(number, seed, manners, Box::new(script))
    });
    let players = players.collect();
    let order = Checks::Order { prompt: is_prompt(&chaos) };
    let checks = if explained { order } else { Checks::None };
    let audit = if explained { mixed::audit(&common) } else { Vec::new() };
    Scenario { cores, chaos, settings, lossy: false, players, checks, audit }
}
