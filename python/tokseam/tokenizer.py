"""The tokenizer: one immutable object over the native encoder.

Ids are `uint32`, offsets and counts are `int64`, and a batch of any shape is `(ids, offsets)`. Text is `str` or `bytes`
everywhere; bytes need not be UTF-8. Special tokens spelled out in a text are plain text unless the caller allows them.
"""

from __future__ import annotations

import errno
import gzip
import os
import sys
from base64 import b64decode
from collections.abc import Iterable, Mapping
from itertools import pairwise
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, final

import numpy as np

from tokseam import _arrow, _atomic, _extras, _native
from tokseam.errors import UnsupportedTokenizerError, VocabError
from tokseam.segmentation import Segmentation

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pyarrow as pa
    import tiktoken
    import transformers
    from numpy.typing import NDArray

    from tokseam._arrow import Column

    Text = str | bytes
    Ids = Sequence[int] | NDArray[np.integer[Any]]
    Allowed = Literal["all"] | Collection[str]

__all__ = ["Ragged", "Tokenizer"]

# The process that loaded this module.
_PROCESS = os.getpid()


class Ragged(NamedTuple):
    """Rows of ids of different lengths, laid end to end.

    Row `i` is `ids[offsets[i]:offsets[i + 1]]`. Two are equal if their arrays are.

    Attributes:
        ids: uint32, shape (total,).
        offsets: int64, shape (rows + 1,), from 0 to `total`, never falling. Unit: ids.
    """

    ids: NDArray[np.uint32]
    offsets: NDArray[np.int64]

    def __eq__(self, other: object) -> bool:
        # Tuples would ask whether an array of comparisons is true.
        if not isinstance(other, tuple):
            return NotImplemented
        if len(other) != len(self):
            return False
        return np.array_equal(self.ids, other[0]) and np.array_equal(self.offsets, other[1])

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        raise TypeError("a Ragged has no hash, since its arrays can change; take (ids.tobytes(), offsets.tobytes())")

    def tolists(self) -> list[list[int]]:
        """Return the rows as Python lists, the form that `datasets` and JSON take."""
        ids, offsets = self.ids.tolist(), self.offsets.tolist()
        return [ids[start:end] for start, end in pairwise(offsets)]

    def to_arrow(self) -> pa.LargeListArray:
        """Return the rows as an Arrow array of large lists of uint32, without copying the ids.

        Raises:
            ImportError: pyarrow is not installed.
        """
        pa = _extras.load("pyarrow", "train", "to_arrow")
        return pa.LargeListArray.from_arrays(pa.array(self.offsets), pa.array(self.ids))

    @classmethod
    def from_arrow(cls, rows: Column) -> Ragged:
        """Return the rows of an Arrow column of lists of integers; what `to_arrow` made is not copied.

        Args:
            rows: An array or chunked array of pyarrow, or any object with the Arrow PyCapsule interface.

        Raises:
            ImportError: pyarrow is not installed.
            TypeError: It is a column of something else.
            UnknownTokenError: A row or an id is null, or an integer can be no id.
        """
        return cls(*_arrow.rows(rows))


@final
class Tokenizer:
    """An exact BPE tokenizer: the same ids as `tokenizers` and `tiktoken` give for the same file.

    Make one with `from_file`, `from_json`, `from_hf` or `from_tiktoken`. It never changes, can be used from any number
    of threads, pickles to the same bytes every time, and equals another one that saves to the same file.

    Examples:
        >>> from tokseam import Tokenizer
        >>> tokenizer = Tokenizer.from_file("tokenizer.json")
        >>> ids = tokenizer.encode("Tokens meet at seams.")
        >>> ids.dtype
        dtype('uint32')
        >>> tokenizer.decode(ids)
        'Tokens meet at seams.'
    """

    __slots__ = ("__weakref__", "_native")

    def __init__(self, native: _native.Tokenizer | None = None) -> None:
        if not isinstance(native, _native.Tokenizer):
            raise TypeError("use Tokenizer.from_file, from_json, from_hf or from_tiktoken")
        self._native = native

    # Making one.

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Tokenizer:
        """Load a `tokenizer.json`, a `tokenizer.json.gz`, or a folder that holds a `tokenizer.json`.

        Args:
            path: The file or the folder.

        Raises:
            FileNotFoundError: There is no such file.
            VocabError: The file is no valid tokenizer. A file of tiktoken ranks is one of them: it has no pattern, so
                it goes through `from_tiktoken(path, pattern=...)`.
            UnsupportedTokenizerError: The file has a part that would not be applied exactly.
        """
        file = Path(path)
        # Some editors open a file with a byte order mark; JSON has none.
        data = file_bytes(file).removeprefix(b"\xef\xbb\xbf")
        if not data.lstrip().startswith(b"{"):
            raise VocabError(
                f"{file} is not a tokenizer.json: it does not start with '{{'. "
                "For a file of tiktoken ranks use Tokenizer.from_tiktoken(path, pattern=REGEX, special_tokens={...})"
            )
        try:
            return cls(_native.Tokenizer.from_json(data))
        except VocabError as error:
            error.add_note(f"while reading {file}")
            raise

    @classmethod
    def from_json(cls, data: str | bytes) -> Tokenizer:
        """Load the text of a `tokenizer.json`.

        Args:
            data: The JSON, as text or as UTF-8.

        Raises:
            VocabError: The text is no valid tokenizer.
            UnsupportedTokenizerError: It has a part that would not be applied exactly.
        """
        return cls(_native.Tokenizer.from_json(data))

    @classmethod
    def from_hf(cls, tokenizer: Any) -> Tokenizer:
        """Take over a tokenizer of Hugging Face.

        Args:
            tokenizer: A `tokenizers.Tokenizer`, or a tokenizer of `transformers` that is backed by one.

        Raises:
            TypeError: The object is neither (a "slow" tokenizer of transformers has no `tokenizer.json`).
            UnsupportedTokenizerError: It has a part that would not be applied exactly, or one written in Python.
        """
        for name in ("backend_tokenizer", "_tokenizer"):
            if not hasattr(tokenizer, "to_str") and hasattr(tokenizer, name):
                tokenizer = getattr(tokenizer, name)
        if not hasattr(tokenizer, "to_str"):
            raise TypeError(
                "from_hf takes a tokenizers.Tokenizer or a fast tokenizer of transformers, "
                f"not {type(tokenizer).__name__}"
            )
        try:
            data = tokenizer.to_str()
        except Exception as error:
            raise UnsupportedTokenizerError(
                f"this tokenizer cannot be written as a tokenizer.json ({error}); "
                "replace the part that is written in Python by a stock one"
            ) from error
        return cls.from_json(data)

    @classmethod
    def from_tiktoken(
        cls,
        source: Any,
        *,
        pattern: str | None = None,
        special_tokens: Mapping[str, int] | None = None,
    ) -> Tokenizer:
        """Take over a `tiktoken.Encoding`, or read a file of tiktoken ranks.

        Args:
            source: A `tiktoken.Encoding`, or the path of a `.tiktoken` file (also gzipped).
            pattern: The split pattern; needed with a path, since the file does not say.
            special_tokens: The special tokens and their ids; only with a path.

        Raises:
            FileNotFoundError: There is no such file.
            TypeError: `source` is neither, or an encoding came with a pattern of its own and was given another; or
                `pattern` is no text, or `special_tokens` no mapping of names to integers.
            VocabError: The ranks or an id are not valid, or the pattern is missing or empty.
            UnsupportedTokenizerError: The pattern would not be applied exactly, or is none.
        """
        if isinstance(source, (str, os.PathLike)):
            path = Path(source)
            if pattern is None:
                raise VocabError(
                    f"{path} holds ranks alone: pass pattern=REGEX, the split pattern of the encoding, "
                    "and special_tokens={NAME: ID} if it has any"
                )
            if not isinstance(pattern, str):
                raise TypeError(f"pattern is the split pattern of the encoding, a regex as str, not {pattern!r}")
            if not pattern:
                raise VocabError("pattern is '', which leaves no text: pass the split pattern of the encoding")
            special = _special_ids(special_tokens)
            return cls(_native.Tokenizer.from_tiktoken(_parse_ranks(path), pattern, special))
        if pattern is not None or special_tokens is not None:
            raise TypeError("pattern and special_tokens go with a path; a tiktoken.Encoding has its own")
        try:
            ranks = list(source._mergeable_ranks.items())
            special = list(source._special_tokens.items())
            native = _native.Tokenizer.from_tiktoken(ranks, source._pat_str, special)
        except AttributeError as error:
            raise TypeError(
                f"from_tiktoken takes a tiktoken.Encoding or a path, not {type(source).__name__}"
            ) from error
        return cls(native)

    # Encoding.

    def encode(self, text: Text, *, allowed_special: Allowed = ()) -> NDArray[np.uint32]:
        """Encode one text.

        Args:
            text: Text, or bytes that need not be UTF-8.
            allowed_special: The special tokens that count as such where the text spells them: `"all"`, or a collection
                of names. All others are plain text, and plain text never gives a special token's id.

        Returns:
            The ids: uint32, shape (n,).

        Raises:
            TypeError: The text is neither `str` nor `bytes`, or `allowed_special` is one name.
            UnicodeError: The text holds a lone surrogate.
            UnknownTokenError: `allowed_special` has a name that is no special token.
            VocabError: A byte of the text has no token.
        """
        return self._native.encode(text, _allowed(allowed_special))

    def encode_batch(
        self,
        texts: Iterable[Text] | Column,
        *,
        allowed_special: Allowed = (),
        parallel: bool | int | None = None,
    ) -> Ragged:
        """Encode many texts at once.

        Args:
            texts: The texts; an Arrow column of strings or binaries is read where it lies, without a Python object a
                text.
            allowed_special: As in `encode`.
            parallel: The number of threads; True is one a core, False is one. None chooses by the amount of text, and
                is one thread in worker processes, where the other cores have their own work. The result is the same.

        Returns:
            One row a text: ids uint32, offsets int64.

        Raises:
            TypeError: These are not many texts, or a column of something else, `allowed_special` is one name, or
                `parallel` is no whole number.
            UnicodeError: A text holds a lone surrogate.
            UnknownTokenError: `allowed_special` has a name that is no special token.
            ValueError: `parallel` is a number below 1.
            VocabError: A byte of a text has no token, or a row of a column is null.
        """
        return Ragged(*self._native.encode_batch(_texts(texts), _allowed(allowed_special), _threads(parallel)))

    def encode_with_offsets(
        self, text: Text, *, allowed_special: Allowed = ()
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Encode one text and say where each token lies.

        Args:
            text: As in `encode`.
            allowed_special: As in `encode`.

        Returns:
            The ids, uint32, shape (n,), and their ranges, int64, shape (n, 2): first and end byte of each token in the
            UTF-8 of the text. A token that holds part of a character spans exactly its own bytes; under a normalizer a
            token has the whole characters that it came from.

        Raises:
            TypeError: The text is neither `str` nor `bytes`, or `allowed_special` is one name.
            UnicodeError: The text holds a lone surrogate.
            UnknownTokenError: `allowed_special` has a name that is no special token.
            VocabError: A byte of the text has no token.
        """
        return self._native.encode_with_offsets(text, _allowed(allowed_special))

    def count(self, text: Text, *, allowed_special: Allowed = ()) -> int:
        """Return the number of tokens of one text: `len(encode(text))` without the array.

        Args:
            text: As in `encode`.
            allowed_special: As in `encode`.

        Raises:
            TypeError: The text is neither `str` nor `bytes`, or `allowed_special` is one name.
            UnicodeError: The text holds a lone surrogate.
            UnknownTokenError: `allowed_special` has a name that is no special token.
            VocabError: A byte of the text has no token.
        """
        return self._native.count(text, _allowed(allowed_special))

    def count_batch(
        self,
        texts: Iterable[Text] | Column,
        *,
        allowed_special: Allowed = (),
        parallel: bool | int | None = None,
    ) -> NDArray[np.int64]:
        """Return the number of tokens of each text, without the ids.

        Args:
            texts: The texts.
            allowed_special: As in `encode`.
            parallel: As in `encode_batch`.

        Returns:
            The counts: int64, shape (texts,). Unit: tokens.

        Raises:
            TypeError: These are not many texts, or a column of something else, `allowed_special` is one name, or
                `parallel` is no whole number.
            UnicodeError: A text holds a lone surrogate.
            UnknownTokenError: `allowed_special` has a name that is no special token.
            ValueError: `parallel` is a number below 1.
            VocabError: A byte of a text has no token, or a row of a column is null.
        """
        return self._native.count_batch(_texts(texts), _allowed(allowed_special), _threads(parallel))

    def show(self, text: Text, *, allowed_special: Allowed = ()) -> Segmentation:
        """Return the text with its token borders made visible: a coloured table in a notebook, plain text in `print`.

        Args:
            text: As in `encode`.
            allowed_special: As in `encode`.

        Raises:
            TypeError: The text is neither `str` nor `bytes`, or `allowed_special` is one name.
            UnicodeError: The text holds a lone surrogate.
            UnknownTokenError: `allowed_special` has a name that is no special token.
            VocabError: A byte of the text has no token.
        """
        ids, offsets = self.encode_with_offsets(text, allowed_special=allowed_special)
        special = set(self.special_tokens.values())
        return Segmentation.from_offsets(as_bytes(text), ids.tolist(), offsets.tolist(), special)

    # Decoding.

    def decode(self, ids: Ids) -> str:
        """Decode ids to text. Special tokens are written out; bytes that are not UTF-8 become U+FFFD.

        Args:
            ids: Integers, or an integer array of any width and stride.

        Raises:
            TypeError: The ids are not integers.
            UnknownTokenError: An id has no token.
        """
        return self._native.decode(ids)

    def decode_bytes(self, ids: Ids) -> bytes:
        """Decode ids to bytes, whatever they are. Special tokens are written out.

        Args:
            ids: As in `decode`.

        Raises:
            TypeError: The ids are not integers.
            UnknownTokenError: An id has no token.
        """
        return self._native.decode_bytes(ids)

    def decode_batch(self, ragged: Ragged | list[Any] | Column) -> list[str]:
        """Decode many rows, each as `decode` does.

        Args:
            ragged: What `encode_batch` returned, a list of rows of ids, or an Arrow column of them.

        Raises:
            TypeError: It is neither, or the ids are not integers.
            UnknownTokenError: An id has no token.
            ValueError: The offsets fall, or point outside of the ids.
        """
        if isinstance(ragged, Ragged):
            return self._native.decode_batch(ragged.ids, ragged.offsets)
        if _arrow.is_column(ragged):
            return self._native.decode_batch(*_arrow.rows(ragged))
        if isinstance(ragged, list):
            return self._native.decode_rows(ragged)
        # A tuple of two arrays could be either.
        raise TypeError(f"decode_batch takes a Ragged or a list of rows, not {type(ragged).__name__}")

    def stream_decoder(self) -> _native.StreamDecoder:
        """Return a decoder for ids that come one at a time.

        `push(id)` returns the text that is certain now and never splits a character, and raises `UnknownTokenError` for
        an id without a token; `finish()` returns the rest, with U+FFFD for a character that was cut, and starts anew.
        All of it joined is `decode` of all the ids. Its calls are locked; it does not pickle.
        """
        return self._native.stream_decoder()

    # Judging.

    def is_canonical(self, ids: Ids) -> bool:
        """Return whether the ids are what `encode` gives for the text that they spell.

        Special ids cut the sequence and each run between them is judged alone. A run that is not UTF-8 is not
        canonical; an empty one is.

        Args:
            ids: As in `decode`.

        Raises:
            TypeError: The ids are not integers.
            UnknownTokenError: An id has no token.
        """
        return self._native.is_canonical(ids)

    def is_admissible(self, ids: Ids) -> bool:
        """Return whether the ids are the start of what `encode` gives for some text.

        This is what a sequence must satisfy while it is being written: later text can still move the borders of
        pretokens, so the start of an encoding need not be the encoding of its own text. Texts are valid UTF-8 whose
        bytes all have a token. Special ids end a run, and the runs before the last must be canonical.

        Args:
            ids: As in `decode`.

        Raises:
            TypeError: The ids are not integers.
            UnknownTokenError: An id has no token.
            UnsupportedTokenizerError: A component of the tokenizer is one whose texts or borders are not known exactly.
        """
        return self._native.is_admissible(ids)

    # The vocabulary.

    def token_bytes(self, id: int) -> bytes:
        """Return the bytes of a token; of a special token, the UTF-8 of its name.

        Args:
            id: The id.

        Raises:
            TypeError: The id is no integer.
            UnknownTokenError: The id has no token.
        """
        return self._native.token_bytes(id)

    def token_id(self, token: bytes | str) -> int | None:
        """Return the id of the token with exactly these bytes, or None. Special tokens are never found.

        Args:
            token: The bytes, or text that stands for its UTF-8.
        """
        return self._native.token_id(as_bytes(token))

    @property
    def vocab_size(self) -> int:
        """The highest id plus one, with holes and added tokens."""
        return self._native.vocab_size

    @property
    def special_tokens(self) -> dict[str, int]:
        """The special tokens and their ids."""
        return self._native.special_tokens

    def info(self) -> dict[str, Any]:
        """Return what the file holds and how it is read, as the command `tokseam info` prints it.

        Keys: `kind`, `vocab_size`, `entries` (of the model), `merges`, `live_merges` (that can fire), `added_tokens`,
        `superwords` (whether some token holds a letter with a space behind it), `normalizer`, `pretokenizer`,
        `lossless` (`"yes"`, or the component that loses text), `missing_bytes` (bytes without a token) and `warnings`
        (where this package and stock `tokenizers` differ on purpose).
        """
        info = self._native.info()
        return info | {"lossless": info.pop("lossy") or "yes"}

    # Saving.

    def to_json(self) -> str:
        """Return the text of a `tokenizer.json` that stock `tokenizers` loads to the same ids.

        Raises:
            ExportError: As `save`.
        """
        return self._native.to_json()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a `tokenizer.json`; gzipped if the name ends in `.gz`, inside if the path is a folder.

        The file is written beside its place and then moved there, so a full disk or a crash leaves the old one.

        Args:
            path: The file, or a folder that is there.

        Raises:
            ExportError: The tokenizer came from tiktoken with a pattern that means something else in such a file.
            OSError: The file cannot be written.
        """
        file = Path(os.path.realpath(path))
        if file.is_dir():
            file = file / "tokenizer.json"
        data = self.to_json().encode()
        if file.suffix == ".gz":
            data = gzip.compress(data, mtime=0)
        _atomic.write(file, lambda place: place.write(data))

    # Other software.

    def to_tiktoken(self, name: str, *, pad_bytes: bool = False) -> tiktoken.Encoding:
        """Return a `tiktoken.Encoding` with the same ids for every text.

        tiktoken has no list of merges: it looks a piece up as a whole, and else makes the token of lowest id first. So
        not every tokenizer can be said there. Special tokens keep their ids, holes included.

        Where text between the matches of the split pattern is a piece, as in superword tokenizers, it becomes a branch
        of the pattern. tiktoken's regexes then give up (a panic, never other ids) in texts of some 100 kB and more
        without a match; encode such texts in parts, or here.

        Args:
            name: The name of the encoding.
            pad_bytes: Give the bytes that have no token an id behind all others, with a `UserWarning`. Texts with
                such bytes cannot be encoded here.

        Raises:
            ExportError: Some text would get other ids; the message names the token or step, and the remedy.
            ImportError: tiktoken is not installed.
        """
        from tokseam.tiktoken import to_encoding

        return to_encoding(self, name, pad_bytes=pad_bytes)

    def to_hf(self, **special: Any) -> transformers.PreTrainedTokenizerFast:
        """Return a fast tokenizer of transformers with the same ids.

        Args:
            special: What `PreTrainedTokenizerFast` takes: `eos_token`, `pad_token`, `model_max_length`, ... A special
                token that is named must be in the vocabulary.

        Raises:
            ExportError: A special token that is named has no id here, or the tokenizer cannot be written as a
                `tokenizer.json`.
            ImportError: transformers is not installed.
        """
        from tokseam.hf import to_fast

        return to_fast(self, **special)

    def __reduce__(self) -> tuple[Any, ...]:
        return Tokenizer.from_json, (self.to_json(),)

    def __copy__(self) -> Tokenizer:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Tokenizer:
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tokenizer):
            return NotImplemented
        return self is other or (self.vocab_size == other.vocab_size and self.to_json() == other.to_json())

    def __hash__(self) -> int:
        return hash((self.vocab_size, frozenset(self.special_tokens.items())))

    def __repr__(self) -> str:
        info = self.info()
        return f"Tokenizer({info['kind']}, vocab_size={self.vocab_size}, special_tokens={len(self.special_tokens)})"


def _special_ids(special_tokens: Mapping[str, int] | None) -> list[tuple[str, int]]:
    if special_tokens is None:
        return []
    if not isinstance(special_tokens, Mapping):
        raise TypeError(f"special_tokens maps names to ids, as in {{'<end>': 300}}, not {special_tokens!r}")
    for name, id in special_tokens.items():
        if not isinstance(name, str):
            raise TypeError(f"special_tokens has {name!r}, which is no name of a special token: names are str")
        if not hasattr(id, "__index__") or isinstance(id, (bool, np.bool_)):
            raise TypeError(f"the special token {name!r} has the id {id!r}, which is no integer")
        if not 0 <= id < 2**32:
            raise VocabError(f"the special token {name!r} has the id {id}: ids are 0 to 4294967295")
    return list(special_tokens.items())


def _allowed(allowed_special: Allowed) -> Literal["all"] | list[str] | None:
    if allowed_special == ():
        return None
    if allowed_special == "all":
        return "all"
    if isinstance(allowed_special, (str, bytes)):
        raise TypeError(f'allowed_special is "all" or a collection of names: write {{{allowed_special!r}}}')
    if not isinstance(allowed_special, Iterable):
        raise TypeError(f'allowed_special is "all" or a collection of names, not {allowed_special!r}')
    names = list(allowed_special)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"allowed_special has {name!r}, which is no name of a special token: names are str")
    return sorted(names) or None


def _texts(texts: Iterable[Text] | Column) -> list[Any]:
    if isinstance(texts, (str, bytes)):
        raise TypeError(f"expected many texts, not one {type(texts).__name__}: write [text]")
    if _arrow.is_column(texts):
        try:
            return _arrow.packed(_arrow.texts(texts))
        except ImportError:
            # Series of other libraries give their texts one by one too.
            pass
    if not hasattr(texts, "__iter__") and not hasattr(texts, "__getitem__"):
        raise TypeError(f"expected many texts, not {texts!r}: write [text]")
    return list(texts)  # type: ignore[arg-type]


def native_of(tokenizer: Tokenizer) -> _native.Tokenizer:
    """Return the object that the kernels take.

    Raises:
        TypeError: It is the tokenizer of another library, or none.
    """
    if not isinstance(tokenizer, Tokenizer):
        kind = f"{type(tokenizer).__module__}.{type(tokenizer).__qualname__}"
        raise TypeError(
            f"expected a tokseam.Tokenizer, not {kind}: Tokenizer.from_file, from_hf and from_tiktoken make one"
        )
    return tokenizer._native


def _threads(parallel: bool | int | None) -> int:
    """Return a number of threads."""
    if parallel is None:
        # Automatic is off in worker processes and forked children: their parent shares the cores out already. A worker
        # of multiprocessing, or of the fork of it that datasets and datatrove use, has its module loaded; asking for it
        # would load it everywhere else.
        loaded = [sys.modules.get(f"{name}.process") for name in ("multiprocessing", "multiprocess")]
        worker = any(process is not None and process.parent_process() is not None for process in loaded)
        parallel = not worker and os.getpid() == _PROCESS
    if parallel is True:
        return cores()
    if parallel is False:
        return 1
    if not hasattr(parallel, "__index__"):
        raise TypeError(f"parallel is a number of threads, True, False or None, not {parallel!r}")
    threads = index(parallel)
    if threads < 1:
        raise ValueError(f"parallel is a number of threads, True, False or None, not {threads}")
    return min(threads, sys.maxsize)


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def as_bytes(text: Text) -> bytes:
    """Return the UTF-8 of a text; bytes as they are.

    Raises:
        UnicodeError: The text holds a lone surrogate.
    """
    return text.encode() if isinstance(text, str) else text


def file_bytes(path: Path) -> bytes:
    """Return what lies in a file, or in the `tokenizer.json` of a folder, unzipped.

    Raises:
        VocabError: It is a broken gzip file.
        FileNotFoundError: There is no such file, or none in the folder.
    """
    if path.is_dir():
        folder, path = path, path / "tokenizer.json"
        if not path.exists():
            reason = f"the folder {folder.resolve()} holds no tokenizer.json; name the tokenizer's file itself"
            raise FileNotFoundError(errno.ENOENT, reason, str(path))
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        try:
            return gzip.decompress(data)
        except (EOFError, OSError, ValueError) as error:
            raise VocabError(f"{path} is a broken gzip file: {error}") from error
    return data


def _parse_ranks(path: Path) -> list[tuple[bytes, int]]:
    ranks = []
    for number, line in enumerate(file_bytes(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            token, rank = line.split()
            if not rank.isdigit() or int(rank) >= 2**32:
                raise ValueError("ranks are 0 to 4294967295")
            ranks.append((b64decode(token, validate=True), int(rank)))
        except ValueError as error:
            raise VocabError(f"{path}, line {number}: expected a token in base64 and its rank ({error})") from error
    return ranks
