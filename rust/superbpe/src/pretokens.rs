//! Words and their counts: all that the first stage needs to know of a text.
//!
//! A word is a pretoken of the first stage's pre-tokenizer, spelled in bytes. Counting costs one
//! scan of the text and one look-up a word; memory grows with the distinct words alone.

use serde_json::Value;
use tokseam_bpe::aligned::Aligned;
use tokseam_bpe::pretokenizer::Pretokenizer;

use crate::Error;
use crate::tally::Tally;
use crate::workers::{Count, Spill, Spilled, Totals, Workers};

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
    cuts: Vec<u64>,
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
        let count = |words: &mut Words, (): &mut (), text: &[u8]| words.count(pretokenizer, text);
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
        self.tally.drop_below(least)
    }
}

impl Words {
    /// Counts the words of a text. It has no tokens.
    fn count(&mut self, pretokenizer: &Pretokenizer, text: &[u8]) -> Result<u64, Error> {
        if pretokenizer.cuts_only() {
            self.cuts.clear();
            self.cuts.resize(text.len() / 64 + 1, 0);
            pretokenizer.cut(text, &mut self.cuts)?;
            let mut start = 0;
            for (word, &cuts) in self.cuts.iter().enumerate() {
                let mut rest = cuts;
                while rest != 0 {
                    let end = word * 64 + rest.trailing_zeros() as usize;
                    rest &= rest - 1;
                    if start < end && end < text.len() {
                        self.tally.add(&text[start..end], 1);
                        start = end;
                    }
                }
            }
            if start < text.len() {
                self.tally.add(&text[start..], 1);
            }
        } else {
            let pieces = pretokenizer.split(Aligned::new(text, 0, false))?;
            for range in &pieces.ranges {
                if !range.is_empty() {
                    self.tally.add(&pieces.text.text()[range.clone()], 1);
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
