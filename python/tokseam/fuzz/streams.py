"""Decoders of a stream: ids go in one at a time, pieces of text come out.

`StepDecoder` is that of `tokenizers`. `WindowDecoder` is what servers do for tokenizers that have none: decode the last
few ids again and hand out what is new, once it does not end inside a character.
"""

from __future__ import annotations

from typing import Any

from tokseam.fuzz.subject import Subject

__all__ = ["StepDecoder", "WindowDecoder"]


class StepDecoder:
    """The `DecodeStream` of `tokenizers`. It has no end: what it holds back there is lost."""

    def __init__(self, tokenizer: Any) -> None:
        from tokenizers.decoders import DecodeStream

        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=False)

    def push(self, id: int) -> str:
        """Return the text that the next id makes certain."""
        return self._stream.step(self._tokenizer, id) or ""


class WindowDecoder:
    """A decoder of a stream for any tokenizer, exact if decoding a part never needs what lies before its characters.

    Args:
        tokenizer: Anything with `encode` and `decode`.

    Raises:
        TypeError: It has no `encode` and `decode`.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._subject = Subject.of(tokenizer)
        self._ids: list[int] = []
        # Ids before `_start` are forgotten, those before `_read` are handed out and give the rest its context.
        self._start = 0
        self._read = 0

    def push(self, id: int) -> str:
        """Return the text that the next id makes certain.

        Args:
            id: The id.
        """
        self._ids.append(int(id))
        new = self._new()
        if not new or new.endswith("\ufffd"):
            return ""
        self._start, self._read = self._read, len(self._ids)
        return new

    def finish(self) -> str:
        """Return the rest."""
        new = self._new()
        self._start = self._read = len(self._ids)
        return new

    def _new(self) -> str:
        before = self._subject.decode(self._ids[self._start : self._read])
        return self._subject.decode(self._ids[self._start :])[len(before) :]
