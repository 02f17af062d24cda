//! From bytes to requests: parse what sessions have sent into the arena, prefetch, execute in order,
//! and keep what could not be executed.

use crate::dispatch::Flow;
use crate::engine::Turn;
use crate::fill::OFFERED_BYTES_MIN;
use crate::session::client::Gates;
use crate::session::input::{Arena, Pending, Reading, Request, Source, What, input_bytes};
use crate::session::plan;
use base::ConnId;
use base::limits::TURN_REQUESTS_MAX;
use command::Args;
use resp::parse::{Limits, Parsed, parse};
use store::Hint;

/// Requests of pending input that are parsed before they are executed.
const RESUMED_AHEAD: usize = 64;

impl Turn<'_, '_> {
    /// Parses what a session has sent, as far as it is complete.
    pub(crate) fn read(&mut self, conn: ConnId, source: Source) {
        let Some(session) = self.engine.sessions.get(conn) else { return };
        if session.input.is_away() {
            return;
        }
        let input = match source {
            Source::Event(_) => Pending::default(),
            Source::Input => std::mem::take(&mut session.input),
        };
        session.reading = true;
        let spent = session.spent;
        let number = self.engine.arena.readings.len() as u32;
        let reading = Reading {
            session: conn,
            source,
            input,
            shared: None,
            parsed: 0,
            wants: 0,
            stalled_at: None,
            cut: false,
        };
        self.engine.arena.readings.push(reading);
        let share = self.engine.share_left(spent);
        let left = self.parse(conn, number, share, source);
        self.engine.arena.readings[number as usize].cut = left == 0;
        self.engine.spend_share(conn, share - left);
    }

    /// Parses up to `share` requests of a reading, and says how many it could have been more.
    #[inline]
    fn parse(&mut self, conn: ConnId, number: u32, share: u32, source: Source) -> u32 {
        // A session with pending input may stall again after a few requests, and what was parsed
        // beyond is parsed again then.
        let ahead = if source == Source::Input { RESUMED_AHEAD } else { TURN_REQUESTS_MAX };
        let mut left = share;
        while left > 0 {
            let stepwise = self.engine.sessions.get(conn).is_some_and(|s| s.gates.any(Gates::AUTH));
            if !self.parse_one(conn, number) {
                return left;
            }
            left -= 1;
            if stepwise || self.engine.arena.requests.len() >= ahead {
                self.execute();
                if self.engine.arena.readings[number as usize].stalled_at.is_some() {
                    return left;
                }
            }
        }
        left
    }

    /// Parses one request of a reading. False when there is no more.
    #[inline]
    fn parse_one(&mut self, conn: ConnId, number: u32) -> bool {
        let engine = &mut *self.engine;
        let Some(session) = engine.sessions.get(conn) else { return false };
        let limits = Limits {
            bulk_bytes: engine.core.bulk_bytes_max,
            authenticated: session.authenticated,
            ..Limits::default()
        };
        let Arena { requests, readings, spans, scratch, keys } = &mut engine.arena;
        let reading = &mut readings[number as usize];
        let bytes: &[u8] = match reading.source {
            Source::Event(index) => self.sources[index as usize],
            Source::Input => input_bytes(&reading.input, reading.shared.as_ref()),
        };
        let (start, span) = (reading.parsed, spans.len());
        if start >= bytes.len() {
            return false;
        }
        let (consumed, args, inline) =
            match parse(bytes, start, &mut session.partial, spans, scratch, &limits) {
                Parsed::Request { consumed, args } => (consumed, args, false),
                Parsed::Inline { consumed, args } => (consumed, args, true),
                Parsed::Empty { consumed } => {
                    reading.parsed += consumed;
                    requests.push(Request::bare(number, start, What::Blank));
                    return true;
                }
                Parsed::Incomplete { wants } => {
                    reading.wants = wants;
                    return false;
                }
                Parsed::Error(error) => {
                    reading.parsed = bytes.len();
                    requests.push(Request::bare(number, start, What::Broken(error)));
                    return false;
                }
            };
        reading.parsed += consumed;
        let text: &[u8] = if inline { scratch } else { bytes };
        let view = Args::new(text, &spans[span..], engine.core.hasher);
        let what = match engine.core.resolve(&view) {
            Ok(entry) => {
                let planned = plan::plan(entry, &view, engine.core.id, engine.core.route, keys);
                if planned.is_local_key() && engine.core.prefetch_ahead > 0 {
                    let hint = Hint { db: session.db, slot: planned.slot, hash: planned.hash };
                    engine.ahead.push(&engine.shard.store, hint);
                }
                What::Command(entry.id, planned)
            }
            Err(_) => What::Refused,
        };
        requests.push(Request {
            reading: number,
            start: start as u32,
            span: span as u32,
            args,
            inline,
            what,
        });
        true
    }

    /// Executes everything parsed so far, in order of arrival.
    fn execute(&mut self) {
        let mut arena = std::mem::take(&mut self.engine.arena);
        let distance = self.engine.core.prefetch_ahead;
        self.engine.ahead.start(&self.engine.shard.store, distance);
        for index in 0..arena.requests.len() {
            let request = arena.requests[index];
            if request.what.is_local_key() {
                self.engine.ahead.next(&self.engine.shard.store);
            }
            let reading = &arena.readings[request.reading as usize];
            if reading.stalled_at.is_some() {
                continue;
            }
            let (conn, end) = (reading.session, request.start as usize);
            let offered = reading.source == Source::Input
                && reading.input.len() >= OFFERED_BYTES_MIN
                && self.offer(&mut arena, &request);
            let args = Args::new(
                text_of(&self.sources, &arena, &request),
                arena.spans_of(&request),
                self.engine.core.hasher,
            );
            let flow = self.engine.dispatch(conn, request.what, &args);
            if offered {
                self.engine.shard.store.withdraw_offer();
            }
            if flow != Flow::Next {
                let next =
                    arena.requests[index + 1..].iter().find(|next| next.reading == request.reading);
                let parsed = arena.readings[request.reading as usize].parsed;
                let after = next.map_or(parsed, |next| next.start as usize);
                let at = if flow == Flow::Wait { end } else { after };
                arena.readings[request.reading as usize].stalled_at = Some(at);
            }
        }
        arena.requests.clear();
        arena.spans.clear();
        arena.scratch.clear();
        self.engine.arena = arena;
        self.engine.core.counters.prefetched += self.engine.ahead.finish() as u64;
    }

    /// Executes what was parsed, and gives what was not to the sessions to keep.
    pub(crate) fn settle(&mut self) {
        self.execute();
        let mut readings = std::mem::take(&mut self.engine.arena.readings);
        for mut reading in readings.drain(..) {
            let Some(session) = self.engine.sessions.get(reading.session) else { continue };
            session.reading = false;
            if session.closing {
                session.input = Pending::default();
                continue;
            }
            let from = reading.stalled_at.unwrap_or(reading.parsed);
            if reading.stalled_at.is_some() {
                session.partial = None;
            }
            match reading.source {
                Source::Event(index) => session.input.append(&self.sources[index as usize][from..]),
                Source::Input => {
                    match reading.shared {
                        Some(shared) => reading.input.unshare(shared, from),
                        None => reading.input.skip(from),
                    }
                    session.input = reading.input;
                }
            }
            session.input.missing = 0;
            let missing = if reading.stalled_at.is_some() { 0 } else { reading.wants };
            let (conn, more) = (reading.session, reading.cut && !session.input.is_empty());
            if more {
                self.engine.defer(conn);
            }
            self.engine.bound_query_buffer(conn);
            self.engine.bound_input(conn);
            self.engine.note_missing(conn, missing);
        }
        self.engine.arena.readings = readings;
        self.sources.clear();
    }
}

/// The bytes that a request's spans refer to.
fn text_of<'a>(sources: &'a [&'a [u8]], arena: &'a Arena, request: &Request) -> &'a [u8] {
    if request.inline {
        return &arena.scratch;
    }
    let reading = &arena.readings[request.reading as usize];
    match reading.source {
        Source::Event(index) => sources[index as usize],
        Source::Input => input_bytes(&reading.input, reading.shared.as_ref()),
    }
}
