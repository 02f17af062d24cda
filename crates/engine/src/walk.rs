//! SCAN over several cores: one call goes on from core to core until it has found as much as was asked for.
//!
//! A cursor names a slot, and so a core (`command/generic/walk.rs`). A core that is through with its slots answers the
//! cursor at which the next core's begin; if the call may show more, the same call goes on there, and the client gets
//! what all of them found under the last one's cursor. So a keyspace that one call would show on one core is shown
//! by one call on any number of them, which programs rely on although nobody promised it.
//!
//! Bounds: a cursor only grows, so a call comes to each core at most once, and each looks at no more than COUNT. What
//! a client sends behind it waits, as behind every request whose later parts are not known at once.

use crate::dispatch::Flow;
use crate::engine::Engine;
use crate::gather::{self, Gather, Then};
use crate::session::client::Stall;
use crate::session::plan::cursor_owner;
use crate::spread::{joined, protocol};
use base::ConnId;
use command::Args;
use command::generic::walk::count_of;
use resp::Reply;
use resp::write::Writer;

/// What the cores have found so far.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Found {
    keys: usize,
    /// They, encoded.
    bytes: Vec<u8>,
}

impl Engine {
    /// Begins a walk where its cursor stands.
    pub(crate) fn scan_cores(&mut self, conn: ConnId, id: u16, args: &Args<'_>) -> Flow {
        let then = Then::Walk(Found::default());
        let Some(gather) = self.begin_gather(conn, id, args, then) else { return Flow::WaitAfter };
        self.stall(conn, Stall::Asking);
        self.walk_on(gather);
        self.wait_if_stalled(conn)
    }

    /// Sends a walk to the core that its cursor names.
    fn walk_on(&mut self, gather: Box<Gather>) {
        let core = cursor_owner(gather.args.get(1).map(Vec::as_slice), self.core.route);
        let words = gather.args.clone();
        self.send_whole(gather, core, words);
    }

    /// A core has answered its part of a walk.
    pub(crate) fn on_walked(&mut self, mut gather: Box<Gather>) {
        let reply = gather.parts[0].reply.take().expect("its only part has come");
        let (next, keys, bytes) = gather::step(&reply);
        let Then::Walk(found) = &mut gather.then else { unreachable!("only walks come here") };
        found.keys += keys;
        found.bytes.extend_from_slice(bytes);
        let asked = {
            let (bytes, spans) = joined(gather.args.iter().map(Vec::as_slice));
            count_of(&Args::new(&bytes, &spans, self.core.hasher))
        };
        let left = asked.saturating_sub(keys);
        let owner = |cursor: &[u8]| cursor_owner(Some(cursor), self.core.route);
        if next != b"0" && left > 0 && owner(next) != owner(&gather.args[1]) {
            gather.args[1] = next.to_vec();
            // The last COUNT is the one that counts.
            gather.args.extend([b"COUNT".to_vec(), left.to_string().into_bytes()]);
            return self.walk_on(gather);
        }
        let Then::Walk(found) = &gather.then else { unreachable!("only walks come here") };
        let mut all = Vec::with_capacity(found.bytes.len() + 64);
        let mut writer = Writer::new(&mut all, protocol(&gather));
        writer.array(2);
        writer.bulk(next);
        writer.array(found.keys);
        writer.raw(&found.bytes);
        self.end_gather(&gather, Reply::Whole(&all));
        self.after_condition(gather.session);
    }
}

#[cfg(test)]
mod tests {
    use crate::check::World;

    /// How many keys the reply to a SCAN has, and whether it was the last.
    fn shown(reply: &str) -> (usize, bool) {
        (reply.matches("key:").count(), reply.starts_with("[0 "))
    }

    fn filled(cores: usize, keys: usize) -> (World, crate::check::Client) {
        let mut world = World::new(cores);
        let client = world.open(cores - 1);
        (0..keys).for_each(|key| {
            world.text(client, &format!("SET key:{key} v"));
        });
        (world, client)
    }

    #[test]
    fn a_call_that_may_show_everything_does_on_any_number_of_cores() {
        for cores in 1..=4 {
            let (mut world, client) = filled(cores, 20);
            assert_eq!(shown(&world.text(client, "SCAN 0 COUNT 1000")), (20, true), "{cores}");
            assert_eq!(shown(&world.text(client, "SCAN 0 COUNT 1000 MATCH key:1*")), (11, true));
            assert_eq!(shown(&world.text(client, "SCAN 0 MATCH none COUNT 1000")), (0, true));
        }
    }

    #[test]
    fn a_call_shows_about_as_many_keys_as_it_asks_for_and_the_walk_shows_each_of_them() {
        let (mut world, client) = filled(3, 100);
        let (mut cursor, mut found, mut calls) = ("0".to_owned(), 0, 0);
        loop {
            let reply = world.text(client, &format!("SCAN {cursor} COUNT 30"));
            let (keys, last) = shown(&reply);
            assert!(keys <= 40, "{keys}");
            found += keys;
            calls += 1;
            if last {
                break;
            }
            cursor = reply[1..].split(' ').next().unwrap_or_default().to_owned();
        }
        assert_eq!(found, 100);
        assert!(calls <= 4, "{calls}");
    }

    #[test]
    fn what_is_sent_behind_a_walk_does_not_overtake_it() {
        let (mut world, client) = filled(3, 20);
        let replies = world.feed(client, b"SCAN 0 COUNT 1000\r\nFLUSHALL\r\nSCAN 0\r\nPING\r\n");
        let replies = String::from_utf8_lossy(&replies).into_owned();
        assert_eq!(replies.matches("key:").count(), 20);
        assert!(replies.ends_with("+OK\r\n*2\r\n$1\r\n0\r\n*0\r\n+PONG\r\n"), "{replies}");
    }

    #[test]
    fn a_refused_walk_is_over() {
        let (mut world, client) = filled(2, 0);
        assert_eq!(world.text(client, "SCAN x"), "(err) ERR invalid cursor");
        assert_eq!(world.text(client, "SCAN 0 COUNT 0"), "(err) ERR syntax error");
        assert_eq!(world.text(client, "SCAN 0"), "[0 []]");
    }
}
