//! The byte-level alphabet: one printable character for each byte, as GPT-2 introduced it.
//!
//! The 188 bytes that are printable in Latin-1 stand for themselves, the others for the characters
//! from U+0100 on, in order. Files spell byte-level tokens in it.

/// Whether a byte stands for the character of its own number.
const fn is_itself(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

const CHARS: [char; 256] = {
    let mut chars = ['\0'; 256];
    let (mut byte, mut shifted) = (0, 0);
    while byte < 256 {
        chars[byte] = if is_itself(byte as u8) {
            byte as u8 as char
        } else {
            shifted += 1;
            match char::from_u32(0xFF + shifted) {
                Some(character) => character,
                None => '\0',
            }
        };
        byte += 1;
    }
    chars
};

/// The byte of each character below U+0144, or 256.
const BYTES: [u16; 0x144] = {
    let mut bytes = [256; 0x144];
    let mut byte = 0;
    while byte < 256 {
        bytes[CHARS[byte] as usize] = byte as u16;
        byte += 1;
    }
    bytes
};

/// The character of a byte.
#[must_use]
pub fn char_of(byte: u8) -> char {
    CHARS[byte as usize]
}

/// The byte of a character, if it is of the alphabet.
#[must_use]
pub fn byte_of(character: char) -> Option<u8> {
    u8::try_from(*BYTES.get(character as usize)?).ok()
}

/// A token as files spell it.
#[must_use]
pub fn spelling(token: &[u8]) -> String {
    token.iter().map(|&byte| char_of(byte)).collect()
}

/// Appends the bytes that a token spells. False, with a part appended, if it has a character that
/// is not of the alphabet.
pub fn spell(token: &str, out: &mut Vec<u8>) -> bool {
    for character in token.chars() {
        match byte_of(character) {
            Some(byte) => out.push(byte),
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_character_a_byte() {
        assert_eq!(
            (char_of(b' '), char_of(b'\n'), char_of(b'a')),
            ('Ġ', 'Ċ', 'a')
        );
        assert_eq!((char_of(0), char_of(0xAD), char_of(0xFF)), ('Ā', 'Ń', 'ÿ'));
        for byte in 0..=255 {
            assert_eq!(byte_of(char_of(byte)), Some(byte));
        }
        let all = (0..0x2_0000)
            .filter_map(char::from_u32)
            .filter_map(byte_of)
            .count();
        assert_eq!(all, 256);
    }

    #[test]
    fn spelling() {
        let mut bytes = Vec::new();
        assert!(spell("ĠĊé", &mut bytes));
        assert_eq!(bytes, b" \n\xE9");
        assert!(!spell("a b", &mut bytes));
    }
}
