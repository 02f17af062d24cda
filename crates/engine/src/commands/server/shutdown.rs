//! SHUTDOWN: the process ends, or goes on.

use crate::action::Request;
use crate::commands::{Desk, EngineCommand, Next};
use command::{Arg, ArgKind, Args, Arity, Failure, Flags, Group, Spec};

/// Ends the process. There is no reply when it does: the connection closes.
pub const SHUTDOWN: EngineCommand = EngineCommand::new(
    Spec {
        name: "SHUTDOWN",
        arity: Arity::at_least(1),
        flags: Flags::ADMIN
            .and(Flags::NOSCRIPT)
            .and(Flags::LOADING)
            .and(Flags::STALE)
            .and(Flags::NO_MULTI)
            .and(Flags::ALLOW_BUSY),
        group: Group::Server,
        complexity: "O(N) when saving, where N is the total number of keys in all databases when \
                     saving data, otherwise O(1)",
        summary: "Synchronously saves the database(s) to disk and shuts down the Redis server.",
        args: &[
            Arg::new(
                "nosave_save",
                ArgKind::OneOf(&[Arg::word("nosave", "NOSAVE"), Arg::word("save", "SAVE")]),
            )
            .optional(),
            Arg::word("now", "NOW").since("7.0.0").optional(),
            Arg::word("force", "FORCE").since("7.0.0").optional(),
            Arg::word("abort", "ABORT").since("7.0.0").optional(),
        ],
        history: &[("7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers.")],
        ..Spec::NEW
    },
    shutdown,
);

/// What the words ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Wish {
    save: bool,
    nosave: bool,
    now: bool,
    force: bool,
    abort: bool,
}

fn wish(args: &Args<'_>) -> Result<Wish, Failure> {
    let mut wish = Wish::default();
    for at in 1..args.len() {
        match () {
            _ if args.is(at, "save") => wish.save = true,
            _ if args.is(at, "nosave") => wish.nosave = true,
            _ if args.is(at, "now") => wish.now = true,
            _ if args.is(at, "force") => wish.force = true,
            _ if args.is(at, "abort") => wish.abort = true,
            _ => return Err(Failure::SYNTAX),
        }
    }
    let alone = wish == Wish { abort: true, ..Wish::default() };
    if (wish.save && wish.nosave) || (wish.abort && !alone) {
        return Err(Failure::SYNTAX);
    }
    Ok(wish)
}

/// SAVE cannot be done yet: it fails with Redis' text for a shutdown whose save failed, unless FORCE
/// says to end nevertheless. Without either, nothing is saved, as with `save ""`.
///
/// Beside a script that runs on only a shutdown that saves nothing is begun, as its words must say.
fn shutdown(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let wish = wish(args)?;
    if let Some(busy) = desk.core.busy.filter(|_| !wish.nosave && !wish.abort) {
        return Err(Failure::new(busy.text()));
    }
    if wish.abort {
        return Ok(Next::Control(Request::AbortShutdown));
    }
    if wish.save && !wish.force {
        tracing::warn!("SHUTDOWN SAVE was refused: this server keeps no snapshots yet");
        return Err(Failure::new("ERR Errors trying to SHUTDOWN. Check logs."));
    }
    Ok(Next::Control(Request::Shutdown { now: wish.now, force: wish.force }))
}

#[cfg(test)]
mod tests {
    use crate::action::Request;
    use crate::check::World;

    #[test]
    fn odd_wishes_are_refused_and_good_ones_reach_the_process() {
        let mut world = World::new(1);
        let client = world.open(0);
        for words in ["SHUTDOWN x", "SHUTDOWN save nosave", "SHUTDOWN abort now"] {
            assert_eq!(world.ask(client, words), "(err) ERR syntax error", "{words}");
        }
        assert_eq!(
            world.ask(client, "SHUTDOWN SAVE"),
            "(err) ERR Errors trying to SHUTDOWN. Check logs."
        );
        assert!(world.requests.is_empty());
        world.ask(client, "SHUTDOWN nosave NOW now");
        world.ask(client, "SHUTDOWN save force");
        world.ask(client, "SHUTDOWN abort");
        assert_eq!(
            world.requests,
            [
                Request::Shutdown { now: true, force: false },
                Request::Shutdown { now: false, force: true },
                Request::AbortShutdown
            ]
        );
    }
}
