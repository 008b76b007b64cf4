//! Any merges under GPT-2's split, and any bytes: the heads of a text however it is pushed, and the
//! encoding of the text among them.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokseam_bpe::added::Allowed;
use tokseam_bpe::{Tokenizer, byte_alphabet};
use tokseam_bytetoken::heads::Heads;
use tokseam_bytetoken::plan::Plan;
use tokseam_bytetoken::vocabulary::ROOT;
use tokseam_bytetoken::{Covers, Error, Kernel};

#[derive(Arbitrary, Debug)]
struct Input {
    all: bool,
    utf8: bool,
    /// Each makes a token of two earlier ones.
    merges: Vec<(u16, u16)>,
    text: Vec<u8>,
    cuts: Vec<u8>,
}

fn make(input: &Input) -> Option<Tokenizer> {
    let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    let mut merges = Vec::new();
    for &(left, right) in input.merges.iter().take(64) {
        let left = tokens[left as usize % tokens.len()].clone();
        let right = tokens[right as usize % tokens.len()].clone();
        let token = [&left[..], &right].concat();
        if token.len() > 32 || tokens.contains(&token) {
            continue;
        }
        merges.push([byte_alphabet::spelling(&left), byte_alphabet::spelling(&right)]);
        tokens.push(token);
    }
    let vocab: Map<String, Value> = tokens
        .iter()
        .enumerate()
        .map(|(id, token)| (byte_alphabet::spelling(token), json!(id)))
        .collect();
    let level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "post_processor": null, "normalizer": null,
        "added_tokens": [], "pre_tokenizer": level, "decoder": level,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": false, "vocab": vocab, "merges": merges},
    });
    Tokenizer::from_json(file.to_string().as_bytes()).ok()
}

/// The heads, each as its ids and its node of the trie.
fn listed(kernel: &Kernel, heads: &Heads) -> BTreeSet<(Vec<u32>, u32)> {
    let plan = Plan::new(kernel, heads, None).expect("the kernel was made");
    let stems = plan.heads().iter().map(|head| {
        let stem = plan.stem(head.node as usize).expect("a node of the plan");
        (stem.ids(), head.at)
    });
    stems.collect()
}

fuzz_target!(|input: Input| {
    let Some(tokenizer) = make(&input) else {
        return;
    };
    let tokenizer = Arc::new(tokenizer);
    // All sequences of a long text are too many.
    let (covers, longest) = if input.all {
        (Covers::All { utf8: input.utf8 }, 8)
    } else {
        (Covers::Admissible, 300)
    };
    let text = &input.text[..input.text.len().min(longest)];
    let kernel = Kernel::new(Arc::clone(&tokenizer), covers).expect("GPT-2's split is known");
    let start = kernel.start().expect("nothing is written before a text");
    let whole = start.push(&kernel, text, &mut || true);
    let (mut single, mut failed) = (start.clone(), None);
    for &byte in text {
        match single.push(&kernel, &[byte], &mut || true) {
            Ok(next) => single = next.expect("nothing stops it"),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    let heads = match whole {
        Ok(heads) => heads.expect("nothing stops it"),
        Err(error) => {
            assert_eq!(error.to_string(), failed.expect("it fails byte by byte too").to_string());
            assert!(matches!(error, Error::NotUtf8 { .. } | Error::TooMany { .. }));
            assert!(std::str::from_utf8(text).is_err() || input.all);
            return;
        }
    };
    assert!(failed.is_none());
    let found = listed(&kernel, &heads);
    assert_eq!(found, listed(&kernel, &single));
    if std::str::from_utf8(text).is_ok() {
        let mut ids = Vec::new();
        let done = tokenizer.encode(text, &Allowed::None, &mut ids, &mut || true);
        assert_eq!(done, Ok(true));
        assert!(found.contains(&(ids, ROOT)), "the encoding of a text is one of its covers");
    }
    for &cut in input.cuts.iter().take(4) {
        let back = cut as usize % (text.len() + 1);
        let popped = heads.pop(back).expect("there are so many bytes");
        let again = popped.push(&kernel, &text[text.len() - back..], &mut || true);
        let again = again.expect("it was pushed before").expect("nothing stops it");
        assert_eq!(found, listed(&kernel, &again));
    }
    assert!(heads.pop(text.len() + 1).is_none());
});
