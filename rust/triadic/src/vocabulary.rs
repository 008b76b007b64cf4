//! The triads that a vocabulary needs.
//!
//! In *string identity* a token is its digits and its marker, so `45{k}` and `045{k}` are two: for
//! each integer order 1 to 999 without and 000 to 099 with leading zeros, for each depth one to
//! three digits. With triads that is 5 x 1,099 + 5 x 1,110 = 11,045.
//!
//! In *value identity* a token is a number and its order. Whether 45 thousand is printed `45` or
//! `045` follows from its place, and a last triad of a fraction that is shorter is followed by one
//! of two tokens that take a digit off its end: 5 x 1,000 + 5 x 1,000 + 2 = 10,002. Units have no
//! marker and are plain digits in both.

use crate::grammar::{FRACTION_LIMIT, INTEGER_LIMIT};
use crate::marker;

/// Integer orders above the units.
#[must_use]
pub fn orders(size: usize) -> usize {
    INTEGER_LIMIT.div_ceil(size.max(1)) - 1
}

/// Depths of the fraction.
#[must_use]
pub fn depths(size: usize) -> usize {
    FRACTION_LIMIT.div_ceil(size.max(1))
}

/// The markers of all orders and depths.
#[must_use]
pub fn markers(size: usize) -> Vec<Vec<u8>> {
    let integer = (1..=orders(size)).map(marker::integer_bytes);
    integer
        .chain((1..=depths(size)).map(marker::fraction_bytes))
        .collect()
}

/// All strings of one to `size` digits, shorter ones first.
#[must_use]
pub fn digits(size: usize) -> Vec<Vec<u8>> {
    (1..=size)
        .flat_map(|width| {
            (0..10_usize.pow(width as u32)).map(move |value| format!("{value:0width$}").into())
        })
        .collect()
}

/// The digits of every triad with its marker: of order 1 and up, then of depth 1 and down.
#[must_use]
pub fn triads(size: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let digits = digits(size);
    let mut triads = Vec::new();
    for order in 1..=orders(size) {
        let marker = marker::integer_bytes(order);
        let can_be = |digits: &&Vec<u8>| digits.len() == size || digits[0] != b'0';
        let whole = digits.iter().filter(can_be);
        triads.extend(whole.map(|digits| (digits.clone(), marker.clone())));
    }
    for depth in 1..=depths(size) {
        let marker = marker::fraction_bytes(depth);
        triads.extend(digits.iter().map(|digits| (digits.clone(), marker.clone())));
    }
    triads
}
