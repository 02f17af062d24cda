//! Bytes on the wire, as a client sees them: our own framing of RESP2 and RESP3 replies, which keeps the raw bytes, and
//! the writing of requests. Shares nothing with the server's `resp` crate on purpose: one misreading in both would
//! hide itself.

mod encode;
mod frame;
mod value;

pub use encode::{encode, escaped, printable};
pub use frame::Framer;
pub use value::Value;
