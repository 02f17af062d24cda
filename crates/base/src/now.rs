//! Time as an argument. A core reads the clocks once a turn and hands the reading on.

/// One reading of the clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// Wall-clock time in microseconds since the UNIX epoch; may step. For times to live.
    pub unix_us: i64,
    /// Monotonic time in microseconds since an arbitrary start; never steps. For durations.
    pub mono_us: u64,
}

impl Now {
    /// Wall-clock milliseconds since the UNIX epoch: the unit of every time to live.
    pub fn unix_ms(self) -> i64 {
        self.unix_us.div_euclid(1000)
    }

    /// Wall-clock seconds since the UNIX epoch.
    pub fn unix_s(self) -> i64 {
        self.unix_us.div_euclid(1_000_000)
    }

    /// Monotonic milliseconds since an arbitrary start.
    pub fn mono_ms(self) -> u64 {
        self.mono_us / 1000
    }
}
