//! The merging of several short units at the same time.
//!
//! Each unit is merged as by [`plain::merge_short`](super::plain::merge_short). A merge waits for
//! the look-up of two pairs in a table that is larger than the nearest caches, and the next merge
//! of the unit waits for them. So some units go in step: first each makes a merge and asks for its
//! pairs, without a branch on what comes; then each takes what came. The look-ups of all units
//! overlap, and a round waits about as long as one merge would alone.

use super::pairs::PairTable;
use super::plain::{NEVER, SHORT, Short};

/// Units that are merged at the same time.
pub const LANES: usize = 8;

/// A unit on its way.
struct Lane {
    symbols: Short,
    /// For each living symbol the rank of its merge with the next one, and its place: see
    /// [`plain`](super::plain).
    keys: Short,
    /// The places of the symbols that are left.
    alive: u64,
    /// How far the keys are to be read.
    scanned: usize,
    asked: Asked,
}

/// A merge was made at `place`; the pairs with the symbols at `previous` and `next` are looked up.
#[derive(Clone, Copy)]
struct Asked {
    place: usize,
    /// A place that is no place, [`SHORT`], where there is no symbol.
    previous: usize,
    next: usize,
    slots: [u64; 2],
}

/// The buffers.
pub struct Lanes([Lane; LANES]);

impl Default for Lanes {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Lane {
            symbols: [0; SHORT],
            keys: [NEVER; SHORT],
            alive: 0,
            scanned: 0,
            asked: Asked {
                place: 0,
                previous: SHORT,
                next: SHORT,
                slots: [0; 2],
            },
        }))
    }
}

fn bits(len: usize) -> u64 {
    u64::MAX.checked_shr((SHORT - len) as u32).unwrap_or(0)
}

impl Lanes {
    /// Sets the symbols of a unit, at most [`SHORT`].
    #[inline(always)]
    pub fn set(&mut self, lane: usize, symbols: &Short, len: usize) {
        let lane = &mut self.0[lane];
        lane.symbols = *symbols;
        lane.alive = bits(len);
        lane.scanned = len.next_multiple_of(8).min(SHORT);
    }

    /// Merges the first `count` units with the merges below `limit`.
    #[inline(always)]
    pub fn merge(&mut self, count: usize, pairs: &PairTable, limit: u32) {
        let key = |found: u32, place: usize| {
            if found < limit {
                found << 6 | place as u32
            } else {
                NEVER
            }
        };
        let lanes = &mut self.0[..count.min(LANES)];
        for lane in &mut *lanes {
            let len = lane.alive.count_ones() as usize;
            lane.keys[..lane.scanned].fill(NEVER);
            let mut slots = [0; SHORT];
            for (slot, pair) in slots.iter_mut().zip(lane.symbols[..len].windows(2)) {
                *slot = pairs.slot(pair[0], pair[1]);
            }
            for (place, pair) in lane.symbols[..len].windows(2).enumerate() {
                lane.keys[place] = key(pairs.read(slots[place], pair[0], pair[1]), place);
            }
        }
        let mut going = bits(lanes.len());
        while going != 0 {
            let mut rest = going;
            while rest != 0 {
                let number = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                if !lanes[number].ask(pairs) {
                    going &= !(1 << number);
                }
            }
            let mut rest = going;
            while rest != 0 {
                let number = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                let Lane {
                    symbols,
                    keys,
                    asked,
                    ..
                } = &mut lanes[number];
                let place = asked.place;
                if let Some(&next) = symbols.get(asked.next) {
                    let found = pairs.read(asked.slots[1], symbols[place], next);
                    keys[place] = key(found, place);
                }
                if let Some(&previous) = symbols.get(asked.previous) {
                    let found = pairs.read(asked.slots[0], previous, symbols[place]);
                    keys[asked.previous] = key(found, asked.previous);
                }
            }
        }
    }

    /// Hands over the symbols that are left of a unit, in order.
    #[inline(always)]
    pub fn for_each(&self, lane: usize, mut each: impl FnMut(u32)) {
        let Lane { symbols, alive, .. } = &self.0[lane];
        let mut rest = *alive;
        while rest != 0 {
            each(symbols[rest.trailing_zeros() as usize]);
            rest &= rest - 1;
        }
    }
}

impl Lane {
    /// Makes the merge of lowest rank at its leftmost place and asks for the new pairs; false if
    /// there is none.
    #[inline(always)]
    fn ask(&mut self, pairs: &PairTable) -> bool {
        let lowest = self.keys[..self.scanned]
            .iter()
            .fold(NEVER, |low, &key| low.min(key));
        if lowest >= NEVER {
            return false;
        }
        let place = lowest as usize & (SHORT - 1);
        // A key is only there if a living symbol follows, so `right` is a living place.
        let after = self.alive & !(u64::MAX >> (63 - place));
        let right = after.trailing_zeros() as usize & (SHORT - 1);
        let beyond = after & after.wrapping_sub(1);
        let before = self.alive & ((1 << place) - 1);
        let merged = lowest >> 6;
        self.symbols[place] = merged;
        self.alive &= !(1 << right);
        self.keys[right] = NEVER;
        self.keys[place] = NEVER;
        // Past the ends any symbol will do: what comes is not read.
        let next = beyond.trailing_zeros() as usize;
        let previous = 63_usize
            .wrapping_sub(before.leading_zeros() as usize)
            .min(SHORT);
        self.asked = Asked {
            place,
            previous,
            next,
            slots: [
                pairs.slot(self.symbols[previous & (SHORT - 1)], merged),
                pairs.slot(merged, self.symbols[next & (SHORT - 1)]),
            ],
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::pairs::NONE;
    use super::super::plain::{Merges, merge_short};
    use super::*;

    struct All<'p>(&'p PairTable);

    impl Merges for All<'_> {
        fn rank(&self, left: u32, right: u32) -> u32 {
            self.0.get(left, right)
        }
        fn result(&self, rank: u32) -> u32 {
            rank
        }
    }

    #[test]
    fn agrees_with_one_unit_at_a_time() {
        let mut state = 7_u64;
        let mut next = |bound: u32| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as u32 % bound
        };
        for _ in 0..2000 {
            let base = 2 + next(3);
            let count = base + next(40);
            let merges: Vec<_> = (base..count)
                .map(|result| (next(result), next(result), result))
                .collect();
            let table = PairTable::new(merges.into_iter());
            let mut lanes = Lanes::default();
            // Twice, since the buffers are used again.
            for _ in 0..2 {
                let units: Vec<(Short, usize)> = (0..=next(LANES as u32 - 1))
                    .map(|_| {
                        let len = 1 + next(SHORT as u32) as usize;
                        let mut unit = [0; SHORT];
                        unit[..len].fill_with(|| next(base));
                        (unit, len)
                    })
                    .collect();
                for (lane, (unit, len)) in units.iter().enumerate() {
                    lanes.set(lane, unit, *len);
                }
                lanes.merge(units.len(), &table, NONE);
                for (lane, (mut unit, len)) in units.into_iter().enumerate() {
                    let kept = merge_short(&mut unit, len, &All(&table));
                    let mut found = Vec::new();
                    lanes.for_each(lane, |symbol| found.push(symbol));
                    assert_eq!(found, unit[..kept]);
                }
            }
        }
    }
}
