//! Throughput of the encoder alone, on documents of about 5 kB that a fresh tokenizer has not seen and
//! on those that it has, over the tokenizer files of `TOKSEAM_FILES`.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use tokseam_benches::{corpora, files};
use tokseam_bpe::Tokenizer;
use tokseam_bpe::added::Allowed;

/// Bytes of a document.
const DOCUMENT: usize = 5_000;

/// Cuts a text at line ends.
fn cut(text: &str) -> Vec<&[u8]> {
    let mut documents = Vec::new();
    let mut start = 0;
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        end += line.len();
        if end - start >= DOCUMENT {
            documents.push(&text.as_bytes()[start..end]);
            start = end;
        }
    }
    if start < end {
        documents.push(&text.as_bytes()[start..]);
    }
    documents
}

fn encode(tokenizer: &Tokenizer, documents: &[&[u8]], ids: &mut Vec<u32>) {
    let mut worker = tokenizer.worker();
    for document in documents {
        ids.clear();
        worker
            .encode(document, &Allowed::None, ids, &mut || true)
            .unwrap();
        black_box(&*ids);
    }
}

fn throughput(criterion: &mut Criterion) {
    let texts = corpora(&["english", "code", "multilingual", "numeric"]);
    for (name, json) in files() {
        let mut group = criterion.benchmark_group(&name);
        group
            .warm_up_time(Duration::from_millis(200))
            .measurement_time(Duration::from_secs(1))
            .sample_size(10);
        for (corpus, text) in &texts {
            let documents = cut(text);
            let (first, second) = documents.split_at(documents.len() / 2);
            let size = second.iter().map(|document| document.len()).sum::<usize>();
            group.throughput(Throughput::Bytes(size as u64));
            let mut ids = Vec::new();
            let fresh = || {
                let tokenizer = Tokenizer::from_json(&json).unwrap();
                encode(&tokenizer, first, &mut Vec::new());
                tokenizer
            };
            group.bench_function(format!("{corpus}, unseen"), |bencher| {
                bencher.iter_batched(
                    fresh,
                    |tokenizer| {
                        encode(&tokenizer, second, &mut ids);
                        tokenizer
                    },
                    BatchSize::PerIteration,
                );
            });
            let tokenizer = fresh();
            group.bench_function(format!("{corpus}, warm"), |bencher| {
                bencher.iter(|| encode(&tokenizer, second, &mut ids));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, throughput);
criterion_main!(benches);
