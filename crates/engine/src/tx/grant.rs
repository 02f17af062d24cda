//! The way of a transaction: its shares go to the sequencer, from there to the owners in an order that is the same for all, and come to the
//! origin when they are granted; when all have come, it is executed, and each owner is told.
//!
//! One core is the sequencer. It keeps nothing of a transaction: it forwards boxes.

use super::locks::{Wanted, lock_id};
use crate::engine::Engine;
use crate::gather::Gather;
use crate::message::{Lent, Message, Parked, Replied, Share, Shares, Words};
use crate::shard::execute::Call;
use crate::shard::feed::DbKey;
use crate::spread::whole_of;
use base::CoreId;
use command::Args;
use resp::Sink;

/// The core that every transaction with several owners goes through.
const SEQUENCER: CoreId = CoreId(0);

/// A value up to this size that the command only reads is lent as a copy.
const COPY_BYTES_MAX: usize = 64 * 1024;

/// What waits for locks.
#[derive(Debug)]
pub enum Waiting {
    /// A transaction's share.
    Share(Box<Share>),
    /// A job.
    Job(Box<Parked>),
    /// Waiters for a key, who may be served by it.
    Key(DbKey),
    /// An offer, whose answer ends the lock.
    Offered,
}

impl Engine {
    /// Sends the shares of a gather to be locked, as its parts.
    pub(crate) fn begin_transaction(&mut self, mut gather: Box<Gather>, mut shares: Shares) {
        gather.parts.resize_with(shares.len(), Default::default);
        gather.due = shares.len();
        let (number, generation) = self.gathers.insert(gather);
        for (part, share) in shares.iter_mut().enumerate() {
            (share.gather, share.generation, share.part) = (number, generation, part as u32);
        }
        self.core.counters.transactions += 1;
        match self.core.id == SEQUENCER {
            true => self.on_sequence(shares),
            false => self.outbox.post(SEQUENCER, Message::Sequence(shares)),
        }
    }

    /// A share of a transaction of this core, for an owner.
    pub(crate) fn share(&self, gather: &Gather, owner: CoreId) -> Box<Share> {
        Box::new(Share {
            origin: self.core.id,
            owner,
            gather: 0,
            generation: 0,
            part: 0,
            session: gather.session,
            place: gather.place.unwrap_or_default(),
            watched: false,
            dirty: false,
            clean_until_ms: i64::MAX,
            ticket: None,
            patient: gather.offer.is_some(),
            busy: None,
            whole: false,
            db: gather.db,
            flags: gather.flags,
            items: Vec::new(),
            changes: 0,
            read: None,
            write: None,
            applies: false,
            silent: false,
            answer: Replied::default(),
        })
    }

    /// Sends each share to its owner. What is for this core goes the same way, so that this core hears of it in the order in which
    /// others do.
    pub(crate) fn on_sequence(&mut self, shares: Shares) {
        self.core.counters.transactions_sequenced += 1;
        for share in shares {
            self.outbox.post(share.owner, Message::Lock(share));
        }
    }

    /// Puts a share behind all that want the same of this core.
    pub(crate) fn on_lock(&mut self, share: Box<Share>) {
        self.core.counters.jobs_served += u64::from(share.origin != self.core.id);
        if self.core.busy.is_some() && !share.patient {
            return self.refuse_share(share);
        }
        let wanted = self.wanted_by_share(&share);
        self.locks.enter(wanted, Waiting::Share(share));
        self.serve_granted();
    }

    fn wanted_by_share(&self, share: &Share) -> Wanted {
        if share.whole {
            return Wanted::Whole;
        }
        let id = |item: &Lent| lock_id(item.db, self.core.hasher.hash(&item.key));
        let mut keys: Vec<_> = share.items.iter().map(id).collect();
        if share.watched {
            // What is lent to another one cannot be looked at, nor what a transaction before this one will write.
            self.watched_locks((share.origin, share.session), &mut keys);
        }
        for words in share.read.iter().chain(&share.write) {
            let args = Args::new(&words.bytes, &words.spans, self.core.hasher);
            self.core.lock_ids(words.command, share.db, &args, &mut keys);
        }
        Wanted::Keys(keys)
    }

    /// Does what was waiting for locks that it has now.
    pub(crate) fn serve_granted(&mut self) {
        while let Some((ticket, waiting)) = self.locks.next_granted() {
            match waiting {
                Waiting::Share(mut share) => {
                    share.ticket = Some(ticket);
                    self.grant(share);
                }
                Waiting::Job(parked) => {
                    if let Wanted::Keys(keys) = self.locks.wanted(ticket) {
                        self.held.clone_from(keys);
                    }
                    self.run_parked(parked);
                    self.held.clear();
                    self.locks.leave(ticket);
                }
                Waiting::Key(key) => self.on_key_free(&key, ticket),
                Waiting::Offered => unreachable!("granted as it came"),
            }
        }
    }

    /// Everything that a share needs of this core is its own: what it reads goes to the origin.
    fn grant(&mut self, mut share: Box<Share>) {
        let client = (share.origin, share.session);
        share.dirty = share.watched && self.is_dirty(client);
        if share.watched {
            share.clean_until_ms = self.clean_until_ms(client);
            self.unwatch(client);
        }
        self.lend(&mut share.items);
        if let Some(words) = &share.write
            && self.refuses_words(words)
        {
            share.answer.verdict.rejected = true;
        }
        if let Some(words) = share.read.take() {
            share.answer = self.run_granted(&words, share.db, share.flags);
            self.watch_words(client, &words, share.db);
        }
        match share.origin == self.core.id {
            true => self.on_granted(share),
            false => self.outbox.post(share.origin, Message::Granted(share)),
        }
    }

    /// Further keys for an origin that has locked all of this core.
    pub(crate) fn on_lend(&mut self, mut share: Box<Share>) {
        self.lend(&mut share.items);
        match share.origin == self.core.id {
            true => self.on_granted(share),
            false => self.outbox.post(share.origin, Message::Granted(share)),
        }
    }

    /// Takes keys out of this core's keyspace, or copies them where they are small and only read.
    fn lend(&mut self, items: &mut [Lent]) {
        let now = self.core.now;
        for item in items {
            let key = self.core.hasher.key(&item.key);
            let mut keyspace = self.shard.store.db(item.db);
            let bytes = if item.writes { None } else { Some(keyspace.value_bytes(&key, now)) };
            match bytes {
                Some(None) => item.copied = true,
                Some(Some(bytes)) if bytes <= COPY_BYTES_MAX => {
                    (item.parcel, item.copied) = (keyspace.copy_as_is(&key, now), true);
                }
                _ => item.parcel = keyspace.take(&key, now),
            }
        }
    }

    /// A share has come to its origin; the last one decides what follows.
    pub(crate) fn on_granted(&mut self, share: Box<Share>) {
        if let Some(gather) = self.gathers.fill_share(share) {
            self.on_all_granted(gather);
        }
    }

    /// Tells an owner what is to become of its share.
    pub(crate) fn finish_share(&mut self, share: Box<Share>) {
        match share.owner == self.core.id {
            true => self.on_finish(share),
            false => self.outbox.post_in_order(share.owner, Message::Finish(share)),
        }
    }

    /// A transaction comes to its end on this core: what was lent comes home, what is to be written is, and the locks go.
    pub(crate) fn on_finish(&mut self, mut share: Box<Share>) {
        self.take_home(&mut share);
        if share.applies
            && let Some(words) = share.write.take()
        {
            share.answer = self.run_granted(&words, share.db, share.flags);
        }
        if let Some(ticket) = share.ticket.take() {
            self.locks.leave(ticket);
        }
        self.heed();
        if share.applies && !share.silent {
            match share.origin == self.core.id {
                true => self.on_finished(share),
                false => self.outbox.post(share.origin, Message::Finished(share)),
            }
        }
        self.serve_granted();
    }

    /// What an owner has written has answered; the last one completes the reply.
    pub(crate) fn on_finished(&mut self, mut share: Box<Share>) {
        let (number, generation, part) = (share.gather, share.generation, share.part);
        self.gathers.charge(number, generation, share.answer.verdict.ticks);
        let Replied { bytes, chain, .. } = &mut share.answer;
        let reply = whole_of(bytes, std::mem::take(chain));
        self.fill_part(number, generation, part, reply);
    }

    fn take_home(&mut self, share: &mut Share) {
        let now = self.core.now;
        for item in share.items.drain(..) {
            let key = self.core.hasher.key(&item.key);
            if let Some(parcel) = item.parcel.filter(|_| !item.copied) {
                self.shard.store.db(item.db).put(&key, parcel, now);
            }
            let key = (item.db, item.key);
            if let Some(words) = item.waits {
                let client = (share.origin, share.session);
                self.add_waiter(client, share.place, key.clone(), words);
            }
            match (item.touched, item.stirred) {
                (true, _) => self.shard.feed.touch(key),
                (false, true) => self.shard.feed.stir(key),
                (false, false) => {}
            }
        }
        self.shard.store.db(0).count_changes(std::mem::take(&mut share.changes));
    }

    /// Whether a request would be refused for lack of memory.
    fn refuses_words(&mut self, words: &Words) -> bool {
        let flags = self.core.table.entry(words.command).spec.flags;
        self.shard.refuses(&mut self.core, flags, words.bytes.len())
    }

    /// Executes a request on this core's keyspace, without gates: they were asked before.
    pub(crate) fn run_granted(
        &mut self,
        words: &Words,
        db: u8,
        flags: crate::message::JobFlags,
    ) -> Replied {
        let call = Call { db, flags, ..self.core.call(words.command) };
        let args = Args::new(&words.bytes, &words.spans, self.core.hasher);
        let mut answer = Replied::default();
        let sink = Sink::behind(&mut answer.bytes, &mut answer.chain);
        answer.verdict = self.shard.execute_admitted(&mut self.core, call, &args, sink);
        answer
    }
}
