"""The verb `count`."""

import json

import typer

from tokseam.cli import source


def count(
    text: source.Text = None,
    file: source.File = None,
    tokenizer: source.TokenizerPath = None,
    pattern: source.Pattern = None,
    lines: source.Lines = False,
    as_json: source.Json = False,
) -> None:
    """Print how many tokens a text has.

    With --json also its bytes, and the bytes a token. With --lines one number a line.

    Examples:
        tokseam count "By the way"

        tokseam count --file book.txt --json

        tokseam count --lines < corpus.txt
    """
    loaded = source.load(tokenizer, pattern)
    if not lines:
        data = source.read(text, file)
        show(loaded.count(data), len(data), as_json)
        return
    for batch in source.batches(source.lines(text, file)):
        for tokens, line in zip(loaded.count_batch(batch).tolist(), batch, strict=True):
            show(tokens, len(line), as_json)


def show(tokens: int, size: int, as_json: bool) -> None:
    """Print one count."""
    if as_json:
        typer.echo(json.dumps({"tokens": tokens, "bytes": size, "bytes_per_token": size / tokens if tokens else None}))
    else:
        typer.echo(tokens)
