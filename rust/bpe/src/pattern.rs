//! Stand-in for the pattern engines: `fancy-regex` alone, on valid UTF-8.

use crate::Error;

/// Whose regex dialect a pattern is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Oniguruma.
    Oniguruma,
    /// `fancy-regex`.
    Rust,
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Pattern(fancy_regex::Regex);

impl Pattern {
    /// Compiles.
    ///
    /// # Errors
    /// If it is not valid.
    pub fn new(source: &str, dialect: Dialect) -> Result<Self, Error> {
        let source = match dialect {
            Dialect::Oniguruma => format!("(?m){source}"),
            Dialect::Rust => source.to_owned(),
        };
        let regex = fancy_regex::Regex::new(&source).map_err(|error| Error::Unsupported {
            component: source,
            reason: error.to_string(),
        })?;
        Ok(Self(regex))
    }
    /// A literal.
    #[must_use]
    #[allow(clippy::missing_panics_doc, clippy::unwrap_used)]
    pub fn literal(text: &str) -> Self {
        if text.is_empty() {
            return Self::new("(?!)", Dialect::Rust).unwrap();
        }
        Self::new(&fancy_regex::escape(text), Dialect::Rust).unwrap()
    }
    /// The source.
    #[must_use]
    pub fn source(&self) -> &str {
        self.0.as_str()
    }
    /// Whether matches cover all text.
    #[must_use]
    pub fn is_total(&self) -> bool {
        false
    }
    /// Every match.
    ///
    /// # Errors
    /// If it fails.
    pub fn for_each_match(
        &self,
        text: &[u8],
        from: usize,
        to: usize,
        emit: &mut dyn FnMut(usize, usize),
    ) -> Result<(), Error> {
        let error = |error: &dyn std::fmt::Display| Error::Pretokenize(error.to_string());
        let text = std::str::from_utf8(&text[from..to]).map_err(|e| error(&e))?;
        for found in self.0.find_iter(text) {
            let found = found.map_err(|e| error(&e))?;
            emit(from + found.start(), from + found.end());
        }
        Ok(())
    }
    /// Sets a bit for every piece start.
    ///
    /// # Errors
    /// If it fails.
    pub fn cut(&self, text: &[u8], from: usize, to: usize, cuts: &mut [u64]) -> Result<(), Error> {
        self.for_each_match(text, from, to, &mut |start, end| {
            for place in [start, end] {
                if from < place && place < to {
                    cuts[place / 64] |= 1 << (place % 64);
                }
            }
        })
    }
}
