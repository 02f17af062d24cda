//! Words that have no place here: what is unfinished, names that name nothing, traces of somebody's
//! machine. And every crate root begins with its essay.

use super::{Complaint, complaint};
use crate::tree::{Source, Tree};

/// Macros of unfinished or left-over code.
const MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// Names of files and folders that say nothing of what is in them.
const EMPTY_NAMES: [&str; 8] =
    ["utils", "util", "helpers", "helper", "common", "misc", "manager", "managers"];

/// Words in any text. Written in two parts, so that this file is not a case of its own rule.
fn banned_anywhere() -> [String; 9] {
    let join = |parts: [&str; 2]| parts.concat();
    [
        join(["FIX", "ME"]),
        join(["XX", "X:"]),
        join(["TO", "DO"]),
        join(["/ro", "ot/"]),
        join(["/wo", "rk/"]),
        join(["/ho", "me/"]),
        join(["/Us", "ers/"]),
        join(["artif", "actory"]),
        join(["sonatype ne", "xus"]),
    ]
}

/// The only place from which crates may come.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub fn complaints(tree: &Tree) -> Vec<Complaint> {
    let mut found: Vec<Complaint> = tree.sources.iter().flat_map(source_complaints).collect();
    for (path, text) in &tree.texts {
        found.extend(text_complaints(path, text));
        found.extend(name_complaints(path));
    }
    found
}

fn text_complaints(path: &str, text: &str) -> Vec<Complaint> {
    let banned = banned_anywhere();
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let hits = banned.iter().filter(|word| line.contains(word.as_str()));
        found.extend(
            hits.map(|word| complaint(path, index + 1, format!("`{word}` has no place here"))),
        );
        if path.ends_with("Cargo.lock")
            && let Some(source) = line.strip_prefix("source = ")
            && source.trim_matches('"') != REGISTRY
        {
            found.push(complaint(
                path,
                index + 1,
                format!("a crate that is not from crates.io: {source}"),
            ));
        }
    }
    found
}

fn name_complaints(path: &str) -> Vec<Complaint> {
    let parts = path.split('/').map(|part| part.split('.').next().unwrap_or(part));
    let empty = parts.filter(|part| EMPTY_NAMES.contains(part));
    empty.map(|part| complaint(path, 0, format!("`{part}` does not say what is inside"))).collect()
}

fn source_complaints(source: &Source) -> Vec<Complaint> {
    let mut found = Vec::new();
    let tokens = source.all_tokens();
    for three in tokens.windows(2) {
        if MACROS.contains(&three[0].text.as_str()) && three[1].text == "!" {
            found.push(complaint(
                &source.path,
                three[0].line,
                format!("`{}!` is unfinished", three[0].text),
            ));
        }
    }
    for three in tokens.windows(3) {
        if three[0].text == "#" && three[1].text == "[" && three[2].text == "ignore" {
            found.push(complaint(&source.path, three[2].line, "an ignored test tests nothing"));
        }
        if three[0].text == "mod" && EMPTY_NAMES.contains(&three[1].text.as_str()) {
            let what = format!("`{}` does not say what is inside", three[1].text);
            found.push(complaint(&source.path, three[1].line, what));
        }
    }
    let is_root = source.path.ends_with("src/lib.rs") || source.path.ends_with("src/main.rs");
    if is_root && !source.text.starts_with("//!") {
        found.push(complaint(&source.path, 1, "a crate root begins with its essay"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caught(path: &str, text: &str) -> usize {
        complaints(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn unfinished_code_is_caught() {
        for text in
            ["fn a() { todo!() }", "fn a() { x!(dbg!(1)) }", "#[test]\n#[ignore]\nfn a() {}"]
        {
            assert_eq!(caught("crates/base/src/a.rs", text), 1, "{text}");
        }
        assert_eq!(caught("crates/base/src/a.rs", "fn todo(ignore: u8) {}"), 0);
    }

    #[test]
    fn names_that_name_nothing_are_caught() {
        assert_eq!(caught("crates/base/src/utils.rs", ""), 1);
        assert_eq!(caught("crates/base/src/a/helpers/b.rs", ""), 1);
        assert_eq!(caught("crates/base/src/a.rs", "mod common { fn a() {} }"), 1);
    }

    #[test]
    fn every_banned_word_is_caught_in_any_text() {
        for word in banned_anywhere() {
            assert_eq!(caught("docs/a.md", &format!("see {word} x")), 1, "{word}");
        }
    }

    #[test]
    fn a_foreign_registry_is_caught() {
        let ours = format!("source = \"{REGISTRY}\"\n");
        assert_eq!(caught("Cargo.lock", &ours), 0);
        assert_eq!(caught("Cargo.lock", "source = \"registry+https://mirror.example/index\"\n"), 1);
    }

    #[test]
    fn a_root_without_an_essay_is_caught() {
        assert_eq!(caught("crates/base/src/lib.rs", "fn a() {}"), 1);
    }
}
