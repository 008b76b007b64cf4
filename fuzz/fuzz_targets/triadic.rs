//! Any bytes and any grammar: markers that are put in come out again, in pieces too, triads join
//! to their numeral, and regrouping keeps the text.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tokseam_triadic::Grammar;
use tokseam_triadic::annotate::{Restorer, annotate, restore};
use tokseam_triadic::style;
use tokseam_triadic::triad::{join, split};

#[derive(Arbitrary, Debug)]
struct Input {
    group_size: u8,
    keep_years: bool,
    min_digits: u8,
    grouped: bool,
    extend: bool,
    cuts: Vec<u8>,
    text: Vec<u8>,
}

fuzz_target!(|input: Input| {
    let Ok(grammar) = Grammar::new(input.group_size as usize % 6) else {
        return;
    };
    let grammar = grammar.keep_years(input.keep_years).extend(input.extend);
    let grammar = grammar
        .min_digits(input.min_digits as usize % 40)
        .unwrap_or(grammar);
    let grammar = grammar.grouped(input.grouped).unwrap_or(grammar);
    let text = &input.text;

    let (mut annotated, mut restored) = (Vec::new(), Vec::new());
    annotate(text, &grammar, &mut annotated);
    restore(&annotated, &mut restored);
    assert_eq!(&restored, text);

    let (mut restorer, mut pieces, mut start) = (Restorer::default(), Vec::new(), 0);
    for &cut in &input.cuts {
        let end = (start + cut as usize).min(annotated.len());
        restorer.push(&annotated[start..end], &mut pieces);
        start = end;
    }
    restorer.push(&annotated[start..], &mut pieces);
    assert_eq!(&pieces, text);

    // A numeral is its triads; one that is found is one.
    if let Ok(triads) = split(text, &grammar) {
        let joined = join(
            triads
                .iter()
                .map(|triad| (triad.digits.as_str(), triad.power)),
        );
        assert_eq!(joined.as_deref().map(str::as_bytes), Ok(&text[..]));
    }
    let mut end = 0;
    grammar.find(text, |numeral| {
        assert!(end <= numeral.integer.start && numeral.integer.start < numeral.end());
        end = numeral.end();
        assert!(end <= text.len());
    });

    let mut lossy = Vec::new();
    let _ = style::author(text, &grammar, input.extend, &mut lossy);
    let _ = style::paper(text, &grammar, &mut lossy);
});
