//! Heads against the definition of a cover, on a toy: every sequence of tokens is tried.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;
use tokseam_bpe::Tokenizer;

use crate::heads::{Below, Heads, Node};
use crate::plan::Plan;
use crate::rules::Rules;
use crate::vocabulary::ROOT;
use crate::{Covers, Error, Kernel};

/// Letters, blanks and an apostrophe, with merges over each of their borders, under GPT-2's split.
fn toy() -> Arc<Tokenizer> {
    let merges = [
        ("r", "e"),
        ("'", "r"),
        ("'", "re"),
        ("Ġ", "r"),
        ("Ġ", "Ġ"),
        ("re", "r"),
        ("e", "'"),
        ("r", "r"),
        ("ĠĠ", "ĠĠ"),
    ];
    let mut vocab = serde_json::Map::new();
    for token in ["r", "e", "'", "Ġ", "Ã", "©"] {
        vocab.insert(token.into(), json!(vocab.len()));
    }
    for (left, right) in merges {
        vocab.insert(format!("{left}{right}"), json!(vocab.len()));
    }
    let file = json!({
        "version": "1.0",
        "added_tokens": [{
            "id": vocab.len(), "content": "<end>", "special": true, "normalized": false,
            "single_word": false, "lstrip": false, "rstrip": false,
        }],
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocab, "merges": merges.map(|(left, right)| [left, right])},
    });
    Arc::new(Tokenizer::from_json(file.to_string().as_bytes()).unwrap())
}

/// All covers of some bytes, token by token.
fn listed(kernel: &Kernel, bytes: &[u8]) -> BTreeSet<Vec<u32>> {
    let rules = kernel.rules().unwrap();
    let mut covers = BTreeSet::new();
    let mut open = vec![(Vec::new(), Vec::new(), rules.start())];
    while let Some((ids, spelled, state)) = open.pop() {
        if spelled.len() >= bytes.len() {
            covers.insert(ids);
            continue;
        }
        for &id in kernel.vocabulary().ids() {
            let token = kernel.tokenizer().token_bytes(id).unwrap();
            let longer: Vec<u8> = [&spelled[..], &token].concat();
            let shared = longer.len().min(bytes.len());
            if longer[..shared] != bytes[..shared] {
                continue;
            }
            if let Some(state) = rules.extend(&state, id, kernel.tokenizer()) {
                open.push(([&ids[..], &[id]].concat(), longer, state));
            }
        }
    }
    covers
}

/// The covers that the heads of a plan stand for, each once.
fn of_heads(kernel: &Kernel, heads: &Heads) -> BTreeSet<Vec<u32>> {
    let rules: Rules = kernel.rules().unwrap();
    let mut covers = BTreeSet::new();
    let plan = Plan::new(kernel, heads, None).unwrap();
    for head in plan.heads() {
        let stem = plan.stem(head.node as usize).unwrap();
        let ids = stem.ids();
        if head.at == ROOT {
            assert!(covers.insert(ids), "a stem twice");
            continue;
        }
        let range = kernel.vocabulary().range(head.at);
        for &id in &kernel.vocabulary().ids()[range.exact as usize..range.high as usize] {
            if rules.extend(&stem.state, id, kernel.tokenizer()).is_some() {
                assert!(covers.insert([&ids[..], &[id]].concat()), "a cover twice");
            }
        }
    }
    covers
}

/// What goes on from stems, from the definition: the bytes behind them, token by token.
fn below(kernel: &Kernel, bytes: &[u8], size: usize) -> Below {
    let tokens = |id: u32| kernel.tokenizer().token_bytes(id).unwrap().into_owned();
    let rest = &bytes[size..];
    let mut found = Below::default();
    for (place, &id) in (0..).zip(kernel.vocabulary().ids()) {
        let token = tokens(id);
        if token.len() > rest.len() && token.starts_with(rest) {
            let node = rest
                .iter()
                .try_fold(ROOT, |node, &byte| kernel.vocabulary().child(node, byte));
            found.at = node;
        } else if rest.starts_with(&token) {
            let next = below(kernel, bytes, size + token.len());
            if next != Below::default() {
                found.tokens.push((place, size + token.len()));
            }
        }
    }
    found.tokens.sort_by_key(|&(place, size)| (size, place));
    found
}

fn push(kernel: &Kernel, heads: &Heads, bytes: &[u8]) -> Result<Heads, Error> {
    heads.push(kernel, bytes, &mut || true).map(Option::unwrap)
}

proptest! {
    #[test]
    fn heads_stand_for_all_covers(
        text in prop::collection::vec(prop::sample::select(vec!["r", "e", "'", " ", "é"]), 0..7),
        cut in 0_usize..3,
        all in any::<bool>(),
    ) {
        let covers = if all { Covers::All { utf8: true } } else { Covers::Admissible };
        let kernel = Kernel::new(toy(), covers).unwrap();
        let text = text.concat().into_bytes();
        let text = &text[..text.len().saturating_sub(cut)];
        let start = kernel.start().unwrap();
        let heads = push(&kernel, &start, text).unwrap();
        prop_assert_eq!(of_heads(&kernel, &heads), listed(&kernel, text));
        // Byte by byte, and back.
        let mut single = start.clone();
        for &byte in text {
            single = push(&kernel, &single, &[byte]).unwrap();
        }
        prop_assert_eq!(of_heads(&kernel, &single), of_heads(&kernel, &heads));
        for back in 0..=text.len() {
            let popped = single.pop(&kernel, back).unwrap();
            prop_assert_eq!(popped.len(), text.len() - back);
            let fresh = push(&kernel, &start, &text[..text.len() - back]).unwrap();
            prop_assert_eq!(of_heads(&kernel, &popped), of_heads(&kernel, &fresh));
            // In the same order, and with the same stems where they are kept.
            let listed = |heads: &Heads| heads.heads().iter().map(|head| (head.stem.ids(), head.at)).collect::<Vec<_>>();
            prop_assert_eq!(listed(&popped), listed(&fresh));
            let again = push(&kernel, &popped, &text[text.len() - back..]).unwrap();
            prop_assert_eq!(listed(&again), listed(&single));
            prop_assert_eq!(again.trunk().map(|trunk| trunk.ids()), heads.trunk().map(|trunk| trunk.ids()));
        }
        prop_assert!(single.pop(&kernel, text.len() + 1).is_none());
    }

    #[test]
    fn below_is_what_spells_the_rest(text in prop::collection::vec(prop::sample::select(vec!["r", "e", "'", " ", "é"]), 0..7), cut in 0_usize..2) {
        let kernel = Kernel::new(toy(), Covers::All { utf8: true }).unwrap();
        let text = text.concat().into_bytes();
        let text = &text[..text.len().saturating_sub(cut)];
        let heads = push(&kernel, &kernel.start().unwrap(), text).unwrap();
        let sizes: Vec<usize> = (0..=text.len()).rev().collect();
        for (&size, found) in sizes.iter().zip(heads.below(&kernel, &sizes)) {
            prop_assert_eq!(found, below(&kernel, text, size));
        }
        prop_assert_eq!(heads.below(&kernel, &[text.len() + 1]), vec![Below::default()]);
    }

    #[test]
    fn a_plan_has_the_stems_up_to_its_base(
        text in prop::collection::vec(prop::sample::select(vec!["r", "e", "'", " "]), 1..12),
        middle in 0_usize..12,
    ) {
        let kernel = Kernel::new(toy(), Covers::Admissible).unwrap();
        let text = text.concat().into_bytes();
        let before = push(&kernel, &kernel.start().unwrap(), &text[..middle.min(text.len())]).unwrap();
        let heads = push(&kernel, &before, &text[middle.min(text.len())..]).unwrap();
        for since in [None, Some(&before)] {
            let plan = Plan::new(&kernel, &heads, since).unwrap();
            let stems: Vec<Vec<u32>> = (0..plan.len()).map(|node| plan.stem(node).unwrap().ids()).collect();
            for (node, &parent) in plan.parents().iter().enumerate().skip(1) {
                prop_assert!((parent as usize) < node);
                prop_assert_eq!(&stems[node][..stems[node].len() - 1], &stems[parent as usize][..]);
            }
            for (stem, depth) in stems.iter().zip(plan.depths()) {
                prop_assert_eq!(stem.len(), depth as usize);
                prop_assert!(stem.starts_with(&stems[0]));
            }
            // The heads that are left out have no cover.
            let planned: BTreeSet<_> = plan.heads().iter().map(|head| (stems[head.node as usize].clone(), head.at)).collect();
            for head in heads.heads() {
                let alone = (head.stem.ids(), head.at);
                let range = kernel.vocabulary().range(head.at);
                let rules = kernel.rules().unwrap();
                let counts = head.at == ROOT
                    || kernel.vocabulary().ids()[range.exact as usize..range.high as usize]
                        .iter()
                        .any(|&id| rules.extend(&head.stem.state, id, kernel.tokenizer()).is_some());
                prop_assert_eq!(planned.contains(&alone), counts);
            }
        }
    }

    #[test]
    fn segments_are_the_tokens_that_go_on_with_a_byte(
        text in prop::collection::vec(prop::sample::select(vec!["r", "e", "'", " "]), 0..12),
        left_out in prop::collection::vec(any::<bool>(), 12),
        summed in prop::collection::vec(any::<bool>(), 60),
    ) {
        let kernel = Kernel::new(toy(), Covers::Admissible).unwrap();
        let heads = push(&kernel, &kernel.start().unwrap(), text.concat().as_bytes()).unwrap();
        let plan = Plan::new(&kernel, &heads, None).unwrap();
        let chosen: Vec<usize> = (0..plan.heads().len()).filter(|&head| !left_out[head % 12]).collect();
        // Each of the longer tokens of each head, with its next byte.
        let mut listed = Vec::new();
        for (line, &head) in (0..).zip(&chosen) {
            let head = plan.heads()[head];
            let depth = kernel.vocabulary().depth(head.at);
            for &id in &kernel.vocabulary().ids()[head.range.exact as usize..head.range.high as usize] {
                let next = (line, kernel.tokenizer().token_bytes(id).unwrap()[depth]);
                if !summed[line as usize] || listed.last() != Some(&next) {
                    listed.push(next);
                }
            }
        }
        let nodes = chosen.iter().zip(&summed);
        let nodes: Vec<(u32, bool)> = nodes.map(|(&head, &is)| (plan.heads()[head].at, is)).collect();
        let segments = kernel.vocabulary().segments(&nodes);
        let mut cut = Vec::new();
        for (index, segment) in segments.iter().enumerate() {
            let end = segments.get(index + 1).map_or(listed.len(), |next| next.start as usize);
            prop_assert!((segment.start as usize) < end);
            cut.extend(std::iter::repeat_n((segment.line, segment.byte), end - segment.start as usize));
        }
        prop_assert_eq!(cut, listed);
    }

    #[test]
    fn a_mask_has_the_tokens_that_follow(text in prop::collection::vec(prop::sample::select(vec!["r", "e", "'", " ", "é"]), 0..8)) {
        for covers in [Covers::Admissible, Covers::All { utf8: true }, Covers::All { utf8: false }] {
            let kernel = Kernel::new(toy(), covers).unwrap();
            let heads = push(&kernel, &kernel.start().unwrap(), text.concat().as_bytes()).unwrap();
            let rules = kernel.rules().unwrap();
            let plan = Plan::new(&kernel, &heads, None).unwrap();
            for node in 0..plan.len() {
                let stem = plan.stem(node).unwrap();
                let allowed = kernel.allowed(&[stem]).unwrap();
                for (&id, allowed) in kernel.vocabulary().ids().iter().zip(allowed) {
                    prop_assert_eq!(rules.extend(&stem.state, id, kernel.tokenizer()).is_some(), allowed);
                    prop_assert_eq!(kernel.extend(stem, id).unwrap().is_some(), allowed);
                }
                prop_assert!(masses_are_of_what_is_allowed(&kernel, stem));
            }
        }
    }
}

/// Whether the masses of first bytes, and the parts of a row, are those of the tokens that follow a
/// stem but for a barred place.
fn masses_are_of_what_is_allowed(kernel: &Kernel, stem: &Arc<Node>) -> bool {
    let vocabulary = kernel.vocabulary();
    let (ids, barred) = (vocabulary.ids(), [1]);
    // Two ids more than there are.
    let row: Vec<f64> = (0..vocabulary.places().len() + 2)
        .map(|id| -0.3 * (id % 17) as f64)
        .collect();
    let allowed = kernel.allowed(&[stem]).unwrap();
    let mass = |place: usize| {
        if allowed[place] && place != 1 {
            row[ids[place] as usize].exp()
        } else {
            0.0
        }
    };
    let found = kernel
        .masses(&[stem], &[&row[..]], &barred)
        .unwrap()
        .unwrap();
    let children = vocabulary.children_of(ROOT);
    let everything: f64 = row.iter().map(|log| log.exp()).sum();
    let is_total = (found.totals[0] * found.tops[0].exp() - everything).abs() <= 1e-12;
    let is_sum = children.zip(&found.masses).all(|(child, found)| {
        let range = vocabulary.range(child);
        let expected: f64 = (range.low as usize..range.high as usize).map(mass).sum();
        (expected - found).abs() <= 1e-12
    });
    is_sum
        && is_total
        && [(0, ids.len()), (1, ids.len()), (3, 70), (64, 65), (5, 5)]
            .into_iter()
            .all(|(low, high)| {
                let places = low.min(ids.len())..high.min(ids.len());
                let found = kernel
                    .part(stem, &row, 0.0, &barred, places.clone())
                    .unwrap()
                    .unwrap();
                let pairs = found.iter().zip(places.clone());
                found.len() == places.len() && { pairs }
                    .all(|(found, place)| (found - mass(place)).abs() <= 1e-14)
            })
        && kernel
            .part(stem, &row, 0.0, &barred, 0..ids.len() + 1)
            .unwrap()
            .is_none()
        && kernel
            .masses(&[stem], &[&row[..vocabulary.bound() - 1]], &barred)
            .unwrap()
            .is_none()
}

#[test]
fn what_no_text_has() {
    let kernel = Kernel::new(toy(), Covers::Admissible).unwrap();
    let start = kernel.start().unwrap();
    assert!(matches!(
        push(&kernel, &start, b"r\xff").err(),
        Some(Error::NotUtf8 {
            position: 1,
            byte: 0xff
        })
    ));
    assert!(matches!(
        push(&kernel, &start, b"rex").err(),
        Some(Error::NoCover {
            position: 2,
            byte: b'x'
        })
    ));
    let all = Kernel::new(toy(), Covers::All { utf8: true }).unwrap();
    // Stems are not made before they are asked for.
    let long = push(&all, &all.start().unwrap(), &b"re".repeat(10_000)).unwrap();
    assert!(long.count() <= 4);
    let error = Plan::new(&all, &long, None).err();
    assert!(matches!(error, Some(Error::TooMany { length: 20_000, .. })));
    // A special token has no bytes and no place.
    let end = kernel.tokenizer().vocab_size() as u32 - 1;
    let plan = Plan::new(&kernel, &start, None).unwrap();
    assert!(kernel.extend(plan.stem(0).unwrap(), end).unwrap().is_none());
    assert!(plan.stem(1).is_none());
}

#[test]
fn a_long_text_is_freed_without_recursion() {
    let kernel = Kernel::new(toy(), Covers::Admissible).unwrap();
    let heads = push(&kernel, &kernel.start().unwrap(), &b"re ".repeat(200_000)).unwrap();
    let other = heads.clone();
    drop(heads);
    assert_eq!(other.len(), 600_000);
}
