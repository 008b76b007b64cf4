//! The Python binding: arguments in, the interpreter released, results out. No algorithm here.

mod array;
mod bpe;
mod error;
mod signal;

use pyo3::prelude::pymodule;

/// The native half of tokseam. The package `tokseam` is the interface; this module may change.
#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use crate::bpe::{StreamDecoder, Tokenizer};
}
