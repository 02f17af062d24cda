//! Random scripts from a seed.
//!
//! One file per command family, each a list of weighted templates. A template is either a line of argument grammar
//! (`grammar.rs` says how it reads) or a small function for what one line cannot say. `draw.rs` knows what keys, values
//! and numbers look like, `mutate.rs` breaks good commands, `hazard.rs` keeps out what would make the comparison
//! meaningless (waits, giant allocations, clocks that race). A new family is one file and one word in [`FAMILIES`].

mod bitmap;
mod cluster_face;
mod command_meta;
mod config;
mod connection;
mod draw;
mod expire;
mod generic;
mod geo;
mod grammar;
mod hash;
mod hazard;
mod hyperloglog;
mod list;
mod moves;
mod mutate;
mod protocol;
mod scan;
mod server;
mod set;
mod sort;
mod sorted_set;
mod stream;
mod string;

use anyhow::{Result, bail};

use crate::random::script::Action;
pub use config::{PASSWORD, TOUCHED};
pub use draw::{CLIENT_TOKEN, Draw};
use grammar::Node;

/// Connections of an episode beside the fresh ones of raw scripts.
pub const CONNECTIONS: usize = 3;

/// Commands of one family.
pub struct Family {
    /// What `--families` calls it.
    pub name: &'static str,
    /// Its templates; the weight is relative to all templates of all families.
    pub templates: &'static [Template],
}

/// One way to make a piece of script.
pub struct Template {
    /// How often, relative to the others.
    pub weight: u32,
    /// How.
    pub make: Make,
}

/// The two kinds of template.
pub enum Make {
    /// A line of argument grammar; the result may be mutated.
    Line(&'static str),
    /// As [`Make::Line`] but sent as it is: an edge value in the wrong place would stop the server or the clock.
    Fixed(&'static str),
    /// Several actions that belong together, on the given connection.
    Script(fn(&mut Draw, usize) -> Vec<Action>),
}

/// A template of one line.
const fn line(weight: u32, grammar: &'static str) -> Template {
    Template { weight, make: Make::Line(grammar) }
}

/// A template of one line that is never mutated.
const fn fixed(weight: u32, grammar: &'static str) -> Template {
    Template { weight, make: Make::Fixed(grammar) }
}

/// A template that is a function.
const fn script(weight: u32, make: fn(&mut Draw, usize) -> Vec<Action>) -> Template {
    Template { weight, make: Make::Script(make) }
}

/// Every family, in the order of the issue that brought it.
pub const FAMILIES: &[&Family] = &[
    &string::FAMILY,
    &hash::FAMILY,
    &list::FAMILY,
    &set::FAMILY,
    &sorted_set::FAMILY,
    &geo::FAMILY,
    &stream::FAMILY,
    &generic::FAMILY,
    &moves::FAMILY,
    &sort::FAMILY,
    &expire::FAMILY,
    &scan::FAMILY,
    &bitmap::FAMILY,
    &hyperloglog::FAMILY,
    &connection::FAMILY,
    &server::FAMILY,
    &config::FAMILY,
    &command_meta::FAMILY,
    &cluster_face::FAMILY,
    &protocol::FAMILY,
];

enum Compiled {
    Line(Node, bool),
    Script(fn(&mut Draw, usize) -> Vec<Action>),
}

/// The templates of the chosen families, ready to be drawn from.
pub struct Generator {
    templates: Vec<(u32, Compiled)>,
    total_weight: u32,
    skip: Vec<String>,
}

impl Generator {
    /// Compiles the templates of `families` (all when empty) without those whose line starts with a word in `skip`.
    pub fn new(families: &[String], skip: &[String]) -> Result<Generator> {
        for name in families {
            if !FAMILIES.iter().any(|family| family.name == name) {
                let known: Vec<_> = FAMILIES.iter().map(|family| family.name).collect();
                bail!("no family {name:?}; there are {}", known.join(", "));
            }
        }
        let mut templates = Vec::new();
        for family in FAMILIES {
            if !families.is_empty() && !families.iter().any(|name| name == family.name) {
                continue;
            }
            for template in family.templates {
                let compiled = match template.make {
                    Make::Line(text) | Make::Fixed(text) if starts_with_any(text, skip) => continue,
                    Make::Line(text) => Compiled::Line(grammar::compile(text)?, true),
                    Make::Fixed(text) => Compiled::Line(grammar::compile(text)?, false),
                    Make::Script(make) => Compiled::Script(make),
                };
                templates.push((template.weight, compiled));
            }
        }
        let total_weight = templates.iter().map(|(weight, _)| weight).sum();
        if total_weight == 0 {
            bail!("no templates are left to draw from");
        }
        Ok(Generator { templates, total_weight, skip: skip.to_vec() })
    }

    /// The script of one seed: about `commands` requests in runs of one connection each. The same seed, length and
    /// families give the same script.
    pub fn episode(&self, seed: u64, commands: usize) -> Vec<Action> {
        let mut draw = Draw::new(seed);
        let mut actions = Vec::with_capacity(commands + 8);
        let mut conn = 0;
        let mut run_left = 0;
        while actions.len() < commands {
            if run_left == 0 {
                conn = draw.below(CONNECTIONS);
                run_left = 5 + draw.below(60);
            }
            run_left -= 1;
            self.draw_one(&mut draw, conn, &mut actions);
        }
        actions.push(Action::Sweep);
        actions
    }

    fn is_skipped(&self, action: &Action) -> bool {
        matches!(action, Action::Command { args, .. } if is_named(args, &self.skip))
    }

    fn draw_one(&self, draw: &mut Draw, conn: usize, actions: &mut Vec<Action>) {
        let mut ticket = draw.below(self.total_weight as usize) as u32;
        let chosen = self.templates.iter().find(|(weight, _)| {
            let hit = ticket < *weight;
            ticket = ticket.saturating_sub(if hit { 0 } else { *weight });
            hit
        });
        let Some((_, template)) = chosen else {
            return;
        };
        match template {
            Compiled::Script(make) => actions
                .extend(make(draw, conn).into_iter().filter(|action| !self.is_skipped(action))),
            Compiled::Line(node, may_mutate) => {
                let mut args = Vec::new();
                node.write(draw, &mut args);
                if *may_mutate {
                    mutate::mutate(draw, &mut args);
                }
                if !hazard::is_hazardous(&args) && !is_named(&args, &self.skip) {
                    let touch = hazard::expires_at_once(&args);
                    actions.push(Action::Command { conn, args });
                    actions.extend(touch.map(|args| Action::Command { conn, args }));
                }
            }
        }
    }
}

/// Whether a request is one of `words` (a command, or a command with its sub-command).
fn is_named(args: &[Vec<u8>], words: &[String]) -> bool {
    let text = |i: usize| {
        args.get(i).map(|arg| String::from_utf8_lossy(arg).to_uppercase()).unwrap_or_default()
    };
    let both = format!("{} {}", text(0), text(1));
    words.iter().any(|word| word.eq_ignore_ascii_case(&text(0)) || word.eq_ignore_ascii_case(&both))
}

fn starts_with_any(line: &str, words: &[String]) -> bool {
    let mut parts = line.split_ascii_whitespace();
    let first = parts.next().unwrap_or_default();
    let second = parts.next().unwrap_or_default();
    let both = format!("{first} {second}");
    words.iter().any(|word| word.eq_ignore_ascii_case(first) || word.eq_ignore_ascii_case(&both))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_compiles_and_names_are_unique() {
        Generator::new(&[], &[]).expect("all templates compile");
        let mut names: Vec<_> = FAMILIES.iter().map(|family| family.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FAMILIES.len());
    }

    #[test]
    fn the_same_seed_gives_the_same_script() {
        let generator = Generator::new(&[], &[]).expect("all templates compile");
        assert_eq!(generator.episode(7, 500), generator.episode(7, 500));
        assert_ne!(generator.episode(7, 500), generator.episode(8, 500));
    }

    #[test]
    fn an_unknown_family_is_refused_by_name() {
        assert!(Generator::new(&["strings".to_owned()], &[]).is_err());
    }

    #[test]
    fn skipped_commands_are_not_drawn() {
        let skip = vec!["APPEND".to_owned(), "object freq".to_owned()];
        let generator =
            Generator::new(&["string".to_owned(), "generic".to_owned()], &skip).expect("compiles");
        for seed in 0..20 {
            for action in generator.episode(seed, 300) {
                if let Action::Command { args, .. } = action {
                    assert!(!args[0].eq_ignore_ascii_case(b"append"), "{args:?}");
                }
            }
        }
    }
}
