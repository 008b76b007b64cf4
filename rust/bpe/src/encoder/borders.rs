//! Where merging can be cut.
//!
//! Bytes `x`, `y` have a *border* between them with respect to a set of symbols if no symbol of
//! the set contains `x` directly before `y`. Lemma 1: merging with these symbols never crosses
//! such a border, since the first merge over it would make a symbol that contains `xy`. So the
//! merging of a text is the concatenation of the mergings of its *units*, the pieces between
//! borders.
//!
//! The table is one bit for each pair of bytes, 8 KiB, and a look-up is two loads.

use super::symbols::Symbols;
use crate::model::Model;

/// For each pair of bytes whether there is a border between them.
#[derive(Clone)]
pub struct Borders {
    rows: Box<[[u64; 4]; 256]>,
}

impl Borders {
    /// The borders with respect to the base symbols and the merged symbols below `limit`.
    #[must_use]
    pub fn new(model: &Model, symbols: &Symbols, limit: u32) -> Self {
        let mut rows = Box::new([[u64::MAX; 4]; 256]);
        let close = |token: &[u8]| {
            for pair in token.windows(2) {
                rows[pair[0] as usize][pair[1] as usize / 64] &= !(1 << (pair[1] % 64));
            }
        };
        symbols.for_each_text(model, limit, close);
        Self { rows }
    }

    /// Whether there is a border between two bytes.
    #[inline]
    #[must_use]
    pub fn between(&self, left: u8, right: u8) -> bool {
        self.rows[left as usize][right as usize / 64] >> (right % 64) & 1 != 0
    }

    /// The borders before 64 consecutive bytes, the first one in the lowest bit. `bytes` starts
    /// with the byte before the first; it may be shorter, the missing bits are zero.
    #[inline(always)]
    #[must_use]
    pub fn before(&self, bytes: &[u8]) -> u64 {
        let mut mask = 0;
        let bit =
            |left: u8, right: u8| self.rows[left as usize][right as usize / 64] >> (right % 64) & 1;
        if let Some(bytes) = bytes.first_chunk::<65>() {
            for place in 0..64 {
                mask |= bit(bytes[place], bytes[place + 1]) << place;
            }
        } else {
            for (place, pair) in bytes.windows(2).enumerate() {
                mask |= bit(pair[0], pair[1]) << place;
            }
        }
        mask
    }
}
