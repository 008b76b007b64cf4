//! Cuts around pieces of digits that are taken out of a text first.
//!
//! Between two such pieces lies a gap, which is a text of its own. The families with formulas cut
//! the whole text instead, digits included, which is faster than many short texts, and then the
//! cuts beside the pieces are mended:
//!
//! - Behind a piece. A search by a pattern depends on nothing before its start. So where a match of
//!   the whole text starts or ends at the end of a piece, the cuts from there on are those of the
//!   gap; where none does, matches are searched for until one ends where one of the whole text does.
//! - Before a piece, where the gap ends and the whole text goes on with an ASCII digit. In these
//!   families a match holds none together with another character but for a blank before it and
//!   other numbers, and only rules for white space look ahead. So there are cuts before numbers that
//!   are not ASCII to be made anew, and the last character of white space, which stands alone before
//!   a digit, is joined to the rest.
//!
//! Invariant: the cuts are those of the pieces, and of each gap cut as a text.
//!
//! Cost: that of the pattern for the whole text, and a few operations a piece.

use std::ops::Range;

use super::blocks::Shape;
use super::scan::{Memory, Scanner};
use super::{Engine, Pattern};
use crate::characters;

/// What becomes of white space before a digit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum White {
    /// Its last character stands alone.
    LastAlone,
    /// Its last character behind the last line break does.
    LastAloneBehindBreaks,
    /// Not one of these.
    Other,
}

impl White {
    /// Whether the character may be the last of white space, or one before it that stays.
    fn has(self, character: char) -> bool {
        character.is_whitespace()
            && (self != Self::LastAloneBehindBreaks || !matches!(character, '\n' | '\r'))
    }
}

impl Pattern {
    /// Cuts a text into pieces, which `pieces` gives, and the gaps between them, which are cut as
    /// texts of their own: sets bit `p % 64` of `cuts[p / 64]` for each place `p` inside the text
    /// where a part starts. `cuts` comes with no bit set. A piece starts with an ASCII digit, or where
    /// the one before it ends; no gap has an ASCII digit. If it is not known how the pattern does this,
    /// nothing is done, and the result is false.
    pub(crate) fn cut_around(
        &self,
        pieces: impl FnOnce(&mut dyn FnMut(usize, usize)),
        text: &[u8],
        cuts: &mut [u64],
    ) -> bool {
        let Engine::Rules(scanner, Some(formulas)) = &self.engine else {
            return false;
        };
        let white = match formulas.shape() {
            // White space at the end of a text may be a rule of its own.
            _ if scanner.looks_at_end() => White::Other,
            Shape::Gpt2 | Shape::Gpt2Plain | Shape::SuperA1 => White::LastAlone,
            Shape::Cl100k | Shape::Qwen | Shape::O200k | Shape::Tekken | Shape::SuperB1 => {
                White::LastAloneBehindBreaks
            }
            Shape::SuperB2 => White::Other,
        };
        // Only other engines have a limit.
        let _ = self.cut(text, 0, text.len(), cuts);
        let cut_anew = |gap: Range<usize>, cuts: &mut [u64]| {
            clear(cuts, gap.start + 1..gap.end);
            let _ = self.cut(text, gap.start, gap.end, cuts);
        };
        // The end of the last piece, and whether a search started there.
        let (mut last, mut searched) = (0, true);
        pieces(&mut |start, end| {
            if last < start {
                let gap = last..start;
                let is_begun = searched || meet(white, scanner, text, gap.clone(), cuts);
                if !(is_begun && end_at_digit(white, text, gap.clone(), cuts)) {
                    cut_anew(gap, cuts);
                }
                set(cuts, start);
            }
            searched = is_set(cuts, end);
            clear(cuts, start + 1..end);
            if end < text.len() {
                set(cuts, end);
            }
            last = end;
        });
        if !searched {
            cut_anew(last..text.len(), cuts);
        }
        true
    }
}

/// Makes the cuts of a gap that begins inside a match of the whole text its own, up to where the two
/// meet; false if the pattern does not match there.
fn meet(white: White, scanner: &Scanner, text: &[u8], gap: Range<usize>, cuts: &mut [u64]) -> bool {
    let base = gap.start;
    let text = &text[gap];
    if let [mark, rest @ ..] = text
        && white != White::Other
        && mark.is_ascii_punctuation()
        && *mark != b'\''
        && (rest.first()).is_none_or(|next| next.is_ascii() && !next.is_ascii_alphabetic())
    {
        // The rest of a run of marks, which leads no word.
        return true;
    }
    let mut memory = Memory::new();
    let mut at = 0;
    while at < text.len() {
        let (bit, length) = scanner.classes().at(text, at);
        let found = scanner.find(text, at, bit, length, &mut memory);
        let Some(end) = found.filter(|&end| end > at) else {
            return false;
        };
        let is_met = is_set(cuts, base + end);
        clear(cuts, base + at + 1..base + end);
        if is_met {
            break;
        }
        if end < text.len() {
            set(cuts, base + end);
        }
        at = end;
    }
    true
}

/// Makes the cuts of a gap those of a text that ends before the digit behind it; false if it has to be
/// cut anew.
#[inline]
fn end_at_digit(white: White, text: &[u8], gap: Range<usize>, cuts: &mut [u64]) -> bool {
    let text = &text[gap.clone()];
    let (character, length) = before(text);
    let Some(character) = character else {
        return true;
    };
    if !character.is_whitespace() {
        return !character.is_numeric();
    }
    if white == White::Other {
        return false;
    }
    let rest = &text[..text.len() - length];
    if white.has(character) && before(rest).0.is_some_and(|before| white.has(before)) {
        let last = gap.end - length;
        clear(cuts, last..last + 1);
    }
    true
}

/// The last character of a text, and its length.
#[inline]
fn before(text: &[u8]) -> (Option<char>, usize) {
    match text.last() {
        Some(&byte) if byte.is_ascii() => (Some(char::from(byte)), 1),
        _ => characters::before(text, text.len()),
    }
}

/// Whether the bit of a place is set.
#[inline]
fn is_set(cuts: &[u64], place: usize) -> bool {
    cuts.get(place / 64)
        .is_some_and(|bits| bits >> (place % 64) & 1 != 0)
}

/// Sets the bit of a place.
#[inline]
fn set(cuts: &mut [u64], place: usize) {
    if let Some(bits) = cuts.get_mut(place / 64) {
        *bits |= 1 << (place % 64);
    }
}

/// Clears the bits of a range.
#[inline]
fn clear(cuts: &mut [u64], range: Range<usize>) {
    let mut place = range.start;
    while place < range.end {
        let to = (place | 63) + 1;
        let to = to.min(range.end);
        if let Some(bits) = cuts.get_mut(place / 64) {
            *bits &= !(u64::MAX >> (64 - (to - place)) << (place % 64));
        }
        place = to;
    }
}
