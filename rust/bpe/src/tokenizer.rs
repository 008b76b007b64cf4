//! A whole tokenizer: text to ids and back.
//!
//! Encoding is the chain of the crate's first page. Where the chain leaves the text as it is (no
//! normalizer, pre-tokenizer steps that only cut), pretokens are a bitmap over the text and the
//! encoder reads the text in place. Else the text is rewritten once, with or without the spans
//! that offsets need.
//!
//! A tokenizer never changes. Buffers are kept in a pool that is tried some times, never waited
//! for: threads do not block each other, and a child process after `fork` does not hang on a lock
//! that nobody holds any more.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, TryLockError};

use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Value, json};

use crate::Error;
use crate::added::{AddedToken, AddedTokens, Allowed, Section};
use crate::admissible::{Admissibility, Tables};
use crate::aligned::Aligned;
use crate::annotator::{Components, Recognize};
use crate::decoder::{Decoder, DecoderStream, Token};
use crate::encoder::{Encoder, Scratch, Stop};
use crate::file::{self, Options, Parts, Unread};
use crate::model::{Kind, Merge, Model};
use crate::normalizer::Normalizer;
use crate::pattern::{Dialect, Pattern};
use crate::pretokenizer::Pretokenizer;
use crate::vocab::{ID_LIMIT, Vocab, display};

/// A tokenizer. See the module.
pub struct Tokenizer {
    parts: Parts,
    model: Model,
    encoder: Encoder,
    added: AddedTokens,
    normalizer: Option<Normalizer>,
    pretokenizer: Pretokenizer,
    decoder: Decoder,
    specials: FxHashSet<u32>,
    /// What the decoder gets for an added token, where that is not the token of the model.
    added_bytes: FxHashMap<u32, Vec<u8>>,
    warnings: Vec<String>,
    /// Why the tokenizer cannot be written, if it cannot.
    unwritable: Option<Error>,
    by_bytes: OnceLock<FxHashMap<Vec<u8>, u32>>,
    by_spelling: OnceLock<Vec<u32>>,
    admissible: OnceLock<Result<Tables, Error>>,
    pool: Mutex<Vec<Box<Work>>>,
}

/// The buffers of one call, some kilobytes: they are handed on in a box.
struct Work {
    scratch: Scratch,
    cuts: Vec<u64>,
    sections: Vec<Section>,
}

/// The hold of one caller on buffers of a tokenizer. Whoever encodes many texts takes it once: the
/// buffers know what they have encoded before, and new ones cost some milliseconds.
pub struct Worker<'t> {
    tokenizer: &'t Tokenizer,
    /// There until the hold ends.
    work: Option<Box<Work>>,
}

/// What gets ids, and the index of the first id of each pretoken.
type Take<'t> = dyn FnMut(&[u32], &[usize]) + 't;

/// Where ids and, if wanted, their byte ranges go.
struct Output<'o> {
    ids: &'o mut Vec<u32>,
    offsets: Option<&'o mut Vec<(usize, usize)>>,
    /// The index of the first id of each pretoken.
    starts: Option<&'o mut Vec<usize>>,
    /// Gets the ids and the starts after each part of a long text; then both start anew.
    take: Option<&'o mut Take<'o>>,
}

/// What a tokenizer is made of, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Info {
    /// `byte-level` or `characters`, with or without byte fallback.
    pub kind: String,
    /// The highest id + 1.
    pub vocab_size: usize,
    /// Tokens of the model, added ones not counted.
    pub entries: usize,
    /// Merges in the file.
    pub merges: usize,
    /// Merges that can fire.
    pub live_merges: usize,
    /// Added tokens, special ones among them.
    pub added_tokens: usize,
    /// Whether some merges join words.
    pub superwords: bool,
    /// The steps of the normalizer, if there is one.
    pub normalizer: Option<String>,
    /// The steps of the pre-tokenizer.
    pub pretokenizer: String,
    /// The first component that can lose or change text, if any.
    pub lossy: Option<String>,
    /// The bytes that no token can spell.
    pub missing_bytes: Vec<u8>,
    /// What differs from what one would expect of the file.
    pub warnings: Vec<String>,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Vocab`] for a broken file, [`Error::Unsupported`] for a component that would need
    /// another algorithm.
    pub fn from_json(json: &[u8]) -> Result<Self, Error> {
        Self::from_json_with(json, &mut |_| None)
    }

    /// Reads a `tokenizer.json` that may have an annotator.
    ///
    /// # Errors
    /// As [`Tokenizer::from_json`].
    pub fn from_json_with(json: &[u8], recognize: &mut Recognize) -> Result<Self, Error> {
        let unread = Unread::new(json)?;
        let parts = unread.parts.clone();
        let whole = Components {
            normalizer: parts.normalizer.clone(),
            pre_tokenizer: parts.pre_tokenizer.clone(),
            decoder: parts.decoder.clone(),
        };
        let (annotator, read) = match recognize(&whole) {
            Some((annotator, rest)) => (Some(annotator), rest),
            None => (None, whole),
        };
        let mut normalizer = Normalizer::from_json(&read.normalizer)?;
        let mut pretokenizer = Pretokenizer::from_json(&read.pre_tokenizer)?;
        let byte_level = pretokenizer.is_byte_level();
        let mut decoder = Decoder::from_json(&read.decoder, byte_level)?;
        if let Some(annotator) = annotator {
            normalizer = Some(Normalizer::with_annotator(
                normalizer,
                Arc::clone(&annotator),
            ));
            pretokenizer = pretokenizer.with_annotator(Arc::clone(&annotator));
            decoder = decoder.with_annotator(annotator);
        }
        let ids = unread.ids();
        let model = unread.model(byte_level, &ids)?;
        let (added, warnings) = AddedTokens::from_json(
            &parts.added_tokens,
            &|content| ids.get(content).copied(),
            unread.entries(),
            normalizer.as_ref(),
        )?;
        drop(ids);
        drop(unread);
        Self::new(
            parts,
            model,
            added,
            normalizer,
            pretokenizer,
            decoder,
            warnings,
        )
    }

    /// Makes a tokenizer from the ranks and the pattern of a tiktoken encoding: pretokens are the
    /// matches of the pattern, a pretoken that is a token is that token, and every split of a
    /// token into two tokens is a merge of its rank.
    ///
    /// # Errors
    /// As [`Tokenizer::from_json`].
    pub fn from_tiktoken<'a>(
        ranks: &[(&'a [u8], u32)],
        pattern: &str,
        specials: impl IntoIterator<Item = (&'a str, u32)>,
    ) -> Result<Self, Error> {
        let specials: Vec<(String, u32)> = specials
            .into_iter()
            .map(|(content, id)| (content.to_owned(), id))
            .collect();
        // Special tokens stand in the vocabulary too, since stock `tokenizers` gives an added
        // token another id otherwise; but no text is looked up to them.
        let vocab = Vocab::new(
            ranks
                .iter()
                .map(|&(token, rank)| (token, rank, true))
                .chain(
                    specials
                        .iter()
                        .map(|(content, id)| (content.as_bytes(), *id, false)),
                ),
        )?;
        let mut merges = Vec::new();
        for &(token, result) in ranks {
            for cut in 1..token.len() {
                if let (Some(left), Some(right)) =
                    (vocab.id(&token[..cut]), vocab.id(&token[cut..]))
                {
                    merges.push(Merge {
                        left,
                        right,
                        result,
                    });
                }
            }
        }
        merges.sort_unstable_by_key(|merge| (merge.result, merge.left, merge.right));
        let model = Model {
            kind: Kind::Bytes,
            vocab,
            merges,
            ignore_merges: true,
        };
        let written = Pattern::in_oniguruma(pattern);
        let pattern = Pattern::new(pattern, Dialect::Rust)?;
        let unwritable = written.is_none().then(|| {
            Error::Export(format!(
                "the pattern {:?} may cut otherwise in a tokenizer.json, whose regexes are Oniguruma's; write it with plain sets, groups, quantifiers and look-around",
                pattern.source()
            ))
        });
        let added = AddedTokens::from_specials(specials)?;
        let split = json!({
            "type": "Split",
            "pattern": {"Regex": written},
            "behavior": if pattern.is_total() { "Isolated" } else { "Removed" },
            "invert": !pattern.is_total(),
        });
        let byte_level = |use_regex: bool| {
            json!({
                "type": "ByteLevel",
                "add_prefix_space": false,
                "trim_offsets": true,
                "use_regex": use_regex,
            })
        };
        let parts = Parts {
            version: "1.0".into(),
            truncation: Value::Null,
            padding: Value::Null,
            added_tokens: added.tokens().iter().map(added_json).collect(),
            normalizer: Value::Null,
            pre_tokenizer: json!({"type": "Sequence", "pretokenizers": [split, byte_level(false)]}),
            post_processor: Value::Null,
            decoder: byte_level(true),
            options: Options {
                ignore_merges: true,
                ..Options::default()
            },
        };
        let decoder = Decoder::from_json(&parts.decoder, true)?;
        let pretokenizer = Pretokenizer::from_pattern(pattern);
        let tokenizer = Self::new(parts, model, added, None, pretokenizer, decoder, Vec::new())?;
        Ok(Self {
            unwritable,
            ..tokenizer
        })
    }

    fn new(
        parts: Parts,
        model: Model,
        added: AddedTokens,
        normalizer: Option<Normalizer>,
        pretokenizer: Pretokenizer,
        decoder: Decoder,
        warnings: Vec<String>,
    ) -> Result<Self, Error> {
        if model.merges.len() >= ID_LIMIT as usize {
            return Err(Error::Unsupported {
                component: "model.merges".into(),
                reason: format!(
                    "{} merges; up to {} are supported",
                    model.merges.len(),
                    ID_LIMIT - 1
                ),
            });
        }
        let specials: FxHashSet<u32> = added
            .tokens()
            .iter()
            .filter(|token| token.special)
            .map(|token| token.id)
            .collect();
        let mut added_bytes = FxHashMap::default();
        for token in added.tokens() {
            let bytes = match &normalizer {
                // A normalized token is decoded from its normalized form.
                Some(normalizer) if token.normalized => {
                    let mut content = Aligned::new(token.content.as_bytes(), 0, false);
                    normalizer.apply(&mut content)?;
                    content.text().to_vec()
                }
                _ => token.content.as_bytes().to_vec(),
            };
            if model.vocab.get(token.id) != Some(&bytes[..]) {
                added_bytes.insert(token.id, bytes);
            }
        }
        let encoder = Encoder::new(&model, specials.clone());
        let mut tokenizer = Self {
            parts,
            model,
            encoder,
            added,
            normalizer,
            pretokenizer,
            decoder,
            specials,
            added_bytes,
            warnings,
            unwritable: None,
            by_bytes: OnceLock::new(),
            by_spelling: OnceLock::new(),
            admissible: OnceLock::new(),
            pool: Mutex::new(Vec::new()),
        };
        tokenizer.warn_of_reachable_specials();
        Ok(tokenizer)
    }

    /// Notes the special tokens that stock `tokenizers` makes from plain text: those that a merge
    /// makes, or that are looked up as whole pretokens.
    fn warn_of_reachable_specials(&mut self) {
        let mut merged: Vec<u32> = self
            .model
            .merges
            .iter()
            .map(|merge| merge.result)
            .filter(|id| self.specials.contains(id))
            .collect();
        merged.sort_unstable();
        merged.dedup();
        for id in merged {
            self.warnings.push(format!(
                "a merge makes the special token {}: other software gives its id for plain text, this one never",
                display(self.model.token(id))
            ));
        }
        if self.model.ignore_merges {
            for token in self.added.tokens().iter().filter(|token| token.special) {
                if self.model.vocab.id(token.content.as_bytes()) == Some(token.id)
                    && self.is_one_pretoken(&token.content)
                {
                    self.warnings.push(format!(
                        "the special token {:?} is a whole pretoken: other software gives its id for plain text, this one never",
                        token.content
                    ));
                }
            }
        }
    }

    fn is_one_pretoken(&self, content: &str) -> bool {
        let text = Aligned::new(content.as_bytes(), 0, false);
        self.pretokenizer
            .split(text)
            .is_ok_and(|pieces| pieces.ranges.len() == 1)
    }

    /// The text of a `tokenizer.json` that gives this tokenizer again.
    ///
    /// # Errors
    /// [`Error::Export`] if it cannot be written: a tiktoken pattern that the regexes of such a
    /// file would read otherwise.
    pub fn to_json(&self) -> Result<String, Error> {
        if let Some(error) = &self.unwritable {
            return Err(error.clone());
        }
        file::write(&self.parts, &self.model)
    }

    /// The byte-pair model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The encoder of the model.
    #[must_use]
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// The pre-tokenizer.
    #[must_use]
    pub fn pretokenizer(&self) -> &Pretokenizer {
        &self.pretokenizer
    }

    /// Whether a text without special tokens is simply cut and encoded, and ids are simply the
    /// bytes of their tokens.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.normalizer.is_none()
            && self.pretokenizer.cuts_only()
            && self.decoder.is_concat()
            && !self.added.must_scan(&Allowed::None)
    }

    /// The test of half-written sequences; its tables are made by the first call.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where it does not know a component of the tokenizer.
    pub fn admissibility(&self) -> Result<Admissibility<'_>, Error> {
        match self.admissible.get_or_init(|| Tables::new(self)) {
            Ok(tables) => Ok(Admissibility::new(self, tables)),
            Err(error) => Err(error.clone()),
        }
    }

    pub(crate) fn normalizer(&self) -> Option<&Normalizer> {
        self.normalizer.as_ref()
    }

    /// Whether the text of ids is the bytes of their tokens.
    pub(crate) fn decodes_to_bytes(&self) -> bool {
        self.decoder.is_concat()
    }

    pub(crate) fn added_set(&self) -> &AddedTokens {
        &self.added
    }

    pub(crate) fn check_id(&self, id: u32) -> Result<(), Error> {
        self.token(id).map(|_| ())
    }

    /// Added tokens in the order of their ids.
    #[must_use]
    pub fn added_tokens(&self) -> &[AddedToken] {
        self.added.tokens()
    }

    /// The added token with an id.
    #[must_use]
    pub fn added(&self, id: u32) -> Option<&AddedToken> {
        self.added.get(id)
    }

    /// The ids of special tokens.
    #[must_use]
    pub fn special_ids(&self) -> &FxHashSet<u32> {
        &self.specials
    }

    /// The highest id + 1, holes and added tokens included.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        let added = self
            .added
            .tokens()
            .last()
            .map_or(0, |token| token.id as usize + 1);
        self.model.vocab.size().max(added)
    }

    /// The bytes that the model spells with an id, or the content of an added token.
    ///
    /// # Errors
    /// [`Error::UnknownToken`] for an id without a token.
    pub fn token(&self, id: u32) -> Result<&[u8], Error> {
        match self.added_bytes.get(&id) {
            Some(bytes) => Ok(bytes),
            None => self
                .model
                .vocab
                .get(id)
                .ok_or_else(|| file::unknown(id, self.vocab_size())),
        }
    }

    /// What the decoder gets for an id.
    fn decodable(&self, id: u32) -> Result<Token<'_>, Error> {
        let token = self.token(id)?;
        let is_literal = self.decoder.asks_for_literals()
            && (self.added.get(id).is_some() || self.model.vocab.id(token) != Some(id));
        Ok(if is_literal {
            Token::Literal(token)
        } else {
            Token::Model(token)
        })
    }

    /// The bytes that a token stands for inside a text: what decoding it adds behind another token.
    ///
    /// # Errors
    /// [`Error::UnknownToken`] for an id without a token.
    pub fn token_bytes(&self, id: u32) -> Result<Cow<'_, [u8]>, Error> {
        let token = self.token(id)?;
        if let Some(added) = self.added.get(id) {
            return Ok(Cow::Borrowed(added.content.as_bytes()));
        }
        if self.decoder.is_concat() {
            return Ok(Cow::Borrowed(token));
        }
        // Decoders treat the first token in their own way, so it is put in twice.
        let token = self.decodable(id)?;
        let once = self.decoder.decode_bytes(&mut [token].into_iter())?;
        let mut twice = self.decoder.decode_bytes(&mut [token, token].into_iter())?;
        Ok(Cow::Owned(twice.split_off(once.len().min(twice.len()))))
    }

    /// The id of a token by the bytes that it stands for; never that of a special token.
    #[must_use]
    pub fn token_id(&self, bytes: &[u8]) -> Option<u32> {
        let plain = |id: &u32| !self.specials.contains(id);
        let added = self
            .added
            .tokens()
            .iter()
            .find(|added| !added.special && added.content.as_bytes() == bytes);
        if let Some(added) = added {
            return Some(added.id);
        }
        if self.decoder.is_concat() {
            return self.model.vocab.id(bytes).filter(plain);
        }
        self.by_bytes
            .get_or_init(|| self.ids_by_bytes())
            .get(bytes)
            .copied()
    }

    /// The ids of tokens by the bytes that they stand for, where that is not how the model spells
    /// them. A token of its own comes before a byte's fallback, then the lowest id.
    fn ids_by_bytes(&self) -> FxHashMap<Vec<u8>, u32> {
        let symbols = self.encoder.symbols();
        let is_fallback = |id: u32| {
            symbols
                .of_id(id)
                .is_some_and(|symbol| symbols.is_fallback(symbol))
        };
        let mut ids = FxHashMap::default();
        for fallback in [false, true] {
            let plain = self
                .model
                .vocab
                .iter()
                .map(|(id, _)| id)
                .filter(|&id| is_fallback(id) == fallback && !self.specials.contains(&id));
            for id in plain {
                if let Ok(bytes) = self.token_bytes(id) {
                    ids.entry(bytes.into_owned()).or_insert(id);
                }
            }
        }
        ids
    }

    /// The ids of tokens that are not special, sorted by their spelling; those without one left out.
    #[must_use]
    pub fn sorted_ids(&self) -> &[u32] {
        self.by_spelling.get_or_init(|| {
            let mut ids: Vec<u32> = (0..self.vocab_size() as u32)
                .filter(|id| !self.specials.contains(id) && !self.spelling(*id).is_empty())
                .collect();
            ids.sort_unstable_by_key(|&id| (self.spelling(id), id));
            ids
        })
    }

    /// The ids of tokens that merging does not make of their own bytes; added tokens left out.
    #[must_use]
    pub fn unmade(&self) -> Vec<u32> {
        let symbols = self.encoder.symbols();
        let is_made = |id: u32| {
            symbols
                .of_id(id)
                .is_some_and(|symbol| self.encoder.is_own(symbol))
        };
        self.model
            .vocab
            .iter()
            .map(|(id, _)| id)
            .filter(|&id| self.added.get(id).is_none() && !is_made(id))
            .collect()
    }

    /// The set of special ids that names stand for.
    ///
    /// # Errors
    /// [`Error::UnknownToken`] for a name that is no special token.
    pub fn special_set<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<FxHashSet<u32>, Error> {
        names
            .into_iter()
            .map(|name| {
                self.added
                    .tokens()
                    .iter()
                    .find(|token| token.special && token.content == name)
                    .map(|token| token.id)
                    .ok_or_else(|| {
                        Error::UnknownToken(format!(
                            "{name:?} is not a special token of this tokenizer; `special_tokens` lists them"
                        ))
                    })
            })
            .collect()
    }

    /// Appends the ids of a text to `ids`. `tick` is called every few thousand bytes, and every few
    /// matches of a pattern that is matched by backtracking; when it returns false the work stops
    /// and the result is `Ok(false)`.
    ///
    /// # Errors
    /// [`Error::Vocab`] for a byte without a token, [`Error::Pretokenize`] where the text cannot
    /// be normalized or cut.
    pub fn encode(
        &self,
        text: &[u8],
        allowed: &Allowed,
        ids: &mut Vec<u32>,
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<bool, Error> {
        self.worker().encode(text, allowed, ids, tick)
    }

    /// [`Tokenizer::encode`] with the byte range of the text that each id stands for.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_with_offsets(
        &self,
        text: &[u8],
        allowed: &Allowed,
        ids: &mut Vec<u32>,
        offsets: &mut Vec<(usize, usize)>,
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<bool, Error> {
        let mut output = Output::new(ids);
        output.offsets = Some(offsets);
        self.worker().encode_to(text, allowed, &mut output, tick)
    }

    /// Buffers for one thread, for as long as it encodes.
    #[must_use]
    pub fn worker(&self) -> Worker<'_> {
        let pooled = self.with_pool(Vec::pop).flatten();
        let work = pooled.unwrap_or_else(|| {
            Box::new(Work {
                scratch: Encoder::scratch(),
                cuts: Vec::new(),
                sections: Vec::new(),
            })
        });
        Worker {
            tokenizer: self,
            work: Some(work),
        }
    }

    /// Works on the pool, if that is not held by another thread for long.
    fn with_pool<T>(&self, mut change: impl FnMut(&mut Vec<Box<Work>>) -> T) -> Option<T> {
        for _ in 0..TRIES {
            match self.pool.try_lock() {
                Ok(mut pool) => return Some(change(&mut pool)),
                Err(TryLockError::WouldBlock) => std::thread::yield_now(),
                Err(TryLockError::Poisoned(_)) => return None,
            }
        }
        None
    }

    fn encode_with(
        &self,
        text: &[u8],
        allowed: &Allowed,
        output: &mut Output,
        work: &mut Work,
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<(), Failure> {
        if !self.added.must_scan(allowed) {
            return self.encode_section(text, 0, None, output, work, tick);
        }
        let mut sections = std::mem::take(&mut work.sections);
        sections.clear();
        self.added.cut_raw(text, allowed, &mut sections);
        for section in sections.drain(..) {
            match section {
                Section::Text(range) => {
                    let start = range.start;
                    self.encode_section(&text[range], start, Some(allowed), output, work, tick)?;
                }
                Section::Token { id, range } => output.push(id, (range.start, range.end)),
            }
        }
        work.sections = sections;
        Ok(())
    }

    /// Encodes a text between added tokens; `scan` asks to look for normalized ones in it.
    fn encode_section(
        &self,
        text: &[u8],
        base: usize,
        scan: Option<&Allowed>,
        output: &mut Output,
        work: &mut Work,
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<(), Failure> {
        let mut aligned = Aligned::new(text, base, output.offsets.is_some());
        if let Some(normalizer) = &self.normalizer
            && !normalizer.apply_while(&mut aligned, &mut after_matches(text.len(), tick))?
        {
            return Err(Failure::Cancelled);
        }
        let Some(allowed) = scan else {
            return self.encode_text(aligned, output, work, tick);
        };
        let mut sections = Vec::new();
        self.added
            .cut_normalized(aligned.text(), allowed, &mut sections);
        for section in sections {
            match section {
                Section::Text(range) => {
                    self.encode_text(aligned.slice(range), output, work, tick)?;
                }
                Section::Token { id, range } => {
                    output.push(id, aligned.span(range.start, range.end));
                }
            }
        }
        Ok(())
    }

    /// Encodes a text without added tokens.
    fn encode_text(
        &self,
        text: Aligned,
        output: &mut Output,
        work: &mut Work,
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<(), Failure> {
        if self.pretokenizer.cuts_only() {
            let mut cuts = std::mem::take(&mut work.cuts);
            cuts.clear();
            cuts.resize(text.text().len() / 64 + 1, 0);
            let bytes = text.text();
            let mut matched = after_matches(bytes.len(), tick);
            let done = self.pretokenizer.cut_while(bytes, &mut cuts, &mut matched);
            drop(matched);
            let result = match done {
                Ok(true) => {
                    let whole = 0..bytes.len();
                    self.encode_range(&text, whole, &cuts, output, &mut work.scratch, tick)
                }
                Ok(false) => Err(Failure::Cancelled),
                Err(error) => Err(Failure::Error(error)),
            };
            work.cuts = cuts;
            return result;
        }
        let bytes = text.text().len();
        let pieces = self
            .pretokenizer
            .split_while(text, &mut after_matches(bytes, tick))?
            .ok_or(Failure::Cancelled)?;
        let mut start = 0;
        while start < pieces.ranges.len() {
            let mut end = start + 1;
            while end < pieces.ranges.len()
                && pieces.ranges[end].start == pieces.ranges[end - 1].end
            {
                end += 1;
            }
            let group = &pieces.ranges[start..end];
            let whole = group[0].start..group[group.len() - 1].end;
            work.cuts.clear();
            work.cuts.resize(whole.len() / 64 + 1, 0);
            for piece in &group[1..] {
                let place = piece.start - whole.start;
                work.cuts[place / 64] |= 1 << (place % 64);
            }
            let Work { cuts, scratch, .. } = work;
            self.encode_range(&pieces.text, whole, cuts, output, scratch, tick)?;
            start = end;
        }
        Ok(())
    }

    /// Encodes neighbouring pretokens, part by part where somebody takes them so.
    fn encode_range(
        &self,
        text: &Aligned,
        range: Range<usize>,
        cuts: &[u64],
        output: &mut Output,
        scratch: &mut Scratch,
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<(), Failure> {
        if output.take.is_none() || range.len() <= PART {
            self.encode_pieces(text, range, cuts, output, scratch, tick)?;
            if output.ids.len() >= PART {
                output.hand_over();
            }
            return Ok(());
        }
        let length = range.len();
        let mut part = Vec::new();
        let mut start = 0;
        while start < length {
            let end = part_end(cuts, start, length);
            shifted(cuts, start..end, &mut part);
            let pieces = range.start + start..range.start + end;
            self.encode_pieces(text, pieces, &part, output, scratch, tick)?;
            output.hand_over();
            start = end;
        }
        Ok(())
    }

    /// Encodes neighbouring pretokens.
    fn encode_pieces(
        &self,
        text: &Aligned,
        range: Range<usize>,
        cuts: &[u64],
        output: &mut Output,
        scratch: &mut Scratch,
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<(), Failure> {
        let first = output.ids.len();
        let bytes = &text.text()[range.clone()];
        self.encoder
            .encode(&self.model, bytes, cuts, scratch, output.ids, tick)
            .map_err(|stop| match stop {
                Stop::Cancelled => Failure::Cancelled,
                Stop::Unspelled(unspelled) => {
                    let place = range.start + unspelled.place;
                    let (at, _) = text.span(place, place + 1);
                    Failure::Error(file::unspelled(text.text(), place, at))
                }
            })?;
        if let Some(starts) = &mut output.starts {
            let mut place = 0;
            for (index, &id) in (first..).zip(&output.ids[first..]) {
                if place == 0 || cuts[place / 64] >> (place % 64) & 1 != 0 {
                    starts.push(index);
                }
                place += self.encoder.text_len(&self.model, id);
            }
        }
        if let Some(offsets) = &mut output.offsets {
            let mut start = range.start;
            for &id in &output.ids[first..] {
                let end = start + self.encoder.text_len(&self.model, id);
                offsets.push(text.span(start, end));
                start = end;
            }
        }
        Ok(())
    }

    /// The text of ids; U+FFFD stands for what is not UTF-8.
    ///
    /// # Errors
    /// [`Error::UnknownToken`] for an id without a token.
    pub fn decode(&self, ids: &[u32]) -> Result<String, Error> {
        if self.decoder.is_concat() {
            let bytes = self.decode_bytes(ids)?;
            return Ok(String::from_utf8(bytes)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()));
        }
        let tokens = self.tokens(ids)?;
        self.decoder.decode_text(&mut tokens.into_iter())
    }

    /// The bytes of ids.
    ///
    /// # Errors
    /// [`Error::UnknownToken`] for an id without a token.
    pub fn decode_bytes(&self, ids: &[u32]) -> Result<Vec<u8>, Error> {
        if self.decoder.is_concat() {
            let mut bytes = Vec::with_capacity(4 * ids.len());
            for &id in ids {
                match self.added_bytes.get(&id) {
                    Some(added) => bytes.extend_from_slice(added),
                    None if self.model.vocab.append(id, &mut bytes) => {}
                    None => return Err(file::unknown(id, self.vocab_size())),
                }
            }
            return Ok(bytes);
        }
        let tokens = self.tokens(ids)?;
        self.decoder.decode_bytes(&mut tokens.into_iter())
    }

    fn tokens(&self, ids: &[u32]) -> Result<Vec<Token<'_>>, Error> {
        ids.iter().map(|&id| self.decodable(id)).collect()
    }

    /// A decoder that takes one id at a time.
    #[must_use]
    pub fn stream(&self) -> DecoderStream {
        self.decoder.stream()
    }

    /// Gives an id to a stream.
    ///
    /// # Errors
    /// [`Error::UnknownToken`] for an id without a token; the stream is as before.
    pub fn push(&self, stream: &mut DecoderStream, id: u32, out: &mut String) -> Result<(), Error> {
        stream.push(self.decodable(id)?, out)
    }

    /// What the tokenizer is made of.
    #[must_use]
    pub fn info(&self) -> Info {
        let missing = match &self.model.kind {
            Kind::Bytes => (0..=255)
                .filter(|&byte| self.encoder.symbols().is_missing(byte))
                .collect(),
            Kind::Characters { .. } => Vec::new(),
        };
        let lossy = self
            .normalizer
            .as_ref()
            .and_then(Normalizer::lossy_name)
            .or_else(|| self.pretokenizer.lossy_name())
            .or_else(|| (!missing.is_empty()).then(|| "bytes without a token".into()))
            .or_else(|| (!self.decoder.keeps_bytes()).then(|| "decoder".into()));
        Info {
            kind: match &self.model.kind {
                Kind::Bytes => "byte-level",
                Kind::Characters { fallback: Some(_) } => "characters with byte fallback",
                Kind::Characters { fallback: None } => "characters",
            }
            .into(),
            vocab_size: self.vocab_size(),
            entries: self.model.vocab.entries(),
            merges: self.model.merges.len(),
            live_merges: self.encoder.symbols().merges(),
            added_tokens: self.added.tokens().len(),
            superwords: self.encoder.has_superwords(&self.model),
            normalizer: self.normalizer.as_ref().map(Normalizer::describe),
            pretokenizer: self.pretokenizer.describe(),
            lossy,
            missing_bytes: missing,
            warnings: self.warnings.clone(),
        }
    }
}

/// How often the pool is tried. Others hold it for nanoseconds; nobody gives it back after `fork`.
const TRIES: usize = 100;

/// Words of 64 bits, or tokens, that a pooled buffer may keep.
const KEPT: usize = 1 << 16;

/// How many matches a pattern may make before the tick is asked.
const MATCHES: usize = 8;

/// How many bytes matches may look at before the tick is asked: some hundred milliseconds.
const LOOKED_AT: usize = 1 << 24;

/// Bytes of text whose ids are handed over at once.
const PART: usize = 1 << 20;

/// The end of the part from `start`: the last place near [`PART`] bytes where a pretoken starts, or
/// else the next one.
fn part_end(cuts: &[u64], start: usize, length: usize) -> usize {
    let is_cut = |place: &usize| cuts[place / 64] >> (place % 64) & 1 != 0;
    let near = start + PART;
    if near >= length {
        return length;
    }
    (start + 1..=near)
        .rev()
        .find(is_cut)
        .or_else(|| (near + 1..length).find(is_cut))
        .unwrap_or(length)
}

/// The bits of a range, from its start on.
fn shifted(cuts: &[u64], range: Range<usize>, part: &mut Vec<u64>) {
    let (word, bit) = (range.start / 64, range.start % 64);
    let words = range.len() / 64 + 1;
    part.clear();
    part.extend((word..word + words).map(|word| {
        let high = cuts.get(word + 1).copied().unwrap_or(0);
        let low = cuts.get(word).copied().unwrap_or(0);
        // Twice, since a shift by 64 is none.
        low >> bit | high << (63 - bit) << 1
    }));
}

/// A tick for each match in a text of so many bytes. A quick match takes little longer than to ask,
/// a slow one looks at all the text.
fn after_matches(bytes: usize, tick: &mut dyn FnMut() -> bool) -> impl FnMut() -> bool {
    let every = (LOOKED_AT / bytes.max(1)).clamp(1, MATCHES);
    let mut left = every;
    move || {
        left -= 1;
        if left > 0 {
            return true;
        }
        left = every;
        tick()
    }
}

enum Failure {
    Cancelled,
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Worker<'_> {
    /// [`Tokenizer::encode`] with these buffers.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode(
        &mut self,
        text: &[u8],
        allowed: &Allowed,
        ids: &mut Vec<u32>,
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<bool, Error> {
        self.encode_to(text, allowed, &mut Output::new(ids), tick)
    }

    /// [`Worker::encode`], with the index of the first id of each pretoken. No special token is
    /// allowed; an added token that always matches counts as a pretoken.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_pretokens(
        &mut self,
        text: &[u8],
        ids: &mut Vec<u32>,
        starts: &mut Vec<usize>,
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<bool, Error> {
        let mut output = Output::new(ids);
        output.starts = Some(starts);
        self.encode_to(text, &Allowed::None, &mut output, tick)
    }

    /// [`Worker::encode_pretokens`] without the ids of a long text at once: `take` gets those of some
    /// pretokens, and the index of the first id of each, as often as there are more. `ids` and
    /// `starts` are buffers.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_parts(
        &mut self,
        text: &[u8],
        (ids, starts): (&mut Vec<u32>, &mut Vec<usize>),
        take: &mut Take,
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<bool, Error> {
        ids.clear();
        starts.clear();
        let mut output = Output::new(ids);
        output.starts = Some(starts);
        output.take = Some(take);
        let done = self.encode_to(text, &Allowed::None, &mut output, tick)?;
        output.hand_over();
        Ok(done)
    }

    fn encode_to(
        &mut self,
        text: &[u8],
        allowed: &Allowed,
        output: &mut Output,
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<bool, Error> {
        let Some(work) = &mut self.work else {
            return Ok(false);
        };
        let result = self
            .tokenizer
            .encode_with(text, allowed, output, work, tick);
        match result {
            Ok(()) => Ok(true),
            Err(Failure::Cancelled) => Ok(false),
            Err(Failure::Error(error)) => Err(error),
        }
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        let Some(mut work) = self.work.take() else {
            return;
        };
        // A huge text should not keep its buffers alive.
        work.cuts.truncate(KEPT);
        work.cuts.shrink_to(KEPT);
        work.scratch.shrink_to(KEPT);
        let mut work = Some(work);
        self.tokenizer.with_pool(|pool| pool.extend(work.take()));
    }
}

impl<'o> Output<'o> {
    /// Ids alone.
    fn new(ids: &'o mut Vec<u32>) -> Self {
        Self {
            ids,
            offsets: None,
            starts: None,
            take: None,
        }
    }

    /// Hands over what there is, if somebody takes it.
    fn hand_over(&mut self) {
        if let (Some(take), Some(starts)) = (&mut self.take, &mut self.starts) {
            take(self.ids, starts);
            self.ids.clear();
            starts.clear();
        }
    }

    fn push(&mut self, id: u32, range: (usize, usize)) {
        if let Some(starts) = &mut self.starts {
            starts.push(self.ids.len());
        }
        self.ids.push(id);
        if let Some(offsets) = &mut self.offsets {
            offsets.push(range);
        }
    }
}

/// An added token as a file has it.
fn added_json(token: &AddedToken) -> Value {
    json!({
        "id": token.id,
        "content": token.content,
        "single_word": token.single_word,
        "lstrip": token.lstrip,
        "rstrip": token.rstrip,
        "normalized": token.normalized,
        "special": token.special,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::byte_alphabet::char_of;

    /// Letters, with a merge that would join two of them everywhere but at borders of words.
    fn words() -> Tokenizer {
        let mut vocab: serde_json::Map<String, Value> = (0..=255u8)
            .map(|byte| (char_of(byte).to_string(), json!(byte)))
            .collect();
        vocab.insert("ab".into(), json!(256));
        let split = json!({"type": "Split", "pattern": {"Regex": " ?[ab]+"}, "behavior": "Isolated", "invert": false});
        let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
        let file = json!({
            "model": {"type": "BPE", "vocab": vocab, "merges": [["a", "b"]]},
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, bytes]},
            "added_tokens": [{
                "id": 257, "content": "<x>", "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": false,
            }],
        });
        Tokenizer::from_json(file.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn parts_are_the_whole() {
        let tokenizer = words();
        let mut worker = tokenizer.worker();
        for text in [
            String::new(),
            "ab".into(),
            "ab ba<x>".repeat(PART / 4),
            "ab ba ".repeat(PART / 2),
            // A pretoken that is longer than a part, between others.
            ["ab".repeat(PART), "ab".repeat(7), "a".repeat(PART + 5)].join(" "),
        ] {
            let (mut ids, mut starts) = (Vec::new(), Vec::new());
            let mut tick = || true;
            worker
                .encode_pretokens(text.as_bytes(), &mut ids, &mut starts, &mut tick)
                .unwrap();
            let (mut found, mut places, mut most) = (Vec::new(), Vec::new(), 0);
            let mut take = |ids: &[u32], starts: &[usize]| {
                places.extend(starts.iter().map(|start| start + found.len()));
                found.extend_from_slice(ids);
                most = most.max(ids.len());
            };
            let buffers = (&mut vec![1], &mut vec![1]);
            worker
                .encode_parts(text.as_bytes(), buffers, &mut take, &mut || true)
                .unwrap();
            assert!(found == ids && places == starts, "{} bytes", text.len());
            assert!(most <= 2 * PART, "{} bytes", text.len());
        }
    }

    /// A tokenizer of bytes with these components.
    fn of_bytes(normalizer: &Value, pretokenizers: &[Value]) -> Tokenizer {
        let vocab: serde_json::Map<String, Value> = (0..=255u8)
            .map(|byte| (char_of(byte).to_string(), json!(byte)))
            .collect();
        let file = json!({
            "model": {"type": "BPE", "vocab": vocab, "merges": []},
            "normalizer": normalizer,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": pretokenizers},
        });
        Tokenizer::from_json(file.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_tick_stops_matching() {
        let pattern = json!({"Regex": r"(?=(?:\p{N}{3})+?(?!\p{N}))"});
        let split = |behavior: &str| json!({"type": "Split", "pattern": pattern, "behavior": behavior, "invert": false});
        let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
        let prefix = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": false});
        let replace = json!({"type": "Replace", "pattern": pattern, "content": ","});
        let (isolated, dropped) = (split("Isolated"), split("Removed"));
        // Too short for the encoder to tick more than once. The digits are not a multiple of three, so
        // there is no match at the start, which a normalizer would refuse.
        let text = "1234567".repeat(100);
        for (normalizer, steps) in [
            (Value::Null, vec![isolated.clone(), bytes.clone()]),
            (Value::Null, vec![bytes.clone(), isolated.clone()]),
            (Value::Null, vec![dropped, bytes.clone()]),
            (Value::Null, vec![isolated, prefix]),
            (replace, vec![bytes]),
        ] {
            let tokenizer = of_bytes(&normalizer, &steps);
            let encode = |limit: usize| {
                let mut ticks = 0;
                let mut tick = || {
                    ticks += 1;
                    ticks < limit
                };
                let mut ids = Vec::new();
                let done = tokenizer
                    .encode(text.as_bytes(), &Allowed::None, &mut ids, &mut tick)
                    .unwrap();
                (done, ticks, ids.len())
            };
            assert_eq!(encode(3), (false, 3, 0), "{steps:?}");
            let (done, ticks, _) = encode(usize::MAX);
            assert!(done && ticks > 200 / MATCHES, "{steps:?}");
            let mut ticks = 0;
            let mut tick = || {
                ticks += 1;
                ticks < 3
            };
            let (mut ids, mut offsets) = (Vec::new(), Vec::new());
            let done = tokenizer.encode_with_offsets(
                text.as_bytes(),
                &Allowed::None,
                &mut ids,
                &mut offsets,
                &mut tick,
            );
            assert_eq!((done, ids.len(), offsets.len()), (Ok(false), 0, 0));
            let mut ticks = 0;
            let mut tick = || {
                ticks += 1;
                ticks < 3
            };
            let texts = [text.as_bytes(); 2];
            let batch = tokenizer.encode_batch(&texts, &Allowed::None, 1, &mut tick);
            assert_eq!((batch, ticks), (Ok(None), 3));
        }
    }

    proptest! {
        #[test]
        fn bits_are_shifted(bits in prop::collection::vec(any::<bool>(), 1..400), range in any::<[prop::sample::Index; 2]>()) {
            let mut cuts = vec![0; bits.len() / 64 + 1];
            for (place, _) in bits.iter().enumerate().filter(|(_, bit)| **bit) {
                cuts[place / 64] |= 1 << (place % 64);
            }
            let [one, other] = range.map(|place| place.index(bits.len()));
            let range = one.min(other)..one.max(other);
            let mut part = vec![7];
            shifted(&cuts, range.clone(), &mut part);
            for (place, &bit) in bits[range].iter().enumerate() {
                prop_assert_eq!(part[place / 64] >> (place % 64) & 1 != 0, bit);
            }
        }
    }
}
