"""A10: files with triads give the same ids in several versions of `tokenizers`, each in an environment of its own."""

import json
import random
import subprocess
from pathlib import Path

import peers
import pytest
import vocabularies
from numerics import hostile
from sources import FULL, ROOT, SEED, compared, missing

from tokseam import Tokenizer, triadic

TOTAL = 1_000_000 if FULL else 24_000
ROWS = 2_000


@pytest.mark.parametrize("version", ["0.21.4", "0.22.2", "0.23.3"])
@pytest.mark.parametrize("variant", ["vocabulary", "marker"])
def test_versions_of_tokenizers(version: str, variant: str, bundled: Tokenizer, tmp_path: Path) -> None:
    try:
        python = peers.python_with("tokenizers", version)
    except vocabularies.Missing as error:
        missing(str(error))
        raise
    assert variant in ("vocabulary", "marker")
    tokenizer = triadic.extend_tokenizer(bundled, variant="marker" if variant == "marker" else "vocabulary").tokenizer
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    rng = random.Random(f"{SEED} {version} {variant}")
    with subprocess.Popen(
        [python, ROOT / "tests" / "stock_encode.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([str(path)]) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == version
        for _ in range(TOTAL // 2 // ROWS):
            rows = [hostile(rng) for _ in range(ROWS)]
            process.stdin.write(json.dumps(rows) + "\n")
            process.stdin.flush()
            found = json.loads(process.stdout.readline())
            assert found["wrong"] == []
            for text, theirs, ours in zip(rows, found["ids"], tokenizer.encode_batch(rows).tolists(), strict=True):
                assert theirs == ours, text
            compared[f"tokenizers {version}, triads"] += sum(len(text.encode()) for text in rows)
        process.stdin.close()
    assert process.returncode == 0


READ = """
import sys, tokenizers

tokenizer = tokenizers.Tokenizer.from_file(sys.argv[1])
print(tokenizer.decode(tokenizer.encode(sys.argv[2]).ids))
"""


@pytest.mark.parametrize("variant", ["vocabulary", "marker"])
def test_release_candidate(variant: str, bundled: Tokenizer, tmp_path: Path) -> None:
    """A10: the candidate of 1.0 refuses the file or decodes right, and never leaves markers in the text."""
    try:
        python = peers.python_with("tokenizers", "1.0.0rc3")
    except vocabularies.Missing as error:
        missing(str(error))
        raise
    path = tmp_path / "tokenizer.json"
    triadic.extend_tokenizer(bundled, variant="marker" if variant == "marker" else "vocabulary").tokenizer.save(path)
    text = "1234567.89 of 12"
    done = subprocess.run([python, "-c", READ, path, text], capture_output=True, text=True, check=False)
    if done.returncode:
        assert "ValueError: this `Split` pattern needs a system-regex backend" in done.stderr
    else:
        assert done.stdout == text + "\n"
