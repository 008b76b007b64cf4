//! The tokens of a run: their bytes by id, and the ids by bytes.

use rustc_hash::{FxHashMap, FxHashSet};
use tokseam_bpe::byte_alphabet::char_of;

use crate::Error;

/// Tokens by id; grows by one with every merge. Ids without a token are holes.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    bytes: Vec<Box<[u8]>>,
    ids: FxHashMap<Box<[u8]>, u32>,
    /// What no merge may spell.
    forbidden: FxHashSet<Vec<u8>>,
    /// Whether an id is of the alphabet.
    single: Vec<bool>,
}

/// Ids are below this: two values of `u32` mark other things while merging.
pub const ID_LIMIT: u32 = (1 << 31) - 1;

impl Tokens {
    /// Special tokens first, then an alphabet of bytes in the order of the characters that spell
    /// them in a file, as stock trainers have it.
    ///
    /// # Errors
    /// [`Error::Train`] for an empty special token, for one that comes twice, and for one that is
    /// spelled like a byte.
    pub fn new(specials: &[String], alphabet: &[u8]) -> Result<Self, Error> {
        let mut tokens = Self::default();
        for special in specials {
            let is_byte = alphabet
                .iter()
                .any(|&byte| special.chars().eq([char_of(byte)]));
            if special.is_empty() || is_byte || tokens.forbidden.contains(special.as_bytes()) {
                return Err(Error::Train(format!(
                    "{special:?} cannot be a special token: it is empty, comes twice, or is spelled like a byte of the alphabet"
                )));
            }
            tokens.forbid(special);
            tokens.bytes.push(Box::default());
            tokens.single.push(false);
        }
        let mut alphabet = alphabet.to_vec();
        alphabet.sort_unstable_by_key(|&byte| char_of(byte));
        alphabet.dedup();
        for byte in alphabet {
            tokens.push(vec![byte]);
        }
        Ok(tokens)
    }

    /// The tokens of a tokenizer; none of its added tokens may be spelled.
    ///
    /// # Errors
    /// [`Error::Train`] for a tokenizer that is not byte-level.
    pub fn of(tokenizer: &tokseam_bpe::Tokenizer) -> Result<Self, Error> {
        if !matches!(tokenizer.model().kind, tokseam_bpe::model::Kind::Bytes) {
            return Err(Error::Train(
                "only byte-level tokenizers can be extended; this one is made of characters".into(),
            ));
        }
        let mut tokens = Self::default();
        let size = tokenizer.vocab_size();
        tokens.bytes.resize(size, Box::default());
        tokens.single.resize(size, false);
        for (id, bytes) in tokenizer.model().vocab.iter() {
            if tokenizer.added(id).is_none() {
                tokens.single[id as usize] = bytes.len() == 1;
                tokens.bytes[id as usize] = bytes.into();
                tokens.ids.insert(bytes.into(), id);
            }
        }
        for added in tokenizer.added_tokens() {
            tokens.forbid(&added.content);
        }
        Ok(tokens)
    }

    /// Forbids a token's text, and the text that a file would spell like it.
    fn forbid(&mut self, content: &str) {
        self.forbidden.insert(content.as_bytes().to_vec());
        let mut spelled = Vec::new();
        if tokseam_bpe::byte_alphabet::spell(content, &mut spelled) {
            self.forbidden.insert(spelled);
        }
    }

    /// Adds a token that is not there yet.
    pub fn push(&mut self, token: Vec<u8>) -> u32 {
        let id = self.bytes.len() as u32;
        self.single.push(token.len() == 1);
        self.bytes.push(token.clone().into());
        self.ids.insert(token.into(), id);
        id
    }

    /// The highest id + 1.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes of a token; none for a special one and for a hole.
    #[must_use]
    pub fn get(&self, id: u32) -> &[u8] {
        self.bytes
            .get(id as usize)
            .map(Box::as_ref)
            .unwrap_or_default()
    }

    /// The id of a token.
    #[must_use]
    pub fn id(&self, token: &[u8]) -> Option<u32> {
        self.ids.get(token).copied()
    }

    /// Whether no merge may spell this.
    #[must_use]
    pub fn is_forbidden(&self, token: &[u8]) -> bool {
        self.forbidden.contains(token)
    }

    /// Whether a pair may become a token of fewer than `limit` bytes. Pairs of the alphabet always
    /// may: stock trainers look at the length only where a merge makes new neighbours.
    #[must_use]
    pub fn fits(&self, left: u32, right: u32, limit: Option<usize>) -> bool {
        let single = |id: u32| self.single.get(id as usize).copied().unwrap_or(false);
        limit.is_none_or(|limit| {
            self.get(left).len() + self.get(right).len() < limit || single(left) && single(right)
        })
    }
}
