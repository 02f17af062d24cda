//! Causality: whoever has been told that a flag was raised, or was told so by somebody who had been,
//! finds the data that its pipeline wrote before it.

use crate::history::{History, Mark, Record};
use resp::read::Value;
use std::collections::BTreeMap;

/// Looks at every read of data: it must not be older than any flag that anybody had seen before the
/// read was sent.
pub fn check(history: &History) -> Result<(), String> {
    // Per pair: (when it was seen, which version), in the order of the replies.
    let mut seen: BTreeMap<usize, Vec<(u64, i64, usize)>> = BTreeMap::new();
    for (position, record) in history.records.iter().enumerate() {
        if let (Mark::Flag(pair), Some(version)) = (record.mark, version(record)) {
            seen.entry(pair).or_default().push((record.answered_ns, version, position));
        }
    }
    for record in &history.records {
        let (Mark::Data(pair), Some(_)) = (record.mark, &record.reply) else { continue };
        let found = version(record).unwrap_or(0);
        let known = seen.get(&pair).into_iter().flatten().filter(|(at, ..)| *at < record.sent_ns);
        if let Some((_, flag, position)) = known.max_by_key(|(_, version, _)| *version)
            && *flag > found
        {
            return Err(format!(
                "an effect was seen before its cause:\n  {}\n  {}",
                history.records[*position].show(),
                record.show()
            ));
        }
    }
    Ok(())
}

/// The version in a reply; none for an error or no reply, 0 for a key that is not there.
fn version(record: &Record) -> Option<i64> {
    match record.reply.as_ref()? {
        Value::Integer(number) => Some(*number),
        Value::Bulk(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
        Value::Null => Some(0),
        _ => None,
    }
}
