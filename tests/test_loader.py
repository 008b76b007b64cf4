"""A damaged or unknown file is an error of ours or a working tokenizer: never a panic, never a crash, never a guess."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
import vocabularies
from sources import FULL, SEED, stock_from
from texts import SCRIPTS

from tokseam import Tokenizer, TokseamError, UnsupportedTokenizerError, VocabError

TEXT = "".join(SCRIPTS)


def small() -> dict[str, Any]:
    """Return a vocabulary of 280 entries that has a bit of everything."""
    vocab = {vocabularies.spell(bytes([byte])): byte for byte in range(256)}
    merges = []
    for left, right in ("th", "Ġt", ("Ġt", "h"), ("Ġth", "e"), "in", ("in", "g"), "on", "er", ("th", "e"), "Ġa"):
        merges.append((left, right))
        vocab.setdefault(left + right, len(vocab))
    vocab["<s>"] = len(vocab)
    return vocabularies.document(
        vocab,
        merges,
        normalizer={"type": "Sequence", "normalizers": [{"type": "NFC"}]},
        pre_tokenizer=vocabularies.sequence(
            {"type": "Digits", "individual_digits": True},
            vocabularies.split(r"\p{L}+|\s+(?!\S)|."),
            vocabularies.byte_level(),
        ),
        decoder=vocabularies.byte_level(use_regex=True),
        added_tokens=[
            vocabularies.added(vocab["<s>"], "<s>"),
            vocabularies.added(len(vocab), "<blank>", special=False, lstrip=True),
        ],
    )


def fallback() -> dict[str, Any]:
    """Return a small vocabulary of the SentencePiece kind."""
    vocab = {"<unk>": 0, "<s>": 1} | {f"<0x{byte:02X}>": byte + 2 for byte in range(256)}
    for piece in ("▁", "t", "h", "e", "a", "th", "▁th", "▁the"):
        vocab[piece] = len(vocab)
    blanks = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    return vocabularies.document(
        vocab,
        [("t", "h"), ("▁", "th"), ("▁th", "e")],
        normalizer={"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, blanks]},
        pre_tokenizer=None,
        decoder={
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        added_tokens=[vocabularies.added(0, "<unk>"), vocabularies.added(1, "<s>")],
        unk_token="<unk>",
        fuse_unk=True,
        byte_fallback=True,
    )


BASES = {"byte level": small, "byte fallback": fallback}


def use(data: str | bytes) -> Tokenizer | None:
    """Load and use a tokenizer; an error of ours is a good answer, and anything else is not."""
    try:
        tokenizer = Tokenizer.from_json(data)
    except (TokseamError, UnicodeError) as error:
        return None if str(error) else pytest.fail("an error that says nothing")
    for text in (TEXT, "", " the thing<s><blank> in 123\n", "\x00"):
        for allowed in ((), "all"):
            try:
                ids, offsets = tokenizer.encode_with_offsets(text, allowed_special=allowed)
            except TokseamError:
                continue
            size = len(text.encode())
            assert all(0 <= start <= end <= size for start, end in offsets.tolist())
            tokenizer.decode(ids)
            tokenizer.is_canonical(ids)
            stream = tokenizer.stream_decoder()
            for id in ids.tolist():
                stream.push(id)
            stream.finish()
    tokenizer.info()
    Tokenizer.from_json(tokenizer.to_json())
    return tokenizer


def paths(tree: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every value, but only of some tokens and merges."""
    yield at
    if isinstance(tree, dict):
        keys = list(tree)
        for key in keys if len(keys) < 50 else keys[:3] + keys[-3:]:
            yield from paths(tree[key], (*at, key))
    elif isinstance(tree, list):
        for index in range(len(tree)):
            yield from paths(tree[index], (*at, index))


def stock_ids(text: str, sample: str) -> list[int] | None:
    """Return the ids that stock gives, or None where it raises; on such files it also panics."""
    try:
        ids: list[int] = stock_from(text).encode(sample, add_special_tokens=False).ids
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            return None
        raise
    return ids


ODD: list[Any] = [
    *(None, True, False, 0, 1, -1, 2**31, 2**32 - 1, 2**32, 2**64, 1.5, 1e308),
    *("", "a", "\x00", "Ġ", "(", "\\p{X}", "[PAD]", "é" * 100),
    *([], [None], [[]], ["a"], ["a", "b"], ["a", "b", "c"]),
    *({}, {"type": "BPE"}, {"type": ""}, {"type": None}, {"String": ""}, {"Regex": "("}, {"Regex": "(?=a)*"}),
    *({"a": "b"}, {"a": -1}, {"a": 2**32}),
]


def damaged(base: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Return a copy with one to three values replaced, removed, doubled or moved."""
    tree = copy.deepcopy(base)
    for _ in range(rng.randrange(1, 4)):
        *above, key = rng.choice([path for path in paths(tree) if path])
        parent: Any = tree
        for step in above:
            parent = parent[step]
        match rng.randrange(5):
            case 0:
                del parent[key]
            case 1 if isinstance(parent, list):
                parent.insert(rng.randrange(len(parent) + 1), parent[key])
            case 2 if isinstance(parent, dict):
                parent[rng.choice(["type", "x", "", key + "x"])] = parent.pop(key)
            case 3:
                parent[key] = copy.deepcopy(rng.choice(list(parent.values()) if isinstance(parent, dict) else parent))
            case _:
                parent[key] = copy.deepcopy(rng.choice(ODD))
    return tree


@pytest.mark.parametrize("base", BASES)
def test_base_is_whole(base: str) -> None:
    text = json.dumps(BASES[base]())
    tokenizer = use(text)
    assert tokenizer is not None
    sample = " the thing in the 123"
    assert tokenizer.encode(sample).tolist() == stock_from(text).encode(sample, add_special_tokens=False).ids


@pytest.mark.parametrize("base", BASES)
def test_damaged_values(base: str) -> None:
    rng = random.Random(SEED)
    tree = BASES[base]()
    loaded = sum(use(json.dumps(damaged(tree, rng))) is not None for _ in range(20_000 if FULL else 1_000))
    # Some damage is harmless; if all or none were, the test would show nothing.
    assert loaded


@pytest.mark.parametrize("base", BASES)
def test_damaged_files_agree_with_stock(base: str) -> None:
    """Where a damaged file loads in both, the ids are the same: what is odd is applied or refused, never guessed."""
    rng = random.Random(SEED)
    tree = BASES[base]()
    for _ in range(5_000 if FULL else 400):
        text = json.dumps(damaged(tree, rng))
        try:
            tokenizer = Tokenizer.from_json(text)
        except TokseamError:
            continue
        special = set(tokenizer.special_tokens.values())
        for sample in (TEXT, " the thing<blank> in  123\n"):
            expected = stock_ids(text, sample)
            try:
                found = tokenizer.encode(sample).tolist()
            except TokseamError:
                # Stock drops what it cannot spell.
                continue
            if expected is not None and special.isdisjoint(expected):
                assert found == expected, text


@pytest.mark.parametrize("base", BASES)
def test_damaged_bytes(base: str) -> None:
    rng = random.Random(SEED)
    data = json.dumps(BASES[base](), ensure_ascii=False).encode()
    for _ in range(20_000 if FULL else 1_000):
        broken = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(broken))
            match rng.randrange(4):
                case 0:
                    del broken[at : at + rng.choice([1, 2, 50])]
                case 1:
                    broken[at] = rng.randrange(256)
                case 2:
                    broken[at:at] = rng.choice([b'"', b"{", b"]", b",", b"\\u", b"0", b"-", b"\x00", b"\xff", b"1e400"])
                case _:
                    broken[at] ^= 1 << rng.randrange(8)
        use(bytes(broken))


@pytest.mark.parametrize("base", BASES)
def test_truncated(base: str) -> None:
    data = json.dumps(BASES[base]()).encode()
    for end in range(0, len(data), 1 if FULL else 37):
        assert use(data[:end]) is None


def test_a_huge_count_costs_nothing() -> None:
    tree = fallback()
    tree["decoder"]["decoders"][-1] |= {"start": 2**62, "stop": 2**62}
    tokenizer = use(json.dumps(tree))
    assert tokenizer is not None
    assert tokenizer.decode(tokenizer.encode("  the  ")) == "the"


@pytest.mark.parametrize(
    "data",
    [
        "",
        "null",
        "[]",
        "{}",
        "1",
        '"a"',
        "{" * 100_000,
        "[" * 100_000,
        '{"model":' * 50_000,
        b"\xff\xfe{}",
        b"\x00" * 100,
    ],
)
def test_no_tokenizer(data: str | bytes) -> None:
    with pytest.raises(VocabError):
        Tokenizer.from_json(data)


@pytest.mark.parametrize("data", [None, 3, ["{}"], {"model": {}}])
def test_data_of_a_wrong_type(data: Any) -> None:
    with pytest.raises(TypeError):
        Tokenizer.from_json(data)


def part(place: str, **change: Any) -> tuple[str, dict[str, Any]]:
    return place, change


UNSUPPORTED = {
    "WordPiece": part("model", type="WordPiece"),
    "Unigram": part("model", type="Unigram"),
    "WordLevel": part("model", type="WordLevel"),
    "dropout": part("model", dropout=0.1),
    "UnicodeScripts": part("pre_tokenizer", type="UnicodeScripts"),
    "Nmt": part("normalizer", type="Nmt"),
    "Precompiled": part("normalizer", type="Precompiled", precompiled_charsmap="AAAA"),
    "BertNormalizer": part("normalizer", type="BertNormalizer", clean_text=True, handle_chinese_chars=True),
    "WordPieceDecoder": part("decoder", type="WordPiece", prefix="##", cleanup=True),
    "CTC": part("decoder", type="CTC", pad_token="<pad>", word_delimiter_token="|", cleanup=True),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_unsupported_parts_are_named(name: str) -> None:
    place, change = UNSUPPORTED[name]
    tree = small()
    tree[place] = (tree[place] | change) if place == "model" else change
    word = str(change.get("type", name))
    with pytest.raises(UnsupportedTokenizerError, match=word) as caught:
        Tokenizer.from_json(json.dumps(tree))
    assert isinstance(caught.value, NotImplementedError)
    # Inside a sequence too.
    inner = {"pre_tokenizer": "pretokenizers", "normalizer": "normalizers", "decoder": "decoders"}.get(place)
    if inner:
        tree[place] = {"type": "Sequence", inner: [change]}
        with pytest.raises(UnsupportedTokenizerError, match=word):
            Tokenizer.from_json(json.dumps(tree))


@pytest.mark.parametrize("place", ["model", "pre_tokenizer", "normalizer", "decoder"])
def test_unknown_parts_are_named(place: str) -> None:
    tree = small()
    tree[place] = (tree[place] or {}) | {"type": "Flux"}
    with pytest.raises((UnsupportedTokenizerError, VocabError), match="Flux"):
        Tokenizer.from_json(json.dumps(tree))
