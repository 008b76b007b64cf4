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
//! Cost: one pass each, by [windows](crate::window) or blocks of a text, with few branches but one for each
//! marker. Text without digits, or without markers, is only scanned. The loops are not inlined into
//! callers, who may be compiled for size.

use std::ops::Range;

use crate::block::{
    BLOCK, digit_mask, equal_mask, has_digits, has_marks, low_mask, mark_mask, marker_mask,
};
use crate::grammar::{Found, Grammar, digits_end};
use crate::marker::{self, ESCAPE, needs_escape};
use crate::window::Window;

/// Calls `insert` with every place of a text where bytes are put in, in rising order; more than
/// one call for a place adds up.
///
/// Most digits of prose get nothing. Those that may are told by masks of a block: more than a group of
/// digits, digits behind a point or comma behind digits, and a marker or escape behind digits.
#[inline(never)]
pub fn insertions(text: &[u8], grammar: &Grammar, insert: &mut dyn FnMut(usize, &[u8])) {
    let mut reader = Reader {
        text,
        grammar,
        digits: 0,
        joints: 0,
        end: 0,
    };
    let (blocks, rest) = text.as_chunks();
    for (number, block) in blocks.iter().enumerate() {
        reader.read(number * BLOCK, block, insert);
    }
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    reader.read(text.len() - rest.len(), &last, insert);
}

/// What has been read of a text.
struct Reader<'t> {
    text: &'t [u8],
    grammar: &'t Grammar,
    /// The digits of the block before.
    digits: u64,
    /// The points of the block before, and the commas if they count.
    joints: u64,
    /// The end of the last run of digits or numeral that was looked at.
    end: usize,
}

impl Reader<'_> {
    /// Reads the next block.
    #[inline]
    fn read(&mut self, base: usize, block: &[u8; BLOCK], insert: &mut dyn FnMut(usize, &[u8])) {
        if has_digits(block) || self.digits >> (BLOCK - 1) != 0 {
            self.read_digits(base, block, insert);
        } else {
            self.digits = 0;
        }
    }

    /// Reads a block with digits, or behind a digit.
    fn read_digits(
        &mut self,
        base: usize,
        block: &[u8; BLOCK],
        insert: &mut dyn FnMut(usize, &[u8]),
    ) {
        let digits = digit_mask(block);
        let mut joints = equal_mask(block, b'.');
        if self.grammar.reads_commas() {
            joints |= equal_mask(block, b',');
        }
        // The bits of the bytes so many places before.
        let digits_before = |places| digits << places | self.digits >> (BLOCK - places);
        let more = (1..=self.grammar.group_size())
            .fold(digits, |more, places| more & digits_before(places));
        let parts = digits & (joints << 1 | self.joints >> (BLOCK - 1)) & digits_before(2);
        let mut marks = digits_before(1) & low_mask(block);
        if marks != 0 {
            marks &= mark_mask(block);
        }
        (self.digits, self.joints) = (digits, joints);
        each_bit(more | parts | marks, |bit| {
            // A digit of the run that begins what this is about.
            let inside = base + bit - 1 - (parts >> bit & 1) as usize;
            if inside >= self.end {
                self.end = self.read_run(inside, insert);
            }
        });
    }

    /// Reads the run of digits around a place, and the numeral that it begins, and returns the end.
    fn read_run(&self, inside: usize, insert: &mut dyn FnMut(usize, &[u8])) -> usize {
        let before = &self.text[self.end..inside];
        let digits = before.iter().rev().take_while(|byte| byte.is_ascii_digit());
        let start = inside - digits.count();
        let run = start..digits_end(self.text, inside);
        put_in(
            self.text,
            self.grammar,
            self.grammar.read(self.text, run),
            insert,
        )
    }
}

/// Calls `insert` with what is put into a numeral, or behind other digits, and returns the end.
#[inline]
fn put_in(
    text: &[u8],
    grammar: &Grammar,
    found: Found,
    mut insert: impl FnMut(usize, &[u8]),
) -> usize {
    let end = match found {
        Found::Digits(range) => range.end,
        Found::Numeral(numeral) => {
            numeral.groups(grammar.group_size(), |range, order| {
                let put = |marker: &[u8]| insert(range.end, marker);
                match order {
                    0 => {}
                    1.. => marker::integer(order.unsigned_abs(), put),
                    _ => marker::fraction(order.unsigned_abs(), put),
                }
            });
            numeral.end()
        }
    };
    if text.get(end).is_some_and(|&byte| needs_escape(byte)) {
        insert(end, &[ESCAPE]);
    }
    end
}

/// Appends the annotated text to `out`.
#[inline(never)]
pub fn annotate(text: &[u8], grammar: &Grammar, out: &mut Vec<u8>) {
    // Numerals alone have a marker for three digits or so.
    out.reserve(text.len() + text.len() / 8 + ROOM);
    let mut place = 0;
    loop {
        let base = next_digits(text, place);
        out.extend_from_slice(&text[place..base]);
        let rest = &text[base..];
        if rest.is_empty() {
            return;
        }
        let mut last = [0; REACH];
        let bytes = rest.first_chunk().unwrap_or_else(|| {
            last[..rest.len()].copy_from_slice(rest);
            &last
        });
        let window = (bytes.first_chunk())
            .and_then(|block| Window::new(grammar, text, base, block))
            .map(|window| window.within(rest.len()));
        place = match window {
            Some(window) => {
                append_window(out, bytes, &window, grammar.group_size());
                base + window.length
            }
            None => append_groups(out, text, grammar, base..base + BLOCK),
        };
    }
}

/// Where the first block from `place` on that has digits starts, or the text ends.
#[inline]
fn next_digits(text: &[u8], place: usize) -> usize {
    let (blocks, rest) = text[place..].as_chunks::<BLOCK>();
    let without = blocks.iter().take_while(|block| !has_digits(block)).count();
    if without < blocks.len() || rest.iter().any(u8::is_ascii_digit) {
        place + without * BLOCK
    } else {
        text.len()
    }
}

/// Appends a text, with its markers and escapes, from the start of a range to the end of the last
/// digits that start in it, and returns that.
fn append_groups(out: &mut Vec<u8>, text: &[u8], grammar: &Grammar, range: Range<usize>) -> usize {
    let mut copied = range.start;
    let end = grammar.scan::<false>(text, range, |found| {
        put_in(text, grammar, found, |place, bytes| {
            append(out, &text[copied..place]);
            append(out, bytes);
            copied = place;
        });
    });
    append(out, &text[copied..end]);
    end
}

/// Bytes that are copied at once.
const SPAN: usize = 32;
/// A block, and the bytes behind it that are copied with its own.
const REACH: usize = BLOCK + SPAN;
/// The most that a window makes: three bytes for a marker, before each byte, and what is copied too much.
const ROOM: usize = 4 * BLOCK + SPAN;

/// Markers by the distance of their place from the byte that tells it, [packed](marker::packed).
type Markers = [[u32; BLOCK]; 3];

/// Those of integer parts, of fractions, and of integer parts with commas, for groups of each size.
static MARKERS: [Markers; 4] = [markers(1), markers(2), markers(3), markers(4)];

const fn markers(size: usize) -> Markers {
    let mut markers = [[0; BLOCK]; 3];
    let mut distance = 0;
    while distance < BLOCK {
        markers[0][distance] = marker::packed(&marker::INTEGER, distance / size);
        markers[1][distance] = marker::packed(&marker::FRACTION, distance.div_ceil(size));
        markers[2][distance] = marker::packed(&marker::INTEGER, distance / (size + 1));
        distance += 1;
    }
    markers
}

/// Appends the bytes of a window, with its markers.
#[inline]
fn append_window(out: &mut Vec<u8>, from: &[u8; REACH], window: &Window, size: usize) {
    let markers = &MARKERS[size - 1];
    let start = out.len();
    out.resize(start + ROOM, 0);
    let room = &mut out[start..];
    let (mut used, mut copied) = (0, 0);
    each_bit(window.places, |place| {
        used = copy(room, used, from, copied..place);
        copied = place;
        let marker = if window.deep >> place & 1 != 0 {
            markers[1][(window.fractions << (BLOCK - 1 - place)).leading_zeros() as usize % BLOCK]
        } else {
            let kind = if window.commas >> place & 1 == 0 {
                0
            } else {
                2
            };
            markers[kind][(window.ends >> place).trailing_zeros() as usize % BLOCK]
        };
        // Of four bytes those that are used stay.
        room[used..used + 4].copy_from_slice(&marker.to_le_bytes());
        used += marker::packed_length(marker);
    });
    used = copy(room, used, from, copied..window.length);
    out.truncate(start + used);
}

/// Copies part of a block, and more behind it, and returns the end of the part.
#[inline]
fn copy(to: &mut [u8], used: usize, from: &[u8; REACH], part: Range<usize>) -> usize {
    let start = part.start % BLOCK;
    to[used..used + SPAN].copy_from_slice(&from[start..start + SPAN]);
    if part.len() > SPAN {
        to[used + SPAN..used + 2 * SPAN].copy_from_slice(&from[start + SPAN..start + 2 * SPAN]);
    }
    used + part.len()
}

/// Calls `take` with the place of each bit, from the lowest on.
#[inline]
fn each_bit(mut bits: u64, mut take: impl FnMut(usize)) {
    while bits != 0 {
        take(bits.trailing_zeros() as usize);
        bits &= bits - 1;
    }
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
        let mut rest = bytes;
        loop {
            let blocks = rest.as_chunks().0.iter();
            let plain = BLOCK * blocks.take_while(|block| !has_marks(block)).count();
            self.keep(&rest[..plain], out);
            rest = &rest[plain..];
            let Some((from, block)) = rest.first_chunk().zip(rest.first_chunk()) else {
                break;
            };
            self.push_block(from, block, out);
            rest = &rest[BLOCK..];
        }
        self.push_bytes(rest, out);
    }

    /// Takes a block, which more stands behind.
    fn push_block(&mut self, from: &[u8; REACH], block: &[u8; BLOCK], out: &mut Vec<u8>) {
        let digits = digit_mask(block);
        let markers = marker_mask(block);
        // Behind what markers and an escape are taken out.
        let open = digits << 1 | u64::from(*self != Self::Text);
        // Adding the bits of the first markers of runs carries through these.
        let carried = markers.wrapping_add(markers & open);
        let taken = markers & !carried;
        let escapes = equal_mask(block, ESCAPE) & (open | carried);
        *self = if digits >> (BLOCK - 1) != 0 {
            Self::Digit
        } else if taken >> (BLOCK - 1) != 0 {
            Self::Marked
        } else {
            Self::Text
        };
        let start = out.len();
        out.resize(start + REACH, 0);
        let room = &mut out[start..];
        let (mut used, mut copied) = (0, 0);
        each_bit(taken | escapes, |place| {
            used = copy(room, used, from, copied..place);
            copied = place + 1;
        });
        used = copy(room, used, from, copied..BLOCK);
        out.truncate(start + used);
    }

    /// Takes bytes one run without markers after the other.
    fn push_bytes(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut place = 0;
        while place < bytes.len() {
            let found = bytes[place..].iter().position(|&byte| needs_escape(byte));
            let end = found.map_or(bytes.len(), |found| place + found);
            self.keep(&bytes[place..end], out);
            place = end + 1;
            match bytes.get(end) {
                None => {}
                Some(&byte) if *self == Self::Text => out.push(byte),
                Some(&ESCAPE) => *self = Self::Text,
                Some(_) => *self = Self::Marked,
            }
        }
    }

    /// Appends bytes without markers and escapes.
    #[inline]
    fn keep(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if let Some(last) = bytes.last() {
            *self = if last.is_ascii_digit() {
                Self::Digit
            } else {
                Self::Text
            };
        }
        append(out, bytes);
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
