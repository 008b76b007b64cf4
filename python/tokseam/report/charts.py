"""The charts of a report, drawn by matplotlib as SVG that takes its colours and its font from the page around it.

matplotlib knows one set of colours; a page has two, and its reader chooses. So each chart is drawn in stand-in colours
that are replaced by the page's variables. Text stays text. Each chart is drawn twice, for wide and for narrow
windows, and the page shows one.
"""

from __future__ import annotations

import io
import re
import threading
import warnings
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from tokseam import _extras

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokseam.report.figures import Figures, Language

__all__ = ["SERIES", "SIGNS", "bits", "compression", "curves", "languages", "lengths", "numbers"]

# The page has so many colours for tokenizers; each has a marker too, so that none is told by colour alone.
SERIES = 8
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
SIGNS = ("●", "■", "▲", "◆", "▼", "✚", "✖", "⬟")
DASHES = ("-", "--", "-.", ":")

# Stand-ins; `_inline` knows them.
INK, MUTED, BACK = "#010101", "#020202", "#040404"
VARIABLES = {INK: "--ink", MUTED: "--muted", BACK: "--back"} | {f"#0303{i:02x}": f"--s{i}" for i in range(SERIES)}

WIDE, NARROW = 720, 330
# Lengths behind this one share a place on the axis.
LONGEST = 24

# Settings of matplotlib are those of the process while a chart is drawn.
LOCK = threading.Lock()
SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 11,
    # A name with two dollar signs is no formula.
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": False,
    "grid.color": MUTED,
    "grid.linewidth": 0.3,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}


def _series(index: int) -> dict[str, Any]:
    """Return how a tokenizer is drawn; a later one is thinner, so that an earlier one that it covers is seen."""
    return {
        "color": f"#0303{index % SERIES:02x}",
        "marker": MARKERS[index % SERIES],
        "linestyle": DASHES[index % len(DASHES)],
        "markersize": max(8 - 1.5 * index, 3.5),
        "linewidth": max(2.8 - 0.6 * index, 1.2),
    }


def _draw(name: str, label: str, height: tuple[float, float], paint: Callable[[Any, bool], None]) -> str:
    """Return a chart for the page, in two widths.

    Args:
        name: What tells it from the other charts of the page.
        label: What a reader who does not see it is told.
        height: Its heights in pixels, wide and narrow.
        paint: What draws into a figure, and whether that is the narrow one.
    """
    matplotlib = _extras.load("matplotlib", "report", "a page")
    figures = _extras.load("matplotlib.figure", "report", "a page")
    drawn = []
    for kind, width, tall in (("wide", WIDE, height[0]), ("narrow", NARROW, height[1])):
        with LOCK, warnings.catch_warnings(), matplotlib.rc_context(SETTINGS | {"svg.hashsalt": f"{name} {kind}"}):
            # The page's font has the signs that the one that is measured with lacks.
            warnings.filterwarnings("ignore", message="Glyph ")
            figure = figures.Figure(figsize=(width / 72, tall / 72), layout="constrained")
            paint(figure, kind == "narrow")
            file = io.StringIO()
            figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
        drawn.append(_inline(file.getvalue(), kind, label))
    return "".join(drawn)


def _inline(svg: str, kind: str, label: str) -> str:
    """Return an SVG file as an element of a page."""
    body = svg[svg.index("<svg") :]
    box = re.search(r'viewBox="[^"]*"', body)
    body = body[body.index(">") + 1 :]
    # A style sheet in an inline SVG is one of the whole page; groups have names that other charts have too.
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = body.replace("xlink:href", "href")
    body = re.sub(r'style="[^"]*"', _themed, body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    assert box is not None
    return f'<svg class="{kind}" role="img" aria-label="{escape(label)}" {box[0]}>{body}'


def _themed(style: re.Match[str]) -> str:
    """Return a style attribute with the page's colours and font."""
    text = style[0].replace("'DejaVu Sans'", "var(--font)")
    return re.sub(
        "#0[0-9a-f]{5}", lambda found: f"var({VARIABLES[found[0]]})" if found[0] in VARIABLES else found[0], text
    )


def _short(name: str, narrow: bool) -> str:
    limit = 16 if narrow else 28
    return name if len(name) <= limit else name[: limit - 1] + "…"


def _bars(axes: Any, names: list[str], groups: list[list[float]], narrow: bool) -> None:
    """Draw a bar for each name and group, with its value behind it. Groups differ in how the bar is filled."""
    thick = 0.8 / len(groups)
    highest = max(max(group) for group in groups) or 1
    for group, values in enumerate(groups):
        for place, value in enumerate(values):
            colour = _series(place)["color"]
            at = place + (group - (len(groups) - 1) / 2) * thick
            axes.barh(at, value, thick * 0.86, facecolor="none" if group else colour, edgecolor=colour, linewidth=1.5)
            axes.text(value + highest * 0.01, at, f"{value:.2f}", va="center", size=10)
    axes.set_yticks(range(len(names)), [_short(name, narrow) for name in names])
    axes.invert_yaxis()
    axes.set_xlim(0, highest * (1.16 if narrow else 1.08))
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def compression(figures: list[Figures]) -> str:
    """Return bars of bytes a token."""

    def paint(figure: Any, narrow: bool) -> None:
        axes = figure.add_subplot()
        _bars(axes, [one.name for one in figures], [[one.bytes_per_token or 0.0 for one in figures]], narrow)
        axes.set_xlabel("bytes per token")

    height = 55 + 30 * len(figures)
    label = "Bytes per token: " + ", ".join(f"{one.name} {one.bytes_per_token or 0:.2f}" for one in figures)
    return _draw("compression", label, (height, height), paint)


def bits(figures: list[Figures]) -> str:
    """Return bars of the two entropies a byte."""

    def paint(figure: Any, narrow: bool) -> None:
        axes = figure.add_subplot()
        single = [one.entropy.per_byte if one.entropy else 0.0 for one in figures]
        behind = [one.conditional.per_byte if one.conditional else 0.0 for one in figures]
        _bars(axes, [one.name for one in figures], [single, behind], narrow)
        axes.set_xlabel("bits per byte")

    height = 60 + 46 * len(figures)
    label = "Entropy in bits per byte. " + "; ".join(
        f"{one.name}: {one.entropy.per_byte if one.entropy else 0:.3f} for a token alone, "
        f"{one.conditional.per_byte if one.conditional else 0:.3f} for a token behind another"
        for one in figures
    )
    return _draw("bits", label, (height, height), paint)


def lengths(figures: list[Figures]) -> str:
    """Return the shares of token lengths in the text and in the vocabulary."""

    def shares(counts: tuple[int, ...]) -> Any:
        folded = np.zeros(LONGEST + 1)
        found = np.array(counts, float)
        folded[: len(found)] += found[: LONGEST + 1]
        folded[-1] += found[LONGEST + 1 :].sum()
        return 100 * folded[1:] / max(folded[1:].sum(), 1)

    def paint(figure: Any, narrow: bool) -> None:
        panels = figure.subplots(2 if narrow else 1, 1 if narrow else 2, sharey=True)
        for axes, title, counts in zip(
            panels,
            ("tokens of the text", "entries of the vocabulary"),
            ([one.lengths.tokens for one in figures], [one.lengths.entries for one in figures]),
            strict=True,
        ):
            for index, one in enumerate(counts):
                places = np.arange(1, LONGEST + 1)
                if len(figures) == 1:
                    axes.bar(places, shares(one), 0.85, color=_series(index)["color"])
                else:
                    axes.plot(places, shares(one), **_series(index))
            axes.set_title(title, size=11)
            axes.set_xticks([1, 4, 8, 12, 16, 20, LONGEST], ["1", "4", "8", "12", "16", "20", f"{LONGEST}+"])
            axes.set_xlabel("bytes")
            axes.set_ylabel("%")
            axes.set_ylim(bottom=0)
            axes.label_outer(remove_inner_ticks=False)
            axes.grid(visible=False, axis="x")

    label = "Lengths of tokens in bytes. " + "; ".join(
        f"{one.name}: half of the text's tokens have {one.lengths.median or 0} bytes or fewer" for one in figures
    )
    return _draw("lengths", label, (250, 430), paint)


def numbers(figures: list[Figures]) -> str:
    """Return the mean number of tokens by the number of digits."""

    def paint(figure: Any, _: bool) -> None:
        axes = figure.add_subplot()
        for index, one in enumerate(figures):
            rows = one.numbers.rows
            axes.plot([row.digits for row in rows], [row.mean for row in rows], **_series(index))
        axes.set_xticks(range(1, 13))
        axes.set_ylim(bottom=0)
        axes.set_xlabel("digits of a number")
        axes.set_ylabel("tokens, mean")

    label = "Tokens of a number by its digits. " + "; ".join(
        f"{one.name}: {one.numbers.rows[-1].mean:.1f} tokens for {one.numbers.rows[-1].digits} digits"
        for one in figures
        if one.numbers.rows
    )
    return _draw("numbers", label, (240, 240), paint)


def languages(figures: list[Figures], spoken: tuple[Language, ...], reference: str) -> str:
    """Return the premium of each language, the dearest of the first tokenizer on top."""
    order = sorted(range(len(spoken)), key=lambda place: (figures[0].languages[place].premium, -place))

    def paint(figure: Any, narrow: bool) -> None:
        axes = figure.add_subplot()
        for index, one in enumerate(figures):
            premiums = [one.languages[place].premium for place in order]
            axes.plot(premiums, range(len(order)), **_series(index) | {"linestyle": "none"})
        axes.axvline(1, color=INK, linewidth=1, linestyle="--")
        axes.set_yticks(range(len(order)), [_short(spoken[place].name, narrow) for place in order])
        axes.set_ylim(-0.7, len(order) - 0.3)
        axes.set_xlim(left=min(0.9, *axes.get_xlim()))
        axes.set_xlabel(f"tokens, relative to {_short(reference, narrow)}")

    height = 60 + 20 * len(order)
    label = f"Token premium relative to {reference}. " + "; ".join(
        f"{one.name}: "
        + ", ".join(f"{one.languages[place].language} {one.languages[place].premium:.2f}" for place in reversed(order))
        for one in figures
    )
    return _draw("languages", label, (height, height), paint)


def curves(figures: list[Figures]) -> str:
    """Return bytes a token by the size of the vocabulary, and where this text stands."""

    def paint(figure: Any, narrow: bool) -> None:
        axes = figure.add_subplot()
        for index, one in enumerate(figures):
            if one.curve is None:
                continue
            colour = _series(index)["color"]
            axes.plot(one.curve.sizes, one.curve.bytes_per_token, color=colour, linestyle=DASHES[index % len(DASHES)])
            if one.curve.transition is not None:
                axes.axvline(one.curve.transition, color=colour, linewidth=1, linestyle=":")
            if one.bytes_per_token is not None:
                axes.plot([one.curve.sizes[-1]], [one.bytes_per_token], **_series(index) | {"markersize": 8})
        axes.set_xscale("log")
        ticker = _extras.load("matplotlib.ticker", "report", "a page")
        axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 3) if narrow else (1, 2, 5)))
        axes.xaxis.set_major_formatter(lambda size, _: f"{size:,.0f}")
        axes.xaxis.set_minor_locator(ticker.NullLocator())
        axes.set_ylim(bottom=0)
        axes.set_xlabel("entries of the vocabulary")
        axes.set_ylabel("bytes per token")

    label = "Bytes per token of the training text by the size of the vocabulary. " + "; ".join(
        f"{one.name}: {one.curve.bytes_per_token[-1]:.2f} at {one.curve.sizes[-1]:,} entries"
        for one in figures
        if one.curve is not None
    )
    return _draw("curves", label, (260, 240), paint)
