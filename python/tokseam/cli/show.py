"""The verb `show`."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from tokseam import _atomic
from tokseam.cli import source


def show(
    text: source.Text = None,
    file: source.File = None,
    tokenizer: source.TokenizerPath = None,
    pattern: source.Pattern = None,
    special: source.Special = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page for a browser.")] = None,
    colour: Annotated[
        bool | None,
        typer.Option("--colour/--no-colour", help="Default: colours on a terminal, bars between tokens elsewhere."),
    ] = None,
    as_json: source.Json = False,
) -> None:
    """Show where the tokens of a text begin and end.

    White space is drawn as signs, special tokens are underlined (framed in a page), and a token that is no whole
    character is written as its bytes.

    Examples:
        tokseam show "By the way, 12345 = 1,2345e4"

        tokseam show --file book.txt --html book.html
    """
    segmentation = source.load(tokenizer, pattern).show(
        source.read(text, file), allowed_special=source.allowed(special)
    )
    if html is not None:
        page = segmentation.to_page(str(file or "tokens"))
        _atomic.write(html, lambda place: place.write(page.encode()))
    if as_json:
        rows = [
            {
                "id": token.id,
                "text": token.data.decode(errors="replace"),
                "bytes": token.data.hex(),
                "special": token.special,
            }
            for token in segmentation.tokens
        ]
        typer.echo(json.dumps({"tokens": rows}, ensure_ascii=False))
    elif html is None:
        if colour is None:
            colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        typer.echo(segmentation.to_ansi() if colour else str(segmentation), color=True)
