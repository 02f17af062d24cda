//! Bytes to and from RESP2 and RESP3; knows no command.
//!
//! - [`mod@parse`]: requests out of a connection's bytes, incremental and borrowed. The hot way in.
//! - [`mod@write`]: replies into a `Vec<u8>`, or into a [`Chain`] of them. The hot way out.
//! - [`read`]: replies out of bytes, for those who play the client: simulation, tests, merges.
//! - [`number`] and [`long_double`]: integers and floats by Redis' rules, to the last digit.
//! - [`glob`]: the patterns of KEYS, SCAN, CONFIG GET and PSUBSCRIBE.
//!
//! Nothing here keeps state between calls but [`parse::Partial`], which a connection owns while a large
//! request is under way. What the network sends is never a reason to panic, to allocate more than
//! it sent, or to take more than linear time.
//!
//! Source of the format: the RESP2 and RESP3 specifications; where they are silent, what a redis-server
//! 7.0 was observed to do.
#![forbid(unsafe_code)]

mod arguments;
pub mod chain;
pub mod glob;
pub mod inline;
mod line;
pub mod long_double;
pub mod number;
pub mod parse;
pub mod protocol_error;
pub mod read;
pub mod write;

pub use self::chain::{Chain, Output, Reply, Sink};
pub use self::parse::{Limits, Parsed, Partial, Span, parse};
pub use self::protocol_error::ProtocolError;
pub use self::read::Value;
pub use self::write::{Protocol, Writer};
