//! What concerns whole keyspaces: SCAN to its end, RANDOMKEY, and the sweep over all keys at the end of a script.

use anyhow::Result;

use super::rules;
use super::run::{Difference, Runner, ask};
use super::script::line;
use crate::r#gen::PASSWORD;
use crate::peer::{Link, Reply, Sides, exchange, take};
use crate::wire::{Value, encode};

/// Databases that scripts can reach.
const DATABASES: usize = 16;
/// Pages of one SCAN iteration; a longer one does not end.
const SCAN_PAGES_MAX: usize = 10_000;

impl Runner {
    /// Walks both keyspaces to the end, each by its own cursors.
    pub fn scan(&mut self, conn: usize, options: &[Vec<u8>]) -> Result<Option<Difference>> {
        let mut links = self.link(conn)?;
        let oracle = collect_scan(&mut links, true, options);
        let subject = collect_scan(&mut links, false, options);
        self.keep(conn, links, true);
        if oracle == subject {
            return Ok(None);
        }
        let show = |found: &Result<Vec<Vec<u8>>, String>| match found {
            Ok(keys) => format!("{} keys: {}", keys.len(), line(keys)),
            Err(why) => why.clone(),
        };
        Ok(Some(Difference {
            action: 0,
            request: format!("SCAN 0 {} until done", line(options)),
            expected: show(&oracle),
            got: show(&subject),
            signature: "SCAN iteration".to_owned(),
        }))
    }

    pub fn random_key(&mut self, conn: usize) -> Result<Option<Difference>> {
        let mut links = self.link(conn)?;
        let drawn = ask(&mut links, &[b"RANDOMKEY"]);
        // Each side's key is looked up on both: the keyspaces are equal, so whoever drew it.
        let key = |reply: &Reply| reply.value().and_then(|value| value.text().map(<[u8]>::to_vec));
        let agreed = match (key(&drawn.oracle), key(&drawn.subject)) {
            (Some(_), Some(key)) => {
                let found = ask(&mut links, &[b"EXISTS", &key]);
                found.oracle == Reply::Raw(b":1\r\n".to_vec())
            }
            _ => drawn.oracle == drawn.subject,
        };
        self.keep(conn, links, true);
        Ok((!agreed).then(|| Difference {
            action: 0,
            request: "RANDOMKEY".to_owned(),
            expected: format!("an existing key, as {}", drawn.oracle.show()),
            got: drawn.subject.show(),
            signature: "RANDOMKEY".to_owned(),
        }))
    }

    /// Compares all keys of all databases over a connection of its own.
    pub fn sweep(&mut self) -> Result<Option<Difference>> {
        let mut links = self.connect()?;
        let replies = ask(&mut links, &[b"PING"]);
        if replies.oracle.value().and_then(|v| v.error()).is_some() {
            ask(&mut links, &[b"AUTH", PASSWORD.as_bytes()]);
        }
        for database in 0..DATABASES {
            ask(&mut links, &[b"SELECT", database.to_string().as_bytes()]);
            let keys = ask(&mut links, &[b"KEYS", b"*"]);
            let request = |words: &str| {
                vec![format!("(database {database})").into_bytes(), words.as_bytes().to_vec()]
            };
            let sorted =
                keys.as_ref().map(|reply| reply.value().map(|value| rules::unordered(&value)));
            if sorted.oracle != sorted.subject {
                return Ok(Some(self.sweep_difference(&request("KEYS *"), &keys)));
            }
            let names = sorted
                .oracle
                .and_then(|value| value.items().map(<[Value]>::to_vec))
                .unwrap_or_default();
            if let Some(difference) = self.sweep_keys(&mut links, &names)? {
                let request = format!("(database {database}) {}", difference.request);
                return Ok(Some(Difference {
                    request,
                    signature: format!("state: {}", difference.signature),
                    ..difference
                }));
            }
        }
        Ok(None)
    }

    fn sweep_keys(
        &mut self,
        links: &mut Sides<Link>,
        names: &[Value],
    ) -> Result<Option<Difference>> {
        let mut requests = Vec::new();
        for name in names.iter().filter_map(Value::text) {
            for words in
                [&[b"TYPE".as_slice()][..], &[b"GET"], &[b"PEXPIRETIME"], &[b"OBJECT", b"ENCODING"]]
            {
                requests.push(
                    words.iter().copied().chain([name]).map(<[u8]>::to_vec).collect::<Vec<_>>(),
                );
            }
            requests.push([b"LRANGE", name, b"0", b"-1"].map(<[u8]>::to_vec).to_vec());
            requests.push([&b"XINFO"[..], b"STREAM", name, b"FULL"].map(<[u8]>::to_vec).to_vec());
            for words in [&b"HGETALL"[..], b"SMEMBERS"] {
                requests.push([words, name].map(<[u8]>::to_vec).to_vec());
            }
        }
        let mut bytes = Vec::new();
        requests.iter().for_each(|args| encode(args, &mut bytes));
        links.oracle.queue(&bytes);
        links.subject.queue(&bytes);
        exchange(links, requests.len(), self.patience);
        let expected = take(&mut links.oracle, requests.len());
        let got = take(&mut links.subject, requests.len());
        let replies = expected.iter().zip(&got).zip(&requests);
        Ok(replies
            .into_iter()
            .find_map(|((oracle, subject), args)| self.judge(args, oracle, subject, 0)))
    }

    fn sweep_difference(&self, request: &[Vec<u8>], replies: &Sides<Reply>) -> Difference {
        let show = |reply: &Reply| {
            reply.value().map_or_else(|| reply.show(), |value| rules::unordered(&value).show())
        };
        Difference {
            action: 0,
            request: line(request),
            expected: show(&replies.oracle),
            got: show(&replies.subject),
            signature: "state: KEYS *".to_owned(),
        }
    }
}

/// One side's SCAN from cursor 0 back to 0: the keys found, sorted, each once.
fn collect_scan(
    links: &mut Sides<Link>,
    oracle: bool,
    options: &[Vec<u8>],
) -> Result<Vec<Vec<u8>>, String> {
    let mut cursor = b"0".to_vec();
    let mut found = Vec::new();
    for _ in 0..SCAN_PAGES_MAX {
        let mut words: Vec<&[u8]> = vec![b"SCAN", &cursor];
        words.extend(options.iter().map(Vec::as_slice));
        // Both are asked with this side's cursor, which keeps the connections in step; only this side's answer counts.
        let replies = ask(links, &words);
        let reply = if oracle { replies.oracle } else { replies.subject };
        let value = reply.value().ok_or_else(|| reply.show())?;
        match value.items() {
            Some([Value::Bulk(next), Value::Array(keys)]) => {
                found.extend(keys.iter().filter_map(|key| key.text().map(<[u8]>::to_vec)));
                cursor.clone_from(next);
            }
            _ => return Err(value.show()),
        }
        if cursor == b"0" {
            found.sort();
            found.dedup();
            return Ok(found);
        }
    }
    Err(format!("no end after {SCAN_PAGES_MAX} pages"))
}
