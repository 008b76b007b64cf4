//! `tokseam.phantom`.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tokseam_bpe::tokenizer;
use tokseam_phantom::map::{How, Refused};
use tokseam_phantom::{self as phantom, Judgement, Map, judge};

use crate::array::{self, Ids};
use crate::bpe::Tokenizer;
use crate::error::{OrRaise, raise};
use crate::lock;
use crate::signal::interruptible;

/// Two numbers of a range.
type Pair = (usize, usize);

/// Tokens, bytes, canonical ids and reason of a block.
type Block = (Pair, Pair, Vec<u32>, &'static str);

/// State, position and name of the reason.
type Judged = (&'static str, Option<usize>, Option<&'static str>);

/// Ids and the changed ranges of a map, four numbers each.
type Mapped<'py> = (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<i64>>);

/// Tokens, bytes and other tokens of a block, its level, labels and classes, and the borders that
/// it lost and gained.
type Change = (
    Pair,
    Pair,
    Pair,
    Option<u8>,
    Vec<u32>,
    Vec<&'static str>,
    usize,
    usize,
);

/// Verdict, level, blocks, labels and the changed ranges.
type Compared<'py> = (
    &'static str,
    Option<u8>,
    Vec<Change>,
    Vec<u32>,
    Bound<'py, PyArray1<i64>>,
);

fn pair(range: &Range<usize>) -> Pair {
    (range.start, range.end)
}

fn block(block: phantom::Block) -> Block {
    (
        pair(&block.tokens),
        pair(&block.bytes),
        block.canonical,
        block.reason.name(),
    )
}

/// Labels as integers: a list of bytes would become `bytes`.
fn numbers(labels: &[u8]) -> Vec<u32> {
    labels.iter().copied().map(u32::from).collect()
}

fn changes<'py>(py: Python<'py>, map: &Map) -> Bound<'py, PyArray1<i64>> {
    let flat: Vec<i64> = map
        .changes()
        .iter()
        .flat_map(|(old, new)| [old.start, old.end, new.start, new.end])
        .map(|place| place as i64)
        .collect();
    flat.into_pyarray(py)
}

/// State, position and name of the reason for each row of ids.
#[pyfunction]
pub fn judge_rows(
    py: Python<'_>,
    ids: &Bound<'_, PyAny>,
    offsets: &Bound<'_, PyAny>,
    tokenizer: &Tokenizer,
) -> PyResult<Vec<Judged>> {
    let (ids, offsets) = (Ids::new(ids)?, array::offsets(offsets)?);
    let rows = array::rows(ids.as_slice()?, offsets.as_slice()?)?;
    let inner = tokenizer.inner();
    let found = interruptible(py, |tick| {
        rows.into_iter()
            .map(|row| match judge(inner, row, tick)? {
                Some(judged) if tick() => Ok(Some(judged)),
                _ => Ok(None),
            })
            .collect::<Result<Option<Vec<_>>, tokseam_bpe::Error>>()
    })?
    .or_raise(py)?;
    let named = found.into_iter().map(|judged| match judged {
        Judgement::Canonical => ("canonical", None, None),
        Judgement::Undetermined => ("undetermined", None, None),
        Judgement::Broken(place, reason) => ("broken", Some(place), Some(reason.name())),
    });
    Ok(named.collect())
}

/// The blocks of each row of ids.
#[pyfunction]
pub fn find_rows(
    py: Python<'_>,
    ids: &Bound<'_, PyAny>,
    offsets: &Bound<'_, PyAny>,
    tokenizer: &Tokenizer,
) -> PyResult<Vec<Vec<Block>>> {
    let (ids, offsets) = (Ids::new(ids)?, array::offsets(offsets)?);
    let rows = array::rows(ids.as_slice()?, offsets.as_slice()?)?;
    let inner = tokenizer.inner();
    let found = interruptible(py, |tick| {
        rows.into_iter()
            .map(|row| {
                if tick() {
                    phantom::find(inner, row).map(Some)
                } else {
                    Ok(None)
                }
            })
            .collect::<Result<Option<Vec<_>>, tokseam_bpe::Error>>()
    })?
    .or_raise(py)?;
    let named = found
        .into_iter()
        .map(|blocks| blocks.into_iter().map(block).collect());
    Ok(named.collect())
}

/// The ids with each block replaced, and the changed ranges: uint32 (n,) and int64 (4 k,).
#[pyfunction]
pub fn canonicalize<'py>(
    py: Python<'py>,
    ids: &Bound<'py, PyAny>,
    tokenizer: &Tokenizer,
) -> PyResult<Mapped<'py>> {
    let ids = Ids::new(ids)?;
    let ids = ids.as_slice()?;
    let inner = tokenizer.inner();
    let (out, map) = py
        .detach(|| phantom::canonicalize(inner, ids))
        .or_raise(py)?;
    Ok((out.into_pyarray(py), changes(py, &map)))
}

/// Two sequences compared.
#[pyfunction]
pub fn compare<'py>(
    py: Python<'py>,
    before: &Bound<'py, PyAny>,
    after: &Bound<'py, PyAny>,
    tokenizer: &Tokenizer,
    level: u8,
) -> PyResult<Compared<'py>> {
    let (before, after) = (Ids::new(before)?, Ids::new(after)?);
    let (before, after) = (before.as_slice()?, after.as_slice()?);
    let inner = tokenizer.inner();
    let found = py
        .detach(|| phantom::compare(inner, before, after, level))
        .or_raise(py)?;
    let map = changes(py, &found.map);
    let blocks = found.blocks.into_iter().map(|block| {
        (
            pair(&block.tokens),
            pair(&block.bytes),
            pair(&block.other),
            block.level,
            numbers(&block.labels),
            block.classes.iter().map(|class| class.name()).collect(),
            block.lost,
            block.gained,
        )
    });
    Ok((
        found.verdict.name(),
        found.level,
        blocks.collect(),
        numbers(&found.labels),
        map,
    ))
}

/// Values of old tokens as values of new ones: float64 of shape (`new_len`,).
#[pyfunction]
pub fn project<'py>(
    py: Python<'py>,
    values: PyReadonlyArray1<'py, f64>,
    changes: PyReadonlyArray1<'py, i64>,
    old_len: usize,
    new_len: usize,
    how: &str,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let how = match how {
        "first" => How::First,
        "sum" => How::Sum,
        "nan" => How::Nan,
        other => {
            return Err(PyValueError::new_err(format!(
                "how is \"first\", \"sum\" or \"nan\", not {other:?}"
            )));
        }
    };
    let bad = || PyValueError::new_err("the changes are no map of these sequences");
    let flat = changes
        .as_slice()?
        .iter()
        .map(|&place| usize::try_from(place).map_err(|_| bad()))
        .collect::<PyResult<Vec<usize>>>()?;
    let (parts, rest) = flat.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(bad());
    }
    let parts = parts
        .iter()
        .map(|&[old, old_end, new, new_end]| (old..old_end, new..new_end));
    let map = Map::from_parts(parts.collect(), old_len, new_len).ok_or_else(bad)?;
    let values = values.as_slice()?;
    let out = py
        .detach(|| map.project(values, how))
        .map_err(|refused| {
            PyValueError::new_err(match refused {
                Refused::Memory => format!("the map has {new_len} new tokens, too many for memory"),
                Refused::Length => format!(
                    "one value for each of the {old_len} old tokens is needed, not {}",
                    values.len()
                ),
                Refused::Empty(index) => {
                    let (old, new) = (&map.changes()[index].0, &map.changes()[index].1);
                    format!(
                        "tokens {} to {} have no new token at {}, so their sum would be lost; how=\"nan\" drops it",
                        old.start, old.end, new.start
                    )
                }
            })
        })?;
    Ok(out.into_pyarray(py))
}

fn no_prefix(py: Python<'_>, place: usize) -> PyErr {
    raise(
        py,
        "PretokenizeError",
        format!(
            "the ids are no start of an encoding from token {place} on; find and canonicalize show and repair that"
        ),
    )
}

/// The number of ids at the end that could still grow or be cut otherwise.
#[pyfunction]
pub fn prompt_tail(
    py: Python<'_>,
    ids: &Bound<'_, PyAny>,
    tokenizer: &Tokenizer,
) -> PyResult<usize> {
    let ids = Ids::new(ids)?;
    let ids = ids.as_slice()?;
    let inner = tokenizer.inner();
    py.detach(|| phantom::prompt_tail(inner, ids))
        .or_raise(py)?
        .map_err(|place| no_prefix(py, place))
}

/// Ids that start an encoding. Equal ones have equal futures.
#[pyclass(frozen, module = "tokseam._native")]
pub struct Prefix {
    tokenizer: Arc<tokenizer::Tokenizer>,
    inner: phantom::Prefix,
}

#[pymethods]
impl Prefix {
    /// No ids.
    #[new]
    fn new(py: Python<'_>, tokenizer: &Tokenizer) -> PyResult<Self> {
        let tokenizer = Arc::clone(tokenizer.inner());
        let inner = py
            .detach(|| phantom::Prefix::new(&tokenizer))
            .or_raise(py)?;
        Ok(Self { tokenizer, inner })
    }

    /// The prefix with one more id, or None.
    fn push(&self, py: Python<'_>, id: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let next = self
            .inner
            .push(&self.tokenizer, array::id(id)?)
            .or_raise(py)?;
        Ok(next.map(|inner| Self {
            tokenizer: Arc::clone(&self.tokenizer),
            inner,
        }))
    }

    /// The prefix with some more ids.
    fn extend(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> PyResult<Self> {
        let ids = Ids::new(ids)?;
        let ids = ids.as_slice()?;
        let inner = py
            .detach(|| self.inner.extend(&self.tokenizer, ids))
            .or_raise(py)?
            .map_err(|place| no_prefix(py, place))?;
        Ok(Self {
            tokenizer: Arc::clone(&self.tokenizer),
            inner,
        })
    }

    /// The ids that may follow, one bit each, the lowest first, in whole words of 64 bits.
    fn row<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let words = py.detach(|| self.inner.row(&self.tokenizer)).or_raise(py)?;
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        Ok(PyBytes::new(py, &bytes))
    }

    /// For each id whether it may follow: bool of shape (`vocab_size`,).
    fn mask<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<bool>>> {
        let mask = py.detach(|| {
            let words = self.inner.row(&self.tokenizer)?;
            let all = 0..self.tokenizer.vocab_size();
            let bits = all.map(|id| words[id / 64] >> (id % 64) & 1 != 0);
            Ok::<_, tokseam_bpe::Error>(bits.collect::<Vec<bool>>())
        });
        Ok(mask.or_raise(py)?.into_pyarray(py))
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.inner == other.inner
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.inner.hash(&mut hasher);
        hasher.finish()
    }
}

/// Finds blocks in ids that come one at a time.
#[pyclass(frozen, module = "tokseam._native")]
pub struct Detector {
    tokenizer: Arc<tokenizer::Tokenizer>,
    inner: Mutex<phantom::Detector>,
}

#[pymethods]
impl Detector {
    /// Waits for the first id.
    #[new]
    fn new(py: Python<'_>, tokenizer: &Tokenizer) -> PyResult<Self> {
        let tokenizer = Arc::clone(tokenizer.inner());
        let inner = py
            .detach(|| phantom::Detector::new(&tokenizer))
            .or_raise(py)?;
        Ok(Self {
            tokenizer,
            inner: Mutex::new(inner),
        })
    }

    /// The blocks that are certain with this id.
    fn push(&self, py: Python<'_>, id: &Bound<'_, PyAny>) -> PyResult<Vec<Block>> {
        let id = array::id(id)?;
        let mut inner = lock(py, &self.inner);
        let blocks = inner.push(&self.tokenizer, id).or_raise(py)?;
        Ok(blocks.into_iter().map(block).collect())
    }

    /// The rest; then all starts anew.
    fn finish(&self, py: Python<'_>) -> PyResult<Vec<Block>> {
        let mut inner = lock(py, &self.inner);
        let blocks = inner.finish(&self.tokenizer).or_raise(py)?;
        Ok(blocks.into_iter().map(block).collect())
    }

    /// The first token that no continuation can make canonical.
    #[getter]
    fn broken(&self, py: Python<'_>) -> Option<usize> {
        let inner = lock(py, &self.inner);
        inner.broken()
    }
}
