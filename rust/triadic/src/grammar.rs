//! Which digits of a text are a numeral.
//!
//! A numeral is an integer part, `0` or up to 18 ASCII digits that do not start with `0`, and
//! after a point, if there is one, 1 to 15 digits more. No letter, number, `_`, `.` or `,` stands
//! before it, and behind it no letter, number or `_`, and no `.` or `,` with a digit. So addresses,
//! versions, `007`, `x12345`, exponents, longer numbers and digits that are not ASCII are none.
//! Sign, currency and percent stand outside. All letters and numbers of Unicode count, by their
//! general category; a byte that is not UTF-8 is neither.
//!
//! Options leave years or short numerals out, take integer parts with a comma between their
//! triads, or lift both limits.
//!
//! Cost: one scan that skips blocks without digits; each digit is looked at three times at most,
//! whatever the text.

use std::ops::Range;

use crate::Error;
use crate::block::{BLOCK, digit_mask, has_digits};
use crate::characters::{ends_here, joined_after, joined_before};

/// The most digits before the point.
pub const INTEGER_LIMIT: usize = 18;
/// The most digits behind the point.
pub const FRACTION_LIMIT: usize = 15;

/// The rules for numerals and their groups. See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grammar {
    group: usize,
    keep_years: bool,
    min_digits: usize,
    grouped: bool,
    extend: bool,
}

impl Default for Grammar {
    fn default() -> Self {
        Self {
            group: 3,
            keep_years: false,
            min_digits: 1,
            grouped: false,
            extend: false,
        }
    }
}

/// A numeral of a text, as byte ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numeral {
    /// The integer part, with its commas.
    pub integer: Range<usize>,
    /// The digits behind the point; empty, at the end of the integer part, where there is none.
    pub fraction: Range<usize>,
    /// The commas in the integer part.
    pub commas: usize,
}

/// A maximal run of digits that belongs to no numeral, or a numeral.
pub(crate) enum Found {
    Digits(Range<usize>),
    Numeral(Numeral),
}

impl Found {
    fn end(&self) -> usize {
        match self {
            Self::Digits(run) => run.end,
            Self::Numeral(numeral) => numeral.end(),
        }
    }
}

impl Grammar {
    /// The default rules with groups of so many digits.
    ///
    /// # Errors
    /// [`Error::Numeral`] unless the size is 1 to 4.
    pub fn new(group_size: usize) -> Result<Self, Error> {
        if !(1..=4).contains(&group_size) {
            return Err(Error::Numeral(format!(
                "group_size is 1, 2, 3 or 4, not {group_size}"
            )));
        }
        Ok(Self {
            group: group_size,
            ..Self::default()
        })
    }

    /// The same rules, but a numeral of just four digits from 1000 to 2099 is left alone.
    #[must_use]
    pub fn keep_years(self, keep: bool) -> Self {
        Self {
            keep_years: keep,
            ..self
        }
    }

    /// The same rules, but numerals with fewer digits are left alone.
    ///
    /// # Errors
    /// [`Error::Numeral`] for more digits than a numeral can have.
    pub fn min_digits(self, digits: usize) -> Result<Self, Error> {
        let limit = INTEGER_LIMIT + FRACTION_LIMIT;
        if !(1..=limit).contains(&digits) {
            return Err(Error::Numeral(format!(
                "min_digits is 1 to {limit}, not {digits}"
            )));
        }
        Ok(Self {
            min_digits: digits,
            ..self
        })
    }

    /// The same rules, but the integer part may have a comma before every triad behind the first.
    ///
    /// # Errors
    /// [`Error::Numeral`] where groups are no triads, since commas would not fall between them.
    pub fn grouped(self, grouped: bool) -> Result<Self, Error> {
        if grouped && self.group != 3 {
            return Err(Error::Numeral(format!(
                "grouped numerals have a comma every three digits: use group_size=3, not {}",
                self.group
            )));
        }
        Ok(Self { grouped, ..self })
    }

    /// The same rules without a limit on digits.
    #[must_use]
    pub fn extend(self, extend: bool) -> Self {
        Self { extend, ..self }
    }

    /// Digits in a group.
    #[must_use]
    pub fn group_size(&self) -> usize {
        self.group
    }

    /// Whether years are left alone.
    #[must_use]
    pub fn keeps_years(&self) -> bool {
        self.keep_years
    }

    /// The fewest digits of a numeral.
    #[must_use]
    pub fn fewest_digits(&self) -> usize {
        self.min_digits
    }

    /// Whether commas are read.
    #[must_use]
    pub fn reads_commas(&self) -> bool {
        self.grouped
    }

    /// Whether there is no limit on digits.
    #[must_use]
    pub fn is_extended(&self) -> bool {
        self.extend
    }

    /// Calls `emit` for each numeral of a text, from its start to its end.
    pub fn find(&self, text: &[u8], mut emit: impl FnMut(Numeral)) {
        self.scan::<true>(text, 0..text.len(), |found| {
            if let Found::Numeral(numeral) = found {
                emit(numeral);
            }
        });
    }

    /// Calls `emit` for each numeral and for each run of digits outside of numerals that starts in a
    /// range, and returns the end of the last one. Unless `ALL` are wanted, a numeral of one group may
    /// come as digits, which is known sooner.
    #[inline]
    pub(crate) fn scan<const ALL: bool>(
        &self,
        text: &[u8],
        range: Range<usize>,
        mut emit: impl FnMut(Found),
    ) -> usize {
        let mut place = range.start;
        let mut digits = Digits::new(text, place);
        while let Some(Range { start, end }) = digits.next_run(place)
            && start < range.end
        {
            let is_short = !ALL && end - start <= self.group && ends_here(text, end);
            let found = if is_short {
                Found::Digits(start..end)
            } else {
                self.read(text, start..end)
            };
            place = found.end();
            emit(found);
        }
        place
    }

    /// The numeral that starts with a run of digits, or that run.
    #[inline]
    pub(crate) fn read(&self, text: &[u8], run: Range<usize>) -> Found {
        if !joined_before(text, run.start)
            && let Some(numeral) = self.numeral(text, run.start, run.end)
        {
            return Found::Numeral(numeral);
        }
        Found::Digits(run)
    }

    /// The numeral that starts with the digits `start..end`, if no character is joined to them before.
    #[inline]
    fn numeral(&self, text: &[u8], start: usize, end: usize) -> Option<Numeral> {
        let length = end - start;
        if (text[start] == b'0' && length > 1) || (length > INTEGER_LIMIT && !self.extend) {
            return None;
        }
        let (integer_end, commas) = if self.grouped && length <= 3 && text[start] != b'0' {
            self.commas(text, end)
        } else {
            (end, 0)
        };
        let mut numeral = Numeral {
            integer: start..integer_end,
            fraction: integer_end..integer_end,
            commas,
        };
        if text.get(integer_end) == Some(&b'.')
            && text.get(integer_end + 1).is_some_and(u8::is_ascii_digit)
        {
            let from = integer_end + 1;
            let to = if self.extend {
                digits_end(text, from)
            } else {
                // A longer fraction need not be read to its end to be refused.
                let window = (from + FRACTION_LIMIT + 1).min(text.len());
                digits_end(&text[..window], from)
            };
            if to - from > FRACTION_LIMIT && !self.extend {
                return None;
            }
            numeral.fraction = from..to;
        }
        if joined_after(text, numeral.end())
            || numeral.digits() < self.min_digits
            || (self.keep_years && numeral.is_year(text))
        {
            return None;
        }
        Some(numeral)
    }

    /// The end of a first triad's commas and triads, and their number.
    fn commas(&self, text: &[u8], mut end: usize) -> (usize, usize) {
        let mut commas = 0;
        while commas < INTEGER_LIMIT / 3 - 1 || self.extend {
            let is_triad =
                |next: &[u8]| next[0] == b',' && next[1..].iter().all(u8::is_ascii_digit);
            if !text.get(end..end + 4).is_some_and(is_triad) {
                break;
            }
            end += 4;
            commas += 1;
        }
        (end, commas)
    }
}

impl Numeral {
    /// Where the numeral ends.
    #[must_use]
    pub fn end(&self) -> usize {
        self.fraction.end
    }

    /// The digits before the point.
    #[must_use]
    pub fn integer_digits(&self) -> usize {
        self.integer.len() - self.commas
    }

    /// The digits behind the point.
    #[must_use]
    pub fn fraction_digits(&self) -> usize {
        self.fraction.len()
    }

    fn digits(&self) -> usize {
        self.integer_digits() + self.fraction_digits()
    }

    /// Four digits from 1000 to 2099.
    fn is_year(&self, text: &[u8]) -> bool {
        self.integer.len() == 4
            && self.commas == 0
            && self.fraction.is_empty()
            && (text[self.integer.start] == b'1' || text[self.integer.clone()].starts_with(b"20"))
    }

    /// Calls `emit` with each group of `size` digits, 1 to 4, from the left: its digits, and its order, counted in groups
    /// from the point, or its negated depth behind the point.
    #[inline]
    pub fn groups(&self, size: usize, mut emit: impl FnMut(Range<usize>, isize)) {
        let length = self.integer_digits();
        let last = length.saturating_sub(1);
        // Division by a number that the compiler knows is many times faster.
        let mut order = match size {
            1 => last,
            2 => last / 2,
            3 => last / 3,
            _ => last / 4,
        };
        let mut start = self.integer.start;
        let mut end = start + (length - order * size);
        loop {
            emit(start..end, order as isize);
            if order == 0 {
                break;
            }
            order -= 1;
            start = end + usize::from(self.commas > 0);
            end = start + size;
        }
        let mut depth = 0;
        let mut start = self.fraction.start;
        while start < self.fraction.end {
            depth -= 1;
            let end = (start + size).min(self.fraction.end);
            emit(start..end, depth);
            start = end;
        }
    }
}

/// The digits of a text, as runs from its start to its end. A text is looked at block by block.
pub(crate) struct Digits<'t> {
    text: &'t [u8],
    /// Where the block starts.
    base: usize,
    /// The digits of the block, one bit a byte.
    mask: u64,
}

impl<'t> Digits<'t> {
    /// Those from `place` on.
    pub(crate) fn new(text: &'t [u8], place: usize) -> Self {
        let mut digits = Self {
            text,
            base: place,
            mask: 0,
        };
        digits.read(place);
        digits
    }

    /// Makes the block the first one from `base` on that has digits, or that at the end.
    #[inline]
    fn read(&mut self, base: usize) {
        let rest = self.text.get(base..).unwrap_or_default();
        let (blocks, end) = rest.as_chunks::<BLOCK>();
        self.base = base;
        for block in blocks {
            if has_digits(block) {
                self.mask = digit_mask(block);
                return;
            }
            self.base += BLOCK;
        }
        let mut block = [0; BLOCK];
        block[..end.len()].copy_from_slice(end);
        self.mask = digit_mask(&block);
    }

    /// The first run of digits from `place` on, which never goes back.
    #[inline]
    pub(crate) fn next_run(&mut self, place: usize) -> Option<Range<usize>> {
        if place >= self.base + BLOCK {
            self.read(place);
        } else if place > self.base {
            self.mask &= u64::MAX << (place - self.base);
        }
        if self.mask == 0 {
            self.read(self.base + BLOCK);
            if self.mask == 0 {
                return None;
            }
        }
        let first = self.mask.trailing_zeros() as usize;
        let length = (self.mask >> first).trailing_ones() as usize;
        let start = self.base + first;
        let mut end = start + length;
        if first + length == BLOCK {
            end = digits_end(self.text, end);
        }
        Some(start..end)
    }
}

/// The end of the run of digits at `place`.
#[inline]
pub(crate) fn digits_end(text: &[u8], place: usize) -> usize {
    let rest = text.get(place..).unwrap_or_default();
    place
        + rest
            .iter()
            .position(|byte| !byte.is_ascii_digit())
            .unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(text: &[u8]) -> Vec<Range<usize>> {
        let mut digits = Digits::new(text, 0);
        let (mut runs, mut place) = (Vec::new(), 0);
        while let Some(run) = digits.next_run(place) {
            place = run.end;
            runs.push(run);
        }
        runs
    }

    fn runs_slowly(text: &[u8]) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for (place, byte) in text.iter().enumerate() {
            match runs.last_mut() {
                _ if !byte.is_ascii_digit() => {}
                Some(run) if run.end == place => run.end += 1,
                _ => runs.push(place..place + 1),
            }
        }
        runs
    }

    #[test]
    fn all_bytes_beside_a_digit() {
        for byte in 0..=255_u8 {
            for length in [1, 8, 60, 64, 65, 150, 200] {
                for place in 0..length {
                    let mut text = vec![byte; length];
                    text[place] = b'9';
                    assert_eq!(runs(&text), runs_slowly(&text), "{byte} at {place}");
                }
            }
        }
        assert!(runs(b"").is_empty());
        assert_eq!(Digits::new(b"12", 0).next_run(1), Some(1..2));
        assert_eq!(Digits::new(b"12", 0).next_run(9), None);
    }

    #[test]
    fn runs_of_all_lengths() {
        for start in 0..140 {
            for length in 1..140 {
                let digits = ["x".repeat(start), "7".repeat(length), " 1".into()].concat();
                let text = digits.repeat(2).into_bytes();
                assert_eq!(runs(&text), runs_slowly(&text), "{length} at {start}");
            }
        }
    }
}
