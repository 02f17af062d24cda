//! x
use anyhow::Result;
pub fn run(_: &crate::cli::ClientsArgs) -> Result<bool> { Ok(true) }
