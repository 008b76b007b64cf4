//! The merging of several short units at the same time.
//!
//! Each unit is merged as by [`plain::merge_short`](super::plain::merge_short). A merge waits for
//! the look-up of two pairs in a table that is larger than the nearest caches, and the next merge
//! of the unit waits for them. So some units go in step: first each makes a merge and asks for its
//! pairs, without a branch on what comes; then each takes what came. The look-ups of all units
//! overlap, and a round waits about as long as one merge would alone.

use super::pairs::{NOBODY, NONE, PairTable};
use super::plain::NEVER;

/// Units that are merged at the same time.
pub const LANES: usize = 8;

/// Places of a lane.
const PLACES: usize = 64;

/// The most symbols of a unit: there is a place with nobody before the first and behind the last.
pub const LONGEST: usize = PLACES - 2;

/// Keys that are compared at the same time.
const STEP: usize = 8;

/// A unit on its way. Its symbols stand at the places from 1 on, between two places with
/// [`NOBODY`], which no pair has, so that each symbol has neighbours.
struct Lane {
    symbols: [u32; PLACES],
    /// For each living symbol the rank of its merge with the next one, and its place: see
    /// [`plain`](super::plain).
    keys: [u32; PLACES],
    /// The places of the symbols that are left, those of nobody among them.
    alive: u64,
    /// How many symbols there were.
    len: usize,
    asked: Asked,
}

/// A merge was made at `place`; its pairs with the symbols at `previous` and `next` are looked up.
#[derive(Clone, Copy, Default)]
struct Asked {
    place: usize,
    previous: usize,
    next: usize,
    slots: [u64; 2],
}

/// What every unit asks for first: the symbols of its bytes, and the merges of two bytes.
pub struct Alphabet {
    symbols: [u32; 256],
    /// For each two bytes the rank of their merge, in its place in a key.
    keys: Vec<u32>,
}

impl Alphabet {
    /// The bytes with these symbols, [`NONE`] where one has none, and their merges below `limit`.
    #[must_use]
    pub fn new(symbols: &[u32; 256], pairs: &PairTable, limit: u32) -> Self {
        let key = |left, right| match pairs.get(left, right) {
            found if found < limit => found << 6,
            _ => NEVER,
        };
        let keys = |left| symbols.iter().map(move |&right| key(left, right));
        Self {
            symbols: *symbols,
            keys: symbols.iter().flat_map(|&left| keys(left)).collect(),
        }
    }

    #[inline(always)]
    fn key(&self, left: u8, right: u8) -> u32 {
        let place = usize::from(left) << 8 | usize::from(right);
        self.keys.get(place).copied().unwrap_or(NEVER)
    }
}

/// The buffers.
pub struct Lanes([Lane; LANES]);

impl Default for Lanes {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Lane {
            symbols: [NOBODY; PLACES],
            keys: [NEVER; PLACES],
            alive: 0,
            len: 0,
            asked: Asked::default(),
        }))
    }
}

impl Lanes {
    /// Sets a unit of at most [`LONGEST`] bytes, or says at which place is a byte without a symbol.
    #[inline(always)]
    pub fn set(&mut self, lane: usize, alphabet: &Alphabet, unit: &[u8]) -> Result<(), usize> {
        let lane = &mut self.0[lane];
        let unit = &unit[..unit.len().min(LONGEST)];
        lane.keys.fill(NEVER);
        for (slot, (pair, place)) in lane.keys[1..].iter_mut().zip(unit.windows(2).zip(1..)) {
            *slot = alphabet.key(pair[0], pair[1]) | place;
        }
        let mut all = 0;
        for (slot, &byte) in lane.symbols[1..].iter_mut().zip(unit) {
            *slot = alphabet.symbols[byte as usize];
            all |= *slot;
        }
        lane.symbols[unit.len() + 1] = NOBODY;
        lane.alive = u64::MAX >> (LONGEST - unit.len());
        lane.len = unit.len();
        // All bits are set where a symbol is missing, and seldom else.
        let missing = |&byte: &u8| alphabet.symbols[byte as usize] == NONE;
        match (all == NONE)
            .then(|| unit.iter().position(missing))
            .flatten()
        {
            Some(place) => Err(place),
            None => Ok(()),
        }
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
        let mut going = (1_u64 << lanes.len()) - 1;
        while going != 0 {
            let mut rest = going;
            while rest != 0 {
                let number = rest.trailing_zeros() as usize & (LANES - 1);
                rest &= rest - 1;
                if !lanes[number].ask(pairs) {
                    going &= !(1 << number);
                }
            }
            let mut rest = going;
            while rest != 0 {
                let number = rest.trailing_zeros() as usize & (LANES - 1);
                rest &= rest - 1;
                let Lane {
                    symbols,
                    keys,
                    asked:
                        Asked {
                            place,
                            previous,
                            next,
                            slots,
                        },
                    ..
                } = &mut lanes[number];
                let (place, previous, next) = (*place, *previous, *next);
                let found = slots.map(|slot| slot);
                keys[previous] = key(
                    PairTable::read(found[0], symbols[previous], symbols[place]),
                    previous,
                );
                keys[place] = key(
                    PairTable::read(found[1], symbols[place], symbols[next]),
                    place,
                );
            }
        }
    }

    /// Hands over the symbols that are left of a unit, in order.
    #[inline(always)]
    pub fn for_each(&self, lane: usize, mut each: impl FnMut(u32)) {
        let Lane {
            symbols,
            alive,
            len,
            ..
        } = &self.0[lane];
        // Nobody stands at the ends.
        let mut rest = *alive & !1 & !(1 << (len + 1));
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
        let mut lowest = [NEVER; STEP];
        let (steps, _) = self.keys.as_chunks::<STEP>();
        for step in steps {
            for (low, &key) in lowest.iter_mut().zip(step) {
                *low = key.min(*low);
            }
        }
        let lowest = lowest.iter().fold(NEVER, |low, &key| low.min(key));
        if lowest >= NEVER {
            return false;
        }
        let merged = lowest >> 6;
        let place = lowest as usize & (PLACES - 1);
        let after = self.alive & (u64::MAX << 1 << place);
        let right = after.trailing_zeros() as usize & (PLACES - 1);
        let beyond = after & after.wrapping_sub(1);
        let next = beyond.trailing_zeros() as usize & (PLACES - 1);
        let before = self.alive & !(u64::MAX << place);
        let previous = before.checked_ilog2().unwrap_or(0) as usize & (PLACES - 1);
        self.symbols[place] = merged;
        self.alive &= !(1 << right);
        self.keys[right] = NEVER;
        self.asked = Asked {
            place,
            previous,
            next,
            slots: [
                pairs.slot(self.symbols[previous], merged),
                pairs.slot(merged, self.symbols[next]),
            ],
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::plain::{Merges, SHORT, merge_short};
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
            let limit = [NONE, base + next(count)][next(2) as usize];
            let merges: Vec<_> = (base..count)
                .map(|result| (next(result), next(result), result))
                .collect();
            // Of the same pair the last merge counts, wherever the limit is.
            let below: Vec<_> = merges
                .iter()
                .copied()
                .filter(|merge| merge.2 < limit)
                .collect();
            let definition = PairTable::new(below.iter().copied());
            let all = if limit == NONE { merges } else { below };
            let table = PairTable::new(all.into_iter());
            let mut bytes = [NONE; 256];
            for (byte, symbol) in (b'a'..).zip(0..base) {
                bytes[byte as usize] = symbol;
            }
            let alphabet = Alphabet::new(&bytes, &table, limit);
            let mut lanes = Lanes::default();
            // Twice, since the buffers are used again.
            for _ in 0..2 {
                let units: Vec<Vec<u8>> = (0..=next(LANES as u32 - 1))
                    .map(|_| {
                        let len = 1 + next(LONGEST as u32) as usize;
                        (0..len).map(|_| b'a' + next(base) as u8).collect()
                    })
                    .collect();
                for (lane, unit) in units.iter().enumerate() {
                    assert_eq!(lanes.set(lane, &alphabet, unit), Ok(()));
                }
                lanes.merge(units.len(), &table, limit);
                for (lane, unit) in units.iter().enumerate() {
                    let mut short = [0; SHORT];
                    for (slot, &byte) in short.iter_mut().zip(unit) {
                        *slot = bytes[byte as usize];
                    }
                    let kept = merge_short(&mut short, unit.len(), &All(&definition));
                    let mut found = Vec::new();
                    lanes.for_each(lane, |symbol| found.push(symbol));
                    assert_eq!(found, short[..kept]);
                }
            }
        }
    }

    #[test]
    fn names_the_byte_without_a_symbol() {
        let mut bytes = [NONE; 256];
        bytes[b'a' as usize] = 0;
        let alphabet = Alphabet::new(&bytes, &PairTable::new(std::iter::empty()), NONE);
        let mut lanes = Lanes::default();
        assert_eq!(lanes.set(0, &alphabet, b"aaba"), Err(2));
        assert_eq!(lanes.set(0, &alphabet, b"aa"), Ok(()));
    }
}
