//! The merging of several short units at the same time.
//!
//! Each unit is merged as by [`plain::merge_short`](super::plain::merge_short). A merge waits for
//! the look-up of two pairs in a table that is larger than the nearest caches, and the next merge
//! of the unit waits for them. So some units go in step: first each makes a merge and asks for its
//! pairs, without a branch on what comes; then each takes what came. The look-ups of all units
//! overlap, and a round waits about as long as one merge would alone.
//!
//! Some merges of two bytes need not wait for their turn, which is a third of all merges or more.
//! Call the *bar* of two bytes the lowest rank of a merge whose left part ends with the first and
//! whose right part begins with the second: what joins two neighbouring bytes has at least that rank.
//! Lemma: two bytes whose merge has a lower rank than the bars on both sides of them may be merged
//! first. For as long as they are not merged they could be, so the merge of lowest rank has no
//! higher one than theirs, and joins neither of them to the outside. And once they are merged, what
//! could join them to the outside waits until no merge of their rank or below is left. So all else
//! happens as before, only theirs earlier. No order of parts and wholes is asked for, and no two such
//! merges overlap, since a merge has at least the rank of its bar.

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
    /// The places whose pairs with the next symbol were asked for, and where these pairs lie.
    asked: u64,
    found_at: [u32; PLACES],
}

/// What every unit asks for first: the symbols of its bytes, and the merges of two bytes.
pub struct Alphabet {
    symbols: [u32; 256],
    pairs: Vec<Pair>,
}

/// What two bytes side by side may become.
#[derive(Clone, Copy)]
struct Pair {
    /// The rank of their merge, in its place in a key.
    key: u32,
    /// Their bar, likewise.
    bar: u32,
}

const APART: Pair = Pair {
    key: NEVER,
    bar: NEVER,
};

impl Alphabet {
    /// The bytes with these symbols, [`NONE`] where one has none. `merges` are those below a limit,
    /// which all others are at or above: the last byte of the left part, the first one of the right
    /// part, and the symbol that is made.
    #[must_use]
    pub fn new(
        symbols: &[u32; 256],
        table: &PairTable,
        limit: u32,
        merges: impl Iterator<Item = (u8, u8, u32)>,
    ) -> Self {
        let key = |left, right| match table.get(left, right) {
            found if found < limit => found << 6,
            _ => NEVER,
        };
        let pairs = |left| {
            symbols.iter().map(move |&right| Pair {
                key: key(left, right),
                bar: NEVER,
            })
        };
        let mut alphabet = Self {
            symbols: *symbols,
            pairs: symbols.iter().flat_map(|&left| pairs(left)).collect(),
        };
        for (left, right, result) in merges {
            let pair = &mut alphabet.pairs[usize::from(left) << 8 | usize::from(right)];
            pair.bar = pair.bar.min(result << 6);
        }
        alphabet
    }

    #[inline(always)]
    fn pair(&self, left: u8, right: u8) -> Pair {
        let place = usize::from(left) << 8 | usize::from(right);
        self.pairs.get(place).copied().unwrap_or(APART)
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
            asked: 0,
            found_at: [0; PLACES],
        }))
    }
}

impl Lanes {
    /// Sets a unit of at most [`LONGEST`] bytes and makes the merges of two bytes that need not
    /// wait, or says at which place is a byte without a symbol. `pairs` are those of
    /// the alphabet.
    #[inline(always)]
    pub fn set(
        &mut self,
        lane: usize,
        alphabet: &Alphabet,
        pairs: &PairTable,
        unit: &[u8],
    ) -> Result<(), usize> {
        let lane = &mut self.0[lane];
        let unit = &unit[..unit.len().min(LONGEST)];
        lane.keys.fill(NEVER);
        // The places of pairs that are merged at once.
        let mut early = 0_u64;
        let (mut before, mut here) = (APART, APART);
        for (place, bytes) in (1..).zip(unit.windows(2)) {
            let next = alphabet.pair(bytes[0], bytes[1]);
            lane.keys[place] = next.key | place as u32;
            early |= u64::from(here.key < before.bar.min(next.bar)) << (place - 1);
            (before, here) = (here, next);
        }
        early |= u64::from(here.key < before.bar) << (unit.len().max(1) - 1);
        let mut all = 0;
        for (slot, &byte) in lane.symbols[1..].iter_mut().zip(unit) {
            *slot = alphabet.symbols[byte as usize];
            all |= *slot;
        }
        lane.symbols[unit.len() + 1] = NOBODY;
        lane.alive = u64::MAX >> (LONGEST - unit.len());
        lane.len = unit.len();
        lane.merge_early(early, pairs);
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
        let lanes = &mut self.0[..count.min(LANES)];
        let mut going = (1_u64 << lanes.len()) - 1;
        while going != 0 {
            let mut rest = going;
            while rest != 0 {
                let number = rest.trailing_zeros() as usize & (LANES - 1);
                rest &= rest - 1;
                lanes[number].take(pairs, limit);
            }
            let mut rest = going;
            while rest != 0 {
                let number = rest.trailing_zeros() as usize & (LANES - 1);
                rest &= rest - 1;
                if !lanes[number].ask(pairs) {
                    going &= !(1 << number);
                }
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
    /// Makes the merges at the places of `early` and asks for the pairs beside them.
    #[inline(always)]
    fn merge_early(&mut self, early: u64, pairs: &PairTable) {
        self.alive &= !(early << 1);
        let mut rest = early;
        while rest != 0 {
            let place = rest.trailing_zeros() as usize & (PLACES - 1);
            rest &= rest - 1;
            self.symbols[place] = self.keys[place] >> 6;
            self.keys[(place + 1) & (PLACES - 1)] = NEVER;
        }
        // Pairs that begin with what was made, and those that end with it; nobody is at place 0.
        self.ask_for((early | early >> 1 & self.alive) & !1, pairs);
    }

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
        let place = lowest as usize & (PLACES - 1);
        let right = self.next(place);
        let before = self.alive & !(u64::MAX << place);
        let previous = before.checked_ilog2().unwrap_or(0);
        self.symbols[place] = lowest >> 6;
        self.alive &= !(1 << right);
        self.keys[right] = NEVER;
        self.ask_for(1 << place | 1 << previous, pairs);
        true
    }

    /// The place of the next symbol.
    #[inline(always)]
    fn next(&self, place: usize) -> usize {
        (self.alive & (u64::MAX << 1 << place)).trailing_zeros() as usize & (PLACES - 1)
    }

    /// Asks for the pairs of the symbols at some places with the next ones.
    #[inline(always)]
    fn ask_for(&mut self, places: u64, pairs: &PairTable) {
        self.asked = places;
        let mut rest = places;
        while rest != 0 {
            let place = rest.trailing_zeros() as usize & (PLACES - 1);
            rest &= rest - 1;
            let next = self.next(place);
            self.found_at[place] = pairs.announced(self.symbols[place], self.symbols[next]);
        }
    }

    /// Takes what was asked for, as far as it is below `limit`.
    #[inline(always)]
    fn take(&mut self, pairs: &PairTable, limit: u32) {
        let mut rest = self.asked;
        while rest != 0 {
            let place = rest.trailing_zeros() as usize & (PLACES - 1);
            rest &= rest - 1;
            let (left, right) = (self.symbols[place], self.symbols[self.next(place)]);
            let found = pairs.read(self.found_at[place], left, right);
            self.keys[place] = if found < limit {
                found << 6 | place as u32
            } else {
                NEVER
            };
        }
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
            // A symbol may be made before its parts are.
            let mut names: Vec<u32> = (0..count).collect();
            if next(2) == 0 {
                for at in base..count {
                    names.swap(at as usize, (at + next(count - at)) as usize);
                }
            }
            let mut ends: Vec<(u8, u8)> = vec![(0, 0); count as usize];
            for symbol in 0..base {
                ends[symbol as usize] = (b'a' + symbol as u8, b'a' + symbol as u8);
            }
            let mut merges = Vec::new();
            for result in base..count {
                let [left, right] = [next(result), next(result)].map(|part| names[part as usize]);
                let result = names[result as usize];
                merges.push((left, right, result));
                ends[result as usize] = (ends[left as usize].0, ends[right as usize].1);
            }
            merges.sort_by_key(|merge| merge.2);
            // Of the same pair the last merge counts, wherever the limit is.
            let below: Vec<_> = merges
                .iter()
                .copied()
                .filter(|merge| merge.2 < limit)
                .collect();
            let definition = PairTable::new(below.iter().copied());
            let all = if limit == NONE { merges } else { below.clone() };
            let table = PairTable::new(all.into_iter());
            let mut bytes = [NONE; 256];
            for (byte, symbol) in (b'a'..).zip(0..base) {
                bytes[byte as usize] = symbol;
            }
            let ends = below
                .iter()
                .map(|&(left, right, made)| (ends[left as usize].1, ends[right as usize].0, made));
            let alphabet = Alphabet::new(&bytes, &table, limit, ends);
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
                    assert_eq!(lanes.set(lane, &alphabet, &table, unit), Ok(()));
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
        let table = PairTable::new(std::iter::empty());
        let alphabet = Alphabet::new(&bytes, &table, NONE, std::iter::empty());
        let mut lanes = Lanes::default();
        let mut set = |unit: &[u8]| lanes.set(0, &alphabet, &table, unit);
        assert_eq!(set(b"aaba"), Err(2));
        assert_eq!(set(b"aa"), Ok(()));
    }
}
