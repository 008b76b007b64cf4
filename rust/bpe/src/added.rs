//! Added tokens: literals that are cut out of the text before anything else.
//!
//! There are two sets. Tokens of the raw set are looked for in the text itself, tokens of the
//! normalized set, in their normalized form, in the normalized text between the others. Matches
//! are the leftmost, of those the longest, over the whole set; a special token that is not allowed
//! still takes its place among them, but its text stays text. A match may be refused between word
//! characters, and may take the white space beside it.
//!
//! Tokens have the ids that stock `tokenizers` gives them on loading, whatever the file says: that
//! of the model for a token it has, else the next one from the number of entries of the model on.
//!
//! Cost: one pass of an automaton over the text, whatever the number of tokens; none if no token
//! of a set can match.

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;
use serde_json::Value;

use crate::Error;
use crate::aligned::Aligned;
use crate::characters;
use crate::normalizer::Normalizer;
use crate::pretokenizer::is_word;
use crate::vocab::ID_LIMIT;

/// An added token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)]
pub struct AddedToken {
    /// Its text.
    pub content: String,
    /// Its id.
    pub id: u32,
    /// Whether it is special: plain text unless it is allowed.
    pub special: bool,
    /// Whether it is looked for in normalized text.
    pub normalized: bool,
    /// Whether it takes the white space before it.
    pub lstrip: bool,
    /// Whether it takes the white space behind it.
    pub rstrip: bool,
    /// Whether it matches only where no word character stands beside it.
    pub single_word: bool,
}

/// A part of a scanned text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Section {
    /// Text without added tokens; never empty.
    Text(Range<usize>),
    /// An added token.
    Token {
        /// Its id.
        id: u32,
        /// Its place, white space that it took included.
        range: Range<usize>,
    },
}

/// The special tokens that may match. Tokens that are not special always do.
#[derive(Debug, Clone, Copy)]
pub enum Allowed<'a> {
    /// None of them.
    None,
    /// All of them.
    All,
    /// Those with these ids.
    Some(&'a FxHashSet<u32>),
}

/// The added tokens of a tokenizer. See the module.
#[derive(Debug, Clone)]
pub struct AddedTokens {
    tokens: Vec<AddedToken>,
    raw: Set,
    normalized: Set,
}

/// The tokens that are looked for in one text.
#[derive(Debug, Clone, Default)]
struct Set {
    automaton: Option<AhoCorasick>,
    /// The token of each pattern of the automaton, as an index, and the pattern.
    tokens: Vec<usize>,
    texts: Vec<Vec<u8>>,
    /// Whether some token is not special.
    has_plain: bool,
}

/// What is looked for, the id, and whether plain text yields it.
pub(crate) type Match = (Vec<u8>, u32, bool);

/// A token as a file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)]
struct Entry {
    id: u32,
    content: String,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
    special: bool,
}

impl Allowed<'_> {
    fn has(&self, id: u32) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Some(ids) => ids.contains(&id),
        }
    }
}

impl AddedTokens {
    /// Reads the `added_tokens` of a file, with warnings for ids that are not those of the file.
    /// `model_vocab` gives the id of a token of the model, `model_vocab_len` their number.
    ///
    /// # Errors
    /// [`Error::Vocab`] for entries that are not understood, two tokens with one normalized form,
    /// or one without; [`Error::Pretokenize`] where the normalizer fails.
    pub fn from_json(
        entries: &Value,
        model_vocab: &dyn Fn(&str) -> Option<u32>,
        model_vocab_len: usize,
        normalizer: Option<&Normalizer>,
    ) -> Result<(Self, Vec<String>), Error> {
        let empty = Vec::new();
        let entries = match entries {
            Value::Null => &empty,
            Value::Array(entries) => entries,
            other => {
                return Err(Error::Vocab(format!(
                    "added_tokens must be a list, not {other}"
                )));
            }
        };
        let mut next = u32::try_from(model_vocab_len)
            .map_err(|_| Error::Vocab(format!("model.vocab has {model_vocab_len} entries")))?;
        let mut warnings = Vec::new();
        let mut ids: FxHashMap<String, u32> = FxHashMap::default();
        let mut specials: FxHashSet<String> = FxHashSet::default();
        let mut tokens: FxHashMap<u32, AddedToken> = FxHashMap::default();
        for (index, entry) in entries.iter().enumerate() {
            let entry = Entry::deserialize(entry)
                .map_err(|error| Error::Vocab(format!("added_tokens[{index}]: {error}")))?;
            if entry.content.is_empty() {
                warnings.push(format!("added_tokens[{index}] is empty and ignored"));
                continue;
            }
            let known = ids
                .get(&entry.content)
                .copied()
                .or_else(|| model_vocab(&entry.content));
            let id = known.unwrap_or(next);
            if known.is_none() {
                next = next.checked_add(1).ok_or_else(|| {
                    Error::Vocab(format!("there is no id left for added_tokens[{index}]"))
                })?;
            }
            if id != entry.id {
                warnings.push(format!(
                    "the added token {:?} has id {id}, not {} as the file says",
                    entry.content, entry.id
                ));
            }
            if entry.special {
                specials.insert(entry.content.clone());
            }
            ids.insert(entry.content.clone(), id);
            let token = AddedToken {
                // A token that was special once stays so.
                special: specials.contains(&entry.content),
                content: entry.content,
                id,
                normalized: entry.normalized,
                lstrip: entry.lstrip,
                rstrip: entry.rstrip,
                single_word: entry.single_word,
            };
            let content = token.content.clone();
            if let Some(before) = tokens
                .insert(id, token)
                .filter(|before| before.content != content)
            {
                warnings.push(format!(
                    "the added token {content:?} takes id {id} from {:?}, which never matches",
                    before.content
                ));
            }
        }
        Ok((
            Self::new(tokens.into_values().collect(), normalizer)?,
            warnings,
        ))
    }

    /// The special tokens of a tiktoken encoding.
    ///
    /// # Errors
    /// [`Error::Vocab`] for an empty token, a token or an id that comes twice;
    /// [`Error::Unsupported`] for an id that is too high.
    pub fn from_specials(specials: impl IntoIterator<Item = (String, u32)>) -> Result<Self, Error> {
        let tokens: Vec<AddedToken> = specials
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
        let mut ids = FxHashSet::default();
        for token in &tokens {
            if token.content.is_empty() {
                return Err(Error::Vocab(format!(
                    "the special token of id {} is empty",
                    token.id
                )));
            }
            if !ids.insert(token.id) {
                return Err(Error::Vocab(format!(
                    "two special tokens have id {}",
                    token.id
                )));
            }
        }
        Self::new(tokens, None)
    }

    fn new(mut tokens: Vec<AddedToken>, normalizer: Option<&Normalizer>) -> Result<Self, Error> {
        tokens.sort_unstable_by_key(|token| token.id);
        if let Some(token) = tokens.last().filter(|token| token.id >= ID_LIMIT) {
            return Err(Error::Unsupported {
                component: format!("the added token {:?}", token.content),
                reason: format!(
                    "it has id {}; ids up to {} are supported",
                    token.id,
                    ID_LIMIT - 1
                ),
            });
        }
        let (mut raw, mut normalized) = (Vec::new(), Vec::new());
        for (index, token) in tokens.iter().enumerate() {
            let mut content = Aligned::new(token.content.as_bytes(), 0, false);
            if !token.normalized {
                raw.push((token.content.clone().into_bytes(), index));
                continue;
            }
            if let Some(normalizer) = normalizer {
                normalizer.apply(&mut content)?;
            }
            if content.text().is_empty() {
                return Err(Error::Vocab(format!(
                    "the added token {:?} normalizes to nothing; it cannot be looked for",
                    token.content
                )));
            }
            normalized.push((content.text().to_vec(), index));
        }
        let (raw, normalized) = (Set::new(raw, &tokens)?, Set::new(normalized, &tokens)?);
        Ok(Self {
            tokens,
            raw,
            normalized,
        })
    }

    /// The tokens in the order of their ids, each once.
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

    /// Whether any token can match.
    #[must_use]
    pub fn must_scan(&self, allowed: &Allowed) -> bool {
        self.raw.must_scan(&self.tokens, allowed)
            || self.normalized.must_scan(&self.tokens, allowed)
    }

    /// The two sets, the tokens that are looked for in the text as it is and those that are looked
    /// for in the parts between, each with what is looked for, the id, and whether plain text
    /// yields it. A set of which plain text yields none is empty. `is_normalized` says that the
    /// text is normalized in between.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where it is not known which text a token took: it takes white space,
    /// looks at its neighbours, or is looked for before the text is normalized.
    pub(crate) fn plain_matches(&self, is_normalized: bool) -> Result<[Vec<Match>; 2], Error> {
        let refuse = |token: &AddedToken, reason: &str| Error::Unsupported {
            component: format!("the added token {:?}", token.content),
            reason: format!("{reason}, so the ids of a half-written text are not known"),
        };
        let mut matches = [Vec::new(), Vec::new()];
        for (normalized, set) in [&self.raw, &self.normalized].into_iter().enumerate() {
            if !set.has_plain {
                continue;
            }
            for (&index, text) in set.tokens.iter().zip(&set.texts) {
                let token = &self.tokens[index];
                if !token.special && (token.lstrip || token.rstrip) {
                    return Err(refuse(token, "it takes the white space beside it"));
                }
                if !token.special && token.single_word {
                    return Err(refuse(token, "it matches by what stands beside it"));
                }
                if !token.special && is_normalized && normalized == 0 {
                    return Err(refuse(
                        token,
                        "it is looked for before the text is normalized",
                    ));
                }
                matches[normalized].push((text.clone(), token.id, !token.special));
            }
        }
        Ok(matches)
    }

    /// Cuts an original text at the tokens that are not normalized; appends the sections.
    pub fn cut_raw(&self, text: &[u8], allowed: &Allowed, out: &mut Vec<Section>) {
        self.raw.cut(&self.tokens, text, allowed, out);
    }

    /// Cuts a normalized text between those at the tokens that are normalized.
    pub fn cut_normalized(&self, text: &[u8], allowed: &Allowed, out: &mut Vec<Section>) {
        self.normalized.cut(&self.tokens, text, allowed, out);
    }
}

impl Set {
    fn new(patterns: Vec<(Vec<u8>, usize)>, tokens: &[AddedToken]) -> Result<Self, Error> {
        if patterns.is_empty() {
            return Ok(Self::default());
        }
        let mut seen: FxHashMap<&[u8], usize> = FxHashMap::default();
        for (pattern, index) in &patterns {
            if let Some(other) = seen.insert(pattern, *index) {
                return Err(Error::Vocab(format!(
                    "the added tokens {:?} and {:?} match the same text",
                    tokens[other].content, tokens[*index].content
                )));
            }
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(patterns.iter().map(|(pattern, _)| pattern))
            .map_err(|error| Error::Vocab(format!("the added tokens are too many: {error}")))?;
        let has_plain = patterns.iter().any(|(_, index)| !tokens[*index].special);
        let (texts, tokens) = patterns.into_iter().unzip();
        Ok(Self {
            automaton: Some(automaton),
            tokens,
            texts,
            has_plain,
        })
    }

    fn must_scan(&self, tokens: &[AddedToken], allowed: &Allowed) -> bool {
        self.has_plain
            || match allowed {
                Allowed::None => false,
                Allowed::All => !self.tokens.is_empty(),
                Allowed::Some(ids) => self
                    .tokens
                    .iter()
                    .any(|&index| ids.contains(&tokens[index].id)),
            }
    }

    fn cut(&self, tokens: &[AddedToken], text: &[u8], allowed: &Allowed, out: &mut Vec<Section>) {
        let automaton = self
            .automaton
            .as_ref()
            .filter(|_| self.must_scan(tokens, allowed));
        let mut last = 0;
        for found in automaton
            .into_iter()
            .flat_map(|automaton| automaton.find_iter(text))
        {
            let token = &tokens[self.tokens[found.pattern().as_usize()]];
            if token.special && !allowed.has(token.id) {
                continue;
            }
            let (mut start, mut end) = (found.start(), found.end());
            let is_beside_word =
                |(character, _): (Option<char>, usize)| character.is_some_and(is_word);
            if token.single_word
                && (is_beside_word(characters::before(text, start))
                    || is_beside_word(characters::after(text, end)))
            {
                continue;
            }
            if token.lstrip {
                while let (Some(character), length) = characters::before(text, start)
                    && character.is_whitespace()
                {
                    start -= length;
                }
                // White space that the match before took is not taken again.
                start = start.max(last);
            }
            if token.rstrip {
                while let (Some(character), length) = characters::after(text, end)
                    && character.is_whitespace()
                {
                    end += length;
                }
            }
            if last < start {
                out.push(Section::Text(last..start));
            }
            // A match that starts in white space that the match before took overlaps it and may
            // end before it, as in `tokenizers`; if it may take nothing that is left, it is empty
            // and no token.
            if start < end {
                out.push(Section::Token {
                    id: token.id,
                    range: start..end,
                });
            }
            last = end;
        }
        if last < text.len() {
            out.push(Section::Text(last..text.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
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
    fn white_space_is_taken_once() {
        // As `tokenizers` does it: matches inside white space that was taken already may overlap
        // it, and count for nothing where nothing is left of them.
        let both = added(&[
            token(" ", &["lstrip", "rstrip"]),
            token("a", &["rstrip"]),
            token(" b", &[]),
        ]);
        assert_eq!(
            cut(&both, "   x  ", &Allowed::None),
            ["[100:   ]", "x", "[100:  ]"]
        );
        assert_eq!(
            cut(&both, "a  b", &Allowed::None),
            ["[101:a  ]", "[102: b]"]
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
        let drop = json!({"type": "Replace", "pattern": {"String": "x"}, "content": ""});
        let drop = Normalizer::from_json(&drop).unwrap();
        let nothing = json!([token("x", &["normalized"])]);
        assert!(AddedTokens::from_json(&nothing, &|_| None, 9, drop.as_ref()).is_err());
    }

    #[test]
    fn malformed_entries_are_named() {
        for (entries, part) in [
            (json!({}), "added_tokens"),
            (json!([token("a", &[]), {"id": 1}]), "added_tokens[1]"),
            (json!([{"id": "1", "content": "a"}]), "added_tokens[0]"),
        ] {
            let error = AddedTokens::from_json(&entries, &|_| None, 9, None)
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "{error}");
        }
        for twice in [
            [("a", 1), ("a", 2)],
            [("a", 1), ("b", 1)],
            [("", 1), ("b", 2)],
        ] {
            let specials = twice.map(|(content, id)| (content.to_owned(), id));
            assert!(AddedTokens::from_specials(specials).is_err());
        }
        assert!(AddedTokens::from_specials([("a".to_owned(), ID_LIMIT)]).is_err());
    }

    /// From the definition: at each place the longest token that starts there, allowed or not.
    fn cut_slowly(added: &AddedTokens, text: &[u8], allowed: &Allowed) -> Vec<Section> {
        let is_space = |found: (Option<char>, usize)| found.0.is_some_and(char::is_whitespace);
        let is_beside = |found: (Option<char>, usize)| found.0.is_some_and(is_word);
        let (mut sections, mut place, mut last) = (Vec::new(), 0, 0);
        while place < text.len() {
            let longest = added
                .tokens()
                .iter()
                .filter(|token| text[place..].starts_with(token.content.as_bytes()))
                .max_by_key(|token| token.content.len());
            let Some(token) = longest else {
                place += 1;
                continue;
            };
            let (mut start, mut end) = (place, place + token.content.len());
            place = end;
            let alone = !is_beside(characters::before(text, start))
                && !is_beside(characters::after(text, end));
            if (token.special && !allowed.has(token.id)) || (token.single_word && !alone) {
                continue;
            }
            while token.lstrip && is_space(characters::before(text, start)) {
                start -= characters::before(text, start).1;
            }
            if token.lstrip {
                start = start.max(last);
            }
            while token.rstrip && is_space(characters::after(text, end)) {
                end += characters::after(text, end).1;
            }
            if last < start {
                sections.push(Section::Text(last..start));
            }
            if start < end {
                sections.push(Section::Token {
                    id: token.id,
                    range: start..end,
                });
            }
            last = end;
        }
        if last < text.len() {
            sections.push(Section::Text(last..text.len()));
        }
        sections
    }

    proptest! {
        #[test]
        fn sections_follow_the_definition(
            tokens in prop::collection::hash_map(
                prop::sample::select(vec!["a", "ab", "abc", "bc", "b ", " ", "  ", "é", "<s>", "s>"]),
                prop::sample::subsequence(vec!["special", "lstrip", "rstrip", "single_word"], 0..4),
                0..6,
            ),
            text in prop::collection::vec(
                prop::sample::select(vec!["a", "b", "c", " ", "\u{3000}", "é", "<s>", "_", "x"]),
                0..14,
            ),
            bad in any::<bool>(),
        ) {
            let entries: Vec<Value> = tokens.iter().map(|(text, flags)| token(text, flags)).collect();
            let added = added(&entries);
            let mut text = text.concat().into_bytes();
            if bad && !text.is_empty() {
                let middle = text.len() / 2;
                text[middle] = 0xE2;
            }
            let some = FxHashSet::from_iter([100, 102]);
            for allowed in [Allowed::None, Allowed::All, Allowed::Some(&some)] {
                let expected = cut_slowly(&added, &text, &allowed);
                let mut sections = Vec::new();
                added.cut_raw(&text, &allowed, &mut sections);
                if !added.must_scan(&allowed) {
                    prop_assert!(sections.len() <= 1);
                }
                prop_assert_eq!(sections, expected);
            }
        }
    }
}
