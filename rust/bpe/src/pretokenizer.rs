//! The pre-tokenizer: a text cut into pretokens by steps, each inside the pieces of the one before.
//!
//! Most files have steps that only cut. Then pretokens are a bitmap over the text
//! ([`Pretokenizer::cut`]), made without an allocation for a piece. Steps that drop text
//! (`Removed`, `Whitespace`) or add some (`add_prefix_space`, `Metaspace`) need the general way
//! ([`Pretokenizer::split`]), which gives ranges over a rewritten text.
//!
//! `ByteLevel` maps bytes to the characters of its alphabet. The text stays in real bytes here; but
//! steps behind a `ByteLevel` step see the mapped characters, as the numeral `²` for byte `0xB2`,
//! and are applied to those.

use std::ops::Range;

use serde_json::Value;

use crate::Error;
use crate::aligned::Aligned;
use crate::byte_alphabet;
use crate::json::{Component, pattern};
use crate::pattern::{Dialect, Pattern};

/// GPT-2's pattern, which `ByteLevel` has built in.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// A pre-tokenizer of `tokenizer.json`, or the pattern of a tiktoken encoding.
#[derive(Debug, Clone)]
pub struct Pretokenizer {
    steps: Vec<Step>,
    is_byte_level: bool,
}

/// Pretokens as ranges of a text, in order, none of them empty.
#[derive(Debug, Clone)]
pub struct Pieces<'t> {
    /// The text, rewritten where a step does that.
    pub text: Aligned<'t>,
    /// The pretokens.
    pub ranges: Vec<Range<usize>>,
}

#[derive(Debug, Clone)]
enum Step {
    Split(Split),
    /// `add_prefix_space`: a space before every piece without one.
    Prefix,
    Metaspace {
        replacement: char,
        scheme: Scheme,
        split: bool,
    },
}

/// A step that cuts: matches of a pattern, and what becomes of them.
#[derive(Debug, Clone)]
struct Split {
    name: &'static str,
    pattern: Pattern,
    behavior: Behavior,
    invert: bool,
    /// The step is behind a `ByteLevel` step and sees its alphabet.
    mapped: bool,
}

/// What becomes of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behavior {
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}

const BEHAVIORS: [(&str, Behavior); 5] = [
    ("Removed", Behavior::Removed),
    ("Isolated", Behavior::Isolated),
    ("MergedWithPrevious", Behavior::MergedWithPrevious),
    ("MergedWithNext", Behavior::MergedWithNext),
    ("Contiguous", Behavior::Contiguous),
];

/// Where `Metaspace` puts its sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    First,
    Never,
    Always,
}

const SCHEMES: [(&str, Scheme); 3] = [
    ("first", Scheme::First),
    ("never", Scheme::Never),
    ("always", Scheme::Always),
];

impl Pretokenizer {
    /// Reads the `pre_tokenizer` of a file.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a component that is not applied here, [`Error::Vocab`] for a
    /// broken one.
    pub fn from_json(value: &Value) -> Result<Self, Error> {
        let mut pretokenizer = Self {
            steps: Vec::new(),
            is_byte_level: false,
        };
        if !value.is_null() {
            pretokenizer.read(&Component::new(value, "pre_tokenizer")?)?;
        }
        Ok(pretokenizer)
    }

    /// The pretokens of tiktoken: the matches of one pattern.
    #[must_use]
    pub fn from_pattern(pattern: Pattern) -> Self {
        let total = pattern.is_total();
        let split = Split {
            name: "Split",
            pattern,
            behavior: if total {
                Behavior::Isolated
            } else {
                Behavior::Removed
            },
            invert: !total,
            mapped: false,
        };
        Self {
            steps: vec![Step::Split(split)],
            is_byte_level: true,
        }
    }

    fn read(&mut self, component: &Component) -> Result<(), Error> {
        let behavior = || component.choice("behavior", &BEHAVIORS);
        match component.kind() {
            "Sequence" => {
                for inner in component.components("pretokenizers")? {
                    self.read(&inner)?;
                }
            }
            "ByteLevel" => {
                if component.flag("add_prefix_space", Some(true))? {
                    self.refuse_mapped(component)?;
                    self.steps.push(Step::Prefix);
                }
                component.flag("trim_offsets", Some(true))?;
                if component.flag("use_regex", Some(true))? {
                    let pattern = Pattern::new(GPT2, Dialect::Oniguruma)?;
                    self.push("ByteLevel", pattern, Behavior::Isolated, false);
                }
                if self.is_byte_level {
                    return Err(component.refuse("a second ByteLevel step maps bytes twice"));
                }
                self.is_byte_level = true;
            }
            "Split" => {
                let pattern = pattern(component, "pattern")?;
                let invert = component.flag("invert", None)?;
                self.push("Split", pattern, behavior()?, invert);
            }
            "Digits" => {
                let alone = component.flag("individual_digits", None)?;
                let pattern = if alone { r"\p{N}" } else { r"\p{N}+" };
                let pattern = Pattern::new(pattern, Dialect::Rust)?;
                self.push("Digits", pattern, Behavior::Isolated, false);
            }
            "Punctuation" => {
                let behavior = match component.get("behavior") {
                    Some(_) => behavior()?,
                    None => Behavior::Isolated,
                };
                let pattern = Pattern::new(r"[!-/:-@\[-`{-~\p{P}]", Dialect::Rust)?;
                self.push("Punctuation", pattern, behavior, false);
            }
            "Whitespace" => {
                let pattern = Pattern::new(r"\w+|[^\w\s]+", Dialect::Rust)?;
                self.push("Whitespace", pattern, Behavior::Removed, true);
            }
            "WhitespaceSplit" => {
                let pattern = Pattern::new(r"\s", Dialect::Rust)?;
                self.push("WhitespaceSplit", pattern, Behavior::Removed, false);
            }
            "Metaspace" => {
                self.refuse_mapped(component)?;
                let mut scheme = match component.get("prepend_scheme") {
                    Some(_) => component.choice("prepend_scheme", &SCHEMES)?,
                    None => Scheme::Always,
                };
                // The field of older files.
                if !component.flag("add_prefix_space", Some(true))? {
                    if component.get("prepend_scheme").is_some() && scheme != Scheme::Never {
                        return Err(component.refuse(
                            "add_prefix_space is false, but prepend_scheme is not \"never\"",
                        ));
                    }
                    scheme = Scheme::Never;
                }
                self.steps.push(Step::Metaspace {
                    replacement: component.character("replacement")?,
                    scheme,
                    split: component.flag("split", Some(true))?,
                });
            }
            _ => return Err(component.unsupported()),
        }
        Ok(())
    }

    fn push(&mut self, name: &'static str, pattern: Pattern, behavior: Behavior, invert: bool) {
        self.steps.push(Step::Split(Split {
            name,
            pattern,
            behavior,
            invert,
            mapped: self.is_byte_level,
        }));
    }

    fn refuse_mapped(&self, component: &Component) -> Result<(), Error> {
        if self.is_byte_level {
            return Err(component.refuse("it adds text behind a ByteLevel step"));
        }
        Ok(())
    }

    /// Whether a `ByteLevel` step is there: the model's smallest tokens are bytes.
    #[must_use]
    pub fn is_byte_level(&self) -> bool {
        self.is_byte_level
    }

    /// Whether every step keeps all text in its place and adds none.
    #[must_use]
    pub fn cuts_only(&self) -> bool {
        self.steps
            .iter()
            .all(|step| matches!(step, Step::Split(split) if split.behavior != Behavior::Removed))
    }

    /// Whether a step looks at where a text starts in the original.
    #[must_use]
    pub fn needs_origin(&self) -> bool {
        self.steps.iter().any(|step| {
            matches!(
                step,
                Step::Metaspace {
                    scheme: Scheme::First,
                    ..
                }
            )
        })
    }

    /// The first step that can drop text or add some.
    #[must_use]
    pub fn lossy_name(&self) -> Option<String> {
        self.steps.iter().find_map(|step| match step {
            Step::Split(split) if split.behavior == Behavior::Removed => {
                Some(format!("pre_tokenizer ({}: text is removed)", split.name))
            }
            Step::Split(_) => None,
            Step::Prefix => Some("pre_tokenizer (ByteLevel, add_prefix_space)".into()),
            Step::Metaspace { .. } => Some("pre_tokenizer (Metaspace)".into()),
        })
    }

    /// The steps for people: names, and of patterns the family or that the general engine has it.
    #[must_use]
    pub fn describe(&self) -> String {
        let steps: Vec<String> = self
            .steps
            .iter()
            .map(|step| match step {
                Step::Split(Split {
                    name: "Split",
                    pattern,
                    ..
                }) => match pattern.family() {
                    Some(family) => format!("Split ({family})"),
                    None => format!("Split (general regex {:?})", pattern.source()),
                },
                Step::Split(split) => split.name.into(),
                Step::Prefix => "add_prefix_space".into(),
                Step::Metaspace { .. } => "Metaspace".into(),
            })
            .chain((self.is_byte_level).then(|| "bytes".into()))
            .collect();
        if steps.is_empty() {
            "none".into()
        } else {
            steps.join(", ")
        }
    }

    /// Sets bit `p % 64` of `cuts[p / 64]` for every place `p` inside the text where a pretoken
    /// starts. Only where [`Pretokenizer::cuts_only`]; `cuts` has a bit for each byte.
    ///
    /// # Errors
    /// [`Error::Pretokenize`] where the general engine gives up.
    pub fn cut(&self, text: &[u8], cuts: &mut [u64]) -> Result<(), Error> {
        for (index, step) in self.steps.iter().enumerate() {
            let Step::Split(split) = step else { continue };
            if index == 0 {
                split.cut(text, 0, text.len(), cuts)?;
                continue;
            }
            // New cuts lie inside the piece at hand, so the next border stays where it is.
            let mut from = 0;
            while from < text.len() {
                let to = next_bit(cuts, from + 1)
                    .unwrap_or(text.len())
                    .min(text.len());
                split.cut(text, from, to, cuts)?;
                from = to;
            }
        }
        Ok(())
    }

    /// The pretokens of a text.
    ///
    /// # Errors
    /// [`Error::Pretokenize`] where the general engine gives up.
    pub fn split<'t>(&self, text: Aligned<'t>) -> Result<Pieces<'t>, Error> {
        let whole = 0..text.text().len();
        let mut pieces = Pieces {
            text,
            ranges: if whole.is_empty() {
                Vec::new()
            } else {
                vec![whole]
            },
        };
        for step in &self.steps {
            match step {
                Step::Split(split) => {
                    let mut ranges = Vec::with_capacity(pieces.ranges.len());
                    for range in &pieces.ranges {
                        split.pieces(pieces.text.text(), range.clone(), &mut ranges)?;
                    }
                    pieces.ranges = ranges;
                }
                Step::Prefix => pieces.rewrite(|piece| {
                    if !piece.text().starts_with(b" ") {
                        piece.prepend(" ");
                    }
                }),
                &Step::Metaspace {
                    replacement,
                    scheme,
                    split,
                } => {
                    pieces.metaspace(replacement, scheme, split);
                }
            }
        }
        Ok(pieces)
    }
}

impl Pieces<'_> {
    /// Rewrites each piece.
    fn rewrite(&mut self, change: impl Fn(&mut Aligned)) {
        let parts: Vec<Aligned> = self
            .ranges
            .iter()
            .map(|range| {
                let mut piece = self.text.slice(range.clone());
                change(&mut piece);
                piece
            })
            .collect();
        let (text, ranges) = Aligned::join(parts, self.text.origin(), self.text.is_tracked());
        self.text = text;
        self.ranges = ranges
            .into_iter()
            .filter(|range| !range.is_empty())
            .collect();
    }

    fn metaspace(&mut self, replacement: char, scheme: Scheme, split: bool) {
        let mut sign = [0; 4];
        let sign = &*replacement.encode_utf8(&mut sign);
        self.rewrite(|piece| {
            let spaces: Vec<(usize, usize)> = memchr::memchr_iter(b' ', piece.text())
                .map(|place| (place, place + 1))
                .collect();
            let origin = piece.origin();
            piece.replace(&spaces, sign);
            let wanted = match scheme {
                Scheme::Always => true,
                Scheme::First => origin == 0,
                Scheme::Never => false,
            };
            if wanted && !piece.text().starts_with(sign.as_bytes()) {
                piece.prepend(sign);
            }
        });
        if !split {
            return;
        }
        let text = self.text.text();
        let mut ranges = Vec::new();
        for range in &self.ranges {
            let mut matches = Vec::new();
            for place in memchr::memmem::find_iter(&text[range.clone()], sign) {
                let start = range.start + place;
                matches.push((start, start + sign.len()));
            }
            let spans = with_gaps(range.clone(), &matches, false);
            ranges.extend(Behavior::MergedWithNext.pieces(&spans));
        }
        self.ranges = ranges;
    }
}

impl Split {
    /// The cuts of the step inside a piece.
    fn cut(&self, text: &[u8], from: usize, to: usize, cuts: &mut [u64]) -> Result<(), Error> {
        if self.behavior == Behavior::Isolated && !self.mapped {
            // Matches and gaps are both pieces, so `invert` changes nothing.
            return self.pattern.cut(text, from, to, cuts);
        }
        let mut ranges = Vec::new();
        self.pieces(text, from..to, &mut ranges)?;
        for range in ranges {
            if range.start > from {
                cuts[range.start / 64] |= 1 << (range.start % 64);
            }
        }
        Ok(())
    }

    /// The pieces of the step inside a piece.
    fn pieces(
        &self,
        text: &[u8],
        range: Range<usize>,
        out: &mut Vec<Range<usize>>,
    ) -> Result<(), Error> {
        let mut matches = Vec::new();
        if self.mapped {
            // One character for each byte: the map of places is the count of characters.
            let mut mapped = String::with_capacity(2 * range.len());
            let mut places = Vec::with_capacity(2 * range.len() + 1);
            for (place, &byte) in text[range.clone()].iter().enumerate() {
                mapped.push(byte_alphabet::char_of(byte));
                places.resize(mapped.len(), range.start + place);
            }
            places.push(range.end);
            self.pattern.for_each_match(
                mapped.as_bytes(),
                0,
                mapped.len(),
                &mut |start, end| {
                    matches.push((places[start], places[end]));
                },
            )?;
        } else {
            self.pattern
                .for_each_match(text, range.start, range.end, &mut |start, end| {
                    matches.push((start, end));
                })?;
        }
        let spans = with_gaps(range, &matches, self.invert);
        out.extend(self.behavior.pieces(&spans));
        Ok(())
    }
}

/// Matches and the gaps between them, with a mark on the matches, or on the gaps with `invert`.
fn with_gaps(
    range: Range<usize>,
    matches: &[(usize, usize)],
    invert: bool,
) -> Vec<(usize, usize, bool)> {
    let mut spans = Vec::with_capacity(2 * matches.len() + 1);
    let mut done = range.start;
    for &(start, end) in matches {
        if start != done {
            spans.push((done, start, invert));
        }
        spans.push((start, end, !invert));
        done = end;
    }
    if done != range.end {
        spans.push((done, range.end, invert));
    }
    spans
}

impl Behavior {
    /// The pieces that the spans of a text become, as in `tokenizers`; empty ones are left out.
    fn pieces(self, spans: &[(usize, usize, bool)]) -> impl Iterator<Item = Range<usize>> + use<> {
        let mut pieces: Vec<Range<usize>> = Vec::with_capacity(spans.len());
        let mut before = false;
        match self {
            Self::Isolated => pieces.extend(spans.iter().map(|&(start, end, _)| start..end)),
            Self::Removed => {
                let kept = spans.iter().filter(|(_, _, is_match)| !is_match);
                pieces.extend(kept.map(|&(start, end, _)| start..end));
            }
            Self::Contiguous | Self::MergedWithPrevious => {
                for &(start, end, is_match) in spans {
                    let joins = if self == Self::Contiguous {
                        is_match == before
                    } else {
                        is_match && !before
                    };
                    match pieces.last_mut() {
                        Some(last) if joins => last.end = end,
                        _ => pieces.push(start..end),
                    }
                    before = is_match;
                }
            }
            Self::MergedWithNext => {
                for &(start, end, is_match) in spans.iter().rev() {
                    match pieces.last_mut() {
                        Some(last) if is_match && !before => last.start = start,
                        _ => pieces.push(start..end),
                    }
                    before = is_match;
                }
                pieces.reverse();
            }
        }
        pieces.into_iter().filter(|piece| !piece.is_empty())
    }
}

/// The first set bit at or behind a place.
fn next_bit(bits: &[u64], from: usize) -> Option<usize> {
    let mut word = from / 64;
    let mut rest = bits.get(word)? & (u64::MAX << (from % 64));
    while rest == 0 {
        word += 1;
        rest = *bits.get(word)?;
    }
    Some(64 * word + rest.trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn split(step: &Value, text: &str) -> Vec<String> {
        let pretokenizer = Pretokenizer::from_json(step).unwrap();
        let pieces = pretokenizer
            .split(Aligned::new(text.as_bytes(), 0, true))
            .unwrap();
        pieces
            .ranges
            .iter()
            .map(|range| String::from_utf8_lossy(&pieces.text.text()[range.clone()]).into_owned())
            .collect()
    }

    #[test]
    fn behaviors() {
        // The example of the documentation of `tokenizers`.
        for (behavior, expected) in [
            ("Removed", vec!["the", "final", "countdown"]),
            ("Isolated", vec!["the", "-", "final", "-", "-", "countdown"]),
            (
                "MergedWithPrevious",
                vec!["the-", "final-", "-", "countdown"],
            ),
            ("MergedWithNext", vec!["the", "-final", "-", "-countdown"]),
            ("Contiguous", vec!["the", "-", "final", "--", "countdown"]),
        ] {
            let step = json!({"type": "Split", "pattern": {"String": "-"}, "behavior": behavior, "invert": false});
            assert_eq!(split(&step, "the-final--countdown"), expected, "{behavior}");
        }
        let words = json!({"type": "Split", "pattern": {"Regex": "[a-z]+"}, "behavior": "Removed", "invert": true});
        assert_eq!(
            split(&words, "the-final--countdown"),
            ["the", "final", "countdown"]
        );
    }

    #[test]
    fn steps() {
        for (step, text, expected) in [
            (
                json!({"type": "Digits", "individual_digits": false}),
                "a12b³",
                vec!["a", "12", "b", "³"],
            ),
            (
                json!({"type": "Digits", "individual_digits": true}),
                "a12b",
                vec!["a", "1", "2", "b"],
            ),
            (
                json!({"type": "Punctuation"}),
                "a+b。c",
                vec!["a", "+", "b", "。", "c"],
            ),
            (
                json!({"type": "Whitespace"}),
                " a b!?\n",
                vec!["a", "b", "!?"],
            ),
            (
                json!({"type": "WhitespaceSplit"}),
                " a b!\u{3000}c",
                vec!["a", "b!", "c"],
            ),
            (
                json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true}),
                "a b's",
                vec![" a", " b", "'s"],
            ),
            (
                json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}),
                "a b",
                vec!["a b"],
            ),
            (
                json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}),
                "a  b",
                vec!["▁a", "▁", "▁b"],
            ),
            (
                json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": false}),
                "a b",
                vec!["a▁b"],
            ),
            (
                json!({"type": "Metaspace", "replacement": "_", "add_prefix_space": false}),
                "a b",
                vec!["a", "_b"],
            ),
        ] {
            assert_eq!(split(&step, text), expected, "{step}");
        }
    }

    #[test]
    fn steps_behind_byte_level_see_its_alphabet() {
        // "ò" is C3 B2, and B2 is the numeral "²" there.
        let steps = json!({"type": "Sequence", "pretokenizers": [
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
            {"type": "Digits", "individual_digits": false},
        ]});
        let pretokenizer = Pretokenizer::from_json(&steps).unwrap();
        let pieces = pretokenizer
            .split(Aligned::new("aò7".as_bytes(), 0, true))
            .unwrap();
        assert_eq!(pieces.ranges, [0..2, 2..4]);
    }

    #[test]
    fn metaspace_first_is_at_the_start_of_the_original() {
        let step = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first"});
        let pretokenizer = Pretokenizer::from_json(&step).unwrap();
        for (base, expected) in [(0, "▁a"), (5, "a")] {
            let pieces = pretokenizer.split(Aligned::new(b"a", base, true)).unwrap();
            assert_eq!(pieces.text.text(), expected.as_bytes());
        }
    }

    #[test]
    fn refused() {
        let byte_level = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": false});
        for (value, part) in [
            (
                json!({"type": "BertPreTokenizer"}),
                "pre_tokenizer (BertPreTokenizer)",
            ),
            (
                json!({"type": "Sequence", "pretokenizers": [{"type": "CharDelimiterSplit", "delimiter": "x"}]}),
                "pre_tokenizer.pretokenizers[0] (CharDelimiterSplit)",
            ),
            (
                json!({"type": "Split", "pattern": {"String": "a"}, "behavior": "Sometimes", "invert": false}),
                "Sometimes",
            ),
            (
                json!({"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": false}),
                "(",
            ),
            (json!({"type": "Digits"}), "individual_digits"),
            (
                json!({"type": "Metaspace", "replacement": "ab"}),
                "one character",
            ),
            (
                json!({"type": "Sequence", "pretokenizers": [byte_level, byte_level]}),
                "ByteLevel",
            ),
        ] {
            let error = Pretokenizer::from_json(&value).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    fn step() -> impl Strategy<Value = Value> {
        let behavior = prop::sample::select(vec![
            "Isolated",
            "MergedWithPrevious",
            "MergedWithNext",
            "Contiguous",
        ]);
        let pattern = prop::sample::select(vec![
            json!({"Regex": r"\p{N}{1,3}"}),
            json!({"Regex": r" ?\p{L}+"}),
            json!({"Regex": r"(?=(\d{3})+(?!\d))"}),
            json!({"Regex": r"\s+(?!\S)|\s+"}),
            json!({"String": "a"}),
            json!({"String": " "}),
        ]);
        prop_oneof![
            (pattern, behavior.clone(), any::<bool>()).prop_map(|(pattern, behavior, invert)| {
                json!({"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert})
            }),
            any::<bool>().prop_map(|alone| json!({"type": "Digits", "individual_digits": alone})),
            behavior.prop_map(|behavior| json!({"type": "Punctuation", "behavior": behavior})),
            Just(json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true})),
        ]
    }

    proptest! {
        #[test]
        fn cut_is_split(
            steps in prop::collection::vec(step(), 0..4),
            text in "[ab1²3 .,'\n\u{e9}\u{4e2d}\u{3000}]{0,40}",
        ) {
            let byte_levels = steps.iter().filter(|step| step["type"] == "ByteLevel").count();
            prop_assume!(byte_levels < 2);
            let sequence = json!({"type": "Sequence", "pretokenizers": steps});
            let pretokenizer = Pretokenizer::from_json(&sequence).unwrap();
            prop_assert!(pretokenizer.cuts_only());
            let pieces = pretokenizer.split(Aligned::new(text.as_bytes(), 0, true)).unwrap();
            prop_assert_eq!(pieces.text.text(), text.as_bytes());
            let mut end = 0;
            for range in &pieces.ranges {
                prop_assert_eq!(range.start, end);
                prop_assert!(!range.is_empty());
                end = range.end;
            }
            prop_assert_eq!(end, text.len());
            let mut cuts = vec![0; text.len() / 64 + 1];
            pretokenizer.cut(text.as_bytes(), &mut cuts).unwrap();
            let starts: Vec<usize> = (0..text.len()).filter(|place| cuts[place / 64] >> (place % 64) & 1 != 0).collect();
            let expected: Vec<usize> = pieces.ranges.iter().skip(1).map(|range| range.start).collect();
            prop_assert_eq!(starts, expected);
        }
    }
}
