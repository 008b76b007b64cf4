//! What tokens do to the nodes of the border automaton, for all nodes at once.
//!
//! The *effect* of a text of whole characters takes a node and the choice before the text to the
//! node behind it. Words are many and their effects are few: most tokens of a vocabulary share some
//! hundred. So one walk over the sorted vocabulary finds the effects, each letter behind an effect
//! is looked up once, and what the automaton says of a token behind some node is then a look-up by
//! its *group*: its effect, and the tail of it that added tokens may start with.
//!
//! Invariant: a token of a group leads from a node and a choice to the node that the effect says,
//! and to the tail of the group if nothing open stood before it. Group 0 leads nowhere. Tokens that
//! end inside a character, and those beyond the bounds, are *single*: in group 0, and in a list of
//! their own.
//!
//! Cost: a step for each character of the sorted vocabulary that is not shared with the token
//! before, some five milliseconds for a hundred thousand tokens.

use rustc_hash::FxHashMap;

use super::matcher::{Matchers, TailPair};
use super::rows::Sorted;
use super::{Form, FormKind, length};
use crate::border::chain::{Chain, NOWHERE, UNUSED};
use crate::tokenizer::Tokenizer;

/// The most groups.
const MAX_GROUPS: usize = u16::MAX as usize;

/// The most nodes in all effects.
const MAX_ENTRIES: usize = 1 << 23;

/// An effect that is not in the table, since the table is full.
const UNKNOWN: u32 = u32::MAX;

/// The effects of a vocabulary. See the module.
pub(super) struct Effects {
    /// For each effect, each node and each choice the node behind. Effect 0 leads nowhere.
    after: Vec<u16>,
    /// Nodes times choices.
    width: usize,
    choices: usize,
    /// The effect and the tail of each group.
    groups: Vec<(u32, TailPair)>,
    /// The group of each id.
    of: Vec<u16>,
    single: Vec<u32>,
}

/// Effects while they are found.
struct Found<'c> {
    chain: &'c Chain,
    letters: usize,
    after: Vec<u16>,
    width: usize,
    choices: usize,
    known: FxHashMap<Vec<u16>, u32>,
    /// The effect behind an effect and a letter, one row an effect.
    next: Vec<u32>,
    /// The effect of each letter alone.
    alone: Vec<u32>,
}

/// A place in a token: what its start does.
#[derive(Clone, Copy)]
struct Place {
    /// `None` before the first character.
    effect: Option<u32>,
    form: Form,
    tails: TailPair,
    /// The bytes before the place.
    len: usize,
}

/// Nothing was asked for yet.
const UNASKED: u32 = u32::MAX - 1;

impl<'c> Found<'c> {
    fn new(chain: &'c Chain) -> Self {
        let choices = chain.steps() as usize + 1;
        let width = chain.nodes() * choices;
        let letters = chain.letters();
        let nowhere = vec![u16::MAX; width];
        Self {
            chain,
            letters,
            after: nowhere.clone(),
            width,
            choices,
            known: FxHashMap::from_iter([(nowhere, 0)]),
            next: vec![0; letters],
            alone: vec![UNASKED; letters],
        }
    }

    /// The effect behind a letter that stands behind an effect, or alone.
    fn step(&mut self, effect: Option<u32>, letter: u16) -> u32 {
        if letter == UNUSED {
            return 0;
        }
        let known = match effect {
            Some(UNKNOWN) => return UNKNOWN,
            Some(effect) => self.next[effect as usize * self.letters + letter as usize],
            None => self.alone[letter as usize],
        };
        if known != UNASKED {
            return known;
        }
        let made = self.make(effect, letter);
        match effect {
            Some(effect) => {
                self.next[effect as usize * self.letters + letter as usize] = made;
            }
            None => self.alone[letter as usize] = made,
        }
        made
    }

    fn make(&mut self, effect: Option<u32>, letter: u16) -> u32 {
        let behind = |place: usize| match effect {
            Some(effect) => {
                let node = self.after[effect as usize * self.width + place];
                if node == u16::MAX {
                    return u16::MAX;
                }
                narrow(self.chain.after(u32::from(node), letter, 0))
            }
            None => narrow(self.chain.after(
                (place / self.choices) as u32,
                letter,
                (place % self.choices) as u8,
            )),
        };
        let made: Vec<u16> = (0..self.width).map(behind).collect();
        if let Some(&known) = self.known.get(&made) {
            return known;
        }
        if self.after.len() + self.width > MAX_ENTRIES || self.known.len() >= MAX_GROUPS {
            return UNKNOWN;
        }
        let number = self.known.len() as u32;
        self.after.extend_from_slice(&made);
        self.next.resize(self.next.len() + self.letters, UNASKED);
        self.known.insert(made, number);
        number
    }
}

fn narrow(node: u32) -> u16 {
    if node == NOWHERE {
        u16::MAX
    } else {
        node as u16
    }
}

impl Effects {
    /// The effects of the tokens of a tokenizer, of which characters without a token are no part.
    pub(super) fn new(
        tokenizer: &Tokenizer,
        sorted: &Sorted,
        chain: &Chain,
        form: Option<FormKind>,
        matchers: Option<&Matchers>,
    ) -> Self {
        let mut found = Found::new(chain);
        let mut groups = vec![(0, [0; 2])];
        let mut numbers: FxHashMap<(u32, TailPair), u16> = FxHashMap::from_iter([(groups[0], 0)]);
        let mut of = vec![0; tokenizer.vocab_size()];
        let mut single = Vec::new();
        let start = Place {
            effect: None,
            form: Form::NEUTRAL,
            tails: [0; 2],
            len: 0,
        };
        let mut way = vec![start];
        for (id, shared) in sorted.tokens() {
            while way.last().is_some_and(|place| place.len > shared) {
                way.pop();
            }
            let text = super::text(tokenizer, id);
            let mut place = way.last().copied().unwrap_or(start);
            let cut = loop {
                let Some(&lead) = text.get(place.len) else {
                    break false;
                };
                if place.effect == Some(0) {
                    break false;
                }
                let bytes = &text[place.len..text.len().min(place.len + length(lead))];
                let Some(character) = character(bytes) else {
                    // Not whole, or no character at all.
                    place.effect = match super::code_points(bytes) {
                        Some(_) => place.effect.filter(|&effect| effect != UNKNOWN),
                        None => Some(0),
                    };
                    break place.effect != Some(0);
                };
                place.effect = Some(found.step(place.effect, chain.letter(character as u32)));
                let next = match form {
                    Some(kind) => place.form.next(kind, character),
                    None => Some(Form::NEUTRAL),
                };
                let tails = match matchers {
                    Some(matchers) => bytes
                        .iter()
                        .try_fold(place.tails, |tails, &byte| matchers.feed(tails, byte)),
                    None => Some(place.tails),
                };
                match (next, tails) {
                    (Some(form), Some(tails)) => (place.form, place.tails) = (form, tails),
                    _ => place.effect = Some(0),
                }
                place.len += bytes.len();
                way.push(place);
            };
            let effect = place.effect.unwrap_or(0);
            if cut || effect == UNKNOWN {
                single.push(id);
                continue;
            }
            if effect == 0 {
                continue;
            }
            let group = (effect, place.tails);
            let next = groups.len();
            match numbers.get(&group) {
                Some(&number) => of[id as usize] = number,
                None if next < MAX_GROUPS => {
                    numbers.insert(group, next as u16);
                    groups.push(group);
                    of[id as usize] = next as u16;
                }
                None => single.push(id),
            }
        }
        Self {
            after: found.after,
            width: found.width,
            choices: found.choices,
            groups,
            of,
            single,
        }
    }

    /// For each group the node behind a node and a choice, if there is one, and the tail.
    pub(super) fn groups(
        &self,
        node: u32,
        choice: u8,
    ) -> impl Iterator<Item = Option<(u32, TailPair)>> + '_ {
        self.groups
            .iter()
            .map(move |&(effect, tails)| Some((self.after(effect, node, choice)?, tails)))
    }

    /// The node behind an effect, a node and a choice, if there is one.
    fn after(&self, effect: u32, node: u32, choice: u8) -> Option<u32> {
        let place = node as usize * self.choices + choice as usize;
        let node = self.after[effect as usize * self.width + place];
        (node != u16::MAX).then_some(node.into())
    }

    /// The node behind a node, a choice and a token, [`NOWHERE`] if there is none; `None` for a token
    /// that is in no group.
    pub(super) fn behind(&self, node: u32, choice: u8, id: u32) -> Option<u32> {
        let group = *self.of.get(id as usize)?;
        let (effect, _) = self.groups[group as usize];
        (group != 0).then(|| self.after(effect, node, choice).unwrap_or(NOWHERE))
    }

    /// The group of each id.
    pub(super) fn of(&self) -> &[u16] {
        &self.of
    }

    /// The tokens that are in no group.
    pub(super) fn single(&self) -> &[u32] {
        &self.single
    }
}

/// The character that some bytes are.
fn character(bytes: &[u8]) -> Option<char> {
    match *bytes {
        [byte @ 0..=0x7F] => Some(char::from(byte)),
        _ => std::str::from_utf8(bytes).ok()?.chars().next(),
    }
}
