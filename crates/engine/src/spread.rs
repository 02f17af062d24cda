//! Requests whose keys live on several cores, or that concern all of them: cut into parts, sent,
//! and made one reply when all parts have come.

use crate::dispatch::Flow;
use crate::engine::Engine;
use crate::gather::{self, Gather, Part, Then};
use crate::hop::Order;
use crate::message::{Address, Share, Shares, Words};
use crate::session::client::{Gates, Stall};
use crate::session::plan::{Plan, Planned, key_step};
use crate::shard::execute::{Call, Verdict};
use base::{ConnId, CoreId, CoreSet, Slot};
use command::string::Pairs;
use command::{Args, Fanout, Flags, Merge};
use resp::chain::{Chain, Reply, Sink, finish};
use resp::parse::Span;
use resp::write::{Protocol, Writer};
use std::borrow::Cow;

/// What one owner does of a request.
struct Stage {
    core: CoreId,
    /// Which of the request's keys, counted from 0.
    keys: Vec<u32>,
    whole: bool,
    read: Option<Words>,
    write: Option<Words>,
}

/// One core's part of a request before it goes out.
struct Piece<'a> {
    core: CoreId,
    /// Which of the request's keys, counted from 0.
    keys: Vec<u32>,
    args: Vec<Cow<'a, [u8]>>,
}

impl Engine {
    /// Cuts a request into parts and sends them to their cores.
    pub(crate) fn spread(&mut self, conn: ConnId, id: u16, args: &Args<'_>) -> Flow {
        let cores = self.core.route.cores() as u16;
        if (0..cores).any(|core| self.outbox.is_crowded(CoreId(core))) {
            return self.congested(conn);
        }
        match self.core.table.entry(id).spec.fanout {
            Fanout::Loan => return self.borrow(conn, id, args),
            Fanout::Cursor => return self.scan_cores(conn, id, args),
            Fanout::RandomCore => return self.draw_from_cores(conn, id, args),
            _ => {}
        }
        let (then, pieces) = match self.stage(id, args) {
            Ok(stage) => stage,
            Err(failure) => return self.fail(conn, id, args, &failure),
        };
        let Some(mut gather) = self.begin_gather(conn, id, args, then) else {
            return Flow::WaitAfter;
        };
        let shares = pieces
            .into_iter()
            .map(|piece| {
                gather.parts.push(Part { keys: piece.keys, ..Part::default() });
                let (read, write) = (piece.read, piece.write);
                Box::new(Share {
                    whole: piece.whole,
                    read,
                    write,
                    ..*self.share(&gather, piece.core)
                })
            })
            .collect();
        self.enter_transaction(conn);
        self.begin_transaction(gather, shares);
        Flow::Next
    }

    /// A transaction of a session begins.
    pub(crate) fn enter_transaction(&mut self, conn: ConnId) {
        if let Some(session) = self.sessions.get(conn) {
            session.transactions += 1;
            session.gates.set(Gates::SEQUENCED, true);
        }
    }

    /// A transaction of a session has its locks, and its owners have been told what is to be done.
    pub(crate) fn leave_transaction(&mut self, conn: ConnId) {
        let Some(session) = self.sessions.get(conn) else { return };
        session.transactions -= 1;
        session.gates.set(Gates::SEQUENCED, session.transactions > 0);
        if session.transactions == 0 && session.stall == Some(Stall::Sequenced) {
            session.stall = None;
            self.runnable.push(conn);
        }
    }

    /// A request that runs on one core, drawn by its number of keys.
    fn draw_from_cores(&mut self, conn: ConnId, id: u16, args: &Args<'_>) -> Flow {
        let Some(gather) = self.begin_gather(conn, id, args, Then::DrawCore) else {
            return Flow::WaitAfter;
        };
        let cores = (0..self.core.route.cores() as u16).map(CoreId);
        let words = || vec![Cow::Borrowed(&b"DBSIZE"[..])];
        let pieces = cores.map(|core| Piece { core, keys: Vec::new(), args: words() }).collect();
        self.send_pieces(gather, self.core.known("DBSIZE"), pieces);
        Flow::Next
    }

    /// A request's place in its session's pipeline, and what is to be known of it when its parts have come; none when
    /// its session has gone.
    pub(crate) fn begin_gather(
        &mut self,
        conn: ConnId,
        id: u16,
        args: &Args<'_>,
        then: Then,
    ) -> Option<Box<Gather>> {
        let waits = self.core.table.entry(id).spec.blocks.is_some();
        let place = self.sessions.get(conn)?.reserve(waits);
        self.gather_at(conn, place, id, args, then)
    }

    /// The same for a place that was reserved before.
    pub(crate) fn gather_at(
        &mut self,
        conn: ConnId,
        place: Option<u32>,
        id: u16,
        args: &Args<'_>,
        then: Then,
    ) -> Option<Box<Gather>> {
        let keep = !matches!(then, Then::Merge(_));
        let logged = self.words_to_log(id, args);
        let session = self.sessions.get(conn)?;
        Some(Box::new(Gather {
            session: conn,
            place,
            command: id,
            db: session.db,
            flags: session.job_flags(),
            args: if keep { args.from(0).map(<[u8]>::to_vec).collect() } else { Vec::new() },
            logged,
            ticks: 0,
            parts: Vec::new(),
            due: 0,
            then,
            extra: Vec::new(),
            watched: CoreSet::default(),
            global: false,
            offer: None,
        }))
    }

    /// A request's condition is known and what it writes has gone out: its session goes on.
    pub(crate) fn after_condition(&mut self, conn: ConnId) {
        if let Some(session) = self.sessions.get(conn)
            && session.stall == Some(Stall::Asking)
        {
            session.stall = None;
            self.runnable.push(conn);
        }
    }

    /// What each owner does of a request, and what follows.
    fn stage<'a>(&self, id: u16, args: &Args<'a>) -> Result<(Then, Vec<Stage>), command::Failure> {
        let spec = self.core.table.entry(id).spec;
        let writes = spec.flags.has(Flags::WRITE);
        let stage = |piece: Piece<'a>| {
            let words = Words::of(id, piece.args.iter().map(|word| &**word));
            let (read, write) = if writes { (None, Some(words)) } else { (Some(words), None) };
            Stage { core: piece.core, keys: piece.keys, whole: false, read, write }
        };
        Ok(match spec.fanout {
            Fanout::All(merge) => {
                let words: Vec<_> = args.from(0).map(Cow::Borrowed).collect();
                let cores = (0..self.core.route.cores() as u16).map(CoreId);
                let pieces =
                    cores.map(|core| Piece { core, keys: Vec::new(), args: words.clone() });
                let whole = |piece| Stage { whole: true, ..stage(piece) };
                (Then::Merge(merge), pieces.map(whole).collect())
            }
            Fanout::Split(merge) => {
                let step = key_step(spec);
                let pieces = self.by_owner(args.get(0), args, &self.key_positions(id, args), step);
                (Then::Merge(merge), pieces.into_iter().map(stage).collect())
            }
            Fanout::Conditional => {
                let pairs = Pairs::parse_as(spec.name, args)?;
                let [exists, writes] = ["EXISTS", "MSETEX"].map(|name| self.core.known(name));
                let writing = self.writing(args, &pairs).into_iter();
                let asking = self.by_owner(b"EXISTS", args, &pairs.positions(), 1).into_iter();
                let words = |command, piece: &Piece<'_>| {
                    Some(Words::of(command, piece.args.iter().map(|word| &**word)))
                };
                let condition = pairs.required_existing();
                let stages = writing.zip(asking).map(|(writing, asking)| Stage {
                    core: writing.core,
                    whole: false,
                    read: condition.and_then(|_| words(exists, &asking)),
                    write: words(writes, &writing),
                    keys: writing.keys,
                });
                (condition.map_or(Then::Written, Then::WriteIf), stages.collect())
            }
            Fanout::Loan | Fanout::Cursor | Fanout::RandomCore => unreachable!("begun elsewhere"),
            Fanout::Single => unreachable!("planned for one core"),
        })
    }

    fn key_positions(&self, id: u16, args: &Args<'_>) -> Vec<u32> {
        let mut keys = Vec::new();
        let specs = self.core.table.entry(id).spec.keys;
        specs.iter().for_each(|spec| spec.positions(args, &mut keys));
        keys
    }

    /// For each owner the keys that it has, each with the `step - 1` arguments behind it.
    fn by_owner<'a>(
        &self,
        name: &'a [u8],
        args: &Args<'a>,
        keys: &[u32],
        step: usize,
    ) -> Vec<Piece<'a>> {
        let mut pieces: Vec<Piece<'a>> = Vec::new();
        let mut of_core = vec![usize::MAX; self.core.route.cores()];
        for (number, position) in keys.iter().enumerate() {
            let core = self.core.route.owner(Slot::of_key(args.get(*position as usize)));
            if of_core[core.index()] == usize::MAX {
                of_core[core.index()] = pieces.len();
                pieces.push(Piece { core, keys: Vec::new(), args: vec![Cow::Borrowed(name)] });
            }
            let piece = &mut pieces[of_core[core.index()]];
            piece.keys.push(number as u32);
            piece
                .args
                .extend((0..step).map(|more| Cow::Borrowed(args.get(*position as usize + more))));
        }
        pieces
    }

    /// For each owner an MSETEX, without condition, of the pairs that it has.
    fn writing<'a>(&self, args: &Args<'a>, pairs: &Pairs) -> Vec<Piece<'a>> {
        let mut pieces = self.by_owner(b"MSETEX", args, &pairs.positions(), 2);
        for piece in &mut pieces {
            let count = piece.keys.len().to_string().into_bytes();
            piece.args.insert(1, Cow::Owned(count));
            piece.args.extend(pairs.options().map(|position| Cow::Borrowed(args.get(position))));
        }
        pieces
    }

    /// Sends the parts of a gather; those of this core are executed at once.
    fn send_pieces(&mut self, mut gather: Box<Gather>, command: u16, pieces: Vec<Piece<'_>>) {
        gather.parts = pieces
            .iter()
            .map(|piece| Part { keys: piece.keys.clone(), ..Part::default() })
            .collect();
        gather.due = pieces.len();
        let (db, flags) = (gather.db, gather.flags);
        let session = self.sessions.get(gather.session);
        // What it has written here before is still on its way (`dispatch.rs`, `by_mail`).
        let by_mail = session.is_some_and(|session| session.mailed_home > 0);
        let (number, generation) = self.gathers.insert(gather);
        for (part, piece) in pieces.into_iter().enumerate() {
            let part = part as u32;
            if piece.core == self.core.id && !by_mail {
                let (mut bytes, mut chain) = (Vec::new(), Chain::default());
                let sink = Sink::behind(&mut bytes, &mut chain);
                let ticks = self.run_words(command, db, flags, &piece.args, sink);
                self.gathers.charge(number, generation, ticks);
                self.fill_part(number, generation, part, whole_of(&mut bytes, chain));
                continue;
            }
            let address = Address::Gather { gather: number, generation, part };
            let planned = Planned { plan: Plan::Many, key: 0, slot: Slot::of_key(b""), hash: 0 };
            let order = Order { address, command, db, flags, planned };
            self.send_job(piece.core, order, piece.args.iter().map(|word| &**word));
        }
    }

    /// Executes words on this core's shard; gives the duration in ticks.
    fn run_words(
        &mut self,
        command: u16,
        db: u8,
        flags: crate::message::JobFlags,
        words: &[Cow<'_, [u8]>],
        reply: Sink<'_>,
    ) -> u64 {
        let (bytes, spans) = joined(words.iter().map(|word| &**word));
        let call = Call { db, flags, ..self.core.call(command) };
        let args = Args::new(&bytes, &spans, self.core.hasher);
        self.shard.execute(&mut self.core, call, &args, reply).ticks
    }

    /// Puts a part's reply in its place; the last one decides what follows.
    pub(crate) fn fill_part(&mut self, number: u32, generation: u32, part: u32, reply: Reply<'_>) {
        if let Some(gather) = self.gathers.fill(number, generation, part, reply) {
            self.on_gathered(gather);
        }
    }

    /// All owners have granted what a transaction wants of them.
    pub(crate) fn on_all_granted(&mut self, mut gather: Box<Gather>) {
        let mut shares = gather.parts.iter().filter_map(|part| part.share.as_ref());
        if let Some(busy) = shares.find_map(|share| share.busy) {
            return self.refuse_transaction(gather, busy);
        }
        if matches!(gather.then, Then::Loan { .. }) {
            return self.on_all_lent(gather);
        }
        let conn = gather.session;
        let shares = take_shares(&mut gather.parts);
        if self.core.table.entry(gather.command).spec.flags.has(Flags::WATCHES) {
            self.after_watch(conn, shares.iter().map(|share| share.owner));
        }
        let refused = shares.iter().any(|share| share.answer.verdict.rejected);
        let writes = shares.iter().any(|share| share.write.is_some());
        // What each of them answers to its writing is asked for only where it makes the reply.
        // Words for all cores (FLUSHALL, SWAPDB) are judged where they are executed.
        let judged =
            gather.then == Then::Merge(Merge::Sum) || shares.iter().any(|share| share.whole);
        let silent = !(writes && judged);
        let applies = match gather.then {
            Then::WriteIf(existing) => {
                let found = shares.iter().map(|share| gather::integer(&share.answer.bytes));
                !refused && found.sum::<i64>() == existing
            }
            _ => !refused,
        };
        if applies && !silent {
            gather.due = shares.len();
            let (number, generation) = self.gathers.insert(gather);
            for share in shares {
                self.finish_share(Box::new(Share {
                    gather: number,
                    generation,
                    applies,
                    ..*share
                }));
            }
            return self.leave_transaction(conn);
        }
        let mut answers = Vec::new();
        for mut share in shares {
            answers.push(std::mem::take(&mut share.answer));
            (share.applies, share.silent) = (applies && writes, true);
            self.finish_share(share);
        }
        match gather.then {
            _ if refused => {
                let mut reply = Vec::new();
                Writer::new(&mut reply, Protocol::Resp2).error(&*command::Failure::OOM.0);
                self.end_gather(&gather, Reply::Whole(&reply));
            }
            Then::Merge(Merge::Ok) if writes => self.end_gather(&gather, Reply::Whole(b"+OK\r\n")),
            Then::WriteIf(_) | Then::Written => {
                let reply = if applies { b":1\r\n" } else { b":0\r\n" };
                self.end_gather(&gather, Reply::Whole(reply));
            }
            _ => {
                for (part, mut answer) in gather.parts.iter_mut().zip(answers) {
                    let reply = whole_of(&mut answer.bytes, std::mem::take(&mut answer.chain));
                    part.set_reply(reply, gather.then == Then::Merge(Merge::Concat));
                }
                self.on_gathered(gather);
            }
        }
        self.leave_transaction(conn);
    }

    /// All parts of a stage have come.
    fn on_gathered(&mut self, mut gather: Box<Gather>) {
        if let Some(error) = gather::first_error(&gather.parts) {
            let error = error.to_vec();
            self.end_gather(&gather, Reply::Whole(&error));
            if matches!(gather.then, Then::Walk(_)) {
                self.after_condition(gather.session);
            }
            return;
        }
        match gather.then {
            Then::Merge(Merge::Concat) => {
                let joined = gather::concat(&mut gather.parts);
                self.end_gather(&gather, Reply::Pieces(joined));
            }
            Then::Merge(how) => {
                let mut merged = Vec::new();
                gather::merge(how, &gather.parts, &mut Writer::new(&mut merged, protocol(&gather)));
                self.end_gather(&gather, Reply::Whole(&merged));
            }
            Then::DrawCore => self.draw_core(gather),
            Then::Walk(_) => self.on_walked(gather),
            Then::WriteIf(_) | Then::Written | Then::Loan { .. } => {
                unreachable!("ends when all have granted")
            }
        }
    }

    /// One core is drawn by its number of keys; the request runs there.
    fn draw_core(&mut self, mut gather: Box<Gather>) {
        let mut left = self.core.prng.below(gather::sum(&gather.parts) as u64) as i64;
        let sizes = gather.parts.iter().map(gather::integer_of);
        let drawn = sizes.enumerate().find(|(_, size)| {
            left -= size;
            left < 0
        });
        let core = CoreId(drawn.map_or(0, |(core, _)| core) as u16);
        gather.then = Then::Merge(command::Merge::First);
        let words = std::mem::take(&mut gather.args);
        self.send_whole(gather, core, words);
    }

    /// Sends a request as a whole to one core.
    pub(crate) fn send_whole(&mut self, gather: Box<Gather>, core: CoreId, words: Vec<Vec<u8>>) {
        let args = words.into_iter().map(Cow::Owned).collect();
        let command = gather.command;
        self.send_pieces(gather, command, vec![Piece { core, keys: Vec::new(), args }]);
    }

    /// The request is done.
    pub(crate) fn end_gather(&mut self, gather: &Gather, reply: Reply<'_>) {
        let (whole, bytes) = (reply.whole(), reply.len());
        let verdict = Verdict {
            failed: whole.starts_with(b"-"),
            ticks: gather.ticks,
            weight: 1,
            ..Verdict::default()
        };
        let args = Args::new(&[], &[], self.core.hasher);
        self.note_at(gather.session, None, gather.command, verdict, &args, (whole, bytes));
        if gather.ticks >= self.core.slow_ticks || bytes as u64 >= self.core.large_bytes {
            self.observe_gather(gather, bytes);
        }
        if let Some(place) = gather.place {
            self.fill_place(gather.session, place, reply);
        }
    }
}

/// The shares of a transaction, which have all come.
pub(crate) fn take_shares(parts: &mut [Part]) -> Shares {
    parts.iter_mut().map(|part| part.share.take().expect("every share has come")).collect()
}

/// The reply that was written into a buffer of its own and a chain.
pub(crate) fn whole_of(bytes: &mut Vec<u8>, mut chain: Chain) -> Reply<'_> {
    if chain.is_empty() {
        return Reply::Whole(bytes);
    }
    finish(bytes, 0, &mut chain);
    Reply::Pieces(chain)
}

pub(crate) fn protocol(gather: &Gather) -> Protocol {
    if gather.flags.resp3 { Protocol::Resp3 } else { Protocol::Resp2 }
}

/// Words one behind the other, and where each is.
pub(crate) fn joined<'a>(words: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Vec<Span>) {
    let (mut bytes, mut spans) = (Vec::new(), Vec::new());
    for word in words {
        spans.push(Span { start: bytes.len() as u32, len: word.len() as u32 });
        bytes.extend_from_slice(word);
    }
    (bytes, spans)
}
