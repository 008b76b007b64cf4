//! Errors of the crates as the exception classes of `tokseam.errors`.

use pyo3::exceptions::{PyUnicodeEncodeError, PyValueError};
use pyo3::prelude::*;
use tokseam_bpe::Error;

/// An exception class of `tokseam.errors` with a message.
pub fn raise(py: Python<'_>, class: &str, message: String) -> PyErr {
    let class = py
        .import("tokseam.errors")
        .and_then(|errors| errors.getattr(class));
    match class.and_then(|class| class.call1((message,))) {
        Ok(value) => PyErr::from_value(value),
        Err(error) => error,
    }
}

/// Turns a result of a crate into one of Python.
pub trait OrRaise<T> {
    /// The value, or the exception that the error stands for.
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

/// The exception that an error of a crate stands for.
pub fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let class = match error {
        Error::Unsupported { .. } => "UnsupportedTokenizerError",
        Error::Vocab(_) => "VocabError",
        Error::Pretokenize(_) => "PretokenizeError",
        Error::UnknownToken(_) => "UnknownTokenError",
        Error::Export(_) => "ExportError",
        _ => return PyValueError::new_err(error.to_string()),
    };
    raise(py, class, error.to_string())
}

/// An error that says which text or row of many it is about.
pub fn within(py: Python<'_>, what: &str, index: usize, error: PyErr) -> PyErr {
    let value = error.value(py);
    if error.is_instance_of::<PyUnicodeEncodeError>(py) {
        // It is made of five parts; the last one ends its message.
        let reason = value.getattr("reason");
        let placed = reason.map(|reason| format!("{reason} ({what} {index})"));
        return match placed.and_then(|placed| value.setattr("reason", placed)) {
            Ok(()) => error,
            Err(other) => other,
        };
    }
    let message = format!("{what} {index}: {value}");
    match error.get_type(py).call1((message,)) {
        Ok(value) => PyErr::from_value(value),
        Err(_) => error,
    }
}

impl<T> OrRaise<T> for Result<T, Error> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| exception(py, &error))
    }
}

impl<T> OrRaise<T> for Result<T, tokseam_superbpe::Error> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| match error {
            tokseam_superbpe::Error::Bpe(error) => exception(py, &error),
            error @ tokseam_superbpe::Error::Train(_) => raise(py, "TrainError", error.to_string()),
        })
    }
}
