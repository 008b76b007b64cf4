//! The two lossy forms of the literature, for comparison.
//!
//! `author` writes a numeral as the converter published with the scheme does: letters for
//! suffixes, groups apart by spaces, `0`s behind the last group of the fraction. `paper` puts our
//! markers behind groups that are padded with `0` on both sides. Both are lossy: 0.1 and 0.100
//! come out alike. Text around numerals stays as it is.

use crate::Error;
use crate::grammar::{Grammar, INTEGER_LIMIT, Numeral};
use crate::marker;

const SUFFIXES: [&str; 6] = ["", "k", "m", "b", "t", "q"];

/// Appends the text with each numeral as `render` writes it.
fn rewrite(
    text: &[u8],
    grammar: &Grammar,
    out: &mut Vec<u8>,
    mut render: impl FnMut(&Numeral, &mut Vec<u8>),
) {
    let mut copied = 0;
    grammar.find(text, |numeral| {
        out.extend_from_slice(&text[copied..numeral.integer.start]);
        render(&numeral, out);
        copied = numeral.end();
    });
    out.extend_from_slice(&text[copied..]);
}

/// Appends the text in the form of the published converter: `1m 234k 567 . 890p`, or with
/// `separated` suffixes, `1 m 234 k 567 . 890 p`. Numerals of more than 18 digits before the
/// point are left alone unless the grammar is extended; the fraction may have any length.
///
/// # Errors
/// [`Error::Numeral`] for groups other than triads, and for commas.
pub fn author(
    text: &[u8],
    grammar: &Grammar,
    separated: bool,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    if grammar.group_size() != 3 || grammar.reads_commas() {
        return Err(Error::Numeral(
            "the style \"author\" has triads without commas: use group_size=3 and grouped=False"
                .into(),
        ));
    }
    let space: &[u8] = if separated { b" " } else { b"" };
    let limit = if grammar.is_extended() {
        usize::MAX
    } else {
        INTEGER_LIMIT
    };
    rewrite(text, &grammar.extend(true), out, |numeral, out| {
        if numeral.integer_digits() > limit {
            out.extend_from_slice(&text[numeral.integer.start..numeral.end()]);
            return;
        }
        let mut first = true;
        numeral.groups(3, |range, order| {
            if !std::mem::take(&mut first) {
                out.push(b' ');
            }
            if order == -1 {
                out.extend_from_slice(b". ");
            }
            let length = range.len();
            out.extend_from_slice(&text[range]);
            if order < 0 {
                out.extend(std::iter::repeat_n(b'0', 3 - length));
                out.extend_from_slice(space);
                out.extend(std::iter::repeat_n(b'p', order.unsigned_abs()));
            } else if order > 0 {
                out.extend_from_slice(space);
                match SUFFIXES.get(order.unsigned_abs()) {
                    Some(suffix) => out.extend_from_slice(suffix.as_bytes()),
                    None => out.extend_from_slice(format!("e{}", 3 * order).as_bytes()),
                }
            }
        });
    });
    Ok(())
}

/// Appends the text with groups padded on both sides: `001{m}234{k}567.890{p}`.
///
/// # Errors
/// [`Error::Numeral`] for commas.
pub fn paper(text: &[u8], grammar: &Grammar, out: &mut Vec<u8>) -> Result<(), Error> {
    if grammar.reads_commas() {
        return Err(Error::Numeral(
            "the style \"paper\" has no commas: use grouped=False".into(),
        ));
    }
    let size = grammar.group_size();
    rewrite(text, grammar, out, |numeral, out| {
        numeral.groups(size, |range, order| {
            let padding = std::iter::repeat_n(b'0', size - range.len());
            if order == -1 {
                out.push(b'.');
            }
            if order >= 0 {
                out.extend(padding);
                out.extend_from_slice(&text[range]);
                marker::integer(order.unsigned_abs(), |part| out.extend_from_slice(part));
            } else {
                out.extend_from_slice(&text[range]);
                out.extend(padding);
                marker::fraction(order.unsigned_abs(), |part| out.extend_from_slice(part));
            }
        });
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn authored(text: &str, separated: bool) -> String {
        let mut out = Vec::new();
        author(text.as_bytes(), &Grammar::default(), separated, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn as_published() {
        for (text, compact, separated) in [
            ("1234567.89", "1m 234k 567 . 890p", "1 m 234 k 567 . 890 p"),
            (
                "12345678.1234",
                "12m 345k 678 . 123p 400pp",
                "12 m 345 k 678 . 123 p 400 pp",
            ),
            ("1045006", "1m 045k 006", "1 m 045 k 006"),
            ("0.0045", "0 . 004p 500pp", "0 . 004 p 500 pp"),
            ("-123.45", "-123 . 450p", "-123 . 450 p"),
            ("999 x", "999 x", "999 x"),
            ("007", "007", "007"),
            (
                "1234567890123456789",
                "1234567890123456789",
                "1234567890123456789",
            ),
        ] {
            assert_eq!(authored(text, false), compact);
            assert_eq!(authored(text, true), separated);
        }
        assert!(authored("0.1234567890123456", false).ends_with(" 600pppppp"));
        let mut out = Vec::new();
        let extended = Grammar::default().extend(true);
        author(b"1000000000000000000", &extended, false, &mut out).unwrap();
        assert_eq!(out, b"1e18 000q 000t 000b 000m 000k 000");
    }

    #[test]
    fn padded() {
        let mut out = Vec::new();
        paper(b"1234567.89 0.1 5", &Grammar::default(), &mut out).unwrap();
        assert_eq!(out, b"001\x02234\x01567.890\x0E 000.100\x0E 005");
    }

    #[test]
    fn refused() {
        let grouped = Grammar::default().grouped(true).unwrap();
        let mut out = Vec::new();
        assert!(author(b"", &grouped, false, &mut out).is_err());
        assert!(author(b"", &Grammar::new(2).unwrap(), false, &mut out).is_err());
        assert!(paper(b"", &grouped, &mut out).is_err());
    }
}
