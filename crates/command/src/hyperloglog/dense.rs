//! Dense registers: six bits each, one behind the other from the lowest bit of the first byte on.

use super::{REGISTERS, Registers};

/// Bits of a register.
const BITS: usize = 6;
const MASK: u8 = (1 << BITS) - 1;

/// Bytes of all registers.
pub const BYTES: usize = REGISTERS * BITS / 8;

/// Four registers fill three bytes.
const GROUP: usize = 4;
const GROUP_BYTES: usize = GROUP * BITS / 8;

/// The values of the four registers of a group.
fn unpack(group: &[u8]) -> [u8; GROUP] {
    let whole = u32::from_le_bytes([group[0], group[1], group[2], 0]);
    std::array::from_fn(|number| (whole >> (number * BITS)) as u8 & MASK)
}

/// Raises one register to at least `value`; says whether it was lower. `bytes` are all registers. O(1).
pub fn raise_one(bytes: &mut [u8], index: usize, value: u8) -> bool {
    let group = &mut bytes[index / GROUP * GROUP_BYTES..][..GROUP_BYTES];
    let shift = index % GROUP * BITS;
    let whole = u32::from_le_bytes([group[0], group[1], group[2], 0]);
    if (whole >> shift) as u8 & MASK >= value {
        return false;
    }
    let raised = whole & !(u32::from(MASK) << shift) | u32::from(value) << shift;
    group.copy_from_slice(&raised.to_le_bytes()[..GROUP_BYTES]);
    true
}

/// Raises every register to at least what `bytes`, which are all registers, say.
pub fn raise(registers: &mut Registers, bytes: &[u8]) {
    for (group, bytes) in registers.chunks_exact_mut(GROUP).zip(bytes.chunks_exact(GROUP_BYTES)) {
        for (register, value) in group.iter_mut().zip(unpack(bytes)) {
            *register = value.max(*register);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Prng;

    #[test]
    fn registers_are_raised_one_by_one_and_never_lowered() {
        let mut prng = Prng::new(4);
        let (mut bytes, mut model) = (vec![0; BYTES], [0; REGISTERS]);
        for _ in 0..100_000 {
            let (index, value) = (prng.below(REGISTERS as u64) as usize, prng.below(64) as u8);
            assert_eq!(raise_one(&mut bytes, index, value), value > model[index]);
            model[index] = model[index].max(value);
        }
        let mut registers = [0; REGISTERS];
        raise(&mut registers, &bytes);
        assert!(registers == model);
    }
}
