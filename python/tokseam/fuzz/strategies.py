"""Strategies of hypothesis for what goes into a tokenizer: texts, numbers and ids.

Texts are pieces, joined. The pieces are those that tokenizers, their normalizers and their decoders treat in a way of
their own: kinds of white space, also at the ends and before punctuation, line ends, numbers, letters with and without
marks, joiners, controls, characters above U+FFFF, names of special tokens, and now and then a piece many times over.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, cast

from tokseam import _extras
from tokseam.fuzz.subject import Subject, attempt, is_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["numbers", "resegmentations", "short_ids", "texts", "token_ids"]

WORDS = (
    *("a", "b", "A", "the", "The", "THE", "word", "don't", "I'm", "WE'LL", "camelCase", "snake_case", "x1"),
    *("é", "naïve", "Ünïcödé", "straße", "Ἀθήνα", "İı", "мир", "МИР", "שלום", "مرحبا", "हिन्दी", "ไทย", "မြန်မာ"),
    *("中", "数字和文字", "テキスト", "한국어", "값"),
)
BLANKS = (
    *(" ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", "\r", "\r\n\r\n", " \n", "\n ", "\t\t", " \t", "\n\t"),
    *("\u00a0", "\u00a0 ", "\u2003", "\u2009", "\u3000", "\u0085", "\u2028", "\u2029", "\u1680"),
)
PUNCTUATION = (
    *(".", ",", "'", "!", "?", ":", ";", '"', "-", "--", "...", "(", ")", "[]", "{}", "/", "//", "\\", "_", "=", "#"),
    *("’", "“”", "«", "—", "…", "。", "、", "！", "·", "$", "€", "%", "&", "*", "+", "<", ">", "@", "^", "|", "~"),
)
# What cleaning of blanks takes away.
SPACED = (" .", " '", " !", " ?", " ,", " n't", " 's", " 'm", " 've", " 're", " ' ", " ;", " :", "( ", " )", ' "')
COMPOSED = (
    *("é", "Å", "ñ", "ü", "ệ", "각", "ガ", "ō", "ś", "क़", "שׁ", "Ω", "K", "Å", "≠"),
    *("e\u0301", "A\u030a", "n\u0303", "u\u0308", "e\u0323\u0302", "e\u0302\u0323", "\u1100\u1161\u11a8", "カ\u3099"),
    *("o\u0304", "q\u0307\u0323", "क\u093c"),
)
COMPATIBLE = ("ﬁ", "ﬀ", "½", "²", "②", "Ⅷ", "™", "ª", "…", "︰", "ｱ", "ﾊﾟ", "Ａ", "ｚ", "！", "㎏", "ſ", "ĳ", "ﷺ")
FULLWIDTH = "０１２３４５６７８９"
MARKS = ("\u0301", "\u0308", "\u0323", "\u20d7", "\u0e48", "\u093f", "\u3099", "\ufe0f", "\u0345", "\u05b7")
FORMATS = ("\u200d", "\u200c", "\ufeff", "\u200b", "\u2060", "\u00ad", "\u202e", "\u2066", "\u061c", "\u180e")
CONTROLS = tuple(map(chr, (0, *range(1, 32), 127, 0x80, 0x85, 0x9F)))
ASTRAL = (
    *("😀", "𝒜", "𐍈", "𠀀", "🇩🇪", "👍🏽", "👩\u200d👩\u200d👧", "🏳️\u200d🌈", "\U000e0001", "\U0001f9ff", "\U000f0000"),
    "\U0010ffff",
)
ODD = (
    "\ufffd",
    "\ufffe",
    "\uffff",
    "\ue000",
    "\uf8ff",
    "\ufdd0",
    "▁",
    "Ġ",
    "Ċ",
    "##",
    "@@",
    "</w>",
    "<0x0A>",
    "\u0378",
)
# What stands at the start or the end of a text, nothing half of the time.
ENDS = (
    *("",) * 10,
    *(
        " ",
        " ",
        "  ",
        "\n",
        "\n",
        "\t",
        "\r\n",
        "\r",
        "\ufeff",
        "\ufeff",
        "\u00a0",
        "\u3000",
        "\0",
        "\u0301",
        "\u200d",
        ".",
        "'",
        "0",
        "<s>",
        "</s>",
    ),
    *("<|endoftext|>", "\ufffd", "😀"),
)
NUMBERS = (
    *("0", "7", "12", "007", "00", "0.10", "1,234,567.89", "-0.5", "3.14159265", "1e-7", "192.168.0.1", "2024-05-06"),
    *("12345678901234567890", "٣٤٥", "９８７", "０", "1\u00a0000", "1'000", "0x1F"),
)
SPECIAL = (
    *("<s>", "</s>", "<unk>", "<pad>", "<bos>", "<eos>", "<mask>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    *("[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]", "<|begin_of_text|>", "<|eot_id|>", "[INST]", "<think>", "</think>"),
)


def _load() -> Any:
    return _extras.load("hypothesis.strategies", "fuzz", "tokseam.fuzz")


def texts(*, special_tokens: Iterable[str] = (), max_pieces: int = 80) -> SearchStrategy[str]:
    """Return a strategy of texts that tokenizers are known to lose.

    Args:
        special_tokens: Names to put in beside the usual ones, such as `tokenizer.special_tokens`.
        max_pieces: The most pieces of a text. Most have one to ten characters; a few have some thousand.

    Raises:
        ImportError: hypothesis is not installed.
    """
    st = _load()
    names = (*special_tokens, *SPECIAL)
    # A name cut short is none.
    odd = (*COMPOSED, *COMPATIBLE, *CONTROLS, *MARKS, *FORMATS, *ASTRAL, *ODD, *names, *(name[:-1] for name in names))
    pieces = ("", *WORDS, *PUNCTUATION, *BLANKS, *SPACED, *NUMBERS, *odd)
    long = [piece * times for piece in ("a", " ", "\n", "é", "中", "😀", "1", "' ") for times in (50, 600, 5000)]
    repeated = (*("",) * 130, *long)
    sizes = (0, 1, 2, 3, 5, *(max_pieces,) * 35)

    def join(places: list[int], any: str) -> str:
        first, last, many, size = places[:4]
        row = [pieces[place] for place in places[4:]][: sizes[size % len(sizes)]]
        start, end = ENDS[first % len(ENDS)], ENDS[last % len(ENDS)]
        return f"{start}{''.join(row)}{any}{repeated[many % len(repeated)]}{end}"

    # The places of all pieces are one draw, of a text over as many characters. Draws of their own would lean to the
    # same few pieces for a whole run, and most examples would be variants of others.
    first = 0x4E00
    alphabet = st.characters(min_codepoint=first, max_codepoint=first + len(pieces) - 1)
    places = st.text(alphabet, min_size=4 + max_pieces // 2, max_size=4 + max_pieces).map(
        lambda text: [ord(char) - first for char in text]
    )
    drawn: SearchStrategy[str] = st.builds(join, places, st.text(st.characters(exclude_categories=("Cs",)), max_size=6))
    return drawn


def numbers() -> SearchStrategy[str]:
    """Return a strategy of numbers as people write them, with leading zeros, groups, signs, and digits of many scripts.

    Raises:
        ImportError: hypothesis is not installed.
    """
    st = _load()
    digits = st.text("0123456789", min_size=1, max_size=7)
    natural = st.integers(0, 10**6).map(str)
    drawn: SearchStrategy[str] = st.one_of(
        natural,
        st.builds(lambda zeros, rest: "0" * zeros + rest, st.integers(1, 4), natural),
        st.builds(lambda left, right: f"{left}.{right}", natural, digits),
        st.builds(lambda sign, rest: sign + rest, st.sampled_from(("-", "+", "$", "−", "№", "0x", ".")), digits),
        st.integers(10**3, 10**15).map("{:,}".format),
        st.builds(lambda left, mark, right: left + mark + right, digits, st.sampled_from(",._'-:/ \u00a0e%"), digits),
        st.text("0123456789", min_size=8, max_size=40),
        st.text(FULLWIDTH, min_size=1, max_size=4),
        st.text("٠١٢٣४५६๗๘๙½²Ⅷ〇", min_size=1, max_size=4),
    )
    return drawn


def token_ids(tokenizer: Any, *, max_size: int = 24) -> SearchStrategy[list[int]]:
    """Return a strategy of sequences of ids: any, those of texts, those of texts cut otherwise, and short ones.

    Ids without a token are left out.

    Args:
        tokenizer: Anything with `encode`, `decode` and a vocabulary.
        max_size: The most ids of a sequence that is not the encoding of a text.

    Raises:
        ImportError: hypothesis is not installed.
        TypeError: The tokenizer does not tell its vocabulary.
    """
    st = _load()
    subject = Subject.of(tokenizer)
    ids = subject.usable_ids
    drawn: SearchStrategy[list[int]] = st.one_of(
        st.lists(st.sampled_from(ids), max_size=max_size),
        _encoded(subject),
        resegmentations(subject).map(lambda pair: pair[1]),
        st.lists(st.sampled_from(_few(subject, 50)), max_size=4),
    )
    return drawn


def short_ids(tokenizer: Any, *, tokens: int = 50, size: int = 2) -> Iterator[list[int]]:
    """Yield every sequence of up to `size` ids over a part of the vocabulary.

    The part has single bytes, pieces of characters, special tokens and the shortest words: what random sequences meet
    too seldom together.

    Args:
        tokenizer: Anything with `encode`, `decode` and a vocabulary.
        tokens: The size of the part.
        size: The most ids of a sequence.

    Raises:
        TypeError: The tokenizer does not tell its vocabulary.
    """
    few = _few(Subject.of(tokenizer), tokens)
    for length in range(size + 1):
        yield from map(list, itertools.product(few, repeat=length))


def resegmentations(tokenizer: Any) -> SearchStrategy[tuple[list[int], list[int]]]:
    """Return a strategy of pairs: the ids of a text, and other ids that spell the same bytes.

    One to three times a token is cut in two, or two neighbours become one token or are cut at another place.

    Args:
        tokenizer: Anything with `encode`, `decode` and a vocabulary.

    Raises:
        ImportError: hypothesis is not installed.
        TypeError: The tokenizer does not tell its vocabulary.
    """
    st = _load()
    subject = Subject.of(tokenizer)
    tokens = subject.tokens
    keep_out = subject.special_ids | subject.added_ids
    by_bytes: dict[bytes, int] = {}
    for id, token in enumerate(tokens):
        if token and id not in keep_out:
            by_bytes.setdefault(token, id)

    def others(left: int, right: int | None) -> list[list[int]]:
        """Return the other ways to spell one token, or two neighbours, in up to two tokens."""
        row = [left] if right is None else [left, right]
        parts = [tokens[id] for id in row]
        if any(id in keep_out for id in row) or not all(parts):
            return []
        data = b"".join(part for part in parts if part)
        found = [[by_bytes[data]]] if data in by_bytes else []
        cuts = range(1, len(data)) if len(data) <= 64 else ()
        found += [
            [by_bytes[data[:cut]], by_bytes[data[cut:]]]
            for cut in cuts
            if data[:cut] in by_bytes and data[cut:] in by_bytes
        ]
        return [other for other in found if other != row]

    @st.composite  # type: ignore[untyped-decorator]
    def pairs(draw: DrawFn) -> tuple[list[int], list[int]]:
        hypothesis = _extras.load("hypothesis", "fuzz", "tokseam.fuzz")
        canonical = draw(_encoded(subject).filter(bool))
        other = list(canonical)
        for _ in range(draw(st.integers(1, 3))):
            start = draw(st.integers(0, len(other) - 1))
            pair = draw(st.booleans()) and start + 1 < len(other)
            ways = others(other[start], other[start + 1] if pair else None)
            if ways:
                other[start : start + 1 + pair] = draw(st.sampled_from(ways))
        hypothesis.assume(other != canonical)
        hypothesis.assume(keep_out.isdisjoint(other))
        return canonical, other

    strategy: SearchStrategy[tuple[list[int], list[int]]] = pairs()
    return strategy


def _encoded(subject: Subject) -> SearchStrategy[list[int]]:
    """Return a strategy of the encodings of texts."""

    def encode(text: str) -> list[int] | None:
        # None for one with a byte that has no token.
        return attempt(lambda: subject.encode(text))

    return cast("SearchStrategy[list[int]]", texts().map(encode).filter(lambda ids: ids is not None))


def _few(subject: Subject, count: int) -> list[int]:
    """Return a part of the vocabulary: half of it parts of characters, the rest short tokens and special ones."""

    def place(id: int) -> tuple[int, int]:
        token = subject.tokens[id]
        return (999 if token is None else len(token), id)

    ids = subject.usable_ids
    special = sorted(subject.special_ids.intersection(ids))[: count // 10]
    cut = [id for id in ids if not is_text(subject.tokens[id])]
    cut = sorted(cut, key=place)[:: max(1, len(cut) // (count // 2))][: count // 2]
    words = [id for id in ids if is_text(subject.tokens[id]) and id not in subject.special_ids]
    words = sorted(words, key=place)
    # A few of each length.
    spread = words[:: max(1, len(words) // max(1, count - len(cut) - len(special)))]
    return list(dict.fromkeys([*spread, *cut, *special]))[:count]
