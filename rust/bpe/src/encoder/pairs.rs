//! A table from a pair of symbols to a value.
//!
//! Symbols and values have 21 bits, so that a slot is one word: left, right, value. Hash and
//! displace: pairs fall into small groups by a hash, and each group has a *turn*, a byte found when
//! the table is made, such that a second hash, turned by it, sends no two pairs to one slot. So a
//! look-up reads a turn, from a small array, and one slot, and nothing branches on what is there.
//! Groups for which no turn is found, none in real vocabularies, lie in a map.
//!
//! Cost: nine bytes for each slot, 1.1 to 2.3 slots for each pair; making it tries a few slots a
//! pair.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::memory::{self, Table};

/// A table from pairs `(left, right)` to values, all below `2^21 - 1`.
pub struct PairTable {
    slots: Table<u64>,
    shift: u32,
    /// The turn of each group, [`CROWDED`] if it has none.
    turns: Vec<u8>,
    group_shift: u32,
    /// The slots of pairs in groups without a turn, by their key.
    crowded: FxHashMap<u64, u64>,
}

/// The value of a pair that is not in the table.
pub const NONE: u32 = u32::MAX;

/// A symbol that is in no pair of a table.
pub const NOBODY: u32 = VALUE as u32;

const EMPTY: u64 = u64::MAX;
const BITS: u32 = 21;
const VALUE: u64 = (1 << BITS) - 1;
const CROWDED: u8 = u8::MAX;

/// Pairs of a group, at most on average.
const GROUP: usize = 2;

/// The most pairs of a group that a turn is looked for.
const LARGEST: usize = 16;

impl PairTable {
    /// A table of the given entries; of entries with the same pair the last one counts.
    pub fn new(entries: impl ExactSizeIterator<Item = (u32, u32, u32)>) -> Self {
        let bits = |count: usize| count.next_power_of_two().ilog2().max(4);
        let slot_bits = bits(entries.len() + entries.len() / 8);
        let group_bits = bits(entries.len() / GROUP);
        let mut table = Self {
            slots: Table::new(EMPTY, 1 << slot_bits),
            shift: u64::BITS - slot_bits,
            turns: vec![0; 1 << group_bits],
            group_shift: u64::BITS - group_bits,
            crowded: FxHashMap::default(),
        };
        let entries: Vec<u64> = entries
            .map(|(left, right, value)| Self::key(left, right) << BITS | u64::from(value))
            .collect();
        // The entries in order of their groups, and where each group starts.
        let group = |entry: u64| (Self::hash(entry >> BITS) >> table.group_shift) as usize;
        let mut starts = vec![0; table.turns.len() + 1];
        for &entry in &entries {
            starts[group(entry) + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut ends: Vec<usize> = starts.clone();
        let mut sorted = vec![0; entries.len()];
        for &entry in &entries {
            let end = &mut ends[group(entry)];
            sorted[*end] = entry;
            *end += 1;
        }
        // Large groups first, as long as there is room.
        let mut groups: Vec<usize> = (0..table.turns.len()).collect();
        groups.sort_by_key(|&group| Reverse(starts[group + 1] - starts[group]));
        let mut members = Vec::new();
        for group in groups {
            members.clear();
            members.extend_from_slice(&sorted[starts[group]..starts[group + 1]]);
            // Of the same pair the last entry counts.
            members.reverse();
            members.sort_by_key(|entry| entry >> BITS);
            members.dedup_by_key(|entry| *entry >> BITS);
            table.settle(group, &members);
        }
        table
    }

    /// Finds a turn for a group and puts its entries into their slots.
    fn settle(&mut self, group: usize, members: &[u64]) {
        let mut places = [0; LARGEST];
        let turn = (0..CROWDED).find(|&turn| {
            members.len() <= LARGEST
                && members.iter().enumerate().all(|(number, entry)| {
                    let place = self.place(Self::hash(entry >> BITS), turn);
                    let is_free = self.slots[place] == EMPTY && !places[..number].contains(&place);
                    places[number] = place;
                    is_free
                })
        });
        if let Some(turn) = turn {
            self.turns[group] = turn;
            for (&place, &entry) in places.iter().zip(members) {
                self.slots[place] = entry;
            }
        } else {
            self.turns[group] = CROWDED;
            let entries = members.iter().map(|&entry| (entry >> BITS, entry));
            self.crowded.extend(entries);
        }
    }

    #[inline(always)]
    fn key(left: u32, right: u32) -> u64 {
        u64::from(left) << BITS | u64::from(right)
    }

    #[inline(always)]
    fn hash(key: u64) -> u64 {
        key.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    #[inline(always)]
    fn place(&self, hash: u64, turn: u8) -> usize {
        ((hash ^ u64::from(turn)).wrapping_mul(0xD1B5_4A32_D192_ED03) >> self.shift) as usize
    }

    /// The value of a pair, [`NONE`] if it is not there.
    #[inline(always)]
    #[must_use]
    pub fn get(&self, left: u32, right: u32) -> u32 {
        self.read(self.announced(left, right), left, right)
    }

    /// Where a pair lies, for [`PairTable::read`]; its slot is announced.
    #[inline(always)]
    #[must_use]
    pub fn announced(&self, left: u32, right: u32) -> u32 {
        let hash = Self::hash(Self::key(left, right));
        let turn = self.turns.get((hash >> self.group_shift) as usize);
        match turn {
            Some(&turn) if turn != CROWDED => {
                let place = self.place(hash, turn);
                memory::prefetch(&self.slots[place]);
                place as u32
            }
            _ => u32::MAX,
        }
    }

    /// The value of a pair by where it lies, [`NONE`] if it is not there.
    #[inline(always)]
    #[must_use]
    pub fn read(&self, place: u32, left: u32, right: u32) -> u32 {
        let key = Self::key(left, right);
        let slot = match self.slots.get(place as usize) {
            Some(&slot) => slot,
            None => self.crowded_slot(key),
        };
        if slot >> BITS == key {
            (slot & VALUE) as u32
        } else {
            NONE
        }
    }

    #[cold]
    fn crowded_slot(&self, key: u64) -> u64 {
        self.crowded.get(&key).copied().unwrap_or(EMPTY)
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

    /// More pairs in a group than turns can part.
    #[test]
    fn crowded_groups() {
        let count = 200;
        let shift = u64::BITS - 7;
        let group = |pair: &(u32, u32)| PairTable::hash(PairTable::key(pair.0, pair.1)) >> shift;
        let pairs = (0..1000).flat_map(|left| (0..200).map(move |right| (left, right)));
        let (mut inside, outside): (Vec<_>, Vec<_>) = pairs.partition(|pair| group(pair) == 5);
        let absent = inside.split_off(count);
        let entries = (0..count).map(|value| (inside[value].0, inside[value].1, value as u32));
        let table = PairTable::new(entries);
        assert_eq!((table.group_shift, table.crowded.len()), (shift, count));
        for (pair, value) in inside.iter().zip(0_u32..) {
            assert_eq!(table.get(pair.0, pair.1), value);
        }
        for pair in absent.iter().chain(&outside) {
            assert_eq!(table.get(pair.0, pair.1), NONE);
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
