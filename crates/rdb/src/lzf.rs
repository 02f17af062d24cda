//! LZF: how Redis compresses long strings. Only the way back is here.
//!
//! A byte below 32 says that so many literal bytes and one more follow. Any other begins a reference: its high three
//! bits are the length less 2 (7: another byte is to be added), its low five the high bits of a distance
//! less 1, whose low eight follow.

/// The longest run that one reference of three bytes stands for: what is claimed beyond that is a lie.
const EXPANSION_MAX: usize = 264;

/// Takes a string apart that is `len` bytes long then; `None` when the bytes do not say that. O(len).
pub fn decompress(bytes: &[u8], len: usize) -> Option<Vec<u8>> {
    if len > bytes.len().saturating_mul(EXPANSION_MAX) {
        return None;
    }
    let (mut out, mut rest) = (Vec::with_capacity(len), bytes.iter());
    while let Some(&control) = rest.next() {
        if control < 32 {
            let count = usize::from(control) + 1;
            let (literal, behind) = rest.as_slice().split_at_checked(count)?;
            out.extend_from_slice(literal);
            rest = behind.iter();
        } else {
            let mut count = usize::from(control >> 5);
            if count == 7 {
                count += usize::from(*rest.next()?);
            }
            let distance = (usize::from(control & 31) << 8 | usize::from(*rest.next()?)) + 1;
            let from = out.len().checked_sub(distance)?;
            // It may reach into what it writes itself.
            for at in from..from + count + 2 {
                out.push(*out.get(at)?);
            }
        }
        if out.len() > len {
            return None;
        }
    }
    (out.len() == len).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_references_that_overlap_themselves() {
        assert_eq!(decompress(b"\x02abc", 3), Some(b"abc".to_vec()));
        assert_eq!(decompress(b"\x01ab\x20\x01", 5), Some(b"ababa".to_vec()));
        assert_eq!(decompress(b"\x00a\xe0\x05\x00", 15), Some(vec![b'a'; 15]));
    }

    #[test]
    fn what_lies_about_itself_is_refused() {
        for (bytes, len) in [
            (&b"\x02ab"[..], 3),
            (b"\x02abc", 2),
            (b"\x02abc", 4),
            (b"\x00a\x20\x05", 4),
            (b"\x00a\xe0", 10),
            (b"\x00a\x20", 4),
            (b"", 1_000_000_000),
        ] {
            assert_eq!(decompress(bytes, len), None, "{}", bytes.escape_ascii());
        }
    }
}
