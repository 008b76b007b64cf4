"""Measure canonicality against the check that people write: decode and encode again with `tokenizers`.

    python benches/phantom.py             # prints a table and records it
    python benches/phantom.py --quick     # a few documents: to see that it runs

For each vocabulary, on the canonical ids of real documents: ids judged a second by `is_canonical`, by the check with
`tokenizers`, and their ratio, printed only where both give the same answers on these ids and on damaged copies of them;
seconds for ten million ids in one sequence; ids a second of a `Detector`; milliseconds of a new row of next tokens; and
seconds for `fuzz.audit` of a tokenizer that is new.
Time is `time.thread_time`, in the median of some passes.

With torch and transformers also what `CanonicalLogitsProcessor` costs: seconds to make one, and the milliseconds of a
step of `generate` with and without it, for a batch of 8 that a small random model samples at temperature 2. Of what is
sampled with it nothing may be broken.
"""

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tokenizers
from figures import record
from sources import corpora, ours, vocabulary

from tokseam import Tokenizer, VocabError, _native, fuzz, phantom

VOCABULARIES = ("cl100k", "o200k", "llama3", "gpt2", "superbpe")


def seconds(call: Callable[[], object], passes: int) -> float:
    times = []
    for _ in range(passes):
        start = time.thread_time()
        call()
        times.append(time.thread_time() - start)
    return statistics.median(times)


def measure(name: str, documents: list[str], passes: int) -> dict[str, Any]:
    tokenizer, rng = ours(name), random.Random(0)
    tree = json.loads(vocabulary(name))
    tree["post_processor"] = None
    stock = tokenizers.Tokenizer.from_str(json.dumps(tree))
    rows = []
    for text in documents:
        try:
            rows.append(tokenizer.encode(text))
        except VocabError:
            continue
    lists = [row.tolist() for row in rows]

    def again(row: list[int]) -> bool:
        return bool(stock.encode(stock.decode(row, skip_special_tokens=False)).ids == row)

    damaged = []
    for row in lists:
        place = rng.randrange(len(row))
        damaged.append([*row[:place], rng.choice(row), *row[place:]])
    for row in lists + damaged:
        expected = again(row) and "\ufffd" not in stock.decode(row)
        assert tokenizer.is_canonical(row) == expected or "\ufffd" in stock.decode(row), name
    compared = len(lists + damaged)
    total = sum(map(len, rows))
    long = np.resize(np.concatenate(rows), 10_000_000)
    long = tokenizer.encode(tokenizer.decode_bytes(long))
    own = seconds(lambda: [tokenizer.is_canonical(row) for row in rows], passes)
    peer = seconds(lambda: [again(row) for row in lists], max(passes // 3, 1))
    ten = seconds(lambda: tokenizer.is_canonical(long), 1) * 10_000_000 / len(long)
    sample = rows[0][:20_000]
    detector = phantom.Detector(tokenizer)
    pushed = len(sample) / seconds(lambda: [detector.push(id) for id in sample], 1)
    times = []
    _native.Prefix(tokenizer._native).row()
    for _ in range(200 * passes):
        row = rng.choice(rows)
        end = rng.randrange(len(row))
        try:
            prefix = _native.Prefix(tokenizer._native).extend(row[max(end - 2, 0) : end])
        except ValueError:
            continue
        start = time.thread_time()
        prefix.row()
        times.append(time.thread_time() - start)
    late = sorted(times[len(times) // 2 :])
    new = Tokenizer.from_json(vocabulary(name))
    start = time.thread_time()
    audit = fuzz.audit(new)
    audited = time.thread_time() - start
    assert sum(audit.classes.values()) == tokenizer.vocab_size, name
    return {
        "what": "canonical",
        "vocabulary": name,
        "ids": total,
        "mega_ids_per_s": round(total / own / 1e6, 1),
        "again_mega_ids_per_s": round(total / peer / 1e6, 2),
        "ratio": round(peer / own, 1),
        "equal": f"{compared}/{compared}",
        "ten_million_s": round(ten, 2),
        "detector_kilo_ids_per_s": round(pushed / 1e3, 1),
        "row_ms": round(1e3 * statistics.median(late), 3),
        "row_p99_ms": round(1e3 * late[int(0.99 * len(late))], 3),
        "audit_s": round(audited, 2),
    }


def generation(name: str, steps: int, passes: int) -> dict[str, Any]:
    """Return what the mask costs in `generate`; nothing without torch."""
    try:
        import torch
        import transformers
    except ImportError:
        print("skipped the logits processor: torch or transformers is not installed", file=sys.stderr)
        return {}
    from tokseam.hf import CanonicalLogitsProcessor

    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokenizer = ours(name)
    config = transformers.LlamaConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
    )
    model = transformers.LlamaForCausalLM(config).eval()
    start = time.perf_counter()
    processor = CanonicalLogitsProcessor(tokenizer)
    prepared = time.perf_counter() - start
    prompt = torch.tensor([tokenizer.encode("The report").tolist()] * 8)

    def sample(*processors: Any) -> tuple[float, Any]:
        start = time.perf_counter()
        made = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), do_sample=True, temperature=2.0, top_k=0,
            max_new_tokens=steps, min_new_tokens=steps, logits_processor=list(processors),
        )  # fmt: skip
        return 1e3 * (time.perf_counter() - start) / steps, made

    inside = 0.0

    def timed(ids: Any, scores: Any) -> Any:
        nonlocal inside
        start = time.thread_time()
        made = processor(ids, scores)
        inside += time.thread_time() - start
        return made

    plain, masked, masks, broken = [], [], [], []
    for _ in range(passes + 1):
        plain.append(sample()[0])
        inside = 0.0
        spent, made = sample(timed)
        masked.append(spent)
        masks.append(1e3 * inside / steps)
        broken += [phantom.judge(row, tokenizer).state for row in made.tolist()]
    assert "broken" not in broken, name
    assert processor.restarted == 0
    return {
        "prepare_s": round(prepared, 3),
        # The first pass has caches to fill.
        "step_ms": round(statistics.median(plain[1:]), 2),
        "masked_step_ms": round(statistics.median(masked[1:]), 2),
        "first_masked_step_ms": round(masked[0], 2),
        # Of that the processor's own: 8 rows, most of them new at this temperature, and the copy of the scores.
        "mask_ms": round(statistics.median(masks[1:]), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few documents of each kind")
    quick = parser.parse_args().quick
    documents = [text for texts in corpora().values() for text in (texts[:3] if quick else texts[:60])]
    rows = []
    for name in VOCABULARIES:
        sampled = generation(name, *((8, 1) if quick else (32, 5)))
        rows.append(measure(name, documents, 3 if quick else 9) | sampled)
        if len(rows) == 1:
            print("  ".join(rows[0]))
        print("  ".join(f"{value:>{len(key)}}" for key, value in rows[-1].items()), flush=True)
    if not quick:
        record("phantom", rows)


if __name__ == "__main__":
    main()
