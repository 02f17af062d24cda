//! `docs/reference/commands.md`, from the tables of commands in `command` and `engine`.

use super::{cell, heading};
use command::{Fanout, Spec};
use std::collections::BTreeMap;

/// The page.
pub fn text() -> String {
    let mut groups: BTreeMap<&'static str, Vec<Row>> = BTreeMap::new();
    for row in rows() {
        groups.entry(row.spec.group.name()).or_default().push(row);
    }
    let count: usize = groups.values().map(Vec::len).sum();
    let mut page = heading("Commands", "the tables of `command` and `engine`");
    page.push_str(&format!(
        "{count} commands and sub-commands. *Cores* says how a command runs when its keys live on several of them.\n"
    ));
    for (group, mut rows) in groups {
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        page.push_str(&format!("\n## {group}\n\n| command | since | complexity | cores | what it does |\n|---|---|---|---|---|\n"));
        for row in rows {
            page.push_str(&format!(
                "| `{}` | {} | {} | {} | {} |\n",
                row.name,
                row.spec.since,
                cell(row.spec.complexity),
                cores(&row),
                cell(row.spec.summary)
            ));
        }
    }
    page
}

/// A command or sub-command.
struct Row {
    name: String,
    spec: &'static Spec,
    /// Whether it runs on keys.
    is_data: bool,
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for family in command::table::families() {
        rows.push(Row { name: family.spec.name.to_owned(), spec: &family.spec, is_data: true });
        rows.extend(family.subcommands.iter().map(|sub| Row {
            name: format!("{} {}", family.spec.name, sub.spec.name),
            spec: &sub.spec,
            is_data: true,
        }));
    }
    for family in engine::commands::families() {
        rows.push(Row { name: family.spec.name.to_owned(), spec: &family.spec, is_data: false });
        rows.extend(family.subcommands.iter().map(|sub| Row {
            name: format!("{} {}", family.spec.name, sub.spec.name),
            spec: &sub.spec,
            is_data: false,
        }));
    }
    rows
}

fn cores(row: &Row) -> &'static str {
    if !row.is_data {
        return "session";
    }
    match row.spec.fanout {
        Fanout::Single => "the owner",
        Fanout::Split(_) => "every owner, in parts",
        Fanout::All(_) => "all",
        Fanout::Cursor => "the cursor's and the next ones",
        Fanout::RandomCore => "one, drawn",
        Fanout::Loan => "keys are lent to one core",
        Fanout::Conditional => "ask, then write",
    }
}
