//! Added tokens that are cut out of plain text, seen while the text is being written.
//!
//! Matches are the leftmost, of those the longest; a special token takes its place among them, but
//! its text stays text. Ids say where matches are: at an added token, and nowhere else. So what is
//! still open is the *tail* of the text that some added token may start with, together with the
//! ids that claim a match in it. A byte more settles the front of the tail or leaves it open; a
//! claim that comes out otherwise ends the branch.
//!
//! Tails are numbered, 0 is the empty one. There are at most as many as starts of added tokens,
//! with the claims in them.

use rustc_hash::FxHashMap;
use std::sync::{Mutex, PoisonError};

use crate::added::Match;

/// The added tokens of one tokenizer.
struct Matcher {
    /// A trie: node and byte to node.
    next: FxHashMap<(u32, u8), u32>,
    /// For each node whether a token ends there, and if so whether its text becomes its id.
    ends: Vec<Option<bool>>,
    /// Whether a token goes on behind a node, and whether one that stays text does.
    inner: Vec<bool>,
    inner_text: Vec<bool>,
    /// The tokens whose text becomes their id, and the place of each.
    tokens: Vec<(u32, Vec<u8>)>,
    places: FxHashMap<u32, usize>,
    tails: Mutex<Tails>,
}

/// The matchers of a tokenizer: of the tokens that are looked for in the text as it is, then of
/// those that are looked for between them.
pub(super) struct Matchers([Matcher; 2]);

/// The tails of both.
pub(super) type TailPair = [u32; 2];

#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Tail {
    bytes: Vec<u8>,
    /// Start and length of each match that an id claims.
    claims: Vec<(usize, usize)>,
}

#[derive(Default)]
struct Tails {
    known: Vec<Tail>,
    numbers: FxHashMap<Tail, u32>,
    /// The tail behind a tail and a byte.
    after: FxHashMap<(u32, u8), Option<u32>>,
}

impl Tails {
    fn number(&mut self, tail: Tail) -> u32 {
        let next = self.known.len() as u32;
        *self.numbers.entry(tail).or_insert_with_key(|tail| {
            self.known.push(tail.clone());
            next
        })
    }
}

impl Matcher {
    /// The matcher of some tokens: text, id, and whether the text becomes the id.
    fn new(tokens: Vec<Match>) -> Self {
        let mut matcher = Self {
            next: FxHashMap::default(),
            ends: vec![None],
            inner: vec![false],
            inner_text: vec![false],
            tokens: Vec::new(),
            places: FxHashMap::default(),
            tails: Mutex::default(),
        };
        for (text, id, matches) in tokens {
            let mut node = 0;
            for &byte in &text {
                let next = matcher.ends.len() as u32;
                matcher.inner[node as usize] = true;
                matcher.inner_text[node as usize] |= !matches;
                node = *matcher.next.entry((node, byte)).or_insert(next);
                if node == next {
                    matcher.ends.push(None);
                    matcher.inner.push(false);
                    matcher.inner_text.push(false);
                }
            }
            matcher.ends[node as usize] = Some(matches);
            if matches {
                matcher.places.insert(id, matcher.tokens.len());
                matcher.tokens.push((id, text));
            }
        }
        let mut tails = Tails::default();
        tails.number(Tail::default());
        matcher.tails = Mutex::new(tails);
        matcher
    }

    /// The tail behind one more byte of text; `None` if a claim fails, or text matches that no id
    /// claims.
    fn feed(&self, tail: u32, byte: u8) -> Option<u32> {
        if tail == 0 && !self.next.contains_key(&(0, byte)) {
            return Some(0);
        }
        let mut tails = self.tails.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&after) = tails.after.get(&(tail, byte)) {
            return after;
        }
        let mut longer = tails.known[tail as usize].clone();
        longer.bytes.push(byte);
        let after = self.settle(longer, false).map(|tail| tails.number(tail));
        tails.after.insert((tail, byte), after);
        after
    }

    /// The tail behind the text of a token whose id claims the match.
    fn claim(&self, tail: u32, text: &[u8]) -> Option<u32> {
        let mut tails = self.tails.lock().unwrap_or_else(PoisonError::into_inner);
        let mut longer = tails.known[tail as usize].clone();
        longer.claims.push((longer.bytes.len(), text.len()));
        longer.bytes.extend_from_slice(text);
        self.settle(longer, false).map(|tail| tails.number(tail))
    }

    /// Whether the text may end behind a tail.
    fn may_end(&self, tail: u32) -> bool {
        if tail == 0 {
            return true;
        }
        let tail = self
            .tails
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .known[tail as usize]
            .clone();
        self.settle(tail, true).is_some()
    }

    /// What is left of a tail when all that is certain is taken off its front.
    fn settle(&self, mut tail: Tail, ends: bool) -> Option<Tail> {
        while !tail.bytes.is_empty() {
            let (mut node, mut longest, mut walked) = (0, None, 0);
            for &byte in &tail.bytes {
                match self.next.get(&(node, byte)) {
                    Some(&next) => node = next,
                    None => break,
                }
                walked += 1;
                if let Some(matches) = self.ends[node as usize] {
                    longest = Some((walked, matches));
                }
            }
            let claim = tail.claims.first().copied();
            let claim = claim.filter(|&(start, _)| start == 0);
            if !ends && walked == tail.bytes.len() && self.inner[node as usize] {
                // The match will be at least this long.
                let fails = match (claim, longest) {
                    (Some((_, claimed)), Some((length, _))) => length > claimed,
                    (None, Some((_, matches))) => matches && !self.inner_text[node as usize],
                    (_, None) => false,
                };
                return (!fails).then_some(tail);
            }
            let taken = match (claim, longest) {
                (Some((_, claimed)), Some((length, true))) if claimed == length => length,
                (Some(_), _) | (None, Some((_, true))) => return None,
                // A claim inside a special token's text cannot come true.
                (None, Some((length, false))) => length,
                (None, None) => 1,
            };
            tail.bytes.drain(..taken);
            if claim.is_some() {
                tail.claims.remove(0);
            }
            for (start, _) in &mut tail.claims {
                *start = start.checked_sub(taken)?;
            }
        }
        Some(tail)
    }
}

impl Matchers {
    /// The matchers of the two sets.
    pub(super) fn new(sets: [Vec<Match>; 2]) -> Self {
        Self(sets.map(Matcher::new))
    }

    /// The tokens whose text becomes their id.
    pub(super) fn tokens(&self) -> impl Iterator<Item = &(u32, Vec<u8>)> {
        self.0.iter().flat_map(|matcher| &matcher.tokens)
    }

    /// The text of a token whose text becomes its id.
    pub(super) fn text(&self, id: u32) -> Option<&[u8]> {
        self.0.iter().find_map(|matcher| {
            let (_, text) = &matcher.tokens[*matcher.places.get(&id)?];
            Some(&text[..])
        })
    }

    /// See [`Matcher::feed`].
    pub(super) fn feed(&self, tails: TailPair, byte: u8) -> Option<TailPair> {
        let [raw, between] = &self.0;
        Some([raw.feed(tails[0], byte)?, between.feed(tails[1], byte)?])
    }

    /// See [`Matcher::claim`].
    pub(super) fn claim(&self, tails: TailPair, id: u32, text: &[u8]) -> Option<TailPair> {
        let [raw, between] = &self.0;
        if raw.places.contains_key(&id) {
            // The text between ends here.
            return between
                .may_end(tails[1])
                .then(|| raw.claim(tails[0], text).map(|tail| [tail, 0]))?;
        }
        // To the first search it is text like any other.
        let tail = text
            .iter()
            .try_fold(tails[0], |tail, &byte| raw.feed(tail, byte))?;
        Some([tail, between.claim(tails[1], text)?])
    }

    /// See [`Matcher::may_end`].
    pub(super) fn may_end(&self, tails: TailPair) -> bool {
        let [raw, between] = &self.0;
        raw.may_end(tails[0]) && between.may_end(tails[1])
    }
}
