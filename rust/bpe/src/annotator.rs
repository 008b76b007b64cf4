//! Steps of a file that a program does better.
//!
//! Some files write in stock components what a program can do directly: replacements that only put
//! bytes into the text, a Split that cuts the marked pieces, and replacements that take the bytes
//! out again. An [`Annotator`] does the three. Whoever loads a file may bring a function that tells
//! such a file and gives the annotator and what the file is without it; the file itself is kept for
//! saving. This crate knows nothing of what is put in.
//!
//! Invariants, which the annotator keeps: it puts nothing before the first byte of a text; a piece
//! starts with an ASCII digit, or is such that the other steps leave it whole; all ASCII digits are
//! in pieces; its pieces are in order and do not overlap.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::aligned::{Aligned, Rewrite};

/// What stands for some steps of a file. See the module.
pub trait Annotator: fmt::Debug + Send + Sync {
    /// A name for people.
    fn name(&self) -> String;

    /// Calls `insert` with each place of a text where bytes are put in, in rising order.
    fn insertions(&self, text: &[u8], insert: &mut dyn FnMut(usize, &[u8]));

    /// Calls `piece` with the range of each piece that is cut from an annotated text.
    fn pieces(&self, text: &[u8], piece: &mut dyn FnMut(usize, usize));

    /// What these pieces are.
    fn groups(&self) -> Groups;

    /// Takes the next bytes of a decoded text and appends what is left of them; `state` is 0 at
    /// the start, and otherwise what the call before left.
    fn restore(&self, state: &mut u8, bytes: &[u8], out: &mut Vec<u8>);
}

/// Pieces of digits: so many of a run of ASCII digits, from its left, and at its end the rest with the
/// marks behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Groups {
    size: u8,
    marks: [(u8, u8); 2],
    apart: bool,
}

impl Groups {
    /// Pieces of at most `size` digits. Marks are the bytes of two ranges, each given by its first and
    /// its last; if `apart`, those behind a run are a piece of their own. `None` unless the size is 1 to
    /// 8, and marks are control characters of ASCII that are no white space.
    #[must_use]
    pub const fn new(size: usize, marks: [(u8, u8); 2], apart: bool) -> Option<Self> {
        const fn is_marks((first, last): (u8, u8)) -> bool {
            first <= last && last < b' ' && (last < b'\t' || first > b'\r')
        }
        if size == 0 || size > 8 || !is_marks(marks[0]) || !is_marks(marks[1]) {
            return None;
        }
        Some(Self {
            size: size as u8,
            marks,
            apart,
        })
    }

    /// The most digits of a piece.
    pub(crate) const fn size(&self) -> usize {
        self.size as usize
    }

    /// The first and the last byte of each range of marks.
    pub(crate) const fn marks(&self) -> [(u8, u8); 2] {
        self.marks
    }

    /// Whether marks are pieces of their own.
    pub(crate) const fn are_apart(&self) -> bool {
        self.apart
    }

    /// Whether a byte is a mark.
    pub(crate) fn is_mark(&self, byte: u8) -> bool {
        (self.marks.iter()).any(|&(first, last)| (first..=last).contains(&byte))
    }
}

/// The parts of a file that an annotator stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Components {
    /// The normalizer, or null.
    pub normalizer: Value,
    /// The pre-tokenizer, or null.
    pub pre_tokenizer: Value,
    /// The decoder, or null.
    pub decoder: Value,
}

/// Tells a file that has an annotator: that, and the components without it.
pub type Recognize<'r> = dyn FnMut(&Components) -> Option<(Arc<dyn Annotator>, Components)> + 'r;

/// Puts bytes into a text. They stand for the empty range behind the byte before them.
pub(crate) fn annotate(annotator: &dyn Annotator, text: &mut Aligned) {
    let mut copied = 0;
    let mut rewrite: Option<Rewrite> = None;
    annotator.insertions(text.text(), &mut |place, bytes| {
        let rewrite = rewrite.get_or_insert_with(|| text.rewrite());
        rewrite.keep(copied..place);
        rewrite.insert(bytes);
        copied = place;
    });
    if let Some(mut rewrite) = rewrite {
        rewrite.keep(copied..text.text().len());
        let rewritten = rewrite.finish();
        text.become_rewritten(rewritten);
    }
}

/// Whether a piece is one of the annotator's that other steps would cut.
pub(crate) fn is_finished(piece: &[u8]) -> bool {
    piece.first().is_some_and(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::Groups;

    #[test]
    fn marks_are_control_characters() {
        let marks = [(0x01, 0x08), (0x0E, 0x1F)];
        assert!(Groups::new(1, marks, false).is_some() && Groups::new(8, marks, true).is_some());
        assert!(Groups::new(0, marks, false).is_none() && Groups::new(9, marks, false).is_none());
        for range in [
            (2, 1),
            (0x01, b'\t'),
            (b'\r', b'\r'),
            (0x1F, b' '),
            (b'0', b'9'),
        ] {
            assert!(
                Groups::new(3, [(1, 1), range], false).is_none(),
                "{range:?}"
            );
            assert!(
                Groups::new(3, [range, (1, 1)], false).is_none(),
                "{range:?}"
            );
        }
    }
}
