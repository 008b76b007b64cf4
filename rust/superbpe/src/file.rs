//! Merges as a plain `tokenizer.json`.
//!
//! The file needs nothing of ours: stock `tokenizers` loads it and encodes alike. Special tokens
//! stand in the vocabulary too, since their ids would be others otherwise; `ignore_merges` is
//! false, so that no special token is found as a whole pretoken of plain text.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use tokseam_bpe::Tokenizer;
use tokseam_bpe::byte_alphabet::spelling;
use tokseam_bpe::file::{Options, Parts};

use crate::Error;
use crate::tokens::Tokens;

/// A merge by ids: left, right, result.
pub type MergeIds = (u32, u32, u32);

fn added(content: &str, id: u32) -> Value {
    json!({
        "id": id,
        "content": content,
        "single_word": false,
        "lstrip": false,
        "rstrip": false,
        "normalized": false,
        "special": true,
    })
}

/// A new tokenizer: special tokens, alphabet, merges.
///
/// # Errors
/// [`Error::Train`] for special tokens that cannot be, or merges of tokens that are not there yet.
pub fn plain(
    specials: &[String],
    alphabet: &[u8],
    merges: &[MergeIds],
    component: &Value,
) -> Result<String, Error> {
    let mut tokens = Tokens::new(specials, alphabet)?;
    let mut rows = Vec::with_capacity(merges.len());
    apply(&mut tokens, merges, |left, right| {
        rows.push([spelling(left), spelling(right)]);
    })?;
    let parts = Parts {
        version: "1.0".into(),
        truncation: Value::Null,
        padding: Value::Null,
        added_tokens: specials
            .iter()
            .zip(0..)
            .map(|(special, id)| added(special, id))
            .collect(),
        normalizer: Value::Null,
        pre_tokenizer: component.clone(),
        post_processor: Value::Null,
        decoder: json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}),
        options: Options::default(),
    };
    let model = Model {
        r#type: "BPE",
        options: &parts.options,
        vocab: Spelled {
            specials,
            tokens: &tokens,
        },
        merges: &rows,
    };
    serde_json::to_string(&File {
        parts: &parts,
        model,
    })
    .map_err(|error| Error::Train(format!("the tokenizer cannot be written as JSON: {error}")))
}

/// A file. Tokens and merges are written from where they are: as a tree of values they would take
/// half as long as learning them.
#[derive(Serialize)]
struct File<'f> {
    #[serde(flatten)]
    parts: &'f Parts,
    model: Model<'f>,
}

#[derive(Serialize)]
struct Model<'f> {
    r#type: &'f str,
    #[serde(flatten)]
    options: &'f Options,
    #[serde(serialize_with = "Spelled::write")]
    vocab: Spelled<'f>,
    merges: &'f [[String; 2]],
}

/// Tokens by their spelling, in the order of ids.
struct Spelled<'f> {
    specials: &'f [String],
    tokens: &'f Tokens,
}

impl Spelled<'_> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rest = (self.specials.len()..self.tokens.len())
            .map(|id| (Cow::Owned(spelling(self.tokens.get(id as u32))), id));
        let specials = self
            .specials
            .iter()
            .map(|name| Cow::Borrowed(name.as_str()));
        serializer.collect_map(specials.zip(0..).chain(rest))
    }
}

/// A tokenizer with more merges and another pre-tokenizer: every id and merge is kept.
///
/// # Errors
/// [`Error::Train`] for merges of tokens that are not there yet, [`Error::Bpe`] for a tokenizer
/// that cannot be written.
pub fn extended(base: &Tokenizer, merges: &[MergeIds], component: &Value) -> Result<String, Error> {
    let mut tokens = Tokens::of(base)?;
    let first = tokens.len();
    let mut rows = Vec::with_capacity(merges.len());
    apply(&mut tokens, merges, |left, right| {
        rows.push(json!([spelling(left), spelling(right)]));
    })?;
    let mut file: Value = serde_json::from_str(&base.to_json()?)
        .map_err(|error| Error::Train(format!("the tokenizer cannot be read back: {error}")))?;
    file["pre_tokenizer"] = component.clone();
    file["model"]["ignore_merges"] = Value::Bool(false);
    if let Some(vocab) = file["model"]["vocab"].as_object_mut() {
        for token in base.added_tokens() {
            vocab
                .entry(token.content.clone())
                .or_insert(token.id.into());
        }
        for id in first..tokens.len() {
            vocab.insert(spelling(tokens.get(id as u32)), id.into());
        }
    }
    if let Some(list) = file["model"]["merges"].as_array_mut() {
        list.extend(rows);
    }
    Ok(file.to_string())
}

/// Adds the results of merges to the tokens; `row` gets the two sides of each.
fn apply(
    tokens: &mut Tokens,
    merges: &[MergeIds],
    mut row: impl FnMut(&[u8], &[u8]),
) -> Result<(), Error> {
    for &(left, right, result) in merges {
        let (one, two) = (tokens.get(left), tokens.get(right));
        if one.is_empty() || two.is_empty() || result as usize > tokens.len() {
            return Err(Error::Train(format!(
                "the merge ({left}, {right}) -> {result} is of tokens that are not there yet"
            )));
        }
        row(one, two);
        if result as usize == tokens.len() {
            tokens.push([one, two].concat());
        }
    }
    Ok(())
}
