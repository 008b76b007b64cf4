//! The Python binding.
use pyo3::prelude::*;

/// The native half of tokseam.
#[pymodule(gil_used = false)]
mod _native {
    use super::*;
    use numpy::{IntoPyArray, PyArray1};

    /// Count.
    #[pyfunction]
    fn probe(py: Python<'_>) -> Bound<'_, PyArray1<u32>> {
        vec![1u32, 2].into_pyarray(py)
    }
}
