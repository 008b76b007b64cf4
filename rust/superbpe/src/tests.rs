#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use proptest::prelude::*;
use tokseam_bpe::Tokenizer;

use crate::constraints::Constraints;
use crate::merger::{self, Rules, Sequences, Stop};
use crate::pairs::{PairCounts, Start};
use crate::pretokens::PretokenCounts;
use crate::runs::RunCounts;
use crate::scheme::{Scheme, isolated};
use crate::stage::{self, Learned, Settings};
use crate::tokens::Tokens;
use crate::{file, reference};

fn rules(size: usize) -> Rules<'static> {
    Rules {
        size,
        min_frequency: 1,
        bar: 1,
        max_token_length: None,
        constraints: None,
    }
}

fn settings(size: usize) -> Settings {
    Settings {
        size,
        min_frequency: 1,
        max_token_length: None,
    }
}

fn count(scheme: &Scheme, texts: &[&[u8]], threads: usize) -> PretokenCounts {
    let mut counts = PretokenCounts::new(&scheme.stage1, None).unwrap();
    assert!(counts.update(texts, false, threads, &mut || true).unwrap());
    counts
}

/// The first stage over every byte of the texts, as a tokenizer.
fn first_stage(scheme: &Scheme, texts: &[&[u8]], size: usize) -> (Learned, Arc<Tokenizer>) {
    let mut counts = count(scheme, texts, 1);
    let alphabet = stage::alphabet(&mut counts);
    let learned = stage::learn(
        &mut counts,
        &[],
        &alphabet,
        &settings(size),
        None,
        &mut |_| true,
    )
    .unwrap()
    .unwrap();
    let merges: Vec<_> = learned
        .merged
        .steps
        .iter()
        .map(|step| (step.left, step.right, step.result))
        .collect();
    let json = file::plain(&[], &alphabet, &merges, &scheme.stage1).unwrap();
    (
        learned,
        Arc::new(Tokenizer::from_json(json.as_bytes()).unwrap()),
    )
}

fn runs(start: &Start, texts: &[&[u8]], barrier: u64, threads: usize) -> RunCounts {
    let mut pairs = PairCounts::new(start.clone(), None);
    assert!(pairs.update(texts, false, threads, &mut || true).unwrap());
    let mut runs = RunCounts::new(&mut pairs, barrier);
    assert!(runs.update(texts, false, threads, &mut || true).unwrap());
    assert_eq!(runs.totals(), pairs.totals());
    runs
}

/// Words in which ties and runs abound.
fn words() -> impl Strategy<Value = Vec<(Vec<u8>, u64)>> {
    let word = prop::collection::vec(prop::sample::select(b"aab c".to_vec()), 1..12);
    prop::collection::vec((word, 1..4u64), 1..12)
}

proptest! {
    #[test]
    fn merging_is_what_the_definition_says(
        words in words(),
        size in 5..40usize,
        min_frequency in 0..4u64,
        max_token_length in prop::option::of(1..7usize),
        max_words in prop::option::of(1..3usize),
        bar in 1..5u64,
    ) {
        let constraints = Constraints { max_words, ..Constraints::none() };
        let specials = ["ab".to_owned(), "Ġc".to_owned()];
        let rules = Rules {
            min_frequency,
            max_token_length,
            constraints: Some(&constraints),
            ..rules(size + 1)
        };
        let new = || Tokens::new(&specials, b"abc ").unwrap();
        let ids = |word: &[u8]| -> Vec<u32> {
            word.iter().map(|&byte| new().id(&[byte]).unwrap()).collect()
        };
        let mut slow: Vec<_> = words.iter().map(|(word, count)| (ids(word), *count)).collect();
        let expected = reference::merge(&mut slow, &mut new(), &rules);
        let sequences = || {
            let mut sequences = Sequences::default();
            for (word, count) in words.iter().rev() {
                sequences.push(ids(word).into_iter(), *count).unwrap();
            }
            sequences
        };
        let found = merger::merge(&mut sequences(), &mut new(), &rules, None, &mut |_| true).unwrap();
        prop_assert_eq!(&found, &expected);
        // From any moment on, with what there was then, the same.
        for merges in 0..=found.steps.len() {
            let mut before = found.clone();
            before.steps.truncate(merges);
            before.vetoes.retain(|veto| veto.after < merges as u32 || merges == found.steps.len());
            let again = merger::merge(&mut sequences(), &mut new(), &rules, Some(&before), &mut |_| true);
            prop_assert_eq!(again.as_ref(), Some(&expected));
        }
        // With a bar, the same merges down to the bar.
        let barred = Rules { bar, ..rules };
        let found = merger::merge(&mut sequences(), &mut new(), &barred, None, &mut |_| true).unwrap();
        prop_assert_eq!(&found.steps[..], &expected.steps[..found.steps.len()]);
        if found.stop == Stop::Bar {
            prop_assert!(expected.steps.get(found.steps.len()).is_none_or(|step| step.count < bar));
        } else {
            prop_assert_eq!(found.steps.len(), expected.steps.len());
        }
    }

    #[test]
    fn the_second_stage_is_what_the_definition_says(
        texts in prop::collection::vec("[ab]{1,3}([ .,\n]{1,2}[abc1]{1,3}){0,9}", 1..8),
        first in 0..8usize,
        second in 1..16usize,
        barrier in 1..5u64,
        threads in 1..3usize,
    ) {
        let texts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
        let scheme = Scheme { stage1: isolated(r"\s?\w+|\s+"), stage2: isolated(r"\d|\n+") };
        let mut counts = count(&scheme, &texts, threads);
        let alphabet = stage::alphabet(&mut counts).len();
        let (_, base) = first_stage(&scheme, &texts, alphabet + first);
        let start = Start::new(base.clone(), &scheme.stage2).unwrap();
        let constraints = Constraints { max_words: Some(2), ..Constraints::none() };
        let settings = settings(base.vocab_size() + second);

        let mut tokens = Tokens::of(&base).unwrap();
        let mut slow = Vec::new();
        for text in &texts {
            let (mut ids, mut starts) = (Vec::new(), Vec::new());
            start.tokenizer().worker().encode_pretokens(text, &mut ids, &mut starts, &mut || true).unwrap();
            starts.push(ids.len());
            slow.extend(starts.windows(2).map(|pair| (ids[pair[0]..pair[1]].to_vec(), 1)));
        }
        let rules = Rules { constraints: Some(&constraints), ..rules(settings.size) };
        let expected = reference::merge(&mut slow, &mut tokens, &rules);

        let mut counted = runs(&start, &texts, barrier, threads);
        let found = stage::extend(&mut counted, &constraints, &settings, None, &mut |_| true).unwrap().unwrap();
        let steps = &found.merged.steps;
        prop_assert_eq!(&steps[..], &expected.steps[..steps.len()]);
        if found.merged.stop == Stop::Bar {
            prop_assert!(expected.steps.get(steps.len()).is_none_or(|step| step.count < barrier));
        } else {
            prop_assert_eq!(&found.merged, &expected);
        }

        // Encoding with the file gives what training left.
        let merges: Vec<_> = steps.iter().map(|step| (step.left, step.right, step.result)).collect();
        let json = file::extended(&base, &merges, &scheme.stage2).unwrap();
        let tokenizer = Tokenizer::from_json(json.as_bytes()).unwrap();
        if steps.len() == expected.steps.len() {
            let mut ids = Vec::new();
            for text in &texts {
                tokenizer.encode(text, &tokseam_bpe::added::Allowed::None, &mut ids, &mut || true).unwrap();
            }
            prop_assert_eq!(ids, slow.into_iter().flat_map(|(ids, _)| ids).collect::<Vec<_>>());
        }
        let applied: u64 = steps.iter().map(|step| step.applied).sum();
        let mut total = 0;
        for text in &texts {
            let mut ids = Vec::new();
            tokenizer.encode(text, &tokseam_bpe::added::Allowed::None, &mut ids, &mut || true).unwrap();
            total += ids.len() as u64;
        }
        prop_assert_eq!(found.start - applied, total);
    }

    #[test]
    fn counts_are_a_commutative_monoid(
        texts in prop::collection::vec("[ab]{1,3}( [ab]{1,3}){0,5}", 1..8),
        cut in 0..8usize,
    ) {
        let texts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
        let scheme = Scheme::recommended();
        let (one, two) = texts.split_at(cut.min(texts.len()));
        let sorted = |counts: &mut PretokenCounts| {
            let mut words: Vec<_> = counts.gather().iter().map(|(word, count)| (word.to_vec(), count)).collect();
            words.sort();
            (words, counts.totals())
        };
        let mut whole = count(&scheme, &texts, 2);
        let mut parts = count(&scheme, two, 1);
        parts.merge(&count(&scheme, one, 1)).unwrap();
        prop_assert_eq!(sorted(&mut whole), sorted(&mut parts));
    }
}

#[test]
fn weights_above_32_bits_are_exact() {
    let mut counts = count(&Scheme::recommended(), &[], 1);
    counts.add(b"ab", 3 << 32);
    counts.add(b"cd", (3 << 32) + 1);
    let alphabet: Vec<u8> = (0..=255).collect();
    let learned = stage::learn(
        &mut counts,
        &[],
        &alphabet,
        &settings(258),
        None,
        &mut |_| true,
    )
    .unwrap()
    .unwrap();
    let found: Vec<_> = learned
        .merged
        .steps
        .iter()
        .map(|step| (learned.tokens.get(step.result), step.count))
        .collect();
    assert_eq!(found, [(&b"cd"[..], (3 << 32) + 1), (&b"ab"[..], 3 << 32)]);
}

#[test]
fn what_cannot_be_trained_says_why() {
    let fails = |counts: &mut PretokenCounts, specials: &[&str], size: usize| {
        let specials: Vec<String> = specials.iter().map(|&name| name.to_owned()).collect();
        let alphabet: Vec<u8> = (0..=255).collect();
        stage::learn(
            counts,
            &specials,
            &alphabet,
            &settings(size),
            None,
            &mut |_| true,
        )
        .unwrap_err()
        .to_string()
    };
    let scheme = Scheme::paper();
    let mut empty = count(&scheme, &[], 1);
    assert!(fails(&mut empty, &[], 300).contains("empty"));
    let mut some = count(&scheme, &[b"some text"], 1);
    assert!(fails(&mut some, &[], 255).contains("vocab_size 255"));
    assert!(fails(&mut some, &["a"], 300).contains("\"a\""));
    assert!(fails(&mut some, &["<s>", "<s>"], 300).contains("twice"));
    let other = count(&Scheme::recommended(), &[b"some text"], 1);
    assert!(some.merge(&other).is_err());
    assert!(
        some.update(&[b"ok", b"a\xFF"], false, 1, &mut || true)
            .is_err()
    );
}

#[test]
fn a_long_text_can_be_stopped_inside() {
    let scheme = Scheme {
        stage1: isolated(r"\s?\w+|\s+"),
        stage2: isolated(r"\d|\n+"),
    };
    let text = "ab ab\n".repeat(1 << 16);
    let (_, base) = first_stage(&scheme, &[b"ab\n ba"], 4);
    let start = Start::new(base, &scheme.stage2).unwrap();
    for threads in [1, 2] {
        // One text is counted by the calling thread, several by others while it waits.
        for texts in [vec![text.as_bytes()], vec![text.as_bytes(); 2]] {
            let mut pairs = PairCounts::new(start.clone(), None);
            let mut ticks = 0;
            let mut tick = || {
                ticks += 1;
                false
            };
            let done = pairs.update(&texts, false, threads, &mut tick).unwrap();
            if texts.len() == 1 {
                assert!(!done);
                assert!(pairs.totals().tokens < text.len() as u64 / 2);
            } else {
                // Threads may be done before anybody asks.
                assert_eq!(done, ticks == 0);
            }
        }
    }
}
