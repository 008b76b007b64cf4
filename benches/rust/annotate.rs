//! Throughput of annotating and restoring, on corpora and on megabytes of one pattern.
#![allow(missing_docs)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use tokseam_benches::corpora;
use tokseam_triadic::Grammar;
use tokseam_triadic::annotate::{annotate, restore};

/// Numbers and nothing else, from a fixed sequence.
fn dense(size: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut text = String::new();
    while text.len() < size {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let digits = 10_u64.pow((state >> 40) as u32 % 10);
        let number = (state >> 20) % digits;
        text.push_str(&number.to_string());
        if state >> 60 < 5 {
            text.push('.');
            text.push_str(&(state >> 50).to_string());
        }
        text.push(' ');
    }
    text.into_bytes()
}

fn throughput(criterion: &mut Criterion) {
    let mut texts = corpora(&["english", "numeric"])
        .into_iter()
        .map(|(name, text)| (name, text.into_bytes()))
        .collect::<Vec<_>>();
    texts.push(("dense numbers", dense(1_000_000)));
    for (name, pattern) in [("ones", "1"), ("1.", "1."), ("1,", "1,"), ("spaces", " ")] {
        texts.push((name, pattern.repeat(1_000_000 / pattern.len()).into_bytes()));
    }
    let grammar = Grammar::default();
    for (name, text) in texts {
        let mut group = criterion.benchmark_group(name);
        group
            .throughput(Throughput::Bytes(text.len() as u64))
            .sample_size(10)
            .warm_up_time(Duration::from_millis(200))
            .measurement_time(Duration::from_millis(600));
        let mut out = Vec::new();
        group.bench_function("annotate", |bencher| {
            bencher.iter(|| {
                out.clear();
                annotate(black_box(&text), &grammar, &mut out);
            });
        });
        let annotated = std::mem::take(&mut out);
        group.bench_function("restore", |bencher| {
            bencher.iter(|| {
                out.clear();
                restore(black_box(&annotated), &mut out);
            });
        });
        group.finish();
    }
}

criterion_group!(benches, throughput);
criterion_main!(benches);
