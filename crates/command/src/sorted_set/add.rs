//! Setting scores.

use super::{KEY, MEMBER};
use crate::spec::{Arg, ArgKind, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use resp::number::parse_f64;
use store::{Ranked, SortedSetEdit};

/// Sets the scores of members of a sorted set.
pub const ZADD: Command = Command::new(
    Spec {
        name: "ZADD",
        arity: Arity::at_least(4),
        keys: &[KeySpec::one(1, &["RW", "update"])],
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        group: Group::SortedSet,
        since: "1.2.0",
        complexity: "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
        summary: "Sets the scores of members of a sorted set, and counts those that are new.",
        args: &[
            KEY,
            Arg::one_of("condition", &[Arg::word("nx", "NX"), Arg::word("xx", "XX")])
                .optional()
                .since("3.0.2"),
            Arg::one_of("comparison", &[Arg::word("gt", "GT"), Arg::word("lt", "LT")])
                .optional()
                .since("6.2.0"),
            Arg::word("change", "CH").optional().since("3.0.2"),
            Arg::word("increment", "INCR").optional().since("3.0.2"),
            Arg::block("score_member", &[Arg::new("score", ArgKind::Double), MEMBER]).multiple(),
        ],
        history: &[
            ("2.4.0", "Accepts multiple elements."),
            ("3.0.2", "Added the `XX`, `NX`, `CH` and `INCR` options."),
            ("6.2.0", "Added the `GT` and `LT` options."),
        ],
        ..Spec::NEW
    },
    zadd,
);

fn zadd(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    set_scores(ctx, args, Terms::default())
}

/// Adds to the score of a member of a sorted set.
pub const ZINCRBY: Command = Command::new(
    Spec {
        name: "ZINCRBY",
        arity: Arity::exactly(4),
        keys: &[KeySpec::one(1, &["RW", "access", "update"])],
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        group: Group::SortedSet,
        since: "1.2.0",
        complexity: "O(log(N)) where N is the number of elements in the sorted set.",
        summary: "Adds to the score of a member of a sorted set, which counts as 0 where it is absent.",
        args: &[KEY, Arg::integer("increment"), MEMBER],
        ..Spec::NEW
    },
    zincrby,
);

fn zincrby(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    // Redis reads ZADD's options here too; each takes the place of the increment, which is a syntax error then.
    set_scores(ctx, args, Terms { increment: true, ..Terms::default() })
}

/// The options of ZADD; GEOADD has some of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    pub(crate) absent: bool,
    pub(crate) present: bool,
    pub(crate) greater: bool,
    pub(crate) less: bool,
    pub(crate) count_changes: bool,
    pub(crate) increment: bool,
}

/// NX and XX contradict each other.
pub(crate) const NX_AND_XX: Failure =
    Failure::new("ERR XX and NX options at the same time are not compatible");
/// GT, LT and NX contradict each other.
const COMPARISONS: Failure =
    Failure::new("ERR GT, LT, and/or NX options at the same time are not compatible");
/// INCR has one score.
const ONE_PAIR: Failure = Failure::new("ERR INCR option supports a single increment-element pair");
/// Infinities of both signs were added.
const NOT_A_NUMBER: Failure = Failure::new("ERR resulting score is not a number (NaN)");

/// What became of some members.
#[derive(Default)]
pub(crate) struct Tally {
    added: i64,
    moved: i64,
}

impl Tally {
    /// The number that the terms ask for.
    pub(crate) fn asked(&self, terms: Terms) -> i64 {
        self.added + if terms.count_changes { self.moved } else { 0 }
    }
}

impl Terms {
    /// Notes the option that this argument is. False when it is none.
    #[inline]
    fn read(&mut self, args: &Args<'_>, position: usize) -> bool {
        let word = args.get(position);
        // Nearly all words that come here are scores.
        if word.len() > 4 || word.first().is_none_or(|byte| !byte.is_ascii_alphabetic()) {
            return false;
        }
        let option = match word.to_ascii_uppercase().as_slice() {
            b"NX" => &mut self.absent,
            b"XX" => &mut self.present,
            b"GT" => &mut self.greater,
            b"LT" => &mut self.less,
            b"CH" => &mut self.count_changes,
            b"INCR" => &mut self.increment,
            _ => return false,
        };
        *option = true;
        true
    }

    /// The score that a member of this old score is to have; `None` to leave it.
    #[inline]
    fn decide(self, old: Option<f64>, given: f64) -> Option<f64> {
        let Some(old) = old else { return (!self.present).then_some(given) };
        let score = if self.increment { old + given } else { given };
        let refused = self.absent || (self.less && score >= old) || (self.greater && score <= old);
        (!refused).then_some(score)
    }

    /// Sets one score by these terms, which say nothing of increments.
    pub(crate) fn set(
        self,
        set: &mut SortedSetEdit<'_, '_>,
        member: &[u8],
        score: f64,
        tally: &mut Tally,
    ) {
        match set.update(member, score, |old| self.decide(old, score)) {
            Ranked::New => tally.added += 1,
            Ranked::Moved => tally.moved += 1,
            Ranked::Same => {}
        }
    }
}

fn set_scores(ctx: &mut Ctx<'_>, args: &Args<'_>, mut terms: Terms) -> Result<(), Failure> {
    let mut first = 2;
    while first < args.len() && terms.read(args, first) {
        first += 1;
    }
    let words = args.len() - first;
    if words == 0 || !words.is_multiple_of(2) {
        return Err(Failure::SYNTAX);
    }
    if terms.absent && terms.present {
        return Err(NX_AND_XX);
    }
    if [terms.absent, terms.greater, terms.less].iter().filter(|set| **set).count() > 1 {
        return Err(COMPARISONS);
    }
    if terms.increment {
        return if words > 2 { Err(ONE_PAIR) } else { increment(ctx, args, first, terms) };
    }
    if words == 2 {
        let score = parse_f64(args.get(first)).ok_or(Failure::NOT_FLOAT)?;
        return set_all(ctx, args, terms, std::iter::once((score, args.get(first + 1))));
    }
    let pairs = (first..args.len()).step_by(2).map(|at| {
        let score = parse_f64(args.get(at)).ok_or(Failure::NOT_FLOAT)?;
        Ok((score, args.get(at + 1)))
    });
    let pairs: Vec<(f64, &[u8])> = pairs.collect::<Result<_, Failure>>()?;
    set_all(ctx, args, terms, pairs)
}

fn set_all<'a>(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    terms: Terms,
    pairs: impl IntoIterator<Item = (f64, &'a [u8])>,
) -> Result<(), Failure> {
    let (key, now) = (args.key(1), ctx.now);
    let tally = ctx.keyspace().edit_sorted_set(&key, now, |set| {
        let mut tally = Tally::default();
        for (score, member) in pairs {
            terms.set(set, member, score, &mut tally);
        }
        tally
    })?;
    ctx.reply.integer(tally.asked(terms));
    Ok(())
}

/// Adds to one score.
fn increment(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    first: usize,
    terms: Terms,
) -> Result<(), Failure> {
    let by = parse_f64(args.get(first)).ok_or(Failure::NOT_FLOAT)?;
    let (key, member, now) = (args.key(1), args.get(first + 1), ctx.now);
    let sum = ctx.keyspace().edit_sorted_set(&key, now, |set| {
        let mut sum = None;
        set.update(member, by, |old| {
            sum = terms.decide(old, by);
            sum.filter(|sum| !sum.is_nan())
        });
        // Infinity and its negative have no sum.
        if sum.is_some_and(f64::is_nan) { Err(NOT_A_NUMBER) } else { Ok(sum) }
    })??;
    match sum {
        Some(sum) => ctx.reply.double(sum),
        None => ctx.reply.null(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::{check, check3};

    #[test]
    fn members_are_added_and_moved() {
        check(
            "ZADD z 1 a 2 b; ZADD z 3 a 2 b 0 c; ZRANGE z 0 -1 WITHSCORES; ZADD z CH 4 a 2 b 5 d; ZRANGE z 0 -1; ZADD z 1 x 2 x; ZSCORE z x",
            "2; 1; [c 0 b 2 a 3]; 2; [c b a d]; 1; 2",
        );
        check(
            "ZADD z 1 b 1 a 1 10 1 9; ZRANGE z 0 -1; ZADD z 0 b; ZADD z 2 10; ZRANGE z 0 -1",
            "4; [10 9 a b]; 0; 0; [b 9 a 10]",
        );
        check3(
            "ZADD z 1.5 a; ZADD z INCR 1 a; ZINCRBY z -2.5 a; ZADD z NX INCR 1 a",
            "1; ,2.5; ,0; nil",
        );
    }

    #[test]
    fn conditions_refuse_members_one_by_one() {
        check(
            "ZADD z XX 1 a; EXISTS z; ZADD z NX 1 a; ZADD z NX 2 a 2 b; ZADD z XX CH 5 a 5 c; ZRANGE z 0 -1 WITHSCORES",
            "0; 0; 1; 1; 1; [b 2 a 5]",
        );
        check(
            "ZADD z 5 a; ZADD z GT CH 4 a 6 b; ZADD z LT CH 6 a 4 a; ZADD z GT CH 9 a; ZADD z XX GT CH 10 b 1 c; ZRANGE z 0 -1 WITHSCORES",
            "1; 1; 1; 1; 1; [a 9 b 10]",
        );
        check(
            "ZADD z 5 a; ZADD z GT INCR -1 a; ZADD z LT INCR -1 a; ZADD z XX INCR 1 b; ZADD z GT INCR 1 c",
            "1; nil; 4; nil; 1",
        );
    }

    #[test]
    fn contradictions_are_refused_before_anything_happens() {
        check(
            "ZADD z NX XX 1 a; ZADD z NX GT 1 a; ZADD z GT LT 1 a; ZADD z INCR 1 a 2 b; ZADD z NX NX 1; ZADD z 1 a 2; ZADD z NX XX 1",
            "ERR XX and NX options at the same time are not compatible; \
             ERR GT, LT, and/or NX options at the same time are not compatible; \
             ERR GT, LT, and/or NX options at the same time are not compatible; \
             ERR INCR option supports a single increment-element pair; ERR syntax error; ERR syntax error; ERR syntax error",
        );
        check(
            "ZADD z 1 a x b; ZADD z nan a; ZADD z \"\" a; ZADD z \" 1\" a; ZADD z 1e400 a; ZADD z (1 a; ZINCRBY z NX a; ZINCRBY z x a; EXISTS z",
            "ERR value is not a valid float; ERR value is not a valid float; ERR value is not a valid float; \
             ERR value is not a valid float; ERR value is not a valid float; ERR value is not a valid float; \
             ERR syntax error; ERR value is not a valid float; 0",
        );
        check(
            "SET s v; ZADD s 1 a; ZADD s x a; ZINCRBY s 1 a",
            "OK; WRONGTYPE; ERR value is not a valid float; WRONGTYPE",
        );
    }

    #[test]
    fn infinities_are_scores_but_not_numbers_is_none() {
        check(
            "ZADD z inf a -inf b +infinity c 0x1p3 d; ZRANGE z 0 -1 WITHSCORES; ZINCRBY z -inf a; ZADD z INCR GT inf b; ZADD z NX INCR inf b; ZINCRBY z inf a; ZSCORE z b",
            "4; [b -inf d 8 a inf c inf]; ERR resulting score is not a number (NaN); \
             ERR resulting score is not a number (NaN); nil; inf; -inf",
        );
    }

    #[test]
    fn a_sorted_set_is_packed_up_to_its_thresholds() {
        let (fits, long) = ("v".repeat(64), "v".repeat(65));
        check(
            &format!(
                "ZADD z 1 {fits}; OBJECT ENCODING z; TYPE z; ZADD z 0.5 {long}; OBJECT ENCODING z; ZRANGE z 0 -1 WITHSCORES"
            ),
            &format!("1; listpack; zset; 1; skiplist; [{long} 0.5 {fits} 1]"),
        );
        check(
            "@set zset-max-listpack-entries 2; ZADD z 1 a 2 b; OBJECT ENCODING z; ZADD z 3 b; OBJECT ENCODING z; ZADD z 2 c; OBJECT ENCODING z; ZRANGE z 0 -1; ZREM z a b; OBJECT ENCODING z",
            "2; listpack; 0; listpack; 1; skiplist; [a c b]; 2; skiplist",
        );
        check("@set zset-max-listpack-entries 0; ZADD z 1 a; OBJECT ENCODING z", "1; skiplist");
        check(
            "@set zset-max-listpack-value 3; ZADD z 1 abc; OBJECT ENCODING z; ZADD z 1 1000; OBJECT ENCODING z",
            "1; listpack; 1; skiplist",
        );
    }

    #[test]
    fn a_packed_minus_zero_is_zero() {
        check(
            "ZADD z -0 a; ZSCORE z a; ZADD z INCR -0 b; ZSCORE z b; @set zset-max-listpack-entries 0; ZADD y -0 a; ZSCORE y a",
            "1; 0; -0; 0; 1; -0",
        );
    }

    #[test]
    fn scores_are_shown_by_their_shortest_digits() {
        check(
            "ZADD z 0.1 a 1e20 b 5e-324 c 4611686018427387904 d 4611686018427387000 e 3.0 f 1e-7 g; ZMSCORE z a b c d e f g",
            "7; [0.1 1e+20 5e-324 4611686018427387904 4611686018427386880 3 1e-7]",
        );
    }
}
