//! Plays the steps of a script on both servers and compares, after each step, what every client has received.
//!
//! A blocked client has no reply until somebody wakes it, so silence is compared too. That nothing more is coming is
//! known of Redis after two answers to a control connection that were asked for one after the other: it has one thread.
//! Of a server with many it is assumed once it has given as many replies to each client as Redis and has as many
//! blocked clients, and another round of the control connection changed nothing. A reply that comes later still is
//! one too many in a later step.
//!
//! Where cores work beside each other, what several clients do in one step has more than one right order: `order.rs` says which
//! others than Redis' are allowed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::meant::{calls_by_name, changes_names, ends_itself, is_exec, is_null, is_void};
use super::plant::Plant;
use super::seat::{Seat, fill_in_dumps, translated, without_own_id};
use super::step::{Request, Step};
use crate::peer::{Link, Reply, Server, Sides};
use crate::random::intended::{self, Case, Intended};
use crate::random::script::line;
use crate::random::{Difference, ask, rules, signature};
use crate::wire::{Value, encode};

/// Clients of a script.
pub const CLIENTS: usize = 5;
/// The sides agree within this time or they differ.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// The same while a difference is shrunk.
pub const PATIENCE_SHORT: Duration = Duration::from_millis(300);
/// Rounds of the control connections before a step counts as over.
const ROUNDS_LEAST: u32 = 2;
/// Rounds that go without a pause.
const ROUNDS_BUSY: u32 = 20;
/// Between two rounds after that.
const PAUSE: Duration = Duration::from_millis(1);
/// Where another order may be looked for, a client that waits for so many replies is sent no more: the orders multiply.
const PENDING_MAX: usize = 6;
/// After requests that are not answered at all, since nothing tells that they were done.
const GRACE: Duration = Duration::from_millis(5);

/// Both servers with the clients of the current script, and what is counted.
pub struct Player {
    /// The servers.
    pub servers: Sides<Server>,
    pub(super) control: Option<Sides<Link>>,
    pub(super) seats: Vec<Option<Seat>>,
    pub(super) protocols: [u8; CLIENTS],
    dumps: Sides<Vec<u8>>,
    /// What the oracle has been sent in this script, step by step.
    pub(super) log: Vec<Step>,
    /// Whether the server under test may choose between orders that no client can tell apart.
    pub orders: bool,
    /// In how many steps it took another than Redis.
    pub reordered: u64,
    /// How many orders were tried last, and whether these were all there are.
    pub tried: (usize, bool),
    /// A transaction runs in this step that changes what the server knows by name.
    names_move: bool,
    /// Redis said something that is meant to be different, and with which the script cannot go on.
    over: bool,
    plant: Option<Plant>,
    vanished: bool,
    /// How long the sides may take to agree.
    pub patience: Duration,
    /// Requests compared so far.
    pub compared: u64,
    /// Steps played so far.
    pub steps: u64,
    /// Steps whose end was waited for longer than a few rounds.
    pub slow: u64,
    /// Replies that came to clients which were blocked.
    pub woken: u64,
    /// How often each intended difference was met.
    pub excused: BTreeMap<&'static str, u64>,
}

/// What of a side must be the same on the other.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    /// Replies of each client and whether it is closed.
    clients: Vec<(usize, bool)>,
    blocked: Option<u64>,
}

impl Player {
    /// Takes two servers that answer.
    pub fn new(servers: Sides<Server>, plant: Option<Plant>) -> Player {
        Player {
            servers,
            control: None,
            seats: Vec::new(),
            protocols: [2; CLIENTS],
            dumps: Sides::default(),
            log: Vec::new(),
            orders: false,
            reordered: 0,
            tried: (0, false),
            names_move: false,
            over: false,
            plant,
            vanished: false,
            patience: PATIENCE,
            compared: 0,
            steps: 0,
            slow: 0,
            woken: 0,
            excused: BTreeMap::new(),
        }
    }

    fn connect(&self) -> Result<Sides<Link>> {
        Ok(Sides {
            oracle: Link::connect(self.servers.oracle.addr())
                .context("the oracle does not accept connections")?,
            subject: Link::connect(self.servers.subject.addr())
                .context("the server under test does not accept connections")?,
        })
    }

    /// Plays `steps` from an empty state. Returns the first difference.
    pub fn play(&mut self, steps: &[Step], protocols: [u8; CLIENTS]) -> Result<Option<Difference>> {
        if let Some(difference) = self.reset(protocols)? {
            return Ok(Some(difference));
        }
        for (at, step) in steps.iter().enumerate() {
            self.compared += step.requests() as u64;
            self.steps += 1;
            if let Some(mut difference) = self.step(step)? {
                difference.action = at;
                return Ok(Some(difference));
            }
            if self.over {
                break;
            }
        }
        Ok(None)
    }

    /// Lets all clients go and empties both servers.
    fn reset(&mut self, protocols: [u8; CLIENTS]) -> Result<Option<Difference>> {
        self.seats = (0..CLIENTS).map(|_| None).collect();
        self.protocols = protocols;
        self.dumps = Sides::default();
        self.log.clear();
        self.over = false;
        self.vanished = false;
        let mut control = self.connect()?;
        let requests: [&[&[u8]]; 4] = [
            &[b"CLIENT", b"UNPAUSE"],
            &[b"SCRIPT", b"FLUSH"],
            &[b"FUNCTION", b"FLUSH"],
            &[b"FLUSHALL"],
        ];
        for words in requests {
            ask(&mut control, words);
        }
        let begun = Instant::now();
        loop {
            let blocked = blocked_clients(&mut control);
            if blocked.oracle.is_none_or(|n| n == 0) && blocked.subject.is_none_or(|n| n == 0) {
                break;
            }
            if begun.elapsed() > self.patience {
                return Ok(Some(unlike(
                    &[b"INFO".to_vec(), b"clients".to_vec()],
                    format!("{:?} blocked after all clients went", blocked.oracle),
                    format!("{:?} blocked after all clients went", blocked.subject),
                )));
            }
            std::thread::sleep(PAUSE);
        }
        self.control = Some(control);
        Ok(None)
    }

    fn step(&mut self, step: &Step) -> Result<Option<Difference>> {
        for seat in self.seats.iter_mut().flatten() {
            seat.waited = !seat.sent.is_empty();
        }
        if let Step::Send { client, .. } = step
            && self.orders
            && self.seats[*client].as_ref().is_some_and(|seat| seat.sent.len() >= PENDING_MAX)
        {
            return Ok(None);
        }
        // Nor can an order be found for what is not answered.
        if let Step::Send { requests, .. } = step
            && self.orders
            && requests.iter().any(is_quiet)
            && self.seats.iter().flatten().any(|seat| !seat.sent.is_empty())
        {
            return Ok(None);
        }
        let before = self.scene(step);
        let mut done = step.clone();
        match step {
            Step::Send { client, requests } => {
                if let Step::Send { requests, .. } = &mut done {
                    let dump = &self.dumps.oracle;
                    requests.iter_mut().for_each(|request| fill_in_dumps(request, dump));
                }
                self.send(*client, requests)?;
            }
            Step::Vanish { client } => {
                self.vanished |= self.seats[*client].as_ref().is_some_and(|seat| seat.waited);
                self.seats[*client] = None;
            }
            Step::Wait(time) => std::thread::sleep(*time),
        }
        self.settle();
        if let Some(plant) = self.plant {
            self.spoil(plant);
        }
        let told = self.told();
        self.names_move = self.orders && before.changes_names();
        let mut difference = self.compare(step);
        if difference.is_none() && self.orders && before.is_open(&told) {
            difference = self.keyspaces_differ(step);
        }
        if self.orders {
            for client in before.watchers_in_doubt(&told) {
                self.seats[client].iter_mut().for_each(|seat| seat.unsure = true);
            }
        }
        let may_differ = self.orders || before.is_sweeping();
        if difference.is_some() && may_differ && self.has_another_order(&before, &told)? {
            self.reordered += 1;
            difference = None;
        } else if difference.is_some() && self.orders && before.kills(&told) {
            *self.excused.entry("killed-amid-a-step").or_default() += 1;
            self.over = true;
            difference = None;
        } else if difference.is_some() && self.orders && before.acts_on_clients() {
            *self.excused.entry("clients-within-transactions").or_default() += 1;
            self.over = true;
            difference = None;
        } else {
            self.log.push(done);
        }
        Ok(difference)
    }

    fn send(&mut self, client: usize, requests: &[Request]) -> Result<()> {
        if self.seats[client].is_none() {
            self.seats[client] = Some(self.sit_down(client)?);
        }
        let mut bytes = Sides::<Vec<u8>>::default();
        for request in requests {
            let id_of =
                |number: usize| self.seats.get(number)?.as_ref().map(|seat| seat.ids.clone());
            let mut both = translated(request, id_of, &self.dumps);
            if let Some(plant) = self.plant {
                both.subject = plant.request(&both.subject, self.vanished);
            }
            encode(&both.oracle, &mut bytes.oracle);
            encode(&both.subject, &mut bytes.subject);
        }
        let seat = self.seats[client].as_mut().expect("it has sat down above");
        seat.links.oracle.queue(&bytes.oracle);
        seat.links.subject.queue(&bytes.subject);
        seat.sent.extend(requests.iter().cloned());
        seat.move_bytes();
        if requests.iter().any(is_quiet) {
            seat.mapped = false;
            std::thread::sleep(GRACE);
        }
        Ok(())
    }

    fn sit_down(&self, client: usize) -> Result<Seat> {
        let mut links = self.connect()?;
        let ids = ask(&mut links, &[b"CLIENT", b"ID"]);
        let id = |reply: &Reply| {
            reply.value().and_then(|value| value.integer()).unwrap_or(0).to_string().into_bytes()
        };
        let ids = ids.as_ref().map(id);
        if self.protocols[client] == 3 {
            ask(&mut links, &[b"HELLO", b"3"]);
        }
        Ok(Seat::new(links, ids))
    }

    /// Collects replies until both sides agree on how many there are, or the patience ends.
    fn settle(&mut self) {
        let Some(mut control) = self.control.take() else {
            return;
        };
        let begun = Instant::now();
        let mut before = None;
        for round in 1.. {
            let blocked = blocked_clients(&mut control);
            let state = self.state(blocked);
            let agreed = state.oracle == state.subject && !self.is_about_to_give_up();
            if round >= ROUNDS_LEAST && agreed && before.as_ref() == Some(&state.oracle) {
                break;
            }
            if begun.elapsed() > self.patience || control.oracle.is_closed() {
                break;
            }
            if round == ROUNDS_BUSY {
                self.slow += 1;
            }
            if round >= ROUNDS_BUSY {
                std::thread::sleep(PAUSE);
            }
            before = agreed.then_some(state.oracle);
        }
        self.control = Some(control);
    }

    /// Whether somebody waits for so short a time that the next step would be a race with its end.
    fn is_about_to_give_up(&self) -> bool {
        self.seats.iter().flatten().any(|seat| {
            let under_way =
                |link: &Link| seat.sent.get(link.replies.len()).filter(|_| !link.is_closed());
            let waits = [under_way(&seat.links.oracle), under_way(&seat.links.subject)];
            waits.into_iter().flatten().any(|request| seat.mapped && is_short_wait(request))
        })
    }

    fn state(&mut self, blocked: Sides<Option<u64>>) -> Sides<State> {
        for seat in self.seats.iter_mut().flatten() {
            seat.move_bytes();
            if self.plant == Some(Plant::LostWake) && seat.waited {
                let kept = |reply: &mut Reply| {
                    self.plant.is_none_or(|plant| plant.reply(&Request::new(), reply, true))
                };
                seat.links.subject.replies.retain_mut(kept);
            }
        }
        let of = |link: fn(&Seat) -> &Link, blocked| {
            let one = |seat: &Option<Seat>| {
                seat.as_ref().map_or((0, true), |seat| {
                    let link = link(seat);
                    (link.replies.len(), link.is_closed())
                })
            };
            State { clients: self.seats.iter().map(one).collect(), blocked }
        };
        Sides {
            oracle: of(|seat| &seat.links.oracle, blocked.oracle),
            subject: of(|seat| &seat.links.subject, blocked.subject),
        }
    }

    fn compare(&mut self, step: &Step) -> Option<Difference> {
        for client in 0..CLIENTS {
            let Some(mut seat) = self.seats[client].take() else {
                continue;
            };
            if let Some(mut difference) = self.compare_seat(&mut seat) {
                difference.request =
                    format!("(client {client}) {} after {}", difference.request, step.show());
                self.seats[client] = Some(seat);
                return Some(difference);
            }
            if !seat.links.oracle.is_closed() {
                self.seats[client] = Some(seat);
            }
        }
        None
    }

    /// Spoils what the server under test has said.
    fn spoil(&mut self, plant: Plant) {
        for seat in self.seats.iter_mut().flatten() {
            for (request, reply) in seat.sent.iter().zip(&mut seat.links.subject.replies) {
                plant.reply(request, reply, false);
            }
        }
        if plant == Plant::WrongWaiter {
            self.mix_up();
        }
    }

    fn mix_up(&mut self) {
        let woken = |seat: &&mut Seat| seat.waited && seat.links.subject.replies.len() == 1;
        let mut woken: Vec<&mut Seat> = self.seats.iter_mut().flatten().filter(woken).collect();
        if let [first, second, ..] = woken.as_mut_slice() {
            std::mem::swap(&mut first.links.subject.replies, &mut second.links.subject.replies);
        }
    }

    fn compare_seat(&mut self, seat: &mut Seat) -> Option<Difference> {
        let expected = std::mem::take(&mut seat.links.oracle.replies);
        let got = std::mem::take(&mut seat.links.subject.replies);
        if seat.waited {
            self.woken += expected.len() as u64;
        }
        if !expected.is_empty() || !seat.waited {
            seat.since = self.steps;
        }
        let missing = |link: &Link| if link.is_closed() { Reply::Closed } else { Reply::Silent };
        for (at, oracle) in expected.iter().enumerate() {
            let request = seat.next_request();
            let Some(subject) = got.get(at) else {
                if is_void(&request, oracle) {
                    *self.excused.entry("nothing-to-be-read").or_default() += 1;
                    self.over = true;
                    return None;
                }
                let got = missing(&seat.links.subject).to_string();
                return Some(unlike(&request, oracle.show(), got));
            };
            self.note(&request, oracle, subject);
            let in_doubt = is_exec(&request) && std::mem::take(&mut seat.unsure);
            if in_doubt && is_null(subject) && oracle != subject {
                *self.excused.entry("watched-while-others-woke").or_default() += 1;
                self.over = true;
                return None;
            }
            let (queued, ids) = (&mut seat.queued, &seat.ids);
            if let Some(difference) = self.judge(queued, ids, &request, oracle, subject) {
                if self.names_move && (calls_by_name(&request) || changes_names(&request)) {
                    *self.excused.entry("names-within-transactions").or_default() += 1;
                    self.over = true;
                    return None;
                }
                return Some(difference);
            }
        }
        if let Some(surplus) = got.get(expected.len()) {
            let request = seat.next_request();
            if seat.links.oracle.is_closed() && ends_itself(&request, &seat.queued) {
                *self.excused.entry("client-that-kills-itself").or_default() += 1;
                self.over = true;
                return None;
            }
            if self.is_forgotten(&request, surplus) {
                *self.excused.entry("left-waiting").or_default() += 1;
                self.over = true;
                return None;
            }
            return Some(unlike(&request, missing(&seat.links.oracle).to_string(), surplus.show()));
        }
        let (oracle, subject) = (seat.links.oracle.is_closed(), seat.links.subject.is_closed());
        if oracle != subject {
            let show = |closed: bool| if closed { "(connection closed)" } else { "(still open)" };
            let request = seat.next_request();
            return Some(unlike(&request, show(oracle).to_owned(), show(subject).to_owned()));
        }
        None
    }

    /// Keeps what later requests are made of.
    fn note(&mut self, request: &Request, oracle: &Reply, subject: &Reply) {
        let is =
            |at: usize, word: &[u8]| request.get(at).is_some_and(|w| w.eq_ignore_ascii_case(word));
        if is(0, b"FUNCTION") && is(1, b"DUMP") {
            let text = |reply: &Reply| reply.value().and_then(|v| v.text().map(<[u8]>::to_vec));
            if let (Some(oracle), Some(subject)) = (text(oracle), text(subject)) {
                self.dumps = Sides { oracle, subject };
            }
        }
    }

    /// What is wrong with a reply. `open` is what the client has queued so far.
    pub(super) fn judge(
        &mut self,
        open: &mut Vec<Request>,
        ids: &Sides<Vec<u8>>,
        request: &Request,
        oracle: &Reply,
        subject: &Reply,
    ) -> Option<Difference> {
        let is = |word: &[u8]| request.first().is_some_and(|name| name.eq_ignore_ascii_case(word));
        if matches!(oracle, Reply::Raw(raw) if raw == b"+QUEUED\r\n") {
            open.push(request.clone());
        }
        // One that is refused, such as a MULTI within another, leaves the transaction as it is.
        let refused = matches!(oracle, Reply::Raw(raw) if raw.starts_with(b"-ERR"));
        let ends = is(b"EXEC") || is(b"MULTI") || is(b"RESET") || is(b"DISCARD");
        let queued = if ends && !refused { std::mem::take(open) } else { Vec::new() };
        if oracle == subject {
            return None;
        }
        if is(b"EXEC")
            && let (Some(a), Some(b)) = (oracle.value(), subject.value())
            && let (Value::Array(a), Value::Array(b)) = (&a, &b)
            && a.len() == b.len()
            && a.len() == queued.len()
        {
            let each = queued.iter().zip(a).zip(b).enumerate();
            for (at, ((request, a), b)) in each {
                let Some(difference) = self.judge_values(ids, request, a, b) else {
                    continue;
                };
                if !(calls_by_name(request) && queued[..at].iter().any(changes_names)) {
                    return Some(difference);
                }
                *self.excused.entry("names-within-transactions").or_default() += 1;
                self.over = true;
            }
            return None;
        }
        match (oracle.value(), subject.value()) {
            (Some(a), Some(b)) => self.judge_values(ids, request, &a, &b),
            _ => Some(unlike(request, oracle.show(), subject.show())),
        }
    }

    /// Two parsed replies to one request, or to one of a transaction.
    fn judge_values(
        &mut self,
        ids: &Sides<Vec<u8>>,
        request: &Request,
        oracle: &Value,
        subject: &Value,
    ) -> Option<Difference> {
        let (oracle, subject) = (
            &without_own_id(request, oracle, &ids.oracle),
            &without_own_id(request, subject, &ids.subject),
        );
        if oracle == subject {
            return None;
        }
        let mut shown = Sides { oracle: oracle.show(), subject: subject.show() };
        if let Some(normaliser) = rules::normaliser(request) {
            // Waits between the sides are bounded by the patience of a step, and far less as a rule.
            if normaliser.agree(oracle, subject, 20) {
                return None;
            }
            shown = normaliser.views(oracle, subject);
        }
        let raw = Sides { oracle, subject }.map(|value| Reply::Raw(value.to_raw()));
        let case = Case { args: request, replies: raw.as_ref(), before: None };
        if let Some(Intended { name, .. }) = intended::excuse(&case) {
            *self.excused.entry(name).or_default() += 1;
            return None;
        }
        Some(unlike(request, shown.oracle, shown.subject))
    }
}

/// Whether a request changes whether requests are answered.
fn is_quiet(request: &Request) -> bool {
    request.len() > 1
        && request[0].eq_ignore_ascii_case(b"CLIENT")
        && request[1].eq_ignore_ascii_case(b"REPLY")
}

/// Whether a request waits for some milliseconds at the most.
fn is_short_wait(request: &Request) -> bool {
    let number = |word: &Vec<u8>| std::str::from_utf8(word).ok()?.parse::<f64>().ok();
    let is_short = |seconds: f64| 0.0 < seconds && seconds < 0.1;
    let name = request[0].to_ascii_uppercase();
    let timeout = match name.as_slice() {
        b"BLMPOP" | b"BZMPOP" => request.get(1).and_then(number),
        b"BLPOP" | b"BRPOP" | b"BLMOVE" | b"BRPOPLPUSH" | b"BZPOPMIN" | b"BZPOPMAX" => {
            request.last().and_then(number)
        }
        b"WAIT" => request.get(2).and_then(number).map(|ms| ms / 1000.0),
        b"XREAD" | b"XREADGROUP" => {
            let at = request.iter().position(|word| word.eq_ignore_ascii_case(b"BLOCK"));
            at.and_then(|at| request.get(at + 1)).and_then(number).map(|ms| ms / 1000.0)
        }
        _ => None,
    };
    timeout.is_some_and(is_short)
}

pub(super) fn unlike(request: &[Vec<u8>], expected: String, got: String) -> Difference {
    Difference {
        action: 0,
        request: line(request),
        signature: signature(request, &expected, &got),
        expected,
        got,
    }
}

/// The blocked clients of both sides; `None` where INFO does not tell.
pub(super) fn blocked_clients(control: &mut Sides<Link>) -> Sides<Option<u64>> {
    let replies = ask(control, &[b"INFO", b"clients"]);
    let count = |reply: &Reply| {
        let text = reply.value()?.string()?;
        let line = text.lines().find_map(|line| line.strip_prefix("blocked_clients:"))?;
        line.trim().parse().ok()
    };
    replies.as_ref().map(count)
}
