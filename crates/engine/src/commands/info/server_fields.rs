//! The sections of INFO that say what the server is and where its memory goes.

use super::human;
use super::sections::Scene;
use base::settings;
use std::fmt::Write;

/// What compatibility demands as the version of the server that we stand in for.
pub const REDIS_VERSION: &str = "7.2.4";

/// Writes `name:value` lines to a text.
macro_rules! fields {
    ($text:expr, $($name:literal: $value:expr),+ $(,)?) => {{
        $(let _ = write!($text, concat!($name, ":{}\r\n"), $value);)+
    }};
}
pub(super) use fields;

/// A ratio with two digits, 0 where there is nothing to divide by.
pub(super) fn ratio(part: u64, whole: u64) -> String {
    format!("{:.2}", if whole == 0 { 0.0 } else { part as f64 / whole as f64 })
}

/// A share in percent with two digits.
fn percent(part: u64, whole: u64) -> String {
    format!("{:.2}%", if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 })
}

impl Scene<'_> {
    pub(super) fn server(&self, text: &mut String) {
        let (process, settings) = (&self.core.process, &self.core.settings);
        let unix_s = self.core.now.unix_s();
        let hz = settings.int(settings::HZ);
        fields!(text,
            "redis_version": REDIS_VERSION,
            "redis_git_sha1": "00000000",
            "redis_git_dirty": 0,
            "redis_build_id": "0000000000000000",
            "redis_mode": if self.peer.cluster_face { "cluster" } else { "standalone" },
            "server_name": "corelane",
            "corelane_version": env!("CARGO_PKG_VERSION"),
            "os": process.os,
            "arch_bits": process.arch_bits,
            "monotonic_clock": "POSIX clock_gettime",
            "multiplexing_api": "io_uring",
            "atomicvar_api": "none",
            "gcc_version": "0.0.0",
            "process_id": process.pid,
            "process_supervised": "no",
            "run_id": process.run_id,
            "tcp_port": self.tcp_port(),
            "server_time_usec": self.core.now.unix_us,
            "uptime_in_seconds": self.sum.uptime_s,
            "uptime_in_days": self.sum.uptime_s / 86_400,
            "hz": hz,
            "configured_hz": hz,
            "lru_clock": unix_s & 0xff_ffff,
            "executable": process.executable,
            "config_file": process.config_file,
            "io_threads_active": 0,
        );
        self.listeners(text);
    }

    /// The port that the client came in by, if it is one of ours.
    fn tcp_port(&self) -> i64 {
        let by_address =
            self.peer.local_address.rsplit(':').next().and_then(|port| port.parse().ok());
        match by_address {
            Some(port) if self.peer.cluster_face => port,
            _ => self.core.settings.int(settings::PORT),
        }
    }

    fn listeners(&self, text: &mut String) {
        let settings = &self.core.settings;
        let port = settings.int(settings::PORT);
        let mut number = 0;
        if port != 0 {
            let _ = write!(text, "listener{number}:name=tcp");
            for address in settings.words(settings::BIND) {
                let _ = write!(text, ",bind={}", String::from_utf8_lossy(address));
            }
            let _ = write!(text, ",port={port}\r\n");
            number += 1;
        }
        let path = settings.text(settings::UNIXSOCKET);
        if !path.is_empty() {
            let path = String::from_utf8_lossy(path);
            let _ = write!(text, "listener{number}:name=unix,bind={path}\r\n");
        }
    }

    pub(super) fn clients(&self, text: &mut String) {
        fields!(text,
            "connected_clients": self.sum.clients.connected,
            "cluster_connections": 0,
            "maxclients": self.core.settings.int(settings::MAXCLIENTS),
            "client_recent_max_input_buffer": self.sum.clients.input_max,
            "client_recent_max_output_buffer": self.sum.clients.output_max,
            "blocked_clients": self.sum.clients.blocked,
            "tracking_clients": 0,
            "clients_in_timeout_table": self.sum.clients.timed,
            "total_blocking_keys": self.sum.blocking_keys,
            "total_blocking_keys_on_nokey": 0,
        );
    }

    pub(super) fn memory(&self, text: &mut String) {
        let (sum, process) = (self.sum, &self.core.process);
        let (used, rss) = (sum.used_bytes(), sum.figures.rss_bytes);
        let overhead = sum.overhead_bytes();
        let dataset = used.saturating_sub(overhead);
        fields!(text,
            "used_memory": used,
            "used_memory_human": human(used),
            "used_memory_rss": rss,
            "used_memory_rss_human": human(rss),
            "used_memory_peak": sum.peak_bytes,
            "used_memory_peak_human": human(sum.peak_bytes),
            "used_memory_peak_perc": percent(used, sum.peak_bytes),
            "used_memory_overhead": overhead,
            "used_memory_startup": 0,
            "used_memory_dataset": dataset,
            "used_memory_dataset_perc": percent(dataset, used),
            "allocator_allocated": used,
            "allocator_active": used + sum.memory.fragmentation as u64,
            "allocator_resident": rss.max(used),
            "total_system_memory": process.system_memory,
            "total_system_memory_human": human(process.system_memory),
        );
        self.memory_of_scripts(text);
        self.memory_limits(text, used, rss);
    }

    /// Scripts and functions share one state a core: it is told as that of scripts.
    fn memory_of_scripts(&self, text: &mut String) {
        let scripts = &self.sum.scripts;
        let sources = scripts.script_bytes + scripts.library_bytes;
        fields!(text,
            "used_memory_lua": scripts.state_bytes,
            "used_memory_vm_eval": scripts.state_bytes,
            "used_memory_lua_human": human(scripts.state_bytes),
            "used_memory_scripts_eval": scripts.script_bytes,
            "number_of_cached_scripts": scripts.scripts,
            "number_of_functions": scripts.functions,
            "number_of_libraries": scripts.libraries,
            "used_memory_vm_functions": 0,
            "used_memory_vm_total": scripts.state_bytes,
            "used_memory_vm_total_human": human(scripts.state_bytes),
            "used_memory_functions": scripts.library_bytes,
            "used_memory_scripts": sources,
            "used_memory_scripts_human": human(sources),
        );
    }

    fn memory_limits(&self, text: &mut String, used: u64, rss: u64) {
        let settings = &self.core.settings;
        let limit = settings.int(settings::MAXMEMORY) as u64;
        let active = used + self.sum.memory.fragmentation as u64;
        let resident = rss.max(used);
        fields!(text,
            "maxmemory": limit,
            "maxmemory_human": human(limit),
            "maxmemory_policy": settings.choice(settings::MAXMEMORY_POLICY),
            "allocator_frag_ratio": ratio(active, used),
            "allocator_frag_bytes": active - used,
            "allocator_rss_ratio": ratio(resident, active),
            "allocator_rss_bytes": resident as i64 - active as i64,
            "rss_overhead_ratio": ratio(rss, resident),
            "rss_overhead_bytes": rss as i64 - resident as i64,
            "mem_fragmentation_ratio": ratio(rss, used),
            "mem_fragmentation_bytes": rss as i64 - used as i64,
            "mem_not_counted_for_evict": 0,
            "mem_replication_backlog": 0,
            "mem_total_replication_buffers": 0,
            "mem_clients_slaves": 0,
            "mem_clients_normal": self.sum.clients.bytes,
            "mem_cluster_links": 0,
            "mem_aof_buffer": 0,
            "mem_allocator": "mimalloc",
            "active_defrag_running": 0,
            "lazyfree_pending_objects": 0,
            "lazyfreed_objects": 0,
        );
    }

    pub(super) fn cpu(&self, text: &mut String) {
        let seconds = |us: u64| format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
        let figures = &self.sum.figures;
        fields!(text,
            "used_cpu_sys": seconds(figures.cpu_sys_us),
            "used_cpu_user": seconds(figures.cpu_user_us),
            "used_cpu_sys_children": "0.000000",
            "used_cpu_user_children": "0.000000",
            "used_cpu_sys_main_thread": seconds(figures.main_thread_sys_us),
            "used_cpu_user_main_thread": seconds(figures.main_thread_user_us),
        );
    }
}
