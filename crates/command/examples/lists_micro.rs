use base::{Now, Settings};
use command::{Args, Command, Ctx, table::families};
use resp::{Protocol, Span, Writer};
use std::hint::black_box;
use store::{Hasher, Store};

struct Call {
    command: &'static Command,
    bytes: Vec<u8>,
    spans: Vec<Span>,
}
fn call(words: &[&[u8]]) -> Call {
    let name = std::str::from_utf8(words[0]).unwrap();
    let command = families().find(|c| c.spec.name == name).unwrap();
    let (mut bytes, mut spans) = (Vec::new(), Vec::new());
    for w in words {
        spans.push(Span { start: bytes.len() as u32, len: w.len() as u32 });
        bytes.extend_from_slice(w);
    }
    Call { command, bytes, spans }
}
#[inline(never)]
fn counted(
    store: &mut Store,
    settings: &Settings,
    calls: &[Call],
    out: &mut Vec<u8>,
    times: usize,
) {
    let hasher = store.hasher();
    for _ in 0..times {
        for c in calls {
            out.clear();
            let mut ctx = Ctx {
                store,
                db: 0,
                now: Now { unix_us: 1_700_000_000_000_000, mono_us: 1 },
                settings,
                reply: Writer::new(out, Protocol::Resp2),
            };
            let args = Args::new(&c.bytes, &c.spans, hasher);
            (c.command.run)(&mut ctx, &args).unwrap();
            black_box(&out);
        }
    }
}
fn main() {
    let what = std::env::args().nth(1).unwrap();
    let size: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let times: usize = std::env::args().nth(3).unwrap().parse().unwrap();
    let settings = Settings::default();
    let mut store = Store::new(1, 0..16384, 42, 42);
    let mut out = Vec::with_capacity(1 << 20);
    let value = vec![b'x'; size];
    let fill: Vec<Call> = (0..100).map(|_| call(&[b"LPUSH", b"mylist", &value])).collect();
    let warm = |store: &mut Store, out: &mut Vec<u8>, calls: &[Call], times: usize| {
        for _ in 0..1 {
            counted_warm(store, &settings, calls, out, times)
        }
    };
    match &*what {
        "lpush-ltrim" => {
            warm(&mut store, &mut out, &fill, 1);
            let calls =
                [call(&[b"LPUSH", b"mylist", &value]), call(&[b"LTRIM", b"mylist", b"0", b"99"])];
            warm(&mut store, &mut out, &calls, 10);
            counted(&mut store, &settings, &calls, &mut out, times);
        }
        "rpush-ltrim" => {
            warm(&mut store, &mut out, &fill, 1);
            let calls = [
                call(&[b"RPUSH", b"mylist", &value]),
                call(&[b"LTRIM", b"mylist", b"-100", b"-1"]),
            ];
            warm(&mut store, &mut out, &calls, 10);
            counted(&mut store, &settings, &calls, &mut out, times);
        }
        "lrange" => {
            warm(&mut store, &mut out, &fill, 1);
            let calls = [call(&[b"LRANGE", b"mylist", b"0", b"99"])];
            warm(&mut store, &mut out, &calls, 10);
            counted(&mut store, &settings, &calls, &mut out, times);
        }
        "rpop" | "lpop" => {
            let push = [call(&[b"LPUSH", b"mylist", &value])];
            warm(&mut store, &mut out, &push, times + 2);
            let calls = [call(&[if what == "rpop" { b"RPOP" } else { b"LPOP" }, b"mylist"])];
            counted(&mut store, &settings, &calls, &mut out, times);
        }
        "lpush" | "rpush" => {
            let calls =
                [call(&[if what == "lpush" { b"LPUSH" } else { b"RPUSH" }, b"mylist", &value])];
            warm(&mut store, &mut out, &calls, 1);
            counted(&mut store, &settings, &calls, &mut out, times);
        }
        _ => panic!(),
    }
    println!("{}", out.len());
}
#[inline(never)]
fn counted_warm(
    store: &mut Store,
    settings: &Settings,
    calls: &[Call],
    out: &mut Vec<u8>,
    times: usize,
) {
    let hasher = store.hasher();
    for _ in 0..times {
        for c in calls {
            out.clear();
            let mut ctx = Ctx {
                store,
                db: 0,
                now: Now { unix_us: 1_700_000_000_000_000, mono_us: 1 },
                settings,
                reply: Writer::new(out, Protocol::Resp2),
            };
            let args = Args::new(&c.bytes, &c.spans, hasher);
            (c.command.run)(&mut ctx, &args).unwrap();
        }
    }
}
