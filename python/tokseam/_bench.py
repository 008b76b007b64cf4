"""Encoding measured against other software: `tokseam bench` and the benches of the repository.

Each library encodes the same documents, one Python call a document, and returns what it returns: an array, a list, an
`Encoding`. Time is `time.thread_time`, the processor time of this thread, in the median of the repetitions. A rate
stands beside the number of documents whose ids were equal to those of the reference, the first other library that loads
the file; a ratio is given only where all were.

- cold: a fresh object's first pass over the second half of the documents
- unseen: the second half, by an object that has only seen the first half
- warm: the second half again
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tokseam import _extras
from tokseam.errors import ExportError, VocabError
from tokseam.tokenizer import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Encode = Callable[[str], Any]

STATES = ("cold", "unseen", "warm")
# Bytes of a document.
DOCUMENT = 5_000


@dataclass(frozen=True)
class Peer:
    """A library that encodes.

    Attributes:
        name: What it is called in a table.
        make: Returns the `encode` of a fresh object.
        ids: Reads what `encode` returns.
        caches: Whether an object is faster on what it has seen, so that its first pass is a figure of its own.
    """

    name: str
    make: Callable[[], Encode]
    ids: Callable[[Any], Sequence[int]] = list
    caches: bool = False


@dataclass(frozen=True)
class LeftOut:
    """A library that is not measured.

    Attributes:
        name: The library.
        why: A sentence.
    """

    name: str
    why: str


@dataclass(frozen=True)
class Rate:
    """One figure.

    Attributes:
        peer: The library.
        state: What the object had seen before: one of `STATES`.
        mb_per_s: Megabytes of UTF-8 a second.
        ratio: How many times as long it took as tokseam; None where its ids or ours are not those of the reference.
        equal: Documents with the ids of the reference.
        documents: All documents.
        difference: The first document and token that differ, counted from 0, or None.
    """

    peer: str
    state: str
    mb_per_s: float
    ratio: float | None
    equal: int
    documents: int
    difference: tuple[int, int] | None

    @property
    def is_whole(self) -> bool:
        """Whether all ids were equal."""
        return self.equal == self.documents


def single_thread() -> None:
    """Keep other libraries to one thread in this process, as their callers' workers do."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["RAYON_NUM_THREADS"] = "1"


def cut(text: str, size: int = DOCUMENT) -> list[str]:
    """Cut a text into documents of about `size` bytes: at line ends, and lines that are longer anywhere."""
    documents: list[str] = []
    lines: list[str] = []
    total = 0
    for line in text.splitlines(keepends=True):
        for start in range(0, len(line), size):
            lines.append(line[start : start + size])
            total += len(lines[-1].encode())
            if total >= size:
                documents.append("".join(lines))
                lines, total = [], 0
    if lines:
        documents.append("".join(lines))
    return documents


def peers(file: str, tokenizer: Tokenizer) -> Iterator[Peer | LeftOut]:
    """Yield what can encode with a file here; the first is ours, the second the reference.

    Args:
        file: The text of a `tokenizer.json`.
        tokenizer: What we load from it.
    """
    yield Peer("tokseam", lambda: Tokenizer.from_json(file).encode, lambda ids: ids.tolist(), caches=True)
    try:
        stock = _extras.load("tokenizers", "hf", "the comparison with tokenizers")
    except ImportError as error:
        yield LeftOut("tokenizers", str(error))
    else:
        yield from _stock(file, stock)
    try:
        encoding = tokenizer.to_tiktoken("bench")
    except (ImportError, ExportError) as error:
        yield LeftOut("tiktoken", str(error))
    else:
        yield tiktoken(encoding._pat_str, encoding._mergeable_ranks)


def tiktoken(pattern: str, ranks: dict[bytes, int]) -> Peer:
    """Return tiktoken with a pattern and ranks; special tokens are plain text."""
    host = _extras.load("tiktoken", "tiktoken", "the comparison with tiktoken")

    def make() -> Encode:
        encode: Encode = host.Encoding(
            "bench", pat_str=pattern, mergeable_ranks=ranks, special_tokens={}
        ).encode_ordinary
        return encode

    return Peer("tiktoken", make)


def _stock(file: str, host: Any) -> Iterator[Peer]:
    """Yield `tokenizers` by both of its calls."""

    def load() -> Any:
        loaded = host.Tokenizer.from_str(file)
        loaded.encode_special_tokens = True
        loaded.no_truncation()
        loaded.no_padding()
        return loaded

    def batch_fast() -> Encode:
        encode = load().encode_batch_fast
        return lambda document: encode([document], add_special_tokens=False)

    def plain() -> Encode:
        encode = load().encode
        return lambda document: encode(document, add_special_tokens=False)

    yield Peer("tokenizers, encode_batch_fast", batch_fast, lambda rows: rows[0].ids, caches=True)
    yield Peer("tokenizers, encode", plain, lambda row: row.ids, caches=True)


def clock(encode: Encode, documents: Sequence[str]) -> float:
    """Return the processor time of this thread for one pass, in seconds."""
    start = time.thread_time()
    for document in documents:
        encode(document)
    # On a clock with coarse steps a short pass may take no time.
    return max(time.thread_time() - start, 1e-9)


def measure(peer: Peer, documents: Sequence[str], repetitions: int) -> dict[str, float]:
    """Return the seconds of the second half of the documents, by what the object had seen before."""
    half = len(documents) // 2
    first, second = documents[:half], documents[half:]
    times: dict[str, list[float]] = {state: [] for state in STATES}
    for _ in range(repetitions):
        # Not between the passes: a collection reads every object of the process, and what the library had in the
        # processor's caches is gone.
        gc.collect()
        gc.disable()
        try:
            if peer.caches:
                times["cold"].append(clock(peer.make(), second))
            encode = peer.make()
            clock(encode, first)
            times["unseen"].append(clock(encode, second))
            times["warm"].append(clock(encode, second))
        finally:
            gc.enable()
    return {state: statistics.median(values) for state, values in times.items() if values}


def encode_all(peer: Peer, documents: Sequence[str]) -> list[list[int]]:
    """Return the ids of all documents by a fresh object."""
    encode = peer.make()
    return [list(peer.ids(encode(document))) for document in documents]


def differ(found: list[list[int]], expected: list[list[int]]) -> tuple[int, tuple[int, int] | None]:
    """Return how many rows are equal, and the first row and place where two are not."""
    equal, first = 0, None
    for number, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        if ours == theirs:
            equal += 1
        elif first is None:
            pairs = zip(ours, theirs, strict=False)
            first = number, next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(ours), len(theirs)))
    return equal, first


def compare(
    candidates: Sequence[Peer | LeftOut], documents: Sequence[str], *, repetitions: int = 3
) -> Iterator[Rate | LeftOut]:
    """Yield the rates of each library, ours first, and those that are left out.

    Args:
        candidates: What `peers` yields.
        documents: The texts, two or more.
        repetitions: Passes, of which the median counts.

    Raises:
        VocabError: There are too few documents.
        MissingExtraError: No other library is there, so no rate could stand beside a check.
    """
    if len(documents) < 2:
        raise VocabError("too little text to measure: give two documents or more, some ten kilobytes of text")
    own, *others = candidates
    expected, left_out = _reference(others, documents)
    size = sum(len(document.encode()) for document in documents[len(documents) // 2 :])
    ours: dict[str, float] = {}
    for peer in candidates:
        if isinstance(peer, LeftOut) or peer.name in left_out:
            yield left_out[peer.name]
            continue
        try:
            equal, first = differ(encode_all(peer, documents), expected)
            seconds = measure(peer, documents, repetitions)
        except Exception as error:
            if peer is own:
                raise
            yield _failed(peer, error)
            continue
        whole = equal == len(documents)
        if peer is own and whole:
            ours = seconds
        for state, passed in seconds.items():
            ratio = passed / ours[state] if whole and ours else None
            yield Rate(peer.name, state, size / passed / 1e6, ratio, equal, len(documents), first)


def _reference(
    others: Sequence[Peer | LeftOut], documents: Sequence[str]
) -> tuple[list[list[int]], dict[str, LeftOut]]:
    """Return the ids of the first of some libraries that can encode, and those that cannot, by name."""
    left_out = {other.name: other for other in others if isinstance(other, LeftOut)}
    for other in others:
        if isinstance(other, LeftOut):
            continue
        try:
            return encode_all(other, documents), left_out
        except Exception as error:  # A library that cannot read the file is a line of the result.
            left_out[other.name] = _failed(other, error)
    reasons = "; ".join(f"{one.name}: {one.why}" for one in left_out.values())
    raise _extras.MissingExtraError(
        f"there is nothing to compare with, and a speed stands beside a check of the ids only ({reasons})"
    )


def _failed(peer: Peer, error: Exception) -> LeftOut:
    return LeftOut(peer.name, " ".join(str(error).split()))


def times(ratio: float) -> str:
    """Return a ratio with the figures that mean something."""
    return f"{ratio:.1f}x" if ratio >= 1 else f"{ratio:.2f}x"
