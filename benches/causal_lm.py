"""Byte models over a model of transformers: against the model's own time, and against transformers' `generate`.

    python benches/causal_lm.py            # prints and records; without torch it says so and does nothing

One thread, random weights: 4 layers, width 256, the 4,096 ids of the model in the package. Every figure is the median
of rounds in which both sides take turns, so that a busy machine slows both.
"""

import argparse
import importlib.metadata
import inspect
import json
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from figures import record

from tokseam.bytelm import ByteLM, FunctionLM, bundled

try:
    import torch
    import transformers

    from tokseam.torch import TransformersLM
except ImportError as error:
    print(f"left out: {error}", file=sys.stderr)
    sys.exit(0)


def build(vocab: int, end: int) -> Any:
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=vocab, n_layer=4, n_embd=256, n_head=8, n_positions=2048, bos_token_id=end, eos_token_id=end
    )
    return transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()


def prompts(count: int, size: int) -> list[bytes]:
    """Return pieces of the standard library that end inside a word."""
    data = b"".join(inspect.getsource(module).encode() for module in (json, random, statistics, argparse))
    rng, found = random.Random(0), list[bytes]()
    while len(found) < count:
        end = rng.randrange(size, len(data) - 1)
        piece = data[end - size : end]
        if data[end - 2 : end + 2].isalpha() and piece.isascii():
            found.append(piece)
    return found


class Recorder(TransformersLM):
    """A model that notes the contexts of each call, and the time that the forwards take."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.calls: list[list[tuple[int, ...]]] = []
        self.seconds = 0.0
        self._hooks = [model.register_forward_pre_hook(self._begin), model.register_forward_hook(self._finish)]

    def _begin(self, *_: Any) -> None:
        self._since = time.perf_counter()

    def _finish(self, *_: Any) -> None:
        self.seconds += time.perf_counter() - self._since

    def remove(self) -> None:
        for hook in self._hooks:
            hook.remove()

    def _logprobs(self, contexts: Any) -> Any:
        self.calls.append([tuple(context) for context in contexts])
        return super()._logprobs(contexts)


def plain(model: Any, calls: list[list[tuple[int, ...]]], bos: int) -> float:
    """Return the seconds that the model needs for the contexts of calls with transformers' own cache.

    One forward for each context, of what is new in it, behind a cache cut back to what it shares with the last one:
    what one would write without a tree. The log-softmax and the way to the host belong to it.
    """
    cache, ids = transformers.DynamicCache(config=model.config), list[int]()
    start = time.perf_counter()
    with torch.no_grad():
        for contexts in calls:
            for context in contexts:
                whole = [bos, *context]
                same = 0
                while same < min(len(ids), len(whole) - 1) and ids[same] == whole[same]:
                    same += 1
                if same < len(ids):
                    cache.crop(same - len(ids))
                logits = model(
                    input_ids=torch.tensor([whole[same:]]), cache=cache, use_cache=True, logits_to_keep=1
                ).logits
                torch.log_softmax(logits[0].float(), -1).numpy()
                ids = whole
    return time.perf_counter() - start


def decode(model: Any, tokenizer: Any, end: int, text: bytes, count: int) -> dict[str, float]:
    """Ask for the row of each of the last bytes of a text, then let the model alone answer the same calls."""
    recorder = Recorder(model)
    state = ByteLM(recorder, tokenizer).state(text[:-count])
    state.next_byte()
    prefill = recorder.calls
    recorder.calls, recorder.seconds = [], 0.0
    start = time.perf_counter()
    for byte in text[-count:]:
        state.push(bytes([byte])).next_byte()
    ours = time.perf_counter() - start
    inside = recorder.seconds
    calls = recorder.calls
    recorder.remove()
    theirs = plain(model, prefill + calls, end) - plain(model, prefill, end)
    return {
        "ours": ours / count,
        "forward": inside / count,
        "model": theirs / count,
        "calls": len(calls) / count,
        "contexts": sum(map(len, calls)) / count,
    }


def complete(model: Any, tokenizer: Any, prompt: bytes, count: int) -> dict[str, float]:
    """Complete greedily, and let transformers generate as many tokens behind the tokens of the prompt."""
    byte_model = ByteLM(TransformersLM(model, end_ids=[]), tokenizer)
    lm: Any = byte_model.lm
    ids = torch.tensor([[lm.bos_id, *tokenizer.encode(prompt).tolist()]])
    counted = 0

    def count_call(*_: Any) -> None:
        nonlocal counted
        counted += 1

    handle = model.register_forward_pre_hook(count_call)
    start = time.perf_counter()
    done = byte_model.generate(prompt, max_bytes=count, temperature=0)
    ours = time.perf_counter() - start
    handle.remove()
    tokens = counted
    start = time.perf_counter()
    made = model.generate(ids, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False, pad_token_id=lm.bos_id)
    theirs = time.perf_counter() - start
    assert made.shape[1] == ids.shape[1] + tokens
    return {"ours": ours / tokens, "generate": theirs / tokens, "tokens": tokens, "bytes": len(done.data)}


def medians(one: Callable[[bytes], dict[str, float]], texts: list[bytes]) -> dict[str, float]:
    one(texts[0])
    found = [one(text) for text in texts]
    return {name: statistics.median(each[name] for each in found) for name in found[0]}


def check(model: Any, tokenizer: Any, end: int, prompt: bytes) -> float:
    """Return how far rows are from those of the model asked without cache."""

    def fn(contexts: list[tuple[int, ...]]) -> Any:
        with torch.no_grad():
            rows = [model(torch.tensor([[end, *ids]])).logits[0, -1].log_softmax(-1) for ids in contexts]
        return torch.stack(rows).numpy()

    slow = ByteLM(FunctionLM(fn, vocab_size=model.config.vocab_size, end_ids=[end]), tokenizer).state(prompt)
    fast = ByteLM(TransformersLM(model), tokenizer).state(prompt)
    off = 0.0
    for byte in b"the value":
        pair = fast.push(bytes([byte])).next_byte().logp, slow.push(bytes([byte])).next_byte().logp
        off = max(off, float(np.abs(np.exp(pair[0]) - np.exp(pair[1])).max()))
    return off


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--bytes", type=int, default=100, help="bytes decoded in a round")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="one short round: to see that it runs")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.bytes = 1, 10
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    _, tokenizer = bundled()
    end = tokenizer.special_tokens["<|endoftext|>"]
    model = build(tokenizer.vocab_size, end)
    texts = prompts(options.rounds, 400)
    off = check(model, tokenizer, end, texts[0])
    assert off < 1e-5, f"rows are {off} from those of the model"
    longer = prompts(options.rounds, 400 + options.bytes)
    by_bytes = medians(lambda text: decode(model, tokenizer, end, text, options.bytes), longer)
    by_tokens = medians(lambda text: complete(model, tokenizer, text, options.bytes), texts)
    found: dict[str, Any] = {
        "decode, ms a byte": {name: 1e3 * by_bytes[name] for name in ("ours", "forward", "model")}
        | {
            "ratio": by_bytes["ours"] / by_bytes["model"],
            # What stands outside the forwards, as a factor.
            "ratio to its forwards": by_bytes["ours"] / by_bytes["forward"],
            "calls": by_bytes["calls"],
            "contexts": by_bytes["contexts"],
        },
        "complete, ms a token": {name: 1e3 * by_tokens[name] for name in ("ours", "generate")}
        | {"ratio": by_tokens["ours"] / by_tokens["generate"], "tokens": by_tokens["tokens"]},
        "largest difference": off,
    }
    if options.json:
        print(json.dumps(found, indent=2))
        return
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "transformers"))
    print(f"{versions}, one thread of {platform.processor() or platform.machine()}, {options.rounds} rounds")
    for title, figures in found.items():
        if isinstance(figures, dict):
            print(f"{title}: " + ", ".join(f"{name} {value:.3f}" for name, value in figures.items()))
    print(f"largest difference to the model without cache: {off:.1e}")
    if not options.quick:
        about = {"vocabulary": "bundled", "text": "code", "equal": f"rows within {off:.0e}"}
        record("causal_lm", [about | {"what": name} | found[name] for name in found if isinstance(found[name], dict)])


if __name__ == "__main__":
    main()
