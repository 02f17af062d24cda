//! From a configuration to running cores: every decision that is made once, and one clear line for
//! everything that speaks against it.

use crate::acceptor::{Acceptor, Door};
use crate::config::Loaded;
use crate::core_loop::CoreLoop;
use crate::identity;
use crate::main_lane::MainLane;
use crate::office::Office;
use crate::parcel::Parcel;
use crate::placement::{self, Placement};
use crate::wires::Entrance;
use anyhow::{Context, Result, anyhow, bail};
use base::limits::MAILBOX_MESSAGES_MAX;
use base::{CoreId, RouteTable, Settings, settings};
use engine::core::Process;
use engine::engine::{Engine, Setup};
use engine::table::Table;
use mailbox::Mailbox;
use reactor::{Config, CoreThread, Host, Listen, Listening, Reactor, Step, TickRate, Waker};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

/// Descriptors that the process needs beside those of its clients: rings, wake-ups, listeners, files.
const DESCRIPTORS_RESERVED: u64 = 32;

/// Descriptors of one core: its ring, the executor's, wake-ups.
const DESCRIPTORS_PER_CORE: u64 = 16;

/// A running server.
pub struct Running {
    /// The threads of the cores.
    pub cores: Vec<CoreThread>,
    /// The main thread's end of the mesh.
    pub lane: MainLane,
}

/// What every core is made from, beside its own number.
struct Blueprint {
    settings: Settings,
    table: Arc<Table>,
    process: Arc<Process>,
    hash_seed: u64,
    clock: (fn() -> u64, f64),
    connections_max: usize,
    by_message: bool,
}

/// What a core is given on its own thread.
struct Kit {
    core: CoreId,
    mailbox: Mailbox<Parcel>,
    entrance: Option<(Acceptor, Vec<(Listening, Door)>)>,
    main: UnixStream,
    ready: Sender<Result<(CoreId, Waker), String>>,
    peers: Receiver<Vec<Waker>>,
}

/// Starts everything. An error is one line that says what to change.
pub fn start(loaded: &Loaded) -> Result<Running> {
    let settings = &loaded.settings;
    let placement = placement::decide(settings)?;
    tracing::info!("{} cores: {}", placement.cores, placement.why);
    let (clients_max, connections_max) = descriptors(settings, placement.cores)?;
    let doors = open_doors(settings, placement.cores)?;
    let by_message = reactor::message_ring_works()?;
    let host = choose_host();
    let renames: Vec<(String, String)> = loaded.renames.iter().map(identity::rename).collect();
    let table =
        Table::new(&renames).map_err(|name| anyhow!("rename-command: no such command '{name}'"))?;
    let blueprint = Arc::new(Blueprint {
        settings: settings.clone(),
        table: Arc::new(table),
        process: Arc::new(identity::process(loaded, placement.cores, host)),
        hash_seed: identity::random(),
        clock: (reactor::ticks, ticks_per_us(TickRate::measure(2000))),
        connections_max,
        by_message,
    });
    let protected =
        settings.flag(settings::PROTECTED_MODE) && settings.text(settings::REQUIREPASS).is_empty();
    let acceptor = Acceptor::new(placement.cores, clients_max, protected);
    let office = Office::open(settings.clone(), loaded.file.clone(), connections_max);
    spawn(blueprint, &placement, host, (acceptor, doors), office)
}

fn ticks_per_us(rate: TickRate) -> f64 {
    const SPAN: u64 = 1_000_000_000;
    SPAN as f64 * 1000.0 / rate.ns(SPAN) as f64
}

/// Starts the threads and introduces them to each other.
fn spawn(
    blueprint: Arc<Blueprint>,
    placement: &Placement,
    host: Host,
    entrance: (Acceptor, Vec<(Listening, Door)>),
    office: Office,
) -> Result<Running> {
    let mut boxes = mailbox::mesh(placement.cores + 1, MAILBOX_MESSAGES_MAX);
    let main_box = boxes.pop().expect("one for each core and one for the main thread");
    let (doorbell, bell) = UnixStream::pair().context("a socket pair for the main thread")?;
    bell.set_nonblocking(true)?;
    let (ready, ready_all) = mpsc::channel();
    let (mut cores, mut introductions) = (Vec::new(), Vec::new());
    let mut entrance = Some(entrance);
    for (index, mailbox) in boxes.into_iter().enumerate() {
        let (introduce, peers) = mpsc::channel();
        introductions.push(introduce);
        let kit = Kit {
            core: CoreId(index as u16),
            mailbox,
            entrance: entrance.take(),
            main: bell.try_clone()?,
            ready: ready.clone(),
            peers,
        };
        let blueprint = blueprint.clone();
        let cpu = placement.cpus.get(index).copied();
        let thread = reactor::spawn_core(host, cpu, &format!("core-{index}"), move || {
            make_core(&blueprint, kit)
        });
        cores.push(thread.with_context(|| format!("core {index} cannot start"))?);
    }
    drop(ready);
    let mut wakers: Vec<Option<Waker>> = vec![None; placement.cores];
    for _ in 0..placement.cores {
        let (core, waker) = ready_all
            .recv()
            .context("a core ended before it was ready")?
            .map_err(|text| anyhow!(text))?;
        wakers[core.index()] = Some(waker);
    }
    let wakers: Vec<Waker> = wakers.into_iter().flatten().collect();
    for introduce in &introductions {
        introduce.send(wakers.clone()).context("a core ended before it was introduced")?;
    }
    let lane = MainLane::new(main_box, (doorbell, bell), wakers, office);
    Ok(Running { cores, lane })
}

/// On a core's own thread: its reactor, its engine, its loop. What is returned is called every turn.
fn make_core(blueprint: &Blueprint, kit: Kit) -> Box<dyn FnMut() -> Step> {
    let config = Config { connections_max: blueprint.connections_max, ..Config::default() };
    let mut reactor = match Reactor::new(config) {
        Ok(reactor) => reactor,
        Err(refusal) => {
            // The main thread has ended then, or prints the line and ends.
            let _ = kit.ready.send(Err(refusal.to_string()));
            return Box::new(|| Step::Done);
        }
    };
    let introduced = kit.ready.send(Ok((kit.core, reactor.waker()))).is_ok();
    let Some(peers) = introduced.then(|| kit.peers.recv().ok()).flatten() else {
        return Box::new(|| Step::Done);
    };
    reactor.set_peers(peers.clone(), blueprint.by_message);
    let route = RouteTable::new(blueprint.process.cores);
    let engine = Engine::new(Setup {
        core: kit.core,
        route,
        settings: blueprint.settings.clone(),
        table: blueprint.table.clone(),
        process: blueprint.process.clone(),
        hash_seed: blueprint.hash_seed,
        seed: identity::random(),
        clock: blueprint.clock,
    });
    let entrance = kit.entrance.map(|(acceptor, doors)| {
        let doors = doors.into_iter().map(|(listening, door)| {
            reactor.listen(listening);
            door
        });
        Entrance { acceptor, doors: doors.collect() }
    });
    let mut core = CoreLoop::new(engine, reactor, (kit.mailbox, peers), kit.main, entrance);
    Box::new(move || if core.turn() { Step::Again } else { Step::Done })
}

/// Glommio where it can start, bare threads where it cannot.
fn choose_host() -> Host {
    let probe = reactor::spawn_core(Host::Glommio, None, "probe", || || Step::Done);
    match probe.and_then(CoreThread::join) {
        Ok(()) => Host::Glommio,
        Err(error) => {
            tracing::warn!("cores run on bare threads because glommio cannot start: {error}");
            Host::Thread
        }
    }
}

/// Raises the limit of open files to what `maxclients` needs, or lowers `maxclients` to what it
/// allows. Gives `maxclients` and the most connections one core may have.
fn descriptors(settings: &Settings, cores: usize) -> Result<(usize, usize)> {
    let reserved = DESCRIPTORS_RESERVED + DESCRIPTORS_PER_CORE * cores as u64;
    let wanted = settings.size(settings::MAXCLIENTS) as u64;
    let limit = reactor::raise_open_files(wanted + reserved).context("the limit of open files")?;
    if limit <= reserved {
        bail!(
            "the limit of open files is {limit}, and {cores} cores need more than {reserved}: raise it with ulimit -n"
        );
    }
    let allowed = wanted.min(limit - reserved);
    if allowed < wanted {
        tracing::warn!(
            "You requested maxclients of {wanted} requiring at least {} max file descriptors.",
            wanted + reserved
        );
        tracing::warn!(
            "Current maximum open files is {limit}. maxclients has been reduced to {allowed} to compensate for low ulimit. If you need higher maxclients increase 'ulimit -n'."
        );
    }
    // Connections being turned away need a place too, for as long as it takes to tell them.
    Ok((allowed as usize, (limit - reserved) as usize + 1))
}

/// Binds every address that the configuration names.
fn open_doors(settings: &Settings, cores: usize) -> Result<Vec<(Listening, Door)>> {
    let listen = listening_options(settings);
    let mut doors = Vec::new();
    bind_common(&listen, settings, &mut doors)?;
    let first = settings.int(settings::CORE_PORTS);
    if first != 0 {
        for index in 0..cores as u16 {
            let port = u16::try_from(first + i64::from(index));
            let port = port
                .map_err(|_| anyhow!("core-ports {first}: {cores} cores need ports above 65535"))?;
            bind(&listen, settings, port, Door::Core(CoreId(index)), &mut doors)?;
        }
    }
    let path = String::from_utf8_lossy(settings.text(settings::UNIXSOCKET)).into_owned();
    if !path.is_empty() {
        let mode = settings.int(settings::UNIXSOCKETPERM) as u32;
        doors.push((listen.unix(Path::new(&path), (mode != 0).then_some(mode))?, Door::Common));
    }
    if doors.is_empty() {
        bail!("nothing to listen on: port is 0 and there is neither core-ports nor unixsocket");
    }
    Ok(doors)
}

/// The common port at another place, for CONFIG SET.
pub fn open_common(settings: &Settings) -> Result<Vec<(Listening, Door)>> {
    let mut doors = Vec::new();
    bind_common(&listening_options(settings), settings, &mut doors)?;
    Ok(doors)
}

fn bind_common(
    listen: &Listen,
    settings: &Settings,
    doors: &mut Vec<(Listening, Door)>,
) -> Result<()> {
    match settings.int(settings::PORT) as u16 {
        0 => Ok(()),
        port => bind(listen, settings, port, Door::Common, doors),
    }
}

fn listening_options(settings: &Settings) -> Listen {
    Listen {
        backlog: settings.int(settings::TCP_BACKLOG) as i32,
        keepalive_s: settings.int(settings::TCP_KEEPALIVE) as u64,
    }
}

/// One port on every address of `bind`. An address with `-` in front may be missing on this machine.
fn bind(
    listen: &Listen,
    settings: &Settings,
    port: u16,
    door: Door,
    doors: &mut Vec<(Listening, Door)>,
) -> Result<()> {
    for word in settings.words(settings::BIND) {
        let word = String::from_utf8_lossy(word).into_owned();
        let (name, optional) = match word.strip_prefix('-') {
            Some(name) => (name.to_owned(), true),
            None => (word, false),
        };
        let ip: IpAddr = match name.as_str() {
            "*" => Ipv4Addr::UNSPECIFIED.into(),
            "::*" => Ipv6Addr::UNSPECIFIED.into(),
            other => placement::resolve(other).with_context(|| format!("bind {other}"))?,
        };
        match listen.tcp(SocketAddr::new(ip, port)) {
            Ok(listening) => doors.push((listening, door)),
            Err(error) if optional && error.is_unavailable() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
