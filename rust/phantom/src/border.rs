//! Where two token sequences over one text differ.
//!
//! A *region* is what lies between two neighbouring borders that both sequences have, so two
//! sequences fall into the same number of regions, and a region in which the ids differ is as
//! small as can be. Where the texts are not the same, borders are common in the longest common
//! start and the longest common end, and all between is one region.
//!
//! Cost: one step a border.

use std::ops::Range;

/// The tokens of two sequences between two common borders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) old: Range<usize>,
    pub(crate) new: Range<usize>,
}

/// How much of two texts is the same, from the start and, without overlap, from the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Common {
    start: usize,
    end: usize,
    lengths: (usize, usize),
}

impl Common {
    /// Compares two texts, unit by unit.
    pub(crate) fn new<T: PartialEq>(old: &[T], new: &[T]) -> Self {
        let least = old.len().min(new.len());
        let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
        let end = if start == old.len() && start == new.len() {
            0
        } else {
            let backwards = old.iter().rev().zip(new.iter().rev());
            backwards
                .take(least - start)
                .take_while(|(a, b)| a == b)
                .count()
        };
        Self {
            start,
            end,
            lengths: (old.len(), new.len()),
        }
    }

    /// The same with `factor` borders for each unit.
    pub(crate) fn scaled(self, factor: usize) -> Self {
        Self {
            start: self.start * factor,
            end: self.end * factor,
            lengths: (self.lengths.0 * factor, self.lengths.1 * factor),
        }
    }
}

/// Calls `visit` with each region of two sequences, whose borders are rising places in their texts
/// from 0 to the end, equal ones where tokens take nothing of the text. Such tokens go to the
/// region behind them.
pub(crate) fn for_each_region(
    old: &[usize],
    new: &[usize],
    common: &Common,
    visit: &mut dyn FnMut(Region),
) {
    let (mut from, mut at) = ((0, 0), (0, 0));
    let mut close = |at: (usize, usize)| {
        if at != from {
            visit(Region {
                old: from.0..at.0,
                new: from.1..at.1,
            });
            from = at;
        }
    };
    let (old_end, new_end) = common.lengths;
    // The first border at a place counts, so the pass goes on behind the others there.
    let next = |borders: &[usize], at: usize| {
        let place = borders[at];
        let more = borders[at..].iter().take_while(|&&other| other == place);
        at + more.count()
    };
    while at.0 < old.len() && at.1 < new.len() {
        let (left, right) = (old[at.0], new[at.1]);
        let before = (left <= common.start, right <= common.start);
        // Places are measured from the start up to there, then from the end.
        let order = match before {
            (true, true) => left.cmp(&right),
            (true, false) => std::cmp::Ordering::Less,
            (false, true) => std::cmp::Ordering::Greater,
            (false, false) => {
                let (left, right) = (old_end - left, new_end - right);
                match (left <= common.end, right <= common.end) {
                    (true, true) => right.cmp(&left),
                    (true, false) => std::cmp::Ordering::Greater,
                    // Neither is common: they are passed together.
                    _ => std::cmp::Ordering::Less,
                }
            }
        };
        match order {
            std::cmp::Ordering::Less => at.0 = next(old, at.0),
            std::cmp::Ordering::Greater => at.1 = next(new, at.1),
            std::cmp::Ordering::Equal => {
                close(at);
                at = (next(old, at.0), next(new, at.1));
            }
        }
    }
    close((old.len() - 1, new.len() - 1));
}

/// The places where tokens of these lengths start, and the end.
pub(crate) fn places(lengths: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut place = 0;
    let mut places = vec![0];
    places.extend(lengths.map(|length| {
        place += length;
        place
    }));
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All pairs of borders that both have, by trying each.
    fn slowly(old: &[usize], new: &[usize], common: &Common) -> Vec<Region> {
        let same = |left: usize, right: usize| {
            let from_end = (common.lengths.0 - left, common.lengths.1 - right);
            left == right && left <= common.start
                || from_end.0 == from_end.1
                    && from_end.0 <= common.end
                    && left > common.start
                    && right > common.start
        };
        let mut pairs = vec![(0, 0)];
        for left in 1..old.len() {
            for right in 1..new.len() {
                let first = old[left] != old[left - 1] && new[right] != new[right - 1];
                if first && same(old[left], new[right]) {
                    pairs.push((left, right));
                }
            }
        }
        pairs.push((old.len() - 1, new.len() - 1));
        pairs.dedup();
        pairs
            .windows(2)
            .map(|pair| Region {
                old: pair[0].0..pair[1].0,
                new: pair[0].1..pair[1].1,
            })
            .collect()
    }

    proptest! {
        #[test]
        fn regions_lie_between_common_borders(
            old in prop::collection::vec("[ab]{0,3}", 0..6),
            new in prop::collection::vec("[ab]{0,3}", 0..6),
            same in any::<bool>(),
        ) {
            let text = old.concat();
            let mut new = new;
            if same {
                // Cut the same text at other places.
                let mut rest = &text[..];
                for token in &mut new {
                    let (head, tail) = rest.split_at(token.len().min(rest.len()));
                    *token = head.to_owned();
                    rest = tail;
                }
                new.push(rest.to_owned());
            }
            let other = new.concat();
            let common = Common::new(text.as_bytes(), other.as_bytes());
            let old = places(old.iter().map(String::len));
            let new = places(new.iter().map(String::len));
            let mut found = Vec::new();
            for_each_region(&old, &new, &common, &mut |region| found.push(region));
            prop_assert_eq!(found, slowly(&old, &new, &common));
        }
    }
}
