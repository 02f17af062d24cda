//! Tests of whole engines without a socket: a [`World`] of some cores that hand their messages to
//! each other until silence, and clients that are fed bytes and collect what is sent to them.
//!
//! Replies are written as [`resp::read::Value`] shows them: `OK`, `[a b]`, `nil`, `(err) text`.

use crate::action::{Action, Request};
use crate::core::{Core, Process};
use crate::engine::{Engine, Setup};
use crate::event::{Control, Event, Peer};
use crate::table::Table;
use crate::tx::exclusive::{Errand, Pump};
use base::settings::SettingId;
use base::{ConnId, CoreId, Now, RouteTable, Settings};
use resp::read::{Value, show};
use std::cell::{Ref, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;

/// Rounds of messages after which a test is told that the cores do not come to rest.
const ROUNDS_MAX: usize = 1000;

/// One client of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client(usize);

struct End {
    core: usize,
    conn: ConnId,
    received: Vec<u8>,
    closed: bool,
    /// It does not read: what it is sent stays with its core.
    deaf: bool,
    /// What it was sent meanwhile.
    unread: Vec<u8>,
    /// Its core does not read what it sends.
    paused: bool,
    /// Where its core wants the next bytes, and how many there are to be.
    filling: Option<(Vec<u8>, usize)>,
}

/// Some cores, their clients and a clock that stands still unless told.
pub struct World {
    engines: Rc<Vec<RefCell<Engine>>>,
    visits: Visits,
    ends: Vec<End>,
    now: Now,
    /// What the process was asked.
    pub requests: Vec<Request>,
    /// Why the process refuses the next request, if it does.
    pub refusal: Option<String>,
    /// The largest buffer that was sent, in bytes of its capacity.
    pub largest_send: usize,
}

/// What clients send in the middle of a script that runs on, one piece a restricted turn: core, connection, bytes.
type Visits = Rc<RefCell<VecDeque<(usize, ConnId, Vec<u8>)>>>;

/// The other engines of a world, for who has them locked, or runs on.
struct Neighbours {
    engines: Weak<Vec<RefCell<Engine>>>,
    visits: Visits,
    now: Now,
}

impl Pump for Neighbours {
    fn exchange(&mut self, to: CoreId, mut errand: Box<Errand>) -> Box<Errand> {
        let engines = self.engines.upgrade().expect("a world outlives its turns");
        engines[to.index()].borrow_mut().serve_errand(&mut errand);
        errand
    }

    fn turn(&mut self, own: &mut Engine) {
        let engines = self.engines.upgrade().expect("a world outlives its turns");
        let id = own.core().id.index();
        let visit = self.visits.borrow_mut().pop_front();
        let (core, events) = match &visit {
            Some((core, conn, bytes)) => (*core, vec![Event::Received(*conn, bytes)]),
            None => (id, Vec::new()),
        };
        match core == id {
            true => take_turn(own, self.now, events),
            false => take_turn(&mut engines[core].borrow_mut(), self.now, events),
        }
        for (from, to) in
            (0..engines.len()).flat_map(|it| (0..engines.len()).map(move |to| (it, to)))
        {
            let mut take = || match from == id {
                true => own.next_message(to),
                false => engines[from].borrow_mut().next_message(to),
            };
            let messages: Vec<_> = std::iter::from_fn(&mut take).collect();
            for message in messages {
                let events = vec![Event::Message(CoreId(from as u16), message)];
                match to == id {
                    true => take_turn(own, self.now, events),
                    false => take_turn(&mut engines[to].borrow_mut(), self.now, events),
                }
            }
        }
    }
}

fn take_turn(engine: &mut Engine, now: Now, events: Vec<Event<'_>>) {
    let mut turn = engine.turn(now);
    events.into_iter().for_each(|event| turn.on(event));
    turn.finish();
}

impl Engine {
    fn next_message(&mut self, to: usize) -> Option<crate::message::Message> {
        self.may_post(|_| usize::MAX);
        self.take_message(CoreId(to as u16), usize::MAX)
    }
}

impl End {
    /// What the core is told when these bytes arrive: where it wants them to be filled in they come in two
    /// pieces, and what is too many as usual.
    fn arrived<'b>(&mut self, bytes: &'b [u8]) -> Vec<Event<'b>> {
        let Some((mut buffer, target)) = self.filling.take() else {
            return vec![Event::Received(self.conn, bytes)];
        };
        let (straight, rest) = bytes.split_at(bytes.len().min(target - buffer.len()));
        let (one, two) = straight.split_at(straight.len() / 2);
        let mut events = Vec::new();
        for piece in [one, two].into_iter().filter(|piece| !piece.is_empty()) {
            buffer.extend_from_slice(piece);
            events.push(Event::Filling(self.conn, piece.len()));
        }
        if buffer.len() == target {
            events.pop();
            events.push(Event::Filled(self.conn, buffer));
        } else {
            self.filling = Some((buffer, target));
        }
        if !rest.is_empty() {
            events.push(Event::Received(self.conn, rest));
        }
        events
    }
}

/// The node id that the worlds give a core.
pub fn node_id(core: usize) -> String {
    format!("{:040x}", core + 0xabc)
}

/// Runs a script of commands separated by `;` on one core and on three, and compares the replies.
pub fn check(script: &str, replies: &[&str]) {
    for cores in [1, 3] {
        let mut world = World::new(cores);
        let client = world.open(0);
        for (command, wanted) in script.split(';').zip(replies) {
            let found = world.ask(client, command.trim());
            assert_eq!(found, *wanted, "{} on {cores} cores", command.trim());
        }
        assert_eq!(script.split(';').count(), replies.len(), "a reply for each command");
    }
}

impl World {
    /// Cores with the default configuration.
    pub fn new(cores: usize) -> World {
        World::with(cores, &[])
    }

    /// Cores with some directives set.
    pub fn with(cores: usize, directives: &[(&str, &str)]) -> World {
        World::with_clock(cores, directives, || 0)
    }

    /// Cores whose cycle counter is a clock of nanoseconds: scripts can run on.
    pub fn with_clock(cores: usize, directives: &[(&str, &str)], clock: fn() -> u64) -> World {
        let mut settings = Settings::default();
        for (name, value) in directives {
            let id = SettingId::find(name.as_bytes()).expect("a known directive");
            settings.set(id, value.as_bytes()).expect("a value that it takes");
        }
        let table = Arc::new(Table::new(&[]).expect("no renames"));
        let process = Arc::new(Process {
            core_ports: (0..cores as u16).map(|core| 7001 + core).collect(),
            node_ids: (0..cores).map(node_id).collect(),
            ..Process::default()
        });
        let engine = |core| {
            Engine::new(Setup {
                core: CoreId(core),
                route: RouteTable::new(cores),
                settings: settings.clone(),
                table: table.clone(),
                process: process.clone(),
                hash_seed: 7,
                seed: u64::from(core),
                clock: (clock, 1000.0),
            })
        };
        let now = Now { unix_us: 1_700_000_000_000_000, mono_us: 1_000_000_000 };
        let engines: Vec<_> = (0..cores as u16).map(|core| RefCell::new(engine(core))).collect();
        let engines = Rc::new(engines);
        let visits = Visits::default();
        for engine in engines.iter() {
            let engines = Rc::downgrade(&engines);
            let pump = Neighbours { engines, visits: Rc::clone(&visits), now };
            engine.borrow_mut().set_pump(Box::new(pump));
        }
        World {
            engines,
            visits,
            ends: Vec::new(),
            now,
            requests: Vec::new(),
            refusal: None,
            largest_send: 0,
        }
    }

    /// A new client of a core by the common port. Clients have the numbers 1, 2, … in all.
    pub fn open(&mut self, core: usize) -> Client {
        self.open_face(core, false)
    }

    /// A new client by the core's own port: the cluster face.
    pub fn open_cluster(&mut self, core: usize) -> Client {
        self.open_face(core, true)
    }

    fn open_face(&mut self, core: usize, cluster_face: bool) -> Client {
        let number = self.ends.len();
        let conn = ConnId { index: number as u32, generation: 0 };
        let port = if cluster_face { 7001 + core } else { 6379 };
        let peer = Peer {
            client_id: number as u64 + 1,
            address: format!("127.0.0.1:{}", 10_001 + number),
            local_address: format!("127.0.0.1:{port}"),
            is_local: true,
            is_unix: false,
            cluster_face,
            refuse: None,
        };
        self.ends.push(End {
            core,
            conn,
            received: Vec::new(),
            closed: false,
            deaf: false,
            unread: Vec::new(),
            paused: false,
            filling: None,
        });
        self.turn(core, vec![Event::Opened(conn, Box::new(peer))]);
        self.settle();
        Client(number)
    }

    /// Sends bytes and gives what came back when all is quiet.
    pub fn feed(&mut self, client: Client, bytes: &[u8]) -> Vec<u8> {
        self.feed_quietly(client, bytes);
        self.settle();
        self.take(client)
    }

    /// Sends bytes and does not wait for the other cores.
    pub fn feed_quietly(&mut self, client: Client, bytes: &[u8]) {
        let End { core, closed, .. } = self.ends[client.0];
        if !closed {
            let events = self.ends[client.0].arrived(bytes);
            self.turn(core, events);
        }
    }

    /// Sends what clients of one core say, whole or in pieces, all in one turn, and does not wait for the
    /// other cores.
    pub fn feed_pieces(&mut self, pieces: &[(Client, &[u8])]) {
        let Some((first, _)) = pieces.first() else { return };
        let core = self.ends[first.0].core;
        let received = |(client, bytes): &(Client, &'_ [u8])| {
            let end = &self.ends[client.0];
            assert!(end.core == core && !end.closed, "clients of one core that are there");
            (end.conn, bytes.to_vec())
        };
        let received: Vec<(ConnId, Vec<u8>)> = pieces.iter().map(received).collect();
        let events = received.iter().map(|(conn, bytes)| Event::Received(*conn, bytes));
        self.turn(core, events.collect());
    }

    /// Has a client send this in the middle of the next script that runs on.
    pub fn visit(&mut self, client: Client, bytes: &[u8]) {
        let End { core, conn, .. } = self.ends[client.0];
        self.visits.borrow_mut().push_back((core, conn, bytes.to_vec()));
    }

    /// What a client has received, as text.
    pub fn shown(&mut self, client: Client) -> String {
        let (values, _) = Value::parse_all(&self.take(client)).expect("replies are RESP");
        show(&values)
    }

    /// Sends an inline command and shows its reply; `""` shows that there was none.
    pub fn ask(&mut self, client: Client, command: &str) -> String {
        let bytes = self.feed(client, format!("{command}\r\n").as_bytes());
        let (values, used) = Value::parse_all(&bytes).expect("replies are RESP");
        assert_eq!(used, bytes.len(), "replies are whole");
        show(&values)
    }

    /// Sends words of any bytes and shows the reply.
    pub fn ask_words(&mut self, client: Client, words: &[&[u8]]) -> String {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        let (values, _) = Value::parse_all(&self.feed(client, &request)).expect("replies are RESP");
        show(&values)
    }

    /// Runs a script, and shows its reply; `rest` is the number of its keys, they, and its arguments.
    pub fn eval(&mut self, client: Client, source: &str, rest: &[&str]) -> String {
        let mut words: Vec<&[u8]> = vec![b"EVAL", source.as_bytes()];
        words.extend(rest.iter().map(|word| word.as_bytes()));
        self.ask_words(client, &words)
    }

    /// The reply of an inline command that is a text, with its line breaks.
    pub fn text(&mut self, client: Client, command: &str) -> String {
        self.ask(client, command).replace("\\r\\n", "\n").replace("\\n", "\n")
    }

    /// What has come since the last look.
    pub fn take(&mut self, client: Client) -> Vec<u8> {
        std::mem::take(&mut self.ends[client.0].received)
    }

    /// Whether its core has closed the connection.
    pub fn is_closed(&self, client: Client) -> bool {
        self.ends[client.0].closed
    }

    /// From now on the client reads nothing.
    pub fn stop_reading(&mut self, client: Client) {
        self.ends[client.0].deaf = true;
    }

    /// The client reads what it was sent, and goes on doing so.
    pub fn read_on(&mut self, client: Client) {
        let End { core, conn, .. } = self.ends[client.0];
        let end = &mut self.ends[client.0];
        end.deaf = false;
        end.received.append(&mut end.unread);
        self.turn(core, vec![Event::Drained(conn)]);
        self.settle();
    }

    /// Whether its core has named a place where the next bytes are to go.
    pub fn is_filling(&self, client: Client) -> bool {
        self.ends[client.0].filling.is_some()
    }

    /// Whether its core has stopped reading what it sends.
    pub fn is_paused(&self, client: Client) -> bool {
        self.ends[client.0].paused
    }

    /// The client closes its connection.
    pub fn hang_up(&mut self, client: Client) {
        let End { core, conn, .. } = self.ends[client.0];
        self.ends[client.0].closed = true;
        self.turn(core, vec![Event::Closed(conn)]);
        self.settle();
    }

    /// The client sends nothing more, but still reads.
    pub fn end_input(&mut self, client: Client) {
        self.end_input_quietly(client);
        self.settle();
    }

    /// The same without waiting for the other cores.
    pub fn end_input_quietly(&mut self, client: Client) {
        let End { core, conn, .. } = self.ends[client.0];
        self.turn(core, vec![Event::Closed(conn)]);
    }

    /// The client has gone while its core does not receive what it has sent.
    pub fn hang_up_unread(&mut self, client: Client) {
        let End { core, conn, .. } = self.ends[client.0];
        self.turn(core, vec![Event::HungUp(conn)]);
        self.settle();
    }

    /// Lets time pass that no core has looked at yet.
    pub fn advance_ms(&mut self, ms: u64) {
        self.now.mono_us += ms * 1000;
        self.now.unix_us += ms as i64 * 1000;
    }

    /// Lets time pass; every core has a turn at the end of it.
    pub fn pass_ms(&mut self, ms: u64) {
        self.advance_ms(ms);
        for core in 0..self.engines.len() {
            self.turn(core, Vec::new());
        }
        self.settle();
    }

    /// In how many milliseconds a core wants its next turn.
    pub fn next_deadline_ms(&self, core: usize) -> Option<u64> {
        let due = self.engines[core].borrow_mut().next_deadline()?;
        Some(due.saturating_sub(self.now.mono_us).div_ceil(1000))
    }

    /// A core's state, to look at.
    pub fn core(&self, core: usize) -> Ref<'_, Core> {
        Ref::map(self.engines[core].borrow(), |engine| engine.core())
    }

    /// Whether sessions of a core wait for a way to another one.
    pub fn is_congested(&self, core: usize) -> bool {
        !self.engines[core].borrow_mut().congested.is_empty()
    }

    /// The work of a core's last turn.
    pub fn turn_work(&self, core: usize) -> u32 {
        self.engines[core].borrow_mut().shard.work
    }

    /// What a core may use of `maxmemory`, and that limit as it knows it.
    pub fn granted(&self, core: usize) -> (u64, u64) {
        let account = &self.engines[core].borrow_mut().shard.account;
        (account.granted(), account.limit())
    }

    /// What a core holds.
    pub fn census(&self, core: usize) -> crate::census::Census {
        self.engines[core].borrow_mut().census()
    }

    /// How many keys a core holds in database 0.
    pub fn keys(&self, core: usize) -> usize {
        self.engines[core].borrow_mut().shard.store.len(0)
    }

    /// Memory of all clients, as the accounts have it.
    pub fn client_bytes(&self) -> u64 {
        self.engines.iter().map(|engine| engine.borrow().shard.account.outside_bytes).sum()
    }

    /// Memory of a core's batches and receive buffers, as the accounts have it.
    pub fn plumbing_bytes(&self, core: usize) -> u64 {
        self.engines[core].borrow_mut().shard.account.plumbing_bytes
    }

    /// Has a core's receive buffers grow to so many bytes.
    pub fn widen_buffers(&mut self, core: usize, bytes: u64) {
        self.engines[core].borrow_mut().plumbing().widened_bytes = bytes;
    }

    /// Delivers messages until nobody says anything.
    pub fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            if !self.round() {
                return;
            }
        }
        panic!("the cores do not come to rest");
    }

    /// Delivers the messages that are due, each in a turn of its own; whether there were any.
    pub fn round(&mut self) -> bool {
        let mut moved = false;
        for from in 0..self.engines.len() {
            self.engines[from].borrow_mut().may_post(|_| usize::MAX);
            for to in 0..self.engines.len() {
                loop {
                    let to_id = CoreId(to as u16);
                    let next = self.engines[from].borrow_mut().take_message(to_id, usize::MAX);
                    let Some(message) = next else { break };
                    self.turn(to, vec![Event::Message(CoreId(from as u16), message)]);
                    moved = true;
                }
            }
            while !self.engines[from].borrow_mut().runnable.is_empty() {
                self.turn(from, Vec::new());
                moved = true;
            }
        }
        moved
    }

    fn turn(&mut self, core: usize, events: Vec<Event<'_>>) {
        let mut engine = self.engines[core].borrow_mut();
        let mut turn = engine.turn(self.now);
        events.into_iter().for_each(|event| turn.on(event));
        turn.finish();
        let actions: Vec<Action> = engine.actions().collect();
        drop(engine);
        for action in actions {
            self.act(core, action);
        }
    }

    fn act(&mut self, core: usize, action: Action) {
        match action {
            Action::Send(conn, bytes) => {
                self.largest_send = self.largest_send.max(bytes.capacity());
                let end = &mut self.ends[conn.index as usize];
                if end.deaf {
                    end.unread.extend_from_slice(&bytes);
                    let unsent = end.unread.len();
                    self.turn(core, vec![Event::Stalled(conn, unsent)]);
                } else {
                    end.received.extend_from_slice(&bytes);
                    self.engines[core].borrow_mut().give_spare(bytes);
                }
            }
            Action::Close(conn) => self.ends[conn.index as usize].closed = true,
            Action::Control(ticket, request) => {
                self.requests.push(request);
                let answer = self.refusal.take().map_or(Ok("OK".to_owned()), Err);
                self.turn(core, vec![Event::Control(Control::Answer(ticket, answer))]);
            }
            Action::Fill(conn, buffer, target) => {
                self.ends[conn.index as usize].filling = Some((buffer, target));
            }
            Action::Pause(conn) => self.ends[conn.index as usize].paused = true,
            Action::Resume(conn) => self.ends[conn.index as usize].paused = false,
            Action::Drained => {}
        }
    }
}
