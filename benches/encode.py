"""Measure encoding against the installed peers, in one process and on one thread, beside a check of the ids.

    python benches/encode.py                 # everything, in about half an hour
    python benches/encode.py --quick         # small text, one repetition: to see that it runs
    python benches/encode.py --text english --vocabulary cl100k     # a part of it, which is not recorded

What is measured, and how, says `tokseam/_bench.py`; `tokseam bench` does the same on your own file and text. Also the
worst cases by name, the time and memory of loading, the threads of a batch, and the encoder alone in Rust. Exit code 1
if our ids differ anywhere.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from figures import Row, in_rust, record

from tokseam import Tokenizer, _bench

_bench.single_thread()

import texts  # noqa: E402
import tokenizers  # noqa: E402
import vocabularies  # noqa: E402

VOCABULARIES = ("superbpe", "cl100k", "o200k", "llama3", "gpt2", "qwen2", "deepseek3", "mistral3")
# Those of the table in the README, measured in Rust too.
SHOWN = VOCABULARIES[:4]
# The same cuts as the file's Digits and Split, as one pattern that covers all text.
SUPERBPE = r"\p{N}{1,3}(?=(?:\d{3})*(?!\d))|\p{N}+|\P{N}+"
REFERENCE = "tokenizers, encode_batch_fast"


def superbpe_ranks(text: str) -> dict[bytes, int]:
    """Return the ids of a byte-level file as ranks, with the bytes that it lacks at the end, where no text reaches."""
    byte = {char: value for value, char in enumerate(vocabularies.CHARACTERS)}
    vocab = json.loads(text)["model"]["vocab"]
    ranks = {bytes(byte[char] for char in token): id for token, id in vocab.items()}
    for value in range(256):
        ranks.setdefault(bytes([value]), len(ranks))
    return ranks


def peers(name: str, text: str) -> Iterator[_bench.Peer | _bench.LeftOut]:
    """Yield what can encode with this vocabulary here; the first is ours."""
    for peer in _bench.peers(text, Tokenizer.from_json(text)):
        if peer.name != "tiktoken":
            yield peer
        # What tiktoken is given elsewhere, where our export would be slower or does not exist.
        elif name == "superbpe":
            yield _bench.tiktoken(SUPERBPE, superbpe_ranks(text))
        elif name == "qwen2":
            yield _bench.tiktoken(vocabularies.QWEN2, vocabularies.ranks(name))
        else:
            yield peer
    with contextlib.suppress(ImportError):
        import bpe_openai

        if name in {"cl100k", "o200k"}:
            yield _bench.Peer("bpe-openai", lambda: bpe_openai.get_encoding(f"{name}_base").encode_ordinary)
    with contextlib.suppress(ImportError):
        import gigatoken

        def giga() -> Any:
            return gigatoken.Tokenizer.from_json(text).encode

        yield _bench.Peer("gigatoken", giga, lambda ids: [int(id) for id in ids], caches=True)


def corpora(quick: bool) -> dict[str, list[str]]:
    """Return the documents by kind: the corpora of ../shared where they lie, and the standard library."""
    found = {}
    for file in sorted((vocabularies.SHARED / "corpora").glob("*.txt")):
        found[file.stem] = _bench.cut(file.read_text(encoding="utf-8"))
    root = Path(sysconfig.get_path("stdlib"))
    sources = [file for file in sorted(root.rglob("*.py")) if not {"site-packages", "test"} & set(file.parts)]
    library = "".join(file.read_text(encoding="utf-8", errors="ignore") for file in sources)[:1_500_000]
    found["library"] = _bench.cut(library)
    return {kind: documents[:20] if quick else documents for kind, documents in found.items()}


def throughput(name: str, text: str, found: dict[str, list[str]], repetitions: int) -> Iterator[Row]:
    """Yield a row for each corpus, peer and state of its cache."""
    for kind, documents in found.items():
        about = {"what": "encode", "vocabulary": name, "text": kind}
        size = sum(len(document.encode()) for document in documents)
        for one in _bench.compare(list(peers(name, text)), documents, repetitions=repetitions):
            if isinstance(one, _bench.LeftOut):
                yield about | {"peer": one.name, "note": one.why[:120]}
                continue
            equal = {"equal": f"{one.equal}/{one.documents}", "bytes": size}
            yield about | {"peer": one.peer, "state": one.state, "mb_per_s": one.mb_per_s, "ratio": one.ratio} | equal


def worst(name: str, text: str, size: int) -> Iterator[Row]:
    """Yield a row for each worst case: ours on `size` bytes, then beside the peer on as much as it can do."""
    tokenizer = Tokenizer.from_json(text)
    theirs = tokenizers.Tokenizer.from_str(text)
    theirs.encode_special_tokens = True

    def ours(document: str) -> tuple[int, float]:
        """Return the bytes of a text and the seconds that it takes here."""
        seconds = statistics.median(_bench.clock(tokenizer.encode, [document]) for _ in range(3))
        return len(document.encode()), seconds

    whole = texts.worst_cases(size, seed=0, digits=size)
    for case, document in texts.worst_cases(size * 3 // 10, seed=0).items():
        about: Row = {"what": "worst case", "vocabulary": name, "text": case}
        data, seconds = ours(whole[case])
        yield about | {"peer": "tokseam", "state": f"{size} bytes", "bytes": data, "mb_per_s": data / seconds / 1e6}
        data, seconds = ours(document)
        start = time.thread_time()
        expected = theirs.encode_batch_fast([document], add_special_tokens=False)[0].ids
        their_seconds = time.thread_time() - start
        equal = tokenizer.encode(document).tolist() == expected
        about |= {"bytes": data, "equal": f"{int(equal)}/1"}
        yield about | {"peer": "tokseam", "mb_per_s": data / seconds / 1e6, "ratio": 1.0 if equal else None}
        ratio = their_seconds / seconds if equal else None
        yield about | {"peer": REFERENCE, "mb_per_s": data / their_seconds / 1e6, "ratio": ratio}


LOAD = """
import sys, time
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
path = sys.argv[2]
if sys.argv[1] == "tokseam":
    from tokseam import Tokenizer
    load = Tokenizer.from_file
else:
    from tokenizers import Tokenizer
    load = Tokenizer.from_file
before = resident()
start = time.perf_counter()
tokenizer = load(path)
print(time.perf_counter() - start, resident() - before)
"""


def kept(name: str, text: str) -> Path:
    """Return a file that holds a vocabulary."""
    path = vocabularies.CACHE / f"{name}.json"
    vocabularies.write(path, text.encode())
    return path


def load(name: str, text: str, repetitions: int) -> Iterator[Row]:
    """Yield load time and the growth of memory, each load in a process of its own."""
    path = kept(name, text)
    ours = 0.0
    for peer in ("tokseam", "tokenizers"):
        done = [
            subprocess.run([sys.executable, "-c", LOAD, peer, str(path)], capture_output=True, text=True, check=True)
            for _ in range(repetitions)
        ]
        rows = [[float(word) for word in run.stdout.split()] for run in done]
        seconds, memory = (statistics.median(column) for column in zip(*rows, strict=True))
        ours = ours or seconds
        about = {"what": "load", "vocabulary": name, "peer": peer}
        yield about | {"seconds": seconds, "megabytes": memory / 1e6, "ratio": seconds / ours}


def scaling(name: str, text: str, documents: list[str], repetitions: int) -> Iterator[Row]:
    """Yield the wall-clock rate of `encode_batch` on seen text by the number of threads."""
    tokenizer = Tokenizer.from_json(text)
    size = sum(len(document.encode()) for document in documents)
    expected = tokenizer.encode_batch(documents, parallel=1).ids
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
    times: dict[int, list[float]] = {threads: [] for threads in sorted({1, 2, cores})}
    equal = dict.fromkeys(times, 0)
    # In turns; in the first rounds each thread's cache gets to know the text.
    for _ in range(4 + 3 * repetitions):
        for threads, taken in times.items():
            start = time.perf_counter()
            ids = tokenizer.encode_batch(documents, parallel=threads).ids
            taken.append(time.perf_counter() - start)
            equal[threads] += int(np.array_equal(ids, expected))
    single = statistics.median(times[1][4:])
    for threads, taken in times.items():
        seconds = statistics.median(taken[4:])
        about = {"what": "threads", "vocabulary": name, "peer": "tokseam", "state": f"{threads} threads", "bytes": size}
        rates = {"mb_per_s": size / seconds / 1e6, "times_one_thread": single / seconds}
        yield about | rates | {"equal": f"{equal[threads]}/{len(taken)}"}


def kernel(names: list[str]) -> Iterator[Row]:
    """Yield the rate of the encoder alone, from the Rust bench."""
    for one in in_rust("encode", [kept(name, vocabularies.load(name)) for name in names]):
        text, _, state = one.function.partition(", ")
        about = {"what": "encode in Rust", "vocabulary": one.group, "text": text, "peer": "tokseam", "state": state}
        yield about | {"mb_per_s": one.size / one.seconds / 1e6}


def line(row: Row) -> str:
    """Return a row as a person reads it."""
    parts = [f"{row['what']:14} {row['vocabulary']:10} {row.get('text', ''):20} {row['peer']:30} "]
    parts.append(f"{row.get('state', ''):14}")
    if "mb_per_s" in row:
        parts.append(f"{row['mb_per_s']:8.1f} MB/s")
    if "seconds" in row:
        parts.append(f"{row['seconds'] * 1000:8.0f} ms {row['megabytes']:7.0f} MB")
    if row.get("ratio"):
        parts.append(f"{_bench.times(row['ratio']):>7}")
    if "equal" in row:
        parts.append(f"equal {row['equal']}")
    return " ".join([*parts, row.get("note", "")]).rstrip()


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small text, one repetition")
    parser.add_argument("--vocabulary", action="append", choices=VOCABULARIES, help="only this one; may be repeated")
    parser.add_argument("--text", action="append", help="only this one, and only rates; may be repeated")
    parser.add_argument("--repetitions", type=int, default=3, help="passes; the median counts")
    options = parser.parse_args()
    repetitions = 1 if options.quick else options.repetitions
    found = {kind: documents for kind, documents in corpora(options.quick).items() if kind in (options.text or {kind})}
    rows: list[Row] = []
    there: list[str] = []
    for name in options.vocabulary or VOCABULARIES:
        try:
            text = vocabularies.load(name)
        except vocabularies.Missing as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        there.append(name)
        documents = [document for kind in found.values() for document in kind]
        parts = [throughput(name, text, found, repetitions)]
        if not options.text:
            parts.append(worst(name, text, 60_000 if options.quick else 1_000_000))
            parts.append(load(name, text, repetitions))
            parts.append(scaling(name, text, documents, repetitions))
        for part in parts:
            for row in part:
                rows.append(row)
                print(line(row), flush=True)
    if not (options.quick or options.text or options.vocabulary):
        for row in kernel([name for name in there if name in SHOWN]):
            rows.append(row)
            print(line(row), flush=True)
        record("encode", rows)
    ours = [row for row in rows if row["peer"] == "tokseam" and "equal" in row]
    wrong = [row for row in ours if len(set(row["equal"].split("/"))) > 1]
    if wrong:
        sys.exit("our ids differ:\n" + "\n".join(map(line, wrong)))


if __name__ == "__main__":
    main()
