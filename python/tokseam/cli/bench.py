"""The verb `bench`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from tokseam import _bench
from tokseam.cli import source
from tokseam.tokenizer import file_bytes


def bench(
    tokenizer: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A tokenizer.json (or .json.gz), its folder, or a .tiktoken file."),
    ],
    texts: Annotated[list[Path], typer.Argument(metavar="TEXT", help="Text files, some ten kilobytes or more.")],
    pattern: source.Pattern = None,
    repetitions: Annotated[int, typer.Option("--repetitions", "-n", min=1, help="Passes; the median counts.")] = 3,
    as_json: source.Json = False,
) -> None:
    """Compare ids and speed with tokenizers and tiktoken, on your own file and text.

    The texts are cut at line ends into documents of about 5 kB; each is one call, on one thread. A speed stands beside
    the number of documents with equal ids. "unseen" is text that the object had not encoded before, "warm" is the same
    again, "cold" the first text of a fresh object. A library that is not installed is named and left out.

    Exit code 1 if our ids differ anywhere.

    Examples:
        tokseam bench tokenizer.json book.txt

        tokseam bench cl100k_base.tiktoken --pattern REGEX book.txt code.py --json
    """
    loaded = source.load(tokenizer, pattern)
    # The others get the file as it is, not as we would write it; of ranks there is only our file.
    file = loaded.to_json() if pattern is not None else file_bytes(tokenizer).decode("utf-8-sig")
    documents = [document for path in texts for document in _bench.cut(path.read_text(encoding="utf-8"))]
    _bench.single_thread()
    rates: list[_bench.Rate] = []
    left_out: list[_bench.LeftOut] = []
    found = _bench.compare(list(_bench.peers(file, loaded)), documents, repetitions=repetitions)
    for one in tqdm(found, unit="figure", delay=1, disable=None, leave=False):
        if isinstance(one, _bench.Rate):
            rates.append(one)
        else:
            left_out.append(one)
    ours = next(rate for rate in rates if rate.peer == "tokseam")
    if as_json:
        size = sum(len(document.encode()) for document in documents)
        whole = {"documents": len(documents), "bytes": size, "equal": ours.is_whole}
        typer.echo(
            json.dumps(whole | {"rates": [asdict(one) for one in rates], "left_out": [asdict(one) for one in left_out]})
        )
    else:
        Console(highlight=False, markup=False).print(_table(rates))
        for one in left_out:
            typer.echo(f"left out: {one.name}, {one.why}")
        if ours.difference is not None:
            typer.echo(f"our ids differ: document {ours.difference[0]}, token {ours.difference[1]}, counted from 0")
    raise typer.Exit(int(not ours.is_whole))


def _table(rates: list[_bench.Rate]) -> Table:
    drawn = Table(box=box.SIMPLE, pad_edge=False)
    drawn.add_column("MB/s")
    for name in (*_bench.STATES, "tokseam is", "documents equal"):
        drawn.add_column(name, justify="right")
    for peer in dict.fromkeys(rate.peer for rate in rates):
        by_state = {rate.state: rate for rate in rates if rate.peer == peer}
        unseen = by_state["unseen"]
        speeds = [f"{by_state[state].mb_per_s:.1f}" if state in by_state else "" for state in _bench.STATES]
        ratio = "" if unseen.ratio is None or peer == "tokseam" else f"{_bench.times(unseen.ratio)} as fast"
        drawn.add_row(peer, *speeds, ratio, f"{unseen.equal:,}/{unseen.documents:,}")
    return drawn
