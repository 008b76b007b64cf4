//! Patterns as ordered lists of rules, each of which needs no backtracking engine.
//!
//! A split pattern is an alternation of branches: literals, runs with an optional lead, runs
//! before a line break, white space short of its last character, digit groups. [`recognise`]
//! turns each branch into a [`Rule`] if its matches are known exactly, whatever its spelling,
//! and gives up on the whole pattern if one branch is not.
//!
//! Invariant: trying the rules in order at a position gives the match that the pattern has
//! there. Two patterns with equal rules have equal matches.
//!
//! Cost: linear in the size of the tree and its sets.

use super::syntax::{Ast, Greed};
use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};
use std::fmt::Debug;

/// An optional or required character before a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lead<S> {
    /// Which characters.
    pub(crate) set: S,
    /// Whether there must be one.
    pub(crate) required: bool,
    /// Whether it is kept even if the run then fails.
    pub(crate) possessive: bool,
}

/// One branch; `S` is how sets of characters are held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rule<S> {
    /// One of several strings, none of which starts another; sorted.
    Literals(Vec<String>),
    /// `lead? body{min,max} tail* suffix?`, all greedy.
    Run {
        /// Before the run.
        lead: Option<Lead<S>>,
        /// The run.
        body: S,
        /// Fewest characters of it, at least one.
        min: u32,
        /// Most characters of it.
        max: Option<u32>,
        /// Characters that may follow it.
        tail: Option<S>,
        /// Strings, one of which may follow.
        suffix: Vec<String>,
    },
    /// `lead? head* body+ suffix?`, where `head` gives back to `body`.
    Ending {
        /// Before the run.
        lead: Option<Lead<S>>,
        /// The run that gives back.
        head: S,
        /// What must end it.
        body: S,
        /// Strings, one of which may follow.
        suffix: Vec<String>,
    },
    /// `body+(?!stop)`, where no character is in both.
    Short {
        /// The run.
        body: S,
        /// What may not follow it.
        stop: S,
    },
    /// `body+` at the end of the text.
    Last {
        /// The run.
        body: S,
    },
    /// `body+`, as many as end at the end of the text or before a line feed.
    LineEnd {
        /// The run.
        body: S,
        /// The line feed.
        feed: S,
    },
    /// Nothing, before a run of `digit` whose length is a multiple of `size`.
    Border {
        /// What must stand before.
        behind: Option<S>,
        /// The run.
        digit: S,
        /// Length of a group.
        size: u32,
    },
    /// One to `size` of `digit`, the most before a run of `ahead` whose length is a multiple of `size`.
    Group {
        /// What is taken.
        digit: S,
        /// What is counted behind it.
        ahead: S,
        /// Length of a group.
        size: u32,
    },
}

impl<S> Lead<S> {
    fn map<T>(&self, set: &mut impl FnMut(&S) -> T) -> Lead<T> {
        Lead {
            set: set(&self.set),
            required: self.required,
            possessive: self.possessive,
        }
    }
}

impl<S> Rule<S> {
    /// The same rule with its sets held in another way.
    pub(crate) fn map<T>(&self, set: &mut impl FnMut(&S) -> T) -> Rule<T> {
        match self {
            Self::Literals(strings) => Rule::Literals(strings.clone()),
            Self::Run {
                lead,
                body,
                min,
                max,
                tail,
                suffix,
            } => Rule::Run {
                lead: lead.as_ref().map(|lead| lead.map(set)),
                body: set(body),
                min: *min,
                max: *max,
                tail: tail.as_ref().map(&mut *set),
                suffix: suffix.clone(),
            },
            Self::Ending {
                lead,
                head,
                body,
                suffix,
            } => Rule::Ending {
                lead: lead.as_ref().map(|lead| lead.map(set)),
                head: set(head),
                body: set(body),
                suffix: suffix.clone(),
            },
            Self::Short { body, stop } => Rule::Short {
                body: set(body),
                stop: set(stop),
            },
            Self::Last { body } => Rule::Last { body: set(body) },
            Self::LineEnd { body, feed } => Rule::LineEnd {
                body: set(body),
                feed: set(feed),
            },
            Self::Border {
                behind,
                digit,
                size,
            } => Rule::Border {
                behind: behind.as_ref().map(&mut *set),
                digit: set(digit),
                size: *size,
            },
            Self::Group { digit, ahead, size } => Rule::Group {
                digit: set(digit),
                ahead: set(ahead),
                size: *size,
            },
        }
    }
}

/// The rules of a pattern, or `None` if a branch is of no known kind.
pub(crate) fn recognise(ast: &Ast) -> Option<Vec<Rule<ClassUnicode>>> {
    let branches: &[Ast] = match ast {
        Ast::Alternate(branches) => branches,
        one => std::slice::from_ref(one),
    };
    let mut rules: Vec<Rule<ClassUnicode>> = Vec::new();
    for branch in branches {
        if let Some(next) = rule(branch) {
            add(&mut rules, next)?;
        } else {
            for part in distributed(branch)? {
                add(&mut rules, rule(&part)?)?;
            }
        }
    }
    Some(rules)
}

/// Adds a rule, joined to the one before it where the two are one.
fn add(rules: &mut Vec<Rule<ClassUnicode>>, next: Rule<ClassUnicode>) -> Option<()> {
    match (rules.last_mut(), next) {
        (Some(Rule::Literals(all)), Rule::Literals(more)) => {
            all.extend(more);
            *all = prefix_free(std::mem::take(all))?;
        }
        // At the end of the text a short run takes all that a last run would.
        (Some(last @ Rule::Last { .. }), Rule::Short { body, stop }) if matches!(&*last, Rule::Last { body: same } if *same == body) =>
        {
            *last = Rule::Short { body, stop };
        }
        // A short run fails only before the last character of a run.
        (
            Some(Rule::Short { body: same, stop }),
            Rule::Run {
                lead: None,
                body,
                min: 1,
                max: Some(_),
                tail: None,
                suffix,
            },
        ) if *same == body && *stop == complement(&body) && suffix.is_empty() => {
            rules.push(Rule::Run {
                lead: None,
                body,
                min: 1,
                max: None,
                tail: None,
                suffix,
            });
        }
        (_, next) => rules.push(next),
    }
    Some(())
}

/// `a?(?:b|c)d` as `abd|acd|bd|cd`, which is the order in which it is tried: before the alternation
/// there are single characters alone, each of them there or, if it may be missing, not.
fn distributed(branch: &Ast) -> Option<Vec<Ast>> {
    let Ast::Concat(items) = branch else {
        return None;
    };
    let place = items
        .iter()
        .position(|item| matches!(item, Ast::Alternate(_)))?;
    let Ast::Alternate(choices) = &items[place] else {
        return None;
    };
    let mut starts: Vec<Vec<Ast>> = vec![Vec::new()];
    for item in &items[..place] {
        let one = repeated(item)?;
        if one.max != Some(1) || one.min == 0 && one.greed != Greed::Greedy {
            return None;
        }
        let both = |start: Vec<Ast>| {
            let mut there = start.clone();
            there.push(Ast::Class(one.set.clone()));
            std::iter::once(there).chain((one.min == 0).then_some(start))
        };
        starts = starts.into_iter().flat_map(both).collect();
    }
    let parts = starts.iter().flat_map(|start| {
        choices.iter().map(|choice| {
            let mut part = start.clone();
            match choice {
                Ast::Concat(items) => part.extend_from_slice(items),
                one => part.push(one.clone()),
            }
            part.extend_from_slice(&items[place + 1..]);
            Ast::Concat(part)
        })
    });
    Some(parts.collect())
}

fn complement(set: &ClassUnicode) -> ClassUnicode {
    let mut other = set.clone();
    other.negate();
    other
}

fn meet(one: &ClassUnicode, other: &ClassUnicode) -> bool {
    let mut both = one.clone();
    both.intersect(other);
    !both.ranges().is_empty()
}

/// `set{min,max}`.
struct Repeated {
    set: ClassUnicode,
    min: u32,
    max: Option<u32>,
    greed: Greed,
}

fn repeated(ast: &Ast) -> Option<Repeated> {
    match ast {
        Ast::Class(set) => Some(Repeated {
            set: set.clone(),
            min: 1,
            max: Some(1),
            greed: Greed::Greedy,
        }),
        Ast::Atomic(node) => node.class().and_then(|_| repeated(node)),
        Ast::Concat(items) => looked_at(items),
        Ast::Repeat {
            node,
            min,
            max,
            greed,
        } if *greed != Greed::Lazy => {
            let inner = repeated(node)?;
            let (min, max) = match (inner.min, inner.max, min, max) {
                (1, Some(1), min, max) => (*min, *max),
                // A repeated group of one to several takes just as much as the plain run.
                (1, _, 0 | 1, None) if inner.greed == Greed::Greedy => (*min, None),
                _ => return None,
            };
            Some(Repeated {
                set: inner.set,
                min,
                max,
                greed: *greed,
            })
        }
        _ => None,
    }
}

/// `(?=seen)set` or `(?!seen)set`, which is one character of both or of the second alone.
fn looked_at(items: &[Ast]) -> Option<Repeated> {
    let [
        Ast::Look {
            ahead: true,
            negate,
            node,
        },
        one,
    ] = items
    else {
        return None;
    };
    let (seen, mut one) = (node.class()?, repeated(one)?);
    if (one.min, one.max) != (1, Some(1)) {
        return None;
    }
    if *negate {
        one.set.difference(seen);
    } else {
        one.set.intersect(seen);
    }
    Some(one)
}

fn rule(branch: &Ast) -> Option<Rule<ClassUnicode>> {
    let items: &[Ast] = match branch {
        Ast::Concat(items) => items,
        one => std::slice::from_ref(one),
    };
    if let Some(strings) = strings(branch)
        && strings.iter().all(|string| string.chars().nth(1).is_some())
    {
        return Some(Rule::Literals(prefix_free(strings)?));
    }
    group_rule(items)
        .or_else(|| edge_rule(items))
        .or_else(|| run_rule(items))
}

/// The rules for groups of digits that count from the right.
fn group_rule(items: &[Ast]) -> Option<Rule<ClassUnicode>> {
    let ahead = |item: &Ast| match item {
        Ast::Look {
            ahead: true,
            negate: false,
            node,
        } => groups_ahead(node),
        _ => None,
    };
    match items {
        [border] => {
            let (digit, size, least) = ahead(border)?;
            (least == 1).then_some(Rule::Border {
                behind: None,
                digit,
                size,
            })
        }
        [
            Ast::Look {
                ahead: false,
                negate: false,
                node,
            },
            border,
        ] => {
            let (digit, size, least) = ahead(border)?;
            (least == 1).then_some(Rule::Border {
                behind: Some(node.class()?.clone()),
                digit,
                size,
            })
        }
        [group, rest] => {
            let (ahead, size, least) = ahead(rest)?;
            let group = repeated(group)?;
            let exact = group.min == 1 && group.max == Some(size);
            (exact && least == 0 && group.greed == Greed::Greedy).then_some(Rule::Group {
                digit: group.set,
                ahead,
                size,
            })
        }
        _ => None,
    }
}

/// `(?:digit{size})+(?!digit)` or the same with `*`: the set, the size, and the fewest groups. What
/// comes behind may also be told as any other character or the end.
fn groups_ahead(node: &Ast) -> Option<(ClassUnicode, u32, u32)> {
    let Ast::Concat(items) = node else {
        return None;
    };
    let [
        Ast::Repeat {
            node: group,
            min: least @ (0 | 1),
            max: None,
            greed: Greed::Greedy | Greed::Possessive,
        },
        stop,
    ] = &items[..]
    else {
        return None;
    };
    let (digit, size) = match &**group {
        Ast::Concat(same) => {
            let digit = same.first()?.class()?;
            let all = same.iter().all(|item| item.class() == Some(digit));
            all.then(|| (digit.clone(), same.len() as u32))?
        }
        one => {
            let group = repeated(one)?;
            (group.max == Some(group.min)).then_some((group.set, group.min))?
        }
    };
    (barred(stop)? == digit && size >= 1).then_some((digit, size, *least))
}

/// The set of which no character may follow: `(?!set)`, or at the end of what is looked at
/// `(?:[^set]|$)`.
fn barred(stop: &Ast) -> Option<ClassUnicode> {
    match stop {
        Ast::Look {
            ahead: true,
            negate: true,
            node,
        } => node.class().cloned(),
        Ast::Alternate(ways) => {
            let ([Ast::Class(other), end] | [end, Ast::Class(other)]) = ways.as_slice() else {
                return None;
            };
            let at_end = match end {
                Ast::TextEnd => true,
                // Before a line feed it holds too.
                Ast::TextEndNewline | Ast::LineEnd => within(&super::syntax::single('\n'), other),
                _ => false,
            };
            at_end.then(|| complement(other))
        }
        _ => None,
    }
}

/// The rules for runs that look at what follows them.
fn edge_rule(items: &[Ast]) -> Option<Rule<ClassUnicode>> {
    let [run, edge] = items else {
        return None;
    };
    let run = repeated(run)?;
    if (run.min, run.max) != (1, None) {
        return None;
    }
    match edge {
        Ast::Look {
            ahead: true,
            negate: true,
            node,
        } => {
            let stop = node.class()?;
            (run.greed == Greed::Greedy && !meet(stop, &run.set)).then(|| Rule::Short {
                body: run.set,
                stop: stop.clone(),
            })
        }
        Ast::TextEnd => Some(Rule::Last { body: run.set }),
        Ast::LineEnd => {
            let feed = super::syntax::single('\n');
            let body = run.set;
            // A whole run that takes line feeds can only end a line at the end of the text.
            let whole = run.greed == Greed::Possessive && meet(&feed, &body);
            Some(if whole {
                Rule::Last { body }
            } else {
                Rule::LineEnd { body, feed }
            })
        }
        _ => None,
    }
}

/// The rules for runs with something before and behind them.
fn run_rule(mut items: &[Ast]) -> Option<Rule<ClassUnicode>> {
    let mut suffix = Vec::new();
    if let [rest @ .., last] = items
        && let Ast::Repeat {
            node,
            min: 0,
            max: Some(1),
            greed: Greed::Greedy | Greed::Possessive,
        } = last
        && let Some(strings) = strings(node)
    {
        suffix = prefix_free(strings)?;
        items = rest;
    }
    let mut items = joined(items)?;
    let has_lead = items.len() > 1
        && items
            .first()
            .is_some_and(|first| first.max == Some(1) && first.min <= 1);
    let lead = has_lead.then(|| items.remove(0)).map(|lead| Lead {
        required: lead.min == 1,
        possessive: lead.min == 0 && lead.greed == Greed::Possessive,
        set: lead.set,
    });
    let mut items = items.into_iter();
    let first = items.next()?;
    let second = items.next();
    if items.next().is_some() {
        return None;
    }
    match second {
        Some(body) if first.min == 0 => {
            let plain = first.max.is_none() && first.greed == Greed::Greedy;
            let once = body.max == Some(1) && within(&body.set, &first.set);
            (plain && body.min == 1 && (body.max.is_none() || once)).then_some(Rule::Ending {
                lead: settled(lead, &[&first.set, &body.set]),
                head: first.set,
                body: body.set,
                suffix,
            })
        }
        tail => {
            if first.min == 0 {
                return None;
            }
            let tail = match tail {
                None => None,
                Some(tail) if tail.min == 0 && tail.max.is_none() => Some(tail.set),
                Some(_) => return None,
            };
            Some(Rule::Run {
                lead: settled(lead, &[&first.set]),
                body: first.set,
                min: first.min,
                max: first.max,
                tail,
                suffix,
            })
        }
    }
}

/// The repetitions, neighbours of one set as one.
fn joined(items: &[Ast]) -> Option<Vec<Repeated>> {
    let mut joined: Vec<Repeated> = Vec::with_capacity(items.len());
    for item in items {
        let next = repeated(item)?;
        match joined.last_mut() {
            Some(last)
                if last.set == next.set
                    && (last.greed, next.greed) == (Greed::Greedy, Greed::Greedy) =>
            {
                last.min += next.min;
                last.max = last.max.zip(next.max).map(|(one, other)| one + other);
            }
            _ => joined.push(next),
        }
    }
    Some(joined)
}

/// The lead, greedy if it could never be given back with success.
fn settled(
    lead: Option<Lead<ClassUnicode>>,
    starts: &[&ClassUnicode],
) -> Option<Lead<ClassUnicode>> {
    lead.map(|lead| Lead {
        possessive: lead.possessive && starts.iter().any(|start| meet(start, &lead.set)),
        ..lead
    })
}

fn within(inner: &ClassUnicode, outer: &ClassUnicode) -> bool {
    let mut rest = inner.clone();
    rest.difference(outer);
    rest.ranges().is_empty()
}

/// More strings than this are no list of literals.
const MAX_STRINGS: usize = 256;

/// All strings that a tree without repetition matches, in order of preference.
fn strings(ast: &Ast) -> Option<Vec<String>> {
    match ast {
        Ast::Class(set) => {
            let size: usize = set.ranges().iter().map(ClassUnicodeRange::len).sum();
            let chars = set
                .ranges()
                .iter()
                .flat_map(|range| range.start()..=range.end());
            (size <= MAX_STRINGS).then(|| chars.map(String::from).collect())
        }
        Ast::Concat(items) => {
            let mut all = vec![String::new()];
            for item in items {
                let ends = strings(item)?;
                if all.len() * ends.len() > MAX_STRINGS {
                    return None;
                }
                all = all
                    .iter()
                    .flat_map(|start| ends.iter().map(move |end| format!("{start}{end}")))
                    .collect();
            }
            Some(all)
        }
        Ast::Alternate(branches) => {
            let mut all = Vec::new();
            for branch in branches {
                all.extend(strings(branch)?);
            }
            (all.len() <= MAX_STRINGS).then_some(all)
        }
        _ => None,
    }
}

/// The strings, sorted, if none starts another: then their order does not matter.
fn prefix_free(mut strings: Vec<String>) -> Option<Vec<String>> {
    strings.sort_unstable();
    strings.dedup();
    let clash = strings.windows(2).any(|pair| match pair {
        [one, other] => other.starts_with(one.as_str()),
        _ => false,
    });
    let empty = strings.first().is_none_or(String::is_empty);
    (!clash && !empty).then_some(strings)
}
