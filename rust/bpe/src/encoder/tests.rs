//! The encoder against its slow twin, over generated models and texts.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use rustc_hash::FxHashSet;

use super::reference::Reference;
use super::*;
use crate::model::Merge;
use crate::vocab::Vocab;

/// A model over some bytes whose merges join tokens by index, in the given order. With `every`,
/// each split of a token into two known tokens is a merge, as in files made from tiktoken ranks.
fn model(alphabet: &[u8], joins: &[(usize, usize)], every: bool, ignore_merges: bool) -> Model {
    let tokens = alphabet.iter().map(|&byte| vec![byte]).collect();
    let (tokens, merges) = join(tokens, joins, every);
    Model {
        kind: Kind::Bytes,
        vocab: vocab(&tokens),
        merges,
        ignore_merges,
    }
}

/// [`model`] over some characters, with or without the tokens of bytes.
fn characters(
    alphabet: &[&str],
    joins: &[(usize, usize)],
    every: bool,
    ignore_merges: bool,
    has_bytes: bool,
) -> Model {
    let tokens = alphabet.iter().map(|&character| character.into()).collect();
    let (mut tokens, merges) = join(tokens, joins, every);
    let first = tokens.len() as u32;
    let fallback = has_bytes.then(|| Box::new(std::array::from_fn(|byte| first + byte as u32)));
    if has_bytes {
        tokens.extend((0..=255_u8).map(|byte| format!("<0x{byte:02X}>").into_bytes()));
    }
    Model {
        kind: Kind::Characters { fallback },
        vocab: vocab(&tokens),
        merges,
        ignore_merges,
    }
}

fn vocab(tokens: &[Vec<u8>]) -> Vocab {
    let entries = tokens.iter().zip(0..);
    Vocab::new(entries.map(|(token, id)| (&token[..], id, true))).unwrap()
}

/// Tokens and those that they are joined to, and the merges.
fn join(
    mut tokens: Vec<Vec<u8>>,
    joins: &[(usize, usize)],
    every: bool,
) -> (Vec<Vec<u8>>, Vec<Merge>) {
    let mut merges = Vec::new();
    for &(left, right) in joins {
        let (left, right) = (left % tokens.len(), right % tokens.len());
        let token = [&tokens[left][..], &tokens[right]].concat();
        if token.len() > 40 {
            continue;
        }
        let result = tokens
            .iter()
            .position(|other| *other == token)
            .unwrap_or_else(|| {
                tokens.push(token);
                tokens.len() - 1
            });
        merges.push(Merge {
            left: left as u32,
            right: right as u32,
            result: result as u32,
        });
    }
    if every {
        merges.clear();
        for (result, token) in tokens.iter().enumerate() {
            for cut in 1..token.len() {
                let part = |part: &[u8]| tokens.iter().position(|other| other == part);
                if let (Some(left), Some(right)) = (part(&token[..cut]), part(&token[cut..])) {
                    merges.push(Merge {
                        left: left as u32,
                        right: right as u32,
                        result: result as u32,
                    });
                }
            }
        }
    }
    (tokens, merges)
}

fn bitmap(len: usize, cuts: &[usize]) -> Vec<u64> {
    let mut bits = vec![0; len / 64 + 1];
    for &cut in cuts {
        bits[cut / 64] |= 1 << (cut % 64);
    }
    bits
}

fn check(model: &Model, encoder: &Encoder, specials: &FxHashSet<u32>, text: &[u8], cuts: &[usize]) {
    let reference = Reference::new(model, specials);
    let mut expected = Some(Vec::new());
    let mut start = 0;
    for &end in cuts.iter().chain([&text.len()]) {
        if let Some(ids) = &mut expected {
            match reference.encode(&text[start..end]) {
                Some(mut more) => ids.append(&mut more),
                None => expected = None,
            }
        }
        start = end;
    }
    for (bits, is_wide) in [(1, false), (8, false), (1, true), (8, true)] {
        let mut scratch = Encoder::scratch_of(bits);
        scratch.is_wide &= is_wide;
        // Long units by the heap first, then by the trie.
        encoder.heaped.store(
            if is_wide { UNITS_WITHOUT_TRIE } else { 0 },
            Ordering::Relaxed,
        );
        // Twice: the second time from the cache.
        for _ in 0..2 {
            let mut ids = Vec::new();
            let bitmap = bitmap(text.len(), cuts);
            let result = encoder.encode(model, text, &bitmap, &mut scratch, &mut ids, &mut || true);
            match &expected {
                Some(expected) => {
                    assert_eq!(result, Ok(()));
                    assert_eq!(&ids, expected, "{text:?} {cuts:?}");
                }
                None => assert!(matches!(result, Err(Stop::Unspelled(_)))),
            }
        }
    }
}

/// An encoder whose second phase begins at any symbol where that is exact.
fn encoder_split_at(model: &Model, specials: &FxHashSet<u32>, split: u32) -> Option<Encoder> {
    let symbols = Symbols::new(model, specials);
    if model.ignore_merges || split < symbols.base_len() || split >= symbols.count() {
        return None;
    }
    is_exact(&symbols, split).then(|| Encoder::split_at(model, specials.clone(), symbols, split))
}

fn text_and_cuts() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    let letters = prop_oneof![
        prop::collection::vec(prop::sample::select(&b"abc "[..]), 0..200),
        prop::collection::vec(prop::sample::select(&b"ab"[..]), 0..200),
        (prop::sample::select(&b"abc"[..]), 0_usize..300).prop_map(|(byte, len)| vec![byte; len]),
    ];
    letters.prop_flat_map(|text| {
        let len = text.len();
        let cuts = prop::collection::btree_set(1..len.max(2), 0..8)
            .prop_map(move |cuts| cuts.into_iter().filter(|&cut| cut < len).collect());
        (Just(text), cuts)
    })
}

/// A walk over crossing pairs: clusters as long as the text.
#[test]
fn long_clusters() {
    let joins = [
        (0, 1),
        (1, 0),
        (3, 0),
        (0, 3),
        (4, 5),
        (5, 4),
        (8, 8),
        (9, 4),
    ];
    let model = model(b"abc ", &joins, false, false);
    let specials = FxHashSet::default();
    let mut tried = 0;
    for split in 0..20 {
        if let Some(encoder) = encoder_split_at(&model, &specials, split) {
            tried += 1;
            for unit in ["ab", "ba ", " a", "abab ", "a a a b"] {
                check(
                    &model,
                    &encoder,
                    &specials,
                    unit.repeat(300).as_bytes(),
                    &[],
                );
            }
        }
    }
    assert!(tried > 3);
}

/// Blocks end at borders, and a text without any is one block.
#[test]
fn blocks() {
    let model = model(b"ab ", &[(0, 1), (3, 3), (4, 2)], false, false);
    let specials = FxHashSet::default();
    let encoder = Encoder::new(&model, specials.clone());
    for unit in ["ab", "abab ", "a", "ba"] {
        let text = unit.repeat(3 * BLOCK / unit.len());
        let mut ids = Vec::new();
        let mut scratch = Encoder::scratch_of(8);
        let cuts = bitmap(text.len(), &[5, BLOCK, BLOCK + 64, 2 * BLOCK + 1]);
        encoder
            .encode(
                &model,
                text.as_bytes(),
                &cuts,
                &mut scratch,
                &mut ids,
                &mut || true,
            )
            .unwrap();
        let reference = Reference::new(&model, &specials);
        let mut expected = Vec::new();
        let borders = [0, 5, BLOCK, BLOCK + 64, 2 * BLOCK + 1, text.len()];
        for pair in borders.windows(2) {
            // The twin is quadratic, so it gets what merges alone: no token here is longer than
            // five bytes, and none crosses from a space.
            for piece in text.as_bytes()[pair[0]..pair[1]].split_inclusive(|&byte| byte == b' ') {
                if unit.contains(' ') {
                    expected.extend(reference.encode(piece).unwrap());
                }
            }
        }
        if unit.contains(' ') {
            assert_eq!(ids, expected);
        } else {
            let bytes: usize = ids.iter().map(|&id| model.token(id).len()).sum();
            assert_eq!(bytes, text.len());
        }
    }
}

/// Of some characters two pairs are tokens.
#[test]
fn seams_are_found() {
    let alphabet = b"\xe6\x97\xa5\x9c\xac\xe8\xaa\x9e";
    let characters = [(0, 1), (8, 2), (0, 3), (10, 4), (5, 6), (12, 7)];
    let joins = [&characters[..], &[(9, 11), (11, 13)]].concat();
    let model = model(alphabet, &joins, false, false);
    let symbols = Symbols::new(&model, &FxHashSet::default());
    let seams = seams::Seams::new(&model, &symbols, symbols.count());
    let text = "日本日本本日語日".as_bytes();
    let found: Vec<usize> = (0..=text.len())
        .filter(|&place| seams.is_at(text, place))
        .collect();
    assert_eq!(found, [6, 12, 15, 18, 21]);
}

/// The last part of a long pretoken is no pretoken, wherever it ends: `xyz` is a token that merging
/// does not make.
#[test]
fn last_part_is_merged() {
    let model = model(b"\xa5\xe1\xe2\xe3", &[(1, 2), (2, 3), (1, 5)], false, true);
    let specials = FxHashSet::default();
    let encoder = Encoder::new(&model, specials.clone());
    let end = b"\xe1\xe2\xe3";
    assert_eq!(encoder.whole(&model, end), model.vocab.id(end));
    for len in 0..150 {
        let text = [&vec![0xa5; len][..], end].concat();
        assert_eq!(encoder.seams.is_at(&text, len), len > 0);
        check(&model, &encoder, &specials, &text, &[]);
        for cut in [1, 70] {
            if cut < text.len() {
                check(&model, &encoder, &specials, &text, &[cut]);
            }
        }
    }
}

#[test]
fn cancelled_between_blocks() {
    let model = model(b"ab ", &[(0, 1)], false, false);
    let encoder = Encoder::new(&model, FxHashSet::default());
    let text = "ab ".repeat(BLOCK);
    let mut ids = Vec::new();
    let mut scratch = Encoder::scratch_of(8);
    let cuts = bitmap(text.len(), &[]);
    let mut ticks = 0;
    let result = encoder.encode(
        &model,
        text.as_bytes(),
        &cuts,
        &mut scratch,
        &mut ids,
        &mut || {
            ticks += 1;
            ticks < 2
        },
    );
    assert_eq!(result, Err(Stop::Cancelled));
    assert!(ids.len() < 2 * text.len() / 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 300 } else { 3000 }))]

    #[test]
    fn equals_the_twin(
        joins in prop::collection::vec((0_usize..60, 0_usize..60), 0..40),
        every: bool,
        ignore_merges: bool,
        split in 0_u32..60,
        special in prop::option::of(4_u32..30),
        (mut text, cuts) in text_and_cuts(),
        beyond: bool,
    ) {
        // Characters of two bytes or one of three are much like letters, but long units have seams.
        let alphabet = if beyond { b"\x81\xe1\xe2 " } else { b"abc " };
        for byte in &mut text {
            *byte = alphabet[b"abc ".iter().position(|letter| letter == byte).unwrap()];
        }
        let model = model(alphabet, &joins, every, ignore_merges);
        let specials: FxHashSet<u32> = special.into_iter().collect();
        let encoder = Encoder::new(&model, specials.clone());
        check(&model, &encoder, &specials, &text, &cuts);
        if let Some(encoder) = encoder_split_at(&model, &specials, split) {
            check(&model, &encoder, &specials, &text, &cuts);
        }
    }

    /// Characters without a token are bytes, as what is no UTF-8 is; without tokens for these, errors.
    #[test]
    fn equals_the_twin_over_characters(
        joins in prop::collection::vec((0_usize..40, 0_usize..40), 0..30),
        every: bool,
        ignore_merges: bool,
        has_bytes in prop::bool::weighted(0.8),
        special in prop::option::of(5_u32..20),
        parts in prop::collection::vec(0_usize..9, 0..120),
        cuts in prop::collection::btree_set(1_usize..120, 0..6),
    ) {
        let alphabet = ["a", "b", "\u{2581}", "é", "日"];
        let others: [&[u8]; 4] = [b"z", "\u{e000}".as_bytes(), "\u{1f600}".as_bytes(), b"\xff"];
        let model = characters(&alphabet, &joins, every, ignore_merges, has_bytes);
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        for part in parts {
            match alphabet.get(part) {
                Some(character) => text.extend(character.as_bytes()),
                None => text.extend(others[part - alphabet.len()]),
            }
            ends.push(text.len());
        }
        let cuts: Vec<usize> = (cuts.iter())
            .filter_map(|&part| ends.get(part).copied())
            .filter(|&cut| cut < text.len())
            .collect();
        let specials: FxHashSet<u32> = special.into_iter().collect();
        let encoder = Encoder::new(&model, specials.clone());
        check(&model, &encoder, &specials, &text, &cuts);
    }

    #[test]
    fn no_symbol_spans_a_seam(
        joins in prop::collection::vec((0_usize..60, 0_usize..60), 0..40),
        text in prop::collection::vec(prop::sample::select(&b"\x81\xe1\xe2 "[..]), 0..60),
    ) {
        let model = model(b"\x81\xe1\xe2 ", &joins, false, false);
        let symbols = Symbols::new(&model, &FxHashSet::default());
        let seams = seams::Seams::new(&model, &symbols, symbols.count());
        for symbol in 0..symbols.count() {
            let token = model.token(symbols.id(symbol));
            for start in 0..text.len() {
                if text[start..].starts_with(token) {
                    for place in start + 1..start + token.len() {
                        prop_assert!(!seams.is_at(&text, place), "{token:?} {text:?} {place}");
                    }
                }
            }
        }
    }

    #[test]
    fn missing_bytes_are_found(
        joins in prop::collection::vec((0_usize..60, 0_usize..60), 0..20),
        (text, cuts) in text_and_cuts(),
    ) {
        let model = model(b"ab ", &joins, false, false);
        let specials = FxHashSet::default();
        check(&model, &Encoder::new(&model, specials.clone()), &specials, &text, &cuts);
    }

    #[test]
    fn own_symbols_encode_to_themselves(
        joins in prop::collection::vec((0_usize..60, 0_usize..60), 0..40),
        every: bool,
    ) {
        let model = model(b"abc", &joins, every, false);
        let specials = FxHashSet::default();
        let encoder = Encoder::new(&model, specials.clone());
        let reference = Reference::new(&model, &specials);
        for symbol in 0..encoder.symbols.count() {
            let id = encoder.symbols.id(symbol);
            let alone = reference.encode(model.token(id)).unwrap() == [id];
            prop_assert_eq!(encoder.is_own(symbol), alone);
        }
    }

    #[test]
    fn compatible_pairs_encode_to_themselves(
        joins in prop::collection::vec((0_usize..60, 0_usize..60), 0..40),
        every: bool,
    ) {
        let model = model(b"ab", &joins, every, false);
        let specials = FxHashSet::default();
        let encoder = Encoder::new(&model, specials.clone());
        let reference = Reference::new(&model, &specials);
        let symbols = &encoder.symbols;
        let sound = |symbol| encoder.is_own(symbol) && symbols.is_regular(symbol);
        for left in (0..symbols.count()).filter(|&symbol| sound(symbol)) {
            for right in (0..symbols.count()).filter(|&symbol| sound(symbol)) {
                let ids = [symbols.id(left), symbols.id(right)];
                let text = [model.token(ids[0]), model.token(ids[1])].concat();
                prop_assert_eq!(
                    backtrack::compatible(symbols, &encoder.pairs, left, right, u32::MAX),
                    reference.encode(&text).unwrap() == ids
                );
            }
        }
    }
}
