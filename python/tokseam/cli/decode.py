"""The verb `decode`."""

import json
import re
import sys
from typing import Annotated

import typer

from tokseam.cli import source
from tokseam.errors import UnknownTokenError


def decode(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID...", help="Token ids. Without them: --file, or standard input.")
    ] = None,
    file: source.File = None,
    tokenizer: source.TokenizerPath = None,
    pattern: source.Pattern = None,
    as_json: source.Json = False,
) -> None:
    """Print the text of token ids, byte for byte.

    The ids may be parted by blanks, commas or line ends; JSON lists, and what `encode --json` prints, are read too.

    Examples:
        tokseam decode 4225 277 2327

        tokseam encode --file book.txt | tokseam decode | cmp - book.txt
    """
    loaded = source.load(tokenizer, pattern)
    written = source.read(" ".join(ids) if ids else None, file).decode()
    numbers = parse(written)
    data = loaded.decode_bytes(numbers)
    if as_json:
        typer.echo(json.dumps({"text": loaded.decode(numbers), "bytes": data.hex()}, ensure_ascii=False))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    if sys.stdout.isatty() and not data.endswith(b"\n"):
        sys.stdout.buffer.write(b"\n")


def parse(written: str) -> list[int]:
    """Return the ids of a text that lists them."""
    numbers = []
    for word in re.split(r'[\s,\[\]{}":]+', written):
        if word in ("", "ids"):
            continue
        if not word.isascii() or not word.isdigit():
            raise UnknownTokenError(f"{word!r} is no token id: ids are whole numbers from 0")
        numbers.append(int(word))
    return numbers
