"""Exact, fast encoding and decoding with the BPE tokenizers that people already have.

Examples:
    >>> from tokseam import Tokenizer
    >>> tokenizer = Tokenizer.from_file("tokenizer.json")  # doctest: +SKIP
    >>> tokenizer.encode("By the way")  # doctest: +SKIP
    array([2964,  279, 1648], dtype=uint32)
"""

from tokseam._native import StreamDecoder
from tokseam.errors import (
    ExportError,
    ModelError,
    NumeralError,
    PretokenizeError,
    TokseamError,
    TrainError,
    UnknownTokenError,
    UnsupportedTokenizerError,
    VocabError,
)
from tokseam.tokenizer import Ragged, Tokenizer

__all__ = [
    "ExportError",
    "ModelError",
    "NumeralError",
    "PretokenizeError",
    "Ragged",
    "StreamDecoder",
    "Tokenizer",
    "TokseamError",
    "TrainError",
    "UnknownTokenError",
    "UnsupportedTokenizerError",
    "VocabError",
]
__version__ = "0.1.0"
