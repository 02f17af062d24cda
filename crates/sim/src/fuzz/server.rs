//! Engines under fuzz: no delays to model, only every order of things that is cheap to draw. The
//! simulator proper is `world/`; here requests per second count.

use crate::world::{Shared, engines, process};
use base::{ConnId, CoreId, Now, Prng, Settings};
use engine::census::Census;
use engine::event::{Control, Peer};
use engine::table::Table;
use engine::{Action, Event, Message};
use resp::read::Framer;
use std::collections::VecDeque;
use std::sync::Arc;

/// Rounds of turns in which a server must fall silent.
const QUIET_ROUNDS_MAX: usize = 20_000;

/// A jump in time to the next deadline at the most, in microseconds: the longest CLIENT PAUSE of our clients.
const JUMP_US_MAX: u64 = 1 << 42;

/// One connection.
pub struct Client {
    core: usize,
    conn: ConnId,
    /// The server has not closed it.
    pub open: bool,
    /// The server does not want to read from it.
    pub paused: bool,
    stalled: bool,
    /// Where the server wants the next bytes, and how many there are to be.
    filling: Option<(Vec<u8>, usize)>,
    framer: Framer,
    output: Vec<u8>,
    /// Replies that came, and the last one.
    pub replies: u64,
    pub last: Vec<u8>,
}

impl Client {
    /// What the server is told when these bytes arrive.
    fn arrived<'b>(&mut self, bytes: &'b [u8]) -> Vec<Event<'b>> {
        let Some((mut buffer, target)) = self.filling.take() else {
            return vec![Event::Received(self.conn, bytes)];
        };
        let (straight, rest) = bytes.split_at(bytes.len().min(target - buffer.len()));
        buffer.extend_from_slice(straight);
        if buffer.len() < target {
            self.filling = Some((buffer, target));
            return vec![Event::Filling(self.conn, straight.len())];
        }
        let mut events = vec![Event::Filled(self.conn, buffer)];
        if !rest.is_empty() {
            events.push(Event::Received(self.conn, rest));
        }
        events
    }
}

/// Several engines and their rings.
pub struct Server {
    engines: Vec<Shared>,
    queues: Vec<VecDeque<Message>>,
    controls: Vec<VecDeque<Control>>,
    /// All connections since the beginning of the round.
    pub clients: Vec<Client>,
    places: Vec<u32>,
    generation: u32,
    now: Now,
    prng: Prng,
    /// The end of what was sent last.
    pub last_input: Vec<u8>,
}

impl Server {
    /// Fresh engines.
    pub fn new(seed: u64, cores: usize, settings: &Settings, table: &Arc<Table>) -> Server {
        Server {
            engines: engines(cores, seed, settings, table),
            queues: (0..cores * cores).map(|_| VecDeque::new()).collect(),
            controls: (0..cores).map(|_| VecDeque::new()).collect(),
            clients: Vec::new(),
            places: vec![0; cores],
            generation: 0,
            now: Now { unix_us: 1_700_000_000_000_000, mono_us: 1_000_000 },
            prng: Prng::new(seed ^ 0x7365_7276),
            last_input: Vec::new(),
        }
    }

    /// The time, in milliseconds since the epoch.
    pub fn unix_ms(&self) -> i64 {
        self.now.unix_ms()
    }

    /// Monotonic time in microseconds.
    pub fn mono_us(&self) -> u64 {
        self.now.mono_us
    }

    /// Whether nothing is on its way between the cores.
    pub fn is_still(&self) -> bool {
        self.queues.iter().all(VecDeque::is_empty)
    }

    /// What every engine holds.
    pub fn census(&self) -> Vec<Census> {
        self.engines.iter().map(|engine| engine.borrow().census()).collect()
    }

    /// A new connection.
    pub fn connect(&mut self) -> Result<usize, String> {
        let core = self.prng.below(self.engines.len() as u64) as usize;
        let conn = ConnId { index: self.places[core], generation: self.generation };
        self.places[core] += 1;
        let peer = Peer {
            client_id: u64::from(self.generation) * 100 + self.clients.len() as u64 + 1,
            address: "127.0.0.1:5000".to_owned(),
            local_address: "127.0.0.1:6379".to_owned(),
            is_local: true,
            is_unix: false,
            cluster_face: self.prng.one_in(4),
            refuse: None,
        };
        self.turn(core, |turn| turn.on(Event::Opened(conn, Box::new(peer))))?;
        self.clients.push(Client {
            core,
            conn,
            open: true,
            paused: false,
            stalled: false,
            filling: None,
            framer: Framer::default(),
            output: Vec::new(),
            replies: 0,
            last: Vec::new(),
        });
        Ok(self.clients.len() - 1)
    }

    /// A client sends bytes; its core takes a turn, and maybe others do.
    pub fn feed(&mut self, client: usize, bytes: &[u8]) -> Result<(), String> {
        self.last_input.clear();
        self.last_input.extend_from_slice(&bytes[bytes.len().saturating_sub(2000)..]);
        let core = self.clients[client].core;
        let events = self.clients[client].arrived(bytes);
        self.turn(core, |turn| events.into_iter().for_each(|event| turn.on(event)))?;
        if self.engines.len() > 1 && self.prng.one_in(2) {
            let other = self.prng.below(self.engines.len() as u64) as usize;
            self.turn(other, |_| {})?;
        }
        Ok(())
    }

    /// A client is gone.
    pub fn hang_up(&mut self, client: usize) -> Result<(), String> {
        let Client { core, conn, open, .. } = self.clients[client];
        self.clients[client].open = false;
        if open { self.turn(core, |turn| turn.on(Event::Closed(conn))) } else { Ok(()) }
    }

    /// One turn of a core, with its mail before and its actions after it.
    fn turn<'b>(
        &mut self,
        core: usize,
        more: impl FnOnce(&mut engine::Turn<'_, 'b>),
    ) -> Result<(), String> {
        let us = 1 + self.prng.below(20);
        self.pass(us);
        let cores = self.engines.len();
        let engine = self.engines[core].clone();
        let mut engine = engine.borrow_mut();
        let mut turn = engine.turn(self.now);
        for from in 0..cores {
            let queue = &mut self.queues[from * cores + core];
            for message in queue.drain(..) {
                turn.on(Event::Message(CoreId(from as u16), message));
            }
        }
        for control in self.controls[core].drain(..) {
            turn.on(Event::Control(control));
        }
        for client in self.clients.iter_mut().filter(|one| one.core == core && one.stalled) {
            client.stalled = false;
            turn.on(Event::Drained(client.conn));
        }
        more(&mut turn);
        turn.finish();
        drop(engine);
        self.engines[core].borrow_mut().may_post(|_| usize::MAX);
        for to in 0..cores {
            while let Some(message) =
                self.engines[core].borrow_mut().take_message(CoreId(to as u16), usize::MAX)
            {
                self.queues[core * cores + to].push_back(message);
            }
        }
        self.act(core)
    }

    fn pass(&mut self, us: u64) {
        self.now.unix_us = self.now.unix_us.saturating_add(us as i64);
        self.now.mono_us += us;
    }

    fn act(&mut self, core: usize) -> Result<(), String> {
        let actions: Vec<Action> = self.engines[core].borrow_mut().actions().collect();
        for action in actions {
            match action {
                Action::Send(conn, bytes) => self.sent(core, conn, bytes)?,
                Action::Fill(conn, buffer, target) => {
                    self.with(core, conn, |client| client.filling = Some((buffer, target)))
                }
                Action::Pause(conn) => self.with(core, conn, |client| client.paused = true),
                Action::Resume(conn) => self.with(core, conn, |client| client.paused = false),
                Action::Close(conn) => self.with(core, conn, |client| client.open = false),
                Action::Control(ticket, request) => self.controls[core]
                    .push_back(Control::Answer(ticket, process::answer(&request))),
                Action::Drained => {}
            }
        }
        Ok(())
    }

    fn with(&mut self, core: usize, conn: ConnId, change: impl FnOnce(&mut Client)) {
        let mut clients = self.clients.iter_mut();
        clients.find(|one| one.core == core && one.conn == conn).map(change);
    }

    /// Output must be whole replies; now and then it is not taken at once.
    fn sent(&mut self, core: usize, conn: ConnId, bytes: Vec<u8>) -> Result<(), String> {
        let found = self.clients.iter_mut().find(|one| one.core == core && one.conn == conn);
        if let Some(client) = found {
            client.output.extend_from_slice(&bytes);
            let mut at = 0;
            while let Some(framed) = client.framer.frame_len(&client.output[at..]) {
                let shown = &client.output[at..];
                let shown = shown[..shown.len().min(120)].escape_ascii();
                let len = framed.map_err(|error| format!("malformed output ({error}): {shown}"))?;
                client.replies += 1;
                client.last.clear();
                client.last.extend_from_slice(&client.output[at..at + len.min(200)]);
                at += len;
            }
            client.output.drain(..at);
            if self.prng.one_in(16) {
                client.stalled = true;
                let now = self.now;
                let engine = self.engines[core].clone();
                let mut engine = engine.borrow_mut();
                let mut turn = engine.turn(now);
                turn.on(Event::Stalled(conn, bytes.len()));
                turn.finish();
            }
        }
        self.engines[core].borrow_mut().give_spare(bytes);
        Ok(())
    }

    /// Lets all cores take turns until `done`. Time jumps when nothing moves.
    pub fn run_until(
        &mut self,
        what: &str,
        mut done: impl FnMut(&Server) -> bool,
    ) -> Result<(), String> {
        for _ in 0..QUIET_ROUNDS_MAX {
            if done(self) {
                return Ok(());
            }
            for core in 0..self.engines.len() {
                self.turn(core, |_| {})?;
            }
            let moves = self.queues.iter().any(|queue| !queue.is_empty());
            if !moves {
                let due =
                    self.engines.iter().filter_map(|engine| engine.borrow().next_deadline()).min();
                let jump = due.map_or(10_000, |due| due.saturating_sub(self.now.mono_us));
                self.pass(jump.min(JUMP_US_MAX));
            }
        }
        Err(format!("{what}: {:?}", self.census()))
    }

    /// Whether a client has found a CLIENT PAUSE of everything that no run will see the end of. It holds
    /// CLIENT UNPAUSE too, as in Redis, so nobody can be served any more.
    pub fn is_paused_for_ever(&self) -> bool {
        let end_us = self.now.mono_us + QUIET_ROUNDS_MAX as u64 * JUMP_US_MAX;
        let pauses = self.engines.iter().filter_map(|engine| engine.borrow().core().clients.pause);
        pauses.into_iter().any(|pause| pause.all && pause.until_us > end_us)
    }

    /// After all clients have left: nothing of them is kept.
    pub fn settle(&mut self) -> Result<(), String> {
        let is_clean = |census: &Census| {
            census.sessions + census.gathers + census.asks + census.batches + census.messages == 0
        };
        self.run_until("something is left when all clients are gone", |server| {
            server.queues.iter().all(VecDeque::is_empty) && server.census().iter().all(is_clean)
        })?;
        self.clients.clear();
        self.places.fill(0);
        self.generation += 1;
        Ok(())
    }
}
