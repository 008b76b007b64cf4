//! Which ids some text has.
//!
//! An id is *reachable* if it is in `encode(s)` for some text `s`. The admissible successors of a
//! context are such ids, so one context that an id may follow shows that it is reachable; that
//! no node of the border automaton lets it start shows that it is not, whatever stands before it.
//! The contexts are the shortest texts to each node.
//!
//! Invariant: an id called reachable is reachable, one called unreachable is not. What neither
//! test settles is said to be open: most tokens that start inside a character, whose contexts are
//! not looked for, and hardly another.
//!
//! Cost: one set of successors, which settles nearly all ids, then a step for each id that is left
//! and each node.

use std::collections::VecDeque;

use rustc_hash::FxHashSet;

use super::{Admissibility, Branch, DEPENDENT, NOWHERE, STARTS, State, Use};
use crate::Error;
use crate::added::Allowed;
use crate::tokenizer::Tokenizer;

/// Whether some text has an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Some text has it.
    Reachable,
    /// No text has it.
    Unreachable,
    /// No context was found, nor a reason why there is none.
    Open,
}

impl Tokenizer {
    /// Whether some text has each id below [`Tokenizer::vocab_size`]; special ids and holes are in
    /// no text. `tick` is called often; when it returns false the work stops and the result is
    /// `None`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the test does not know a component of the tokenizer.
    pub fn reach(&self, tick: &mut dyn FnMut() -> bool) -> Result<Option<Vec<Reach>>, Error> {
        Ok(self.admissibility()?.reach(tick))
    }
}

impl Admissibility<'_> {
    fn reach(&self, tick: &mut dyn FnMut() -> bool) -> Option<Vec<Reach>> {
        let mut reach = vec![Reach::Unreachable; self.tables.uses.len()];
        let first = self.successors(&self.start());
        let mut left = Vec::new();
        for (id, &one) in (0..).zip(&self.tables.uses) {
            let is_special = self.tokenizer.special_ids().contains(&id);
            if first.contains(id) && !is_special {
                reach[id as usize] = Reach::Reachable;
            } else if one != Use::Never || (!is_special && self.tokenizer.added(id).is_some()) {
                left.push(id);
            }
        }
        for context in self.contexts() {
            if left.is_empty() || !tick() {
                break;
            }
            if let Some(state) = self.state_behind(&context) {
                self.settle(&state, &mut left, &mut reach);
            }
        }
        if !tick() {
            return None;
        }
        left.retain(|&id| self.may_start(id));
        for &id in &left {
            reach[id as usize] = Reach::Open;
        }
        Some(reach)
    }

    /// Takes the ids that may follow a state out of those that are left.
    fn settle(&self, state: &State, left: &mut Vec<u32>, reach: &mut [Reach]) {
        left.retain(|&id| {
            let follows = self.push(state, id).is_some();
            if follows {
                reach[id as usize] = Reach::Reachable;
            }
            !follows
        });
    }

    /// A short text to each node.
    fn contexts(&self) -> impl Iterator<Item = String> + '_ {
        let chain = &self.tables.chain;
        let mut seen = FxHashSet::from_iter(STARTS);
        let mut open = VecDeque::from([(STARTS[0], String::new())]);
        std::iter::from_fn(move || {
            let (node, text) = open.pop_front()?;
            for (letter, character) in chain.samples() {
                if chain.label(letter) & DEPENDENT != 0 {
                    continue;
                }
                for choices in chain.choices(letter) {
                    let next = chain.after_all(node, letter, choices);
                    if next != NOWHERE && seen.insert(next) {
                        open.push_back((next, format!("{text}{character}")));
                    }
                }
            }
            Some(text)
        })
    }

    /// The state behind the encoding of a text, if it has one.
    fn state_behind(&self, text: &str) -> Option<State> {
        let mut ids = Vec::new();
        self.tokenizer
            .encode(text.as_bytes(), &Allowed::None, &mut ids, &mut || true)
            .ok()?;
        let mut ids = ids.into_iter();
        ids.try_fold(self.start(), |state, id| self.push(&state, id))
    }

    /// Whether an id may start at some node, or inside a character, if nothing binds it to the
    /// token before it.
    fn may_start(&self, id: u32) -> bool {
        if matches!(self.text(id).first(), Some(0x80..0xC0)) || self.tokenizer.added(id).is_some() {
            return true;
        }
        (0..self.tables.chain.nodes() as u32).any(|node| {
            let branch = Branch::at(node);
            self.starts(&branch).any(|start| {
                self.step(&branch, id, start)
                    .is_some_and(|next| self.is_alive(&next))
            })
        })
    }
}
