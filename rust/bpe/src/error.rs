//! What can go wrong, one enum for the crate. Messages name the offending value and the remedy.

/// An error of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A part of a tokenizer file that would need another algorithm: loading it would give other
    /// ids than its author meant.
    #[error("{component} is not supported: {reason}")]
    Unsupported {
        /// Path and type of the component, as in `pre_tokenizer.pretokenizers[1] (CharDelimiterSplit)`.
        component: String,
        /// Why, and what to do instead.
        reason: String,
    },
    /// A file that is not a valid tokenizer, or a text that its vocabulary cannot spell.
    #[error("{0}")]
    Vocab(String),
    /// A text that could not be cut: a backtrack limit, or bytes that a normalizer cannot take.
    #[error("{0}")]
    Pretokenize(String),
    /// An id or a name that the vocabulary does not have.
    #[error("{0}")]
    UnknownToken(String),
    /// A tokenizer that the target format cannot express.
    #[error("{0}")]
    Export(String),
}
