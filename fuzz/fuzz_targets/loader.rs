//! Any bytes as a `tokenizer.json`. What is not refused must encode without a panic, and what it
//! is saved to must load to a tokenizer that gives the same ids.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tokseam_bpe::Tokenizer;
use tokseam_bpe::added::Allowed;
use tokseam_fuzz::is_due;

const TEXTS: [&str; 4] = [
    "",
    "The end 's near, 1234567.89 <s>ab</s>\r\n\n  x",
    "e\u{301} \u{fb01}\u{200d}\u{1f600}\u{ac12}\t\u{a0}\u{0}",
    "aaaaaaaaaaaaaaaaaaaaaaaa      \u{2581}\u{2581}a",
];

fn encode(tokenizer: &Tokenizer, text: &[u8], allowed: &Allowed) -> Option<Vec<u32>> {
    let mut ids = Vec::new();
    tokenizer
        .encode(text, allowed, &mut ids, &mut || true)
        .ok()?;
    Some(ids)
}

fuzz_target!(|data: &[u8]| {
    let Ok(tokenizer) = Tokenizer::from_json(data) else {
        return;
    };
    let again = tokenizer
        .to_json()
        .ok()
        .map(|json| Tokenizer::from_json(json.as_bytes()).expect("what is written can be read"));
    for text in TEXTS
        .map(str::as_bytes)
        .into_iter()
        .chain([&data[..data.len().min(200)]])
    {
        for allowed in [Allowed::None, Allowed::All] {
            let ids = encode(&tokenizer, text, &allowed);
            if let Some(again) = &again {
                assert_eq!(ids, encode(again, text, &allowed));
            }
            let Some(ids) = ids else { continue };
            let decoded = tokenizer.decode_bytes(&ids);
            if tokenizer.info().lossy.is_none() {
                assert_eq!(decoded.as_deref(), Ok(text));
            }
        }
    }
    let size = tokenizer.vocab_size().min(1 << 12) as u32;
    for id in 0..size {
        let _ = tokenizer.token_bytes(id);
        let _ = tokenizer.decode(&[id, id]);
    }
    if is_due() && size < 1 << 10 {
        let _ = tokenizer.reach(&mut || true);
    }
});
