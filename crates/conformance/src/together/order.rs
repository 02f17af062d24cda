//! Orders that clients cannot tell from Redis' own.
//!
//! Redis has one thread, so one order is given with what it is sent. Where cores work beside each other, what one step sets off may come in
//! others: when a pipeline wakes clients, their own requests and the rest of the pipeline are concurrent, and each client
//! only knows the order of its own. When the replies of a step differ, or the data afterwards, another order is looked for, and *Redis
//! judges it*: it plays the script again, and in the last step the requests are sent one after the other in the order that is tried,
//! a wait that ended in this step being sent only where it ends. If each reply and all data are those of the server
//! under test, nothing has gone wrong, and the script goes on from there. So nothing passes that is not what Redis
//! answers in some order in which each client's requests stay in theirs.
//!
//! A client that waited for several keys may be served by any of them that has something, since each owner serves whom it finds:
//! where its request fits no order, it is tried with the key alone that its reply names.
//!
//! Who waits longer is served first: an order in which two clients are served from one key the other way round is not tried,
//! and one in which a client is served while another waits for it fails, since to Redis the other does wait.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::pen::is_key;
use super::play::{CLIENTS, PATIENCE, Player, blocked_clients, unlike};
use super::scene::{Actor, Part, Scene, Told, is_refusal, key_served};
use super::search::Search;
use super::seat::Seat;
use super::stage::{DATABASES, Stage, ask_one, compare_keyspaces};
use super::step::{Request, Step};
use crate::peer::{Reply, Sides};
use crate::random::Difference;

/// How long orders of one step are tried.
const TRIES_TIME: Duration = Duration::from_secs(40);
/// The same while a difference is shrunk.
const TRIES_TIME_SHORT: Duration = Duration::from_secs(2);
impl Player {
    /// What is under way before a step.
    pub(super) fn scene(&self, step: &Step) -> Scene {
        let mut parts = vec![None; CLIENTS];
        for (part, seat) in parts.iter_mut().zip(&self.seats) {
            *part = seat.as_ref().map(|seat| Part {
                requests: seat.sent.iter().cloned().collect(),
                old: seat.sent.len(),
                queued: seat.queued.clone(),
                watched: Vec::new(),
                since: seat.since,
                mapped: seat.mapped,
            });
        }
        match step {
            Step::Send { client, requests } => {
                let fresh = || Part { mapped: true, ..Part::default() };
                let part = parts[*client].get_or_insert_with(fresh);
                part.requests.extend(requests.iter().cloned());
            }
            Step::Vanish { client } => parts[*client] = None,
            Step::Wait(_) => {}
        }
        for step in self.log.iter().chain([step]) {
            let Step::Send { client, requests } = step else { continue };
            let watches = |request: &&Request| request[0].eq_ignore_ascii_case(b"WATCH");
            if let Some(part) = &mut parts[*client] {
                let keys = requests.iter().filter(watches).flatten();
                part.watched.extend(keys.filter(|word| is_key(word)).cloned());
            }
        }
        Scene { parts, step: step.clone() }
    }

    /// What the server under test has said since the last step.
    pub(super) fn told(&self) -> Vec<Told> {
        let one = |seat: &Option<Seat>| match seat {
            None => Told { closed: true, ..Told::default() },
            Some(seat) => Told {
                replies: seat.links.subject.replies.clone(),
                closed: seat.links.subject.is_closed(),
                by_redis: !seat.links.oracle.replies.is_empty(),
            },
        };
        self.seats.iter().map(one).collect()
    }

    /// Whether Redis lets a client wait for a key that could serve it, as it does after another kind of value was overwritten.
    pub(super) fn is_forgotten(&mut self, request: &Request, reply: &Reply) -> bool {
        let Some(key) = key_served(request, reply) else {
            return false;
        };
        let Some(Sides { oracle, .. }) = &mut self.control else {
            return false;
        };
        let wanted: &[u8] =
            if request[0].to_ascii_uppercase().starts_with(b"BZ") { b"zset" } else { b"list" };
        let Ok(key) = std::str::from_utf8(&key) else {
            return false;
        };
        let is_there = (0..DATABASES).any(|database| {
            ask_one(oracle, &["SELECT", &database.to_string()]);
            ask_one(oracle, &["TYPE", key]).value().is_some_and(|kind| kind.text() == Some(wanted))
        });
        ask_one(oracle, &["SELECT", "0"]);
        is_there
    }

    /// Compares all data.
    pub(super) fn keyspaces_differ(&mut self, step: &Step) -> Option<Difference> {
        let mut control = self.control.take()?;
        let difference = compare_keyspaces(&mut control);
        self.control = Some(control);
        difference.map(|(key, sides)| {
            let shown = format!("(data) {key} after {}", step.show());
            Difference {
                request: shown,
                ..unlike(&[key.into_bytes()], sides.oracle, sides.subject)
            }
        })
    }

    /// Looks for another order of what a step has set off in which Redis says what the server under test has said. If there is one,
    /// Redis has played it when this returns, and the clients go on from there.
    pub(super) fn has_another_order(&mut self, scene: &Scene, told: &[Told]) -> Result<bool> {
        for seat in self.seats.iter_mut().flatten() {
            seat.links.oracle.close();
        }
        self.tried = (0, true);
        let Some((_, waiters)) = scene.actors(told, 0, false) else {
            return Ok(false);
        };
        let all = (1 << waiters) - 1;
        let mut ways = vec![(all, false), (0, false)];
        ways.extend((1..all).map(|natural| (natural, false)));
        ways.extend((0..all).map(|natural| (natural, true)));
        // Where a difference is shrunk nobody waits so long.
        let time = if self.patience == PATIENCE { TRIES_TIME } else { TRIES_TIME_SHORT };
        let end = Instant::now() + time;
        for (natural, narrows) in ways {
            if let Some((actors, _)) = scene.actors(told, natural, narrows)
                && self.search(actors, scene, told, end)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Tries the orders of what these clients are asked.
    fn search(
        &mut self,
        actors: Vec<Actor>,
        scene: &Scene,
        told: &[Told],
        end: Instant,
    ) -> Result<bool> {
        let excused = self.excused.clone();
        let mut search = Search::new(actors);
        while Instant::now() < end {
            self.tried.0 += 1;
            if let Some(stage) = self.try_one(&mut search, scene, told)? {
                self.take_over(stage, scene, &search, told);
                return Ok(true);
            }
            if !search.bury() {
                self.excused = excused;
                return Ok(false);
            }
        }
        self.tried.1 = false;
        self.excused = excused;
        Ok(false)
    }

    /// Plays the script again, and the step in one order as far as the replies are the right ones.
    fn try_one(
        &mut self,
        search: &mut Search,
        scene: &Scene,
        told: &[Told],
    ) -> Result<Option<Stage>> {
        let mut stage = self.stage(scene, &mut search.actors)?;
        let mut done = vec![0; search.actors.len()];
        while let Some(at) = search.choose() {
            if !self.act(&mut stage, &search.actors, at, &mut done)? {
                return Ok(None);
            }
        }
        let complete =
            search.actors.iter().zip(&done).all(|(actor, done)| *done == actor.pieces.len());
        Ok((complete && self.ends_well(&mut stage, search, told)?).then_some(stage))
    }

    /// What was sent before the step and stays there; and of the waits that are to be sent in the step instead, each with the place
    /// where it was.
    fn relogged(&self, scene: &Scene, actors: &[Actor]) -> (Vec<Step>, Vec<(usize, usize)>) {
        // How many requests of each client come in the step: its last ones.
        let mut held = [0; CLIENTS];
        for actor in actors {
            let old = scene.parts[actor.client].as_ref().map_or(0, |part| part.old);
            held[actor.client] = old - old.min(usize::from(actor.waits));
        }
        let is_sent = matches!(scene.step, Step::Send { .. });
        let mut kept: Vec<Step> = (!is_sent).then(|| scene.step.clone()).into_iter().collect();
        let mut waits = Vec::new();
        for step in self.log.iter().rev() {
            let Step::Send { client, requests } = step else {
                kept.push(step.clone());
                continue;
            };
            let dropped = held[*client].min(requests.len());
            held[*client] -= dropped;
            if dropped > 0 && held[*client] == 0 {
                waits.push((kept.len(), *client));
            }
            let requests = requests[..requests.len() - dropped].to_vec();
            if !requests.is_empty() {
                kept.push(Step::Send { client: *client, requests });
            }
        }
        kept.reverse();
        let place = |(behind, client): (usize, usize)| (kept.len() - behind, client);
        let waits = waits.into_iter().map(place).collect();
        (kept, waits)
    }

    /// Empties Redis and plays what came before the step, without the waits that end in it.
    fn stage(&mut self, scene: &Scene, actors: &mut [Actor]) -> Result<Stage> {
        let mut stage = Stage::empty(&self.servers.oracle, self.protocols)?;
        let (log, waits) = self.relogged(scene, actors);
        for at in 0..=log.len() {
            for (_, client) in waits.iter().filter(|(place, _)| *place == at) {
                let later = |actor: &&mut Actor| actor.client == *client && !actor.waits;
                let first =
                    actors.iter_mut().find(later).and_then(|actor| actor.pieces.first_mut());
                if let Some((request, _)) = first.and_then(|piece| piece.first_mut()) {
                    *request = stage.with_last_ids(*client, request)?;
                }
            }
            if let Some(step) = log.get(at) {
                stage.play(step)?;
            }
        }
        for (client, part) in scene.parts.iter().enumerate() {
            stage.queued[client] = part.as_ref().map_or_else(Vec::new, |part| part.queued.clone());
        }
        Ok(stage)
    }

    /// Sends the next piece of a client. True when each client has what it had from the server under test, and no more.
    fn act(
        &mut self,
        stage: &mut Stage,
        actors: &[Actor],
        at: usize,
        done: &mut [usize],
    ) -> Result<bool> {
        let actor = &actors[at];
        let piece = &actor.pieces[done[at]];
        let is_sent = actor.waits && done[at] == 0;
        if piece.is_empty() {
            let (request, _) = &actor.pieces[done[at] + 1][0];
            let request = stage.with_last_ids(actor.client, request)?;
            done[at] += 1;
            stage.begun.insert((actor.client, done[at]), request);
            return Ok(true);
        }
        if !is_sent {
            stage.send(actor.client, &stage.requests_of(actor, done[at]))?;
        }
        let ends_by_itself = is_sent && is_refusal(&piece[0].1);
        stage.collect(ends_by_itself.then_some(actor.client));
        for (client, link) in stage.links.iter_mut().enumerate() {
            let Some((link, id)) = link else { continue };
            let replies = std::mem::take(&mut link.replies);
            let due = if client == actor.client { piece.as_slice() } else { &[] };
            let waits = actors.iter().enumerate().find(|(other, actor)| {
                actor.client == client
                    && client != actors[at].client
                    && actor.waits
                    && done[*other] == 0
            });
            // Its wait is ended by what was sent: it is looked at when its turn comes.
            if waits.is_some() && replies.len() == 1 {
                link.replies = replies;
                continue;
            }
            if replies.len() != due.len() {
                return Ok(false);
            }
            let subject_id =
                self.seats[client].as_ref().map_or_else(Vec::new, |seat| seat.ids.subject.clone());
            let ids = Sides { oracle: id.clone(), subject: subject_id };
            for ((request, wanted), reply) in due.iter().zip(&replies) {
                let open = &mut stage.queued[client];
                if self.judge(open, &ids, request, reply, wanted).is_some() {
                    return Ok(false);
                }
            }
        }
        done[at] += 1;
        Ok(true)
    }

    /// Whether with the requests that are still unanswered nobody has an answer, and all data are the same.
    fn ends_well(&mut self, stage: &mut Stage, search: &Search, told: &[Told]) -> Result<bool> {
        let mut last: Vec<&Actor> =
            search.order.iter().rev().map(|at| &search.actors[*at]).collect();
        last.extend(&search.actors);
        let mut sent = [false; CLIENTS];
        let mut rests = Vec::new();
        for actor in last {
            if !std::mem::replace(&mut sent[actor.client], true) {
                rests.push(actor);
            }
        }
        for actor in rests.into_iter().rev() {
            stage.send(actor.client, &actor.rest)?;
            stage.collect(None);
        }
        for (link, told) in stage.links.iter_mut().zip(told) {
            if link.as_ref().is_some_and(|(link, _)| {
                !link.replies.is_empty() || link.is_closed() != told.closed
            }) {
                return Ok(false);
            }
        }
        let mut control = self.control.take().context("the control connections are open")?;
        std::mem::swap(&mut control.oracle, &mut stage.control);
        let blocked = blocked_clients(&mut control);
        let same = blocked.oracle == blocked.subject && compare_keyspaces(&mut control).is_none();
        std::mem::swap(&mut control.oracle, &mut stage.control);
        self.control = Some(control);
        Ok(same)
    }

    /// The clients go on with Redis as it has played the script now.
    fn take_over(&mut self, mut stage: Stage, scene: &Scene, search: &Search, told: &[Told]) {
        let mut done = vec![0; search.actors.len()];
        let (mut log, _) = self.relogged(scene, &search.actors);
        for at in &search.order {
            let actor = &search.actors[*at];
            let requests = stage.requests_of(actor, done[*at]);
            let is_sent = actor.waits && done[*at] == 0;
            if !is_sent && !requests.is_empty() {
                log.push(Step::Send { client: actor.client, requests });
            }
            done[*at] += 1;
        }
        for actor in search.actors.iter().filter(|actor| !actor.rest.is_empty()) {
            log.push(Step::Send { client: actor.client, requests: actor.rest.clone() });
        }
        self.log = log;
        for (client, told) in told.iter().enumerate() {
            let Some(link) = stage.links[client].take() else { continue };
            let Some(seat) = &mut self.seats[client] else { continue };
            seat.links.oracle = link.0;
            seat.ids.oracle = link.1;
            seat.queued = std::mem::take(&mut stage.queued[client]);
            seat.links.subject.replies.clear();
            if let Some(part) = &scene.parts[client] {
                let answered = told.replies.len().min(part.requests.len());
                seat.sent = part.requests[answered..].iter().cloned().collect();
                seat.since = if answered > 0 { self.steps } else { part.since };
            }
            if told.closed {
                self.seats[client] = None;
            }
        }
        if let Some(control) = &mut self.control {
            control.oracle = stage.control;
        }
    }
}
