//! The sections of INFO that count: the whole, each command, each error, each latency.

use super::report::rebuilt;
use super::sections::Scene;
use super::server_fields::fields;
use crate::sampler::Metric;
use base::settings::LATENCY_TRACKING_INFO_PERCENTILES;
use hdrhistogram::Histogram;
use std::fmt::Write;

impl Scene<'_> {
    pub(super) fn stats(&self, text: &mut String) {
        let (counters, store) = (&self.sum.counters, &self.sum.store);
        let rate = |metric: Metric| self.sum.rates[metric as usize];
        let kbps = |metric: Metric| format!("{:.2}", rate(metric) as f64 / 1024.0);
        let (visited, stale) = (store.expire_visited_keys, store.expire_stale_keys);
        let stale_share = if visited == 0 { 0.0 } else { stale as f64 * 100.0 / visited as f64 };
        fields!(text,
            "total_connections_received": counters.total_connections_received,
            "total_commands_processed": counters.total_commands_processed,
            "instantaneous_ops_per_sec": rate(Metric::Commands),
            "total_net_input_bytes": counters.total_net_input_bytes,
            "total_net_output_bytes": counters.total_net_output_bytes,
            "total_net_repl_input_bytes": 0,
            "total_net_repl_output_bytes": 0,
            "instantaneous_input_kbps": kbps(Metric::NetInput),
            "instantaneous_output_kbps": kbps(Metric::NetOutput),
            "instantaneous_input_repl_kbps": "0.00",
            "instantaneous_output_repl_kbps": "0.00",
            "rejected_connections": counters.rejected_connections,
            "sync_full": 0,
            "sync_partial_ok": 0,
            "sync_partial_err": 0,
            "expired_keys": store.expired_keys,
            "expired_stale_perc": format_args!("{stale_share:.2}"),
            "expired_time_cap_reached_count": store.expired_budget_reached,
            "expire_cycle_cpu_milliseconds": 0,
            "evicted_keys": store.evicted_keys,
            "evicted_clients": counters.evicted_clients,
            "total_eviction_exceeded_time": 0,
            "current_eviction_exceeded_time": 0,
            "keyspace_hits": store.keyspace_hits,
            "keyspace_misses": store.keyspace_misses,
            "pubsub_channels": 0,
            "pubsub_patterns": 0,
            "pubsubshard_channels": 0,
            "latest_fork_usec": 0,
            "total_forks": 0,
            "migrate_cached_sockets": 0,
            "slave_expires_tracked_keys": 0,
            "active_defrag_hits": 0,
            "active_defrag_misses": 0,
            "active_defrag_key_hits": 0,
            "active_defrag_key_misses": 0,
            "total_active_defrag_time": 0,
            "current_active_defrag_time": 0,
        );
        self.later_stats(text);
    }

    fn later_stats(&self, text: &mut String) {
        let (counters, plumbing) = (&self.sum.counters, &self.sum.plumbing);
        let turn_us = plumbing.turns_us.checked_div(counters.turns).unwrap_or(0);
        fields!(text,
            "tracking_total_keys": 0,
            "tracking_total_items": 0,
            "tracking_total_prefixes": 0,
            "unexpected_error_replies": 0,
            "total_error_replies": counters.total_error_replies,
            "dump_payload_sanitizations": 0,
            "total_reads_processed": counters.total_reads_processed,
            "total_writes_processed": counters.total_writes_processed,
            "io_threaded_reads_processed": 0,
            "io_threaded_writes_processed": 0,
            "reply_buffer_shrinks": 0,
            "reply_buffer_expands": 0,
            "eventloop_cycles": counters.turns,
            "eventloop_duration_sum": plumbing.turns_us,
            "eventloop_duration_cmd_sum": self.sum.commands_us(),
            "instantaneous_eventloop_cycles_per_sec": self.sum.rates[Metric::Turns as usize],
            "instantaneous_eventloop_duration_usec": turn_us,
            "acl_access_denied_auth": counters.acl_access_denied_auth,
            "acl_access_denied_cmd": 0,
            "acl_access_denied_key": 0,
            "acl_access_denied_channel": 0,
        );
    }

    /// One line for each command that was called or refused.
    pub(super) fn command_stats(&self, text: &mut String) {
        for (entry, stats) in self.core.table.entries().iter().zip(&self.sum.commands) {
            if stats.calls == 0 && stats.rejected == 0 && stats.failed == 0 {
                continue;
            }
            let us = stats.ns / 1000;
            let each =
                if stats.calls == 0 { 0.0 } else { stats.ns as f64 / 1e3 / stats.calls as f64 };
            let _ = write!(
                text,
                "cmdstat_{}:calls={},usec={us},usec_per_call={each:.2},rejected_calls={},\
                 failed_calls={}\r\n",
                entry.full_name, stats.calls, stats.rejected, stats.failed,
            );
        }
    }

    pub(super) fn error_stats(&self, text: &mut String) {
        for (prefix, count) in &self.sum.errors {
            let _ = write!(text, "errorstat_{prefix}:count={count}\r\n");
        }
    }

    /// The percentiles that the configuration names, for each command that was measured.
    pub(super) fn latency_stats(&self, text: &mut String) {
        let percentiles = self.core.settings.percentiles(LATENCY_TRACKING_INFO_PERCENTILES);
        for (command, values) in &self.sum.latency {
            let histogram = rebuilt(values);
            let list: Vec<String> =
                percentiles.iter().map(|percentile| quantile(&histogram, *percentile)).collect();
            let name = &self.core.table.entry(*command).full_name;
            let _ = write!(text, "latency_percentiles_usec_{name}:{}\r\n", list.join(","));
        }
    }
}

/// `p99.9=11.007`: the percentile by its shortest digits, the latency in microseconds.
fn quantile(histogram: &Histogram<u64>, percentile: f64) -> String {
    let mut name = format!("{percentile:.6}");
    name.truncate(name.trim_end_matches('0').trim_end_matches('.').len());
    let ns = histogram.value_at_quantile(percentile / 100.0);
    format!("p{name}={:.3}", ns as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_printed_as_redis_prints_them() {
        let mut histogram = crate::core::new_latency_histogram();
        histogram.record(11_000).unwrap();
        assert_eq!(quantile(&histogram, 50.0), "p50=11.007");
        assert_eq!(quantile(&histogram, 99.9), "p99.9=11.007");
        histogram.record(1_000).unwrap();
        assert_eq!(quantile(&histogram, 50.0), "p50=1.003");
        assert_eq!(quantile(&histogram, 100.0), "p100=11.007");
    }
}
