//! `together`: random scripts of several clients in step, on the server under test and on redis-server.
//!
//! `random` has one client speak at a time and compares reply by reply. Transactions, blocking commands and scripts are
//! about several: who is woken by whom, in which order, and what a transaction sees of others. So a script here is a
//! schedule of what each of two to five clients sends; after each step all replies that can be there are collected on
//! both sides and compared client by client (`play.rs` says how silence is told from lateness). `plot.rs` makes a schedule
//! from the scenes of the families, one file each; `pen.rs` writes requests and `lua.rs` scripts.

mod blocking;
mod functions;
mod lua;
mod meant;
mod order;
mod pen;
mod plant;
mod play;
mod plot;
mod scene;
mod scripts;
mod search;
mod seat;
mod stage;
mod step;
mod transactions;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::cli::TogetherArgs;
use crate::peer::{Caller, Server, Sides};
use crate::random::{Difference, fewer};
use plant::Plant;
use play::{CLIENTS, PATIENCE, PATIENCE_SHORT, Player};
use plot::{FAMILIES, Scene};
use step::Step;

/// A difference must show again in one of so many replays to be shrunk.
const CONFIRMATIONS: usize = 3;
/// Shrinking one script ends after this, however long it still is.
const SHRINK_TIME: Duration = Duration::from_secs(30);
/// A server that does not answer FLUSHALL within this time is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(3);
/// Between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// Runs `together`. True when nothing unexplained was found.
pub fn run(args: &TogetherArgs) -> Result<bool> {
    let plant = args.course.sabotage.as_deref().map(Plant::named).transpose()?;
    let scenes = scenes_of(&args.course.families)?;
    let lua = ["scripts", "functions"];
    let scripts = args.course.families.is_empty()
        || args.course.families.iter().any(|family| lua.contains(&family.as_str()));
    if args.print {
        let script = plot::script(args.course.seed, args.episode, &scenes, scripts);
        script.iter().for_each(|step| println!("{}", step.show()));
        return Ok(true);
    }
    let mut player = Player::new(servers(args)?, plant);
    player.orders = args.course.places.cores > 1 && !args.course.places.subject_is_redis();
    if let Some(path) = &args.script {
        return by_hand(&mut player, args, path);
    }
    let (first, last) = args.course.seed_range();
    let begun = Instant::now();
    let mut told = begun;
    let mut known: Vec<String> = Vec::new();
    let mut repeated = 0u64;
    let mut seed = first;
    while seed < last && args.course.goes_on(player.compared, begun) {
        let script = plot::script(seed, args.episode, &scenes, scripts);
        if let Some(difference) = attempt(&mut player, &script, protocols(seed, args.course.resp))?
        {
            if known.contains(&difference.signature) {
                repeated += 1;
            } else {
                known.push(difference.signature.clone());
                report(&mut player, args, seed, script, &difference)?;
            }
            if known.len() >= args.course.max_differences {
                seed += 1;
                break;
            }
        }
        seed += 1;
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            let rate = player.compared as f64 / begun.elapsed().as_secs_f64();
            println!(
                "{} requests compared, next seed {seed}, {rate:.0}/s, {} differences",
                player.compared,
                known.len()
            );
        }
    }
    println!(
        "{} requests in {} steps of seeds {first}..{seed} compared in {:.0} s: {} kinds of difference ({repeated} met again); {} replies woke a client, {} steps were slow",
        player.compared,
        player.steps,
        begun.elapsed().as_secs_f64(),
        known.len(),
        player.woken,
        player.slow
    );
    if player.reordered > 0 {
        println!("  {} steps came in another order that Redis confirms", player.reordered);
    }
    for (name, count) in &player.excused {
        println!("  meant: {name} ({count} times)");
    }
    Ok(known.is_empty())
}

/// Plays a script from a file.
fn by_hand(player: &mut Player, args: &TogetherArgs, path: &Path) -> Result<bool> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let steps = step::parse(&text).map_err(anyhow::Error::msg)?;
    ensure!(!steps.is_empty(), "no steps in {}", path.display());
    match attempt(player, &steps, [args.course.resp.unwrap_or(2); CLIENTS])? {
        None => println!("no difference in {} steps", steps.len()),
        Some(difference) => {
            println!("DIFFERENCE in step {}: {}", difference.action + 1, difference.request);
            println!("  oracle    {}\n  subject   {}", difference.expected, difference.got);
            return Ok(false);
        }
    }
    Ok(true)
}

fn scenes_of(families: &[String]) -> Result<Vec<(u32, Scene)>> {
    let known: Vec<_> = FAMILIES.iter().map(|family| family.name).collect();
    if let Some(name) = families.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("no family {name:?}; there are {}", known.join(", "));
    }
    let chosen = FAMILIES
        .iter()
        .filter(|family| families.is_empty() || families.iter().any(|name| name == family.name));
    Ok(chosen.flat_map(|family| family.scenes.iter().copied()).collect())
}

fn servers(args: &TogetherArgs) -> Result<Sides<Server>> {
    let start = |addr, spec| match addr {
        Some(addr) => Server::external(addr),
        None => Server::start(spec),
    };
    Ok(Sides {
        oracle: start(args.course.places.oracle_addr, args.course.places.oracle_spec())?,
        subject: start(args.course.places.addr, args.course.places.subject_spec()?)?,
    })
}

fn protocols(seed: u64, fixed: Option<u8>) -> [u8; CLIENTS] {
    match fixed {
        Some(version) => [version; CLIENTS],
        None => std::array::from_fn(|client| if (seed >> client) & 1 == 1 { 3 } else { 2 }),
    }
}

/// Plays a script once. A crash of the server under test is a difference too, and leaves it restarted.
fn attempt(
    player: &mut Player,
    script: &[Step],
    protocols: [u8; CLIENTS],
) -> Result<Option<Difference>> {
    let outcome = player.play(script, protocols);
    let suspicious = !matches!(&outcome, Ok(None));
    let subject = &mut player.servers.subject;
    let end = subject.panic().or_else(|| suspicious.then(|| subject.end_of_process()).flatten());
    let Some(end) = end.or_else(|| suspicious.then(|| stuck(subject)).flatten()) else {
        return outcome;
    };
    subject.restart()?;
    let last = script.len() - 1;
    let at = outcome.ok().flatten().map_or(last, |difference| difference.action);
    let place = end.split("panicked at ").nth(1).unwrap_or(&end);
    Ok(Some(Difference {
        action: at,
        request: script[at].show(),
        expected: "a server that lives".to_owned(),
        signature: format!("crash {}", place.split(' ').next().unwrap_or_default()),
        got: format!("it ended: {end}"),
    }))
}

/// Whether a server that lives no longer does what needs all of its cores, as after a lock that nobody gives back.
fn stuck(server: &Server) -> Option<String> {
    let mut caller = Caller::connect(server.addr()).ok()?;
    caller.set_patience(STUCK_AFTER).ok()?;
    let failed = caller.ask(&["FLUSHALL"]).err()?;
    Some(format!("it answers no FLUSHALL: {failed:#}"))
}

/// Shrinks the script of a difference and prints both.
fn report(
    player: &mut Player,
    args: &TogetherArgs,
    seed: u64,
    script: Vec<Step>,
    difference: &Difference,
) -> Result<()> {
    let protocols = protocols(seed, args.course.resp);
    let tried = player.tried;
    let (mut last, counted) = (difference.clone(), (player.compared, player.steps));
    let mut fails =
        |player: &mut Player, candidate: &[Step]| match attempt(player, candidate, protocols) {
            Ok(Some(found)) if found.signature == difference.signature => {
                last = found;
                true
            }
            _ => false,
        };
    let mut shortest = script[..=difference.action].to_vec();
    let confirmed = (0..CONFIRMATIONS).any(|_| fails(player, &shortest));
    if confirmed {
        player.patience = PATIENCE_SHORT;
        let begun = Instant::now();
        let mut fails_in_time =
            |candidate: &[Step]| begun.elapsed() < SHRINK_TIME && fails(player, candidate);
        shortest = fewer(shortest, &mut fails_in_time);
        shortest = fewer_requests(shortest, &mut fails_in_time);
        shortest = fewer(shortest, &mut fails_in_time);
        player.patience = PATIENCE;
        fails(player, &shortest);
    }
    (player.compared, player.steps) = counted;
    println!("DIFFERENCE{}", if confirmed { "" } else { " (it did not show again)" });
    println!("  request   {}", last.request);
    println!("  oracle    {}", last.expected);
    println!("  subject   {}", last.got);
    if player.orders {
        let (count, all) = tried;
        println!("  orders    {count} tried, {}", if all { "which are all" } else { "of more" });
    }
    let speakers: Vec<String> = protocols.iter().map(u8::to_string).collect();
    println!("  protocols of clients 0 to {}: {}; the script:", CLIENTS - 1, speakers.join(" "));
    let from = if confirmed { 0 } else { shortest.len().saturating_sub(20) };
    for step in &shortest[from..] {
        println!("    {}", step.show());
    }
    println!("  again: {}\n", args.command_line(seed));
    Ok(())
}

/// Drops requests out of the pipelines of a script that still fails.
fn fewer_requests(mut script: Vec<Step>, fails: &mut impl FnMut(&[Step]) -> bool) -> Vec<Step> {
    for at in 0..script.len() {
        let Step::Send { client, requests } = script[at].clone() else {
            continue;
        };
        if requests.len() < 2 {
            continue;
        }
        let shorter = fewer(requests, &mut |requests| {
            let mut candidate = script.clone();
            candidate[at] = Step::Send { client, requests: requests.to_vec() };
            fails(&candidate)
        });
        script[at] = Step::Send { client, requests: shorter };
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::fake::{Honesty, start};

    fn player(honesty: Honesty) -> Player {
        let server = |honesty| Server::external(start(honesty)).expect("the fake answers");
        let servers = Sides { oracle: server(Honesty::Honest), subject: server(honesty) };
        let mut player = Player::new(servers, None);
        player.patience = PATIENCE_SHORT;
        player
    }

    fn send(client: usize, line: &str) -> Step {
        let request = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        Step::Send { client, requests: vec![request] }
    }

    fn script() -> Vec<Step> {
        vec![
            send(0, "SET k value"),
            send(1, "PING"),
            send(1, "STRLEN k"),
            Step::Vanish { client: 0 },
            send(0, "GET k"),
        ]
    }

    #[test]
    fn equal_servers_agree_for_every_client() {
        let difference = player(Honesty::Honest).play(&script(), [2; CLIENTS]).expect("plays");
        assert!(difference.is_none(), "{difference:?}");
    }

    #[test]
    fn a_wrong_reply_is_found_at_its_step() {
        let difference = player(Honesty::LongStrlen).play(&script(), [2; CLIENTS]).expect("plays");
        let difference = difference.expect("the lie is found");
        assert_eq!((difference.action, difference.got.as_str()), (2, ":6"));
    }

    #[test]
    fn silence_where_redis_answers_is_a_difference() {
        let difference = player(Honesty::SilentOnGet).play(&script(), [2; CLIENTS]).expect("plays");
        let difference = difference.expect("the silence is found");
        assert_eq!((difference.action, difference.got.as_str()), (4, "(no reply in time)"));
    }

    #[test]
    fn the_same_seed_gives_the_same_script() {
        let scenes = scenes_of(&[]).expect("no family is misspelt");
        assert_eq!(plot::script(5, 60, &scenes, true), plot::script(5, 60, &scenes, true));
        assert_ne!(plot::script(5, 60, &scenes, true), plot::script(6, 60, &scenes, true));
    }

    #[test]
    fn every_planted_mistake_has_a_name() {
        for (name, planted) in plant::ALL {
            assert_eq!(Plant::named(name).expect("it is listed"), *planted);
        }
        assert!(Plant::named("nonsense").is_err());
    }
}
