//! The classes of keyspace events, as `notify-keyspace-events` names them by letters.

/// `K`: events are published under the key's name.
pub const KEYSPACE: u32 = 1 << 0;
/// `E`: events are published under the event's name.
pub const KEYEVENT: u32 = 1 << 1;
/// `g`: commands of any type, DEL, EXPIRE, RENAME and such.
pub const GENERIC: u32 = 1 << 2;
/// `$`: string commands.
pub const STRING: u32 = 1 << 3;
/// `l`: list commands.
pub const LIST: u32 = 1 << 4;
/// `s`: set commands.
pub const SET: u32 = 1 << 5;
/// `h`: hash commands.
pub const HASH: u32 = 1 << 6;
/// `z`: sorted set commands.
pub const ZSET: u32 = 1 << 7;
/// `x`: keys that expired.
pub const EXPIRED: u32 = 1 << 8;
/// `e`: keys that were evicted.
pub const EVICTED: u32 = 1 << 9;
/// `t`: stream commands.
pub const STREAM: u32 = 1 << 10;
/// `m`: look-ups that found nothing; not part of `A`.
pub const KEY_MISS: u32 = 1 << 11;
/// `d`: values of modules.
pub const MODULE: u32 = 1 << 12;
/// `n`: keys that came into being; not part of `A`.
pub const NEW: u32 = 1 << 13;
/// `A`: all classes but `m` and `n`.
pub const ALL: u32 =
    GENERIC | STRING | LIST | SET | HASH | ZSET | EXPIRED | EVICTED | STREAM | MODULE;

/// Letters in the order in which Redis prints them when `A` does not stand for them.
const CLASSES: [(u8, u32); 11] = [
    (b'g', GENERIC),
    (b'$', STRING),
    (b'l', LIST),
    (b's', SET),
    (b'h', HASH),
    (b'z', ZSET),
    (b'x', EXPIRED),
    (b'e', EVICTED),
    (b't', STREAM),
    (b'd', MODULE),
    (b'n', NEW),
];

/// Letters that stand behind the classes.
const ADDRESSES: [(u8, u32); 3] = [(b'K', KEYSPACE), (b'E', KEYEVENT), (b'm', KEY_MISS)];

/// The bits of a string of letters; `None` when one of them is no class.
pub fn parse(letters: &[u8]) -> Option<u32> {
    letters.iter().try_fold(0, |bits, letter| {
        let known = CLASSES.iter().chain(&ADDRESSES).find(|(known, _)| known == letter);
        match (letter, known) {
            (b'A', _) => Some(bits | ALL),
            (_, Some((_, bit))) => Some(bits | bit),
            (_, None) => None,
        }
    })
}

/// The letters of some bits, as CONFIG GET prints them. `n` beside `A` is not printed, as in Redis.
pub fn print(bits: u32) -> String {
    let mut letters = String::new();
    let push = |letters: &mut String, from: &[(u8, u32)]| {
        letters.extend(
            from.iter().filter(|(_, bit)| bits & bit != 0).map(|(letter, _)| *letter as char),
        );
    };
    match bits & ALL == ALL {
        true => letters.push('A'),
        false => push(&mut letters, &CLASSES),
    }
    push(&mut letters, &ADDRESSES);
    letters
}
