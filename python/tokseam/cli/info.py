"""The verb `info`."""

import json
from itertools import groupby
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tokseam import Tokenizer
from tokseam.cli import source


def info(
    tokenizer: source.TokenizerPath = None,
    pattern: source.Pattern = None,
    as_json: source.Json = False,
) -> None:
    """Say what a tokenizer is, whether it keeps every byte, and where it differs from its file.

    Examples:
        tokseam info

        tokseam info -t tokenizer.json

        tokseam info -t cl100k_base.tiktoken --pattern REGEX --json
    """
    loaded = source.load(tokenizer, pattern)
    if as_json:
        facts = loaded.info() | {"special_tokens": loaded.special_tokens}
        typer.echo(json.dumps(facts, ensure_ascii=False))
        return
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows(loaded):
        table.add_row(name, Text(value))
    Console(highlight=False).print(table)


def rows(loaded: Tokenizer) -> list[tuple[str, str]]:
    """Return the lines of the table."""
    facts = loaded.info()
    special = loaded.special_tokens
    rows = [
        ("kind", facts["kind"]),
        ("vocabulary", f"{facts['vocab_size']:,} ids, {facts['entries']:,} tokens in the model"),
        ("merges", f"{facts['merges']:,}, {facts['live_merges']:,} of them live"),
        ("superwords", "yes" if facts["superwords"] else "no"),
        ("added tokens", f"{facts['added_tokens']:,}"),
        ("special tokens", f"{len(special):,}{listing(special)}"),
        ("normalizer", facts["normalizer"] or "none"),
        ("pretokenizer", facts["pretokenizer"] or "none"),
        ("lossless", facts["lossless"]),
        ("missing bytes", missing(facts["missing_bytes"])),
    ]
    return rows + [("warning", warning) for warning in facts["warnings"]]


def listing(special: dict[str, int], limit: int = 8) -> str:
    """Return the first special tokens with their ids."""
    if not special:
        return ""
    shown = [f"{name} {id}" for name, id in sorted(special.items(), key=lambda item: item[1])[:limit]]
    return ": " + ", ".join(shown) + (", ..." if len(special) > limit else "")


def missing(values: list[int]) -> str:
    """Return bytes as ranges of hexadecimal numbers."""
    if not values:
        return "none"
    runs = []
    for _, run in groupby(enumerate(values), lambda pair: pair[1] - pair[0]):
        found: list[Any] = [value for _, value in run]
        if len(found) > 2:
            runs.append(f"{found[0]:02X}..{found[-1]:02X}")
        else:
            runs.extend(f"{value:02X}" for value in found)
    verb = "byte has" if len(values) == 1 else "bytes have"
    return f"{len(values)} {verb} no token: {' '.join(runs)}"
