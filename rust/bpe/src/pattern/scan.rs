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

use super::class::{Classes, Mask};
use super::rules::{Lead, Rule};
use regex_syntax::hir::ClassUnicode;

/// More rules than this are left to the general engine.
const MAX_RULES: usize = 16;

/// Rules over the classes of their sets.
#[derive(Clone, Debug)]
pub(crate) struct Scanner {
    classes: Classes,
    rules: Vec<Rule<Mask>>,
    /// For each atom the rules that can match where it comes first, one bit each.
    first: [u16; 32],
    /// Whether a match can start at a byte.
    starters: Box<[bool; 256]>,
    /// Whether in ASCII a match can start at digits alone.
    needs_digits: bool,
    total: bool,
}

/// What is known about runs around the current position.
pub(crate) struct Memory {
    /// From and to where each rule of kind [`Rule::Ending`], [`Rule::Last`] or
    /// [`Rule::LineEnd`] fails.
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
        let mask_of = |set: &usize| masks.get(*set).copied().unwrap_or(0);
        let rules: Vec<Rule<Mask>> = numbered
            .iter()
            .map(|rule| rule.map(&mut |set| mask_of(set)))
            .collect();

        // Runs of these are walked backwards or counted, which takes valid UTF-8.
        let counted = rules.iter().fold(0, |mask, rule| match rule {
            Rule::Short { body, .. } => mask | body,
            Rule::Border { digit, .. } => mask | digit,
            Rule::Group { digit, ahead, .. } => mask | digit | ahead,
            _ => mask,
        });
        if counted & classes.invalid() != 0 {
            return None;
        }

        let mut first = [0; 32];
        let mut any = 0;
        for (number, rule) in rules.iter().enumerate() {
            let mask = starts(rule, &classes);
            any |= mask;
            for (atom, rules) in first.iter_mut().enumerate() {
                *rules |= ((mask >> atom & 1) as u16) << number;
            }
        }
        let always = rules.iter().fold(0, |mask, rule| mask | certain(rule));
        let zero_width = rules.iter().any(|rule| matches!(rule, Rule::Border { .. }));
        let all = u32::MAX >> (32 - classes.atoms().clamp(1, 32));
        let mut others = (0..0x80_u8).filter(|byte| !byte.is_ascii_digit());
        Some(Self {
            needs_digits: others.all(|byte| classes.ascii(byte) & any == 0),
            starters: Box::new(classes.starters(any)),
            total: !zero_width && always & all == all,
            classes,
            rules,
            first,
        })
    }

    /// Whether every character is in a match that is not empty.
    pub(crate) fn is_total(&self) -> bool {
        self.total
    }

    /// Whether in ASCII a match can start at digits alone.
    pub(crate) fn needs_digits(&self) -> bool {
        self.needs_digits
    }

    /// Whether a rule asks whether the text ends.
    pub(crate) fn looks_at_end(&self) -> bool {
        let is_end = |rule: &Rule<Mask>| matches!(rule, Rule::Last { .. } | Rule::LineEnd { .. });
        self.rules.iter().any(is_end)
    }

    /// The classes.
    pub(crate) fn classes(&self) -> &Classes {
        &self.classes
    }

    /// The rules.
    pub(crate) fn rules(&self) -> &[Rule<Mask>] {
        &self.rules
    }

    /// Every match in order, empty ones included, save an empty one right behind a match.
    pub(crate) fn for_each_match(&self, text: &[u8], emit: &mut impl FnMut(usize, usize)) {
        let mut memory = Memory::new();
        let mut at = 0;
        let mut done = usize::MAX;
        loop {
            while let Some(byte) = text.get(at)
                && !self.starters[*byte as usize]
            {
                at += 1;
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
        rule: &Rule<Mask>,
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
                if classes.at(text, end).0 & stop == 0 {
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
            Rule::LineEnd { body, feed } => {
                self.line_end(text, at, *body, *feed, memory.failed.get_mut(number)?)
            }
            Rule::Border {
                behind,
                digit,
                size,
            } => {
                if behind.is_some_and(|behind| classes.before(text, at) & behind == 0) {
                    return None;
                }
                let (left, _) = self.digits(text, at, *digit, memory);
                left.is_multiple_of(*size as usize).then_some(at)
            }
            Rule::Group { digit, ahead, size } if digit == ahead => {
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
            Rule::Group { digit, ahead, size } => {
                let (mut end, mut left, mut last) = (at, 0, None);
                for _ in 0..*size {
                    let (bit, length) = classes.at(text, end);
                    if bit & digit == 0 {
                        break;
                    }
                    end += length;
                    // The character was the first of those counted, if there were any.
                    left = match left {
                        0 => self.digits(text, end, *ahead, memory).0,
                        left => left - 1,
                    };
                    if left.is_multiple_of(*size as usize) {
                        last = Some(end);
                    }
                }
                last
            }
        }
    }

    /// End of `body{min,max}` from `at`.
    #[inline]
    fn counted(
        &self,
        text: &[u8],
        at: usize,
        body: Mask,
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
            if bit & body == 0 {
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
        head: Mask,
        body: Mask,
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
            if bit & head == 0 {
                if bit & body != 0 {
                    return Some(self.classes.run(text, end, body));
                }
                break;
            }
            end += length;
            if bit & body != 0 {
                last = Some(end);
            }
        }
        if last.is_none() {
            *failed = (at, end);
        }
        last
    }

    /// End of the longest `body+` from `at` that ends a line.
    fn line_end(
        &self,
        text: &[u8],
        at: usize,
        body: Mask,
        feed: Mask,
        failed: &mut (usize, usize),
    ) -> Option<usize> {
        if (failed.0..failed.1).contains(&at) {
            return None;
        }
        let mut last = None;
        let mut end = at;
        loop {
            let (bit, length) = self.classes.at(text, end);
            if end > at && (bit & feed != 0 || length == 0) {
                last = Some(end);
            }
            if bit & body == 0 {
                break;
            }
            end += length;
        }
        if last.is_none() {
            *failed = (at, end);
        }
        last
    }

    /// Characters of the run of `digit` from `at` to its end, and the end.
    fn digits(&self, text: &[u8], at: usize, digit: Mask, memory: &mut Memory) -> (usize, usize) {
        let (set, from, left, end) = memory.digits;
        let (left, end) = if set == digit && (from..end).contains(&at) {
            (left - count(text, from, at), end)
        } else {
            let end = self.classes.run(text, at, digit);
            (count(text, at, end), end)
        };
        memory.digits = (digit, at, left, end);
        (left, end)
    }
}

/// Tries `body` behind the lead, then without it where that is allowed.
#[inline]
fn with_lead(
    lead: Option<&Lead<Mask>>,
    at: usize,
    bit: Mask,
    length: usize,
    mut body: impl FnMut(usize) -> Option<usize>,
) -> Option<usize> {
    match lead {
        Some(lead) if bit & lead.set != 0 => match body(at + length) {
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
fn starts(rule: &Rule<Mask>, classes: &Classes) -> Mask {
    let led = |lead: &Option<Lead<Mask>>, body: Mask| match lead {
        None => body,
        Some(lead) if lead.required => lead.set,
        Some(lead) => lead.set | body,
    };
    match rule {
        Rule::Literals(strings) => strings
            .iter()
            .fold(0, |mask, string| mask | classes.at(string.as_bytes(), 0).0),
        Rule::Run { lead, body, .. } => led(lead, *body),
        Rule::Ending {
            lead, head, body, ..
        } => led(lead, head | body),
        Rule::Short { body, .. } | Rule::Last { body } | Rule::LineEnd { body, .. } => *body,
        Rule::Border { digit, .. } | Rule::Group { digit, .. } => *digit,
    }
}

/// Classes of the characters from which the rule surely has a match.
fn certain(rule: &Rule<Mask>) -> Mask {
    match rule {
        Rule::Run {
            lead, body, min: 1, ..
        }
        | Rule::Ending { lead, body, .. } => match lead {
            Some(lead) if lead.required => 0,
            Some(lead) if lead.possessive => body & !lead.set,
            _ => *body,
        },
        // Among as many characters as a group has, one is before whole groups.
        Rule::Group { digit, ahead, .. } if ahead & !digit == 0 => *digit,
        _ => 0,
    }
}
