//! Whether bytes start a UTF-8 text, one byte at a time.
//!
//! A state is what must follow: nothing ([`START`]), one to three more bytes, or a second byte
//! with a narrower range (behind E0, ED, F0 and F4: overlong forms, surrogates, and what lies
//! beyond U+10FFFF have no start). Every state has a way back to [`START`].

/// Between two characters.
pub const START: u8 = 0;

const ONE: u8 = 1;
const TWO: u8 = 2;
const THREE: u8 = 3;
const BEHIND_E0: u8 = 4;
const BEHIND_ED: u8 = 5;
const BEHIND_F0: u8 = 6;
const BEHIND_F4: u8 = 7;

/// The state behind one more byte, `None` if no text has it there.
#[must_use]
pub fn step(state: u8, byte: u8) -> Option<u8> {
    Some(match (state, byte) {
        (START, 0x00..=0x7F) | (ONE, 0x80..=0xBF) => START,
        (START, 0xC2..=0xDF)
        | (TWO, 0x80..=0xBF)
        | (BEHIND_E0, 0xA0..=0xBF)
        | (BEHIND_ED, 0x80..=0x9F) => ONE,
        (START, 0xE0) => BEHIND_E0,
        (START, 0xED) => BEHIND_ED,
        (START, 0xE1..=0xEF)
        | (THREE, 0x80..=0xBF)
        | (BEHIND_F0, 0x90..=0xBF)
        | (BEHIND_F4, 0x80..=0x8F) => TWO,
        (START, 0xF0) => BEHIND_F0,
        (START, 0xF1..=0xF3) => THREE,
        (START, 0xF4) => BEHIND_F4,
        _ => return None,
    })
}

/// The state behind some bytes.
#[must_use]
pub fn walk(state: u8, bytes: &[u8]) -> Option<u8> {
    bytes
        .iter()
        .try_fold(state, |state, &byte| step(state, byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All strings of up to four bytes whose bytes are at the borders of ranges.
    #[test]
    fn agrees_with_the_standard_library() {
        let bytes = [
            0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1,
            0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF,
        ];
        let mut all: Vec<Vec<u8>> = vec![Vec::new()];
        for _ in 0..4 {
            let longer: Vec<Vec<u8>> = all
                .iter()
                .flat_map(|text| bytes.map(|byte| [&text[..], &[byte]].concat()))
                .collect();
            for text in &longer {
                let start = match std::str::from_utf8(text) {
                    Ok(_) => Some(true),
                    Err(error) if error.error_len().is_none() => Some(false),
                    Err(_) => None,
                };
                let found = walk(START, text).map(|state| state == START);
                assert_eq!(found, start, "{text:02X?}");
            }
            all = longer
                .into_iter()
                .filter(|text| walk(START, text).is_some())
                .collect();
        }
    }
}
