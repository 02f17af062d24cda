//! Blocking commands. A request that finds nothing leaves a waiter at the owner of each of its keys. When a key is written to, its owner
//! looks who waits for it, in order, and whom it could serve. A session of this core is served at once; one of another
//! core is *offered* the key, which is locked meanwhile: the session claims it, if it still waits, and only then is
//! the element taken; so nothing is lost when the client has gone. `docs/design/transactions.md` tells more.

use super::grant::Waiting;
use super::locks::Wanted;
use super::waiters::Waiter;
use super::watch::Client;
use crate::dispatch::Flow;
use crate::engine::Engine;
use crate::gather::Then;
use crate::message::{JobFlags, Message, Offer, Replied, Words};
use crate::session::client::Stall;
use crate::session::input::Pending;
use crate::session::plan::{Plan, Planned};
use crate::shard::execute::{Call, Verdict};
use crate::shard::feed::DbKey;
use crate::spread::whole_of;
use base::{ConnId, CoreId, CoreSet, Slot};
use command::{Args, Flags, Wait};
use resp::write::Writer;
use resp::{Chain, Reply, Sink};
use std::collections::BTreeSet;
use store::Parcel;

/// What a session waits for.
#[derive(Debug)]
pub struct Blocked {
    /// The place of its reply.
    pub place: u32,
    /// The command, for statistics.
    pub command: u16,
    /// Where it waits.
    owners: CoreSet,
    /// Until when, in monotonic microseconds.
    deadline_us: Option<u64>,
    /// It has claimed a key: the reply will come.
    claimed: bool,
    /// The request for the key that it waits for, where that needs others too.
    words: Words,
    /// Memory of its waiters, wherever they are.
    waiters_bytes: usize,
    /// What it is answered when its time is over.
    in_vain: &'static [u8],
}

/// What those are answered who have waited for a key in vain, in their protocol.
const NULL_ARRAY: &[u8] = b"*-1\r\n";

/// What came of looking for somebody to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// One was served; there may be others.
    Served,
    /// One was offered the key, which is locked for that.
    Offered,
    /// Nobody can be served now.
    Nobody,
}

impl Blocked {
    /// Whether the reply is on its way.
    pub fn is_claimed(&self) -> bool {
        self.claimed
    }

    /// Memory beside the fixed one, in bytes.
    pub fn memory(&self) -> usize {
        size_of::<Blocked>() + self.words.memory() + self.waiters_bytes
    }

    /// Until when it waits, in monotonic microseconds.
    pub fn deadline_us(&self) -> Option<u64> {
        self.deadline_us
    }
}

/// When sessions of this core have waited long enough.
#[derive(Debug, Default)]
pub struct Deadlines(BTreeSet<(u64, u32, u32)>);

impl Deadlines {
    /// The next one, in monotonic microseconds.
    pub fn next(&self) -> Option<u64> {
        self.0.first().map(|(due, ..)| *due)
    }
}

impl Engine {
    /// Executes a command that may have to wait; what follows it waits too.
    #[cold]
    pub(crate) fn begin_blocking(
        &mut self,
        conn: ConnId,
        id: u16,
        planned: Planned,
        args: &Args<'_>,
    ) -> Flow {
        let flow = match planned.plan {
            Plan::Here => return self.block_here(conn, id, planned, args),
            Plan::One(core) => self.run_there(conn, core, id, planned, args),
            Plan::Many => self.spread(conn, id, args),
            Plan::Session => unreachable!("it has keys"),
        };
        if flow != Flow::Next {
            return flow;
        }
        self.stall(conn, Stall::Blocked);
        Flow::WaitAfter
    }

    fn block_here(&mut self, conn: ConnId, id: u16, planned: Planned, args: &Args<'_>) -> Flow {
        if let Some(flow) = self.park_if_locked(conn, id, planned, args) {
            return flow;
        }
        let Some(session) = self.sessions.get(conn) else { return Flow::WaitAfter };
        let (db, flags) = (session.db, session.job_flags());
        self.core.counters.local_jobs += 1;
        let (mut bytes, mut chain) = (Vec::new(), Chain::default());
        let call = Call { db, flags, ..self.core.call(id) };
        let sink = Sink::behind(&mut bytes, &mut chain);
        let verdict = self.shard.execute(&mut self.core, call, args, sink);
        let wait = self.shard.wait.take();
        let reply = whole_of(&mut bytes, chain);
        let told = (reply.whole(), reply.len());
        self.note_at(conn, None, id, verdict, args, told);
        let Some(wait) = wait else {
            self.reply_to(conn, reply);
            self.heed();
            return Flow::Next;
        };
        let place = self.sessions.get(conn).and_then(|session| session.reserve(true));
        let Some(place) = place else { return Flow::WaitAfter };
        let own = self.core.id;
        self.add_waiters((own, conn), place, id, db, flags, &wait);
        self.block(conn, place, id, &wait);
        Flow::WaitAfter
    }

    /// Puts a session behind all who wait for these keys of this core.
    pub(crate) fn add_waiters(
        &mut self,
        client: Client,
        place: u32,
        id: u16,
        db: u8,
        flags: JobFlags,
        wait: &Wait,
    ) {
        for key in &wait.keys {
            let mut words = Words::of(id, key.words.iter().map(|word| &**word));
            words.resp3 = flags.resp3;
            let position = self.key_of(&words);
            self.add_waiter(client, place, (db, position), words);
        }
    }

    /// Puts a session behind all who wait for a key of this core.
    pub(crate) fn add_waiter(&mut self, client: Client, place: u32, key: DbKey, words: Words) {
        self.shard.feed.care(key.clone());
        self.waiters.add(key, Waiter { client, place, words, offered: false });
        self.core.blocking_keys = self.waiters.keys();
    }

    /// The key that a waiter's request names first.
    pub(crate) fn key_of(&self, words: &Words) -> Box<[u8]> {
        let args = Args::new(&words.bytes, &words.spans, self.core.hasher);
        let mut positions = Vec::new();
        let spec = self.core.table.entry(words.command).spec;
        spec.keys.iter().for_each(|keys| keys.positions(&args, &mut positions));
        args.get(positions[0] as usize).into()
    }

    /// A session's request has found nothing: it waits. Its waiters are where the keys are.
    pub(crate) fn block(&mut self, conn: ConnId, place: u32, id: u16, wait: &Wait) {
        let mut owners = CoreSet::default();
        let first = wait.keys.first().map_or(&[][..], |key| &key.words);
        let words = Words::of(id, first.iter().map(|word| &**word));
        let mut waiters_bytes = 0;
        for key in &wait.keys {
            let words = Words::of(id, key.words.iter().map(|word| &**word));
            let key = self.key_of(&words);
            waiters_bytes += Waiter::memory(&key, &words);
            owners.insert(self.core.route.owner(Slot::of_key(&key)));
        }
        let deadline_us = self.deadline_in(wait.timeout_us);
        let (claimed, in_vain) = (false, NULL_ARRAY);
        let blocked = Blocked {
            place,
            command: id,
            owners,
            deadline_us,
            claimed,
            words,
            waiters_bytes,
            in_vain,
        };
        self.begin_wait(conn, blocked);
    }

    /// A session waits for nothing but that its time is over.
    pub(crate) fn sleep(
        &mut self,
        conn: ConnId,
        id: u16,
        timeout_us: u64,
        in_vain: &'static [u8],
    ) -> Flow {
        let deadline_us = self.deadline_in(timeout_us);
        let place = self.sessions.get(conn).and_then(|session| session.reserve(true));
        let Some(place) = place else { return Flow::WaitAfter };
        let blocked = Blocked {
            place,
            command: id,
            owners: CoreSet::default(),
            deadline_us,
            claimed: false,
            words: Words::default(),
            waiters_bytes: 0,
            in_vain,
        };
        self.begin_wait(conn, blocked);
        Flow::WaitAfter
    }

    fn deadline_in(&self, timeout_us: u64) -> Option<u64> {
        (timeout_us > 0).then(|| self.core.now.mono_us.saturating_add(timeout_us))
    }

    fn begin_wait(&mut self, conn: ConnId, blocked: Blocked) {
        let (place, owners, deadline_us) = (blocked.place, blocked.owners, blocked.deadline_us);
        let Some(session) = self.sessions.get(conn) else {
            // It has gone in the meantime: nobody waits.
            return self.withdraw_at(conn, place, owners);
        };
        session.blocked = Some(Box::new(blocked));
        session.stall = Some(Stall::Blocked);
        if let Some(due) = deadline_us {
            self.deadlines.0.insert((due, conn.index, conn.generation));
        }
        self.touch(conn);
        if self.sessions.get(conn).is_some_and(|session| session.is_leaving()) {
            self.give_up(conn);
        }
    }

    /// A session waits no longer: its waiters go.
    pub(crate) fn end_block(&mut self, conn: ConnId) -> Option<Box<Blocked>> {
        let blocked = self.sessions.get(conn)?.blocked.take()?;
        self.end_wait(conn, &blocked);
        Some(blocked)
    }

    /// The same for a session that has gone.
    pub(crate) fn end_wait(&mut self, conn: ConnId, blocked: &Blocked) {
        if let Some(due) = blocked.deadline_us {
            self.deadlines.0.remove(&(due, conn.index, conn.generation));
        }
        self.withdraw_at(conn, blocked.place, blocked.owners);
    }

    /// The client of a session that waits has gone: it waits no longer. What it was told before still leaves, and what it sent behind is not
    /// executed.
    pub(crate) fn give_up(&mut self, conn: ConnId) {
        let Some(blocked) = self.end_block(conn) else { return };
        self.close_after_replies(conn);
        if let Some(session) = self.sessions.get(conn) {
            session.input = Pending::default();
        }
        self.fill_place(conn, blocked.place, Reply::Whole(b""));
    }

    fn withdraw_at(&mut self, conn: ConnId, place: u32, owners: CoreSet) {
        for owner in owners.iter() {
            match owner == self.core.id {
                true => self.withdraw((owner, conn), place),
                false => self.outbox.post_in_order(owner, Message::Withdraw(conn, place)),
            }
        }
    }

    /// A session waits for nothing here any more.
    pub(crate) fn withdraw(&mut self, client: Client, place: u32) {
        for key in self.waiters.withdraw(client, place) {
            self.shard.feed.forget(&key);
        }
        self.core.blocking_keys = self.waiters.keys();
    }

    /// Answers a session that waited, and lets it go on.
    fn wake(&mut self, conn: ConnId, place: u32, reply: Reply<'_>) {
        if let Some(session) = self.sessions.get(conn) {
            // It was not idle while it waited.
            session.active_ms = self.core.now.mono_ms();
        }
        self.fill_place(conn, place, reply);
        self.go_on(conn);
    }

    /// Lets a session go on behind a command that may wait.
    pub(crate) fn go_on(&mut self, conn: ConnId) {
        if let Some(session) = self.sessions.get(conn)
            && session.stall == Some(Stall::Blocked)
        {
            session.stall = None;
            self.runnable.push(conn);
        }
    }

    /// Answers the sessions that have waited long enough.
    pub(crate) fn tick_blocked(&mut self) {
        while let Some((due, index, generation)) = self.deadlines.0.first().copied() {
            if due > self.core.now.mono_us {
                return;
            }
            self.deadlines.0.pop_first();
            self.unblock(ConnId { index, generation }, None);
        }
    }

    /// Ends the wait of a session with the reply of one whose time is over, or with an error. False when it does not wait, or is being
    /// served.
    pub(crate) fn unblock(&mut self, conn: ConnId, error: Option<&str>) -> bool {
        let Some(session) = self.sessions.get(conn) else { return false };
        if session.blocked.as_ref().is_none_or(|blocked| blocked.claimed) {
            return false;
        }
        let mut reply = Vec::new();
        let mut writer = Writer::new(&mut reply, session.protocol);
        match (error, session.blocked.as_ref().map(|blocked| blocked.in_vain)) {
            (Some(text), _) => writer.error(text),
            (None, Some(NULL_ARRAY) | None) => writer.null_array(),
            (None, Some(in_vain)) => reply.extend_from_slice(in_vain),
        }
        let blocked = self.end_block(conn).expect("it waits");
        if error.is_some() {
            self.core.commands[blocked.command as usize].failed += 1;
            self.core.account_error(&reply[1..reply.len() - 2]);
        }
        self.wake(conn, blocked.place, Reply::Whole(&reply));
        true
    }

    /// Keys that somebody waits for may have expired or been evicted: who reads a stream with a group is told so.
    pub(crate) fn heed_removed(&mut self) {
        let on = !self.waiters.is_empty();
        for removed in self.shard.store.take_removed() {
            let key = (removed.db, removed.key);
            if self.waiters.of(&key).is_some() {
                self.waiters.due.push_back(key);
            }
        }
        if on != std::mem::replace(&mut self.waiters.told_of_removals, on) {
            self.shard.store.watch_removals(on);
        }
        if !self.waiters.due.is_empty() {
            self.serve_waiters();
        }
    }

    /// Looks who can be served by the keys that were written to.
    pub(crate) fn serve_waiters(&mut self) {
        // Serving may make further keys ready: they are looked at when it is done.
        if std::mem::replace(&mut self.waiters.serving, true) {
            return;
        }
        while let Some(key) = self.waiters.due.pop_front() {
            while self.serve_one(&key, None) == Step::Served {}
        }
        self.waiters.serving = false;
    }

    /// Serves, or offers the key to, the first who can be served by it. `held` is a lock of this key and of others that a waiter for it
    /// needs, which an offer takes over.
    fn serve_one(&mut self, key: &DbKey, held: Option<(&Wanted, u32)>) -> Step {
        let Some(index) = self.first_ready(key) else { return Step::Nobody };
        let queue = self.waiters.of(key).expect("looked at above");
        let (client, place) = (queue[index].client, queue[index].place);
        let words = queue[index].words.clone();
        if client.0 == self.core.id && !self.still_waits(client.1, place) {
            // Its session has gone: nothing is taken for it.
            self.withdraw(client, place);
            return Step::Served;
        }
        let args = Args::new(&words.bytes, &words.spans, self.core.hasher);
        let mut keys = Vec::new();
        self.core.lock_ids(words.command, key.0, &args, &mut keys);
        keys.sort_unstable();
        keys.dedup();
        let wanted = Wanted::Keys(keys);
        let far = self.is_far(&words);
        let held = held.filter(|(held, _)| **held == wanted).map(|(_, ticket)| ticket);
        if held.is_none() && self.locks.must_wait(&wanted) {
            self.locks.enter(wanted, Waiting::Key(key.clone()));
            return Step::Nobody;
        }
        if client.0 == self.core.id && !far {
            _ = self.end_block(client.1);
            let (mut answer, served) = self.serve_words(key, &words);
            assert!(served, "who is ready is served");
            let chain = std::mem::take(&mut answer.chain);
            let reply = whole_of(&mut answer.bytes, chain);
            self.note_woken(words.command, answer.verdict, reply.whole());
            self.wake(client.1, place, reply);
            return Step::Served;
        }
        self.waiters.of(key).expect("looked at above")[index].offered = true;
        let ticket = (!far).then(|| {
            held.unwrap_or_else(|| {
                let ticket = self.locks.enter(wanted, Waiting::Offered);
                self.locks.take_granted(ticket);
                ticket
            })
        });
        let offer = Box::new(Offer {
            owner: self.core.id,
            conn: client.1,
            place,
            key: key.clone(),
            ticket,
            now: self.core.now,
            parcel: ticket.and_then(|_| self.set_aside(key)),
            accepted: false,
            answer: Replied::default(),
        });
        match client.0 == self.core.id {
            true => self.on_offer(offer),
            false => self.outbox.post(client.0, Message::Offer(offer)),
        }
        if far { Step::Nobody } else { Step::Offered }
    }

    /// Whether a session of this core waits with this request.
    pub(crate) fn still_waits(&mut self, conn: ConnId, place: u32) -> bool {
        let session = self.sessions.get(conn);
        let blocked = session.and_then(|session| session.blocked.as_ref());
        blocked.is_some_and(|blocked| blocked.place == place)
    }

    /// Keeps a key that is offered out of the keyspace: there it could expire, or be evicted, if only because `maxmemory` was set
    /// meanwhile, and whoever has claimed it would find nothing.
    fn set_aside(&mut self, (db, key): &DbKey) -> Option<Parcel> {
        let now = self.core.now;
        self.shard.store.db(*db).take(&self.core.hasher.key(key), now)
    }

    /// The first who waits for a key, is not being offered it, and can be served.
    fn first_ready(&mut self, key: &DbKey) -> Option<usize> {
        let Engine { waiters, shard, core, .. } = self;
        let queue = waiters.of(key)?;
        // Who is being offered the key is before those behind him.
        let free = queue.iter().position(|waiter| waiter.offered).unwrap_or(queue.len());
        queue.iter().take(free).position(|waiter| {
            let words = &waiter.words;
            let args = Args::new(&words.bytes, &words.spans, core.hasher);
            let blocks = core.table.entry(words.command).spec.blocks;
            let ready = blocks.expect("only such commands wait").ready;
            shard.look(core, key.0, |ctx| ready(ctx, &args))
        })
    }

    /// Whether a waiter's request needs a key of another core.
    fn is_far(&self, words: &Words) -> bool {
        let args = Args::new(&words.bytes, &words.spans, self.core.hasher);
        let mut positions = Vec::new();
        let spec = self.core.table.entry(words.command).spec;
        spec.keys.iter().for_each(|keys| keys.positions(&args, &mut positions));
        let owner = |at: &u32| self.core.route.owner(Slot::of_key(args.get(*at as usize)));
        positions.iter().any(|position| owner(position) != self.core.id)
    }

    /// Runs a waiter's request. False when it still finds nothing.
    fn serve_words(&mut self, key: &DbKey, words: &Words) -> (Replied, bool) {
        let flags = JobFlags { resp3: words.resp3, ..JobFlags::default() };
        let spec = self.core.table.entry(words.command).spec;
        let run = spec.blocks.expect("only such commands wait").woken;
        let call = Call { spec, run, db: key.0, flags };
        let args = Args::new(&words.bytes, &words.spans, self.core.hasher);
        let mut answer = Replied::default();
        let sink = Sink::behind(&mut answer.bytes, &mut answer.chain);
        answer.verdict = self.shard.execute_admitted(&mut self.core, call, &args, sink);
        let served = self.shard.wait.take().is_none();
        // What it has written to may serve others.
        self.heed();
        (answer, served)
    }

    fn note_woken(&mut self, id: u16, verdict: Verdict, error: &[u8]) {
        if verdict.failed {
            self.core.commands[id as usize].failed += 1;
            self.core.account_error(error.strip_prefix(b"-").unwrap_or(error).trim_ascii_end());
        }
    }

    /// Locks that somebody wanted who looks for a key's waiters are free.
    pub(crate) fn on_key_free(&mut self, key: &DbKey, ticket: u32) {
        let wanted = self.locks.wanted(ticket).clone();
        let nested = std::mem::replace(&mut self.waiters.serving, true);
        let last = loop {
            match self.serve_one(key, Some((&wanted, ticket))) {
                Step::Served => {}
                last => break last,
            }
        };
        self.waiters.serving = nested;
        if last == Step::Nobody {
            self.locks.leave(ticket);
        }
        self.serve_waiters();
    }

    /// A session of this core is offered a key: it claims it if it still waits.
    pub(crate) fn on_offer(&mut self, mut offer: Box<Offer>) {
        let (conn, place) = (offer.conn, offer.place);
        let session = self.sessions.get(conn);
        let blocked = session.and_then(|session| session.blocked.as_mut());
        let mine = blocked.filter(|blocked| blocked.place == place && !blocked.claimed);
        offer.accepted = mine.is_some();
        let Some(blocked) = mine else { return self.answer_offer(offer) };
        blocked.claimed = true;
        if offer.ticket.is_none() {
            return self.claim_by_transaction(offer);
        }
        let (others, due) = (blocked.owners, blocked.deadline_us);
        if let Some(due) = due {
            self.deadlines.0.remove(&(due, conn.index, conn.generation));
        }
        let mut others = others;
        others.remove(offer.owner);
        self.withdraw_at(conn, place, others);
        self.answer_offer(offer);
    }

    fn answer_offer(&mut self, offer: Box<Offer>) {
        match offer.owner == self.core.id {
            true => self.on_claim(self.core.id, offer),
            false => self.outbox.post_in_order(offer.owner, Message::Claim(offer)),
        }
    }

    /// An offer has been answered: the element is taken, or goes to the next.
    pub(crate) fn on_claim(&mut self, from: CoreId, mut offer: Box<Offer>) {
        let client = (from, offer.conn);
        let waiter = self.waiters.of(&offer.key).and_then(|queue| {
            queue.iter_mut().find(|waiter| (waiter.client, waiter.place) == (client, offer.place))
        });
        if let Some(parcel) = offer.parcel.take() {
            let key = self.core.hasher.key(&offer.key.1);
            self.shard.store.db(offer.key.0).put(&key, parcel, offer.now);
        }
        if offer.accepted {
            let words = waiter.expect("a waiter that is offered a key stays").words.clone();
            let now = std::mem::replace(&mut self.core.now, offer.now);
            let (answer, served) = self.serve_words(&offer.key, &words);
            self.core.now = now;
            assert!(served, "nothing changes what is locked, at the time of the offer");
            offer.answer = answer;
            self.withdraw(client, offer.place);
        } else if let Some(waiter) = waiter {
            waiter.offered = false;
        }
        let (key, ticket) = (offer.key.clone(), offer.ticket.take());
        if offer.accepted {
            match from == self.core.id {
                true => self.on_served(*offer),
                false => self.outbox.post(from, Message::Served(offer)),
            }
        }
        match ticket {
            // All who wait come before those who have asked since: what there is for them is theirs.
            Some(ticket) => self.on_key_free(&key, ticket),
            None => self.waiters.due.push_back(key),
        }
        self.serve_granted();
        self.serve_waiters();
    }

    /// The element that a session claimed has come.
    pub(crate) fn on_served(&mut self, mut offer: Offer) {
        let conn = offer.conn;
        let Some(session) = self.sessions.get(conn) else { return };
        let Some(blocked) = session.blocked.take_if(|blocked| blocked.place == offer.place) else {
            return;
        };
        let answer = &mut offer.answer;
        let reply = whole_of(&mut answer.bytes, std::mem::take(&mut answer.chain));
        self.note_woken(blocked.command, answer.verdict, reply.whole());
        self.wake(conn, offer.place, reply);
    }

    /// The command needs a key of another core too: it is run as a transaction, and waits on if it finds nothing.
    fn claim_by_transaction(&mut self, offer: Box<Offer>) {
        let conn = offer.conn;
        let Some(session) = self.sessions.get(conn) else { return };
        let Some(blocked) = &session.blocked else { return };
        let (id, place, words) = (blocked.command, blocked.place, blocked.words.clone());
        let args = Args::new(&words.bytes, &words.spans, self.core.hasher);
        let then = Then::Loan { attempts: 0 };
        let Some(mut gather) = self.gather_at(conn, None, id, &args, then) else { return };
        gather.place = Some(place);
        gather.offer = Some(offer);
        self.enter_transaction(conn);
        self.ask_for_loans(gather);
    }

    /// The transaction of a claim has run.
    pub(crate) fn on_claimed(&mut self, mut offer: Box<Offer>, served: bool, reply: Reply<'_>) {
        let conn = offer.conn;
        if served {
            if let Some(blocked) = self.end_block(conn) {
                self.wake(conn, blocked.place, reply);
            }
        } else if let Some(session) = self.sessions.get(conn)
            && let Some(blocked) = &mut session.blocked
        {
            blocked.claimed = false;
            let deadline_us = blocked.deadline_us;
            if session.is_leaving() {
                self.give_up(conn);
            } else if deadline_us.is_some_and(|due| due <= self.core.now.mono_us) {
                _ = self.unblock(conn, None);
            }
        }
        offer.accepted = false;
        self.answer_offer(offer);
    }

    /// Whether a command may have to wait, so that what follows it must.
    pub(crate) fn may_wait(&self, id: u16) -> bool {
        let spec = self.core.table.entry(id).spec;
        spec.flags.has(Flags::BLOCKING) && spec.blocks.is_some()
    }
}

#[cfg(test)]
mod tests {
    use crate::check::World;

    /// Keys of all three cores of a world with three.
    const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

    #[test]
    fn a_client_waits_for_an_element_wherever_it_comes_from() {
        for cores in [1, 2, 3] {
            for key in KEYS {
                for push in ["RPUSH {} x", "RENAME", "MULTI", "COPY", "LMOVE", "SORT", "MOVE"] {
                    let mut world = World::new(cores);
                    let (waiting, other) = (world.open(0), world.open(cores - 1));
                    assert_eq!(world.ask(waiting, &format!("BLPOP none {key} nothing 0")), "");
                    let script: &[&str] = match push {
                        "RENAME" => &["RPUSH src x", "RENAME src {}"],
                        "MULTI" => &["MULTI", "SET q 1", "RPUSH {} x", "SET r 1", "EXEC"],
                        "COPY" => &["RPUSH src x", "COPY src {}"],
                        "LMOVE" => &["RPUSH src x", "LMOVE src {} LEFT RIGHT"],
                        "SORT" => &["RPUSH src x", "SORT src ALPHA STORE {}"],
                        "MOVE" => &["SELECT 1", "RPUSH {} x", "MOVE {} 0"],
                        _ => &["RPUSH {} x"],
                    };
                    for command in script {
                        world.ask(other, &command.replace("{}", key));
                    }
                    let reply = String::from_utf8(world.take(waiting)).expect("text");
                    let wanted = format!("*2\r\n$1\r\n{key}\r\n$1\r\nx\r\n");
                    assert_eq!(reply, wanted, "{push} on {cores} cores");
                    world.ask(other, "SELECT 0");
                    assert_eq!(world.ask(other, &format!("EXISTS {key}")), "0");
                    assert!((0..cores).all(|core| world.census(core).waiters == 0));
                    assert!((0..cores).all(|core| world.census(core).locks == 0));
                }
            }
        }
    }

    #[test]
    fn who_waits_longest_is_served_first_on_all_cores() {
        for cores in [1, 3] {
            let mut world = World::new(cores);
            let clients: Vec<_> = (0..6).map(|number| world.open(number % cores)).collect();
            for client in &clients {
                assert_eq!(world.ask(*client, "BRPOP q z 0"), "");
            }
            let pusher = world.open(0);
            world.ask(pusher, "RPUSH q 1 2 3 4");
            let got: Vec<String> = (clients.iter())
                .map(|client| String::from_utf8(world.take(*client)).expect("text"))
                .collect();
            for (client, element) in [(0, "4"), (1, "3"), (2, "2"), (3, "1")] {
                assert_eq!(got[client], format!("*2\r\n$1\r\nq\r\n$1\r\n{element}\r\n"));
            }
            assert_eq!(got[4..], ["", ""]);
        }
    }

    #[test]
    fn a_move_whose_source_has_become_something_else_waits_on() {
        for cores in [1, 2, 3] {
            for (source, destination) in [("a", "b"), ("b", "c"), ("c", "a"), ("d", "e")] {
                for first in [0, cores - 1] {
                    let mut world = World::new(cores);
                    let (one, two) = (world.open(first), world.open(0));
                    world.ask(one, &format!("BLMOVE {source} {destination} LEFT LEFT 0"));
                    let lines = format!("RPUSH {source} v\r\nSET {source} text\r\n");
                    world.feed(two, lines.as_bytes());
                    let got = String::from_utf8(world.take(one)).expect("text");
                    // It may have come before the SET.
                    assert!(got.is_empty() || got == "$1\r\nv\r\n", "{got}");
                    world.ask(two, &format!("DEL {source}"));
                    world.ask(two, &format!("RPUSH {source} v"));
                    let more = String::from_utf8(world.take(one)).expect("text");
                    assert_eq!(got + &more, "$1\r\nv\r\n");
                    assert!((0..cores).all(|core| world.census(core).locks == 0));
                }
            }
        }
    }

    #[test]
    fn who_comes_back_for_more_is_behind_those_who_wait() {
        for cores in [1, 2, 3] {
            for key in KEYS {
                for order in [[0, 1, 2], [1, 2, 0], [2, 1, 0], [1, 0, 1]] {
                    let mut world = World::new(cores);
                    let clients = order.map(|core| world.open(core % cores));
                    let twice = format!("BLPOP {key} 0\r\nBLPOP none {key} 0\r\n");
                    world.feed(clients[0], twice.as_bytes());
                    world.ask(clients[1], &format!("BLMPOP 0 2 {key} {key} LEFT"));
                    world.ask(clients[2], &format!("BRPOPLPUSH {key} {key} 0"));
                    let pusher = world.open(0);
                    world.ask(pusher, &format!("RPUSH {key} 1 2 3"));
                    let moved = String::from_utf8(world.take(clients[2])).expect("text");
                    assert_eq!(moved, "$1\r\n3\r\n", "{key} {order:?} on {cores} cores");
                    let got = String::from_utf8(world.take(clients[0])).expect("text");
                    let pair = |element| format!("*2\r\n$1\r\n{key}\r\n$1\r\n{element}\r\n");
                    assert_eq!(got, pair(1) + &pair(3));
                    assert!((0..cores).all(|core| world.census(core).locks == 0));
                    assert!((0..cores).all(|core| world.census(core).waiters == 0));
                }
            }
        }
    }

    #[test]
    fn a_wait_ends_by_its_time_by_unblock_and_with_its_client() {
        for cores in [1, 3] {
            let mut world = World::new(cores);
            let (one, two, three) = (world.open(0), world.open(0), world.open(cores - 1));
            world.ask(one, "BLPOP a b c 0.05");
            world.ask(two, "BZPOPMIN a b c 0");
            assert_eq!(world.next_deadline_ms(0), Some(50));
            world.pass_ms(50);
            assert_eq!(world.take(one), b"*-1\r\n");
            assert_eq!(world.ask(three, "CLIENT UNBLOCK 1"), "0");
            assert_eq!(world.ask(three, "CLIENT UNBLOCK 2 ERROR"), "1");
            assert_eq!(world.take(two), b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
            world.ask(two, "XREAD BLOCK 0 STREAMS a b c $ $ $");
            world.hang_up(two);
            assert!((0..cores).all(|core| world.census(core).waiters == 0));
            assert_eq!(world.ask(three, "RPUSH a 1 2"), "2");
            assert_eq!(world.ask(one, "BLPOP b a 0"), "[a 1]");
        }
    }

    #[test]
    fn a_client_that_goes_while_it_is_served_loses_nothing() {
        for request in
            ["BLPOP {} none 0", "BLMOVE {} {} LEFT LEFT 0", "BLMPOP 0 2 none {} LEFT COUNT 2"]
        {
            for (key, end) in KEYS.iter().flat_map(|key| [(key, false), (key, true)]) {
                for rounds in 0..12 {
                    let mut world = World::new(3);
                    let (waiting, pusher, killer) = (world.open(0), world.open(1), world.open(0));
                    world.ask(waiting, &request.replace("{}", key));
                    world.feed_quietly(pusher, format!("RPUSH {key} v\r\n").as_bytes());
                    (0..rounds).for_each(|_| _ = world.round());
                    match end {
                        true => world.end_input_quietly(waiting),
                        false => world.feed_quietly(killer, b"CLIENT KILL ID 1\r\n"),
                    }
                    world.settle();
                    world.take(pusher);
                    let got = String::from_utf8(world.take(waiting)).expect("text");
                    let kept = world.ask(pusher, &format!("LRANGE {key} 0 -1")) == "[v]";
                    let moves = request.starts_with("BLMOVE");
                    assert!(
                        kept == (moves || got.is_empty()),
                        "{request} {key} {end} {rounds}: {got:?}"
                    );
                    assert!(world.is_closed(waiting));
                    assert!((0..3).all(|core| world.census(core).waiters == 0));
                    assert!((0..3).all(|core| world.census(core).locks == 0));
                }
            }
        }
    }

    #[test]
    fn nothing_is_taken_for_a_client_that_has_gone_behind_more_than_is_received() {
        for key in KEYS {
            let mut world = World::new(3);
            let (waiting, pusher) = (world.open(0), world.open(1));
            let behind = "PING\r\n".repeat(20_000);
            world.feed(waiting, format!("BLPOP {key} none 0\r\n{behind}").as_bytes());
            assert!(world.is_paused(waiting));
            world.hang_up_unread(waiting);
            assert!((0..3).all(|core| world.census(core).waiters == 0));
            assert_eq!(world.ask(pusher, &format!("RPUSH {key} v")), "1");
            assert_eq!(world.ask(pusher, &format!("LLEN {key}")), "1");
            assert!(world.is_closed(waiting) && world.take(waiting).is_empty());
        }
    }

    #[test]
    fn who_goes_while_it_waits_is_told_what_it_asked_before() {
        for cores in [1, 3] {
            for key in KEYS {
                let mut world = World::new(cores);
                let waiting = world.open(0);
                let pipeline =
                    format!("SET t 1\r\nSET u 2\r\nMGET t u\r\nBLPOP {key} 0\r\nSET c 3\r\n");
                world.feed_quietly(waiting, format!("DEL {key}\r\n{pipeline}").as_bytes());
                world.end_input(waiting);
                let got = String::from_utf8(world.take(waiting)).expect("text");
                assert!(
                    got.ends_with("+OK\r\n+OK\r\n*2\r\n$1\r\n1\r\n$1\r\n2\r\n"),
                    "{key}: {got}"
                );
                assert!(world.is_closed(waiting));
                let other = world.open(0);
                assert_eq!(world.ask(other, "EXISTS c"), "0");
                assert!((0..cores).all(|core| world.census(core).waiters == 0));
            }
        }
    }

    #[test]
    fn who_goes_before_it_has_found_nothing_on_several_cores_leaves_no_waiter() {
        for request in ["BLPOP a b c d 0", "BZPOPMIN d c b a 0", "BLMOVE a b LEFT LEFT 0"] {
            for (core, rounds) in (0..3).flat_map(|core| (0..10).map(move |rounds| (core, rounds)))
            {
                let mut world = World::new(3);
                let waiting = world.open(core);
                world.feed_quietly(waiting, format!("{request}\r\n").as_bytes());
                (0..rounds).for_each(|_| _ = world.round());
                world.end_input_quietly(waiting);
                world.settle();
                assert!(world.is_closed(waiting) && world.take(waiting).is_empty());
                assert!(
                    (0..3).all(|core| world.census(core).waiters == 0),
                    "{request} {core} {rounds}"
                );
                assert!((0..3).all(|core| world.census(core).locks == 0));
            }
        }
    }

    #[test]
    fn what_is_sent_behind_a_blocked_command_waits_and_comes_in_order() {
        for cores in [1, 3] {
            let mut world = World::new(cores);
            let (one, two) = (world.open(0), world.open(cores - 1));
            assert_eq!(world.feed(one, b"PING\r\nBLPOP a 0\r\nSET k 1\r\nGET k\r\n"), b"+PONG\r\n");
            assert_eq!(world.ask(two, "EXISTS k"), "0");
            world.ask(two, "RPUSH a v");
            assert_eq!(world.take(one), b"*2\r\n$1\r\na\r\n$1\r\nv\r\n+OK\r\n$1\r\n1\r\n");
        }
    }

    #[test]
    fn a_move_waits_for_its_source_and_needs_its_destination() {
        for cores in [1, 2, 3] {
            for (source, destination) in
                [("a", "b"), ("b", "c"), ("c", "a"), ("d", "e"), ("a", "a")]
            {
                let mut world = World::new(cores);
                let (one, two) = (world.open(0), world.open(cores - 1));
                let third = world.open(0);
                world.ask(one, &format!("BLMOVE {source} {destination} LEFT RIGHT 0"));
                world.ask(third, &format!("BLPOP {source} 0"));
                world.ask(two, &format!("RPUSH {source} v w"));
                assert_eq!(world.take(one), b"$1\r\nv\r\n", "{source} {destination} {cores}");
                let left = if source == destination { "v" } else { "w" };
                let wanted = format!("*2\r\n$1\r\n{source}\r\n$1\r\n{}\r\n", "w");
                assert_eq!(String::from_utf8(world.take(third)).expect("text"), wanted);
                let _ = left;
                assert_eq!(world.ask(two, &format!("LRANGE {destination} 0 -1")), "[v]");
                assert!((0..cores).all(|core| world.census(core).locks == 0));
            }
        }
    }

    #[test]
    fn readers_of_a_stream_get_what_is_added_and_groups_each_entry_once() {
        for cores in [1, 3] {
            let mut world = World::new(cores);
            let clients: Vec<_> = (0..4).map(|number| world.open(number % cores)).collect();
            world.ask(clients[3], "XGROUP CREATE s g $ MKSTREAM");
            world.ask(clients[0], "XREAD BLOCK 0 STREAMS t s $ $");
            world.ask(clients[1], "XREADGROUP GROUP g one BLOCK 0 STREAMS s >");
            world.ask(clients[2], "XREADGROUP GROUP g two BLOCK 0 STREAMS s >");
            world.ask(clients[3], "XADD s 1-1 f v");
            let entry =
                b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n";
            assert_eq!(world.take(clients[0]), entry);
            assert_eq!(world.take(clients[1]), entry);
            assert_eq!(world.take(clients[2]), b"");
            world.ask(clients[3], "DEL s");
            assert!(world.take(clients[2]).starts_with(b"-UNBLOCKED"));
        }
    }

    #[test]
    fn who_waits_for_replicas_waits_until_the_time_is_over() {
        for cores in [1, 3] {
            let mut world = World::new(cores);
            let (one, two) = (world.open(0), world.open(cores - 1));
            assert_eq!(world.ask(one, "WAIT 0 0"), "0");
            assert_eq!(world.ask(one, "WAIT -1 0"), "0");
            assert_eq!(world.ask(one, "WAIT 1 -1"), "(err) ERR timeout is negative");
            assert_eq!(world.feed(one, b"WAIT 1 50\r\nPING\r\n"), b"");
            world.pass_ms(50);
            assert_eq!(world.take(one), b":0\r\n+PONG\r\n");
            assert_eq!(world.ask(one, "WAITAOF 0 1 0"), "");
            assert_eq!(world.ask(two, "CLIENT UNBLOCK 1"), "1");
            assert_eq!(world.take(one), b"*2\r\n:0\r\n:0\r\n");
            assert_eq!(world.ask(one, "WAIT 3 0"), "");
            assert_eq!(world.ask(two, "CLIENT UNBLOCK 1 ERROR"), "1");
            assert_eq!(world.take(one), b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
            for command in ["MULTI", "WAIT 1 0", "WAITAOF 0 1 0"] {
                world.ask(one, command);
            }
            assert_eq!(world.ask(one, "EXEC"), "[0 [0 0]]");
            world.ask(one, "WAIT 1 0");
            world.hang_up(one);
            assert_eq!(world.census(0).sessions, usize::from(cores == 1));
        }
    }

    #[test]
    fn who_waits_is_not_idle() {
        let mut world = World::with(1, &[("timeout", "3")]);
        let (one, two) = (world.open(0), world.open(0));
        world.ask(one, "BLPOP a 0");
        for _ in 0..10 {
            world.pass_ms(1000);
            world.ask(two, "PING");
        }
        world.ask(two, "RPUSH a v");
        for _ in 0..2 {
            world.pass_ms(1000);
            world.ask(two, "PING");
        }
        assert!(!world.is_closed(one), "not from when it began to wait");
        for _ in 0..4 {
            world.pass_ms(1000);
            world.ask(two, "PING");
        }
        assert!(world.is_closed(one));
    }

    #[test]
    fn a_key_that_is_offered_is_there_when_it_is_claimed_though_its_time_has_run_out_or_memory() {
        for limit in ["0", "3mb"] {
            for (time, claims) in [("100", true), ("100000", true), ("100", false)] {
                let directives = [("maxmemory", limit), ("maxmemory-policy", "allkeys-random")];
                let mut world = World::with(3, &directives);
                let route = base::RouteTable::new(3);
                let is_far = |key: &&&str| route.owner(base::Slot::of_key(key.as_bytes())).0 == 1;
                let key = *KEYS.iter().find(is_far).expect("some key");
                let (waiting, pusher) = (world.open(0), world.open(1));
                world.ask(waiting, &format!("BLPOP {key} 0"));
                let pushes = format!("MULTI\r\nRPUSH {key} v\r\nPEXPIRE {key} {time}\r\nEXEC\r\n");
                world.feed_quietly(pusher, pushes.as_bytes());
                world.take(pusher);
                if !claims {
                    world.hang_up(waiting);
                }
                world.pass_ms(500);
                world.pass_ms(500);
                if claims {
                    let wanted = format!("*2\r\n$1\r\n{key}\r\n$1\r\nv\r\n");
                    assert_eq!(String::from_utf8(world.take(waiting)).expect("text"), wanted);
                }
                assert_eq!(world.ask(pusher, &format!("EXISTS {key}")), "0");
                assert!((0..3).all(|core| world.census(core).locks == 0));
                assert!((0..3).all(|core| world.census(core).waiters == 0));
            }
        }
    }

    #[test]
    fn readers_of_a_group_are_told_when_their_stream_expires() {
        for cores in [1, 3] {
            for key in KEYS {
                let mut world = World::new(cores);
                let (one, two) = (world.open(0), world.open(0));
                world.ask(two, &format!("XGROUP CREATE {key} g $ MKSTREAM"));
                world.ask(two, &format!("PEXPIRE {key} 300"));
                world.ask(one, &format!("XREADGROUP GROUP g c BLOCK 0 STREAMS {key} >"));
                for _ in 0..10 {
                    world.pass_ms(100);
                }
                assert!(world.take(one).starts_with(b"-UNBLOCKED"), "{key} on {cores}");
                assert!((0..cores).all(|core| world.census(core).waiters == 0));
            }
        }
    }

    #[test]
    fn a_group_that_is_set_back_gives_its_readers_nothing_until_something_is_added() {
        for cores in [1, 3] {
            for key in KEYS {
                let mut world = World::new(cores);
                let (one, two) = (world.open(0), world.open(0));
                world.ask(two, &format!("XADD {key} 1-1 f v"));
                world.ask(two, &format!("XGROUP CREATE {key} g $"));
                world.ask(one, &format!("XREADGROUP GROUP g c BLOCK 0 STREAMS {key} >"));
                assert!(world.text(two, "INFO clients").contains("total_blocking_keys:1"));
                world.ask(two, &format!("WATCH {key}"));
                world.ask(two, &format!("XGROUP SETID {key} g 0"));
                assert_eq!(world.take(one), b"");
                world.ask(two, "MULTI");
                assert_eq!(world.ask(two, "EXEC"), "[]", "nor is the stream another one");
                world.ask(two, &format!("XADD {key} 2-1 f v"));
                let got = String::from_utf8(world.take(one)).expect("text");
                assert!(got.contains("1-1") && got.contains("2-1"), "{got}");
                assert!(world.text(two, "INFO clients").contains("total_blocking_keys:0"));
            }
        }
    }

    #[test]
    fn who_wants_no_replies_waits_all_the_same() {
        for cores in [1, 2, 3] {
            for (mute, shown) in [("OFF", ""), ("SKIP", "+OK\r\n")] {
                for request in ["BLPOP {} 0", "BLPOP none {} 0", "BLMOVE {} other LEFT LEFT 0"] {
                    for key in KEYS {
                        let mut world = World::new(cores);
                        let (one, two) = (world.open(0), world.open(cores - 1));
                        let request = request.replace("{}", key);
                        let all = format!("CLIENT REPLY {mute}\r\n{request}\r\nSET behind 1\r\n");
                        assert_eq!(world.feed(one, all.as_bytes()), b"", "{request} on {cores}");
                        assert_eq!(world.ask(two, "EXISTS behind"), "0", "{request} on {cores}");
                        assert_eq!(world.ask(two, &format!("RPUSH {key} v")), "1");
                        assert_eq!(world.ask(two, &format!("EXISTS behind {key}")), "1");
                        assert_eq!(world.take(one), shown.as_bytes(), "{request} on {cores}");
                    }
                }
                let mut world = World::new(cores);
                let one = world.open(0);
                let request = format!("CLIENT REPLY {mute}\r\nBLPOP a b c 0.05\r\n");
                world.feed(one, request.as_bytes());
                world.feed(one, b"CLIENT REPLY SKIP\r\nWAIT 1 50\r\nCLIENT REPLY ON\r\n");
                world.pass_ms(50);
                assert_eq!(world.take(one), b"");
                world.pass_ms(50);
                assert_eq!(world.take(one), b"+OK\r\n");
            }
        }
    }

    #[test]
    fn an_offered_key_is_not_evicted_when_memory_becomes_short_meanwhile() {
        let route = base::RouteTable::new(3);
        let is_of_first = |key: &&&str| route.owner(base::Slot::of_key(key.as_bytes())).0 == 0;
        let key = *KEYS.iter().find(is_of_first).expect("some key");
        // In one of these the limit comes between the offer and the claim.
        for rounds in 0..8 {
            let mut world = World::with(3, &[("maxmemory-policy", "allkeys-random")]);
            let (waiting, pusher, admin) = (world.open(2), world.open(0), world.open(1));
            for number in 0..60 {
                world.ask(pusher, &format!("SET {{{key}}}{number} {}", "x".repeat(1000)));
            }
            world.ask(waiting, &format!("BLPOP {key} 0"));
            world.feed_quietly(admin, b"CONFIG SET maxmemory 1\r\n");
            (0..rounds).for_each(|_| _ = world.round());
            world.feed_quietly(pusher, format!("RPUSH {key} v\r\n").as_bytes());
            world.settle();
            if world.shown(pusher) == "1" {
                let wanted = format!("[{key} v]");
                assert_eq!(world.shown(waiting), wanted, "{rounds}");
            }
        }
    }

    #[test]
    fn what_clients_wait_for_and_watch_is_memory() {
        let keys: Vec<String> = (0..200).map(|key| format!("{key:>01000}")).collect();
        let words = |name: &'static [u8]| {
            let keys = keys.iter().map(String::as_bytes);
            std::iter::once(name).chain(keys).collect::<Vec<_>>()
        };
        for cores in [1, 3] {
            let mut world = World::new(cores);
            let one = world.open(0);
            let before = world.client_bytes();
            world.ask_words(one, &[&words(b"BLPOP")[..], &[b"0"]].concat());
            assert!(world.client_bytes() - before > 800_000, "{}", world.client_bytes() - before);
            world.hang_up(one);
            assert!(world.client_bytes() <= before, "{}", world.client_bytes());
        }
        let mut world = World::new(1);
        let one = world.open(0);
        for _ in 0..2 {
            world.ask_words(one, &words(b"WATCH"));
            world.pass_ms(100);
            let watched = world.plumbing_bytes(0);
            assert!((600_000..900_000).contains(&watched), "{watched}");
        }
        world.hang_up(one);
        world.pass_ms(100);
        assert_eq!(world.plumbing_bytes(0), 0);
    }
}
