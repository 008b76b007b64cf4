//! Id sequences that are not what the tokenizer gives for their text.
//!
//! Many id sequences spell one text, and a model takes them for different inputs. [`judge`](mod@judge)
//! finds those that encoding would not give, says where and why, and repairs them; a [`map`] carries values of the
//! old tokens over to the new ones. [`compare`](mod@compare) tells edits of a text from *phantom edits*, which change
//! the ids and not what a reader sees. A [`detector`] judges ids one at a time and reports only
//! what no continuation can heal; a [`prefix`] says which ids may come next.

mod border;
pub mod compare;
pub mod detector;
mod frontier;
pub mod judge;
mod label;
pub mod map;
pub mod prefix;
mod surface;

pub use compare::{Comparison, compare};
pub use detector::Detector;
pub use judge::{Block, Judgement, canonicalize, find, judge};
pub use map::Map;
pub use prefix::{Prefix, prompt_tail};
pub use tokseam_bpe::Error;
