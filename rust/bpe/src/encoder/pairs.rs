//! A table from a pair of symbols to a value.
//!
//! Symbols and values have 21 bits, so that an entry is one word: left, right, value. Open
//! addressing with linear probing at a load of at most one half: a look-up reads one cache line
//! nearly always, and there is always an empty slot to stop at.

/// A table from pairs `(left, right)` to values, all below `2^21 - 1`.
#[derive(Clone)]
pub struct PairTable {
    slots: Vec<u64>,
    shift: u32,
}

/// The value of a pair that is not in the table.
pub const NONE: u32 = u32::MAX;

const EMPTY: u64 = u64::MAX;
const BITS: u32 = 21;
const VALUE: u64 = (1 << BITS) - 1;

impl PairTable {
    /// A table of the given entries; of entries with the same pair the last one counts.
    pub fn new(entries: impl ExactSizeIterator<Item = (u32, u32, u32)>) -> Self {
        let bits = (2 * entries.len()).next_power_of_two().ilog2().max(4);
        let mut table = Self {
            slots: vec![EMPTY; 1 << bits],
            shift: u64::BITS - bits,
        };
        for (left, right, value) in entries {
            let key = Self::key(left, right);
            let mut at = table.home(key);
            while table.slots[at] != EMPTY && table.slots[at] >> BITS != key {
                at = (at + 1) & (table.slots.len() - 1);
            }
            table.slots[at] = key << BITS | u64::from(value);
        }
        table
    }

    fn key(left: u32, right: u32) -> u64 {
        u64::from(left) << BITS | u64::from(right)
    }

    #[inline(always)]
    fn home(&self, key: u64) -> usize {
        (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize
    }

    /// The value of a pair, [`NONE`] if it is not there.
    #[inline(always)]
    #[must_use]
    pub fn get(&self, left: u32, right: u32) -> u32 {
        self.read(self.slot(left, right), left, right)
    }

    /// What stands where a pair is looked for first, for [`PairTable::read`].
    #[inline(always)]
    #[must_use]
    pub fn slot(&self, left: u32, right: u32) -> u64 {
        self.slots[self.home(Self::key(left, right)) & (self.slots.len() - 1)]
    }

    /// The value of a pair by its first slot.
    ///
    /// Whether a pair is there cannot be predicted, so the first slot is judged without a branch;
    /// only a slot of another pair, which is rare, leads on.
    #[inline(always)]
    #[must_use]
    pub fn read(&self, mut slot: u64, left: u32, right: u32) -> u32 {
        let key = Self::key(left, right);
        let mut at = self.home(key);
        loop {
            let found = slot >> BITS == key;
            if found || (slot == EMPTY) {
                return if found { (slot & VALUE) as u32 } else { NONE };
            }
            at += 1;
            slot = self.slots[at & (self.slots.len() - 1)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn agrees_with_a_map() {
        let mut state = 1_u64;
        let mut next = |bound: u32| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as u32 % bound
        };
        for size in [0, 1, 7, 8, 9, 1000] {
            let entries: Vec<_> = (0..size)
                .map(|_| (next(40), next(40), next(VALUE as u32)))
                .collect();
            let table = PairTable::new(entries.iter().copied());
            let map: HashMap<_, _> = entries.iter().map(|&(l, r, v)| ((l, r), v)).collect();
            for left in 0..40 {
                for right in 0..40 {
                    assert_eq!(
                        table.get(left, right),
                        map.get(&(left, right)).copied().unwrap_or(NONE)
                    );
                }
            }
        }
    }

    #[test]
    fn largest_symbols() {
        let top = VALUE as u32 - 1;
        let table = PairTable::new([(top, top, top), (top, 0, 1)].into_iter());
        assert_eq!(table.get(top, top), top);
        assert_eq!(table.get(top, 0), 1);
        assert_eq!(table.get(0, top), NONE);
    }
}
