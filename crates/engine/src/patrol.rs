//! The bounds of clients: unread output, idle time, memory of all clients together.
//!
//! Output is looked at when it grows, in `flush.rs`; what only time brings about (idle clients, soft
//! limits) is found by a walk over the sessions in steps, each place about once a second. With
//! nothing configured there is no walk and no deadline, so an idle server sleeps.
//!
//! `maxmemory-clients` bounds the sum over all cores. Each core tells the others, at most every
//! [`PATROL_US`], what its clients take and how much its largest one takes; when the sum is over the
//! bound, the core with the largest client closes it, and so on until the sum is within. The
//! rejected way, a share for each core, would close clients early as soon as one core has more.

use crate::action::Action;
use crate::engine::Engine;
use crate::message::Message;
use crate::session::input::Pending;
use crate::session::{Session, client::Stall};
use base::settings::OutputLimit;
use base::{ConnId, CoreId};

/// How often clients are looked at, in microseconds.
const PATROL_US: u64 = 100_000;

/// Steps in which a walk passes every session.
const PATROL_STEPS: usize = 10;

/// Places looked at in one step at the least and at the most.
const PLACES_MIN: usize = 16;
const PLACES_MAX: usize = 1024;

/// What the clients of one core take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientLoad {
    /// Memory of all of them in bytes.
    pub bytes: u64,
    /// Memory of the largest one that may be closed, in bytes.
    pub largest_bytes: u64,
}

/// Where the walk is, and what is known of all cores' clients.
#[derive(Debug, Default)]
pub struct Patrol {
    /// Where the next step begins.
    place: usize,
    /// When it is due; monotonic microseconds.
    due_us: u64,
    /// Memory of this core's clients in bytes, kept as it changes.
    pub bytes: u64,
    /// What the other cores have told, by core.
    others: Vec<ClientLoad>,
    /// What this core has told them.
    told: ClientLoad,
}

impl Engine {
    /// Notes what a session takes now. O(1).
    #[inline]
    pub(crate) fn weigh(&mut self, conn: ConnId) {
        let Some(session) = self.sessions.get(conn) else { return };
        let now = session.memory() as u64;
        let before = std::mem::replace(&mut session.accounted_bytes, now);
        self.note_client_bytes(before, now);
    }

    /// A session is gone, and its memory with it.
    pub(crate) fn unweigh(&mut self, session: &Session) {
        self.note_client_bytes(session.accounted_bytes, 0);
    }

    #[inline]
    fn note_client_bytes(&mut self, before: u64, now: u64) {
        self.patrol.bytes = self.patrol.bytes + now - before;
        self.shard.account.outside_bytes = self.shard.account.outside_bytes + now - before;
    }

    /// Closes a connection at once, whatever is due to it.
    pub(crate) fn drop_client(&mut self, conn: ConnId) {
        if self.sessions.get(conn).is_some() {
            self.actions.push(Action::Close(conn));
            self.forget(conn);
        }
    }

    /// Closes a connection at once, but for one that is being served: what is taken for it comes to it.
    pub(crate) fn end_client(&mut self, conn: ConnId) {
        let Some(session) = self.sessions.get(conn) else { return };
        if session.blocked.as_ref().is_none_or(|blocked| !blocked.is_claimed()) {
            return self.drop_client(conn);
        }
        session.closing = true;
        session.stall = Some(Stall::Closing);
        session.input = Pending::default();
    }

    /// Closes a client whose unread output is over `client-output-buffer-limit`. True when it is
    /// gone.
    pub(crate) fn bound_output(&mut self, conn: ConnId) -> bool {
        let limit = self.core.clients.limits.output;
        if limit.hard_bytes == 0 && limit.soft_bytes == 0 {
            return false;
        }
        let now_us = self.core.now.mono_us;
        let Some(session) = self.sessions.get(conn) else { return true };
        if !is_over(session, limit, now_us) {
            return false;
        }
        tracing::warn!(
            id = session.peer.client_id,
            "client closed: its unread output is over the limit"
        );
        self.core.counters.client_output_buffer_limit_disconnections += 1;
        self.drop_client(conn);
        true
    }

    /// When the next step of the walk is due, if there is something to look for.
    pub(crate) fn patrol_deadline(&self) -> Option<u64> {
        let limits = &self.core.clients.limits;
        let needed = limits.idle_ms > 0 || limits.memory_bytes > 0 || limits.output.soft_bytes > 0;
        let pause = self.core.clients.pause.map(|pause| pause.until_us);
        // A core whose clients have all gone has still to tell so.
        let idle = self.sessions.is_empty() && self.patrol.told == ClientLoad::default();
        let step = (needed && !idle).then_some(self.patrol.due_us);
        pause.into_iter().chain(step).min()
    }

    /// One step of the walk, if it is due.
    pub(crate) fn tick_clients(&mut self) {
        self.tick_pause();
        let now_us = self.core.now.mono_us;
        let limits = self.core.clients.limits;
        if now_us < self.patrol.due_us {
            return;
        }
        self.patrol.due_us = now_us + PATROL_US;
        if limits.idle_ms > 0 || limits.output.soft_bytes > 0 {
            self.walk(limits.idle_ms);
        }
        if limits.memory_bytes > 0 {
            self.bound_memory(limits.memory_bytes);
        }
    }

    /// Looks at the next places: closes who is idle for too long or over the soft limit for too long.
    fn walk(&mut self, idle_ms: u64) {
        let places = self.sessions.places();
        let step = (places / PATROL_STEPS).clamp(PLACES_MIN, PLACES_MAX).min(places);
        let now_ms = self.core.now.mono_ms();
        for _ in 0..step {
            self.patrol.place = (self.patrol.place + 1) % places;
            let Some(session) = self.sessions.at(self.patrol.place) else { continue };
            let conn = session.id;
            let idle = now_ms.saturating_sub(session.active_ms) > idle_ms;
            if idle_ms > 0 && idle && session.stall.is_none() && !session.is_monitor() {
                tracing::debug!(id = session.peer.client_id, "closing idle client");
                self.drop_client(conn);
            } else {
                self.bound_output(conn);
            }
        }
    }

    /// Closes the largest clients while all clients together are over the bound and this core has
    /// the largest one.
    fn bound_memory(&mut self, limit: u64) {
        self.patrol.others.resize(self.core.route.cores(), ClientLoad::default());
        let own = self.core.id;
        let others = self.patrol.others.iter().enumerate().filter(|(core, _)| *core != own.index());
        let elsewhere: u64 = others.clone().map(|(_, load)| load.bytes).sum();
        let rival = others.map(|(core, load)| (load.largest_bytes, std::cmp::Reverse(core))).max();
        let mut sizes: Vec<(u64, ConnId)> = Vec::new();
        let evictable = self.sessions.iter().filter(|session| !session.no_evict);
        sizes.extend(evictable.map(|session| (session.memory() as u64, session.id)));
        sizes.sort_unstable();
        while elsewhere + self.patrol.bytes > limit {
            let Some((bytes, conn)) = sizes.last().copied() else { break };
            if rival.is_some_and(|rival| rival > (bytes, std::cmp::Reverse(own.index()))) {
                break;
            }
            sizes.pop();
            tracing::warn!(bytes, "client closed: all clients are over maxmemory-clients");
            self.core.counters.evicted_clients += 1;
            self.drop_client(conn);
        }
        let largest_bytes = sizes.last().map_or(0, |(bytes, _)| *bytes);
        self.tell_load(ClientLoad { bytes: self.patrol.bytes, largest_bytes });
    }

    fn tell_load(&mut self, load: ClientLoad) {
        if load == self.patrol.told {
            return;
        }
        self.patrol.told = load;
        let own = self.core.id;
        for core in (0..self.core.route.cores() as u16).map(CoreId).filter(|core| *core != own) {
            self.outbox.post(core, Message::Clients(load));
        }
    }

    /// Another core has told what its clients take.
    pub(crate) fn on_client_load(&mut self, from: CoreId, load: ClientLoad) {
        self.patrol.others.resize(self.core.route.cores(), ClientLoad::default());
        self.patrol.others[from.index()] = load;
    }
}

/// Whether a session's unread output is over a limit; notes since when it is over the soft one.
fn is_over(session: &mut Session, limit: OutputLimit, now_us: u64) -> bool {
    let bytes = session.output_bytes() as u64;
    if limit.hard_bytes > 0 && bytes >= limit.hard_bytes {
        return true;
    }
    if limit.soft_bytes == 0 || bytes < limit.soft_bytes {
        session.over_soft_since_us = None;
        return false;
    }
    let since = *session.over_soft_since_us.get_or_insert(now_us);
    now_us - since > (limit.soft_s.max(0) as u64).saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use crate::check::World;

    /// Has a client ask for 1 MB in the world's first core.
    fn fill(world: &mut World, client: crate::check::Client) {
        let mut request = b"*2\r\n$4\r\nECHO\r\n$1048576\r\n".to_vec();
        request.resize(request.len() + (1 << 20), b'x');
        request.extend_from_slice(b"\r\n");
        world.feed(client, &request);
    }

    #[test]
    fn a_client_over_the_hard_limit_is_closed_and_counted() {
        let mut world = World::with(1, &[("client-output-buffer-limit", "normal 1mb 0 0")]);
        let client = world.open(0);
        world.stop_reading(client);
        world.feed(client, b"PING\r\n");
        fill(&mut world, client);
        assert!(world.is_closed(client));
        assert_eq!(world.core(0).counters.client_output_buffer_limit_disconnections, 1);
    }

    #[test]
    fn a_client_may_be_over_the_soft_limit_for_its_seconds() {
        let mut world = World::with(1, &[("client-output-buffer-limit", "normal 0 100kb 2")]);
        let client = world.open(0);
        world.stop_reading(client);
        world.feed(client, b"PING\r\n");
        fill(&mut world, client);
        world.pass_ms(1900);
        assert!(!world.is_closed(client));
        world.pass_ms(1300);
        assert!(world.is_closed(client));
    }

    #[test]
    fn idle_clients_are_closed_and_busy_ones_are_not() {
        let mut world = World::with(2, &[("timeout", "3")]);
        let (idle, busy, watcher) = (world.open(0), world.open(0), world.open(0));
        world.ask(watcher, "MONITOR");
        for _ in 0..50 {
            world.ask(busy, "PING");
            world.pass_ms(100);
        }
        assert!(world.is_closed(idle));
        assert!(!world.is_closed(busy) && !world.is_closed(watcher));
        assert!(world.next_deadline_ms(0).is_some(), "the walk goes on");
        assert!(world.next_deadline_ms(1).is_none(), "nobody to look at");
    }

    #[test]
    fn without_limits_there_is_nothing_to_wake_up_for() {
        let mut world = World::new(1);
        let client = world.open(0);
        world.ask(client, "PING");
        assert_eq!(world.next_deadline_ms(0), None);
    }

    #[test]
    fn the_largest_clients_of_all_cores_are_closed_until_the_rest_fits() {
        let mut world = World::with(2, &[("maxmemory-clients", "5mb")]);
        let clients: Vec<_> = (0..6).map(|number| world.open(number % 2)).collect();
        world.ask(clients[0], "CLIENT NO-EVICT on");
        for (number, client) in clients.iter().enumerate() {
            let mut request = b"*2\r\n$4\r\nECHO\r\n$8000000\r\n".to_vec();
            request.resize(request.len() + (number + 1) * 400_000, b'x');
            world.feed(*client, &request);
        }
        for _ in 0..10 {
            world.pass_ms(100);
        }
        let closed: Vec<bool> = clients.iter().map(|client| world.is_closed(*client)).collect();
        assert!(closed[5], "the largest one goes first: {closed:?}");
        assert!(!closed[0] && !closed[1], "small ones stay: {closed:?}");
        let evicted: u64 = (0..2).map(|core| world.core(core).counters.evicted_clients).sum();
        assert_eq!(evicted, closed.iter().filter(|gone| **gone).count() as u64);
        assert!(world.client_bytes() <= 5 << 20);
    }

    #[test]
    fn memory_of_clients_is_given_back_when_they_go() {
        let mut world = World::new(1);
        let before = world.client_bytes();
        let client = world.open(0);
        world.feed(client, b"*2\r\n$4\r\nECHO\r\n$100000\r\nxxxxx");
        assert!(world.client_bytes() > before);
        world.hang_up(client);
        assert_eq!(world.client_bytes(), before);
    }
}
