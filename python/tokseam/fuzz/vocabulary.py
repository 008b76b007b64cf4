"""What each id of a vocabulary is good for.

Every id below the vocabulary size is in one class:

- `special`: a special token; `added`: another added token.
- `unused`: no token has the id. With a corpus, also a token that could occur but does not in it.
- `undecodable`: the token is no whole text on its own: a byte, or a part of a character.
- `ok`: the ids of some text hold the token.
- `unreachable`: no text's ids hold it. A model never sees such a token.

For tokenizers of this package, `ok` and `unreachable` are proven, by the automaton of pretoken borders and the merges.
For others, a token is `ok` if it was seen in the encoding of its own text, alone or with something before or behind
it; `unreachable` then means that it was not seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tokseam.errors import UnsupportedTokenizerError
from tokseam.fuzz.subject import Subject, attempt, is_text
from tokseam.tokenizer import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

__all__ = ["CLASSES", "Audit", "audit"]

CLASSES = ("ok", "unreachable", "undecodable", "special", "added", "unused")
OK, UNREACHABLE, UNDECODABLE, SPECIAL, ADDED, UNUSED = range(len(CLASSES))

# What may have to stand before or behind a token for a text to have it.
CONTEXTS = (
    *(("", ""), ("a", ""), (" ", ""), ("", "a"), ("", " "), ("\n", "x"), ("1", ""), (".", ""), ("", "\n"), ("é", "")),
    *(("x ", " x"), ("", " x"), ("'", ""), ("", "."), ("«", "»")),
)


@dataclass(frozen=True, eq=False)
class Audit:
    """The classes of a vocabulary.

    Attributes:
        vocab_size: The highest id plus one.
        kinds: uint8, shape (vocab_size,): the place of each id's class in `CLASSES`.
        exact: Whether every `unreachable` id is proven to be.
        counts: int64, shape (vocab_size,): how often the corpus has each id; None without a corpus.
    """

    vocab_size: int
    kinds: NDArray[np.uint8]
    exact: bool
    counts: NDArray[np.int64] | None
    _subject: Subject = field(repr=False)

    @property
    def classes(self) -> dict[str, int]:
        """The number of ids of each class; they sum to `vocab_size`."""
        found = np.bincount(self.kinds, minlength=len(CLASSES)).tolist()
        return dict(zip(CLASSES, found, strict=True))

    def ids(self, name: str) -> NDArray[np.uint32]:
        """Return the ids of a class, rising: uint32, shape (n,).

        Args:
            name: The class, one of `ok`, `unreachable`, `undecodable`, `special`, `added` and `unused`.

        Raises:
            ValueError: There is no class of this name.
        """
        if name not in CLASSES:
            raise ValueError(f"the classes are {', '.join(CLASSES)}; {name!r} is none")
        return np.flatnonzero(self.kinds == CLASSES.index(name)).astype(np.uint32)

    def examples(self, name: str, limit: int = 5) -> list[tuple[int, bytes | None]]:
        """Return some ids of a class, spread over it, with the bytes of their tokens where these are known.

        Args:
            name: The class.
            limit: The most ids.

        Raises:
            ValueError: There is no class of this name.
        """
        ids = self.ids(name)
        places = np.unique(np.linspace(0, max(len(ids) - 1, 0), min(limit, len(ids))).astype(np.int64))
        return [(int(id), self._subject.tokens[int(id)]) for id in ids[places]]


def audit(tokenizer: Any, corpus: Iterable[str] | None = None) -> Audit:
    """Say what each id of a vocabulary is good for.

    Args:
        tokenizer: Anything with `encode`, `decode` and a vocabulary.
        corpus: Texts. With them, an `ok` token that no text has is counted as `unused` instead.

    Raises:
        TypeError: The tokenizer does not tell its vocabulary.
    """
    subject = Subject.of(tokenizer)
    size = subject.vocab_size
    kinds = np.full(size, UNREACHABLE, np.uint8)
    for id, token in enumerate(subject.tokens):
        if not is_text(token):
            kinds[id] = UNDECODABLE
    kinds[list(subject.holes)] = UNUSED
    kinds[[id for id in subject.added_ids if id < size]] = ADDED
    kinds[[id for id in subject.special_ids if id < size]] = SPECIAL
    reached, exact = _reach(subject, kinds == UNREACHABLE)
    kinds[reached & (kinds == UNREACHABLE)] = OK
    counts = None
    if corpus is not None:
        counts = _count(subject, corpus, size)
        kinds[(kinds == OK) & (counts == 0)] = UNUSED
    return Audit(size, kinds, exact, counts, subject)


def _reach(subject: Subject, wanted: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], bool]:
    """Return which ids some text has, and whether that is certain of the wanted ones."""
    if isinstance(subject.tokenizer, Tokenizer):
        try:
            reached, known = subject.tokenizer._native.reach()
        except UnsupportedTokenizerError:
            pass
        else:
            left = wanted & ~known
            if left.any():
                reached = reached | _see(subject, left)
            return reached, not (left & ~reached).any()
    seen = _see(subject, wanted)
    return seen, not (wanted & ~seen).any()


def _see(subject: Subject, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which ids the texts of some tokens have, in several contexts."""
    seen = np.zeros(len(wanted), np.bool_)
    for before, behind in CONTEXTS:
        left = np.flatnonzero(wanted & ~seen).tolist()
        texts = [before + (subject.tokens[id] or b"").decode() + behind for id in left]
        for ids in _rows(subject, texts):
            seen[np.asarray(ids, np.int64)] = True
    return seen


def _rows(subject: Subject, texts: list[str]) -> Iterator[Any]:
    """Yield the ids of texts, in batches; texts that cannot be encoded are left out."""
    for start in range(0, len(texts), 4096):
        batch = texts[start : start + 4096]
        rows = attempt(lambda batch=batch: list(subject.encode_all(batch)))  # type: ignore[misc]
        if rows is None:
            each = [attempt(lambda text=text: subject.encode(text)) for text in batch]  # type: ignore[misc]
            rows = [row for row in each if row is not None]
        yield from rows


def _count(subject: Subject, corpus: Iterable[str], size: int) -> NDArray[np.int64]:
    if isinstance(corpus, (str, bytes)):
        raise TypeError(f"a corpus is many texts, not one {type(corpus).__name__}: write [text]")
    counts = np.zeros(size, np.int64)
    for text in corpus:
        counts += np.bincount(np.asarray(subject.encode(text), np.int64), minlength=size)
    return counts
