//! The little language of templates.
//!
//! | written | means |
//! |---|---|
//! | `WORD` | the word itself |
//! | `<kind>` | a drawn argument; the kinds are listed in `draw.rs` |
//! | `[a b]` | present or not |
//! | `(a\|b c\|d)` | one of these; `[a\|b]` is one of these or nothing |
//! | `{a [b] c}` | all of these in any order |
//! | `x*`, `x+` | repeated none or one to four times |

use anyhow::{Result, bail};

use super::draw::{Draw, Kind};

/// A compiled piece of template.
#[derive(Debug)]
pub enum Node {
    Word(Vec<u8>),
    Arg(Kind),
    Sequence(Vec<Node>),
    Choice(Vec<Node>),
    Optional(Box<Node>),
    AnyOrder(Vec<Node>),
    Repeat(Box<Node>, usize),
}

/// Repetitions beyond this teach nothing new.
const REPEAT_MAX: usize = 4;

impl Node {
    /// Draws one instance and appends its arguments.
    pub fn write(&self, draw: &mut Draw, out: &mut Vec<Vec<u8>>) {
        match self {
            Node::Word(word) => out.push(draw.cased(word)),
            Node::Arg(kind) => out.push(draw.arg(*kind)),
            Node::Sequence(nodes) => nodes.iter().for_each(|node| node.write(draw, out)),
            Node::Choice(nodes) => nodes[draw.below(nodes.len())].write(draw, out),
            Node::Optional(node) => {
                if draw.chance(40) {
                    node.write(draw, out);
                }
            }
            Node::AnyOrder(nodes) => {
                let mut order: Vec<usize> = (0..nodes.len()).collect();
                draw.shuffle(&mut order);
                order.into_iter().for_each(|i| nodes[i].write(draw, out));
            }
            Node::Repeat(node, least) => {
                for _ in 0..least + draw.below(REPEAT_MAX + 1 - least) {
                    node.write(draw, out);
                }
            }
        }
    }
}

/// Compiles a template line.
pub fn compile(text: &str) -> Result<Node> {
    let mut parser = Parser { rest: text };
    let node = parser.alternatives()?;
    if !parser.rest.is_empty() {
        bail!("template {text:?}: cannot read {:?}", parser.rest);
    }
    Ok(node)
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn alternatives(&mut self) -> Result<Node> {
        let mut branches = vec![self.sequence()?];
        while self.take('|') {
            branches.push(self.sequence()?);
        }
        Ok(if branches.len() == 1 { branches.remove(0) } else { Node::Choice(branches) })
    }

    fn sequence(&mut self) -> Result<Node> {
        Ok(Node::Sequence(self.nodes()?))
    }

    fn nodes(&mut self) -> Result<Vec<Node>> {
        let mut nodes = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            match self.rest.chars().next() {
                None | Some(']' | ')' | '}' | '|') => return Ok(nodes),
                Some(_) => {}
            }
            let node = self.one()?;
            nodes.push(if self.take('*') {
                Node::Repeat(Box::new(node), 0)
            } else if self.take('+') {
                Node::Repeat(Box::new(node), 1)
            } else {
                node
            });
        }
    }

    fn one(&mut self) -> Result<Node> {
        if self.take('[') {
            let inner = self.alternatives()?;
            self.expect(']')?;
            return Ok(Node::Optional(Box::new(inner)));
        }
        if self.take('(') {
            let inner = self.alternatives()?;
            self.expect(')')?;
            return Ok(inner);
        }
        if self.take('{') {
            let inner = self.nodes()?;
            self.expect('}')?;
            return Ok(Node::AnyOrder(inner));
        }
        if self.take('<') {
            let Some((kind, rest)) = self.rest.split_once('>') else {
                bail!("'<' without '>' before {:?}", self.rest);
            };
            self.rest = rest;
            return Ok(Node::Arg(Kind::named(kind)?));
        }
        let end = self
            .rest
            .find(|c: char| c.is_whitespace() || "[](){}<>|*+".contains(c))
            .unwrap_or(self.rest.len());
        if end == 0 {
            bail!("cannot read {:?}", self.rest);
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(Node::Word(word.as_bytes().to_vec()))
    }

    fn take(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, c: char) -> Result<()> {
        if self.take(c) {
            return Ok(());
        }
        bail!("{c:?} is missing before {:?}", self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(template: &str) -> Vec<String> {
        let node = compile(template).expect("the template is good");
        let mut draw = Draw::new(1);
        let mut seen: Vec<String> = (0..300)
            .map(|_| {
                let mut args = Vec::new();
                node.write(&mut draw, &mut args);
                let words: Vec<_> =
                    args.iter().map(|a| String::from_utf8_lossy(a).to_uppercase()).collect();
                words.join(" ")
            })
            .collect();
        seen.sort();
        seen.dedup();
        seen
    }

    #[test]
    fn choices_and_options_produce_every_form() {
        assert_eq!(all("A [B|C D]"), ["A", "A B", "A C D"]);
        assert_eq!(all("(A|B)+").len(), 2 + 4 + 8 + 16);
        assert_eq!(all("{A B}"), ["A B", "B A"]);
    }

    #[test]
    fn bad_templates_are_refused() {
        for bad in ["A [B", "A <nokind>", "A <key", "A ) B"] {
            assert!(compile(bad).is_err(), "{bad}");
        }
    }
}
