//! Rewriting of a text before it is cut: Unicode normal forms, `Prepend`, `Replace`.
//!
//! A text that is in the normal form already, as nearly all are, is left alone, at the cost of
//! reading it.

use serde_json::Value;
use unicode_normalization_alignments::{
    IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfd_quick, is_nfkc_quick, is_nfkd_quick,
};

use crate::Error;
use crate::aligned::Aligned;
use crate::json::{Component, pattern};
use crate::pattern::Pattern;

/// A normalizer of `tokenizer.json`.
#[derive(Debug, Clone)]
pub struct Normalizer {
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
enum Step {
    Form(Form),
    Prepend(String),
    Replace { pattern: Pattern, content: String },
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Nfc,
    Nfd,
    Nfkc,
    Nfkd,
}

impl Normalizer {
    /// Reads the `normalizer` of a file; `None` where it has none.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another component than those of the module, [`Error::Vocab`] for
    /// a broken one.
    pub fn from_json(value: &Value) -> Result<Option<Self>, Error> {
        if value.is_null() {
            return Ok(None);
        }
        let mut steps = Vec::new();
        read(&Component::new(value, "normalizer")?, &mut steps)?;
        Ok((!steps.is_empty()).then_some(Self { steps }))
    }

    /// Rewrites a text.
    ///
    /// # Errors
    /// [`Error::Pretokenize`] for a text that is not UTF-8.
    pub fn apply(&self, text: &mut Aligned) -> Result<(), Error> {
        if let Err(error) = std::str::from_utf8(text.text()) {
            let place = error.valid_up_to();
            let (at, _) = text.span(place, place + 1);
            return Err(Error::Pretokenize(format!(
                "byte {at} of the text is not UTF-8, and this tokenizer has a normalizer ({}), which takes only UTF-8",
                self.describe()
            )));
        }
        for step in &self.steps {
            match step {
                Step::Form(form) => form.apply(text),
                Step::Prepend(string) => text.prepend(string),
                Step::Replace { pattern, content } => {
                    let mut ranges = Vec::new();
                    let whole = text.text().len();
                    pattern.for_each_match(text.text(), 0, whole, &mut |start, end| {
                        ranges.push((start, end));
                    })?;
                    text.replace(&ranges, content);
                }
            }
        }
        Ok(())
    }

    /// The names of the steps.
    #[must_use]
    pub fn describe(&self) -> String {
        let names: Vec<&str> = self.steps.iter().map(Step::name).collect();
        names.join(", ")
    }

    /// The first component that can change a text: any.
    #[must_use]
    pub fn lossy_name(&self) -> Option<String> {
        self.steps
            .first()
            .map(|step| format!("normalizer ({})", step.name()))
    }
}

fn read(component: &Component, steps: &mut Vec<Step>) -> Result<(), Error> {
    match component.kind() {
        "Sequence" => {
            for inner in component.components("normalizers")? {
                read(&inner, steps)?;
            }
        }
        "NFC" => steps.push(Step::Form(Form::Nfc)),
        "NFD" => steps.push(Step::Form(Form::Nfd)),
        "NFKC" => steps.push(Step::Form(Form::Nfkc)),
        "NFKD" => steps.push(Step::Form(Form::Nfkd)),
        "Prepend" => steps.push(Step::Prepend(component.string("prepend")?.to_owned())),
        "Replace" => steps.push(Step::Replace {
            pattern: pattern(component, "pattern")?,
            content: component.string("content")?.to_owned(),
        }),
        _ => return Err(component.unsupported()),
    }
    Ok(())
}

impl Step {
    fn name(&self) -> &'static str {
        match self {
            Self::Form(Form::Nfc) => "NFC",
            Self::Form(Form::Nfd) => "NFD",
            Self::Form(Form::Nfkc) => "NFKC",
            Self::Form(Form::Nfkd) => "NFKD",
            Self::Prepend(_) => "Prepend",
            Self::Replace { .. } => "Replace",
        }
    }
}

impl Form {
    fn apply(self, text: &mut Aligned) {
        // The text is UTF-8: `Normalizer::apply` has looked.
        let Ok(old) = std::str::from_utf8(text.text()) else {
            return;
        };
        if old.is_ascii() || self.holds_surely(old) {
            return;
        }
        let changes = match self {
            Self::Nfc => changes(old, old.nfc()),
            Self::Nfd => changes(old, old.nfd()),
            Self::Nfkc => changes(old, old.nfkc()),
            Self::Nfkd => changes(old, old.nfkd()),
        };
        if let Some(changes) = changes {
            text.transform(changes.into_iter());
        }
    }

    /// Unicode's quick check: true only for a text that has the form.
    fn holds_surely(self, text: &str) -> bool {
        // Below U+0300 no character has another composed form, or a combining class.
        let rare = text.chars().filter(|&character| character >= '\u{300}');
        let answer = match self {
            Self::Nfc => is_nfc_quick(rare),
            Self::Nfd => is_nfd_quick(text.chars()),
            Self::Nfkc => is_nfkc_quick(text.chars()),
            Self::Nfkd => is_nfkd_quick(text.chars()),
        };
        matches!(answer, IsNormalized::Yes)
    }
}

/// The characters of a normal form with their changes, unless all of them stay.
fn changes(
    old: &str,
    form: impl Iterator<Item = (char, isize)> + Clone,
) -> Option<Vec<(char, isize)>> {
    let stays = old.chars().map(|character| (character, 0));
    (!stays.eq(form.clone())).then(|| form.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn apply(normalizer: Value, text: &str) -> (String, Vec<(usize, usize)>) {
        let normalizer = Normalizer::from_json(&normalizer).unwrap().unwrap();
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
                apply(json!({"type": form}), text).0,
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
        let (text, spans) = apply(normalizer, "a b");
        assert_eq!(text, "▁a▁b");
        let expected = [0, 0, 0, 0, 1, 1, 1, 2].map(|start| (start, start + 1));
        assert_eq!(spans, expected);
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
