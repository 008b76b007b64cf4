//! Why ids are not canonical.

/// Why ids are not canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A token, or two neighbours, that encoding would have cut otherwise.
    Pair,
    /// A token that reaches over the border of a pretoken.
    Pretoken,
    /// Text that an added token takes whole, or an added token where its text does not match.
    AddedToken,
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// Text that the normalizer changes, so no encoding decodes to it.
    Normalizer,
}

impl Reason {
    /// The name of the reason.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pair => "pair",
            Self::Pretoken => "pretoken",
            Self::AddedToken => "added-token",
            Self::InvalidUtf8 => "invalid-utf8",
            Self::Normalizer => "normalizer",
        }
    }
}
