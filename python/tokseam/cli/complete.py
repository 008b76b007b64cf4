"""The verb `complete`."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tokseam.cli import model, source

Temperature = Annotated[float, typer.Option("--temperature", min=0, help="0 takes the most probable.")]
TopP = Annotated[float, typer.Option("--top-p", min=0, max=1, help="Keep the most probable that reach this share.")]


def complete(
    prompt: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="What to go on from. Without it: the files, or standard input.")
    ] = None,
    prefix_file: Annotated[
        Path | None, typer.Option("--prefix-file", metavar="FILE", help="What stands before the cursor.")
    ] = None,
    suffix_file: Annotated[
        Path | None,
        typer.Option("--suffix-file", metavar="FILE", help="What stands behind the cursor: fill in between."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", metavar="FILE", help="A file with the cursor in it; see --at.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="POSITION", help="The cursor: LINE:COLUMN from 1, or a byte offset from 0."),
    ] = None,
    model_path: model.ModelPath = None,
    template: Annotated[
        str | None,
        typer.Option(
            "--template", metavar="NAME", help="The fill-in-the-middle template. Default: the bundled model's."
        ),
    ] = None,
    max_bytes: Annotated[int, typer.Option("--max-bytes", min=0, help="The most bytes to write.")] = 80,
    unit: Annotated[
        Literal["tokens", "bytes"], typer.Option("--unit", help="What is sampled behind the exact start.")
    ] = "tokens",
    temperature: Temperature = 0.0,
    top_p: TopP = 1.0,
    stop: Annotated[
        list[str] | None, typer.Option("--stop", metavar="TEXT", help="Stop before this text; may be repeated.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="The same seed writes the same.")] = None,
    as_json: source.Json = False,
) -> None:
    """Go on behind a text that may end anywhere, even inside a word, or fill in at a cursor.

    The start is exact: it sums over all ways to cut the end of the text into tokens. Without --model the small code
    model of the package is used, which needs numpy alone.

    Examples:
        tokseam complete "raise ValueErr"

        tokseam complete --file module.py --at 12:9

        tokseam complete --prefix-file before.py --suffix-file after.py --json
    """
    prefix, suffix = _parts(prompt, prefix_file, suffix_file, file, at)
    byte_lm, default = model.load(model_path)
    # The nearest text alone fits into a small window.
    prefix = b"".join(model.parts(byte_lm, prefix)[-1:]) if suffix is None else prefix
    options: dict[str, Any] = {
        "max_bytes": max_bytes,
        "unit": unit,
        "temperature": temperature,
        "top_p": top_p,
        "stop": stop or (),
        "seed": seed,
    }
    with source.arguments():
        if suffix is None and not as_json:
            for piece in byte_lm.generate_stream(prefix, **options):
                sys.stdout.buffer.write(piece)
                sys.stdout.buffer.flush()
            sys.stdout.buffer.write(b"\n")
            return
        if suffix is None:
            done = byte_lm.generate(prefix, **options)
        elif template is None and default is None:
            raise typer.BadParameter("name the template of the model with --template")
        else:
            done = byte_lm.fill(prefix, suffix, template=template or default or "", **options)
    if not as_json:
        sys.stdout.buffer.write(done.data + b"\n")
        return
    typer.echo(
        json.dumps(
            {
                "text": done.text,
                "finish_reason": done.finish_reason,
                "healed": done.healed,
                "logprob": done.logprob,
            }
        )
    )


def _parts(
    prompt: str | None, prefix_file: Path | None, suffix_file: Path | None, file: Path | None, at: str | None
) -> tuple[bytes, bytes | None]:
    """Return what stands before the cursor, and what stands behind it if there is something."""
    if sum(one is not None for one in (prompt, prefix_file, file)) > 1:
        raise typer.BadParameter("give one of: a text, --prefix-file, --file")
    if (file is None) != (at is None):
        raise typer.BadParameter("--file and --at belong together: the file, and where the cursor is in it")
    if file is not None and at is not None:
        if suffix_file is not None:
            raise typer.BadParameter("--file has its suffix in itself: leave --suffix-file out")
        data = file.read_bytes()
        place = _offset(data, at)
        return data[:place], data[place:]
    suffix = None if suffix_file is None else suffix_file.read_bytes()
    return source.read(prompt, prefix_file), suffix


def _offset(data: bytes, at: str) -> int:
    line, colon, column = at.partition(":")
    if not (line.isdecimal() and (column.isdecimal() if colon else True)):
        raise typer.BadParameter(f"--at is {at!r}: expected LINE:COLUMN or a byte offset")
    if not colon:
        if int(line) > len(data):
            raise typer.BadParameter(f"--at is {at}, but the file has {len(data)} bytes")
        return int(line)
    lines = data.splitlines(keepends=True) or [b""]
    if not 1 <= int(line) <= len(lines):
        raise typer.BadParameter(f"--at is {at}, but the file has {len(lines)} lines")
    text = lines[int(line) - 1].decode("utf-8", "surrogateescape")
    if not 1 <= int(column) <= len(text.rstrip("\r\n")) + 1:
        raise typer.BadParameter(f"--at is {at}, but the line has {len(text.rstrip(chr(10) + chr(13)))} characters")
    before = text[: int(column) - 1].encode("utf-8", "surrogateescape")
    return sum(map(len, lines[: int(line) - 1])) + len(before)
