//! The two tests of canonical ids agree on every sequence: encoding again, and looking at neighbours.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Value, json};
use tokseam_bpe::canonical::Reason;
use tokseam_bpe::tokenizer::Tokenizer;

/// Bytes as a file spells them: letters, a space, a numeral, and the two bytes of `é`.
const BYTES: [&str; 6] = ["a", "b", "Ġ", "1", "Ã", "©"];

/// What may be merged; a later pair may be of what an earlier one makes.
const MERGES: [(&str, &str); 9] = [
    ("a", "b"),
    ("b", "a"),
    ("Ġ", "a"),
    ("Ã", "©"),
    ("a", "a"),
    ("ab", "a"),
    ("Ġa", "b"),
    ("Ġ", "Ġ"),
    ("1", "1"),
];

/// A byte-level tokenizer with some of the merges.
fn tokenizer(chosen: &[usize], ignore_merges: bool, added: bool, normalizer: &Value) -> Tokenizer {
    let mut vocab: Vec<String> = BYTES.map(str::to_owned).to_vec();
    let mut merges = Vec::new();
    for &(left, right) in chosen.iter().map(|&index| &MERGES[index]) {
        let whole = format!("{left}{right}");
        let has = |token: &str| vocab.iter().any(|known| known == token);
        if has(left) && has(right) && !has(&whole) {
            vocab.push(whole);
            merges.push([left, right]);
        }
    }
    // Merges make it of no text.
    vocab.push("b1".to_owned());
    let ids: serde_json::Map<String, Value> = vocab
        .iter()
        .enumerate()
        .map(|(id, token)| (token.clone(), json!(id)))
        .collect();
    let token = |content: &str, id: usize, special: bool| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": special})
    };
    let mut tokens = vec![token("<s>", vocab.len(), true)];
    if added {
        tokens.push(token("1a", vocab.len() + 1, false));
    }
    let step = |regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex});
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "post_processor": null,
        "added_tokens": tokens, "normalizer": normalizer, "pre_tokenizer": step(true), "decoder": step(true),
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": ignore_merges, "vocab": ids, "merges": merges},
    });
    Tokenizer::from_json(file.to_string().as_bytes()).unwrap()
}

proptest! {
    #[test]
    fn both_tests_agree(
        chosen in Just((0..MERGES.len()).collect::<Vec<_>>()).prop_shuffle(),
        count in 0..=MERGES.len(),
        ignore_merges: bool,
        added in prop::bool::weighted(0.2),
        normalizes in prop::bool::weighted(0.2),
        drawn in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let normalizer = if normalizes { json!({"type": "NFC"}) } else { Value::Null };
        let tokenizer = tokenizer(&chosen[..count], ignore_merges, added, &normalizer);
        let ids: Vec<u32> = drawn.iter().map(|id| id.index(tokenizer.vocab_size()) as u32).collect();
        let found = tokenizer.first_noncanonical(&ids).unwrap();
        prop_assert_eq!(tokenizer.is_canonical(&ids).unwrap(), found.is_none());
        prop_assert!(found.is_none_or(|(place, _)| place < ids.len()));
    }
}

#[test]
fn reasons_name_what_is_wrong() {
    let all: Vec<usize> = (0..MERGES.len()).collect();
    let tokenizer = tokenizer(&all, false, false, &Value::Null);
    let id = |bytes: &[u8]| tokenizer.token_id(bytes).unwrap();
    for (tokens, expected) in [
        (&[b"ab".as_slice(), b" a"] as &[&[u8]], None),
        (&[b"a", b"b"], Some((1, Reason::Pair))),
        (&[b" ", b" a"], None),
        (&[b"1", b"b1"], Some((1, Reason::Pretoken))),
        (&[b"a", b"\xc3"], Some((1, Reason::InvalidUtf8))),
    ] {
        let ids: Vec<u32> = tokens.iter().map(|token| id(token)).collect();
        assert_eq!(
            tokenizer.first_noncanonical(&ids),
            Ok(expected),
            "{tokens:?}"
        );
    }
}
