"""
The native half of tokseam. The package `tokseam` is the interface; this module may change.
"""

from _typeshed import Incomplete
from collections.abc import Sequence
from typing import Any, final

__all__ = ["StreamDecoder", "Tokenizer"]

@final
class StreamDecoder:
    """
    A decoder that takes one id at a time and never splits a character.
    """
    def finish(self, /) -> str:
        """
        The rest; the decoder then starts anew.
        """
    def push(self, /, id: Any) -> str:
        """
        The text that is certain with this id and was not before.
        """

@final
class Tokenizer:
    """
    A tokenizer.
    """
    @property
    def added_tokens(self, /) -> list:
        """
        Added tokens with their flags, in the order of ids.
        """
    def count(self, /, text: Any, allowed: Any) -> int:
        """
        The number of ids of a text.
        """
    def count_batch(self, /, texts: Any, allowed: Any, threads: int) -> Incomplete:
        """
        The number of ids of many texts: int64 (rows,).
        """
    def decode(self, /, ids: Any) -> str:
        """
        The text of ids.
        """
    def decode_batch(self, /, ids: Any, offsets: Incomplete) -> list[str]:
        """
        The texts of the rows of a ragged array.
        """
    def decode_bytes(self, /, ids: Any) -> bytes:
        """
        The bytes of ids.
        """
    def encode(self, /, text: Any, allowed: Any) -> Incomplete:
        """
        The ids of a text: uint32 of shape (n,).
        """
    def encode_batch(self, /, texts: Any, allowed: Any, threads: int) -> tuple[Incomplete, Incomplete]:
        """
        The ids of many texts on some threads: uint32 (total,) and int64 (rows + 1,).
        """
    def encode_with_offsets(self, /, text: Any, allowed: Any) -> tuple[Incomplete, Incomplete]:
        """
        The ids of a text and the bytes that each stands for: uint32 (n,) and int64 (n, 2).
        """
    def first_noncanonical(self, /, ids: Any) -> tuple[int, str] | None:
        """
        The first position where ids are not canonical, and the name of the reason.
        """
    @staticmethod
    def from_json(data: Any) -> Tokenizer:
        """
        Reads the text of a `tokenizer.json`.
        """
    @staticmethod
    def from_tiktoken(ranks: Sequence[tuple[bytes, Any]], pattern: str, special_tokens: Sequence[tuple[str, Any]]) -> Tokenizer:
        """
        Makes a tokenizer from the ranks and the pattern of a tiktoken encoding.
        """
    def info(self, /) -> dict:
        """
        What the tokenizer is made of.
        """
    def is_canonical(self, /, ids: Any) -> bool:
        """
        Whether encoding what the ids decode to gives them back.
        """
    @property
    def special_tokens(self, /) -> dict:
        """
        Ids of special tokens by their literal.
        """
    def stream_decoder(self, /) -> StreamDecoder:
        """
        A decoder that takes one id at a time.
        """
    def to_json(self, /) -> str:
        """
        The text of a `tokenizer.json`.
        """
    def token_bytes(self, /, id: Any) -> bytes:
        """
        The bytes that an id stands for.
        """
    def token_id(self, /, token: Any) -> int | None:
        """
        The id that stands for bytes, if there is one that is not special.
        """
    @property
    def vocab_size(self, /) -> int:
        """
        The highest id + 1.
        """
