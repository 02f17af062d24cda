//! Integers of 1 to 64 bits at any bit of a byte string, and what happens at the ends of their ranges.

/// What a field of bits means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// In two's complement.
    pub signed: bool,
    /// 1 to 64, or 63 if not signed.
    pub width: u32,
}

/// What becomes of a value that a field cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// Its low bits.
    Wrap,
    /// The nearest value that the field can hold.
    Saturate,
    /// Nothing is written.
    Fail,
}

/// Bytes that a field can touch: 64 bits from the last bit of a byte.
const WINDOW: usize = 9;

impl Field {
    /// Reads `i1` to `i64` and `u1` to `u63`.
    pub fn parse(text: &[u8]) -> Option<Field> {
        let (signed, width) = match text {
            [b'i', width @ ..] => (true, width),
            [b'u', width @ ..] => (false, width),
            _ => return None,
        };
        let width = u32::try_from(resp::number::parse_i64(width)?).ok()?;
        let widest = if signed { 64 } else { 63 };
        (1..=widest).contains(&width).then_some(Field { signed, width })
    }

    /// The field's bits, in the low ones.
    fn mask(self) -> u64 {
        u64::MAX >> (64 - self.width)
    }

    /// The value whose low bits these are.
    fn value_of(self, bits: u64) -> i64 {
        let unused = 64 - self.width;
        if self.signed { (bits << unused) as i64 >> unused } else { (bits & self.mask()) as i64 }
    }

    /// The smallest and the largest value.
    fn bounds(self) -> (i128, i128) {
        let values = 1_i128 << self.width;
        if self.signed { (-values / 2, values / 2 - 1) } else { (0, values - 1) }
    }

    /// The value of the field whose first bit is `offset`. Behind the end all bits are clear. O(1).
    pub fn read(self, bytes: &[u8], offset: u64) -> i64 {
        let (window, _) = window(bytes, offset);
        self.value_of((window >> self.shift(offset)) as u64)
    }

    /// Writes the low bits of `value` into the field, which must be within `bytes`; says whether
    /// that changed anything. O(1).
    pub fn write(self, bytes: &mut [u8], offset: u64, value: i64) -> bool {
        let shift = self.shift(offset);
        let (old, len) = window(bytes, offset);
        let mask = u128::from(self.mask()) << shift;
        let new = old & !mask | u128::from(value as u64) << shift & mask;
        let first = (offset / 8) as usize;
        bytes[first..first + len].copy_from_slice(&new.to_be_bytes()[16 - WINDOW..][..len]);
        new != old
    }

    /// How far the field's last bit is from the last of its window.
    fn shift(self, offset: u64) -> u32 {
        8 * WINDOW as u32 - (offset % 8) as u32 - self.width
    }

    /// What SET of `value` puts into the field; `None` when it fails. An unsigned field takes a
    /// negative one for its 64 bits, which are more than it can hold.
    pub fn fit(self, value: i64, overflow: Overflow) -> Option<i64> {
        if !self.signed {
            return self.confine(i128::from(value as u64), overflow);
        }
        let (_, most) = self.bounds();
        let distance = most - i128::from(value);
        if overflow == Overflow::Saturate && self.width < 64 && distance > i128::from(i64::MAX) {
            // Redis subtracts in 64 bits, so values this low count as too large.
            return Some(most as i64);
        }
        self.confine(i128::from(value), overflow)
    }

    /// The sum of the field's value `old` and `by`; `None` when it fails.
    pub fn add(self, old: i64, by: i64, overflow: Overflow) -> Option<i64> {
        self.confine(i128::from(old) + i128::from(by), overflow)
    }

    fn confine(self, value: i128, overflow: Overflow) -> Option<i64> {
        let (least, most) = self.bounds();
        if (least..=most).contains(&value) {
            return Some(value as i64);
        }
        match overflow {
            Overflow::Wrap => Some(self.value_of(value as u64)),
            Overflow::Saturate => Some(value.clamp(least, most) as i64),
            Overflow::Fail => None,
        }
    }
}

/// The bytes that a field at this offset may touch, the first as the most significant of nine, and
/// how many of them there are.
fn window(bytes: &[u8], offset: u64) -> (u128, usize) {
    let first = usize::try_from(offset / 8).unwrap_or(usize::MAX);
    let rest = bytes.get(first..).unwrap_or(&[]);
    let there = &rest[..rest.len().min(WINDOW)];
    let mut whole = [0; 16];
    whole[16 - WINDOW..][..there.len()].copy_from_slice(there);
    (u128::from_be_bytes(whole), there.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Prng;

    #[test]
    fn types_are_a_letter_and_a_width_in_canonical_form() {
        assert_eq!(Field::parse(b"i64"), Some(Field { signed: true, width: 64 }));
        assert_eq!(Field::parse(b"u1"), Some(Field { signed: false, width: 1 }));
        for text in ["u64", "i65", "i0", "u0", "U8", "u08", "u", "", "8", "u+8", "i-1", "u8 "] {
            assert_eq!(Field::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn fields_agree_with_a_bit_by_bit_model() {
        let mut prng = Prng::new(9);
        for _ in 0..20_000 {
            let mut bytes: Vec<u8> = (0..prng.below(24)).map(|_| prng.below(256) as u8).collect();
            let signed = prng.below(2) == 0;
            let field = Field { signed, width: 1 + prng.below(63 + u64::from(signed)) as u32 };
            let offset = prng.below(24 * 8);
            let bit = |bytes: &[u8], at: u64| {
                bytes.get(at as usize / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1)
            };
            let places = offset..offset + u64::from(field.width);
            let read = |bytes: &[u8]| {
                let start = if signed && bit(bytes, offset) { -1_i64 } else { 0 };
                places.clone().fold(start, |value, at| value << 1 | i64::from(bit(bytes, at)))
            };
            assert_eq!(field.read(&bytes, offset), read(&bytes), "{field:?} at {offset}");
            if places.end > bytes.len() as u64 * 8 {
                continue;
            }
            let (before, value) = (bytes.clone(), prng.next_u64() as i64);
            assert_eq!(field.write(&mut bytes, offset, value), bytes != before);
            let narrowed = if signed {
                value << (64 - field.width) >> (64 - field.width)
            } else {
                (value as u64 & (u64::MAX >> (64 - field.width))) as i64
            };
            assert_eq!(read(&bytes), narrowed);
            for at in 0..bytes.len() as u64 * 8 {
                assert!(places.contains(&at) || bit(&bytes, at) == bit(&before, at));
            }
        }
    }

    #[test]
    fn values_beyond_the_bounds_wrap_saturate_or_fail() {
        let u63 = Field { signed: false, width: 63 };
        let i64s = Field { signed: true, width: 64 };
        let u8s = Field { signed: false, width: 8 };
        for (field, old, by, wrapped, saturated) in [
            (u8s, 250, 10, 4, 255),
            (u8s, 5, -6, 255, 0),
            (u63, i64::MAX, 1, 0, i64::MAX),
            (u63, i64::MAX, i64::MAX, i64::MAX - 1, i64::MAX),
            (u63, 0, i64::MIN, 0, 0),
            (i64s, i64::MAX, 1, i64::MIN, i64::MAX),
            (i64s, i64::MIN, i64::MIN, 0, i64::MIN),
            (i64s, i64::MIN, -1, i64::MAX, i64::MIN),
        ] {
            assert_eq!(field.add(old, by, Overflow::Wrap), Some(wrapped));
            assert_eq!(field.add(old, by, Overflow::Saturate), Some(saturated));
            assert_eq!(field.add(old, by, Overflow::Fail), None);
        }
        assert_eq!(u8s.fit(-1, Overflow::Saturate), Some(255));
        let i8s = Field { signed: true, width: 8 };
        assert_eq!(i8s.fit(i64::MIN + 128, Overflow::Saturate), Some(-128));
        assert_eq!(i8s.fit(i64::MIN + 127, Overflow::Saturate), Some(127));
        assert_eq!(i8s.fit(i64::MIN, Overflow::Fail), None);
        assert_eq!(u8s.fit(-1, Overflow::Fail), None);
        assert_eq!(u8s.fit(256, Overflow::Wrap), Some(0));
        assert_eq!(i64s.fit(i64::MIN, Overflow::Fail), Some(i64::MIN));
    }
}
