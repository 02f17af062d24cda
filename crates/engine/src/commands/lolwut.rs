//! LOLWUT: the version, with a picture for those who ask for one of the older versions'.
//!
//! The picture is our own: a row for each lane, and on it what is under way.

use super::info::REDIS_VERSION;
use super::{Desk, EngineCommand, Next};
use command::{Arg, ArgKind, Args, Arity, Failure, Flags, Group, Spec};

/// The family's list.
pub const COMMANDS: &[EngineCommand] = &[LOLWUT];

/// Columns and rows of a picture, unless told otherwise and at the most.
const COLUMNS: (i64, i64) = (66, 1000);
const ROWS: (i64, i64) = (8, 200);

/// Answers the version, and a picture for `VERSION 5` and `VERSION 6`.
pub const LOLWUT: EngineCommand = EngineCommand::new(
    Spec {
        name: "LOLWUT",
        arity: Arity::at_least(1),
        flags: Flags::READONLY.and(Flags::FAST),
        group: Group::Server,
        categories: &[],
        since: "5.0.0",
        complexity: "",
        summary: "Displays computer art and the Redis version",
        args: &[Arg::new("version", ArgKind::Integer).token("VERSION").optional()],
        ..Spec::NEW
    },
    lolwut,
);

fn lolwut(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let mut text = String::new();
    if args.len() >= 3 && args.is(1, "version") {
        let version = args.integer(2).ok_or(Failure::NOT_INTEGER)?;
        if version == 5 || version == 6 {
            let numbers: Option<Vec<i64>> = (3..args.len()).map(|at| args.integer(at)).collect();
            let numbers = numbers.ok_or(Failure::NOT_INTEGER)?;
            let given = |at: usize, (usual, most): (i64, i64)| {
                numbers.get(at).copied().unwrap_or(usual).clamp(1, most) as usize
            };
            text = picture(desk, given(0, COLUMNS), given(1, ROWS));
        }
    }
    text += &format!("Redis ver. {REDIS_VERSION}\n");
    desk.reply.verbatim("txt", text.as_bytes());
    Ok(Next::Done)
}

fn picture(desk: &mut Desk<'_>, columns: usize, rows: usize) -> String {
    const LOADS: [&str; 4] = ["o>", "=>", "[]>", "-"];
    let prng = &mut desk.core.prng;
    let mut text = String::new();
    for _ in 0..rows {
        let mut lane = String::with_capacity(columns + 4);
        while lane.len() < columns {
            let load = LOADS[prng.below(LOADS.len() as u64) as usize];
            lane += if prng.one_in(6) { load } else { "." };
        }
        lane.truncate(columns);
        text += &lane;
        text.push('\n');
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use crate::check::World;

    #[test]
    fn the_version_comes_alone_or_below_a_picture_of_the_size_asked_for() {
        let mut world = World::new(1);
        let client = world.open(0);
        assert_eq!(world.text(client, "LOLWUT"), "Redis ver. 7.2.4\n");
        assert_eq!(world.text(client, "LOLWUT foo"), "Redis ver. 7.2.4\n");
        assert_eq!(world.text(client, "LOLWUT VERSION 7"), "Redis ver. 7.2.4\n");
        assert_eq!(
            world.ask(client, "LOLWUT VERSION x"),
            "(err) ERR value is not an integer or out of range"
        );
        let text = world.text(client, "LOLWUT VERSION 5 20 3");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5);
        assert!(lines[..3].iter().all(|line| line.len() == 20));
        assert_eq!(lines[4], "Redis ver. 7.2.4");
        assert_eq!(world.text(client, "LOLWUT VERSION 6 -5 9999").lines().count(), 202);
    }
}
