//! Makes the script of a seed: which client does what next, by family.

use std::time::Duration;

use super::pen::{DATA, Pen};
use super::play::CLIENTS;
use super::step::{Request, Step};
use super::{blocking, functions, scripts, transactions};

/// A way to go on with a script.
pub type Scene = fn(&mut Plot);

/// The scenes of one family, each with its weight relative to all others.
pub struct Family {
    /// What `--families` calls it.
    pub name: &'static str,
    /// Its scenes.
    pub scenes: &'static [(u32, Scene)],
}

/// Every family.
pub const FAMILIES: &[&Family] =
    &[&transactions::FAMILY, &blocking::FAMILY, &scripts::FAMILY, &functions::FAMILY, &DATA_FAMILY];

/// Plain commands, so that the others find something.
const DATA_FAMILY: Family = Family { name: "data", scenes: &[(30, plain), (3, look)] };

/// How the names of commands of scripts and functions begin.
const SCRIPTING: &[&[u8]] = &[b"EVAL", b"SCRIPT", b"FCALL", b"FUNCTION"];

/// A script that is being made.
pub struct Plot {
    /// What requests are drawn with.
    pub pen: Pen,
    /// How many clients take part.
    pub clients: usize,
    steps: Vec<Step>,
    /// Clients that may be blocked, and those that have begun a transaction.
    pub blocked: [bool; CLIENTS],
    /// Clients that have said MULTI and neither EXEC nor DISCARD.
    pub in_multi: [bool; CLIENTS],
    /// Whether databases are swapped in this script. That makes many keys ready at once, which Redis serves in the order of
    /// a hash table, so clients then wait for one key each.
    pub swaps: bool,
    /// Whether there are scripts and functions in it.
    scripts: bool,
    /// Scripts that were sent before, for EVALSHA.
    pub bodies: Vec<Vec<u8>>,
}

/// The script of a seed, about `length` steps long. The same seed, length and scenes give the same script.
/// Without the families of scripts and functions it has none of these in other scenes either.
pub fn script(seed: u64, length: usize, scenes: &[(u32, Scene)], scripts: bool) -> Vec<Step> {
    let mut pen = Pen::new(seed);
    let swaps = pen.draw.chance(30);
    let clients = 2 + pen.draw.below(CLIENTS - 1);
    let mut plot = Plot {
        pen,
        clients,
        steps: Vec::new(),
        blocked: [false; CLIENTS],
        in_multi: [false; CLIENTS],
        swaps,
        scripts,
        bodies: Vec::new(),
    };
    let total: u32 = scenes.iter().map(|(weight, _)| weight).sum();
    while plot.steps.len() < length {
        let mut ticket = plot.pen.draw.below(total as usize) as u32;
        for (weight, scene) in scenes {
            if ticket < *weight {
                scene(&mut plot);
                break;
            }
            ticket -= weight;
        }
    }
    look(&mut plot);
    plot.steps
}

impl Plot {
    /// Any client, seldom one that may be blocked.
    pub fn anybody(&mut self) -> usize {
        for _ in 0..4 {
            let client = self.pen.draw.below(self.clients);
            if !self.blocked[client] {
                return client;
            }
        }
        self.pen.draw.below(self.clients)
    }

    /// A client that is neither blocked nor within a transaction, as far as is known; a new one if there is none.
    pub fn somebody_free(&mut self) -> usize {
        for _ in 0..8 {
            let client = self.pen.draw.below(self.clients);
            if !self.blocked[client] && !self.in_multi[client] {
                return client;
            }
        }
        let client = self.pen.draw.below(self.clients);
        self.vanish(client);
        client
    }

    /// Another than `client`, mostly not blocked.
    pub fn another(&mut self, client: usize) -> usize {
        for _ in 0..8 {
            let other = self.anybody();
            if other != client {
                return other;
            }
        }
        (client + 1) % self.clients
    }

    /// One client sends requests in one write.
    pub fn send(&mut self, client: usize, mut requests: Vec<Request>) {
        for request in &mut requests {
            let swaps =
                |word: &Vec<u8>| word.windows(6).any(|part| part.eq_ignore_ascii_case(b"SWAPDB"));
            if !self.swaps && request.iter().any(swaps) {
                *request = vec![b"PING".to_vec()];
            }
            let lua = |word: &Vec<u8>| {
                SCRIPTING.iter().any(|name| word.to_ascii_uppercase().starts_with(name))
            };
            if !self.scripts && request.first().is_some_and(lua) {
                *request = vec![b"PING".to_vec()];
            }
            match request.first().map(|name| name.to_ascii_uppercase()).as_deref() {
                Some(b"MULTI") => self.in_multi[client] = true,
                Some(b"EXEC" | b"DISCARD" | b"RESET" | b"QUIT") => self.in_multi[client] = false,
                _ => {}
            }
        }
        self.steps.push(Step::Send { client, requests });
    }

    /// One client sends the request of a template.
    pub fn say(&mut self, client: usize, template: &str) {
        let request = self.pen.request(template);
        self.send(client, vec![request]);
    }

    /// A client closes its connection.
    pub fn vanish(&mut self, client: usize) {
        self.blocked[client] = false;
        self.in_multi[client] = false;
        self.steps.push(Step::Vanish { client });
    }

    /// Time passes.
    pub fn wait(&mut self, ms: u64) {
        self.steps.push(Step::Wait(Duration::from_millis(ms)));
    }

    /// `count` plain commands.
    pub fn plain_requests(&mut self, count: usize) -> Vec<Request> {
        (0..count).map(|_| self.pen.one_of(DATA)).collect()
    }
}

fn plain(plot: &mut Plot) {
    let client = plot.anybody();
    let count = 1 + plot.pen.draw.below(5);
    let requests = plot.plain_requests(count);
    plot.send(client, requests);
}

/// Compares what has become of all keys.
fn look(plot: &mut Plot) {
    let client = plot.somebody_free();
    let mut requests: Vec<Request> = Vec::new();
    for database in 0..3 {
        requests.push(plot.pen.request(&format!("SELECT {database}")));
        let all: Vec<String> = super::pen::all_keys().collect();
        let words = all.iter().map(|key| key.as_bytes().to_vec());
        requests.push([b"EXISTS".to_vec()].into_iter().chain(words).collect());
        requests.extend(all.iter().map(|key| plot.pen.request(&super::pen::whole(key))));
    }
    requests.push(plot.pen.request("SELECT 0"));
    plot.send(client, requests);
}
