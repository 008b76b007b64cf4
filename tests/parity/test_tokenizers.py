"""Ids, offsets and decoded text equal those of `tokenizers` on real vocabularies and real text."""

import json
import random

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from sources import FULL, NAMES, SEED, compared, corpora, ours, stock
from texts import adversarial, worst_cases
from vocabularies import CHARACTERS

from tokseam import Tokenizer, VocabError


def touched(text: str, offsets: np.ndarray) -> list[tuple[int, int]]:
    """Return the characters that each range of bytes touches, first and end."""
    data = np.frombuffer(text.encode(), np.uint8)
    # The character of each byte, and of the end.
    char = np.append(np.cumsum((data & 0xC0) != 0x80) - 1, len(text))
    start, end = offsets[:, 0], offsets[:, 1]
    first = char[start]
    last = np.where(end > start, char[end - 1] + 1, first)
    return list(zip(first.tolist(), last.tolist(), strict=True))


def spelled_out(stock: tokenizers.Tokenizer, tokenizer: Tokenizer, text: str) -> bool:
    """Return whether stock `tokenizers` gives a special token's id for plain text, which this package never does."""
    special = set(tokenizer.special_tokens.values())
    return not special.isdisjoint(stock.encode(text, add_special_tokens=False).ids)


def unspellable(tokenizer: Tokenizer, text: str) -> bool:
    """Return whether the text has a byte without a token, which stock drops and this package refuses."""
    return not set(text.encode()).isdisjoint(tokenizer.info()["missing_bytes"])


def misread(theirs: tokenizers.Tokenizer) -> set[int]:
    """Return the added tokens whose text stock decodes through the byte alphabet: `õ` comes out as the byte F5."""
    if not isinstance(theirs.decoder, tokenizers.decoders.ByteLevel):
        return set()
    added = theirs.get_added_tokens_decoder().items()
    return {id for id, token in added if not token.content.isascii() and set(token.content) <= set(CHARACTERS)}


def check(name: str, text: str, encoding: tokenizers.Encoding) -> None:
    if unspellable(ours(name), text):
        with pytest.raises(VocabError, match="has no token"):
            ours(name).encode_with_offsets(text)
        return
    ids, offsets = ours(name).encode_with_offsets(text)
    if ids.tolist() != encoding.ids:
        first = next(
            i
            for i, pair in enumerate(zip([*ids.tolist(), -1], [*encoding.ids, -1], strict=False))
            if pair[0] != pair[1]
        )
        at = encoding.offsets[max(first - 2, 0)][0] if encoding.offsets else 0
        raise AssertionError(
            f"{name}: token {first} differs in {text[at : at + 60]!r}: "
            f"{ids.tolist()[first : first + 8]}, not {encoding.ids[first : first + 8]} "
            f"{encoding.tokens[first : first + 8]}"
        )
    found = touched(text, offsets)
    if found != encoding.offsets:
        first = next(i for i, pair in enumerate(zip(found, encoding.offsets, strict=True)) if pair[0] != pair[1])
        near = text[max(found[first][0] - 20, 0) : found[first][1] + 20]
        raise AssertionError(
            f"{name}: offsets of token {first} near {near!r}: {found[first]}, not {encoding.offsets[first]}"
        )


@pytest.mark.parametrize("name", NAMES)
def test_real_text(name: str) -> None:
    theirs, tokenizer = stock(name), ours(name)
    for kind, documents in corpora().items():
        batch = tokenizer.encode_batch(documents)
        for row, text, encoding in zip(
            batch.tolists(), documents, theirs.encode_batch(documents, add_special_tokens=False), strict=True
        ):
            check(name, text, encoding)
            assert row == encoding.ids
            assert tokenizer.count(text) == len(row)
            compared[f"ids and offsets, {kind}"] += len(text.encode())


@pytest.mark.parametrize("name", NAMES)
def test_decoded_text(name: str) -> None:
    theirs, tokenizer = stock(name), ours(name)
    rng = random.Random(SEED)
    other = misread(theirs)
    documents = [text for texts in corpora().values() for text in texts]
    for text in documents if FULL else rng.sample(documents, min(len(documents), 20)):
        ids = tokenizer.encode(text)
        decoded = tokenizer.decode(ids)
        if other.isdisjoint(ids.tolist()):
            assert decoded == theirs.decode(ids.tolist(), skip_special_tokens=False)
        else:
            assert decoded == text
        stream = tokenizer.stream_decoder()
        assert "".join([stream.push(id) for id in ids.tolist()] + [stream.finish()]) == decoded
        if tokenizer.info()["lossless"] == "yes":
            assert tokenizer.decode_bytes(ids) == text.encode()
        compared["decoded text"] += len(decoded.encode())


@pytest.mark.parametrize("name", NAMES)
def test_any_ids_decode_alike(name: str) -> None:
    theirs, tokenizer = stock(name), ours(name)
    other = misread(theirs)
    for id in other:
        assert tokenizer.decode([id]) == theirs.get_added_tokens_decoder()[id].content
    known = sorted(set(theirs.get_vocab().values()) - other)
    rng = random.Random(SEED)
    for size in [1, 2, 3, 5, 8, 200] * (200 if FULL else 20):
        ids = rng.choices(known, k=size)
        decoded = tokenizer.decode(ids)
        assert decoded == theirs.decode(ids, skip_special_tokens=False), ids
        stream = tokenizer.stream_decoder()
        assert "".join([stream.push(id) for id in ids] + [stream.finish()]) == decoded, ids


@pytest.mark.parametrize("name", NAMES)
def test_adversarial_text(name: str) -> None:
    theirs, tokenizer = stock(name), ours(name)
    spellings = [token.content for token in theirs.get_added_tokens_decoder().values()]

    @given(adversarial(spellings))
    def run(text: str) -> None:
        if spelled_out(theirs, tokenizer, text):
            return
        check(name, text, theirs.encode(text, add_special_tokens=False))
        compared["adversarial text"] += len(text.encode())

    run()


@pytest.mark.parametrize("name", NAMES)
def test_joined_tokens(name: str) -> None:
    """Random tokens, whole and cut, lie where merges compete as no real text makes them."""
    theirs, tokenizer = stock(name), ours(name)
    rng = random.Random(SEED)
    special = set(tokenizer.special_tokens.values())
    tokens = [tokenizer.token_bytes(id) for id in theirs.get_vocab().values() if id not in special]
    for _ in range(300 if FULL else 30):
        data = b"".join(
            token[: rng.randrange(1, len(token) + 1)] if token and rng.random() < 0.25 else token
            for token in rng.choices(tokens, k=200)
        )
        text = data.decode("utf-8", "ignore")
        if not spelled_out(theirs, tokenizer, text):
            check(name, text, theirs.encode(text, add_special_tokens=False))
            compared["joined tokens"] += len(text.encode())


@pytest.mark.parametrize("name", NAMES)
def test_worst_cases(name: str) -> None:
    for case, text in worst_cases(200_000 if FULL else 10_000, SEED).items():
        try:
            check(name, text, stock(name).encode(text, add_special_tokens=False))
        except AssertionError as error:
            raise AssertionError(f"{case}: {error}") from None
        compared["worst cases"] += len(text.encode())


@pytest.mark.parametrize("name", [name for name in NAMES if name in {"bundled", "llama3", "deepseek3", "mistral3"}])
def test_allowed_special_tokens(name: str) -> None:
    theirs, tokenizer = stock(name), ours(name)
    special = sorted(tokenizer.special_tokens)[:20]

    @given(
        st.lists(st.one_of(st.sampled_from(special), st.sampled_from([" ", "a b", "\n", "12 x"])), max_size=8).map(
            "".join
        )
    )
    def run(text: str) -> None:
        theirs.encode_special_tokens = False
        try:
            expected = theirs.encode(text, add_special_tokens=False).ids
        finally:
            theirs.encode_special_tokens = True
        assert tokenizer.encode(text, allowed_special="all").tolist() == expected

    run()


FUSE, FALLBACK = {"type": "Fuse"}, {"type": "ByteFallback"}
# With a stop too, stock panics on a token of one character.
STRIP = {"type": "Strip", "content": "é", "start": 1, "stop": 0}
DECODERS = (
    FUSE,
    FALLBACK,
    STRIP,
    *({"type": "Replace", "pattern": {"String": text}, "content": "_"} for text in ("é", "Ã", "Ġ", " ", "b>")),
    {"type": "Metaspace", "replacement": "Ġ", "prepend_scheme": "always", "split": True},
)
SEQUENCES = (
    [],
    *([decoder] for decoder in DECODERS),
    *([first, FUSE, second] for first in DECODERS for second in (STRIP, DECODERS[3])),
    [{"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}],
)


@pytest.mark.parametrize("name", [f"{number}" for number in range(len(DECODERS) + len(SEQUENCES))])
def test_added_tokens_under_any_decoder(name: str) -> None:
    """Tokens of a byte-level file come to a decoder as the file spells them, added ones as they stand."""
    decoder = [*DECODERS, *({"type": "Sequence", "decoders": parts} for parts in SEQUENCES)][int(name)]
    # The byte-level decoder takes an added token that is all of its alphabet for bytes.
    contents = ["é <b>", "中é", "é é", "<0xE9> ", "Ġ Ã"] + ["é<b>", "éé", "Ġ", "Ã"] * ("ByteLevel" not in str(decoder))
    vocab = {char: byte for byte, char in enumerate(CHARACTERS)} | {"ab": 256, "é 中": 257, contents[0]: 258}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    file = {
        "version": "1.0",
        "added_tokens": [
            {"id": 258 + number, "content": content, "special": number % 2 == 0} | flags
            for number, content in enumerate(contents)
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "decoder": decoder,
        "model": {"type": "BPE", "vocab": vocab, "merges": [["a", "b"]]},
    }
    theirs, tokenizer = tokenizers.Tokenizer.from_str(json.dumps(file)), Tokenizer.from_json(json.dumps(file))
    some = [*b"xab< \xc3\xa9\xe9", *range(256, tokenizer.vocab_size)]

    @given(st.lists(st.sampled_from(some), max_size=8))
    def run(ids: list[int]) -> None:
        decoded = tokenizer.decode(ids)
        assert decoded == theirs.decode(ids, skip_special_tokens=False)
        stream = tokenizer.stream_decoder()
        assert "".join([stream.push(id) for id in ids] + [stream.finish()]) == decoded

    run()
