//! Everything locked: a script or an EXEC that needs more than could be known before it runs has every core locked as a whole, and
//! what it touches comes while it runs. It waits for that, and this is the one place where a core waits for another: the other
//! holds still for it, answers in its next turn, and waits for nobody.

use crate::commands::query::{Answer, Query};
use crate::engine::Engine;
use crate::gather::{self, Part};
use crate::loan::{into_order, touches};
use crate::message::{JobFlags, Lent, Replied, Words};
use crate::session::plan::cursor_owner;
use crate::shard::feed::DbKey;
use crate::spread::whole_of;
use base::{CoreId, Now, Slot};
use command::{Args, Fanout, Merge, Spec};
use resp::write::{Protocol, Writer};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The way to another core in the middle of a turn, given by the loop around the engine.
pub trait Pump {
    /// Has a core do something that is locked as a whole for this one, and waits for it.
    fn exchange(&mut self, to: CoreId, errand: Box<Errand>) -> Box<Errand>;

    /// Has the engine take a turn in the middle of a script that runs on; `tx/busy.rs` says what it does in it.
    fn turn(&mut self, engine: &mut Engine);
}

/// What is asked of a core that holds still.
#[derive(Debug, Default)]
pub struct Errand {
    /// The time at which all of it happens: that of the core that asks, or a key could expire halfway.
    pub now: Now,
    /// Keys that come home.
    pub home: Vec<Lent>,
    /// Keys that are wanted.
    pub lend: Vec<Lent>,
    /// A request that is to be executed.
    pub words: Option<Words>,
    /// In which database.
    pub db: u8,
    /// For what client.
    pub flags: JobFlags,
    /// What it has answered.
    pub answer: Replied,
    /// A question.
    pub query: Option<Arc<Query>>,
    /// What it says to that.
    pub said: Option<Answer>,
}

/// What has come to this core so.
#[derive(Debug, Default)]
pub struct Errands {
    lent: BTreeSet<DbKey>,
}

impl Engine {
    /// Gives the engine its way to other cores in the middle of a turn.
    pub fn set_pump(&mut self, pump: Box<dyn Pump>) {
        self.pump = Some(pump);
    }

    /// Does what another core asks that has locked all of this one.
    pub fn serve_errand(&mut self, errand: &mut Errand) {
        let (now, own) = (errand.now, self.core.now);
        self.core.now = now;
        for item in errand.home.drain(..) {
            if let Some(parcel) = item.parcel {
                let key = self.core.hasher.key(&item.key);
                self.shard.store.db(item.db).put(&key, parcel, now);
            }
            match (item.touched, item.stirred) {
                (true, _) => self.shard.feed.touch((item.db, item.key)),
                (false, true) => self.shard.feed.stir((item.db, item.key)),
                (false, false) => {}
            }
        }
        for item in &mut errand.lend {
            let key = self.core.hasher.key(&item.key);
            item.parcel = self.shard.store.db(item.db).take(&key, now);
        }
        if let Some(words) = errand.words.take() {
            errand.answer = self.run_granted(&words, errand.db, errand.flags);
        }
        if let Some(query) = errand.query.take() {
            errand.said = Some(self.answer(&query));
        }
        self.core.now = own;
    }

    pub(super) fn exchange(&mut self, to: CoreId, mut errand: Box<Errand>) -> Box<Errand> {
        errand.now = self.core.now;
        if to == self.core.id {
            self.serve_errand(&mut errand);
            return errand;
        }
        let pump = self.pump.as_mut().expect("an engine among others has a way to them");
        pump.exchange(to, errand)
    }

    /// Brings the keys that a command touches; all go home where it concerns every key there is.
    pub(crate) fn bring(
        &mut self,
        errands: &mut Errands,
        spec: &Spec,
        db: u8,
        args: &Args<'_>,
        keys: Option<&[(DbKey, bool)]>,
    ) {
        let Some(keys) = keys else { return self.send_home(errands) };
        self.bring_keys(errands, keys.iter().map(|(key, _)| key.clone()));
        let Some(derived) = spec.derived.filter(|derived| (derived.any)(args)) else { return };
        loop {
            let mut more = Vec::new();
            let Engine { core, shard, .. } = self;
            shard.look_as_guest(core, db, |ctx| {
                for round in 0.. {
                    let goes_on = (derived.keys)(ctx, args, round, &mut |key| {
                        let key = (db, Box::from(key));
                        if !errands.lent.contains(&key) {
                            more.push(key);
                        }
                    });
                    if !goes_on || !more.is_empty() {
                        return;
                    }
                }
            });
            if more.is_empty() {
                return;
            }
            self.bring_keys(errands, more.into_iter());
        }
    }

    fn bring_keys(&mut self, errands: &mut Errands, keys: impl Iterator<Item = DbKey>) {
        let mut wanted: BTreeMap<CoreId, Vec<Lent>> = BTreeMap::new();
        for key in keys {
            if errands.lent.insert(key.clone()) {
                let owner = self.core.route.owner(Slot::of_key(&key.1));
                wanted.entry(owner).or_default().push(Lent::read(key.0, &key.1));
            }
        }
        for (owner, lend) in wanted {
            let errand = self.exchange(owner, Box::new(Errand { lend, ..Errand::default() }));
            let now = self.core.now;
            for item in errand.lend {
                if let Some(parcel) = item.parcel {
                    let key = self.core.hasher.key(&item.key);
                    self.shard.guest(&self.core).db(item.db).put(&key, parcel, now);
                }
            }
        }
    }

    /// What is here of others, by owner, with what was written to.
    pub(crate) fn take_lent(&mut self, errands: &mut Errands) -> BTreeMap<CoreId, Vec<Lent>> {
        let touched = self.shard.guest_touched.take();
        let touches = touches(&touched);
        let stirred = std::mem::take(&mut self.shard.guest_stirred);
        let now = self.core.now;
        let mut home: BTreeMap<CoreId, Vec<Lent>> = BTreeMap::new();
        for (db, key) in std::mem::take(&mut errands.lent) {
            let name = self.core.hasher.key(&key);
            let owner = self.core.route.owner(name.slot);
            let parcel = self.shard.guest(&self.core).db(db).take(&name, now);
            let touched = touches.contains_key(&(db, &*key));
            let stirred = stirred.iter().any(|(other, name)| (*other, name) == (db, &key));
            let item = Lent { parcel, touched, stirred, ..Lent::read(db, &key) };
            home.entry(owner).or_default().push(item);
        }
        home.values_mut().for_each(|items| into_order(items, &touches));
        home
    }

    /// Everything goes home, and stays locked.
    pub(crate) fn send_home(&mut self, errands: &mut Errands) {
        for (owner, home) in self.take_lent(errands) {
            self.exchange(owner, Box::new(Errand { home, ..Errand::default() }));
        }
    }

    /// Runs a command that concerns all cores, all keys being at home.
    pub(crate) fn everywhere(
        &mut self,
        id: u16,
        db: u8,
        flags: JobFlags,
        args: &Args<'_>,
        reply: &mut Vec<u8>,
    ) {
        let words = Words::of(id, args.from(0));
        let cores = (0..self.core.route.cores() as u16).map(CoreId);
        let how = match self.core.table.entry(id).spec.fanout {
            Fanout::Cursor => {
                let core = cursor_owner(args.try_get(1), self.core.route);
                let answer = self.run_at(core, &words, db, flags);
                return reply.extend_from_slice(&answer);
            }
            Fanout::RandomCore => {
                let dbsize = Words::of(self.core.known("DBSIZE"), [&b"DBSIZE"[..]].into_iter());
                let sizes: Vec<i64> = cores
                    .map(|core| gather::integer(&self.run_at(core, &dbsize, db, flags)))
                    .collect();
                let mut left = self.core.prng.below(sizes.iter().sum::<i64>().max(1) as u64) as i64;
                let drawn = sizes.iter().position(|size| {
                    left -= size;
                    left < 0
                });
                let answer = self.run_at(CoreId(drawn.unwrap_or(0) as u16), &words, db, flags);
                return reply.extend_from_slice(&answer);
            }
            Fanout::All(how) => how,
            _ => unreachable!("it has keys"),
        };
        let mut parts: Vec<Part> = cores
            .map(|core| {
                let answer = self.run_at(core, &words, db, flags);
                Part { reply: Some(answer), ..Part::default() }
            })
            .collect();
        let protocol = if flags.resp3 { Protocol::Resp3 } else { Protocol::Resp2 };
        match how {
            Merge::Concat if gather::first_error(&parts).is_none() => {
                reply.extend_from_slice(&gather::concat(&mut parts).concat());
            }
            Merge::Concat => {
                let error = gather::first_error(&parts).expect("looked at above");
                reply.extend_from_slice(error);
            }
            how => gather::merge(how, &parts, &mut Writer::new(reply, protocol)),
        }
    }

    fn run_at(&mut self, core: CoreId, words: &Words, db: u8, flags: JobFlags) -> Vec<u8> {
        let words = Some(words.clone());
        let mut errand =
            self.exchange(core, Box::new(Errand { words, db, flags, ..Errand::default() }));
        let answer = &mut errand.answer;
        let reply = whole_of(&mut answer.bytes, std::mem::take(&mut answer.chain));
        match reply {
            resp::Reply::Whole(bytes) => bytes.to_vec(),
            resp::Reply::Pieces(chain) => chain.concat(),
        }
    }
}
