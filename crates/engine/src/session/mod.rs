//! Connections: what is known of each, how their bytes become requests, where a request goes and
//! in which order replies leave. Nothing here names a keyspace.

pub mod client;
pub mod input;
pub mod pipeline;
pub mod plan;
pub mod slab;

pub use client::Session;
pub use input::Source;
pub use pipeline::Pipeline;
pub use slab::Sessions;
