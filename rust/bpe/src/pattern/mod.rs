//! The pattern of a pre-tokenizer's split, and how it cuts a text.
//!
//! A pattern is a regular expression in one of two [`Dialect`]s, or a literal text. Its matches
//! are found from left to right: each search starts where the last match ended, and an empty
//! match right behind a match is passed over, one character on. Under the behaviour *isolated*
//! every match is a piece and so is every gap between two; an empty match is no piece, but it
//! cuts.
//!
//! Three engines share the work. Patterns whose branches are all of a known kind, those of
//! nearly every published tokenizer, become [`rules`] for a linear [`scan`]ner; the
//! [`general`] engine runs the rest by backtracking, up to a limit; a
//! literal is searched for.
//!
//! Both dialects are read with the Unicode tables of `regex-syntax` 0.8.12, which are those of
//! Unicode 16.0. Compared over all characters with Oniguruma as `tokenizers` 0.23.3 has it, no
//! general category, no script and no simple case folding differs; so are `\d` and `\s` the
//! same. Only `\w` is not: Oniguruma leaves out U+200C and U+200D and, outside brackets, takes
//! in `²³¹¼½¾`, and [`syntax`] does so too. A character that folds to several, as `ß` to `ss`,
//! would match them in Oniguruma under `(?i)`: such patterns are refused.
//!
//! Invariant: every engine sees the range it is given as a whole text. A byte that is not UTF-8
//! counts as one character that is neither letter, number, mark, white space, punctuation nor
//! symbol.
//!
//! Cost: linear in the text for rules and literals. A `Pattern` is cheap to clone.

mod blocks;
mod class;
mod family;
mod general;
mod kinds;
mod parts;
mod rules;
mod scan;
pub(crate) mod syntax;
#[cfg(test)]
mod tests;

use crate::Error;
use crate::annotator::Groups;
use blocks::Formulas;
use general::General;
use memchr::memmem::Finder;
use regex_syntax::hir::ClassUnicode;
use scan::Scanner;
use std::sync::Arc;

/// Whose regex dialect a pattern is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Oniguruma, as in a `tokenizer.json`: `^` and `$` are the ends of lines.
    Oniguruma,
    /// `fancy-regex`, as in a tiktoken encoding: `$` is the end of the text.
    Rust,
}

/// Shorter texts are scanned match by match: a block would hardly fit.
const SHORT: usize = 8;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    source: Arc<str>,
    /// The dialect of the source; none of a literal.
    dialect: Option<Dialect>,
    engine: Engine,
    family: Option<&'static str>,
}

#[derive(Clone, Debug)]
enum Engine {
    /// Matches nowhere.
    Nothing,
    Literal(Arc<Finder<'static>>),
    Rules(Arc<Scanner>, Option<Formulas>),
    General(Arc<General>),
}

impl Pattern {
    /// Compiles a regular expression.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if it is not valid, or its meaning in that dialect cannot be
    /// reproduced exactly.
    pub fn new(source: &str, dialect: Dialect) -> Result<Self, Error> {
        let ast = syntax::parse(source, dialect);
        let rules = ast.as_ref().and_then(rules::recognise);
        let (engine, family) = if let Some(rules) = rules
            && let Some(scanner) = Scanner::new(&rules)
        {
            let (name, shape) = family::recognise_family(&rules);
            let formulas = shape.map(|shape| Formulas::new(shape, &scanner));
            (Engine::Rules(Arc::new(scanner), formulas), Some(name))
        } else {
            let general = General::new(source, dialect, ast.as_ref())?;
            (Engine::General(Arc::new(general)), None)
        };
        Ok(Self {
            source: source.into(),
            dialect: Some(dialect),
            engine,
            family,
        })
    }

    /// A source that means in Oniguruma's dialect what `source` means in Rust's: itself, or itself
    /// with the possessive sign behind an interval left out, which Oniguruma reads as a repetition,
    /// or with all sets and anchors spelled out. `None` where none of them surely does.
    #[must_use]
    pub fn in_oniguruma(source: &str) -> Option<String> {
        let tree = syntax::parse(source, Dialect::Rust)?;
        let rules = rules::recognise(&tree);
        let mut plain = String::with_capacity(source.len());
        for part in source.split_inclusive('}') {
            // A possessive sign stands at the start of the part behind its interval.
            let interval = plain.rsplit_once('{').is_some_and(|(_, bounds)| {
                bounds
                    .strip_suffix('}')
                    .is_some_and(|bounds| bounds.chars().all(|c| c.is_ascii_digit() || c == ','))
            });
            plain.push_str(part.strip_prefix('+').filter(|_| interval).unwrap_or(part));
        }
        let mut spelled_out = String::new();
        general::spell(&tree, &mut spelled_out);
        let candidates = [source.to_owned(), plain, spelled_out];
        candidates.into_iter().find(|spelled| {
            syntax::parse(spelled, Dialect::Oniguruma).is_some_and(|other| {
                // Equal rules have equal matches, however they were written.
                other == tree || rules.is_some() && rules::recognise(&other) == rules
            })
        })
    }

    /// A source in Rust's dialect whose matches are the matches of this pattern and the gaps between
    /// them, so that they cover every text. `None` where that cannot be said: a pattern that is not
    /// surely understood, or that may match the empty text.
    #[must_use]
    pub fn covering_source(&self) -> Option<String> {
        let tree = match self.dialect {
            Some(dialect) => syntax::parse(&self.source, dialect),
            None => Some(syntax::concat(
                self.source
                    .chars()
                    .map(syntax::single)
                    .map(syntax::Ast::Class)
                    .collect(),
            )),
        };
        let rules = tree.as_ref().and_then(rules::recognise);
        let mut spelled_out = String::new();
        if let Some(tree) = &tree {
            general::spell(tree, &mut spelled_out);
        }
        let source = if self.dialect == Some(Dialect::Rust) {
            self.source.to_string()
        } else {
            [&*self.source, &spelled_out]
                .into_iter()
                .find(|spelled| {
                    syntax::parse(spelled, Dialect::Rust).is_some_and(|other| {
                        tree.as_ref() == Some(&other)
                            || rules.is_some() && rules::recognise(&other) == rules
                    })
                })?
                .to_owned()
        };
        if self.is_total() {
            return Some(source);
        }
        // A gap is what no match starts in.
        (!tree?.can_be_empty()).then(|| format!("(?:{source})|(?:(?!{source})(?s:.))+"))
    }

    /// A pattern that matches a text as it stands; an empty one matches nothing.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        let engine = if text.is_empty() {
            Engine::Nothing
        } else {
            Engine::Literal(Arc::new(Finder::new(text).into_owned()))
        };
        Self {
            source: text.into(),
            dialect: None,
            engine,
            family: None,
        }
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text that it matches, if it matches one text as it stands.
    pub(crate) fn as_literal(&self) -> Option<&str> {
        self.dialect.is_none().then_some(&self.source)
    }

    /// Name of the family that the pattern was recognised as, whatever its spelling: `rules` for
    /// a pattern of known branches in an unknown order, `None` for the general engine and
    /// literals.
    #[must_use]
    pub fn family(&self) -> Option<&'static str> {
        self.family
    }

    /// The pattern as a tree; `None` where its parts are not known.
    pub(crate) fn tree(&self) -> Option<syntax::Ast> {
        let Some(dialect) = self.dialect else {
            let literal = self.source.chars().map(syntax::single);
            return Some(syntax::Ast::Concat(
                literal.map(syntax::Ast::Class).collect(),
            ));
        };
        syntax::parse(&self.source, dialect)
    }

    /// Sets of characters such that the matches in a text depend on its characters only through
    /// the sets that they are in; `None` where the parts of the pattern are not known, or their
    /// meaning is not one of sets alone.
    pub(crate) fn sets(&self) -> Option<Vec<ClassUnicode>> {
        let Some(dialect) = self.dialect else {
            return Some(self.source.chars().map(syntax::single).collect());
        };
        let mut sets = Vec::new();
        syntax::parse(&self.source, dialect)?.collect_sets(&mut sets);
        Some(sets)
    }

    /// The number of the known family that has the same matches in every text, and its sets.
    pub(crate) fn known(&self) -> Option<(usize, Vec<ClassUnicode>)> {
        let rules = rules::recognise(&syntax::parse(&self.source, self.dialect?)?)?;
        let (number, source) = family::find(&rules)?;
        Some((number, Self::new(source, Dialect::Rust).ok()?.sets()?))
    }

    /// The known families: each by its name and a pattern.
    #[cfg(test)]
    pub(crate) fn families() -> impl Iterator<Item = (&'static str, &'static str)> {
        family::spellings()
    }

    /// Whether the matches are known to cover every text without gaps.
    #[must_use]
    pub fn is_total(&self) -> bool {
        matches!(&self.engine, Engine::Rules(scanner, _) if scanner.is_total())
    }

    /// Whether it is known to match nowhere in ASCII without digits.
    pub(crate) fn needs_digits(&self) -> bool {
        matches!(&self.engine, Engine::Rules(scanner, _) if scanner.needs_digits())
    }

    /// Every match in `text[from..to]` taken as a text of its own, as start and end in `text`,
    /// in order, empty ones included. `tick` is called after each match of the general engine, which
    /// may take as long as the text; when it returns false the result is `Ok(false)`.
    ///
    /// # Errors
    /// [`Error::Pretokenize`] where the general engine reaches its limit, or the range is not
    /// in the text.
    pub fn for_each_match(
        &self,
        text: &[u8],
        from: usize,
        to: usize,
        emit: &mut dyn FnMut(usize, usize),
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<bool, Error> {
        let mut emit = |start, end| emit(start + from, end + from);
        self.matches(text, from, to, &mut emit, tick)
    }

    /// Cuts `text[from..to]`, taken as a text of its own, into matches and gaps: for each piece
    /// that starts at `p` with `from < p < to`, sets bit `p % 64` of `cuts[p / 64]`. Clears none.
    /// `tick` is as in [`Pattern::for_each_match`].
    ///
    /// # Errors
    /// As [`Pattern::for_each_match`].
    pub fn cut(
        &self,
        text: &[u8],
        from: usize,
        to: usize,
        cuts: &mut [u64],
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<bool, Error> {
        if let Engine::Rules(scanner, Some(formulas)) = &self.engine
            && to.saturating_sub(from) >= SHORT
            && to <= text.len()
        {
            formulas.cut(scanner, text, from..to, cuts);
            return Ok(true);
        }
        let mut last = 0;
        let length = to.saturating_sub(from);
        let mut set = |at: usize| {
            if 0 < at
                && at < length
                && let Some(word) = cuts.get_mut((from + at) / 64)
            {
                *word |= 1 << ((from + at) % 64);
            }
        };
        let mut emit = |start, end| {
            if start != last {
                set(start);
            }
            set(end);
            last = end;
        };
        self.matches(text, from, to, &mut emit, tick)
    }

    /// Cuts a text into pieces of digits and the gaps between them, which are cut as texts of their own:
    /// sets bit `p % 64` of `cuts[p / 64]` for each place `p` inside the text where a part starts. If
    /// it is not known how the pattern does this, nothing is done, and the result is false.
    pub(crate) fn cut_around(&self, groups: &Groups, text: &[u8], cuts: &mut [u64]) -> bool {
        let Engine::Rules(scanner, Some(formulas)) = &self.engine else {
            return false;
        };
        formulas.cut_around(groups, scanner, text, cuts);
        true
    }

    /// Every match in the range, as start and end in the range; false if `tick` stopped it.
    fn matches(
        &self,
        text: &[u8],
        from: usize,
        to: usize,
        emit: &mut impl FnMut(usize, usize),
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<bool, Error> {
        let text = text.get(from..to).ok_or_else(|| {
            Error::Pretokenize(format!(
                "the range {from}..{to} is not in a text of {} bytes",
                text.len()
            ))
        })?;
        match &self.engine {
            Engine::Nothing => {}
            Engine::Literal(finder) => {
                let length = finder.needle().len();
                for start in finder.find_iter(text) {
                    emit(start, start + length);
                }
            }
            Engine::Rules(scanner, _) => scanner.for_each_match(text, emit),
            Engine::General(general) => {
                return general.for_each_match(&self.source, text, emit, tick);
            }
        }
        Ok(true)
    }
}
