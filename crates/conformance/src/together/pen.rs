//! Writes requests from templates. Few keys, so that clients meet on them; the keys of one kind lie on several cores
//! (plain names) and on one (those with a hash tag).
//!
//! A template is words with a space between. `a|b` is one of both. `$L $S $H $E $Z $X $K` is a key of a list, string, hash,
//! set (of integers), sorted set, stream, or of any kind; `#L` is a number and as many keys, `*L` one to three keys.
//! `$V` is a value, `$N` an integer, `$P` one of 1 to 3, `$D` a database, `$I` a stream ID above all before, `$J` one that
//! may exist, `$G` and `$C` a group and a consumer, `$T` the id of a client.

use super::play::CLIENTS;
use super::seat::ID_TOKEN;
use super::step::Request;
use crate::r#gen::Draw;

/// Keys of a kind: three plain ones and two with a tag.
const KEYS: usize = 5;
/// The kinds with the word that their keys begin with.
const KINDS: &[(char, &str)] =
    &[('S', "string"), ('L', "list"), ('H', "hash"), ('E', "set"), ('Z', "zset"), ('X', "stream")];
const VALUES: &[&str] = &[
    "a",
    "b",
    "c",
    "1",
    "2",
    "10",
    "-1",
    "3.5",
    "",
    "hello world",
    "QUEUED",
    "\r\n",
    "$-1\r\n",
    "true",
];
/// What DUMP says of a list of two elements.
pub const DUMPED_LIST: &[u8] =
    b"\x12\x01\x02\r\r\0\0\0\x02\0\x81a\x02\x81b\x02\xff\n\0h\xeb\n\x89\x13A\xbb\xb1";
/// What DUMP says of a sorted set of two members.
pub const DUMPED_SORTED_SET: &[u8] =
    b"\x11\x11\x11\0\0\0\x04\0\x81a\x02\x01\x01\x81b\x02\x02\x01\xff\n\0\xba\x07\xf2$\xa9\xd2\x8fU";

/// Seeded choices and the stream IDs given so far.
pub struct Pen {
    /// The choices.
    pub draw: Draw,
    last_id: u64,
}

impl Pen {
    /// The requests of `seed`.
    pub fn new(seed: u64) -> Pen {
        Pen { draw: Draw::new(seed), last_id: 1 }
    }

    /// The request of one of `templates`.
    pub fn one_of(&mut self, templates: &[&str]) -> Request {
        let template = self.draw.pick(templates);
        self.request(template)
    }

    /// The request of a template.
    pub fn request(&mut self, template: &str) -> Request {
        let mut request = Request::new();
        for word in template.split_ascii_whitespace() {
            let choices: Vec<&str> = word.split('|').collect();
            let word = self.draw.pick(&choices);
            self.word(word, &mut request);
        }
        request
    }

    fn word(&mut self, word: &str, request: &mut Request) {
        let mut letters = word.chars();
        match (letters.next(), letters.next(), letters.next()) {
            (Some('$'), Some(kind), None) => request.push(self.argument(kind)),
            (Some(many @ ('#' | '*')), Some(kind), None) => {
                let count = 1 + self.draw.below(3);
                if many == '#' {
                    request.push(count.to_string().into_bytes());
                }
                request.extend((0..count).map(|_| self.argument(kind)));
            }
            _ => request.push(word.as_bytes().to_vec()),
        }
    }

    fn argument(&mut self, kind: char) -> Vec<u8> {
        let text = match kind {
            'V' => self.draw.pick(VALUES).to_owned(),
            'N' => (self.draw.below(14) as i64 - 3).to_string(),
            'P' => (1 + self.draw.below(3)).to_string(),
            'D' => self.draw.below(3).to_string(),
            'I' => {
                self.last_id += 1;
                format!("{}-1", self.last_id)
            }
            'J' => format!("{}-1", 1 + self.draw.below(self.last_id as usize + 1)),
            'G' => format!("group{}", self.draw.below(2)),
            'C' => format!("consumer{}", self.draw.below(2)),
            'T' => format!("{ID_TOKEN}{}", self.draw.below(CLIENTS)),
            'K' => return self.key(),
            kind => {
                // Now and then the key of another kind, for the errors.
                if self.draw.chance(3) {
                    return self.key();
                }
                key(kind, self.draw.below(KEYS))
            }
        };
        text.into_bytes()
    }

    fn key(&mut self) -> Vec<u8> {
        let (kind, _) = KINDS[self.draw.below(KINDS.len())];
        key(kind, self.draw.below(KEYS)).into_bytes()
    }
}

fn key(kind: char, number: usize) -> String {
    let name = KINDS.iter().find(|(known, _)| *known == kind).map_or("key", |(_, name)| name);
    if number < 3 { format!("{name}:{number}") } else { format!("{{t}}{name}:{number}") }
}

/// Every key there may be.
pub fn all_keys() -> impl Iterator<Item = String> {
    KINDS.iter().flat_map(|(kind, _)| (0..KEYS).map(|number| key(*kind, number)))
}

/// The request that shows all of a key, if it holds what its name says.
pub fn whole(key: &str) -> String {
    let name = key.strip_prefix("{t}").unwrap_or(key);
    let kind = KINDS.iter().find(|(_, known)| name.starts_with(known)).map(|(kind, _)| *kind);
    match kind {
        Some('L') => format!("LRANGE {key} 0 -1"),
        Some('H') => format!("HGETALL {key}"),
        Some('E') => format!("SMEMBERS {key}"),
        Some('Z') => format!("ZRANGE {key} 0 -1 WITHSCORES"),
        Some('X') => format!("XRANGE {key} - +"),
        _ => format!("GET {key}"),
    }
}

/// Whether a word is a key as the pen writes them.
pub fn is_key(word: &[u8]) -> bool {
    let word = word.strip_prefix(b"{t}").unwrap_or(word);
    KINDS.iter().any(|(_, name)| {
        word.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&b':'))
    })
}

/// Whether a text has the name of a key in it, or the beginning of one.
pub fn names_keys(text: &[u8]) -> bool {
    KINDS.iter().any(|(_, name)| {
        let begins =
            |part: &[u8]| part.starts_with(name.as_bytes()) && part[name.len()..] == [b':'];
        text.windows(name.len() + 1).any(begins)
    })
}

/// Commands of every kind of value whose replies are the same bytes wherever and whenever they run on equal data.
pub const DATA: &[&str] = &[
    "SET $S $V",
    "SET $S $V GET",
    "SET $S $V NX|XX",
    "GET $S",
    "INCR $S",
    "DECRBY $S $N",
    "INCRBYFLOAT $S 0.5",
    "APPEND $S $V",
    "SETNX $S $V",
    "GETSET $S $V",
    "GETDEL $S",
    "STRLEN $S",
    "SETRANGE $S $P $V",
    "GETRANGE $S 0 $N",
    "MSET $S $V $S $V",
    "MGET $S $S $S",
    "MSETNX $S $V $S $V",
    "SETBIT $S $P 0|1",
    "BITCOUNT $S",
    "PFADD $S $V $V",
    "PFCOUNT $S",
    "DEL $K $K",
    "UNLINK $K",
    "EXISTS $K $K $K",
    "TYPE $K",
    "EXPIRE $K 1000",
    "PERSIST $K",
    "TOUCH $K $K",
    "LPUSH $L $V",
    "LPUSH $L $V $V",
    "RPUSH $L $V $V $V",
    "LPUSHX|RPUSHX $L $V",
    "LPOP|RPOP $L",
    "LPOP|RPOP $L 2",
    "LLEN $L",
    "LRANGE $L 0 -1",
    "LINDEX $L $N",
    "LSET $L $N $V",
    "LINSERT $L BEFORE|AFTER $V $V",
    "LREM $L $N $V",
    "LTRIM $L $N $N",
    "LMOVE $L $L LEFT|RIGHT LEFT|RIGHT",
    "RPOPLPUSH $L $L",
    "LMPOP #L LEFT|RIGHT",
    "LPOS $L $V",
    "HSET $H f1|f2 $V",
    "HSET $H f1 $V f2 $V",
    "HGET $H f1|f2",
    "HDEL $H f1|f2",
    "HLEN $H",
    "HINCRBY $H f1|f3 $N",
    "HMGET $H f1 f2 f3",
    "HEXISTS $H f1",
    "HSETNX $H f3 $V",
    "HSTRLEN $H f2",
    "HGETALL $H",
    "SADD $E $N $N",
    "SADD $E $N",
    "SREM $E $N",
    "SCARD $E",
    "SISMEMBER $E $N",
    "SMISMEMBER $E $N $N",
    "SMOVE $E $E $N",
    "SMEMBERS $E",
    "SINTER $E $E",
    "SINTERCARD #E",
    "SINTERSTORE $E $E $E",
    "SUNIONSTORE $E $E $E",
    "SDIFFSTORE $E $E $E",
    "ZADD $Z $N $V",
    "ZADD $Z $N $V $N $V",
    "ZADD $Z NX|XX|GT|LT $N $V",
    "ZINCRBY $Z $N $V",
    "ZSCORE $Z $V",
    "ZRANGE $Z 0 -1 WITHSCORES",
    "ZRANGEBYSCORE $Z $N +inf",
    "ZPOPMIN|ZPOPMAX $Z",
    "ZPOPMIN|ZPOPMAX $Z 2",
    "ZCARD $Z",
    "ZREM $Z $V",
    "ZRANK|ZREVRANK $Z $V",
    "ZCOUNT $Z -inf $N",
    "ZUNIONSTORE $Z #Z",
    "ZINTERSTORE $Z #Z",
    "ZRANGESTORE $Z $Z 0 -1",
    "ZMPOP #Z MIN|MAX",
    "ZMSCORE $Z $V $V",
    "ZDIFFSTORE $Z #Z",
    "XADD $X $I f $V",
    "XADD $X $I f $V g $V",
    "XADD $X $J f $V",
    "XLEN $X",
    "XRANGE $X - +",
    "XREVRANGE $X + - COUNT 2",
    "XDEL $X $J",
    "XTRIM $X MAXLEN $P",
    "XGROUP CREATE $X $G 0 MKSTREAM",
    "XGROUP CREATE $X $G $",
    "XGROUP DESTROY $X $G",
    "XREADGROUP GROUP $G $C COUNT 2 STREAMS $X >",
    "XACK $X $G $J",
    "XREAD COUNT 2 STREAMS $X $X 0 0",
    "RENAME $L $L",
    "RENAME $K $K",
    "RENAMENX $S $S",
    "COPY $K $K REPLACE",
    "COPY $K $K DB $D",
    "MOVE $K $D",
    "SORT $L ALPHA STORE $L",
    "SORT $E DESC LIMIT 0 3",
    "SORT_RO $L ALPHA",
    "GEOADD $Z 13.4 52.5 $V",
    "BITFIELD $S INCRBY u8 0 $P",
    "LCS $S $S LEN",
    "ECHO $V",
    "PING",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_leave_no_placeholder() {
        let mut pen = Pen::new(1);
        for template in DATA.iter().cycle().take(2000) {
            for word in pen.request(template) {
                let is_last_id = word == b"$" || word.starts_with(b"$-1");
                assert!(
                    is_last_id || !word.starts_with(b"$") && !word.starts_with(b"#"),
                    "{template}"
                );
            }
        }
    }

    #[test]
    fn keys_are_known_as_keys() {
        assert!(is_key(b"{t}list:3") && is_key(b"string:0"));
        assert!(!is_key(b"stringy") && !is_key(b"LEFT"));
    }
}
