//! Merges, a pattern and any bytes: the encoder against its slow twin, and what must hold of ids,
//! ranges, streams and the two tests of sequences.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use tokseam_bpe::Tokenizer;
use tokseam_bpe::added::Allowed;
use tokseam_bpe::encoder::reference::Reference;
use tokseam_fuzz::{FAMILIES, PATTERNS, fixed, is_due, tokenizer};

#[derive(Arbitrary, Debug)]
struct Input {
    /// One of the fixed tokenizers, or one of its own.
    number: u8,
    pattern: u8,
    ignore_merges: bool,
    text: Vec<u8>,
    ids: Vec<u16>,
    /// Each makes a token of two earlier ones.
    merges: Vec<(u16, u16)>,
    /// Tokens that no merge makes.
    whole: Vec<Vec<u8>>,
}

/// Inputs with this number bring merges of their own.
const OWN: u8 = 0xFF;

/// The patterns that are read soon: no merge depends on the pattern.
const QUICK: [usize; 4] = [0, 5, 6, 7];

/// The tokenizer, and whether it is the fixed one with the number.
fn make(input: &Input) -> Option<(Arc<Tokenizer>, bool)> {
    // What is covered by making one would soon fill the corpus with such inputs.
    if !is_due() || input.number != OWN {
        return Some((Arc::clone(fixed(input.number as usize)), true));
    }
    let pattern = PATTERNS[QUICK[input.pattern as usize % QUICK.len()]];
    let merges = &input.merges[..input.merges.len().min(64)];
    let whole = &input.whole[..input.whole.len().min(8)];
    let own = tokenizer(pattern, input.ignore_merges, merges, whole)?;
    Some((Arc::new(own), false))
}

fuzz_target!(|input: Input| {
    let Some((tokenizer, is_fixed)) = make(&input) else {
        return;
    };
    let text = &input.text[..input.text.len().min(2000)];
    let (mut ids, mut offsets) = (Vec::new(), Vec::new());
    let done = tokenizer.encode(text, &Allowed::None, &mut ids, &mut || true);
    assert_eq!(done, Ok(true));
    assert_eq!(tokenizer.decode_bytes(&ids).as_deref(), Ok(text));

    // The slow twin, piece by piece.
    let mut cuts = vec![0; text.len() / 64 + 1];
    tokenizer
        .pretokenizer()
        .cut(text, &mut cuts)
        .expect("it encoded");
    let is_cut = |place: usize| cuts[place / 64] >> (place % 64) & 1 != 0;
    let twin = Reference::new(tokenizer.model(), tokenizer.special_ids());
    let (mut slow, mut start) = (Vec::new(), 0);
    for end in 1..=text.len() {
        if end == text.len() || is_cut(end) {
            slow.extend(
                twin.encode(&text[start..end])
                    .expect("all bytes have tokens"),
            );
            start = end;
        }
    }
    assert_eq!(ids, slow);

    // Ranges lie end to end.
    let mut again = Vec::new();
    let done =
        tokenizer.encode_with_offsets(text, &Allowed::None, &mut again, &mut offsets, &mut || true);
    assert_eq!((done, &again), (Ok(true), &ids));
    let mut end = 0;
    for (&id, &range) in ids.iter().zip(&offsets) {
        assert_eq!(range.0, end);
        end = range.1;
        assert_eq!(
            tokenizer.token_bytes(id).as_deref(),
            Ok(&text[range.0..range.1])
        );
    }

    // A stream gives what decoding gives.
    let size = tokenizer.vocab_size() as u32;
    let any: Vec<u32> = input
        .ids
        .iter()
        .take(200)
        .map(|&id| id as u32 % size)
        .collect();
    for row in [&ids, &any] {
        let (mut stream, mut joined) = (tokenizer.stream(), String::new());
        for &id in row {
            tokenizer
                .push(&mut stream, id, &mut joined)
                .expect("the id has a token");
        }
        joined += &stream.finish().expect("the decoder has no pattern");
        assert_eq!(tokenizer.decode(row), Ok(joined));
    }

    // The tests of sequences.
    if std::str::from_utf8(text).is_ok() {
        assert_eq!(tokenizer.is_canonical(&ids), Ok(true));
        assert_eq!(tokenizer.first_noncanonical(&ids), Ok(None));
        if is_fixed
            && input.number as usize % PATTERNS.len() < FAMILIES
            && let Ok(admissible) = tokenizer.is_admissible(&ids)
        {
            assert!(admissible);
        }
    }
    let canonical = tokenizer.is_canonical(&any).expect("the ids have tokens");
    let first = tokenizer
        .first_noncanonical(&any)
        .expect("the ids have tokens");
    assert_eq!(canonical, first.is_none());
});
