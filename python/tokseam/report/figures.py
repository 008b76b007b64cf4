"""The figures of a report, each by its definition, from counts of ids that are taken in one pass over the text.

Texts are encoded in batches of some megabytes and forgotten. What is kept of a tokenizer is one count an id and one a
pair of neighbours, so memory depends on the vocabulary and on the distinct pairs, never on the length of the text.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

import tokseam
from tokseam._corpus import Files, batched, split_lines
from tokseam.errors import ReportError, VocabError
from tokseam.fuzz.subject import Subject
from tokseam.fuzz.vocabulary import CLASSES, audit
from tokseam.segmentation import Token
from tokseam.superbpe import Training
from tokseam.tokenizer import Tokenizer, as_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from tokseam.tokenizer import Text

    Progress = Callable[[str, int, int | None], None] | None

__all__ = [
    "Conditional",
    "Curve",
    "Entropy",
    "Figures",
    "Language",
    "LanguageFigures",
    "Lengths",
    "NumberRow",
    "Numbers",
    "Report",
    "Superwords",
    "TextFigures",
    "TokenCount",
    "Vocabulary",
    "make",
]

SCHEMA = 1
# Neighbours are counted in this much text, in bytes; a count of pairs grows with the text, and a sort of it too.
PAIR_BYTES = 128 << 20
# Keys that wait to be sorted into a run.
PENDING = 1 << 22
# Numbers of up to so many digits are probed, with so many drawn of each length.
DIGITS = 12
DRAWN = 200
EXAMPLE = "123456789012"
FREQUENT = 12
EXAMPLES = 5
# Of so many parallel texts, lengths that go together less than that are worth a word.
FEW = 20
TOGETHER = 0.3
# A curve has about so many points.
POINTS = 256

# Which characters up to U+3000 are white space; behind it none is.
_SPACES = np.array([chr(code).isspace() for code in range(0x3002)])


@dataclass(frozen=True, kw_only=True)
class TextFigures:
    """The text, whatever reads it.

    Attributes:
        source: Where it came from, as the caller says.
        texts: The number of texts; tokens never reach from one into the next.
        bytes: Their UTF-8 bytes.
        characters: Their code points; bytes that are not UTF-8 count as U+FFFD does in `bytes.decode`.
        words: Maximal runs of characters that are not white space, as `str.split` cuts them.
    """

    source: str
    texts: int
    bytes: int
    characters: int
    words: int


@dataclass(frozen=True, kw_only=True)
class TokenCount:
    """A token and how often the text has it.

    Attributes:
        id: Its id.
        data: Its bytes.
        count: How often it comes; 0 for an example of a class.
    """

    id: int
    data: bytes
    count: int


@dataclass(frozen=True, kw_only=True)
class Superwords:
    """Tokens that hold a letter, white space behind it, and behind that more that is not white space.

    Attributes:
        entries: The superwords of the vocabulary.
        tokens: The superwords of the text.
        token_share: Their share of all tokens of the text; None where it has none.
        byte_share: The share of their bytes in the bytes of all tokens of the text.
        frequent: The most frequent ones, on ties the lowest id first.
    """

    entries: int
    tokens: int
    token_share: float | None
    byte_share: float | None
    frequent: tuple[TokenCount, ...]


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """How long tokens are, in bytes.

    Attributes:
        tokens: Entry `n` is the number of the text's tokens of `n` bytes.
        entries: Entry `n` is the number of the vocabulary's tokens of `n` bytes, special and added ones left out.
        median: The length that half of the text's tokens do not exceed: the lower median.
        longest: The longest of the text's tokens, in bytes.
    """

    tokens: tuple[int, ...]
    entries: tuple[int, ...]
    median: int | None
    longest: int | None


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """What the ids are good for: `tokseam.fuzz.audit`, and which of them the text has.

    Attributes:
        classes: The number of ids of each class; they sum to the size of the vocabulary.
        exact: Whether every `unreachable` id is proven to be.
        examples: Some tokens of each class, spread over it.
        seen: The distinct ids of the text.
        seen_once: Those that it has once.
    """

    classes: dict[str, int]
    exact: bool
    examples: dict[str, tuple[TokenCount, ...]]
    seen: int
    seen_once: int


@dataclass(frozen=True, kw_only=True)
class NumberRow:
    """How numbers of some digits are cut, behind a blank.

    Attributes:
        digits: The number of digits.
        example: The pieces of the number 1234... of that length.
        mean: The mean number of tokens of the numbers tried.
        fewest: The smallest.
        most: The largest.
    """

    digits: int
    example: tuple[str, ...]
    mean: float
    fewest: int
    most: int


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """How a tokenizer cuts whole numbers, found by trying numbers of 1 to 12 digits.

    Attributes:
        policy: `"digits"` (each digit alone), `"left"` or `"right"` (groups of `group` digits counted from that side),
            `"merges"` (no place is always a border: the digits decide), `"mixed"` (anything else), or `"none"` (a digit
            has no token).
        group: The digits of a group, where there are groups.
        whole: Whether every group is one token; if not, the digits decide on borders inside of groups.
        joins_blank: Whether some token has the blank before a number and its first digits.
        rows: One for each number of digits.
    """

    policy: Literal["digits", "left", "right", "merges", "mixed", "none"]
    group: int | None
    whole: bool
    joins_blank: bool
    rows: tuple[NumberRow, ...]

    def describe(self) -> str:
        """Return the policy in words."""
        words = {
            "digits": "each digit alone",
            "left": f"groups of {self.group} from the left",
            "right": f"groups of {self.group} from the right",
            "merges": "as merges fall",
            "mixed": "mixed",
            "none": "no token for digits",
        }[self.policy]
        return words + ("" if self.whole or self.policy not in {"left", "right"} else ", some cut further")


@dataclass(frozen=True, kw_only=True)
class Entropy:
    """The entropy of the ids, each taken by itself (Shannon 1948).

    Attributes:
        plug_in: That of the observed shares, in bits a token. It is too low on average.
        corrected: With the correction of Miller and Madow (Miller 1955), (distinct ids - 1) / (2 tokens) nats, in bits
            a token.
        per_byte: The corrected one, in bits a byte of text.
    """

    plug_in: float
    corrected: float
    per_byte: float


@dataclass(frozen=True, kw_only=True)
class Conditional(Entropy):
    """The entropy of an id when the one before it is known: that of pairs less that of their first ids.

    Attributes:
        pairs: The pairs of neighbours inside a text.
        distinct: How many of them differ.
        once: The share of the pairs that come once: about the chance that the next pair of new text is a new one (Good
            1953, after Turing), so the figure says little where it is large.
        bytes: The bytes of text that were looked at.
    """

    pairs: int
    distinct: int
    once: float
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Language:
    """One language of the parallel text.

    Attributes:
        name: Its name.
        texts: The number of texts, the same for all languages.
        bytes: Their UTF-8 bytes.
        characters: Their code points.
    """

    name: str
    texts: int
    bytes: int
    characters: int


@dataclass(frozen=True, kw_only=True)
class LanguageFigures:
    """What a tokenizer makes of one language of the parallel text (Petrov et al. 2023, arXiv 2305.15425).

    Attributes:
        language: Its name.
        tokens: The tokens of its texts.
        premium: Those over the tokens of the reference language's texts.
    """

    language: str
    tokens: int
    premium: float


@dataclass(frozen=True, kw_only=True)
class Curve:
    """How training compressed its own text.

    Attributes:
        transition: The size at which superwords began; None where they did not.
        sizes: Sizes of the vocabulary, rising.
        bytes_per_token: The bytes a token of the training text at each.
    """

    transition: int | None
    sizes: tuple[int, ...]
    bytes_per_token: tuple[float, ...]

    @classmethod
    def of(cls, training: Training) -> Curve:
        """Return the curve of a run, at some hundred sizes with even ratios, the first and the last among them.

        Args:
            training: The run.
        """
        values = training.curve()
        last = int(training.report["size"])
        first = last - len(values) + 1
        sizes = np.unique(np.geomspace(first, last, POINTS).round().astype(np.int64).clip(first, last))
        transition = training.report.get("transition")
        if transition is not None and not first < transition < last:
            transition = None
        if transition is not None:
            sizes = np.unique(np.append(sizes, [transition - 1, transition]))
        found = values[sizes - first]
        return cls(
            transition=transition,
            sizes=tuple(sizes[found > 0].tolist()),
            bytes_per_token=tuple(float(f"{value:.6g}") for value in found[found > 0]),
        )

    def in_report(self, report: Mapping[str, Any]) -> str:
        """Return the text of a report of training with this curve in it, which `from_json` reads.

        Args:
            report: `Training.report`.
        """
        return json.dumps({**report, "curve": _plain(self)}, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> Curve:
        """Return the curve in a report of training, as `tokseam train --report FILE` writes it.

        Args:
            path: The file.

        Raises:
            OSError: The file cannot be read.
            ReportError: It is no such report, or has no curve.
        """
        with open(path, "rb") as file:  # noqa: PTH123
            data = file.read()
        return cls.from_json(data, f"{path}")

    @classmethod
    def from_json(cls, data: str | bytes, name: str = "the report") -> Curve:
        """Return the curve in the text of a report of training.

        Args:
            data: The text.
            name: What an error calls it.

        Raises:
            ReportError: It is no such report, or has no curve.
        """
        try:
            tree = json.loads(data)["curve"]
            sizes = tuple(int(size) for size in tree["sizes"])
            values = tuple(float(value) for value in tree["bytes_per_token"])
            transition = None if tree["transition"] is None else int(tree["transition"])
            if len(sizes) != len(values) or not sizes or not all(a < b for a, b in pairwise(sizes)):
                raise ValueError("sizes do not rise, or are not as many as values")
        except (KeyError, TypeError, ValueError) as error:
            raise ReportError(
                f"{name} has no training curve ({type(error).__name__}: {error}): "
                "give the file that `tokseam train --report FILE` writes"
            ) from error
        return cls(transition=transition, sizes=sizes, bytes_per_token=values)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one tokenizer makes of the text. Ratios are None where the text is empty.

    Attributes:
        name: The name that the caller gave it.
        kind: The kind of the tokenizer, as `Tokenizer.info` has it.
        vocab_size: The highest id plus one.
        tokens: The tokens of the text.
        bytes_per_token: Bytes of the text over tokens.
        characters_per_token: Code points of the text over tokens.
        tokens_per_word: Tokens over words; words are the same for all tokenizers.
        superwords: Tokens that reach over words.
        lengths: How long tokens are.
        vocabulary: What the ids are good for.
        numbers: How numbers are cut.
        entropy: The entropy of single ids.
        conditional: The entropy of an id behind another; None without a pair of neighbours.
        languages: One for each language of the parallel text.
        curve: How its training compressed the training text, where the caller gave it.
        excerpt: The start of the text as tokens, encoded by itself.
    """

    name: str
    kind: str
    vocab_size: int
    tokens: int
    bytes_per_token: float | None
    characters_per_token: float | None
    tokens_per_word: float | None
    superwords: Superwords
    lengths: Lengths
    vocabulary: Vocabulary
    numbers: Numbers
    entropy: Entropy | None
    conditional: Conditional | None
    languages: tuple[LanguageFigures, ...]
    curve: Curve | None
    excerpt: tuple[Token, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """One or more tokenizers on one text. `make` makes it.

    Attributes:
        text: The text.
        tokenizers: The tokenizers, in the order of the caller.
        languages: The languages of the parallel text, in the order of the caller; empty without one.
        reference: The language that premiums are relative to.
        notes: What a reader must know to read the figures right.
    """

    text: TextFigures
    tokenizers: tuple[Figures, ...]
    languages: tuple[Language, ...]
    reference: str | None
    notes: tuple[str, ...]

    def to_json(self, *, indent: int | None = None) -> str:
        """Return all figures as JSON, the same for the same input. Numbers have nine significant digits.

        `schema` is the version of the form: it rises when a name goes or changes its meaning.

        Args:
            indent: As in `json.dumps`.
        """
        head = {"schema": SCHEMA, "tokseam": tokseam.__version__}
        return json.dumps(head | _plain(self), ensure_ascii=False, indent=indent)

    def to_html(self) -> str:
        """Return a page that needs nothing else: no network, no fonts, no scripts. It is light or dark as its reader.

        Raises:
            ImportError: matplotlib is not installed.
        """
        from tokseam.report.page import render

        return render(self)

    def rows(self) -> list[tuple[str, list[str]]]:
        """Return the main figures as text: a label, and a cell for each tokenizer."""
        from tokseam.report.page import rows

        return rows(self)


def make(
    tokenizers: Tokenizer | Training | Mapping[str, Tokenizer | Training],
    text: Text | Iterable[Text] | Files,
    *,
    source: str = "text",
    parallel: Mapping[str, Iterable[Text]] | None = None,
    reference: str | None = None,
    curves: Mapping[str, Curve] | None = None,
    excerpt: int = 1200,
    notes: Iterable[str] = (),
    threads: int | None = None,
    progress: Progress = None,
) -> Report:
    """Measure tokenizers on a text.

    Args:
        tokenizers: One, or several by the names that the report shall have. A `Training` brings its curve.
        text: One text, or many, or `superbpe.files(...)`. They are read once and not held; one text is held whole.
        source: What the report calls the text.
        parallel: The same texts in several languages, by the names of the languages. All have as many texts, and text
            `i` of one language says what text `i` of the others says.
        reference: The language that premiums are relative to; by default `"en"` where it is there, else the first.
        curves: Curves of training by the names of tokenizers.
        excerpt: How many bytes of the start of the text to show as tokens.
        notes: Sentences that the report shall have before its own.
        threads: How many threads encode; None is one a core.
        progress: Called with the name of the work in hand, what is done of it (bytes, or tokenizers), and its size or
            None.

    Returns:
        The report.

    Raises:
        ReportError: There is no tokenizer, the parallel texts are not parallel, or a curve is of another tokenizer.
        TypeError: A tokenizer or a text is something else.
        UnicodeError: A text holds a lone surrogate.
        VocabError: A byte of a text has no token.
    """
    loaded, known = _loaded(tokenizers, curves or {})
    meters = {name: _Meter(name, tokenizer, threads) for name, tokenizer in loaded.items()}
    languages, spoken, chosen, doubts = _languages(meters, parallel, reference, progress)
    start = b""
    texts = size = characters = words = 0
    for batch in _batches(text):
        joined = b"\n".join(batch)
        for meter in meters.values():
            meter.add(batch, len(joined) - len(batch) + 1, pairs=size < PAIR_BYTES)
        texts += len(batch)
        size += len(joined) - len(batch) + 1
        found = _measure(joined)
        characters += found[0] - len(batch) + 1
        words += found[1]
        for one in batch:
            if len(start) >= excerpt:
                break
            # Lines bring their line ends; other texts are shown on lines of their own.
            start += (b"\n" if start and not start.endswith(b"\n") else b"") + one[: excerpt + 4]
        if progress is not None:
            progress("text", size, None)
    facts = TextFigures(source=source, texts=texts, bytes=size, characters=characters, words=words)
    shown = _cut(start, excerpt)
    done = []
    for place, (name, meter) in enumerate(meters.items()):
        if progress is not None:
            progress("vocabulary", place, len(meters))
        done.append(meter.figures(facts, spoken[name], known.get(name), shown))
    if progress is not None:
        progress("vocabulary", len(meters), len(meters))
    return Report(
        text=facts,
        tokenizers=tuple(done),
        languages=languages,
        reference=chosen,
        notes=(*notes, *doubts, *_notes(done, size)),
    )


def _loaded(
    tokenizers: Tokenizer | Training | Mapping[str, Tokenizer | Training], curves: Mapping[str, Curve]
) -> tuple[dict[str, Tokenizer], dict[str, Curve]]:
    """Return tokenizers and curves by name."""
    found: dict[str, Tokenizer] = {}
    known = dict(curves)
    for name, one in (tokenizers if isinstance(tokenizers, Mapping) else {"tokenizer": tokenizers}).items():
        label: object = name
        if not isinstance(label, str) or not label:
            raise TypeError(f"tokenizers have names that are not empty, not {label!r}")
        if isinstance(one, Training):
            known.setdefault(name, Curve.of(one))
            one = one.tokenizer
        given: object = one
        if not isinstance(given, Tokenizer):
            raise TypeError(
                f"{name} is {type(given).__name__}, not a Tokenizer: take it over with Tokenizer.from_hf or "
                "from_tiktoken"
            )
        found[name] = one
    if not found:
        raise ReportError("there is no tokenizer to report on: give at least one")
    for name, curve in known.items():
        if name not in found:
            raise ReportError(f"there is a curve for {name!r}, but the tokenizers are {', '.join(found)}")
        if curve.sizes[-1] != found[name].vocab_size:
            raise ReportError(
                f"the curve for {name!r} ends at {curve.sizes[-1]} entries, but the tokenizer has "
                f"{found[name].vocab_size}: give the report of its own training"
            )
    return found, known


# Texts.


def _batches(text: Text | Iterable[Text] | Files) -> Iterator[list[bytes]]:
    """Yield the texts in lists of some megabytes."""
    if isinstance(text, (str, bytes)):
        text = [text]
    if not isinstance(text, Iterable):
        raise TypeError(f"a text is str, bytes, an iterable of them or superbpe.files(...), not {type(text).__name__}")
    for batch in text.batches() if isinstance(text, Files) else batched(text):
        texts = [as_bytes(one) for one in batch.texts]
        if batch.lines:
            texts = [line for one in texts for line in split_lines(one)]
        if texts:
            yield texts


def _measure(data: bytes) -> tuple[int, int]:
    """Return the characters and the words of a text."""
    if data.isascii():
        blank = _SPACES[np.frombuffer(data, np.uint8)]
    else:
        codes = np.frombuffer(data.decode(errors="replace").encode("utf-32-le"), np.uint32)
        blank = _SPACES[np.minimum(codes, len(_SPACES) - 1)]
    if not len(blank):
        return 0, 0
    return len(blank), int(np.count_nonzero(blank[:-1] & ~blank[1:])) + int(not blank[0])


def _cut(data: bytes, limit: int) -> bytes:
    """Return the start of a text, up to the last line end or blank in the last half of what the limit allows."""
    if len(data) <= limit:
        return data
    for mark in (b"\n", b" "):
        place = data.rfind(mark, limit // 2, limit)
        if place >= 0:
            return data[: place + 1]
    # Not inside a character.
    end = limit
    while end > max(limit - 3, 0) and data[end] & 0xC0 == 0x80:
        end -= 1
    return data[:end]


# One tokenizer.


class _Meter:
    """The counts of one tokenizer."""

    def __init__(self, name: str, tokenizer: Tokenizer, threads: int | None) -> None:
        self._name = name
        self._tokenizer = tokenizer
        self._threads = threads
        self._counts = np.zeros(tokenizer.vocab_size, np.int64)
        self._pairs = _Pairs()
        self._pair_bytes = 0

    def count(self, texts: list[bytes]) -> int:
        """Return the tokens of texts."""
        try:
            return int(self._tokenizer.count_batch(texts, parallel=self._threads).sum())
        except VocabError as error:
            raise VocabError(f"{self._name}: {error}") from error

    def add(self, texts: list[bytes], size: int, *, pairs: bool) -> None:
        """Count the tokens of texts, and the pairs of neighbours too if these are wanted."""
        try:
            ids, offsets = self._tokenizer.encode_batch(texts, parallel=self._threads)
        except VocabError as error:
            raise VocabError(f"{self._name}: {error}") from error
        self._counts += np.bincount(ids, minlength=len(self._counts))
        if pairs:
            self._pairs.add(ids, offsets)
            self._pair_bytes += size

    def figures(
        self, text: TextFigures, languages: tuple[LanguageFigures, ...], curve: Curve | None, excerpt: bytes
    ) -> Figures:
        """Return what was counted, and what can be said without a text."""
        tokenizer = self._tokenizer
        subject = Subject.of(tokenizer)
        found = audit(subject)
        data = [token or b"" for token in subject.tokens]
        lengths = np.array([len(token) for token in data], np.int64)
        plain = np.array([token is not None for token in subject.tokens], np.bool_)
        plain[list(subject.special_ids | subject.added_ids)] = False
        tokens = int(self._counts.sum())
        return Figures(
            name=self._name,
            kind=tokenizer.info()["kind"],
            vocab_size=tokenizer.vocab_size,
            tokens=tokens,
            bytes_per_token=text.bytes / tokens if tokens else None,
            characters_per_token=text.characters / tokens if tokens else None,
            tokens_per_word=tokens / text.words if text.words else None,
            superwords=self._superwords(data, lengths, plain),
            lengths=_lengths(self._counts, lengths, plain),
            vocabulary=Vocabulary(
                classes=found.classes,
                exact=found.exact,
                examples={
                    name: tuple(
                        TokenCount(id=id, data=token or b"", count=0) for id, token in found.examples(name, EXAMPLES)
                    )
                    for name in CLASSES
                },
                seen=int(np.count_nonzero(self._counts)),
                seen_once=int(np.count_nonzero(self._counts == 1)),
            ),
            numbers=_numbers(tokenizer),
            entropy=_entropy(self._counts, text.bytes),
            conditional=self._pairs.conditional(self._pair_bytes, tokens / text.bytes if text.bytes else 0.0),
            languages=languages,
            curve=curve,
            excerpt=tokenizer.show(excerpt).tokens,
        )

    def _superwords(self, data: Sequence[bytes], lengths: NDArray[np.int64], plain: NDArray[np.bool_]) -> Superwords:
        reaching = np.array([_is_superword(token) for token in data], np.bool_) & plain
        tokens, size = int(self._counts.sum()), int(self._counts @ lengths)
        found = int(self._counts[reaching].sum())
        ids = np.flatnonzero(reaching & (self._counts > 0))
        ids = ids[np.argsort(-self._counts[ids], kind="stable")][:FREQUENT]
        return Superwords(
            entries=int(np.count_nonzero(reaching)),
            tokens=found,
            token_share=found / tokens if tokens else None,
            byte_share=int((self._counts * lengths)[reaching].sum()) / size if size else None,
            frequent=tuple(TokenCount(id=id, data=data[id], count=int(self._counts[id])) for id in ids.tolist()),
        )


def _is_superword(token: bytes) -> bool:
    """Return whether a token has a letter, white space behind it, and more behind that."""
    parts = token.decode(errors="replace").rsplit(None, 1)
    return len(parts) == 2 and any(char.isalpha() for char in parts[0])


def _lengths(counts: NDArray[np.int64], lengths: NDArray[np.int64], plain: NDArray[np.bool_]) -> Lengths:
    tokens = np.zeros(int(lengths.max(initial=0)) + 1, np.int64)
    np.add.at(tokens, lengths, counts)
    upto = np.cumsum(tokens)
    total = int(upto[-1])
    return Lengths(
        tokens=tuple(np.trim_zeros(tokens, "b").tolist()),
        entries=tuple(np.trim_zeros(np.bincount(lengths[plain]), "b").tolist()),
        median=int(np.searchsorted(upto, (total + 1) // 2)) if total else None,
        longest=int(np.flatnonzero(tokens)[-1]) if total else None,
    )


# Entropies.


def _bits(counts: NDArray[np.int64]) -> float:
    """Return the entropy of observed shares, in bits."""
    total = int(counts.sum())
    shares = counts[counts > 0] / total
    return abs(float(-(shares * np.log2(shares)).sum()))


def _entropy(counts: NDArray[np.int64], size: int) -> Entropy | None:
    tokens = int(counts.sum())
    if not tokens:
        return None
    plug_in = _bits(counts)
    corrected = plug_in + (int(np.count_nonzero(counts)) - 1) / (2 * tokens * np.log(2))
    return Entropy(plug_in=plug_in, corrected=float(corrected), per_byte=float(corrected) * tokens / size)


class _Pairs:
    """Counts of pairs of neighbours: sorted runs of keys, each at least twice as long as the next."""

    def __init__(self) -> None:
        self._waiting: list[NDArray[np.uint64]] = []
        self._size = 0
        self._runs: list[tuple[NDArray[np.uint64], NDArray[np.int64]]] = []

    def add(self, ids: NDArray[np.uint32], offsets: NDArray[np.int64]) -> None:
        """Count the pairs inside of rows."""
        if len(ids) < 2:
            return
        wide = ids.astype(np.uint64)
        keys = wide[:-1] << np.uint64(32) | wide[1:]
        inner = np.ones(len(keys), np.bool_)
        inner[offsets[(offsets > 0) & (offsets < len(ids))] - 1] = False
        self._waiting.append(keys[inner])
        self._size += len(self._waiting[-1])
        if self._size >= PENDING:
            self._sort()

    def _sort(self) -> None:
        keys, counts = np.unique(np.concatenate(self._waiting), return_counts=True)
        self._runs.append((keys, counts.astype(np.int64)))
        self._waiting, self._size = [], 0
        while len(self._runs) > 1 and len(self._runs[-2][0]) < 2 * len(self._runs[-1][0]):
            self._merge()

    def _merge(self) -> None:
        (left, many), (right, more) = self._runs[-2:]
        keys, counts = np.concatenate([left, right]), np.concatenate([many, more])
        order = np.argsort(keys, kind="stable")
        keys, counts = keys[order], counts[order]
        starts = _starts(keys)
        self._runs[-2:] = [(keys[starts], np.add.reduceat(counts, starts))]

    def conditional(self, size: int, rate: float) -> Conditional | None:
        """Return the entropy of an id when the one before it is known.

        Args:
            size: The bytes of text whose pairs were counted.
            rate: Tokens a byte.
        """
        if self._waiting:
            self._sort()
        while len(self._runs) > 1:
            self._merge()
        if not self._runs or not len(self._runs[0][0]):
            return None
        keys, counts = self._runs[0]
        starts = _starts(keys >> np.uint64(32))
        total = int(counts.sum())
        plug_in = max(_bits(counts) - _bits(np.add.reduceat(counts, starts)), 0.0)
        corrected = float(plug_in + (len(keys) - len(starts)) / (2 * total * np.log(2)))
        return Conditional(
            plug_in=plug_in,
            corrected=corrected,
            per_byte=corrected * rate,
            pairs=total,
            distinct=len(keys),
            once=int(np.count_nonzero(counts == 1)) / total,
            bytes=size,
        )


def _starts(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the places of the first of equal neighbours."""
    return np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))


# Numbers.


def _numbers(tokenizer: Tokenizer) -> Numbers:
    """Return how numbers are cut, from trying some."""
    draw = random.Random(0)
    rows = []
    always: list[set[int]] = []
    ever: list[set[int]] = []
    joins = False
    for digits in range(1, DIGITS + 1):
        low, high = 10 ** (digits - 1) if digits > 1 else 0, 10**digits
        tried = range(low, high) if high - low <= DRAWN else [draw.randrange(low, high) for _ in range(DRAWN)]
        common, union, sizes = set(range(1, digits)), set(), []
        example: tuple[str, ...] = ()
        for number in (EXAMPLE[:digits], *map(str, tried)):
            try:
                _, offsets = tokenizer.encode_with_offsets(" " + number)
            except VocabError:
                return Numbers(policy="none", group=None, whole=False, joins_blank=False, rows=())
            # The blank is the first byte: the tokens of the number end behind it.
            ranges = [(max(start - 1, 0), end - 1) for start, end in offsets.tolist() if end > 1]
            joins = joins or any(start < 1 < end for start, end in offsets.tolist())
            borders = {end for _, end in ranges if 0 < end < digits}
            common &= borders
            union |= borders
            if not example:
                places = [0, *sorted(borders), digits]
                example = tuple(number[a:b] for a, b in pairwise(places))
            else:
                sizes.append(len(ranges))
        always.append(common)
        ever.append(union)
        rows.append(
            NumberRow(digits=digits, example=example, mean=sum(sizes) / len(sizes), fewest=min(sizes), most=max(sizes))
        )
    policy, group = _policy(always)
    return Numbers(policy=policy, group=group, whole=always == ever, joins_blank=joins, rows=tuple(rows))


def _policy(always: list[set[int]]) -> tuple[Literal["digits", "left", "right", "merges", "mixed"], int | None]:
    """Return what the places say that are borders in every number of 1, 2, ... digits."""
    lengths = range(1, len(always) + 1)
    for group in lengths[:-1]:
        left = [set(range(group, digits, group)) for digits in lengths]
        right = [{digits - place for place in places} for digits, places in zip(lengths, left, strict=True)]
        if always == left:
            return ("digits", None) if group == 1 else ("left", group)
        if always == right:
            return "right", group
    return ("mixed" if any(always) else "merges"), None


# Languages.


def _languages(
    meters: dict[str, _Meter],
    parallel: Mapping[str, Iterable[Text]] | None,
    reference: str | None,
    progress: Progress,
) -> tuple[tuple[Language, ...], dict[str, tuple[LanguageFigures, ...]], str | None, list[str]]:
    """Return the languages, the figures of each tokenizer, the language that they are relative to, and doubts."""
    if not parallel:
        if reference is not None:
            raise ReportError(f"reference={reference!r} is a language of parallel texts, but there are none")
        return (), dict.fromkeys(meters, ()), None, []
    reference = _reference(parallel, reference)
    languages: list[Language] = []
    counted: dict[str, list[int]] = {name: [] for name in meters}
    sizes: list[NDArray[np.int64]] = []
    done = 0
    for name, texts in parallel.items():
        language, lengths, tokens = _spoken(name, texts, meters, progress, done)
        done += language.bytes
        languages.append(language)
        sizes.append(lengths)
        for key, found in tokens.items():
            counted[key].append(found)
    base = list(parallel).index(reference)
    doubts: list[str] = []
    for language, lengths_here in zip(languages, sizes, strict=True):
        doubts += _check_parallel(languages[base], sizes[base], language, lengths_here)
    spoken = {}
    for name, row in counted.items():
        if not row[base]:
            raise ReportError(f"the texts in {reference} have no tokens for {name}: there is nothing to be relative to")
        spoken[name] = tuple(
            LanguageFigures(language=language.name, tokens=tokens, premium=tokens / row[base])
            for language, tokens in zip(languages, row, strict=True)
        )
    return tuple(languages), spoken, reference, doubts


def _reference(parallel: Mapping[str, Iterable[Text]], reference: str | None) -> str:
    """Return the language that premiums are relative to."""
    if len(parallel) < 2:
        raise ReportError(f"parallel texts are in two languages at least, not in {', '.join(parallel)} alone")
    if reference is None:
        return "en" if "en" in parallel else next(iter(parallel))
    if reference not in parallel:
        raise ReportError(f"the reference {reference!r} is none of the languages {', '.join(parallel)}")
    return reference


def _spoken(
    name: str, texts: Iterable[Text], meters: dict[str, _Meter], progress: Progress, done: int
) -> tuple[Language, NDArray[np.int64], dict[str, int]]:
    """Return a language, the bytes of each of its texts without white space around it, and the tokens of each meter.

    Args:
        name: Its name.
        texts: Its texts.
        meters: The tokenizers.
        progress: As in `make`.
        done: The bytes of the languages before.
    """
    if isinstance(texts, (str, bytes)):
        raise TypeError(f"the parallel texts in {name} are one {type(texts).__name__}: write [text]")
    language = Language(name=name, texts=0, bytes=0, characters=0)
    tokens = dict.fromkeys(meters, 0)
    lengths = [np.zeros(0, np.int64)]
    for batch in _batches(texts):
        joined = b"\n".join(batch)
        between = len(batch) - 1
        lengths.append(np.array([len(one.strip()) for one in batch], np.int64))
        for key, meter in meters.items():
            tokens[key] += meter.count(batch)
        language = replace(
            language,
            texts=language.texts + len(batch),
            bytes=language.bytes + len(joined) - between,
            characters=language.characters + _measure(joined)[0] - between,
        )
        if progress is not None:
            progress("languages", done + language.bytes, None)
    return language, np.concatenate(lengths), tokens


def _check_parallel(
    base: Language, base_sizes: NDArray[np.int64], other: Language, other_sizes: NDArray[np.int64]
) -> Iterator[str]:
    """Refuse texts that cannot say the same, and yield what casts doubt on others.

    Args:
        base: The language of reference.
        base_sizes: The bytes of its texts without white space around them.
        other: Another language.
        other_sizes: The same of its texts.
    """
    remedy = "parallel texts say the same thing text by text, so bring them into line, or leave one out"
    if other.texts != base.texts:
        raise ReportError(
            f"there are {other.texts:,} texts in {other.name}, but {base.texts:,} in {base.name}: {remedy}"
        )
    differ = np.flatnonzero((base_sizes == 0) != (other_sizes == 0))
    if len(differ):
        place = int(differ[0])
        name, full = (base.name, other.name) if base_sizes[place] == 0 else (other.name, base.name)
        raise ReportError(f"text {place + 1:,} is empty in {name}, but not in {full}: {remedy}")
    if len(base_sizes) >= FEW and base_sizes.std() and other_sizes.std():
        together = float(np.corrcoef(base_sizes, other_sizes)[0, 1])
        if together < TOGETHER:
            yield (
                f"Long texts in {base.name} are not long in {other.name} (the lengths have a correlation of "
                f"{together:.2f}): if the texts are not in line, their premium says nothing."
            )


# Notes, and JSON.


def _notes(figures: list[Figures], size: int) -> Iterator[str]:
    """Yield what limits the figures."""
    if not size:
        yield "The text is empty, so there are no ratios."
        return
    few = [one.name for one in figures if one.tokens < 100_000]
    if few:
        yield (
            f"The text has fewer than 100,000 tokens for {', '.join(few)}: shares are rough, and entropies are too low."
        )
    rare = [one for one in figures if one.conditional is not None and one.conditional.once > 0.1]
    if rare:
        shares = ", ".join(f"{one.conditional.once:.0%} for {one.name}" for one in rare if one.conditional is not None)
        yield (
            f"Of the pairs of neighbouring tokens, many come only once ({shares}): the conditional entropy says more "
            "of the size of the text than of the tokens. Expect more on a longer text, and compare it on equal text "
            "alone."
        )
    if size > PAIR_BYTES and figures[0].conditional is not None:
        yield f"Pairs of neighbours were counted in the first {figures[0].conditional.bytes:,} bytes."


def _token(id: int, data: bytes) -> dict[str, Any]:
    return {"id": id, "text": data.decode(errors="replace"), "bytes": data.hex()}


def _plain(value: Any) -> Any:
    """Return a value as what `json.dumps` takes."""
    if isinstance(value, Token):
        return _token(value.id, value.data) | {"special": value.special}
    if isinstance(value, TokenCount):
        return _token(value.id, value.data) | {"count": value.count}
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    # Libraries and processors differ in the last digits.
    return float(f"{value:.9g}") if isinstance(value, float) else value
