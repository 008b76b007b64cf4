//! Greedy merging over counted sequences.
//!
//! **Definition.** While the vocabulary is too small: of all pairs of neighbouring tokens take the
//! one with the highest count (windows of two, overlapping ones too, each times the count of its
//! sequence), on ties the one with the smallest left id, then the smallest right id; replace it
//! from left to right by its concatenation, a new token.
//!
//! **How.** A new token comes into being in one step, so all windows of a pair are born in the
//! step that made its younger side, and from then on they only get fewer. Hence
//! - a pair is a candidate with the list of its places, made once;
//! - a candidate's count is an upper bound: when it comes to the top of the heap it is counted
//!   again at its places, and is the maximum exactly if it still is the top;
//! - a pair that is born below the bar never rises above it, and is not kept at all.
//!
//! There is no table of pairs and no bookkeeping of neighbours that lose a count.
//!
//! A count can only have fallen since a step that joined one of the two tokens to something; where
//! there was none it is taken as it is.
//!
//! **Going on.** A new token's pairs can only be joined in later steps, so applying known merges to
//! each sequence by itself, lowest rank first, leaves what the steps left. Candidates are then made
//! anew; those that were vetoed are left out.
//!
//! **Cost.** A step costs the places of its pair, twice, and those of the candidates that it made
//! stale on their way up. Memory: eight bytes a token of the start, four a place of a pair that
//! reaches the bar.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::Error;
use crate::constraints::Constraints;
use crate::tokens::{ID_LIMIT, Tokens};

/// Stands before, between and behind sequences; never a token.
const END: u32 = ID_LIMIT;

/// Marks a place inside a token.
const INSIDE: u32 = 1 << 31;

/// Steps and recounts between two looks at the caller's `tick`.
const TICK: usize = 64;

/// Sequences to which known merges are applied between two looks.
const REPLAY_TICK: usize = 1 << 14;

/// Counted sequences of tokens, laid end to end.
///
/// A token that was made of several lies at the first place of its first part; the place behind
/// it and its last place hold its length in places, marked [`INSIDE`], so both neighbours are one
/// look away. Every other place inside it is marked too.
#[derive(Debug, Clone)]
pub struct Sequences {
    places: Vec<u32>,
    /// The sequence of each place.
    of: Vec<u32>,
    weights: Vec<u64>,
}

impl Default for Sequences {
    fn default() -> Self {
        Self {
            places: vec![END],
            of: vec![0],
            weights: Vec::new(),
        }
    }
}

impl Sequences {
    /// Adds a sequence that came `weight` times. One of a single token has no pair and is left out.
    ///
    /// # Errors
    /// [`Error::Train`] if there are too many tokens for 32 bits.
    pub fn push(
        &mut self,
        tokens: impl ExactSizeIterator<Item = u32>,
        weight: u64,
    ) -> Result<(), Error> {
        if tokens.len() < 2 || weight == 0 {
            return Ok(());
        }
        if self.places.len() + tokens.len() >= INSIDE as usize {
            return Err(Error::Train(format!(
                "more than {INSIDE} tokens in distinct sequences; raise the barrier, set min_count, or train on a part of the text"
            )));
        }
        let index = self.weights.len() as u32;
        self.of.resize(self.places.len() + tokens.len() + 1, index);
        self.places.extend(tokens);
        self.places.push(END);
        self.weights.push(weight);
        Ok(())
    }

    #[inline]
    fn next(&self, place: usize) -> usize {
        let behind = self.places[place + 1];
        if behind & INSIDE != 0 {
            place + (behind ^ INSIDE) as usize
        } else {
            place + 1
        }
    }

    #[inline]
    fn prev(&self, place: usize) -> usize {
        let before = self.places[place - 1];
        if before & INSIDE != 0 {
            place - (before ^ INSIDE) as usize
        } else {
            place - 1
        }
    }

    #[inline]
    fn weight(&self, place: usize) -> u64 {
        self.weights[self.of[place] as usize]
    }

    /// The place of the right side, if the pair stands at `place`.
    #[inline]
    fn find(&self, place: usize, left: u32, right: u32) -> Option<usize> {
        if self.places[place] != left {
            return None;
        }
        let next = self.next(place);
        (self.places[next] == right).then_some(next)
    }

    /// Makes one token of those at `place` and `right`.
    fn join(&mut self, place: usize, right: usize, result: u32) {
        let span = self.next(right) - place;
        self.places[place] = result;
        self.places[right] = INSIDE;
        self.places[place + 1] = INSIDE | span as u32;
        self.places[place + span - 1] = INSIDE | span as u32;
    }
}

/// A pair and the places where it was born.
struct Candidate {
    count: u64,
    left: u32,
    right: u32,
    /// How many steps had been made when it was counted.
    counted: u32,
    places: Vec<u32>,
}

impl Candidate {
    fn rank(&self) -> (u64, Reverse<(u32, u32)>) {
        (self.count, Reverse((self.left, self.right)))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// A merge that was learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The token on the left.
    pub left: u32,
    /// The token on the right.
    pub right: u32,
    /// What they become.
    pub result: u32,
    /// How often the pair stood in the text, overlapping windows counted.
    pub count: u64,
    /// How many tokens the text lost.
    pub applied: u64,
}

/// Why merging ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The vocabulary is full.
    Full,
    /// No pair is left that is frequent enough.
    Rare,
    /// No pair reaches the bar, and rarer ones were not kept.
    Bar,
}

/// Where merging ends, and what it may not make.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'r> {
    /// The vocabulary size to reach: the highest id + 1.
    pub size: usize,
    /// Pairs that came less often than this are not merged.
    pub min_frequency: u64,
    /// Pairs below this count are not known.
    pub bar: u64,
    /// Tokens made of more than two bytes are shorter than this.
    pub max_token_length: Option<usize>,
    /// What a token may not be.
    pub constraints: Option<&'r Constraints>,
}

/// A pair that was the best and was passed over for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Veto {
    /// The token on the left.
    pub left: u32,
    /// The token on the right.
    pub right: u32,
    /// How many merges had been made.
    pub after: u32,
    /// Whether it would have spelled an added token; else a constraint forbade it.
    pub is_special: bool,
}

/// What merging came to, or has come to so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The merges in order.
    pub steps: Vec<Step>,
    /// The vetoes in order.
    pub vetoes: Vec<Veto>,
    /// The size of the vocabulary.
    pub size: usize,
    /// Why it ended.
    pub stop: Stop,
}

impl Merged {
    /// Nothing merged yet.
    #[must_use]
    pub fn new(tokens: &Tokens) -> Self {
        Self {
            steps: Vec::new(),
            vetoes: Vec::new(),
            size: tokens.len(),
            stop: Stop::Full,
        }
    }

    /// Whether merging can go on from here, with these tokens at the start: each merge made a new
    /// token. Pairs of one that was there before may have been born twice, and candidates made anew
    /// would not know that.
    fn can_go_on(&self, start: &Tokens) -> bool {
        self.steps.iter().zip(start.len()..).all(|(step, id)| {
            step.result as usize == id && step.left < step.result && step.right < step.result
        })
    }

    fn veto(&mut self, pair: &Candidate, is_special: bool) {
        self.vetoes.push(Veto {
            left: pair.left,
            right: pair.right,
            after: self.steps.len() as u32,
            is_special,
        });
    }
}

/// The neighbours on one side of the token of a step, by id.
#[derive(Default)]
struct Neighbours {
    counts: Vec<u64>,
    /// How many places there are; later the number of the neighbour's list, counted from 1.
    numbers: Vec<u32>,
    seen: Vec<u32>,
}

impl Neighbours {
    #[inline]
    fn add(&mut self, token: u32, weight: u64) {
        let index = token as usize;
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
            self.numbers.resize(index + 1, 0);
        }
        if self.numbers[index] == 0 {
            self.seen.push(token);
        }
        self.numbers[index] += 1;
        self.counts[index] = self.counts[index].saturating_add(weight);
    }

    /// Makes an empty list for each pair that `keeps` allows.
    fn list(
        &mut self,
        pair: impl Fn(u32) -> (u32, u32),
        keeps: impl Fn(u64, u32, u32) -> bool,
        step: u32,
        lists: &mut Vec<Candidate>,
    ) {
        for &token in &self.seen {
            let index = token as usize;
            let (left, right) = pair(token);
            let number = std::mem::take(&mut self.numbers[index]);
            let count = std::mem::take(&mut self.counts[index]);
            if keeps(count, left, right) {
                lists.push(Candidate {
                    count,
                    left,
                    right,
                    counted: step,
                    places: Vec::with_capacity(number as usize),
                });
                self.numbers[index] = lists.len() as u32;
            }
        }
    }

    /// The index of the list of a neighbour.
    #[inline]
    fn list_of(&self, token: u32) -> Option<usize> {
        let number = *self.numbers.get(token as usize)?;
        (number as usize).checked_sub(1)
    }

    fn clear(&mut self) {
        for token in self.seen.drain(..) {
            self.numbers[token as usize] = 0;
        }
    }
}

/// The buffers of a step.
#[derive(Default)]
struct Buffers {
    left: Neighbours,
    right: Neighbours,
    /// Where the new token stands.
    made: Vec<u32>,
    /// The last step that joined each token to another, counted from 1.
    joined: Vec<u32>,
}

impl Buffers {
    fn join(&mut self, token: u32, step: u32) {
        let index = token as usize;
        if index >= self.joined.len() {
            self.joined.resize(index + 1, 0);
        }
        self.joined[index] = step;
    }

    /// Whether the count of a pair may have fallen since it was taken.
    fn is_stale(&self, pair: &Candidate) -> bool {
        let last = |token: u32| self.joined.get(token as usize).copied().unwrap_or(0);
        last(pair.left).max(last(pair.right)) > pair.counted
    }
}

/// Merges until a rule says stop, from the start or from what a run `before` had come to. `tick`
/// gets what there is so far; `None` if it stopped the work.
pub fn merge(
    sequences: &mut Sequences,
    tokens: &mut Tokens,
    rules: &Rules,
    before: Option<&Merged>,
    tick: &mut dyn FnMut(&Merged) -> bool,
) -> Option<Merged> {
    let least = rules.min_frequency.max(rules.bar).max(1);
    let mut merged = Merged::new(tokens);
    if let Some(before) = before.filter(|before| before.can_go_on(tokens)) {
        for step in &before.steps {
            tokens.push([tokens.get(step.left), tokens.get(step.right)].concat());
        }
        merged.steps.clone_from(&before.steps);
        merged.vetoes.clone_from(&before.vetoes);
        merged.size = tokens.len();
        if !sequences.replay(&merged.steps, &mut || tick(&merged)) {
            return None;
        }
    }
    let mut heap = first_candidates(sequences, tokens, rules, least, &merged);
    let mut buffers = Buffers::default();
    let mut rounds = 0;
    while tokens.len() < rules.size {
        rounds += 1;
        if rounds % TICK == 0 && !tick(&merged) {
            return None;
        }
        let Some(mut best) = heap.pop() else {
            merged.stop = if rules.bar > rules.min_frequency.max(1) {
                Stop::Bar
            } else {
                Stop::Rare
            };
            break;
        };
        if buffers.is_stale(&best) {
            sequences.recount(&mut best);
            best.counted = merged.steps.len() as u32;
        }
        if best.count < least {
            continue;
        }
        if heap.peek().is_some_and(|next| *next > best) {
            heap.push(best);
            continue;
        }
        let token = [tokens.get(best.left), tokens.get(best.right)].concat();
        if tokens.is_forbidden(&token) {
            merged.veto(&best, true);
            continue;
        }
        if rules.constraints.is_some_and(|rules| !rules.allow(&token)) {
            merged.veto(&best, false);
            continue;
        }
        // A tokenizer that is extended may have the token, without a merge that makes it.
        let result = tokens.id(&token).unwrap_or_else(|| tokens.push(token));
        merged.size = tokens.len();
        merged.steps.push(Step {
            left: best.left,
            right: best.right,
            result,
            count: best.count,
            applied: sequences.apply(&best, result, &mut buffers.made),
        });
        let step = merged.steps.len() as u32;
        buffers.join(best.left, step);
        buffers.join(best.right, step);
        let keeps = |count: u64, left: u32, right: u32| {
            count >= least && tokens.fits(left, right, rules.max_token_length)
        };
        heap.extend(sequences.born(result, keeps, step, &mut buffers));
    }
    Some(merged)
}

impl Sequences {
    /// Applies known merges. False if `tick` stopped it.
    fn replay(&mut self, steps: &[Step], tick: &mut dyn FnMut() -> bool) -> bool {
        let pairs = steps.iter().map(|step| (step.left, step.right));
        let ranks: FxHashMap<_, u32> = pairs.zip(0..).collect();
        let mut waiting = BinaryHeap::new();
        let mut place = 1;
        for number in 0..self.weights.len() {
            if number % REPLAY_TICK == 0 && !tick() {
                return false;
            }
            while self.places[place] != END {
                if let Some(&rank) = ranks.get(&(self.places[place], self.places[place + 1])) {
                    waiting.push(Reverse((rank, place)));
                }
                place += 1;
            }
            place += 1;
            while let Some(Reverse((rank, at))) = waiting.pop() {
                let Step {
                    left,
                    right,
                    result,
                    ..
                } = steps[rank as usize];
                let Some(other) = self.find(at, left, right) else {
                    continue;
                };
                self.join(at, other, result);
                let (prev, next) = (self.prev(at), self.next(at));
                for (place, pair) in [
                    (prev, (self.places[prev], result)),
                    (at, (result, self.places[next])),
                ] {
                    if let Some(&rank) = ranks.get(&pair) {
                        waiting.push(Reverse((rank, place)));
                    }
                }
            }
        }
        true
    }

    /// Counts a pair anew, and forgets where it no longer stands.
    fn recount(&self, pair: &mut Candidate) {
        let mut count = 0u64;
        pair.places.retain(|&place| {
            let place = place as usize;
            let stands = self.find(place, pair.left, pair.right).is_some();
            if stands {
                count = count.saturating_add(self.weight(place));
            }
            stands
        });
        pair.count = count;
    }

    /// Replaces a pair, from left to right; `made` gets the places. Returns how many tokens the
    /// text lost.
    fn apply(&mut self, pair: &Candidate, result: u32, made: &mut Vec<u32>) -> u64 {
        made.clear();
        let mut applied = 0u64;
        for &place in &pair.places {
            let at = place as usize;
            if let Some(next) = self.find(at, pair.left, pair.right) {
                self.join(at, next, result);
                applied = applied.saturating_add(self.weight(at));
                made.push(place);
            }
        }
        applied
    }

    /// The pairs that a new token makes with its neighbours.
    fn born(
        &self,
        result: u32,
        keeps: impl Fn(u64, u32, u32) -> bool,
        step: u32,
        buffers: &mut Buffers,
    ) -> Vec<Candidate> {
        let Buffers {
            left, right, made, ..
        } = buffers;
        for &place in &*made {
            let at = place as usize;
            let weight = self.weight(at);
            let before = self.places[self.prev(at)];
            let behind = self.places[self.next(at)];
            // Two of the new tokens side by side are one pair: it is counted at the left one.
            if before != END && before != result {
                left.add(before, weight);
            }
            if behind != END {
                right.add(behind, weight);
            }
        }
        let mut lists = Vec::new();
        left.list(|token| (token, result), &keeps, step, &mut lists);
        right.list(|token| (result, token), &keeps, step, &mut lists);
        if !lists.is_empty() {
            for &place in &*made {
                let prev = self.prev(place as usize);
                let before = self.places[prev];
                if before != result
                    && let Some(index) = left.list_of(before)
                {
                    lists[index].places.push(prev as u32);
                }
                let behind = self.places[self.next(place as usize)];
                if let Some(index) = right.list_of(behind) {
                    lists[index].places.push(place);
                }
            }
        }
        left.clear();
        right.clear();
        lists
    }
}

/// The pairs of the sequences as they are that reach the bar and were not vetoed.
fn first_candidates(
    sequences: &Sequences,
    tokens: &Tokens,
    rules: &Rules,
    least: u64,
    merged: &Merged,
) -> BinaryHeap<Candidate> {
    let windows = || {
        let places = &sequences.places;
        places.iter().enumerate().filter_map(|(place, &left)| {
            if left == END || left & INSIDE != 0 {
                return None;
            }
            let right = places[sequences.next(place)];
            (right != END).then_some((place, (left, right)))
        })
    };
    let vetoes = merged.vetoes.iter().map(|veto| (veto.left, veto.right));
    let vetoes: FxHashSet<_> = vetoes.collect();
    let mut counts: FxHashMap<(u32, u32), (u64, u32)> = FxHashMap::default();
    for (place, pair) in windows() {
        let (count, number) = counts.entry(pair).or_default();
        *count = count.saturating_add(sequences.weight(place));
        *number += 1;
    }
    counts.retain(|&(left, right), &mut (count, _)| {
        count >= least
            && tokens.fits(left, right, rules.max_token_length)
            && !vetoes.contains(&(left, right))
    });
    let mut lists = Vec::with_capacity(counts.len());
    for (&(left, right), entry) in &mut counts {
        let (count, number) = *entry;
        entry.1 = lists.len() as u32;
        lists.push(Candidate {
            count,
            left,
            right,
            counted: merged.steps.len() as u32,
            places: Vec::with_capacity(number as usize),
        });
    }
    for (place, pair) in windows() {
        if let Some(&(_, index)) = counts.get(&pair) {
            lists[index as usize].places.push(place as u32);
        }
    }
    lists.into()
}
