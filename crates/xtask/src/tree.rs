//! The repository as tidy sees it: texts by path, Rust files as syntax trees with and without
//! their tests.
//!
//! Tests are: items under `#[cfg(test)]` or `#[test]`, files that such an item names
//! (`#[cfg(test)] mod tests;`), and everything in a folder called `tests`.

use anyhow::Context;
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use syn::spanned::Spanned;
use syn::{Attribute, File, ImplItem, Item, TraitItem};

/// Folders that are none of our writing.
const FOREIGN: [&str; 4] = [".git", "target", "node_modules", "results"];

/// Endings of files that are texts and whose words matter.
const TEXTS: [&str; 12] =
    ["rs", "toml", "md", "lock", "sh", "yml", "yaml", "json", "py", "js", "service", "conf"];

/// The root of the repository.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("xtask stands in crates/xtask of the repository").to_owned()
}

/// Every text of the repository by its path from the root.
#[derive(Default)]
pub struct Tree {
    /// All texts.
    pub texts: BTreeMap<String, String>,
    /// The Rust files among them.
    pub sources: Vec<Source>,
}

/// A Rust file.
pub struct Source {
    /// From the root.
    pub path: String,
    /// The text.
    pub text: String,
    /// Its code without tests; empty for a file of tests.
    pub code: File,
    /// Lines that are not tests.
    pub lines: usize,
    /// Everything in it.
    pub whole: File,
}

/// A word or sign of a file and its line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// As written; a literal is not looked into.
    pub text: String,
    /// Counted from 1.
    pub line: usize,
}

impl Tree {
    /// Reads the repository at `root`.
    pub fn read(root: &Path) -> anyhow::Result<Tree> {
        let mut texts = BTreeMap::new();
        collect(root, root, &mut texts)?;
        Tree::new(texts)
    }

    /// The tree of these texts.
    pub fn new(texts: BTreeMap<String, String>) -> anyhow::Result<Tree> {
        let mut parsed = Vec::new();
        for (path, text) in texts.iter().filter(|(path, _)| path.ends_with(".rs")) {
            let whole = syn::parse_file(text).with_context(|| format!("{path} is not Rust"))?;
            parsed.push((path.clone(), text.clone(), whole));
        }
        let tests = parsed
            .iter()
            .flat_map(|(path, _, whole)| test_modules(path, whole))
            .collect::<Vec<_>>();
        let sources = parsed.into_iter().map(|(path, text, whole)| {
            let is_test =
                path.contains("/tests/") || tests.iter().any(|module| belongs(&path, module));
            Source::new(path, text, whole, is_test)
        });
        Ok(Tree { sources: sources.collect(), texts })
    }

    /// A tree of a few made-up files.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Tree {
        let texts = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        Tree::new(texts.collect()).expect("the fixture is Rust")
    }
}

impl Source {
    fn new(path: String, text: String, whole: File, is_test: bool) -> Source {
        let mut code = whole.clone();
        let mut lines = text.lines().count();
        if is_test {
            code.items.clear();
            lines = 0;
        } else {
            let mut removed = 0;
            strip_items(&mut code.items, &mut removed);
            lines = lines.saturating_sub(removed);
        }
        Source { path, text, code, lines, whole }
    }

    /// The crate's folder name: `base` of `crates/base/src/lib.rs`, `benches` of the benches.
    pub fn package(&self) -> &str {
        package(&self.path)
    }

    /// The words and signs of the code without tests, macros included.
    pub fn tokens(&self) -> Vec<Token> {
        tokens(self.code.to_token_stream())
    }

    /// The words and signs of everything in the file.
    pub fn all_tokens(&self) -> Vec<Token> {
        tokens(self.whole.to_token_stream())
    }
}

/// The crate that a path belongs to, or an empty name.
pub fn package(path: &str) -> &str {
    match path.strip_prefix("crates/") {
        Some(rest) => rest.split('/').next().unwrap_or(""),
        None if path.starts_with("benches/") => "benches",
        None => "",
    }
}

fn collect(root: &Path, folder: &Path, texts: &mut BTreeMap<String, String>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).context("names are UTF-8")?;
        if path.is_dir() {
            if !FOREIGN.contains(&name) {
                collect(root, &path, texts)?;
            }
            continue;
        }
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        let in_ci = path.strip_prefix(root)?.starts_with(Path::new(".ci"));
        if TEXTS.contains(&ending) || in_ci {
            let key = path.strip_prefix(root)?.to_str().context("paths are UTF-8")?.to_owned();
            let text = std::fs::read_to_string(&path).with_context(|| format!("reading {key}"))?;
            texts.insert(key, text);
        }
    }
    Ok(())
}

/// Paths without ending of the modules that a file declares for tests only.
fn test_modules(path: &str, file: &File) -> Vec<String> {
    let stem = path.trim_end_matches(".rs");
    let folder = match stem.rsplit_once('/') {
        Some((folder, "lib" | "main" | "mod")) => folder,
        _ => stem,
    };
    let declared = file.items.iter().filter_map(|item| match item {
        Item::Mod(module) if module.content.is_none() && is_test(&module.attrs) => {
            Some(&module.ident)
        }
        _ => None,
    });
    declared.map(|name| format!("{folder}/{name}")).collect()
}

fn belongs(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// Whether attributes make an item a test.
pub fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let words = tokens(attribute.meta.to_token_stream());
        let has = |word: &str| words.iter().any(|token| token.text == word);
        attribute.path().is_ident("test")
            || (attribute.path().is_ident("cfg") && has("test") && !has("not"))
    })
}

fn strip_items(items: &mut Vec<Item>, removed: &mut usize) {
    items.retain(|item| {
        let test = is_test(attributes(item));
        if test {
            *removed += line_count(item);
        }
        !test
    });
    for item in items {
        match item {
            Item::Mod(module) => {
                if let Some((_, inner)) = &mut module.content {
                    strip_items(inner, removed);
                }
            }
            Item::Impl(block) => block.items.retain(|item| match item {
                ImplItem::Fn(function) => keep(&function.attrs, item, removed),
                ImplItem::Const(constant) => keep(&constant.attrs, item, removed),
                _ => true,
            }),
            Item::Trait(block) => block.items.retain(|item| match item {
                TraitItem::Fn(function) => keep(&function.attrs, item, removed),
                _ => true,
            }),
            _ => {}
        }
    }
}

fn keep(attributes: &[Attribute], item: &impl Spanned, removed: &mut usize) -> bool {
    let test = is_test(attributes);
    if test {
        *removed += line_count(item);
    }
    !test
}

/// Lines from an item's first attribute to its end.
pub fn line_count(item: &impl Spanned) -> usize {
    let span = item.span();
    span.end().line - span.start().line + 1
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The words and signs of a stream, macros included, in order.
pub fn tokens(stream: TokenStream) -> Vec<Token> {
    let mut found = Vec::new();
    walk(stream, &mut found);
    found
}

fn walk(stream: TokenStream, found: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let sign = |text: &str, line| Token { text: text.to_owned(), line };
                let (open, close) = match group.delimiter() {
                    proc_macro2::Delimiter::Parenthesis => ("(", ")"),
                    proc_macro2::Delimiter::Brace => ("{", "}"),
                    proc_macro2::Delimiter::Bracket => ("[", "]"),
                    proc_macro2::Delimiter::None => ("", ""),
                };
                found.push(sign(open, line));
                walk(group.stream(), found);
                found.push(sign(close, group.span_close().start().line));
            }
            TokenTree::Ident(word) => found.push(Token { text: word.to_string(), line }),
            TokenTree::Punct(sign) => found.push(Token { text: sign.as_char().to_string(), line }),
            TokenTree::Literal(_) => found.push(Token { text: "\"\"".to_owned(), line }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_neither_code_nor_counted_lines() {
        let tree = Tree::of(&[
            (
                "crates/a/src/lib.rs",
                "fn a() {}\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\nmod more {\n fn b() {}\n}\n",
            ),
            ("crates/a/src/tests.rs", "fn c() {}"),
            ("crates/a/src/tests/deep.rs", "fn d() {}"),
            ("crates/a/src/other.rs", "impl X {\n fn e() {}\n #[cfg(test)]\n fn f() {}\n}\n"),
        ]);
        let by_path =
            |path: &str| tree.sources.iter().find(|source| source.path.ends_with(path)).unwrap();
        assert_eq!(by_path("lib.rs").lines, 1);
        assert_eq!(by_path("src/tests.rs").lines, 0);
        assert_eq!(by_path("deep.rs").tokens(), []);
        assert_eq!(by_path("other.rs").lines, 3);
        assert_eq!(by_path("lib.rs").package(), "a");
        assert!(by_path("lib.rs").all_tokens().iter().any(|token| token.text == "b"));
    }

    #[test]
    fn words_inside_macros_are_found_with_their_lines() {
        let tree = Tree::of(&[("benches/src/main.rs", "fn a() {\n  assert!(\n    word);\n}\n")]);
        let word = Token { text: "word".into(), line: 3 };
        assert!(tree.sources[0].tokens().contains(&word));
        assert_eq!(tree.sources[0].package(), "benches");
    }
}
