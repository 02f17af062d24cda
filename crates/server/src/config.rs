//! Configuration: `corelane [redis.conf] [--directive value …]`, with the grammar of redis-server.
//!
//! The way from the command line to [`base::Settings`] is a chain of pure functions, each with its
//! tests: [`command_line::parse`] says what the arguments ask for, [`load::load`] reads the lines
//! (files come in through the [`Files`] trait, so tests need no disk), [`grammar`] cuts a line
//! into words. The way back is [`rewrite::rewritten`], which gives the new text of the file, and
//! [`rewrite::replace_file`], which puts it in place whole or not at all.
//!
//! What a directive may hold is not known here: that is the table in `base::settings`. Here live
//! only the directives that are no settings: `include`, `rename-command`, `user`, `loadmodule`.

pub mod command_line;
pub mod grammar;
pub mod load;
pub mod rewrite;

pub use self::command_line::{Invocation, Run};
pub use self::load::{Loaded, Rename};

use std::io;
use std::path::{Path, PathBuf};

/// The version of Redis that we stand in for; error texts and INFO name it.
pub const REDIS_VERSION: &str = "7.2.4";

/// The world outside as far as loading a configuration needs it.
pub trait Files {
    /// The whole of one file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The files that an `include` names, sorted: one for a plain path, any number for a pattern.
    fn expand(&self, pattern: &str) -> Vec<PathBuf>;
    /// The absolute form of a folder that exists.
    fn folder(&self, path: &Path) -> io::Result<PathBuf>;
}

/// The disk.
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn expand(&self, pattern: &str) -> Vec<PathBuf> {
        if !pattern.contains(['*', '?', '[']) {
            return vec![PathBuf::from(pattern)];
        }
        let paths = glob::glob(pattern).map(|paths| paths.flatten().collect());
        paths.unwrap_or_else(|_| vec![PathBuf::from(pattern)])
    }

    fn folder(&self, path: &Path) -> io::Result<PathBuf> {
        let folder = path.canonicalize()?;
        if folder.is_dir() { Ok(folder) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }
}
