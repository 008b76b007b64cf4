//! A text together with the original bytes that each of its bytes stands for.
//!
//! Normalizers and some pre-tokenizers rewrite a text; offsets still speak of the original one. As
//! long as nothing has changed, a byte stands for itself. After a change each byte has the range
//! of the original characters it came from: an inserted character has that of the one before it.
//! These are the alignments of `NormalizedString` in `tokenizers`. Where offsets are not wanted
//! nothing is tracked.

use std::borrow::Cow;
use std::ops::Range;

/// A text and what its bytes stand for.
#[derive(Debug, Clone)]
pub struct Aligned<'t> {
    text: Cow<'t, [u8]>,
    spans: Spans,
    /// Where the text starts in the original.
    origin: usize,
}

#[derive(Debug, Clone)]
enum Spans {
    /// Byte `i` stands for the original byte `base + i`.
    Identity(usize),
    /// Nobody will ask.
    Untracked,
    /// The original range of each byte.
    Each(Vec<(usize, usize)>),
}

impl<'t> Aligned<'t> {
    /// A part of the original that starts at `base`. Without `track`, [`Aligned::span`] means
    /// nothing once the text has changed.
    #[must_use]
    pub fn new(text: &'t [u8], base: usize, track: bool) -> Self {
        Self {
            text: Cow::Borrowed(text),
            spans: if track {
                Spans::Identity(base)
            } else {
                Spans::Untracked
            },
            origin: base,
        }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where the text starts in the original.
    #[must_use]
    pub fn origin(&self) -> usize {
        self.origin
    }

    /// The original bytes that a range of the text stands for.
    #[must_use]
    pub fn span(&self, start: usize, end: usize) -> (usize, usize) {
        match &self.spans {
            Spans::Identity(base) => (base + start, base + end),
            Spans::Untracked => (self.origin + start, self.origin + end),
            Spans::Each(spans) => match spans.get(start..end) {
                Some([only]) => *only,
                Some([first, .., last]) => (first.0, last.1),
                _ => (start, end),
            },
        }
    }

    /// A part of the text.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Aligned<'_> {
        Aligned {
            origin: self.span(range.start, range.end).0,
            spans: match &self.spans {
                Spans::Identity(base) => Spans::Identity(base + range.start),
                Spans::Untracked => Spans::Untracked,
                Spans::Each(spans) => Spans::Each(spans[range.clone()].to_vec()),
            },
            text: Cow::Borrowed(&self.text[range]),
        }
    }

    /// Rewrites the text as a list of characters, each with a change: 0 for a character that
    /// replaces the next one, 1 for a new one, `-n` for one that replaces the next one and takes
    /// the `n` behind it away.
    ///
    /// The text must be UTF-8.
    pub fn transform(&mut self, changes: impl Iterator<Item = (char, isize)>) {
        let old = std::str::from_utf8(&self.text).unwrap_or_default();
        let mut characters = old.chars();
        let mut text = String::with_capacity(old.len());
        if matches!(self.spans, Spans::Untracked) {
            text.extend(changes.map(|(character, _)| character));
            self.text = Cow::Owned(text.into_bytes());
            return;
        }
        let mut spans = Vec::with_capacity(old.len());
        // The place in the old text, and the span of the character before it.
        let mut place = 0;
        let mut before = (self.origin, self.origin);
        for (character, change) in changes {
            let mut span = before;
            if change <= 0
                && let Some(replaced) = characters.next()
            {
                let end = place + replaced.len_utf8();
                span = self.char_span(place, end);
                before = span;
                place = end;
                for removed in characters.by_ref().take(change.unsigned_abs()) {
                    let end = place + removed.len_utf8();
                    before = self.char_span(place, end);
                    place = end;
                }
            }
            text.push(character);
            spans.resize(text.len(), span);
        }
        self.text = Cow::Owned(text.into_bytes());
        self.spans = Spans::Each(spans);
    }

    /// What each byte of a character stands for.
    fn char_span(&self, start: usize, end: usize) -> (usize, usize) {
        match &self.spans {
            Spans::Each(spans) => spans[start],
            _ => self.span(start, end),
        }
    }

    /// Puts a string before a text that is not empty; it stands for the first character.
    pub fn prepend(&mut self, string: &str) {
        let first = self.text.utf8_chunks().next().map_or(0, |chunk| {
            chunk
                .valid()
                .chars()
                .next()
                .map_or(chunk.invalid().len(), char::len_utf8)
        });
        if first == 0 {
            return;
        }
        let mut spans = self.take_spans();
        if let Some(spans) = &mut spans {
            let span = spans[0];
            spans.splice(0..0, std::iter::repeat_n(span, string.len()));
        }
        let text = [string.as_bytes(), &self.text].concat();
        self.put(text, spans);
    }

    /// Replaces ranges of the text, in order and apart, by a string; each copy stands for the
    /// last character it replaces.
    pub fn replace(&mut self, ranges: &[(usize, usize)], string: &str) {
        if ranges.is_empty() {
            return;
        }
        let old_spans = self.take_spans();
        let mut text = Vec::with_capacity(self.text.len());
        let mut spans = old_spans.as_ref().map(|old| Vec::with_capacity(old.len()));
        let mut done = 0;
        for &(start, end) in ranges {
            text.extend_from_slice(&self.text[done..start]);
            text.extend_from_slice(string.as_bytes());
            if let (Some(spans), Some(old)) = (&mut spans, &old_spans) {
                spans.extend_from_slice(&old[done..start]);
                let span = match end.checked_sub(1) {
                    Some(last) => old[last],
                    None => (self.origin, self.origin),
                };
                spans.resize(text.len(), span);
            }
            done = end;
        }
        text.extend_from_slice(&self.text[done..]);
        if let (Some(spans), Some(old)) = (&mut spans, &old_spans) {
            spans.extend_from_slice(&old[done..]);
        }
        self.put(text, spans);
    }

    /// Texts one behind the other, and the range of each.
    #[must_use]
    pub fn join(parts: Vec<Aligned>, origin: usize, track: bool) -> (Self, Vec<Range<usize>>) {
        let mut text = Vec::new();
        let mut spans = track.then(Vec::new);
        let mut ranges = Vec::with_capacity(parts.len());
        for mut part in parts {
            let start = text.len();
            text.extend_from_slice(&part.text);
            if let Some(spans) = &mut spans {
                spans.extend(part.take_spans().unwrap_or_default());
            }
            ranges.push(start..text.len());
        }
        let joined = Self {
            text: Cow::Owned(text),
            spans: spans.map_or(Spans::Untracked, Spans::Each),
            origin,
        };
        (joined, ranges)
    }

    /// Whether spans are kept.
    #[must_use]
    pub fn is_tracked(&self) -> bool {
        !matches!(self.spans, Spans::Untracked)
    }

    /// The span of each byte, if spans are kept: for a byte of the original, its character.
    fn take_spans(&mut self) -> Option<Vec<(usize, usize)>> {
        match std::mem::replace(&mut self.spans, Spans::Untracked) {
            Spans::Untracked => None,
            Spans::Each(spans) => Some(spans),
            Spans::Identity(base) => {
                let mut spans = Vec::with_capacity(self.text.len());
                let mut push = |len: usize| {
                    let start = base + spans.len();
                    spans.extend(std::iter::repeat_n((start, start + len), len));
                };
                for chunk in self.text.utf8_chunks() {
                    chunk
                        .valid()
                        .chars()
                        .for_each(|character| push(character.len_utf8()));
                    chunk.invalid().iter().for_each(|_| push(1));
                }
                Some(spans)
            }
        }
    }

    fn put(&mut self, text: Vec<u8>, spans: Option<Vec<(usize, usize)>>) {
        self.text = Cow::Owned(text);
        self.spans = spans.map_or(Spans::Untracked, Spans::Each);
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
        let text = Aligned::new("aé".as_bytes(), 7, true);
        assert_eq!(spans(&text), [(7, 8), (8, 9), (9, 10)]);
        assert_eq!(text.slice(1..3).span(0, 2), (8, 10));
    }

    #[test]
    fn prepended_text_stands_for_the_first_character() {
        let mut text = Aligned::new("éa".as_bytes(), 0, true);
        text.prepend("__");
        assert_eq!(text.text(), "__éa".as_bytes());
        assert_eq!(spans(&text), [(0, 2), (0, 2), (0, 2), (0, 2), (2, 3)]);
        let mut empty = Aligned::new(b"", 0, true);
        empty.prepend("_");
        assert_eq!(empty.text(), b"");
    }

    #[test]
    fn replaced_text_stands_for_the_last_character() {
        let mut text = Aligned::new(b"a  b", 5, true);
        text.replace(&[(1, 3)], "xy");
        assert_eq!(text.text(), b"axyb");
        assert_eq!(spans(&text), [(5, 6), (7, 8), (7, 8), (8, 9)]);
        let mut text = Aligned::new(b"ab", 5, true);
        text.replace(&[(0, 0), (2, 2)], "_");
        assert_eq!(spans(&text), [(5, 5), (5, 6), (6, 7), (6, 7)]);
    }

    #[test]
    fn transformed_characters() {
        // "e" and a combining accent become one character, a ligature becomes two.
        let mut text = Aligned::new("e\u{301}ﬁ".as_bytes(), 0, true);
        text.transform([('é', -1), ('f', 0), ('i', 1)].into_iter());
        assert_eq!(text.text(), "éfi".as_bytes());
        assert_eq!(spans(&text), [(0, 1), (0, 1), (3, 6), (3, 6)]);
    }

    #[test]
    fn untracked_text_has_the_same_bytes() {
        let mut text = Aligned::new(b"a b", 0, false);
        text.replace(&[(1, 2)], "_");
        text.prepend("_");
        assert_eq!(text.text(), b"_a_b");
        assert!(!text.is_tracked());
    }
}
