//! Merges as a plain `tokenizer.json`.
//!
//! The file needs nothing of ours: stock `tokenizers` loads it and encodes alike. Special tokens
//! stand in the vocabulary too, since their ids would be others otherwise; `ignore_merges` is
//! false, so that no special token is found as a whole pretoken of plain text.

use serde_json::{Map, Value, json};
use tokseam_bpe::Tokenizer;
use tokseam_bpe::byte_alphabet::spelling;

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
    let rows = apply(&mut tokens, merges)?;
    let mut vocab = Map::new();
    for (id, special) in specials.iter().enumerate() {
        vocab.insert(special.clone(), id.into());
    }
    for id in specials.len()..tokens.len() {
        vocab.insert(spelling(tokens.get(id as u32)), id.into());
    }
    let file = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": specials.iter().zip(0..).map(|(special, id)| added(special, id)).collect::<Vec<_>>(),
        "normalizer": null,
        "pre_tokenizer": component,
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": false,
            "vocab": vocab,
            "merges": rows,
        },
    });
    Ok(file.to_string())
}

/// A tokenizer with more merges and another pre-tokenizer: every id and merge is kept.
///
/// # Errors
/// [`Error::Train`] for merges of tokens that are not there yet, [`Error::Bpe`] for a tokenizer
/// that cannot be written.
pub fn extended(base: &Tokenizer, merges: &[MergeIds], component: &Value) -> Result<String, Error> {
    let mut tokens = Tokens::of(base)?;
    let first = tokens.len();
    let rows = apply(&mut tokens, merges)?;
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

/// Adds the results of merges to the tokens; returns the rows of the file.
fn apply(tokens: &mut Tokens, merges: &[MergeIds]) -> Result<Vec<Value>, Error> {
    let mut rows = Vec::with_capacity(merges.len());
    for &(left, right, result) in merges {
        let [one, two] = [left, right].map(|id| tokens.get(id).to_vec());
        if one.is_empty() || two.is_empty() || result as usize > tokens.len() {
            return Err(Error::Train(format!(
                "the merge ({left}, {right}) -> {result} is of tokens that are not there yet"
            )));
        }
        rows.push(json!([spelling(&one), spelling(&two)]));
        if result as usize == tokens.len() {
            tokens.push([one, two].concat());
        }
    }
    Ok(rows)
}
