r"""Triadic suffix tokenization: numbers cut into triads that name their order of magnitude, without losing a digit.

The scheme is that of Chetverina (2026, arXiv 2604.11582), made lossless. `1234567.89` becomes `1{m}234{k}567.89{p}`:
integer triads are counted from the point to the left and marked k, m, b, t, q; those of the fraction to the right, p to
ppppp. The markers are control characters, U+0001 to U+0005 and U+000E to U+0012; where the text has such a character
behind a digit, U+001A stands between the two, so `restore(annotate(x))` is `x` for every text. Nothing visible is added
or taken away, and no number ever becomes a float.

`extend_tokenizer` puts the scheme into a byte-level tokenizer. The result saves to a plain `tokenizer.json` that gives
the same ids in stock software.

What is a number: `0`, or up to 18 ASCII digits that do not start with `0`, and after a point, if there is one, 1 to 15
digits more; with no letter, number, `_`, `.` or `,` before it, and behind it no letter, number or `_`, and no `.` or
`,` with a digit. So addresses, versions, `007`, identifiers and exponents are left alone. Options, the same everywhere:

- `group_size`: digits in a group, 1 to 4.
- `years`: `"keep"` leaves whole numbers from 1000 to 2099 alone that are written with four digits.
- `min_digits`: numbers with fewer digits are left alone.
- `grouped`: read a comma before each triad behind the first, as in `1,234,567`; a marker goes before the comma.
- `extend`: no limit on digits. Orders above the fifth, which groups of one or two digits have too, are spelled with
  several markers, as numbers to base 5 with the digits k = 1 to q = 5: 10^18 is k k, 10^33 is m k.

Examples:
    >>> from tokseam import Tokenizer, triadic
    >>> triadic.annotate("pi is 3.14159")
    'pi is 3.141\x0e59\x0f'
    >>> triadic.restore(_)
    'pi is 3.14159'
    >>> triadic.split("1234.5")
    [Triad(digits='1', power=3), Triad(digits='234', power=0), Triad(digits='5', power=-1)]
    >>> base = Tokenizer.from_file("tokenizer.json")
    >>> tokenizer = triadic.extend_tokenizer(base).tokenizer
    >>> [tokenizer.token_bytes(id) for id in tokenizer.encode("1234.5")]
    [b'1', b'234', b'.', b'5']
"""

from __future__ import annotations

from typing import TYPE_CHECKING, AnyStr, Literal, NamedTuple

import numpy as np

from tokseam import _native
from tokseam.errors import NumeralError, UnsupportedTokenizerError
from tokseam.tokenizer import Ragged, Tokenizer, native_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tokseam.tokenizer import Ids, Text

    Style = Literal["lossless", "author", "paper"]
    Variant = Literal["vocabulary", "marker"]
    Years = Literal["annotate", "keep"]

__all__ = [
    "ESCAPE",
    "MARKERS",
    "Extension",
    "Triad",
    "annotate",
    "extend_tokenizer",
    "find_numbers",
    "is_lossy",
    "join",
    "left_to_right",
    "restore",
    "right_to_left",
    "split",
    "values",
    "vocabulary",
]

MARKERS = {
    "k": "\x01",
    "m": "\x02",
    "b": "\x03",
    "t": "\x04",
    "q": "\x05",
    "p": "\x0e",
    "pp": "\x0f",
    "ppp": "\x10",
    "pppp": "\x11",
    "ppppp": "\x12",
}
"""The markers by name."""

ESCAPE = "\x1a"
"""Stands between a digit and a marker, or another escape, that the text has by itself."""

_NUMBER = np.dtype([("start", "i8"), ("end", "i8"), ("integer_digits", "i8"), ("fraction_digits", "i8")])
_VALUE = np.dtype([("digits", "i4"), ("power", "i4")])


class Triad(NamedTuple):
    """A group of digits, as they are written, and the power of ten of the last one.

    Attributes:
        digits: ASCII digits.
        power: 6 for the `1` of 1234567, -2 for the `89` of 0.89.
    """

    digits: str
    power: int


class Extension(NamedTuple):
    """A tokenizer with triads, and what a model needs to go on with it.

    Attributes:
        tokenizer: The new tokenizer. Ids of the old one are what they were.
        new_ids: The ids that were added: uint32, shape (n,), rising.
        initial_rows: For each of them the ids of the old tokenizer whose mean is a good start for its embedding: the
            digits and the marker. Row `i` of the ragged array belongs to `new_ids[i]`.
    """

    tokenizer: Tokenizer
    new_ids: NDArray[np.uint32]
    initial_rows: Ragged


def _grammar(
    group_size: int = 3, years: Years = "annotate", min_digits: int = 1, grouped: bool = False, extend: bool = False
) -> _native.Grammar:
    if years not in ("annotate", "keep"):
        raise ValueError(f'years is "annotate" or "keep", not {years!r}')
    return _native.Grammar(_size(group_size), years == "keep", _fewest(min_digits), grouped, extend)


def _size(group_size: int) -> int:
    if not 1 <= group_size <= 4:
        raise NumeralError(f"group_size is 1, 2, 3 or 4, not {group_size}")
    return group_size


def _fewest(min_digits: int) -> int:
    if not 1 <= min_digits <= 33:
        raise NumeralError(f"min_digits is 1 to 33, not {min_digits}")
    return min_digits


def _is_marker(variant: Variant) -> bool:
    if variant not in ("vocabulary", "marker"):
        raise ValueError(f'variant is "vocabulary" or "marker", not {variant!r}')
    return variant == "marker"


def find_numbers(
    text: Text,
    *,
    group_size: int = 3,
    years: Years = "annotate",
    min_digits: int = 1,
    grouped: bool = False,
    extend: bool = False,
) -> NDArray[np.void]:
    """Find the numbers of a text.

    Args:
        text: Text, or bytes that need not be UTF-8.
        group_size: As all options, see the module.
        years: See the module.
        min_digits: See the module.
        grouped: See the module.
        extend: See the module.

    Returns:
        A structured array of shape (n,) with the int64 fields `start` and `end` (bytes of the text's UTF-8),
        `integer_digits` and `fraction_digits`.

    Raises:
        NumeralError: A number is out of its range, or options do not go together.
        UnicodeError: The text holds a lone surrogate.
        ValueError: `years` is no such way.

    Examples:
        >>> find_numbers("7 of 12.50").tolist()
        [(0, 1, 1, 0), (5, 10, 2, 2)]
    """
    return _grammar(group_size, years, min_digits, grouped, extend).find(text).view(_NUMBER)


def split(literal: Text, *, group_size: int = 3, extend: bool = False) -> list[Triad]:
    """Split a number into triads, the highest first.

    Args:
        literal: A number and nothing else: no sign, no commas.
        group_size: Digits in a group, 1 to 4.
        extend: Take any number of digits.

    Returns:
        The triads.

    Raises:
        NumeralError: `literal` is no number, or the group size is not 1 to 4.

    Examples:
        >>> split("0.0045")
        [Triad(digits='0', power=0), Triad(digits='004', power=-3), Triad(digits='5', power=-4)]
    """
    return [Triad(*triad) for triad in _grammar(group_size=group_size, extend=extend).split(literal)]


def join(triads: Iterable[tuple[str, int]]) -> str:
    """Join triads, of any sizes, to the number that they are: `join(split(x)) == x`.

    Args:
        triads: Digits, and the power of ten of the last one, the highest first.

    Returns:
        The number as a text.

    Raises:
        NumeralError: The triads leave a gap or overlap, one reaches over the point, the units are missing, or the
            number would start with a zero that is not its only digit before the point.

    Examples:
        >>> join([("12", 3), ("045", 0), ("5", -1)])
        '12045.5'
    """
    return _native.join([(digits, _power(power)) for digits, power in triads])


def _power(power: int) -> int:
    if not -(2**31) <= power < 2**31:
        raise NumeralError(f"{power} is no power of a triad")
    return power


def is_lossy(style: Style) -> bool:
    """Return whether a style loses digits: all but `"lossless"` write 0.1 and 0.100 alike.

    Args:
        style: As in `annotate`.

    Raises:
        ValueError: There is no such style.
    """
    if style not in ("lossless", "author", "paper"):
        raise ValueError(f'style is "lossless", "author" or "paper", not {style!r}')
    return style != "lossless"


def annotate(
    text: AnyStr,
    *,
    style: Style = "lossless",
    variant: Variant = "vocabulary",
    group_size: int = 3,
    years: Years = "annotate",
    min_digits: int = 1,
    grouped: bool = False,
    extend: bool = False,
) -> AnyStr:
    r"""Mark the triads of the numbers in a text.

    Args:
        text: Text, or bytes that need not be UTF-8.
        style: `"lossless"` puts in markers, and `restore` gives the text back. The others are lossy and for comparison:
            `"author"` writes each number as the converter published with the scheme does, `1m 234k 567 . 890p`;
            `"paper"` puts markers behind triads that are padded with zeros on both sides.
        variant: Whether style `"author"` joins suffixes to their digits (`"vocabulary"`) or puts them apart
            (`"marker"`). The other styles are the same text for both.
        group_size: As all options from here on, see the module.
        years: See the module.
        min_digits: See the module.
        grouped: See the module.
        extend: See the module.

    Returns:
        A text of the type of `text`.

    Raises:
        NumeralError: A number is out of its range, options do not go together, or the style cannot write a number.
        UnicodeError: The text holds a lone surrogate.
        ValueError: There is no such style or variant, or no such way for `years`.

    Examples:
        >>> annotate("1234567.89")
        '1\x02234\x01567.89\x0e'
        >>> annotate("1234567.89", style="author")
        '1m 234k 567 . 890p'
    """
    grammar = _grammar(group_size, years, min_digits, grouped, extend)
    apart = _is_marker(variant)
    if not is_lossy(style):
        return grammar.annotate(text)
    return grammar.author(text, apart) if style == "author" else grammar.paper(text)


def restore(text: AnyStr) -> AnyStr:
    """Take the markers and escapes of `annotate` out of a text: `restore(annotate(x)) == x`, for all options.

    Only those right behind a digit are taken out, so text without digits is what it was. A text of a lossy style does
    not become what it was.

    Args:
        text: Text, or bytes that need not be UTF-8.

    Raises:
        UnicodeError: The text holds a lone surrogate.
    """
    return _native.restore(text)


def vocabulary(*, identity: Literal["string", "value"] = "string", group_size: int = 3) -> list[str]:
    """Return the triads with a marker that a vocabulary needs, as texts, the lowest order first.

    Args:
        identity: `"string"` takes `45{k}` and `045{k}` for two tokens: 11,045 for triads. `"value"` has one row for
            each number and order, written without zeros before the number for integer orders and with them for
            fractions; the two rows `-0` and `-00`, behind the last triad of a fraction, say that one or two zeros
            at its end are not written. That makes 10,002. A tokenizer file can hold the first alone.
        group_size: Digits in a group, 1 to 4.

    Returns:
        The texts, each digits and a marker.

    Raises:
        NumeralError: The group size is not 1 to 4.
        ValueError: There is no such identity.
    """
    triads = [(digits.decode(), marker.decode()) for digits, marker in _native.marked_triads(_size(group_size))]
    if identity == "string":
        return [digits + marker for digits, marker in triads]
    if identity != "value":
        raise ValueError(f'identity is "string" or "value", not {identity!r}')
    rows = []
    for marker in dict.fromkeys(marker for _, marker in triads):
        width = group_size if marker >= MARKERS["p"] else 1
        rows += [f"{value:0{width}}{marker}" for value in range(10**group_size)]
    return rows + ["-" + "0" * zeros for zeros in range(1, group_size)]


def values(ids: Ids, tokenizer: Tokenizer) -> NDArray[np.void]:
    """Return what numbers tokens stand for, for losses and probes that know about value.

    A token is a triad if the text of `ids` has a number there whose triad it is, digits and, in the vocabulary variant,
    marker. In `x123` or `1.2.3` there is none.

    Args:
        ids: Ids of an extended tokenizer.
        tokenizer: That tokenizer.

    Returns:
        A structured array of shape (n,), one element a token, with the int32 fields `digits` (the digits as a number,
        -1 where the token is no triad) and `power` (the power of ten of the last digit, 0 where it is none). The value
        of a number is the sum of `digits * 10**power` over its tokens.

    Raises:
        VocabError: The tokenizer has no triads.
        UnknownTokenError: An id has no token.
    """
    digits, power = _native.token_values(ids, native_of(tokenizer))
    found = np.empty(len(digits), _VALUE)
    found["digits"], found["power"] = digits, power
    return found


def right_to_left(ids: Ids, tokenizer: Tokenizer) -> NDArray[np.uint32]:
    """Regroup the digits of an unmodified tokenizer so that groups of three are counted from the right.

    Every longest run of tokens that are ASCII digits is regrouped, except one that follows a digit and a point. The
    text is the same. It is for models that have a token for every string of one to three digits, as those of cl100k and
    Llama 3 do (what it does to their arithmetic: Singh and Strouse 2024, arXiv 2402.14903).

    Args:
        ids: Ids of the tokenizer.
        tokenizer: A tokenizer with a token for every string of one to three digits.

    Returns:
        The new ids: uint32, shape (m,).

    Raises:
        VocabError: The tokenizer lacks a group of digits.
        UnknownTokenError: An id has no token.
    """
    return _native.regroup_digits(ids, native_of(tokenizer), True)


def left_to_right(ids: Ids, tokenizer: Tokenizer) -> NDArray[np.uint32]:
    """Undo `right_to_left`: groups of three are counted from the left, as the tokenizer itself does.

    The ids are those of before, unless a number of another script or kind stands beside ASCII digits, as in `1234½56`:
    split patterns count it into their groups.

    Args:
        ids: As in `right_to_left`.
        tokenizer: As in `right_to_left`.

    Returns:
        The new ids: uint32, shape (m,).

    Raises:
        VocabError: The tokenizer lacks a group of digits.
        UnknownTokenError: An id has no token.
    """
    return _native.regroup_digits(ids, native_of(tokenizer), False)


def extend_tokenizer(
    tokenizer: Tokenizer,
    *,
    variant: Variant = "vocabulary",
    group_size: int = 3,
    years: Years = "annotate",
    min_digits: int = 1,
    grouped: bool = False,
) -> Extension:
    """Put triads into a byte-level tokenizer.

    The new tokenizer saves to a plain `tokenizer.json`: stock `tokenizers` and `AutoTokenizer` give the same ids, and
    this package runs its own kernel for it. Ids of the old tokenizer stay, and text without digits has the ids that it
    had. Digits that belong to no number are cut from the left into groups.

    Args:
        tokenizer: A byte-level tokenizer.
        variant: `"vocabulary"` has one token for a triad with its marker; `"marker"` has one for the digits and one for
            the marker, which is the token of a control character that every byte-level vocabulary has.
        group_size: As all options from here on, see the module.
        years: See the module.
        min_digits: See the module.
        grouped: See the module.

    Returns:
        The tokenizer, its new ids, and what their rows start from.

    Raises:
        UnsupportedTokenizerError: The tokenizer is not byte-level, has triads already, has a digit in an added token or
            `add_prefix_space`, or has a step that drops text.
        NumeralError: A number is out of its range, or options do not go together.
        ValueError: There is no such variant, or no such way for `years`.
    """
    grammar = _grammar(group_size, years, min_digits, grouped)
    native, ids, rows = grammar.extend(native_of(tokenizer), _is_marker(variant))
    extended = Tokenizer(native)
    for warning in extended.info()["warnings"]:
        if "is a whole pretoken" in warning:
            raise UnsupportedTokenizerError(f"{warning}; take ignore_merges or the token out of the file first")
    return Extension(extended, ids, Ragged(*rows))
