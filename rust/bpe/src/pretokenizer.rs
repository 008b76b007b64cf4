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
use std::sync::{Arc, LazyLock};

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};
use serde_json::Value;
use unicode_categories::UnicodeCategories;

use crate::Error;
use crate::aligned::Aligned;
use crate::annotator::{self, Annotator};
use crate::byte_alphabet;
use crate::characters;
use crate::component::Component;
use crate::pattern::syntax::Ast;
use crate::pattern::{Dialect, Pattern};

/// The pattern of the byte-level step: contractions, letters, numbers, others, white space.
const BYTE_LEVEL: &str =
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// A pre-tokenizer. See the module.
#[derive(Debug, Clone)]
pub struct Pretokenizer {
    steps: Vec<Step>,
    /// The type of each component, and of patterns the family, for people.
    kinds: Vec<String>,
    /// The first component that drops or adds text.
    lossy: Option<String>,
    byte_level: bool,
    /// Cuts its pieces before the first step; the steps leave them whole.
    annotator: Option<Arc<dyn Annotator>>,
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
    Metaspace {
        replacement: String,
        scheme: Scheme,
    },
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
    /// Reads the scheme of a Metaspace component, given now or in the older field, and refuses
    /// fields that such a component does not have.
    pub(crate) fn read(component: &Component) -> Result<Self, Error> {
        component.has_only(&[
            "replacement",
            "add_prefix_space",
            "prepend_scheme",
            "split",
            "str_rep",
        ])?;
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
            _ => {
                Err(component
                    .malformed("add_prefix_space", "true or in keeping with prepend_scheme"))
            }
        }
    }
}

impl Class {
    fn has(self, character: char) -> bool {
        match self {
            Self::Numeric => character.is_numeric(),
            Self::Punctuation => is_punctuation(character),
            Self::WhiteSpace => character.is_whitespace(),
            Self::One(one) => character == one,
        }
    }

    /// Whether a character of the class may start with this byte.
    fn may_start(self, byte: u8) -> bool {
        byte >= 0x80 || self.has(byte as char)
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
                Self::Punctuation => skip(rest, |byte| byte >= 0x80 || byte.is_ascii_punctuation()),
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

/// Whether a character is punctuation: any such category, or an ASCII symbol.
fn is_punctuation(character: char) -> bool {
    // The categories are searched for, so those of the Basic Multilingual Plane are kept as bits.
    static PLANE: LazyLock<Box<[u64; 1024]>> = LazyLock::new(|| {
        let mut bits = Box::new([0; 1024]);
        let punctuation =
            ('\0'..='\u{FFFF}').filter(|one| one.is_ascii_punctuation() || one.is_punctuation());
        for character in punctuation {
            bits[character as usize / 64] |= 1 << (character as usize % 64);
        }
        bits
    });
    match PLANE.get(character as usize / 64) {
        Some(bits) => (bits >> (character as usize % 64)) & 1 == 1,
        None => character.is_punctuation(),
    }
}

/// The length of the start of `text` without a candidate.
fn skip(text: &[u8], is_candidate: impl Fn(u8) -> bool) -> usize {
    // Candidates come in runs.
    if text.first().is_some_and(|&byte| is_candidate(byte)) {
        return 0;
    }
    let mut place = 0;
    for block in text.chunks_exact(32) {
        if block
            .iter()
            .fold(false, |any, &byte| any | is_candidate(byte))
        {
            break;
        }
        place += 32;
    }
    place
        + text[place..]
            .iter()
            .take_while(|&&byte| !is_candidate(byte))
            .count()
}

impl Divider {
    /// Calls `emit` for each match and each gap of `text[from..to]` in order; together they are
    /// the whole. Only a match of a pattern can be empty. False if `tick` stopped it.
    fn divide(
        &self,
        text: &[u8],
        from: usize,
        to: usize,
        emit: &mut dyn FnMut(Item),
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<bool, Error> {
        if let Self::Words = self {
            divide_words(text, from, to, emit);
            return Ok(true);
        }
        let inverted = matches!(self, Self::Pattern { invert: true, .. });
        let mut last = from;
        let mut found = |start: usize, end: usize| {
            if last < start {
                emit(Item {
                    start: last,
                    end: start,
                    is_match: inverted,
                });
            }
            emit(Item {
                start,
                end,
                is_match: !inverted,
            });
            last = end;
        };
        match self {
            Self::Pattern { pattern, .. } => {
                if !pattern.for_each_match(text, from, to, &mut found, tick)? {
                    return Ok(false);
                }
            }
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
            emit(Item {
                start: last,
                end: to,
                is_match: inverted,
            });
        }
        Ok(true)
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
                emit(Item {
                    start,
                    end: place,
                    is_match: last == Word::Space,
                });
            }
            open = Some((kind, place));
        }
        place += length.max(1);
    }
    if let Some((last, start)) = open {
        emit(Item {
            start,
            end: to,
            is_match: last == Word::Space,
        });
    }
}

impl Cut {
    /// Calls `emit` for each piece of `text[from..to]`, empty ones left out. False if `tick` stopped
    /// it.
    fn pieces(
        &self,
        text: &[u8],
        from: usize,
        to: usize,
        spelling: &mut Spelling,
        emit: &mut dyn FnMut(usize, usize),
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<bool, Error> {
        let mut open: Option<Item> = None;
        let behavior = self.behavior;
        let mut close = |piece: Item| {
            if piece.start < piece.end && !(behavior == Behavior::Removed && piece.is_match) {
                emit(piece.start, piece.end);
            }
        };
        let mut take = |item: Item| {
            open = Some(match open {
                Some(piece) if behavior.joins(piece.is_match, item.is_match) => Item {
                    start: piece.start,
                    ..item
                },
                before => {
                    if let Some(piece) = before {
                        close(piece);
                    }
                    item
                }
            });
        };
        let done = if self.spelled {
            spelling.spell(&text[from..to]);
            let Spelling { text, places } = spelling;
            let place = |spelled: usize| from + places.get(spelled).copied().unwrap_or(to - from);
            let mut take = |item: Item| {
                take(Item {
                    start: place(item.start),
                    end: place(item.end),
                    ..item
                });
            };
            self.divider.divide(text, 0, text.len(), &mut take, tick)?
        } else {
            self.divider.divide(text, from, to, &mut take, tick)?
        };
        if let Some(piece) = open.filter(|_| done) {
            close(piece);
        }
        Ok(done)
    }

    /// The pattern, if its matches and the gaps between them are the pieces.
    fn isolates(&self) -> Option<&Pattern> {
        match &self.divider {
            Divider::Pattern { pattern, .. }
                if self.behavior == Behavior::Isolated && !self.spelled =>
            {
                Some(pattern)
            }
            _ => None,
        }
    }

    /// Whether it is known to leave ASCII without digits whole.
    fn needs_digits(&self) -> bool {
        matches!(&self.divider, Divider::Pattern { pattern, .. } if pattern.needs_digits())
            && !self.spelled
    }

    /// Sets a bit for each place inside `text[from..to]` where a piece starts. False if `tick`
    /// stopped it.
    fn cut(
        &self,
        text: &[u8],
        from: usize,
        to: usize,
        spelling: &mut Spelling,
        cuts: &mut [u64],
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<bool, Error> {
        let mut set = |place: usize| {
            if from < place && place < to {
                cuts[place / 64] |= 1 << (place % 64);
            }
        };
        if let Some(pattern) = self.isolates() {
            return pattern.cut(text, from, to, cuts, tick);
        }
        match (&self.divider, self.behavior) {
            (Divider::Class(class), Behavior::Isolated) if !self.spelled => {
                let mut place = from;
                while let Some((start, end)) = class.find(text, place, to) {
                    set(start);
                    set(end);
                    place = end;
                }
                Ok(true)
            }
            (Divider::Class(class), Behavior::Contiguous) if !self.spelled => {
                let mut run = from;
                while let Some((start, end)) = class.find(text, run, to) {
                    if start != run {
                        set(run);
                        set(start);
                    }
                    run = end;
                }
                set(run);
                Ok(true)
            }
            _ => self.pieces(text, from, to, spelling, &mut |start, _| set(start), tick),
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
    Inside,
    Space,
    Other,
}

impl Word {
    fn of(character: Option<char>) -> Self {
        match character {
            Some(character) if is_word(character) => Self::Inside,
            Some(character) if character.is_whitespace() => Self::Space,
            _ => Self::Other,
        }
    }
}

/// Whether a character is one of words: a letter, mark, decimal digit, connector or joiner.
pub(crate) fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || character == '_'
        || (!character.is_ascii()
            && regex_syntax::try_is_word_character(character).unwrap_or(false))
}

/// The family of a pattern, or the pattern itself where a general engine runs it.
fn family(pattern: &Pattern) -> String {
    pattern
        .family()
        .map_or_else(|| format!("general, {:?}", pattern.source()), str::to_owned)
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
        let mut read = Self {
            steps: Vec::new(),
            kinds: Vec::new(),
            lossy: None,
            byte_level: false,
            annotator: None,
        };
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
        let behavior = if total {
            Behavior::Isolated
        } else {
            Behavior::Removed
        };
        let kinds = vec![format!("Split ({})", family(&pattern)), "ByteLevel".into()];
        let divider = Divider::Pattern {
            pattern,
            invert: true,
        };
        Self {
            steps: vec![Step::Cut(Cut {
                divider,
                behavior,
                spelled: false,
            })],
            kinds,
            lossy: (!total).then(|| "pre_tokenizer (Split): drops text between matches".into()),
            byte_level: true,
            annotator: None,
        }
    }

    /// The same steps behind the pieces of an annotator.
    #[must_use]
    pub fn with_annotator(mut self, annotator: Arc<dyn Annotator>) -> Self {
        self.kinds.insert(0, annotator.name());
        self.annotator = Some(annotator);
        self
    }

    /// Whether the annotator has cut this piece and no step may cut it again.
    fn is_finished(&self, piece: &[u8]) -> bool {
        self.annotator.is_some() && annotator::is_finished(piece)
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
                self.kinds.push(format!("Split ({})", family(&pattern)));
                self.push_cut(component, Divider::Pattern { pattern, invert }, behavior);
                return Ok(());
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
                self.push_cut(
                    component,
                    Divider::Class(Class::WhiteSpace),
                    Behavior::Removed,
                );
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
            return Err(
                component.unsupported("a second byte-level step would spell the text twice")
            );
        }
        if component.flag("add_prefix_space", None)? {
            self.steps.push(Step::PrefixSpace);
            self.note_lossy(component, "add_prefix_space adds text");
        }
        if component.flag("use_regex", Some(true))? {
            let pattern = Pattern::new(BYTE_LEVEL, Dialect::Oniguruma)?;
            let divider = Divider::Pattern {
                pattern,
                invert: false,
            };
            self.push_cut(component, divider, Behavior::Isolated);
        }
        self.byte_level = true;
        Ok(())
    }

    fn read_metaspace(&mut self, component: &Component) -> Result<(), Error> {
        let scheme = Scheme::read(component)?;
        if self.byte_level {
            return Err(component.unsupported("it adds text behind the byte-level step"));
        }
        let replacement = component.character("replacement")?;
        if component.get("str_rep").is_some() {
            component.text("str_rep")?;
        }
        let split = match component.get("split") {
            Some(Value::Null) => true,
            _ => component.flag("split", Some(true))?,
        };
        self.steps.push(Step::Metaspace {
            replacement: replacement.to_string(),
            scheme,
        });
        self.note_lossy(component, "spaces are replaced");
        if split {
            let divider = Divider::Class(Class::One(replacement));
            self.push_cut(component, divider, Behavior::MergedWithNext);
        }
        Ok(())
    }

    fn push_cut(&mut self, component: &Component, divider: Divider, behavior: Behavior) {
        if behavior == Behavior::Removed {
            self.note_lossy(component, "drops text");
        }
        self.steps.push(Step::Cut(Cut {
            divider,
            behavior,
            spelled: self.byte_level,
        }));
    }

    fn note_lossy(&mut self, component: &Component, why: &str) {
        self.lossy
            .get_or_insert_with(|| format!("{}: {why}", component.name()));
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

    /// The first component that drops, adds or changes text, and how.
    #[must_use]
    pub fn lossy_name(&self) -> Option<String> {
        self.lossy.clone()
    }

    /// The name of the annotator, if there is one.
    pub(crate) fn annotator_name(&self) -> Option<String> {
        self.annotator.as_ref().map(|annotator| annotator.name())
    }

    /// The components in order, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        if self.kinds.is_empty() {
            return "none".into();
        }
        self.kinds.join(", ")
    }

    /// A source in the dialect of tiktoken whose matches are the pieces of every text.
    ///
    /// # Errors
    /// [`Error::Export`] that names the step that one expression cannot stand for.
    pub fn to_pattern(&self) -> Result<String, Error> {
        let refused = |why: String| {
            Err(Error::Export(format!(
                "tiktoken cuts a text by one regex that covers it, and the pre-tokenizer here is {}: {why}",
                self.describe()
            )))
        };
        if let Some(lossy) = &self.lossy
            && !matches!(&self.steps[..], [Step::Cut(_)])
        {
            return refused(lossy.clone());
        }
        if self.annotator.is_some() {
            return refused("it marks numbers first; export the tokenizer without them".into());
        }
        let (pattern, gaps) = match &self.steps[..] {
            [] => return Ok("(?s:.+)".into()),
            [
                Step::Cut(Cut {
                    divider: Divider::Pattern { pattern, invert },
                    behavior,
                    spelled: false,
                }),
            ] => match behavior {
                Behavior::Isolated => (pattern, true),
                Behavior::Removed if *invert => (pattern, false),
                _ => return refused(format!("its matches are {behavior:?}; use Isolated")),
            },
            [_] => return refused("it is no regex; write it as one Split with a Regex".into()),
            _ => return refused("it has several steps; write them as one Split".into()),
        };
        if !gaps && !pattern.is_total() {
            return refused(
                "it drops what its regex is not known to match; let it match all text".into(),
            );
        }
        match pattern.covering_source() {
            Some(source) => Ok(source),
            None => refused(format!(
                "the regexes of tiktoken may read {:?} otherwise, or it may match nothing; write it with plain sets, groups and quantifiers",
                pattern.source()
            )),
        }
    }

    /// Sets bit `p % 64` of `cuts[p / 64]` for every place `0 < p < text.len()` where a piece
    /// starts. `cuts` comes with no bit set. Only for a pre-tokenizer that cuts only.
    ///
    /// # Errors
    /// [`Error::Pretokenize`] where a pattern reaches its limit, `cuts` is shorter than the text,
    /// or a step drops or adds text.
    pub fn cut(&self, text: &[u8], cuts: &mut [u64]) -> Result<(), Error> {
        self.cut_while(text, cuts, &mut || true).map(|_| ())
    }

    /// [`Pretokenizer::cut`] that calls `tick` after each match of a pattern that is matched by
    /// backtracking. When it returns false the work stops and the result is `Ok(false)`.
    ///
    /// # Errors
    /// As [`Pretokenizer::cut`].
    pub fn cut_while(
        &self,
        text: &[u8],
        cuts: &mut [u64],
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<bool, Error> {
        if let Some(lossy) = &self.lossy {
            return Err(Error::Pretokenize(format!(
                "the text cannot be cut in place: {lossy}"
            )));
        }
        if cuts.len() < text.len().div_ceil(64) {
            return Err(Error::Pretokenize(
                "too few bits for the cuts of the text".into(),
            ));
        }
        let mut spelling = Spelling::default();
        let mut steps = self.steps.iter().filter_map(|step| match step {
            Step::Cut(cut) => Some(cut),
            _ => None,
        });
        if let Some(annotator) = &self.annotator {
            let first = steps.clone().next().and_then(Cut::isolates);
            if first.is_some_and(|pattern| pattern.cut_around(&annotator.groups(), text, cuts)) {
                steps.next();
            } else {
                annotator.pieces(text, &mut |start, end| {
                    for place in [start, end] {
                        if 0 < place && place < text.len() {
                            cuts[place / 64] |= 1 << (place % 64);
                        }
                    }
                });
            }
        }
        for step in steps {
            // The annotator's pieces have all ASCII digits, so what else is ASCII is left whole.
            let needs_digits = self.annotator.is_some() && step.needs_digits();
            let mut from = 0;
            while from < text.len() {
                // The step sets bits in this piece alone, so the next one is still as it was.
                let to = next_cut(cuts, from + 1, text.len());
                let piece = &text[from..to];
                // A single byte is cut no further.
                let is_whole =
                    piece.len() == 1 || self.is_finished(piece) || needs_digits && piece.is_ascii();
                if !is_whole && !step.cut(text, from, to, &mut spelling, cuts, tick)? {
                    return Ok(false);
                }
                from = to;
            }
        }
        Ok(true)
    }

    /// The pieces of a text.
    ///
    /// # Errors
    /// [`Error::Pretokenize`] where a pattern reaches its limit.
    pub fn split<'t>(&self, mut text: Aligned<'t>) -> Result<Pieces<'t>, Error> {
        // Nothing stops it, so there are ranges.
        let ranges = self.ranges(&mut text, &mut || true)?.unwrap_or_default();
        Ok(Pieces { text, ranges })
    }

    /// [`Pretokenizer::split`] that calls `tick` after each match of a pattern that is matched by
    /// backtracking. When it returns false the work stops and the result is `None`.
    ///
    /// # Errors
    /// As [`Pretokenizer::split`].
    pub fn split_while<'t>(
        &self,
        mut text: Aligned<'t>,
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Pieces<'t>>, Error> {
        let ranges = self.ranges(&mut text, tick)?;
        Ok(ranges.map(|ranges| Pieces { text, ranges }))
    }

    /// The ranges of the pieces in the text as the steps have rewritten it.
    fn ranges(
        &self,
        text: &mut Aligned,
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Vec<Range<usize>>>, Error> {
        let whole = 0..text.text().len();
        let mut ranges = if whole.is_empty() {
            Vec::new()
        } else {
            vec![whole]
        };
        if let Some(annotator) = &self.annotator {
            ranges = isolated(&**annotator, text.text());
        }
        let mut spelling = Spelling::default();
        for step in &self.steps {
            ranges = match step {
                Step::Cut(cut) => {
                    let mut pieces = Vec::with_capacity(ranges.len());
                    for range in ranges {
                        if self.is_finished(&text.text()[range.clone()]) {
                            pieces.push(range);
                            continue;
                        }
                        let done = cut.pieces(
                            text.text(),
                            range.start,
                            range.end,
                            &mut spelling,
                            &mut |start, end| {
                                pieces.push(start..end);
                            },
                            tick,
                        )?;
                        if !done {
                            return Ok(None);
                        }
                    }
                    pieces
                }
                Step::PrefixSpace => prefix(text, ranges, " ", |text, piece| {
                    text.text()[piece.start] != b' '
                }),
                Step::Metaspace {
                    replacement,
                    scheme,
                } => {
                    replace_spaces(text, &mut ranges, replacement);
                    prefix(text, ranges, replacement, |text, piece| {
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
        Ok(Some(ranges))
    }
}

/// The pieces of an annotator and the gaps between them.
fn isolated(annotator: &dyn Annotator, text: &[u8]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut last = 0;
    annotator.pieces(text, &mut |start, end| {
        ranges.extend((last < start).then_some(last..start));
        ranges.push(start..end);
        last = end;
    });
    ranges.extend((last < text.len()).then_some(last..text.len()));
    ranges
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
    if replacement == " "
        || !ranges
            .iter()
            .any(|range| bytes[range.clone()].contains(&b' '))
    {
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

/// A step as the test of half-written sequences sees it.
#[derive(Debug)]
pub(crate) enum Part {
    /// It cuts and keeps all text.
    Cut(Splitter),
    /// It puts a character before a text that does not start with it.
    Prefix {
        /// The character that starts the text.
        first: char,
        /// The character that is replaced everywhere.
        from: Option<char>,
        /// What gets the prefix.
        scheme: Scheme,
    },
}

/// A step that cuts, by itself: a function from a text to the places where its pieces start.
#[derive(Debug)]
pub(crate) struct Splitter {
    cut: Cut,
    /// Whether its characters are bytes in the byte-level alphabet.
    pub(crate) spelled: bool,
}

impl Splitter {
    fn new(cut: &Cut) -> Self {
        Self {
            cut: Cut {
                spelled: false,
                ..cut.clone()
            },
            spelled: cut.spelled,
        }
    }

    /// The step that cuts at the matches of a pattern.
    #[cfg(test)]
    pub(crate) fn of_pattern(pattern: Pattern) -> Self {
        Self {
            cut: Cut {
                divider: Divider::Pattern {
                    pattern,
                    invert: false,
                },
                behavior: Behavior::Isolated,
                spelled: false,
            },
            spelled: false,
        }
    }

    /// What it is, for people.
    pub(crate) fn name(&self) -> String {
        match &self.cut.divider {
            Divider::Pattern { pattern, .. } => {
                format!("pre_tokenizer (Split {:?})", pattern.source())
            }
            Divider::Class(class) => format!("pre_tokenizer ({class:?})"),
            Divider::Words => "pre_tokenizer (Whitespace)".into(),
        }
    }

    /// Sets of characters such that the cuts of a text depend on its characters only through the
    /// sets that they are in; `None` where they are not known.
    pub(crate) fn sets(&self) -> Option<Vec<ClassUnicode>> {
        Some(match &self.cut.divider {
            Divider::Pattern { pattern, .. } => pattern.sets()?,
            Divider::Class(class) => vec![characters_where(|character| class.has(character))],
            Divider::Words => vec![
                characters_where(is_word),
                characters_where(char::is_whitespace),
            ],
        })
    }

    /// The pattern that it looks for, if there is one and its parts are known.
    pub(crate) fn tree(&self) -> Option<Ast> {
        match &self.cut.divider {
            Divider::Pattern { pattern, .. } => pattern.tree(),
            Divider::Class(_) | Divider::Words => None,
        }
    }

    /// The number of the known family that it cuts like, and its sets.
    pub(crate) fn known(&self) -> Option<(usize, Vec<ClassUnicode>)> {
        match &self.cut.divider {
            // Matches that leave no gaps are the same pieces either way.
            Divider::Pattern { pattern, invert }
                if self.cut.behavior == Behavior::Isolated && (!invert || pattern.is_total()) =>
            {
                pattern.known()
            }
            _ => None,
        }
    }

    /// Sets a bit for every place inside the text where a piece starts.
    pub(crate) fn cut(&self, text: &[u8], cuts: &mut [u64]) -> Result<(), Error> {
        self.cut
            .cut(
                text,
                0,
                text.len(),
                &mut Spelling::default(),
                cuts,
                &mut || true,
            )
            .map(|_| ())
    }
}

fn characters_where(is_in: impl Fn(char) -> bool) -> ClassUnicode {
    ClassUnicode::new(
        ('\0'..=char::MAX)
            .filter(|&character| is_in(character))
            .map(|character| ClassUnicodeRange::new(character, character)),
    )
}

impl Pretokenizer {
    /// The steps for the test of half-written sequences.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a step that drops text, or adds some elsewhere than at the start.
    pub(crate) fn parts(&self) -> Result<Vec<Part>, Error> {
        let refuse = |component: String, reason: &str| {
            Err(Error::Unsupported {
                component,
                reason: format!("{reason}, so the ids of a half-written text are not known"),
            })
        };
        let mut parts = Vec::new();
        for step in &self.steps {
            let part = match step {
                Step::Cut(cut) => {
                    let splitter = Splitter::new(cut);
                    if cut.behavior == Behavior::Removed {
                        return refuse(splitter.name(), "it drops text");
                    }
                    Part::Cut(splitter)
                }
                Step::PrefixSpace => Part::Prefix {
                    first: ' ',
                    from: None,
                    scheme: Scheme::Always,
                },
                Step::Metaspace {
                    replacement,
                    scheme,
                } => {
                    let mut characters = replacement.chars();
                    match (characters.next(), characters.next()) {
                        (Some(first), None) => Part::Prefix {
                            first,
                            from: Some(' ').filter(|&from| from != first),
                            scheme: *scheme,
                        },
                        _ => {
                            return refuse(
                                "pre_tokenizer (Metaspace)".into(),
                                "its replacement is no single character",
                            );
                        }
                    }
                }
            };
            if matches!(part, Part::Prefix { .. }) && !parts.is_empty() {
                return refuse(
                    "pre_tokenizer".into(),
                    "a step behind others changes their pieces",
                );
            }
            parts.push(part);
        }
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn split(step: &Value, text: &str) -> Vec<String> {
        let pretokenizer = Pretokenizer::from_json(step).unwrap();
        let pieces = pretokenizer
            .split(Aligned::new(text.as_bytes(), 0, true))
            .unwrap();
        pieces
            .ranges
            .iter()
            .map(|range| String::from_utf8_lossy(&pieces.text.text()[range.clone()]).into_owned())
            .collect()
    }

    #[test]
    fn behaviors() {
        // The example of the documentation of `tokenizers`.
        for (behavior, expected) in [
            ("Removed", vec!["the", "final", "countdown"]),
            ("Isolated", vec!["the", "-", "final", "-", "-", "countdown"]),
            (
                "MergedWithPrevious",
                vec!["the-", "final-", "-", "countdown"],
            ),
            ("MergedWithNext", vec!["the", "-final", "-", "-countdown"]),
            ("Contiguous", vec!["the", "-", "final", "--", "countdown"]),
        ] {
            let step = json!({"type": "Split", "pattern": {"String": "-"}, "behavior": behavior, "invert": false});
            assert_eq!(split(&step, "the-final--countdown"), expected, "{behavior}");
        }
        let words = json!({"type": "Split", "pattern": {"Regex": "[a-z]+"}, "behavior": "Removed", "invert": true});
        assert_eq!(
            split(&words, "the-final--countdown"),
            ["the", "final", "countdown"]
        );
    }

    #[test]
    fn steps() {
        for (step, text, expected) in [
            (
                json!({"type": "Digits", "individual_digits": false}),
                "a12b³",
                vec!["a", "12", "b", "³"],
            ),
            (
                json!({"type": "Digits", "individual_digits": true}),
                "a12b",
                vec!["a", "1", "2", "b"],
            ),
            (
                json!({"type": "Punctuation"}),
                "a+b。c",
                vec!["a", "+", "b", "。", "c"],
            ),
            (
                json!({"type": "Whitespace"}),
                " a b!?\n",
                vec!["a", "b", "!?"],
            ),
            (
                json!({"type": "WhitespaceSplit"}),
                " a b!\u{3000}c",
                vec!["a", "b!", "c"],
            ),
            (
                json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true}),
                "a b's",
                vec![" a", " b", "'s"],
            ),
            (
                json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}),
                "a b",
                vec!["a b"],
            ),
            (
                json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}),
                "a  b",
                vec!["▁a", "▁", "▁b"],
            ),
            (
                json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": false}),
                "a b",
                vec!["a▁b"],
            ),
            (
                json!({"type": "Metaspace", "replacement": "_", "add_prefix_space": false}),
                "a b",
                vec!["a", "_b"],
            ),
        ] {
            assert_eq!(split(&step, text), expected, "{step}");
        }
    }

    #[test]
    fn steps_behind_byte_level_see_its_alphabet() {
        // "ò" is C3 B2, and B2 is the numeral "²" there.
        let steps = json!({"type": "Sequence", "pretokenizers": [
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
            {"type": "Digits", "individual_digits": false},
        ]});
        let pretokenizer = Pretokenizer::from_json(&steps).unwrap();
        let pieces = pretokenizer
            .split(Aligned::new("aò7".as_bytes(), 0, true))
            .unwrap();
        assert_eq!(pieces.ranges, [0..2, 2..4]);
    }

    #[test]
    fn metaspace_first_is_at_the_start_of_the_original() {
        let step = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first"});
        let pretokenizer = Pretokenizer::from_json(&step).unwrap();
        for (base, expected) in [(0, "▁a"), (5, "a")] {
            let pieces = pretokenizer.split(Aligned::new(b"a", base, true)).unwrap();
            assert_eq!(pieces.text.text(), expected.as_bytes());
        }
    }

    #[test]
    fn refused() {
        let byte_level = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": false});
        for (value, part) in [
            (
                json!({"type": "BertPreTokenizer"}),
                "pre_tokenizer (BertPreTokenizer)",
            ),
            (
                json!({"type": "Sequence", "pretokenizers": [{"type": "CharDelimiterSplit", "delimiter": "x"}]}),
                "pre_tokenizer.pretokenizers[0] (CharDelimiterSplit)",
            ),
            (
                json!({"type": "Split", "pattern": {"String": "a"}, "behavior": "Sometimes", "invert": false}),
                "Sometimes",
            ),
            (
                json!({"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": false}),
                "(",
            ),
            (json!({"type": "Digits"}), "individual_digits"),
            (
                json!({"type": "Metaspace", "replacement": "ab"}),
                "one character",
            ),
            (
                json!({"type": "Sequence", "pretokenizers": [byte_level, byte_level]}),
                "ByteLevel",
            ),
        ] {
            let error = Pretokenizer::from_json(&value).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn spans_of_changed_text() {
        let step = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"});
        let pretokenizer = Pretokenizer::from_json(&step).unwrap();
        let pieces = pretokenizer
            .split(Aligned::new("é b".as_bytes(), 4, true))
            .unwrap();
        assert_eq!(pieces.text.text(), "▁é▁b".as_bytes());
        assert_eq!(pieces.ranges, [0..5, 5..9]);
        let spans: Vec<_> = [0..3, 3..4, 4..5, 5..8, 8..9]
            .map(|range| pieces.text.span(range.start, range.end))
            .into();
        assert_eq!(spans, [(4, 6), (4, 5), (5, 6), (6, 7), (7, 8)]);
    }

    #[test]
    fn first_pieces_are_known_without_spans() {
        // The three characters of the normalized half all start where the original does.
        let normalizer = crate::normalizer::Normalizer::from_json(&json!({"type": "NFKC"}))
            .unwrap()
            .unwrap();
        let steps = json!({"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": true},
            {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first"},
        ]});
        let pretokenizer = Pretokenizer::from_json(&steps).unwrap();
        for track in [true, false] {
            let mut text = Aligned::new("½1".as_bytes(), 0, track);
            normalizer.apply(&mut text).unwrap();
            let pieces = pretokenizer.split(text).unwrap();
            assert_eq!(pieces.text.text(), "▁1▁⁄▁21".as_bytes());
        }
    }

    #[test]
    fn only_cuts_are_cut() {
        let step = json!({"type": "WhitespaceSplit"});
        let pretokenizer = Pretokenizer::from_json(&step).unwrap();
        assert_eq!(
            pretokenizer.lossy_name().unwrap(),
            "pre_tokenizer (WhitespaceSplit): drops text"
        );
        assert!(pretokenizer.cut(b"a b", &mut [0]).is_err());
        let none = Pretokenizer::from_json(&Value::Null).unwrap();
        assert!(none.cuts_only() && !none.is_byte_level());
        assert!(none.cut(&[b'a'; 65], &mut [0]).is_err());
        assert_eq!(none.describe(), "none");
    }

    /// One step from the definition: matches and gaps as a list, joined as `tokenizers` joins it.
    fn step_slowly(step: &Value, text: &str) -> Vec<String> {
        let matches: Vec<(usize, usize)> = match step["type"].as_str().unwrap() {
            "Split" => {
                let pattern = &step["pattern"];
                let source = match pattern["String"].as_str() {
                    Some(text) => regex_syntax::escape(text),
                    None => pattern["Regex"].as_str().unwrap().to_owned(),
                };
                let regex = fancy_regex::Regex::new(&source).unwrap();
                regex
                    .find_iter(text)
                    .map(|found| found.unwrap())
                    .map(|found| (found.start(), found.end()))
                    .collect()
            }
            kind => {
                let is_match = |character: char| match kind {
                    "Digits" => character.is_numeric(),
                    "Punctuation" => character.is_ascii_punctuation() || character.is_punctuation(),
                    _ => character.is_whitespace(),
                };
                let ends =
                    |(start, character): (usize, char)| (start, start + character.len_utf8());
                text.char_indices()
                    .filter(|&(_, character)| is_match(character))
                    .map(ends)
                    .collect()
            }
        };
        let mut items = Vec::new();
        let mut last = 0;
        let invert = step["invert"] == true;
        for (start, end) in matches {
            if last < start {
                items.push((last..start, invert));
            }
            items.push((start..end, !invert));
            last = end;
        }
        if last < text.len() {
            items.push((last..text.len(), invert));
        }
        let behavior = match step["type"].as_str().unwrap() {
            "Digits" if step["individual_digits"] == false => "Contiguous",
            "Digits" => "Isolated",
            "WhitespaceSplit" => "Removed",
            _ => step["behavior"].as_str().unwrap(),
        };
        let mut pieces: Vec<Range<usize>> = Vec::new();
        let backwards = behavior == "MergedWithNext";
        if backwards {
            items.reverse();
        }
        let mut before = None;
        for (range, is_match) in items {
            let joins = before.is_some_and(|before: bool| match behavior {
                "Contiguous" => before == is_match,
                "MergedWithPrevious" | "MergedWithNext" => is_match && !before,
                _ => false,
            });
            before = Some(is_match);
            if behavior == "Removed" && is_match {
                continue;
            }
            match pieces.last_mut() {
                Some(piece) if joins => {
                    *piece = piece.start.min(range.start)..piece.end.max(range.end);
                }
                _ => pieces.push(range),
            }
        }
        if backwards {
            pieces.reverse();
        }
        pieces
            .into_iter()
            .filter(|piece| !piece.is_empty())
            .map(|piece| text[piece].to_owned())
            .collect()
    }

    /// A chain from the definition: behind the byte-level step, pieces are spelled.
    fn split_slowly(steps: &[Value], text: &str) -> Vec<String> {
        let mut pieces = vec![text.to_owned()];
        pieces.retain(|piece| !piece.is_empty());
        for step in steps {
            if step["type"] == "ByteLevel" {
                let split = json!({"type": "Split", "pattern": {"Regex": BYTE_LEVEL}, "behavior": "Isolated"});
                let spell = |piece: String| piece.bytes().map(byte_alphabet::char_of).collect();
                pieces = pieces
                    .iter()
                    .flat_map(|piece| step_slowly(&split, piece))
                    .map(spell)
                    .collect();
            } else {
                pieces = pieces
                    .iter()
                    .flat_map(|piece| step_slowly(step, piece))
                    .collect();
            }
        }
        pieces
    }

    fn step(behaviors: Vec<&'static str>) -> impl Strategy<Value = Value> {
        let white_space = behaviors.contains(&"Removed");
        let behavior = prop::sample::select(behaviors);
        let pattern = prop::sample::select(vec![
            json!({"Regex": r"\p{N}{1,3}"}),
            json!({"Regex": r" ?\p{L}+"}),
            json!({"Regex": r"(?=(\d{3})+(?!\d))"}),
            json!({"Regex": r"\s+(?!\S)|\s+"}),
            json!({"Regex": r"a*"}),
            json!({"Regex": ""}),
            json!({"String": "a"}),
            json!({"String": " "}),
        ]);
        prop_oneof![
            (pattern, behavior.clone(), any::<bool>()).prop_map(|(pattern, behavior, invert)| {
                json!({"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert})
            }),
            any::<bool>().prop_map(|alone| json!({"type": "Digits", "individual_digits": alone})),
            behavior.prop_map(move |behavior| match behavior {
                "Removed" if white_space => json!({"type": "WhitespaceSplit"}),
                behavior => json!({"type": "Punctuation", "behavior": behavior}),
            }),
            Just(json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true})),
        ]
    }

    fn text() -> impl Strategy<Value = String> {
        let alphabet = vec![
            "a", "b", "1", "2", "²", "3", " ", ".", ",", "'s", "\n", "é", "中", "\u{3000}", "ò",
        ];
        prop::collection::vec(prop::sample::select(alphabet), 0..90)
            .prop_map(|parts| parts.concat())
    }

    fn pieces_of(steps: &[Value], text: &[u8]) -> Option<(Pretokenizer, Vec<Range<usize>>)> {
        let byte_levels = steps
            .iter()
            .filter(|step| step["type"] == "ByteLevel")
            .count();
        if byte_levels > 1 {
            return None;
        }
        let sequence = json!({"type": "Sequence", "pretokenizers": steps});
        let pretokenizer = Pretokenizer::from_json(&sequence).unwrap();
        let pieces = pretokenizer.split(Aligned::new(text, 0, true)).unwrap();
        assert_eq!(pieces.text.text(), text);
        Some((pretokenizer, pieces.ranges))
    }

    /// Cuts so many digits at a time, with the marks behind them or apart from these.
    #[derive(Debug)]
    struct Groups {
        size: usize,
        apart: bool,
    }

    impl Annotator for Groups {
        fn name(&self) -> String {
            "groups".into()
        }

        fn insertions(&self, _: &[u8], _: &mut dyn FnMut(usize, &[u8])) {}

        fn groups(&self) -> annotator::Groups {
            annotator::Groups::new(self.size, [(1, 4), (5, 5)], self.apart).unwrap()
        }

        fn pieces(&self, text: &[u8], piece: &mut dyn FnMut(usize, usize)) {
            let mut place = 0;
            while place < text.len() {
                let run = |from: usize, is_own: &dyn Fn(&u8) -> bool| {
                    from + text[from..].iter().take_while(|byte| is_own(byte)).count()
                };
                let end = run(place, &u8::is_ascii_digit);
                if end == place {
                    place += 1;
                    continue;
                }
                while end - place > self.size {
                    piece(place, place + self.size);
                    place += self.size;
                }
                let marked = run(end, &|byte| matches!(byte, 1..=5));
                if self.apart && marked > end {
                    piece(place, end);
                    piece(end, marked);
                } else {
                    piece(place, marked);
                }
                place = marked;
            }
        }

        fn restore(&self, _: &mut u8, bytes: &[u8], out: &mut Vec<u8>) {
            out.extend_from_slice(bytes);
        }
    }

    fn starts(cuts: &[u64], text: &[u8]) -> Vec<usize> {
        (0..text.len())
            .filter(|place| cuts[place / 64] >> (place % 64) & 1 != 0)
            .collect()
    }

    /// Around the pieces of an annotator, the cuts of each known family are those of the gaps.
    #[test]
    fn cuts_around_pieces_are_those_of_gaps() {
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
            cases: 1000,
            ..ProptestConfig::default()
        });
        let alphabet = vec![
            "1",
            "22",
            "333",
            "4567",
            "\u{1}",
            "\u{2}\u{3}",
            "\u{1a}",
            "a",
            "B",
            "word",
            "'s",
            "'l",
            "'",
            " ",
            " ",
            "  ",
            "\n",
            "\r\n",
            "\t",
            ".",
            ",",
            "(",
            ")\n",
            "/",
            "!!",
            "é",
            "中",
            "½",
            "٣",
            "\u{301}",
            "\u{3000}",
            "\u{a0}",
            "\u{85}",
        ];
        let parts = prop::collection::vec(prop::sample::select(alphabet), 0..100);
        let bad = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..2);
        // Those that only cut numbers leave most gaps whole.
        let numbers = [
            ("numbers", r"\p{N}+"),
            ("digits", r"\d"),
            ("number", r"\p{N}{1,3}"),
        ];
        let plain: Vec<(&str, Pretokenizer)> = Pattern::families()
            .chain(numbers)
            .map(|(name, source)| {
                let pattern = Pattern::new(source, Dialect::Rust).unwrap();
                let mut pretokenizer = Pretokenizer::from_pattern(pattern);
                for step in &mut pretokenizer.steps {
                    if let Step::Cut(cut) = step {
                        cut.behavior = Behavior::Isolated;
                    }
                }
                pretokenizer.lossy = None;
                (name, pretokenizer)
            })
            .collect();
        runner
            .run(&(parts, bad), |(parts, bad)| {
                let mut text = parts.concat().into_bytes();
                for (place, byte) in bad {
                    if !text.is_empty() {
                        let place = place.index(text.len());
                        text[place] = byte;
                    }
                }
                for (name, pretokenizer) in &plain {
                    for (size, apart) in [(3, false), (3, true), (1, true), (4, false)] {
                        let pretokenizer = pretokenizer
                            .clone()
                            .with_annotator(Arc::new(Groups { size, apart }));
                        let mut cuts = vec![0; text.len() / 64 + 1];
                        pretokenizer.cut(&text, &mut cuts).unwrap();
                        let pieces = pretokenizer.split(Aligned::new(&text, 0, false)).unwrap();
                        let expected: Vec<usize> = pieces
                            .ranges
                            .iter()
                            .skip(1)
                            .map(|range| range.start)
                            .collect();
                        prop_assert_eq!(
                            starts(&cuts, &text),
                            expected,
                            "{}, size {}, apart {}: {:?}",
                            name,
                            size,
                            apart,
                            String::from_utf8_lossy(&text)
                        );
                    }
                }
                Ok(())
            })
            .unwrap();
    }

    const KEEPING: [&str; 4] = [
        "Isolated",
        "MergedWithPrevious",
        "MergedWithNext",
        "Contiguous",
    ];

    proptest! {
        #[test]
        fn pieces_follow_the_definition(
            steps in prop::collection::vec(step([&KEEPING[..], &["Removed"]].concat()), 0..4),
            text in text(),
        ) {
            let Some((pretokenizer, ranges)) = pieces_of(&steps, text.as_bytes()) else { return Ok(()) };
            let spell = |range: &Range<usize>| -> String {
                let piece = &text.as_bytes()[range.clone()];
                if pretokenizer.is_byte_level() {
                    return byte_alphabet::spelling(piece);
                }
                String::from_utf8(piece.to_vec()).unwrap()
            };
            let pieces: Vec<String> = ranges.iter().map(spell).collect();
            prop_assert_eq!(pieces, split_slowly(&steps, &text));
        }

        #[test]
        fn cut_is_split(
            steps in prop::collection::vec(step(KEEPING.to_vec()), 0..4),
            text in text(),
            bad in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let mut text = text.into_bytes();
            for (place, byte) in bad {
                if !text.is_empty() {
                    let place = place.index(text.len());
                    text[place] = byte;
                }
            }
            let Some((pretokenizer, ranges)) = pieces_of(&steps, &text) else { return Ok(()) };
            prop_assert!(pretokenizer.cuts_only());
            let mut end = 0;
            for range in &ranges {
                prop_assert_eq!(range.start, end);
                prop_assert!(!range.is_empty());
                end = range.end;
            }
            prop_assert_eq!(end, text.len());
            let mut cuts = vec![0; text.len() / 64 + 1];
            pretokenizer.cut(&text, &mut cuts).unwrap();
            let expected: Vec<usize> = ranges.iter().skip(1).map(|range| range.start).collect();
            prop_assert_eq!(starts(&cuts, &text), expected);
        }
    }
}
