//! WATCH: the one command of transactions that runs at the owner of its keys. What it does there is the engine's: it remembers
//! who watches (`engine/tx/watch.rs`). MULTI, EXEC and the rest are commands of the session.

use crate::spec::{Arg, Arity, Command, Fanout, Flags, Group, KeySpec, Merge, Spec};
use crate::{Args, Ctx, Failure};

/// The family's list.
pub const COMMANDS: &[Command] = &[WATCH];

/// Has EXEC do nothing if one of the keys changes before.
pub const WATCH: Command = Command::new(
    Spec {
        name: "WATCH",
        arity: Arity::at_least(2),
        keys: &[KeySpec::range(1, -1, 1, &["RO"])],
        flags: Flags::NOSCRIPT
            .and(Flags::LOADING)
            .and(Flags::STALE)
            .and(Flags::FAST)
            .and(Flags::ALLOW_BUSY)
            .and(Flags::AT_ONCE)
            .and(Flags::WATCHES),
        fanout: Fanout::Split(Merge::Ok),
        group: Group::Transactions,
        since: "2.2.0",
        complexity: "O(1) for every key.",
        summary: "Has the next EXEC depend on these keys not being changed before it.",
        args: &[Arg::key("key", 0).multiple()],
        ..Spec::NEW
    },
    watch,
);

fn watch(ctx: &mut Ctx<'_>, _args: &Args<'_>) -> Result<(), Failure> {
    ctx.reply.ok();
    Ok(())
}
