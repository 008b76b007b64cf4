//! Counting and training.

use std::sync::{Mutex, MutexGuard};

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tokseam_superbpe::constraints::Constraints;
use tokseam_superbpe::file::{self, MergeIds};
use tokseam_superbpe::pairs::{self, Start};
use tokseam_superbpe::pretokens;
use tokseam_superbpe::scheme::{Scheme, isolated};
use tokseam_superbpe::stage::{self, Learned, Merged, Settings, Step, Stop, Veto};
use tokseam_superbpe::tally::Tally;
use tokseam_superbpe::{Error, Spill, Spilled, Totals, records, runs};

use crate::array;
use crate::bpe::Tokenizer;
use crate::error::OrRaise;
use crate::signal::{interruptible, interruptible_with};
use crate::{lock, lock_detached};

/// Two counts at once, in the order of their places: calls that merge them both ways at a time would
/// wait for each other.
fn both<'a, T>(one: &'a Mutex<T>, other: &'a Mutex<T>) -> (MutexGuard<'a, T>, MutexGuard<'a, T>) {
    if std::ptr::from_ref(one) < std::ptr::from_ref(other) {
        let one = lock_detached(one);
        (one, lock_detached(other))
    } else {
        let other = lock_detached(other);
        (lock_detached(one), other)
    }
}

fn spill(limits: Option<(u64, usize)>) -> Option<Spill> {
    limits.map(|(min_count, max_entries)| Spill {
        min_count,
        max_entries,
    })
}

/// Reads texts and counts them without the interpreter.
fn update<C: Send>(
    py: Python<'_>,
    counts: &Mutex<C>,
    texts: &[Bound<'_, PyAny>],
    count: impl FnOnce(&mut C, &[&[u8]], &mut dyn FnMut() -> bool) -> Result<bool, Error> + Send,
) -> PyResult<()> {
    let texts = texts
        .iter()
        .map(array::text)
        .collect::<PyResult<Vec<_>>>()?;
    interruptible(py, |tick| {
        count(&mut lock_detached(counts), &texts, tick).map(|done| done.then_some(()))
    })?
    .or_raise(py)
}

/// Items, ends and counts of a tally.
type Table<'py, T> = (
    Bound<'py, PyArray1<T>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<u64>>,
);

fn table<'py, T: numpy::Element + Copy + Eq + std::hash::Hash>(
    py: Python<'py>,
    tally: &Tally<T>,
) -> Table<'py, T> {
    let ends: Vec<i64> = tally.ends().iter().map(|&end| end as i64).collect();
    (
        tally.items().to_vec().into_pyarray(py),
        ends.into_pyarray(py),
        tally.counts().to_vec().into_pyarray(py),
    )
}

/// Calls `row` with each row of a table that came from outside.
fn rows<T: numpy::Element>(
    py: Python<'_>,
    items: &PyReadonlyArray1<'_, T>,
    ends: &PyReadonlyArray1<'_, i64>,
    counts: &PyReadonlyArray1<'_, u64>,
    mut row: impl FnMut(&[T], u64) -> Result<(), Error>,
) -> PyResult<()> {
    let (items, ends, counts) = (items.as_slice()?, ends.as_slice()?, counts.as_slice()?);
    if ends.len() != counts.len() {
        return Err(PyValueError::new_err("as many counts as rows are wanted"));
    }
    let mut start = 0;
    for (&end, &count) in ends.iter().zip(counts) {
        let range = usize::try_from(end)
            .ok()
            .and_then(|end| items.get(start..end));
        let Some(range) = range else {
            return Err(PyValueError::new_err("the ends of rows must rise"));
        };
        row(range, count).or_raise(py)?;
        start += range.len();
    }
    Ok(())
}

/// Counted pretokens of the first stage.
#[pyclass(frozen, module = "tokseam._native")]
pub struct PretokenCounts {
    inner: Mutex<pretokens::PretokenCounts>,
}

#[pymethods]
impl PretokenCounts {
    #[new]
    fn new(py: Python<'_>, pre_tokenizer: &str, limits: Option<(u64, usize)>) -> PyResult<Self> {
        let inner =
            pretokens::PretokenCounts::new(&array::component(py, pre_tokenizer)?, spill(limits));
        Ok(Self {
            inner: Mutex::new(inner.or_raise(py)?),
        })
    }

    /// Counts some texts.
    fn update(
        &self,
        py: Python<'_>,
        texts: Vec<Bound<'_, PyAny>>,
        lines: bool,
        threads: usize,
    ) -> PyResult<()> {
        update(py, &self.inner, &texts, |counts, texts, tick| {
            counts.update(texts, lines, threads, tick)
        })
    }

    /// Adds other counts; `other` is not this object.
    fn merge(&self, py: Python<'_>, other: &Self) -> PyResult<()> {
        py.detach(|| {
            let (mut counts, others) = both(&self.inner, &other.inner);
            counts.merge(&others)
        })
        .or_raise(py)
    }

    /// Items, ends and counts.
    fn table<'py>(&self, py: Python<'py>) -> Table<'py, u8> {
        table(py, lock(py, &self.inner).gather())
    }

    /// Adds a table that was made elsewhere.
    fn add(
        &self,
        py: Python<'_>,
        items: PyReadonlyArray1<'_, u8>,
        ends: PyReadonlyArray1<'_, i64>,
        counts: PyReadonlyArray1<'_, u64>,
        totals: (u64, u64, u64, u64),
    ) -> PyResult<()> {
        let mut inner = lock(py, &self.inner);
        rows(py, &items, &ends, &counts, |word, count| {
            inner.add(word, count);
            Ok(())
        })?;
        let (texts, bytes, entries, count) = totals;
        let totals = Totals {
            texts,
            bytes,
            tokens: 0,
        };
        inner.add_totals(totals, Spilled { entries, count });
        Ok(())
    }

    /// Texts, bytes, entries dropped, their count.
    fn totals(&self, py: Python<'_>) -> (u64, u64, u64, u64) {
        let inner = lock(py, &self.inner);
        let (totals, spilled) = (inner.totals(), inner.spilled());
        (totals.texts, totals.bytes, spilled.entries, spilled.count)
    }

    /// The bytes that came.
    fn alphabet(&self, py: Python<'_>) -> Vec<u8> {
        stage::alphabet(&mut lock(py, &self.inner))
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        lock(py, &self.inner).gather().len()
    }
}

/// Counted neighbours of the second stage's start.
#[pyclass(frozen, module = "tokseam._native")]
pub struct PairCounts {
    inner: Mutex<pairs::PairCounts>,
}

/// Left ids, right ids, counts.
type Pairs<'py> = (
    Bound<'py, PyArray1<u32>>,
    Bound<'py, PyArray1<u32>>,
    Bound<'py, PyArray1<u64>>,
);

#[pymethods]
impl PairCounts {
    #[new]
    fn new(
        py: Python<'_>,
        tokenizer: &Tokenizer,
        pre_tokenizer: &str,
        limits: Option<(u64, usize)>,
    ) -> PyResult<Self> {
        let component = array::component(py, pre_tokenizer)?;
        let base = tokenizer.inner().clone();
        let start = py.detach(|| Start::new(base, &component)).or_raise(py)?;
        Ok(Self {
            inner: Mutex::new(pairs::PairCounts::new(start, spill(limits))),
        })
    }

    /// Counts some texts.
    fn update(
        &self,
        py: Python<'_>,
        texts: Vec<Bound<'_, PyAny>>,
        lines: bool,
        threads: usize,
    ) -> PyResult<()> {
        update(py, &self.inner, &texts, |counts, texts, tick| {
            counts.update(texts, lines, threads, tick)
        })
    }

    /// Adds other counts; `other` is not this object.
    fn merge(&self, py: Python<'_>, other: &Self) -> PyResult<()> {
        py.detach(|| {
            let (mut counts, others) = both(&self.inner, &other.inner);
            counts.merge(&others)
        })
        .or_raise(py)
    }

    /// Left ids, right ids and counts, in the order of ids.
    fn table<'py>(&self, py: Python<'py>) -> Pairs<'py> {
        let pairs = py.detach(|| lock_detached(&self.inner).sorted());
        let mut columns = (Vec::new(), Vec::new(), Vec::new());
        for (left, right, count) in pairs {
            columns.0.push(left);
            columns.1.push(right);
            columns.2.push(count);
        }
        (
            columns.0.into_pyarray(py),
            columns.1.into_pyarray(py),
            columns.2.into_pyarray(py),
        )
    }

    /// Adds a table that was made elsewhere.
    fn add(
        &self,
        py: Python<'_>,
        left: PyReadonlyArray1<'_, u32>,
        right: PyReadonlyArray1<'_, u32>,
        counts: PyReadonlyArray1<'_, u64>,
        totals: (u64, u64, u64, u64, u64),
    ) -> PyResult<()> {
        let (left, right, counts) = (left.as_slice()?, right.as_slice()?, counts.as_slice()?);
        if left.len() != counts.len() || right.len() != counts.len() {
            return Err(PyValueError::new_err("the three columns differ in length"));
        }
        let mut inner = lock(py, &self.inner);
        for ((&left, &right), &count) in left.iter().zip(right).zip(counts) {
            inner.add(left, right, count);
        }
        let (texts, bytes, tokens, entries, count) = totals;
        let totals = Totals {
            texts,
            bytes,
            tokens,
        };
        inner.add_totals(totals, Spilled { entries, count });
        Ok(())
    }

    /// Texts, bytes, tokens, entries dropped, their count.
    fn totals(&self, py: Python<'_>) -> (u64, u64, u64, u64, u64) {
        let inner = lock(py, &self.inner);
        let (totals, spilled) = (inner.totals(), inner.spilled());
        (
            totals.texts,
            totals.bytes,
            totals.tokens,
            spilled.entries,
            spilled.count,
        )
    }

    /// The ids that came.
    fn seen<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u32>> {
        lock(py, &self.inner).seen().into_pyarray(py)
    }

    /// Adds ids that came, as counted elsewhere.
    fn see(&self, py: Python<'_>, ids: PyReadonlyArray1<'_, u32>) -> PyResult<()> {
        lock(py, &self.inner).see(ids.as_slice()?);
        Ok(())
    }

    /// A guess of the count of the last of so many merges.
    fn guess_barrier(&self, py: Python<'_>, merges: usize) -> u64 {
        py.detach(|| lock_detached(&self.inner).guess_barrier(merges))
    }

    /// What the counts belong to.
    fn fingerprint(&self, py: Python<'_>) -> u64 {
        lock(py, &self.inner).start().fingerprint()
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        lock(py, &self.inner).count_distinct()
    }
}

/// Counted runs of the second stage's start.
#[pyclass(frozen, module = "tokseam._native")]
pub struct RunCounts {
    inner: Mutex<runs::RunCounts>,
}

#[pymethods]
impl RunCounts {
    #[new]
    fn new(py: Python<'_>, pairs: &PairCounts, barrier: u64) -> Self {
        Self {
            inner: Mutex::new(
                py.detach(|| runs::RunCounts::new(&mut lock_detached(&pairs.inner), barrier)),
            ),
        }
    }

    /// Runs that are counted elsewhere.
    #[staticmethod]
    fn gathered(
        py: Python<'_>,
        tokenizer: &Tokenizer,
        pre_tokenizer: &str,
        barrier: u64,
    ) -> PyResult<Self> {
        let component = array::component(py, pre_tokenizer)?;
        let base = tokenizer.inner().clone();
        let start = py.detach(|| Start::new(base, &component)).or_raise(py)?;
        Ok(Self {
            inner: Mutex::new(runs::RunCounts::gathered(start, barrier)),
        })
    }

    /// Counts some texts.
    fn update(
        &self,
        py: Python<'_>,
        texts: Vec<Bound<'_, PyAny>>,
        lines: bool,
        threads: usize,
    ) -> PyResult<()> {
        update(py, &self.inner, &texts, |counts, texts, tick| {
            counts.update(texts, lines, threads, tick)
        })
    }

    /// Adds other counts; `other` is not this object.
    fn merge(&self, py: Python<'_>, other: &Self) -> PyResult<()> {
        py.detach(|| {
            let (mut counts, others) = both(&self.inner, &other.inner);
            counts.merge(&others)
        })
        .or_raise(py)
    }

    /// Items, ends and counts.
    fn table<'py>(&self, py: Python<'py>) -> Table<'py, u32> {
        table(py, lock(py, &self.inner).gather())
    }

    /// Adds a table that was made elsewhere.
    fn add(
        &self,
        py: Python<'_>,
        items: PyReadonlyArray1<'_, u32>,
        ends: PyReadonlyArray1<'_, i64>,
        counts: PyReadonlyArray1<'_, u64>,
        totals: (u64, u64, u64),
    ) -> PyResult<()> {
        let mut inner = lock(py, &self.inner);
        rows(py, &items, &ends, &counts, |run, count| {
            inner.add(run, count)
        })?;
        let (texts, bytes, tokens) = totals;
        inner.add_totals(Totals {
            texts,
            bytes,
            tokens,
        });
        Ok(())
    }

    /// Texts, bytes, tokens.
    fn totals(&self, py: Python<'_>) -> (u64, u64, u64) {
        let totals = lock(py, &self.inner).totals();
        (totals.texts, totals.bytes, totals.tokens)
    }

    /// Pairs below this count were cut.
    fn barrier(&self, py: Python<'_>) -> u64 {
        lock(py, &self.inner).barrier()
    }

    /// What the counts belong to.
    fn fingerprint(&self, py: Python<'_>) -> u64 {
        lock(py, &self.inner).start().fingerprint()
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        lock(py, &self.inner).gather().len()
    }
}

/// What a stage has learned, in arrays: left ids, right ids, result ids, counts, tokens that the text
/// lost; and of each veto left id, right id, merges before, whether it is of an added token.
type Arrays<'py> = (
    Bound<'py, PyArray1<u32>>,
    Bound<'py, PyArray1<u32>>,
    Bound<'py, PyArray1<u32>>,
    Bound<'py, PyArray1<u64>>,
    Bound<'py, PyArray1<u64>>,
    Bound<'py, PyArray1<u32>>,
);

/// The same, as it comes back.
type Before<'py> = (
    PyReadonlyArray1<'py, u32>,
    PyReadonlyArray1<'py, u32>,
    PyReadonlyArray1<'py, u32>,
    PyReadonlyArray1<'py, u64>,
    PyReadonlyArray1<'py, u64>,
    PyReadonlyArray1<'py, u32>,
);

/// A stage: arrays, why it ended, tokens of the text before.
type Stage<'py> = (Arrays<'py>, &'static str, u64);

fn arrays<'py>(py: Python<'py>, merged: &Merged) -> Arrays<'py> {
    let steps = merged.steps.iter();
    let ids = |of: fn(&Step) -> u32| steps.clone().map(of).collect::<Vec<_>>().into_pyarray(py);
    let counts = |of: fn(&Step) -> u64| steps.clone().map(of).collect::<Vec<_>>().into_pyarray(py);
    let vetoes = merged.vetoes.iter().flat_map(|veto| {
        let is_special = u32::from(veto.is_special);
        [veto.left, veto.right, veto.after, is_special]
    });
    (
        ids(|step| step.left),
        ids(|step| step.right),
        ids(|step| step.result),
        counts(|step| step.count),
        counts(|step| step.applied),
        vetoes.collect::<Vec<_>>().into_pyarray(py),
    )
}

fn before(arrays: &Before) -> PyResult<Merged> {
    let (left, right, result, counts, applied, vetoes) = arrays;
    let (left, right, result) = (left.as_slice()?, right.as_slice()?, result.as_slice()?);
    let (counts, applied) = (counts.as_slice()?, applied.as_slice()?);
    let ids = left.iter().zip(right).zip(result);
    let (vetoes, _) = vetoes.as_slice()?.as_chunks();
    Ok(Merged {
        steps: ids
            .zip(counts.iter().zip(applied))
            .map(|(((&left, &right), &result), (&count, &applied))| Step {
                left,
                right,
                result,
                count,
                applied,
            })
            .collect(),
        vetoes: vetoes
            .iter()
            .map(|&[left, right, after, is_special]| Veto {
                left,
                right,
                after,
                is_special: is_special != 0,
            })
            .collect(),
        size: 0,
        stop: Stop::Full,
    })
}

/// Runs a stage without the interpreter. Now and then `watch` gets the size of the vocabulary; where
/// it returns true `keep` gets what there is so far.
fn run(
    py: Python<'_>,
    (watch, keep): (Py<PyAny>, Py<PyAny>),
    work: impl FnOnce(&mut dyn FnMut(&Merged) -> bool) -> Result<Option<Learned>, Error> + Send,
) -> PyResult<Stage<'_>> {
    let show = |py: Python<'_>, merged: &Merged| {
        if watch.call1(py, (merged.size,))?.is_truthy(py)? {
            keep.call1(py, arrays(py, merged))?;
        }
        Ok(())
    };
    let learned = interruptible_with(py, show, work)?.or_raise(py)?;
    let stop = match learned.merged.stop {
        Stop::Full => "full",
        Stop::Rare => "rare",
        Stop::Bar => "barrier",
    };
    Ok((arrays(py, &learned.merged), stop, learned.start))
}

/// The first stage.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn learn<'py>(
    py: Python<'py>,
    counts: &PretokenCounts,
    special_tokens: Vec<String>,
    alphabet: Vec<u8>,
    vocab_size: usize,
    min_frequency: u64,
    max_token_length: Option<usize>,
    arrays: Option<Before<'py>>,
    calls: (Py<PyAny>, Py<PyAny>),
) -> PyResult<Stage<'py>> {
    let arrays = arrays.as_ref().map(before).transpose()?;
    let settings = Settings {
        size: vocab_size,
        min_frequency,
        max_token_length,
    };
    run(py, calls, |tick| {
        stage::learn(
            &mut lock_detached(&counts.inner),
            &special_tokens,
            &alphabet,
            &settings,
            arrays.as_ref(),
            tick,
        )
    })
}

/// The constraints of the second stage: words, substrings, and whether tokens may cross newlines,
/// cross sentences, end in punctuation, cross scripts.
type Rules = (Option<usize>, Vec<Vec<u8>>, bool, bool, bool, bool);

/// The second stage.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn extend<'py>(
    py: Python<'py>,
    runs: &RunCounts,
    constraints: Rules,
    vocab_size: usize,
    min_frequency: u64,
    max_token_length: Option<usize>,
    arrays: Option<Before<'py>>,
    calls: (Py<PyAny>, Py<PyAny>),
) -> PyResult<Stage<'py>> {
    let arrays = arrays.as_ref().map(before).transpose()?;
    let (max_words, forbid_substrings, newline, sentence, punctuation, script) = constraints;
    let constraints = Constraints {
        max_words,
        forbid_substrings,
        cross_newline: newline,
        cross_sentence: sentence,
        trailing_punctuation: punctuation,
        cross_script: script,
    };
    let settings = Settings {
        size: vocab_size,
        min_frequency,
        max_token_length,
    };
    run(py, calls, |tick| {
        stage::extend(
            &mut lock_detached(&runs.inner),
            &constraints,
            &settings,
            arrays.as_ref(),
            tick,
        )
    })
}

fn merges(
    left: &PyReadonlyArray1<'_, u32>,
    right: &PyReadonlyArray1<'_, u32>,
    result: &PyReadonlyArray1<'_, u32>,
) -> PyResult<Vec<MergeIds>> {
    let (left, right, result) = (left.as_slice()?, right.as_slice()?, result.as_slice()?);
    Ok(left
        .iter()
        .zip(right)
        .zip(result)
        .map(|((&left, &right), &result)| (left, right, result))
        .collect())
}

/// The text of a new `tokenizer.json`.
#[pyfunction]
pub fn plain_json(
    py: Python<'_>,
    special_tokens: Vec<String>,
    alphabet: Vec<u8>,
    left: PyReadonlyArray1<'_, u32>,
    right: PyReadonlyArray1<'_, u32>,
    result: PyReadonlyArray1<'_, u32>,
    pre_tokenizer: &str,
) -> PyResult<String> {
    let component = array::component(py, pre_tokenizer)?;
    let merges = merges(&left, &right, &result)?;
    py.detach(|| file::plain(&special_tokens, &alphabet, &merges, &component))
        .or_raise(py)
}

/// The text of a `tokenizer.json` with more merges.
#[pyfunction]
pub fn extended_json(
    py: Python<'_>,
    tokenizer: &Tokenizer,
    left: PyReadonlyArray1<'_, u32>,
    right: PyReadonlyArray1<'_, u32>,
    result: PyReadonlyArray1<'_, u32>,
    pre_tokenizer: &str,
) -> PyResult<String> {
    let component = array::component(py, pre_tokenizer)?;
    let merges = merges(&left, &right, &result)?;
    py.detach(|| file::extended(tokenizer.inner(), &merges, &component))
        .or_raise(py)
}

/// The two pre-tokenizers of a scheme with a name, as JSON; `None` for another name.
#[pyfunction]
pub fn scheme(name: &str) -> Option<(String, String)> {
    let scheme = match name {
        "superbpe" => Scheme::recommended(),
        "superbpe-paper" => Scheme::paper(),
        _ => return None,
    };
    Some((scheme.stage1.to_string(), scheme.stage2.to_string()))
}

/// Whether bytes are UTF-8.
#[pyfunction]
pub fn is_utf8(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok()
}

/// The text of each line of JSON records, where `records` finds one.
#[pyfunction]
pub fn record_texts<'py>(
    py: Python<'py>,
    block: &[u8],
    field: &str,
) -> Vec<Option<Bound<'py, PyBytes>>> {
    let found = py.detach(|| records::texts(block, field));
    let texts = found.into_iter();
    texts
        .map(|text| text.map(|text| PyBytes::new(py, text.as_bytes())))
        .collect()
}

/// A pre-tokenizer that isolates the matches of a regex, as JSON.
#[pyfunction]
pub fn split_component(regex: &str) -> String {
    isolated(regex).to_string()
}
