"""The verbs `fuzz` and `audit`."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from tokseam import _bundled
from tokseam.cli import source
from tokseam.fuzz import Failure, plan, vocabulary

TokenizerFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="FILE",
        help="A tokenizer.json (or .json.gz), its folder, or what the engine reads. Default: the bundled one.",
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="NAME",
        help="What loads the file: tokseam, tokenizers, transformers, sentencepiece, or MODULE:NAME.",
    ),
]


def fuzz(
    tokenizer: TokenizerFile = None,
    engine: Engine = "tokseam",
    examples: Annotated[int, typer.Option("--examples", "-n", min=1, help="Inputs for each check.")] = 1000,
    only: Annotated[
        list[str] | None, typer.Option("--check", metavar="NAME", help="Run this check alone; may be repeated.")
    ] = None,
    against: Annotated[
        str | None, typer.Option("--against", metavar="NAME", help="Another engine that must give the same ids.")
    ] = None,
    form: Annotated[
        Literal["NFC", "NFD", "NFKC", "NFKD"] | None,
        typer.Option("--form", help="Texts come back in this normalization form."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Another seed draws other inputs.")] = 0,
    as_json: source.Json = False,
) -> None:
    """Look for texts and ids that a tokenizer does not give back, and print the smallest.

    Exit code 1 if there is one.

    Examples:
        tokseam fuzz tokenizer.json --examples 10000

        tokseam fuzz tokenizer.json --engine transformers --check texts

        tokseam fuzz tokenizer.json --engine tokie:Tokenizer.from_json --against tokenizers --check same
    """
    with source.arguments():
        other = None if against is None else load(tokenizer, against)
        jobs = list(plan.jobs(load(tokenizer, engine), against=other, expected=plan.normalizer(form)))
    names = [job.name for job in jobs]
    for name in only or ():
        if name not in names:
            raise typer.BadParameter(f"{name!r} is no check of this tokenizer; there are: {', '.join(names)}")
    failed = False
    for job in tqdm(jobs, unit="check", delay=1, disable=None, leave=False):
        if only and job.name not in only:
            continue
        failure = job.run(examples=examples, seed=seed)
        failed = failed or failure is not None
        # The bar is on standard error; what is found is not.
        with tqdm.external_write_mode(sys.stdout):
            typer.echo(json.dumps(facts(job.name, failure)) if as_json else report(job.name, failure))
    raise typer.Exit(int(failed))


def audit(
    tokenizer: TokenizerFile = None,
    engine: Engine = "tokseam",
    corpus: Annotated[
        Path | None,
        typer.Option("--corpus", metavar="FILE", help="A text file; tokens that no line of it has are unused."),
    ] = None,
    examples: Annotated[int, typer.Option("--examples", "-n", min=0, help="Tokens to show of each class.")] = 5,
    as_json: source.Json = False,
) -> None:
    """Say what each id of a vocabulary is good for: reachable by some text, by none, a part of a character, special.

    Examples:
        tokseam audit

        tokseam audit tokenizer.json --json

        tokseam audit tokenizer.json --corpus book.txt
    """
    with source.arguments():
        loaded = load(tokenizer, engine)
    texts = None if corpus is None else corpus.read_text(encoding="utf-8").splitlines(keepends=True)
    found = vocabulary.audit(loaded, texts)
    shown = {name: found.examples(name, examples) for name in vocabulary.CLASSES}
    if as_json:
        rows = {
            name: [{"id": id, "token": None if token is None else token.hex()} for id, token in row]
            for name, row in shown.items()
        }
        typer.echo(
            json.dumps(
                {"vocab_size": found.vocab_size, "classes": found.classes, "exact": found.exact, "examples": rows}
            )
        )
        return
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(overflow="fold")
    for name, count in found.classes.items():
        table.add_row(name, f"{count:,}", " ".join(f"{id}:{spell(token)}" for id, token in shown[name]), style=None)
    table.add_row("in all", f"{found.vocab_size:,}", "" if found.exact else "unreachable: not seen, not proven")
    Console(highlight=False, markup=False).print(table)


def load(path: Path | None, engine: str) -> Any:
    """Return the tokenizer that the command line names."""
    if path is None:
        if engine != "tokseam":
            raise typer.BadParameter(f"give a FILE for the engine {engine}")
        return _bundled.tokenizer()
    return plan.load(path, engine)


def facts(name: str, failure: Failure | None) -> dict[str, Any]:
    """Return one line of JSON as a tree."""
    if failure is None:
        return {"check": name, "failed": False}
    return {"check": name, "failed": True} | {
        key: value if isinstance(value, (str, list)) else None if value is None else repr(value)
        for key, value in vars(failure).items()
        if not key.startswith("_")
    }


def report(name: str, failure: Failure | None) -> str:
    """Return what a person reads of one check."""
    if failure is None:
        return f"{name}: ok"
    notes = "".join(f"\n  {note}" for note in getattr(failure, "__notes__", ()))
    return f"{name}: FAILED, {failure}{notes}"


def spell(token: bytes | None) -> str:
    """Return a token as a person reads it."""
    if token is None:
        return "?"
    try:
        return ascii(token.decode())
    except UnicodeDecodeError:
        return token.hex(" ").upper()
