//! Words and their counts: all that the first stage needs to know of a text.
//!
//! A word is a pretoken of the first stage's pre-tokenizer, spelled in bytes. Counting costs one
//! scan of the text and one look-up a word; memory grows with the distinct words alone.

use serde_json::Value;
use tokseam_bpe::aligned::Aligned;
use tokseam_bpe::pretokenizer::Pretokenizer;

use crate::Error;
use crate::tally::Tally;
use crate::workers::{Count, Spill, Spilled, Tick, Totals, Workers};

/// Counted words. See the module.
pub struct PretokenCounts {
    pretokenizer: Pretokenizer,
    component: Value,
    workers: Workers<Words>,
}

/// The words of one thread.
#[derive(Default)]
struct Words {
    tally: Tally<u8>,
    recent: Recent,
    cuts: Vec<u64>,
}

/// Short words that came lately, with their numbers in the tally. Most words are found here, at the
/// cost of one comparison of two registers; the tally hashes them and compares bytes far away.
struct Recent {
    /// A packed word, or 0, in the place that it hashes to.
    slots: Box<[(u128, u32)]>,
}

const RECENT_BITS: u32 = 13;

impl Default for Recent {
    fn default() -> Self {
        Self {
            slots: vec![(0, 0); 1 << RECENT_BITS].into(),
        }
    }
}

impl Recent {
    fn clear(&mut self) {
        self.slots.fill((0, 0));
    }

    /// A word of 1 to 15 bytes in one number with its length, another for every word; 0 for others.
    #[inline]
    fn pack(word: &[u8]) -> u128 {
        let length = word.len();
        let (low, high) = if let Some((head, rest)) = word.split_first_chunk::<8>() {
            // The last eight bytes, without those that are in the first eight.
            let Some(tail) = word.last_chunk::<8>().filter(|_| rest.len() < 8) else {
                return 0;
            };
            let high = match rest.len() {
                0 => 0,
                more => u64::from_le_bytes(*tail) >> (64 - 8 * more),
            };
            (u64::from_le_bytes(*head), high)
        } else if let (Some(head), Some(tail)) = (word.first_chunk::<4>(), word.last_chunk::<4>()) {
            let (head, tail) = (u32::from_le_bytes(*head), u32::from_le_bytes(*tail));
            (u64::from(head) | u64::from(tail) << (8 * (length - 4)), 0)
        } else {
            let bytes = word.iter().rev();
            (
                bytes.fold(0, |packed, &byte| packed << 8 | u64::from(byte)),
                0,
            )
        };
        u128::from(low) | u128::from(high | (length as u64) << 56) << 64
    }

    #[inline]
    fn slot(&mut self, packed: u128) -> &mut (u128, u32) {
        let mixed = (packed as u64 ^ ((packed >> 64) as u64).rotate_left(29))
            .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        &mut self.slots[(mixed >> (64 - RECENT_BITS)) as usize]
    }
}

impl PretokenCounts {
    /// Nothing counted yet.
    ///
    /// # Errors
    /// [`Error::Bpe`] for a pre-tokenizer that is not supported, [`Error::Train`] for one that is
    /// not byte-level.
    pub fn new(component: &Value, spill: Option<Spill>) -> Result<Self, Error> {
        Ok(Self {
            pretokenizer: byte_level(component)?,
            component: component.clone(),
            workers: Workers::new(spill),
        })
    }

    /// Counts the words of some texts, on `threads` threads. Returns false if `tick` stopped it:
    /// then the counts are of a part of the texts.
    ///
    /// # Errors
    /// [`Error::Train`] for a text that is not UTF-8, [`Error::Bpe`] for one that cannot be cut.
    pub fn update(
        &mut self,
        texts: &[&[u8]],
        lines: bool,
        threads: usize,
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<bool, Error> {
        let pretokenizer = &self.pretokenizer;
        let count =
            |words: &mut Words, (): &mut (), text: &[u8], _: Tick| words.count(pretokenizer, text);
        self.workers
            .update(texts, lines, threads, || (), count, tick)
    }

    /// Adds other counts to these.
    ///
    /// # Errors
    /// [`Error::Train`] if the words were cut otherwise.
    pub fn merge(&mut self, other: &Self) -> Result<(), Error> {
        if self.component != other.component {
            return Err(Error::Train(
                "these pretokens were cut by another pre-tokenizer; counts merge only within one scheme".into(),
            ));
        }
        self.workers.merge(&other.workers);
        Ok(())
    }

    /// Adds a word, as counted elsewhere.
    pub fn add(&mut self, word: &[u8], count: u64) {
        self.workers.gather().tally.add(word, count);
    }

    /// Adds to the totals, as counted elsewhere.
    pub fn add_totals(&mut self, totals: Totals, spilled: Spilled) {
        self.workers.add_totals(totals, spilled);
    }

    /// The words with their counts.
    pub fn gather(&mut self) -> &Tally<u8> {
        &self.workers.gather().tally
    }

    /// How much was counted.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.workers.totals()
    }

    /// What was dropped.
    #[must_use]
    pub fn spilled(&self) -> Spilled {
        self.workers.spilled()
    }
}

impl Count for Words {
    fn absorb(&mut self, other: &Self) {
        self.tally.merge(&other.tally);
    }

    fn entries(&self) -> usize {
        self.tally.len()
    }

    fn drop_below(&mut self, least: u64) -> Spilled {
        self.recent.clear();
        self.tally.drop_below(least)
    }
}

impl Words {
    #[inline]
    fn add(&mut self, word: &[u8]) {
        let packed = Recent::pack(word);
        let slot = self.recent.slot(packed);
        let index = if packed != 0 && slot.0 == packed {
            slot.1
        } else {
            let index = self.tally.index(word);
            *slot = (packed, index);
            index
        };
        self.tally.add_at(index, 1);
    }

    /// Counts the words of a text. It has no tokens.
    fn count(&mut self, pretokenizer: &Pretokenizer, text: &[u8]) -> Result<u64, Error> {
        if pretokenizer.cuts_only() {
            let mut cuts = std::mem::take(&mut self.cuts);
            cuts.clear();
            cuts.resize(text.len() / 64 + 1, 0);
            pretokenizer.cut(text, &mut cuts)?;
            let mut start = 0;
            for (place, &bits) in cuts.iter().enumerate() {
                let mut rest = bits;
                while rest != 0 {
                    let end = place * 64 + rest.trailing_zeros() as usize;
                    rest &= rest - 1;
                    if start < end && end < text.len() {
                        self.add(&text[start..end]);
                        start = end;
                    }
                }
            }
            if start < text.len() {
                self.add(&text[start..]);
            }
            self.cuts = cuts;
        } else {
            let pieces = pretokenizer.split(Aligned::new(text, 0, false))?;
            for range in &pieces.ranges {
                if !range.is_empty() {
                    self.add(&pieces.text.text()[range.clone()]);
                }
            }
        }
        Ok(0)
    }
}

/// A pre-tokenizer that spells text in bytes.
pub(crate) fn byte_level(component: &Value) -> Result<Pretokenizer, Error> {
    let pretokenizer = Pretokenizer::from_json(component)?;
    if pretokenizer.is_byte_level() {
        Ok(pretokenizer)
    } else {
        Err(Error::Train(
            "the pre-tokenizer is not byte-level; end its Sequence with ByteLevel(add_prefix_space=False, use_regex=False)".into(),
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use rustc_hash::FxHashMap;
    use serde_json::json;

    use super::*;

    proptest! {
        /// Packed words are told apart, those that end in zero bytes too.
        #[test]
        fn packing_is_one_to_one(
            one in prop::collection::vec(0u8..3, 0..18),
            other in prop::collection::vec(0u8..3, 0..18),
        ) {
            let fits = |word: &[u8]| (1..16).contains(&word.len());
            prop_assert_eq!(Recent::pack(&one) != 0, fits(&one));
            if fits(&one) && fits(&other) {
                prop_assert_eq!(Recent::pack(&one) == Recent::pack(&other), one == other);
            }
        }

        /// Words found among the recent ones are counted as those of the tally are.
        #[test]
        fn counts_are_those_of_a_plain_table(texts in prop::collection::vec("[ab]{1,4} ?[a-c]{0,16}", 1..40)) {
            let component = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
            let mut counts = PretokenCounts::new(&component, None).unwrap();
            let pretokenizer = byte_level(&component).unwrap();
            let texts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
            let mut expected: FxHashMap<Vec<u8>, u64> = FxHashMap::default();
            for _ in 0..2 {
                counts.update(&texts, false, 1, &mut || true).unwrap();
                for text in &texts {
                    let pieces = pretokenizer.split(Aligned::new(text, 0, false)).unwrap();
                    for range in pieces.ranges {
                        *expected.entry(text[range].to_vec()).or_default() += 1;
                    }
                }
            }
            let found: FxHashMap<Vec<u8>, u64> =
                counts.gather().iter().map(|(word, count)| (word.to_vec(), count)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
