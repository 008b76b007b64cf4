"""The examples that need a model of transformers, on a small random one."""

import json
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
import vocabularies
from sources import FULL, ROOT, STRICT, corpora, missing, ours

from tokseam import Tokenizer, _bundled, phantom

try:
    import torch
    import transformers
except ImportError:
    torch = None

if torch is None:
    if STRICT:
        pytest.fail("torch or transformers is not installed")
    pytest.skip("torch or transformers is not installed", allow_module_level=True)

Run = Callable[..., str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model for the bundled vocabulary, as transformers saves it."""
    made = tmp_path_factory.mktemp("small")
    tokenizer = ours("bundled")
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=1024,
        bos_token_id=tokenizer.special_tokens["<|endoftext|>"],
        eos_token_id=tokenizer.special_tokens["<|endoftext|>"],
        initializer_range=0.3,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(made)
    tokenizer.to_hf(eos_token="<|endoftext|>").save_pretrained(made)
    return made


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs an example in this process and returns what it prints."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))

    def call(name: str, *words: object) -> str:
        monkeypatch.setattr("sys.argv", [name, *map(str, words)])
        capsys.readouterr()
        runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    return call


def test_probe(folder: Path, tmp_path: Path, run: Run) -> None:
    """Made, asked, recorded, scored; under the mask no answer is broken."""
    book, out = tmp_path / "book.txt", tmp_path / "answers.jsonl"
    book.write_text("\n\n".join([_bundled.text()[:4000]] * 2), encoding="utf-8")
    words = (folder, book, "--out", out, "--paragraphs", 2, "--words", 5, 60, "--answers", 3, "--rate", "0.3")
    for _ in range(2):
        run("probe", *words)
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        assert [(row["paragraph"], row["masked"]) for row in rows] == [(0, False), (0, True), (1, False), (1, True)]
    tokenizer = ours("bundled")
    states = {
        masked: [
            phantom.judge(ids, tokenizer).state for row in rows if row["masked"] == masked for ids in row["answers"]
        ]
        for masked in (False, True)
    }
    assert len(states[True]) == 6
    assert "broken" not in states[True]
    assert "broken" in states[False]
    # What a model would answer that repeats the text in other tokens.
    probe = phantom.Probe(rows[0]["text"], tuple(map(tuple, rows[0]["targets"])), tokenizer)
    (start, end), data = probe.targets[0], probe.text.encode()
    parts = [bytes([byte]) for byte in data[start:end]]
    spelled = tokenizer.encode(data[:start]).tolist() + [tokenizer.token_id(part) for part in parts]
    rows[0]["answers"] = [spelled + tokenizer.encode(data[end:]).tolist()]
    out.write_text("".join(json.dumps(row) + "\n" for row in rows))
    printed = run("probe", folder, "--table", out)
    assert f"{folder.name}, masked: " in printed
    as_it_is, masked = printed.split(f"{folder.name}, masked: ")
    assert "labels there: " in as_it_is
    assert "0 answers have a token that no encoding has there, in 0 places" in masked
    assert "labels there: " not in masked
    assert ", 1 phantom, " in printed
    outcome = next(outcome for outcome in probe.score(rows[0]["answers"][0]) if outcome.kind == "phantom")
    assert outcome.tokens_after > outcome.tokens_before
    assert f"tokens: {outcome.tokens_before} to {outcome.tokens_after}: 1" in printed
    assert "labels: " + ", ".join(f"{label}: 1" for label in outcome.labels) in printed


@pytest.mark.skipif(not FULL, reason="SmolLM2-135M takes minutes: only in the full volume")
@pytest.mark.timeout(7200)
def test_probe_of_smollm2(tmp_path: Path, run: Run) -> None:
    """The rate of phantom edits and their labels, of a real model with and without the mask: docs/phantom.md has what
    this prints."""
    for name in ("gguf", "accelerate"):
        pytest.importorskip(name, reason=f"transformers reads the file of SmolLM2 with {name}")
    if "english" not in corpora():
        missing("../shared/data/corpora is not here")
    try:
        data = vocabularies.SMOLLM2.read()
    except vocabularies.Missing as error:
        pytest.skip(str(error))
    (folder := tmp_path / "smollm2").mkdir()
    (folder / "smollm2.gguf").write_bytes(data)
    book, out = tmp_path / "english.txt", tmp_path / "answers.jsonl"
    book.write_text("\n\n".join(corpora()["english"]), encoding="utf-8")
    run("probe", folder, book, "--out", out, "--paragraphs", 16, "--words", 8, 16, "--answers", 6, "--rate", "0.1")
    printed = run("probe", folder, "--table", out)
    print(printed)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == 2 * 16
    host = transformers.AutoTokenizer.from_pretrained(folder, gguf_file="smollm2.gguf")
    tokenizer = Tokenizer.from_hf(host)
    kinds = {}
    for masked in (False, True):
        outcomes: list[phantom.Outcome] = []
        states = []
        for row in rows:
            if row["masked"] == masked:
                probe = phantom.Probe(row["text"], tuple(map(tuple, row["targets"])), tokenizer)
                for ids in row["answers"]:
                    outcomes += probe.score(ids)
                    states.append(phantom.judge(ids, tokenizer).state)
        kinds[masked] = phantom.Probe.summary(outcomes)
        assert len(states) == 96
        assert sum(kinds[masked].counts.values()) == 6 * sum(
            len(row["targets"]) for row in rows if row["masked"] == masked
        )
        assert f"phantom edits {100 * kinds[masked].phantom_rate:.1f} % of those not lost" in printed
        # Under the mask nothing is sampled that no encoding has there.
        assert not masked or "broken" not in states
    # A model that follows the instruction at all.
    assert kinds[False].counts["unchanged"] + kinds[False].counts["replaced"] > 0


def test_covers(folder: Path, tmp_path: Path, run: Run) -> None:
    text, out = tmp_path / "text.py", tmp_path / "covers.jsonl"
    text.write_text("import os\n\n\ndef f(self):\n    return self.f\n" * 3)
    for _ in range(2):
        run("covers", folder, text, "--out", out, "--pieces", 2, "--bytes", 24)
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        assert [row["piece"] for row in rows] == [0, 1]
    for row in rows:
        exact, *others = row["tolerances"].values()
        # A sum over covers is never less than one of them.
        assert 0 < row["bits"] <= row["token_bits"] + 1e-3
        assert exact["contexts"] >= row["bytes"]
        assert all(other["contexts"] <= exact["contexts"] for other in others)
    assert run("covers", "--table", out).count("contexts a byte") == 3


def test_cuts_inside_words(folder: Path, tmp_path: Path, run: Run) -> None:
    """A model of transformers gets the cases of the bundled one, and its lines stand beside those in a file."""
    problem = {
        "task_id": "add",
        "prompt": "def add(first, second):\n",
        "canonical_solution": "    return first + second\n",
        "suffix": "",
    }
    problems, out = tmp_path / "problems.jsonl", tmp_path / "out.jsonl"
    problems.write_text(json.dumps(problem) + "\n")
    words = (problems, "--out", out, "--cases", 1, "--lines", 1)
    for model in ((), ("--transformers", folder), ("--transformers", folder)):
        run("midword", *words, *model)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len({(row["problem"], row["cut"]) for row in rows}) == 1
    # The bundled model is asked in three orders, a tokenizer without special tokens for the middle in one.
    assert len(rows) == 12 + 4
    assert len(run("midword", "--table", out).splitlines()) == 24 + 8
    with pytest.raises(SystemExit):
        run("midword", *words, "--seed", 1, "--name", "bundled", "--cases", 2)
