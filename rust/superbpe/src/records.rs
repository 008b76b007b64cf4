//! The texts of JSON records, one a line.
//!
//! **Definition.** A line is an object whose text is the string in a field (the last one, if the
//! name comes twice), or it is the text itself, as a string. A line without such a text gives
//! nothing: whoever asks looks at it again, and says what is wrong with it.
//!
//! A text without escapes is a part of its line; other fields are read over, not built.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::Deserializer;

/// The text of each line of a block, if it has one.
#[must_use]
pub fn texts<'b>(block: &'b [u8], field: &str) -> Vec<Option<Cow<'b, str>>> {
    let mut found = Vec::new();
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', block) {
        found.push(text(&block[start..=end], field));
        start = end + 1;
    }
    if start < block.len() {
        found.push(text(&block[start..], field));
    }
    found
}

fn text<'b>(line: &'b [u8], field: &str) -> Option<Cow<'b, str>> {
    let line = std::str::from_utf8(line).ok()?;
    let mut reader = Deserializer::from_str(line);
    let found = reader.deserialize_any(Record(field)).ok()?;
    reader.end().ok()?;
    found
}

/// Reads an object for the text in a field, or a string.
struct Record<'f>(&'f str);

impl<'de> Visitor<'de> for Record<'_> {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "a text, or an object with one in {:?}", self.0)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_text) = map.next_key_seed(Name(self.0))? {
            if is_text {
                found = Some(map.next_value::<Text>()?.0);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Whether a name is this one.
struct Name<'f>(&'f str);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<bool, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

/// A value that is a string.
#[derive(serde::Deserialize)]
struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn lines() {
        for (line, expected) in [
            (r#"{"text": "a b", "n": [1, {"text": 2}]}"#, Some("a b")),
            (
                r#" {"n":null,"text":"a\n\u00e9\ud83d\ude00"} "#,
                Some("a\né😀"),
            ),
            (r#"{"text": "first", "text": "last"}"#, Some("last")),
            (r#"{"\u0074ext": "a"}"#, Some("a")),
            (r#""alone""#, Some("alone")),
            (r#"{"text": 1, "text": "last"}"#, None),
            (r#"{"text": "first", "text": null}"#, None),
            (r#"{"text": "\ud800"}"#, None),
            (r#"{"texts": "a"}"#, None),
            (r#"{"text": "a"} x"#, None),
            (r#"{"text": "a""#, None),
            (r#"["text"]"#, None),
            ("", None),
        ] {
            let block = line.as_bytes();
            let found = texts(block, "text");
            let expected: Vec<_> = (!line.is_empty()).then_some(expected).into_iter().collect();
            let found: Vec<_> = found.iter().map(Option::as_deref).collect();
            assert_eq!(found, expected, "{line}");
        }
        assert!(texts(b"{\"n\": \"\xff\", \"text\": \"a\"}", "text")[0].is_none());
        let plain = texts(b"{\"text\": \"a\"}", "text");
        assert!(matches!(plain[0], Some(Cow::Borrowed("a"))));
    }

    proptest! {
        /// As a whole reading gives it.
        #[test]
        fn records(names in prop::collection::vec("[ab\\n\"é]{0,2}", 0..4), words in prop::collection::vec("[ab\\n\"\\\\é😀\u{1}]{0,5}", 4), field in "[ab\\n\"é]{0,2}") {
            let records = names.iter().zip(&words).map(|(name, word)| json!({name: word, "n": {"a": [word]}}));
            let lines: Vec<String> = records.map(|record| record.to_string() + "\n").collect();
            let block = lines.concat();
            let found = texts(block.as_bytes(), &field);
            prop_assert_eq!(found.len(), lines.len());
            for (line, found) in lines.iter().zip(found) {
                let record: Value = serde_json::from_str(line).unwrap();
                prop_assert_eq!(found.as_deref(), record[&field].as_str());
            }
        }
    }
}
