//! Where tokens went, and what becomes of their values.
//!
//! A map is the list of changed blocks of two sequences, old and new range of each; between blocks
//! the tokens are the same. Values of the old tokens go over to the new ones: unchanged tokens keep
//! theirs, and a block has only its sum, since nothing says how to share it out. The sum is the exact
//! one, rounded once. One value that is infinite makes it infinite, not-a-number or infinities of
//! both signs make it not-a-number. A block without old tokens has no sum, and no value.
//!
//! Invariant: blocks rise on both sides, and what lies between two of them has one length on both.
//!
//! Cost: a step a token.

use std::ops::Range;

/// What a block's new tokens get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The block's sum on the first, not-a-number on the others.
    First,
    /// The block's sum on each.
    Sum,
    /// Not-a-number on all.
    Nan,
}

/// The changed blocks of two sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    changes: Vec<(Range<usize>, Range<usize>)>,
    old_len: usize,
    new_len: usize,
}

/// Why values cannot be carried over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not one value for each old token.
    Length,
    /// The block at this index has no new token that could take its sum.
    Empty(usize),
    /// So many values have no room in memory.
    Memory,
}

impl Map {
    pub(crate) fn new(
        changes: Vec<(Range<usize>, Range<usize>)>,
        old_len: usize,
        new_len: usize,
    ) -> Self {
        Self {
            changes,
            old_len,
            new_len,
        }
    }

    /// A map from its parts; `None` if these are no map.
    #[must_use]
    pub fn from_parts(
        changes: Vec<(Range<usize>, Range<usize>)>,
        old_len: usize,
        new_len: usize,
    ) -> Option<Self> {
        let mut at = (0, 0);
        let end = (old_len..old_len, new_len..new_len);
        for (old, new) in changes.iter().chain([&end]) {
            let rises = at.0 <= old.start && old.start <= old.end && new.start <= new.end;
            if !rises || Some(old.start - at.0) != new.start.checked_sub(at.1) {
                return None;
            }
            at = (old.end, new.end);
        }
        Some(Self::new(changes, old_len, new_len))
    }

    /// The blocks, as tokens of the old and of the new sequence.
    #[must_use]
    pub fn changes(&self) -> &[(Range<usize>, Range<usize>)] {
        &self.changes
    }

    /// The values of the new tokens.
    ///
    /// # Errors
    /// [`Refused`] if a value would be lost, or the new ones are too many.
    pub fn project(&self, values: &[f64], how: How) -> Result<Vec<f64>, Refused> {
        if values.len() != self.old_len {
            return Err(Refused::Length);
        }
        let mut out = Vec::new();
        out.try_reserve_exact(self.new_len)
            .map_err(|_| Refused::Memory)?;
        let mut from = 0;
        for (index, (old, new)) in self.changes.iter().enumerate() {
            out.extend_from_slice(&values[from..old.start]);
            from = old.end;
            if new.is_empty() && !old.is_empty() && how != How::Nan {
                return Err(Refused::Empty(index));
            }
            let sum = if old.is_empty() {
                f64::NAN
            } else {
                sum(&values[old.clone()])
            };
            out.extend((0..new.len()).map(|place| match how {
                How::First if place == 0 => sum,
                How::Sum => sum,
                _ => f64::NAN,
            }));
        }
        out.extend_from_slice(&values[from..]);
        Ok(out)
    }
}

/// The exact sum of values, rounded once (Shewchuk 1997, "Adaptive Precision Floating-Point Arithmetic
/// and Fast Robust Geometric Predicates", as `fsum` of Python has it). Beyond the largest number it is
/// infinite.
fn sum(values: &[f64]) -> f64 {
    if values.iter().any(|value| !value.is_finite()) {
        return values.iter().filter(|value| !value.is_finite()).sum();
    }
    // Numbers whose digits do not overlap, the smallest first; together they are the sum so far.
    let mut parts: Vec<f64> = Vec::new();
    for &value in values {
        let mut high = value;
        let mut kept = 0;
        for at in 0..parts.len() {
            let (next, low) = two_sum(high, parts[at]);
            if low != 0.0 {
                parts[kept] = low;
                kept += 1;
            }
            high = next;
        }
        if !high.is_finite() {
            return high;
        }
        parts.truncate(kept);
        parts.push(high);
    }
    let mut sum = parts.pop().unwrap_or(0.0);
    while let Some(part) = parts.pop() {
        let (next, low) = two_sum(sum, part);
        sum = next;
        if low == 0.0 {
            continue;
        }
        // Half of a last place: what is left below decides where it goes.
        if parts
            .last()
            .is_some_and(|rest| (low < 0.0) == (*rest < 0.0))
        {
            let (further, rest) = two_sum(sum, 2.0 * low);
            if rest == 0.0 {
                sum = further;
            }
        }
        break;
    }
    sum
}

/// The rounded sum of two numbers and what rounding took.
fn two_sum(left: f64, right: f64) -> (f64, f64) {
    let (large, small) = if left.abs() < right.abs() {
        (right, left)
    } else {
        (left, right)
    };
    let sum = large + small;
    (sum, small - (sum - large))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_block_has_its_sum() {
        let map = Map::from_parts(vec![(1..3, 1..2), (4..5, 3..6)], 6, 7);
        let map = map.unwrap();
        let values = [1.0, -0.5, -1.0, 2.0, 3.0, 4.0];
        let first = map.project(&values, How::First).unwrap_or_default();
        assert_eq!(first[..4], [1.0, -1.5, 2.0, 3.0]);
        assert!(first[4].is_nan() && first[5].is_nan());
        assert_eq!(first[6], 4.0);
        let sum = map.project(&values, How::Sum).unwrap_or_default();
        assert_eq!(sum, [1.0, -1.5, 2.0, 3.0, 3.0, 3.0, 4.0]);
        let nan = map.project(&values, How::Nan).unwrap_or_default();
        assert!(nan[1].is_nan() && nan[0] == 1.0);
        assert_eq!(map.project(&values[1..], How::Sum), Err(Refused::Length));
    }

    #[test]
    fn no_value_is_lost() {
        let map = Map::new(vec![(0..1, 0..0)], 1, 0);
        assert_eq!(map.project(&[1.0], How::First), Err(Refused::Empty(0)));
        assert!(Map::from_parts(vec![(0..1, 0..1)], 2, 3).is_none());
        assert!(Map::from_parts(vec![(1..2, 1..2), (0..1, 2..3)], 2, 3).is_none());
    }

    #[test]
    fn sums_are_exact() {
        let half = f64::EPSILON / 2.0;
        let cases: &[(&[f64], f64)] = &[
            (&[], 0.0),
            (&[-0.5, -1.0], -1.5),
            (&[1e16, 1.0, -1e16], 1.0),
            (&[1e100, 1.0, -1e100, 1.0], 2.0),
            (&[0.1; 10], 1.0),
            (&[1.0, half], 1.0),
            (&[1.0, half, half / 1e9], 1.0 + f64::EPSILON),
            (&[1.0, half, -half / 1e9], 1.0),
            (&[f64::NEG_INFINITY, -1.0], f64::NEG_INFINITY),
            (&[1e308, 1e308], f64::INFINITY),
        ];
        for (values, expected) in cases {
            assert_eq!(sum(values), *expected, "{values:?}");
        }
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert!(sum(&[1.0, f64::NAN, f64::INFINITY]).is_nan());
    }

    #[test]
    fn nothing_is_made_up() {
        let map = Map::new(vec![(1..1, 1..2)], 2, 3);
        for how in [How::First, How::Sum, How::Nan] {
            let out = map.project(&[1.0, 2.0], how).unwrap();
            assert!(out[0] == 1.0 && out[1].is_nan() && out[2] == 2.0);
        }
        let map = Map::new(vec![(0..1, 0..usize::MAX)], 1, usize::MAX);
        assert_eq!(map.project(&[1.0], How::Sum), Err(Refused::Memory));
    }
}
