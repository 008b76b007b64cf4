"""Texts to train on, read once or more, never held.

A corpus is any iterable of texts, or `files(...)`. Training reads it two or more times; an iterator that can be read
once only is written to a temporary file on the way. Texts come in batches of some megabytes, so that all threads have
work and a file of lines costs no Python call a line.
"""

from __future__ import annotations

import json
import os
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple, final

from tokseam import _arrow, _extras, _native
from tokseam.errors import TrainError
from tokseam.tokenizer import as_bytes

if TYPE_CHECKING:
    from tokseam.tokenizer import Text

__all__ = ["Batch", "Files", "Texts", "batched", "files", "open_file", "plain_name", "split_lines"]

BATCH = 4 << 20
BATCH_TEXTS = 1 << 16
LONG_PART = 64 << 20
LARGEST = 1 << 30
LINE_SUFFIXES = (".jsonl", ".ndjson", ".json")
PACKED_SUFFIXES = (".gz", ".zst")
PLAIN_SUFFIXES = (".txt", *LINE_SUFFIXES, ".parquet")


class Batch(NamedTuple):
    """Some texts.

    Attributes:
        texts: The texts.
        lines: Whether each line of them is a text of its own.
        size: Their bytes, or characters where they are `str`.
    """

    texts: list[Text]
    lines: bool
    size: int

    @property
    def rows(self) -> int:
        """How many texts they are where lines are texts of their own."""
        if not self.lines:
            return len(self.texts)
        data = [as_bytes(text) for text in self.texts]
        return sum(text.count(b"\n") + (not text.endswith(b"\n")) for text in data if text)


def files(
    *paths: str | os.PathLike[str],
    text: str = "text",
    weights: Sequence[float] | None = None,
    seed: int = 0,
    on_error: Literal["raise", "skip"] = "raise",
) -> Files:
    """Return the texts of files as a corpus for `train` and `extend`.

    A `.txt` file, or any other, gives one text a line, with its line end, as the reference trainer does; `.jsonl` (also
    `.json`, `.ndjson`) and `.parquet` give one text a record. `.gz` and `.zst` behind any of them are unpacked. Files
    are streamed, and read again for each pass.

    Args:
        paths: Paths, globs (`data/**/*.txt`) or URLs, as fsspec takes them. Each argument is a source.
        text: The field of a record, or the column of a table, that holds the text.
        weights: The share of each source in the bytes of the corpus, in any unit. Texts are drawn without repetition:
            the source that is short of its share is taken whole, and of the others as much as fits to it. Needs one
            more pass, to measure the sources.
        seed: What decides which texts are drawn; the same seed draws the same ones.
        on_error: What happens to a file that cannot be read to its end, a record without a text, and a text that is
            not UTF-8 or of more than 1 GiB: `"raise"`, or `"skip"` and count it in `Files.skipped` and in the report.

    Raises:
        ImportError: fsspec, or pyarrow for a parquet file, is not installed.
        TrainError: A path or a glob matches no file, or the weights do not fit to the paths.
    """
    return Files(paths, text, weights, seed, on_error)


@final
class Files:
    """The texts of files; `files` makes one. Iterating gives text after text, and raises what `batches` raises.

    Attributes:
        skipped: What was left out in the latest pass, by kind (`files`, `records`, `texts`), if errors are skipped.
        paths: The files of each source, in order.
    """

    def __init__(
        self,
        sources: Sequence[str | os.PathLike[str]],
        text: str,
        weights: Sequence[float] | None,
        seed: int,
        on_error: str,
    ) -> None:
        if not sources:
            raise TrainError("files needs at least one path or glob")
        if on_error not in {"raise", "skip"}:
            raise TrainError(f'on_error is "raise" or "skip", not {on_error!r}')
        if weights is not None and (
            len(weights) != len(sources)
            or not all(0 <= weight < float("inf") for weight in weights)
            or not sum(weights)
        ):
            raise TrainError(
                f"weights need one number from 0 on for each of the {len(sources)} sources, not {weights!r}"
            )
        self.paths = [_match(os.fspath(source)) for source in sources]
        self.skipped: dict[str, int] = {}
        self._text = text
        self._weights = weights
        self._seed = seed
        self._skip = on_error == "skip"
        self._shares: list[float] | None = None

    def __iter__(self) -> Iterator[Text]:
        for batch in self.batches():
            for text in batch.texts:
                if batch.lines:
                    yield from split_lines(as_bytes(text))
                else:
                    yield text

    def describe(self) -> list[Any]:
        """Return what tells this corpus from another: files with their sizes, and how they are read.

        Raises:
            ImportError: fsspec is not installed.
            OSError: A file is not there any more.
        """
        fsspec = _extras.load("fsspec", "train", "reading files")
        sizes = []
        for paths in self.paths:
            for path in paths:
                system, inner = fsspec.core.url_to_fs(path)
                sizes.append([path, system.size(inner)])
        return [sizes, self._text, list(self._weights or ()), self._seed, self._skip]

    def batches(self) -> Iterator[Batch]:
        """Yield all texts, once.

        Raises:
            ImportError: What unpacks or reads a file is not installed.
            TrainError: A file cannot be read to its end, or has something that is no text, unless errors are skipped.
        """
        self.skipped = {}
        if self._weights is None:
            for paths in self.paths:
                for path in paths:
                    yield from self._read(path)
            return
        if self._shares is None:
            sizes = [self._measure(paths) for paths in self.paths]
            total = min(
                (size / weight for size, weight in zip(sizes, self._weights, strict=True) if weight), default=0.0
            )
            self._shares = [
                min(1.0, weight * total / size) if size else 0.0
                for size, weight in zip(sizes, self._weights, strict=True)
            ]
            self.skipped = {}
        for source, (paths, share) in enumerate(zip(self.paths, self._shares, strict=True)):
            limit = int(share * 2**64)
            index = 0
            for path in paths:
                for batch in self._read(path):
                    texts = []
                    whole = batch.texts
                    if batch.lines:
                        whole = [line for text in whole for line in split_lines(as_bytes(text))]
                    for text in whole:
                        if _draw(self._seed, source, index) < limit:
                            texts.append(text)
                        index += 1
                    yield Batch(texts, False, sum(map(len, texts)))

    def _measure(self, paths: list[str]) -> int:
        total = 0
        for path in paths:
            for batch in self._read(path):
                total += sum(len(as_bytes(text)) for text in batch.texts)
        return total

    def _fail(self, kind: str, message: str, cause: BaseException | None = None) -> None:
        if not self._skip:
            raise TrainError(f'{message}; on_error="skip" leaves it out') from cause
        self.skipped[kind] = self.skipped.get(kind, 0) + 1

    def _lines_of(self, path: str, file: IO[bytes]) -> Iterator[bytes]:
        return _blocks(file, lambda: self._fail("texts", f"{path} has a line of more than 1 GiB; cut it into texts"))

    def _read(self, path: str) -> Iterator[Batch]:
        plain = plain_name(path)
        try:
            with open_file(path) as file:
                if plain.endswith(".parquet"):
                    yield from self._tables(path, file)
                elif plain.endswith(LINE_SUFFIXES):
                    yield from self._records(path, file)
                else:
                    yield from self._blocks(path, file)
        except (ImportError, TrainError, GeneratorExit):
            raise
        # Each of the unpacking libraries has errors of its own.
        except Exception as error:
            self._fail("files", f"{path} cannot be read to its end ({type(error).__name__}: {error})", error)

    def _blocks(self, path: str, file: IO[bytes]) -> Iterator[Batch]:
        place = 0
        for block in self._lines_of(path, file):
            if not _native.is_utf8(block):
                kept: list[Text] = []
                for line in split_lines(block):
                    try:
                        line.decode()
                    except UnicodeDecodeError as error:
                        at = place + error.start
                        self._fail("texts", f"{path} is not UTF-8: byte 0x{line[error.start]:02X} at {at}", error)
                    else:
                        kept.append(line)
                    place += len(line)
                yield Batch(kept, False, sum(map(len, kept)))
            else:
                place += len(block)
                yield Batch([block], True, len(block))

    def _records(self, path: str, file: IO[bytes]) -> Iterator[Batch]:
        def texts() -> Iterator[Text]:
            number = 0
            for block in self._lines_of(path, file):
                found = _native.record_texts(block, self._text)
                if None in found:
                    found = [
                        text if text is not None else self._record(path, number + index, line)
                        for index, (line, text) in enumerate(zip(split_lines(block), found, strict=True), 1)
                    ]
                number += len(found)
                # A long line is not held beside its text while that is counted.
                del block
                yield from (text for text in found if text is not None)

        yield from batched(texts())

    def _record(self, path: str, number: int, line: bytes) -> bytes | None:
        """Return the text of a line in which it was not plain to see, or say why there is none."""
        if line.isspace():
            return None
        try:
            record = json.loads(line)
            found = record[self._text] if isinstance(record, dict) else record
            if not isinstance(found, str):
                raise TypeError(f"the text is {type(found).__name__}, not a string")
            return found.encode()
        except (ValueError, KeyError, TypeError) as error:
            self._fail(
                "records",
                f"line {number} of {path} is no JSON record with a text in {self._text!r} "
                f"({type(error).__name__}: {error})",
                error,
            )
            return None

    def _tables(self, path: str, file: IO[bytes]) -> Iterator[Batch]:
        table = _extras.load("pyarrow.parquet", "train", "reading parquet").ParquetFile(file)
        if self._text not in table.schema_arrow.names:
            self._fail("files", f"{path} has no column {self._text!r}, only {', '.join(table.schema_arrow.names)}")
            return
        for rows in table.iter_batches(batch_size=8192, columns=[self._text]):
            texts = []
            for number, found in enumerate(rows.column(0).to_pylist()):
                if isinstance(found, (str, bytes)) and len(found) > LARGEST:
                    self._fail("texts", f"{path} has a text of more than 1 GiB; cut it")
                elif isinstance(found, (str, bytes)):
                    texts.append(found)
                else:
                    self._fail("records", f"row {number} of a batch of {path} has no text in {self._text!r}")
            yield Batch(texts, False, sum(map(len, texts)))


def plain_name(path: str) -> str:
    """Return the path of a file as it would be if it were not packed."""
    for suffix in PACKED_SUFFIXES:
        path = path.removesuffix(suffix)
    return path


def _is_plain(path: str) -> bool:
    """Whether a path is a file of this machine that is not packed: it needs no fsspec, which takes long to load."""
    return path.endswith(PLAIN_SUFFIXES) and "::" not in path and Path(path).is_file()


def open_file(path: str) -> Any:
    if _is_plain(path):
        return Path(path).open("rb")
    fsspec = _extras.load("fsspec", "train", "reading files")
    if path.endswith(".zst"):
        _extras.load("zstandard", "train", "reading .zst files")
    return fsspec.open(path, "rb", compression="infer")


def _match(source: str) -> list[str]:
    if _is_plain(source):
        return [source]
    fsspec = _extras.load("fsspec", "train", "reading files")
    system, inner = fsspec.core.url_to_fs(source)
    if system.exists(inner) and not system.isdir(inner):
        return [source]
    found = sorted(system.unstrip_protocol(path) for path in system.glob(inner) if not system.isdir(path))
    if not found:
        raise TrainError(f"{source} matches no file")
    return [path.removeprefix("file://") for path in found]


def _blocks(file: IO[bytes], fail: Callable[[], None]) -> Iterator[bytes]:
    """Yield a file in blocks that end at a line end. `fail` hears of a line of more than 1 GiB, which is left out."""
    parts: list[bytes] = []
    size = 0
    is_left_out = False
    # A long line is read in parts so large that their memory is given back when they are joined.
    while block := file.read(min(max(BATCH, size), LONG_PART)):
        first = block.find(b"\n") + 1 or len(block)
        if is_left_out or size + first > LARGEST:
            if not is_left_out:
                fail()
            parts.clear()
            size = 0
            is_left_out = block[first - 1] != ord("\n")
            block = block[first:]
        end = block.rfind(b"\n") + 1
        if end:
            # A long line is not held here too while it is counted.
            parts.append(block[:end])
            yield _joined(parts)
            size = 0
        parts.append(block[end:])
        size += len(block) - end
    if size:
        yield _joined(parts)


def _joined(parts: list[bytes]) -> bytes:
    """Return parts as one; the list is empty then."""
    whole = b"".join(parts)
    parts.clear()
    return whole


def split_lines(block: bytes) -> Iterator[bytes]:
    """Yield lines with their line ends. Unlike `splitlines`, only a newline ends one."""
    start = 0
    while end := block.find(b"\n", start) + 1:
        yield block[start:end]
        start = end
    if start < len(block):
        yield block[start:]


def _without(batch: Batch, behind: int) -> tuple[Batch, int]:
    """Return a batch without so many texts at its start, and how many it had of them."""
    rows = batch.rows
    if rows <= behind:
        return batch._replace(texts=[]), rows
    texts = batch.texts
    if batch.lines:
        texts = [line for text in texts for line in split_lines(as_bytes(text))]
    return batch._replace(texts=texts[behind:], lines=False), behind


def _draw(seed: int, source: int, index: int) -> int:
    """Return 64 bits that depend on all three (splitmix64)."""
    mask = 2**64 - 1
    value = (seed * 0xD1342543DE82EF95 + source * 0xAF251AF3B0F025B5 + index * 0x9E3779B97F4A7C15 + 1) & mask
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & mask
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & mask
    return value ^ value >> 31


def batched(texts: Iterable[Text]) -> Iterator[Batch]:
    batch: list[Text] = []
    size = 0
    for index, text in enumerate(texts):
        if not isinstance(text, (str, bytes)):
            raise TypeError(f"text {index} of the corpus is {type(text).__name__}, not str or bytes")
        if len(text) > LARGEST:
            raise TrainError(f"text {index} of the corpus is over 1 GiB; cut it")
        batch.append(text)
        size += len(text)
        if size >= BATCH or len(batch) >= BATCH_TEXTS:
            yield Batch(batch, False, size)
            batch, size = [], 0
    if batch:
        yield Batch(batch, False, size)


@final
class Texts:
    """A corpus that can be read again and again, whatever it was."""

    def __init__(self, corpus: Iterable[Text] | _arrow.Column | Files, lines: bool) -> None:
        if isinstance(corpus, (str, bytes)):
            raise TypeError(
                "the corpus is one text; pass an iterable of texts ([text]), or tokseam.superbpe.files(path) for a file"
            )
        if not isinstance(corpus, Files) and not isinstance(corpus, Iterable):
            raise TypeError(f"a corpus is an iterable of texts or files(...), not {type(corpus).__name__}")
        self._column = _arrow.texts(corpus) if _arrow.is_column(corpus) else None
        self._corpus = corpus
        self._lines = lines
        self._spool: IO[bytes] | None = None

    @property
    def skipped(self) -> dict[str, int]:
        """What the latest pass left out."""
        return dict(self._corpus.skipped) if isinstance(self._corpus, Files) else {}

    def describe(self) -> Any:
        """Return what tells this corpus from another, as far as it can be told."""
        return [self._lines, self._corpus.describe() if isinstance(self._corpus, Files) else None]

    def batches(self, behind: int = 0) -> Iterator[Batch]:
        """Yield all texts, once; call it again for another pass.

        Args:
            behind: How many texts are passed over. Their batches come too, with their size, but without them.

        Raises:
            TrainError: There are not so many texts.
        """
        for read in self._read():
            batch = read._replace(lines=read.lines or self._lines)
            if behind:
                batch, passed = _without(batch, behind)
                behind -= passed
            yield batch
        if behind:
            raise TrainError(
                f"the corpus has {behind} texts fewer than the checkpoint has counted; give the same corpus, or remove "
                "the checkpoint to start anew"
            )

    def _read(self) -> Iterator[Batch]:
        if isinstance(self._corpus, Files):
            yield from self._corpus.batches()
        elif self._column is not None:
            yield from batched(_arrow.strings(self._column))
        elif self._spool is not None:
            self._spool.seek(0)
            while True:
                try:
                    yield pickle.load(self._spool)
                except EOFError:
                    return
        elif iter(self._corpus) is not self._corpus:
            yield from batched(self._corpus)
        else:
            spool = tempfile.TemporaryFile()  # noqa: SIM115
            try:
                for batch in batched(self._corpus):
                    pickle.dump(batch, spool, protocol=5)
                    yield batch
            except BaseException:
                spool.close()
                raise
            self._spool = spool

    def __del__(self) -> None:
        spool = getattr(self, "_spool", None)
        if spool is not None:
            spool.close()
