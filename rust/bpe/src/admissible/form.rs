//! Texts in a Unicode normalization form, character by character.
//!
//! A normalizer that brings texts into a form gives just the texts that are in it. Such a text has
//! only characters that the form leaves alone, marks behind a character in the order of their
//! classes, and, in the composed forms, no character that would join the last starter or a part of
//! it. It might if it stands directly behind the starter or behind marks of lower classes, and
//! then the marks between make no difference: the two alone tell.
//!
//! Invariant: the steps from [`Form::NEUTRAL`] over a text are all there exactly if normalizing
//! the text does not change it.

use rustc_hash::FxHashSet;
use std::sync::LazyLock;
use unicode_normalization_alignments::UnicodeNormalization;
use unicode_normalization_alignments::char::canonical_combining_class;

use crate::normalizer::Form as Kind;

/// What the characters so far mean for those to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Form {
    /// The last starter, if another character may still join it.
    starter: Option<char>,
    /// The class of the last mark behind it, 0 if there is none.
    class: u8,
}

/// Characters that meet others in a form, and perhaps some more.
struct Meeting {
    /// Those for which it matters what stands before them.
    dependent: FxHashSet<char>,
    /// Starters for which it matters what stands behind them: those that decompose, and those that
    /// a decomposition starts with. No other can join anything.
    leading: FxHashSet<char>,
}

static MEETING: LazyLock<Meeting> = LazyLock::new(|| {
    let mut meeting = Meeting {
        dependent: FxHashSet::default(),
        leading: FxHashSet::default(),
    };
    for character in '\u{80}'..='\u{2FFFF}' {
        if canonical_combining_class(character) != 0 {
            meeting.dependent.insert(character);
        }
        let mut parts = std::iter::once(character).nfd().map(|(part, _)| part);
        let first = parts.next().filter(|&first| first != character);
        // A Hangul syllable of three parts takes no fourth.
        let is_full = ('가'..='힣').contains(&character)
            && !(character as u32 - '가' as u32).is_multiple_of(28);
        meeting.leading.extend(first);
        meeting
            .leading
            .extend(first.map(|_| character).filter(|_| !is_full));
        meeting.dependent.extend(parts);
    }
    meeting
});

impl Form {
    /// Behind characters that nothing joins.
    pub(super) const NEUTRAL: Self = Self {
        starter: None,
        class: 0,
    };

    /// Behind characters that no dependent one may follow. What goes on from here goes on from every
    /// form.
    pub(super) const WARY: Self = Self {
        starter: None,
        class: u8::MAX,
    };

    /// The form behind one more character, `None` if the text is not normalized then.
    pub(super) fn next(self, kind: Kind, character: char) -> Option<Self> {
        let composed = matches!(kind, Kind::Nfc | Kind::Nfkc);
        let behind_starter = || Self {
            starter: Some(character).filter(|first| composed && MEETING.leading.contains(first)),
            class: 0,
        };
        if character.is_ascii() {
            return Some(behind_starter());
        }
        if !leaves(kind, character) || (self == Self::WARY && dependent().contains(&character)) {
            return None;
        }
        let class = canonical_combining_class(character);
        if class != 0 && class < self.class {
            return None;
        }
        let meets = self.class == 0 || self.class < class;
        if composed
            && meets
            && let Some(starter) = self.starter
            && !is_stable(kind, [starter, character].into_iter())
        {
            return None;
        }
        Some(if class == 0 {
            behind_starter()
        } else {
            Self { class, ..self }
        })
    }
}

/// Whether a form leaves a character alone.
pub(super) fn leaves(kind: Kind, character: char) -> bool {
    is_stable(kind, std::iter::once(character))
}

/// Whether a form does not change a text.
fn is_stable(kind: Kind, text: impl Iterator<Item = char> + Clone) -> bool {
    let again = text.clone();
    match kind {
        Kind::Nfc => text.nfc().map(|(character, _)| character).eq(again),
        Kind::Nfd => text.nfd().map(|(character, _)| character).eq(again),
        Kind::Nfkc => text.nfkc().map(|(character, _)| character).eq(again),
        Kind::Nfkd => text.nfkd().map(|(character, _)| character).eq(again),
    }
}

/// Characters for which it matters what stands before them, and perhaps some more.
pub(super) fn dependent() -> &'static FxHashSet<char> {
    &MEETING.dependent
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_leading_characters_are_joined() {
        let mut dependent: Vec<char> = dependent().iter().copied().collect();
        dependent.sort_unstable();
        for starter in ('\0'..='\u{2FFFF}').filter(|first| !MEETING.leading.contains(first)) {
            // Each meets some, and each is met by some.
            let from = starter as usize % 97;
            for &character in dependent.iter().skip(from).step_by(97) {
                for kind in [Kind::Nfc, Kind::Nfkc] {
                    let is_left = leaves(kind, starter) && leaves(kind, character);
                    let together = [starter, character].into_iter();
                    let is_sorted = canonical_combining_class(starter) == 0;
                    assert!(
                        !is_left || !is_sorted || is_stable(kind, together),
                        "{starter} {character} {kind:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_a_wary_form_lets_pass_passes_everywhere() {
        let marks = ['\u{301}', '\u{323}', 'ᅡ', 'ᆨ', '\u{9BE}'];
        for text in [
            &['a'][..],
            &['中'],
            &['é', '\u{323}'],
            &['e', '\u{327}'],
            &['가'],
        ] {
            for kind in [Kind::Nfc, Kind::Nfd, Kind::Nfkc, Kind::Nfkd] {
                let steps = text
                    .iter()
                    .try_fold(Form::NEUTRAL, |form, &one| form.next(kind, one));
                let Some(form) = steps else {
                    continue;
                };
                assert_eq!(marks.map(|mark| Form::WARY.next(kind, mark)), [None; 5]);
                for other in ['a', '1', '中', '각', 'ᄀ', 'é'] {
                    let passed = Form::WARY.next(kind, other);
                    assert_eq!(passed, form.next(kind, other), "{text:?} {other} {kind:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn all_steps_are_there_if_normalizing_changes_nothing(
            text in prop::collection::vec(
                prop_oneof![
                    prop::sample::select(vec![
                        'a', 'e', 'é', '\u{301}', '\u{323}', '\u{327}', '\u{345}', 'ᄀ', 'ᅡ', 'ᆨ', '가', '각',
                        '\u{9C7}', '\u{9BE}', '\u{9CB}', 'ﬁ', 'Å', '\u{212B}', '\u{1E9B}', '\u{FB2A}', '\u{5D0}', '\u{5B8}',
                        'ž', 'ẓ', '\u{30C}', '\u{316}', 'ǭ', '\u{328}', '\u{304}',
                    ]),
                    any::<char>(),
                ],
                0..6,
            ),
        ) {
            let string: String = text.iter().collect();
            for kind in [Kind::Nfc, Kind::Nfd, Kind::Nfkc, Kind::Nfkd] {
                let steps = text.iter().try_fold(Form::NEUTRAL, |form, &character| form.next(kind, character));
                let same = is_stable(kind, string.chars());
                prop_assert_eq!(steps.is_some(), same, "{:?} {:?}", kind, string);
            }
        }
    }
}
