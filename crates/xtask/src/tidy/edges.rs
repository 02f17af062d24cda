//! Which crate may depend on which: the table of `docs/ARCHITECTURE.md`, and the third-party
//! crates that open a door a room must not have.

use super::{Complaint, complaint};
use crate::tree::{Tree, package};
use toml::{Table, Value};

/// Our crates, each with those of ours that it may depend on, also in tests. A crate that is not
/// here is not allowed to exist.
const EDGES: [(&str, &[&str]); 15] = [
    ("base", &[]),
    ("resp", &["base"]),
    ("compact", &["base"]),
    ("store", &["base", "compact"]),
    ("rdb", &["base", "store"]),
    ("command", &["base", "resp", "store", "rdb"]),
    ("script", &["base", "resp"]),
    ("engine", &["base", "resp", "compact", "store", "rdb", "command", "script"]),
    ("mailbox", &[]),
    ("reactor", &["base"]),
    (
        "server",
        &[
            "base", "resp", "compact", "store", "rdb", "command", "script", "engine", "mailbox",
            "reactor",
        ],
    ),
    ("sim", &["base", "resp", "compact", "store", "rdb", "command", "script", "engine"]),
    ("conformance", &[]),
    ("xtask", &["base", "command", "engine"]),
    (
        "benches",
        &[
            "base", "resp", "compact", "store", "rdb", "command", "script", "engine", "mailbox",
            "reactor", "server",
        ],
    ),
];

/// Third-party crates that only some of ours may have: sockets, threads, runtimes, Lua.
const DOORS: [(&str, &[&str]); 10] = [
    ("glommio", &["reactor", "server"]),
    ("io-uring", &["reactor", "benches"]),
    ("libc", &["reactor", "benches"]),
    ("socket2", &["reactor", "server", "benches", "conformance"]),
    ("mio", &[]),
    ("tokio", &["server", "conformance", "benches"]),
    ("mimalloc", &["server", "benches"]),
    ("mlua", &["script"]),
    ("loom", &["mailbox"]),
    ("signal-hook", &["server"]),
];

/// What `base` may have of others.
const BASE: [&str; 3] = ["bytes", "crc", "crc16"];

pub fn complaints(tree: &Tree) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (path, text) in tree.texts.iter().filter(|(path, _)| path.ends_with("Cargo.toml")) {
        let manifest: Table = match text.parse() {
            Ok(manifest) => manifest,
            Err(error) => {
                found.push(complaint(path, 0, format!("is not a manifest: {error}")));
                continue;
            }
        };
        if path == "Cargo.toml" {
            found.extend(without_reason(path, text));
        } else {
            found.extend(manifest_complaints(path, &manifest));
        }
    }
    found
}

fn manifest_complaints(path: &str, manifest: &Table) -> Vec<Complaint> {
    let package = package(path);
    let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == package) else {
        return vec![complaint(
            path,
            0,
            format!("crate `{package}` is not in the table of crates"),
        )];
    };
    let ours = |name: &str| EDGES.iter().any(|(ours, _)| *ours == name);
    let mut found = Vec::new();
    for (name, inherited) in dependencies(manifest) {
        let mut complain = |what: String| found.push(complaint(path, 0, what));
        if !inherited {
            complain(format!(
                "`{name}` must be inherited from the workspace, where its reason stands"
            ));
        }
        if ours(&name) && name != package && !allowed.contains(&name.as_str()) {
            complain(format!("`{package}` must not depend on `{name}`"));
        }
        if let Some((_, rooms)) = DOORS.iter().find(|(door, _)| *door == name)
            && !rooms.contains(&package)
        {
            complain(format!("`{package}` must not use `{name}`, which belongs to {rooms:?}"));
        }
        if package == "base" && !ours(&name) && !BASE.contains(&name.as_str()) {
            complain(format!("`base` must not use `{name}`"));
        }
    }
    found
}

/// Every dependency of a manifest, of all kinds and targets, and whether it is inherited.
fn dependencies(manifest: &Table) -> Vec<(String, bool)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let tables =
        targets.into_iter().flat_map(|targets| targets.values().filter_map(Value::as_table));
    let mut found = Vec::new();
    for table in std::iter::once(manifest).chain(tables) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(list) = table.get(kind).and_then(Value::as_table) else { continue };
            for (name, value) in list {
                let inherited = value.get("workspace").and_then(Value::as_bool) == Some(true);
                found.push((name.clone(), inherited));
            }
        }
    }
    found
}

/// Third-party crates of the workspace whose line does not say why we have them.
fn without_reason(path: &str, text: &str) -> Vec<Complaint> {
    let numbered = text.lines().enumerate();
    let section = numbered
        .skip_while(|(_, line)| *line != "[workspace.dependencies]")
        .skip(1)
        .take_while(|(_, line)| !line.starts_with('['));
    section
        .filter(|(_, line)| {
            line.contains('=') && !line.contains("path =") && !line.starts_with('#')
        })
        .filter(|(_, line)| !line.contains("# "))
        .map(|(index, line)| complaint(path, index + 1, format!("no reason behind `{line}`")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caught(path: &str, text: &str) -> Vec<String> {
        complaints(&Tree::of(&[(path, text)])).into_iter().map(|complaint| complaint.what).collect()
    }

    #[test]
    fn a_wrong_edge_is_caught_in_every_kind_of_dependency() {
        for kind in ["dependencies", "dev-dependencies", "target.'cfg(unix)'.dependencies"] {
            let text = format!("[{kind}]\nstore.workspace = true\nbase.workspace = true\n");
            assert_eq!(
                caught("crates/resp/Cargo.toml", &text),
                ["`resp` must not depend on `store`"],
                "{kind}"
            );
        }
    }

    #[test]
    fn an_unknown_crate_is_caught() {
        assert_eq!(caught("crates/common/Cargo.toml", "").len(), 1);
    }

    #[test]
    fn a_door_in_the_wrong_room_is_caught() {
        assert_eq!(
            caught("crates/engine/Cargo.toml", "[dependencies]\ntokio.workspace = true\n").len(),
            1
        );
        assert_eq!(
            caught("crates/base/Cargo.toml", "[dependencies]\nserde.workspace = true\n").len(),
            1
        );
        assert!(
            caught("crates/reactor/Cargo.toml", "[dependencies]\nlibc.workspace = true\n")
                .is_empty()
        );
    }

    #[test]
    fn a_version_outside_the_workspace_is_caught() {
        assert_eq!(caught("crates/store/Cargo.toml", "[dependencies]\nitoa = \"1\"\n").len(), 1);
    }

    #[test]
    fn a_third_party_crate_without_a_reason_is_caught() {
        let text = "[workspace.dependencies]\nbase = { path = \"crates/base\" }\nitoa = \"1\"\nlibc = \"1\" # calls\n";
        assert_eq!(caught("Cargo.toml", text), ["no reason behind `itoa = \"1\"`"]);
    }
}
