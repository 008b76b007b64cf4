//! Exact training of byte-pair and superword tokenizers.
//!
//! Training is greedy: again and again the most frequent pair of neighbouring tokens becomes a
//! token (ties: the smallest left id, then the smallest right id). `SuperBPE` does so in two stages
//! (Liu et al., *`SuperBPE`: Space Travel for Language Models*, section 2): first inside words, then
//! across them. A run is three counts and two loops:
//!
//! 1. [`pretokens`]: every word of the text with its count. [`stage::learn`] merges inside words.
//! 2. [`pairs`]: the text, cut by the second stage's pre-tokenizer and encoded with the merges so
//!    far, as counts of neighbouring tokens.
//! 3. [`runs`]: the same text, cut once more where a pair is too rare ever to be merged (the
//!    *barrier*), as distinct short runs with their counts. [`stage::extend`] merges on in them
//!    and certifies the barrier at its end.
//!
//! Each count is a commutative monoid: parts of a text may be counted anywhere and merged in any
//! order. Counts are `u64`, ids are `u32`.

pub mod constraints;
pub mod error;
pub mod file;
mod merger;
pub mod pairs;
pub mod pretokens;
pub mod records;
#[cfg(test)]
mod reference;
pub mod runs;
pub mod scheme;
pub mod stage;
pub mod tally;
pub mod tokens;
mod workers;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use workers::{Spill, Spilled, Totals};
