//! Ctrl-C during long work.

use std::time::{Duration, Instant};

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

/// How often signals are looked for.
const INTERVAL: Duration = Duration::from_millis(100);

/// Looks for signals now and then; keeps the exception that one raised.
pub struct Signals {
    last: Instant,
    raised: Option<PyErr>,
}

impl Signals {
    /// Starts the clock.
    pub fn new() -> Self {
        Self {
            last: Instant::now(),
            raised: None,
        }
    }

    /// False once a signal handler has raised. May be called without the interpreter.
    pub fn tick(&mut self) -> bool {
        self.tick_with(|_| Ok(()))
    }

    /// [`Signals::tick`], with a call into Python each time that signals are looked for.
    pub fn tick_with(&mut self, call: impl FnOnce(Python<'_>) -> PyResult<()>) -> bool {
        if self.raised.is_none() && self.last.elapsed() >= INTERVAL {
            let checked = Python::attach(|py| py.check_signals().and_then(|()| call(py)));
            self.raised = checked.err();
            self.last = Instant::now();
        }
        self.raised.is_none()
    }

    /// The exception of work that was stopped.
    pub fn into_error(self) -> PyErr {
        self.raised
            .unwrap_or_else(|| PyKeyboardInterrupt::new_err(()))
    }
}
