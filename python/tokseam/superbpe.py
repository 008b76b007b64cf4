"""Training of superword tokenizers (SuperBPE), exactly, as a plain `tokenizer.json`.

Two stages of greedy byte-pair encoding: inside words up to `transition` entries, then across words up to `vocab_size`
(Liu et al., "SuperBPE: Space Travel for Language Models", 2025, section 2). The first stage is bit for bit that of
`tokenizers`' `BpeTrainer`; the second continues from what encoding with the inherited merges gives. Counts are 64 bits
wide, texts are streamed and never held, and the result is the same for every number of threads and order of texts.

A run is three counts and two loops. `PretokenCounts`, `PairCounts` and `RunCounts` are the counts; they can be made on
many machines, merged in any order, and trained on with `train_from_counts` and `extend_from_counts`.

Examples:
    >>> from tokseam import superbpe
    >>> corpus = superbpe.files("web/*.jsonl.gz")
    >>> training = superbpe.train(corpus, vocab_size=2000, transition=1500)
    >>> training.tokenizer.save("superwords.json")
    >>> training.at(1800).vocab_size
    1800
"""

from __future__ import annotations

import hashlib
import json
import operator
import os
import sys
import time
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, final, overload

import numpy as np

from tokseam import _arrow, _atomic, _extras, _native
from tokseam._corpus import Batch, Files, Texts, files
from tokseam.errors import TrainError
from tokseam.tokenizer import Tokenizer, as_bytes, cores, native_of

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from tokseam._arrow import Column
    from tokseam.tokenizer import Text

    Corpus = Iterable[Text] | Column | Files
    Progress = bool | Callable[[str, int, int | None], None] | None

__all__ = [
    "Constraints",
    "Files",
    "PairCounts",
    "PretokenCounts",
    "RunCounts",
    "Scheme",
    "Training",
    "extend",
    "extend_from_counts",
    "files",
    "train",
    "train_from_counts",
]

TIE_RULE = "count descending, then smallest (left id, right id)"


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """What a superword may not be. Every rule looks at the token alone and holds for the second stage only.

    The defaults of the first two are what the reference trainer has built in.

    Attributes:
        max_words: The most words; a word is a non-empty piece between U+0020. None is no limit.
        forbid_substrings: What no token may contain.
        cross_newline: Whether anything but line ends may follow a line end inside a token.
        cross_sentence: Whether anything may follow the end of a sentence and white space inside a token.
        trailing_punctuation: Whether a token with a letter or a number may end in punctuation (white space behind it
            not counted).
        cross_script: Whether a token may have letters of two scripts; Han and the kana count as one.

    Raises:
        TrainError: `max_words` is below 1, or `forbid_substrings` is one string or has an empty one.
    """

    max_words: int | None = 4
    forbid_substrings: tuple[str | bytes, ...] = (": ",)
    cross_newline: bool = True
    cross_sentence: bool = True
    trailing_punctuation: bool = True
    cross_script: bool = True

    def __post_init__(self) -> None:
        if self.max_words is not None and self.max_words < 1:
            raise TrainError(f"max_words is at least 1, or None for no limit, not {self.max_words}")
        parts: object = self.forbid_substrings
        if isinstance(parts, (str, bytes)) or not all(self.forbid_substrings):
            raise TrainError(f"forbid_substrings is a tuple of non-empty strings, not {self.forbid_substrings!r}")

    def _native(self) -> tuple[int | None, list[bytes], bool, bool, bool, bool]:
        parts = [as_bytes(part) for part in self.forbid_substrings]
        flags = (self.cross_newline, self.cross_sentence, self.trailing_punctuation, self.cross_script)
        return (self.max_words, parts, *flags)

    def _report(self) -> dict[str, Any]:
        report = asdict(self)
        report["forbid_substrings"] = [
            part if isinstance(part, str) else part.decode(errors="backslashreplace") for part in self.forbid_substrings
        ]
        return report


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """The pre-tokenizers of the two stages.

    Attributes:
        stage1: What cuts words: a regex whose matches are isolated, a component of a `tokenizer.json` as a dict, or a
            pre-tokenizer of `tokenizers`. It must be byte-level.
        stage2: What cuts segments, in training and in the finished tokenizer.
    """

    stage1: Any
    stage2: Any


def _component(value: Any) -> str:
    if isinstance(value, str):
        return _native.split_component(value)
    if isinstance(value, dict):
        return json.dumps(value)
    if hasattr(value, "__getstate__") and type(value).__module__.startswith("tokenizers"):
        state = value.__getstate__()
        return state.decode() if isinstance(state, bytes) else str(state)
    raise TypeError(
        f"a stage is a regex, a dict or a pre-tokenizer of the package tokenizers, not {type(value).__name__}"
    )


def _stages(scheme: str | Scheme) -> tuple[str, str]:
    if isinstance(scheme, Scheme):
        return _component(scheme.stage1), _component(scheme.stage2)
    name: object = scheme
    found = _native.scheme(scheme) if isinstance(name, str) else None
    if found is None:
        raise TrainError(f'scheme is "superbpe", "superbpe-paper" or a Scheme(stage1=..., stage2=...), not {scheme!r}')
    return found


def _check_stages(scheme: str | Scheme, stages: tuple[str, ...]) -> None:
    """Refuse a scheme of the user whose tokenizer could not be told half-written from broken sequences."""
    if isinstance(scheme, Scheme):
        nothing = np.zeros(0, np.uint32)
        for stage in dict.fromkeys(stages):
            text = _native.plain_json([], list(range(256)), nothing, nothing, nothing, stage)
            Tokenizer.from_json(text).is_admissible([])


def _workers(threads: int | None) -> int:
    if threads is None:
        return cores()
    if threads < 1:
        raise TrainError(f"threads is at least 1, or None for one a core, not {threads}")
    return threads


def _limits(min_count: int, max_entries: int) -> tuple[int, int] | None:
    if min_count < 1 or max_entries < 1:
        raise TrainError(f"min_count and max_entries are at least 1, not {min_count} and {max_entries}")
    return None if min_count == 1 else (min_count, max_entries)


def _pyarrow() -> Any:
    return _extras.load("pyarrow", "train", "a count as an Arrow table")


def _metadata(table: pa.Table, kind: str) -> dict[str, Any]:
    found = (table.schema.metadata or {}).get(b"tokseam")
    meta = json.loads(found) if found else {}
    if meta.get("kind") != kind:
        raise TrainError(f"this table holds {meta.get('kind') or 'no counts of ours'}, not {kind}")
    return dict(meta)


def _table(columns: dict[str, Any], meta: dict[str, Any]) -> pa.Table:
    """Return a table with what `_metadata` reads."""
    return _pyarrow().table(columns).replace_schema_metadata({"tokseam": json.dumps(meta)})


def _rows(pa: Any, items: Any, ends: NDArray[np.int64], type: Any) -> Any:
    """Return rows as an Arrow array of `type` (large_binary, or large_list of uint32)."""
    offsets = np.concatenate([np.zeros(1, np.int64), ends])
    if type == pa.large_binary():
        return pa.Array.from_buffers(type, len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(items)])
    return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(items))


class _Counts(ABC):
    """What the three counts share: a native object, and updates in batches."""

    _counts: Any

    def update(self, texts: Corpus, *, lines: bool = False, threads: int | None = None) -> None:
        """Count some texts; call it as often as there are more.

        Args:
            texts: Texts, an Arrow column of them, or `files(...)`.
            lines: Whether each line of a text is a text of its own.
            threads: The number of threads; None is one a core.

        Raises:
            TrainError: A text is not UTF-8 or over 1 GiB.
            VocabError: A byte of a text has no token.
        """
        for batch in Texts(texts, lines).batches():
            self._update(batch, _workers(threads))

    def _update(self, batch: Batch, threads: int) -> None:
        self._counts.update(batch.texts, batch.lines, threads)

    @property
    @abstractmethod
    def totals(self) -> dict[str, int]:
        """What was counted in all, by name."""

    def _part(self) -> _Part:
        """Return what a checkpoint stores."""
        return self._counts.table, self._counts.totals()

    def _resume(self, stored: tuple[list[NDArray[Any]], Any] | None) -> None:
        """Add what a checkpoint stored, if it has something."""
        if stored is not None:
            arrays, totals = stored
            self._counts.add(*arrays, tuple(totals))

    def merge(self, other: Any) -> None:
        """Add other counts to these; the order does not matter.

        Args:
            other: Counts of the same kind.

        Raises:
            TrainError: The other counts are of another scheme, tokenizer or barrier.
            TypeError: They are of another kind.
        """
        if type(other) is not type(self):
            raise TypeError(f"{type(self).__name__} merges with its own kind only, not {type(other).__name__}")
        if other is self:
            raise TrainError("counts cannot be merged with themselves")
        self._counts.merge(other._counts)

    def __len__(self) -> int:
        """Return the number of distinct entries."""
        return len(self._counts)


@final
class PretokenCounts(_Counts):
    """How often each pretoken of the first stage came: all that the first stage needs of a text.

    Args:
        scheme: As in `train`.
        min_count: Above 1, pretokens that came less often are dropped whenever there are more than `max_entries`. That
            saves memory and is no longer exact; the report says how many were dropped.
        max_entries: See `min_count`.

    Raises:
        TrainError: There is no such scheme, or a limit is below 1.
        TypeError: A stage of the scheme is no regex, dict or pre-tokenizer.
        UnsupportedTokenizerError: A pre-tokenizer of the scheme is not supported.
    """

    def __init__(
        self, scheme: str | Scheme = "superbpe", *, min_count: int = 1, max_entries: int = 100_000_000
    ) -> None:
        self._component = _stages(scheme)[0]
        self._counts = _native.PretokenCounts(self._component, _limits(min_count, max_entries))

    @property
    def totals(self) -> dict[str, int]:
        """Texts and bytes counted, entries dropped and the sum of their counts."""
        names = ("texts", "bytes", "spilled_entries", "spilled_count")
        return dict(zip(names, self._counts.totals(), strict=True))

    def to_arrow(self) -> pa.Table:
        """Return the columns `pretoken` (large_binary) and `count` (uint64), with what else belongs to them.

        Raises:
            ImportError: pyarrow is not installed.
        """
        pa = _pyarrow()
        items, ends, counts = self._counts.table()
        meta = {"kind": "pretokens", "pre_tokenizer": self._component, "totals": list(self._counts.totals())}
        columns = {"pretoken": _rows(pa, items, ends, pa.large_binary()), "count": pa.array(counts)}
        return _table(columns, meta)

    @classmethod
    def from_arrow(cls, table: pa.Table) -> PretokenCounts:
        """Return the counts of a table that `to_arrow` made.

        Args:
            table: The table.

        Raises:
            TrainError: The table is no such table.
        """
        meta = _metadata(table, "pretokens")
        self = cls.__new__(cls)
        self._component = meta["pre_tokenizer"]
        self._counts = _native.PretokenCounts(self._component, None)
        counts = _column(table, "count", np.uint64)
        totals = tuple(meta["totals"])
        self._counts.add(np.zeros(0, np.uint8), np.zeros(0, np.int64), counts[:0], totals)
        for items, offsets in _arrow.packed(_arrow.texts(table.column("pretoken"))):
            rows = len(offsets) - 1
            self._counts.add(items, offsets[1:], counts[:rows], (0, 0, 0, 0))
            counts = counts[rows:]
        return self


def _column(table: pa.Table, name: str, dtype: Any) -> NDArray[Any]:
    return np.ascontiguousarray(table.column(name).to_numpy(), dtype=dtype)


@final
class PairCounts(_Counts):
    """How often each pair of neighbours came in the text as `tokenizer` encodes it before the second stage.

    Args:
        tokenizer: What is extended: any byte-level tokenizer.
        scheme: Its second stage cuts the text, instead of the tokenizer's own pre-tokenizer.
        min_count: As in `PretokenCounts`.
        max_entries: As in `PretokenCounts`.

    Raises:
        TrainError: As `PretokenCounts`; also a tokenizer that is not byte-level.
        TypeError: As `PretokenCounts`.
        UnsupportedTokenizerError: As `PretokenCounts`.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        scheme: str | Scheme = "superbpe",
        *,
        min_count: int = 1,
        max_entries: int = 200_000_000,
    ) -> None:
        self._tokenizer = tokenizer
        self._component = _stages(scheme)[1]
        self._counts = _native.PairCounts(native_of(tokenizer), self._component, _limits(min_count, max_entries))

    @property
    def totals(self) -> dict[str, int]:
        """Texts, bytes and tokens counted, entries dropped and the sum of their counts."""
        names = ("texts", "bytes", "tokens", "spilled_entries", "spilled_count")
        return dict(zip(names, self._counts.totals(), strict=True))

    def guess_barrier(self, merges: int) -> int:
        """Return a barrier for `RunCounts`: a guess, from below, of the count of the last of so many merges.

        Args:
            merges: The number of merges that will be made.
        """
        return int(self._counts.guess_barrier(max(0, merges)))

    def _part(self, barrier: int = 1) -> _Part:
        """Return what a checkpoint stores: all pairs, or those that a barrier leaves."""

        def table() -> list[NDArray[Any]]:
            columns = self._counts.table()
            return [*(column[columns[2] >= barrier] for column in columns), self._counts.seen()]

        return table, self._counts.totals()

    def _resume(self, stored: tuple[list[NDArray[Any]], Any] | None) -> None:
        if stored is not None:
            (*columns, seen), totals = stored
            super()._resume((columns, totals))
            self._counts.see(seen)

    def to_arrow(self) -> pa.Table:
        """Return the columns `left`, `right` (uint32) and `count` (uint64), with what else belongs to them.

        Raises:
            ImportError: pyarrow is not installed.
        """
        pa = _pyarrow()
        left, right, counts = self._counts.table()
        meta = {
            "kind": "pairs",
            "fingerprint": self._counts.fingerprint(),
            "pre_tokenizer": self._component,
            "totals": list(self._counts.totals()),
        }
        columns = {"left": pa.array(left), "right": pa.array(right), "count": pa.array(counts)}
        return _table(columns, meta)

    @classmethod
    def from_arrow(cls, table: pa.Table, tokenizer: Tokenizer) -> PairCounts:
        """Return the counts of a table that `to_arrow` made, for the same tokenizer.

        Args:
            table: The table.
            tokenizer: The tokenizer that the counts were made with.

        Raises:
            TrainError: The table is no such table, or of another tokenizer.
        """
        meta = _metadata(table, "pairs")
        self = cls.__new__(cls)
        self._tokenizer, self._component = tokenizer, meta["pre_tokenizer"]
        self._counts = _native.PairCounts(native_of(tokenizer), self._component, None)
        _same(self._counts, meta)
        columns = (_column(table, "left", np.uint32), _column(table, "right", np.uint32))
        self._counts.add(*columns, _column(table, "count", np.uint64), tuple(meta["totals"]))
        return self


def _same(counts: Any, meta: Mapping[str, Any]) -> None:
    if counts.fingerprint() != meta["fingerprint"]:
        raise TrainError("these counts are of another tokenizer; give the one that they were made with")


@final
class RunCounts(_Counts):
    """The text as `tokenizer` encodes it before the second stage, as distinct runs with their counts.

    Runs are cut where a pair came less often than `barrier`. That changes nothing as long as the last merge comes at
    least `barrier` times, which `extend_from_counts` checks.

    Args:
        tokenizer: The tokenizer of `pairs`.
        pairs: The pairs of the whole text.
        barrier: The barrier; None guesses one for `vocab_size`.
        vocab_size: The size that will be asked for; only for the guess.

    Raises:
        TrainError: The pairs are of another tokenizer, the barrier is below 1, or there is neither it nor `vocab_size`.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        pairs: PairCounts,
        barrier: int | None = None,
        *,
        vocab_size: int | None = None,
    ) -> None:
        if tokenizer != pairs._tokenizer:
            raise TrainError("the pairs are of another tokenizer; give the one that they were made with")
        if barrier is None:
            if vocab_size is None:
                raise TrainError("give a barrier, or the vocab_size to guess one for")
            barrier = pairs.guess_barrier(vocab_size - tokenizer.vocab_size)
        if barrier < 1:
            raise TrainError(f"a barrier is at least 1 (nothing is cut), not {barrier}")
        self._tokenizer, self._component = tokenizer, pairs._component
        self._spilled = pairs.totals["spilled_entries"]
        self._counts = _native.RunCounts(pairs._counts, barrier)

    @property
    def barrier(self) -> int:
        """The count below which pairs were cut."""
        return int(self._counts.barrier())

    @property
    def totals(self) -> dict[str, int]:
        """Texts, bytes and tokens counted."""
        return dict(zip(("texts", "bytes", "tokens"), self._counts.totals(), strict=True))

    def to_arrow(self) -> pa.Table:
        """Return the columns `run` (large_list of uint32) and `count` (uint64), with what else belongs to them.

        Raises:
            ImportError: pyarrow is not installed.
        """
        pa = _pyarrow()
        items, ends, counts = self._counts.table()
        meta = {"kind": "runs", **self._meta()}
        columns = {"run": _rows(pa, items, ends, pa.large_list(pa.uint32())), "count": pa.array(counts)}
        return _table(columns, meta)

    @classmethod
    def from_arrow(cls, table: pa.Table, tokenizer: Tokenizer) -> RunCounts:
        """Return the counts of a table that `to_arrow` made, for the same tokenizer. They merge, and can be trained on.

        Args:
            table: The table.
            tokenizer: The tokenizer that the counts were made with.

        Raises:
            TrainError: The table is no such table, or of another tokenizer.
        """
        meta = _metadata(table, "runs")
        column = table.column("run").combine_chunks()
        pa = _pyarrow()
        column = column.cast(pa.large_list(pa.uint32()))
        ends = np.asarray(column.offsets, np.int64)[1:]
        state = (
            np.ascontiguousarray(column.values, np.uint32),
            np.ascontiguousarray(ends),
            _column(table, "count", np.uint64),
        )
        return cls._from_table(tokenizer, meta, state)

    def _part(self) -> _Part:
        return self._counts.table, self._meta()

    def _resume(self, stored: tuple[list[NDArray[Any]], Any] | None) -> None:
        if stored is not None:
            super()._resume((stored[0], stored[1]["totals"]))

    def _meta(self) -> dict[str, Any]:
        """Return what belongs to the table of the native object."""
        return {
            "fingerprint": self._counts.fingerprint(),
            "pre_tokenizer": self._component,
            "barrier": self.barrier,
            "spilled": self._spilled,
            "totals": list(self._counts.totals()),
        }

    @classmethod
    def _from_table(cls, tokenizer: Tokenizer, meta: Mapping[str, Any], state: Sequence[Any]) -> RunCounts:
        self = cls.__new__(cls)
        self._tokenizer, self._component = tokenizer, meta["pre_tokenizer"]
        self._spilled = meta["spilled"]
        self._counts = _native.RunCounts.gathered(tokenizer._native, self._component, meta["barrier"])
        _same(self._counts, meta)
        self._counts.add(*state, tuple(meta["totals"]))
        return self


class _Steps(NamedTuple):
    """What a stage learned.

    Attributes:
        left: The left ids of the merges.
        right: The right ids.
        result: The ids of what they make.
        counts: How often the pairs stood in the text.
        applied: How many tokens the text lost.
        vetoes: Of each pair that was passed over its left id, right id, the merges before, and whether it would have
            spelled an added token; shape (vetoes, 4).
        stop: Why there are no more.
        start: The tokens of the text before the first merge.
    """

    left: NDArray[np.uint32]
    right: NDArray[np.uint32]
    result: NDArray[np.uint32]
    counts: NDArray[np.uint64]
    applied: NDArray[np.uint64]
    vetoes: NDArray[np.uint32]
    stop: str
    start: int

    @classmethod
    def of(cls, arrays: Sequence[NDArray[Any]], stop: str, start: int) -> _Steps:
        left, right, result, counts, applied, vetoes = arrays
        return cls(left, right, result, counts, applied, vetoes.reshape(-1, 4), stop, start)

    @property
    def vetoed(self) -> int:
        """How many pairs a constraint forbade."""
        return len(self.vetoes) - self.special_vetoes

    @property
    def special_vetoes(self) -> int:
        """How many pairs would have spelled an added token."""
        return int(np.count_nonzero(self.vetoes[:, 3]))

    def arrays(self) -> list[NDArray[Any]]:
        return [*self[:5], self.vetoes.ravel()]

    def cut(self, merges: int) -> _Steps:
        """Return what a run that ends with so many merges would have learned."""
        return self._replace(
            left=self.left[:merges],
            right=self.right[:merges],
            result=self.result[:merges],
            counts=self.counts[:merges],
            applied=self.applied[:merges],
            vetoes=self.vetoes[self.vetoes[:, 2] < merges],
        )

    def ids(self, *more: _Steps) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32]]:
        """Return the left, right and result ids of these merges and then of others."""
        parts = (self, *more)
        left = np.concatenate([part.left for part in parts])
        right = np.concatenate([part.right for part in parts])
        return left, right, np.concatenate([part.result for part in parts])


_NO_STEPS = _Steps.of([np.zeros(0, np.uint32)] * 3 + [np.zeros(0, np.uint64)] * 2 + [np.zeros(0, np.uint32)], "full", 0)


@dataclass(frozen=True)
class _Recipe:
    """How to write the tokenizer of a run after any number of merges.

    Attributes:
        base: The tokenizer that was extended; None for a run from the start.
        special_tokens: Those of a run from the start.
        alphabet: The bytes of a run from the start.
        pre_tokenizers: Of the two stages, as JSON.
        first: The vocabulary size before the first merge.
        transition: The size at which the second stage began.
        words: The merges of the first stage.
        kept: Those that the second stage inherited, by their new ids.
        across: The merges of the second stage; None if there is none.
        bytes: The bytes of the text.
    """

    base: Tokenizer | None
    special_tokens: tuple[str, ...]
    alphabet: bytes
    pre_tokenizers: tuple[str, str]
    first: int
    transition: int
    words: _Steps
    kept: _Steps
    across: _Steps | None
    bytes: int

    @property
    def parts(self) -> list[_Steps]:
        """The merges that the tokenizer has, stage by stage."""
        return [self.kept] if self.across is None else [self.kept, self.across]

    @property
    def size(self) -> int:
        """The vocabulary size after all merges."""
        if self.base is None:
            return self.first + sum(len(part.left) for part in self.parts)
        sizes = _sizes(self.parts[-1], self.first)
        return int(sizes[-1]) if len(sizes) else self.first

    def write(self, size: int | None = None) -> str:
        """Return the `tokenizer.json` of a size; of the whole run if none is given."""
        across = self.across
        if self.base is not None and across is not None:
            if size is not None:
                across = across.cut(int(np.searchsorted(_sizes(across, self.first), size, side="right")))
            return _native.extended_json(self.base._native, *across.ids(), self.pre_tokenizers[1])
        if across is None or (size is not None and size <= self.transition):
            return self._plain(0, self.words if size is None else self.words.cut(size - self.first))
        if size is not None:
            across = across.cut(size - self.first - len(self.kept.left))
        return self._plain(1, self.kept, across)

    def inherited(self) -> Tokenizer:
        """Return the tokenizer that the second stage starts from."""
        return Tokenizer.from_json(self._plain(0, self.kept))

    def _plain(self, stage: int, steps: _Steps, *more: _Steps) -> str:
        names, alphabet = list(self.special_tokens), list(self.alphabet)
        return _native.plain_json(names, alphabet, *steps.ids(*more), self.pre_tokenizers[stage])


def _sizes(steps: _Steps, first: int) -> NDArray[np.int64]:
    """Return the vocabulary size after each merge; one that makes a known token does not grow it."""
    return np.maximum.accumulate(np.maximum(steps.result.astype(np.int64) + 1, first))


@final
class Training:
    """What a run learned. Make one with `train`, `extend`, or from counts.

    Attributes:
        tokenizer: The tokenizer, ready to use; `tokenizer.save(path)` writes the `tokenizer.json`.
        merges: The merges in order, as pairs of bytes; those of `extend` are the new ones alone.
        counts: How often each merge's pair stood in the text when it was made, overlapping pairs counted: uint64,
            shape (merges,). That of an inherited merge is its count in the first stage.
        report: What happened, as a dict that `json.dumps` takes.
    """

    def __init__(self, recipe: _Recipe, report: dict[str, Any]) -> None:
        self._recipe = recipe
        self.tokenizer = Tokenizer.from_json(recipe.write())
        self.counts: NDArray[np.uint64] = np.concatenate([part.counts for part in recipe.parts])
        self.merges: list[tuple[bytes, bytes]] = [
            pair for part in recipe.parts for pair in self.tokenizer._native.token_pairs(part.left, part.right)
        ]
        digest = hashlib.sha256()
        for part in recipe.parts:
            digest.update(self.tokenizer._native.spell_pairs(part.left, part.right))
        unmade = [_shown(self.tokenizer, id) for id in self.tokenizer._native.unmade().tolist()]
        results = np.concatenate([part.result for part in recipe.parts])
        self.report: dict[str, Any] = report | {
            "size": recipe.size,
            "merges": len(self.merges),
            "merges_sha256": digest.hexdigest(),
            "tie_rule": TIE_RULE,
            "every_token_reencodes": not unmade,
            "tokens_that_do_not_reencode": unmade,
            "one_merge_per_token": len(np.unique(results)) == len(results),
        }

    def __repr__(self) -> str:
        """Return the sizes."""
        return f"Training(vocab_size={self._recipe.size}, merges={len(self.merges)})"

    def at(self, vocab_size: int) -> Tokenizer:
        """Return the tokenizer of a smaller vocabulary, as a run of that size would have given it.

        Up to `transition` it is the plain BPE tokenizer, with the pre-tokenizer of the first stage.

        Args:
            vocab_size: The size: entries, special tokens and alphabet included.

        Raises:
            TrainError: The run has no such size.
        """
        vocab_size = operator.index(vocab_size)
        first, size = self._recipe.first, self._recipe.size
        if not first <= vocab_size <= size:
            raise TrainError(f"vocab_size {vocab_size} is not in this run: it has {first} to {size}")
        return Tokenizer.from_json(self._recipe.write(vocab_size))

    def curve(self) -> NDArray[np.float64]:
        """Return the bytes per token of the training text at every vocabulary size: float64, shape (sizes,).

        Entry `k` is for `first + k` entries, `first` being the special tokens and the alphabet (for `extend`, the size
        of the tokenizer that was extended); the last entry is the full size. Below `transition` the text is cut as in
        the first stage, from there on as in the second.
        """
        recipe = self._recipe
        tokens = np.zeros(recipe.size - recipe.first + 1, np.float64)
        if recipe.base is None:
            words = _remaining(recipe.words)[: len(tokens)]
            tokens[: len(words)] = words
            if recipe.across is not None:
                tokens[len(recipe.kept.left) :] = _remaining(recipe.across)
        else:
            across = recipe.parts[-1]
            remaining = _remaining(across)
            tokens[0] = remaining[0]
            # A merge that does not grow the vocabulary belongs to the size before it.
            tokens[_sizes(across, recipe.first) - recipe.first] = remaining[1:]
        return np.divide(float(recipe.bytes), tokens, out=np.zeros_like(tokens), where=tokens > 0)


def _remaining(steps: _Steps) -> NDArray[np.float64]:
    """Return the tokens of the text before the first merge and after each."""
    lost = np.concatenate([np.zeros(1, np.uint64), np.cumsum(steps.applied, dtype=np.uint64)])
    return (np.uint64(steps.start) - lost).astype(np.float64)


class _Watch:
    """Progress, for a callable, or as a bar on standard error."""

    def __init__(self, progress: Progress) -> None:
        self._call = progress if callable(progress) else None
        self._tqdm: Any = None
        if self._call is None and (progress or (progress is None and sys.stderr.isatty())):
            try:
                self._tqdm = _extras.load("tqdm", "cli", "a progress bar").tqdm
            except ImportError:
                if progress:
                    raise

    def stage(self, name: str, total: int | None, unit: str) -> _Stage:
        bar = self._tqdm and self._tqdm(total=total, desc=name, unit=unit, unit_scale=True, file=sys.stderr)
        return _Stage(self._call, bar, name, total)


class _Stage:
    """One stage of the work."""

    def __init__(self, call: Any, bar: Any, name: str, total: int | None) -> None:
        self._call, self._bar = call, bar
        self._name, self._total = name, total
        self._done = 0

    def __enter__(self) -> _Stage:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def at(self, done: int) -> None:
        """Show how much is done."""
        if self._call is not None:
            self._call(self._name, done, self._total)
        if self._bar is not None:
            self._bar.update(done - self._done)
        self._done = done


# A part of a checkpoint: what makes its arrays, and what belongs to them.
_Part = tuple[Callable[[], Sequence["NDArray[Any]"]], Any]


class _Checkpoint:
    """What a run has so far, in one file that is written beside and renamed.

    Parts that are done stay in it; those that are being made are stored now and then, and only until something else is.
    """

    def __init__(self, path: str | os.PathLike[str] | None, settings: dict[str, Any], seconds: float) -> None:
        if not seconds >= 0:
            raise TrainError(f"checkpoint_seconds is at least 0, not {seconds}")
        self._path = None if path is None else Path(path)
        self._seconds = seconds
        self._done: dict[str, tuple[list[NDArray[Any]], Any]] = {}
        self._making: dict[str, tuple[list[NDArray[Any]], Any]] = {}
        self._settings = json.loads(json.dumps(settings))
        self._saved = time.monotonic()
        if self._path is None:
            return
        if not self._path.exists():
            self._save()
            return
        try:
            with np.load(self._path, allow_pickle=False) as stored:
                found = json.loads(stored["meta"].tobytes())
                settings = found["settings"]
                for kind, parts in (("done", self._done), ("making", self._making)):
                    for name, (arrays, meta) in found[kind].items():
                        parts[name] = ([stored[f"{kind}.{name}.{index}"] for index in range(arrays)], meta)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise TrainError(f"{self._path} is no checkpoint ({error}); remove it to start anew") from error
        for name, value in self._settings.items():
            if settings.get(name) != value:
                raise TrainError(
                    f"{self._path} is the checkpoint of another run: {name} is {settings.get(name)!r} there and "
                    f"{value!r} here; give the same settings, or remove it to start anew"
                )

    def _save(self) -> None:
        if self._path is None:
            return
        kinds = {"done": self._done, "making": self._making}
        found = {kind: {name: [len(part[0]), part[1]] for name, part in parts.items()} for kind, parts in kinds.items()}
        meta = json.dumps({"settings": self._settings, **found}).encode()
        arrays: dict[str, Any] = {"meta": np.frombuffer(meta, np.uint8)}
        for kind, parts in kinds.items():
            for name, (rows, _) in parts.items():
                arrays |= {f"{kind}.{name}.{index}": array for index, array in enumerate(rows)}
        _atomic.write(self._path, lambda file: np.savez(file, **arrays), alone=True)
        self._saved = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether it is time to store what is being made."""
        return self._path is not None and time.monotonic() - self._saved >= self._seconds

    def put(self, parts: Mapping[str, _Part]) -> None:
        """Store parts that are done."""
        if self._path is None:
            return
        self._making = {}
        self._done |= {name: (list(arrays()), meta) for name, (arrays, meta) in parts.items()}
        self._save()

    def keep(self, parts: Mapping[str, _Part]) -> None:
        """Store parts that are being made."""
        self._making = {name: (list(arrays()), meta) for name, (arrays, meta) in parts.items()}
        self._save()
        self._making = {}

    def get(self, name: str) -> tuple[list[NDArray[Any]], Any] | None:
        """Return a part that is done, if it is there."""
        return self._done.get(name)

    def take(self, name: str) -> tuple[list[NDArray[Any]], Any] | None:
        """Return a part that was being made, if it is there."""
        return self._making.pop(name, None)

    def drop(self, name: str) -> None:
        """Forget a part that is not needed any more; the file forgets it with the next `put` or `keep`."""
        self._done.pop(name, None)

    def remove(self) -> None:
        """Remove the file: the run is done."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Settings:
    """What all ways to train have in common."""

    min_frequency: int
    max_token_length: int | None
    constraints: Constraints
    threads: int
    watch: _Watch

    @classmethod
    def of(
        cls,
        min_frequency: int,
        max_token_length: int | None,
        constraints: Constraints | None,
        threads: int | None,
        progress: Progress,
    ) -> _Settings:
        if min_frequency < 0:
            raise TrainError(f"min_frequency is at least 0, not {min_frequency}")
        if max_token_length is not None and max_token_length < 1:
            raise TrainError(f"max_token_length is at least 1, or None for no limit, not {max_token_length}")
        if constraints is None:
            constraints = Constraints(max_words=None, forbid_substrings=())
        if not isinstance(constraints, Constraints):
            raise TypeError(f"constraints is a Constraints, not {type(constraints).__name__}")
        return cls(min_frequency, max_token_length, constraints, _workers(threads), _Watch(progress))

    def read(
        self,
        texts: Texts,
        name: str,
        total: int | None,
        counts: Mapping[str, _Counts],
        saved: _Checkpoint,
    ) -> None:
        """Count all texts in one pass, behind those that are counted already; `counts` are by their name there."""
        done = 0
        (behind,) = {count.totals["texts"] for count in counts.values()}
        with self.watch.stage(name, total, "B") as stage:
            for batch in texts.batches(behind):
                if batch.texts:
                    for count in counts.values():
                        count._update(batch, self.threads)
                done += batch.size
                stage.at(done)
                if saved.is_due:
                    saved.keep({name: count._part() for name, count in counts.items()})

    def learn(
        self, counts: PretokenCounts, special_tokens: Sequence[str], alphabet: bytes, size: int, saved: _Checkpoint
    ) -> _Steps:
        """Run the first stage."""

        def run(before: Any, calls: Any) -> Any:
            names, letters = list(special_tokens), list(alphabet)
            limits = (self.min_frequency, self.max_token_length)
            return _native.learn(counts._counts, names, letters, size, *limits, before, calls)

        return self._merge("merge words", "words", size, saved, run)

    def extend(self, runs: RunCounts, size: int, saved: _Checkpoint, part: str) -> _Steps:
        """Run the second stage."""

        def run(before: Any, calls: Any) -> Any:
            limits = (self.min_frequency, self.max_token_length)
            return _native.extend(runs._counts, self.constraints._native(), size, *limits, before, calls)

        return self._merge("merge superwords", part, size, saved, run)

    def _merge(self, name: str, part: str, size: int, saved: _Checkpoint, run: Callable[[Any, Any], Any]) -> _Steps:
        """Run a stage from what the checkpoint has of it."""
        with self.watch.stage(name, size, "") as stage:

            def watch(size: int) -> bool:
                stage.at(size)
                return saved.is_due

            def keep(*arrays: NDArray[Any]) -> None:
                saved.keep({part: (lambda: arrays, None)})

            before = saved.take(part)
            return _Steps.of(*run(before and tuple(before[0]), (watch, keep)))

    def report(self) -> dict[str, Any]:
        return {
            "constraints": self.constraints._report(),
            "min_frequency": self.min_frequency,
            "max_token_length": self.max_token_length,
        }


class _Second(NamedTuple):
    """What the second stage came to, over one start."""

    steps: _Steps
    barrier: int
    passes: int
    totals: dict[str, int]
    spilled: int

    @classmethod
    def of(cls, arrays: Sequence[NDArray[Any]], meta: Any) -> _Second:
        stop, start, *rest = meta
        return cls(_Steps.of(arrays, stop, start), *rest)

    def part(self) -> _Part:
        return self.steps.arrays, [self.steps.stop, self.steps.start, *self[1:]]


class _Across:
    """The second stage over some starts, all in the same passes over the texts: what is done, and what is counted.

    A start is a tokenizer and the size that it is extended to.
    """

    def __init__(
        self,
        texts: Texts,
        starts: Sequence[tuple[Tokenizer, int]],
        scheme: str | Scheme,
        settings: _Settings,
        saved: _Checkpoint,
    ) -> None:
        self._texts, self._starts, self._scheme, self._settings, self._saved = texts, starts, scheme, settings, saved
        self._least = max(1, settings.min_frequency)
        self._barriers: list[int | None] = [None] * len(starts)
        self._passes = 0
        self._pairs: dict[int, PairCounts] = {}
        self._runs: dict[int, RunCounts] = {}
        self._done: dict[int, _Second] = {}
        self._resume()

    def _resume(self) -> None:
        """Take what a checkpoint has of whole passes and stages."""
        if (stored := self._saved.get("barriers")) is not None:
            self._barriers, self._passes = stored[1]
        for index, (tokenizer, _) in enumerate(self._starts):
            if (stored := self._saved.get(f"across{index}")) is not None:
                self._done[index] = _Second.of(*stored)
            elif (stored := self._saved.get(f"runs{index}")) is not None:
                self._runs[index] = RunCounts._from_table(tokenizer, stored[1], stored[0])
            elif (stored := self._saved.get(f"pairs{index}")) is not None:
                self._pairs[index] = PairCounts(tokenizer, self._scheme)
                self._pairs[index]._resume(stored)

    def run(self) -> list[_Second]:
        """Extend each tokenizer to its size; return what each came to."""
        while True:
            self._merge()
            missing = [index for index in range(len(self._starts)) if index not in self._done]
            if not missing:
                return [self._done[index] for index in range(len(self._starts))]
            unpaired = [index for index in missing if index not in self._pairs]
            if unpaired:
                self._count_pairs(unpaired)
            self._count_runs(missing)

    def _merge(self) -> None:
        """Merge over the runs that are counted; those of a barrier that was too high are to be counted again."""
        for index in sorted(self._runs):
            counts = self._runs.pop(index)
            steps = self._settings.extend(counts, self._starts[index][1], self._saved, f"across{index}")
            self._saved.drop(f"runs{index}")
            if steps.stop == "barrier" and counts.barrier > self._least:
                # The merges so far are exact; the rest needs the rarer pairs.
                self._barriers[index] = max(self._least, counts.barrier // 4)
                self._saved.put(self._parts({}))
            else:
                self._done[index] = _Second(steps, counts.barrier, self._passes, counts.totals, counts._spilled)
                self._saved.put({f"across{index}": self._done[index].part()})

    def _count_pairs(self, missing: Sequence[int]) -> None:
        """Count the pairs of some starts, and guess their barriers."""
        for index in missing:
            self._pairs[index] = PairCounts(self._starts[index][0], self._scheme)
            self._pairs[index]._resume(self._saved.take(f"pairs{index}"))
        counts = {f"pairs{index}": self._pairs[index] for index in missing}
        self._settings.read(self._texts, "count pairs", None, counts, self._saved)
        parts: dict[str, _Part] = {}
        for index in missing:
            tokenizer, size = self._starts[index]
            guess = self._barriers[index] or self._pairs[index].guess_barrier(size - tokenizer.vocab_size)
            barrier = self._barriers[index] = max(self._least, guess)
            parts[f"pairs{index}"] = self._pairs[index]._part(barrier)
        self._saved.put(self._parts(parts))

    def _count_runs(self, missing: Sequence[int]) -> None:
        """Count the runs of some starts, whose pairs are counted."""
        total = None
        for index in missing:
            self._runs[index] = RunCounts(self._starts[index][0], self._pairs[index], self._barriers[index])
            self._runs[index]._resume(self._saved.take(f"runs{index}"))
            total = self._pairs[index].totals["bytes"]
            # Most of the memory; should the guess fail, which is rare, they are counted again.
            del self._pairs[index]
        counts = {f"runs{index}": self._runs[index] for index in missing}
        self._settings.read(self._texts, "count runs", total, counts, self._saved)
        self._passes += 1
        for index in missing:
            self._saved.drop(f"pairs{index}")
        self._saved.put(self._parts({name: one._part() for name, one in counts.items()}))

    def _parts(self, parts: Mapping[str, _Part]) -> dict[str, _Part]:
        """Return parts of a checkpoint with what belongs to all starts."""
        return {**parts, "barriers": (list, [self._barriers, self._passes])}


@overload
def train(
    corpus: Corpus,
    *,
    vocab_size: int,
    transition: int,
    scheme: str | Scheme = "superbpe",
    constraints: Constraints | None = Constraints(),
    min_frequency: int = 1,
    special_tokens: Sequence[str] = (),
    alphabet: Literal["bytes", "seen"] = "bytes",
    inherit: Literal["keep", "drop"] = "keep",
    max_token_length: int | None = None,
    lines: bool = False,
    threads: int | None = None,
    progress: Progress = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 60.0,
) -> Training: ...


@overload
def train(
    corpus: Corpus,
    *,
    vocab_size: int,
    transition: Sequence[int],
    scheme: str | Scheme = "superbpe",
    constraints: Constraints | None = Constraints(),
    min_frequency: int = 1,
    special_tokens: Sequence[str] = (),
    alphabet: Literal["bytes", "seen"] = "bytes",
    inherit: Literal["keep", "drop"] = "keep",
    max_token_length: int | None = None,
    lines: bool = False,
    threads: int | None = None,
    progress: Progress = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 60.0,
) -> list[Training]: ...


def train(
    corpus: Corpus,
    *,
    vocab_size: int,
    transition: int | Sequence[int],
    scheme: str | Scheme = "superbpe",
    constraints: Constraints | None = Constraints(),
    min_frequency: int = 1,
    special_tokens: Sequence[str] = (),
    alphabet: Literal["bytes", "seen"] = "bytes",
    inherit: Literal["keep", "drop"] = "keep",
    max_token_length: int | None = None,
    lines: bool = False,
    threads: int | None = None,
    progress: Progress = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 60.0,
) -> Training | list[Training]:
    """Train a superword tokenizer.

    Args:
        corpus: Texts (`str`, or UTF-8 as `bytes`; never paths), an Arrow column of them, or `files(...)`. Each is one
            sequence. It is read three times; an iterator that can be read once only goes through a temporary file.
        vocab_size: The entries of the vocabulary, special tokens and alphabet included.
        transition: The entries at which the second stage begins; `vocab_size` is plain BPE. A list gives a list of
            trainings, from the same passes over the texts.
        scheme: `"superbpe"` (the regexes that the authors recommend), `"superbpe-paper"` (those of the paper's
            tokenizers), or a `Scheme`.
        constraints: What a superword may not be; None is no constraint.
        min_frequency: Training stops at the first best pair that came less often.
        special_tokens: They get the first ids. No merge spells one.
        alphabet: All 256 bytes, or those that the text has.
        inherit: `"drop"` leaves out the merges of the first stage whose pair never comes in the second stage's text, as
            the reference does; the ids then have no gaps, and the vocabulary is filled by superwords.
        max_token_length: Tokens of more than two bytes are shorter than this, as in `tokenizers`.
        lines: Whether each line of a text is a sequence of its own.
        threads: Threads that count; None is one a core. The result is the same.
        progress: A bar on standard error (None: if it is a terminal), or a callable that gets the name of the stage,
            what is done and, where it is known, the total (bytes of text, or entries).
        checkpoint: A file that the run keeps its counts and merges in. A run that was killed, or stopped by Ctrl-C,
            goes on from it and gives the same result: the corpus is read again, and what was counted is passed over. A
            run that ends removes the file.
        checkpoint_seconds: How much work may be lost, in seconds: the file is written after each pass and stage, and
            inside of them this often.

    Returns:
        A `Training`; a list of them where `transition` is a list.

    Raises:
        TrainError: The corpus is empty or has a text that is not UTF-8, or the settings contradict each other.
        TypeError: The corpus is one text, or has something that is no text.
        UnsupportedTokenizerError: A pre-tokenizer of the scheme is not supported, or drops text or counts so far that
            `is_admissible` could not judge sequences of the tokenizer.
        KeyboardInterrupt: Ctrl-C; the checkpoint holds what there is.
    """
    several = isinstance(transition, Iterable)
    points: Any = transition if several else [transition]
    transitions = [operator.index(point) for point in points]
    vocab_size = operator.index(vocab_size)
    if not transitions or max(transitions) > vocab_size:
        raise TrainError(f"transition {transition!r} must not exceed vocab_size {vocab_size}")
    if alphabet not in {"bytes", "seen"}:
        raise TrainError(f'alphabet is "bytes" or "seen", not {alphabet!r}')
    if inherit not in {"keep", "drop"}:
        raise TrainError(f'inherit is "keep" or "drop", not {inherit!r}')
    if isinstance(special_tokens, (str, bytes)):
        raise TypeError("special_tokens is a sequence of names")
    settings = _Settings.of(min_frequency, max_token_length, constraints, threads, progress)
    stages = _stages(scheme)
    texts = Texts(corpus, lines)
    counts = PretokenCounts(scheme)
    _check_stages(scheme, stages)
    saved = _Checkpoint(
        checkpoint,
        {
            "vocab_size": vocab_size,
            "transition": transitions,
            "scheme": stages,
            "special_tokens": list(special_tokens),
            "alphabet": alphabet,
            "inherit": inherit,
            "corpus": texts.describe() if checkpoint is not None else None,
        }
        | settings.report(),
        checkpoint_seconds,
    )
    first = _first_stage(texts, counts, transitions, settings, special_tokens, alphabet, saved)
    del counts
    trainings = _recipes(first, transitions, special_tokens, stages)
    across = [index for index, point in enumerate(transitions) if point < vocab_size]
    dropped: dict[int, list[list[str]]] = {}
    if inherit == "drop":
        for index in across:
            trainings[index], dropped[index] = _drop(texts, trainings[index], settings, scheme, saved, f"drop{index}")
    starts = [(trainings[index].inherited(), vocab_size) for index in across]
    seconds = dict(zip(across, _Across(texts, starts, scheme, settings, saved).run(), strict=True)) if across else {}
    named = scheme if isinstance(scheme, str) else {"stage1": stages[0], "stage2": stages[1]}
    results = []
    for index, recipe in enumerate(trainings):
        report = _first_report(settings, recipe, first.totals, vocab_size, transitions[index], named)
        report |= {"skipped": first.skipped, "dropped": dropped.get(index, [])}
        results.append(_training(recipe, report, seconds.get(index)))
    saved.remove()
    return results if several else results[0]


_STOPS = {"full": "vocab_size", "rare": "min_frequency"}


def _first_report(
    settings: _Settings,
    recipe: _Recipe,
    totals: Mapping[str, int],
    vocab_size: int,
    transition: int,
    scheme: Any,
) -> dict[str, Any]:
    """Return what there is to say of a first stage."""
    return settings.report() | {
        "kind": "train",
        "vocab_size": vocab_size,
        "transition": transition,
        "scheme": scheme,
        "special_tokens": list(recipe.special_tokens),
        "texts": totals["texts"],
        "bytes": totals["bytes"],
        "skipped": {},
        "spilled": totals["spilled_entries"],
        "inherited": len(recipe.kept.left),
        "dropped": [],
        "special_vetoes": recipe.words.special_vetoes,
        "stop": _STOPS[recipe.words.stop],
    }


def _training(recipe: _Recipe, report: dict[str, Any], second: _Second | None) -> Training:
    """Put the second stage, if there was one, to the first."""
    report |= {"vetoed": 0, "barrier": 0}
    if second is not None:
        steps = second.steps
        recipe = replace(recipe, across=steps)
        report["special_vetoes"] += steps.special_vetoes
        report |= {
            "vetoed": steps.vetoed,
            "barrier": second.barrier,
            "last_count": int(steps.counts[-1]) if len(steps.counts) else 0,
            "passes": second.passes,
            "spilled": report["spilled"] + second.spilled,
            "tokens_before": steps.start,
            "stop": _STOPS[steps.stop],
        }
    report["certified"] = not report["spilled"]
    return Training(recipe, report)


class _First(NamedTuple):
    """What the first stage came to, up to the last transition."""

    steps: _Steps
    alphabet: bytes
    totals: dict[str, int]
    skipped: dict[str, int]


def _first_stage(
    texts: Texts,
    counts: PretokenCounts,
    transitions: Sequence[int],
    settings: _Settings,
    special_tokens: Sequence[str],
    alphabet: str,
    saved: _Checkpoint,
) -> _First:
    """Count the words and merge inside them."""
    if (stored := saved.get("words")) is not None:
        arrays, (stop, start, letters, totals, skipped) = stored
        return _First(_Steps.of(arrays, stop, start), bytes(letters), totals, skipped)
    if (stored := saved.get("pretokens")) is not None:
        arrays, (totals, skipped) = stored
        counts._resume((arrays, totals))
    else:
        counts._resume(saved.take("pretokens"))
        settings.read(texts, "count words", None, {"pretokens": counts}, saved)
        skipped = texts.skipped
        table, totals = counts._part()
        saved.put({"pretokens": (table, [totals, skipped])})
    first = _learn(counts, transitions, settings, special_tokens, alphabet, saved)._replace(skipped=skipped)
    steps = first.steps
    saved.drop("pretokens")
    saved.put({"words": (steps.arrays, [steps.stop, steps.start, list(first.alphabet), first.totals, skipped])})
    return first


def _learn(
    counts: PretokenCounts,
    transitions: Sequence[int],
    settings: _Settings,
    special_tokens: Sequence[str],
    alphabet: str,
    saved: _Checkpoint,
) -> _First:
    """Merge inside words, up to the last transition."""
    letters = bytes(range(256)) if alphabet == "bytes" else bytes(counts._counts.alphabet())
    if min(transitions) < len(special_tokens) + len(letters):
        raise TrainError(
            f"vocab_size and transition count the special tokens and the alphabet too: {min(transitions)} is less than "
            f"{len(special_tokens)} + {len(letters)}"
        )
    steps = settings.learn(counts, special_tokens, letters, max(transitions), saved)
    return _First(steps, letters, counts.totals, {})


def _recipes(
    learned: _First, transitions: Sequence[int], special_tokens: Sequence[str], stages: tuple[str, str]
) -> list[_Recipe]:
    """Return the first stage of each transition: the same merges, cut."""
    first = len(special_tokens) + len(learned.alphabet)
    recipes = []
    for transition in transitions:
        steps = learned.steps.cut(transition - first)
        if len(steps.left) == transition - first:
            steps = steps._replace(stop="full")
        recipes.append(
            _Recipe(
                base=None,
                special_tokens=tuple(special_tokens),
                alphabet=learned.alphabet,
                pre_tokenizers=stages,
                first=first,
                transition=first + len(steps.left),
                words=steps,
                kept=steps,
                across=None,
                bytes=learned.totals["bytes"],
            )
        )
    return recipes


def _drop(
    texts: Texts, recipe: _Recipe, settings: _Settings, scheme: str | Scheme, saved: _Checkpoint, part: str
) -> tuple[_Recipe, list[list[str]]]:
    """Leave out the merges that the reference drops; return their two sides too.

    A merge is dropped if one of its sides was, or if its pair does not stand anywhere in the second stage's text right
    after the step that made its younger side. Whatever came in the text, or is part of what came, was made by its
    merge; the few merges left are looked for in the texts that spell them, encoded with the merges up to that step.
    """
    words = recipe.words
    left, right, result = (column.tolist() for column in words.ids())
    tokenizer = Tokenizer.from_json(recipe.write(recipe.transition))
    came = np.zeros(tokenizer.vocab_size, bool)
    came[_seen(texts, tokenizer, settings, scheme, saved, part)] = True
    for merge in range(len(result) - 1, -1, -1):
        if came[result[merge]]:
            came[left[merge]] = came[right[merge]] = True
    doubtful = [merge for merge, id in enumerate(result) if not came[id]]
    lost = set(doubtful) - _standing(texts, recipe, doubtful, settings, scheme, saved, part)
    new: dict[int, int] = {id: id for id in range(recipe.first)}
    dropped: list[list[str]] = []
    kept: list[int] = []
    for merge, id in enumerate(result):
        if merge in lost or left[merge] not in new or right[merge] not in new:
            dropped.append([_shown(tokenizer, side) for side in (left[merge], right[merge])])
        else:
            new[id] = recipe.first + len(kept)
            kept.append(merge)
    if not dropped:
        return recipe, []
    at = np.array(kept, np.int64)
    steps = words._replace(
        left=np.array([new[left[merge]] for merge in kept], np.uint32),
        right=np.array([new[right[merge]] for merge in kept], np.uint32),
        result=np.array([new[result[merge]] for merge in kept], np.uint32),
        counts=words.counts[at],
        applied=words.applied[at],
    )
    return replace(recipe, kept=steps), dropped


def _seen(
    texts: Texts, tokenizer: Tokenizer, settings: _Settings, scheme: str | Scheme, saved: _Checkpoint, part: str
) -> NDArray[np.uint32]:
    """Return the ids that the second stage's text has."""
    if (stored := saved.get(f"{part}.seen")) is not None:
        return stored[0][0]
    pairs = PairCounts(tokenizer, scheme)
    pairs._resume(saved.take(f"{part}.pairs"))
    settings.read(texts, "find inherited tokens", None, {f"{part}.pairs": pairs}, saved)
    seen: NDArray[np.uint32] = pairs._counts.seen()
    saved.put({f"{part}.seen": (lambda: [seen], None)})
    return seen


def _standing(
    texts: Texts,
    recipe: _Recipe,
    merges: Sequence[int],
    settings: _Settings,
    scheme: str | Scheme,
    saved: _Checkpoint,
    part: str,
) -> set[int]:
    """Return those of some merges whose pair stands in the text right after the step that made its younger side."""
    if (stored := saved.get(f"{part}.found")) is not None:
        return set(stored[0][0].tolist())
    if not merges:
        return set()
    left, right, result = (column.tolist() for column in recipe.words.ids())
    step = {id: merge for merge, id in enumerate(result)}
    counts: dict[int, PairCounts] = {}
    spelled: dict[int, bytes] = {}
    for merge in merges:
        size = recipe.first + 1 + max(step.get(left[merge], -1), step.get(right[merge], -1))
        start = Tokenizer.from_json(recipe.write(size))
        counts[merge] = PairCounts(start, scheme)
        spelled[merge] = start.token_bytes(left[merge]) + start.token_bytes(right[merge])
    found: set[int] = set()
    behind = 0
    if (making := saved.take(f"{part}.found")) is not None:
        found.update(making[0][0].tolist())
        behind = making[1]
    for batch in texts.batches(behind):
        for merge in [merge for merge in merges if merge not in found]:
            holding = [text for text in batch.texts if spelled[merge] in as_bytes(text)]
            if not holding:
                continue
            counts[merge]._update(Batch(holding, batch.lines, 0), settings.threads)
            one, two, _ = counts[merge]._counts.table()
            if ((one == left[merge]) & (two == right[merge])).any():
                found.add(merge)
        behind += batch.rows
        if saved.is_due:
            saved.keep({f"{part}.found": (lambda: [np.array(sorted(found))], behind)})
    saved.put({f"{part}.found": (lambda: [np.array(sorted(found))], None)})
    return found


def _shown(tokenizer: Tokenizer, id: int) -> str:
    return tokenizer.token_bytes(id).decode(errors="backslashreplace")


def extend(
    tokenizer: Tokenizer,
    corpus: Corpus,
    *,
    vocab_size: int,
    scheme: str | Scheme = "superbpe",
    constraints: Constraints | None = Constraints(),
    min_frequency: int = 1,
    max_token_length: int | None = None,
    lines: bool = False,
    threads: int | None = None,
    progress: Progress = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 60.0,
) -> Training:
    """Add superwords to a tokenizer: the second stage alone. Every id and every merge is kept.

    The result cuts text as the second stage of the scheme does, and never looks a whole pretoken up; the report lists
    in `lost_tokens` those that only such a look-up reached.

    Args:
        tokenizer: Any byte-level tokenizer.
        corpus: As in `train`.
        vocab_size: The size to reach: the highest id + 1.
        scheme: As in `train`; the first stage is not used.
        constraints: As in `train`.
        min_frequency: As in `train`.
        max_token_length: As in `train`.
        lines: As in `train`.
        threads: As in `train`.
        progress: As in `train`.
        checkpoint: As in `train`.
        checkpoint_seconds: As in `train`.

    Returns:
        A `Training` whose merges are the new ones.

    Raises:
        KeyboardInterrupt: As in `train`.
        TrainError: As in `train`; also a tokenizer that is not byte-level, or that has more entries than `vocab_size`.
        TypeError: As in `train`; also what is no `Tokenizer`.
        UnsupportedTokenizerError: A pre-tokenizer of the scheme is not supported, or drops text or counts so far that
            `is_admissible` could not judge sequences of the tokenizer.
        VocabError: The text has a byte that the tokenizer cannot spell.
    """
    _check_extends(tokenizer, vocab_size)
    settings = _Settings.of(min_frequency, max_token_length, constraints, threads, progress)
    texts = Texts(corpus, lines)
    stages = _stages(scheme)
    _check_stages(scheme, stages[1:])
    asked = {
        "vocab_size": operator.index(vocab_size),
        "scheme": stages,
        "tokenizer": hashlib.sha256(tokenizer.to_json().encode()).hexdigest() if checkpoint is not None else None,
        "corpus": texts.describe() if checkpoint is not None else None,
    }
    saved = _Checkpoint(checkpoint, asked | settings.report(), checkpoint_seconds)
    (second,) = _Across(texts, [(tokenizer, operator.index(vocab_size))], scheme, settings, saved).run()
    training = _extended(tokenizer, second, vocab_size, scheme, stages, settings, texts.skipped)
    saved.remove()
    return training


def _check_extends(tokenizer: Tokenizer, vocab_size: int) -> None:
    native_of(tokenizer)
    if vocab_size < tokenizer.vocab_size:
        raise TrainError(f"vocab_size {vocab_size} is below that of the tokenizer, {tokenizer.vocab_size}")


def _extended(
    tokenizer: Tokenizer,
    second: _Second,
    vocab_size: int,
    scheme: str | Scheme,
    stages: tuple[str, str],
    settings: _Settings,
    skipped: dict[str, int],
) -> Training:
    first = tokenizer.vocab_size
    recipe = _Recipe(tokenizer, (), b"", stages, first, first, _NO_STEPS, _NO_STEPS, None, second.totals["bytes"])
    looked_up = json.loads(tokenizer.to_json())["model"].get("ignore_merges", False)
    lost = tokenizer._native.unmade().tolist() if looked_up else []
    report = settings.report() | {
        "kind": "extend",
        "vocab_size": vocab_size,
        "transition": first,
        "scheme": scheme if isinstance(scheme, str) else {"stage1": stages[0], "stage2": stages[1]},
        "texts": second.totals["texts"],
        "bytes": second.totals["bytes"],
        "skipped": skipped,
        "spilled": 0,
        "inherited": tokenizer.info()["merges"],
        "dropped": [],
        "special_vetoes": 0,
        "lost_tokens": [_shown(tokenizer, id) for id in lost],
    }
    return _training(recipe, report, second)


def train_from_counts(
    pretokens: PretokenCounts,
    *,
    vocab_size: int,
    min_frequency: int = 1,
    special_tokens: Sequence[str] = (),
    alphabet: Literal["bytes", "seen"] = "bytes",
    max_token_length: int | None = None,
    progress: Progress = None,
) -> Training:
    """Run the first stage from counts that were gathered elsewhere: plain BPE of `vocab_size` entries.

    Go on with `PairCounts(training.tokenizer)`, `RunCounts` and `extend_from_counts`: that is what `train` does.

    Args:
        pretokens: The counts; their scheme is that of the tokenizer.
        vocab_size: As in `train`.
        min_frequency: As in `train`.
        special_tokens: As in `train`.
        alphabet: As in `train`.
        max_token_length: As in `train`.
        progress: As in `train`.

    Returns:
        A `Training` of plain BPE.

    Raises:
        TrainError: As in `train`.
    """
    settings = _Settings.of(min_frequency, max_token_length, None, 1, progress)
    stage = pretokens._component
    sizes, saved = [operator.index(vocab_size)], _Checkpoint(None, {}, 0)
    first = _learn(pretokens, sizes, settings, special_tokens, alphabet, saved)
    (recipe,) = _recipes(first, sizes, special_tokens, (stage, stage))
    report = _first_report(settings, recipe, first.totals, vocab_size, vocab_size, {"stage1": stage})
    return _training(recipe, report, None)


def extend_from_counts(
    tokenizer: Tokenizer,
    runs: RunCounts,
    *,
    vocab_size: int,
    constraints: Constraints | None = Constraints(),
    min_frequency: int = 1,
    max_token_length: int | None = None,
    progress: Progress = None,
) -> Training:
    """Run the second stage from counts that were gathered elsewhere, with the certificate that their barrier was right.

    Args:
        tokenizer: The tokenizer of the counts.
        runs: The runs of the whole text.
        vocab_size: As in `extend`.
        constraints: As in `train`.
        min_frequency: As in `train`.
        max_token_length: As in `train`.
        progress: As in `train`.

    Returns:
        A `Training` whose merges are the new ones.

    Raises:
        TrainError: As in `extend`; also where the runs are of another tokenizer, or where the last merge would come
            less often than their barrier, so that the result would not be exact: count the runs again with a lower one.
        TypeError: What is extended is no `Tokenizer`, or the constraints are none.
    """
    _check_extends(tokenizer, vocab_size)
    if tokenizer != runs._tokenizer:
        raise TrainError("the runs are of another tokenizer; give the one that they were made with")
    settings = _Settings.of(min_frequency, max_token_length, constraints, 1, progress)
    steps = settings.extend(runs, operator.index(vocab_size), _Checkpoint(None, {}, 0), "across")
    if steps.stop == "barrier":
        raise TrainError(
            f"the barrier {runs.barrier} is proved right for the first {len(steps.left)} merges only, up to vocab_size "
            f"{tokenizer.vocab_size + len(steps.left)}; count the runs again with a lower barrier for {vocab_size}"
        )
    stage = runs._component
    second = _Second(steps, runs.barrier, 1, runs.totals, runs._spilled)
    return _extended(tokenizer, second, vocab_size, Scheme(stage1=stage, stage2=stage), (stage, stage), settings, {})
