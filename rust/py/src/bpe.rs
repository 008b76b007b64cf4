//! `Tokenizer` and `StreamDecoder`.

use std::sync::{Arc, Mutex};

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyBytes, PyDict, PyList, PyString};
use rustc_hash::FxHashSet;
use tokseam_bpe::added::Allowed;
use tokseam_bpe::admissible::Reach;
use tokseam_bpe::batch::Failed;
use tokseam_bpe::decoder::DecoderStream;
use tokseam_bpe::tokenizer;
use tokseam_triadic::recipe::Scheme;

use crate::array::{self, Ids, Ragged, Spans};
use crate::error::{OrRaise, exception, within};
use crate::lock;
use crate::signal::interruptible;
use crate::triadic;

/// A tokenizer.
#[pyclass(frozen, module = "tokseam._native")]
pub struct Tokenizer {
    inner: Arc<tokenizer::Tokenizer>,
    /// The triads of a file that has them.
    scheme: Option<Scheme>,
}

/// The special tokens that a call allows.
enum Specials {
    None,
    All,
    Some(FxHashSet<u32>),
}

impl Specials {
    fn new(tokenizer: &tokenizer::Tokenizer, allowed: &Bound<'_, PyAny>) -> PyResult<Self> {
        if allowed.is_none() {
            return Ok(Self::None);
        }
        if let Ok(name) = allowed.cast::<PyString>() {
            return match name.to_str()? {
                "all" => Ok(Self::All),
                other => Err(PyTypeError::new_err(format!(
                    "allowed_special is \"all\" or a collection of names, not the name {other:?}"
                ))),
            };
        }
        let mut names = Vec::new();
        for name in allowed.try_iter()? {
            names.push(name?.extract::<String>()?);
        }
        if names.is_empty() {
            return Ok(Self::None);
        }
        tokenizer
            .special_set(names.iter().map(String::as_str))
            .or_raise(allowed.py())
            .map(Self::Some)
    }

    fn allowed(&self) -> Allowed<'_> {
        match self {
            Self::None => Allowed::None,
            Self::All => Allowed::All,
            Self::Some(ids) => Allowed::Some(ids),
        }
    }
}

/// Rows that are decoded before signals are looked for.
const ROWS: usize = 64;

/// Two properties of each id.
type Masks<'py> = (Bound<'py, PyArray1<bool>>, Bound<'py, PyArray1<bool>>);

/// A tiktoken encoding: pattern, ranks, special tokens, bytes that were added.
type Encoding<'py> = (
    String,
    Bound<'py, PyDict>,
    Bound<'py, PyDict>,
    Bound<'py, PyBytes>,
);

/// A token and its id.
type Rank<'py> = (Bound<'py, PyBytes>, Bound<'py, PyAny>);

#[pymethods]
impl Tokenizer {
    /// Reads the text of a `tokenizer.json`.
    #[staticmethod]
    fn from_json(py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<Self> {
        let data = array::text(data)?;
        py.detach(|| Self::load(data)).or_raise(py)
    }

    /// Makes a tokenizer from the ranks and the pattern of a tiktoken encoding.
    #[staticmethod]
    fn from_tiktoken(
        py: Python<'_>,
        ranks: Vec<Rank<'_>>,
        pattern: &str,
        special_tokens: Vec<(String, Bound<'_, PyAny>)>,
    ) -> PyResult<Self> {
        let ranks = ranks
            .iter()
            .map(|(token, id)| Ok((token.as_bytes(), array::new_id(id)?)))
            .collect::<PyResult<Vec<_>>>()?;
        let specials = special_tokens
            .iter()
            .map(|(content, id)| Ok((content.as_str(), array::new_id(id)?)))
            .collect::<PyResult<Vec<_>>>()?;
        let inner = py
            .detach(|| tokenizer::Tokenizer::from_tiktoken(&ranks, pattern, specials))
            .or_raise(py)?;
        Ok(Self {
            inner: Arc::new(inner),
            scheme: None,
        })
    }

    /// The pattern, ranks and special tokens of a tiktoken encoding, and the bytes that were added.
    fn to_tiktoken<'py>(&self, py: Python<'py>, pad_bytes: bool) -> PyResult<Encoding<'py>> {
        let made = py
            .detach(|| self.inner.to_tiktoken(pad_bytes))
            .or_raise(py)?;
        let ranks = PyDict::new(py);
        for (token, id) in &made.ranks {
            ranks.set_item(PyBytes::new(py, token), id)?;
        }
        let specials = made.specials.into_py_dict(py)?;
        Ok((
            made.pattern,
            ranks,
            specials,
            PyBytes::new(py, &made.padded),
        ))
    }

    /// The bytes of pairs of tokens.
    fn token_pairs<'py>(
        &self,
        py: Python<'py>,
        left: PyReadonlyArray1<'_, u32>,
        right: PyReadonlyArray1<'_, u32>,
    ) -> PyResult<Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>> {
        let bytes = |id: &u32| -> PyResult<_> {
            let token = self.inner.token_bytes(*id).or_raise(py)?;
            Ok(PyBytes::new(py, &token))
        };
        let (left, right) = (left.as_slice()?, right.as_slice()?);
        left.iter()
            .zip(right)
            .map(|(left, right)| Ok((bytes(left)?, bytes(right)?)))
            .collect()
    }

    /// The bytes of pairs of tokens, each behind its length and a colon, end to end.
    fn spell_pairs<'py>(
        &self,
        py: Python<'py>,
        left: PyReadonlyArray1<'_, u32>,
        right: PyReadonlyArray1<'_, u32>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (left, right) = (left.as_slice()?, right.as_slice()?);
        let mut spelled = Vec::new();
        for id in left
            .iter()
            .zip(right)
            .flat_map(|(left, right)| [left, right])
        {
            let token = self.inner.token_bytes(*id).or_raise(py)?;
            spelled.extend_from_slice(format!("{}:", token.len()).as_bytes());
            spelled.extend_from_slice(&token);
        }
        Ok(PyBytes::new(py, &spelled))
    }

    /// The ids of tokens that merging alone does not make of their bytes: uint32 of shape (n,).
    fn unmade<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u32>> {
        py.detach(|| self.inner.unmade()).into_pyarray(py)
    }

    /// The ids of a text: uint32 of shape (n,).
    fn encode<'py>(
        &self,
        py: Python<'py>,
        text: &Bound<'py, PyAny>,
        allowed: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray1<u32>>> {
        Ok(self.ids(py, text, allowed)?.into_pyarray(py))
    }

    /// The number of ids of a text.
    fn count(
        &self,
        py: Python<'_>,
        text: &Bound<'_, PyAny>,
        allowed: &Bound<'_, PyAny>,
    ) -> PyResult<usize> {
        Ok(self.ids(py, text, allowed)?.len())
    }

    /// The ids of a text and the bytes that each stands for: uint32 (n,) and int64 (n, 2).
    fn encode_with_offsets<'py>(
        &self,
        py: Python<'py>,
        text: &Bound<'py, PyAny>,
        allowed: &Bound<'py, PyAny>,
    ) -> PyResult<Spans<'py>> {
        let text = array::text(text)?;
        let specials = Specials::new(&self.inner, allowed)?;
        let (ids, offsets) = interruptible(py, |tick| {
            let (mut ids, mut offsets) = (Vec::new(), Vec::new());
            let allowed = specials.allowed();
            self.inner
                .encode_with_offsets(text, &allowed, &mut ids, &mut offsets, tick)
                .map(|done| done.then_some((ids, offsets)))
        })?
        .or_raise(py)?;
        Ok((ids.into_pyarray(py), array::columns(py, offsets)?))
    }

    /// The ids of many texts on some threads: uint32 (total,) and int64 (rows + 1,).
    fn encode_batch<'py>(
        &self,
        py: Python<'py>,
        texts: &Bound<'py, PyAny>,
        allowed: &Bound<'py, PyAny>,
        threads: usize,
    ) -> PyResult<Ragged<'py>> {
        let batch = self.batch(py, texts, allowed, threads)?;
        Ok((batch.ids.into_pyarray(py), batch.offsets.into_pyarray(py)))
    }

    /// The number of ids of many texts: int64 (rows,).
    fn count_batch<'py>(
        &self,
        py: Python<'py>,
        texts: &Bound<'py, PyAny>,
        allowed: &Bound<'py, PyAny>,
        threads: usize,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let offsets = self.batch(py, texts, allowed, threads)?.offsets;
        let counts: Vec<i64> = offsets.windows(2).map(|pair| pair[1] - pair[0]).collect();
        Ok(counts.into_pyarray(py))
    }

    /// The text of ids.
    fn decode(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> PyResult<String> {
        let ids = Ids::new(ids)?;
        let ids = ids.as_slice()?;
        py.detach(|| self.inner.decode(ids)).or_raise(py)
    }

    /// The bytes of ids.
    fn decode_bytes<'py>(
        &self,
        py: Python<'py>,
        ids: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let ids = Ids::new(ids)?;
        let ids = ids.as_slice()?;
        let bytes = py.detach(|| self.inner.decode_bytes(ids)).or_raise(py)?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The texts of the rows of a ragged array.
    fn decode_batch(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
        offsets: &Bound<'_, PyAny>,
    ) -> PyResult<Vec<String>> {
        let (ids, offsets) = (Ids::new(ids)?, array::offsets(offsets)?);
        let rows = array::rows(ids.as_slice()?, offsets.as_slice()?)?;
        self.texts(py, &rows)
    }

    /// The texts of rows of ids.
    fn decode_rows(&self, py: Python<'_>, rows: Vec<Bound<'_, PyAny>>) -> PyResult<Vec<String>> {
        let of_row = |(index, row)| Ids::new(row).map_err(|error| within(py, "row", index, error));
        let ids = rows.iter().enumerate().map(of_row);
        let ids = ids.collect::<PyResult<Vec<Ids>>>()?;
        let rows = ids.iter().map(Ids::as_slice);
        self.texts(py, &rows.collect::<PyResult<Vec<_>>>()?)
    }

    /// Whether encoding what the ids decode to gives them back.
    fn is_canonical(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> PyResult<bool> {
        let ids = Ids::new(ids)?;
        let ids = ids.as_slice()?;
        py.detach(|| self.inner.is_canonical(ids)).or_raise(py)
    }

    /// Whether the ids are the start of the encoding of some text.
    fn is_admissible(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.first_inadmissible(py, ids)?.is_none())
    }

    /// The first position at which the ids are not the start of an encoding any more.
    fn first_inadmissible(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
    ) -> PyResult<Option<usize>> {
        let ids = Ids::new(ids)?;
        let ids = ids.as_slice()?;
        interruptible(py, |tick| self.inner.first_inadmissible(ids, tick))?.or_raise(py)
    }

    /// Which ids may follow admissible ids, and with which a text may end: bool of shape
    /// (`vocab_size`,) each; `None` if the ids are not admissible.
    fn successors<'py>(
        &self,
        py: Python<'py>,
        ids: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Masks<'py>>> {
        let ids = Ids::new(ids)?;
        let ids = ids.as_slice()?;
        let found = py.detach(|| self.inner.successors(ids)).or_raise(py)?;
        Ok(found.map(|found| {
            let all = 0..found.vocab_size() as u32;
            let open: Vec<bool> = all.clone().map(|id| found.contains(id)).collect();
            let done: Vec<bool> = all.map(|id| found.can_end(id)).collect();
            (open.into_pyarray(py), done.into_pyarray(py))
        }))
    }

    /// Whether some text has each id, and whether that is known: bool of shape (`vocab_size`,) each.
    fn reach<'py>(&self, py: Python<'py>) -> PyResult<Masks<'py>> {
        let found = interruptible(py, |tick| self.inner.reach(tick))?.or_raise(py)?;
        let reached: Vec<bool> = found.iter().map(|&one| one == Reach::Reachable).collect();
        let known: Vec<bool> = found.iter().map(|&one| one != Reach::Open).collect();
        Ok((reached.into_pyarray(py), known.into_pyarray(py)))
    }

    /// The most branches and the most bytes of a state behind any of the ids.
    fn largest_state(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> PyResult<(usize, usize)> {
        let ids = Ids::new(ids)?;
        let ids = ids.as_slice()?;
        py.detach(|| self.inner.largest_state(ids)).or_raise(py)
    }

    /// The bytes that an id stands for.
    fn token_bytes<'py>(
        &self,
        py: Python<'py>,
        id: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.inner.token_bytes(array::id(id)?).or_raise(py)?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The id that stands for bytes, if there is one that is not special.
    fn token_id(&self, token: &Bound<'_, PyAny>) -> PyResult<Option<u32>> {
        Ok(self.inner.token_id(array::text(token)?))
    }

    /// The highest id + 1.
    #[getter]
    fn vocab_size(&self) -> usize {
        self.inner.vocab_size()
    }

    /// Ids of special tokens by their literal.
    #[getter]
    fn special_tokens<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let specials = PyDict::new(py);
        for token in self
            .inner
            .added_tokens()
            .iter()
            .filter(|token| token.special)
        {
            specials.set_item(&token.content, token.id)?;
        }
        Ok(specials)
    }

    /// Added tokens with their flags, in the order of ids.
    #[getter]
    fn added_tokens<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let tokens = PyList::empty(py);
        for token in self.inner.added_tokens() {
            let item = PyDict::new(py);
            item.set_item("id", token.id)?;
            item.set_item("content", &token.content)?;
            item.set_item("special", token.special)?;
            item.set_item("normalized", token.normalized)?;
            item.set_item("lstrip", token.lstrip)?;
            item.set_item("rstrip", token.rstrip)?;
            item.set_item("single_word", token.single_word)?;
            tokens.append(item)?;
        }
        Ok(tokens)
    }

    /// The text of a `tokenizer.json`.
    fn to_json(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| self.inner.to_json()).or_raise(py)
    }

    /// What the tokenizer is made of.
    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let info = py.detach(|| self.inner.info());
        let dict = PyDict::new(py);
        dict.set_item("kind", info.kind)?;
        dict.set_item("vocab_size", info.vocab_size)?;
        dict.set_item("entries", info.entries)?;
        dict.set_item("merges", info.merges)?;
        dict.set_item("live_merges", info.live_merges)?;
        dict.set_item("added_tokens", info.added_tokens)?;
        dict.set_item("superwords", info.superwords)?;
        dict.set_item("normalizer", info.normalizer)?;
        dict.set_item("pretokenizer", info.pretokenizer)?;
        dict.set_item("lossy", info.lossy)?;
        dict.set_item("missing_bytes", PyList::new(py, info.missing_bytes)?)?;
        dict.set_item("warnings", info.warnings)?;
        Ok(dict)
    }

    /// A decoder that takes one id at a time.
    fn stream_decoder(&self) -> StreamDecoder {
        StreamDecoder {
            tokenizer: Arc::clone(&self.inner),
            stream: Mutex::new(self.inner.stream()),
        }
    }
}

impl Tokenizer {
    /// Reads the text of a `tokenizer.json`.
    ///
    /// # Errors
    /// For a file that is broken or not supported.
    pub fn load(json: &[u8]) -> Result<Self, tokseam_bpe::Error> {
        let (inner, scheme) = triadic::load(json)?;
        Ok(Self {
            inner: Arc::new(inner),
            scheme,
        })
    }

    /// The tokenizer itself.
    pub fn inner(&self) -> &Arc<tokenizer::Tokenizer> {
        &self.inner
    }

    /// The triads of a file that has them.
    pub fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }

    fn ids(
        &self,
        py: Python<'_>,
        text: &Bound<'_, PyAny>,
        allowed: &Bound<'_, PyAny>,
    ) -> PyResult<Vec<u32>> {
        let text = array::text(text)?;
        let specials = Specials::new(&self.inner, allowed)?;
        interruptible(py, |tick| {
            let mut ids = Vec::new();
            self.inner
                .encode(text, &specials.allowed(), &mut ids, tick)
                .map(|done| done.then_some(ids))
        })?
        .or_raise(py)
    }

    fn texts(&self, py: Python<'_>, rows: &[&[u32]]) -> PyResult<Vec<String>> {
        interruptible(py, |tick| {
            let mut texts = Vec::with_capacity(rows.len());
            for (index, row) in rows.iter().enumerate() {
                if index % ROWS == 0 && !tick() {
                    return Ok(None);
                }
                let text = self.inner.decode(row);
                texts.push(text.map_err(|error| Failed { index, error })?);
            }
            Ok(Some(texts))
        })?
        .map_err(|Failed { index, error }| within(py, "row", index, exception(py, &error)))
    }

    fn batch(
        &self,
        py: Python<'_>,
        texts: &Bound<'_, PyAny>,
        allowed: &Bound<'_, PyAny>,
        threads: usize,
    ) -> PyResult<tokseam_bpe::batch::Batch> {
        let texts = array::Texts::new(texts)?;
        let slices = texts.slices()?;
        let specials = Specials::new(&self.inner, allowed)?;
        interruptible(py, |tick| {
            self.inner
                .encode_batch(&slices, &specials.allowed(), threads, tick)
        })?
        .map_err(|Failed { index, error }| within(py, "text", index, exception(py, &error)))
    }
}

/// A decoder that takes one id at a time and never splits a character.
#[pyclass(frozen, module = "tokseam._native")]
pub struct StreamDecoder {
    tokenizer: Arc<tokenizer::Tokenizer>,
    stream: Mutex<DecoderStream>,
}

#[pymethods]
impl StreamDecoder {
    /// Return the text that is certain with this id and was not before.
    ///
    /// Args:
    ///     id: The id.
    ///
    /// Raises:
    ///     TypeError: The id is no integer.
    ///     UnknownTokenError: It has no token; the decoder is as before.
    // Read as a docstring of Python.
    #[allow(clippy::doc_markdown)]
    fn push(&self, py: Python<'_>, id: &Bound<'_, PyAny>) -> PyResult<String> {
        let id = array::id(id)?;
        let mut stream = lock(py, &self.stream);
        let mut text = String::new();
        self.tokenizer
            .push(&mut stream, id, &mut text)
            .or_raise(py)?;
        Ok(text)
    }

    /// Return the rest, with U+FFFD for a character that was cut; the decoder then starts anew.
    fn finish(&self, py: Python<'_>) -> PyResult<String> {
        let mut stream = lock(py, &self.stream);
        let ended = std::mem::replace(&mut *stream, self.tokenizer.stream());
        ended.finish().or_raise(py)
    }
}
