"""The verb `numbers`, with its own verbs."""

import json
import sys
from typing import Annotated, Any, Literal

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tokseam import triadic
from tokseam.cli import source

app = typer.Typer(
    help="""Cut the numbers of a text into triads that name their order of magnitude, and back.

    Markers are control characters; a terminal shows them as {k}, {m}, {p} and so on, a pipe gets them as they are.

    Examples:
        tokseam numbers annotate "1234567.89 is 2e6"

        tokseam numbers annotate --file table.csv | tokseam numbers restore | cmp - table.csv

        tokseam numbers split 1234567.89

        tokseam numbers table --file report.txt --json
    """,
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

GroupSize = Annotated[int, typer.Option("--group-size", min=1, max=4, help="Digits in a group.")]
Years = Annotated[bool, typer.Option("--keep-years", help="Leave whole numbers from 1000 to 2099 alone.")]
MinDigits = Annotated[int, typer.Option("--min-digits", min=1, max=33, help="Leave shorter numbers alone.")]
Grouped = Annotated[bool, typer.Option("--grouped", help="Read commas between triads: 1,234,567.")]
Extend = Annotated[bool, typer.Option("--extend", help="Take numbers of any length.")]
Style = Annotated[
    Literal["lossless", "author", "paper"],
    typer.Option("--style", help="author: as the published converter writes; paper: padded. Both lose zeros."),
]
Variant = Annotated[
    Literal["vocabulary", "marker"],
    typer.Option("--variant", help="With --style author: suffixes joined to their digits, or apart."),
]

_NAMES = str.maketrans({mark: f"{{{name}}}" for name, mark in triadic.MARKERS.items()} | {triadic.ESCAPE: "{esc}"})


def _options(group_size: int, keep_years: bool, min_digits: int, grouped: bool, extend: bool) -> dict[str, Any]:
    return {
        "group_size": group_size,
        "years": "keep" if keep_years else "annotate",
        "min_digits": min_digits,
        "grouped": grouped,
        "extend": extend,
    }


def _show(data: bytes) -> str:
    """Return a text with its markers as names."""
    return data.decode(errors="replace").translate(_NAMES)


def _as_text(data: bytes) -> str:
    """Return bytes as JSON can hold them."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise typer.BadParameter(
            f"byte {data[error.start]:#04x} at {error.start} is not UTF-8, which JSON must be: leave --json out"
        ) from error


def _write(data: bytes) -> None:
    """Print bytes: to a pipe as they are, to a terminal with names for markers."""
    if sys.stdout.isatty():
        typer.echo(_show(data), nl=not data.endswith(b"\n"))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(data)


@app.command()
def annotate(
    text: source.Text = None,
    file: source.File = None,
    style: Style = "lossless",
    variant: Variant = "vocabulary",
    group_size: GroupSize = 3,
    keep_years: Years = False,
    min_digits: MinDigits = 1,
    grouped: Grouped = False,
    extend: Extend = False,
    as_json: source.Json = False,
) -> None:
    """Print a text with a marker behind each triad.

    Examples:
        tokseam numbers annotate "1234567.89"

        tokseam numbers annotate --style author "1234567.89"

        tokseam numbers annotate --grouped --keep-years < report.txt
    """
    options = _options(group_size, keep_years, min_digits, grouped, extend)
    data = triadic.annotate(source.read(text, file), style=style, variant=variant, **options)
    if as_json:
        typer.echo(json.dumps({"text": _as_text(data), "lossy": triadic.is_lossy(style)}))
    else:
        _write(data)


@app.command()
def restore(text: source.Text = None, file: source.File = None, as_json: source.Json = False) -> None:
    """Print a text without the markers that `annotate` put in.

    Examples:
        tokseam numbers annotate --file table.csv | tokseam numbers restore
    """
    data = triadic.restore(source.read(text, file))
    if as_json:
        typer.echo(json.dumps({"text": _as_text(data)}))
    else:
        _write(data)


@app.command()
def split(
    literal: Annotated[str, typer.Argument(metavar="NUMBER", help="A number, without sign and commas.")],
    group_size: GroupSize = 3,
    extend: Extend = False,
    as_json: source.Json = False,
) -> None:
    """Print the triads of one number, each with the power of ten of its last digit.

    Examples:
        tokseam numbers split 1234567.89

        tokseam numbers split --group-size 1 --json 0.045
    """
    triads = triadic.split(literal, group_size=group_size, extend=extend)
    if as_json:
        typer.echo(json.dumps({"triads": [triad._asdict() for triad in triads]}))
        return
    for triad in triads:
        typer.echo(f"{triad.digits}\t{triad.power}")


@app.command()
def table(
    text: source.Text = None,
    file: source.File = None,
    group_size: GroupSize = 3,
    keep_years: Years = False,
    min_digits: MinDigits = 1,
    grouped: Grouped = False,
    extend: Extend = False,
    as_json: source.Json = False,
) -> None:
    """Print a table of the numbers of a text: where they are and how they are cut.

    Examples:
        tokseam numbers table "7 of 12.50, but not 007 or 1.2.3"

        tokseam numbers table --file report.txt --json
    """
    data = source.read(text, file)
    options = _options(group_size, keep_years, min_digits, grouped, extend)
    found = triadic.find_numbers(data, **options)
    rows = []
    for start, end, integer_digits, fraction_digits in found.tolist():
        number = data[start:end]
        cut = _show(triadic.annotate(number, **options))
        row = {"start": start, "end": end, "integer_digits": integer_digits, "fraction_digits": fraction_digits}
        rows.append(row | {"number": number.decode(), "annotated": cut})
    if as_json:
        typer.echo(json.dumps({"numbers": rows}))
        return
    drawn = Table(box=box.SIMPLE, pad_edge=False)
    for name in ("start", "end", "integer", "fraction"):
        drawn.add_column(name, justify="right")
    drawn.add_column("number", overflow="fold")
    drawn.add_column("annotated", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(str(value)) for value in row.values()))
    Console(highlight=False).print(drawn)
