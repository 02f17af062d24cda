//! What happened, as a digest and, when asked for, as lines.

/// A digest over every event of a run: equal seeds must give equal digests.
pub struct Trace {
    digest: u64,
    /// Print every event.
    pub verbose: bool,
    /// Events so far.
    pub events: u64,
}

impl Trace {
    /// An empty trace.
    pub fn new(verbose: bool) -> Trace {
        Trace { digest: 0x9e37_79b9_7f4a_7c15, verbose, events: 0 }
    }

    /// Notes an event: when, what kind, where, and its bytes.
    pub fn note(&mut self, time_ns: u64, kind: &'static str, place: usize, bytes: &[u8]) {
        self.events += 1;
        self.mix(time_ns);
        self.mix((place as u64) << 8 | kind.as_bytes()[0] as u64);
        self.mix(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0u8; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
        if self.verbose {
            println!("{:>12} ns  {kind:<9} {place:>3}  {}", time_ns, bytes.escape_ascii());
        }
    }

    fn mix(&mut self, word: u64) {
        self.digest = (self.digest.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    /// The digest so far.
    pub fn digest(&self) -> u64 {
        self.digest
    }
}
