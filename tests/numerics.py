"""Texts that are hard for triads: numbers, what breaks them, and the markers themselves."""

import random
from typing import Any

from hypothesis import strategies as st

MARKERS = "\x01\x02\x03\x04\x05\x0e\x0f\x10\x11\x12\x1a"
OTHERS = "-+ \t\n\r\x00\x06\x1beExX_éa½٣１数\u0301\ue001\ufdd1👍"
ALPHABETS = (
    "0123456789.," + MARKERS,
    "01 ,.",
    "0123456789",
    "12345.\x01\x1a\x0e",
    "0123456789.," + OTHERS + MARKERS,
    "1,0234.",
)


def hostile(rng: random.Random) -> str:
    alphabet = rng.choice(ALPHABETS)
    return "".join(rng.choices(alphabet, k=rng.randrange(rng.choice((6, 14, 40)))))


def literals() -> st.SearchStrategy[str]:
    integer = st.one_of(st.just("0"), st.from_regex(r"[1-9][0-9]{0,19}", fullmatch=True))
    fraction = st.one_of(st.just(""), st.from_regex(r"\.[0-9]{1,17}", fullmatch=True))
    grouped = st.from_regex(r"[1-9][0-9]{0,2}(,[0-9]{3}){1,6}", fullmatch=True)
    return st.tuples(st.one_of(integer, grouped), fraction).map("".join)


def texts() -> st.SearchStrategy[str]:
    piece = st.one_of(
        literals(),
        st.text(alphabet="0123456789., " + MARKERS, max_size=8),
        st.text(alphabet=OTHERS, max_size=3),
        # Letters that are newer than Python's tables are none to the slow twin.
        st.text(st.characters(exclude_categories=("Cs", "Cn")), max_size=4),
    )
    return st.lists(piece, max_size=8).map("".join)


def options() -> st.SearchStrategy[dict[str, Any]]:
    """Every set of options that the lossless style takes."""
    rules: dict[str, st.SearchStrategy[Any]] = {
        "years": st.sampled_from(["annotate", "keep"]),
        "min_digits": st.integers(1, 33),
        "extend": st.booleans(),
    }
    return st.one_of(
        st.fixed_dictionaries({}, optional={"group_size": st.integers(1, 4), **rules}),
        st.fixed_dictionaries({"grouped": st.just(True)}, optional={"group_size": st.just(3), **rules}),
    )
