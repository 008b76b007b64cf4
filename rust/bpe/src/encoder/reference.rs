//! The slow twin of the encoder: the definition, in the fewest words.
//!
//! It knows the model alone: no live merges, no symbols, no units, no cache.

use std::collections::HashMap;

use rustc_hash::FxHashSet;

use crate::model::{Kind, Model};

/// The merges of a model as a map.
pub struct Reference<'m> {
    model: &'m Model,
    ranks: HashMap<(u32, u32), usize>,
    specials: &'m FxHashSet<u32>,
}

impl<'m> Reference<'m> {
    /// The twin of an encoder of the same model and specials.
    #[must_use]
    pub fn new(model: &'m Model, specials: &'m FxHashSet<u32>) -> Self {
        let ranks = model
            .merges
            .iter()
            .enumerate()
            .filter(|(_, merge)| !specials.contains(&merge.result))
            .map(|(rank, merge)| ((merge.left, merge.right), rank))
            .collect();
        Self {
            model,
            ranks,
            specials,
        }
    }

    fn id(&self, token: &[u8]) -> Option<u32> {
        self.model
            .vocab
            .id(token)
            .filter(|id| !self.specials.contains(id))
    }

    /// The ids of one pretoken, or `None` if it cannot be spelled.
    #[must_use]
    pub fn encode(&self, pretoken: &[u8]) -> Option<Vec<u32>> {
        if self.model.ignore_merges
            && let Some(id) = self.id(pretoken)
        {
            return Some(vec![id]);
        }
        let mut ids = Vec::new();
        match &self.model.kind {
            Kind::Bytes => {
                for byte in pretoken {
                    ids.push(self.id(&[*byte])?);
                }
            }
            Kind::Characters { fallback } => {
                for chunk in pretoken.utf8_chunks() {
                    for character in chunk.valid().chars().map(String::from) {
                        match (self.id(character.as_bytes()), fallback) {
                            (Some(id), _) => ids.push(id),
                            (None, Some(fallback)) => {
                                ids.extend(character.bytes().map(|byte| fallback[byte as usize]));
                            }
                            (None, None) => return None,
                        }
                    }
                    for &byte in chunk.invalid() {
                        ids.push(fallback.as_ref()?[byte as usize]);
                    }
                }
            }
        }
        while let Some((rank, place)) = ids
            .windows(2)
            .enumerate()
            .filter_map(|(place, pair)| Some((*self.ranks.get(&(pair[0], pair[1]))?, place)))
            .min()
        {
            ids[place] = self.model.merges[rank].result;
            ids.remove(place + 1);
        }
        Some(ids)
    }
}
