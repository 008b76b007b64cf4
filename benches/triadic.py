"""Measure triads: the text kernel, encoding with an extended tokenizer, and how many tokens each scheme takes.

The kernel's figures are taken in Rust (`benches/rust/annotate.rs`), with those through Python beside them; times
through Python are of this thread's processor. The converter published with the scheme does 3.6 MB/s on mixed prose and
2.7 MB/s on dense numbers (published figures, another machine). --docs fills the table of docs/numbers.md.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

from figures import ROOT, Row, fill, in_rust, record
from vocabularies import SHARED, Missing, load

from tokseam import Tokenizer, _bundled, triadic


def texts(*names: str) -> dict[str, str]:
    """Return prose or numbers: corpora of ../shared where they lie, or else the bundled text."""
    folder = SHARED / "corpora"
    found = {name: folder / f"{name}.txt" for name in names}
    there = {name: path.read_text(encoding="utf-8") for name, path in found.items() if path.exists()}
    return there or {"bundled": _bundled.text()}


def best(call: Callable[[], object], repetitions: int = 9) -> float:
    """Return the processor time of the fastest of some calls, in seconds."""
    times = []
    for _ in range(repetitions):
        start = time.thread_time()
        call()
        times.append(time.thread_time() - start)
    return min(times)


def dense(size: int) -> str:
    """Return the random numbers of `benches/rust/annotate.rs`."""
    state, parts, length = 1, [], 0
    while length < size:
        state = (state * 6_364_136_223_846_793_005 + 1) % 2**64
        number = str((state >> 20) % 10 ** ((state >> 40) % 10))
        if state >> 60 < 5:
            number += f".{state >> 50}"
        parts.append(number + " ")
        length += len(parts[-1])
    return "".join(parts)


def kernel(found: dict[str, str]) -> Iterator[Row]:
    rust = {(one.group, one.function): one.size / one.seconds / 1e6 for one in in_rust("annotate")}
    size = 1_000_000
    cases = found | {"dense numbers": dense(size), "ones": "1" * size}
    cases |= {"1.": "1." * (size // 2), "1,": "1," * (size // 2), "spaces": " " * size}
    for name, text in cases.items():
        marked = triadic.annotate(text)
        assert triadic.restore(marked) == text
        length = len(text.encode())
        yield {
            "text": name,
            "annotate, Rust": rust.get((name, "annotate")),
            "annotate": length / best(partial(triadic.annotate, text)) / 1e6,
            "restore, Rust": rust.get((name, "restore")),
            "restore": length / best(partial(triadic.restore, marked)) / 1e6,
        }


def cut(text: str, size: int = 5000) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def encode_all(tokenizer: Tokenizer, documents: list[str]) -> None:
    for document in documents:
        tokenizer.encode(document)


def encoding(base: Tokenizer, found: dict[str, str]) -> Iterator[Row]:
    """Yield the rate of the base and the time of the extended tokenizers as a multiple of the base's.

    Texts are seen ones, and in a second row unseen ones: the second half of the documents, for tokenizers that are new
    and have encoded the first.
    """
    tokenizers = {"base": base} | {
        variant: triadic.extend_tokenizer(base, variant=variant).tokenizer for variant in ("vocabulary", "marker")
    }
    files = {kind: tokenizer.to_json() for kind, tokenizer in tokenizers.items()}
    for name, text in found.items():
        documents = cut(text)
        seen: dict[str, float] = {}
        # In turns, so that what else the machine does meets all alike.
        for _ in range(40):
            for kind, tokenizer in tokenizers.items():
                passed = best(partial(encode_all, tokenizer, documents), 1)
                seen[kind] = min(seen.get(kind, passed), passed)
        first, second = documents[::2], documents[1::2]
        unseen: dict[str, float] = {}
        for _ in range(5):
            for kind, file in files.items():
                tokenizer = Tokenizer.from_json(file)
                encode_all(tokenizer, first)
                passed = best(partial(encode_all, tokenizer, second), 1)
                unseen[kind] = min(unseen.get(kind, passed), passed)
        for label, seconds, encoded in ((name, seen, documents), (f"{name}, unseen", unseen, second)):
            size = sum(len(document.encode()) for document in encoded)
            row: Row = {"text": label, "base, MB/s": size / seconds["base"] / 1e6}
            yield row | {f"{kind}, times": seconds[kind] / seconds["base"] for kind in ("vocabulary", "marker")}


def single_digits(base: Tokenizer) -> Tokenizer:
    """Return the base with each digit a pretoken."""
    text = base.to_json()
    assert r"\\p{N}{1,3}" in text
    return Tokenizer.from_json(text.replace(r"\\p{N}{1,3}", r"\\p{N}"))


def counts(base: Tokenizer, found: dict[str, str]) -> Iterator[Row]:
    """Yield how many tokens each scheme takes, for whole texts and for their numbers alone."""
    single = single_digits(base)
    vocabulary, marker = (triadic.extend_tokenizer(base, variant=v).tokenizer for v in ("vocabulary", "marker"))
    for name, text in found.items():
        data = text.encode()
        numbers = [data[start:end] for start, end, _, _ in triadic.find_numbers(data).tolist()]
        for kind, rows in ((f"{name}, whole", [data]), (f"{name}, {len(numbers):,} numbers alone", numbers)):
            left = base.encode_batch(rows)
            assert all(base.decode_bytes(ids) == row for ids, row in zip(left.tolists(), rows, strict=True))
            yield {
                "text": kind,
                "single digits": int(single.count_batch(rows).sum()),
                "left to right": len(left.ids),
                "right to left": sum(len(triadic.right_to_left(ids, base)) for ids in left.tolists()),
                "triads, vocabulary": int(vocabulary.count_batch(rows).sum()),
                "triads, marker": int(marker.count_batch(rows).sum()),
            }


def table(rows: list[Row]) -> str:
    names = list(rows[0])
    out = ["| " + " | ".join(names) + " |", "|---|" + "---:|" * (len(names) - 1)]
    for row in rows:
        cells = [row.get(name) for name in names]
        shown = [cell if isinstance(cell, str) else figure(cell) for cell in cells]
        out.append("| " + " | ".join(shown) + " |")
    return "\n".join(out)


def figure(value: float | int | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", action="store_true", help="only the numbers of tokens")
    parser.add_argument("--docs", action="store_true", help="fill the table of docs/numbers.md")
    options = parser.parse_args()
    found = texts("english", "numeric")
    try:
        base = Tokenizer.from_json(load("cl100k"))
    except Missing as error:
        print(f"cl100k: {error}", file=sys.stderr)
        return
    figures: list[Row] = []
    if not options.counts:
        print("Annotating and restoring, MB/s\n")
        rows = list(kernel(found))
        print(table(rows), "\n")
        figures += [{"what": "kernel, MB/s"} | row for row in rows]
        print("Encoding documents of 5 kB with cl100k and its extensions, through Python\n")
        rows = list(encoding(base, found | texts("multilingual")))
        print(table(rows), "\n")
        figures += [{"what": "encode", "vocabulary": "cl100k"} | row for row in rows]
    rows = list(counts(base, found))
    counted = table(rows)
    print("Tokens by scheme, all on cl100k\n")
    print(counted)
    if not options.counts:
        record("triadic", figures + [{"what": "tokens", "vocabulary": "cl100k"} | row for row in rows])
    if options.docs:
        page = ROOT / "docs" / "numbers.md"
        page.write_text(fill(page.read_text(encoding="utf-8"), "counts", counted), encoding="utf-8")


if __name__ == "__main__":
    main()
