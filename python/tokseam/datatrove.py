"""Steps for pipelines of datatrove: the counts of training on many workers, and tokenizing.

Training reads its text three times. Each pass is a pipeline that ends in a counting step; every rank writes its counts
into a folder, and counts merge in any order, so the merges are those of one process over the same documents.

    executor = LocalPipelineExecutor([JsonlReader("data"), PretokenCounter("pretokens")], tasks=8)
    words = LocalPipelineExecutor([WordTrainer("pretokens", "words", vocab_size=100_000)], depends=executor)

A folder of counts holds one file for each rank, whose name has the number of ranks too. Whoever reads it reads all of
them, and refuses a folder in which one is missing or that two runs have written to. A file is there whole or not at
all, so a rank that failed leaves none, and is run again by the executor; one without documents writes empty counts.

Steps hold what they were given and nothing that they read, so they pickle, and one can name a file that the step before
it has yet to write. They use one thread each: the executor runs a process a core.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np

from tokseam import _atomic, _extras
from tokseam.errors import ExportError, TrainError, UnknownTokenError
from tokseam.superbpe import (
    Constraints,
    PairCounts,
    PretokenCounts,
    RunCounts,
    Scheme,
    Training,
    extend_from_counts,
    train_from_counts,
)
from tokseam.tokenizer import Tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = PretokenCounts | PairCounts | RunCounts
    Source = Tokenizer | str | os.PathLike[str]

_JOB = "tokseam.datatrove"
base: Any = _extras.load("datatrove.pipeline.base", "datatrove", _JOB)
host: Any = _extras.load("datatrove.pipeline.tokens.tokenizer", "datatrove", _JOB)
storage: Any = _extras.load("datatrove.io", "datatrove", _JOB)
batching: Any = _extras.load("datatrove.utils.batching", "datatrove", _JOB)
fsspec: Any = _extras.load("fsspec", "datatrove", _JOB)
parquet: Any = _extras.load("pyarrow.parquet", "datatrove", _JOB)

__all__ = [
    "CountsMerger",
    "DocumentTokenizer",
    "PairCounter",
    "PretokenCounter",
    "RunCounter",
    "SuperwordTrainer",
    "WordTrainer",
    "read_counts",
]

# By the first column.
_KINDS: dict[str, Any] = {"pretoken": PretokenCounts, "left": PairCounts, "run": RunCounts}

_NAME = re.compile(r"(\d+)_of_(\d+)\.parquet")


def read_counts(folder: Any, tokenizer: Source | None = None) -> Counts:
    """Return the counts of all ranks that wrote into a folder, merged.

    Args:
        folder: A folder of counts, as datatrove takes folders: a path, a URL, or either with options of a file system.
        tokenizer: The tokenizer of the counts, or its file; pretokens need none.

    Returns:
        A `PretokenCounts`, `PairCounts` or `RunCounts`.

    Raises:
        TrainError: There are no counts, the file of a rank is missing, two runs wrote into the folder, or the counts
            are of another tokenizer.
    """
    folder = storage.get_datafolder(folder)
    counts: Counts = _merged(folder, _ranks(folder), None if tokenizer is None else _load(tokenizer))
    return counts


def _ranks(folder: Any) -> list[str]:
    """Return the files of a folder of counts, in the order of ranks; all of them are there."""
    found: dict[int, list[int]] = {}
    if folder.exists(""):
        for name in folder.list_files(recursive=False):
            if match := _NAME.fullmatch(name):
                found.setdefault(int(match[2]), []).append(int(match[1]))
    if not found:
        raise TrainError(f"{folder.path} holds no counts; run a counting step with this folder first")
    if len(found) > 1:
        sizes = " and ".join(map(str, sorted(found)))
        raise TrainError(
            f"{folder.path} holds counts of runs with {sizes} tasks; remove those of one, or count into a new folder"
        )
    (size,) = found
    missing = sorted(set(range(size)) - set(found[size]))
    if missing:
        more = f" and {len(missing) - 1} others" if missing[1:] else ""
        raise TrainError(f"{folder.path} lacks the counts of rank {missing[0]}{more} of {size}; run these again")
    return [_name(rank, size) for rank in range(size)]


def _name(rank: int, size: int) -> str:
    return f"{rank:05d}_of_{size:05d}.parquet"


def _merged(folder: Any, names: Iterable[str], tokenizer: Tokenizer | None, wanted: type[Any] | None = None) -> Any:
    """Return the counts of some files, merged; those of one kind, if one is wanted."""
    total: Any = None
    for name in names:
        with folder.open(name, "rb") as file:
            table = parquet.read_table(file)
        kind = _KINDS.get(table.column_names[0])
        if kind is None:
            raise TrainError(f"{name} in {folder.path} holds no counts of ours")
        if wanted is not None and kind is not wanted:
            raise TrainError(f"{name} in {folder.path} holds {kind.__name__}, not {wanted.__name__}")
        if kind is PretokenCounts:
            counts = PretokenCounts.from_arrow(table)
        elif tokenizer is None:
            raise TrainError(f"the counts in {folder.path} are of a tokenizer; give it too")
        else:
            counts = kind.from_arrow(table, tokenizer)
        if total is None:
            total = counts
        else:
            total.merge(counts)
    return total


def _load(tokenizer: Source) -> Tokenizer:
    if isinstance(tokenizer, Tokenizer):
        return tokenizer
    system, path = fsspec.core.url_to_fs(os.fspath(tokenizer))
    if isinstance(system, fsspec.implementations.local.LocalFileSystem):
        return Tokenizer.from_file(path)
    if system.isdir(path):
        path = f"{path}/tokenizer.json"
    with system.open(path, "rb", compression="infer") as file:
        return Tokenizer.from_json(file.read())


def _write(folder: Any, name: str, fill: Callable[[IO[bytes]], object]) -> None:
    """Write a file of a folder, whole or not at all."""
    if folder.is_local():
        path = Path(folder.resolve_paths(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        _atomic.write(path, fill)
    else:
        # A store shows an object when it is closed, even by an error; so all of it is there before one is opened.
        with io.BytesIO() as buffer:
            fill(buffer)
            folder.makedirs("", exist_ok=True)
            folder.pipe_file(name, buffer.getvalue())


def _write_counts(folder: Any, rank: int, size: int, counts: Counts) -> None:
    table = counts.to_arrow()
    _write(folder, _name(rank, size), lambda file: parquet.write_table(table, file, compression="zstd"))


@contextmanager
def _named(batch: Sequence[Any]) -> Iterator[None]:
    """Let an error say which documents it is about."""
    try:
        yield
    except (TypeError, ValueError) as error:
        error.add_note(f"in one of the documents {batch[0].id} to {batch[-1].id}")
        raise


class _Step(base.PipelineStep):  # type: ignore[misc]
    """A step of a pipeline."""

    type = "tokseam"

    def _alone(self, world_size: int) -> None:
        if world_size != 1:
            raise TrainError(f"{type(self).__name__} runs as one task, not as {world_size}: set tasks=1")


class _Counter(_Step):
    """What the three counting steps share. Documents go on to the next step as they are."""

    def __init__(self, output_folder: Any, lines: bool, batch_size: int, threads: int | None) -> None:
        super().__init__()
        if batch_size < 1:
            raise TrainError(f"batch_size is at least 1, not {batch_size}")
        self.output_folder = storage.get_datafolder(output_folder)
        self.lines = lines
        self.batch_size = batch_size
        self.threads = threads

    @abstractmethod
    def _start(self) -> Counts:
        """Return counts of nothing."""

    def run(self, data: Iterable[Any] | None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Count the documents of a rank, and write the counts when there are no more.

        Args:
            data: Documents.
            rank: The rank.
            world_size: The number of ranks.

        Yields:
            The documents.

        Raises:
            TrainError: A text is not UTF-8 or over 1 GiB.
            VocabError: A byte of a text has no token.
        """
        counts = self._start()
        for batch in batching.batched(data or (), self.batch_size):
            with self.track_time(unit="batch"), _named(batch):
                counts.update([document.text for document in batch], lines=self.lines, threads=self.threads)
            for document in batch:
                self.stat_update("counted", value=len(document.text))
                yield document
        self.stat_update("entries", value=len(counts), unit="task")
        _write_counts(self.output_folder, rank, world_size, counts)


class PretokenCounter(_Counter):
    """Counts the pretokens of the documents: the first of three passes.

    Args:
        output_folder: Where each rank writes its counts.
        scheme: As in `superbpe.train`.
        lines: Whether each line of a document is a text of its own.
        batch_size: Documents that are counted at once.
        threads: Threads of a task; None is one a core.
        min_count: As in `superbpe.PretokenCounts`, for each rank by itself.
        max_entries: As in `superbpe.PretokenCounts`, for each rank by itself.

    Raises:
        TrainError: `batch_size` is below 1, or as `superbpe.PretokenCounts`.
        UnsupportedTokenizerError: As `superbpe.PretokenCounts`.
    """

    name = "count pretokens"

    def __init__(
        self,
        output_folder: Any,
        *,
        scheme: str | Scheme = "superbpe",
        lines: bool = False,
        batch_size: int = 1000,
        threads: int | None = 1,
        min_count: int = 1,
        max_entries: int = 100_000_000,
    ) -> None:
        super().__init__(output_folder, lines, batch_size, threads)
        self.scheme = scheme
        self.min_count = min_count
        self.max_entries = max_entries
        self._start()  # A scheme that is none is told here, not in each worker.

    def _start(self) -> PretokenCounts:
        return PretokenCounts(self.scheme, min_count=self.min_count, max_entries=self.max_entries)


class PairCounter(_Counter):
    """Counts the pairs of neighbours in the documents as a tokenizer encodes them: the second of three passes.

    Args:
        tokenizer: What is extended: a `Tokenizer`, or its file or folder, which need not be there yet.
        output_folder: Where each rank writes its counts.
        scheme: As in `superbpe.train`.
        lines: Whether each line of a document is a text of its own.
        batch_size: Documents that are counted at once.
        threads: Threads of a task; None is one a core.
        min_count: As in `superbpe.PretokenCounts`, for each rank by itself.
        max_entries: As in `superbpe.PretokenCounts`, for each rank by itself.

    Raises:
        TrainError: `batch_size` is below 1.
    """

    name = "count pairs"

    def __init__(
        self,
        tokenizer: Source,
        output_folder: Any,
        *,
        scheme: str | Scheme = "superbpe",
        lines: bool = False,
        batch_size: int = 1000,
        threads: int | None = 1,
        min_count: int = 1,
        max_entries: int = 200_000_000,
    ) -> None:
        super().__init__(output_folder, lines, batch_size, threads)
        self.tokenizer = tokenizer
        self.scheme = scheme
        self.min_count = min_count
        self.max_entries = max_entries

    def _start(self) -> PairCounts:
        tokenizer = _load(self.tokenizer)
        return PairCounts(tokenizer, self.scheme, min_count=self.min_count, max_entries=self.max_entries)


class RunCounter(_Counter):
    """Counts the runs of the documents, cut where a pair is rare: the last of three passes.

    Args:
        tokenizer: The tokenizer of the pairs, as in `PairCounter`.
        pairs_folder: The counts of pairs. Every rank reads all of them: put them through `CountsMerger` first.
        output_folder: Where each rank writes its counts.
        vocab_size: The size that will be asked for; the barrier is guessed from it.
        barrier: The barrier, where the guess was not right.
        lines: As in `PairCounter`, and the same.
        batch_size: Documents that are counted at once.
        threads: Threads of a task; None is one a core.

    Raises:
        TrainError: Neither or both of `vocab_size` and `barrier` are given, or `batch_size` is below 1.
    """

    name = "count runs"

    def __init__(
        self,
        tokenizer: Source,
        pairs_folder: Any,
        output_folder: Any,
        *,
        vocab_size: int | None = None,
        barrier: int | None = None,
        lines: bool = False,
        batch_size: int = 1000,
        threads: int | None = 1,
    ) -> None:
        super().__init__(output_folder, lines, batch_size, threads)
        if (vocab_size is None) == (barrier is None):
            raise TrainError("give either vocab_size, to guess a barrier from, or a barrier")
        self.tokenizer = tokenizer
        self.pairs_folder = storage.get_datafolder(pairs_folder)
        self.vocab_size = vocab_size
        self.barrier = barrier

    def _start(self) -> RunCounts:
        tokenizer = _load(self.tokenizer)
        pairs = _merged(self.pairs_folder, _ranks(self.pairs_folder), tokenizer, PairCounts)
        return RunCounts(tokenizer, pairs, self.barrier, vocab_size=self.vocab_size)


class CountsMerger(_Step):
    """Merges counts of any kind. With one task all become one file; with more, each merges its share of the files.

    Args:
        input_folder: The counts.
        output_folder: Where the merged counts go; another folder.
        tokenizer: The tokenizer of the counts, as in `PairCounter`; pretokens need none.

    Raises:
        TrainError: The folders are the same.
    """

    name = "merge counts"

    def __init__(self, input_folder: Any, output_folder: Any, *, tokenizer: Source | None = None) -> None:
        super().__init__()
        self.input_folder = storage.get_datafolder(input_folder)
        self.output_folder = storage.get_datafolder(output_folder)
        self.tokenizer = tokenizer
        if self.input_folder.resolve_paths("") == self.output_folder.resolve_paths(""):
            raise TrainError(f"the merged counts of {self.input_folder.path} go to another folder")

    def run(self, data: Iterable[Any] | None = None, rank: int = 0, world_size: int = 1) -> None:  # noqa: ARG002
        """Merge the counts of a rank.

        Args:
            data: Not used.
            rank: The rank.
            world_size: The number of ranks, at most that of the files.

        Raises:
            TrainError: As in `read_counts`; also where there are more tasks than files.
        """
        names = _ranks(self.input_folder)
        if world_size > len(names):
            raise TrainError(
                f"{world_size} tasks cannot share the {len(names)} files of {self.input_folder.path}: set fewer"
            )
        tokenizer = None if self.tokenizer is None else _load(self.tokenizer)
        with self.track_time(unit="task"):
            counts = _merged(self.input_folder, names[rank::world_size], tokenizer)
        self.stat_update("entries", value=len(counts), unit="task")
        _write_counts(self.output_folder, rank, world_size, counts)


def _save(folder: Any, training: Training) -> None:
    report = json.dumps(training.report, indent=1, ensure_ascii=False).encode()
    _write(folder, "report.json", lambda file: file.write(report))
    data = training.tokenizer.to_json().encode()
    _write(folder, "tokenizer.json", lambda file: file.write(data))


class WordTrainer(_Step):
    """Runs the first stage of training from counts of pretokens: plain BPE. It is one task.

    It writes `tokenizer.json` and `report.json`.

    Args:
        counts_folder: The counts of pretokens.
        output_folder: Where the files go.
        vocab_size: As in `superbpe.train_from_counts`; where a second stage follows, what `superbpe.train` calls
            `transition`.
        min_frequency: As in `superbpe.train`.
        special_tokens: As in `superbpe.train`.
        alphabet: As in `superbpe.train`.
        max_token_length: As in `superbpe.train`.
    """

    name = "train words"

    def __init__(
        self,
        counts_folder: Any,
        output_folder: Any,
        *,
        vocab_size: int,
        min_frequency: int = 1,
        special_tokens: Sequence[str] = (),
        alphabet: Literal["bytes", "seen"] = "bytes",
        max_token_length: int | None = None,
    ) -> None:
        super().__init__()
        self.counts_folder = storage.get_datafolder(counts_folder)
        self.output_folder = storage.get_datafolder(output_folder)
        self.options: dict[str, Any] = {
            "vocab_size": vocab_size,
            "min_frequency": min_frequency,
            "special_tokens": list(special_tokens),
            "alphabet": alphabet,
            "max_token_length": max_token_length,
        }

    def run(self, data: Iterable[Any] | None = None, rank: int = 0, world_size: int = 1) -> None:  # noqa: ARG002
        """Train.

        Args:
            data: Not used.
            rank: Not used.
            world_size: 1.

        Raises:
            TrainError: As in `read_counts` and `superbpe.train_from_counts`; also where there are more tasks.
        """
        self._alone(world_size)
        counts = _merged(self.counts_folder, _ranks(self.counts_folder), None, PretokenCounts)
        with self.track_time(unit="task"):
            training = train_from_counts(counts, progress=False, **self.options)
        _save(self.output_folder, training)


class SuperwordTrainer(_Step):
    """Runs the second stage of training from counts of runs. It is one task.

    It writes `tokenizer.json` and `report.json`.

    Args:
        tokenizer: The tokenizer of the counts, as in `PairCounter`.
        counts_folder: The counts of runs.
        output_folder: Where the files go.
        vocab_size: As in `superbpe.extend_from_counts`.
        constraints: As in `superbpe.train`.
        min_frequency: As in `superbpe.train`.
        max_token_length: As in `superbpe.train`.
    """

    name = "train superwords"

    def __init__(
        self,
        tokenizer: Source,
        counts_folder: Any,
        output_folder: Any,
        *,
        vocab_size: int,
        constraints: Constraints | None = Constraints(),  # noqa: B008
        min_frequency: int = 1,
        max_token_length: int | None = None,
    ) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.counts_folder = storage.get_datafolder(counts_folder)
        self.output_folder = storage.get_datafolder(output_folder)
        self.options: dict[str, Any] = {
            "vocab_size": vocab_size,
            "constraints": constraints,
            "min_frequency": min_frequency,
            "max_token_length": max_token_length,
        }

    def run(self, data: Iterable[Any] | None = None, rank: int = 0, world_size: int = 1) -> None:  # noqa: ARG002
        """Train.

        Args:
            data: Not used.
            rank: Not used.
            world_size: 1.

        Raises:
            TrainError: As in `read_counts` and `superbpe.extend_from_counts`; also where there are more tasks.
        """
        self._alone(world_size)
        tokenizer = _load(self.tokenizer)
        counts = _merged(self.counts_folder, _ranks(self.counts_folder), tokenizer, RunCounts)
        with self.track_time(unit="task"):
            training = extend_from_counts(tokenizer, counts, progress=False, **self.options)
        _save(self.output_folder, training)


class DocumentTokenizer(host.DocumentTokenizer):  # type: ignore[misc]
    """Writes the ids of the documents: datatrove's step of the same name, encoding here, a batch at a time.

    The files are those of datatrove's step, byte for byte where `allowed_special="all"`: ids as `.ds`, two bytes each
    up to 65,536 entries and else four, little-endian; the ends of documents as `.ds.index`, eight bytes each; the name
    of the tokenizer, the size of an id and the number of ids as `.ds.metadata`. In a local folder a rank's files appear
    when all are whole.

    Args:
        output_folder: Where the files go.
        tokenizer_name_or_path: A `tokenizer.json`, or a name that `tokenizers` knows.
        local_working_dir: As in datatrove.
        allowed_special: The special tokens that count as such where a document spells them, as in `Tokenizer.encode`;
            datatrove's own step takes `"all"`.
        threads: Threads of a task; None is one a core.
        options: As in datatrove: `eos_token`, `save_filename`, `shuffle_documents`, `shuffle_chunk_size`, `seed`,
            `batch_size`, `max_tokens_per_file`, ...

    Raises:
        ExportError: `save_loss_metadata` is asked for, or the tokenizer's post-processor does more than to put ids
            before and behind a text.
        UnknownTokenError: `eos_token` or a name in `allowed_special` is no token.
        UnsupportedTokenizerError: The tokenizer has a part that would not be applied exactly.
    """

    type = "tokseam"
    name = "tokenize"

    def __init__(
        self,
        output_folder: Any,
        tokenizer_name_or_path: str | os.PathLike[str],
        local_working_dir: Any = None,
        *,
        allowed_special: Literal["all"] | Collection[str] = (),
        threads: int | None = 1,
        **options: Any,
    ) -> None:
        if options.get("save_loss_metadata"):
            raise ExportError("save_loss_metadata needs datatrove's own DocumentTokenizer, which it is made for")
        super().__init__(output_folder, os.fspath(tokenizer_name_or_path), local_working_dir, **options)
        self.output_folder: Any  # datatrove's folder, of the argument.
        self.allowed_special: Any = allowed_special if allowed_special == "all" else sorted(allowed_special)
        self.threads = threads

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer in `tokenizers`, whose post-processor says what goes before and behind a text.

        Raises:
            UnknownTokenError: `eos_token` is no token of the tokenizer.
        """
        try:
            return super().tokenizer
        except TypeError as error:
            if self.eos_token is None:
                raise
            message = f"eos_token is {self.eos_token!r}, which is no token of {self.tokenizer_name_or_path}"
            raise UnknownTokenError(message) from error

    @cached_property
    def token_size(self) -> int:
        """The bytes of an id."""
        # The highest id counts, where it lies beyond the number of entries.
        return max(int(super().token_size), 4 if self._encoder.vocab_size > 1 << 16 else 2)

    @cached_property
    def _encoder(self) -> Tokenizer:
        for part in ("truncation", "padding"):
            if getattr(self.tokenizer, part) is not None:
                raise ExportError(
                    f"{self.tokenizer_name_or_path} asks for {part}, which would change the documents; set it to null"
                )
        return Tokenizer.from_hf(self.tokenizer)

    @cached_property
    def _around(self) -> tuple[list[int], list[int]]:
        """The ids before and behind each text."""
        if not self.tokenizer.num_special_tokens_to_add(False):
            return [], []
        probe = self.tokenizer.encode("a")
        added = probe.special_tokens_mask
        before = added.index(0) if 0 in added else 0
        behind = added[::-1].index(0) if 0 in added else 0
        end = len(added) - behind
        if not before < end or probe.ids[before:end] != self._encoder.encode("a").tolist():
            raise ExportError(
                f"the post-processor of {self.tokenizer_name_or_path} does more than to put ids before and behind a "
                "text; pass eos_token, which takes its place"
            )
        return probe.ids[:before], probe.ids[end:]

    def run(self, data: Iterable[Any] | None, rank: int = 0, world_size: int = 1) -> None:
        """Write the ids of the documents of a rank.

        Args:
            data: Documents.
            rank: The rank, which is in the names of the files.
            world_size: The number of ranks.
        """
        folder = self.output_folder
        if not folder.is_local():
            super().run(data or (), rank, world_size)
            return
        # A folder beside, so that a rank that fails leaves no file that a loader would take.
        place = Path(folder.resolve_paths(""))
        work = place / f".{host.get_output_filename(self.save_filename, rank, 'part')}"
        shutil.rmtree(work, ignore_errors=True)
        self.output_folder = storage.get_datafolder(str(work))
        try:
            super().run(data or (), rank, world_size)
            # Ids come last: whoever sees them finds their index.
            for file in sorted(work.iterdir(), key=lambda file: file.suffix == ".ds"):
                os.replace(file, place / file.name)
        finally:
            self.output_folder = folder
            shutil.rmtree(work, ignore_errors=True)

    def write_unshuffled(self, data: Iterable[Any], filename: str) -> Any:
        """Write the ids of documents in their order.

        Args:
            data: Documents.
            filename: The file.

        Returns:
            The `TokenizedFile` of datatrove, closed.
        """
        shuffled = self.shuffle_documents or self.shuffle_chunk_size
        file = host.TokenizedFile(
            self.local_working_dir if shuffled and self.local_working_dir else self.output_folder,
            filename,
            save_index=self.save_index or shuffled,
            upload_block_size=self.upload_block_size,
            tokenizer_name_or_path=self.tokenizer_name_or_path,
            save_final_metadata=self.save_final_metadata,
            token_size=self.token_size,
        )
        dtype = f"<u{self.token_size}"
        for batch in batching.batched(data, self.batch_size):
            with self.track_time(unit="batch"), _named(batch):
                ids, ends = self._encode([document.text for document in batch])
                file.write_bytes(ids.astype(dtype).tobytes(), doc_ends=ends.tolist())
            for length in np.diff(ends, prepend=0).tolist():
                self.stat_update("tokens", value=length)
        file.close()
        return file

    def _encode(self, texts: list[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Return the ids of texts, with what goes before and behind each, and their ends."""
        threads = True if self.threads is None else self.threads
        ids, offsets = self._encoder.encode_batch(texts, allowed_special=self.allowed_special, parallel=threads)
        before, behind = self._around
        rows, more = len(texts), len(before) + len(behind)
        if more:
            places = np.concatenate(
                [np.repeat(offsets[:-1, None], len(before), axis=1), np.repeat(offsets[1:, None], len(behind), axis=1)],
                axis=1,
            )
            ids = np.insert(ids, places.ravel(), np.tile(np.array(before + behind, np.uint32), rows))
        return ids, offsets[1:] + more * np.arange(1, rows + 1)
