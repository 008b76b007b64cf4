//! What a model has to score for the next byte, as arrays of integers.
//!
//! The nodes of a plan are the stems of the heads and the stems between them and a *base*, parents
//! before children. The weight of a node is that of its parent times the probability of its token
//! behind the parent; the base has weight 1, since what all heads share cancels. So the next byte
//! needs the row of each node whose token, or whose head, is asked for, and nothing else.
//!
//! Where all cuts are stems, a plan lists them, so it is for short texts.
//!
//! Cost: the nodes that are listed. Nothing depends on the size of the vocabulary or on the length
//! of the text.

use rustc_hash::FxHashMap;
use std::sync::Arc;

use crate::Error;
use crate::heads::{Below, Heads, LIMIT, Node};
use crate::kernel::Kernel;
use crate::rules::Covers;
use crate::vocabulary::{ROOT, Range};

/// Heads with no more tokens than this are looked at one by one.
const FEW: u32 = 32;

/// A head of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanHead {
    /// The number of the stem among the nodes.
    pub node: u32,
    /// The node of the trie that spells what the stem leaves over.
    pub at: u32,
    /// The tokens there.
    pub range: Range,
}

/// The contexts and ranges of some heads.
pub struct Plan {
    nodes: Vec<Arc<Node>>,
    parents: Vec<u32>,
    heads: Vec<PlanHead>,
}

impl Plan {
    /// The plan of heads. Weights count from the trunk of `since`, which must be heads of a start
    /// of the bytes, or from the trunk of the heads. Where all cuts are stems `since` is not heard.
    ///
    /// # Errors
    /// [`Error::TooMany`] where all cuts are stems and there are more than [`LIMIT`].
    pub fn new(kernel: &Kernel, heads: &Heads, since: Option<&Heads>) -> Result<Self, Error> {
        if kernel.covers() != Covers::Admissible {
            return Self::of_all(kernel, heads);
        }
        let rules = kernel.rules()?;
        let vocabulary = kernel.vocabulary();
        let mut plan = Self {
            nodes: Vec::with_capacity(2 * heads.count()),
            parents: Vec::with_capacity(2 * heads.count()),
            heads: Vec::with_capacity(heads.count()),
        };
        let Some(base) = since.unwrap_or(heads).trunk() else {
            return Ok(plan);
        };
        plan.nodes.push(Arc::clone(base));
        plan.parents.push(0);
        let mut numbers = FxHashMap::default();
        // Most stems have a head.
        numbers.reserve(2 * heads.count());
        numbers.insert(base.serial, 0);
        let mut way = Vec::new();
        for head in heads.heads() {
            let range = vocabulary.range(head.at);
            // A head without a token that counts would only cost a context.
            if head.at != ROOT && range.high - range.exact <= FEW {
                let counts = |place: u32| {
                    let id = vocabulary.ids()[place as usize];
                    let state = rules.extend(&head.stem.state, id, kernel.tokenizer());
                    state.is_some()
                };
                if !head.has(range.exact..range.high, counts) {
                    continue;
                }
            }
            let mut node = &head.stem;
            let mut number = loop {
                if let Some(&known) = numbers.get(&node.serial) {
                    break known;
                }
                way.push(node);
                match &node.parent {
                    Some(parent) => node = parent,
                    // Not behind the base: the caller broke the contract, and gets no such head.
                    None => break u32::MAX,
                }
            };
            if number == u32::MAX {
                way.clear();
                continue;
            }
            while let Some(node) = way.pop() {
                plan.parents.push(number);
                number = plan.nodes.len() as u32;
                numbers.insert(node.serial, number);
                plan.nodes.push(Arc::clone(node));
            }
            plan.heads.push(PlanHead {
                node: number,
                at: head.at,
                range,
            });
        }
        Ok(plan)
    }

    /// The plan where all cuts are stems: they are made here.
    fn of_all(kernel: &Kernel, heads: &Heads) -> Result<Self, Error> {
        let vocabulary = kernel.vocabulary();
        let end = heads.len() + kernel.prefix().len();
        let sizes: Vec<usize> = (0..=end).collect();
        let below = heads.below(kernel, &sizes);
        let grow =
            |stem: &Arc<Node>, place: u32| kernel.extend(stem, vocabulary.ids()[place as usize]);
        let (mut base, mut size) = (kernel.root()?, 0);
        // The trunk: as long as there is one way on.
        while let (None, &[(place, next)]) = (below[size].at, &below[size].tokens[..])
            && let Some(stem) = grow(&base, place)?
        {
            (base, size) = (stem, next);
        }
        let mut plan = Self {
            nodes: vec![base],
            parents: vec![0],
            heads: Vec::new(),
        };
        let mut sizes = vec![size];
        let mut node = 0;
        while node < plan.nodes.len() {
            let stem = Arc::clone(&plan.nodes[node]);
            let Below { tokens, at } = &below[sizes[node]];
            if let &Some(at) = at {
                let range = vocabulary.range(at);
                let node = node as u32;
                plan.heads.push(PlanHead { node, at, range });
            }
            for &(place, next) in tokens {
                if let Some(stem) = grow(&stem, place)? {
                    plan.nodes.push(stem);
                    plan.parents.push(node as u32);
                    sizes.push(next);
                }
            }
            if plan.nodes.len() > LIMIT {
                return Err(Error::TooMany {
                    length: heads.len(),
                    limit: LIMIT,
                });
            }
            node += 1;
        }
        Ok(plan)
    }

    /// The number of nodes; node 0 is the base.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are no nodes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The stem of a node, `None` beyond the last.
    #[must_use]
    pub fn stem(&self, node: usize) -> Option<&Arc<Node>> {
        self.nodes.get(node)
    }

    /// A number for each node that is the same in all plans, and that no other node has.
    pub fn serials(&self) -> impl Iterator<Item = u64> + '_ {
        self.nodes.iter().map(|node| node.serial)
    }

    /// The parent of each node among the nodes; that of the base is the base.
    #[must_use]
    pub fn parents(&self) -> &[u32] {
        &self.parents
    }

    /// The place of the last token of each node.
    pub fn places(&self) -> impl Iterator<Item = u32> + '_ {
        self.nodes.iter().map(|node| node.place)
    }

    /// The number of tokens of each node.
    pub fn depths(&self) -> impl Iterator<Item = u32> + '_ {
        self.nodes.iter().map(|node| node.depth)
    }

    /// The heads, each with a token that counts if it has few.
    #[must_use]
    pub fn heads(&self) -> &[PlanHead] {
        &self.heads
    }
}
