//! What kinds of bytes a block of a text has, one bit a byte.
//!
//! A [`Part`] is some bytes of a block side by side. [`Eight`] is a word, everywhere; [`Sixteen`] is a
//! vector that each processor of the x86-64 kind has. The tests compare them.
//!
//! Cost: two operations on vectors for a range of bytes in 16 of them, three for their bits; on words
//! five for 8, and three.

use crate::marker::{ESCAPE, FRACTION, INTEGER};

/// Bytes of a text that are looked at together.
pub(crate) const BLOCK: usize = 64;

/// The bytes of a block by what the grammar takes them for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kinds {
    /// ASCII digits.
    pub digits: u64,
    /// `0`.
    pub zeros: u64,
    /// ASCII letters and `_`.
    pub words: u64,
    /// `.`
    pub points: u64,
    /// `,`
    pub commas: u64,
    /// Bytes that are not ASCII.
    pub wide: u64,
}

/// The digits of a block.
#[inline]
pub(crate) fn digit_mask(block: &[u8; BLOCK]) -> u64 {
    mask(block, digits::<Native>)
}

/// Whether a block has digits.
#[inline]
pub(crate) fn has_digits(block: &[u8; BLOCK]) -> bool {
    has(block, digits::<Native>)
}

/// The bytes of a block that equal one of ASCII.
#[inline]
pub(crate) fn equal_mask(block: &[u8; BLOCK], byte: u8) -> u64 {
    mask(block, |part: Native| part.range(byte, byte))
}

/// The markers of a block.
#[inline]
pub(crate) fn marker_mask(block: &[u8; BLOCK]) -> u64 {
    mask(block, markers::<Native>)
}

/// The markers and escapes of a block.
#[inline]
pub(crate) fn mark_mask(block: &[u8; BLOCK]) -> u64 {
    mask(block, marks::<Native>)
}

/// The markers and escapes of a block, and the control characters between them.
#[inline]
pub(crate) fn low_mask(block: &[u8; BLOCK]) -> u64 {
    mask(block, |part: Native| part.range(INTEGER[0], ESCAPE))
}

/// Whether a block has markers or escapes.
#[inline]
pub(crate) fn has_marks(block: &[u8; BLOCK]) -> bool {
    has(block, marks::<Native>)
}

/// The kinds of the bytes of a block.
#[inline]
pub(crate) fn kinds(block: &[u8; BLOCK]) -> Kinds {
    kinds_by::<Native>(block)
}

#[inline(always)]
fn kinds_by<P: Part>(block: &[u8; BLOCK]) -> Kinds {
    let one = |byte| mask(block, move |part: P| part.range(byte, byte));
    Kinds {
        digits: mask(block, digits::<P>),
        zeros: one(b'0'),
        words: mask(block, |part: P| {
            part.lower().range(b'a', b'z').or(part.range(b'_', b'_'))
        }),
        points: one(b'.'),
        commas: one(b','),
        wide: mask(block, |part: P| part),
    }
}

#[inline(always)]
fn digits<P: Part>(part: P) -> P {
    part.range(b'0', b'9')
}

#[inline(always)]
fn markers<P: Part>(part: P) -> P {
    let [first, .., last] = INTEGER;
    let [shallow, .., deep] = FRACTION;
    part.range(first, last).or(part.range(shallow, deep))
}

#[inline(always)]
fn marks<P: Part>(part: P) -> P {
    markers(part).or(part.range(ESCAPE, ESCAPE))
}

/// The bits of what `test` finds.
#[inline(always)]
fn mask<P: Part>(block: &[u8; BLOCK], test: impl Fn(P) -> P) -> u64 {
    let parts = P::parts(block);
    let length = BLOCK / parts.len();
    parts.iter().enumerate().fold(0, |mask, (number, part)| {
        mask | test(P::new(part)).bits() << (number * length)
    })
}

/// Whether `test` finds something.
#[inline(always)]
fn has<P: Part>(block: &[u8; BLOCK], test: impl Fn(P) -> P) -> bool {
    let found = P::parts(block).iter().map(|part| test(P::new(part)));
    found.reduce(P::or).is_some_and(|found| found.bits() != 0)
}

/// Some bytes side by side; or for each a bit, its highest, whether it was found.
trait Part: Copy {
    /// The bytes.
    type Bytes;

    /// The parts of a block.
    fn parts(block: &[u8; BLOCK]) -> &[Self::Bytes];
    /// A part.
    fn new(bytes: &Self::Bytes) -> Self;
    /// The bytes from `first` to `last`, both ASCII.
    fn range(self, first: u8, last: u8) -> Self;
    /// What either found.
    fn or(self, other: Self) -> Self;
    /// The bytes with bit 5 set, which makes letters small and nothing else a letter.
    fn lower(self) -> Self;
    /// The highest bit of each byte, the first byte's last.
    fn bits(self) -> u64;
}

#[cfg(target_arch = "x86_64")]
type Native = Sixteen;
#[cfg(not(target_arch = "x86_64"))]
type Native = Eight;

/// Eight bytes in a word.
#[cfg(any(test, not(target_arch = "x86_64")))]
#[derive(Clone, Copy)]
struct Eight(u64);

#[cfg(any(test, not(target_arch = "x86_64")))]
mod eight {
    use super::{BLOCK, Eight, Part};

    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES << 7;

    /// High bit of each byte of `bytes`, all below 128, that is at least `least`.
    #[inline]
    const fn at_least(bytes: u64, least: u8) -> u64 {
        bytes + ONES * (0x80 - least as u64)
    }

    impl Part for Eight {
        type Bytes = [u8; 8];

        #[inline(always)]
        fn parts(block: &[u8; BLOCK]) -> &[[u8; 8]] {
            block.as_chunks().0
        }

        #[inline(always)]
        fn new(bytes: &[u8; 8]) -> Self {
            Self(u64::from_le_bytes(*bytes))
        }

        #[inline(always)]
        fn range(self, first: u8, last: u8) -> Self {
            let bytes = self.0 & !HIGH;
            Self(at_least(bytes, first) & !at_least(bytes, last + 1) & !self.0)
        }

        #[inline(always)]
        fn or(self, other: Self) -> Self {
            Self(self.0 | other.0)
        }

        #[inline(always)]
        fn lower(self) -> Self {
            Self(self.0 | ONES << 5)
        }

        #[inline(always)]
        fn bits(self) -> u64 {
            ((self.0 & HIGH) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
        }
    }
}

/// Sixteen bytes in a vector.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct Sixteen(std::arch::x86_64::__m128i);

#[cfg(target_arch = "x86_64")]
mod sixteen {
    // SAFETY, for each block: the instructions are in every processor of this kind, and a load
    // reads the sixteen bytes of a reference.
    #![allow(unsafe_code)]

    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128,
        _mm_set1_epi8, _mm_sub_epi8,
    };

    use super::{BLOCK, Part, Sixteen};

    #[inline(always)]
    fn all(byte: u8) -> __m128i {
        unsafe { _mm_set1_epi8(byte as i8) }
    }

    impl Part for Sixteen {
        type Bytes = [u8; 16];

        #[inline(always)]
        fn parts(block: &[u8; BLOCK]) -> &[[u8; 16]] {
            block.as_chunks().0
        }

        #[inline(always)]
        fn new(bytes: &[u8; 16]) -> Self {
            Self(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
        }

        #[inline(always)]
        fn range(self, first: u8, last: u8) -> Self {
            if first == last {
                return Self(unsafe { _mm_cmpeq_epi8(self.0, all(first)) });
            }
            // The bytes of the range become the lowest numbers that eight bits with a sign can be.
            let above = unsafe { _mm_sub_epi8(self.0, all(first.wrapping_add(0x80))) };
            Self(unsafe { _mm_cmplt_epi8(above, all(0x80 + (last - first) + 1)) })
        }

        #[inline(always)]
        fn or(self, other: Self) -> Self {
            Self(unsafe { _mm_or_si128(self.0, other.0) })
        }

        #[inline(always)]
        fn lower(self) -> Self {
            Self(unsafe { _mm_or_si128(self.0, all(0x20)) })
        }

        #[inline(always)]
        fn bits(self) -> u64 {
            unsafe { _mm_movemask_epi8(self.0) as u64 }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marker::{is_marker, needs_escape};

    /// All masks, by native parts and by words.
    fn masks<P: Part>(block: &[u8; BLOCK]) -> (Kinds, [u64; 4], [bool; 2]) {
        (
            kinds_by::<P>(block),
            [
                mask(block, digits::<P>),
                mask(block, markers::<P>),
                mask(block, marks::<P>),
                mask(block, |part: P| part.range(b'7', b'7')),
            ],
            [has(block, digits::<P>), has(block, marks::<P>)],
        )
    }

    /// Every byte at every place, against the definition and each other.
    #[test]
    fn masks_are_what_they_say() {
        for byte in 0..=255_u8 {
            for other in [b'5', b'x', 0xB5] {
                for place in 0..BLOCK {
                    let mut block = [other; BLOCK];
                    block[place] = byte;
                    let by_definition = |holds: &dyn Fn(u8) -> bool| {
                        let bits = (0..BLOCK).map(|place| u64::from(holds(block[place])) << place);
                        bits.fold(0, |all, bit| all | bit)
                    };
                    let kinds = Kinds {
                        digits: by_definition(&|byte| byte.is_ascii_digit()),
                        zeros: by_definition(&|byte| byte == b'0'),
                        words: by_definition(&|byte| byte.is_ascii_alphabetic() || byte == b'_'),
                        points: by_definition(&|byte| byte == b'.'),
                        commas: by_definition(&|byte| byte == b','),
                        wide: by_definition(&|byte| !byte.is_ascii()),
                    };
                    let marks = by_definition(&needs_escape);
                    let bits = [
                        kinds.digits,
                        by_definition(&is_marker),
                        marks,
                        by_definition(&|byte| byte == b'7'),
                    ];
                    let expected = (kinds, bits, [kinds.digits != 0, marks != 0]);
                    assert_eq!(masks::<Eight>(&block), expected);
                    assert_eq!(masks::<Native>(&block), expected);
                }
            }
        }
    }
}
