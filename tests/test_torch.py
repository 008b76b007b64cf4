"""Models of transformers: equal to the same model asked for one context at a time, without cache."""

import functools
import pickle
import random
import runpy
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vocabularies
from sources import FULL, ROOT, STRICT, missing, ours
from toys import TOYS

from tokseam import ModelError, Tokenizer
from tokseam.bytelm import ByteLM, ByteState, FunctionLM, _HostSums, _Masses, _Sampling, bundled

try:
    import torch
    import transformers
except ImportError:
    torch = None

if torch is None:
    if STRICT:
        pytest.fail("torch or transformers is not installed")
    pytest.skip("torch or transformers is not installed", allow_module_level=True)

import tokseam.torch
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
    model = transformers.AutoModelForCausalLM.from_config(config(kind, vocab, **options), attn_implementation=attention)
    return model.to(getattr(torch, dtype)).eval()


def slow(model: Any, bos: int | None = None, end_ids: Any = ()) -> FunctionLM:
    """Return the twin: one forward for each context, of all its ids."""

    def fn(contexts: list[tuple[int, ...]]) -> np.ndarray:
        rows = []
        for context in contexts:
            ids = context if bos is None or context[:1] == (bos,) else (bos, *context)
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([ids], device=model.device), use_cache=False).logits[0, -1]
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
    left, right = (each.next_byte_logprobs([TEXT[:size] for size in (90, 0, 7, 33, 90, 8)]) for each in model_bytes)
    close(left, right, TOLERANCE[dtype])


@pytest.mark.parametrize("hosts", [(), ("cpu",)], ids=["by torch", "in place"])
@pytest.mark.parametrize("normalize", ["sum", "ratio", "local"])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_sums_on_the_device_are_those_on_the_host(
    dtype: str, normalize: Any, hosts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rows, summed where they are and in numpy: with ends among the tokens of a text, and an id too many."""
    monkeypatch.setattr(tokseam.torch, "HOSTS", hosts)
    tokenizer = ours("bundled")
    end = tokenizer.special_tokens["<|endoftext|>"]
    ends = [end, int(tokenizer.encode("x")[0])]
    model = build("llama", tokenizer.vocab_size + 3, dtype=dtype, attention="sdpa", initializer_range=0.15)
    lm = TransformersLM(model, bos_id=end, end_ids=ends)
    host = FunctionLM(lm.logprobs, vocab_size=lm.vocab_size, end_ids=ends)
    tolerance = TOLERANCE[dtype]
    for bound in (0.0, 1e-3):
        pair = [ByteLM(each, tokenizer, normalize=normalize, tolerance=bound) for each in (lm, host)]
        states = [each.state(TEXT[:5]) for each in pair]
        for byte in TEXT[5:20] + "é".encode():
            rows = [state.push(bytes([byte])).next_byte() for state in states]
            close(rows[0].logp, rows[1].logp, tolerance)
            assert rows[0].leak == pytest.approx(rows[1].leak, abs=tolerance)
            assert rows[0].bound == pytest.approx(rows[1].bound, abs=tolerance)
        covers = [state.covers(5) for state in states]
        assert [cover.ids for cover in covers[0]] == [cover.ids for cover in covers[1]]
        close(np.array([one.logprob for one in covers[0]]), np.array([one.logprob for one in covers[1]]), tolerance)
        scores = [state.logprob(" turn right " * 6, end=True) for state in states]
        assert scores[0] == pytest.approx(scores[1], abs=40 * tolerance)
        left, right = (each.next_byte_logprobs([TEXT[:size] for size in (0, 1, 9, 30)]) for each in pair)
        close(left, right, tolerance)


def test_small_ranges_keep_their_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges of very different mass, of some texts at once, in the precision of the rows, against one at a time."""
    monkeypatch.setattr(tokseam.torch, "HOSTS", ())

    def total(logs: Any) -> float:
        finite = [log for log in logs if log > -np.inf]
        return float(np.logaddexp.reduce(finite)) if finite else -np.inf

    rng = np.random.default_rng(0)
    lm = TransformersLM(build("gpt2", 23), bos_id=0)
    device, host = lm.sums_over(np.arange(3), np.arange(0)), ByteLM(lm, TOYS["ab"].tokenizer())._reader.host
    for dtype, tolerance in (("float64", 1e-10), ("float32", 3e-5)):
        for _ in range(20):
            texts = np.repeat(np.arange(4), rng.integers(1, 6, size=4))
            sizes = rng.integers(1, 400, size=len(texts))
            parts = [rng.normal(scale=2, size=size) - rng.integers(60, size=size) for size in sizes]
            for part in parts:
                part[rng.random(len(part)) < 0.3] = -np.inf
            weights = (-rng.integers(90, size=len(parts)) * rng.random(len(parts))).tolist()
            cuts: list[tuple[int, int, int]] = []
            logs: dict[tuple[int, int], list[float]] = {}
            before = 0
            for line, part in enumerate(parts):
                starts = [0, *sorted(set(rng.integers(1, len(part) + 1, size=9).tolist()) - {len(part)})]
                bytes = sorted(rng.choice(256, size=len(starts), replace=False).tolist())
                for start, end, byte in zip(starts, [*starts[1:], len(part)], bytes, strict=True):
                    cuts.append((before + start, line, 257 * texts[line] + byte))
                    logs.setdefault((texts[line], byte), []).extend((weights[line] + part[start:end]).tolist())
                before += len(part)
            expected = np.full((4, 257), -np.inf)
            for place, each in logs.items():
                expected[place] = total(each)
            rows = [torch.from_numpy(part).to(getattr(torch, dtype)) for part in parts]
            found = device.ranges(rows, weights, np.array(cuts).T, 4)
            close(found, expected, tolerance)
            totals = np.array([total(part) for part in parts])
            close(device.totals(rows), totals, tolerance)
            as_masses = [_Masses(np.exp(part + 9), -9.0) for part in parts]
            for alike in (parts, as_masses, as_masses[:2] + parts[2:]):
                close(host.ranges(alike, weights, np.array(cuts).T, 4), expected, 1e-10)
                close(host.totals(alike), totals, 1e-10)


def sizes_of_copies(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the size of each tensor that goes to the host from now on."""
    sizes: list[int] = []
    moved = tokseam.torch._to_host

    def move(tensor: Any) -> Any:
        sizes.append(tensor.numel())
        return moved(tensor)

    monkeypatch.setattr(tokseam.torch, "_to_host", move)
    return sizes


def test_no_row_of_the_model_goes_to_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokseam.torch, "HOSTS", ())
    model, tokenizer, _ = bundled_pair()
    state = ByteLM(TransformersLM(model), tokenizer).state(TEXT[:99])
    sizes = sizes_of_copies(monkeypatch)
    monkeypatch.setattr(TransformersLM, "logprobs", None)
    state.next_byte()
    sizes.clear()
    for byte in TEXT[99:140]:
        state.push(bytes([byte])).next_byte()
        # Three numbers for each new context.
        assert sorted(sizes)[-1] == 257
        assert sum(sizes) <= 257 + 3 * 20
        sizes.clear()
    assert state.fork().logprob(TEXT[140:200]) < 0
    assert max(sizes) < 400


def test_what_goes_to_the_host_does_not_grow_with_the_states(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of some states takes one copy for what new rows sum to, one for edges, and one for the rows of bytes."""
    monkeypatch.setattr(tokseam.torch, "HOSTS", ())
    model, tokenizer, _ = bundled_pair()
    root = ByteLM(TransformersLM(model), tokenizer).state()
    states = [root.fork().push(TEXT[start : start + 60]) for start in range(8)]
    ByteState._prepare(states)
    sizes = sizes_of_copies(monkeypatch)
    for step in range(60, 90):
        for start, state in enumerate(states):
            state.push(TEXT[start + step : start + step + 1])
        rows = ByteState._prepare(states)
        assert len(sizes) <= 3
        assert max(sizes) == 8 * 257
        sizes.clear()
    for state, row in zip(states, rows, strict=True):
        close(row.logp, state.fork().push(b"x").pop(1).next_byte().logp, 1e-5)


@pytest.mark.parametrize("hosts", [(), ("cpu",)], ids=["by torch", "in place"])
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_tokens_are_drawn_where_the_rows_are(kind: str, hosts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same seeds draw the same texts from the model and from a function with its rows."""
    monkeypatch.setattr(tokseam.torch, "HOSTS", hosts)
    tokenizer = ours("bundled")
    end = tokenizer.special_tokens["<|endoftext|>"]
    model = build(kind, tokenizer.vocab_size + 3, attention="sdpa", initializer_range=0.15)
    lm = TransformersLM(model, bos_id=end, end_ids=[end])
    pair = [ByteLM(each, tokenizer) for each in (lm, slow(model, end, [end]))]
    texts = set()
    for seed in range(12):
        for options in ({}, {"temperature": 0.7, "top_p": 0.8}, {"temperature": 0, "mask": False}):
            found = [each.generate(TEXT[: 7 + seed], max_bytes=12, seed=seed, **options) for each in pair]
            assert found[0].data == found[1].data
            assert (found[0].finish_reason, found[0].healed) == (found[1].finish_reason, found[1].healed)
            texts.add(found[0].data)
        plans = [each.heal_plan(TEXT[: 7 + seed]) for each in pair]
        drawn = [plan.choose(lm.logprobs(plan.contexts), seed) for plan in plans]
        assert drawn[0].ids == drawn[1].ids
        assert drawn[0].logprob == pytest.approx(drawn[1].logprob, abs=1e-9)
    assert len(texts) > 15


def test_draws_on_the_device_are_those_of_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of very different mass, with ties, barred ids and nothing at all, under the same numbers."""
    monkeypatch.setattr(tokseam.torch, "HOSTS", ())
    lm = TransformersLM(build("gpt2", 23), bos_id=0)
    device = lm.sums_over(np.arange(3), np.arange(0))
    host = ByteLM(FunctionLM(lm.logprobs, vocab_size=23), TOYS["ab"].tokenizer())._reader.host
    rng, drawn = np.random.default_rng(1), set()
    for case in range(400):
        size = int(rng.integers(1, 60))
        logs = np.round(rng.normal(scale=rng.choice([0.1, 3, 200]), size=size), 1)
        logs[rng.random(size) < 0.3] = -np.inf
        allowed = None if case % 3 == 0 else rng.random(size) < 0.7
        if np.isneginf(logs if allowed is None else logs[allowed]).all():
            for sums, row in ((host, logs), (device, torch.from_numpy(logs))):
                with pytest.raises(ModelError, match="no probability to any token"):
                    sums.draw(row, allowed, _Sampling(1.0, 1.0, case))
            continue
        options = float(rng.choice([0, 0.5, 1, 1.7])), float(rng.choice([0.3, 0.9, 1]))
        places = [
            sums.draw(row, allowed, _Sampling(*options, case))
            for sums, row in ((host, logs), (device, torch.from_numpy(logs)))
        ]
        assert places[0] == places[1]
        assert logs[places[0]] > -np.inf
        assert allowed is None or allowed[places[0]]
        drawn.add(places[0])
    assert len(drawn) > 30


class Reads:
    """Counts the numbers of tensors that Python or numpy read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        for name in ("numpy", "tolist", "item", "__array__", "__int__", "__float__", "__bool__", "__index__"):
            monkeypatch.setattr(torch.Tensor, name, self._counting(getattr(torch.Tensor, name)))

    def _counting(self, read: Any) -> Any:
        def counted(tensor: Any, *args: Any, **options: Any) -> Any:
            self.sizes.append(tensor.numel())
            return read(tensor, *args, **options)

        return counted


def test_a_token_takes_two_numbers_to_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokseam.torch, "HOSTS", ())
    model, tokenizer, end = bundled_pair()
    lm = TransformersLM(model, end_ids=[])
    byte_model = ByteLM(lm, tokenizer)
    ids = torch.tensor([tokenizer.encode(TEXT[:99]).tolist()])
    counter = Counter(model)
    reads = Reads(monkeypatch)
    for options in ({"temperature": 0}, {"seed": 3, "top_p": 0.9}, {"seed": 4, "mask": False}):
        lm.clear()
        counter.calls = 0
        reads.sizes.clear()
        byte_model.generate(TEXT[:99], max_bytes=90, **options)
        assert counter.calls > 5
        # For the start, three numbers for each context and each head; the model itself looks whether masks are full.
        assert sum(reads.sizes) <= 60 + 4 * counter.calls
        assert max(reads.sizes) <= 24
    reads.sizes.clear()
    exact = tokseam.torch.generate(byte_model)
    made = model.generate(ids, custom_generate=exact, max_new_tokens=6, do_sample=True, top_k=0, pad_token_id=end)
    assert max(size for size in reads.sizes if size != ids.numel()) <= 24
    assert made.shape[1] > 20


@pytest.mark.parametrize("hosts", [(), ("cpu",)], ids=["by torch", "in place"])
def test_logits_that_are_none(hosts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokseam.torch, "HOSTS", hosts)
    model, tokenizer, _ = bundled_pair()
    state = ByteLM(TransformersLM(model), tokenizer).state(TEXT[:30])
    row = state.next_byte()
    state.push(TEXT[30:31])

    def spoil(_model: Any, _args: Any, made: Any) -> Any:
        made.logits[..., 7] = float("nan")
        return made

    handle = model.register_forward_hook(spoil)
    try:
        with pytest.raises(ModelError, match="nan or infinity"):
            state.next_byte()
        for temperature in (0, 1):
            with pytest.raises(ModelError, match="nan or infinity"):
                state._model.generate(TEXT[:29], max_bytes=3, temperature=temperature)
    finally:
        handle.remove()
    assert np.array_equal(state.pop(1).next_byte().logp, row.logp)


@pytest.mark.parametrize("hosts", [(), ("cpu",)], ids=["by torch", "in place"])
@pytest.mark.parametrize("scale", [0.0, 1.0, 60.0, 900.0])
def test_logits_of_any_size(scale: float, hosts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of probabilities where they can be, of logarithms where some are too small, against rows in numpy."""
    monkeypatch.setattr(tokseam.torch, "HOSTS", hosts)
    model, tokenizer, end = bundled_pair("float64")

    def grow(_model: Any, _args: Any, made: Any) -> Any:
        # An addend of all logits says nothing, and an id may be one that cannot come.
        made.logits.mul_(scale).add_(500.0)[..., 11] = -np.inf
        return made

    lm = TransformersLM(model)
    handle = model.register_forward_hook(grow)
    try:
        fn = FunctionLM(lm.logprobs, vocab_size=lm.vocab_size, end_ids=[end])
        for normalize in ("ratio", "local"):
            pair = [ByteLM(each, tokenizer, normalize=normalize).state(TEXT[:20]) for each in (lm, fn)]
            for byte in TEXT[20:30]:
                rows = [state.push(bytes([byte])).next_byte() for state in pair]
                close(np.exp(rows[0].logp), np.exp(rows[1].logp), 1e-10)
                assert rows[0].leak == pytest.approx(rows[1].leak, abs=1e-10)
    finally:
        handle.remove()


@functools.cache
def bundled_pair(dtype: str = "float32", attention: str = "sdpa") -> tuple[Any, Tokenizer, int]:
    """Return a random model for the bundled tokenizer, the tokenizer and the id that ends a text."""
    tokenizer = ours("bundled")
    end = tokenizer.special_tokens["<|endoftext|>"]
    options = {"n_positions": 2048, "initializer_range": 0.1, "bos_token_id": end, "eos_token_id": end}
    return build("gpt2", tokenizer.vocab_size, dtype=dtype, attention=attention, **options), tokenizer, end


@pytest.mark.parametrize("block", [1, 1 << 17])
def test_batches_equal_single_prompts(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_HostSums, "block", block)
    model, tokenizer, _ = bundled_pair()
    prompts = [TEXT[:size] for size in (0, 1, 7, 20, 33, 60, 101, 200)]
    single = np.stack([ByteLM(TransformersLM(model), tokenizer).state(one).next_byte().logp for one in prompts])
    order = random.Random(2).sample(range(8), 8)
    counter = Counter(model)
    for places in (range(8), order):
        lm = TransformersLM(model)
        counter.calls = 0
        rows = ByteLM(lm, tokenizer).next_byte_logprobs([prompts[place] for place in places])
        assert counter.calls == 1
        close(rows, single[list(places)], 1e-5)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_eager_and_sdpa_agree_on_a_plan(kind: str) -> None:
    plans: list[list[tuple[int, ...]]] = [
        [(3, 4, 5)],
        [(3, 4, 5, 6, 7), (3, 4, 5, 6, 8), (3, 4, 9), (2,)],
        [(3, 4, 9, 9), (3, 4, 5, 6, 8, 1)],
    ]
    rows = []
    for attention in ("eager", "sdpa"):
        lm = TransformersLM(build(kind, 23, dtype="float32", attention=attention), bos_id=0)
        assert lm.reason is None
        rows.append(np.concatenate([lm.logprobs(plan) for plan in plans]))
    close(rows[0], rows[1], 1e-5)


def test_calls() -> None:
    model, tokenizer, _ = bundled_pair()
    byte_model, counter = ByteLM(TransformersLM(model), tokenizer), Counter(model)
    text = (TEXT * 20)[:4000]
    state = byte_model.state(text)
    state.next_byte()
    assert counter.calls == 1
    # The prompt is computed once, and each step little more than what it adds.
    assert counter.tokens < len(tokenizer.encode(text)) + 40
    counter.calls = counter.tokens = 0
    for byte in TEXT[:200]:
        state.push(bytes([byte])).next_byte()
    assert 150 < counter.calls <= 200
    assert counter.tokens <= 1.15 * 200
    counter.calls = counter.tokens = 0
    other = state.fork().pop(20)
    other.next_byte()
    state.push(b" ").next_byte()
    assert counter.calls <= 2
    assert counter.tokens <= 40


def test_slots_that_no_context_asks_for_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokseam.torch, "STAY", 4)
    monkeypatch.setattr(tokseam.torch, "SLOTS", 40)
    model = build("llama", 23, attention="sdpa")
    lm, twin = TransformersLM(model, bos_id=0), slow(model, 0)
    rng = random.Random(3)
    known: list[tuple[int, ...]] = [()]
    gathered = 0
    for _ in range(200):
        base = rng.choice(known[-3:])[:60]
        contexts = [(*base, *(rng.randrange(23) for _ in range(rng.randrange(1, 5)))) for _ in range(2)]
        before = len(lm._tree)
        known += contexts
        close(lm.logprobs(contexts), twin.logprobs(contexts), 1e-10)
        gathered += len(lm._tree) < before
        assert len(lm._tree) == lm._cache.layers[0].size <= 300
    assert gathered > 5
    # A mask that would be too large: fewer contexts a forward, or none of the cache.
    monkeypatch.setattr(tokseam.torch, "MASK_SIZE", 200)
    for count in (1, 6):
        contexts = [(*known[-1][:40], *(rng.randrange(23) for _ in range(9))) for _ in range(count)]
        close(lm.logprobs(contexts), twin.logprobs(contexts), 1e-10)


# Small models of many kinds: the type, what its configuration has beyond `SIZES`, and whether its contexts are a tree.
# Windows are shorter than the contexts, and so is what a rotary embedding takes for short.
YARN = {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e4, "original_max_position_embeddings": 16}
LONG = {
    "rope_type": "longrope",
    "factor": 4.0,
    "rope_theta": 1e4,
    "original_max_position_embeddings": 8,
    "short_factor": [1.0] * 4,
    "long_factor": [2.0] * 4,
}
KINDS: dict[str, tuple[str, dict[str, Any], bool]] = {
    "positions that are learned": ("gpt2", {}, True),
    "positions with an offset": ("opt", {"word_embed_proj_dim": 16, "ffn_dim": 48}, True),
    "rotary positions": ("gpt_neox", {}, True),
    "rotary positions of few": ("gptj", {"rotary_dim": 4}, True),
    "sparse experts": ("mixtral", {"num_local_experts": 4, "sliding_window": None}, True),
    "a stretched embedding": ("llama", {"rope_parameters": YARN}, True),
    "an embedding by the length": ("llama", {"rope_parameters": LONG}, False),
    "an embedding that grows": (
        "llama",
        {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}},
        False,
    ),
    "no window": ("mistral", {"sliding_window": None}, True),
    "a sliding window": ("mistral", {"sliding_window": 4}, False),
    "a window in the upper layers": (
        "qwen2",
        {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1},
        False,
    ),
    "a window that is off": ("qwen2", {"use_sliding_window": False}, True),
    "windows by turns": ("gemma2", {"sliding_window": 4, "query_pre_attn_scalar": 8}, False),
    "windows by turns, two embeddings": ("gemma3_text", {"sliding_window": 4, "sliding_window_pattern": 2}, False),
    "sinks": ("gpt_oss", {"sliding_window": 4, "num_local_experts": 4, "num_experts_per_tok": 2}, False),
    "chunks": ("llama4_text", {"attention_chunk_size": 4, "num_local_experts": 2, "intermediate_size_mlp": 48}, False),
    "local attention": ("gpt_neo", {"attention_types": [[["global", "local"], 1]], "window_size": 4}, False),
    "global attention": ("gpt_neo", {"attention_types": [[["global"], 2]]}, True),
    "slopes": ("bloom", {}, False),
    "slopes by an option": ("falcon", {"alibi": True, "head_dim": None}, False),
    "no slopes": ("falcon", {"alibi": False, "head_dim": None}, True),
    "slopes without a mask": ("mpt", {"d_model": 32, "n_heads": 4, "max_seq_len": 64}, False),
    "a recurrent state": ("mamba", {"state_size": 4}, False),
    "a recurrent state of heads": (
        "mamba2",
        {"state_size": 4, "num_heads": 8, "head_dim": 8, "n_groups": 1, "chunk_size": 8},
        False,
    ),
    "a recurrence and windows": (
        "recurrent_gemma",
        {"lru_width": 32, "attention_window_size": 4, "block_types": ["recurrent", "attention"]},
        False,
    ),
    "a recurrence and attention": (
        "jamba",
        {
            "mamba_d_state": 4,
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "num_experts": 2,
            "use_mamba_kernels": False,
        },
        False,
    ),
    "positions that count padding": ("roberta", {"is_decoder": True}, False),
    "a decoder that was an encoder": ("bert", {"is_decoder": True}, True),
}
SIZES = {
    "vocab_size": 23,
    "bos_token_id": 0,
    "eos_token_id": 22,
    "pad_token_id": 1,
    "initializer_range": 0.3,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "num_key_value_heads": 2,
    "head_dim": 8,
}


def of_kind(name: str) -> Any:
    """Return a random model, each weight moved, so that no part of it is without effect."""
    kind, options, _ = KINDS[name]
    plain = transformers.AutoConfig.for_model(kind)
    given = {key: value for key, value in (SIZES | options).items() if key in options or hasattr(plain, key)}
    made = type(plain)(**{key: value for key, value in given.items() if value is not None or key == "sliding_window"})
    torch.manual_seed(0)
    # The matrices of experts are multiplied in groups, which takes no float64.
    dtype = torch.float32 if hasattr(made, "num_local_experts") else torch.float64
    model = transformers.AutoModelForCausalLM.from_config(made).to(dtype).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.1 * torch.randn_like(weight)
    return model


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_model(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a tree or as sequences, each context has the row that it has alone, whatever stands beside it."""
    model = of_kind(name)
    lm, twin = TransformersLM(model), slow(model, 0)
    assert (lm.reason is None) is KINDS[name][2], lm.reason
    tolerance = 1e-4 if next(model.parameters()).dtype == torch.float32 else 1e-5
    # What stands before the last id counts.
    rows = twin.logprobs([(2, 3), (7, 3)])
    assert np.abs(rows[0] - rows[1]).max() > 1e-3
    rng = random.Random(4)
    known: list[tuple[int, ...]] = [()]
    for _ in range(5):
        contexts = []
        for _ in range(rng.randrange(1, 5)):
            base = rng.choice(known[-6:])
            base = base[: rng.randrange(len(base) + 1)] if rng.random() < 0.3 else base
            contexts.append((*base, *(rng.randrange(2, 22) for _ in range(rng.choice([0, 1, 1, 2, 9]))))[:40])
        known += contexts
        close(lm.logprobs(contexts), twin.logprobs(contexts), tolerance)
    if lm.reason is not None:
        # Few at a time.
        monkeypatch.setattr(tokseam.torch, "LOGITS_SIZE", 30)
        lm.clear()
        close(lm.logprobs(known[-4:]), twin.logprobs(known[-4:]), tolerance)


def test_sequences_that_differ_side_by_side_go_alone() -> None:
    """A model that is another one beside longer texts, which its configuration does not tell, is found by the trial."""
    model = of_kind("a sliding window")

    def shift(_model: Any, _args: Any, options: dict[str, Any], made: Any) -> Any:
        ids = options["input_ids"]
        if (ids[:, -1] == ids[:, -2]).any():
            made.logits = made.logits.flip(-1)
        return made

    model.register_forward_hook(shift, with_kwargs=True)
    lm, contexts = TransformersLM(model), [(2, 3), (2, 3, 4, 5, 6, 7), (5,), (9,)]
    counter = Counter(model)
    rows = lm.logprobs(contexts)
    assert counter.calls == 3
    close(rows, slow(model, 0).logprobs(contexts), 1e-10)


def test_models_that_are_not_causal_are_refused() -> None:
    both = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 1, "num_heads": 4, "decoder_start_token_id": 0}
    heads = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4, "decoder_attention_heads": 4}
    for made in (
        transformers.T5ForConditionalGeneration(transformers.T5Config(vocab_size=23, **both)),
        transformers.BartForConditionalGeneration(transformers.BartConfig(vocab_size=23, d_model=32, **heads)),
    ):
        with pytest.raises(ModelError, match="reads one text and writes another"):
            TransformersLM(made)
    encoder = transformers.BertConfig(**{key: SIZES[key] for key in list(SIZES)[:-2]})
    for made in (transformers.BertLMHeadModel(encoder), transformers.BertForMaskedLM(encoder)):
        with pytest.raises(ModelError, match="not causal"):
            TransformersLM(made)
    for made in (build("gpt2", 23).transformer, transformers.BertForSequenceClassification(encoder).double()):
        with pytest.raises(ModelError, match="no logits"):
            TransformersLM(made)
    with pytest.raises(TypeError, match="Linear"):
        TransformersLM(torch.nn.Linear(2, 3))


@pytest.mark.parametrize("kept", ["static", "quantized", "offloaded", "hybrid"])
def test_the_cache_is_our_own(kept: str) -> None:
    """What `generate` of a model would keep its keys in does not matter."""
    model = build("llama", 23)
    model.generation_config.cache_implementation = kept
    lm, twin = TransformersLM(model, bos_id=0), slow(model, 0)
    assert lm.reason is None
    for contexts in ([(1, 2, 3)], [(1, 2, 3, 4), (1, 2, 5)]):
        close(lm.logprobs(contexts), twin.logprobs(contexts), 1e-5)


def test_a_mask_that_is_not_heeded_is_noticed() -> None:
    """An attention of the right name that forgets its mask is found by the trial."""
    model = build("llama", 23)

    def forget(_model: Any, args: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        mask = options.get("attention_mask")
        if mask is not None and mask.dim() == 4:
            options["attention_mask"] = None
        return args, options

    model.register_forward_pre_hook(forget, with_kwargs=True)
    lm = TransformersLM(model, bos_id=0)
    assert lm.reason is not None
    assert "mask" in lm.reason
    close(lm.logprobs([(1, 2), (1, 3)]), slow(model, 0).logprobs([(1, 2), (1, 3)]), 1e-10)


def test_bad_input_leaves_everything_as_it_was() -> None:
    model = build("gpt2", 23, n_positions=16)
    lm, twin = TransformersLM(model), slow(model)
    assert (lm.bos_id, lm.end_ids, lm.vocab_size, lm.window) == (None, (22,), 23, 16)
    before = lm.logprobs([(1, 2, 3)])
    size = len(lm._tree)
    with pytest.raises(ModelError, match=r"17 ids.*window of 16"):
        lm.logprobs([(1, 2, 4), (1,) * 17])
    with pytest.raises(ModelError, match="context_ids"):
        lm.logprobs([(1, 2, 4), ()])
    for wrong in (-1, 23):
        with pytest.raises(ModelError, match=f"id {wrong} in a context is not among the 23"):
            lm.logprobs([(1, 2, 4), (1, wrong)])
    assert len(lm._tree) == size
    assert np.array_equal(lm.logprobs([(1, 2, 3)]), before)
    close(lm.logprobs([(1, 2, 4)]), twin.logprobs([(1, 2, 4)]), 1e-10)
    assert lm.logprobs([]).shape == (0, 23)
    for wrong in (-1, 23):
        with pytest.raises(ValueError, match="not among the 23"):
            TransformersLM(model, bos_id=wrong)
        with pytest.raises(ValueError, match="not among the 23"):
            TransformersLM(model, end_ids=[wrong])
    assert TransformersLM(model, end_ids=[]).end_ids == ()
    assert TransformersLM(model, end_ids=3).end_ids == (3,)
    with pytest.raises(ModelError, match="do not belong together"):
        ByteLM(lm, ours("bundled"))


def test_a_full_window_leaves_the_state() -> None:
    case = TOYS["ab"].tokenizer()
    model = build("gpt2", case.vocab_size, n_positions=8)
    state = ByteLM(TransformersLM(model, bos_id=0), case).state(b"babbabba")
    with pytest.raises(ModelError, match="window"):
        state.push(b"abbbbbbbbbbbbb").next_byte()
    row = state.pop(18).next_byte()
    twin = ByteLM(slow(model, 0, [case.vocab_size - 1]), case).state(b"babb")
    close(row.logp, twin.next_byte().logp, 1e-10)


def test_a_failed_forward_leaves_the_cache() -> None:
    model = build("llama", 23)
    lm, twin = TransformersLM(model, bos_id=0), slow(model, 0)
    lm.logprobs([(1, 2, 3)])

    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    handle = model.model.layers[1].register_forward_pre_hook(fail)
    with pytest.raises(KeyboardInterrupt):
        lm.logprobs([(1, 2, 4), (1, 5)])
    handle.remove()
    contexts = [(1, 2, 4), (1, 2, 3, 5), (1, 5)]
    close(lm.logprobs(contexts), twin.logprobs(contexts), 1e-10)


def test_bos_is_added_once() -> None:
    model = build("llama", 23, bos_token_id=4)
    lm = TransformersLM(model)
    assert lm.bos_id == 4
    left, right = lm.logprobs([(4, 1), (1,)])
    assert np.array_equal(left, right)
    close(left, slow(model).logprobs([(4, 1)])[0], 1e-10)
    # The default of GPT-2's configuration is an id that a small model has no row for.
    assert TransformersLM(build("gpt2", 23, bos_token_id=50256)).bos_id is None


def test_training_mode_and_other_types_start_anew() -> None:
    model = build("gpt2", 23, dtype="float32")
    model.train()
    lm = TransformersLM(model, bos_id=0)
    contexts = [(1, 2, 3), (1, 4)]
    close(lm.logprobs(contexts), slow(model, 0).logprobs(contexts), 1e-5)
    model.train()
    with torch.no_grad():
        model.transformer.wte.weight += 0.1
    close(lm.logprobs(contexts), slow(model, 0).logprobs(contexts), 1e-5)
    model.double()
    rows = lm.logprobs(contexts)
    assert rows.dtype == np.float64
    close(rows, slow(model, 0).logprobs(contexts), 1e-10)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision(dtype: str) -> None:
    model = build("llama", 23, dtype=dtype, attention="sdpa", initializer_range=0.1)
    lm = TransformersLM(model, bos_id=0)
    assert lm.reason is None
    contexts = [(1, 2, 3), (1, 2, 4, 5), (7,)]
    rows = lm.logprobs(contexts)
    assert rows.dtype == np.float32
    # The sums are as good as float32 makes them.
    np.testing.assert_allclose(np.exp(rows.astype(np.float64)).sum(axis=1), 1, atol=1e-6)
    close(rows, slow(model, 0).logprobs(contexts), 0.05)


def test_pickle_and_threads() -> None:
    model = build("llama", 23, attention="sdpa")
    lm, twin = TransformersLM(model, bos_id=0, end_ids=[5]), slow(model, 0)
    contexts = [(1, 2, 3), (1, 2, 4)]
    rows = lm.logprobs(contexts)
    again = pickle.loads(pickle.dumps(lm))
    assert (again.bos_id, again.end_ids, again.vocab_size, len(again._tree)) == (0, (5,), 23, 0)
    close(again.logprobs(contexts), rows, 1e-10)
    wrong = []

    def work(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(20):
            context = tuple(rng.randrange(3) for _ in range(rng.randrange(9)))
            if np.abs(lm.logprobs([context]) - twin.logprobs([context])).max() > 1e-10:
                wrong.append(context)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("name", ["fim", "stories260k"])
def test_trained_models(name: str) -> None:
    folder = vocabularies.SHARED / "models" / name
    if not folder.exists():
        missing(f"{folder} is not here")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = Tokenizer.from_file(folder / "tokenizer.json")
    lm = TransformersLM(model)
    assert lm.reason is None
    assert lm.bos_id == model.config.bos_token_id
    text = b"def add(a, b):\n    return a + b\n" if name == "fim" else b"Once upon a time there was"
    state = ByteLM(lm, tokenizer).state(text[:9])
    twin = ByteLM(slow(model, lm.bos_id, lm.end_ids), tokenizer).state(text[:9])
    for byte in text[9:]:
        close(state.push(bytes([byte])).next_byte().logp, twin.push(bytes([byte])).next_byte().logp, 1e-4)
    assert ByteLM(lm, tokenizer).generate(text[:-1], max_bytes=8, temperature=0).data


@pytest.mark.skipif(not FULL, reason="SmolLM2-135M takes minutes: only in the full volume")
def test_smollm2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real model of a real vocabulary: rows without cache, and a sum over covers that is no less than one of them."""
    for name in ("gguf", "accelerate"):
        pytest.importorskip(name, reason=f"transformers reads the file of SmolLM2 with {name}")
    try:
        (tmp_path / "smollm2.gguf").write_bytes(vocabularies.SMOLLM2.read())
    except vocabularies.Missing as error:
        pytest.skip(str(error))
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    example = runpy.run_path(str(ROOT / "examples" / "covers.py"))
    model, host = example["load"](tmp_path)
    lm, tokenizer = TransformersLM(model), Tokenizer.from_hf(host)
    assert lm.reason is None
    text = b"def add(first, second):\n    return fir"
    found = example["measure"](lm, tokenizer, text)
    assert 0 < found["bits"] <= found["token_bits"] + 1e-3
    exact, *others = found["tolerances"].values()
    assert exact["contexts"] >= len(text)
    assert all(other["contexts"] < exact["contexts"] for other in others)
    state = ByteLM(lm, tokenizer).state(text)
    twin = ByteLM(slow(model, lm.bos_id, lm.end_ids), tokenizer).state(text)
    for byte in b"st + s":
        close(state.push(bytes([byte])).next_byte().logp, twin.push(bytes([byte])).next_byte().logp, 1e-3)
    assert ByteLM(lm, tokenizer).generate(text, max_bytes=2, temperature=0).data == b"st"


@pytest.mark.parametrize("host", [False, True])
def test_generate_of_transformers(host: bool) -> None:
    model, tokenizer, end = bundled_pair()
    byte_model = ByteLM(TransformersLM(model), tokenizer)
    for prompt in (b"def tot", b"return sum(val", b"    "):
        ids = torch.tensor([tokenizer.encode(prompt).tolist()])
        given = tokenizer.to_hf(eos_token="<|endoftext|>") if host else tokenizer
        counter = Counter(model)
        made = model.generate(ids, custom_generate=tokseam.torch.generate(given), max_new_tokens=8, do_sample=False)
        assert made.dtype == torch.int64
        data = tokenizer.decode_bytes([id for id in made[0].tolist() if id != end])
        assert data.startswith(prompt)
        rest = byte_model.generate(prompt, max_bytes=len(data) - len(prompt), temperature=0)
        assert data[len(prompt) :].startswith(rest.data)
        assert counter.calls > 5
        loose = tokseam.torch.generate(given, mask=False)
        made = model.generate(ids, custom_generate=loose, max_new_tokens=2, do_sample=False)
        assert tokenizer.decode_bytes([id for id in made[0].tolist() if id != end]).startswith(prompt)


def test_prompts_keep_their_bytes() -> None:
    """What token healing in transformers takes away stays: outer white space, line ends, and special tokens."""
    _, tokenizer = bundled()
    special = tokenizer.special_tokens
    end = special["<|endoftext|>"]
    model = build("gpt2", tokenizer.vocab_size, dtype="float32", bos_token_id=end, eos_token_id=end)
    before, between, behind = (special[f"<|fim_{part}|>"] for part in ("prefix", "suffix", "middle"))
    exact = tokseam.torch.generate(tokenizer)
    for prompt in (b"    return x", b"x = 1\n", b"x = 1 ", b"\tif x:\r\n\t", "# caf\u00e9\n".encode()):
        ids = tokenizer.encode(prompt).tolist()
        fill = [before, *tokenizer.encode(b" x\r\n").tolist(), between, *tokenizer.encode(b"\n y ").tolist(), behind]
        for fixed in ([], fill):
            options = {"custom_generate": exact, "max_new_tokens": 3, "do_sample": False, "eos_token_id": end}
            made = model.generate(torch.tensor([fixed + ids]), **options)[0].tolist()
            assert made[: len(fixed)] == fixed
            text = b"".join(tokenizer.token_bytes(id) for id in made[len(fixed) :] if id != end)
            assert text.startswith(prompt)


def test_generate_of_transformers_draws_texts_as_bytes_do() -> None:
    """The first byte behind the prompt has the distribution of the exact row."""
    tokenizer = TOYS["ab"].tokenizer()
    model = build("gpt2", tokenizer.vocab_size, dtype="float32", initializer_range=0.5)
    end = tokenizer.special_tokens["<end>"]
    byte_model = ByteLM(TransformersLM(model, bos_id=0, end_ids=[end]), tokenizer, normalize="sum")
    row = np.exp(byte_model.state(b"aba").next_byte().logp)
    ids = torch.tensor([tokenizer.encode("aba").tolist()] * 2000)
    torch.manual_seed(5)
    made = model.generate(
        ids,
        custom_generate=tokseam.torch.generate(byte_model),
        do_sample=True,
        max_new_tokens=1,
        top_k=0,
        pad_token_id=end,
    )
    counts = {97: 0, 98: 0, 256: 0}
    for line in made.tolist():
        data = b"".join(b"" if id == end else tokenizer.token_bytes(id) for id in line)
        assert data.startswith(b"aba")
        counts[data[3] if len(data) > 3 else 256] += 1
    for byte, count in counts.items():
        assert abs(count / 2000 - row[byte]) < 4.5 * np.sqrt(row[byte] * (1 - row[byte]) / 2000) + 1e-9


def test_generate_of_transformers_with_a_batch() -> None:
    model, tokenizer, end = bundled_pair()
    prompts = [b"def tot", b"class Words(di"]
    lines = [tokenizer.encode(prompt).tolist() for prompt in prompts]
    width = max(map(len, lines))
    ids = torch.tensor([[end] * (width - len(line)) + line for line in lines])
    mask = torch.tensor([[0] * (width - len(line)) + [1] * len(line) for line in lines])
    options: dict[str, Any] = {
        "custom_generate": tokseam.torch.generate(tokenizer),
        "max_length": width + 6,
        "pad_token_id": end,
    }
    made = model.generate(ids, attention_mask=mask, **options)
    for line, prompt, together in zip(lines, prompts, made.tolist(), strict=True):
        single = model.generate(torch.tensor([line]), **options)[0].tolist()
        assert together[: len(single)] == single
        assert tokenizer.decode_bytes([id for id in single if id != end]).startswith(prompt)
    whole = model.generate(ids[1:], **options, return_dict_in_generate=True)
    assert whole.sequences[0].tolist() == made[1].tolist()[: whole.sequences.shape[1]]


def test_what_generate_of_transformers_refuses() -> None:
    model, tokenizer, _ = bundled_pair()
    ids = torch.tensor([[5, 6]])
    with pytest.raises(ValueError, match=r"generate\(tokenizer\)"):
        model.generate(ids, custom_generate=tokseam.torch.generate, tokenizer=tokenizer, max_new_tokens=2)
    with pytest.raises(ValueError, match="num_beams"):
        model.generate(ids, custom_generate=tokseam.torch.generate(tokenizer), num_beams=2, max_new_tokens=2)
    other = ByteLM(TransformersLM(build("gpt2", tokenizer.vocab_size)), tokenizer)
    with pytest.raises(ValueError, match="not over"):
        model.generate(ids, custom_generate=tokseam.torch.generate(other), max_new_tokens=2)
