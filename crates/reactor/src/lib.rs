//! Sockets, buffers, clock and pinning over io_uring; room 3 of unsafe: the kernel.
//!
//! A [`Reactor`] is one core's data plane: one ring of its own, entered once a turn. The loop above it is
//!
//! ```text
//! reactor.wait(timeout_us)?;           the turn's one system call: submits, collects, maybe blocks
//! let now = reactor.now();             the turn's time
//! mailbox.drain(..);                   what other cores say; nothing in `turn` came after it was sent
//! reactor.poll(&mut turn, max);        completions become events; sends and re-arms are settled inside
//! for event in turn.events() { .. }    bytes are borrowed, `reactor` may be used meanwhile
//! reactor.end_turn(&mut turn);         buffers go back to the kernel
//! mailbox.publish(reactor.stamp());    before the next `wait`, which sends this turn's replies
//! ```
//!
//! Nothing above this crate knows a ring, a file descriptor's number or a system call, so that an epoll
//! twin with the same face can serve machines that refuse io_uring. The reasons stand in
//! `docs/design/runtime.md`.

mod address;
mod allocator;
mod buffers;
mod clock;
mod closing;
mod conn;
mod counters;
mod cpu;
mod event;
mod fills;
mod host;
mod listen;
mod quota;
mod reactor;
mod receives;
mod refusal;
mod ring;
mod sends;
mod token;
mod wake;

pub use address::{is_from_this_machine, local_address, peer_address};
pub use allocator::{give_back_free_pages, give_back_on_demand};
pub use clock::{TickRate, monotonic_ns, thread_cpu_ns, ticks};
pub use closing::CloseMode;
pub use counters::Counters;
pub use cpu::{pin_to, raise_open_files};
pub use event::{Closed, Event, Events, Turn};
pub use host::{CoreThread, Host, Step, spawn_core};
pub use listen::{Listen, ListenError, Listening};
pub use quota::{Allowance, allowed_cpus};
pub use reactor::{Config, Reactor, WAIT_US_MAX};
pub use refusal::{MEMLOCK_BYTES_MIN, Refusal};
pub use wake::{Waker, message_ring_works};
