//! `docs/reference/configuration.md`, from the table of settings.

use super::{cell, heading};
use base::settings::{Change, Kind, Meaning, Setting, SettingId};

/// The page.
pub fn text() -> String {
    let mut page = heading("Configuration", "`base::settings`");
    page.push_str(
        "Every directive is one of redis.conf's and of `CONFIG GET`/`CONFIG SET`, and an option of the command line\n\
         (`corelane --maxmemory 4gb`). Sizes take `k`, `m`, `g` (powers of 1000) and `kb`, `mb`, `gb` (powers of 1024).\n\
         A directive that can change *at start* is refused by `CONFIG SET`; a *protected* one is, unless\n\
         `enable-protected-configs` allows it.\n\n",
    );
    let rows: Vec<&Setting> = SettingId::all().map(SettingId::row).collect();
    let (honoured, inert): (Vec<&Setting>, Vec<&Setting>) =
        rows.into_iter().partition(|row| row.meaning == Meaning::Honoured);
    page.push_str("## Directives that do something\n\n");
    page.push_str(
        "| directive | takes | default | can change | what it does |\n|---|---|---|---|---|\n",
    );
    for row in honoured {
        page.push_str(&format!(
            "| {} | {} | {} | {} | {} |\n",
            names(row),
            cell(&takes(row.kind)),
            default(row),
            change(row.change),
            cell(row.help)
        ));
    }
    page.push_str(
        "\n## Directives that are accepted and do nothing\n\n\
         They are known, checked, printed by `CONFIG GET`, and named in one warning line at start.\n\n\
         | directive | default | what it is in Redis | why it does nothing |\n|---|---|---|---|\n",
    );
    for row in inert {
        let Meaning::Inert(why) = row.meaning else { continue };
        page.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            names(row),
            default(row),
            cell(row.help),
            cell(why)
        ));
    }
    page.push_str(
        "\n## Lines of the configuration file that are no settings\n\n\
         | line | what it does |\n|---|---|\n\
         | `include path` | reads another file here; the path may be a pattern |\n\
         | `rename-command NAME new-name` | gives a command another name, or with `\"\"` takes it away |\n\
         | `user default …` | accepted as long as it takes no right away from the default user; `>password` is `requirepass` |\n\
         | `user name …` | named in a warning: other users do not exist and cannot log in |\n\
         | `loadmodule path` | named in a warning: modules cannot be loaded |\n",
    );
    page
}

fn names(row: &Setting) -> String {
    match row.alias {
        Some(alias) => format!("`{}`, `{alias}`", row.name),
        None => format!("`{}`", row.name),
    }
}

fn default(row: &Setting) -> String {
    if row.default.is_empty() { "empty".to_owned() } else { format!("`{}`", cell(row.default)) }
}

fn change(change: Change) -> &'static str {
    match change {
        Change::AtRunTime => "any time",
        Change::AtStart => "at start",
        Change::Protected => "protected",
    }
}

fn takes(kind: Kind) -> String {
    let ticked = |names: &[&str]| {
        names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    };
    match kind {
        Kind::Flag => "`yes`, `no`".to_owned(),
        Kind::Int { min, max: i64::MAX } => format!("number from {min}"),
        Kind::Int { min, max } => format!("number, {min} to {max}"),
        Kind::Octal { max } => format!("octal number up to {max:o}"),
        Kind::Memory { min: 0, .. } => "size".to_owned(),
        Kind::Memory { min, .. } => format!("size from {min}"),
        Kind::MemoryOrPercent => "size or percentage".to_owned(),
        Kind::Choice(names) => ticked(names),
        Kind::Options(names) => format!("any of {}", ticked(names)),
        Kind::Text => "text".to_owned(),
        Kind::Words { max } => format!("up to {max} words"),
        Kind::Save => "pairs of seconds and changes".to_owned(),
        Kind::OutputLimits => "class, hard size, soft size, seconds; several".to_owned(),
        Kind::OomScores => "three numbers".to_owned(),
        Kind::Percentiles => "percentiles".to_owned(),
        Kind::Notify => "letters of `Ag$lshzxeKEtmdn`".to_owned(),
    }
}
