//! N engines on one thread, virtual time, seeded faults, history checker, fuzzing.
#![forbid(unsafe_code)]
fn main() {}
