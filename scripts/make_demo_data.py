"""Train the bundled superword tokenizer and cut the bundled text.

    python scripts/make_demo_data.py

writes `python/tokseam/data/tokenizer.json.gz`, its report beside it, and `demo.txt`. It needs tokseam itself, and pip
to fetch the books. The same Python gives the same files.

The text is CPython's own library and documentation (PSF licence) and three books in the public domain: Lewis Carroll,
"Alice's Adventures in Wonderland" (1865), William Shakespeare, "As You Like It" (1623), and John Milton, "Paradise
Lost" (1667). They are test data of the package brotli. Only the words of the authors are taken, none of an editor.
"""

import ast
import gzip
import re
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from tokseam import superbpe
from tokseam.report import Curve

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from vocabularies import Member  # noqa: E402

DATA = ROOT / "python" / "tokseam" / "data"
VOCAB_SIZE = 32_000
TRANSITION = 24_000
LEFT_OUT = {
    "test",
    "tests",
    "idlelib",
    "lib2to3",
    "site-packages",
    "encodings",
    "pydoc_data",
    "turtledemo",
    "__pycache__",
}
PROSE = ("statistics", "textwrap", "heapq", "string", "decimal", "doctest", "unittest/mock")
CODE = ("heapq", "bisect", "textwrap")


def _brotli(name: str, sha256: str) -> Member:
    return Member("brotli", "1.1.0", f"tests/testdata/{name}.txt", sha256, source=True)


# Each with its first words, before which an editor speaks, and how often it counts: prose counts more than verse.
BOOKS = (
    (_brotli("alice29", "7467306ee0feed4971260f3c87421154a05be571d944e9cb021a5713700c38f0"), "CHAPTER I\n", 3),
    (_brotli("asyoulik", "eaa3526fe53859f34ecdf255712f9ecf0b2c903451d4755b2edaa2e2599cb0fc"), "\tAS YOU LIKE IT", 1),
    (
        _brotli("plrabn12", "07e2e0b461af78c7c647cb53dab39de560198e16f799b4516eccf0fbd69f764c"),
        "Of Man's first disobedience",
        1,
    ),
)
OWN = """
A seam is the place where two tokens meet. This paragraph is ours; the rest of the text comes from CPython.
Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.
Le cœur déçu mais l'âme plutôt naïve, Louÿs rêva de crapaüter en canoë.
Съешь же ещё этих мягких французских булок да выпей чаю.
分词器把文字切成小块，接缝就在两块之间。
トークンの境目は、文字の境目とは限らない。
토큰이 만나는 자리를 이음매라고 부른다.
يلتقي الرمزان عند خط رفيع.
टोकन जहाँ मिलते हैं, वहीं सीवन होती है।
Numbers: 7, 42, 1234567, 3.14159, 1,000,000, 0x1F600, 2^64 = 18446744073709551616, 6.02214076e23.
Signs: naïve café, 👩‍👩‍👧‍👦, e\u0301 and é, no\u00a0break, tab\there, "curly" and “curly”.
"""


def library() -> list[Path]:
    """Return the sources of the standard library, without its tests and its data."""
    root = Path(sysconfig.get_path("stdlib"))
    return [file for file in sorted(root.rglob("*.py")) if LEFT_OUT.isdisjoint(file.relative_to(root).parts[:-1])]


def docstrings(source: str) -> list[str]:
    """Return the docstrings of a module, cleaned of their indentation."""
    nodes = (ast.Module, ast.ClassDef, ast.FunctionDef)
    found = [ast.get_docstring(node) for node in ast.walk(ast.parse(source)) if isinstance(node, nodes)]
    return [text for text in found if text]


def books() -> Iterator[str]:
    """Yield the prose, a paragraph a line, and the verse."""
    for member, first, times in BOOKS:
        _, found, rest = member.read().decode("ascii").replace("\r\n", "\n").partition(first)
        if not found:
            raise ValueError(f"{member.path} does not have {first!r}")
        text = re.sub(r"[ \t]+\n", "\n", found + rest.partition("[The End]")[0])
        if times > 1:
            text = "\n".join(" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text)) + "\n"
        for _ in range(times):
            yield text


def texts() -> Iterator[str]:
    """Yield the training text: sources, their docstrings, documentation of the language, the books, lines of ours."""
    for file in library():
        source = file.read_text(encoding="utf-8", errors="strict")
        # Prose counts three times: the code would drown it.
        yield source
        for text in docstrings(source):
            yield text
            yield text
    topics = Path(sysconfig.get_path("stdlib")) / "pydoc_data" / "topics.py"
    for text in ast.literal_eval(topics.read_text(encoding="utf-8").partition("topics = ")[2]).values():
        yield text
    yield from books()
    yield OWN


def train() -> superbpe.Training:
    """Return the trained tokenizer."""
    training: superbpe.Training = superbpe.train(
        texts(), vocab_size=VOCAB_SIZE, transition=TRANSITION, special_tokens=["<|endoftext|>"], lines=True
    )
    return training


def demo() -> str:
    """Return the text: docstrings, code, and our own lines."""
    root = Path(sysconfig.get_path("stdlib"))
    parts = []
    for name in PROSE:
        parts += docstrings((root / f"{name}.py").read_text(encoding="utf-8"))[:6]
    for name in CODE:
        parts.append((root / f"{name}.py").read_text(encoding="utf-8"))
    return "\n\n".join(parts) + "\n" + OWN


def main() -> None:
    """Write both files."""
    DATA.mkdir(exist_ok=True)
    training = train()
    (DATA / "tokenizer.json.gz").write_bytes(gzip.compress(training.tokenizer.to_json().encode(), 9, mtime=0))
    report = Curve.of(training).in_report(training.report)
    (DATA / "tokenizer.report.json").write_text(report, encoding="utf-8")
    (DATA / "demo.txt").write_text(demo(), encoding="utf-8")
    for file in sorted(DATA.iterdir()):
        print(f"{file.name}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
