//! Commands whose keys live on several cores and that need all of them at one place: the values are lent to
//! the core of the session, the command runs there, and they go home. `docs/design/loan.md` says why.

use crate::dispatch::Flow;
use crate::engine::Engine;
use crate::gather::{Gather, Part, Then};
use crate::message::{Address, Job, Lent, Message, Share, Shares, Words};
use crate::session::client::Stall;
use crate::shard::execute::{Call, Verdict};
use crate::shard::feed::DbKey;
use crate::spread::{joined, protocol, take_shares, whole_of};
use crate::tx::exclusive::Errands;
use crate::tx::queue::commands;
use crate::tx::script::{Attempt, Order, Scope, Touched};
use base::{ConnId, CoreId, Slot};
use command::{Args, Flags, KeySpec, Wait};
use resp::write::{Protocol, Writer};
use resp::{Chain, Reply, Sink};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

/// Keys that a command may derive from what it has: some hundred bytes each while it runs.
const DERIVED_MAX: usize = 4 * 1024 * 1024;

/// Attempts with single keys; after so many the whole of every core is locked, so that nothing changes any more while
/// further keys come.
const ATTEMPTS_MAX: u32 = 4;

impl Engine {
    /// Asks the owners of a command's keys for their values.
    pub(crate) fn borrow(&mut self, conn: ConnId, id: u16, args: &Args<'_>) -> Flow {
        let derived = self.core.table.entry(id).spec.derived;
        let asks_again = derived.is_some_and(|derived| (derived.any)(args));
        let then = Then::Loan { attempts: 0 };
        let Some(gather) = self.begin_gather(conn, id, args, then) else { return Flow::WaitAfter };
        self.enter_transaction(conn);
        self.ask_for_loans(gather);
        if asks_again {
            // What follows must not overtake its later attempts.
            self.stall(conn, Stall::Sequenced);
            return Flow::WaitAfter;
        }
        Flow::Next
    }

    /// Asks the owners of all keys of a gather for their values: its next attempt.
    pub(crate) fn ask_for_loans(&mut self, gather: Box<Gather>) {
        let loans = {
            let (bytes, spans) = joined(gather.args.iter().map(Vec::as_slice));
            let args = Args::new(&bytes, &spans, self.core.hasher);
            self.loans(&gather, &args)
        };
        // What has everything locked fetches what it needs while it runs.
        let loans = if gather.global { Vec::new() } else { loans };
        let whole = gather.global
            || matches!(gather.then, Then::Loan { attempts } if attempts >= ATTEMPTS_MAX);
        let share = |owner: CoreId, items: Vec<Lent>| {
            let watched = gather.watched.contains(owner);
            Box::new(Share { items, whole, watched, ..*self.share(&gather, owner) })
        };
        let mut shares: Shares = Vec::new();
        let mut cores: Vec<CoreId> = (0..self.core.route.cores() as u16).map(CoreId).collect();
        for (owner, items) in loans {
            cores.retain(|core| *core != owner);
            shares.push(share(owner, items));
        }
        if !whole {
            cores.retain(|core| gather.watched.contains(*core));
        }
        if !cores.is_empty() {
            shares.extend(cores.into_iter().map(|core| share(core, Vec::new())));
        }
        self.begin_transaction(gather, shares);
    }

    /// Each owner's keys, each key once: it is written if any of its places is. O(keys).
    fn loans(&self, gather: &Gather, args: &Args<'_>) -> Vec<(CoreId, Vec<Lent>)> {
        let (spec, db) = (self.core.table.entry(gather.command).spec, gather.db);
        let mut loans = Loans::default();
        let mut places: HashMap<(u8, &[u8]), (CoreId, usize)> = HashMap::new();
        let mut add = |db: u8, key, writes: bool| match places.entry((db, key)) {
            Entry::Occupied(place) => {
                let (owner, index) = *place.get();
                loans.of(owner)[index].writes |= writes;
            }
            Entry::Vacant(place) => {
                let owner = self.core.route.owner(Slot::of_key(key));
                let items = loans.of(owner);
                place.insert((owner, items.len()));
                items.push(Lent { writes, ..Lent::read(db, key) });
            }
        };
        let mut positions = Vec::new();
        let is_written = |keys: &KeySpec| keys.flags.first() != Some(&"RO");
        // XREADGROUP says that it reads its keys only: what it writes are their groups.
        let hidden = spec.flags.has(Flags::WRITE) && !spec.keys.iter().any(is_written);
        for keys in spec.keys {
            positions.clear();
            keys.positions(args, &mut positions);
            let writes = is_written(keys) || hidden;
            for key in positions.iter().map(|position| args.get(*position as usize)) {
                add(db, key, writes);
                // Which of two databases a key is in is the command's to say: it gets both.
                if let Some(other) = spec.other_db.and_then(|other| other(args))
                    && usize::from(other) < self.shard.store.databases()
                    && other != db
                {
                    add(other, key, true);
                }
            }
        }
        for (db, key, writes) in &gather.extra {
            add(*db, key, *writes);
        }
        loans.0
    }

    /// Everything that was asked for has come: the command runs, or asks for the keys that follow from what has come.
    pub(crate) fn on_all_lent(&mut self, mut gather: Box<Gather>) {
        // What was there when its owner granted may have expired on the way.
        let now_ms = self.core.now.unix_ms();
        let is_dirty = |share: &Share| share.dirty || share.clean_until_ms < now_ms;
        if gather.parts.iter().flat_map(|part| &part.share).any(|share| is_dirty(share)) {
            return self.give_up_loans(gather);
        }
        let is_script = self.core.table.entry(gather.command).spec.flags.has(Flags::SCRIPT);
        if gather.global {
            return if is_script { self.script_on_loans(gather) } else { self.exec_on_all(gather) };
        }
        self.guests_enter(&mut gather.parts);
        if is_script {
            return self.script_on_loans(gather);
        }
        if gather.command == self.core.exec {
            return self.exec_on_guests(gather);
        }
        let more = self.derived_keys(&gather);
        if more.len() > DERIVED_MAX {
            return self.refuse_loans(gather);
        }
        if more.is_empty() {
            return self.run_on_loans(gather);
        }
        let Then::Loan { attempts } = gather.then else { unreachable!("only loans come here") };
        let db = gather.db;
        let items = more.iter().map(|key| (db, key.clone(), false));
        gather.extra.extend(items);
        if attempts >= ATTEMPTS_MAX {
            self.guests_rise(&mut gather.parts);
            return self.lend_more(gather, more);
        }
        // Nothing was written: everything goes home, and all is asked for together.
        self.guests_leave(&mut gather.parts, 0);
        gather.parts.clear();
        gather.then = Then::Loan { attempts: attempts + 1 };
        self.ask_for_loans(gather);
    }

    /// Asks owners, all of which are locked as a whole, for further keys: further parts.
    fn lend_more(&mut self, mut gather: Box<Gather>, keys: Vec<Box<[u8]>>) {
        let mut loans = Loans::default();
        for key in keys {
            let owner = self.core.route.owner(Slot::of_key(&key));
            loans.of(owner).push(Lent::read(gather.db, &key));
        }
        let first = gather.parts.len();
        let shares: Shares = (loans.0.into_iter())
            .map(|(owner, items)| Box::new(Share { items, ..*self.share(&gather, owner) }))
            .collect();
        gather.parts.resize_with(first + shares.len(), Part::default);
        gather.due = shares.len();
        let (number, generation) = self.gathers.insert(gather);
        for (part, mut share) in shares.into_iter().enumerate() {
            (share.gather, share.generation) = (number, generation);
            share.part = (first + part) as u32;
            match share.owner == self.core.id {
                true => self.on_lend(share),
                false => self.outbox.post(share.owner, Message::Lend(share)),
            }
        }
    }

    /// The keys that the command needs beside those that have come, as far as what has come tells.
    fn derived_keys(&mut self, gather: &Gather) -> Vec<Box<[u8]>> {
        let Some(derived) = self.core.table.entry(gather.command).spec.derived else {
            return Vec::new();
        };
        let shares = gather.parts.iter().filter_map(|part| part.share.as_ref());
        let items = shares.flat_map(|share| &share.items).filter(|item| item.db == gather.db);
        let mut known: HashSet<Box<[u8]>> = items.map(|item| item.key.clone()).collect();
        let mut more = Vec::new();
        let Engine { core, shard, .. } = self;
        let (bytes, spans) = joined(gather.args.iter().map(Vec::as_slice));
        let args = Args::new(&bytes, &spans, core.hasher);
        if !(derived.any)(&args) {
            return more;
        }
        shard.look_as_guest(core, gather.db, |ctx| {
            for round in 0.. {
                let goes_on = (derived.keys)(ctx, &args, round, &mut |key| {
                    if more.len() <= DERIVED_MAX && known.insert(key.into()) {
                        more.push(key.into());
                    }
                });
                // What follows in the next round follows from these.
                if !goes_on || !more.is_empty() {
                    return;
                }
            }
        });
        more
    }

    /// Answers a command that would read too many keys, and sends home what was lent.
    fn refuse_loans(&mut self, mut gather: Box<Gather>) {
        self.guests_leave(&mut gather.parts, 0);
        let mut reply = Vec::new();
        let text = "ERR the elements name too many keys of other cores";
        Writer::new(&mut reply, Protocol::Resp2).error(text);
        self.end_gather(&gather, Reply::Whole(&reply));
        self.leave_transaction(gather.session);
    }

    /// What an EXEC depends on has changed: it does nothing.
    fn give_up_loans(&mut self, mut gather: Box<Gather>) {
        for share in take_shares(&mut gather.parts) {
            self.finish_share(share);
        }
        let mut reply = Vec::new();
        Writer::new(&mut reply, protocol(&gather)).null_array();
        self.end_gather(&gather, Reply::Whole(&reply));
        self.leave_transaction(gather.session);
    }

    /// Runs what an EXEC has queued on what was lent, and sends it home; what runs at the session follows.
    fn exec_on_guests(&mut self, mut gather: Box<Gather>) {
        let words = std::mem::take(&mut gather.args);
        let (bytes, spans) = joined(words.iter().map(Vec::as_slice));
        let args = Args::new(&bytes, &spans, self.core.hasher);
        let before = self.shard.guest(&self.core).changes();
        let (replies, todo) = self.execute_on_guests(&args, gather.flags, None);
        let changes = self.shard.guest(&self.core).changes() - before;
        self.guests_leave(&mut gather.parts, changes);
        self.end_exec(gather, replies, todo);
    }

    /// The same with everything locked.
    fn exec_on_all(&mut self, mut gather: Box<Gather>) {
        let words = std::mem::take(&mut gather.args);
        let (bytes, spans) = joined(words.iter().map(Vec::as_slice));
        let args = Args::new(&bytes, &spans, self.core.hasher);
        let mut errands = Errands::default();
        let before = self.shard.guest(&self.core).changes();
        let is_script = |id| self.core.table.entry(id).spec.flags.has(Flags::SCRIPT);
        let (replies, todo) = match commands(&args).any(|queued| is_script(queued.command)) {
            true => self.execute_with_scripts(&args, gather.flags, &mut errands),
            false => self.execute_on_guests(&args, gather.flags, Some(&mut errands)),
        };
        let changes = self.shard.guest(&self.core).changes() - before;
        self.all_leave(&mut gather.parts, &mut errands, changes);
        self.end_exec(gather, replies, todo);
    }

    /// What came while everything was locked goes home, and the locks go.
    fn all_leave(&mut self, parts: &mut [Part], errands: &mut Errands, mut changes: u64) {
        let mut home = self.take_lent(errands);
        for mut share in take_shares(parts) {
            share.items = home.remove(&share.owner).unwrap_or_default();
            share.changes = std::mem::take(&mut changes);
            self.finish_share(share);
        }
        let stats = self.shard.guest(&self.core).take_stats();
        self.shard.store.add_stats(&stats);
    }

    /// Runs a script on what was lent, or with everything locked; if it needs more than it has, it is undone and begins anew.
    fn script_on_loans(&mut self, mut gather: Box<Gather>) {
        let (bytes, spans) = joined(gather.args.iter().map(Vec::as_slice));
        let args = Args::new(&bytes, &spans, self.core.hasher);
        let mut scope = match gather.global {
            true => Scope::All(Errands::default()),
            false => {
                let items = lent_items(&mut gather.parts);
                let lent = items.map(|item| ((item.db, item.key.clone()), item.writes));
                Scope::Guests(lent.collect(), BTreeSet::new())
            }
        };
        let order = Order { id: gather.command, db: gather.db, flags: gather.flags };
        let before = self.shard.guest(&self.core).changes();
        let (mut reply, mut chain) = (Vec::new(), Chain::default());
        let sink = Sink::behind(&mut reply, &mut chain);
        let attempt = self.run_script(order, &mut scope, &args, sink);
        let changes = self.shard.guest(&self.core).changes() - before;
        let verdict = match attempt {
            Attempt::Ended(verdict) => verdict,
            Attempt::Strays(keys, all) => {
                self.guests_leave(&mut gather.parts, 0);
                self.learn_from(order.id, order.db, &args, (&keys, all));
                return self.run_again(gather, keys, all);
            }
        };
        match &mut scope {
            Scope::All(errands) => self.all_leave(&mut gather.parts, errands, changes),
            _ => self.guests_leave(&mut gather.parts, changes),
        }
        if let Scope::Guests(_, used) = &scope
            && !self.core.scripts.learnt.is_empty()
            && let Ok(named) = self.core.named_script(order.id, &args)
        {
            self.core.scripts.learnt.judge(&named, order.db, &args, used);
        }
        gather.ticks = verdict.ticks;
        let conn = gather.session;
        self.end_gather(&gather, whole_of(&mut reply, chain));
        self.go_on(conn);
        self.leave_transaction(conn);
    }

    /// A script needs more than it had: its next attempt.
    fn run_again(&mut self, mut gather: Box<Gather>, keys: Touched, all: bool) {
        let Then::Loan { attempts } = gather.then else { unreachable!("only loans come here") };
        self.core.counters.scripts_undone += 1;
        gather.parts.clear();
        gather.extra.extend(keys.into_iter().map(|((db, key), writes)| (db, key, writes)));
        gather.global |= all || attempts + 1 >= ATTEMPTS_MAX;
        gather.then = Then::Loan { attempts: attempts + 1 };
        self.ask_for_loans(gather);
    }

    /// A script of a session could not run where its keys are: it needs these too, or everything.
    pub(crate) fn on_strays(&mut self, job: &Job, args: &Args<'_>, (keys, all): (Touched, bool)) {
        let place = match job.address {
            Address::Session(_, place) => Some(place),
            _ => None,
        };
        let conn = job.address.session();
        self.learn_from(job.command, job.db, args, (&keys, all));
        self.script_transaction(conn, place, job.command, args, (keys, all));
    }

    /// Begins a transaction for a script that needs these keys beside those that it names, or everything.
    pub(crate) fn script_transaction(
        &mut self,
        conn: ConnId,
        place: Option<u32>,
        id: u16,
        args: &Args<'_>,
        (keys, all): (Touched, bool),
    ) {
        let then = Then::Loan { attempts: 0 };
        let Some(mut gather) = self.gather_at(conn, place, id, args, then) else { return };
        gather.extra = keys.into_iter().map(|((db, key), writes)| (db, key, writes)).collect();
        gather.global = all;
        self.enter_transaction(conn);
        self.ask_for_loans(gather);
    }

    fn end_exec(
        &mut self,
        gather: Box<Gather>,
        replies: Vec<Vec<u8>>,
        todo: VecDeque<(usize, Words)>,
    ) {
        if !todo.is_empty() {
            return self.run_tail(gather.session, gather.place, replies, todo);
        }
        let mut reply = Vec::new();
        Writer::new(&mut reply, Protocol::Resp2).array(replies.len());
        replies.iter().for_each(|one| reply.extend_from_slice(one));
        self.end_gather(&gather, Reply::Whole(&reply));
        self.leave_transaction(gather.session);
    }

    /// Runs the command on what was lent and sends it home.
    fn run_on_loans(&mut self, mut gather: Box<Gather>) {
        let words = std::mem::take(&mut gather.args);
        let (bytes, spans) = joined(words.iter().map(Vec::as_slice));
        let args = Args::new(&bytes, &spans, self.core.hasher);
        let call = Call { db: gather.db, flags: gather.flags, ..self.core.call(gather.command) };
        let before = self.shard.guest(&self.core).changes();
        let (mut reply, mut chain) = (Vec::new(), Chain::default());
        let sink = Sink::behind(&mut reply, &mut chain);
        // Whom a key was offered for another key's sake finds it perhaps as something else now, and waits on.
        let is_ready = gather.offer.is_none() || self.is_ready(call, &args);
        let verdict = match is_ready {
            true => self.shard.execute_as_guest(&mut self.core, call, &args, sink),
            false => Verdict::default(),
        };
        let wait = self.shard.wait.take();
        if let (Some(wait), Some(_), None) = (&wait, gather.place, &gather.offer) {
            self.leave_waiters(&mut gather, wait);
        }
        let changes = self.shard.guest(&self.core).changes() - before;
        let own = self.guests_leave_others(&mut gather.parts, changes);
        gather.ticks = verdict.ticks;
        let conn = gather.session;
        if let (Some(wait), Some(place), None) = (&wait, gather.place, &gather.offer) {
            // Before this core's own keys are free, as one of them may serve it at once; and behind what leaves waiters
            // elsewhere, as it may end with their withdrawal.
            self.core.account(gather.command, verdict.ticks, verdict.weight);
            self.block(conn, place, gather.command, wait);
        }
        own.into_iter().for_each(|share| self.finish_share(share));
        if let (Some(_), Some(place), None) = (&wait, gather.place, &gather.offer)
            && !self.still_waits(conn, place)
        {
            self.withdraw((self.core.id, conn), place);
        }
        match (wait, gather.place, gather.offer.take()) {
            (wait, _, Some(offer)) => {
                let served = is_ready && wait.is_none();
                self.on_claimed(offer, served, whole_of(&mut reply, chain));
            }
            (Some(_), Some(_), None) => {}
            _ => {
                self.end_gather(&gather, whole_of(&mut reply, chain));
                if self.may_wait(gather.command) {
                    self.go_on(conn);
                }
            }
        }
        self.leave_transaction(conn);
    }

    /// The command has found nothing: its keys go home with the request that waits for each.
    fn leave_waiters(&mut self, gather: &mut Gather, wait: &Wait) {
        let (db, resp3) = (gather.db, gather.flags.resp3);
        let requests = wait.keys.iter().map(|key| {
            let mut words = Words::of(gather.command, key.words.iter().map(|word| &**word));
            words.resp3 = resp3;
            (self.key_of(&words), words)
        });
        let mut requests: HashMap<Box<[u8]>, Words> = requests.collect();
        for item in lent_items(&mut gather.parts).filter(|item| item.db == db) {
            // It has to come home, though nothing was taken away.
            item.waits = requests.remove(&item.key);
        }
        assert!(requests.is_empty(), "it waits for keys that it has");
    }

    /// Puts what was lent into the guest keyspace.
    fn guests_enter(&mut self, parts: &mut [Part]) {
        let now = self.core.now;
        let guest = self.shard.guest(&self.core);
        for item in lent_items(parts) {
            if let Some(parcel) = item.parcel.take() {
                guest.db(item.db).put(&self.core.hasher.key(&item.key), parcel, now);
            }
        }
    }

    /// Takes everything out of the guest keyspace again.
    fn guests_rise(&mut self, parts: &mut [Part]) {
        let now = self.core.now;
        let guest = self.shard.guest(&self.core);
        for item in lent_items(parts) {
            item.parcel = guest.db(item.db).take(&self.core.hasher.key(&item.key), now);
        }
    }

    /// Whether somebody who waits could be served by what was lent.
    fn is_ready(&mut self, call: Call, args: &Args<'_>) -> bool {
        let ready = call.spec.blocks.expect("only such commands wait").ready;
        let mut is_ready = false;
        self.shard.look_as_guest(&self.core, call.db, |ctx| is_ready = ready(ctx, args));
        is_ready
    }

    /// Takes everything out of the guest keyspace and tells the owners that it is over.
    fn guests_leave(&mut self, parts: &mut [Part], changes: u64) {
        let own = self.guests_leave_others(parts, changes);
        own.into_iter().for_each(|share| self.finish_share(share));
    }

    /// The same, but for the shares of this core, which it gives back.
    fn guests_leave_others(&mut self, parts: &mut [Part], mut changes: u64) -> Shares {
        let mut own = Vec::new();
        self.guests_rise(parts);
        let touched = self.shard.guest_touched.take();
        let touches = touches(&touched);
        let stirred = std::mem::take(&mut self.shard.guest_stirred);
        for mut share in take_shares(parts) {
            share.items.retain(|item| !item.copied || item.waits.is_some());
            for item in share.items.iter_mut().filter(|item| item.writes) {
                item.touched = touches.contains_key(&(item.db, &*item.key));
                item.stirred = stirred.iter().any(|(db, key)| (*db, key) == (item.db, &item.key));
            }
            into_order(&mut share.items, &touches);
            // Counted once, where something may have changed.
            if share.items.iter().any(|item| item.writes) {
                share.changes = std::mem::take(&mut changes);
            }
            match share.owner == self.core.id {
                true => own.push(share),
                false => self.finish_share(share),
            }
        }
        let guest = self.shard.guest(&self.core);
        debug_assert!(
            (0..guest.databases()).all(|db| guest.is_empty(db as u8)),
            "a command writes only keys that it names"
        );
        let stats = guest.take_stats();
        self.shard.store.add_stats(&stats);
        own
    }
}

/// When each key was first written to.
pub(crate) fn touches(touched: &[DbKey]) -> HashMap<(u8, &[u8]), usize> {
    let mut first = HashMap::new();
    for (at, (db, key)) in touched.iter().enumerate() {
        first.entry((*db, &**key)).or_insert(at);
    }
    first
}

/// Those who wait are served in the order in which keys were written to, so the keys come home in it.
pub(crate) fn into_order(items: &mut [Lent], touches: &HashMap<(u8, &[u8]), usize>) {
    if touches.len() > 1 {
        items.sort_by_key(|item| touches.get(&(item.db, &*item.key)).copied());
    }
}

/// All keys that have come.
fn lent_items(parts: &mut [Part]) -> impl Iterator<Item = &mut Lent> {
    parts.iter_mut().filter_map(|part| part.share.as_mut()).flat_map(|share| &mut share.items)
}

/// Keys by owner.
#[derive(Default)]
struct Loans(Vec<(CoreId, Vec<Lent>)>);

impl Loans {
    /// The keys of one owner.
    fn of(&mut self, owner: CoreId) -> &mut Vec<Lent> {
        let at = self.0.iter().position(|(core, _)| *core == owner).unwrap_or_else(|| {
            self.0.push((owner, Vec::new()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }
}

#[cfg(test)]
mod tests {
    use crate::check::{Client, World, check};
    use base::{CoreId, Slot};

    #[test]
    fn a_key_is_renamed_from_core_to_core_with_all_that_belongs_to_it() {
        check(
            "SET a 1 EX 100; RENAME a b; GET b; TTL b; EXISTS a; RENAME none b; GET b; RENAMENX b c; GET c",
            &["OK", "OK", "1", "100", "0", "(err) ERR no such key", "1", "1", "1"],
        );
        check(
            "HSET h a 1 b 2; SET s v; RENAME h s; HGETALL s; TYPE h; DBSIZE",
            &["2", "OK", "OK", "[a 1 b 2]", "none", "1"],
        );
    }

    #[test]
    fn a_copy_reaches_another_core_and_another_database() {
        check(
            "SET a 1 EX 50; COPY a b; GET b; TTL b; COPY a b; COPY a c DB 3; SELECT 3; GET c; EXISTS a b; SELECT 0; GET a",
            &["OK", "1", "1", "50", "0", "1", "OK", "1", "0", "OK", "1"],
        );
        check("COPY none b; SET b 1; COPY none b REPLACE; GET b", &["0", "OK", "0", "1"]);
    }

    #[test]
    fn what_a_group_has_read_comes_home() {
        check(
            "XADD a 1 n v; XGROUP CREATE a g 0; XGROUP CREATE b g 0 MKSTREAM; XREADGROUP GROUP g c STREAMS a b > >; XREADGROUP GROUP g c STREAMS a >; XPENDING a g; XREAD STREAMS b a 0 0",
            &[
                "1-0",
                "OK",
                "OK",
                "[[a [[1-0 [n v]]]]]",
                "nil",
                "[1 1-0 1-0 [[c 1]]]",
                "[[a [[1-0 [n v]]]]]",
            ],
        );
    }

    #[test]
    fn sets_of_several_cores_meet() {
        check(
            "SADD a 1 2 3; SADD b 2 3 4; SADD c 3 9; SINTER a b c; SUNION a b; SDIFF a b; SINTERSTORE d a b; SMEMBERS d; SUNIONSTORE a a b c; SCARD a; SDIFFSTORE a b b; EXISTS a; SMEMBERS b",
            &[
                "3",
                "3",
                "2",
                "[3]",
                "[1 2 3 4]",
                "[1]",
                "2",
                "[2 3]",
                "5",
                "5",
                "0",
                "0",
                "[2 3 4]",
            ],
        );
        check(
            "SADD a 1; SMOVE a b 1; EXISTS a; SMEMBERS b; SET s v; SMOVE b s 1; SMEMBERS b; SINTER b s; GET s",
            &["1", "1", "0", "[1]", "OK", WRONG, "[1]", WRONG, "v"],
        );
    }

    const WRONG: &str = "(err) WRONGTYPE Operation against a key holding the wrong kind of value";

    #[test]
    fn what_a_pipeline_sends_behind_a_loan_sees_what_it_did() {
        let mut world = World::new(3);
        let client = world.open(0);
        let replies = world.feed(
            client,
            b"SET a 1\r\nRENAME a b\r\nGET b\r\nRENAME b c\r\nGET c\r\nEXISTS a b\r\n",
        );
        assert_eq!(replies, b"+OK\r\n+OK\r\n$1\r\n1\r\n+OK\r\n$1\r\n1\r\n:0\r\n");
    }

    /// A key of this core.
    fn key_on(core: u16, prefix: &str) -> String {
        let route = base::RouteTable::new(3);
        let mut keys = (0..).map(|number| format!("{prefix}{number}"));
        keys.find(|key| route.owner(Slot::of_key(key.as_bytes())) == CoreId(core))
            .expect("some key")
    }

    fn fill(world: &mut World, client: Client, key: &str, members: u32) {
        for first in (0..members).step_by(500) {
            let names: Vec<String> = (first..first + 500).map(|n| format!("m{n}")).collect();
            world.ask(client, &format!("SADD {key} {}", names.join(" ")));
        }
    }

    #[test]
    fn a_large_value_moves_as_it_is_and_leaves_nothing_behind() {
        let mut world = World::new(3);
        let client = world.open(0);
        let (far, other, small) = (key_on(1, "far"), key_on(2, "other"), key_on(0, "small"));
        fill(&mut world, client, &far, 20_000);
        world.ask(client, &format!("SADD {small} m5 m7 x"));
        let before: Vec<usize> = (0..3).map(|core| world.census(core).store_bytes).collect();
        assert_eq!(world.ask(client, &format!("SINTERCARD 2 {far} {small}")), "2");
        assert_eq!(world.ask(client, &format!("SCARD {far}")), "20000");
        let after: Vec<usize> = (0..3).map(|core| world.census(core).store_bytes).collect();
        assert_eq!(before, after, "all of it is back");
        assert_eq!(world.ask(client, &format!("RENAME {far} {other}")), "OK");
        assert_eq!(world.ask(client, &format!("SCARD {other}")), "20000");
        let moved = before[1] - world.census(1).store_bytes;
        assert!(moved > 20_000 * 20 && world.census(2).store_bytes > before[2] + moved / 2);
        // Overwritten on a third core, it is freed in steps.
        assert_eq!(world.ask(client, &format!("RENAME {small} {other}")), "OK");
        for _ in 0..200 {
            world.pass_ms(1);
        }
        // A core with next to nothing has its tables.
        let left: Vec<usize> = (0..3).map(|core| world.census(core).store_bytes).collect();
        assert!(left.iter().all(|bytes| *bytes < before[0] + 1000), "{left:?} of {before:?}");
    }

    #[test]
    fn a_client_that_leaves_while_its_keys_are_lent_loses_nothing() {
        let mut world = World::new(3);
        let (client, other) = (world.open(0), world.open(0));
        let (from, to) = (key_on(1, "from"), key_on(2, "to"));
        world.ask(client, &format!("SET {from} v"));
        world.feed_quietly(client, format!("RENAME {from} {to}\r\n").as_bytes());
        world.hang_up(client);
        world.settle();
        assert_eq!(world.ask(other, &format!("GET {to}")), "v");
        assert_eq!(world.ask(other, "DBSIZE"), "1");
        assert!((0..3).all(|core| world.census(core).gathers == 0));
    }

    #[test]
    fn expired_keys_are_lent_as_absent() {
        let mut world = World::new(3);
        let client = world.open(0);
        world.ask(client, "SET a 1 PX 5");
        world.pass_ms(6);
        assert_eq!(world.ask(client, "RENAME a b"), "(err) ERR no such key");
        assert_eq!(world.ask(client, "DBSIZE"), "0");
    }

    #[test]
    fn a_sort_finds_the_keys_that_its_elements_name_on_every_core() {
        check(
            "RPUSH l a b c d; MSET w_a 3 w_b 1 w_c 2 n_a A n_b B n_c C; SORT l BY w_* GET n_* GET #; SORT l BY w_* LIMIT 1 2; SORT l BY no GET n_* LIMIT 1 2",
            &["4", "OK", "[nil d B b C c A a]", "[b c]", "[B C]"],
        );
        check(
            "RPUSH l 1 2; HSET h_1 f 9; HSET h_2 f 8; SORT l BY h_*->f STORE w; LRANGE w 0 -1; SORT l GET h_*->f STORE l; LRANGE l 0 -1; DBSIZE; HGETALL h_1",
            &["2", "1", "1", "2", "[2 1]", "2", "[9 8]", "4", "[f 9]"],
        );
        check(
            "SADD s x y; SET w_x 1; SET w_y bad; SORT s BY w_*; SORT s BY w_* ALPHA; SORT s BY w_* FOO; GET w_x; SORT w_x BY w_*; SORT none GET w_*",
            &[
                "2",
                "OK",
                "OK",
                "(err) ERR One or more scores can't be converted into double",
                "[x y]",
                "(err) ERR syntax error",
                "1",
                WRONG,
                "[]",
            ],
        );
    }

    #[test]
    fn a_sort_of_one_core_needs_no_other() {
        check(
            "RPUSH {t}l 2 1; SORT {t}l; SORT {t}l STORE {t}d; SORT_RO {t}d DESC; SET w_1 5; SET w_2 4; SORT_RO {t}l BY w_*",
            &["2", "[1 2]", "2", "[2 1]", "OK", "OK", "[2 1]"],
        );
    }

    #[test]
    fn a_client_that_leaves_between_the_two_rounds_loses_nothing() {
        let mut world = World::new(3);
        let (client, other) = (world.open(0), world.open(0));
        let (list, to) = (key_on(1, "from"), key_on(2, "to"));
        world.ask(client, &format!("RPUSH {list} 2 1"));
        world.ask(client, "MSET w_1 5 w_2 4");
        world.feed_quietly(client, format!("SORT {list} BY w_* STORE {to}\r\n").as_bytes());
        world.hang_up(client);
        world.settle();
        assert_eq!(world.ask(other, &format!("LRANGE {to} 0 -1")), "[2 1]");
        assert_eq!(world.ask(other, "MGET w_1 w_2"), "[5 4]");
        assert!((0..3).all(|core| world.census(core).gathers == 0));
    }

    /// Replies of a megabyte, from this core, from another one, from a loan, from all cores; and what follows them.
    #[test]
    fn long_replies_are_sent_in_pieces_wherever_they_come_from() {
        let mut world = World::new(3);
        let client = world.open(0);
        let (here, far, other) = (key_on(0, "here"), key_on(1, "far"), key_on(2, "other"));
        for key in [&here, &far, &other] {
            fill(&mut world, client, key, 100_000);
        }
        for number in 0..600 {
            let sets: Vec<String> =
                (0..100).map(|n| format!("longer-name-of-a-key:{number}:{n} v")).collect();
            world.ask(client, &format!("MSET {}", sets.join(" ")));
        }
        world.largest_send = 0;
        let requests = format!(
            "SMEMBERS {here}\r\nSMEMBERS {far}\r\nPING\r\nSMEMBERS {here}\r\nSUNION {far} {other}\r\nKEYS *\r\nPING\r\n"
        );
        let replies = world.feed(client, requests.as_bytes());
        let (values, len) = resp::Value::parse_all(&replies).expect("replies");
        assert_eq!(len, replies.len());
        let counts: Vec<usize> = values
            .iter()
            .map(|value| match value {
                resp::Value::Array(elements) => elements.len(),
                _ => 0,
            })
            .collect();
        assert_eq!(counts, [100_000, 100_000, 0, 100_000, 100_000, 60_003, 0]);
        assert!(replies.len() > 5_000_000 && world.largest_send <= 2 * resp::chain::PIECE_BYTES);
    }

    #[test]
    fn what_others_write_to_a_key_that_was_found_absent_stays() {
        let mut world = World::new(3);
        let (client, other) = (world.open(0), world.open(1));
        let (here, absent) = (key_on(0, "here"), key_on(1, "absent"));
        world.ask(client, &format!("SADD {here} a"));
        for rounds in 0..6 {
            world.feed_quietly(client, format!("SINTER {here} {absent}\r\n").as_bytes());
            for _ in 0..rounds {
                world.round();
            }
            world.feed_quietly(other, format!("SADD {absent} x\r\n").as_bytes());
            world.settle();
            assert_eq!(world.take(other), b":1\r\n");
            assert_eq!(world.take(client), b"*0\r\n");
            assert_eq!(world.ask(other, &format!("SCARD {absent}")), "1", "after {rounds} rounds");
            assert_eq!(world.ask(other, &format!("DEL {absent}")), "1");
        }
    }

    #[test]
    fn many_keys_are_found_in_the_loans_without_looking_at_all_of_them() {
        let mut world = World::new(3);
        let client = world.open(0);
        let mut request = b"*60001\r\n$6\r\nSUNION\r\n".to_vec();
        for number in 0..60_000 {
            request.extend_from_slice(format!("$6\r\nk{:05}\r\n", number % 50_000).as_bytes());
        }
        assert_eq!(world.feed(client, &request), b"*0\r\n");
    }
}
