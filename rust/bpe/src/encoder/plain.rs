//! Byte-pair merging by its definition: as long as some neighbouring pair has a merge, apply the
//! merge of lowest rank, at its leftmost place.
//!
//! Exact for every merge list. Two ways of finding the lowest rank: up to [`SHORT`] symbols a scan
//! over an array that holds rank and place in one word, so that the smallest word is the leftmost
//! lowest rank; above that a heap. A merge costs the scan of at most 64 words, or a logarithm.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

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

/// [`merge`] with a heap of (rank, place). An entry is stale when the rank at its place has
/// changed since; that is seen when it comes up.
fn merge_long(symbols: &mut Vec<u32>, merges: &impl Merges) {
    const END: usize = usize::MAX;
    let len = symbols.len();
    let mut ranks: Vec<u32> = symbols
        .windows(2)
        .map(|pair| merges.rank(pair[0], pair[1]))
        .chain([NONE])
        .collect();
    let mut next: Vec<usize> = (1..len).chain([END]).collect();
    let mut previous: Vec<usize> = [END].into_iter().chain(0..len - 1).collect();
    let mut heap: BinaryHeap<Reverse<(u32, usize)>> = ranks
        .iter()
        .enumerate()
        .filter(|&(_, &rank)| rank != NONE)
        .map(|(place, &rank)| Reverse((rank, place)))
        .collect();
    while let Some(Reverse((rank, place))) = heap.pop() {
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
        for (place, right) in [(place, beyond), (previous[place], place)] {
            if place == END || right == END {
                continue;
            }
            let rank = merges.rank(symbols[place], symbols[right]);
            ranks[place] = rank;
            if rank != NONE {
                heap.push(Reverse((rank, place)));
            }
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
