//! Random scripts to both servers, in step: seeds, the campaign, and what is said at its end.

mod clients;
mod compare_report;
#[cfg(test)]
pub mod fake;
pub mod intended;
mod keyspace;
mod raw;
pub mod rules;
mod run;
mod sabotage;
pub mod script;
mod shrink;
mod signature;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cli::{Places, RandomArgs, ReplayArgs};
use crate::r#gen::{CONNECTIONS, Generator};
use crate::peer::{Server, Sides};
use compare_report::{Finding, Survey};
pub use run::{Difference, ask};
use run::{PATIENCE, PATIENCE_SHORT, Runner};
use sabotage::Sabotage;
use script::Action;
pub use shrink::fewer;
pub use signature::signature;

/// A difference must show again in one of so many replays to be shrunk; else it is reported as it was met.
const CONFIRMATIONS: usize = 4;
/// How long a crash may take to be seen.
const CRASH_PATIENCE: Duration = Duration::from_secs(2);
/// Shrinking one script ends after this, however short it is by then.
const SHRINK_TIME: Duration = Duration::from_secs(40);
/// Between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// Runs `random`. True when nothing unexplained was found.
pub fn campaign(args: &RandomArgs) -> Result<bool> {
    let sabotage = args.course.sabotage.as_deref().map(Sabotage::named).transpose()?;
    let mut generator = Generator::new(&args.course.families, &args.skip)?;
    let mut skipped = args.skip.clone();
    let mut runner = Runner::new(start(&args.course.places)?, sabotage)?;
    let mut survey = Survey::new(args);
    let (first, last) = args.seed_range()?;
    let begun = Instant::now();
    let mut told = begun;
    let mut seed = first;
    while seed < last && args.course.goes_on(runner.compared, begun) {
        let script = generator.episode(seed, args.episode);
        let protocols = protocols(seed, args.course.resp);
        if let Some(mut finding) = episode(&mut runner, seed, script, protocols, &survey)? {
            finding.skipped.clone_from(&skipped);
            if !survey.knows(&finding.difference) {
                println!("{}", finding.show(args));
            }
            let masked = survey.add(finding);
            if survey.findings.len() >= args.course.max_differences {
                seed += 1;
                break;
            }
            if let Some(command) = masked.filter(|command| !skipped.contains(command)) {
                println!("(not asking {command} any more in this run)\n");
                skipped.push(command);
                generator = Generator::new(&args.course.families, &skipped)?;
            }
        }
        seed += 1;
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            let rate = runner.compared as f64 / begun.elapsed().as_secs_f64();
            println!(
                "{} requests compared, next seed {seed}, {rate:.0}/s, {} differences",
                runner.compared,
                survey.findings.len()
            );
        }
    }
    survey.finish(&runner, first, seed, begun.elapsed());
    if let Some(path) = &args.report {
        std::fs::write(path, survey.markdown(args))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(survey.findings.is_empty())
}

/// Plays one script; a difference is confirmed and shrunk.
fn episode(
    runner: &mut Runner,
    seed: u64,
    script: Vec<Action>,
    protocols: [u8; CONNECTIONS],
    survey: &Survey,
) -> Result<Option<Finding>> {
    let Some(difference) = attempt(runner, &script, protocols)? else {
        return Ok(None);
    };
    if survey.knows(&difference) {
        return Ok(Some(Finding {
            seed,
            protocols,
            confirmed: false,
            script: Vec::new(),
            difference,
            skipped: Vec::new(),
        }));
    }
    let mut shortest = script[..=difference.action].to_vec();
    let compared = runner.compared;
    if difference.got.contains("no reply") {
        runner.patience = PATIENCE_SHORT;
    }
    runner.caution = 4;
    let mut last = difference.clone();
    let mut fails =
        |runner: &mut Runner, candidate: &[Action]| match attempt(runner, candidate, protocols) {
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
        let begun = Instant::now();
        shortest = shrink::shrink(shortest, |candidate| {
            begun.elapsed() < SHRINK_TIME && fails(runner, candidate)
        });
        fails(runner, &shortest);
    }
    runner.caution = 1;
    runner.patience = PATIENCE;
    runner.compared = compared;
    let script = if confirmed {
        shortest
    } else {
        script[difference.action.saturating_sub(20)..=difference.action].to_vec()
    };
    Ok(Some(Finding { seed, protocols, confirmed, script, difference: last, skipped: Vec::new() }))
}

/// Plays a script once. A crash of the server under test is a difference too, and leaves it restarted.
fn attempt(
    runner: &mut Runner,
    script: &[Action],
    protocols: [u8; CONNECTIONS],
) -> Result<Option<Difference>> {
    match runner.play(script, protocols) {
        // A thread that panicked may not have been needed for the last replies.
        Ok(None) => match runner.servers.subject.panic() {
            Some(_) => dead(runner, &unanswered(script, "a reply", "(connection closed)")),
            None => Ok(None),
        },
        Ok(Some(difference)) => Ok(Some(dead(runner, &difference)?.unwrap_or(difference))),
        Err(error) => {
            let difference = unanswered(script, "a connection", &format!("closed: {error:#}"));
            dead(runner, &difference)?.map(Some).ok_or(error)
        }
    }
}

/// What a crash looks like before it is known as one.
fn unanswered(script: &[Action], expected: &str, got: &str) -> Difference {
    Difference {
        action: script.len() - 1,
        request: script.last().map(Action::show).unwrap_or_default(),
        expected: expected.to_owned(),
        got: got.to_owned(),
        signature: "connecting".to_owned(),
    }
}

/// A server that ended is restarted, so that a survey goes on.
fn dead(runner: &mut Runner, difference: &Difference) -> Result<Option<Difference>> {
    let Some(end) = ended(runner, difference) else {
        return Ok(None);
    };
    runner
        .servers
        .subject
        .restart()
        .context("the server under test ended and does not start again")?;
    let mut difference = difference.clone();
    difference.got = format!("the server crashed: {end}");
    difference.signature = format!("crash {}", place_of_panic(&end));
    Ok(Some(difference))
}

/// The file and line of a panic, which tell crashes apart better than what was asked.
fn place_of_panic(end: &str) -> String {
    let place = end.split("panicked at ").nth(1).unwrap_or(end);
    place.split(' ').next().unwrap_or_default().to_owned()
}

/// How the process ended, or that it panicked. A closed connection or silence is what a crash looks like first, and
/// dumping a core takes its time.
fn ended(runner: &mut Runner, difference: &Difference) -> Option<String> {
    let suspicious = difference.got.contains("closed") || difference.got.contains("no reply");
    if !suspicious {
        return None;
    }
    let begun = Instant::now();
    loop {
        let end =
            runner.servers.subject.panic().or_else(|| runner.servers.subject.end_of_process());
        // One that still answers did not crash, it closed this connection.
        if end.is_some() || begun.elapsed() >= CRASH_PATIENCE || runner.servers.subject.answers() {
            return end;
        }
        std::thread::sleep(Duration::from_millis(20));
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

/// Prints the three tables of exceptions, each row with its reason.
pub fn print_exceptions() {
    println!("Replies that are not compared byte for byte:");
    for normaliser in rules::NORMALISERS {
        println!("  {:24} {}", normaliser.request(), normaliser.reason);
    }
    println!("Intended differences:");
    for row in intended::INTENDED {
        println!("  {:28} {}", row.name, row.reason);
    }
    println!("Intended differences of the command table:");
    for row in intended::TABLE {
        println!("  {:28} {}", format!("{} {}", row.commands.join(","), row.field), row.reason);
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
            println!(
                "{}\n  expected {}\n  got      {}",
                difference.request, difference.expected, difference.got
            );
            Ok(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fake::{Honesty, start as fake};
    use super::*;

    const RESP2: [u8; CONNECTIONS] = [2; CONNECTIONS];

    fn runner(honesty: Honesty) -> Runner {
        let server = |honesty| Server::external(fake(honesty)).expect("a fake server answers");
        let servers = Sides { oracle: server(Honesty::Honest), subject: server(honesty) };
        let mut runner = Runner::new(servers, None).expect("both answer");
        runner.patience = Duration::from_millis(200);
        runner
    }

    fn first_difference(honesty: Honesty, script: &str) -> Option<Difference> {
        let actions = script::parse(script).expect("the script reads");
        runner(honesty).play(&actions, RESP2).expect("both answer")
    }

    #[test]
    fn equal_servers_agree_and_what_is_unknown_to_both_is_no_difference() {
        let mut actions =
            script::parse("SET k value; STRLEN k; GET k; GET other; NOSUCH; @1 GET k")
                .expect("reads");
        actions.push(Action::Sweep);
        let mut runner = runner(Honesty::Honest);
        assert!(runner.play(&actions, RESP2).expect("both answer").is_none());
        assert_eq!(runner.compared, 6);
    }

    #[test]
    fn one_altered_reply_is_found_with_both_values() {
        let found = first_difference(
            Honesty::LongStrlen,
            "SET k abc; STRLEN k; SET k abcd; GET k; STRLEN k",
        )
        .expect("found");
        assert_eq!((found.action, found.expected.as_str(), found.got.as_str()), (4, ":4", ":5"));
    }

    #[test]
    fn closing_and_silence_are_differences() {
        let closed = first_difference(Honesty::ClosesOnGet, "SET k v; GET k").expect("found");
        assert_eq!(
            (closed.expected.as_str(), closed.got.as_str()),
            ("\"v\"", "(connection closed)")
        );
        let silent = first_difference(Honesty::SilentOnGet, "SET k v; GET k").expect("found");
        assert_eq!(silent.got, "(no reply in time)");
    }

    #[test]
    fn a_random_script_is_shrunk_to_the_requests_that_matter() {
        let generator = Generator::new(&["string".to_owned()], &[]).expect("the family exists");
        let args = RandomArgs::for_tests();
        let survey = Survey::new(&args);
        let mut runner = runner(Honesty::LongStrlen);
        let found = (1..50)
            .find_map(|seed| {
                let script = generator.episode(seed, 300);
                episode(&mut runner, seed, script, RESP2, &survey).expect("both answer")
            })
            .expect("some script asks STRLEN of a longer value");
        assert!(found.confirmed);
        assert_eq!(found.script.len(), 2, "{}", found.show(&args));
        assert!(found.show(&args).contains("STRLEN"));
    }
}
