//! Sorted sets as plain values. Scores are whole numbers.

use super::keyspace::{Bench, Held, Told, number};
use std::collections::BTreeMap;

impl Bench<'_> {
    /// Does what a command on sorted sets says.
    pub(super) fn of_scored(&mut self, name: &[u8], words: &[Vec<u8>]) -> Told {
        let mut scores = self.scores(&words[1]);
        match name {
            b"ZADD" => {
                let new = scores.insert(words[3].clone(), number(&words[2])).is_none();
                self.put(&words[1], Some(Held::Scored(scores)));
                Told::Number(i64::from(new))
            }
            b"ZREM" => {
                let there = scores.remove(&words[2]).is_some();
                self.put_if(there, &words[1], Held::Scored(scores));
                Told::Number(i64::from(there))
            }
            b"ZCARD" => Told::Number(scores.len() as i64),
            b"ZRANGE" => Told::Several(ordered(&scores).into_iter().map(Told::Bytes).collect()),
            b"ZPOPMIN" => Told::Several(match self.pop_least(&words[1]) {
                Some((member, score)) => vec![member, score],
                None => Vec::new(),
            }),
            b"ZRANGESTORE" => {
                let scores = self.scores(&words[2]);
                let count = scores.len() as i64;
                self.replace(&words[1], Some(Held::Scored(scores)));
                Told::Number(count)
            }
            other => unreachable!("{} is not in the model", other.escape_ascii()),
        }
    }

    /// A sorted set.
    pub(super) fn scores(&self, key: &[u8]) -> BTreeMap<Vec<u8>, i64> {
        match self.get(key) {
            Some(Held::Scored(scores)) => scores.clone(),
            _ => BTreeMap::new(),
        }
    }

    /// Takes the first member; gives it and its score.
    pub(super) fn pop_least(&mut self, key: &[u8]) -> Option<(Told, Told)> {
        let mut scores = self.scores(key);
        let member = ordered(&scores).into_iter().next()?;
        let score = scores.remove(&member).expect("a member has a score");
        self.put(key, Some(Held::Scored(scores)));
        Some((Told::Bytes(member), Told::Bytes(score.to_string().into_bytes())))
    }
}

/// The members by score, and those of one score by name.
fn ordered(scores: &BTreeMap<Vec<u8>, i64>) -> Vec<Vec<u8>> {
    let mut members: Vec<(i64, &Vec<u8>)> =
        scores.iter().map(|(member, score)| (*score, member)).collect();
    members.sort_unstable();
    members.into_iter().map(|(_, member)| member.clone()).collect()
}
