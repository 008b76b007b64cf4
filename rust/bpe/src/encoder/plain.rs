//! Byte-pair merging by its definition: as long as some neighbouring pair has a merge, apply the
//! merge of lowest rank, at its leftmost place.
//!
//! Exact for every merge list. Two ways of finding the lowest rank: up to [`SHORT`] symbols a scan
//! over an array that holds rank and place in one word, so that the smallest word is the leftmost
//! lowest rank; above that a queue of places for each rank, and a heap of the ranks. A merge costs the
//! scan of at most 64 words, or a logarithm of the number of ranks that occur; places that come to a
//! rank out of order cost a logarithm of their number.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use super::pairs::NONE;

/// The most symbols that [`merge_short`] takes.
pub const SHORT: usize = 64;

/// No merge, in an array of ranks and places: what [`NONE`] becomes, and all above it.
pub const NEVER: u32 = NONE << 6;

/// The symbols of a short unit, a buffer of fixed size.
pub type Short = [u32; SHORT];

/// The merges that a unit may use.
pub trait Merges {
    /// The rank of the merge of a pair, [`NONE`] if it has none. Ranks have at most 25 bits.
    fn rank(&self, left: u32, right: u32) -> u32;
    /// The symbol that the merge of this rank makes.
    fn result(&self, rank: u32) -> u32;
}

/// Merges the first `len` symbols in place and returns how many are left.
///
/// `len` is at most [`SHORT`].
#[inline(always)]
pub fn merge_short(symbols: &mut Short, len: usize, merges: &impl Merges) -> usize {
    debug_assert!(len <= SHORT);
    let key = |left, right, place: usize| merges.rank(left, right) << 6 | place as u32;
    let mut keys = [NEVER; SHORT];
    for place in 0..len.saturating_sub(1) {
        keys[place] = key(symbols[place], symbols[place + 1], place);
    }
    let mut alive = if len == SHORT {
        u64::MAX
    } else {
        (1 << len) - 1
    };
    let scanned = len.next_multiple_of(8).min(SHORT);
    loop {
        let lowest = keys[..scanned].iter().fold(NEVER, |low, &key| low.min(key));
        if lowest >= NEVER {
            break;
        }
        let place = (lowest as usize) & (SHORT - 1);
        // A key is only there if a living symbol follows, so `right` is a living place.
        let after = alive & !(u64::MAX >> (63 - place));
        let right = after.trailing_zeros() as usize & (SHORT - 1);
        symbols[place] = merges.result(lowest >> 6);
        alive &= !(1 << right);
        keys[right] = NEVER;
        let beyond = after & (after - 1);
        keys[place] = if beyond == 0 {
            NEVER
        } else {
            let next = beyond.trailing_zeros() as usize & (SHORT - 1);
            key(symbols[place], symbols[next], place)
        };
        let before = alive & ((1 << place) - 1);
        if before != 0 {
            let previous = 63 - before.leading_zeros() as usize;
            keys[previous] = key(symbols[previous], symbols[place], previous);
        }
    }
    let mut kept = 0;
    while alive != 0 {
        symbols[kept] = symbols[alive.trailing_zeros() as usize];
        kept += 1;
        alive &= alive - 1;
    }
    kept
}

/// Merges any number of symbols in place.
pub fn merge(symbols: &mut Vec<u32>, merges: &impl Merges) {
    if symbols.len() <= SHORT {
        let mut short = [0; SHORT];
        short[..symbols.len()].copy_from_slice(symbols);
        let kept = merge_short(&mut short, symbols.len(), merges);
        symbols.clear();
        symbols.extend_from_slice(&short[..kept]);
    } else {
        merge_long(symbols, merges);
    }
}

/// [`merge`] with the places of each rank in a queue. An entry is stale when the rank at its place
/// has changed since; that is seen when it comes up.
fn merge_long(symbols: &mut Vec<u32>, merges: &impl Merges) {
    const END: usize = usize::MAX;
    let len = symbols.len();
    let mut next: Vec<usize> = (1..len).chain([END]).collect();
    let mut previous: Vec<usize> = [END].into_iter().chain(0..len - 1).collect();
    let mut queues = Queues::default();
    let mut ranks: Vec<u32> = symbols
        .windows(2)
        .map(|pair| merges.rank(pair[0], pair[1]))
        .chain([NONE])
        .collect();
    for (place, &rank) in ranks.iter().enumerate() {
        queues.push(rank, place);
    }
    while let Some((rank, place)) = queues.pop() {
        if ranks[place] != rank {
            continue;
        }
        let right = next[place];
        let beyond = next[right];
        symbols[place] = merges.result(rank);
        ranks[right] = NONE;
        next[place] = beyond;
        ranks[place] = NONE;
        if beyond != END {
            previous[beyond] = place;
        }
        for (place, right) in [(previous[place], place), (place, beyond)] {
            if place == END || right == END {
                continue;
            }
            let rank = merges.rank(symbols[place], symbols[right]);
            ranks[place] = rank;
            queues.push(rank, place);
        }
    }
    let (mut kept, mut place) = (0, 0);
    while place != END {
        symbols[kept] = symbols[place];
        kept += 1;
        place = next[place];
    }
    symbols.truncate(kept);
}

/// The places of each rank, the leftmost of the lowest rank first.
///
/// Most places come to a rank from left to right and are taken in that order without a comparison;
/// the others wait in a heap of the rank. So a long run of few ranks takes linear time.
#[derive(Default)]
struct Queues {
    /// Where the queue of a rank is.
    of_rank: FxHashMap<u32, usize>,
    all: Vec<Queue>,
    /// Each rank that has places, and its queue.
    lowest: BinaryHeap<Reverse<(u32, usize)>>,
}

#[derive(Default)]
struct Queue {
    /// Rising places, taken up to `taken`.
    rising: Vec<usize>,
    taken: usize,
    /// Places that came behind a larger one.
    late: BinaryHeap<Reverse<usize>>,
}

impl Queues {
    /// Adds a place, unless its pair has no merge.
    #[inline]
    fn push(&mut self, rank: u32, place: usize) {
        if rank == NONE {
            return;
        }
        let index = *self.of_rank.entry(rank).or_insert_with(|| {
            self.all.push(Queue::default());
            self.all.len() - 1
        });
        let queue = &mut self.all[index];
        if queue.is_empty() {
            self.lowest.push(Reverse((rank, index)));
        }
        queue.push(place);
    }

    /// Takes the leftmost place of the lowest rank.
    #[inline]
    fn pop(&mut self) -> Option<(u32, usize)> {
        let &Reverse((rank, index)) = self.lowest.peek()?;
        let queue = &mut self.all[index];
        let place = queue.pop()?;
        if queue.is_empty() {
            self.lowest.pop();
        }
        Some((rank, place))
    }
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.taken == self.rising.len() && self.late.is_empty()
    }

    fn push(&mut self, place: usize) {
        if self.rising.last().is_some_and(|&last| place < last) {
            self.late.push(Reverse(place));
        } else {
            self.rising.push(place);
        }
    }

    fn pop(&mut self) -> Option<usize> {
        let first = self.rising.get(self.taken);
        match self.late.peek() {
            Some(&Reverse(late)) if first.is_none_or(|&first| late < first) => {
                self.late.pop();
                Some(late)
            }
            _ => {
                let place = *first?;
                self.taken += 1;
                if self.taken == self.rising.len() {
                    self.rising.clear();
                    self.taken = 0;
                }
                Some(place)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Merges in any order: a part may be made by a merge of higher rank, two merges may make one
    /// symbol.
    #[derive(Debug)]
    struct Any {
        ranks: HashMap<(u32, u32), u32>,
        results: Vec<u32>,
    }

    impl Merges for Any {
        fn rank(&self, left: u32, right: u32) -> u32 {
            self.ranks.get(&(left, right)).copied().unwrap_or(NONE)
        }

        fn result(&self, rank: u32) -> u32 {
            self.results[rank as usize]
        }
    }

    /// The definition.
    fn slow(symbols: &mut Vec<u32>, merges: &Any) {
        loop {
            let pairs = symbols.windows(2).zip(0_usize..);
            let lowest = pairs.map(|(pair, place)| (merges.rank(pair[0], pair[1]), place));
            match lowest.min() {
                Some((rank, place)) if rank != NONE => {
                    symbols[place] = merges.result(rank);
                    symbols.remove(place + 1);
                }
                _ => return,
            }
        }
    }

    prop_compose! {
        fn any_merges()(pairs in prop::collection::vec((0..9_u32, 0..9_u32, 0..9_u32), 1..40)) -> Any {
            let mut any = Any { ranks: HashMap::new(), results: Vec::new() };
            for (left, right, result) in pairs {
                any.ranks.entry((left, right)).or_insert(any.results.len() as u32);
                any.results.push(result);
            }
            any
        }
    }

    fn text() -> impl Strategy<Value = Vec<u32>> {
        let run = (prop::collection::vec(0..9_u32, 1..4), 1..40_usize);
        let runs = prop::collection::vec(run, 1..6);
        runs.prop_map(|runs| {
            runs.iter()
                .flat_map(|(part, times)| part.repeat(*times))
                .collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_length_is_merged_as_defined(merges in any_merges(), text in text()) {
            let mut expected = text.clone();
            slow(&mut expected, &merges);
            let mut found = text.clone();
            merge(&mut found, &merges);
            prop_assert_eq!(&found, &expected);
            let mut long = text;
            merge_long(&mut long, &merges);
            prop_assert_eq!(&long, &expected);
        }
    }
}
