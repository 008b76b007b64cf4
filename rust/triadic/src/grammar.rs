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
use crate::characters::{joined_after, joined_before};

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
        self.scan(text, |found| {
            if let Found::Numeral(numeral) = found {
                emit(numeral);
            }
        });
    }

    /// Calls `emit` for each numeral and for each run of digits outside of numerals.
    #[inline]
    pub(crate) fn scan(&self, text: &[u8], mut emit: impl FnMut(Found)) {
        let mut place = 0;
        while let Some(start) = next_digit(text, place) {
            let end = digits_end(text, start);
            place = if let Some(numeral) = self.numeral(text, start, end) {
                let end = numeral.end();
                emit(Found::Numeral(numeral));
                end
            } else {
                emit(Found::Digits(start..end));
                end
            };
        }
    }

    /// The numeral that starts with the digits `start..end`.
    #[inline]
    fn numeral(&self, text: &[u8], start: usize, end: usize) -> Option<Numeral> {
        let length = end - start;
        if joined_before(text, start)
            || (text[start] == b'0' && length > 1)
            || (length > INTEGER_LIMIT && !self.extend)
        {
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

/// The high bit of each of eight bytes that is a digit.
#[inline]
fn digits_of(bytes: [u8; 8]) -> u64 {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // A digit becomes 0 to 9, which stay below 0x80 when 0x76 is added; no byte carries over.
    let word = u64::from_le_bytes(bytes) ^ 0x3030_3030_3030_3030;
    !(((word & !HIGH) + 0x7676_7676_7676_7676) | word) & HIGH
}

/// The first digit from `place` on.
#[inline]
pub(crate) fn next_digit(text: &[u8], place: usize) -> Option<usize> {
    let rest = text.get(place..)?;
    let (words, end) = rest.as_chunks::<8>();
    // Digits come in clusters, so the next few bytes are tried before whole blocks.
    let mut skipped = words
        .iter()
        .take(2)
        .take_while(|word| digits_of(**word) == 0)
        .count();
    if skipped == 2 {
        let blocks = words[2..].as_chunks::<4>().0.iter();
        let blank = blocks.take_while(|block| {
            let bytes = block.as_flattened().iter();
            !bytes.fold(false, |any, byte| any | byte.is_ascii_digit())
        });
        skipped += 4 * blank.count();
    }
    for (number, word) in words[skipped..].iter().enumerate() {
        let digits = digits_of(*word);
        if digits != 0 {
            let within = digits.trailing_zeros() as usize / 8;
            return Some(place + 8 * (skipped + number) + within);
        }
    }
    let found = end.iter().position(u8::is_ascii_digit)?;
    Some(place + 8 * words.len() + found)
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

    #[test]
    fn the_next_digit() {
        for byte in 0..=255_u8 {
            for place in 0..60 {
                let mut text = [b'/'; 60];
                text[place] = byte;
                let expected = text.iter().position(u8::is_ascii_digit);
                assert_eq!(next_digit(&text, 0), expected, "{byte} at {place}");
                // Bytes beside a digit do not carry into it.
                let mut text = [byte; 60];
                text[place] = b'9';
                let expected = text.iter().position(u8::is_ascii_digit);
                assert_eq!(next_digit(&text, 0), expected, "among {byte}");
            }
        }
        assert_eq!(next_digit(b"", 0), None);
        assert_eq!(next_digit(b"1", 2), None);
    }
}
