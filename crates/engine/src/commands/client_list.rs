//! CLIENT INFO, LIST and KILL: the line that describes a connection, the filters that pick some, and
//! what becomes of those that are killed.
//!
//! LIST and KILL ask every core. A core answers with finished lines, or closes what it has; the
//! connection that asks is never closed before it has its reply.

use super::client::{ADMIN, OWN};
use super::connection_auth::DEFAULT_USER;
use super::query::{Answer, Query};
use super::{Desk, EngineCommand, Next};
use crate::core::Core;
use crate::session::client::Gates;
use crate::session::{Session, Sessions};
use command::{Arg, ArgKind, Args, Arity, Failure, Group, Spec};
use resp::write::Protocol;

/// The kinds of clients that TYPE tells apart. Only normal ones exist so far; a MONITOR client
/// counts as normal, as in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal,
    Master,
    Replica,
    PubSub,
}

impl Kind {
    fn parse(text: &[u8]) -> Result<Kind, Failure> {
        let known: [(&str, Kind); 5] = [
            ("normal", Kind::Normal),
            ("master", Kind::Master),
            ("replica", Kind::Replica),
            ("slave", Kind::Replica),
            ("pubsub", Kind::PubSub),
        ];
        let found = known.iter().find(|(name, _)| text.eq_ignore_ascii_case(name.as_bytes()));
        let unknown = || Failure::quoting("ERR Unknown client type '", text, "'");
        found.map(|(_, kind)| *kind).ok_or_else(unknown)
    }
}

/// Ids of connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Ids {
    /// As they were asked for, which is how LIST answers.
    asked: Vec<i64>,
    /// In ascending order, each once: every connection is looked up here.
    sorted: Vec<i64>,
}

impl Ids {
    fn new(asked: Vec<i64>) -> Ids {
        let mut sorted = asked.clone();
        sorted.sort_unstable();
        sorted.dedup();
        Ids { asked, sorted }
    }
}

/// Which connections are meant; what is not said does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    ids: Option<Ids>,
    kind: Option<Kind>,
    addr: Option<Vec<u8>>,
    laddr: Option<Vec<u8>>,
    ip: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
    lib_name: Option<Vec<u8>>,
    lib_ver: Option<Vec<u8>>,
    flags: Option<Vec<u8>>,
    db: Option<i64>,
    idle_s_min: Option<u64>,
    age_s_min: Option<u64>,
    /// Leaves this connection out.
    skip: Option<u64>,
}

/// Which command the filters belong to: they differ in how ids are given and what is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    List,
    Kill,
}

impl Filter {
    /// Reads the filters from argument 2 on. `own` is the connection that asks.
    ///
    /// KILL looks at one filter after the other and tells the first that is wrong. LIST knew one filter
    /// only before newer servers let them be combined: what is no list of filters at all gets the
    /// error of the one that it begins with, and only then are their values looked at.
    fn parse(args: &Args<'_>, what: For, own: u64) -> Result<Filter, Failure> {
        if what == For::List && !is_list_of_filters(args) {
            let by_id = args.len() > 3 && args.is(2, "ID");
            return Err(if by_id { BAD_ID } else { Failure::SYNTAX });
        }
        let mut filter = Filter::default();
        let mut skips_own = what == For::Kill;
        let mut at = 2;
        while at < args.len() {
            let Some(value) = args.try_get(at + 1) else { return Err(Failure::SYNTAX) };
            if args.is(at, "ID") && what == For::List {
                at = filter.parse_ids(args, at + 1)?;
                continue;
            } else if args.is(at, "ID") {
                let id = args.integer(at + 1).filter(|id| *id > 0);
                let bad = Failure::new("ERR client-id should be greater than 0");
                filter.ids = Some(Ids::new(vec![id.ok_or(bad)?]));
            } else if args.is(at, "SKIPME") {
                skips_own = match (args.is(at + 1, "YES"), args.is(at + 1, "NO")) {
                    (true, _) => true,
                    (_, true) => false,
                    _ => return Err(Failure::SYNTAX),
                };
            } else {
                filter.parse_option(args.get(at), value)?;
            }
            at += 2;
        }
        filter.skip = skips_own.then_some(own);
        Ok(filter)
    }

    /// Ids up to the next word that is a filter's name; gives its position.
    fn parse_ids(&mut self, args: &Args<'_>, first: usize) -> Result<usize, Failure> {
        let mut at = first;
        let mut ids = Vec::new();
        while at < args.len() && (at == first || !is_filter_name(args.get(at))) {
            ids.push(args.integer(at).ok_or(BAD_ID)?);
            at += 1;
        }
        self.ids = Some(Ids::new(ids));
        Ok(at)
    }

    fn parse_option(&mut self, name: &[u8], value: &[u8]) -> Result<(), Failure> {
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        let owned = Some(value.to_vec());
        if is("TYPE") {
            self.kind = Some(Kind::parse(value)?);
        } else if is("USER") {
            if value != DEFAULT_USER.as_bytes() {
                return Err(Failure::quoting("ERR No such user '", value, "'"));
            }
        } else if is("ADDR") {
            self.addr = owned;
        } else if is("LADDR") {
            self.laddr = owned;
        } else if is("IP") {
            self.ip = owned;
        } else if is("NAME") {
            self.name = owned;
        } else if is("LIB-NAME") {
            self.lib_name = owned;
        } else if is("LIB-VER") {
            self.lib_ver = owned;
        } else if is("FLAGS") {
            self.flags = owned;
        } else if is("DB") {
            self.db = Some(resp::number::parse_i64(value).ok_or(Failure::NOT_INTEGER)?);
        } else if is("IDLE") {
            self.idle_s_min = Some(seconds("idle", value)?);
        } else if is("MAXAGE") {
            self.age_s_min = Some(seconds("maxage", value)?);
        } else {
            return Err(Failure::SYNTAX);
        }
        Ok(())
    }

    /// Whether a connection is meant, [`Filter::skip`] apart.
    fn matches(&self, session: &Session, core: &Core) -> bool {
        fn same<T: PartialEq + ?Sized>(wanted: Option<&T>, found: &T) -> bool {
            wanted.is_none_or(|wanted| wanted == found)
        }
        let text = |text: &Option<Box<[u8]>>| text.as_deref().unwrap_or_default().to_vec();
        let idle_s = core.now.mono_ms().saturating_sub(session.active_ms) / 1000;
        let has_flags = |wanted: &Vec<u8>| {
            let flags = flags_of(session);
            wanted.iter().all(|flag| flags.as_bytes().contains(flag))
        };
        let peer = &session.peer;
        let id = peer.client_id as i64;
        self.ids.as_ref().is_none_or(|ids| ids.sorted.binary_search(&id).is_ok())
            && self.kind.is_none_or(|kind| kind == Kind::Normal)
            && same(self.addr.as_deref(), peer.address.as_bytes())
            && same(self.laddr.as_deref(), peer.local_address.as_bytes())
            && same(self.ip.as_deref(), host_of(&peer.address).as_bytes())
            && same(self.name.as_ref(), &text(&session.name))
            && same(self.lib_name.as_ref(), &text(&session.lib_name))
            && same(self.lib_ver.as_ref(), &text(&session.lib_ver))
            && self.flags.as_ref().is_none_or(has_flags)
            && self.db.is_none_or(|db| db == i64::from(session.db))
            && self.idle_s_min.is_none_or(|least| idle_s >= least)
            && self.age_s_min.is_none_or(|least| age_s(session, core) >= least)
    }
}

/// What LIST says of an id that is none.
const BAD_ID: Failure = Failure::new("ERR Invalid client ID");

/// Whether the arguments of LIST are filters, each with its value, or ID with its values.
fn is_list_of_filters(args: &Args<'_>) -> bool {
    let mut at = 2;
    while at < args.len() {
        if !is_filter_name(args.get(at)) || at + 1 == args.len() {
            return false;
        }
        let by_id = args.is(at, "ID");
        at += 2;
        while by_id && at < args.len() && !is_filter_name(args.get(at)) {
            at += 1;
        }
    }
    true
}

fn is_filter_name(word: &[u8]) -> bool {
    const NAMES: [&str; 13] = [
        "ID", "TYPE", "USER", "ADDR", "LADDR", "IP", "NAME", "LIB-NAME", "LIB-VER", "FLAGS", "DB",
        "IDLE", "MAXAGE",
    ];
    NAMES.iter().chain(&["SKIPME"]).any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
}

/// A number of seconds above 0.
fn seconds(name: &str, text: &[u8]) -> Result<u64, Failure> {
    match resp::number::parse_i64(text) {
        None => Err(Failure::text(format!("ERR {name} is not an integer or out of range"))),
        Some(number) if number <= 0 => {
            Err(Failure::text(format!("ERR {name} should be greater than 0")))
        }
        Some(number) => Ok(number as u64),
    }
}

/// The host part of an address as CLIENT LIST shows it, without the brackets of IPv6.
pub(super) fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn age_s(session: &Session, core: &Core) -> u64 {
    core.now.mono_us.saturating_sub(session.opened.mono_us) / 1_000_000
}

/// The letters of a connection's state, in Redis' order.
fn flags_of(session: &Session) -> String {
    let letters = [
        ('O', session.gates.any(Gates::MONITOR)),
        ('x', session.queue.is_some()),
        ('b', session.blocked.is_some()),
        ('c', session.closing),
        ('U', session.peer.is_unix),
        ('r', session.readonly),
        ('e', session.no_evict),
        ('T', session.no_touch),
    ];
    let set: String = letters.iter().filter(|(_, on)| *on).map(|(letter, _)| letter).collect();
    if set.is_empty() { "N".to_owned() } else { set }
}

/// The line that describes a connection, as Redis 7.2 writes it, without its end of line. What has no
/// meaning here (`fd`, `argv-mem`, …) is the nearest thing there is, or 0.
fn line_of(session: &Session, core: &Core) -> String {
    let text = |text: &Option<Box<[u8]>>| {
        String::from_utf8_lossy(text.as_deref().unwrap_or_default()).into_owned()
    };
    let command = session.last_command.map(|id| core.table.entry(id).full_name.as_str());
    let sending = session.sending;
    format!(
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub=0 psub=0 ssub=0 \
         multi={} qbuf={} qbuf-free={} argv-mem=0 multi-mem={} rbs={} rbp={} obl={} oll={} omem={} \
         tot-mem={} events={} cmd={} user={DEFAULT_USER} redir=-1 resp={} lib-name={} lib-ver={}",
        session.peer.client_id,
        session.peer.address,
        session.peer.local_address,
        session.id.index,
        text(&session.name),
        age_s(session, core),
        core.now.mono_ms().saturating_sub(session.active_ms) / 1000,
        flags_of(session),
        session.db,
        session.queue.as_ref().map_or(-1, |queue| queue.len() as i64),
        session.input.len(),
        session.input.capacity() - session.input.len(),
        session.queue.as_ref().map_or(0, |queue| queue.memory()),
        session.out.capacity(),
        session.out.capacity(),
        session.out.len(),
        usize::from(sending > 0),
        sending,
        session.memory(),
        if sending > 0 { "rw" } else { "r" },
        command.unwrap_or("NULL"),
        if session.protocol == Protocol::Resp3 { 3 } else { 2 },
        text(&session.lib_name),
        text(&session.lib_ver),
    )
}

/// Describes the own connection.
pub const INFO: EngineCommand = EngineCommand::new(
    Spec {
        name: "INFO",
        arity: Arity::exactly(2),
        flags: OWN,
        group: Group::Connection,
        since: "6.2.0",
        summary: "Returns information about the current client connection.",
        tips: &["nondeterministic_output"],
        ..Spec::NEW
    },
    info,
);

fn info(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    let line = line_of(desk.session, desk.core) + "\n";
    desk.reply.verbatim("txt", line.as_bytes());
    Ok(Next::Done)
}

/// Describes all connections, or those that filters pick.
pub const LIST: EngineCommand = EngineCommand::new(
    Spec {
        name: "LIST",
        arity: Arity::at_least(2),
        flags: ADMIN,
        group: Group::Connection,
        since: "2.4.0",
        complexity: "O(N) where N is the number of client connections",
        summary: "Get the list of client connections",
        args: &[
            Arg::new(
                "normal_master_replica_pubsub",
                ArgKind::OneOf(&[
                    Arg::word("normal", "NORMAL"),
                    Arg::word("master", "MASTER"),
                    Arg::word("replica", "REPLICA"),
                    Arg::word("pubsub", "PUBSUB"),
                ]),
            )
            .token("TYPE")
            .since("5.0.0")
            .optional(),
            Arg::new("id", ArgKind::Block(&[Arg::new("client-id", ArgKind::Integer).multiple()]))
                .token("ID")
                .since("6.2.0")
                .optional(),
        ],
        tips: &["nondeterministic_output"],
        history: &[
            ("2.8.12", "Added unique client `id` field."),
            ("5.0.0", "Added optional `TYPE` filter."),
            ("6.0.0", "Added `user` field."),
            (
                "6.2.0",
                "Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` filter.",
            ),
            ("7.0.0", "Added `resp`, `multi-mem`, `rbs` and `rbp` fields."),
            ("7.0.3", "Added `ssub` field."),
        ],
        ..Spec::NEW
    },
    list,
);

fn list(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let filter = Filter::parse(args, For::List, desk.session.peer.client_id)?;
    Ok(Next::Ask(Query::Clients(filter)))
}

/// One core's lines, each with its connection's number.
pub(super) fn answer_list(filter: &Filter, core: &Core, sessions: &Sessions) -> Answer {
    let meant = sessions.iter().filter(|session| filter.skip != Some(session.peer.client_id));
    let meant = meant.filter(|session| filter.matches(session, core));
    Answer::Clients(meant.map(|session| (session.peer.client_id, line_of(session, core))).collect())
}

/// All cores' lines in the order in which the clients came, or in which their ids were asked for, each
/// as often as it was.
pub(super) fn merge_list(filter: &Filter, answers: Vec<Answer>, desk: &mut Desk<'_>) {
    let mut lines: Vec<(u64, String)> = Vec::new();
    for answer in answers {
        if let Answer::Clients(some) = answer {
            lines.extend(some);
        }
    }
    lines.sort_unstable_by_key(|(id, _)| *id);
    let line_of = |id: &i64| {
        let place = lines.binary_search_by_key(id, |(id, _)| *id as i64).ok()?;
        Some(lines[place].1.as_str())
    };
    let chosen: Vec<&str> = match &filter.ids {
        Some(ids) => ids.asked.iter().filter_map(line_of).collect(),
        None => lines.iter().map(|(_, line)| line.as_str()).collect(),
    };
    let text: String = chosen.into_iter().flat_map(|line| [line, "\n"]).collect();
    desk.reply.verbatim("txt", text.as_bytes());
}

/// Whom a CLIENT KILL means.
#[derive(Debug)]
pub struct Kill {
    filter: Filter,
    /// The connection that asks: it is closed only after its reply.
    asker: u64,
    /// `CLIENT KILL address` answers OK or an error instead of a count.
    old_form: bool,
}

/// Closes connections.
pub const KILL: EngineCommand = EngineCommand::new(
    Spec {
        name: "KILL",
        arity: Arity::at_least(3),
        flags: ADMIN,
        group: Group::Connection,
        since: "2.4.0",
        complexity: "O(N) where N is the number of client connections",
        summary: "Kill the connection of a client",
        args: &[Arg::new(
            "filter",
            ArgKind::OneOf(&[
                Arg::new("ip:port", ArgKind::String).deprecated("2.8.12"),
                Arg::new(
                    "new-format",
                    ArgKind::OneOf(&[
                        Arg::new("client-id", ArgKind::Integer)
                            .token("ID")
                            .since("2.8.12")
                            .optional(),
                        Arg::new(
                            "normal_master_slave_pubsub",
                            ArgKind::OneOf(&[
                                Arg::word("normal", "NORMAL"),
                                Arg::word("master", "MASTER").since("3.2.0"),
                                Arg::word("slave", "SLAVE"),
                                Arg::word("replica", "REPLICA").since("5.0.0"),
                                Arg::word("pubsub", "PUBSUB"),
                            ]),
                        )
                        .token("TYPE")
                        .since("2.8.12")
                        .optional(),
                        Arg::new("username", ArgKind::String).token("USER").optional(),
                        Arg::new("ip:port", ArgKind::String).token("ADDR").optional(),
                        Arg::new("ip:port", ArgKind::String)
                            .token("LADDR")
                            .since("6.2.0")
                            .optional(),
                        Arg::new("yes/no", ArgKind::String).token("SKIPME").optional(),
                    ]),
                )
                .multiple(),
            ]),
        )],
        history: &[
            ("2.8.12", "Added new filter format."),
            ("2.8.12", "`ID` option."),
            ("3.2.0", "Added `master` type in for `TYPE` option."),
            (
                "5.0.0",
                "Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward compatibility.",
            ),
            ("6.2.0", "`LADDR` option."),
        ],
        ..Spec::NEW
    },
    kill,
);

fn kill(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let asker = desk.session.peer.client_id;
    let old_form = args.len() == 3;
    let filter = if old_form {
        Filter { addr: Some(args.get(2).to_vec()), ..Filter::default() }
    } else {
        Filter::parse(args, For::Kill, asker)?
    };
    Ok(Next::Ask(Query::Kill(Kill { filter, asker, old_form })))
}

/// Dooms the connections of one core that are meant; they are closed right after this.
pub(super) fn answer_kill(kill: &Kill, core: &mut Core, sessions: &Sessions) -> Answer {
    let (mut killed, mut own) = (0, false);
    for session in sessions.iter() {
        let id = session.peer.client_id;
        if kill.filter.skip == Some(id) || !kill.filter.matches(session, core) {
            continue;
        }
        killed += 1;
        match id == kill.asker {
            true => own = true,
            false => core.clients.doomed.push(session.id),
        }
    }
    Answer::Killed { killed, own }
}

/// Answers how many there were.
pub(super) fn merge_kill(kill: &Kill, answers: Vec<Answer>, desk: &mut Desk<'_>) {
    let (mut total, mut own_too) = (0, false);
    for answer in answers {
        if let Answer::Killed { killed, own } = answer {
            total += killed;
            own_too |= own;
        }
    }
    match (kill.old_form, total) {
        (true, 0) => {
            let text = "ERR No such client";
            desk.core.account_error(text.as_bytes());
            desk.reply.error(text);
        }
        (true, _) => desk.reply.ok(),
        (false, total) => desk.reply.integer(total),
    }
    if own_too {
        desk.session.closing = true;
    }
}

#[cfg(test)]
mod tests {
    use super::{Filter, For};
    use crate::check::{Client, World, check};
    use crate::spread::joined;
    use command::Args;

    #[test]
    fn many_ids_are_looked_up_in_order_each_once() {
        let world = World::new(1);
        let words: Vec<String> = ["CLIENT", "LIST", "ID"].into_iter().map(str::to_owned).collect();
        let many = (0..10_000).rev().map(|number| (number % 500).to_string());
        let words: Vec<String> = words.into_iter().chain(many).collect();
        let (bytes, spans) = joined(words.iter().map(String::as_bytes));
        let args = Args::new(&bytes, &spans, world.core(0).hasher);
        let filter = Filter::parse(&args, For::List, 1).expect("ids");
        let ids = filter.ids.expect("ids");
        assert_eq!(ids.asked.len(), 10_000);
        assert!(ids.sorted.iter().copied().eq(0..500), "each connection is looked up quickly");
    }

    fn ids(list: &str) -> Vec<u64> {
        let lines = list.split("\\n").filter(|line| !line.is_empty());
        let id = |line: &str| line.split(' ').next().unwrap()[3..].parse().unwrap();
        lines.map(id).collect()
    }

    fn three() -> (World, [Client; 3]) {
        let mut world = World::new(3);
        let clients = [world.open(2), world.open(0), world.open(1)];
        (world, clients)
    }

    #[test]
    fn the_line_has_the_fields_of_redis_in_their_order() {
        let mut world = World::new(1);
        let client = world.open(0);
        world.pass_ms(2500);
        let info = world.ask(client, "CLIENT INFO");
        let names: Vec<&str> =
            info.split(' ').map(|field| field.split('=').next().unwrap()).collect();
        let wanted = "id addr laddr fd name age idle flags db sub psub ssub multi qbuf qbuf-free \
                      argv-mem multi-mem rbs rbp obl oll omem tot-mem events cmd user redir resp \
                      lib-name lib-ver";
        assert_eq!(names.join(" "), wanted);
        assert!(info.contains(" age=2 idle=0 flags=N db=0 "), "{info}");
        assert!(info.contains(" cmd=client|info user=default redir=-1 resp=2 "), "{info}");
    }

    #[test]
    fn clients_of_all_cores_are_listed_in_the_order_they_came() {
        let (mut world, clients) = three();
        let list = world.ask(clients[1], "CLIENT LIST");
        assert_eq!(ids(&list), [1, 2, 3]);
        assert!(list.ends_with("\\n"));
        world.ask(clients[1], "HELLO 3");
        assert!(world.feed(clients[1], b"CLIENT LIST\r\n").starts_with(b"="));
    }

    #[test]
    fn filters_pick_clients() {
        let (mut world, clients) = three();
        world.ask(clients[0], "CLIENT SETNAME me");
        world.ask(clients[0], "SELECT 3");
        let mut list = |filters: &str| {
            let list = world.ask(clients[1], &format!("CLIENT LIST {filters}"));
            ids(&list.replace("\"\"", ""))
        };
        assert_eq!(list("ID 3 99 1 3"), [3, 1, 3], "as they were asked for");
        assert_eq!(list("ID 0"), [] as [u64; 0]);
        assert_eq!(list("ID 1 2 TYPE normal"), [1, 2]);
        assert_eq!(list("TYPE master"), [] as [u64; 0]);
        assert_eq!(list("USER default SKIPME yes"), [1, 3]);
        assert_eq!(list("NAME me"), [1]);
        assert_eq!(list("DB 3"), [1]);
        assert_eq!(list("ADDR 127.0.0.1:10002"), [2]);
        assert_eq!(list("IP 127.0.0.1"), [1, 2, 3]);
        assert_eq!(list("MAXAGE 5"), [] as [u64; 0]);
        assert_eq!(list("FLAGS N"), [1, 2, 3]);
    }

    #[test]
    fn bad_filters_get_redis_texts() {
        check(
            "CLIENT LIST x; CLIENT LIST TYPE; CLIENT LIST TYPE x; CLIENT LIST TYPE x y; CLIENT LIST ID; \
             CLIENT LIST ID 1 TYPE; CLIENT LIST ID TYPE x; CLIENT LIST ID a; CLIENT KILL ID x 1; CLIENT KILL ID 0 SKIPME no; CLIENT KILL TYPE x",
            &[
                "(err) ERR syntax error",
                "(err) ERR syntax error",
                "(err) ERR Unknown client type 'x'",
                "(err) ERR syntax error",
                "(err) ERR syntax error",
                "(err) ERR Invalid client ID",
                "(err) ERR Invalid client ID",
                "(err) ERR Invalid client ID",
                "(err) ERR client-id should be greater than 0",
                "(err) ERR client-id should be greater than 0",
                "(err) ERR Unknown client type 'x'",
            ],
        );
        check(
            "CLIENT KILL 1.1.1.1:1; CLIENT KILL ID; CLIENT KILL ID -1; CLIENT KILL ID 999; CLIENT KILL ID 1 X; \
             CLIENT KILL USER x; CLIENT KILL SKIPME x; CLIENT KILL FOO x; CLIENT KILL MAXAGE 0",
            &[
                "(err) ERR No such client",
                "(err) ERR No such client",
                "(err) ERR client-id should be greater than 0",
                "0",
                "(err) ERR syntax error",
                "(err) ERR No such user 'x'",
                "(err) ERR syntax error",
                "(err) ERR syntax error",
                "(err) ERR maxage should be greater than 0",
            ],
        );
    }

    #[test]
    fn the_last_command_is_the_one_that_was_known() {
        let mut world = World::new(1);
        let (client, other) = (world.open(0), world.open(0));
        for (words, shown) in [
            ("GET k", "get"),
            ("NOSUCH", "NULL"),
            ("GET", "get"),
            ("CLIENT NOSUCH", "NULL"),
            ("CLIENT", "client"),
            ("CLIENT ID x", "client|id"),
        ] {
            world.ask(client, words);
            let list = world.ask(other, "CLIENT LIST ID 1");
            assert!(list.contains(&format!(" cmd={shown} ")), "{words}: {list}");
        }
    }

    #[test]
    fn errors_repeat_bytes_as_they_came_up_to_a_nul() {
        let mut world = World::new(2);
        let client = world.open(0);
        let mut ask = |words: &str| {
            let request: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
            world.ask_words(client, &request)
        };
        assert_eq!(ask("CLIENT LIST TYPE a\0b"), "(err) ERR Unknown client type 'a'");
        assert_eq!(ask("CLIENT KILL USER a\r\nb"), "(err) ERR No such user 'a  b'");
        assert_eq!(ask("HELLO 3 a\0b"), "(err) ERR Syntax error in HELLO option 'a'");
        assert_eq!(ask("SLOWLOG a\0b"), "(err) ERR unknown subcommand 'a'. Try SLOWLOG HELP.");
        assert_eq!(ask("ACL CAT a\0b"), "(err) ERR Unknown category 'a'");
        let unknown = "(err) ERR unknown command 'a', with args beginning with: 'c' ";
        assert_eq!(ask("a\0b c\0d"), unknown);
        let out = world.feed(client, b"*1\r\n$2\r\n\xff\xfe\r\n");
        assert_eq!(
            out,
            b"-ERR unknown command '\xff\xfe', with args beginning with: \r\n".as_slice()
        );
    }

    #[test]
    fn kill_closes_clients_of_other_cores_before_it_is_answered() {
        let (mut world, clients) = three();
        assert_eq!(world.ask(clients[1], "CLIENT KILL ID 1"), "1");
        assert!(world.is_closed(clients[0]));
        assert!(!world.is_closed(clients[2]));
        assert_eq!(world.ask(clients[1], "CLIENT KILL 127.0.0.1:10003"), "OK");
        assert!(world.is_closed(clients[2]));
        assert_eq!(ids(&world.ask(clients[1], "CLIENT LIST")), [2]);
    }

    #[test]
    fn the_own_connection_is_closed_after_its_reply_and_only_when_asked_for() {
        let (mut world, clients) = three();
        assert_eq!(world.ask(clients[1], "CLIENT KILL ID 2"), "0");
        let out = world.feed(clients[1], b"CLIENT KILL SKIPME no\r\nPING\r\n");
        assert_eq!(out, b":3\r\n");
        assert!(clients.iter().all(|client| world.is_closed(*client)));
        let mut world = World::new(2);
        let client = world.open(1);
        assert_eq!(world.feed(client, b"CLIENT KILL 127.0.0.1:10001\r\nPING\r\n"), b"+OK\r\n");
        assert!(world.is_closed(client));
    }

    #[test]
    fn replies_owed_to_a_killed_client_are_dropped_without_harm() {
        let (mut world, clients) = three();
        world.feed_quietly(clients[0], b"SET a 1\r\nSET b 1\r\nSET c 1\r\nMGET a b c\r\n");
        world.feed_quietly(clients[1], b"CLIENT KILL ID 1\r\n");
        world.settle();
        assert!(world.is_closed(clients[0]));
        assert_eq!(world.take(clients[1]), b":1\r\n");
    }
}
