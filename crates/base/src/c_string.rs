//! Words that Redis reads as C strings.

/// What stands before the first NUL: what Redis repeats of words in most of its errors, and all that
/// it reads of many settings. O(length).
pub fn until_nul(said: &[u8]) -> &[u8] {
    let end = said.iter().position(|byte| *byte == 0).unwrap_or(said.len());
    &said[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_ends_at_its_first_nul_or_at_its_end() {
        assert_eq!(until_nul(b"ab\0c\0d"), b"ab");
        assert_eq!(until_nul(b"ab"), b"ab");
        assert_eq!(until_nul(b"\0"), b"");
        assert_eq!(until_nul(b""), b"");
    }
}
