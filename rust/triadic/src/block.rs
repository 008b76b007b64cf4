//! Which bytes of a block are ASCII digits.
//!
//! The vectors that each processor of the x86-64 kind has do it for 16 bytes at a time, arithmetic
//! on words for 8, everywhere. The tests compare them.
//!
//! Cost: some thirty operations a block with vectors, ninety with words; half of that to tell that a
//! block has none.

/// Bytes of a text that are looked at together.
pub(crate) const BLOCK: usize = 64;

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use words::{digit_mask, has_digits};

#[cfg(target_arch = "x86_64")]
pub(crate) use vectors::{digit_mask, has_digits};

#[cfg(target_arch = "x86_64")]
mod vectors {
    #![allow(unsafe_code)]

    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8,
        _mm_set1_epi8, _mm_sub_epi8,
    };

    use super::BLOCK;

    /// The digits of a block, one bit a byte.
    #[inline]
    pub(crate) fn digit_mask(block: &[u8; BLOCK]) -> u64 {
        let parts = block.as_chunks::<16>().0.iter().enumerate();
        parts.fold(0, |mask, (number, part)| {
            // SAFETY: the instructions are in every processor of this kind, and the load reads the
            // sixteen bytes of a reference.
            let bits = unsafe {
                // Digits become the ten lowest numbers that eight bits with a sign can be.
                let moved = _mm_sub_epi8(
                    _mm_loadu_si128(part.as_ptr().cast()),
                    _mm_set1_epi8(b'0'.wrapping_add(0x80) as i8),
                );
                _mm_movemask_epi8(_mm_cmplt_epi8(moved, _mm_set1_epi8(i8::MIN + 10)))
            };
            mask | u64::from(bits as u16) << (16 * number)
        })
    }

    /// Whether a block has digits.
    #[inline]
    pub(crate) fn has_digits(block: &[u8; BLOCK]) -> bool {
        let parts = block.as_chunks::<16>().0.iter();
        // SAFETY: as above.
        unsafe {
            // Digits become the numbers below ten, so the least byte of all parts is one of these.
            let moved = parts.map(|part| {
                _mm_sub_epi8(
                    _mm_loadu_si128(part.as_ptr().cast()),
                    _mm_set1_epi8(b'0' as i8),
                )
            });
            let least = moved.fold(_mm_set1_epi8(-1), |least, part| _mm_min_epu8(least, part));
            let digits = _mm_cmpeq_epi8(_mm_min_epu8(least, _mm_set1_epi8(9)), least);
            _mm_movemask_epi8(digits) != 0
        }
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod words {
    use super::BLOCK;

    /// The high bit of each of eight bytes that is a digit.
    #[inline]
    fn digits_of(bytes: [u8; 8]) -> u64 {
        const HIGH: u64 = 0x8080_8080_8080_8080;
        // A digit becomes 0 to 9, which stay below 0x80 when 0x76 is added; no byte carries over.
        let word = u64::from_le_bytes(bytes) ^ 0x3030_3030_3030_3030;
        !(((word & !HIGH) + 0x7676_7676_7676_7676) | word) & HIGH
    }

    /// The digits of a block, one bit a byte.
    #[inline]
    pub(crate) fn digit_mask(block: &[u8; BLOCK]) -> u64 {
        let words = block.as_chunks::<8>().0.iter().enumerate();
        words.fold(0, |mask, (number, word)| {
            // The high bits of the bytes become a byte of the mask, the first one its lowest bit.
            let bits = (digits_of(*word) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
            mask | bits << (8 * number)
        })
    }

    /// Whether a block has digits.
    #[inline]
    pub(crate) fn has_digits(block: &[u8; BLOCK]) -> bool {
        digit_mask(block) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte at every place, against the definition and each other.
    #[test]
    fn masks_are_what_they_say() {
        for byte in 0..=255_u8 {
            for other in [b'5', b'x', 0xb5] {
                for place in 0..BLOCK {
                    let mut block = [other; BLOCK];
                    block[place] = byte;
                    let expected = (0..BLOCK).fold(0, |mask, place| {
                        mask | u64::from(block[place].is_ascii_digit()) << place
                    });
                    assert_eq!(words::digit_mask(&block), expected);
                    assert_eq!(digit_mask(&block), expected);
                    assert_eq!(words::has_digits(&block), expected != 0);
                    assert_eq!(has_digits(&block), expected != 0);
                }
            }
        }
    }
}
