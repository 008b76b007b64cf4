"""The border between Python and the native side: types, ownership, threads, processes, signals."""

import copy
import multiprocessing
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sources import corpora

from tokseam import Ragged, Tokenizer, TokseamError, UnknownTokenError, _bundled
from tokseam.tokenizer import _threads

TEXT = "Tokens meet at seams: naïve 数字 12345.\n"
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs fork")


# What comes back.


def test_arrays(bundled: Tokenizer) -> None:
    ids = bundled.encode(TEXT)
    assert ids.dtype == np.uint32
    assert ids.ndim == 1
    again, offsets = bundled.encode_with_offsets(TEXT)
    assert np.array_equal(again, ids)
    assert offsets.dtype == np.int64
    assert offsets.shape == (len(ids), 2)
    assert bundled.count_batch([TEXT, ""]).dtype == np.int64
    batch = bundled.encode_batch([TEXT, "", TEXT])
    assert isinstance(batch, Ragged)
    assert batch.ids.dtype == np.uint32
    assert batch.offsets.dtype == np.int64
    assert batch.offsets.tolist() == [0, len(ids), len(ids), 2 * len(ids)]
    for array in (ids, offsets, *batch):
        assert array.flags.c_contiguous


def test_arrays_are_the_callers(bundled: Tokenizer) -> None:
    ids = bundled.encode(TEXT)
    kept = ids.copy()
    ids[:] = 7  # Ours to write to.
    assert np.array_equal(bundled.encode(TEXT), kept)
    batch = bundled.encode_batch([TEXT])
    rows = batch.tolists()
    del bundled
    assert rows == [kept.tolist()]


def test_empty(bundled: Tokenizer) -> None:
    assert bundled.encode("").shape == (0,)
    assert bundled.encode(b"").dtype == np.uint32
    assert bundled.encode_with_offsets("")[1].shape == (0, 2)
    assert bundled.count("") == 0
    assert bundled.encode_batch([]).offsets.tolist() == [0]
    assert bundled.encode_batch([]).tolists() == []
    assert bundled.count_batch([]).shape == (0,)
    assert bundled.decode([]) == ""
    assert bundled.decode(np.array([], np.int64)) == ""
    assert bundled.decode_bytes([]) == b""
    assert bundled.decode_batch([]) == []
    assert bundled.stream_decoder().finish() == ""


# What goes in: text.


@pytest.mark.parametrize("text", [TEXT, "", "\x00", "a\x00b", "é" * 1000, "\U0001f600"])
def test_bytes_are_text(bundled: Tokenizer, text: str) -> None:
    assert np.array_equal(bundled.encode(text.encode()), bundled.encode(text))
    assert bundled.decode(bundled.encode(text)) == text


@pytest.mark.parametrize(
    "data", [b"\xff", b"a\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", bytes(range(256))]
)
def test_bytes_that_are_no_text(bundled: Tokenizer, data: bytes) -> None:
    ids = bundled.encode(data)
    assert bundled.decode_bytes(ids) == data
    assert bundled.decode(ids) == data.decode(errors="replace")


@pytest.mark.parametrize("call", ["encode", "count", "encode_with_offsets", "show"])
@pytest.mark.parametrize("text", ["\ud800", "a\udcffb", "\udfff" * 3])
def test_lone_surrogates(bundled: Tokenizer, call: str, text: str) -> None:
    with pytest.raises(UnicodeError):
        getattr(bundled, call)(text)
    with pytest.raises(UnicodeError):
        bundled.encode_batch(["fine", text])
    with pytest.raises(UnicodeError):
        bundled.count_batch([text])


@pytest.mark.parametrize("text", [None, 3, 3.5, ["a"], object()])
def test_text_of_a_wrong_type(bundled: Tokenizer, text: Any) -> None:
    for call in (bundled.encode, bundled.count, bundled.encode_with_offsets):
        with pytest.raises(TypeError):
            call(text)
    with pytest.raises(TypeError):
        bundled.encode_batch(["fine", text])
    with pytest.raises(TypeError):
        bundled.count_batch([text])


def test_one_text_is_no_batch(bundled: Tokenizer) -> None:
    for text in ("text", b"text"):
        with pytest.raises(TypeError, match="write \\[text\\]"):
            bundled.encode_batch(text)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="write \\[text\\]"):
            bundled.count_batch(text)  # type: ignore[arg-type]
    assert bundled.encode_batch(text for text in (TEXT, TEXT)).offsets.shape == (3,)


# What goes in: ids.


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
def test_ids_of_any_width(bundled: Tokenizer, dtype: Any) -> None:
    ids = [0, 65, 66, 100, 127]
    assert bundled.decode(np.array(ids, dtype)) == bundled.decode(ids) == bundled.decode(tuple(ids))


@pytest.mark.parametrize("dtype", ["<i4", ">i4", "<u4", ">u4", "<u8", ">u8"])
def test_ids_of_any_byte_order(bundled: Tokenizer, dtype: str) -> None:
    assert bundled.decode(np.array([65, 300], dtype)) == bundled.decode([65, 300])


def test_ids_of_any_stride(bundled: Tokenizer) -> None:
    wide = np.zeros((50, 3), np.int64)
    wide[:, 1] = np.arange(60, 110)
    expected = bundled.decode(list(range(60, 110)))
    assert bundled.decode(wide[:, 1]) == expected
    assert bundled.decode(wide[::-1, 1][::-1]) == expected
    assert bundled.decode(wide[::-1, 1]) == bundled.decode(list(range(109, 59, -1)))
    readonly = np.arange(60, 110)
    readonly.flags.writeable = False
    assert bundled.decode(readonly) == expected


CALLS: list[Callable[[Tokenizer, Any], Any]] = [
    Tokenizer.decode,
    Tokenizer.decode_bytes,
    Tokenizer.is_canonical,
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "ids",
    [
        np.array([1.0, 2.0]),
        [1.5],
        ["a"],
        [None],
        "12",
        3,
        None,
        np.array(["a"]),
        np.array([1 + 2j]),
        np.array([[1, 2]]),
    ],
    ids=repr,
)
def test_ids_of_a_wrong_type(bundled: Tokenizer, call: Callable[[Tokenizer, Any], Any], ids: Any) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        call(bundled, ids)
    # A matrix may be a wrong value; all else is a wrong type.
    assert isinstance(caught.value, TypeError) or np.ndim(ids) == 2


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("bad", [-1, -(2**31), 2**32 - 1, 2**32, 2**63 - 1, 2**64 - 1, 10**30])
def test_ids_without_a_token(bundled: Tokenizer, call: Callable[[Tokenizer, Any], Any], bad: int) -> None:
    with pytest.raises(UnknownTokenError, match=str(bad).replace("-", "\\-")):
        call(bundled, [65, bad])
    if bad < 2**63:
        with pytest.raises(UnknownTokenError, match=str(bad).replace("-", "\\-")):
            call(bundled, np.array([65, bad], np.int64))
    elif bad < 2**64:
        with pytest.raises(UnknownTokenError, match=str(bad)):
            call(bundled, np.array([65, bad], np.uint64))


def test_one_id_past_the_end(bundled: Tokenizer) -> None:
    last = bundled.vocab_size
    assert bundled.token_bytes(last - 1)
    for call in (lambda: bundled.token_bytes(last), lambda: bundled.stream_decoder().push(last)):
        with pytest.raises(UnknownTokenError, match=str(last)):
            call()
    with pytest.raises(UnknownTokenError):
        bundled.token_bytes(-1)
    with pytest.raises(TypeError):
        bundled.token_bytes("a")  # type: ignore[arg-type]


def test_errors_are_what_a_caller_expects(bundled: Tokenizer) -> None:
    with pytest.raises(UnknownTokenError) as caught:
        bundled.decode([10**6])
    assert isinstance(caught.value, (TokseamError, KeyError, ValueError))
    assert not str(caught.value).startswith(("'", '"'))


@pytest.mark.parametrize(
    ("ids", "offsets"),
    [
        ([1, 2, 3], [0, 2, 1, 3]),
        ([1, 2, 3], [0, 4]),
        ([1, 2, 3], [-1, 3]),
        ([1, 2, 3], [1, 3]),
        ([1, 2, 3], [0, 2]),
        ([1, 2, 3], []),
    ],
)
def test_offsets_that_are_none(bundled: Tokenizer, ids: list[int], offsets: list[int]) -> None:
    with pytest.raises(ValueError):
        bundled.decode_batch(Ragged(np.array(ids, np.uint32), np.array(offsets, np.int64)))


def test_decode_batch_takes_rows(bundled: Tokenizer) -> None:
    texts = [TEXT, "", "b"]
    batch = bundled.encode_batch(texts)
    assert bundled.decode_batch(batch) == texts
    assert bundled.decode_batch(batch.tolists()) == texts
    with pytest.raises(TypeError, match="Ragged"):
        bundled.decode_batch((batch.ids, batch.offsets))  # type: ignore[arg-type]


def test_rows_are_equal_where_their_arrays_are(bundled: Tokenizer) -> None:
    batch, again = (bundled.encode_batch([TEXT, "b"]) for _ in range(2))
    others = [bundled.encode_batch(texts) for texts in ([TEXT], [TEXT, "c"], ["b", TEXT], [])]
    assert batch == again
    assert (batch != again) is False
    assert batch == tuple(again)
    assert tuple(again) == batch
    assert batch == pickle.loads(pickle.dumps(batch))
    for other in [*others, (*batch, 1), (), "ab", None]:
        assert batch != other
        assert other != batch
        assert (batch == other) is False
    assert others.index(bundled.encode_batch(["b", TEXT])) == 2
    ids, offsets = batch
    assert batch._replace(ids=ids) == Ragged(ids, offsets)
    with pytest.raises(TypeError, match="a Ragged has no hash"):
        hash(batch)


def test_arrow(bundled: Tokenizer) -> None:
    batch = bundled.encode_batch([TEXT, "", "b"])
    array = batch.to_arrow()
    assert array.to_pylist() == batch.tolists()
    assert str(array.type) == "large_list<item: uint32>"


# One object, many owners.


def test_pickle_and_copy(bundled: Tokenizer) -> None:
    data = pickle.dumps(bundled)
    again = pickle.loads(data)
    assert again == bundled
    assert hash(again) == hash(bundled)
    assert pickle.dumps(again) == data
    assert np.array_equal(again.encode(TEXT), bundled.encode(TEXT))
    assert copy.copy(bundled) is bundled
    assert copy.deepcopy([bundled])[0] is bundled
    assert bundled != "bundled"
    assert Tokenizer.from_json(bundled.to_json()) == bundled


def test_no_attribute_can_be_set(bundled: Tokenizer) -> None:
    with pytest.raises(AttributeError):
        bundled.vocab_size = 3  # type: ignore[misc]
    with pytest.raises(AttributeError):
        bundled.other = 3  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="from_file"):
        Tokenizer("tokenizer.json")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="from_file"):
        Tokenizer()
    bundled.special_tokens.clear()
    assert bundled.special_tokens


def documents(limit: int = 200) -> list[str]:
    texts = [text for texts in corpora().values() for text in texts]
    return [text[:20_000] for text in texts[:limit]]


def test_the_number_of_threads_changes_nothing(bundled: Tokenizer) -> None:
    texts = documents()
    expected = [bundled.encode(text).tolist() for text in texts]
    counts = [len(row) for row in expected]
    for parallel in (None, True, False, 1, 2, 3, 16):
        assert bundled.encode_batch(texts, parallel=parallel).tolists() == expected
        assert bundled.count_batch(texts, parallel=parallel).tolist() == counts
    for parallel in (0, -1):
        with pytest.raises(ValueError, match=str(parallel)):
            bundled.encode_batch(texts, parallel=parallel)


@pytest.mark.parametrize("parallel", [1.5, 2.0, "2", [2], np.float64(2)])
def test_a_number_of_threads_is_whole(bundled: Tokenizer, parallel: Any) -> None:
    for call in (bundled.encode_batch, bundled.count_batch):
        with pytest.raises(TypeError, match=f"parallel is a number of threads.*not {re.escape(repr(parallel))}"):
            call([TEXT], parallel=parallel)


def test_any_whole_number_of_threads(bundled: Tokenizer) -> None:
    expected = bundled.encode_batch([TEXT, TEXT], parallel=1).tolists()
    numbers: list[Any] = [np.int64(2), np.uint8(3), 2**70]
    for parallel in numbers:
        assert bundled.encode_batch([TEXT, TEXT], parallel=parallel).tolists() == expected


def test_eight_threads(bundled: Tokenizer) -> None:
    texts = documents(40)
    expected = [bundled.encode(text).tolist() for text in texts]
    fresh = pickle.loads(pickle.dumps(bundled))
    found: dict[int, Any] = {}

    def work(number: int) -> None:
        shifted = texts[number:] + texts[:number]
        rows = [fresh.encode(text).tolist() for text in shifted]
        batch = fresh.encode_batch(shifted, parallel=2).tolists()
        found[number] = (rows, batch, [fresh.decode(row) for row in rows] == shifted)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(8):
        rotated = expected[number:] + expected[:number]
        assert found[number] == (rotated, rotated, True)


def test_the_interpreter_runs_on_while_encoding(bundled: Tokenizer) -> None:
    """A long call lets other threads go on: without that, the ticks would stop for all of it."""
    text = "".join(documents(100)) * 10
    ticks, done = [], threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    ticker = threading.Thread(target=tick)
    ticker.start()
    started = time.perf_counter()
    while time.perf_counter() - started < 0.5:
        before = time.perf_counter()
        bundled.encode(text)
        after = time.perf_counter()
    done.set()
    ticker.join()
    inside = sum(before < moment < after for moment in ticks)
    assert inside >= 2, f"{inside} ticks in {after - before:.3f} s"


# Other processes.


@linux
def test_fork(bundled: Tokenizer) -> None:
    texts = documents(100)
    expected = bundled.encode_batch(texts, parallel=2).tolists()
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Newer Pythons warn of a fork beside threads, which is what this test is about.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 1
        try:
            same = all(
                bundled.encode_batch(texts, parallel=parallel).tolists() == expected for parallel in (None, 2, False)
            )
            os.write(writing, b"same" if same else b"other")
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    deadline = time.monotonic() + 60
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            pytest.fail("the child hangs")
        time.sleep(0.01)
    assert os.read(reading, 10) == b"same"
    os.close(reading)


def rows(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    """Encode in a worker; it has a name of its own so that it can be pickled."""
    return tokenizer.encode_batch(texts).tolists()


WORKER = """
import multiprocessing, sys
from tokseam import _bundled

def rows(tokenizer, texts):
    return tokenizer.encode_batch(texts).tolists()

if __name__ == "__main__":
    tokenizer = _bundled.tokenizer()
    texts = ["Tokens meet at seams.", "", "12345 " * 5000] * 20
    expected = tokenizer.encode_batch(texts, parallel=2).tolists()
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        for found in pool.starmap(rows, [(tokenizer, texts)] * 4):
            assert found == expected
    print("same")
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_worker_processes(method: str, tmp_path: Any) -> None:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), method], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout == "same\n", done.stderr


def test_workers_of_multiprocess_take_one_thread() -> None:
    """The fork of multiprocessing in which datasets and datatrove run: a fresh interpreter a worker."""
    host = pytest.importorskip("multiprocess")
    with host.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_threads, (None,)) == 1
    assert _threads(None) == _threads(True)


def test_datasets_map(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import datasets
        from datasets.fingerprint import Hasher

        tokenizer = _bundled.tokenizer()
        texts = [f"{TEXT} {number}" for number in range(64)]

        def encode(batch: dict[str, Any]) -> dict[str, Any]:
            return {"ids": tokenizer.encode_batch(batch["text"]).tolists()}

        # The same function must be known again, or every run would compute anew.
        assert Hasher.hash(tokenizer) == Hasher.hash(pickle.loads(pickle.dumps(tokenizer)))
        mapped = datasets.Dataset.from_dict({"text": texts}).map(encode, batched=True, batch_size=16, num_proc=2)
        assert mapped["ids"][:] == tokenizer.encode_batch(texts).tolists()


INTERRUPTED = """
import sys, time
from tokseam import _bundled
tokenizer = _bundled.tokenizer()
texts = [_bundled.text() * 20] * 2000  # minutes of work
print("ready", flush=True)
try:
    getattr(tokenizer, sys.argv[1])(texts, parallel=eval(sys.argv[2]))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


# One text, where each match of the pattern looks at all that is left of it.
INTERRUPTED_MATCHING = r"""
import json, sys
from tokseam import Tokenizer, _bundled
file = json.loads(_bundled.tokenizer().to_json())
split = file["pre_tokenizer"]["pretokenizers"][0]
assert split["type"] == "Split"
split["pattern"] = {"Regex": r"(?=(?:\p{N}{3})+?(?!\p{N}))"}
tokenizer = Tokenizer.from_json(json.dumps(file))
text = "1234567" * 20000  # minutes of work
print("ready", flush=True)
try:
    call = getattr(tokenizer, sys.argv[1])
    call([text] * 4, parallel=eval(sys.argv[2])) if sys.argv[1].endswith("batch") else call(text)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@linux
@pytest.mark.parametrize("parallel", ["None", "False", "2"])
@pytest.mark.parametrize("call", ["encode_batch", "count_batch"])
def test_ctrl_c(call: str, parallel: str) -> None:
    check_ctrl_c(INTERRUPTED, call, parallel)


@linux
@pytest.mark.parametrize(
    ("call", "parallel"), [("encode", ""), ("encode_with_offsets", ""), ("count", ""), ("encode_batch", "2")]
)
def test_ctrl_c_of_matching(call: str, parallel: str) -> None:
    check_ctrl_c(INTERRUPTED_MATCHING, call, parallel)


def check_ctrl_c(script: str, *arguments: str) -> None:
    """A script that prints when it is ready stops within a second of Ctrl-C."""
    with subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.5)
            sent = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "interrupted\n"
            assert time.monotonic() - sent < 1.0
            assert process.wait(10) == 0
        finally:
            process.kill()
