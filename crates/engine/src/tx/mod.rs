//! Commands that need several cores at once, and everything about them: locks and grants, what waits
//! for them, MULTI and WATCH, blocking. `docs/design/transactions.md` says why it is right.

pub mod block;
pub mod busy;
pub mod exclusive;
pub mod exec;
pub mod exec_script;
pub mod grant;
pub mod learnt;
pub mod locks;
pub mod parked;
pub mod queue;
pub mod script;
pub mod waiters;
pub mod watch;
