"""The byte model of a token model from the definition: every cover is listed, in float64.

For toys alone: the cost grows with the number of covers, and what counts as admissible is found by listing texts.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from tokseam import Tokenizer, VocabError

Ids = tuple[int, ...]
END = 256


def is_start_of_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data" and error.end == len(data)
    return True


class HashLM:
    """A model whose rows depend on the whole context and on nothing else: random, peaked, and repeatable."""

    def __init__(self, vocab_size: int, end_ids: Sequence[int], seed: int, sharpness: float = 2.0) -> None:
        self.vocab_size, self.end_ids, self.seed, self.sharpness = vocab_size, tuple(end_ids), seed, sharpness
        self.calls = 0
        self.scored = 0

    @cache  # noqa: B019
    def row(self, context: Ids) -> np.ndarray:
        rng = np.random.default_rng([self.seed, len(context), *context])
        logits = self.sharpness * rng.standard_normal(self.vocab_size)
        logs: np.ndarray = logits - np.logaddexp.reduce(logits)
        return logs

    def __call__(self, contexts: list[Ids]) -> np.ndarray:
        self.calls += 1
        self.scored += len(contexts)
        return np.stack([self.row(context) for context in contexts])


class Covers:
    """The byte model by enumeration.

    Args:
        counts: Whether a sequence of ids may be the start of a text's tokens.
        ends: Whether it may be all of them.
    """

    def __init__(
        self,
        lm: HashLM,
        tokens: dict[int, bytes],
        counts: Callable[[Ids], bool],
        ends: Callable[[Ids], bool],
        normalize: str,
    ) -> None:
        self.lm, self.tokens, self.normalize = lm, tokens, normalize
        self.counts, self.ends = cache(counts), cache(ends)

    def step(self, context: Ids) -> tuple[dict[int, float], float]:
        """Return the log-probabilities of the tokens that may follow, and of the end."""
        row = self.lm.row(context)
        follow = {id: float(row[id]) for id in self.tokens if self.counts((*context, id))}
        end = float(np.logaddexp.reduce(row[list(self.lm.end_ids)])) if self.ends(context) else -math.inf
        if self.normalize == "local":
            total = float(np.logaddexp.reduce([*follow.values(), end]))
            return {id: logp - total for id, logp in follow.items()}, end - total
        return follow, end

    def covers(self, x: bytes) -> list[tuple[Ids, float]]:
        """Return all covers of some bytes with their joint log-probabilities."""
        if not x:
            return [((), 0.0)]
        found: list[tuple[Ids, float]] = []
        stems: list[tuple[Ids, bytes, float]] = [((), b"", 0.0)]
        while stems:
            ids, spelled, weight = stems.pop()
            follow, _ = self.step(ids)
            for id, logp in follow.items():
                data = spelled + self.tokens[id]
                if data.startswith(x):
                    found.append(((*ids, id), weight + logp))
                elif x.startswith(data):
                    stems.append(((*ids, id), data, weight + logp))
        return found

    def mass(self, x: bytes) -> float:
        covers = self.covers(x)
        return float(np.logaddexp.reduce([logp for _, logp in covers])) if covers else -math.inf

    def end(self, x: bytes) -> float:
        """Return the log-probability of the text x."""
        exact = [
            logp + self.step(ids)[1] for ids, logp in self.covers(x) if b"".join(self.tokens[id] for id in ids) == x
        ]
        return float(np.logaddexp.reduce(exact)) if exact else -math.inf

    def row(self, x: bytes) -> tuple[np.ndarray, float]:
        """Return the row behind some bytes, and the leak."""
        logs = np.array([self.mass(x + bytes([byte])) for byte in range(256)] + [self.end(x)]) - self.mass(x)
        leak = 1 - float(np.exp(logs).sum())
        return (logs - np.logaddexp.reduce(logs) if self.normalize == "sum" else logs), leak


@cache
def starts(tokenizer: Tokenizer, characters: tuple[str, ...], length: int) -> tuple[frozenset[Ids], frozenset[Ids]]:
    """Return the starts of the encodings of all texts of some characters up to a length, and the encodings."""
    all_starts: set[Ids] = set()
    encodings: set[Ids] = set()
    for size in range(length + 1):
        for text in itertools.product(characters, repeat=size):
            try:
                ids = tuple(tokenizer.encode("".join(text)).tolist())
            except VocabError:
                continue
            encodings.add(ids)
            all_starts.update(ids[:end] for end in range(len(ids) + 1))
    return frozenset(all_starts), frozenset(encodings)


def admissible(
    lm: HashLM, tokenizer: Tokenizer, tokens: dict[int, bytes], characters: tuple[str, ...], length: int, normalize: str
) -> Covers:
    """Return the model over starts of encodings. It is right where the characters of the covers leave room."""
    some, whole = starts(tokenizer, characters, length)
    return Covers(lm, tokens, some.__contains__, whole.__contains__, normalize)


def all_covers(lm: HashLM, tokens: dict[int, bytes], normalize: str, *, utf8: bool) -> Covers:
    """Return the model over all sequences of tokens."""

    def spelled(ids: Ids) -> bytes:
        return b"".join(tokens[id] for id in ids)

    def counts(ids: Ids) -> bool:
        return not utf8 or is_start_of_utf8(spelled(ids))

    def ends(ids: Ids) -> bool:
        if not utf8:
            return True
        try:
            spelled(ids).decode()
        except UnicodeDecodeError:
            return False
        return True

    return Covers(lm, tokens, counts, ends, normalize)
