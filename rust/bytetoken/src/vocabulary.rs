//! The tokens in the order of their bytes.
//!
//! The *place* of a token is its number in that order; tokens with equal bytes stand side by side,
//! the lower id first. All tokens that start with some bytes are one range of places, so a trie
//! over the order has a range at each node, and at its front the tokens that spell the node.
//! Special tokens have no bytes and no place, nor have holes and empty tokens.
//!
//! Nodes are numbered breadth first. The children of a node are then neighbours, in the order of
//! their bytes, and the children of the next node follow them.
//!
//! Cost: sorting the vocabulary and one look at each of its bytes; a step is a search among the
//! bytes that go on from a node.

use tokseam_bpe::Tokenizer;

/// The node of the empty string.
pub const ROOT: u32 = 0;

/// No place.
pub const NOWHERE: u32 = u32::MAX;

/// A vocabulary sorted by bytes, and the trie over it.
pub struct ByteVocabulary {
    ids: Vec<u32>,
    places: Vec<u32>,
    /// The range of each node, and the end of the tokens that spell it.
    ranges: Vec<Range>,
    /// Where the children of each node start; one more at the end.
    children: Vec<u32>,
    /// The byte that leads to each node.
    bytes: Vec<u8>,
    /// The bytes of the longest token.
    longest: usize,
    /// The greatest id that has a place, and one.
    bound: usize,
    /// The ids that have no place.
    unplaced: Vec<u32>,
}

/// The tokens of a node that go on with one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where they start among the longer tokens of some nodes, one node behind the other.
    pub start: u32,
    /// Which of the nodes it is.
    pub line: u32,
    /// The byte.
    pub byte: u8,
}

/// The tokens of a node: those of `low..exact` spell it, those of `exact..high` are longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first place.
    pub low: u32,
    /// The first place of a longer token.
    pub exact: u32,
    /// The end.
    pub high: u32,
}

impl Range {
    /// Whether a token goes on from here.
    #[must_use]
    pub fn is_open(self) -> bool {
        self.exact < self.high
    }
}

impl ByteVocabulary {
    /// The vocabulary of a tokenizer.
    #[must_use]
    pub fn new(tokenizer: &Tokenizer) -> Self {
        let size = tokenizer.vocab_size() as u32;
        let tokens: Vec<(Vec<u8>, u32)> = (0..size)
            .filter(|id| !tokenizer.special_ids().contains(id))
            .filter_map(|id| Some((tokenizer.token_bytes(id).ok()?.into_owned(), id)))
            .filter(|(bytes, _)| !bytes.is_empty())
            .collect();
        Self::from_tokens(tokens, size as usize)
    }

    /// The vocabulary of some tokens that are not empty, with ids below `size`.
    fn from_tokens(mut tokens: Vec<(Vec<u8>, u32)>, size: usize) -> Self {
        tokens.sort_unstable();
        let mut places = vec![NOWHERE; size];
        for (&(_, id), place) in tokens.iter().zip(0..) {
            places[id as usize] = place;
        }
        let mut vocabulary = Self {
            ids: tokens.iter().map(|&(_, id)| id).collect(),
            unplaced: (0..)
                .zip(&places)
                .filter(|&(_, &place)| place == NOWHERE)
                .map(|(id, _)| id)
                .collect(),
            places,
            ranges: Vec::new(),
            children: Vec::new(),
            bytes: vec![0],
            longest: tokens
                .iter()
                .map(|(bytes, _)| bytes.len())
                .max()
                .unwrap_or(0),
            bound: tokens
                .iter()
                .map(|&(_, id)| id as usize + 1)
                .max()
                .unwrap_or(0),
        };
        // The nodes of one depth, each with its range.
        let mut level = vec![(0, tokens.len())];
        let mut depth = 0;
        while !level.is_empty() {
            let mut next = Vec::new();
            for (low, high) in level {
                let all = &tokens[low..high];
                let exact = low
                    + all
                        .iter()
                        .take_while(|(bytes, _)| bytes.len() == depth)
                        .count();
                vocabulary.ranges.push(Range {
                    low: low as u32,
                    exact: exact as u32,
                    high: high as u32,
                });
                // The root is node 0, and each node so far has added its children.
                vocabulary.children.push(vocabulary.bytes.len() as u32);
                let mut from = exact;
                while from < high {
                    let byte = tokens[from].0[depth];
                    let same =
                        tokens[from..high].partition_point(|(bytes, _)| bytes[depth] == byte);
                    vocabulary.bytes.push(byte);
                    next.push((from, from + same));
                    from += same;
                }
            }
            level = next;
            depth += 1;
        }
        vocabulary.children.push(vocabulary.bytes.len() as u32);
        vocabulary
    }

    /// The node behind one more byte.
    #[must_use]
    pub fn child(&self, node: u32, byte: u8) -> Option<u32> {
        let children = self.children_of(node);
        let bytes = &self.bytes[children.start as usize..children.end as usize];
        let found = bytes.binary_search(&byte).ok()?;
        Some(children.start + found as u32)
    }

    /// The nodes behind one more byte, in the order of these bytes.
    #[must_use]
    pub fn children_of(&self, node: u32) -> std::ops::Range<u32> {
        self.children[node as usize]..self.children[node as usize + 1]
    }

    /// The tokens of a node.
    #[must_use]
    pub fn range(&self, node: u32) -> Range {
        self.ranges[node as usize]
    }

    /// The number of bytes of the longest token.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// The number of ids up to the greatest that has a place.
    #[must_use]
    pub fn bound(&self) -> usize {
        self.bound
    }

    /// The ids that have no place.
    #[must_use]
    pub fn unplaced(&self) -> &[u32] {
        &self.unplaced
    }

    /// How the next byte cuts the longer tokens of some nodes into ranges to be summed, each node with
    /// whether the tokens of a byte are one number already. A number of no node has none.
    #[must_use]
    pub fn segments(&self, nodes: &[(u32, bool)]) -> Vec<Segment> {
        let (mut segments, mut before) = (Vec::new(), 0);
        for (line, &(node, is_summed)) in (0..).zip(nodes) {
            if node as usize >= self.ranges.len() {
                continue;
            }
            let range = self.range(node);
            for (number, child) in (0..).zip(self.children_of(node)) {
                let within = if is_summed {
                    number
                } else {
                    self.range(child).low - range.exact
                };
                segments.push(Segment {
                    start: before + within,
                    line,
                    byte: self.bytes[child as usize],
                });
            }
            before += if is_summed {
                self.children_of(node).len() as u32
            } else {
                range.high - range.exact
            };
        }
        segments
    }

    /// The ids in the order of their tokens' bytes.
    #[must_use]
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The place of each id, [`NOWHERE`] if it has none.
    #[must_use]
    pub fn places(&self) -> &[u32] {
        &self.places
    }

    /// The number of bytes that lead to a node.
    #[must_use]
    pub fn depth(&self, mut node: u32) -> usize {
        let mut depth = 0;
        while node > ROOT {
            // A node without children starts where the next one does: the last of these is the parent.
            node = self.children.partition_point(|&first| first <= node) as u32 - 1;
            depth += 1;
        }
        depth
    }

    /// The byte that leads to each node; that of the root means nothing.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_node_has_the_tokens_that_start_with_its_bytes(
            tokens in prop::collection::vec(prop::collection::vec(0_u8..4, 1..6), 0..60),
            bytes in prop::collection::vec(0_u8..5, 0..7),
        ) {
            let tokens: Vec<(Vec<u8>, u32)> = tokens.into_iter().zip(0..).collect();
            let vocabulary = ByteVocabulary::from_tokens(tokens.clone(), tokens.len());
            let node = bytes.iter().try_fold(ROOT, |node, &byte| vocabulary.child(node, byte));
            let mut found = Vec::new();
            if let Some(node) = node {
                let range = vocabulary.range(node);
                let places = range.low as usize..range.high as usize;
                found.extend_from_slice(&vocabulary.ids()[places]);
                let exact = &vocabulary.ids()[range.low as usize..range.exact as usize];
                let spell: Vec<u32> =
                    tokens.iter().filter(|(text, _)| *text == bytes).map(|&(_, id)| id).collect();
                prop_assert_eq!(exact, spell);
                prop_assert_eq!(range.is_open(), !vocabulary.children_of(node).is_empty());
                prop_assert_eq!(vocabulary.depth(node), bytes.len());
            }
            found.sort_unstable();
            let start: Vec<u32> = tokens
                .iter()
                .filter(|(text, _)| text.starts_with(&bytes))
                .map(|&(_, id)| id)
                .collect();
            prop_assert_eq!(found, start);
            for (place, &id) in vocabulary.ids().iter().enumerate() {
                prop_assert_eq!(vocabulary.places()[id as usize] as usize, place);
            }
        }
    }
}
