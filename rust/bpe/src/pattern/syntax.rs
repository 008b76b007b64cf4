//! The syntax of split patterns: source text to a small tree.
//!
//! Two dialects share one tree. Every set of characters, whatever its spelling, becomes a
//! [`ClassUnicode`], case folding included, so that later steps compare patterns by meaning.
//! Where the dialects differ, the tree says what is meant: `$` in Oniguruma is
//! [`Ast::LineEnd`], in the Rust dialect [`Ast::TextEnd`].
//!
//! Invariant: a tree that comes out of [`parse`] has exactly the matches of its source in its
//! dialect. Whatever is not surely understood is refused with `None`, never guessed.
//!
//! Cost: linear in the source, plus the size of its character sets.

use std::sync::LazyLock;

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

use super::Dialect;

/// How a repetition gives characters back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greed {
    /// Most first, gives back.
    Greedy,
    /// Fewest first.
    Lazy,
    /// Most, never gives back.
    Possessive,
}

/// Gives a number below a bound.
pub(crate) type Draw<'d> = &'d mut dyn FnMut(usize) -> usize;

/// The most times that an example repeats what has no bound.
const REPEATS: u32 = 3;

/// A parsed pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ast {
    /// One character of the set.
    Class(ClassUnicode),
    /// All in order; the empty one matches the empty text.
    Concat(Vec<Ast>),
    /// The first that leads to a match.
    Alternate(Vec<Ast>),
    /// `min` to `max` times, `None` being without bound.
    Repeat {
        /// What is repeated.
        node: Box<Ast>,
        /// Fewest times.
        min: u32,
        /// Most times.
        max: Option<u32>,
        /// How it gives back.
        greed: Greed,
    },
    /// An atomic group: the first way it matches, or none.
    Atomic(Box<Ast>),
    /// A look-around, which takes no character.
    Look {
        /// Ahead of the position, or behind it.
        ahead: bool,
        /// Whether it must fail.
        negate: bool,
        /// What is looked for.
        node: Box<Ast>,
    },
    /// Start of the text.
    TextStart,
    /// End of the text.
    TextEnd,
    /// End of the text, or before a line feed that ends it.
    TextEndNewline,
    /// Start of the text, or behind a line feed that does not end it.
    LineStart,
    /// End of the text, or before a line feed.
    LineEnd,
}

impl Ast {
    /// The set, if this is one character.
    pub(crate) fn class(&self) -> Option<&ClassUnicode> {
        match self {
            Self::Class(class) => Some(class),
            _ => None,
        }
    }

    /// Whether some match may take no character.
    pub(crate) fn can_be_empty(&self) -> bool {
        match self {
            Self::Class(_) => false,
            Self::Concat(items) => items.iter().all(Self::can_be_empty),
            Self::Alternate(branches) => branches.iter().any(Self::can_be_empty),
            Self::Repeat { node, min, .. } => *min == 0 || node.can_be_empty(),
            Self::Atomic(node) => node.can_be_empty(),
            Self::Look { .. }
            | Self::TextStart
            | Self::TextEnd
            | Self::TextEndNewline
            | Self::LineStart
            | Self::LineEnd => true,
        }
    }

    /// The most characters that a match, with what is looked for around it, counts: those of what
    /// is repeated without bound are counted as often as it must be there.
    pub(crate) fn counted(&self) -> usize {
        match self {
            Self::Class(_) => 1,
            Self::Concat(items) => items
                .iter()
                .fold(0, |sum, item| sum.saturating_add(item.counted())),
            Self::Alternate(branches) => branches.iter().map(Self::counted).max().unwrap_or(0),
            Self::Repeat { node, min, max, .. } => {
                let times = max.unwrap_or((*min).max(1)) as usize;
                node.counted().saturating_mul(times)
            }
            Self::Atomic(node) | Self::Look { node, .. } => node.counted(),
            Self::TextStart
            | Self::TextEnd
            | Self::TextEndNewline
            | Self::LineStart
            | Self::LineEnd => 0,
        }
    }

    /// Calls `add` with the set of each character of some text that is much like a match, with what
    /// is looked for around it. `draw` gives a number below a bound.
    pub(crate) fn example(&self, draw: Draw, add: &mut dyn FnMut(&ClassUnicode, Draw)) {
        match self {
            Self::Class(set) => add(set, draw),
            Self::Concat(items) => {
                for item in items {
                    item.example(draw, add);
                }
            }
            Self::Alternate(branches) => {
                if !branches.is_empty() {
                    branches[draw(branches.len())].example(draw, add);
                }
            }
            Self::Repeat { node, min, max, .. } => {
                let most = max.unwrap_or(min.saturating_add(REPEATS));
                let times = match draw(3) {
                    0 => *min,
                    1 => most,
                    _ => min + draw((most - min) as usize + 1) as u32,
                };
                for _ in 0..times {
                    node.example(draw, add);
                }
            }
            Self::Atomic(node) | Self::Look { node, .. } => node.example(draw, add),
            Self::TextStart
            | Self::TextEnd
            | Self::TextEndNewline
            | Self::LineStart
            | Self::LineEnd => (),
        }
    }

    /// Appends every set of characters that the tree asks for, each once.
    pub(crate) fn collect_sets(&self, sets: &mut Vec<ClassUnicode>) {
        let mut add = |set: &ClassUnicode| {
            if !sets.contains(set) {
                sets.push(set.clone());
            }
        };
        match self {
            Self::Class(set) => add(set),
            Self::Concat(items) | Self::Alternate(items) => {
                for item in items {
                    item.collect_sets(sets);
                }
            }
            Self::Repeat { node, .. } | Self::Atomic(node) | Self::Look { node, .. } => {
                node.collect_sets(sets);
            }
            Self::TextStart | Self::TextEnd => {}
            Self::TextEndNewline | Self::LineStart | Self::LineEnd => add(&single('\n')),
        }
    }
}

/// The tree of `source`, or `None` where this parser does not surely know its meaning.
pub(crate) fn parse(source: &str, dialect: Dialect) -> Option<Ast> {
    let mut parser = Parser {
        chars: source.chars().collect(),
        at: 0,
        dialect,
        depth: 0,
        brackets: 0,
    };
    let ast = parser.alternation(&mut Flags::default())?;
    (parser.at == parser.chars.len()).then_some(ast)
}

/// The set of one property, `\p{name}`.
pub(crate) fn property(name: &str) -> Option<ClassUnicode> {
    translate(&format!("\\p{{{name}}}"))
}

/// The set that a one-character pattern means in `regex-syntax`.
fn translate(pattern: &str) -> Option<ClassUnicode> {
    use regex_syntax::hir::{Class, HirKind};
    let hir = regex_syntax::Parser::new().parse(pattern).ok()?;
    match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class.clone()),
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).ok()?;
            let mut chars = text.chars();
            let one = single(chars.next()?);
            chars.next().is_none().then_some(one)
        }
        HirKind::Class(Class::Bytes(class)) => class.to_unicode_class(),
        _ => None,
    }
}

/// The set of one character.
pub(crate) fn single(c: char) -> ClassUnicode {
    ClassUnicode::new([ClassUnicodeRange::new(c, c)])
}

/// The set of a range.
fn range(first: char, last: char) -> ClassUnicode {
    ClassUnicode::new([ClassUnicodeRange::new(first, last)])
}

/// Options in force, scoped to a group.
#[derive(Clone, Copy, Default)]
struct Flags {
    fold: bool,
    dot_all: bool,
    multi_line: bool,
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    dialect: Dialect,
    depth: u32,
    /// Brackets around the position.
    brackets: u32,
}

/// Groups nested deeper than this are refused: the parser is recursive.
const MAX_DEPTH: u32 = 100;

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn eat(&mut self, text: &str) -> bool {
        let end = self.at + text.chars().count();
        let here = self.chars.get(self.at..end);
        let found = here.is_some_and(|here| here.iter().copied().eq(text.chars()));
        if found {
            self.at = end;
        }
        found
    }

    fn alternation(&mut self, flags: &mut Flags) -> Option<Ast> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let mut branches = vec![self.concat(flags)?];
        while self.eat("|") {
            branches.push(self.concat(flags)?);
        }
        self.depth -= 1;
        Some(alternate(branches))
    }

    fn concat(&mut self, flags: &mut Flags) -> Option<Ast> {
        let mut items = Vec::new();
        // Literals under case folding, to see foldings of several characters.
        let mut folded = String::new();
        while let Some(c) = self.peek() {
            if c == '|' || c == ')' {
                break;
            }
            if self.peek_option_setting() {
                self.option_setting(flags)?;
                if self.dialect == Dialect::Oniguruma {
                    // Oniguruma lets a bare option take in the alternatives that follow.
                    let mut inner = *flags;
                    items.push(self.alternation(&mut inner)?);
                    break;
                }
                continue;
            }
            let start = self.at;
            let atom = self.atom(*flags)?;
            let repeated = matches!(self.peek(), Some('?' | '*' | '+' | '{'));
            if self.dialect == Dialect::Oniguruma && flags.fold {
                match self.chars.get(start..self.at) {
                    Some(&[one]) if !repeated => folded.extend(one.to_lowercase()),
                    _ => folded.push('|'),
                }
                if folds_to_several(&folded) {
                    return None;
                }
            }
            items.push(self.repeat(atom)?);
        }
        Some(concat(items))
    }

    /// Whether `(?i)` and the like, an option without a group, comes next.
    fn peek_option_setting(&self) -> bool {
        let Some(rest) = self.chars.get(self.at..) else {
            return false;
        };
        if !rest.starts_with(&['(', '?']) {
            return false;
        }
        let letters = rest[2..]
            .iter()
            .take_while(|c| c.is_ascii_alphabetic() || **c == '-')
            .count();
        letters > 0 && rest.get(2 + letters) == Some(&')')
    }

    fn option_setting(&mut self, flags: &mut Flags) -> Option<()> {
        self.at += 2;
        self.options(flags)?;
        self.eat(")").then_some(())
    }

    /// Reads option letters up to `:` or `)`.
    fn options(&mut self, flags: &mut Flags) -> Option<()> {
        let mut on = true;
        while let Some(c) = self.peek() {
            match (c, self.dialect) {
                (':' | ')', _) => return Some(()),
                ('-', _) if on => on = false,
                ('i', _) => flags.fold = on,
                ('m', Dialect::Oniguruma) | ('s', Dialect::Rust) => flags.dot_all = on,
                ('m', Dialect::Rust) => flags.multi_line = on,
                ('u', Dialect::Rust) if on => {}
                _ => return None,
            }
            self.at += 1;
        }
        None
    }

    fn group(&mut self, flags: Flags) -> Option<Ast> {
        let mut inner = flags;
        let wrap: fn(Ast) -> Ast = if self.eat("?=") {
            |node| look(true, false, node)
        } else if self.eat("?!") {
            |node| look(true, true, node)
        } else if self.eat("?<=") {
            |node| look(false, false, node)
        } else if self.eat("?<!") {
            |node| look(false, true, node)
        } else if self.eat("?>") {
            |node| Ast::Atomic(Box::new(node))
        } else if self.eat("?<") || (self.dialect == Dialect::Rust && self.eat("?P<")) {
            let mut length = 0;
            while self.next()? != '>' {
                length += 1;
            }
            if length == 0 {
                return None;
            }
            |node| node
        } else if self.eat("?") {
            self.options(&mut inner)?;
            if !self.eat(":") {
                return None;
            }
            |node| node
        } else {
            |node| node
        };
        let node = self.alternation(&mut inner)?;
        self.eat(")").then(|| wrap(node))
    }

    fn atom(&mut self, flags: Flags) -> Option<Ast> {
        let c = self.next()?;
        let class = match c {
            '(' => return self.group(flags),
            '[' => self.bracket(flags)?,
            '.' if flags.dot_all => range('\0', char::MAX),
            '.' => {
                let mut class = single('\n');
                class.negate();
                class
            }
            '^' if self.dialect == Dialect::Oniguruma => return Some(Ast::LineStart),
            '$' if self.dialect == Dialect::Oniguruma => return Some(Ast::LineEnd),
            '^' if !flags.multi_line => return Some(Ast::TextStart),
            '$' if !flags.multi_line => return Some(Ast::TextEnd),
            '^' | '$' | '?' | '*' | '+' | '{' | '}' => return None,
            '\\' if self.eat("A") => return Some(Ast::TextStart),
            '\\' if self.eat("z") => return Some(Ast::TextEnd),
            // In the Rust dialect this is left to the general engine.
            '\\' if self.dialect == Dialect::Oniguruma && self.eat("Z") => {
                return Some(Ast::TextEndNewline);
            }
            '\\' => self.escape(flags)?,
            c => self.literal(c, flags)?,
        };
        Some(Ast::Class(class))
    }

    /// A quantifier behind `atom`, if there is one.
    fn repeat(&mut self, mut atom: Ast) -> Option<Ast> {
        while let Some(c) = self.peek() {
            let (min, max, interval) = match c {
                '?' => (0, Some(1), false),
                '*' => (0, None, false),
                '+' => (1, None, false),
                '{' => {
                    let (min, max) = self.interval()?;
                    (min, max, true)
                }
                _ => break,
            };
            if !interval {
                self.at += 1;
            }
            if max.is_some_and(|max| max < min)
                || matches!(atom, Ast::Look { .. } | Ast::TextStart | Ast::TextEnd)
                || matches!(atom, Ast::TextEndNewline | Ast::LineStart | Ast::LineEnd)
            {
                return None;
            }
            let oniguruma = self.dialect == Dialect::Oniguruma;
            // In Ruby syntax `{2}?` is an optional group of two and `{1,2}+` a repeated one.
            let greed = if self.peek() == Some('?') && !(oniguruma && interval && max == Some(min))
            {
                self.at += 1;
                Greed::Lazy
            } else if self.peek() == Some('+') && !(oniguruma && interval) {
                self.at += 1;
                Greed::Possessive
            } else {
                Greed::Greedy
            };
            atom = match (min, max) {
                (1, Some(1)) if greed == Greed::Possessive => Ast::Atomic(Box::new(atom)),
                (1, Some(1)) => atom,
                _ => Ast::Repeat {
                    node: Box::new(atom),
                    min,
                    max,
                    greed,
                },
            };
            if !oniguruma && matches!(self.peek(), Some('?' | '*' | '+' | '{')) {
                return None;
            }
        }
        Some(atom)
    }

    fn interval(&mut self) -> Option<(u32, Option<u32>)> {
        self.at += 1;
        let min = self.number();
        let (min, max) = if self.eat(",") {
            let max = self.number();
            match (min, max) {
                (None, None) => return None,
                (None, Some(_)) if self.dialect == Dialect::Rust => return None,
                (min, max) => (min.unwrap_or(0), max),
            }
        } else {
            (min?, min)
        };
        let small = min <= 1000 && max.is_none_or(|max| max <= 1000);
        (small && self.eat("}")).then_some((min, max))
    }

    fn number(&mut self) -> Option<u32> {
        let start = self.at;
        let mut value: u32 = 0;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            value = value.saturating_mul(10).saturating_add(digit);
            self.at += 1;
        }
        (self.at > start).then_some(value)
    }

    /// One character meant literally.
    fn literal(&self, c: char, flags: Flags) -> Option<ClassUnicode> {
        self.fold(single(c), flags)
    }

    /// The set with case folding, if that is on.
    fn fold(&self, class: ClassUnicode, flags: Flags) -> Option<ClassUnicode> {
        if !flags.fold {
            return Some(class);
        }
        let mut folded = class;
        folded.try_case_fold_simple().ok()?;
        // Oniguruma would also let such a character stand for several, as `ß` for `ss`.
        if self.dialect == Dialect::Oniguruma && has_long_folding(&folded) {
            return None;
        }
        Some(folded)
    }

    /// The set as it is; refused where folding would change it and the dialects may disagree.
    fn unfolded(&self, class: ClassUnicode, flags: Flags) -> Option<ClassUnicode> {
        if !flags.fold {
            return Some(class);
        }
        let mut folded = class.clone();
        folded.try_case_fold_simple().ok()?;
        (self.dialect == Dialect::Rust || folded == class).then_some(folded)
    }

    /// An escape that means one character of a set; the backslash is already read.
    fn escape(&mut self, flags: Flags) -> Option<ClassUnicode> {
        let c = self.next()?;
        let oniguruma = self.dialect == Dialect::Oniguruma;
        match c {
            'd' => self.unfolded(translate(r"\d")?, flags),
            'D' => self.unfolded(translate(r"\D")?, flags),
            's' => self.unfolded(translate(r"\s")?, flags),
            'S' => self.unfolded(translate(r"\S")?, flags),
            'w' => self.unfolded(self.word()?, flags),
            'W' => {
                let mut class = self.word()?;
                class.negate();
                self.unfolded(class, flags)
            }
            'h' | 'H' => {
                // A hexadecimal digit in both dialects.
                let mut class = translate("[0-9a-fA-F]")?;
                if c == 'H' {
                    class.negate();
                }
                self.unfolded(class, flags)
            }
            'p' | 'P' => {
                let class = self.named_property(c == 'P')?;
                self.unfolded(class, flags)
            }
            'n' => Some(single('\n')),
            'r' => Some(single('\r')),
            't' => Some(single('\t')),
            'f' => Some(single('\x0c')),
            'v' => Some(single('\x0b')),
            'a' => Some(single('\x07')),
            'e' => Some(single('\x1b')),
            'x' if self.eat("{") => {
                let value = self.hex(8)?;
                self.eat("}")
                    .then(|| char::from_u32(value))
                    .flatten()
                    .and_then(|c| self.literal(c, flags))
            }
            'x' => {
                let start = self.at;
                let value = self.hex(2)?;
                // Oniguruma reads high values as bytes.
                (value < 0x80 && self.at == start + 2)
                    .then(|| char::from_u32(value))
                    .flatten()
                    .and_then(|c| self.literal(c, flags))
            }
            'u' => {
                let start = self.at;
                let value = self.hex(4)?;
                (self.at == start + 4)
                    .then(|| char::from_u32(value))
                    .flatten()
                    .and_then(|c| self.literal(c, flags))
            }
            c if c.is_ascii_alphanumeric() => None,
            c if c.is_ascii() || oniguruma => self.literal(c, flags),
            _ => None,
        }
    }

    fn hex(&mut self, most: usize) -> Option<u32> {
        let mut value: u32 = 0;
        let mut count = 0;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(16)) {
            if count == most {
                break;
            }
            value = value.checked_mul(16)?.checked_add(digit)?;
            self.at += 1;
            count += 1;
        }
        (count > 0).then_some(value)
    }

    /// `\w`: Oniguruma leaves out the joiners that `regex-syntax` counts, and outside brackets
    /// takes the superscripts and fractions of Latin-1 in.
    fn word(&self) -> Option<ClassUnicode> {
        let mut class = translate(r"\w")?;
        if self.dialect == Dialect::Oniguruma {
            class.difference(&range('\u{200c}', '\u{200d}'));
            if self.brackets == 0 {
                class.union(&translate(r"[²³¹¼½¾]")?);
            }
        }
        Some(class)
    }

    fn named_property(&mut self, negate: bool) -> Option<ClassUnicode> {
        let mut negate = negate;
        let name: String = if self.eat("{") {
            if self.eat("^") {
                negate = !negate;
            }
            let start = self.at;
            while self.next()? != '}' {}
            self.chars.get(start..self.at - 1)?.iter().collect()
        } else if self.dialect == Dialect::Rust {
            self.next()?.to_string()
        } else {
            // Oniguruma reads `\pL` as a literal `p` and `L`.
            return None;
        };
        if self.dialect == Dialect::Oniguruma && !shared_property(&name) {
            return None;
        }
        let mut class = property(&name)?;
        if negate {
            class.negate();
        }
        Some(class)
    }

    /// A bracket expression; the opening bracket is already read.
    fn bracket(&mut self, flags: Flags) -> Option<ClassUnicode> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        self.brackets += 1;
        let negate = self.eat("^");
        let mut whole: Option<ClassUnicode> = None;
        let mut class = ClassUnicode::empty();
        let mut first = true;
        loop {
            if self.eat("&&") {
                class = intersect(whole.take(), class);
                whole = Some(class);
                class = ClassUnicode::empty();
                continue;
            }
            let c = self.next()?;
            if c == ']' && !first {
                break;
            }
            // An empty set, or a bracket that stands for itself: the dialects do not agree.
            if c == ']' {
                return None;
            }
            first = false;
            let item = match c {
                // A POSIX set is ASCII in one dialect, Unicode in the other.
                '[' if self.peek() == Some(':') => return None,
                '[' => self.bracket(flags)?,
                '-' if self.peek() == Some(']') => self.literal('-', flags)?,
                '-' if class.ranges().is_empty() && whole.is_none() => self.literal('-', flags)?,
                '-' | '&' | '~' if self.peek() == Some(c) => return None,
                '-' => return None,
                c => self.bracket_item(c, flags)?,
            };
            class.union(&item);
        }
        let mut class = intersect(whole, class);
        if negate {
            class.negate();
        }
        self.depth -= 1;
        self.brackets -= 1;
        Some(class)
    }

    /// A character, escape or range inside a bracket; `c` is already read.
    fn bracket_item(&mut self, c: char, flags: Flags) -> Option<ClassUnicode> {
        let plain = Flags::default();
        let item = if c == '\\' {
            // A set may not open a range, and only a set needs its folding here.
            let at = self.at;
            let item = self.escape(plain)?;
            if one_char(&item).is_none() {
                self.at = at;
                return self.escape(flags);
            }
            item
        } else {
            single(c)
        };
        let opens = self.peek() == Some('-')
            && !matches!(self.chars.get(self.at + 1), None | Some(']' | '['));
        if !opens {
            return self.fold(item, flags);
        }
        self.at += 1;
        let last = match self.next()? {
            '\\' => self.escape(plain)?,
            '-' | '&' => return None,
            c => single(c),
        };
        let (first, last) = (one_char(&item)?, one_char(&last)?);
        if first > last {
            return None;
        }
        self.fold(range(first, last), flags)
    }
}

/// Whether `\p{name}` means the same set in both dialects: general categories and scripts do,
/// names that Oniguruma takes from POSIX (`Punct`, `Print`, `Graph`, ..) do not.
fn shared_property(name: &str) -> bool {
    let known: String = name
        .chars()
        .filter(|c| !matches!(c, ' ' | '_' | '-'))
        .collect::<String>()
        .to_ascii_lowercase();
    let short = known.len() <= 2 && known.chars().next().is_some_and(|c| "lmnpszc".contains(c));
    short
        || matches!(
            known.as_str(),
            "letter"
                | "mark"
                | "number"
                | "symbol"
                | "punctuation"
                | "separator"
                | "han"
                | "hiragana"
                | "katakana"
                | "hangul"
                | "latin"
                | "greek"
                | "cyrillic"
                | "arabic"
                | "hebrew"
                | "thai"
                | "lao"
                | "khmer"
                | "myanmar"
                | "devanagari"
        )
}

fn look(ahead: bool, negate: bool, node: Ast) -> Ast {
    Ast::Look {
        ahead,
        negate,
        node: Box::new(node),
    }
}

fn intersect(whole: Option<ClassUnicode>, class: ClassUnicode) -> ClassUnicode {
    match whole {
        None => class,
        Some(mut whole) => {
            whole.intersect(&class);
            whole
        }
    }
}

fn one_char(class: &ClassUnicode) -> Option<char> {
    match class.ranges() {
        [one] if one.start() == one.end() => Some(one.start()),
        _ => None,
    }
}

/// A concatenation in its simplest form.
pub(crate) fn concat(items: Vec<Ast>) -> Ast {
    let mut flat = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Ast::Concat(inner) => flat.extend(inner),
            item => flat.push(item),
        }
    }
    match flat.len() {
        1 => flat.remove(0),
        _ => Ast::Concat(flat),
    }
}

/// An alternation in its simplest form: nested ones are flat, single characters are one set.
pub(crate) fn alternate(branches: Vec<Ast>) -> Ast {
    let mut flat: Vec<Ast> = Vec::with_capacity(branches.len());
    for branch in branches {
        match branch {
            Ast::Alternate(inner) => flat.extend(inner),
            branch => flat.push(branch),
        }
    }
    if flat.len() > 1 && flat.iter().all(|branch| branch.class().is_some()) {
        let mut union = ClassUnicode::empty();
        for branch in &flat {
            if let Some(class) = branch.class() {
                union.union(class);
            }
        }
        return Ast::Class(union);
    }
    match flat.len() {
        1 => flat.remove(0),
        _ => Ast::Alternate(flat),
    }
}

/// Whether a character of the set folds to several.
fn has_long_folding(class: &ClassUnicode) -> bool {
    class
        .iter()
        .flat_map(|range| range.start()..=range.end())
        .any(|c| long_folding(c).is_some())
}

/// The several characters, in lower case, that `c` folds to.
fn long_folding(c: char) -> Option<String> {
    let upper = c.to_uppercase();
    if upper.len() > 1 {
        return Some(upper.flat_map(char::to_lowercase).collect());
    }
    let lower = c.to_lowercase();
    (lower.len() > 1).then(|| lower.collect())
}

/// Whether a run of literals holds the folding of one character, as `ss` that of `ß`.
fn folds_to_several(folded: &str) -> bool {
    static FOLDINGS: LazyLock<Vec<String>> =
        LazyLock::new(|| ('\u{80}'..'\u{fb20}').filter_map(long_folding).collect());
    folded.chars().count() > 1 && FOLDINGS.iter().any(|folding| folded.contains(folding))
}
