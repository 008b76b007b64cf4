//! Rewriting of text before it is cut.
//!
//! A normalizer is a list of steps, each applied to the whole text: a Unicode normalization form,
//! a text put before every text that is not empty, a pattern whose matches are replaced, or an
//! annotator. A new character stands for the character that it replaces, or for the one before it;
//! what an annotator puts in stands for nothing.
//!
//! Text that is in the form already is not copied. The form is checked and applied between
//! characters that neither change nor meet the characters before them, so the cost lies in the
//! characters that might change; all others cost one look-up.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use serde_json::Value;
use unicode_normalization_alignments::char::canonical_combining_class;
use unicode_normalization_alignments::{
    IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfd_quick, is_nfkc_quick, is_nfkd_quick,
};

use crate::Error;
use crate::aligned::{Aligned, Rewrite};
use crate::annotator::{self, Annotator};
use crate::component::Component;
use crate::pattern::Pattern;

/// A normalizer. See the module.
#[derive(Debug, Clone)]
pub struct Normalizer {
    steps: Vec<(Step, String)>,
}

#[derive(Debug, Clone)]
enum Step {
    Form(Form),
    Prepend(String),
    Replace { pattern: Pattern, content: String },
    Annotate(Arc<dyn Annotator>),
}

/// A Unicode normalization form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Nfc,
    Nfd,
    Nfkc,
    Nfkd,
}

/// A character that is put before every text, and one that another takes the place of.
pub(crate) type Prefix = (Option<char>, Option<(char, char)>);

impl Normalizer {
    /// Reads the `normalizer` of a file; null is none.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another kind of normalizer, [`Error::Vocab`] for fields that are
    /// not understood.
    pub fn from_json(value: &Value) -> Result<Option<Self>, Error> {
        if value.is_null() {
            return Ok(None);
        }
        let mut steps = Vec::new();
        read(&Component::new(value, "normalizer".into())?, &mut steps)?;
        Ok(Some(Self { steps }))
    }

    /// The same steps, and then an annotator.
    #[must_use]
    pub fn with_annotator(normalizer: Option<Self>, annotator: Arc<dyn Annotator>) -> Self {
        let mut steps = normalizer.map_or_else(Vec::new, |normalizer| normalizer.steps);
        let name = annotator.name();
        steps.push((Step::Annotate(annotator), name));
        Self { steps }
    }

    /// Normalizes a text.
    ///
    /// # Errors
    /// [`Error::Pretokenize`] where the text is not UTF-8, or a pattern reaches its limit.
    pub fn apply(&self, text: &mut Aligned) -> Result<(), Error> {
        self.apply_while(text, &mut || true).map(|_| ())
    }

    /// [`Normalizer::apply`] that calls `tick` after each match of a pattern that is matched by
    /// backtracking. When it returns false the work stops and the result is `Ok(false)`.
    ///
    /// # Errors
    /// As [`Normalizer::apply`].
    pub fn apply_while(
        &self,
        text: &mut Aligned,
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<bool, Error> {
        // An annotator takes all bytes.
        let mut on_text = self.steps.iter().filter(|(step, _)| step.is_lossy());
        if let Some((_, name)) = on_text.next() {
            Self::prepare(text, name)?;
        }
        for (step, _) in &self.steps {
            match step {
                Step::Form(form) => form.apply(text),
                Step::Prepend(prefix) => text.prepend(prefix),
                Step::Replace { pattern, content } => {
                    if !replace(text, pattern, content, tick)? {
                        return Ok(false);
                    }
                }
                Step::Annotate(annotator) => annotator::annotate(&**annotator, text),
            }
        }
        Ok(true)
    }

    /// The form, if bringing texts into a form is all that the normalizer does.
    pub(crate) fn as_form(&self) -> Option<Form> {
        match &self.steps[..] {
            [(Step::Form(form), _)] => Some(*form),
            _ => None,
        }
    }

    /// The steps of a normalizer that puts one character before every text and in the place of
    /// another: the character that starts a text, and the one that is replaced.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for any other normalizer.
    pub(crate) fn as_prefix(&self) -> Result<Prefix, Error> {
        let (mut first, mut replaced) = (None, None);
        for (step, name) in &self.steps {
            let single = |text: &str| {
                let mut characters = text.chars();
                characters.next().filter(|_| characters.next().is_none())
            };
            let refused = || Error::Unsupported {
                component: name.clone(),
                reason:
                    "which texts it gives is not known, so the ids of a half-written text are not"
                        .into(),
            };
            match step {
                Step::Prepend(prefix) if first.is_none() && replaced.is_none() => {
                    first = Some(single(prefix).ok_or_else(refused)?);
                }
                Step::Replace { pattern, content } if replaced.is_none() => {
                    let from = pattern.as_literal().and_then(single).ok_or_else(refused)?;
                    let to = single(content)
                        .filter(|&to| to != from)
                        .ok_or_else(refused)?;
                    replaced = Some((from, to));
                }
                _ => return Err(refused()),
            }
        }
        Ok((first, replaced))
    }

    /// Checks that a text can be normalized by a step.
    fn prepare(text: &mut Aligned, name: &str) -> Result<(), Error> {
        if let Err(error) = std::str::from_utf8(text.text()) {
            return Err(Error::Pretokenize(format!(
                "byte {} of the text is not UTF-8; {} needs valid UTF-8",
                text.origin() + error.valid_up_to(),
                name
            )));
        }
        text.round();
        Ok(())
    }

    /// The types of the steps, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let kinds: Vec<&str> = self
            .steps
            .iter()
            .map(|(step, name)| step.kind().unwrap_or(name))
            .collect();
        kinds.join(", ")
    }

    /// The first step that can change text, if any; what an annotator puts in, the decoder takes
    /// out.
    #[must_use]
    pub fn lossy_name(&self) -> Option<String> {
        let mut lossy = self.steps.iter().filter(|(step, _)| step.is_lossy());
        lossy.next().map(|(_, name)| name.clone())
    }
}

impl Step {
    /// The type of a component; an annotator stands for some.
    fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Form(Form::Nfc) => Some("NFC"),
            Self::Form(Form::Nfd) => Some("NFD"),
            Self::Form(Form::Nfkc) => Some("NFKC"),
            Self::Form(Form::Nfkd) => Some("NFKD"),
            Self::Prepend(_) => Some("Prepend"),
            Self::Replace { .. } => Some("Replace"),
            Self::Annotate(_) => None,
        }
    }

    fn is_lossy(&self) -> bool {
        !matches!(self, Self::Annotate(_))
    }
}

fn read(component: &Component, steps: &mut Vec<(Step, String)>) -> Result<(), Error> {
    let step = match component.kind() {
        "Sequence" => {
            component.has_only(&["normalizers"])?;
            for part in component.list("normalizers")? {
                read(&part, steps)?;
            }
            return Ok(());
        }
        "NFC" | "NFD" | "NFKC" | "NFKD" => {
            component.has_only(&[])?;
            Step::Form(match component.kind() {
                "NFC" => Form::Nfc,
                "NFD" => Form::Nfd,
                "NFKC" => Form::Nfkc,
                _ => Form::Nfkd,
            })
        }
        "Prepend" => {
            component.has_only(&["prepend"])?;
            match component.text("prepend")? {
                "" => return Err(component.unsupported("`tokenizers` fails with an empty prefix")),
                prefix => Step::Prepend(prefix.to_owned()),
            }
        }
        "Replace" => {
            component.has_only(&["pattern", "content"])?;
            Step::Replace {
                pattern: component.pattern("pattern")?,
                content: component.text("content")?.to_owned(),
            }
        }
        _ => {
            return Err(component.unsupported(
                "the normalizers NFC, NFD, NFKC, NFKD, Prepend, Replace and Sequence are supported",
            ));
        }
    };
    steps.push((step, component.name()));
    Ok(())
}

/// Replaces every match of a pattern; the new text stands for the last character of the match, or
/// of an empty match for the character before it. At the start of the text there is none, and
/// `tokenizers` fails or gives wrong text in the steps that follow. False if `tick` stopped it.
fn replace(
    text: &mut Aligned,
    pattern: &Pattern,
    content: &str,
    tick: &mut dyn FnMut() -> bool,
) -> Result<bool, Error> {
    let length = text.text().len();
    // An empty text has no matches, not even empty ones.
    if length == 0 {
        return Ok(true);
    }
    let mut copied = 0;
    let mut rewrite: Option<Rewrite> = None;
    let mut rootless = false;
    let mut put = |start, end: usize| {
        let rewrite = rewrite.get_or_insert_with(|| text.rewrite());
        rewrite.keep(copied..start);
        if !content.is_empty() {
            rootless |= end == 0;
            rewrite.put(content.as_bytes(), end.saturating_sub(1));
        }
        copied = end;
    };
    if !pattern.for_each_match(text.text(), 0, length, &mut put, tick)? {
        return Ok(false);
    }
    if rootless {
        return Err(Error::Pretokenize(format!(
            "the pattern {:?} of a Replace normalizer matches nothing at the start of the text; write it so that each match has a character",
            pattern.source()
        )));
    }
    if let Some(mut rewrite) = rewrite {
        rewrite.keep(copied..length);
        let rewritten = rewrite.finish();
        text.become_rewritten(rewritten);
    }
    Ok(true)
}

/// The length of the ASCII text at the start.
fn ascii_length(bytes: &[u8]) -> usize {
    let whole = 32
        * bytes
            .chunks_exact(32)
            .take_while(|chunk| chunk.is_ascii())
            .count();
    whole
        + bytes[whole..]
            .iter()
            .take_while(|byte| byte.is_ascii())
            .count()
}

/// The characters of the Basic Multilingual Plane that a form leaves alone.
type Inert = [u64; 1024];

impl Form {
    fn check(self, character: char) -> bool {
        let once = std::iter::once(character);
        let quick = match self {
            Self::Nfc => is_nfc_quick(once),
            Self::Nfd => is_nfd_quick(once),
            Self::Nfkc => is_nfkc_quick(once),
            Self::Nfkd => is_nfkd_quick(once),
        };
        quick == IsNormalized::Yes && canonical_combining_class(character) == 0
    }

    fn inert(self) -> &'static Inert {
        static TABLES: [OnceLock<Box<Inert>>; 4] = [const { OnceLock::new() }; 4];
        TABLES[self as usize].get_or_init(|| {
            let mut table = Box::new([0; 1024]);
            for code in 0..0x1_0000_u32 {
                if char::from_u32(code).is_some_and(|character| self.check(character)) {
                    table[code as usize / 64] |= 1 << (code % 64);
                }
            }
            table
        })
    }

    /// The form of a text: each character with the number of characters that it is made from,
    /// less one, negated; 1 for a character that another one was split into.
    fn normalize(self, text: &str, emit: &mut dyn FnMut(char, isize)) {
        let mut emit = |(character, change)| emit(character, change);
        match self {
            Self::Nfc => text.nfc().for_each(&mut emit),
            Self::Nfd => text.nfd().for_each(&mut emit),
            Self::Nfkc => text.nfkc().for_each(&mut emit),
            Self::Nfkd => text.nfkd().for_each(&mut emit),
        }
    }

    /// The next part of the text that may change: from the last character before it that is
    /// inert, which may yet meet what follows it, to the next one.
    fn suspect(self, text: &str, from: usize) -> Option<Range<usize>> {
        let bytes = text.as_bytes();
        let inert = self.inert();
        let is_inert = |character: char| match inert.get(character as usize / 64) {
            Some(word) => word >> (character as usize % 64) & 1 == 1,
            None => self.check(character),
        };
        let mut place = from;
        let mut last = from;
        loop {
            let ascii = ascii_length(&bytes[place..]);
            if ascii > 0 {
                place += ascii;
                last = place - 1;
            }
            let character = text[place..].chars().next()?;
            if !is_inert(character) {
                break;
            }
            last = place;
            place += character.len_utf8();
        }
        let rest = &text[place..];
        let end = rest
            .char_indices()
            .find(|&(_, character)| is_inert(character));
        Some(last..end.map_or(text.len(), |(length, _)| place + length))
    }

    fn apply(self, aligned: &mut Aligned) {
        let Ok(text) = std::str::from_utf8(aligned.text()) else {
            return;
        };
        let mut copied = 0;
        let mut place = 0;
        let mut rewrite: Option<Rewrite> = None;
        let mut normalized = Vec::new();
        while let Some(part) = self.suspect(text, place) {
            place = part.end;
            normalized.clear();
            self.normalize(&text[part.clone()], &mut |character, change| {
                normalized.push((character, change));
            });
            let mut old = text[part.clone()].chars();
            if normalized
                .iter()
                .all(|&(character, change)| change == 0 && old.next() == Some(character))
            {
                continue;
            }
            let rewrite = rewrite.get_or_insert_with(|| aligned.rewrite());
            rewrite.keep(copied..part.start);
            copied = part.end;
            let mut old = text[part.clone()].char_indices();
            // Where the old characters that are used up end.
            let mut used = part.start;
            let mut buffer = [0; 4];
            for &(character, change) in &normalized {
                // The first character of a form always takes one up.
                let source = if change > 0 {
                    used.saturating_sub(1)
                } else {
                    used
                };
                rewrite.put(character.encode_utf8(&mut buffer).as_bytes(), source);
                for _ in change..1 {
                    if let Some((start, character)) = old.next() {
                        used = part.start + start + character.len_utf8();
                    }
                }
            }
        }
        if let Some(mut rewrite) = rewrite {
            rewrite.keep(copied..text.len());
            let rewritten = rewrite.finish();
            aligned.become_rewritten(rewritten);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn apply(normalizer: &Value, text: &str) -> (String, Vec<(usize, usize)>) {
        let normalizer = Normalizer::from_json(normalizer).unwrap().unwrap();
        let mut tracked = Aligned::new(text.as_bytes(), 0, true);
        normalizer.apply(&mut tracked).unwrap();
        let mut untracked = Aligned::new(text.as_bytes(), 0, false);
        normalizer.apply(&mut untracked).unwrap();
        assert_eq!(tracked.text(), untracked.text());
        let spans = (0..tracked.text().len())
            .map(|at| tracked.span(at, at + 1))
            .collect();
        (String::from_utf8(tracked.text().to_vec()).unwrap(), spans)
    }

    #[test]
    fn forms() {
        for (form, text, expected) in [
            ("NFC", "e\u{301}ﬁ", "éﬁ"),
            ("NFD", "éﬁ", "e\u{301}ﬁ"),
            ("NFKC", "ﬁⅧ\u{1100}\u{1161}", "fiVIII가"),
            ("NFKD", "ﬁé", "fie\u{301}"),
            ("NFC", "plain", "plain"),
            ("NFC", "é", "é"),
            // Reordering of marks changes no character's number.
            ("NFC", "q\u{307}\u{323}", "q\u{323}\u{307}"),
        ] {
            assert_eq!(
                apply(&json!({"type": form}), text).0,
                expected,
                "{form} {text:?}"
            );
        }
    }

    #[test]
    fn sentencepiece() {
        let normalizer = json!({"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        ]});
        let (text, spans) = apply(&normalizer, "a b");
        assert_eq!(text, "▁a▁b");
        let expected = [0, 0, 0, 0, 1, 1, 1, 2].map(|start| (start, start + 1));
        assert_eq!(spans, expected);
    }

    #[test]
    fn new_characters_stand_for_old_ones() {
        for (normalizer, text, expected, spans) in [
            (
                json!({"type": "NFC"}),
                "e\u{301}a",
                "éa",
                vec![(0, 1), (0, 1), (3, 4)],
            ),
            (
                json!({"type": "NFKD"}),
                "aﬁ",
                "afi",
                vec![(0, 1), (1, 4), (1, 4)],
            ),
            (json!({"type": "NFC"}), "猫", "猫", vec![(0, 3); 3]),
            (
                json!({"type": "Replace", "pattern": {"Regex": "b+"}, "content": "xy"}),
                "abbc",
                "axyc",
                vec![(0, 1), (2, 3), (2, 3), (3, 4)],
            ),
            (
                json!({"type": "Replace", "pattern": {"String": "a"}, "content": ""}),
                "aéa",
                "é",
                vec![(1, 3), (1, 3)],
            ),
            (json!({"type": "Prepend", "prepend": "▁"}), "", "", vec![]),
        ] {
            let found = apply(&normalizer, text);
            assert_eq!(found, (expected.to_owned(), spans), "{normalizer} {text:?}");
        }
    }

    #[test]
    fn normal_text_is_borrowed() {
        let nfc = Normalizer::from_json(&json!({"type": "NFC"}))
            .unwrap()
            .unwrap();
        let text = "Größe 中文 Straße".as_bytes();
        let mut aligned = Aligned::new(text, 0, true);
        nfc.apply(&mut aligned).unwrap();
        assert_eq!(aligned.text().as_ptr(), text.as_ptr());
    }

    #[test]
    fn matches_of_nothing() {
        let insert = |content: &str| {
            let value = json!({"type": "Replace", "pattern": {"Regex": "x*"}, "content": content});
            Normalizer::from_json(&value).unwrap().unwrap()
        };
        let mut text = Aligned::new(b"axb", 0, true);
        assert!(insert("-").apply(&mut text).is_err());
        insert("").apply(&mut text).unwrap();
        assert_eq!(text.text(), b"ab");
        let mut text = Aligned::new(b"", 0, true);
        insert("-").apply(&mut text).unwrap();
        assert_eq!(text.text(), b"");
    }

    /// The form of a text by one run of the library over all of it, with a span for each byte.
    fn form_slowly(form: Form, text: &str) -> (String, Vec<(usize, usize)>) {
        let old: Vec<(usize, usize)> = text
            .char_indices()
            .map(|(start, old)| (start, start + old.len_utf8()))
            .collect();
        let (mut new, mut spans, mut used) = (String::new(), Vec::new(), 0_usize);
        form.normalize(text, &mut |character, change| {
            let source = if change > 0 { used - 1 } else { used };
            used = used.checked_add_signed(1 - change).unwrap();
            spans.extend(std::iter::repeat_n(old[source], character.len_utf8()));
            new.push(character);
        });
        (new, spans)
    }

    proptest! {
        #[test]
        fn parts_are_the_whole(
            parts in prop::collection::vec(
                prop_oneof![
                    prop::sample::select(vec![
                        "a", "e", "l", " ", "é", "ạ", "ﬁ", "Ⅷ", "½", "각", "가", "猫", "क", "\u{958}",
                        "\u{1100}", "\u{1161}", "\u{11A8}", "\u{301}", "\u{307}", "\u{323}",
                        "\u{327}", "\u{344}", "\u{345}", "\u{F71}", "\u{F73}", "\u{93C}",
                        "\u{9C7}", "\u{9BE}", "\u{212B}", "\u{1D15E}", "\u{2F800}", "\u{FDFA}",
                        "\u{3099}", "は", "ﾊ", "\u{FF9E}", "\u{1D165}", "\u{110BA}",
                    ]).prop_map(str::to_owned),
                    any::<char>().prop_map(String::from),
                ],
                0..14,
            ),
        ) {
            let text = parts.concat();
            for form in [Form::Nfc, Form::Nfd, Form::Nfkc, Form::Nfkd] {
                let found = apply(&json!({"type": Step::Form(form).kind()}), &text);
                prop_assert_eq!(found, form_slowly(form, &text), "{:?} {:?}", form, text);
            }
        }
    }

    #[test]
    fn characters_that_are_left_alone() {
        for form in [Form::Nfc, Form::Nfd, Form::Nfkc, Form::Nfkd] {
            for character in ('\0'..=char::MAX).filter(|character| form.check(*character)) {
                let mut alone = Vec::new();
                form.normalize(character.encode_utf8(&mut [0; 4]), &mut |new, change| {
                    alone.push((new, change));
                });
                assert_eq!(alone, [(character, 0)], "{form:?}");
            }
        }
    }

    #[test]
    fn refused() {
        for (value, part) in [
            (json!({"type": "Lowercase"}), "normalizer (Lowercase)"),
            (
                json!({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Nmt"}]}),
                "normalizer.normalizers[1] (Nmt)",
            ),
            (json!({"type": "Prepend"}), "prepend"),
            (json!({"type": "Prepend", "prepend": ""}), "empty prefix"),
            (json!({"type": "NFC", "form": 1}), "form"),
            (json!({"type": 3}), "type"),
            (json!([1]), "normalizer"),
        ] {
            let error = Normalizer::from_json(&value).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let nfc = Normalizer::from_json(&json!({"type": "NFC"}))
            .unwrap()
            .unwrap();
        let error = nfc.apply(&mut Aligned::new(b"a\xff", 3, true)).unwrap_err();
        assert!(error.to_string().contains("byte 4"));
    }
}
