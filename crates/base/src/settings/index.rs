//! From a name to its row in O(1): an open-addressing table, built by the compiler, because there
//! are no statics with state here and a map in every `Settings` would be copied for nothing.

use super::SettingId;
use super::table::TABLE;

/// Places in the index; a power of two, over three times the names, so that probes are short.
const PLACES: usize = 1024;

/// A place nobody took.
const VACANT: u16 = u16::MAX;

/// The bit that tells an alias from the name in a place.
const ALIAS: u16 = 1 << 15;

static INDEX: [u16; PLACES] = build();

/// A name of the table: which row, and whether it is the row's alias.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub(super) id: SettingId,
    pub(super) alias: bool,
}

impl Entry {
    /// The spelling of the table.
    pub(super) fn name(self) -> &'static str {
        let row = self.id.row();
        if self.alias { row.alias.unwrap_or(row.name) } else { row.name }
    }
}

/// Finds a name or alias, whatever its case.
pub(super) fn find(name: &[u8]) -> Option<Entry> {
    let mut place = hash(name) as usize % PLACES;
    while INDEX[place] != VACANT {
        let entry =
            Entry { id: SettingId(INDEX[place] & !ALIAS), alias: INDEX[place] & ALIAS != 0 };
        if entry.name().as_bytes().eq_ignore_ascii_case(name) {
            return Some(entry);
        }
        place = (place + 1) % PLACES;
    }
    None
}

/// FNV-1a over the lower-case bytes: it can run in a constant, and 400 known names need no more.
const fn hash(name: &[u8]) -> u32 {
    let mut hash = 0x811c_9dc5u32;
    let mut at = 0;
    while at < name.len() {
        hash = (hash ^ name[at].to_ascii_lowercase() as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    hash ^ (hash >> 15)
}

const fn build() -> [u16; PLACES] {
    assert!(TABLE.len() * 2 < PLACES / 2, "the index is too small for the table");
    let mut index = [VACANT; PLACES];
    let mut row = 0;
    while row < TABLE.len() {
        put(&mut index, TABLE[row].name.as_bytes(), row as u16);
        if let Some(alias) = TABLE[row].alias {
            put(&mut index, alias.as_bytes(), row as u16 | ALIAS);
        }
        row += 1;
    }
    index
}

const fn put(index: &mut [u16; PLACES], name: &[u8], entry: u16) {
    let mut place = hash(name) as usize % PLACES;
    while index[place] != VACANT {
        place = (place + 1) % PLACES;
    }
    index[place] = entry;
}
