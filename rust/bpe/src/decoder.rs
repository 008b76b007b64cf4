//! From the bytes of tokens back to text.
//!
//! A decoder is a chain of steps over a list of tokens. Those before the tokens are joined change
//! each token: they replace a pattern, turn runs of `<0xNN>` into bytes, or strip characters. Then
//! all tokens are joined, and the steps behind that see one token. Bytes of a byte-level decoder
//! that are not UTF-8 become U+FFFD as they do for `String::from_utf8_lossy`; a run of byte tokens
//! that is not UTF-8 becomes one U+FFFD a byte.
//!
//! Files spell the tokens of a byte-level model in its alphabet, and an added token as it stands. So
//! steps on each token see the one spelled and the other as it is. The byte-level step would take
//! `é` in an added token for a byte; here added tokens keep their text.
//!
//! Invariant: a stream that is given the tokens one by one gives the same text in total. It keeps
//! back what a later token can change: half a character, a run of byte tokens, white space that
//! would be stripped at the end, or everything where a step behind the joining needs it.
//!
//! Cost: one copy a step; the plain byte-level decoder is the concatenation of the tokens.

use std::sync::Arc;

use serde_json::Value;

use crate::Error;
use crate::annotator::Annotator;
use crate::byte_alphabet;
use crate::component::Component;
use crate::pattern::Pattern;
use crate::pretokenizer::Scheme;

/// A decoder. See the module.
#[derive(Debug, Clone)]
pub struct Decoder {
    chain: Arc<Chain>,
}

/// A token that is to be decoded.
#[derive(Debug, Clone, Copy)]
pub enum Token<'t> {
    /// The bytes of the model's token.
    Model(&'t [u8]),
    /// Text that is not spelled in the byte-level alphabet: an added token, or a token that has
    /// characters beyond it.
    Literal(&'t [u8]),
}

#[derive(Debug)]
struct Chain {
    /// The steps on each token.
    each: Vec<Step>,
    join: Join,
    /// The steps on the joined token.
    whole: Vec<Step>,
}

#[derive(Debug, Clone)]
enum Step {
    /// Spells bytes in the byte-level alphabet.
    Spell,
    /// Turns a token that is all of the byte-level alphabet into bytes.
    Unspell,
    /// Puts U+FFFD for what is not UTF-8.
    Lossy,
    Replace {
        pattern: Pattern,
        content: String,
    },
    /// Turns runs of `<0xNN>` into bytes.
    ByteFallback,
    /// Takes up to so many of a character from the start and the end.
    Strip {
        content: char,
        start: usize,
        stop: usize,
    },
    /// Puts spaces in the place of a character; drops it in the first token if `drop_first`.
    Metaspace {
        replacement: char,
        drop_first: bool,
    },
    /// Takes out what an annotator put in.
    Restore(Arc<dyn Annotator>),
}

/// How tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Join {
    /// As they are.
    Plain,
    /// With U+FFFD for what is not UTF-8.
    Lossy,
    /// With spaces between them.
    Spaced,
}

/// Whether the result is text or bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Text,
    Bytes,
}

impl Decoder {
    /// Reads the `decoder` of a file. Null joins the tokens with spaces, as in `tokenizers`, but
    /// under a byte-level pre-tokenizer it means the byte-level decoder. Under such a
    /// pre-tokenizer tokens come as bytes, else as they are spelled in the file.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another kind of decoder, [`Error::Vocab`] for fields that are
    /// not understood.
    pub fn from_json(value: &Value, byte_level_pretokenizer: bool) -> Result<Self, Error> {
        let mut chain = Chain {
            each: Vec::new(),
            join: Join::Plain,
            whole: Vec::new(),
        };
        let mut joined = false;
        if value.is_null() {
            chain.join = if byte_level_pretokenizer {
                Join::Lossy
            } else {
                Join::Spaced
            };
        } else {
            if byte_level_pretokenizer {
                chain.each.push(Step::Spell);
            }
            chain.read(&Component::new(value, "decoder".into())?, &mut joined)?;
        }
        if let [Step::Spell, Step::Unspell] = chain.each[..] {
            chain.each.clear();
        }
        Ok(Self {
            chain: Arc::new(chain),
        })
    }

    /// The same steps, and then an annotator takes out what it put in. The decoder is a byte-level
    /// one.
    #[must_use]
    pub fn with_annotator(self, annotator: Arc<dyn Annotator>) -> Self {
        let mut whole = self.chain.whole.clone();
        whole.push(Step::Restore(annotator));
        Self {
            chain: Arc::new(Chain {
                each: self.chain.each.clone(),
                join: self.chain.join,
                whole,
            }),
        }
    }

    /// Whether decoding the tokens of a text gives its bytes again: they are put one after the
    /// other, and nothing is changed but what an annotator takes out.
    #[must_use]
    pub fn keeps_bytes(&self) -> bool {
        self.chain.each.is_empty()
            && self.chain.join == Join::Lossy
            && matches!(self.chain.whole[..], [] | [Step::Restore(_)])
    }

    /// Whether the bytes of ids are the bytes of their tokens, one after the other.
    #[must_use]
    pub fn is_concat(&self) -> bool {
        self.chain.each.is_empty() && self.chain.join == Join::Lossy && self.chain.whole.is_empty()
    }

    /// Whether it makes a difference if a token is literal.
    #[must_use]
    pub fn asks_for_literals(&self) -> bool {
        self.chain.keeps_literals()
    }

    /// The text of tokens.
    ///
    /// # Errors
    /// [`Error::Pretokenize`] where a pattern reaches its limit.
    pub fn decode_text(
        &self,
        tokens: &mut dyn Iterator<Item = Token<'_>>,
    ) -> Result<String, Error> {
        // U+FFFD is put once for all where nothing else is to do.
        let target = if self.is_concat() {
            Target::Bytes
        } else {
            Target::Text
        };
        Ok(into_text(self.decode(tokens, target)?))
    }

    /// The bytes of tokens: the text before any U+FFFD.
    ///
    /// # Errors
    /// [`Error::Pretokenize`] where a pattern reaches its limit.
    pub fn decode_bytes(
        &self,
        tokens: &mut dyn Iterator<Item = Token<'_>>,
    ) -> Result<Vec<u8>, Error> {
        self.decode(tokens, Target::Bytes)
    }

    fn decode(
        &self,
        tokens: &mut dyn Iterator<Item = Token<'_>>,
        target: Target,
    ) -> Result<Vec<u8>, Error> {
        let mut run = Run::new(&self.chain, target);
        let mut out = Vec::new();
        for token in tokens {
            run.push(&self.chain, token, &mut out)?;
        }
        run.finish(&self.chain, &mut out)?;
        Ok(out)
    }

    /// A decoder that takes one token at a time.
    #[must_use]
    pub fn stream(&self) -> DecoderStream {
        DecoderStream {
            chain: Arc::clone(&self.chain),
            run: Run::new(&self.chain, Target::Text),
        }
    }
}

fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// A decoder in the middle of its tokens.
#[derive(Debug, Clone)]
pub struct DecoderStream {
    chain: Arc<Chain>,
    run: Run,
}

impl DecoderStream {
    /// Takes a token and appends the text that is certain now.
    ///
    /// # Errors
    /// [`Error::Pretokenize`] where a pattern reaches its limit; the stream is then of no use.
    pub fn push(&mut self, token: Token, out: &mut String) -> Result<(), Error> {
        let mut bytes = Vec::new();
        self.run.push(&self.chain, token, &mut bytes)?;
        out.push_str(&into_text(bytes));
        Ok(())
    }

    /// The text that was kept back.
    ///
    /// # Errors
    /// [`Error::Pretokenize`] where a pattern reaches its limit.
    pub fn finish(self) -> Result<String, Error> {
        let mut bytes = Vec::new();
        self.run.finish(&self.chain, &mut bytes)?;
        Ok(into_text(bytes))
    }
}

impl Chain {
    /// Whether literal tokens pass the byte-level alphabet by. Where all tokens are joined before
    /// they are turned into bytes, they are spelled as the others are.
    fn keeps_literals(&self) -> bool {
        let is_spelled = matches!(self.each[..], [Step::Spell, ..]);
        is_spelled && !self.whole.iter().any(|step| matches!(step, Step::Unspell))
    }

    fn read(&mut self, component: &Component, joined: &mut bool) -> Result<(), Error> {
        let step = match component.kind() {
            "Sequence" => {
                component.has_only(&["decoders"])?;
                for part in component.list("decoders")? {
                    self.read(&part, joined)?;
                }
                return Ok(());
            }
            "ByteLevel" => {
                component.has_only(&["add_prefix_space", "trim_offsets", "use_regex"])?;
                component.flag("add_prefix_space", Some(true))?;
                component.flag("trim_offsets", Some(true))?;
                component.flag("use_regex", Some(true))?;
                self.push(Step::Unspell, *joined);
                if *joined {
                    self.whole.push(Step::Lossy);
                } else {
                    self.join = Join::Lossy;
                }
                *joined = true;
                return Ok(());
            }
            "Fuse" => {
                component.has_only(&[])?;
                *joined = true;
                return Ok(());
            }
            "Replace" => {
                component.has_only(&["pattern", "content"])?;
                Step::Replace {
                    pattern: component.pattern("pattern")?,
                    content: component.text("content")?.to_owned(),
                }
            }
            "ByteFallback" => {
                component.has_only(&[])?;
                Step::ByteFallback
            }
            "Strip" => {
                component.has_only(&["content", "start", "stop"])?;
                Step::Strip {
                    content: component.character("content")?,
                    start: component.count("start")?,
                    stop: component.count("stop")?,
                }
            }
            "Metaspace" => {
                let drop_first = Scheme::read(component)? != Scheme::Never;
                Step::Metaspace {
                    replacement: component.character("replacement")?,
                    drop_first,
                }
            }
            _ => {
                return Err(component.unsupported(
                    "the decoders ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace and \
                     Sequence are supported",
                ));
            }
        };
        self.push(step, *joined);
        Ok(())
    }

    fn push(&mut self, step: Step, joined: bool) {
        if joined {
            self.whole.push(step);
        } else {
            self.each.push(step);
        }
    }
}

/// The state of a chain of steps, each of which hands its tokens to the next.
#[derive(Debug, Clone)]
struct Steps {
    target: Target,
    /// One buffer a step.
    buffers: Vec<Vec<u8>>,
    /// The bytes of the run of byte tokens so far, for each step.
    pending: Vec<Vec<u8>>,
    /// Whether a step has seen a token.
    begun: Vec<bool>,
}

impl Steps {
    fn new(steps: &[Step], target: Target) -> Self {
        Self {
            target,
            buffers: vec![Vec::new(); steps.len()],
            pending: vec![Vec::new(); steps.len()],
            begun: vec![false; steps.len()],
        }
    }

    /// Gives a token to step `at`, or to the one behind it if the token is literal and the step is
    /// about the byte-level alphabet; tokens that leave the last one go to `emit`.
    fn push(
        &mut self,
        steps: &[Step],
        at: usize,
        token: &[u8],
        literal: bool,
        emit: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Error> {
        let Some(step) = steps.get(at) else {
            emit(token);
            return Ok(());
        };
        if literal && matches!(step, Step::Spell | Step::Unspell) {
            return self.push(steps, at + 1, token, literal, emit);
        }
        if let Step::ByteFallback = step {
            if let Some(byte) = byte_token(token) {
                self.pending[at].push(byte);
                return Ok(());
            }
            self.flush(steps, at, emit)?;
            return self.push(steps, at + 1, token, literal, emit);
        }
        let mut changed = std::mem::take(&mut self.buffers[at]);
        changed.clear();
        let first = !std::mem::replace(&mut self.begun[at], true);
        step.apply(token, first, self.target, &mut changed)?;
        let result = self.push(steps, at + 1, &changed, literal, emit);
        self.buffers[at] = changed;
        result
    }

    /// Ends the run of byte tokens at step `at`.
    fn flush(
        &mut self,
        steps: &[Step],
        at: usize,
        emit: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Error> {
        let mut run = std::mem::take(&mut self.pending[at]);
        let mut result = Ok(());
        if std::str::from_utf8(&run).is_ok() {
            if !run.is_empty() {
                result = self.push(steps, at + 1, &run, false, emit);
            }
        } else {
            for byte in &run {
                let token = match self.target {
                    Target::Text => "\u{FFFD}".as_bytes(),
                    Target::Bytes => std::slice::from_ref(byte),
                };
                self.push(steps, at + 1, token, false, emit)?;
            }
        }
        run.clear();
        self.pending[at] = run;
        result
    }

    fn finish(&mut self, steps: &[Step], emit: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        for at in 0..steps.len() {
            self.flush(steps, at, emit)?;
        }
        Ok(())
    }
}

/// The byte of a token like `<0x0A>`.
fn byte_token(token: &[u8]) -> Option<u8> {
    let digits = token.strip_prefix(b"<0x")?.strip_suffix(b">")?;
    // As the reference parses it, a sign may stand for the first digit.
    (digits.len() == 2).then(|| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())?
}

impl Step {
    /// Appends what becomes of a token; `first` says that it is the first one.
    fn apply(
        &self,
        token: &[u8],
        first: bool,
        target: Target,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        match self {
            Self::Spell => {
                let mut buffer = [0; 4];
                for &byte in token {
                    let spelled = byte_alphabet::char_of(byte).encode_utf8(&mut buffer);
                    out.extend_from_slice(spelled.as_bytes());
                }
            }
            Self::Unspell => {
                if !std::str::from_utf8(token).is_ok_and(|token| byte_alphabet::spell(token, out)) {
                    out.clear();
                    out.extend_from_slice(token);
                }
            }
            Self::Replace { pattern, content } => {
                // An empty token has no matches, not even empty ones.
                let mut copied = 0;
                if !token.is_empty() {
                    let mut put = |start, end| {
                        out.extend_from_slice(&token[copied..start]);
                        out.extend_from_slice(content.as_bytes());
                        copied = end;
                    };
                    pattern.for_each_match(token, 0, token.len(), &mut put, &mut || true)?;
                }
                out.extend_from_slice(&token[copied..]);
            }
            Self::Lossy if target == Target::Text => {
                out.extend_from_slice(String::from_utf8_lossy(token).as_bytes());
            }
            // Runs of byte tokens are kept by `Steps`, which sees more than one token.
            Self::Lossy | Self::ByteFallback => out.extend_from_slice(token),
            Self::Restore(annotator) => annotator.restore(&mut 0, token, out),
            Self::Strip {
                content,
                start,
                stop,
            } => {
                let mut buffer = [0; 4];
                let content = content.encode_utf8(&mut buffer).as_bytes();
                let mut rest = token;
                for _ in 0..*start {
                    let Some(shorter) = rest.strip_prefix(content) else {
                        break;
                    };
                    rest = shorter;
                }
                for _ in 0..*stop {
                    let Some(shorter) = rest.strip_suffix(content) else {
                        break;
                    };
                    rest = shorter;
                }
                out.extend_from_slice(rest);
            }
            Self::Metaspace {
                replacement,
                drop_first,
            } => {
                let mut buffer = [0; 4];
                let replacement = replacement.encode_utf8(&mut buffer).as_bytes();
                let space: &[u8] = if first && *drop_first { b"" } else { b" " };
                let mut copied = 0;
                for place in memchr::memmem::find_iter(token, replacement) {
                    out.extend_from_slice(&token[copied..place]);
                    out.extend_from_slice(space);
                    copied = place + replacement.len();
                }
                out.extend_from_slice(&token[copied..]);
            }
        }
        Ok(())
    }
}

/// A decoder in the middle of its tokens.
#[derive(Debug, Clone)]
struct Run {
    each: Steps,
    joined: Joined,
}

/// What happens to joined bytes.
#[derive(Debug, Clone)]
struct Joined {
    target: Target,
    begun: bool,
    /// The start of a character that is not whole yet.
    partial: Vec<u8>,
    rest: Rest,
}

/// The steps behind the joining.
#[derive(Debug, Clone)]
enum Rest {
    /// There are none.
    Nothing,
    /// A strip, which can be done as bytes come: how many characters may yet be taken from the
    /// start, and how many are kept back since they may be the end.
    Strip {
        content: char,
        start: usize,
        stop: usize,
        held: usize,
    },
    /// An annotator, and what it remembers of the bytes before.
    Restore {
        annotator: Arc<dyn Annotator>,
        state: u8,
    },
    /// All is kept until the end.
    Whole(Vec<u8>),
}

impl Run {
    fn new(chain: &Chain, target: Target) -> Self {
        let rest = match &chain.whole[..] {
            [] => Rest::Nothing,
            [Step::Restore(annotator)] => Rest::Restore {
                annotator: Arc::clone(annotator),
                state: 0,
            },
            [
                Step::Strip {
                    content,
                    start,
                    stop,
                },
            ] if target == Target::Text => Rest::Strip {
                content: *content,
                start: *start,
                stop: *stop,
                held: 0,
            },
            _ => Rest::Whole(Vec::new()),
        };
        Self {
            each: Steps::new(&chain.each, target),
            joined: Joined {
                target,
                begun: false,
                partial: Vec::new(),
                rest,
            },
        }
    }

    fn push(&mut self, chain: &Chain, token: Token, out: &mut Vec<u8>) -> Result<(), Error> {
        let (token, literal) = match token {
            Token::Model(token) => (token, false),
            Token::Literal(token) => (token, chain.keeps_literals()),
        };
        let Self { each, joined } = self;
        each.push(&chain.each, 0, token, literal, &mut |token| {
            joined.push(chain.join, token, out);
        })
    }

    fn finish(mut self, chain: &Chain, out: &mut Vec<u8>) -> Result<(), Error> {
        let Self { each, joined } = &mut self;
        each.finish(&chain.each, &mut |token| {
            joined.push(chain.join, token, out);
        })?;
        if !joined.partial.is_empty() {
            joined.partial.clear();
            joined.rest.push("\u{FFFD}".as_bytes(), out);
        }
        if let Rest::Whole(whole) = &joined.rest {
            // Without any token there is still one to join, an empty one.
            let mut steps = Steps::new(&chain.whole, joined.target);
            let mut emit = |token: &[u8]| out.extend_from_slice(token);
            steps.push(&chain.whole, 0, whole, false, &mut emit)?;
            steps.finish(&chain.whole, &mut emit)?;
        }
        Ok(())
    }
}

impl Joined {
    fn push(&mut self, join: Join, token: &[u8], out: &mut Vec<u8>) {
        if join == Join::Spaced && self.begun {
            self.rest.push(b" ", out);
        }
        self.begun = true;
        if join != Join::Lossy || self.target == Target::Bytes {
            self.rest.push(token, out);
            return;
        }
        let mut joined = Vec::new();
        let bytes = if self.partial.is_empty() {
            token
        } else {
            joined.append(&mut self.partial);
            joined.extend_from_slice(token);
            &joined
        };
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.rest.push(chunk.valid().as_bytes(), out);
            if chunk.invalid().is_empty() {
                continue;
            }
            let unfinished = std::str::from_utf8(chunk.invalid())
                .is_err_and(|error| error.error_len().is_none());
            if chunks.peek().is_none() && unfinished {
                self.partial.extend_from_slice(chunk.invalid());
            } else {
                self.rest.push("\u{FFFD}".as_bytes(), out);
            }
        }
    }
}

impl Rest {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Nothing => out.extend_from_slice(bytes),
            Self::Restore { annotator, state } => annotator.restore(state, bytes, out),
            Self::Whole(whole) => whole.extend_from_slice(bytes),
            Self::Strip {
                content,
                start,
                stop,
                held,
            } => {
                let mut buffer = [0; 4];
                let content = content.encode_utf8(&mut buffer).as_bytes();
                let mut rest = bytes;
                while *start > 0 && !rest.is_empty() {
                    if let Some(shorter) = rest.strip_prefix(content) {
                        rest = shorter;
                        *start -= 1;
                    } else {
                        *start = 0;
                    }
                }
                if rest.is_empty() {
                    return;
                }
                // The characters at the end that may be stripped, of these bytes alone.
                let mut kept = rest;
                let mut tail = 0;
                while tail < *stop
                    && let Some(shorter) = kept.strip_suffix(content)
                {
                    kept = shorter;
                    tail += 1;
                }
                if kept.is_empty() {
                    let over = (*held + tail).saturating_sub(*stop);
                    (0..over).for_each(|_| out.extend_from_slice(content));
                    *held = *held + tail - over;
                } else {
                    (0..*held).for_each(|_| out.extend_from_slice(content));
                    out.extend_from_slice(kept);
                    *held = tail;
                }
            }
        }
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
                json!({"type": "Sequence", "decoders": [fuse, {"type": "ByteLevel"}, strip]}),
                false,
            ),
            (
                json!({"type": "Sequence", "decoders": [replace, {"type": "ByteLevel"}, strip]}),
                true,
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
            .decode_text(&mut tokens.iter().map(|token| Token::Model(token.as_bytes())))
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
        let tokens = [&b"<0xE4>"[..], b"a"].map(Token::Model);
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
            (json!({"type": "Fuse", "with": " "}), false, "with"),
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

    #[test]
    fn tokens_of_a_byte_level_vocabulary_are_spelled_for_other_steps() {
        assert_eq!(text(&json!({"type": "Fuse"}), true, &[" a", "b"]), "Ġab");
        let replace = json!({"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "Ġ"}, "content": "_"},
            {"type": "ByteLevel"},
        ]});
        assert_eq!(text(&replace, true, &[" a", " b"]), "_a_b");
        assert_eq!(text(&Value::Null, false, &["a", "b"]), "a b");
    }

    #[test]
    fn literal_tokens_are_not_spelled() {
        let replace = |pattern: &str| json!({"type": "Replace", "pattern": {"String": pattern}, "content": "_"});
        let sequence = |parts: &[Value]| json!({"type": "Sequence", "decoders": parts});
        let fuse = json!({"type": "Fuse"});
        let bytes = json!({"type": "ByteLevel"});
        let fallback = json!({"type": "ByteFallback"});
        // The byte 0xE9 is spelled like the letter.
        let tokens = [
            Token::Model(b" \xE9"),
            Token::Literal("é Ġ".as_bytes()),
            Token::Model(b"\xC3"),
        ];
        for (value, expected) in [
            (fuse.clone(), "Ġéé ĠÃ"),
            (sequence(&[]), "Ġéé ĠÃ"),
            (fallback.clone(), "Ġéé ĠÃ"),
            (replace("é"), "Ġ__ ĠÃ"),
            (Value::Null, " \u{FFFD}é Ġ\u{FFFD}"),
            (bytes.clone(), " \u{FFFD}é Ġ\u{FFFD}"),
            (sequence(&[fallback, bytes.clone()]), " \u{FFFD}é Ġ\u{FFFD}"),
            (
                sequence(&[replace("Ġ"), bytes.clone()]),
                "_\u{FFFD}é _\u{FFFD}",
            ),
            (sequence(&[fuse, bytes]), " \u{FFFD}é Ġ\u{FFFD}"),
        ] {
            let decoder = Decoder::from_json(&value, true).unwrap();
            let whole = decoder.decode_text(&mut tokens.into_iter()).unwrap();
            assert_eq!(whole, expected, "{value}");
            let (mut stream, mut streamed) = (decoder.stream(), String::new());
            for token in tokens {
                stream.push(token, &mut streamed).unwrap();
            }
            streamed.push_str(&stream.finish().unwrap());
            assert_eq!(streamed, expected, "{value}");
        }
    }

    /// The definition: every step on the whole list of tokens, as texts.
    fn decode_slowly(value: &Value, byte_level: bool, tokens: &[&[u8]]) -> String {
        fn run(value: &Value, tokens: Vec<String>) -> Vec<String> {
            match value["type"].as_str().unwrap() {
                "Sequence" => value["decoders"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .fold(tokens, |tokens, part| run(part, tokens)),
                "ByteLevel" => {
                    let mut bytes = Vec::new();
                    for token in tokens {
                        match token
                            .chars()
                            .map(byte_alphabet::byte_of)
                            .collect::<Option<Vec<u8>>>()
                        {
                            Some(spelled) => bytes.extend(spelled),
                            None => bytes.extend(token.into_bytes()),
                        }
                    }
                    vec![String::from_utf8_lossy(&bytes).into_owned()]
                }
                "Fuse" => vec![tokens.concat()],
                "ByteFallback" => {
                    let mut out = Vec::new();
                    let byte = |token: &String| {
                        let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
                        (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok())?
                    };
                    for group in
                        tokens.chunk_by(|left, right| byte(left).is_some() == byte(right).is_some())
                    {
                        let bytes: Vec<u8> = group.iter().filter_map(byte).collect();
                        if bytes.is_empty() {
                            out.extend_from_slice(group);
                        } else {
                            let lost = vec!["\u{FFFD}".to_owned(); bytes.len()];
                            out.extend(String::from_utf8(bytes).map_or(lost, |text| vec![text]));
                        }
                    }
                    out
                }
                "Strip" => {
                    let count = |name: &str| value[name].as_u64().unwrap();
                    let content = value["content"].as_str().unwrap();
                    let strip = |mut token: &str| {
                        for _ in 0..count("start") {
                            token = token.strip_prefix(content).unwrap_or(token);
                        }
                        for _ in 0..count("stop") {
                            token = token.strip_suffix(content).unwrap_or(token);
                        }
                        token.to_owned()
                    };
                    tokens.iter().map(|token| strip(token)).collect()
                }
                "Replace" => {
                    let pattern = &value["pattern"];
                    let source = match pattern["String"].as_str() {
                        Some(text) => regex_syntax::escape(text),
                        None => pattern["Regex"].as_str().unwrap().to_owned(),
                    };
                    let regex = fancy_regex::Regex::new(&source).unwrap();
                    let content = value["content"].as_str().unwrap();
                    tokens
                        .iter()
                        .map(|token| regex.replace_all(token, content).into_owned())
                        .collect()
                }
                "Metaspace" => {
                    let never =
                        value["prepend_scheme"] == "never" || value["add_prefix_space"] == false;
                    let replacement = value["replacement"].as_str().unwrap();
                    let space = |place: usize| if place == 0 && !never { "" } else { " " };
                    tokens
                        .iter()
                        .enumerate()
                        .map(|(place, token)| token.replace(replacement, space(place)))
                        .collect()
                }
                other => panic!("{other}"),
            }
        }
        if byte_level && (value.is_null() || value["type"] == "ByteLevel") {
            return String::from_utf8_lossy(&tokens.concat()).into_owned();
        }
        let tokens = tokens.iter().map(|&token| {
            if byte_level {
                byte_alphabet::spelling(token)
            } else {
                String::from_utf8(token.to_vec()).unwrap()
            }
        });
        if value.is_null() {
            return tokens.collect::<Vec<String>>().join(" ");
        }
        run(value, tokens.collect()).concat()
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
                let models = || tokens.iter().copied().map(Token::Model);
                let expected = decoder.decode_text(&mut models()).unwrap();
                prop_assert_eq!(&decode_slowly(&value, byte_level, &tokens), &expected, "{}", value);
                let bytes = decoder.decode_bytes(&mut models()).unwrap();
                if !expected.contains('\u{FFFD}') {
                    prop_assert_eq!(bytes, expected.as_bytes(), "{}", value);
                }
                let mut stream = decoder.stream();
                let mut streamed = String::new();
                for token in models() {
                    stream.push(token, &mut streamed).unwrap();
                }
                streamed.push_str(&stream.finish().unwrap());
                prop_assert_eq!(streamed, expected, "{}", value);
            }
        }
    }
}
