//! Blocks of text: the cuts of known families, 64 bytes at a time.
//!
//! From a position where a match starts, the classes of the next 64 bytes become bit masks, and
//! a few shifts and additions give every later piece start in the block. A letter or a mark of
//! several bytes is as many letters or marks side by side ([`Kinds`]). Where a decision would need
//! what is not in the block, or too rare to have a formula, such as digits beyond ASCII, the block
//! ends early; if it then holds no certain piece start, the [`Scanner`] finds the next match.
//!
//! The formulas, with `x[i-1]` the class before and the block's first byte a start:
//! - a letter starts a piece unless it follows a letter or its lead; where case counts, also
//!   as a capital behind a small letter. A capital behind a letter without case stops the block,
//!   since what comes later decides;
//! - a digit does behind anything else, then every third digit (or each, or right-aligned);
//! - a mark (anything else) does unless it follows a mark or a blank;
//! - a run of white space does at its first character, behind its last line break, and at its
//!   last character if more than one is left there; line breaks behind marks belong to them;
//! - contractions are looked at one by one.
//!
//! Where an annotator cuts pieces of digits out of the text first, each gap between two is a text of
//! its own ([`Around`]). A digit then ends the text before it, so that white space stays whole; marks
//! behind digits are nothing to the gap that follows; and pieces are counted from the left of a run,
//! whatever the pattern does with numbers. The scanner is given the gap alone.
//!
//! Invariant: the cuts are those of the scanner on the same rules, or those of the pieces and of the
//! scanner on each gap.
//!
//! Cost: some twenty operations on vectors for 16 bytes, a hundred on words for a block, and some
//! twenty more for each character beyond ASCII.

use std::ops::Range;
use std::sync::Arc;

use super::class::Mask;
use super::kinds::{Beyond, Kinds};
use super::parts::{Native, Part};
use super::scan::{Memory, Scanner};
use crate::annotator::Groups;

/// The families that have formulas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// GPT-2.
    Gpt2,
    /// GPT-2 without contractions.
    Gpt2Plain,
    /// cl100k and Llama-3.
    Cl100k,
    /// Qwen2; marks are not ASCII, so Qwen3.5 too.
    Qwen,
    /// o200k.
    O200k,
    /// Tekken.
    Tekken,
    /// `SuperBPE` generation A, stage 1.
    SuperA1,
    /// `SuperBPE` generation B, stage 1.
    SuperB1,
    /// `SuperBPE` generation B, stage 2.
    SuperB2,
}

/// Which contractions, and where.
#[derive(PartialEq, Eq)]
enum Contractions {
    None,
    /// At the start of a match, small letters only.
    Small,
    /// At the start of a match.
    Any,
    /// Behind a word, as a part of it.
    Behind,
}

/// How runs of digits are cut.
#[derive(PartialEq, Eq)]
enum Numbers {
    /// Whole, with a blank before them.
    Whole,
    /// One by one.
    Single,
    /// In threes from the left.
    Threes,
    /// In threes from the right.
    Right,
}

/// What may follow a run of marks.
#[derive(PartialEq, Eq)]
enum Tail {
    None,
    Breaks,
    BreaksAndSlashes,
}

/// What sets the word families apart.
trait Words {
    const CONTRACTIONS: Contractions;
    const NUMBERS: Numbers;
    const TAIL: Tail;
    /// Any character but a digit, letter or line break may lead a word, and white space up to a
    /// line break is one piece; else only a blank leads.
    const FREE_LEAD: bool;
    /// A capital behind a small letter starts a word.
    const CASED: bool;
}

macro_rules! words {
    ($name:ident, $contractions:ident, $numbers:ident, $tail:ident, $free:literal, $cased:literal) => {
        struct $name;
        impl Words for $name {
            const CONTRACTIONS: Contractions = Contractions::$contractions;
            const NUMBERS: Numbers = Numbers::$numbers;
            const TAIL: Tail = Tail::$tail;
            const FREE_LEAD: bool = $free;
            const CASED: bool = $cased;
        }
    };
}

words!(Gpt2, Small, Whole, None, false, false);
words!(Gpt2Plain, None, Whole, None, false, false);
words!(Cl100k, Any, Threes, Breaks, true, false);
words!(Qwen, Any, Single, Breaks, true, false);
words!(O200k, Behind, Threes, BreaksAndSlashes, true, true);
words!(Tekken, None, Single, BreaksAndSlashes, true, true);
words!(SuperA1, None, Right, None, false, false);
words!(SuperB1, None, Threes, BreaksAndSlashes, true, true);

/// The formulas of one pattern.
#[derive(Clone, Debug)]
pub(crate) struct Formulas {
    shape: Shape,
    kinds: Arc<Kinds>,
}

impl Formulas {
    /// The formulas of a family, for a scanner of its rules.
    pub(crate) fn new(shape: Shape, scanner: &Scanner) -> Self {
        Self {
            shape,
            kinds: Arc::new(Kinds::new(scanner.classes(), scanner.rules())),
        }
    }

    /// Cuts `whole[range]`, which is in the whole, taken as a text of its own.
    pub(crate) fn cut(
        &self,
        scanner: &Scanner,
        whole: &[u8],
        range: Range<usize>,
        cuts: &mut [u64],
    ) {
        self.cut_by((), scanner, whole, range, cuts);
    }

    /// Cuts a text around pieces of digits.
    pub(crate) fn cut_around(
        &self,
        groups: &Groups,
        scanner: &Scanner,
        text: &[u8],
        cuts: &mut [u64],
    ) {
        let around = Around {
            groups: *groups,
            looks_at_end: scanner.looks_at_end(),
        };
        self.cut_by(around, scanner, text, 0..text.len(), cuts);
    }

    fn cut_by<D: Digits>(
        &self,
        digits: D,
        scanner: &Scanner,
        whole: &[u8],
        range: Range<usize>,
        cuts: &mut [u64],
    ) {
        let base = range.start;
        let text = &whole[range];
        let mut cutter = Cutter {
            scanner,
            kinds: &self.kinds,
            digits,
            whole,
            text,
            base,
            gap: 0,
            cuts,
        };
        match self.shape {
            Shape::Gpt2 => cutter.run_words::<Gpt2>(),
            Shape::Gpt2Plain => cutter.run_words::<Gpt2Plain>(),
            Shape::Cl100k => cutter.run_words::<Cl100k>(),
            Shape::Qwen => cutter.run_words::<Qwen>(),
            Shape::O200k => cutter.run_words::<O200k>(),
            Shape::Tekken => cutter.run_words::<Tekken>(),
            Shape::SuperA1 => cutter.run_words::<SuperA1>(),
            Shape::SuperB1 => cutter.run_words::<SuperB1>(),
            Shape::SuperB2 => cutter.run(&|block| superword_cuts(digits, block), false),
        }
    }
}

/// Who cuts digits.
trait Digits: Copy {
    /// The pieces of digits that are cut out of the text first, if there are such.
    fn around(&self) -> Option<&Around>;
}

/// The pattern does.
impl Digits for () {
    #[inline(always)]
    fn around(&self) -> Option<&Around> {
        None
    }
}

/// Pieces of digits that an annotator cuts out of a text; the pattern cuts the gaps.
#[derive(Clone, Copy)]
struct Around {
    groups: Groups,
    /// Whether a rule of the pattern asks for the end of the text.
    looks_at_end: bool,
}

impl Digits for Around {
    #[inline(always)]
    fn around(&self) -> Option<&Around> {
        Some(self)
    }
}

/// The pieces of a block.
#[derive(Default)]
struct Pieces {
    /// The first bytes.
    starts: u64,
    /// The marks that belong to them.
    marks: u64,
    /// The first of these where they are a piece of their own. It depends on the digit before it.
    apart: u64,
}

impl Pieces {
    /// The pieces of a block with these digits; `mark` has all its marks.
    #[inline(always)]
    fn new(groups: &Groups, block: &[u8; BLOCK], digit: u64, mark: u64) -> Self {
        let mut pieces = Self::default();
        if digit == 0 {
            return pieces;
        }
        pieces.starts = groups_of(groups.size(), digit);
        if digit << 1 & mark != 0 {
            let mut all = 0;
            let parts = Native::parts(block);
            for (number, bytes) in parts.iter().enumerate() {
                let part = Native::new(bytes);
                for (first, last) in groups.marks() {
                    all |= part.range(first, last) << (number * (BLOCK / parts.len()));
                }
            }
            let first = digit << 1 & all;
            pieces.marks = all & !all.wrapping_add(first);
            if groups.are_apart() {
                pieces.apart = first;
                pieces.starts |= first;
            }
        }
        pieces
    }
}

/// Bytes of a block.
const BLOCK: usize = 64;

/// So many bytes of ASCII are worth a block of superwords.
const NEAR: usize = 16;

/// Bytes at the end of a text that are worth a block.
const LEAST: usize = 8;

/// Whether the end of a text changes nothing in the formulas of words: they look ahead for
/// contractions, at the white space behind white space, and at the end of digits.
fn is_settled(text: &[u8]) -> bool {
    match text {
        [.., a, b, c, last] => {
            let is_white = |byte: &u8| matches!(byte, b'\t'..=b'\r' | b' ');
            let undecided = is_white(c) && is_white(last) || last.is_ascii_digit();
            !undecided && ![a, b, c, last].contains(&&b'\'')
        }
        _ => false,
    }
}

/// How far a block got.
struct Progress {
    /// Cuts, of which those up to `to` are certain.
    cuts: u64,
    /// Where the next block may start; 0 if nowhere.
    to: u32,
    /// Bytes of the block before the first that stopped it.
    limit: u32,
}

struct Cutter<'a, D> {
    scanner: &'a Scanner,
    kinds: &'a Kinds,
    digits: D,
    whole: &'a [u8],
    text: &'a [u8],
    /// Where the text starts in the whole.
    base: usize,
    /// The end of the last gap between pieces that was looked for.
    gap: usize,
    cuts: &'a mut [u64],
}

impl<D: Digits> Cutter<'_, D> {
    fn run_words<W: Words>(&mut self) {
        let (kinds, classes, digits) = (self.kinds, self.scanner.classes(), self.digits);
        let starts = |block: &[u8; BLOCK]| {
            word_starts::<W, D>(digits, block, |wide, letter| {
                kinds.of(classes, block, wide, letter)
            })
        };
        self.run(&starts, true);
    }

    #[inline]
    fn run(&mut self, starts: &impl Fn(&[u8; BLOCK]) -> Progress, words: bool) {
        let mut memory = Memory::new();
        let mut at = 0;
        while let Some(block) = self.text.get(at..).and_then(<[u8]>::first_chunk) {
            let progress = starts(block);
            if progress.to > 0 {
                let certain = progress.cuts & (u64::MAX >> (63 - progress.to)) & !1;
                self.set_all(at, certain);
                at += progress.to as usize;
            }
            if progress.limit < BLOCK as u32 || progress.to == 0 {
                // Go over what stopped the block.
                let over = match progress.limit {
                    64 => at + 1,
                    limit => at - progress.to as usize + limit as usize + 1,
                };
                while at < over || !words && self.is_wide(at) {
                    at = self.step(at, &mut memory);
                }
            }
        }
        // The last bytes, with what no decision can be made on behind them.
        let rest = self.text.get(at..).unwrap_or_default();
        if rest.len() >= LEAST {
            let progress = starts(&self.last_block(at, rest));
            if words && progress.limit as usize == rest.len() && is_settled(rest) {
                self.set_all(at, progress.cuts & (u64::MAX >> (BLOCK - rest.len())) & !1);
                return;
            }
            if progress.to > 0 {
                self.set_all(at, progress.cuts & (u64::MAX >> (63 - progress.to)) & !1);
                at += progress.to as usize;
            }
        }
        while at < self.text.len() {
            at = self.step(at, &mut memory);
        }
    }

    /// The last bytes of the text, which start at `at`, and then bytes that are not ASCII.
    #[inline]
    fn last_block(&self, at: usize, rest: &[u8]) -> [u8; BLOCK] {
        const FILL: [u8; 2 * BLOCK] = {
            let mut fill = [0; 2 * BLOCK];
            let mut place = BLOCK;
            while place < fill.len() {
                fill[place] = u8::MAX;
                place += 1;
            }
            fill
        };
        let mut block = [u8::MAX; BLOCK];
        let beyond = self.whole.get(self.base + at..);
        let fill = FILL.get(BLOCK - rest.len()..);
        if let Some(bytes) = beyond.and_then(<[u8]>::first_chunk::<BLOCK>)
            && let Some(fill) = fill.and_then(<[u8]>::first_chunk::<BLOCK>)
        {
            // What lies behind the text is read too: a copy of this length is a few vectors.
            for (slot, (byte, fill)) in block.iter_mut().zip(bytes.iter().zip(fill)) {
                *slot = byte | fill;
            }
        } else {
            for (slot, &byte) in block.iter_mut().zip(rest) {
                *slot = byte;
            }
        }
        block
    }

    /// Whether a block that starts here would not get far.
    #[inline(always)]
    fn is_wide(&self, at: usize) -> bool {
        match self.text.get(at..).and_then(<[u8]>::first_chunk::<NEAR>) {
            Some(near) => !near.is_ascii(),
            None => false,
        }
    }

    /// Goes on to the end of the next piece of digits, or of the next match that is not empty, or of
    /// the gap.
    fn step(&mut self, at: usize, memory: &mut Memory) -> usize {
        let text = self.text;
        let Some(around) = self.digits.around() else {
            return self.step_in(text, at, memory);
        };
        let rest = text.get(at..).unwrap_or_default();
        if rest.first().is_some_and(u8::is_ascii_digit) {
            let groups = around.groups;
            return self.step_over(&groups, at, rest);
        }
        if at >= self.gap {
            let digit = rest.iter().position(u8::is_ascii_digit);
            self.gap = at + digit.unwrap_or(rest.len());
            *memory = Memory::new();
        }
        let end = self.step_in(&text[..self.gap], at, memory);
        if end == self.gap {
            self.set(end);
        }
        end
    }

    /// Goes over the piece of digits at the start of `rest`, with the marks behind it.
    fn step_over(&mut self, groups: &Groups, at: usize, rest: &[u8]) -> usize {
        let near = rest.iter().take(groups.size());
        let digits = near.take_while(|byte| byte.is_ascii_digit()).count();
        let is_mark = |&&byte: &&u8| groups.is_mark(byte);
        let marks = rest[digits..].iter().take_while(is_mark).count();
        self.set(at);
        if groups.are_apart() {
            self.set(at + digits);
        }
        self.set(at + digits + marks);
        at + digits + marks
    }

    /// Goes on to the end of the next match in a text that is not empty, or of the text.
    fn step_in(&mut self, text: &[u8], mut at: usize, memory: &mut Memory) -> usize {
        loop {
            let (bit, length): (Mask, usize) = self.scanner.classes().at(text, at);
            if length == 0 {
                return at;
            }
            match self.scanner.find(text, at, bit, length, memory) {
                None => at += length,
                Some(end) => {
                    self.set(at);
                    if end > at {
                        self.set(end);
                        return end;
                    }
                    at += length;
                }
            }
        }
    }

    #[inline]
    fn set(&mut self, at: usize) {
        if 0 < at && at < self.text.len() {
            self.set_all(at, 1);
        }
    }

    /// Sets a bit for each bit of `cuts`, the first one at `at`.
    #[inline]
    fn set_all(&mut self, at: usize, cuts: u64) {
        let place = self.base + at;
        if let Some(word) = self.cuts.get_mut(place / 64) {
            *word |= cuts << (place % 64);
        }
        // Twice, as a shift by 64 is none.
        let rest = cuts >> 1 >> (63 - place % 64);
        if rest != 0
            && let Some(word) = self.cuts.get_mut(place / 64 + 1)
        {
            *word |= rest;
        }
    }
}

/// Classes of a block, one bit a byte. Marks are what is none of these; bytes that are not
/// ASCII are `wide` and in no other class.
#[derive(Default)]
struct Classes {
    letter: u64,
    upper: u64,
    digit: u64,
    /// White space, line breaks included.
    white: u64,
    /// U+0020.
    blank: u64,
    /// Line feed and carriage return.
    breaks: u64,
    quote: u64,
    slash: u64,
    wide: u64,
}

impl Classes {
    #[inline(always)]
    fn new(block: &[u8; BLOCK], cased: bool, slashes: bool) -> Self {
        let mut classes = Self::default();
        let parts = Native::parts(block);
        for (number, bytes) in parts.iter().enumerate() {
            let part = Native::new(bytes);
            let shift = number * (BLOCK / parts.len());
            let blank = part.equal(b' ');
            classes.letter |= part.letters() << shift;
            classes.digit |= part.range(b'0', b'9') << shift;
            classes.blank |= blank << shift;
            classes.white |= (part.range(b'\t', b'\r') | blank) << shift;
            classes.breaks |= (part.equal(b'\n') | part.equal(b'\r')) << shift;
            classes.quote |= part.equal(b'\'') << shift;
            classes.wide |= part.wide() << shift;
            if cased {
                classes.upper |= part.range(b'A', b'Z') << shift;
            }
            if slashes {
                classes.slash |= part.equal(b'/') << shift;
            }
        }
        classes
    }
}

/// The bits behind the runs of `set` that begin at the bits of `first`.
#[inline]
const fn behind(first: u64, set: u64) -> u64 {
    set.wrapping_add(first) & !set
}

/// Lowest bit of each group of so many digits, counted from the left.
#[inline(always)]
fn groups_of(size: usize, digit: u64) -> u64 {
    let mut first = digit & !(digit << 1);
    let mut all = 0;
    let full = (1..size).fold(digit, |full, place| full & digit << place);
    while first != 0 {
        all |= first;
        first = first << size & full;
    }
    all
}

/// Piece starts in the word families; `beyond` gives what is beyond ASCII from its bytes and the
/// ASCII letters.
#[inline]
fn word_starts<W: Words, D: Digits>(
    digits: D,
    block: &[u8; BLOCK],
    beyond: impl FnOnce(u64, u64) -> Beyond,
) -> Progress {
    let slashes = W::TAIL == Tail::BreaksAndSlashes;
    let Classes {
        mut letter,
        mut upper,
        digit,
        white,
        blank,
        breaks,
        quote,
        slash,
        wide,
    } = Classes::new(block, W::CASED, slashes);
    let mut mark = !(letter | digit | white | wide);
    let mut limit = u64::BITS;
    let mut tail = 0;
    let (mut starts, mut apart) = (0, 0);
    // White space before it is not followed by white space, or ends the text.
    let mut whole = white;
    if let Some(around) = digits.around() {
        let found = Pieces::new(&around.groups, block, digit, mark);
        mark &= !found.marks;
        (starts, apart) = (found.starts, found.apart);
        whole |= digit;
        let last = white & white << 1 & digit >> 1;
        if around.looks_at_end && last != 0 {
            // It may be a rule's of its own.
            limit = last.trailing_zeros();
        }
    }
    if wide != 0 {
        let beyond = beyond(wide, letter);
        limit = limit.min(beyond.limit);
        letter |= beyond.letter;
        upper |= beyond.capital;
        mark |= beyond.mark;
        tail = beyond.tail;
        if W::CASED {
            limit = limit.min((upper & beyond.caseless << 1).trailing_zeros());
        }
    }
    let bound = (mark | blank) << 1;

    // Marks; a run with a blank before it starts there.
    let marks = mark & !bound;
    starts |= marks;

    // Letters.
    if W::FREE_LEAD {
        let lead = last_bytes(marks, tail) & letter >> 1 | white & !breaks;
        starts |= letter & !((letter | lead) << 1);
    } else {
        starts |= letter & !((letter | blank) << 1);
    }
    if W::CASED {
        starts |= upper & (letter & !upper) << 1;
    }

    // White space.
    if W::FREE_LEAD {
        let (first, after_marks) = white_starts(mark, white, breaks, whole);
        starts |= first;
        if slashes && after_marks & slash != 0 {
            // What follows a slash in such a tail is rare.
            limit = limit.min((after_marks & slash).trailing_zeros());
        }
    } else {
        starts |= white & !(white << 1);
        starts |= white & white << 1 & !(whole >> 1);
    }

    // Digits.
    let mut to = u32::MAX;
    match W::NUMBERS {
        _ if digits.around().is_some() => {}
        Numbers::Whole => starts |= digit & !((digit | blank) << 1),
        Numbers::Single => starts |= digit,
        Numbers::Threes => starts |= groups_of(3, digit),
        Numbers::Right => {
            let mut open = digit & !(digit << 1);
            while open != 0 {
                let first = open.trailing_zeros();
                open &= open - 1;
                let length = (digit >> first).trailing_ones();
                starts |= 1 << first;
                let mut group = first + length % 3;
                while group < first + length {
                    starts |= 1 << group;
                    group += 3;
                }
            }
            to = to.min(start_of_open_run(digit, limit));
        }
    }

    // A run of white space that goes on beyond the limit is not decided but for its start.
    to = to
        .min(start_of_open_run(white, limit))
        .min(limit.saturating_sub(4));

    if W::CONTRACTIONS != Contractions::None {
        let behind_word = W::CONTRACTIONS == Contractions::Behind;
        let before = if behind_word { letter << 1 } else { !bound };
        let reachable = !(u64::MAX << to << 1);
        starts = take_contractions::<W>(block, starts, quote & before & letter >> 1 & reachable);
    }

    let certain = starts & !(u64::MAX << to << 1);
    Progress {
        cuts: starts,
        to: last(certain & !apart),
        limit,
    }
}

/// The last bytes of the characters that begin at the bits of `first`; `tail` are the bytes of
/// characters but the first.
#[inline]
const fn last_bytes(first: u64, tail: u64) -> u64 {
    if tail == 0 {
        return first;
    }
    let second = first << 1 & tail;
    let third = second << 1 & tail;
    let fourth = third << 1 & tail;
    (first | second | third | fourth) & !(tail >> 1)
}

/// Position of the last bit, 0 if there is none.
#[inline]
fn last(bits: u64) -> u32 {
    bits.checked_ilog2().unwrap_or(0)
}

/// Piece starts in white space where line breaks count, and what is right behind line breaks
/// that belong to marks. White space before `whole` is not divided.
#[inline]
fn white_starts(mark: u64, white: u64, breaks: u64, whole: u64) -> (u64, u64) {
    let plain = white & !breaks;
    let taken = breaks & mark << 1;
    let after_marks = behind(taken, breaks);
    // Behind breaks a piece starts unless another break follows in the same run.
    let mut after = plain & breaks << 1;
    if behind(after, plain) & breaks != 0 {
        let mut open = after;
        while open != 0 {
            let first = open & open.wrapping_neg();
            open ^= first;
            if behind(first, plain) & breaks != 0 {
                after ^= first;
            }
        }
    }
    let first = white & !(white << 1) & !taken;
    let last = plain & plain << 1 & !(whole >> 1);
    (first | last | after | after_marks & plain, after_marks)
}

/// Moves the starts at the contractions among `quotes`.
#[inline]
fn take_contractions<W: Words>(block: &[u8; BLOCK], mut starts: u64, quotes: u64) -> u64 {
    let behind_word = W::CONTRACTIONS == Contractions::Behind;
    let mut open = quotes;
    let mut done = u32::MAX;
    while open != 0 {
        let at = open.trailing_zeros();
        open &= open - 1;
        // One contraction does not follow another as a part of the same word.
        if behind_word && at == done {
            continue;
        }
        let length = contraction(block, at as usize, W::CONTRACTIONS == Contractions::Small);
        if length == 0 {
            continue;
        }
        let inside = ((1 << length) - 1) << at;
        starts &= if behind_word {
            !inside
        } else {
            !inside | 1 << at
        };
        done = at + length;
        starts |= 1 << done;
    }
    starts
}

/// Where the run of `set` that reaches `limit` starts; large if there is none.
#[inline]
fn start_of_open_run(set: u64, limit: u32) -> u32 {
    if limit == 0 {
        return 0;
    }
    let length = (set << (64 - limit)).leading_ones();
    if length == 0 {
        u32::MAX
    } else {
        limit - length.min(limit)
    }
}

/// Length of the contraction at the apostrophe, 0 if there is none.
#[inline]
fn contraction(block: &[u8; BLOCK], at: usize, small: bool) -> u32 {
    let letter = |i: usize| {
        let byte = block.get(at + i).copied().unwrap_or(0);
        if small {
            byte
        } else {
            byte.to_ascii_lowercase()
        }
    };
    match (letter(1), letter(2)) {
        (b's' | b't' | b'm' | b'd', _) => 2,
        (b'r' | b'v', b'e') | (b'l', b'l') => 3,
        _ => 0,
    }
}

/// Cuts of `SuperBPE` generation B, stage 2: digits in threes, two or more marks, and blanks
/// short of the last. Letters are in no match, so that all before a letter is certain; so is all
/// before a group of digits.
#[inline]
fn superword_cuts<D: Digits>(digits: D, block: &[u8; BLOCK]) -> Progress {
    let Classes {
        letter,
        digit,
        white,
        blank,
        breaks,
        slash,
        wide,
        ..
    } = Classes::new(block, false, true);
    let mut mark = !(letter | digit | white | wide);
    let mut limit = wide.trailing_zeros();

    // Blanks before it are not followed by white space, or end the text.
    let mut whole = white;
    let mut groups = groups_of(3, digit);
    let mut cuts = groups | digit << 1 & !digit;
    if let Some(around) = digits.around() {
        let pieces = Pieces::new(&around.groups, block, digit, mark);
        mark &= !pieces.marks;
        whole |= digit;
        let all = digit | pieces.marks;
        cuts = pieces.starts | all << 1 & !all;
        groups = pieces.starts & !pieces.apart;
    }

    let first = mark & !(mark << 1) & mark >> 1;
    cuts |= first >> 1 & blank | first & !(blank << 1);
    let end = behind(first, mark);
    let tail = behind(end & breaks, breaks);
    cuts |= end & !breaks | tail;
    if tail & slash != 0 {
        limit = limit.min((tail & slash).trailing_zeros());
    }

    // Runs of blanks of two or more, or before other white space.
    let mut open = blank & !(blank << 1) & whole >> 1;
    while open != 0 {
        let at = open.trailing_zeros();
        open &= open - 1;
        let length = (blank >> at).trailing_ones();
        let next = at + length;
        cuts |= 1 << at;
        if next < 64 {
            cuts |= 1 << (next - (whole >> next & 1 ^ 1) as u32);
        }
    }

    let certain = (letter | groups) & !u64::MAX.checked_shl(limit).unwrap_or(0);
    Progress {
        cuts,
        to: last(certain),
        limit,
    }
}
