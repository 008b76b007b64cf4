//! The bytes that name an order of magnitude.
//!
//! Integer triads have the markers k, m, b, t, q for the orders 1 to 5 (thousands to 10^15), the
//! fraction p to ppppp for the depths 1 to 5. They are control characters, so every byte-level
//! vocabulary has them. Higher orders are spelled with several, as numbers to base 5 with the
//! digits 1 to 5 and no zero: order 6 (10^18) is `k k`, order 11 is `m k`; depths likewise. So each
//! order has one spelling, as long as a logarithm of the order. A marker stands right behind a
//! digit. Where the text itself has such a byte behind a digit, the escape stands between the two.

/// k, m, b, t, q.
pub(crate) const INTEGER: [u8; 5] = [0x01, 0x02, 0x03, 0x04, 0x05];
/// p, pp, ppp, pppp, ppppp.
pub(crate) const FRACTION: [u8; 5] = [0x0E, 0x0F, 0x10, 0x11, 0x12];
/// The first and the last marker of integer triads, and of fractions'.
pub const MARKERS: [(u8, u8); 2] = [(INTEGER[0], INTEGER[4]), (FRACTION[0], FRACTION[4])];
/// Stands between a digit and a marker, or another escape, that the text has by itself.
pub const ESCAPE: u8 = 0x1A;

/// Names for people, in the order of the bytes.
pub const NAMES: [(u8, &str); 11] = [
    (0x01, "k"),
    (0x02, "m"),
    (0x03, "b"),
    (0x04, "t"),
    (0x05, "q"),
    (0x0E, "p"),
    (0x0F, "pp"),
    (0x10, "ppp"),
    (0x11, "pppp"),
    (0x12, "ppppp"),
    (ESCAPE, "esc"),
];

/// Whether a byte is a marker.
#[must_use]
pub fn is_marker(byte: u8) -> bool {
    matches!(byte, 0x01..=0x05 | 0x0E..=0x12)
}

/// Whether a byte behind a digit needs an escape before it.
#[must_use]
pub fn needs_escape(byte: u8) -> bool {
    is_marker(byte) || byte == ESCAPE
}

/// Calls `put` with the marker of an integer order; that of order 0 is empty.
#[inline]
pub fn integer(order: usize, put: impl FnOnce(&[u8])) {
    compose(&INTEGER, order, put);
}

/// Calls `put` with the marker of a fraction's triad; the first depth is 1.
#[inline]
pub fn fraction(depth: usize, put: impl FnOnce(&[u8])) {
    compose(&FRACTION, depth, put);
}

#[inline]
fn compose(markers: &[u8; 5], order: usize, put: impl FnOnce(&[u8])) {
    match order {
        0 => put(&[]),
        1..=5 => put(&markers[order - 1..order]),
        _ => put(&spell(markers, order)),
    }
}

/// An order to base 5, without a zero.
fn spell(markers: &[u8; 5], mut order: usize) -> Vec<u8> {
    let mut spelled = Vec::new();
    while order > 0 {
        order -= 1;
        spelled.push(markers[order % 5]);
        order /= 5;
    }
    spelled.reverse();
    spelled
}

/// The marker of an order up to 155: its bytes, the first one lowest, and their number on top.
pub(crate) const fn packed(markers: &[u8; 5], mut order: usize) -> u32 {
    let (mut bytes, mut length) = (0, 0);
    while order > 0 {
        order -= 1;
        bytes = bytes << 8 | markers[order % 5] as u32;
        length += 1;
        order /= 5;
    }
    bytes | length << 24
}

/// How many bytes a packed marker has.
#[inline]
pub(crate) const fn packed_length(marker: u32) -> usize {
    (marker >> 24) as usize
}

/// The marker of an integer order as bytes.
#[must_use]
pub fn integer_bytes(order: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    integer(order, |part| bytes.extend_from_slice(part));
    bytes
}

/// The marker of a fraction's triad as bytes.
#[must_use]
pub fn fraction_bytes(depth: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    fraction(depth, |part| bytes.extend_from_slice(part));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders() {
        assert!(integer_bytes(0).is_empty());
        assert_eq!(integer_bytes(1), [1]);
        assert_eq!(integer_bytes(5), [5]);
        assert_eq!(integer_bytes(6), [1, 1]);
        assert_eq!(integer_bytes(10), [1, 5]);
        assert_eq!(integer_bytes(11), [2, 1]);
        assert_eq!(integer_bytes(30), [5, 5]);
        assert_eq!(integer_bytes(31), [1, 1, 1]);
        assert_eq!(fraction_bytes(2), [0x0F]);
        assert_eq!(fraction_bytes(6), [0x0E, 0x0E]);
        for order in 0..=155 {
            let bytes = integer_bytes(order);
            let packed = packed(&INTEGER, order);
            assert_eq!(packed_length(packed), bytes.len());
            assert_eq!(packed.to_le_bytes()[..bytes.len()], bytes);
        }
        let mut all: Vec<_> = (1..1000).map(integer_bytes).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 999);
        for (byte, name) in NAMES {
            assert_eq!(is_marker(byte), name != "esc");
            assert!(needs_escape(byte));
        }
    }
}
