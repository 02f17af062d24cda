//! Which replies are not compared byte for byte, and why. Everything that is not listed here is.

use std::collections::BTreeSet;

use super::clients::client_lines;
use crate::peer::Sides;
use crate::wire::Value;

/// How a reply is compared when its bytes differ.
#[derive(Clone, Copy)]
pub enum Rule {
    /// The order of an array's elements has no meaning.
    Unordered,
    /// A map whose order has no meaning.
    Map,
    /// A number that grows or falls with the clock; both must agree on being non-negative. The unit in milliseconds.
    Clock(i64),
    /// CLIENT LIST; the runner knows which of the clients must be there.
    Clients,
    /// By bytes after all, where a shorter row says otherwise.
    Exact,
    /// Only the shape: the same wire types, whatever the content.
    Shape,
    /// A rewriting that removes what cannot agree; the rest is compared exactly.
    Rewrite(fn(&Value) -> Value),
}

/// Stands for the end of a request among a rule's words.
const END: &str = "(end)";

/// A rule for the commands that start with `words` (any case). Errors are always compared exactly.
pub struct Normaliser {
    words: &'static [&'static str],
    rule: Rule,
    /// Why bytes cannot be compared.
    pub reason: &'static str,
}

const fn rule(words: &'static [&'static str], rule: Rule, reason: &'static str) -> Normaliser {
    Normaliser { words, rule, reason }
}

/// Why the order of elements is not compared.
const TABLE: &str = "the order of a large collection is that of a hash table";

/// Why scores are compared as numbers.
const SCORES: &str = "7.0 shows 17 digits of a score, 7.2 the fewest that read back as the same";

/// Every exception from comparing bytes. The longest match wins.
pub const NORMALISERS: &[Normaliser] = &[
    rule(&["KEYS"], Rule::Unordered, "the order of the keyspace is that of a hash table"),
    rule(
        &["SCAN"],
        Rule::Rewrite(scan_page),
        "cursors and pages follow the hash table; whole iterations are compared elsewhere",
    ),
    rule(&["RANDOMKEY"], Rule::Shape, "random"),
    rule(&["HGETALL"], Rule::Map, TABLE),
    rule(&["HKEYS"], Rule::Unordered, TABLE),
    rule(&["HVALS"], Rule::Unordered, TABLE),
    rule(&["SMEMBERS"], Rule::Unordered, TABLE),
    rule(&["SINTER"], Rule::Unordered, TABLE),
    rule(&["SUNION"], Rule::Unordered, TABLE),
    rule(&["SDIFF"], Rule::Unordered, TABLE),
    rule(&["SPOP"], Rule::Unordered, TABLE),
    rule(&["HSCAN"], Rule::Shape, "cursors and pages follow the hash table"),
    rule(&["SSCAN"], Rule::Shape, "cursors and pages follow the hash table"),
    rule(&["HRANDFIELD"], Rule::Shape, "random"),
    rule(&["SRANDMEMBER"], Rule::Shape, "random"),
    rule(&["ZADD"], Rule::Rewrite(scores), SCORES),
    rule(&["ZINCRBY"], Rule::Rewrite(scores), SCORES),
    rule(&["ZSCORE"], Rule::Rewrite(scores), SCORES),
    rule(&["ZMSCORE"], Rule::Rewrite(scores), SCORES),
    rule(&["ZRANGE"], Rule::Rewrite(scores), SCORES),
    rule(&["ZREVRANGE"], Rule::Rewrite(scores), SCORES),
    rule(&["ZRANGEBYSCORE"], Rule::Rewrite(scores), SCORES),
    rule(&["ZREVRANGEBYSCORE"], Rule::Rewrite(scores), SCORES),
    rule(&["ZPOPMIN"], Rule::Rewrite(scores), SCORES),
    rule(&["ZPOPMAX"], Rule::Rewrite(scores), SCORES),
    rule(&["ZMPOP"], Rule::Rewrite(scores), SCORES),
    rule(&["ZUNION"], Rule::Rewrite(scores), SCORES),
    rule(&["ZINTER"], Rule::Rewrite(scores), SCORES),
    rule(&["ZDIFF"], Rule::Rewrite(scores), SCORES),
    rule(&["ZSCAN"], Rule::Shape, "cursors and pages follow the hash table"),
    rule(&["ZRANDMEMBER"], Rule::Shape, "random"),
    rule(&["TTL"], Rule::Clock(1000), "the clock runs between the two servers' turns"),
    rule(&["PTTL"], Rule::Clock(1), "the clock runs between the two servers' turns"),
    rule(&["EXPIRETIME"], Rule::Clock(1000), "relative TTLs are set at slightly different times"),
    rule(&["PEXPIRETIME"], Rule::Clock(1), "relative TTLs are set at slightly different times"),
    rule(&["OBJECT", "IDLETIME"], Rule::Clock(1000), "counts seconds since the last access"),
    rule(&["OBJECT", "FREQ"], Rule::Shape, "a logarithmic counter that is bumped at random"),
    rule(&["XINFO"], Rule::Rewrite(stream_times), "times; 7.2 tells more of them"),
    rule(&["XPENDING"], Rule::Rewrite(stream_times), "times"),
    rule(&["TIME"], Rule::Shape, "the clock"),
    rule(&["LASTSAVE"], Rule::Shape, "the time of the server's start"),
    rule(
        &["INFO"],
        Rule::Rewrite(info_fields),
        "values differ; the fields and their order within a section do not",
    ),
    rule(&["CLIENT", "INFO"], Rule::Rewrite(client_lines), "addresses, ages and buffer sizes"),
    rule(
        &["CLIENT", "LIST"],
        Rule::Clients,
        "addresses, ages and buffer sizes; connections of others that are just closing",
    ),
    rule(
        &["CLIENT", "KILL"],
        Rule::Rewrite(any_number),
        "connections that are just closing count or not",
    ),
    rule(&["CLIENT", "KILL", "ID"], Rule::Exact, "an id is that of one connection on both sides"),
    rule(&["HELLO"], Rule::Rewrite(hello), "the server's version"),
    rule(&["CONFIG", "GET"], Rule::Map, "the order of the settings is that of a hash table"),
    rule(
        &["COMMAND", "LIST"],
        Rule::Unordered,
        "the order of the command table is that of a hash table",
    ),
    rule(
        &["COMMAND", "COUNT"],
        Rule::Shape,
        "depends on the version; the table itself is compared by `command-table`",
    ),
    rule(&["COMMAND", END], Rule::Shape, "the whole table is compared by `command-table`"),
    rule(&["COMMAND", "INFO", END], Rule::Shape, "the whole table is compared by `command-table`"),
    rule(&["COMMAND", "DOCS", END], Rule::Shape, "the whole table is compared by `command-table`"),
    rule(
        &["COMMAND", "INFO"],
        Rule::Rewrite(arity_of_commands),
        "compared field by field by `command-table`",
    ),
    rule(
        &["COMMAND", "DOCS"],
        Rule::Rewrite(names_of_docs),
        "compared field by field by `command-table`",
    ),
    rule(&["SLOWLOG", "GET"], Rule::Rewrite(slow_entries), "ids, moments, durations and addresses"),
    rule(&["LATENCY", "HISTOGRAM"], Rule::Shape, "durations"),
    rule(&["LATENCY", "DOCTOR"], Rule::Shape, "prose"),
    rule(&["LATENCY", "LATEST"], Rule::Shape, "durations"),
    rule(&["MEMORY", "DOCTOR"], Rule::Shape, "prose"),
    rule(&["MEMORY", "USAGE"], Rule::Shape, "the memory layout is our own"),
    rule(
        &["MEMORY", "STATS"],
        Rule::Rewrite(names_of_map),
        "the memory layout is our own; the names are not",
    ),
    rule(&["MEMORY", "MALLOC-STATS"], Rule::Shape, "prose of the allocator"),
    rule(&["LOLWUT"], Rule::Shape, "art"),
    rule(&["ACL", "GENPASS"], Rule::Rewrite(length_of_text), "random"),
    rule(&["ACL", "CAT"], Rule::Unordered, "the order is that of a hash table"),
    rule(
        &["DEBUG", "OBJECT"],
        Rule::Rewrite(debug_object),
        "addresses, idle times and the serialised length of a layout; the encoding is compared by OBJECT ENCODING",
    ),
    rule(
        &["DEBUG", "DIGEST"],
        Rule::Rewrite(length_of_text),
        "the digest mixes in a layout's internals; only its form is promised",
    ),
    rule(
        &["DEBUG", "DIGEST-VALUE"],
        Rule::Rewrite(lengths_of_texts),
        "the digest mixes in a layout's internals",
    ),
    rule(&["FUNCTION", "DUMP"], Rule::Shape, "the order of libraries is that of a hash table"),
    rule(
        &["FUNCTION", "LIST"],
        Rule::Rewrite(unordered_within),
        "the order of libraries and of their functions is that of a hash table",
    ),
];

/// The normaliser for a request, if its reply is not compared byte for byte.
pub fn normaliser(args: &[Vec<u8>]) -> Option<&'static Normaliser> {
    let fits = |(i, word): (usize, &&str)| match args.get(i) {
        Some(arg) => arg.eq_ignore_ascii_case(word.as_bytes()),
        None => *word == END,
    };
    NORMALISERS
        .iter()
        .filter(|n| n.words.iter().enumerate().all(fits))
        .max_by_key(|n| n.words.len())
}

impl Normaliser {
    /// The request it is for, as text.
    pub fn request(&self) -> String {
        self.words.join(" ")
    }

    /// Whether the replies are lists of clients.
    pub fn is_client_list(&self) -> bool {
        matches!(self.rule, Rule::Clients)
    }

    /// Whether two replies agree. `slack_ms` is how far the servers' clocks of execution can have drifted apart.
    pub fn agree(&self, oracle: &Value, subject: &Value, slack_ms: i64) -> bool {
        if oracle.error().is_some() || subject.error().is_some() {
            return oracle == subject;
        }
        match self.rule {
            Rule::Unordered => unordered(oracle) == unordered(subject),
            Rule::Map => sorted_map(oracle) == sorted_map(subject),
            Rule::Shape => shape(oracle) == shape(subject),
            Rule::Rewrite(rewrite) => rewrite(oracle) == rewrite(subject),
            Rule::Clients => client_lines(oracle) == client_lines(subject),
            Rule::Exact => oracle == subject,
            Rule::Clock(unit_ms) => match (oracle, subject) {
                (Value::Integer(a), Value::Integer(b)) => {
                    let slack = slack_ms / unit_ms + 1;
                    *a >= 0 && *b >= 0 && a.abs_diff(*b) <= slack.unsigned_abs()
                }
                _ => oracle == subject,
            },
        }
    }

    /// What is compared instead of the bytes, for a report.
    pub fn views(&self, oracle: &Value, subject: &Value) -> Sides<String> {
        let view = |value: &Value| match self.rule {
            Rule::Unordered => Some(unordered(value)),
            Rule::Map => Some(sorted_map(value)),
            Rule::Rewrite(rewrite) if value.error().is_none() => Some(rewrite(value)),
            Rule::Clients if value.error().is_none() => Some(client_lines(value)),
            _ => None,
        };
        let shown = |value: &Value| view(value).unwrap_or_else(|| value.clone()).show();
        if let (Rule::Map, Some(oracle), Some(subject)) =
            (self.rule, oracle.pairs(), subject.pairs())
        {
            let lines = |pairs: Vec<(Value, Value)>| {
                let line = |(name, held): (Value, Value)| {
                    Value::Simple(format!("{} = {}", name.show(), held.show()).into_bytes())
                };
                Some(Value::Array(pairs.into_iter().map(line).collect()))
            };
            if let Some(short) = contrast(&lines(oracle), &lines(subject)) {
                return short;
            }
        }
        contrast(&view(oracle), &view(subject))
            .unwrap_or_else(|| Sides { oracle: shown(oracle), subject: shown(subject) })
    }
}

/// Of two long lists (arrays, or texts of lines) only what one has and the other has not.
fn contrast(oracle: &Option<Value>, subject: &Option<Value>) -> Option<Sides<String>> {
    let parts = |value: &Value| match value {
        Value::Bulk(text) => {
            String::from_utf8_lossy(text).lines().map(str::to_owned).collect::<Vec<_>>()
        }
        other => other.items().unwrap_or_default().iter().map(Value::show).collect(),
    };
    let (oracle, subject) = (parts(oracle.as_ref()?), parts(subject.as_ref()?));
    if oracle.len() + subject.len() < CONTRASTED_LEAST {
        return None;
    }
    let only = |from: &[String], other: &[String]| {
        from.iter().filter(|part| !other.contains(part)).cloned().collect::<Vec<_>>().join(", ")
    };
    let (missing, surplus) = (only(&oracle, &subject), only(&subject, &oracle));
    if missing.is_empty() && surplus.is_empty() {
        let at = oracle.iter().zip(&subject).position(|(a, b)| a != b)?;
        return Some(Sides {
            oracle: format!("…{} at place {at}", oracle[at]),
            subject: format!("…{} at place {at}", subject[at]),
        });
    }
    Some(Sides {
        oracle: format!("of {} parts also: {missing}", oracle.len()),
        subject: format!("of {} parts also: {surplus}", subject.len()),
    })
}

/// Shorter lists are shown whole.
const CONTRASTED_LEAST: usize = 24;

/// An array (or set) with its elements in a fixed order.
pub fn unordered(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items = items.clone();
            items.sort();
            Value::Array(items)
        }
        Value::Set(items) => {
            let mut items = items.clone();
            items.sort();
            Value::Set(items)
        }
        other => other.clone(),
    }
}

/// A reply with all of its lists in a fixed order, those within others first.
fn unordered_within(value: &Value) -> Value {
    let rewritten = |items: &[Value]| items.iter().map(unordered_within).collect();
    match value {
        Value::Array(items) => unordered(&Value::Array(rewritten(items))),
        Value::Set(items) => unordered(&Value::Set(rewritten(items))),
        Value::Map(pairs) => {
            Value::Map(pairs.iter().map(|(k, v)| (k.clone(), unordered_within(v))).collect())
        }
        other => other.clone(),
    }
}

/// A map, or RESP2's flat array in its place, in a fixed order. The wire type stays part of the value.
pub fn sorted_map(value: &Value) -> Value {
    let Some(mut pairs) = value.pairs() else {
        return value.clone();
    };
    pairs.sort();
    match value {
        Value::Map(_) => Value::Map(pairs),
        _ => Value::Array(pairs.into_iter().flat_map(|(k, v)| [k, v]).collect()),
    }
}

/// The wire type alone; an aggregate's elements do not matter, only that it is one.
fn shape(value: &Value) -> std::mem::Discriminant<Value> {
    std::mem::discriminant(value)
}

fn bulk(text: impl Into<Vec<u8>>) -> Value {
    Value::Bulk(text.into())
}

fn any_number(value: &Value) -> Value {
    match value {
        Value::Integer(n) if *n >= 0 => bulk("a number"),
        other => other.clone(),
    }
}

/// What is told of a stream, without times: those of consumers, and those of what is pending, which stand between an
/// ID and the last number.
fn stream_times(value: &Value) -> Value {
    let named = |value: &Value, names: &[&str]| matches!(value, Value::Bulk(name) if names.iter().any(|known| known.as_bytes() == name));
    let (told, newer) = (["idle", "seen-time"], ["inactive", "active-time"]);
    match value {
        Value::Map(pairs) => Value::Map(
            pairs
                .iter()
                .filter(|(name, _)| !named(name, &newer))
                .map(|(name, value)| {
                    let is_time = named(name, &told);
                    (name.clone(), if is_time { any_number(value) } else { stream_times(value) })
                })
                .collect(),
        ),
        Value::Array(items) => {
            let is_pending = matches!(items.first(), Some(Value::Bulk(id)) if id.contains(&b'-'));
            let before = |at: usize| at.checked_sub(1).map(|at| &items[at]);
            let is_after = |at, names: &[&str]| before(at).is_some_and(|name| named(name, names));
            let kept = items
                .iter()
                .enumerate()
                .filter(|(at, item)| !named(item, &newer) && !is_after(*at, &newer));
            let rewritten = kept.map(|(at, item)| {
                let is_time = is_after(at, &told) || (is_pending && at + 1 < items.len());
                if is_time { any_number(item) } else { stream_times(item) }
            });
            Value::Array(rewritten.collect())
        }
        other => other.clone(),
    }
}

fn scan_page(value: &Value) -> Value {
    match value.items() {
        Some([Value::Bulk(cursor), Value::Array(_)]) if cursor.iter().all(u8::is_ascii_digit) => {
            bulk("a page")
        }
        _ => value.clone(),
    }
}

/// A reply with every number in it spelt alike; a member that is a number is spelt so, too, which hides little.
fn scores(value: &Value) -> Value {
    let spelt = |text: &[u8]| {
        let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
        number.map(|number| format!("{number:e}").into_bytes())
    };
    match value {
        Value::Array(items) => Value::Array(items.iter().map(scores).collect()),
        Value::Bulk(text) => Value::Bulk(spelt(text).unwrap_or_else(|| text.clone())),
        Value::Double(text) => Value::Double(spelt(text).unwrap_or_else(|| text.clone())),
        other => other.clone(),
    }
}

fn length_of_text(value: &Value) -> Value {
    match value {
        Value::Simple(text) => Value::Simple(text.len().to_string().into_bytes()),
        Value::Bulk(text) => Value::Bulk(text.len().to_string().into_bytes()),
        other => other.clone(),
    }
}

fn lengths_of_texts(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(length_of_text).collect()),
        other => other.clone(),
    }
}

fn names_of_map(value: &Value) -> Value {
    match value.pairs() {
        Some(pairs) => {
            let names =
                pairs.into_iter().map(|(name, _)| name).filter(|name| !is_database_entry(name));
            unordered(&Value::Array(names.collect()))
        }
        None => value.clone(),
    }
}

/// MEMORY STATS has a row for each database that is not empty at the moment.
fn is_database_entry(name: &Value) -> bool {
    name.text().is_some_and(|text| text.starts_with(b"db."))
}

pub fn hello(value: &Value) -> Value {
    let Some(pairs) = value.pairs() else {
        return value.clone();
    };
    let rewritten = pairs.into_iter().map(|(name, held)| match name.text() {
        Some(b"version") => (name, bulk("a version")),
        _ => (name, held),
    });
    match value {
        Value::Map(_) => Value::Map(rewritten.collect()),
        _ => Value::Array(rewritten.flat_map(|(name, held)| [name, held]).collect()),
    }
}

/// Fields of INFO that a section of 7.0 has only in some states or builds.
const INFO_SOMETIMES: &[&str] = &[
    "mem_cluster_links",
    "io_threads_active",
    "slave0",
    "executable",
    "config_file",
    "process_supervised",
    "gcc_version",
    "monotonic_clock",
    "atomicvar_api",
    "mem_not_counted_for_evict",
    "mem_overhead_db_hashtable_rehashing",
];

/// The sections with their fields, values removed. Of the keyspace section the key counts stay. Statistics of commands
/// and errors have a row per name seen, so only the section's name is kept.
pub fn info_fields(value: &Value) -> Value {
    let Some(text) = value.string() else {
        return value.clone();
    };
    let mut kept = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let Some((name, held)) = line.split_once(':') else {
            kept.push(line.to_owned());
            continue;
        };
        if name.starts_with("cmdstat_")
            || name.starts_with("errorstat_")
            || name.starts_with("latency_percentiles")
        {
            continue;
        }
        if let Some(database) =
            name.strip_prefix("db").filter(|n| n.bytes().all(|b| b.is_ascii_digit()))
        {
            let keys = held.split(',').next().unwrap_or_default();
            kept.push(format!("db{database}:{keys}"));
        } else if !INFO_SOMETIMES.contains(&name)
            && !super::intended::NEWER_INFO_FIELDS.contains(&name)
        {
            kept.push(name.to_owned());
        }
    }
    bulk(kept.join("\n"))
}

/// Name and arity of each command asked for; null where there is none.
fn arity_of_commands(value: &Value) -> Value {
    let Some(items) = value.items() else {
        return value.clone();
    };
    let row = |item: &Value| match item.items() {
        Some([name, arity, ..]) => Value::Array(vec![name.clone(), arity.clone()]),
        _ => item.clone(),
    };
    Value::Array(items.iter().map(row).collect())
}

fn names_of_docs(value: &Value) -> Value {
    match value.pairs() {
        Some(pairs) => unordered(&Value::Array(pairs.into_iter().map(|(name, _)| name).collect())),
        None => value.clone(),
    }
}

/// Arguments and client names of slow log entries, newest first.
fn slow_entries(value: &Value) -> Value {
    let Some(items) = value.items() else {
        return value.clone();
    };
    let row = |item: &Value| match item.items() {
        Some([id, moment, duration, args, _address, name]) => Value::Array(vec![
            any_number(id),
            any_number(moment),
            any_number(duration),
            args.clone(),
            name.clone(),
        ]),
        _ => item.clone(),
    };
    Value::Array(items.iter().map(row).collect())
}

fn debug_object(value: &Value) -> Value {
    let Value::Simple(text) = value else {
        return value.clone();
    };
    let text = String::from_utf8_lossy(text);
    // What begins with `ql_` is said of one encoding only.
    let names = text.split(' ').filter_map(|word| word.split_once(':')).map(|(name, _)| name);
    let names: BTreeSet<&str> = names.filter(|name| !name.starts_with("ql_")).collect();
    bulk(format!("{names:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agree(request: &str, oracle: &[u8], subject: &[u8]) -> bool {
        let args: Vec<Vec<u8>> = request.split(' ').map(|w| w.as_bytes().to_vec()).collect();
        let normaliser = normaliser(&args).expect("the request has a normaliser");
        normaliser.agree(&Value::parse(oracle), &Value::parse(subject), 4)
    }

    #[test]
    fn ttl_may_drift_but_not_change_its_meaning() {
        assert!(agree("pttl k", b":1000\r\n", b":996\r\n"));
        assert!(!agree("PTTL k", b":1000\r\n", b":990\r\n"));
        assert!(!agree("PTTL k", b":-1\r\n", b":-2\r\n"));
        assert!(!agree("PTTL k", b":0\r\n", b":-2\r\n"));
        assert!(!agree("TTL k", b":100\r\n", b":102\r\n"));
    }

    #[test]
    fn errors_are_compared_exactly_under_every_rule() {
        for normaliser in NORMALISERS {
            let request = normaliser.request().replace(" (end)", "");
            assert!(!agree(&request, b"-ERR a\r\n", b"-ERR b\r\n"), "{request}");
            assert!(!agree(&request, b"-ERR a\r\n", b"+OK\r\n"), "{request}");
        }
    }

    #[test]
    fn every_rule_says_why() {
        for normaliser in NORMALISERS {
            assert!(normaliser.reason.len() > 2, "{:?}", normaliser.words);
        }
    }

    #[test]
    fn unordered_replies_still_count_duplicates() {
        assert!(agree("KEYS *", b"*2\r\n+a\r\n+b\r\n", b"*2\r\n+b\r\n+a\r\n"));
        assert!(!agree("KEYS *", b"*2\r\n+a\r\n+b\r\n", b"*2\r\n+a\r\n+a\r\n"));
    }

    #[test]
    fn a_missing_info_field_is_seen() {
        let text = |fields: &str| format!("${}\r\n{fields}\r\n", fields.len()).into_bytes();
        assert!(agree(
            "INFO clients",
            &text("# Clients\r\nconnected_clients:1\r\n"),
            &text("# Clients\r\nconnected_clients:9\r\n")
        ));
        assert!(!agree(
            "INFO clients",
            &text("# Clients\r\nconnected_clients:1\r\n"),
            &text("# Clients\r\n")
        ));
        assert!(!agree(
            "INFO keyspace",
            &text("# Keyspace\r\ndb0:keys=1,x=1\r\n"),
            &text("# Keyspace\r\ndb0:keys=2,x=1\r\n")
        ));
    }
}
