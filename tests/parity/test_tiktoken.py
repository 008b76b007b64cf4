"""Ids equal those of `tiktoken` for the same ranks: from the encoding, from its file, and from a tokenizer.json."""

import base64
from pathlib import Path

import pytest
import tiktoken
import vocabularies
from hypothesis import given
from sources import SEED, compared, corpora, missing, ours
from texts import adversarial, worst_cases

from tokseam import Tokenizer

NAMES = ("cl100k", "o200k", "llama3", "qwen2", "tekken")


def encoding(name: str) -> tiktoken.Encoding:
    try:
        ranks = vocabularies.ranks(name)
    except vocabularies.Missing as error:
        missing(str(error))
        raise
    # Two ids away from the ranks: a hole between them must stay one.
    special = {"<|endoftext|>": len(ranks) + 2}
    return tiktoken.Encoding(name, pat_str=vocabularies.PATTERNS[name], mergeable_ranks=ranks, special_tokens=special)


@pytest.mark.parametrize("name", NAMES)
def test_real_text(name: str) -> None:
    theirs = encoding(name)
    tokenizer = Tokenizer.from_tiktoken(theirs)
    converted = ours(name)
    for kind, documents in corpora().items():
        for row, text in zip(tokenizer.encode_batch(documents).tolists(), documents, strict=True):
            expected = theirs.encode_ordinary(text)
            assert row == expected
            if name != "qwen2":  # Its tokenizer.json normalizes.
                assert converted.encode(text).tolist() == expected
            assert tokenizer.decode(row) == theirs.decode(row)
            compared[f"ids of tiktoken, {kind}"] += len(text.encode())


@pytest.mark.parametrize("name", NAMES)
def test_hard_text(name: str) -> None:
    theirs = encoding(name)
    tokenizer = Tokenizer.from_tiktoken(theirs)
    for text in worst_cases(10_000, SEED).values():
        assert tokenizer.encode(text).tolist() == theirs.encode_ordinary(text)

    @given(adversarial(["<|endoftext|>"]))
    def run(text: str) -> None:
        assert tokenizer.encode(text).tolist() == theirs.encode(text, disallowed_special=())
        assert tokenizer.encode(text, allowed_special="all").tolist() == theirs.encode(text, allowed_special="all")
        compared["ids of tiktoken, adversarial text"] += len(text.encode())

    run()


def test_file_and_encoding_agree(tmp_path: Path) -> None:
    theirs = encoding("cl100k")
    file = tmp_path / "cl100k.tiktoken"
    file.write_bytes(b"".join(b"%s %d\n" % (base64.b64encode(t), r) for t, r in vocabularies.ranks("cl100k").items()))
    read = Tokenizer.from_tiktoken(file, pattern=vocabularies.CL100K, special_tokens=theirs._special_tokens)
    assert read == Tokenizer.from_tiktoken(theirs)
    assert read.vocab_size == theirs.n_vocab
    assert read.special_tokens == {"<|endoftext|>": theirs.eot_token}
