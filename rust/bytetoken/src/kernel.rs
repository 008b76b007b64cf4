//! What the heads of all texts share: a tokenizer, its sorted vocabulary, and what a cover is.

use rustc_hash::FxHashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use tokseam_bpe::Tokenizer;
use tokseam_bpe::added::Allowed;
use tokseam_bpe::admissible::Following;

use crate::Error;
use crate::heads::{Heads, Node};
use crate::rules::{Covers, Rules, State};
use crate::sums::{self, Real};
use crate::vocabulary::{ByteVocabulary, NOWHERE, ROOT};

/// Bytes of masks that are kept, those of the states on top.
const MASKS: usize = 1 << 25;

/// One bit for each place, 64 places a word, the lowest first.
type Mask = Arc<[u64]>;

/// The masks of the states that were asked for of late. States come again: the same word stands
/// in many texts.
#[derive(Default)]
struct Masks {
    late: FxHashMap<State, Mask>,
    /// Those that were late before these.
    early: FxHashMap<State, Mask>,
}

impl Masks {
    fn get(&mut self, state: &State, most: usize) -> Option<Mask> {
        if let Some(known) = self.late.get(state) {
            return Some(Arc::clone(known));
        }
        let (state, mask) = self.early.remove_entry(state)?;
        self.insert(state, Arc::clone(&mask), most);
        Some(mask)
    }

    fn insert(&mut self, state: State, mask: Mask, most: usize) {
        if 2 * self.late.len() >= most {
            self.early = std::mem::take(&mut self.late);
        }
        self.late.insert(state, mask);
    }
}

/// What rows of a model sum to, each divided by the probability of its top.
pub struct Masses {
    /// For each row the sums of what may follow, one for each byte that tokens start with.
    pub masses: Vec<f64>,
    /// The greatest number of each row.
    pub tops: Vec<f64>,
    /// The sum over all ids of each row: nan if a number is nan or infinite.
    pub totals: Vec<f64>,
}

/// The byte kernel of a tokenizer.
pub struct Kernel {
    tokenizer: Arc<Tokenizer>,
    covers: Covers,
    vocabulary: ByteVocabulary,
    /// What the tokenizer writes before every text.
    prefix: Vec<u8>,
    /// Rows over places, as they were asked for.
    rows: Mutex<FxHashMap<u32, Mask>>,
    masks: Mutex<Masks>,
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
            masks: Mutex::default(),
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

    /// The stem without tokens.
    ///
    /// # Errors
    /// Those of [`Kernel::new`], which this kernel has passed.
    pub fn root(&self) -> Result<Arc<Node>, Error> {
        Ok(Node::root(self.rules()?.start()))
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
    /// Cost: one pass over the vocabulary for each stem, to write the answer; where its state was
    /// not asked for of late, one more and the tokens that merges over its border forbid.
    ///
    /// # Errors
    /// Those of [`Kernel::new`], which this kernel has passed.
    pub fn allowed(&self, stems: &[&Arc<Node>]) -> Result<Vec<bool>, Error> {
        let rules = self.rules()?;
        let places = self.vocabulary.ids().len();
        // The last word of a mask may write beyond its places.
        let mut allowed = Vec::with_capacity(stems.len() * places + 64);
        for stem in stems {
            let end = allowed.len() + places;
            for &word in &*self.mask(rules, &stem.state) {
                for byte in word.to_le_bytes() {
                    allowed.extend_from_slice(&BITS[byte as usize]);
                }
            }
            allowed.truncate(end);
        }
        Ok(allowed)
    }

    /// The masses of the first bytes of tokens in rows of a model behind some stems, nothing for
    /// tokens that may not follow or are `barred`: for each row one for each byte that tokens start
    /// with, in the order of these bytes. `None` if a row lacks an id of a place, or if one of its
    /// logarithms that count is too low for a probability ([`sums::LEAST`]).
    ///
    /// Cost: two passes over the row, beside what [`Kernel::allowed`] needs for a new state.
    ///
    /// # Errors
    /// Those of [`Kernel::new`], which this kernel has passed.
    pub fn masses<T: Real>(
        &self,
        stems: &[&Arc<Node>],
        rows: &[&[T]],
        barred: &[u32],
    ) -> Result<Option<Masses>, Error> {
        let vocabulary = &self.vocabulary;
        let children = vocabulary.children_of(ROOT);
        let ends: Vec<u32> = children.map(|child| vocabulary.range(child).high).collect();
        let mut found = Masses {
            masses: vec![0.0; stems.len() * ends.len()],
            tops: Vec::with_capacity(stems.len()),
            totals: Vec::with_capacity(stems.len()),
        };
        for (place, (stem, row)) in stems.iter().zip(rows).enumerate() {
            if row.len() < vocabulary.bound() {
                return Ok(None);
            }
            let mask = self.unbarred(stem, barred)?;
            let line = &mut found.masses[place * ends.len()..][..ends.len()];
            // Where all are minus infinity, so are their differences to any number.
            let top = sums::top(row);
            let top = if top == f64::NEG_INFINITY { 0.0 } else { top };
            let ids = vocabulary.ids();
            let Some(total) = sums::masses_of_ranges(row, top, ids, &mask, &ends, line) else {
                return Ok(None);
            };
            // Ids without bytes, and those beyond the tokenizer's.
            let unplaced = vocabulary.unplaced().iter();
            let others = unplaced.filter_map(|&id| row.get(id as usize));
            let others = others.chain(row.iter().skip(vocabulary.places().len()));
            let others = others.map(|number| sums::exponential(number.wide() - top));
            found.tops.push(top);
            found.totals.push(total + others.sum::<f64>());
        }
        Ok(Some(found))
    }

    /// The probabilities of some places in a row of a model behind a stem, divided by that of the
    /// `top`: what [`Kernel::masses`] sums. `None` where it gives none, and for places beyond the
    /// last.
    ///
    /// # Errors
    /// Those of [`Kernel::new`], which this kernel has passed.
    pub fn part<T: Real>(
        &self,
        stem: &Arc<Node>,
        row: &[T],
        top: f64,
        barred: &[u32],
        places: Range<usize>,
    ) -> Result<Option<Vec<f64>>, Error> {
        let Some(ids) = self.vocabulary.ids().get(places.clone()) else {
            return Ok(None);
        };
        if row.len() < self.vocabulary.bound() {
            return Ok(None);
        }
        let mask = self.unbarred(stem, barred)?;
        let (first, shift) = (places.start / 64, places.start % 64);
        let words = (first..first + ids.len().div_ceil(64)).map(|word| {
            let next = mask
                .get(word + 1)
                .map_or(0, |next| next << 1 << (63 - shift));
            mask[word] >> shift | next
        });
        let words: Vec<u64> = words.collect();
        let mut values = vec![0.0; ids.len()];
        Ok(sums::masses(row, top, ids, &words, &mut values).then_some(values))
    }

    /// For each place whether the token may follow and is not barred.
    fn unbarred(&self, stem: &Node, barred: &[u32]) -> Result<Mask, Error> {
        let mask = self.mask(self.rules()?, &stem.state);
        if barred.is_empty() {
            return Ok(mask);
        }
        let mut words = mask.to_vec();
        for &place in barred {
            if let Some(word) = words.get_mut(place as usize / 64) {
                *word &= !(1 << (place % 64));
            }
        }
        Ok(words.into())
    }

    /// For each place whether the token may follow.
    fn mask(&self, rules: Rules, state: &State) -> Mask {
        let masks = || self.masks.lock().unwrap_or_else(PoisonError::into_inner);
        let words = self.vocabulary.ids().len().div_ceil(64);
        let most = MASKS / (8 * words + 1);
        if let Some(known) = masks().get(state, most) {
            return known;
        }
        let mut mask = vec![0; words];
        let (mut following, mut part) = (Following::default(), Vec::new());
        rules.following(&self.vocabulary, state, &mut following);
        for (row, barred) in &following.rows {
            let row = self.row(rules, *row);
            part.clear();
            part.extend_from_slice(&row);
            for &place in &following.barred[barred.clone()] {
                if let Some(word) = part.get_mut(place as usize / 64) {
                    *word &= !(1 << (place % 64));
                }
            }
            for (word, more) in mask.iter_mut().zip(&part) {
                *word |= more;
            }
        }
        for &place in &following.also {
            if let Some(word) = mask.get_mut(place as usize / 64) {
                *word |= 1 << (place % 64);
            }
        }
        let mask = Mask::from(mask);
        masks().insert(state.clone(), Arc::clone(&mask), most);
        mask
    }

    /// For each place whether a row of [`Following::rows`] has it.
    fn row(&self, rules: Rules, row: u32) -> Mask {
        let rows = || self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = rows().get(&row) {
            return Arc::clone(known);
        }
        let has = rules.row(&self.vocabulary, &self.tokenizer, row);
        let made: Mask = has
            .chunks(64)
            .map(|places| {
                let bits = places.iter().rev();
                bits.fold(0, |word, &has| word << 1 | u64::from(has))
            })
            .collect();
        rows().insert(row, Arc::clone(&made));
        made
    }
}

/// The bits of each byte, the lowest first.
static BITS: [[bool; 8]; 256] = {
    let mut bits = [[false; 8]; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut bit = 0;
        while bit < 8 {
            bits[byte][bit] = byte >> bit & 1 != 0;
            bit += 1;
        }
        byte += 1;
    }
    bits
};

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
