//! Planted mistakes: proof that the comparison in step can fail. Each spoils what goes to the server under test or what
//! comes from it, and a run with it must find and report a difference.

use anyhow::{Result, bail};

use super::step::Request;
use crate::peer::Reply;

/// A mistake that `--sabotage` plants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// WATCH is answered and forgotten.
    DeafWatch,
    /// EXEC of a transaction that must not run gives an empty array.
    EmptyExec,
    /// The first reply to a client that was blocked is lost.
    LostWake,
    /// Two clients that wake in one step get each other's replies.
    WrongWaiter,
    /// A script's nil is an empty text.
    ScriptNil,
    /// A blocked client that vanished is still served: its pushes of one element are lost.
    LostPush,
}

/// All of them with the names that `--sabotage` takes.
pub const ALL: &[(&str, Plant)] = &[
    ("deaf-watch", Plant::DeafWatch),
    ("empty-exec", Plant::EmptyExec),
    ("lost-wake", Plant::LostWake),
    ("wrong-waiter", Plant::WrongWaiter),
    ("script-nil", Plant::ScriptNil),
    ("lost-push", Plant::LostPush),
];

impl Plant {
    /// The mistake of this name.
    pub fn named(name: &str) -> Result<Plant> {
        match ALL.iter().find(|(known, _)| *known == name) {
            Some((_, plant)) => Ok(*plant),
            None => bail!(
                "no sabotage {name:?}; there are {}",
                ALL.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(", ")
            ),
        }
    }

    /// What the server under test gets in the place of a request. `vanished` says that a client went while it waited.
    pub fn request(self, request: &Request, vanished: bool) -> Request {
        let is = |name: &[u8]| request.first().is_some_and(|word| word.eq_ignore_ascii_case(name));
        match self {
            Plant::DeafWatch if is(b"WATCH") && request.len() > 1 => {
                vec![b"WATCH".to_vec(), b"a-key-that-nobody-uses".to_vec()]
            }
            Plant::LostPush if vanished && (is(b"LPUSH") || is(b"RPUSH")) && request.len() == 3 => {
                vec![b"LLEN".to_vec(), request[1].clone()]
            }
            _ => request.clone(),
        }
    }

    /// Spoils a reply to `request`; false when it is lost. `waited` says that its client was blocked before this step.
    pub fn reply(self, request: &Request, reply: &mut Reply, waited: bool) -> bool {
        let Reply::Raw(raw) = reply else {
            return true;
        };
        let is = |name: &[u8]| request.first().is_some_and(|word| word.eq_ignore_ascii_case(name));
        let is_null = matches!(raw.as_slice(), b"*-1\r\n" | b"_\r\n" | b"$-1\r\n");
        match self {
            Plant::EmptyExec if is_null && is(b"EXEC") => *raw = b"*0\r\n".to_vec(),
            Plant::LostWake if waited => return false,
            Plant::ScriptNil if is_null && (is(b"EVAL") || is(b"EVALSHA")) => {
                *raw = b"$0\r\n\r\n".to_vec();
            }
            _ => {}
        }
        true
    }
}
