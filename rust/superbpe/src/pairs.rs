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

use crate::Error;
use crate::pretokens::{Spill, Spilled, byte_level};
use crate::tokens::Tokens;
use crate::workers::{self, Text};

/// What a text is encoded with before the second stage.
#[derive(Clone)]
pub struct Start {
    tokenizer: Arc<Tokenizer>,
    base: Arc<Tokenizer>,
    component: Value,
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
        Tokens::of(&base)?;
        let mut file: Value = serde_json::from_str(&base.to_json()?)
            .map_err(|error| Error::Train(format!("the tokenizer cannot be read back: {error}")))?;
        file["pre_tokenizer"] = component.clone();
        file["model"]["ignore_merges"] = Value::Bool(false);
        let json = file.to_string();
        // FNV-1a: it only has to tell runs apart.
        let fingerprint = json.bytes().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
        });
        Ok(Self {
            tokenizer: Arc::new(Tokenizer::from_json(json.as_bytes())?),
            base,
            component: component.clone(),
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

    /// The pre-tokenizer of the second stage.
    #[must_use]
    pub fn component(&self) -> &Value {
        &self.component
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
    pub(crate) fn check(&self, fingerprint: u64) -> Result<(), Error> {
        if self.fingerprint == fingerprint {
            return Ok(());
        }
        Err(Error::Train(format!(
            "these counts ({fingerprint:016x}) are of another tokenizer or scheme than this one ({:016x}); count the text again",
            self.fingerprint
        )))
    }
}

/// A buffer of one encoded text.
#[derive(Default)]
pub(crate) struct Encoded {
    pub ids: Vec<u32>,
    pub starts: Vec<usize>,
}

impl Encoded {
    /// Encodes a text.
    pub fn encode(&mut self, start: &Start, text: Text) -> Result<(), Error> {
        workers::check(text)?;
        self.ids.clear();
        self.starts.clear();
        start
            .tokenizer
            .encode_pretokens(text.1, &mut self.ids, &mut self.starts, &mut || true)?;
        Ok(())
    }

    /// The tokens of each segment.
    pub fn segments(&self) -> impl Iterator<Item = &[u32]> {
        let ends = self.starts.iter().skip(1).copied();
        self.starts
            .iter()
            .zip(ends.chain([self.ids.len()]))
            .map(|(&start, end)| &self.ids[start..end])
    }
}

/// Counted pairs. See the module.
pub struct PairCounts {
    start: Start,
    workers: Vec<Worker>,
    spill: Option<Spill>,
    spilled: Spilled,
    texts: u64,
    bytes: u64,
    tokens: u64,
}

#[derive(Default)]
struct Worker {
    pairs: FxHashMap<u64, u64>,
    /// Which ids came at all.
    seen: Vec<bool>,
    encoded: Encoded,
    texts: u64,
    bytes: u64,
    tokens: u64,
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
            workers: vec![Worker::default()],
            spill,
            spilled: Spilled::default(),
            texts: 0,
            bytes: 0,
            tokens: 0,
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
        while self.workers.len() < threads.max(1) {
            self.workers.push(Worker::default());
        }
        let Self { start, workers, .. } = self;
        let count = |worker: &mut Worker, text: Text| worker.count(start, text);
        let done = workers::share(&mut workers[..threads.max(1)], texts, lines, count, tick)?;
        for worker in &mut self.workers {
            self.texts += std::mem::take(&mut worker.texts);
            self.bytes += std::mem::take(&mut worker.bytes);
            self.tokens += std::mem::take(&mut worker.tokens);
        }
        if let Some(spill) = self.spill
            && self
                .workers
                .iter()
                .map(|worker| worker.pairs.len())
                .sum::<usize>()
                > spill.max_entries
        {
            self.gather();
            let spilled = &mut self.spilled;
            self.workers[0].pairs.retain(|_, &mut count| {
                let is_kept = count >= spill.min_count;
                if !is_kept {
                    spilled.entries += 1;
                    spilled.count += count;
                }
                is_kept
            });
        }
        Ok(done)
    }

    /// Adds other counts to these.
    ///
    /// # Errors
    /// [`Error::Train`] if they are of another tokenizer or scheme.
    pub fn merge(&mut self, other: &Self) -> Result<(), Error> {
        self.start.check(other.start.fingerprint)?;
        for worker in &other.workers {
            for (&pair, &count) in &worker.pairs {
                self.add(pair, count);
            }
        }
        self.add_totals(other.texts, other.bytes, other.tokens, other.spilled);
        Ok(())
    }

    fn add(&mut self, pair: u64, count: u64) {
        let slot = self.workers[0].pairs.entry(pair).or_default();
        *slot = slot.saturating_add(count);
    }

    /// Adds a pair, as counted elsewhere.
    pub fn add_pair(&mut self, left: u32, right: u32, count: u64) {
        self.add(key(left, right), count);
    }

    /// Adds to the totals, as counted elsewhere.
    pub fn add_totals(&mut self, texts: u64, bytes: u64, tokens: u64, spilled: Spilled) {
        self.texts += texts;
        self.bytes += bytes;
        self.tokens += tokens;
        self.spilled.entries += spilled.entries;
        self.spilled.count += spilled.count;
    }

    fn gather(&mut self) -> &FxHashMap<u64, u64> {
        for worker in self.workers.split_off(1) {
            for (pair, count) in worker.pairs {
                self.add(pair, count);
            }
            self.workers[0].see(
                worker
                    .seen
                    .iter()
                    .zip(0..)
                    .filter_map(|(&is_seen, id)| is_seen.then_some(id)),
            );
        }
        &self.workers[0].pairs
    }

    /// The pairs with their counts, in the order of ids.
    pub fn sorted(&mut self) -> Vec<(u32, u32, u64)> {
        let mut pairs: Vec<_> = self
            .gather()
            .iter()
            .map(|(&pair, &count)| ((pair >> 32) as u32, pair as u32, count))
            .collect();
        pairs.sort_unstable();
        pairs
    }

    /// The ids that came, alone in a segment too; only of texts that were counted here.
    #[must_use]
    pub fn seen(&self) -> Vec<u32> {
        let size = self.start.tokenizer.vocab_size() as u32;
        let is_seen = |id: u32| {
            let has = |worker: &Worker| worker.seen.get(id as usize).copied().unwrap_or(false);
            self.workers.iter().any(has)
        };
        (0..size).filter(|&id| is_seen(id)).collect()
    }

    /// The number of distinct pairs.
    pub fn count_distinct(&mut self) -> usize {
        self.gather().len()
    }

    /// The pairs that came at least `barrier` times.
    pub fn frequent(&mut self, barrier: u64) -> FxHashSet<u64> {
        self.gather()
            .iter()
            .filter(|&(_, &count)| count >= barrier)
            .map(|(&pair, _)| pair)
            .collect()
    }

    /// A guess of the count of the last of `merges` merges: a share of the count of the pair of
    /// that rank. A guess too high costs another pass, one too low memory; neither an error.
    pub fn guess_barrier(&mut self, merges: usize) -> u64 {
        let mut counts: Vec<u64> = self.gather().values().copied().collect();
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

    /// Tokens of the text.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// What was dropped.
    #[must_use]
    pub fn spilled(&self) -> Spilled {
        self.spilled
    }
}

/// The count of the n-th pair of the start over that of the n-th merge, and some room.
const GUESS: u64 = 2;

impl Worker {
    fn see(&mut self, ids: impl Iterator<Item = u32>) {
        for id in ids {
            let id = id as usize;
            if id >= self.seen.len() {
                self.seen.resize(id + 1, false);
            }
            self.seen[id] = true;
        }
    }

    fn count(&mut self, start: &Start, text: Text) -> Result<(), Error> {
        self.encoded.encode(start, text)?;
        let ids = std::mem::take(&mut self.encoded.ids);
        self.see(ids.iter().copied());
        self.encoded.ids = ids;
        for segment in self.encoded.segments() {
            for pair in segment.windows(2) {
                *self.pairs.entry(key(pair[0], pair[1])).or_default() += 1;
            }
        }
        self.texts += 1;
        self.bytes += text.1.len() as u64;
        self.tokens += self.encoded.ids.len() as u64;
        Ok(())
    }
}
