"""A text with its token borders made visible, for a terminal, a notebook or a page.

Neighbouring tokens have different backgrounds, white space and control characters are drawn as signs, special tokens
are framed, and a token that is no whole text is written as its bytes in hexadecimal.
"""

from __future__ import annotations

import html
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

__all__ = ["Segmentation", "Token"]

COLOURS = 5
SIGNS = {" ": "·", "\n": "⏎", "\t": "⇥", "\r": "␍", "\u00a0": "⍽"}
BACKGROUNDS = (153, 223, 157, 224, 183)

STYLE = """
.tokseam{font:15px/1.9 ui-monospace,Menlo,Consolas,monospace;white-space:pre-wrap;overflow-wrap:anywhere;color:#1c1c1c}
.tokseam{unicode-bidi:plaintext}
.tokseam span{padding:.15em 0;border-radius:.2em;-webkit-box-decoration-break:clone;box-decoration-break:clone}
.tokseam i{font-style:normal;opacity:.65}
.tokseam .c0{background:#cfe3ff}.tokseam .c1{background:#ffe2b8}.tokseam .c2{background:#c9f0c9}
.tokseam .c3{background:#ffd3d6}.tokseam .c4{background:#e3d5fb}
.tokseam .special{outline:2px solid #b00020;font-weight:600}
.tokseam .hex{font-size:.8em;line-height:1.4;padding:.1em .25em;display:inline-block;max-width:100%;white-space:normal}
.tokseam .hex i{opacity:1}
@media (prefers-color-scheme:dark){
.tokseam{color:#f0f0f0}
.tokseam .c0{background:#234a7d}.tokseam .c1{background:#6b4a12}.tokseam .c2{background:#1f5a2a}
.tokseam .c3{background:#702832}.tokseam .c4{background:#4d3a78}
.tokseam .special{outline-color:#ff8a95}}
"""

PAGE = """
body{max-width:75rem;margin:0 auto;padding:1rem;font:16px/1.5 system-ui,sans-serif;background:#fff;color:#1c1c1c}
h1{font-size:1.3rem;margin:0;overflow-wrap:anywhere}
p{margin:.2rem 0 1rem;color:#595959}
@media (prefers-color-scheme:dark){body{background:#151515;color:#f0f0f0}p{color:#b0b0b0}}
"""


class Token(NamedTuple):
    """One token of a text.

    Attributes:
        id: Its id.
        data: The bytes of the text that it covers.
        special: Whether it is a special token.
    """

    id: int
    data: bytes
    special: bool

    def parts(self) -> list[tuple[str, bool]]:
        """Return what to draw: pieces of text, each with whether it is a sign that stands for something unseen."""
        try:
            text = self.data.decode()
        except UnicodeDecodeError:
            return [(self.data.hex(" ").upper(), True)]
        parts: list[tuple[str, bool]] = []
        for char in text:
            if char in SIGNS:
                parts.append((SIGNS[char], True))
            elif not char.isprintable():
                parts.append((f"U+{ord(char):04X}", True))
            elif parts and not parts[-1][1]:
                parts[-1] = (parts[-1][0] + char, False)
            else:
                parts.append((char, False))
        return parts

    def is_text(self) -> bool:
        """Return whether the token is whole characters."""
        return is_text(self.data)


def is_text(data: bytes) -> bool:
    """Return whether bytes are whole characters."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class Segmentation:
    """The tokens of one text. A notebook shows it coloured; `str` joins the tokens with a bar."""

    __slots__ = ("_tokens",)

    def __init__(self, tokens: Iterable[Token]) -> None:
        self._tokens = tuple(tokens)

    @classmethod
    def from_offsets(
        cls, data: bytes, ids: Sequence[int], offsets: Sequence[Sequence[int]], special: Collection[int]
    ) -> Segmentation:
        """Make one from what `Tokenizer.encode_with_offsets` returned for the UTF-8 of a text.

        Args:
            data: The UTF-8 of the text.
            ids: The ids.
            offsets: For each id the first byte and the one behind the last.
            special: The ids of special tokens.
        """
        return cls(Token(id, data[start:end], id in special) for id, (start, end) in zip(ids, offsets, strict=True))

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The tokens in their order."""
        return self._tokens

    def __len__(self) -> int:
        return len(self._tokens)

    def __str__(self) -> str:
        return "|".join("".join(text for text, _ in token.parts()) for token in self._tokens)

    def __repr__(self) -> str:
        return f"Segmentation({len(self)} tokens: {self})"

    def to_ansi(self) -> str:
        """Return the text for a terminal that knows 256 colours. A line ends where the text's line ends."""
        out = []
        for index, token in enumerate(self._tokens):
            style = f"48;5;{BACKGROUNDS[index % COLOURS]};38;5;16" + (";1;4" if token.special else "")
            drawn = "".join(text for text, _ in token.parts())
            out.append(f"\x1b[{style}m{drawn}\x1b[0m")
            if b"\n" in token.data and token.is_text():
                out.append("\n")
        return "".join(out)

    def _repr_html_(self) -> str:
        return f"<style>{STYLE}</style>{self.to_html()}"

    def to_page(self, title: str = "tokens") -> str:
        """Return a whole page of HTML that needs nothing else and follows the reader's light or dark setting.

        Args:
            title: The title of the page and its heading.
        """
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="color-scheme" content="light dark">\n'
            f"<title>{html.escape(title)}</title>\n<style>{PAGE}{STYLE}</style>\n</head>\n<body>\n"
            f"<h1>{html.escape(title)}</h1>\n<p>{len(self):,} tokens</p>\n{self.to_html()}\n</body>\n</html>\n"
        )

    def to_html(self) -> str:
        """Return the tokens as an element of a page that has the rules of `STYLE`."""
        out = ['<div class="tokseam">']
        for index, token in enumerate(self._tokens):
            names = [f"c{index % COLOURS}"]
            if token.special:
                names.append("special")
            if not token.is_text():
                names.append("hex")
            title = f"id {token.id}, bytes {token.data.hex(' ').upper()}" + (", special" if token.special else "")
            drawn = "".join(
                _sign("".join(text for text, _ in run)) if sign else html.escape("".join(text for text, _ in run))
                for sign, run in groupby(token.parts(), itemgetter(1))
            )
            out.append(f'<span class="{" ".join(names)}" title="{title}">{drawn}</span>')
        out.append("</div>")
        return "".join(out)


def _sign(text: str) -> str:
    """Return signs as HTML: lines end where they end in the text, and may be broken before a blank."""
    ends = SIGNS["\n"]
    blank = "<wbr>" if text.startswith(SIGNS[" "]) else ""
    return f"{blank}<i>{text.replace(ends, ends + chr(10))}</i>"
