"""The verb `encode`."""

import json

import typer

from tokseam.cli import source


def encode(
    text: source.Text = None,
    file: source.File = None,
    tokenizer: source.TokenizerPath = None,
    pattern: source.Pattern = None,
    special: source.Special = None,
    lines: source.Lines = False,
    as_json: source.Json = False,
) -> None:
    """Print the token ids of a text.

    Examples:
        tokseam encode "By the way"

        tokseam encode --file book.txt -t tokenizer.json > ids.txt

        tokseam encode --lines --json < corpus.txt

        tokseam encode "<|endoftext|>" --special all
    """
    loaded = source.load(tokenizer, pattern)
    names = source.allowed(special)
    if not lines:
        rows = iter([loaded.encode(source.read(text, file), allowed_special=names).tolist()])
    else:
        rows = (
            row
            for batch in source.batches(source.lines(text, file))
            for row in loaded.encode_batch(batch, allowed_special=names).tolists()
        )
    for row in rows:
        typer.echo(json.dumps({"ids": row}) if as_json else " ".join(map(str, row)))
