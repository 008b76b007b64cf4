//! Which token may follow which: the two meanings of a cover.
//!
//! Under [`Covers::Admissible`] a sequence of tokens counts if the encoding of some text starts
//! with it. Under [`Covers::All`] every sequence counts, and it needs no pre-tokenizer; where texts
//! are UTF-8, its bytes must start a UTF-8 text.

use tokseam_bpe::Tokenizer;
use tokseam_bpe::admissible::{self, Admissibility, Following};

use crate::Error;
use crate::utf8;
use crate::vocabulary::{ByteVocabulary, NOWHERE};

/// Which sequences of tokens count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covers {
    /// The starts of encodings.
    Admissible,
    /// All.
    All {
        /// Whether texts are UTF-8.
        utf8: bool,
    },
}

/// Where a sequence stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum State {
    Admissible(admissible::State),
    /// The state of UTF-8.
    All(u8),
}

/// [`Covers`] over a tokenizer.
#[derive(Clone, Copy)]
pub(crate) enum Rules<'t> {
    Admissible(Admissibility<'t>),
    All { utf8: bool },
}

impl<'t> Rules<'t> {
    pub(crate) fn new(tokenizer: &'t Tokenizer, covers: Covers) -> Result<Self, Error> {
        Ok(match covers {
            Covers::Admissible => Self::Admissible(tokenizer.admissibility()?),
            Covers::All { utf8 } => Self::All { utf8 },
        })
    }

    pub(crate) fn start(&self) -> State {
        match self {
            Self::Admissible(admissibility) => State::Admissible(admissibility.start()),
            Self::All { .. } => State::All(utf8::START),
        }
    }

    /// The state behind one more token, after which the bytes have the state `utf8`.
    pub(crate) fn push(&self, state: &State, id: u32, utf8: u8) -> Option<State> {
        match (self, state) {
            (Self::Admissible(admissibility), State::Admissible(state)) => {
                admissibility.push(state, id).map(State::Admissible)
            }
            (Self::All { .. }, State::All(_)) => Some(State::All(utf8)),
            _ => None,
        }
    }

    /// The state behind one more token, wherever its bytes lead; `None` if it may not follow.
    pub(crate) fn extend(&self, state: &State, id: u32, tokenizer: &Tokenizer) -> Option<State> {
        let utf8 = match (self, state) {
            (Self::All { utf8: true }, State::All(state)) => {
                utf8::walk(*state, &tokenizer.token_bytes(id).ok()?)?
            }
            _ => utf8::START,
        };
        self.push(state, id, utf8)
    }

    /// Whether the sequence may be a finished text.
    pub(crate) fn can_end(&self, state: &State) -> bool {
        match (self, state) {
            (Self::Admissible(admissibility), State::Admissible(state)) => {
                admissibility.can_end(state)
            }
            (Self::All { .. }, State::All(state)) => *state == utf8::START,
            _ => false,
        }
    }

    /// What may follow, in places: see [`Following`].
    pub(crate) fn following(
        &self,
        vocabulary: &ByteVocabulary,
        state: &State,
        following: &mut Following,
    ) {
        match (self, state) {
            (Self::Admissible(admissibility), State::Admissible(state)) => {
                admissibility.following(state, following);
                let places = vocabulary.places();
                for id in following.barred.iter_mut().chain(&mut following.also) {
                    *id = places.get(*id as usize).copied().unwrap_or(NOWHERE);
                }
            }
            (_, State::All(state)) => {
                *following = Following::default();
                following.rows.push((u32::from(*state), 0..0));
            }
            _ => *following = Following::default(),
        }
    }

    /// For each place whether a row of [`Following::rows`] has it.
    pub(crate) fn row(
        &self,
        vocabulary: &ByteVocabulary,
        tokenizer: &Tokenizer,
        row: u32,
    ) -> Vec<bool> {
        let ids = vocabulary.ids().iter();
        match self {
            Self::Admissible(admissibility) => {
                let Some(row) = admissibility.numbered_row(row) else {
                    return vec![false; ids.len()];
                };
                let has = |id: u32| {
                    let word = row.words().get(id as usize / 64);
                    word.is_some_and(|word| word >> (id % 64) & 1 != 0)
                };
                ids.map(|&id| has(id)).collect()
            }
            Self::All { .. } => ids
                .map(|&id| self.extend(&State::All(row as u8), id, tokenizer).is_some())
                .collect(),
        }
    }
}
