//! What a core notices of its own work beside the counters: slow commands, large ones, spikes.
//!
//! Every request's path only compares with a threshold ([`Verdict::slow`]); what is here runs for
//! the few that reach one.

use crate::commands::slowlog::log::{Entry, Figures, Remembered, is_skipped, trimmed};
use crate::core::Core;
use crate::engine::Engine;
use crate::gather::Gather;
use crate::shard::execute::Verdict;
use base::ConnId;
use command::{Args, Flags};

impl Engine {
    /// Looks closer at an execution that reached a threshold: notes a spike, and gives what SLOWLOG
    /// and COMMANDLOG are to remember.
    #[cold]
    pub(crate) fn observe(
        &mut self,
        conn: ConnId,
        id: u16,
        verdict: Verdict,
        args: &Args<'_>,
        reply_bytes: usize,
    ) -> Option<Box<Remembered>> {
        let words = |core: &Core| trimmed(&core.table.entry(id).full_name, args);
        let request_bytes = args.extent() as u64;
        let ticks = verdict.ticks;
        self.observe_words(conn, id, ticks, [request_bytes, reply_bytes as u64], words)
    }

    /// The same for a request that ran in parts.
    #[cold]
    pub(crate) fn observe_gather(&mut self, gather: &Gather, reply_bytes: usize) {
        let request_bytes = gather.logged.iter().map(Vec::len).sum::<usize>() as u64;
        let bytes = [request_bytes, reply_bytes as u64];
        let words = |_: &Core| gather.logged.clone();
        let (conn, command, ticks) = (gather.session, gather.command, gather.ticks);
        if let Some(remembered) = self.observe_words(conn, command, ticks, bytes, words) {
            self.core.remember(*remembered);
        }
    }

    /// What a request that runs in parts keeps of its arguments, in case it turns out to be slow:
    /// nothing for a FAST one, unless everything is to be remembered.
    pub(crate) fn words_to_log(&self, id: u16, args: &Args<'_>) -> Vec<Vec<u8>> {
        let entry = self.core.table.entry(id);
        match entry.spec.flags.has(Flags::FAST) && self.core.fast_sample > 1 {
            true => Vec::new(),
            false => trimmed(&entry.full_name, args),
        }
    }

    fn observe_words(
        &mut self,
        conn: ConnId,
        id: u16,
        ticks: u64,
        bytes: [u64; 2],
        words: impl FnOnce(&Core) -> Vec<Vec<u8>>,
    ) -> Option<Box<Remembered>> {
        let us = (ticks != 0).then(|| self.core.ticks_to_us(ticks));
        let entry = self.core.table.entry(id);
        let spec = entry.spec;
        if let Some(us) = us {
            let event = if spec.flags.has(Flags::FAST) { "fast-command" } else { "command" };
            self.core.note_spike(event, us);
        }
        if is_skipped(spec) {
            return None;
        }
        let [request_bytes, reply_bytes] = bytes;
        let figures = Figures { us, request_bytes, reply_bytes };
        let lists: Vec<_> = self.core.command_logs.entered(figures).collect();
        if lists.is_empty() {
            return None;
        }
        let args = words(&self.core);
        if args.is_empty() {
            return None;
        }
        let session = self.sessions.peek(conn)?;
        let entry = Entry {
            id: 0,
            unix_us: self.core.now.unix_us,
            value: 0,
            args,
            address: session.peer.address.clone(),
            name: session.name.as_deref().map(<[u8]>::to_vec).unwrap_or_default(),
        };
        Some(Box::new(Remembered { lists, entry }))
    }

    /// A bounded step of housekeeping, watched for spikes.
    pub(crate) fn tick_shard(&mut self) {
        let watched = self.core.spike_threshold_ms > 0;
        let before = if watched { (self.core.ticks)() } else { 0 };
        self.shard.tick(&self.core);
        if watched {
            let ticks = (self.core.ticks)().wrapping_sub(before);
            let us = self.core.ticks_to_us(ticks);
            self.core.note_spike("expire-cycle", us);
        }
        let counters = &self.core.counters;
        let noted = self.core.sampler.tick(self.core.now, || {
            [
                counters.total_commands_processed,
                counters.total_net_input_bytes,
                counters.total_net_output_bytes,
                counters.turns,
            ]
        });
        if noted {
            let used = self.shard.store.used_bytes() as u64 + self.shard.account.outside_bytes;
            self.core.peak_bytes = self.core.peak_bytes.max(used);
        }
    }
}

impl Core {
    /// Notes a spike of an event if it is long enough for `latency-monitor-threshold`.
    pub fn note_spike(&mut self, event: &'static str, us: u64) {
        if self.spike_threshold_ms > 0 && us / 1000 >= self.spike_threshold_ms {
            self.spikes.note(event, self.now.unix_s(), us / 1000);
        }
    }

    /// Puts an execution into the lists that it belongs to.
    pub fn remember(&mut self, remembered: Remembered) {
        let (core, cores) = (self.id.index() as u64, self.route.cores() as u64);
        for (kind, value) in remembered.lists {
            let entry = Entry { value, ..remembered.entry.clone() };
            self.command_logs.of(kind).push(entry, core, cores);
        }
    }
}
