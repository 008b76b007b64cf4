//! The characters beside a numeral, in bytes that need not be UTF-8.
//!
//! A character is a code point of valid UTF-8; a byte that is no part of one is neither letter nor
//! number. Letters and numbers are those of the general categories L and N, from a table of one
//! bit a code point that is made at the first character outside of ASCII.

use std::sync::OnceLock;

/// The character that starts at `place`, if there is one.
fn after(text: &[u8], place: usize) -> Option<char> {
    let rest = text.get(place..)?;
    let head = &rest[..rest.len().min(4)];
    let valid = match std::str::from_utf8(head) {
        Ok(valid) => valid,
        Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
    };
    valid.chars().next()
}

/// The character that ends at `place`, if there is one.
fn before(text: &[u8], place: usize) -> Option<char> {
    (1..=place.min(4)).find_map(|length| {
        let bytes = text.get(place - length..place)?;
        let mut characters = std::str::from_utf8(bytes).ok()?.chars();
        // More than one character: the last one was not valid, or it would have been found before.
        characters.next().filter(|_| characters.next().is_none())
    })
}

/// Whether a character that starts with this byte makes digits before it, or behind it, a part of
/// a word. Only for ASCII.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether a numeral cannot start at `place` because of the character before it: a letter, a
/// number, `_`, `.` or `,`.
#[inline]
pub(crate) fn joined_before(text: &[u8], place: usize) -> bool {
    match place.checked_sub(1).and_then(|last| text.get(last)) {
        None => false,
        Some(&byte) if byte < 0x80 => is_word(byte) || byte == b'.' || byte == b',',
        Some(_) => before(text, place).is_some_and(is_letter_or_number),
    }
}

/// Whether a numeral cannot end at `place` because of what follows: a letter, a number, `_`, or a
/// `.` or `,` with a digit.
#[inline]
pub(crate) fn joined_after(text: &[u8], place: usize) -> bool {
    match text.get(place) {
        None => false,
        Some(b'.' | b',') => text.get(place + 1).is_some_and(u8::is_ascii_digit),
        Some(&byte) if byte < 0x80 => is_word(byte),
        Some(_) => after(text, place).is_some_and(is_letter_or_number),
    }
}

/// Whether neither digits nor a point or comma can go on at `place`; false where that is not plain.
#[inline]
pub(crate) fn ends_here(text: &[u8], place: usize) -> bool {
    text.get(place)
        .is_none_or(|&byte| byte < 0x80 && !matches!(byte, b'.' | b','))
}

/// Whether a character has the general category L or N.
fn is_letter_or_number(character: char) -> bool {
    static BITS: OnceLock<Box<[u64]>> = OnceLock::new();
    let bits = BITS.get_or_init(|| {
        let mut bits = vec![0_u64; 0x11_0000 / 64].into_boxed_slice();
        let parsed = regex_syntax::parse(r"[\p{L}\p{N}]").ok();
        if let Some(regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(class))) =
            parsed.as_ref().map(regex_syntax::hir::Hir::kind)
        {
            for code in class
                .ranges()
                .iter()
                .flat_map(|range| range.start() as usize..=range.end() as usize)
            {
                bits[code / 64] |= 1 << (code % 64);
            }
        }
        bits
    });
    let code = character as usize;
    bits[code / 64] >> (code % 64) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_numbers() {
        for character in ['a', 'é', '数', '٣', '½', 'Ⅷ', 'ﷺ', '𝟗'] {
            assert!(is_letter_or_number(character), "{character}");
        }
        for character in [
            ' ', '.', '\u{301}', '€', '👍', '\u{1}', '\u{E001}', '\u{FDD1}',
        ] {
            assert!(!is_letter_or_number(character), "{character}");
        }
    }

    #[test]
    fn characters_of_broken_text() {
        let text = "aé数\u{1D7D7}".as_bytes();
        assert_eq!(before(text, 1), Some('a'));
        assert_eq!(before(text, 3), Some('é'));
        assert_eq!(before(text, 6), Some('数'));
        assert_eq!(before(text, 10), Some('\u{1D7D7}'));
        assert_eq!(after(text, 1), Some('é'));
        assert_eq!(after(text, 6), Some('\u{1D7D7}'));
        // The end of a character, and its start without the end, are no characters.
        assert_eq!(before(&text[2..], 1), None);
        assert_eq!(after(&text[..2], 1), None);
        assert_eq!(before(b"a\xFF", 2), None);
        assert_eq!(after(b"\xFFa", 0), None);
        assert!(joined_before(text, 3) && !joined_before(&text[2..], 1));
    }
}
