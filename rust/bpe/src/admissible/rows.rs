//! All tokens that may stand behind a state, as bit sets.
//!
//! What the border automaton says of a token depends on the node and the choice before it alone,
//! so a *row* keeps it: two bits for each id, whether a text goes on behind it, and whether one may
//! end there. A row is made by one walk over the sorted vocabulary, in which tokens share the way
//! through their common start, and a start that the automaton refuses refuses them all. The rows
//! of a state together, without the tokens that merges over its border forbid, are the answer.
//!
//! Inside a character only tokens that start with its next byte can follow. They are few, and each
//! is tried.

use std::sync::{Arc, PoisonError};

use super::matcher::Matchers;
use super::{Admissibility, Branch, Form, NONE, STARTS, Spot, Start, State, Use, WHOLE, text};
use crate::tokenizer::Tokenizer;

/// The tokens that encodings have, sorted by their bytes.
pub(super) struct Sorted {
    /// All but the bytes of characters without a token.
    ids: Vec<u32>,
    /// The number of bytes that a token shares with the one before it.
    shared: Vec<u32>,
    /// Where the tokens with a first byte start.
    firsts: [u32; 257],
    fallbacks: Vec<u32>,
}

/// What the automaton says of each id, behind a node and a choice.
pub(super) struct Row {
    open: Vec<u64>,
    done: Vec<u64>,
}

/// The ids that may follow, one bit each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Successors {
    open: Vec<u64>,
    done: Vec<u64>,
    len: usize,
}

impl Successors {
    /// Whether the sequence with this id behind it is admissible.
    #[must_use]
    pub fn contains(&self, id: u32) -> bool {
        has(&self.open, id)
    }

    /// Whether the sequence with this id behind it may be a finished text, special ids left out.
    #[must_use]
    pub fn can_end(&self, id: u32) -> bool {
        has(&self.done, id)
    }

    /// The bits of [`Successors::contains`], 64 ids a word, the lowest first.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.open
    }

    /// The bits of [`Successors::can_end`].
    #[must_use]
    pub fn end_words(&self) -> &[u64] {
        &self.done
    }

    /// The number of ids, the highest + 1.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.len
    }

    /// The ids that may not follow.
    pub fn inadmissible(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len as u32).filter(|&id| !self.contains(id))
    }
}

fn has(words: &[u64], id: u32) -> bool {
    words
        .get(id as usize / 64)
        .is_some_and(|word| word >> (id % 64) & 1 != 0)
}

fn set(words: &mut [u64], id: u32, to: bool) {
    if let Some(word) = words.get_mut(id as usize / 64) {
        *word = *word & !(1 << (id % 64)) | u64::from(to) << (id % 64);
    }
}

impl Sorted {
    /// The tokens of a tokenizer that some encoding may have.
    pub(super) fn new(tokenizer: &Tokenizer, uses: &[Use]) -> Self {
        let mut tokens: Vec<(&[u8], u32)> = uses
            .iter()
            .zip(0..)
            .filter(|&(&one, _)| one != Use::Never)
            .map(|(_, id)| (text(tokenizer, id), id))
            .filter(|(text, _)| !text.is_empty())
            .collect();
        let symbols = tokenizer.encoder().symbols();
        let is_fallback = |id: u32| {
            symbols
                .of_id(id)
                .is_some_and(|symbol| symbols.is_fallback(symbol))
        };
        let fallbacks = tokens
            .iter()
            .map(|&(_, id)| id)
            .filter(|&id| is_fallback(id))
            .collect();
        tokens.retain(|&(_, id)| !is_fallback(id));
        tokens.sort_unstable();
        let mut firsts = [0; 257];
        for (text, _) in &tokens {
            firsts[text[0] as usize + 1] += 1;
        }
        for byte in 0..256 {
            firsts[byte + 1] += firsts[byte];
        }
        let mut before: &[u8] = &[];
        let shared = tokens
            .iter()
            .map(|&(text, _)| {
                let pairs = text.iter().zip(before);
                before = text;
                pairs.take_while(|(a, b)| a == b).count() as u32
            })
            .collect();
        Self {
            ids: tokens.into_iter().map(|(_, id)| id).collect(),
            shared,
            firsts,
            fallbacks,
        }
    }

    /// The tokens that start with a byte inside a character, those of characters without a token
    /// left out.
    pub(super) fn starting_inside(&self) -> impl Iterator<Item = u32> + '_ {
        let range = self.firsts[0x80] as usize..self.firsts[0xC0] as usize;
        self.ids[range].iter().copied()
    }

    /// Calls `visit` with every token of one byte that leads on from a spot inside a character,
    /// until it returns false; returns whether it never did.
    pub(super) fn walk_bytes(
        &self,
        admissibility: &Admissibility,
        from: Spot,
        visit: &mut dyn FnMut(u32, Spot) -> bool,
    ) -> bool {
        let singles = (0x80..0xC0).filter_map(|byte: usize| {
            let id = *self.ids.get(self.firsts[byte] as usize)?;
            (self.firsts[byte] < self.firsts[byte + 1]).then_some(id)
        });
        for id in singles {
            let &[byte] = admissibility.text(id) else {
                continue;
            };
            if let Some(spot) = admissibility.feed(from, byte, 0)
                && (spot.len == 0 || admissibility.is_open(spot))
                && !visit(id, spot)
            {
                return false;
            }
        }
        for &id in &self.fallbacks {
            if let Some(spot) = admissibility.feed_fallback(from, admissibility.text(id)[0], 0)
                && !visit(id, spot)
            {
                return false;
            }
        }
        true
    }

    /// Calls `visit` with every token whose bytes lead on from a spot between characters, and the
    /// spot behind it, until it returns false.
    pub(super) fn walk(
        &self,
        admissibility: &Admissibility,
        from: Spot,
        choice: u8,
        visit: &mut dyn FnMut(u32, Spot) -> bool,
    ) {
        for &id in &self.fallbacks {
            let spot = admissibility.feed_fallback(from, admissibility.text(id)[0], choice);
            if spot.is_some_and(|spot| !visit(id, spot)) {
                return;
            }
        }
        let mut way: Vec<Spot> = Vec::new();
        for first in 0..=0xFF {
            let range =
                self.firsts[first as usize] as usize..self.firsts[first as usize + 1] as usize;
            if range.is_empty() {
                continue;
            }
            way.clear();
            let Some(spot) = admissibility.feed(from, first, choice) else {
                continue;
            };
            way.push(spot);
            // Tokens that share more than this many bytes with the last are refused like it.
            let mut refused = usize::MAX;
            for place in range.clone() {
                let shared = if place == range.start {
                    1
                } else {
                    self.shared[place] as usize
                };
                if shared > refused {
                    continue;
                }
                refused = usize::MAX;
                way.truncate(shared);
                let id = self.ids[place];
                let text = admissibility.text(id);
                for &byte in &text[way.len()..] {
                    let spot = way
                        .last()
                        .and_then(|&spot| admissibility.feed(spot, byte, 0));
                    let Some(spot) = spot else {
                        refused = way.len();
                        break;
                    };
                    way.push(spot);
                }
                if refused != usize::MAX {
                    continue;
                }
                if let Some(&spot) = way.last()
                    && (spot.len == 0 || admissibility.is_open(spot))
                    && !visit(id, spot)
                {
                    return;
                }
            }
        }
    }
}

impl Admissibility<'_> {
    /// The ids that may follow a state, special ones among them.
    #[must_use]
    pub fn successors(&self, state: &State) -> Successors {
        let len = self.tokenizer.vocab_size();
        let words = len.div_ceil(64);
        let mut successors = Successors {
            open: vec![0; words],
            done: vec![0; words],
            len,
        };
        let mut row = Row {
            open: vec![0; words],
            done: vec![0; words],
        };
        for branch in &state.branches {
            if branch.spot.len > 0 {
                self.try_each(branch, &mut successors);
                continue;
            }
            for start in self.starts(branch) {
                let known = self.row(branch.spot, start);
                row.open.clone_from(&known.open);
                row.done.clone_from(&known.done);
                if !start.fresh {
                    self.bar(branch, &mut row);
                }
                if branch.spot.form != Form::NEUTRAL {
                    // The row was made as if nothing stood before, which forbids no more.
                    let dependent = self.tables.dependent.iter().copied();
                    let open: Vec<u32> = dependent.filter(|&id| has(&row.open, id)).collect();
                    self.retry(branch, start, &open, &mut row);
                }
                successors.add(&row);
            }
            let matchers = self.tables.matchers.iter();
            for (id, _) in matchers.flat_map(Matchers::tokens) {
                self.claim(branch, *id, &mut |next| {
                    set(&mut successors.open, *id, true);
                    if self.ends(&next) {
                        set(&mut successors.done, *id, true);
                    }
                });
            }
        }
        if self.can_end(state) {
            for &id in self.tokenizer.special_ids() {
                set(&mut successors.open, id, true);
            }
        }
        successors
    }

    /// Tries every token that may stand inside a character.
    fn try_each(&self, branch: &Branch, successors: &mut Successors) {
        let sorted = &self.tables.sorted;
        for id in sorted
            .starting_inside()
            .chain(sorted.fallbacks.iter().copied())
        {
            self.extend(branch, id, &mut |next| {
                set(&mut successors.open, id, true);
                if self.ends(&next) {
                    set(&mut successors.done, id, true);
                }
            });
        }
    }

    /// Takes out of a row what cannot stand behind the last token of a branch.
    fn bar(&self, branch: &Branch, row: &mut Row) {
        let (model, encoder) = (self.tokenizer.model(), self.tokenizer.encoder());
        let symbols = encoder.symbols();
        if branch.last != NONE && branch.last != WHOLE {
            let neighbours = &self.tables.neighbours;
            neighbours.for_each_barred(encoder, model, branch.last, &mut |symbol| {
                let id = symbols.id(symbol);
                set(&mut row.open, id, false);
                set(&mut row.done, id, false);
            });
        }
        if branch.trap != 0 {
            // The row does not know that these tokens go on along a trap.
            let traps = self.tables.traps.keys();
            let ids: Vec<u32> = traps
                .filter(|(from, _)| *from == branch.trap)
                .map(|&(_, id)| id)
                .collect();
            let go_on = Start {
                choice: 0,
                fresh: false,
            };
            self.retry(branch, go_on, &ids, row);
        }
    }

    /// Judges some ids of a row anew.
    fn retry(&self, branch: &Branch, start: Start, ids: &[u32], row: &mut Row) {
        for &id in ids {
            let next = self.step(branch, id, start);
            let next = next.filter(|next| self.is_alive(next));
            set(&mut row.open, id, next.is_some());
            set(&mut row.done, id, next.is_some_and(|next| self.ends(&next)));
        }
    }

    /// The row of a node and a way to start.
    fn row(&self, spot: Spot, start: Start) -> Arc<Row> {
        let spot = Spot {
            form: Form::NEUTRAL,
            ..spot
        };
        let key = (spot, 2 * start.choice + u8::from(start.fresh));
        let known = |rows: &rustc_hash::FxHashMap<_, _>| rows.get(&key).map(Arc::clone);
        let rows = &self.tables.rows;
        if let Some(row) = known(&rows.lock().unwrap_or_else(PoisonError::into_inner)) {
            return row;
        }
        let row = Arc::new(self.make_row(spot, start));
        let mut rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(rows.entry(key).or_insert(row))
    }

    fn make_row(&self, spot: Spot, start: Start) -> Row {
        let words = self.tokenizer.vocab_size().div_ceil(64);
        let mut row = Row {
            open: vec![0; words],
            done: vec![0; words],
        };
        let before = Branch {
            spot,
            ..Branch::at(spot.node)
        };
        self.tables
            .sorted
            .walk(self, spot, start.choice, &mut |id, spot| {
                let last = match self.tables.uses[id as usize] {
                    Use::Own(symbol) => symbol,
                    Use::Whole if start.fresh => WHOLE,
                    _ => return true,
                };
                let next = Branch {
                    spot,
                    last,
                    trap: self.next_trap(&before, id, start),
                };
                if self.is_alive(&next) {
                    set(&mut row.open, id, true);
                    set(&mut row.done, id, self.ends(&next));
                }
                true
            });
        row
    }

    /// Makes all rows of the nodes that texts reach, so that no later call waits for one.
    pub fn prepare(&self) {
        for node in 0..self.tables.chain.nodes() as u32 {
            let branch = Branch::at(node);
            for start in self.starts(&branch) {
                if STARTS.contains(&node) || self.tables.chain.can_close(node) || !start.fresh {
                    self.row(branch.spot, start);
                }
            }
        }
    }
}

impl Successors {
    fn add(&mut self, row: &Row) {
        for (word, more) in self.open.iter_mut().zip(&row.open) {
            *word |= more;
        }
        for (word, more) in self.done.iter_mut().zip(&row.done) {
            *word |= more;
        }
    }
}
