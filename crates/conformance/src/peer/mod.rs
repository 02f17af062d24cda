//! The two servers under comparison: their processes, and connections to them.

mod caller;
mod link;
mod pair;
mod process;

pub use caller::Caller;
pub use link::{Link, Reply};
pub use pair::{Sides, exchange, exchange_until, take};
pub use process::{Server, Spec, find_program, open_files};
