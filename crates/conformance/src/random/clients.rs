//! Clients as both servers see them: their ids are kept equal, so that ids can be compared and used, and their lists are
//! compared but for what is each server's own.
//!
//! Both servers number connections in the order in which they come, and this harness opens them in pairs. So it is
//! enough to let the one that lags catch up once, by connections that are closed again, and the same id names the same
//! client on both sides from then on.

use anyhow::{Result, bail};

use super::intended::NEWER_CLIENT_FIELDS;
use super::run::{Runner, ask};
use crate::r#gen::{CLIENT_TOKEN, CONNECTIONS};
use crate::peer::{Link, Reply, Sides};
use crate::wire::Value;

/// More connections than this are not opened to let one side catch up.
const CATCH_UP_MAX: u64 = 2_000_000;
/// Attempts to bring the ids together; others who connect could spoil one.
const ATTEMPTS: usize = 5;
/// An id that nobody has, for connections that are not open.
const NOBODY: u64 = 999_999_999;

/// Fields of a line whose values both servers must agree on; the rest is addresses, ages and buffers.
const KEPT: &[&str] =
    &["name", "db", "sub", "psub", "ssub", "multi", "cmd", "user", "redir", "resp", "flags"];

impl Runner {
    /// Opens connections to the side whose ids lag behind until both give the same ones.
    pub fn align_ids(&mut self, links: &mut Sides<Link>) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let Some(ids) = client_ids(links) else {
                // Who must say a password first is aligned by the next script.
                return Ok(());
            };
            let missing = ids.oracle.abs_diff(ids.subject);
            if missing == 0 {
                return Ok(());
            }
            if missing > CATCH_UP_MAX {
                bail!("client ids are {missing} apart; start both servers anew");
            }
            let lagging = if ids.oracle < ids.subject {
                self.servers.oracle.addr()
            } else {
                self.servers.subject.addr()
            };
            for _ in 0..missing {
                Link::connect(lagging)?;
            }
            // The ids of these links are known; what counts is the next ones.
            *links = self.connect()?;
        }
        Ok(())
    }

    /// The id of a script's new connection, if both say the same.
    pub fn note_id(&mut self, conn: usize, links: &mut Sides<Link>) {
        let ids = client_ids(links);
        self.ids[conn] = ids.filter(|ids| ids.oracle == ids.subject).map(|ids| ids.oracle);
    }

    /// A request with ids in the place of the words that stand for a connection.
    pub fn with_ids(&self, args: &[Vec<u8>]) -> Vec<Vec<u8>> {
        args.iter().map(|arg| self.with_id(arg).unwrap_or_else(|| arg.clone())).collect()
    }

    fn with_id(&self, arg: &[u8]) -> Option<Vec<u8>> {
        let digits = arg.strip_prefix(CLIENT_TOKEN.as_bytes())?;
        let conn: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let id = self.ids.get(conn).copied().flatten().unwrap_or(NOBODY);
        Some(id.to_string().into_bytes())
    }

    /// Whether two replies of CLIENT LIST agree. Connections of raw scripts may still be closing on one side, so a
    /// client that only one side has counts when it is one of the script's.
    pub fn same_clients(&self, oracle: &Value, subject: &Value) -> bool {
        let (Some(a), Some(b)) = (oracle.string(), subject.string()) else {
            return oracle == subject;
        };
        let (a, b) = (clients(&a), clients(&b));
        let alive = |id: &u64| self.ids.iter().flatten().any(|known| known == id);
        let has = |list: &[Client], id: u64| list.iter().any(|client| client.id == id);
        let shared = |list: &[Client], other: &[Client]| -> Vec<Client> {
            let kept = list.iter().filter(|one| has(other, one.id) || alive(&one.id));
            kept.cloned().collect()
        };
        shared(&a, &b) == shared(&b, &a)
    }
}

/// No connection of a script is open.
pub fn no_ids() -> [Option<u64>; CONNECTIONS] {
    [None; CONNECTIONS]
}

fn client_ids(links: &mut Sides<Link>) -> Option<Sides<u64>> {
    let replies = ask(links, &[b"CLIENT", b"ID"]);
    let id = |reply: &Reply| match reply.value() {
        Some(Value::Integer(id)) => u64::try_from(id).ok(),
        _ => None,
    };
    Some(Sides { oracle: id(&replies.oracle)?, subject: id(&replies.subject)? })
}

/// One line of CLIENT LIST or INFO as far as both must agree.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Client {
    id: u64,
    /// The names of all fields in their order, then what is kept.
    line: String,
}

fn clients(text: &str) -> Vec<Client> {
    text.lines().filter(|line| !line.is_empty()).map(client).collect()
}

fn client(line: &str) -> Client {
    let fields: Vec<(&str, &str)> =
        line.split(' ').filter_map(|word| word.split_once('=')).collect();
    let known = fields.iter().filter(|(name, _)| !NEWER_CLIENT_FIELDS.contains(name));
    let names: Vec<&str> = known.map(|(name, _)| *name).collect();
    let kept = fields.iter().filter(|(name, _)| KEPT.contains(name));
    let kept: Vec<String> = kept.map(|(name, held)| format!("{name}={held}")).collect();
    let id = fields.iter().find(|(name, _)| *name == "id").and_then(|(_, id)| id.parse().ok());
    Client { id: id.unwrap_or(0), line: format!("{} / {}", names.join(" "), kept.join(" ")) }
}

/// The lines of CLIENT LIST or INFO without what is each server's own.
pub fn client_lines(value: &Value) -> Value {
    let Some(text) = value.string() else {
        return value.clone();
    };
    let lines: Vec<String> = clients(&text)
        .into_iter()
        .map(|client| format!("id={} {}", client.id, client.line))
        .collect();
    Value::Bulk(lines.join("\n").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_its_id_and_what_a_client_brought_about() {
        let line = "id=7 addr=1.2.3.4:5 fd=8 name=n age=3 flags=N db=2 cmd=get lib-name=x";
        let kept = client(line);
        assert_eq!(kept.id, 7);
        assert_eq!(kept.line, "id addr fd name age flags db cmd / name=n flags=N db=2 cmd=get");
    }
}
