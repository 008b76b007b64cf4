//! What a reader sees of a text, at six levels.
//!
//! Two texts agree at level 0 if their bytes are the same, at 1 if their characters are (U+FFFD
//! for what is not UTF-8), at 2 if they are but for white space outside, at 3 if each run of white
//! space counts as one blank, at 4 if they are canonically equivalent (NFC), and at 5 if NFKC, full
//! case folding and NFKC again make the same of them. Each level takes what the ones below take.
//!
//! The forms are decomposed ones, which agree exactly where composed ones do. Case folding is what
//! lower, upper and lower case again make of a character, which is full case folding but for U+0131.
//! The mark U+0345 folds to the letter U+03B9, which no mark passes, so it is folded where the
//! composed form has it.
//!
//! The tables are those of the newest Unicode, and not those of [`tokseam_bpe`]'s normalizer, which
//! are as old as the ones of `tokenizers`, since it has to give what that gives. What the standard
//! once says of a character it never changes, so newer tables only know more characters.
//!
//! Cost: a few passes over the text.

use unicode_normalization::char::{
    canonical_combining_class, compose, decompose_canonical, decompose_compatible,
};

/// The highest level.
pub(crate) const HIGHEST: u8 = 5;

/// The lowest level at which two texts agree.
pub(crate) fn lowest_level(left: &[u8], right: &[u8]) -> Option<u8> {
    if left == right {
        return Some(0);
    }
    (1..=HIGHEST).find(|&level| form(left, level) == form(right, level))
}

/// What a level sees of a text.
fn form(text: &[u8], level: u8) -> Vec<char> {
    let mut seen: Vec<char> = units(text, level).into_iter().map(|unit| unit.0).collect();
    if level < 2 {
        return seen;
    }
    if level > 2 {
        let mut after_space = false;
        seen.retain_mut(|character| {
            let is_space = character.is_whitespace();
            let kept = !(is_space && after_space);
            after_space = is_space;
            if is_space {
                *character = ' ';
            }
            kept
        });
    }
    let is_seen = |character: &char| !character.is_whitespace();
    let start = seen.iter().position(is_seen).unwrap_or(seen.len());
    let end = seen.iter().rposition(is_seen).map_or(start, |end| end + 1);
    seen[start..end].to_vec()
}

/// The characters of a text as a level compares them, each with the place of its first byte.
fn units(text: &[u8], level: u8) -> Vec<(char, usize)> {
    let mut characters = Vec::with_capacity(text.len());
    let mut place = 0;
    for chunk in text.utf8_chunks() {
        let valid = chunk.valid().char_indices();
        characters.extend(valid.map(|(at, character)| (character, place + at)));
        place += chunk.valid().len();
        if !chunk.invalid().is_empty() {
            characters.push((char::REPLACEMENT_CHARACTER, place));
            place += chunk.invalid().len();
        }
    }
    if level < 4 {
        return characters;
    }
    if level == 4 {
        return rewritten(&characters, |character, emit| {
            decompose_canonical(character, emit);
        });
    }
    let mut compatible = rewritten(&characters, |character, emit| {
        decompose_compatible(character, emit);
    });
    if compatible.iter().any(|&(part, _)| part == IOTA_BELOW) {
        order_as_composed(&mut compatible);
    }
    rewritten(&compatible, |character, emit| {
        fold(character, &mut |folded| {
            decompose_compatible(folded, &mut *emit);
        });
    })
}

/// What characters become, each at its place, with marks in order.
fn rewritten(
    units: &[(char, usize)],
    mut rewrite: impl FnMut(char, &mut dyn FnMut(char)),
) -> Vec<(char, usize)> {
    let mut out = Vec::with_capacity(units.len());
    for &(character, place) in units {
        rewrite(character, &mut |part| out.push((part, place)));
    }
    order(&mut out);
    out
}

/// Sorts combining marks as canonical equivalence has them.
fn order(units: &mut [(char, usize)]) {
    let class = |unit: &(char, usize)| canonical_combining_class(unit.0);
    for marks in units.split_mut(|unit| class(unit) == 0) {
        marks.sort_by_key(class);
    }
}

/// The one mark that folds to a letter.
const IOTA_BELOW: char = '\u{345}';

/// Puts the marks that compose with their letter before those that do not.
fn order_as_composed(units: &mut [(char, usize)]) {
    let is_start = |unit: &(char, usize)| canonical_combining_class(unit.0) == 0;
    for group in units.chunk_by_mut(|_, next| !is_start(next)) {
        let [(first, _), marks @ ..] = group else {
            continue;
        };
        let (mut composed, mut parts, mut blocked_to) = (*first, 0, 0);
        for at in 0..marks.len() {
            let (mark, _) = marks[at];
            let class = canonical_combining_class(mark);
            match compose(composed, mark) {
                Some(whole) if blocked_to < class => {
                    composed = whole;
                    marks[parts..=at].rotate_right(1);
                    parts += 1;
                }
                _ => blocked_to = class,
            }
        }
    }
}

/// Calls `emit` with the characters to which one folds.
fn fold(character: char, emit: &mut dyn FnMut(char)) {
    if character == '\u{131}' {
        return emit(character);
    }
    for lower in character.to_lowercase() {
        for upper in lower.to_uppercase() {
            upper.to_lowercase().for_each(&mut *emit);
        }
    }
}

/// A text without its white space, and where borders of tokens stand in it.
pub(crate) struct Stream {
    pub(crate) units: Vec<char>,
    /// The place of the first byte of each unit.
    pub(crate) places: Vec<usize>,
    /// Twice the number of units before each border, and one more if it is inside a character.
    pub(crate) borders: Vec<usize>,
}

impl Stream {
    /// The stream of a text at a level, for borders at rising places.
    pub(crate) fn new(text: &[u8], borders: &[usize], level: u8) -> Self {
        let mut starts: Vec<bool> = vec![false; text.len() + 1];
        starts[text.len()] = true;
        let all = units(text, level);
        for &(_, place) in &all {
            starts[place] = true;
        }
        let (mut stream, mut places) = (Vec::new(), Vec::new());
        for (character, place) in all {
            if !character.is_whitespace() {
                stream.push(character);
                places.push(place);
            }
        }
        // Sorting marks may have moved the places of one character's parts.
        places.sort_unstable();
        let mut before = 0;
        let borders = borders
            .iter()
            .map(|&border| {
                while places.get(before).is_some_and(|&place| place < border) {
                    before += 1;
                }
                let is_inside = starts.get(border) == Some(&false);
                (2 * before).saturating_sub(usize::from(is_inside && before > 0))
            })
            .collect();
        Self {
            units: stream,
            places,
            borders,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        let cases = [
            ("a", "a", Some(0)),
            (" HIV", "HIV", Some(2)),
            ("a  b", "a b", Some(3)),
            (" a\nb", "a b ", Some(3)),
            ("ab", "a b", None),
            ("e\u{301}", "é", Some(4)),
            ("a\u{323}\u{307}", "a\u{307}\u{323}", Some(4)),
            ("March", "march", Some(5)),
            ("Straße", "STRASSE", Some(5)),
            ("ﬁ", "fi", Some(5)),
            ("ς", "σ", Some(5)),
            ("ı", "i", None),
            ("α\u{345}\u{300}", "α\u{300}ι", Some(5)),
            ("α\u{345}\u{300}", "αι\u{300}", None),
            // Alpha and circumflex have no composed form, alpha and U+0345 do.
            ("α\u{345}\u{302}", "αι\u{302}", Some(5)),
            ("α\u{345}\u{302}", "α\u{302}ι", None),
            ("\u{32FF}", "令和", Some(5)),
            ("a", "b", None),
        ];
        for (left, right, level) in cases {
            let found = lowest_level(left.as_bytes(), right.as_bytes());
            assert_eq!(found, level, "{left:?} {right:?}");
        }
        assert_eq!(lowest_level(b"a\xff", b"a\xfe"), Some(1));
    }

    #[test]
    fn borders() {
        let text = " aé b".as_bytes();
        let stream = Stream::new(text, &[0, 1, 2, 3, 4, 5, 6], 2);
        assert_eq!(stream.units, ['a', 'é', 'b']);
        assert_eq!(stream.borders, [0, 0, 2, 3, 4, 4, 6]);
    }
}
