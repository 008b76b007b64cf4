//! A text together with the original bytes that each of its bytes stands for.
//!
//! A new text stands for itself. Each change gives every new character the span of one character
//! of the text before the change, so spans rise along the text. Text that nobody changed stands
//! for itself byte by byte; behind a normalizer it stands for whole characters
//! ([`Aligned::round`]). The span of a range reaches from the start of its first byte's span to
//! the end of its last byte's.
//!
//! Cost: nothing until the first change. A change copies the text, and if spans are tracked, two
//! words a byte. Without tracking it is only remembered how much of the text stands for the first
//! character of the original, which some pre-tokenizers ask for.

use std::borrow::Cow;
use std::ops::Range;

use crate::characters;

/// A text with the spans of its bytes. See the module.
#[derive(Debug, Clone)]
pub struct Aligned<'t> {
    text: Cow<'t, [u8]>,
    /// Where the text starts in the original.
    origin: usize,
    spans: Spans<'t>,
}

#[derive(Debug, Clone)]
enum Spans<'t> {
    /// Not kept, but that so many bytes at the start stand for a place that starts at 0.
    Untracked { zero: usize },
    /// Byte `i` stands for byte `base + i`, or if `whole`, for the character that it is in.
    Itself { base: usize, whole: bool },
    /// One span for each byte.
    Each(Cow<'t, [(usize, usize)]>),
}

impl<'t> Aligned<'t> {
    /// A text that stands for itself; `base` is its place in the whole original. With `track` off
    /// spans are never asked for.
    #[must_use]
    pub fn new(text: &'t [u8], base: usize, track: bool) -> Self {
        let spans = if track {
            Spans::Itself { base, whole: false }
        } else {
            let zero = if base == 0 {
                characters::after(text, 0).1
            } else {
                0
            };
            Spans::Untracked { zero }
        };
        Self {
            text: Cow::Borrowed(text),
            origin: base,
            spans,
        }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where the text starts in the whole original.
    #[must_use]
    pub fn origin(&self) -> usize {
        self.origin
    }

    /// The range of the original that `text[start..end]` stands for. Empty ranges, ranges outside
    /// the text and untracked texts have the empty range at the origin.
    #[must_use]
    pub fn span(&self, start: usize, end: usize) -> (usize, usize) {
        if start >= end || end > self.text.len() {
            return (self.origin, self.origin);
        }
        match &self.spans {
            Spans::Untracked { .. } => (self.origin, self.origin),
            Spans::Itself { base, whole: false } => (base + start, base + end),
            Spans::Itself { base, whole: true } => {
                let first = characters::around(&self.text, start);
                let last = characters::around(&self.text, end - 1);
                (base + first.start, base + last.end)
            }
            Spans::Each(spans) => (spans[start].0, spans[end - 1].1),
        }
    }

    /// Whether the character at `place` stands for the start of the original.
    #[must_use]
    pub fn starts_original(&self, place: usize) -> bool {
        match &self.spans {
            Spans::Untracked { zero } => place < *zero,
            _ => place < self.text.len() && self.span(place, place + 1).0 == 0,
        }
    }

    /// Lets unchanged text stand for whole characters from here on.
    pub fn round(&mut self) {
        if let Spans::Itself { whole, .. } = &mut self.spans {
            *whole = true;
        }
    }

    /// A part of the text, as a text of its own.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Aligned<'_> {
        let end = range.end.min(self.text.len());
        let start = range.start.min(end);
        let spans = match &self.spans {
            Spans::Untracked { zero } => Spans::Untracked {
                zero: (*zero).clamp(start, end) - start,
            },
            Spans::Itself { base, whole } => Spans::Itself {
                base: base + start,
                whole: *whole,
            },
            Spans::Each(spans) => Spans::Each(Cow::Borrowed(&spans[start..end])),
        };
        Aligned {
            text: Cow::Borrowed(&self.text[start..end]),
            origin: if start < end {
                self.span(start, start + 1).0
            } else {
                self.origin
            },
            spans,
        }
    }

    /// Puts a prefix, which stands for the first character, before a text that is not empty.
    pub fn prepend(&mut self, prefix: &str) {
        if self.text.is_empty() {
            return;
        }
        let mut rewrite = self.rewrite();
        rewrite.put(prefix.as_bytes(), 0);
        rewrite.keep(0..self.text.len());
        let rewritten = rewrite.finish();
        self.become_rewritten(rewritten);
    }

    /// Begins a change of the text.
    #[must_use]
    pub fn rewrite(&self) -> Rewrite<'_, 't> {
        let spans = match &self.spans {
            Spans::Untracked { .. } => None,
            _ => Some(Vec::with_capacity(self.text.len())),
        };
        Rewrite {
            old: self,
            // Most changes add a little.
            text: Vec::with_capacity(self.text.len() + self.text.len() / 8),
            spans,
            zero: 0,
        }
    }

    /// Takes the result of a change.
    pub fn become_rewritten(&mut self, rewritten: Rewritten) {
        self.text = Cow::Owned(rewritten.text);
        self.spans = match rewritten.spans {
            Some(spans) => Spans::Each(Cow::Owned(spans)),
            None => Spans::Untracked {
                zero: rewritten.zero,
            },
        };
    }
}

/// A change of a text, built from its start to its end.
pub struct Rewrite<'a, 't> {
    old: &'a Aligned<'t>,
    text: Vec<u8>,
    spans: Option<Vec<(usize, usize)>>,
    zero: usize,
}

/// A finished [`Rewrite`].
pub struct Rewritten {
    text: Vec<u8>,
    spans: Option<Vec<(usize, usize)>>,
    zero: usize,
}

impl Rewrite<'_, '_> {
    /// The length of the new text so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether there is no new text yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Takes over a part of the text as it is; it begins and ends between characters.
    pub fn keep(&mut self, range: Range<usize>) {
        let bytes = &self.old.text[range.clone()];
        if let Some(spans) = &mut self.spans {
            match &self.old.spans {
                Spans::Untracked { .. } => {}
                Spans::Itself { base, whole: false } => {
                    spans.extend(range.map(|place| (base + place, base + place + 1)));
                }
                Spans::Itself { base, whole: true } => {
                    let mut place = range.start;
                    while place < range.end {
                        let (_, length) = characters::after(&self.old.text, place);
                        let length = length.clamp(1, range.end - place);
                        let span = (base + place, base + place + length);
                        spans.extend(std::iter::repeat_n(span, length));
                        place += length;
                    }
                }
                Spans::Each(old) => spans.extend_from_slice(&old[range]),
            }
        } else if let Spans::Untracked { zero } = self.old.spans
            && self.zero == self.text.len()
        {
            self.zero += zero.clamp(range.start, range.end) - range.start;
        }
        self.text.extend_from_slice(bytes);
    }

    /// Appends new text that stands for what the character at `source` stood for.
    pub fn put(&mut self, bytes: &[u8], source: usize) {
        if let Some(spans) = &mut self.spans {
            let character = characters::around(&self.old.text, source);
            let span = self.old.span(character.start, character.end);
            spans.extend(std::iter::repeat_n(span, bytes.len()));
        } else if let Spans::Untracked { zero } = self.old.spans
            && self.zero == self.text.len()
        {
            self.zero += if source < zero { bytes.len() } else { 0 };
        }
        self.text.extend_from_slice(bytes);
    }

    /// Appends new text that stands for nothing: the empty range behind what is before it.
    pub fn insert(&mut self, bytes: &[u8]) {
        if let Some(spans) = &mut self.spans {
            let place = spans.last().map_or(self.old.origin, |span| span.1);
            spans.extend(std::iter::repeat_n((place, place), bytes.len()));
        }
        self.text.extend_from_slice(bytes);
    }

    /// Ends the change.
    #[must_use]
    pub fn finish(self) -> Rewritten {
        Rewritten {
            text: self.text,
            spans: self.spans,
            zero: self.zero,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(text: &Aligned) -> Vec<(usize, usize)> {
        (0..text.text().len())
            .map(|place| text.span(place, place + 1))
            .collect()
    }

    #[test]
    fn unchanged_text_stands_for_itself() {
        let mut text = Aligned::new("aé".as_bytes(), 7, true);
        assert_eq!(spans(&text), [(7, 8), (8, 9), (9, 10)]);
        assert_eq!(text.slice(1..3).span(0, 2), (8, 10));
        text.round();
        assert_eq!(spans(&text), [(7, 8), (8, 10), (8, 10)]);
        assert_eq!(spans(&text.slice(1..3)), [(8, 10), (8, 10)]);
        assert_eq!(text.slice(1..3).origin(), 8);
        assert_eq!(text.span(2, 2), (7, 7));
        assert_eq!(text.span(2, 9), (7, 7));
    }

    #[test]
    fn a_prefix_stands_for_the_first_character() {
        let mut text = Aligned::new("éa".as_bytes(), 0, true);
        text.round();
        text.prepend("__");
        assert_eq!(text.text(), "__éa".as_bytes());
        assert_eq!(spans(&text), [(0, 2), (0, 2), (0, 2), (0, 2), (2, 3)]);
        let mut empty = Aligned::new(b"", 0, true);
        empty.prepend("_");
        assert_eq!(empty.text(), b"");
    }

    #[test]
    fn changes_add_up() {
        let mut text = Aligned::new("aéb".as_bytes(), 5, true);
        let mut rewrite = text.rewrite();
        assert!(rewrite.is_empty());
        rewrite.keep(1..3);
        rewrite.put("猫".as_bytes(), 1);
        assert_eq!(rewrite.len(), 5);
        rewrite.keep(3..4);
        let rewritten = rewrite.finish();
        text.become_rewritten(rewritten);
        assert_eq!(text.text(), "é猫b".as_bytes());
        assert_eq!(
            spans(&text),
            [(6, 7), (7, 8), (6, 8), (6, 8), (6, 8), (8, 9)]
        );
        text.prepend("_");
        assert_eq!(text.span(0, 1), (6, 8));
        assert_eq!(text.span(0, 7), (6, 9));
    }

    #[test]
    fn the_start_is_known_without_spans() {
        for track in [true, false] {
            let mut text = Aligned::new("éa".as_bytes(), 0, track);
            text.prepend("__");
            let starts: Vec<bool> = [0, 1, 2, 4, 5]
                .map(|place| text.starts_original(place))
                .into();
            assert_eq!(starts, [true, true, true, false, false], "{track}");
            assert!(!text.slice(4..5).starts_original(0));
            assert!(text.slice(1..5).starts_original(0));
            assert!(!Aligned::new(b"a", 3, track).starts_original(0));
        }
    }
}
