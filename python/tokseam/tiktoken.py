"""Tokenizers as encodings of tiktoken."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from tokseam import _extras

if TYPE_CHECKING:
    import tiktoken

    from tokseam.tokenizer import Tokenizer

__all__ = ["to_encoding"]


def to_encoding(tokenizer: Tokenizer, name: str, *, pad_bytes: bool = False) -> tiktoken.Encoding:
    """Return a `tiktoken.Encoding` with the same ids: what `Tokenizer.to_tiktoken` does.

    Args:
        tokenizer: The tokenizer.
        name: The name of the encoding.
        pad_bytes: Give the bytes that have no token an id behind all others, with a `UserWarning`.

    Raises:
        ExportError: Some text would get other ids; the message names the token or step, and the remedy.
        ImportError: tiktoken is not installed.
    """
    host = _extras.load("tiktoken", "tiktoken", "to_tiktoken")
    pattern, ranks, special, padded = tokenizer._native.to_tiktoken(pad_bytes)
    if padded:
        first = tokenizer.vocab_size
        warnings.warn(
            f"{len(padded)} bytes had no token and got the ids {first} to {first + len(padded) - 1}: "
            f"{padded.hex(' ')}; a model needs rows for them",
            UserWarning,
            stacklevel=3,
        )
    return host.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens=special)
