//! What may come next.
//!
//! A *prefix* is a sequence of ids that starts the encoding of some text. An id may follow it if
//! the two together are a prefix too; a special id, if the run before it is canonical as finished
//! text. Whoever samples among these ids alone writes canonical sequences alone. Prefixes are equal
//! if the same ids may follow them, now and later.
//!
//! The *tail* of a prompt is the tokens at its end that are not decided: a text may go on so that its
//! encoding has others there. A blank at the end, or half a word, wants to be taken back before a
//! model goes on.
//!
//! Cost: one step of the test an id; a row of bits as much as [`Admissibility::successors`].
//!
//! [`Admissibility::successors`]: tokseam_bpe::admissible::Admissibility::successors

use tokseam_bpe::Error;
use tokseam_bpe::Tokenizer;
use tokseam_bpe::admissible::State;

use crate::frontier::{Frontier, Tokens};

/// Ids that start the encoding of some text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    state: State,
}

impl Prefix {
    /// No ids.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where a component of the tokenizer is not known exactly.
    pub fn new(tokenizer: &Tokenizer) -> Result<Self, Error> {
        let state = tokenizer.admissibility()?.start();
        Ok(Self { state })
    }

    /// The prefix with one more id, `None` if that is none.
    ///
    /// # Errors
    /// As [`Prefix::new`].
    pub fn push(&self, tokenizer: &Tokenizer, id: u32) -> Result<Option<Self>, Error> {
        let next = tokenizer.admissibility()?.push(&self.state, id);
        Ok(next.map(|state| Self { state }))
    }

    /// The prefix with some more ids; the first one that cannot follow is the other result.
    ///
    /// # Errors
    /// As [`Prefix::new`], and [`Error::UnknownToken`] for an id without a token.
    pub fn extend(&self, tokenizer: &Tokenizer, ids: &[u32]) -> Result<Result<Self, usize>, Error> {
        let admissibility = tokenizer.admissibility()?;
        let mut state = self.state.clone();
        for (place, &id) in ids.iter().enumerate() {
            tokenizer.token(id)?;
            match admissibility.push(&state, id) {
                Some(next) => state = next,
                None => return Ok(Err(place)),
            }
        }
        Ok(Ok(Self { state }))
    }

    /// The ids that may follow, one bit each, the lowest first.
    ///
    /// # Errors
    /// As [`Prefix::new`].
    pub fn row(&self, tokenizer: &Tokenizer) -> Result<Vec<u64>, Error> {
        let successors = tokenizer.admissibility()?.successors(&self.state);
        Ok(successors.words().to_vec())
    }
}

/// How many ids at the end could still grow or be cut otherwise. The place of the first id at
/// which the ids are no prefix is the other result.
///
/// # Errors
/// As [`Prefix::extend`].
pub fn prompt_tail(tokenizer: &Tokenizer, ids: &[u32]) -> Result<Result<usize, usize>, Error> {
    let admissibility = tokenizer.admissibility()?;
    if let Err(place) = Prefix::new(tokenizer)?.extend(tokenizer, ids)? {
        return Ok(Err(place));
    }
    let run = tokenizer.runs(ids).last().unwrap_or(0..0);
    let run = &ids[run];
    let tokens = Tokens::new(tokenizer);
    let mut frontier = Frontier::new(&admissibility);
    let mut decided = Vec::new();
    for byte in run.iter().flat_map(|&id| tokenizer.spelling(id)) {
        frontier.push(&admissibility, &tokens, *byte, &mut decided);
    }
    frontier.settle(&admissibility, &tokens, &mut decided);
    Ok(Ok(run.len() - decided.len().min(run.len())))
}
