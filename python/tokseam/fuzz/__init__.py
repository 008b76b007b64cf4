r"""Property-based tests of any tokenizer: does text come back, whole and in a stream.

A tokenizer is anything with `encode(text)` and `decode(ids)`: one of this package, of `tokenizers`, `transformers`,
`tiktoken` or `sentencepiece`, or an object of your own. Strategies draw inputs that tokenizers are known to lose,
checks raise `AssertionError` with the case, and `audit` says what each id of a vocabulary is good for.

The strategies need hypothesis: `pip install 'tokseam[fuzz]'`. The checks and `audit` do not.

Examples:
    >>> from tokseam import Tokenizer, fuzz
    >>> tokenizer = Tokenizer.from_file("tokenizer.json")
    >>> fuzz.check_round_trip(tokenizer, "It 's  00:07 .\r\n")
    >>> fuzz.audit(tokenizer).classes["unreachable"]
    0
"""

from tokseam.fuzz.catalogue import CATALOGUE, Case
from tokseam.fuzz.checks import (
    Failure,
    check_batch,
    check_join,
    check_resegmentation,
    check_round_trip,
    check_same,
    check_stream,
    reload,
)
from tokseam.fuzz.plan import Job, jobs
from tokseam.fuzz.search import find_failure
from tokseam.fuzz.strategies import numbers, resegmentations, short_ids, texts, token_ids
from tokseam.fuzz.streams import WindowDecoder
from tokseam.fuzz.vocabulary import Audit, audit

__all__ = [
    "CATALOGUE",
    "Audit",
    "Case",
    "Failure",
    "Job",
    "WindowDecoder",
    "audit",
    "check_batch",
    "check_join",
    "check_resegmentation",
    "check_round_trip",
    "check_same",
    "check_stream",
    "find_failure",
    "jobs",
    "numbers",
    "reload",
    "resegmentations",
    "short_ids",
    "texts",
    "token_ids",
]
