//! Tidy, generated documents: the chores of this repository as a program.
//!
//! - `cargo test -p xtask` is tidy: it reads every source file and manifest and complains about
//!   what breaks a rule of `docs/ARCHITECTURE.md` or `docs/STYLE.md`. Each rule is a pure function
//!   from sources to complaints in a file of `tidy/`, with a test that a violation is caught.
//! - `cargo xtask docs` writes the generated pages under `docs/reference/`; tidy holds them fresh.
//! - `cargo xtask tidy` prints the complaints without running tests.
//!
//! What CI runs beside this stands in `.ci/run`.
#![forbid(unsafe_code)]

mod pages;
mod tidy;
mod tree;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};

/// The chores.
#[derive(Parser)]
#[command(name = "xtask", about = "Chores of the corelane repository")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

/// One chore.
#[derive(Subcommand)]
enum Chore {
    /// Writes the generated pages under docs/reference.
    Docs,
    /// Prints what breaks a rule of the house.
    Tidy,
}

fn main() -> anyhow::Result<()> {
    let root = tree::root();
    match Cli::parse().chore {
        Chore::Docs => {
            for page in pages::all() {
                let path = root.join(page.path);
                let folder = path.parent().context("a page has a folder")?;
                std::fs::create_dir_all(folder)?;
                std::fs::write(&path, page.text)
                    .with_context(|| format!("writing {}", path.display()))?;
            }
            Ok(())
        }
        Chore::Tidy => {
            let complaints = tidy::all(&tree::Tree::read(&root)?);
            for complaint in &complaints {
                println!("{complaint}");
            }
            if complaints.is_empty() { Ok(()) } else { bail!("{} complaints", complaints.len()) }
        }
    }
}
