//! Where `unsafe` may be, and how it must argue.
//!
//! Three rooms may say it: `compact` (memory), `mailbox` (another core), `reactor` (the kernel);
//! and `benches`, whose `limit` is a bare loop over the kernel. Every other crate forbids it in
//! each of its roots, `server` denies it.
//!
//! A block or `unsafe impl` needs a comment with `SAFETY:` between the end of the statement before
//! it and itself. An `unsafe fn` needs a `# Safety` section.

use super::{Complaint, complaint};
use crate::tree::{Source, Token, Tree};

const ROOMS: [&str; 4] = ["compact", "mailbox", "reactor", "benches"];

pub fn complaints(tree: &Tree) -> Vec<Complaint> {
    tree.sources.iter().flat_map(source_complaints).collect()
}

fn source_complaints(source: &Source) -> Vec<Complaint> {
    let mut found = Vec::new();
    let is_room = ROOMS.contains(&source.package());
    if let Some(line) = missing_root_line(source, is_room) {
        found.push(complaint(&source.path, 0, format!("lacks `{line}`")));
    }
    let tokens = source.all_tokens();
    for (index, token) in tokens.iter().enumerate().filter(|(_, token)| token.text == "unsafe") {
        if !is_room {
            found.push(complaint(
                &source.path,
                token.line,
                format!("`unsafe` is only for {ROOMS:?}"),
            ));
        } else if !argued(&source.text, token.line, &tokens[index..]) {
            found.push(complaint(
                &source.path,
                token.line,
                "`unsafe` without `// SAFETY:` (or `# Safety`)",
            ));
        }
    }
    if !is_room && !source.path.ends_with("main.rs") && !source.path.ends_with("lib.rs") {
        let loose = tokens
            .windows(3)
            .filter(|three| three[0].text == "allow" && three[2].text == "unsafe_code");
        found.extend(
            loose.map(|three| complaint(&source.path, three[0].line, "allows unsafe code")),
        );
    }
    found
}

/// The line against unsafe code that a crate root lacks.
fn missing_root_line(source: &Source, is_room: bool) -> Option<&'static str> {
    let name = source.path.strip_prefix(&format!("crates/{}/src/", source.package()))?;
    let is_root = matches!(name, "lib.rs" | "main.rs") || name.starts_with("bin/");
    let line = match source.package() {
        "server" => "#![deny(unsafe_code)]",
        _ => "#![forbid(unsafe_code)]",
    };
    (is_root && !is_room && !source.text.lines().any(|text| text.trim() == line)).then_some(line)
}

/// Whether the words behind `unsafe` are argued for. `rest` begins with `unsafe`.
fn argued(text: &str, line: usize, rest: &[Token]) -> bool {
    match rest.get(1).map(|token| token.text.as_str()) {
        Some("fn" | "trait" | "extern") if is_type(rest) => true,
        Some("fn" | "trait") => comment_above(text, line, "# Safety"),
        Some("(") => true, // an attribute: `#[unsafe(no_mangle)]`
        _ => comment_above(text, line, "SAFETY:"),
    }
}

/// Whether these words are a function type, `unsafe fn(…)`, which needs no argument.
fn is_type(rest: &[Token]) -> bool {
    rest.get(1).is_some_and(|token| token.text == "fn")
        && rest.get(2).is_some_and(|token| token.text == "(")
}

/// Whether a comment with `word` stands between the end of the statement before and this line, or
/// in this line.
fn comment_above(text: &str, line: usize, word: &str) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let here = lines.get(line - 1).copied().unwrap_or("");
    if here.contains(word) {
        return true;
    }
    for above in lines[..line - 1].iter().rev().map(|above| above.trim()) {
        let is_note = above.starts_with("//") || above.starts_with("#[");
        if is_note && above.contains(word) {
            return true;
        }
        if !is_note && (above.is_empty() || above.ends_with([';', '{', '}', ','])) {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caught(path: &str, text: &str) -> Vec<String> {
        complaints(&Tree::of(&[(path, text)])).into_iter().map(|complaint| complaint.what).collect()
    }

    #[test]
    fn unsafe_outside_the_rooms_is_caught_also_in_macros_and_tests() {
        for text in [
            "fn a() { unsafe {} }",
            "fn a() { b!(unsafe { c() }); }",
            "#[test] fn a() { unsafe {} }",
        ] {
            assert_eq!(caught("crates/store/src/a.rs", text).len(), 1, "{text}");
        }
    }

    #[test]
    fn an_unargued_block_is_caught_and_an_argued_one_is_not() {
        let path = "crates/compact/src/a.rs";
        assert_eq!(caught(path, "fn a() {\n    unsafe { b() }\n}\n").len(), 1);
        assert_eq!(caught(path, "// SAFETY: far away\nfn a() {\n    unsafe { b() }\n}\n").len(), 1);
        assert_eq!(caught(path, "unsafe impl Send for A {}\n").len(), 1);
        assert_eq!(caught(path, "pub unsafe fn a() {}\n").len(), 1);
        for fine in [
            "fn a() {\n    // SAFETY: b is pure.\n    let x =\n        unsafe { b() };\n}\n",
            "/// # Safety\n/// Never null.\npub unsafe fn a() {}\n",
            "struct A { call: unsafe fn(u8) }\n",
        ] {
            assert!(caught(path, fine).is_empty(), "{fine}");
        }
    }

    #[test]
    fn a_root_without_its_line_is_caught() {
        assert_eq!(
            caught("crates/base/src/lib.rs", "//! x\n"),
            ["lacks `#![forbid(unsafe_code)]`"]
        );
        assert_eq!(
            caught("crates/server/src/main.rs", "//! x\n"),
            ["lacks `#![deny(unsafe_code)]`"]
        );
        assert!(caught("crates/reactor/src/lib.rs", "//! x\n").is_empty());
    }

    #[test]
    fn a_local_exemption_is_caught() {
        let text = "#[allow(unsafe_code)]\nfn a() {}\n";
        assert_eq!(caught("crates/server/src/a.rs", text), ["allows unsafe code"]);
    }
}
