"""Write the table of figures in README.md from the newest record of the encoding bench that has some of them.

    python scripts/readme_table.py             # rewrites the table between its marks
    python scripts/readme_table.py --check     # exit code 1 if the page and the record differ

All figures are of text that the object had not seen, but for the first pass of gigatoken, which is that of a fresh
object, against our first pass. Ratios are how many times as long the other library took; none stands where ids differ.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benches"))

from figures import fill, newest  # noqa: E402

from tokseam._bench import times  # noqa: E402

VOCABULARIES = {"superbpe": "SuperBPE", "cl100k": "cl100k", "o200k": "o200k", "llama3": "Llama 3"}
TEXTS = {"english": "English", "code": "code", "multilingual": "multilingual"}
# The title of a column, the library and the state.
COLUMNS = (
    ("tokenizers, encode_batch_fast", "tokenizers, encode_batch_fast", "unseen"),
    ("tiktoken", "tiktoken", "unseen"),
    ("gigatoken, first pass", "gigatoken", "cold"),
    ("gigatoken, later", "gigatoken", "unseen"),
)


def table() -> str:
    """Return the table."""
    for file, lines in newest("encode"):
        # Without the corpora a record has none of its texts.
        rows = draw(lines)
        if len(rows) > 2:
            return "\n".join([*rows, "", f"From `{file.relative_to(ROOT).as_posix()}`."])
    sys.exit("no record has figures of the table: run make bench, with the corpora of ../shared")


def draw(lines: list[dict[str, str]]) -> list[str]:
    """Return the lines of the table of one record: a head of two, and a row for each vocabulary and text it has."""
    found = {
        (line["vocabulary"], line["text"], line["peer"], line["state"], line["figure"]): line
        for line in lines
        if line["what"] == "encode"
    }
    peers = {line["peer"] for line in found.values()}
    columns = [column for column in COLUMNS if column[1] in peers]
    titles = ["vocabulary", "text", "tokseam", *(title for title, _, _ in columns), "equal documents"]
    out = ["| " + " | ".join(titles) + " |", "|---|---|" + "---:|" * (len(titles) - 2)]
    for vocabulary, name in VOCABULARIES.items():
        for text, kind in TEXTS.items():
            ours = found.get((vocabulary, text, "tokseam", "unseen", "mb_per_s"))
            if ours is None:
                continue
            cells = [name, kind, f"{float(ours['value']):.0f} MB/s"]
            for _, peer, state in columns:
                ratio = found.get((vocabulary, text, peer, state, "ratio"))
                rate = found.get((vocabulary, text, peer, state, "mb_per_s"))
                if ratio is not None:
                    cells.append(times(float(ratio["value"])))
                else:
                    cells.append("cannot" if rate is None else f"other ids ({rate['equal']})")
            out.append("| " + " | ".join([*cells, ours["equal"]]) + " |")
    return out


def main() -> None:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 if something would change")
    parser.add_argument("--page", type=Path, default=ROOT / "README.md", help="the page, README.md by default")
    options = parser.parse_args()
    page = options.page.read_text(encoding="utf-8")
    filled = fill(page, "figures", table())
    if options.check and filled != page:
        sys.exit(f"the figures in {options.page.name} are not those of the record: run python scripts/readme_table.py")
    if not options.check:
        options.page.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    main()
