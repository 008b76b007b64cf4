"""Tokenizers as those of transformers and in datasets."""

import functools
import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from sources import corpora, ours
from texts import worst_cases

from tokseam import ExportError, Ragged, Tokenizer, superbpe, triadic

transformers = pytest.importorskip("transformers")


@functools.cache
def made_here(name: str) -> Tokenizer:
    """Return the bundled superword tokenizer, or one made from it."""
    if name == "extended":
        return superbpe.extend(ours("bundled"), ["to be, or not to be in it\n"] * 9, vocab_size=32_010).tokenizer
    if name.startswith("triads"):
        return triadic.extend_tokenizer(ours("bundled"), variant=name.partition(" ")[2]).tokenizer  # type: ignore[arg-type]
    return ours(name)


@pytest.mark.parametrize("name", ["bundled", "cl100k", "gpt2", "extended", "triads vocabulary", "triads marker"])
def test_save_and_load(name: str, tmp_path: Path) -> None:
    tokenizer = made_here(name)
    if name == "extended":
        assert tokenizer.vocab_size > ours("bundled").vocab_size
    end = next(iter(tokenizer.special_tokens), None)
    made = tokenizer.to_hf(eos_token=end, pad_token=end, model_max_length=512)
    made.save_pretrained(tmp_path)
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert (loaded.eos_token, loaded.model_max_length) == (end, 512)
    assert loaded.eos_token_id == (tokenizer.special_tokens[end] if end else None)
    texts = [text[:2000] for rows in corpora().values() for text in rows[:20]] + list(worst_cases(500, 1).values())
    for host in (made, loaded):
        assert len(host) == len(made)
        for text in texts:
            ids = host.encode(text, add_special_tokens=False)
            assert ids == tokenizer.encode(text, allowed_special="all").tolist()
            assert host.decode(ids) == text
    for taken in (loaded, loaded.backend_tokenizer, tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))):
        back = Tokenizer.from_hf(taken)
        assert back.special_tokens == tokenizer.special_tokens
        assert back.vocab_size == tokenizer.vocab_size
        assert back.info() == tokenizer.info()
        assert back.encode(texts[0]).tolist() == tokenizer.encode(texts[0]).tolist()


def test_special_tokens_must_be_known() -> None:
    tokenizer = ours("bundled")
    with pytest.raises(ExportError, match=r"pad_token is '<pad>'.*<\|"):
        tokenizer.to_hf(pad_token="<pad>")
    name = next(iter(tokenizer.special_tokens))
    assert tokenizer.to_hf(eos_token=tokenizers.AddedToken(name, special=True)).eos_token == name
    assert tokenizer.to_hf(bos_token=None).bos_token is None


def test_slow_tokenizers_are_refused() -> None:
    with pytest.raises(TypeError, match="fast tokenizer"):
        Tokenizer.from_hf(object())


def test_datasets_on_two_processes() -> None:
    datasets = pytest.importorskip("datasets")
    tokenizer = ours("bundled")
    texts = [f"row {number}: don't stop\n" for number in range(200)]

    def encode(rows: dict[str, list[str]]) -> dict[str, list[list[int]]]:
        return {"ids": tokenizer.encode_batch(rows["text"]).tolists()}

    rows = datasets.Dataset.from_dict({"text": texts}).map(encode, batched=True, batch_size=50, num_proc=2)
    assert rows["ids"][:] == tokenizer.encode_batch(texts).tolists()
    assert json.loads(tokenizer.to_json())["model"]["type"] == "BPE"


def test_arrow_in_datasets_on_two_processes() -> None:
    """Tables in and out: no text and no row of ids becomes a Python object."""
    datasets = pytest.importorskip("datasets")
    import pyarrow as pa

    tokenizer = ours("bundled")
    texts = [f"row {number}: don't stop\n" for number in range(200)]

    def encode(table: Any) -> Any:
        return pa.table({"ids": tokenizer.encode_batch(table["text"]).to_arrow()})

    given = datasets.Dataset.from_dict({"text": texts}).with_format("arrow")
    rows = given.map(encode, batched=True, batch_size=50, num_proc=2, remove_columns=["text"])
    assert rows.features == {"ids": datasets.LargeList(datasets.Value("uint32"))}
    column = rows[:]["ids"]
    assert Ragged.from_arrow(column).tolists() == tokenizer.encode_batch(texts).tolists()
    assert tokenizer.decode_batch(column) == texts
