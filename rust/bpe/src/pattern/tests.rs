//! Every scanner against the general engine, and every spelling against its family.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Spellings and their family; all spellings of a family in one block cut alike.
const SPELLINGS: &[(&str, &[&str])] = &[
    (
        "gpt2",
        &[
            r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
            r"'s|'t|'re|'ve|'m|'ll|'d| ?[\p{L}]+| ?[\p{N}]+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
            r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
            r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
            r"(?:'s|'t|'re|'ve|'m|'ll|'d)|(?:[ ]?\p{Letter}+)|[ ]{0,1}\p{N}+|\x20?[^\p{N}\p{L}\s]+|[\s]+(?![^\s])|\s+",
        ],
    ),
    (
        "gpt2-plain",
        &[r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"],
    ),
    (
        "cl100k",
        &[
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
            "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
            r"(?:(?i)'s|'t|'re|'ve|'m|'ll|'d)|(?:[^\r\n\p{L}\p{N}]?\p{L}+|(?:\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*))|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
    ),
    // What tiktoken has now: white space at the end of the text is one piece, whatever is in it.
    (
        "cl100k",
        &[
            r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
        ],
    ),
    // Without the long s.
    (
        "cl100k",
        &[
            r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
    ),
    (
        "qwen2",
        &[
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
    ),
    (
        "qwen3.5",
        &[
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
    ),
    (
        "o200k",
        &[
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
    ),
    (
        "tekken",
        &[
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
    ),
    (
        "superbpe-a1",
        &[
            r"(?=(\d{3})+(?!\d))| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
            r"(?=(?:\p{Nd}\p{Nd}\p{Nd})+(?!\p{Nd}))| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s",
        ],
    ),
    (
        "superbpe-a2",
        &[r"(?=(\d{3})+(?!\d))", r"(?=(?:[\d]{3})+(?![\d]))"],
    ),
    (
        "superbpe-b1",
        &[
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
    ),
    (
        "superbpe-b2",
        &[r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]{2,}[\r\n/]*| +(?!\S)"],
    ),
    (
        "deepseek-words",
        &[
            "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
        ],
    ),
    ("deepseek-cjk", &["[一-龥\u{3040}-ゟ゠-ヿ]+"]),
    (
        "numbers-right",
        &[
            r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))",
            r"\p{N}{1,3}(?=(?:\p{N}{3})*(?:\P{N}|$))",
        ],
    ),
    ("numbers-right", &[r"\d{1,3}(?=(?:\d{3})*(?!\d))"]),
    (
        "numbers-right",
        &[
            r"(?=(\p{N}{3})+(?!\p{N}))",
            r"(?=(?:\p{N}{3})+(?:\P{N}|$))",
            r"(?=(?:\p{N}{3})+(?:\z|[^\p{N}]))",
        ],
    ),
    (
        "numbers-right",
        &[
            r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))|\P{N}+",
            r"\p{N}{1,3}(?=(?:\p{N}{3})*(?:$|\P{N}))|\P{N}+",
        ],
    ),
    (
        "numbers-right",
        &[r"\p{N}{1,3}(?=(?:\d{3})*(?!\d))|\p{N}+|\P{N}+"],
    ),
    ("rules", &[r"\d{1,3}(?=(?:\p{N}{3})*(?!\p{N}))|[a\s]+"]),
    ("rules", &[r"[1a]{1,2}(?=(?:[1b]{2})*(?![1b]))|[^1]"]),
    (
        "numbers-right",
        &[r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))|\p{N}+|\P{N}+"],
    ),
    ("run", &[r"\p{N}+", r"\p{N}++", r"(?:\p{N}{1,3})+"]),
    ("run", &[r"\p{N}", r"\p{N}{1}"]),
    ("run", &[r"\p{N}{1,3}"]),
    ("run", &[r"\s+"]),
    ("run", &[r"[\r\n]"]),
    ("rules", &[r"\s?\p{L}+"]),
    ("rules", &[r"\s?\p{P}+"]),
    ("rules", &[r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿ]+"]),
    ("rules", &[r"\s?[!-/:-~！-／：-～‘-‟\u3000-。]+"]),
    ("run", &[r"[一-龥\u0800-一가-퟿]+"]),
    ("rules", &[r"(?<=\d)(?=(?:\d{3})+(?!\d))"]),
    ("rules", &[r"(?=(\d{3})+(?!\d))|\d+|\D+"]),
    ("rules", &[r"\p{N}+|\P{N}+"]),
    ("rules", &[r"\s+$|\s+(?!\S)|\w+|."]),
    ("rules", &[r"[^a\s]?+[^\sb]+(?:ss|t1)?|ab"]),
    // The words of o200k in one group, which is another pattern: with a mark before it, `A` is one piece.
    (
        "rules",
        &[
            r"[^\r\n\p{L}\p{N}]?(?:[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
    ),
    ("rules", &[r"[^b]?(?:1+|s+1*|[ab]+)(?:'s|tt)?"]),
    ("rules", &[r"(?:(?=[\p{L}])[^a-z])+|(?:(?!\s)[^a]){2,3}"]),
    // As llama.cpp has them.
    (
        "rules",
        &[
            r"[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))+((?=[\p{L}])([^A-Z]))*(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
    ),
    (
        "rules",
        &[
            r"[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+|[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))+((?=[\p{L}])([^A-Z]))*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
    ),
    (
        "qwen2",
        &[
            r"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
        ],
    ),
    (
        "rules",
        &[
            r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
    ),
    (
        "rules",
        &[r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"],
    ),
    ("rules", &[r" ?[^(\s|.,!?…。，、।۔،)]+"]),
    ("run", &[r"[\p{P}\$\+<=>\^~\|`]+"]),
    ("run", &[r"[0-9][0-9][0-9]"]),
    ("rules", &[r"\s+$"]),
    // Known ones with ASCII's name of digits, or another way to say white space.
    (
        "cl100k",
        &[
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\d{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
    ),
    (
        "cl100k",
        &[
            r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\d{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
        ],
    ),
    (
        "o200k",
        &[
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\d{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
    ),
    (
        "o200k",
        &[
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]++(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n/]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
        ],
    ),
];

/// Patterns of the second list's kind that no scanner takes.
const GENERAL: &[&str] = &[
    r"\w+\s*|(?=b)",
    r"(?:\p{L}+|\p{N}+)+?",
    r"^\s+|\s+$|\b\w",
    r"",
    r"a*",
    r"(?<!\s)\s|\p{Lu}(?=\p{Ll})",
];

/// The cuts by definition, from the matches of `fancy-regex` on the pattern as it is.
struct Oracle {
    source: &'static str,
    regex: fancy_regex::Regex,
}

impl Oracle {
    fn new(source: &'static str) -> Self {
        let regex = fancy_regex::RegexBuilder::new(source)
            .backtrack_limit(usize::MAX)
            .build()
            .unwrap();
        Self { source, regex }
    }

    fn cuts(&self, text: &[u8]) -> Vec<usize> {
        let mut decoded = String::new();
        let mut places = Vec::new();
        let mut at = 0;
        for chunk in text.utf8_chunks() {
            for c in chunk.valid().chars() {
                places.push((decoded.len(), at));
                decoded.push(c);
                at += c.len_utf8();
            }
            for _ in chunk.invalid() {
                places.push((decoded.len(), at));
                decoded.push('\u{10ffff}');
                at += 1;
            }
        }
        places.push((decoded.len(), at));
        let place = |decoded: usize| places[places.partition_point(|(d, _)| *d < decoded)].1;
        let mut cuts: Vec<usize> = self
            .regex
            .find_iter(decoded.as_str())
            .map(|found| found.unwrap())
            .flat_map(|found| [place(found.start()), place(found.end())])
            .filter(|cut| 0 < *cut && *cut < text.len())
            .collect();
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }

    fn compare(&self, pattern: &Pattern, text: &[u8]) {
        assert_eq!(
            fast_cuts(pattern, text, 0, text.len()),
            self.cuts(text),
            "{} on {:?}",
            self.source,
            String::from_utf8_lossy(text)
        );
    }
}

/// All patterns of [`SPELLINGS`] with their oracles.
static PATTERNS: LazyLock<Vec<(Pattern, Oracle)>> = LazyLock::new(|| {
    SPELLINGS
        .iter()
        .flat_map(|(_, spellings)| spellings.iter())
        .map(|source| {
            (
                Pattern::new(source, Dialect::Rust).unwrap(),
                Oracle::new(source),
            )
        })
        .collect()
});

/// One spelling a block of [`SPELLINGS`] in Oniguruma's dialect, where the dialects agree.
static COMMON: LazyLock<Vec<(Pattern, Oracle)>> = LazyLock::new(|| {
    let sources = SPELLINGS.iter().map(|(_, spellings)| spellings[0]);
    sources
        .chain(GENERAL.iter().copied())
        .filter(|source| {
            !["$", "}+", r"\b", r"\w"]
                .iter()
                .any(|part| source.contains(part))
        })
        .map(|source| {
            (
                Pattern::new(source, Dialect::Oniguruma).unwrap(),
                Oracle::new(source),
            )
        })
        .collect()
});

/// Oniguruma patterns that end lines, with oracles that spell out what `$` means there.
static LINES: LazyLock<Vec<(Pattern, Oracle)>> = LazyLock::new(|| {
    [
        (r"\s+$", r"\s+(?=\n|\z)"),
        (r"\s++$", r"\s++(?=\n|\z)"),
        (r"[ \t]++$|\s", r"[ \t]++(?=\n|\z)|\s"),
        (r"[^a]+$|a", r"[^a]+(?=\n|\z)|a"),
    ]
    .into_iter()
    .map(|(source, meaning)| {
        let pattern = Pattern::new(source, Dialect::Oniguruma).unwrap();
        assert!(pattern.family().is_some(), "{source}");
        (pattern, Oracle::new(meaning))
    })
    .collect()
});

/// The patterns of [`GENERAL`].
static BACKTRACKING: LazyLock<Vec<(Pattern, Oracle)>> = LazyLock::new(|| {
    GENERAL
        .iter()
        .map(|source| {
            (
                Pattern::new(source, Dialect::Rust).unwrap(),
                Oracle::new(source),
            )
        })
        .collect()
});

fn fast_cuts(pattern: &Pattern, text: &[u8], from: usize, to: usize) -> Vec<usize> {
    let mut cuts = vec![0; text.len() / 64 + 1];
    pattern
        .cut(text, from, to, &mut cuts, &mut || true)
        .unwrap();
    (0..=text.len())
        .filter(|at| cuts[at / 64] >> (at % 64) & 1 == 1)
        .map(|at| at - from)
        .collect()
}

/// Letters of all cases and scripts, marks, numbers, white space, punctuation, and bytes that
/// are no text, so that any two meet often.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let texts = [
        "a",
        "s",
        "t",
        "re",
        "ll",
        "Ve",
        "M",
        "D",
        "S",
        "ſ",
        "K",
        "é",
        "Ж",
        "ж",
        "ǅ",
        "ʰ",
        "日",
        "本",
        "か",
        "ー",
        "ا",
        "ß",
        "ͅ",
        "\u{301}",
        "\u{94d}",
        "1",
        "12",
        "123",
        "4567",
        "٣",
        "९",
        "Ⅷ",
        "½",
        "²",
        "𝟙",
        " ",
        "  ",
        "\t",
        "\n",
        "\r",
        "\r\n",
        "\u{b}",
        "\u{85}",
        "\u{a0}",
        "\u{3000}",
        "\u{2028}",
        "'",
        "'s",
        "'S",
        "'LL",
        "'ſ",
        "’",
        "/",
        "//",
        ".",
        ",",
        "...",
        "_",
        "$",
        "+",
        "—",
        "。",
        "😀",
        "👩‍👩‍👧",
        "\u{200d}",
        "\0",
        "\u{e000}",
        "\u{10ffff}",
        "\u{feff}",
        "\u{61c}",
    ];
    let bytes: [&[u8]; 6] = [
        b"\x80",
        b"\xff",
        b"\xe2\x82",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xf4\x90",
    ];
    prop_oneof![
        20 => prop::sample::select(texts.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        4 => (prop::sample::select(texts.to_vec()), 2..9_usize)
            .prop_map(|(text, times)| text.repeat(times).into_bytes()),
        2 => any::<char>().prop_map(|c| c.to_string().into_bytes()),
        1 => prop::sample::select(bytes.to_vec()).prop_map(<[u8]>::to_vec),
    ]
}

fn text(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(piece(), 0..most).prop_map(|pieces| pieces.concat())
}

/// Text that is mostly letters and marks beyond ASCII, long enough for several blocks.
fn beyond() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "привет ",
        "Мир",
        " МИР",
        "ПРИвет, ",
        "«да» — ",
        "naïve ",
        "ÉTÉ",
        "日本語。",
        "カー、",
        "한국어 ",
        "e\u{301}",
        "İ",
        "ǅ",
        "ʰ",
        "a日",
        "日A",
        "日a",
        "ж",
        "Ж",
        "ſ",
        "'ſ",
        "'é",
        "’s ",
        "…",
        "—",
        "😀",
        "\u{94d}",
        "\u{301}",
        "\u{a0}",
        "\u{3000}",
        "٣",
        "½",
        "K",
        " ",
        "\n",
        ".",
        "1",
        "a",
        "A",
        "'s",
        "!\u{301}",
        "。。\n",
        "—/",
        " —",
        "\u{10000}",
        "\u{1d400}",
        "\u{2f800}",
    ];
    let bytes: [&[u8]; 5] = [
        b"\x80",
        b"\xd0",
        b"\xe3\x81",
        b"\xe0\x80\x80",
        b"\xf0\x9f\x98",
    ];
    let word = prop::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec());
    let broken = prop::sample::select(bytes.to_vec()).prop_map(<[u8]>::to_vec);
    let any = any::<char>().prop_map(|c| c.to_string().into_bytes());
    let pieces = prop_oneof![40 => word, 1 => broken, 2 => any];
    prop::collection::vec(pieces, 10..120).prop_map(|pieces| pieces.concat())
}

/// Text that is mostly ASCII, long enough for several blocks of 64: words and numbers, or all
/// that the formulas for blocks have cases for.
fn ascii() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "the ", "quick ", "Brown", "FOXes", "don't ", "WE'LL ", "a", "I'", ".\n", ", ", " (x)",
        "12", "1234567", " ", "\n\n", "    ", "\t", "'s", "'S'd", "x'lL", "://", "é", "日本",
        "\n//",
    ];
    let cases = [
        "a", "b", "s", "t", "S", "T", "re", "'", "'s", "'LL", " ", " ", "\n", "\r", "\t", ".", "/",
        "1", "12", "\x0b", "-", "_",
    ];
    prop_oneof![
        prop::collection::vec(prop::sample::select(words.to_vec()), 20..120),
        prop::collection::vec(prop::sample::select(cases.to_vec()), 60..400),
    ]
    .prop_map(|pieces| pieces.concat().into_bytes())
}

#[test]
fn spellings_are_recognised() {
    for (family, spellings) in SPELLINGS {
        for source in *spellings {
            let pattern = Pattern::new(source, Dialect::Rust).unwrap();
            assert_eq!(pattern.family(), Some(*family), "{source}");
            assert_eq!(pattern.source(), *source);
        }
    }
    for source in GENERAL {
        let pattern = Pattern::new(source, Dialect::Rust).unwrap();
        assert_eq!(pattern.family(), None, "{source}");
    }
}

#[test]
fn coverage_is_known() {
    for (source, total) in [
        (SPELLINGS[0].1[0], true),
        (SPELLINGS[2].1[0], true),
        (SPELLINGS[3].1[0], true),
        (r"\p{N}+|\P{N}+", true),
        (r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))|\P{N}", true),
        (r"\p{N}+", false),
        (r"(?=(\d{3})+(?!\d))|\d+|\D+", false),
        (r" +(?!\S)|\S+", false),
        (r"[\s\S]", true),
    ] {
        let pattern = Pattern::new(source, Dialect::Rust).unwrap();
        assert_eq!(pattern.is_total(), total, "{source}");
    }
}

#[test]
fn dialects_differ_where_they_should() {
    let text = "a  \n\n b \n 1234 'ſ aa".as_bytes();
    let cuts =
        |source, dialect| fast_cuts(&Pattern::new(source, dialect).unwrap(), text, 0, text.len());
    // `$` is the end of a line in Oniguruma: blanks before a line feed match.
    assert_eq!(cuts(r"\s+$", Dialect::Rust), [0_usize; 0]);
    assert_eq!(cuts(r"\s+$", Dialect::Oniguruma), [1, 4, 7, 8]);
    assert_eq!(cuts(r"\s++$", Dialect::Oniguruma), [0_usize; 0]);
    // `{1,3}+` is possessive in one, a repeated group in the other.
    assert_eq!(cuts(r"\p{N}{1,3}+", Dialect::Rust), [10, 13, 14]);
    assert_eq!(cuts(r"\p{N}{1,3}+", Dialect::Oniguruma), [10, 14]);
    // A bare option takes the alternatives with it in Oniguruma.
    assert_eq!(cuts(r" (?i)B|A{9}", Dialect::Oniguruma), [5, 7]);
    assert_eq!(
        cuts("(?i)k", Dialect::Oniguruma),
        cuts("(?i)K", Dialect::Rust)
    );
    for refused in [
        r"(?i)ss",
        r"(?i:st)",
        r"[[:punct:]]",
        r"\p{Punct}",
        r"(a)\1",
        r"(?i)\p{Lu}",
    ] {
        assert!(
            Pattern::new(refused, Dialect::Oniguruma).is_err(),
            "{refused}"
        );
    }
}

#[test]
fn what_tiktoken_has_can_be_written_for_oniguruma() {
    for (_, spellings) in SPELLINGS {
        for source in *spellings {
            let written = Pattern::in_oniguruma(source).unwrap();
            let pattern = Pattern::new(&written, Dialect::Oniguruma).unwrap();
            let oracle = Oracle::new(source);
            for text in [
                "12345678 a\n  ",
                "it's  A\u{301}b\r\n 12'LL ",
                "  \n",
                "x\n y \n",
            ] {
                oracle.compare(&pattern, text.as_bytes());
            }
        }
    }
    let current = SPELLINGS
        .iter()
        .find(|(_, spellings)| spellings[0].contains("{1,3}+"));
    let written = Pattern::in_oniguruma(current.unwrap().1[0]).unwrap();
    assert!(!written.contains("{1,3}+"));
    assert_eq!(Pattern::in_oniguruma(r"\d{2}+b"), None);
    assert_eq!(Pattern::in_oniguruma(r"\b\w+"), None);
    assert_eq!(Pattern::in_oniguruma("("), None);
}

#[test]
fn bad_patterns_and_ranges_are_errors() {
    for source in ["(", "[z-a]", "*", "(?<n", "\\"] {
        for dialect in [Dialect::Rust, Dialect::Oniguruma] {
            let error = Pattern::new(source, dialect).unwrap_err();
            assert!(matches!(&error, Error::Unsupported { component, .. }
                if component.contains(&format!("{source:?}"))));
        }
    }
    let deep = "(".repeat(100_000);
    assert!(Pattern::new(&deep, Dialect::Oniguruma).is_err());
    let pattern = Pattern::new(r"\s+", Dialect::Rust).unwrap();
    for (from, to) in [(2, 4), (3, 2)] {
        let done = pattern.cut(b"abc", from, to, &mut [0], &mut || true);
        assert!(done.is_err());
    }
}

#[test]
fn a_runaway_match_is_an_error() {
    let pattern = Pattern::new(r"(?:(?=a)a|a)*(?:(?=a)a|a)*(?:(?=a)a|a)*b", Dialect::Rust).unwrap();
    assert_eq!(pattern.family(), None);
    let text = "a".repeat(20_000);
    let error = pattern.cut(text.as_bytes(), 0, text.len(), &mut [0; 400], &mut || true);
    assert!(matches!(error, Err(Error::Pretokenize(message)) if message.contains("byte 0")));
}

#[test]
fn literals_match_as_they_stand() {
    let text = b"a.b..c...";
    let matches = |pattern: &Pattern| {
        let mut found = Vec::new();
        pattern
            .for_each_match(
                text,
                1,
                8,
                &mut |start, end| found.push((start, end)),
                &mut || true,
            )
            .unwrap();
        found
    };
    assert_eq!(matches(&Pattern::literal("..")), [(3, 5), (6, 8)]);
    assert_eq!(matches(&Pattern::literal("")), [(0_usize, 0_usize); 0]);
    assert_eq!(fast_cuts(&Pattern::literal("."), b"a.b", 0, 3), [1, 2]);
}

#[test]
fn empty_matches_are_given_where_the_engines_give_them() {
    for source in [
        r"(?=(\d{3})+(?!\d))",
        r"(?=(\d{3})+(?!\d))| ?\p{L}+",
        r"(?=b)|a|",
    ] {
        let pattern = Pattern::new(source, Dialect::Rust).unwrap();
        let regex = fancy_regex::Regex::new(source).unwrap();
        for text in ["123456 1234 ab123 abb", "1234567ab12", ""] {
            let slow: Vec<_> = regex
                .find_iter(text)
                .map(|found| found.unwrap())
                .map(|found| (found.start(), found.end()))
                .collect();
            let mut fast = Vec::new();
            let mut emit = |s, e| fast.push((s, e));
            pattern
                .for_each_match(text.as_bytes(), 0, text.len(), &mut emit, &mut || true)
                .unwrap();
            assert_eq!(fast, slow, "{source} on {text}");
        }
    }
}

/// The corpora in `shared/data` above the repository, or in the folder `TOKSEAM_CORPORA`.
fn corpus(name: &str) -> Option<Vec<u8>> {
    let folder = std::env::var_os("TOKSEAM_CORPORA")
        .map(PathBuf::from)
        .or_else(|| {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .ancestors()
                .map(|folder| folder.join("shared/data/corpora"))
                .find(|folder| folder.is_dir())
        });
    let text = folder.and_then(|folder| std::fs::read(folder.join(name)).ok());
    if text.is_none() {
        println!("skipped {name}: no such corpus; set TOKSEAM_CORPORA to its folder");
    }
    text
}

#[test]
fn corpora_are_cut_alike() {
    for name in ["english.txt", "code.txt", "multilingual.txt", "numeric.txt"] {
        let Some(text) = corpus(name) else {
            continue;
        };
        // A slice of each that ends inside a character as often as not.
        let from = text.len() / 3;
        let text = &text[from..from + 30_000];
        for (pattern, oracle) in PATTERNS.iter() {
            oracle.compare(pattern, text);
        }
    }
}

#[test]
fn long_runs_take_linear_time() {
    let runs = [
        "1", "a", "A", " ", "\n", ".", "'", "\n ", "日", "٣", "a1", " '", "'s", "1 ", "/\n",
    ];
    let patterns = SPELLINGS
        .iter()
        .map(|(_, spellings)| Pattern::new(spellings[0], Dialect::Rust).unwrap())
        .chain(LINES.iter().map(|(pattern, _)| pattern.clone()));
    for pattern in patterns {
        for run in runs {
            let text = run.repeat(300_000 / run.len()).into_bytes();
            let mut cuts = vec![0; text.len() / 64 + 1];
            let start = Instant::now();
            pattern
                .cut(&text, 0, text.len(), &mut cuts, &mut || true)
                .unwrap();
            // Some milliseconds; a quadratic scan would take 45 billion steps.
            let took = start.elapsed();
            assert!(
                took < Duration::from_secs(10),
                "{} on {run:?}: {took:?}",
                pattern.source()
            );
        }
    }
}

#[test]
fn long_runs_are_cut_alike() {
    for run in [
        "1", "a", "A", " ", "\n", ".", "\n ", "日", "٣", "'s", "/\n", " .", "A日",
    ] {
        for length in [63, 64, 65, 200] {
            let text = format!("{}b", run.repeat(length)).into_bytes();
            for (pattern, oracle) in PATTERNS.iter() {
                oracle.compare(pattern, &text);
                oracle.compare(pattern, &text[..text.len() - 1]);
            }
        }
    }
}

/// The cuts from the matches one by one.
fn scanned_cuts(pattern: &Pattern, text: &[u8]) -> Vec<usize> {
    let mut cuts = Vec::new();
    let mut emit = |start, end| cuts.extend([start, end]);
    pattern
        .for_each_match(text, 0, text.len(), &mut emit, &mut || true)
        .unwrap();
    cuts.retain(|cut| 0 < *cut && *cut < text.len());
    cuts.dedup();
    cuts
}

#[test]
fn all_ends_are_cut_alike() {
    const LAST: [&str; 15] = [
        "a", "B", "s", "l", "'", "1", " ", "\n", "\t", ".", "/", "é", "Ж", "日", "—",
    ];
    const FIRST: [&str; 5] = ["abcd", "1 2 (a ", "don't\n ", "11.''  ", "да «日本» É"];
    let in_blocks = |pattern: &&Pattern| matches!(pattern.engine, Engine::Rules(_, Some(_)));
    let sources = SPELLINGS.iter().map(|(_, spellings)| spellings[0]);
    let patterns: Vec<Pattern> = sources
        .map(|source| Pattern::new(source, Dialect::Rust).unwrap())
        .collect();
    assert!(patterns.iter().filter(in_blocks).count() >= 9);
    for number in 0..LAST.len().pow(4) {
        let last = [0, 1, 2, 3].map(|place| LAST[number / LAST.len().pow(place) % LAST.len()]);
        let text = FIRST[number % FIRST.len()].to_owned() + &last.concat();
        for pattern in patterns.iter().filter(in_blocks) {
            assert_eq!(
                fast_cuts(pattern, text.as_bytes(), 0, text.len()),
                scanned_cuts(pattern, text.as_bytes()),
                "{} on {text:?}",
                pattern.source()
            );
        }
    }
}

proptest! {
    #[test]
    fn cuts_are_those_of_the_general_engine(text in text(24)) {
        for (pattern, oracle) in PATTERNS.iter() {
            oracle.compare(pattern, &text);
        }
    }

    #[test]
    fn long_ascii_is_cut_alike(text in ascii(), start in text(3), from in 0..9_usize) {
        let text = [start, text].concat();
        for (pattern, oracle) in PATTERNS.iter() {
            let from = from.min(text.len());
            prop_assert_eq!(
                fast_cuts(pattern, &text, from, text.len()),
                oracle.cuts(&text[from..]),
                "{}", pattern.source()
            );
        }
    }

    #[test]
    fn long_text_is_cut_alike(text in beyond(), from in 0..9_usize) {
        for (pattern, oracle) in PATTERNS.iter() {
            let from = from.min(text.len());
            prop_assert_eq!(
                fast_cuts(pattern, &text, from, text.len()),
                oracle.cuts(&text[from..]),
                "{}", pattern.source()
            );
        }
    }

    #[test]
    fn a_range_is_a_text_of_its_own(text in text(24), a in 0..200_usize, b in 0..200_usize) {
        let (a, b) = (a.min(text.len()), b.min(text.len()));
        let (from, to) = (a.min(b), a.max(b));
        for (pattern, oracle) in PATTERNS.iter() {
            prop_assert_eq!(
                fast_cuts(pattern, &text, from, to),
                oracle.cuts(&text[from..to]),
                "{}", pattern.source()
            );
        }
    }

    #[test]
    fn dialects_agree_on_common_patterns(text in text(24)) {
        for (pattern, oracle) in COMMON.iter().chain(LINES.iter()) {
            oracle.compare(pattern, &text);
        }
    }

    #[test]
    fn the_general_engine_maps_positions(text in text(16)) {
        for (pattern, oracle) in BACKTRACKING.iter() {
            oracle.compare(pattern, &text);
        }
    }
}

#[test]
fn what_needs_digits() {
    let needs = |source| {
        Pattern::new(source, Dialect::Oniguruma)
            .unwrap()
            .needs_digits()
    };
    for source in [r"\p{N}+", r"(?=(\d{3})+(?!\d))", r"\d", r"\p{N}{1,3}"] {
        assert!(needs(source), "{source}");
    }
    for source in [r" ?\p{N}+", r"\p{N}+|\P{N}+", r"\w+", r"[0-9a]"] {
        assert!(!needs(source), "{source}");
    }
}
