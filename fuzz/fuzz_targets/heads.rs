//! Merges under the splits of families, and any bytes: the heads of a text however it is pushed,
//! and the encoding of the text among them.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use tokseam_bpe::added::Allowed;
use tokseam_bytetoken::heads::Heads;
use tokseam_bytetoken::plan::Plan;
use tokseam_bytetoken::vocabulary::ROOT;
use tokseam_bytetoken::{Covers, Error, Kernel};
use tokseam_fuzz::{FAMILIES, FIXED, PATTERNS, fixed};

#[derive(Arbitrary, Debug)]
struct Input {
    number: u8,
    all: bool,
    utf8: bool,
    text: Vec<u8>,
    cuts: Vec<u8>,
}

/// The kernel over a fixed tokenizer, made when it is first asked for: its tables cost far more
/// than a text.
fn kernel(number: usize, all: bool, utf8: bool) -> &'static Kernel {
    static MADE: [OnceLock<Kernel>; 3 * FIXED] = [const { OnceLock::new() }; 3 * FIXED];
    let (kind, covers) = match (all, utf8) {
        (false, _) => (0, Covers::Admissible),
        (true, utf8) => (1 + usize::from(utf8), Covers::All { utf8 }),
    };
    MADE[3 * number + kind].get_or_init(|| {
        Kernel::new(Arc::clone(fixed(number)), covers).expect("the automaton of a family is kept")
    })
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
    let number = input.number as usize % FIXED;
    let number = number / PATTERNS.len() * PATTERNS.len() + number % FAMILIES;
    let tokenizer = fixed(number);
    let kernel = kernel(number, input.all, input.utf8);
    // All sequences of a long text are too many.
    let longest = if input.all { 8 } else { 300 };
    let text = &input.text[..input.text.len().min(longest)];
    let start = kernel.start().expect("nothing is written before a text");
    let whole = start.push(kernel, text, &mut || true);
    let (mut single, mut failed) = (start.clone(), None);
    for &byte in text {
        match single.push(kernel, &[byte], &mut || true) {
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
            assert_eq!(
                error.to_string(),
                failed.expect("it fails byte by byte too").to_string()
            );
            assert!(matches!(
                error,
                Error::NotUtf8 { .. } | Error::TooMany { .. }
            ));
            assert!(std::str::from_utf8(text).is_err() || input.all);
            return;
        }
    };
    assert!(failed.is_none());
    let found = listed(kernel, &heads);
    assert_eq!(found, listed(kernel, &single));
    if std::str::from_utf8(text).is_ok() {
        let mut ids = Vec::new();
        let done = tokenizer.encode(text, &Allowed::None, &mut ids, &mut || true);
        assert_eq!(done, Ok(true));
        assert!(
            found.contains(&(ids, ROOT)),
            "the encoding of a text is one of its covers"
        );
    }
    for &cut in input.cuts.iter().take(4) {
        let back = cut as usize % (text.len() + 1);
        let popped = heads.pop(kernel, back).expect("there are so many bytes");
        let again = popped.push(kernel, &text[text.len() - back..], &mut || true);
        let again = again
            .expect("it was pushed before")
            .expect("nothing stops it");
        assert_eq!(found, listed(kernel, &again));
    }
    assert!(heads.pop(kernel, text.len() + 1).is_none());
});
