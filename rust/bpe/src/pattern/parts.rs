//! Which bytes of a few are equal to one, or lie in a range: the part of the block formulas that
//! reads text.
//!
//! A [`Part`] is some bytes of a block side by side, and gives masks of them, bit `i` for byte `i`.
//! [`Eight`] does it by arithmetic on a word, everywhere; [`Sixteen`] with the vectors that each
//! processor of the x86-64 kind has. The tests compare them.
//!
//! Cost of a mask: about four operations on a word for 8 bytes, two on a vector for 16.

/// Some bytes side by side.
pub(super) trait Part: Copy {
    /// The bytes.
    type Bytes;

    /// The parts of a block.
    fn parts(block: &[u8; 64]) -> &[Self::Bytes];
    /// A part.
    fn new(bytes: &Self::Bytes) -> Self;
    /// The ASCII letters.
    fn letters(self) -> u64;
    /// The bytes from `first` to `last`, both ASCII.
    fn range(self, first: u8, last: u8) -> u64;
    /// The bytes equal to this one, which is ASCII.
    fn equal(self, byte: u8) -> u64;
    /// The bytes that are not ASCII.
    fn wide(self) -> u64;
}

#[cfg(target_arch = "x86_64")]
pub(super) type Native = Sixteen;
#[cfg(not(target_arch = "x86_64"))]
pub(super) type Native = Eight;

/// Eight bytes in a word.
#[cfg(any(test, not(target_arch = "x86_64")))]
#[derive(Clone, Copy)]
pub(super) struct Eight(u64);

#[cfg(any(test, not(target_arch = "x86_64")))]
mod eight {
    use super::{Eight, Part};

    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES << 7;

    /// High bit of each byte of `bytes`, all below 128, that is at least `least`.
    #[inline]
    const fn at_least(bytes: u64, least: u8) -> u64 {
        bytes + ONES * (0x80 - least as u64)
    }

    /// The high bits of the bytes, the first byte's last.
    #[inline]
    const fn gather(bytes: u64) -> u64 {
        ((bytes & HIGH) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
    }

    impl Part for Eight {
        type Bytes = [u8; 8];

        #[inline(always)]
        fn parts(block: &[u8; 64]) -> &[[u8; 8]] {
            block.as_chunks().0
        }

        #[inline(always)]
        fn new(bytes: &[u8; 8]) -> Self {
            Self(u64::from_le_bytes(*bytes))
        }

        #[inline(always)]
        fn letters(self) -> u64 {
            Self(self.0 | ONES << 5).range(b'a', b'z')
        }

        #[inline(always)]
        fn range(self, first: u8, last: u8) -> u64 {
            let bytes = self.0 & !HIGH;
            gather(at_least(bytes, first) & !at_least(bytes, last + 1) & !self.0)
        }

        #[inline(always)]
        fn equal(self, byte: u8) -> u64 {
            self.range(byte, byte)
        }

        #[inline(always)]
        fn wide(self) -> u64 {
            gather(self.0)
        }
    }
}

/// Sixteen bytes in a vector.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Sixteen(std::arch::x86_64::__m128i);

#[cfg(target_arch = "x86_64")]
mod sixteen {
    // SAFETY, for each block: the instructions are in every processor of this kind, and a load
    // reads the sixteen bytes of a reference.
    #![allow(unsafe_code)]

    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set1_epi8, _mm_sub_epi8,
    };

    use super::{Part, Sixteen};

    #[inline(always)]
    fn all(byte: u8) -> __m128i {
        unsafe { _mm_set1_epi8(byte as i8) }
    }

    #[inline(always)]
    fn mask(bytes: __m128i) -> u64 {
        unsafe { _mm_movemask_epi8(bytes) as u64 }
    }

    #[inline(always)]
    fn equal(bytes: __m128i, others: __m128i) -> u64 {
        mask(unsafe { _mm_cmpeq_epi8(bytes, others) })
    }

    impl Part for Sixteen {
        type Bytes = [u8; 16];

        #[inline(always)]
        fn parts(block: &[u8; 64]) -> &[[u8; 16]] {
            block.as_chunks().0
        }

        #[inline(always)]
        fn new(bytes: &[u8; 16]) -> Self {
            Self(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
        }

        #[inline(always)]
        fn letters(self) -> u64 {
            Self(unsafe { _mm_or_si128(self.0, all(0x20)) }).range(b'a', b'z')
        }

        #[inline(always)]
        fn range(self, first: u8, last: u8) -> u64 {
            let above = unsafe { _mm_sub_epi8(self.0, all(first)) };
            equal(unsafe { _mm_min_epu8(above, all(last - first)) }, above)
        }

        #[inline(always)]
        fn equal(self, byte: u8) -> u64 {
            equal(self.0, all(byte))
        }

        #[inline(always)]
        fn wide(self) -> u64 {
            mask(self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks<P: Part>(block: &[u8; 64]) -> Vec<u64> {
        let parts = P::parts(block);
        let len = 64 / parts.len();
        let whole = |mask: &dyn Fn(P) -> u64| {
            parts.iter().enumerate().fold(0, |all, (number, bytes)| {
                all | mask(P::new(bytes)) << (number * len)
            })
        };
        let mut masks = vec![whole(&P::letters), whole(&P::wide)];
        for first in 0..128 {
            masks.push(whole(&|part: P| part.equal(first)));
            for last in first..127 {
                masks.push(whole(&|part: P| part.range(first, last)));
            }
        }
        masks
    }

    /// Every byte at some place, against the definition and each other.
    #[test]
    fn masks_are_what_they_say() {
        for start in (0..=255).step_by(64) {
            let block = std::array::from_fn(|place| (start + place) as u8);
            let by_definition = |holds: &dyn Fn(u8) -> bool| {
                (0..64).fold(0, |all, place| {
                    all | u64::from(holds(block[place])) << place
                })
            };
            let mut expected = vec![
                by_definition(&|byte| byte.is_ascii_alphabetic()),
                by_definition(&|byte| !byte.is_ascii()),
            ];
            for first in 0..128 {
                expected.push(by_definition(&|byte| byte == first));
                for last in first..127 {
                    expected.push(by_definition(&|byte| (first..=last).contains(&byte)));
                }
            }
            assert_eq!(masks::<Eight>(&block), expected);
            assert_eq!(masks::<Native>(&block), expected);
        }
    }
}
