"""Where the tests take vocabularies and text from, and how much of them is used.

`TOKSEAM_FULL=1` is the full volume; `TOKSEAM_CI=1` turns every skip for a missing file into a failure.
"""

import functools
import json
import os
import random
import sysconfig
from collections import Counter
from pathlib import Path

import pytest
import tokenizers
import vocabularies

from tokseam import Tokenizer, _bundled

FULL = os.environ.get("TOKSEAM_FULL") == "1"
STRICT = os.environ.get("TOKSEAM_CI") == "1"
ROOT = Path(__file__).parents[1]
NAMES = ("bundled", *vocabularies.RECIPES)

# Text compared with another tokenizer, in bytes, by the name of the comparison; printed at the end.
compared: Counter[str] = Counter()

# Another sample every run; the header prints it and TOKSEAM_SEED repeats it.
SEED = int(os.environ.get("TOKSEAM_SEED") or random.SystemRandom().randrange(10**6))


def missing(reason: str) -> None:
    """Skip the test that needs a file which is not here, or fail where nothing may be missing."""
    if STRICT:
        pytest.fail(reason)
    pytest.skip(reason)


def vocabulary(name: str) -> str:
    """Return a real vocabulary as the text of a tokenizer.json."""
    if name == "bundled":
        return _bundled.tokenizer().to_json()
    try:
        return vocabularies.load(name)
    except vocabularies.Missing as error:
        missing(str(error))
        raise


@functools.lru_cache(maxsize=3)
def ours(name: str) -> Tokenizer:
    return Tokenizer.from_json(vocabulary(name))


@functools.lru_cache(maxsize=3)
def stock(name: str) -> tokenizers.Tokenizer:
    """Return the same vocabulary in `tokenizers`, without post-processor, reading special tokens as plain text."""
    return stock_from(vocabulary(name))


def stock_from(text: str) -> tokenizers.Tokenizer:
    tree = json.loads(text)
    # Its only effects are added ids and offsets trimmed of blanks, both outside of the comparison.
    tree["post_processor"] = None
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(tree))
    tokenizer.encode_special_tokens = True
    return tokenizer


@functools.cache
def corpora() -> dict[str, list[str]]:
    """Return real documents by kind: those of ../shared, or else what the standard library holds."""
    folder = vocabularies.SHARED / "corpora"
    if not folder.exists():
        if STRICT:
            pytest.fail("../shared/data/corpora is not here")
        return {"library": library(2_000_000)}
    found = {}
    for index in sorted(folder.glob("*.index.json")):
        data = index.with_name(index.name.replace(".index.json", ".txt")).read_bytes()
        rows = json.loads(index.read_text(encoding="utf-8"))
        found[index.name.partition(".")[0]] = [data[start:end].decode() for _, start, end in rows]
    if FULL:
        found["library"] = library(10_000_000)
    return found


def library(limit: int) -> list[str]:
    """Return sources of the standard library and the bundled text, about `limit` bytes."""
    root = Path(sysconfig.get_path("stdlib"))
    files = [file for file in sorted(root.rglob("*.py")) if "site-packages" not in file.parts]
    random.Random(SEED).shuffle(files)
    # Prose about Python, and tests full of unusual characters, come first.
    first = [root / "pydoc_data" / "topics.py", root / "test" / "test_unicodedata.py", root / "test" / "test_str.py"]
    texts, size = [_bundled.text()], 0
    for file in [file for file in first if file.exists()] + files:
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        texts.append(text)
        size += len(text)
        if size > limit:
            break
    return texts
