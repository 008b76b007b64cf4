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
//! For irregular symbols ([`crate::encoder::symbols`]) no order of merges is known. Still some
//! merge `(s, r)` must cross, so the same ranges without the bounds hold all candidates, and each
//! is tested by merging.

use rustc_hash::FxHashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::encoder::Encoder;
use crate::model::Model;

/// No id.
const NO_ID: u32 = u32::MAX;

/// The order of symbols and the merges by their left part.
pub(super) struct Neighbours {
    /// The symbol at each place of the order, and the place of each symbol.
    order: Vec<u32>,
    places: Vec<u32>,
    /// The id at each place, [`NO_ID`] for irregular symbols.
    ids: Vec<u32>,
    /// For each symbol the end of its range.
    ends: Vec<u32>,
    /// The symbols whose left part is a symbol, in the order of rank, and where they start.
    wholes: Vec<u32>,
    whole_starts: Vec<u32>,
    irregular: Vec<u32>,
    /// What cannot stand behind an irregular symbol, and which irregular ones cannot behind a
    /// regular one, as it was asked for.
    known: Mutex<FxHashMap<u32, Arc<[u32]>>>,
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
        Self {
            ids: order.iter().map(|&symbol| id(symbol)).collect(),
            order,
            places,
            ends,
            wholes,
            whole_starts,
            irregular: (0..symbols.count())
                .filter(|&symbol| !symbols.is_regular(symbol) && encoder.is_own(symbol))
                .collect(),
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
        if symbols.is_regular(left) {
            self.for_each_crossing(encoder, left, true, &mut |right, above| {
                if symbols.is_regular(right) {
                    visit(&[symbols.id(right)]);
                }
                visit(&self.ids[above]);
            });
            if !self.irregular.is_empty() {
                visit(&self.tested(encoder, model, left));
            }
            return;
        }
        visit(&self.tested(encoder, model, left));
    }

    /// The ids behind a symbol that merging alone tells to be barred.
    fn tested(&self, encoder: &Encoder, model: &Model, left: u32) -> Arc<[u32]> {
        let symbols = encoder.symbols();
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().get(&left) {
            return Arc::clone(known);
        }
        let mut barred = Vec::new();
        if symbols.is_regular(left) {
            barred.extend_from_slice(&self.irregular);
        } else {
            self.for_each_crossing(encoder, left, false, &mut |right, above| {
                barred.push(right);
                barred.extend_from_slice(&self.order[above]);
            });
            barred.sort_unstable();
            barred.dedup();
        }
        barred.retain(|&symbol| {
            encoder.is_own(symbol) && !encoder.is_compatible(model, left, symbol)
        });
        let barred: Arc<[u32]> = barred.iter().map(|&symbol| symbols.id(symbol)).collect();
        known().insert(left, Arc::clone(&barred));
        barred
    }

    /// Calls `visit` for the symbols `v` for which some merge crosses the border of `left` and `v`,
    /// at the time when both its parts are there, or whenever: with one of them, and a range of
    /// places of others that start with it.
    fn for_each_crossing(
        &self,
        encoder: &Encoder,
        left: u32,
        timely: bool,
        visit: &mut dyn FnMut(u32, Range<usize>),
    ) {
        let symbols = encoder.symbols();
        let (mut side, mut above) = (left, u32::MAX);
        loop {
            for &merged in self.wholes(side) {
                if timely && merged >= above {
                    break;
                }
                let Some((_, right)) = symbols.parts(merged) else {
                    continue;
                };
                // The merges above `right` rise along its range, so those in time are its end.
                let wholes = self.wholes(right);
                let first = if timely {
                    wholes.partition_point(|&whole| whole < merged)
                } else {
                    0
                };
                let range = match wholes.get(first) {
                    Some(&first) if self.places[right as usize] != u32::MAX => {
                        self.places[first as usize] as usize..self.ends[right as usize] as usize
                    }
                    _ => 0..0,
                };
                visit(right, range);
            }
            let Some((_, part)) = symbols.parts(side) else {
                return;
            };
            above = side;
            side = part;
        }
    }
}
