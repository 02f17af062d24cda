//! redis-rs, blocking, with one server and with the cluster face.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use anyhow::{Result, bail, ensure};
use redis::{
    Client, Connection, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, TypedCommands, cluster::ClusterClientBuilder,
};

use super::{Tally, Target, figures};

/// Threads that work at once in the concurrency check.
const THREADS: usize = 16;
/// Increments of each of them.
const ROUNDS: usize = 500;

/// Checks against a server without a password.
pub fn run(target: &Target, tally: &mut Tally) {
    for (name, protocol) in [("RESP2", ProtocolVersion::RESP2), ("RESP3", ProtocolVersion::RESP3)] {
        tally.note(&format!("redis-rs {name} strings and TTL"), strings(target, protocol));
        tally.note(&format!("redis-rs {name} pipeline of 10,000"), pipeline(target, protocol));
        tally.note(&format!("redis-rs {name} SCAN of 3,000 keys"), scan(target, protocol));
        tally.note(&format!("redis-rs {name} errors and databases"), errors(target, protocol));
        tally.note(&format!("redis-rs {name} {THREADS} threads"), concurrency(target, protocol));
        if let Some(node) = target.cluster {
            tally.note(&format!("redis-rs {name} cluster"), cluster(target, node, protocol));
        }
    }
}

/// Checks against a server that wants a password.
pub fn run_with_password(target: &Target, tally: &mut Tally) {
    for (name, protocol) in [("RESP2", ProtocolVersion::RESP2), ("RESP3", ProtocolVersion::RESP3)] {
        tally.note(&format!("redis-rs {name} AUTH"), password(target, protocol));
        if let Some(node) = target.cluster {
            tally.note(
                &format!("redis-rs {name} cluster with AUTH"),
                cluster(target, node, protocol),
            );
        }
    }
}

fn info(
    addr: SocketAddr,
    protocol: ProtocolVersion,
    password: Option<&str>,
    database: i64,
) -> Result<ConnectionInfo> {
    let mut redis = RedisConnectionInfo::default().set_protocol(protocol).set_db(database);
    if let Some(password) = password {
        redis = redis.set_password(password);
    }
    let place = ConnectionAddr::Tcp(addr.ip().to_string(), addr.port());
    Ok(place.into_connection_info()?.set_redis_settings(redis))
}

fn connect(target: &Target, protocol: ProtocolVersion) -> Result<Connection> {
    Ok(Client::open(info(target.addr, protocol, target.password.as_deref(), 0)?)?
        .get_connection()?)
}

fn strings(target: &Target, protocol: ProtocolVersion) -> Result<String> {
    let mut con = connect(target, protocol)?;
    con.flushall()?;
    con.set("greeting", "hello")?;
    ensure!(con.get("greeting")?.as_deref() == Some("hello"), "GET after SET");
    ensure!(con.append("greeting", " world")? == 11, "APPEND");
    ensure!(con.getrange("greeting", -5, -1)? == "world", "GETRANGE");
    ensure!(con.incr("counter", 41)? == 41 && con.incr("counter", 1)? == 42, "INCRBY");
    con.set_ex("short", "v", 100)?;
    let ttl: i64 = redis::cmd("TTL").arg("short").query(&mut con)?;
    ensure!((98..=100).contains(&ttl), "TTL is {ttl}");
    ensure!(con.persist("short")?, "PERSIST");
    let binary: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    con.set("binary", &binary)?;
    let back: Vec<u8> = redis::cmd("GET").arg("binary").query(&mut con)?;
    ensure!(back == binary, "a binary value of 100,000 bytes comes back the same");
    ensure!(con.mget(&["greeting", "nothing", "counter"])?.len() == 3, "MGET");
    ensure!(con.del(&["greeting", "counter", "short", "binary", "nothing"])? == 4, "DEL counts");
    let config: HashMap<String, String> =
        redis::cmd("CONFIG").arg("GET").arg("maxmemory-policy").query(&mut con)?;
    ensure!(config.contains_key("maxmemory-policy"), "CONFIG GET is a map");
    Ok(String::new())
}

fn pipeline(target: &Target, protocol: ProtocolVersion) -> Result<String> {
    let mut con = connect(target, protocol)?;
    let mut pipe = redis::pipe();
    for i in 0..5_000 {
        pipe.set(format!("p:{i}"), i).ignore().get(format!("p:{i}"));
    }
    let values: Vec<i64> = pipe.query(&mut con)?;
    ensure!(values == (0..5_000).collect::<Vec<i64>>(), "replies in the order asked");
    Ok(String::new())
}

fn scan(target: &Target, protocol: ProtocolVersion) -> Result<String> {
    let mut con = connect(target, protocol)?;
    con.flushall()?;
    let mut pipe = redis::pipe();
    for i in 0..3_000 {
        pipe.set(format!("scan:{i}"), i).ignore();
        pipe.set(format!("other:{i}"), i).ignore();
    }
    pipe.exec(&mut con)?;
    let mut found = HashSet::new();
    for key in con.scan_match::<_, String>("scan:*")? {
        found.insert(key?);
    }
    ensure!(found.len() == 3_000, "SCAN MATCH found {} of 3,000", found.len());
    let keys = con.keys("scan:*")?;
    ensure!(keys.len() == 3_000, "KEYS found {}", keys.len());
    Ok(String::new())
}

fn errors(target: &Target, protocol: ProtocolVersion) -> Result<String> {
    let mut con = connect(target, protocol)?;
    con.set("word", "abc")?;
    match con.incr("word", 1) {
        Err(error) => {
            ensure!(error.to_string().contains("not an integer"), "INCR of a word says {error}")
        }
        Ok(n) => bail!("INCR of a word gave {n}"),
    }
    let unknown: redis::RedisResult<String> = redis::cmd("NOSUCH").query(&mut con);
    ensure!(unknown.is_err(), "an unknown command is an error");
    ensure!(con.get("word")?.as_deref() == Some("abc"), "the connection works on after errors");
    let mut third = Client::open(info(target.addr, protocol, target.password.as_deref(), 3)?)?
        .get_connection()?;
    ensure!(third.get("word")?.is_none(), "database 3 does not see database 0");
    third.set("word", "three")?;
    ensure!(con.get("word")?.as_deref() == Some("abc"), "database 0 does not see database 3");
    redis::cmd("FLUSHDB").exec(&mut third)?;
    Ok(String::new())
}

fn concurrency(target: &Target, protocol: ProtocolVersion) -> Result<String> {
    let mut con = connect(target, protocol)?;
    con.del("shared")?;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|number| {
                scope.spawn(move || -> Result<()> {
                    let mut con = connect(target, protocol)?;
                    for round in 0..ROUNDS {
                        con.incr("shared", 1)?;
                        let key = format!("own:{number}:{round}");
                        con.set(&key, round)?;
                        ensure!(con.get(&key)? == Some(round.to_string()), "{key} read back");
                    }
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a check does not panic"))
    })?;
    let total = con.get("shared")?;
    ensure!(
        total == Some((THREADS * ROUNDS).to_string()),
        "{} increments counted as {total:?}",
        THREADS * ROUNDS
    );
    Ok(format!("({} increments)", THREADS * ROUNDS))
}

fn password(target: &Target, protocol: ProtocolVersion) -> Result<String> {
    let mut con = connect(target, protocol)?;
    con.set("k", "v")?;
    let wrong = Client::open(info(target.addr, protocol, Some("wrong"), 0)?)?.get_connection();
    ensure!(wrong.is_err(), "a wrong password is refused");
    let none = Client::open(info(target.addr, protocol, None, 0)?)?
        .get_connection()
        .and_then(|mut con| con.get("k"));
    ensure!(none.is_err(), "no password is refused");
    Ok(String::new())
}

/// Writes and reads through the cluster client; the server must neither redirect nor hop.
fn cluster(target: &Target, node: SocketAddr, protocol: ProtocolVersion) -> Result<String> {
    let password = target.password.as_deref();
    let mut builder =
        ClusterClientBuilder::new([info(node, protocol, password, 0)?]).use_protocol(protocol);
    if let Some(password) = password {
        builder = builder.password(password);
    }
    let mut con = builder.build()?.get_connection()?;
    figures::counts_hops(target.addr, password)?;
    let (hops, moved) = figures::hops_during(target.addr, password, || {
        for i in 0..target.keys {
            con.set(format!("cluster:{i}"), i)?;
        }
        for i in 0..target.keys {
            let value = con.get(format!("cluster:{i}"))?;
            ensure!(value == Some(i.to_string()), "cluster:{i} is {value:?}");
        }
        Ok(())
    })?;
    ensure!(moved == 0, "{moved} MOVED replies");
    ensure!(hops == 0, "{hops} hops for {} requests", 2 * target.keys);
    Ok(format!("({} keys written and read, no MOVED, no hop)", target.keys))
}
