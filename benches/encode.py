"""Measure encoding against the installed peers, in one process and on one thread, beside a check of the ids.

    python benches/encode.py                 # everything: prints tables and writes benches/results/<date>-<cpu>.csv
    python benches/encode.py --quick         # small text, one repetition: to see that it runs
    python benches/encode.py --readme        # also fills the place for figures in README.md

Each library encodes the same documents, one Python call a document, and returns what it returns: an array, a list, an
`Encoding`. Time is `time.thread_time`, the processor time of this thread, in the median of the repetitions. A ratio is
printed with the share of documents whose ids were equal, and a library that gives other ids has no ratio.

- cold: a fresh object's first pass over the second half of the documents
- unseen: the second half, by an object that has only seen the first half
- warm: the second half again
"""

import argparse
import contextlib
import csv
import datetime
import gc
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
# Peers run on one thread, as their callers' workers do.
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import texts  # noqa: E402
import tiktoken  # noqa: E402
import tokenizers  # noqa: E402
import vocabularies  # noqa: E402

from tokseam import Tokenizer  # noqa: E402

DOCUMENT = 5_000
VOCABULARIES = ("cl100k", "o200k", "llama3", "gpt2", "qwen2", "deepseek3", "mistral3", "superbpe")
# The same cuts as the file's Digits and Split, as one pattern that covers all text.
SUPERBPE = r"\p{N}{1,3}(?=(?:\d{3})*(?!\d))|\p{N}+|\P{N}+"

Encode = Callable[[str], Any]


@dataclass(frozen=True)
class Peer:
    """A library that encodes: how to make a fresh object, and how to read what it returns."""

    name: str
    make: Callable[[], Encode]
    ids: Callable[[Any], Sequence[int]] = list
    caches: bool = False


def superbpe_ranks(text: str) -> dict[bytes, int]:
    """Return the ids of a byte-level file as ranks, with the bytes that it lacks at the end, where no text reaches."""
    byte = {char: value for value, char in enumerate(vocabularies.CHARACTERS)}
    vocab = json.loads(text)["model"]["vocab"]
    ranks = {bytes(byte[char] for char in token): id for token, id in vocab.items()}
    for value in range(256):
        ranks.setdefault(bytes([value]), len(ranks))
    return ranks


def peers(name: str, text: str) -> Iterator[Peer]:
    """Yield what can encode with this vocabulary here; the first is ours."""
    yield Peer("tokseam", lambda: Tokenizer.from_json(text).encode, lambda ids: ids.tolist(), caches=True)

    def stock() -> tokenizers.Tokenizer:
        loaded = tokenizers.Tokenizer.from_str(text)
        loaded.encode_special_tokens = True
        return loaded

    def batch_fast() -> Encode:
        loaded = stock()
        return lambda document: loaded.encode_batch_fast([document], add_special_tokens=False)

    def plain() -> Encode:
        loaded = stock()
        return lambda document: loaded.encode(document, add_special_tokens=False)

    yield Peer("tokenizers, encode_batch_fast", batch_fast, lambda rows: rows[0].ids, caches=True)
    yield Peer("tokenizers, encode", plain, lambda row: row.ids, caches=True)
    pattern = SUPERBPE if name == "superbpe" else vocabularies.PATTERNS.get(name)
    if pattern is not None and name != "gpt2":
        ranks = superbpe_ranks(text) if name == "superbpe" else vocabularies.ranks(name)

        def tik() -> Encode:
            encoding = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
            encode: Encode = encoding.encode_ordinary
            return encode

        yield Peer("tiktoken", tik)
    with contextlib.suppress(ImportError):
        import bpe_openai

        if name in {"cl100k", "o200k"}:
            yield Peer("bpe-openai", lambda: bpe_openai.get_encoding(f"{name}_base").encode_ordinary)
    with contextlib.suppress(ImportError):
        import gigatoken

        def giga() -> Encode:
            encode: Encode = gigatoken.Tokenizer.from_json(text).encode
            return encode

        yield Peer("gigatoken", giga, lambda ids: [int(id) for id in ids], caches=True)


def cut(text: str, size: int = DOCUMENT) -> list[str]:
    """Cut a text at line ends into documents of about `size` bytes."""
    documents, lines, total = [], [], 0
    for line in text.splitlines(keepends=True):
        lines.append(line)
        total += len(line.encode())
        if total >= size:
            documents.append("".join(lines))
            lines, total = [], 0
    if lines:
        documents.append("".join(lines))
    return documents


def corpora(quick: bool) -> dict[str, list[str]]:
    """Return the documents by kind: the corpora of ../shared where they lie, and the standard library."""
    found = {}
    for file in sorted((vocabularies.SHARED / "corpora").glob("*.txt")):
        found[file.stem] = cut(file.read_text(encoding="utf-8"))
    root = Path(sysconfig.get_path("stdlib"))
    sources = [file for file in sorted(root.rglob("*.py")) if not {"site-packages", "test"} & set(file.parts)]
    found["library"] = cut("".join(file.read_text(encoding="utf-8", errors="ignore") for file in sources)[:6_000_000])
    return {kind: documents[:20] if quick else documents for kind, documents in found.items()}


def clock(encode: Encode, documents: Sequence[str]) -> float:
    """Return the processor time of this thread for one pass, in seconds."""
    gc.collect()
    gc.disable()
    start = time.thread_time()
    for document in documents:
        encode(document)
    passed = time.thread_time() - start
    gc.enable()
    return passed


def measure(peer: Peer, documents: list[str], repetitions: int) -> dict[str, float]:
    """Return the seconds of the second half of the documents, by what the object had seen before."""
    half = len(documents) // 2
    first, second = documents[:half], documents[half:]
    times: dict[str, list[float]] = {"cold": [], "unseen": [], "warm": []}
    for _ in range(repetitions):
        if peer.caches:
            times["cold"].append(clock(peer.make(), second))
        encode = peer.make()
        clock(encode, first)
        times["unseen"].append(clock(encode, second))
        times["warm"].append(clock(encode, second))
    return {kind: statistics.median(values) for kind, values in times.items() if values}


def agree(encode: Encode, ids: Callable[[Any], Sequence[int]], documents: list[str], expected: list[list[int]]) -> int:
    """Return how many documents have the expected ids."""
    return sum(list(ids(encode(text))) == row for text, row in zip(documents, expected, strict=True))


Row = dict[str, Any]


def throughput(name: str, text: str, found: dict[str, list[str]], repetitions: int) -> Iterator[Row]:
    """Yield a row for each corpus, peer and state of its cache."""
    for kind, documents in found.items():
        ours: dict[str, float] = {}
        reference = next(peer for peer in peers(name, text) if peer.name == "tokenizers, encode_batch_fast")
        encode = reference.make()
        expected = [list(reference.ids(encode(document))) for document in documents]
        size = sum(len(document.encode()) for document in documents[len(documents) // 2 :])
        for peer in peers(name, text):
            try:
                equal = agree(peer.make(), peer.ids, documents, expected)
                measured = measure(peer, documents, repetitions)
            except Exception as error:  # A peer that cannot load a file is a row too.
                yield {
                    "what": "encode",
                    "vocabulary": name,
                    "text": kind,
                    "peer": peer.name,
                    "note": " ".join(str(error).split())[:120],
                }
                continue
            for state, seconds in measured.items():
                whole = equal == len(documents)
                if peer.name == "tokseam" and whole:
                    ours[state] = seconds
                yield {
                    "what": "encode",
                    "vocabulary": name,
                    "text": kind,
                    "peer": peer.name,
                    "state": state,
                    "mb_per_s": size / seconds / 1e6,
                    "ratio": seconds / ours[state] if whole and ours else None,
                    "equal": f"{equal}/{len(documents)}",
                    "bytes": sum(len(document.encode()) for document in documents),
                }


def worst(name: str, text: str, size: int) -> Iterator[Row]:
    """Yield a row for each worst case and peer, one text of about `size` bytes."""
    cases = texts.worst_cases(size, seed=0)
    tokenizer = Tokenizer.from_json(text)
    theirs = tokenizers.Tokenizer.from_str(text)
    theirs.encode_special_tokens = True
    for case, document in cases.items():
        data = len(document.encode())
        seconds = statistics.median(clock(tokenizer.encode, [document]) for _ in range(3))
        start = time.thread_time()
        expected = theirs.encode_batch_fast([document], add_special_tokens=False)[0].ids
        their_seconds = time.thread_time() - start
        equal = tokenizer.encode(document).tolist() == expected
        row = {"what": "worst case", "vocabulary": name, "text": case, "bytes": data, "equal": f"{int(equal)}/1"}
        yield row | {"peer": "tokseam", "mb_per_s": data / seconds / 1e6, "ratio": 1.0}
        yield row | {
            "peer": "tokenizers, encode_batch_fast",
            "mb_per_s": data / their_seconds / 1e6,
            "ratio": their_seconds / seconds if equal else None,
        }


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


def load(name: str, text: str, repetitions: int) -> Iterator[Row]:
    """Yield load time and the growth of memory, each load in a process of its own."""
    path = vocabularies.CACHE / f"bench-{name}.json"
    vocabularies.write(path, text.encode())
    ours = 0.0
    for peer in ("tokseam", "tokenizers"):
        done = [
            subprocess.run([sys.executable, "-c", LOAD, peer, str(path)], capture_output=True, text=True, check=True)
            for _ in range(repetitions)
        ]
        rows = [[float(word) for word in run.stdout.split()] for run in done]
        seconds, memory = (statistics.median(column) for column in zip(*rows, strict=True))
        ours = ours or seconds
        yield {
            "what": "load",
            "vocabulary": name,
            "peer": peer,
            "seconds": seconds,
            "megabytes": memory / 1e6,
            "ratio": seconds / ours,
        }


def scaling(name: str, text: str, documents: list[str], repetitions: int) -> Iterator[Row]:
    """Yield the wall-clock rate of `encode_batch` by the number of threads."""
    tokenizer = Tokenizer.from_json(text)
    size = sum(len(document.encode()) for document in documents)
    tokenizer.encode_batch(documents)
    single = 0.0
    for threads in sorted({1, 2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2}):
        times = []
        for _ in range(max(repetitions, 3)):
            start = time.perf_counter()
            tokenizer.encode_batch(documents, parallel=threads)
            times.append(time.perf_counter() - start)
        seconds = statistics.median(times)
        single = single or seconds
        yield {
            "what": "threads",
            "vocabulary": name,
            "peer": "tokseam",
            "state": f"{threads} threads",
            "mb_per_s": size / seconds / 1e6,
            "ratio": single / seconds,
            "bytes": size,
        }


def cpu() -> str:
    """Return the name of the processor, as a part of a file name."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        name = found[1] if found else name
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def record(rows: list[dict[str, Any]], fields: Sequence[str], kind: str = "") -> None:
    """Write rows to benches/results/<date>-<cpu>[-<kind>].csv."""
    name = "-".join(part for part in (str(datetime.date.today()), cpu(), kind) if part)
    file = ROOT / "benches" / "results" / f"{name}.csv"
    file.parent.mkdir(exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fields, restval="")
        writer.writeheader()
        writer.writerows(rows)
    print(file.relative_to(ROOT))


FIELDS = (
    "what",
    "vocabulary",
    "text",
    "peer",
    "state",
    "mb_per_s",
    "ratio",
    "equal",
    "bytes",
    "seconds",
    "megabytes",
    "note",
)


def times(ratio: float) -> str:
    """Return a ratio of our speed to a peer's, with two figures that mean something."""
    return f"{ratio:.1f}x" if ratio >= 1 else f"{ratio:.2f}x"


def line(row: Row) -> str:
    """Return a row as a person reads it."""
    parts = [
        f"{row['what']:10} {row['vocabulary']:10} {row.get('text', ''):20} {row['peer']:30} {row.get('state', ''):10}"
    ]
    if "mb_per_s" in row:
        parts.append(f"{row['mb_per_s']:8.1f} MB/s")
    if "seconds" in row:
        parts.append(f"{row['seconds'] * 1000:8.0f} ms {row['megabytes']:7.0f} MB")
    if row.get("ratio"):
        parts.append(f"{times(row['ratio']):>7}")
    if "equal" in row:
        parts.append(f"equal {row['equal']}")
    return " ".join([*parts, row.get("note", "")]).rstrip()


def table(rows: list[Row]) -> str:
    """Return the README's table: unseen text, our rate and the ratio to each peer."""
    shown = [row for row in rows if row["what"] == "encode" and row.get("state") == "unseen"]
    names = [peer for peer in dict.fromkeys(row["peer"] for row in shown) if peer != "tokseam"]
    out = ["| vocabulary | text | tokseam | " + " | ".join(names) + " |", "|---|---|---|" + "---|" * len(names)]
    for vocabulary, text in dict.fromkeys((row["vocabulary"], row["text"]) for row in shown):
        found = {row["peer"]: row for row in shown if (row["vocabulary"], row["text"]) == (vocabulary, text)}
        cells = []
        for name in names:
            row = found.get(name)
            if row is None:
                cells.append("-")
            elif row["ratio"]:
                cells.append(f"{times(row['ratio'])} ({row['equal']})")
            else:
                cells.append(f"other ids ({row['equal']})")
        ours = found["tokseam"]
        out.append(
            f"| {vocabulary} | {text} | {ours['mb_per_s']:.0f} MB/s ({ours['equal']}) | " + " | ".join(cells) + " |"
        )
    return "\n".join(out)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small text, one repetition")
    parser.add_argument("--readme", action="store_true", help="fill the figures of README.md")
    parser.add_argument("--vocabulary", action="append", choices=VOCABULARIES, help="only this one; may be repeated")
    options = parser.parse_args()
    repetitions = 1 if options.quick else 3
    found = corpora(options.quick)
    rows: list[Row] = []
    for name in options.vocabulary or VOCABULARIES:
        try:
            text = vocabularies.load(name)
        except vocabularies.Missing as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        documents = [document for kind in found.values() for document in kind]
        for part in (
            throughput(name, text, found, repetitions),
            worst(name, text, 20_000 if options.quick else 1_000_000),
            load(name, text, repetitions),
            scaling(name, text, documents, repetitions),
        ):
            for row in part:
                rows.append(row)
                print(line(row), flush=True)
    if not options.quick:
        record(rows, FIELDS)
    if options.readme:
        readme = ROOT / "README.md"
        place = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- /figures -->)", re.DOTALL)
        readme.write_text(place.sub(lambda _: table(rows) + "\n", readme.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
