//! The kernel against slow twins: the grammar written from its definition, and the recipe's
//! expressions run one after the other.
#![allow(clippy::unwrap_used, missing_docs)]

use fancy_regex::Regex;
use proptest::prelude::*;
use tokseam_triadic::annotate::{Restorer, annotate, insertions, restore};
use tokseam_triadic::file::{self, Components};
use tokseam_triadic::recipe::{self, Scheme, Variant};
use tokseam_triadic::values::pieces;
use tokseam_triadic::{Grammar, marker};

/// Whether a character is a letter or a number, by the tables of the expression engine.
fn is_letter_or_number(character: char) -> bool {
    thread_local! {
        static CLASS: Regex = Regex::new(r"^[\p{L}\p{N}]$").unwrap();
    }
    CLASS.with(|class| class.is_match(&character.to_string()).unwrap())
}

/// A literal with its markers, if it is a numeral.
fn annotated_numeral(literal: &str, grammar: &Grammar) -> Option<String> {
    let (integer, fraction) = match literal.split_once('.') {
        Some((integer, fraction)) => (integer, Some(fraction)),
        None => (literal, None),
    };
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let grouped = grammar.reads_commas() && integer.contains(',');
    let groups: Vec<&str> = integer.split(',').collect();
    if grouped {
        let whole = groups[1..].iter().all(|group| group.len() == 3);
        if !whole || groups[0].len() > 3 || groups[0].starts_with('0') {
            return None;
        }
    }
    let bare: String = if grouped {
        groups.concat()
    } else {
        integer.to_owned()
    };
    if !all_digits(&bare)
        || (bare.len() > 1 && bare.starts_with('0'))
        || fraction.is_some_and(|fraction| !all_digits(fraction))
    {
        return None;
    }
    let behind = fraction.map_or(0, str::len);
    if !grammar.is_extended() && (bare.len() > 18 || behind > 15) {
        return None;
    }
    if bare.len() + behind < grammar.fewest_digits() {
        return None;
    }
    let year = !grouped && fraction.is_none() && bare.len() == 4;
    if grammar.keeps_years() && year && ("1000"..="2099").contains(&bare.as_str()) {
        return None;
    }
    let size = grammar.group_size();
    let mut out = String::new();
    for (place, character) in bare.chars().enumerate() {
        let left = bare.len() - place;
        if place > 0 && left.is_multiple_of(size) {
            out.extend(
                marker::integer_bytes(left / size)
                    .into_iter()
                    .map(char::from),
            );
            out.extend(grouped.then_some(','));
        }
        out.push(character);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        for (place, character) in fraction.chars().enumerate() {
            out.push(character);
            if (place + 1) % size == 0 || place + 1 == fraction.len() {
                let depth = place / size + 1;
                out.extend(marker::fraction_bytes(depth).into_iter().map(char::from));
            }
        }
    }
    Some(out)
}

/// Annotates from the definition: at every place where a numeral may start, every end is tried.
fn annotated_slowly(text: &str, grammar: &Grammar) -> String {
    let text: Vec<char> = text.chars().collect();
    let digit = |place: usize| text.get(place).is_some_and(char::is_ascii_digit);
    let blocked_before = |start: usize| {
        start > 0
            && (is_letter_or_number(text[start - 1]) || matches!(text[start - 1], '_' | '.' | ','))
    };
    let blocked_after = |end: usize| match text.get(end) {
        None => false,
        Some('.' | ',') => digit(end + 1),
        Some(&character) => character == '_' || is_letter_or_number(character),
    };
    let mut out = String::new();
    let mut place = 0;
    while place < text.len() {
        let mut end = place;
        let mut written = None;
        if digit(place) && !blocked_before(place) {
            let mut last = place;
            while text
                .get(last)
                .is_some_and(|c| c.is_ascii_digit() || matches!(c, '.' | ','))
            {
                last += 1;
            }
            for stop in (place + 1..=last).rev() {
                if blocked_after(stop) {
                    continue;
                }
                if let Some(found) =
                    annotated_numeral(&text[place..stop].iter().collect::<String>(), grammar)
                {
                    (end, written) = (stop, Some(found));
                    break;
                }
            }
        }
        let copied = written.unwrap_or_else(|| {
            end = place + 1;
            text[place].to_string()
        });
        out.push_str(&copied);
        place = end;
        let escape = text
            .get(place)
            .is_some_and(|&c| c.is_ascii() && marker::needs_escape(c as u8));
        if text[place - 1].is_ascii_digit() && escape {
            out.push(char::from(marker::ESCAPE));
        }
    }
    out
}

/// A list of replacements, compiled.
struct Steps(Vec<(Regex, String)>);

impl Steps {
    fn new(replacements: &[recipe::Replacement]) -> Self {
        let compiled = replacements
            .iter()
            .map(|step| (Regex::new(&step.pattern).unwrap(), step.content.clone()));
        Self(compiled.collect())
    }

    fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (pattern, content) in &self.0 {
            let mut out = String::new();
            let mut copied = 0;
            for found in pattern.find_iter(&text) {
                let found = found.unwrap();
                out.push_str(&text[copied..found.start()]);
                out.push_str(content);
                copied = found.end();
            }
            out.push_str(&text[copied..]);
            text = out;
        }
        text
    }
}

fn grammar() -> impl Strategy<Value = Grammar> {
    (
        1..=4_usize,
        any::<bool>(),
        1..=8_usize,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(size, years, digits, grouped, extend)| {
            let grammar = Grammar::new(size).unwrap().keep_years(years).extend(extend);
            let grammar = grammar.min_digits(digits).unwrap();
            grammar.grouped(grouped && size == 3).unwrap()
        })
}

/// Text that is mostly numerals, and what breaks them.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => "[0-9]{1,5}",
        2 => "[1-9][0-9]{0,24}",
        2 => "[1-9][0-9]{0,2}(,[0-9]{3}){1,7}",
        1 => "(1[0-9]|20)[0-9]{2}",
        5 => prop::sample::select(vec![".", ",", " ", "-", "_", "e", "0"]).prop_map(str::to_owned),
        4 => "[\u{1}-\u{5}\u{E}-\u{12}\u{1A}]{1,3}",
        1 => prop::sample::select(vec!["é", "½", "٣", "１", "数", "\u{301}", "👍", "\u{E001}", "\u{0}"])
            .prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::vec(piece, 0..10).prop_map(|parts| parts.concat())
}

/// Text of many windows, in some of which numerals are most of it.
fn long_text() -> impl Strategy<Value = String> {
    let numbers = prop_oneof![
        4 => "[1-9][0-9]{0,8} ",
        2 => "[1-9][0-9]{0,8}[.][0-9]{1,5} ",
        1 => "(1[0-9]|20)[0-9]{2}[ .]",
        1 => "[1-9][0-9]{0,2}(,[0-9]{3}){1,7}[ .,\n]",
        1 => "[1-9][0-9]{14,20}([.][0-9]{10,18})?[ ,]",
        1 => "([0-9]{1,3}[.,]){1,40}",
        1 => "[a-z_ ]{1,90}",
        1 => "[éß数½ ]{1,9}",
    ];
    let numbers = prop::collection::vec(numbers, 1..30).prop_map(|parts| parts.concat());
    prop::collection::vec(prop_oneof![text(), numbers], 0..8).prop_map(|parts| parts.concat())
}

/// Annotates by putting in what [`insertions`] gives.
fn annotated_by_insertions(text: &[u8], grammar: &Grammar) -> Vec<u8> {
    let (mut made, mut copied) = (Vec::new(), 0);
    let mut insert = |place: usize, bytes: &[u8]| {
        made.extend_from_slice(&text[copied..place]);
        made.extend_from_slice(bytes);
        copied = place;
    };
    insertions(text, grammar, &mut insert);
    made.extend_from_slice(&text[copied..]);
    made
}

fn annotated(text: &[u8], grammar: &Grammar) -> Vec<u8> {
    let mut out = Vec::new();
    annotate(text, grammar, &mut out);
    out
}

fn restored(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    restore(text, &mut out);
    out
}

proptest! {
    #[test]
    fn annotating_follows_the_definition(text in text(), grammar in grammar()) {
        let out = String::from_utf8(annotated(text.as_bytes(), &grammar)).unwrap();
        prop_assert_eq!(&out, &annotated_slowly(&text, &grammar));
        prop_assert_eq!(out.into_bytes(), annotated_by_insertions(text.as_bytes(), &grammar));
    }

    #[test]
    fn windows_follow_the_grammar(text in long_text(), broken in any::<bool>(), grammar in grammar()) {
        let mut text = text.into_bytes();
        if broken {
            text.retain(|byte| *byte != 0xC3);
        }
        let out = annotated(&text, &grammar);
        prop_assert_eq!(&out, &annotated_by_insertions(&text, &grammar));
        prop_assert_eq!(restored(&out), &text[..]);
        // Where blocks start does not matter.
        let mut whole = Vec::new();
        let mut restorer = Restorer::default();
        for byte in out.chunks(1) {
            restorer.push(byte, &mut whole);
        }
        prop_assert_eq!(whole, text);
    }

    #[test]
    fn blocks_restore_like_bytes(text in prop::collection::vec(text(), 0..40)) {
        let text = text.concat().into_bytes();
        let mut whole = Vec::new();
        let mut restorer = Restorer::default();
        for byte in text.chunks(1) {
            restorer.push(byte, &mut whole);
        }
        prop_assert_eq!(restored(&text), whole);
    }

    #[test]
    fn restoring_is_the_inverse(text in text(), grammar in grammar()) {
        let out = annotated(text.as_bytes(), &grammar);
        prop_assert_eq!(restored(&out), text.as_bytes());
    }

    #[test]
    fn restoring_is_the_inverse_on_bytes(
        bytes in prop::collection::vec(prop_oneof![
            prop::sample::select(vec![b'0', b'1', b'9', b'.', b',', 1, 5, 0x0E, 0x12, 0x1A, 0xC3, 0xA9, 0xFF, 0x80]),
            any::<u8>(),
        ], 0..60),
        grammar in grammar(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let out = annotated(&bytes, &grammar);
        prop_assert_eq!(restored(&out), &bytes[..]);
        // The same in pieces.
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(out.len() + 1)).collect();
        cuts.extend([0, out.len()]);
        cuts.sort_unstable();
        let mut restorer = Restorer::default();
        let mut whole = Vec::new();
        for pair in cuts.windows(2) {
            restorer.push(&out[pair[0]..pair[1]], &mut whole);
        }
        prop_assert_eq!(whole, bytes);
    }

    #[test]
    fn restoring_is_two_replacements(text in text()) {
        thread_local! {
            static STEPS: Steps = Steps::new(&recipe::restoring());
        }
        let expected = STEPS.with(|steps| steps.apply(&text));
        prop_assert_eq!(String::from_utf8(restored(text.as_bytes())).unwrap(), expected);
    }

    #[test]
    fn pieces_are_the_matches_of_the_split(text in text(), grammar in grammar(), apart in any::<bool>()) {
        let variant = if apart { Variant::Marker } else { Variant::Vocabulary };
        let scheme = Scheme { grammar: grammar.extend(false), variant };
        let annotated = String::from_utf8(annotated(text.as_bytes(), &scheme.grammar)).unwrap();
        let split = Regex::new(&recipe::split(&scheme)).unwrap();
        let expected: Vec<_> = split.find_iter(&annotated).map(|found| found.unwrap().range()).collect();
        let mut found = Vec::new();
        pieces(annotated.as_bytes(), &scheme, |start, end| found.push(start..end));
        prop_assert_eq!(found, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_recipe_annotates(texts in prop::collection::vec(text(), 30), grammar in grammar()) {
        let grammar = grammar.extend(false);
        let steps = Steps::new(&recipe::replacements(&grammar));
        for text in texts {
            let out = String::from_utf8(annotated(text.as_bytes(), &grammar)).unwrap();
            prop_assert_eq!(steps.apply(&text), out, "{:?}", text);
        }
    }
}

#[test]
fn numerals_of_every_length() {
    for size in 1..=4 {
        let grammar = Grammar::new(size).unwrap();
        let steps = Steps::new(&recipe::replacements(&grammar));
        for integer in 1..=20 {
            for fraction in 0..=17 {
                let digits = "123456789".repeat(5);
                let mut text = format!(" {}", &digits[..integer]);
                if fraction > 0 {
                    text = format!("{text}.{}", &digits[..fraction]);
                }
                let out = String::from_utf8(annotated(text.as_bytes(), &grammar)).unwrap();
                assert_eq!(out, annotated_slowly(&text, &grammar));
                assert_eq!(out, steps.apply(&text));
                assert_eq!(
                    out != text,
                    integer <= 18 && fraction <= 15 && (integer > size || fraction > 0)
                );
            }
        }
    }
}

#[test]
fn files_are_recognized() {
    let byte_level = |use_regex: bool| serde_json::json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex});
    let words = serde_json::json!({"type": "Split", "pattern": {"Regex": r"\w+|(?i:a)"}, "behavior": "Isolated", "invert": false});
    let digits = serde_json::json!({"type": "Digits", "individual_digits": true});
    let nfc = serde_json::json!({"type": "NFC"});
    let null = serde_json::Value::Null;
    let bases = [
        (null.clone(), byte_level(true)),
        (
            nfc.clone(),
            serde_json::json!({"type": "Sequence", "pretokenizers": [digits, byte_level(true), words]}),
        ),
        (
            serde_json::json!({"type": "Sequence", "normalizers": [nfc]}),
            serde_json::json!({"type": "Sequence", "pretokenizers": [words, byte_level(false), digits]}),
        ),
    ];
    for (normalizer, pre_tokenizer) in bases {
        let base = Components {
            normalizer,
            pre_tokenizer,
            decoder: byte_level(true),
        };
        for (size, years, digits, grouped) in [
            (3, false, 1, false),
            (3, true, 33, true),
            (1, true, 4, false),
            (4, false, 2, false),
        ] {
            let grammar = Grammar::new(size)
                .unwrap()
                .keep_years(years)
                .min_digits(digits)
                .unwrap();
            let grammar = grammar.grouped(grouped).unwrap();
            for variant in [Variant::Vocabulary, Variant::Marker] {
                let scheme = Scheme { grammar, variant };
                let made = file::extend(&base, &scheme).unwrap();
                let (found, bare) = file::recognize(&made).unwrap();
                assert_eq!(found, scheme);
                assert_eq!(file::extend(&bare, &scheme).unwrap(), made);
                assert!(file::extend(&made, &scheme).is_err());
                // Any change makes it another file.
                let mut changed = made.clone();
                changed.pre_tokenizer["pretokenizers"]
                    .as_array_mut()
                    .unwrap()
                    .swap(0, 1);
                assert!(file::recognize(&changed).is_none());
                let mut changed = made.clone();
                changed.normalizer["normalizers"]
                    .as_array_mut()
                    .unwrap()
                    .pop();
                assert!(file::recognize(&changed).is_none());
                let mut changed = made;
                changed.decoder["decoders"].as_array_mut().unwrap().pop();
                assert!(file::recognize(&changed).is_none());
            }
        }
        assert!(file::recognize(&base).is_none());
    }
}

#[test]
fn bases_that_would_cut_digits_are_refused() {
    let scheme = Scheme {
        grammar: Grammar::default(),
        variant: Variant::Vocabulary,
    };
    let null = serde_json::Value::Null;
    let byte_level = serde_json::json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let prefixed = serde_json::json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true});
    let removed = serde_json::json!({"type": "Split", "pattern": {"Regex": " "}, "behavior": "Removed", "invert": false});
    let literal = serde_json::json!({"type": "Split", "pattern": {"String": "0"}, "behavior": "Isolated", "invert": false});
    let metaspace = serde_json::json!({"type": "Metaspace", "replacement": "▁"});
    let list = |steps: &[&serde_json::Value]| serde_json::json!({"type": "Sequence", "pretokenizers": steps});
    for (pre_tokenizer, decoder, name) in [
        (prefixed, null.clone(), "add_prefix_space"),
        (list(&[&removed, &byte_level]), null.clone(), "drops text"),
        (list(&[&literal, &byte_level]), null.clone(), "cut digits"),
        (metaspace, null.clone(), "Metaspace"),
        (null.clone(), null.clone(), "no ByteLevel"),
        (byte_level, serde_json::json!({"type": "Fuse"}), "Fuse"),
    ] {
        let base = Components {
            normalizer: null.clone(),
            pre_tokenizer,
            decoder,
        };
        let error = file::extend(&base, &scheme).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}
