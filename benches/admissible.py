"""Measure the test of half-written sequences: there is no peer to compare with.

    python benches/admissible.py             # prints a table and records it
    python benches/admissible.py --quick     # a few documents: to see that it runs

For each vocabulary: the time to make the tables; ids pushed a second, over all documents; the most branches and bytes
that a state took; and the time of one set of successors, at positions drawn from the documents, in the median, at the
99th percentile and at most. The tables know nothing of these states, but that one may come again. It counts the copying
of two arrays of the size of the vocabulary. Time is `time.thread_time`. The bench `successors` in benches/rust measures
the same without Python, each state once.
"""

import argparse
import random
import statistics
import time
from typing import Any

from figures import record
from sources import corpora, ours

from tokseam import VocabError

VOCABULARIES = (
    "cl100k",
    "o200k",
    "llama3",
    "gpt2",
    "qwen2",
    "deepseek3",
    "tekken",
    "falcon",
    "mpt",
    "mistral3",
    "superbpe",
)


def measure(name: str, documents: list[str], calls: int) -> dict[str, Any]:
    tokenizer = ours(name)
    start = time.thread_time()
    tokenizer.is_admissible([])
    built = time.thread_time() - start
    pushed, seconds, branches, size, encoded = 0, 0.0, 0, 0, []
    for text in documents:
        try:
            ids = tokenizer.encode(text)
        except VocabError:
            continue
        start = time.thread_time()
        place = tokenizer._native.first_inadmissible(ids)
        seconds += time.thread_time() - start
        assert place is None, f"{name}: token {place} of {text[:50]!r}"
        pushed += len(ids)
        most = tokenizer._native.largest_state(ids)
        branches, size = max(branches, most[0]), max(size, most[1])
        encoded.append(ids)
    rng, times = random.Random(0), []
    for _ in range(calls):
        ids = rng.choice(encoded)
        end = rng.randrange(len(ids) + 1)
        # The state is that of the last ids alone: the way there would cost more than the question.
        ids = ids[max(end - 2, 0) : end]
        start = time.thread_time()
        found = tokenizer._native.successors(ids)
        spent = time.thread_time() - start
        if found is not None:
            times.append(spent)
    first = times[0]
    times.sort()
    return {
        "what": "admissible",
        "vocabulary": name,
        "build_ms": round(1e3 * built, 1),
        "mega_ids_per_s": round(pushed / seconds / 1e6, 2),
        "ids": pushed,
        "branches": branches,
        "state_bytes": size,
        "successors_ms": round(1e3 * statistics.median(times), 3),
        "successors_p99_ms": round(1e3 * times[int(0.99 * len(times))], 3),
        "successors_max_ms": round(1e3 * times[-1], 3),
        "first_call_ms": round(1e3 * first, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few documents of each kind")
    quick = parser.parse_args().quick
    documents = [text for texts in corpora().values() for text in (texts[:3] if quick else texts)]
    rows = []
    for name in VOCABULARIES:
        rows.append(measure(name, documents, 50 if quick else 4000))
        if len(rows) == 1:
            print("  ".join(rows[0]))
        print("  ".join(f"{value:>{len(key)}}" for key, value in rows[-1].items()), flush=True)
    if not quick:
        record("admissible", rows)


if __name__ == "__main__":
    main()
