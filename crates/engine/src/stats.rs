//! What a core counts about itself. The help texts appear in INFO's documentation and metrics.

base::stats! {
    /// Counters of one core.
    pub struct Counters {
        /// Connections given to this core since start.
        total_connections_received,
        /// Commands processed since start.
        total_commands_processed,
        /// Bytes received from clients.
        total_net_input_bytes,
        /// Bytes sent to clients.
        total_net_output_bytes,
        /// Connections turned away because of maxclients.
        rejected_connections,
        /// Commands whose keys live on the core of their session.
        local_jobs,
        /// Commands, or parts of them, that hopped to another core.
        hops,
        /// Jobs executed for other cores.
        jobs_served,
        /// Transactions over several cores that began on this core.
        transactions,
        /// Transactions whose order this core has given out.
        transactions_sequenced,
        /// Jobs that waited for a lock on this core.
        jobs_parked,
        /// Attempts of scripts that were undone because they needed more keys.
        scripts_undone,
        /// Turns of the core loop that handled something.
        turns,
        /// Error replies sent.
        total_error_replies,
        /// Reads from sockets.
        total_reads_processed,
        /// Writes to sockets.
        total_writes_processed,
        /// Clients closed because their unread output was over the limit.
        client_output_buffer_limit_disconnections,
        /// Clients closed because their query buffer was over the limit.
        client_query_buffer_limit_disconnections,
        /// Clients closed because all clients together were over maxmemory-clients.
        evicted_clients,
        /// Refused authentications.
        acl_access_denied_auth,
        /// Monitor lines that a MONITOR client missed because its output was over the limit.
        monitor_lines_dropped,
        /// Requests parsed ahead whose key was prefetched.
        prefetched,
    }
}

/// What is counted for each command.
#[derive(Debug, Clone, Copy, Default)]
pub struct CommandStats {
    /// Executions.
    pub calls: u64,
    /// Nanoseconds, scaled up where only some executions were measured.
    pub ns: u64,
    /// Refused before execution.
    pub rejected: u64,
    /// Failed in execution.
    pub failed: u64,
}
