//! Which tokens cannot stand behind a token, listed from the merges over the border.
//!
//! Let `l` and `v` encode to themselves. Up to the first merge over their border each is merged as
//! if it were alone. In the merging of `l` the last symbol is a node of its right spine (`l`, its
//! part on the right, the part of that on the right, ...), in that of `v` the first one is a node of
//! its left spine; a node is there from its own merge on until the merge above it. So `l v` encodes
//! otherwise if and only if there is a merge `(s, r) -> m`, `s` on the one spine and `r` on the other,
//! both there at the same time, with `m` before the merge above `s`, and not behind the merge above
//! `r`: of two equal ones the leftmost comes first. This is the test of pairs for all `v` at once.
//!
//! A merge of `l` waits until all that is left of `v` comes behind it, or is equal, and the other way
//! round. Let `l` stand before its merge `a`, with `s` at the end, and `p` be the latest of its merges
//! so far. Then the merges of `v` before `p` were made, and those before `a` are made meanwhile. In a
//! regular symbol ([`crate::encoder::symbols`]) merges only rise, so with a regular `v` the
//! merge is made if `m < a`, `r` comes before `a` or `p`, and what is above `r` comes before neither
//! `p` nor `m`. Of a regular `l` it is enough to look at each `s` once: it waits for `a`, the merge
//! above `s`, and `p` is `s`.
//!
//! Symbols are put in the order in which a walk meets them that goes from each to the symbols
//! whose left part it is, in the order of rank. Then the tokens with `r` on their left spine are a
//! range, and those where the merge above `r` is not before some rank are `r` and the end of the
//! range. So each merge gives two ranges; the cost is that of the merges on the right spine and of
//! the tokens that are listed, not that of the vocabulary.
//!
//! Irregular `v` are few: those with `r` in front at some time are in a list by `r`, and the same
//! reasoning from the right tells which of them a merge of a regular `l` bars. Where both are
//! irregular the two are merged.

use rustc_hash::FxHashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::encoder::Encoder;
use crate::model::Model;

/// No id.
const NO_ID: u32 = u32::MAX;

/// A time at which a symbol waits in its merging.
#[derive(Clone, Copy)]
struct Wait {
    /// The merge that comes next, [`u32::MAX`] if there is none left.
    before: u32,
    /// The latest merge so far.
    passed: u32,
}

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
    /// For each node of a left spine the irregular symbols that have it in front at some time.
    irregular: FxHashMap<u32, Vec<(u32, Wait)>>,
    /// What cannot stand behind an irregular symbol, as it was asked for.
    known: Mutex<FxHashMap<u32, Arc<[u32]>>>,
}

/// The merging of an irregular symbol: the first symbol, the last one, and how far it is.
fn waits(encoder: &Encoder, model: &Model, symbol: u32) -> Vec<(u32, u32, Wait)> {
    let mut passed = 0;
    let stages = encoder.stages(model, symbol).into_iter();
    stages
        .map(|stage| {
            let wait = Wait {
                before: stage.next,
                passed,
            };
            passed = passed.max(stage.next);
            (stage.first, stage.last, wait)
        })
        .collect()
}

impl Neighbours {
    /// The neighbours of an encoder's symbols.
    pub(super) fn new(encoder: &Encoder, model: &Model) -> Self {
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
        let mut irregular: FxHashMap<u32, Vec<(u32, Wait)>> = FxHashMap::default();
        for symbol in 0..symbols.count() {
            if symbols.is_regular(symbol) || !encoder.is_own(symbol) {
                continue;
            }
            for (first, _, wait) in waits(encoder, model, symbol) {
                irregular.entry(first).or_default().push((symbol, wait));
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
            visit(&self.behind_irregular(encoder, model, left));
            return;
        }
        let (mut side, mut above) = (left, u32::MAX);
        loop {
            let wait = Wait {
                before: above,
                passed: side,
            };
            for &merged in self.wholes(side) {
                if merged >= above {
                    break;
                }
                let Some((_, right)) = symbols.parts(merged) else {
                    continue;
                };
                self.visit_crossed(merged, right, &[wait], visit);
                for &(symbol, other) in self.irregular_behind(right) {
                    if merged <= other.before
                        && other.passed < above
                        && side <= other.passed.max(other.before)
                    {
                        visit(&[symbols.id(symbol)]);
                    }
                }
            }
            let Some((_, part)) = symbols.parts(side) else {
                return;
            };
            (side, above) = (part, side);
        }
    }

    /// The ids that cannot stand behind an irregular symbol.
    fn behind_irregular(&self, encoder: &Encoder, model: &Model, left: u32) -> Arc<[u32]> {
        let symbols = encoder.symbols();
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().get(&left) {
            return Arc::clone(known);
        }
        let (mut barred, mut candidates) = (Vec::new(), Vec::new());
        let waits = waits(encoder, model, left);
        for stages in waits.chunk_by(|one, other| one.1 == other.1) {
            let side = stages[0].1;
            let waits: Vec<Wait> = stages.iter().map(|&(_, _, wait)| wait).collect();
            let last = waits.iter().map(|wait| wait.before).max().unwrap_or(0);
            for &merged in self
                .wholes(side)
                .iter()
                .take_while(|&&merged| merged < last)
            {
                let Some((_, right)) = symbols.parts(merged) else {
                    continue;
                };
                self.visit_crossed(merged, right, &waits, &mut |ids| {
                    barred.extend_from_slice(ids);
                });
                let irregular = self.irregular_behind(right).iter();
                candidates.extend(irregular.map(|&(symbol, _)| symbol));
            }
        }
        candidates.sort_unstable();
        candidates.dedup();
        candidates.retain(|&symbol| !encoder.is_compatible(model, left, symbol));
        barred.extend(candidates.iter().map(|&symbol| symbols.id(symbol)));
        let barred: Arc<[u32]> = barred.into();
        known().insert(left, Arc::clone(&barred));
        barred
    }

    /// The irregular symbols that have a symbol in front at some time.
    fn irregular_behind(&self, right: u32) -> &[(u32, Wait)] {
        if self.irregular.is_empty() {
            return &[];
        }
        self.irregular.get(&right).map_or(&[], Vec::as_slice)
    }

    /// Calls `visit` with the ids of the regular symbols with `right` on their left spine to which
    /// `merged` crosses while the left side waits, with one symbol at its end.
    fn visit_crossed(
        &self,
        merged: u32,
        right: u32,
        waits: &[Wait],
        visit: &mut dyn FnMut(&[u32]),
    ) {
        let crossed = waits
            .iter()
            .filter(|wait| merged < wait.before && right < wait.before.max(wait.passed));
        let Some(passed) = crossed.map(|wait| wait.passed).min() else {
            return;
        };
        let place = self.places[right as usize] as usize;
        if place >= self.ids.len() {
            return;
        }
        visit(&self.ids[place..=place]);
        // The merges above `right` rise along its range, so those that come late are its end.
        let wholes = self.wholes(right);
        let first = wholes.partition_point(|&whole| whole < merged.max(passed));
        if let Some(&first) = wholes.get(first) {
            let range = self.places[first as usize]..self.ends[right as usize];
            visit(&self.ids[range.start as usize..range.end as usize]);
        }
    }
}
