//! Encoding of long units without a heap, and the pair test under it.
//!
//! Definition: two symbols are *compatible* if encoding the concatenation of their texts gives
//! just these two. A sequence of symbols, each of which encodes to itself, is the encoding of its
//! text if and only if all neighbours are compatible. So the encoding is the one path through the
//! text over compatible symbols, and it is searched with the longest symbol first; a place that
//! no continuation can leave is marked dead and never entered again.
//!
//! The pair test walks back merges, the latest first: while it undoes them, a merge over the
//! border of the two that would have come earlier proves that they cannot stand side by side. It
//! needs regular symbols ([`super::symbols`]); a search that meets another gives up, and the
//! caller takes the heap.
//!
//! Cost: each place is entered once, and tries the symbols that start there; so the time is
//! linear in the text, with the length of the longest symbol as factor. The trie has about two
//! and a half nodes a token, 16 bytes each.

use super::edges::Edges;
use super::pairs::{NONE, PairTable};
use super::symbols::Symbols;
use crate::model::Model;

/// Whether encoding the texts of two symbols together gives these two, where merges with a result
/// at or above `limit` are not made.
///
/// Both must be regular.
#[must_use]
pub fn compatible(
    symbols: &Symbols,
    pairs: &PairTable,
    mut left: u32,
    mut right: u32,
    mut limit: u32,
) -> bool {
    loop {
        if pairs.get(left, right) < limit {
            return false;
        }
        // Undo the later of the two. Of equal ones the right one is later, and a merge over the
        // border of the same rank would have come before it, but after the left one.
        if left > right {
            let Some((_, part)) = symbols.parts(left) else {
                return true;
            };
            limit = left;
            left = part;
        } else {
            let Some((part, _)) = symbols.parts(right) else {
                return true;
            };
            limit = right + 1;
            right = part;
        }
    }
}

/// A trie of the symbols below a limit that encode to themselves.
pub struct Backtracker {
    edges: Edges,
    /// The symbol that ends at a node.
    ends: Vec<u32>,
    /// The longest symbol that is a proper prefix of a symbol.
    shorter: Vec<u32>,
    lens: Vec<u32>,
    limit: u32,
}

/// The buffers of a search.
#[derive(Default)]
pub struct Search {
    dead: Vec<u64>,
    path: Vec<u32>,
}

impl Search {
    /// Gives back buffers of more than `len` entries.
    pub fn shrink_to(&mut self, len: usize) {
        self.dead.truncate(len);
        self.dead.shrink_to(len);
        self.path.clear();
        self.path.shrink_to(len);
    }
}

impl Backtracker {
    /// The trie of the symbols below `limit`; `None` if it would have more nodes than its table
    /// can number.
    #[must_use]
    pub fn new(model: &Model, symbols: &Symbols, own: &[bool], limit: u32) -> Option<Self> {
        let mut tokens: Vec<(&[u8], u32)> = (0..limit)
            .filter(|&symbol| own[symbol as usize] && !symbols.is_fallback(symbol))
            .map(|symbol| (model.token(symbols.id(symbol)), symbol))
            .collect();
        tokens.sort_unstable();
        let mut shorter = vec![NONE; limit as usize];
        let mut edges = Vec::new();
        let mut ends = vec![NONE];
        // The nodes on the way to the token before, the root first.
        let mut way = vec![0_u32];
        let mut before: &[u8] = &[];
        for &(token, symbol) in &tokens {
            let shared = token.iter().zip(before).take_while(|(a, b)| a == b).count();
            way.truncate(shared + 1);
            for &byte in &token[shared..] {
                let node = ends.len() as u32;
                if node >= crate::vocab::ID_LIMIT {
                    return None;
                }
                edges.push((way.last().copied().unwrap_or(0), byte, node));
                ends.push(NONE);
                way.push(node);
            }
            let prefixes = way.iter().rev().skip(1);
            shorter[symbol as usize] = prefixes
                .map(|&node| ends[node as usize])
                .find(|&end| end != NONE)
                .unwrap_or(NONE);
            ends[way[way.len() - 1] as usize] = symbol;
            before = token;
        }
        let lens = (0..limit)
            .map(|symbol| {
                if symbols.is_fallback(symbol) {
                    1
                } else {
                    model.token(symbols.id(symbol)).len() as u32
                }
            })
            .collect();
        Some(Self {
            edges: Edges::new(&edges),
            ends,
            shorter,
            lens,
            limit,
        })
    }

    /// The longest symbol at the start of a text; the byte's own where only that is left.
    fn longest(&self, symbols: &Symbols, text: &[u8]) -> u32 {
        let (mut node, mut found) = (0, NONE);
        for &byte in text {
            match self.edges.get(node, byte) {
                None => break,
                Some(child) => node = child,
            }
            let end = self.ends[node as usize];
            if end != NONE {
                found = end;
            }
        }
        if found == NONE && !text.is_empty() {
            found = symbols.byte(text[0]);
        }
        found
    }

    /// Appends the encoding of a unit and returns true, or leaves `out` and returns false if the
    /// search met an irregular symbol or a byte without a symbol.
    pub fn encode(
        &self,
        symbols: &Symbols,
        pairs: &PairTable,
        text: &[u8],
        search: &mut Search,
        out: &mut Vec<u32>,
    ) -> bool {
        let Search { dead, path } = search;
        dead.clear();
        dead.resize(text.len() / 64 + 1, 0);
        path.clear();
        let mut at = 0;
        let mut token = self.longest(symbols, text);
        while at < text.len() {
            if token == NONE || !symbols.is_regular(token) {
                return false;
            }
            let end = at + self.lens[token as usize] as usize;
            let open = dead[end / 64] >> (end % 64) & 1 == 0;
            if open
                && path
                    .last()
                    .is_none_or(|&last| compatible(symbols, pairs, last, token, self.limit))
            {
                path.push(token);
                at = end;
                token = self.longest(symbols, &text[at..]);
                continue;
            }
            token = self.shorter[token as usize];
            while token == NONE {
                // Nothing leads on from here.
                dead[at / 64] |= 1 << (at % 64);
                let Some(last) = path.pop() else {
                    return false;
                };
                at -= self.lens[last as usize] as usize;
                token = self.shorter[last as usize];
            }
        }
        out.extend_from_slice(path);
        true
    }
}

/// For each symbol whether its text encodes to it. The answer for an irregular one comes from
/// `encodes`, which merges the text by the definition.
pub fn own(symbols: &Symbols, pairs: &PairTable, encodes: impl Fn(u32) -> bool) -> Vec<bool> {
    let mut own = vec![true; symbols.count() as usize];
    for symbol in symbols.base_len()..symbols.count() {
        own[symbol as usize] = if symbols.is_regular(symbol) {
            symbols.parts(symbol).is_some_and(|(left, right)| {
                own[left as usize]
                    && own[right as usize]
                    && compatible(symbols, pairs, left, right, symbol)
            })
        } else {
            encodes(symbol)
        };
    }
    own
}
