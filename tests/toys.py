"""Toy tokenizers whose texts can be listed: each with the characters that its texts are made of."""

import json
from typing import Any, NamedTuple

import vocabularies

from tokseam import Tokenizer

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DIGITS = r"\p{N}{1,3}(?=(?:\p{N}{3})*(?:\P{N}|$))|[^\p{N}]+"


class Toy(NamedTuple):
    """A tokenizer, the characters of its texts, and prefixes that are worth asking for."""

    characters: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]
    pattern: str | None
    prefixes: tuple[bytes, ...]
    # Texts up to this length leave room behind the covers of the prefixes.
    length: int = 6
    options: tuple[str, ...] = ()

    def tokenizer(self) -> Tokenizer:
        data = sorted({byte for text in self.characters for byte in text.encode()})
        vocab = {vocabularies.spell(bytes([byte])): id for id, byte in enumerate(data)}
        merges = []
        for left, right in self.merges:
            vocab.setdefault(vocabularies.spell((left + right).encode()), len(vocab))
            merges.append((vocabularies.spell(left.encode()), vocabularies.spell(right.encode())))
        for whole in self.options:
            vocab.setdefault(vocabularies.spell(whole.encode()), len(vocab))
        end = len(vocab)
        vocab["<end>"], vocab["<other>"] = end, end + 1
        steps = (
            [vocabularies.byte_level()]
            if self.pattern is None
            else [vocabularies.split(self.pattern), vocabularies.byte_level()]
        )
        tree: dict[str, Any] = vocabularies.document(
            vocab,
            merges,
            pre_tokenizer=vocabularies.sequence(*steps),
            decoder=vocabularies.byte_level(),
            added_tokens=[vocabularies.added(end, "<end>"), vocabularies.added(end + 1, "<other>")],
            ignore_merges=bool(self.options),
        )
        return Tokenizer.from_json(json.dumps(tree))


# The merges of "é": its two bytes, as characters of Latin-1 that stand for them in `spell`.
TOYS = {
    "ab": Toy(("a", "b"), (("a", "b"),), None, (b"", b"a", b"ab", b"ba", b"aba"), 6),
    "powers": Toy(("a",), (("a", "a"), ("aa", "aa")), None, (b"", b"a", b"aa", b"aaa", b"a" * 5, b"a" * 7), 16),
    "superword": Toy(
        ("a", "b", " "),
        ((" ", "a"), ("a", "b"), ("ab", " a"), (" a", " a"), ("b", " "), (" a", "b")),
        None,
        (b"", b"a", b"ab", b"ab ", b" a", b" a a", b"b "),
        8,
    ),
    "blanks": Toy(
        ("a", " ", "\n"),
        ((" ", " "), (" ", "a"), ("\n", "\n"), (" ", "\n"), ("a", "a"), ("  ", "  ")),
        GPT2,
        (b"", b"a ", b"a  ", b" a\n ", b"\n ", b" ", b"  "),
        7,
    ),
    "lines": Toy(
        ("a", " ", "\n"),
        ((" ", " "), ("\n", " "), (" ", "\n"), ("\n", "\n"), (" ", "a"), ("\n ", "\n")),
        O200K,
        (b"\n ", b" \n", b"\n", b"a\n ", b"  ", b"\n \n"),
        7,
    ),
    "contractions": Toy(
        ("r", "e", "'"),
        (("'", "r"), ("r", "e"), ("'", "re"), ("e", "'"), ("re", "r")),
        GPT2,
        (b"r'", b"r'r", b"r're", b"'", b"'r", b"e'"),
        8,
    ),
    "case-blind": Toy(
        ("r", "e", "'", " "),
        (("'", "r"), ("r", "e"), ("'", "re"), ("e", "'"), (" ", "'"), (" ", "r")),
        CL100K,
        (b"r'", b"r'r", b" '", b"e' ", b"r'e"),
        7,
    ),
    "digits from the right": Toy(
        ("1", "2"),
        (("1", "1"), ("1", "2"), ("11", "2"), ("2", "1")),
        DIGITS,
        (b"1", b"11", b"112", b"1121", b"11212"),
        12,
    ),
    "digits from the left": Toy(
        ("1", "2", "a"),
        (("1", "1"), ("1", "2"), ("11", "2"), ("2", "1")),
        r"\p{N}{1,3}|\p{L}+",
        (b"1", b"11", b"112", b"1121", b"a1"),
        8,
    ),
    "capitals": Toy(
        ("丸", "A", "i"),
        (("A", "A"), ("A", "i"), ("i", "A"), ("AA", "A")),
        O200K,
        (b"A", b"AA", "丸".encode(), "丸A".encode(), "丸AA".encode(), b"Ai", "丸".encode()[:2]),
        7,
    ),
    "cut characters": Toy(
        ("a", "é", "ê"),
        (("a", "a"),),
        None,
        (b"", b"a", b"a\xc3", "é".encode(), "aé".encode(), "é".encode() + b"\xc3"),
        7,
    ),
    "whole pieces": Toy(
        ("a", "b", " "),
        (("a", "b"), (" ", "a"), ("b", "b")),
        GPT2,
        (b"", b"a", b"ab", b"abb", b" a", b" ab", b"a "),
        7,
        ("abb", " ab", "bab"),
    ),
}
