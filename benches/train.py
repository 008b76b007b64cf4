"""Measure training against the installed peers, on one text, beside a check of the merges.

    python benches/train.py                   # 16 MB of the standard library and site-packages, in lines: 5 minutes
    python benches/train.py --quick           # a small text: to see that it runs
    python benches/train.py --part "stage 1"  # only rows that begin so, or "held-out"; nothing is recorded
    python benches/train.py --text FILE --large   # ours alone on a large file: t=100k, T=128k

Each trainer runs in a process of its own, so that its peak of memory is its own: the growth of the resident set from
before training to its peak, per byte of text. Time is wall time, best of the repetitions. Exit code 1 if our merges
are not those of `tokenizers` and `bpe-continue`.
"""

import argparse
import json
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from figures import Row, record

TRANSITION, VOCAB_SIZE = 16_000, 32_000

# Each prints seconds, peak growth in bytes, and a hash of the merges.
PROLOGUE = """
import hashlib, json, sys, time
def memory(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name)) * 1024
def resident():
    return memory("VmRSS:")
def done(seconds, before, merges):
    peak = memory("VmHWM:")  # That of getrusage is the parent's, where that had more.
    text = "\\n".join(" ".join(merge) if not isinstance(merge, str) else merge for merge in merges)
    print(json.dumps([seconds, peak - before, hashlib.sha256(text.encode()).hexdigest(), len(merges)]))
path, size, base = sys.argv[1], int(sys.argv[2]), sys.stdin.read()
"""
STOCK_SPLIT = """
import tokenizers
from tokenizers import models, pre_tokenizers, trainers
def lines():
    with open(path, encoding="utf-8", newline="") as file:
        yield from (line + "\\n" for line in file.read().split("\\n"))
"""
RUNS = {
    ("stage 1, 32k", "tokseam"): """
from tokseam import superbpe
before, start = resident(), time.perf_counter()
scheme = superbpe.Scheme(stage1=json.loads(base)["pre_tokenizer"], stage2=json.loads(base)["pre_tokenizer"])
training = superbpe.train(superbpe.files(path), vocab_size=size, transition=size, scheme=scheme, alphabet="seen")
done(time.perf_counter() - start, before, json.loads(training.tokenizer.to_json())["model"]["merges"])
""",
    ("stage 1, 32k", "tokenizers"): STOCK_SPLIT
    + """
tokenizer = tokenizers.Tokenizer(models.BPE())
tokenizer.pre_tokenizer = tokenizers.Tokenizer.from_str(base).pre_tokenizer
before, start = resident(), time.perf_counter()
tokenizer.train([path], trainers.BpeTrainer(vocab_size=size, show_progress=False))
done(time.perf_counter() - start, before, json.loads(tokenizer.to_str())["model"]["merges"])
""",
    ("stage 1, 32k", "gigabpe"): """
import gigabpe
before, start = resident(), time.perf_counter()
found = gigabpe.train_bpe([path], size, pretokenizer="bytelevel", special_tokens=[])
merges = found[1] if isinstance(found, tuple) else found["merges"]
done(time.perf_counter() - start, before, [merge if isinstance(merge, str) else tuple(merge) for merge in merges])
""",
    ("stage 2, 16k to 32k", "tokseam"): """
from tokseam import Tokenizer, superbpe
tokenizer = Tokenizer.from_json(base)
before, start = resident(), time.perf_counter()
training = superbpe.extend(tokenizer, superbpe.files(path), vocab_size=size, constraints=None)
done(time.perf_counter() - start, before, json.loads(training.tokenizer.to_json())["model"]["merges"])
""",
    ("stage 2, 16k to 32k", "bpe-continue"): STOCK_SPLIT
    + """
import bpe_continue
from tokseam import superbpe
tokenizer = tokenizers.Tokenizer.from_str(base)
split = superbpe.train(["a"], vocab_size=258, transition=257).tokenizer.to_json()
tokenizer.pre_tokenizer = tokenizers.Tokenizer.from_str(split).pre_tokenizer
texts = list(lines())
before, start = resident(), time.perf_counter()
found = bpe_continue.continue_training(tokenizer, vocab_size=size, texts=texts, show_progress=False)
done(time.perf_counter() - start, before, json.loads(found.to_str())["model"]["merges"])
""",
    ("stage 2 split from bytes, 32k", "tokenizers"): STOCK_SPLIT
    + """
from tokseam import superbpe
split = superbpe.train(["a"], vocab_size=258, transition=257).tokenizer.to_json()
tokenizer = tokenizers.Tokenizer(models.BPE())
tokenizer.pre_tokenizer = tokenizers.Tokenizer.from_str(split).pre_tokenizer
before, start = resident(), time.perf_counter()
tokenizer.train([path], trainers.BpeTrainer(vocab_size=size, show_progress=False))
done(time.perf_counter() - start, before, json.loads(tokenizer.to_str())["model"]["merges"])
""",
}
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


def corpus(size: int) -> bytes:
    """Return sources of the standard library and of what is installed, cut at a line end."""
    parts, total = [], 0
    roots = [Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))]
    for root in roots:
        for file in sorted(root.rglob("*.py")):
            if root == roots[0] and "site-packages" in file.parts:
                continue
            data = file.read_bytes()
            try:
                data.decode()
            except UnicodeDecodeError:
                continue
            parts.append(data)
            total += len(data)
            if total >= size:
                data = b"".join(parts)[:size]
                return data[: data.rfind(b"\n") + 1]
    return b"".join(parts)


def measure(code: str, path: Path, base: str, repetitions: int) -> tuple[float, int, str, int]:
    """Return the best of the repetitions of one trainer, each in a new process."""
    best: list[Any] = []
    for _ in range(repetitions):
        # The tokenizer is longer than an argument may be.
        command = [sys.executable, "-c", PROLOGUE + code, str(path), str(VOCAB_SIZE)]
        done = subprocess.run(command, input=base, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "failed")
        found = json.loads(done.stdout.splitlines()[-1])
        if not best or found[0] < best[0]:
            best = found
    return best[0], best[1], best[2], best[3]


def table(path: Path, repetitions: int, part: str) -> list[Row]:
    """Measure every trainer of the rows that begin with `part`."""
    from tokseam import superbpe

    size = path.stat().st_size
    start = superbpe.train(superbpe.files(path), vocab_size=TRANSITION, transition=TRANSITION).tokenizer.to_json()
    template = superbpe.train(["a"], vocab_size=257, transition=257).tokenizer.to_json()
    words = json.dumps(json.loads(template) | {"pre_tokenizer": BYTE_LEVEL})
    rows: list[Row] = []
    ours: dict[str, tuple[float, str]] = {}
    for (what, peer), code in RUNS.items():
        if not what.startswith(part):
            continue
        row: Row = {"what": what, "peer": peer, "bytes": size}
        try:
            seconds, peak, digest, merges = measure(
                code, path, words if what.startswith("stage 1") else start, repetitions
            )
        except Exception as error:  # A peer that does not run is a row too.
            rows.append(row | {"note": str(error)[:120]})
            continue
        ours.setdefault(what, (seconds, digest))
        equal = digest == ours[what][1]
        row |= {"seconds": seconds, "bytes_per_byte": peak / size, "merges": merges, "equal": f"{int(equal)}/1"}
        rows.append(row | {"ratio": seconds / ours[what][0] if equal else None})
    return rows


def quality(path: Path) -> list[Row]:
    """Return bytes per token on held-out text, of BPE and of superwords at equal size."""
    from tokseam import superbpe

    data = path.read_bytes()
    lines = data.split(b"\n")
    # Every tenth stretch of a hundred lines is held out.
    train = [line + b"\n" for index, line in enumerate(lines) if index // 100 % 10]
    held_out = b"".join(line + b"\n" for index, line in enumerate(lines) if not index // 100 % 10)
    points = [VOCAB_SIZE // 4, VOCAB_SIZE // 2, VOCAB_SIZE * 3 // 4, VOCAB_SIZE]
    rows: list[Row] = []
    for point, training in zip(
        points, superbpe.train(train, vocab_size=VOCAB_SIZE, transition=points, threads=2), strict=True
    ):
        about = {"what": "held-out text", "state": f"transition {point}", "bytes": len(held_out)}
        rows.append(about | {"bytes_per_token": len(held_out) / training.tokenizer.count(held_out)})
    plain: float = rows[-1]["bytes_per_token"]
    return [row | {"fewer_tokens": 1 - plain / row["bytes_per_token"]} for row in rows]


def large(path: Path) -> None:
    """Print where time and memory go on a large file."""
    code = """
import resource, sys, time
from tokseam import superbpe
start, stages = time.perf_counter(), {}
def progress(name, done, total):
    stages.setdefault(name, time.perf_counter() - start)
training = superbpe.train(superbpe.files(sys.argv[1]), vocab_size=128_000, transition=100_000, progress=progress)
print({name: round(at, 1) for name, at in stages.items()}, "end", round(time.perf_counter() - start, 1), "s")
print("processors", round(time.process_time(), 1), "s")
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, "GB")
report = training.report
print({name: report[name] for name in ("bytes", "texts", "barrier", "last_count", "passes", "certified", "size")})
"""
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small text, once")
    parser.add_argument("--part", default="", help="only rows that begin so")
    parser.add_argument("--text", type=Path, help="train on this file")
    parser.add_argument("--large", action="store_true", help="ours alone, at the size of a real vocabulary")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.text
        if path is None:
            path = Path(folder) / "text.txt"
            path.write_bytes(corpus(1_000_000 if options.quick else 16_300_000))
        if options.large:
            large(path)
            return
        rows = table(path, 1 if options.quick else 3, options.part)
        print(f"{'what':32}{'peer':16}{'seconds':>9}{'ratio':>8}{'bytes/byte':>12}  merges equal")
        for row in rows:
            if "seconds" in row:
                ratio = "" if row["ratio"] is None else f"{row['ratio']:.1f}"
                print(
                    f"{row['what']:32}{row['peer']:16}{row['seconds']:9.2f}{ratio:>8}"
                    f"{row['bytes_per_byte']:12.1f}  {row['equal']} ({row['merges']:,})"
                )
            else:
                print(f"{row['what']:32}{row['peer']:16}  {row['note']}")
        points = quality(path) if "held-out text".startswith(options.part) else []
        if points:
            print("\nheld-out text, vocabulary of", f"{VOCAB_SIZE:,}")
        for point in points:
            print(
                f"  {point['state']}: {point['bytes_per_token']:.3f} bytes a token, "
                f"{point['fewer_tokens']:6.1%} fewer tokens than BPE"
            )
    if not options.quick and not options.part:
        record("train", rows + points)
    wrong = [row for row in rows if row["peer"] in ("tokenizers", "bpe-continue") and row.get("equal") == "0/1"]
    if wrong:
        sys.exit(f"our merges differ from those of {', '.join(row['peer'] for row in wrong)}")


if __name__ == "__main__":
    main()
