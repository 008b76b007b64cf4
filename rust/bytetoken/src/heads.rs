//! The heads of a byte prefix.
//!
//! A *head* is a stem of whole tokens and a node of the trie: the bytes that the stem leaves over.
//! It stands for all covers that are the stem and one longer token than these bytes. A token that
//! is just these bytes makes a new head, with itself at the end of the stem and nothing left over.
//!
//! Invariant: the heads of `x` stand for every cover of `x` that counts once, and for no other
//! cover that does; a stem counts, and its tokens are those that follow it, of which some in the
//! range of a head may not count.
//!
//! A step never changes what is there: it points to the step before it, and stems point to the
//! stems they grew out of. So heads are cloned by a pointer, and bytes are taken back by going to
//! an earlier step. What nothing points to is freed, in a loop and not by recursion, since texts
//! are long.
//!
//! Cost: one step of the trie for each head, of which there are at most as many as the longest
//! token has bytes, times the borders that are open; and one test for each new head, mostly one.
//! Under [`Covers::All`](crate::Covers::All) all cuts of a text into tokens are stems.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Error;
use crate::kernel::Kernel;
use crate::rules::{Covers, Rules, State};
use crate::utf8;
use crate::vocabulary::{NOWHERE, ROOT};

/// The most heads of a state.
pub const LIMIT: usize = 1 << 16;

/// Bytes between two ticks.
const TICK: usize = 1 << 12;

/// The numbers of nodes: one that is freed is not used again.
static SERIALS: AtomicU64 = AtomicU64::new(0);

/// A stem: a token and the stem that it stands behind.
pub struct Node {
    pub(crate) parent: Option<Arc<Node>>,
    pub(crate) id: u32,
    pub(crate) place: u32,
    /// The number of tokens.
    pub(crate) depth: u32,
    /// A number that no other node has.
    pub(crate) serial: u64,
    pub(crate) state: State,
}

impl Node {
    pub(crate) fn behind(parent: &Arc<Self>, id: u32, place: u32, state: State) -> Arc<Self> {
        Arc::new(Self {
            parent: Some(Arc::clone(parent)),
            id,
            place,
            depth: parent.depth + 1,
            serial: SERIALS.fetch_add(1, Ordering::Relaxed),
            state,
        })
    }

    /// The ids of the tokens: the context that a model scores.
    #[must_use]
    pub fn ids(&self) -> Vec<u32> {
        let mut ids = Vec::with_capacity(self.depth as usize);
        let mut node = self;
        while let Some(parent) = &node.parent {
            ids.push(node.id);
            node = parent;
        }
        ids.reverse();
        ids
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some(mut node) = next.and_then(Arc::into_inner) {
            next = node.parent.take();
        }
    }
}

/// A stem and the node of the trie that spells what it leaves over.
#[derive(Clone)]
pub(crate) struct Head {
    pub(crate) stem: Arc<Node>,
    pub(crate) at: u32,
}

/// One byte more.
struct Step {
    before: Option<Arc<Step>>,
    /// The number of bytes.
    len: usize,
    utf8: u8,
    heads: Box<[Head]>,
}

impl Drop for Step {
    fn drop(&mut self) {
        let mut next = self.before.take();
        while let Some(mut step) = next.and_then(Arc::into_inner) {
            next = step.before.take();
        }
    }
}

/// The heads of some bytes. A clone is a pointer.
#[derive(Clone)]
pub struct Heads {
    step: Arc<Step>,
    /// The bytes that the tokenizer writes before every text.
    prefix: usize,
}

impl Heads {
    pub(crate) fn new(kernel: &Kernel) -> Result<Self, Error> {
        let root = Arc::new(Node {
            parent: None,
            id: u32::MAX,
            place: NOWHERE,
            depth: 0,
            serial: SERIALS.fetch_add(1, Ordering::Relaxed),
            state: kernel.rules()?.start(),
        });
        let start = Self {
            step: Arc::new(Step {
                before: None,
                len: 0,
                utf8: utf8::START,
                heads: Box::new([Head {
                    stem: root,
                    at: ROOT,
                }]),
            }),
            prefix: 0,
        };
        let behind = start.push(kernel, kernel.prefix(), &mut || true)?;
        let mut heads = behind.unwrap_or(start);
        heads.prefix = kernel.prefix().len();
        Ok(heads)
    }

    /// The heads behind more bytes. `tick` is called now and then; when it returns false the work
    /// stops and the result is `None`.
    ///
    /// # Errors
    /// [`Error::NotUtf8`] and [`Error::NoCover`] for the first byte that cannot stand there,
    /// [`Error::TooMany`] where the heads are more than [`LIMIT`].
    pub fn push(
        &self,
        kernel: &Kernel,
        bytes: &[u8],
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Self>, Error> {
        let rules = kernel.rules()?;
        let mut step = Arc::clone(&self.step);
        for (count, &byte) in bytes.iter().enumerate() {
            if (count + 1) % TICK == 0 && !tick() {
                return Ok(None);
            }
            step = Arc::new(self.next(kernel, rules, &step, byte)?);
        }
        Ok(Some(Self { step, ..*self }))
    }

    fn next(
        &self,
        kernel: &Kernel,
        rules: Rules,
        before: &Arc<Step>,
        byte: u8,
    ) -> Result<Step, Error> {
        let position = before.len.saturating_sub(self.prefix);
        let utf8 = match kernel.covers() {
            Covers::All { utf8: false } => utf8::START,
            _ => utf8::step(before.utf8, byte).ok_or(Error::NotUtf8 { position, byte })?,
        };
        let vocabulary = kernel.vocabulary();
        let mut heads = Vec::with_capacity(before.heads.len() + 1);
        for head in &before.heads {
            let Some(at) = vocabulary.child(head.at, byte) else {
                continue;
            };
            let range = vocabulary.range(at);
            if range.is_open() {
                heads.push(Head {
                    stem: Arc::clone(&head.stem),
                    at,
                });
            }
            for place in range.low..range.exact {
                let id = vocabulary.ids()[place as usize];
                if let Some(state) = rules.push(&head.stem.state, id, utf8) {
                    heads.push(Head {
                        stem: Node::behind(&head.stem, id, place, state),
                        at: ROOT,
                    });
                }
            }
        }
        if heads.is_empty() {
            return Err(Error::NoCover { position, byte });
        }
        if heads.len() > LIMIT {
            return Err(Error::TooMany {
                position: position + 1,
                limit: LIMIT,
            });
        }
        Ok(Step {
            before: Some(Arc::clone(before)),
            len: before.len + 1,
            utf8,
            heads: heads.into_boxed_slice(),
        })
    }

    /// The heads with the last bytes taken back, `None` if there are not so many.
    #[must_use]
    pub fn pop(&self, bytes: usize) -> Option<Self> {
        let len = self.len().checked_sub(bytes)? + self.prefix;
        let mut step = &self.step;
        while step.len > len {
            step = step.before.as_ref()?;
        }
        Some(Self {
            step: Arc::clone(step),
            ..*self
        })
    }

    /// The number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.step.len - self.prefix
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of heads.
    #[must_use]
    pub fn count(&self) -> usize {
        self.step.heads.len()
    }

    pub(crate) fn heads(&self) -> &[Head] {
        &self.step.heads
    }

    /// The longest stem that all stems grew out of.
    pub(crate) fn trunk(&self) -> Option<&Arc<Node>> {
        self.heads().iter().map(|head| &head.stem).reduce(fork)
    }
}

/// The longest stem that two stems grew out of.
fn fork<'n>(mut left: &'n Arc<Node>, mut right: &'n Arc<Node>) -> &'n Arc<Node> {
    while !Arc::ptr_eq(left, right) {
        let longer = if left.depth >= right.depth {
            &mut left
        } else {
            &mut right
        };
        match &longer.parent {
            Some(parent) => *longer = parent,
            None => break,
        }
    }
    left
}
