//! What characters beyond ASCII are in the formulas for blocks.
//!
//! A character of some bytes counts as so many bytes of its kind: as letters, or as marks. The
//! kinds are read off the rules, so that they are those of the pattern:
//! - a letter is in the body of the rule for words; where case counts, it may be a capital, in the
//!   head of the words alone, or without case, in head and body;
//! - a mark is in the body of the rule for marks;
//! - a character in both is a letter behind a letter, and else left to the scanner;
//! - all others stop a block: numbers, white space, what is no UTF-8, and the letter `ſ`, which
//!   ends contractions.
//!
//! Cost: a table of 3 KiB has the first two bytes of a character; where these do not decide, the
//! classes are asked for it. About three nanoseconds a character.

use super::class::{Classes, Mask};
use super::rules::Rule;

/// One bit for each property of a character.
type Kind = u8;

/// It stops a block.
const STOP: Kind = 0;
const LETTER: Kind = 1;
/// In words where case counts: it stands only before small letters.
const CAPITAL: Kind = 2;
/// In words where case counts: it may stand anywhere.
const CASELESS: Kind = 4;
const MARK: Kind = 8;
/// The first two bytes do not decide.
const UNDECIDED: Kind = 0x80;

/// The kinds of the characters of one pattern.
#[derive(Debug)]
pub(super) struct Kinds {
    /// By the first two bytes of a character of two bytes, then by those of one of three.
    leads: Box<[Kind; 3 << 10]>,
    /// By the number of the atom.
    atoms: [Kind; 32],
}

/// Masks of a block, one bit a byte, of its characters beyond ASCII.
#[derive(Default)]
pub(super) struct Beyond {
    pub(super) letter: u64,
    pub(super) capital: u64,
    pub(super) caseless: u64,
    pub(super) mark: u64,
    /// All bytes of a mark but the first.
    pub(super) tail: u64,
    /// Bytes of the block before the first that stops it.
    pub(super) limit: u32,
}

/// Where the bytes `first`, `second` of a character of two or three bytes are in a table.
#[inline(always)]
const fn place(first: u8, second: u8) -> usize {
    // 110xxxxx and 1110xxxx: the latter lie behind the 2048 places of the former.
    let number = if first < 0xe0 {
        (first & 0x1f) as usize
    } else {
        32 + (first & 0x0f) as usize
    };
    number << 6 | (second & 0x3f) as usize
}

impl Kinds {
    /// The kinds by rules whose sets are of these classes.
    pub(super) fn new(classes: &Classes, rules: &[Rule<Mask>]) -> Self {
        let has = |set: Mask, byte: u8| set & classes.ascii(byte) != 0;
        let (mut head, mut body, mut marks) = (0, 0, 0);
        for rule in rules {
            match rule {
                Rule::Ending {
                    head: first,
                    body: last,
                    ..
                } if has(*last, b'a') => (head, body) = (head | first, body | last),
                Rule::Run { body: set, .. } if has(*set, b'a') => body |= set,
                Rule::Run { body: set, .. } if has(*set, b'!') => marks |= set,
                _ => {}
            }
        }
        let kind = |bit: Mask| {
            let letter = match (head & bit != 0, body & bit != 0) {
                (true, true) => LETTER | CASELESS,
                (true, false) => LETTER | CAPITAL,
                (false, true) => LETTER,
                (false, false) => STOP,
            };
            letter | if marks & bit != 0 { MARK } else { STOP }
        };
        let mut kinds = Self {
            leads: Box::new([STOP; 3 << 10]),
            atoms: std::array::from_fn(|atom| kind(1 << atom)),
        };
        for first in 0xc2..=0xef_u8 {
            for second in 0x80..=0xbf_u8 {
                let third = if first < 0xe0 { 0..1 } else { 0x80..0xc0 };
                let mut all = third.map(|third| kinds.asked(classes, &[first, second, third], 0));
                let (kind, _) = all.next().unwrap_or_default();
                let is_one = all.all(|(other, _)| other == kind);
                kinds.leads[place(first, second)] = if is_one { kind } else { UNDECIDED };
            }
        }
        kinds.leads[place(0xc5, 0xbf)] = STOP;
        kinds
    }

    /// The kind and the length of the character at a place, by its class.
    fn asked(&self, classes: &Classes, bytes: &[u8], at: usize) -> (Kind, usize) {
        match classes.wide(bytes, at) {
            // What is no UTF-8 has one byte.
            (_, 1) => (STOP, 1),
            (bit, length) => (self.atoms[(bit.trailing_zeros() & 31) as usize], length),
        }
    }

    /// The characters of a block beyond ASCII, whose bytes are `wide`, up to the first that stops
    /// it; `letter` are the ASCII letters.
    #[inline]
    pub(super) fn of(&self, classes: &Classes, block: &[u8; 64], wide: u64, letter: u64) -> Beyond {
        let mut beyond = Beyond::default();
        let mut rest = wide;
        while rest != 0 {
            let at = rest.trailing_zeros();
            let (kind, length) = self.kind(classes, block, at as usize);
            let bytes = ((1 << length) - 1) << at;
            let is_letter = kind & LETTER != 0;
            let is_behind_letter = (letter | beyond.letter) << 1 >> at & 1 != 0;
            if kind == STOP || is_letter && kind & MARK != 0 && !is_behind_letter {
                break;
            }
            let with = |is: bool| if is { bytes } else { 0 };
            beyond.letter |= with(is_letter);
            beyond.capital |= with(kind & CAPITAL != 0);
            beyond.caseless |= with(kind & CASELESS != 0);
            beyond.mark |= with(!is_letter);
            beyond.tail |= with(!is_letter) & bytes << 1;
            rest &= !bytes;
        }
        beyond.limit = rest.trailing_zeros();
        beyond
    }

    /// The kind and the length of the character at a place, [`STOP`] where it is not whole.
    #[inline(always)]
    fn kind(&self, classes: &Classes, block: &[u8; 64], at: usize) -> (Kind, usize) {
        let byte = |place: usize| block.get(place).copied().unwrap_or(0);
        let (first, second) = (block[at & 63], byte(at + 1));
        let is_tail = |byte: u8| byte & 0xc0 == 0x80;
        let kind = match first {
            0xc2..=0xdf if is_tail(second) => self.leads[place(first, second)],
            0xe0..=0xef if is_tail(second) && is_tail(byte(at + 2)) => {
                self.leads[place(first, second)]
            }
            0xf0..=0xf4 => UNDECIDED,
            _ => STOP,
        };
        if kind == UNDECIDED {
            self.asked(classes, block, at)
        } else {
            (kind, if first < 0xe0 { 2 } else { 3 })
        }
    }
}
