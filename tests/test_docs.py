"""Every example in the README and in the docstrings runs and prints what it says."""

import doctest
import importlib
import json
import os
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from sources import ROOT

import tokseam

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def modules() -> list[str]:
    found = [name for _, name, _ in pkgutil.walk_packages(tokseam.__path__, "tokseam.")]
    return ["tokseam", *(name for name in found if not name.endswith(("._native", ".__main__")))]


@pytest.mark.parametrize("name", modules())
def test_docstrings(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS).failed == 0


def test_readme_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python blocks run one after the other, in a folder that holds a tokenizer.json."""
    from tokseam import _bundled

    monkeypatch.chdir(tmp_path)
    _bundled.tokenizer().save("tokenizer.json")
    source = "\n".join(text for kind, text in BLOCKS if kind == "python")
    assert source
    test = doctest.DocTestParser().get_doctest(source, {}, "README.md", None, 0)
    assert test.examples
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed == 0


def test_readme_commands(tmp_path: Path) -> None:
    """Each line that starts with `$ tokseam` prints the lines below it."""
    from tokseam import _bundled

    _bundled.tokenizer().save(tmp_path / "tokenizer.json")
    (tmp_path / "book.txt").write_text(_bundled.text(), encoding="utf-8")
    ran = 0
    for kind, text in BLOCKS:
        if kind != "console":
            continue
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            line, _, expected = part.partition("\n")
            words = shlex.split(line)
            if words[0] != "tokseam":
                continue
            done = subprocess.run(
                [sys.executable, "-m", *words],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=True,
                env=os.environ | {"PYTHONUTF8": "1"},
            )
            assert done.stdout.rstrip("\n") == expected.rstrip("\n"), line  # On a terminal, `decode` ends the line.
            ran += 1
    assert ran


def test_readme_targets() -> None:
    """Each `make` command of the README is a target."""
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake (\w+)", README))
    assert {"demo", "test"} <= named <= targets


def test_demo() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "demo.py")], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("$ tokseam") >= 10
    for found in ("seams", "or(\n", "ance(\n", "384{k}400", "phantom", "make demo took"):
        assert found in done.stdout


def test_training_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python blocks of docs/training.md run, the first on small files of the names that it has."""
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    first, second = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    import gzip

    import pyarrow as pa
    import pyarrow.parquet

    (tmp_path / "web").mkdir()
    (tmp_path / "code").mkdir()
    with gzip.open("web/a.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": line}) + "\n" for line in README.split("\n"))
    pyarrow.parquet.write_table(pa.table({"text": README.split("\n")}), "code/a.parquet")
    small = first.replace("128_000", "700").replace("100_000", "600").replace("64_000", "500")
    names: dict[str, object] = {}
    exec(small, names)
    assert (tmp_path / "smaller.json").exists()
    exec(second, names)
    assert str(names["second"]).startswith("Training(vocab_size=27")


@pytest.mark.parametrize("page", ["numbers", "fuzz", "phantom", "bytelm"])
def test_pages(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples of a page run, in a folder that holds a tokenizer.json."""
    from tokseam import _bundled

    monkeypatch.chdir(tmp_path)
    _bundled.tokenizer().save("tokenizer.json")
    done = doctest.testfile(str(ROOT / "docs" / f"{page}.md"), module_relative=False)
    assert done.attempted > 5
    assert done.failed == 0


def test_triads_of_a_model() -> None:
    for name in ("torch", "transformers"):
        pytest.importorskip(name, reason=f"examples/triads.py needs {name}")
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "triads.py")], capture_output=True, text=True, check=True
    )
    assert "new rows" in done.stdout
    assert "nan" not in done.stdout


def test_rollouts() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "rollouts.py")], capture_output=True, text=True, check=True
    )
    assert "drift:" in done.stdout


def test_ensemble(tmp_path: Path) -> None:
    (tmp_path / "text.py").write_text("import os\nimport sys\nimport re\n\n\ndef f(self):\n    return self.f\n")
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "ensemble.py"), str(tmp_path / "text.py")],
        capture_output=True,
        text=True,
        check=True,
    )
    bits = [float(line.split()[-4]) for line in done.stdout.splitlines()]
    assert len(bits) == 5
    assert all(0 < one < 8 for one in bits)


def test_cuts_inside_words(tmp_path: Path) -> None:
    """One case of the study; a second run finds it done."""
    problem = {"prompt": "def add(first, second):\n", "canonical_solution": "    return first + second\n", "suffix": ""}
    (tmp_path / "problems.jsonl").write_text(json.dumps(problem) + "\n")
    command = [sys.executable, str(ROOT / "examples" / "midword.py")]
    for _ in range(2):
        arguments = [
            str(tmp_path / "problems.jsonl"),
            "--out",
            str(tmp_path / "out.jsonl"),
            "--cases",
            "1",
            "--lines",
            "1",
        ]
        subprocess.run([*command, *arguments], check=True)
        assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 12
    table = subprocess.run(
        [*command, "--table", str(tmp_path / "out.jsonl")], capture_output=True, text=True, check=True
    )
    assert len(table.stdout.splitlines()) == 24
