//! Exact, fast byte-pair encoding of real tokenizer files.
//!
//! A tokenizer is a chain: added tokens are cut out of the text, a [`normalizer`] rewrites what
//! is left, a [`pretokenizer`] cuts it into pretokens, and the byte-pair model turns each
//! pretoken into ids. Decoding is one [`decoder`] over the bytes of the tokens.

pub mod added;
pub mod admissible;
pub mod aligned;
pub mod annotator;
pub mod batch;
mod border;
pub mod byte_alphabet;
pub mod canonical;
pub mod characters;
mod component;
mod concat;
pub mod decoder;
pub mod encoder;
pub mod error;
pub mod file;
pub mod model;
pub mod normalizer;
pub mod pattern;
pub mod pretokenizer;
pub mod tiktoken;
pub mod tokenizer;
pub mod vocab;

pub use error::Error;
pub use tokenizer::Tokenizer;
