//! Whether a half-written sequence of ids can still become an encoding.
//!
//! Ids are *admissible* if they are a prefix of `encode(s)` for some text `s`: valid UTF-8 that the
//! vocabulary can spell. Special ids end a run; the runs before the last must be canonical.
//!
//! A text has many possible ends, and with them its borders of pretokens move. A [`State`] is the
//! set of *branches*, one for each choice of borders that can still come true. A branch knows
//! three things: the node of the border automaton ([`crate::border`]) with the bytes of a character
//! that is cut in two; the last token of the piece that is open; and, where whole pieces are
//! looked up, how far the tokens of the piece have followed those of a token that merging does not
//! make. A token goes on from a branch without a border before it, then it must be compatible with
//! the last token, or with one, then anything may stand before it. Inside a token there is no
//! border.
//!
//! A branch is kept if some text goes on from it. Where its piece may end, that is what the
//! automaton says, since nothing binds the tokens of the next piece. Where it may not (in a
//! character, in digits that are counted from the right, behind `'r` that must become `'re`), the
//! tokens that would lead there must exist and be compatible, so they are searched for.
//!
//! Invariant: a state has a branch for exactly those choices of borders, and of the step that made
//! them, under which its ids begin an encoding. States are equal only if the same ids may follow.
//!
//! Cost: a token is one step a byte for each branch, of which there are one to three on most
//! families, and up to five on a chain of six steps. Two bit sets for each node are made at the
//! start ([`rows`]), and then what may follow a state costs as much as the merges that cross its
//! border ([`neighbours`]).

mod effects;
mod form;
mod joins;
mod matcher;
mod neighbours;
mod reach;
mod rows;
#[cfg(test)]
mod tests;

use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Error;
use crate::added::Allowed;
use crate::border::Borders;
use crate::border::chain::{Chain, Choices, NOWHERE, STARTS, UNUSED};
use crate::model::Kind;
use crate::normalizer::{Form as FormKind, Normalizer};
use crate::pretokenizer::{Part, Scheme};
use crate::tokenizer::Tokenizer;
use effects::Effects;
use form::Form;
use joins::Joins;
use matcher::{Matchers, TailPair};
use neighbours::Neighbours;
pub use reach::Reach;
pub use rows::{Following, Row, Successors};
use rows::{Rows, Sorted};

/// No token of the piece yet.
const NONE: u32 = u32::MAX;

/// The piece is one token that merging does not make: it must end here.
const WHOLE: u32 = u32::MAX - 1;

/// Branches whose search is remembered.
const KNOWN: usize = 1 << 18;

/// Ids between two ticks.
const TICK: usize = 1 << 14;

/// The label of a character that has a token of its own, or needs none.
const SPELLED: u32 = 0;

/// The label of a character that is spelled by the tokens of its bytes.
const FALLBACK: u32 = 1;

/// The label of a character that a normalization form judges by what stands before it.
const DEPENDENT: u32 = 2;

/// The lowest label of the characters of added tokens.
const MARK: u32 = 4;

/// A place in a text: a node, and the first bytes of a character behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Spot {
    node: u32,
    /// The choices before these bytes.
    choices: Choices,
    bytes: [u8; 3],
    len: u8,
    /// What normalization makes of the characters so far.
    form: Form,
    /// The ends of the text that added tokens may start with.
    tails: TailPair,
}

/// One choice of borders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Branch {
    spot: Spot,
    /// The symbol of the last token of the open piece, [`NONE`] or [`WHOLE`].
    last: u32,
    /// How far the piece has followed a token that merging does not make; 0 if it has not.
    trap: u32,
}

/// Where a half-written sequence stands. Equal states have equal futures.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Sorted, each once, at least one.
    branches: Vec<Branch>,
}

impl State {
    /// The number of choices of borders that can still come true.
    #[must_use]
    pub fn branches(&self) -> usize {
        self.branches.len()
    }

    /// The bytes that the state takes.
    #[must_use]
    pub fn size(&self) -> usize {
        size_of::<Self>() + size_of_val(&self.branches[..])
    }
}

/// What one id is to the test.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// No encoding has it.
    Never,
    /// Its text encodes to it; this is its symbol.
    Own(u32),
    /// It is only looked up as a whole piece.
    Whole,
}

impl Use {
    /// The last token of a piece behind such an id that starts in one way, if it may.
    fn last(self, start: Start) -> Option<u32> {
        match self {
            Self::Never => None,
            Self::Whole => start.fresh.then_some(WHOLE),
            Self::Own(symbol) => Some(symbol),
        }
    }
}

/// Tokens by their first character, if that alone tells whether they may stand behind a form: what
/// follows it in the token is a character that is the same to every form. The others have no key.
type Dependent = BTreeMap<Option<char>, Vec<u32>>;

/// The ids that a form forbids, by the number of a row and the form.
type Forbidden = FxHashMap<(u32, Form), Arc<[u32]>>;

/// The tables of the test, made once for a tokenizer.
pub(crate) struct Tables {
    chain: Chain,
    uses: Vec<Use>,
    sorted: Sorted,
    effects: Effects,
    neighbours: Neighbours,
    /// Tokens that merging does not make, by the tokens that it makes instead: a trie of ids.
    traps: FxHashMap<(u32, u32), u32>,
    trap_ends: Vec<bool>,
    /// The ids that go on from each node of that trie.
    trap_ids: Vec<Vec<u32>>,
    /// The letters of characters that start with each byte, by whether they must be fallback.
    leads: Vec<Vec<u16>>,
    /// For each node and choice the first ones that are alike to a character that is cut.
    alike: Vec<(u32, u8)>,
    /// States of the first step in which the text, though some text has this encoding, is not
    /// canonical.
    unfinished: Vec<u16>,
    /// Whether bytes are tokens of characters without one.
    is_fallback: bool,
    form: Option<FormKind>,
    /// Tokens whose first character is dependent, or may become so.
    dependent: Dependent,
    /// Tokens that are only looked up as whole pieces.
    wholes: Vec<u32>,
    matchers: Option<Matchers>,
    joins: Joins,
    rows: Mutex<Rows>,
    known: Mutex<FxHashMap<Branch, bool>>,
    /// For symbols that end in a character and that no single byte follows, the tokens that do.
    followers: Mutex<FxHashMap<u32, Arc<[u32]>>>,
    /// Whether a text goes on behind a node and a tail.
    lasting: Mutex<FxHashMap<(u32, TailPair), bool>>,
    /// What a form forbids of a row.
    forbidden: Mutex<Forbidden>,
}

/// How a token may start behind a branch.
#[derive(Clone, Copy)]
struct Start {
    choice: u8,
    /// Whether a piece starts with it.
    fresh: bool,
}

/// The start of a token that goes on with the open piece.
const GO_ON: Start = Start {
    choice: 0,
    fresh: false,
};

/// The test of half-written sequences, for one tokenizer.
#[derive(Clone, Copy)]
pub struct Admissibility<'t> {
    tokenizer: &'t Tokenizer,
    tables: &'t Tables,
}

/// The texts that the model gets: how they are cut, and which there are.
struct Texts {
    steps: Vec<Borders>,
    /// The state of the first step at the start of a section that is not the first.
    later: u16,
    /// A character that is replaced everywhere.
    replaced: Option<char>,
    /// See [`Tables`].
    unfinished: Vec<u16>,
}

impl Texts {
    /// The texts of a tokenizer; `has_matches` if added tokens are cut out of plain text.
    fn new(tokenizer: &Tokenizer, has_matches: bool) -> Result<Self, Error> {
        let refuse = |component: &str, reason: &str| Error::Unsupported {
            component: component.into(),
            reason: format!("{reason}, so the ids of a half-written text are not known"),
        };
        let changes_text = "it changes a text in which added tokens are looked for";
        let mut texts = Self {
            steps: Vec::new(),
            later: 0,
            replaced: None,
            unfinished: Vec::new(),
        };
        let mut is_rewritten = false;
        if let Some(normalizer) = tokenizer.normalizer() {
            let is_form = normalizer.as_form().is_some();
            let (first, pair) = if is_form {
                (None, None)
            } else {
                normalizer.as_prefix()?
            };
            if has_matches && (first.is_some() || pair.is_some()) {
                return Err(refuse("normalizer", changes_text));
            }
            is_rewritten = is_form || first.is_some() || pair.is_some();
            // An empty text gets no prefix, so more must follow.
            texts.steps.extend(first.and_then(|first| match pair {
                Some((from, to)) if from == first => Borders::prefix(to, true),
                _ => Borders::prefix(first, true),
            }));
            texts.replaced = pair.map(|(from, _)| from);
        }
        for part in tokenizer.pretokenizer().parts()? {
            match part {
                Part::Cut(splitter) => texts.steps.push(Borders::new(&splitter)?),
                Part::Prefix { .. } if is_rewritten => {
                    return Err(refuse(
                        "normalizer",
                        "it and the pre-tokenizer both change text",
                    ));
                }
                Part::Prefix { .. } if has_matches => {
                    return Err(refuse("pre_tokenizer", changes_text));
                }
                Part::Prefix {
                    first,
                    from,
                    scheme,
                } => {
                    texts.replaced = from;
                    if scheme != Scheme::Never {
                        texts.add_prefix(tokenizer, first);
                    }
                    if scheme == Scheme::First {
                        texts.later = Borders::UNBOUND;
                    }
                }
            }
        }
        Ok(texts)
    }

    fn add_prefix(&mut self, tokenizer: &Tokenizer, first: char) {
        self.steps.extend(Borders::prefix(first, false));
        // Where decoding takes the prefix away, these texts do not come back.
        for (text, state) in [(" ", Borders::ALONE), ("  ", Borders::DOUBLED)] {
            let mut ids = Vec::new();
            let encoded = tokenizer.encode(text.as_bytes(), &Allowed::None, &mut ids, &mut || true);
            if encoded.is_ok() && tokenizer.is_canonical(&ids) != Ok(true) {
                self.unfinished.push(state);
            }
        }
    }

    /// The label of a character, `None` if no text has it.
    fn label(&self, tokenizer: &Tokenizer, character: char) -> Option<u32> {
        if Some(character) == self.replaced {
            return None;
        }
        let symbols = tokenizer.encoder().symbols();
        match &tokenizer.model().kind {
            Kind::Bytes => {
                let mut utf8 = [0; 4];
                let mut bytes = character.encode_utf8(&mut utf8).bytes();
                bytes
                    .all(|byte| !symbols.is_missing(byte))
                    .then_some(SPELLED)
            }
            Kind::Characters { .. } if symbols.has_character(character) => Some(SPELLED),
            Kind::Characters { fallback } => fallback.is_some().then_some(FALLBACK),
        }
    }
}

impl Tables {
    /// The tables of a tokenizer.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a component whose borders or texts are not known exactly.
    pub(crate) fn new(tokenizer: &Tokenizer) -> Result<Self, Error> {
        let form = tokenizer.normalizer().and_then(Normalizer::as_form);
        let matches = tokenizer.added_set().plain_matches(form.is_some())?;
        let has_matches = matches.iter().any(|set| !set.is_empty());
        let mut texts = Texts::new(tokenizer, has_matches)?;
        let steps = std::mem::take(&mut texts.steps);
        let none = FxHashSet::default();
        let dependent = if form.is_some() {
            form::dependent()
        } else {
            &none
        };
        // Each character of added tokens has a letter of its own.
        let marked: BTreeSet<char> = matches
            .iter()
            .flatten()
            .flat_map(|(text, _, _)| String::from_utf8_lossy(text).chars().collect::<Vec<_>>())
            .collect();
        let marks: FxHashMap<char, u32> = marked.into_iter().zip(1..).collect();
        let label = |character: char| {
            if form.is_some_and(|form| !character.is_ascii() && !form::leaves(form, character)) {
                return None;
            }
            let depends = u32::from(dependent.contains(&character)) * DEPENDENT;
            let mark = marks.get(&character).copied().unwrap_or(0) * MARK;
            let label = texts.label(tokenizer, character)?;
            Some(label | depends | mark)
        };
        let chain = Chain::new(steps, label, texts.later)?;
        if form.is_some() && !chain.manages_with(|label| label & DEPENDENT == 0) {
            return Err(Error::Unsupported {
                component: "normalizer".into(),
                reason:
                    "the pre-tokenizer needs characters that it changes by what stands before them"
                        .into(),
            });
        }
        let uses = uses(tokenizer);
        let (traps, trap_ends) = traps(tokenizer, &uses);
        let leads = (0..=255)
            .map(|byte| {
                let Some((from, to)) = code_points(&[byte]) else {
                    return Vec::new();
                };
                let mut letters: Vec<u16> = chain.letters_between(from, to).collect();
                letters.sort_unstable();
                letters.dedup();
                letters.retain(|&letter| letter != UNUSED);
                letters
            })
            .collect();
        let mut trap_ids = vec![Vec::new(); trap_ends.len()];
        for &(from, id) in traps.keys() {
            trap_ids[from as usize].push(id);
        }
        for ids in &mut trap_ids {
            ids.sort_unstable();
        }
        let wholes = uses.iter().zip(0..).filter(|&(&one, _)| one == Use::Whole);
        let wholes = wholes.map(|(_, id)| id).collect();
        let sorted = Sorted::new(tokenizer, &uses);
        let matchers = has_matches.then(|| Matchers::new(matches));
        let tables = Self {
            alike: alike(&chain),
            effects: Effects::new(tokenizer, &sorted, &chain, form, matchers.as_ref()),
            chain,
            sorted,
            neighbours: Neighbours::new(tokenizer.encoder(), tokenizer.model()),
            uses,
            traps,
            trap_ends,
            trap_ids,
            wholes,
            leads,
            unfinished: texts.unfinished,
            is_fallback: matches!(tokenizer.model().kind, Kind::Characters { .. }),
            form,
            dependent: dependent_tokens(tokenizer, dependent),
            matchers,
            joins: Joins::default(),
            rows: Mutex::default(),
            known: Mutex::default(),
            followers: Mutex::default(),
            lasting: Mutex::default(),
            forbidden: Mutex::default(),
        };
        Admissibility::new(tokenizer, &tables).make_rows();
        Ok(tables)
    }
}

/// For each node and choice the first ones from which the same letters lead on: if the piece may
/// end behind each of them, all that counts of a node is whether a character can end there.
fn alike(chain: &Chain) -> Vec<(u32, u8)> {
    let mut letters: Vec<u16> = chain.letters_between(0x80, char::MAX as u32).collect();
    letters.sort_unstable();
    letters.dedup();
    let mut known: FxHashMap<Vec<u16>, (u32, u8)> = FxHashMap::default();
    let places = (0..chain.nodes() as u32)
        .flat_map(|node| (0..=chain.steps()).map(move |choice| (node, choice)));
    places
        .map(|(node, choice)| {
            let mut leading = Vec::new();
            for &letter in &letters {
                match chain.after(node, letter, choice) {
                    NOWHERE => (),
                    next if chain.can_close(next) => leading.push(letter),
                    _ => return (node, choice),
                }
            }
            *known.entry(leading).or_insert((node, choice))
        })
        .collect()
}

/// The tokens whose first character is one of some, or may become one.
fn dependent_tokens(tokenizer: &Tokenizer, dependent: &FxHashSet<char>) -> Dependent {
    let mut tokens = Dependent::new();
    if dependent.is_empty() {
        return tokens;
    }
    for id in 0..tokenizer.vocab_size() as u32 {
        let text = text(tokenizer, id);
        let Some(&lead) = text.first() else {
            continue;
        };
        let (start, rest) = text.split_at(text.len().min(length(lead)));
        let whole = |bytes| std::str::from_utf8(bytes).ok()?.chars().next();
        let depends = match whole(start) {
            Some(first) => dependent.contains(&first),
            None => code_points(start).is_some_and(|(from, to)| {
                let mut first = (from..=to).filter_map(char::from_u32);
                first.any(|first| dependent.contains(&first))
            }),
        };
        if !depends {
            continue;
        }
        let second = rest
            .first()
            .and_then(|&lead| whole(&rest[..rest.len().min(length(lead))]));
        let settles = second.is_some_and(|second| !dependent.contains(&second));
        let key = whole(start).filter(|_| settles);
        tokens.entry(key).or_default().push(id);
    }
    tokens
}

/// What each id is.
fn uses(tokenizer: &Tokenizer) -> Vec<Use> {
    let (model, encoder) = (tokenizer.model(), tokenizer.encoder());
    (0..tokenizer.vocab_size() as u32)
        .map(|id| {
            if tokenizer.added(id).is_some() && tokenizer.special_ids().contains(&id) {
                return Use::Never;
            }
            if let Some(symbol) = encoder.symbols().of_id(id)
                && encoder.is_own(symbol)
            {
                return Use::Own(symbol);
            }
            match model.vocab.get(id) {
                Some(token) if model.ignore_merges && model.vocab.id(token) == Some(id) => {
                    Use::Whole
                }
                _ => Use::Never,
            }
        })
        .collect()
}

/// The trie of what merging makes of the tokens that it does not make.
fn traps(tokenizer: &Tokenizer, uses: &[Use]) -> (FxHashMap<(u32, u32), u32>, Vec<bool>) {
    let (mut traps, mut ends) = (FxHashMap::default(), vec![false]);
    let (model, encoder) = (tokenizer.model(), tokenizer.encoder());
    let whole = uses
        .iter()
        .enumerate()
        .filter(|&(_, &one)| one == Use::Whole);
    for (id, _) in whole {
        // What cannot be spelled is no other encoding.
        let Some(tokens) = encoder.merge(model.token(id as u32)) else {
            continue;
        };
        let mut node = 0;
        for token in tokens {
            let next = ends.len() as u32;
            node = *traps.entry((node, token)).or_insert_with(|| {
                ends.push(false);
                next
            });
        }
        ends[node as usize] = true;
    }
    (traps, ends)
}

/// The number of bytes of a character with this first one.
fn length(lead: u8) -> usize {
    match lead {
        0..=0x7F => 1,
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        _ => 4,
    }
}

/// The code points whose UTF-8 starts with some bytes, at least one and not all.
fn code_points(bytes: &[u8]) -> Option<(u32, u32)> {
    let (&lead, rest) = bytes.split_first()?;
    let (length, mut low) = match lead {
        0xC2..=0xDF => (2, u32::from(lead & 0x1F)),
        0xE0..=0xEF => (3, u32::from(lead & 0x0F)),
        0xF0..=0xF4 => (4, u32::from(lead & 0x07)),
        _ => return None,
    };
    for &byte in rest {
        if byte & 0xC0 != 0x80 {
            return None;
        }
        low = low << 6 | u32::from(byte & 0x3F);
    }
    let missing = 6 * (length - bytes.len());
    let (low, high) = (low << missing, ((low + 1) << missing) - 1);
    let (low, high) = match length {
        3 if low >= 0xD800 && high < 0xE000 => return None,
        3 => (low.max(0x800), high),
        4 => (low.max(0x1_0000), high.min(0x10_FFFF)),
        _ => (low, high),
    };
    (low <= high).then_some((low, high))
}

impl<'t> Admissibility<'t> {
    pub(crate) fn new(tokenizer: &'t Tokenizer, tables: &'t Tables) -> Self {
        Self { tokenizer, tables }
    }

    /// The state before any id.
    #[must_use]
    pub fn start(&self) -> State {
        State {
            branches: vec![Branch::at(STARTS[0])],
        }
    }

    /// The state behind one more id; `None` if no encoding goes on like this.
    #[must_use]
    pub fn push(&self, state: &State, id: u32) -> Option<State> {
        if self.tokenizer.special_ids().contains(&id) {
            return self.can_end(state).then(|| self.start());
        }
        let mut branches = Vec::new();
        for branch in &state.branches {
            self.extend(branch, id, &mut |branch| branches.push(branch));
            branches.extend(self.claim(branch, id));
        }
        branches.sort_unstable();
        branches.dedup();
        // States are kept for every byte of a text, and few have more than one.
        branches.shrink_to_fit();
        (!branches.is_empty()).then_some(State { branches })
    }

    /// Whether the ids, as they are, may be a finished text.
    #[must_use]
    pub fn can_end(&self, state: &State) -> bool {
        state.branches.iter().any(|branch| self.ends(branch))
    }

    fn ends(&self, branch: &Branch) -> bool {
        let matchers = self.tables.matchers.as_ref();
        let state = self.tables.chain.first_state(branch.spot.node);
        self.ends_section(branch)
            && state.is_none_or(|state| !self.tables.unfinished.contains(&state))
            && matchers.is_none_or(|matchers| matchers.may_end(branch.spot.tails))
    }

    /// Whether a text between added tokens may end at a branch.
    fn ends_section(&self, branch: &Branch) -> bool {
        branch.spot.len == 0
            && self.tables.chain.accepts(branch.spot.node)
            && !self.tables.trap_ends[branch.trap as usize]
    }

    /// The branch behind an added token that is cut out of plain text, if it may stand behind a branch.
    fn claim(&self, branch: &Branch, id: u32) -> Option<Branch> {
        let matchers = self.tables.matchers.as_ref()?;
        let text = matchers.text(id)?;
        if !self.ends_section(branch) {
            return None;
        }
        self.claim_text(matchers, branch, id, text)
    }

    /// Calls `found` with every added token that is cut out of plain text and may stand behind a
    /// branch, and the branch behind it.
    fn for_each_claim(&self, branch: &Branch, found: &mut dyn FnMut(u32, Branch)) {
        let Some(matchers) = &self.tables.matchers else {
            return;
        };
        if self.ends_section(branch) {
            for (id, text) in matchers.tokens() {
                if let Some(next) = self.claim_text(matchers, branch, *id, text) {
                    found(*id, next);
                }
            }
        }
    }

    /// [`Self::claim`] behind a branch where a text between added tokens may end.
    fn claim_text(
        &self,
        matchers: &Matchers,
        branch: &Branch,
        id: u32,
        text: &[u8],
    ) -> Option<Branch> {
        let mut next = Branch::at(STARTS[1]);
        next.spot.tails = matchers.claim(branch.spot.tails, id, text)?;
        if let Some(kind) = self.tables.form {
            // The text is normalized before added tokens are cut out of it.
            let mut characters = std::str::from_utf8(text).unwrap_or_default().chars();
            next.spot.form = characters.try_fold(branch.spot.form, |form, character| {
                form.next(kind, character)
            })?;
        }
        self.is_alive(&next).then_some(next)
    }

    /// The ways in which a token may start behind a branch.
    fn starts(&self, branch: &Branch) -> impl Iterator<Item = Start> + use<'t> {
        let chain = &self.tables.chain;
        let at_start = STARTS.contains(&branch.spot.node) && branch.spot.len == 0;
        let goes_on = !at_start && branch.last != WHOLE;
        let borders = match (at_start, branch.spot.len) {
            // The first piece starts whether a step says so or there is none.
            (true, _) => chain.steps().min(1)..=chain.steps().min(1),
            // Not here: the piece would be the token that merging does not make.
            (false, 0) if self.tables.trap_ends[branch.trap as usize] => RangeInclusive::new(1, 0),
            (false, 0) => 1..=chain.steps(),
            (false, _) => chain.inner_choices(),
        };
        let goes_on = goes_on.then_some(GO_ON);
        let node = branch.spot.node;
        let is_between = !at_start && branch.spot.len == 0;
        goes_on.into_iter().chain(
            borders
                .filter(move |&choice| !is_between || chain.can_start(node, choice))
                .map(|choice| Start {
                    choice,
                    fresh: true,
                }),
        )
    }

    /// Calls `found` with each branch behind a branch and a token.
    fn extend(&self, branch: &Branch, id: u32, found: &mut dyn FnMut(Branch)) {
        for start in self.starts(branch) {
            if let Some(next) = self.step(branch, id, start)
                && self.is_alive(&next)
            {
                found(next);
            }
        }
    }

    /// The branch behind a branch and a token that starts in one way, alive or not.
    fn step(&self, branch: &Branch, id: u32, start: Start) -> Option<Branch> {
        let one = self.tables.uses.get(id as usize).copied()?;
        let last = one.last(start)?;
        let next = self.follow(branch, id, last, start)?;
        (start.fresh || self.joins(branch.last, last)).then_some(next)
    }

    /// The branch behind a branch and a token, which nothing on its left forbids.
    fn follow(&self, branch: &Branch, id: u32, last: u32, start: Start) -> Option<Branch> {
        let spot = if self.is_fallback(last) {
            self.feed_fallback(branch.spot, self.text(id)[0], start.choice)?
        } else if let Some(node) = self.known_effect(branch.spot, id, start.choice) {
            if node == NOWHERE {
                return None;
            }
            Spot::at(node)
        } else {
            self.walk(branch.spot, self.text(id), start.choice)?
        };
        Some(Branch {
            spot,
            last,
            trap: self.next_trap(branch, id, start),
        })
    }

    fn next_trap(&self, branch: &Branch, id: u32, start: Start) -> u32 {
        if self.tables.trap_ends.len() == 1 || (!start.fresh && branch.trap == 0) {
            return 0;
        }
        let from = if start.fresh { 0 } else { branch.trap };
        self.tables.traps.get(&(from, id)).copied().unwrap_or(0)
    }

    /// The bytes of text of a token.
    fn text(&self, id: u32) -> &'t [u8] {
        text(self.tokenizer, id)
    }

    /// The node behind a token, where a look-up says what [`Self::walk`] would.
    fn known_effect(&self, spot: Spot, id: u32, choice: u8) -> Option<u32> {
        let is_plain = self.tables.matchers.is_none() && self.tables.form.is_none();
        (is_plain && spot.len == 0)
            .then(|| self.tables.effects.behind(spot.node, choice, id))
            .flatten()
    }

    /// The spot behind some bytes, with a choice before the first of them.
    fn walk(&self, mut spot: Spot, text: &[u8], choice: u8) -> Option<Spot> {
        let mut choice = choice;
        for &byte in text {
            spot = self.feed(spot, byte, choice)?;
            choice = 0;
        }
        (spot.len == 0 || self.is_open(spot)).then_some(spot)
    }

    /// Whether a symbol is a byte of a character without a token.
    fn is_fallback(&self, symbol: u32) -> bool {
        self.tables.is_fallback && self.tokenizer.encoder().symbols().is_fallback(symbol)
    }

    /// The spot behind a byte of a character without a token.
    fn feed_fallback(&self, spot: Spot, byte: u8, choice: u8) -> Option<Spot> {
        let next = self.feed(spot, byte, choice)?;
        if next.len > 0 {
            return self.is_open(next).then_some(next);
        }
        let mut bytes = [spot.bytes[0], spot.bytes[1], spot.bytes[2], 0];
        bytes[spot.len as usize] = byte;
        let text = std::str::from_utf8(&bytes[..=spot.len as usize]).ok()?;
        let letter = self.tables.chain.letter(text.chars().next()? as u32);
        (self.tables.chain.label(letter) & FALLBACK != 0).then_some(next)
    }

    /// The spot behind one byte.
    fn feed(&self, mut spot: Spot, byte: u8, choice: u8) -> Option<Spot> {
        let place = spot.len as usize;
        if let Some(matchers) = &self.tables.matchers {
            spot.tails = matchers.feed(spot.tails, byte)?;
        }
        if place == 0 && byte < 0x80 {
            return self.feed_character(spot, byte as char, [choice, 0, 0, 0]);
        }
        let mut bytes = [spot.bytes[0], spot.bytes[1], spot.bytes[2], 0];
        bytes[place] = byte;
        spot.choices[place] = choice;
        if place + 1 < length(bytes[0]) {
            code_points(&bytes[..=place])?;
            spot.bytes[place] = byte;
            spot.len += 1;
            return Some(spot);
        }
        let character = std::str::from_utf8(&bytes[..=place]).ok()?.chars().next()?;
        self.feed_character(spot, character, spot.choices)
    }

    /// The spot behind a character; only form and tails are taken from the spot's rest.
    fn feed_character(&self, spot: Spot, character: char, choices: Choices) -> Option<Spot> {
        let chain = &self.tables.chain;
        let node = chain.after_all(spot.node, chain.letter(character as u32), choices);
        if node == NOWHERE {
            return None;
        }
        let form = match self.tables.form {
            Some(kind) => spot.form.next(kind, character)?,
            None => Form::NEUTRAL,
        };
        Some(Spot {
            form,
            tails: spot.tails,
            ..Spot::at(node)
        })
    }

    /// Whether some character has the bytes of a spot and leads on.
    fn is_open(&self, spot: Spot) -> bool {
        self.is_open_with(spot, None)
    }

    /// [`Self::is_open`], with a choice before the next byte if one is given.
    fn is_open_with(&self, spot: Spot, choice: Option<u8>) -> bool {
        let chain = &self.tables.chain;
        let bytes = &spot.bytes[..spot.len as usize];
        let Some((from, to)) = code_points(bytes) else {
            return false;
        };
        let more;
        let all = if choice.is_none() && chain.inner_choices().is_empty() {
            std::slice::from_ref(&spot.choices)
        } else {
            more = self.choices(spot, choice);
            &more[..]
        };
        let leads_on = |letter: u16| {
            letter != UNUSED
                && (!self.tables.is_fallback || chain.label(letter) & FALLBACK != 0)
                && all
                    .iter()
                    .any(|&choices| chain.after_all(spot.node, letter, choices) != NOWHERE)
        };
        let is_free =
            |letter: u16| self.tables.form.is_none() || chain.label(letter) & DEPENDENT == 0;
        let mut depends = false;
        let mut is_last = |letter: u16| {
            let leads_on = leads_on(letter);
            depends |= leads_on;
            leads_on && is_free(letter)
        };
        let found = match bytes {
            [lead] => {
                let mut letters = self.tables.leads[*lead as usize].iter();
                letters.any(|&letter| is_last(letter))
            }
            _ => chain.letters_between(from, to).any(is_last),
        };
        // What a dependent character needs before it is no matter of its letter.
        found
            || depends
                && self.tables.form.is_some_and(|kind| {
                    (from..=to).filter_map(char::from_u32).any(|character| {
                        leads_on(chain.letter(character as u32))
                            && spot.form.next(kind, character).is_some()
                    })
                })
    }

    /// The choices of a spot with each choice that the bytes to come may have.
    fn choices(&self, spot: Spot, choice: Option<u8>) -> Vec<Choices> {
        let inner = self.tables.chain.inner_choices();
        let (length, from) = (length(spot.bytes[0]), spot.len as usize);
        let mut all = vec![spot.choices];
        for place in from..length {
            let given = choice.filter(|_| place == from);
            let more: Vec<u8> = match given {
                Some(choice) => vec![choice],
                None => std::iter::once(0).chain(inner.clone()).collect(),
            };
            let before = std::mem::take(&mut all);
            for choices in before {
                all.extend(more.iter().map(|&choice| {
                    let mut choices = choices;
                    choices[place] = choice;
                    choices
                }));
            }
        }
        all
    }

    /// Whether some text goes on from a branch.
    fn is_alive(&self, branch: &Branch) -> bool {
        if self.closes(branch) {
            return true;
        }
        if branch.last == WHOLE && branch.spot.len == 0 {
            return false;
        }
        let mut branch = self.first_alike(*branch);
        if branch.spot.form != Form::NEUTRAL {
            // Forms are many, and most of what goes on needs nothing of them.
            let form = std::mem::replace(&mut branch.spot.form, Form::WARY);
            if self.is_known_alive(&branch) {
                return true;
            }
            branch.spot.form = form;
        }
        self.is_known_alive(&branch)
    }

    /// What [`Self::search`] finds, remembered.
    fn is_known_alive(&self, branch: &Branch) -> bool {
        let known = || {
            let known = &self.tables.known;
            known.lock().unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(&known) = known().get(branch) {
            return known;
        }
        let found = self.search(branch);
        let mut known = known();
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(*branch, found);
        found
    }

    /// The branch that stands for those from which [`Self::search`] finds the same.
    fn first_alike(&self, mut branch: Branch) -> Branch {
        let spot = &mut branch.spot;
        let chain = &self.tables.chain;
        let has_inner = !chain.inner_choices().is_empty();
        if spot.len > 0 && !has_inner && branch.trap == 0 && self.tables.matchers.is_none() {
            let choices = chain.steps() as usize + 1;
            let place = spot.node as usize * choices + spot.choices[0] as usize;
            (spot.node, spot.choices[0]) = self.tables.alike[place];
        }
        branch
    }

    /// Whether the open piece of a branch may end here and some text goes on.
    fn closes(&self, branch: &Branch) -> bool {
        let (chain, spot) = (&self.tables.chain, branch.spot);
        if spot.len > 0 {
            return chain
                .inner_choices()
                .any(|choice| self.is_open_with(spot, Some(choice)));
        }
        if self.tables.trap_ends[branch.trap as usize] {
            return false;
        }
        match &self.tables.matchers {
            None => chain.can_close(spot.node),
            Some(matchers) => self.lasts_behind_border(matchers, spot),
        }
    }

    /// Whether some text starts a piece behind a spot, or ends there, with added tokens where ids
    /// claim them and nowhere else.
    fn lasts_behind_border(&self, matchers: &Matchers, spot: Spot) -> bool {
        let chain = &self.tables.chain;
        if !chain.can_close(spot.node) {
            return false;
        }
        let lasting = || {
            self.tables
                .lasting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let key = (spot.node, spot.tails);
        if let Some(&known) = lasting().get(&key) {
            return known;
        }
        let mut seen = FxHashSet::from_iter([key]);
        let mut open = VecDeque::from([key]);
        let mut found = false;
        while let Some((node, tails)) = open.pop_front() {
            if chain.accepts(node) && matchers.may_end(tails) {
                found = true;
                break;
            }
            // The first character starts a piece; behind that there are no bounds.
            let first = u8::from((node, tails) == key && !STARTS.contains(&node));
            for (letter, character) in chain.samples() {
                if chain.label(letter) & DEPENDENT != 0 {
                    continue;
                }
                let mut utf8 = [0; 4];
                let mut bytes = character.encode_utf8(&mut utf8).bytes();
                let Some(tails) = bytes.try_fold(tails, |tails, byte| matchers.feed(tails, byte))
                else {
                    continue;
                };
                let choices = chain.choices(letter);
                for choices in choices.into_iter().filter(|choices| choices[0] >= first) {
                    let next = (chain.after_all(node, letter, choices), tails);
                    if next.0 != NOWHERE && seen.insert(next) {
                        open.push_back(next);
                    }
                }
            }
            if chain.accepts(node) {
                for (id, text) in matchers.tokens() {
                    if let Some(tails) = matchers.claim(tails, *id, text)
                        && seen.insert((STARTS[1], tails))
                    {
                        open.push_back((STARTS[1], tails));
                    }
                }
            }
        }
        lasting().insert(key, found);
        found
    }

    /// Looks for tokens that lead to where the open piece may end.
    fn search(&self, branch: &Branch) -> bool {
        if branch.last == WHOLE {
            return false;
        }
        let mut seen = FxHashSet::from_iter([*branch]);
        let mut open = vec![*branch];
        while let Some(branch) = open.pop() {
            if self.search_behind(&branch, &mut seen, &mut open) {
                return true;
            }
        }
        false
    }

    /// [`Self::search`] among the tokens behind a branch; what is left to look at is put into `open`.
    fn search_behind(
        &self,
        branch: &Branch,
        seen: &mut FxHashSet<Branch>,
        open: &mut Vec<Branch>,
    ) -> bool {
        if let Some(found) = self.search_row(branch) {
            return found;
        }
        let mut found = false;
        let mut visit = |id: u32, spot: Spot| {
            let Use::Own(symbol) = self.tables.uses[id as usize] else {
                return true;
            };
            let next = Branch {
                spot,
                last: symbol,
                trap: self.next_trap(branch, id, GO_ON),
            };
            if seen.contains(&next) || !self.joins(branch.last, symbol) {
                return true;
            }
            seen.insert(next);
            found = self.closes(&next);
            if spot.len > branch.spot.len {
                // The first way to the end of a character will do.
                found = found || self.search_behind(&next, seen, open);
            } else {
                open.push(next);
            }
            !found
        };
        let sorted = &self.tables.sorted;
        if branch.spot.len == 0 {
            sorted.walk(self, branch.spot, 0, &mut visit);
        } else if sorted.walk_bytes(self, branch.spot, &mut visit) {
            // No single byte was enough; the other tokens that may follow here are few.
            for &id in self.followers(branch.last).iter() {
                if let Some(spot) = self.walk(branch.spot, self.text(id), 0)
                    && !visit(id, spot)
                {
                    break;
                }
            }
        }
        found
    }

    fn joins(&self, last: u32, symbol: u32) -> bool {
        let (model, encoder) = (self.tokenizer.model(), self.tokenizer.encoder());
        let test = || encoder.is_compatible(model, last, symbol);
        last == NONE || self.tables.joins.get(last, symbol, test)
    }
}

/// The bytes of text of a token: those of the model, or the byte that a fallback stands for.
fn text(tokenizer: &Tokenizer, id: u32) -> &[u8] {
    static BYTES: [u8; 256] = {
        let mut bytes = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            bytes[byte] = byte as u8;
            byte += 1;
        }
        bytes
    };
    let symbols = tokenizer.encoder().symbols();
    let byte = symbols
        .of_id(id)
        .and_then(|symbol| symbols.fallback_byte(symbol));
    if let Some(byte) = byte {
        return &BYTES[byte as usize..=byte as usize];
    }
    tokenizer.model().token(id)
}

impl Spot {
    fn at(node: u32) -> Self {
        Self {
            node,
            choices: [0; 4],
            bytes: [0; 3],
            len: 0,
            form: Form::NEUTRAL,
            tails: [0; 2],
        }
    }
}

impl Branch {
    fn at(node: u32) -> Self {
        Self {
            spot: Spot::at(node),
            last: NONE,
            trap: 0,
        }
    }
}

impl Tokenizer {
    /// The bytes that a token takes of a text after normalization: those of the model, the byte
    /// that a fallback stands for, or the content of an added token. None for a hole.
    #[must_use]
    pub fn spelling(&self, id: u32) -> &[u8] {
        match self.added(id) {
            Some(_) => self.token(id).unwrap_or_default(),
            None => text(self, id),
        }
    }

    /// Whether ids are the start of the encoding of some text.
    ///
    /// # Errors
    /// [`Error::UnknownToken`] for an id without a token, [`Error::Unsupported`] where the test
    /// does not know a component of the tokenizer.
    pub fn is_admissible(&self, ids: &[u32]) -> Result<bool, Error> {
        let place = self.first_inadmissible(ids, &mut || true)?;
        Ok(place == Some(None))
    }

    /// The first position at which ids are no longer the start of an encoding, if there is one.
    /// `tick` is called every few thousand ids; when it returns false the work stops and the
    /// result is `None`.
    ///
    /// # Errors
    /// As [`Tokenizer::is_admissible`].
    pub fn first_inadmissible(
        &self,
        ids: &[u32],
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Option<usize>>, Error> {
        let admissibility = self.admissibility()?;
        for &id in ids {
            self.check_id(id)?;
        }
        let mut state = admissibility.start();
        for (place, &id) in ids.iter().enumerate() {
            match admissibility.push(&state, id) {
                Some(next) => state = next,
                None => return Ok(Some(Some(place))),
            }
            if place % TICK == TICK - 1 && !tick() {
                return Ok(None);
            }
        }
        Ok(Some(None))
    }

    /// The ids that may follow ids, `None` if these are not admissible.
    ///
    /// # Errors
    /// As [`Tokenizer::is_admissible`].
    pub fn successors(&self, ids: &[u32]) -> Result<Option<Successors>, Error> {
        let admissibility = self.admissibility()?;
        let mut state = Some(admissibility.start());
        for &id in ids {
            self.check_id(id)?;
            state = state.and_then(|state| admissibility.push(&state, id));
        }
        Ok(state.map(|state| admissibility.successors(&state)))
    }

    /// The most branches, and the most bytes, of a state behind any of some admissible ids.
    ///
    /// # Errors
    /// As [`Tokenizer::is_admissible`].
    pub fn largest_state(&self, ids: &[u32]) -> Result<(usize, usize), Error> {
        let admissibility = self.admissibility()?;
        let mut state = admissibility.start();
        let (mut branches, mut size) = (state.branches(), state.size());
        for &id in ids {
            self.check_id(id)?;
            let Some(next) = admissibility.push(&state, id) else {
                break;
            };
            state = next;
            branches = branches.max(state.branches());
            size = size.max(state.size());
        }
        Ok((branches, size))
    }
}
