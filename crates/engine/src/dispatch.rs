//! One request of a session: its gates, where it runs, what becomes of its reply.

use crate::action::Action;
use crate::commands::connection_auth::must_authenticate;
use crate::commands::{Desk, Next};
use crate::engine::Engine;
use crate::hop::Order;
use crate::message::JobFlags;
use crate::session::client::Stall;
use crate::session::input::What;
use crate::session::plan::{Plan, Planned};
use crate::shard::execute::{Call, Verdict};
use crate::table::{Entry, Home};
use base::{ConnId, CoreId, until_nul};
use command::{Args, Failure, Fanout, Flags};
use resp::write::{Protocol, Writer};
use resp::{Reply, Sink};

/// What a request's session does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// The next request.
    Next,
    /// Nothing: this request and what follows must wait.
    Wait,
    /// Nothing: this request is done, what follows must wait.
    WaitAfter,
}

/// Commands that may write.
const WRITERS: u32 = Flags::WRITE.0 | Flags::SCRIPT.0;

/// Commands behind which the session waits for their outcome, where it comes from elsewhere.
const HELD_UP: u32 = Flags::WATCHES.0 | Flags::BLOCKING.0 | Flags::SCRIPT.0;

/// Transactions of one session that may be under way together.
const SEQUENCED_MAX: u32 = 64;

/// Words that begin a line of HTTP: somebody makes a browser talk to us. The connection is closed.
const HTTP_WORDS: [&[u8]; 2] = [b"POST", b"HOST:"];

impl Engine {
    /// Does one request of a session, as far as it may be done now.
    #[inline]
    pub(crate) fn dispatch(&mut self, conn: ConnId, what: What, args: &Args<'_>) -> Flow {
        if self.turn_is_spent() {
            self.defer(conn);
            return Flow::Wait;
        }
        self.shard.work += 1;
        let Some(session) = self.sessions.get(conn) else { return Flow::WaitAfter };
        if session.closing {
            return Flow::WaitAfter;
        }
        if session.output_is_full() {
            session.stall = Some(Stall::Output);
            return Flow::Wait;
        }
        let gated = session.gates.0 != 0 || self.core.watched;
        if gated {
            session.begin_request();
            self.core.mark_lines();
        }
        let (id, planned) = match what {
            What::Command(id, planned) => (id, planned),
            What::Blank => return Flow::Next,
            What::Refused => return self.refuse(conn, args),
            What::Broken(error) => {
                return self.fail_and_close(conn, |reply| reply.protocol_error(error));
            }
        };
        session.last_command = Some(id);
        session.commands += 1;
        if gated && let Some(flow) = self.gate(conn, id, planned, args) {
            if flow == Flow::Wait {
                self.put_off(conn);
            }
            return flow;
        }
        self.touch(conn);
        let planned = self.by_mail(conn, id, planned);
        if self.core.table.entry(id).spec.flags.0 & HELD_UP != 0
            && let Some(flow) = self.hold_up(conn, id, planned, args)
        {
            if gated {
                self.after_gated(conn, id, args, flow);
            }
            return flow;
        }
        let flow = match planned.plan {
            Plan::Here => self.run_here(conn, id, planned, args),
            Plan::One(core) => self.run_there(conn, core, id, planned, args),
            Plan::Session => self.run_at_session(conn, id, args),
            Plan::Many => self.spread(conn, id, args),
        };
        if gated {
            self.after_gated(conn, id, args, flow);
        }
        flow
    }

    /// Where a command of this core's keys is executed: here, or, when its session has had another core write in this turn, by a job that
    /// leaves with that one. Else a transaction that locks keys of both cores between now and the end of the turn
    /// would see the later write without the earlier one (docs/design/ordering.md).
    #[inline]
    pub(crate) fn by_mail(&mut self, conn: ConnId, id: u16, planned: Planned) -> Planned {
        let epoch = self.outbox.epoch();
        let Some(session) = self.sessions.get(conn) else { return planned };
        // What is on its way must not be overtaken, also in a later turn that goes on before its mail is looked at.
        let follows = session.mailed_home > 0;
        let begins = session.wrote_away == epoch;
        if planned.plan != Plan::Here || !(follows || begins) {
            return planned;
        }
        let writes = self.core.table.entry(id).spec.flags.0 & WRITERS != 0;
        if !writes && !follows && id != self.core.exec {
            return planned;
        }
        Planned { plan: Plan::One(self.core.id), ..planned }
    }

    /// A command behind which the session waits for its outcome.
    #[cold]
    fn hold_up(
        &mut self,
        conn: ConnId,
        id: u16,
        planned: Planned,
        args: &Args<'_>,
    ) -> Option<Flow> {
        if self.may_wait(id) {
            return Some(self.begin_blocking(conn, id, planned, args));
        }
        let flags = self.core.table.entry(id).spec.flags;
        if flags.has(Flags::SCRIPT) {
            return Some(self.begin_script(conn, id, planned, args));
        }
        let watches = flags.has(Flags::WATCHES);
        watches.then(|| self.begin_watch(conn, id, planned, args))
    }

    /// WATCH: what follows it waits until its keys are watched.
    fn begin_watch(&mut self, conn: ConnId, id: u16, planned: Planned, args: &Args<'_>) -> Flow {
        self.note_watched(conn, args);
        let flow = match planned.plan {
            Plan::Here => {
                let flow = self.run_here(conn, id, planned, args);
                if flow == Flow::Next {
                    let db = self.sessions.get(conn).map_or(0, |session| session.db);
                    self.watch((self.core.id, conn), id, db, args);
                }
                return flow;
            }
            Plan::One(core) => self.run_there(conn, core, id, planned, args),
            _ => self.spread(conn, id, args),
        };
        if flow != Flow::Next {
            return flow;
        }
        let many = planned.plan == Plan::Many;
        self.stall(conn, if many { Stall::Sequenced } else { Stall::Blocked });
        self.wait_if_stalled(conn)
    }

    /// What follows a request that was not of the usual kind: MONITOR clients see it, or it is put
    /// off.
    #[cold]
    fn after_gated(&mut self, conn: ConnId, id: u16, args: &Args<'_>, flow: Flow) {
        match flow {
            Flow::Wait => self.put_off(conn),
            _ => self.show(conn, id, args),
        }
    }

    /// The request under way has not begun: what CLIENT REPLY said of it holds for its next attempt.
    fn put_off(&mut self, conn: ConnId) {
        if let Some(session) = self.sessions.get(conn) {
            session.put_off_request();
        }
    }

    /// Runs a data command on this core's shard; the reply goes straight to the output.
    #[inline]
    fn run_here(&mut self, conn: ConnId, id: u16, planned: Planned, args: &Args<'_>) -> Flow {
        if let Some(flow) = self.park_if_locked(conn, id, planned, args) {
            return flow;
        }
        self.core.counters.local_jobs += 1;
        let call = self.core.call(id);
        let args = match planned.key {
            0 => *args,
            key => args.with_hashed(key, planned.slot, planned.hash),
        };
        let Engine { core, sessions, shard, .. } = self;
        let Some(session) = sessions.get(conn) else { return Flow::WaitAfter };
        let call = Call { db: session.db, flags: session.job_flags(), ..call };
        let verdict = if session.muted() {
            let mut unread = Vec::new();
            let verdict = shard.execute(core, call, &args, Sink::plain(&mut unread));
            if !verdict.is_plain() {
                self.note(conn, id, verdict, &args, &unread);
                self.heed();
                return Flow::Next;
            }
            verdict
        } else {
            let mut execute = |mut sink: Sink<'_>| {
                let start = sink.len();
                let verdict = shard.execute(core, call, &args, sink.reborrow());
                let error = if verdict.failed { sink.since(start).to_vec() } else { Vec::new() };
                (verdict, error, sink.len() - start)
            };
            let (verdict, error, bytes) = match session.pipeline.is_empty() {
                true => execute(session.out.sink()),
                false => session.pipeline.push_ready(execute),
            };
            if !verdict.is_plain() {
                self.note_at(conn, None, id, verdict, &args, (&error, bytes));
                self.heed();
                return Flow::Next;
            }
            verdict
        };
        self.core.account(id, verdict.ticks, verdict.weight);
        self.heed();
        Flow::Next
    }

    /// Sends a data command to the one core that owns its keys.
    #[inline]
    pub(crate) fn run_there(
        &mut self,
        conn: ConnId,
        core: CoreId,
        id: u16,
        planned: Planned,
        args: &Args<'_>,
    ) -> Flow {
        if self.outbox.is_full(core) {
            return self.congested(conn);
        }
        self.send_there(conn, core, id, planned, args);
        Flow::Next
    }

    /// The same, though the way there be full.
    #[inline]
    pub(crate) fn send_there(
        &mut self,
        conn: ConnId,
        core: CoreId,
        id: u16,
        planned: Planned,
        args: &Args<'_>,
    ) {
        let epoch = self.outbox.epoch();
        let spec = self.core.table.entry(id).spec;
        let writes = spec.flags.0 & WRITERS != 0 || id == self.core.exec;
        let Some(session) = self.sessions.get(conn) else { return };
        if core == self.core.id {
            session.mailed_home += 1;
        } else if writes {
            session.wrote_away = epoch;
        }
        let address = session.address(spec.blocks.is_some());
        let order =
            Order { address, command: id, db: session.db, flags: session.job_flags(), planned };
        self.send_job(core, order, args.from(0));
    }

    /// Runs a command of the connection or the server.
    fn run_at_session(&mut self, conn: ConnId, id: u16, args: &Args<'_>) -> Flow {
        if id == self.core.exec {
            return self.exec(conn, id, args);
        }
        let entry = self.core.table.entry(id);
        let Home::Engine(run) = entry.home else { unreachable!("the plan says that it is one") };
        let fast = entry.spec.flags.has(Flags::FAST);
        let measured = !fast || self.core.samples_fast();
        let before = if measured { (self.core.ticks)() } else { 0 };
        let Some(session) = self.sessions.get(conn) else { return Flow::WaitAfter };
        let mut reply = Vec::new();
        let writer = Writer::new(&mut reply, session.protocol);
        let result = run(&mut Desk { session, core: &mut self.core, reply: writer }, args);
        let weight = if fast { self.core.fast_sample } else { 1 };
        let mut verdict = Verdict { weight, ..Verdict::default() };
        if measured {
            verdict.ticks = (self.core.ticks)().wrapping_sub(before).max(1);
        }
        let next = result.unwrap_or_else(|failure| {
            reply.clear();
            Writer::new(&mut reply, Protocol::Resp2).error(&*failure.0);
            verdict.failed = true;
            Next::Done
        });
        verdict.slow = verdict.ticks >= self.core.slow_ticks
            || args.extent().max(reply.len()) as u64 >= self.core.large_bytes;
        if let Next::Sleep { timeout_us, reply } = next {
            return self.sleep(conn, id, timeout_us, reply);
        }
        if !matches!(next, Next::Done | Next::Close | Next::Unwatch) {
            // The answer is still to come, and may change what is slow.
            verdict.slow = false;
            self.observe_later(conn, id, verdict.ticks, args);
        }
        self.note(conn, id, verdict, args, &reply);
        self.append_unless_muted(conn, &reply);
        match next {
            Next::Done => Flow::Next,
            Next::Exec | Next::Sleep { .. } => unreachable!("taken above"),
            Next::Unwatch => {
                self.unwatch_all(conn);
                Flow::Next
            }
            Next::Close => self.close_after_replies(conn),
            Next::Ask(query) => {
                self.ask(conn, query);
                self.wait_if_stalled(conn)
            }
            Next::Control(request) => {
                self.ask_process(conn, request, None);
                Flow::WaitAfter
            }
            Next::ControlThen(request, query) => {
                self.ask_process(conn, request, Some(query));
                Flow::WaitAfter
            }
        }
    }

    /// A question to one core only is answered within the call; then nothing has to wait.
    pub(crate) fn wait_if_stalled(&mut self, conn: ConnId) -> Flow {
        match self.sessions.get(conn) {
            Some(session) if session.stall.is_none() => Flow::Next,
            _ => Flow::WaitAfter,
        }
    }

    fn append_unless_muted(&mut self, conn: ConnId, reply: &[u8]) {
        if let Some(session) = self.sessions.get(conn)
            && !session.muted()
        {
            session.append_reply(reply);
        }
    }

    /// Answers an unknown command or a wrong number of arguments.
    #[cold]
    fn refuse(&mut self, conn: ConnId, args: &Args<'_>) -> Flow {
        if HTTP_WORDS.iter().any(|word| args.get(0).eq_ignore_ascii_case(word)) {
            tracing::warn!(
                "possible SECURITY ATTACK: an HTTP request was sent; the connection is closed"
            );
            self.actions.push(Action::Close(conn));
            self.forget(conn);
            return Flow::WaitAfter;
        }
        let Err((mut failure, known)) = self.core.resolve(args) else {
            unreachable!("what was refused when it was parsed is refused now")
        };
        if let Some(id) = known {
            self.core.commands[id as usize].rejected += 1;
        }
        // A sub-command that is not known is none, whatever its container is.
        let is_container = |id: &u16| !self.core.table.entry(*id).subcommands.is_empty();
        let named = known.filter(|id| args.len() == 1 || !is_container(id));
        if let Some(session) = self.sessions.get(conn) {
            session.last_command = named;
        }
        if known == Some(self.core.exec) {
            failure = self.abort_exec(conn, &failure.0);
        }
        self.core.account_error(&failure.0);
        self.spoil_queue(conn);
        let mut reply = Vec::new();
        Writer::new(&mut reply, Protocol::Resp2).error(&*failure.0);
        self.append_unless_muted(conn, &reply);
        self.touch(conn);
        Flow::Next
    }

    /// Has a session wait because the way to another core is full.
    #[cold]
    pub(crate) fn congested(&mut self, conn: ConnId) -> Flow {
        self.stall(conn, Stall::Congested);
        self.congested.push(conn);
        Flow::Wait
    }

    /// Lets the sessions go on that waited for a way to another core.
    pub(crate) fn wake_congested(&mut self) {
        self.runnable.append(&mut self.congested);
    }

    /// Answers a command that failed before it could be sent anywhere.
    pub(crate) fn fail(
        &mut self,
        conn: ConnId,
        id: u16,
        args: &Args<'_>,
        failure: &Failure,
    ) -> Flow {
        let mut reply = Vec::new();
        Writer::new(&mut reply, Protocol::Resp2).error(&*failure.0);
        let verdict = Verdict { failed: true, ..Verdict::default() };
        self.note(conn, id, verdict, args, &reply);
        self.append_unless_muted(conn, &reply);
        Flow::Next
    }

    /// Tells a client why, and closes the connection when that is out.
    fn fail_and_close(&mut self, conn: ConnId, write: impl FnOnce(&mut Writer<'_>)) -> Flow {
        let mut reply = Vec::new();
        write(&mut Writer::new(&mut reply, Protocol::Resp2));
        self.append_unless_muted(conn, &reply);
        self.close_after_replies(conn)
    }

    /// Closes a connection when its replies are out; it executes nothing more.
    pub(crate) fn close_after_replies(&mut self, conn: ConnId) -> Flow {
        if let Some(session) = self.sessions.get(conn) {
            session.closing = true;
            session.stall = Some(Stall::Closing);
        }
        self.touch(conn);
        Flow::WaitAfter
    }

    /// Gates that only few sessions meet. None lets the request pass.
    #[cold]
    fn gate(&mut self, conn: ConnId, id: u16, planned: Planned, args: &Args<'_>) -> Option<Flow> {
        if self.is_frozen() {
            self.stall(conn, Stall::Frozen);
            return Some(Flow::Wait);
        }
        let spec = self.core.table.entry(id).spec;
        let (flags, fanout) = (spec.flags, spec.fanout);
        let now = self.core.now;
        let session = self.sessions.get(conn)?;
        let sequenced = planned.plan == Plan::Many
            && !matches!(fanout, Fanout::Cursor | Fanout::RandomCore)
            && session.transactions < SEQUENCED_MAX;
        if session.transactions > 0 && !sequenced {
            // What takes another way would overtake them.
            session.stall = Some(Stall::Sequenced);
            return Some(Flow::Wait);
        }
        if must_authenticate(session, &self.core) && !flags.has(Flags::NO_AUTH) {
            return Some(self.reject(conn, id, "NOAUTH Authentication required."));
        }
        if let Some(busy) = self.core.busy
            && !flags.has(Flags::ALLOW_BUSY)
        {
            return Some(self.reject(conn, id, busy.text()));
        }
        let session = self.sessions.get(conn)?;
        let queueing = session.queue.is_some();
        // EXEC is judged by what it executes.
        let flags = match &session.queue {
            Some(queue) if id == self.core.exec => Flags(flags.0 | queue.flags),
            _ => flags,
        };
        let touches = Flags::WRITE.0 | Flags::READONLY.0 | Flags::MAY_REPLICATE.0;
        if session.is_monitor() && flags.0 & touches != 0 {
            return Some(self.reject(conn, id, "ERR Replica can't interact with the keyspace"));
        }
        if self.core.clients.pause.is_some_and(|pause| pause.holds(flags, now)) {
            session.stall = Some(Stall::Paused);
            self.touch(conn);
            return Some(Flow::Wait);
        }
        queueing.then(|| self.queue_up(conn, id, args)).flatten()
    }

    /// A command of a client in MULTI: it is queued, unless it is one of those that are carried out at once.
    fn queue_up(&mut self, conn: ConnId, id: u16, args: &Args<'_>) -> Option<Flow> {
        let flags = self.core.table.entry(id).spec.flags;
        if flags.has(Flags::WATCHES) {
            let error = Failure::new("ERR WATCH inside MULTI is not allowed");
            self.touch(conn);
            return Some(self.fail(conn, id, args, &error));
        }
        if flags.has(Flags::AT_ONCE) {
            return None;
        }
        if flags.has(Flags::NO_MULTI) {
            let text = "ERR Command not allowed inside a transaction";
            return Some(self.reject(conn, id, text));
        }
        if self.shard.refuses(&mut self.core, flags, args.extent()) {
            self.core.commands[id as usize].rejected += 1;
            self.spoil_queue(conn);
            self.touch(conn);
            return Some(self.fail(conn, id, args, &Failure::OOM));
        }
        let queue = self.sessions.get(conn)?.queue.as_mut()?;
        if !queue.has_room(args.extent()) {
            return Some(self.reject(conn, id, "ERR Too much is queued in this transaction"));
        }
        queue.push(id, flags, args);
        self.append_unless_muted(conn, b"+QUEUED\r\n");
        self.touch(conn);
        Some(Flow::Next)
    }

    /// Something of a client in MULTI could not be queued: its EXEC will refuse.
    fn spoil_queue(&mut self, conn: ConnId) {
        if let Some(session) = self.sessions.get(conn)
            && let Some(queue) = &mut session.queue
        {
            queue.failed = true;
        }
    }

    /// Answers a command that a gate refuses.
    fn reject(&mut self, conn: ConnId, id: u16, text: &str) -> Flow {
        self.spoil_queue(conn);
        self.core.commands[id as usize].rejected += 1;
        let failure = match id == self.core.exec {
            true => self.abort_exec(conn, text.as_bytes()),
            false => Failure::text(text),
        };
        self.core.account_error(&failure.0);
        let mut reply = Vec::new();
        Writer::new(&mut reply, Protocol::Resp2).error(&*failure.0);
        self.append_unless_muted(conn, &reply);
        self.touch(conn);
        Flow::Next
    }

    /// Notes an execution in the statistics.
    pub(crate) fn note(
        &mut self,
        conn: ConnId,
        id: u16,
        verdict: Verdict,
        args: &Args<'_>,
        reply: &[u8],
    ) {
        self.note_at(conn, None, id, verdict, args, (reply, reply.len()));
    }

    /// The same for a reply of which the text is known only if it is an error, and the length; and for an
    /// outcome of another core, whose place in the session's pipeline says when it was asked for.
    pub(crate) fn note_at(
        &mut self,
        conn: ConnId,
        place: Option<u32>,
        id: u16,
        verdict: Verdict,
        args: &Args<'_>,
        (error, bytes): (&[u8], usize),
    ) {
        if verdict.slow && !verdict.rejected {
            self.observe(conn, id, place, verdict, args, bytes);
        }
        if verdict.rejected {
            self.core.commands[id as usize].rejected += 1;
        } else {
            self.core.account(id, verdict.ticks, verdict.weight);
        }
        if verdict.failed {
            if !verdict.rejected {
                self.core.commands[id as usize].failed += 1;
            }
            self.core.account_error(error.strip_prefix(b"-").unwrap_or(error).trim_ascii_end());
        }
    }

    /// Puts an outcome in its place in a session's pipeline.
    #[inline]
    pub(crate) fn fill_place(&mut self, conn: ConnId, place: u32, reply: Reply<'_>) {
        let Some(session) = self.sessions.get(conn) else { return };
        session.note_reply(reply.len());
        session.pipeline.fill(place, reply, &mut session.out);
        if session.pipeline.is_empty() {
            session.held_since_us = None;
        }
        if session.stall == Some(Stall::Output) && !session.output_is_high() {
            self.runnable.push(conn);
        }
        self.touch(conn);
    }

    /// Closes a client whose unexecuted input is over `client-query-buffer-limit`.
    pub(crate) fn bound_query_buffer(&mut self, conn: ConnId) {
        let limit = self.core.query_buffer_max;
        let Some(session) = self.sessions.get(conn) else { return };
        if session.input.len() as u64 > limit {
            self.core.counters.client_query_buffer_limit_disconnections += 1;
            tracing::warn!(
                id = session.peer.client_id,
                "client closed: its query buffer is over the limit"
            );
            self.actions.push(Action::Close(conn));
            self.forget(conn);
        }
    }
}

impl crate::core::Core {
    /// The command that a request names, or why it is refused and, when it is known, which one it
    /// is. O(1) but for sub-commands.
    #[inline]
    pub(crate) fn resolve<'t>(
        &'t self,
        args: &Args<'_>,
    ) -> Result<&'t Entry, (Failure, Option<u16>)> {
        let name = args.get(0);
        let Some(mut entry) = self.table.find(name) else {
            return Err((unknown_command(args), None));
        };
        if !entry.subcommands.is_empty() && args.len() > 1 {
            match self.table.find_subcommand(entry, args.get(1)) {
                Some(found) => entry = found,
                None => return Err((unknown_subcommand(name, args.get(1)), Some(entry.id))),
            }
        }
        if !entry.spec.arity.fits(args.len()) {
            return Err((Failure::wrong_arity(&entry.full_name), Some(entry.id)));
        }
        Ok(entry)
    }

    /// A call of a data command; the client's part is still to be filled in.
    #[inline]
    pub(crate) fn call(&self, id: u16) -> Call {
        let entry = self.table.entry(id);
        let Home::Data(run) = entry.home else { unreachable!("planned as a data command") };
        Call { spec: entry.spec, run, db: 0, flags: JobFlags::default() }
    }
}

/// Bytes of a name or an argument that an error repeats.
const ECHO_BYTES_MAX: usize = 128;

/// What an error repeats of a name or an argument: as Redis, no more than `most` bytes of it, and
/// none from a NUL on.
fn clip(bytes: &[u8], most: usize) -> &[u8] {
    until_nul(&bytes[..bytes.len().min(most)])
}

fn unknown_command(args: &Args<'_>) -> Failure {
    let mut text = b"ERR unknown command '".to_vec();
    text.extend_from_slice(clip(args.get(0), ECHO_BYTES_MAX));
    text.extend_from_slice(b"', with args beginning with: ");
    let start = text.len();
    for arg in args.from(1) {
        let said = text.len() - start;
        if said >= ECHO_BYTES_MAX {
            break;
        }
        text.push(b'\'');
        text.extend_from_slice(clip(arg, ECHO_BYTES_MAX - said));
        text.extend_from_slice(b"' ");
    }
    Failure::text(text)
}

fn unknown_subcommand(name: &[u8], sub: &[u8]) -> Failure {
    let container = clip(name, ECHO_BYTES_MAX).to_ascii_uppercase();
    let container = String::from_utf8_lossy(&container);
    let after = format!("'. Try {container} HELP.");
    Failure::quoting("ERR unknown subcommand '", clip(sub, ECHO_BYTES_MAX), &after)
}
