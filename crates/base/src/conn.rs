//! The identity of a connection on one core.

/// Names one connection of one core. The index is reused after the connection is gone, the
/// generation never repeats for an index within a process' life, so a late completion or a late
/// outcome cannot reach the next owner of the index.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct ConnId {
    /// Position in the core's slabs of connections and sessions.
    pub index: u32,
    /// How often the index was given out before.
    pub generation: u32,
}

impl ConnId {
    /// No connection.
    pub const NONE: ConnId = ConnId { index: u32::MAX, generation: u32::MAX };
}
