//! Requests, as a redis-server 7.0 takes and refuses them.

use proptest::prelude::*;
use resp::{Limits, Parsed, Partial, Protocol, ProtocolError, Span, Writer, parse};

/// What a connection sees: requests as lists of arguments, then perhaps an error.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    requests: Vec<Vec<Vec<u8>>>,
    error: Option<ProtocolError>,
}

/// A connection as the session keeps one: unconsumed bytes, what is remembered, what was seen.
#[derive(Default)]
struct Connection {
    pending: Vec<u8>,
    partial: Option<Box<Partial>>,
    seen: Seen,
}

impl Connection {
    fn receive(&mut self, bytes: &[u8], limits: &Limits) {
        self.pending.extend_from_slice(bytes);
        let (mut at, mut spans, mut scratch) = (0, Vec::new(), Vec::new());
        while self.seen.error.is_none() {
            spans.clear();
            let answer =
                parse(&self.pending, at, &mut self.partial, &mut spans, &mut scratch, limits);
            match answer {
                Parsed::Request { consumed, args } => {
                    self.seen.requests.push(copied(&spans, args, &self.pending));
                    at += consumed;
                }
                Parsed::Inline { consumed, args } => {
                    self.seen.requests.push(copied(&spans, args, &scratch));
                    at += consumed;
                }
                Parsed::Empty { consumed } => at += consumed,
                Parsed::Error(error) => self.seen.error = Some(error),
                Parsed::Incomplete { wants } => {
                    assert!(wants > 0);
                    break;
                }
            }
        }
        self.pending.drain(..at);
    }
}

fn copied(spans: &[Span], args: u32, source: &[u8]) -> Vec<Vec<u8>> {
    assert_eq!(spans.len(), args as usize);
    spans.iter().map(|span| span.of(source).to_vec()).collect()
}

fn seen_in_pieces(pieces: &[&[u8]], limits: &Limits) -> Seen {
    let mut connection = Connection::default();
    for piece in pieces {
        connection.receive(piece, limits);
    }
    connection.seen
}

/// Requests in words, `;` between requests; an error as its text.
fn shown(input: &[u8], limits: &Limits) -> String {
    let seen = seen_in_pieces(&[input], limits);
    let word = |arg: &Vec<u8>| arg.escape_ascii().to_string();
    let mut parts: Vec<String> = seen
        .requests
        .iter()
        .map(|args| args.iter().map(word).collect::<Vec<_>>().join(" "))
        .collect();
    parts.extend(seen.error.map(|error| error.text().escape_ascii().to_string()));
    parts.join("; ")
}

#[track_caller]
fn check(input: &[u8], expected: &str) {
    assert_eq!(shown(input, &Limits::default()), expected, "{}", input.escape_ascii());
}

#[test]
fn usual_requests_are_split_into_their_arguments() {
    check(
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10\r\n0123456789\r\n*1\r\n$4\r\nPING\r\n",
        "SET k 0123456789; PING",
    );
    check(b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", "GET ");
    check(b"*12\r\n$1\r\n0\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n$1\r\n7\r\n$1\r\n8\r\n$1\r\n9\r\n$1\r\na\r\n$1\r\nb\r\n",
        "0 1 2 3 4 5 6 7 8 9 a b");
}

#[test]
fn every_width_of_length_is_read() {
    for len in [0, 1, 9, 10, 99, 100, 999, 1000, 9999, 10_000, 99_999, 1_000_000] {
        let mut input = Vec::new();
        let mut writer = Writer::new(&mut input, Protocol::Resp2);
        writer.array(2);
        writer.bulk(&vec![b'v'; len]);
        writer.bulk(b"end");
        let seen = seen_in_pieces(&[&input], &Limits::default());
        assert_eq!(seen.requests, [[vec![b'v'; len], b"end".to_vec()]]);
    }
}

#[test]
fn counts_and_lengths_have_one_spelling() {
    for count in [
        "+1",
        "01",
        " 1",
        "1 ",
        "",
        "a",
        "-0",
        "2147483648",
        "9223372036854775808",
        "-9223372036854775809",
    ] {
        check(
            format!("*{count}\r\n$4\r\nPING\r\n").as_bytes(),
            "Protocol error: invalid multibulk length",
        );
    }
    for len in [
        "-1",
        "-2",
        "+4",
        "04",
        " 4",
        "4 ",
        "",
        "536870913",
        "9223372036854775808",
        "00",
        "012",
        "1x",
    ] {
        check(
            format!("*1\r\n${len}\r\nPING\r\n").as_bytes(),
            "Protocol error: invalid bulk length",
        );
    }
}

#[test]
fn counts_of_zero_and_below_and_blank_lines_are_skipped() {
    for nothing in [
        "*0\r\n",
        "*-1\r\n",
        "*-5\r\n",
        "*-2147483649\r\n",
        "*-9223372036854775808\r\n",
        "\r\n",
        "\n",
        "\r\r\n",
        "  \r\n",
        "\t\x0b\x0c\n",
    ] {
        check(format!("{nothing}PING\r\n").as_bytes(), "PING");
    }
}

#[test]
fn the_bytes_after_a_cr_and_after_an_argument_are_not_looked_at() {
    check(b"*1\rX$4\rXPINGXYPING\r\n", "PING; PING");
    check(b"*1\n$4\nPING\n\n", "");
    check(b"*1\n$4\r\nPING\r\n", "Protocol error: invalid multibulk length");
}

#[test]
fn an_argument_begins_with_a_dollar() {
    check(b"*1\r\nx4\r\n", "Protocol error: expected \\'$\\', got \\'x\\'");
    check(b"*1\r\n\xff4\r\n", "Protocol error: expected \\'$\\', got \\'\\xff\\'");
    check(b"*1\r\n\r\n", "Protocol error: expected \\'$\\', got \\'\\r\\'");
    check(b"*1\r\nx", "");
}

#[test]
fn inline_requests_are_split_at_white_space_and_quotes() {
    check(b"PING\n", "PING");
    check(b"  set  k\tv \r\n", "set k v");
    check(b"echo \"a\\x41\\n\\r\\t\\a\\b\\q\\\"\\\\\"\r\n", "echo aA\\n\\r\\t\\x07\\x08q\\\"\\\\");
    check(b"echo 'a\\'b\\n'\r\n", "echo a\\'b\\\\n");
    check(b"echo a\"b c\"\r\n", "echo ab c");
    check(b"echo \"\\xg1\\x4\"\r\n", "echo xg1x4");
    check(b"\"\" \"\"\r\n", " ");
    check(b"ec'ho'  hi\r\n", "echo hi");
    check(b"echo\ta\x0bb\r\n", "echo a\\x0bb");
    check(b"echo \"a\"\x0bb\r\n", "echo a b");
    check(b"echo a\rb\r\n", "echo a b");
    check(b"echo \x80a\r\n", "echo \\x80a");
}

#[test]
fn unbalanced_quotes_are_an_error() {
    for line in [
        "echo \"a\"b",
        "echo \"a",
        "echo 'a",
        "echo \"\\",
        "echo 'a\\",
        "\"",
        "echo 'a'b",
        "echo \"a\"\"b\"",
    ] {
        check(format!("{line}\r\n").as_bytes(), "Protocol error: unbalanced quotes in request");
    }
}

#[test]
fn lines_of_65536_bytes_without_an_end_are_waited_for_and_longer_ones_refused() {
    let cases: [(&[u8], &str); 4] = [
        (b"", "Protocol error: too big inline request"),
        (b"*", "Protocol error: too big mbulk count string"),
        (b"*1\r\n$", "Protocol error: too big bulk count string"),
        (b"*1\r\nx", "Protocol error: too big bulk count string"),
    ];
    for (before, text) in cases {
        let on_line = before.strip_prefix(b"*1\r\n").unwrap_or(before).len();
        let line = |len: usize| [before, &vec![b'1'; len - on_line]].concat();
        check(&line(65536), "");
        check(&line(65537), text);
    }
    let request = [b"echo ".to_vec(), vec![b'a'; 65531], b"\n".to_vec()].concat();
    assert_eq!(seen_in_pieces(&[&request], &Limits::default()).requests.len(), 1);
}

#[test]
fn a_nul_hides_the_rest_of_its_line() {
    check(b"\0\r\nPING\r\n", "");
    check(b"echo a\0b\r\nPING\r\n", "");
    check(b"*1\r\n\0\r\n", "");
    check(&[b"\0".to_vec(), vec![b'\n'; 65536]].concat(), "Protocol error: too big inline request");
    check(b"*1\r\n$3\r\na\0b\r\n", "a\\x00b");
}

#[test]
fn unauthenticated_clients_have_small_limits() {
    let limits = Limits { authenticated: false, ..Limits::default() };
    let check =
        |input: &str, expected: &str| assert_eq!(shown(input.as_bytes(), &limits), expected);
    check("*10\r\n", "");
    check("*11\r\n", "Protocol error: unauthenticated multibulk length");
    check("*2147483648\r\n", "Protocol error: invalid multibulk length");
    check("*1\r\n$16384\r\n", "");
    check("*1\r\n$16385\r\n", "Protocol error: unauthenticated bulk length");
    check("*1\r\n$536870913\r\n", "Protocol error: invalid bulk length");
    check("a b c d e f g h i j k l\r\n", "a b c d e f g h i j k l");
}

#[test]
fn configured_limits_hold_on_the_short_way_too() {
    let limits = Limits { bulk_bytes: 5, args: 2, ..Limits::default() };
    assert_eq!(shown(b"*1\r\n$5\r\n12345\r\n", &limits), "12345");
    assert_eq!(shown(b"*1\r\n$6\r\n123456\r\n", &limits), "Protocol error: invalid bulk length");
    assert_eq!(shown(b"*3\r\n", &limits), "Protocol error: invalid multibulk length");
}

/// Bytes that look like requests, with some damage.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let bulk =
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 1..40).prop_map(|args| {
            let mut out = Vec::new();
            let mut writer = Writer::new(&mut out, Protocol::Resp2);
            writer.array(args.len());
            args.iter().for_each(|arg| writer.bulk(arg));
            out
        });
    let inline = "[ab\"'\\\\x4 \t]{0,12}\r?\n".prop_map(String::into_bytes);
    let long_line = (1000usize..3000).prop_map(|len| [vec![b'z'; len], b"\r\n".to_vec()].concat());
    let odd = prop::sample::select(vec![
        "*0\r\n",
        "*-1\r\n",
        "\r\n",
        "*1\r\n$0\r\n\r\n",
        "*2\r\n$1\r\nax",
    ]);
    let part = prop_oneof![4 => bulk, 2 => inline, 1 => long_line, 1 => odd.prop_map(|text| text.as_bytes().to_vec())];
    let damage = prop::collection::vec(
        (any::<prop::sample::Index>(), prop::sample::select(b"*$019\r\n- \0".to_vec())),
        0..3,
    );
    (prop::collection::vec(part, 1..5), damage).prop_map(|(parts, damage)| {
        let mut stream = parts.concat();
        for (at, byte) in damage {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        stream
    })
}

proptest! {
    #[test]
    fn any_split_gives_the_same_requests(stream in stream()) {
        let limits = Limits::default();
        let whole = seen_in_pieces(&[&stream], &limits);
        for at in 0..=stream.len() {
            let (before, behind) = stream.split_at(at);
            prop_assert_eq!(&seen_in_pieces(&[before, behind], &limits), &whole);
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(&seen_in_pieces(&bytes, &limits), &whole);
        let sevens: Vec<&[u8]> = stream.chunks(7).collect();
        prop_assert_eq!(&seen_in_pieces(&sevens, &limits), &whole);
    }

    #[test]
    fn arbitrary_bytes_never_panic(stream in prop::collection::vec(any::<u8>(), 0..2000), authenticated: bool) {
        let limits = Limits { authenticated, ..Limits::default() };
        seen_in_pieces(&[&stream], &limits);
        seen_in_pieces(&[b"*5\r\n", &stream], &limits);
    }

    #[test]
    fn written_requests_are_read_back(args in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..30)) {
        let mut stream = Vec::new();
        let mut writer = Writer::new(&mut stream, Protocol::Resp2);
        writer.array(args.len());
        args.iter().for_each(|arg| writer.bulk(arg));
        let seen = seen_in_pieces(&[&stream], &Limits::default());
        prop_assert_eq!(seen, Seen { requests: vec![args], error: None });
    }
}
