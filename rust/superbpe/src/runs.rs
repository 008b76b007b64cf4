//! The second stage's start as distinct runs of tokens, cut at the barrier.
//!
//! **Lemma.** Let `x` and `y` be neighbouring tokens of the start, and `X`, `Y` neighbours that
//! merging has made later, with the same border between them. Then the pair `(X, Y)` comes at most
//! as often as `(x, y)` came at the start.
//! *Proof.* Encoding gives a token one derivation: the last token of the start inside `X` is
//! always the same, so it is `x`, and likewise `y` is the first inside `Y`. So every window of
//! `(X, Y)` holds, at its border, a window of `(x, y)`, and no two hold the same.
//!
//! So where `(x, y)` came less often than the last merge of a run, nothing ever joins across that
//! border, and the text may be cut there: runs become short, and most of them come again. The
//! count of the last merge is not known beforehand. It is guessed; merging that ends above the
//! guess proves it right, and else the text is cut again with a lower one.

use rustc_hash::FxHashSet;

use crate::Error;
use crate::pairs::{Encoded, PairCounts, Start, key};
use crate::tally::Tally;
use crate::workers::{self, Text};

/// Counted runs. See the module.
pub struct RunCounts {
    start: Start,
    barrier: u64,
    /// Pairs that are not cut; all if the barrier is one.
    frequent: FxHashSet<u64>,
    workers: Vec<Worker>,
    texts: u64,
    bytes: u64,
    tokens: u64,
}

#[derive(Default)]
struct Worker {
    tally: Tally<u32>,
    encoded: Encoded,
    texts: u64,
    bytes: u64,
    tokens: u64,
}

impl RunCounts {
    /// Nothing counted yet. Borders of pairs that came less often than `barrier` are cut.
    #[must_use]
    pub fn new(pairs: &mut PairCounts, barrier: u64) -> Self {
        let frequent = if barrier <= 1 {
            FxHashSet::default()
        } else {
            pairs.frequent(barrier)
        };
        Self::with(pairs.start().clone(), barrier, frequent)
    }

    /// Runs that were counted elsewhere: they can be merged and trained on.
    #[must_use]
    pub fn gathered(start: Start, barrier: u64) -> Self {
        Self::with(start, barrier, FxHashSet::default())
    }

    fn with(start: Start, barrier: u64, frequent: FxHashSet<u64>) -> Self {
        Self {
            start,
            barrier: barrier.max(1),
            frequent,
            workers: vec![Worker::default()],
            texts: 0,
            bytes: 0,
            tokens: 0,
        }
    }

    /// Counts the runs of some texts, on `threads` threads. Returns false if `tick` stopped it.
    ///
    /// # Errors
    /// [`Error::Train`] for a text that is not UTF-8, [`Error::Bpe`] for one that cannot be
    /// encoded.
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
            start,
            barrier,
            frequent,
            workers,
            ..
        } = self;
        let joins = |left: u32, right: u32| *barrier <= 1 || frequent.contains(&key(left, right));
        let count = |worker: &mut Worker, text: Text| worker.count(start, &joins, text);
        let done = workers::share(&mut workers[..threads.max(1)], texts, lines, count, tick)?;
        for worker in &mut self.workers {
            self.texts += std::mem::take(&mut worker.texts);
            self.bytes += std::mem::take(&mut worker.bytes);
            self.tokens += std::mem::take(&mut worker.tokens);
        }
        Ok(done)
    }

    /// Adds other counts to these.
    ///
    /// # Errors
    /// [`Error::Train`] if they are of another tokenizer, scheme or barrier.
    pub fn merge(&mut self, other: &Self) -> Result<(), Error> {
        self.start.check(other.start.fingerprint())?;
        if self.barrier != other.barrier {
            return Err(Error::Train(format!(
                "these runs were cut at barrier {}, those at {}; runs merge only at one barrier",
                other.barrier, self.barrier
            )));
        }
        for worker in &other.workers {
            self.workers[0].tally.merge(&worker.tally);
        }
        self.add_totals(other.texts, other.bytes, other.tokens);
        Ok(())
    }

    /// Adds a run, as counted elsewhere.
    ///
    /// # Errors
    /// [`Error::Train`] for an id that the tokenizer does not have.
    pub fn add(&mut self, run: &[u32], count: u64) -> Result<(), Error> {
        let size = self.start.base().vocab_size();
        if let Some(id) = run.iter().find(|&&id| id as usize >= size) {
            return Err(Error::Train(format!(
                "a run has the id {id}, but the tokenizer has ids 0 to {} only",
                size.saturating_sub(1)
            )));
        }
        self.workers[0].tally.add(run, count);
        Ok(())
    }

    /// Adds to the totals, as counted elsewhere.
    pub fn add_totals(&mut self, texts: u64, bytes: u64, tokens: u64) {
        self.texts += texts;
        self.bytes += bytes;
        self.tokens += tokens;
    }

    /// The runs with their counts.
    pub fn gather(&mut self) -> &Tally<u32> {
        for worker in self.workers.split_off(1) {
            self.workers[0].tally.merge(&worker.tally);
        }
        &self.workers[0].tally
    }

    /// Pairs below this count are cut.
    #[must_use]
    pub fn barrier(&self) -> u64 {
        self.barrier
    }

    /// What the text was encoded with.
    #[must_use]
    pub fn start(&self) -> &Start {
        &self.start
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

    /// Tokens of the text, runs of one token included.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.tokens
    }
}

impl Worker {
    fn count(
        &mut self,
        start: &Start,
        joins: &impl Fn(u32, u32) -> bool,
        text: Text,
    ) -> Result<(), Error> {
        self.encoded.encode(start, text)?;
        for segment in self.encoded.segments() {
            let mut from = 0;
            for to in 1..segment.len() {
                if !joins(segment[to - 1], segment[to]) {
                    if to - from > 1 {
                        self.tally.add(&segment[from..to], 1);
                    }
                    from = to;
                }
            }
            if segment.len() - from > 1 {
                self.tally.add(&segment[from..], 1);
            }
        }
        self.texts += 1;
        self.bytes += text.1.len() as u64;
        self.tokens += self.encoded.ids.len() as u64;
        Ok(())
    }
}
