//! The token sequences that cover a byte prefix, for exact next-byte probabilities.
//!
//! A *cover* of bytes `x` is a sequence of tokens whose bytes start with `x`, while those of all but
//! the last token do not. The probability that a text starts with `x` is the sum over its covers
//! (Phan et al. 2024, arXiv 2410.09303). A cover is never listed: a *head* stands for all covers
//! that share all tokens but the last, a range of the [`vocabulary`] in the order of bytes.
//! [`Heads`](heads::Heads) are the heads of some bytes; they know integers and bytes, and no
//! probability. A [`Plan`](plan::Plan) says which contexts a model has to score, and which ranges
//! of its answer are to be summed; [`sums`] sums them.

pub mod error;
pub mod heads;
pub mod kernel;
pub mod plan;
mod rules;
pub mod sums;
#[cfg(test)]
mod tests;
pub mod utf8;
pub mod vocabulary;

pub use error::Error;
pub use kernel::Kernel;
pub use rules::Covers;
