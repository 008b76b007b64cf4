//! Short tokens by their text: the units that need no merging.
//!
//! A table of the tokens of up to 15 bytes that are one token when they are a unit, made
//! once and shared by all threads. A line of 64 bytes holds three tokens, keyed as in the
//! [`cache`](super::cache), so that a look-up reads one line nearly always: a line that is full
//! sends the rest to the next one.

use super::cache::{mix, narrow_key};

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
    lines: Vec<Line>,
}

impl Known {
    /// A table of texts of at most 15 bytes, no two alike.
    #[must_use]
    pub fn new<'t>(count: usize, entries: impl Iterator<Item = (&'t [u8], u32)>) -> Self {
        // Two thirds full, and at least one place is free.
        let mut known = Self {
            lines: vec![Line::default(); count / 2 + 1],
        };
        for (text, value) in entries {
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

    #[inline(always)]
    fn home(&self, key: u128) -> usize {
        let hash = mix(key as u64, (key >> 64) as u64);
        ((u128::from(hash) * self.lines.len() as u128) >> 64) as usize
    }

    /// The value of the text with this key.
    #[inline(always)]
    #[must_use]
    pub fn get(&self, key: u128) -> Option<u32> {
        let mut at = self.home(key);
        loop {
            let Line { keys, values } = self.lines.get(at)?;
            let ways = keys.iter().zip(values);
            for (&there, &value) in ways {
                if there == key {
                    return Some(value);
                }
            }
            if keys[WAYS - 1] == 0 {
                return None;
            }
            at = if at + 1 < self.lines.len() { at + 1 } else { 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cache::NARROW;
    use super::*;

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
            let known = Known::new(count, entries.map(|(at, text)| (text.as_slice(), at as u32)));
            for (at, text) in texts.iter().enumerate() {
                assert_eq!(known.get(narrow_key(text, 0, text.len())), Some(at as u32));
                let mut longer = text.clone();
                longer.push(b'!');
                if longer.len() <= NARROW {
                    assert_eq!(known.get(narrow_key(&longer, 0, longer.len())), None);
                }
            }
        }
    }
}
