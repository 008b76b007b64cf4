//! Neighbouring tokens of the second stage's start, and their counts.
//!
//! The start is what encoding gives: the text is cut by the second stage's pre-tokenizer and each
//! segment is encoded with the merges so far, lowest rank first. (Encoding words and laying them
//! side by side is something else: merges of the first stage also join across the borders of
//! words.) Counting costs one encoding of the text; memory grows with the distinct pairs.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::Value;
use tokseam_bpe::Tokenizer;
use tokseam_bpe::tokenizer::Worker;

use crate::pretokens::byte_level;
use crate::workers::{Count, Spill, Spilled, Tick, Totals, Workers};
use crate::{Error, file};

/// What a text is encoded with before the second stage.
#[derive(Clone)]
pub struct Start {
    tokenizer: Arc<Tokenizer>,
    base: Arc<Tokenizer>,
    fingerprint: u64,
}

impl Start {
    /// The merges of `base` under another pre-tokenizer.
    ///
    /// # Errors
    /// [`Error::Train`] for a tokenizer or a pre-tokenizer that is not byte-level, [`Error::Bpe`]
    /// for a component that is not supported.
    pub fn new(base: Arc<Tokenizer>, component: &Value) -> Result<Self, Error> {
        byte_level(component)?;
        let json = file::extended(&base, &[], component)?;
        // FNV-1a: it only has to tell runs apart.
        let fingerprint = json.bytes().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
        });
        Ok(Self {
            tokenizer: Arc::new(Tokenizer::from_json(json.as_bytes())?),
            base,
            fingerprint,
        })
    }

    /// The tokenizer that is extended.
    #[must_use]
    pub fn base(&self) -> &Tokenizer {
        &self.base
    }

    /// The tokenizer that encodes.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The same for the same tokenizer and pre-tokenizer.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Whether counts were made with the same tokenizer and pre-tokenizer.
    ///
    /// # Errors
    /// [`Error::Train`] if not.
    pub(crate) fn check(&self, other: &Self) -> Result<(), Error> {
        if self.fingerprint == other.fingerprint {
            return Ok(());
        }
        Err(Error::Train(format!(
            "these counts ({:016x}) are of another tokenizer or scheme than this one ({:016x}); count the text again",
            other.fingerprint, self.fingerprint
        )))
    }
}

/// The buffers of a text that is encoded.
#[derive(Default)]
pub(crate) struct Encoded {
    ids: Vec<u32>,
    starts: Vec<usize>,
}

impl Encoded {
    /// Calls `take` with the tokens of each segment of a text; returns its number of tokens. Where
    /// `tick` stops it, they are those of a part.
    pub fn segments(
        &mut self,
        worker: &mut Worker,
        text: &[u8],
        tick: Tick,
        mut take: impl FnMut(&[u32]),
    ) -> Result<u64, Error> {
        let mut tokens = 0;
        let mut part = |ids: &[u32], starts: &[usize]| {
            tokens += ids.len() as u64;
            let ends = starts.iter().skip(1).copied().chain([ids.len()]);
            for (&start, end) in starts.iter().zip(ends) {
                take(&ids[start..end]);
            }
        };
        let buffers = (&mut self.ids, &mut self.starts);
        worker.encode_parts(text, buffers, &mut part, tick)?;
        Ok(tokens)
    }
}

/// Counted pairs. See the module.
pub struct PairCounts {
    start: Start,
    workers: Workers<Pairs>,
}

/// The pairs of one thread.
#[derive(Default)]
struct Pairs {
    counts: FxHashMap<u64, u64>,
    /// Which ids came at all.
    seen: Vec<bool>,
    encoded: Encoded,
}

/// A pair as one number.
#[inline]
pub(crate) fn key(left: u32, right: u32) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}

impl PairCounts {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(start: Start, spill: Option<Spill>) -> Self {
        Self {
            start,
            workers: Workers::new(spill),
        }
    }

    /// Counts the pairs of some texts, on `threads` threads. Returns false if `tick` stopped it.
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
        let hold = || self.start.tokenizer.worker();
        self.workers
            .update(texts, lines, threads, hold, Pairs::count, tick)
    }

    /// Adds other counts to these.
    ///
    /// # Errors
    /// [`Error::Train`] if they are of another tokenizer or scheme.
    pub fn merge(&mut self, other: &Self) -> Result<(), Error> {
        self.start.check(&other.start)?;
        self.workers.merge(&other.workers);
        Ok(())
    }

    /// Adds a pair, as counted elsewhere.
    pub fn add(&mut self, left: u32, right: u32, count: u64) {
        self.workers.gather().add(key(left, right), count);
    }

    /// Adds to the totals, as counted elsewhere.
    pub fn add_totals(&mut self, totals: Totals, spilled: Spilled) {
        self.workers.add_totals(totals, spilled);
    }

    /// The pairs with their counts, in the order of ids.
    pub fn sorted(&mut self) -> Vec<(u32, u32, u64)> {
        let counts = &self.workers.gather().counts;
        let mut pairs: Vec<_> = counts
            .iter()
            .map(|(&pair, &count)| ((pair >> 32) as u32, pair as u32, count))
            .collect();
        pairs.sort_unstable();
        pairs
    }

    /// Adds ids that came, as counted elsewhere.
    pub fn see(&mut self, ids: &[u32]) {
        let pairs = self.workers.gather();
        for &id in ids {
            see(&mut pairs.seen, id as usize);
        }
    }

    /// The ids that came, alone in a segment too.
    pub fn seen(&mut self) -> Vec<u32> {
        let seen = &self.workers.gather().seen;
        let ids = seen.iter().zip(0..);
        ids.filter_map(|(&is_seen, id)| is_seen.then_some(id))
            .collect()
    }

    /// The number of distinct pairs.
    pub fn count_distinct(&mut self) -> usize {
        self.workers.gather().entries()
    }

    /// The pairs that came at least `barrier` times.
    pub fn frequent(&mut self, barrier: u64) -> FxHashSet<u64> {
        let counts = self.workers.gather().counts.iter();
        counts
            .filter(|&(_, &count)| count >= barrier)
            .map(|(&pair, _)| pair)
            .collect()
    }

    /// A guess of the count of the last of `merges` merges: a share of the count of the pair of
    /// that rank. A guess too high costs another pass, one too low memory; neither an error.
    pub fn guess_barrier(&mut self, merges: usize) -> u64 {
        let mut counts: Vec<u64> = self.workers.gather().counts.values().copied().collect();
        if merges == 0 || merges >= counts.len() {
            return 1;
        }
        let (_, &mut count, _) = counts.select_nth_unstable_by(merges, |a, b| b.cmp(a));
        (count / GUESS).max(1)
    }

    /// What the text was encoded with.
    #[must_use]
    pub fn start(&self) -> &Start {
        &self.start
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

/// The count of the n-th pair of the start over that of the n-th merge, and some room.
const GUESS: u64 = 2;

impl Count for Pairs {
    fn absorb(&mut self, other: &Self) {
        for (&pair, &count) in &other.counts {
            self.add(pair, count);
        }
        for (id, _) in other
            .seen
            .iter()
            .enumerate()
            .filter(|(_, is_seen)| **is_seen)
        {
            see(&mut self.seen, id);
        }
    }

    fn entries(&self) -> usize {
        self.counts.len()
    }

    fn drop_below(&mut self, least: u64) -> Spilled {
        let mut spilled = Spilled::default();
        self.counts.retain(|_, &mut count| {
            let is_kept = count >= least;
            if !is_kept {
                spilled += Spilled { entries: 1, count };
            }
            is_kept
        });
        spilled
    }
}

impl Pairs {
    fn add(&mut self, pair: u64, count: u64) {
        let slot = self.counts.entry(pair).or_default();
        *slot = slot.saturating_add(count);
    }

    fn count(&mut self, worker: &mut Worker, text: &[u8], tick: Tick) -> Result<u64, Error> {
        let Self {
            counts,
            seen,
            encoded,
        } = self;
        encoded.segments(worker, text, tick, |segment| {
            for &id in segment {
                see(seen, id as usize);
            }
            for pair in segment.windows(2) {
                *counts.entry(key(pair[0], pair[1])).or_default() += 1;
            }
        })
    }
}

fn see(seen: &mut Vec<bool>, id: usize) {
    if id >= seen.len() {
        seen.resize(id + 1, false);
    }
    seen[id] = true;
}
