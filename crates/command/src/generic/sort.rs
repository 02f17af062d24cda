//! SORT and SORT_RO: the elements of a list, set or sorted set in another order, with what other keys say of them.
//!
//! The elements are copied out first, because looking up other keys may change the keyspace. Which other keys these
//! are follows from the elements: [`DERIVED`] names them to an engine whose cores have to lend them.

mod pattern;
mod told;

use self::pattern::{Pattern, Texts};
use self::told::Told;
use crate::spec::{
    Arg, ArgKind, Arity, Begin, Command, Derived, Fanout, Find, Flags, Group, KeySpec, Spec,
};
use crate::string::reply_text;
use crate::{Args, Ctx, Failure};
use base::{Now, until_nul};
use std::cmp::Ordering;
use store::{Anything, End, Look, Store, Str};

/// Sorts the elements of a list, set or sorted set, and may store them.
pub const SORT: Command = Command::new(
    Spec {
        name: "SORT",
        arity: Arity::at_least(2),
        keys: &[KeySpec::one(1, &["RO", "access"]), PATTERN_KEYS, DESTINATION_KEY],
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::MOVABLEKEYS),
        fanout: Fanout::Loan,
        derived: Some(DERIVED),
        group: Group::Generic,
        categories: &["-@keyspace", "@set", "@sortedset", "@list", "@dangerous"],
        since: "1.0.0",
        complexity: COMPLEXITY,
        summary: "Sorts the elements of a list, set or sorted set, and may store them.",
        args: &[
            Arg::key("key", 0),
            BY,
            LIMIT,
            GET,
            ORDER,
            ALPHA,
            Arg::key("destination", 2).token("STORE").optional(),
        ],
        ..Spec::NEW
    },
    |ctx, args| sort(ctx, args, true),
);

/// Sorts the elements of a list, set or sorted set.
pub const SORT_RO: Command = Command::new(
    Spec {
        name: "SORT_RO",
        arity: Arity::at_least(2),
        keys: &[KeySpec::one(1, &["RO", "access"]), PATTERN_KEYS],
        flags: Flags::READONLY.and(Flags::MOVABLEKEYS),
        fanout: Fanout::Loan,
        derived: Some(DERIVED),
        group: Group::Generic,
        categories: &["-@keyspace", "@set", "@sortedset", "@list", "@dangerous"],
        since: "7.0.0",
        complexity: COMPLEXITY,
        summary: "Sorts the elements of a list, set or sorted set.",
        args: &[Arg::key("key", 0), BY, LIMIT, GET, ORDER, ALPHA],
        ..Spec::NEW
    },
    |ctx, args| sort(ctx, args, false),
);

const COMPLEXITY: &str = "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of returned elements. When the elements are not sorted, complexity is O(N).";
const BY: Arg = Arg::new("pattern", ArgKind::Pattern).names_keys(1).token("BY").optional();
const LIMIT: Arg = Arg::block("offset_count", &[Arg::integer("offset"), Arg::integer("count")])
    .token("LIMIT")
    .optional();
const GET: Arg = Arg::new("pattern", ArgKind::Pattern)
    .names_keys(1)
    .token("GET")
    .optional()
    .multiple()
    .each_with_token();
const ORDER: Arg =
    Arg::one_of("order", &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")]).optional();
const ALPHA: Arg = Arg::word("sorting", "ALPHA").optional();

const PATTERN_KEYS: KeySpec = KeySpec {
    flags: &["RO", "access"],
    begin: Begin::Unknown(|_| None),
    find: Find::Range { last: 0, step: 1, limit: 0 },
    notes: "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we sort",
};
const DESTINATION_KEY: KeySpec = KeySpec {
    flags: &["OW", "update"],
    begin: Begin::Unknown(told::destination),
    find: Find::Range { last: 0, step: 1, limit: 0 },
    notes: "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the argument array",
};

/// The keys that BY and GET make of the elements.
const DERIVED: Derived = Derived { any: told::has_patterns, keys: derived_keys };

/// A score that is no number.
const NOT_SCORES: Failure = Failure::new("ERR One or more scores can't be converted into double");

fn sort(ctx: &mut Ctx<'_>, args: &Args<'_>, may_store: bool) -> Result<(), Failure> {
    let told = Told::parse(args, may_store)?;
    let now = ctx.now;
    ctx.keyspace().kind_as(&args.key(1), Look::Read, now);
    let elements = elements(ctx.store, ctx.db, ctx.now, args, &told)?;
    let order = arrange(ctx, args, &told, &elements)?;
    match told.destination {
        Some(at) => store_sorted(ctx, args, at, &told, &elements, &order),
        None => reply_sorted(ctx, args, &told, &elements, &order),
    }
    Ok(())
}

/// Copies out the elements, in the order in which the value has them; from its end where they stay unsorted and DESC
/// was asked for. A set has no order to turn round.
fn elements(
    store: &Store,
    db: u8,
    now: Now,
    args: &Args<'_>,
    told: &Told<'_>,
) -> Result<Texts, Failure> {
    let mut texts = Texts::default();
    match store.see(db, &args.key(1), now) {
        None => {}
        Some(Anything::List(list)) if told.is_unsorted() && told.descending => {
            list.each_back(list.len(), list.len(), |element| texts.push(element));
        }
        Some(Anything::List(list)) => list.each(0, list.len(), |element| texts.push(element)),
        Some(Anything::Set(set)) => set.iter().for_each(|member| texts.push(member)),
        Some(Anything::SortedSet(members)) if told.is_unsorted() && told.descending => {
            members.iter_back_from(members.len()).for_each(|scored| texts.push(scored.member));
        }
        Some(Anything::SortedSet(members)) => {
            members.iter_from(0).for_each(|scored| texts.push(scored.member));
        }
        Some(_) => return Err(Failure::WRONG_TYPE),
    }
    Ok(texts)
}

/// Which elements are shown, in order. O(n + m log m) for m of n.
fn arrange(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    told: &Told<'_>,
    elements: &Texts,
) -> Result<Vec<usize>, Failure> {
    let mut order: Vec<usize> = (0..elements.len()).collect();
    let shown = told.range(elements.len());
    // A set has no order of its own: what is stored of it, or given to a script, shall be the same each time.
    let is_set = || matches!(ctx.store.see(ctx.db, &args.key(1), ctx.now), Some(Anything::Set(_)));
    let settles = told.destination.is_some() || ctx.scripted;
    let settled = told.is_unsorted() && settles && is_set();
    if told.is_unsorted() && !settled {
        order.truncate(shown.end);
        return Ok(order.split_off(shown.start));
    }
    let by = told.by.filter(|_| !settled);
    if told.alpha || settled {
        let weights: Option<Vec<Option<Vec<u8>>>> = by.map(|by| {
            (0..order.len()).map(|at| weight(ctx, args, &by, elements.get(at))).collect()
        });
        let text = |at: usize| {
            weights.as_ref().map_or(Some(elements.get(at)), |weights| weights[at].as_deref())
        };
        return Ok(told.pick(order, shown, |a, b| text(a).cmp(&text(b))));
    }
    let mut scores = Vec::with_capacity(order.len());
    for at in 0..order.len() {
        let number = match &by {
            Some(by) => by.look_up(ctx, args, elements.get(at), |_, found| {
                found.map_or(Some(0.0), |text| score(text.as_bytes(&mut itoa::Buffer::new())))
            }),
            None => score(elements.get(at)),
        };
        scores.push(number.ok_or(NOT_SCORES)?);
    }
    let by_score =
        |a: usize, b: usize| scores[a].partial_cmp(&scores[b]).unwrap_or(Ordering::Equal);
    Ok(told.pick(order, shown, |a, b| {
        by_score(a, b).then_with(|| elements.get(a).cmp(elements.get(b)))
    }))
}

/// The number that a text begins with blanks and is, as the C library reads it; nothing is 0.
fn score(text: &[u8]) -> Option<f64> {
    let text = until_nul(text);
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let digits = text.iter().position(|byte| !is_blank(byte)).map_or(&b""[..], |at| &text[at..]);
    if text.is_empty() { Some(0.0) } else { resp::number::parse_f64(digits) }
}

/// What BY finds for an element.
fn weight(ctx: &mut Ctx<'_>, args: &Args<'_>, by: &Pattern<'_>, element: &[u8]) -> Option<Vec<u8>> {
    by.look_up(ctx, args, element, |_, found| found.map(|text| text.to_vec()))
}

fn reply_sorted(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    told: &Told<'_>,
    elements: &Texts,
    order: &[usize],
) {
    ctx.reply.array(order.len() * told.gets.len().max(1));
    for element in order.iter().map(|at| elements.get(*at)) {
        if told.gets.is_empty() {
            ctx.reply.bulk(element);
        }
        for get in &told.gets {
            get.look_up(ctx, args, element, |reply, found| match found {
                Some(text) => reply_text(reply, text),
                None => reply.null(),
            });
        }
    }
}

/// Stores what would be shown as a list, in the place of whatever the destination holds.
fn store_sorted(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    destination: usize,
    told: &Told<'_>,
    elements: &Texts,
    order: &[usize],
) {
    let mut result = Texts::default();
    for element in order.iter().map(|at| elements.get(*at)) {
        if told.gets.is_empty() {
            result.push(Str::Bytes(element));
        }
        for get in &told.gets {
            get.look_up(ctx, args, element, |_, found| {
                result.push(found.unwrap_or(Str::Bytes(b"")))
            });
        }
    }
    let made = ctx.store.make_list(ctx.now, |list| {
        (0..result.len()).for_each(|at| _ = list.push(End::Tail, Str::Bytes(result.get(at))));
    });
    let (key, now) = (args.key(destination), ctx.now);
    let mut keyspace = ctx.keyspace();
    keyspace.put_made(&key, made, now);
    keyspace.count_changes((result.len() as u64).saturating_sub(1));
    ctx.reply.integer(result.len() as i64);
}

/// Names the keys that BY makes of the elements, then those that GET makes of the elements that are shown. Looks at the key that
/// is sorted and counts nothing.
fn derived_keys(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    round: u32,
    name: &mut dyn FnMut(&[u8]),
) -> bool {
    let Ok(told) = Told::parse(args, true) else { return false };
    let Ok(elements) = elements(ctx.store, ctx.db, ctx.now, args, &told) else { return false };
    let by = told.by.as_ref().filter(|by| matches!(by, Pattern::Key { .. }));
    let mut key = Vec::new();
    if let (0, Some(by)) = (round, by) {
        for at in 0..elements.len() {
            by.key(elements.get(at), &mut key);
            name(&key);
        }
        return !told.gets.is_empty();
    }
    let shown = arrange(ctx, args, &told, &elements).unwrap_or_default();
    for element in shown.iter().map(|at| elements.get(*at)) {
        for get in &told.gets {
            if get.key(element, &mut key) {
                name(&key);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use crate::check::{check, check3};

    #[test]
    fn numbers_are_sorted_as_numbers_and_texts_as_texts() {
        check(
            "RPUSH l 3 20 1 -5 20; SORT l; SORT l DESC; SORT l ALPHA; SORT l ALPHA DESC; SORT none",
            "5; [-5 1 3 20 20]; [20 20 3 1 -5]; [-5 1 20 20 3]; [3 20 20 1 -5]; []",
        );
        check(
            "SADD s 3 1 2; ZADD z 5 30 6 4 7 100; SORT s; SORT z; SORT z BY x; SORT z BY x DESC; SORT z BY x DESC LIMIT 0 1",
            "3; 3; [1 2 3]; [4 30 100]; [30 4 100]; [100 4 30]; [100]",
        );
        check("RPUSH l \" 1\" 0x10 1e3 inf -inf \"\"; SORT l", "6; [-inf \"\"  1 0x10 1e3 inf]");
    }

    #[test]
    fn equal_scores_are_ordered_by_text_and_what_is_no_number_is_refused() {
        check("RPUSH l 1.0 1 1.00; SORT l; SORT l DESC", "3; [1 1.0 1.00]; [1.00 1.0 1]");
        let refused = "ERR One or more scores can't be converted into double";
        check(
            "RPUSH l 1 a; SORT l; SORT l STORE d; EXISTS d; RPUSH m \"1 \"; SORT m; DEL m; RPUSH m nan; SORT m; DEL m; RPUSH m 1e400; SORT m",
            &format!("2; {refused}; {refused}; 0; 1; {refused}; 1; 1; {refused}; 1; 1; {refused}"),
        );
    }

    #[test]
    fn limits_are_cut_to_what_there_is() {
        check(
            "RPUSH l 3 1 2 4; SORT l LIMIT 1 2; SORT l LIMIT -1 2; SORT l LIMIT 9 2; SORT l LIMIT 1 -5; SORT l LIMIT 0 0; SORT l LIMIT 3 9223372036854775807",
            "4; [2 3]; [1 2]; []; [2 3 4]; []; [4]",
        );
        check("RPUSH l 3 1 2 4; SORT l BY no LIMIT 1 2; SORT l DESC LIMIT 0 1", "4; [1 2]; [4]");
    }

    #[test]
    fn what_stays_unsorted_is_shown_from_its_end_where_desc_is_asked_for() {
        check(
            "RPUSH l 3 1 2 5 4; SORT l BY no DESC; SORT l BY no DESC LIMIT 1 2; SORT l BY no DESC LIMIT 1 2 GET #; SORT l BY no DESC STORE d; LRANGE d 0 -1",
            "5; [4 5 2 1 3]; [5 2]; [5 2]; 5; [4 5 2 1 3]",
        );
        check("SADD s 3 1 2; SORT s BY no DESC", "3; [1 2 3]");
    }

    #[test]
    fn other_keys_and_fields_of_hashes_give_the_order_and_the_answer() {
        check(
            "RPUSH l a b c; MSET w_a 3 w_b 1 w_c 2 n_a Anna n_c Carl; SORT l BY w_*; SORT l BY w_* DESC GET n_* GET #; SORT l BY none_* ALPHA; SORT l BY #",
            "3; OK; [b c a]; [Anna a Carl c nil b]; [a b c]; [a b c]",
        );
        check(
            "RPUSH l 1 2; HSET h1 f b; HSET h2 f a; SORT l BY h*->f ALPHA; SORT l GET h*->f GET h*-> GET h*; SORT l BY h* ALPHA",
            "2; 1; 1; [2 1]; [b nil nil a nil nil]; [1 2]",
        );
        check3("RPUSH l 1; SORT l GET x GET x_* GET #", "1; [nil nil 1]");
        check(
            "RPUSH l a b; SET w_a x; SORT l BY w_*; SORT l BY w_* ALPHA; SORT l BY w_* ALPHA DESC",
            "2; OK; ERR One or more scores can't be converted into double; [b a]; [a b]",
        );
    }

    #[test]
    fn a_result_is_stored_in_the_place_of_whatever_was_there() {
        check(
            "RPUSH l 2 1; SET d x EX 100; SORT l STORE d; LRANGE d 0 -1; TTL d; SORT none STORE d; EXISTS d; SORT l GET w_* GET # STORE l; LRANGE l 0 -1",
            "2; OK; 2; [1 2]; -1; 0; 0; 4; [\"\" 1 \"\" 2]",
        );
        check(
            "SADD s b a c; SORT s BY no STORE d; LRANGE d 0 -1; SORT s BY no DESC STORE d; LRANGE d 0 -1",
            "3; 3; [a b c]; 3; [c b a]",
        );
        check("RPUSH l 1; SORT l STORE a STORE b; EXISTS a; EXISTS b", "1; 1; 0; 1");
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_the_key_is_looked_at() {
        let integer = "ERR value is not an integer or out of range";
        check(
            "SET s v; SORT s FOO; SORT s; SORT s LIMIT a 1; SORT s LIMIT 0; SORT s BY; SORT s GET; SORT s STORE; SORT_RO s STORE d",
            &format!(
                "OK; ERR syntax error; WRONGTYPE; {integer}; ERR syntax error; ERR syntax error; ERR syntax error; ERR syntax error; ERR syntax error"
            ),
        );
        check("HSET h a 1; SORT h; SORT_RO h", "1; WRONGTYPE; WRONGTYPE");
    }

    #[test]
    fn the_read_only_form_sorts_as_the_other() {
        check("RPUSH l 3 1 2; SORT_RO l DESC LIMIT 0 2; SORT_RO l BY x GET #", "3; [3 2]; [3 1 2]");
    }
}
