"""The one typer app; each verb lives in a file of its own."""

import inspect
import os
import sys

import typer

from tokseam._extras import MissingExtraError
from tokseam.cli import bench, complete, count, decode, encode, fuzz, info, numbers, phantom, report, score, show, train
from tokseam.errors import TokseamError

app = typer.Typer(
    name="tokseam",
    help="""Encode, decode and look at text with the BPE tokenizers that you already have, train superword ones, and
    complete and score text byte by byte.

    A tokenizer is a tokenizer.json, a tokenizer.json.gz, or a folder that holds one (-t PATH);
    without -t the bundled vocabulary is used. Data goes to standard output, all else to standard error.
    """,
    epilog="Exit codes: 0 done, 1 the input is at fault, 2 the command line is.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

for verb in (info, encode, decode, count, show, complete, score, phantom, report, bench):
    app.command()(getattr(verb, verb.__name__.rpartition(".")[2]))
app.command()(train.train)
app.command()(train.extend)
app.command()(fuzz.audit)
app.command()(fuzz.fuzz)
app.add_typer(numbers.app, name="numbers")


def _listed(text: str) -> str:
    """Return a docstring as markdown, with its examples as a list."""
    words, heading, examples = inspect.cleandoc(text).partition("Examples:\n")
    return (
        words
        + heading
        + "".join(f"\n- {line.strip()}".replace("*", r"\*") for line in examples.splitlines() if line.strip())
    )


for command in (*app.registered_commands, *numbers.app.registered_commands):
    command.help = _listed((command.callback and command.callback.__doc__) or "")
numbers.app.info.help = _listed(numbers.app.info.help or "")


def _plain(error: Exception) -> str:
    """Return the message of an error; one of the system has its file and its words, without a number."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{os.fsdecode(error.filename)}: {error.strerror[:1].lower()}{error.strerror[1:]}"
    return str(error)


def run() -> int:
    """Run the app. An error of ours or of the system is one line on standard error, never a trace."""
    try:
        app(prog_name="tokseam")
    except SystemExit as exit:
        return exit.code if isinstance(exit.code, int) else 0
    except (TokseamError, OSError, UnicodeError) as error:
        print(f"error: {_plain(error)}", file=sys.stderr)
        return 1
    except MissingExtraError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
