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
//! A step is a byte and the stems that end behind it. It never changes: it points to the step
//! before it, and stems point to the stems they grew out of. So heads are cloned by a pointer, and
//! bytes are taken back by going to an earlier step, whose heads are found again from the stems of
//! the last steps. What nothing points to is freed, in a loop and not by recursion, since texts are
//! long.
//!
//! Under [`Covers::All`](crate::Covers::All) all cuts of a text into tokens are stems, so many that
//! they are not made. What goes on from a stem depends on the number of its bytes alone, so one
//! stem of each number stands for all, and [`Heads::below`] says what goes on.
//!
//! Cost: one step of the trie for each head, of which there are at most as many as the longest
//! token has bytes, times the borders that are open; and one test for each new head, mostly one.
//! A byte that is kept costs a step and its stems.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::Error;
use crate::kernel::Kernel;
use crate::rules::{Covers, Rules, State};
use crate::utf8;
use crate::vocabulary::{NOWHERE, ROOT};

/// The most stems that are listed, or held open at a time, where all cuts are stems.
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
    /// The stem without tokens.
    pub(crate) fn root(state: State) -> Arc<Self> {
        Arc::new(Self {
            parent: None,
            id: u32::MAX,
            place: NOWHERE,
            depth: 0,
            serial: SERIALS.fetch_add(1, Ordering::Relaxed),
            state,
        })
    }

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
pub(crate) struct Head {
    pub(crate) stem: Arc<Node>,
    pub(crate) at: u32,
    /// What was found about its last tokens, which are those of the head before and fewer.
    found: Found,
}

/// Which of the last tokens of a head were tried.
#[derive(Default)]
struct Found {
    /// One more than the place of a token that counts, 0 if none was found.
    witness: AtomicU32,
    /// The first place that was tried, and above it a bit for each place from there on that does
    /// not count.
    failed: AtomicU64,
}

impl Found {
    /// What is known of fewer tokens.
    fn of_part(&self) -> Self {
        Self {
            witness: AtomicU32::new(self.witness.load(Ordering::Relaxed)),
            failed: AtomicU64::new(self.failed.load(Ordering::Relaxed)),
        }
    }
}

impl Head {
    fn new(stem: Arc<Node>, at: u32) -> Self {
        Self {
            stem,
            at,
            found: Found::default(),
        }
    }

    /// The same head, to go on from.
    fn again(&self) -> Self {
        Self {
            stem: Arc::clone(&self.stem),
            at: self.at,
            found: self.found.of_part(),
        }
    }

    /// Whether one of at most 32 last tokens counts; `counts` tries one, and each is tried once,
    /// with whatever bytes behind the stem.
    pub(crate) fn has(&self, places: Range<u32>, counts: impl Fn(u32) -> bool) -> bool {
        let witness = self.found.witness.load(Ordering::Relaxed);
        if witness > 0 && places.contains(&(witness - 1)) {
            return true;
        }
        let failed = self.found.failed.load(Ordering::Relaxed);
        let (mut base, mut mask) = (failed as u32, (failed >> 32) as u32);
        if mask == 0 {
            base = places.start;
        }
        let found = places.clone().find(|place| {
            let bit = 1 << (place - base);
            if mask & bit != 0 {
                return false;
            }
            let counts = counts(*place);
            if !counts {
                mask |= bit;
            }
            counts
        });
        let failed = u64::from(mask) << 32 | u64::from(base);
        self.found.failed.store(failed, Ordering::Relaxed);
        if let Some(place) = found {
            self.found.witness.store(place + 1, Ordering::Relaxed);
        }
        found.is_some()
    }
}

/// One byte more.
struct Step {
    before: Option<Arc<Step>>,
    /// The number of bytes.
    len: usize,
    /// The stems that spell all bytes.
    stems: Box<[Arc<Node>]>,
    byte: u8,
    utf8: u8,
}

impl Drop for Step {
    fn drop(&mut self) {
        let mut next = self.before.take();
        while let Some(mut step) = next.and_then(Arc::into_inner) {
            next = step.before.take();
        }
    }
}

/// The heads behind a step, the longest rest first.
struct Tip {
    heads: Vec<Head>,
    /// A stem that all stems grew out of, if one is known.
    floor: Option<Arc<Node>>,
    /// The longest such stem, once it was asked for.
    trunk: OnceLock<Arc<Node>>,
}

/// What goes on from the stems that spell the first bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Below {
    /// The places of the tokens behind which the text goes on or ends, and the number of bytes
    /// behind each.
    pub tokens: Vec<(u32, usize)>,
    /// The node of the trie that spells the rest, if longer tokens do.
    pub at: Option<u32>,
}

/// The heads of some bytes. A clone is a pointer.
#[derive(Clone)]
pub struct Heads {
    step: Arc<Step>,
    tip: Arc<Tip>,
    /// The bytes that the tokenizer writes before every text.
    prefix: usize,
}

impl Heads {
    pub(crate) fn new(kernel: &Kernel) -> Result<Self, Error> {
        let root = kernel.root()?;
        let start = Self {
            step: Arc::new(Step {
                before: None,
                len: 0,
                stems: Box::new([Arc::clone(&root)]),
                byte: 0,
                utf8: utf8::START,
            }),
            tip: Arc::new(Tip {
                heads: vec![Head::new(root, ROOT)],
                floor: None,
                trunk: OnceLock::new(),
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
    /// [`Error::NotUtf8`] and [`Error::NoCover`] for the first byte that cannot stand there.
    pub fn push(
        &self,
        kernel: &Kernel,
        bytes: &[u8],
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Self>, Error> {
        if bytes.is_empty() {
            return Ok(Some(self.clone()));
        }
        let rules = kernel.rules()?;
        let mut step = Arc::clone(&self.step);
        let mut heads = Vec::with_capacity(self.tip.heads.len() + 2);
        heads.extend(self.tip.heads.iter().map(Head::again));
        for (count, &byte) in bytes.iter().enumerate() {
            if (count + 1) % TICK == 0 && !tick() {
                return Ok(None);
            }
            step = Arc::new(self.next(kernel, rules, &step, &mut heads, byte)?);
        }
        // No stem grows out of less than the trunk of those before.
        let floor = self.tip.trunk.get().or(self.tip.floor.as_ref());
        let tip = Tip {
            heads,
            floor: floor.cloned(),
            trunk: OnceLock::new(),
        };
        Ok(Some(Self {
            step,
            tip: Arc::new(tip),
            ..*self
        }))
    }

    /// The step behind one more byte; moves the heads.
    fn next(
        &self,
        kernel: &Kernel,
        rules: Rules,
        before: &Arc<Step>,
        heads: &mut Vec<Head>,
        byte: u8,
    ) -> Result<Step, Error> {
        let position = before.len.saturating_sub(self.prefix);
        let utf8 = match kernel.covers() {
            Covers::All { utf8: false } => utf8::START,
            _ => utf8::step(before.utf8, byte).ok_or(Error::NotUtf8 { position, byte })?,
        };
        let vocabulary = kernel.vocabulary();
        let one_is_enough = kernel.covers() != Covers::Admissible;
        let mut stems = Vec::new();
        heads.retain_mut(|head| {
            let Some(at) = vocabulary.child(head.at, byte) else {
                return false;
            };
            let range = vocabulary.range(at);
            for place in range.low..range.exact {
                if one_is_enough && !stems.is_empty() {
                    break;
                }
                let id = vocabulary.ids()[place as usize];
                if let Some(state) = rules.push(&head.stem.state, id, utf8) {
                    stems.push(Node::behind(&head.stem, id, place, state));
                }
            }
            head.at = at;
            range.is_open()
        });
        heads.extend(stems.iter().map(|stem| Head::new(Arc::clone(stem), ROOT)));
        if heads.is_empty() {
            return Err(Error::NoCover { position, byte });
        }
        Ok(Step {
            before: Some(Arc::clone(before)),
            len: before.len + 1,
            stems: stems.into_boxed_slice(),
            byte,
            utf8,
        })
    }

    /// The heads with the last bytes taken back, `None` if there are not so many.
    #[must_use]
    pub fn pop(&self, kernel: &Kernel, bytes: usize) -> Option<Self> {
        if bytes == 0 {
            return Some(self.clone());
        }
        let len = self.len().checked_sub(bytes)? + self.prefix;
        let mut step = &self.step;
        while step.len > len {
            step = step.before.as_ref()?;
        }
        let vocabulary = kernel.vocabulary();
        let (mut heads, mut rest, mut start) = (Vec::new(), Vec::new(), step);
        loop {
            let spelled = rest.iter().rev();
            let at = spelled
                .clone()
                .try_fold(ROOT, |at, &byte| vocabulary.child(at, byte));
            if let Some(at) = at.filter(|&at| vocabulary.range(at).is_open()) {
                let stems = start.stems.iter().rev();
                heads.extend(stems.map(|stem| Head::new(Arc::clone(stem), at)));
            }
            let Some(before) = &start.before else {
                break;
            };
            rest.push(start.byte);
            if rest.len() >= vocabulary.longest() {
                break;
            }
            start = before;
        }
        heads.reverse();
        let tip = Tip {
            heads,
            floor: None,
            trunk: OnceLock::new(),
        };
        Some(Self {
            step: Arc::clone(step),
            tip: Arc::new(tip),
            ..*self
        })
    }

    /// What goes on from the stems that spell the first `size` bytes, for some sizes; these and the
    /// sizes that are told count what the tokenizer writes before every text. A size beyond the
    /// bytes has nothing.
    ///
    /// Cost: for each byte behind the least size, a walk along the trie.
    #[must_use]
    pub fn below(&self, kernel: &Kernel, sizes: &[usize]) -> Vec<Below> {
        let vocabulary = kernel.vocabulary();
        let (end, first) = (self.step.len, sizes.iter().copied().min().unwrap_or(0));
        let mut bytes = Vec::new();
        let mut step = &self.step;
        while step.len > first {
            bytes.push(step.byte);
            let Some(before) = &step.before else {
                break;
            };
            step = before;
        }
        bytes.reverse();
        // From the last on, so that it is known whether anything goes on behind a token.
        let mut all: Vec<Below> = vec![Below::default(); bytes.len() + 1];
        for start in (0..all.len()).rev() {
            let mut below = Below {
                tokens: Vec::new(),
                at: Some(ROOT),
            };
            for (place, &byte) in bytes.iter().enumerate().skip(start) {
                below.at = below.at.and_then(|at| vocabulary.child(at, byte));
                let Some(at) = below.at else {
                    break;
                };
                let (range, next) = (vocabulary.range(at), &all[place + 1]);
                if next.at.is_some() || !next.tokens.is_empty() {
                    let tokens = (range.low..range.exact).map(|token| (token, first + place + 1));
                    below.tokens.extend(tokens);
                }
            }
            below.at = below.at.filter(|&at| vocabulary.range(at).is_open());
            all[start] = below;
        }
        let found = |&size: &usize| {
            let known = size.checked_sub(first).filter(|_| size <= end);
            known
                .and_then(|place| all.get(place))
                .cloned()
                .unwrap_or_default()
        };
        sizes.iter().map(found).collect()
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
        self.tip.heads.len()
    }

    pub(crate) fn heads(&self) -> &[Head] {
        &self.tip.heads
    }

    /// The longest stem that all stems grew out of.
    pub(crate) fn trunk(&self) -> Option<&Arc<Node>> {
        let tip = &*self.tip;
        if let Some(known) = tip.trunk.get() {
            return Some(known);
        }
        let mut stems = self.heads().iter().map(|head| &head.stem);
        let first = stems.next()?;
        let found = stems.try_fold(first, |trunk, stem| {
            let trunk = fork(trunk, stem);
            match &tip.floor {
                Some(floor) if Arc::ptr_eq(floor, trunk) => Err(trunk),
                _ => Ok(trunk),
            }
        });
        let (Ok(found) | Err(found)) = found;
        Some(tip.trunk.get_or_init(|| Arc::clone(found)))
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
