"""Triads from the definition: what a number is, what its groups are, what stands behind each. Slow."""

import unicodedata
from collections.abc import Iterator
from typing import Any

INTEGER = {1: "\x01", 2: "\x02", 3: "\x03", 4: "\x04", 5: "\x05"}
FRACTION = {1: "\x0e", 2: "\x0f", 3: "\x10", 4: "\x11", 5: "\x12"}
SPECIAL = {*INTEGER.values(), *FRACTION.values(), "\x1a"}
DIGITS = set("0123456789")


def marker(order: int, names: dict[int, str]) -> str:
    # To base 5 with the digits 1 to 5.
    return names[order] if order <= 5 else marker((order - 1) // 5, names) + names[(order - 1) % 5 + 1]


def is_word(character: str) -> bool:
    return character == "_" or unicodedata.category(character)[0] in "LN"


def number_at(text: str, start: int, *, extend: bool, grouped: bool) -> tuple[str, str, bool] | None:
    """Return integer part, fraction and whether there are commas, of the number that starts here."""
    if start and (is_word(text[start - 1]) or text[start - 1] in ".,"):
        return None
    for end in range(len(text), start, -1):
        behind = text[end : end + 2]
        if behind and (is_word(behind[0]) or (behind[0] in ".," and behind[1:] and behind[1] in DIGITS)):
            continue
        integer, point, fraction = text[start:end].partition(".")
        groups = integer.split(",")
        commas = grouped and len(groups) > 1
        if commas:
            if not 1 <= len(groups[0]) <= 3 or groups[0][0] == "0" or any(len(group) != 3 for group in groups[1:]):
                continue
            integer = "".join(groups)
        if not integer or not set(integer + fraction) <= DIGITS or bool(point) != bool(fraction):
            continue
        if (integer[0] == "0" and len(integer) > 1) or (not extend and (len(integer) > 18 or len(fraction) > 15)):
            continue
        return integer, fraction, commas
    return None


def scan(
    text: str,
    *,
    group_size: int = 3,
    years: str = "annotate",
    min_digits: int = 1,
    grouped: bool = False,
    extend: bool = False,
) -> Iterator[tuple[int, int, str, bool]]:
    """Yield each character, or each number as a whole: start, end, annotated text, and whether it is a number."""
    place = 0
    while place < len(text):
        start = place
        found = number_at(text, place, extend=extend, grouped=grouped) if text[place] in DIGITS else None
        if found is not None:
            integer, fraction, commas = found
            year = years == "keep" and len(integer) == 4 and not fraction and not commas
            if len(integer + fraction) < min_digits or (year and 1000 <= int(integer) <= 2099):
                found = None
        if found is None:
            out = text[place]
            place += 1
        else:
            integer, fraction, commas = found
            place += len(integer) + (len(integer) - 1) // 3 * commas + len(fraction) + bool(fraction)
            out = ""
            for index, digit in enumerate(integer):
                left = len(integer) - index
                if index and left % group_size == 0:
                    out += marker(left // group_size, INTEGER) + "," * commas
                out += digit
            out += "." * bool(fraction)
            for first in range(0, len(fraction), group_size):
                out += fraction[first : first + group_size] + marker(first // group_size + 1, FRACTION)
        escape = text[place - 1] in DIGITS and text[place : place + 1] in SPECIAL
        yield start, place, out + "\x1a" * escape, found is not None


def annotate(text: str, **options: Any) -> str:
    return "".join(out for _, _, out, _ in scan(text, **options))


def find(text: str, **options: Any) -> list[tuple[int, int]]:
    """Return the byte ranges of the numbers."""
    return [
        (len(text[:start].encode()), len(text[:end].encode()))
        for start, end, _, is_number in scan(text, **options)
        if is_number
    ]


def restore(text: str) -> str:
    out = ""
    place = 0
    while place < len(text):
        out += text[place]
        place += 1
        if out[-1] in DIGITS:
            while place < len(text) and text[place] in SPECIAL and text[place] != "\x1a":
                place += 1
            if text[place : place + 1] == "\x1a":
                # One escape; a marker or escape behind it is text.
                place += 1
                if place < len(text) and text[place] in SPECIAL:
                    out += text[place]
                    place += 1
    return out
