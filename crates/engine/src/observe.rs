//! What a core notices of its own work beside the counters: slow commands, large ones, spikes.
//!
//! Every request's path only compares with a threshold ([`Verdict::slow`]); what is here runs for
//! the few that reach one.

use crate::commands::slowlog::log::{Entry, Figures, Kind, Remembered, is_skipped, trimmed};
use crate::core::Core;
use crate::engine::Engine;
use crate::gather::Gather;
use crate::shard::execute::Verdict;
use base::ConnId;
use command::{Args, Flags};

impl Engine {
    /// Looks closer at an execution that reached a threshold: notes a spike, and what SLOWLOG and
    /// COMMANDLOG are to remember.
    #[cold]
    pub(crate) fn observe(
        &mut self,
        conn: ConnId,
        id: u16,
        place: Option<u32>,
        verdict: Verdict,
        args: &Args<'_>,
        reply_bytes: usize,
    ) {
        let words = |core: &Core| trimmed(&core.table.entry(id).full_name, args);
        let us = self.measured_us(verdict.ticks);
        let (request_bytes, reply_bytes) = (args.extent() as u64, reply_bytes as u64);
        let figures = Figures { us, request_bytes, reply_bytes };
        self.observe_words(conn, id, place, figures, words);
    }

    /// Keeps an execution whose reply is still to come, to be looked at by [`Engine::observe_late`].
    pub(crate) fn observe_later(&mut self, conn: ConnId, id: u16, ticks: u64, args: &Args<'_>) {
        let entry = self.core.table.entry(id);
        let words = match is_skipped(entry.spec) {
            true => Vec::new(),
            false => trimmed(&entry.full_name, args),
        };
        let us = self.measured_us(ticks);
        let request_bytes = args.extent() as u64;
        let remembered = Remembered { command: id, us, request_bytes, args: words };
        if let Some(session) = self.sessions.get(conn) {
            session.remembered = Some(Box::new(remembered));
        }
    }

    /// Looks at what [`Engine::observe_later`] has kept, under the thresholds of now.
    pub(crate) fn observe_late(&mut self, conn: ConnId, reply_bytes: usize) {
        let Some(session) = self.sessions.get(conn) else { return };
        let Some(remembered) = session.remembered.take() else { return };
        let Remembered { command, us, request_bytes, args } = *remembered;
        let figures = Figures { us, request_bytes, reply_bytes: reply_bytes as u64 };
        self.observe_words(conn, command, None, figures, |_| args);
    }

    fn measured_us(&self, ticks: u64) -> Option<u64> {
        (ticks != 0).then(|| self.core.ticks_to_us(ticks))
    }

    /// The same for a request that ran in parts.
    #[cold]
    pub(crate) fn observe_gather(&mut self, gather: &Gather, reply_bytes: usize) {
        let figures = Figures {
            us: self.measured_us(gather.ticks),
            request_bytes: gather.logged.iter().map(Vec::len).sum::<usize>() as u64,
            reply_bytes: reply_bytes as u64,
        };
        let words = |_: &Core| gather.logged.clone();
        self.observe_words(gather.session, gather.command, gather.place, figures, words);
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
        place: Option<u32>,
        figures: Figures,
        words: impl FnOnce(&Core) -> Vec<Vec<u8>>,
    ) {
        let entry = self.core.table.entry(id);
        let spec = entry.spec;
        if let Some(us) = figures.us {
            let event = if spec.flags.has(Flags::FAST) { "fast-command" } else { "command" };
            self.core.note_spike(event, us);
        }
        if is_skipped(spec) {
            return;
        }
        let lists: Vec<_> = self.core.command_logs.entered(figures).collect();
        if lists.is_empty() {
            return;
        }
        let args = words(&self.core);
        let Some(session) = self.sessions.peek(conn) else { return };
        if args.is_empty() {
            return;
        }
        let entry = Entry {
            id: 0,
            unix_us: self.core.now.unix_us,
            value: 0,
            args,
            address: session.peer.address.clone(),
            name: session.name.as_deref().map(<[u8]>::to_vec).unwrap_or_default(),
            order: (conn, place.unwrap_or(session.pipeline.next_place())),
        };
        self.core.remember(lists, &entry);
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
            let account = &self.shard.account;
            let outside = account.outside_bytes + account.plumbing_bytes;
            let used = self.shard.store.used_bytes() as u64 + outside;
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
    fn remember(&mut self, lists: Vec<(Kind, u64)>, entry: &Entry) {
        let (core, cores) = (self.id.index() as u64, self.route.cores() as u64);
        for (kind, value) in lists {
            let entry = Entry { value, ..entry.clone() };
            self.command_logs.of(kind).push(entry, core, cores);
        }
    }
}
