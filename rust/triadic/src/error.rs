//! What can go wrong, one enum for the crate. Messages name the offending value and the remedy.

/// An error of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What is no numeral, or an option that does not go with another.
    #[error("{0}")]
    Numeral(String),
    /// A component of a tokenizer that triads cannot be put before.
    #[error("{component} is not supported: {reason}")]
    Unsupported {
        /// Path and type of the component.
        component: String,
        /// Why, and what to do instead.
        reason: String,
    },
    /// Ids that cannot be regrouped, since the vocabulary lacks a group of digits.
    #[error("{0}")]
    Vocab(String),
}
