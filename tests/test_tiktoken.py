"""Tokenizers as encodings of tiktoken: the same ids, or an error that says why not."""

import json
from typing import Any

import pytest
import tiktoken
from hypothesis import given
from sources import SEED, compared, corpora, ours
from texts import adversarial, worst_cases

from tokseam import ExportError, Tokenizer, triadic

NAMES = ("bundled", "cl100k", "o200k", "gpt2", "llama3")


@pytest.mark.parametrize("name", NAMES)
def test_real_text(name: str) -> None:
    tokenizer = ours(name)
    theirs = tokenizer.to_tiktoken(name)
    again = Tokenizer.from_tiktoken(theirs)
    assert theirs.name == name
    assert again.special_tokens == tokenizer.special_tokens
    assert again.vocab_size == tokenizer.vocab_size == theirs.n_vocab
    for kind, documents in corpora().items():
        chosen = [text[:50_000] for text in documents[:40]]
        for text, row in zip(chosen, tokenizer.encode_batch(chosen).tolists(), strict=True):
            assert theirs.encode_ordinary(text) == row
            assert again.encode(text).tolist() == row
            assert theirs.decode(row) == text
            compared[f"ids of an exported encoding, {kind}"] += len(text.encode())


@pytest.mark.parametrize("name", NAMES)
def test_hard_text(name: str) -> None:
    tokenizer = ours(name)
    theirs = tokenizer.to_tiktoken(name)
    for text in worst_cases(3_000, SEED).values():
        assert theirs.encode_ordinary(text) == tokenizer.encode(text).tolist()

    @given(adversarial(sorted(tokenizer.special_tokens)))
    def run(text: str) -> None:
        assert theirs.encode(text, disallowed_special=()) == tokenizer.encode(text).tolist()
        assert theirs.encode(text, allowed_special="all") == tokenizer.encode(text, allowed_special="all").tolist()

    run()


def test_every_token_is_itself() -> None:
    """A whole piece is looked up before it is merged."""
    tokenizer = ours("bundled")
    theirs = tokenizer.to_tiktoken("x")
    special = set(tokenizer.special_tokens.values())
    for id in range(tokenizer.vocab_size):
        if id not in special:
            token = tokenizer.token_bytes(id)
            assert theirs.encode_single_token(token) == id
            text = token.decode(errors="ignore")
            assert theirs.encode_ordinary(text) == tokenizer.encode(text).tolist()


def test_round_trip_keeps_holes() -> None:
    ranks = {bytes([byte]): byte for byte in range(256)} | {b"ab": 256, b"abc": 257}
    made = tiktoken.Encoding("x", pat_str=r"(?s:.)+", mergeable_ranks=ranks, special_tokens={"<end>": 300})
    back = Tokenizer.from_tiktoken(made).to_tiktoken("y")
    assert back._mergeable_ranks == ranks
    assert back._special_tokens == {"<end>": 300}
    assert back.encode("abcab<end>", allowed_special="all") == [257, 256, 300]


def small(**changes: Any) -> Tokenizer:
    """Return a byte-level tokenizer with a few merges."""
    tree = json.loads(ours("bundled").to_json())
    special = {token["content"] for token in tree["added_tokens"]}
    alphabet = [token for token in tree["model"]["vocab"] if len(token) == 1 and token not in special]
    vocab = {token: id for id, token in enumerate([*sorted(alphabet), "ab", "abc"])}
    split = {"type": "Split", "pattern": {"Regex": r"\s+|\S+"}, "behavior": "Isolated", "invert": False}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    tree |= {"added_tokens": [], "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]}}
    tree["model"] |= {"vocab": vocab, "merges": [["a", "b"], ["ab", "c"]], "ignore_merges": False}
    tree |= {key: value for key, value in changes.items() if key in tree}
    tree["model"] |= {key: value for key, value in changes.items() if key in tree["model"]}
    return Tokenizer.from_json(json.dumps(tree))


def split(pattern: str, behavior: str = "Isolated") -> dict[str, Any]:
    step = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": False}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {"type": "Sequence", "pretokenizers": [step, byte_level]}


def added(content: str, **flags: bool) -> dict[str, Any]:
    usual = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False) | {"special": True}
    return {"id": 999, "content": content} | usual | flags


def vocab(*more: str) -> dict[str, int]:
    tokens = list(json.loads(small().to_json())["model"]["vocab"])
    return {token: id for id, token in enumerate([*tokens, *more])}


SWAPPED = {"ab": 257, "abc": 256}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"normalizer": {"type": "NFC"}}, "NFC"),
    ({"pre_tokenizer": split(r"\S+", "Removed")}, "Removed"),
    ({"pre_tokenizer": split(r"\S+", "MergedWithNext")}, "MergedWithNext"),
    ({"pre_tokenizer": split(r"(?=\d)")}, "match nothing"),
    ({"added_tokens": [added("<x>", special=False)]}, "'<x>'|\"<x>\""),
    ({"added_tokens": [added("<x>", lstrip=True)]}, "lstrip"),
    ({"added_tokens": [added("<x>"), added("<x>y") | {"id": 1000}]}, "starts with"),
    ({"vocab": vocab("cba")}, '"cba" with the id 258'),
    ({"vocab": vocab() | SWAPPED}, "order of ids"),
    ({"vocab": vocab("bc"), "ignore_merges": True}, '"bc" with the id 258'),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        small(**changes).to_tiktoken("x")


def test_steps_around_the_model_are_refused() -> None:
    for variant in ("vocabulary", "marker"):
        marked = triadic.extend_tokenizer(small(), variant=variant).tokenizer
        with pytest.raises(ExportError, match=rf"put markers in and take them out, and here are triads \({variant}\)"):
            marked.to_tiktoken("x")
    with pytest.raises(ExportError, match="the decoder here gives other text"):
        small(decoder={"type": "Fuse"}).to_tiktoken("x")
    with pytest.raises(ExportError, match="not byte-level"):
        small(pre_tokenizer=None).to_tiktoken("x")


def test_several_steps_are_refused() -> None:
    steps = split(r"\s+|\S+")["pretokenizers"]
    digits = {"type": "Digits", "individual_digits": True}
    with pytest.raises(ExportError, match="several steps"):
        small(pre_tokenizer={"type": "Sequence", "pretokenizers": [digits, *steps]}).to_tiktoken("x")


@pytest.mark.parametrize("pattern", [r"\s+|\S+", r"\p{N}{1,3}", r" +(?!\S)|[^\s\p{L}]{2,}", "ab|c"])
def test_gaps_become_a_branch(pattern: str) -> None:
    """Between the matches of a pattern that does not cover a text are pieces too."""
    tokenizer = small(pre_tokenizer=split(pattern), vocab=vocab(), ignore_merges=True)
    theirs = tokenizer.to_tiktoken("x")

    @given(adversarial([]))
    def run(text: str) -> None:
        for whole in (text, f"abc{text}abcab c1abc", f"{text} abc"):
            assert theirs.encode_ordinary(whole) == tokenizer.encode(whole).tolist()

    run()


def test_tokens_that_only_look_up_finds() -> None:
    """With `ignore_merges` both find them as whole pieces, and nowhere else."""
    tokenizer = small(vocab=vocab("cba"), ignore_merges=True)
    theirs = tokenizer.to_tiktoken("x")
    for text in ("cba", "cba abc", "xcba", "cbacba"):
        assert theirs.encode_ordinary(text) == tokenizer.encode(text).tolist()


def test_missing_bytes() -> None:
    tokens = vocab()
    lacking = {token: id for token, id in tokens.items() if token not in "\u0120z"}
    tokenizer = small(vocab=lacking)
    missing = tokenizer.info()["missing_bytes"]
    assert len(missing) == 2
    with pytest.raises(ExportError, match="pad_bytes=True"):
        tokenizer.to_tiktoken("x")
    with pytest.warns(UserWarning, match="2 bytes had no token"):
        theirs = tokenizer.to_tiktoken("x", pad_bytes=True)
    assert theirs.encode_ordinary("abcab") == tokenizer.encode("abcab").tolist()
    ids = theirs.encode_ordinary("z ab")
    assert theirs.decode(ids) == "z ab"
    assert max(ids) >= tokenizer.vocab_size
