//! A tiny server for tests: a map behind PING, SET, GET, STRLEN and KEYS, which may lie once in a while. It stands on both
//! sides, so that the comparison, the rules and the shrinking are tested without any real server.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::wire::{Framer, Value};

/// How a fake server's GET and STRLEN answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Honesty {
    /// As they should.
    Honest,
    /// STRLEN of values of four bytes and more is one too long.
    LongStrlen,
    /// GET closes the connection.
    ClosesOnGet,
    /// GET says nothing.
    SilentOnGet,
}

/// Starts a fake server on a free port of loopback; it lives as long as the test process.
pub fn start(honesty: Honesty) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let addr = listener.local_addr().expect("a bound listener has an address");
    std::thread::spawn(move || {
        let store = std::sync::Arc::new(std::sync::Mutex::new(BTreeMap::new()));
        for socket in listener.incoming().flatten() {
            let store = store.clone();
            std::thread::spawn(move || serve(socket, honesty, &store));
        }
    });
    addr
}

type Store = std::sync::Mutex<BTreeMap<Vec<u8>, Vec<u8>>>;

fn serve(mut socket: TcpStream, honesty: Honesty, store: &Store) {
    let mut framer = Framer::new();
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = socket.read(&mut buffer) {
        framer.feed(&buffer[..n]);
        // Requests are arrays of bulk strings, which the framer of replies splits as well.
        while let Ok(Some(raw)) = framer.next() {
            let value = Value::parse(&raw);
            let args: Vec<Vec<u8>> = value
                .items()
                .unwrap_or_default()
                .iter()
                .filter_map(|v| v.text().map(<[u8]>::to_vec))
                .collect();
            let Some(reply) = answer(&args, honesty, store) else {
                return;
            };
            if socket.write_all(&reply).is_err() {
                return;
            }
        }
    }
}

fn answer(args: &[Vec<u8>], honesty: Honesty, store: &Store) -> Option<Vec<u8>> {
    let mut store = store.lock().expect("no test panics while it holds the map");
    let bulk = |bytes: &[u8]| [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let name = args.first()?.to_ascii_uppercase();
    Some(match (name.as_slice(), args) {
        (b"SET", [_, key, value]) => {
            store.insert(key.clone(), value.clone());
            b"+OK\r\n".to_vec()
        }
        (b"GET", _) if honesty == Honesty::ClosesOnGet => return None,
        (b"GET", _) if honesty == Honesty::SilentOnGet => Vec::new(),
        (b"GET", [_, key]) => {
            store.get(key).map_or_else(|| b"$-1\r\n".to_vec(), |value| bulk(value))
        }
        (b"STRLEN", [_, key]) => {
            let length = store.get(key).map_or(0, Vec::len);
            let lie = usize::from(honesty == Honesty::LongStrlen && length > 3);
            format!(":{}\r\n", length + lie).into_bytes()
        }
        (b"KEYS", _) => {
            let keys: Vec<u8> = store.keys().flat_map(|key| bulk(key)).collect();
            [format!("*{}\r\n", store.len()).as_bytes(), &keys].concat()
        }
        (b"FLUSHALL", _) => {
            store.clear();
            b"+OK\r\n".to_vec()
        }
        (b"PING", _) => b"+PONG\r\n".to_vec(),
        _ => b"-ERR unknown command\r\n".to_vec(),
    })
}
