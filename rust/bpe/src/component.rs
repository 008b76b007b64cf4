//! One component of a tokenizer file: its type, its place in the file, and its fields.
//!
//! A component has the fields of its type and no others, and each has its kind of value: what is
//! not understood is refused with its name, never passed over.

use serde_json::{Map, Value};

use crate::Error;

/// A component that is being read.
pub(crate) struct Component<'j> {
    path: String,
    kind: &'j str,
    fields: &'j Map<String, Value>,
}

impl<'j> Component<'j> {
    /// Reads the type of the component at `path`.
    pub(crate) fn new(value: &'j Value, path: String) -> Result<Self, Error> {
        let fields = value.as_object().ok_or_else(|| {
            Error::Vocab(format!("{path} must be an object or null, not {value}"))
        })?;
        let kind = fields
            .get("type")
            .and_then(Value::as_str)
            .ok_or_else(|| Error::Vocab(format!("{path} has no type")))?;
        Ok(Self { path, kind, fields })
    }

    /// The type.
    pub(crate) fn kind(&self) -> &'j str {
        self.kind
    }

    /// Path and type, for people.
    pub(crate) fn name(&self) -> String {
        format!("{} ({})", self.path, self.kind)
    }

    /// The error for a component that is not supported.
    pub(crate) fn unsupported(&self, reason: &str) -> Error {
        Error::Unsupported {
            component: self.name(),
            reason: reason.into(),
        }
    }

    /// Refuses fields other than these.
    pub(crate) fn has_only(&self, names: &[&str]) -> Result<(), Error> {
        match self
            .fields
            .keys()
            .find(|name| *name != "type" && !names.contains(&name.as_str()))
        {
            Some(name) => Err(Error::Vocab(format!(
                "{} has an unknown field {name:?}",
                self.name()
            ))),
            None => Ok(()),
        }
    }

    /// A field, if it is there.
    pub(crate) fn get(&self, name: &str) -> Option<&'j Value> {
        self.fields.get(name)
    }

    /// The error for the value of a field.
    pub(crate) fn malformed(&self, name: &str, wanted: &str) -> Error {
        let path = format!("{}.{name} ({})", self.path, self.kind);
        Error::Vocab(match self.get(name) {
            Some(value) => format!("{path} must be {wanted}, not {value}"),
            None => format!("{path} is missing; it must be {wanted}"),
        })
    }

    /// A field that is true or false; `default` is its value where it is left out.
    pub(crate) fn flag(&self, name: &str, default: Option<bool>) -> Result<bool, Error> {
        match (self.get(name), default) {
            (Some(Value::Bool(flag)), _) => Ok(*flag),
            (None, Some(flag)) => Ok(flag),
            _ => Err(self.malformed(name, "true or false")),
        }
    }

    /// A field that is a text.
    pub(crate) fn text(&self, name: &str) -> Result<&'j str, Error> {
        self.get(name)
            .and_then(Value::as_str)
            .ok_or_else(|| self.malformed(name, "a text"))
    }

    /// A field that is one character.
    pub(crate) fn character(&self, name: &str) -> Result<char, Error> {
        let mut characters = self
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .chars();
        match (characters.next(), characters.next()) {
            (Some(character), None) => Ok(character),
            _ => Err(self.malformed(name, "one character")),
        }
    }

    /// A field that is a count.
    pub(crate) fn count(&self, name: &str) -> Result<usize, Error> {
        self.get(name)
            .and_then(Value::as_u64)
            .and_then(|count| usize::try_from(count).ok())
            .ok_or_else(|| self.malformed(name, "a count"))
    }

    /// The components of a list.
    pub(crate) fn list(&self, name: &str) -> Result<Vec<Component<'j>>, Error> {
        self.get(name)
            .and_then(Value::as_array)
            .ok_or_else(|| self.malformed(name, "a list"))?
            .iter()
            .enumerate()
            .map(|(index, value)| Component::new(value, format!("{}.{name}[{index}]", self.path)))
            .collect()
    }

    /// A pattern: a regular expression, or a text as it stands.
    pub(crate) fn pattern(&self, name: &str) -> Result<crate::pattern::Pattern, Error> {
        use crate::pattern::{Dialect, Pattern};
        let fields = self.get(name).and_then(Value::as_object);
        let field = fields
            .filter(|fields| fields.len() == 1)
            .and_then(|fields| fields.iter().next());
        match field.map(|(kind, source)| (kind.as_str(), source.as_str())) {
            // The empty text matches between all characters, like the empty expression.
            Some(("String", Some(text))) if !text.is_empty() => Ok(Pattern::literal(text)),
            Some(("Regex" | "String", Some(source))) => Pattern::new(source, Dialect::Oniguruma)
                .map_err(|error| match error {
                    Error::Unsupported { component, reason } => Error::Unsupported {
                        component: format!("{}.{name} ({}): {component}", self.path, self.kind),
                        reason,
                    },
                    error => error,
                }),
            _ => Err(self.malformed(name, "{\"String\": text} or {\"Regex\": expression}")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn read(value: &Value) -> Component<'_> {
        Component::new(value, "decoder".into()).unwrap()
    }

    #[test]
    fn fields_of_each_kind() {
        let value = json!({"type": "T", "flag": true, "text": "ab", "char": "▁", "count": 3,
            "list": [{"type": "A"}, {"type": "B"}]});
        let component = read(&value);
        assert_eq!(component.name(), "decoder (T)");
        assert_eq!(component.flag("flag", None), Ok(true));
        assert_eq!(component.flag("left out", Some(true)), Ok(true));
        assert_eq!(component.text("text"), Ok("ab"));
        assert_eq!(component.character("char"), Ok('▁'));
        assert_eq!(component.count("count"), Ok(3));
        let names: Vec<String> = component
            .list("list")
            .unwrap()
            .iter()
            .map(Component::name)
            .collect();
        assert_eq!(names, ["decoder.list[0] (A)", "decoder.list[1] (B)"]);
        assert!(
            component
                .has_only(&["flag", "text", "char", "count", "list"])
                .is_ok()
        );
    }

    #[test]
    fn errors_name_the_path() {
        let value = json!({"type": "T", "flag": 1, "char": "ab", "extra": null});
        let component = read(&value);
        let message = |error: Error| error.to_string();
        assert_eq!(
            message(component.flag("flag", Some(true)).unwrap_err()),
            "decoder.flag (T) must be true or false, not 1"
        );
        assert_eq!(
            message(component.character("char").unwrap_err()),
            "decoder.char (T) must be one character, not \"ab\""
        );
        assert_eq!(
            message(component.count("count").unwrap_err()),
            "decoder.count (T) is missing; it must be a count"
        );
        assert_eq!(
            message(component.has_only(&["flag", "char"]).unwrap_err()),
            "decoder (T) has an unknown field \"extra\""
        );
        assert!(component.pattern("flag").is_err());
        assert!(Component::new(&json!({"kind": "T"}), "decoder".into()).is_err());
        assert!(Component::new(&json!([]), "decoder".into()).is_err());
    }
}
