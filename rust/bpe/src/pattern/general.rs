//! The general engine: any pattern that no linear scanner is known for, by backtracking.
//!
//! A pattern of the Rust dialect goes to `fancy-regex` as it is. One of Oniguruma is written
//! anew from its tree, with every set and anchor spelled out, so that nothing depends on the
//! engine's own reading of `$`, `\w` or `{2}+`.
//!
//! Cost: unbounded by nature; [`BACKTRACK_LIMIT`] steps a match, then an error.

use super::Dialect;
use super::syntax::{Ast, Greed};
use crate::Error;
use fancy_regex::{Regex, RegexBuilder};
use std::borrow::Cow;
use std::fmt::Write as _;

/// Steps that one match may take.
const BACKTRACK_LIMIT: usize = 50_000_000;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) struct General {
    regex: Regex,
}

impl General {
    /// Compiles `source`, whose tree is `ast` if it is known.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the engine refuses it, or its meaning in Oniguruma is not known.
    pub(crate) fn new(source: &str, dialect: Dialect, ast: Option<&Ast>) -> Result<Self, Error> {
        let unsupported = |reason: String| Error::Unsupported {
            component: format!("the pattern {source:?}"),
            reason,
        };
        let spelled = match (dialect, ast) {
            (Dialect::Rust, _) => source.to_owned(),
            (Dialect::Oniguruma, Some(ast)) => {
                let mut spelled = String::new();
                spell(ast, &mut spelled);
                spelled
            }
            (Dialect::Oniguruma, None) => {
                return Err(unsupported(
                    "it uses a part of the Oniguruma syntax whose meaning cannot be reproduced; \
                     rewrite it with plain sets, groups, quantifiers and look-around"
                        .to_owned(),
                ));
            }
        };
        let regex = RegexBuilder::new(&spelled)
            .backtrack_limit(BACKTRACK_LIMIT)
            .build()
            .map_err(|error| unsupported(format!("it does not compile: {error}")))?;
        Ok(Self { regex })
    }

    /// Every match in `text`, empty ones included, save an empty one right behind a match. `tick` is
    /// called after each, since each may take as long as the text; when it returns false the result
    /// is `Ok(false)`.
    ///
    /// # Errors
    /// [`Error::Pretokenize`] where a match would take too many steps.
    pub(crate) fn for_each_match(
        &self,
        source: &str,
        text: &[u8],
        emit: &mut impl FnMut(usize, usize),
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<bool, Error> {
        let (valid, starts) = decode(text);
        let place = |at: usize| match &starts {
            None => at,
            Some(starts) => starts.get(at).copied().unwrap_or(text.len()),
        };
        let mut done = 0;
        for found in self.regex.find_iter(valid.as_ref()) {
            let found = found.map_err(|error| {
                Error::Pretokenize(format!(
                    "the pattern {source:?} gave up behind byte {} of a text of {} bytes: {error}",
                    place(done),
                    text.len()
                ))
            })?;
            emit(place(found.start()), place(found.end()));
            done = found.end();
            if !tick() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The text with U+10FFFF for every byte that is not UTF-8, and, if there was one, the original
/// position of each byte of it.
fn decode(text: &[u8]) -> (Cow<'_, str>, Option<Vec<usize>>) {
    if let Ok(valid) = std::str::from_utf8(text) {
        return (Cow::Borrowed(valid), None);
    }
    let mut valid = String::with_capacity(text.len() + text.len() / 2);
    let mut starts = Vec::with_capacity(text.len() + text.len() / 2);
    let mut at = 0;
    for chunk in text.utf8_chunks() {
        valid.push_str(chunk.valid());
        starts.extend(at..at + chunk.valid().len());
        at += chunk.valid().len();
        for _ in chunk.invalid() {
            valid.push(char::MAX);
            starts.extend([at; char::MAX.len_utf8()]);
            at += 1;
        }
    }
    (Cow::Owned(valid), Some(starts))
}

/// Writes a tree in the syntax of `fancy-regex`, sets and anchors spelled out.
pub(crate) fn spell(ast: &Ast, out: &mut String) {
    match ast {
        Ast::Class(class) if class.ranges().is_empty() => out.push_str("(?!)"),
        Ast::Class(class) => {
            out.push('[');
            for range in class.ranges() {
                let (first, last) = (range.start() as u32, range.end() as u32);
                let _ = write!(out, "\\x{{{first:x}}}-\\x{{{last:x}}}");
            }
            out.push(']');
        }
        Ast::Concat(items) => items.iter().for_each(|item| spell(item, out)),
        Ast::Alternate(branches) => {
            let mut opening = "(?:";
            for branch in branches {
                out.push_str(opening);
                spell(branch, out);
                opening = "|";
            }
            out.push(')');
        }
        Ast::Repeat {
            node,
            min,
            max,
            greed,
        } => {
            out.push_str("(?:");
            spell(node, out);
            let _ = match max {
                Some(max) => write!(out, "){{{min},{max}}}"),
                None => write!(out, "){{{min},}}"),
            };
            out.push_str(match greed {
                Greed::Greedy => "",
                Greed::Lazy => "?",
                Greed::Possessive => "+",
            });
        }
        Ast::Atomic(node) => enclose("(?>", node, out),
        Ast::Look {
            ahead,
            negate,
            node,
        } => {
            let opening = match (ahead, negate) {
                (true, false) => "(?=",
                (true, true) => "(?!",
                (false, false) => "(?<=",
                (false, true) => "(?<!",
            };
            enclose(opening, node, out);
        }
        Ast::TextStart => out.push_str(r"\A"),
        Ast::TextEnd => out.push_str(r"\z"),
        Ast::TextEndNewline => out.push_str(r"(?=\n?\z)"),
        Ast::LineStart => out.push_str(r"(?:\A|(?<=\n)(?!\z))"),
        Ast::LineEnd => out.push_str(r"(?=\n|\z)"),
    }
}

fn enclose(opening: &str, node: &Ast, out: &mut String) {
    out.push_str(opening);
    spell(node, out);
    out.push(')');
}
