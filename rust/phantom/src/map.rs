//! Where tokens went, and what becomes of their values.
//!
//! A map is the list of changed blocks of two sequences, old and new range of each; between blocks
//! the tokens are the same. Values of the old tokens go over to the new ones: unchanged tokens keep
//! theirs, and a block has only its sum, since nothing says how to share it out.
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

    /// The number of tokens of both sequences.
    #[must_use]
    pub fn lengths(&self) -> (usize, usize) {
        (self.old_len, self.new_len)
    }

    /// The values of the new tokens.
    ///
    /// # Errors
    /// [`Refused`] if a value would be lost.
    pub fn project(&self, values: &[f64], how: How) -> Result<Vec<f64>, Refused> {
        if values.len() != self.old_len {
            return Err(Refused::Length);
        }
        let mut out = Vec::with_capacity(self.new_len);
        let mut from = 0;
        for (index, (old, new)) in self.changes.iter().enumerate() {
            out.extend_from_slice(&values[from..old.start]);
            from = old.end;
            if new.is_empty() && !old.is_empty() && how != How::Nan {
                return Err(Refused::Empty(index));
            }
            let sum = sum(&values[old.clone()]);
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

/// The sum of values, each rounding error carried along.
fn sum(values: &[f64]) -> f64 {
    let (mut sum, mut lost) = (0.0, 0.0);
    for &value in values {
        let next: f64 = sum + value;
        if next.is_finite() {
            lost += if f64::abs(sum) >= value.abs() {
                (sum - next) + value
            } else {
                (value - next) + sum
            };
        }
        sum = next;
    }
    sum + lost
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
        assert_eq!(sum(&[1e16, 1.0, -1e16]), 1.0);
    }
}
