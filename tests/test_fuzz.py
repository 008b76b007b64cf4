"""The fuzzer finds what it must and nothing else.

Defects are planted in a sound tokenizer, before `encode` or behind `decode`; each must be found within 500 examples.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import sources
import tokenizers
import vocabularies
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from sources import FULL, SEED, corpora, ours, stock

from tokseam import Tokenizer, VocabError, _bundled, fuzz
from tokseam.fuzz.subject import Subject

EXAMPLES = 500
SOUND = 100_000 if FULL else 4_000

quiet = settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))


class Wrapped:
    """A tokenizer with a defect on one side."""

    def __init__(self, change: Callable[[str], str], side: str) -> None:
        self.inner = _bundled.tokenizer()
        self.change = change
        self.side = side
        self.vocab_size = self.inner.vocab_size

    def encode(self, text: str) -> list[int]:
        return self.inner.encode(self.change(text) if self.side == "encode" else text).tolist()  # type: ignore[no-any-return]

    def decode(self, ids: Sequence[int]) -> str:
        text = self.inner.decode(ids)
        return self.change(text) if self.side == "decode" else text


def without(chars: str) -> Callable[[str], str]:
    return lambda text: "".join(char for char in text if char not in chars)


def form(name: str) -> Callable[[str], str]:
    return lambda text: unicodedata.normalize(name, text)  # type: ignore[arg-type]


def sub(pattern: str, by: str) -> Callable[[str], str]:
    return lambda text: re.sub(pattern, by, text)


FULLWIDTH = {0xFF10 + digit: str(digit) for digit in range(10)}
DEFECTS: dict[str, Callable[[str], str]] = {
    "blank lost at the start": lambda text: text.removeprefix(" "),
    "blank lost at the end": lambda text: text.removesuffix(" "),
    "all blanks lost at the ends": lambda text: text.strip(" "),
    "newline lost at the end": lambda text: text.removesuffix("\n"),
    "blanks doubled": lambda text: text.replace(" ", "  "),
    "blank put first": lambda text: " " + text,
    "two blanks to one": lambda text: text.replace("  ", " "),
    "blank lost before a stop": lambda text: text.replace(" .", "."),
    "blank lost before an apostrophe": lambda text: text.replace(" '", "'"),
    "blank lost before n't": lambda text: text.replace(" n't", "n't"),
    "blank lost before a question mark": lambda text: text.replace(" ?", "?"),
    **{name: form(name) for name in ("NFC", "NFD", "NFKC", "NFKD")},
    "CR LF to LF": lambda text: text.replace("\r\n", "\n"),
    "CR to LF": lambda text: re.sub("\r(?!\n)", "\n", text),
    "CR lost": without("\r"),
    "NUL lost": without("\0"),
    "text cut at NUL": lambda text: text.partition("\0")[0],
    "BOM lost": without("\ufeff"),
    "BOM lost at the start": lambda text: text.removeprefix("\ufeff"),
    "joiner lost": without("\u200d"),
    "non-joiner lost": without("\u200c"),
    "variation selector lost": without("\ufe0f"),
    "combining marks lost": lambda text: "".join(c for c in text if unicodedata.category(c) != "Mn"),
    "acute accent lost": without("\u0301"),
    "C0 bytes lost": sub(r"[\x01-\x08\x0b\x0c\x0e-\x1f]", ""),
    **{f"U+{code:04X} lost": without(chr(code)) for code in (1, 7, 8, 0x0B, 0x0C, 0x1B, 0x1C, 0x1F, 0x7F)},
    "astral characters lost": sub("[\U00010000-\U0010ffff]", ""),
    "astral characters replaced": sub("[\U00010000-\U0010ffff]", "\ufffd"),
    "no-break space to blank": lambda text: text.replace("\u00a0", " "),
    "ideographic space to blank": lambda text: text.replace("\u3000", " "),
    "fullwidth digits to ASCII": lambda text: text.translate(FULLWIDTH),
    "leading zeros lost": sub(r"\b0+(?=\d)", ""),
    "trailing zeros lost": sub(r"(\.\d*?)0+\b", r"\1"),
    "tab to blank": lambda text: text.replace("\t", " "),
    "tab lost": without("\t"),
    "lower case": str.lower,
    "upper case of ASCII": sub("[a-z]+", lambda match: match[0].upper()),  # type: ignore[arg-type]
    "special token lost": lambda text: text.replace("<|endoftext|>", ""),
    "special token split": lambda text: text.replace("<s>", "< s >"),
    "end token lost": lambda text: text.replace("</s>", ""),
    "turns lost": sub(r"<\|im_(start|end)\|>", ""),
    "class token lost": lambda text: text.replace("[CLS]", ""),
    "text cut after 4096 characters": lambda text: text[:4096],
    "word mark to blank": lambda text: text.replace("\u2581", " "),
    "quote to apostrophe": lambda text: text.replace("\u2019", "'"),
}


@pytest.mark.parametrize("side", ["encode", "decode"])
@pytest.mark.parametrize("name", DEFECTS)
def test_planted_defects(name: str, side: str) -> None:
    wrapped = Wrapped(DEFECTS[name], side)
    seen = 0

    @seed(SEED)
    @settings(quiet, max_examples=EXAMPLES, phases=[Phase.generate])
    @given(fuzz.texts())
    def run(text: str) -> None:
        nonlocal seen
        seen += 1
        fuzz.check_round_trip(wrapped, text)

    with pytest.raises(AssertionError):
        run()
    assert seen <= EXAMPLES


class Chunked:
    """A decoder of a stream that decodes some ids at a time, and loses what is cut between them."""

    def __init__(self, size: int, errors: str) -> None:
        self.inner = _bundled.tokenizer()
        self.size = size
        self.errors = errors
        self.ids: list[int] = []

    def push(self, id: int) -> str:
        self.ids.append(id)
        return self.finish() if len(self.ids) == self.size else ""

    def finish(self) -> str:
        data = self.inner.decode_bytes(self.ids)
        self.ids = []
        return data.decode(errors=self.errors)


class Unspaced(Chunked):
    """A decoder of a stream that loses the blank at the start of each piece."""

    def finish(self) -> str:
        return super().finish().removeprefix(" ")


STREAMS: dict[str, Callable[[], Any]] = {
    "byte lost at every border": lambda: Chunked(1, "ignore"),
    "byte lost at a chunk border": lambda: Chunked(8, "ignore"),
    "byte replaced at a chunk border": lambda: Chunked(3, "replace"),
    "blank lost at a chunk border": lambda: Unspaced(8, "ignore"),
}


@pytest.mark.parametrize("name", STREAMS)
def test_planted_stream_defects(name: str) -> None:
    tokenizer = _bundled.tokenizer()

    @seed(SEED)
    @settings(quiet, max_examples=EXAMPLES, phases=[Phase.generate])
    @given(fuzz.texts())
    def run(text: str) -> None:
        fuzz.check_stream(tokenizer, tokenizer.encode(text), STREAMS[name])

    with pytest.raises(AssertionError, match="in a stream"):
        run()


class Leaky:
    """A tokenizer that gives a special id for its name in plain text, as one does whose merges spell it."""

    def __init__(self) -> None:
        self.inner = _bundled.tokenizer()
        self.special_tokens = self.inner.special_tokens

    def encode(self, text: str) -> list[int]:
        return self.inner.encode(text, allowed_special="all").tolist()  # type: ignore[no-any-return]

    def decode(self, ids: Sequence[int]) -> str:
        return self.inner.decode(ids)


def test_merged_special_token() -> None:
    """The text comes back, but not as text."""
    leaky = Leaky()
    found = fuzz.find_failure(
        lambda text: fuzz.check_round_trip(leaky, text, plain=True), fuzz.texts(), examples=EXAMPLES
    )
    assert found is not None
    assert found.text == "<|endoftext|>"
    assert found.reason.startswith("plain text gives the special id")


@seed(SEED)
@settings(quiet, max_examples=SOUND)
@given(fuzz.texts(), fuzz.texts())
def test_sound(text: str, other: str) -> None:
    """A sound tokenizer passes every check."""
    tokenizer = _bundled.tokenizer()
    fuzz.check_round_trip(tokenizer, text)
    fuzz.check_round_trip(tokenizer, text.encode())
    fuzz.check_stream(tokenizer, tokenizer.encode(text))
    fuzz.check_join(tokenizer, text, other)
    fuzz.check_batch(tokenizer, [text, other])


@pytest.mark.parametrize("text", ["", " ", "a\n", "e\u0301 \ufb01\t\r\n"])
def test_smallest_case(text: str) -> None:
    """What is found is small, and says what was lost."""
    wrapped = Wrapped(without("\u0301"), "decode")
    found = fuzz.find_failure(lambda drawn: fuzz.check_round_trip(wrapped, text + drawn), fuzz.texts(), examples=200)
    assert found is not None
    assert found.text in (text + "\u0301", text)
