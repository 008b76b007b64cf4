//! `tokseam.triadic`.

use std::sync::Arc;

use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use tokseam_bpe::annotator::{self, Annotator, Groups};
use tokseam_bpe::tokenizer;
use tokseam_triadic::annotate::Restorer;
use tokseam_triadic::extension;
use tokseam_triadic::file::{self, Components};
use tokseam_triadic::marker::MARKERS;
use tokseam_triadic::recipe::{Scheme, Variant};
use tokseam_triadic::regroup::{Side, regroup};
use tokseam_triadic::values::{self, Value};
use tokseam_triadic::{Error, Grammar, annotate, style, triad, vocabulary};

use crate::array::{self, Ids, Ragged};
use crate::bpe::Tokenizer;
use crate::error::{OrRaise, raise};

/// The kernel in the place of the steps of a file.
#[derive(Debug)]
struct Triads {
    scheme: Scheme,
    groups: Groups,
}

impl Annotator for Triads {
    fn name(&self) -> String {
        let variant = match self.scheme.variant {
            Variant::Vocabulary => "vocabulary",
            Variant::Marker => "marker",
        };
        format!("triads ({variant})")
    }

    fn insertions(&self, text: &[u8], insert: &mut dyn FnMut(usize, &[u8])) {
        annotate::insertions(text, &self.scheme.grammar, insert);
    }

    fn pieces(&self, text: &[u8], piece: &mut dyn FnMut(usize, usize)) {
        values::pieces(text, &self.scheme, piece);
    }

    fn groups(&self) -> Groups {
        self.groups
    }

    fn restore(&self, state: &mut u8, bytes: &[u8], out: &mut Vec<u8>) {
        let mut restorer = Restorer::from(*state);
        restorer.push(bytes, out);
        *state = restorer.into();
    }
}

/// Reads a file, with the kernel where it is one of ours.
pub fn load(json: &[u8]) -> Result<(tokenizer::Tokenizer, Option<Scheme>), tokseam_bpe::Error> {
    let mut found = None;
    let loaded = tokenizer::Tokenizer::from_json_with(json, &mut |whole| {
        let (scheme, base) = file::recognize(&Components {
            normalizer: whole.normalizer.clone(),
            pre_tokenizer: whole.pre_tokenizer.clone(),
            decoder: whole.decoder.clone(),
        })?;
        let size = scheme.grammar.group_size();
        let groups = Groups::new(size, MARKERS, scheme.variant == Variant::Marker)?;
        found = Some(scheme);
        let rest = annotator::Components {
            normalizer: base.normalizer,
            pre_tokenizer: base.pre_tokenizer,
            decoder: base.decoder,
        };
        Some((Arc::new(Triads { scheme, groups }), rest))
    })?;
    Ok((loaded, found))
}

impl<T> OrRaise<T> for Result<T, Error> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| {
            let class = match error {
                Error::Unsupported { .. } => "UnsupportedTokenizerError",
                Error::Vocab(_) => "VocabError",
                _ => "NumeralError",
            };
            raise(py, class, error.to_string())
        })
    }
}

/// A text of the type of `like`; that itself where the two are equal.
fn text_like<'py>(like: &Bound<'py, PyAny>, text: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    if array::text(like)? == text {
        return Ok(like.clone());
    }
    if like.cast::<PyBytes>().is_ok() {
        return Ok(PyBytes::new(like.py(), text).into_any());
    }
    Ok(PyString::from_bytes(like.py(), text)?.into_any())
}

/// The rules for numerals.
#[pyclass(frozen, module = "tokseam._native", name = "Grammar")]
pub struct Rules {
    inner: Grammar,
}

#[pymethods]
impl Rules {
    /// Makes rules.
    #[new]
    fn new(
        py: Python<'_>,
        group_size: usize,
        keep_years: bool,
        min_digits: usize,
        grouped: bool,
        extend: bool,
    ) -> PyResult<Self> {
        let inner = Grammar::new(group_size)
            .and_then(|grammar| grammar.min_digits(min_digits))
            .and_then(|grammar| grammar.grouped(grouped))
            .or_raise(py)?
            .keep_years(keep_years)
            .extend(extend);
        Ok(Self { inner })
    }

    /// Numerals as (start, end, integer digits, fraction digits): int64 of shape (4 n,).
    fn find<'py>(
        &self,
        py: Python<'py>,
        text: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let text = array::text(text)?;
        let found = py.detach(|| {
            let mut found = Vec::new();
            self.inner.find(text, |numeral| {
                found.extend([
                    numeral.integer.start as i64,
                    numeral.end() as i64,
                    numeral.integer_digits() as i64,
                    numeral.fraction_digits() as i64,
                ]);
            });
            found
        });
        Ok(found.into_pyarray(py))
    }

    /// The triads of a numeral as (digits, power).
    fn split(&self, py: Python<'_>, literal: &Bound<'_, PyAny>) -> PyResult<Vec<(String, i64)>> {
        let triads = triad::split(array::text(literal)?, &self.inner).or_raise(py)?;
        Ok(triads
            .into_iter()
            .map(|triad| (triad.digits, triad.power))
            .collect())
    }

    /// The text with markers.
    fn annotate<'py>(
        &self,
        py: Python<'py>,
        text: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let like = text;
        let text = array::text(text)?;
        let out = py.detach(|| {
            let mut out = Vec::new();
            annotate::annotate(text, &self.inner, &mut out);
            out
        });
        text_like(like, &out)
    }

    /// The text in the form of the published converter.
    fn author<'py>(
        &self,
        py: Python<'py>,
        text: &Bound<'py, PyAny>,
        separated: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let like = text;
        let text = array::text(text)?;
        let mut out = Vec::new();
        py.detach(|| style::author(text, &self.inner, separated, &mut out))
            .or_raise(py)?;
        text_like(like, &out)
    }

    /// The text with padded triads.
    fn paper<'py>(&self, py: Python<'py>, text: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let like = text;
        let text = array::text(text)?;
        let mut out = Vec::new();
        py.detach(|| style::paper(text, &self.inner, &mut out))
            .or_raise(py)?;
        text_like(like, &out)
    }

    /// A tokenizer with triads; its new ids, uint32 (n,); and for each the ids of the base that its
    /// row starts from, uint32 (total,) and int64 (n + 1,).
    fn extend<'py>(
        &self,
        py: Python<'py>,
        tokenizer: &Tokenizer,
        markers_apart: bool,
    ) -> PyResult<(Tokenizer, Bound<'py, PyArray1<u32>>, Ragged<'py>)> {
        let scheme = Scheme {
            grammar: self.inner,
            variant: if markers_apart {
                Variant::Marker
            } else {
                Variant::Vocabulary
            },
        };
        let base = tokenizer.inner();
        let json = py.detach(|| base.to_json()).or_raise(py)?;
        let tree = array::component(py, &json)?;
        let tokens = base.added_tokens().iter();
        let added: Vec<_> = tokens.map(|token| (&*token.content, token.id)).collect();
        let extended = py
            .detach(|| extension::extend(tree, &added, base.vocab_size() as u32, &scheme))
            .or_raise(py)?;
        let json = extended.file.to_string();
        let made = py
            .detach(|| Tokenizer::load(json.as_bytes()))
            .or_raise(py)?;
        let (ids, rows): (Vec<u32>, Vec<Vec<u32>>) = extended.rows.into_iter().unzip();
        let rows = array::ragged(py, &rows);
        Ok((made, ids.into_pyarray(py), rows))
    }
}

/// The text without the markers and escapes that annotating puts in.
#[pyfunction]
pub fn restore<'py>(py: Python<'py>, text: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let like = text;
    let text = array::text(text)?;
    let out = py.detach(|| {
        let mut out = Vec::new();
        annotate::restore(text, &mut out);
        out
    });
    text_like(like, &out)
}

/// The numeral of triads.
#[pyfunction]
pub fn join(py: Python<'_>, triads: Vec<(String, i64)>) -> PyResult<String> {
    triad::join(
        triads
            .iter()
            .map(|(digits, power)| (digits.as_str(), *power)),
    )
    .or_raise(py)
}

/// A triad's digits and marker.
type Parts<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>);

/// All triads with a marker, as digits and marker.
#[pyfunction]
pub fn marked_triads(py: Python<'_>, group_size: usize) -> PyResult<Vec<Parts<'_>>> {
    Grammar::new(group_size).or_raise(py)?;
    let triads = vocabulary::triads(group_size);
    Ok(triads
        .iter()
        .map(|(digits, marker)| (PyBytes::new(py, digits), PyBytes::new(py, marker)))
        .collect())
}

/// Digits and powers of tokens as numpy has them.
type Columns<'py> = (Bound<'py, PyArray1<i32>>, Bound<'py, PyArray1<i32>>);

/// The digits and the power of each token: int32 of shape (n,), twice.
#[pyfunction]
pub fn token_values<'py>(
    py: Python<'py>,
    ids: &Bound<'py, PyAny>,
    tokenizer: &Tokenizer,
) -> PyResult<Columns<'py>> {
    let ids = Ids::new(ids)?;
    let ids = ids.as_slice()?;
    let Some(scheme) = tokenizer.scheme() else {
        return Err(raise(
            py,
            "VocabError",
            "the tokenizer has no triads: extend_tokenizer makes one that has".into(),
        ));
    };
    let inner = tokenizer.inner();
    let found = py
        .detach(|| {
            let mut found: Vec<Value> = Vec::with_capacity(ids.len());
            // Tokens that are cut out before numerals are looked for end the text before them.
            for run in ids.chunk_by(|&left, &right| !cuts(inner, left) && !cuts(inner, right)) {
                let mut text = Vec::new();
                let mut ends = Vec::with_capacity(run.len());
                for &id in run {
                    text.extend_from_slice(inner.token(id)?);
                    ends.push(text.len());
                }
                values::values(&text, &ends, &scheme, &mut found);
            }
            Ok::<_, tokseam_bpe::Error>(found)
        })
        .or_raise(py)?;
    let digits: Vec<i32> = found.iter().map(|value| value.digits).collect();
    let powers: Vec<i32> = found.iter().map(|value| value.power).collect();
    Ok((digits.into_pyarray(py), powers.into_pyarray(py)))
}

/// Whether a token is cut out of the text before it is normalized.
fn cuts(tokenizer: &tokenizer::Tokenizer, id: u32) -> bool {
    tokenizer.added(id).is_some_and(|token| !token.normalized)
}

/// The ids of the same text with groups of digits counted from the right, or from the left.
#[pyfunction]
pub fn regroup_digits<'py>(
    py: Python<'py>,
    ids: &Bound<'py, PyAny>,
    tokenizer: &Tokenizer,
    from_right: bool,
) -> PyResult<Bound<'py, PyArray1<u32>>> {
    let ids = Ids::new(ids)?;
    let ids = ids.as_slice()?;
    let inner = tokenizer.inner();
    let side = if from_right {
        Side::RightToLeft
    } else {
        Side::LeftToRight
    };
    let out = py.detach(|| {
        let mut tokens = Vec::with_capacity(ids.len());
        for &id in ids {
            tokens.push(if inner.added(id).is_some() {
                &[]
            } else {
                inner.token(id)?
            });
        }
        let mut out = Vec::with_capacity(ids.len());
        let token = |place: usize| tokens[place];
        let done = regroup(ids, side, token, |group| inner.token_id(group), &mut out);
        Ok::<_, tokseam_bpe::Error>(done.map(|()| out))
    });
    Ok(out.or_raise(py)?.or_raise(py)?.into_pyarray(py))
}
