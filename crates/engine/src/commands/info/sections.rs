//! Which function writes which section, and the short sections themselves.

use super::Section;
use super::report::CoreReport;
use super::server_fields::fields;
use crate::core::Core;
use crate::event::Peer;
use std::fmt::Write;

/// What the text is written from.
pub(super) struct Scene<'a> {
    /// The asking core: settings, table, facts about the process, time.
    pub core: &'a Core,
    /// The asking client: its face decides on a few fields.
    pub peer: &'a Peer,
    /// The sum of all cores.
    pub sum: &'a CoreReport,
    /// Each core.
    pub cores: &'a [CoreReport],
}

impl Scene<'_> {
    /// Writes the fields of one section.
    pub(super) fn write(&self, section: Section, text: &mut String) {
        match section {
            Section::Server => self.server(text),
            Section::Clients => self.clients(text),
            Section::Memory => self.memory(text),
            Section::Persistence => self.persistence(text),
            Section::Stats => self.stats(text),
            Section::Replication => self.replication(text),
            Section::Cpu => self.cpu(text),
            Section::Modules => {}
            Section::Commandstats => self.command_stats(text),
            Section::Errorstats => self.error_stats(text),
            Section::Latencystats => self.latency_stats(text),
            Section::Cluster => fields!(text, "cluster_enabled": u8::from(self.peer.cluster_face)),
            Section::Keyspace => self.keyspace(text),
            Section::Corelane => self.corelane(text),
            Section::Debug => self.debug(text),
        }
    }

    /// There are no snapshots and no log: what is constant is what a fresh Redis says of them.
    fn persistence(&self, text: &mut String) {
        let started_s = self.core.now.unix_s() - self.sum.uptime_s as i64;
        fields!(text,
            "loading": 0,
            "async_loading": 0,
            "current_cow_peak": 0,
            "current_cow_size": 0,
            "current_cow_size_age": 0,
            "current_fork_perc": "0.00",
            "current_save_keys_processed": 0,
            "current_save_keys_total": 0,
            "rdb_changes_since_last_save": self.sum.changes,
            "rdb_bgsave_in_progress": 0,
            "rdb_last_save_time": started_s,
            "rdb_last_bgsave_status": "ok",
            "rdb_last_bgsave_time_sec": -1,
            "rdb_current_bgsave_time_sec": -1,
            "rdb_saves": 0,
            "rdb_last_cow_size": 0,
            "rdb_last_load_keys_expired": 0,
            "rdb_last_load_keys_loaded": 0,
            "aof_enabled": 0,
            "aof_rewrite_in_progress": 0,
            "aof_rewrite_scheduled": 0,
            "aof_last_rewrite_time_sec": -1,
            "aof_current_rewrite_time_sec": -1,
            "aof_last_bgrewrite_status": "ok",
            "aof_rewrites": 0,
            "aof_rewrites_consecutive_failures": 0,
            "aof_last_write_status": "ok",
            "aof_last_cow_size": 0,
            "module_fork_in_progress": 0,
            "module_fork_last_cow_size": 0,
        );
    }

    fn replication(&self, text: &mut String) {
        let backlog = self.core.settings.int(base::settings::REPL_BACKLOG_SIZE);
        fields!(text,
            "role": "master",
            "connected_slaves": 0,
            "master_failover_state": "no-failover",
            "master_replid": self.core.replication_id,
            "master_replid2": "0000000000000000000000000000000000000000",
            "master_repl_offset": 0,
            "second_repl_offset": -1,
            "repl_backlog_active": 0,
            "repl_backlog_size": backlog,
            "repl_backlog_first_byte_offset": 0,
            "repl_backlog_histlen": 0,
        );
    }

    fn keyspace(&self, text: &mut String) {
        for (number, db) in self.sum.databases.iter().enumerate() {
            if db.keys > 0 || db.expires > 0 {
                let (keys, expires, ttl) = (db.keys, db.expires, db.avg_ttl_ms);
                let _ = write!(text, "db{number}:keys={keys},expires={expires},avg_ttl={ttl}\r\n");
            }
        }
    }

    /// What only this server has.
    fn corelane(&self, text: &mut String) {
        let (counters, plumbing) = (&self.sum.counters, &self.sum.plumbing);
        let jobs = counters.hops + counters.local_jobs;
        let share = if jobs == 0 { 0.0 } else { counters.hops as f64 * 100.0 / jobs as f64 };
        fields!(text, "cores": self.cores.len());
        for (number, core) in self.cores.iter().enumerate() {
            let keys: u64 = core.databases.iter().map(|db| db.keys).sum();
            let busy = core.plumbing.busy_permille as f64 / 10.0;
            let _ = write!(
                text,
                "core_{number}:busy={busy:.1},connections={},keys={keys},hops={},jobs_served={},\
                 mailbox_depth={},turns={},used_bytes={}\r\n",
                core.clients.connected,
                core.counters.hops,
                core.counters.jobs_served,
                core.plumbing.mailbox_depth,
                core.counters.turns,
                core.used_bytes(),
            );
        }
        fields!(text,
            "hops": counters.hops,
            "local_jobs": counters.local_jobs,
            "hop_share": format_args!("{share:.2}"),
            "jobs_served": counters.jobs_served,
            "prefetched": counters.prefetched,
            "wakeups": plumbing.wakeups,
            "wakeups_sent": plumbing.wakeups_sent,
            "wakeups_failed": plumbing.wakeups_failed,
            "wakeups_late": plumbing.wakeups_late,
            "longest_turn_cpu_us": plumbing.longest_turn_cpu_us,
            "longest_turn_wall_us": plumbing.longest_turn_wall_us,
            "ring_enters": plumbing.enters,
            "ring_completions": plumbing.completions,
            "ring_rearms": plumbing.rearms,
            "buffers_exhausted": plumbing.buffers_exhausted,
            "sends_stalled": plumbing.sends_stalled,
            "expire_visited_keys": self.sum.store.expire_visited_keys,
            "compacted_entries": self.sum.store.compacted_entries,
            "monitor_lines_dropped": counters.monitor_lines_dropped,
            "rss_peak_bytes": self.sum.figures.rss_peak_bytes,
            "event_loop": self.core.process.event_loop,
        );
    }

    fn debug(&self, text: &mut String) {
        fields!(text,
            "eventloop_duration_aof_sum": 0,
            "eventloop_duration_cron_sum": 0,
            "eventloop_duration_max": self.sum.plumbing.longest_turn_wall_us,
            "eventloop_cmd_per_cycle_max": 0,
        );
    }
}
