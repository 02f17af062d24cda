//! Jobs that find one of their keys locked: they wait in the owner's queues, and their outcome comes late.
//!
//! How many there are is bounded by what sessions have under way: a session that learns that a job of its own waits
//! executes nothing more until that job's outcome has come.

use super::grant::Waiting;
use super::locks::{LockId, Wanted, lock_id};
use super::queue::commands;
use crate::core::Core;
use crate::dispatch::Flow;
use crate::engine::Engine;
use crate::message::{Address, Job, Message, Parked, Replied, Words};
use crate::session::client::Stall;
use crate::session::plan::Planned;
use crate::spread::{joined, whole_of};
use base::{ConnId, CoreId};
use command::{Args, Fanout, Flags};
use resp::Sink;
use resp::parse::Span;

impl Core {
    /// Adds the locks of all keys that a request names.
    pub(crate) fn lock_ids(&self, id: u16, db: u8, args: &Args<'_>, locks: &mut Vec<LockId>) {
        if id == self.exec {
            for queued in commands(args) {
                self.lock_ids(queued.command, queued.db, &queued.part(args), locks);
            }
            return;
        }
        let spec = self.table.entry(id).spec;
        let mut positions = Vec::new();
        spec.keys.iter().for_each(|keys| keys.positions(args, &mut positions));
        let other = spec.other_db.and_then(|other| other(args));
        for position in positions {
            let hash = self.hasher.hash(args.get(position as usize));
            locks.push(lock_id(db, hash));
            locks.extend(other.map(|other| lock_id(other, hash)));
        }
    }

    /// What a request wants of the core that executes it; none when it concerns no key.
    fn wanted(&self, id: u16, db: u8, args: &Args<'_>) -> Option<Wanted> {
        let mut keys = Vec::new();
        self.lock_ids(id, db, args, &mut keys);
        match self.table.entry(id).spec.fanout {
            Fanout::All(_) | Fanout::RandomCore | Fanout::Cursor => Some(Wanted::Whole),
            _ if keys.is_empty() => None,
            _ => Some(Wanted::Keys(keys)),
        }
    }
}

impl Engine {
    /// What a job would have to wait for, if it would.
    pub(crate) fn must_park(&self, id: u16, db: u8, args: &Args<'_>) -> Option<Wanted> {
        let wanted = self.core.wanted(id, db, args).filter(|wanted| self.locks.must_wait(wanted));
        wanted.filter(|_| !self.core.mistakes.jobs_ignore_locks())
    }

    /// Keeps a request of a session of this core until its keys are free, if they are not; says what its session does then.
    #[inline]
    pub(crate) fn park_if_locked(
        &mut self,
        conn: ConnId,
        id: u16,
        planned: Planned,
        args: &Args<'_>,
    ) -> Option<Flow> {
        if self.locks.is_idle() {
            return None;
        }
        let db = self.sessions.get(conn).map_or(0, |session| session.db);
        let wanted = self.must_park(id, db, args)?;
        Some(self.park_request(conn, id, planned, args, wanted))
    }

    /// What a job of a session of any core would have to wait for.
    pub(crate) fn must_park_job(&self, from: CoreId, job: &Job, args: &Args<'_>) -> Option<Wanted> {
        match job.command == self.core.exec {
            true => self.must_park_queue((from, job.address.session()), job.flags, args),
            false => self.must_park(job.command, job.db, args),
        }
    }

    /// Keeps a request of a session of this core until its keys are free. The session waits.
    #[cold]
    pub(crate) fn park_request(
        &mut self,
        conn: ConnId,
        id: u16,
        planned: Planned,
        args: &Args<'_>,
        wanted: Wanted,
    ) -> Flow {
        let own = self.core.id;
        let spec = self.core.table.entry(id).spec;
        let Some(session) = self.sessions.get(conn) else { return Flow::WaitAfter };
        let address = session.address(spec.blocks.is_some());
        session.parked += 1;
        let waits =
            spec.blocks.is_some() || spec.flags.0 & (Flags::WATCHES.0 | Flags::SCRIPT.0) != 0;
        session.stall = Some(if waits { Stall::Blocked } else { Stall::Parked });
        let job = Job {
            address,
            command: id,
            db: session.db,
            flags: session.job_flags(),
            args: args.len() as u32,
            key: planned.key,
            slot: planned.slot,
            hash: planned.hash,
        };
        self.park(own, job, args, wanted);
        Flow::WaitAfter
    }

    /// Keeps a job until its keys are free.
    pub(crate) fn park(&mut self, from: CoreId, job: Job, args: &Args<'_>, wanted: Wanted) {
        let words = Words::of(job.command, args.from(0));
        self.core.counters.jobs_parked += 1;
        let parked = Box::new(Parked {
            from,
            job,
            words,
            answer: Replied::default(),
            wait: None,
            strays: None,
        });
        self.locks.enter(wanted, Waiting::Job(parked));
    }

    /// Executes a job whose keys are free now.
    pub(crate) fn run_parked(&mut self, mut parked: Box<Parked>) {
        let Parked { from, job, words, answer, wait, strays } = &mut *parked;
        let args = Args::new(&words.bytes, &words.spans, self.core.hasher);
        let sink = Sink::behind(&mut answer.bytes, &mut answer.chain);
        answer.verdict = self.execute_job(*from, job.address.session(), job, &args, sink);
        *strays = self.strays.take();
        *wait = self.take_wait(*from, job);
        self.heed();
        match parked.from == self.core.id {
            true => self.on_late(parked),
            false => self.outbox.post(parked.from, Message::Late(parked)),
        }
    }

    /// The outcome of a job that had to wait.
    pub(crate) fn on_late(&mut self, mut parked: Box<Parked>) {
        let (wait, strays) = (parked.wait.take(), parked.strays.take());
        let Parked { job, words, answer, .. } = &mut *parked;
        let args = Args::new(&words.bytes, &words.spans, self.core.hasher);
        let mut verdict = answer.verdict;
        let reply = whole_of(&mut answer.bytes, std::mem::take(&mut answer.chain));
        verdict.slow = verdict.ticks >= self.core.slow_ticks
            || args.extent().max(reply.len()) as u64 >= self.core.large_bytes;
        match (wait, strays) {
            (_, Some(strays)) => self.on_strays(job, &args, strays),
            (Some(wait), None) => self.on_waits(job, &wait),
            (None, None) => self.settle_outcome(job, &args, verdict, reply),
        }
        if let Address::Session(conn, _) | Address::Nobody(conn) = job.address {
            self.unpark(conn);
        }
    }

    /// A job of a session waits at its owner: the session executes nothing until its outcome has come.
    pub(crate) fn on_parked(&mut self, address: Address) {
        if let Address::Session(conn, _) | Address::Nobody(conn) = address
            && let Some(session) = self.sessions.get(conn)
        {
            session.parked += 1;
            session.stall.get_or_insert(Stall::Parked);
        }
    }

    fn unpark(&mut self, conn: ConnId) {
        let Some(session) = self.sessions.get(conn) else { return };
        session.parked -= 1;
        if session.parked == 0 && session.stall == Some(Stall::Parked) {
            session.stall = None;
            self.runnable.push(conn);
        }
    }
}

impl Words {
    /// Memory beside the fixed one, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity() + self.spans.capacity() * size_of::<Span>()
    }

    /// A request of these arguments. O(bytes).
    pub(crate) fn of<'a>(command: u16, args: impl Iterator<Item = &'a [u8]>) -> Words {
        let (bytes, spans) = joined(args);
        Words { command, resp3: false, bytes, spans }
    }
}
