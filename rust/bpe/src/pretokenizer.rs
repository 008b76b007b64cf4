//! Cutting of text into the pieces that are encoded alone.
//!
//! A pre-tokenizer is a list of steps. Each step takes every piece of the step before as a text of
//! its own. Most cut it: a pattern or a class of characters divides the piece into matches and the
//! gaps between them, and a [`Behavior`] says which neighbours stay together and whether matches
//! are dropped. A few change it: a prefix space, or another character for the space. Empty pieces
//! are dropped.
//!
//! The text stays in real bytes. The byte-level step, which spells each byte as one character of
//! the [`byte_alphabet`], is only remembered: steps behind it see that spelling, so byte 0xB2 is
//! there the number `²`.
//!
//! Where every step keeps all text in place, [`Pretokenizer::cut`] sets one bit for each place
//! where a piece starts, without allocating. Its cost is that of the patterns; classes cost about
//! a nanosecond for each kilobyte without such characters. [`Pretokenizer::split`] runs any steps,
//! and takes memory for each piece.

use std::ops::Range;

use serde_json::Value;
use unicode_categories::UnicodeCategories;

use crate::Error;
use crate::aligned::Aligned;
use crate::byte_alphabet;
use crate::characters;
use crate::component::Component;
use crate::pattern::{Dialect, Pattern};

/// The pattern of the byte-level step: contractions, letters, numbers, others, white space.
const BYTE_LEVEL: &str =
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// A pre-tokenizer. See the module.
#[derive(Debug, Clone)]
pub struct Pretokenizer {
    steps: Vec<Step>,
    /// The type of each component, for people.
    kinds: Vec<String>,
    /// The first component that drops or adds text.
    lossy: Option<String>,
    byte_level: bool,
}

/// Pieces of a text that its pre-tokenizer may have rewritten.
#[derive(Debug)]
pub struct Pieces<'t> {
    /// The text.
    pub text: Aligned<'t>,
    /// The pieces in order, none of them empty. Text between them was dropped.
    pub ranges: Vec<Range<usize>>,
}

#[derive(Debug, Clone)]
enum Step {
    Cut(Cut),
    /// A space before every piece that does not start with one.
    PrefixSpace,
    /// Another character for the space, and a prefix of it.
    Metaspace { replacement: String, scheme: Scheme },
}

/// A step that divides pieces.
#[derive(Debug, Clone)]
struct Cut {
    divider: Divider,
    behavior: Behavior,
    /// Whether it sees bytes as characters of the byte-level alphabet.
    spelled: bool,
}

#[derive(Debug, Clone)]
enum Divider {
    /// Matches of a pattern; if inverted, the gaps between them count as the matches.
    Pattern { pattern: Pattern, invert: bool },
    /// Each character of the class is a match.
    Class(Class),
    /// Runs of white space are matches; runs of word characters, and runs of others, are gaps.
    Words,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Numeric,
    Punctuation,
    WhiteSpace,
    One(char),
}

/// What becomes of matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behavior {
    /// They are dropped.
    Removed,
    /// Each is a piece.
    Isolated,
    /// Each ends the piece before it.
    MergedWithPrevious,
    /// Each starts the piece behind it.
    MergedWithNext,
    /// Neighbouring ones are one piece.
    Contiguous,
}

/// Which pieces Metaspace puts its character before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Those at the start of the original text.
    First,
    Never,
    Always,
}

/// A match or a gap of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Item {
    start: usize,
    end: usize,
    is_match: bool,
}

impl Behavior {
    fn read(component: &Component) -> Result<Self, Error> {
        match component.get("behavior").and_then(Value::as_str) {
            Some("Removed") => Ok(Self::Removed),
            Some("Isolated") => Ok(Self::Isolated),
            Some("MergedWithPrevious") => Ok(Self::MergedWithPrevious),
            Some("MergedWithNext") => Ok(Self::MergedWithNext),
            Some("Contiguous") => Ok(Self::Contiguous),
            _ => Err(component.malformed(
                "behavior",
                "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous",
            )),
        }
    }

    /// Whether two neighbours are in one piece.
    fn joins(self, left: bool, right: bool) -> bool {
        match self {
            Self::Removed | Self::Isolated => false,
            Self::MergedWithPrevious => !left && right,
            Self::MergedWithNext => left && !right,
            Self::Contiguous => left == right,
        }
    }
}

impl Scheme {
    /// Reads the scheme of Metaspace, given now or in the older field.
    pub(crate) fn read(component: &Component) -> Result<Self, Error> {
        let scheme = match component.get("prepend_scheme").map(Value::as_str) {
            None | Some(Some("always")) => Self::Always,
            Some(Some("first")) => Self::First,
            Some(Some("never")) => Self::Never,
            _ => return Err(component.malformed("prepend_scheme", "first, never or always")),
        };
        match component.get("add_prefix_space") {
            None | Some(Value::Null | Value::Bool(true)) => Ok(scheme),
            Some(Value::Bool(false))
                if scheme == Self::Never || component.get("prepend_scheme").is_none() =>
            {
                Ok(Self::Never)
            }
            _ => Err(component.malformed("add_prefix_space", "true or in keeping with prepend_scheme")),
        }
    }
}

impl Class {
    fn has(self, character: char) -> bool {
        match self {
            Self::Numeric => character.is_numeric(),
            Self::Punctuation => character.is_ascii_punctuation() || character.is_punctuation(),
            Self::WhiteSpace => character.is_whitespace(),
            Self::One(one) => character == one,
        }
    }

    /// Whether a character of the class may start with this byte.
    fn may_start(self, byte: u8) -> bool {
        byte >= 0xC2 || self.has(byte as char)
    }

    /// The first character of the class that starts in `text[from..to]`, and its end.
    fn find(self, text: &[u8], from: usize, to: usize) -> Option<(usize, usize)> {
        let mut place = from;
        while place < to {
            let rest = &text[place..to];
            // Whole blocks without a candidate are left behind without a branch a byte.
            place += match self {
                Self::Numeric => skip(rest, |byte| byte >= 0xC2 || byte.wrapping_sub(b'0') < 10),
                Self::One(' ') => skip(rest, |byte| byte == b' '),
                _ => skip(rest, |byte| self.may_start(byte)),
            };
            let (character, length) = characters::after(&text[..to], place);
            if character.is_some_and(|character| self.has(character)) {
                return Some((place, place + length));
            }
            place += length.max(1);
        }
        None
    }
}

/// The length of the start of `text` without a candidate.
fn skip(text: &[u8], is_candidate: impl Fn(u8) -> bool) -> usize {
    let mut place = 0;
    for block in text.chunks_exact(32) {
        if block.iter().fold(false, |any, &byte| any | is_candidate(byte)) {
            break;
        }
        place += 32;
    }
    place + text[place..].iter().take_while(|&&byte| !is_candidate(byte)).count()
}

impl Divider {
    /// Calls `emit` for each match and each gap of `text[from..to]` in order; together they are
    /// the whole. Only a match of a pattern can be empty.
    fn divide(
        &self,
        text: &[u8],
        from: usize,
        to: usize,
        emit: &mut dyn FnMut(Item),
    ) -> Result<(), Error> {
        if let Self::Words = self {
            divide_words(text, from, to, emit);
            return Ok(());
        }
        let inverted = matches!(self, Self::Pattern { invert: true, .. });
        let mut last = from;
        let mut found = |start: usize, end: usize| {
            if last < start {
                emit(Item { start: last, end: start, is_match: inverted });
            }
            emit(Item { start, end, is_match: !inverted });
            last = end;
        };
        match self {
            Self::Pattern { pattern, .. } => pattern.for_each_match(text, from, to, &mut found)?,
            Self::Class(class) => {
                let mut place = from;
                while let Some((start, end)) = class.find(text, place, to) {
                    found(start, end);
                    place = end;
                }
            }
            Self::Words => {}
        }
        if last < to {
            emit(Item { start: last, end: to, is_match: inverted });
        }
        Ok(())
    }
}

/// Runs of word characters, and runs of others, as gaps; white space as matches.
fn divide_words(text: &[u8], from: usize, to: usize, emit: &mut dyn FnMut(Item)) {
    let mut open: Option<(Word, usize)> = None;
    let mut place = from;
    while place < to {
        let (character, length) = characters::after(&text[..to], place);
        let kind = Word::of(character);
        if open.is_none_or(|(last, _)| last != kind) {
            if let Some((last, start)) = open {
                emit(Item { start, end: place, is_match: last == Word::Space });
            }
            open = Some((kind, place));
        }
        place += length.max(1);
    }
    if let Some((last, start)) = open {
        emit(Item { start, end: to, is_match: last == Word::Space });
    }
}

impl Cut {
    /// Calls `emit` for each piece of `text[from..to]`, empty ones left out.
    fn pieces(
        &self,
        text: &[u8],
        from: usize,
        to: usize,
        spelling: &mut Spelling,
        emit: &mut dyn FnMut(usize, usize),
    ) -> Result<(), Error> {
        let mut open: Option<Item> = None;
        let behavior = self.behavior;
        let mut close = |piece: Item| {
            if piece.start < piece.end && !(behavior == Behavior::Removed && piece.is_match) {
                emit(piece.start, piece.end);
            }
        };
        let mut take = |item: Item| {
            open = Some(match open {
                Some(piece) if behavior.joins(piece.is_match, item.is_match) => {
                    Item { start: piece.start, ..item }
                }
                before => {
                    if let Some(piece) = before {
                        close(piece);
                    }
                    item
                }
            });
        };
        if self.spelled {
            spelling.spell(&text[from..to]);
            let Spelling { text, places } = spelling;
            let place = |spelled: usize| from + places.get(spelled).copied().unwrap_or(to - from);
            self.divider.divide(text, 0, text.len(), &mut |item| {
                take(Item { start: place(item.start), end: place(item.end), ..item });
            })?;
        } else {
            self.divider.divide(text, from, to, &mut take)?;
        }
        if let Some(piece) = open {
            close(piece);
        }
        Ok(())
    }

    /// Sets a bit for each place inside `text[from..to]` where a piece starts.
    fn cut(
        &self,
        text: &[u8],
        from: usize,
        to: usize,
        spelling: &mut Spelling,
        cuts: &mut [u64],
    ) -> Result<(), Error> {
        match &self.divider {
            Divider::Pattern { pattern, .. }
                if self.behavior == Behavior::Isolated && !self.spelled =>
            {
                pattern.cut(text, from, to, cuts)
            }
            _ => self.pieces(text, from, to, spelling, &mut |start, _| {
                if from < start {
                    cuts[start / 64] |= 1 << (start % 64);
                }
            }),
        }
    }
}

/// A piece in the byte-level alphabet, and the byte of the piece for each place in it.
#[derive(Default)]
struct Spelling {
    text: Vec<u8>,
    places: Vec<usize>,
}

impl Spelling {
    fn spell(&mut self, piece: &[u8]) {
        self.text.clear();
        self.places.clear();
        for (place, &byte) in piece.iter().enumerate() {
            let mut buffer = [0; 4];
            let spelled = byte_alphabet::char_of(byte).encode_utf8(&mut buffer);
            self.text.extend_from_slice(spelled.as_bytes());
            self.places.resize(self.text.len(), place);
        }
    }
}

/// What a character is to the Whitespace step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Word,
    Space,
    Other,
}

impl Word {
    fn of(character: Option<char>) -> Self {
        match character {
            Some(character) if is_word(character) => Self::Word,
            Some(character) if character.is_whitespace() => Self::Space,
            _ => Self::Other,
        }
    }
}

/// Whether a character is one of words: a letter, mark, decimal digit, connector or joiner.
pub(crate) fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || character == '_'
        || (!character.is_ascii() && regex_syntax::try_is_word_character(character).unwrap_or(false))
}

/// The first set bit from `from` on, at most `to`.
fn next_cut(cuts: &[u64], from: usize, to: usize) -> usize {
    let mut word = from / 64;
    let mut bits = cuts.get(word).map_or(0, |bits| bits & (!0 << (from % 64)));
    while bits == 0 {
        word += 1;
        if word * 64 >= to {
            return to;
        }
        bits = cuts.get(word).copied().unwrap_or(0);
    }
    to.min(word * 64 + bits.trailing_zeros() as usize)
}

impl Pretokenizer {
    /// Reads the `pre_tokenizer` of a file; null cuts nothing.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another kind of pre-tokenizer, or one behind the byte-level step
    /// that adds text; [`Error::Vocab`] for fields that are not understood.
    pub fn from_json(value: &Value) -> Result<Self, Error> {
        let mut read = Self { steps: Vec::new(), kinds: Vec::new(), lossy: None, byte_level: false };
        if !value.is_null() {
            read.read(&Component::new(value, "pre_tokenizer".into())?)?;
        }
        Ok(read)
    }

    /// The pre-tokenizer of a tiktoken encoding: the pieces are the matches of the pattern, and
    /// the gaps between them are dropped.
    #[must_use]
    pub fn from_pattern(pattern: Pattern) -> Self {
        let total = pattern.is_total();
        let behavior = if total { Behavior::Isolated } else { Behavior::Removed };
        let divider = Divider::Pattern { pattern, invert: true };
        Self {
            steps: vec![Step::Cut(Cut { divider, behavior, spelled: false })],
            kinds: vec!["matches of a pattern".into()],
            lossy: (!total).then(|| "the pattern, which may leave gaps".into()),
            byte_level: true,
        }
    }

    fn read(&mut self, component: &Component) -> Result<(), Error> {
        let kind = component.kind();
        match kind {
            "Sequence" => {
                component.has_only(&["pretokenizers"])?;
                for part in component.list("pretokenizers")? {
                    self.read(&part)?;
                }
                return Ok(());
            }
            "ByteLevel" => self.read_byte_level(component)?,
            "Split" => {
                component.has_only(&["pattern", "behavior", "invert"])?;
                let pattern = component.pattern("pattern")?;
                let invert = component.flag("invert", None)?;
                let behavior = match Behavior::read(component)? {
                    // There are no gaps to drop.
                    Behavior::Removed if invert && pattern.is_total() && !self.byte_level => {
                        Behavior::Isolated
                    }
                    behavior => behavior,
                };
                self.push_cut(component, Divider::Pattern { pattern, invert }, behavior);
            }
            "Digits" => {
                component.has_only(&["individual_digits"])?;
                let behavior = if component.flag("individual_digits", None)? {
                    Behavior::Isolated
                } else {
                    Behavior::Contiguous
                };
                self.push_cut(component, Divider::Class(Class::Numeric), behavior);
            }
            "Punctuation" => {
                component.has_only(&["behavior"])?;
                let behavior = match component.get("behavior") {
                    None => Behavior::Isolated,
                    Some(_) => Behavior::read(component)?,
                };
                self.push_cut(component, Divider::Class(Class::Punctuation), behavior);
            }
            "Whitespace" => {
                component.has_only(&[])?;
                self.push_cut(component, Divider::Words, Behavior::Removed);
            }
            "WhitespaceSplit" => {
                component.has_only(&[])?;
                self.push_cut(component, Divider::Class(Class::WhiteSpace), Behavior::Removed);
            }
            "Metaspace" => self.read_metaspace(component)?,
            _ => {
                return Err(component.unsupported(
                    "the pre-tokenizers ByteLevel, Split, Digits, Punctuation, Whitespace, \
                     WhitespaceSplit, Metaspace and Sequence are supported",
                ));
            }
        }
        self.kinds.push(kind.into());
        Ok(())
    }

    fn read_byte_level(&mut self, component: &Component) -> Result<(), Error> {
        component.has_only(&["add_prefix_space", "trim_offsets", "use_regex"])?;
        component.flag("trim_offsets", None)?;
        if self.byte_level {
            return Err(component.unsupported("a second byte-level step would spell the text twice"));
        }
        if component.flag("add_prefix_space", None)? {
            self.steps.push(Step::PrefixSpace);
            self.note_lossy(component);
        }
        if component.flag("use_regex", Some(true))? {
            let pattern = Pattern::new(BYTE_LEVEL, Dialect::Oniguruma)?;
            let divider = Divider::Pattern { pattern, invert: false };
            self.push_cut(component, divider, Behavior::Isolated);
        }
        self.byte_level = true;
        Ok(())
    }

    fn read_metaspace(&mut self, component: &Component) -> Result<(), Error> {
        component.has_only(&["replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"])?;
        if self.byte_level {
            return Err(component.unsupported("it adds text behind the byte-level step"));
        }
        let replacement = component.character("replacement")?;
        if component.get("str_rep").is_some() {
            component.text("str_rep")?;
        }
        let scheme = Scheme::read(component)?;
        let split = match component.get("split") {
            Some(Value::Null) => true,
            _ => component.flag("split", Some(true))?,
        };
        self.steps.push(Step::Metaspace { replacement: replacement.to_string(), scheme });
        self.note_lossy(component);
        if split {
            let divider = Divider::Class(Class::One(replacement));
            self.push_cut(component, divider, Behavior::MergedWithNext);
        }
        Ok(())
    }

    fn push_cut(&mut self, component: &Component, divider: Divider, behavior: Behavior) {
        if behavior == Behavior::Removed {
            self.note_lossy(component);
        }
        self.steps.push(Step::Cut(Cut { divider, behavior, spelled: self.byte_level }));
    }

    fn note_lossy(&mut self, component: &Component) {
        self.lossy.get_or_insert_with(|| component.name());
    }

    /// Whether the model sees the byte-level alphabet.
    #[must_use]
    pub fn is_byte_level(&self) -> bool {
        self.byte_level
    }

    /// Whether every step keeps all text in place and adds none.
    #[must_use]
    pub fn cuts_only(&self) -> bool {
        self.lossy.is_none()
    }

    /// The first component that drops, adds or changes text.
    #[must_use]
    pub fn lossy_name(&self) -> Option<String> {
        self.lossy.clone()
    }

    /// The components in order, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        if self.kinds.is_empty() {
            return "none".into();
        }
        self.kinds.join(", ")
    }

    /// Sets bit `p % 64` of `cuts[p / 64]` for every place `0 < p < text.len()` where a piece
    /// starts. `cuts` comes with no bit set. Only for a pre-tokenizer that cuts only.
    ///
    /// # Errors
    /// [`Error::Pretokenize`] where a pattern reaches its limit, `cuts` is shorter than the text,
    /// or a step drops or adds text.
    pub fn cut(&self, text: &[u8], cuts: &mut [u64]) -> Result<(), Error> {
        if let Some(lossy) = &self.lossy {
            return Err(Error::Pretokenize(format!("{lossy} does more than to cut the text")));
        }
        if cuts.len() < text.len().div_ceil(64) {
            return Err(Error::Pretokenize("too few bits for the cuts of the text".into()));
        }
        let mut spelling = Spelling::default();
        for step in &self.steps {
            let Step::Cut(step) = step else { continue };
            let mut from = 0;
            while from < text.len() {
                // The step sets bits in this piece alone, so the next one is still as it was.
                let to = next_cut(cuts, from + 1, text.len());
                step.cut(text, from, to, &mut spelling, cuts)?;
                from = to;
            }
        }
        Ok(())
    }

    /// The pieces of a text.
    ///
    /// # Errors
    /// [`Error::Pretokenize`] where a pattern reaches its limit.
    pub fn split<'t>(&self, mut text: Aligned<'t>) -> Result<Pieces<'t>, Error> {
        let whole = 0..text.text().len();
        let mut ranges = if whole.is_empty() { Vec::new() } else { vec![whole] };
        let mut spelling = Spelling::default();
        for step in &self.steps {
            ranges = match step {
                Step::Cut(cut) => {
                    let mut pieces = Vec::with_capacity(ranges.len());
                    for range in ranges {
                        cut.pieces(text.text(), range.start, range.end, &mut spelling, &mut |start, end| {
                            pieces.push(start..end);
                        })?;
                    }
                    pieces
                }
                Step::PrefixSpace => prefix(&mut text, ranges, " ", |text, piece| {
                    text.text()[piece.start] != b' '
                }),
                Step::Metaspace { replacement, scheme } => {
                    replace_spaces(&mut text, &mut ranges, replacement);
                    prefix(&mut text, ranges, replacement, |text, piece| {
                        let wanted = match scheme {
                            Scheme::Always => true,
                            Scheme::First => text.starts_original(piece.start),
                            Scheme::Never => false,
                        };
                        wanted && !text.text()[piece.clone()].starts_with(replacement.as_bytes())
                    })
                }
            };
        }
        Ok(Pieces { text, ranges })
    }
}

/// Puts a prefix before the pieces that want one.
fn prefix(
    text: &mut Aligned,
    ranges: Vec<Range<usize>>,
    prefix: &str,
    wants: impl Fn(&Aligned, &Range<usize>) -> bool,
) -> Vec<Range<usize>> {
    if !ranges.iter().any(|range| wants(text, range)) {
        return ranges;
    }
    let mut rewrite = text.rewrite();
    let mut moved = Vec::with_capacity(ranges.len());
    for range in ranges {
        let start = rewrite.len();
        if wants(text, &range) {
            rewrite.put(prefix.as_bytes(), range.start);
        }
        rewrite.keep(range);
        moved.push(start..rewrite.len());
    }
    let rewritten = rewrite.finish();
    text.become_rewritten(rewritten);
    moved
}

/// Puts `replacement` in the place of every space of the pieces.
fn replace_spaces(text: &mut Aligned, ranges: &mut [Range<usize>], replacement: &str) {
    let bytes = text.text();
    if replacement == " " || !ranges.iter().any(|range| bytes[range.clone()].contains(&b' ')) {
        return;
    }
    let mut rewrite = text.rewrite();
    for range in ranges {
        let start = rewrite.len();
        let mut copied = range.start;
        for space in memchr::memchr_iter(b' ', &bytes[range.clone()]) {
            let space = range.start + space;
            rewrite.keep(copied..space);
            rewrite.put(replacement.as_bytes(), space);
            copied = space + 1;
        }
        rewrite.keep(copied..range.end);
        *range = start..rewrite.len();
    }
    let rewritten = rewrite.finish();
    text.become_rewritten(rewritten);
}
