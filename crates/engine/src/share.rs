//! How long one session may keep its core: a share of the turn, in requests.
//!
//! A client that sends without end would be served without end: all that has come of it is executed
//! before anybody else's next request. So a turn is kept short by halving what each session may have of
//! it while turns are long, and doubling it again while they are not. What is left over stays with the
//! session, which goes on in the next turn; together with the bound on what a socket delivers in a turn
//! this is what keeps clients alive beside others that flood. Counted in requests, not in time, so that
//! a replay in the simulator is exact.

use crate::engine::Engine;
use crate::session::client::Stall;
use base::ConnId;
use base::limits::TURN_REQUESTS_MAX;

/// The least share. More than the pipelines that clients commonly send, so that their replies leave
/// together however many clients there are.
const SHARE_MIN: u32 = 128;

/// The share while turns are short: as much as is parsed ahead at all.
const SHARE_MAX: u32 = TURN_REQUESTS_MAX as u32;

/// A turn with more requests than this is long: some 2 ms.
const LONG_TURN: u32 = TURN_REQUESTS_MAX as u32;

/// The shares of one core's sessions.
#[derive(Debug)]
pub struct Shares {
    /// The turn's number.
    turn: u32,
    /// What a session may have of it, in requests.
    share: u32,
    /// Requests of all sessions in this turn.
    parsed: u32,
    /// Sessions that have had their share and have more.
    deferred: Vec<ConnId>,
}

impl Default for Shares {
    fn default() -> Shares {
        Shares { turn: 0, share: SHARE_MAX, parsed: 0, deferred: Vec::new() }
    }
}

impl Shares {
    /// A turn begins. The share follows from the last turn in which something was asked.
    #[inline]
    pub fn begin_turn(&mut self) {
        self.turn = self.turn.wrapping_add(1);
        if self.parsed > LONG_TURN {
            self.share = (self.share / 2).max(SHARE_MIN);
        } else if self.parsed > 0 && self.parsed < LONG_TURN / 2 {
            self.share = (self.share * 2).min(SHARE_MAX);
        }
        self.parsed = 0;
    }
}

impl Engine {
    /// How many requests a session may still have parsed in this turn.
    #[inline]
    pub(crate) fn share_left(&self, spent: (u32, u32)) -> u32 {
        let spent = if spent.0 == self.shares.turn { spent.1 } else { 0 };
        self.shares.share.saturating_sub(spent)
    }

    /// So many requests of a session were parsed.
    #[inline]
    pub(crate) fn spend_share(&mut self, conn: ConnId, requests: u32) {
        let turn = self.shares.turn;
        self.shares.parsed += requests;
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

    #[test]
    fn a_flood_gets_a_share_of_the_turn_and_others_are_served_beside_it() {
        let mut world = World::new(1);
        let (flood, other) = (world.open(0), world.open(0));
        let requests = 20 * TURN_REQUESTS_MAX;
        world.feed_quietly(flood, &b"PING\r\n".repeat(requests));
        assert_eq!(world.take(flood).len(), 7 * TURN_REQUESTS_MAX, "one turn, one share");
        world.feed_quietly(other, b"PING\r\n");
        assert_eq!(world.take(other), b"+PONG\r\n");
        world.settle();
        let answered = world.take(flood).len() / 7;
        assert_eq!(answered, requests - TURN_REQUESTS_MAX, "nothing is lost");
    }

    #[test]
    fn shares_shrink_while_turns_are_long_and_grow_again() {
        let mut shares = Shares::default();
        for _ in 0..20 {
            shares.parsed = LONG_TURN + 1;
            shares.begin_turn();
        }
        assert_eq!(shares.share, SHARE_MIN);
        shares.begin_turn();
        assert_eq!(shares.share, SHARE_MIN, "an idle turn says nothing");
        for _ in 0..20 {
            shares.parsed = 1;
            shares.begin_turn();
        }
        assert_eq!(shares.share, SHARE_MAX);
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
