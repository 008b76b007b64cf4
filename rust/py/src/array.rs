//! Arguments from Python as slices, results as numpy arrays.

use numpy::{
    Element, IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyUntypedArray,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyInt, PyString, PyTuple};
use serde_json::Value;

use crate::error::{raise, within};

/// Characters of a value that a message has.
const SHOWN: usize = 80;

/// A value as a message names it.
fn shown(object: &Bound<'_, PyAny>) -> PyResult<String> {
    let whole = object.repr()?.to_string();
    Ok(match whole.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &whole[..end]),
        None => whole,
    })
}

/// The UTF-8 of a `str`, or the bytes of a `bytes`.
pub fn text<'a>(object: &'a Bound<'_, PyAny>) -> PyResult<&'a [u8]> {
    if let Ok(text) = object.cast::<PyString>() {
        Ok(text.to_str()?.as_bytes())
    } else if let Ok(bytes) = object.cast::<PyBytes>() {
        Ok(bytes.as_bytes())
    } else {
        Err(PyTypeError::new_err(format!(
            "expected str or bytes, not {}",
            object.get_type().name()?
        )))
    }
}

/// One text, or many that are laid end to end.
enum Part<'py> {
    One(Bound<'py, PyAny>),
    Many(PyReadonlyArray1<'py, u8>, PyReadonlyArray1<'py, i64>),
}

/// Texts of a collection whose items are texts, or pairs of bytes and the offsets of the texts in
/// them (uint8 and int64 arrays), which is how Arrow has them.
pub struct Texts<'py>(Vec<Part<'py>>);

impl<'py> Texts<'py> {
    /// Takes hold of the items; nothing is copied.
    ///
    /// # Errors
    /// `TypeError` for a single text.
    pub fn new(objects: &Bound<'py, PyAny>) -> PyResult<Self> {
        if objects.cast::<PyString>().is_ok() || objects.cast::<PyBytes>().is_ok() {
            return Err(PyTypeError::new_err(
                "expected a collection of texts, not one text; use encode or [text]",
            ));
        }
        let mut parts = Vec::with_capacity(objects.len().unwrap_or(0));
        for object in objects.try_iter()? {
            let object = object?;
            let many = object.cast::<PyTuple>().ok().and_then(|pair| {
                let (data, offsets) = pair.extract().ok()?;
                Some(Part::Many(data, offsets))
            });
            parts.push(many.unwrap_or(Part::One(object)));
        }
        Ok(Self(parts))
    }

    /// The texts.
    ///
    /// # Errors
    /// `TypeError` for what is no text, `ValueError` for offsets that are none.
    pub fn slices(&self) -> PyResult<Vec<&[u8]>> {
        let mut slices = Vec::with_capacity(self.0.len());
        for part in &self.0 {
            match part {
                Part::One(object) => {
                    let slice = text(object)
                        .map_err(|error| within(object.py(), "text", slices.len(), error))?;
                    slices.push(slice);
                }
                Part::Many(data, offsets) => {
                    slices.extend(rows(data.as_slice()?, offsets.as_slice()?)?);
                }
            }
        }
        Ok(slices)
    }
}

/// A component of a file, from its JSON.
///
/// # Errors
/// `VocabError` for text that is no JSON.
pub fn component(py: Python<'_>, json: &str) -> PyResult<Value> {
    serde_json::from_str(json)
        .map_err(|error| raise(py, "VocabError", format!("a component is no JSON: {error}")))
}

/// Ids, read from the array where it is one of unsigned 32-bit integers without gaps.
pub enum Ids<'py> {
    /// The array itself.
    Array(PyReadonlyArray1<'py, u32>),
    /// A copy.
    Copied(Vec<u32>),
}

impl<'py> Ids<'py> {
    /// Reads any sequence of integers.
    ///
    /// # Errors
    /// `TypeError` for other types, `UnknownTokenError` for a number that can be no id.
    pub fn new(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(array) = object.extract::<PyReadonlyArray1<u32>>() {
            return Ok(match array.as_slice() {
                Ok(_) => Self::Array(array),
                Err(_) => Self::Copied(array.as_array().to_vec()),
            });
        }
        if object.cast::<PyUntypedArray>().is_ok() {
            // Any width, sign and byte order.
            let dtype = object.getattr("dtype")?;
            let kind: String = dtype.getattr("kind")?.extract()?;
            let copied = match kind.as_str() {
                "i" => copied::<i64>(&object.call_method1("astype", ("int64",))?),
                "u" => copied::<u64>(&object.call_method1("astype", ("uint64",))?),
                _ => None,
            };
            return copied.unwrap_or_else(|| {
                Err(PyTypeError::new_err(format!(
                    "ids must be integers in one dimension, not an array of {dtype} with shape {}",
                    object.getattr("shape")?
                )))
            });
        }
        let is_text = object.cast::<PyString>().is_ok() || object.cast::<PyBytes>().is_ok();
        let items = object.try_iter();
        let items = match items {
            Ok(items) if !is_text => items,
            Err(error) if !error.is_instance_of::<PyTypeError>(object.py()) => return Err(error),
            _ => {
                return Err(PyTypeError::new_err(format!(
                    "ids must be a list or an array of integers, not {}",
                    shown(object)?
                )));
            }
        };
        let mut ids = Vec::with_capacity(object.len().unwrap_or(0));
        for item in items {
            ids.push(id(&item?)?);
        }
        Ok(Self::Copied(ids))
    }

    /// The ids.
    pub fn as_slice(&self) -> PyResult<&[u32]> {
        match self {
            Self::Array(array) => Ok(array.as_slice()?),
            Self::Copied(ids) => Ok(ids),
        }
    }
}

/// Arrays of floats, all of one type.
pub enum Floats<'py> {
    /// Of 32 bits.
    Single(Vec<PyReadonlyArray1<'py, f32>>),
    /// Of 64 bits.
    Double(Vec<PyReadonlyArray1<'py, f64>>),
}

/// Takes hold of arrays of floats.
///
/// # Errors
/// `TypeError` for other types, or both side by side.
pub fn floats<'py>(rows: &[Bound<'py, PyAny>]) -> PyResult<Floats<'py>> {
    let single: PyResult<Vec<_>> = rows.iter().map(|row| Ok(row.extract()?)).collect();
    if let Ok(single) = single {
        return Ok(Floats::Single(single));
    }
    let double: PyResult<Vec<_>> = rows.iter().map(|row| Ok(row.extract()?)).collect();
    Ok(Floats::Double(double?))
}

/// The numbers of arrays.
///
/// # Errors
/// `ValueError` for one with gaps.
pub fn slices<'a, T: Element>(arrays: &'a [PyReadonlyArray1<'_, T>]) -> PyResult<Vec<&'a [T]>> {
    let slices = arrays.iter().map(|array| Ok(array.as_slice()?));
    slices.collect()
}

/// One id.
///
/// # Errors
/// `TypeError` for what is no integer, `UnknownTokenError` for a number that can be no id.
pub fn id(object: &Bound<'_, PyAny>) -> PyResult<u32> {
    let number = integer(object)?;
    number
        .extract()
        .map_err(|_| unknown(object.py(), &number.to_string()))
}

/// An id that a token is to have.
///
/// # Errors
/// `TypeError` for what is no integer, `VocabError` for a number that can be no id.
pub fn new_id(object: &Bound<'_, PyAny>) -> PyResult<u32> {
    let number = integer(object)?;
    number.extract().map_err(|_| {
        raise(
            object.py(),
            "VocabError",
            format!("{number} is no token id: ids are 0 to 4294967295"),
        )
    })
}

/// The number that an object stands for; a truth value stands for none, as in arrays.
fn integer<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if object.is_exact_instance_of::<PyInt>() {
        return Ok(object.clone());
    }
    let py = object.py();
    if object.cast::<PyBool>().is_err() {
        let number = py.import("operator")?.call_method1("index", (object,));
        match number {
            Err(error) if error.is_instance_of::<PyTypeError>(py) => {}
            number => return number,
        }
    }
    Err(PyTypeError::new_err(format!(
        "an id must be an integer, not {}",
        shown(object)?
    )))
}

fn unknown(py: Python<'_>, id: &str) -> PyErr {
    raise(
        py,
        "UnknownTokenError",
        format!("{id} is no token id: ids are 0 to 4294967295"),
    )
}

fn copied<'py, T>(object: &Bound<'py, PyAny>) -> Option<PyResult<Ids<'py>>>
where
    T: Element + Copy + TryInto<u32> + ToString,
{
    let array = object.extract::<PyReadonlyArray1<T>>().ok()?;
    let ids = array
        .as_array()
        .iter()
        .map(|&id| {
            id.try_into()
                .map_err(|_| unknown(object.py(), &id.to_string()))
        })
        .collect::<PyResult<Vec<u32>>>();
    Some(ids.map(Ids::Copied))
}

/// The offsets of a ragged array.
///
/// # Errors
/// `TypeError` for what is no array of int64 in one dimension.
pub fn offsets<'py>(object: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArray1<'py, i64>> {
    object.extract().or_else(|_| {
        let found = if object.cast::<PyUntypedArray>().is_ok() {
            let (dtype, shape) = (object.getattr("dtype")?, object.getattr("shape")?);
            format!("an array of {dtype} with shape {shape}")
        } else {
            shown(object)?
        };
        Err(PyTypeError::new_err(format!(
            "offsets must be an array of int64 in one dimension, not {found}: write numpy.array(offsets, numpy.int64)"
        )))
    })
}

/// The rows of a ragged array.
///
/// # Errors
/// `ValueError` where the offsets are no row borders of the values.
pub fn rows<'a, T>(values: &'a [T], offsets: &[i64]) -> PyResult<Vec<&'a [T]>> {
    let bad = |message: String| PyValueError::new_err(message);
    let (&[first, ..], &[.., last]) = (offsets, offsets) else {
        return Err(bad("offsets must start with 0, but there are none".into()));
    };
    if first != 0 || last != values.len() as i64 {
        return Err(bad(format!(
            "offsets must go from 0 to the number of values ({}), not from {first} to {last}",
            values.len()
        )));
    }
    offsets
        .windows(2)
        .map(|pair| {
            usize::try_from(pair[0])
                .ok()
                .zip(usize::try_from(pair[1]).ok())
                .and_then(|(start, end)| values.get(start..end))
                .ok_or_else(|| {
                    bad(format!(
                        "offsets must rise, but {} comes before {}",
                        pair[0], pair[1]
                    ))
                })
        })
        .collect()
}

/// Pairs as an array of two columns.
pub fn columns(py: Python<'_>, pairs: Vec<(usize, usize)>) -> PyResult<Bound<'_, PyArray2<i64>>> {
    let len = pairs.len();
    let flat: Vec<i64> = pairs
        .into_iter()
        .flat_map(|(start, end)| [start as i64, end as i64])
        .collect();
    flat.into_pyarray(py).reshape([len, 2])
}

/// Ids and their ranges as numpy has them.
pub type Spans<'py> = (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray2<i64>>);

/// A ragged array as numpy has it.
pub type Ragged<'py> = (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<i64>>);

/// Rows as a ragged array.
pub fn ragged<'py>(py: Python<'py>, rows: &[Vec<u32>]) -> Ragged<'py> {
    let mut offsets = vec![0];
    offsets.extend(rows.iter().scan(0, |end, row| {
        *end += row.len() as i64;
        Some(*end)
    }));
    (rows.concat().into_pyarray(py), offsets.into_pyarray(py))
}
