//! Units that have been encoded before, in fixed memory.
//!
//! Two tables. The first holds units of up to 15 bytes that are at most three tokens: an entry is
//! 32 bytes, a bucket of two entries one cache line. The second holds units of up to 31 bytes and
//! seven tokens, an entry a line; a short unit that is there has a mark in the first, so that a new
//! short unit is known by one read. A key is the bytes of the unit, zeros behind them, and the
//! length in the top byte, with [`PART`] for what is only a part of a pretoken and must not be taken
//! for one: equal keys are equal units, so a wrong answer is impossible, and the zero key is no unit.
//! A new entry pushes out the older one of its bucket: the cache never stops learning.
//!
//! Tables start small and grow as they fill, up to a limit. When the first table grows, it takes in
//! all short units that are [`known`](super::known) to be one token: a thread that goes on to new
//! text finds most of its new units there. That takes two milliseconds or three, which short texts
//! are spared.

use super::known::Known;
use super::memory::{self, Table};

/// The longest unit of the first table, in bytes.
pub const NARROW: usize = 15;
/// The longest unit of the second table, in bytes.
pub const WIDE: usize = 31;

/// What a key of a part of a pretoken has more.
pub const PART: u128 = 1 << 127;

/// Up to three tokens and their number, as they are copied out whole.
type Few = [u32; 4];

/// The number of tokens of a short unit that is in the second table.
pub const ELSEWHERE: u32 = 4;

#[derive(Clone, Copy, Default)]
struct Entry {
    key: u128,
    tokens: Few,
}

#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Bucket([Entry; 2]);

#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct WideEntry {
    key: [u128; 2],
    tokens: [u32; 7],
    len: u32,
}

/// How many times the tables may double.
const DOUBLINGS: u32 = 5;

/// The cache of one thread.
pub struct Cache {
    narrow: Table<Bucket>,
    wide: Table<WideEntry>,
    /// The most units, as a power of two.
    bits: u32,
    /// Bits of a hash behind those that say where a narrow key lies.
    shift: u32,
    /// Units that came to each table since it has its size.
    narrow_count: usize,
    wide_count: usize,
}

const MASKS: [u128; 17] = {
    let mut masks = [u128::MAX; 17];
    let mut len = 0;
    while len < 16 {
        masks[len] = (1 << (8 * len)) - 1;
        len += 1;
    }
    masks
};

/// The `len` bytes at `start`, at most 16, and zeros.
#[inline(always)]
fn load(text: &[u8], start: usize, len: usize) -> u128 {
    let bytes = match text.get(start..).and_then(|bytes| bytes.first_chunk()) {
        Some(&bytes) => u128::from_le_bytes(bytes),
        None => load_end(text, start),
    };
    bytes & MASKS[len.min(16)]
}

/// The bytes at `start`, fewer than 16, and zeros.
#[cold]
fn load_end(text: &[u8], start: usize) -> u128 {
    let mut bytes = [0; 16];
    for (slot, &byte) in bytes.iter_mut().zip(text.get(start..).unwrap_or_default()) {
        *slot = byte;
    }
    u128::from_le_bytes(bytes)
}

/// The key of the `len` bytes at `start`; `len` is at most [`NARROW`].
#[inline(always)]
#[must_use]
pub fn narrow_key(text: &[u8], start: usize, len: usize) -> u128 {
    load(text, start, len) | (len as u128) << 120
}

/// The key of the `len` bytes at `start`; `len` is at most [`WIDE`].
#[inline(always)]
fn wide_key(text: &[u8], start: usize, len: usize, part: u128) -> [u128; 2] {
    let high = if len <= 16 {
        0
    } else {
        load(text, start + 16, len - 16)
    };
    [load(text, start, len), high | (len as u128) << 120 | part]
}

/// A hash of two words.
#[inline(always)]
#[must_use]
pub fn mix(low: u64, high: u64) -> u64 {
    let product =
        u128::from(low ^ 0x9E37_79B9_7F4A_7C15) * u128::from(high ^ 0xD1B5_4A32_D192_ED03);
    (product >> 64) as u64 ^ product as u64
}

impl Cache {
    /// An empty cache that grows to at most `2^bits` units in the first table, and a quarter of
    /// that in the second.
    #[must_use]
    pub fn new(bits: u32) -> Self {
        let bits = bits.max(3);
        let first = bits.saturating_sub(DOUBLINGS).max(3);
        Self {
            narrow: Table::new(Bucket::default(), 1 << first >> 1),
            wide: Table::new(WideEntry::default(), 1 << first >> 2),
            bits,
            shift: u64::BITS + 1 - first,
            narrow_count: 0,
            wide_count: 0,
        }
    }

    /// Doubles the first table, or more, until half of it has room for what is known, and takes
    /// that in.
    #[cold]
    fn grow_narrow(&mut self, known: &Known) {
        let mut bits = self.narrow.len().ilog2() + 2;
        while bits < self.bits && known.len() > 1 << bits >> 1 {
            bits += 1;
        }
        self.shift = u64::BITS + 1 - bits;
        let larger = Table::new(Bucket::default(), 1 << bits >> 1);
        let before = std::mem::replace(&mut self.narrow, larger);
        self.narrow_count = 0;
        for (key, token) in known.iter() {
            let place = self.place(key);
            let Bucket(entries) = &mut self.narrow[place];
            let slot = &mut entries[usize::from(entries[0].key != 0)];
            if slot.key == 0 {
                *slot = Entry {
                    key,
                    tokens: [token, 0, 0, 1],
                };
            }
        }
        for &Bucket([first, second]) in before.iter() {
            for entry in [second, first] {
                if entry.key != 0 {
                    self.put_narrow(entry);
                }
            }
        }
    }

    /// Doubles the second table.
    #[cold]
    fn grow_wide(&mut self) {
        let twice = Table::new(WideEntry::default(), 2 * self.wide.len());
        let before = std::mem::replace(&mut self.wide, twice);
        self.wide_count = 0;
        for &entry in before.iter() {
            if entry.len != 0 {
                let place = self.place_wide(entry.key);
                self.wide[place] = entry;
            }
        }
    }

    #[inline(always)]
    fn put_narrow(&mut self, entry: Entry) {
        let place = self.place(entry.key);
        let Bucket([first, second]) = &mut self.narrow[place];
        if first.key != entry.key {
            *second = *first;
        }
        *first = entry;
    }

    /// Where a narrow key lies.
    #[inline(always)]
    #[must_use]
    pub fn place(&self, key: u128) -> usize {
        (mix(key as u64, (key >> 64) as u64) >> self.shift) as usize
    }

    /// Announces that the place of a narrow key will be read.
    #[inline(always)]
    pub fn announce(&self, place: usize) {
        if let Some(bucket) = self.narrow.get(place) {
            memory::prefetch(bucket);
        }
    }

    /// The tokens of a narrow unit: up to three, and their number in the last place.
    #[inline(always)]
    #[must_use]
    pub fn get(&self, place: usize, key: u128) -> Option<&Few> {
        let Bucket([first, second]) = self.narrow.get(place)?;
        if first.key == key {
            Some(&first.tokens)
        } else if second.key == key {
            Some(&second.tokens)
        } else {
            None
        }
    }

    /// The tokens of a unit of at most [`WIDE`] bytes, from the second table; `part` is [`PART`] or 0.
    #[inline(always)]
    #[must_use]
    pub fn get_wide(&self, text: &[u8], start: usize, len: usize, part: u128) -> Option<&[u32]> {
        let key = wide_key(text, start, len, part);
        let entry = &self.wide[self.place_wide(key)];
        (entry.key == key).then(|| &entry.tokens[..(entry.len & 7) as usize])
    }

    #[inline(always)]
    fn place_wide(&self, [low, high]: [u128; 2]) -> usize {
        let first = mix(low as u64, (low >> 64) as u64);
        let second = mix(high as u64, (high >> 64) as u64);
        mix(first, second) as usize & (self.wide.len() - 1)
    }

    /// Remembers the tokens of a unit, if they fit; `part` is [`PART`] or 0. `known` are units of one
    /// token, the same ones with each call.
    #[inline(always)]
    pub fn put(
        &mut self,
        text: &[u8],
        start: usize,
        len: usize,
        part: u128,
        tokens: &[u32],
        known: &Known,
    ) {
        if len > WIDE || tokens.len() > 7 {
            return;
        }
        let is_few = tokens.len() <= 3;
        if len <= NARROW {
            let mut entry = Entry {
                key: narrow_key(text, start, len) | part,
                tokens: [0, 0, 0, ELSEWHERE],
            };
            if is_few {
                entry.tokens[..tokens.len()].copy_from_slice(tokens);
                entry.tokens[3] = tokens.len() as u32;
            }
            self.narrow_count += 1;
            if self.narrow_count > self.narrow.len() * 3 / 4
                && self.narrow.len() < 1 << self.bits >> 1
            {
                self.grow_narrow(known);
            }
            self.put_narrow(entry);
        }
        if len > NARROW || !is_few {
            self.wide_count += 1;
            if self.wide_count > self.wide.len() / 2 && self.wide.len() < 1 << self.bits >> 2 {
                self.grow_wide();
            }
            let key = wide_key(text, start, len, part);
            let place = self.place_wide(key);
            let entry = &mut self.wide[place];
            entry.key = key;
            entry.tokens[..tokens.len()].copy_from_slice(tokens);
            entry.len = tokens.len() as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_it_has_when_it_grows() {
        let texts: Vec<Vec<u8>> = (0..50_000_u32)
            .map(|number| format!("+{number}").into_bytes())
            .collect();
        let known = Known::new(texts.len(), texts.iter().map(Vec::as_slice).zip(0..));
        let mut cache = Cache::new(18);
        let before = (cache.narrow.len(), cache.wide.len());
        let count = 70_000;
        let unit = |number: u32, len: usize| {
            let mut text = number.to_string().into_bytes();
            text.resize(len, b'x');
            text
        };
        let put = |cache: &mut Cache, number: u32| {
            for len in [10, 20] {
                let text = unit(number, len);
                cache.put(&text, 0, len, 0, &[number, number + 1], &known);
            }
        };
        let found = |cache: &Cache, text: &[u8]| {
            let key = narrow_key(text, 0, text.len());
            cache.get(cache.place(key), key).copied()
        };
        for number in 0..1000 {
            put(&mut cache, number);
            assert_eq!(found(&cache, &texts[number as usize]), None);
        }
        for number in 1000..count {
            put(&mut cache, number);
        }
        assert_eq!(
            (cache.narrow.len(), cache.wide.len()),
            (32 * before.0, 32 * before.1)
        );
        let (mut short, mut long) = (0, 0);
        for number in 0..count {
            if let Some(few) = found(&cache, &unit(number, 10)) {
                assert_eq!(few, [number, number + 1, 0, 2]);
                short += 1;
            }
            if let Some(found) = cache.get_wide(&unit(number, 20), 0, 20, 0) {
                assert_eq!(found, [number, number + 1]);
                long += 1;
            }
        }
        assert!(short > count * 3 / 4 && long > count / 3, "{short} {long}");
        let mut one = 0;
        for (number, text) in (0..).zip(&texts) {
            if let Some(few) = found(&cache, text) {
                assert_eq!(few, [number, 0, 0, 1]);
                one += 1;
            }
        }
        assert!(one > texts.len() / 2, "{one}");
    }
}
