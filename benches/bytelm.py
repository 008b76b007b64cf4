"""Measure the byte kernel: what it costs beside a model, and how often it needs one.

    python benches/bytelm.py             # prints tables and records them
    python benches/bytelm.py --quick     # short texts: to see that it runs

No model runs: the kernel pushes byte by byte and plans each time, which is all that stands between two forwards. The
figures in Rust come from `benches/rust/push.rs`, those through Python stand beside them; a mask is what one
new context costs on top. The published figures of byte-sampler at V=100k, on another machine, are 2,900 to 7,000
microseconds a byte and 3.8 to 7.4 s of set-up. Then the bundled model: bits a byte over covers and for the tokens that
the tokenizer writes, the leak, and contexts a byte at each tolerance.
"""

import argparse
import math
import re
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from figures import in_rust, record
from sources import corpora, ours

from tokseam import _native
from tokseam.bytelm import ByteLM, FunctionLM, Row, bundled

VOCABULARIES = ("cl100k", "superbpe")
TOLERANCES = (0.0, 1e-6, 1e-4, 1e-3, 1e-2)


def texts(length: int) -> dict[str, bytes]:
    found = {}
    for name, documents in corpora().items():
        text = "".join(documents)
        found[name] = text[len(text) // 2 :].encode()[:length].decode("utf-8", "ignore").encode()
    found["spaces"] = b" " * length
    return found


def rust_times(names: tuple[str, ...]) -> dict[tuple[str, str], float]:
    """Return microseconds a byte by vocabulary and text, from the Rust bench."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{name}.json" for name in names]
        for name, file in zip(names, files, strict=True):
            ours(name).save(file)
        return {(one.group, one.function): 1e6 * one.seconds / one.size for one in in_rust("push", files)}


def kernel(quick: bool) -> list[dict[str, Any]]:
    rust = {} if quick else rust_times(VOCABULARIES)
    rows = []
    for name in VOCABULARIES:
        tokenizer = ours(name)
        tokenizer.is_admissible([])
        start = time.thread_time()
        native = _native.ByteKernel(tokenizer._native, True, True)
        setup = time.thread_time() - start
        for text, data in texts(2_000 if quick else 20_000).items():
            heads, newest, contexts, most, masked = native.start(), 0, 0, 0, 0.0
            start = time.thread_time()
            for byte in data:
                heads = heads.push(native, bytes((byte,)))
                plan = heads.plan(native)
                serials = np.array([serial for serial, *_ in plan.nodes()])
                new = np.flatnonzero(serials > newest)
                contexts += len(new)
                newest = max(newest, int(serials.max()))
                most = max(most, heads.count)
                if len(new):
                    before = time.thread_time()
                    native.allowed([plan.stem(int(node)) for node in new])
                    masked += time.thread_time() - before
            spent = time.thread_time() - start - masked
            known = rust.get((name, text))
            rows.append(
                {
                    "what": "kernel",
                    "vocabulary": name,
                    "text": text,
                    "contexts_per_byte": round(contexts / len(data), 3),
                    "heads": most,
                    "rust_us_per_byte": known and round(known, 2),
                    "python_us_per_byte": round(1e6 * spent / len(data), 2),
                    "mask_us_per_context": round(1e6 * masked / contexts, 1),
                    "setup_s": round(setup, 3),
                }
            )
    return rows


def resident() -> float:
    """Return the memory of this process, in megabytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def one_byte(name: str) -> dict[str, Any]:
    """Return what 100 kB of one letter cost: what they hold, not a peak, which an earlier one may hide."""
    tokenizer = ours(name)
    native = _native.ByteKernel(tokenizer._native, True, True)
    before = resident()
    start = time.thread_time()
    heads = native.start().push(native, b"a" * 100_000)
    spent = time.thread_time() - start
    megabytes = resident() - before
    assert len(heads) == 100_000
    return {"what": "100 kB of a", "vocabulary": name, "seconds": round(spent, 3), "megabytes": round(megabytes, 1)}


def model(quick: bool) -> list[dict[str, Any]]:
    """Return what a trained model needs: the bundled one, on code that it was not trained on."""
    lm, tokenizer = bundled()
    text = "".join(corpora().get("code", []) or next(iter(corpora().values())))
    data = re.sub(r"[^\n -~]", "", text[len(text) // 2 :])[: 300 if quick else 1200].encode()
    ids = tuple(tokenizer.encode(data).tolist())
    logs = lm.logprobs([ids[:end] for end in range(len(ids))])
    tokens = -sum(float(row[id]) for row, id in zip(logs, ids, strict=True)) / math.log(2) / len(data)
    rows: list[dict[str, Any]] = []
    exact: list[Row] = []
    for tolerance in TOLERANCES:
        scored = 0

        def count(contexts: list[tuple[int, ...]]) -> Any:
            nonlocal scored
            scored += len(contexts)
            return lm.logprobs(contexts)

        byte_lm = ByteLM(
            FunctionLM(count, vocab_size=lm.vocab_size, end_ids=lm.end_ids),
            tokenizer,
            tolerance=tolerance,
            normalize="ratio",
        )
        state = byte_lm.state()
        found: list[Row] = []
        for byte in data:
            found.append(state.next_byte(observed=byte))
            state.push(bytes((byte,)))
        exact = exact or found
        bits = -sum(row.logp[byte] for row, byte in zip(found, data, strict=True)) / math.log(2) / len(data)
        distances = [
            float(np.abs(np.exp(one.logp) - np.exp(other.logp)).sum()) / 2
            for one, other in zip(found, exact, strict=True)
        ]
        assert max(row.bound for row in found) <= tolerance
        assert all(distance <= row.bound + 1e-12 for distance, row in zip(distances, found, strict=True))
        rows.append(
            {
                "what": "bundled model",
                "text": "code",
                "state": f"tolerance {tolerance:g}",
                "contexts_per_byte": round(scored / len(data), 3),
                "bits_per_byte": round(float(bits), 4),
                "token_bits_per_byte": round(tokens, 4),
                "leak": float(f"{np.mean([row.leak for row in found]):.3g}"),
                "bound": float(f"{max(row.bound for row in found):.3g}"),
                "distance": float(f"{max(distances):.3g}"),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short texts, nothing in Rust")
    quick = parser.parse_args().quick
    rows = [*map(one_byte, VOCABULARIES), *kernel(quick), *model(quick)]
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items() if value is not None))
    if not quick:
        record("bytelm", rows)


if __name__ == "__main__":
    main()
