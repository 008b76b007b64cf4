//! The tokens that merging can make, numbered by rank.
//!
//! A *symbol* is the number of such a token inside the encoder: first the base symbols (single
//! bytes or characters), then the result of each live merge in the order of ranks. So the rank of
//! a merge and its result are one number, and "the merge of lowest rank" is "the smallest result".
//!
//! A merge `(l, r) -> t` is *live* if greedy merging of `t`'s own text, without the merges that
//! make `t`, ends in exactly `[l, r]`. A merge that is not live never fires in any text: when `l`
//! and `r` stand side by side, all merging under `t` has happened inside it, and the rest of the
//! text had no part in it. At most one merge a token is live. A token with one merge needs no
//! test: if that merge is dead it never fires, and does no harm. Merges that make a special
//! token are left out: plain text never yields a special id.
//!
//! A symbol is *regular* if it and every symbol inside it has larger rank than its parts. Files
//! trained by byte-pair encoding have only regular ones. Walking back merges (the pair test,
//! backtracking) is valid on regular symbols alone.

use rustc_hash::{FxHashMap, FxHashSet};

use super::pairs::{NONE, PairTable};
use super::plain::{self, Merges};
use crate::model::{Kind, Model};

/// The symbols of a model.
pub struct Symbols {
    base: Base,
    base_len: u32,
    ids: Vec<u32>,
    of_id: Vec<u32>,
    parts: Vec<(u32, u32)>,
    irregular: FxHashSet<u32>,
    is_identity: bool,
}

/// What a text is before the first merge.
pub enum Base {
    /// One symbol for each byte that has a token.
    Bytes(Box<[u32; 256]>),
    /// One symbol for each character that has a token, and for the bytes of all others.
    Characters {
        /// Symbols of characters.
        symbols: FxHashMap<char, u32>,
        /// Symbols of bytes, for characters without a token; [`NONE`] where there is no fallback.
        fallback: Box<[u32; 256]>,
    },
}

/// All merges of a model by token ids, except those that make one token.
struct Without<'m> {
    model: &'m Model,
    ranks: &'m PairTable,
    token: u32,
}

impl Merges for Without<'_> {
    fn rank(&self, left: u32, right: u32) -> u32 {
        match self.ranks.get(left, right) {
            NONE => NONE,
            rank if self.result(rank) == self.token => NONE,
            rank => rank,
        }
    }

    fn result(&self, rank: u32) -> u32 {
        self.model.merges[rank as usize].result
    }
}

impl Symbols {
    /// Numbers the symbols of a model whose special ids are given.
    #[must_use]
    pub fn new(model: &Model, specials: &FxHashSet<u32>) -> Self {
        let (base, mut ids) = Base::new(model, specials);
        let base_len = ids.len() as u32;
        let live = live_merges(model, specials, &base, &ids);
        let mut of_id = vec![NONE; model.vocab.size()];
        for (symbol, &id) in ids.iter().enumerate() {
            of_id[id as usize] = symbol as u32;
        }
        for &rank in &live {
            let result = model.merges[rank as usize].result;
            of_id[result as usize] = ids.len() as u32;
            ids.push(result);
        }
        let parts: Vec<_> = live
            .iter()
            .map(|&rank| {
                let merge = &model.merges[rank as usize];
                (of_id[merge.left as usize], of_id[merge.right as usize])
            })
            .collect();
        let irregular = irregular(base_len, &parts);
        Self {
            is_identity: ids
                .iter()
                .enumerate()
                .all(|(symbol, &id)| symbol as u32 == id),
            base,
            base_len,
            ids,
            of_id,
            parts,
            irregular,
        }
    }

    /// What a text is before the first merge.
    #[must_use]
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// The number of base symbols.
    #[must_use]
    pub fn base_len(&self) -> u32 {
        self.base_len
    }

    /// The number of symbols.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.ids.len() as u32
    }

    /// The number of live merges.
    #[must_use]
    pub fn merges(&self) -> usize {
        self.parts.len()
    }

    /// The token id of a symbol.
    #[must_use]
    pub fn id(&self, symbol: u32) -> u32 {
        self.ids[symbol as usize]
    }

    /// The symbol of a token id, if merging can make it.
    #[must_use]
    pub fn of_id(&self, id: u32) -> Option<u32> {
        self.of_id
            .get(id as usize)
            .copied()
            .filter(|&symbol| symbol != NONE)
    }

    /// The two symbols that a symbol is merged from; `None` for a base symbol.
    #[must_use]
    pub fn parts(&self, symbol: u32) -> Option<(u32, u32)> {
        let merge = symbol.checked_sub(self.base_len)?;
        self.parts.get(merge as usize).copied()
    }

    /// Whether a symbol is regular (see the module).
    #[must_use]
    pub fn is_regular(&self, symbol: u32) -> bool {
        self.irregular.is_empty() || !self.irregular.contains(&symbol)
    }

    /// Whether every symbol is its own id.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.is_identity
    }

    /// The symbol of a byte that has no character around it, [`NONE`] if it has none.
    #[must_use]
    pub fn byte(&self, byte: u8) -> u32 {
        match &self.base {
            Base::Bytes(symbols)
            | Base::Characters {
                fallback: symbols, ..
            } => symbols[byte as usize],
        }
    }

    /// Whether no text with this byte can be spelled: it has no symbol.
    #[must_use]
    pub fn is_missing(&self, byte: u8) -> bool {
        self.byte(byte) == NONE
    }

    /// Whether a character has a symbol of its own.
    #[must_use]
    pub fn has_character(&self, character: char) -> bool {
        match &self.base {
            Base::Bytes(_) => false,
            Base::Characters { symbols, .. } => symbols.contains_key(&character),
        }
    }

    /// Whether a symbol stands for a byte of a character without a token.
    #[must_use]
    pub fn is_fallback(&self, symbol: u32) -> bool {
        match &self.base {
            Base::Bytes(_) => false,
            // They are numbered behind the characters.
            Base::Characters { symbols, .. } => {
                (symbols.len() as u32..self.base_len).contains(&symbol)
            }
        }
    }

    /// The byte that a symbol stands for, if it is one of a character without a token.
    #[must_use]
    pub fn fallback_byte(&self, symbol: u32) -> Option<u8> {
        match &self.base {
            Base::Bytes(_) => None,
            Base::Characters { symbols, .. } => {
                let byte = symbol.checked_sub(symbols.len() as u32)?;
                (symbol < self.base_len).then_some(byte as u8)
            }
        }
    }

    /// Appends the base symbols of a text.
    ///
    /// # Errors
    /// The place of the first character or byte that has none.
    pub fn spell(&self, text: &[u8], out: &mut Vec<u32>) -> Result<(), usize> {
        self.base.spell(text, out)
    }

    /// Calls `each` with the text of every symbol below `limit` that may have more than one byte.
    pub fn for_each_text(&self, model: &Model, limit: u32, mut each: impl FnMut(&[u8])) {
        if let Base::Characters { symbols, .. } = &self.base {
            let mut utf8 = [0; 4];
            for character in symbols.keys() {
                each(character.encode_utf8(&mut utf8).as_bytes());
            }
        }
        for symbol in self.base_len..limit {
            each(model.vocab.get(self.id(symbol)).unwrap_or_default());
        }
    }

    /// Every merge as `(left, right, result)`, in the order of ranks.
    #[must_use]
    pub fn iter_merges(&self) -> impl ExactSizeIterator<Item = (u32, u32, u32)> + '_ {
        let base = self.base_len;
        self.parts
            .iter()
            .enumerate()
            .map(move |(index, &(left, right))| (left, right, base + index as u32))
    }
}

impl Base {
    /// The base of a model, and the ids of its symbols.
    fn new(model: &Model, specials: &FxHashSet<u32>) -> (Self, Vec<u32>) {
        let mut ids = Vec::new();
        let mut number = |id: u32| {
            ids.push(id);
            ids.len() as u32 - 1
        };
        let base = match &model.kind {
            Kind::Bytes => {
                let mut symbols = Box::new([NONE; 256]);
                for (id, token) in model.vocab.iter() {
                    if let &[byte] = token
                        && !specials.contains(&id)
                        && model.vocab.id(token) == Some(id)
                    {
                        symbols[byte as usize] = number(id);
                    }
                }
                Base::Bytes(symbols)
            }
            Kind::Characters { fallback } => {
                let mut symbols = FxHashMap::default();
                for (id, token) in model.vocab.iter() {
                    let mut characters = std::str::from_utf8(token).unwrap_or("").chars();
                    if let (Some(character), None) = (characters.next(), characters.next())
                        && !specials.contains(&id)
                    {
                        symbols.insert(character, number(id));
                    }
                }
                let mut bytes = Box::new([NONE; 256]);
                if let Some(fallback) = fallback {
                    for (symbol, &id) in bytes.iter_mut().zip(fallback.iter()) {
                        *symbol = number(id);
                    }
                }
                Base::Characters {
                    symbols,
                    fallback: bytes,
                }
            }
        };
        (base, ids)
    }

    /// Appends the symbols of a text.
    ///
    /// # Errors
    /// The place of the first character or byte that has none.
    fn spell(&self, text: &[u8], out: &mut Vec<u32>) -> Result<(), usize> {
        match self {
            Base::Bytes(symbols) => {
                for (place, &byte) in text.iter().enumerate() {
                    let symbol = symbols[byte as usize];
                    if symbol == NONE {
                        return Err(place);
                    }
                    out.push(symbol);
                }
            }
            Base::Characters { symbols, fallback } => {
                let mut place = 0;
                let bytes = |bytes: &[u8], place: usize, out: &mut Vec<u32>| {
                    for &byte in bytes {
                        match fallback[byte as usize] {
                            NONE => return Err(place),
                            symbol => out.push(symbol),
                        }
                    }
                    Ok(())
                };
                for chunk in text.utf8_chunks() {
                    for character in chunk.valid().chars() {
                        let len = character.len_utf8();
                        match symbols.get(&character) {
                            Some(&symbol) => out.push(symbol),
                            None => bytes(&text[place..place + len], place, out)?,
                        }
                        place += len;
                    }
                    bytes(chunk.invalid(), place, out)?;
                    place += chunk.invalid().len();
                }
            }
        }
        Ok(())
    }
}

/// The ranks of one merge a token, live where the token has several, in order.
fn live_merges(
    model: &Model,
    specials: &FxHashSet<u32>,
    base: &Base,
    base_ids: &[u32],
) -> Vec<u32> {
    const MANY: u32 = NONE - 1;
    let merges = &model.merges;
    let possible = |rank: u32| {
        let merge = &merges[rank as usize];
        !specials.contains(&merge.result)
    };
    // The rank of the only merge of a token, or MANY.
    let mut only = vec![NONE; model.vocab.size()];
    for rank in (0..merges.len() as u32).filter(|&rank| possible(rank)) {
        let slot = &mut only[merges[rank as usize].result as usize];
        *slot = if *slot == NONE { rank } else { MANY };
    }
    let mut chosen: Vec<u32> = only.iter().copied().filter(|&rank| rank < MANY).collect();
    if only.contains(&MANY) {
        let ranks: Vec<u32> = (0..merges.len() as u32)
            .filter(|&rank| possible(rank))
            .collect();
        let table = PairTable::new(ranks.iter().map(|&rank| {
            let merge = &merges[rank as usize];
            (merge.left, merge.right, rank)
        }));
        let mut spelled = Vec::new();
        for token in (0..only.len() as u32).filter(|&token| only[token as usize] == MANY) {
            spelled.clear();
            let text = model.vocab.get(token).unwrap_or_default();
            if base.spell(text, &mut spelled).is_err() {
                continue;
            }
            for symbol in &mut spelled {
                *symbol = base_ids[*symbol as usize];
            }
            plain::merge(
                &mut spelled,
                &Without {
                    model,
                    ranks: &table,
                    token,
                },
            );
            if let &[left, right] = &spelled[..]
                && let Some(merge) = merges.get(table.get(left, right) as usize)
                && merge.result == token
            {
                chosen.push(table.get(left, right));
            }
        }
    }
    chosen.sort_unstable();
    // A merge of tokens that nothing makes is dead. One pass is enough where every part is made
    // before it is used.
    let mut made = vec![false; model.vocab.size()];
    for &id in base_ids {
        made[id as usize] = true;
    }
    loop {
        let mut grew = false;
        for &rank in &chosen {
            let merge = &merges[rank as usize];
            if !made[merge.result as usize]
                && made[merge.left as usize]
                && made[merge.right as usize]
            {
                made[merge.result as usize] = true;
                grew = true;
            }
        }
        if !grew {
            break;
        }
    }
    chosen.retain(|&rank| {
        let merge = &merges[rank as usize];
        made[merge.left as usize] && made[merge.right as usize]
    });
    chosen
}

/// The symbols that are made before one of their parts is, and all that contain them.
fn irregular(base_len: u32, parts: &[(u32, u32)]) -> FxHashSet<u32> {
    let mut irregular = FxHashSet::default();
    loop {
        let before = irregular.len();
        for (index, &(left, right)) in parts.iter().enumerate() {
            let symbol = base_len + index as u32;
            if left > symbol
                || right > symbol
                || irregular.contains(&left)
                || irregular.contains(&right)
            {
                irregular.insert(symbol);
            }
        }
        if irregular.len() == before {
            return irregular;
        }
    }
}
