//! Pieces of an annotated text, and what numbers its tokens stand for.
//!
//! A piece is up to a group of digits with the markers behind it, or in the marker variant the
//! digits and the markers apart. A token has a value if its digits, and in the vocabulary variant
//! its marker, are just one triad of a numeral of the restored text, annotated as it should be.
//!
//! Cost: one pass over the text for the pieces; three for the values.

use std::ops::Range;

use crate::annotate::Restorer;
use crate::grammar::{Digits, Grammar};
use crate::marker::{self, is_marker};
use crate::recipe::{Scheme, Variant};
use crate::triad;

/// The digits of a triad as a number and the power of ten of its last digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value {
    /// -1 where a token is no triad.
    pub digits: i32,
    /// 0 where a token is no triad.
    pub power: i32,
}

impl Value {
    /// That of a token that is no triad.
    pub const NONE: Self = Self {
        digits: -1,
        power: 0,
    };
}

/// Calls `piece` with each piece of an annotated text, in order.
pub fn pieces(text: &[u8], scheme: &Scheme, mut piece: impl FnMut(usize, usize)) {
    let size = scheme.grammar.group_size();
    let mut place = 0;
    let mut digits = Digits::new(text, 0);
    while let Some(Range { start, end }) = digits.next_run(place) {
        let marks = text[end..].iter().take_while(|&&byte| is_marker(byte));
        place = end + marks.count();
        let mut from = start;
        while end - from > size {
            piece(from, from + size);
            from += size;
        }
        if place > end && scheme.variant == Variant::Marker {
            piece(from, end);
            piece(end, place);
        } else {
            piece(from, place);
        }
    }
}

/// Appends the value of each token of an annotated text; `ends` are where tokens end in it.
pub fn values(annotated: &[u8], ends: &[usize], scheme: &Scheme, out: &mut Vec<Value>) {
    let grammar = &scheme.grammar;
    let mut triads = triads(annotated, grammar).into_iter().peekable();
    let mut start = 0;
    for &end in ends {
        while triads.next_if(|triad| triad.digits.0 < start).is_some() {}
        let value = triads
            .peek()
            .filter(|triad| {
                let last = match scheme.variant {
                    Variant::Vocabulary => triad.marker_end,
                    Variant::Marker => triad.digits.1,
                };
                triad.digits.0 == start && last == end
            })
            .map_or(Value::NONE, |triad| triad.value);
        out.push(value);
        start = end;
    }
}

/// A triad in an annotated text.
struct Found {
    digits: (usize, usize),
    /// Where its marker ends.
    marker_end: usize,
    value: Value,
}

/// The triads of numerals whose digits stand together and have the marker that they should have.
fn triads(annotated: &[u8], grammar: &Grammar) -> Vec<Found> {
    // The restored text, and where each of its bytes stands in the annotated one.
    let mut text = Vec::with_capacity(annotated.len());
    let mut places = Vec::with_capacity(annotated.len());
    let mut restorer = Restorer::default();
    for (place, byte) in annotated.iter().enumerate() {
        restorer.push(std::slice::from_ref(byte), &mut text);
        places.resize(text.len(), place);
    }
    let size = grammar.group_size();
    let mut found = Vec::new();
    let mut marker = Vec::new();
    grammar.find(&text, |numeral| {
        let mut fraction = 0;
        numeral.groups(size, |range, order| {
            let power = triad::power(order, size, fraction, range.len());
            marker.clear();
            let put = |part: &[u8]| marker.extend_from_slice(part);
            if order < 0 {
                fraction += range.len();
                marker::fraction(order.unsigned_abs(), put);
            } else {
                marker::integer(order.unsigned_abs(), put);
            }
            let (start, end) = (places[range.start], places[range.end - 1] + 1);
            let marks = annotated[end..].iter().take_while(|&&byte| is_marker(byte));
            let marker_end = end + marks.count();
            if end - start == range.len() && annotated[end..marker_end] == *marker {
                let digits = text[range]
                    .iter()
                    .fold(0, |value, digit| 10 * value + i32::from(digit - b'0'));
                found.push(Found {
                    digits: (start, end),
                    marker_end,
                    value: Value {
                        digits,
                        power: power as i32,
                    },
                });
            }
        });
    });
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::annotate::{annotate, restore};

    fn scheme(variant: Variant) -> Scheme {
        Scheme {
            grammar: Grammar::default(),
            variant,
        }
    }

    fn cut(text: &str, variant: Variant) -> Vec<(String, i32, i32)> {
        let mut annotated = Vec::new();
        annotate(text.as_bytes(), &Grammar::default(), &mut annotated);
        let scheme = scheme(variant);
        let mut ends = Vec::new();
        let mut last = 0;
        pieces(&annotated, &scheme, |start, end| {
            ends.extend((last < start).then_some(start));
            ends.push(end);
            last = end;
        });
        if last < annotated.len() {
            ends.push(annotated.len());
        }
        let mut found = Vec::new();
        values(&annotated, &ends, &scheme, &mut found);
        let mut start = 0;
        let mut rows = Vec::new();
        for (end, value) in ends.into_iter().zip(found) {
            let mut shown = Vec::new();
            restore(&annotated[start..end], &mut shown);
            rows.push((String::from_utf8(shown).unwrap(), value.digits, value.power));
            start = end;
        }
        rows
    }

    #[test]
    fn tokens_of_numerals() {
        let row = |text: &str, digits, power| (text.to_owned(), digits, power);
        assert_eq!(
            cut("a 1234567.89", Variant::Vocabulary),
            [
                row("a ", -1, 0),
                row("1", 1, 6),
                row("234", 234, 3),
                row("567", 567, 0),
                row(".", -1, 0),
                row("89", 89, -2),
            ]
        );
        assert_eq!(
            cut("0.0045", Variant::Marker),
            [
                row("0", 0, 0),
                row(".", -1, 0),
                row("004", 4, -3),
                row("\u{e}", -1, 0),
                row("5", 5, -4),
                row("\u{f}", -1, 0),
            ]
        );
        assert_eq!(
            cut("x1234", Variant::Vocabulary),
            [row("x", -1, 0), row("123", -1, 0), row("4", -1, 0)]
        );
    }

    #[test]
    fn only_what_is_annotated_right_has_a_value() {
        for (annotated, ends, digits) in [
            // No marker, a wrong one, one too many, and a token that is not the whole triad.
            (&b"1234"[..], &[1, 4][..], &[-1, 234][..]),
            (b"1\x02234", &[2, 5], &[-1, 234]),
            (b"1\x01\x01234", &[3, 6], &[-1, 234]),
            (b"1\x01234", &[2, 4, 5], &[1, -1, -1]),
            (b"1\x01234", &[2, 5], &[1, 234]),
        ] {
            let mut found = Vec::new();
            values(annotated, ends, &scheme(Variant::Vocabulary), &mut found);
            let found: Vec<i32> = found.into_iter().map(|value| value.digits).collect();
            assert_eq!(found, digits, "{annotated:?}");
        }
    }
}
