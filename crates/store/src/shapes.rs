//! The thresholds at which a collection outgrows its packed form.

/// The thresholds of one core, as the directives of the same names set them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shapes {
    /// `hash-max-listpack-entries`.
    pub hash_entries: usize,
    /// `hash-max-listpack-value`, in bytes.
    pub hash_value: usize,
    /// `list-max-listpack-size`: elements, or -1 to -5 for 4 KiB to 64 KiB.
    pub list_size: i64,
    /// `set-max-intset-entries`.
    pub set_ints: usize,
    /// `set-max-listpack-entries`.
    pub set_entries: usize,
    /// `set-max-listpack-value`, in bytes.
    pub set_value: usize,
    /// `zset-max-listpack-entries`.
    pub sorted_set_entries: usize,
    /// `zset-max-listpack-value`, in bytes.
    pub sorted_set_value: usize,
    /// `stream-node-max-bytes`; 0 is no bound.
    pub stream_bytes: usize,
    /// `stream-node-max-entries`; 0 is no bound.
    pub stream_entries: usize,
}

impl Default for Shapes {
    /// The defaults of the directives.
    fn default() -> Shapes {
        Shapes {
            hash_entries: 512,
            hash_value: 64,
            list_size: -2,
            set_ints: 512,
            set_entries: 128,
            set_value: 64,
            sorted_set_entries: 128,
            sorted_set_value: 64,
            stream_bytes: 4096,
            stream_entries: 100,
        }
    }
}
