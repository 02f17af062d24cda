//! Times to live. When one is over is known from when it was given, which is known from when that was sent and answered; so it happens between
//! two times, like any operation, and until it has happened the key is there.

use super::keyspace::State;

/// The clocks of a server show milliseconds, and it looks at them once a turn.
const SLACK_NS: u64 = 2_000_000;

/// Between which times a key's time to live is over, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Life {
    key: usize,
    /// Not before this.
    pub from_ns: u64,
    /// Not after this.
    pub until_ns: u64,
}

impl Life {
    /// What was given between these times.
    pub fn of(key: usize, when: (u64, u64), ms: u64) -> Life {
        let ns = ms * 1_000_000;
        let from_ns = (when.0 + ns).saturating_sub(SLACK_NS);
        Life { key, from_ns, until_ns: when.1.saturating_add(ns + SLACK_NS) }
    }

    /// As text.
    pub fn show(&self, names: &[(u8, Vec<u8>)]) -> String {
        let (db, name) = &names[self.key];
        format!("{db}:{} until {}..{}", name.escape_ascii(), self.from_ns, self.until_ns)
    }
}

impl State {
    /// A key's time to live.
    pub fn life(&self, key: usize) -> Option<Life> {
        self.lives.iter().find(|life| life.key == key).copied()
    }

    /// Gives a key a time to live, or none.
    pub fn give_life(&mut self, key: usize, life: Option<Life>) {
        self.live_for_ever(key);
        if let Some(life) = life {
            let at = self.lives.partition_point(|other| other.key < key);
            self.lives.insert(at, Life { key, ..life });
        }
    }

    /// Takes it away.
    pub fn live_for_ever(&mut self, key: usize) {
        self.lives.retain(|life| life.key != key);
    }

    /// The keys whose time to live may be over now or later: between which times, and what is then.
    pub fn ends(&self) -> impl Iterator<Item = Life> + '_ {
        self.lives.iter().copied()
    }

    /// The state when a key's time to live is over.
    pub fn without(&self, life: Life) -> State {
        let mut after = self.clone();
        after.put_at(life.key, None);
        after
    }
}
