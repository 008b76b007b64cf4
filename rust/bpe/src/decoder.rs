//! Tokens to text.
//!
//! A decoder is a chain of steps over a list of tokens, whose results are joined. With a byte-level
//! vocabulary tokens are bytes already, and the chain is their concatenation. With one of
//! characters a token is its UTF-8, and steps change it: `Replace` and `Metaspace` bring spaces
//! back, `ByteFallback` turns a run of `<0x..>` into the characters it spells, or into one U+FFFD a
//! byte if it spells none; `Fuse` joins everything, and `Strip` takes spaces from the ends.
//!
//! A stream gives the same text piece by piece. It holds back what more tokens could change: half
//! a character, a run of fallback bytes, spaces that may be the stripped end.

use std::collections::VecDeque;

use serde_json::Value;

use crate::Error;
use crate::byte_alphabet;
use crate::json::{Component, pattern};
use crate::pattern::Pattern;

/// A decoder of `tokenizer.json`.
#[derive(Debug, Clone)]
pub struct Decoder {
    /// Steps that see tokens.
    each: Vec<Step>,
    /// Steps behind `Fuse` or `ByteLevel`, which see one text.
    whole: Vec<Step>,
    is_concat: bool,
}

#[derive(Debug, Clone)]
enum Step {
    Replace {
        pattern: Pattern,
        content: String,
    },
    ByteFallback,
    /// The byte-level alphabet, for a vocabulary of characters.
    ByteLevel,
    Fuse,
    Strip {
        content: char,
        start: usize,
        stop: usize,
    },
    Metaspace {
        replacement: char,
        drops_first: bool,
    },
}

/// What a run of fallback bytes that spells nothing becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Invalid {
    /// One U+FFFD a byte.
    Replaced,
    /// The bytes.
    Kept,
}

const REPLACEMENT: &[u8] = "\u{FFFD}".as_bytes();

impl Decoder {
    /// Reads the `decoder` of a file. With a byte-level pre-tokenizer the only chain is that of
    /// `ByteLevel`, and no decoder means that too.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a component that is not applied here, [`Error::Vocab`] for a
    /// broken one.
    pub fn from_json(value: &Value, byte_level: bool) -> Result<Self, Error> {
        let mut steps = Vec::new();
        if !value.is_null() {
            read(&Component::new(value, "decoder")?, byte_level, &mut steps)?;
        }
        let joined = steps
            .iter()
            .position(|step| matches!(step, Step::Fuse | Step::ByteLevel))
            .map_or(steps.len(), |place| place + 1);
        let whole = steps.split_off(joined);
        Ok(Self {
            each: steps,
            whole,
            is_concat: byte_level,
        })
    }

    /// Whether the bytes of ids are simply those of their tokens.
    #[must_use]
    pub fn is_concat(&self) -> bool {
        self.is_concat
    }

    /// The text of tokens, as stock `tokenizers` gives it.
    ///
    /// # Errors
    /// [`Error::Pretokenize`] where a pattern gives up.
    pub fn decode_text(&self, tokens: &mut dyn Iterator<Item = &[u8]>) -> Result<String, Error> {
        let bytes = self.decode(tokens, Invalid::Replaced)?;
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// The bytes of tokens, those that are no text included.
    ///
    /// # Errors
    /// As [`Decoder::decode_text`].
    pub fn decode_bytes(&self, tokens: &mut dyn Iterator<Item = &[u8]>) -> Result<Vec<u8>, Error> {
        self.decode(tokens, Invalid::Kept)
    }

    fn decode(
        &self,
        tokens: &mut dyn Iterator<Item = &[u8]>,
        invalid: Invalid,
    ) -> Result<Vec<u8>, Error> {
        let mut list: Vec<Vec<u8>> = tokens.map(<[u8]>::to_vec).collect();
        for step in self.each.iter().chain(&self.whole) {
            list = step.apply(list, invalid)?;
        }
        Ok(list.concat())
    }

    /// A decoder that takes one token at a time.
    #[must_use]
    pub fn stream(&self) -> DecoderStream {
        DecoderStream {
            decoder: self.clone(),
            index: 0,
            fallback: Vec::new(),
            bytes: Vec::new(),
            held: VecDeque::new(),
            leading: self.strip().map_or(0, |(_, start, _)| start),
            text: String::new(),
        }
    }

    /// The `Strip` behind `Fuse`, if that is all there is.
    fn strip(&self) -> Option<(char, usize, usize)> {
        match self.whole[..] {
            [
                Step::Strip {
                    content,
                    start,
                    stop,
                },
            ] => Some((content, start, stop)),
            _ => None,
        }
    }
}

fn read(component: &Component, byte_level: bool, steps: &mut Vec<Step>) -> Result<(), Error> {
    if byte_level && !matches!(component.kind(), "Sequence" | "ByteLevel" | "Fuse") {
        return Err(component
            .refuse("the vocabulary is byte-level, and only a ByteLevel decoder gives its text"));
    }
    match component.kind() {
        "Sequence" => {
            for inner in component.components("decoders")? {
                read(&inner, byte_level, steps)?;
            }
        }
        // Tokens of a byte-level vocabulary are bytes here already.
        "ByteLevel" | "Fuse" if byte_level => {}
        "ByteLevel" => steps.push(Step::ByteLevel),
        "Fuse" => steps.push(Step::Fuse),
        "ByteFallback" => steps.push(Step::ByteFallback),
        "Replace" => steps.push(Step::Replace {
            pattern: pattern(component, "pattern")?,
            content: component.string("content")?.to_owned(),
        }),
        "Strip" => steps.push(Step::Strip {
            content: component.character("content")?,
            start: component.count("start")?,
            stop: component.count("stop")?,
        }),
        "Metaspace" => {
            let schemes = [("first", true), ("never", false), ("always", true)];
            let mut drops_first = match component.get("prepend_scheme") {
                Some(_) => component.choice("prepend_scheme", &schemes)?,
                None => true,
            };
            if !component.flag("add_prefix_space", Some(true))? {
                drops_first = false;
            }
            steps.push(Step::Metaspace {
                replacement: component.character("replacement")?,
                drops_first,
            });
        }
        _ => return Err(component.unsupported()),
    }
    Ok(())
}

impl Step {
    fn apply(&self, tokens: Vec<Vec<u8>>, invalid: Invalid) -> Result<Vec<Vec<u8>>, Error> {
        match self {
            Self::Fuse => Ok(vec![tokens.concat()]),
            Self::ByteFallback => {
                let mut out = Vec::with_capacity(tokens.len());
                let mut run = Vec::new();
                for token in tokens {
                    match fallback_byte(&token) {
                        Some(byte) => run.push(byte),
                        None => {
                            end_run(&mut run, invalid, &mut out);
                            out.push(token);
                        }
                    }
                }
                end_run(&mut run, invalid, &mut out);
                Ok(out)
            }
            Self::ByteLevel => {
                let bytes = tokens
                    .iter()
                    .flat_map(|token| alphabet_bytes(token))
                    .collect();
                Ok(vec![match invalid {
                    Invalid::Kept => bytes,
                    Invalid::Replaced => String::from_utf8_lossy(&bytes).into_owned().into_bytes(),
                }])
            }
            _ => tokens
                .into_iter()
                .enumerate()
                .map(|(index, token)| self.apply_each(index, token))
                .collect(),
        }
    }

    /// The step on the token at an index, for steps that look at one token alone.
    fn apply_each(&self, index: usize, token: Vec<u8>) -> Result<Vec<u8>, Error> {
        match self {
            Self::Replace { pattern, content } => {
                let mut out = Vec::with_capacity(token.len());
                let mut done = 0;
                pattern.for_each_match(&token, 0, token.len(), &mut |start, end| {
                    out.extend_from_slice(&token[done..start]);
                    out.extend_from_slice(content.as_bytes());
                    done = end;
                })?;
                out.extend_from_slice(&token[done..]);
                Ok(out)
            }
            &Self::Strip {
                content,
                start,
                stop,
            } => {
                let mut utf8 = [0; 4];
                let content = content.encode_utf8(&mut utf8).as_bytes();
                let mut rest = &token[..];
                // The counts are a file's, and may be any number.
                for _ in 0..start {
                    let Some(shorter) = rest.strip_prefix(content) else { break };
                    rest = shorter;
                }
                for _ in 0..stop {
                    let Some(shorter) = rest.strip_suffix(content) else { break };
                    rest = shorter;
                }
                Ok(rest.to_vec())
            }
            &Self::Metaspace {
                replacement,
                drops_first,
            } => {
                let mut utf8 = [0; 4];
                let sign = replacement.encode_utf8(&mut utf8).as_bytes();
                let space: &[u8] = if index == 0 && drops_first { b"" } else { b" " };
                let mut out = Vec::with_capacity(token.len());
                let mut done = 0;
                for place in memchr::memmem::find_iter(&token, sign) {
                    out.extend_from_slice(&token[done..place]);
                    out.extend_from_slice(space);
                    done = place + sign.len();
                }
                out.extend_from_slice(&token[done..]);
                Ok(out)
            }
            Self::Fuse | Self::ByteFallback | Self::ByteLevel => Ok(token),
        }
    }
}

/// The byte of a token `<0x00>` to `<0xFF>`.
fn fallback_byte(token: &[u8]) -> Option<u8> {
    let digits = token.strip_prefix(b"<0x")?.strip_suffix(b">")?;
    let digits = std::str::from_utf8(digits)
        .ok()
        .filter(|digits| digits.len() == 2)?;
    u8::from_str_radix(digits, 16).ok()
}

fn end_run(run: &mut Vec<u8>, invalid: Invalid, out: &mut Vec<Vec<u8>>) {
    if run.is_empty() {
        return;
    }
    let run = std::mem::take(run);
    if invalid == Invalid::Kept || std::str::from_utf8(&run).is_ok() {
        out.push(run);
    } else {
        out.push(REPLACEMENT.repeat(run.len()));
    }
}

/// A token as the byte-level alphabet spells it, or as it is if it has other characters.
fn alphabet_bytes(token: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(token.len());
    match std::str::from_utf8(token) {
        Ok(text) if byte_alphabet::spell(text, &mut bytes) => bytes,
        _ => token.to_vec(),
    }
}

/// Decoding one token at a time.
#[derive(Debug, Clone)]
pub struct DecoderStream {
    decoder: Decoder,
    /// How many tokens came.
    index: usize,
    /// A run of fallback bytes that goes on.
    fallback: Vec<u8>,
    /// The end of the text, less than a character.
    bytes: Vec<u8>,
    /// Characters that may be a stripped end.
    held: VecDeque<char>,
    /// How many more characters may be stripped from the start.
    leading: usize,
    /// The whole text, for steps that must see all of it.
    text: String,
}

impl DecoderStream {
    /// Takes a token and appends the text that is certain now.
    ///
    /// # Errors
    /// [`Error::Pretokenize`] where a pattern gives up.
    pub fn push(&mut self, token: &[u8], out: &mut String) -> Result<(), Error> {
        let steps = std::mem::take(&mut self.decoder.each);
        let result = self.push_through(&steps, token.to_vec(), out);
        self.decoder.each = steps;
        self.index += 1;
        result
    }

    /// Gives a token to the steps that are left.
    fn push_through(
        &mut self,
        steps: &[Step],
        token: Vec<u8>,
        out: &mut String,
    ) -> Result<(), Error> {
        let mut token = token;
        for (place, step) in steps.iter().enumerate() {
            match step {
                Step::ByteFallback => {
                    if let Some(byte) = fallback_byte(&token) {
                        self.fallback.push(byte);
                        return Ok(());
                    }
                    if let Some(run) = self.take_fallback() {
                        self.push_through(&steps[place + 1..], run, out)?;
                    }
                }
                Step::ByteLevel => token = alphabet_bytes(&token),
                step => token = step.apply_each(self.index, token)?,
            }
        }
        self.push_bytes(&token, out);
        Ok(())
    }

    fn take_fallback(&mut self) -> Option<Vec<u8>> {
        let mut list = Vec::new();
        end_run(&mut self.fallback, Invalid::Replaced, &mut list);
        list.pop()
    }

    /// Takes bytes of the joined text; all but half a character at the end goes on.
    fn push_bytes(&mut self, bytes: &[u8], out: &mut String) {
        self.bytes.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.bytes);
        let mut done = 0;
        for chunk in bytes.utf8_chunks() {
            self.push_text(chunk.valid(), out);
            done += chunk.valid().len();
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            let at_end = done + invalid.len() == bytes.len();
            let open = at_end
                && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            if open {
                self.bytes = invalid.to_vec();
                return;
            }
            self.push_text("\u{FFFD}", out);
            done += invalid.len();
        }
    }

    /// Takes characters of the joined text.
    fn push_text(&mut self, text: &str, out: &mut String) {
        if self.decoder.whole.is_empty() {
            out.push_str(text);
            return;
        }
        let Some((content, _, stop)) = self.decoder.strip() else {
            self.text.push_str(text);
            return;
        };
        for character in text.chars() {
            if self.leading > 0 {
                if character == content {
                    self.leading -= 1;
                    continue;
                }
                self.leading = 0;
            }
            self.held.push_back(character);
            if character != content {
                out.extend(self.held.drain(..));
            } else if self.held.len() > stop {
                out.extend(self.held.pop_front());
            }
        }
    }

    /// The rest of the text.
    ///
    /// # Errors
    /// [`Error::Pretokenize`] where a pattern gives up.
    pub fn finish(mut self) -> Result<String, Error> {
        let mut out = String::new();
        if let Some(run) = self.take_fallback() {
            let steps = std::mem::take(&mut self.decoder.each);
            let behind = steps
                .iter()
                .position(|step| matches!(step, Step::ByteFallback))
                .map_or(steps.len(), |place| place + 1);
            self.push_through(&steps[behind..], run, &mut out)?;
        }
        if !self.bytes.is_empty() {
            self.bytes.clear();
            self.push_text("\u{FFFD}", &mut out);
        }
        if self.decoder.strip().is_none() && !self.decoder.whole.is_empty() {
            let mut list = vec![std::mem::take(&mut self.text).into_bytes()];
            for step in &self.decoder.whole {
                list = step.apply(list, Invalid::Replaced)?;
            }
            out.push_str(&String::from_utf8_lossy(&list.concat()));
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn sentencepiece() -> Value {
        json!({"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ]})
    }

    fn chains() -> Vec<(Value, bool)> {
        let strip = json!({"type": "Strip", "content": "a", "start": 2, "stop": 2});
        let fuse = json!({"type": "Fuse"});
        let replace = json!({"type": "Replace", "pattern": {"Regex": "a+b"}, "content": "x"});
        vec![
            (Value::Null, true),
            (
                json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}),
                true,
            ),
            (Value::Null, false),
            (sentencepiece(), false),
            (json!({"type": "ByteLevel"}), false),
            (
                json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}),
                false,
            ),
            (
                json!({"type": "Metaspace", "replacement": "▁", "add_prefix_space": false}),
                false,
            ),
            (strip.clone(), false),
            (
                json!({"type": "Sequence", "decoders": [{"type": "ByteFallback"}, strip]}),
                false,
            ),
            (
                json!({"type": "Sequence", "decoders": [{"type": "ByteFallback"}, fuse, strip]}),
                false,
            ),
            (
                json!({"type": "Sequence", "decoders": [fuse, replace]}),
                false,
            ),
            (
                json!({"type": "Sequence", "decoders": [replace, {"type": "ByteFallback"}]}),
                false,
            ),
        ]
    }

    fn text(decoder: &Value, byte_level: bool, tokens: &[&str]) -> String {
        let decoder = Decoder::from_json(decoder, byte_level).unwrap();
        decoder
            .decode_text(&mut tokens.iter().map(|token| token.as_bytes()))
            .unwrap()
    }

    #[test]
    fn steps() {
        let sp = sentencepiece();
        assert_eq!(text(&sp, false, &["▁a", "▁▁b"]), "a  b");
        assert_eq!(
            text(&sp, false, &["▁", "<0xE4>", "<0xB8>", "<0xAD>", "a"]),
            "中a"
        );
        assert_eq!(
            text(&sp, false, &["<0xE4>", "<0x41>", "a"]),
            "\u{FFFD}\u{FFFD}a"
        );
        assert_eq!(
            text(&json!({"type": "ByteLevel"}), false, &["Ġa", "é", "a b"]),
            " a\u{FFFD}a b"
        );
        let metaspace =
            json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"});
        assert_eq!(text(&metaspace, false, &["▁a", "▁b"]), "a b");
        assert_eq!(text(&Value::Null, true, &["a", "b"]), "ab");
        let decoder = Decoder::from_json(&sp, false).unwrap();
        let tokens: [&[u8]; 2] = [b"<0xE4>", b"a"];
        assert_eq!(
            decoder.decode_bytes(&mut tokens.into_iter()).unwrap(),
            b"\xE4a"
        );
    }

    #[test]
    fn refused() {
        for (value, byte_level, part) in [
            (
                json!({"type": "WordPiece", "prefix": "##"}),
                false,
                "decoder (WordPiece)",
            ),
            (json!({"type": "ByteFallback"}), true, "byte-level"),
            (
                json!({"type": "Strip", "content": " ", "start": -1, "stop": 0}),
                false,
                "start",
            ),
            (json!({"type": "Sequence"}), false, "decoders"),
        ] {
            let error = Decoder::from_json(&value, byte_level)
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_stream_gives_the_whole_text(
            tokens in prop::collection::vec(
                prop::sample::select(vec![
                    &b"a"[..], b"aa", b"b", b"\xe4", b"\xb8", b"\xad", b"\xff", b" ",
                    b"<0xE4>", b"<0xB8>", b"<0xAD>", b"<0x61>", b"<0xFF>", b"<0xGG>",
                    "▁".as_bytes(), "▁a".as_bytes(), "é".as_bytes(), "Ġ".as_bytes(), "中".as_bytes(),
                ]),
                0..12,
            ),
        ) {
            for (value, byte_level) in chains() {
                // Only the tokens of a byte-level vocabulary need not be text.
                let text = |token: &&&[u8]| byte_level || std::str::from_utf8(token).is_ok();
                let tokens: Vec<&[u8]> = tokens.iter().filter(text).copied().collect();
                let decoder = Decoder::from_json(&value, byte_level).unwrap();
                let expected = decoder.decode_text(&mut tokens.iter().copied()).unwrap();
                let mut stream = decoder.stream();
                let mut streamed = String::new();
                for token in &tokens {
                    stream.push(token, &mut streamed).unwrap();
                }
                streamed.push_str(&stream.finish().unwrap());
                prop_assert_eq!(streamed, expected, "{}", value);
            }
        }
    }
}
