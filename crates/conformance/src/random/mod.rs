//! Random scripts to both servers, in step: seeds, the campaign, and what is said at its end.

mod compare_report;
pub mod intended;
pub mod rules;
mod run;
mod sabotage;
pub mod script;
mod shrink;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cli::{Places, RandomArgs, ReplayArgs};
use crate::r#gen::{CONNECTIONS, Generator};
use crate::peer::{Server, Sides};
use compare_report::{Finding, Survey};
use run::{Difference, Runner};
use sabotage::Sabotage;
use script::Action;

/// A difference must show again in one of so many replays to be shrunk; else it is reported as it was met.
const CONFIRMATIONS: usize = 4;
/// Between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// Runs `random`. True when nothing unexplained was found.
pub fn campaign(args: &RandomArgs) -> Result<bool> {
    let sabotage = args.sabotage.as_deref().map(Sabotage::named).transpose()?;
    let mut generator = Generator::new(&args.families, &args.skip)?;
    let mut skipped = args.skip.clone();
    let mut runner = Runner::new(start(&args.places)?, sabotage)?;
    let mut survey = Survey::new(args);
    let (first, last) = args.seed_range()?;
    let begun = Instant::now();
    let mut told = begun;
    let mut seed = first;
    while seed < last && args.commands.is_none_or(|most| runner.compared < most) {
        if args.max_seconds.is_some_and(|most| begun.elapsed() >= Duration::from_secs(most)) {
            break;
        }
        let script = generator.episode(seed, args.episode);
        let protocols = protocols(seed, args.resp);
        if let Some(finding) = episode(&mut runner, seed, script, protocols)? {
            println!("{}", finding.show(args));
            let masked = survey.add(finding);
            if survey.findings.len() >= args.max_differences {
                seed += 1;
                break;
            }
            if let Some(command) = masked {
                println!("(not asking {command} any more in this run)\n");
                skipped.push(command);
                generator = Generator::new(&args.families, &skipped)?;
            }
        }
        seed += 1;
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            let rate = runner.compared as f64 / begun.elapsed().as_secs_f64();
            println!("{} requests compared, next seed {seed}, {rate:.0}/s, {} differences", runner.compared, survey.findings.len());
        }
    }
    survey.finish(&runner, first, seed, begun.elapsed());
    if let Some(path) = &args.report {
        std::fs::write(path, survey.markdown(args)).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(survey.findings.is_empty())
}

/// Plays one script; a difference is confirmed and shrunk.
fn episode(runner: &mut Runner, seed: u64, script: Vec<Action>, protocols: [u8; CONNECTIONS]) -> Result<Option<Finding>> {
    let difference = match runner.play(&script, protocols) {
        Ok(None) => return Ok(None),
        Ok(Some(difference)) => difference,
        Err(error) => return crashed(runner, seed, error).map(Some),
    };
    if let Some(finding) = dead(runner, seed, &difference)? {
        return Ok(Some(finding));
    }
    let mut shortest = script[..=difference.action].to_vec();
    let compared = runner.compared;
    runner.caution = 4;
    let mut last = difference.clone();
    let mut fails = |runner: &mut Runner, candidate: &[Action]| match runner.play(candidate, protocols) {
        Ok(Some(found)) if found.signature == difference.signature => {
            last = found;
            true
        }
        _ => false,
    };
    let confirmed = (0..CONFIRMATIONS).any(|_| fails(runner, &shortest));
    if confirmed {
        // Shrinking stays patient only where patience matters: in waits, not in searching.
        runner.caution = 2;
        shortest = shrink::shrink(shortest, |candidate| fails(runner, candidate));
        fails(runner, &shortest);
    }
    runner.caution = 1;
    runner.compared = compared;
    let script = if confirmed { shortest } else { script[difference.action.saturating_sub(20)..=difference.action].to_vec() };
    Ok(Some(Finding { seed, protocols, confirmed, script, difference: last }))
}

/// A server that ended is restarted, so that a survey goes on.
fn dead(runner: &mut Runner, seed: u64, difference: &Difference) -> Result<Option<Finding>> {
    // A process that just crashed needs a moment to be seen as ended.
    std::thread::sleep(Duration::from_millis(20));
    let Some(end) = runner.servers.subject.end_of_process() else {
        return Ok(None);
    };
    let lines = runner.servers.subject.last_lines();
    runner.servers.subject.restart().context("the server under test ended and does not start again")?;
    let mut difference = difference.clone();
    difference.got = format!("the server ended: {end}\n{lines}");
    difference.signature = format!("crash {}", difference.signature);
    Ok(Some(Finding { seed, protocols: [0; CONNECTIONS], confirmed: false, script: Vec::new(), difference }))
}

fn crashed(runner: &mut Runner, seed: u64, error: anyhow::Error) -> Result<Finding> {
    let difference = Difference {
        action: 0,
        request: "(connecting)".to_owned(),
        expected: "a connection".to_owned(),
        got: format!("{error:#}"),
        signature: "connecting".to_owned(),
    };
    match dead(runner, seed, &difference)? {
        Some(finding) => Ok(finding),
        None => Err(error),
    }
}

/// Which protocol each connection of a script speaks.
fn protocols(seed: u64, fixed: Option<u8>) -> [u8; CONNECTIONS] {
    match fixed {
        Some(version) => [version; CONNECTIONS],
        // Every mixture comes by with the seeds.
        None => std::array::from_fn(|conn| if (seed >> conn) & 1 == 1 { 3 } else { 2 }),
    }
}

/// Starts (or finds) the two servers.
pub fn start(places: &Places) -> Result<Sides<Server>> {
    let oracle = match places.oracle_addr {
        Some(addr) => Server::external(addr)?,
        None => Server::start(places.oracle_spec())?,
    };
    let subject = match places.addr {
        Some(addr) => Server::external(addr)?,
        None => Server::start(places.subject_spec()?)?,
    };
    Ok(Sides { oracle, subject })
}

/// Runs `replay`: a script typed by hand, with both replies beside each other. True when all agree.
pub fn replay(args: &ReplayArgs) -> Result<bool> {
    let text = match (&args.script, &args.file) {
        (Some(text), None) => text.clone(),
        (None, Some(path)) => std::fs::read_to_string(path)?,
        _ => bail!("give a script by --script 'SET k v; GET k' or by --file"),
    };
    let actions = script::parse(&text).map_err(anyhow::Error::msg)?;
    let mut runner = Runner::new(start(&args.places)?, None)?;
    let protocols = [args.resp; CONNECTIONS];
    match runner.play(&actions, protocols)? {
        None => {
            println!("{} requests, all agree", actions.len());
            Ok(true)
        }
        Some(difference) => {
            println!("{}\n  expected {}\n  got      {}", difference.request, difference.expected, difference.got);
            Ok(false)
        }
    }
}

/// How often each intended difference was met, for the last lines of a run.
pub type Excused = BTreeMap<&'static str, u64>;
