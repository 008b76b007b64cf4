//! The byte-pair model of a tokenizer file: vocabulary, merges, options.
//!
//! This is what the file says and what saving writes back; [`crate::encoder`] keeps of it what
//! encoding needs.

use crate::vocab::Vocab;

/// A merge of two tokens; all three by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merge {
    /// The token on the left.
    pub left: u32,
    /// The token on the right.
    pub right: u32,
    /// What they become.
    pub result: u32,
}

/// What the model's smallest tokens are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Single bytes (a `ByteLevel` pre-tokenizer, or tiktoken).
    Bytes,
    /// Characters.
    Characters {
        /// The tokens `<0x00>` to `<0xFF>` for characters without a token, if the model has
        /// `byte_fallback` and all of them.
        fallback: Option<Box<[u32; 256]>>,
    },
}

/// The byte-pair model of a tokenizer file.
#[derive(Clone)]
pub struct Model {
    /// The smallest tokens.
    pub kind: Kind,
    /// The tokens.
    pub vocab: Vocab,
    /// The merges in the order of their ranks, dead ones included.
    pub merges: Vec<Merge>,
    /// A pretoken that is a token is not merged.
    pub ignore_merges: bool,
}

impl Model {
    /// The bytes of a token; none for a hole.
    #[must_use]
    pub fn token(&self, id: u32) -> &[u8] {
        self.vocab.get(id).unwrap_or_default()
    }
}
