//! A numeral as a list of triads, and back.
//!
//! Each triad is a string of digits and the power of ten of its last digit: `89` in `.89` has the
//! power -2. The digits are kept as they stand, so `0.1` and `0.10` differ and joining gives the
//! numeral back.

use crate::Error;
use crate::grammar::{FRACTION_LIMIT, Grammar, INTEGER_LIMIT, Numeral};

/// Digits and the power of ten of the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Triad {
    /// ASCII digits.
    pub digits: String,
    /// The power of ten of the last digit.
    pub power: i64,
}

/// The power of ten of the last digit of a group; `order` is as [`Numeral::groups`] counts.
pub(crate) fn power(order: isize, size: usize, fraction_before: usize, length: usize) -> i64 {
    if order >= 0 {
        order as i64 * size as i64
    } else {
        -((fraction_before + length) as i64)
    }
}

/// The triads of a numeral.
///
/// # Errors
/// [`Error::Numeral`] for what is no numeral by the grammar, or has commas.
pub fn split(literal: &[u8], grammar: &Grammar) -> Result<Vec<Triad>, Error> {
    let mut found: Option<Numeral> = None;
    grammar.find(literal, |numeral| {
        if numeral.integer.start == 0 && numeral.end() == literal.len() {
            found = Some(numeral);
        }
    });
    let shown = String::from_utf8_lossy(literal);
    let Some(numeral) = found else {
        let (before, behind) = if grammar.is_extended() {
            ("digits".into(), "more".into())
        } else {
            (
                format!("1 to {INTEGER_LIMIT} digits"),
                format!("1 to {FRACTION_LIMIT} more"),
            )
        };
        return Err(Error::Numeral(format!(
            "{shown:?} is no numeral: write {before} without a leading zero, and after a point {behind}, without a sign"
        )));
    };
    if numeral.commas > 0 {
        return Err(Error::Numeral(format!(
            "{shown:?} has commas, which triads do not keep: take them out first"
        )));
    }
    let mut triads = Vec::new();
    let mut fraction = 0;
    numeral.groups(grammar.group_size(), |range, order| {
        let power = power(order, grammar.group_size(), fraction, range.len());
        if order < 0 {
            fraction += range.len();
        }
        triads.push(Triad {
            digits: String::from_utf8_lossy(&literal[range]).into_owned(),
            power,
        });
    });
    Ok(triads)
}

/// The numeral of triads of any sizes.
///
/// # Errors
/// [`Error::Numeral`] where digits are not digits, powers leave a gap or overlap, a triad reaches
/// over the point, or the integer part is missing or starts with a zero.
pub fn join<'a>(triads: impl IntoIterator<Item = (&'a str, i64)>) -> Result<String, Error> {
    let mut literal = String::new();
    let mut last: Option<i64> = None;
    for (digits, power) in triads {
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::Numeral(format!(
                "{digits:?} is no triad: it needs ASCII digits"
            )));
        }
        let first = (digits.len() as i64)
            .checked_add(power)
            .filter(|&first| power >= 0 || first <= 0)
            .ok_or_else(|| {
                Error::Numeral(format!(
                    "{digits:?} with the power {power} reaches over the point"
                ))
            })?;
        if last.is_some_and(|last| last != first) || (last.is_none() && power < 0) {
            return Err(Error::Numeral(format!(
                "the triad {digits:?} with the power {power} does not follow the one before it"
            )));
        }
        if last == Some(0) {
            literal.push('.');
        }
        literal.push_str(digits);
        last = Some(power);
    }
    if last.is_none_or(|last| last > 0) {
        return Err(Error::Numeral(
            "the triads do not reach the units: the last integer triad has the power 0".into(),
        ));
    }
    let integer = literal.split('.').next().unwrap_or_default();
    if integer.len() > 1 && integer.starts_with('0') {
        return Err(Error::Numeral(format!(
            "{literal} starts with a zero: no numeral does"
        )));
    }
    Ok(literal)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pairs(literal: &str) -> Vec<(String, i64)> {
        let triads = split(literal.as_bytes(), &Grammar::default()).unwrap();
        let joined = join(
            triads
                .iter()
                .map(|triad| (triad.digits.as_str(), triad.power)),
        );
        assert_eq!(joined.unwrap(), literal);
        triads
            .into_iter()
            .map(|triad| (triad.digits, triad.power))
            .collect()
    }

    #[test]
    fn splits_and_joins() {
        let owned = |list: &[(&str, i64)]| -> Vec<(String, i64)> {
            list.iter()
                .map(|&(digits, power)| (digits.to_owned(), power))
                .collect()
        };
        assert_eq!(
            pairs("1234567.89"),
            owned(&[("1", 6), ("234", 3), ("567", 0), ("89", -2)])
        );
        assert_eq!(pairs("0.0045"), owned(&[("0", 0), ("004", -3), ("5", -4)]));
        assert_eq!(pairs("0"), owned(&[("0", 0)]));
    }

    #[test]
    fn refused() {
        for literal in [
            "",
            "-5",
            "007",
            "1,234",
            "1.",
            ".5",
            "1234567890123456789",
            " 1",
            "1 2",
        ] {
            assert!(
                split(literal.as_bytes(), &Grammar::default()).is_err(),
                "{literal}"
            );
        }
        let grouped = Grammar::default().grouped(true).unwrap();
        assert!(split(b"1,234", &grouped).is_err());
        for triads in [
            &[][..],
            &[("1", 3)],
            &[("1", 3), ("23", 0)],
            &[("12", -1)],
            &[("5", -1)],
            &[("", 0)],
            &[("٣", 0)],
            &[("01", 0)],
            &[("0", 3), ("001", 0)],
            &[("1", i64::MAX)],
        ] {
            assert!(join(triads.iter().copied()).is_err(), "{triads:?}");
        }
    }
}
