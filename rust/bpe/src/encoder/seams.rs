//! Borders inside long units: between characters that no symbol has side by side.
//!
//! Scripts without blanks have clauses of many characters as one unit, since some symbol has each
//! pair of their bytes; long units are costly and seldom come again. So more bytes are looked at.
//! A place of a text has a *seam* with respect to a set of symbols if no symbol can cover it: there
//! is none that has, around some place inside it, the two bytes of the text before this one and the
//! two behind it, or as many of them as reach to its ends. As with [`borders`](super::borders), a
//! merge never crosses a seam: it would make a symbol that covers the place, and whose bytes there
//! are those of the text.
//!
//! Only places before a character of three bytes and behind one beyond ASCII are looked at.
//! The surroundings are kept as hashes, one bit each. A bit that is set by others hides a seam and
//! does no harm.
//!
//! Cost: 16 to 32 bits for each surrounding, some 100 KiB for real vocabularies; a look-up reads
//! four bits.

use super::symbols::Symbols;
use crate::model::Model;

/// Seams with respect to some symbols.
pub struct Seams {
    bits: Vec<u64>,
    shift: u32,
}

/// In place of a byte that a symbol does not reach to.
const BEYOND: u64 = 256;

/// Bits of the table for each surrounding, at least.
const ROOM: usize = 16;

/// Whether seams are looked for between two bytes.
#[inline(always)]
const fn may_be(before: u8, behind: u8) -> bool {
    before >= 0x80 && behind >= 0xe0
}

/// The surroundings of a place, of 9 bits each.
#[inline(always)]
const fn around(bytes: [u64; 4]) -> u64 {
    bytes[0] << 27 | bytes[1] << 18 | bytes[2] << 9 | bytes[3]
}

impl Seams {
    /// The seams with respect to the base symbols and the merged symbols below `limit`.
    #[must_use]
    pub fn new(model: &Model, symbols: &Symbols, limit: u32) -> Self {
        let mut all = Vec::new();
        let cover = |token: &[u8]| {
            for at in 1..token.len() {
                if may_be(token[at - 1], token[at]) {
                    let first = at
                        .checked_sub(2)
                        .map_or(BEYOND, |first| token[first].into());
                    let last = token.get(at + 1).map_or(BEYOND, |&last| last.into());
                    all.push(around([
                        first,
                        token[at - 1].into(),
                        token[at].into(),
                        last,
                    ]));
                }
            }
        };
        symbols.for_each_text(model, limit, cover);
        all.sort_unstable();
        all.dedup();
        let bits = (ROOM * all.len()).next_power_of_two().ilog2().max(6);
        let mut seams = Self {
            bits: vec![0; 1 << (bits - 6)],
            shift: u64::BITS - bits,
        };
        for surrounding in all {
            let (word, bit) = seams.place(surrounding);
            seams.bits[word] |= 1 << bit;
        }
        seams
    }

    #[inline(always)]
    fn place(&self, surrounding: u64) -> (usize, u64) {
        let hash = surrounding.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift;
        (hash as usize / 64, hash % 64)
    }

    #[inline(always)]
    fn has(&self, surrounding: u64) -> bool {
        let (word, bit) = self.place(surrounding);
        self.bits[word] >> bit & 1 != 0
    }

    /// Whether there is a seam before the byte at a place of a text.
    #[inline]
    #[must_use]
    pub fn is_at(&self, text: &[u8], at: usize) -> bool {
        let (Some(&before), Some(&behind)) = (text.get(at.wrapping_sub(1)), text.get(at)) else {
            return false;
        };
        if !may_be(before, behind) {
            return false;
        }
        let (before, behind) = (before.into(), behind.into());
        let first = text
            .get(at.wrapping_sub(2))
            .map_or(BEYOND, |&first| first.into());
        let last = text.get(at + 1).map_or(BEYOND, |&last| last.into());
        !(self.has(around([first, before, behind, last]))
            | self.has(around([BEYOND, before, behind, last]))
            | self.has(around([first, before, behind, BEYOND]))
            | self.has(around([BEYOND, before, behind, BEYOND])))
    }
}
