//! How long files and functions may be.
//!
//! A file's lines are all its lines but those of tests (see `tree.rs`). A function's lines are
//! counted from its `fn` to its closing brace, both included, with blank lines and comments; a
//! function inside counts for the outer one too. Test functions are not counted: a long list of
//! expectations is not hard to read.

use super::{Complaint, complaint};
use crate::tree::{Source, Tree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, ImplItemFn, ItemFn, Signature, TraitItemFn};

const FILE_LINES_MAX: usize = 1000;
const FUNCTION_LINES_MAX: usize = 70;
const ARCHITECTURE_LINES_MAX: usize = 400;

pub fn complaints(tree: &Tree) -> Vec<Complaint> {
    let mut found: Vec<Complaint> = tree.sources.iter().flat_map(source_complaints).collect();
    if let Some(text) = tree.texts.get("docs/ARCHITECTURE.md") {
        let lines = text.lines().count();
        if lines > ARCHITECTURE_LINES_MAX {
            found.push(too_long(
                "docs/ARCHITECTURE.md",
                0,
                "the page",
                lines,
                ARCHITECTURE_LINES_MAX,
            ));
        }
    }
    found
}

fn too_long(path: &str, line: usize, what: &str, lines: usize, max: usize) -> Complaint {
    complaint(path, line, format!("{what} has {lines} lines, over {max}"))
}

fn source_complaints(source: &Source) -> Vec<Complaint> {
    let mut functions = Functions { path: &source.path, found: Vec::new() };
    functions.visit_file(&source.code);
    let mut found = functions.found;
    if source.lines > FILE_LINES_MAX {
        found.push(too_long(
            &source.path,
            0,
            "the file without tests",
            source.lines,
            FILE_LINES_MAX,
        ));
    }
    found
}

struct Functions<'a> {
    path: &'a str,
    found: Vec<Complaint>,
}

impl Functions<'_> {
    fn look(&mut self, signature: &Signature, body: &Block) {
        let first = signature.fn_token.span.start().line;
        let lines = body.span().end().line - first + 1;
        if lines > FUNCTION_LINES_MAX {
            let name = format!("`{}`", signature.ident);
            self.found.push(too_long(self.path, first, &name, lines, FUNCTION_LINES_MAX));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.look(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.look(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(body) = &function.default {
            self.look(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caught(path: &str, text: &str) -> Vec<String> {
        complaints(&Tree::of(&[(path, text)])).into_iter().map(|complaint| complaint.what).collect()
    }

    fn function(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    a();\n".repeat(lines - 2))
    }

    #[test]
    fn a_long_function_is_caught_and_a_long_test_is_not() {
        let path = "crates/base/src/a.rs";
        assert_eq!(caught(path, &function(71)), ["`long` has 71 lines, over 70"]);
        assert!(caught(path, &function(70)).is_empty());
        assert_eq!(caught(path, &format!("impl A {{\n{}}}\n", function(71))).len(), 1);
        assert_eq!(caught(path, &format!("trait A {{\n{}}}\n", function(71))).len(), 1);
        assert!(caught(path, &format!("#[test]\n{}", function(71))).is_empty());
    }

    #[test]
    fn a_long_file_is_caught_but_its_tests_do_not_count() {
        let (code, tests) = ("const A: u8 = 1;\n".repeat(1000), "// a test\n".repeat(50));
        let path = "crates/base/src/a.rs";
        assert_eq!(caught(path, &format!("{code}const B: u8 = 1;\n")).len(), 1);
        assert!(caught(path, &format!("{code}#[cfg(test)]\nmod tests {{\n{tests}}}\n")).is_empty());
    }

    #[test]
    fn a_long_architecture_page_is_caught() {
        assert_eq!(caught("docs/ARCHITECTURE.md", &"x\n".repeat(401)).len(), 1);
        assert!(caught("docs/ARCHITECTURE.md", &"x\n".repeat(400)).is_empty());
    }
}
