//! A whole `tokenizer.json` with triads.
//!
//! Beside the components ([`file`](mod@file)), the model gets a token for each piece that triads
//! cut: every group of digits, and the triads with their markers or the markers alone. A piece
//! holds digits, markers and escapes and is encoded alone, so only the tokens and merges of such
//! bytes matter. A new piece must be two tokens as the merges are; one more merge, behind all
//! others, makes it one. So nothing that could be encoded before is encoded otherwise.
//!
//! Invariant: ids of the base stay, and behind [`extend`] each wanted piece is one token.
//!
//! Cost: a few look-ups for each of the some 12,000 pieces, and the tree of the file.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use crate::Error;
use crate::file::{self, Components};
use crate::marker;
use crate::recipe::{Scheme, Variant};
use crate::vocabulary;

/// A file with triads.
#[derive(Debug, Clone, PartialEq)]
pub struct Extension {
    /// The tree of the file.
    pub file: Value,
    /// The ids that were added, rising, each with the ids of the base whose mean is a good start
    /// for its embedding.
    pub rows: BTreeMap<u32, Vec<u32>>,
}

/// Puts triads into the tree of a `tokenizer.json`. `added` are the added tokens by content with
/// the ids that the file is loaded with, and `vocab_size` is the first id that is free.
///
/// # Errors
/// [`Error::Unsupported`] for an added token that holds digits or markers, for components as in
/// [`file::extend`](crate::file::extend), and for a vocabulary that spells digits with more than one token a byte.
pub fn extend(
    mut file: Value,
    added: &[(&str, u32)],
    vocab_size: u32,
    scheme: &Scheme,
) -> Result<Extension, Error> {
    if let Some((content, _)) = added
        .iter()
        .find(|(content, _)| content.bytes().any(is_own))
    {
        return Err(Error::Unsupported {
            component: format!("the added token {content:?}"),
            reason: "it has a digit or a marker in it, which would be cut from the numbers beside it; rename it first".into(),
        });
    }
    let mut part = |name| file.get_mut(name).map(Value::take).unwrap_or_default();
    let base = Components {
        normalizer: part("normalizer"),
        pre_tokenizer: part("pre_tokenizer"),
        decoder: part("decoder"),
    };
    let mut model = part("model");
    let mut written = part("added_tokens");
    let components = file::extend(&base, scheme)?;

    let ids: HashMap<&str, u32> = added.iter().copied().collect();
    let mut pieces = Pieces::new(&mut model, &ids, vocab_size)?;
    // Stock software takes the id of an added token from the vocabulary.
    for token in written.as_array_mut().into_iter().flatten() {
        let id = token.get("content").and_then(Value::as_str);
        if let Some(id) = id.and_then(|content| pieces.place(content, &ids))
            && let Some(slot) = token.get_mut("id")
        {
            *slot = id.into();
        }
    }
    // Bytes that the vocabulary may lack, then digits that stand alone, then triads.
    let size = scheme.grammar.group_size();
    let single = marker::NAMES.iter().map(|&(byte, _)| vec![byte]);
    let marked: Vec<Vec<u8>> = match scheme.variant {
        Variant::Marker => vocabulary::markers(size),
        Variant::Vocabulary => {
            let triads = vocabulary::triads(size).into_iter();
            triads
                .map(|(digits, marker)| [digits, marker].concat())
                .collect()
        }
    };
    for piece in single.chain(vocabulary::digits(size)).chain(marked) {
        pieces.add(&piece)?;
    }
    let rows = pieces.rows;
    let parts = [
        ("normalizer", components.normalizer),
        ("pre_tokenizer", components.pre_tokenizer),
        ("decoder", components.decoder),
        ("model", model),
        ("added_tokens", written),
    ];
    for (name, part) in parts {
        if let Some(slot) = file.get_mut(name) {
            *slot = part;
        }
    }
    Ok(Extension { file, rows })
}

/// Whether a byte can stand in a piece.
fn is_own(byte: u8) -> bool {
    byte.is_ascii_digit() || marker::needs_escape(byte)
}

/// How a byte-level vocabulary writes a byte of a piece.
fn spell(piece: &[u8]) -> String {
    let spelled = piece.iter().map(|&byte| match byte {
        0..=32 => char::from_u32(256 + u32::from(byte)).unwrap_or_default(),
        _ => byte.into(),
    });
    spelled.collect()
}

/// The piece that a token of the file is, if it is one.
fn read(token: &str) -> Option<Vec<u8>> {
    let byte = |character: char| {
        let code = character as u32;
        let byte = u8::try_from(if code >= 256 { code - 256 } else { code }).ok()?;
        (is_own(byte) && (code < 256) == (byte > 32)).then_some(byte)
    };
    token.chars().map(byte).collect()
}

/// The digits and markers of a model's vocabulary, and the merges between them.
struct Pieces<'m> {
    vocab: &'m mut Map<String, Value>,
    merges: &'m mut Vec<Value>,
    ignore_merges: bool,
    ids: HashMap<Vec<u8>, u32>,
    ranks: HashMap<(Vec<u8>, Vec<u8>), usize>,
    next: u32,
    rows: BTreeMap<u32, Vec<u32>>,
}

impl<'m> Pieces<'m> {
    fn new(
        model: &'m mut Value,
        added: &HashMap<&str, u32>,
        vocab_size: u32,
    ) -> Result<Self, Error> {
        let broken = || Error::Vocab("the file has no model with a vocab and merges".into());
        let ignore_merges = model.get("ignore_merges").and_then(Value::as_bool);
        let mut parts = (None, None);
        for (name, part) in model.as_object_mut().ok_or_else(broken)?.iter_mut() {
            match name.as_str() {
                "vocab" => parts.0 = part.as_object_mut(),
                "merges" => parts.1 = part.as_array_mut(),
                _ => {}
            }
        }
        let (Some(vocab), Some(merges)) = parts else {
            return Err(broken());
        };
        let mut ids = HashMap::new();
        for (token, id) in vocab.iter() {
            if let Some(piece) = read(token)
                && !added.contains_key(token.as_str())
            {
                let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
                ids.insert(piece, id.ok_or_else(broken)?);
            }
        }
        let mut ranks = HashMap::new();
        for (rank, merge) in merges.iter().enumerate() {
            let side = |number: usize| merge.get(number).and_then(Value::as_str).and_then(read);
            if let (Some(left), Some(right)) = (side(0), side(1)) {
                ranks.entry((left, right)).or_insert(rank);
            }
        }
        Ok(Self {
            vocab,
            merges,
            ignore_merges: ignore_merges.unwrap_or(false),
            ids,
            ranks,
            next: vocab_size,
            rows: BTreeMap::new(),
        })
    }

    /// Puts an added token into the vocabulary and returns the id that it has there.
    fn place(&mut self, content: &str, added: &HashMap<&str, u32>) -> Option<u64> {
        let id = *added.get(content)?;
        let slot = self.vocab.entry(content).or_insert_with(|| id.into());
        slot.as_u64()
    }

    /// Merges a piece: the lowest rank first, at its leftmost place.
    fn encode(&self, piece: &[u8]) -> Vec<Vec<u8>> {
        if self.ignore_merges && self.ids.contains_key(piece) {
            return vec![piece.to_vec()];
        }
        let mut parts: Vec<Vec<u8>> = piece.iter().map(|&byte| vec![byte]).collect();
        loop {
            let pairs = parts.iter().zip(parts.iter().skip(1)).enumerate();
            let found = pairs.filter_map(|(place, (left, right))| {
                let rank = self.ranks.get(&(left.clone(), right.clone()))?;
                Some((*rank, place))
            });
            let Some((_, place)) = found.min() else {
                return parts;
            };
            let right = parts.remove(place + 1);
            parts[place].extend(right);
        }
    }

    /// Makes a piece one token.
    fn add(&mut self, piece: &[u8]) -> Result<(), Error> {
        let parts = self.encode(piece);
        for part in &parts {
            if !self.ids.contains_key(part) {
                // A byte that the vocabulary lacks. Any digit is nearer to it than nothing.
                let digits = (b'0'..=b'9').map(|digit| {
                    self.ids.get(&[digit][..]).copied().ok_or_else(|| {
                        let digit = char::from(digit);
                        unsupported(format!("there is no token for the digit {digit:?}"))
                    })
                });
                let rows = digits.collect::<Result<_, _>>()?;
                self.insert(part, rows);
            }
        }
        let [left, right] = parts.as_slice() else {
            return match parts.len() {
                1 => Ok(()),
                _ => Err(unsupported(format!(
                    "its merges leave {:?} in more than two tokens",
                    spell(piece)
                ))),
            };
        };
        let pair = (left.clone(), right.clone());
        self.ranks.insert(pair, self.merges.len());
        self.merges
            .push(Value::Array(vec![spell(left).into(), spell(right).into()]));
        if !self.ids.contains_key(piece) {
            let old = parts.iter().filter_map(|part| self.ids.get(part));
            let rows = old.flat_map(|id| match self.rows.get(id) {
                Some(rows) => rows.clone(),
                None => vec![*id],
            });
            let rows = rows.collect();
            self.insert(piece, rows);
        }
        Ok(())
    }

    fn insert(&mut self, piece: &[u8], rows: Vec<u32>) {
        self.ids.insert(piece.to_vec(), self.next);
        self.vocab.insert(spell(piece), self.next.into());
        self.rows.insert(self.next, rows);
        self.next += 1;
    }
}

fn unsupported(reason: String) -> Error {
    Error::Unsupported {
        component: "model.vocab".into(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Grammar;
    use serde_json::json;

    #[test]
    fn pieces_are_spelled_and_read() {
        for byte in 0..=255_u8 {
            let piece = [b'7', byte];
            assert_eq!(read(&spell(&piece)), is_own(byte).then(|| piece.to_vec()));
            // A control character as it stands is no spelling.
            let raw = format!("7{}", char::from(byte));
            assert_eq!(read(&raw).is_some(), byte.is_ascii_digit());
        }
        assert_eq!(read("\u{131}"), None);
        assert_eq!(read(""), Some(Vec::new()));
    }

    fn base(digits: &str) -> Value {
        let vocab: Map<String, Value> = digits
            .chars()
            .zip(0_u32..)
            .map(|(digit, id)| (digit.to_string(), id.into()))
            .collect();
        json!({
            "added_tokens": [{"id": 77, "content": "<end>"}],
            "normalizer": null,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
            "decoder": null,
            "model": {"ignore_merges": false, "vocab": vocab, "merges": []},
        })
    }

    fn scheme(size: usize, variant: Variant) -> Scheme {
        let grammar = Grammar::new(size).unwrap();
        Scheme { grammar, variant }
    }

    #[test]
    fn what_is_missing_is_added() {
        let file = base("0123456789");
        let added = [("<end>", 10)];
        let found = extend(file, &added, 11, &scheme(1, Variant::Marker)).unwrap();
        let vocab = &found.file["model"]["vocab"];
        assert_eq!(vocab["<end>"], 10);
        assert_eq!(found.file["added_tokens"][0]["id"], 10);
        assert_eq!(vocab["\u{101}"], 11);
        assert_eq!(found.rows[&11], (0..10).collect::<Vec<u32>>());
        assert_eq!(
            found.rows.keys().copied().collect::<Vec<_>>(),
            (11..11 + found.rows.len() as u32).collect::<Vec<_>>()
        );

        let file = base("0123456789");
        let found = extend(file, &[], 10, &scheme(2, Variant::Vocabulary)).unwrap();
        let id = found.file["model"]["vocab"]["12\u{101}"].as_u64().unwrap();
        let mut rows: Vec<u32> = vec![1, 2];
        rows.extend(0..10);
        assert_eq!(found.rows[&(id as u32)], rows);
        let merges = found.file["model"]["merges"].as_array().unwrap();
        assert!(merges.contains(&json!(["12", "\u{101}"])));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let message = |file, added: &[(&str, u32)]| {
            extend(file, added, 11, &scheme(3, Variant::Vocabulary))
                .unwrap_err()
                .to_string()
        };
        let file = || base("0123456789");
        assert!(message(file(), &[("<a1>", 10)]).contains("digit or a marker"));
        assert!(message(base("012345678"), &[]).contains("'9'"));
        assert!(message(json!({}), &[]).contains("pre_tokenizer"));
        let mut broken = file();
        broken["model"] = json!({"vocab": {}});
        assert!(message(broken, &[]).contains("vocab and merges"));
    }
}
