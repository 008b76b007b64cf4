"""Formulas in the docs, as MathML: written when the site is built, so that a page needs no script for them.

A Markdown extension: `$...$` stands in a line, `$$...$$` by itself. GitHub shows both too.
"""

import re
from typing import Any

from latex2mathml.converter import convert
from markdown import Markdown
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor


class Formula(InlineProcessor):  # type: ignore[misc]
    """Replaces a formula."""

    def __init__(self, pattern: str, display: str, md: Markdown) -> None:
        super().__init__(pattern, md)
        self.display = display

    def handleMatch(self, m: re.Match[str], data: str) -> tuple[str, int, int]:  # noqa: ARG002, N802
        """Return what stands for the formula in the text, and its range."""
        return self.md.htmlStash.store(convert(m[1], display=self.display)), m.start(), m.end()


class Formulas(Extension):  # type: ignore[misc]
    """Formulas between dollar signs."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802
        """Register the two patterns behind that of code, which may hold dollar signs."""
        md.inlinePatterns.register(Formula(r"\$\$(.+?)\$\$", "block", md), "formula-block", 187)
        md.inlinePatterns.register(Formula(r"\$(?! )([^$]+?)(?<! )\$", "inline", md), "formula", 186)


def makeExtension(**options: Any) -> Extension:  # noqa: N802
    """Return the extension; the name is that which Markdown looks for."""
    return Formulas(**options)
