//! All encodings that a text without an end can still have.
//!
//! Behind some bytes of a text, the tokens that cover them are not all settled: the last word may go
//! on, and what follows may move borders. A *path* is a sequence of tokens that covers the bytes,
//! its last token perhaps going beyond them, and that starts the encoding of some text. The tokens
//! that all paths share are *decided*: no continuation takes them away.
//!
//! Paths are a tree, since no text has two encodings: a node is a place in the text and a state of
//! the admissibility test there. A node is a *head* while some token that starts there goes beyond
//! the bytes; it has the range of those tokens in the sorted vocabulary. A node that is no head and
//! leads to none is taken away. When the root leads to one node alone and is no head, that node's
//! token is decided and it becomes the root.
//!
//! Invariant: a path of admissible tokens over the bytes is in the tree. Behind [`Frontier::settle`]
//! nothing else is.
//!
//! Cost: a byte is a search in a range for each head, and one step of the test for each token that
//! ends there. Heads are at most as many as the bytes of the longest token, times the branches of
//! the test, so the cost of a byte has a bound that no text passes.

use tokseam_bpe::Tokenizer;
use tokseam_bpe::admissible::{Admissibility, State};

/// The tokens of a vocabulary, sorted by their bytes.
pub(crate) struct Tokens<'t> {
    tokenizer: &'t Tokenizer,
    ids: &'t [u32],
}

impl<'t> Tokens<'t> {
    /// The tokens of a tokenizer.
    pub(crate) fn new(tokenizer: &'t Tokenizer) -> Self {
        Self {
            tokenizer,
            ids: tokenizer.sorted_ids(),
        }
    }

    /// The part of a range whose tokens have a byte at a depth, all sharing those before it.
    fn narrow(&self, range: (u32, u32), depth: usize, byte: u8) -> (u32, u32) {
        let ids = &self.ids[range.0 as usize..range.1 as usize];
        let at = |id: &u32| self.tokenizer.spelling(*id).get(depth).copied();
        let start = ids.partition_point(|id| at(id) < Some(byte));
        let len = ids[start..].partition_point(|id| at(id) == Some(byte));
        (range.0 + start as u32, range.0 + (start + len) as u32)
    }

    /// The number of tokens of a range that are no longer than a depth; they come first.
    fn whole(&self, range: (u32, u32), depth: usize) -> usize {
        let ids = &self.ids[range.0 as usize..range.1 as usize];
        ids.iter()
            .take_while(|&&id| self.tokenizer.spelling(id).len() == depth)
            .count()
    }
}

/// The root has no parent.
const NOBODY: u32 = u32::MAX;

struct Node {
    parent: u32,
    children: u32,
    /// The token that leads here.
    id: u32,
    place: u64,
    state: State,
    /// The tokens that start with the bytes from here on and are longer; none if this is no head.
    range: (u32, u32),
}

/// The paths over the bytes so far.
pub(crate) struct Frontier {
    nodes: Vec<Node>,
    free: Vec<u32>,
    /// Nodes that are heads.
    heads: Vec<u32>,
    root: u32,
    place: u64,
    is_dead: bool,
}

impl Frontier {
    /// The paths of a text without any bytes.
    pub(crate) fn new(admissibility: &Admissibility) -> Self {
        let mut frontier = Self {
            nodes: Vec::new(),
            free: Vec::new(),
            heads: Vec::new(),
            root: 0,
            place: 0,
            is_dead: false,
        };
        frontier.add(NOBODY, 0, admissibility.start());
        frontier
    }

    fn add(&mut self, parent: u32, id: u32, state: State) {
        let node = Node {
            parent,
            children: 0,
            id,
            place: self.place,
            state,
            range: (0, u32::MAX),
        };
        let index = if let Some(index) = self.free.pop() {
            self.nodes[index as usize] = node;
            index
        } else {
            self.nodes.push(node);
            self.nodes.len() as u32 - 1
        };
        if parent != NOBODY {
            self.nodes[parent as usize].children += 1;
        }
        self.heads.push(index);
    }

    /// The place up to which all is decided, and the state of the test there.
    pub(crate) fn decided(&self) -> (u64, &State) {
        let root = &self.nodes[self.root as usize];
        (root.place, &root.state)
    }

    /// Whether the bytes are no start of a text.
    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead
    }

    /// Goes on by one byte of the text; appends the tokens that are decided with it.
    pub(crate) fn push(
        &mut self,
        admissibility: &Admissibility,
        tokens: &Tokens,
        byte: u8,
        decided: &mut Vec<u32>,
    ) {
        if self.is_dead {
            return;
        }
        let before = self.place;
        self.place += 1;
        let mut heads = std::mem::take(&mut self.heads);
        let mut closed = Vec::new();
        heads.retain(|&head| {
            let node = &self.nodes[head as usize];
            let depth = (before - node.place) as usize;
            let range = (node.range.0, node.range.1.min(tokens.ids.len() as u32));
            let range = tokens.narrow(range, depth, byte);
            let whole = tokens.whole(range, depth + 1);
            for place in range.0..range.0 + whole as u32 {
                let id = tokens.ids[place as usize];
                if let Some(state) = admissibility.push(&self.nodes[head as usize].state, id)
                    && !self.has(&state)
                {
                    self.add(head, id, state);
                }
            }
            let range = (range.0 + whole as u32, range.1);
            self.nodes[head as usize].range = range;
            if range.0 == range.1 {
                closed.push(head);
            }
            range.0 < range.1
        });
        heads.append(&mut self.heads);
        self.heads = heads;
        for head in closed {
            self.prune(head);
        }
        self.advance(decided);
    }

    /// Whether a node of this byte has the state.
    fn has(&self, state: &State) -> bool {
        let mut new = self.heads.iter().map(|&head| &self.nodes[head as usize]);
        new.any(|node| node.state == *state)
    }

    /// Takes away a node that leads nowhere, and what led only to it.
    fn prune(&mut self, mut index: u32) {
        loop {
            let node = &self.nodes[index as usize];
            if node.children > 0 || node.range.0 < node.range.1 {
                return;
            }
            let parent = node.parent;
            if parent == NOBODY {
                self.is_dead = true;
                return;
            }
            self.free.push(index);
            self.nodes[parent as usize].children -= 1;
            // A freed node is told by its parent.
            self.nodes[index as usize].parent = index;
            index = parent;
        }
    }

    /// Moves the root over what is decided.
    fn advance(&mut self, decided: &mut Vec<u32>) {
        loop {
            let root = &self.nodes[self.root as usize];
            if self.is_dead || root.children != 1 || root.range.0 < root.range.1 {
                return;
            }
            let child = self.child_of_root();
            decided.push(self.nodes[child as usize].id);
            self.nodes[child as usize].parent = NOBODY;
            self.nodes[self.root as usize].parent = self.root;
            self.free.push(self.root);
            self.root = child;
        }
    }

    /// The one child of the root: all heads descend from it.
    fn child_of_root(&self) -> u32 {
        let mut index = self.heads[0];
        while self.nodes[index as usize].parent != self.root {
            index = self.nodes[index as usize].parent;
        }
        index
    }

    /// Takes away heads whose longer tokens are all inadmissible; appends what is decided then.
    pub(crate) fn settle(
        &mut self,
        admissibility: &Admissibility,
        tokens: &Tokens,
        decided: &mut Vec<u32>,
    ) {
        if self.is_dead {
            return;
        }
        let mut heads = std::mem::take(&mut self.heads);
        heads.retain(|&head| {
            let node = &self.nodes[head as usize];
            // A node at the end is a path already; it may end there, or a token follows.
            let end = node.range.1.min(tokens.ids.len() as u32);
            if node.place == self.place {
                return true;
            }
            let mut longer = tokens.ids[node.range.0 as usize..end as usize].iter();
            let is_head = longer.any(|&id| admissibility.push(&node.state, id).is_some());
            if !is_head {
                self.nodes[head as usize].range = (0, 0);
            }
            is_head
        });
        let dead: Vec<u32> = {
            let all = 0..self.nodes.len() as u32;
            all.filter(|&index| {
                let node = &self.nodes[index as usize];
                node.parent != index && node.children == 0 && node.range == (0, 0)
            })
            .collect()
        };
        self.heads = heads;
        for index in dead {
            self.prune(index);
        }
        self.advance(decided);
    }

    /// The undecided tokens of each path, its last one left out if it goes beyond the bytes.
    pub(crate) fn paths(&self) -> Vec<Vec<u32>> {
        if self.is_dead {
            return Vec::new();
        }
        self.heads.iter().map(|&head| self.path(head)).collect()
    }

    fn path(&self, mut index: u32) -> Vec<u32> {
        let mut path = Vec::new();
        while self.nodes[index as usize].parent != NOBODY {
            path.push(self.nodes[index as usize].id);
            index = self.nodes[index as usize].parent;
        }
        path.reverse();
        path
    }

    /// The undecided tokens of the text as it is, if it may end here.
    pub(crate) fn finished(&self, admissibility: &Admissibility) -> Option<Vec<u32>> {
        if self.is_dead {
            return None;
        }
        let mut heads = self.heads.iter().copied();
        let end = heads.find(|&head| {
            let node = &self.nodes[head as usize];
            node.place == self.place && admissibility.can_end(&node.state)
        })?;
        Some(self.path(end))
    }
}
