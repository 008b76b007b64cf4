//! Any merges, any pattern of a family and any bytes: the encoder against its slow twin, and what
//! must hold of ids, ranges, streams and the two tests of sequences.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use tokseam_bpe::Tokenizer;
use tokseam_bpe::added::Allowed;
use tokseam_bpe::byte_alphabet;
use tokseam_bpe::encoder::reference::Reference;

/// The patterns of families, of users, and none.
const PATTERNS: [&str; 8] = [
    "",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?=(\d{3})+(?!\d))| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]{2,}[\r\n/]*| +(?!\S)",
    r"[a-c]+|b?\s(?=x)|.",
    r"\s+",
];

#[derive(Arbitrary, Debug)]
struct Input {
    pattern: u8,
    ignore_merges: bool,
    /// Each makes a token of two earlier ones.
    merges: Vec<(u16, u16)>,
    /// Tokens that no merge makes.
    whole: Vec<Vec<u8>>,
    text: Vec<u8>,
    ids: Vec<u16>,
}

fn make(input: &Input) -> Option<Tokenizer> {
    let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    let mut seen: HashSet<Vec<u8>> = tokens.iter().cloned().collect();
    let mut merges = Vec::new();
    for &(left, right) in input.merges.iter().take(64) {
        let left = tokens[left as usize % tokens.len()].clone();
        let right = tokens[right as usize % tokens.len()].clone();
        let token = [&left[..], &right].concat();
        if token.len() > 64 {
            continue;
        }
        merges.push([byte_alphabet::spelling(&left), byte_alphabet::spelling(&right)]);
        if seen.insert(token.clone()) {
            tokens.push(token);
        }
    }
    for token in input.whole.iter().take(8) {
        if !token.is_empty() && token.len() <= 64 && seen.insert(token.clone()) {
            tokens.push(token.clone());
        }
    }
    let vocab: Map<String, Value> = tokens
        .iter()
        .enumerate()
        .map(|(id, token)| (byte_alphabet::spelling(token), json!(id)))
        .collect();
    let level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    let pattern = PATTERNS[input.pattern as usize % PATTERNS.len()];
    let steps = if pattern.is_empty() {
        level.clone()
    } else {
        json!({"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false}, level]})
    };
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "post_processor": null, "normalizer": null,
        "added_tokens": [], "pre_tokenizer": steps, "decoder": level,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": input.ignore_merges, "vocab": vocab, "merges": merges},
    });
    Tokenizer::from_json(file.to_string().as_bytes()).ok()
}

fuzz_target!(|input: Input| {
    let Some(tokenizer) = make(&input) else {
        return;
    };
    let text = &input.text[..input.text.len().min(2000)];
    let (mut ids, mut offsets) = (Vec::new(), Vec::new());
    let done = tokenizer.encode(text, &Allowed::None, &mut ids, &mut || true);
    assert_eq!(done, Ok(true));
    assert_eq!(tokenizer.decode_bytes(&ids).as_deref(), Ok(text));

    // The slow twin, piece by piece.
    let mut cuts = vec![0; text.len() / 64 + 1];
    tokenizer.pretokenizer().cut(text, &mut cuts).expect("it encoded");
    let is_cut = |place: usize| cuts[place / 64] >> (place % 64) & 1 != 0;
    let twin = Reference::new(tokenizer.model(), tokenizer.special_ids());
    let (mut slow, mut start) = (Vec::new(), 0);
    for end in 1..=text.len() {
        if end == text.len() || is_cut(end) {
            slow.extend(twin.encode(&text[start..end]).expect("all bytes have tokens"));
            start = end;
        }
    }
    assert_eq!(ids, slow);

    // Ranges lie end to end.
    let mut again = Vec::new();
    let done = tokenizer.encode_with_offsets(text, &Allowed::None, &mut again, &mut offsets, &mut || true);
    assert_eq!((done, &again), (Ok(true), &ids));
    let mut end = 0;
    for (&id, &range) in ids.iter().zip(&offsets) {
        assert_eq!(range.0, end);
        end = range.1;
        assert_eq!(tokenizer.token_bytes(id).as_deref(), Ok(&text[range.0..range.1]));
    }

    // A stream gives what decoding gives.
    let size = tokenizer.vocab_size() as u32;
    let any: Vec<u32> = input.ids.iter().take(200).map(|&id| id as u32 % size).collect();
    for row in [&ids, &any] {
        let (mut stream, mut joined) = (tokenizer.stream(), String::new());
        for &id in row {
            tokenizer.push(&mut stream, id, &mut joined).expect("the id has a token");
        }
        joined += &stream.finish().expect("the decoder has no pattern");
        assert_eq!(tokenizer.decode(row), Ok(joined));
    }

    // The tests of sequences.
    if std::str::from_utf8(text).is_ok() {
        assert_eq!(tokenizer.is_canonical(&ids), Ok(true));
        assert_eq!(tokenizer.first_noncanonical(&ids), Ok(None));
        // Its tables take a second or more, so few inputs make them.
        if input.pattern == 0xFF
            && let Ok(admissible) = tokenizer.is_admissible(&ids)
        {
            assert!(admissible);
        }
    }
    let canonical = tokenizer.is_canonical(&any).expect("the ids have tokens");
    let first = tokenizer.first_noncanonical(&any).expect("the ids have tokens");
    assert_eq!(canonical, first.is_none());
});
