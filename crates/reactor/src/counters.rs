//! What a reactor counts: plain integers of one core.

base::stats! {
    /// What a reactor counts.
    pub struct Counters {
        /// Enters into the kernel.
        enters,
        /// Enters that were allowed to block.
        waits,
        /// Completions taken from the ring.
        completions,
        /// Completions of receives that brought bytes.
        receives,
        /// Bytes received.
        received_bytes,
        /// Multishot operations that had ended and were started again.
        rearms,
        /// Receives that found no free buffer.
        buffers_exhausted,
        /// Sends submitted.
        sends,
        /// Bytes handed over for sending.
        sent_bytes,
        /// Sends that the socket did not take whole at once.
        sends_stalled,
        /// Connections accepted by the listeners of this core.
        accepts,
        /// Accepts that failed, for want of descriptors or memory.
        accepts_failed,
        /// Connections adopted by this core.
        connections_opened,
        /// Connections of this core that are gone, slot and descriptor included.
        connections_closed,
        /// Connections whose peer did not take its last bytes or its end within the bound.
        lingers_expired,
        /// Wake-ups sent to other cores.
        wakeups_sent,
        /// Wake-ups that the ring could not deliver; the eventfd was written instead.
        wakeups_failed,
        /// Wake-ups received.
        wakeups_received,
        /// Sleeps that ended by their time limit with mail waiting; must stay 0.
        wakeups_late,
    }
}
