//! Clients that flood, never read, or leave in the middle: what their core does with them.

use crate::check::{Client, World, check};

/// Pieces in which a socket delivers.
const PIECE_BYTES: usize = 64 * 1024;

/// Feeds `bytes` in pieces as long as the core reads; gives how many it took.
fn flood(world: &mut World, client: Client, bytes: &[u8]) -> usize {
    let mut taken = 0;
    for piece in bytes.chunks(PIECE_BYTES) {
        if world.is_paused(client) {
            break;
        }
        world.feed_quietly(client, piece);
        world.settle();
        taken += piece.len();
    }
    taken
}

#[test]
fn a_flood_that_is_never_read_is_not_taken_in_and_goes_on_when_it_is() {
    for cores in [1, 2] {
        let mut world = World::new(cores);
        let client = world.open(0);
        let before = world.client_bytes();
        world.stop_reading(client);
        let echo = b"*2\r\n$4\r\nECHO\r\n$10\r\n0123456789\r\nGET nothing\r\n";
        let sent = echo.repeat(200_000);
        let taken = flood(&mut world, client, &sent);
        assert!(taken < sent.len() / 4, "{taken} of {} bytes", sent.len());
        let kept = world.client_bytes() - before;
        assert!(kept < 2 << 20, "{kept} bytes are kept for it");
        let mut at = taken;
        world.read_on(client);
        while at < sent.len() {
            let more = flood(&mut world, client, &sent[at..]);
            assert!(more > 0, "it is read again");
            at += more;
        }
        let answered = world.take(client);
        assert_eq!(answered.len(), 200_000 * b"$10\r\n0123456789\r\n$-1\r\n".len());
        assert!(world.client_bytes() - before < 64 * 1024, "nothing stays behind");
    }
}

#[test]
fn replies_in_flight_to_a_client_that_never_reads_are_bounded() {
    let mut world = World::new(2);
    let (writer, reader) = (world.open(0), world.open(0));
    let large = vec![b'L'; 100_000];
    for key in ["a", "b", "c", "d"] {
        assert_eq!(world.ask_words(writer, &[b"SET", key.as_bytes(), &large]), "OK");
    }
    let before = world.client_bytes();
    world.stop_reading(reader);
    world.feed(reader, &b"GET a\r\nGET b\r\nGET c\r\nGET d\r\n".repeat(500));
    let kept = world.client_bytes() - before;
    assert!(kept < 4 << 20, "{kept} bytes are kept for it");
    world.read_on(reader);
    let reply = large.len() + b"$100000\r\n\r\n".len();
    assert_eq!(world.take(reader).len(), 2000 * reply, "no reply is forgotten");
    assert_eq!(world.ask(reader, "PING"), "PONG", "and the pipeline goes on");
}

#[test]
fn sessions_that_found_the_way_full_go_on_when_it_is_free() {
    let mut world = World::new(2);
    let clients: Vec<Client> = (0..200).map(|_| world.open(0)).collect();
    for client in &clients {
        // One batch a turn; the way to the other core holds fewer.
        world.feed_quietly(*client, b"SET a 1\r\nSET b 2\r\nGET a\r\nGET b\r\n");
    }
    assert!(world.is_congested(0), "some found the way full");
    world.settle();
    for client in clients {
        assert_eq!(world.take(client), b"+OK\r\n+OK\r\n$1\r\n1\r\n$1\r\n2\r\n");
    }
}

#[test]
fn pipelines_of_two_clients_in_one_turn_are_answered_to_whom_they_belong() {
    for cores in [1, 3] {
        let mut world = World::new(cores);
        let (one, two) = (world.open(0), world.open(0));
        let pieces: [(Client, &[u8]); 4] = [
            (one, b"SET a 1\r\nGET a\r\nSET b 1\r\nGE"),
            (two, b"APPEND c 2\r\nGET a\r\nINCR n\r\n"),
            (one, b"T b\r\nINCR n\r\n"),
            (two, b"GET c\r\nPING\r\n"),
        ];
        world.feed_pieces(&pieces);
        world.settle();
        let (first, second) = (world.take(one), world.take(two));
        let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", " ");
        assert_eq!(show(&first), "+OK $1 1 +OK $1 1 :2 ", "{cores} cores");
        assert_eq!(show(&second), ":1 $1 1 :1 $1 2 +PONG ", "{cores} cores");
    }
}

#[test]
fn a_large_request_in_pieces_within_one_turn_is_one_request() {
    for cores in [1, 2] {
        let mut world = World::new(cores);
        let (writer, other) = (world.open(0), world.open(0));
        for key in ["a", "b"] {
            let value = vec![b'v'; 50_000];
            let mut request = format!("*3\r\n$3\r\nSET\r\n$1\r\n{key}\r\n$50000\r\n").into_bytes();
            request.extend_from_slice(&value);
            request.extend_from_slice(b"\r\nPING\r\n");
            let mut pieces: Vec<(Client, &[u8])> =
                request.chunks(8 * 1024).map(|piece| (writer, piece)).collect();
            pieces.insert(3, (other, b"PING\r\n"));
            world.feed_pieces(&pieces);
            world.settle();
            assert_eq!(world.take(writer), b"+OK\r\n+PONG\r\n", "{key} on {cores} cores");
            assert_eq!(world.take(other), b"+PONG\r\n");
            assert_eq!(world.ask(other, &format!("STRLEN {key}")), "50000");
        }
    }
}

#[test]
fn a_half_closed_client_gets_the_answers_to_all_it_asked_for() {
    let mut world = World::new(3);
    let client = world.open(0);
    world.feed_quietly(client, b"MSET a 1 b 2 c 3\r\nGET a\r\nMGET c b a\r\nDBSIZE\r\nPING\r\n");
    world.end_input_quietly(client);
    assert!(!world.is_closed(client));
    world.settle();
    let wanted = "+OK\r\n$1\r\n1\r\n*3\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n1\r\n:3\r\n+PONG\r\n";
    assert_eq!(String::from_utf8(world.take(client)).expect("text"), wanted);
    assert!(world.is_closed(client));
}

#[test]
fn a_half_closed_client_gets_its_answers_also_while_all_cores_are_asked() {
    let mut world = World::new(3);
    let client = world.open(0);
    world.feed_quietly(client, b"CONFIG SET timeout 7\r\nCONFIG GET timeout\r\nGET a\r\nPING\r\n");
    world.end_input_quietly(client);
    assert!(!world.is_closed(client), "the answer of the others is due");
    world.settle();
    let wanted = "+OK\r\n*2\r\n$7\r\ntimeout\r\n$1\r\n7\r\n$-1\r\n+PONG\r\n";
    assert_eq!(String::from_utf8(world.take(client)).expect("text"), wanted);
    assert!(world.is_closed(client));
}

#[test]
fn an_empty_line_is_the_request_that_reply_skip_leaves_unanswered() {
    let mut world = World::new(1);
    let client = world.open(0);
    assert_eq!(world.feed(client, b"CLIENT REPLY SKIP\r\n\r\nPING\r\n"), b"+PONG\r\n");
    assert_eq!(world.feed(client, b"CLIENT REPLY SKIP\r\nPING\r\nPING\r\n"), b"+PONG\r\n");
}

#[test]
fn reset_keeps_no_evict() {
    let mut world = World::new(1);
    let client = world.open(0);
    world.ask(client, "CLIENT NO-EVICT on");
    assert_eq!(world.ask(client, "RESET"), "RESET");
    let list = world.text(client, "CLIENT LIST");
    assert!(list.contains(" flags=e "), "{list}");
}

#[test]
fn pairs_without_their_last_value_are_refused_wherever_the_keys_live() {
    let (set, setnx) = (
        "(err) ERR wrong number of arguments for 'mset' command",
        "(err) ERR wrong number of arguments for 'msetnx' command",
    );
    check(
        "MSET a 1 b; MSET a 1 b 2 c; MSETNX a 1 b; MSETNX a 1 b 2 c; EXISTS a b c",
        &[set, set, setnx, setnx, "0"],
    );
}

/// A client that was not read for a while, and whose large request has come in part meanwhile.
fn half_a_large_request_behind(beginning: &[u8], answers: &[u8]) {
    let mut world = World::new(2);
    let client = world.open(0);
    world.feed_quietly(client, beginning);
    world.feed_quietly(client, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$200000\r\n");
    world.feed_quietly(client, &[b'x'; 100_000]);
    assert!(world.is_paused(client));
    world.settle();
    assert!(!world.is_paused(client), "the rest of the request is listened to");
    world.feed_quietly(client, &[b'x'; 100_000]);
    let said = world.feed(client, b"\r\n");
    assert_eq!(said, [answers, b"+OK\r\n"].concat());
    assert_eq!(world.ask(client, "STRLEN k"), "200000");
}

#[test]
fn a_large_request_behind_a_question_to_all_cores_is_read_to_its_end() {
    half_a_large_request_behind(b"CONFIG SET timeout 7\r\n", b"+OK\r\n");
}

#[test]
fn a_large_request_behind_a_share_of_a_turn_is_read_to_its_end() {
    let pings = 20 * base::limits::TURN_REQUESTS_MAX;
    let (asked, answered) = (b"PING\r\n".repeat(pings), b"+PONG\r\n".repeat(pings));
    half_a_large_request_behind(&asked, &answered);
}

#[test]
fn reply_skip_outlives_a_freeze() {
    let mut world = World::with(1, &[("enable-debug-command", "yes")]);
    let (client, sleeper) = (world.open(0), world.open(0));
    assert_eq!(world.feed(client, b"CLIENT REPLY SKIP\r\n"), b"");
    world.feed_quietly(sleeper, b"DEBUG SLEEP 0.1\r\n");
    assert_eq!(world.feed(client, b"GET k\r\nPING\r\n"), b"", "nobody is served");
    world.pass_ms(200);
    assert_eq!(world.take(client), b"+PONG\r\n");
}

#[test]
fn who_leaves_during_a_pause_is_not_kept_until_it_ends() {
    let mut world = World::new(1);
    let (admin, early, late) = (world.open(0), world.open(0), world.open(0));
    assert_eq!(world.ask(admin, "CLIENT PAUSE 1000000000"), "OK");
    assert_eq!(world.feed(early, b"SET k v\r\n"), b"");
    world.end_input(early);
    assert!(world.is_closed(early));
    world.feed_quietly(late, b"SET k v\r\n");
    world.end_input(late);
    assert!(world.is_closed(late));
}
