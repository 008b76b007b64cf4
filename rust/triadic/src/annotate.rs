//! Markers put into a text, and taken out of it.
//!
//! Annotating puts behind every group of a numeral the marker of its order, but none behind the
//! units, and an escape between a digit and a marker or escape that the text has by itself.
//! Restoring takes the markers behind a digit out, and then one escape.
//!
//! Invariant: `restore(annotate(x)) == x` for all bytes. Behind a digit of the annotated text
//! stands either no marker or escape, or those that were put there: ours, and an escape before one
//! of the text.
//!
//! Cost: one pass each. Text without digits is only scanned. The loops are not inlined into callers,
//! who may be compiled for size.

use std::ops::Range;

use crate::grammar::{Found, Grammar};
use crate::marker::{self, ESCAPE, needs_escape};
use crate::recipe::{Scheme, Variant};

/// Calls `insert` with every place of a text where bytes are put in, in rising order; more than
/// one call for a place adds up. Calls `piece` with the range of each of the
/// [`pieces`](crate::values::pieces) of the annotated text, which so need not be read for them.
#[inline(never)]
pub fn insertions(
    text: &[u8],
    scheme: &Scheme,
    insert: &mut dyn FnMut(usize, &[u8]),
    piece: &mut dyn FnMut(usize, usize),
) {
    // Bytes that were put in.
    let mut more = 0;
    let size = scheme.grammar.group_size();
    let apart = scheme.variant == Variant::Marker;
    each_group(text, &scheme.grammar, |group| match group {
        Group::Digits(range, marker) => {
            let (mut start, end) = (range.start + more, range.end + more);
            while end - start > size {
                piece(start, start + size);
                start += size;
            }
            if marker.is_empty() {
                return piece(start, end);
            }
            insert(range.end, marker);
            more += marker.len();
            if apart {
                piece(start, end);
                piece(end, end + marker.len());
            } else {
                piece(start, end + marker.len());
            }
        }
        Group::Escape(place) => {
            insert(place, &[ESCAPE]);
            more += 1;
        }
    });
}

/// A part of a text that annotating has to do with.
enum Group<'m> {
    /// Digits, and what is put behind them: a group and its marker, or a longer run and none.
    Digits(Range<usize>, &'m [u8]),
    /// An escape is put here.
    Escape(usize),
}

#[inline]
fn each_group(text: &[u8], grammar: &Grammar, mut emit: impl FnMut(Group)) {
    let size = grammar.group_size();
    grammar.scan::<false>(text, |found| {
        let end = match found {
            Found::Digits(range) => {
                let end = range.end;
                emit(Group::Digits(range, &[]));
                end
            }
            Found::Numeral(numeral) => {
                numeral.groups(size, |range, order| {
                    let put = |marker: &[u8]| emit(Group::Digits(range, marker));
                    if order >= 0 {
                        marker::integer(order.unsigned_abs(), put);
                    } else {
                        marker::fraction(order.unsigned_abs(), put);
                    }
                });
                numeral.end()
            }
        };
        if text.get(end).is_some_and(|&byte| needs_escape(byte)) {
            emit(Group::Escape(end));
        }
    });
}

/// Appends the annotated text to `out`.
#[inline(never)]
pub fn annotate(text: &[u8], grammar: &Grammar, out: &mut Vec<u8>) {
    // Numerals alone have a marker for three digits or so.
    out.reserve(text.len() + text.len() / 8);
    let mut copied = 0;
    each_group(text, grammar, |group| {
        let (place, bytes) = match group {
            Group::Digits(_, []) => return,
            Group::Digits(range, marker) => (range.end, marker),
            Group::Escape(place) => (place, &[ESCAPE][..]),
        };
        append(out, &text[copied..place]);
        append(out, bytes);
        copied = place;
    });
    out.extend_from_slice(&text[copied..]);
}

/// Appends bytes; a few are faster one by one than by a call.
#[inline]
fn append(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.len() < 8 {
        for &byte in bytes {
            out.push(byte);
        }
    } else {
        out.extend_from_slice(bytes);
    }
}

/// What stood before in a text that is restored piece by piece.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Restorer {
    /// Neither a digit nor a marker that was taken out.
    #[default]
    Text,
    /// A digit.
    Digit,
    /// A marker that was taken out.
    Marked,
}

impl Restorer {
    /// Takes the next bytes of an annotated text and appends what is left of them to `out`.
    #[inline(never)]
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut place = 0;
        while place < bytes.len() {
            let end = next_candidate(bytes, place);
            if let Some(last) = bytes[place..end].last() {
                *self = if last.is_ascii_digit() {
                    Self::Digit
                } else {
                    Self::Text
                };
            }
            append(out, &bytes[place..end]);
            place = end + 1;
            match bytes.get(end) {
                None => {}
                Some(&byte) if *self == Self::Text => out.push(byte),
                Some(&ESCAPE) => *self = Self::Text,
                Some(_) => *self = Self::Marked,
            }
        }
    }
}

impl From<u8> for Restorer {
    fn from(state: u8) -> Self {
        match state {
            1 => Self::Digit,
            2 => Self::Marked,
            _ => Self::Text,
        }
    }
}

impl From<Restorer> for u8 {
    fn from(state: Restorer) -> Self {
        match state {
            Restorer::Text => 0,
            Restorer::Digit => 1,
            Restorer::Marked => 2,
        }
    }
}

/// The first marker or escape from `place` on.
fn next_candidate(bytes: &[u8], place: usize) -> usize {
    // Markers come in clusters, so the next few bytes are tried before whole blocks.
    let near = (place + 8).min(bytes.len());
    if let Some(found) = bytes[place..near]
        .iter()
        .position(|&byte| needs_escape(byte))
    {
        return place + found;
    }
    let mut skipped = near;
    for block in bytes[near..].chunks_exact(32) {
        if block
            .iter()
            .fold(false, |any, &byte| any | needs_escape(byte))
        {
            break;
        }
        skipped += 32;
    }
    let rest = &bytes[skipped..];
    skipped
        + rest
            .iter()
            .position(|&byte| needs_escape(byte))
            .unwrap_or(rest.len())
}

/// Appends the text without the markers and escapes that annotating puts in to `out`.
pub fn restore(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len());
    Restorer::default().push(text, out);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn annotated(text: &str, grammar: &Grammar) -> String {
        let mut out = Vec::new();
        annotate(text.as_bytes(), grammar, &mut out);
        let mut back = Vec::new();
        restore(&out, &mut back);
        assert_eq!(back, text.as_bytes());
        shown(&out)
    }

    /// Markers as `{k}`.
    fn shown(text: &[u8]) -> String {
        let mut shown = String::from_utf8(text.to_vec()).unwrap();
        for (byte, name) in marker::NAMES {
            shown = shown.replace(byte as char, &format!("{{{name}}}"));
        }
        shown
    }

    #[test]
    fn named_cases() {
        let plain = Grammar::default();
        for (text, expected) in [
            ("", ""),
            ("1234567.89", "1{m}234{k}567.89{p}"),
            ("1045006", "1{m}045{k}006"),
            ("0.0045", "0.004{p}5{pp}"),
            (
                "3.14159265358979",
                "3.141{p}592{pp}653{ppp}589{pppp}79{ppppp}",
            ),
            ("999999999999999999", "999{q}999{t}999{b}999{m}999{k}999"),
            ("2024-05-06", "2{k}024-05-06"),
            ("-123.45", "-123.45{p}"),
            ("1234.", "1{k}234."),
            ("12345 67890", "12{k}345 67{k}890"),
            ("é1234 \u{301}1234", "é1234 \u{301}1{k}234"),
            ("5\u{1a}", "5{esc}{esc}"),
            ("12\u{1}345", "12{esc}{k}345"),
            ("0.5\u{1}", "0.5{p}{esc}{k}"),
            ("007\u{5}", "007{esc}{q}"),
            ("\u{1}1234", "{k}1{k}234"),
        ] {
            assert_eq!(annotated(text, &plain), expected, "{text}");
        }
    }

    #[test]
    fn left_alone() {
        for text in [
            "192.168.0.1",
            "v1.2.3",
            "007",
            "x12345",
            "12345x",
            "0xDEADBEEF",
            "1e400",
            "6.02e23",
            "f(1,2)",
            "[1,2,3]",
            "٣٤٥",
            "１２３",
            "½",
            "1.2.3.4",
            "5-3",
            "a-5",
            "1000000000000000000",
            "0.1234567890123456",
            "1234567890123456789.5",
            "12345½",
            "1234,5",
            "1,234,567",
            "12_345",
        ] {
            assert_eq!(annotated(text, &Grammar::default()), text);
        }
    }

    #[test]
    fn options() {
        let years = Grammar::default().keep_years(true);
        assert_eq!(annotated("2024-05-06", &years), "2024-05-06");
        assert_eq!(
            annotated("2100 999.5 1234.5", &years),
            "2{k}100 999.5{p} 1{k}234.5{p}"
        );
        let long = Grammar::default().min_digits(5).unwrap();
        assert_eq!(
            annotated("1234 12.34 12345 123.45", &long),
            "1234 12.34 12{k}345 123.45{p}"
        );
        let grouped = Grammar::default().grouped(true).unwrap();
        assert_eq!(annotated("1,234,567.8", &grouped), "1{m},234{k},567.8{p}");
        assert_eq!(
            annotated("12,34,567 1,2 1,234,56", &grouped),
            "12,34,567 1,2 1,234,56"
        );
        assert_eq!(
            annotated("0,123 1234,567 1234567", &grouped),
            "0,123 1234,567 1{m}234{k}567"
        );
        let extended = Grammar::default().extend(true);
        assert_eq!(
            annotated("1000000000000000000", &extended),
            "1{k}{k}000{q}000{t}000{b}000{m}000{k}000"
        );
        assert_eq!(
            annotated("0.1234567890123456", &extended),
            "0.123{p}456{pp}789{ppp}012{pppp}345{ppppp}6{p}{p}"
        );
        for (size, expected) in [
            (1, "1{b}2{m}3{k}4.5{p}6{pp}7{ppp}8{pppp}9{ppppp}1{p}{p}"),
            (2, "12{k}34.56{p}78{pp}91{ppp}"),
            (4, "1234.5678{p}91{pp}"),
        ] {
            assert_eq!(
                annotated("1234.567891", &Grammar::new(size).unwrap()),
                expected
            );
        }
        assert!(Grammar::new(0).is_err() && Grammar::new(5).is_err());
        assert!(Grammar::default().min_digits(0).is_err());
        assert!(Grammar::new(2).unwrap().grouped(true).is_err());
    }
}
