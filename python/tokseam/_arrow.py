"""Columns of Arrow as they lie in memory: texts without a Python object for each, and rows of ids.

Any object with the Arrow PyCapsule interface is a column: arrays of pyarrow, series of polars and others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeGuard

import numpy as np

from tokseam import _extras
from tokseam.errors import UnknownTokenError, VocabError

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    Packed = tuple[NDArray[np.uint8], NDArray[np.int64]]


class _Array(Protocol):
    def __arrow_c_array__(self, requested_schema: object | None = None) -> object: ...


class _Stream(Protocol):
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


Column: TypeAlias = _Array | _Stream

# Texts that become Python objects at once.
_BLOCK = 8192


def is_column(value: object) -> TypeGuard[Column]:
    """Return whether an object gives Arrow data."""
    return hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__")


def texts(value: Column) -> pa.ChunkedArray:
    """Return a column of texts, none of them null, as strings or binaries with offsets.

    Args:
        value: A column of strings or binaries, of any layout.

    Raises:
        ImportError: pyarrow is not installed.
        TypeError: It is a column of something else.
        VocabError: A row is null.
    """
    pa = _extras.load("pyarrow", "train", "a column of Arrow")
    column = _chunked(pa, value)
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if kind in (pa.string_view(), pa.large_string(), pa.string()):
        plain = pa.large_string()
    elif kind in (pa.binary_view(), pa.large_binary(), pa.binary()) or pa.types.is_fixed_size_binary(kind):
        plain = pa.large_binary()
    else:
        raise TypeError(
            f"expected a column of strings or binaries, not of {column.type}; of a table, pass one: table['text']"
        )
    if column.type not in (pa.string(), pa.binary()):
        try:
            column = column.cast(plain)
        except pa.ArrowNotImplementedError as error:
            message = f"pyarrow {pa.__version__} cannot read a column of {column.type}; take a newer one"
            raise TypeError(message) from error
    if column.null_count:
        raise VocabError(
            f"row {_first(column.is_null())} is null, which is no text; drop the nulls (column.drop_null()) or fill "
            "them (column.fill_null(''))"
        )
    return column


def packed(column: pa.ChunkedArray) -> list[Packed]:
    """Return the texts of each chunk laid end to end, and their offsets: uint8 and int64 arrays.

    The text is not copied.
    """
    parts = []
    for chunk in column.chunks:
        if len(chunk):
            _, borders, data = chunk.buffers()
            width = np.int64 if str(chunk.type).startswith("large") else np.int32
            offsets = np.frombuffer(borders, width)[chunk.offset : chunk.offset + len(chunk) + 1].astype(np.int64)
            whole = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
            parts.append((whole[offsets[0] : offsets[-1]], offsets - offsets[0]))
    return parts


def strings(column: pa.ChunkedArray) -> Iterator[str | bytes]:
    """Yield the texts one after the other."""
    for chunk in column.chunks:
        for start in range(0, len(chunk), _BLOCK):
            yield from chunk[start : start + _BLOCK].to_pylist()


def rows(value: Column) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the ids and the offsets of a column of lists of integers.

    One chunk of large lists of uint32, as `Ragged.to_arrow` makes it, is not copied.

    Raises:
        ImportError: pyarrow is not installed.
        TypeError: It is a column of something else.
        UnknownTokenError: A row or an id is null, or an integer can be no id.
    """
    pa = _extras.load("pyarrow", "train", "a column of Arrow")
    column = _chunked(pa, value)
    kind = column.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not is_list or not pa.types.is_integer(kind.value_type):
        raise TypeError(f"expected a column of lists of integers, not of {kind}")
    if column.null_count:
        raise UnknownTokenError(f"row {_first(column.is_null())} is null, which is no row of ids")
    try:
        column = column.cast(pa.large_list(pa.uint32()))
    except pa.ArrowInvalid as error:
        raise UnknownTokenError(f"not all integers of the column are ids, which are 0 to 4294967295: {error}") from None
    # Combining copies even a single chunk.
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    offsets = np.asarray(array.offsets, np.int64)
    ids = array.values[offsets[0] : offsets[-1]]
    if ids.null_count:
        row = int(np.searchsorted(offsets, offsets[0] + _first(ids.is_null()), side="right")) - 1
        raise UnknownTokenError(f"row {row} has an id that is null")
    return np.asarray(ids, np.uint32), offsets - offsets[0] if offsets[0] else offsets


def _chunked(pa: Any, value: Column) -> pa.ChunkedArray:
    if isinstance(value, pa.ChunkedArray):
        return value
    if hasattr(value, "__arrow_c_stream__"):
        return pa.chunked_array(value)
    return pa.chunked_array([value if isinstance(value, pa.Array) else pa.array(value)])


def _first(mask: pa.Array | pa.ChunkedArray) -> int:
    return int(np.asarray(mask).argmax())
