"""The verb `score`."""

import json
import math

import typer
from tqdm import tqdm

from tokseam.cli import model, source


def score(
    text: source.Text = None,
    file: source.File = None,
    model_path: model.ModelPath = None,
    as_json: source.Json = False,
) -> None:
    """Print how many bits a byte a model needs for a text.

    Once summed over all covers, which is the probability of the bytes; once for the tokens that the tokenizer writes,
    which is what is usually reported and is never less. A text that is longer than the model's window is scored in
    parts, each by itself.

    Examples:
        tokseam score "import numpy as np"

        tokseam score --file module.py --json
    """
    data = source.read(text, file)
    if not data:
        raise typer.BadParameter("the text is empty: there is nothing to score")
    byte_lm, _ = model.load(model_path)
    parts = model.parts(byte_lm, data)
    size, nats, tokens = 0, 0.0, 0.0
    for part in tqdm(parts, unit="part", delay=1, disable=None, leave=False):
        ids = tuple(byte_lm.tokenizer.encode(part).tolist())
        size += len(ids)
        nats -= byte_lm.logprob(part)
        rows = byte_lm.lm.logprobs([ids[:end] for end in range(len(ids))])
        tokens -= sum(float(row[id]) for row, id in zip(rows, ids, strict=True))
    bits = {name: value / math.log(2) / len(data) for name, value in (("covers", nats), ("tokens", tokens))}
    if as_json:
        found = {
            "bytes": len(data),
            "tokens": size,
            "parts": len(parts),
            "bits_per_byte": bits["covers"],
            "token_bits_per_byte": bits["tokens"],
        }
        typer.echo(json.dumps(found))
        return
    typer.echo(f"{bits['covers']:.4f} bits a byte over covers, {bits['tokens']:.4f} by tokens ({len(data)} bytes)")
