//! Walls inside crates, and between crates and the world.
//!
//! - In `engine`, `session/` never names a keyspace and `shard/` never names a session: neither
//!   the modules, nor the crate, nor the types.
//! - The crates below `server` other than `reactor` and `mailbox` never touch threads, files,
//!   sockets, clocks or the environment. Their tests may.

use super::{Complaint, complaint};
use crate::tree::{Source, Token, Tree};
use quote::ToTokens;
use syn::visit::Visit;
use syn::{ItemUse, UseTree};

/// A folder, what must not be named in it, and why.
struct Wall {
    folder: &'static str,
    /// Modules and crates, named in a path.
    modules: &'static [&'static str],
    /// Types, named anyhow.
    types: &'static [&'static str],
    why: &'static str,
}

const WALLS: [Wall; 2] = [
    Wall {
        folder: "crates/engine/src/session/",
        modules: &["store", "shard", "compact", "rdb"],
        types: &["Keyspace", "Shard", "Store"],
        why: "`session/` never names a keyspace; they meet in `engine.rs`",
    },
    Wall {
        folder: "crates/engine/src/shard/",
        modules: &["session"],
        types: &["Session", "Sessions"],
        why: "`shard/` never names a session; they meet in `engine.rs`",
    },
];

/// Crates that are a value: all they know comes in as an argument.
const PURE: [&str; 8] = ["base", "resp", "compact", "store", "rdb", "command", "script", "engine"];

/// Modules of `std` that reach the world, and the clocks.
const WORLD: [&str; 5] = ["env", "fs", "net", "process", "thread"];
const CLOCKS: [&str; 2] = ["Instant", "SystemTime"];

pub fn complaints(tree: &Tree) -> Vec<Complaint> {
    tree.sources
        .iter()
        .flat_map(|source| [wall_complaints(source), world_complaints(source)])
        .flatten()
        .collect()
}

fn wall_complaints(source: &Source) -> Vec<Complaint> {
    let Some(wall) = WALLS.iter().find(|wall| source.path.starts_with(wall.folder)) else {
        return Vec::new();
    };
    let tokens = source.tokens();
    let in_paths = path_words(&tokens).chain(imported(source));
    let modules = in_paths.filter(|token| wall.modules.contains(&token.text.as_str()));
    let types = tokens.iter().filter(|token| wall.types.contains(&token.text.as_str())).cloned();
    let mut hits: Vec<Token> = modules.chain(types).collect();
    hits.sort_by_key(|token| token.line);
    hits.dedup_by_key(|token| token.line);
    let line = |token: Token| {
        complaint(&source.path, token.line, format!("names `{}`: {}", token.text, wall.why))
    };
    hits.into_iter().map(line).collect()
}

/// Words beside a `::`, which are modules, crates or types and never local variables.
fn path_words(tokens: &[Token]) -> impl Iterator<Item = Token> + '_ {
    let is_colon = |index: usize| tokens.get(index).is_some_and(|token| token.text == ":");
    let beside = move |index: usize| {
        (is_colon(index + 1) && is_colon(index + 2))
            || (index >= 2 && is_colon(index - 1) && is_colon(index - 2))
    };
    tokens
        .iter()
        .enumerate()
        .filter(move |(index, _)| beside(*index))
        .map(|(_, token)| token.clone())
}

/// Every name in a `use`, also in the middle of braces.
fn imported(source: &Source) -> Vec<Token> {
    struct Uses(Vec<Token>);
    impl<'ast> Visit<'ast> for Uses {
        fn visit_item_use(&mut self, item: &'ast ItemUse) {
            names(&item.tree, &mut self.0);
        }
    }
    let mut uses = Uses(Vec::new());
    uses.visit_file(&source.code);
    uses.0
}

fn names(tree: &UseTree, found: &mut Vec<Token>) {
    let mut push = |word: &syn::Ident| {
        found.push(Token { text: word.to_string(), line: word.span().start().line });
    };
    match tree {
        UseTree::Path(path) => {
            push(&path.ident);
            names(&path.tree, found);
        }
        UseTree::Name(name) => push(&name.ident),
        UseTree::Rename(rename) => push(&rename.ident),
        UseTree::Group(group) => group.items.iter().for_each(|tree| names(tree, found)),
        UseTree::Glob(_) => {}
    }
}

fn world_complaints(source: &Source) -> Vec<Complaint> {
    if !PURE.contains(&source.package())
        || source.path.contains("/examples/")
        || source.path.contains("/tests/")
    {
        return Vec::new();
    }
    let tokens = source.tokens();
    let mut hits: Vec<Token> =
        tokens.iter().filter(|token| CLOCKS.contains(&token.text.as_str())).cloned().collect();
    hits.extend(std_modules(source, &tokens));
    hits.sort_by_key(|token| token.line);
    hits.dedup();
    let why = "only `server`, `reactor` and `mailbox` touch threads, files, sockets or clocks";
    hits.into_iter()
        .map(|token| complaint(&source.path, token.line, format!("names `{}`: {why}", token.text)))
        .collect()
}

/// Modules of [`WORLD`] that are named behind `std::`, in paths and in `use std::{…}`.
fn std_modules(source: &Source, tokens: &[Token]) -> Vec<Token> {
    let in_path = tokens.windows(4).filter(|four| {
        four[0].text == "std" && four[1].text == ":" && WORLD.contains(&four[3].text.as_str())
    });
    let mut found: Vec<Token> = in_path.map(|four| four[3].clone()).collect();
    for item in &source.code.items {
        if let syn::Item::Use(item) = item
            && item.tree.to_token_stream().to_string().starts_with("std")
        {
            let mut all = Vec::new();
            names(&item.tree, &mut all);
            found.extend(all.into_iter().filter(|token| WORLD.contains(&token.text.as_str())));
        }
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
    fn a_session_that_names_a_keyspace_is_caught() {
        let path = "crates/engine/src/session/a.rs";
        for text in [
            "use store::Key;",
            "use crate::{shard, event};",
            "use crate::{event::E, shard::Shard};",
            "fn a() { crate::shard::run(); }",
            "fn a(k: &mut Keyspace) {}",
            "fn a() { assert!(store::x()); }",
        ] {
            assert_eq!(caught(path, text), 1, "{text}");
        }
        assert_eq!(caught(path, "use crate::event::E;\nfn a(store: u8) -> u8 { store }"), 0);
        assert_eq!(caught(path, "#[cfg(test)]\nmod tests { use store::Key; }"), 0);
    }

    #[test]
    fn a_shard_that_names_a_session_is_caught() {
        let path = "crates/engine/src/shard/mod.rs";
        for text in
            ["use crate::session::X;", "use crate::{core, session};", "fn a(s: &Session) {}"]
        {
            assert_eq!(caught(path, text), 1, "{text}");
        }
        assert_eq!(caught(path, "fn a(session: u32) -> u32 { session }"), 0);
    }

    #[test]
    fn a_pure_crate_that_touches_the_world_is_caught() {
        for text in [
            "use std::time::Instant;",
            "fn a() { std::thread::sleep(b); }",
            "use std::{fs, io};",
            "use std::net::TcpStream;",
            "fn a() { let now = SystemTime::now(); }",
        ] {
            assert_eq!(caught("crates/store/src/a.rs", text), 1, "{text}");
        }
        assert_eq!(caught("crates/reactor/src/a.rs", "use std::time::Instant;"), 0);
        assert_eq!(caught("crates/store/src/a.rs", "#[cfg(test)]\nmod t { use std::fs; }"), 0);
    }
}
