//! What can go wrong.

/// Why bytes have no covers.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The tokenizer is not one that this crate can use.
    #[error(transparent)]
    Bpe(#[from] tokseam_bpe::Error),
    /// The bytes do not start a UTF-8 text.
    #[error(
        "byte 0x{byte:02X} at position {position} cannot stand there in UTF-8: a prefix may end inside a character but not hold a wrong one"
    )]
    NotUtf8 {
        /// Where it stands, counted from the start of the text.
        position: usize,
        /// The byte.
        byte: u8,
    },
    /// No sequence of tokens goes on like this.
    #[error(
        "no text of this tokenizer goes on with byte 0x{byte:02X} at position {position}: its probability is zero"
    )]
    NoCover {
        /// Where it stands, counted from the start of the text.
        position: usize,
        /// The byte.
        byte: u8,
    },
    /// More stems than are listed.
    #[error(
        "more than {limit} sequences of tokens cover these {length} bytes, and a plan lists them all: take covers=\"admissible\", or a shorter text"
    )]
    TooMany {
        /// The number of bytes.
        length: usize,
        /// The most stems.
        limit: usize,
    },
}
