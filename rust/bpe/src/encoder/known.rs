//! Short tokens by their text: the units that need no merging.
//!
//! A table of the tokens of up to 15 bytes that are one token when they are a unit, made
//! once and shared by all threads. A line of 64 bytes holds three tokens, keyed as in the
//! [`cache`](super::cache), so that a look-up reads one line nearly always: a line that is full
//! sends the rest to the next one.

use super::cache::{mix, narrow_key};
use super::memory::{self, Table};
use super::pairs::NONE;

/// Tokens in a line.
const WAYS: usize = 3;

#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Line {
    keys: [u128; WAYS],
    values: [u32; WAYS],
}

/// A table from short texts to values.
pub struct Known {
    lines: Table<Line>,
    len: usize,
}

impl Known {
    /// A table of texts of at most 15 bytes, no two alike.
    #[must_use]
    pub fn new<'t>(count: usize, entries: impl Iterator<Item = (&'t [u8], u32)>) -> Self {
        // Two thirds full, and at least one place is free.
        let mut known = Self {
            lines: Table::new(Line::default(), count / 2 + 1),
            len: 0,
        };
        for (text, value) in entries {
            known.len += 1;
            let key = narrow_key(text, 0, text.len());
            let mut at = known.home(key);
            loop {
                let line = &mut known.lines[at];
                if let Some(way) = line.keys.iter().position(|&there| there == 0) {
                    line.keys[way] = key;
                    line.values[way] = value;
                    break;
                }
                at = (at + 1) % known.lines.len();
            }
        }
        known
    }

    /// The number of texts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The keys and their values, nearly in the order of hashes.
    pub fn iter(&self) -> impl Iterator<Item = (u128, u32)> + '_ {
        let lines = self.lines.iter();
        let places = lines.flat_map(|line| line.keys.into_iter().zip(line.values));
        places.filter(|&(key, _)| key != 0)
    }

    #[inline(always)]
    fn home(&self, key: u128) -> usize {
        let hash = mix(key as u64, (key >> 64) as u64);
        ((u128::from(hash) * self.lines.len() as u128) >> 64) as usize
    }

    /// Announces that the home line of a key will be read.
    #[inline(always)]
    pub fn announce(&self, key: u128) {
        memory::prefetch(&self.lines[self.home(key)]);
    }

    /// What the home line of a key says: the value, or [`NONE`], and whether the line is full.
    /// There is no branch on what is found, so that look-ups of several keys overlap.
    #[inline(always)]
    #[must_use]
    pub fn home_line(&self, key: u128) -> (u32, bool) {
        let Line { keys, values } = &self.lines[self.home(key)];
        let mut found = NONE;
        for (&there, &value) in keys.iter().zip(values) {
            found = if there == key { value } else { found };
        }
        (found, keys[WAYS - 1] != 0)
    }

    /// The value of a key by what its home line says.
    #[inline(always)]
    #[must_use]
    pub fn read(&self, (found, is_full): (u32, bool), key: u128) -> Option<u32> {
        if found != NONE {
            return Some(found);
        }
        if is_full { self.search(key) } else { None }
    }

    /// Looks in the lines behind the home line.
    #[cold]
    fn search(&self, key: u128) -> Option<u32> {
        let mut at = self.home(key);
        loop {
            at = if at + 1 < self.lines.len() { at + 1 } else { 0 };
            let Line { keys, values } = self.lines.get(at)?;
            if let Some(way) = keys.iter().position(|&there| there == key) {
                return Some(values[way]);
            }
            if keys[WAYS - 1] == 0 {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cache::NARROW;
    use super::*;

    fn get(known: &Known, key: u128) -> Option<u32> {
        known.read(known.home_line(key), key)
    }

    #[test]
    fn finds_what_is_there_alone() {
        for count in [0_usize, 1, 2, 3, 50, 1000] {
            let texts: Vec<Vec<u8>> = (0..count)
                .map(|number| {
                    let len = number % NARROW + 1;
                    let mut text = format!("{number:x}").into_bytes();
                    text.resize(len.max(text.len()), 0);
                    text
                })
                .collect();
            let entries = texts.iter().enumerate();
            let known = Known::new(
                count,
                entries.map(|(at, text)| (text.as_slice(), at as u32)),
            );
            for (at, text) in texts.iter().enumerate() {
                assert_eq!(
                    get(&known, narrow_key(text, 0, text.len())),
                    Some(at as u32)
                );
                let mut longer = text.clone();
                longer.push(b'!');
                if longer.len() <= NARROW {
                    assert_eq!(get(&known, narrow_key(&longer, 0, longer.len())), None);
                }
            }
        }
    }
}
