//! The linear scanner: the matches of a list of [`Rule`]s, one character after the other.
//!
//! At each position the first rule that matches gives the match; where none does, the scan goes
//! on one character later. The class of the first character says which rules can match at all.
//!
//! Invariant: the matches are those of the pattern that the rules were read from, and every
//! rule looks at each character a bounded number of times. What a failed or counted run has
//! shown is kept in [`Memory`], so that long runs of digits or blanks are not walked again.
//!
//! Cost: a table look-up a character, a few branches a match.

use super::class::{Case, Classes, Mask, Set, Span, letters_end};
use super::rules::{Lead, Rule};
use regex_syntax::hir::ClassUnicode;

/// More rules than this are left to the general engine.
const MAX_RULES: usize = 16;

/// Rules over the classes of their sets.
#[derive(Clone, Debug)]
pub(crate) struct Scanner {
    classes: Classes,
    rules: Vec<Rule<Set>>,
    /// For each atom the rules that can match where it comes first, one bit each.
    first: [u16; 32],
    total: bool,
    skip: Skip,
    words: Option<Words>,
}

/// The way of most matches of a word pattern: ASCII letters, perhaps with a lead, up to an ASCII
/// character that is known to end the match.
///
/// `lead[b]` says what a match that begins with byte `b` is: [`OTHER`] if its rule must be looked
/// up, else the number of bytes before the letters, where the first rule that can match is the one
/// for letters.
#[derive(Clone, Debug)]
struct Words {
    lead: Box<[u8; 256]>,
    /// Whether a capital behind a small letter ends the match.
    cased: bool,
    /// Whether an apostrophe behind the letters may go on.
    apostrophe: bool,
}

/// Not the way of words.
const OTHER: u8 = 2;

/// How the scan gets over characters at which no rule can match.
#[derive(Clone, Debug)]
enum Skip {
    /// One at a time.
    No,
    /// Over bytes that start no character with a rule, and of ASCII only digits do.
    ToDigits(Box<[bool; 256]>),
}

/// What is known about runs around the current position.
pub(crate) struct Memory {
    /// From and to where each rule of kind [`Rule::Ending`] or [`Rule::Last`] fails.
    failed: [(usize, usize); MAX_RULES],
    /// The last run of digits counted: its set, a position in it, characters left, its end.
    digits: (Mask, usize, usize, usize),
}

impl Memory {
    pub(crate) const fn new() -> Self {
        Self {
            failed: [(0, 0); MAX_RULES],
            digits: (0, 0, 0, 0),
        }
    }
}

impl Scanner {
    /// Compiles rules; `None` if there are too many of them, or of their classes.
    pub(crate) fn new(rules: &[Rule<ClassUnicode>]) -> Option<Self> {
        if rules.len() > MAX_RULES {
            return None;
        }
        let mut sets: Vec<ClassUnicode> = Vec::new();
        let numbered: Vec<Rule<usize>> = rules
            .iter()
            .map(|rule| {
                rule.map(&mut |set: &ClassUnicode| {
                    sets.iter()
                        .position(|known| known == set)
                        .unwrap_or_else(|| {
                            sets.push(set.clone());
                            sets.len() - 1
                        })
                })
            })
            .collect();
        let (classes, masks) = Classes::new(&sets)?;
        let set_of = |set: &usize| {
            let mask = masks.get(*set).copied().unwrap_or(0);
            Set {
                mask,
                span: classes.span(mask),
            }
        };
        let rules: Vec<Rule<Set>> = numbered
            .iter()
            .map(|rule| rule.map(&mut |set| set_of(set)))
            .collect();

        // Runs of these are walked backwards or counted, which takes valid UTF-8.
        let counted = rules.iter().fold(0, |mask, rule| match rule {
            Rule::Short { body, .. } => mask | body.mask,
            Rule::Border { digit, .. } | Rule::Group { digit, .. } => mask | digit.mask,
            _ => mask,
        });
        if counted & classes.invalid() != 0 {
            return None;
        }

        let mut first = [0; 32];
        for (number, rule) in rules.iter().enumerate() {
            let mask = starts(rule, &classes);
            for (atom, rules) in first.iter_mut().enumerate() {
                *rules |= ((mask >> atom & 1) as u16) << number;
            }
        }
        let always = rules.iter().fold(0, |mask, rule| mask | certain(rule));
        let zero_width = rules.iter().any(|rule| matches!(rule, Rule::Border { .. }));
        let all = u32::MAX >> (32 - classes.atoms().clamp(1, 32));
        Some(Self {
            total: !zero_width && always & all == all,
            words: Words::new(&classes, &rules, &first),
            skip: Skip::new(&classes, &first, sets.iter().zip(&masks)),
            classes,
            rules,
            first,
        })
    }

    /// Whether every character is in a match that is not empty.
    pub(crate) fn is_total(&self) -> bool {
        self.total
    }

    /// Every match in order, empty ones included, save an empty one right behind a match.
    pub(crate) fn for_each_match(&self, text: &[u8], emit: &mut impl FnMut(usize, usize)) {
        let mut memory = Memory::new();
        let mut at = 0;
        let mut done = usize::MAX;
        loop {
            if let Some(words) = &self.words {
                while let Some(end) = words.find(text, at) {
                    emit(at, end);
                    (at, done) = (end, end);
                }
            }
            if let Skip::ToDigits(stops) = &self.skip {
                at = skip(text, at, stops);
            }
            let (bit, length) = self.classes.at(text, at);
            if length == 0 {
                return;
            }
            match self.find(text, at, bit, length, &mut memory) {
                None => at += length,
                Some(end) if end == at => {
                    if done != at {
                        emit(at, at);
                        done = at;
                    }
                    at += length;
                }
                Some(end) => {
                    emit(at, end);
                    (at, done) = (end, end);
                }
            }
        }
    }

    /// End of the match that starts at `at`, whose character has this bit and length.
    #[inline]
    pub(crate) fn find(
        &self,
        text: &[u8],
        at: usize,
        bit: Mask,
        length: usize,
        memory: &mut Memory,
    ) -> Option<usize> {
        let mut rules = self.first[(bit.trailing_zeros() & 31) as usize];
        while rules != 0 {
            let number = rules.trailing_zeros() as usize;
            rules &= rules - 1;
            let rule = self.rules.get(number)?;
            let end = self.apply(rule, number, text, at, bit, length, memory);
            if end.is_some() {
                return end;
            }
        }
        None
    }

    #[expect(clippy::too_many_arguments)]
    #[inline]
    fn apply(
        &self,
        rule: &Rule<Set>,
        number: usize,
        text: &[u8],
        at: usize,
        bit: Mask,
        length: usize,
        memory: &mut Memory,
    ) -> Option<usize> {
        let classes = &self.classes;
        match rule {
            Rule::Literals(strings) => literal(text, at, strings),
            Rule::Run {
                lead,
                body,
                min,
                max,
                tail,
                suffix,
            } => {
                let end = with_lead(lead.as_ref(), at, bit, length, |at| {
                    self.counted(text, at, *body, *min, *max)
                })?;
                let end = tail.map_or(end, |tail| classes.run(text, end, tail));
                Some(literal(text, end, suffix).unwrap_or(end))
            }
            Rule::Ending {
                lead,
                head,
                body,
                suffix,
            } => {
                let end = with_lead(lead.as_ref(), at, bit, length, |at| {
                    self.ending(text, at, *head, *body, memory.failed.get_mut(number)?)
                })?;
                Some(literal(text, end, suffix).unwrap_or(end))
            }
            Rule::Short { body, stop } => {
                let end = classes.run(text, at, *body);
                if classes.at(text, end).0 & stop.mask == 0 {
                    return Some(end);
                }
                let last = start_of_last(text, at, end);
                (last > at).then_some(last)
            }
            Rule::Last { body } => {
                let (from, to) = memory.failed.get_mut(number)?;
                if (*from..*to).contains(&at) {
                    return None;
                }
                let end = classes.run(text, at, *body);
                if end == text.len() {
                    return Some(end);
                }
                (*from, *to) = (at, end);
                None
            }
            Rule::Border {
                behind,
                digit,
                size,
            } => {
                if behind.is_some_and(|behind| classes.before(text, at) & behind.mask == 0) {
                    return None;
                }
                let (left, _) = self.digits(text, at, *digit, memory);
                left.is_multiple_of(*size as usize).then_some(at)
            }
            Rule::Group { digit, size } => {
                let (left, end) = self.digits(text, at, *digit, memory);
                let size = *size as usize;
                let take = match left % size {
                    0 => size,
                    rest => rest,
                };
                if end - at == left {
                    // All of one byte.
                    return Some(at + take);
                }
                self.counted(text, at, *digit, take as u32, Some(take as u32))
            }
        }
    }

    /// End of `body{min,max}` from `at`.
    #[inline]
    fn counted(
        &self,
        text: &[u8],
        at: usize,
        body: Set,
        min: u32,
        max: Option<u32>,
    ) -> Option<usize> {
        if let (1, None) = (min, max) {
            let end = self.classes.run(text, at, body);
            return (end > at).then_some(end);
        }
        let mut end = at;
        let mut count = 0;
        while max != Some(count) {
            let (bit, length) = self.classes.at(text, end);
            if bit & body.mask == 0 {
                break;
            }
            end += length;
            count += 1;
            if count == min && max.is_none() {
                return Some(self.classes.run(text, end, body));
            }
        }
        (count >= min).then_some(end)
    }

    /// End of `head* body+` from `at`.
    fn ending(
        &self,
        text: &[u8],
        at: usize,
        head: Set,
        body: Set,
        failed: &mut (usize, usize),
    ) -> Option<usize> {
        if (failed.0..failed.1).contains(&at) {
            return None;
        }
        // The end of the last character of the head run that is in the body, too.
        let mut last = None;
        let mut end = at;
        loop {
            let (bit, length) = self.classes.at(text, end);
            if bit & head.mask == 0 {
                if bit & body.mask != 0 {
                    return Some(self.classes.run(text, end, body));
                }
                break;
            }
            end += length;
            if bit & body.mask != 0 {
                last = Some(end);
            }
        }
        if last.is_none() {
            *failed = (at, end);
        }
        last
    }

    /// Characters of the run of `digit` from `at` to its end, and the end.
    fn digits(&self, text: &[u8], at: usize, digit: Set, memory: &mut Memory) -> (usize, usize) {
        let (set, from, left, end) = memory.digits;
        let (left, end) = if set == digit.mask && (from..end).contains(&at) {
            (left - count(text, from, at), end)
        } else {
            let end = self.classes.run(text, at, digit);
            (count(text, at, end), end)
        };
        memory.digits = (digit.mask, at, left, end);
        (left, end)
    }
}

impl Words {
    fn new(classes: &Classes, rules: &[Rule<Set>], first: &[u16; 32]) -> Option<Self> {
        let letters = (b'A'..=b'z').filter(u8::is_ascii_alphabetic);
        let small = letters.clone().filter(u8::is_ascii_lowercase);
        let capital = letters.clone().filter(u8::is_ascii_uppercase);
        let has = |set: &Set, byte: u8| classes.ascii(byte) & set.mask != 0;
        // The rule for letters, its lead, and whether it tells cases apart.
        let mut found = None;
        for (number, rule) in rules.iter().enumerate() {
            match rule {
                Rule::Run {
                    lead,
                    body,
                    min: 1,
                    max: None,
                    tail: None,
                    suffix,
                } if body.span == Some(Span::Letters) => {
                    found = Some((number, lead, suffix, false));
                    break;
                }
                Rule::Ending {
                    lead,
                    head,
                    body,
                    suffix,
                } if small
                    .clone()
                    .all(|byte| has(body, byte) && !has(head, byte))
                    && capital
                        .clone()
                        .all(|byte| has(head, byte) && !has(body, byte))
                    && (0..0x80_u8)
                        .filter(|byte| !byte.is_ascii_alphabetic())
                        .all(|byte| !has(head, byte) && !has(body, byte)) =>
                {
                    found = Some((number, lead, suffix, true));
                    break;
                }
                _ => {}
            }
        }
        let (number, lead, suffix, cased) = found?;
        let first_rule = |byte: u8| {
            first[(classes.ascii(byte).trailing_zeros() & 31) as usize].trailing_zeros() as usize
        };
        let mut table = Box::new([OTHER; 256]);
        for byte in 0..0x80_u8 {
            if first_rule(byte) != number {
                continue;
            }
            let leads = lead.as_ref().is_some_and(|lead| has(&lead.set, byte));
            if byte.is_ascii_alphabetic() {
                // A letter that is a lead too, or a lead that must be there, is another way.
                if !leads && lead.as_ref().is_none_or(|lead| !lead.required) {
                    table[byte as usize] = 0;
                }
            } else if leads {
                table[byte as usize] = 1;
            }
        }
        Some(Self {
            lead: table,
            cased,
            apostrophe: suffix.iter().all(|string| string.starts_with('\'')) && !suffix.is_empty(),
        })
        .filter(|words| words.apostrophe || suffix.is_empty())
    }

    /// End of the match at `at`, if it is surely this way.
    #[inline]
    fn find(&self, text: &[u8], at: usize) -> Option<usize> {
        let lead = self.lead[*text.get(at)? as usize];
        if lead == OTHER {
            return None;
        }
        let start = at + lead as usize;
        let end = if self.cased {
            let mut end = start;
            while text.get(end).is_some_and(u8::is_ascii_uppercase) {
                end += 1;
            }
            let small = letters_end(text, end, Case::Small);
            // Without a small letter the rule fails.
            if small == end {
                return None;
            }
            small
        } else {
            letters_end(text, start, Case::Both)
        };
        let next = *text.get(end)?;
        let surely = end > start
            && next < 0x80
            && !(if self.cased {
                next.is_ascii_lowercase()
            } else {
                next.is_ascii_alphabetic()
            })
            && !(self.apostrophe && next == b'\'');
        surely.then_some(end)
    }
}

impl Skip {
    fn new<'s>(
        classes: &Classes,
        first: &[u16; 32],
        sets: impl Iterator<Item = (&'s ClassUnicode, &'s Mask)>,
    ) -> Self {
        let starts = (0..32)
            .filter(|atom| first[*atom] != 0)
            .fold(0, |mask, atom| mask | 1 << atom);
        if classes.span(starts) != Some(Span::Digits) || starts & classes.invalid() != 0 {
            return Self::No;
        }
        let mut stops = Box::new([false; 256]);
        let mut utf8 = [0; 4];
        let mut lead = |character: char| character.encode_utf8(&mut utf8).as_bytes()[0];
        for (set, _) in sets.filter(|(_, mask)| *mask & starts != 0) {
            for range in set.ranges() {
                // UTF-8 keeps the order of characters, in the first byte too.
                stops[lead(range.start()) as usize..=lead(range.end()) as usize].fill(true);
            }
        }
        Self::ToDigits(stops)
    }
}

/// The next byte that stops the scan, or the end. Bytes inside a character never do.
#[inline]
fn skip(text: &[u8], mut at: usize, stops: &[bool; 256]) -> usize {
    const CHUNK: usize = 32;
    loop {
        while let Some(bytes) = text.get(at..).and_then(|rest| rest.first_chunk::<CHUNK>()) {
            // No branch inside, so it becomes a few wide instructions.
            let stop = bytes.iter().fold(false, |stop, byte| {
                stop | byte.is_ascii_digit() | (*byte >= 0x80)
            });
            if stop {
                break;
            }
            at += CHUNK;
        }
        let end = text.len().min(at + CHUNK);
        let rest = text.get(at..end).unwrap_or_default();
        match rest.iter().position(|byte| stops[*byte as usize]) {
            Some(place) => return at + place,
            None if end == text.len() => return end,
            None => at = end,
        }
    }
}

/// Tries `body` behind the lead, then without it where that is allowed.
#[inline]
fn with_lead(
    lead: Option<&Lead<Set>>,
    at: usize,
    bit: Mask,
    length: usize,
    mut body: impl FnMut(usize) -> Option<usize>,
) -> Option<usize> {
    match lead {
        Some(lead) if bit & lead.set.mask != 0 => match body(at + length) {
            None if !lead.required && !lead.possessive => body(at),
            end => end,
        },
        Some(lead) if lead.required => None,
        _ => body(at),
    }
}

/// End of the string at `at`, if one is there.
#[inline]
fn literal(text: &[u8], at: usize, strings: &[String]) -> Option<usize> {
    let first = text.get(at)?;
    // The strings are sorted; as a rule they all begin with an apostrophe.
    if first < strings.first()?.as_bytes().first()? || first > strings.last()?.as_bytes().first()? {
        return None;
    }
    let rest = text.get(at..)?;
    let found = strings
        .iter()
        .find(|string| rest.starts_with(string.as_bytes()))?;
    Some(at + found.len())
}

/// Number of characters from `from` to `to`, both borders of characters of valid UTF-8.
fn count(text: &[u8], from: usize, to: usize) -> usize {
    let inside = text.get(from..to).unwrap_or_default();
    inside.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// Start of the last character of the run `from..to`.
fn start_of_last(text: &[u8], from: usize, to: usize) -> usize {
    let mut last = to.saturating_sub(1);
    while last > from && text.get(last).is_some_and(|byte| byte & 0xc0 == 0x80) {
        last -= 1;
    }
    last
}

/// Classes of the characters that a match of the rule can start with.
fn starts(rule: &Rule<Set>, classes: &Classes) -> Mask {
    let led = |lead: &Option<Lead<Set>>, body: Mask| match lead {
        None => body,
        Some(lead) if lead.required => lead.set.mask,
        Some(lead) => lead.set.mask | body,
    };
    match rule {
        Rule::Literals(strings) => strings
            .iter()
            .fold(0, |mask, string| mask | classes.at(string.as_bytes(), 0).0),
        Rule::Run { lead, body, .. } => led(lead, body.mask),
        Rule::Ending {
            lead, head, body, ..
        } => led(lead, head.mask | body.mask),
        Rule::Short { body, .. } | Rule::Last { body } => body.mask,
        Rule::Border { digit, .. } | Rule::Group { digit, .. } => digit.mask,
    }
}

/// Classes of the characters from which the rule surely has a match.
fn certain(rule: &Rule<Set>) -> Mask {
    let free = |lead: &Option<Lead<Set>>, body: Mask| match lead {
        None => body,
        Some(lead) if lead.required => 0,
        Some(lead) if lead.possessive => body & !lead.set.mask,
        Some(_) => body,
    };
    match rule {
        Rule::Run {
            lead, body, min: 1, ..
        } => free(lead, body.mask),
        Rule::Ending { lead, body, .. } => free(lead, body.mask),
        Rule::Group { digit, .. } => digit.mask,
        _ => 0,
    }
}
