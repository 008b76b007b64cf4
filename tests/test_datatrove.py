"""Steps of datatrove on its local executor: the merges of one process, and the files of its own tokenizing step."""

import doctest
import json
import multiprocessing
import pickle
import shutil
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import tokenizers
from sources import ROOT, ours
from texts import worst_cases

from tokseam import ExportError, Tokenizer, TrainError, UnknownTokenError, _bundled, superbpe

pytest.importorskip("datatrove")

from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.tokens import DocumentTokenizer as TheirTokenizer
from datatrove.pipeline.tokens import DocumentTokenizerMerger

from tokseam.datatrove import (
    CountsMerger,
    DocumentTokenizer,
    PairCounter,
    PretokenCounter,
    RunCounter,
    SuperwordTrainer,
    WordTrainer,
    read_counts,
)

TRANSITION, SIZE = 600, 700


@pytest.fixture(scope="module")
def texts() -> list[str]:
    text = _bundled.text()[:300_000]
    return [part + "\n" for part in text.split("\n\n") if part]


@pytest.fixture(scope="module")
def folder(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three files of documents, so that of four tasks the last has none."""
    folder = tmp_path_factory.mktemp("documents")
    for number in range(3):
        rows = texts[number::3]
        table = pa.table({"text": rows, "id": [f"{number}-{row}" for row in range(len(rows))]})
        pyarrow.parquet.write_table(table, folder / f"{number}.parquet")
    return folder


def execute(*steps: Any, logs: Path, tasks: int = 1, workers: int = 1, depends: Any = None) -> LocalPipelineExecutor:
    return LocalPipelineExecutor(list(steps), tasks, workers, logging_dir=str(logs), depends=depends)


def pipeline(documents: Path, out: Path, tasks: int, workers: int) -> LocalPipelineExecutor:
    """Return the last of the executors that train; each waits for the one before it."""
    reader = ParquetReader(str(documents))
    words = out / "words"
    many = {"tasks": tasks, "workers": workers}
    run = execute(reader, PretokenCounter(str(out / "pretokens")), logs=out / "logs1", **many)
    trainer = WordTrainer(str(out / "pretokens"), str(words), vocab_size=TRANSITION, special_tokens=["<|end|>"])
    run = execute(trainer, logs=out / "logs2", depends=run)
    run = execute(reader, PairCounter(words, str(out / "pairs")), logs=out / "logs3", depends=run, **many)
    merger = CountsMerger(str(out / "pairs"), str(out / "merged"), tokenizer=words)
    run = execute(merger, logs=out / "logs4", depends=run)
    counter = RunCounter(words, str(out / "merged"), str(out / "runs"), vocab_size=SIZE)
    run = execute(reader, counter, logs=out / "logs5", depends=run, **many)
    last = SuperwordTrainer(words, str(out / "runs"), str(out / "superwords"), vocab_size=SIZE)
    return execute(last, logs=out / "logs6", depends=run)


def test_two_workers_train_as_one_process(texts: list[str], folder: Path, tmp_path: Path) -> None:
    whole = superbpe.train(texts, vocab_size=SIZE, transition=TRANSITION, special_tokens=["<|end|>"])
    pipeline(folder, tmp_path, tasks=4, workers=2).run()
    assert Tokenizer.from_file(tmp_path / "superwords").to_json() == whole.tokenizer.to_json()
    reports = [json.loads((tmp_path / name / "report.json").read_text()) for name in ("words", "superwords")]
    assert [report["bytes"] for report in reports] == [sum(len(text.encode()) for text in texts)] * 2
    first = superbpe.train(texts, vocab_size=TRANSITION, transition=TRANSITION, special_tokens=["<|end|>"])
    second = superbpe.extend(first.tokenizer, texts, vocab_size=SIZE)
    for report, training in zip(reports, (first, second), strict=True):
        assert report["merges_sha256"] == training.report["merges_sha256"]
    assert first.merges + second.merges == whole.merges
    assert sorted(file.name for file in (tmp_path / "runs").iterdir()) == [
        f"{rank:05d}_of_00004.parquet" for rank in range(4)
    ]
    # The last rank had nothing to read.
    assert len(pa.parquet.read_table(tmp_path / "pretokens" / "00003_of_00004.parquet")) == 0
    stats = json.loads((tmp_path / "logs1" / "stats.json").read_text())
    assert stats[-1]["stats"]["counted"]["n"] == len(texts)


class FailsOnce(PipelineStep):  # type: ignore[misc]
    """Loses rank 1 the first time."""

    name = type = "test"

    def __init__(self, marker: Path) -> None:
        super().__init__()
        self.marker = marker

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Any:
        yield next(data)
        if rank == 1 and not self.marker.exists():
            self.marker.touch()
            raise OSError(f"the disk of rank 1 of {world_size} is gone")
        yield from data


def test_a_failed_rank_is_run_again(texts: list[str], folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "counts"

    def run() -> None:
        steps = (ParquetReader(str(folder)), FailsOnce(tmp_path / "marker"), PretokenCounter(str(out)))
        execute(*steps, logs=tmp_path / "logs", tasks=3).run()

    with pytest.raises(OSError, match="gone"):
        run()
    assert [file.name for file in out.iterdir()] == ["00000_of_00003.parquet"]
    with pytest.raises(TrainError, match="lacks the counts of rank 1 and 1 others of 3"):
        read_counts(str(out))
    before = (out / "00000_of_00003.parquet").stat().st_mtime_ns
    run()
    assert (out / "00000_of_00003.parquet").stat().st_mtime_ns == before
    assert rows(read_counts(str(out))) == rows(counted(texts))
    # Another number of tasks into the same folder: nothing says which of the two is meant.
    execute(ParquetReader(str(folder)), PretokenCounter(str(out)), logs=tmp_path / "other", tasks=2).run()
    with pytest.raises(TrainError, match="runs with 2 and 3 tasks"):
        read_counts(str(out))


def counted(texts: list[str]) -> superbpe.PretokenCounts:
    counts = superbpe.PretokenCounts()
    counts.update(texts)
    return counts


def rows(counts: Any) -> Any:
    """Return what is the same for the same counts: the entries in some order, and the totals."""
    table = counts.to_arrow()
    return sorted(map(repr, table.to_pylist())), table.schema.metadata


def documents(texts: list[str]) -> list[Document]:
    return [Document(text, f"document {number}") for number, text in enumerate(texts)]


def test_counting_passes_documents_on(texts: list[str]) -> None:
    """In a file system that is none of this machine; documents come in any order, on any number of ranks."""
    found = []
    for rank in range(3):
        step = PretokenCounter("memory://counts", batch_size=7)
        found += list(step.run(iter(documents(texts[::-1])[rank::3]), rank, 3))
    assert sorted(document.text for document in found) == sorted(texts)
    assert rows(read_counts("memory://counts")) == rows(counted(texts))
    for rank in range(2):
        CountsMerger("memory://counts", "memory://fewer").run(None, rank, 2)
    CountsMerger("memory://fewer", "memory://one").run()
    assert rows(read_counts("memory://one")) == rows(counted(texts))
    WordTrainer("memory://one", "memory://words", vocab_size=300).run()
    list(PairCounter("memory://words", "memory://pairs").run(documents(texts)))
    expected = superbpe.PairCounts(superbpe.train(texts, vocab_size=300, transition=300).tokenizer)
    expected.update(texts)
    pairs = read_counts("memory://pairs", "memory://words/tokenizer.json")
    assert pairs.to_arrow().equals(expected.to_arrow(), check_metadata=True)


def test_what_cannot_be_counted(texts: list[str], tmp_path: Path) -> None:
    tokenizer = _bundled.tokenizer()
    out, other = str(tmp_path / "counts"), str(tmp_path / "other")
    with pytest.raises(TrainError, match="scheme"):
        PretokenCounter(out, scheme="words")
    with pytest.raises(TrainError, match="batch_size"):
        PretokenCounter(out, batch_size=0)
    with pytest.raises(TrainError, match="either"):
        RunCounter(tokenizer, out, other)
    with pytest.raises(TrainError, match="another folder"):
        CountsMerger(out, out)
    with pytest.raises(TrainError, match="holds no counts"):
        read_counts(out)
    with pytest.raises(UnicodeError) as caught:
        list(PretokenCounter(out).run(documents(["fine", "a\ud800"])))
    assert caught.value.__notes__ == ["in one of the documents document 0 to document 1"]
    list(PretokenCounter(out).run(documents(texts[:9])))
    list(PairCounter(tokenizer, other).run(documents(texts[:9])))
    with pytest.raises(TrainError, match="give it too"):
        CountsMerger(other, str(tmp_path / "merged")).run()
    with pytest.raises(TrainError, match="another tokenizer"):
        read_counts(other, superbpe.train(["a"], vocab_size=256, transition=256).tokenizer)
    with pytest.raises(TrainError, match="2 tasks cannot share the 1 file"):
        CountsMerger(out, str(tmp_path / "merged")).run(None, 0, 2)
    with pytest.raises(TrainError, match="one task, not as 2"):
        WordTrainer(out, str(tmp_path / "words"), vocab_size=300).run(None, 0, 2)
    with pytest.raises(TrainError, match="holds PairCounts, not PretokenCounts"):
        WordTrainer(other, str(tmp_path / "words"), vocab_size=300).run()
    with pytest.raises(TrainError, match="holds PretokenCounts, not RunCounts"):
        SuperwordTrainer(tokenizer, out, str(tmp_path / "words"), vocab_size=40_000).run()
    pyarrow.parquet.write_table(pa.table({"x": [1]}), Path(out) / "00000_of_00001.parquet")
    with pytest.raises(TrainError, match="no counts of ours"):
        read_counts(out)
    assert not (tmp_path / "words").exists()


# Tokenizing.


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    _bundled.tokenizer().save(path)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


HARD = ["", "<|endoftext|> a <|endoftext|>", "\x00", " " * 99, *worst_cases(400, 3).values()]
OPTIONS: list[dict[str, Any]] = [
    {"shuffle_documents": False},
    {"shuffle_documents": False, "eos_token": "<|endoftext|>", "save_final_metadata": False},
    {"seed": 5, "eos_token": "<|endoftext|>", "batch_size": 7, "save_filename": "part"},
    {"seed": 5, "shuffle_chunk_size": 64, "max_tokens_per_file": 500},
    {"seed": 5, "save_index": False},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options))
def test_the_files_are_those_of_datatrove(
    texts: list[str], file: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    rows = HARD + texts[:100]
    for name, host in (("ours", DocumentTokenizer), ("theirs", TheirTokenizer)):
        more: dict[str, Any] = {"allowed_special": "all"} if name == "ours" else {}
        for rank in range(2):
            (tmp_path / name / "work").mkdir(parents=True, exist_ok=True)
            step = host(str(tmp_path / name), str(file), str(tmp_path / name / "work"), **options, **more)
            step.run(iter(documents(rows[rank::2])), rank, 2)
        empty = host(str(tmp_path / name), str(file), **options, **more)
        empty.run(iter([]), 2, 3)
    assert contents(tmp_path / "ours") == contents(tmp_path / "theirs")
    assert sum(map(len, contents(tmp_path / "ours").values())) > 10_000


def test_a_folder_of_a_store_gets_the_same_files(texts: list[str], file: Path, tmp_path: Path) -> None:
    for place in (str(tmp_path), "memory://ids"):
        step = DocumentTokenizer(place, str(file), shuffle_documents=False, allowed_special="all")
        step.run(iter(documents(texts[:20])))
    stored = fsspec.filesystem("memory")
    for name, data in contents(tmp_path).items():
        assert stored.cat_file(f"/ids/{name}") == data


def framed(name: str) -> str:
    """Return a vocabulary whose post-processor puts an id before each text and two behind it."""
    data = json.loads(ours(name).to_json())
    (special, *_) = [token for token in data["added_tokens"] if token["special"]]
    piece = {"SpecialToken": {"id": special["content"], "type_id": 0}}
    data["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [piece, {"Sequence": {"id": "A", "type_id": 0}}, piece, piece],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {
            special["content"]: {"id": special["content"], "ids": [special["id"]], "tokens": [special["content"]]}
        },
    }
    return json.dumps(data)


@pytest.mark.parametrize("name", ["bundled", "llama3"])
def test_what_a_file_puts_around_texts(name: str, tmp_path: Path) -> None:
    """Two and four bytes an id, and the post-processor of the file where no eos_token takes its place."""
    path = tmp_path / "tokenizer.json"
    path.write_text(framed(name), encoding="utf-8")
    for folder, host in (("ours", DocumentTokenizer), ("theirs", TheirTokenizer)):
        more: dict[str, Any] = {"allowed_special": "all"} if folder == "ours" else {}
        step = host(str(tmp_path / folder), str(path), shuffle_documents=False, **more)
        step.run(iter(documents(HARD)))
    assert contents(tmp_path / "ours") == contents(tmp_path / "theirs")
    ids = np.fromfile(tmp_path / "ours" / "00000_unshuffled.ds", "<u2" if name == "bundled" else "<u4")
    assert len(ids) > 3 * len(HARD)
    assert ids[0] == ids[1] == ids[2]


def test_a_spelled_special_token_is_text(file: Path, tmp_path: Path) -> None:
    DocumentTokenizer(str(tmp_path), file, shuffle_documents=False).run(documents(["<|endoftext|>"]))
    ids = np.fromfile(tmp_path / "00000_unshuffled.ds", "<u2").tolist()
    assert ids == _bundled.tokenizer().encode("<|endoftext|>").tolist()
    with pytest.raises(UnknownTokenError, match="<pad>"):
        DocumentTokenizer(str(tmp_path), file, allowed_special=["<pad>"]).run(documents(["a"]))


def test_two_workers_tokenize(texts: list[str], folder: Path, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "ids"
    step = DocumentTokenizer(str(out), str(file), eos_token="<|endoftext|>", shuffle_documents=False)
    execute(ParquetReader(str(folder)), step, logs=tmp_path / "logs", tasks=4, workers=2).run()
    tokenizer = _bundled.tokenizer()
    for rank in range(3):
        ids = np.fromfile(out / f"{rank:05d}_unshuffled.ds", "<u2")
        ends = np.fromfile(out / f"{rank:05d}_unshuffled.ds.index", "<u8").astype(np.int64)
        found = [row.tolist() for row in np.split(ids, ends[:-1])]
        assert found == [[*row, 0] for row in tokenizer.encode_batch(texts[rank::3]).tolists()]
    # What datatrove has for such files reads them.
    DocumentTokenizerMerger(str(out), str(tmp_path / "merged"), "all", shuffle=False, progress=False).run()
    whole = np.fromfile(tmp_path / "merged" / "000_all.ds", "<u2")
    assert tokenizer.decode(whole) == "".join(text + "<|endoftext|>" for rank in range(3) for text in texts[rank::3])
    pytest.importorskip("torch", reason="the loader of datatrove needs torch")
    from datatrove.utils.dataset import DatatroveFolderDataset

    loader = DatatroveFolderDataset(str(tmp_path / "merged"), seq_len=31, return_positions=True)
    assert len(loader) == len(whole) // 32
    assert loader[1]["input_ids"].tolist() == whole[32:64].tolist()


def test_a_failed_rank_leaves_no_ids(file: Path, tmp_path: Path) -> None:
    def broken() -> Any:
        yield from documents(["one", "two"])
        raise OSError("gone")

    out = tmp_path / "ids"
    step = DocumentTokenizer(str(out), str(file), batch_size=1, shuffle_documents=False)
    with pytest.raises(OSError, match="gone"):
        step.run(broken(), 1, 2)
    assert list(out.iterdir()) == []
    # A rank that was killed leaves its folder, which the next try empties.
    stale = out / ".00001_part.ds"
    stale.mkdir()
    (stale / "00001_unshuffled.ds").write_bytes(b"ab")
    (stale / "older.ds").write_bytes(b"ab")
    step.run(documents(["one"]), 1, 2)
    assert sorted(contents(out)) == [f"00001_unshuffled.ds{end}" for end in ("", ".index", ".metadata")]


def test_what_cannot_be_tokenized(file: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "ids")
    with pytest.raises(ExportError, match="save_loss_metadata"):
        DocumentTokenizer(out, file, save_loss_metadata=True)
    with pytest.raises(UnicodeError) as caught:
        DocumentTokenizer(out, file).run(documents(["fine", "a\ud800"]))
    assert caught.value.__notes__ == ["in one of the documents document 0 to document 1"]
    with pytest.raises(UnknownTokenError, match="eos_token is '<eos>'"):
        DocumentTokenizer(out, file, eos_token="<eos>").run(documents(["a"]))
    stock = tokenizers.Tokenizer.from_file(str(file))
    stock.enable_truncation(4)
    stock.save(str(tmp_path / "cut.json"))
    with pytest.raises(ExportError, match="truncation"):
        DocumentTokenizer(out, tmp_path / "cut.json").run(documents(["a"]))
    tree = json.loads(framed("bundled"))
    tree["post_processor"]["single"] = tree["post_processor"]["single"][1:2] * 2 + tree["post_processor"]["single"][:1]
    (tmp_path / "twice.json").write_text(json.dumps(tree))
    with pytest.raises(ExportError, match="pass eos_token"):
        DocumentTokenizer(out, tmp_path / "twice.json").run(documents(["a"]))
    shutil.rmtree(out)


def test_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = doctest.testfile(str(ROOT / "docs" / "datatrove.md"), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert done.attempted > 20
    assert done.failed == 0


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Newer Pythons warn of a fork beside threads.
def test_threads_in_forked_workers(texts: list[str], folder: Path, tmp_path: Path) -> None:
    """Counting uses threads before the fork and after it; steps go to the workers as they are."""
    rows(counted(texts))
    step = PretokenCounter(str(tmp_path / "counts"), threads=2, batch_size=50)
    assert len(pickle.dumps(step)) < 10_000
    reader = ParquetReader(str(folder))
    LocalPipelineExecutor([reader, step], 2, 2, str(tmp_path / "logs"), start_method="fork").run()
    assert rows(read_counts(str(tmp_path / "counts"))) == rows(counted(texts))
