"""Texts that are hard for a tokenizer: a strategy of hypothesis, and the worst cases by name."""

import base64
import random
from collections.abc import Sequence

from hypothesis import strategies as st

SCRIPTS = (
    "plain words, Words and WORDS",
    "don't DON'T we'll I'D o'clock 'S 'ſ",
    "naïve café Ünïcödé e\u0301 ﬁ ⅷ ½ ② ٣٤٥ ९८७ Ⅻ",
    "数字和文字，句子。テキストのカナ한국어 텍스트",
    "Привет, мир! Ελληνικά ǅ ǆ ʰ ª ⁿ",
    "مرحبا שלום हिन्दी ไทย မြန်မာ",
    "👩‍👩‍👧‍👦🏳️‍🌈🇩🇪 👍🏽 \U0001f600 \U00020000 \U000e0001",
    "\u200b\u200d\u2060\ufeff\u00ad\u202e\ufffd\ufffe\x00\x01\x7f\x80\x9f",
    "0 1 12 123 1234 12345 1,234,567.890 3.14e-10 0xFF 1_000",
    "x = {'a': [1, 2], \"b\": None}\n\tif x!=y: return ++i;\r\n\r\n#---//\\",
)
BLANKS = (
    " ",
    "  ",
    "   ",
    "\t",
    "\n",
    "\r\n",
    "\r",
    "\n\n\n",
    "\u00a0",
    "\u2003",
    "\u3000",
    "\u0085",
    "\u2028",
    "\x0b",
    "\x0c",
    "\x1c",
)


def adversarial(spellings: Sequence[str] = ()) -> st.SearchStrategy[str]:
    """Return texts that join pieces of many scripts, white space, any characters, and the given spellings."""
    pieces = [
        st.sampled_from(SCRIPTS).flatmap(
            lambda text: st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).map(
                lambda cut: text[min(cut) : max(cut)]
            )
        ),
        st.sampled_from(BLANKS),
        st.text(max_size=6),
        st.text(alphabet="ab 1'\n", max_size=8),
        st.tuples(st.sampled_from([*"a1- \n.é数", "ab", " the", "=-"]), st.integers(1, 40)).map(
            lambda pair: pair[0] * pair[1]
        ),
    ]
    if spellings:
        whole = st.sampled_from(sorted(spellings))
        # Whole, and cut short: a prefix of a spelling must not be taken for it.
        pieces += [whole, whole.flatmap(lambda text: st.integers(1, len(text)).map(lambda end: text[:end]))]
    return st.lists(st.one_of(pieces), max_size=14).map("".join)


def worst_cases(size: int, seed: int, digits: int = 4000) -> dict[str, str]:
    """Return texts of about `size` bytes that are slow for one tokenizer or another.

    There are at most `digits` digits: `tokenizers` and `tiktoken` take quadratic time on them.
    """
    rng = random.Random(seed)
    digits = min(size, digits)
    return {
        "one letter": "a" * size,
        "spaces": " " * size,
        "spaces before a word": " " * size + "x",
        "newlines": "\n" * size,
        "blanks": "".join(rng.choices(" \t\n\r", k=size)),
        "digits": "".join(rng.choices("0123456789", k=digits)),
        "base64": base64.b64encode(rng.randbytes(size * 3 // 4)).decode(),
        "letters": "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=size)),
        "printable": "".join(chr(rng.randrange(32, 127)) for _ in range(size)),
        "any characters": "".join(
            chr(rng.choice((rng.randrange(0xD800), rng.randrange(0xE000, 0x110000)))) for _ in range(size // 3)
        ),
        "ideographs": "".join(chr(rng.randrange(0x4E00, 0x9FFF)) for _ in range(size // 3)),
        "punctuation": "".join(rng.choices("!#$%&*+-./:;<=>?@[]^_{|}~", k=size)),
        "two letters": "ab" * (size // 2),
        "superwords": " of the" * (size // 7),
        "stop words": "".join(rng.choices((" of", " the", " in", " and", " to", " a", ",", "."), k=size // 4)),
        "apostrophes": "'" * (size // 2) + "'s" * (size // 4),
        "combining marks": "e" + "\u0301" * (size // 2),
    }
