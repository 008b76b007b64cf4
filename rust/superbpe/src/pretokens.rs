//! Words and their counts: all that the first stage needs to know of a text.
//!
//! A word is a pretoken of the first stage's pre-tokenizer, spelled in bytes. Counting costs one
//! scan of the text and one look-up a word; memory grows with the distinct words alone.

use serde_json::Value;
use tokseam_bpe::aligned::Aligned;
use tokseam_bpe::pretokenizer::Pretokenizer;

use crate::Error;
use crate::tally::Tally;
use crate::workers::{self, Text};

/// What was left out on purpose, to save memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spilled {
    /// Entries dropped.
    pub entries: u64,
    /// The sum of their counts.
    pub count: u64,
}

/// When entries are dropped to save memory. Then a count is no longer exact, and says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spill {
    /// Entries that came less often than this are dropped ...
    pub min_count: u64,
    /// ... whenever there are more entries than this.
    pub max_entries: usize,
}

/// Counted words. See the module.
pub struct PretokenCounts {
    pretokenizer: Pretokenizer,
    component: Value,
    workers: Vec<Worker>,
    spill: Option<Spill>,
    spilled: Spilled,
    texts: u64,
    bytes: u64,
}

#[derive(Default)]
struct Worker {
    tally: Tally<u8>,
    cuts: Vec<u64>,
    texts: u64,
    bytes: u64,
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
            workers: vec![Worker::default()],
            spill,
            spilled: Spilled::default(),
            texts: 0,
            bytes: 0,
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
        while self.workers.len() < threads.max(1) {
            self.workers.push(Worker::default());
        }
        let Self {
            pretokenizer,
            workers,
            ..
        } = self;
        let count = |worker: &mut Worker, text: Text| worker.count(pretokenizer, text);
        let done = workers::share(&mut workers[..threads.max(1)], texts, lines, count, tick)?;
        for worker in &mut self.workers {
            self.texts += std::mem::take(&mut worker.texts);
            self.bytes += std::mem::take(&mut worker.bytes);
        }
        if let Some(spill) = self.spill
            && self
                .workers
                .iter()
                .map(|worker| worker.tally.len())
                .sum::<usize>()
                > spill.max_entries
        {
            self.gather();
            let (entries, count) = self.workers[0].tally.drop_below(spill.min_count);
            self.spilled.entries += entries;
            self.spilled.count += count;
        }
        Ok(done)
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
        for worker in &other.workers {
            self.workers[0].tally.merge(&worker.tally);
        }
        self.texts += other.texts;
        self.bytes += other.bytes;
        self.spilled.entries += other.spilled.entries;
        self.spilled.count += other.spilled.count;
        Ok(())
    }

    /// Adds a word, as counted elsewhere.
    pub fn add(&mut self, word: &[u8], count: u64) {
        self.workers[0].tally.add(word, count);
    }

    /// Adds to the numbers of texts and bytes, and to what was dropped, as counted elsewhere.
    pub fn add_totals(&mut self, texts: u64, bytes: u64, spilled: Spilled) {
        self.texts += texts;
        self.bytes += bytes;
        self.spilled.entries += spilled.entries;
        self.spilled.count += spilled.count;
    }

    /// The words with their counts.
    pub fn gather(&mut self) -> &Tally<u8> {
        let mut rest = self.workers.split_off(1).into_iter();
        for worker in &mut rest {
            self.workers[0].tally.merge(&worker.tally);
        }
        &self.workers[0].tally
    }

    /// Texts counted.
    #[must_use]
    pub fn texts(&self) -> u64 {
        self.texts
    }

    /// Bytes of text counted.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What was dropped.
    #[must_use]
    pub fn spilled(&self) -> Spilled {
        self.spilled
    }

    /// The pre-tokenizer.
    #[must_use]
    pub fn component(&self) -> &Value {
        &self.component
    }
}

impl Worker {
    fn count(&mut self, pretokenizer: &Pretokenizer, text: Text) -> Result<(), Error> {
        workers::check(text)?;
        let (_, text) = text;
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
        self.texts += 1;
        self.bytes += text.len() as u64;
        Ok(())
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
