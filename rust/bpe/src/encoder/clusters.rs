//! The second phase: merges of high rank, found between finished tokens.
//!
//! Ranks are cut at `split`: the first phase applies the merges below it, the second the others.
//! Where no merge below `split` has a part made at or above it, that is the same as applying all
//! by rank, since the merges that apply come in rising order of rank.
//!
//! For a symbol made in the second phase, `last` and `first` are its outermost leaves among the
//! symbols of the first phase. *Crossing* pairs are `(last(l), first(r))` over all merges
//! `(l, r)` of the second phase. Lemma 2: a border of two first-phase tokens that is no crossing
//! pair is never merged over, because the node that would merge over it has exactly these two
//! leaves beside the border. So the tokens fall into *clusters* between such borders, most of
//! them single tokens, and each is merged by itself.
//!
//! Most borders are refused by two flags in the tokens and one bit of a Bloom filter. Cost: about
//! one load for each token, and for each cluster its merging.

use rustc_hash::FxHashMap;

use super::pairs::{NONE, PairTable};
use super::plain::{self, Merges, SHORT};
use super::symbols::Symbols;

/// Flag of a token that stands on the left of some crossing pair.
const LEFT: u32 = 1 << 31;
/// Flag of a token that stands on the right of some crossing pair.
const RIGHT: u32 = 1 << 30;
/// The symbol without its flags.
const SYMBOL: u32 = (1 << 21) - 1;

/// The merges of the second phase.
pub struct Clusters {
    /// Crossing pairs and direct merges: the result of the merge, or [`CROSSING`] for a pair that
    /// only more merging can join.
    pairs: PairTable,
    bloom: Vec<u64>,
    flags: Vec<u32>,
    split: u32,
}

const CROSSING: u32 = SYMBOL - 1;

impl Merges for Clusters {
    #[inline(always)]
    fn rank(&self, left: u32, right: u32) -> u32 {
        match self.pairs.get(left, right) {
            CROSSING => NONE,
            result => result,
        }
    }

    fn result(&self, rank: u32) -> u32 {
        rank
    }
}

#[inline(always)]
fn bloom_hash(left: u32, right: u32) -> u32 {
    left.wrapping_mul(0x9E37_79B1) ^ right.wrapping_mul(0x85EB_CA77)
}

impl Clusters {
    /// The second phase of merges with result at or above `split`.
    #[must_use]
    pub fn new(symbols: &Symbols, split: u32) -> Self {
        let len = symbols.count() as usize;
        let mut first: Vec<u32> = (0..symbols.count()).collect();
        let mut last = first.clone();
        let mut flags: Vec<u32> = first.clone();
        let mut crossing = Vec::new();
        let merges = symbols
            .iter_merges()
            .skip((split - symbols.base_len()) as usize);
        let direct: Vec<_> = merges.collect();
        // A part is below its result here, so its leaves are known.
        for &(left, right, result) in &direct {
            first[result as usize] = first[left as usize];
            last[result as usize] = last[right as usize];
            crossing.push((last[left as usize], first[right as usize]));
        }
        for &(left, right) in &crossing {
            flags[left as usize] |= LEFT;
            flags[right as usize] |= RIGHT;
        }
        let bits = (crossing.len() * 8)
            .next_power_of_two()
            .clamp(1 << 10, 1 << 22);
        let mut bloom = vec![0; bits / 64];
        for &(left, right) in &crossing {
            let hash = bloom_hash(left, right) as usize >> 4 & (bits - 1);
            bloom[hash / 64] |= 1 << (hash % 64);
        }
        // Most pairs come more than once, as the border of several merges, or of one that is made at
        // once. The table has its size from what is left, and is waited for less if it is small.
        let mut pairs: FxHashMap<(u32, u32), u32> =
            crossing.into_iter().map(|pair| (pair, CROSSING)).collect();
        let merges = direct.into_iter();
        pairs.extend(merges.map(|(left, right, result)| ((left, right), result)));
        let entries = pairs
            .iter()
            .map(|(&(left, right), &result)| (left, right, result));
        debug_assert_eq!(flags.len(), len);
        Self {
            pairs: PairTable::new(entries),
            bloom,
            flags,
            split,
        }
    }

    /// A first-phase token as [`Clusters::join`] takes it.
    #[inline(always)]
    #[must_use]
    pub fn flagged(&self, symbol: u32) -> u32 {
        debug_assert!(symbol < self.split);
        self.flags[symbol as usize]
    }

    /// The token, never merged with the one behind it: a pretoken ends here.
    #[inline(always)]
    #[must_use]
    pub fn ended(token: u32, ends: bool) -> u32 {
        token & !(u32::from(ends) << 31)
    }

    #[inline(always)]
    fn may_cross(&self, left: u32, right: u32) -> u64 {
        let hash = bloom_hash(left & SYMBOL, right & SYMBOL) as usize >> 4;
        let word = self.bloom[(hash / 64) & (self.bloom.len() - 1)];
        word >> (hash % 64) & u64::from(left >> 31 & right >> 30)
    }

    /// Joins the tokens of whole pretokens and appends the symbols to `out`.
    #[inline(always)]
    pub fn join(&self, tokens: &[u32], marks: &mut Vec<u64>, out: &mut Vec<u32>) {
        marks.clear();
        for chunk in 0..tokens.len().div_ceil(64) {
            let tokens = &tokens[64 * chunk..];
            let mut mark = 0;
            if let Some(tokens) = tokens.first_chunk::<65>() {
                for place in 0..64 {
                    mark |= (self.may_cross(tokens[place], tokens[place + 1]) & 1) << place;
                }
            } else {
                for (place, pair) in tokens.windows(2).enumerate() {
                    mark |= (self.may_cross(pair[0], pair[1]) & 1) << place;
                }
            }
            marks.push(mark);
        }
        let plain = |tokens: &[u32], out: &mut Vec<u32>| {
            out.extend(tokens.iter().map(|&token| token & SYMBOL));
        };
        // `done`: the tokens that are in `out`. A run of marks is a candidate cluster.
        let mut done = 0;
        let mut at = 0;
        while at < marks.len() {
            let mark = marks[at];
            if mark == 0 {
                at += 1;
                continue;
            }
            let start = 64 * at + mark.trailing_zeros() as usize;
            let mut end = start + 1;
            // The run of ones, across words.
            loop {
                let word = end / 64;
                let rest = marks.get(word).map_or(0, |mark| mark >> (end % 64));
                let ones = rest.trailing_ones() as usize;
                end += ones;
                if ones == 0 || !end.is_multiple_of(64) {
                    break;
                }
            }
            at = end / 64;
            if at < marks.len() {
                marks[at] &= u64::MAX << (end % 64);
            }
            plain(&tokens[done..start], out);
            self.join_run(&tokens[start..=end], out);
            done = end + 1;
        }
        plain(&tokens[done..], out);
    }

    /// Joins the tokens between two borders that the filter refused. The filter may have let
    /// through borders that are no crossing pairs: the run is cut there.
    #[inline(always)]
    fn join_run(&self, tokens: &[u32], out: &mut Vec<u32>) {
        let mut start = 0;
        while start < tokens.len() {
            let mut end = start + 1;
            let mut only = CROSSING;
            while end < tokens.len() {
                match self
                    .pairs
                    .get(tokens[end - 1] & SYMBOL, tokens[end] & SYMBOL)
                {
                    NONE => break,
                    found => only = found,
                }
                end += 1;
            }
            let cluster = &tokens[start..end];
            match (cluster, only) {
                (&[_, _], result) if result != CROSSING => out.push(result),
                (&[token], _) => out.push(token & SYMBOL),
                (&[left, right], _) => out.extend([left & SYMBOL, right & SYMBOL]),
                _ if cluster.len() <= SHORT => {
                    let mut short = [0; SHORT];
                    for (symbol, token) in short.iter_mut().zip(cluster) {
                        *symbol = token & SYMBOL;
                    }
                    let kept = plain::merge_short(&mut short, cluster.len(), self);
                    out.extend_from_slice(&short[..kept]);
                }
                _ => {
                    let mut long: Vec<u32> = cluster.iter().map(|token| token & SYMBOL).collect();
                    plain::merge(&mut long, self);
                    out.append(&mut long);
                }
            }
            start = end;
        }
    }
}
