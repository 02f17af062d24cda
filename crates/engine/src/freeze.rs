//! DEBUG SLEEP: every engine stands still until a time, while its thread goes on to turn.
//!
//! A frozen engine executes no request and hands out no reply; what arrives is kept. No thread
//! sleeps, so the rings stay drained and a simulation with virtual time can freeze too.

use crate::commands::debug::Task;
use crate::commands::query::Query;
use crate::engine::Engine;
use crate::session::client::Stall;

impl Engine {
    /// Stands still if that is what the question, which all cores have answered, was about.
    pub(crate) fn freeze_after(&mut self, query: &Query) {
        if let Query::Debug { task, .. } = query
            && let Task::Sleep { until_us, .. } = **task
        {
            self.freeze_until(until_us);
        }
    }

    /// Stands still until a monotonic time in microseconds.
    pub(crate) fn freeze_until(&mut self, until_us: u64) {
        if until_us > self.core.now.mono_us {
            self.frozen_until_us = self.frozen_until_us.max(until_us);
            self.core.frozen = true;
            self.core.refresh_watched();
        }
    }

    /// Whether the engine stands still. An engine that is to end does not.
    #[inline]
    pub(crate) fn is_frozen(&self) -> bool {
        self.core.frozen && !self.flusher.draining
    }

    /// Who could go on waits for the thaw instead, so that nobody spins for it.
    pub(crate) fn hold_runnable(&mut self) {
        for conn in std::mem::take(&mut self.runnable) {
            if let Some(session) = self.sessions.get(conn)
                && !matches!(session.stall, Some(Stall::Closing | Stall::Asking))
            {
                session.stall = Some(Stall::Frozen);
            }
        }
    }

    /// Moves again when it is time.
    pub(crate) fn thaw(&mut self) {
        if self.core.frozen && self.core.now.mono_us >= self.frozen_until_us {
            self.core.frozen = false;
            self.core.refresh_watched();
            let frozen = self.sessions.iter().filter(|one| one.stall == Some(Stall::Frozen));
            self.runnable.extend(frozen.map(|session| session.id));
        }
    }
}
