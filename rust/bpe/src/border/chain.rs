//! The steps of a pre-tokenizer, one behind the other, as one automaton over characters.
//!
//! Each step takes every piece of the step before as a text of its own. So at a character either
//! no step has a border, or there is a first step that has one: the steps before it go on without
//! one, its own automaton goes on with one, and those behind it end their text, which they must
//! accept, and start a new one. The number of that step, from 1, is the *choice* at the place, 0
//! where there is no border. Steps behind the byte-level step read bytes, and so a character has a
//! choice before each of its bytes.
//!
//! A *node* is one state of every step. Only nodes that a text can reach and from which it can
//! end are kept, where texts are made of the characters that the vocabulary can spell; a border
//! that no finished text has leads to no node. Characters that no step and no caller tells apart
//! share a *letter*.
//!
//! Cost: some ten milliseconds for the letters of all characters; nodes are few, at most some
//! hundred.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Borders, DEAD};
use crate::Error;
use crate::byte_alphabet;

/// No node.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// The letter of a character that no text has.
pub(crate) const UNUSED: u16 = u16::MAX;

/// More nodes than this are refused.
const MAX_NODES: usize = 20_000;

/// Characters that share a letter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Letter {
    /// The class for each step that reads characters.
    classes: Vec<u8>,
    /// For each byte the class for each step that reads bytes.
    bytes: Vec<Vec<u8>>,
    /// What the caller tells apart.
    label: u32,
}

/// The choices before the bytes of a character.
pub(crate) type Choices = [u8; 4];

/// The steps together. See the module.
pub(crate) struct Chain {
    steps: Vec<Borders>,
    /// How many of them read characters.
    readers: usize,
    letters: Vec<Letter>,
    /// A character of each letter.
    samples: Vec<char>,
    starts: Vec<u32>,
    ranges: Vec<u16>,
    ascii: [u16; 128],
    ids: FxHashMap<Vec<u16>, u32>,
    nodes: Vec<Vec<u16>>,
    live: Vec<bool>,
    /// The node behind a node, a letter and a choice at its start alone.
    next: Vec<u32>,
    accepting: Vec<bool>,
    /// Whether some character leads on behind a node and a choice at its start.
    starting: Vec<bool>,
    closable: Vec<bool>,
}

/// The node before a section that starts the text, and before another section.
pub(crate) const STARTS: [u32; 2] = [0, 1];

impl Chain {
    /// The steps together. `label` tells characters apart, `None` for those that no text has;
    /// `later` is the state of the first step at the start of a section that is not the first.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if there are too many nodes.
    pub(crate) fn new(
        steps: Vec<Borders>,
        label: impl Fn(char) -> Option<u32>,
        later: u16,
    ) -> Result<Self, Error> {
        let readers = steps.iter().take_while(|step| !step.spelled).count();
        let mut chain = Self {
            readers,
            letters: Vec::new(),
            samples: Vec::new(),
            starts: Vec::new(),
            ranges: Vec::new(),
            ascii: [UNUSED; 128],
            ids: FxHashMap::default(),
            nodes: vec![vec![0; steps.len()]; 2],
            live: Vec::new(),
            next: Vec::new(),
            accepting: Vec::new(),
            starting: Vec::new(),
            closable: Vec::new(),
            steps,
        };
        if let Some(first) = chain.nodes[STARTS[1] as usize].first_mut() {
            *first = later;
        }
        chain.number_letters(label);
        chain.explore()?;
        Ok(chain)
    }

    /// Gives every character its letter.
    fn number_letters(&mut self, label: impl Fn(char) -> Option<u32>) {
        let byte_classes: Vec<Vec<u8>> = (0..=255)
            .map(|byte| {
                let character = byte_alphabet::char_of(byte) as u32;
                self.steps[self.readers..]
                    .iter()
                    .map(|step| step.class(character))
                    .collect()
            })
            .collect();
        let mut known: FxHashMap<Letter, u16> = FxHashMap::default();
        let mut changes = 0;
        let mut classes = Vec::new();
        let mut before: Option<(u16, Option<u32>)> = None;
        for character in '\0'..=char::MAX {
            let code = character as u32;
            let label = label(character);
            let changed = code >= changes;
            if changed {
                let readers = &self.steps[..self.readers];
                classes = readers.iter().map(|step| step.class(code)).collect();
                changes = readers
                    .iter()
                    .map(|step| step.classes.next_change(code))
                    .min()
                    .unwrap_or(0x11_0000);
            }
            // Without steps that read bytes, neighbours of equal class and label are alike.
            let letter = match before {
                Some((letter, like))
                    if !changed && like == label && self.readers == self.steps.len() =>
                {
                    letter
                }
                _ => match label {
                    None => UNUSED,
                    Some(label) => {
                        let mut utf8 = [0; 4];
                        let bytes = if self.readers == self.steps.len() {
                            Vec::new()
                        } else {
                            character
                                .encode_utf8(&mut utf8)
                                .bytes()
                                .map(|byte| byte_classes[byte as usize].clone())
                                .collect()
                        };
                        let letter = Letter {
                            classes: classes.clone(),
                            bytes,
                            label,
                        };
                        let next = known.len() as u16;
                        *known.entry(letter).or_insert_with_key(|letter| {
                            self.letters.push(letter.clone());
                            self.samples.push(character);
                            next
                        })
                    }
                },
            };
            before = Some((letter, label));
            if self.ranges.last() != Some(&letter) {
                self.starts.push(code);
                self.ranges.push(letter);
            }
            if let Some(slot) = self.ascii.get_mut(code as usize) {
                *slot = letter;
            }
        }
    }

    /// Finds the nodes, and which of them are live.
    fn explore(&mut self) -> Result<(), Error> {
        let mut edges: Vec<Vec<u32>> = Vec::new();
        let mut at = 0;
        while at < self.nodes.len() {
            let mut targets = FxHashSet::default();
            for letter in 0..self.letters.len() as u16 {
                for choices in self.choices(letter) {
                    let Some(states) = self.follow(&self.nodes[at], letter, choices) else {
                        continue;
                    };
                    let next = self.nodes.len() as u32;
                    let id = *self.ids.entry(states).or_insert_with_key(|states| {
                        self.nodes.push(states.clone());
                        next
                    });
                    targets.insert(id);
                }
            }
            if self.nodes.len() > MAX_NODES {
                return Err(Error::Unsupported {
                    component: "pre_tokenizer".into(),
                    reason: "its steps together have too many states".into(),
                });
            }
            edges.push(targets.into_iter().collect());
            at += 1;
        }
        let count = self.nodes.len();
        let accepts = |states: &Vec<u16>| {
            let mut steps = self.steps.iter().zip(states);
            steps.all(|(step, &state)| step.automaton.accepts(state))
        };
        self.accepting = self.nodes.iter().map(accepts).collect();
        let mut live = self.accepting.clone();
        loop {
            let mut grew = false;
            for node in (0..count).rev() {
                if !live[node] && edges[node].iter().any(|&next| live[next as usize]) {
                    live[node] = true;
                    grew = true;
                }
            }
            if !grew {
                break;
            }
        }
        self.live = live;
        let choices = self.steps.len() + 1;
        self.next = Vec::with_capacity(count * self.letters.len() * choices);
        for node in 0..count {
            for letter in 0..self.letters.len() as u16 {
                for choice in 0..choices as u8 {
                    let next = self.look_up(node as u32, letter, [choice, 0, 0, 0]);
                    self.next.push(next);
                }
            }
        }
        self.starting = vec![false; count * choices];
        for letter in 0..self.letters.len() as u16 {
            for all in self.choices(letter) {
                for node in 0..count {
                    let place = node * choices + all[0] as usize;
                    self.starting[place] =
                        self.starting[place] || self.after_all(node as u32, letter, all) != NOWHERE;
                }
            }
        }
        self.closable = (0..count as u32)
            .map(|node| {
                self.accepting[node as usize]
                    || (1..choices as u8).any(|choice| self.can_start(node, choice))
            })
            .collect();
        Ok(())
    }

    /// Every choice before the bytes of a letter.
    pub(crate) fn choices(&self, letter: u16) -> Vec<Choices> {
        let mut choices: Vec<Choices> = (0..=self.steps()).map(|first| [first, 0, 0, 0]).collect();
        for place in 1..self.letters[letter as usize].bytes.len() {
            for before in 0..choices.len() {
                let before = choices[before];
                choices.extend(self.inner_choices().map(|choice| {
                    let mut choices = before;
                    choices[place] = choice;
                    choices
                }));
            }
        }
        choices
    }

    /// The states behind a character, whether they are live or not.
    fn follow(&self, states: &[u16], letter: u16, choices: Choices) -> Option<Vec<u16>> {
        let mut states = states.to_vec();
        let Letter { classes, bytes, .. } = &self.letters[letter as usize];
        for (place, &choice) in choices.iter().enumerate().take(bytes.len().max(1)) {
            let from = if place == 0 { 0 } else { self.readers };
            for number in from..self.steps.len() {
                let automaton = &self.steps[number].automaton;
                let class = if number < self.readers {
                    classes[number]
                } else {
                    bytes[place][number - self.readers]
                };
                let state = states[number];
                let step = number as u8 + 1;
                states[number] = if choice == 0 || step < choice {
                    automaton.next(state, class, false)
                } else if step == choice {
                    automaton.next(state, class, true)
                } else if automaton.accepts(state) {
                    automaton.next(0, class, true)
                } else {
                    DEAD
                };
                if states[number] == DEAD {
                    return None;
                }
            }
        }
        Some(states)
    }

    fn look_up(&self, node: u32, letter: u16, choices: Choices) -> u32 {
        self.follow(&self.nodes[node as usize], letter, choices)
            .and_then(|states| self.ids.get(&states).copied())
            .filter(|&next| self.live[next as usize])
            .unwrap_or(NOWHERE)
    }

    /// The node behind a letter with a choice at its start alone.
    pub(crate) fn after(&self, node: u32, letter: u16, choice: u8) -> u32 {
        if letter == UNUSED {
            return NOWHERE;
        }
        let row = node as usize * self.letters.len() + letter as usize;
        self.next[row * (self.steps.len() + 1) + choice as usize]
    }

    /// The node behind a letter with any choices.
    pub(crate) fn after_all(&self, node: u32, letter: u16, choices: Choices) -> u32 {
        if choices[1..] == [0, 0, 0] {
            return self.after(node, letter, choices[0]);
        }
        if letter == UNUSED {
            return NOWHERE;
        }
        self.look_up(node, letter, choices)
    }

    /// The letter of a code point.
    pub(crate) fn letter(&self, code: u32) -> u16 {
        if let Some(&letter) = self.ascii.get(code as usize) {
            return letter;
        }
        let range = self.starts.partition_point(|&start| start <= code);
        self.ranges[range - 1]
    }

    /// The letters of a range of code points, some more than once.
    pub(crate) fn letters_between(&self, first: u32, last: u32) -> impl Iterator<Item = u16> + '_ {
        let from = self.starts.partition_point(|&start| start <= first) - 1;
        let to = self.starts.partition_point(|&start| start <= last);
        self.ranges[from..to].iter().copied()
    }

    /// What the caller called a letter.
    pub(crate) fn label(&self, letter: u16) -> u32 {
        self.letters
            .get(letter as usize)
            .map_or(0, |letter| letter.label)
    }

    /// A character of each letter.
    pub(crate) fn samples(&self) -> impl Iterator<Item = (u16, char)> + '_ {
        (0..).zip(self.samples.iter().copied())
    }

    /// Whether every node can end, and every piece that can end at a node can, with characters of
    /// these labels alone.
    pub(crate) fn manages_with(&self, label: impl Fn(u32) -> bool) -> bool {
        let choices = self.steps.len() as u8 + 1;
        let letters: Vec<u16> = (0..self.letters.len() as u16)
            .filter(|&letter| label(self.label(letter)))
            .collect();
        let reaches = |node: u32, choices: std::ops::Range<u8>, to: &dyn Fn(u32) -> bool| {
            letters.iter().any(|&letter| {
                let all = self.choices(letter).into_iter();
                all.filter(|all| choices.contains(&all[0])).any(|all| {
                    let next = self.after_all(node, letter, all);
                    next != NOWHERE && to(next)
                })
            })
        };
        let mut managed = self.accepting.clone();
        loop {
            let mut grew = false;
            for node in (0..self.nodes.len()).rev() {
                if !managed[node]
                    && reaches(node as u32, 0..choices, &|next| managed[next as usize])
                {
                    managed[node] = true;
                    grew = true;
                }
            }
            if !grew {
                break;
            }
        }
        (0..self.nodes.len()).all(|node| {
            let closes = self.accepting[node]
                || reaches(node as u32, 1..choices, &|next| managed[next as usize]);
            (managed[node] || !self.live[node]) && (closes || !self.closable[node])
        })
    }

    /// The number of steps; a choice is at most this.
    pub(crate) fn steps(&self) -> u8 {
        self.steps.len() as u8
    }

    /// The choices that may stand before a byte inside a character, other than none.
    pub(crate) fn inner_choices(&self) -> std::ops::RangeInclusive<u8> {
        self.readers as u8 + 1..=self.steps.len() as u8
    }

    /// Whether a text may end here.
    pub(crate) fn accepts(&self, node: u32) -> bool {
        self.accepting[node as usize]
    }

    /// The state of the first step.
    pub(crate) fn first_state(&self, node: u32) -> Option<u16> {
        self.nodes[node as usize].first().copied()
    }

    /// Whether some character leads on behind a choice at its start.
    pub(crate) fn can_start(&self, node: u32, choice: u8) -> bool {
        self.starting[node as usize * (self.steps.len() + 1) + choice as usize]
    }

    /// Whether a piece may end here: the text may end, or a piece may start next.
    pub(crate) fn can_close(&self, node: u32) -> bool {
        self.closable[node as usize]
    }

    /// The number of letters.
    pub(crate) fn letters(&self) -> usize {
        self.letters.len()
    }

    /// The number of nodes.
    pub(crate) fn nodes(&self) -> usize {
        self.nodes.len()
    }
}
