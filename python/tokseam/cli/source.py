"""Where a command takes its tokenizer and its text from."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from tokseam import Tokenizer, _bundled
from tokseam._extras import MissingExtraError
from tokseam.errors import TokseamError, VocabError

TokenizerPath = Annotated[
    Path | None,
    typer.Option(
        "--tokenizer",
        "-t",
        metavar="PATH",
        help="A tokenizer.json (or .json.gz), a folder that holds one, or a .tiktoken file. Default: the bundled one.",
    ),
]
Pattern = Annotated[
    str | None,
    typer.Option("--pattern", metavar="REGEX", help="The split pattern, for a .tiktoken file."),
]
Text = Annotated[str | None, typer.Argument(metavar="TEXT", help="The text. Without it: --file, or standard input.")]
File = Annotated[Path | None, typer.Option("--file", "-f", metavar="FILE", help="Read this file; - is standard input.")]
Special = Annotated[
    list[str] | None,
    typer.Option(
        "--special", metavar="NAME", help="A special token that counts as one where the text spells it; or: all."
    ),
]
Lines = Annotated[bool, typer.Option("--lines", help="Take each line as a text of its own, and print a line for each.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def holds_ranks(path: Path) -> bool:
    """Return whether a file is one of tiktoken ranks, by its name."""
    return path.name.removesuffix(".gz").endswith(".tiktoken")


def load(path: Path | None, pattern: str | None) -> Tokenizer:
    """Return the tokenizer that the command line names."""
    if path is None:
        return _bundled.tokenizer()
    if pattern is not None:
        return Tokenizer.from_tiktoken(path, pattern=pattern)
    if holds_ranks(path):
        raise VocabError(f"{path} holds ranks alone: give its split pattern with --pattern REGEX")
    return Tokenizer.from_file(path)


def allowed(names: list[str] | None) -> str | list[str]:
    """Return the special tokens that the command line allows, as `Tokenizer.encode` takes them."""
    return "all" if names and "all" in names else names or []


@contextlib.contextmanager
def arguments() -> Iterator[None]:
    """Let the refusal of an argument be a fault of the command line; what is wrong with the input stays as it is."""
    try:
        yield
    except (ImportError, ValueError) as error:
        if isinstance(error, (MissingExtraError, TokseamError, UnicodeError)):
            raise
        raise typer.BadParameter(str(error)) from error


def read(text: str | None, file: Path | None) -> bytes:
    """Return the text of the command line, the file or standard input, as bytes."""
    if text is not None:
        if file is not None:
            raise typer.BadParameter("give a text or --file, not both")
        return os.fsencode(text)
    if file is not None and str(file) != "-":
        return file.read_bytes()
    if sys.stdin.isatty():
        raise typer.BadParameter("give a text, --file FILE, or pipe something in")
    return sys.stdin.buffer.read()


def lines(text: str | None, file: Path | None) -> Iterator[bytes]:
    """Yield the lines of the same, without their line ends, as they are read."""
    if text is not None:
        yield from read(text, file).splitlines()
        return
    if file is None and sys.stdin.isatty():
        raise typer.BadParameter("give a text, --file FILE, or pipe something in")
    with contextlib.ExitStack() as stack:
        if file is None or str(file) == "-":
            stream, size = sys.stdin.buffer, None
        else:
            stream, size = stack.enter_context(file.open("rb")), file.stat().st_size
        # On standard error, and only for a person who has waited a second.
        bar = stack.enter_context(tqdm(total=size, unit="B", unit_scale=True, delay=1, disable=None, leave=False))
        for line in stream:
            bar.update(len(line))
            yield line.removesuffix(b"\n").removesuffix(b"\r")


def batches(lines: Iterator[bytes], size: int = 4 << 20) -> Iterator[list[bytes]]:
    """Yield lists of lines of about `size` bytes, enough to keep all threads busy."""
    batch: list[bytes] = []
    total = 0
    for line in lines:
        batch.append(line)
        total += len(line) + 1
        if total >= size:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch
