//! A tokenizer as a tiktoken encoding.
//!
//! tiktoken cuts a text into the matches of one regex. A piece that is a token is that token; any
//! other is merged from its bytes: of all neighbours that together are a token, those go first
//! that make the token of lowest id, at their leftmost place. It has no list of merges.
//!
//! **Lemma.** This is what the merges of a model give, if
//! 1. every token that is not found as a whole piece alone is made of its own text by the merges,
//! 2. those that are found alone are left in three tokens or more by the merges, and
//! 3. the merges that make tokens of their own text have ranks in the order of the tokens' ids.
//!
//! *Proof:* Let `l` and `r` stand side by side in a half-merged piece, and `t` be a token with the
//! text of both. All merging inside that text happened as if it stood alone, so merging `t` alone
//! goes through `[l, r]`, and it goes on to `[t]`, since by 2 it does not stop there. Two tokens
//! are one step from one, so `(l, r)` is a merge. So both have the same pairs to choose from at
//! every step, and by 3 they choose the same. Whole pieces: by 1 a token that is found is also
//! made, or both find it.
//!
//! Cost: one pass over the vocabulary.

use crate::Error;
use crate::model::Kind;
use crate::tokenizer::Tokenizer;
use crate::vocab::display;

/// What a tiktoken encoding is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoding {
    /// The regex.
    pub pattern: String,
    /// Tokens and their ids, special ones left out.
    pub ranks: Vec<(Vec<u8>, u32)>,
    /// Special tokens and their ids.
    pub specials: Vec<(String, u32)>,
    /// Bytes that had no token and got one.
    pub padded: Vec<u8>,
}

fn refused<T>(why: String) -> Result<T, Error> {
    Err(Error::Export(why))
}

impl Tokenizer {
    /// The same ids for every text as a tiktoken encoding. `pad_bytes` gives bytes without a token
    /// an id behind all others; texts with such a byte cannot be encoded here.
    ///
    /// # Errors
    /// [`Error::Export`] that names what tiktoken cannot say.
    pub fn to_tiktoken(&self, pad_bytes: bool) -> Result<Encoding, Error> {
        let model = self.model();
        if let Some(name) = self.pretokenizer().annotator_name() {
            return refused(format!(
                "tiktoken has no steps that put markers in and take them out, and here are {name}; export the tokenizer without them or use to_hf"
            ));
        }
        if model.kind != Kind::Bytes {
            return refused(
                "tiktoken's tokens are bytes, and this vocabulary is not byte-level; retrain it or use to_hf"
                    .into(),
            );
        }
        if !self.decodes_to_bytes() {
            return refused(
                "tiktoken decodes to the bytes of the tokens, and the decoder here gives other text; make it ByteLevel or use to_hf"
                    .into(),
            );
        }
        if let Some(normalizer) = self.normalizer() {
            return refused(format!(
                "tiktoken has no normalizer, and here is {}; normalize before encoding",
                normalizer.describe()
            ));
        }
        let pattern = self.pretokenizer().to_pattern()?;
        let specials = self.plain_specials()?;
        let symbols = self.encoder().symbols();
        let mut padded: Vec<u8> = (0..=u8::MAX)
            .filter(|&byte| symbols.is_missing(byte))
            .collect();
        if !pad_bytes && let Some(byte) = padded.first() {
            return refused(format!(
                "the byte {byte:#04x} has no token, and tiktoken fails on such text ({} bytes have none); pad_bytes=True adds them",
                padded.len()
            ));
        }
        self.check_merges(&padded)?;
        let tokens = model.vocab.iter();
        let plain = tokens.filter(|(id, _)| !self.special_ids().contains(id));
        let mut ranks: Vec<_> = plain.map(|(id, token)| (token.to_vec(), id)).collect();
        let free = self.vocab_size() as u32;
        padded.sort_unstable();
        ranks.extend(
            padded
                .iter()
                .zip(free..)
                .map(|(&byte, id)| (vec![byte], id)),
        );
        Ok(Encoding {
            pattern,
            ranks,
            specials,
            padded,
        })
    }

    /// The special tokens, if they are found in a text as tiktoken finds them.
    fn plain_specials(&self) -> Result<Vec<(String, u32)>, Error> {
        let added = self.added_tokens();
        for token in added {
            let content = &token.content;
            if !token.special {
                return refused(format!(
                    "{content:?} is an added token that every text is searched for, and tiktoken has none; make it special or remove it"
                ));
            }
            if token.lstrip || token.rstrip || token.single_word {
                return refused(format!(
                    "the special token {content:?} has lstrip, rstrip or single_word, which tiktoken has not; set them to false"
                ));
            }
            let longer = |other: &&crate::added::AddedToken| {
                other.id != token.id && other.content.starts_with(content.as_str())
            };
            if let Some(other) = added.iter().find(longer) {
                return refused(format!(
                    "the special token {:?} starts with {content:?}, and tiktoken may find either; rename one",
                    other.content
                ));
            }
        }
        let special = added.iter().map(|token| (token.content.clone(), token.id));
        Ok(special.collect())
    }

    /// Whether merging by ids is merging by ranks. See the module.
    fn check_merges(&self, padded: &[u8]) -> Result<(), Error> {
        let (model, encoder) = (self.model(), self.encoder());
        let symbols = encoder.symbols();
        for (id, token) in model.vocab.iter() {
            if self.special_ids().contains(&id) {
                continue;
            }
            if token.is_empty() || model.vocab.id(token) != Some(id) {
                return refused(format!(
                    "the token {} with the id {id} stands for no bytes; remove it from the vocabulary",
                    display(token)
                ));
            }
            let made = symbols
                .of_id(id)
                .is_some_and(|symbol| encoder.is_own(symbol));
            // No text here has a byte without a token.
            if made || token.iter().any(|byte| padded.contains(byte)) {
                continue;
            }
            let left = encoder.merge(token).map_or(0, |ids| ids.len());
            if left < 3 || !model.ignore_merges {
                return refused(format!(
                    "the token {} with the id {id} is not what merging makes of its text ({left} tokens), but tiktoken would give it; remove it or add its merges",
                    display(token)
                ));
            }
        }
        let mut last = None;
        for (_, _, symbol) in symbols.iter_merges() {
            let id = symbols.id(symbol);
            if !encoder.is_own(symbol) {
                continue;
            }
            if let Some(before) = last.filter(|&before| before > id) {
                return refused(format!(
                    "tiktoken merges in the order of ids, and the merge that makes {} (id {id}) comes after that of {} (id {before}); renumber the tokens in the order of their merges",
                    display(model.token(id)),
                    display(model.token(before))
                ));
            }
            last = Some(id);
        }
        Ok(())
    }
}
