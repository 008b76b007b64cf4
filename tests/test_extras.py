"""What is said where an optional package is not installed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sources import ROOT

from tokseam import _bundled

# Every package that an extra brings, as one imports it.
OPTIONAL = (
    *("typer", "rich", "tqdm", "pyarrow", "fsspec", "zstandard", "tokenizers", "transformers", "torch", "tiktoken"),
    *("matplotlib", "hypothesis", "pytest", "datasets", "datatrove", "sentencepiece", "regex"),
)


def hidden(folder: Path, *names: str) -> dict[str, str]:
    """Return an environment in which these packages cannot be found, whatever is installed."""
    for name in names:
        (folder / f"{name}.py").write_text(f"raise ModuleNotFoundError('No module named {name}', name={name!r})\n")
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": path}


def test_numpy_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "without_extras.py")],
        env=hidden(tmp_path, *OPTIONAL),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, "\n".join(line for line in done.stdout.splitlines() if "WRONG" in line) + done.stderr
    assert done.stdout.count("\nok ") > 40


# What a command needs besides the extra `cli`.
COMMANDS = (
    (["info"], None),
    (["encode", "a"], None),
    (["decode", "5"], None),
    (["count", "a"], None),
    (["show", "a"], None),
    (["complete", "a", "--max-bytes", "1"], None),
    (["score", "ab"], None),
    (["numbers", "split", "1234"], None),
    (["audit", "--json"], None),
    (["phantom", "--file", "ids.jsonl"], None),
    (["train", "text.txt", "-o", "out.json", "-v", "300", "-t", "300"], None),
    (["train", "text.txt.gz", "-o", "out.json", "-v", "300"], "train"),
    (["extend", "text.txt", "-o", "out.json", "-v", "32010"], None),
    (["extend", "text.txt.gz", "-o", "out.json", "-v", "32010"], "train"),
    (["fuzz"], "fuzz"),
    (["fuzz", "tokenizer.json", "--engine", "tokenizers"], "hf"),
    (["audit", "tokenizer.json", "--engine", "transformers"], "hf"),
    (["bench", "tokenizer.json", "text.txt"], "hf"),
    (["report", "text.txt"], None),
    (["report", "text.txt", "-o", "report.html"], "report"),
)
RUN = """
import contextlib, io, json, sys
from tokseam.cli import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["tokseam", *words]
    out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main()
    print(json.dumps([words, code, err.getvalue()]))
"""


def test_the_command_without_other_extras(tmp_path: Path) -> None:
    """Each command runs, or names the extra that it needs, in one line and without a trace."""
    missing = tmp_path / "hidden"
    missing.mkdir()
    (tmp_path / "text.txt").write_text(_bundled.text()[:20_000], encoding="utf-8")
    (tmp_path / "ids.jsonl").write_text("[5, 6]\n")
    _bundled.tokenizer().save(tmp_path / "tokenizer.json")
    others = [name for name in OPTIONAL if name not in ("typer", "rich", "tqdm")]
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps([words for words, _ in COMMANDS])],
        cwd=tmp_path,
        env=hidden(missing, *others),
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == len(COMMANDS)
    for (words, extra), (_, code, said) in zip(COMMANDS, rows, strict=True):
        if extra is None:
            assert code == 0, (words, said)
        else:
            assert code == 2, (words, said)
            assert re.fullmatch(rf"error: .*pip install 'tokseam\[{extra}\]'.*\n", said), (words, said)


def test_every_command_is_among_them() -> None:
    from tokseam.cli.app import app

    names = {command.callback.__name__ for command in app.registered_commands if command.callback}
    names |= {group.name for group in app.registered_groups if group.name}
    assert names == {words[0] for words, _ in COMMANDS}


def test_zst_names_its_extra(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    code = "from tokseam import superbpe; list(superbpe.files('text.txt.zst'))"
    (tmp_path / "text.txt.zst").write_bytes(b"\x28\xb5\x2f\xfd")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=hidden(tmp_path, "zstandard"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.strip().endswith("reading .zst files needs zstandard: pip install 'tokseam[train]'")
