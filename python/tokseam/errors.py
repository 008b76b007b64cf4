"""What can go wrong. Every message names the offending value and the remedy.

All of them are `TokseamError`; each is also the built-in exception that a caller would expect, so code that knows
nothing of this package can still catch `ValueError`, `KeyError` or `NotImplementedError`. A wrong Python type is a
plain `TypeError`, and text that is no text (a lone surrogate) a plain `UnicodeError`.
"""

__all__ = [
    "ExportError",
    "ModelError",
    "NumeralError",
    "PretokenizeError",
    "ReportError",
    "TokseamError",
    "TrainError",
    "UnknownTokenError",
    "UnsupportedTokenizerError",
    "VocabError",
]


class TokseamError(Exception):
    """The base of every error that this package defines."""


class VocabError(TokseamError, ValueError):
    """A file that is no valid tokenizer, or a text that its vocabulary cannot spell."""


class PretokenizeError(TokseamError, ValueError):
    """A text that could not be cut into pretokens, or ids or bytes that no text starts with."""


class TrainError(TokseamError, ValueError):
    """A training run that cannot give what was asked for."""


class NumeralError(TokseamError, ValueError):
    """A numeral that is not one, or that a style cannot express."""


class ExportError(TokseamError, ValueError):
    """A tokenizer that the target format cannot express."""


class ModelError(TokseamError, ValueError):
    """A language model that returned something unusable, or a context that it cannot take."""


class ReportError(TokseamError, ValueError):
    """A report that cannot be made of what was given."""


class UnknownTokenError(TokseamError, KeyError, ValueError):
    """An id or a name that the vocabulary does not have."""

    def __str__(self) -> str:
        # KeyError shows the repr of its argument; ours is a sentence.
        return Exception.__str__(self)


class UnsupportedTokenizerError(TokseamError, NotImplementedError, ValueError):
    """A tokenizer with a part that this package would not apply exactly. It is refused, never approximated."""
