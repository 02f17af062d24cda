//! Scripts: where one runs, what it may call, and how an attempt is undone that needed more keys than it had.
//!
//! A script whose keys have one owner runs there, on the owner's keyspace, like any job. If it touches a key that is not there, or
//! that somebody has locked, the attempt is undone and the script runs again as a transaction: its keys and those that it has touched
//! are lent to the core of its session. There it may find that it needs still others; each attempt goes on until its end, to learn of
//! as many as it can, is undone, and the next begins with all of them. After some attempts every core is locked as a whole, and further keys come
//! while the script runs (`exclusive.rs`).

use super::busy::BETWEEN_US;
use super::locks::{Wanted, lock_id};
use crate::commands::query::{self, Query};
use crate::commands::{Desk, Next};
use crate::core::Core;
use crate::dispatch::Flow;
use crate::engine::Engine;
use crate::event::Peer;
use crate::message::JobFlags;
use crate::scripts::Running;
use crate::session::Session;
use crate::session::client::Stall;
use crate::session::plan::{Plan, Planned};
use crate::shard::execute::{Call, Verdict};
use crate::shard::feed::DbKey;
use crate::spread::joined;
use crate::table::{Entry, Home};
use base::{ConnId, CoreId, Slot};
use command::{Args, Failure, Fanout, Flags, KeySpec, Spec};
use resp::Sink;
use resp::parse::Span;
use resp::write::{Protocol, Writer};
use script::{Abandon, Ended, Host, Interpreter, LogLevel, Sha, Stop, texts};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{Parcel, Store};

/// A value up to this size is copied before a script that may have to be undone writes to it.
const PREIMAGE_BYTES_MAX: usize = 64 * 1024;

/// Copies of one attempt together; one that would need more has everything locked instead, and is not undone.
const PREIMAGES_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Commands that an attempt goes on with to learn what else it needs.
const SCOUTED_CALLS_MAX: usize = 10_000;

/// Digits of a script's name.
const SHA_DIGITS: usize = 40;

/// A key that a script has touched, and whether it may be written.
pub type Touched = BTreeMap<DbKey, bool>;

/// What came of an attempt.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// It has ended; this is how.
    Ended(Verdict),
    /// It was undone: it needs these keys too, or everything.
    Strays(Touched, bool),
}

/// On what a script works.
#[derive(Debug)]
pub(crate) enum Scope {
    /// On this core's keyspace. It may touch what is this core's and is not locked.
    Own,
    /// On what was lent to this core: these keys; and those of them that it has touched.
    Guests(Touched, BTreeSet<DbKey>),
    /// On everything: all cores are locked, and keys come as they are touched.
    All(super::exclusive::Errands),
}

/// What a run was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    /// The command.
    pub id: u16,
    /// The database.
    pub db: u8,
    /// What else the client brings.
    pub flags: JobFlags,
}

/// The engine as a script sees it.
struct Stage<'e> {
    engine: &'e mut Engine,
    order: Order,
    scope: &'e mut Scope,
    db: u8,
    /// Writes are refused.
    reads_only: bool,
    /// Writes that need memory are refused.
    oom: bool,
    /// Whether there is anything that could make the attempt be undone.
    undoable: bool,
    preimages: BTreeMap<DbKey, Option<Parcel>>,
    preimages_bytes: usize,
    missing: Touched,
    needs_all: bool,
    calls: usize,
    /// Something was written.
    wrote: bool,
    /// From when on others are answered beside it, in ticks.
    breathes_at: u64,
    /// Somebody has killed it.
    killed: bool,
    /// What it is called, the words that brought it, and whether it is a function.
    named: &'e Named,
    words: &'e Args<'e>,
    /// For commands of the session, where a script may call them.
    session: Option<Box<Session>>,
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl Engine {
    /// Runs a script; `args` are those of its command. What it has written is undone if it strays.
    pub(crate) fn run_script(
        &mut self,
        order: Order,
        scope: &mut Scope,
        args: &Args<'_>,
        mut sink: Sink<'_>,
    ) -> Attempt {
        let before = (self.core.ticks)();
        let mut reply = Vec::new();
        let outcome = self.script_attempt(order, scope, args, &mut reply);
        let (failed, strays) = match outcome {
            Ok(attempt) => attempt,
            Err(failure) => {
                Writer::new(&mut reply, Protocol::Resp2).error(&*failure.0);
                (true, None)
            }
        };
        if let Some((missing, all)) = strays {
            return Attempt::Strays(missing, all);
        }
        sink.append(&reply);
        let ticks = (self.core.ticks)().wrapping_sub(before).max(1);
        let slow = ticks >= self.core.slow_ticks;
        Attempt::Ended(Verdict { failed, slow, ticks, weight: 1, ..Verdict::default() })
    }

    /// A script of a session: it is installed on all cores if it is new, and runs where its keys are.
    #[cold]
    pub(crate) fn begin_script(
        &mut self,
        conn: ConnId,
        id: u16,
        planned: Planned,
        args: &Args<'_>,
    ) -> Flow {
        match self.core.new_source(id, args) {
            Err(failure) => return self.fail(conn, id, args, &failure),
            Ok(None) => {}
            Ok(Some(source)) => {
                self.ask(conn, Query::InstallScript { source });
                if self.wait_if_stalled(conn) != Flow::Next {
                    // It begins again when all cores have it.
                    return Flow::Wait;
                }
            }
        }
        let named = match self.core.named_with_keys(id, args) {
            Ok((named, _)) => named,
            Err(failure) => return self.fail(conn, id, args, &failure),
        };
        let mut planned = planned;
        let mut wider = (Touched::new(), false);
        if !self.core.scripts.learnt.is_empty() {
            (planned.plan, wider) = self.widened(conn, &named, planned.plan, args);
        }
        match planned.plan {
            Plan::Here => self.script_here(conn, id, planned, args),
            Plan::One(core) => {
                let flow = self.run_there(conn, core, id, planned, args);
                if flow != Flow::Next {
                    return flow;
                }
                self.stall(conn, Stall::Blocked);
                Flow::WaitAfter
            }
            _ => {
                let Some(session) = self.sessions.get(conn) else { return Flow::WaitAfter };
                let place = session.reserve(false);
                self.stall(conn, Stall::Blocked);
                self.script_transaction(conn, place, id, args, wider);
                self.wait_if_stalled(conn)
            }
        }
    }

    /// Where a script begins that is known to touch more than it declares, and with what.
    #[cold]
    fn widened(
        &mut self,
        conn: ConnId,
        named: &Named,
        plan: Plan,
        args: &Args<'_>,
    ) -> (Plan, (Touched, bool)) {
        let db = self.sessions.get(conn).map_or(0, |session| session.db);
        let Some((keys, all)) = self.core.scripts.learnt.expect(named, db, args) else {
            return (plan, (Touched::new(), false));
        };
        let declares = args.integer(2) != Some(0);
        let declared = match plan {
            Plan::Here if declares => Some(self.core.id),
            Plan::One(core) if declares => Some(core),
            _ => None,
        };
        let owners = keys.keys().map(|(_, key)| self.core.route.owner(Slot::of_key(key)));
        let owners: BTreeSet<CoreId> = owners.chain(declared).collect();
        let plan = match owners.first() {
            _ if all || plan == Plan::Many || owners.len() > 1 => Plan::Many,
            Some(core) if *core != self.core.id => Plan::One(*core),
            // What is ours goes by mail where the plan says so.
            _ => plan,
        };
        (plan, (keys, all))
    }

    /// Remembers what a script has turned out to need.
    pub(crate) fn learn_from(
        &mut self,
        id: u16,
        db: u8,
        args: &Args<'_>,
        strays: (&Touched, bool),
    ) {
        if let Ok(named) = self.core.named_script(id, args) {
            self.core.scripts.learnt.learn(named, db, args, strays);
        }
    }

    fn script_here(&mut self, conn: ConnId, id: u16, planned: Planned, args: &Args<'_>) -> Flow {
        if let Some(flow) = self.park_if_locked(conn, id, planned, args) {
            return flow;
        }
        let Some(session) = self.sessions.get(conn) else { return Flow::WaitAfter };
        let (db, flags) = (session.db, session.job_flags());
        self.core.counters.local_jobs += 1;
        let order = Order { id, db, flags };
        let mut reply = Vec::new();
        match self.run_script(order, &mut Scope::Own, args, Sink::plain(&mut reply)) {
            Attempt::Ended(verdict) => {
                self.note(conn, id, verdict, args, &reply);
                self.reply_to(conn, resp::Reply::Whole(&reply));
                self.heed();
                Flow::Next
            }
            Attempt::Strays(keys, all) => {
                self.core.counters.scripts_undone += 1;
                self.learn_from(id, db, args, (&keys, all));
                let Some(session) = self.sessions.get(conn) else { return Flow::WaitAfter };
                let place = session.reserve(false);
                self.stall(conn, Stall::Blocked);
                self.script_transaction(conn, place, id, args, (keys, all));
                self.wait_if_stalled(conn)
            }
        }
    }

    #[allow(clippy::type_complexity, reason = "taken apart at once by its only caller")]
    fn script_attempt(
        &mut self,
        order: Order,
        scope: &mut Scope,
        args: &Args<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<(bool, Option<(Touched, bool)>), Failure> {
        let flags = self.core.table.entry(order.id).spec.flags;
        let (named, (keys, argv)) = self.core.named_with_keys(order.id, args)?;
        let promises = self.core.promises(&named)?;
        let reads_only = promises.reads_only || flags.has(Flags::READONLY);
        if flags.has(Flags::READONLY) && promises.declared && !promises.reads_only {
            return Err(Failure::text(texts::WRITER_BY_RO));
        }
        let oom = !promises.allows_oom && self.shard.refuses(&mut self.core, Flags::DENYOOM, 0);
        if oom && promises.declared && !reads_only {
            return Err(Failure::OOM);
        }
        let breathes_at = match self.core.settings.int(base::settings::BUSY_REPLY_THRESHOLD) {
            0 => u64::MAX,
            busy_ms => {
                let ticks = busy_ms.saturating_mul(1000) as f64 * self.core.ticks_per_us;
                (self.core.ticks)().saturating_add(ticks as u64)
            }
        };
        let interpreter = self.core.scripts.take();
        let protocol = if order.flags.resp3 { Protocol::Resp3 } else { Protocol::Resp2 };
        let call = script::Call { keys: &keys, args: &argv, seed: 0, protocol };
        let undoable = self.core.route.cores() > 1 && !matches!(scope, Scope::All(_));
        let (feed, lines) = (self.shard.feed.touched.len(), self.core.clients.lines.len());
        let mut stage = Stage {
            db: order.db,
            engine: self,
            order,
            scope,
            reads_only,
            oom,
            undoable,
            preimages: BTreeMap::new(),
            preimages_bytes: 0,
            missing: Touched::new(),
            needs_all: false,
            calls: 0,
            wrote: false,
            breathes_at,
            killed: false,
            named: &named,
            words: args,
            session: None,
            bytes: Vec::new(),
            spans: Vec::new(),
        };
        let start = reply.len();
        let ended = run_named(&interpreter, &named, &call, &mut stage, reply);
        let strayed = !stage.killed && (!stage.missing.is_empty() || stage.needs_all);
        let preimages = std::mem::take(&mut stage.preimages);
        let strays = strayed.then(|| (std::mem::take(&mut stage.missing), stage.needs_all));
        self.core.scripts.put_back(interpreter);
        self.end_busy(matches!(scope, Scope::All(_)));
        if strays.is_some() {
            reply.truncate(start);
            self.undo(scope, preimages);
            self.shard.feed.touched.truncate(feed);
            self.core.clients.lines.truncate(lines);
        }
        let Some(ended) = ended else { return Err(Failure::text(texts::NO_SCRIPT)) };
        Ok((ended != Ended::Returned, strays))
    }

    /// Puts back what an attempt has written to.
    fn undo(&mut self, scope: &Scope, preimages: BTreeMap<DbKey, Option<Parcel>>) {
        let (now, hasher) = (self.core.now, self.core.hasher);
        let stays = matches!(scope, Scope::Own) && self.core.mistakes.attempts_stay();
        let store = match scope {
            Scope::Own => &mut self.shard.store,
            _ => {
                self.shard.guest_touched.truncate(0);
                self.shard.guest_stirred.clear();
                self.shard.guest(&self.core)
            }
        };
        for ((db, key), parcel) in preimages.into_iter().filter(|_| !stays) {
            let key = hasher.key(&key);
            drop(store.db(db).take(&key, now));
            if let Some(parcel) = parcel {
                store.db(db).put(&key, parcel, now);
            }
        }
    }
}

/// A script or function by its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Named {
    Script(Sha),
    Function(Vec<u8>),
}

impl Named {
    /// As FUNCTION STATS calls it.
    fn text(&self) -> Vec<u8> {
        match self {
            Named::Script(sha) => sha.hex().to_vec(),
            Named::Function(name) => name.clone(),
        }
    }
}

/// What a script promises.
struct Promises {
    declared: bool,
    reads_only: bool,
    allows_oom: bool,
}

fn run_named(
    interpreter: &Interpreter,
    named: &Named,
    call: &script::Call<'_>,
    host: &mut dyn Host,
    reply: &mut Vec<u8>,
) -> Option<Ended> {
    match named {
        Named::Script(sha) => interpreter.run(sha, call, host, reply),
        Named::Function(name) => interpreter.call(name, call, host, reply),
    }
}

/// `KEYS` and `ARGV`.
type KeysAndArgs<'a> = (Vec<&'a [u8]>, Vec<&'a [u8]>);

/// `KEYS` and `ARGV`, or why there are none; `no_number` where their count is no number.
fn keys_and_args<'a>(args: &Args<'a>, no_number: Failure) -> Result<KeysAndArgs<'a>, Failure> {
    let count = args.integer(2).ok_or(no_number)?;
    if count > args.len() as i64 - 3 {
        return Err(Failure::text(texts::TOO_MANY_KEYS));
    }
    let count = usize::try_from(count).map_err(|_| Failure::text(texts::NEGATIVE_KEYS))?;
    Ok((args.from(3).take(count).collect(), args.from(3 + count).collect()))
}

impl Core {
    /// The source that an EVAL brings, if this core, and so perhaps others, has it not yet; the errors come in the order in which Redis
    /// looks.
    pub(super) fn new_source(
        &mut self,
        id: u16,
        args: &Args<'_>,
    ) -> Result<Option<Vec<u8>>, Failure> {
        if !matches!(self.table.entry(id).spec.name, "EVAL" | "EVAL_RO") {
            return Ok(None);
        }
        keys_and_args(args, Failure::NOT_INTEGER)?;
        let source = args.get(1);
        let sha = self.scripts.sha_of(source);
        if self.scripts.interpreter().exists(&sha) {
            return Ok(None);
        }
        self.scripts.interpreter().check(source).map_err(Failure::text)?;
        Ok(Some(source.to_vec()))
    }

    /// What a command runs, and with what; the errors come in the order in which Redis looks.
    fn named_with_keys<'a>(
        &mut self,
        id: u16,
        args: &Args<'a>,
    ) -> Result<(Named, KeysAndArgs<'a>), Failure> {
        let name = self.table.entry(id).spec.name;
        if name.starts_with("FCALL") {
            let named = self.named_script(id, args)?;
            let keys = keys_and_args(args, Failure::new(texts::BAD_KEY_COUNT))?;
            return Ok((named, keys));
        }
        if name.starts_with("EVALSHA") && args.get(1).len() != SHA_DIGITS {
            return Err(Failure::text(texts::NO_SCRIPT));
        }
        let keys = keys_and_args(args, Failure::NOT_INTEGER)?;
        Ok((self.named_script(id, args)?, keys))
    }

    /// The script that a command names; an EVAL's is compiled and kept if it is new.
    pub(crate) fn named_script(&mut self, id: u16, args: &Args<'_>) -> Result<Named, Failure> {
        let name = args.get(1);
        match self.table.entry(id).spec.name {
            "EVAL" | "EVAL_RO" => {
                self.scripts.install(name).map(Named::Script).map_err(Failure::text)
            }
            "EVALSHA" | "EVALSHA_RO" => {
                let sha = Sha::parse(name).filter(|sha| self.scripts.interpreter().exists(sha));
                sha.map(Named::Script).ok_or(Failure::text(texts::NO_SCRIPT))
            }
            _ => match self.scripts.interpreter().function(name) {
                Some(_) => Ok(Named::Function(name.to_vec())),
                None => Err(Failure::text(texts::NO_FUNCTION)),
            },
        }
    }

    fn promises(&mut self, named: &Named) -> Result<Promises, Failure> {
        let interpreter = self.scripts.interpreter();
        Ok(match named {
            Named::Script(sha) => {
                let flags = interpreter.flags(sha).ok_or(Failure::text(texts::NO_SCRIPT))?;
                Promises {
                    declared: flags.declared,
                    reads_only: flags.has(script::Flags::NO_WRITES),
                    allows_oom: flags.has(script::Flags::ALLOW_OOM),
                }
            }
            Named::Function(name) => {
                let function =
                    interpreter.function(name).ok_or(Failure::text(texts::NO_FUNCTION))?;
                Promises {
                    declared: true,
                    reads_only: function.flags.has(script::Flags::NO_WRITES),
                    allows_oom: function.flags.has(script::Flags::ALLOW_OOM),
                }
            }
        })
    }
}

impl Stage<'_> {
    /// Why a command is refused before it is looked where it runs.
    fn refusal(&mut self, entry: &Entry) -> Option<&'static str> {
        let flags = entry.spec.flags;
        if flags.has(Flags::NOSCRIPT) {
            return Some(texts::NOT_ALLOWED);
        }
        // PFCOUNT reads, and may write to what its key holds all the same.
        let rewrites = entry.spec.keys.iter().any(|keys| keys.flags.first() == Some(&"RW"));
        let writes = flags.has(Flags::WRITE) || flags.has(Flags::MAY_REPLICATE) || rewrites;
        if writes && self.reads_only {
            return Some(texts::WRITE_IN_RO);
        }
        if flags.has(Flags::DENYOOM) && self.oom && !self.wrote {
            return Some("OOM command not allowed when used memory > 'maxmemory'.");
        }
        None
    }

    /// All keys that a command touches, and whether each may be written; none where it concerns all keys there are.
    fn keys_of(&mut self, entry: &Entry, args: &Args<'_>) -> Option<Vec<(DbKey, bool)>> {
        let spec = entry.spec;
        let several = self.engine.core.route.cores() > 1;
        let wide = matches!(spec.fanout, Fanout::All(_) | Fanout::RandomCore | Fanout::Cursor);
        if wide && (several || matches!(self.scope, Scope::All(_))) {
            return None;
        }
        let is_written = |keys: &KeySpec| keys.flags.first() != Some(&"RO");
        let hidden = spec.flags.has(Flags::WRITE) && !spec.keys.iter().any(is_written);
        let mut found = Vec::new();
        let mut positions = Vec::new();
        let other = spec.other_db.and_then(|other| other(args));
        let databases = self.engine.shard.store.databases();
        let other = other.filter(|other| *other != self.db && usize::from(*other) < databases);
        for keys in spec.keys {
            positions.clear();
            keys.positions(args, &mut positions);
            for position in &positions {
                let key: Box<[u8]> = args.get(*position as usize).into();
                found.extend(other.map(|other| ((other, key.clone()), true)));
                found.push(((self.db, key), is_written(keys) || hidden));
            }
        }
        Some(found)
    }

    /// Whether the script has this key.
    fn has(&self, key: &DbKey, writes: bool) -> bool {
        match &self.scope {
            Scope::Own => {
                let Engine { core, locks, held, .. } = &*self.engine;
                let id = lock_id(key.0, core.hasher.hash(&key.1));
                let free = locks.is_idle() || held.contains(&id);
                core.route.owner(Slot::of_key(&key.1)) == core.id
                    && (free || !locks.must_wait(&Wanted::Keys(vec![id])))
            }
            Scope::Guests(keys, _) => keys.get(key).is_some_and(|lent| *lent || !writes),
            Scope::All(_) => true,
        }
    }

    fn store(&mut self) -> &mut Store {
        match self.scope {
            Scope::Own => &mut self.engine.shard.store,
            _ => self.engine.shard.guest(&self.engine.core),
        }
    }

    /// Keeps what keys were before they are written to. False when one is too large for that, or all are.
    fn keep_preimages(&mut self, keys: &[(DbKey, bool)]) -> bool {
        if !self.undoable {
            return true;
        }
        let (hasher, now) = (self.engine.core.hasher, self.engine.core.now);
        for (key, _) in keys.iter().filter(|(_, writes)| *writes) {
            if self.preimages.contains_key(key) {
                continue;
            }
            let name = hasher.key(&key.1);
            let full = self.preimages_bytes > PREIMAGES_BYTES_MAX;
            let mut db = self.store().db(key.0);
            let bytes = db.value_bytes(&name, now).unwrap_or(0);
            if full || bytes > PREIMAGE_BYTES_MAX {
                return false;
            }
            let parcel = db.copy_as_is(&name, now);
            self.preimages_bytes += bytes + key.1.len() + size_of::<(DbKey, Option<Parcel>)>();
            self.preimages.insert(key.clone(), parcel);
        }
        true
    }

    /// Looks whether an attempt has the keys of a command, and may write to them; `Err` when it cannot go on.
    fn need(
        &mut self,
        spec: &Spec,
        args: &Args<'_>,
        keys: Option<&[(DbKey, bool)]>,
    ) -> Result<(), Abandon> {
        let derives = spec.derived.is_some_and(|derived| (derived.any)(args));
        let several = self.engine.core.route.cores() > 1;
        let Some(keys) = keys.filter(|_| !(derives && several)) else {
            self.needs_all = true;
            return Err(Abandon);
        };
        let missing: Vec<_> =
            keys.iter().filter(|(key, writes)| !self.has(key, *writes)).cloned().collect();
        for (key, writes) in &missing {
            *self.missing.entry(key.clone()).or_default() |= writes;
        }
        if let Scope::Guests(_, used) = &mut *self.scope
            && !self.engine.core.scripts.learnt.is_empty()
        {
            used.extend(keys.iter().map(|(key, _)| key.clone()));
        }
        let scouts = matches!(self.scope, Scope::Guests(..));
        if !missing.is_empty() && !scouts {
            return Err(Abandon);
        }
        self.calls += 1;
        if !self.missing.is_empty() && self.calls > SCOUTED_CALLS_MAX {
            return Err(Abandon);
        }
        if spec.flags.has(Flags::WRITE) && !self.keep_preimages(keys) {
            self.needs_all = true;
            return Err(Abandon);
        }
        Ok(())
    }

    /// Runs a data command; `Err` when the attempt cannot go on.
    fn run_data(
        &mut self,
        id: u16,
        args: &Args<'_>,
        protocol: Protocol,
        reply: &mut Vec<u8>,
    ) -> Result<(), Abandon> {
        let table = self.engine.core.table.clone();
        let entry = table.entry(id);
        let Home::Data(run) = entry.home else { unreachable!("looked at by the caller") };
        let spec = entry.spec;
        let keys = self.keys_of(entry, args);
        if let Scope::All(errands) = &mut *self.scope {
            self.engine.bring(errands, spec, self.db, args, keys.as_deref());
            if keys.is_none() {
                let flags = JobFlags { resp3: protocol == Protocol::Resp3, ..JobFlags::default() };
                self.engine.everywhere(id, self.db, flags, args, reply);
                return Ok(());
            }
        } else {
            self.need(spec, args, keys.as_deref())?;
        }
        self.wrote |= spec.flags.has(Flags::WRITE);
        let mut call = Call { spec, run, db: self.db, flags: self.order.flags };
        (call.flags.resp3, call.flags.scripted) = (protocol == Protocol::Resp3, true);
        let start = reply.len();
        let Engine { core, shard, .. } = &mut *self.engine;
        let verdict = match self.scope {
            Scope::Own => shard.execute_admitted(core, call, args, Sink::plain(reply)),
            _ => shard.run_as_guest(core, call, args, Sink::plain(reply)),
        };
        core.account(id, verdict.ticks, verdict.weight);
        if verdict.failed {
            core.commands[id as usize].failed += 1;
        }
        let waits = shard.wait.take().is_some();
        if waits && spec.group == command::Group::Stream {
            reply.truncate(start);
            let after = b" command is not allowed with BLOCK option from scripts";
            let text = [b"ERR ", args.get(0), after].concat();
            Writer::new(reply, Protocol::Resp2).error(&text);
        }
        Ok(())
    }

    /// Runs a command of the session or the server, as far as it is done at once.
    fn run_at_session(
        &mut self,
        id: u16,
        args: &Args<'_>,
        protocol: Protocol,
        reply: &mut Vec<u8>,
    ) -> Result<(), Abandon> {
        let Home::Engine(run) = self.engine.core.table.entry(id).home else {
            unreachable!("looked at by the caller")
        };
        let now = self.engine.core.now;
        let session = self.session.get_or_insert_with(|| {
            Box::new(Session::new(ConnId::NONE, Peer::nameless(0), now, true))
        });
        (session.db, session.protocol) = (self.db, protocol);
        let start = reply.len();
        let writer = Writer::new(reply, protocol);
        let mut desk = Desk { session, core: &mut self.engine.core, reply: writer };
        let result = run(&mut desk, args);
        self.db = session.db;
        match result {
            Ok(Next::Done) => {}
            Ok(Next::Ask(query)) => return self.ask_all(query, protocol, reply),
            Ok(_) => {
                reply.truncate(start);
                Writer::new(reply, Protocol::Resp2).error(texts::NOT_ALLOWED);
            }
            Err(failure) => {
                reply.truncate(start);
                Writer::new(reply, Protocol::Resp2).error(&*failure.0);
            }
        }
        Ok(())
    }

    /// A question to all cores, which answer at once: it needs all of them locked.
    fn ask_all(
        &mut self,
        query: Query,
        protocol: Protocol,
        reply: &mut Vec<u8>,
    ) -> Result<(), Abandon> {
        match &mut *self.scope {
            Scope::All(errands) => self.engine.send_home(errands),
            _ if self.engine.core.route.cores() == 1 => {}
            _ => {
                self.needs_all = true;
                return Err(Abandon);
            }
        }
        let query = Arc::new(query);
        let answers = self.engine.ask_locked(&query);
        let session = self.session.as_mut().expect("the command that asks has run in it");
        let writer = Writer::new(reply, protocol);
        let mut desk = Desk { session, core: &mut self.engine.core, reply: writer };
        query::merge(&query, answers, &mut desk);
        Ok(())
    }

    fn run_call(
        &mut self,
        args: &Args<'_>,
        protocol: Protocol,
        reply: &mut Vec<u8>,
    ) -> Result<(), Abandon> {
        let mut error = |text: &[u8]| Writer::new(reply, Protocol::Resp2).error(text);
        let table = self.engine.core.table.clone();
        let entry = match self.engine.core.resolve(args) {
            Ok(entry) => table.entry(entry.id),
            Err((_, known)) => {
                let text = known.map_or(texts::UNKNOWN_COMMAND, |_| texts::WRONG_ARITY);
                error(text.as_bytes());
                return Ok(());
            }
        };
        if let Some(text) = self.refusal(entry) {
            error(text.as_bytes());
            return Ok(());
        }
        if self.engine.core.watched {
            self.engine.core.show((self.db, "lua"), entry.id, args);
        }
        match entry.home {
            Home::Data(_) => self.run_data(entry.id, args, protocol, reply),
            Home::Engine(_) => self.run_at_session(entry.id, args, protocol, reply),
        }
    }
}

impl Host for Stage<'_> {
    fn call(
        &mut self,
        args: &[&[u8]],
        protocol: Protocol,
        reply: &mut Vec<u8>,
    ) -> Result<(), Abandon> {
        let (mut bytes, mut spans) =
            (std::mem::take(&mut self.bytes), std::mem::take(&mut self.spans));
        bytes.clear();
        spans.clear();
        for arg in args {
            spans.push(Span { start: bytes.len() as u32, len: arg.len() as u32 });
            bytes.extend_from_slice(arg);
        }
        let args = Args::new(&bytes, &spans, self.engine.core.hasher);
        let result = self.run_call(&args, protocol, reply);
        (self.bytes, self.spans) = (bytes, spans);
        result
    }

    fn breathe(&mut self) -> Result<(), Stop> {
        if (self.engine.core.ticks)() < self.breathes_at {
            return Ok(());
        }
        let ticks_per_us = self.engine.core.ticks_per_us;
        let running = Running {
            name: self.named.text(),
            words: self.words.from(0).map(Box::from).collect(),
            since_us: self.engine.core.now.mono_us,
            has_written: self.wrote,
            is_function: matches!(self.named, Named::Function(_)),
            kill_requested: false,
        };
        let holds_all = matches!(self.scope, Scope::All(_));
        let goes_on = self.engine.turn_beside(running, holds_all);
        let pause = (BETWEEN_US as f64 * ticks_per_us) as u64;
        self.breathes_at = (self.engine.core.ticks)().saturating_add(pause);
        self.killed = !goes_on;
        if goes_on { Ok(()) } else { Err(Stop::Kill) }
    }

    fn log(&mut self, level: LogLevel, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        match level {
            LogLevel::Debug => tracing::debug!("script: {text}"),
            LogLevel::Verbose | LogLevel::Notice => tracing::info!("script: {text}"),
            LogLevel::Warning => tracing::warn!("script: {text}"),
        }
    }

    fn may_run(&mut self, args: &[&[u8]]) -> Option<bool> {
        let (bytes, spans) = joined(args.iter().copied());
        let args = Args::new(&bytes, &spans, self.engine.core.hasher);
        self.engine.core.resolve(&args).ok().map(|_| true)
    }

    fn clock(&mut self) -> f64 {
        self.engine.core.now.mono_us as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use crate::check::World;

    #[test]
    fn a_script_runs_where_its_keys_are_wherever_they_are() {
        for cores in [1, 2, 3] {
            let mut world = World::new(cores);
            let one = world.open(0);
            assert_eq!(world.eval(one, "return {1, 'a', ARGV[1]}", &["0", "x"]), "[1 a x]");
            for key in ["a", "b", "c", "d"] {
                let source =
                    "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])";
                assert_eq!(world.eval(one, source, &["1", key, "v"]), "v");
                assert_eq!(world.ask(one, &format!("GET {key}")), "v");
            }
            let source = "local sum = 0 for i, key in ipairs(KEYS) do sum = sum + redis.call('INCR', key) end return sum";
            assert_eq!(world.eval(one, source, &["4", "n1", "n2", "n3", "n4"]), "4");
            assert_eq!(world.ask(one, "MGET n1 n2 n3 n4"), "[1 1 1 1]");
            assert!((0..cores).all(|core| world.census(core).locks == 0));
        }
    }

    #[test]
    fn on_one_core_a_new_script_is_not_behind_clients_that_the_same_pipeline_woke() {
        let mut world = World::new(1);
        let (one, two) = (world.open(0), world.open(0));
        world.feed(two, b"BLPOP q 0\r\nINCR n\r\nINCR n\r\n");
        let scripts = "*3\r\n$4\r\nEVAL\r\n$38\r\nreturn redis.call('RPUSH','q','x')  --\r\n$1\r\n0\r\n\
                       MULTI\r\n*3\r\n$4\r\nEVAL\r\n$30\r\nreturn redis.call('INCR', 'n')\r\n$1\r\n0\r\nEXEC\r\n\
                       *3\r\n$4\r\nEVAL\r\n$30\r\nreturn redis.call('incr', 'n')\r\n$1\r\n0\r\n";
        let got = String::from_utf8(world.feed(one, scripts.as_bytes())).expect("text");
        assert_eq!(got, ":1\r\n+OK\r\n+QUEUED\r\n*1\r\n:1\r\n:2\r\n");
        let got = String::from_utf8(world.take(two)).expect("text");
        assert_eq!(got, "*2\r\n$1\r\nq\r\n$1\r\nx\r\n:3\r\n:4\r\n");
    }

    #[test]
    fn a_set_that_a_script_reads_unsorted_comes_in_one_order() {
        for cores in [1, 2, 3] {
            let mut world = World::new(cores);
            let one = world.open(0);
            world.ask(one, "SADD s 10 9 1 -2");
            for name in ["SORT", "SORT_RO"] {
                let source = format!("return redis.call('{name}', KEYS[1], 'BY', 'nosort')");
                assert_eq!(world.eval(one, &source, &["1", "s"]), "[-2 1 10 9]");
                assert_eq!(world.ask(one, &format!("{name} s BY nosort")), "[-2 1 9 10]");
            }
        }
    }

    #[test]
    fn script_debug_is_not_taken_behind_other_requests() {
        let mut world = World::new(1);
        let one = world.open(0);
        assert_eq!(world.ask(one, "SCRIPT DEBUG NO"), "OK");
        let late = "ERR SCRIPT DEBUG must be called outside a pipeline";
        let got = world.feed(one, b"PING\r\nSCRIPT DEBUG NO\r\n");
        assert_eq!(String::from_utf8(got).expect("text"), format!("+PONG\r\n-{late}\r\n"));
        world.ask(one, "MULTI");
        world.ask(one, "SCRIPT DEBUG NO");
        assert_eq!(world.ask(one, "EXEC"), format!("[(err) {late}]"));
    }

    #[test]
    fn undeclared_keys_work_and_an_attempt_that_lacked_them_leaves_nothing() {
        for cores in [1, 2, 3] {
            let mut world = World::new(cores);
            let one = world.open(0);
            let source = "redis.call('INCR', 'count') local id = redis.call('INCR', KEYS[1]) \
                          for i = 1, 20 do redis.call('SADD', 'set:' .. i, id) end \
                          redis.call('RENAME', 'set:1', 'first') return id";
            assert_eq!(world.eval(one, source, &["1", "k"]), "1");
            assert_eq!(world.eval(one, source, &["1", "k"]), "2");
            assert_eq!(world.ask(one, "MGET count k"), "[2 2]");
            assert_eq!(world.ask(one, "SMEMBERS first"), "[2]");
            assert_eq!(world.ask(one, "SCARD set:7"), "2");
            // Keys whose names depend on what others hold.
            for step in 0..12 {
                world.ask(one, &format!("SET link:{step} link:{}", step + 1));
            }
            let source = "local key = 'link:0' local n = 0 while true do local next = redis.call('GET', key) \
                          if not next then break end redis.call('APPEND', 'trace', n) key = next n = n + 1 end return n";
            assert_eq!(world.eval(one, source, &["0"]), "12");
            assert_eq!(world.ask(one, "GET trace"), "01234567891011");
            assert!((0..cores).all(|core| world.census(core).locks == 0));
        }
    }

    #[test]
    fn a_script_may_ask_for_all_keys_and_change_all_of_them() {
        for cores in [1, 2, 3] {
            let mut world = World::new(cores);
            let one = world.open(0);
            world.ask(one, "MSET a 1 b 2 c 3 d 4");
            let source = "redis.call('SET', 'e', '5') local keys = redis.call('KEYS', '*') local n = redis.call('DBSIZE') \
                          for i, key in ipairs(keys) do redis.call('DEL', key) end \
                          return {#keys, n, redis.call('DBSIZE')}";
            assert_eq!(world.eval(one, source, &["0"]), "[5 5 0]");
            assert_eq!(world.ask(one, "DBSIZE"), "0");
            let source = "redis.call('RPUSH', 'l', 'a', 'b') redis.call('SET', 'w_a', 2) redis.call('SET', 'w_b', 1) \
                          return redis.call('SORT', 'l', 'BY', 'w_*')";
            assert_eq!(world.eval(one, source, &["0"]), "[b a]");
            let source =
                "redis.call('FLUSHALL') redis.call('SET', 'x', 1) return redis.call('DBSIZE')";
            assert_eq!(world.eval(one, source, &["0"]), "1");
            for command in ["MULTI", "SET y 1", "DBSIZE", "FLUSHDB", "SET z 1", "KEYS *", "EXEC"] {
                let reply = world.ask(one, command);
                if command == "EXEC" {
                    assert_eq!(reply, "[OK 2 OK OK [z]]", "{cores}");
                }
            }
            assert!((0..cores).all(|core| world.census(core).locks == 0));
        }
    }

    #[test]
    fn errors_leave_what_was_written_and_say_where_they_came_about() {
        for cores in [1, 3] {
            let mut world = World::new(cores);
            let one = world.open(0);
            let source = "redis.call('SET', 'a', 1) redis.call('LPUSH', 'a', 1)";
            let reply = world.eval(one, source, &["0"]);
            assert!(reply.starts_with("(err) WRONGTYPE Operation against"), "{reply}");
            assert!(reply.contains("on @user_script:1."), "{reply}");
            assert_eq!(world.ask(one, "GET a"), "1");
            let reply = world.eval(one, "return redis.call('SUBSCRIBE', 'x')", &["0"]);
            assert!(reply.starts_with("(err) ERR "), "{reply}");
            assert_eq!(world.eval(one, "return redis.call('PING')", &["0"]), "PONG");
            assert!(world.eval(one, "return (", &["0"]).starts_with("(err) ERR Error compiling"));
            assert!(
                world
                    .ask(one, "EVALSHA 0123456789012345678901234567890123456789 0")
                    .starts_with("(err) NOSCRIPT")
            );
        }
    }

    #[test]
    fn a_reading_script_is_refused_what_may_be_replicated_and_a_wait_as_the_client_has_spelt_it() {
        let mut world = World::new(2);
        let one = world.open(0);
        let source = "return redis.call('PFCOUNT', 'a')";
        let reply = world.ask_words(one, &[b"EVAL_RO", source.as_bytes(), b"0"]);
        assert!(reply.contains("Write commands are not allowed from read-only"), "{reply}");
        assert_eq!(world.eval(one, source, &["0"]), "0");
        let source = "return redis.call('xRead', 'BLOCK', 0, 'STREAMS', 's', '$')";
        let reply = world.eval(one, source, &["0"]);
        assert!(reply.starts_with("(err) ERR xRead command is not allowed with BLOCK"), "{reply}");
    }

    #[test]
    fn a_script_that_may_be_undone_keeps_no_more_than_is_allowed() {
        let mut world = World::new(2);
        let one = world.open(0);
        let key = (0..)
            .map(|it| format!("{{{it}}}"))
            .find(|key| base::RouteTable::new(2).owner(base::Slot::of_key(key.as_bytes())).0 == 0);
        let key = key.expect("every core owns keys");
        for number in 0..300 {
            world.ask(one, &format!("SET {key}{number} {}", "x".repeat(60_000)));
        }
        let undone = world.core(0).counters.scripts_undone;
        let source = "for i = 0, tonumber(ARGV[1]) do redis.call('APPEND', KEYS[1] .. i, 'y') end";
        world.eval(one, source, &["1", &key, "99"]);
        assert_eq!(world.core(0).counters.scripts_undone, undone);
        world.eval(one, source, &["1", &key, "299"]);
        assert_eq!(world.core(0).counters.scripts_undone, undone + 1);
        assert_eq!(world.ask(one, &format!("STRLEN {key}0")), "60002");
        assert_eq!(world.ask(one, &format!("STRLEN {key}299")), "60001");
    }

    #[test]
    fn large_values_are_written_to_by_scripts_that_stray() {
        for cores in [1, 3] {
            let mut world = World::new(cores);
            let one = world.open(0);
            for number in 0..40 {
                world.ask(one, &format!("RPUSH big {}", "x".repeat(4000) + &number.to_string()));
            }
            let source = "local job = redis.call('RPOPLPUSH', 'big', 'active') redis.call('HSET', 'job:' .. #job, 'n', 1) \
                          redis.call('INCR', 'done') return redis.call('LLEN', 'big')";
            assert_eq!(world.eval(one, source, &["0"]), "39");
            assert_eq!(world.eval(one, source, &["1", "big"]), "38");
            assert_eq!(world.ask(one, "GET done"), "2");
            assert_eq!(world.ask(one, "LLEN active"), "2");
        }
    }
}
