//! Ctrl-C during long work.

use std::time::{Duration, Instant};

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

/// How often signals are looked for.
const INTERVAL: Duration = Duration::from_millis(100);

/// Looks for signals now and then; keeps the exception that one raised.
#[derive(Default)]
struct Signals {
    /// When the last time was, or the first tick: short work asks no clock.
    last: Option<Instant>,
    raised: Option<PyErr>,
}

impl Signals {
    /// False once a signal handler, or `call`, has raised; `call` is made each time that signals
    /// are looked for. May be called without the interpreter.
    fn tick(&mut self, call: impl FnOnce(Python<'_>) -> PyResult<()>) -> bool {
        let last = *self.last.get_or_insert_with(Instant::now);
        if self.raised.is_none() && last.elapsed() >= INTERVAL {
            let checked = Python::attach(|py| py.check_signals().and_then(|()| call(py)));
            self.raised = checked.err();
            self.last = Some(Instant::now());
        }
        self.raised.is_none()
    }

    /// The exception of work that was stopped.
    fn into_error(self) -> PyErr {
        self.raised
            .unwrap_or_else(|| PyKeyboardInterrupt::new_err(()))
    }
}

/// Runs `work` without the interpreter; `work` gets a tick that looks for signals, and returns
/// `None` when the tick stopped it.
pub fn interruptible<T: Send, E: Send>(
    py: Python<'_>,
    work: impl FnOnce(&mut dyn FnMut() -> bool) -> Result<Option<T>, E> + Send,
) -> PyResult<Result<T, E>> {
    interruptible_with(py, |_, &()| Ok(()), |tick| work(&mut || tick(&())))
}

/// [`interruptible`], where each tick has a value, and `show` gets the latest one now and then.
pub fn interruptible_with<V, T: Send, E: Send>(
    py: Python<'_>,
    show: impl Fn(Python<'_>, &V) -> PyResult<()> + Sync,
    work: impl FnOnce(&mut dyn FnMut(&V) -> bool) -> Result<Option<T>, E> + Send,
) -> PyResult<Result<T, E>> {
    let mut signals = Signals::default();
    match py.detach(|| work(&mut |value| signals.tick(|py| show(py, value)))) {
        Ok(Some(value)) => Ok(Ok(value)),
        Ok(None) => Err(signals.into_error()),
        Err(error) => Ok(Err(error)),
    }
}
