//! The rules of the house that a machine can hold.
//!
//! A rule takes the [`Tree`] and gives complaints. It has a test of its own that a small violation
//! is caught, so that no rule is asleep.

mod edges;
mod pages;
mod rooms;
mod size;
mod state;
mod walls;
mod words;

use crate::tree::Tree;
use std::fmt;

/// What breaks a rule, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Complaint {
    /// From the root of the repository.
    pub path: String,
    /// Counted from 1; 0 for the whole file.
    pub line: usize,
    /// What is wrong, and what the rule is.
    pub what: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(out, "{}: {}", self.path, self.what),
            line => write!(out, "{}:{line}: {}", self.path, self.what),
        }
    }
}

fn complaint(path: &str, line: usize, what: impl Into<String>) -> Complaint {
    Complaint { path: path.to_owned(), line, what: what.into() }
}

/// What breaks any rule.
pub fn all(tree: &Tree) -> Vec<Complaint> {
    let rules: [fn(&Tree) -> Vec<Complaint>; 7] = [
        edges::complaints,
        rooms::complaints,
        size::complaints,
        walls::complaints,
        state::complaints,
        words::complaints,
        pages::complaints,
    ];
    rules.iter().flat_map(|rule| rule(tree)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let tree = Tree::read(&crate::tree::root()).expect("the repository can be read");
        let complaints: Vec<String> = all(&tree).iter().map(Complaint::to_string).collect();
        assert!(
            complaints.is_empty(),
            "{} complaints:\n{}",
            complaints.len(),
            complaints.join("\n")
        );
    }
}
