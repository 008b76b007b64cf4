//! Learning of a border automaton from the splitter that it describes.
//!
//! This is Angluin's algorithm with the counterexamples of Rivest and Schapire. A *word* is a
//! sequence of letters `2 * class + border`. Membership: the classes become characters, the
//! splitter cuts the text, and the borders are compared. *Access* words reach the states; a state
//! is told from the others by the *suffixes* that lead it into the language. Hypotheses are
//! tested on texts: the true borders must be accepted and no other choice of borders may be. So
//! one cut judges all words of a text.
//!
//! Texts are random ones, short and long, runs of one class among them, since the automaton of a
//! pattern with long look-ahead differs from a smaller one on long words alone; their characters
//! are drawn from all over a class. At last, all texts of an access word, up to two more classes,
//! and a suffix: that proves the automaton right if the true one has at most two states more (the
//! W-method).
//!
//! Cost: some hundred thousand cuts of short texts.

use std::collections::VecDeque;

use regex_syntax::hir::ClassUnicode;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Automaton, DEAD};
use crate::Error;
use crate::pattern::syntax::Ast;
use crate::pretokenizer::Splitter;

/// More states than this, and the step counts as not regular.
const MAX_STATES: usize = 256;

/// More suffixes than this, and the step counts as not regular: a row is one `u128`.
const MAX_SUFFIXES: usize = 128;

/// Random texts that a hypothesis must pass.
const RANDOM_TEXTS: u64 = 16_000;

/// The most texts of the last test; a step with so many classes that it would take more is tested
/// with one class in the middle, not two.
const MAX_LAST_TEXTS: usize = 600_000;

/// Texts made of what the pattern of the step looks for that a hypothesis must pass.
const LIKELY_TEXTS: usize = 8_000;

/// The longest random text, in characters.
const LONGEST: usize = 60;

/// The longest text made of what a pattern looks for: one that counts all that it may, and more.
const LONGEST_LIKELY: usize = 2 * MAX_COUNTED;

/// A pattern that counts more characters than this is refused: words that tell its states apart
/// would be too long.
pub(crate) const MAX_COUNTED: usize = 50;

/// The automaton of a step whose classes have the given characters, or `None` if it does not
/// converge.
///
/// # Errors
/// [`Error::Pretokenize`] where the splitter reaches its limit.
pub(crate) fn learn(
    splitter: &Splitter,
    samples: &[Vec<char>],
) -> Result<Option<Automaton>, Error> {
    let mut learner = Learner::new(splitter, samples);
    learner.add_suffix(Vec::new())?;
    loop {
        if !learner.close()? {
            return Ok(None);
        }
        let automaton = learner.hypothesis();
        let Some(word) = learner.counterexample(&automaton)? else {
            return Ok(Some(automaton.minimal()));
        };
        if learner.suffixes.len() >= MAX_SUFFIXES {
            return Ok(None);
        }
        let suffix = learner.distinguish(&automaton, &word)?;
        learner.add_suffix(suffix)?;
    }
}

/// An automaton with all its states, the dead one among them.
struct Full {
    letters: usize,
    next: Vec<u16>,
    accepting: Vec<bool>,
}

impl Full {
    fn next(&self, state: u16, letter: u8) -> u16 {
        self.next[state as usize * self.letters + letter as usize]
    }

    fn run(&self, word: &[u8]) -> u16 {
        word.iter()
            .fold(0, |state, &letter| self.next(state, letter))
    }

    /// The automaton without the states that lead nowhere, numbered as they are met from the
    /// start on. Rows differ, so no two states are equal.
    fn minimal(&self) -> Automaton {
        let count = self.accepting.len();
        let mut live = self.accepting.clone();
        loop {
            let before = live.iter().filter(|&&live| live).count();
            for state in 0..count {
                let row = &self.next[state * self.letters..][..self.letters];
                live[state] |= row.iter().any(|&next| live[next as usize]);
            }
            if live.iter().filter(|&&live| live).count() == before {
                break;
            }
        }
        let mut numbers = vec![DEAD; count];
        numbers[0] = 0;
        let (mut order, mut queue) = (vec![0_usize], VecDeque::from([0_usize]));
        while let Some(state) = queue.pop_front() {
            for &next in &self.next[state * self.letters..][..self.letters] {
                let next = next as usize;
                if live[next] && numbers[next] == DEAD {
                    numbers[next] = order.len() as u16;
                    order.push(next);
                    queue.push_back(next);
                }
            }
        }
        let rows = order
            .iter()
            .flat_map(|&state| &self.next[state * self.letters..][..self.letters]);
        Automaton {
            letters: self.letters,
            next: rows.map(|&next| numbers[next as usize]).collect(),
            accepting: order.iter().map(|&state| self.accepting[state]).collect(),
        }
    }
}

/// Another number below a bound.
fn draw(random: &mut u64, bound: usize) -> usize {
    *random = random
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*random >> 33) as usize % bound
}

/// Whether a set has a character.
fn is_in(set: &ClassUnicode, character: char) -> bool {
    let ranges = set.ranges();
    let place = ranges.partition_point(|range| range.end() < character);
    ranges
        .get(place)
        .is_some_and(|range| range.start() <= character)
}

struct Learner<'s> {
    splitter: &'s Splitter,
    /// What the splitter looks for.
    tree: Option<Ast>,
    samples: &'s [Vec<char>],
    /// Classes with a character.
    classes: Vec<u8>,
    access: Vec<Vec<u8>>,
    suffixes: Vec<Vec<u8>>,
    /// For each access word, and each letter behind it, the suffixes that lead into the language.
    rows: Vec<u128>,
    ahead: Vec<u128>,
    text: String,
    cuts: Vec<u64>,
    random: u64,
}

impl<'s> Learner<'s> {
    fn new(splitter: &'s Splitter, samples: &'s [Vec<char>]) -> Self {
        let classes = (0..samples.len() as u8).filter(|&class| !samples[class as usize].is_empty());
        Self {
            splitter,
            tree: splitter.tree(),
            samples,
            classes: classes.collect(),
            access: vec![Vec::new()],
            suffixes: Vec::new(),
            rows: vec![0],
            ahead: vec![0; 2 * samples.len()],
            text: String::new(),
            cuts: Vec::new(),
            random: 1,
        }
    }

    fn letters(&self) -> usize {
        2 * self.samples.len()
    }

    /// Another number below a bound.
    fn draw(&mut self, bound: usize) -> usize {
        draw(&mut self.random, bound)
    }

    /// The true borders of a text of classes, one bit a character. `varied` draws characters from
    /// all over a class.
    fn borders(&mut self, classes: &[u8], varied: bool) -> Result<u128, Error> {
        self.text.clear();
        let mut starts = [0_u16; 128];
        for (start, &class) in starts.iter_mut().zip(classes) {
            let sample = &self.samples[class as usize];
            let pick = if varied { self.draw(sample.len()) } else { 0 };
            let Some(&character) = self.samples[class as usize].get(pick) else {
                continue;
            };
            *start = self.text.len() as u16;
            self.text.push(character);
        }
        self.cuts.clear();
        self.cuts.resize(self.text.len() / 64 + 1, 0);
        self.splitter.cut(self.text.as_bytes(), &mut self.cuts)?;
        let mut borders = u128::from(!classes.is_empty());
        for (place, &start) in starts.iter().enumerate().take(classes.len()).skip(1) {
            let cut = self.cuts[start as usize / 64] >> (start % 64) & 1;
            borders |= u128::from(cut) << place;
        }
        Ok(borders)
    }

    /// Whether the letters of some words together are a split.
    fn is_split(&mut self, parts: [&[u8]; 3]) -> Result<bool, Error> {
        let (mut classes, mut borders) = (Vec::with_capacity(64), 0_u128);
        for &letter in parts.iter().copied().flatten() {
            // Words are shorter, since states and texts are bounded; a longer one is no split.
            if classes.len() == 127 {
                return Ok(false);
            }
            if self.samples[letter as usize / 2].is_empty() {
                return Ok(false);
            }
            borders |= u128::from(letter & 1) << classes.len();
            classes.push(letter / 2);
        }
        Ok(self.borders(&classes, false)? == borders)
    }

    fn add_suffix(&mut self, suffix: Vec<u8>) -> Result<(), Error> {
        let bit = 1 << self.suffixes.len();
        for state in 0..self.access.len() {
            let access = self.access[state].clone();
            if self.is_split([&access, &[], &suffix])? {
                self.rows[state] |= bit;
            }
            for letter in 0..self.letters() {
                if self.is_split([&access, &[letter as u8], &suffix])? {
                    let at = state * self.letters() + letter;
                    self.ahead[at] |= bit;
                }
            }
        }
        self.suffixes.push(suffix);
        Ok(())
    }

    /// Adds access words until every letter leads to a known row; false if they are too many.
    fn close(&mut self) -> Result<bool, Error> {
        let mut known: FxHashSet<u128> = self.rows.iter().copied().collect();
        let mut at = 0;
        while at < self.ahead.len() {
            let row = self.ahead[at];
            if known.insert(row) {
                if self.access.len() == MAX_STATES {
                    return Ok(false);
                }
                let mut access = self.access[at / self.letters()].clone();
                access.push((at % self.letters()) as u8);
                self.rows.push(row);
                for letter in 0..self.letters() {
                    let mut row = 0;
                    for number in 0..self.suffixes.len() {
                        let suffix = self.suffixes[number].clone();
                        if self.is_split([&access, &[letter as u8], &suffix])? {
                            row |= 1 << number;
                        }
                    }
                    self.ahead.push(row);
                }
                self.access.push(access);
            }
            at += 1;
        }
        Ok(true)
    }

    fn hypothesis(&self) -> Full {
        let numbers: FxHashMap<u128, u16> = self
            .rows
            .iter()
            .enumerate()
            .map(|(state, &row)| (row, state as u16))
            .collect();
        Full {
            letters: self.letters(),
            next: self.ahead.iter().map(|row| numbers[row]).collect(),
            accepting: self.rows.iter().map(|row| row & 1 != 0).collect(),
        }
    }

    /// A word that the hypothesis judges wrongly.
    fn counterexample(&mut self, automaton: &Full) -> Result<Option<Vec<u8>>, Error> {
        let mut text = Vec::new();
        for round in 0..RANDOM_TEXTS {
            text.clear();
            let long = round % 4 == 3;
            let end = if long { LONGEST } else { 14 };
            let length = 1 + self.draw(end);
            // Runs of a few classes find what unbounded look-ahead does.
            let few = round % 3 == 1;
            let palette: Vec<u8> = (0..3).map(|_| self.any_class()).collect();
            while text.len() < length {
                let class = if few {
                    palette[self.draw(3)]
                } else {
                    self.any_class()
                };
                let run = match round % 2 {
                    0 => 1,
                    _ => 1 + self.draw(if long { 12 } else { 4 }),
                };
                for _ in 0..run.min(length - text.len()) {
                    text.push(class);
                }
            }
            if let Some(word) = self.misjudged(automaton, &text, true)? {
                return Ok(Some(word));
            }
        }
        for _ in 0..LIKELY_TEXTS {
            self.write_likely(&mut text);
            if let Some(word) = self.misjudged(automaton, &text, true)? {
                return Ok(Some(word));
            }
        }
        self.last_counterexample(automaton)
    }

    /// Makes a text of what the pattern looks for, whole, cut short or with another class in it,
    /// between other classes: random texts do not spell a word of six letters.
    fn write_likely(&mut self, text: &mut Vec<u8>) {
        text.clear();
        let Some(tree) = self.tree.take() else {
            return;
        };
        let parts = 1 + self.draw(3);
        for _ in 0..parts {
            let from = text.len();
            let mut random = self.random;
            tree.example(&mut |bound| draw(&mut random, bound), &mut |set, draw| {
                if text.len() < LONGEST_LIKELY {
                    let is_in = |&&class: &&u8| {
                        let sample = self.samples[class as usize].first();
                        sample.is_some_and(|&character| is_in(set, character))
                    };
                    let count = self.classes.iter().filter(is_in).count();
                    if count > 0 {
                        let picked = self.classes.iter().filter(is_in).nth(draw(count));
                        text.extend(picked);
                    }
                }
            });
            self.random = random;
            let added = text.len() - from;
            match self.draw(4) {
                0 => text.truncate(from + self.draw(added + 1)),
                1 if added > 0 => {
                    let place = from + self.draw(added);
                    text[place] = self.any_class();
                }
                2 if text.len() < LONGEST_LIKELY => text.push(self.any_class()),
                _ => (),
            }
        }
        self.tree = Some(tree);
    }

    /// Tests every text of an access word, one or two classes, and a suffix.
    fn last_counterexample(&mut self, automaton: &Full) -> Result<Option<Vec<u8>>, Error> {
        let unique = |words: &[Vec<u8>]| {
            let mut texts: Vec<Vec<u8>> = words
                .iter()
                .map(|word| word.iter().map(|letter| letter / 2).collect())
                .collect();
            texts.sort_unstable();
            texts.dedup();
            texts
        };
        let (heads, tails) = (unique(&self.access), unique(&self.suffixes));
        let classes = self.classes.clone();
        let count = heads.len() * tails.len() * classes.len();
        let mut middles: Vec<Vec<u8>> = classes.iter().map(|&class| vec![class]).collect();
        if count * classes.len() <= MAX_LAST_TEXTS {
            for &first in &classes {
                middles.extend(classes.iter().map(|&second| vec![first, second]));
            }
        }
        let mut text = Vec::new();
        for head in &heads {
            for middle in &middles {
                for tail in &tails {
                    text.clear();
                    for part in [head, middle, tail] {
                        text.extend_from_slice(part);
                    }
                    if text.len() <= 120
                        && let Some(word) = self.misjudged(automaton, &text, false)?
                    {
                        return Ok(Some(word));
                    }
                }
            }
        }
        Ok(None)
    }

    fn any_class(&mut self) -> u8 {
        let pick = self.draw(self.classes.len());
        self.classes[pick]
    }

    /// The true split of a text if the hypothesis rejects it, or another one that it accepts.
    fn misjudged(
        &mut self,
        automaton: &Full,
        text: &[u8],
        varied: bool,
    ) -> Result<Option<Vec<u8>>, Error> {
        let borders = self.borders(text, varied)?;
        let word: Vec<u8> = text
            .iter()
            .enumerate()
            .map(|(place, &class)| 2 * class + (borders >> place & 1) as u8)
            .collect();
        let states: Vec<u16> = word
            .iter()
            .scan(0, |state, &letter| {
                let before = *state;
                *state = automaton.next(before, letter);
                Some(before)
            })
            .collect();
        if !automaton.accepting[automaton.run(&word) as usize] {
            return Ok(Some(word));
        }
        // For each place the states from which the rest of the text can be accepted.
        let count = automaton.accepting.len();
        let mut open = vec![false; (text.len() + 1) * count];
        open[text.len() * count..].copy_from_slice(&automaton.accepting);
        for place in (0..text.len()).rev() {
            let (before, after) = open.split_at_mut((place + 1) * count);
            for state in 0..count {
                before[place * count + state] = [0, 1].iter().any(|border| {
                    let letter = 2 * text[place] + border;
                    after[automaton.next(state as u16, letter) as usize]
                });
            }
        }
        let is_open = |place: usize, state: u16| open[place * count + state as usize];
        for place in 0..text.len() {
            let mut other = word[..place].to_vec();
            other.push(word[place] ^ 1);
            let mut state = automaton.next(states[place], word[place] ^ 1);
            if !is_open(place + 1, state) {
                continue;
            }
            for (next, &class) in text.iter().enumerate().skip(place + 1) {
                let zero = 2 * class;
                let border = u8::from(!is_open(next + 1, automaton.next(state, zero)));
                other.push(zero + border);
                state = automaton.next(state, zero + border);
            }
            return Ok(Some(other));
        }
        Ok(None)
    }

    /// A suffix that tells apart two words which the hypothesis takes to one state, found in a
    /// word that it judges wrongly.
    fn distinguish(&mut self, automaton: &Full, word: &[u8]) -> Result<Vec<u8>, Error> {
        let (mut low, mut high) = (0, word.len());
        let wanted = self.is_split([word, &[], &[]])?;
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            let state = automaton.run(&word[..middle]);
            let access = self.access[state as usize].clone();
            if self.is_split([&access, &[], &word[middle..]])? == wanted {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(word[high..].to_vec())
    }
}
