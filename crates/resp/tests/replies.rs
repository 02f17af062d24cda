//! Replies: what the writer writes, byte for byte, and that the reader reads it back.

use proptest::prelude::*;
use resp::read::{DEPTH_MAX, Framer, ReadError, frame_len, show};
use resp::{Protocol, ProtocolError, Value, Writer};

fn written(protocol: Protocol, write: impl FnOnce(&mut Writer<'_>)) -> String {
    let mut out = Vec::new();
    write(&mut Writer::new(&mut out, protocol));
    out.escape_ascii().to_string()
}

/// What both protocols write.
#[track_caller]
fn check(write: impl Fn(&mut Writer<'_>), resp2: &str, resp3: &str) {
    assert_eq!(written(Protocol::Resp2, &write), resp2);
    assert_eq!(written(Protocol::Resp3, &write), resp3);
}

#[test]
fn each_reply_has_its_spelling_in_both_protocols() {
    let same = |write: fn(&mut Writer<'_>), text: &str| check(write, text, text);
    same(|w| w.ok(), "+OK\\r\\n");
    same(|w| w.simple("PONG"), "+PONG\\r\\n");
    same(|w| w.error("ERR no such key"), "-ERR no such key\\r\\n");
    same(|w| w.integer(0), ":0\\r\\n");
    same(|w| w.integer(-1), ":-1\\r\\n");
    same(|w| w.integer(i64::MIN), ":-9223372036854775808\\r\\n");
    same(|w| w.bulk(b""), "$0\\r\\n\\r\\n");
    same(|w| w.bulk(b"0123456789"), "$10\\r\\n0123456789\\r\\n");
    same(|w| w.bulk_parts(3, [&b"a"[..], b"bc"]), "$3\\r\\nabc\\r\\n");
    same(|w| w.bulk_int(-42), "$3\\r\\n-42\\r\\n");
    same(|w| w.array(0), "*0\\r\\n");
    same(|w| w.array(123), "*123\\r\\n");
    check(|w| w.null(), "$-1\\r\\n", "_\\r\\n");
    check(|w| w.null_array(), "*-1\\r\\n", "_\\r\\n");
    check(|w| w.map(3), "*6\\r\\n", "%3\\r\\n");
    check(|w| w.set(3), "*3\\r\\n", "~3\\r\\n");
    check(|w| w.push(3), "*3\\r\\n", ">3\\r\\n");
    check(|w| w.bool(true), ":1\\r\\n", "#t\\r\\n");
    check(|w| w.bool(false), ":0\\r\\n", "#f\\r\\n");
    check(|w| w.double(3.25), "$4\\r\\n3.25\\r\\n", ",3.25\\r\\n");
    check(
        |w| w.big_number("1234567999999999999999"),
        "$22\\r\\n1234567999999999999999\\r\\n",
        "(1234567999999999999999\\r\\n",
    );
    check(|w| w.verbatim("txt", b"a\nb"), "$3\\r\\na\\nb\\r\\n", "=7\\r\\ntxt:a\\nb\\r\\n");
    assert_eq!(written(Protocol::Resp3, |w| w.attribute(1)), "|1\\r\\n");
}

#[test]
fn line_breaks_in_a_line_become_spaces_and_are_left_out_at_its_ends() {
    let error = |text: &str| written(Protocol::Resp2, |w| w.error(text));
    assert_eq!(error("ERR abc\r\ndef\n"), "-ERR abc  def\\r\\n");
    assert_eq!(error("\nERR abc"), "-ERR abc\\r\\n");
    assert_eq!(error("\r\n"), "-\\r\\n");
    assert_eq!(written(Protocol::Resp2, |w| w.simple("a\r\n+b")), "+a  +b\\r\\n");
    let got =
        |byte| written(Protocol::Resp2, |w| w.protocol_error(ProtocolError::ExpectedDollar(byte)));
    assert_eq!(got(b'x'), "-ERR Protocol error: expected \\'$\\', got \\'x\\'\\r\\n");
    assert_eq!(got(b'\r'), "-ERR Protocol error: expected \\'$\\', got \\' \\'\\r\\n");
}

#[test]
fn deferred_lengths_look_as_if_known_before() {
    for len in [0, 1, 9, 10, 99, 100, 12345] {
        for protocol in [Protocol::Resp2, Protocol::Resp3] {
            let deferred = written(protocol, |w| {
                w.integer(7);
                let outer = w.deferred_array();
                let inner = w.deferred_map();
                (0..2 * len).for_each(|index| w.integer(index));
                w.close(inner, len as usize);
                let inner = w.deferred_set();
                (0..len).for_each(|_| w.ok());
                w.close(inner, len as usize);
                w.close(outer, 2);
            });
            let known = written(protocol, |w| {
                w.integer(7);
                w.array(2);
                w.map(len as usize);
                (0..2 * len).for_each(|index| w.integer(index));
                w.set(len as usize);
                (0..len).for_each(|_| w.ok());
            });
            assert_eq!(deferred, known);
        }
    }
}

#[test]
fn what_was_written_can_be_taken_back() {
    let text = written(Protocol::Resp2, |w| {
        w.ok();
        let before = w.position();
        w.array(2);
        w.reborrow().integer(1);
        w.truncate(before);
        w.error("OOM");
    });
    assert_eq!(text, "+OK\\r\\n-OOM\\r\\n");
}

fn parsed(input: &[u8]) -> String {
    match Value::parse_all(input) {
        Ok((values, len)) if len == input.len() => show(&values),
        Ok((values, _)) => format!("{}; …", show(&values)),
        Err(error) => format!("! {error}"),
    }
}

#[test]
fn replies_are_shown_in_the_notation_of_tests() {
    let all = b"+OK\r\n$1\r\nv\r\n$-1\r\n*-1\r\n_\r\n:1\r\n*3\r\n$1\r\na\r\n$1\r\nb\r\n*2\r\n:1\r\n:2\r\n-ERR text\r\n%1\r\n+k\r\n+v\r\n";
    assert_eq!(parsed(all), "OK; v; nil; nil; nil; 1; [a b [1 2]]; (err) ERR text; {k v}");
    let more = b"~2\r\n+a\r\n+b\r\n#t\r\n#f\r\n,1.5\r\n(12345678901234567890\r\n=6\r\ntxt:hi\r\n!5\r\nERR x\r\n>1\r\n+m\r\n|1\r\n+k\r\n:1\r\n+v\r\n$0\r\n\r\n$2\r\n\n\xff\r\n*0\r\n";
    assert_eq!(
        parsed(more),
        "~{a b}; #t; #f; ,1.5; 12345678901234567890; hi; (err) ERR x; >[m]; |{k 1} v; \"\"; \\n\\xff; []"
    );
}

#[test]
fn what_is_no_reply_is_refused() {
    for bad in [
        "x\r\n",
        ":a\r\n",
        ":01\r\n",
        "$a\r\n",
        "$-2\r\n",
        "*-2\r\n",
        "%-1\r\n",
        "#x\r\n",
        "_x\r\n",
        "=2\r\nab\r\n",
        "$1\r\nabc",
        "+a\rb",
        "$?\r\n",
        "%9223372036854775808\r\n",
    ] {
        assert!(matches!(Value::parse(bad.as_bytes()), Some(Err(_))), "{bad:?}");
    }
    for part in [
        "",
        "+",
        "+O",
        "+OK\r",
        "$3\r\nab",
        "$3\r\nabc\r",
        "*2\r\n:1\r\n",
        "*9223372036854775807\r\n",
        "$9223372036854775807\r\n",
    ] {
        assert_eq!(frame_len(part.as_bytes()), None, "{part:?}");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| [b"*1\r\n".repeat(depth), b":1\r\n".to_vec()].concat();
    assert!(matches!(Value::parse(&nested(DEPTH_MAX)), Some(Ok(_))));
    assert_eq!(Value::parse(&nested(DEPTH_MAX + 1)), Some(Err(ReadError::TooDeep)));
    let deep = nested(1_000_000);
    assert_eq!(frame_len(&deep), Some(Ok(deep.len())));
}

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 ]{0,12}"
}

/// Trees of every kind of reply.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::Simple),
        text().prop_map(|text| Value::Error(format!("ERR {text}"))),
        any::<i64>().prop_map(Value::Integer),
        prop::collection::vec(any::<u8>(), 0..200).prop_map(Value::Bulk),
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        prop::sample::select(vec!["0", "-0", "1.5", "inf", "-inf", "nan", "1e-7", "0.1"])
            .prop_map(|text| Value::Double(text.into())),
        "[1-9][0-9]{0,40}".prop_map(Value::BigNumber),
        prop::collection::vec(any::<u8>(), 0..20)
            .prop_map(|text| Value::Verbatim("txt".into(), text)),
    ];
    leaf.prop_recursive(4, 60, 12, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..12);
        let pairs = || prop::collection::vec((inner.clone(), inner.clone()), 0..6);
        prop_oneof![
            list().prop_map(Value::Array),
            list().prop_map(Value::Set),
            list().prop_map(Value::Push),
            pairs().prop_map(Value::Map),
            (pairs(), inner.clone())
                .prop_map(|(pairs, value)| Value::Attributed(pairs, Box::new(value))),
        ]
    })
}

fn write_pairs(writer: &mut Writer<'_>, pairs: &[(Value, Value)]) {
    for (key, value) in pairs {
        write(writer, key);
        write(writer, value);
    }
}

fn write(writer: &mut Writer<'_>, value: &Value) {
    match value {
        Value::Simple(text) => writer.simple(text),
        Value::Error(text) => writer.error(text),
        Value::Integer(value) => writer.integer(*value),
        Value::Bulk(bytes) => writer.bulk(bytes),
        Value::Null => writer.null(),
        Value::Bool(value) => writer.bool(*value),
        Value::Double(text) => writer.double(text.parse().expect("a float")),
        Value::BigNumber(digits) => writer.big_number(digits),
        Value::Verbatim(_, text) => writer.verbatim("txt", text),
        Value::Array(values) => {
            writer.array(values.len());
            values.iter().for_each(|value| write(writer, value));
        }
        Value::Set(values) => {
            let mark = writer.deferred_set();
            values.iter().for_each(|value| write(writer, value));
            writer.close(mark, values.len());
        }
        Value::Push(values) => {
            writer.push(values.len());
            values.iter().for_each(|value| write(writer, value));
        }
        Value::Map(pairs) => {
            let mark = writer.deferred_map();
            write_pairs(writer, pairs);
            writer.close(mark, pairs.len());
        }
        Value::Attributed(pairs, value) => {
            writer.attribute(pairs.len());
            write_pairs(writer, pairs);
            write(writer, value);
        }
    }
}

proptest! {
    #[test]
    fn what_the_writer_writes_the_reader_reads(value in value()) {
        let mut out = Vec::new();
        write(&mut Writer::new(&mut out, Protocol::Resp3), &value);
        prop_assert_eq!(Value::parse(&out), Some(Ok((value, out.len()))));
        let mut framer = Framer::default();
        for end in 0..out.len() {
            prop_assert_eq!(frame_len(&out[..end]), None);
            prop_assert_eq!(framer.frame_len(&out[..end]), None);
        }
        prop_assert_eq!(framer.frame_len(&out), Some(Ok(out.len())));
    }

    #[test]
    fn arbitrary_bytes_never_panic_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "[*$%~>|=!:+_#,(0-9\r\n-]{0,60}") {
        let _ = Value::parse_all(&bytes).map(|(values, _)| show(&values));
        let _ = Value::parse_all(text.as_bytes()).map(|(values, _)| show(&values));
    }
}
