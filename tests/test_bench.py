"""The comparison with other software, the record of figures, and the README's table of them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sources import ROOT, ours, vocabulary
from typer.testing import CliRunner

from tokseam import VocabError, _bench, _bundled, _extras
from tokseam.cli.app import app

sys.path.insert(0, str(ROOT / "benches"))
import figures

DOCUMENTS = _bench.cut(_bundled.text())[:6]


def script(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)


def test_documents() -> None:
    text = _bundled.text() + "x" * 12_000 + "\nend"
    documents = _bench.cut(text)
    assert "".join(documents) == text
    assert max(len(document.encode()) for document in documents) < 2 * _bench.DOCUMENT
    assert _bench.cut("") == []


def test_rates_stand_beside_equal_ids() -> None:
    file = vocabulary("bundled")
    found = list(_bench.compare(list(_bench.peers(file, ours("bundled"))), DOCUMENTS, repetitions=1))
    rates = [one for one in found if isinstance(one, _bench.Rate)]
    assert {rate.peer for rate in rates} == {
        *("tokseam", "tokenizers, encode_batch_fast", "tokenizers, encode", "tiktoken")
    }
    assert all(rate.is_whole and rate.mb_per_s > 0 and rate.ratio for rate in rates)
    assert [rate.state for rate in rates if rate.peer == "tokseam"] == list(_bench.STATES)


def test_other_ids_have_no_ratio() -> None:
    """One document gets another id; the count says so and no ratio is given, for us as for them."""
    good, reference, *_ = _bench.peers(vocabulary("bundled"), ours("bundled"))
    assert isinstance(good, _bench.Peer)

    def spoilt() -> Any:
        encode = good.make()
        return lambda document: encode(document + "!" if document == DOCUMENTS[3] else document)

    bad = _bench.Peer("bad", spoilt, good.ids)
    for own, other in ((good, bad), (bad, good)):
        rates = [
            one
            for one in _bench.compare([own, reference, other], DOCUMENTS, repetitions=1)
            if isinstance(one, _bench.Rate)
        ]
        wrong = [rate for rate in rates if rate.peer == "bad"]
        assert wrong
        assert all((rate.equal, rate.documents, rate.ratio) == (5, 6, None) for rate in wrong)
        assert all(rate.difference == (3, len(ours("bundled").encode(DOCUMENTS[3]))) for rate in wrong)
    # A ratio is one to our time, which says nothing where our ids are others.
    assert all(rate.ratio is None for rate in rates)


def test_what_cannot_be_measured() -> None:
    file, tokenizer = vocabulary("bundled"), ours("bundled")
    own, *others = _bench.peers(file, tokenizer)
    with pytest.raises(VocabError, match="two documents"):
        list(_bench.compare([own, *others], ["one"]))
    with pytest.raises(_extras.MissingExtraError, match=r"tiktoken: .*not there"):
        list(_bench.compare([own, _bench.LeftOut("tiktoken", "not there")], DOCUMENTS))

    def broken() -> Any:
        raise ValueError("cannot\nread")

    assert isinstance(others[0], _bench.Peer)
    found = list(_bench.compare([own, _bench.Peer("broken", broken), others[0]], DOCUMENTS, repetitions=1))
    assert _bench.LeftOut("broken", "cannot read") in found
    # One that reads the file and fails behind the first library.
    found = list(_bench.compare([own, others[0], _bench.Peer("broken", broken)], DOCUMENTS, repetitions=1))
    assert found[-1] == _bench.LeftOut("broken", "cannot read")
    with pytest.raises(ValueError, match="cannot"):
        list(_bench.compare([_bench.Peer("tokseam", broken), others[0]], DOCUMENTS, repetitions=1))
    assert any(isinstance(one, _bench.Rate) and one.ratio and one.peer != "tokseam" for one in found)


def test_the_command(tmp_path: Path) -> None:
    file, text = tmp_path / "tokenizer.json", tmp_path / "text.txt"
    _bundled.tokenizer().save(file)
    text.write_text("".join(DOCUMENTS), encoding="utf-8")
    words = ["bench", str(file), str(text), str(text), "--repetitions", "1"]
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0, shown.output
    assert "12/12" in shown.stdout
    facts = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert (facts["documents"], facts["equal"], facts["left_out"]) == (12, True, [])
    assert all(rate["equal"] == 12 for rate in facts["rates"])
    # A folder, and a normalizer that tiktoken has no word for.
    tree = json.loads(file.read_text(encoding="utf-8")) | {"normalizer": {"type": "NFC"}}
    file.write_text(json.dumps(tree), encoding="utf-8")
    facts = json.loads(
        CliRunner().invoke(app, ["bench", str(tmp_path), *words[2:], "--json"]).stdout,
    )
    assert [one["name"] for one in facts["left_out"]] == ["tiktoken"]
    assert "NFC" in facts["left_out"][0]["why"]


def test_other_ids_are_exit_code_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, text = tmp_path / "tokenizer.json", tmp_path / "text.txt"
    _bundled.tokenizer().save(file)
    text.write_text("".join(DOCUMENTS), encoding="utf-8")
    backwards = SimpleNamespace(encode=lambda text: ours("bundled").encode(text)[::-1])
    monkeypatch.setattr(_bench, "Tokenizer", SimpleNamespace(from_json=lambda _: backwards))
    shown = CliRunner().invoke(app, ["bench", str(file), str(text), "-n", "1"])
    assert shown.exit_code == 1
    assert "our ids differ: document 0, token 0" in shown.stdout
    assert "as fast" not in shown.stdout


def test_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "RESULTS", tmp_path)
    monkeypatch.setattr(figures, "ROOT", tmp_path)
    row = {"what": "encode", "peer": "tokseam", "equal": "3/3", "mb_per_s": 12.3456789, "ratio": None, "bytes": 10}
    figures.record("first", [row, {"what": "encode", "peer": "other", "note": "not there"}])
    figures.record("second", [{"what": "x", "a": 1, "b": 2.5}])
    figures.record("first", [row | {"mb_per_s": 1.0}])
    (file,) = tmp_path.iterdir()
    found = [{name: value for name, value in line.items() if value} for line in figures.read(file)]
    assert found == [
        {"part": "first", "what": "encode", "bytes": "10", "peer": "tokseam", "equal": "3/3"}
        | {"figure": "mb_per_s", "value": "1"},
        {"part": "second", "what": "x", "figure": "a", "value": "1"},
        {"part": "second", "what": "x", "figure": "b", "value": "2.5"},
    ]
    assert [one for one, _ in figures.newest("second")] == [file]
    assert list(figures.newest("third")) == []


def test_every_record_has_the_same_columns() -> None:
    files = sorted((ROOT / "benches" / "results").iterdir())
    assert files
    for file in files:
        assert list(figures.read(file)[0]) == list(figures.COLUMNS), file.name


def test_readme_table(tmp_path: Path) -> None:
    """The page has the figures of the record, and a page that has others is found out."""
    done = script("scripts/readme_table.py", "--check")
    assert done.returncode == 0, done.stderr
    page = tmp_path / "page.md"
    shutil.copy(ROOT / "README.md", page)
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace(" MB/s |", "9 MB/s |", 1), encoding="utf-8")
    assert script("scripts/readme_table.py", "--check", "--page", str(page)).returncode == 1
    assert script("scripts/readme_table.py", "--page", str(page)).returncode == 0
    assert page.read_text(encoding="utf-8") == text
