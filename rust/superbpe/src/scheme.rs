//! The two pre-tokenizers of a training run, as components of a `tokenizer.json`.
//!
//! Source: the repository of the paper. `recommended` are its regexes since November 2025, `paper`
//! those of the tokenizers that the paper released.

use serde_json::{Value, json};

/// What cuts words in the first stage and segments in the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheme {
    /// The pre-tokenizer of the first stage.
    pub stage1: Value,
    /// The pre-tokenizer of the second stage, and of the finished tokenizer.
    pub stage2: Value,
}

const RECOMMENDED: [&str; 2] = [
    concat!(
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|",
        r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ),
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]{2,}[\r\n/]*| +(?!\S)",
];

const PAPER: [&str; 2] = [
    r"(?=(\d{3})+(?!\d))| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?=(\d{3})+(?!\d))",
];

fn byte_level() -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false})
}

fn split(regex: &str) -> Value {
    json!({"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": false})
}

/// The pre-tokenizer that makes each match of a regex, and what is between them, a pretoken.
#[must_use]
pub fn isolated(regex: &str) -> Value {
    json!({"type": "Sequence", "pretokenizers": [split(regex), byte_level()]})
}

impl Scheme {
    /// The regexes that the authors recommend.
    #[must_use]
    pub fn recommended() -> Self {
        let [stage1, stage2] = RECOMMENDED.map(isolated);
        Self { stage1, stage2 }
    }

    /// The regexes of the paper's tokenizers.
    #[must_use]
    pub fn paper() -> Self {
        let digits = json!({"type": "Digits", "individual_digits": false});
        let [stage1, stage2] = PAPER.map(|regex| {
            json!({"type": "Sequence", "pretokenizers": [digits, split(regex), byte_level()]})
        });
        Self { stage1, stage2 }
    }
}
