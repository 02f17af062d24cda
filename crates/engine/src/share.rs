//! How long a turn may be, and one session's share of it.
//!
//! A client that sends without end would be served without end: all that has come of it is executed
//! before anybody else's next request. So what sessions may have executed in a turn is bounded. Who finds it
//! spent waits for the next turn and is then the first; and the more there is to do, the less each
//! session may have of it at a time. What is left over stays with its session, in order. Together with the
//! bound on what a socket delivers in a turn this is what keeps clients alive beside others that flood.
//!
//! Counted in units of work, not in time, so that a replay in the simulator is exact. Jobs of other cores and
//! housekeeping make a turn as long as requests do and leave less of the next one to sessions; how many jobs
//! there are is bounded at their origins (`outbox.rs`).

use crate::engine::Engine;
use crate::session::client::Stall;
use base::ConnId;

/// What a turn should take, in units of work: those of a small request, a quarter to half a microsecond.
pub const TURN_WORK: u32 = 2048;

/// What sessions have of a turn at the least, whatever else is to be done.
const SESSIONS_WORK_MIN: u32 = TURN_WORK / 4;

/// The least share of one session, in requests. More than the pipelines that clients commonly send, so that
/// their replies leave together however many clients there are.
const SHARE_MIN: u32 = 128;

/// The share while turns are short.
const SHARE_MAX: u32 = TURN_WORK;

/// The shares of one core's sessions.
#[derive(Debug)]
pub struct Shares {
    /// The turn's number.
    turn: u32,
    /// What a session may have of it, in requests.
    share: u32,
    /// What all sessions may have of it.
    limit: u32,
    /// Work of this turn that was not for sessions of this core.
    others: u32,
    /// Sessions that have had their share and have more.
    deferred: Vec<ConnId>,
}

impl Default for Shares {
    fn default() -> Shares {
        Shares { turn: 0, share: SHARE_MAX, limit: TURN_WORK, others: 0, deferred: Vec::new() }
    }
}

impl Shares {
    /// A turn begins; the last one took so much work. The share follows from the last turn in which there
    /// was any. While sessions wait for a way to another core (`congested`), that core is what they share.
    #[inline]
    pub fn begin_turn(&mut self, work: u32, congested: bool) {
        self.turn = self.turn.wrapping_add(1);
        if work >= TURN_WORK || work - self.others >= self.limit || congested {
            self.share = (self.share / 2).max(SHARE_MIN);
        } else if work > 0 && work < TURN_WORK / 2 {
            self.share = (self.share * 2).min(SHARE_MAX);
        }
        self.limit = TURN_WORK.saturating_sub(self.others).max(SESSIONS_WORK_MIN);
        self.others = 0;
    }

    /// A restricted turn begins in the middle of this one: sessions have their shares anew. Gives what is to be put back.
    pub fn begin_restricted_turn(&mut self) -> u32 {
        self.turn = self.turn.wrapping_add(1);
        std::mem::take(&mut self.others)
    }

    /// It has ended.
    pub fn end_restricted_turn(&mut self, others: u32) {
        self.others = others;
    }

    /// So much of the turn's work was not for sessions of this core.
    #[inline]
    pub fn add_others(&mut self, work: u32) {
        self.others += work;
    }
}

impl Engine {
    /// Whether sessions have had all that they may of this turn.
    #[inline]
    pub(crate) fn turn_is_spent(&self) -> bool {
        self.shard.work - self.shares.others >= self.shares.limit
    }

    /// How many requests a session may still have parsed in this turn.
    #[inline]
    pub(crate) fn share_left(&self, spent: (u32, u32)) -> u32 {
        let spent = if spent.0 == self.shares.turn { spent.1 } else { 0 };
        // What others have had parsed and is not executed yet takes its part of the turn as well.
        let taken = self.shard.work - self.shares.others + self.arena.requests.len() as u32;
        self.shares.share.saturating_sub(spent).min(self.shares.limit.saturating_sub(taken))
    }

    /// So many requests of a session were parsed.
    #[inline]
    pub(crate) fn spend_share(&mut self, conn: ConnId, requests: u32) {
        let turn = self.shares.turn;
        if let Some(session) = self.sessions.get(conn) {
            let spent = if session.spent.0 == turn { session.spent.1 } else { 0 };
            session.spent = (turn, spent + requests);
        }
    }

    /// Has a session with more to execute wait for the next turn, unless it waits for something else.
    pub(crate) fn defer(&mut self, conn: ConnId) {
        if let Some(session) = self.sessions.get(conn)
            && session.stall.is_none()
        {
            session.stall = Some(Stall::Share);
            self.shares.deferred.push(conn);
        }
    }

    /// The turn begins: who has waited for it may go on, or is deferred again.
    #[inline]
    pub(crate) fn release_deferred(&mut self) {
        for conn in &self.runnable {
            if let Some(session) = self.sessions.get(*conn)
                && session.stall == Some(Stall::Share)
            {
                session.stall = None;
            }
        }
    }

    /// The turn ends: who waits for the next one goes on in it.
    #[inline]
    pub(crate) fn end_shares(&mut self) {
        self.runnable.append(&mut self.shares.deferred);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::World;
    use base::limits::TURN_REQUESTS_MAX;

    const TURN: usize = TURN_WORK as usize;

    #[test]
    fn a_flood_gets_a_share_of_the_turn_and_others_are_served_beside_it() {
        let mut world = World::new(1);
        let (flood, other) = (world.open(0), world.open(0));
        let requests = 20 * TURN_REQUESTS_MAX;
        let reply = b"$10\r\n0123456789\r\n";
        world.feed_quietly(flood, &b"ECHO 0123456789\r\n".repeat(requests));
        assert_eq!(world.take(flood).len(), reply.len() * TURN, "one turn, one share");
        world.feed_quietly(other, b"PING\r\n");
        assert_eq!(world.take(other), b"+PONG\r\n");
        world.settle();
        let answered = world.take(flood).len() / reply.len();
        assert_eq!(answered, requests - TURN, "nothing is lost");
    }

    #[test]
    fn shares_shrink_while_turns_are_long_and_grow_again() {
        let mut shares = Shares::default();
        (0..20).for_each(|_| shares.begin_turn(TURN_WORK, false));
        assert_eq!(shares.share, SHARE_MIN);
        shares.begin_turn(0, false);
        assert_eq!(shares.share, SHARE_MIN, "an idle turn says nothing");
        (0..20).for_each(|_| shares.begin_turn(1, false));
        assert_eq!(shares.share, SHARE_MAX);
        (0..20).for_each(|_| shares.begin_turn(1, true));
        assert_eq!(shares.share, SHARE_MIN, "also while a way is full");
    }

    #[test]
    fn what_is_done_for_others_leaves_less_of_the_next_turn_to_sessions() {
        let mut shares = Shares::default();
        shares.add_others(1000);
        shares.begin_turn(1000, false);
        assert_eq!(shares.limit, TURN_WORK - 1000);
        shares.add_others(10 * TURN_WORK);
        shares.begin_turn(10 * TURN_WORK, false);
        assert_eq!(shares.limit, SESSIONS_WORK_MIN, "but not nothing");
        shares.begin_turn(0, false);
        assert_eq!(shares.limit, TURN_WORK);
    }

    #[test]
    fn a_turn_of_many_sessions_is_bounded_and_who_found_it_spent_is_first_in_the_next() {
        let mut world = World::new(1);
        let clients: Vec<_> = (0..100).map(|_| world.open(0)).collect();
        let requests = b"PING\r\n".repeat(100);
        let all: Vec<_> = clients.iter().map(|client| (*client, &requests[..])).collect();
        world.feed_pieces(&all);
        assert_eq!(world.turn_work(0), TURN_WORK);
        let answered = |world: &mut World| {
            let counts = clients.iter().map(|client| world.take(*client).len() / 7);
            counts.collect::<Vec<usize>>()
        };
        let first = answered(&mut world);
        assert!(first[..20].iter().all(|count| *count == 100), "{first:?}");
        assert_eq!(first.iter().sum::<usize>() / 100, TURN / 100);
        // The same again from those who were served: who waits goes first all the same.
        world.feed_pieces(&all[..20]);
        let second = answered(&mut world);
        assert!(second[..20].iter().all(|count| *count == 0), "{second:?}");
        assert!(second[20..40].iter().all(|count| *count == 100), "{second:?}");
        world.settle();
        let rest: usize = answered(&mut world).iter().sum();
        assert_eq!(first.iter().chain(&second).sum::<usize>() + rest, 12_000, "nothing is lost");
    }

    #[test]
    fn large_values_and_evictions_make_a_turn_long_as_well() {
        let mut world =
            World::with(1, &[("maxmemory", "8mb"), ("maxmemory-policy", "allkeys-lru")]);
        let client = world.open(0);
        let value = "x".repeat(3000);
        let write = |from: usize| {
            let sets = (from..from + 400).map(|number| format!("SET key:{number} {value}\r\n"));
            sets.collect::<String>()
        };
        (0..20).for_each(|part| drop(world.feed(client, write(part * 400).as_bytes())));
        let before = world.core(0).counters.local_jobs;
        world.feed_quietly(client, write(10_000).as_bytes());
        let done = (world.core(0).counters.local_jobs - before) as usize;
        assert!((50..=TURN / 6).contains(&done), "{done} in a turn");
        assert!(world.turn_work(0) < TURN_WORK * 3 / 2, "{}", world.turn_work(0));
        world.settle();
        assert_eq!(world.take(client).len() / 5, 400, "nothing is lost");
    }

    #[test]
    fn jobs_of_other_cores_make_a_turn_as_long_as_requests_do() {
        let mut world = World::new(2);
        let client = world.open(0);
        world.feed_quietly(client, &b"GET a\r\nGET b\r\nGET c\r\n".repeat(100));
        let hops = world.core(0).counters.hops as u32;
        assert!(hops > 0 && hops < 300, "some of these keys are there, some here");
        world.round();
        assert_eq!(world.turn_work(1), hops);
    }

    #[test]
    fn a_client_that_leaves_in_the_middle_of_its_flood_gets_all_answers() {
        let mut world = World::new(2);
        let client = world.open(0);
        let requests = 3 * TURN_REQUESTS_MAX;
        world.feed_quietly(client, &b"PING\r\n".repeat(requests));
        world.end_input(client);
        assert_eq!(world.take(client).len() / 7, requests);
        assert!(world.is_closed(client));
    }
}
