//! The generated pages of `docs/reference/`: what the tables in the code say, for people.

mod commands;
mod configuration;

/// A generated page.
pub struct Page {
    /// From the root of the repository.
    pub path: &'static str,
    /// The whole text.
    pub text: String,
}

/// Every generated page.
pub fn all() -> Vec<Page> {
    vec![
        Page { path: "docs/reference/configuration.md", text: configuration::text() },
        Page { path: "docs/reference/commands.md", text: commands::text() },
    ]
}

/// The first lines of a generated page.
fn heading(title: &str, source: &str) -> String {
    format!("# {title}\n\n<!-- Generated from {source} by `cargo xtask docs`; do not edit. -->\n\n")
}

/// A text as a cell of a table: one line, bars escaped.
fn cell(text: &str) -> String {
    text.trim().replace('\n', " ").replace('|', "\\|")
}
