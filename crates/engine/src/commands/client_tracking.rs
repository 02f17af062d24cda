//! Client-side caching, as far as a server can answer that cannot invalidate what clients cache:
//! tracking is off, can be switched off, and is refused with a clear text when all else is right.

use super::client::OWN;
use super::{Desk, EngineCommand, Next};
use base::until_nul;
use command::{Arg, ArgKind, Args, Arity, Failure, Group, Spec};

/// Redirection of invalidation messages.
pub const GETREDIR: EngineCommand = EngineCommand::new(
    Spec {
        name: "GETREDIR",
        arity: Arity::exactly(2),
        flags: OWN,
        group: Group::Connection,
        since: "6.0.0",
        summary: "Get tracking notifications redirection client ID if any",
        ..Spec::NEW
    },
    getredir,
);

fn getredir(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    desk.reply.integer(-1);
    Ok(Next::Done)
}

/// The state of tracking.
pub const TRACKINGINFO: EngineCommand = EngineCommand::new(
    Spec {
        name: "TRACKINGINFO",
        arity: Arity::exactly(2),
        flags: OWN,
        group: Group::Connection,
        since: "6.2.0",
        summary: "Return information about server assisted client side caching for the current connection",
        ..Spec::NEW
    },
    trackinginfo,
);

fn trackinginfo(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    let reply = &mut desk.reply;
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(1);
    reply.bulk(b"off");
    reply.bulk(b"redirect");
    reply.integer(-1);
    reply.bulk(b"prefixes");
    reply.array(0);
    Ok(Next::Done)
}

/// Whether the next command's keys are tracked.
pub const CACHING: EngineCommand = EngineCommand::new(
    Spec {
        name: "CACHING",
        arity: Arity::exactly(3),
        flags: OWN,
        group: Group::Connection,
        since: "6.0.0",
        summary: "Instruct the server about tracking or not keys in the next request",
        args: &[Arg::new(
            "mode",
            ArgKind::OneOf(&[Arg::word("yes", "YES"), Arg::word("no", "NO")]),
        )],
        ..Spec::NEW
    },
    caching,
);

fn caching(_desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    Err(Failure::new(concat!(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode ",
        "with OPTIN or OPTOUT mode enabled"
    )))
}

/// Switches tracking.
pub const TRACKING: EngineCommand = EngineCommand::new(
    Spec {
        name: "TRACKING",
        arity: Arity::at_least(3),
        flags: OWN,
        group: Group::Connection,
        since: "6.0.0",
        complexity: "O(1). Some options may introduce additional complexity.",
        summary: "Enable or disable server assisted client side caching support",
        args: &[
            Arg::new("status", ArgKind::OneOf(&[Arg::word("on", "ON"), Arg::word("off", "OFF")])),
            Arg::new("client-id", ArgKind::Integer).token("REDIRECT").optional(),
            Arg {
                multiple_token: true,
                ..Arg::new("prefix", ArgKind::String).token("PREFIX").optional().multiple()
            },
            Arg::word("bcast", "BCAST").optional(),
            Arg::word("optin", "OPTIN").optional(),
            Arg::word("optout", "OPTOUT").optional(),
            Arg::word("noloop", "NOLOOP").optional(),
        ],
        ..Spec::NEW
    },
    tracking,
);

/// The options of CLIENT TRACKING.
#[derive(Default)]
struct Options<'a> {
    bcast: bool,
    optin: bool,
    optout: bool,
    prefixes: Vec<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(args: &Args<'a>) -> Result<Options<'a>, Failure> {
        let mut options = Options::default();
        let mut at = 3;
        while at < args.len() {
            let more = at + 1 < args.len();
            if more && args.is(at, "REDIRECT") {
                args.integer(at + 1).ok_or(Failure::NOT_INTEGER)?;
                return Err(Failure::new("ERR The client ID you want redirect to does not exist"));
            } else if more && args.is(at, "PREFIX") {
                at += 1;
                options.prefixes.push(args.get(at));
            } else if args.is(at, "BCAST") {
                options.bcast = true;
            } else if args.is(at, "OPTIN") {
                options.optin = true;
            } else if args.is(at, "OPTOUT") {
                options.optout = true;
            } else if !args.is(at, "NOLOOP") {
                return Err(Failure::SYNTAX);
            }
            at += 1;
        }
        Ok(options)
    }

    /// What contradicts itself.
    fn check(&self) -> Result<(), Failure> {
        if !self.bcast && !self.prefixes.is_empty() {
            return Err(Failure::new("ERR PREFIX option requires BCAST mode to be enabled"));
        }
        if self.bcast && (self.optin || self.optout) {
            return Err(Failure::new("ERR OPTIN and OPTOUT are not compatible with BCAST"));
        }
        if self.optin && self.optout {
            return Err(Failure::new("ERR You can't specify both OPTIN mode and OPTOUT mode"));
        }
        for (number, one) in self.prefixes.iter().enumerate() {
            for other in &self.prefixes[number + 1..] {
                if one.starts_with(other) || other.starts_with(one) {
                    let text = [
                        b"ERR Prefix '",
                        until_nul(one),
                        b"' overlaps with another provided prefix '",
                        until_nul(other),
                        b"'. Prefixes for a single client must not overlap.",
                    ];
                    return Err(Failure::text(text.concat()));
                }
            }
        }
        Ok(())
    }
}

fn tracking(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let options = Options::parse(args)?;
    if args.is(2, "ON") {
        options.check()?;
        return Err(Failure::new("ERR Client side caching is not available on this server"));
    }
    if !args.is(2, "OFF") {
        return Err(Failure::SYNTAX);
    }
    desk.reply.ok();
    Ok(Next::Done)
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    #[test]
    fn tracking_is_off_and_says_so() {
        check(
            "CLIENT GETREDIR; CLIENT TRACKINGINFO; CLIENT TRACKING OFF; CLIENT TRACKING x",
            &["-1", "[flags [off] redirect -1 prefixes []]", "OK", "(err) ERR syntax error"],
        );
        check(
            "HELLO 3; CLIENT TRACKINGINFO",
            &[
                "{server redis version 7.2.4 proto 3 id 1 mode standalone role master modules []}",
                "{flags ~{off} redirect -1 prefixes []}",
            ],
        );
    }

    #[test]
    fn contradictions_are_found_before_tracking_is_refused() {
        let on = |rest: &str, text: &str| {
            check(&format!("CLIENT TRACKING ON {rest}"), &[&format!("(err) ERR {text}")]);
        };
        on("foo", "syntax error");
        on("REDIRECT a", "value is not an integer or out of range");
        on("REDIRECT 99", "The client ID you want redirect to does not exist");
        on("PREFIX a", "PREFIX option requires BCAST mode to be enabled");
        on("OPTIN OPTOUT", "You can't specify both OPTIN mode and OPTOUT mode");
        on("BCAST OPTIN", "OPTIN and OPTOUT are not compatible with BCAST");
        on(
            "BCAST PREFIX a PREFIX ab",
            "Prefix 'a' overlaps with another provided prefix 'ab'. \
             Prefixes for a single client must not overlap.",
        );
        on("BCAST", "Client side caching is not available on this server");
        check(
            "CLIENT CACHING yes",
            &["(err) ERR CLIENT CACHING can be called only when the client is in tracking mode \
             with OPTIN or OPTOUT mode enabled"],
        );
    }
}
