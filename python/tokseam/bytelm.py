"""Exact next-byte probabilities from any tokenized language model.

A tokenized model gives probabilities of tokens, so a prompt that ends inside a word asks it a question that it never
learned to answer. The probability that a text starts with bytes `x` is the sum over the *covers* of `x`: the token
sequences whose bytes start with `x` while those of all but the last token do not (the Byte-Token Representation, Phan
et al. 2024, arXiv 2410.09303, section 3). `ByteLM` sums over them exactly.

Rust plans which contexts to score and which ranges to sum; here the model's rows are summed. All logarithms are
natural, all weights in nats. This module needs numpy alone.

Examples:
    >>> from tokseam.bytelm import ByteLM, bundled
    >>> model = ByteLM(*bundled())
    >>> row = model.state(b"    raise ValueErr").next_byte()
    >>> row.logp.shape  # 256 bytes, and the end of the text
    (257,)
    >>> model.generate("    raise ValueErr", max_bytes=3, temperature=0).text
    'or('
"""

from __future__ import annotations

import functools
import math
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tokseam import _bundled, _native, fim
from tokseam.errors import ModelError, PretokenizeError
from tokseam.fim import FimTemplate
from tokseam.numpy_lm import NumpyLM, read_safetensors
from tokseam.tokenizer import Tokenizer, as_bytes, native_of

if TYPE_CHECKING:
    from tokseam.tokenizer import Text

__all__ = [
    "ByteLM",
    "ByteState",
    "Completion",
    "Cover",
    "Ensemble",
    "FimTemplate",
    "FunctionLM",
    "HealPlan",
    "Healed",
    "Row",
    "bundled",
]

Floats = NDArray[np.float64]
# The number of bytes that are taken back, then new bytes, and None where the model ends the text.
_Chunks = Iterator[bytes | int | None]

# The node of the trie that spells nothing.
ROOT = 0

# The column of the end of a text, and the number of columns.
END = 256
COLUMNS = END + 1

# The most bytes of model rows that are asked for in one call.
ROWS_BYTES = 1 << 28

# Bytes between two evaluations of a long text.
CHUNK = 64

# How many sizes back bytes can be taken without asking again, where all cuts are stems.
SEARCHES = 32

# What the sum of a row may be off one: the rounding of half precision, not logits.
SLACK = 0.05

# Taken from -inf it leaves -inf, in float32 too: so the top of what has no mass is no case of its own.
LOWEST = float(np.finfo(np.float32).min)

# Probabilities whose logarithm is above this, times a factor of which that holds too, are exact in float64.
LEAST = _native.ByteKernel.LEAST

NOTHING = "the model gives no probability to any token that may follow"

# Mass below this is rounding, not a row that lacks something.
ROUNDING = 1e-6


class LM(Protocol):
    """What `ByteLM` asks of a model.

    One whose rows are computed elsewhere than in numpy may also have `sums_over(order, ends)`, which returns `Sums`:
    then rows of bytes are summed there, tokens are drawn there, and no row of the model comes to the host.
    """

    vocab_size: int
    end_ids: tuple[int, ...]

    def logprobs(self, contexts: Sequence[tuple[int, ...]]) -> NDArray[Any]:
        """Return natural-log probabilities of shape (contexts, vocab_size)."""


class Sums(Protocol):
    """Where the rows of a model are, are summed and drawn from: for an order of its ids and the ids that end a text.

    Attributes:
        block: Texts are added to a call of `ranges` until their parts have so many numbers.
    """

    block: int

    def whole(self, contexts: list[tuple[int, ...]]) -> Sequence[Any]:
        """Return the rows behind contexts, in the order of ids, wherever they are.

        Raises:
            ModelError: The rows are no log-probabilities.
        """

    def of(self, rows: Sequence[Any], following: _Following) -> tuple[Sequence[Any], list[float], list[float]]:
        """Return rows in the order, with nothing at ids that may not follow.

        Args:
            rows: Those of `whole`.
            following: What may follow the stem of each.

        Returns:
            The rows, as long as the order, wherever they are; the logarithms of the sum of each and of the sum over
            the ids that end a text.

        Raises:
            ModelError: The rows are no log-probabilities.
        """

    def draw(self, row: Any, allowed: NDArray[np.bool_] | None, sampling: _Sampling) -> int:
        """Draw an index of a row or of a part of one: what `_draw` does with it.

        Args:
            row: One of `whole`, or a part of one of `of`.
            allowed: Bool of the shape of the row, or None if all is.
            sampling: How to draw.

        Raises:
            ModelError: The row is none of log-probabilities, or nothing that is allowed has one.
        """

    def tokens(self, parts: Sequence[tuple[Any, int]]) -> list[float]:
        """Return one number of each part of a row, given with the part."""

    def ranges(self, parts: Sequence[Any], weights: Sequence[float], cuts: NDArray[np.int64], texts: int) -> Floats:
        """Return the log-masses of the next bytes of some texts: float64 of shape (texts, 257), nothing in the last.

        Args:
            parts: Parts of rows, those of a text side by side.
            weights: The logarithm of the weight of each.
            cuts: Int64 of shape (3, s): the start of each range in the parts, one behind the other, the number of the
                part that it lies in, and the column that its mass counts for, in the rows of all texts.
            texts: The number of texts. One may have no part.
        """

    def totals(self, parts: list[Any]) -> Floats:
        """Return the logarithms of the sums of parts of rows: float64 of shape (parts,)."""

    def copy(self, part: Any) -> Any:
        """Return a part of a row that does not keep the row alive."""

    def host(self, part: Any) -> Floats:
        """Return a part of a row as float64 in numpy."""


class FunctionLM:
    """Any model, given as a function.

    Args:
        fn: Gets a list of n contexts, each a tuple of ids (the empty one too), and returns the natural-log
            probabilities of the next id: float32 or float64 of shape (n, vocab_size). Impossible ids have -inf.
        vocab_size: The width of a row. It may be larger than the tokenizer's vocabulary: what lies beyond is leak.
        end_ids: The ids that end a text.

    Raises:
        ValueError: `vocab_size` is not positive, or an end id lies outside.
    """

    def __init__(
        self, fn: Callable[[list[tuple[int, ...]]], Any], *, vocab_size: int, end_ids: Iterable[int] = ()
    ) -> None:
        self._fn = fn
        self.vocab_size = int(vocab_size)
        self.end_ids = tuple(dict.fromkeys(int(id) for id in end_ids))
        if self.vocab_size < 1:
            raise ValueError(f"vocab_size is {vocab_size}: it must be the width of a row")
        for id in self.end_ids:
            if not 0 <= id < self.vocab_size:
                raise ValueError(f"end id {id} is not among the {self.vocab_size} ids of the model")

    def logprobs(self, contexts: Sequence[tuple[int, ...]]) -> NDArray[Any]:
        """Return what the function returns for some contexts.

        Args:
            contexts: Tuples of ids; one may be empty.

        Returns:
            Natural logarithms: float64 or float32 of shape (contexts, vocab_size).
        """
        return np.asarray(self._fn(list(contexts)))


class Row(NamedTuple):
    """The distribution of the next byte.

    Attributes:
        logp: float64 of shape (257,): natural-log probabilities of the bytes 0 to 255 and, in column 256, of the end.
        leak: The share of mass, given the bytes so far, that moves to what no text has: inadmissible tokens, special
            tokens that do not end, ids beyond the vocabulary. Rows of `normalize="ratio"` sum to `1 - leak`.
        bound: The total-variation distance to the exact row is at most this; 0 for `tolerance=0`.
    """

    logp: Floats
    leak: float
    bound: float


class Cover(NamedTuple):
    """A cover of some bytes.

    Attributes:
        ids: Its ids, without those of `context_ids`.
        logprob: Its log-probability given the bytes, in nats.
    """

    ids: tuple[int, ...]
    logprob: float


class Healed(NamedTuple):
    """A drawn cover of a prompt.

    Attributes:
        ids: What to go on from: `context_ids` and the cover.
        cut: The number of bytes of the last id that the prompt already has, 0 if the cover fits the prompt exactly.
            What that id has behind them is new text.
        logprob: The log-probability of this cover given the prompt, in nats.
        bound: The total-variation distance of the distribution that it was drawn from to the exact one is at most
            this: 0 unless the rows lacked mass.
    """

    ids: tuple[int, ...]
    cut: int
    logprob: float
    bound: float


class Completion:
    """Generated bytes.

    Attributes:
        data: The bytes behind the prompt, without a stop string.
        finish_reason: `"end"` (the model ended the text), `"stop"` (a stop string came) or `"length"`.
        healed: The number of bytes that were taken back from the prompt.
    """

    def __init__(self, data: bytes, finish_reason: str, healed: int, score: float | Callable[[], float]) -> None:
        self.data = data
        self.finish_reason = finish_reason
        self.healed = healed
        self._score = score

    @property
    def text(self) -> str:
        """The data as text, with U+FFFD for bytes that are no UTF-8."""
        return self.data.decode("utf-8", "replace")

    @property
    def logprob(self) -> float:
        """The joint log-probability, in nats, of the data behind the prompt, over covers, without temperature.

        After generation by tokens it is computed when it is first asked for.
        """
        if callable(self._score):
            self._score = self._score()
        return self._score

    def __reduce__(self) -> tuple[Any, ...]:
        return Completion, (self.data, self.finish_reason, self.healed, self.logprob)

    def __repr__(self) -> str:
        return f"Completion({self.data!r}, finish_reason={self.finish_reason!r}, healed={self.healed})"


class _Scores:
    """What a model says behind one context, in the order of bytes: a range of it."""

    __slots__ = ("base", "can_end", "end", "leak", "logs", "room")

    def __init__(self, logs: Any, end: float, leak: float, can_end: bool, base: int = 0, room: int = 0) -> None:
        # An array of logarithms, `_Masses`, or what a device has; and how much of a row it keeps alive.
        self.logs, self.end, self.leak, self.can_end, self.base = logs, end, leak, can_end, base
        self.room = room or len(logs)

    def has(self, low: int, high: int) -> bool:
        return self.base <= low and high <= self.base + len(self.logs)

    def at(self, place: int) -> tuple[Any, int]:
        """Return what `Sums.tokens` reads a place from."""
        return self.logs, place - self.base

    def slice(self, low: int, high: int) -> Any:
        return self.logs[low - self.base : high - self.base]

    def narrowed(self, low: int, high: int, sums: Sums) -> _Scores:
        """Return a part, which keeps no more than twice its size alive."""
        size = high - low
        if size == len(self.logs):
            return self
        part, room = self.slice(low, high), self.room
        if isinstance(self.logs, _Whole):
            room = size
        elif 2 * size < room:
            part, room = sums.copy(part), size
        return _Scores(part, self.end, self.leak, self.can_end, low, room)


class _Masses:
    """A part of a row as probabilities without a common factor, so that sums of ranges need no exponentials."""

    __slots__ = ("factor", "values")

    def __init__(self, values: Floats, factor: float = 0.0) -> None:
        self.values, self.factor = values, factor

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return _Masses(self.values[place], self.factor)
        value = float(self.values[place])
        return self.factor + math.log(value) if value else -math.inf

    def __sub__(self, log: float) -> _Masses:
        return _Masses(self.values, self.factor - log)

    def total(self) -> float:
        """Return the logarithm of the sum."""
        mass = float(self.values.sum())
        return self.factor + math.log(mass) if mass else -math.inf


class _Whole:
    """A row as probabilities of which only the sums are there that the first byte needs: most is never asked for."""

    __slots__ = ("factor", "following", "row", "stem", "sums", "top")

    def __init__(
        self, following: _Following, stem: _native.Stem, row: NDArray[Any], sums: Floats, top: float, factor: float
    ) -> None:
        self.following, self.stem, self.row, self.sums = following, stem, row, sums
        # The greatest number of the row, and the logarithm of its probability.
        self.top, self.factor = top, factor

    def __len__(self) -> int:
        return self.following.size

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            low, high, _ = place.indices(len(self))
            kernel, ending = self.following.kernel, self.following.ending
            values: Any = kernel.part(self.stem, self.row, self.top, ending, low, high)
            return _Masses(values, self.factor)
        return self[place : place + 1][0]

    def __sub__(self, log: float) -> _Whole:
        return _Whole(self.following, self.stem, self.row, self.sums, self.top, self.factor - log)

    def by_byte(self) -> _Masses:
        """Return the sum of each byte that tokens start with."""
        return _Masses(self.sums, self.factor)


class _Part(NamedTuple):
    """What is to be summed of a head: the log-weight of its stem, its places, and what is known behind the stem."""

    weight: float
    at: int
    exact: int
    high: int
    scores: _Scores | None


class _Plan:
    """A plan of some heads.

    Its nodes are tuples of a number that no other node has, the index of the parent, and the place of the token behind
    it; the first is the base, and each stands behind its parent. Its heads are tuples of the index of the stem's node,
    the node of the trie, and the range of places.
    """

    def __init__(self, native: _native.Plan) -> None:
        self.native = native
        self.nodes = native.nodes()
        self.heads = native.heads()

    def missing(self, scores: dict[int, _Scores], edges: dict[int, float], *, ends: bool = True) -> list[int]:
        """Return the nodes whose rows are needed but are not there, or not the range that is needed.

        Edges that are known need no row; nor, without `ends`, do stems that spell all bytes.
        """
        nodes, missing = self.nodes, dict[int, None]()
        for node, at, exact, high in self.heads:
            if ends or at:
                known = scores.get(nodes[node][0])
                if known is None or not known.has(exact, high):
                    missing[node] = None
        for serial, parent, place in nodes[1:]:
            if serial not in edges:
                known = scores.get(nodes[parent][0])
                if known is None or not known.has(place, place + 1):
                    missing[parent] = None
        return list(missing)

    def weights(self, edges: dict[int, float]) -> list[float | None]:
        """Return the log-weight of each node, if the edges before it are known."""
        logs: list[float | None] = [0.0]
        for serial, parent, _ in self.nodes[1:]:
            edge, above = edges.get(serial), logs[parent]
            logs.append(None if edge is None or above is None else above + edge)
        return logs

    def parts(self, weights: Sequence[float | None], scores: dict[int, _Scores]) -> list[_Part]:
        """Return the heads whose stems have a weight."""
        return [
            _Part(weight, at, exact, high, scores.get(self.nodes[node][0]))
            for node, at, exact, high in self.heads
            if (weight := weights[node]) is not None
        ]


def _rows_at_once(width: int) -> int:
    """Return how many rows are asked for in one call."""
    return max(ROWS_BYTES // (8 * width), 1)


def _log(values: Floats) -> Floats:
    """Return logarithms, -inf for 0."""
    with np.errstate(divide="ignore"):
        logs: Floats = np.log(values)
    return logs


def _log_sum(logs: Floats) -> float:
    top = float(logs.max(initial=-math.inf))
    if top == -math.inf:
        return top
    return top + math.log(float(np.exp(logs - top).sum(dtype=np.float64)))


def _log_add(left: float, right: float) -> float:
    """Return the logarithm of a sum of two."""
    low, high = sorted((left, right))
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


def _segment_log_sums(logs: Floats, starts: NDArray[np.int64]) -> Floats:
    """Return the logarithms of the sums of segments, each with the full precision of its own size."""
    tops = np.maximum(np.maximum.reduceat(logs, starts), LOWEST, dtype=logs.dtype)
    sizes = np.append(starts[1:], len(logs)) - starts
    return tops + _log(np.add.reduceat(np.exp(logs - np.repeat(tops, sizes)), starts, dtype=np.float64))


def _draw(logs: Floats, temperature: float, top_p: float, rng: np.random.Generator) -> int:
    """Draw an index from log-weights, which need not sum to one."""
    if temperature == 0:
        return int(np.argmax(logs))
    scaled = (logs - logs.max()) / temperature
    weights = np.exp(scaled)
    if top_p < 1:
        order = np.argsort(-weights, kind="stable")
        before = np.cumsum(weights[order]) - weights[order]
        weights[order[before >= top_p * weights.sum()]] = 0
    total = np.cumsum(weights)
    index = int(np.searchsorted(total, rng.random() * total[-1], side="right"))
    return min(index, int(np.flatnonzero(weights)[-1]))


def _heaviest(weights: Floats, reached: float, tolerance: float) -> tuple[NDArray[np.intp], float]:
    """Return which stems must be scored, and the log-mass of all.

    A stem without a row can move at most its own weight, so what is known is certain up to the sum of them. Whatever is
    found, the whole mass stays below what is reached and these, so the lightest may wait whose sum stays below the
    tolerance times that; at tolerance 0 none may.

    Args:
        weights: The log-weights of the stems without a row: float64 of shape (stems,).
        reached: The log-mass that is known.
        tolerance: The share of the mass that may stay unknown.
    """
    left = _log_sum(weights)
    order = np.argsort(-weights, kind="stable")
    if not tolerance or not len(weights):
        return order, left
    lightest = np.cumsum(np.exp(weights[order[::-1]] - _log_add(left, reached)))
    return order[: len(order) - int(np.searchsorted(lightest, tolerance, side="right"))], left


class _Following:
    """Which tokens may follow some stems, but for those that end a text."""

    def __init__(self, reader: _Reader, stems: list[_native.Stem]) -> None:
        self.kernel, self.ending, self.size = reader.kernel, reader.ending, len(reader.order)
        self.stems = stems

    def allowed(self) -> NDArray[np.bool_]:
        """Return for each stem and place whether the token may follow: bool of shape (stems, n)."""
        allowed: NDArray[np.bool_] = self.kernel.allowed(self.stems)
        if len(self.ending):
            allowed[:, self.ending] = False
        return allowed

    def masses(self, rows: Sequence[NDArray[Any]], *, normalize: bool) -> tuple[list[_Whole], list[float]] | None:
        """Return rows as probabilities in the order of places, 0 for what may not follow.

        Args:
            rows: Natural-log probabilities of all ids: float32 or float64, all alike.
            normalize: Whether the rows are logits, which lack an addend.

        Returns:
            One for each stem, and the logarithm of the sum over all ids of each row: nan for one that has nan or
            infinity. None if some are too small (`LEAST`).
        """
        found = self.kernel.masses(self.stems, rows, self.ending)
        if found is None:
            return None
        masses, tops, totals = found
        logs = [math.log(total) if total else -math.inf for total in totals]
        factors = [-log for log in logs] if normalize else tops
        whole = [_Whole(self, *row) for row in zip(self.stems, rows, masses, tops, factors, strict=True)]
        return whole, [top + log for top, log in zip(tops, logs, strict=True)]


class _HostSums:
    """The sums of a model whose rows come as arrays of numpy: `Sums`, in float64."""

    # Parts are summed where they are.
    block = sys.maxsize

    def __init__(self, lm: LM, order: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        self._lm, self._order, self._ends = lm, order, ends

    def of(self, rows: Sequence[Floats], following: _Following) -> tuple[Sequence[Any], list[float], list[float]]:
        ends = self.ends(rows, [0.0] * len(rows))
        found = following.masses(rows, normalize=False)
        if found is not None:
            return found[0], [whole.by_byte().total() for whole in found[0]], ends
        masked = [
            np.where(allowed, row[self._order], -math.inf)
            for row, allowed in zip(rows, following.allowed(), strict=True)
        ]
        return masked, self.totals(masked).tolist(), ends

    def ends(self, rows: Sequence[NDArray[Any]], totals: Sequence[float]) -> list[float]:
        """Return the logarithms of what rows whose sums have some logarithms give to the ids that end a text."""
        return [
            functools.reduce(_log_add, row[self._ends].tolist(), -math.inf) - total
            for row, total in zip(rows, totals, strict=True)
        ]

    def whole(self, contexts: list[tuple[int, ...]]) -> Sequence[Floats]:
        """Return checked rows, one for each context, in the order of ids."""
        width = self._lm.vocab_size
        size = _rows_at_once(width)
        made: list[Floats] = []
        for start in range(0, len(contexts), size):
            part = contexts[start : start + size]
            rows = np.asarray(self._lm.logprobs(part))
            if rows.shape != (len(part), width):
                raise ModelError(
                    f"the model returned rows of shape {rows.shape} for {len(part)} contexts; expected "
                    f"{(len(part), width)}: pass the true vocab_size"
                )
            if rows.dtype.kind != "f":
                raise ModelError(f"the model returned {rows.dtype}; expected float32 or float64 log-probabilities")
            rows = rows.astype(np.float64)
            self.check(rows, part)
            made.extend(rows)
        return made

    @staticmethod
    def check(rows: Floats, contexts: list[tuple[int, ...]], *, complete: bool = True) -> None:
        """Raise for rows that are no log-probabilities; bring the sum of each to one where rounding moved it."""
        totals = _native.log_sums(rows)
        # The sum of a row with nan or infinity is nan.
        if any(math.isnan(total) for total in totals):
            row, id = (int(index) for index in np.argwhere(np.isnan(rows) | np.isposinf(rows))[0])
            raise ModelError(
                f"the model returned {rows[row, id]} for id {id} behind a context of {len(contexts[row])} ids: "
                f"expected natural-log probabilities"
            )
        for row, total, context in zip(rows, totals, contexts, strict=True):
            if total > SLACK or (complete and total < -SLACK):
                raise ModelError(
                    f"the probabilities behind a context of {len(context)} ids sum to {math.exp(min(total, 700)):.6g}, "
                    f"not to 1: return log-probabilities (log_softmax), not logits"
                )
            if complete or total > 0:
                row -= total

    def tokens(self, parts: Sequence[tuple[Any, int]]) -> list[float]:
        return [float(part[place]) for part, place in parts]

    def ranges(self, parts: Sequence[Any], weights: Sequence[float], cuts: NDArray[np.int64], texts: int) -> Floats:
        if all(isinstance(part, _Masses) for part in parts):
            factors = [weight + part.factor for weight, part in zip(weights, parts, strict=True)]
            masses: Floats | None = _native.range_sums([part.values for part in parts], factors, cuts, texts)
            if masses is not None:
                return masses
        starts, numbers, columns = cuts
        logs = np.concatenate([self.host(part) for part in parts])
        found = np.array(weights)[numbers] + _segment_log_sums(logs, starts)
        sums = np.full(COLUMNS * texts, -math.inf)
        np.logaddexp.at(sums, columns, found)
        return sums.reshape(texts, COLUMNS)

    def totals(self, parts: Iterable[Any]) -> Floats:
        return np.array([part.total() if isinstance(part, _Masses) else _log_sum(part) for part in parts])

    def draw(self, row: Any, allowed: NDArray[np.bool_] | None, sampling: _Sampling) -> int:
        logs = self.host(row)
        logs = logs if allowed is None else np.where(allowed, logs, -math.inf)
        if np.isneginf(logs).all():
            raise ModelError(NOTHING)
        return sampling.draw(logs)

    def copy(self, part: Any) -> Any:
        return _Masses(part.values.copy(), part.factor) if isinstance(part, _Masses) else part.copy()

    def host(self, part: Any) -> Floats:
        if isinstance(part, _Masses):
            return _log(part.values) + part.factor
        array: Floats = part.astype(np.float64, copy=False)
        return array


class _Reader:
    """What Python knows of the kernel, and the rules by which rows of a model become scores."""

    def __init__(self, lm: LM, tokenizer: Tokenizer, *, admissible: bool, local: bool, utf8: bool) -> None:
        self.lm = lm
        self.local = local
        self.kernel = _native.ByteKernel(native_of(tokenizer), admissible, utf8)
        self.order = self.kernel.order().astype(np.int64)
        self.ends = np.array([id for id in lm.end_ids if id < lm.vocab_size], dtype=np.int64)
        self.ending = np.flatnonzero(np.isin(self.order, self.ends)).astype(np.uint32)
        self.start = self.kernel.start()
        if len(self.order) and int(self.order.max()) >= lm.vocab_size:
            raise ModelError(
                f"the model has {lm.vocab_size} ids, but the tokenizer has a token with id {int(self.order.max())}: "
                f"they do not belong together"
            )
        self.host: Sums = _HostSums(lm, self.order, self.ends)
        sums_over = getattr(lm, "sums_over", None)
        self.sums: Sums = self.host if sums_over is None else sums_over(self.order, self.ends)

    def ask(self, contexts: list[tuple[int, ...]], stems: list[_native.Stem]) -> list[_Scores]:
        """Return the scores of contexts, each with its stem, from one call of the model."""
        return self.scores(self.sums, self.sums.whole(contexts), stems)

    def scores(self, sums: Sums, rows: Sequence[Any], stems: list[_native.Stem]) -> list[_Scores]:
        """Return the scores of stems from their rows."""
        scores = []
        rows, masses, ends = sums.of(rows, _Following(self, stems))
        for logs, mass, end, stem in zip(rows, masses, ends, stems, strict=True):
            can_end = stem.can_end(self.kernel)
            reached = _log_add(mass, end) if can_end else mass
            if not self.local:
                scores.append(_Scores(logs, end, max(-math.expm1(min(reached, 0.0)), 0.0), can_end))
                continue
            if reached == -math.inf:
                raise ModelError(
                    f"the model gives no probability to anything that may follow a context of {len(stem.ids())} "
                    f'ids, so normalize="local" has nothing to normalize'
                )
            scores.append(_Scores(logs - reached, end - reached, 0.0, can_end))
        return scores

    def size(self, heads: _native.Heads) -> int:
        """Return the number of bytes with what the tokenizer writes before every text."""
        return len(heads) + len(self.kernel.prefix())

    def followers(self, stem: _native.Stem | None) -> NDArray[np.bool_]:
        """Return which ids of the model may follow a stem; without one, which are in any text."""
        # What has no bytes and does not end the text is in no text, masked or not.
        allowed = np.zeros(self.lm.vocab_size, dtype=bool)
        allowed[self.order if stem is None else self.order[self.kernel.allowed([stem])[0]]] = True
        allowed[self.ends] = stem is None or stem.can_end(self.kernel)
        return allowed

    def find_edges(
        self, plans: Iterable[tuple[_Plan, dict[int, _Scores], dict[int, float]]], sums: Sums | None = None
    ) -> None:
        """Put the edges of plans that the rows have among the edges, by one reading of these.

        Args:
            plans: Plans, each with the scores that are there, and its edges.
            sums: Where the rows are; by default, where those of the model are.
        """
        places, found = [], []
        for plan, scores, edges in plans:
            nodes = plan.nodes
            for serial, parent, place in nodes[1:]:
                if serial not in edges:
                    known = scores.get(nodes[parent][0])
                    if known is not None and known.has(place, place + 1):
                        places.append(known.at(place))
                        found.append((edges, serial))
        if found:
            for (edges, serial), edge in zip(found, (sums or self.sums).tokens(places), strict=True):
                edges[serial] = edge

    def columns(self, texts: Iterable[list[_Part]]) -> tuple[Floats, list[float]]:
        """Return the log-masses of each next byte and the end of texts, of shape (texts, 257), and of their leaks."""
        blocks, ends, leaks, size = [_Block()], list[float](), list[float](), 0
        for parts in texts:
            end = leaked = -math.inf
            if size > self.sums.block:
                blocks.append(_Block())
                size = 0
            block = blocks[-1]
            for weight, at, exact, high, scores in parts:
                if scores is None:
                    continue
                if exact < high and weight > -math.inf:
                    # All tokens stand behind the root.
                    is_summed = at == ROOT and isinstance(scores.logs, _Whole)
                    part = scores.logs.by_byte() if is_summed else scores.slice(exact, high)
                    block.nodes.append((block.texts, at, is_summed))
                    block.weights.append(weight)
                    block.parts.append(part)
                    size += len(part)
                if at == 0:
                    if scores.leak > 0:
                        leaked = _log_add(leaked, weight + math.log(scores.leak))
                    if scores.can_end:
                        end = _log_add(end, weight + scores.end)
            block.texts += 1
            leaks.append(leaked)
            ends.append(end)
        found = [block.sum(self) for block in blocks]
        columns = found[0] if len(found) == 1 else np.concatenate(found)
        columns[:, END] = ends
        return columns, leaks

    def columns_of(self, parts: list[_Part]) -> tuple[Floats, float]:
        """Return `columns` of one text: of shape (257,), and a number."""
        columns, leaks = self.columns([parts])
        return columns[0], leaks[0]

    def total(self, parts: list[_Part], sums: Sums | None = None) -> float:
        """Return the log-mass of the bytes, as far as rows are known: a stem that spells them all needs none."""
        logs, slices, weights = [-math.inf], [], []
        for weight, at, exact, high, scores in parts:
            if at == 0:
                logs.append(weight)
            elif scores is not None:
                slices.append(scores.slice(exact, high))
                weights.append(weight)
        if slices:
            logs += (np.array(weights) + (sums or self.sums).totals(slices)).tolist()
        return _log_sum(np.array(logs))


class _Block:
    """Texts whose ranges are summed by one call."""

    def __init__(self) -> None:
        self.texts = 0
        self.nodes: list[tuple[int, int, bool]] = []
        self.parts: list[Any] = []
        self.weights: list[float] = []

    def sum(self, reader: _Reader) -> Floats:
        """Return the log-masses of the next bytes: float64 of shape (texts, 257)."""
        if not self.parts:
            return np.full((self.texts, COLUMNS), -math.inf)
        return reader.sums.ranges(self.parts, self.weights, reader.kernel.segments(self.nodes), self.texts)


class _Stem(NamedTuple):
    """A stem where all cuts are stems, with the number of its bytes and its log-weight."""

    native: _native.Stem
    size: int
    weight: float


class _Awake(NamedTuple):
    """A stem whose row is there, and its head."""

    stem: _Stem
    part: _Part


class _Search:
    """The stems of some bytes where all cuts into tokens are stems, as far as they must be known.

    They are too many to be listed, and they cannot be merged: those that spell the same bytes share what goes on from
    them (`Heads.below`), but each is a context of its own, whose row may be any. So stems sleep, with the weight that
    the row of the stem before them gives, and are woken in the order of weight. No mass is lost: a text that starts
    with the bytes does so through a head of a stem that is awake or through one stem that sleeps.

    It does not change. Sizes count what the tokenizer writes before every text.
    """

    def __init__(self, reader: _Reader, size: int, asleep: list[_Stem], awake: list[_Awake]) -> None:
        self.reader, self.size, self.asleep, self.awake = reader, size, asleep, awake

    @classmethod
    def start(cls, reader: _Reader) -> _Search:
        """Return the search before all bytes."""
        return cls(reader, 0, [_Stem(reader.kernel.root(), 0, 0.0)], [])

    def behind(self, heads: _native.Heads) -> _Search:
        """Return the search behind more bytes."""
        size = self.reader.size(heads)
        asleep, awake = list(self.asleep), list[_Awake]()
        known = [(one.stem, one.part.scores) for one in self.awake if one.part.scores is not None]
        self._grow(heads, known, self.size, asleep, awake)
        return _Search(self.reader, size, asleep, awake)

    def _grow(
        self,
        heads: _native.Heads,
        known: list[tuple[_Stem, _Scores]],
        since: int,
        asleep: list[_Stem],
        awake: list[_Awake],
    ) -> None:
        """Add the heads of stems with rows, and the stems that go on from them beyond a size."""
        kernel, order = self.reader.kernel, self.reader.order
        sizes = list({stem.size for stem, _ in known})
        below = dict(zip(sizes, heads.below(kernel, sizes), strict=True))
        steps = [
            (stem, size, place, scores) for stem, scores in known for place, size in below[stem.size][0] if size > since
        ]
        edges = self.reader.sums.tokens([scores.at(place) for *_, place, scores in steps]) if steps else []
        for (stem, size, place, _), edge in zip(steps, edges, strict=True):
            if edge > -math.inf and (native := stem.native.push(kernel, int(order[place]))) is not None:
                asleep.append(_Stem(native, size, stem.weight + edge))
        for stem, scores in known:
            head = below[stem.size][1]
            if head is not None:
                at, _, exact, high = head
                narrow = scores.narrowed(exact, high, self.reader.sums)
                awake.append(_Awake(stem, _Part(stem.weight, at, exact, high, narrow)))

    def settled(
        self,
        heads: _native.Heads,
        context_ids: tuple[int, ...],
        tolerance: float,
        *,
        ends: bool = True,
        leaks: bool = False,
        observed: int | None = None,
    ) -> _Settled:
        """Wake stems behind these bytes until those that sleep move at most a share of the mass.

        Args:
            heads: The bytes.
            context_ids: What stands before every stem.
            tolerance: The share.
            ends: Whether the next byte is asked for; otherwise the mass of the bytes is, and a stem that spells them
                all needs no row.
            leaks: Whether what leaks counts as reached.
            observed: The next byte, if it is known: see `ByteState.next_byte`.

        Raises:
            ModelError: The model returned no log-probabilities, or more stems must be known than are held.
        """
        reader, search = self.reader, self.behind(heads)
        asleep, awake = search.asleep, search.awake
        while True:
            parts = [one.part for one in awake]
            columns, leak = reader.columns_of(parts) if ends else (np.zeros(0), -math.inf)
            waiting = [stem for stem in asleep if ends or stem.size < search.size]
            if not ends:
                whole = [_Part(stem.weight, 0, 0, 0, None) for stem in asleep if stem.size == search.size]
                reached = reader.total(parts + whole)
            else:
                reached = _log_add(_log_sum(columns), leak) if leaks else _log_sum(columns)
            weights = np.array([stem.weight for stem in waiting])
            chosen, left = _heaviest(weights, reached, tolerance)
            if not len(chosen) and waiting and observed is not None and columns[observed] == -math.inf:
                chosen = np.argmax(weights, keepdims=True)
            if not len(chosen):
                return _Settled(_Search(reader, search.size, asleep, awake), columns, leak, reached, left)
            # No more than one call of the model, whose rows are cut to what is left of them before the next.
            woken = [waiting[index] for index in chosen[: _rows_at_once(reader.lm.vocab_size)]]
            contexts = [(*context_ids, *stem.native.ids().tolist()) for stem in woken]
            found = reader.ask(contexts, [stem.native for stem in woken])
            gone = {id(stem) for stem in woken}
            asleep = [stem for stem in asleep if id(stem) not in gone]
            self._grow(heads, list(zip(woken, found, strict=True)), 0, asleep, awake)
            if len(asleep) + len(awake) > reader.kernel.LIMIT:
                raise ModelError(
                    f"more than {reader.kernel.LIMIT} stems of {len(heads)} bytes have a weight that tolerance "
                    f"{tolerance:g} does not leave out, and no fewer rows are certain to come that close: take "
                    f'covers="admissible", a greater tolerance, or give the ids of older text as context_ids'
                )


class _Settled(NamedTuple):
    """A search with the log-masses: of each next byte, of what leaks, of what is known and of what sleeps."""

    search: _Search
    columns: Floats
    leak: float
    reached: float
    asleep: float


class _Model(ABC):
    """What `ByteLM` and `Ensemble` share: everything that needs rows of bytes alone."""

    @abstractmethod
    def state(self, prefix: Text = b"", *, context_ids: Sequence[int] = ()) -> Any:
        """Return the state behind a prefix."""

    def next_byte_logprobs(self, prefixes: Iterable[Text]) -> Floats:
        """Return the rows of some prefixes: float64 of shape (prefixes, 257).

        Natural logarithms; column 256 is the end of the text.

        Args:
            prefixes: Bytes, which may end anywhere, or texts.

        Raises:
            UnicodeError: A prefix does not start a UTF-8 text.
            PretokenizeError: No text starts with a prefix.
            ModelError: The model returned something else than log-probabilities.
        """
        rows = [self.state(prefix).next_byte().logp for prefix in prefixes]
        return np.stack(rows) if rows else np.zeros((0, COLUMNS))

    def logprob(self, text: Text, *, prefix: Text = b"", end: bool = False) -> float:
        """Return the joint log-probability of a text behind a prefix, in nats, over covers.

        Args:
            text: The bytes behind the prefix; they may end inside a character.
            prefix: What is given.
            end: Whether the text must end there.

        Returns:
            `log P(text | prefix)`, -inf for a text that no tokens spell.

        Raises:
            UnicodeError: The prefix or the text is not UTF-8.
            PretokenizeError: No text starts with the prefix.
            ModelError: The model returned something else than log-probabilities.
        """
        result: float = self.state(prefix).logprob(text, end=end)
        return result

    @abstractmethod
    def _is_utf8(self) -> bool:
        """Return whether texts are UTF-8."""

    def _pieces(self, source: _Chunks, max_bytes: int, stop: Text | Iterable[Text], result: _Result) -> Iterator[bytes]:
        return _cut(source, max_bytes, _stops(stop), result, self._is_utf8())

    def _completion(
        self, source: _Chunks, prompt: Text, max_bytes: int, stop: Text | Iterable[Text], context_ids: Sequence[int]
    ) -> Completion:
        result = _Result()
        data = b"".join(self._pieces(source, max_bytes, stop, result))

        def score() -> float:
            found: float = self.state(prompt, context_ids=context_ids).logprob(data)
            return found

        return Completion(data, result.reason, result.healed, score)

    def _byte_chunks(self, prompt: Text, sampling: _Sampling, context_ids: Sequence[int]) -> _Chunks:
        state = self.state(prompt, context_ids=context_ids)
        yield 0
        while True:
            byte = sampling.draw(state.next_byte().logp)
            if byte == END:
                yield None
                return
            data = bytes([byte])
            state.push(data)
            yield data


class _Sampling:
    """How units are drawn."""

    def __init__(self, temperature: float, top_p: float, seed: int | None) -> None:
        if not (temperature >= 0 and math.isfinite(temperature)):
            raise ValueError(f"temperature is {temperature}: it must be 0 or more")
        if not 0 < top_p <= 1:
            raise ValueError(f"top_p is {top_p}: it must be above 0 and at most 1")
        self.temperature, self.top_p = float(temperature), float(top_p)
        self.rng = np.random.default_rng(seed)

    def draw(self, logs: Floats) -> int:
        return _draw(logs, self.temperature, self.top_p, self.rng)


class _Result:
    """What is known when a stream has ended."""

    def __init__(self) -> None:
        self.reason = "length"
        self.healed = 0


def _stops(stop: Text | Iterable[Text]) -> list[bytes]:
    stops = [stop] if isinstance(stop, (str, bytes)) else list(stop)
    encoded = [as_bytes(one) for one in stops]
    if b"" in encoded:
        raise ValueError("a stop string is empty: every text has it")
    return encoded


def _whole(data: bytes) -> int:
    """Return the length without the start of a character at the end."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte & 0xC0 != 0x80:
            size = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) - back if size > back and byte >= 0xC0 else len(data)
    return len(data)


def _cut(source: _Chunks, max_bytes: int, stops: list[bytes], result: _Result, utf8: bool) -> Iterator[bytes]:
    """Yield the bytes of a source up to a stop string, the end or the limit.

    What a stop string or a character may still need is held back.
    """
    if max_bytes < 0:
        raise ValueError(f"max_bytes is {max_bytes}: it must be 0 or more")
    data, given = b"", 0
    healed = next(source)
    result.healed = healed if isinstance(healed, int) else 0
    while len(data) < max_bytes:
        chunk = next(source)
        if not isinstance(chunk, bytes):
            result.reason = "end"
            break
        # A stop string may have begun in what is there already.
        before = len(data)
        data += chunk
        found = [(place, stop) for stop in stops if (place := data.find(stop, max(before - len(stop) + 1, 0))) >= 0]
        if found and min(found)[0] + len(min(found)[1]) <= max_bytes:
            data = data[: min(found)[0]]
            result.reason = "stop"
            break
        held = max(
            (size for stop in stops for size in range(1, len(stop)) if data.endswith(stop[:size])),
            default=0,
        )
        sure = min(len(data) - held, max_bytes)
        sure = _whole(data[:sure]) if utf8 else sure
        if sure > given and len(data) < max_bytes:
            yield data[given:sure]
            given = sure
    data = data[:max_bytes]
    if utf8:
        data = data[: _whole(data)]
    if len(data) > given:
        yield data[given:]


class ByteState:
    """A position in a text: bytes, and what the model said about them.

    Made by `ByteLM.state`. It changes under `push` and `pop`; a failed call leaves it as it was. Calls are locked.
    """

    def __init__(self, model: ByteLM, heads: _native.Heads, context_ids: tuple[int, ...]) -> None:
        self._model = model
        self._heads = heads
        self._context_ids = context_ids
        self._scores: dict[int, _Scores] = {}
        self._edges: dict[int, float] = {}
        # Where all cuts are stems: the searches of the last sizes that were asked for.
        self._searches: list[_Search] = []
        self._row: Row | None = None
        self._lock = threading.RLock()

    def __len__(self) -> int:
        """Return the number of bytes."""
        return len(self._heads)

    def push(self, data: Text) -> ByteState:
        """Put bytes behind the text.

        Args:
            data: Bytes, which may end inside a character, or text.

        Returns:
            The state itself.

        Raises:
            UnicodeError: The bytes are not the start of a UTF-8 text.
            PretokenizeError: No text of the tokenizer goes on like this.
        """
        with self._lock:
            self._heads = self._heads.push(self._model._reader.kernel, data)
            if len(data):
                self._row = None
        return self

    def pop(self, n: int) -> ByteState:
        """Take the last n bytes back.

        Args:
            n: The number of bytes.

        Returns:
            The state itself.

        Raises:
            ValueError: There are not so many.
        """
        with self._lock:
            heads = self._heads.pop(self._model._reader.kernel, n) if n >= 0 else None
            if heads is None:
                raise ValueError(f"{n} bytes cannot be taken back from {len(self)}")
            self._heads = heads
            if n:
                self._row = None
                size = self._model._reader.size(heads)
                self._searches = [search for search in self._searches if search.size <= size]
        return self

    def fork(self) -> ByteState:
        """Return a second state of the same bytes, which shares what is known."""
        with self._lock:
            other = ByteState(self._model, self._heads, self._context_ids)
            other._scores, other._edges, other._row = dict(self._scores), dict(self._edges), self._row
            other._searches = list(self._searches)
            return other

    def next_byte(self, *, observed: int | None = None) -> Row:
        """Return the distribution of the next byte, in nats.

        Args:
            observed: The byte, or 256 for the end, that the row is to score. Under a tolerance all its mass may be
                behind contexts that were left out. Then these are scored too, the heaviest first, until it has some, so
                it has probability 0 only where it has it exactly.

        Raises:
            ModelError: The model returned something else than log-probabilities, or gives no text a probability.
        """
        with self._lock:
            row = self._row or self._prepare([self])[0]
            if observed is None or row.logp[observed] > -math.inf or not row.bound:
                return row
            return self._prepare([self], observed)[0]

    def logprob(self, text: Text, end: bool = False) -> float:
        """Return the joint log-probability of more bytes, in nats, over covers; the state stays as it is.

        Args:
            text: The bytes behind the state.
            end: Whether the text must end there.

        Returns:
            -inf for a text that no tokens spell. It is exact whatever the tolerance is.

        Raises:
            UnicodeError: The bytes are not UTF-8.
            ModelError: The model returned something else than log-probabilities.
        """
        data = as_bytes(text)
        with self._lock:
            state = self.fork()
        total = 0.0
        for start in range(0, len(data), CHUNK):
            part = state._join(data[start : start + CHUNK])
            if part == -math.inf:
                return part
            total += part
        return total + state._end() if end else total

    def _join(self, data: bytes) -> float:
        """Push bytes and return the logarithm of their probability, exactly."""
        reader, before = self._model._reader, self._heads
        below = self._settle(0.0, ends=False).reached if self._model._is_lazy() else None
        try:
            self.push(data)
        except PretokenizeError:
            return -math.inf
        if below is not None:
            return self._settle(0.0, ends=False).reached - below
        plans = [_Plan(self._heads.plan(reader.kernel, before)), _Plan(before.plan(reader.kernel))]
        self._fetch([(self, plan) for plan in plans], ends=False)
        reader.find_edges([(plan, self._scores, self._edges) for plan in plans])
        above, below = (reader.total(plan.parts(plan.weights(self._edges), self._scores)) for plan in plans)
        self._forget(plans[0])
        return above if above == -math.inf else above - below

    def _end(self) -> float:
        """Return the logarithm of the probability that the text ends here, exactly."""
        reader = self._model._reader
        if self._model._is_lazy():
            mass = self._settle(0.0, ends=False).reached
            return float(self._settle(0.0).columns[END]) - mass
        plan = _Plan(self._heads.plan(reader.kernel))
        self._fetch([(self, plan)])
        reader.find_edges([(plan, self._scores, self._edges)])
        parts = plan.parts(plan.weights(self._edges), self._scores)
        return float(reader.columns_of(parts)[0][END]) - reader.total(parts)

    def _settle(self, tolerance: float, *, ends: bool = True, observed: int | None = None) -> _Settled:
        """Wake the stems that must be known, and keep what was found."""
        reader, leaks = self._model._reader, self._model._normalize == "ratio"
        size = reader.size(self._heads)
        search = self._searches[-1] if self._searches else _Search.start(reader)
        # What must be known behind some bytes must be known behind more, and then needs less of a row.
        for end in range(search.size + CHUNK, size, CHUNK):
            heads = self._heads.pop(reader.kernel, size - end)
            if heads is not None:
                search = search.settled(heads, self._context_ids, tolerance, ends=False).search
        found = search.settled(self._heads, self._context_ids, tolerance, ends=ends, leaks=leaks, observed=observed)
        kept = [search for search in self._searches if search.size < size]
        self._searches = [*kept, found.search][-SEARCHES:]
        return found

    def covers(self, limit: int = 20) -> list[Cover]:
        """Return the most probable covers of the bytes, the best first.

        Their log-probabilities are given the bytes, in nats; over all covers the probabilities sum to one. The ids
        leave `context_ids` out.

        Args:
            limit: The most covers to return.

        Raises:
            ModelError: The model returned something else than log-probabilities.
        """
        reader = self._model._reader
        with self._lock:
            heads = self._known_heads(0.0)[0]
            total = reader.total([part for _, part in heads])
            found: list[tuple[float, tuple[int, ...]]] = []
            for native, part in heads:
                stem = tuple(native.ids().tolist())
                if part.at == 0:
                    found.append((part.weight - total, stem))
                elif part.scores is not None:
                    logs = reader.sums.host(part.scores.slice(part.exact, part.high))
                    for place in np.argsort(-logs, kind="stable")[:limit].tolist():
                        if logs[place] > -math.inf:
                            id = int(reader.order[part.exact + place])
                            found.append((part.weight - total + float(logs[place]), (*stem, id)))
        found.sort(key=lambda cover: (-cover[0], cover[1]))
        return [Cover(ids, logprob) for logprob, ids in found[:limit] if logprob > -math.inf]

    def _known_heads(self, tolerance: float) -> tuple[list[tuple[_native.Stem, _Part]], float]:
        """Return the heads with their stems, and the log-mass of those that are left out."""
        reader = self._model._reader
        if self._model._is_lazy():
            done = self._settle(tolerance, ends=False)
            size = done.search.size
            heads = [(one.stem.native, one.part) for one in done.search.awake]
            whole = [stem for stem in done.search.asleep if stem.size == size]
            return heads + [(stem.native, _Part(stem.weight, 0, 0, 0, None)) for stem in whole], done.asleep
        plan = _Plan(self._heads.plan(reader.kernel))
        self._fetch([(self, plan)], ends=False)
        reader.find_edges([(plan, self._scores, self._edges)])
        stems = [plan.native.stem(node) for node, *_ in plan.heads]
        return list(zip(stems, plan.parts(plan.weights(self._edges), self._scores), strict=True)), -math.inf

    @staticmethod
    def _fetch(plans: list[tuple[ByteState, _Plan]], *, ends: bool = True) -> None:
        """Get the rows that plans need and that are not there, in one call: all, or nothing if the model fails.

        The states are of one model.
        """
        wanted: dict[tuple[int, ...], list[tuple[ByteState, _Plan, int]]] = {}
        for state, plan in plans:
            for node in plan.missing(state._scores, state._edges, ends=ends):
                context = plan.native.context(node, state._context_ids)
                wanted.setdefault(context, []).append((state, plan, node))
        if not wanted:
            return
        reader = plans[0][0]._model._reader
        stems = [plan.native.stem(node) for (_, plan, node), *_ in wanted.values()]
        scores = reader.ask(list(wanted), stems)
        for score, users in zip(scores, wanted.values(), strict=True):
            for state, plan, node in users:
                state._scores[plan.nodes[node][0]] = score

    def _forget(self, plan: _Plan) -> None:
        """Keep what the heads of a plan can still ask for."""
        sums, scores = self._model._reader.sums, dict[int, _Scores]()
        for node, _, exact, high in plan.heads:
            serial = plan.nodes[node][0]
            known = self._scores.get(serial)
            if known is not None and known.has(exact, high):
                scores[serial] = known.narrowed(exact, high, sums)
        edges = {serial: edge for serial, *_ in plan.nodes if (edge := self._edges.get(serial)) is not None}
        self._scores, self._edges = scores, edges

    @staticmethod
    def _prepare(states: list[ByteState], observed: int | None = None) -> list[Row]:
        """Make and return the rows of states of one model, in one call of it where all contexts are known before."""
        if not states:
            return []
        model = states[0]._model
        if model._is_lazy() or model._tolerance:
            return [state._make_row(observed) for state in states]
        reader = model._reader
        plans = [(state, _Plan(state._heads.plan(reader.kernel))) for state in states]
        ByteState._fetch(plans)
        reader.find_edges((plan, state._scores, state._edges) for state, plan in plans)
        parts = []
        for state, plan in plans:
            state._forget(plan)
            parts.append(plan.parts(plan.weights(state._edges), state._scores))
        rows = model._rows(*reader.columns(parts), [-math.inf] * len(states))
        for state, row in zip(states, rows, strict=True):
            state._row = row
        return rows

    def _make_row(self, observed: int | None) -> Row:
        """Make and return the row where contexts are chosen by their weight."""
        model = self._model
        if model._is_lazy():
            done = self._settle(model._tolerance, observed=self._possible(observed))
            columns, leak, left = done.columns, done.leak, done.asleep
        else:
            plan = _Plan(self._heads.plan(model._reader.kernel))
            columns, leak, left = self._fetch_enough(plan, model._tolerance, observed)
            self._forget(plan)
        self._row = model._rows(columns[None], [leak], [left])[0]
        return self._row

    def _possible(self, observed: int | None) -> int | None:
        """Return a byte if some text has it here."""
        if observed is None:
            return None
        try:
            # No text ends where an ASCII byte cannot stand.
            self._heads.push(self._model._reader.kernel, bytes([observed % END]))
        except UnicodeError:
            return None
        except PretokenizeError:
            return observed if observed == END else None
        return observed

    def _fetch_enough(self, plan: _Plan, tolerance: float, observed: int | None) -> tuple[Floats, float, float]:
        """Get rows in the order of their weight until what is not known is small enough.

        Returns the log-masses of the next bytes, of the leak, and of what is not known.
        """
        reader, edges = self._model._reader, dict(self._edges)
        # A row that no longer has the range is as good as none.
        missing = plan.missing(self._scores, edges)
        absent = {plan.nodes[node][0] for node in missing}
        scores = {serial: known for serial, known in self._scores.items() if serial not in absent}
        while True:
            reader.find_edges([(plan, scores, edges)])
            weights = plan.weights(edges)
            columns, leak = reader.columns_of(plan.parts(weights, scores))
            reached = _log_sum(columns)
            if self._model._normalize == "ratio":
                reached = _log_add(reached, leak)
            waiting = [
                (node, weight)
                for node in missing
                if plan.nodes[node][0] not in scores and (weight := weights[node]) is not None
            ]
            chosen, left = _heaviest(np.array([weight for _, weight in waiting]), reached, tolerance)
            if not len(chosen) and observed is not None and columns[observed] == -math.inf:
                leading = self._leading_to(plan, observed)
                chosen = np.array([place for place, (node, _) in enumerate(waiting) if node in leading], dtype=np.intp)
                chosen = chosen[np.argsort([-waiting[place][1] for place in chosen], kind="stable")][:1]
            if not len(chosen):
                break
            nodes = [waiting[place][0] for place in chosen]
            contexts = [plan.native.context(node, self._context_ids) for node in nodes]
            found = reader.ask(contexts, [plan.native.stem(node) for node in nodes])
            scores.update((plan.nodes[node][0], one) for node, one in zip(nodes, found, strict=True))
        self._scores, self._edges = scores, edges
        return columns, leak, left

    def _leading_to(self, plan: _Plan, byte: int) -> set[int]:
        """Return the nodes whose rows may give a byte some mass: those of heads that have it, and those before them."""
        if byte == END:
            heads = [node for node, at, *_ in plan.heads if at == 0]
        else:
            lines, bytes = self._model._reader.kernel.segments([(0, at, False) for _, at, *_ in plan.heads])[1:]
            heads = [plan.heads[line][0] for line in lines[bytes == byte].tolist()]
        leading: set[int] = set()
        for node in heads:
            while node not in leading:
                leading.add(node)
                node = plan.nodes[node][1]
        return leading


class ByteLM(_Model):
    """A language model over bytes, made of one over tokens: exact, whatever the tokenizer is.

    Args:
        lm: `FunctionLM`, `tokseam.torch.TransformersLM`, or anything with `vocab_size`, `end_ids` and `logprobs`.
        tokenizer: The model's tokenizer.
        covers: `"admissible"` sums over the sequences that encodings of texts start with; `"all"` over every sequence
            of tokens with the right bytes, which needs no pre-tokenizer and works for every vocabulary. A long text has
            very many of these: contexts are scored in the order of weight until the tolerance is certain, and one
            without weight is not scored, so the model decides how many are needed.
        normalize: `"ratio"`: rows are `P(xb) / P(x)` and sum to `1 - leak`. `"sum"`: they are divided by that.
            `"local"`: every row of the model is first masked to the tokens that may follow, and to the end where the
            text may end, and normalized; nothing leaks.
        tolerance: Contexts may be skipped as long as the row is certain to stay this close to the exact one, in total
            variation; 0 skips none.
        utf8: Whether texts are UTF-8. Without it a text is any bytes; that needs `covers="all"`, since ids are
            admissible if the encoding of a UTF-8 text starts with them: other bytes have no admissible cover.

    Raises:
        UnsupportedTokenizerError: It is not known which sequences are admissible; `covers="all"` works.
        ModelError: The model has fewer ids than the tokenizer.
        ValueError: An argument is out of its range.
    """

    def __init__(
        self,
        lm: LM,
        tokenizer: Tokenizer,
        *,
        covers: Literal["admissible", "all"] = "admissible",
        normalize: Literal["sum", "ratio", "local"] = "sum",
        tolerance: float = 0.0,
        utf8: bool = True,
    ) -> None:
        if covers not in ("admissible", "all"):
            raise ValueError(f'covers is {covers!r}: it must be "admissible" or "all"')
        if normalize not in ("sum", "ratio", "local"):
            raise ValueError(f'normalize is {normalize!r}: it must be "sum", "ratio" or "local"')
        if not 0 <= tolerance < 1:
            raise ValueError(f"tolerance is {tolerance}: it must be at least 0 and below 1")
        if covers == "admissible" and not utf8:
            raise ValueError(
                'utf8=False adds texts that are not UTF-8, but covers="admissible" sums over the starts of encodings '
                'of UTF-8 texts alone, so it would add nothing: pass covers="all" with utf8=False'
            )
        self.lm, self.tokenizer = lm, tokenizer
        self._covers, self._normalize, self._tolerance, self._utf8 = covers, normalize, float(tolerance), utf8
        self._endings: dict[tuple[int, ...], ByteLM] = {}
        self._reader = _Reader(lm, tokenizer, admissible=covers == "admissible", local=normalize == "local", utf8=utf8)

    def __reduce__(self) -> tuple[Any, ...]:
        options = {
            "covers": self._covers,
            "normalize": self._normalize,
            "tolerance": self._tolerance,
            "utf8": self._utf8,
        }
        return _make, (self.lm, self.tokenizer, options)

    def state(self, prefix: Text = b"", *, context_ids: Sequence[int] = ()) -> ByteState:
        """Return the state behind a prefix.

        Args:
            prefix: Bytes, which may end anywhere, or text.
            context_ids: Ids before it that are fixed: special tokens. The text behind them is cut by itself.

        Raises:
            UnicodeError: The prefix does not start a UTF-8 text.
            PretokenizeError: No text of the tokenizer starts with it.
            ModelError: An id of `context_ids` is not one of the model.
        """
        ids = tuple(int(id) for id in context_ids)
        for id in ids:
            if not 0 <= id < self.lm.vocab_size:
                raise ModelError(f"context id {id} is not among the {self.lm.vocab_size} ids of the model")
        return ByteState(self, self._reader.start, ids).push(prefix)

    def next_byte_logprobs(self, prefixes: Iterable[Text]) -> Floats:
        """Return the rows of some prefixes: float64 of shape (prefixes, 257).

        They come from one call of the model, unless contexts are chosen by their weight: under a tolerance, and with
        `covers="all"`. Natural logarithms; column 256 is the end of the text.

        Args:
            prefixes: Bytes, which may end anywhere, or texts.

        Raises:
            UnicodeError: A prefix does not start a UTF-8 text.
            PretokenizeError: No text starts with a prefix.
            ModelError: The model returned something else than log-probabilities.
        """
        states = [self.state(prefix) for prefix in prefixes]
        rows = [row.logp for row in ByteState._prepare(states)]
        return np.stack(rows) if rows else np.zeros((0, COLUMNS))

    def heal_plan(self, prompt: Text, *, context_ids: Sequence[int] = ()) -> HealPlan:
        """Return what an engine has to score to start exactly behind a prompt.

        Args:
            prompt: Bytes, which may end anywhere.
            context_ids: Ids before it that are fixed.

        Raises:
            ModelError: An id of `context_ids` is not one of the model, or, with `covers="all"`, there are too many
                contexts to list.
            PretokenizeError: No text of the tokenizer starts with the prompt.
            UnicodeError: The prompt does not start a UTF-8 text.
        """
        return HealPlan(self, self.state(prompt, context_ids=context_ids))

    def generate(
        self,
        prompt: Text,
        *,
        max_bytes: int,
        unit: Literal["tokens", "bytes"] = "tokens",
        temperature: float = 1.0,
        top_p: float = 1.0,
        stop: Text | Iterable[Text] = (),
        seed: int | None = None,
        context_ids: Sequence[int] = (),
        mask: bool = True,
    ) -> Completion:
        """Go on behind a prompt, which may end anywhere, inside a word or a character.

        Args:
            prompt: The bytes to go on from.
            max_bytes: The most bytes to return; never half a character.
            unit: `"tokens"` draws one cover of the prompt's end from its exact posterior and goes on by tokens,
                `"bytes"` samples rows of bytes.
            temperature: 0 takes the most probable, the lowest on ties. It acts on the unit.
            top_p: Keeps the most probable units that reach this share.
            stop: Byte strings that end the text; they are not returned.
            seed: The same seed gives the same bytes.
            context_ids: Ids before the prompt, fixed: special tokens.
            mask: Whether tokens that no encoding has there are left out. Without it generation by tokens is exact up
                to the leak.

        Returns:
            The bytes behind the prompt, why they end, and their log-probability.

        Raises:
            ValueError: An argument is out of its range.
            ModelError: As `next_byte_logprobs`.
            PretokenizeError: As `next_byte_logprobs`.
            UnicodeError: As `next_byte_logprobs`.
        """
        source = self._chunks(prompt, _Sampling(temperature, top_p, seed), unit, context_ids, mask)
        return self._completion(source, prompt, max_bytes, stop, context_ids)

    def generate_stream(
        self,
        prompt: Text,
        *,
        max_bytes: int,
        unit: Literal["tokens", "bytes"] = "tokens",
        temperature: float = 1.0,
        top_p: float = 1.0,
        stop: Text | Iterable[Text] = (),
        seed: int | None = None,
        context_ids: Sequence[int] = (),
        mask: bool = True,
    ) -> Iterator[bytes]:
        """Yield the bytes of `generate` as they become certain, whole characters at a time.

        Args:
            prompt: As in `generate`.
            max_bytes: As in `generate`.
            unit: As in `generate`.
            temperature: As in `generate`.
            top_p: As in `generate`.
            stop: As in `generate`; what may be the start of one is held back.
            seed: As in `generate`.
            context_ids: As in `generate`.
            mask: As in `generate`.

        Raises:
            ValueError: As `generate`.
            ModelError: As `generate`.
            PretokenizeError: As `generate`.
            UnicodeError: As `generate`.
        """
        source = self._chunks(prompt, _Sampling(temperature, top_p, seed), unit, context_ids, mask)
        return self._pieces(source, max_bytes, stop, _Result())

    def fill(
        self,
        prefix: Text,
        suffix: Text,
        *,
        template: str | FimTemplate,
        heal: bool = True,
        max_bytes: int,
        unit: Literal["tokens", "bytes"] = "tokens",
        temperature: float = 1.0,
        top_p: float = 1.0,
        stop: Text | Iterable[Text] = (),
        seed: int | None = None,
        mask: bool = True,
    ) -> Completion:
        """Fill in the middle between a prefix and a suffix.

        Args:
            prefix: The bytes before the cursor, as they are: nothing is stripped.
            suffix: The bytes behind it.
            template: The name of a template of `tokseam.fim.TEMPLATES`, or a `FimTemplate`.
            heal: Whether the bytes of the prefix whose tokens may still change are taken back and summed over. Without
                it the prefix is cut into tokens as a finished text.
            max_bytes: The most bytes of the middle.
            unit: As in `generate`.
            temperature: As in `generate`.
            top_p: As in `generate`.
            stop: As in `generate`.
            seed: As in `generate`.
            mask: As in `generate`.

        Returns:
            The middle alone; `healed` is the number of bytes of the prefix that were taken back.

        Raises:
            ValueError: There is no such template, or the tokenizer lacks its special tokens.
            ModelError: As `generate`.
            UnicodeError: As `generate`.
        """
        template = fim.find(template)
        prefix = as_bytes(prefix)
        after = tuple(self.tokenizer.encode(suffix).tolist())
        tail = b""
        if not heal:
            before = tuple(self.tokenizer.encode(prefix).tolist())
        else:
            # The trunk of all covers stays; what lies behind it may still change.
            heads = self._reader.start.push(self._reader.kernel, prefix)
            before = tuple(heads.plan(self._reader.kernel).stem(0).ids().tolist())
            kept = sum(len(self.tokenizer.token_bytes(id)) for id in before) - len(self._reader.kernel.prefix())
            tail = prefix[max(kept, 0) :]
        model = self._ending_with(template.stop_ids(self.tokenizer))
        # Where the middle goes on behind the prefix, all of it is summed over.
        prompt, fixed = (prefix, ()) if heal and template.order == "spm" else (tail, before)
        context_ids = template.ids(self.tokenizer, fixed, after)
        done = model.generate(
            prompt,
            max_bytes=max_bytes,
            unit=unit,
            temperature=temperature,
            top_p=top_p,
            stop=stop,
            seed=seed,
            context_ids=context_ids,
            mask=mask,
        )
        return Completion(done.data, done.finish_reason, len(tail), lambda: done.logprob)

    def _ending_with(self, ids: tuple[int, ...]) -> ByteLM:
        """Return the model with more ids that end a text."""
        ends = tuple(dict.fromkeys((*self.lm.end_ids, *(id for id in ids if id < self.lm.vocab_size))))
        if ends == tuple(self.lm.end_ids):
            return self
        known = self._endings.get(ends)
        if known is None:
            make, (lm, tokenizer, options) = self.__reduce__()
            known = self._endings[ends] = make(_Ending(lm, ends), tokenizer, options)
        return known

    def _is_lazy(self) -> bool:
        """Whether stems are made when they are asked for."""
        return self._covers == "all"

    def _rows(self, columns: Floats, leaks: Sequence[float], lefts: Sequence[float]) -> list[Row]:
        """Return the rows of texts from the log-masses of the next bytes, of the leaks, and of what is not known."""
        found, scales = [], []
        for reached, leak, left in zip(_native.log_sums(columns), leaks, lefts, strict=True):
            if reached == -math.inf:
                raise ModelError("the model gives no probability to any text that starts with these bytes")
            total = _log_add(reached, leak)
            scale = total if self._normalize == "ratio" else reached
            scales.append(scale)
            found.append((math.exp(leak - total), math.exp(left - _log_add(scale, left))))
        logs = columns - np.array(scales)[:, None]
        return [Row(line, leak, bound) for line, (leak, bound) in zip(logs, found, strict=True)]

    def _is_utf8(self) -> bool:
        return self._utf8

    def _chunks(self, prompt: Text, sampling: _Sampling, unit: str, context_ids: Sequence[int], mask: bool) -> _Chunks:
        if unit == "bytes":
            return self._byte_chunks(prompt, sampling, context_ids)
        if unit != "tokens":
            raise ValueError(f'unit is {unit!r}: it must be "tokens" or "bytes"')
        return self._token_chunks(prompt, sampling, context_ids, mask)

    def _token_chunks(self, prompt: Text, sampling: _Sampling, context_ids: Sequence[int], mask: bool) -> _Chunks:
        reader, sums = self._reader, self._reader.sums
        stem: _native.Stem | None
        known = None
        if self._is_lazy():
            state = self.state(prompt, context_ids=context_ids)
            healed, stem, _ = _heal(self, *state._known_heads(self._tolerance), state._context_ids, sampling, sums)
        else:
            plan = self.heal_plan(prompt, context_ids=context_ids)
            healed, stem, known = plan._draw(sums.whole(plan.contexts), sampling, sums)
        yield healed.cut
        ids = healed.ids
        stem = stem if mask else None
        if healed.cut:
            yield self.tokenizer.token_bytes(ids[-1])[healed.cut :]
        while True:
            row = sums.whole([ids])[0] if known is None else known
            known = None
            id = sums.draw(row, reader.followers(stem), sampling)
            if id in reader.lm.end_ids:
                yield None
                return
            stem = None if stem is None else stem.push(reader.kernel, id)
            ids = (*ids, id)
            yield self.tokenizer.token_bytes(id)


def _make(lm: LM, tokenizer: Tokenizer, options: dict[str, Any]) -> ByteLM:
    return ByteLM(lm, tokenizer, **options)


class _Ending:
    """A model with other ids that end a text."""

    def __init__(self, lm: LM, end_ids: tuple[int, ...]) -> None:
        self._lm, self.vocab_size, self.end_ids = lm, lm.vocab_size, end_ids
        self.sums_over = getattr(lm, "sums_over", None)

    def logprobs(self, contexts: Sequence[tuple[int, ...]]) -> NDArray[Any]:
        return self._lm.logprobs(contexts)


def bundled() -> tuple[NumpyLM, Tokenizer]:
    """Return the small fill-in-the-middle code model in the package, and its tokenizer.

    1.9 million parameters, trained on CPython's standard library: an example that needs numpy alone, not a model to
    work with. Its templates are `"tokseam"` and `"tokseam-spm"`.
    """
    config, weights, tokenizer = _bundled.model()
    return NumpyLM(config, read_safetensors(weights)), tokenizer


class HealPlan:
    """The contexts that an engine has to score to start exactly behind a prompt.

    Attributes:
        contexts: Tuples of ids, `context_ids` among them; their rows go into `choose`.
    """

    def __init__(self, model: ByteLM, state: ByteState) -> None:
        self._model = model
        self._plan = plan = _Plan(state._heads.plan(model._reader.kernel))
        inner = {parent for _, parent, _ in plan.nodes[1:]} | {node for node, at, *_ in plan.heads if at}
        self._asked = sorted(inner)
        self._fixed = state._context_ids
        self._stems = [plan.native.stem(node) for node in self._asked]
        self.contexts: list[tuple[int, ...]] = [plan.native.context(node, self._fixed) for node in self._asked]

    def choose(self, logprobs: Any, seed: int | None = None, *, temperature: float = 1.0) -> Healed:
        """Draw a cover of the prompt from its posterior.

        Args:
            logprobs: Natural-log probabilities of the next id behind each of `contexts`: float of shape
                (contexts, vocab_size). Ids that an engine does not tell have -inf; what a row then lacks is counted
                in `bound`.
            seed: The same seed draws the same cover.
            temperature: Heads are drawn with their weight to the power 1 / temperature; 0 takes the best.

        Returns:
            The cover, with what the engine goes on from.

        Raises:
            ModelError: The rows are no log-probabilities, or of another shape.
            ValueError: The temperature is negative.
        """
        rows = np.array(logprobs, dtype=np.float64)
        expected = (len(self.contexts), self._model.lm.vocab_size)
        if rows.shape != expected:
            raise ModelError(f"the rows have the shape {rows.shape}; expected {expected}")
        _HostSums.check(rows, self.contexts, complete=False)
        lacks = [max(-math.expm1(min(_log_sum(row), 0.0)), 0.0) for row in rows]
        return self._draw(list(rows), _Sampling(temperature, 1.0, seed), self._model._reader.host, lacks)[0]

    def _draw(
        self, rows: Sequence[Any], sampling: _Sampling, sums: Sums, lacks: Sequence[float] | None = None
    ) -> tuple[Healed, _native.Stem, Any]:
        """Return a drawn cover, its stem, and the row behind it if it is there.

        Args:
            rows: Those of `contexts`.
            sampling: How to draw.
            sums: Where the rows are.
            lacks: The mass that each row lacks; none by default.
        """
        plan, reader = self._plan, self._model._reader
        serials, edges = [plan.nodes[node][0] for node in self._asked], dict[int, float]()
        scores = dict(zip(serials, reader.scores(sums, rows, self._stems), strict=True))
        reader.find_edges([(plan, scores, edges)], sums)
        weights = plan.weights(edges)
        lacking = dict(zip(self._asked, lacks or [0.0] * len(rows), strict=True))
        missing = 0.0
        for node, at, *_ in plan.heads:
            weight = weights[node]
            if at and weight is not None:
                missing += math.exp(weight) * lacking[node]
        # An edge may be among what a row does not tell.
        for node in {parent for _, parent, _ in plan.nodes[1:]}:
            weight = weights[node]
            if lacking[node] > ROUNDING and weight is not None and weight > -math.inf:
                missing += math.exp(weight) * lacking[node]
        known = [weight if weight is not None else -math.inf for weight in weights]
        heads = [
            (plan.native.stem(node), part)
            for (node, *_), part in zip(plan.heads, plan.parts(known, scores), strict=True)
        ]
        left = math.log(missing) if missing > ROUNDING else -math.inf
        healed, stem, choice = _heal(self._model, heads, left, self._fixed, sampling, sums)
        node = plan.heads[choice][0]
        row = rows[self._asked.index(node)] if not healed.cut and node in self._asked else None
        return healed, stem, row


def _heal(
    model: ByteLM,
    heads: list[tuple[_native.Stem, _Part]],
    left: float,
    fixed: tuple[int, ...],
    sampling: _Sampling,
    sums: Sums,
) -> tuple[Healed, _native.Stem, int]:
    """Draw a cover from heads; return it, its stem and the number of the head.

    Args:
        model: The model.
        heads: The heads of a prompt, each with its stem.
        left: The log-mass that is not in them.
        fixed: Ids before the prompt.
        sampling: How to draw.
        sums: Where the rows of the heads are.
    """
    reader = model._reader
    logs = np.array([reader.total([part], sums) for _, part in heads])
    total = _log_sum(logs)
    if total == -math.inf:
        raise ModelError("the model gives no probability to any text that starts with the prompt")
    choice = _draw(logs, sampling.temperature, 1.0, sampling.rng)
    stem, part = heads[choice]
    logprob, cut = float(logs[choice]) - total, 0
    ids = (*fixed, *stem.ids().tolist())
    if part.at and part.scores is not None:
        place = sums.draw(part.scores.slice(part.exact, part.high), None, sampling)
        logprob = part.weight + sums.tokens([part.scores.at(part.exact + place)])[0] - total
        id = int(reader.order[part.exact + place])
        extended = stem.push(reader.kernel, id)
        stem = stem if extended is None else extended
        ids = (*ids, id)
        cut = reader.kernel.depth(part.at)
    return Healed(ids, cut, logprob, math.exp(left - _log_add(total, left))), stem, choice


def _posterior_bound(weights: Floats, lows: Floats, highs: Floats) -> float:
    """Return how far weights may be from the exact ones, in total variation.

    The exact ones, before they are scaled to sum to one, lie between `lows` and `highs`. So one of them is at most
    `high / (high + lows of the others)`, and at least `low / (low + highs of the others)`. The distance is at most the
    sum of what all may rise by, and of what all may fall by. If each is at least `m` and at most `M` times the weight
    that we have, it is also at most `(M - 1) (1 - m) / (M - m)`, since the mean of the factors is one.

    Args:
        weights: Float64 of shape (members,), which sum to one.
        lows: Their logarithms at least, all with the same addend: float64 of shape (members,).
        highs: Their logarithms at most, with the same.
    """
    top = float(highs.max())
    low, high = np.exp(lows - top), np.exp(highs - top)
    others_low = np.array([np.delete(low, member).sum() for member in range(len(low))])
    others_high = np.array([np.delete(high, member).sum() for member in range(len(high))])
    with np.errstate(invalid="ignore", divide="ignore"):
        most = np.where(high > 0, high / (high + others_low), 0.0)
        least = np.where(low > 0, low / (low + others_high), 0.0)
        factors = np.where(weights > 0, most / weights, np.where(most > 0, math.inf, 1.0)).max()
        shrinks = np.where(weights > 0, least / weights, 1.0).min()
    rise, fall = float(np.maximum(most - weights, 0).sum()), float(np.maximum(weights - least, 0).sum())
    bound = min(rise, fall, 1.0)
    if 1 < factors < math.inf and shrinks < 1:
        bound = min(bound, float((factors - 1) * (1 - shrinks) / (factors - shrinks)))
    return max(bound, 0.0)


def _product_bound(logs: Floats, shares: Floats, bounds: Floats) -> float:
    """Return how far the normalized geometric mean of rows may be from that of the exact rows, in total variation.

    Let `g` be the mean of the rows, `h` that of the exact ones, before they are normalized, and `Z` the sum of `g`. The
    distance is at most the greater of the sums of what `h` is above `g` and below it, divided by `Z`. Both are bounded
    apart on a set of columns and on the rest. Each row differs by its bound `b` at most, upwards and downwards.

    On the set: the mean is concave, so it rises by at most `g w / p` times what a row rises by; and as
    `(1 - x) ** w >= 1 - x`, it falls by at most `g / p` times what a row falls by. So the greatest `g / p` of the set
    times `b`, summed over the members, bounds both.

    On the rest, by Hölder's inequality: with the masses `m` of the rows there, `h` is at most the product of
    `(m + b) ** w`; what it is above `g` is, changing one row after the other, at most the sum over the members of
    `b ** w` times the others' `(m + b) ** w`; what it is below is at most `g`.

    The set may be any: those with the least sum of `b g / p` are taken, as many as are best.

    Args:
        logs: The rows of the members that have a say: float64 of shape (members, 257).
        shares: Their weights, which sum to one.
        bounds: Their bounds.
    """
    if not bounds.any():
        return 0.0
    means = shares @ np.where(np.isneginf(logs), LOWEST, logs)
    means = np.where(np.isneginf(logs).any(axis=0), -math.inf, means)
    with np.errstate(invalid="ignore"):
        slopes = np.where(np.isneginf(means), math.inf, np.exp(np.minimum(means - logs, 700)))
    order = np.argsort(bounds @ np.minimum(slopes, np.finfo(np.float32).max), kind="stable")
    # Each number of columns in the set, from none to all.
    highest = np.maximum.accumulate(np.where(bounds[:, None] > 0, slopes[:, order], 0.0), axis=1)
    inside = np.concatenate([[0.0], (np.where(highest > 0, highest, 0.0) * bounds[:, None]).sum(axis=0)])
    rows, mean = np.exp(logs)[:, order], np.exp(means)[order]

    def rest(values: Floats) -> Floats:
        sums = np.cumsum(values[..., ::-1], axis=-1)[..., ::-1]
        return np.concatenate([sums, np.zeros((*sums.shape[:-1], 1))], axis=-1)

    powers = (rest(rows) + bounds[:, None]) ** shares[:, None]
    changes = sum(
        (
            bounds[member] ** shares[member] * np.delete(powers, member, axis=0).prod(axis=0)
            for member in range(len(logs))
        ),
        start=np.zeros(powers.shape[1]),
    )
    outside = np.maximum(np.minimum(powers.prod(axis=0), changes), rest(mean))
    return float(min((inside + outside).min() / mean.sum(), 1.0))


class _EnsembleState:
    """The states of the members, and their weights. Calls are locked."""

    def __init__(self, ensemble: Ensemble, states: list[Any], weights: Floats) -> None:
        self._ensemble, self._states = ensemble, states
        # Log-weights, and what the exact ones are at least and at most before they are scaled.
        self._weights = weights if weights.ndim == 2 else np.stack([weights, weights, weights])
        # Of a posterior mixture, the weights before each byte.
        self._history: list[Floats] = []
        self._lock = threading.RLock()

    def __len__(self) -> int:
        """Return the number of bytes."""
        return len(self._states[0])

    def push(self, data: Text) -> _EnsembleState:
        """Put bytes behind the text of all members, or of none; returns the state itself."""
        data = as_bytes(data)
        with self._lock:
            states, weights, before = [state.fork() for state in self._states], self._weights, []
            # The weights need the rows on the way.
            steps = [bytes([byte]) for byte in data] if self._ensemble.mode == "posterior" else [data]
            for step in steps:
                if self._ensemble.mode == "posterior":
                    before.append(weights)
                    weights = weights + _log_ranges([state.next_byte(observed=step[0]) for state in states], step[0])
                    total = _log_sum(weights[0])
                    if total == -math.inf:
                        raise PretokenizeError(f"no member gives byte 0x{step[0]:02X} a probability")
                    weights = weights - total
                for state in states:
                    state.push(step)
            self._states, self._weights = states, weights
            self._history += before
            return self

    def pop(self, n: int) -> _EnsembleState:
        """Take the last n bytes back; returns the state itself."""
        with self._lock:
            if not 0 <= n <= len(self):
                raise ValueError(f"{n} bytes cannot be taken back from {len(self)}")
            for state in self._states:
                state.pop(n)
            if n and self._history:
                self._weights = self._history[-n]
                del self._history[-n:]
            return self

    def fork(self) -> _EnsembleState:
        """Return a second state of the same bytes."""
        with self._lock:
            other = _EnsembleState(self._ensemble, [state.fork() for state in self._states], self._weights)
            other._history = list(self._history)
            return other

    def next_byte(self, *, observed: int | None = None) -> Row:
        """Return the distribution of the next byte, in nats, with its bound from those of the members.

        A mixture is off by at most the mean of the members' bounds, a posterior by that and by what its weights may be
        off: the value of a row at a byte that came is off by its bound at most. For a product see the mathematics of
        the documentation.

        Args:
            observed: The byte, or 256 for the end, that the row is to score: see `ByteState.next_byte`.

        Raises:
            ModelError: As `ByteState.next_byte`, or the members of a product agree on no byte.
        """
        with self._lock:
            rows = [state.next_byte(observed=observed) for state in self._states]
            weights, lows, highs = self._weights
        logs, bounds = np.stack([row.logp for row in rows]), np.array([row.bound for row in rows])
        shares = np.exp(weights)
        if self._ensemble.mode == "product":
            # A byte that one member excludes is excluded, unless that member has no say.
            says = weights > -math.inf
            scaled = (logs[says] * shares[says, None]).sum(axis=0)
            total = _log_sum(scaled)
            if total == -math.inf:
                raise ModelError("the members agree on no byte: each excludes what the others allow")
            return Row(scaled - total, 0.0, _product_bound(logs[says], shares[says], bounds[says]))
        bound = float(shares @ bounds)
        if not np.array_equal(lows, highs):
            bound = min(bound + _posterior_bound(shares, lows, highs), 1.0)
        mixed = np.logaddexp.reduce(logs + weights[:, None], axis=0)
        return Row(mixed, float(shares @ [row.leak for row in rows]), bound)

    def logprob(self, text: Text, end: bool = False) -> float:
        """Return the log-probability of more bytes, in nats: the sum over the rows on the way.

        Under a tolerance of a member each row is within its bound; a byte has -inf only if it has it exactly.
        """
        data = as_bytes(text)
        state, total = self.fork(), 0.0
        for byte in data:
            total += float(state.next_byte(observed=byte).logp[byte])
            if total == -math.inf:
                return total
            state.push(bytes([byte]))
        return total + float(state.next_byte(observed=END).logp[END]) if end else total


def _log_ranges(rows: list[Row], byte: int) -> Floats:
    """Return the logarithms of what rows give a byte, and of what the exact rows give it at least and at most."""
    values, bounds = np.array([row.logp[byte] for row in rows]), np.array([row.bound for row in rows])
    masses = np.exp(values)
    with np.errstate(divide="ignore"):
        lows, highs = np.log(np.maximum(masses - bounds, 0)), np.log(np.minimum(masses + bounds, 1))
    return np.stack([values, np.where(bounds > 0, lows, values), np.where(bounds > 0, highs, values)])


class Ensemble(_Model):
    """Several models with different vocabularies as one: their rows of bytes are joined.

    Args:
        members: `ByteLM`s, or ensembles.
        mode: `"mixture"`: the weighted mean of the rows, with the same weights at every byte. `"posterior"`: the
            weights are multiplied by what each member gave to each byte that came, which is the mixture of whole
            texts. `"product"`: the weighted geometric mean, normalized.
        weights: One for each member, not negative; they are scaled to sum to one. Equal ones by default.

    The rows' bounds follow from those of the members in each mode: see the mathematics of the documentation.

    Raises:
        ValueError: There is no member, or the weights do not fit.
    """

    def __init__(
        self,
        members: Sequence[ByteLM | Ensemble],
        *,
        mode: Literal["mixture", "posterior", "product"] = "mixture",
        weights: Sequence[float] | None = None,
    ) -> None:
        if mode not in ("mixture", "posterior", "product"):
            raise ValueError(f'mode is {mode!r}: it must be "mixture", "posterior" or "product"')
        self.members, self.mode = list(members), mode
        if not self.members:
            raise ValueError("an ensemble needs a member")
        if len({member._is_utf8() for member in self.members}) > 1:
            raise ValueError("the members differ in utf8: their texts are not the same")
        shares = np.ones(len(self.members)) if weights is None else np.asarray(weights, dtype=np.float64)
        if shares.shape != (len(self.members),) or not np.isfinite(shares).all() or (shares < 0).any():
            raise ValueError(f"weights are {weights!r}: expected {len(self.members)} numbers that are not negative")
        if shares.sum() <= 0:
            raise ValueError("all weights are zero")
        with np.errstate(divide="ignore"):
            self._weights = np.log(shares / shares.sum())

    def state(self, prefix: Text = b"", *, context_ids: Sequence[int] = ()) -> _EnsembleState:
        """Return the state behind a prefix, of all members: `push`, `pop`, `fork`, `next_byte` and `logprob`.

        Args:
            prefix: As in `ByteLM.state`.
            context_ids: As in `ByteLM.state`; each member gets them, so their vocabularies must agree there.

        Raises:
            UnicodeError: The prefix does not start a UTF-8 text.
            PretokenizeError: No text of a member starts with it.
            ModelError: An id of `context_ids` is not one of a member's model.
        """
        states = [member.state(context_ids=context_ids) for member in self.members]
        return _EnsembleState(self, states, self._weights).push(prefix)

    def generate(
        self,
        prompt: Text,
        *,
        max_bytes: int,
        unit: Literal["bytes"] = "bytes",
        temperature: float = 1.0,
        top_p: float = 1.0,
        stop: Text | Iterable[Text] = (),
        seed: int | None = None,
        context_ids: Sequence[int] = (),
    ) -> Completion:
        """Go on behind a prompt, which may end anywhere, by bytes.

        Args:
            prompt: As in `ByteLM.generate`.
            max_bytes: As in `ByteLM.generate`.
            unit: `"bytes"`: tokens are none that the members share.
            temperature: As in `ByteLM.generate`.
            top_p: As in `ByteLM.generate`.
            stop: As in `ByteLM.generate`.
            seed: As in `ByteLM.generate`.
            context_ids: As in `state`.

        Returns:
            As `ByteLM.generate`.

        Raises:
            ValueError: An argument is out of its range.
            ModelError: As `ByteLM.generate`, or the members of a product agree on no byte.
            PretokenizeError: As `ByteLM.generate`.
            UnicodeError: As `ByteLM.generate`.
        """
        source = self._chunks(prompt, _Sampling(temperature, top_p, seed), unit, context_ids)
        return self._completion(source, prompt, max_bytes, stop, context_ids)

    def generate_stream(
        self,
        prompt: Text,
        *,
        max_bytes: int,
        unit: Literal["bytes"] = "bytes",
        temperature: float = 1.0,
        top_p: float = 1.0,
        stop: Text | Iterable[Text] = (),
        seed: int | None = None,
        context_ids: Sequence[int] = (),
    ) -> Iterator[bytes]:
        """Yield the bytes of `generate` as they become certain, whole characters at a time.

        Args:
            prompt: As in `generate`.
            max_bytes: As in `generate`.
            unit: As in `generate`.
            temperature: As in `generate`.
            top_p: As in `generate`.
            stop: As in `generate`; what may be the start of one is held back.
            seed: As in `generate`.
            context_ids: As in `generate`.

        Raises:
            ValueError: As `generate`.
            ModelError: As `generate`.
            PretokenizeError: As `generate`.
            UnicodeError: As `generate`.
        """
        source = self._chunks(prompt, _Sampling(temperature, top_p, seed), unit, context_ids)
        return self._pieces(source, max_bytes, stop, _Result())

    def _chunks(self, prompt: Text, sampling: _Sampling, unit: str, context_ids: Sequence[int]) -> _Chunks:
        if unit != "bytes":
            raise ValueError(f'unit is {unit!r}: the members of an ensemble share bytes alone, so it must be "bytes"')
        return self._byte_chunks(prompt, sampling, context_ids)

    def _is_utf8(self) -> bool:
        return self.members[0]._is_utf8()
