"""Split patterns in both dialects: texts are cut as `tokenizers` and `tiktoken` cut them, or the pattern is refused."""

import random
from collections import Counter
from typing import Any

import pytest
import tiktoken
import vocabularies
from sources import SEED
from tokenizers import Regex, pre_tokenizers

from tokseam import Tokenizer, UnsupportedTokenizerError, _bundled
from tokseam.superbpe import PretokenCounts, Scheme

# Of every class that a pattern can name: digits and letters of several scripts, those that fold to others or to
# several, marks, joiners, control characters, and the signs of patterns.
CHARACTERS = "abcdefABCDEFkKſßzst0129²½٣éñ한あ中αΩ \t\n\r\x0b\x0c\x07\x1b-_&[]^.,'\u200d\u0301\u212a\U0001f600"

ONIGURUMA = [
    *(r"[a-f&&[^b]]+", r"[\w&&[^\d]]+", r"[a-z&&b-d&&c-z]+", r"[[a-c][0-9]]+", r"[^[a-c]]+", r"[^a&&b]", r"[a&&]"),
    *(r"[-a]+", r"[a-]+", r"[a\-c]+", r"[a-c-]+", r"[\d\s]+", r"[\x61-\x63]+", r"[\u4e00-\u9fff]+", r"[^\n]", "."),
    *(r"\h+|\H", r"\W+", r"\S+", r"(?i)\w", r"\x41|\x{1F600}|\u00e9", r"\a|\e|\f|\v|\t", r"\p{Greek}+|\p{Latin}+"),
    *(r"\p{^L}+", r"\P{L}+", r"\P{^N}+", r"\D{2}", r"\D{2}?", r"(?:ab){1,2}+", r"a{,3}", r"a{2,}", r"a{0,2}?b"),
    *(r"a{1}+b", r"a{2}{3}", r"a**", r"a*?b", r"a??b", r"a?+b", r"a++b?", r"(?>a+|ab)", r"(?<name>a+)b?", r"(a|b|c)+"),
    *(r"(?:a|(?:b|[0-9]))+", r"(?i)a[b-d]+", r"(?i:k)+", r"(?i)a(?-i)b", r"(?i:a(?-i:b))", r"(?i)[^a]+", r"(?i)\u212a"),
    *(r"(?m:.)+", r"(?<=a)b+", r"(?<!a)b+", r"a(?!b)", r"\s+(?=\S)", r"^a|b$", r"\A.|.\z", r".\Z", r"(?:^a)*", "a|"),
    r"é|e\u0301",
]
# What means something else in the two engines, or in none.
REFUSED = [
    *(r"[]a]", r"[[:alpha:]]+", r"\pL+", r"[a--b]", r"(?i)ss", r"(?i)st", r"\k<name>", r"a{1001}", r"(?#x)a", r"\Ga"),
    *(r"\b", r"(?x)a b", r"\R", r"\X", r"\x", r"\x{110000}", r"\u12", r"\p{Punct}", r"\p{Nosuch}", r"[z-a]", "("),
    *("a)", "[a"),
]
# Behind each pattern stands one that takes the rest, since tiktoken drops what no match takes.
RUST = [
    *(r"(?s:.)+", r"(?m)^a|b$", r"\pL+|\PL+", r"\x{41}", r"\x41+", r"(?P<n>a)+", r"[a-z&&[^b]]+", r"\h+", r".\z"),
    *(r"\d+(?<=3)", r"[\w&&[^\d]]+|\W+|\d", r"(?i)[a-c]+", r"(?i:'s|k|ſ)+", r"(?i)ß", r"a{2,3}?", r"a{2}{2}", r"a++b?"),
    *(r"\s+(?!\S)|\S+|\s+", r"\p{^L}+|\p{L}+", r"[^\r\n]+|[\r\n]+", r"\D{2}", r"^a", r"a$", r"\u00e9", r"(?<=a)b+"),
    *(r"(?u)\w+|\W+", r"(?-i:a)+", r"[[:alpha:]]+", r"\b\w+\b", r"(?>a+|b)", r"[a--b]+", r"[]a]+", r"[\x{61}-\x{63}]+"),
    *(r"(?s)a.b", r"\R", r"\_+"),
]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    rng = random.Random(SEED)
    hostile = ["".join(rng.choices(CHARACTERS, k=rng.randrange(40))) for _ in range(300)]
    plain = ["".join(rng.choices("aab033 \n", k=12)) for _ in range(200)]
    return [*hostile, *plain, _bundled.text()[:4000]]


@pytest.mark.parametrize("pattern", ONIGURUMA)
def test_pieces_are_those_of_tokenizers(pattern: str, texts: list[str]) -> None:
    counts = PretokenCounts(Scheme(stage1=pattern, stage2=pattern))
    counts.update(texts)
    table = counts.to_arrow()
    found = dict(zip(table["pretoken"].to_pylist(), table["count"].to_pylist(), strict=True))
    stock = pre_tokenizers.Split(Regex(pattern), "isolated")
    expected = Counter(piece.encode() for text in texts for piece, _ in stock.pre_tokenize_str(text) if piece)
    assert found == expected


@pytest.mark.parametrize(
    "stage",
    [
        pre_tokenizers.ByteLevel(add_prefix_space=True),
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(False, use_regex=False)]),
        pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(False, use_regex=False)]),
        pre_tokenizers.Sequence([pre_tokenizers.Punctuation(), pre_tokenizers.ByteLevel(False, use_regex=False)]),
    ],
    ids=str,
)
def test_steps_that_add_or_drop_text(stage: Any, texts: list[str]) -> None:
    counts = PretokenCounts(Scheme(stage1=stage, stage2=stage))
    counts.update(texts)
    table = counts.to_arrow()
    found = {
        vocabularies.spell(pretoken): count
        for pretoken, count in zip(table["pretoken"].to_pylist(), table["count"].to_pylist(), strict=True)
    }
    assert found == Counter(piece for text in texts for piece, _ in stage.pre_tokenize_str(text) if piece)


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_is_not_the_same_is_refused(pattern: str) -> None:
    with pytest.raises(UnsupportedTokenizerError, match="is not supported"):
        PretokenCounts(Scheme(stage1=pattern, stage2=pattern))


@pytest.mark.parametrize("pattern", RUST)
def test_ids_are_those_of_tiktoken(pattern: str, texts: list[str]) -> None:
    ranks = _bundled.model()[2].to_tiktoken("bundled")._mergeable_ranks
    stock = tiktoken.Encoding("x", pat_str=f"{pattern}|(?s:.)", mergeable_ranks=ranks, special_tokens={})
    own = Tokenizer.from_tiktoken(stock)
    assert own.encode_batch(texts).tolists() == [stock.encode_ordinary(text) for text in texts]
