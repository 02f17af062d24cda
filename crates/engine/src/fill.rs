//! Long arguments: received straight into the memory they stay in.
//!
//! A request whose argument is long and has not arrived would be collected piece by piece: copied out
//! of the receive buffers, moved each time the memory grows, and copied once more to the store. So
//! once the parser knows how much is missing, the pending input is given room for it and travels to
//! the reactor, which receives into it ([`Action::Fill`]). Until it is back the session's input counts
//! as what has arrived. Then the request is parsed where it lies, and if one argument is nearly all of
//! the buffer the store is offered the buffer itself, so that a long value is not copied at all.

use crate::action::Action;
use crate::core::Core;
use crate::engine::{Engine, Turn};
use crate::session::input::{Arena, Request, What};
use crate::session::plan::Plan;
use crate::session::{Session, Source};
use base::ConnId;

/// Bytes missing of an argument from which on they are received straight into their place.
const FILL_BYTES_MIN: usize = 64 * 1024;

/// Room that is made for the word of a client who has not sent as much yet: addresses, which become memory as
/// bytes arrive. Who has sent something may announce [`TRUST`] times as much.
const ANNOUNCED_BYTES_MAX: usize = 64 << 20;
const TRUST: usize = 4;

/// Room for short arguments behind the long one, so that they do not move it.
const BEHIND_BYTES: usize = 1024;

/// Input from which on the store is offered to keep it.
pub(crate) const OFFERED_BYTES_MIN: usize = 64 * 1024;

/// One part in so many of a buffer that the store keeps may be something else than the value.
const OFFERED_WASTE: usize = 16;

impl Engine {
    /// Notes how much is missing of a session's incomplete request.
    #[inline]
    pub(crate) fn note_missing(&mut self, conn: ConnId, missing: usize) {
        if missing >= FILL_BYTES_MIN
            && let Some(session) = self.sessions.get(conn)
        {
            session.input.missing = missing;
            self.incomplete.push(conn);
        }
    }

    /// The turn ends: has the rest of requests of which much is missing received straight behind their
    /// beginning. Not earlier, as more of them may have come in the same turn.
    #[inline]
    pub(crate) fn begin_fills(&mut self) {
        while let Some(conn) = self.incomplete.pop() {
            self.fill(conn);
        }
    }

    fn fill(&mut self, conn: ConnId) {
        let Some(session) = self.sessions.get(conn) else { return };
        let missing = std::mem::take(&mut session.input.missing);
        let busy = session.stall.is_some() || session.closing || session.ended;
        if busy || session.input.is_away() || missing < FILL_BYTES_MIN {
            return;
        }
        let begun = session.input.len();
        let wants = missing.min(ANNOUNCED_BYTES_MAX.max(TRUST * begun));
        // Without memory for it the input goes on to grow as it comes.
        let Some(buffer) = session.input.send_away(wants + BEHIND_BYTES) else { return };
        self.weigh(conn);
        self.actions.push(Action::Fill(conn, buffer, begun + wants));
    }

    /// More of a session's long argument has arrived.
    pub(crate) fn on_filling(&mut self, conn: ConnId, bytes: usize) {
        let Some(session) = self.sessions.get(conn) else { return };
        session.input.note_away(bytes);
        self.core.note_received(session, bytes);
        self.bound_query_buffer(conn);
        self.bound_input(conn);
    }
}

impl Core {
    /// Counts bytes that a session has sent.
    #[inline]
    pub(crate) fn note_received(&mut self, session: &mut Session, bytes: usize) {
        session.bytes_in += bytes as u64;
        session.active_ms = self.now.mono_ms();
        self.counters.total_net_input_bytes += bytes as u64;
        self.counters.total_reads_processed += 1;
    }
}

impl Turn<'_, '_> {
    /// All of a session's long argument has arrived: goes on with its request.
    pub(crate) fn on_filled(&mut self, conn: ConnId, buffer: Vec<u8>) {
        let Some(session) = self.engine.sessions.get(conn) else { return };
        let bytes = buffer.len() - session.input.len();
        session.input.bring_back(buffer);
        self.engine.core.note_received(session, bytes);
        if session.stall.is_none() && !session.closing {
            self.read(conn, Source::Input);
        } else {
            self.engine.bound_query_buffer(conn);
            self.engine.bound_input(conn);
        }
    }

    /// Offers the buffer of a request that is executed on this core to its store, if one argument
    /// is nearly all of it. Whether it did.
    #[cold]
    pub(crate) fn offer(&mut self, arena: &mut Arena, request: &Request) -> bool {
        let What::Command(_, planned) = request.what else { return false };
        if !matches!(planned.plan, Plan::Here) || request.inline {
            return false;
        }
        let longest = arena.spans_of(request).iter().map(|span| span.len as usize).max();
        let reading = &mut arena.readings[request.reading as usize];
        let room = reading.input.capacity();
        if longest.unwrap_or(0) + room / OFFERED_WASTE < room {
            return false;
        }
        let shared = reading.input.share();
        self.engine.shard.store.offer(shared.clone(), room);
        reading.shared = Some(shared);
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::check::{Client, World};

    /// A request of these words.
    fn request(words: &[&[u8]]) -> Vec<u8> {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        request
    }

    /// Bytes in which a loss or an exchange shows.
    fn pattern(len: usize) -> Vec<u8> {
        (0..len as u32).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
    }

    fn bulk(value: &[u8]) -> Vec<u8> {
        [format!("${}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat()
    }

    /// A client that has sent the beginning of a SET of so many bytes.
    fn begun(world: &mut World, announced: usize, sent: usize) -> Client {
        let client = world.open(0);
        let mut head = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${announced}\r\n").into_bytes();
        head.resize(head.len() + sent, b'x');
        world.feed(client, &head);
        client
    }

    #[test]
    fn a_long_value_arrives_whole_however_it_is_cut_and_what_is_behind_it_too() {
        let value = pattern(200_000);
        let mut stream = request(&[b"SET", b"k", &value, b"EX", b"100"]);
        stream.extend(request(&[b"STRLEN", b"k"]));
        stream.extend(request(&[b"SET", b"other", &value]));
        stream.extend(request(&[b"GET", b"k"]));
        let wanted = [b"+OK\r\n:200000\r\n+OK\r\n".as_slice(), &bulk(&value)].concat();
        for (cores, piece) in [(1, 1000), (1, 8192), (3, 8192), (1, 65_536), (3, 250_000)] {
            let mut world = World::new(cores);
            let client = world.open(0);
            let (mut replies, mut filled) = (Vec::new(), false);
            for piece in stream.chunks(piece) {
                replies.extend(world.feed(client, piece));
                filled |= world.is_filling(client);
            }
            assert!(filled, "pieces of {piece}");
            assert!(replies == wanted, "{cores} cores, pieces of {piece}");
        }
    }

    #[test]
    fn several_pieces_in_one_turn_are_as_one() {
        let value = pattern(300_000);
        let stream = request(&[b"SET", b"k", &value]);
        let mut world = World::new(1);
        let client = world.open(0);
        let pieces: Vec<_> = stream[..60_000].chunks(8192).map(|piece| (client, piece)).collect();
        world.feed_pieces(&pieces);
        assert!(world.is_filling(client));
        assert_eq!(world.feed(client, &stream[60_000..]), b"+OK\r\n");
        let reply = world.feed(client, &request(&[b"GET", b"k"]));
        assert!(reply == bulk(&value));
        let pieces: Vec<_> = stream.chunks(8192).map(|piece| (client, piece)).collect();
        world.feed_pieces(&pieces);
        assert!(!world.is_filling(client), "all of it came in the turn in which it began");
        assert_eq!(world.take(client), b"+OK\r\n");
    }

    #[test]
    fn the_store_keeps_the_buffer_and_what_is_written_into_it_later() {
        let mut value = pattern(1 << 20);
        let mut world = World::new(1);
        let client = world.open(0);
        let stream = request(&[b"SET", b"k", &value]);
        world.feed(client, &stream[..10_000]);
        world.feed(client, &stream[10_000..]);
        let usage: usize = world.ask(client, "MEMORY USAGE k").parse().expect("a number");
        assert!((1 << 20..(1 << 20) + 4096).contains(&usage), "{usage}");
        assert_eq!(world.ask(client, "OBJECT ENCODING k"), "raw");
        assert_eq!(world.ask(client, "SETRANGE k 5 hello"), "1048576");
        assert_eq!(world.ask(client, "APPEND k end"), "1048579");
        value[5..10].copy_from_slice(b"hello");
        value.extend_from_slice(b"end");
        let reply = world.feed(client, &request(&[b"GET", b"k"]));
        assert!(reply == bulk(&value));
        assert_eq!(world.ask(client, "DEL k"), "1");
        assert!(world.client_bytes() < 8192, "nothing of it is left with the client");
    }

    #[test]
    fn many_long_arguments_of_one_request_all_arrive() {
        let values: Vec<Vec<u8>> = (0..20).map(|nth| pattern(70_000 + nth)).collect();
        let names: Vec<String> = (0..20).map(|nth| format!("key{nth}")).collect();
        let mut words: Vec<&[u8]> = vec![b"MSET"];
        for (name, value) in names.iter().zip(&values) {
            words.extend([name.as_bytes(), value]);
        }
        let stream = request(&words);
        for cores in [1, 2] {
            let mut world = World::new(cores);
            let client = world.open(0);
            let replies: Vec<u8> =
                stream.chunks(8192).flat_map(|piece| world.feed(client, piece)).collect();
            assert_eq!(replies, b"+OK\r\n");
            for (name, value) in names.iter().zip(&values) {
                let reply = world.feed(client, &request(&[b"GET", name.as_bytes()]));
                assert!(reply == bulk(value));
            }
        }
    }

    #[test]
    fn who_announces_much_and_sends_little_holds_little() {
        let mut world = World::new(1);
        let before = world.client_bytes();
        let client = begun(&mut world, 512 << 20, 100);
        assert!(world.is_filling(client));
        assert!(world.client_bytes() - before < 16_384, "{}", world.client_bytes() - before);
        world.feed(client, &pattern(300_000));
        let held = world.client_bytes() - before;
        assert!((300_000..330_000).contains(&held), "{held}");
        let other = world.open(0);
        let list = world.text(other, "CLIENT LIST");
        assert!(list.contains(" qbuf=300132 qbuf-free=0 "), "{list}");
        world.hang_up(client);
        assert!(world.client_bytes() < before + 8192);
    }

    #[test]
    fn a_long_argument_over_the_query_buffer_limit_closes_its_client() {
        let mut world = World::with(1, &[("client-query-buffer-limit", "1mb")]);
        let client = begun(&mut world, 4 << 20, 100);
        world.feed(client, &pattern(900_000));
        assert!(!world.is_closed(client));
        world.feed(client, &pattern(200_000));
        assert!(world.is_closed(client));
        assert_eq!(world.core(0).counters.client_query_buffer_limit_disconnections, 1);
    }

    #[test]
    fn a_client_that_sends_a_long_argument_slowly_is_not_idle() {
        let mut world = World::with(1, &[("timeout", "3")]);
        let client = begun(&mut world, 1 << 20, 100);
        for _ in 0..50 {
            world.pass_ms(200);
            world.feed(client, b"x");
        }
        assert!(!world.is_closed(client));
        for _ in 0..50 {
            world.pass_ms(200);
        }
        assert!(world.is_closed(client));
    }

    #[test]
    fn a_client_that_ends_in_the_middle_of_a_long_argument_is_gone() {
        let mut world = World::new(1);
        let client = begun(&mut world, 1 << 20, 5000);
        world.end_input(client);
        assert!(world.is_closed(client));
        let other = world.open(0);
        assert_eq!(world.ask(other, "EXISTS k"), "0");
    }

    #[test]
    fn short_arguments_and_those_of_unknown_clients_come_as_ever() {
        let mut world = World::with(1, &[("requirepass", "secret")]);
        let client = begun(&mut world, 100_000, 0);
        assert!(
            world.take(client).is_empty() && world.is_closed(client) && !world.is_filling(client)
        );
        let mut world = World::new(1);
        let client = begun(&mut world, 60_000, 0);
        assert!(!world.is_filling(client));
    }

    #[test]
    fn a_long_argument_that_arrives_while_the_server_is_frozen_is_executed_afterwards() {
        let mut world = World::with(1, &[("enable-debug-command", "yes")]);
        let (sleeper, client) = (world.open(0), begun(&mut world, 100_000, 10));
        world.feed_quietly(sleeper, b"DEBUG SLEEP 1\r\n");
        let mut rest = pattern(99_990);
        rest.extend_from_slice(b"\r\nSTRLEN k\r\n");
        assert!(world.feed(client, &rest).is_empty());
        world.pass_ms(1100);
        assert_eq!(world.take(client), b"+OK\r\n:100000\r\n");
    }
}
