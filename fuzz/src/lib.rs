//! Tokenizers for the targets. Reading a pattern costs a thousand times what a short text does, so
//! most inputs choose one of a fixed set that is made once, and spend their time on the text.

use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use tokseam_bpe::{Tokenizer, byte_alphabet};

/// The patterns of families, of users, and none.
pub const PATTERNS: [&str; 8] = [
    "",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?=(\d{3})+(?!\d))| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]{2,}[\r\n/]*| +(?!\S)",
    r"[a-c]+|b?\s(?=x)|.",
    r"\s+",
];

/// How many patterns come first whose border automaton is kept. To learn one takes seconds.
pub const FAMILIES: usize = 4;

/// Byte-level BPE with a token for each byte. Each merge makes a token of two earlier ones, `whole`
/// are tokens that no merge makes.
pub fn tokenizer(
    pattern: &str,
    ignore_merges: bool,
    pairs: &[(u16, u16)],
    whole: &[Vec<u8>],
) -> Option<Tokenizer> {
    let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    let mut seen: HashSet<Vec<u8>> = tokens.iter().cloned().collect();
    let mut merges = Vec::new();
    for &(left, right) in pairs {
        let left = tokens[left as usize % tokens.len()].clone();
        let right = tokens[right as usize % tokens.len()].clone();
        let token = [&left[..], &right].concat();
        if token.len() > 64 {
            continue;
        }
        merges.push([
            byte_alphabet::spelling(&left),
            byte_alphabet::spelling(&right),
        ]);
        if seen.insert(token.clone()) {
            tokens.push(token);
        }
    }
    for token in whole {
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
            "ignore_merges": ignore_merges, "vocab": vocab, "merges": merges},
    });
    Tokenizer::from_json(file.to_string().as_bytes()).ok()
}

/// Bytes that the merges of [`fixed`] start from: they stand in words, numbers and white space, and
/// in characters of two to four bytes.
const BASE: &[u8] = " aabbcxs'sdtre1230.,-\n\r\tA\u{301}\u{e9}\u{4e2d}\u{200d}\u{1f469}".as_bytes();

/// How many tokenizers [`fixed`] has.
pub const FIXED: usize = 64;

/// The tokenizer with a number, made when it is first asked for. Its pattern is
/// `PATTERNS[number % 8]`; those of different numbers have other merges.
pub fn fixed(number: usize) -> &'static Arc<Tokenizer> {
    static MADE: [OnceLock<Arc<Tokenizer>>; FIXED] = [const { OnceLock::new() }; FIXED];
    let number = number % FIXED;
    MADE[number].get_or_init(|| {
        // A linear congruence modulo 2^64, of which the high bits are used.
        let mut state = number as u64;
        let mut draw = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let count = [0, 8, 32, 96][draw(4)];
        let mut pairs = Vec::new();
        for made in 0..count {
            // A token that a merge made, or a byte.
            let mut side = || match draw(3) {
                0 if made > 0 => 256 + draw(made) as u16,
                _ => u16::from(BASE[draw(BASE.len())]),
            };
            pairs.push((side(), side()));
        }
        let whole: Vec<Vec<u8>> = (0..draw(6))
            .map(|_| (0..2 + draw(3)).map(|_| BASE[draw(BASE.len())]).collect())
            .collect();
        let pattern = PATTERNS[number % PATTERNS.len()];
        let made = tokenizer(pattern, number / PATTERNS.len() % 2 == 1, &pairs, &whole);
        Arc::new(made.expect("the patterns and the vocabulary can be read"))
    })
}

/// Whether what costs a hundred times the rest may be done: at the first call, so that a single input
/// does all that it says, and at one in sixteen of the others.
pub fn is_due() -> bool {
    static EXECUTIONS: AtomicUsize = AtomicUsize::new(0);
    EXECUTIONS
        .fetch_add(1, Ordering::Relaxed)
        .is_multiple_of(16)
}
