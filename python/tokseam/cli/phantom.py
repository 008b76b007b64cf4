"""The verb `phantom`."""

import json
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from tokseam import phantom as phantoms
from tokseam.cli import source
from tokseam.errors import UnknownTokenError, VocabError


def phantom(
    file: source.File = None,
    tokenizer: source.TokenizerPath = None,
    pattern: source.Pattern = None,
    level: Annotated[int, typer.Option("--level", min=0, max=5, help="Highest level at which texts are the same.")] = 4,
    as_json: source.Json = False,
) -> None:
    """Say which id sequences are not canonical and where, or compare pairs of them.

    Each line is JSON: a list of ids or {"ids": [...]} is judged; {"before": [...], "after": [...]} is compared.
    With --json a line comes out for each, else a table.

    Examples:
        tokseam encode --lines --json < corpus.txt | tokseam phantom --json

        tokseam phantom --file rollouts.jsonl -t tokenizer.json
    """
    loaded = source.load(tokenizer, pattern)
    drawn = Table(box=box.SIMPLE, pad_edge=False)
    for name in ("line", "verdict", "position", "reason or level", "blocks", "labels"):
        drawn.add_column(name)
    for number, line in enumerate(source.lines(None, file), 1):
        if not line.strip():
            continue
        try:
            row = _judge(_parse(line, number), loaded, level)
        except UnknownTokenError as error:
            raise UnknownTokenError(f"line {number}: {error}") from error
        if as_json:
            typer.echo(json.dumps({"line": number} | row))
            continue
        why = row.get("reason", row.get("level"))
        place = row.get("position")
        labels = " ".join(map(str, row.get("labels", [])))
        cells = (number, row["verdict"], "" if place is None else place, "" if why is None else why)
        drawn.add_row(*map(str, cells), str(len(row["blocks"])), labels)
    if not as_json:
        Console(highlight=False).print(drawn)


def _judge(found: tuple[list[int], list[int] | None], loaded: Any, level: int) -> dict[str, Any]:
    ids, after = found
    if after is not None:
        compared = phantoms.compare(ids, after, loaded, level=level)
        blocks = [block._asdict() for block in compared.blocks]
        return {"verdict": compared.verdict, "level": compared.level, "labels": compared.labels, "blocks": blocks}
    judged = phantoms.judge(ids, loaded)
    blocks = [block._asdict() for block in phantoms.find(ids, loaded)]
    return {"verdict": judged.state, "position": judged.position, "reason": judged.reason, "blocks": blocks}


def _parse(line: bytes, number: int) -> tuple[list[int], list[int] | None]:
    try:
        tree = json.loads(line)
        rows = [tree]
        if isinstance(tree, dict):
            rows = [tree["ids"]] if "ids" in tree else [tree["before"], tree["after"]]
        for row in rows:
            if not (isinstance(row, list) and all(type(id) is int for id in row)):
                raise ValueError("ids are whole numbers in a list")
    except (ValueError, KeyError, RecursionError) as error:
        raise VocabError(
            f'line {number} is neither a list of ids, {{"ids": ...}} nor {{"before": ..., "after": ...}}: {error}'
        ) from error
    return rows[0], rows[1] if len(rows) > 1 else None
