"""The checks that the command and the pytest plugin run on one tokenizer, in their order, and how a file is loaded."""

from __future__ import annotations

import functools
import importlib
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokseam import _extras
from tokseam.errors import TokseamError, VocabError
from tokseam.fuzz import checks
from tokseam.fuzz.catalogue import CATALOGUE
from tokseam.fuzz.checks import Failure
from tokseam.fuzz.search import find_failure
from tokseam.fuzz.strategies import numbers, resegmentations, short_ids, texts, token_ids
from tokseam.fuzz.subject import Subject
from tokseam.tokenizer import Tokenizer, file_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["ENGINES", "FORMS", "Job", "jobs", "load", "normalizer"]

ENGINES = ("tokseam", "tokenizers", "transformers", "sentencepiece")
FORMS = ("NFC", "NFD", "NFKC", "NFKD")


@dataclass(frozen=True)
class Job:
    """One check with its inputs.

    Attributes:
        name: A short name.
        run: Takes `examples` and `seed` and returns the smallest failure, or None.
    """

    name: str
    run: Callable[..., Failure | None]


def load(path: str | Path, engine: str = "tokseam") -> Any:
    """Return the tokenizer of a file, loaded by a library.

    Args:
        path: The file. `tokseam` and `tokenizers` also take a `.json.gz` and a folder with a `tokenizer.json`;
            `transformers` takes those, and of a folder its settings too.
        engine: One of `ENGINES`, or `MODULE:NAME`, a callable that takes the path, such as
            `tokie:Tokenizer.from_json`.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: The library is not installed.
        VocabError: The library does not read the file.
        ValueError: There is no such engine.
    """
    make = _engine(engine)
    if engine in ENGINES:
        # Not every library says which file is absent.
        Path(path).stat()
    try:
        tokenizer = make(path)
    except (ImportError, OSError, TokseamError):
        raise
    except Exception as error:
        raise VocabError(f"{engine} does not read {path}: {type(error).__name__}: {error}") from error
    try:
        Subject.of(tokenizer)
    except TypeError as error:
        raise ValueError(f"{engine!r} is no engine: {error}") from error
    return tokenizer


def _engine(engine: str) -> Callable[[str | Path], Any]:
    """Return what makes a tokenizer of a path."""
    if engine in ENGINES:
        return {
            "tokseam": Tokenizer.from_file,
            "tokenizers": _tokenizers,
            "transformers": _transformers,
            "sentencepiece": _sentencepiece,
        }[engine]
    module, colon, name = engine.partition(":")
    if not colon:
        raise ValueError(f"{engine!r} is no engine: give one of {', '.join(ENGINES)}, or MODULE:NAME")
    try:
        make: Any = importlib.import_module(module)
        for part in name.split("."):
            make = getattr(make, part)
    except (ImportError, AttributeError) as error:
        raise ImportError(f"the engine {engine!r} is not to be had: {error}") from error
    return lambda path: make(str(path))


def _tokenizers(path: str | Path) -> Any:
    library = _extras.load("tokenizers", "hf", "this engine")
    return library.Tokenizer.from_buffer(file_bytes(Path(path)))


def _transformers(path: str | Path) -> Any:
    library = _extras.load("transformers", "hf", "this engine")
    if Path(path).is_dir():
        return library.AutoTokenizer.from_pretrained(path)
    return library.PreTrainedTokenizerFast(tokenizer_object=_tokenizers(path))


def _sentencepiece(path: str | Path) -> Any:
    try:
        library = importlib.import_module("sentencepiece")
    except ImportError as error:
        raise ImportError("this engine needs sentencepiece: pip install sentencepiece") from error
    return library.SentencePieceProcessor(model_file=str(path))


def normalizer(form: str | None) -> Callable[[str], str] | None:
    """Return what puts a text into a normalization form, None for none.

    Args:
        form: One of `FORMS`, or None.

    Raises:
        ValueError: There is no such form.
    """
    if form is None:
        return None
    if form not in FORMS:
        raise ValueError(f"{form!r} is no normalization form: give one of {', '.join(FORMS)}")
    return lambda text: unicodedata.normalize(form, text)  # type: ignore[arg-type]


def jobs(tokenizer: Any, *, against: Any = None, expected: Callable[[str], str] | None = None) -> Iterator[Job]:
    """Yield the checks of a tokenizer.

    Args:
        tokenizer: Anything with `encode` and `decode`; without a vocabulary, the checks of ids are left out.
        against: Another tokenizer that must give the same ids.
        expected: What the tokenizer may make of a text, such as its normalizer.

    Raises:
        ImportError: hypothesis is not installed.
        TypeError: The tokenizer has no `encode` and `decode`.
    """
    subject = Subject.of(tokenizer)
    drawn = texts(special_tokens=_names(tokenizer))
    hypothesis = _extras.load("hypothesis", "fuzz", "tokseam.fuzz")
    pairs = hypothesis.strategies.tuples(texts(), texts())
    round_trip = functools.partial(checks.check_round_trip, tokenizer, expected=expected)
    yield Job("catalogue", functools.partial(_try_catalogue, round_trip))
    yield Job("texts", functools.partial(find_failure, round_trip, drawn))
    yield Job("numbers", functools.partial(find_failure, round_trip, numbers()))

    def stream(text: str) -> None:
        checks.check_stream(tokenizer, checks.encode(tokenizer, text))

    def join(pair: tuple[str, str]) -> None:
        checks.check_join(tokenizer, *pair, expected=expected)

    yield Job("stream", functools.partial(find_failure, stream, drawn))
    yield Job("join", functools.partial(find_failure, join, pairs))
    yield Job("batch", functools.partial(find_failure, lambda pair: checks.check_batch(tokenizer, pair), pairs))
    try:
        again = checks.reload(tokenizer)
    except Exception:
        # A library that saves nothing.
        pass
    else:
        yield Job(
            "reload", functools.partial(find_failure, lambda text: checks.check_same(again, tokenizer, text), drawn)
        )
    if against is not None:
        yield Job(
            "same", functools.partial(find_failure, lambda text: checks.check_same(tokenizer, against, text), drawn)
        )
    try:
        subject.vocab_size  # noqa: B018
    except TypeError:
        return
    of_ids = functools.partial(checks.check_stream, tokenizer)

    def cut_otherwise(pair: tuple[list[int], list[int]]) -> None:
        checks.check_resegmentation(tokenizer, *pair)

    def resegmented(**options: int) -> Failure | None:
        try:
            return find_failure(cut_otherwise, resegmentations(subject), **options)
        except hypothesis.errors.Unsatisfiable:
            # A vocabulary of little more than bytes spells hardly a text in two ways.
            return None

    # These read the vocabulary, which takes its time, so they are made when they run.
    yield Job("ids", lambda **options: find_failure(of_ids, token_ids(subject), **options))
    yield Job("short-ids", lambda **_: _first(of_ids, short_ids(subject)))
    yield Job("resegmentations", resegmented)


def _try_catalogue(check: Callable[[str], None], **_: Any) -> Failure | None:
    """Return the failure of the first entry that fails, with its name."""
    for case in CATALOGUE:
        try:
            check(case.text)
        except Failure as failure:
            failure.add_note(f"catalogue entry {case.name}: {case.symptom} ({case.thread})")
            return failure
    return None


def _first(check: Callable[[list[int]], None], inputs: Iterator[list[int]]) -> Failure | None:
    for value in inputs:
        try:
            check(value)
        except Failure as failure:
            return failure
    return None


def _names(tokenizer: Any) -> list[str]:
    """Return the names of special tokens, where an object tells them."""
    names = getattr(tokenizer, "special_tokens", None) or getattr(tokenizer, "all_special_tokens", None) or ()
    if hasattr(tokenizer, "get_added_tokens_decoder"):
        names = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    # A vocabulary may have hundreds of reserved ones; a few stand for all.
    return [name for name in list(names)[:24] if isinstance(name, str) and name]
