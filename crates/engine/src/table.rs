//! All commands of this server by name and by number. Built once at start from the families'
//! lists; every core builds the same table, so a number means the same on all of them.

use crate::commands::{self, EngineCommand, EngineRun};
use command::{Begin, Command, Fanout, Find, Run, Spec};

/// What runs a command.
#[derive(Debug, Clone, Copy)]
pub enum Home {
    /// A data command: runs on the shard of its keys' owner.
    Data(Run),
    /// A command of the connection or the server: runs where the session is.
    Engine(EngineRun),
}

/// Where a command's keys are, in the form that routing wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyShape {
    /// No key.
    None,
    /// Just one, at this argument.
    One(u16),
    /// Anything else: ask the specs.
    Listed,
}

/// One command or sub-command.
#[derive(Debug)]
pub struct Entry {
    /// Its position in the table.
    pub id: u16,
    /// What it is.
    pub spec: &'static Spec,
    /// What runs it.
    pub home: Home,
    /// Lower case, `container|sub` for a sub-command: the name in statistics and errors.
    pub full_name: String,
    /// Where its keys are.
    pub keys: KeyShape,
    /// The positions of its sub-commands in the table.
    pub subcommands: Vec<u16>,
    /// The container's position, for a sub-command.
    pub parent: Option<u16>,
}

/// Slots of the name index; a power of two well above the number of names.
const INDEX_SLOTS: usize = 2048;
const VACANT: u16 = u16::MAX;

/// All commands.
#[derive(Debug)]
pub struct Table {
    entries: Vec<Entry>,
    /// Open addressing over the fold of the name: (position in `entries`, position in `names`).
    index: Vec<u16>,
    /// `(name in upper case, entry)`, in the order of registration; renaming changes it.
    names: Vec<(String, u16)>,
}

impl Table {
    /// The table with every command; `renames` are `rename-command`'s `(old, new)` pairs, an
    /// empty new name takes the command away. Gives the offending name when there is none such.
    pub fn new(renames: &[(String, String)]) -> Result<Table, String> {
        let mut table =
            Table { entries: Vec::new(), index: vec![VACANT; INDEX_SLOTS], names: Vec::new() };
        for command in command::table::families() {
            table.add_data(command, None);
        }
        for command in commands::families() {
            table.add_engine(command, None);
        }
        for (old, new) in renames {
            table.rename(old, new)?;
        }
        table.build_index();
        Ok(table)
    }

    fn add(&mut self, spec: &'static Spec, home: Home, parent: Option<u16>) -> u16 {
        let id = self.entries.len() as u16;
        let own = spec.name.to_ascii_lowercase();
        let full_name = match parent {
            Some(parent) => format!("{}|{own}", self.entries[parent as usize].full_name),
            None => own,
        };
        let keys = key_shape(spec);
        let entry = Entry { id, spec, home, full_name, keys, subcommands: Vec::new(), parent };
        self.entries.push(entry);
        match parent {
            Some(parent) => self.entries[parent as usize].subcommands.push(id),
            None => self.names.push((spec.name.to_owned(), id)),
        }
        id
    }

    fn add_data(&mut self, command: &'static Command, parent: Option<u16>) {
        let id = self.add(&command.spec, Home::Data(command.run), parent);
        for sub in command.subcommands {
            self.add_data(sub, Some(id));
        }
    }

    fn add_engine(&mut self, command: &'static EngineCommand, parent: Option<u16>) {
        let id = self.add(&command.spec, Home::Engine(command.run), parent);
        for sub in command.subcommands {
            self.add_engine(sub, Some(id));
        }
        for sub in command.data_subcommands {
            self.add_data(sub, Some(id));
        }
    }

    fn rename(&mut self, old: &str, new: &str) -> Result<(), String> {
        let found = self.names.iter().position(|(name, _)| name.eq_ignore_ascii_case(old));
        let Some(position) = found else { return Err(old.to_owned()) };
        let (_, id) = self.names.remove(position);
        if !new.is_empty() {
            let new = new.to_ascii_uppercase();
            if self.names.iter().any(|(name, _)| *name == new) {
                return Err(new);
            }
            self.names.push((new, id));
        }
        Ok(())
    }

    fn build_index(&mut self) {
        assert!(self.names.len() * 2 < INDEX_SLOTS, "the name index must stay sparse");
        for (position, (name, _)) in self.names.iter().enumerate() {
            let mut slot = fold(name.as_bytes());
            while self.index[slot] != VACANT {
                slot = (slot + 1) % INDEX_SLOTS;
            }
            self.index[slot] = position as u16;
        }
    }

    /// The command with this name, in any case. O(1).
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&Entry> {
        let mut slot = fold(name);
        loop {
            let position = self.index[slot];
            if position == VACANT {
                return None;
            }
            let (known, id) = &self.names[position as usize];
            if known.as_bytes().eq_ignore_ascii_case(name) {
                return Some(&self.entries[*id as usize]);
            }
            slot = (slot + 1) % INDEX_SLOTS;
        }
    }

    /// The sub-command of `container` with this name, in any case. O(sub-commands).
    pub fn find_subcommand(&self, container: &Entry, name: &[u8]) -> Option<&Entry> {
        let mut subs = container.subcommands.iter().map(|id| &self.entries[*id as usize]);
        subs.find(|entry| entry.spec.name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// The entry at a position that this table gave out.
    #[inline]
    pub fn entry(&self, id: u16) -> &Entry {
        &self.entries[id as usize]
    }

    /// Every entry, sub-commands after their containers.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The top-level commands under the names that clients can call them by.
    pub fn callable(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.names.iter().map(|(name, id)| (name.as_str(), &self.entries[*id as usize]))
    }
}

/// Where a name's search in the index begins: a mix of its first and last eight bytes and its
/// length, blind to case. Names that fold alike are told apart by comparing.
#[inline]
fn fold(name: &[u8]) -> usize {
    const CASE: u64 = 0x2020_2020_2020_2020;
    let word = |bytes: &[u8]| {
        let mut buffer = [0u8; 8];
        buffer[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(buffer) | CASE
    };
    let (head, tail) = match name.len() {
        0..=8 => (word(name), 0),
        long => (word(&name[..8]), word(&name[long - 8..])),
    };
    let mixed =
        (head ^ tail.rotate_left(23) ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 40) as usize % INDEX_SLOTS
}

fn key_shape(spec: &Spec) -> KeyShape {
    match spec.keys {
        [] => KeyShape::None,
        [one] => match (one.begin, one.find) {
            (Begin::Index(index), Find::Range { last: 0, .. }) if spec.fanout != Fanout::Cursor => {
                KeyShape::One(index)
            }
            _ => KeyShape::Listed,
        },
        _ => KeyShape::Listed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_under_its_name_in_any_case() {
        let table = Table::new(&[]).unwrap();
        for (name, entry) in table.callable() {
            assert_eq!(table.find(name.as_bytes()).unwrap().id, entry.id);
            assert_eq!(table.find(name.to_ascii_lowercase().as_bytes()).unwrap().id, entry.id);
        }
        assert!(table.find(b"NOSUCH").is_none());
        assert!(table.find(b"").is_none());
        assert!(table.find(&[b'x'; 300]).is_none());
    }

    #[test]
    fn names_are_unique_among_siblings() {
        let table = Table::new(&[]).unwrap();
        let mut names: Vec<&str> =
            table.entries().iter().map(|entry| entry.full_name.as_str()).collect();
        names.sort_unstable();
        let before = names.len();
        names.dedup();
        assert_eq!(names.len(), before);
    }

    #[test]
    fn a_renamed_command_answers_to_its_new_name_only() {
        let renames = [("get".to_owned(), "fetch".to_owned()), ("SET".to_owned(), String::new())];
        let table = Table::new(&renames).unwrap();
        assert!(table.find(b"GET").is_none());
        assert_eq!(table.find(b"Fetch").unwrap().full_name, "get");
        assert!(table.find(b"SET").is_none());
        assert_eq!(Table::new(&[("nix".to_owned(), "x".to_owned())]).unwrap_err(), "nix");
    }
}
