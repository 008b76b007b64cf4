//! The Python binding: arguments in, the interpreter released, results out. No algorithm here.

// PyO3 hands arguments over by value.
#![allow(clippy::needless_pass_by_value)]

mod array;
mod bpe;
mod bytetoken;
mod error;
mod phantom;
mod signal;
mod superbpe;
mod triadic;

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::{Python, pymodule};
use pyo3::sync::MutexExt;

/// The value behind a lock, for calls that have the interpreter: they let go of it while they wait,
/// since whoever has the lock may wait for the interpreter. A call that went wrong left it whole.
fn lock<'a, T>(py: Python<'_>, mutex: &'a Mutex<T>) -> MutexGuard<'a, T> {
    mutex
        .lock_py_attached(py)
        .unwrap_or_else(PoisonError::into_inner)
}

/// The value behind a lock, for calls without the interpreter.
fn lock_detached<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The native half of tokseam. The package `tokseam` is the interface; this module may change.
#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use crate::bpe::{StreamDecoder, Tokenizer};
    #[pymodule_export]
    use crate::bytetoken::{ByteKernel, Heads, Plan, Stem, log_sums, range_sums};
    #[pymodule_export]
    use crate::phantom::{
        Detector, Prefix, canonicalize, compare, find_rows, judge_rows, project, prompt_tail,
    };
    #[pymodule_export]
    use crate::superbpe::{
        PairCounts, PretokenCounts, RunCounts, extend, extended_json, is_utf8, learn, plain_json,
        record_texts, scheme, split_component,
    };
    #[pymodule_export]
    use crate::triadic::{Rules, join, marked_triads, regroup_digits, restore, token_values};
}
