//! The parts of a `tokenizer.json`, read field by field: a component knows its path in the file,
//! and every complaint names it.

use serde_json::{Map, Value};

use crate::Error;
use crate::pattern::{Dialect, Pattern};

/// An object of the file with a `type`.
pub struct Component<'v> {
    path: String,
    kind: &'v str,
    fields: &'v Map<String, Value>,
}

impl<'v> Component<'v> {
    /// The component at a path.
    ///
    /// # Errors
    /// [`Error::Vocab`] if it is no object with a type.
    pub fn new(value: &'v Value, path: impl Into<String>) -> Result<Self, Error> {
        let path = path.into();
        let fields = value
            .as_object()
            .ok_or_else(|| Error::Vocab(format!("{path} is not an object: {}", short(value))))?;
        let kind = fields
            .get("type")
            .and_then(Value::as_str)
            .ok_or_else(|| Error::Vocab(format!("{path} has no type: {}", short(value))))?;
        Ok(Self { path, kind, fields })
    }

    /// Its type.
    #[must_use]
    pub fn kind(&self) -> &'v str {
        self.kind
    }

    /// Its path and type, as messages name it.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} ({})", self.path, self.kind)
    }

    /// The error for a component of this type.
    #[must_use]
    pub fn unsupported(&self) -> Error {
        self.refuse("it is not applied here, and leaving it out would give other ids")
    }

    /// The error for a component that is refused for a reason.
    #[must_use]
    pub fn refuse(&self, reason: impl Into<String>) -> Error {
        Error::Unsupported {
            component: self.name(),
            reason: reason.into(),
        }
    }

    /// A field, if it is there and not null.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&'v Value> {
        self.fields.get(field).filter(|value| !value.is_null())
    }

    /// The error for a field that is not as it must be.
    fn wrong(&self, field: &str, wanted: &str) -> Error {
        let found = self
            .fields
            .get(field)
            .map_or_else(|| "nothing".into(), short);
        Error::Vocab(format!(
            "{}.{field} must be {wanted}, not {found}",
            self.name()
        ))
    }

    /// A field that is a string.
    ///
    /// # Errors
    /// [`Error::Vocab`] if it is missing or something else, as for all readers here.
    pub fn string(&self, field: &str) -> Result<&'v str, Error> {
        self.get(field)
            .and_then(Value::as_str)
            .ok_or_else(|| self.wrong(field, "a string"))
    }

    /// A field that is one character.
    ///
    /// # Errors
    /// As [`Component::string`].
    pub fn character(&self, field: &str) -> Result<char, Error> {
        let mut characters = self.string(field)?.chars();
        match (characters.next(), characters.next()) {
            (Some(character), None) => Ok(character),
            _ => Err(self.wrong(field, "one character")),
        }
    }

    /// A field that is a truth value, or a default where it is missing.
    ///
    /// # Errors
    /// As [`Component::string`].
    pub fn flag(&self, field: &str, default: Option<bool>) -> Result<bool, Error> {
        match self.get(field) {
            Some(value) => value.as_bool(),
            None => default,
        }
        .ok_or_else(|| self.wrong(field, "true or false"))
    }

    /// A field that is a count.
    ///
    /// # Errors
    /// As [`Component::string`].
    pub fn count(&self, field: &str) -> Result<usize, Error> {
        self.get(field)
            .and_then(Value::as_u64)
            .and_then(|count| usize::try_from(count).ok())
            .ok_or_else(|| self.wrong(field, "a count"))
    }

    /// A field that is one of some words.
    ///
    /// # Errors
    /// As [`Component::string`].
    pub fn choice<T: Copy>(&self, field: &str, choices: &[(&str, T)]) -> Result<T, Error> {
        let word = self.string(field)?;
        choices
            .iter()
            .find(|(name, _)| *name == word)
            .map(|&(_, choice)| choice)
            .ok_or_else(|| {
                let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                self.wrong(field, &format!("one of {}", names.join(", ")))
            })
    }

    /// A field that is a list of components.
    ///
    /// # Errors
    /// As [`Component::string`].
    pub fn components(&self, field: &str) -> Result<Vec<Component<'v>>, Error> {
        let list = self
            .get(field)
            .and_then(Value::as_array)
            .ok_or_else(|| self.wrong(field, "a list"))?;
        list.iter()
            .enumerate()
            .map(|(index, value)| Component::new(value, format!("{}.{field}[{index}]", self.path)))
            .collect()
    }
}

/// A field that is `{"String": ...}` or `{"Regex": ...}`.
///
/// # Errors
/// [`Error::Vocab`] for anything else, [`Error::Unsupported`] for a regex that no engine takes.
pub fn pattern(component: &Component, field: &str) -> Result<Pattern, Error> {
    let wrong = || component.wrong(field, "{\"String\": ...} or {\"Regex\": ...}");
    let fields = component
        .get(field)
        .and_then(Value::as_object)
        .ok_or_else(wrong)?;
    let mut fields = fields.iter();
    match (fields.next(), fields.next()) {
        (Some((kind, Value::String(source))), None) => match kind.as_str() {
            "String" => Ok(Pattern::literal(source)),
            "Regex" => Pattern::new(source, Dialect::Oniguruma).map_err(|error| match error {
                Error::Unsupported {
                    component: pattern,
                    reason,
                } => component.refuse(format!("{pattern}: {reason}")),
                other => other,
            }),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

/// A value as a message shows it.
fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
