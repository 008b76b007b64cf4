//! Character classes of one pattern: the finest partition of all characters that its sets need.
//!
//! Each part is an *atom*, one bit of a `u32`; each set is the union of some atoms, a mask. The
//! bit of a character comes from a 256-entry table for ASCII, and for the rest from blocks of
//! 256 characters, equal blocks shared.
//!
//! Invariant: a character is in a set exactly if its bit is in the mask of the set. A byte that
//! belongs to no valid UTF-8 sequence has the class of U+10FFFF: never assigned, so neither
//! letter, number, mark, white space, punctuation nor symbol.
//!
//! Cost: about a millisecond and 100 KB a pattern; one or two loads a character.

use regex_syntax::hir::ClassUnicode;
use std::collections::HashMap;

/// A union of atoms.
pub(crate) type Mask = u32;

/// Number of code points.
const CODE_POINTS: usize = 0x11_0000;

/// The atoms of a family of sets.
#[derive(Clone, Debug)]
pub(crate) struct Classes {
    /// Bit of each ASCII byte; 0 for the bytes of longer characters.
    ascii: Box<[Mask; 256]>,
    /// Start of a block of 256 characters in `blocks`, in blocks.
    index: Vec<u16>,
    /// Atom numbers.
    blocks: Vec<u8>,
    /// Bit of an invalid byte.
    invalid: Mask,
    /// Number of atoms.
    atoms: u32,
}

impl Classes {
    /// The partition of `sets`, and the mask of each; `None` if it has more than 32 atoms or
    /// there are more than 64 sets.
    pub(crate) fn new(sets: &[ClassUnicode]) -> Option<(Self, Vec<Mask>)> {
        if sets.len() > 64 {
            return None;
        }
        // Each border of a set toggles its bit in the signature of the characters that follow.
        let mut toggles: Vec<(u32, u64)> = Vec::new();
        for (bit, set) in sets.iter().enumerate() {
            for range in set.ranges() {
                toggles.push((range.start() as u32, 1 << bit));
                toggles.push((range.end() as u32 + 1, 1 << bit));
            }
        }
        toggles.sort_unstable();

        let mut signatures: Vec<u64> = Vec::new();
        let mut atoms: HashMap<u64, u8> = HashMap::new();
        let mut atom_of = vec![0_u8; CODE_POINTS];
        let mut signature = 0_u64;
        let mut from = 0_usize;
        let mut toggles = toggles.into_iter().peekable();
        while from < CODE_POINTS {
            while let Some((_, bit)) = toggles.next_if(|(at, _)| *at as usize <= from) {
                signature ^= bit;
            }
            let to = toggles.peek().map_or(CODE_POINTS, |(at, _)| *at as usize);
            let atom = *atoms.entry(signature).or_insert_with(|| {
                signatures.push(signature);
                (signatures.len() - 1).min(255) as u8
            });
            if signatures.len() > 32 {
                return None;
            }
            if let Some(run) = atom_of.get_mut(from..to.min(CODE_POINTS)) {
                run.fill(atom);
            }
            from = to;
        }

        let masks = (0..sets.len())
            .map(|set| {
                let in_set = |s: &u64| s >> set & 1 == 1;
                let members = signatures.iter().enumerate().filter(|(_, s)| in_set(s));
                members.fold(0, |mask, (atom, _)| mask | 1 << atom)
            })
            .collect();
        Some((Self::pack(&atom_of, signatures.len() as u32), masks))
    }

    fn pack(atom_of: &[u8], atoms: u32) -> Self {
        let mut ascii = Box::new([0; 256]);
        for (bit, atom) in ascii.iter_mut().zip(atom_of).take(128) {
            *bit = 1 << atom;
        }
        let mut known: HashMap<&[u8], u16> = HashMap::new();
        let mut blocks = Vec::new();
        let index = atom_of
            .chunks(256)
            .map(|block| {
                let next = known.len() as u16;
                *known.entry(block).or_insert_with(|| {
                    blocks.extend_from_slice(block);
                    next
                })
            })
            .collect();
        Self {
            ascii,
            index,
            invalid: 1 << atom_of.last().copied().unwrap_or(0),
            blocks,
            atoms,
        }
    }

    /// Number of atoms.
    pub(crate) fn atoms(&self) -> u32 {
        self.atoms
    }

    /// Bit of an invalid byte.
    pub(crate) fn invalid(&self) -> Mask {
        self.invalid
    }

    /// Bit of a byte, 0 if it is not ASCII.
    #[inline]
    pub(crate) fn ascii(&self, byte: u8) -> Mask {
        self.ascii[byte as usize]
    }

    /// Bit and byte length of the character at `at`; `(0, 0)` at the end.
    #[inline]
    pub(crate) fn at(&self, text: &[u8], at: usize) -> (Mask, usize) {
        let Some(&byte) = text.get(at) else {
            return (0, 0);
        };
        if byte < 0x80 {
            return (self.ascii(byte), 1);
        }
        self.wide(text, at)
    }

    /// [`Self::at`] where the byte is known not to be ASCII.
    pub(crate) fn wide(&self, text: &[u8], at: usize) -> (Mask, usize) {
        match decode(text, at) {
            Some((code, length)) => {
                let block = self.index.get(code as usize >> 8).copied().unwrap_or(0) as usize;
                let place = block << 8 | (code & 0xff) as usize;
                let atom = self.blocks.get(place).copied().unwrap_or(0);
                (1 << atom, length)
            }
            None => (self.invalid, 1),
        }
    }

    /// Bit of the character that ends at `at`; 0 at the start.
    pub(crate) fn before(&self, text: &[u8], at: usize) -> Mask {
        (1..=4_usize.min(at))
            .map(|back| (back, self.at(text, at - back)))
            .filter(|(back, (_, length))| back == length)
            .map(|(_, (bit, _))| bit)
            .last()
            .unwrap_or(0)
    }

    /// Whether the ASCII characters of a set are just the letters, or just the digits.
    pub(crate) fn span(&self, mask: Mask) -> Option<Span> {
        [Span::Letters, Span::Digits]
            .into_iter()
            .find(|span| (0..0x80_u8).all(|byte| (self.ascii(byte) & mask != 0) == span.has(byte)))
    }

    /// End of the longest run of `set` from `at`.
    #[inline]
    pub(crate) fn run(&self, text: &[u8], mut at: usize, set: Set) -> usize {
        loop {
            if set.span == Some(Span::Letters) {
                at = letters_end(text, at, Case::Both);
            }
            while let Some(&byte) = text.get(at)
                && self.ascii(byte) & set.mask != 0
            {
                at += 1;
            }
            match text.get(at) {
                Some(byte) if *byte >= 0x80 => {
                    let (bit, length) = self.wide(text, at);
                    if bit & set.mask == 0 {
                        return at;
                    }
                    at += length;
                }
                _ => return at,
            }
        }
    }
}

/// A union of atoms, with what its ASCII characters are if that is known to be simple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) mask: Mask,
    pub(crate) span: Option<Span>,
}

/// A simple set of ASCII characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    Letters,
    Digits,
}

impl Span {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Letters => byte.is_ascii_alphabetic(),
            Self::Digits => byte.is_ascii_digit(),
        }
    }
}

/// Which ASCII letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Small,
    Both,
}

/// End of the ASCII letters from `at`, found eight bytes at a time; it may stop early near the end
/// of the text.
#[inline(always)]
pub(crate) fn letters_end(text: &[u8], mut at: usize, case: Case) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    let fold = match case {
        Case::Small => 0,
        Case::Both => 0x20 * ONES,
    };
    while let Some(bytes) = text.get(at..).and_then(|rest| rest.first_chunk()) {
        let word = u64::from_le_bytes(*bytes);
        // With the high bit cleared no sum reaches the next byte; the high bit of a sum says that
        // its byte is at least `a`, or above `z`.
        let folded = (word | fold) & !HIGH;
        let from_a = folded + (0x80 - u64::from(b'a')) * ONES;
        let above_z = folded + (0x7f - u64::from(b'z')) * ONES;
        let others = !(from_a & !above_z & !word) & HIGH;
        if others != 0 {
            return at + (others.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    at
}

/// Code point and length of the valid UTF-8 sequence of two to four bytes at `at`.
#[inline]
fn decode(text: &[u8], at: usize) -> Option<(u32, usize)> {
    let tail = |i: usize| -> Option<u32> {
        let byte = *text.get(at + i)?;
        (byte & 0xc0 == 0x80).then_some((byte & 0x3f) as u32)
    };
    let lead = *text.get(at)? as u32;
    match lead {
        0xc2..=0xdf => Some(((lead & 0x1f) << 6 | tail(1)?, 2)),
        0xe0..=0xef => {
            let code = (lead & 0x0f) << 12 | tail(1)? << 6 | tail(2)?;
            (code >= 0x800 && !(0xd800..0xe000).contains(&code)).then_some((code, 3))
        }
        0xf0..=0xf4 => {
            let code = (lead & 7) << 18 | tail(1)? << 12 | tail(2)? << 6 | tail(3)?;
            (0x1_0000..0x11_0000).contains(&code).then_some((code, 4))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::pattern::syntax::property;
    use proptest::prelude::*;

    #[test]
    fn every_character_is_in_its_sets() {
        let sets: Vec<_> = ["L", "Lu", "M", "N", "Nd", "White_Space", "P"]
            .iter()
            .map(|name| property(name).unwrap())
            .collect();
        let (classes, masks) = Classes::new(&sets).unwrap();
        for c in '\0'..=char::MAX {
            let mut bytes = [0; 4];
            let text = c.encode_utf8(&mut bytes).as_bytes();
            let (bit, length) = classes.at(text, 0);
            assert_eq!(length, text.len());
            assert_eq!(classes.before(text, length), bit);
            for (set, mask) in sets.iter().zip(&masks) {
                let place = set.ranges().partition_point(|range| range.end() < c);
                let member = set
                    .ranges()
                    .get(place)
                    .is_some_and(|range| range.start() <= c);
                assert_eq!(bit & mask != 0, member, "{c:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn letters_end_where_they_end(text in prop::collection::vec(
            prop_oneof![4 => prop::sample::select(&b"azAZ"[..]), 1 => any::<u8>()], 0..40,
        )) {
            let is_letter: [fn(&u8) -> bool; 2] = [u8::is_ascii_lowercase, u8::is_ascii_alphabetic];
            for (case, is_letter) in [Case::Small, Case::Both].into_iter().zip(is_letter) {
                let end = letters_end(&text, 0, case);
                let letters = text.iter().take_while(|byte| is_letter(byte)).count();
                prop_assert!(end == letters || end < letters && text.len() - end < 8);
            }
        }

        #[test]
        fn decodes_as_the_standard_library(bytes in prop::collection::vec(any::<u8>(), 1..6)) {
            let expected = bytes.utf8_chunks().next().and_then(|chunk| {
                let c = chunk.valid().chars().next()?;
                (!c.is_ascii()).then_some((c as u32, c.len_utf8()))
            });
            prop_assert_eq!(decode(&bytes, 0), expected);
        }
    }
}
