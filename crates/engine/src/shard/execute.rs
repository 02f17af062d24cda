//! Before and after every data command: ordered gates, the command, what its change brings about.

use super::feed::DbKey;
use super::lease::Account;
use super::{Shard, feed};
use crate::core::Core;
use crate::message::JobFlags;
use command::{Args, Ctx, Failure, Flags, Run, Spec, Wait, Writes};
use resp::Sink;
use resp::write::{Protocol, Writer};
use store::{Evicted, Policy, Store};

/// Keys evicted at the most to make room for one command; the rest is left to the ticks.
const EVICTIONS_PER_COMMAND_MAX: usize = 512;

/// Keys that any command may evict, and one more for so many bytes that it brings: as few as the
/// smallest keys free, so that writers of large values over small ones cannot outrun the eviction.
const EVICTIONS_PER_COMMAND: usize = 2;
const BYTES_PER_EVICTION: usize = 64;

/// Bytes of arguments or reply that take as long as a small request, and an eviction in such units.
const BYTES_PER_WORK: u64 = 512;
const EVICTION_WORK: u32 = 6;

/// What a core takes for itself before it has a key or a client: tables, rings, receive buffers. A
/// `maxmemory` below it refuses every write, as Redis does with one below its own start. Measured: half of
/// it is what the kernel receives into. What they grow to is counted as it does ([`Account::plumbing_bytes`]).
const ENGINE_BYTES: u64 = 1024 * 1024;

/// Flushed entries freed in one step towards room, and such steps at the most.
const BURIED_PER_STEP: usize = 64;
const BURIED_STEPS_MAX: usize = 512;

/// What is to be executed, beside the arguments.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// What the command is.
    pub spec: &'static Spec,
    /// What it does.
    pub run: Run,
    /// The client's database.
    pub db: u8,
    /// What else the client brings.
    pub flags: JobFlags,
}

/// How an execution went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The reply is an error.
    pub failed: bool,
    /// A gate refused the command before it ran.
    pub rejected: bool,
    /// It took long enough for SLOWLOG or LATENCY to be asked.
    pub slow: bool,
    /// Duration in ticks; 0 when it was not measured.
    pub ticks: u64,
    /// How many executions the measurement stands for.
    pub weight: u64,
}

impl Verdict {
    /// Neither failed nor long enough to be looked at closer.
    #[inline]
    pub fn is_plain(&self) -> bool {
        !self.failed && !self.slow
    }
}

impl Shard {
    /// Executes one command to completion and appends its reply. The cost is the command's.
    #[inline]
    pub fn execute(
        &mut self,
        core: &mut Core,
        call: Call,
        args: &Args<'_>,
        mut reply: Sink<'_>,
    ) -> Verdict {
        if let Some(refusal) = self.refuse(core, call, args, reply.reborrow()) {
            return refusal;
        }
        let start = reply.len();
        let verdict = self.execute_admitted(core, call, args, reply.reborrow());
        self.work += ((reply.len() - start).max(args.extent()) as u64 / BYTES_PER_WORK) as u32;
        verdict
    }

    /// Executes a command that the gates have let pass before, and notes what it has written to if somebody cares.
    #[inline]
    pub fn execute_admitted(
        &mut self,
        core: &mut Core,
        call: Call,
        args: &Args<'_>,
        reply: Sink<'_>,
    ) -> Verdict {
        if self.feed.is_on() && feed::may_write(call.spec) {
            return self.run_watched(core, call, args, reply);
        }
        run(&mut self.store, &mut self.wait, core, call, args, reply)
    }

    #[cold]
    fn run_watched(
        &mut self,
        core: &mut Core,
        call: Call,
        args: &Args<'_>,
        reply: Sink<'_>,
    ) -> Verdict {
        let candidates = self.feed.candidates(call.spec, call.db, args);
        let Shard { store, wait, feed, .. } = self;
        let (verdict, written) = run_noting(store, wait, core, call, args, reply, candidates);
        feed.touch_all(call.spec, written);
        verdict
    }

    /// Whether the gates refuse a command that brings so many bytes.
    #[inline]
    pub fn refuses(&mut self, core: &mut Core, flags: Flags, bytes: usize) -> bool {
        self.memory.limited && self.refuses_for_memory(core, flags, bytes)
    }

    /// Executes a command on the guest keyspace, into which the caller has put what was lent to this core.
    pub fn execute_as_guest(
        &mut self,
        core: &mut Core,
        call: Call,
        args: &Args<'_>,
        mut reply: Sink<'_>,
    ) -> Verdict {
        if let Some(refusal) = self.refuse(core, call, args, reply.reborrow()) {
            return refusal;
        }
        self.run_as_guest(core, call, args, reply)
    }

    /// The same for a command that the gates have let pass before. What it has written to is noted.
    pub fn run_as_guest(
        &mut self,
        core: &mut Core,
        call: Call,
        args: &Args<'_>,
        reply: Sink<'_>,
    ) -> Verdict {
        self.guest(core);
        let Shard { guest, wait, guest_touched, .. } = self;
        let guest = guest.as_deref_mut().expect("made above");
        if !feed::may_write(call.spec) {
            return run(guest, wait, core, call, args, reply);
        }
        let candidates = feed::written_keys(call.spec, call.db, args);
        let (verdict, written) = run_noting(guest, wait, core, call, args, reply, candidates);
        match call.spec.writes {
            Writes::OnlyWaits => self.guest_stirred.extend(written),
            _ => written.into_iter().for_each(|key| guest_touched.note(key)),
        }
        verdict
    }

    /// Calls `look` with this core's keyspace, as commands see it.
    pub fn look<R>(&mut self, core: &Core, db: u8, look: impl FnOnce(&mut Ctx<'_>) -> R) -> R {
        let mut unread = Vec::new();
        look(&mut Ctx {
            store: &mut self.store,
            db,
            now: core.now,
            settings: &core.settings,
            reply: Writer::new(&mut unread, Protocol::Resp2),
            scripted: false,
            wait: None,
        })
    }

    /// Calls `look` with the guest keyspace, as the commands that run there see it. What it counts is forgotten.
    pub fn look_as_guest(&mut self, core: &Core, db: u8, look: impl FnOnce(&mut Ctx<'_>)) {
        let mut unread = Vec::new();
        look(&mut Ctx {
            store: self.guest(core),
            db,
            now: core.now,
            settings: &core.settings,
            reply: Writer::new(&mut unread, Protocol::Resp2),
            scripted: false,
            wait: None,
        });
        self.guest(core).take_stats();
    }

    /// The gates before a command: writes the error and gives the verdict where one is closed.
    #[inline]
    fn refuse(
        &mut self,
        core: &mut Core,
        call: Call,
        args: &Args<'_>,
        reply: Sink<'_>,
    ) -> Option<Verdict> {
        if !self.refuses(core, call.spec.flags, args.extent()) {
            return None;
        }
        Writer::to(reply, protocol_of(call)).error(&*Failure::OOM.0);
        Some(Verdict { failed: true, rejected: true, ..Verdict::default() })
    }

    /// The guest keyspace: empty but while a command runs on what other cores have lent.
    pub fn guest(&mut self, core: &Core) -> &mut Store {
        let guest = self.guest.get_or_insert_with(|| {
            let databases = self.store.databases();
            Box::new(Store::new(databases, 0..base::SLOTS as u16, core.hash_seed, 0))
        });
        guest.behave_as(&self.store);
        guest
    }

    /// The memory gate: makes room when this core is over its share, and says whether a command
    /// that needs memory must be refused because the whole is exhausted. What is over beyond what the
    /// command brings (after a change of the limit or of sizes) goes in bounded shares of many turns.
    fn refuses_for_memory(&mut self, core: &mut Core, flags: Flags, bytes: usize) -> bool {
        self.refresh_used();
        if !self.account.over() {
            return false;
        }
        // SETRANGE and its like bring more than their arguments.
        let own = match self.account.is_far_over() {
            true => EVICTIONS_PER_COMMAND_MAX,
            false => EVICTIONS_PER_COMMAND + bytes / BYTES_PER_EVICTION,
        };
        let roomy = self.make_room(core, own.min(EVICTIONS_PER_COMMAND_MAX), bytes);
        !roomy && flags.has(Flags::DENYOOM) && self.account.exhausted()
    }

    /// Evicts until the core is within its share, `most` keys at the most. False when the policy
    /// finds nothing more to evict. While an eviction does not show, because what it frees is scattered,
    /// it frees no more than `bytes`, what is brought: more would throw away data and win nothing,
    /// compaction has to come first.
    pub fn make_room(&mut self, core: &Core, most: usize, bytes: usize) -> bool {
        // What FLUSHALL buried is memory too: it goes first, a bounded step at a time.
        for _ in 0..BURIED_STEPS_MAX {
            if !self.account.over() {
                return true;
            }
            if !self.store.has_buried() {
                break;
            }
            self.store.free_step(BURIED_PER_STEP);
            self.refresh_used();
        }
        if self.memory.eviction.policy == Policy::NoEviction {
            return !self.account.over();
        }
        let enough = self.store.live_bytes().saturating_sub(bytes);
        for _ in 0..most {
            let waits = self.store.is_fragmented() && self.store.live_bytes() <= enough;
            if !self.account.over() || waits {
                return true;
            }
            self.account.can_evict = self.store.evict_step(core.now) != Evicted::Nothing;
            if !self.account.can_evict {
                return false;
            }
            self.work += EVICTION_WORK;
            self.refresh_used();
        }
        true
    }

    /// Tells the account what is used now. O(1).
    #[inline]
    pub fn refresh_used(&mut self) {
        let keyspace = self.store.used_bytes() as u64;
        let Account { outside_bytes, plumbing_bytes, .. } = self.account;
        self.account.set_used(keyspace + outside_bytes + plumbing_bytes + ENGINE_BYTES);
    }
}

/// Runs a command on a keyspace, appends its reply, and tells which of the candidates it has written to.
fn run_noting(
    store: &mut Store,
    wait: &mut Option<Box<Wait>>,
    core: &mut Core,
    call: Call,
    args: &Args<'_>,
    reply: Sink<'_>,
    candidates: Vec<DbKey>,
) -> (Verdict, Vec<DbKey>) {
    let (hasher, now) = (core.hasher, core.now);
    let before = feed::look(store, hasher, candidates, now);
    let changes = store.changes();
    let verdict = run(store, wait, core, call, args, reply);
    let made = store.changes().wrapping_sub(changes);
    if made == 0 && (verdict.failed || call.spec.writes != Writes::Always) {
        return (verdict, Vec::new());
    }
    (verdict, feed::written(store, hasher, call.spec, args, before, made, now))
}

/// Runs a command on a keyspace and appends its reply.
#[inline]
fn run(
    store: &mut Store,
    wait: &mut Option<Box<Wait>>,
    core: &mut Core,
    call: Call,
    args: &Args<'_>,
    mut reply: Sink<'_>,
) -> Verdict {
    let protocol = protocol_of(call);
    let fast = call.spec.flags.has(Flags::FAST);
    let measured = !fast || core.samples_fast();
    let before = if measured { (core.ticks)() } else { 0 };
    let start = reply.len();
    store.set_touch(!call.flags.no_touch);
    let mut ctx = Ctx {
        store,
        db: call.db,
        now: core.now,
        settings: &core.settings,
        reply: Writer::to(reply.reborrow(), protocol),
        scripted: call.flags.scripted,
        wait: None,
    };
    let mut verdict = Verdict::default();
    let begin = ctx.reply.position();
    if let Err(failure) = (call.run)(&mut ctx, args) {
        ctx.reply.truncate(begin);
        ctx.reply.error(&*failure.0);
        verdict.failed = true;
    }
    if ctx.wait.is_some() {
        *wait = ctx.wait.take();
    }
    if measured {
        verdict.ticks = (core.ticks)().wrapping_sub(before).max(1);
        verdict.slow = verdict.ticks >= core.slow_ticks;
        verdict.weight = if fast { core.fast_sample } else { 1 };
    }
    let bytes = (reply.len() - start).max(args.extent()) as u64;
    verdict.slow |= bytes >= core.large_bytes;
    verdict
}

fn protocol_of(call: Call) -> Protocol {
    if call.flags.resp3 { Protocol::Resp3 } else { Protocol::Resp2 }
}
