"""Columns of Arrow: the ids of their texts as of a list of them, and rows of ids there and back."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources import corpora
from texts import adversarial

from tokseam import Ragged, Tokenizer, UnknownTokenError, VocabError, superbpe

pa = pytest.importorskip("pyarrow")

TYPES = {
    "string": pa.string(),
    "large_string": pa.large_string(),
    "string_view": pa.string_view(),
    "dictionary": pa.dictionary(pa.int8(), pa.string()),
    "binary": pa.binary(),
    "large_binary": pa.large_binary(),
    "binary_view": pa.binary_view(),
}


def layouts(texts: list[str], kind: str) -> dict[str, Any]:
    """Return a column of texts as it can lie in memory."""
    rows: list[Any] = [text.encode() for text in texts] if "binary" in kind else list(texts)
    type = TYPES[kind]
    between = [rows[0] if rows else "b"] if "binary" not in kind else [b"\xff between"]
    sliced = pa.array(between + rows + between, type)[1 : len(rows) + 1]
    middle = len(rows) // 2
    return {
        "array": pa.array(rows, type),
        "slice": sliced,
        "chunks": pa.chunked_array([pa.array(rows[:middle], type), pa.array([], type), pa.array(rows[middle:], type)]),
        "no chunks": pa.chunked_array([pa.array(rows, type)] if rows else [], type),
        "sliced chunks": pa.chunked_array([sliced[:middle], sliced[middle:]]),
    }


class Capsule:
    """A column of a library that knows no pyarrow."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
        return self.array.__arrow_c_array__(requested_schema)


@pytest.mark.parametrize("kind", TYPES)
def test_texts_of_a_column(bundled: Tokenizer, kind: str) -> None:
    @given(st.lists(adversarial(), max_size=6))
    def run(texts: list[str]) -> None:
        expected = bundled.encode_batch(texts)
        for name, column in layouts(texts, kind).items():
            for parallel in (False, 2):
                found = bundled.encode_batch(column, parallel=parallel)
                assert found.ids.tolist() == expected.ids.tolist(), name
                assert found.offsets.tolist() == expected.offsets.tolist(), name
            assert bundled.count_batch(column).tolist() == np.diff(expected.offsets).tolist()
        assert bundled.encode_batch(Capsule(pa.array(texts, pa.string()))).tolists() == expected.tolists()

    run()


def test_real_text(bundled: Tokenizer) -> None:
    for texts in corpora().values():
        column = pa.chunked_array([texts[:40], texts[40:80]])
        assert bundled.encode_batch(column).tolists() == bundled.encode_batch(texts[:80]).tolists()


def test_bytes_and_special_tokens(bundled: Tokenizer) -> None:
    rows = [b"\xff\x00", b"\xe2\x82", bytes(range(256))]
    assert bundled.encode_batch(pa.array(rows)).tolists() == bundled.encode_batch(rows).tolists()
    assert bundled.encode_batch(pa.array([b"ab", b"\xff\x00"], pa.binary(2))).tolists() == [
        bundled.encode(row).tolist() for row in (b"ab", b"\xff\x00")
    ]
    spelled = pa.array(["<|endoftext|>"])
    assert bundled.encode_batch(spelled, allowed_special="all").tolists() == [[0]]
    assert bundled.encode_batch(spelled).tolists() == [bundled.encode("<|endoftext|>").tolist()]


def test_texts_are_not_copied(bundled: Tokenizer) -> None:
    """Neither Arrow nor Python allocates as much as the text meanwhile."""
    column = pa.chunked_array([["Tokens meet at seams. " * 100] * 100] * 2)
    pool, usual = pa.proxy_memory_pool(pa.system_memory_pool()), pa.default_memory_pool()
    pa.set_memory_pool(pool)
    tracemalloc.start()
    try:
        bundled.encode_batch(column)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(usual)
    assert max(peak, pool.max_memory()) < column.nbytes / 20


@pytest.mark.parametrize("call", ["encode_batch", "count_batch"])
def test_columns_that_are_no_texts(bundled: Tokenizer, call: str) -> None:
    for column, row in (
        (pa.array(["a", None, "b", None]), 1),
        (pa.array(["a", None, "b", None])[2:], 1),
        (pa.chunked_array([["a", "b"], ["c", None]]), 3),
        (pa.array([None, b"a"]), 0),
        (pa.array(["a", None], pa.string_view()), 1),
        (pa.array(["a", None]).dictionary_encode(), 1),
        (pa.DictionaryArray.from_arrays(pa.array([1, 0]), pa.array([None, "a"])), 1),
    ):
        with pytest.raises(VocabError, match=f"row {row} is null.*drop_null"):
            getattr(bundled, call)(column)
    for column in (pa.array([1, 2]), pa.array([["a"]]), pa.table({"text": ["a"]}), pa.array([None, None])):
        with pytest.raises(TypeError, match="column of strings or binaries"):
            getattr(bundled, call)(column)
    with pytest.raises(TypeError, match="tuple"):
        getattr(bundled, call)([("a", "b")])


def test_a_broken_column_is_an_error(bundled: Tokenizer) -> None:
    """Offsets that point outside of the text, as a file could have them."""
    offsets = pa.py_buffer(np.array([0, 900, 2], np.int32))
    column = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"ab")])
    with pytest.raises(ValueError, match="offsets"):
        bundled.encode_batch(column)


# Rows of ids.


def test_ids_there_and_back(bundled: Tokenizer) -> None:
    texts = ["a seam", "", "two seams: naïve 数字", "\x00"]
    batch = bundled.encode_batch(texts)
    array = batch.to_arrow()
    back = Ragged.from_arrow(array)
    for one, other in ((batch.ids, back.ids), (batch.offsets, back.offsets)):
        assert one.tolist() == other.tolist()
        assert one.dtype == other.dtype
        # The same memory, there and back.
        assert one.ctypes.data == other.ctypes.data
    assert array.validate(full=True) is None
    plain = array.cast(pa.list_(pa.int64()))
    for column in (array, plain, array.cast(pa.list_(pa.uint16())), Capsule(array)):
        assert Ragged.from_arrow(column).tolists() == batch.tolists()
        assert bundled.decode_batch(column) == texts
    for column in (array, plain):
        for rows, expected in (
            (column[1:3], texts[1:3]),
            (pa.chunked_array([column[2:], column[:1]]), texts[2:] + texts[:1]),
            (column[:0], []),
            (pa.chunked_array([], column.type), []),
        ):
            assert bundled.decode_batch(rows) == expected
    assert Ragged.from_arrow(pa.array([[1, 2], [3, 4]], pa.list_(pa.uint32(), 2))).tolists() == [[1, 2], [3, 4]]


def test_columns_that_are_no_ids() -> None:
    for column, message in (
        (pa.array([[1], None]), "row 1 is null"),
        (pa.array([[1], [], [2, None]]), "row 2 has an id that is null"),
        (pa.array([[9], [1], [], [None]])[1:], "row 2 has an id that is null"),
        (pa.array([[1], [-1]]), "0 to 4294967295"),
        (pa.array([[2**32]]), "0 to 4294967295"),
    ):
        with pytest.raises(UnknownTokenError, match=message):
            Ragged.from_arrow(column)
    for column in (pa.array([1]), pa.array([["a"]]), pa.array([[0.5]])):
        with pytest.raises(TypeError, match="lists of integers"):
            Ragged.from_arrow(column)


# Training.


def test_a_column_is_a_corpus(bundled: Tokenizer) -> None:
    texts = [f"row {number}: by the way, by the way\n" for number in range(30)]
    column = pa.chunked_array([texts[:10], texts[10:]])
    options: dict[str, Any] = {"vocab_size": 290, "transition": 280}
    expected = superbpe.train(texts, **options).tokenizer.to_json()
    assert superbpe.train(column, **options).tokenizer.to_json() == expected
    assert superbpe.train(column.cast(pa.binary()), **options).tokenizer.to_json() == expected
    counts, slow = superbpe.PairCounts(bundled), superbpe.PairCounts(bundled)
    counts.update(column)
    slow.update(texts)
    assert counts.to_arrow().equals(slow.to_arrow(), check_metadata=True)
    with pytest.raises(VocabError, match="row 30 is null"):
        superbpe.train(pa.chunked_array([texts, [None]]), **options)
