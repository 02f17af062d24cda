//! x
use anyhow::Result;
pub fn run(_: &crate::cli::AbuseArgs) -> Result<bool> { Ok(true) }
