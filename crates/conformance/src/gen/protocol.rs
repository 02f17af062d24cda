//! Raw bytes on a fresh connection: inline requests, broken framing, and requests cut anywhere.

use super::draw::Kind;
use super::{Draw, Family, script};
use crate::random::script::Action;
use crate::wire::encode;

pub const FAMILY: Family = Family {
    name: "protocol",
    templates: &[
        script(2, inline),
        script(2, framing),
        script(1, cut_anywhere),
        script(1, reply_modes),
    ],
};

const INLINE: &[&str] = &[
    "PING\r\n",
    "PING\n",
    "  PING  \r\n",
    "\r\n",
    "\n",
    " \r\n",
    "SET k:1 \"a b\"\r\n",
    "SET k:1 'a b'\r\n",
    "GET k:1\r\n",
    "SET k:1 \"\\x41\\n\\\"\\q\"\r\n",
    "SET k:1 'it\\'s'\r\n",
    "SET k:1 \"unbalanced\r\n",
    "SET k:1 'unbalanced\r\n",
    "SET k:1 \"a\"b\r\n",
    "SET k:1 'a'b\r\n",
    "ECHO \"\"\r\n",
    "ECHO ''\r\n",
    "ECHO \"\\x4\"\r\n",
    "ECHO a\tb\r\n",
    "EcHo hi\r\n",
    "nosuch a b c\r\n",
    "GET\r\n",
    "GET / HTTP/1.1\r\n",
    "QUIT\r\n",
    "quit now\r\n",
    "\0\r\n",
    "PING\0\r\n",
    "PING \0x\r\n",
    "\u{7f}\r\n",
    "+OK\r\n",
    "-ERR\r\n",
    ":1\r\n",
    "$3\r\n",
    "ECHO \"a\" \"b\"\r\n",
    "ECHO \\\r\n",
    "ECHO \"\\r\\n\\t\\b\\a\"\r\n",
    "PING\rPING\r\n",
];

/// Redis closes on these at once and forgets replies that it has not written yet; the runner waits before it sends one.
const HTTP: &[&str] = &[
    "POST / HTTP/1.1\r\n",
    "Host: localhost\r\n",
    "post x\r\n",
    "host:\r\n",
    "POST\r\n",
    "*1\r\n$4\r\nPOST\r\n",
    "*2\r\n$5\r\nHost:\r\n$1\r\nx\r\n",
];

fn inline(draw: &mut Draw, _: usize) -> Vec<Action> {
    let mut pieces: Vec<Vec<u8>> =
        (0..1 + draw.below(5)).map(|_| draw.pick(INLINE).as_bytes().to_vec()).collect();
    if draw.chance(15) {
        pieces.push(draw.pick(HTTP).as_bytes().to_vec());
    }
    vec![Action::Raw { pieces }]
}

const FRAMES: &[&str] = &[
    "*0\r\n",
    "*-1\r\n",
    "*-10\r\n",
    "*\r\n",
    "*a\r\n",
    "*1.5\r\n",
    "* 1\r\n",
    "*1 \r\n",
    "*+1\r\n$4\r\nPING\r\n",
    "*01\r\n$4\r\nPING\r\n",
    "*2147483647\r\n",
    "*2147483648\r\n",
    "*1048577\r\n",
    "*9223372036854775808\r\n",
    "*1\r\n$-1\r\n",
    "*1\r\n$\r\n",
    "*1\r\n$a\r\n",
    "*1\r\n$0\r\n\r\n",
    "*1\r\n$4\r\nPING\r\n",
    "*1\n$4\nPING\n",
    "*1\r\n+PING\r\n",
    "*1\r\n:1\r\n",
    "*1\r\nPING\r\n",
    "*1\r\n*1\r\n",
    "*1\r\n$536870913\r\n",
    "*1\r\n$9223372036854775808\r\n",
    "*1\r\n$4\r\nPINGxx",
    "*1\r\n$4\r\nPING\r\r",
    "*1\r\n$3\r\nPING\r\n",
    "*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n",
    "*2\r\n$4\r\nECHO\r\n$-2\r\n",
    "*2\r\n$4\r\nECHO\r\n",
    "*1\r\n$4\r\nQUIT\r\n",
    "*1\r\n$04\r\nPING\r\n",
    "*1\r\n\r\n",
    "*1\r\n$4\r\n",
    "*3\r\n$3\r\nSET\r\n$3\r\nk:1\r\n$1\r\nv\r\n",
    "*2\r\n$3\r\nGET\r\n$3\r\nk:1\r\n",
    "\r\n*1\r\n$4\r\nPING\r\n",
    "*2\r\n$6\r\nnosuch\r\n$2\r\n\r\n\r\n",
    "%1\r\n",
    "~1\r\n",
    "_\r\n",
    "*1\r\n$ 4\r\nPING\r\n",
];

fn framing(draw: &mut Draw, conn: usize) -> Vec<Action> {
    if draw.chance(5) {
        return too_long(draw, conn);
    }
    let pieces = (0..1 + draw.below(4)).map(|_| draw.pick(FRAMES).as_bytes().to_vec()).collect();
    vec![Action::Raw { pieces }]
}

/// Good requests whose bytes arrive in pieces that respect nothing; sometimes the end is missing.
fn cut_anywhere(draw: &mut Draw, _: usize) -> Vec<Action> {
    let mut bytes = Vec::new();
    for _ in 0..1 + draw.below(6) {
        let key = draw.key();
        let value = if draw.chance(10) { draw.arg(Kind::BigValue) } else { draw.value() };
        match draw.below(5) {
            0 => encode(&[b"SET".to_vec(), key, value], &mut bytes),
            1 => encode(&[b"GET".to_vec(), key], &mut bytes),
            2 => encode(&[b"ECHO".to_vec(), value], &mut bytes),
            3 => {
                encode(&[b"MSET".to_vec(), key, value.clone(), b"k:2".to_vec(), value], &mut bytes)
            }
            _ => bytes.extend_from_slice(draw.pick(INLINE).as_bytes()),
        }
    }
    if draw.chance(20) {
        bytes.truncate(draw.below(bytes.len()));
    }
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let most = if draw.chance(50) { 8 } else { bytes.len() };
        let rest = bytes.split_off((1 + draw.below(most)).min(bytes.len()));
        pieces.push(std::mem::replace(&mut bytes, rest));
        // The pieces are sent with pauses; more than a few would only cost time.
        if pieces.len() == 6 {
            pieces.push(std::mem::take(&mut bytes));
        }
    }
    vec![Action::Raw { pieces }]
}

/// Redis' limit for a line of protocol.
const LINE_BYTES_MAX: usize = 64 << 10;

fn too_long(draw: &mut Draw, _: usize) -> Vec<Action> {
    let filler = |length: usize, byte: u8| vec![byte; length];
    let pieces = match draw.below(6) {
        0 => vec![filler(LINE_BYTES_MAX + 1000, b'a')],
        1 => vec![b"*".to_vec(), filler(LINE_BYTES_MAX + 1000, b'1')],
        2 => vec![b"*1\r\n$".to_vec(), filler(LINE_BYTES_MAX + 1000, b'1')],
        3 => vec![b"ECHO ".to_vec(), filler(60_000, b'x'), b"\r\n".to_vec()],
        4 => vec![
            b"nosuch ".to_vec(),
            filler(300, b'x'),
            b" ".to_vec(),
            filler(300, b'y'),
            b"\r\n".to_vec(),
        ],
        _ => vec![filler(300, b'n'), b"\r\n".to_vec()],
    };
    vec![Action::Raw { pieces: vec![pieces.concat()] }]
}

/// CLIENT REPLY: how many replies come is part of what is compared. Without QUIT: Redis 7.0 closes after the reply was
/// written, so one whose reply is off never closes, which is nothing to follow.
fn reply_modes(draw: &mut Draw, _: usize) -> Vec<Action> {
    let pieces = (0..2 + draw.below(6))
        .map(|_| {
            draw.pick(&[
                "CLIENT REPLY OFF\r\n",
                "CLIENT REPLY SKIP\r\n",
                "CLIENT REPLY ON\r\n",
                "PING\r\n",
                "SET k:1 v\r\n",
                "GET k:1\r\n",
                "nosuch\r\n",
                "CLIENT REPLY\r\n",
                "CLIENT REPLY MAYBE\r\n",
                "client reply off x\r\n",
                "ECHO hi\r\n",
                "RESET\r\n",
                "MGET k:1 k:2\r\n",
                "CLIENT REPLY ON\r\n",
            ])
            .as_bytes()
            .to_vec()
        })
        .collect();
    vec![Action::Raw { pieces }]
}
