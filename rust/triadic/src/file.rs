//! The components of a `tokenizer.json` with triads, and without them again.
//!
//! [`extend`] puts the replacements of a [`recipe`](mod@recipe) behind the normalizer, a Split
//! before all other steps of the pre-tokenizer, and two replacements behind the decoder. The other
//! steps get to see the pieces with digits too, so each expression gets an alternative that takes
//! such a piece whole; steps that would cut them without an expression become one.
//!
//! Invariant: [`recognize`] gives a scheme and the components without it exactly where extending
//! these with the scheme gives the same components again.

use serde_json::{Value, json};

use crate::Error;
use crate::grammar::{FRACTION_LIMIT, Grammar, INTEGER_LIMIT};
use crate::recipe::{self, Replacement, Scheme, Variant};

/// The parts of a file that triads touch.
#[derive(Debug, Clone, PartialEq)]
pub struct Components {
    /// The normalizer, or null.
    pub normalizer: Value,
    /// The pre-tokenizer, or null.
    pub pre_tokenizer: Value,
    /// The decoder, or null.
    pub decoder: Value,
}

/// The expression of the byte-level step.
const BYTE_LEVEL: &str =
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// Puts triads into the components of a byte-level tokenizer.
///
/// # Errors
/// [`Error::Unsupported`] for a step that would cut or drop digits all the same, and for
/// components that are no byte-level tokenizer's; [`Error::Numeral`] for an extended grammar.
pub fn extend(base: &Components, scheme: &Scheme) -> Result<Components, Error> {
    if scheme.grammar.is_extended() {
        return Err(Error::Numeral(
            "a file has a step for each order of magnitude: use extend=False".into(),
        ));
    }
    let steps: Vec<Value> = recipe::replacements(&scheme.grammar)
        .iter()
        .map(replace)
        .collect();
    let mut normalizers = match &base.normalizer {
        Value::Null => Vec::new(),
        normalizer => vec![normalizer.clone()],
    };
    if normalizers.iter().any(|step| has(step, &steps[0])) {
        return Err(unsupported(
            "normalizer (Sequence)",
            "the tokenizer has triads already",
        ));
    }
    normalizers.extend(steps);

    let mut list = vec![isolate(&recipe::split(scheme))];
    let mut byte_level = false;
    flatten(&base.pre_tokenizer, "pretokenizers", &mut |step| {
        guard(step, scheme, &mut byte_level, &mut list)
    })?;
    if !byte_level {
        return Err(unsupported(
            "pre_tokenizer",
            "triads are put before a byte-level vocabulary, and this one has no ByteLevel step",
        ));
    }

    let mut decoders = Vec::new();
    flatten(&base.decoder, "decoders", &mut |step| {
        decoders.push(step.clone());
        Ok(())
    })?;
    if decoders.is_empty() {
        decoders.push(json!({
            "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true,
        }));
    }
    if decoders.len() != 1 || kind(&decoders[0]) != "ByteLevel" {
        return Err(unsupported(
            &format!("decoder ({})", kind(&base.decoder)),
            "markers are taken out behind a ByteLevel decoder alone",
        ));
    }
    decoders.extend(recipe::restoring().iter().map(replace));
    Ok(Components {
        normalizer: json!({"type": "Sequence", "normalizers": normalizers}),
        pre_tokenizer: json!({"type": "Sequence", "pretokenizers": list}),
        decoder: json!({"type": "Sequence", "decoders": decoders}),
    })
}

/// The scheme of components that [`extend`] made, and the components without it.
#[must_use]
pub fn recognize(components: &Components) -> Option<(Scheme, Components)> {
    let normalizers = components.normalizer.get("normalizers")?.as_array()?;
    let escape = replace(&recipe::escape());
    // All other files are told here.
    let first = normalizers.iter().position(|step| *step == escape)?;
    let (before, steps) = normalizers.split_at(first);
    let grammar = grammars().find(|grammar| {
        let replacements = recipe::replacements(grammar);
        replacements.len() == steps.len()
            && replacements
                .iter()
                .zip(steps)
                .all(|(a, b)| replace(a) == *b)
    })?;
    let list = components.pre_tokenizer.get("pretokenizers")?.as_array()?;
    let (split, rest) = list.split_first()?;
    let scheme = [Variant::Vocabulary, Variant::Marker]
        .map(|variant| Scheme { grammar, variant })
        .into_iter()
        .find(|scheme| isolate(&recipe::split(scheme)) == *split)?;
    let mut spelled = false;
    let mut bare = Vec::new();
    for step in rest {
        bare.push(unguarded(step, &scheme, spelled)?);
        spelled |= kind(step) == "ByteLevel";
    }
    let decoders = components.decoder.get("decoders")?.as_array()?;
    let base = Components {
        normalizer: match before {
            [] => Value::Null,
            [only] => only.clone(),
            _ => return None,
        },
        pre_tokenizer: json!({"type": "Sequence", "pretokenizers": bare}),
        decoder: decoders.first()?.clone(),
    };
    let again = extend(&base, &scheme).ok()?;
    (again == *components).then_some((scheme, base))
}

/// All grammars that a file can have, the usual ones first.
fn grammars() -> impl Iterator<Item = Grammar> {
    (1..=INTEGER_LIMIT + FRACTION_LIMIT).flat_map(|digits| {
        [3, 2, 1, 4].into_iter().flat_map(move |size| {
            [false, true].into_iter().flat_map(move |years| {
                [false, true].into_iter().filter_map(move |grouped| {
                    let grammar = Grammar::new(size).ok()?.keep_years(years);
                    grammar.min_digits(digits).ok()?.grouped(grouped).ok()
                })
            })
        })
    })
}

/// Adds a step of the base, changed so that it leaves pieces with digits whole.
fn guard(
    step: &Value,
    scheme: &Scheme,
    byte_level: &mut bool,
    list: &mut Vec<Value>,
) -> Result<(), Error> {
    let spelled = *byte_level;
    let guarded = |pattern: &str| isolate(&format!("{}(?:{pattern})", prefix(scheme, spelled)));
    let name = format!("pre_tokenizer ({})", kind(step));
    match kind(step) {
        "ByteLevel" => {
            if step["add_prefix_space"] == true {
                return Err(unsupported(
                    &name,
                    "add_prefix_space would put a blank before digits; load it with add_prefix_space set to false",
                ));
            }
            let mut bare = step.clone();
            if step.get("use_regex") != Some(&Value::Bool(false)) {
                list.push(guarded(BYTE_LEVEL));
                bare["use_regex"] = Value::Bool(false);
            }
            list.push(bare);
            *byte_level = true;
        }
        "Split" => {
            let inverted = step["invert"] == true;
            if step["behavior"] == "Removed" && !inverted {
                return Err(unsupported(&name, "it drops text"));
            }
            let mut step = step.clone();
            if let Some(pattern) = step["pattern"]["Regex"].as_str() {
                step["pattern"] =
                    json!({"Regex": format!("{}(?:{pattern})", prefix(scheme, spelled))});
            } else {
                let text = step["pattern"]["String"].as_str().unwrap_or_default();
                let cuts = |character: char| {
                    character.is_ascii_digit()
                        || matches!(character, '\u{1}'..='\u{12}' | 'ā'..='Ē')
                };
                if text.is_empty() || inverted || text.contains(cuts) {
                    return Err(unsupported(&name, "it would cut digits from their marker"));
                }
            }
            list.push(step);
        }
        "Digits" => list.push(guarded(if step["individual_digits"] == true {
            r"\p{N}"
        } else {
            r"\p{N}+"
        })),
        "Punctuation" if step["behavior"] != "Removed" => list.push(step.clone()),
        _ => {
            return Err(unsupported(
                &name,
                "triads go before the steps Split, Digits, Punctuation and ByteLevel that keep all text",
            ));
        }
    }
    Ok(())
}

/// A step as it was before [`guard`]; `None` for one that it does not make.
fn unguarded(step: &Value, scheme: &Scheme, spelled: bool) -> Option<Value> {
    let mut step = step.clone();
    if let Some(pattern) = step.get("pattern").and_then(|pattern| pattern.get("Regex")) {
        let bare = pattern
            .as_str()?
            .strip_prefix(&prefix(scheme, spelled))?
            .strip_prefix("(?:")?
            .strip_suffix(')')?;
        step["pattern"] = json!({"Regex": bare});
    }
    Some(step)
}

fn prefix(scheme: &Scheme, spelled: bool) -> String {
    format!("{}|", recipe::guard(scheme, spelled))
}

fn isolate(pattern: &str) -> Value {
    json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false})
}

fn replace(replacement: &Replacement) -> Value {
    json!({
        "type": "Replace",
        "pattern": {"Regex": replacement.pattern},
        "content": replacement.content,
    })
}

/// Calls `visit` with each component that is no sequence.
fn flatten(
    component: &Value,
    list: &str,
    visit: &mut dyn FnMut(&Value) -> Result<(), Error>,
) -> Result<(), Error> {
    match component {
        Value::Null => Ok(()),
        sequence if kind(sequence) == "Sequence" => sequence[list]
            .as_array()
            .into_iter()
            .flatten()
            .try_for_each(|part| flatten(part, list, visit)),
        one => visit(one),
    }
}

/// Whether a normalizer has a step.
fn has(normalizer: &Value, step: &Value) -> bool {
    normalizer == step
        || normalizer["normalizers"]
            .as_array()
            .is_some_and(|parts| parts.iter().any(|part| has(part, step)))
}

fn kind(component: &Value) -> &str {
    component["type"].as_str().unwrap_or("none")
}

fn unsupported(component: &str, reason: &str) -> Error {
    Error::Unsupported {
        component: component.into(),
        reason: reason.into(),
    }
}
