//! Blocks in ids that come one at a time.
//!
//! A block is reported once no continuation can change it: all encodings that the text can still
//! have ([`crate::frontier`]) agree up to its end, and its end is a border of the ids too. A break
//! is certain earlier, when the ids are on none of these paths; [`Detector::broken`] then names the
//! first token that is on none. Special ids, and the end, finish a run, and all its blocks are
//! certain.
//!
//! Invariant: the blocks of all pushes and of [`Detector::finish`] together are those of
//! [`find`](crate::find).
//!
//! Cost: that of the frontier for each byte, and for an id while a break is open the cost of
//! settling; both have a bound that the length of the text does not enter. Only a run that is no
//! text, or that a normalizer changes, is judged at its end, once, as a whole. A run's ids are kept.

use tokseam_bpe::Error;
use tokseam_bpe::Tokenizer;
use tokseam_bpe::admissible::{Admissibility, State};
use tokseam_bpe::canonical::Reason;

use crate::frontier::{Frontier, Tokens};
use crate::judge::{Block, find_in_run, is_cut};

/// Bytes before a block that the pre-tokenizer sees when the reason is looked for.
const CONTEXT: usize = 256;

/// Ids that come one at a time.
pub struct Detector {
    frontier: Frontier,
    /// The ids behind the last border that is decided and that both have, if they are on a path.
    own: Option<State>,
    /// The ids of the run, and the number of ids before it.
    run: Vec<u32>,
    before: usize,
    /// Decided tokens behind the last common border.
    pending: Vec<u32>,
    /// The last common border: in tokens of the run and in bytes of its text.
    common: Border,
    /// The ends of the pending tokens, and of as many ids as reach there.
    pending_end: u64,
    reached: Border,
    /// Bytes of what all ids before the last common border decode to.
    common_bytes: usize,
    /// Bytes that decoding takes away at the start.
    missing: usize,
    /// The tokens of the run up to the end of the last block.
    reported: usize,
    broken: Option<usize>,
    /// The first block was certain, so the place of the break is.
    is_certain: bool,
}

#[derive(Clone, Copy, Default)]
struct Border {
    tokens: usize,
    place: u64,
}

impl Detector {
    /// Waits for the first id.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where a component of the tokenizer is not known exactly.
    pub fn new(tokenizer: &Tokenizer) -> Result<Self, Error> {
        let admissibility = tokenizer.admissibility()?;
        Ok(Self {
            frontier: Frontier::new(&admissibility),
            own: Some(admissibility.start()),
            run: Vec::new(),
            before: 0,
            pending: Vec::new(),
            common: Border::default(),
            pending_end: 0,
            reached: Border::default(),
            common_bytes: 0,
            missing: 0,
            reported: 0,
            broken: None,
            is_certain: false,
        })
    }

    /// The first token that no continuation can make canonical.
    #[must_use]
    pub fn broken(&self) -> Option<usize> {
        self.broken
    }

    /// Takes one more id; returns the blocks that are certain with it.
    ///
    /// # Errors
    /// [`Error::UnknownToken`] for an id without a token; the detector is as before.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> Result<Vec<Block>, Error> {
        let literal = tokenizer.token_bytes(id)?.len();
        let admissibility = tokenizer.admissibility()?;
        if self.before == 0 && self.run.is_empty() {
            self.missing = literal.saturating_sub(tokenizer.decode_bytes(&[id])?.len());
        }
        let mut blocks = Vec::new();
        if tokenizer.special_ids().contains(&id) {
            self.close(tokenizer, &admissibility, false, &mut blocks)?;
            self.before += self.run.len() + 1;
            self.start_run(&admissibility);
            self.common_bytes += literal;
            return Ok(blocks);
        }
        let tokens = Tokens::new(tokenizer);
        self.run.push(id);
        let own = self.own.take();
        self.own = own.and_then(|own| admissibility.push(&own, id));
        let mut decided = Vec::new();
        for &byte in tokenizer.spelling(id) {
            self.frontier
                .push(&admissibility, &tokens, byte, &mut decided);
        }
        self.compare(tokenizer, &decided, &mut blocks);
        if self.own.is_none() && !self.frontier.is_dead() {
            decided.clear();
            self.frontier.settle(&admissibility, &tokens, &mut decided);
            self.compare(tokenizer, &decided, &mut blocks);
            self.resume(&admissibility);
        }
        if self.own.is_none() {
            self.note_break();
        }
        Ok(blocks)
    }

    /// Ends the ids; returns the blocks that were not certain before. Then all starts anew.
    ///
    /// # Errors
    /// As [`Detector::push`].
    pub fn finish(&mut self, tokenizer: &Tokenizer) -> Result<Vec<Block>, Error> {
        let admissibility = tokenizer.admissibility()?;
        let mut blocks = Vec::new();
        self.close(tokenizer, &admissibility, true, &mut blocks)?;
        *self = Self::new(tokenizer)?;
        Ok(blocks)
    }

    fn start_run(&mut self, admissibility: &Admissibility) {
        self.frontier = Frontier::new(admissibility);
        self.own = Some(admissibility.start());
        self.run.clear();
        self.pending.clear();
        self.common = Border::default();
        self.reached = Border::default();
        self.pending_end = 0;
        self.reported = 0;
    }

    /// Goes on from the last common border if all before it is decided.
    fn resume(&mut self, admissibility: &Admissibility) {
        let (place, state) = self.frontier.decided();
        if place != self.common.place || self.frontier.is_dead() {
            return;
        }
        let rest = &self.run[self.common.tokens..];
        self.own = rest
            .iter()
            .try_fold(state.clone(), |state, &id| admissibility.push(&state, id));
    }

    /// Remembers the first token that is on no path.
    fn note_break(&mut self) {
        if self.is_certain {
            return;
        }
        let place = if self.frontier.is_dead() {
            self.broken
                .unwrap_or(self.before + self.run.len().saturating_sub(1))
        } else {
            let rest = &self.run[self.common.tokens..];
            let paths = self.frontier.paths();
            let shared = |path: &Vec<u32>| {
                let all = self.pending.iter().chain(path);
                rest.iter().zip(all).take_while(|(a, b)| a == b).count()
            };
            let most = paths.iter().map(shared).max().unwrap_or(0);
            self.before + self.common.tokens + most.min(rest.len().saturating_sub(1))
        };
        self.broken = Some(place);
    }

    /// Compares decided tokens with the ids; appends the blocks that end.
    fn compare(&mut self, tokenizer: &Tokenizer, decided: &[u32], blocks: &mut Vec<Block>) {
        for &id in decided {
            self.pending.push(id);
            self.pending_end += tokenizer.spelling(id).len() as u64;
            while self.reached.place < self.pending_end && self.reached.tokens < self.run.len() {
                let id = self.run[self.reached.tokens];
                self.reached.place += tokenizer.spelling(id).len() as u64;
                self.reached.tokens += 1;
            }
            if self.reached.place == self.pending_end {
                self.end_region(tokenizer, blocks);
            }
        }
    }

    fn end_region(&mut self, tokenizer: &Tokenizer, blocks: &mut Vec<Block>) {
        let old = self.common.tokens..self.reached.tokens;
        if self.run[old.clone()] != self.pending {
            let reason = self.reason(tokenizer, old.clone());
            let mut block = Block {
                tokens: old.clone(),
                bytes: 0..0,
                canonical: self.pending.clone(),
                reason,
            };
            self.place(tokenizer, &mut block);
            blocks.push(block);
        }
        self.common_bytes += self.decoded_len(tokenizer, old);
        self.common = self.reached;
        self.pending.clear();
    }

    fn decoded_len(&self, tokenizer: &Tokenizer, tokens: std::ops::Range<usize>) -> usize {
        let ids = self.run[tokens].iter();
        ids.map(|&id| tokenizer.token_bytes(id).map_or(0, |bytes| bytes.len()))
            .sum()
    }

    /// Counts a block of the run from the first id.
    fn place(&mut self, tokenizer: &Tokenizer, block: &mut Block) {
        // A block may start before what seemed decided: what follows was no text.
        let common = self.common.tokens;
        let start = if block.tokens.start < common {
            let less = self.decoded_len(tokenizer, block.tokens.start..common);
            self.common_bytes.saturating_sub(less)
        } else {
            self.common_bytes + self.decoded_len(tokenizer, common..block.tokens.start)
        };
        self.reported = block.tokens.end;
        let end = start + self.decoded_len(tokenizer, block.tokens.clone());
        block.bytes = start.saturating_sub(self.missing)..end.saturating_sub(self.missing);
        block.tokens = self.before + block.tokens.start..self.before + block.tokens.end;
        if !self.is_certain {
            self.broken = Some(block.tokens.start);
            self.is_certain = true;
        }
    }

    fn reason(&self, tokenizer: &Tokenizer, old: std::ops::Range<usize>) -> Reason {
        let is_added = |&id: &u32| tokenizer.added(id).is_some();
        let ids = &self.run[old.clone()];
        if ids.iter().chain(&self.pending).any(is_added) {
            return Reason::AddedToken;
        }
        let pretokenizer = tokenizer.pretokenizer();
        if !pretokenizer.cuts_only() {
            return Reason::Pair;
        }
        let (mut first, mut size) = (old.start, 0);
        while first > 0 && size < CONTEXT {
            first -= 1;
            size += tokenizer.spelling(self.run[first]).len();
        }
        let text: Vec<u8> = self.run[first..]
            .iter()
            .flat_map(|&id| tokenizer.spelling(id))
            .copied()
            .collect();
        let mut cuts = vec![0; text.len() / 64 + 1];
        if pretokenizer.cut(&text, &mut cuts).is_err() {
            return Reason::Pair;
        }
        let mut start = size;
        for &id in ids {
            let end = start + tokenizer.spelling(id).len();
            if (start + 1..end).any(|place| cuts[place / 64] >> (place % 64) & 1 != 0) {
                return Reason::Pretoken;
            }
            start = end;
        }
        Reason::Pair
    }

    /// Finds the blocks of a run that ends here.
    fn close(
        &mut self,
        tokenizer: &Tokenizer,
        admissibility: &Admissibility,
        open: bool,
        blocks: &mut Vec<Block>,
    ) -> Result<(), Error> {
        if let Some(rest) = self.frontier.finished(admissibility) {
            self.compare(tokenizer, &rest, blocks);
        } else if !(open && self.own.is_some() && self.is_cut(tokenizer)?) {
            for mut block in find_in_run(tokenizer, &self.run, open, false)? {
                if block.tokens.start >= self.reported {
                    self.place(tokenizer, &mut block);
                    blocks.push(block);
                }
            }
        }
        self.common_bytes += self.decoded_len(tokenizer, self.common.tokens..self.run.len());
        Ok(())
    }

    fn is_cut(&self, tokenizer: &Tokenizer) -> Result<bool, Error> {
        // A character has no more than four tokens.
        let tail = &self.run[self.run.len().saturating_sub(4)..];
        Ok(is_cut(&tokenizer.decode_bytes(tail)?))
    }
}
