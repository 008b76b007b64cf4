//! What a model has to score for the next byte, as arrays of integers.
//!
//! The nodes of a plan are the stems of the heads and the stems between them and a *base*, parents
//! before children. The weight of a node is that of its parent times the probability of its token
//! behind the parent; the base has weight 1, since what all heads share cancels. So the next byte
//! needs the row of each node whose token, or whose head, is asked for, and nothing else.
//!
//! Cost: the nodes that are listed. Nothing depends on the size of the vocabulary or on the length
//! of the text.

use rustc_hash::FxHashMap;
use std::sync::Arc;

use crate::Error;
use crate::heads::{Heads, Node};
use crate::kernel::Kernel;
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

/// The tokens of a head that go on with one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where they start among the longer tokens of the heads, one head behind the other.
    pub start: u32,
    /// Which of the heads it is.
    pub line: u32,
    /// The byte.
    pub byte: u8,
}

/// The contexts and ranges of some heads.
pub struct Plan {
    nodes: Vec<Arc<Node>>,
    parents: Vec<u32>,
    heads: Vec<PlanHead>,
}

impl Plan {
    /// The plan of heads. Weights count from the trunk of `since`, which must be heads of a start
    /// of the bytes, or from the trunk of the heads.
    ///
    /// # Errors
    /// Those of [`Kernel::new`], which this kernel has passed.
    pub fn new(kernel: &Kernel, heads: &Heads, since: Option<&Heads>) -> Result<Self, Error> {
        let rules = kernel.rules()?;
        let vocabulary = kernel.vocabulary();
        let mut plan = Self {
            nodes: Vec::new(),
            parents: Vec::new(),
            heads: Vec::with_capacity(heads.count()),
        };
        let Some(base) = since.unwrap_or(heads).trunk() else {
            return Ok(plan);
        };
        plan.nodes.push(Arc::clone(base));
        plan.parents.push(0);
        let mut numbers = FxHashMap::from_iter([(base.serial, 0)]);
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

    /// The id of the last token of each node.
    pub fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        self.nodes.iter().map(|node| node.id)
    }

    /// The place of the last token of each node.
    pub fn places(&self) -> impl Iterator<Item = u32> + '_ {
        self.nodes.iter().map(|node| node.place)
    }

    /// The number of tokens of each node.
    pub fn depths(&self) -> impl Iterator<Item = u32> + '_ {
        self.nodes.iter().map(|node| node.depth)
    }

    /// How the next byte cuts the longer tokens of some heads, given by their numbers, into ranges
    /// to be summed. A number of no head has none.
    #[must_use]
    pub fn segments(&self, kernel: &Kernel, heads: &[usize]) -> Vec<Segment> {
        let vocabulary = kernel.vocabulary();
        let (mut segments, mut before) = (Vec::new(), 0);
        for (line, &head) in (0..).zip(heads) {
            let Some(head) = self.heads.get(head) else {
                continue;
            };
            for child in vocabulary.children_of(head.at) {
                segments.push(Segment {
                    start: before + vocabulary.range(child).low - head.range.exact,
                    line,
                    byte: vocabulary.bytes()[child as usize],
                });
            }
            before += head.range.high - head.range.exact;
        }
        segments
    }

    /// The heads, each with a token that counts if it has few.
    #[must_use]
    pub fn heads(&self) -> &[PlanHead] {
        &self.heads
    }
}
