"""The verbs `train` and `extend`."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from tokseam import _atomic, superbpe
from tokseam.cli import source
from tokseam.report import Curve

Paths = Annotated[
    list[str],
    typer.Argument(metavar="PATH...", help="Files or globs: .txt (a text a line), .jsonl, .parquet; also .gz, .zst."),
]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where the tokenizer.json goes.")]
VocabSize = Annotated[
    int, typer.Option("--vocab-size", "-v", help="Entries of the vocabulary, special tokens and alphabet included.")
]
SchemeName = Annotated[str, typer.Option("--scheme", help="The regexes: superbpe, or superbpe-paper.")]
Field = Annotated[str, typer.Option("--text", metavar="NAME", help="The field or column that holds the text.")]
Weight = Annotated[
    list[float] | None,
    typer.Option("--weight", metavar="SHARE", help="The share of each PATH in the bytes of the corpus; one a PATH."),
]
Seed = Annotated[int, typer.Option("--seed", help="What decides which texts a mixture draws.")]
SkipErrors = Annotated[
    bool, typer.Option("--skip-errors", help="Leave out, and count, what cannot be read, instead of stopping.")
]
MinFrequency = Annotated[int, typer.Option("--min-frequency", help="Stop at pairs that came less often.")]
MaxTokenLength = Annotated[int | None, typer.Option("--max-token-length", help="Tokens are shorter than this.")]
MaxWords = Annotated[int, typer.Option("--max-words", help="The most words in a superword; 0 is no limit.")]
Forbid = Annotated[
    list[str] | None,
    typer.Option("--forbid", metavar="STRING", help='What no superword may contain. Default: ": ".'),
]
NoNewline = Annotated[bool, typer.Option("--no-cross-newline", help="Nothing follows a line end in a superword.")]
NoSentence = Annotated[bool, typer.Option("--no-cross-sentence", help="Superwords end at the end of a sentence.")]
NoPunctuation = Annotated[bool, typer.Option("--no-trailing-punctuation", help="Superwords do not end in punctuation.")]
NoScript = Annotated[bool, typer.Option("--no-cross-script", help="Superwords are of one script.")]
Threads = Annotated[int | None, typer.Option("--threads", help="Threads that count. Default: one a core.")]
Checkpoint = Annotated[
    Path | None,
    typer.Option("--checkpoint", metavar="FILE", help="Keep the state here; the same command goes on from it."),
]
CheckpointSeconds = Annotated[
    float,
    typer.Option("--checkpoint-seconds", min=0, help="How much work may be lost: the state is written this often."),
]
Report = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="Write the report and the curve, as JSON.")
]


def train(
    paths: Paths,
    output: Output,
    vocab_size: VocabSize,
    transition: Annotated[
        int | None,
        typer.Option("--transition", "-t", help="Entries at which superwords begin. Default: 80% of the vocabulary."),
    ] = None,
    scheme: SchemeName = "superbpe",
    special: Annotated[
        list[str] | None, typer.Option("--special", metavar="NAME", help="A special token; they get the first ids.")
    ] = None,
    alphabet: Annotated[
        Literal["bytes", "seen"], typer.Option("--alphabet", help="bytes (all), or seen (those of the text).")
    ] = "bytes",
    inherit: Annotated[
        Literal["keep", "drop"], typer.Option("--inherit", help="keep, or drop, as the reference does.")
    ] = "keep",
    text: Field = "text",
    weight: Weight = None,
    seed: Seed = 0,
    skip_errors: SkipErrors = False,
    min_frequency: MinFrequency = 1,
    max_token_length: MaxTokenLength = None,
    max_words: MaxWords = 4,
    forbid: Forbid = None,
    no_cross_newline: NoNewline = False,
    no_cross_sentence: NoSentence = False,
    no_trailing_punctuation: NoPunctuation = False,
    no_cross_script: NoScript = False,
    threads: Threads = None,
    checkpoint: Checkpoint = None,
    checkpoint_seconds: CheckpointSeconds = 60.0,
    report: Report = None,
    as_json: source.Json = False,
) -> None:
    """Train a superword tokenizer (SuperBPE) and write it as a tokenizer.json.

    Words are merged first, up to --transition entries, then superwords across them. A --transition of the whole
    vocabulary is plain BPE. The file needs nothing of ours: stock tokenizers loads it and encodes alike.

    Examples:
        tokseam train book.txt -o tokenizer.json -v 8000

        tokseam train 'web/*.jsonl.gz' 'code/*.parquet' --weight 0.7 --weight 0.3 -o tokenizer.json -v 128000 -t 100000

        tokseam train corpus.txt -o bpe.json -v 32000 -t 32000 --checkpoint run.ckpt
    """
    with stoppable(checkpoint):
        training = superbpe.train(
            corpus(paths, text, weight, seed, skip_errors),
            vocab_size=vocab_size,
            transition=vocab_size * 4 // 5 if transition is None else transition,
            scheme=scheme,
            constraints=constraints(
                max_words, forbid, no_cross_newline, no_cross_sentence, no_trailing_punctuation, no_cross_script
            ),
            min_frequency=min_frequency,
            special_tokens=special or (),
            alphabet=alphabet,
            inherit=inherit,
            max_token_length=max_token_length,
            threads=threads,
            checkpoint=checkpoint,
            checkpoint_seconds=checkpoint_seconds,
        )
    finish(training, output, report, as_json)


def extend(
    paths: Paths,
    output: Output,
    vocab_size: VocabSize,
    tokenizer: source.TokenizerPath = None,
    pattern: source.Pattern = None,
    scheme: SchemeName = "superbpe",
    text: Field = "text",
    weight: Weight = None,
    seed: Seed = 0,
    skip_errors: SkipErrors = False,
    min_frequency: MinFrequency = 1,
    max_token_length: MaxTokenLength = None,
    max_words: MaxWords = 4,
    forbid: Forbid = None,
    no_cross_newline: NoNewline = False,
    no_cross_sentence: NoSentence = False,
    no_trailing_punctuation: NoPunctuation = False,
    no_cross_script: NoScript = False,
    threads: Threads = None,
    checkpoint: Checkpoint = None,
    checkpoint_seconds: CheckpointSeconds = 60.0,
    report: Report = None,
    as_json: source.Json = False,
) -> None:
    """Add superwords to a byte-level tokenizer. Every id and every merge is kept.

    Examples:
        tokseam extend 'corpus/*.txt' -t tokenizer.json -o superwords.json -v 160000
    """
    with stoppable(checkpoint):
        training = superbpe.extend(
            source.load(tokenizer, pattern),
            corpus(paths, text, weight, seed, skip_errors),
            vocab_size=vocab_size,
            scheme=scheme,
            constraints=constraints(
                max_words, forbid, no_cross_newline, no_cross_sentence, no_trailing_punctuation, no_cross_script
            ),
            min_frequency=min_frequency,
            max_token_length=max_token_length,
            threads=threads,
            checkpoint=checkpoint,
            checkpoint_seconds=checkpoint_seconds,
        )
    finish(training, output, report, as_json)


@contextmanager
def stoppable(checkpoint: Path | None) -> Iterator[None]:
    """Say behind Ctrl-C how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        if checkpoint is not None and checkpoint.exists():
            print(f"stopped; the same command goes on from {checkpoint}", file=sys.stderr)
        raise


def corpus(paths: list[str], text: str, weight: list[float] | None, seed: int, skip_errors: bool) -> superbpe.Files:
    """Return the corpus of the command line."""
    return superbpe.files(*paths, text=text, weights=weight, seed=seed, on_error="skip" if skip_errors else "raise")


def constraints(
    max_words: int, forbid: list[str] | None, newline: bool, sentence: bool, punctuation: bool, script: bool
) -> superbpe.Constraints:
    """Return the constraints of the command line."""
    return superbpe.Constraints(
        max_words=max_words or None,
        forbid_substrings=(": ",) if forbid is None else tuple(part for part in forbid if part),
        cross_newline=not newline,
        cross_sentence=not sentence,
        trailing_punctuation=not punctuation,
        cross_script=not script,
    )


def finish(training: superbpe.Training, output: Path, report: Path | None, as_json: bool) -> None:
    """Write the tokenizer and the report, and say what came out."""
    training.tokenizer.save(output)
    if report is not None:
        text = Curve.of(training).in_report(training.report)
        _atomic.write(report, lambda file: file.write(text.encode()))
    if as_json:
        typer.echo(json.dumps(training.report, ensure_ascii=False))
        return
    found = training.report
    typer.echo(
        f"{output}: {found['size']:,} entries, {len(training.merges):,} merges, "
        f"{training.curve()[-1]:.3f} bytes a token on {found['bytes']:,} bytes"
    )
    if found["stop"] == "min_frequency" and found["size"] < found["vocab_size"]:
        print(f"note: no pair left that came {found['min_frequency']} times or more", file=sys.stderr)
    if found["skipped"]:
        print(f"note: left out {found['skipped']}", file=sys.stderr)
