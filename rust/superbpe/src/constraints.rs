//! What a superword may not be.
//!
//! A constraint looks at the bytes of the would-be token alone, so every way to make a token is
//! forbidden alike, and no token has two merges. Source of `max_words` and `": "`: the reference
//! trainer; the others answer wishes of its users.

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};
use unicode_script::{Script, UnicodeScript};

/// The rules of the second stage.
// Independent switches, as a caller gives them.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraints {
    /// Pieces between spaces (U+0020), empty ones not counted.
    pub max_words: Option<usize>,
    /// What no token may contain.
    pub forbid_substrings: Vec<Vec<u8>>,
    /// Whether anything may follow a line end inside a token.
    pub cross_newline: bool,
    /// Whether anything may follow the end of a sentence and white space inside a token.
    pub cross_sentence: bool,
    /// Whether a token with a letter or a number may end in punctuation, white space behind it
    /// not counted.
    pub trailing_punctuation: bool,
    /// Whether a token may have letters of two scripts. Kana and Han count as one.
    pub cross_script: bool,
}

impl Default for Constraints {
    fn default() -> Self {
        Self {
            max_words: Some(4),
            forbid_substrings: vec![b": ".to_vec()],
            cross_newline: true,
            cross_sentence: true,
            trailing_punctuation: true,
            cross_script: true,
        }
    }
}

impl Constraints {
    /// No constraint.
    #[must_use]
    pub fn none() -> Self {
        Self {
            max_words: None,
            forbid_substrings: Vec::new(),
            ..Self::default()
        }
    }

    /// Whether a token may be made.
    #[must_use]
    pub fn allow(&self, token: &[u8]) -> bool {
        let words = || {
            token
                .split(|&byte| byte == b' ')
                .filter(|word| !word.is_empty())
        };
        let has_too_many = self.max_words.is_some_and(|most| words().count() > most);
        let has_forbidden = self
            .forbid_substrings
            .iter()
            .any(|part| memchr::memmem::find(token, part).is_some());
        if has_too_many || has_forbidden {
            return false;
        }
        if self.cross_newline
            && self.cross_sentence
            && self.trailing_punctuation
            && self.cross_script
        {
            return true;
        }
        // Characters that are cut at an end of the token are no characters yet.
        let text: String = token.utf8_chunks().map(|chunk| chunk.valid()).collect();
        (self.cross_newline || !crosses_newline(&text))
            && (self.cross_sentence || !crosses_sentence(&text))
            && (self.trailing_punctuation || !ends_in_punctuation(&text))
            && (self.cross_script || !crosses_script(&text))
    }
}

fn crosses_newline(text: &str) -> bool {
    text.trim_end_matches(['\r', '\n']).contains(['\r', '\n'])
}

/// A full stop, question or exclamation mark, closing marks, white space, and then anything; or
/// the ideographic marks, which need no white space.
fn crosses_sentence(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find(['.', '!', '?', '…', '。', '！', '？']) {
        let mark = rest[at..].chars().next().unwrap_or_default();
        let behind = &rest[at + mark.len_utf8()..];
        let closed = behind.trim_start_matches(|c: char| {
            matches!(c, '"' | '\'' | '.' | '!' | '?')
                || matches!(
                    c.general_category(),
                    unicode_properties::GeneralCategory::ClosePunctuation
                        | unicode_properties::GeneralCategory::FinalPunctuation
                )
        });
        let next = closed.trim_start();
        let is_wide = matches!(mark, '。' | '！' | '？');
        if !next.is_empty() && (is_wide || next.len() < closed.len()) {
            return true;
        }
        rest = behind;
    }
    false
}

fn ends_in_punctuation(text: &str) -> bool {
    let is_word = |c: char| {
        matches!(
            c.general_category_group(),
            GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number
        )
    };
    text.contains(is_word)
        && text
            .trim_end()
            .chars()
            .next_back()
            .is_some_and(|last| last.general_category_group() == GeneralCategoryGroup::Punctuation)
}

fn crosses_script(text: &str) -> bool {
    let mut scripts = text.chars().filter_map(|c| match c.script() {
        Script::Common | Script::Inherited | Script::Unknown => None,
        Script::Hiragana | Script::Katakana => Some(Script::Han),
        script => Some(script),
    });
    let first = scripts.next();
    scripts.any(|script| Some(script) != first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_looks_at_the_token_alone() {
        let with = |change: fn(&mut Constraints)| {
            let mut constraints = Constraints::none();
            change(&mut constraints);
            move |token: &str| constraints.allow(token.as_bytes())
        };
        let words = with(|c| c.max_words = Some(2));
        assert!(words(" of the ") && words("a\tb\nc\u{a0}d e") && !words(" of the a"));
        let colon = with(|c| c.forbid_substrings = vec![b": ".to_vec()]);
        assert!(colon("Answer:") && colon(":  ").eq(&false) && !colon("Answer: a"));
        let newline = with(|c| c.cross_newline = false);
        assert!(newline("end.\r\n\n") && !newline("a\nb") && !newline("\n\t"));
        let sentence = with(|c| c.cross_sentence = false);
        assert!(sentence("3.14") && sentence("end. ") && sentence("e.g.") && sentence("何。"));
        assert!(!sentence("end. The") && !sentence("end.”\n A") && !sentence("何。私"));
        assert!(!sentence("Yes?! No"));
        let trailing = with(|c| c.trailing_punctuation = false);
        assert!(trailing("()") && trailing("it's") && !trailing(" ends.\n") && !trailing("a,"));
        let script = with(|c| c.cross_script = false);
        assert!(script("of the 3") && script("私は漢字") && !script("aя") && script("é e\u{301}"));
        assert!(Constraints::none().allow(&[0xC3]) && Constraints::default().allow(b" of the"));
    }
}
