//! Sequences and how often each came: a hash table over one array.
//!
//! The sequences lie end to end in the order of their first coming; the table holds only their
//! numbers. An entry costs its items and some 25 bytes. Order never matters to what is learned
//! from a tally.

use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use crate::workers::Spilled;

/// Counted sequences.
#[derive(Clone, Debug)]
pub struct Tally<T> {
    table: HashTable<u32>,
    items: Vec<T>,
    /// Where each sequence ends.
    ends: Vec<usize>,
    counts: Vec<u64>,
}

impl<T> Default for Tally<T> {
    fn default() -> Self {
        Self {
            table: HashTable::new(),
            items: Vec::new(),
            ends: Vec::new(),
            counts: Vec::new(),
        }
    }
}

impl<T: Copy + Eq + Hash> Tally<T> {
    /// Adds `count` to the count of a sequence.
    #[inline]
    pub fn add(&mut self, sequence: &[T], count: u64) {
        let index = self.index(sequence);
        self.add_at(index, count);
    }

    /// Adds `count` to the count of the sequence of a number.
    #[inline]
    pub fn add_at(&mut self, index: u32, count: u64) {
        let slot = &mut self.counts[index as usize];
        *slot = slot.saturating_add(count);
    }

    /// The number of a sequence, which is new with a count of 0 if it had none. Numbers hold until
    /// sequences are dropped.
    #[inline]
    pub fn index(&mut self, sequence: &[T]) -> u32 {
        let Self {
            table,
            items,
            ends,
            counts,
        } = self;
        let hash = FxBuildHasher.hash_one(sequence);
        let place = |ends: &[usize], index: u32| {
            let index = index as usize;
            let start = index.checked_sub(1).map_or(0, |before| ends[before]);
            start..ends[index]
        };
        if let Some(&index) = table.find(hash, |&index| items[place(ends, index)] == *sequence) {
            return index;
        }
        let index = ends.len() as u32;
        items.extend_from_slice(sequence);
        ends.push(items.len());
        counts.push(0);
        table.insert_unique(hash, index, |&index| {
            FxBuildHasher.hash_one(&items[place(ends, index)])
        });
        index
    }

    /// Adds another tally to this one.
    pub fn merge(&mut self, other: &Self) {
        for (sequence, count) in other.iter() {
            self.add(sequence, count);
        }
    }

    /// The sequences with their counts, in the order of their first coming.
    pub fn iter(&self) -> impl Iterator<Item = (&[T], u64)> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .zip(&self.counts)
            .map(|((start, &end), &count)| (&self.items[start..end], count))
    }

    /// Drops the sequences that came less often than `least`.
    pub fn drop_below(&mut self, least: u64) -> Spilled {
        let mut spilled = Spilled::default();
        let mut kept = Self::default();
        for (sequence, count) in self.iter() {
            if count < least {
                spilled += Spilled { entries: 1, count };
            } else {
                kept.add(sequence, count);
            }
        }
        *self = kept;
        spilled
    }

    /// The number of distinct sequences.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The items of all sequences, end to end.
    #[must_use]
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// Where each sequence ends among the items.
    #[must_use]
    pub fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// The count of each sequence.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }
}
