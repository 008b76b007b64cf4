"""What must hold of a tokenizer. Each check raises `Failure`, an `AssertionError`, with the case.

An exception inside the tokenizer is a failure too, a panic of its native code included.
"""

from __future__ import annotations

import pickle
import re
import tempfile
import unicodedata
from typing import TYPE_CHECKING, Any

from tokseam.fuzz.streams import WindowDecoder
from tokseam.fuzz.subject import INTERRUPTS, Subject
from tokseam.tokenizer import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tokseam.tokenizer import Ids

__all__ = [
    "Failure",
    "check_batch",
    "check_join",
    "check_resegmentation",
    "check_round_trip",
    "check_same",
    "check_stream",
    "reload",
]


class Failure(AssertionError):  # noqa: N818 - it is a case, and reads as one.
    """A case in which a tokenizer did not do what it must.

    Attributes:
        reason: What went wrong, in words.
        text: The text that went in, if one did.
        ids: The ids in between, None if there are none.
        expected: What should have come out.
        result: What came out.
    """

    def __init__(
        self,
        reason: str,
        *,
        text: str | bytes | None = None,
        ids: Sequence[int] | None = None,
        expected: Any = None,
        result: Any = None,
    ) -> None:
        self.reason = reason
        self.text = text
        self.ids = None if ids is None else [int(id) for id in ids]
        self.expected = expected
        self.result = result
        super().__init__("\n".join(self._lines()))

    def _lines(self) -> list[str]:
        lines = [self.reason]
        shown = {"text": self.text, "ids": self.ids, "expected": self.expected, "result": self.result}
        if self.expected == self.text:
            del shown["expected"]
        lines += [f"  {name}: {_show(value)}" for name, value in shown.items() if value is not None]
        return lines


def check_round_trip(
    tokenizer: Any, text: str | bytes, *, expected: Callable[[str], str] | None = None, plain: bool | None = None
) -> None:
    """Check that decoding the ids of a text gives the text, and that plain text gives no special id.

    Args:
        tokenizer: Anything with `encode` and `decode`.
        text: The text; bytes where the tokenizer takes them and has `decode_bytes`.
        expected: What the tokenizer may make of a text, if that is not the text itself: its normalizer.
        plain: Whether a special token's name in a text must be plain text. None is yes for libraries in which a caller
            can ask for that, as it is done here; `special_tokens` or the library says which ids are special.

    Raises:
        Failure: The text does not come back.
    """
    subject = Subject.of(tokenizer)
    ids = _call("encode", lambda: subject.encode(text), text=text)
    if isinstance(text, bytes):
        data = _call("decode_bytes", lambda: tokenizer.decode_bytes(ids), text=text, ids=ids)
        if data != text:
            raise Failure("bytes do not come back", text=text, ids=ids, expected=text, result=data)
        return
    result = _call("decode", lambda: subject.decode(ids), text=text, ids=ids)
    wanted = text if expected is None else expected(text)
    if result != wanted:
        raise Failure(explain(wanted, result), text=text, ids=ids, expected=wanted, result=result)
    special = subject.special_ids.intersection(ids) if (subject.is_plain if plain is None else plain) else None
    if special:
        raise Failure(f"plain text gives the special id {min(special)}", text=text, ids=ids)


def check_stream(tokenizer: Any, ids: Ids, decoder: Any = None) -> None:
    """Check that the pieces of a stream, joined, are what decoding all the ids at once gives.

    Args:
        tokenizer: Anything with `encode` and `decode`.
        ids: The ids.
        decoder: An object with `push(id) -> str` and `finish() -> str`, fresh, or a class or callable that makes one.
            None is the tokenizer's own, or a `WindowDecoder` if it has none. One without `finish` may hold back what
            it has where the ids end inside a character.

    Raises:
        Failure: They differ, or a piece ends inside a character.
    """
    subject = Subject.of(tokenizer)
    row = [int(id) for id in ids]
    if decoder is None:
        decoder = subject.stream() or WindowDecoder(subject)
    elif isinstance(decoder, type) or not hasattr(decoder, "push"):
        decoder = decoder()
    whole = _call("decode", lambda: subject.decode(row), ids=row)
    pieces = [_call("push", lambda id=id: decoder.push(id), ids=row) or "" for id in row]  # type: ignore[misc]
    finish = getattr(decoder, "finish", None)
    if finish is not None:
        pieces.append(_call("finish", finish, ids=row) or "")
    joined = "".join(pieces)
    if finish is None and whole.startswith(joined) and whole.endswith("\ufffd"):
        return
    if joined != whole:
        raise Failure(f"in a stream, {explain(whole, joined)}", ids=row, expected=whole, result=pieces)


def check_join(tokenizer: Any, left: str, right: str, *, expected: Callable[[str], str] | None = None) -> None:
    """Check that the ids of two texts, one behind the other, decode to the two texts joined.

    Args:
        tokenizer: Anything with `encode` and `decode`.
        left: The first text.
        right: The second text.
        expected: What the tokenizer may make of each text, as in `check_round_trip`.

    Raises:
        Failure: They do not. Tokenizers that put a blank before a text, or take one away, fail by design.
    """
    subject = Subject.of(tokenizer)
    text = left + right
    ids = _call("encode", lambda: subject.encode(left) + subject.encode(right), text=text)
    result = _call("decode", lambda: subject.decode(ids), text=text, ids=ids)
    wanted = text if expected is None else expected(left) + expected(right)
    if result != wanted:
        reason = f"encoded as {left!a} and {right!a}, {explain(wanted, result)}"
        raise Failure(reason, text=text, ids=ids, expected=wanted, result=result)


def check_batch(tokenizer: Any, texts: Sequence[str]) -> None:
    """Check that texts give the same in a batch as alone, there and back. Without batch calls there is nothing to do.

    Args:
        tokenizer: Anything with `encode` and `decode`.
        texts: The texts.

    Raises:
        Failure: One differs.
    """
    subject = Subject.of(tokenizer)
    rows = [_call("encode", lambda text=text: subject.encode(text), text=text) for text in texts]  # type: ignore[misc]
    together = _call("encode_batch", lambda: subject.encode_batch(texts))
    if together is not None:
        _count(together, rows)
        for text, alone, row in zip(texts, rows, together, strict=True):
            if alone != list(row):
                raise Failure("in a batch, the ids differ", text=text, expected=alone, result=list(row))
    back = _call("decode_batch", lambda: subject.decode_batch(rows))
    if back is not None:
        _count(back, rows)
        for row, result in zip(rows, back, strict=True):
            alone = _call("decode", lambda row=row: subject.decode(row), ids=row)  # type: ignore[misc]
            if alone != result:
                raise Failure(f"in a batch, {explain(alone, result)}", ids=row, expected=alone, result=result)


def _count(results: Sequence[Any], rows: Sequence[Any]) -> None:
    if len(results) != len(rows):
        raise Failure(f"a batch of {len(rows)} gives {len(results)}", result=list(results))


def check_same(tokenizer: Any, other: Any, text: str) -> None:
    """Check that a tokenizer gives the ids that another gives: one saved and loaded, another library, another version.

    Args:
        tokenizer: Anything with `encode` and `decode`.
        other: The one whose ids are expected.
        text: The text.

    Raises:
        Failure: It does not.
    """
    first, second = Subject.of(tokenizer), Subject.of(other)
    result = _call("encode", lambda: first.encode(text), text=text)
    expected = _call("encode", lambda: second.encode(text), text=text)
    if result != expected:
        # One that was saved and loaded is of the same class.
        whose = f"{second!r}" if repr(second) != repr(first) else f"another {second!r}"
        raise Failure(f"{first!r} gives other ids than {whose}", text=text, expected=expected, result=result)


def check_resegmentation(tokenizer: Any, canonical: Ids, other: Ids) -> None:
    """Check that two sequences of ids that spell the same bytes decode to the same text.

    A tokenizer with `is_canonical` must also call the first canonical and the second not.

    Args:
        tokenizer: Anything with `encode` and `decode`.
        canonical: The ids of a text.
        other: Other ids that spell the same bytes.

    Raises:
        Failure: They do not, or it does not.
    """
    subject = Subject.of(tokenizer)
    first, second = [int(id) for id in canonical], [int(id) for id in other]
    wanted = _call("decode", lambda: subject.decode(first), ids=first)
    result = _call("decode", lambda: subject.decode(second), ids=second)
    if wanted != result:
        raise Failure(f"cut otherwise, {explain(wanted, result)}", ids=second, expected=wanted, result=result)
    judge = getattr(tokenizer, "is_canonical", None)
    if callable(judge) and first != second:
        for ids, verdict in ((first, True), (second, False)):
            if _call("is_canonical", lambda ids=ids: judge(ids), ids=ids) != verdict:  # type: ignore[misc]
                raise Failure(f"is_canonical is {not verdict}", text=wanted, ids=ids)


def encode(tokenizer: Any, text: str) -> list[int]:
    """Return the ids of a text.

    Raises:
        Failure: The tokenizer raises.
    """
    subject = Subject.of(tokenizer)
    ids: list[int] = _call("encode", lambda: subject.encode(text), text=text)
    return ids


def reload(tokenizer: Any) -> Any:
    """Return the same tokenizer, saved and loaded again by its own library; one of unknown kind is pickled.

    Args:
        tokenizer: Anything with `encode` and `decode`.

    Raises:
        Exception: What the library raises, or pickle.
    """
    if isinstance(tokenizer, Tokenizer):
        return Tokenizer.from_json(tokenizer.to_json())
    if hasattr(tokenizer, "to_str") and hasattr(type(tokenizer), "from_str"):
        return type(tokenizer).from_str(tokenizer.to_str())
    if hasattr(tokenizer, "save_pretrained") and hasattr(type(tokenizer), "from_pretrained"):
        with tempfile.TemporaryDirectory() as folder:
            tokenizer.save_pretrained(folder)
            return type(tokenizer).from_pretrained(folder)
    return pickle.loads(pickle.dumps(tokenizer))


def _call(name: str, call: Callable[[], Any], **case: Any) -> Any:
    """Return what a call of the tokenizer returns; its exceptions are failures."""
    try:
        return call()
    except INTERRUPTS:
        raise
    except BaseException as error:
        raise Failure(f"{name} raises {type(error).__name__}: {error}", **case) from error


# What is known to be done to texts, the mildest first.
CHANGES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("white space at the start is lost", str.lstrip),
    ("white space at the end is lost", str.rstrip),
    ("white space at both ends is lost", str.strip),
    ("a blank is put before the text", lambda text: " " + text),
    ("a blank is put behind the text", lambda text: text + " "),
    ("CR LF becomes LF", lambda text: text.replace("\r\n", "\n")),
    ("CR becomes LF", lambda text: text.replace("\r\n", "\n").replace("\r", "\n")),
    ("CR is lost", lambda text: text.replace("\r", "")),
    ("tabs become blanks", lambda text: text.replace("\t", " ")),
    ("no-break spaces become blanks", lambda text: text.replace("\u00a0", " ")),
    ("runs of blanks become one", lambda text: re.sub(" {2,}", " ", text)),
    ("runs of white space become one blank", lambda text: re.sub(r"\s+", " ", text)),
    ("blanks are doubled", lambda text: text.replace(" ", "  ")),
    ("blanks before punctuation are lost", lambda text: re.sub(r" (?=[.,?!':;]|n't)", "", text)),
    ("the text is put into NFC", lambda text: unicodedata.normalize("NFC", text)),
    ("the text is put into NFD", lambda text: unicodedata.normalize("NFD", text)),
    ("the text is put into NFKC", lambda text: unicodedata.normalize("NFKC", text)),
    ("the text is put into NFKD", lambda text: unicodedata.normalize("NFKD", text)),
    ("the text becomes lower case", str.lower),
    ("combining marks are lost", lambda text: "".join(c for c in text if not unicodedata.category(c).startswith("M"))),
    ("control characters are lost", lambda text: "".join(c for c in text if unicodedata.category(c) != "Cc")),
    ("format characters are lost", lambda text: "".join(c for c in text if unicodedata.category(c) != "Cf")),
    ("leading zeros are lost", lambda text: re.sub(r"(?<!\d)0+(?=\d)", "", text)),
    ("characters above U+FFFF are lost", lambda text: "".join(c for c in text if ord(c) < 0x10000)),
    ("white space is lost", lambda text: "".join(text.split())),
)


def explain(before: str, after: str) -> str:
    """Return in words how a text changed."""
    for name, change in CHANGES:
        if change(before) == after:
            return name
    place = next(
        (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    was, now = before[place : place + 1], after[place : place + 1]
    return f"at character {place}, {_name(was)} becomes {_name(now)}"


def _name(char: str) -> str:
    return f"U+{ord(char):04X} {unicodedata.name(char, '')}".strip() if char else "the end"


def _show(value: Any, limit: int = 400) -> str:
    shown = ascii(value)
    return shown if len(shown) <= limit else f"{shown[:limit]}... ({len(value)} in all)"
