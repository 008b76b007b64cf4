"""A report as one page of HTML, without scripts, fonts or anything else from elsewhere.

Every chart has the numbers behind it in a table. Whatever comes from outside (names, texts, tokens) is escaped here.
"""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING

from tokseam.report import charts
from tokseam.segmentation import COLOURS, STYLE, Segmentation, Token

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tokseam.report.figures import Figures, NumberRow, Report, TokenCount

__all__ = ["render", "rows"]

LIGHT = ("#0b62a8", "#b93c0c", "#15753a", "#7e22ce", "#8a5a00", "#0f6f68", "#b5175b", "#57534e")
DARK = ("#6db3f2", "#fb923c", "#4ade80", "#c99bfd", "#facc15", "#2dd4bf", "#f77fbd", "#d6d3d1")

RULES = """
:root{color-scheme:light dark;--font:system-ui,"Segoe UI",Roboto,"Noto Sans",sans-serif}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:16px/1.55 var(--font)}
main{max-width:72rem;margin:0 auto;padding:1.25rem 1rem 4rem}
h1{font-size:1.6rem;line-height:1.25;margin:.2rem 0 .3rem;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:2.6rem 0 .4rem;padding-top:.9rem;border-top:1px solid var(--rule)}
h3{font-size:1rem;margin:1.3rem 0 .3rem;overflow-wrap:anywhere}
p{margin:.4rem 0 .8rem;max-width:46rem}
.facts,figcaption{color:var(--muted)}
.notes{border-left:4px solid var(--s1);background:var(--soft);margin:1rem 0;padding:.5rem 1rem;max-width:48rem}
.notes p{margin:.35rem 0}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;list-style:none;margin:.6rem 0;padding:0;font-weight:600}
.legend li{overflow-wrap:anywhere}
.scroll{overflow-x:auto;margin:.6rem 0;max-width:100%;background:
linear-gradient(to left,var(--back) 40%,transparent) right/2.2rem 100% no-repeat local,
linear-gradient(to left,var(--shade),transparent) right/1.1rem 100% no-repeat scroll}
.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--s0);outline-offset:2px}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;width:max-content}
th,td{padding:.32rem .75rem;border-bottom:1px solid var(--rule);text-align:right;vertical-align:top}
thead th{border-bottom:2px solid var(--muted);vertical-align:bottom}
th:first-child{text-align:left;font-weight:500;position:sticky;left:0;background:var(--back)}
.cell{display:inline-block;max-width:11rem}
tbody th .cell{max-width:16rem}
.name{overflow-wrap:anywhere}
td.text,th.text{text-align:left}
figure{margin:.8rem 0}
figcaption{font-size:.9rem;max-width:46rem}
svg.wide,svg.narrow{width:100%;height:auto;stroke-linejoin:round;stroke-linecap:butt}
svg.wide{max-width:760px;display:block}
svg.narrow{max-width:420px;display:none}
details{margin:.5rem 0}
summary{cursor:pointer;color:var(--muted)}
code{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.92em}
div.tokseam{border:1px solid var(--rule);border-radius:.4rem;padding:.5rem .7rem;font-size:14px}
div.tokseam{max-height:30rem;overflow-y:auto}
.cut.tokseam,.list.tokseam{font-size:14px;line-height:1.7;white-space:pre}
.list.tokseam{display:flex;flex-wrap:wrap;gap:0 1.1em;max-width:46rem}
.list bdi{white-space:pre-wrap;max-width:100%}
dl{max-width:46rem}
dt{font-weight:600;margin-top:.7rem}
dd{margin:0}
@media (max-width:640px){
main{padding:.8rem .7rem 3rem}
svg.wide{display:none}
svg.narrow{display:block}
table{font-size:.87rem}
th,td{padding:.3rem .4rem}
.cell,tbody th .cell{max-width:6.2rem}
}
@media print{div.tokseam{max-height:none}}
"""

LABELS = {
    "ok": "some text has it",
    "unreachable": "no text has it",
    "undecodable": "part of a character",
    "special": "special token",
    "added": "other added token",
    "unused": "id without a token",
}


def _share(count: int, total: int) -> str:
    return _percent(count / total if total else None)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f}\u00a0%"


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def rows(report: Report) -> list[tuple[str, list[str]]]:
    """Return the main figures as text: a label, and a cell for each tokenizer."""
    figures = report.tokenizers
    found = [
        ("vocabulary", [f"{one.vocab_size:,}" for one in figures]),
        ("tokens", [f"{one.tokens:,}" for one in figures]),
        ("bytes per token", [_number(one.bytes_per_token) for one in figures]),
        ("characters per token", [_number(one.characters_per_token) for one in figures]),
        ("tokens per word", [_number(one.tokens_per_word) for one in figures]),
        ("superwords, of tokens", [_percent(one.superwords.token_share) for one in figures]),
        ("superwords, of bytes", [_percent(one.superwords.byte_share) for one in figures]),
        ("vocabulary seen", [_share(one.vocabulary.seen, one.vocab_size) for one in figures]),
        ("unreachable entries", [f"{one.vocabulary.classes['unreachable']:,}" for one in figures]),
        ("numbers", [one.numbers.describe() for one in figures]),
        (
            "entropy, bits per token",
            [_number(one.entropy.corrected if one.entropy else None) for one in figures],
        ),
        ("entropy, bits per byte", [_number(one.entropy.per_byte if one.entropy else None) for one in figures]),
        (
            "conditional, bits per token",
            [_number(one.conditional.corrected if one.conditional else None) for one in figures],
        ),
        (
            "conditional, bits per byte",
            [_number(one.conditional.per_byte if one.conditional else None) for one in figures],
        ),
    ]
    if report.languages:
        dearest = [max(one.languages, key=lambda language: language.premium) for one in figures]
        found.append(
            (f"highest premium over {report.reference}", [f"{one.premium:.2f} ({one.language})" for one in dearest])
        )
    return found


def render(report: Report) -> str:
    """Return the page of a report."""
    # Control characters have no place in a page, and none in an SVG.
    report = replace(
        report,
        text=replace(report.text, source=_visible(report.text.source)),
        tokenizers=tuple(
            replace(
                one,
                name=_visible(one.name),
                languages=tuple(replace(found, language=_visible(found.language)) for found in one.languages),
            )
            for one in report.tokenizers
        ),
        notes=tuple(map(_visible, report.notes)),
        reference=None if report.reference is None else _visible(report.reference),
        languages=tuple(replace(one, name=_visible(one.name)) for one in report.languages),
    )
    figures = list(report.tokenizers)
    what = figures[0].name if len(figures) == 1 else f"{len(figures)} tokenizers"
    title = f"{what} on {report.text.source}"
    text = report.text
    size = f"{text.bytes:,} bytes, {text.characters:,} characters, {text.words:,} words"
    texts = f"{text.texts:,} {'text' if text.texts == 1 else 'texts'}"
    parts = [f"<h1>{_isolated(what)} on {_isolated(text.source)}</h1>", f'<p class="facts">{size}, {texts}</p>']
    if report.notes:
        notes = "".join(f"<p>{escape(note)}</p>" for note in report.notes)
        parts.append(f'<div class="notes" role="note">{notes}</div>')
    for section in (_summary, _lengths, _superwords, _numbers, _entropy, _vocabulary, _languages, _curves, _excerpts):
        parts.append(section(report, figures))
    parts.append(_meanings(report))
    colours = "".join(
        f"{start}:root{{--ink:{ink};--back:{back};--muted:{muted};--rule:{rule};--soft:{soft};--shade:{shade};"
        + "".join(f"--s{index}:{colour};" for index, colour in enumerate(series))
        + "}"
        + end
        for start, ink, back, muted, rule, soft, shade, series, end in (
            ("", "#1c1c1c", "#ffffff", "#595959", "#d9d9d9", "#f6f3ee", "#0003", LIGHT, "\n"),
            (
                "@media (prefers-color-scheme:dark){",
                "#f0f0f0",
                "#151515",
                "#b0b0b0",
                "#3d3d3d",
                "#232120",
                "#fff3",
                DARK,
                "}\n",
            ),
        )
    )
    signs = "".join(f".k{index}{{color:var(--s{index})}}" for index in range(charts.SERIES))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{colours}{STYLE}{RULES}{signs}\n</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def _visible(text: str) -> str:
    return "".join(char if char.isprintable() else f"U+{ord(char):04X}" for char in text)


def _isolated(text: str) -> str:
    """Return a name for a page; one that is written from the right leaves what is around it alone."""
    return f'<bdi class="name">{escape(text)}</bdi>'


def _sign(index: int) -> str:
    return f'<span class="k{index % charts.SERIES}" aria-hidden="true">{charts.SIGNS[index % charts.SERIES]}</span>'


def _legend(figures: Sequence[Figures], drawn: Sequence[Figures]) -> str:
    """Return the signs of those tokenizers that a chart has, if there are several in the report."""
    if len(figures) == 1:
        return ""
    names = "".join(
        f"<li>{_sign(index)} {_isolated(one.name)}</li>" for index, one in enumerate(figures) if one in drawn
    )
    return f'<ul class="legend" aria-label="Tokenizers">{names}</ul>'


def _heads(figures: Sequence[Figures]) -> list[str]:
    """Return the heads of columns, a tokenizer each."""
    if len(figures) == 1:
        return [_isolated(figures[0].name)]
    return [f"{_sign(index)} {_isolated(one.name)}" for index, one in enumerate(figures)]


def _table(caption: str, heads: Sequence[str], body: Iterable[Sequence[str]], *, text: Sequence[int] = ()) -> str:
    """Return a table of cells that are HTML. A narrow window scrolls it.

    Args:
        caption: What it holds, for those who do not see it.
        heads: The heads of the columns; the first column names the rows.
        body: The rows.
        text: The columns that hold text, and begin on the left.
    """
    classes = [' class="text"' if column in text else "" for column in range(len(heads))]
    top = "".join(
        f'<th scope="col"{classes[column]}><span class="cell">{head}</span></th>' for column, head in enumerate(heads)
    )
    lines = "".join(
        f'<tr><th scope="row"><span class="cell">{row[0]}</span></th>'
        + "".join(f"<td{classes[column]}>{cell}</td>" for column, cell in enumerate(row[1:], 1))
        + "</tr>\n"
        for row in body
    )
    name = escape(caption)
    return (
        f'<div class="scroll" role="region" aria-label="{name}" tabindex="0">'
        f"<table><thead><tr>{top}</tr></thead>\n<tbody>\n{lines}</tbody></table></div>"
    )


def _details(title: str, inside: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{inside}</details>"


def _figure(figures: Sequence[Figures], chart: str, caption: str, drawn: Sequence[Figures] | None = None) -> str:
    """Return a chart with its legend and its caption.

    Args:
        figures: The tokenizers of the report.
        chart: The chart.
        caption: What it shows.
        drawn: The tokenizers that it has; None is all of them.
    """
    legend = _legend(figures, figures if drawn is None else drawn)
    return f"<figure>{legend}{chart}<figcaption>{escape(caption)}</figcaption></figure>"


def _summary(report: Report, figures: Sequence[Figures]) -> str:
    body = [
        [escape(label), *(f'<span class="cell">{escape(cell)}</span>' for cell in cells)]
        for label, cells in rows(report)
    ]
    table = _table("The main figures", ["", *_heads(figures)], body)
    if len(figures) == 1 or not report.text.bytes:
        return table
    caption = "More bytes per token is fewer tokens for the same text. The vocabularies may differ in size."
    return table + _figure(figures, charts.compression(list(figures)), caption)


def _lengths(report: Report, figures: Sequence[Figures]) -> str:
    longest = max(max(len(one.lengths.tokens), len(one.lengths.entries)) for one in figures)
    body = []
    for size in range(longest):
        cells = []
        for one in figures:
            cells += [
                f"{counts[size]:,}" if size < len(counts) else "0"
                for counts in (one.lengths.tokens, one.lengths.entries)
            ]
        if set(cells) != {"0"}:
            body.append([f"{size}", *cells])
    heads = ["bytes"]
    for head in _heads(figures):
        heads += [f"{head}<br>tokens", f"{head}<br>entries"]
    medians = [
        [head, f"{one.lengths.median:,}", f"{one.lengths.longest:,}"]
        for head, one in zip(_heads(figures), figures, strict=True)
        if one.lengths.median is not None
    ]
    caption = f"The share of each length. Lengths of {charts.LONGEST} bytes and more stand together."
    return (
        "<h2>Lengths of tokens</h2>"
        + (_table("Median and longest", ["", "median, bytes", "longest, bytes"], medians) if medians else "")
        + (_figure(figures, charts.lengths(list(figures)), caption) if report.text.bytes else "")
        + _details("All lengths", _table("Counts of token lengths", heads, body))
    )


def _tokens(counts: Iterable[TokenCount], *, counted: bool) -> str:
    """Return tokens in a row, drawn as in the coloured text."""
    drawn = []
    for index, one in enumerate(counts):
        token = Token(one.id, one.data, False)
        body = "".join(f"<i>{text}</i>" if sign else escape(text) for text, sign in token.parts())
        kind = "" if token.is_text() else " hex"
        times = f" ×{one.count:,}" if counted else ""
        drawn.append(f'<bdi><span class="c{index % COLOURS}{kind}" title="id {one.id}">{body}</span>{times}</bdi>')
    return f'<span class="list tokseam">{"".join(drawn)}</span>' if drawn else "–"


def _superwords(_: Report, figures: Sequence[Figures]) -> str:
    body = [
        [
            head,
            f"{one.superwords.entries:,}",
            f"{one.superwords.tokens:,}",
            _percent(one.superwords.token_share),
            _percent(one.superwords.byte_share),
        ]
        for head, one in zip(_heads(figures), figures, strict=True)
    ]
    frequent = [
        f"<h3>{head}: the most frequent</h3>{_tokens(one.superwords.frequent, counted=True)}"
        for head, one in zip(_heads(figures), figures, strict=True)
        if one.superwords.frequent
    ]
    return (
        "<h2>Superwords</h2><p>Tokens with a letter, white space behind it, and more text behind that.</p>"
        + _table("Superwords", ["", "entries", "tokens", "of tokens", "of bytes"], body)
        + "".join(frequent)
    )


def _pieces(row: NumberRow) -> str:
    cut = "".join(f'<span class="c{index % COLOURS}">{piece}</span>' for index, piece in enumerate(row.example))
    return f'<code class="cut tokseam" title="{" | ".join(row.example)}">{cut}</code>'


def _numbers(_: Report, figures: Sequence[Figures]) -> str:
    heads = ["", "policy", "blank in the first token"]
    policies = [
        [
            head,
            f'<span class="cell">{escape(one.numbers.describe())}</span>',
            "yes" if one.numbers.joins_blank else "no",
        ]
        for head, one in zip(_heads(figures), figures, strict=True)
    ]
    counted = [one for one in figures if one.numbers.rows]
    parts = ["<h2>Numbers</h2>", _table("How numbers are cut", heads, policies, text=(1, 2))]
    if counted:
        body = []
        for place, first in enumerate(counted[0].numbers.rows):
            cells = [f"{first.digits}"]
            for one in counted:
                row = one.numbers.rows[place]
                spread = f"{row.fewest}" if row.fewest == row.most else f"{row.fewest}–{row.most}"
                cells += [_pieces(row), f"{row.mean:.2f}\u00a0({spread})"]
            body.append(cells)
        heads = ["digits"]
        for one in counted:
            head = f"{_sign(figures.index(one))} {_isolated(one.name)}" if len(figures) > 1 else ""
            heads += [f"{head}<br>cut" if head else "cut", "tokens, mean (range)"]
        parts.append(_table("Numbers by their digits", heads, body, text=range(1, 2 * len(counted), 2)))
        if len(figures) > 1:
            parts.append(_figure(figures, charts.numbers(list(figures)), "Tokens of whole numbers behind a blank."))
    return "".join(parts)


def _entropy(report: Report, figures: Sequence[Figures]) -> str:
    alone = [one.entropy for one in figures]
    behind = [one.conditional for one in figures]
    body = [
        ["a token alone, bits per token", *(_number(one.plug_in if one else None) for one in alone)],
        ["corrected", *(_number(one.corrected if one else None) for one in alone)],
        ["corrected, bits per byte", *(_number(one.per_byte if one else None) for one in alone)],
        ["a token behind another, bits per token", *(_number(one.plug_in if one else None) for one in behind)],
        ["corrected", *(_number(one.corrected if one else None) for one in behind)],
        ["corrected, bits per byte", *(_number(one.per_byte if one else None) for one in behind)],
        ["pairs", *(f"{one.pairs:,}" if one else "–" for one in behind)],
        ["distinct pairs", *(f"{one.distinct:,}" if one else "–" for one in behind)],
        ["pairs seen once", *(_percent(one.once if one else None) for one in behind)],
    ]
    chart = ""
    if len(figures) > 1 and report.text.bytes:
        caption = "Filled: a token by itself. Outlined: a token when the one before it is known. Bits per byte compare."
        chart = _figure(figures, charts.bits(list(figures)), caption)
    return "<h2>Entropy</h2>" + chart + _table("Entropies", ["", *_heads(figures)], body)


def _vocabulary(_: Report, figures: Sequence[Figures]) -> str:
    body = []
    for name, label in LABELS.items():
        cells = [f"{label} <code>{name}</code>"]
        for one in figures:
            count = one.vocabulary.classes[name]
            cells.append(f"{count:,}<br>{_share(count, one.vocab_size)}")
        body.append(cells)
    body.append(["in all", *(f"{one.vocab_size:,}" for one in figures)])
    for label, attribute in (("seen in the text", "seen"), ("seen once", "seen_once")):
        counts = [getattr(one.vocabulary, attribute) for one in figures]
        body.append(
            [
                label,
                *(f"{count:,}<br>{_share(count, one.vocab_size)}" for count, one in zip(counts, figures, strict=True)),
            ]
        )
    doubtful = [one.name for one in figures if not one.vocabulary.exact]
    doubt = f"For {', '.join(doubtful)}, tokens that no text has are those that were not seen." if doubtful else ""
    examples = [
        [f"{head}: {escape(LABELS[name])}", _tokens(one.vocabulary.examples[name], counted=False)]
        for head, one in zip(_heads(figures), figures, strict=True)
        for name in ("unreachable", "undecodable", "special", "added", "ok")
        if one.vocabulary.examples[name]
    ]
    return (
        "<h2>Vocabulary</h2>"
        + (f"<p>{escape(doubt)}</p>" if doubt else "")
        + _table("What ids are good for", ["", *_heads(figures)], body)
        + _details("Examples", _table("Examples of tokens", ["", "tokens"], examples, text=(1,)))
    )


def _languages(report: Report, figures: Sequence[Figures]) -> str:
    if report.reference is None:
        return ""
    body = []
    for place, language in enumerate(report.languages):
        cells = [_isolated(language.name), f"{language.bytes:,}", f"{language.characters:,}"]
        for one in figures:
            found = one.languages[place]
            cells += [f"{found.tokens:,}", f"{found.premium:.3f}"]
        body.append(cells)
    heads = ["", "bytes", "characters"]
    for head in _heads(figures):
        heads += [f"{head}<br>tokens", "premium"]
    caption = f"Tokens of each language over tokens of {report.reference}, for texts that say the same."
    return (
        "<h2>Languages</h2>"
        + _figure(figures, charts.languages(list(figures), report.languages, report.reference), caption)
        + _table("Token premium", heads, body)
    )


def _curves(_: Report, figures: Sequence[Figures]) -> str:
    known = [one for one in figures if one.curve is not None]
    if not known:
        return ""
    tables = []
    for one in known:
        assert one.curve is not None
        pairs = zip(one.curve.sizes, one.curve.bytes_per_token, strict=True)
        body = [[f"{size:,}", f"{value:.3f}"] for size, value in pairs]
        tables.append(
            _details(f"The curve of {one.name}", _table(f"Curve of {one.name}", ["entries", "bytes per token"], body))
        )
    caption = (
        "Lines: bytes per token of the text that each tokenizer was trained on. Dotted: where superwords begin. Signs: "
        "the text of this report."
    )
    return "<h2>Training</h2>" + _figure(figures, charts.curves(list(figures)), caption, known) + "".join(tables)


def _excerpts(report: Report, figures: Sequence[Figures]) -> str:
    shown = [
        f"<h3>{head}: {len(one.excerpt):,} tokens</h3>{Segmentation(one.excerpt).to_html()}"
        for head, one in zip(_heads(figures), figures, strict=True)
    ]
    if not report.text.bytes or not len(figures[0].excerpt):
        return ""
    return "<h2>The start of the text</h2>" + "".join(shown)


def _meanings(report: Report) -> str:
    meanings = {
        "Bytes per token": "UTF-8 bytes of the text over its tokens. Text that a tokenizer was trained on flatters it; "
        "compare on text that none of them has seen.",
        "Word": "A run of characters without white space, the same for all tokenizers. In scripts without blanks it is "
        "whole sentences.",
        "Entropy": "What a code for single tokens needs at least, from the counts of this text. Corrected: with the "
        "correction of Miller and Madow for short texts. Bits per byte compare over vocabularies, bits per token do "
        "not.",
        "Conditional entropy": "The same for a token when the one before it is known. Most pairs are rare, so it is "
        "too low on all but very long texts; the share of pairs seen once says how far to trust it.",
        "Numbers": "Numbers of 1 to 12 digits were tried behind a blank, 200 of each length. Groups end where there "
        "is a border in all of them.",
        "No text has it": "A token that no text is cut into: merges or the pre-tokenizer never let it come about. A "
        "model never learns it.",
    }
    if report.reference is not None:
        meanings["Premium"] = (
            f"Tokens of a language over tokens of {report.reference}, for texts that say the same: what a speaker pays "
            "more."
        )
    terms = "".join(f"<dt>{escape(term)}</dt><dd>{escape(meaning)}</dd>" for term, meaning in meanings.items())
    return f"<h2>What the figures mean</h2><dl>{terms}</dl>"
