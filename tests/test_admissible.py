"""Half-written sequences: a sequence is admissible if the encoding of some text starts with it.

The slow twin looks for such a text: that of the ids, with every short end out of many characters behind it.
"""

import functools
import itertools
import json
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import vocabularies
from hypothesis import given
from hypothesis import strategies as st
from sources import FULL, NAMES, SEED, corpora, ours
from texts import adversarial

from tokseam import Ragged, Tokenizer, UnknownTokenError, UnsupportedTokenizerError, VocabError, _bundled

# One or more of every class that some pattern tells apart.
CHARACTERS = tuple("aeslvmtdrxATVñʰ中ア一٣17.,'\"/_-+€😀òǅ² \n\r\t\u0301\u3000\u00a0")
ENDS = (
    "",
    *CHARACTERS,
    *("".join(pair) for pair in itertools.product(CHARACTERS, repeat=2)),
    *(char * size for char in " \n1aA.中" for size in range(3, 7)),
    *(char * size + end for char in " \n1A." for size in range(2, 6) for end in "ax1. \n"),
)


@functools.cache
def completions(first: bytes) -> tuple[bytes, ...]:
    """Return ways to end a character that starts with these bytes."""
    size = 2 if first[0] < 0xE0 else 3 if first[0] < 0xF0 else 4
    found = []
    for middle in itertools.product(range(0x80, 0xC0), repeat=min(size - len(first), 2)):
        for last in (bytes(size - len(first) - len(middle)), b"\x80" * (size - len(first) - len(middle))):
            data = first + bytes(middle) + last
            try:
                data.decode()
            except UnicodeDecodeError:
                continue
            found.append(bytes(middle) + last)
    return tuple(dict.fromkeys(found))


def continuations(data: bytes) -> Iterator[bytes]:
    """Yield texts that start with some bytes."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        if len(data) - error.start > 3 or error.reason != "unexpected end of data":
            return
        start = data[error.start :]
        for rest in completions(start):
            # More of the same: digits are counted from the right.
            for more in (b"", b"a", b" ", b"\n", "中".encode(), start + rest, 2 * (start + rest)):
                yield data + rest + more
        return
    for end in ENDS:
        yield data + end.encode()


def encodings(tokenizer: Tokenizer, texts: list[bytes]) -> Ragged:
    """Return the encodings of those texts that the vocabulary can spell."""
    try:
        return tokenizer.encode_batch(texts, parallel=False)
    except VocabError:
        rows = []
        for text in texts:
            try:
                rows.append(tokenizer.encode(text))
            except VocabError:
                continue
        offsets = np.cumsum([0, *map(len, rows)])
        return Ragged(np.concatenate([np.empty(0, np.uint32), *rows]), offsets)


def is_admissible_slowly(tokenizer: Tokenizer, ids: list[int]) -> bool:
    data = tokenizer.decode_bytes(ids)
    texts = continuations(data)
    if len(data) < sum(len(tokenizer.token_bytes(id)) for id in ids):
        # Decoding has taken a blank away.
        texts = itertools.chain(texts, (b" " + text for text in continuations(data)))
    # Most admissible sequences go on with at most one character; all the other ends are one batch.
    for batch in (list(itertools.islice(texts, len(CHARACTERS) + 1)), list(texts)):
        again = encodings(tokenizer, batch)
        starts = again.offsets[:-1][np.diff(again.offsets) >= len(ids)]
        for place, id in enumerate(ids):
            starts = starts[again.ids[starts + place] == id]
        if len(starts):
            return True
    return False


def check(name: str, ids: list[int]) -> None:
    tokenizer = ours(name)
    expected = is_admissible_slowly(tokenizer, ids)
    if tokenizer.is_admissible(ids) != expected:
        tokens = [tokenizer.token_bytes(id) for id in ids]
        raise AssertionError(f"{name}: {ids}, {tokens} should be {'' if expected else 'in'}admissible")


@functools.lru_cache(maxsize=3)
def short_tokens(name: str) -> list[int]:
    """Return tokens of a few characters at which borders move."""
    tokenizer = ours(name)
    texts = [*CHARACTERS, "  ", "   ", "\n\n", " \n", "\n ", "11", "111", "'s", "'r", "re", "ve", "'re", " a", ".."]
    texts += ["AA", "Aa", "中a", ".\n", "\r\n", "\t ", " '", "é", "ñ", "'t", "don", " 1", "1 ", "a ", ", ", ". ", " ."]
    found = {tokenizer.token_id(text.encode()) for text in texts}
    for text in texts:
        try:
            found.update(tokenizer.encode(text).tolist())
        except VocabError:
            continue
    return sorted(id for id in found if id is not None)


@pytest.mark.parametrize("name", NAMES)
def test_every_start_of_an_encoding_is_admissible(name: str) -> None:
    tokenizer, rng = ours(name), random.Random(SEED)
    for kind, documents in corpora().items():
        for text in documents if FULL else rng.sample(documents, max(len(documents) // 12, 1)):
            try:
                ids = tokenizer.encode(text)
            except VocabError:
                assert tokenizer.info()["missing_bytes"]
                continue
            place = tokenizer._native.first_inadmissible(ids)
            if place is not None:
                tokens = [tokenizer.token_bytes(id) for id in ids[max(place - 5, 0) : place + 1].tolist()]
                raise AssertionError(f"{name}, {kind}: {tokens} is not the start of an encoding")


@pytest.mark.parametrize("name", NAMES)
def test_short_sequences(name: str) -> None:
    rng, tokens = random.Random(SEED), short_tokens(name)
    pairs = [list(pair) for pair in itertools.product(tokens, repeat=2)]
    triples = [rng.choices(tokens, k=3) for _ in range(20_000 if FULL else 60)]
    for ids in (pairs if FULL else rng.sample(pairs, 60)) + triples:
        check(name, ids)


@pytest.mark.parametrize("name", NAMES)
def test_a_token_behind_a_start_of_an_encoding(name: str) -> None:
    tokenizer = ours(name)
    specials = set(tokenizer.special_tokens.values())

    @given(adversarial(), st.data())
    def run(text: str, data: st.DataObject) -> None:
        try:
            ids = tokenizer.encode(text).tolist()
        except VocabError:
            return
        assert tokenizer._native.first_inadmissible(ids) is None
        end = data.draw(st.integers(0, min(len(ids), 12)))
        start = ids[:end]
        successors = tokenizer._native.successors(start)
        assert successors is not None
        open_, done = successors
        tokens = short_tokens(name)
        others = data.draw(st.lists(st.sampled_from(tokens) | st.sampled_from([*tokens, *ids]), max_size=4))
        for id in [*ids[end : end + 1], *others]:
            if id in specials:
                continue
            check(name, [*start, id])
            assert open_[id] == tokenizer.is_admissible([*start, id])
            if done[id]:
                assert tokenizer.is_canonical([*start, id])

    run()


@pytest.mark.parametrize("name", ["bundled", "cl100k", "llama3", "mistral1", "superbpe"])
def test_successors_of_every_id(name: str) -> None:
    tokenizer, rng = ours(name), random.Random(SEED)
    for text in ("", "don'", "a  ", "x\n ", 'beta",  1),'):
        try:
            ids = tokenizer.encode(text).tolist()
        except VocabError:
            continue
        successors = tokenizer._native.successors(ids)
        assert successors is not None
        open_, done = successors
        assert open_.dtype == done.dtype == np.bool_
        assert open_.shape == done.shape == (tokenizer.vocab_size,)
        specials = set(tokenizer.special_tokens.values())
        for id in range(tokenizer.vocab_size) if FULL else rng.sample(range(tokenizer.vocab_size), 4000):
            try:
                admissible = tokenizer.is_admissible([*ids, id])
            except UnknownTokenError:
                admissible = False
            assert open_[id] == admissible, id
            if open_[id] and id not in specials:
                assert done[id] == tokenizer.is_canonical([*ids, id]), id


def test_admissible_is_not_canonical() -> None:
    """The start of an encoding whose own text is cut otherwise."""
    for name, text, end in (
        ("gpt2", "x\n\ny", 3),
        ("gpt2", "中文", 2),
        ("cl100k", 'beta",  1),\n', 4),
        ("o200k", 'beta",  1),\n', 4),
        ("tekken", 'beta",  1),\n', 4),
        ("o200k", "ABCʰDEFg", 2),
    ):
        ids = ours(name).encode(text).tolist()
        assert all(ours(name).is_admissible(ids[:end]) for end in range(len(ids) + 1))
        assert not ours(name).is_canonical(ids[:end])
        assert ours(name).is_canonical(ids)


def test_a_merge_before_that_of_its_part() -> None:
    """Llama 3 has merges of parts that are made later; one that would cross a border may then come too late."""
    tokenizer = ours("llama3")
    for text in (" кицин", " dışıydı"):
        before, last = tokenizer.encode(text).tolist()
        successors = tokenizer._native.successors([before])
        assert successors is not None
        assert successors[0][last]
        assert tokenizer.is_admissible([before, last])


def test_meaning(bundled: Tokenizer) -> None:
    special = next(iter(bundled.special_tokens.values()))
    blank = bundled.encode(" ").tolist()
    assert bundled.is_admissible([])
    assert bundled.is_admissible(np.array([special, special], np.uint32))
    half = bundled.token_id(b"\xc3")
    assert half is not None
    # Text may go on from half a character, but no run may end there.
    assert not bundled.is_admissible([half, special])
    assert not bundled.is_admissible([half, *blank])
    assert bundled.is_admissible([*blank, special, *blank])
    with pytest.raises(UnknownTokenError):
        bundled.is_admissible([bundled.vocab_size])
    with pytest.raises(TypeError):
        bundled.is_admissible("a")  # type: ignore[arg-type]


def changed(**parts: Any) -> Tokenizer:
    tree = json.loads(_bundled.tokenizer().to_json())
    return Tokenizer.from_json(json.dumps(tree | parts))


@pytest.mark.parametrize(
    ("parts", "component"),
    [
        ({"pre_tokenizer": {"type": "WhitespaceSplit"}}, "WhiteSpace"),
        ({"normalizer": {"type": "Replace", "pattern": {"Regex": "b+"}, "content": "a"}}, "Replace"),
        ({"added_tokens": [vocabularies.added(12_288, "<x>", special=False, lstrip=True)]}, "<x>"),
        *(
            ({"pre_tokenizer": vocabularies.sequence(vocabularies.split(pattern), vocabularies.byte_level())}, reason)
            for pattern, reason in (
                (r"(a+)b\1|.", "cannot be reproduced"),
                (r"(?<=a[ab]{9})b+|[^b]+|b", "of up to 256 states"),
                (r"[a-z]{300}", "counts more than 50 characters"),
                ("|".join(chr(0x4E00 + index) + chr(0x5E00 + index) for index in range(40)), "too many classes"),
            )
        ),
    ],
)
def test_refused(parts: dict[str, Any], component: str) -> None:
    with pytest.raises(UnsupportedTokenizerError, match=component):
        changed(**parts).is_admissible([0])
