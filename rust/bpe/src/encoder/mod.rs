//! Text to ids, exactly and fast.
//!
//! The definition is [`plain`]: in each pretoken, apply the merge of lowest rank at its leftmost
//! place until none applies. What is fast about it:
//!
//! 1. A pretoken is cut into *units* at byte borders that no token of the first phase spans
//!    ([`borders`], Lemma 1), and long ones of these at [`seams`]. Units are short and repeat, so
//!    they come from a [`cache`]; one that is not there is merged by a scan, a long one by
//!    [`backtrack`].
//! 2. Ranks are cut in two where superwords begin: a second phase joins the tokens of the first
//!    across unit borders, inside small [`clusters`] (Lemma 2).
//!
//! With word vocabularies the second phase is empty. With `ignore_merges` a pretoken that is a
//! token is that token, so there units are whole pretokens; but a long one that is no token is cut
//! at seams too, and its parts are merged, whatever tokens they may be.
//!
//! Text is taken in blocks of some ten kilobytes that end where no merge can cross, so that the
//! tokens of a block stay in the processor's cache between the phases. What limits all this is
//! waiting for [`memory`]: places are announced before they are read.

pub mod backtrack;
pub mod borders;
pub mod cache;
pub mod clusters;
mod edges;
mod known;
mod lanes;
mod memory;
pub mod pairs;
pub mod plain;
#[cfg(any(test, fuzzing))]
pub mod reference;
mod seams;
pub mod symbols;
mod wide;

#[cfg(test)]
mod tests;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustc_hash::FxHashSet;

use crate::model::{Kind, Model};
use backtrack::{Backtracker, Search};
use borders::Borders;
use cache::{Cache, ELSEWHERE, NARROW, PART, WIDE};
use clusters::Clusters;
use known::Known;
use lanes::{Alphabet, LANES, LONGEST, Lanes};
use pairs::{NONE, PairTable};
use plain::{Merges, SHORT};
use seams::Seams;
use symbols::{Base, Symbols};

/// Bytes of text in a block.
const BLOCK: usize = 16 << 10;

/// Units that are longer are cut at seams, as far as these lie in the word of 64 places in which
/// that is seen.
const LONG: usize = 16;

/// The most units in the cache of a thread, as a power of two.
const CACHE_BITS: u32 = 18;

/// Bytes of long units that are merged by a heap before the trie is built.
const UNITS_WITHOUT_TRIE: usize = 16 << 10;

/// The first phase must have at least this many merges to be worth a second one: with fewer,
/// clusters would be as long as the text, and whole pretokens are searched instead.
const LEAST_FIRST_PHASE: u32 = 4096;

/// A byte, at a place of the text, that no token can spell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unspelled {
    /// The place of the byte in the text.
    pub place: usize,
}

/// Why encoding stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The text has a character or a byte without a token.
    Unspelled(Unspelled),
    /// The caller's `tick` asked for it.
    Cancelled,
}

/// The tables of one model, shared by all threads.
pub struct Encoder {
    symbols: Symbols,
    pairs: PairTable,
    /// The bytes, where symbols are made of them.
    alphabet: Option<Alphabet>,
    /// Borders between units: those of the first phase, or none where units are pretokens.
    units: Option<Borders>,
    /// Places inside long units that no symbol of the first phase spans.
    seams: Seams,
    /// Short units that are one token, as [`Encoder::stored`] has it.
    known: Known,
    /// Borders that no symbol spans.
    certain: Borders,
    /// The first symbol of the second phase.
    split: u32,
    clusters: Option<Clusters>,
    /// Ids that plain text never yields.
    specials: FxHashSet<u32>,
    own: Vec<bool>,
    longest: usize,
    backtracker: OnceLock<Option<Backtracker>>,
    /// Bytes of long units that went to the heap because the trie is not there yet.
    heaped: AtomicUsize,
}

/// The buffers of one thread.
pub struct Scratch {
    /// Whether the processor has what [`wide`] is compiled for.
    is_wide: bool,
    cache: Cache,
    tokens: Vec<u32>,
    marks: Vec<u64>,
    /// The units of a block that the cache did not have, and their tokens.
    misses: Vec<Miss>,
    made: Vec<u32>,
    /// The tokens of a block, those of the misses in their places.
    whole: Vec<u32>,
    lanes: Lanes,
    search: Search,
}

impl Scratch {
    /// Gives back buffers of more than `len` tokens.
    pub fn shrink_to(&mut self, len: usize) {
        self.tokens.truncate(len);
        self.tokens.shrink_to(len);
        self.marks.shrink_to(len);
        self.made.truncate(len);
        self.made.shrink_to(len);
        self.whole.truncate(len);
        self.whole.shrink_to(len);
        self.search.shrink_to(len);
    }
}

impl Scratch {
    /// Puts the tokens of the misses in their places among the first `filled` tokens.
    #[inline(always)]
    fn fill_in(&mut self, filled: usize) {
        self.whole.clear();
        let mut done = 0;
        for miss in &self.misses {
            self.whole.extend_from_slice(&self.tokens[done..miss.at]);
            self.whole
                .extend_from_slice(&self.made[miss.start..miss.end]);
            done = miss.at;
            if let Some(last) = self.whole.last_mut() {
                *last = Clusters::ended(*last, miss.ends);
            }
        }
        self.whole.extend_from_slice(&self.tokens[done..filled]);
    }
}

/// What a text is between two merges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The first symbol.
    pub first: u32,
    /// The last one.
    pub last: u32,
    /// The merge that comes next, [`NONE`] if there is none left.
    pub next: u32,
}

/// The merges below a limit.
struct Below<'e> {
    pairs: &'e PairTable,
    limit: u32,
}

impl Merges for Below<'_> {
    #[inline(always)]
    fn rank(&self, left: u32, right: u32) -> u32 {
        let result = self.pairs.get(left, right);
        if result < self.limit { result } else { NONE }
    }

    #[inline]
    fn result(&self, rank: u32) -> u32 {
        rank
    }
}

impl Encoder {
    /// The encoder of a model; `specials` are the ids that plain text never yields.
    #[must_use]
    pub fn new(model: &Model, specials: FxHashSet<u32>) -> Self {
        let symbols = Symbols::new(model, &specials);
        let split = split(model, &symbols);
        Self::split_at(model, specials, symbols, split)
    }

    /// [`Encoder::new`] with the second phase from the symbol `split` on.
    fn split_at(model: &Model, specials: FxHashSet<u32>, symbols: Symbols, split: u32) -> Self {
        let pairs = PairTable::new(symbols.iter_merges());
        let own = backtrack::own(&symbols, &pairs, |symbol| {
            encodes_to(model, &symbols, &pairs, &[symbol])
        });
        let clusters = (split < symbols.count()).then(|| Clusters::new(&symbols, split));
        let certain = Borders::new(model, &symbols, symbols.count());
        let units = (!model.ignore_merges).then(|| Borders::new(model, &symbols, split));
        let seams = Seams::new(model, &symbols, split);
        let longest = model
            .vocab
            .iter()
            .map(|(_, token)| token.len())
            .max()
            .unwrap_or(0);
        let alphabet = match symbols.base() {
            Base::Bytes(bytes) => {
                let token = |symbol| model.token(symbols.id(symbol));
                let merges = symbols.iter_merges().filter(|merge| merge.2 < split);
                let ends = merges.filter_map(|(left, right, result)| {
                    Some((*token(left).last()?, *token(right).first()?, result))
                });
                Some(Alphabet::new(bytes, &pairs, split, ends))
            }
            Base::Characters { .. } => None,
        };
        let mut encoder = Self {
            symbols,
            pairs,
            alphabet,
            units,
            seams,
            known: Known::new(0, std::iter::empty()),
            certain,
            split,
            clusters,
            specials,
            own,
            longest,
            backtracker: OnceLock::new(),
            heaped: AtomicUsize::new(0),
        };
        encoder.known = encoder.known(model);
        encoder
    }

    /// The tokens that [`Encoder::whole`] finds, as far as they are short.
    fn known(&self, model: &Model) -> Known {
        let short = || {
            model
                .vocab
                .iter()
                .filter(|(_, token)| (1..=NARROW).contains(&token.len()))
        };
        let entries = short().filter_map(|(_, token)| Some((token, self.whole(model, token)?)));
        Known::new(short().count(), entries)
    }

    /// The symbols of the model.
    #[must_use]
    pub fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    /// Whether the text of a symbol encodes to it.
    #[must_use]
    pub fn is_own(&self, symbol: u32) -> bool {
        self.own.get(symbol as usize).copied().unwrap_or(false)
    }

    /// Whether encoding the texts of two symbols together gives these two.
    #[must_use]
    pub fn is_compatible(&self, model: &Model, left: u32, right: u32) -> bool {
        let symbols = &self.symbols;
        if symbols.is_regular(left) && symbols.is_regular(right) {
            return backtrack::compatible(symbols, &self.pairs, left, right, u32::MAX);
        }
        encodes_to(model, symbols, &self.pairs, &[left, right])
    }

    /// The merging of a symbol that encodes to itself: what stands before each merge, and at the end.
    #[must_use]
    pub fn stages(&self, model: &Model, symbol: u32) -> Vec<Stage> {
        let mut symbols = Vec::new();
        if self.symbols.is_fallback(symbol) {
            symbols.push(symbol);
        } else if (self.symbols)
            .spell(model.token(self.symbols.id(symbol)), &mut symbols)
            .is_err()
        {
            return Vec::new();
        }
        let mut stages = Vec::new();
        while let (Some(&first), Some(&last)) = (symbols.first(), symbols.last()) {
            let ranks = symbols
                .windows(2)
                .map(|pair| self.pairs.get(pair[0], pair[1]));
            let next = ranks.zip(0..).min().filter(|&(rank, _)| rank != NONE);
            stages.push(Stage {
                first,
                last,
                next: next.map_or(NONE, |(rank, _)| rank),
            });
            let Some((rank, place)) = next else {
                break;
            };
            symbols[place] = rank;
            symbols.remove(place + 1);
        }
        stages
    }

    /// The ids that merging alone makes of a text without borders, whole pieces not looked up;
    /// `None` if it cannot be spelled.
    #[must_use]
    pub fn merge(&self, text: &[u8]) -> Option<Vec<u32>> {
        let mut symbols = Vec::new();
        self.symbols.spell(text, &mut symbols).ok()?;
        let all = Below {
            pairs: &self.pairs,
            limit: NONE,
        };
        plain::merge(&mut symbols, &all);
        Some(
            symbols
                .into_iter()
                .map(|symbol| self.symbols.id(symbol))
                .collect(),
        )
    }

    /// The bytes of text that an id of an encoding stands for.
    #[must_use]
    pub fn text_len(&self, model: &Model, id: u32) -> usize {
        match self.symbols.of_id(id) {
            Some(symbol) if self.symbols.is_fallback(symbol) => 1,
            _ => model.token(id).len(),
        }
    }

    /// Whether some token holds a letter with a space behind it.
    #[must_use]
    pub fn has_superwords(&self, model: &Model) -> bool {
        let mut merged = self.symbols.base_len()..self.symbols.count();
        merged.any(|symbol| is_superword(model.token(self.symbols.id(symbol))))
    }

    /// New buffers.
    #[must_use]
    pub fn scratch() -> Scratch {
        Self::scratch_of(CACHE_BITS)
    }

    /// [`Encoder::scratch`] with room for `2^bits` units.
    #[must_use]
    pub fn scratch_of(bits: u32) -> Scratch {
        Scratch {
            is_wide: wide::is_available(),
            cache: Cache::new(bits),
            tokens: Vec::new(),
            marks: Vec::new(),
            misses: Vec::new(),
            made: Vec::new(),
            whole: Vec::new(),
            lanes: Lanes::default(),
            search: Search::default(),
        }
    }

    /// How the cache and the first phase hold a symbol: with the flags of the second phase, or as
    /// the id where there is none.
    #[inline]
    fn stored(&self, symbol: u32) -> u32 {
        match &self.clusters {
            Some(clusters) => clusters.flagged(symbol),
            None => self.symbols.id(symbol),
        }
    }

    /// Appends the ids of a text to `out`.
    ///
    /// Bit `p % 64` of `cuts[p / 64]` says that a pretoken starts at byte `p`; `cuts` has a bit
    /// for each byte at least. `tick` is called after each block and stops the work by `false`.
    ///
    /// # Errors
    /// [`Stop`]; `out` then holds the ids of a part of the text.
    pub fn encode(
        &self,
        model: &Model,
        text: &[u8],
        cuts: &[u64],
        scratch: &mut Scratch,
        out: &mut Vec<u32>,
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<(), Stop> {
        // Few texts have more tokens than that.
        out.reserve(text.len() / 4);
        let mut start = 0;
        while start < text.len() {
            let end = self.block_end(text, cuts, start);
            let block = Block {
                encoder: self,
                model,
                text,
                start,
                end,
                cuts,
            };
            let result = if scratch.is_wide {
                wide::encode(&block, scratch, out)
            } else {
                block.encode(scratch, out, Block::solve)
            };
            result.map_err(Stop::Unspelled)?;
            start = end;
            if start < text.len() && !tick() {
                return Err(Stop::Cancelled);
            }
        }
        Ok(())
    }

    /// The end of the block from `start`: a place that no merge can cross, near [`BLOCK`] bytes.
    fn block_end(&self, text: &[u8], cuts: &[u64], start: usize) -> usize {
        let is_end = |place: usize| {
            cuts[place / 64] >> (place % 64) & 1 != 0
                || self.units.is_some() && self.certain.between(text[place - 1], text[place])
        };
        let near = start + BLOCK;
        if near >= text.len() {
            return text.len();
        }
        (start + 1..=near)
            .rev()
            .find(|&place| is_end(place))
            .or_else(|| (near + 1..text.len()).find(|&place| is_end(place)))
            .unwrap_or(text.len())
    }

    /// A unit that is one token, as [`Encoder::stored`] has it: a pretoken where the model asks
    /// for that, else a token that encodes to itself.
    fn whole(&self, model: &Model, unit: &[u8]) -> Option<u32> {
        if unit.len() > self.longest {
            return None;
        }
        let id = model.vocab.id(unit)?;
        if model.ignore_merges {
            return Some(id).filter(|id| !self.specials.contains(id));
        }
        let symbol = self.symbols.of_id(id)?;
        self.is_unit(symbol).then(|| self.stored(symbol))
    }

    /// Whether the text of a symbol, alone in a unit, is that symbol after the first phase.
    fn is_unit(&self, symbol: u32) -> bool {
        symbol < self.split && self.is_own(symbol) && !self.symbols.is_fallback(symbol)
    }

    /// The merges of the first phase.
    #[inline(always)]
    fn first_phase(&self) -> Below<'_> {
        Below {
            pairs: &self.pairs,
            limit: self.split,
        }
    }

    /// Appends the symbols of a unit that is long or made of characters.
    fn merge_long_unit(
        &self,
        model: &Model,
        unit: &[u8],
        search: &mut Search,
        out: &mut Vec<u32>,
    ) -> Result<(), usize> {
        let mut spelled = Vec::with_capacity(unit.len());
        self.symbols.spell(unit, &mut spelled)?;
        let found = spelled.len() > SHORT
            && self
                .backtracker(model, spelled.len())
                .is_some_and(|backtracker| {
                    backtracker.encode(&self.symbols, &self.pairs, unit, search, out)
                });
        if !found {
            plain::merge(&mut spelled, &self.first_phase());
            out.append(&mut spelled);
        }
        Ok(())
    }

    /// The trie for a unit of `len` symbols. It takes some ten milliseconds to build, so it waits for
    /// as many symbols of long units as a heap takes that long for.
    fn backtracker(&self, model: &Model, len: usize) -> Option<&Backtracker> {
        if self.backtracker.get().is_none()
            && self.heaped.fetch_add(len, Ordering::Relaxed) + len < UNITS_WITHOUT_TRIE
        {
            return None;
        }
        self.backtracker
            .get_or_init(|| Backtracker::new(model, &self.symbols, &self.own, self.split))
            .as_ref()
    }
}

/// A part of a text that is encoded by itself.
struct Block<'b> {
    encoder: &'b Encoder,
    model: &'b Model,
    text: &'b [u8],
    start: usize,
    end: usize,
    cuts: &'b [u64],
}

// Everything from here to the tables is compiled twice, for any processor and in [`wide`], and so
// it must be inlined into both.
impl Block<'_> {
    /// Appends the ids of the block to `out`. `solve` is [`Block::solve`], a call of its own: so the
    /// loop over what the cache has keeps its registers.
    #[inline(always)]
    fn encode(
        &self,
        scratch: &mut Scratch,
        out: &mut Vec<u32>,
        solve: impl Fn(&Self, &mut Scratch, usize) -> Result<(), Unspelled>,
    ) -> Result<(), Unspelled> {
        let Self {
            encoder,
            start,
            end,
            cuts,
            ..
        } = *self;
        // Every token has at least one byte, and a whole cache entry is copied at the end.
        let most = end - start + 4;
        if scratch.tokens.len() < most {
            scratch.tokens.resize(most, 0);
        }
        scratch.misses.clear();
        scratch.made.clear();
        let (mut filled, mut solved) = (0, 0);
        let mut unit_start = start;
        // Units are found one word ahead, so that the cache's lines are near when they are read.
        let (first, last) = (start / 64, (end - 1) / 64);
        let mut ahead = Ahead {
            is_ascii: self.text[start..end].is_ascii(),
            from: start,
            is_part: false,
        };
        let mut units = [[Unit::default(); 65]; 2];
        let mut counts = [0; 2];
        counts[first % 2] =
            self.find_units(first, &mut ahead, &scratch.cache, &mut units[first % 2]);
        for word in first..=last {
            if word < last {
                let next = word + 1;
                counts[next % 2] =
                    self.find_units(next, &mut ahead, &scratch.cache, &mut units[next % 2]);
            }
            let units = &units[word % 2][..counts[word % 2]];
            for unit in units {
                let from = unit_start;
                unit_start = unit.to;
                let ends = encoder.clusters.is_some()
                    && cuts
                        .get(unit.to / 64)
                        .is_some_and(|cut| cut >> (unit.to % 64) & 1 != 0);
                if let Some(more) = self.cached(from, unit, scratch, filled) {
                    filled = more;
                    if encoder.clusters.is_some()
                        && let Some(last) = scratch.tokens[..filled].last_mut()
                    {
                        *last = Clusters::ended(*last, ends);
                    }
                    continue;
                }
                encoder.known.announce(unit.key);
                scratch.misses.push(Miss {
                    from,
                    to: unit.to,
                    key: unit.key,
                    ends,
                    at: filled,
                    start: 0,
                    end: 0,
                });
                if scratch.misses.len() - solved == LANES {
                    solve(self, scratch, solved)?;
                    solved += LANES;
                }
            }
        }
        solve(self, scratch, solved)?;
        let tokens = if scratch.misses.is_empty() {
            &scratch.tokens[..filled]
        } else {
            scratch.fill_in(filled);
            &scratch.whole
        };
        match &encoder.clusters {
            None => out.extend_from_slice(tokens),
            Some(clusters) => {
                let from = out.len();
                clusters.join(tokens, &mut scratch.marks, out);
                if !encoder.symbols.is_identity() {
                    for symbol in &mut out[from..] {
                        *symbol = encoder.symbols.id(*symbol);
                    }
                }
            }
        }
        Ok(())
    }

    /// Finds the units that end among the 64 places of a word, the last one at the end of the block,
    /// and returns how many.
    #[inline(always)]
    fn find_units(
        &self,
        word: usize,
        ahead: &mut Ahead,
        cache: &Cache,
        units: &mut [Unit; 65],
    ) -> usize {
        let base = word * 64;
        let ends = self.unit_ends(base);
        if !ahead.is_ascii && (ahead.is_part || !self.are_short(base, ends, ahead.from)) {
            return self.find_parts(base, ends, ahead, cache, units);
        }
        let mut rest = ends;
        let mut count = 0;
        let mut add = |to: usize| {
            let unit = Unit::new(self.text, ahead.from, to, 0, cache);
            cache.announce(unit.place);
            units[count] = unit;
            count += 1;
            ahead.from = to;
        };
        while rest != 0 {
            add(base + rest.trailing_zeros() as usize);
            rest &= rest - 1;
        }
        if self.end - base <= 64 {
            add(self.end);
        }
        count
    }

    /// [`Block::find_units`] where long ones may be taken in parts; `ends` are the ends of units.
    #[cold]
    #[inline(never)]
    fn find_parts(
        &self,
        base: usize,
        ends: u64,
        ahead: &mut Ahead,
        cache: &Cache,
        units: &mut [Unit; 65],
    ) -> usize {
        let seams = self.seams(base, ends, ahead.from);
        // Where units are not pretokens, a part is a unit like others.
        let is_apart = self.encoder.units.is_none();
        let mut rest = ends | seams;
        let mut count = 0;
        while rest != 0 || self.end - base <= 64 {
            let place = rest.trailing_zeros() as usize;
            let (to, is_seam) = if rest == 0 {
                (self.end, false)
            } else {
                (base + place, is_apart && seams >> place & 1 != 0)
            };
            let part = if is_seam | ahead.is_part { PART } else { 0 };
            units[count] = Unit::new(self.text, ahead.from, to, part, cache);
            cache.announce(units[count].place);
            count += 1;
            (ahead.from, ahead.is_part) = (to, is_seam);
            if rest == 0 {
                break;
            }
            rest &= rest - 1;
        }
        count
    }

    /// Whether no place of the block among the 64 from `base` lies [`LONG`] bytes or more behind the
    /// start of its unit; `ends` are the ends of units, and `from` is the start of the first.
    #[inline(always)]
    fn are_short(&self, base: usize, ends: u64, from: usize) -> bool {
        const { assert!(LONG == 16) };
        let mut near = ends;
        for step in [1, 2, 4, 8] {
            near |= near << step;
        }
        near |= match from.checked_sub(base) {
            Some(first) if first + LONG >= 64 => u64::MAX,
            Some(first) => (1 << (first + LONG)) - 1,
            None => ((1_u64 << LONG) - 1) >> (base - from).min(LONG),
        };
        if self.end - base < 64 {
            near |= u64::MAX << (self.end - base);
        }
        near == u64::MAX
    }

    /// The seams inside long units among the 64 places from `base`; see [`Block::are_short`].
    fn seams(&self, base: usize, ends: u64, from: usize) -> u64 {
        let Self { encoder, text, .. } = *self;
        let last = self.end.min(base + 64);
        let mut seams = 0;
        let mut from = from;
        let mut rest = ends;
        while from < last {
            let to = match rest {
                0 => last,
                _ => base + rest.trailing_zeros() as usize,
            };
            if to - from > LONG && self.has_parts(from, to) {
                for place in base.max(from + 1)..to {
                    seams |= u64::from(encoder.seams.is_at(text, place)) << (place - base);
                }
            }
            from = to;
            rest &= rest.wrapping_sub(1);
        }
        seams
    }

    /// Whether a long unit is taken in parts, of which `from..to` is one or more: always, unless
    /// it is a pretoken that may be one token as a whole.
    fn has_parts(&self, from: usize, to: usize) -> bool {
        let Self { encoder, model, .. } = *self;
        if encoder.units.is_some() {
            return true;
        }
        let is_cut = |place: &usize| self.cuts[place / 64] >> (place % 64) & 1 != 0;
        let longest = encoder.longest;
        let first = (self.start.max(to.saturating_sub(longest))..=from)
            .rev()
            .find(|place| *place == self.start || is_cut(place));
        let last =
            (to..=self.end.min(from + longest)).find(|place| *place == self.end || is_cut(place));
        match (first, last) {
            (Some(first), Some(last)) => encoder.whole(model, &self.text[first..last]).is_none(),
            _ => true,
        }
    }

    /// The ends of units among the 64 places from `base`, the end of the block left out.
    #[inline(always)]
    fn unit_ends(&self, base: usize) -> u64 {
        let Self {
            encoder,
            text,
            start,
            end,
            cuts,
            ..
        } = *self;
        let mut mask = cuts[base / 64];
        if let Some(borders) = &encoder.units {
            mask |= match base.checked_sub(1) {
                Some(before) => borders.before(&text[before..text.len().min(base + 64)]),
                None => borders.before(&text[..text.len().min(64)]) << 1,
            };
        }
        if base <= start {
            mask &= u64::MAX.checked_shl((start - base + 1) as u32).unwrap_or(0);
        }
        if end - base < 64 {
            mask &= (1 << (end - base)) - 1;
        }
        mask
    }

    /// Puts the tokens of a unit to `scratch.tokens[filled..]` if the cache has them; returns how
    /// many are filled then.
    #[inline(always)]
    fn cached(
        &self,
        from: usize,
        unit: &Unit,
        scratch: &mut Scratch,
        filled: usize,
    ) -> Option<usize> {
        let Scratch { cache, tokens, .. } = scratch;
        let few = cache.get(unit.place, unit.key);
        if let Some(&few) = few
            && few[3] != ELSEWHERE
        {
            // All four are copied, since that is one store; the next unit writes over the rest.
            if let Some(slot) = tokens.get_mut(filled..filled + 4) {
                slot.copy_from_slice(&few);
            }
            return Some(filled + few[3] as usize);
        }
        let len = unit.to - from;
        if few.is_none() && len <= NARROW || len > WIDE {
            return None;
        }
        let known = cache.get_wide(self.text, from, len, unit.key & PART)?;
        if let Some(slot) = tokens.get_mut(filled..filled + known.len()) {
            slot.copy_from_slice(known);
        }
        Some(filled + known.len())
    }

    /// Makes the tokens of the misses from number `first` on, at most [`LANES`], and remembers them.
    #[inline(always)]
    fn solve(&self, scratch: &mut Scratch, first: usize) -> Result<(), Unspelled> {
        let Self {
            encoder,
            model,
            text,
            ..
        } = *self;
        let Scratch {
            cache,
            misses,
            made,
            lanes,
            search,
            ..
        } = scratch;
        let misses = &mut misses[first..];
        let mut lines = [(NONE, false); LANES];
        for (line, miss) in lines.iter_mut().zip(&*misses) {
            *line = encoder.known.home_line(miss.key);
        }
        let mut ways = [Way::Apart; LANES];
        let mut count = 0;
        for (number, (way, miss)) in ways.iter_mut().zip(&*misses).enumerate() {
            let unit = &text[miss.from..miss.to];
            let is_short = unit.len() <= NARROW;
            // What is longer is seldom a token, so that merging it costs less than looking it up,
            // as far as the cache has it the next time.
            let known = || {
                if miss.key & PART != 0 {
                    None
                } else if is_short {
                    encoder.known.read(lines[number], miss.key)
                } else if unit.len() > WIDE || model.ignore_merges {
                    encoder.whole(model, unit)
                } else {
                    None
                }
            };
            if let Some(token) = known() {
                *way = Way::Known(token);
            } else if let Some(alphabet) = &encoder.alphabet
                && unit.len() <= LONGEST
            {
                lanes
                    .set(count, alphabet, &encoder.pairs, unit)
                    .map_err(|place| Unspelled {
                        place: miss.from + place,
                    })?;
                *way = Way::Lane(count);
                count += 1;
            }
        }
        lanes.merge(count, &encoder.pairs, encoder.split);
        for number in 0..misses.len() {
            let Miss { from, to, key, .. } = misses[number];
            let start = made.len();
            match ways[number] {
                Way::Known(token) => made.push(token),
                Way::Lane(lane) => lanes.for_each(lane, |symbol| made.push(encoder.stored(symbol))),
                Way::Apart => {
                    encoder
                        .merge_long_unit(model, &text[from..to], search, made)
                        .map_err(|place| Unspelled {
                            place: from + place,
                        })?;
                    for symbol in &mut made[start..] {
                        *symbol = encoder.stored(*symbol);
                    }
                }
            }
            misses[number].start = start;
            misses[number].end = made.len();
            cache.put(
                text,
                from,
                to - from,
                key & PART,
                &made[start..],
                &encoder.known,
            );
        }
        Ok(())
    }
}

/// How the tokens of a unit come about.
#[derive(Clone, Copy)]
enum Way {
    /// It is this token.
    Known(u32),
    /// It is merged beside others.
    Lane(usize),
    /// It is merged alone.
    Apart,
}

/// A unit that the cache did not have.
struct Miss {
    from: usize,
    to: usize,
    /// Its key in the first table, if it is short; see [`Unit`].
    key: u128,
    /// Whether a pretoken ends with it.
    ends: bool,
    /// How many tokens of the block come before it, those of other misses left out.
    at: usize,
    /// Where its tokens are among those that were made.
    start: usize,
    end: usize,
}

/// A unit and where the cache would have it.
#[derive(Clone, Copy, Default)]
struct Unit {
    to: usize,
    /// Its key in the first table, with [`PART`] if it is a part of a pretoken that may not be taken
    /// for one.
    key: u128,
    place: usize,
}

/// How far units have been found.
struct Ahead {
    /// Whether the block is ASCII, and so has no seams.
    is_ascii: bool,
    /// Where the next unit starts.
    from: usize,
    /// Whether that is a seam, where parts are told apart from pretokens.
    is_part: bool,
}

impl Unit {
    #[inline(always)]
    fn new(text: &[u8], from: usize, to: usize, part: u128, cache: &Cache) -> Self {
        let len = to - from;
        if len > NARROW {
            // No unit has this key.
            return Self {
                to,
                key: !PART | part,
                place: 0,
            };
        }
        let key = cache::narrow_key(text, from, len) | part;
        Self {
            to,
            key,
            place: cache.place(key),
        }
    }
}

/// The first symbol of the second phase: the first one with a letter and a space behind it, the
/// sign of a superword. The number of symbols if there is none, or if cutting there would not be
/// exact or not be worth it.
fn split(model: &Model, symbols: &Symbols) -> u32 {
    let whole = symbols.count();
    if model.ignore_merges || !matches!(model.kind, Kind::Bytes) {
        return whole;
    }
    let Some(split) =
        (symbols.base_len()..whole).find(|&symbol| is_superword(model.token(symbols.id(symbol))))
    else {
        return whole;
    };
    if is_exact(symbols, split) && split - symbols.base_len() >= LEAST_FIRST_PHASE {
        split
    } else {
        whole
    }
}

/// Whether a token holds a letter with a space behind it.
fn is_superword(token: &[u8]) -> bool {
    token
        .windows(2)
        .any(|pair| pair[0].is_ascii_alphabetic() && pair[1] == b' ')
}

/// Whether the merges below `split` can be made first: none has a part that is made later. The
/// second phase also wants each part before its whole.
fn is_exact(symbols: &Symbols, split: u32) -> bool {
    symbols.iter_merges().all(|(left, right, result)| {
        let limit = if result < split { split } else { result };
        left < limit && right < limit
    })
}

/// Whether merging the texts of some symbols by the definition gives just these.
fn encodes_to(model: &Model, symbols: &Symbols, pairs: &PairTable, expected: &[u32]) -> bool {
    let mut spelled = Vec::new();
    for &symbol in expected {
        if symbols.is_fallback(symbol) {
            spelled.push(symbol);
            continue;
        }
        let text = model.token(symbols.id(symbol));
        if symbols.spell(text, &mut spelled).is_err() {
            return false;
        }
    }
    let all = Below { pairs, limit: NONE };
    plain::merge(&mut spelled, &all);
    spelled == expected
}
