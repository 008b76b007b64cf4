"""The scripts of docs/distributed.md, each in its own process: the tokenizer of one process."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sources import ROOT

from tokseam import _bundled, superbpe

PAGE = (ROOT / "docs" / "distributed.md").read_text(encoding="utf-8")
SCRIPTS = dict(re.findall(r"^## ([^\n]+)\n.*?^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("engine", ["Processes", "Ray", "Spark"])
def test_engine(engine: str, tmp_path: Path) -> None:
    if engine == "Ray":
        pytest.importorskip("ray", reason="the script of Ray needs ray")
    if engine == "Spark":
        pytest.importorskip("pyspark", reason="the script of Spark needs pyspark")
        if shutil.which("java") is None:
            pytest.skip("the script of Spark needs Java")
    texts = [part + "\n" for part in _bundled.text()[:200_000].split("\n\n")]
    (tmp_path / "texts").mkdir()
    for number in range(3):
        lines = "".join(json.dumps({"text": text}) + "\n" for text in texts[number::3])
        (tmp_path / "texts" / f"{number}.jsonl").write_text(lines, encoding="utf-8")
    (tmp_path / "counting.py").write_text(SCRIPTS["What all engines share"], encoding="utf-8")
    (tmp_path / "script.py").write_text(SCRIPTS[engine], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYSPARK_PYTHON": sys.executable, "RAY_USAGE_STATS_ENABLED": "0"},
    )
    assert done.returncode == 0, done.stderr
    whole = superbpe.train(texts, vocab_size=700, transition=600)
    assert (tmp_path / "tokenizer.json").read_text(encoding="utf-8") == whole.tokenizer.to_json()
