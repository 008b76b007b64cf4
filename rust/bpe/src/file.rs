//! Reading and writing `tokenizer.json`.
//!
//! A file is taken apart into the byte-pair model, which is read straight from the text without a
//! tree of values in between, and the small rest, which is kept as values and written back as it
//! came: the post-processor, truncation and padding are not applied here, but they are not lost.
//!
//! Reading costs the text once, and about 60 bytes for each token and merge while it lasts.

use std::borrow::Cow;
use std::fmt;

use rustc_hash::FxHashMap;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;
use crate::byte_alphabet;
use crate::model::{Kind, Merge, Model};
use crate::vocab::{Vocab, display};

/// A text of the file, borrowed where it has no escapes.
#[derive(Clone)]
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// The vocabulary in the order of the file.
#[derive(Default)]
struct RawVocab<'a>(Vec<(Text<'a>, u32)>);

impl<'de: 'a, 'a> Deserialize<'de> for RawVocab<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct VocabVisitor;
        impl<'de> Visitor<'de> for VocabVisitor {
            type Value = RawVocab<'de>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a map from tokens to ids")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(RawVocab(entries))
            }
        }
        deserializer.deserialize_map(VocabVisitor)
    }
}

/// One merge, as a pair or as two tokens with a space between.
struct RawMerge<'a>(Text<'a>, Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for RawMerge<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MergeVisitor;
        impl<'de> Visitor<'de> for MergeVisitor {
            type Value = RawMerge<'de>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("two tokens, as [\"left\", \"right\"] or as \"left right\"")
            }
            fn visit_borrowed_str<E: serde::de::Error>(
                self,
                text: &'de str,
            ) -> Result<Self::Value, E> {
                let (left, right) = two_tokens(text)?;
                Ok(RawMerge(Text(left.into()), Text(right.into())))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let (left, right) = two_tokens(text)?;
                let owned = |token: &str| Text(token.to_owned().into());
                Ok(RawMerge(owned(left), owned(right)))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let missing = || serde::de::Error::custom("a merge has two tokens");
                let left = seq.next_element()?.ok_or_else(missing)?;
                let right = seq.next_element()?.ok_or_else(missing)?;
                match seq.next_element::<IgnoredAny>()? {
                    None => Ok(RawMerge(left, right)),
                    Some(_) => Err(missing()),
                }
            }
        }
        deserializer.deserialize_any(MergeVisitor)
    }
}

/// The two tokens of a merge with a space between.
fn two_tokens<E: serde::de::Error>(merge: &str) -> Result<(&str, &str), E> {
    merge
        .split_once(' ')
        .filter(|(_, right)| !right.contains(' '))
        .ok_or_else(|| E::custom(format!("the merge {merge:?} is not two tokens")))
}

/// The options of the model that are kept for saving.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Options {
    /// The probability of leaving out a merge; only none is supported.
    pub dropout: Option<f64>,
    /// The token for characters without one; such characters raise here.
    pub unk_token: Option<String>,
    /// Only none is supported.
    pub continuing_subword_prefix: Option<String>,
    /// Only none is supported.
    pub end_of_word_suffix: Option<String>,
    #[allow(missing_docs)]
    pub fuse_unk: bool,
    #[allow(missing_docs)]
    pub byte_fallback: bool,
    #[allow(missing_docs)]
    pub ignore_merges: bool,
}

/// The file without its model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parts {
    /// The version of the format.
    pub version: String,
    /// Kept for saving.
    pub truncation: Value,
    /// Kept for saving.
    pub padding: Value,
    /// Added tokens.
    pub added_tokens: Value,
    /// The normalizer.
    pub normalizer: Value,
    /// The pre-tokenizer.
    pub pre_tokenizer: Value,
    /// Kept for saving.
    pub post_processor: Value,
    /// The decoder.
    pub decoder: Value,
    /// The model's options.
    #[serde(skip)]
    pub options: Options,
}

#[derive(Deserialize)]
struct RawFile<'a> {
    version: Option<String>,
    #[serde(default)]
    truncation: Value,
    #[serde(default)]
    padding: Value,
    #[serde(default)]
    added_tokens: Value,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    decoder: Value,
    #[serde(borrow)]
    model: RawModel<'a>,
}

#[derive(Deserialize)]
struct RawModel<'a> {
    r#type: Option<String>,
    dropout: Option<f64>,
    unk_token: Option<String>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    fuse_unk: Option<bool>,
    byte_fallback: Option<bool>,
    ignore_merges: Option<bool>,
    #[serde(borrow, default)]
    vocab: Option<RawVocab<'a>>,
    #[serde(borrow, default)]
    merges: Option<Vec<RawMerge<'a>>>,
}

/// Only the type of the model, to name one that is not byte-pair encoding.
#[derive(Deserialize)]
struct TypeOnly {
    model: ModelType,
}

#[derive(Deserialize)]
struct ModelType {
    r#type: Option<String>,
}

/// A file that has been read but not yet understood: whether its vocabulary is of bytes depends on
/// the pre-tokenizer.
pub struct Unread<'a> {
    /// The file without its model.
    pub parts: Parts,
    vocab: RawVocab<'a>,
    merges: Vec<RawMerge<'a>>,
}

impl<'a> Unread<'a> {
    /// Reads the text of a `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Vocab`] where the text is not such a file, [`Error::Unsupported`] where its model
    /// is not plain byte-pair encoding.
    pub fn new(json: &'a [u8]) -> Result<Self, Error> {
        let json = std::str::from_utf8(json)
            .map_err(|error| Error::Vocab(format!("tokenizer.json is not UTF-8: {error}")))?;
        let file: RawFile =
            serde_json::from_str(json).map_err(|error| {
                match serde_json::from_str::<TypeOnly>(json) {
                    Ok(TypeOnly {
                        model: ModelType { r#type: Some(kind) },
                    }) if kind != "BPE" => unsupported_model(&kind),
                    _ => Error::Vocab(format!("not a valid tokenizer.json: {error}")),
                }
            })?;
        let RawFile { version, model, .. } = file;
        if let Some(version) = version.as_deref().filter(|&version| version != "1.0") {
            return Err(Error::Unsupported {
                component: format!("version {version:?}"),
                reason: "only version \"1.0\" of tokenizer.json is known".into(),
            });
        }
        if let Some(kind) = model.r#type.as_deref().filter(|&kind| kind != "BPE") {
            return Err(unsupported_model(kind));
        }
        let option = |name: &str, set: bool, why: &str| {
            if set {
                return Err(Error::Unsupported {
                    component: format!("model.{name}"),
                    reason: why.into(),
                });
            }
            Ok(())
        };
        option(
            "dropout",
            model.dropout.is_some_and(|dropout| dropout != 0.0),
            "encoding would be random; set it to null",
        )?;
        let affix =
            |affix: &Option<String>| affix.as_deref().is_some_and(|affix| !affix.is_empty());
        option(
            "continuing_subword_prefix",
            affix(&model.continuing_subword_prefix),
            "tokens that depend on their place in the word are not encoded here",
        )?;
        option(
            "end_of_word_suffix",
            affix(&model.end_of_word_suffix),
            "tokens that depend on their place in the word are not encoded here",
        )?;
        let (Some(vocab), Some(merges)) = (model.vocab, model.merges) else {
            return Err(Error::Vocab("the model has no vocab or no merges".into()));
        };
        Ok(Self {
            parts: Parts {
                version: "1.0".into(),
                truncation: file.truncation,
                padding: file.padding,
                added_tokens: match file.added_tokens {
                    Value::Null => Value::Array(Vec::new()),
                    added => added,
                },
                normalizer: file.normalizer,
                pre_tokenizer: file.pre_tokenizer,
                post_processor: file.post_processor,
                decoder: file.decoder,
                options: Options {
                    dropout: model.dropout,
                    unk_token: model.unk_token,
                    continuing_subword_prefix: model.continuing_subword_prefix,
                    end_of_word_suffix: model.end_of_word_suffix,
                    fuse_unk: model.fuse_unk.unwrap_or(false),
                    byte_fallback: model.byte_fallback.unwrap_or(false),
                    ignore_merges: model.ignore_merges.unwrap_or(false),
                },
            },
            vocab,
            merges,
        })
    }

    /// Builds the model; `bytes` says whether its smallest tokens are bytes, and `ids` are
    /// [`Unread::ids`].
    ///
    /// # Errors
    /// [`Error::Vocab`] where ids or merges contradict each other.
    pub fn model(&self, bytes: bool, ids: &FxHashMap<&str, u32>) -> Result<Model, Error> {
        let mut spelled = Vec::new();
        let mut tokens = Vec::with_capacity(self.vocab.0.len());
        for (text, id) in &self.vocab.0 {
            let start = spelled.len();
            let found = !bytes || byte_alphabet::spell(&text.0, &mut spelled);
            if !bytes || !found {
                spelled.truncate(start);
                spelled.extend_from_slice(text.0.as_bytes());
            }
            tokens.push((start..spelled.len(), *id, found));
        }
        let vocab = Vocab::new(
            tokens
                .iter()
                .map(|(range, id, found)| (&spelled[range.clone()], *id, *found)),
        )?;
        drop((tokens, spelled));
        let mut merges = Vec::with_capacity(self.merges.len());
        let mut joined = String::new();
        for (rank, RawMerge(left, right)) in self.merges.iter().enumerate() {
            joined.clear();
            joined.push_str(&left.0);
            joined.push_str(&right.0);
            let id = |token: &str| {
                ids.get(token).copied().ok_or_else(|| {
                    Error::Vocab(format!(
                        "merge {rank} ({:?}, {:?}) needs the token {token:?}, which is not in model.vocab",
                        left.0, right.0
                    ))
                })
            };
            merges.push(Merge {
                left: id(&left.0)?,
                right: id(&right.0)?,
                result: id(&joined)?,
            });
        }
        let kind = if bytes {
            Kind::Bytes
        } else {
            Kind::Characters {
                fallback: self
                    .parts
                    .options
                    .byte_fallback
                    .then(|| fallback(ids))
                    .flatten(),
            }
        };
        Ok(Model {
            kind,
            vocab,
            merges,
            ignore_merges: self.parts.options.ignore_merges,
        })
    }

    /// The id of a token as the file spells it.
    #[must_use]
    pub fn ids(&self) -> FxHashMap<&str, u32> {
        self.vocab
            .0
            .iter()
            .map(|(text, id)| (&*text.0, *id))
            .collect()
    }

    /// The number of entries of the vocabulary.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.vocab.0.len()
    }
}

fn unsupported_model(kind: &str) -> Error {
    Error::Unsupported {
        component: format!("model ({kind})"),
        reason: "only byte-pair encoding (BPE) is encoded here".into(),
    }
}

/// The ids of `<0x00>` to `<0xFF>`, if all are there.
fn fallback(ids: &FxHashMap<&str, u32>) -> Option<Box<[u32; 256]>> {
    let mut fallback = Box::new([0; 256]);
    for (byte, id) in fallback.iter_mut().enumerate() {
        *id = *ids.get(format!("<0x{byte:02X}>").as_str())?;
    }
    Some(fallback)
}

/// Writes a `tokenizer.json`, on one line.
///
/// # Errors
/// [`Error::Export`] if it cannot be written.
pub fn write(parts: &Parts, model: &Model) -> Result<String, Error> {
    struct File<'a>(&'a Parts, &'a Model);
    struct BytePair<'a>(&'a Parts, &'a Model);
    struct Tokens<'a>(&'a Model);
    struct Merges<'a>(&'a Model);

    impl Serialize for File<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            #[derive(Serialize)]
            struct Whole<'a> {
                #[serde(flatten)]
                parts: &'a Parts,
                model: BytePair<'a>,
            }
            Whole {
                parts: self.0,
                model: BytePair(self.0, self.1),
            }
            .serialize(serializer)
        }
    }
    impl Serialize for BytePair<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            #[derive(Serialize)]
            struct Whole<'a> {
                r#type: &'a str,
                #[serde(flatten)]
                options: &'a Options,
                vocab: Tokens<'a>,
                merges: Merges<'a>,
            }
            Whole {
                r#type: "BPE",
                options: &self.0.options,
                vocab: Tokens(self.1),
                merges: Merges(self.1),
            }
            .serialize(serializer)
        }
    }
    impl Serialize for Tokens<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(self.0.vocab.entries()))?;
            for (id, _) in self.0.vocab.iter() {
                map.serialize_entry(&spelling(self.0, id), &id)?;
            }
            map.end()
        }
    }
    impl Serialize for Merges<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut seq = serializer.serialize_seq(Some(self.0.merges.len()))?;
            for merge in &self.0.merges {
                seq.serialize_element(&[
                    spelling(self.0, merge.left),
                    spelling(self.0, merge.right),
                ])?;
            }
            seq.end()
        }
    }
    serde_json::to_string(&File(parts, model))
        .map_err(|error| Error::Export(format!("the tokenizer cannot be written as JSON: {error}")))
}

/// A token as a file spells it.
fn spelling(model: &Model, id: u32) -> Cow<'_, str> {
    let token = model.token(id);
    match model.kind {
        Kind::Bytes if model.vocab.id(token) == Some(id) => {
            Cow::Owned(byte_alphabet::spelling(token))
        }
        // What is not of the alphabet, or of characters, came as UTF-8.
        _ => String::from_utf8_lossy(token),
    }
}

/// The message for a token that cannot be looked up.
#[must_use]
pub fn unknown(id: u32, size: usize) -> Error {
    let last = size.saturating_sub(1);
    let holes = if (id as usize) < size {
        ", and this is a hole in them"
    } else {
        ""
    };
    Error::UnknownToken(format!(
        "id {id} has no token: the vocabulary has ids 0 to {last}{holes}"
    ))
}

/// The message for a byte that cannot be encoded.
#[must_use]
pub fn unspelled(text: &[u8], place: usize, at: usize) -> Error {
    let rest = text.get(place..).unwrap_or_default();
    let character = rest
        .utf8_chunks()
        .next()
        .and_then(|chunk| chunk.valid().chars().next())
        .map(|character| {
            format!(
                " of the character {}",
                display(character.to_string().as_bytes())
            )
        })
        .unwrap_or_default();
    Error::Vocab(format!(
        "byte 0x{:02X}{character} at byte {at} of the text has no token in this vocabulary; remove it, or use a vocabulary with all 256 bytes",
        rest.first().copied().unwrap_or_default()
    ))
}
