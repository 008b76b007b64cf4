//! The same as regular expressions, for software that has no kernel.
//!
//! A recipe is a list of replacements for the text, one expression that cuts, and two replacements
//! for decoding, all in the expressions that `tokenizers` runs (Oniguruma's). The first
//! replacement puts escapes. Then, the deepest first, each depth of fractions gets its marker if
//! the numeral as a whole is one; then, the highest first, each order of integer parts. A later
//! step knows that a numeral was accepted by the marker that stands in it; a digit with a marker
//! is always ours, since escapes came first.
//!
//! Invariant: the replacements, one after the other, give what [`annotate`](crate::annotate) gives,
//! on every text. All repetitions are bounded, so each step is linear in the text.

use std::fmt::Write as _;

use crate::grammar::{FRACTION_LIMIT, Grammar, INTEGER_LIMIT};
use crate::marker;
use crate::vocabulary::{depths, orders};

/// What a token is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variant {
    /// Digits with their marker: one token a triad.
    Vocabulary,
    /// Digits, and a marker: two tokens a triad.
    Marker,
}

/// A grammar and what a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scheme {
    /// The rules for numerals; not extended, since a recipe has a step for each order.
    pub grammar: Grammar,
    /// What a token is.
    pub variant: Variant,
}

/// An expression and what its matches become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The expression.
    pub pattern: String,
    /// The new text.
    pub content: String,
}

const BEFORE: &str = r"(?<![\p{L}\p{N}_.,])";
const AFTER: &str = r"(?![\p{L}\p{N}_]|[.,][0-9])";
/// Any marker.
const MARKERS: &str = r"[\x01-\x05\x0E-\x12]";
/// Any marker in the alphabet that byte-level steps spell bytes in.
const SPELLED_MARKERS: &str = "[ā-ąĎ-Ē]";
/// The markers of fractions.
const FRACTION_MARKERS: &str = r"[\x0E-\x12]";

/// The step that every recipe starts with.
#[must_use]
pub fn escape() -> Replacement {
    Replacement {
        pattern: r"(?<=[0-9])(?=[\x01-\x05\x0E-\x12\x1A])".into(),
        content: char::from(marker::ESCAPE).into(),
    }
}

/// The steps that annotate a text.
#[must_use]
pub fn replacements(grammar: &Grammar) -> Vec<Replacement> {
    let size = grammar.group_size();
    let mut steps = vec![escape()];
    // Counted over the markers and commas that may stand between digits.
    let enough = match grammar.fewest_digits() {
        1 => String::new(),
        digits => format!("(?=(?:[0-9](?:[.,]|{MARKERS}+)?){{{digits}}})"),
    };
    let commas = if grammar.reads_commas() {
        format!(
            "|[1-9][0-9]{{0,2}}(?:,[0-9]{{3}}){{1,{}}}",
            INTEGER_LIMIT / 3 - 1
        )
    } else {
        String::new()
    };
    let integer = format!("(?:0|[1-9][0-9]{{0,{}}}{commas})", INTEGER_LIMIT - 1);
    for depth in (1..=depths(size)).rev() {
        let fewest = size * (depth - 1) + 1;
        let most = (size * depth).min(FRACTION_LIMIT);
        steps.push(Replacement {
            pattern: format!(
                r"{BEFORE}{enough}{integer}\.(?=[0-9]{{{fewest},{FRACTION_LIMIT}}}(?:{AFTER}|{FRACTION_MARKERS}))[0-9]{{{fewest},{most}}}\K"
            ),
            content: text(marker::fraction_bytes(depth)),
        });
    }
    let not_year = if grammar.keeps_years() {
        format!("(?!(?:1[0-9]{{3}}|20[0-9]{{2}}){AFTER})")
    } else {
        String::new()
    };
    let end = format!(r"(?:\.[0-9]{{1,{size}}}{FRACTION_MARKERS}|{AFTER})");
    for order in (1..=orders(size)).rev() {
        let most = size.min(INTEGER_LIMIT - size * order);
        let mut start = format!("{BEFORE}{not_year}{enough}[1-9][0-9]{{0,{}}}", most - 1);
        let mut rest = format!("(?:[0-9]{{{size}}}){{{order}}}{end}");
        if order < orders(size) {
            let above = escaped(&marker::integer_bytes(order + 1));
            let _ = write!(start, "|(?<=[0-9]{above})[0-9]{{{size}}}");
            if grammar.reads_commas() {
                let _ = write!(start, "|(?<=[0-9]{above},)[0-9]{{{size}}}");
            }
        }
        if grammar.reads_commas() {
            let _ = write!(rest, "|(?:,[0-9]{{{size}}}){{{order}}}{end}");
        }
        steps.push(Replacement {
            pattern: format!(r"(?:{start})\K(?={rest})"),
            content: text(marker::integer_bytes(order)),
        });
    }
    steps
}

/// The expression whose matches are pieces of an annotated text: groups of digits, with their
/// markers in the vocabulary variant, alone in the other.
#[must_use]
pub fn split(scheme: &Scheme) -> String {
    let size = scheme.grammar.group_size();
    match scheme.variant {
        Variant::Vocabulary => format!("[0-9]{{1,{size}}}{MARKERS}*"),
        Variant::Marker => format!("[0-9]{{1,{size}}}|(?<=[0-9]){MARKERS}+"),
    }
}

/// The expression that matches a piece with digits as a whole, and nothing in text without digits;
/// `spelled` is for steps that see bytes in the byte-level alphabet.
#[must_use]
pub fn guard(scheme: &Scheme, spelled: bool) -> String {
    let size = scheme.grammar.group_size();
    let markers = match (scheme.variant, spelled) {
        (Variant::Marker, _) => return format!("[0-9]{{1,{size}}}"),
        (Variant::Vocabulary, true) => SPELLED_MARKERS,
        (Variant::Vocabulary, false) => MARKERS,
    };
    format!("[0-9]{{1,{size}}}{markers}*")
}

/// The steps that restore a decoded text.
#[must_use]
pub fn restoring() -> [Replacement; 2] {
    [
        Replacement {
            pattern: format!("(?<=[0-9]){MARKERS}+"),
            content: String::new(),
        },
        Replacement {
            pattern: r"(?<=[0-9])\x1A".into(),
            content: String::new(),
        },
    ]
}

/// Markers are ASCII.
fn text(bytes: Vec<u8>) -> String {
    bytes.into_iter().map(char::from).collect()
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, r"\x{byte:02X}");
        out
    })
}
