"""Tokenizers side by side on a text: how well they compress it, and what they do with words, numbers and languages.

`make` measures, and the `Report` that it returns has each figure by name, as JSON, and as a page of HTML that needs
nothing else. The page has charts of matplotlib: `pip install 'tokseam[report]'`; the figures need nothing.

Examples:
    >>> from tokseam import _bundled, report
    >>> found = report.make({"bundled": _bundled.tokenizer()}, "Tokens meet at seams.")
    >>> found.tokenizers[0].bytes_per_token
    3.0
    >>> found.tokenizers[0].numbers.describe()
    'groups of 3 from the left, some cut further'
"""

from tokseam.report.figures import (
    Conditional,
    Curve,
    Entropy,
    Figures,
    Language,
    LanguageFigures,
    Lengths,
    NumberRow,
    Numbers,
    Report,
    Superwords,
    TextFigures,
    TokenCount,
    Vocabulary,
    make,
)

__all__ = [
    "Conditional",
    "Curve",
    "Entropy",
    "Figures",
    "Language",
    "LanguageFigures",
    "Lengths",
    "NumberRow",
    "Numbers",
    "Report",
    "Superwords",
    "TextFigures",
    "TokenCount",
    "Vocabulary",
    "make",
]
