//! The byte kernel: heads of byte prefixes, and plans.

use std::sync::Arc;

use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyIndexError, PyUnicodeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use tokseam_bytetoken::{Covers, Error, heads, kernel, plan, sums};

use crate::array::{self, Floats};
use crate::bpe::Tokenizer;
use crate::error::{OrRaise, exception, raise};
use crate::signal::interruptible;

/// The columns of a row: the bytes, and the end of the text.
const COLUMNS: i64 = 257;

/// What rows sum to, the greatest number of each, and the sum over all its ids.
type Masses<'py> = (Bound<'py, PyArray2<f64>>, Vec<f64>, Vec<f64>);

impl<T> OrRaise<T> for Result<T, Error> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| match error {
            Error::Bpe(error) => exception(py, &error),
            Error::NotUtf8 { .. } => PyUnicodeError::new_err(error.to_string()),
            Error::TooMany { .. } => raise(py, "ModelError", error.to_string()),
            error => raise(py, "PretokenizeError", error.to_string()),
        })
    }
}

/// What the heads of all texts share.
#[pyclass(frozen, module = "tokseam._native")]
pub struct ByteKernel {
    inner: kernel::Kernel,
}

/// The heads of some bytes; they do not change.
#[pyclass(frozen, module = "tokseam._native")]
pub struct Heads {
    inner: heads::Heads,
}

/// The contexts and ranges of some heads.
#[pyclass(frozen, module = "tokseam._native")]
pub struct Plan {
    inner: plan::Plan,
}

/// Some tokens, one behind the other.
#[pyclass(frozen, module = "tokseam._native")]
pub struct Stem {
    inner: Arc<heads::Node>,
}

#[pymethods]
impl ByteKernel {
    /// Makes the kernel of a tokenizer: of the starts of its encodings, or of all sequences.
    #[new]
    fn new(py: Python<'_>, tokenizer: &Tokenizer, admissible: bool, utf8: bool) -> PyResult<Self> {
        let covers = if admissible {
            Covers::Admissible
        } else {
            Covers::All { utf8 }
        };
        let tokenizer = Arc::clone(tokenizer.inner());
        let inner = py
            .detach(|| kernel::Kernel::new(tokenizer, covers))
            .or_raise(py)?;
        Ok(Self { inner })
    }

    /// The ids of all tokens with bytes in the order of these: uint32 of shape (n,). A place is an
    /// index here.
    fn order<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u32>> {
        self.inner.vocabulary().ids().to_vec().into_pyarray(py)
    }

    /// How the next byte cuts the longer tokens of some nodes of the trie, each with the number of
    /// its text and whether the tokens of a byte are one number already, into ranges to be summed:
    /// int64 of shape (3, s) with where each starts among the numbers of all, which of the nodes it
    /// is, and the column among those of all texts.
    fn segments<'py>(
        &self,
        py: Python<'py>,
        nodes: Vec<(i64, u32, bool)>,
    ) -> PyResult<Bound<'py, PyArray2<i64>>> {
        let texts: Vec<i64> = nodes.iter().map(|&(text, ..)| text).collect();
        let nodes: Vec<(u32, bool)> = nodes.iter().map(|&(_, node, is)| (node, is)).collect();
        let segments = self.inner.vocabulary().segments(&nodes);
        let starts = segments.iter().map(|segment| i64::from(segment.start));
        let lines = segments.iter().map(|segment| i64::from(segment.line));
        let columns = segments
            .iter()
            .map(|segment| texts[segment.line as usize] * COLUMNS + i64::from(segment.byte));
        let values: Vec<i64> = starts.chain(lines).chain(columns).collect();
        values.into_pyarray(py).reshape([3, segments.len()])
    }

    /// The most stems that are listed, or held open at a time, where all cuts are stems.
    #[classattr]
    const LIMIT: usize = heads::LIMIT;

    /// Logarithms below this are not taken as probabilities.
    #[classattr]
    const LEAST: f64 = sums::LEAST;

    /// The stem without tokens.
    fn root(&self, py: Python<'_>) -> PyResult<Stem> {
        let inner = self.inner.root().or_raise(py)?;
        Ok(Stem { inner })
    }

    /// The number of bytes that lead to a node of the trie.
    fn depth(&self, node: u32) -> PyResult<usize> {
        let vocabulary = self.inner.vocabulary();
        if node as usize >= vocabulary.bytes().len() {
            return Err(PyIndexError::new_err(format!(
                "node {node} of {}",
                vocabulary.bytes().len()
            )));
        }
        Ok(vocabulary.depth(node))
    }

    /// What the tokenizer writes before every text.
    fn prefix<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.inner.prefix())
    }

    /// The heads of the empty text.
    fn start(&self, py: Python<'_>) -> PyResult<Heads> {
        let inner = self.inner.start().or_raise(py)?;
        Ok(Heads { inner })
    }

    /// For some stems and all places whether the token may follow: bool of shape (stems, n).
    fn allowed<'py>(
        &self,
        py: Python<'py>,
        stems: Vec<Bound<'py, Stem>>,
    ) -> PyResult<Bound<'py, PyArray2<bool>>> {
        let places = self.inner.vocabulary().ids().len();
        let stems: Vec<&Arc<heads::Node>> = stems.iter().map(|stem| &stem.get().inner).collect();
        let allowed = py.detach(|| self.inner.allowed(&stems)).or_raise(py)?;
        allowed.into_pyarray(py).reshape([stems.len(), places])
    }

    /// The masses of the first bytes of tokens in rows of a model behind some stems, each divided by
    /// the probability of its top, nothing for tokens that may not follow or are barred: float64 of
    /// shape (stems, bytes that tokens start with). Then the greatest number of each row, and the
    /// sum over all ids, nan if a number is nan or infinite. `None` if a logarithm that counts is
    /// too low for a probability. Rows are float32 or float64 of shape (ids,), all of one type.
    fn masses<'py>(
        &self,
        py: Python<'py>,
        stems: Vec<Bound<'py, Stem>>,
        rows: Vec<Bound<'py, PyAny>>,
        barred: PyReadonlyArray1<'py, u32>,
    ) -> PyResult<Option<Masses<'py>>> {
        let stems: Vec<&Arc<heads::Node>> = stems.iter().map(|stem| &stem.get().inner).collect();
        let barred = barred.as_slice()?;
        let found = match array::floats(&rows)? {
            Floats::Single(rows) => {
                let rows = array::slices(&rows)?;
                py.detach(|| self.inner.masses(&stems, &rows, barred))
            }
            Floats::Double(rows) => {
                let rows = array::slices(&rows)?;
                py.detach(|| self.inner.masses(&stems, &rows, barred))
            }
        };
        let Some(found) = found.or_raise(py)? else {
            return Ok(None);
        };
        let width = found.masses.len() / stems.len().max(1);
        let masses = found
            .masses
            .into_pyarray(py)
            .reshape([stems.len(), width])?;
        Ok(Some((masses, found.tops, found.totals)))
    }

    /// The probabilities of the places from `low` to `high` in a row of a model behind a stem,
    /// divided by that of its top: float64, what `masses` sums. `None` where that gives none.
    #[allow(clippy::too_many_arguments)]
    fn part<'py>(
        &self,
        py: Python<'py>,
        stem: Bound<'py, Stem>,
        row: Bound<'py, PyAny>,
        top: f64,
        barred: PyReadonlyArray1<'py, u32>,
        low: usize,
        high: usize,
    ) -> PyResult<Option<Bound<'py, PyArray1<f64>>>> {
        let (stem, barred) = (&stem.get().inner, barred.as_slice()?);
        let found = match array::floats(&[row])? {
            Floats::Single(rows) => {
                let row = rows[0].as_slice()?;
                py.detach(|| self.inner.part(stem, row, top, barred, low..high))
            }
            Floats::Double(rows) => {
                let row = rows[0].as_slice()?;
                py.detach(|| self.inner.part(stem, row, top, barred, low..high))
            }
        };
        let values = found.or_raise(py)?;
        Ok(values.map(|values| values.into_pyarray(py)))
    }
}

/// The logarithm of the sum of the exponentials of each row of a matrix of float64: nan if it has
/// nan or infinity.
#[pyfunction]
pub fn log_sums(py: Python<'_>, rows: PyReadonlyArray2<'_, f64>) -> PyResult<Vec<f64>> {
    let (values, &[lines, width]) = (rows.as_slice()?, rows.shape()) else {
        return Err(PyValueError::new_err("a matrix has two dimensions"));
    };
    if width == 0 {
        return Ok(vec![f64::NEG_INFINITY; lines]);
    }
    Ok(py.detach(|| values.chunks_exact(width).map(sums::log_sum).collect()))
}

/// The logarithms of the masses of the next bytes of some texts: float64 of shape (texts, 257).
///
/// `parts` are probabilities, float64, each number of which counts `e^factor`; `cuts` are those of
/// `ByteKernel.segments`. `None` if a factor is too small beside the greatest of its text.
#[pyfunction]
pub fn range_sums<'py>(
    py: Python<'py>,
    parts: Vec<PyReadonlyArray1<'py, f64>>,
    factors: Vec<f64>,
    cuts: PyReadonlyArray2<'py, i64>,
    texts: usize,
) -> PyResult<Option<Bound<'py, PyArray2<f64>>>> {
    let parts = array::slices(&parts)?;
    let columns = COLUMNS as usize;
    let cuts = cuts.as_array();
    if cuts.nrows() != 3 {
        return Err(PyValueError::new_err("cuts have three lines"));
    }
    // A negative number is none of a part, as is one too great.
    let cuts = cuts.columns().into_iter().map(|cut| sums::Cut {
        start: cut[0] as usize,
        part: cut[1] as usize,
        column: cut[2] as usize,
    });
    let cuts: Vec<sums::Cut> = cuts.collect();
    let found = py.detach(|| sums::range_sums(&parts, &factors, &cuts, texts, columns));
    found
        .map(|found| found.into_pyarray(py).reshape([texts, columns]))
        .transpose()
}

#[pymethods]
impl Heads {
    /// The heads behind more bytes.
    fn push(
        &self,
        py: Python<'_>,
        kernel: &ByteKernel,
        bytes: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let bytes = array::text(bytes)?;
        let pushed = interruptible(py, |tick| self.inner.push(&kernel.inner, bytes, tick))?;
        Ok(Self {
            inner: pushed.or_raise(py)?,
        })
    }

    /// The heads with the last bytes taken back, `None` if there are not so many.
    fn pop(&self, kernel: &ByteKernel, bytes: usize) -> Option<Self> {
        let inner = self.inner.pop(&kernel.inner, bytes)?;
        Some(Self { inner })
    }

    /// What goes on from the stems that spell the first bytes, for some numbers of bytes: for each
    /// the places of the tokens behind which the text goes on or ends, with the number of bytes
    /// behind each; and the node of the trie that spells the rest with its three places, if longer
    /// tokens do. Numbers count what the tokenizer writes before every text.
    #[allow(clippy::type_complexity)]
    fn below(
        &self,
        py: Python<'_>,
        kernel: &ByteKernel,
        sizes: Vec<usize>,
    ) -> Vec<(Vec<(u32, usize)>, Option<(u32, u32, u32, u32)>)> {
        let found = py.detach(|| self.inner.below(&kernel.inner, &sizes));
        let head = |at: u32| {
            let range = kernel.inner.vocabulary().range(at);
            (at, range.low, range.exact, range.high)
        };
        let found = found.into_iter();
        found
            .map(|below| (below.tokens, below.at.map(head)))
            .collect()
    }

    /// The number of bytes.
    fn __len__(&self) -> usize {
        self.inner.len()
    }

    /// The number of heads.
    #[getter]
    fn count(&self) -> usize {
        self.inner.count()
    }

    /// The contexts and ranges; weights count from the trunk of `since`.
    #[pyo3(signature = (kernel, since=None))]
    fn plan(&self, py: Python<'_>, kernel: &ByteKernel, since: Option<&Self>) -> PyResult<Plan> {
        let since = since.map(|since| &since.inner);
        let inner = plan::Plan::new(&kernel.inner, &self.inner, since).or_raise(py)?;
        Ok(Plan { inner })
    }
}

#[pymethods]
impl Plan {
    /// The nodes, the base first, each behind its parent: for each its number, the index of its
    /// parent, and the place of its last token (that of the base means nothing).
    fn nodes(&self) -> Vec<(u64, u32, u32)> {
        let plan = &self.inner;
        let nodes = plan.serials().zip(plan.parents()).zip(plan.places());
        nodes
            .map(|((serial, &parent), place)| (serial, parent, place))
            .collect()
    }

    /// The heads: for each the index of the stem's node, the node of the trie, and the places of
    /// its longer tokens.
    fn heads(&self) -> Vec<(u32, u32, u32, u32)> {
        let heads = self.inner.heads().iter();
        heads
            .map(|head| (head.node, head.at, head.range.exact, head.range.high))
            .collect()
    }

    /// The ids of the tokens of a node behind some ids.
    fn context<'py>(
        &self,
        py: Python<'py>,
        node: usize,
        before: Vec<u32>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let mut ids = before;
        ids.extend(self.node(node)?.ids());
        PyTuple::new(py, ids)
    }

    /// The stem of a node.
    fn stem(&self, node: usize) -> PyResult<Stem> {
        let inner = Arc::clone(self.node(node)?);
        Ok(Stem { inner })
    }
}

impl Plan {
    fn node(&self, node: usize) -> PyResult<&Arc<heads::Node>> {
        let count = self.inner.len();
        let missing = || PyIndexError::new_err(format!("node {node} of {count}"));
        self.inner.stem(node).ok_or_else(missing)
    }
}

#[pymethods]
impl Stem {
    /// The ids: uint32 of shape (tokens,).
    fn ids<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u32>> {
        self.inner.ids().into_pyarray(py)
    }

    /// Whether it may be a finished text.
    fn can_end(&self, py: Python<'_>, kernel: &ByteKernel) -> PyResult<bool> {
        kernel.inner.can_end(&self.inner).or_raise(py)
    }

    /// The stem with one more token, `None` if it may not follow.
    fn push(&self, py: Python<'_>, kernel: &ByteKernel, id: u32) -> PyResult<Option<Self>> {
        let inner = kernel.inner.extend(&self.inner, id).or_raise(py)?;
        Ok(inner.map(|inner| Self { inner }))
    }
}
