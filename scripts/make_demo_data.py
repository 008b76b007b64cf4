"""Train the bundled vocabulary and cut the bundled text, both from CPython's own library (PSF licence).

    python scripts/make_demo_data.py

writes `python/tokseam/data/tokenizer.json.gz` and `demo.txt`. It needs the package `tokenizers`. The same Python gives
the same files.
"""

import ast
import gzip
import json
import sysconfig
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

DATA = Path(__file__).parents[1] / "python" / "tokseam" / "data"
VOCAB_SIZE = 12_288
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
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


def train() -> str:
    """Return the vocabulary as the text of a tokenizer.json."""
    texts = []
    for file in library():
        source = file.read_text(encoding="utf-8", errors="strict")
        # Prose counts three times: the code would drown it.
        texts += [source, *docstrings(source) * 2]
    texts.append(OWN)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=VOCAB_SIZE,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=["<|endoftext|>"],
            show_progress=False,
        ),
    )
    return json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":"))


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
    (DATA / "tokenizer.json.gz").write_bytes(gzip.compress(train().encode(), 9, mtime=0))
    (DATA / "demo.txt").write_text(demo(), encoding="utf-8")
    for file in sorted(DATA.iterdir()):
        print(f"{file.name}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
