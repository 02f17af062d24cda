//! What can be seen of a value, in a form in which two servers can be compared.

use super::{Request, words};
use crate::peer::Sides;
use crate::wire::Value;

/// The requests that show all of the value of a key.
pub fn questions(name: &str, key: &str) -> Vec<Request> {
    let of_type: &[&str] = match name {
        "string" => &["GET", "STRLEN"],
        "list" => &["LRANGE 0 -1", "LLEN"],
        "set" => &["SMEMBERS", "SCARD"],
        "zset" => &["ZRANGE 0 -1 WITHSCORES", "ZCARD"],
        "hash" => &["HGETALL", "HLEN"],
        _ => &["XRANGE - +", "XREVRANGE + -", "XLEN", "XINFO STREAM FULL COUNT 0"],
    };
    let with_key = |request: &&str| {
        let mut request = words(request);
        let at = if request[0] == b"XINFO" { 2 } else { 1 };
        request.insert(at, key.as_bytes().to_vec());
        request
    };
    let mut all: Vec<Request> = of_type.iter().map(with_key).collect();
    all.extend(["TYPE", "PTTL"].map(|name| words(&format!("{name} {key}"))));
    all
}

/// The replies without what is in an order of its server's, or known to newer versions only.
pub fn normal(name: &str, replies: &[Value]) -> Vec<Value> {
    let mut replies = replies.to_vec();
    let each = match name {
        "set" => 1,
        "hash" => 2,
        "zset" => return replies.into_iter().map(with_plain_scores).collect(),
        _ => {
            return replies.into_iter().map(without_activity).collect();
        }
    };
    if let Some(Value::Array(items)) = replies.first_mut() {
        let mut groups: Vec<Value> =
            items.chunks(each).map(|group| Value::Array(group.to_vec())).collect();
        groups.sort();
        *items = groups;
    }
    replies
}

/// Spells each score the same way: 7.0 has up to 17 digits, 7.2 as few as will do.
fn with_plain_scores(value: Value) -> Value {
    let plain = |score: Value| match score.string().and_then(|text| text.parse::<f64>().ok()) {
        Some(score) => Value::Double(format!("{score:?}").into_bytes()),
        None => score,
    };
    match value {
        Value::Array(items) => {
            let items = items.into_iter().enumerate();
            Value::Array(
                items.map(|(at, item)| if at % 2 == 1 { plain(item) } else { item }).collect(),
            )
        }
        Value::Bulk(_) => plain(value),
        other => other,
    }
}

/// Leaves out when consumers were active, which Redis 7.0 does not know.
fn without_activity(value: Value) -> Value {
    let Value::Array(mut items) = value else { return value };
    if let Some(at) = items.iter().position(|item| item.text() == Some(b"active-time")) {
        items.drain(at..(at + 2).min(items.len()));
    }
    Value::Array(items.into_iter().map(without_activity).collect())
}

/// The name of an encoding.
pub fn encoding(reply: &Value) -> String {
    reply.string().unwrap_or_else(|| reply.show())
}

/// Whether a value may have these encodings on the two sides: what 7.2 packs, 7.0 does not.
pub fn is_meant(encodings: &Sides<String>) -> bool {
    let newer = [("quicklist", "listpack"), ("hashtable", "listpack")];
    encodings.oracle == encodings.subject
        || newer.contains(&(encodings.oracle.as_str(), encodings.subject.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(items: &[&str]) -> Value {
        Value::Array(items.iter().map(|item| Value::Bulk(item.as_bytes().to_vec())).collect())
    }

    #[test]
    fn the_order_of_members_does_not_matter_and_that_of_elements_does() {
        let (one, other) = ([list(&["a", "b"])], [list(&["b", "a"])]);
        assert_eq!(normal("set", &one), normal("set", &other));
        assert_ne!(normal("list", &one), normal("list", &other));
        let (one, other) = ([list(&["a", "1", "b", "2"])], [list(&["b", "2", "a", "1"])]);
        assert_eq!(normal("hash", &one), normal("hash", &other));
        let other = [list(&["b", "1", "a", "2"])];
        assert_ne!(normal("hash", &one), normal("hash", &other));
    }

    #[test]
    fn scores_are_compared_as_numbers_and_members_as_texts() {
        let seventeen = [list(&["1.0", "0.10000000000000001"])];
        assert_eq!(normal("zset", &seventeen), normal("zset", &[list(&["1.0", "0.1"])]));
        assert_ne!(normal("zset", &seventeen), normal("zset", &[list(&["1", "0.1"])]));
        assert_ne!(normal("zset", &seventeen), normal("zset", &[list(&["1.0", "0.2"])]));
    }

    #[test]
    fn what_7_2_adds_is_left_out_wherever_it_is() {
        let newer = Value::Array(vec![list(&["name", "c", "active-time", "5", "pel-count", "0"])]);
        let older = Value::Array(vec![list(&["name", "c", "pel-count", "0"])]);
        assert_eq!(normal("stream", &[newer]), normal("stream", &[older]));
    }
}
