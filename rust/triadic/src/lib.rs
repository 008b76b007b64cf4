//! Triadic suffix tokenization: numerals in a text, cut into triads that name their order of
//! magnitude.
//!
//! `1234567.89` is `1` million, `234` thousand, `567` and, behind the point, `89` of the first
//! triad. A [`grammar`] says which digits of a text are a numeral; [`annotate`](mod@annotate) puts
//! a [`marker`] behind each triad that needs one and takes markers out again, so that no visible
//! character is ever lost; [`style`] writes the two lossy forms of the literature. A [`recipe`]
//! says the same in regular expressions, [`file`] puts it into the components of a
//! `tokenizer.json`, and [`extension`] into the whole file, so that software that knows nothing of
//! this crate gives the same tokens.
//!
//! Nothing here goes through a floating-point number.

pub mod annotate;
mod block;
mod characters;
pub mod error;
pub mod extension;
pub mod file;
pub mod grammar;
pub mod marker;
pub mod recipe;
pub mod regroup;
pub mod style;
pub mod triad;
pub mod values;
pub mod vocabulary;
mod window;

pub use error::Error;
pub use grammar::Grammar;
pub use triad::Triad;
