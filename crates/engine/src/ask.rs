//! Questions under way: to all cores, and to the process.

use crate::action::{Action, Request};
use crate::commands::Desk;
use crate::commands::query::{self, Answer, Query, Witness};
use crate::engine::Engine;
use crate::message::Message;
use crate::session::client::Stall;
use base::{ConnId, CoreId};
use resp::write::Writer;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One question under way. A session has one at the most, so their number is bounded.
#[derive(Debug)]
struct Pending {
    session: ConnId,
    /// None when the process is asked.
    query: Option<Arc<Query>>,
    answers: Vec<Option<Answer>>,
    due: usize,
    /// What all cores are asked once the process has agreed.
    then: Option<Query>,
}

/// All questions of this core that are not answered.
#[derive(Debug, Default)]
pub struct Asks {
    next: u64,
    pending: BTreeMap<u64, Pending>,
}

impl Asks {
    fn insert(&mut self, pending: Pending) -> u64 {
        self.next += 1;
        self.pending.insert(self.next, pending);
        self.next
    }

    /// Whether the question with this number may be answered beside a script that has half done its work.
    pub fn is_harmless(&self, ticket: u64) -> bool {
        let query = self.pending.get(&ticket).and_then(|pending| pending.query.as_ref());
        query.is_some_and(|query| query.is_harmless())
    }

    /// How many are under way.
    pub fn len(&self) -> usize {
        self.pending.len()
    }
}

impl Engine {
    /// Asks every core for a session, which waits for the answers. This core answers itself last:
    /// by then the outcomes of jobs that the session sent before have come back, and SLOWLOG and INFO
    /// know of them. What all cores have to hear of in one order comes to this one by mail too.
    pub(crate) fn ask(&mut self, session: ConnId, query: Query) {
        self.stall(session, Stall::Asking);
        let query = Arc::new(query);
        let cores = self.core.route.cores();
        let answers = (0..cores).map(|_| None).collect();
        let pending =
            Pending { session, query: Some(query.clone()), answers, due: cores, then: None };
        let ticket = self.asks.insert(pending);
        let own = self.core.id;
        let ordered = query.is_ordered() && cores > 1;
        for core in (0..cores as u16).map(CoreId).filter(|core| *core != own || ordered) {
            self.outbox.post(core, Message::Ask { ticket, query: query.clone() });
        }
        if cores == 1 {
            let answer = self.answer(&query);
            self.on_answer(own, ticket, answer);
        }
    }

    /// Asks the process for a session, which waits for the answer; if the process agrees, every core
    /// is asked `then`.
    pub(crate) fn ask_process(&mut self, session: ConnId, request: Request, then: Option<Query>) {
        self.stall(session, Stall::Asking);
        let pending = Pending { session, query: None, answers: Vec::new(), due: 1, then };
        let ticket = self.asks.insert(pending);
        self.actions.push(Action::Control(ticket, request));
    }

    pub(crate) fn answer(&mut self, query: &Query) -> Answer {
        let witness =
            Witness { core: &mut self.core, sessions: &mut self.sessions, shard: &mut self.shard };
        query::answer(query, witness)
    }

    pub(crate) fn on_ask(&mut self, from: CoreId, ticket: u64, query: &Query) {
        let answer = Box::new(self.answer(query));
        self.outbox.post(from, Message::Answer { ticket, answer });
        self.after_query(query);
    }

    pub(crate) fn on_answer(&mut self, from: CoreId, ticket: u64, answer: Answer) {
        let Some(pending) = self.asks.pending.get_mut(&ticket) else { return };
        pending.answers[from.index()] = Some(answer);
        pending.due -= 1;
        let own = self.core.id;
        let last = pending.due == 1 && pending.answers[own.index()].is_none();
        if let Some(query) = pending.query.clone().filter(|query| last && !query.is_ordered()) {
            let answer = self.answer(&query);
            return self.on_answer(own, ticket, answer);
        }
        if pending.due > 0 {
            return;
        }
        let pending = self.asks.pending.remove(&ticket).expect("it was found above");
        let query = pending.query.expect("only questions to cores are answered by cores");
        let answers: Vec<Answer> = pending.answers.into_iter().flatten().collect();
        self.after_query(&query);
        if matches!(*query, Query::InstallScript { .. }) {
            return self.after_condition(pending.session);
        }
        if let Some(next) = query::follow_up(&query, &answers) {
            return self.ask(pending.session, next);
        }
        self.reply_late(pending.session, |desk| query::merge(&query, answers, desk));
    }

    pub(crate) fn on_control_answer(&mut self, ticket: u64, answer: Result<String, String>) {
        let Some(pending) = self.asks.pending.remove(&ticket) else { return };
        if let (Ok(_), Some(query)) = (&answer, pending.then) {
            return self.ask(pending.session, query);
        }
        self.reply_late(pending.session, |desk| match answer {
            Ok(text) => desk.reply.simple(&text),
            Err(text) => desk.reply.error(&text),
        });
    }

    /// What a query changed on this core may let sessions go on, or touch them.
    fn after_query(&mut self, query: &Query) {
        match query {
            Query::Kill(_) => {
                for conn in std::mem::take(&mut self.core.clients.doomed) {
                    self.end_client(conn);
                }
            }
            Query::Unblock { .. } => {
                for (conn, error) in std::mem::take(&mut self.core.clients.unblocked) {
                    let text = "UNBLOCKED client unblocked via CLIENT UNBLOCK";
                    self.unblock(conn, error.then_some(text));
                }
            }
            Query::Unpause => self.wake_paused(),
            Query::Debug { .. } => self.freeze_after(query),
            _ => {}
        }
    }

    /// Writes the reply of a session that waited for it, and lets it go on.
    fn reply_late(&mut self, conn: ConnId, write: impl FnOnce(&mut Desk<'_>)) {
        let Some(session) = self.sessions.get(conn) else { return };
        let mut reply = Vec::new();
        let protocol = session.protocol;
        let writer = Writer::new(&mut reply, protocol);
        write(&mut Desk { session, core: &mut self.core, reply: writer });
        if self.is_for_tail(conn, &reply) {
            return;
        }
        let Some(session) = self.sessions.get(conn) else { return };
        session.stall = None;
        self.observe_late(conn, reply.len());
        let Some(session) = self.sessions.get(conn) else { return };
        if !session.muted() {
            session.append_reply(&reply);
        }
        match session.closing {
            true => session.stall = Some(Stall::Closing),
            false => self.runnable.push(conn),
        }
        self.touch(conn);
    }

    /// Has a session execute nothing until the reason is gone.
    pub(crate) fn stall(&mut self, conn: ConnId, why: Stall) {
        if let Some(session) = self.sessions.get(conn) {
            session.stall = Some(why);
        }
    }
}
