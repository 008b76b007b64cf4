//! Throughput of each pattern family.
#![allow(missing_docs)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;
use tokseam_benches::corpora;
use tokseam_bpe::pattern::{Dialect, Pattern};

const WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|";
const TAIL: &str = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TAIL_SLASH: &str = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

fn cased(suffix: &str) -> String {
    let lead = r"[^\r\n\p{L}\p{N}]?";
    let (upper, lower) = (
        r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]",
        r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]",
    );
    format!(
        r"{lead}{upper}*{lower}+{suffix}|{lead}{upper}+{lower}*{suffix}|\p{{N}}{{1,3}}{TAIL_SLASH}"
    )
}

fn families() -> Vec<(&'static str, String)> {
    vec![
        (
            "gpt2",
            r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+".into(),
        ),
        ("cl100k", format!(r"{WORDS}\p{{N}}{{1,3}}{TAIL}")),
        ("qwen2", format!(r"{WORDS}\p{{N}}{TAIL}")),
        ("o200k", cased("(?i:'s|'t|'re|'ve|'m|'ll|'d)?")),
        ("superbpe-b1", cased("")),
        ("superbpe-b2", r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]{2,}[\r\n/]*| +(?!\S)".into()),
        (
            "superbpe-a1",
            r"(?=(\d{3})+(?!\d))| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+".into(),
        ),
        ("superbpe-a2", r"(?=(\d{3})+(?!\d))".into()),
        (
            "deepseek-words",
            concat!(
                r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"##,
                r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
            )
            .into(),
        ),
        ("numbers", r"\p{N}{1,3}".into()),
        ("general", r"\w+\s*|(?=b)".into()),
    ]
}

fn throughput(criterion: &mut Criterion) {
    for (corpus, text) in corpora(&["english", "code", "multilingual", "numeric"]) {
        let text = text.as_bytes();
        let mut group = criterion.benchmark_group(corpus);
        group
            .throughput(Throughput::Bytes(text.len() as u64))
            .sample_size(10)
            .warm_up_time(Duration::from_millis(200))
            .measurement_time(Duration::from_millis(600));
        for (name, source) in families() {
            let Ok(pattern) = Pattern::new(&source, Dialect::Rust) else {
                continue;
            };
            let mut cuts = vec![0_u64; text.len() / 64 + 1];
            group.bench_function(name, |bencher| {
                bencher.iter(|| pattern.cut(text, 0, text.len(), &mut cuts, &mut || true));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, throughput);
criterion_main!(benches);
