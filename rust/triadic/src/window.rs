//! Where markers go in 64 bytes of a text, by masks of them.
//!
//! A numeral has digits, points and commas alone. So up to its last byte of another kind a window is
//! decided by itself: no numeral goes over that place, and none ends before it that what lies behind
//! could spoil. In what is decided, with bit `i` for byte `i`:
//!
//! - a numeral starts at a digit behind nothing that joins it. Adding the bit of a start to the mask
//!   of digits carries through the run, and leaves a bit behind the run's end;
//! - where a point and a digit follow, adding again gives the end of the fraction;
//! - what stands at an end may spoil the numeral, which is then taken out, from its end back to its
//!   start;
//! - markers stand a group's length before the end of an integer part, or behind a point, and so on
//!   from each place to the next. The distance tells the order.
//!
//! What is beyond ASCII beside a numeral is looked at one by one. A window that nothing decides, or with
//! a marker or escape of its own behind a digit, is left to the grammar.
//!
//! Invariant: the places and orders are those of the grammar's numerals.
//!
//! Cost: some two hundred operations a window, and few branches, which numerals of all lengths take
//! alike.

use crate::block::{BLOCK, Kinds, equal_mask, has_marks, kinds, mark_mask};
use crate::characters::{joined_after, joined_before};
use crate::grammar::{FRACTION_LIMIT, Grammar, INTEGER_LIMIT};

/// Where markers go in a window, and what tells their orders.
pub(crate) struct Window {
    /// How many bytes are decided.
    pub length: usize,
    /// Markers are put before these bytes.
    pub places: u64,
    /// Those of them that are for fractions.
    pub deep: u64,
    /// Those of them that are before commas.
    pub commas: u64,
    /// The bytes behind integer parts.
    pub ends: u64,
    /// The first bytes of fractions.
    pub fractions: u64,
}

impl Window {
    /// That of the block at `base` of a text, or of the last bytes and zeros behind them. A run of
    /// digits does not start before the window and end in it.
    #[inline]
    pub(crate) fn new(
        grammar: &Grammar,
        text: &[u8],
        base: usize,
        block: &[u8; BLOCK],
    ) -> Option<Self> {
        let mut kinds = kinds(block);
        let decisive = !(kinds.digits | kinds.points | kinds.commas);
        if decisive == 0 {
            return None;
        }
        let length = BLOCK - decisive.leading_zeros() as usize;
        kinds.digits &= u64::MAX >> (BLOCK - length);
        if has_marks(block) && kinds.digits << 1 & mark_mask(block) != 0 {
            return None;
        }
        let kinds = &kinds;
        let long = if grammar.is_extended() {
            0
        } else {
            long(kinds.digits)
        };
        let is_joined = |place| joined_before(text, base + place);
        let mut numerals = Numerals::new(grammar, kinds, long, is_joined)?;
        let is_joined = |place| joined_after(text, base + place);
        let mut spoiled = numerals.spoiled(kinds, long, is_joined);
        if grammar.keeps_years() {
            let first = equal_mask(block, b'1') | equal_mask(block, b'2') & kinds.zeros >> 1;
            spoiled |= numerals.of_four(kinds, first);
        }
        if grammar.fewest_digits() > 1 {
            spoiled |= numerals.shorter(grammar.fewest_digits());
        }
        if spoiled != 0 {
            numerals.take_out(spoiled);
        }
        Some(numerals.window(grammar.group_size(), length))
    }

    /// The same where the text ends behind so many bytes.
    #[inline]
    pub(crate) fn within(self, bytes: usize) -> Self {
        Self {
            length: self.length.min(bytes),
            ..self
        }
    }
}

/// The numerals of a window.
struct Numerals {
    /// The first digits.
    starts: u64,
    /// The bytes behind integer parts.
    ends: u64,
    /// The first digits of fractions.
    fractions: u64,
    /// The bytes behind fractions.
    fraction_ends: u64,
    /// Commas that may stand in integer parts.
    commas: u64,
}

impl Numerals {
    /// All that start as numerals do. `long` is where more digits start than a fraction may have;
    /// `is_joined` looks at the character before a place.
    #[inline]
    fn new(
        grammar: &Grammar,
        kinds: &Kinds,
        long: u64,
        is_joined: impl Fn(usize) -> bool,
    ) -> Option<Self> {
        let digits = kinds.digits;
        let joining = digits | kinds.words | kinds.points | kinds.commas;
        let too_long = long & long >> (INTEGER_LIMIT - FRACTION_LIMIT);
        let mut starts = digits & !(joining << 1) & !(kinds.zeros & digits >> 1) & !too_long;
        // Before the window may be anything.
        let unknown = starts & (kinds.wide << 1 | 1);
        if unknown != 0 {
            starts &= !each(unknown, is_joined);
        }
        let mut commas = 0;
        if grammar.reads_commas() {
            let three = digits >> 1 & digits >> 2 & digits >> 3;
            commas = kinds.commas & digits << 1 & three & !(digits >> 4);
            // None is behind a first group of a zero, or of more than three digits.
            commas &= !run_ends(digits, starts & (kinds.zeros | three));
            if !grammar.is_extended() {
                // None has five before it, with eighteen digits.
                let second = commas & commas << 4;
                commas &= !(second & second << 8 & second << 16);
            }
            if commas != 0 && grammar.fewest_digits() > 4 {
                return None;
            }
        }
        let ends = run_ends(digits | commas, starts);
        let fractions = (ends & kinds.points) << 1 & digits;
        Some(Self {
            starts,
            ends,
            fractions,
            fraction_ends: run_ends(digits, fractions),
            commas,
        })
    }

    /// The bytes behind numerals.
    #[inline]
    fn behind(&self) -> u64 {
        self.ends & !(self.fractions >> 1) | self.fraction_ends
    }

    /// All bytes of numerals.
    #[inline]
    fn spans(&self) -> u64 {
        between(self.starts, self.behind())
    }

    /// Behind those that have a long fraction, or are spoiled by what follows. `is_joined` looks at
    /// the character at a place.
    #[inline]
    fn spoiled(&self, kinds: &Kinds, long: u64, is_joined: impl Fn(usize) -> bool) -> u64 {
        let behind = self.behind();
        let more = (kinds.points | kinds.commas) & kinds.digits >> 1;
        let mut spoiled = behind & (kinds.words | more);
        spoiled |= run_ends(kinds.digits, self.fractions & long);
        let unknown = behind & kinds.wide;
        if unknown != 0 {
            spoiled |= each(unknown, is_joined);
        }
        spoiled
    }

    /// Behind those of four digits that start at one of some places, and have no more.
    #[inline]
    fn of_four(&self, kinds: &Kinds, places: u64) -> u64 {
        let digits = kinds.digits;
        let four = self.starts & places & digits >> 1 & digits >> 2 & digits >> 3;
        four << 4 & self.ends & self.behind()
    }

    /// Behind those with fewer digits.
    #[inline]
    fn shorter(&self, digits: usize) -> u64 {
        let spans = self.spans();
        let enough = (2..=digits).fold(spans << 1, |all, place| all & spans << place);
        // The point is one more byte.
        let enough = enough & !self.fraction_ends | enough & spans << (digits + 1);
        self.behind() & !enough
    }

    /// Without those that end there.
    #[inline]
    fn take_out(&mut self, behind: u64) {
        let mut out = behind >> 1;
        let mut through = self.spans();
        for step in [1, 2, 4, 8, 16, 32] {
            out |= through & out >> step;
            through &= through >> step;
        }
        self.starts &= !out;
        self.fractions &= !out;
        self.ends &= !(out << 1);
        self.fraction_ends &= !(out << 1);
    }

    /// The window of so many bytes, with groups of a size.
    #[inline]
    fn window(&self, size: usize, length: usize) -> Window {
        // The second to fourth digit of a group; the last one, where there are fewer.
        let [second, third, fourth] = [1, 2, 3].map(|digit: usize| digit.min(size - 1));
        let span = between(self.starts, self.ends);
        let commas = span & self.commas;
        let run = span & !commas;
        let group = run & run << 1 & run >> second & run >> third & run >> fourth;
        let mut places = commas;
        let mut next = self.ends >> size & group;
        while next != 0 {
            places |= next;
            next = next >> size & group;
        }
        let mut deep = self.fraction_ends;
        if deep != 0 {
            let run = between(self.fractions, self.fraction_ends);
            let group = run & run << second & run << third & run << fourth;
            let mut next = self.fractions << size & group;
            while next != 0 {
                deep |= next;
                next = next << size & group;
            }
        }
        Window {
            length,
            places: places | deep,
            deep,
            commas,
            ends: self.ends,
            fractions: self.fractions,
        }
    }
}

/// Where sixteen digits start, one more than a fraction may have.
#[inline]
fn long(digits: u64) -> u64 {
    let two = digits & digits >> 1;
    let four = two & two >> 2;
    let eight = four & four >> 4;
    eight & eight >> (FRACTION_LIMIT - 7)
}

/// The bits behind the runs of bits that start at some.
#[inline]
fn run_ends(runs: u64, starts: u64) -> u64 {
    // The sum carries through each run.
    runs.wrapping_add(starts) & !runs
}

/// The bits from each start to before its end.
#[inline]
fn between(starts: u64, ends: u64) -> u64 {
    // An end less its start is just these.
    ends.wrapping_sub(starts)
}

/// Those of some bits whose place holds.
fn each(mut bits: u64, holds: impl Fn(usize) -> bool) -> u64 {
    let mut found = 0;
    while bits != 0 {
        let bit = bits & bits.wrapping_neg();
        if holds(bits.trailing_zeros() as usize) {
            found |= bit;
        }
        bits ^= bit;
    }
    found
}
