//! Borders between pretokens that later text can still move.
//!
//! A step of a pre-tokenizer cuts a finished text `c_1 .. c_n` into pieces. Write `b_i = 1` if a
//! piece starts at `c_i`. What the step does depends on each character only through its *class*,
//! the sets of the step that hold it, of which there are few. So the words
//! `(class_1, b_1) .. (class_n, b_n)` that are the split of some text form a language, a regular
//! one for every pattern without back-references; an [`Automaton`] is its minimal one, without the
//! dead state. After a part of a text, a choice of borders can still come true if and only if the
//! automaton is not dead: look-ahead of any length costs no memory beyond its state.
//!
//! The automaton is not derived from the pattern but learned from the splitter itself ([`learn`]),
//! so that one construction serves every step. Those of known families are kept as a table.
//! Several steps together are a [`chain`].
//!
//! Cost: a known family is read in a millisecond; another step is learned in some tenths of a
//! second, when it is first asked for.

pub(crate) mod chain;
pub(crate) mod learn;

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};
use rustc_hash::FxHashMap;

use crate::Error;
use crate::byte_alphabet;
use crate::pretokenizer::Splitter;

/// A state that leads nowhere.
pub(crate) const DEAD: u16 = u16::MAX;

/// More classes than this are refused: learning would take minutes.
const MAX_CLASSES: usize = 48;

/// The automata of the known families, written by `known_families_are_what_learning_gives`.
const FAMILIES: &str = include_str!("families.txt");

/// The minimal automaton of a step, over letters `2 * class + border`. State 0 is the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Automaton {
    letters: usize,
    /// Row by row.
    next: Vec<u16>,
    accepting: Vec<bool>,
}

impl Automaton {
    /// The state behind a letter, or [`DEAD`].
    pub(crate) fn next(&self, state: u16, class: u8, border: bool) -> u16 {
        self.next[state as usize * self.letters + 2 * class as usize + usize::from(border)]
    }

    /// Whether a text may end in a state.
    pub(crate) fn accepts(&self, state: u16) -> bool {
        self.accepting[state as usize]
    }

    /// The number of states, the dead one left out.
    #[cfg(test)]
    pub(crate) fn states(&self) -> usize {
        self.accepting.len()
    }

    /// A lower number for classes that the automaton does not tell apart, each by the first such.
    fn merge_classes(&self) -> Vec<u8> {
        let column = |class: usize| -> Vec<u16> {
            self.next
                .chunks(self.letters)
                .flat_map(|row| [row[2 * class], row[2 * class + 1]])
                .collect()
        };
        let mut seen = FxHashMap::default();
        (0..self.letters / 2)
            .map(|class| *seen.entry(column(class)).or_insert(class as u8))
            .collect()
    }

    /// The automaton as a line of text: letters, then a row a state.
    #[cfg(test)]
    fn write(&self) -> String {
        use std::fmt::Write as _;
        let mut line = self.letters.to_string();
        for (row, accepts) in self.next.chunks(self.letters).zip(&self.accepting) {
            line.push_str(if *accepts { " +" } else { " -" });
            for state in row {
                match *state {
                    DEAD => line.push('.'),
                    state => {
                        let _ = write!(line, "{}", char::from(b'A' + state as u8));
                    }
                }
            }
        }
        line
    }

    /// Reads what [`Automaton::write`] wrote.
    fn read(line: &str) -> Option<Self> {
        let mut parts = line.split(' ');
        let letters: usize = parts.next()?.parse().ok()?;
        let (mut next, mut accepting) = (Vec::new(), Vec::new());
        for row in parts {
            let (accepts, row) = row.split_at_checked(1)?;
            accepting.push(accepts == "+");
            next.extend(row.bytes().map(|byte| match byte {
                b'.' => DEAD,
                byte => u16::from(byte.wrapping_sub(b'A')),
            }));
        }
        let inside = |&state: &u16| state == DEAD || (state as usize) < accepting.len();
        (next.len() == letters * accepting.len() && next.iter().all(inside)).then_some(Self {
            letters,
            next,
            accepting,
        })
    }
}

/// The classes of a step: for ranges of characters, in order, the class of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Classes {
    starts: Vec<u32>,
    numbers: Vec<u8>,
    count: usize,
}

impl Classes {
    /// The partition of all characters by some sets, classes in the order of their first
    /// character; `None` if there are too many.
    pub(crate) fn new(sets: &[ClassUnicode]) -> Option<Self> {
        let mut toggles: Vec<(u32, usize)> = Vec::new();
        for (bit, set) in sets.iter().enumerate() {
            for range in set.ranges() {
                toggles.push((range.start() as u32, bit));
                toggles.push((range.end() as u32 + 1, bit));
            }
        }
        toggles.sort_unstable();
        let mut signature = vec![false; sets.len()];
        let mut known: FxHashMap<Vec<bool>, u8> = FxHashMap::default();
        let (mut starts, mut numbers) = (Vec::new(), Vec::new());
        let mut toggles = toggles.into_iter().peekable();
        let mut from = 0;
        loop {
            while let Some((_, bit)) = toggles.next_if(|&(at, _)| at <= from) {
                signature[bit] ^= true;
            }
            // A range between the surrogates' ends has no characters.
            let to = toggles.peek().map_or(0x11_0000, |&(at, _)| at);
            let empty = (0xD800..0xE000).contains(&from) && to <= 0xE000;
            if from < to && !empty {
                let next = known.len();
                let class = *known.entry(signature.clone()).or_insert(next as u8);
                if next >= MAX_CLASSES {
                    return None;
                }
                if numbers.last() != Some(&class) {
                    starts.push(from);
                    numbers.push(class);
                }
            }
            from = to;
            if from >= 0x11_0000 {
                break;
            }
        }
        Some(Self {
            starts,
            numbers,
            count: known.len(),
        })
    }

    /// The number of classes.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The class of a code point.
    pub(crate) fn of(&self, code: u32) -> u8 {
        let range = self.starts.partition_point(|&start| start <= code);
        self.numbers[range - 1]
    }

    /// Where a range of equal classes starts, after a code point.
    fn next_change(&self, code: u32) -> u32 {
        let range = self.starts.partition_point(|&start| start <= code);
        self.starts.get(range).copied().unwrap_or(0x11_0000)
    }

    /// Some characters of each class: the first, and a few others.
    fn samples(&self, spelled: bool) -> Vec<Vec<char>> {
        let mut samples = vec![Vec::new(); self.count];
        if spelled {
            for byte in 0..=255 {
                let character = byte_alphabet::char_of(byte);
                samples[self.of(character as u32) as usize].push(character);
            }
            return samples;
        }
        for (range, (&start, &class)) in self.starts.iter().zip(&self.numbers).enumerate() {
            let end = self.starts.get(range + 1).copied().unwrap_or(0x11_0000) - 1;
            let sample = &mut samples[class as usize];
            if sample.len() < 8 {
                sample.extend(char::from_u32(start));
                sample.extend(char::from_u32(end).filter(|_| end > start));
            }
        }
        samples
    }
}

/// A step that cuts, as an automaton over classes of characters.
#[derive(Clone, Debug)]
pub(crate) struct Borders {
    pub(crate) automaton: Automaton,
    pub(crate) classes: Classes,
    /// For each class the one that stands for it in the automaton.
    merged: Vec<u8>,
    /// Whether its characters are bytes in the byte-level alphabet.
    pub(crate) spelled: bool,
}

impl Borders {
    /// A step without borders that lets texts pass if they start with a character, or are empty:
    /// what a step leaves that puts the character there. `more` asks for another one behind it. The
    /// start of a section that need not have it is state [`Borders::UNBOUND`].
    pub(crate) fn prefix(first: char, more: bool) -> Option<Self> {
        let classes = Classes::new(&[ClassUnicode::new([ClassUnicodeRange::new(first, first)])])?;
        let is_first = |class: usize| classes.of(first as u32) as usize == class;
        // Before the text, behind its first character, further on, before an unbound text, and
        // further on where the first character stands twice. The start of a text counts as a border.
        let mut next = vec![DEAD; 5 * 2 * classes.count()];
        for class in 0..classes.count() {
            let mut set = |state: u16, border: usize, to: u16| {
                next[(state as usize * classes.count() + class) * 2 + border] = to;
            };
            if is_first(class) {
                set(0, 1, Self::ALONE);
            }
            set(
                Self::ALONE,
                0,
                if is_first(class) { Self::DOUBLED } else { 2 },
            );
            set(2, 0, 2);
            set(Self::UNBOUND, 1, 2);
            set(Self::DOUBLED, 0, Self::DOUBLED);
        }
        let automaton = Automaton {
            letters: 2 * classes.count(),
            next,
            accepting: vec![true, !more, true, true, true],
        };
        Some(Self::with(automaton, classes, false))
    }

    /// The state of [`Borders::prefix`] behind the first character.
    pub(crate) const ALONE: u16 = 1;

    /// See [`Borders::prefix`].
    pub(crate) const UNBOUND: u16 = 3;

    /// The state of [`Borders::prefix`] in a text that starts with the first character twice.
    pub(crate) const DOUBLED: u16 = 4;

    /// The borders of a step, from the table or learned.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the classes are not known or too many, or learning finds no
    /// automaton.
    pub(crate) fn new(splitter: &Splitter) -> Result<Self, Error> {
        if !splitter.spelled
            && let Some((number, sets)) = splitter.known()
            && let Some(classes) = Classes::new(&sets)
            && let Some(automaton) = FAMILIES.lines().nth(number).and_then(Automaton::read)
            && automaton.letters == 2 * classes.count()
        {
            return Ok(Self::with(automaton, classes, false));
        }
        Self::learn(splitter)
    }

    /// The borders of a step, learned from it.
    fn learn(splitter: &Splitter) -> Result<Self, Error> {
        let refuse = |reason: &str| Error::Unsupported {
            component: splitter.name(),
            reason: format!("{reason}, so its undecided borders are not known"),
        };
        let sets = splitter
            .sets()
            .ok_or_else(|| refuse("it is not made of sets of characters alone"))?;
        let classes =
            Classes::new(&sets).ok_or_else(|| refuse("it has too many classes of characters"))?;
        if splitter
            .tree()
            .is_some_and(|tree| tree.counted() > learn::MAX_COUNTED)
        {
            return Err(refuse(&format!(
                "it counts more than {} characters",
                learn::MAX_COUNTED
            )));
        }
        let samples = classes.samples(splitter.spelled);
        let automaton = learn::learn(splitter, &samples)?
            .ok_or_else(|| refuse("no finite automaton of up to 256 states cuts like it"))?;
        Ok(Self::with(automaton, classes, splitter.spelled))
    }

    fn with(automaton: Automaton, classes: Classes, spelled: bool) -> Self {
        let merged = automaton.merge_classes();
        Self {
            automaton,
            classes,
            merged,
            spelled,
        }
    }

    /// The class of a code point, equal for characters that the automaton does not tell apart.
    pub(crate) fn class(&self, code: u32) -> u8 {
        self.merged[self.classes.of(code) as usize]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::pattern::{Dialect, Pattern};
    use rustc_hash::FxHashSet;
    use std::collections::BTreeSet;

    fn splitter(source: &str) -> Splitter {
        Splitter::of_pattern(Pattern::new(source, Dialect::Rust).unwrap())
    }

    /// The pairs of states, the dead one among them, in which different texts may end, by the
    /// definition: one may end the text and the other not, or a letter leads to such a pair.
    fn told_apart(automaton: &Automaton) -> Vec<Vec<bool>> {
        let dead = automaton.states();
        let accepts = |state: usize| state < dead && automaton.accepting[state];
        let next = |state: usize, letter: usize| match automaton
            .next
            .get(state * automaton.letters + letter)
        {
            Some(&next) if next != DEAD => next as usize,
            _ => dead,
        };
        let mut apart: Vec<Vec<bool>> = (0..=dead)
            .map(|one| {
                (0..=dead)
                    .map(|other| accepts(one) != accepts(other))
                    .collect()
            })
            .collect();
        loop {
            let before = apart.clone();
            for one in 0..=dead {
                for other in 0..=dead {
                    let mut letters = 0..automaton.letters;
                    apart[one][other] |=
                        letters.any(|letter| before[next(one, letter)][next(other, letter)]);
                }
            }
            if apart == before {
                return apart;
            }
        }
    }

    /// The states that some text leads to.
    fn reached(automaton: &Automaton) -> usize {
        let (mut seen, mut open) = (vec![false; automaton.states()], vec![0]);
        while let Some(state) = open.pop() {
            if !std::mem::replace(&mut seen[state], true) {
                let row = automaton.next.chunks(automaton.letters).nth(state).unwrap();
                open.extend(
                    row.iter()
                        .filter(|&&next| next != DEAD)
                        .map(|&next| next as usize),
                );
            }
        }
        seen.into_iter().filter(|&seen| seen).count()
    }

    /// The most choices of borders of one text that can still come true at the same time.
    fn most_branches(automaton: &Automaton) -> usize {
        let mut seen = FxHashSet::default();
        let mut open = vec![BTreeSet::from([0])];
        while let Some(states) = open.pop() {
            for class in 0..automaton.letters / 2 {
                let behind = states.iter().flat_map(|&state| {
                    [false, true].map(|border| automaton.next(state, class as u8, border))
                });
                let behind: BTreeSet<u16> = behind.filter(|&next| next != DEAD).collect();
                if seen.insert(behind.clone()) {
                    open.push(behind);
                }
            }
        }
        seen.iter().map(BTreeSet::len).max().unwrap_or(0)
    }

    #[test]
    fn known_families_are_minimal() {
        let mut sizes = Vec::new();
        for ((name, _), line) in Pattern::families().zip(FAMILIES.lines()) {
            let automaton = Automaton::read(line).unwrap();
            assert_eq!(automaton.write(), line, "{name}");
            assert_eq!(reached(&automaton), automaton.states(), "{name}");
            for (one, row) in told_apart(&automaton).iter().enumerate() {
                let alike = |other: usize| other != one && !row[other];
                assert_eq!(
                    (0..row.len()).find(|&other| alike(other)),
                    None,
                    "{name}: {one}"
                );
            }
            assert!(most_branches(&automaton) <= 3, "{name}");
            sizes.push((automaton.states(), name));
        }
        assert_eq!(sizes.len(), FAMILIES.lines().count());
        // What docs/mathematics.md says.
        assert_eq!(sizes.iter().min(), Some(&(3, "deepseek-cjk")));
        assert_eq!(sizes.iter().max(), Some(&(30, "o200k")));
    }

    /// Taking two states for one, or one for two, does not pass.
    #[test]
    fn states_that_are_alike_are_found() {
        let line = FAMILIES.lines().next().unwrap();
        let automaton = Automaton::read(line).unwrap();
        let (last, letters) = (automaton.states() - 1, automaton.letters);
        let mut doubled = automaton.clone();
        doubled.next.extend_from_within(last * letters..);
        doubled.accepting.push(automaton.accepting[last]);
        assert!(told_apart(&automaton)[last][last - 1]);
        assert!(!told_apart(&doubled)[last][last + 1]);
        assert_eq!(reached(&doubled), automaton.states());
    }

    #[test]
    fn known_families_are_what_learning_gives() {
        let mut lines = FAMILIES.lines();
        let mut written = String::new();
        for (name, source) in Pattern::families() {
            let start = std::time::Instant::now();
            let learned = Borders::learn(&splitter(source)).unwrap();
            eprintln!(
                "{name}: {} classes, {} states, {:?}",
                learned.classes.count(),
                learned.automaton.states(),
                start.elapsed()
            );
            written.push_str(&learned.automaton.write());
            written.push('\n');
        }
        if std::env::var_os("TOKSEAM_WRITE_FAMILIES").is_some() {
            std::fs::write(
                concat!(env!("CARGO_MANIFEST_DIR"), "/src/border/families.txt"),
                &written,
            )
            .unwrap();
            return;
        }
        assert!(
            written.lines().eq(&mut lines),
            "the table is not what learning gives:\n{written}"
        );
    }
}
