//! Groups of digits moved between left and right, for vocabularies that hold plain groups.
//!
//! A run is a longest sequence of tokens that are ASCII digits alone; one that follows a digit and
//! a point is a fraction and stays. The digits of any other run are cut anew: in threes from the
//! right, or from the left. The text is the same, and regrouping twice is regrouping once.
//!
//! Cost: one pass, and a look-up for each new group.

use crate::Error;

/// Where the short group of a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// First: groups are counted from the right.
    RightToLeft,
    /// Last: groups are counted from the left.
    LeftToRight,
}

/// Digits in a group.
const GROUP: usize = 3;

/// Appends the regrouped ids to `out`. `token` gives the bytes of the id at a place, empty for one that
/// ends the text before it; `find` gives the id of a group of digits.
///
/// # Errors
/// [`Error::Vocab`] where a group of digits has no id.
pub fn regroup<'t>(
    ids: &[u32],
    side: Side,
    token: impl Fn(usize) -> &'t [u8],
    find: impl Fn(&[u8]) -> Option<u32>,
    out: &mut Vec<u32>,
) -> Result<(), Error> {
    let is_digits = |token: &[u8]| !token.is_empty() && token.iter().all(u8::is_ascii_digit);
    // The last two bytes of the text so far.
    let mut tail = [0_u8; 2];
    let mut digits: Vec<u8> = Vec::new();
    let mut place = 0;
    while place < ids.len() {
        let bytes = token(place);
        if !is_digits(bytes) {
            out.push(ids[place]);
            match *bytes {
                [] => tail = [0; 2],
                [only] => tail = [tail[1], only],
                [.., first, second] => tail = [first, second],
            }
            place += 1;
            continue;
        }
        let first = place;
        digits.clear();
        while place < ids.len() && is_digits(token(place)) {
            digits.extend_from_slice(token(place));
            place += 1;
        }
        let is_fraction = tail[0].is_ascii_digit() && tail[1] == b'.';
        tail = [0, digits[digits.len() - 1]];
        if is_fraction {
            out.extend_from_slice(&ids[first..place]);
            continue;
        }
        let short = match side {
            Side::RightToLeft => digits.len() % GROUP,
            Side::LeftToRight => 0,
        };
        let (head, rest) = digits.split_at(short);
        let head = (!head.is_empty()).then_some(head);
        for group in head.into_iter().chain(rest.chunks(GROUP)) {
            let id = find(group).ok_or_else(|| {
                Error::Vocab(format!(
                    "the vocabulary has no token {:?}: regrouping needs one for every string of one to three digits",
                    String::from_utf8_lossy(group)
                ))
            })?;
            out.push(id);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Regroups tokens that stand for their place in a list; new groups are read back.
    fn regrouped(tokens: &[&str], side: Side) -> Vec<String> {
        let ids: Vec<u32> = (0..tokens.len() as u32).collect();
        let mut out = Vec::new();
        let offset = 1_000_000;
        let find = |group: &[u8]| {
            let text = std::str::from_utf8(group).unwrap();
            Some(offset * text.len() as u32 + text.parse::<u32>().unwrap())
        };
        regroup(&ids, side, |place| tokens[place].as_bytes(), find, &mut out).unwrap();
        out.into_iter()
            .map(|id| match id / offset {
                0 => tokens[id as usize].to_owned(),
                width => format!("{:0width$}", id % offset, width = width as usize),
            })
            .collect()
    }

    #[test]
    fn runs() {
        for (left, right) in [
            (&["123", "456", "7"][..], &["1", "234", "567"][..]),
            (&["a", "123", "4", " ", "12"], &["a", "1", "234", " ", "12"]),
            (
                &["100", "0", ".", "141", "59"],
                &["1", "000", ".", "141", "59"],
            ),
            (&["x.", "100", "0"], &["x.", "1", "000"]),
            (&[".", "100", "0"], &[".", "1", "000"]),
            (&["5", ",", "100", "0"], &["5", ",", "1", "000"]),
            (&[], &[]),
        ] {
            assert_eq!(regrouped(left, Side::RightToLeft), right);
            assert_eq!(regrouped(right, Side::LeftToRight), left);
        }
        assert_eq!(
            regrouped(&["1", "2", "3", "4"], Side::RightToLeft),
            ["1", "234"]
        );
        // What ends a text is no part of a fraction's start.
        assert_eq!(
            regrouped(&["1", ".", "", "100", "0"], Side::RightToLeft),
            ["1", ".", "", "1", "000"]
        );
    }

    #[test]
    fn a_missing_group_is_named() {
        let error = regroup(
            &[0],
            Side::LeftToRight,
            |_| b"12",
            |_| None,
            &mut Vec::new(),
        );
        assert!(error.unwrap_err().to_string().contains("\"12\""));
    }
}
