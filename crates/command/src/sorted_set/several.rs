//! Several sets and sorted sets at once: unions, intersections and differences.
//!
//! A member of a set counts with score 1. Sources are taken in the order of their sizes, the smallest first, which shows
//! in the last digits of sums; only the first of a difference stays the first.

use super::{WITH_SCORES, reply_member, width};
use crate::spec::{Arg, Arity, Command, Fanout, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use resp::number::parse_f64;
use std::collections::HashMap;
use store::{Kind, Look, Scored, Set, SortedSet, Store, Str, parse_integer};

/// What becomes of several sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Union,
    Intersection,
    Difference,
}

/// How two scores of one member become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    /// Infinities of both signs add to 0, as in Redis.
    fn of(self, one: f64, other: f64) -> f64 {
        match self {
            Aggregate::Sum => number_or_0(one + other),
            Aggregate::Min => {
                if other < one {
                    other
                } else {
                    one
                }
            }
            Aggregate::Max => {
                if other > one {
                    other
                } else {
                    one
                }
            }
        }
    }
}

/// Infinity times 0 is 0, as in Redis.
fn number_or_0(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// One of the sets.
#[derive(Clone, Copy)]
struct Source<'a> {
    body: Body<'a>,
    weight: f64,
    /// Where it stands in the request.
    index: usize,
}

#[derive(Clone, Copy)]
enum Body<'a> {
    Nothing,
    Sorted(SortedSet<'a>),
    Set(Set<'a>),
}

/// A member as all forms of sets call it.
fn named(member: Str<'_>) -> Str<'_> {
    match member {
        Str::Bytes(bytes) => parse_integer(bytes).map_or(member, Str::Int),
        Str::Int(_) => member,
    }
}

impl<'a> Source<'a> {
    fn len(&self) -> usize {
        match self.body {
            Body::Nothing => 0,
            Body::Sorted(set) => set.len(),
            Body::Set(set) => set.len(),
        }
    }

    fn score(&self, member: Str<'_>) -> Option<f64> {
        match self.body {
            Body::Nothing => None,
            Body::Sorted(set) => set.score(member.as_bytes(&mut itoa::Buffer::new())),
            Body::Set(set) => set.contains_str(member).then_some(1.0),
        }
    }

    fn iter(&self) -> impl Iterator<Item = Scored<'a>> + use<'a> {
        let (mut sorted, mut plain) = (None, None);
        match self.body {
            Body::Nothing => {}
            Body::Sorted(set) => sorted = Some(set.iter_from(0)),
            Body::Set(set) => plain = Some(set.iter().map(|member| Scored { member, score: 1.0 })),
        }
        let all = sorted.into_iter().flatten().chain(plain.into_iter().flatten());
        all.map(|Scored { member, score }| Scored { member: named(member), score })
    }
}

/// What was asked for.
struct Asked {
    op: Op,
    first: usize,
    keys: usize,
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    /// How many members at the most; 0 for all.
    limit: usize,
}

/// What a command takes behind its keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// It replies with members.
    Read,
    /// It stores them.
    Store,
    /// It counts them.
    Count,
}

/// A weight that is none.
const NOT_WEIGHT: Failure = Failure::new("ERR weight value is not a float");
/// A limit that is none.
const NOT_LIMIT: Failure = Failure::new("ERR LIMIT can't be negative");

impl Asked {
    /// Reads how many keys there are, at `position`.
    fn keys(args: &Args<'_>, position: usize, op: Op, name: &str) -> Result<Asked, Failure> {
        let keys = args.integer(position).ok_or(Failure::NOT_INTEGER)?;
        if keys < 1 {
            return Err(Failure::text(format!(
                "ERR at least 1 input key is needed for '{name}' command"
            )));
        }
        let first = position + 1;
        let keys = usize::try_from(keys).ok().filter(|keys| *keys <= args.len() - first);
        Ok(Asked {
            op,
            first,
            keys: keys.ok_or(Failure::SYNTAX)?,
            weights: Vec::new(),
            aggregate: Aggregate::Sum,
            with_scores: false,
            limit: 0,
        })
    }

    /// Reads what stands behind the keys.
    fn options(&mut self, args: &Args<'_>, shape: Shape) -> Result<(), Failure> {
        let mut at = self.first + self.keys;
        let combines = self.op != Op::Difference && shape != Shape::Count;
        while at < args.len() {
            let left = args.len() - at - 1;
            if combines && left >= self.keys && args.is(at, "WEIGHTS") {
                let weights = args.from(at + 1).take(self.keys).map(parse_f64);
                self.weights = weights.collect::<Option<_>>().ok_or(NOT_WEIGHT)?;
                at += 1 + self.keys;
            } else if combines && left >= 1 && args.is(at, "AGGREGATE") {
                self.aggregate = match () {
                    () if args.is(at + 1, "SUM") => Aggregate::Sum,
                    () if args.is(at + 1, "MIN") => Aggregate::Min,
                    () if args.is(at + 1, "MAX") => Aggregate::Max,
                    () => return Err(Failure::SYNTAX),
                };
                at += 2;
            } else if shape == Shape::Read && args.is(at, "WITHSCORES") {
                self.with_scores = true;
                at += 1;
            } else if shape == Shape::Count && left >= 1 && args.is(at, "LIMIT") {
                let limit = args.integer(at + 1).and_then(|limit| usize::try_from(limit).ok());
                self.limit = limit.ok_or(NOT_LIMIT)?;
                at += 2;
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        Ok(())
    }

    /// Looks all keys up, as commands that read do, and refuses those of other types.
    fn look(&self, ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
        let now = ctx.now;
        for position in self.first..self.first + self.keys {
            match ctx.keyspace().kind_as(&args.key(position), Look::Read, now) {
                None | Some(Kind::Set | Kind::SortedSet) => {}
                Some(_) => return Err(Failure::WRONG_TYPE),
            }
        }
        Ok(())
    }

    /// The sources in the order in which they are taken.
    fn sources<'s>(
        &self,
        store: &'s Store,
        db: u8,
        now: base::Now,
        args: &Args<'_>,
    ) -> Result<Vec<Source<'s>>, Failure> {
        let mut sources = Vec::with_capacity(self.keys);
        for index in 0..self.keys {
            let key = args.key(self.first + index);
            let body = match store.see_sorted_set(db, &key, now) {
                Ok(Some(set)) => Body::Sorted(set),
                Ok(None) => Body::Nothing,
                Err(_) => store.see_set(db, &key, now)?.map_or(Body::Nothing, Body::Set),
            };
            let weight = self.weights.get(index).copied().unwrap_or(1.0);
            sources.push(Source { body, weight, index });
        }
        if self.op != Op::Difference {
            sources.sort_by_key(|source| (source.len(), source.index));
        }
        Ok(sources)
    }

    /// Shows the members of the result in no order, until `show` has enough.
    fn each<'s>(&self, sources: &[Source<'s>], mut show: impl FnMut(Scored<'s>) -> bool) {
        let Some((first, others)) = sources.split_first() else { return };
        match self.op {
            Op::Union => self
                .union(sources)
                .into_iter()
                .all(|(member, score)| show(Scored { member, score })),
            Op::Intersection => first.iter().all(|Scored { member, score }| {
                let mut score = number_or_0(score * first.weight);
                let everywhere = others.iter().all(|other| match other.score(member) {
                    Some(more) => {
                        score = self.aggregate.of(score, more * other.weight);
                        true
                    }
                    None => false,
                });
                !everywhere || show(Scored { member, score })
            }),
            Op::Difference => first.iter().all(|scored| {
                others.iter().any(|other| other.score(scored.member).is_some()) || show(scored)
            }),
        };
    }

    fn union<'s>(&self, sources: &[Source<'s>]) -> HashMap<Str<'s>, f64> {
        let mut all = HashMap::with_capacity(sources.iter().map(Source::len).max().unwrap_or(0));
        for source in sources {
            for Scored { member, score } in source.iter() {
                let score = number_or_0(score * source.weight);
                all.entry(member)
                    .and_modify(|old| *old = self.aggregate.of(*old, score))
                    .or_insert(score);
            }
        }
        all
    }

    /// The members of the result in their order.
    fn sorted<'s>(&self, sources: &[Source<'s>]) -> Vec<Scored<'s>> {
        let mut all = Vec::new();
        self.each(sources, |scored| {
            all.push(scored);
            true
        });
        let mut buffers = (itoa::Buffer::new(), itoa::Buffer::new());
        all.sort_unstable_by(|a, b| {
            let (a_name, b_name) = (&a.member, &b.member);
            let by_score = a.score.partial_cmp(&b.score).expect("scores are numbers");
            by_score
                .then_with(|| a_name.as_bytes(&mut buffers.0).cmp(b_name.as_bytes(&mut buffers.1)))
        });
        all
    }
}

/// Replies with the result.
fn read(ctx: &mut Ctx<'_>, args: &Args<'_>, op: Op, name: &str) -> Result<(), Failure> {
    let mut asked = Asked::keys(args, 1, op, name)?;
    asked.look(ctx, args)?;
    asked.options(args, Shape::Read)?;
    let sources = asked.sources(ctx.store, ctx.db, ctx.now, args)?;
    let all = asked.sorted(&sources);
    ctx.reply.array(all.len() * width(&ctx.reply, asked.with_scores));
    for scored in all {
        reply_member(&mut ctx.reply, scored, asked.with_scores);
    }
    Ok(())
}

/// Stores the result.
fn store(ctx: &mut Ctx<'_>, args: &Args<'_>, op: Op, name: &str) -> Result<(), Failure> {
    let mut asked = Asked::keys(args, 2, op, name)?;
    asked.look(ctx, args)?;
    asked.options(args, Shape::Store)?;
    let sources = asked.sources(ctx.store, ctx.db, ctx.now, args)?;
    let all = asked.sorted(&sources);
    let made = ctx.store.make_sorted_set(ctx.now, |set| {
        set.admit(all.len(), || all.iter().map(|scored| scored.member.len()).max().unwrap_or(0));
        let mut buffer = itoa::Buffer::new();
        for Scored { member, score } in &all {
            set.set(member.as_bytes(&mut buffer), *score);
        }
    });
    let (len, now) = (all.len(), ctx.now);
    ctx.keyspace().put_made(&args.key(1), made, now);
    ctx.reply.integer(len as i64);
    Ok(())
}

/// What the commands that reply with members have in common.
const READING: Spec = Spec {
    arity: Arity::at_least(3),
    keys: &[KeySpec::counted(1, &["RO", "access"])],
    flags: Flags::READONLY.and(Flags::MOVABLEKEYS),
    fanout: Fanout::Loan,
    group: Group::SortedSet,
    since: "6.2.0",
    ..Spec::NEW
};

/// What the commands that store have in common.
const STORING: Spec = Spec {
    arity: Arity::at_least(4),
    keys: &[KeySpec::one(1, &["OW", "update"]), KeySpec::counted(2, &["RO", "access"])],
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::MOVABLEKEYS),
    fanout: Fanout::Loan,
    group: Group::SortedSet,
    ..Spec::NEW
};

/// The number of keys in COMMAND DOCS.
const NUMKEYS: Arg = Arg::integer("numkeys");
/// The keys of a command that reads, in COMMAND DOCS.
const KEYS: Arg = Arg::key("key", 0).multiple();
/// The keys of a command that stores, in COMMAND DOCS.
const SOURCES: Arg = Arg::key("key", 1).multiple();
/// Where results go, in COMMAND DOCS.
const DESTINATION: Arg = Arg::key("destination", 0);
/// WEIGHTS in COMMAND DOCS.
const WEIGHTS: Arg = Arg::integer("weight").token("WEIGHTS").optional().multiple();
/// AGGREGATE in COMMAND DOCS.
const AGGREGATE: Arg = Arg::one_of(
    "aggregate",
    &[Arg::word("sum", "SUM"), Arg::word("min", "MIN"), Arg::word("max", "MAX")],
)
.token("AGGREGATE")
.optional();

/// What a difference costs.
const DIFFERENCE: &str = "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the size of the first set, and K is the size of the result set.";
/// What an intersection costs.
const INTERSECTION: &str = "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of input sorted sets and M being the number of elements in the resulting sorted set.";

/// Returns the members of the first of several sorted sets that no other has.
pub const ZDIFF: Command = Command::new(
    Spec {
        name: "ZDIFF",
        complexity: DIFFERENCE,
        summary: "Returns the members of the first of several sorted sets that no other has.",
        args: &[NUMKEYS, KEYS, WITH_SCORES],
        ..READING
    },
    zdiff,
);

fn zdiff(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    read(ctx, args, Op::Difference, "zdiff")
}

/// Stores the members of the first of several sorted sets that no other has.
pub const ZDIFFSTORE: Command = Command::new(
    Spec {
        name: "ZDIFFSTORE",
        since: "6.2.0",
        complexity: DIFFERENCE,
        summary: "Stores the members of the first of several sorted sets that no other has.",
        args: &[DESTINATION, NUMKEYS, SOURCES],
        ..STORING
    },
    zdiffstore,
);

fn zdiffstore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    store(ctx, args, Op::Difference, "zdiffstore")
}

/// Returns the members that all of several sorted sets have.
pub const ZINTER: Command = Command::new(
    Spec {
        name: "ZINTER",
        complexity: INTERSECTION,
        summary: "Returns the members that all of several sorted sets have.",
        args: &[NUMKEYS, KEYS, WEIGHTS, AGGREGATE, WITH_SCORES],
        ..READING
    },
    zinter,
);

fn zinter(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    read(ctx, args, Op::Intersection, "zinter")
}

/// Counts the members that all of several sorted sets have.
pub const ZINTERCARD: Command = Command::new(
    Spec {
        name: "ZINTERCARD",
        since: "7.0.0",
        complexity: "O(N*K) worst case with N being the smallest input sorted set, K being the number of input sorted sets.",
        summary: "Counts the members that all of several sorted sets have.",
        args: &[NUMKEYS, KEYS, Arg::integer("limit").token("LIMIT").optional()],
        ..READING
    },
    zintercard,
);

fn zintercard(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let mut asked = Asked::keys(args, 1, Op::Intersection, "zintercard")?;
    asked.look(ctx, args)?;
    asked.options(args, Shape::Count)?;
    let sources = asked.sources(ctx.store, ctx.db, ctx.now, args)?;
    let mut count = 0;
    asked.each(&sources, |_| {
        count += 1;
        count != asked.limit
    });
    ctx.reply.integer(count as i64);
    Ok(())
}

/// Stores the members that all of several sorted sets have.
pub const ZINTERSTORE: Command = Command::new(
    Spec {
        name: "ZINTERSTORE",
        since: "2.0.0",
        complexity: INTERSECTION,
        summary: "Stores the members that all of several sorted sets have.",
        args: &[DESTINATION, NUMKEYS, SOURCES, WEIGHTS, AGGREGATE],
        ..STORING
    },
    zinterstore,
);

fn zinterstore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    store(ctx, args, Op::Intersection, "zinterstore")
}

/// What a union costs.
const UNION: &str = "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of elements in the resulting sorted set.";

/// Returns the members that any of several sorted sets has.
pub const ZUNION: Command = Command::new(
    Spec {
        name: "ZUNION",
        complexity: UNION,
        summary: "Returns the members that any of several sorted sets has.",
        args: &[NUMKEYS, KEYS, WEIGHTS, AGGREGATE, WITH_SCORES],
        ..READING
    },
    zunion,
);

fn zunion(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    read(ctx, args, Op::Union, "zunion")
}

/// Stores the members that any of several sorted sets has.
pub const ZUNIONSTORE: Command = Command::new(
    Spec {
        name: "ZUNIONSTORE",
        since: "2.0.0",
        complexity: "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of elements in the resulting sorted set.",
        summary: "Stores the members that any of several sorted sets has.",
        args: &[DESTINATION, NUMKEYS, SOURCES, WEIGHTS, AGGREGATE],
        ..STORING
    },
    zunionstore,
);

fn zunionstore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    store(ctx, args, Op::Union, "zunionstore")
}

#[cfg(test)]
mod tests {
    use crate::check::{check, check3};

    const TWO: &str = "ZADD a 1 x 2 y 3 z; ZADD b 10 y 20 z 30 w;";

    #[test]
    fn several_sorted_sets_become_one() {
        for entries in ["128", "0"] {
            let two = format!("@set zset-max-listpack-entries {entries}; {TWO}");
            check(
                &format!(
                    "{two} ZUNION 2 a b WITHSCORES; ZINTER 2 a b WITHSCORES; ZDIFF 2 a b WITHSCORES; ZDIFF 2 b a; ZINTERCARD 2 a b; ZINTERCARD 2 a b LIMIT 1; ZINTERCARD 3 a b none; ZDIFF 1 a; ZDIFF 2 none a"
                ),
                "3; 3; [x 1 y 12 z 23 w 30]; [y 12 z 23]; [x 1]; [w]; 2; 1; 0; [x y z]; []",
            );
            check(
                &format!(
                    "{two} ZUNIONSTORE d 2 a b WEIGHTS 2 -1; ZRANGE d 0 -1 WITHSCORES; ZINTERSTORE d 2 a b AGGREGATE MAX; ZRANGE d 0 -1 WITHSCORES; ZDIFFSTORE d 2 a a; EXISTS d; ZUNIONSTORE a 2 a a AGGREGATE MIN; ZRANGE a 0 -1 WITHSCORES"
                ),
                "3; 3; 4; [w -30 z -14 y -6 x 2]; 2; [y 10 z 20]; 0; 0; 3; [x 1 y 2 z 3]",
            );
        }
        check3(
            &format!("{TWO} ZUNION 2 a b WITHSCORES; ZINTER 2 a b"),
            "3; 3; [[x ,1] [y ,12] [z ,23] [w ,30]]; [y z]",
        );
    }

    #[test]
    fn sets_count_with_score_1() {
        check(
            "ZADD a 2 x 3 5 4 y; SADD s x 5; SADD ints 5 6; ZUNION 3 a s ints WITHSCORES; ZINTER 2 a ints WITHSCORES; ZINTER 2 s a WEIGHTS 10 1 WITHSCORES; ZDIFF 2 a s WITHSCORES; ZDIFF 2 s a; ZUNIONSTORE d 1 s; ZRANGE d 0 -1 WITHSCORES",
            "3; 2; 2; [6 1 x 3 y 4 5 5]; [5 4]; [x 12 5 13]; [y 4]; []; 2; [5 1 x 1]",
        );
    }

    #[test]
    fn what_is_no_number_is_zero() {
        check(
            "ZADD a inf x; ZADD b -inf x; ZUNION 2 a b WITHSCORES; ZINTER 2 a b WITHSCORES; ZUNION 1 a WEIGHTS 0 WITHSCORES; ZUNION 2 a b WEIGHTS 1 nan",
            "1; 1; [x 0]; [x 0]; [x 0]; ERR weight value is not a float",
        );
    }

    #[test]
    fn arguments_are_checked_after_the_types_of_keys() {
        check(
            "SET s v; ZUNION 1 s FOO; ZUNION 0 s; ZUNION x s; ZUNION 2 s; ZUNIONSTORE d 0 s; ZINTERCARD 1 none LIMIT -1; ZINTERCARD 1 none LIMIT x; ZINTERCARD 1 none WITHSCORES; \
             ZUNION 1 none AGGREGATE x; ZUNION 2 none a WEIGHTS 1; ZDIFF 1 none WEIGHTS 1; ZUNIONSTORE d 1 none WITHSCORES; ZUNION 1 none WEIGHTS x; ZUNION 9223372036854775807 a",
            "OK; WRONGTYPE; ERR at least 1 input key is needed for 'zunion' command; ERR value is not an integer or out of range; ERR syntax error; \
             ERR at least 1 input key is needed for 'zunionstore' command; ERR LIMIT can't be negative; ERR LIMIT can't be negative; ERR syntax error; \
             ERR syntax error; ERR syntax error; ERR syntax error; ERR syntax error; ERR weight value is not a float; ERR syntax error",
        );
    }

    #[test]
    fn a_result_takes_the_form_of_its_size() {
        check(
            "@set zset-max-listpack-entries 2; ZADD a 1 x 2 y; ZADD b 3 z; ZUNIONSTORE d 2 a b; OBJECT ENCODING d; ZINTERSTORE d 1 a; OBJECT ENCODING d; EXPIRE d 100; ZUNIONSTORE d 1 a; TTL d",
            "2; 1; 3; skiplist; 2; listpack; 1; 2; -1",
        );
    }

    #[test]
    fn a_negative_zero_stays_one_where_the_result_is_not_packed() {
        for (entries, zero) in [(1, "-0"), (2, "0")] {
            check(
                &format!(
                    "@set zset-max-listpack-entries 0; ZADD a -0 x 1 y; @set zset-max-listpack-entries {entries}; ZUNIONSTORE d 1 a; ZSCORE d x; ZDIFFSTORE d 2 a none; ZSCORE d x"
                ),
                &format!("2; 2; {zero}; 2; {zero}"),
            );
        }
    }
}
