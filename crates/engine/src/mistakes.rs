//! Mistakes that a simulation has an engine make on purpose, where no message between cores could be spoilt to the same effect: `sim` must find
//! each of them. Only its builds have the feature `mistakes`; without it every question below is `false` to the compiler.

/// Which mistakes are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mistakes {
    /// What a script's attempt has written at the owner of its keys stays, though the script runs again.
    pub attempts_stay: bool,
    /// A job runs though its key is locked.
    pub jobs_ignore_locks: bool,
}

impl Mistakes {
    #[inline]
    pub(crate) fn attempts_stay(self) -> bool {
        cfg!(feature = "mistakes") && self.attempts_stay
    }

    #[inline]
    pub(crate) fn jobs_ignore_locks(self) -> bool {
        cfg!(feature = "mistakes") && self.jobs_ignore_locks
    }
}
