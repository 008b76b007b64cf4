//! What kind of artefact a block is: eight labels, and some classes beside them.
//!
//! | label | what changed |
//! |---|---|
//! | 1 | a border moved over white space, or white space before it went or came |
//! | 2 | white space became a token of its own, or is no longer one |
//! | 3 | a line end came, went, or took the place of other white space |
//! | 4 | a word is cut at other places |
//! | 5 | the same, of a name: capitalized, and not at the start of a sentence |
//! | 6 | the same, and every changed border is the edge of a known affix |
//! | 7 | the same, of an acronym: two or more capitals and nothing else |
//! | 8 | the same, at the one border before a final s or 's |
//!
//! White space has at most one label, the first of 3, 2, 1 that holds; each word has one, the first
//! of 7, 8, 6, 5, 4 that holds. Labels 5 and 6 are judgement calls: a list of affixes and a look at
//! the text before decide. Borders in digits, in symbols and inside characters are no part of a
//! word; they have classes instead.
//!
//! Cost: a step a character.

use crate::surface::Stream;

/// A class of blocks that the labels do not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A border moved in digits.
    Number,
    /// A border moved inside a character.
    Character,
    /// A border moved beside a symbol.
    Symbol,
    /// A special token against its literal.
    SpecialLiteral,
    /// Bytes that have a token of their own against those of a fallback.
    ByteFallback,
    /// Characters that only a normalization form makes equal.
    Normalizer,
}

impl Class {
    /// The name of the class.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Character => "character",
            Self::Symbol => "symbol",
            Self::SpecialLiteral => "special-literal",
            Self::ByteFallback => "byte-fallback",
            Self::Normalizer => "normalizer",
        }
    }
}

/// One side of a block.
pub(crate) struct Side<'t> {
    pub(crate) text: &'t [u8],
    /// The places of its tokens in the text, and the end.
    pub(crate) borders: Vec<usize>,
}

/// What a block is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels {
    /// The labels, rising.
    pub(crate) numbers: Vec<u8>,
    pub(crate) classes: Vec<Class>,
    /// Borders that only the old side has, and only the new.
    pub(crate) lost: usize,
    pub(crate) gained: usize,
}

const PREFIXES: [&str; 44] = [
    "anti", "auto", "bi", "co", "counter", "de", "dis", "em", "en", "ex", "extra", "fore", "hyper",
    "il", "im", "in", "inter", "intra", "ir", "mega", "micro", "mid", "mis", "mono", "multi",
    "non", "out", "over", "post", "pre", "pro", "pseudo", "re", "semi", "sub", "super", "tele",
    "trans", "tri", "ultra", "un", "under", "uni", "up",
];

const SUFFIXES: [&str; 44] = [
    "able", "age", "al", "ally", "ance", "ant", "ary", "ate", "ation", "ed", "en", "ence", "ent",
    "er", "ers", "est", "ful", "fully", "hood", "ial", "ian", "ible", "ic", "ical", "ing", "ings",
    "ion", "ish", "ism", "ist", "ity", "ive", "ize", "less", "ly", "ment", "ness", "or", "ous",
    "ship", "sion", "tion", "ward", "y",
];

/// Characters of a word that are looked at on each side of a border.
const REACH: usize = 64;

/// The labels of a block whose sides agree at a level; `before` is all text with the old side at a
/// place in it.
pub(crate) fn label(old: &Side, new: &Side, level: u8, before: &[u8], place: usize) -> Labels {
    let level = level.max(2);
    let old_stream = Stream::new(old.text, &old.borders, level);
    let new_stream = Stream::new(new.text, &new.borders, level);
    let mut found = Labels::default();
    let (mut words, mut moved_over_space) = (Words::default(), false);
    let (only_old, only_new) = differences(&old_stream.borders, &new_stream.borders);
    (found.lost, found.gained) = (only_old.len(), only_new.len());
    let mut changed = [only_old, only_new].concat();
    changed.sort_unstable();
    let has_changed = !changed.is_empty();
    for border in changed {
        if border % 2 == 1 {
            found.classes.push(Class::Character);
            continue;
        }
        let unit = border / 2;
        let Some(&at) = old_stream.places.get(unit) else {
            continue;
        };
        let (left, right) = (before_of(before, place + at), after_of(before, place + at));
        match (left, right) {
            (Some(left), Some(right)) if left.is_whitespace() || right.is_whitespace() => {
                moved_over_space = true;
            }
            (Some(left), Some(right)) if left.is_numeric() && right.is_numeric() => {
                found.classes.push(Class::Number);
            }
            (Some(left), Some(right)) if is_word(left) && is_word(right) => {
                words.add(before, place + at);
            }
            _ => found.classes.push(Class::Symbol),
        }
    }
    found
        .numbers
        .extend(space_label(old, new, moved_over_space, has_changed));
    found.numbers.extend(words.labels());
    found.numbers.sort_unstable();
    found.numbers.dedup();
    if level >= 4 {
        found.classes.push(Class::Normalizer);
    }
    found.classes.sort_unstable();
    found.classes.dedup();
    found
}

/// The label of the white space of a block.
fn space_label(old: &Side, new: &Side, moved: bool, has_changed: bool) -> Option<u8> {
    let spaces = |side: &Side, only_lines: bool| -> Vec<char> {
        let text = String::from_utf8_lossy(side.text);
        let all = text.chars().filter(|c| c.is_whitespace());
        all.filter(|&c| !only_lines || is_line_end(c)).collect()
    };
    let own = |side: &Side| {
        let tokens = side
            .borders
            .windows(2)
            .map(|pair| &side.text[pair[0]..pair[1]]);
        let is_space = |token: &&[u8]| {
            let text = std::str::from_utf8(token);
            !token.is_empty() && text.is_ok_and(|text| text.chars().all(char::is_whitespace))
        };
        tokens.filter(is_space).count()
    };
    let (old_spaces, new_spaces) = (spaces(old, false), spaces(new, false));
    if old_spaces != new_spaces && spaces(old, true) != spaces(new, true) {
        return Some(3);
    }
    if own(old) != own(new) {
        return Some(2);
    }
    let stands = !old_spaces.is_empty() && !has_changed;
    (old_spaces != new_spaces || moved || stands).then_some(1)
}

fn is_line_end(character: char) -> bool {
    matches!(
        character,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

fn is_word(character: char) -> bool {
    character.is_alphabetic()
        || matches!(character, '\'' | '\u{2019}')
        || unicode_normalization::char::is_combining_mark(character)
}

/// What only one of two rising lists has.
fn differences(old: &[usize], new: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let only = |of: &[usize], other: &[usize]| {
        let mut of = of.to_vec();
        of.dedup();
        of.retain(|border| other.binary_search(border).is_err());
        of
    };
    (only(old, new), only(new, old))
}

/// The character that ends at a place.
fn before_of(text: &[u8], place: usize) -> Option<char> {
    let start = (place.saturating_sub(4)..place)
        .rev()
        .find(|&start| text[start] & 0xC0 != 0x80)?;
    std::str::from_utf8(&text[start..place])
        .ok()?
        .chars()
        .next()
}

/// The character that starts at a place.
fn after_of(text: &[u8], place: usize) -> Option<char> {
    let end = (place + 1..text.len()).find(|&end| text[end] & 0xC0 != 0x80);
    let character = text.get(place..end.unwrap_or(text.len()))?;
    std::str::from_utf8(character).ok()?.chars().next()
}

/// A word and the places of changed borders in it.
struct Word {
    start: usize,
    text: Vec<char>,
    /// Characters before each border.
    cuts: Vec<usize>,
    at_sentence_start: bool,
}

#[derive(Default)]
struct Words {
    all: Vec<Word>,
}

impl Words {
    /// Adds a border inside a word.
    fn add(&mut self, text: &[u8], place: usize) {
        let (mut start, mut left) = (place, Vec::new());
        while let Some(character) = before_of(text, start).filter(|&c| is_word(c)) {
            if left.len() == REACH {
                break;
            }
            start -= character.len_utf8();
            left.push(character);
        }
        left.reverse();
        let cut = left.len();
        if let Some(word) = self.all.last_mut()
            && word.start == start
        {
            word.cuts.push(cut);
            return;
        }
        let (mut end, mut word) = (place, left);
        while let Some(character) = after_of(text, end).filter(|&c| is_word(c)) {
            if word.len() == cut + REACH {
                break;
            }
            end += character.len_utf8();
            word.push(character);
        }
        self.all.push(Word {
            start,
            text: word,
            cuts: vec![cut],
            at_sentence_start: starts_sentence(text, start),
        });
    }

    fn labels(&self) -> impl Iterator<Item = u8> + '_ {
        self.all.iter().map(Word::label)
    }
}

/// Whether a word at a place is the first of a sentence. A text that starts with a blank goes on from
/// something.
fn starts_sentence(text: &[u8], place: usize) -> bool {
    let mut place = place;
    let mut has_blank = false;
    while let Some(character) = before_of(text, place) {
        if is_line_end(character) {
            return true;
        }
        if !character.is_whitespace() && !matches!(character, '"' | '(' | '[' | '\u{201c}') {
            return matches!(character, '.' | '!' | '?' | ':' | '…');
        }
        has_blank |= character.is_whitespace();
        place -= character.len_utf8();
    }
    !has_blank
}

impl Word {
    fn label(&self) -> u8 {
        let mut cased = self
            .text
            .iter()
            .filter(|c| c.is_lowercase() || c.is_uppercase());
        let capitals = self.text.iter().filter(|c| c.is_uppercase()).count();
        if capitals >= 2 && cased.all(|c| c.is_uppercase()) {
            return 7;
        }
        let rest = |cut: usize| self.text[cut..].iter().collect::<String>().to_lowercase();
        let start = |cut: usize| self.text[..cut].iter().collect::<String>().to_lowercase();
        if let [cut] = self.cuts[..]
            && matches!(&rest(cut)[..], "s" | "'s" | "\u{2019}s")
        {
            return 8;
        }
        let is_affix = |&cut: &usize| {
            PREFIXES.contains(&&start(cut)[..]) || SUFFIXES.contains(&&rest(cut)[..])
        };
        if self.cuts.iter().all(is_affix) {
            return 6;
        }
        let is_capitalized = self.text.first().is_some_and(|c| c.is_uppercase());
        if is_capitalized && !self.at_sentence_start {
            5
        } else {
            4
        }
    }
}
