//! Bounds that more than one room must know. A bound of a single room stands on top of its file.

/// Databases a server may have at the most; a job names its database in one byte.
pub const MAX_DATABASES: usize = 256;

/// Completions a core takes from its ring in one turn. More stay in the ring for the next turn,
/// so that one turn's length is bounded however many sockets are ready.
pub const TURN_EVENTS_MAX: usize = 256;

/// Requests parsed ahead in one turn over all sessions; at the bound what was parsed is executed
/// before parsing goes on.
pub const TURN_REQUESTS_MAX: usize = 4096;

/// Messages in the ring of one ordered pair of cores. A full ring stops the sessions that fill it
/// until there is space.
pub const MAILBOX_MESSAGES_MAX: usize = 1024;
