"""Id sequences that are not what the tokenizer gives for their text: found, mapped, repaired and prevented.

Many id sequences spell one text, and a model takes them for different inputs. `judge`, `find` and `canonicalize` look
at one sequence; `compare` tells an edit of the text from a *phantom edit* (Ayoobi et al. 2026, arXiv 2601.14658), which
changes the ids and not what a reader sees; `project` carries log-probabilities and other values over to new tokens;
`Probe` measures how often a model makes phantom edits; `next_token_mask`, `prompt_tail` and
`tokseam.hf.CanonicalLogitsProcessor` prevent them; a `Detector` watches a stream.

Canonical means what `Tokenizer.is_canonical` says: special ids cut the sequence, and each run between them is what
`encode` gives for its text.

Examples:
    >>> from tokseam import Tokenizer, phantom
    >>> tokenizer = Tokenizer.from_file("tokenizer.json")
    >>> ids = [tokenizer.token_id(token) for token in (b"be", b"cause")]
    >>> phantom.judge(ids, tokenizer)
    Judgement(state='broken', position=0, reason='pair')
    >>> [(block.token_range, block.byte_range) for block in phantom.find(ids, tokenizer)]
    [((0, 2), (0, 7))]
    >>> repaired, map = phantom.canonicalize(ids, tokenizer)
    >>> tokenizer.decode(repaired), len(repaired)
    ('because', 1)
    >>> phantom.project([-0.5, -1.0], map, how="first")
    array([-1.5])
"""

from __future__ import annotations

import random
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, final, overload

import numpy as np

from tokseam import _native
from tokseam.errors import VocabError
from tokseam.tokenizer import Ragged, Tokenizer, native_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from tokseam.tokenizer import Ids

    How = Literal["first", "sum", "nan"]
    Kind = Literal["unchanged", "replaced", "phantom", "lost"]

__all__ = [
    "Block",
    "Change",
    "Comparison",
    "Detector",
    "Judgement",
    "Map",
    "Outcome",
    "Probe",
    "Summary",
    "ambiguities",
    "canonicalize",
    "compare",
    "find",
    "judge",
    "next_token_mask",
    "project",
    "prompt_tail",
]


# What Metaspace and the normalizers of SentencePiece vocabularies write for a blank.
_BLANK = "\u2581"


class Judgement(NamedTuple):
    """What ids are.

    Attributes:
        state: `"canonical"`; `"undetermined"`, if they are not, but a continuation can still make them canonical; or
            `"broken"`.
        position: The first token that encoding would not have put there, if the state is `"broken"`.
        reason: Why, if the state is `"broken"`: `"pair"` (tokens that merging would have made otherwise), `"pretoken"`
            (a token over the border of a pretoken), `"added-token"` (an added token, or text that one would have
            taken), `"invalid-utf8"`, or `"normalizer"` (the ids decode to text that the normalizer changes, so the
            fault is not in how they are cut).
    """

    state: Literal["canonical", "undetermined", "broken"]
    position: int | None
    reason: str | None


class Block(NamedTuple):
    """A smallest range of tokens that encoding would have cut otherwise.

    Attributes:
        token_range: First token and the one behind the last.
        byte_range: Their bytes in what all the ids decode to: first byte and the one behind the last.
        canonical_ids: What encoding gives instead.
        reason: As in `Judgement`.
    """

    token_range: tuple[int, int]
    byte_range: tuple[int, int]
    canonical_ids: list[int]
    reason: str


class Change(NamedTuple):
    """A smallest range in which two sequences differ.

    Attributes:
        token_range: Tokens before: first and the one behind the last.
        byte_range: Their bytes in what the ids before decode to.
        other_range: Tokens after.
        canonical_ids: Their ids.
        level: The lowest level at which the two sides agree, or None.
        labels: The labels of the block, rising; none if the sides do not count as the same.
        classes: What the labels do not know: `"number"` (digits grouped otherwise), `"character"` (one cut in two, or
            joined), `"symbol"`, `"special-literal"`, `"byte-fallback"`, `"normalizer"` (equal only in a normal form).
        borders_lost: Token borders between characters of the block that only the side before has.
        borders_gained: Those that only the side after has.
    """

    token_range: tuple[int, int]
    byte_range: tuple[int, int]
    other_range: tuple[int, int]
    canonical_ids: list[int]
    level: int | None
    labels: list[int]
    classes: list[str]
    borders_lost: int
    borders_gained: int

    @property
    def tokens_before(self) -> int:
        """The number of tokens before."""
        return self.token_range[1] - self.token_range[0]

    @property
    def tokens_after(self) -> int:
        """The number of tokens after."""
        return self.other_range[1] - self.other_range[0]


@final
@dataclass(frozen=True, eq=False)
class Map:
    """Where the tokens of one sequence went in another.

    Attributes:
        changes: Changed ranges, int64, shape (k, 4): first old token, the one behind the last, and the same of the new
            tokens. What lies between two of them is the same on both sides.
        old_length: The number of old tokens.
        new_length: The number of new tokens.
    """

    changes: NDArray[np.int64]
    old_length: int
    new_length: int

    @property
    def changed(self) -> NDArray[np.bool_]:
        """For each new token whether it lies in a changed range: bool, shape (new_length,)."""
        return self._mark(2, self.new_length)

    @property
    def lost(self) -> NDArray[np.bool_]:
        """For each old token whether it lies in a changed range: bool, shape (old_length,)."""
        return self._mark(0, self.old_length)

    def _mark(self, column: int, length: int) -> NDArray[np.bool_]:
        marks = np.zeros(length, np.bool_)
        for start, end in self.changes[:, column : column + 2].tolist():
            marks[start:end] = True
        return marks

    def new_range(self, position: int) -> tuple[int, int]:
        """Return the new tokens that an old one became, first and the one behind the last: itself, or its whole range.

        Args:
            position: The place of the old token.

        Raises:
            IndexError: There is no such old token.
        """
        if not 0 <= position < self.old_length:
            raise IndexError(f"token {position} of {self.old_length}")
        index = bisect_right(range(len(self.changes)), position, key=lambda row: self.changes[row, 0]) - 1
        if index < 0:
            return position, position + 1
        _, end, first, last = self.changes[index].tolist()
        if position < end:
            return first, last
        return position - end + last, position - end + last + 1


@final
@dataclass(frozen=True)
class Comparison:
    """Two sequences compared.

    Attributes:
        verdict: `"unchanged"` (the same ids), `"phantom"` (other ids, the same to a reader), `"replaced"` (another
            text) or `"special-literal"` (the same text, but a special token stands for its literal or the other way
            round: to a model something else altogether).
        level: The lowest level at which the texts agree: 0 bytes, 1 characters, 2 but for white space outside, 3 but
            for how much white space there is, 4 after NFC, 5 after NFKC and case folding; None if at none.
        blocks: Where the ids differ.
        labels: The labels of all blocks, rising, which are the eight artifacts of Ayoobi et al. 2026: 1 a border moved
            over white space, 2 white space became or ceased to be a token, 3 a line end changed, 4 a word cut
            otherwise, 5 the same of a name, 6 at the edges of affixes, 7 of an acronym, 8 before a final s.
        map: Where the tokens went.
    """

    verdict: Literal["unchanged", "phantom", "replaced", "special-literal"]
    level: int | None
    blocks: list[Change]
    labels: list[int]
    map: Map

    @property
    def severity(self) -> Literal["none", "low", "high"]:
        """How much a reader should care that the text looks the same: high for a special token, low for a phantom."""
        return "high" if self.verdict == "special-literal" else "low" if self.verdict == "phantom" else "none"


def _sequence(ids: Ids) -> Any:
    """Return ids as something that has a length and parts."""
    return ids if hasattr(ids, "__getitem__") and hasattr(ids, "__len__") else list(ids)


def _rows(ids: Ids | Ragged) -> tuple[Any, NDArray[np.int64]]:
    if isinstance(ids, Ragged):
        offsets = np.asarray(ids.offsets)
        # Any width, as for ids.
        return ids.ids, offsets.astype(np.int64) if offsets.dtype.kind in "iu" else offsets
    ids = _sequence(ids)
    return ids, np.array([0, len(ids)], np.int64)


@overload
def judge(ids: Ragged, tokenizer: Tokenizer) -> list[Judgement]: ...
@overload
def judge(ids: Ids, tokenizer: Tokenizer) -> Judgement: ...
def judge(ids: Ids | Ragged, tokenizer: Tokenizer) -> Judgement | list[Judgement]:
    """Say whether ids are canonical, can still become so, or are broken.

    Args:
        ids: Ids, or rows of them.
        tokenizer: The tokenizer that they are judged by.

    Returns:
        A judgement, or a list of one for each row.

    Raises:
        TypeError: The ids are not integers.
        UnknownTokenError: An id has no token.
        UnsupportedTokenizerError: The ids are not canonical, and a component of the tokenizer is one of which it is not
            known exactly what can follow.
        ValueError: The offsets of the rows fall, or point outside of the ids.
    """
    found = [Judgement(*row) for row in _native.judge_rows(*_rows(ids), native_of(tokenizer))]  # type: ignore[arg-type]
    return found if isinstance(ids, Ragged) else found[0]


@overload
def find(ids: Ragged, tokenizer: Tokenizer) -> list[list[Block]]: ...
@overload
def find(ids: Ids, tokenizer: Tokenizer) -> list[Block]: ...
def find(ids: Ids | Ragged, tokenizer: Tokenizer) -> list[Block] | list[list[Block]]:
    """Find where ids are not what encoding gives.

    Ids count as finished, except where they end inside a character: then only blocks are found that no continuation can
    heal. Finished ids without blocks are canonical. A run that is not UTF-8 is compared with the encoding of its bytes;
    if nothing differs, the tokens with invalid bytes are one block.

    Args:
        ids: Ids, or rows of them.
        tokenizer: The tokenizer that they are judged by.

    Returns:
        Blocks, the first one first, or a list of them for each row.

    Raises:
        TypeError: The ids are not integers.
        UnknownTokenError: An id has no token.
        UnsupportedTokenizerError: As `judge`, and only for ids that end inside a character.
        ValueError: The offsets of the rows fall, or point outside of the ids.
    """
    found = [[Block(*block) for block in row] for row in _native.find_rows(*_rows(ids), native_of(tokenizer))]
    return found if isinstance(ids, Ragged) else found[0]


@overload
def canonicalize(ids: Ragged, tokenizer: Tokenizer) -> tuple[Ragged, list[Map]]: ...
@overload
def canonicalize(ids: Ids, tokenizer: Tokenizer) -> tuple[NDArray[np.uint32], Map]: ...
def canonicalize(ids: Ids | Ragged, tokenizer: Tokenizer) -> tuple[Any, Any]:
    """Replace each block that `find` finds by what encoding gives.

    Args:
        ids: Ids, or rows of them.
        tokenizer: The tokenizer whose ids they are to be.

    Returns:
        The new ids, uint32, shape (m,), and where the old ones went; for rows a `Ragged` and a list of maps.

    Raises:
        TypeError: The ids are not integers.
        UnknownTokenError: An id has no token.
        UnsupportedTokenizerError: As `find`.
        ValueError: The offsets of the rows fall, or point outside of the ids.
    """
    if isinstance(ids, Ragged):
        values, places = ids.ids, np.asarray(ids.offsets)
        if len(places) == 0 or places[0] != 0 or places[-1] != len(values) or (np.diff(places) < 0).any():
            raise ValueError(f"offsets must rise from 0 to the number of values ({len(values)})")
        pairs = [canonicalize(values[start:end], tokenizer) for start, end in pairwise(places.tolist())]
        lengths = [0, *accumulate(len(row) for row, _ in pairs)]
        joined = np.concatenate([row for row, _ in pairs]) if pairs else np.zeros(0, np.uint32)
        return Ragged(joined, np.array(lengths, np.int64)), [map for _, map in pairs]
    given = _sequence(ids)
    out, changes = _native.canonicalize(given, native_of(tokenizer))
    return out, Map(changes.reshape(-1, 4), len(given), len(out))


def ambiguities(text: str | bytes, tokenizer: Tokenizer) -> list[str]:
    """Find other texts with the ids of a text: whoever has the ids cannot tell which of them was meant.

    A tokenizer that writes a blank before a text takes `hello world` and ` hello world` for one text, and one with a
    normalizer takes all texts for one that it makes the same. Tried are the text that the ids decode to, a blank more
    and a blank less at the start, U+2581 for a blank and the other way round, the normal forms, and small letters. A
    tokenizer that `Tokenizer.info` calls lossless has no such texts; for another one an empty list is no proof.

    Args:
        text: The text.
        tokenizer: The tokenizer.

    Returns:
        The other texts, each once, in the order in which they are named above.

    Raises:
        UnicodeError: The text is not UTF-8.
        VocabError: The text has a character without a token.
    """
    text = text.decode() if isinstance(text, bytes) else text
    ids = tokenizer.encode(text)
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    others = [tokenizer.decode(ids), f" {text}", text.removeprefix(" ")]
    others += [text.replace(" ", _BLANK), text.replace(_BLANK, " "), *forms, text.lower()]
    found = []
    for other in dict.fromkeys(others):
        if other == text:
            continue
        try:
            again = tokenizer.encode(other)
        except VocabError:
            continue
        if np.array_equal(again, ids):
            found.append(other)
    return found


def compare(before: Ids, after: Ids, tokenizer: Tokenizer, *, level: int | None = None) -> Comparison:
    """Compare two sequences: did an edit change the text, or only the ids?

    Args:
        before: Ids.
        after: Other ids.
        tokenizer: The tokenizer of both.
        level: The highest level at which texts count as the same, 0 to 5; see `Comparison`. None is 4.

    Returns:
        The verdict, the lowest level at which the texts agree, and the blocks in which the ids differ.

    Raises:
        TypeError: The ids are not integers.
        UnknownTokenError: An id has no token.
        ValueError: There is no such level.
    """
    level = 4 if level is None else level
    if level not in range(6):
        raise ValueError(f"level is 0 to 5, not {level}")
    before, after = _sequence(before), _sequence(after)
    verdict, lowest, blocks, labels, changes = _native.compare(before, after, native_of(tokenizer), level)
    found = []
    for tokens, places, other, *rest in blocks:
        facts: tuple[Any, ...] = (tokens, places, other, [int(id) for id in after[slice(*other)]], *rest)
        found.append(Change(*facts))
    map = Map(changes.reshape(-1, 4), len(before), len(after))
    return Comparison(verdict, lowest, found, list(labels), map)  # type: ignore[arg-type]


def project(values: ArrayLike, map: Map, *, how: How) -> NDArray[np.float64]:
    """Carry a value of each old token over to the new tokens: log-probabilities, advantages, masks.

    Unchanged tokens keep their value. A changed range has the sum of its old values and no more: nothing says how to
    share it out, so nothing is made up, and nothing becomes zero. `map.changed` tells which new tokens are meant.

    The sum is the exact one, rounded once to float64, as `math.fsum` gives it; beyond the largest float it is infinite.
    A range with -inf among its values has the sum -inf, one with nan, or with inf and -inf, the sum nan. A range
    without old tokens has no sum: nan, whatever `how` is.

    Args:
        values: One number for each old token, shape (old_length,).
        map: From `canonicalize` or `compare`.
        how: What a changed range gets: `"first"`, its sum on the first new token and nan on the others; `"sum"`, its
            sum on each; `"nan"`, nan on all.

    Returns:
        float64, shape (new_length,).

    Raises:
        TypeError: The values are not numbers.
        ValueError: There is not one value for each old token, or a range has no new token that could take its sum, or
            the map is none.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "biuf" and array.size:
        raise TypeError(f"values must be real numbers, not {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"values must have one dimension, not the shape {array.shape}")
    flat = np.ascontiguousarray(map.changes, np.int64).reshape(-1)
    values = np.ascontiguousarray(array, np.float64)
    return _native.project(values, flat, map.old_length, map.new_length, how)


def next_token_mask(ids: Ids, tokenizer: Tokenizer) -> NDArray[np.bool_]:
    """Say which ids may come next so that the sequence can still become canonical.

    What it does to a language model: Vieira et al. 2025, arXiv 2506.07956.

    Args:
        ids: Ids that start the encoding of some text.
        tokenizer: The tokenizer.

    Returns:
        bool, shape (vocab_size,): True for an id exactly if some finished canonical sequence starts with `ids` and it;
        for a special id, exactly if the run before it is canonical as finished text.

    Raises:
        PretokenizeError: The ids start no encoding; the message names the position.
        TypeError: The ids are not integers.
        UnknownTokenError: An id has no token.
        UnsupportedTokenizerError: A component of the tokenizer is one of which it is not known exactly what can follow.
    """
    return _native.Prefix(native_of(tokenizer)).extend(ids).mask()


def prompt_tail(ids: Ids, tokenizer: Tokenizer) -> int:
    """Return how many ids at the end of a prompt are not settled: text that goes on may be cut otherwise there.

    A blank at the end, or half a word, makes most continuations non-canonical: behind `Answer: ` nearly every token
    that starts with a letter. Drop the tail and let the model write it again, with the text so far as a constraint.

    Args:
        ids: The ids of the prompt.
        tokenizer: The tokenizer.

    Raises:
        PretokenizeError: The ids start no encoding; the message names the position.
        TypeError: The ids are not integers.
        UnknownTokenError: An id has no token.
        UnsupportedTokenizerError: A component of the tokenizer is one of which it is not known exactly what can follow.
    """
    return _native.prompt_tail(ids, native_of(tokenizer))


@final
class Detector:
    """Watches ids that come one at a time, and reports only what no continuation can heal.

    An id takes constant time, amortised. The blocks of all pushes and of `finish` are those of `find`. If bytes come
    that are no text, what was reported before them stays, though `find` may then cut the text there otherwise.

    Examples:
        >>> from tokseam import Tokenizer
        >>> tokenizer = Tokenizer.from_file("tokenizer.json")
        >>> detector = Detector(tokenizer)
        >>> detector.push(tokenizer.token_id(b"be")), detector.broken
        ([], None)
        >>> detector.push(tokenizer.token_id(b"cause")), detector.broken is not None
        ([], True)
        >>> [block.token_range for block in detector.push(tokenizer.token_id(b" the"))]
        [(0, 2)]
    """

    __slots__ = ("_native",)

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Wait for the first id.

        Raises:
            UnsupportedTokenizerError: A component of the tokenizer is one of which it is not known exactly what can
                follow.
        """
        self._native = _native.Detector(native_of(tokenizer))

    def push(self, id: int) -> list[Block]:
        """Take one id.

        Args:
            id: The id.

        Returns:
            The blocks that are certain now: no continuation can change their ranges or their canonical ids. Ranges
            count from the first id that was pushed. A special id closes the run before it.

        Raises:
            TypeError: The id is no integer.
            UnknownTokenError: It has no token; the detector is as before.
        """
        return [Block(*block) for block in self._native.push(id)]

    def finish(self) -> list[Block]:
        """End the sequence; then all starts anew.

        Returns:
            The blocks that no `push` has returned.
        """
        return [Block(*block) for block in self._native.finish()]

    @property
    def broken(self) -> int | None:
        """The first token that no continuation can make canonical, as soon as there is one.

        While the block is open its start may still move to the left, as more of the text comes.
        """
        return self._native.broken


# The probe.

_WORD = re.compile(r"[^\W\d_]{2,}(?:['’][^\W\d_]+)*")
_COMMON = (
    "a about above after again against all also am an and any are as at be because been before being "
    "below between both but by can could did do does doing down during each even ever every few for from "
    "further had has have having he her here hers herself him himself his how if in into is it its itself "
    "just like may me might more most much must my myself no nor not now of off on once one only or other "
    "our ours ourselves out over own per quite same shall she should since so some still such than that "
    "the their theirs them themselves then there these they this those though through to too under until "
    "up upon us very was we well were what when where which while who whom whose why will with within "
    "without would yet you your yours yourself yourselves "
)
_STOP_WORDS = frozenset(_COMMON.split())
# Characters beside a target that must be as they were, white space left out.
_CONTEXT = 24
# Characters that an answer may take for one target.
_LONGEST = 80


class Outcome(NamedTuple):
    """What became of one target of a probe.

    Attributes:
        kind: `"unchanged"` (the same ids), `"replaced"` (another word), `"phantom"` (the same word, other ids) or
            `"lost"` (the text around it is not what it was, or nothing is there).
        target: The word.
        answer: What stands there now, `""` if it is lost.
        byte_range: The target's bytes in the text of the probe.
        level: The lowest level at which the two agree, as in `Comparison`, or None.
        labels: The labels of a phantom edit, as in `Comparison`.
        classes: Its classes, as in `Change`.
        tokens_before: Tokens of the word before.
        tokens_after: Tokens of it after; 0 if it is lost.
    """

    kind: Kind
    target: str = ""
    answer: str = ""
    byte_range: tuple[int, int] = (0, 0)
    level: int | None = None
    labels: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()
    tokens_before: int = 0
    tokens_after: int = 0


@final
@dataclass(frozen=True)
class Probe:
    """A text with marked words that a model is to replace, leaving all else as it is.

    Give `instruction` and `prompt` to a model, record the ids of its answer, and `score` them: no model is needed for
    that, so any engine's ids will do.

    Attributes:
        text: The text.
        targets: The marked words as byte ranges of its UTF-8, rising.
        tokenizer: The tokenizer of the model.

    Raises:
        UnicodeError: The text is not UTF-8.
        ValueError: The targets do not rise, or one is empty, outside of the text or cuts a character.
    """

    text: str
    targets: tuple[tuple[int, int], ...]
    tokenizer: Tokenizer

    def __post_init__(self) -> None:
        """Refuse targets that are none, as records of another text would have."""
        data, last = self.text.encode(), 0
        for start, end in self.targets:
            cuts = any(place < len(data) and data[place] & 0xC0 == 0x80 for place in (start, end))
            if not last <= start < end <= len(data) or cuts:
                raise ValueError(
                    f"the target {start} to {end} is no part of whole characters behind byte {last} of a text of "
                    f"{len(data)} bytes"
                )
            last = end

    @classmethod
    def make(cls, text: str | bytes, tokenizer: Tokenizer, *, rate: float = 0.05, seed: int) -> Probe:
        """Mark words of a text at random.

        Args:
            text: The text.
            tokenizer: The tokenizer of the model.
            rate: The share of the words, English stop words left out, that are marked; at least one is, and no two
                that stand side by side.
            seed: The same seed marks the same words.

        Returns:
            The probe.

        Raises:
            UnicodeError: The text is not UTF-8.
            ValueError: The rate is not above 0 and at most 1, or there is no word.
        """
        if not 0 < rate <= 1:
            raise ValueError(f"rate is above 0 and at most 1, not {rate}")
        text = text.decode() if isinstance(text, bytes) else text
        words = [word.span() for word in _WORD.finditer(text) if word[0].lower() not in _STOP_WORDS]
        if not words:
            raise ValueError("the text has no word that could be replaced")
        wanted = max(round(rate * len(words)), 1)
        chosen: list[tuple[int, int]] = []
        for start, end in random.Random(seed).sample(words, len(words)):
            index = bisect_left(chosen, (start, end))
            left = text[chosen[index - 1][1] : start] if index else "."
            right = text[end : chosen[index][0]] if index < len(chosen) else "."
            if left.strip() and right.strip():
                chosen.insert(index, (start, end))
            if len(chosen) == wanted:
                break
        places = _byte_places(text)
        return cls(text, tuple((places[start], places[end]) for start, end in chosen), tokenizer)

    @property
    def instruction(self) -> str:
        """What to tell the model before the prompt."""
        return (
            "Replace each word in brackets by another word that fits, without the brackets, "
            "and repeat everything else exactly as it is."
        )

    @property
    def prompt(self) -> str:
        """The text with the targets in brackets."""
        data, out, end = self.text.encode(), [], 0
        for start, stop in self.targets:
            out += [data[end:start], b"[", data[start:stop], b"]"]
            end = stop
        return b"".join([*out, data[end:]]).decode()

    def score(self, ids: Ids) -> list[Outcome]:
        """Say for each target what an answer made of it.

        Args:
            ids: The ids of the answer. Special ids at both ends are no part of it.

        Returns:
            One outcome for each target, in their order. A target is found by the text on both sides of it, white space
            left out, never by counting words. An answer that kept the brackets is compared with the prompt.

        Raises:
            TypeError: The ids are not integers.
            UnknownTokenError: An id has no token.
        """
        special = set(self.tokenizer.special_tokens.values())
        given = _sequence(ids)
        # Before anything is taken for an id that is none.
        self.tokenizer.decode_bytes(given)
        answer = [int(id) for id in given]
        while answer and answer[-1] in special:
            answer.pop()
        while answer and answer[0] in special:
            answer.pop(0)
        plain = _Side(self.tokenizer, self.tokenizer.encode(self.text).tolist(), self.text.encode())
        marked = _Side(self.tokenizer, self.tokenizer.encode(self.prompt).tolist(), self.prompt.encode())
        after = _Side(self.tokenizer, answer, self.tokenizer.decode_bytes(answer))
        ranges = [(plain.before(start), plain.before(end)) for start, end in self.targets]
        gaps = [
            plain.stream[end:start]
            for (_, end), (start, _) in zip([(0, 0), *ranges], [*ranges, (len(plain.stream),) * 2], strict=True)
        ]
        outcomes, cursor, data = [], 0, self.text.encode()
        for number, (start, end) in enumerate(ranges):
            target = data[slice(*self.targets[number])].decode()
            lost = Outcome("lost", target, byte_range=self.targets[number])
            place = after.locate(gaps[number], gaps[number + 1], cursor, number == len(ranges) - 1)
            if place is None:
                outcomes.append(lost)
                continue
            first, last, is_marked = place
            cursor = last + is_marked
            # A bracket for each side of the targets before, and one for this one.
            shift = 2 * number + 1
            old = (marked, start + shift, end + shift) if is_marked else (plain, start, end)
            outcomes.append(_outcome(lost, self.tokenizer, old, (after, first, last)))
        return outcomes

    @staticmethod
    def summary(outcomes: Iterable[Outcome]) -> Summary:
        """Count outcomes, of one probe or of many.

        Args:
            outcomes: What `Probe.score` returned.

        Returns:
            The counts.
        """
        all = list(outcomes)
        counts = Counter(outcome.kind for outcome in all)
        phantoms = [outcome for outcome in all if outcome.kind == "phantom"]
        moves = Counter((outcome.tokens_before, outcome.tokens_after) for outcome in phantoms)
        kept = len(all) - counts["lost"]

        def percent(number: int) -> float:
            return round(100 * number / len(phantoms), 1) if phantoms else 0.0

        return Summary(
            counts={kind: counts[kind] for kind in ("unchanged", "replaced", "phantom", "lost")},
            phantom_rate=len(phantoms) / kept if kept else 0.0,
            transitions=dict(sorted(moves.items())),
            one_to_one=percent(moves[1, 1]),
            same_count=percent(sum(number for (old, new), number in moves.items() if old == new)),
            split=percent(sum(number for (old, new), number in moves.items() if old < new)),
            merged=percent(sum(number for (old, new), number in moves.items() if old > new)),
            labels=dict(sorted(Counter(label for outcome in phantoms for label in outcome.labels).items())),
            levels=dict(sorted(Counter(outcome.level for outcome in phantoms).items(), key=str)),
        )


def _byte_places(text: str) -> list[int]:
    """Return the place of each character in the UTF-8, and its end."""
    return [0, *accumulate(len(character.encode("utf-8", "surrogateescape")) for character in text)]


class _Side:
    """Ids, their text without white space, and where tokens lie in it."""

    def __init__(self, tokenizer: Tokenizer, ids: list[int], data: bytes) -> None:
        self.ids = ids
        text = data.decode("utf-8", "surrogateescape")
        places = _byte_places(text)
        kept = [(place, character) for place, character in zip(places, text, strict=False) if not character.isspace()]
        self.stream = "".join(character for _, character in kept)
        self.places = [place for place, _ in kept]
        self.ends = [place + len(character.encode("utf-8", "surrogateescape")) for place, character in kept]
        lengths = [len(tokenizer.token_bytes(id)) for id in ids]
        missing = max(sum(lengths) - len(data), 0)
        self.borders = [max(border - missing, 0) for border in (0, *accumulate(lengths))]

    def before(self, place: int) -> int:
        """Return how many characters of the stream start before a byte."""
        return bisect_left(self.places, place)

    def locate(self, left: str, right: str, cursor: int, is_last: bool) -> tuple[int, int, bool] | None:
        """Return where the text between two contexts lies in the stream, and whether it is in brackets."""
        stream = self.stream
        if stream.startswith(left, cursor):
            start = cursor + len(left)
        else:
            tail = left[-_CONTEXT:]
            at = stream.find(tail, cursor) if tail else -1
            if at < 0:
                return None
            start = at + len(tail)
        is_marked = stream.startswith("[", start)
        start += is_marked
        right = ("]" if is_marked else "") + right[:_CONTEXT]
        if right:
            end = stream.find(right, start, start + _LONGEST + len(right))
        else:
            end = len(stream) if is_last and len(stream) - start <= _LONGEST else -1
        return (start, end, is_marked) if end > start else None

    def tokens(self, start: int, end: int) -> tuple[int, int]:
        """Return the tokens of a part of the stream, with white space before it."""
        low = self.ends[start - 1] if start else 0
        high = self.ends[end - 1]
        return bisect_right(self.borders, low) - 1 if start else 0, bisect_left(self.borders, high)


def _outcome(lost: Outcome, tokenizer: Tokenizer, old: tuple[_Side, int, int], new: tuple[_Side, int, int]) -> Outcome:
    """Compare the tokens of a target with those of what stands in its place."""
    before, start, end = old
    after, first, last = new
    target, answer = before.stream[start:end], after.stream[first:last]
    (left, right), (other_left, other_right) = before.tokens(start, end), after.tokens(first, last)
    counts = right - left, other_right - other_left
    # Both sides start and end at the same characters of the text around.
    while left and other_left:
        distance = start - before.before(before.borders[left]), first - after.before(after.borders[other_left])
        if distance[0] == distance[1]:
            break
        left, other_left = left - (distance[0] < distance[1]), other_left - (distance[1] < distance[0])
    while right < len(before.ids) and other_right < len(after.ids):
        distance = before.before(before.borders[right]) - end, after.before(after.borders[other_right]) - last
        if distance[0] == distance[1]:
            break
        right, other_right = right + (distance[0] < distance[1]), other_right + (distance[1] < distance[0])
    compared = compare(before.ids[left:right], after.ids[other_left:other_right], tokenizer)
    kind: Kind = "replaced"
    if target == answer or compared.verdict == "phantom":
        kind = "unchanged" if compared.verdict == "unchanged" else "phantom"
        if compared.verdict == "replaced":
            return lost
    classes = tuple(sorted({name for block in compared.blocks for name in block.classes}))
    phantom = kind == "phantom"
    return lost._replace(
        kind=kind,
        answer=answer,
        level=compared.level,
        labels=tuple(compared.labels) if phantom else (),
        classes=classes if phantom else (),
        tokens_before=counts[0],
        tokens_after=counts[1],
    )


class Summary(NamedTuple):
    """How the targets of probes went.

    Attributes:
        counts: The number of outcomes by kind.
        phantom_rate: The share of phantom edits among targets that were not lost, 0 if there are none.
        transitions: The number of phantom edits by (tokens before, tokens after).
        one_to_one: Percent of the phantom edits with one token before and after.
        same_count: Percent with as many tokens after as before, those among them.
        split: Percent with more tokens after.
        merged: Percent with fewer.
        labels: The number of phantom edits with each label.
        levels: The number of phantom edits at each level.
    """

    counts: dict[str, int]
    phantom_rate: float
    transitions: dict[tuple[int, int], int]
    one_to_one: float
    same_count: float
    split: float
    merged: float
    labels: dict[int, int]
    levels: dict[int | None, int]
