"""Models of transformers on CUDA: the rows of the CPU, and how many a second. Skipped where there is no such device."""

import random
import time
from typing import Any

import numpy as np
import pytest
from sources import SEED, ours

from tokseam import Tokenizer, phantom
from tokseam.bytelm import ByteLM, ByteState

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

DEVICE = "cuda"
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

TEXT = b"def total(values):\n    return sum(value for value in values if value)\n\n\nclass Words(dict):\n    pass\n" * 8


def build(vocab: int) -> Any:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=vocab, hidden_size=256, intermediate_size=512, num_hidden_layers=4, num_attention_heads=8,
        max_position_embeddings=1024, bos_token_id=None, eos_token_id=vocab - 1, initializer_range=0.1,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config).eval()


def byte_model(model: Any, tokenizer: Tokenizer, device: str) -> ByteLM:
    from tokseam.torch import TransformersLM

    return ByteLM(TransformersLM(model.to(device), bos_id=tokenizer.vocab_size - 1), tokenizer)


def prefixes(count: int) -> list[bytes]:
    rng = random.Random(SEED)
    return [TEXT[start : start + 200] for start in (rng.randrange(len(TEXT) - 300) for _ in range(count))]


def test_rows_are_those_of_the_cpu() -> None:
    tokenizer = ours("bundled")
    model, texts = build(tokenizer.vocab_size), prefixes(4)
    expected = byte_model(model, tokenizer, "cpu").next_byte_logprobs(texts)
    found = byte_model(model, tokenizer, DEVICE).next_byte_logprobs(texts)
    assert found.shape == expected.shape == (4, 257)
    assert np.abs(np.exp(found) - np.exp(expected)).max() < 1e-4
    masked = tokenizer.encode(texts[0].decode()).tolist()
    from tokseam.hf import CanonicalLogitsProcessor

    processor = CanonicalLogitsProcessor(tokenizer, prompt="apart")
    scores = torch.zeros(1, tokenizer.vocab_size + 3)
    rows = [processor(torch.tensor([masked], device=at), scores.to(at)).cpu() for at in ("cpu", DEVICE)]
    assert torch.equal(*rows)
    allowed = phantom.next_token_mask([], tokenizer)
    assert ((rows[0][0, : len(allowed)] == 0).numpy() == allowed).all()


@pytest.mark.parametrize("batch", [1, 8, 32])
def test_rows_a_second(batch: int) -> None:
    """Prints the rows a second with 128,000 ids and the share of the time outside the model's forward."""
    tokenizer = ours("llama3")
    model = build(tokenizer.vocab_size).to(DEVICE)
    states = [byte_model(model, tokenizer, DEVICE).state()]
    states = [states[0].fork().push(text) for text in prefixes(batch)]
    inside, since = 0.0, 0.0

    def settle() -> float:
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def begin(*_: Any) -> None:
        nonlocal since
        since = settle()

    def finish(*_: Any) -> None:
        nonlocal inside
        inside += settle() - since

    def step(byte: bytes) -> Any:
        for state in states:
            state.push(byte)
        return ByteState._prepare(states)

    for byte in (b"a", b"b"):
        step(byte)
    handles = [model.register_forward_pre_hook(begin), model.register_forward_hook(finish)]
    text = "the value of it is a"
    start = settle()
    for letter in text:
        rows = step(letter.encode())
    spent = settle() - start
    for handle in handles:
        handle.remove()
    print(f"batch {batch}: {batch * len(text) / spent:.0f} rows a second, {1 - inside / spent:.0%} of the time outside")
    assert len(rows) == batch
    assert all(abs(np.exp(row.logp).sum() - 1) < 1e-3 for row in rows)
