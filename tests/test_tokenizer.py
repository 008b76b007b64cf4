"""What `Tokenizer` means: special and added tokens, holes, missing bytes, losses, saving, and the ways to make one."""

import base64
import gzip
import json
import os
import pickle
import random
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiktoken
import tokenizers
import vocabularies
from hypothesis import given
from hypothesis import strategies as st
from sources import NAMES, SEED, ours, stock_from, vocabulary
from texts import adversarial

from tokseam import (
    ExportError,
    Tokenizer,
    UnknownTokenError,
    UnsupportedTokenizerError,
    VocabError,
    _bundled,
)

TEXT = "Tokens meet at seams: naïve 数字 12345.\n"


def tree() -> dict[str, Any]:
    """Return the bundled vocabulary, to be changed."""
    loaded: dict[str, Any] = json.loads(_bundled.tokenizer().to_json())
    return loaded


def made(changed: dict[str, Any]) -> Tokenizer:
    return Tokenizer.from_json(json.dumps(changed))


# Special and added tokens.


def test_special_tokens_are_plain_text_unless_allowed(bundled: Tokenizer) -> None:
    (name,) = bundled.special_tokens
    special = bundled.special_tokens[name]
    text = f"a{name}b"
    assert special not in bundled.encode(text)
    assert bundled.decode(bundled.encode(text)) == text
    for allowed in ("all", {name}, [name], (name,), frozenset({name}), {name: 1}):
        ids = bundled.encode(text, allowed_special=allowed)
        assert ids.tolist().count(special) == 1
        assert bundled.decode(ids) == text
        assert np.array_equal(bundled.encode_batch([text], allowed_special=allowed).ids, ids)
        assert np.array_equal(bundled.encode_with_offsets(text, allowed_special=allowed)[0], ids)
    assert np.array_equal(bundled.encode(text, allowed_special=()), bundled.encode(text))
    assert bundled.count(text) == len(bundled.encode(text))


def test_unknown_special_tokens(bundled: Tokenizer) -> None:
    for allowed in (["<s>"], {"<s>", "<|endoftext|>"}, ["all"], [""]):
        with pytest.raises(UnknownTokenError):
            bundled.encode("a", allowed_special=allowed)
    with pytest.raises(UnknownTokenError, match="<s>"):
        bundled.encode_batch([], allowed_special=["<s>"])
    with pytest.raises(TypeError, match="collection of names"):
        bundled.encode("a", allowed_special="<|endoftext|>")
    for wrong, value in (
        (None, "None"),
        (5, "5"),
        ([1], "1"),
        ([b"all"], "b'all'"),
        (["<s>", 1], "1"),
        ({None}, "None"),
    ):
        with pytest.raises(TypeError, match=f"allowed_special.* {value}"):
            bundled.encode("a", allowed_special=wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=f"allowed_special.* {value}"):
            bundled.count_batch(["a"], allowed_special=wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        bundled.encode("a", "all")  # type: ignore[call-arg]


def test_a_name_is_special_only_if_the_file_says_so() -> None:
    changed = tree()
    changed["added_tokens"].append(vocabularies.added(32_000, "<blank>", special=False))
    tokenizer = made(changed)
    assert tokenizer.encode("a<blank>b").tolist().count(32_000) == 1
    with pytest.raises(UnknownTokenError, match="<blank>"):
        tokenizer.encode("a", allowed_special=["<blank>"])
    assert "<blank>" not in tokenizer.special_tokens
    assert tokenizer.vocab_size == 32_001


FLAGS = [(lstrip, rstrip, single) for lstrip in (False, True) for rstrip in (False, True) for single in (False, True)]


@pytest.mark.parametrize("normalizer", [None, {"type": "NFC"}, {"type": "Lowercase"}])
def test_added_tokens_with_every_flag(normalizer: dict[str, Any] | None) -> None:
    changed = tree()
    changed["normalizer"] = normalizer
    first = 32_000
    for index, (lstrip, rstrip, single_word) in enumerate(FLAGS):
        for kind, (special, normalized) in enumerate([(False, False), (False, True), (True, False), (True, True)]):
            flags = {"lstrip": lstrip, "rstrip": rstrip, "single_word": single_word, "normalized": normalized}
            changed["added_tokens"].append(
                vocabularies.added(first + 4 * index + kind, f"T{index}{'abcd'[kind]}", special=special, **flags)
            )
    # One token within another, and one of blanks.
    for content in ("xy", "xyz", "   ", "É", "don"):
        changed["added_tokens"].append(vocabularies.added(first + 99, content, special=False))
    text = json.dumps(changed)
    try:
        tokenizer = Tokenizer.from_json(text)
    except UnsupportedTokenizerError:
        assert normalizer == {"type": "Lowercase"}
        return
    theirs = stock_from(text)
    spellings = [token["content"] for token in changed["added_tokens"]]

    @given(adversarial(spellings), st.booleans())
    def run(text: str, allowed: bool) -> None:
        theirs.encode_special_tokens = not allowed
        expected = theirs.encode(text, add_special_tokens=False)
        ids = tokenizer.encode(text, allowed_special="all" if allowed else ())
        assert ids.tolist() == expected.ids, (ids.tolist(), expected.tokens)

    run()


@pytest.mark.parametrize("ignore_merges", [False, True])
def test_plain_text_never_gives_a_special_id(ignore_merges: bool) -> None:
    """A file whose merges, or whose whole-piece look-up, spell a special token: stock gives its id for plain text."""
    changed = tree()
    model = changed["model"]
    vocab = model["vocab"]
    model["ignore_merges"] = ignore_merges
    name = "seamless" if ignore_merges else "zqx"
    vocab[name] = len(vocab)
    if not ignore_merges:
        vocab["zq"] = len(vocab)
        model["merges"] = [["z", "q"], ["zq", "x"], *model["merges"]]
    changed["added_tokens"].append(vocabularies.added(vocab[name], name))
    text = json.dumps(changed)
    theirs, tokenizer = stock_from(text), Tokenizer.from_json(text)
    assert theirs.encode(name, add_special_tokens=False).ids == [vocab[name]]
    ids = tokenizer.encode(name)
    assert vocab[name] not in ids
    assert tokenizer.decode(ids) == name
    assert tokenizer.encode(name, allowed_special="all").tolist() == [vocab[name]]
    assert any(name in warning for warning in tokenizer.info()["warnings"])
    assert tokenizer.token_id(name) is None


@pytest.mark.parametrize("name", NAMES)
def test_no_vocabulary_gives_a_special_id_for_plain_text(name: str) -> None:
    tokenizer = ours(name)
    special = set(tokenizer.special_tokens.values())
    if not special:
        pytest.skip("it has none")
    texts = list(tokenizer.special_tokens)
    texts += [f"a{text}b {text}\n{text}{text}" for text in texts]
    assert special.isdisjoint(tokenizer.encode_batch(texts).ids.tolist())


# The vocabulary.


def test_holes() -> None:
    changed = tree()
    changed["model"]["vocab"]["<|far|>"] = 40_000
    changed["added_tokens"].append(vocabularies.added(40_000, "<|far|>"))
    tokenizer = made(changed)
    assert tokenizer.vocab_size == 40_001
    assert tokenizer.token_bytes(40_000) == b"<|far|>"
    assert tokenizer.special_tokens["<|far|>"] == 40_000
    for call in (tokenizer.token_bytes, lambda id: tokenizer.decode([id]), lambda id: tokenizer.decode_bytes([id])):
        with pytest.raises(UnknownTokenError, match="35000"):
            call(35_000)
    assert tokenizer.decode([40_000]) == "<|far|>"


def test_ids_of_added_tokens_are_those_of_stock() -> None:
    """Stock takes an added token's id only if the model's vocabulary has it too; else it counts on."""
    changed = tree()
    changed["added_tokens"] += [vocabularies.added(50_000, "<|one|>"), vocabularies.added(60_000, "<|two|>")]
    text = json.dumps(changed)
    theirs, tokenizer = stock_from(text), Tokenizer.from_json(text)
    for name in ("<|one|>", "<|two|>"):
        assert tokenizer.special_tokens[name] == theirs.token_to_id(name)
    assert tokenizer.vocab_size == 32_002
    assert any("<|one|>" in warning for warning in tokenizer.info()["warnings"])


@pytest.mark.parametrize("name", NAMES)
def test_token_bytes_and_ids(name: str) -> None:
    tokenizer = ours(name)
    special = set(tokenizer.special_tokens.values())
    stock = stock_from(vocabulary(name))
    assert tokenizer.vocab_size == max(stock.get_vocab().values()) + 1
    rng = random.Random(SEED)
    known = sorted(stock.get_vocab().values())
    for id in rng.sample(known, min(len(known), 3000)):
        data = tokenizer.token_bytes(id)
        found = tokenizer.token_id(data)
        if id in special:
            assert data == str(stock.id_to_token(id)).encode()
            assert found != id
        else:
            assert found is not None
            assert tokenizer.token_bytes(found) == data
    assert tokenizer.token_id(b"no token has these bytes \xff\xfe") is None


def test_missing_bytes_are_an_error() -> None:
    changed = tree()
    vocab = changed["model"]["vocab"]
    gone = [*range(0xC0, 0xC2), *range(0xF5, 0x100)]
    for byte in gone:
        del vocab[vocabularies.CHARACTERS[byte]]
    changed["model"]["merges"] = [pair for pair in changed["model"]["merges"] if set(pair) <= set(vocab)]
    tokenizer = made(changed)
    assert tokenizer.info()["missing_bytes"] == gone
    assert np.array_equal(tokenizer.encode(TEXT), _bundled.tokenizer().encode(TEXT))
    for byte in gone:
        with pytest.raises(VocabError, match=f"(?i){byte:02x}"):
            tokenizer.encode(b"a" + bytes([byte]))
        with pytest.raises(VocabError):
            tokenizer.count(bytes([byte]))


def test_lossless() -> None:
    assert _bundled.tokenizer().info()["lossless"] == "yes"
    losses: dict[str, dict[str, Any]] = {
        "NFKC": {"normalizer": {"type": "NFKC"}},
        "add_prefix_space": {"pre_tokenizer": vocabularies.byte_level(use_regex=True, add_prefix_space=True)},
        "drops": {
            "pre_tokenizer": vocabularies.sequence(
                vocabularies.split(" ") | {"behavior": "Removed"}, vocabularies.byte_level()
            )
        },
    }
    for word, change in losses.items():
        said = made(tree() | change).info()["lossless"]
        assert said != "yes"
        assert word.lower() in said.lower()


@given(st.binary(max_size=300))
def test_all_bytes_round_trip(data: bytes) -> None:
    tokenizer = _bundled.tokenizer()
    ids, offsets = tokenizer.encode_with_offsets(data)
    assert tokenizer.decode_bytes(ids) == data
    assert [data[start:end] for start, end in offsets.tolist()] == [tokenizer.token_bytes(id) for id in ids.tolist()]
    assert tokenizer.decode(ids) == data.decode(errors="replace")


@given(adversarial(["<|endoftext|>"]))
def test_all_text_round_trips(text: str) -> None:
    tokenizer = _bundled.tokenizer()
    for allowed in ("all", ()):
        ids = tokenizer.encode(text, allowed_special=allowed)
        assert tokenizer.decode(ids) == text
        stream = tokenizer.stream_decoder()
        pieces = [stream.push(id) for id in ids.tolist()]
        pieces.append(stream.finish())
        assert "".join(pieces) == text


@given(st.binary(max_size=60))
def test_the_stream_never_splits_a_character(data: bytes) -> None:
    tokenizer = _bundled.tokenizer()
    # One token a byte: the worst cut there is.
    ids = [tokenizer.token_id(bytes([byte])) for byte in data]
    stream = tokenizer.stream_decoder()
    pieces = [stream.push(id) for id in ids if id is not None]
    pieces.append(stream.finish())
    assert "".join(pieces) == tokenizer.decode([id for id in ids if id is not None])


def test_canonical(bundled: Tokenizer) -> None:
    ids = bundled.encode(TEXT)
    assert bundled.is_canonical(ids)
    assert bundled.is_canonical([])
    assert bundled.is_canonical([0, *ids.tolist(), 0, 0])
    spelled = [bundled.token_id(bytes([byte])) for byte in b"Tokens"]
    assert not bundled.is_canonical(spelled)  # type: ignore[arg-type]
    invalid = bundled.token_id(b"\xff")
    assert invalid is not None
    assert not bundled.is_canonical([invalid])


# Saving.


@pytest.mark.parametrize("name", NAMES)
def test_saved_files_are_stock_files(name: str, tmp_path: Path) -> None:
    tokenizer = ours(name)
    file = tmp_path / "tokenizer.json"
    tokenizer.save(file)
    again = Tokenizer.from_file(file)
    assert again == tokenizer
    again.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == file.read_bytes()
    theirs = tokenizers.Tokenizer.from_file(str(file))
    theirs.encode_special_tokens = True
    before = stock_from(vocabulary(name))
    sample = _bundled.text()[-3000:]
    assert theirs.encode(sample, add_special_tokens=False).ids == before.encode(sample, add_special_tokens=False).ids
    assert theirs.get_vocab() == before.get_vocab()
    assert again.encode(sample).tolist() == tokenizer.encode(sample).tolist()


def test_files(bundled: Tokenizer, tmp_path: Path) -> None:
    bundled.save(tmp_path)
    bundled.save(tmp_path / "small.json.gz")
    assert (tmp_path / "small.json.gz").read_bytes()[:2] == b"\x1f\x8b"
    for path in (tmp_path, str(tmp_path), tmp_path / "tokenizer.json", tmp_path / "small.json.gz"):
        assert Tokenizer.from_file(path) == bundled
    assert sorted(file.name for file in tmp_path.iterdir()) == ["small.json.gz", "tokenizer.json"]
    with_mark = tmp_path / "mark.json"
    with_mark.write_bytes(b"\xef\xbb\xbf" + bundled.to_json().encode())
    assert Tokenizer.from_file(with_mark) == bundled
    for path in (tmp_path / "none.json", tmp_path / "none", "none/tokenizer.json"):
        with pytest.raises(FileNotFoundError):
            Tokenizer.from_file(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError):
        Tokenizer.from_file(tmp_path / "empty")
    broken = tmp_path / "broken.json.gz"
    broken.write_bytes(gzip.compress(bundled.to_json().encode())[:-100])
    with pytest.raises(VocabError, match="gzip"):
        Tokenizer.from_file(broken)


def test_a_failed_save_leaves_the_old_file(bundled: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text("old")
    file.chmod(0o640)

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    for call in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(OSError, match="No space"):
                bundled.save(file)
        assert file.read_text() == "old"
        assert list(tmp_path.iterdir()) == [file]
    link = tmp_path / "link.json"
    link.symlink_to(file)
    bundled.save(link)
    assert link.is_symlink()
    assert Tokenizer.from_file(file) == bundled
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


# The other ways to make one.


def test_from_hf(bundled: Tokenizer) -> None:
    theirs = tokenizers.Tokenizer.from_str(bundled.to_json())
    assert np.array_equal(Tokenizer.from_hf(theirs).encode(TEXT), bundled.encode(TEXT))
    from transformers import PreTrainedTokenizerFast

    fast: Any = PreTrainedTokenizerFast(tokenizer_object=theirs, eos_token="<|endoftext|>")
    assert np.array_equal(Tokenizer.from_hf(fast).encode(TEXT), bundled.encode(TEXT))
    # A call with padding leaves its settings in the tokenizer; they are none of the vocabulary.
    theirs.enable_padding(length=32)
    theirs.enable_truncation(4)
    assert np.array_equal(Tokenizer.from_hf(theirs).encode(TEXT), bundled.encode(TEXT))
    for other in (3, "tokenizer.json", None, bundled):
        with pytest.raises(TypeError, match="from_hf takes"):
            Tokenizer.from_hf(other)


def test_from_hf_with_a_part_in_python(bundled: Tokenizer) -> None:
    class Words:
        def pre_tokenize(self, text: Any) -> None:
            pass

    theirs = tokenizers.Tokenizer.from_str(bundled.to_json())
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.PreTokenizer.custom(Words())
    with pytest.raises(UnsupportedTokenizerError, match="Python"):
        Tokenizer.from_hf(theirs)


def toy() -> tiktoken.Encoding:
    ranks = {bytes([byte]): byte for byte in range(256)} | {b"ab": 256, b"abc": 257, b" a": 258}
    return tiktoken.Encoding(
        "toy", pat_str=r"\w+|\W", mergeable_ranks=ranks, special_tokens={"<end>": 300, "<pad>": 305}
    )


def test_from_tiktoken(tmp_path: Path) -> None:
    theirs = toy()
    tokenizer = Tokenizer.from_tiktoken(theirs)
    for text in ("abc ab", "aabcab", "<end>", "é\n\n数"):
        assert tokenizer.encode(text).tolist() == theirs.encode_ordinary(text)
        assert tokenizer.encode(text, allowed_special="all").tolist() == theirs.encode(text, allowed_special="all")
    assert tokenizer.vocab_size == 306
    assert tokenizer.special_tokens == {"<end>": 300, "<pad>": 305}
    with pytest.raises(UnknownTokenError, match="301"):
        tokenizer.token_bytes(301)
    # Holes and special ids live through a save, and in stock tokenizers too.
    assert Tokenizer.from_json(tokenizer.to_json()) == tokenizer
    assert stock_from(tokenizer.to_json()).token_to_id("<pad>") == 305
    lines = [b"%s %d" % (base64.b64encode(token), rank) for token, rank in theirs._mergeable_ranks.items()]
    for name, data in (("toy.tiktoken", b"\n".join(lines)), ("toy.tiktoken.gz", gzip.compress(b"\n".join(lines)))):
        file = tmp_path / name
        file.write_bytes(data)
        read = Tokenizer.from_tiktoken(file, pattern=r"\w+|\W", special_tokens={"<end>": 300, "<pad>": 305})
        assert read == tokenizer
        with pytest.raises(VocabError, match="pattern="):
            Tokenizer.from_tiktoken(file)
        with pytest.raises(VocabError, match="from_tiktoken"):
            Tokenizer.from_file(file)


def test_a_tiktoken_pattern_survives_saving() -> None:
    """Oniguruma, which reads the file, takes `{1,3}+` for a repetition; tiktoken takes it for possessive."""
    pattern = (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
        r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
    )
    tokens = [bytes([byte]) for byte in range(256)] + [b"12", b"34", b"45", b"123", b"1234", b"12345"]
    encoding = tiktoken.Encoding(
        "numbers", pat_str=pattern, mergeable_ranks={token: id for id, token in enumerate(tokens)}, special_tokens={}
    )
    tokenizer = Tokenizer.from_tiktoken(encoding)
    for text in ("12345 a\n  ", "123456789", "it's 1234\r\n  x"):
        expected = encoding.encode(text)
        for same in (tokenizer, pickle.loads(pickle.dumps(tokenizer))):
            assert same.encode(text).tolist() == expected
        stock = tokenizers.Tokenizer.from_str(tokenizer.to_json())
        assert stock.encode(text, add_special_tokens=False).ids == expected


@pytest.mark.parametrize("pattern", [r"\S+|\s+$|\s", r"\w+|\W", r"(?i:k)|[^k]"])
def test_tiktoken_patterns_mean_the_same_in_a_file(pattern: str) -> None:
    ranks = {bytes([byte]): byte for byte in range(256)} | {b" \n": 256, b"a\xe2\x80\x8c": 257, b"\xe2\x80": 258}
    encoding = tiktoken.Encoding("other", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    tokenizer = Tokenizer.from_tiktoken(encoding)
    stock = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    for text in ("a \n b \n", "a\u200cb²", "\u212a k"):
        expected = encoding.encode(text)
        assert tokenizer.encode(text).tolist() == expected
        assert pickle.loads(pickle.dumps(tokenizer)).encode(text).tolist() == expected
        assert stock.encode(text, add_special_tokens=False).ids == expected


def test_a_tiktoken_pattern_that_no_file_can_hold() -> None:
    encoding = tiktoken.Encoding(
        "ends", pat_str=r"\b\w+|[^a]", mergeable_ranks={bytes([byte]): byte for byte in range(256)}, special_tokens={}
    )
    tokenizer = Tokenizer.from_tiktoken(encoding)
    assert tokenizer.encode("b \n c ").tolist() == encoding.encode("b \n c ")
    with pytest.raises(ExportError, match="Oniguruma"):
        tokenizer.to_json()


def test_from_tiktoken_of_bad_things(tmp_path: Path) -> None:
    for other in (3, None, {"a": 1}, object()):
        with pytest.raises(TypeError, match="from_tiktoken takes"):
            Tokenizer.from_tiktoken(other)
    with pytest.raises(TypeError, match="has its own"):
        Tokenizer.from_tiktoken(toy(), pattern="a")
    with pytest.raises(FileNotFoundError):
        Tokenizer.from_tiktoken(tmp_path / "none.tiktoken", pattern="a")
    file = tmp_path / "bad.tiktoken"
    for line in (
        b"YQ== x",
        b"YQ==",
        b"Y 1",
        b"\xff\xfe 1",
        b"YQ== 1 2",
        b"YQ== -1",
        b"YQ== 99999999999",
        b"YQ== 1\nYQ== 2",
        b"YQ== 1\nYg== 1",
    ):
        file.write_bytes(line)
        with pytest.raises(VocabError):
            Tokenizer.from_tiktoken(file, pattern=".")
    file.write_bytes(b"\n".join(b"%s %d" % (base64.b64encode(bytes([byte])), byte) for byte in range(256)))
    with pytest.raises((VocabError, UnsupportedTokenizerError), match="compile"):
        Tokenizer.from_tiktoken(file, pattern="(")
    for id in (65, -1, 2**32, 2**64):
        with pytest.raises(VocabError):
            Tokenizer.from_tiktoken(file, pattern=".", special_tokens={"<s>": id})
    bad: Any
    for bad, words in (
        (5, "not 5"),
        (["a"], r"not \['a'\]"),
        ({1: 2}, "has 1,"),
        ({"<s>": "1"}, "'<s>' has the id '1'"),
        ({"<s>": 1.0}, "'<s>' has the id 1.0"),
        ({"<s>": True}, "'<s>' has the id True"),
    ):
        with pytest.raises(TypeError, match=words):
            Tokenizer.from_tiktoken(file, pattern=".", special_tokens=bad)
    for bad in (5, b"."):
        with pytest.raises(TypeError, match=f"pattern is .*, not {bad!r}"):
            Tokenizer.from_tiktoken(file, pattern=bad)
    with pytest.raises(VocabError, match="pattern is ''"):
        Tokenizer.from_tiktoken(file, pattern="")
    made = Tokenizer.from_tiktoken(file, pattern=".", special_tokens={"<s>": np.int64(300)})  # type: ignore[dict-item]
    assert made.special_tokens == {"<s>": 300}


def test_repr_and_info(bundled: Tokenizer) -> None:
    assert "vocab_size=32000" in repr(bundled)
    info = bundled.info()
    assert info["entries"] == info["vocab_size"] == 32_000
    assert info["merges"] == len(tree()["model"]["merges"])
    assert 0 < info["live_merges"] <= info["merges"]
    assert info["missing_bytes"] == []
    assert info["normalizer"] is None
    json.dumps(info)


def test_show(bundled: Tokenizer) -> None:
    text = "a b\t<|endoftext|>\x1b[31m</span>é数\n"
    shown = bundled.show(text, allowed_special="all")
    assert b"".join(token.data for token in shown.tokens) == text.encode()
    assert [token.id for token in shown.tokens] == bundled.encode(text, allowed_special="all").tolist()
    assert [token.data for token in shown.tokens if token.special] == [b"<|endoftext|>"]
    for drawn in (str(shown), shown._repr_html_(), shown.to_page("<title>")):
        assert "\x1b" not in drawn
        assert "U+001B" in drawn
    assert "</span>é" not in shown._repr_html_()
    assert "<title><title>" not in shown.to_page("<title>")
    assert "prefers-color-scheme" in shown.to_page()
    assert str(bundled.show(b"\xff ")) in {"FF|·", "FF·"}
    assert str(bundled.show("")) == ""
