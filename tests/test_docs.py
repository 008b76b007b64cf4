"""Every block of code in the README, in the docs and in the docstrings runs and prints what it says."""

import doctest
import gzip
import importlib.util
import json
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
import typer
from sources import ROOT
from typer.testing import CliRunner

import tokseam
from tokseam import _bundled
from tokseam.cli.app import app

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))]
TARGETS = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
EXTRAS = set(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"])


def modules() -> list[str]:
    found = [name for _, name, _ in pkgutil.walk_packages(tokseam.__path__, "tokseam.")]
    return ["tokseam", *(name for name in found if not name.endswith(("._native", ".__main__")))]


def source(name: str) -> str:
    """Return the source of a module, which is not imported."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Block:
    """A block of a page: its language, its text, and where it stands."""

    line: int
    language: str
    text: str


def blocks(path: Path) -> list[Block]:
    text = path.read_text(encoding="utf-8")
    return [
        Block(text.count("\n", 0, found.start()) + 2, found[2].strip(), found[3])
        for found in re.finditer(r"^(```+|~~~+)([^\n]*)\n(.*?)^\1[ ]*$", text, re.MULTILINE | re.DOTALL)
    ]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that the pages name."""
    folder = tmp_path_factory.mktemp("pages")
    lines = _bundled.text().split("\n")
    _bundled.tokenizer().save(folder / "tokenizer.json")
    (folder / "book.txt").write_text(_bundled.text(), encoding="utf-8")
    (folder / "add.py").write_text("def add(a, b):\n    ret\n\nprint(add(1, 2))\n", encoding="utf-8")
    for name in ("web", "code", "model"):
        (folder / name).mkdir()
    with gzip.open(folder / "web" / "a.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": line}) + "\n" for line in lines)
    pyarrow.parquet.write_table(pyarrow.table({"text": lines}), folder / "code" / "a.parquet")
    config, weights, tokenizer = _bundled.model()
    (folder / "model" / "config.json").write_text(json.dumps(config))
    (folder / "model" / "model.safetensors").write_bytes(weights)
    tokenizer.save(folder / "model")
    return folder


@pytest.fixture
def folder(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of that folder, which is the current one."""
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", modules())
def test_docstrings(name: str, folder: Path) -> None:  # noqa: ARG001
    """The examples of a module run, in a folder with the files of the pages; none is skipped."""
    if name in ("tokseam.hf", "tokseam.torch"):
        pytest.importorskip("torch", reason=f"the examples of {name} need torch")
    assert "+SKIP" not in source(name)
    assert doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS).failed == 0


def has_own_test(page: str) -> bool:
    """Whether tests/test_NAME.py runs the blocks of docs/NAME.md itself: they are scripts of several processes, say."""
    file = ROOT / "tests" / f"test_{Path(page).stem}.py"
    return file.exists() and f'"{Path(page).name}"' in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [page for page in PAGES if not has_own_test(page)])
def test_page(page: str, folder: Path) -> None:  # noqa: ARG001
    """Every block runs, one after the other, in one folder and with one set of names, and prints what it says."""
    found = blocks(ROOT / page)
    if any(re.search(r"\btorch\b", block.text) for block in found):
        pytest.importorskip("torch", reason=f"{page} needs torch")
    names: dict[str, Any] = {"__name__": page}
    for block in found:
        where = f"{page}, line {block.line}"
        if block.language == "python":
            run_python(block, names, where)
        elif block.language == "console":
            run_console(block, where)
        else:
            pytest.fail(f"{where}: a block of {block.language or 'no language'} is not run; write python or console")


def run_python(block: Block, names: dict[str, Any], where: str) -> None:
    """Run an interactive session, or else a script."""
    if ">>> " not in block.text:
        exec(compile(block.text, where, "exec"), names)
        return
    test = doctest.DocTestParser().get_doctest(block.text, {}, where, where, 0)
    test.globs = names
    told: list[str] = []
    failed = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=told.append, clear_globs=False).failed
    assert failed == 0, f"{where}\n{''.join(told)}"


def run_console(block: Block, where: str) -> None:
    """Run the lines that start with `$ `; what stands below each is what it prints."""
    first, *parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    assert parts, f"{where}: a console block has lines that start with a dollar sign and a blank"
    assert not first, f"{where}: {first!r} stands before the first command"
    for part in parts:
        line, _, expected = part.partition("\n")
        told = run_line(line, where)
        wanted = expected.rstrip("\n") + "\n"
        # On a terminal, `decode` ends the line.
        told = "\n".join(line.rstrip() for line in told.split("\n")).strip("\n") + "\n"
        matches = doctest.OutputChecker().check_output(wanted, told, doctest.ELLIPSIS)
        assert matches, f"{where}: $ {line}\nexpected:\n{wanted}\ngot:\n{told}"


def run_line(line: str, where: str) -> str:
    """Return what a line of commands prints; of those that install or build, only look whether they can be right."""
    data = b""
    for command in line.split(" | "):
        words = shlex.split(command, comments=True)
        if "<" in words:
            data = Path(words[-1]).read_bytes()
            words = words[: words.index("<")]
        name, *arguments = words
        if name == "make":
            assert set(arguments) <= TARGETS | {"FULL=1"}, f"{where}: {command}"
        elif name == "pip":
            asked = re.fullmatch(r"tokseam(?:\[([a-z,]+)\])?", arguments[-1])
            assert arguments[:-1] == ["install"], f"{where}: {command}"
            assert asked, f"{where}: {command}"
            assert set((asked[1] or "all").split(",")) <= EXTRAS, f"{where}: {command}"
        elif name in ("python", "pytest"):
            start = [sys.executable, "-m", "pytest"] if name == "pytest" else [sys.executable]
            files = [str(ROOT / word) if word.startswith("examples/") else word for word in arguments]
            data = subprocess.run([*start, *files], input=data, stdout=subprocess.PIPE, check=True).stdout
        else:
            assert name == "tokseam", f"{where}: {command} is not run"
            result = CliRunner().invoke(app, arguments, input=data)
            if result.exception is not None and not isinstance(result.exception, SystemExit):
                raise result.exception
            assert result.exit_code in (0, 1), f"{where}: {command}\n{result.output}"
            data = result.stdout_bytes
    return data.decode()


def test_every_block_is_found() -> None:
    """Code that is no fenced block, or a fence that `blocks` does not see, would not run."""
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        fences = re.findall(r"^\s*(?:```|~~~)", text, re.MULTILINE)
        assert len(fences) == 2 * len(blocks(ROOT / page)), page
        prose = re.sub(r"^(```+|~~~+).*?^\1[ ]*$", "", text, flags=re.MULTILINE | re.DOTALL)
        indented = re.findall(r"\n\n( {4}\S.*)", prose)
        assert page.startswith("docs/reference/") or not indented, f"{page}: {indented[0]} is not run"


def test_readme_targets() -> None:
    """Each `make` command of the README is a target."""
    named = set(re.findall(r"\bmake (\w+)", README))
    assert {"demo", "test"} <= named <= TARGETS


def test_navigation() -> None:
    """Each page is in the navigation, and each public module in the reference."""
    listed = re.findall(r"[\w/]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2])
    assert sorted(listed) == sorted(page.removeprefix("docs/") for page in PAGES if page.startswith("docs/"))
    shown = {
        name
        for page in PAGES
        if page.startswith("docs/reference/")
        for name in re.findall(r"^::: (\S+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    }
    public = {name for name in modules() if "\n__all__ = " in source(name)}
    # What these hold is shown where it is imported from.
    inner = {name for name in public if "._" in name or name == "tokseam.tokenizer" or name.count(".") > 1}
    assert shown == public - inner


def test_commands() -> None:
    """The page of the command has each of them."""
    page = (ROOT / "docs" / "reference" / "command.md").read_text(encoding="utf-8")
    commands = vars(typer.main.get_command(app))["commands"]
    assert sorted(re.findall(r"^\| `tokseam (\w+)`", page, re.MULTILINE)) == sorted(commands)


def test_demo() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "demo.py")], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("$ tokseam") >= 10
    for found in ("seams", "or(\n", "ance(\n", "384{k}400", "phantom", "make demo took"):
        assert found in done.stdout


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
