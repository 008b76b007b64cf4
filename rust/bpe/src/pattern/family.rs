//! The patterns of known tokenizers, by name.
//!
//! A pattern belongs to a family if its rules equal those of one of the spellings here: other
//! groupings, possessive quantifiers that change nothing and redundant branches do not matter.
//!
//! Cost: the table is parsed once, in a few milliseconds.

use super::Dialect;
use super::blocks::Shape;
use super::rules::{Rule, recognise};
use super::syntax::parse;
use regex_syntax::hir::ClassUnicode;
use std::sync::OnceLock;

/// Contractions in any case, with the long s.
macro_rules! folded {
    () => {
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    };
}

/// Contractions in ASCII case only, as they are written where `(?i)` is not to be had.
macro_rules! ascii_folded {
    () => {
        "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
    };
}

/// The branches of the word families behind the contractions, with the size of a number.
macro_rules! words {
    ($numbers:literal, $spaces:literal) => {
        concat!(
            r"|[^\r\n\p{L}\p{N}]?\p{L}+|",
            $numbers,
            r"| ?[^\s\p{L}\p{N}]+[\r\n]*|",
            $spaces
        )
    };
}

/// The words of the families in which case counts, and the branches behind them.
macro_rules! cased {
    ($suffix:expr, $rest:literal) => {
        concat!(
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
            $suffix,
            r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
            $suffix,
            $rest
        )
    };
}

/// Name, formulas for ASCII, spelling.
const KNOWN: &[(&str, Option<Shape>, &str)] = &[
    (
        "gpt2",
        Some(Shape::Gpt2),
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    ),
    (
        "gpt2-plain",
        Some(Shape::Gpt2Plain),
        r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    ),
    (
        "cl100k",
        Some(Shape::Cl100k),
        concat!(
            folded!(),
            words!(r"\p{N}{1,3}", r"\s*[\r\n]+|\s+(?!\S)|\s+")
        ),
    ),
    (
        "cl100k",
        Some(Shape::Cl100k),
        concat!(
            folded!(),
            words!(r"\p{N}{1,3}", r"\s++$|\s*[\r\n]|\s+(?!\S)|\s")
        ),
    ),
    (
        "cl100k",
        Some(Shape::Cl100k),
        concat!(folded!(), words!(r"\d{1,3}", r"\s*[\r\n]+|\s+(?!\S)|\s+")),
    ),
    (
        "cl100k",
        Some(Shape::Cl100k),
        concat!(
            folded!(),
            words!(r"\d{1,3}", r"\s++$|\s*[\r\n]|\s+(?!\S)|\s")
        ),
    ),
    (
        "cl100k",
        Some(Shape::Cl100k),
        concat!(
            ascii_folded!(),
            words!(r"\p{N}{1,3}", r"\s*[\r\n]+|\s+(?!\S)|\s+")
        ),
    ),
    (
        "qwen2",
        Some(Shape::Qwen),
        concat!(folded!(), words!(r"\p{N}", r"\s*[\r\n]+|\s+(?!\S)|\s+")),
    ),
    (
        "qwen2",
        Some(Shape::Qwen),
        concat!(
            ascii_folded!(),
            words!(r"\p{N}", r"\s*[\r\n]+|\s+(?!\S)|\s+")
        ),
    ),
    (
        "qwen3.5",
        Some(Shape::Qwen),
        concat!(
            folded!(),
            r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
    ),
    (
        "o200k",
        Some(Shape::O200k),
        cased!(
            concat!(folded!(), "?"),
            r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
    ),
    (
        "o200k",
        Some(Shape::O200k),
        cased!(
            concat!(folded!(), "?"),
            r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
        ),
    ),
    (
        "o200k",
        Some(Shape::O200k),
        cased!(
            concat!(folded!(), "?"),
            r"|\d{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
    ),
    (
        "o200k",
        Some(Shape::O200k),
        cased!(
            concat!(ascii_folded!(), "?"),
            r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
    ),
    (
        "tekken",
        Some(Shape::Tekken),
        cased!(
            "",
            r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
    ),
    (
        "superbpe-b1",
        Some(Shape::SuperB1),
        cased!(
            "",
            r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
    ),
    (
        "superbpe-b2",
        Some(Shape::SuperB2),
        r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]{2,}[\r\n/]*| +(?!\S)",
    ),
    (
        "superbpe-a1",
        Some(Shape::SuperA1),
        r"(?=(\d{3})+(?!\d))| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    ),
    ("superbpe-a2", None, r"(?=(\d{3})+(?!\d))"),
    (
        "deepseek-words",
        None,
        concat!(
            r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"##,
            r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
    ),
    ("deepseek-cjk", None, "[一-龥\u{3040}-ゟ゠-ヿ]+"),
    (
        "numbers-right",
        None,
        r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))",
    ),
    ("numbers-right", None, r"\d{1,3}(?=(?:\d{3})*(?!\d))"),
    ("numbers-right", None, r"(?=(\p{N}{3})+(?!\p{N}))"),
    (
        "numbers-right",
        None,
        r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))|\p{N}+|\P{N}+",
    ),
    (
        "numbers-right",
        None,
        r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))|\P{N}+",
    ),
    (
        "numbers-right",
        None,
        r"\p{N}{1,3}(?=(?:\d{3})*(?!\d))|\p{N}+|\P{N}+",
    ),
];

/// Name, formulas and rules.
type Known = (&'static str, Option<Shape>, Vec<Rule<ClassUnicode>>);

/// The families with their rules, read once.
fn table() -> &'static [Known] {
    static TABLE: OnceLock<Vec<Known>> = OnceLock::new();
    TABLE.get_or_init(|| {
        KNOWN
            .iter()
            .filter_map(|(name, shape, source)| {
                Some((*name, *shape, recognise(&parse(source, Dialect::Rust)?)?))
            })
            .collect()
    })
}

/// The number and the spelling of the first family with these rules.
pub(crate) fn find(rules: &[Rule<ClassUnicode>]) -> Option<(usize, &'static str)> {
    let number = table().iter().position(|(_, _, known)| known == rules)?;
    KNOWN.get(number).map(|(_, _, source)| (number, *source))
}

/// Name and spelling of every family.
#[cfg(test)]
pub(crate) fn spellings() -> impl Iterator<Item = (&'static str, &'static str)> {
    KNOWN.iter().map(|(name, _, source)| (*name, *source))
}

/// Name and formulas of the family with these rules: one of [`KNOWN`], `run` for one class,
/// repeated or not, `rules` for any other list.
pub(crate) fn recognise_family(rules: &[Rule<ClassUnicode>]) -> (&'static str, Option<Shape>) {
    if let Some((name, shape, _)) = table().iter().find(|(_, _, known)| known == rules) {
        return (name, *shape);
    }
    match rules {
        [
            Rule::Run {
                lead: None,
                tail: None,
                suffix,
                ..
            },
        ] if suffix.is_empty() => ("run", None),
        _ => ("rules", None),
    }
}
