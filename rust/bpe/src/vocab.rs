//! The vocabulary: which id stands for which token.
//!
//! A token is kept as the bytes that the model works on. In a byte-level vocabulary these are the
//! bytes of the text; in one of characters they are the UTF-8 of the token as the file spells it
//! (`▁the`, `<0x0A>`). Ids need not be dense: an id without a token is a hole.
//!
//! All tokens lie in one arena; an id costs eight bytes beside its token, and the look-up table
//! five to ten.

use hashbrown::HashTable;
use std::hash::{BuildHasher, BuildHasherDefault};

use crate::Error;

/// Ids, ranks and symbols are below this bound, so that a pair and its result pack into one word
/// ([`crate::encoder::pairs`]).
pub const ID_LIMIT: u32 = (1 << 21) - 2;

type Hasher = BuildHasherDefault<rustc_hash::FxHasher>;

/// The tokens of a model by id, and the ids by token.
#[derive(Clone)]
pub struct Vocab {
    arena: Vec<u8>,
    /// Token `id` is `arena[starts[id]..starts[id] + lens[id]]`; a hole has length [`HOLE`].
    starts: Vec<u32>,
    lens: Vec<u32>,
    ids: HashTable<u32>,
    entries: usize,
}

const HOLE: u32 = u32::MAX;

/// Bytes that are copied at once; few tokens are longer.
const COPIED: usize = 16;

fn hash(token: &[u8]) -> u64 {
    Hasher::default().hash_one(token)
}

impl Vocab {
    /// Builds a vocabulary from tokens, their ids, and whether [`Vocab::id`] finds them: a token
    /// that no text can spell (a byte-level one outside the byte-level alphabet) is not found.
    ///
    /// # Errors
    /// [`Error::Vocab`] if two tokens share an id or an id has two tokens, and
    /// [`Error::Unsupported`] if an id is above [`ID_LIMIT`].
    pub fn new<'a>(
        tokens: impl Iterator<Item = (&'a [u8], u32, bool)> + Clone,
    ) -> Result<Self, Error> {
        let (mut top, mut bytes, mut entries) = (0, 0, 0);
        for (token, id, _) in tokens.clone() {
            if id >= ID_LIMIT {
                return Err(Error::Unsupported {
                    component: "model.vocab".into(),
                    reason: format!(
                        "token {} has the id {id}; ids go up to {}",
                        display(token),
                        ID_LIMIT - 1
                    ),
                });
            }
            top = top.max(id as usize + 1);
            bytes += token.len();
            entries += 1;
        }
        if bytes >= HOLE as usize {
            return Err(Error::Vocab(format!(
                "the tokens have {bytes} bytes together; at most {HOLE} can be held"
            )));
        }
        let mut vocab = Self {
            arena: Vec::with_capacity(bytes),
            starts: vec![0; top],
            lens: vec![HOLE; top],
            ids: HashTable::with_capacity(entries),
            entries,
        };
        for (token, id, found) in tokens {
            vocab.insert(token, id, found)?;
        }
        Ok(vocab)
    }

    fn insert(&mut self, token: &[u8], id: u32, found: bool) -> Result<(), Error> {
        if let Some(other) = self.get(id) {
            return Err(Error::Vocab(format!(
                "tokens {} and {} both have the id {id}",
                display(other),
                display(token)
            )));
        }
        if found && let Some(other) = self.id(token) {
            return Err(Error::Vocab(format!(
                "token {} has two ids, {other} and {id}",
                display(token)
            )));
        }
        self.starts[id as usize] = self.arena.len() as u32;
        self.lens[id as usize] = token.len() as u32;
        self.arena.extend_from_slice(token);
        if !found {
            return Ok(());
        }
        let Self {
            arena,
            starts,
            lens,
            ids,
            ..
        } = self;
        ids.insert_unique(hash(token), id, |&other| {
            let (start, len) = (
                starts[other as usize] as usize,
                lens[other as usize] as usize,
            );
            hash(&arena[start..start + len])
        });
        Ok(())
    }

    /// The token of an id, or `None` for a hole or an id beyond the vocabulary.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<&[u8]> {
        let len = *self.lens.get(id as usize)?;
        if len == HOLE {
            return None;
        }
        let start = self.starts[id as usize] as usize;
        self.arena.get(start..start + len as usize)
    }

    /// Appends the token of an id; false for a hole or an id beyond the vocabulary.
    #[inline]
    pub(crate) fn append(&self, id: u32, out: &mut Vec<u8>) -> bool {
        let Some(token) = self.get(id) else {
            return false;
        };
        // A copy of known length is a few instructions, one of any length a call: more is copied than
        // the token where more lies behind it.
        let end = out.len() + token.len();
        let start = self.starts[id as usize] as usize;
        match self.arena[start..].first_chunk::<COPIED>() {
            Some(chunk) if token.len() <= COPIED => out.extend_from_slice(chunk),
            _ => out.extend_from_slice(token),
        }
        out.truncate(end);
        true
    }

    /// The id of a token.
    #[must_use]
    pub fn id(&self, token: &[u8]) -> Option<u32> {
        self.ids
            .find(hash(token), |&id| self.get(id) == Some(token))
            .copied()
    }

    /// The number of tokens, holes not counted.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// The highest id + 1.
    #[must_use]
    pub fn size(&self) -> usize {
        self.lens.len()
    }

    /// All tokens in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[u8])> {
        (0..self.lens.len() as u32).filter_map(|id| Some((id, self.get(id)?)))
    }
}

/// A token as a message shows it: text where it is text, else its bytes in hexadecimal.
#[must_use]
pub fn display(token: &[u8]) -> String {
    match std::str::from_utf8(token) {
        Ok(text) => format!("{text:?}"),
        Err(_) => token
            .iter()
            .fold(String::new(), |text, byte| text + &format!("<{byte:02X}>")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    type Tokens<'a> = Vec<(&'a [u8], u32, bool)>;

    #[test]
    fn ids_and_holes() {
        let tokens: Tokens = vec![
            (b"a", 0, true),
            (b"", 4, true),
            (b"ab", 2, true),
            (b"a", 3, false),
        ];
        let vocab = Vocab::new(tokens.into_iter()).unwrap();
        assert_eq!((vocab.entries(), vocab.size()), (4, 5));
        assert_eq!(vocab.id(b"ab"), Some(2));
        assert_eq!(vocab.id(b"a"), Some(0));
        assert_eq!(vocab.id(b"b"), None);
        assert_eq!(vocab.get(4), Some(&b""[..]));
        assert_eq!(vocab.get(3), Some(&b"a"[..]));
        assert_eq!(vocab.get(1), None);
        assert_eq!(vocab.get(99), None);
        assert_eq!(
            vocab.iter().map(|(id, _)| id).collect::<Vec<_>>(),
            [0, 2, 3, 4]
        );
    }

    #[test]
    fn tokens_of_all_lengths_are_appended() {
        let text: Vec<u8> = (0..40).collect();
        let tokens = (0..40_u32).map(|id| (&text[..id as usize], 2 * id, true));
        let vocab = Vocab::new(tokens).unwrap();
        let (mut found, mut expected) = (Vec::new(), Vec::new());
        for id in (0..100).chain((0..100).rev()) {
            assert_eq!(vocab.append(id, &mut found), vocab.get(id).is_some());
            expected.extend_from_slice(vocab.get(id).unwrap_or_default());
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn clashes_are_errors() {
        let message = |tokens: Tokens| Vocab::new(tokens.into_iter()).err().unwrap().to_string();
        let same_id = message(vec![(b"a", 0, true), (b"b", 0, true)]);
        assert!(same_id.contains("\"a\"") && same_id.contains("\"b\"") && same_id.contains('0'));
        let same_token = message(vec![(b"\xff", 0, true), (b"\xff", 1, true)]);
        assert!(same_token.contains("<FF>"));
        let huge: Tokens = vec![(b"a", u32::MAX, true)];
        assert!(matches!(
            Vocab::new(huge.into_iter()).err(),
            Some(Error::Unsupported { .. })
        ));
    }
}
