"""The verb `report`."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text
from tqdm import tqdm

from tokseam import Tokenizer, _atomic, _bundled, _extras, superbpe
from tokseam import report as measure
from tokseam._corpus import LINE_SUFFIXES, PACKED_SUFFIXES, open_file, plain_name
from tokseam.cli import source
from tokseam.tokenizer import as_bytes

# Texts are cut at the first line end behind so many bytes.
PART = 1 << 20
RECORDS = (*LINE_SUFFIXES, ".parquet")
BUNDLED = "bundled"


def report(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE",
            help="The text: files of text, .jsonl or .parquet, also .gz and .zst; - is standard input. Default: the "
            "bundled text.",
        ),
    ] = None,
    tokenizers: Annotated[
        list[str] | None,
        typer.Option(
            "--tokenizer",
            "-t",
            metavar="[NAME=]PATH",
            help="A tokenizer.json (or .json.gz), its folder, or a .tiktoken file; may be repeated. The word bundled "
            "is the bundled one, which is also the default.",
        ),
    ] = None,
    pattern: Annotated[
        str | None, typer.Option("--pattern", metavar="REGEX", help="The split pattern, for .tiktoken files.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write a page for a browser.")
    ] = None,
    parallel: Annotated[
        list[str] | None,
        typer.Option(
            "--parallel",
            metavar="LANG=FILE",
            help="A text in a language, once for each: line by line (or record by record) they say the same.",
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option("--reference", metavar="LANG", help="What premiums are relative to. Default: en, or the first."),
    ] = None,
    training: Annotated[
        list[str] | None,
        typer.Option(
            "--training",
            metavar="[NAME=]FILE",
            help="What train --report wrote, for the curve; NAME is the name of a tokenizer.",
        ),
    ] = None,
    lines: Annotated[bool, typer.Option("--lines", help="Take each line of a file as a text of its own.")] = False,
    field: Annotated[
        str, typer.Option("--text", metavar="NAME", help="The field or column of records that holds the text.")
    ] = "text",
    excerpt: Annotated[
        int, typer.Option("--excerpt", metavar="BYTES", min=0, help="How much of the start to show as tokens.")
    ] = 1200,
    as_json: source.Json = False,
) -> None:
    """Compare tokenizers on a text: compression, superwords, lengths, vocabulary, numbers, entropy, languages.

    Prints the main figures, or with --json all of them; -o writes a page with charts and coloured tokens that needs
    no network. Use text that no tokenizer was trained on. Long files are cut at line ends into texts of about 1 MiB.

    Examples:
        tokseam report

        tokseam report book.txt -t mine.json -t bundled -o report.html

        tokseam report held-out.jsonl -t old=old/tokenizer.json -t new=new/tokenizer.json --json

        tokseam report book.txt -t mine.json --parallel en=en.txt --parallel de=de.txt --training mine.report.json
    """
    loaded = load(tokenizers or [BUNDLED], pattern)
    curves = dict(trained(training or [], list(loaded)))
    notes = []
    if not paths and BUNDLED in loaded:
        notes.append(
            "The bundled vocabulary was trained on this text, which flatters it. Give a text that it has not seen."
        )
    if loaded.get(BUNDLED) is _bundled.tokenizer():
        curves.setdefault(BUNDLED, measure.Curve.from_json(_bundled.report()))
    names = ["standard input" if str(path) == "-" else path.name for path in paths or []]
    if output is not None:
        # Before the work, not behind it.
        _extras.load("matplotlib", "report", "a page")
    with ExitStack() as stack:
        found = measure.make(
            loaded,
            read(paths, lines, field) if paths else _bundled.text(),
            source=", ".join(names) or "the bundled text",
            parallel=languages(parallel or [], field),
            reference=reference,
            curves=curves,
            excerpt=excerpt,
            notes=notes,
            progress=Bar(stack, paths or []),
        )
    if output is not None:
        page = found.to_html()
        _atomic.write(output, lambda file: file.write(page.encode()))
    if as_json:
        typer.echo(found.to_json())
    elif output is None:
        show(found)


def load(options: list[str], pattern: str | None) -> dict[str, Tokenizer]:
    """Return the tokenizers of the command line by name."""
    found: dict[str, Tokenizer] = {}
    for option in options:
        name, path = named(option)
        if name is None:
            name = label(path)
        if name in found:
            raise typer.BadParameter(f"two tokenizers have the name {name}: give -t NAME=PATH for one of them")
        if str(path) == BUNDLED and not path.exists():
            found[name] = _bundled.tokenizer()
            continue
        found[name] = source.load(path, pattern if source.holds_ranks(path) else None)
    return found


def named(option: str) -> tuple[str | None, Path]:
    """Return the name and the path of an option; a path with a sign of equality that is there is a path."""
    name, sign, path = option.partition("=")
    if not sign or Path(option).exists():
        return None, Path(option)
    if not name or not path:
        raise typer.BadParameter(f"expected NAME=PATH, not {option}")
    return name, Path(path)


def label(path: Path) -> str:
    """Return what a tokenizer is called by its path: the file without its ending, or the folder that says more."""
    name = path.name.removesuffix(".gz").removesuffix(".json").removesuffix(".tiktoken")
    whole = path.resolve()
    if name == "tokenizer":
        name = whole.parent.name
    return name or whole.name or "tokenizer"


def trained(options: list[str], names: list[str]) -> Iterator[tuple[str, measure.Curve]]:
    """Yield the curves of the command line by the names of their tokenizers."""
    for option in options:
        name, path = named(option)
        if name is None:
            if len(names) > 1:
                raise typer.BadParameter(f"say whose training {option} is: --training NAME={option}")
            name = names[0]
        yield name, measure.Curve.from_file(path)


def languages(options: list[str], field: str) -> dict[str, Iterator[bytes]] | None:
    """Return the parallel texts of the command line by language."""
    found: dict[str, Iterator[bytes]] = {}
    for option in options:
        name, sign, path = option.partition("=")
        if not (name and sign and path):
            raise typer.BadParameter(f"expected LANG=FILE for --parallel, not {option}")
        if name in found:
            raise typer.BadParameter(f"--parallel has {name} twice: give each language one file")
        found[name] = (line.rstrip(b"\r\n") for line in read([Path(path)], True, field))
    return found or None


def read(paths: list[Path], lines: bool, field: str) -> Iterator[bytes]:
    """Yield the texts of files, as they are read."""
    for path in paths:
        if plain_name(path.name).endswith(RECORDS):
            yield from map(as_bytes, superbpe.files(path, text=field))
            continue
        with ExitStack() as stack:
            yield from cut(opened(path, stack), lines)


def opened(path: Path, stack: ExitStack) -> IO[bytes]:
    """Return a file, unpacked."""
    if str(path) == "-":
        if sys.stdin.isatty():
            raise typer.BadParameter("pipe something in for -")
        return sys.stdin.buffer
    if path.suffix in PACKED_SUFFIXES:
        file: IO[bytes] = stack.enter_context(open_file(str(path)))
        return file
    return stack.enter_context(path.open("rb"))


def cut(file: IO[bytes], lines: bool) -> Iterator[bytes]:
    """Yield the texts of a file: its lines, or parts that end at a line end."""
    if lines:
        yield from file
        return
    while part := file.read(PART):
        yield part + (b"" if part.endswith(b"\n") else file.readline())


class Bar:
    """Progress on standard error, for a person who has waited a second."""

    def __init__(self, stack: ExitStack, paths: list[Path]) -> None:
        self._stack = stack
        sizes = [path.stat().st_size for path in paths if path.is_file() and path.suffix not in PACKED_SUFFIXES]
        self._size = sum(sizes) if len(sizes) == len(paths) else None
        self._stage = ""
        self._bar: Any = None

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Show how much of the work in hand is done."""
        if stage != self._stage:
            self._stage = stage
            if self._bar is not None:
                self._bar.close()
            unit, scale = ("tokenizer", False) if total is not None else ("B", True)
            self._bar = self._stack.enter_context(
                tqdm(
                    total=total if total is not None else self._size if stage == "text" else None,
                    desc=stage,
                    unit=unit,
                    unit_scale=scale,
                    delay=1,
                    disable=None,
                    leave=False,
                )
            )
        self._bar.update(done - self._bar.n)


def show(found: measure.Report) -> None:
    """Print the main figures."""
    text = found.text
    table = Table(
        box=box.SIMPLE,
        pad_edge=False,
        title=Text(f"{text.source}: {text.bytes:,} bytes, {text.words:,} words"),
        title_justify="left",
    )
    table.add_column(no_wrap=True)
    for one in found.tokenizers:
        table.add_column(Text(one.name, overflow="fold"), justify="right", overflow="fold")
    for name, cells in found.rows():
        table.add_row(name, *map(Text, cells))
    Console(highlight=False, markup=False).print(table)
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
