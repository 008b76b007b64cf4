//! All tokens that may stand behind a state, as bit sets.
//!
//! What the border automaton says of a token depends on the node and the choice before it alone,
//! so a *row* keeps it: two bits for each id, whether a text goes on behind it, and whether one may
//! end there. A row is a look-up for each id by its group ([`super::effects`]). What no group says
//! is judged token by token: tokens that end in a character or where the piece may not end, few on
//! most families. The rows of all nodes are made at the start, as far as there is room for them; one
//! with the tail of an added token is that of its node, with the tokens that the tail parts judged
//! again. The rows of a state together, without the tokens that merges over its border
//! forbid, are the answer.
//!
//! Inside a character only tokens that start with a byte inside one can follow. They are few, and
//! each is tried.

use rustc_hash::FxHashMap;
use std::ops::Range;
use std::sync::{Arc, PoisonError};

use super::matcher::TailPair;
use super::{
    Admissibility, Branch, Form, GO_ON, NONE, Spot, Start, State, Tables, Use, WHOLE, text,
};
use crate::tokenizer::Tokenizer;

/// What a group says of its tokens: a text goes on behind them, and one may end there; or nothing.
const OPEN: u8 = 1;
const DONE: u8 = 2;
const UNSETTLED: u8 = 4;

/// Rows and forms whose tokens are remembered.
const FORMS: usize = 1 << 12;

/// The most bytes of the rows that are made at the start.
const ROOM: usize = 1 << 26;

/// The tokens that encodings have, sorted by their bytes.
pub(super) struct Sorted {
    /// All but the bytes of characters without a token.
    ids: Vec<u32>,
    /// The number of bytes that a token shares with the one before it.
    shared: Vec<u32>,
    /// Where the tokens with a first byte start.
    firsts: [u32; 257],
    fallbacks: Vec<u32>,
}

/// What the automaton says of each id, behind a node and a choice.
#[derive(Clone)]
pub struct Row {
    open: Vec<u64>,
    done: Vec<u64>,
}

/// What a row is made for.
type Key = (Spot, u8);

fn row_key(spot: Spot, start: Start) -> Key {
    (spot, 2 * start.choice + u8::from(start.fresh))
}

/// The rows that were made so far, each with a number that stays.
#[derive(Default)]
pub(super) struct Rows {
    numbers: FxHashMap<Key, u32>,
    rows: Vec<Arc<Row>>,
}

/// What may follow a state, as the parts that it is made of.
///
/// An id may follow if it is in `also`, or if a row of `rows` has it that does not bar it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Following {
    /// The numbers of rows, and the range of `barred` that each has.
    pub rows: Vec<(u32, Range<usize>)>,
    /// Ids that merges over the border forbid; some more than once, and some that are no ids.
    pub barred: Vec<u32>,
    /// Ids that no row has.
    pub also: Vec<u32>,
}

/// The ids that may follow, one bit each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Successors {
    open: Vec<u64>,
    done: Vec<u64>,
    len: usize,
}

impl Successors {
    /// Whether the sequence with this id behind it is admissible.
    #[must_use]
    pub fn contains(&self, id: u32) -> bool {
        has(&self.open, id)
    }

    /// Whether the sequence with this id behind it may be a finished text, special ids left out.
    #[must_use]
    pub fn can_end(&self, id: u32) -> bool {
        has(&self.done, id)
    }

    /// The bits of [`Successors::contains`], 64 ids a word, the lowest first.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.open
    }

    /// The number of ids, the highest + 1.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.len
    }

    /// The ids that may not follow.
    pub fn inadmissible(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len as u32).filter(|&id| !self.contains(id))
    }
}

impl Row {
    /// One bit for each id, 64 ids a word, the lowest first: whether a text goes on behind it.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.open
    }
}

impl Following {
    fn clear(&mut self) {
        self.rows.clear();
        self.barred.clear();
        self.also.clear();
    }
}

fn has(words: &[u64], id: u32) -> bool {
    words
        .get(id as usize / 64)
        .is_some_and(|word| word >> (id % 64) & 1 != 0)
}

fn set(words: &mut [u64], id: u32, to: bool) {
    if let Some(word) = words.get_mut(id as usize / 64) {
        *word = *word & !(1 << (id % 64)) | u64::from(to) << (id % 64);
    }
}

impl Sorted {
    /// The tokens of a tokenizer that some encoding may have.
    pub(super) fn new(tokenizer: &Tokenizer, uses: &[Use]) -> Self {
        let mut tokens: Vec<(&[u8], u32)> = uses
            .iter()
            .zip(0..)
            .filter(|&(&one, _)| one != Use::Never)
            .map(|(_, id)| (text(tokenizer, id), id))
            .filter(|(text, _)| !text.is_empty())
            .collect();
        let symbols = tokenizer.encoder().symbols();
        let is_fallback = |id: u32| {
            symbols
                .of_id(id)
                .is_some_and(|symbol| symbols.is_fallback(symbol))
        };
        let fallbacks = tokens
            .iter()
            .map(|&(_, id)| id)
            .filter(|&id| is_fallback(id))
            .collect();
        tokens.retain(|&(_, id)| !is_fallback(id));
        tokens.sort_unstable();
        let mut firsts = [0; 257];
        for (text, _) in &tokens {
            firsts[text[0] as usize + 1] += 1;
        }
        for byte in 0..256 {
            firsts[byte + 1] += firsts[byte];
        }
        let mut before: &[u8] = &[];
        let shared = tokens
            .iter()
            .map(|&(text, _)| {
                let pairs = text.iter().zip(before);
                before = text;
                pairs.take_while(|(a, b)| a == b).count() as u32
            })
            .collect();
        Self {
            ids: tokens.into_iter().map(|(_, id)| id).collect(),
            shared,
            firsts,
            fallbacks,
        }
    }

    /// The tokens in order, those of characters without a token left out, each with the number of
    /// bytes that it shares with the one before.
    pub(super) fn tokens(&self) -> impl Iterator<Item = (u32, usize)> + '_ {
        let shared = self.shared.iter().map(|&shared| shared as usize);
        self.ids.iter().copied().zip(shared)
    }

    /// The tokens that start with a byte inside a character, those of characters without a token
    /// left out.
    pub(super) fn starting_inside(&self) -> impl Iterator<Item = u32> + '_ {
        let range = self.firsts[0x80] as usize..self.firsts[0xC0] as usize;
        self.ids[range].iter().copied()
    }

    /// Calls `visit` with the tokens that do not lead on from some tails as they do where nothing
    /// open stands before them, and whether they lead on.
    fn for_each_parting(
        &self,
        admissibility: &Admissibility,
        from: TailPair,
        visit: &mut dyn FnMut(u32, bool),
    ) {
        let Some(matchers) = &admissibility.tables.matchers else {
            return;
        };
        let feed = |(tails, alone): (TailPair, Option<TailPair>), byte: u8| {
            let alone = alone.and_then(|alone| matchers.feed(alone, byte));
            (matchers.feed(tails, byte), alone)
        };
        let mut way: Vec<(TailPair, Option<TailPair>)> = Vec::new();
        for first in 0..=u8::MAX {
            let (tails, alone) = feed((from, Some([0; 2])), first);
            if tails == alone {
                continue;
            }
            // Tokens that share more than this many bytes with the last one do not part, or do not
            // lead on.
            let (mut joined, mut refused) = (usize::MAX, usize::MAX);
            way.clear();
            match tails {
                Some(tails) => way.push((tails, alone)),
                None => refused = 0,
            }
            let range = self.firsts[first as usize]..self.firsts[first as usize + 1];
            for place in range.clone() {
                let id = self.ids[place as usize];
                let shared = if place == range.start {
                    1
                } else {
                    self.shared[place as usize] as usize
                };
                if shared > joined {
                    continue;
                }
                if shared > refused {
                    visit(id, false);
                    continue;
                }
                (joined, refused) = (usize::MAX, usize::MAX);
                way.truncate(shared);
                for &byte in &admissibility.text(id)[way.len()..] {
                    let Some(&before) = way.last() else {
                        break;
                    };
                    match feed(before, byte) {
                        (tails, alone) if tails == alone => {
                            joined = way.len();
                            break;
                        }
                        (Some(tails), alone) => way.push((tails, alone)),
                        (None, _) => {
                            refused = way.len();
                            break;
                        }
                    }
                }
                if joined == usize::MAX {
                    visit(id, refused == usize::MAX);
                }
            }
        }
    }

    /// Calls `visit` with every token of one byte that leads on from a spot inside a character,
    /// until it returns false; returns whether it never did.
    pub(super) fn walk_bytes(
        &self,
        admissibility: &Admissibility,
        from: Spot,
        visit: &mut dyn FnMut(u32, Spot) -> bool,
    ) -> bool {
        let singles = (0x80..0xC0).filter_map(|byte: usize| {
            let id = *self.ids.get(self.firsts[byte] as usize)?;
            (self.firsts[byte] < self.firsts[byte + 1]).then_some(id)
        });
        for id in singles {
            let &[byte] = admissibility.text(id) else {
                continue;
            };
            if let Some(spot) = admissibility.feed(from, byte, 0)
                && (spot.len == 0 || admissibility.is_open(spot))
                && !visit(id, spot)
            {
                return false;
            }
        }
        for &id in &self.fallbacks {
            if let Some(spot) = admissibility.feed_fallback(from, admissibility.text(id)[0], 0)
                && !visit(id, spot)
            {
                return false;
            }
        }
        true
    }

    /// Calls `visit` with every token whose bytes lead on from a spot between characters, and the
    /// spot behind it, until it returns false.
    pub(super) fn walk(
        &self,
        admissibility: &Admissibility,
        from: Spot,
        choice: u8,
        visit: &mut dyn FnMut(u32, Spot) -> bool,
    ) {
        for &id in &self.fallbacks {
            let spot = admissibility.feed_fallback(from, admissibility.text(id)[0], choice);
            if spot.is_some_and(|spot| !visit(id, spot)) {
                return;
            }
        }
        let mut way: Vec<Spot> = Vec::new();
        for first in 0..=0xFF {
            let range =
                self.firsts[first as usize] as usize..self.firsts[first as usize + 1] as usize;
            if range.is_empty() {
                continue;
            }
            way.clear();
            let Some(spot) = admissibility.feed(from, first, choice) else {
                continue;
            };
            way.push(spot);
            // Tokens that share more than this many bytes with the last are refused like it.
            let mut refused = usize::MAX;
            for place in range.clone() {
                let shared = if place == range.start {
                    1
                } else {
                    self.shared[place] as usize
                };
                if shared > refused {
                    continue;
                }
                refused = usize::MAX;
                way.truncate(shared);
                let id = self.ids[place];
                let text = admissibility.text(id);
                for &byte in &text[way.len()..] {
                    let spot = way
                        .last()
                        .and_then(|&spot| admissibility.feed(spot, byte, 0));
                    let Some(spot) = spot else {
                        refused = way.len();
                        break;
                    };
                    way.push(spot);
                }
                if refused != usize::MAX {
                    continue;
                }
                if let Some(&spot) = way.last()
                    && (spot.len == 0 || admissibility.is_open(spot))
                    && !visit(id, spot)
                {
                    return;
                }
            }
        }
    }
}

impl Admissibility<'_> {
    /// The ids that may follow a state, special ones among them.
    #[must_use]
    pub fn successors(&self, state: &State) -> Successors {
        let len = self.tokenizer.vocab_size();
        let words = len.div_ceil(64);
        let mut successors = Successors {
            open: vec![0; words],
            done: vec![0; words],
            len,
        };
        let (mut open, mut done) = (Vec::new(), Vec::new());
        for branch in &state.branches {
            if branch.spot.len > 0 {
                self.for_each_inside(branch, &mut |id, next| {
                    set(&mut successors.open, id, true);
                    if self.ends(&next) {
                        set(&mut successors.done, id, true);
                    }
                });
                continue;
            }
            for start in self.starts(branch) {
                let (number, row) = self.row(branch.spot, start);
                open.clone_from(&row.open);
                done.clone_from(&row.done);
                self.for_each_barred(branch, start, number, &row, &mut |ids| {
                    for &id in ids {
                        set(&mut open, id, false);
                        set(&mut done, id, false);
                    }
                });
                if !start.fresh && branch.trap != 0 {
                    // The row does not know that these tokens go on along a trap.
                    for &id in &self.tables.trap_ids[branch.trap as usize] {
                        let next = self.step(branch, id, start);
                        let ends = next.is_some_and(|next| self.ends(&next));
                        set(&mut done, id, ends && has(&open, id));
                    }
                }
                successors.add(&open, &done);
            }
            self.for_each_claim(branch, &mut |id, next| {
                set(&mut successors.open, id, true);
                if self.ends(&next) {
                    set(&mut successors.done, id, true);
                }
            });
        }
        if self.can_end(state) {
            for &id in self.tokenizer.special_ids() {
                set(&mut successors.open, id, true);
            }
        }
        successors
    }

    /// Puts into `following` what may follow a state, special ids left out: the same answer as
    /// [`Admissibility::successors`], without a pass over the vocabulary wherever a row is known.
    pub fn following(&self, state: &State, following: &mut Following) {
        following.clear();
        for branch in &state.branches {
            if branch.spot.len > 0 {
                self.for_each_inside(branch, &mut |id, _| following.also.push(id));
                continue;
            }
            for start in self.starts(branch) {
                let (number, row) = self.row(branch.spot, start);
                let from = following.barred.len();
                self.for_each_barred(branch, start, number, &row, &mut |ids| {
                    following.barred.extend_from_slice(ids);
                });
                following.rows.push((number, from..following.barred.len()));
            }
            self.for_each_claim(branch, &mut |id, _| following.also.push(id));
        }
    }

    /// The row with a number of [`Following::rows`].
    #[must_use]
    pub fn numbered_row(&self, number: u32) -> Option<Arc<Row>> {
        let rows = &self.tables.rows;
        let rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.rows.get(number as usize).map(Arc::clone)
    }

    /// Calls `visit` with each token that may stand behind a branch inside a character, and the
    /// branch behind it.
    fn for_each_inside(&self, branch: &Branch, visit: &mut dyn FnMut(u32, Branch)) {
        let Tables { sorted, uses, .. } = self.tables;
        let barred = self.crossed(branch.last);
        for start in self.starts(branch) {
            let inside = sorted.starting_inside();
            for id in inside.chain(sorted.fallbacks.iter().copied()) {
                let is_barred = !start.fresh && has(&barred, id);
                if !is_barred
                    && let Some(last) = uses[id as usize].last(start)
                    && let Some(next) = self.follow(branch, id, last, start)
                    && self.is_alive(&next)
                {
                    visit(id, next);
                }
            }
        }
    }

    /// Calls `visit` with the ids that merges over the border to a symbol forbid.
    fn for_each_crossed(&self, last: u32, visit: &mut dyn FnMut(&[u32])) {
        if last != NONE && last != WHOLE {
            let (model, encoder) = (self.tokenizer.model(), self.tokenizer.encoder());
            let neighbours = &self.tables.neighbours;
            neighbours.for_each_barred(encoder, model, last, visit);
        }
    }

    /// The ids that merges over the border to a symbol forbid, one bit each.
    fn crossed(&self, last: u32) -> Vec<u64> {
        let mut barred = vec![0; self.tokenizer.vocab_size().div_ceil(64)];
        self.for_each_crossed(last, &mut |ids| {
            for &id in ids {
                set(&mut barred, id, true);
            }
        });
        barred
    }

    /// What [`Self::search`] finds behind a branch, if its row was made already.
    pub(super) fn search_row(&self, branch: &Branch) -> Option<bool> {
        if branch.spot.len > 0 || branch.spot.form != Form::NEUTRAL || branch.trap != 0 {
            return None;
        }
        let rows = &self.tables.rows;
        let rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, row) = rows.get(row_key(branch.spot, GO_ON))?;
        drop(rows);
        let joins = |id: u32| match self.tables.uses[id as usize] {
            Use::Own(symbol) => self.joins(branch.last, symbol),
            _ => false,
        };
        // One of the first will do as a rule.
        let mut words = row.open.iter().zip(0..).filter(|&(&word, _)| word != 0);
        let mut first = words.by_ref().take(4).flat_map(|(&word, place)| {
            (0..64)
                .filter(move |bit| word >> bit & 1 != 0)
                .map(move |bit| 64 * place + bit)
        });
        if first.any(joins) {
            return Some(true);
        }
        let barred = self.crossed(branch.last);
        Some(
            row.open
                .iter()
                .zip(&barred)
                .any(|(open, barred)| open & !barred != 0),
        )
    }

    /// The tokens of several bytes that start inside a character and may follow a symbol.
    pub(super) fn followers(&self, last: u32) -> Arc<[u32]> {
        let followers = || {
            let followers = &self.tables.followers;
            followers.lock().unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(known) = followers().get(&last) {
            return Arc::clone(known);
        }
        let barred = self.crossed(last);
        let inside = self.tables.sorted.starting_inside();
        let found: Arc<[u32]> = inside
            .filter(|&id| self.text(id).len() > 1 && !has(&barred, id))
            .filter(|&id| matches!(self.tables.uses[id as usize], Use::Own(_)))
            .collect();
        followers().insert(last, Arc::clone(&found));
        found
    }

    /// Calls `visit` with the ids of a row that cannot stand behind a branch, some at a time, and
    /// with some that the row does not have: those that merges over the border forbid
    /// ([`super::neighbours`]), and those that what stood before the node forbids.
    fn for_each_barred(
        &self,
        branch: &Branch,
        start: Start,
        number: u32,
        row: &Row,
        visit: &mut dyn FnMut(&[u32]),
    ) {
        if !start.fresh {
            self.for_each_crossed(branch.last, visit);
        }
        if branch.spot.form != Form::NEUTRAL {
            visit(&self.forbidden(branch.spot, start, number, row));
        }
        if !start.fresh && branch.trap != 0 {
            // The row does not know that these tokens go on along a trap.
            for &id in &self.tables.trap_ids[branch.trap as usize] {
                if has(&row.open, id) && !self.leads_on(branch, id, start) {
                    visit(&[id]);
                }
            }
        }
    }

    /// The ids of a row that a form of the text before forbids. The row was made as if nothing
    /// stood before, which forbids no more.
    fn forbidden(&self, spot: Spot, start: Start, number: u32, row: &Row) -> Arc<[u32]> {
        let forbidden = || {
            let forbidden = &self.tables.forbidden;
            forbidden.lock().unwrap_or_else(PoisonError::into_inner)
        };
        let key = (number, spot.form);
        if let Some(known) = forbidden().get(&key) {
            return Arc::clone(known);
        }
        let before = Branch {
            spot,
            ..Branch::at(spot.node)
        };
        let mut found = Vec::new();
        for (&first, ids) in &self.tables.dependent {
            let refuses = match (first, self.tables.form) {
                (Some(first), Some(kind)) if spot.form.next(kind, first).is_some() => continue,
                (first, _) => first.is_some(),
            };
            found.extend(ids.iter().copied().filter(|&id| {
                has(&row.open, id) && (refuses || !self.leads_on(&before, id, start))
            }));
        }
        let found: Arc<[u32]> = found.into();
        let mut forbidden = forbidden();
        if forbidden.len() >= FORMS {
            forbidden.clear();
        }
        forbidden.insert(key, Arc::clone(&found));
        found
    }

    /// Whether some text goes on behind a branch and a token.
    fn leads_on(&self, branch: &Branch, id: u32, start: Start) -> bool {
        let next = self.step(branch, id, start);
        next.is_some_and(|next| self.is_alive(&next))
    }

    /// The row of a node and a way to start, and its number.
    fn row(&self, spot: Spot, start: Start) -> (u32, Arc<Row>) {
        let spot = Spot {
            form: Form::NEUTRAL,
            ..spot
        };
        let key = row_key(spot, start);
        let rows = || {
            let rows = &self.tables.rows;
            rows.lock().unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(known) = rows().get(key) {
            return known;
        }
        let row = if spot.tails == [0; 2] {
            self.make_row(spot, start)
        } else {
            self.part_row(spot, start)
        };
        rows().insert(key, row)
    }

    fn make_row(&self, spot: Spot, start: Start) -> Row {
        let tables = self.tables;
        let before = Branch {
            spot,
            ..Branch::at(spot.node)
        };
        let verdicts: Vec<u8> = tables
            .effects
            .groups(spot.node, start.choice)
            .map(|found| {
                let Some((node, tails)) = found else {
                    return 0;
                };
                let mut next = Branch::at(node);
                next.spot.tails = tails;
                match (self.closes(&next), self.ends(&next)) {
                    (true, true) => OPEN | DONE,
                    (true, false) => OPEN,
                    (false, _) => UNSETTLED,
                }
            })
            .collect();
        let words = self.tokenizer.vocab_size().div_ceil(64);
        let mut row = Row {
            open: Vec::with_capacity(words),
            done: Vec::with_capacity(words),
        };
        let mut judged = Vec::new();
        for (word, groups) in tables.effects.of().chunks(64).enumerate() {
            let (mut open, mut done, mut unsettled) = (0, 0, 0);
            for (bit, &group) in groups.iter().enumerate() {
                let verdict = verdicts[group as usize];
                open |= u64::from(verdict & OPEN != 0) << bit;
                done |= u64::from(verdict & DONE != 0) << bit;
                unsettled |= u64::from(verdict & UNSETTLED != 0) << bit;
            }
            row.open.push(open);
            row.done.push(done);
            while unsettled != 0 {
                judged.push(64 * word as u32 + unsettled.trailing_zeros());
                unsettled &= unsettled - 1;
            }
        }
        judged.extend_from_slice(tables.effects.single());
        judged.extend_from_slice(&tables.sorted.fallbacks);
        if start.fresh {
            // A piece of these tokens goes on along a trap.
            judged.extend_from_slice(&tables.trap_ids[0]);
        } else {
            judged.extend_from_slice(&tables.wholes);
        }
        self.judge(&judged, &before, start, &mut row);
        row
    }

    /// The row of a spot behind which an added token may be open: that of the node, but for the
    /// tokens that lead on otherwise.
    fn part_row(&self, spot: Spot, start: Start) -> Row {
        let (_, row) = self.row(Spot::at(spot.node), start);
        let mut row = Row::clone(&row);
        let mut judged = Vec::new();
        let Row { open, done } = &mut row;
        let sorted = &self.tables.sorted;
        sorted.for_each_parting(self, spot.tails, &mut |id, leads_on| {
            set(open, id, false);
            set(done, id, false);
            if leads_on {
                judged.push(id);
            }
        });
        judged.extend_from_slice(&sorted.fallbacks);
        let before = Branch {
            spot,
            ..Branch::at(spot.node)
        };
        self.judge(&judged, &before, start, &mut row);
        row
    }

    /// Puts into a row what a text behind a branch says of some ids.
    fn judge(&self, ids: &[u32], before: &Branch, start: Start, row: &mut Row) {
        for &id in ids {
            let next = self.step(before, id, start);
            let next = next.filter(|next| self.is_alive(next));
            set(&mut row.open, id, next.is_some());
            set(&mut row.done, id, next.is_some_and(|next| self.ends(&next)));
        }
    }

    /// Makes the rows of the nodes that texts reach, as far as there is room, so that no later call
    /// waits for one.
    pub(super) fn make_rows(&self) {
        let mut left = ROOM / (self.tokenizer.vocab_size() / 4).max(1);
        for node in 0..self.tables.chain.nodes() as u32 {
            let branch = Branch::at(node);
            for start in self.starts(&branch) {
                if left == 0 {
                    return;
                }
                left -= 1;
                self.row(branch.spot, start);
            }
        }
    }
}

impl Rows {
    fn get(&self, key: Key) -> Option<(u32, Arc<Row>)> {
        let number = *self.numbers.get(&key)?;
        Some((number, Arc::clone(self.rows.get(number as usize)?)))
    }

    /// Keeps a row, unless another thread was faster.
    fn insert(&mut self, key: Key, row: Row) -> (u32, Arc<Row>) {
        if let Some(known) = self.get(key) {
            return known;
        }
        let (number, row) = (self.rows.len() as u32, Arc::new(row));
        self.numbers.insert(key, number);
        self.rows.push(Arc::clone(&row));
        (number, row)
    }
}

impl Successors {
    fn add(&mut self, open: &[u64], done: &[u64]) {
        for (word, more) in self.open.iter_mut().zip(open) {
            *word |= more;
        }
        for (word, more) in self.done.iter_mut().zip(done) {
            *word |= more;
        }
    }
}
