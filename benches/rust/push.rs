//! Pushing bytes and planning, without a model: microseconds a byte, contexts a byte and heads, over
//! the tokenizer files of `TOKSEAM_FILES`.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use tokseam_benches::{corpora, files};
use tokseam_bpe::Tokenizer;
use tokseam_bytetoken::plan::Plan;
use tokseam_bytetoken::{Covers, Kernel};

/// Bytes of each text.
const LENGTH: usize = 20_000;

fn texts() -> Vec<(String, Vec<u8>)> {
    let mut texts = Vec::new();
    for (corpus, text) in corpora(&["english", "code", "multilingual", "numeric"]) {
        let from = text
            .char_indices()
            .map(|(at, _)| at)
            .find(|&at| at >= text.len() / 2);
        let text = &text.as_bytes()[from.unwrap_or(0)..];
        texts.push((corpus.to_owned(), text[..LENGTH.min(text.len())].to_vec()));
    }
    texts.push(("spaces".to_owned(), b" ".repeat(LENGTH)));
    texts.push(("one letter".to_owned(), b"a".repeat(LENGTH)));
    texts
}

/// The work of one text: the nodes that were new at some byte, and the heads.
fn push(kernel: &Kernel, text: &[u8], list: bool) -> (usize, usize, usize) {
    let mut heads = kernel.start().unwrap();
    let (mut newest, mut contexts, mut most, mut listed) = (0, 0, 0, 0);
    for &byte in text {
        heads = heads.push(kernel, &[byte], &mut || true).unwrap().unwrap();
        let plan = Plan::new(kernel, &heads, None).unwrap();
        most = most.max(plan.heads().len());
        let mut last = newest;
        for (node, serial) in plan.serials().enumerate() {
            if serial > newest {
                contexts += 1;
                last = last.max(serial);
                if list {
                    let allowed = kernel.allowed(&[plan.stem(node).unwrap()]).unwrap();
                    listed += allowed.iter().filter(|&&allowed| !allowed).count();
                }
            }
        }
        newest = last;
        black_box(plan);
    }
    (contexts, most, listed)
}

fn throughput(criterion: &mut Criterion) {
    let texts = texts();
    for (name, json) in files() {
        let tokenizer = Arc::new(Tokenizer::from_json(&json).unwrap());
        let start = std::time::Instant::now();
        let kernel = Kernel::new(Arc::clone(&tokenizer), Covers::Admissible).unwrap();
        eprintln!("{name}: set-up {:?}", start.elapsed());
        let mut group = criterion.benchmark_group(&name);
        group
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(1))
            .sample_size(10);
        for (corpus, text) in &texts {
            let start = std::time::Instant::now();
            let (contexts, heads, listed) = push(&kernel, text, true);
            let bytes = text.len() as f64;
            eprintln!(
                "{name}, {corpus}: {:.3} contexts a byte, at most {heads} heads, {:.0} inadmissible tokens a context, cold {:.2} us a byte",
                contexts as f64 / bytes,
                listed as f64 / contexts as f64,
                1e6 * start.elapsed().as_secs_f64() / bytes,
            );
            group.throughput(Throughput::Elements(text.len() as u64));
            group.bench_function(corpus.as_str(), |bencher| {
                bencher.iter(|| push(&kernel, text, false));
            });
            group.bench_function(format!("{corpus}, with masks"), |bencher| {
                bencher.iter(|| push(&kernel, text, true));
            });
        }
    }
}

criterion_group!(benches, throughput);
criterion_main!(benches);
