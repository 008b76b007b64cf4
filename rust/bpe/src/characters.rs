//! The characters of bytes that need not be UTF-8.
//!
//! A character is a code point in valid UTF-8, or one byte that is no part of any: `None`. Such a
//! byte is neither letter, number, mark, white space nor punctuation. Each look-up costs a few
//! instructions and allocates nothing.

use std::ops::Range;

/// The character that starts at `place`, and its length in bytes; `None` and 1 for an invalid
/// byte, `None` and 0 at the end of the text.
#[must_use]
pub fn after(text: &[u8], place: usize) -> (Option<char>, usize) {
    let Some(&lead) = text.get(place) else {
        return (None, 0);
    };
    if lead < 0x80 {
        return (Some(lead as char), 1);
    }
    let length = match lead {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return (None, 1),
    };
    let decoded = text
        .get(place..place + length)
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .and_then(|text| text.chars().next());
    match decoded {
        Some(character) => (Some(character), length),
        None => (None, 1),
    }
}

/// The character that ends at `place`, and its length; `None` and 0 at the start of the text.
#[must_use]
pub fn before(text: &[u8], place: usize) -> (Option<char>, usize) {
    if place == 0 || place > text.len() {
        return (None, 0);
    }
    for length in 1..=place.min(4) {
        let start = place - length;
        if text[start] & 0xC0 != 0x80 {
            let (character, found) = after(&text[..place], start);
            if found == length {
                return (character, length);
            }
            break;
        }
    }
    (None, 1)
}

/// The bytes of the character that has the byte at `place`.
#[must_use]
pub fn around(text: &[u8], place: usize) -> Range<usize> {
    for start in (place.saturating_sub(3)..=place).rev() {
        if text.get(start).is_some_and(|byte| byte & 0xC0 != 0x80) {
            let (_, length) = after(text, start);
            if start + length > place {
                return start..start + length;
            }
            break;
        }
    }
    place..place + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The characters of a text from the definition: valid stretches by the standard library, and
    /// every other byte alone.
    fn characters(text: &[u8]) -> Vec<(Option<char>, Range<usize>)> {
        let mut found = Vec::new();
        let mut place = 0;
        for chunk in text.utf8_chunks() {
            for character in chunk.valid().chars() {
                let end = place + character.len_utf8();
                found.push((Some(character), place..end));
                place = end;
            }
            for _ in chunk.invalid() {
                found.push((None, place..place + 1));
                place += 1;
            }
        }
        found
    }

    proptest! {
        #[test]
        fn all_three_agree_with_the_definition(
            parts in prop::collection::vec(
                prop_oneof![
                    prop::sample::select(vec!["a", "é", "▁", "𝄞", "\u{10FFFF}"])
                        .prop_map(|text| text.as_bytes().to_vec()),
                    prop::collection::vec(prop::sample::select(vec![
                        0x80, 0xBF, 0xC0, 0xC3, 0xE2, 0x96, 0xED, 0xA0, 0xF0, 0xF4, 0x90, 0xFF,
                    ]), 1..4),
                ],
                0..8,
            ),
        ) {
            let text = parts.concat();
            for (character, range) in characters(&text) {
                prop_assert_eq!(after(&text, range.start), (character, range.len()));
                prop_assert_eq!(before(&text, range.end), (character, range.len()));
                for place in range.clone() {
                    prop_assert_eq!(around(&text, place), range.clone());
                }
            }
        }
    }

    #[test]
    fn ends() {
        assert_eq!(after(b"a", 1), (None, 0));
        assert_eq!(before(b"a", 0), (None, 0));
    }
}
