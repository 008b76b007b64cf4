"""The command: what it prints, where, with which exit code, and what it says without its extra."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tokseam import _bundled, superbpe
from tokseam.bytelm import ByteLM, bundled
from tokseam.cli import model as cli_model
from tokseam.cli.app import app

TEXT = "Tokens meet at seams: naïve 数字 12345."


def run(*words: str, data: bytes | None = None) -> Any:
    return CliRunner().invoke(app, list(words), input=data)


def command(*words: str, data: bytes = b"", **extra: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "tokseam", *words], input=data, capture_output=True, check=False, **extra
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT + "\nsecond line\r\n\n", encoding="utf-8", newline="")
    return path


def test_encode_and_decode(file: Path) -> None:
    ids = _bundled.tokenizer().encode(TEXT).tolist()
    line = " ".join(map(str, ids)) + "\n"
    assert run("encode", TEXT).stdout == line
    assert run("encode", data=TEXT.encode()).stdout == line
    assert run("encode", "--file", "-", data=TEXT.encode()).stdout == line
    assert json.loads(run("encode", "--json", TEXT).stdout) == {"ids": ids}
    assert run("decode", *map(str, ids)).stdout_bytes.decode() == TEXT
    whole = run("encode", "-f", str(file))
    for form in ("", "--json"):
        written = run("encode", "-f", str(file), *([form] if form else [])).stdout
        assert run("decode", data=written.encode()).stdout_bytes == file.read_bytes()
    assert whole.exit_code == 0
    shown = json.loads(run("decode", "--json", *map(str, ids)).stdout)
    assert shown == {"text": TEXT, "bytes": TEXT.encode().hex()}


def test_lines(file: Path) -> None:
    tokenizer = _bundled.tokenizer()
    expected = [tokenizer.encode(line).tolist() for line in (TEXT, "second line", "")]
    written = run("encode", "--lines", "--json", "-f", str(file)).stdout
    assert [json.loads(line)["ids"] for line in written.splitlines()] == expected
    assert run("encode", "--lines", "--json", data=file.read_bytes()).stdout == written
    counted = run("count", "--lines", "-f", str(file)).stdout
    assert [int(line) for line in counted.splitlines()] == [len(row) for row in expected]


def test_count(file: Path) -> None:
    tokens = _bundled.tokenizer().count(file.read_bytes())
    assert run("count", "-f", str(file)).stdout == f"{tokens}\n"
    size = file.stat().st_size
    expected = {"tokens": tokens, "bytes": size, "bytes_per_token": size / tokens}
    assert json.loads(run("count", "--json", "-f", str(file)).stdout) == expected
    assert json.loads(run("count", "--json", "").stdout) == {"tokens": 0, "bytes": 0, "bytes_per_token": None}


def test_show(tmp_path: Path) -> None:
    plain = run("show", TEXT).stdout
    assert plain.replace("|", "").replace("·", " ").startswith("Tokens meet at seams: na")
    assert "\x1b" not in plain
    assert "\x1b[48;5;" in run("show", "--colour", TEXT).stdout
    page = tmp_path / "page.html"
    assert run("show", "--html", str(page), TEXT, "--special", "all").exit_code == 0
    assert "<!doctype html>" in page.read_text(encoding="utf-8")
    tokens = json.loads(run("show", "--json", TEXT).stdout)["tokens"]
    assert bytes.fromhex("".join(token["bytes"] for token in tokens)).decode() == TEXT


def test_special_tokens() -> None:
    text = "a<|endoftext|>"
    plain = run("encode", text).stdout
    for allowed in ("all", "<|endoftext|>"):
        assert run("encode", text, "--special", allowed).stdout != plain
    assert command("encode", text, "--special", "<s>").returncode == 1


def test_info(tmp_path: Path) -> None:
    shown = run("info").stdout
    for word in ("vocabulary", "32,000", "merges", "<|endoftext|>", "lossless", "yes", "missing bytes"):
        assert word in shown
    facts = json.loads(run("info", "--json").stdout)
    assert facts["vocab_size"] == 32_000
    assert facts["special_tokens"] == {"<|endoftext|>": 0}
    _bundled.tokenizer().save(tmp_path / "tokenizer.json")
    for path in (tmp_path, tmp_path / "tokenizer.json"):
        assert json.loads(run("info", "--json", "-t", str(path)).stdout) == facts
    superbpe.train(["text"], vocab_size=256, transition=256).tokenizer.save(tmp_path)
    assert " special tokens   0 " in run("info", "-t", str(tmp_path)).stdout


def test_missing_bytes_are_ranges() -> None:
    from tokseam.cli.info import missing

    assert missing([]) == "none"
    assert missing([0xC0, 0xC1, *range(0xF5, 0x100)]) == "13 bytes have no token: C0 C1 F5..FF"
    assert missing([7]) == "1 byte has no token: 07"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["count", "a"], 0),
        (["--help"], 0),
        (["encode", "--help"], 0),
        (["count", "-f", "no such file"], 1),
        (["info", "-t", "no such file"], 1),
        (["decode", "x"], 1),
        (["decode", "-5"], 2),
        (["decode", "99999999"], 1),
        (["decode", "99999999999999999999999"], 1),
        (["encode", "a", "--file", "b"], 2),
        (["encode", "--nothing"], 2),
        (["nothing"], 2),
        ([], 2),
    ],
)
def test_exit_codes(words: list[str], code: int) -> None:
    done = command(*words)
    assert done.returncode == code, done
    assert b"Traceback" not in done.stderr
    if code:
        assert done.stderr or not words
    if code == 1:
        assert done.stderr.startswith(b"error: ")
        assert not done.stdout


def test_bytes_of_any_kind_pass_through() -> None:
    data = bytes(range(256)) + b"\r\n\xff\n"
    ids = command("encode", data=data)
    assert ids.returncode == 0
    assert command("decode", data=ids.stdout).stdout == data
    assert (
        command("encode", b"\xff\xfe".decode("utf-8", "surrogateescape")).stdout
        == command("encode", data=b"\xff\xfe").stdout
    )


def test_a_closed_pipe_is_no_trace() -> None:
    line = f"{sys.executable} -m tokseam encode --lines | head -1"
    done = subprocess.run(["bash", "-c", line], input=b"a b c\n" * 200_000, capture_output=True, check=False)
    assert done.stdout.count(b"\n") == 1
    assert b"Traceback" not in done.stderr


def test_the_script_is_installed() -> None:
    script = Path(sys.executable).with_name("tokseam")
    assert subprocess.run([script, "count", "a"], capture_output=True, check=True).stdout == b"1\n"


def test_without_the_extra(tmp_path: Path) -> None:
    for name in ("typer", "rich", "tqdm"):
        # A module of this name that cannot be found, whatever is installed.
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('no {name}', name={name!r})\n")
    done = command("info", env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert done.stdout == b""
    assert b"pip install 'tokseam[cli]'" in done.stderr
    # What one of them lacks by itself, the extra does not bring.
    (tmp_path / "rich.py").write_text("import no_such_module\n")
    done = command("info", env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert (done.returncode, b"no_such_module" in done.stderr, b"tokseam[cli]" in done.stderr) == (1, True, False)


def test_importing_is_light() -> None:
    code = "import sys, tokseam; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {
        "typer",
        "rich",
        "tqdm",
        "torch",
        "transformers",
        "tokenizers",
        "tiktoken",
        "pyarrow",
        "hypothesis",
        "multiprocessing",
    }
    assert heavy.isdisjoint(loaded)


def test_numbers(tmp_path: Path) -> None:
    text = "7 of 1234567.89, not 007"
    marked = "7 of 1\x02234\x01567.89\x0e, not 007"
    assert run("numbers", "annotate", text).stdout == marked
    assert run("numbers", "restore", data=marked.encode()).stdout == text
    assert json.loads(run("numbers", "restore", "--json", data=marked.encode()).stdout) == {"text": text}
    shown = json.loads(run("numbers", "annotate", "--style", "author", "--json", "0.5").stdout)
    assert shown == {"text": "0 . 500p", "lossy": True}
    assert run("numbers", "annotate", "--grouped", "--keep-years", "1,234 2024").stdout == "1\x01,234 2024"
    assert run("numbers", "split", "1234.5").stdout == "1\t3\n234\t0\n5\t-1\n"
    triads = json.loads(run("numbers", "split", "--json", "--group-size", "2", "123").stdout)
    assert triads == {"triads": [{"digits": "1", "power": 2}, {"digits": "23", "power": 0}]}
    drawn = run("numbers", "table", text).stdout
    assert "1{m}234{k}567.89{p}" in drawn
    assert "007" not in drawn
    rows = json.loads(run("numbers", "table", "--json", text).stdout)["numbers"]
    assert [row["number"] for row in rows] == ["7", "1234567.89"]
    assert rows[1] == {
        "start": 5,
        "end": 15,
        "integer_digits": 7,
        "fraction_digits": 2,
        "number": "1234567.89",
        "annotated": "1{m}234{k}567.89{p}",
    }
    # Bytes pass through whatever they are.
    path = tmp_path / "data"
    path.write_bytes(b"\xff1234\x00\x01 5\x01")
    piped = command("numbers", "annotate", "--file", str(path)).stdout
    assert command("numbers", "restore", data=piped).stdout == path.read_bytes()
    assert command("numbers", "split", "007").returncode == 1
    for name in ("annotate", "restore"):
        refused = run("numbers", name, "--json", data=b"1234 \xff")
        assert (refused.exit_code, "byte 0xff at" in refused.stderr) == (2, True)
    assert command("numbers", "split", "1", "--group-size", "9").returncode == 2
    assert "tokseam numbers" in run("numbers", "annotate", "--help").stdout


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_numbers_on_a_terminal() -> None:
    import pty

    master, slave = pty.openpty()
    subprocess.run([sys.executable, "-m", "tokseam", "numbers", "annotate", "1234"], stdout=slave, check=True)
    os.close(slave)
    assert os.read(master, 100).strip() == b"1{k}234"
    os.close(master)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_terminal_gives_no_text_and_gets_whole_lines() -> None:
    import pty

    master, slave = pty.openpty()
    for words in (("encode",), ("count", "--lines"), ("phantom",), ("report", "-")):
        done = subprocess.run([sys.executable, "-m", "tokseam", *words], stdin=slave, capture_output=True, check=False)
        assert (done.returncode, b"pipe something in" in done.stderr) == (2, True), words
    ids = [str(id) for id in _bundled.tokenizer().encode("no line end")]
    subprocess.run([sys.executable, "-m", "tokseam", "decode", *ids], stdout=slave, check=True)
    assert os.read(master, 100) == b"no line end\r\n"
    os.close(slave)
    os.close(master)


def test_help_lists_its_examples_as_they_are_typed() -> None:
    shown = run("train", "--help").stdout
    assert "\n  • tokseam train book.txt -o tokenizer.json -v 8000" in shown
    assert "'web/*.jsonl.gz' 'code/*.parquet'" in shown


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    done = command("encode", "-t", "nosuch.json", "text")
    assert (done.returncode, done.stderr) == (1, b"error: nosuch.json: no such file or directory\n")
    text = tmp_path / "text.txt"
    text.write_text("some words\n")
    place = tmp_path / "nosuch" / "made.json"
    done = command("train", str(text), "-o", str(place), "-v", "258", "-t", "257")
    assert done.stderr.decode() == f"error: {place}: no such file or directory\n"


def test_a_model_in_a_folder(tmp_path: Path) -> None:
    config, weights, tokenizer = _bundled.model()
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(weights)
    tokenizer.save(tmp_path)
    for words in (("complete", "    raise ValueErr", "--max-bytes", "3"), ("score", "import os")):
        found, wanted = run(*words, "--model", str(tmp_path)), run(*words)
        assert (found.exit_code, found.stdout) == (0, wanted.stdout)
    (tmp_path / "before.py").write_text("def add(a, b):\n    ret")
    (tmp_path / "behind.py").write_text("\n\nprint(add(1, 2))\n")
    sides = ("--prefix-file", str(tmp_path / "before.py"), "--suffix-file", str(tmp_path / "behind.py"))
    fill = ("complete", *sides, "--max-bytes", "3", "--model", str(tmp_path))
    unnamed = run(*fill)
    assert (unnamed.exit_code, "--template" in unnamed.stderr) == (2, True)
    assert run(*fill, "--template", "tokseam").stdout == "urn\n"


def test_parts_of_a_long_text_fit_the_window_and_cut_no_character() -> None:
    model = ByteLM(*bundled())
    for text in ("数字" * 300, "a" + "数字" * 300, "😀" * 200, "import os\n" * 500, "", "a"):
        parts = cli_model.parts(model, text.encode())
        assert "".join(part.decode() for part in parts) == text
        assert all(len(model.tokenizer.encode(part)) <= 256 for part in parts)
    assert b"".join(cli_model.parts(model, b"\x80" * 999)) == b"\x80" * 999


def test_what_cannot_be_meant(file: Path, tmp_path: Path) -> None:
    cursor = ("complete", "--file", str(file))
    ranks = tmp_path / "ranks.tiktoken"
    ranks.write_bytes(b"IQ== 0\n")
    for words, said in (
        (("complete", "a", "--prefix-file", str(file)), "give one of"),
        (cursor, "belong together"),
        ((*cursor, "--at", "1:1", "--suffix-file", str(file)), "suffix in itself"),
        ((*cursor, "--at", "9:1"), "has 3 lines"),
        ((*cursor, "--at", "1:99"), "characters"),
        ((*cursor, "--at", "999"), "bytes"),
        (("encode", "a", "--file", str(file)), "not both"),
        (("audit", "--engine", "tokenizers"), "give a FILE"),
        (("audit", str(file), "--engine", "none"), "is no engine"),
    ):
        done = run(*words)
        told = " ".join(done.stderr.replace("\u2502", " ").split())
        assert (done.exit_code, said in told) == (2, True), (words, told)
    for words, said in (
        (("encode", "a", "-t", str(ranks)), "--pattern"),
        (("phantom", "--file", str(file)), "line 1 is neither"),
    ):
        assert said in str(run(*words).exception)
    assert run("encode", "!", "-t", str(ranks), "--pattern", "!+").stdout == "0\n"


def test_lines_that_are_many() -> None:
    lines = ["a seam " * 40] * 20_000
    done = run("count", "--lines", data="\n".join(lines).encode())
    assert done.stdout.split() == [str(_bundled.tokenizer().count(lines[0]))] * len(lines)
