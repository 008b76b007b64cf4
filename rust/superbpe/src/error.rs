//! What can go wrong.

/// Why a training run failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Settings or counts from which nothing can be trained.
    #[error("{0}")]
    Train(String),
    /// A tokenizer or a text of the encoder's crate.
    #[error(transparent)]
    Bpe(#[from] tokseam_bpe::Error),
}
