//! Which pairs of tokens were found to stand side by side, or not to.
//!
//! In a run of blanks each of the many tokens of blanks is tried behind each other one, byte after
//! byte, and a test of a pair reads a table that is too large for a cache. So what was found of late
//! is kept: one pair a slot, the later one stays. A word has both symbols and the answer, so that
//! threads need no lock, and what is read is whole.

use std::sync::atomic::{AtomicU64, Ordering};

/// The slots: a power of two.
const SLOTS: usize = 1 << 15;

const EMPTY: u64 = u64::MAX;

/// The pairs of symbols that were tested of late.
pub(super) struct Joins {
    slots: Box<[AtomicU64]>,
}

impl Default for Joins {
    fn default() -> Self {
        Self {
            slots: (0..SLOTS).map(|_| AtomicU64::new(EMPTY)).collect(),
        }
    }
}

impl Joins {
    /// What is known of two symbols below 2^31, or what `test` says.
    pub(super) fn get(&self, left: u32, right: u32, test: impl FnOnce() -> bool) -> bool {
        let key = u64::from(left) << 32 | u64::from(right) << 1;
        let home = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - SLOTS.ilog2());
        let slot = &self.slots[home as usize % SLOTS];
        let known = slot.load(Ordering::Relaxed);
        if known & !1 == key {
            return known & 1 != 0;
        }
        let joins = test();
        slot.store(key | u64::from(joins), Ordering::Relaxed);
        joins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_what_was_found() {
        let joins = Joins::default();
        let test = |left: u32, right: u32| (left * 31 + right).rem_euclid(3) == 0;
        let (mut asked, mut pairs) = (0, 0);
        // More pairs than slots, some of them twice in a row.
        for _ in 0..2 {
            for left in 0..300 {
                for right in (0..300).flat_map(|right| [right, right]) {
                    pairs += 1;
                    let found = joins.get(left, right, || {
                        asked += 1;
                        test(left, right)
                    });
                    assert_eq!(found, test(left, right), "{left} {right}");
                }
            }
        }
        assert!(asked > SLOTS && asked <= pairs / 2, "{asked} of {pairs}");
    }
}
