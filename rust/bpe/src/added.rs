//! Added tokens: literals that are cut out of a text before everything else.
//!
//! Tokens with `normalized` false are looked for in the text as it came, the others, in their
//! normalized form, in the normalized text between those. In each set the leftmost match counts,
//! of those the longest. A special token is plain text unless the caller allows it; but while it is
//! matched it takes its text, so no other token is found inside it. `single_word` asks that no word
//! character stands beside the match; `lstrip` and `rstrip` draw in the white space beside it.
//!
//! Ids are those that stock `tokenizers` gives on loading: the id in the file counts for nothing.
//! A token of the model's vocabulary keeps its id there, the others are numbered from its end.

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::Value;

use crate::Error;
use crate::aligned::Aligned;
use crate::normalizer::Normalizer;

/// An added token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedToken {
    /// Its literal.
    pub content: String,
    /// Its id.
    pub id: u32,
    /// Plain text unless allowed.
    pub special: bool,
    /// Looked for in the normalized text.
    pub normalized: bool,
    /// Takes the white space before it.
    pub lstrip: bool,
    /// Takes the white space behind it.
    pub rstrip: bool,
    /// Only between characters that are not of words.
    pub single_word: bool,
}

/// The added tokens of a tokenizer.
#[derive(Debug, Clone)]
pub struct AddedTokens {
    tokens: Vec<AddedToken>,
    raw: Matcher,
    normalized: Matcher,
    has_plain: bool,
}

/// A part of a text; ranges are of the text that was scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Section {
    /// Text without added tokens, not empty.
    Text(Range<usize>),
    /// An added token.
    Token {
        /// Its id.
        id: u32,
        /// The text that it takes, white space beside it included.
        range: Range<usize>,
    },
}

/// The special tokens that may match.
#[derive(Debug, Clone, Copy)]
pub enum Allowed<'a> {
    /// None of them.
    None,
    /// All of them.
    All,
    /// Those with these ids.
    Some(&'a FxHashSet<u32>),
}

impl Allowed<'_> {
    fn has(self, token: &AddedToken) -> bool {
        !token.special
            || match self {
                Self::None => false,
                Self::All => true,
                Self::Some(ids) => ids.contains(&token.id),
            }
    }
}

/// One set of literals; pattern `i` of the automaton is token `tokens[i]`.
#[derive(Debug, Clone)]
struct Matcher {
    automaton: Option<AhoCorasick>,
    tokens: Vec<usize>,
}

impl AddedTokens {
    /// Reads the `added_tokens` of a file. `model_id` looks up a token in the model's vocabulary,
    /// which has `model_len` entries. Returns also what a person should know: ids that differ
    /// from those in the file.
    ///
    /// # Errors
    /// [`Error::Vocab`] for a broken list, or for two tokens with one id or one literal.
    pub fn from_json(
        entries: &Value,
        model_id: &dyn Fn(&str) -> Option<u32>,
        model_len: usize,
        normalizer: Option<&Normalizer>,
    ) -> Result<(Self, Vec<String>), Error> {
        let entries = entries
            .as_array()
            .ok_or_else(|| Error::Vocab(format!("added_tokens is not a list: {entries}")))?;
        let mut tokens: Vec<AddedToken> = Vec::new();
        let mut warnings = Vec::new();
        let mut known: FxHashMap<String, usize> = FxHashMap::default();
        let mut next = model_len as u32;
        for (index, entry) in entries.iter().enumerate() {
            let wrong = |field: &str, wanted: &str| {
                Error::Vocab(format!(
                    "added_tokens[{index}].{field} must be {wanted}: {entry}"
                ))
            };
            let flag = |field: &str| {
                entry
                    .get(field)
                    .and_then(Value::as_bool)
                    .ok_or_else(|| wrong(field, "true or false"))
            };
            let content = entry
                .get("content")
                .and_then(Value::as_str)
                .ok_or_else(|| wrong("content", "a string"))?;
            let declared = entry
                .get("id")
                .and_then(Value::as_u64)
                .ok_or_else(|| wrong("id", "an id"))?;
            let mut token = AddedToken {
                content: content.to_owned(),
                id: 0,
                special: flag("special")?,
                normalized: flag("normalized")?,
                lstrip: flag("lstrip")?,
                rstrip: flag("rstrip")?,
                single_word: flag("single_word")?,
            };
            if content.is_empty() {
                continue;
            }
            let earlier = known.get(content).copied();
            token.id = match (earlier, model_id(content)) {
                (Some(earlier), _) => tokens[earlier].id,
                (None, Some(id)) => id,
                (None, None) => {
                    next += 1;
                    next - 1
                }
            };
            if u64::from(token.id) != declared {
                warnings.push(format!(
                    "the added token {content:?} has the id {declared} in the file, but {} when it is loaded, as in stock tokenizers: model.vocab does not have it",
                    token.id
                ));
            }
            if let Some(earlier) = earlier {
                tokens[earlier] = token;
            } else {
                known.insert(content.to_owned(), tokens.len());
                tokens.push(token);
            }
        }
        Ok((Self::new(tokens, normalizer)?, warnings))
    }

    /// The special tokens of a tiktoken encoding.
    ///
    /// # Errors
    /// [`Error::Vocab`] for two tokens with one id or one literal, or an empty literal.
    pub fn from_specials(specials: impl IntoIterator<Item = (String, u32)>) -> Result<Self, Error> {
        let tokens = specials
            .into_iter()
            .map(|(content, id)| AddedToken {
                content,
                id,
                special: true,
                normalized: false,
                lstrip: false,
                rstrip: false,
                single_word: false,
            })
            .collect();
        Self::new(tokens, None)
    }

    fn new(mut tokens: Vec<AddedToken>, normalizer: Option<&Normalizer>) -> Result<Self, Error> {
        tokens.sort_by_key(|token| token.id);
        for pair in tokens.windows(2) {
            if pair[0].id == pair[1].id {
                return Err(Error::Vocab(format!(
                    "the added tokens {:?} and {:?} both have the id {}",
                    pair[0].content, pair[1].content, pair[0].id
                )));
            }
        }
        if let Some(token) = tokens
            .iter()
            .find(|token| token.id >= crate::vocab::ID_LIMIT)
        {
            return Err(Error::Unsupported {
                component: format!("the added token {:?}", token.content),
                reason: format!(
                    "its id is {}; ids go up to {}",
                    token.id,
                    crate::vocab::ID_LIMIT - 1
                ),
            });
        }
        let mut literals = Vec::with_capacity(tokens.len());
        for token in &tokens {
            let mut literal = Aligned::new(token.content.as_bytes(), 0, false);
            if let Some(normalizer) = normalizer.filter(|_| token.normalized) {
                normalizer.apply(&mut literal)?;
            }
            literals.push(literal.text().to_vec());
        }
        Ok(Self {
            raw: Matcher::new(&tokens, &literals, false)?,
            normalized: Matcher::new(&tokens, &literals, true)?,
            has_plain: tokens.iter().any(|token| !token.special),
            tokens,
        })
    }

    /// The tokens in the order of their ids.
    #[must_use]
    pub fn tokens(&self) -> &[AddedToken] {
        &self.tokens
    }

    /// The token with an id.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<&AddedToken> {
        let index = self
            .tokens
            .binary_search_by_key(&id, |token| token.id)
            .ok()?;
        self.tokens.get(index)
    }

    /// Whether a text has to be looked through at all.
    #[must_use]
    pub fn must_scan(&self, allowed: &Allowed) -> bool {
        match allowed {
            Allowed::None => self.has_plain,
            Allowed::All => !self.tokens.is_empty(),
            Allowed::Some(ids) => self.has_plain || !ids.is_empty(),
        }
    }

    /// Appends the sections of a text as it came.
    pub fn cut_raw(&self, text: &[u8], allowed: &Allowed, out: &mut Vec<Section>) {
        self.raw.cut(&self.tokens, text, *allowed, out);
    }

    /// Appends the sections of a normalized text.
    pub fn cut_normalized(&self, text: &[u8], allowed: &Allowed, out: &mut Vec<Section>) {
        self.normalized.cut(&self.tokens, text, *allowed, out);
    }
}

impl Matcher {
    fn new(tokens: &[AddedToken], literals: &[Vec<u8>], normalized: bool) -> Result<Self, Error> {
        let indices: Vec<usize> = (0..tokens.len())
            .filter(|&index| tokens[index].normalized == normalized)
            .collect();
        let mut seen: FxHashMap<&[u8], usize> = FxHashMap::default();
        for &index in &indices {
            if literals[index].is_empty() {
                return Err(Error::Vocab(format!(
                    "the added token {:?} is empty when it is normalized",
                    tokens[index].content
                )));
            }
            if let Some(other) = seen.insert(&literals[index], index) {
                return Err(Error::Vocab(format!(
                    "the added tokens {:?} and {:?} have the same text",
                    tokens[other].content, tokens[index].content
                )));
            }
        }
        let automaton = if indices.is_empty() {
            None
        } else {
            let automaton = AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(indices.iter().map(|&index| &literals[index]))
                .map_err(|error| Error::Vocab(format!("too many added tokens: {error}")))?;
            Some(automaton)
        };
        Ok(Self {
            automaton,
            tokens: indices,
        })
    }

    fn cut(&self, tokens: &[AddedToken], text: &[u8], allowed: Allowed, out: &mut Vec<Section>) {
        let mut done = 0;
        let matches = self
            .automaton
            .iter()
            .flat_map(|automaton| automaton.find_iter(text));
        for found in matches {
            let token = &tokens[self.tokens[found.pattern().as_usize()]];
            if !allowed.has(token) {
                continue;
            }
            let (mut start, mut end) = (found.start(), found.end());
            if token.single_word
                && (ends_with(&text[..start], is_word) || starts_with(&text[end..], is_word))
            {
                continue;
            }
            if token.lstrip {
                // The match before may have taken the space already.
                start = white_start(&text[..start]).max(done);
            }
            if token.rstrip {
                end += white_end(&text[end..]);
            }
            if done < start {
                out.push(Section::Text(done..start));
            }
            out.push(Section::Token {
                id: token.id,
                range: start..end,
            });
            done = end;
        }
        if done < text.len() {
            out.push(Section::Text(done..text.len()));
        }
    }
}

fn is_word(character: char) -> bool {
    regex_syntax::try_is_word_character(character).unwrap_or(false)
}

/// The last character of a text, if it is UTF-8 there.
fn last_char(text: &[u8]) -> Option<char> {
    let tail = &text[text.len().saturating_sub(4)..];
    tail.utf8_chunks()
        .last()
        .filter(|chunk| chunk.invalid().is_empty())?
        .valid()
        .chars()
        .last()
}

fn first_char(text: &[u8]) -> Option<char> {
    let head = &text[..text.len().min(4)];
    head.utf8_chunks().next()?.valid().chars().next()
}

fn ends_with(text: &[u8], is: impl Fn(char) -> bool) -> bool {
    last_char(text).is_some_and(is)
}

fn starts_with(text: &[u8], is: impl Fn(char) -> bool) -> bool {
    first_char(text).is_some_and(is)
}

/// Where the white space at the end of a text starts.
fn white_start(mut text: &[u8]) -> usize {
    while let Some(character) = last_char(text).filter(|character| character.is_whitespace()) {
        text = &text[..text.len() - character.len_utf8()];
    }
    text.len()
}

/// How long the white space at the start of a text is.
fn white_end(text: &[u8]) -> usize {
    let mut end = 0;
    while let Some(character) = first_char(&text[end..]).filter(|c| c.is_whitespace()) {
        end += character.len_utf8();
    }
    end
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn token(content: &str, flags: &[&str]) -> Value {
        let has = |flag: &str| flags.contains(&flag);
        json!({
            "id": 0, "content": content, "special": has("special"), "normalized": has("normalized"),
            "lstrip": has("lstrip"), "rstrip": has("rstrip"), "single_word": has("single_word"),
        })
    }

    fn added(tokens: &[Value]) -> AddedTokens {
        AddedTokens::from_json(&Value::Array(tokens.to_vec()), &|_| None, 100, None)
            .unwrap()
            .0
    }

    fn cut(added: &AddedTokens, text: &str, allowed: &Allowed) -> Vec<String> {
        let mut sections = Vec::new();
        added.cut_raw(text.as_bytes(), allowed, &mut sections);
        sections
            .into_iter()
            .map(|section| match section {
                Section::Text(range) => text[range].to_owned(),
                Section::Token { id, range } => format!("[{id}:{}]", &text[range]),
            })
            .collect()
    }

    #[test]
    fn leftmost_longest() {
        let added = added(&[token("ab", &[]), token("abc", &[]), token("bcd", &[])]);
        assert_eq!(
            cut(&added, "xabcdab", &Allowed::None),
            ["x", "[101:abc]", "d", "[100:ab]"]
        );
        assert_eq!(cut(&added, "", &Allowed::None), [""; 0]);
    }

    #[test]
    fn special_tokens_are_text_unless_allowed() {
        let added = added(&[
            token("<s>", &["special"]),
            token("s>", &[]),
            token("<p>", &["special"]),
        ]);
        // The special token takes its text though it does not match.
        assert_eq!(cut(&added, "<s>s>", &Allowed::None), ["<s>", "[101:s>]"]);
        assert_eq!(
            cut(&added, "<s><p>", &Allowed::All),
            ["[100:<s>]", "[102:<p>]"]
        );
        let some = FxHashSet::from_iter([102]);
        assert_eq!(
            cut(&added, "<s><p>", &Allowed::Some(&some)),
            ["<s>", "[102:<p>]"]
        );
        assert!(added.must_scan(&Allowed::None));
        let specials = AddedTokens::from_specials([("<s>".to_owned(), 5)]).unwrap();
        assert!(!specials.must_scan(&Allowed::None) && specials.must_scan(&Allowed::All));
        assert_eq!(specials.get(5).unwrap().content, "<s>");
    }

    #[test]
    fn flags() {
        let added = added(&[
            token("l", &["lstrip"]),
            token("r", &["rstrip"]),
            token("w", &["single_word"]),
        ]);
        assert_eq!(
            cut(&added, "a \u{3000}l b", &Allowed::None),
            ["a", "[100: \u{3000}l]", " b"]
        );
        assert_eq!(
            cut(&added, "r  l", &Allowed::None),
            ["[101:r  ]", "[100:l]"]
        );
        assert_eq!(
            cut(&added, "w aw w é_w wé", &Allowed::None),
            ["[102:w]", " aw ", "[102:w]", " é_w wé"]
        );
    }

    #[test]
    fn ids_are_those_of_stock_tokenizers() {
        let entries = json!([token("a", &[]), token("b", &[]), token("a", &["special"])]);
        let model = |content: &str| (content == "b").then_some(7);
        let (added, warnings) = AddedTokens::from_json(&entries, &model, 100, None).unwrap();
        let ids: Vec<_> = added
            .tokens()
            .iter()
            .map(|token| (token.id, token.special))
            .collect();
        assert_eq!(ids, [(7, false), (100, true)]);
        assert_eq!(warnings.len(), 3);
    }

    #[test]
    fn normalized_tokens() {
        let nfc = Normalizer::from_json(&json!({"type": "NFC"})).unwrap();
        let entries = json!([token("e\u{301}", &["normalized"])]);
        let (added, _) = AddedTokens::from_json(&entries, &|_| None, 9, nfc.as_ref()).unwrap();
        let mut sections = Vec::new();
        added.cut_normalized("aé".as_bytes(), &Allowed::None, &mut sections);
        assert_eq!(
            sections,
            [Section::Text(0..1), Section::Token { id: 9, range: 1..3 }]
        );
        let twice = json!([
            token("e\u{301}", &["normalized"]),
            token("é", &["normalized"])
        ]);
        assert!(AddedTokens::from_json(&twice, &|_| None, 9, nfc.as_ref()).is_err());
    }
}
