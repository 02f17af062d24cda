//! Reading lengths and strings.

use crate::lzf;
use std::borrow::Cow;

/// The bytes that are left of a value.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

/// A length, or what stands in its place before a string.
enum Length {
    Plain(u64),
    /// An integer of so many bytes instead of a string.
    Int(usize),
    /// A compressed string.
    Compressed,
}

impl<'a> Reader<'a> {
    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next byte.
    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// The next `N` bytes as an array.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N).map(|bytes| bytes.try_into().expect("as many as were asked for"))
    }

    fn any_length(&mut self) -> Option<Length> {
        let first = self.byte()?;
        Some(match (first >> 6, first & 63) {
            (0, low) => Length::Plain(u64::from(low)),
            (1, high) => Length::Plain(u64::from(high) << 8 | u64::from(self.byte()?)),
            (2, 0) => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
            (2, 1) => Length::Plain(u64::from_be_bytes(self.array()?)),
            (3, 0) => Length::Int(1),
            (3, 1) => Length::Int(2),
            (3, 2) => Length::Int(4),
            (3, 3) => Length::Compressed,
            _ => return None,
        })
    }

    /// A length or count. It is what somebody claims: nothing may be reserved by it.
    pub(crate) fn length(&mut self) -> Option<u64> {
        match self.any_length()? {
            Length::Plain(length) => Some(length),
            Length::Int(_) | Length::Compressed => None,
        }
    }

    /// A string.
    pub(crate) fn string(&mut self) -> Option<Cow<'a, [u8]>> {
        Some(match self.any_length()? {
            Length::Plain(length) => Cow::Borrowed(self.take(usize::try_from(length).ok()?)?),
            Length::Int(width) => {
                let number = int(self.take(width)?);
                Cow::Owned(itoa::Buffer::new().format(number).as_bytes().to_vec())
            }
            Length::Compressed => {
                let compressed = usize::try_from(self.length()?).ok()?;
                let length = usize::try_from(self.length()?).ok()?;
                Cow::Owned(lzf::decompress(self.take(compressed)?, length)?)
            }
        })
    }

    /// Whether everything has been read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }
}

/// A signed little-endian integer of up to eight bytes, at least one.
pub(crate) fn int(bytes: &[u8]) -> i64 {
    let mut wide = [0; 8];
    wide[8 - bytes.len()..].copy_from_slice(bytes);
    i64::from_le_bytes(wide) >> (64 - 8 * bytes.len())
}
