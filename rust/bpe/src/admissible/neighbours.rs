//! Which tokens cannot stand behind a token, listed from the merges over the border.
//!
//! Let `l` and `v` encode to themselves. Beside the border stand in turn the nodes of the right
//! spine of `l` (a part on the right, its part on the right, ...) and those of the left spine of
//! `v`; a node is there from its own merge on until the merge above it. So `l v` encodes otherwise
//! if and only if there is a merge `(s, r) -> m`, `s` on the one spine and `r` on the other, with
//! `m` before the merge above `s`, and not behind the merge above `r`: of two equal ones the
//! leftmost comes first. This is the test of pairs for all `v` at once.
//!
//! Symbols are put in the order in which a walk meets them that goes from each to the symbols
//! whose left part it is, in the order of rank. Then the tokens with `r` on their left spine are a
//! range, and those where the merge above `r` is not before `m` are `r` and the end of the range.
//! So each merge gives two ranges; the cost is that of the merges on the right spine and of the
//! tokens that are listed, not that of the vocabulary.
//!
//! Inside an irregular symbol ([`crate::encoder::symbols`]) merges are not in the order of rank.
//! With such an `l`, and a regular `v`, let `k` be the merges of `l` in the order in which greedy
//! merging makes them. As long as `s` is there, `l` waits before each `k` that is behind `m`, and
//! `m` is made there if `r` is too: it must come before that `k`, and the merge above it must not
//! come before any merge that `l` had to wait for. The first such `k` decides, since what `l` had
//! to wait for only rises. These `v` are ranges as well.
//!
//! An irregular `v` keeps `r` no longer than all merges that take it away come before `m`: the
//! merge above it and those inside the other part of that. The few for which this leaves room are
//! tested by merging.

use rustc_hash::FxHashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::encoder::Encoder;
use crate::encoder::symbols::Symbols;
use crate::model::Model;

/// No id.
const NO_ID: u32 = u32::MAX;

/// The order of symbols and the merges by their left part.
pub(super) struct Neighbours {
    /// The place of each symbol in the order.
    places: Vec<u32>,
    /// The id at each place, [`NO_ID`] for irregular symbols.
    ids: Vec<u32>,
    /// For each symbol the end of its range.
    ends: Vec<u32>,
    /// The symbols whose left part is a symbol, in the order of rank, and where they start.
    wholes: Vec<u32>,
    whole_starts: Vec<u32>,
    /// For each symbol the irregular ones that have it on their left spine, with its bound there.
    irregular: FxHashMap<u32, Vec<(u32, u32)>>,
    /// What cannot stand behind an irregular symbol, as it was asked for.
    known: Mutex<FxHashMap<u32, Arc<[u32]>>>,
}

/// The highest rank inside a symbol. A symbol that is its own part has no bound.
fn highest(symbols: &Symbols, symbol: u32, known: &mut FxHashMap<u32, u32>) -> u32 {
    if symbols.is_regular(symbol) {
        return symbol;
    }
    if let Some(&known) = known.get(&symbol) {
        return known;
    }
    known.insert(symbol, u32::MAX);
    let mut found = symbol;
    if let Some((left, right)) = symbols.parts(symbol) {
        found = found.max(highest(symbols, left, known));
        found = found.max(highest(symbols, right, known));
    }
    known.insert(symbol, found);
    found
}

/// A time in the merging of a symbol at which it waits.
struct Wait {
    /// The merge that it waits before, [`u32::MAX`] if there is none left.
    before: u32,
    /// The highest of the merges before that.
    passed: u32,
}

/// The right spine of a symbol that encodes to itself, each node with the times at which it is there.
fn spine(symbols: &Symbols, symbol: u32) -> Vec<(u32, Vec<Wait>)> {
    /// Puts the nodes of a symbol behind those of its parts; returns its place.
    fn unfold(symbols: &Symbols, symbol: u32, nodes: &mut Vec<(u32, Option<[usize; 2]>)>) -> usize {
        let parts = symbols.parts(symbol).map(|(left, right)| {
            let left = unfold(symbols, left, nodes);
            [left, unfold(symbols, right, nodes)]
        });
        nodes.push((symbol, parts));
        nodes.len() - 1
    }
    let mut nodes = Vec::new();
    let root = unfold(symbols, symbol, &mut nodes);
    // The number of the merge that makes each node, 0 for a base symbol.
    let mut made: Vec<Option<usize>> = nodes
        .iter()
        .map(|(_, parts)| parts.is_none().then_some(0))
        .collect();
    let mut merges = Vec::new();
    loop {
        let is_next = |&place: &usize| {
            let parts = nodes[place].1.into_iter().flatten();
            made[place].is_none() && { parts }.all(|part| made[part].is_some())
        };
        let Some(next) = (0..nodes.len())
            .filter(is_next)
            .min_by_key(|&place| (nodes[place].0, place))
        else {
            break;
        };
        merges.push(nodes[next].0);
        made[next] = Some(merges.len());
    }
    merges.push(u32::MAX);
    let mut passed = vec![0];
    for &merge in &merges {
        passed.push(merge.max(passed[passed.len() - 1]));
    }
    let (mut spine, mut place, mut gone) = (Vec::new(), root, merges.len());
    loop {
        let from = made[place].unwrap_or(0);
        let waits = (from..gone).map(|time| Wait {
            before: merges[time],
            passed: passed[time],
        });
        spine.push((nodes[place].0, waits.collect()));
        let Some([_, right]) = nodes[place].1 else {
            return spine;
        };
        (place, gone) = (right, from);
    }
}

/// Leaves the ids of those symbols that merging shows to be barred.
fn test(encoder: &Encoder, model: &Model, left: u32, candidates: &mut Vec<u32>) {
    candidates.sort_unstable();
    candidates.dedup();
    candidates
        .retain(|&symbol| encoder.is_own(symbol) && !encoder.is_compatible(model, left, symbol));
    for symbol in candidates {
        *symbol = encoder.symbols().id(*symbol);
    }
}

impl Neighbours {
    /// The neighbours of an encoder's symbols.
    pub(super) fn new(encoder: &Encoder) -> Self {
        let symbols = encoder.symbols();
        let count = symbols.count() as usize;
        let mut whole_starts = vec![0_u32; count + 1];
        for (left, _, _) in symbols.iter_merges() {
            whole_starts[left as usize + 1] += 1;
        }
        for symbol in 0..count {
            whole_starts[symbol + 1] += whole_starts[symbol];
        }
        let mut filled = whole_starts.clone();
        let mut wholes = vec![0; symbols.merges()];
        for (left, _, result) in symbols.iter_merges() {
            wholes[filled[left as usize] as usize] = result;
            filled[left as usize] += 1;
        }
        let (mut order, mut places, mut ends) = (
            Vec::with_capacity(count),
            vec![u32::MAX; count],
            vec![0; count],
        );
        // A symbol is on the stack until its range starts, and again until the range ends. A
        // symbol that is its own part, as irregular ones may be in a circle, is never met.
        let mut stack: Vec<(u32, bool)> = (0..symbols.base_len())
            .rev()
            .map(|base| (base, false))
            .collect();
        while let Some((symbol, ended)) = stack.pop() {
            if ended {
                ends[symbol as usize] = order.len() as u32;
                continue;
            }
            places[symbol as usize] = order.len() as u32;
            order.push(symbol);
            stack.push((symbol, true));
            let own =
                whole_starts[symbol as usize] as usize..whole_starts[symbol as usize + 1] as usize;
            stack.extend(wholes[own].iter().rev().map(|&whole| (whole, false)));
        }
        let id = |symbol: u32| {
            if symbols.is_regular(symbol) {
                symbols.id(symbol)
            } else {
                NO_ID
            }
        };
        let mut inside = FxHashMap::default();
        let mut irregular: FxHashMap<u32, Vec<(u32, u32)>> = FxHashMap::default();
        for symbol in 0..symbols.count() {
            if symbols.is_regular(symbol) || !encoder.is_own(symbol) {
                continue;
            }
            highest(symbols, symbol, &mut inside);
            let (mut side, mut bound) = (symbol, u32::MAX);
            loop {
                irregular.entry(side).or_default().push((symbol, bound));
                let Some((part, other)) = symbols.parts(side) else {
                    break;
                };
                bound = side.max(highest(symbols, other, &mut inside));
                side = part;
            }
        }
        Self {
            ids: order.iter().map(|&symbol| id(symbol)).collect(),
            places,
            ends,
            wholes,
            whole_starts,
            irregular,
            known: Mutex::default(),
        }
    }

    fn wholes(&self, symbol: u32) -> &[u32] {
        let symbol = symbol as usize;
        &self.wholes[self.whole_starts[symbol] as usize..self.whole_starts[symbol + 1] as usize]
    }

    /// Calls `visit` with the ids of all symbols that encode to themselves and cannot stand behind
    /// `left`, which does too, some at a time; some of them more than once, and with others that do
    /// not encode to themselves, or are no id at all.
    pub(super) fn for_each_barred(
        &self,
        encoder: &Encoder,
        model: &Model,
        left: u32,
        visit: &mut dyn FnMut(&[u32]),
    ) {
        let symbols = encoder.symbols();
        if !symbols.is_regular(left) {
            visit(&self.tested(encoder, model, left));
            return;
        }
        let mut candidates = Vec::new();
        self.for_each_crossing(encoder, left, &mut |merged, right, above| {
            visit(&[self.regular_id(right)]);
            visit(&self.ids[above]);
            self.push_irregular(merged, right, &mut candidates);
        });
        test(encoder, model, left, &mut candidates);
        if !candidates.is_empty() {
            visit(&candidates);
        }
    }

    /// What cannot stand behind an irregular symbol.
    fn tested(&self, encoder: &Encoder, model: &Model, left: u32) -> Arc<[u32]> {
        let symbols = encoder.symbols();
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().get(&left) {
            return Arc::clone(known);
        }
        let (mut barred, mut candidates) = (Vec::new(), Vec::new());
        for (side, waits) in spine(symbols, left) {
            for &merged in self.wholes(side) {
                let Some((_, right)) = symbols.parts(merged) else {
                    continue;
                };
                if let Some(wait) = waits.iter().find(|wait| wait.before > merged.max(right)) {
                    barred.push(self.regular_id(right));
                    let range = self.starting_with(right, merged.max(wait.passed));
                    barred.extend_from_slice(&self.ids[range]);
                }
                if waits.iter().any(|wait| wait.before > merged) {
                    self.push_irregular(merged, right, &mut candidates);
                }
            }
        }
        test(encoder, model, left, &mut candidates);
        barred.append(&mut candidates);
        let barred: Arc<[u32]> = barred.into();
        known().insert(left, Arc::clone(&barred));
        barred
    }

    /// Appends the irregular symbols with `right` on their left spine that a merge may cross to.
    fn push_irregular(&self, merged: u32, right: u32, candidates: &mut Vec<u32>) {
        let all = self.irregular.get(&right).into_iter().flatten();
        candidates.extend(all.filter(|&&(_, bound)| bound >= merged).map(|&(v, _)| v));
    }

    /// The range of places of the symbols that start with one and in which the merge above it does
    /// not come before some rank.
    fn starting_with(&self, right: u32, rank: u32) -> Range<usize> {
        // The merges above it rise along its range, so these are its end.
        let wholes = self.wholes(right);
        let first = wholes.partition_point(|&whole| whole < rank);
        match wholes.get(first) {
            Some(&first) if self.places[right as usize] != u32::MAX => {
                self.places[first as usize] as usize..self.ends[right as usize] as usize
            }
            _ => 0..0,
        }
    }

    /// The id of a symbol, [`NO_ID`] for irregular ones.
    fn regular_id(&self, symbol: u32) -> u32 {
        let place = self.places[symbol as usize];
        self.ids.get(place as usize).copied().unwrap_or(NO_ID)
    }

    /// Calls `visit` for each merge that crosses the border of a regular `left` and some symbols at
    /// the time when both its parts are there: with the merge, the symbol on the right, and the
    /// range of places of others that start with it.
    fn for_each_crossing(
        &self,
        encoder: &Encoder,
        left: u32,
        visit: &mut dyn FnMut(u32, u32, Range<usize>),
    ) {
        let symbols = encoder.symbols();
        let (mut side, mut above) = (left, u32::MAX);
        loop {
            for &merged in self.wholes(side) {
                if merged >= above {
                    break;
                }
                let Some((_, right)) = symbols.parts(merged) else {
                    continue;
                };
                let range = self.starting_with(right, merged);
                visit(merged, right, range);
            }
            let Some((_, part)) = symbols.parts(side) else {
                return;
            };
            (above, side) = (side, part);
        }
    }
}
