"""The figures of a report from their definitions, a token and a character at a time. Slow."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from tokseam import Tokenizer


def is_superword(token: bytes) -> bool:
    """A letter, white space behind it, and more behind that."""
    text = token.decode(errors="replace")
    return any(
        text[letter].isalpha() and text[blank].isspace() and not text[more].isspace()
        for letter in range(len(text))
        for blank in range(letter + 1, len(text))
        for more in range(blank + 1, len(text))
    )


def entropy(counts: Counter[Any]) -> float:
    total = sum(counts.values())
    return -sum(count / total * math.log2(count / total) for count in counts.values())


def behind(pairs: Counter[tuple[int, int]]) -> float:
    """The mean, over the first id of a pair, of the entropy of the second."""
    total = sum(pairs.values())
    found = 0.0
    for first in {first for first, _ in pairs}:
        seconds = Counter({pair: count for pair, count in pairs.items() if pair[0] == first})
        found += sum(seconds.values()) / total * entropy(seconds)
    return found


def figures(tokenizer: Tokenizer, texts: Sequence[str | bytes]) -> dict[str, Any]:
    """Return what a report must have, by the names of its JSON with points between them."""
    data = [text.encode() if isinstance(text, str) else text for text in texts]
    strings = [text.decode(errors="replace") for text in data]
    rows = [tokenizer.encode(text).tolist() for text in data]
    ids = Counter(id for row in rows for id in row)
    pairs = Counter(pair for row in rows for pair in pairwise(row))
    tokens = [tokenizer.token_bytes(id) for row in rows for id in row]
    size, words = sum(map(len, data)), sum(len(text.split()) for text in strings)
    found: dict[str, Any] = {
        "tokens": len(tokens),
        "superwords.tokens": sum(map(is_superword, tokens)),
        "vocabulary.seen": len(ids),
        "vocabulary.seen_once": sum(count == 1 for count in ids.values()),
        "lengths.longest": max(map(len, tokens), default=None),
        "lengths.median": sorted(map(len, tokens))[(len(tokens) - 1) // 2] if tokens else None,
        "bytes_per_token": size / len(tokens) if tokens else None,
        "characters_per_token": sum(map(len, strings)) / len(tokens) if tokens else None,
        "tokens_per_word": len(tokens) / words if words else None,
        "superwords.token_share": sum(map(is_superword, tokens)) / len(tokens) if tokens else None,
        "superwords.byte_share": (
            sum(len(token) for token in tokens if is_superword(token)) / sum(map(len, tokens)) if tokens else None
        ),
    }
    lengths = Counter(map(len, tokens))
    found["lengths.tokens"] = [lengths[length] for length in range(max(lengths, default=-1) + 1)]
    if tokens:
        corrected = entropy(ids) + (len(ids) - 1) / (2 * len(tokens)) / math.log(2)
        found |= {
            "entropy.plug_in": entropy(ids),
            "entropy.corrected": corrected,
            "entropy.per_byte": corrected * len(tokens) / size,
        }
    if pairs:
        total = sum(pairs.values())
        firsts = len({first for first, _ in pairs})
        corrected = behind(pairs) + (len(pairs) - firsts) / (2 * total) / math.log(2)
        found |= {
            "conditional.plug_in": behind(pairs),
            "conditional.corrected": corrected,
            "conditional.per_byte": corrected * len(tokens) / size,
            "conditional.pairs": total,
            "conditional.distinct": len(pairs),
            "conditional.once": sum(count == 1 for count in pairs.values()) / total,
        }
    return found
