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
use tokseam_bpe::tokenizer::Worker;

use crate::Error;
use crate::pairs::{Encoded, PairCounts, Start, key};
use crate::tally::Tally;
use crate::workers::{Count, Spilled, Tick, Totals, Workers};

/// Counted runs. See the module.
pub struct RunCounts {
    start: Start,
    barrier: u64,
    /// Pairs that are not cut; all if the barrier is one.
    frequent: FxHashSet<u64>,
    workers: Workers<Runs>,
}

/// The runs of one thread.
#[derive(Default)]
struct Runs {
    tally: Tally<u32>,
    encoded: Encoded,
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
            workers: Workers::new(None),
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
        let Self {
            start,
            barrier,
            frequent,
            workers,
        } = self;
        let joins = |left: u32, right: u32| *barrier <= 1 || frequent.contains(&key(left, right));
        let hold = || start.tokenizer().worker();
        let count = |runs: &mut Runs, worker: &mut Worker, text: &[u8], tick: Tick| {
            runs.count(worker, &joins, text, tick)
        };
        workers.update(texts, lines, threads, hold, count, tick)
    }

    /// Adds other counts to these.
    ///
    /// # Errors
    /// [`Error::Train`] if they are of another tokenizer, scheme or barrier.
    pub fn merge(&mut self, other: &Self) -> Result<(), Error> {
        self.start.check(&other.start)?;
        if self.barrier != other.barrier {
            return Err(Error::Train(format!(
                "these runs were cut at barrier {}, those at {}; runs merge only at one barrier",
                other.barrier, self.barrier
            )));
        }
        self.workers.merge(&other.workers);
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
        self.workers.gather().tally.add(run, count);
        Ok(())
    }

    /// Adds to the totals, as counted elsewhere.
    pub fn add_totals(&mut self, totals: Totals) {
        self.workers.add_totals(totals, Spilled::default());
    }

    /// The runs with their counts.
    pub fn gather(&mut self) -> &Tally<u32> {
        &self.workers.gather().tally
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

    /// How much was counted; tokens of runs of one token are among them.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.workers.totals()
    }
}

impl Count for Runs {
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

impl Runs {
    fn count(
        &mut self,
        worker: &mut Worker,
        joins: &impl Fn(u32, u32) -> bool,
        text: &[u8],
        tick: Tick,
    ) -> Result<u64, Error> {
        let Self { tally, encoded } = self;
        encoded.segments(worker, text, tick, |segment| {
            let mut from = 0;
            for to in 1..segment.len() {
                if !joins(segment[to - 1], segment[to]) {
                    if to - from > 1 {
                        tally.add(&segment[from..to], 1);
                    }
                    from = to;
                }
            }
            if segment.len() - from > 1 {
                tally.add(&segment[from..], 1);
            }
        })
    }
}
