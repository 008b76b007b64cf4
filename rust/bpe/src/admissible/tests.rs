//! The test of half-written sequences against its definition: a sequence is admissible if the
//! encoding of some text starts with it. The texts are all short ones over characters of every
//! class, so each sequence that is judged has some characters left to go on with.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

use super::*;
use crate::added::Allowed;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};

use crate::byte_alphabet;
use crate::pattern::Pattern;

fn spell(token: &str) -> String {
    token.bytes().map(byte_alphabet::char_of).collect()
}

/// A byte-level tokenizer with the bytes of some characters, so that its texts are made of these
/// alone, and a merge for each pair of tokens, in order.
fn byte_level(
    characters: &[&str],
    merges: &[(&str, &str)],
    pre_tokenizer: Value,
    options: Value,
) -> Tokenizer {
    let bytes: BTreeSet<u8> = characters.iter().flat_map(|text| text.bytes()).collect();
    let mut vocab: Vec<String> = bytes
        .into_iter()
        .map(|byte| byte_alphabet::char_of(byte).to_string())
        .collect();
    let mut pairs = Vec::new();
    for (left, right) in merges {
        vocab.push(spell(&format!("{left}{right}")));
        pairs.push([spell(left), spell(right)]);
    }
    for whole in options["whole"].as_array().into_iter().flatten() {
        vocab.push(spell(whole.as_str().unwrap()));
    }
    let split = match pre_tokenizer {
        Value::String(pattern) => {
            json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false})
        }
        other => other,
    };
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    let steps = if split["type"] == "Sequence" {
        split["pretokenizers"].clone()
    } else if split.is_null() {
        json!([bytes])
    } else {
        json!([split, bytes])
    };
    tokenizer(
        &vocab,
        &pairs,
        &json!({"type": "Sequence", "pretokenizers": steps}),
        &json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}),
        &options,
    )
}

fn tokenizer(
    vocab: &[String],
    merges: &[[String; 2]],
    pre_tokenizer: &Value,
    decoder: &Value,
    options: &Value,
) -> Tokenizer {
    let ids: serde_json::Map<String, Value> = vocab
        .iter()
        .enumerate()
        .map(|(id, token)| (token.clone(), json!(id)))
        .collect();
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "post_processor": null,
        "added_tokens": options.get("added_tokens").cloned().unwrap_or(json!([])),
        "normalizer": options.get("normalizer").cloned().unwrap_or(Value::Null),
        "pre_tokenizer": pre_tokenizer, "decoder": decoder,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false,
            "byte_fallback": options.get("byte_fallback").cloned().unwrap_or(json!(false)),
            "ignore_merges": options.get("ignore_merges").cloned().unwrap_or(json!(false)),
            "vocab": ids, "merges": merges},
    });
    Tokenizer::from_json(file.to_string().as_bytes()).unwrap()
}

fn encode(tokenizer: &Tokenizer, text: &str) -> Option<Vec<u32>> {
    let mut ids = Vec::new();
    tokenizer
        .encode(text.as_bytes(), &Allowed::None, &mut ids, &mut || true)
        .ok()
        .map(|_| ids)
}

/// Every text of up to `length` of some characters.
fn texts(characters: &[&str], length: usize) -> Vec<String> {
    let mut texts = vec![String::new()];
    let mut from = 0;
    for _ in 0..length {
        let to = texts.len();
        for at in from..to {
            for character in characters {
                texts.push(format!("{}{character}", texts[at]));
            }
        }
        from = to;
    }
    texts
}

/// Characters of a text behind a sequence that is judged.
const AHEAD: usize = 3;

/// The ids of [`Admissibility::following`].
fn followers(admissibility: &Admissibility, state: &State) -> FxHashSet<u32> {
    let mut following = Following::default();
    admissibility.following(state, &mut following);
    let mut ids: FxHashSet<u32> = following.also.iter().copied().collect();
    for (number, barred) in &following.rows {
        let row = admissibility.numbered_row(*number).unwrap();
        let barred = &following.barred[barred.clone()];
        let has = |id: u32| row.words()[id as usize / 64] >> (id % 64) & 1 != 0;
        let all = 0..64 * row.words().len() as u32;
        ids.extend(all.filter(|id| has(*id) && !barred.contains(id)));
    }
    ids
}

/// Compares which ids some text has with those that were used.
fn check_reach(tokenizer: &Tokenizer, used: &HashSet<u32>, bytes: &HashSet<u8>) {
    for (id, reach) in (0..).zip(tokenizer.reach(&mut || true).unwrap().unwrap()) {
        let token = tokenizer.token_bytes(id);
        // A text may need a character that is none of these.
        let is_ours = || text(tokenizer, id).iter().all(|byte| bytes.contains(byte));
        match reach {
            Reach::Reachable if is_ours() => assert!(used.contains(&id), "{id}, {token:?}"),
            Reach::Unreachable => assert!(!used.contains(&id), "{id}, {token:?}"),
            _ => (),
        }
    }
}

/// Compares every sequence of up to `tokens` ids with all starts of encodings of texts of up to
/// `length` characters; and the sets of successors with the test itself.
fn check(tokenizer: &Tokenizer, characters: &[&str], length: usize, tokens: usize) {
    let mut starts: HashSet<Vec<u32>> = HashSet::new();
    let mut finished: HashSet<Vec<u32>> = HashSet::new();
    let mut used: HashSet<u32> = HashSet::new();
    for text in texts(characters, length) {
        let Some(ids) = encode(tokenizer, &text) else {
            continue;
        };
        used.extend(&ids);
        for end in 0..=ids.len().min(tokens) {
            starts.insert(ids[..end].to_vec());
        }
        if ids.len() <= tokens && tokenizer.is_canonical(&ids) == Ok(true) {
            finished.insert(ids);
        }
    }
    // Bytes of the characters and tokens that no encoding has are tried too.
    let bytes: HashSet<u8> = characters.iter().flat_map(|text| text.bytes()).collect();
    check_reach(tokenizer, &used, &bytes);
    let mut ids: Vec<u32> = (0..tokenizer.vocab_size() as u32)
        .filter(|&id| {
            let text = text(tokenizer, id);
            // Special ids are no part of a text; they have a test of their own.
            !tokenizer.special_ids().contains(&id)
                && (used.contains(&id)
                    || !text.is_empty() && text.iter().all(|byte| bytes.contains(byte)))
        })
        .collect();
    ids.sort_unstable();
    let admissibility = tokenizer.admissibility().unwrap();
    let mut open = vec![(Vec::new(), admissibility.start())];
    let mut seen = 0;
    while let Some((sequence, state)) = open.pop() {
        let name = |ids: &[u32]| -> Vec<String> {
            let bytes = ids.iter().map(|&id| tokenizer.token_bytes(id).unwrap());
            bytes
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .collect()
        };
        assert_eq!(
            admissibility.can_end(&state),
            finished.contains(&sequence),
            "{:?} as finished",
            name(&sequence)
        );
        let successors = admissibility.successors(&state);
        let followers = followers(&admissibility, &state);
        if sequence.len() == tokens {
            continue;
        }
        for &id in &ids {
            let mut longer = sequence.clone();
            longer.push(id);
            // Characters that may end a character that is cut, or a piece that is open, must be left.
            let bytes: Vec<u8> = longer
                .iter()
                .flat_map(|&id| match tokenizer.added(id) {
                    Some(added) => added.content.as_bytes(),
                    None => text(tokenizer, id),
                })
                .copied()
                .collect();
            if String::from_utf8_lossy(&bytes).chars().count() + AHEAD > length {
                continue;
            }
            let next = admissibility.push(&state, id);
            assert_eq!(
                next.is_some(),
                starts.contains(&longer),
                "{:?}",
                name(&longer)
            );
            assert_eq!(
                next.is_some(),
                successors.contains(id),
                "{:?} by successors",
                name(&longer)
            );
            if !tokenizer.special_ids().contains(&id) {
                assert_eq!(
                    next.is_some(),
                    followers.contains(&id),
                    "{:?} by following",
                    name(&longer)
                );
            }
            let ends = next
                .as_ref()
                .is_some_and(|next| admissibility.can_end(next));
            assert_eq!(ends, successors.can_end(id), "{:?} by ends", name(&longer));
            seen += 1;
            if let Some(next) = next {
                open.push((longer, next));
            }
        }
    }
    assert!(seen > 20, "{seen} sequences");
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const CL100K: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const O200K: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const STAGE_B2: &str = r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]{2,}[\r\n/]*| +(?!\S)";
const STAGE_A1: &str = r"(?=(\d{3})+(?!\d))| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// Builds a byte-level tokenizer of some characters and checks it.
fn check_bytes(
    characters: &[&str],
    merges: &[(&str, &str)],
    pre_tokenizer: Value,
    options: Value,
    length: usize,
    tokens: usize,
) {
    let tokenizer = byte_level(characters, merges, pre_tokenizer, options);
    check(&tokenizer, characters, length, tokens);
}

fn split(pattern: &str) -> Value {
    json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false})
}

fn sequence(steps: &[Value]) -> Value {
    json!({"type": "Sequence", "pretokenizers": steps})
}

fn bytes_step(use_regex: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex})
}

#[test]
fn blanks_and_lines() {
    let merges = [
        (" ", " "),
        (" ", "a"),
        ("\n", "\n"),
        (" ", "\n"),
        ("  ", " "),
        (" \n", " "),
        ("a", " "),
    ];
    for pattern in [GPT2, CL100K, TEKKEN, O200K] {
        check_bytes(&["a", " ", "\n"], &merges, json!(pattern), json!({}), 9, 4);
    }
}

#[test]
fn contractions() {
    let merges = [
        ("'", "r"),
        ("r", "e"),
        ("'", "re"),
        ("e", "'"),
        ("re", "r"),
        (" ", "'"),
    ];
    // Without the merge of the whole contraction.
    let others = [("'", "r"), ("v", "e"), ("e", "'")];
    for pattern in [GPT2, CL100K, O200K] {
        check_bytes(
            &["r", "e", "'", " "],
            &merges,
            json!(pattern),
            json!({}),
            7,
            4,
        );
        check_bytes(
            &["r", "e", "'", "v"],
            &others,
            json!(pattern),
            json!({}),
            7,
            4,
        );
    }
}

#[test]
fn digits_from_the_right() {
    let merges = [("1", "1"), ("11", "1"), ("1", "a"), ("a", "a"), (" ", "1")];
    let characters = ["1", "2", "a", " "];
    for pattern in [
        r"(?=(\d{3})+(?!\d))",
        r"\d{1,3}(?=(?:\d{3})*(?!\d))",
        STAGE_A1,
    ] {
        check_bytes(&characters, &merges, json!(pattern), json!({}), 8, 4);
        check_bytes(&characters, &merges[..1], json!(pattern), json!({}), 8, 4);
    }
    let digits = sequence(&[
        json!({"type": "Digits", "individual_digits": false}),
        split(STAGE_A1),
        bytes_step(false),
    ]);
    check_bytes(&characters, &merges, digits, json!({}), 8, 4);
}

#[test]
fn upper_case_behind_other_letters() {
    let merges = [("A", "A"), ("A", "b"), ("AA", "A"), ("b", "b"), (" ", "A")];
    for pattern in [TEKKEN, O200K] {
        check_bytes(
            &["A", "b", "ʰ", " "],
            &merges,
            json!(pattern),
            json!({}),
            7,
            4,
        );
    }
}

#[test]
fn marks_behind_blanks() {
    let merges = [
        (" ", "."),
        (".", "."),
        ("a", " "),
        ("a ", "."),
        (" .", "."),
        (" ", " "),
        (".", "\n"),
    ];
    check_bytes(
        &["a", ".", " ", "\n"],
        &merges,
        json!(STAGE_B2),
        json!({}),
        7,
        4,
    );
}

#[test]
fn cut_characters() {
    let latin1 = byte_alphabet::spelling;
    // The bytes of each set spell no other characters.
    let two = ["é", "è", "a", " "];
    let three = ["丸", "a", " "];
    for pattern in [GPT2, CL100K, TEKKEN] {
        for (characters, merges) in [
            (&two[..], vec![[b"a", b"a"]]),
            (&two[..], vec![[b"\xC3", b"\xA9"]]),
            (&two[..], vec![[b"\xC3", b"\xA9"], [b"\xC3", b"\xA8"]]),
            (
                &two[..],
                vec![[b"\xA9", b"a"], [b"\xC3", b"\xA9"], [b"\xC3", b"\xA8"]],
            ),
            (
                &two[..],
                vec![[b"\xA9", b"\xC3"], [b" ", b"\xC3"], [b"\xC3", b"\xA8"]],
            ),
            (
                &three[..],
                vec![[b"\xE4", b"\xB8"], [b"\xB8", b"\xE4"], [b" ", b"\xE4"]],
            ),
            (&three[..], vec![[b"\xB8", b"\xB8"], [b"\xB8", b"a"]]),
        ] {
            let bytes: BTreeSet<u8> = characters.iter().flat_map(|text| text.bytes()).collect();
            let mut vocab: Vec<String> = bytes.iter().map(|&byte| latin1(&[byte])).collect();
            vocab.extend(merges.iter().map(|pair| latin1(&[pair[0][0], pair[1][0]])));
            let merges: Vec<[String; 2]> = merges
                .iter()
                .map(|pair| pair.map(|part| latin1(part)))
                .collect();
            let steps = sequence(&[split(pattern), bytes_step(false)]);
            let tokenizer = tokenizer(&vocab, &merges, &steps, &bytes_step(true), &json!({}));
            check(&tokenizer, characters, 6, 4);
        }
    }
}

#[test]
fn whole_pieces() {
    let options = json!({"ignore_merges": true, "whole": ["abc", "b a", " b", "cc", "abcc"]});
    let merges = [("a", "b"), ("b", "c"), (" ", "a"), ("a", "a")];
    for pattern in [json!(GPT2), json!(CL100K), Value::Null] {
        check_bytes(
            &["a", "b", "c", " "],
            &merges,
            pattern,
            options.clone(),
            7,
            4,
        );
    }
}

#[test]
fn chains() {
    let deepseek = sequence(&[
        split(r"\p{N}{1,3}"),
        split("[一-龥\u{3040}-ゟ゠-ヿ]+"),
        split(
            r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##,
        ),
        bytes_step(false),
    ]);
    let merges = [(" ", " "), (" ", "a"), (" ", "."), (".", "a"), (".", ".")];
    for (last, characters) in [
        (("1", "1"), ["a", " ", "1", "."]),
        ((".", "\n"), ["\n", " ", "a", "."]),
    ] {
        let merges = [&merges[..], &[last]].concat();
        check_bytes(&characters, &merges, deepseek.clone(), json!({}), 7, 4);
    }
}

#[test]
fn every_known_family() {
    let merges = [
        ("a", "a"),
        (" ", "a"),
        ("1", "1"),
        (" ", " "),
        (".", "."),
        ("'", "r"),
        ("A", "A"),
        ("A", "b"),
    ];
    for (_, pattern) in Pattern::families() {
        for characters in [
            &["a", " ", "1", "."][..],
            &["'", "r", "e", " "],
            &["A", "b", "ʰ", " "],
            &["\n", " ", ".", "a"],
        ] {
            let known = |text: &str| characters.contains(&text);
            let merges: Vec<_> = merges
                .into_iter()
                .filter(|&(l, r)| known(l) && known(r))
                .collect();
            check_bytes(characters, &merges, json!(pattern), json!({}), 6, 3);
        }
    }
}

#[test]
fn steps_behind_the_byte_level_step() {
    let steps = sequence(&[
        json!({"type": "Punctuation", "behavior": "Contiguous"}),
        bytes_step(true),
        json!({"type": "Digits", "individual_digits": false}),
        split("[0-9][0-9][0-9]"),
    ]);
    let merges = [("1", "1"), ("11", "1"), (" ", "1"), (".", "."), (" ", " ")];
    // "ò" ends in a byte whose spelling is a numeral.
    check_bytes(&["1", " ", "ò", "."], &merges, steps, json!({}), 7, 4);
}

/// A tokenizer of characters with byte fallback, `▁` for the space.
fn sentencepiece(normalizer: bool, split: bool) -> Tokenizer {
    let mut vocab: Vec<String> = (0..=255).map(|byte| format!("<0x{byte:02X}>")).collect();
    let merges =
        [["▁", "a"], ["a", "b"], ["▁", "▁"], ["b", "▁"]].map(|pair| pair.map(str::to_owned));
    vocab.extend(["▁", "a", "b"].map(str::to_owned));
    vocab.extend(merges.iter().map(|pair| pair.concat()));
    let mut options = json!({"byte_fallback": true});
    let mut metaspace = Value::Null;
    if normalizer {
        options["normalizer"] = json!({"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]});
    } else {
        metaspace = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": split});
    }
    let decoder = json!({"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]});
    tokenizer(&vocab, &merges, &metaspace, &decoder, &options)
}

#[test]
fn byte_fallback() {
    for (normalizer, split) in [(true, false), (false, false), (false, true)] {
        let tokenizer = sentencepiece(normalizer, split);
        check(&tokenizer, &["a", "b", " ", "é", "\n"], 6, 4);
    }
}

#[test]
fn a_space_before_the_text() {
    let step = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true});
    let merges = [(" ", "a"), (" ", " "), ("a", "a")];
    check_bytes(
        &["a", " ", "."],
        &merges,
        sequence(&[step]),
        json!({}),
        7,
        4,
    );
}

#[test]
fn special_ids_end_a_run() {
    let special = json!({"id": 6, "content": "<s>", "single_word": false, "lstrip": false,
        "rstrip": false, "normalized": false, "special": true});
    let tokenizer = byte_level(
        &["a", " ", "é"],
        &[(" ", " "), ("a", " ")],
        json!(GPT2),
        json!({"added_tokens": [special]}),
    );
    let special = 6;
    assert!(tokenizer.special_ids().contains(&special));
    let ids = |text: &str| encode(&tokenizer, text).unwrap();
    assert_eq!(tokenizer.is_admissible(&[special, special]), Ok(true));
    for text in ["a  ", "a", "é", ""] {
        let ids = [ids(text), vec![special], ids(text)].concat();
        assert_eq!(tokenizer.is_admissible(&ids), Ok(true));
        assert_eq!(tokenizer.is_canonical(&ids), Ok(true));
    }
    // One of two blanks, or half a character, is no finished text.
    for open in [
        vec![ids("a")[0], ids(" ")[0], ids(" ")[0]],
        vec![ids("é")[0]],
    ] {
        assert_eq!(tokenizer.is_admissible(&open), Ok(true));
        let ids = [open, vec![special]].concat();
        assert_eq!(tokenizer.is_admissible(&ids), Ok(false));
    }
    assert!(matches!(
        tokenizer.is_admissible(&[300]),
        Err(Error::UnknownToken(_))
    ));
}

fn added(id: usize, content: &str, special: bool) -> Value {
    json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": !special, "special": special})
}

#[test]
fn added_tokens_in_plain_text() {
    let characters = ["a", "b", " "];
    let merges = [("a", "b"), (" ", " "), ("b", " "), (" ", "a")];
    for contents in [
        &[("  ", false), ("   ", false)][..],
        &[("ab", false), ("abba", false), ("b", false)],
        &[("ab", true), ("bb", false)],
        &[("aba", true), ("ab", false), ("a ", false)],
        &[(" ", false), ("a", false)],
    ] {
        for pattern in [json!(GPT2), json!(CL100K), json!(STAGE_B2), Value::Null] {
            let tokens = contents.iter().enumerate();
            let tokens: Vec<Value> = tokens
                .map(|(index, (content, special))| {
                    // All in one set, the one that is searched in normalized text.
                    let mut token = added(7 + index, content, *special);
                    token["normalized"] = json!(true);
                    token
                })
                .collect();
            check_bytes(
                &characters,
                &merges,
                pattern,
                json!({"added_tokens": tokens}),
                8,
                4,
            );
        }
    }
}

#[test]
fn normalization_forms() {
    // The bytes spell these characters, and U+0341 to U+036C, most of them marks.
    let characters = ["a", "e", "\u{301}", "\u{323}", " "];
    let bytes: BTreeSet<u8> = characters.iter().flat_map(|text| text.bytes()).collect();
    let all: Vec<String> = ('\0'..='\u{FFFF}')
        .map(String::from)
        .filter(|text| text.bytes().all(|byte| bytes.contains(&byte)))
        .collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    for form in ["NFC", "NFD", "NFKC", "NFKD"] {
        for pattern in [json!(GPT2), json!(TEKKEN), Value::Null] {
            let options = json!({"normalizer": {"type": form}});
            let merges = [(" ", "a"), ("a", "e"), (" ", " ")];
            check_bytes(&all, &merges, pattern.clone(), options, 6, 4);
            let options =
                json!({"normalizer": {"type": form}, "added_tokens": [added(9, "ea", false)]});
            check_bytes(&all, &merges, pattern, options, 6, 4);
        }
    }
}

#[test]
fn patterns_of_users() {
    let merges = [
        ("a", "a"),
        ("b", "1"),
        ("1", " "),
        (" ", "a"),
        ("a", "b"),
        ("1", "1"),
    ];
    for pattern in [
        r"\w+|\W",
        r"\S+|\s+",
        r"a(?=b*1)|.",
        r"(?<=a)b+|[^b]+",
        r"(?<!1)a|1+(?!b)",
        r"[\s\S]{2}",
        r"(ab)+|b+1?",
        r"a*?b|1 ",
        r"^a|b$|1",
        r"(?=(a1)*b)|1{2}",
        r"(?>a+)b?|\s",
        r"[^a]*+1|a{2,3}",
        r"a|(?=\s*1)",
        r"(?<=a[ab]{3})b+|[^b]+|b",
        "",
    ] {
        check_bytes(
            &["a", "b", "1", " "],
            &merges,
            split(pattern),
            json!({}),
            7,
            3,
        );
    }
}

/// Words and counts that no random text spells.
#[test]
fn long_words_of_users() {
    let word = "foo barbazqux";
    let letters: BTreeSet<String> = word.chars().map(String::from).collect();
    let characters: Vec<&str> = letters.iter().map(String::as_str).collect();
    for pattern in [
        format!(r"{word}|\s+"),
        format!(r"(?<={word})."),
        r"[a-z]{24}".to_owned(),
    ] {
        let tokenizer = byte_level(&characters, &[], split(&pattern), json!({}));
        let short = &word[..word.len() - 1];
        for text in [
            format!("x{word}x"),
            format!("{word}{word}"),
            format!("{short}{word} {word}{short}"),
            "foo".repeat(40),
        ] {
            let ids = encode(&tokenizer, &text).unwrap();
            assert_eq!(
                tokenizer.first_inadmissible(&ids, &mut || true),
                Ok(Some(None)),
                "{pattern}: {text}"
            );
            let admissibility = tokenizer.admissibility().unwrap();
            let state = ids.iter().try_fold(admissibility.start(), |state, &id| {
                admissibility.push(&state, id)
            });
            assert!(admissibility.can_end(&state.unwrap()), "{pattern}: {text}");
        }
    }
    for pattern in [
        "[a-z]{300}",
        "(?:[a-z]{10}){10}",
        "a(?=b{1,99}c)",
        &"ab".repeat(40),
    ] {
        let tokenizer = byte_level(&["a", "b", "c"], &[], split(pattern), json!({}));
        let error = tokenizer.is_admissible(&[0]).unwrap_err();
        assert!(error.to_string().contains("counts more than"), "{error}");
    }
}

#[test]
fn other_steps() {
    let merges = [(".", "a"), ("a", "1"), ("1", "1"), (".", "."), ("a", " ")];
    for step in [
        json!({"type": "Punctuation", "behavior": "MergedWithPrevious"}),
        json!({"type": "Punctuation", "behavior": "MergedWithNext"}),
        json!({"type": "Punctuation", "behavior": "Isolated"}),
        json!({"type": "Digits", "individual_digits": true}),
        json!({"type": "Split", "pattern": {"String": ".a"}, "behavior": "MergedWithNext", "invert": false}),
        json!({"type": "Split", "pattern": {"String": "a1"}, "behavior": "MergedWithPrevious", "invert": true}),
        json!({"type": "Split", "pattern": {"Regex": "a+"}, "behavior": "Contiguous", "invert": true}),
    ] {
        check_bytes(&["a", ".", "1", " "], &merges, step, json!({}), 7, 3);
    }
}

#[test]
fn refused() {
    let removed = json!({"type": "Split", "pattern": {"String": " "}, "behavior": "Removed", "invert": false});
    let other = json!({"type": "Replace", "pattern": {"Regex": "b+"}, "content": "a"});
    for (pre_tokenizer, options, part) in [
        (removed, json!({}), "drops text"),
        (
            Value::Null,
            json!({"normalizer": other}),
            "normalizer (Replace)",
        ),
    ] {
        let tokenizer = byte_level(&["a", "b", " "], &[("a", "a")], pre_tokenizer, options);
        let error = tokenizer.is_admissible(&[0]).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }));
        assert!(error.to_string().contains(part), "{error}");
    }
    // Two equal runs are no regular language.
    let ranks: Vec<(Vec<u8>, u32)> = (0..=255_u8)
        .map(|byte| (vec![byte], u32::from(byte)))
        .collect();
    let ranks: Vec<(&[u8], u32)> = ranks
        .iter()
        .map(|(token, rank)| (&token[..], *rank))
        .collect();
    let tokenizer = Tokenizer::from_tiktoken(&ranks, r"(a+)b\1|(?s).", []).unwrap();
    assert!(matches!(
        tokenizer.is_admissible(&[97]),
        Err(Error::Unsupported { .. })
    ));
}

/// Each case looks at some ten thousand texts.
fn few_cases() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases.div_ceil(16),
        ..usual
    }
}

/// `abc` is merged as soon as `ab` is there, and in `abcd` that is too late.
#[test]
fn a_merge_before_that_of_its_part() {
    let merges = [("ab", "c"), ("c", "d"), ("a", "b")];
    check_bytes(&["a", "b", "c", "d"], &merges, Value::Null, json!({}), 6, 3);
    let merges = [("b", "cd"), ("c", "d"), ("a", "b"), ("cd", "a")];
    check_bytes(&["a", "b", "c", "d"], &merges, Value::Null, json!({}), 6, 3);
}

proptest! {
    /// Merges in any order: a part may come behind its whole.
    #[test]
    fn neighbours_are_barred_if_merging_the_two_gives_others(
        pairs in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..30,
        ),
        kinds in 2..5_usize,
    ) {
        let characters = &["a", "b", "c", "d"][..kinds];
        let mut tokens: Vec<String> = characters.iter().map(|&text| text.to_owned()).collect();
        let mut merges: Vec<(u8, String, String)> = Vec::new();
        for (left, right, rank) in pairs {
            let (left, right) = (left.get(&tokens).clone(), right.get(&tokens).clone());
            let merged = format!("{left}{right}");
            if merged.len() <= 12 && !tokens.contains(&merged) {
                merges.push((rank, left, right));
                tokens.push(merged);
            }
        }
        merges.sort_by_key(|merge| merge.0);
        let merges: Vec<(&str, &str)> = merges.iter().map(|(_, left, right)| (&left[..], &right[..])).collect();
        let tokenizer = byte_level(characters, &merges, Value::Null, json!({}));
        let (model, encoder) = (tokenizer.model(), tokenizer.encoder());
        let neighbours = Neighbours::new(encoder, model);
        let symbols = encoder.symbols();
        let own: Vec<u32> = (0..symbols.count()).filter(|&symbol| encoder.is_own(symbol)).collect();
        for &left in &own {
            let mut barred: FxHashSet<u32> = FxHashSet::default();
            neighbours.for_each_barred(encoder, model, left, &mut |ids| barred.extend(ids));
            for &right in &own {
                let (left, right) = (symbols.id(left), symbols.id(right));
                let text = [text(&tokenizer, left), text(&tokenizer, right)].concat();
                let is_kept = encoder.merge(&text).unwrap() == [left, right];
                prop_assert_eq!(barred.contains(&right), !is_kept, "{} {} with {:?}", left, right, merges);
            }
        }
    }
}

proptest! {
    #![proptest_config(few_cases())]

    #[test]
    fn random_merges(
        pairs in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..12),
        pattern in prop::sample::select(vec![GPT2, CL100K, TEKKEN, STAGE_B2, STAGE_A1, ""]),
        whole in prop::option::of(prop::collection::btree_set("[aA1 .]{2,3}", 0..3)),
    ) {
        let characters = ["a", "A", "1", " ", "."];
        let mut tokens: Vec<String> = characters.map(str::to_owned).into();
        let mut merges: Vec<(String, String)> = Vec::new();
        for (left, right) in pairs {
            let (left, right) = (left.get(&tokens).clone(), right.get(&tokens).clone());
            let merged = format!("{left}{right}");
            if merged.len() <= 5 && !tokens.contains(&merged) {
                merges.push((left, right));
                tokens.push(merged);
            }
        }
        let merges: Vec<(&str, &str)> = merges.iter().map(|(left, right)| (&left[..], &right[..])).collect();
        let ignore_merges = whole.is_some();
        let whole: Vec<String> = whole.into_iter().flatten().filter(|token| !tokens.contains(token)).collect();
        let pattern = if pattern.is_empty() { Value::Null } else { json!(pattern) };
        let options = json!({"ignore_merges": ignore_merges, "whole": whole});
        check_bytes(&characters, &merges, pattern, options, 6, 2);
    }
}
