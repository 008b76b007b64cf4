"""Exact, fast encoding and decoding with the BPE tokenizers that people already have.

Examples:
    >>> from tokseam import Tokenizer
    >>> tokenizer = Tokenizer.from_file("tokenizer.json")
    >>> tokenizer.encode("By the way")
    array([2757,  274, 1791], dtype=uint32)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokseam._native import StreamDecoder
    from tokseam.errors import (
        ExportError,
        ModelError,
        NumeralError,
        PretokenizeError,
        ReportError,
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
    "ReportError",
    "StreamDecoder",
    "Tokenizer",
    "TokseamError",
    "TrainError",
    "UnknownTokenError",
    "UnsupportedTokenizerError",
    "VocabError",
]
__version__ = "0.1.0"

# Modules that can be used behind `import tokseam` alone.
_MODULES = (
    "bytelm",
    "datatrove",
    "errors",
    "fim",
    "fuzz",
    "hf",
    "numpy_lm",
    "phantom",
    "report",
    "segmentation",
    "superbpe",
    "tiktoken",
    "torch",
    "triadic",
)


def __getattr__(name: str) -> Any:
    """Load a name when it is first asked for: the pytest plugin is imported where nothing else of this is used."""
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    homes = {"StreamDecoder": "_native", "Ragged": "tokenizer", "Tokenizer": "tokenizer"}
    value = globals()[name] = getattr(import_module(f"{__name__}.{homes.get(name, 'errors')}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
