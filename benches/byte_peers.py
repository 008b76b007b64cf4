"""Rows of next bytes beside the packages that make them too: genlm-bytes and byte-sampler.

    python benches/byte_peers.py --genlm-bytes PYTHON --byte-sampler PYTHON    # prints and records

Each peer runs in a process of its own, by the Python of an environment that has it, since they need other versions of
transformers than this package: `pip install genlm-bytes bitsandbytes` brings the one; the other is not on PyPI, and
runs on transformers 4: `pip install transformers==4.53.1 git+https://github.com/SewoongLab/byte-sampler`. One that is
not given is left out.

All score the same bytes of code with the bundled model in transformers, one thread each, by turns. The prompt comes
first, then a row behind every byte. Beside the time stands how far the rows are from those here, as total variation:
of byte-sampler from the sum over admissible covers, which is what it is after too (it counts a special token for its
first byte as well as for the end, so that column is left out on both sides). genlm-bytes sums over all sequences
of tokens, as many as its beam holds; what is exact there is known behind a few bytes only, so it is compared on these.
"""

import argparse
import asyncio
import importlib.metadata
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

# What a peer is asked for: a name, its distribution, and what is said to it.
PEERS: dict[str, tuple[str, dict[str, Any]]] = {
    "byte-sampler": ("byte-sampling", {"filtered": True, "default": False}),
    "genlm-bytes": ("genlm-bytes", {"beam of 5": (5, 0.0), "beam of 5, threshold 0.05": (5, 0.05)}),
}
# Rows that are no further away are equal: the peers sum in single precision.
EQUAL = 1e-4
# Behind how many bytes the sum over all sequences is made.
SHORT = 12
END = "<|endoftext|>"

# Seconds for the prompt and for the rows, and the rows, as probabilities of shape (bytes, 257).
Scored = tuple[float, float, Any]


def load(folder: Path) -> tuple[Any, Any]:
    """Return the model and the tokenizer in a folder, in the transformers of this process."""
    import torch
    import transformers

    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).float().eval()
    file = str(folder / "tokenizer.json")
    return model, transformers.PreTrainedTokenizerFast(tokenizer_file=file, bos_token=END, eos_token=END)


def byte_sampler(folder: Path) -> Callable[[Any, bytes, bytes], Scored]:
    import torch
    from byte_sampling import ByteConditioning

    conditioning = ByteConditioning(*load(folder))

    def score(filtered: Any, prompt: bytes, text: bytes) -> Scored:
        sampler = conditioning.BytewiseBatchSampler(conditioning, filter_tensors=filtered)
        with torch.inference_mode():
            start = time.perf_counter()
            sampler.add_context([prompt])
            sampler.get_dists()
            begun, rows = time.perf_counter(), []
            for byte in text:
                sampler.add_context([bytes([byte])])
                rows.append(sampler.get_dists()[0].numpy())
            spent = time.perf_counter() - begun
        # They are not normalized; its samplers do that.
        return begun - start, spent, normalized(np.array(rows))

    return score


def genlm_bytes(folder: Path) -> Callable[[Any, bytes, bytes], Scored]:
    warnings.simplefilter("ignore")
    from genlm.backend.llm.hf import AsyncTransformer
    from genlm.bytes import BeamParams, ByteBeamState

    model, tokenizer = load(folder)
    ends = [token.encode() for token in tokenizer.get_added_vocab()]

    async def run(parameters: Any, prompt: bytes, text: bytes) -> Scored:
        # It waits for more questions unless it is told not to.
        llm = AsyncTransformer(model, tokenizer, timeout=0)
        width, threshold = parameters
        state = await ByteBeamState.initial(llm, BeamParams(width, threshold, eos_byte_strings=ends))
        start = time.perf_counter()
        state = await state.prefill(prompt)
        await state.logp_next()
        begun, rows = time.perf_counter(), []
        for byte in text:
            state = await (state.prune() << byte)
            # Column 256 is the end of a token.
            rows.append(np.delete((await state.logp_next()).ps, 256))
        spent = time.perf_counter() - begun
        await state.cleanup()
        return begun - start, spent, normalized(np.array(rows))

    return lambda parameters, prompt, text: asyncio.run(run(parameters, prompt, text))


def normalized(logs: Any) -> Any:
    masses = np.exp(np.float64(logs) - np.float64(logs).max(axis=1, keepdims=True))
    return masses / masses.sum(axis=1, keepdims=True)


def answer(name: str, folder: Path) -> None:
    """Be a peer: read a line of JSON, score, print a line."""
    start = time.perf_counter()
    score = {"byte-sampler": byte_sampler, "genlm-bytes": genlm_bytes}[name](folder)
    distribution, states = PEERS[name]
    versions = {one: importlib.metadata.version(one) for one in (distribution, "transformers", "torch")}
    print(json.dumps({"versions": versions, "setup": time.perf_counter() - start}), flush=True)
    for line in sys.stdin:
        state, prompt, text = json.loads(line)
        before, spent, rows = score(states[state], prompt.encode(), text.encode())
        np.save(folder / f"{name}.npy", rows)
        print(json.dumps([before, spent]), flush=True)


class Peer:
    """A process that scores."""

    def __init__(self, name: str, python: Path, folder: Path) -> None:
        self.name, self._folder = name, folder
        # What this process was told to import is not theirs.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        self._process = subprocess.Popen(
            [python, __file__, "--answer", name, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        about = self._read()
        self.versions = ", ".join(f"{one} {version}" for one, version in about["versions"].items())

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return json.loads(line) if line else sys.exit(f"{self.name} stopped with {self._process.wait()}")

    def score(self, state: str, prompt: bytes, text: bytes) -> Scored:
        assert self._process.stdin is not None
        print(json.dumps([state, prompt.decode(), text.decode()]), file=self._process.stdin, flush=True)
        before, spent = self._read()
        return before, spent, np.load(self._folder / f"{self.name}.npy")

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def ours(model: Any, prompt: bytes, text: bytes) -> Scored:
    # Nothing of the last round is known.
    model.lm.clear()
    start = time.perf_counter()
    state = model.state(prompt)
    state.next_byte()
    begun, rows = time.perf_counter(), []
    for byte in text:
        rows.append(state.push(bytes([byte])).next_byte().logp)
    return begun - start, time.perf_counter() - begun, np.exp(rows)


def distance(theirs: Any, exact: Any) -> Any:
    """Return the total variation of each row, among the columns that do not begin a special token."""
    pair = [np.delete(rows, ord(END[0]), axis=1) for rows in (theirs, exact)]
    pair = [rows / rows.sum(axis=1, keepdims=True) for rows in pair]
    return np.abs(pair[0] - pair[1]).sum(axis=1) / 2


def texts(rounds: int, size: int) -> Iterator[bytes]:
    """Yield pieces of code that the model was not trained on."""
    from figures import ROOT  # noqa: F401  # It makes the modules of the tests known.
    from sources import corpora

    found = "".join(corpora().get("code", []) or next(iter(corpora().values())))
    data = re.sub(r"[^\n -~]", "", found).encode()
    for place in random.Random(0).sample(range(len(data) - size), rounds):
        yield data[place : place + size]


def measure(pythons: dict[str, Path], rounds: int, before: int, count: int) -> list[dict[str, Any]]:
    from tokseam import _bundled
    from tokseam.bytelm import ByteLM
    from tokseam.torch import TransformersLM

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config, weights, tokenizer = _bundled.model()
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "model.safetensors").write_bytes(weights)
        tokenizer.save(folder)
        # The peers end a text with any special token.
        lm = TransformersLM(load(folder)[0], end_ids=sorted(tokenizer.special_tokens.values()))
        admissible, every = ByteLM(lm, tokenizer), ByteLM(lm, tokenizer, covers="all")
        pieces = list(texts(rounds, before + count))
        found = []
        for name, python in pythons.items():
            peer = Peer(name, python, folder)
            for state in PEERS[name][1]:
                times, distances = [], []
                for piece in pieces:
                    prompt, text = piece[:before], piece[before:]
                    theirs, exact = peer.score(state, prompt, text), ours(admissible, prompt, text)
                    times.append((theirs[0], theirs[1] / count, exact[0], exact[1] / count))
                    if name == "genlm-bytes":
                        theirs, exact = peer.score(state, b"", piece[:SHORT]), ours(every, b"", piece[:SHORT])
                    distances.append(distance(theirs[2], exact[2]))
                off = np.concatenate(distances)
                median = [1e3 * statistics.median(one) for one in zip(*times, strict=True)]
                found.append(
                    {
                        "what": "rows of next bytes",
                        "text": "code",
                        "peer": name,
                        "state": state,
                        "prompt_ms": median[0],
                        "ms_per_byte": median[1],
                        "ours_prompt_ms": median[2],
                        "ours_ms_per_byte": median[3],
                        "ratio": statistics.median(one[1] / one[3] for one in times),
                        "median_distance": float(np.median(off)),
                        "distance": float(off.max()),
                        "equal": f"{(off <= EQUAL).sum()}/{len(off)} rows",
                        "note": peer.versions,
                    }
                )
            peer.stop()
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in PEERS:
        parser.add_argument(f"--{name}", type=Path, metavar="PYTHON", help=f"the Python of an environment with {name}")
    parser.add_argument("--quick", action="store_true", help="one short text: to see that it runs")
    parser.add_argument("--answer", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.answer:
        answer(options.answer[0], Path(options.answer[1]))
        return
    pythons = {name: python for name in PEERS if (python := getattr(options, name.replace("-", "_")))}
    if not pythons:
        print("left out: no environment with a peer is named; see --help", file=sys.stderr)
        return
    rows = measure(pythons, *((1, 50, 10) if options.quick else (5, 200, 60)))
    for row in rows:
        print(
            "  ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{value}" for name, value in row.items())
        )
    if not options.quick:
        from figures import record

        record("byte_peers", rows)


if __name__ == "__main__":
    main()
