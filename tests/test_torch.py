"""Models of transformers: equal to the same model asked for one context at a time, without cache."""

import itertools
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vocabularies
from sources import FULL, missing, ours
from toys import TOYS

from tokseam import ModelError, Tokenizer
from tokseam.bytelm import ByteLM, FunctionLM

try:
    import torch
    import transformers
except ImportError:
    torch = None

if torch is None:
    missing("torch is not installed")

from tokseam.torch import TransformersLM

TEXT = b"def total(values):\n    return sum(value for value in values if value)\n\n\nclass Words(dict):\n    pass\n" * 3


def config(kind: str, vocab: int, **options: Any) -> Any:
    """Return the configuration of a small model; large initial weights make it heed its context."""
    common = {"vocab_size": vocab, "bos_token_id": None, "eos_token_id": vocab - 1, "initializer_range": 0.3}
    if kind == "gpt2":
        return transformers.GPT2Config(
            **{**common, "n_layer": 2, "n_embd": 32, "n_head": 4, "n_positions": 512, "use_cache": True} | options
        )
    return transformers.LlamaConfig(
        **{
            **common,
            "num_hidden_layers": 2,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 512,
        }
        | options
    )


def build(kind: str, vocab: int, *, dtype: str = "float64", attention: str = "eager", **options: Any) -> Any:
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(
        config(kind, vocab, **options), attn_implementation=attention
    )
    return model.to(getattr(torch, dtype)).eval()


def slow(model: Any, bos: int | None = None, end_ids: Any = ()) -> FunctionLM:
    """Return the twin: one forward for each context, of all its ids."""

    def fn(contexts: list[tuple[int, ...]]) -> np.ndarray:
        rows = []
        for context in contexts:
            ids = context if bos is None or context[:1] == (bos,) else (bos, *context)
            with torch.no_grad():
                logits = model(torch.tensor([ids], device=model.device), use_cache=False).logits[0, -1]
            rows.append(torch.log_softmax(logits.double(), -1).cpu().numpy())
        return np.stack(rows)

    return FunctionLM(fn, vocab_size=model.config.vocab_size, end_ids=end_ids)


class Counter:
    """Counts the forwards of a model and the tokens in them."""

    def __init__(self, model: Any) -> None:
        self.calls = self.tokens = 0
        self._handle = model.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, _model: Any, _args: Any, options: dict[str, Any]) -> None:
        self.calls += 1
        self.tokens += options["input_ids"].numel()


TOLERANCE = {"float64": 1e-10, "float32": 1e-5}


def close(left: Any, right: Any, tolerance: float) -> None:
    assert np.array_equal(np.isneginf(left), np.isneginf(right))
    finite = np.isfinite(right)
    assert np.abs(left[finite] - right[finite]).max() <= tolerance


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_contexts_are_those_of_the_model(kind: str, dtype: str, attention: str) -> None:
    model = build(kind, 23, dtype=dtype, attention=attention)
    lm, twin = TransformersLM(model, bos_id=0), slow(model, 0)
    assert lm.reason is None
    # Its eager attention takes the softmax in float32, whatever the type is.
    tolerance = TOLERANCE["float32" if (kind, attention) == ("llama", "eager") else dtype]
    rng = random.Random(1)
    known: list[tuple[int, ...]] = [()]
    for _ in range(60 if not FULL else 300):
        contexts = []
        for _ in range(rng.randrange(1, 6)):
            base = rng.choice(known[-40:])
            base = base[: rng.randrange(len(base) + 1)] if rng.random() < 0.3 else base
            contexts.append((*base, *(rng.randrange(23) for _ in range(rng.choice([0, 1, 1, 1, 2, 30])))))
            contexts = [context[:150] for context in contexts]
        known += contexts
        rows = lm.logprobs(contexts)
        assert rows.dtype == dtype
        assert rows.shape == (len(contexts), 23)
        close(rows, twin.logprobs(contexts), tolerance)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_rows_of_bytes_with_cache_and_without(kind: str, dtype: str) -> None:
    tokenizer = ours("bundled")
    end = tokenizer.special_tokens["<|endoftext|>"]
    model = build(kind, tokenizer.vocab_size, dtype=dtype, attention="sdpa", initializer_range=0.15)
    lm = TransformersLM(model, bos_id=end, end_ids=[end])
    model_bytes = ByteLM(lm, tokenizer), ByteLM(slow(model, end, [end]), tokenizer)
    fast, twin = (each.state(b"") for each in model_bytes)
    for place, byte in enumerate(TEXT[:200]):
        fast.push(bytes([byte]))
        twin.push(bytes([byte]))
        close(fast.next_byte().logp, twin.next_byte().logp, TOLERANCE[dtype])
        if place % 23 == 20:
            forks = fast.fork().push(b"x"), twin.fork().push(b"x")
            close(forks[0].next_byte().logp, forks[1].next_byte().logp, TOLERANCE[dtype])
            for count in range(1, 21):
                forks = fast.fork().pop(count), twin.fork().pop(count)
                close(forks[0].next_byte().logp, forks[1].next_byte().logp, TOLERANCE[dtype])
