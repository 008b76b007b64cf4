"""Tokenizers as those of transformers and in datasets."""

import json
from pathlib import Path

import pytest
import tokenizers
from sources import corpora, ours
from texts import worst_cases

from tokseam import ExportError, Tokenizer

transformers = pytest.importorskip("transformers")


@pytest.mark.parametrize("name", ["bundled", "cl100k", "gpt2"])
def test_save_and_load(name: str, tmp_path: Path) -> None:
    tokenizer = ours(name)
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
