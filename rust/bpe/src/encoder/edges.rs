//! The edges of a trie: from a node with a byte to a node.
//!
//! Walking down a trie is a chain of look-ups, each of which waits for the one before it. So an
//! edge is found by one read nearly always, by linear probing at a load of at most one half, where
//! [`pairs`](super::pairs) has two reads, one behind the other, and none of them in vain.

use super::memory::Table;

/// A table of edges. A slot is one word: node, byte, node.
pub struct Edges {
    slots: Table<u64>,
    shift: u32,
}

const EMPTY: u64 = u64::MAX;

impl Edges {
    /// A table of edges `(node, byte, child)`, no two alike, with nodes below `2^24 - 1`.
    #[must_use]
    pub fn new(edges: &[(u32, u8, u32)]) -> Self {
        let bits = (2 * edges.len()).next_power_of_two().ilog2().max(4);
        let mut table = Self {
            slots: Table::new(EMPTY, 1 << bits),
            shift: u64::BITS - bits,
        };
        for &(node, byte, child) in edges {
            let key = Self::key(node, byte);
            let mut at = table.home(key);
            while table.slots[at] != EMPTY {
                at = (at + 1) & (table.slots.len() - 1);
            }
            table.slots[at] = key << 32 | u64::from(child);
        }
        table
    }

    #[inline(always)]
    fn key(node: u32, byte: u8) -> u64 {
        u64::from(node << 8 | u32::from(byte))
    }

    #[inline(always)]
    fn home(&self, key: u64) -> usize {
        (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize
    }

    /// The node behind an edge.
    #[inline(always)]
    #[must_use]
    pub fn get(&self, node: u32, byte: u8) -> Option<u32> {
        let key = Self::key(node, byte);
        let mut at = self.home(key);
        loop {
            let slot = self.slots[at & (self.slots.len() - 1)];
            if slot == EMPTY {
                return None;
            }
            if slot >> 32 == key {
                return Some(slot as u32);
            }
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn agrees_with_a_map() {
        for count in [0, 1, 9, 5000] {
            let edges: Vec<_> = (0..count)
                .map(|child: u32| (child * 7 / 3, (child * 31 % 251) as u8, child))
                .collect();
            let map: HashMap<_, _> = edges
                .iter()
                .map(|&(node, byte, child)| ((node, byte), child))
                .collect();
            let table = Edges::new(&edges);
            for node in 0..200 {
                for byte in 0..=255 {
                    assert_eq!(table.get(node, byte), map.get(&(node, byte)).copied());
                }
            }
        }
    }
}
