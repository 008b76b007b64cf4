//! What the heads of all texts share: a tokenizer, its sorted vocabulary, and what a cover is.

use rustc_hash::FxHashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokseam_bpe::Tokenizer;
use tokseam_bpe::added::Allowed;
use tokseam_bpe::admissible::Following;

use crate::Error;
use crate::heads::{Heads, Node};
use crate::rules::{Covers, Rules};
use crate::vocabulary::{ByteVocabulary, NOWHERE};

/// The byte kernel of a tokenizer.
pub struct Kernel {
    tokenizer: Arc<Tokenizer>,
    covers: Covers,
    vocabulary: ByteVocabulary,
    /// What the tokenizer writes before every text.
    prefix: Vec<u8>,
    /// Rows over places, as they were asked for.
    rows: Mutex<FxHashMap<u32, Arc<Vec<bool>>>>,
}

impl Kernel {
    /// The kernel of a tokenizer.
    ///
    /// # Errors
    /// [`Error::Bpe`] if sequences must be admissible and the test does not know a component.
    pub fn new(tokenizer: Arc<Tokenizer>, covers: Covers) -> Result<Self, Error> {
        Rules::new(&tokenizer, covers)?;
        Ok(Self {
            covers,
            vocabulary: ByteVocabulary::new(&tokenizer),
            prefix: prefix(&tokenizer),
            tokenizer,
            rows: Mutex::default(),
        })
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The vocabulary in the order of bytes.
    #[must_use]
    pub fn vocabulary(&self) -> &ByteVocabulary {
        &self.vocabulary
    }

    /// What the tokenizer writes before every text: a blank, or nothing. Texts are counted from
    /// behind it.
    #[must_use]
    pub fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    pub(crate) fn covers(&self) -> Covers {
        self.covers
    }

    pub(crate) fn rules(&self) -> Result<Rules<'_>, Error> {
        Rules::new(&self.tokenizer, self.covers)
    }

    /// The heads of the empty text.
    ///
    /// # Errors
    /// [`Error::NoCover`] if the tokenizer cannot spell what it writes before every text.
    pub fn start(&self) -> Result<Heads, Error> {
        Heads::new(self)
    }

    /// Whether a stem may be a finished text.
    ///
    /// # Errors
    /// Those of [`Kernel::new`], which this kernel has passed.
    pub fn can_end(&self, stem: &Node) -> Result<bool, Error> {
        Ok(self.rules()?.can_end(&stem.state))
    }

    /// A stem with one more token; `None` if it may not follow or has no bytes.
    ///
    /// # Errors
    /// Those of [`Kernel::new`], which this kernel has passed.
    pub fn extend(&self, stem: &Arc<Node>, id: u32) -> Result<Option<Arc<Node>>, Error> {
        let place = self.vocabulary.places().get(id as usize);
        let Some(&place) = place.filter(|&&place| place != NOWHERE) else {
            return Ok(None);
        };
        let state = self.rules()?.extend(&stem.state, id, &self.tokenizer);
        Ok(state.map(|state| Node::behind(stem, id, place, state)))
    }

    /// For some stems, one behind the other, and all places: whether the token may follow.
    ///
    /// Cost: some passes over the vocabulary for each stem.
    ///
    /// # Errors
    /// Those of [`Kernel::new`], which this kernel has passed.
    pub fn allowed(&self, stems: &[&Arc<Node>]) -> Result<Vec<bool>, Error> {
        let rules = self.rules()?;
        let places = self.vocabulary.ids().len();
        let mut allowed = vec![false; stems.len() * places];
        if places == 0 {
            return Ok(allowed);
        }
        let (mut following, mut part) = (Following::default(), Vec::new());
        for (allowed, stem) in allowed.chunks_exact_mut(places).zip(stems) {
            rules.following(&self.vocabulary, &stem.state, &mut following);
            for (row, barred) in &following.rows {
                let row = self.row(rules, *row);
                if barred.is_empty() {
                    join(allowed, &row);
                    continue;
                }
                part.clone_from(&row);
                for &place in &following.barred[barred.clone()] {
                    if let Some(place) = part.get_mut(place as usize) {
                        *place = false;
                    }
                }
                join(allowed, &part);
            }
            for &place in &following.also {
                if let Some(place) = allowed.get_mut(place as usize) {
                    *place = true;
                }
            }
        }
        Ok(allowed)
    }

    /// For each place whether a row of [`Following::rows`] has it.
    fn row(&self, rules: Rules, row: u32) -> Arc<Vec<bool>> {
        let rows = || self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = rows().get(&row) {
            return Arc::clone(known);
        }
        let made = Arc::new(rules.row(&self.vocabulary, &self.tokenizer, row));
        rows().insert(row, Arc::clone(&made));
        made
    }
}

fn join(all: &mut [bool], more: &[bool]) {
    for (one, &other) in all.iter_mut().zip(more) {
        *one |= other;
    }
}

/// What a tokenizer writes before every text, as far as the bytes of its tokens show it.
fn prefix(tokenizer: &Tokenizer) -> Vec<u8> {
    let mut ids = Vec::new();
    if tokenizer
        .encode(b"a", &Allowed::None, &mut ids, &mut || true)
        .is_err()
    {
        return Vec::new();
    }
    let mut bytes = Vec::new();
    for id in ids {
        if let Ok(token) = tokenizer.token_bytes(id) {
            bytes.extend_from_slice(&token);
        }
    }
    match bytes.split_last() {
        Some((b'a', prefix)) => prefix.to_vec(),
        _ => Vec::new(),
    }
}
