"""The tokenizer under test, whatever library it comes from, behind one set of methods.

Text is encoded as plain text where the library lets the caller say so in the call, and nothing is added to it: no
beginning-of-text, no template. Decoding writes special tokens out. All else is what the library does on its own.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from tokseam import segmentation
from tokseam.errors import UnknownTokenError
from tokseam.tokenizer import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["INTERRUPTS", "Subject", "attempt", "is_text"]

# What is no failure of a tokenizer. All else is one: a panic of native code is no Exception.
INTERRUPTS = (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError)

T = TypeVar("T")


class Subject:
    """A tokenizer with `encode` and `decode`.

    This class asks an object of unknown kind for what it can find; a subclass knows one library.
    """

    # Whether `encode` gives no special id unless the caller asks for it.
    is_plain = False

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    @staticmethod
    def of(tokenizer: Any) -> Subject:
        """Return the subject for a tokenizer.

        Raises:
            TypeError: It has no `encode` and `decode`.
        """
        if isinstance(tokenizer, Subject):
            return tokenizer
        for name in ("encode", "decode"):
            if not callable(getattr(tokenizer, name, None)):
                raise TypeError(
                    f"a tokenizer has encode(text) and decode(ids); {type(tokenizer).__name__} has no {name}"
                )
        if isinstance(tokenizer, Tokenizer):
            return _Own(tokenizer)
        library = type(tokenizer).__module__.partition(".")[0]
        if library == "tokenizers" and hasattr(tokenizer, "id_to_token"):
            # The classes of `tokenizers.implementations` hold one.
            return _Tokenizers(getattr(tokenizer, "_tokenizer", tokenizer))
        if hasattr(tokenizer, "convert_ids_to_tokens"):
            return _Transformers(tokenizer)
        if library == "tiktoken":
            return _Tiktoken(tokenizer)
        if library == "sentencepiece":
            return _SentencePiece(tokenizer)
        return Subject(tokenizer)

    def __repr__(self) -> str:
        kind = type(self.tokenizer)
        library = kind.__module__.partition(".")[0]
        # A class of an extension module may name no module of its own.
        return kind.__name__ if library == "builtins" else f"{library}.{kind.__name__}"

    # Text and ids.

    def encode(self, text: str | bytes) -> list[int]:
        """Return the ids of a text."""
        return _ids(self.tokenizer.encode(text))

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids."""
        text = self.tokenizer.decode(list(ids))
        if not isinstance(text, str):
            raise TypeError(f"decode(ids) of {self!r} gives a {type(text).__name__}, not a str")
        return text

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]] | None:
        """Return the ids of many texts by the library's own batch call, None if it has none."""
        call = getattr(self.tokenizer, "encode_batch", None)
        return [_ids(row) for row in call(list(texts))] if callable(call) else None

    def decode_batch(self, rows: Sequence[Sequence[int]]) -> list[str] | None:
        """Return the texts of many rows by the library's own batch call, None if it has none."""
        call = getattr(self.tokenizer, "decode_batch", None)
        return list(call([list(row) for row in rows])) if callable(call) else None

    def encode_all(self, texts: Sequence[str]) -> Iterable[Sequence[int]]:
        """Return the ids of many texts in the quickest way that there is."""
        rows = self.encode_batch(texts)
        return rows if rows is not None else [self.encode(text) for text in texts]

    def stream(self) -> Any | None:
        """Return the library's own decoder of a stream, with `push` and perhaps `finish`, or None."""
        make = getattr(self.tokenizer, "stream_decoder", None)
        return make() if callable(make) else None

    # The vocabulary.

    @cached_property
    def vocab_size(self) -> int:
        """The highest id plus one.

        Raises:
            TypeError: The tokenizer does not say.
        """
        for name in ("vocab_size", "n_vocab", "get_vocab_size", "get_piece_size", "__len__"):
            found = getattr(self.tokenizer, name, None)
            if found is not None:
                return int(found() if callable(found) else found)
        raise TypeError(f"{self!r} does not tell its vocabulary: give it an attribute vocab_size")

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """The ids of special tokens."""
        special = getattr(self.tokenizer, "special_tokens", None)
        if isinstance(special, dict):
            return frozenset(special.values())
        return frozenset(getattr(self.tokenizer, "all_special_ids", ()))

    @cached_property
    def added_ids(self) -> frozenset[int]:
        """The ids of added tokens that are not special."""
        return frozenset()

    def has_token(self, id: int) -> bool:
        """Return whether an id has a token."""
        return attempt(lambda: self.decode([id])) is not None

    def token(self, id: int) -> bytes | None:
        """Return the bytes that a token stands for inside a text, or None if it is not whole text and no one knows."""
        call = getattr(self.tokenizer, "token_bytes", None)
        if callable(call):
            return bytes(call(id))
        return _text(self.decode([id]))

    @cached_property
    def tokens(self) -> list[bytes | None]:
        """The bytes of every token, None for an id without a token or a token whose bytes are unknown."""
        return [self.token(id) if self.has_token(id) else None for id in range(self.vocab_size)]

    @cached_property
    def holes(self) -> frozenset[int]:
        """The ids that have no token."""
        return frozenset(id for id, token in enumerate(self.tokens) if token is None and not self.has_token(id))

    @cached_property
    def usable_ids(self) -> list[int]:
        """The ids that have a token."""
        return [id for id in range(self.vocab_size) if id not in self.holes]


class _Own(Subject):
    """A tokenizer of this package."""

    is_plain = True
    tokenizer: Tokenizer

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return self.tokenizer.encode_batch(texts).tolists()

    def decode_batch(self, rows: Sequence[Sequence[int]]) -> list[str]:
        return self.tokenizer.decode_batch([list(row) for row in rows])

    @cached_property
    def added_ids(self) -> frozenset[int]:
        added = self.tokenizer._native.added_tokens
        return frozenset(token["id"] for token in added if not token["special"])

    def has_token(self, id: int) -> bool:
        try:
            self.tokenizer.token_bytes(id)
        except UnknownTokenError:
            return False
        return True


class _Tokenizers(Subject):
    """A tokenizer of `tokenizers`. Whether special tokens count in plain text is a setting of the object."""

    def encode(self, text: str | bytes) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=False)
        return text

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return [row.ids for row in self.tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def decode_batch(self, rows: Sequence[Sequence[int]]) -> list[str]:
        return list(self.tokenizer.decode_batch([list(row) for row in rows], skip_special_tokens=False))

    def stream(self) -> Any:
        from tokseam.fuzz.streams import StepDecoder

        return StepDecoder(self.tokenizer)

    @property
    def is_plain(self) -> bool:  # type: ignore[override]
        return bool(self.tokenizer.encode_special_tokens)

    @cached_property
    def vocab_size(self) -> int:
        return max(self.tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1

    @cached_property
    def special_ids(self) -> frozenset[int]:
        added = self.tokenizer.get_added_tokens_decoder()
        return frozenset(id for id, token in added.items() if token.special)

    @cached_property
    def added_ids(self) -> frozenset[int]:
        return frozenset(self.tokenizer.get_added_tokens_decoder()) - self.special_ids

    def has_token(self, id: int) -> bool:
        return self.tokenizer.id_to_token(id) is not None


class _Transformers(Subject):
    """A tokenizer of `transformers`. Cleaning of blanks is left as the object has it."""

    is_plain = True

    _options: ClassVar = {"add_special_tokens": False, "split_special_tokens": True}

    def encode(self, text: str | bytes) -> list[int]:
        return _ids(self.tokenizer.encode(text, **self._options))

    def decode(self, ids: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=False)
        return text

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        # An empty batch is an error there.
        return [_ids(row) for row in self.tokenizer(list(texts), **self._options)["input_ids"]] if texts else []

    def decode_batch(self, rows: Sequence[Sequence[int]]) -> list[str]:
        return list(self.tokenizer.batch_decode([list(row) for row in rows], skip_special_tokens=False))

    def stream(self) -> None:
        return None

    @cached_property
    def vocab_size(self) -> int:
        return max(self.tokenizer.get_vocab().values(), default=-1) + 1

    @cached_property
    def special_ids(self) -> frozenset[int]:
        added = self.tokenizer.added_tokens_decoder
        return frozenset(self.tokenizer.all_special_ids) | {id for id, token in added.items() if token.special}

    @cached_property
    def added_ids(self) -> frozenset[int]:
        return frozenset(self.tokenizer.added_tokens_decoder) - self.special_ids

    def has_token(self, id: int) -> bool:
        return self.tokenizer.convert_ids_to_tokens(id) is not None


class _Tiktoken(Subject):
    """A `tiktoken.Encoding`."""

    is_plain = True

    def encode(self, text: str | bytes) -> list[int]:
        return list(self.tokenizer.encode(text, disallowed_special=()))

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return list(self.tokenizer.encode_batch(list(texts), disallowed_special=()))

    @cached_property
    def special_ids(self) -> frozenset[int]:
        return frozenset(self.tokenizer._special_tokens.values())

    def has_token(self, id: int) -> bool:
        try:
            self.tokenizer.decode_single_token_bytes(id)
        except KeyError:
            return False
        return True

    def token(self, id: int) -> bytes | None:
        return bytes(self.tokenizer.decode_single_token_bytes(id))


class _SentencePiece(Subject):
    """A `sentencepiece.SentencePieceProcessor`."""

    is_plain = True

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return [list(row) for row in self.tokenizer.encode(list(texts))]

    @cached_property
    def special_ids(self) -> frozenset[int]:
        model = self.tokenizer
        return frozenset(id for id in range(self.vocab_size) if model.is_control(id) or model.is_unknown(id))

    def has_token(self, id: int) -> bool:
        return not self.tokenizer.is_unused(id)

    def token(self, id: int) -> bytes | None:
        piece: str = self.tokenizer.id_to_piece(id)
        if self.tokenizer.is_byte(id):
            return bytes([int(piece[3:5], 16)])
        return piece.replace("\u2581", " ").encode()


def _ids(result: Any) -> list[int]:
    """Return ids as a list, from what some library's `encode` gave: a list, an array, a tensor, or what holds one.

    Raises:
        TypeError: They are no row of integers.
    """
    if isinstance(result, Mapping):
        # What `transformers` gives where a tokenizer is called.
        result = result.get("input_ids", result)
    row = getattr(result, "ids", result)
    if hasattr(row, "tolist"):
        row = row.tolist()
    try:
        return list(map(operator.index, row))
    except TypeError as error:
        raise TypeError(f"encode(text) gives a {type(result).__name__} that is no row of ids: {error}") from error


def attempt(call: Callable[[], T]) -> T | None:
    """Return what a call of the tokenizer returns, None if it fails."""
    try:
        return call()
    except INTERRUPTS:
        raise
    except BaseException:
        return None


def is_text(token: bytes | None) -> bool:
    """Return whether the bytes of a token are known and whole characters."""
    return token is not None and segmentation.is_text(token)


def _text(text: str) -> bytes | None:
    return None if "\ufffd" in text else text.encode()
