"""Training: the same merges as the peers, whatever the order, the threads and the interruptions."""

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import bpe_continue
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import sources
import tokenizers
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers, trainers

from tokseam import Tokenizer, TrainError, UnsupportedTokenizerError, _corpus, _native, superbpe
from tokseam.superbpe import Constraints, PairCounts, PretokenCounts, RunCounts, Scheme
from tokseam.tokenizer import as_bytes

ALPHABET = pre_tokenizers.ByteLevel.alphabet()
NONE = Constraints(max_words=None, forbid_substrings=())
FULL = os.environ.get("TOKSEAM_FULL") == "1"


def split(scheme: Any, stage: Any) -> Any:
    """Return a pre-tokenizer of a scheme, as stock tokenizers has it."""
    tokenizer = superbpe.train(["a"], vocab_size=258, transition=258 - stage, scheme=scheme).tokenizer
    return tokenizers.Tokenizer.from_str(tokenizer.to_json()).pre_tokenizer


def stock(texts: Any, size: int, pre_tokenizer: Any, **changed: Any) -> Any:
    """Train with stock tokenizers."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    options: Any = {"initial_alphabet": ALPHABET, "show_progress": False} | changed
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=size, **options))
    return tokenizer


def rows(tokenizer: Any) -> Any:
    model = json.loads(tokenizer.to_json() if isinstance(tokenizer, Tokenizer) else tokenizer.to_str())["model"]
    return [tuple(merge) for merge in model["merges"]]


def lines_of(text: Any) -> Any:
    return [line + "\n" for line in text.split("\n")]


@pytest.fixture(scope="module")
def corpus() -> Any:
    """Real text of three kinds, in lines: a part of the corpora where they lie, else of the library."""
    found = {name: lines_of(text[: None if FULL else 400_000]) for name, text in corpora().items()}
    return {name: lines for name, lines in found.items() if name != "numeric"}


def corpora() -> Any:
    return {name: "".join(texts) for name, texts in sources.corpora().items()}


@pytest.mark.parametrize("scheme", ["superbpe", "superbpe-paper"])
@pytest.mark.parametrize("size", [8_000, 32_000])
def test_first_stage_is_that_of_tokenizers(corpus: Any, scheme: Any, size: Any) -> None:
    for name, lines in corpus.items():
        training = superbpe.train(lines, vocab_size=size, transition=size, scheme=scheme)
        assert rows(training.tokenizer) == rows(stock(lines, size, split(scheme, 0))), name


@pytest.mark.parametrize(
    "options",
    [
        {"min_frequency": 7},
        {"max_token_length": 5},
        {"max_token_length": 2},
        {"special_tokens": ["<pad>", "<|end|>", "the"]},
    ],
)
def test_options_are_those_of_tokenizers(corpus: Any, options: Any) -> None:
    lines = next(iter(corpus.values()))
    ours = superbpe.train(lines, vocab_size=3_000, transition=3_000, **options)
    if "the" in options.get("special_tokens", ()):
        # The one wanted difference: no merge spells a special token.
        assert b"the" not in [a + b for a, b in ours.merges]
        assert ours.report["special_vetoes"] > 0
        assert ours.tokenizer.encode("the").tolist() != [2]
        assert ours.tokenizer.encode("the", allowed_special="all").tolist() == [2]
    else:
        assert rows(ours.tokenizer) == rows(stock(lines, 3_000, split("superbpe", 0), **options))


def test_alphabet_of_the_text(corpus: Any) -> None:
    lines = next(iter(corpus.values()))[:300]
    ours = superbpe.train(lines, vocab_size=600, transition=600, alphabet="seen").tokenizer
    theirs = stock(lines, 600, split("superbpe", 0), initial_alphabet=[])
    assert json.loads(ours.to_json())["model"]["vocab"] == json.loads(theirs.to_str())["model"]["vocab"]
    assert rows(ours) == rows(theirs)


def test_second_stage_is_that_of_bpe_continue(corpus: Any) -> None:
    for name, lines in corpus.items():
        ours = superbpe.train(lines, vocab_size=5_000, transition=4_000, constraints=None)
        base = tokenizers.Tokenizer.from_str(ours.at(4_000).to_json())
        base.pre_tokenizer = split("superbpe", 1)
        theirs = bpe_continue.continue_training(base, vocab_size=5_000, texts=lines, show_progress=False)
        assert rows(ours.tokenizer) == rows(theirs), name
        assert ours.report["barrier"] > 1
        assert ours.report["certified"]


small = st.lists(st.text("ab ,\n1:", min_size=1, max_size=30), min_size=1, max_size=8)


@settings(max_examples=400 if FULL else 60, deadline=None)
@given(small, st.integers(0, 6), st.integers(1, 12))
def test_small_alphabets_agree_with_the_peers(texts: Any, first: Any, second: Any) -> None:
    transition, size = 256 + first, 256 + first + second
    ours = superbpe.train(texts, vocab_size=size, transition=transition, constraints=None)
    # Where the text has no more pairs the first stage ends early.
    words = ours.at(256 + ours.report["inherited"])
    assert rows(words) == rows(stock(texts, transition, split("superbpe", 0)))
    tokenizer = tokenizers.Tokenizer.from_str(ours.tokenizer.to_json())
    for text in texts:
        assert ours.tokenizer.encode(text).tolist() == tokenizer.encode(text).ids
        assert ours.tokenizer.decode(ours.tokenizer.encode(text)) == text


def definition(texts: Any, size: Any, scheme: Any, constraints: Any) -> Any:
    """The second stage from its definition, over the ids of each segment: every step counts every pair anew."""
    base = superbpe.train(texts, vocab_size=size[0], transition=size[0], scheme=scheme).tokenizer
    tokens = {id: base.token_bytes(id) for id in range(base.vocab_size)}
    file = json.loads(base.to_json())
    file["pre_tokenizer"] = json.loads(split(scheme, 1).__getstate__())
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(file))
    segments = []
    for text in texts:
        for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text):
            segments.append([token.id for token in tokenizer.model.tokenize(piece)])
    merges = []
    vetoed = set()
    while len(tokens) < size[1]:
        counts: dict[tuple[int, int], int] = {}
        for segment in segments:
            for pair in pairwise(segment):
                counts[pair] = counts.get(pair, 0) + 1
        best = min(
            (pair for pair in counts if pair not in vetoed), key=lambda pair: (-counts[pair], pair), default=None
        )
        if best is None:
            break
        token = tokens[best[0]] + tokens[best[1]]
        words = [word for word in token.split(b" ") if word]
        if constraints and (len(words) > constraints.max_words or b": " in token):
            vetoed.add(best)
            continue
        id = len(tokens)
        tokens[id] = token
        merges.append((tokens[best[0]], tokens[best[1]], counts[best]))
        for segment in segments:
            place = 0
            while place + 1 < len(segment):
                if (segment[place], segment[place + 1]) == best:
                    segment[place : place + 2] = [id]
                place += 1
    return merges


@settings(max_examples=300 if FULL else 40, deadline=None)
@given(small, st.integers(0, 6), st.integers(1, 12), st.sampled_from([None, Constraints(max_words=2)]))
def test_second_stage_is_what_the_definition_says(texts: Any, first: Any, second: Any, constraints: Any) -> None:
    size = (256 + first, 256 + first + second)
    ours = superbpe.train(texts, vocab_size=size[1], transition=size[0], constraints=constraints)
    base = ours.report["inherited"]
    found = [(a, b, int(count)) for (a, b), count in zip(ours.merges, ours.counts, strict=True)][base:]
    assert found == definition(texts, (256 + base, size[1]), "superbpe", constraints)


def test_threads_and_order_change_nothing(corpus: Any) -> None:
    lines = list(next(iter(corpus.values())))
    first = superbpe.train(lines, vocab_size=6_000, transition=4_000, threads=1)
    random.Random(0).shuffle(lines)
    again = superbpe.train(iter(lines), vocab_size=6_000, transition=4_000, threads=3)
    assert first.tokenizer.to_json() == again.tokenizer.to_json()
    assert first.report == again.report
    assert (first.counts == again.counts).all()


def test_a_saved_tokenizer_is_a_plain_one(tmp_path: Any) -> None:
    import transformers

    training = superbpe.train(
        (line for text in corpora().values() for line in lines_of(text[:-100_000][: None if FULL else 400_000])),
        vocab_size=9_000,
        transition=7_000,
        special_tokens=["<|end|>", "<s>"],
    )
    path = tmp_path / "tokenizer.json"
    training.tokenizer.save(path)
    theirs = tokenizers.Tokenizer.from_file(str(path))
    theirs.encode_special_tokens = True
    fast = transformers.PreTrainedTokenizerFast(tokenizer_file=str(path))
    for text in corpora().values():
        held_out = text[-100_000:]
        expected = training.tokenizer.encode(held_out).tolist()
        assert expected == theirs.encode(held_out).ids
        assert expected == fast(held_out, split_special_tokens=True)["input_ids"]
        assert training.tokenizer.decode(expected) == held_out
        assert training.tokenizer.to_tiktoken("trained").encode_ordinary(held_out) == expected
    again = tmp_path / "again.json"
    Tokenizer.from_file(path).save(again)
    assert path.read_bytes() == again.read_bytes()
    assert not set(training.tokenizer.encode("a <|end|> <s>b").tolist()) & {0, 1}
    assert training.tokenizer.special_tokens == {"<|end|>": 0, "<s>": 1}
    assert training.report["every_token_reencodes"]
    assert training.report["one_merge_per_token"]


def test_every_size_from_one_run(corpus: Any) -> None:
    lines = next(iter(corpus.values()))
    data = sum(len(line.encode()) for line in lines)
    trainings = superbpe.train(lines, vocab_size=4_000, transition=[2_000, 3_000, 4_000])
    for transition, training in zip([2_000, 3_000, 4_000], trainings, strict=True):
        curve = training.curve()
        assert curve.dtype == np.float64
        assert len(curve) == 4_000 - 256 + 1
        alone = superbpe.train(lines, vocab_size=4_000, transition=transition)
        assert alone.tokenizer.to_json() == training.tokenizer.to_json()
        for size in (256, 300, 1_999, 2_500, 3_500, 4_000):
            small = training.at(size)
            assert small.vocab_size == size
            if size != transition or transition == 4_000:
                assert curve[size - 256] == pytest.approx(data / small.count_batch(lines).sum(), rel=1e-12)
            run = superbpe.train(lines, vocab_size=size, transition=min(size, transition))
            assert run.tokenizer.to_json() == small.to_json()
    with pytest.raises(TrainError, match="255"):
        trainings[0].at(255)


def test_reports_of_several_transitions_are_those_of_single_runs(corpus: Any) -> None:
    lines = next(iter(corpus.values()))[:4_000]
    options: Any = {"vocab_size": 1_600, "special_tokens": ["the", "and", " a", "self"]}
    points = [300, 500, 1_200, 1_600]
    trainings = superbpe.train(lines, transition=points, **options)
    for point, training in zip(points, trainings, strict=True):
        assert training.report == superbpe.train(lines, transition=point, **options).report
    assert len({training.report["special_vetoes"] for training in trainings}) > 1


def test_counts_gathered_apart_give_the_same(corpus: Any, tmp_path: Any) -> None:
    lines = next(iter(corpus.values()))
    parts = [lines[0::3], lines[1::3], lines[2::3]]
    whole = superbpe.train(lines, vocab_size=5_000, transition=4_000)

    def gathered(make: Any) -> Any:
        total = None
        for part in parts:
            counts = make()
            counts.update(part)
            pa.parquet.write_table(counts.to_arrow(), tmp_path / "part.parquet")
            table = pa.parquet.read_table(tmp_path / "part.parquet")
            again = (
                PretokenCounts.from_arrow(table)
                if isinstance(counts, PretokenCounts)
                else type(counts).from_arrow(table, first.tokenizer)
            )
            if total is None:
                total = again
            else:
                total.merge(again)
        return total

    first = superbpe.train_from_counts(gathered(PretokenCounts), vocab_size=4_000)
    pairs = gathered(lambda: PairCounts(first.tokenizer))
    runs = gathered(lambda: RunCounts(first.tokenizer, pairs, vocab_size=5_000))
    second = superbpe.extend_from_counts(first.tokenizer, runs, vocab_size=5_000)
    assert second.tokenizer.to_json() == whole.tokenizer.to_json()
    assert first.merges + second.merges == whole.merges
    high = RunCounts(first.tokenizer, pairs, 10_000)
    high.update(lines)
    with pytest.raises(TrainError, match="barrier 10000"):
        superbpe.extend_from_counts(first.tokenizer, high, vocab_size=5_000)
    with pytest.raises(TrainError, match="barrier"):
        high.merge(runs)
    with pytest.raises(TrainError, match="another tokenizer"):
        superbpe.extend_from_counts(whole.tokenizer, runs, vocab_size=6_000)
    with pytest.raises(TrainError, match="pretokens"):
        PretokenCounts.from_arrow(runs.to_arrow())


# One text is one batch, and takes long enough for the counting thread to ask for the interpreter on the way.
LOOKED_AT = """
import threading
from tokseam import _bundled, superbpe
counts = superbpe.PairCounts(_bundled.tokenizer())
text = "".join(f"{i * 7919 % 1000003} words, " for i in range(1_000_000))
counting = threading.Thread(target=counts.update, args=([text],), kwargs={"threads": 1}, daemon=True)
counting.start()
looks = 0
while counting.is_alive():
    looked = counts.totals["bytes"], len(counts)
    assert looked[0] in (0, len(text)) and looked[1] in (0, len(counts))
    looks += 1
print(looks)
"""


def test_counts_can_be_looked_at_while_they_are_made() -> None:
    done = subprocess.run([sys.executable, "-c", LOOKED_AT], capture_output=True, check=True, timeout=120)
    assert int(done.stdout) > 0


def test_weighted_counts_beyond_32_bits() -> None:
    counts = PretokenCounts()
    counts.update(["ab cd cd"])
    table = counts.to_arrow()
    large = table.set_column(1, "count", pa.array([2**33 + 1, 2**33], pa.uint64()))
    training = superbpe.train_from_counts(PretokenCounts.from_arrow(large), vocab_size=257)
    assert training.merges == [(b"a", b"b")]
    assert training.counts.tolist() == [2**33 + 1]


@pytest.mark.parametrize("name", ["cl100k", "llama3", "gpt2"])
def test_extending_keeps_every_id_and_merge(name: Any, corpus: Any) -> None:
    base = sources.ours(name)
    lines = [line for lines in corpus.values() for line in lines[:2_000]]
    training = superbpe.extend(base, lines, vocab_size=base.vocab_size + 500)
    before, after = (json.loads(tokenizer.to_json())["model"] for tokenizer in (base, training.tokenizer))
    assert after["vocab"].items() >= before["vocab"].items()
    assert after["merges"][: len(before["merges"])] == before["merges"]
    assert len(training.merges) >= 500
    stock = tokenizers.Tokenizer.from_str(training.tokenizer.to_json())
    stock.encode_special_tokens = True
    for line in lines[::50]:
        assert training.tokenizer.encode(line).tolist() == stock.encode(line, add_special_tokens=False).ids
    # With no barrier the merges are the same: each token of the start has one derivation.
    pairs = PairCounts(base)
    pairs.update(lines)
    runs = RunCounts(base, pairs, 1)
    runs.update(lines)
    slow = superbpe.extend_from_counts(base, runs, vocab_size=base.vocab_size + 500)
    assert slow.merges == training.merges
    assert (slow.counts == training.counts).all()
    assert training.tokenizer.special_tokens == base.special_tokens
    if name == "llama3":
        assert not after["ignore_merges"]
        assert len(training.report["lost_tokens"]) == 588


def test_a_barrier_too_high_is_lowered(tmp_path: Path) -> None:
    """Most pairs of the start lie side by side, so that few of the frequent ones can be merged."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    rng = random.Random(1)
    texts = [letters] * 400 + ["".join(rng.choices(letters, k=2)) for _ in range(4_000)]
    options: Any = {"vocab_size": 256 + 45, "transition": 256, "max_token_length": 3}
    training = superbpe.train(texts, **options)
    assert training.report["passes"] > 1
    assert training.report["certified"]
    assert training.report["last_count"] >= training.report["barrier"]
    base = training.at(256)
    pairs = PairCounts(base)
    pairs.update(texts)
    runs = RunCounts(base, pairs, 1)
    runs.update(texts)
    slow = superbpe.extend_from_counts(base, runs, vocab_size=256 + 45, max_token_length=3)
    assert slow.merges == training.merges
    assert (slow.counts == training.counts).all()
    passes = []

    def stop(name: str, _done: int, _total: int | None) -> None:
        passes.append(name)
        if passes.count("count runs") == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        superbpe.train(texts, checkpoint=tmp_path / "state", progress=stop, **options)
    assert superbpe.train(texts, checkpoint=tmp_path / "state", **options).report == training.report


def test_drop_leaves_out_what_never_comes_again() -> None:
    # In the second stage two spaces stand together, so " COREPORT" never forms.
    texts = ["x  COREPORT y\n"] * 50 + ["y    z\n"] * 500 + ["a CORE b\n"] * 200 + ["PORT\n"] * 300
    kept = superbpe.train(texts, vocab_size=290, transition=280, scheme=SPACES)
    dropped = superbpe.train(texts, vocab_size=290, transition=280, scheme=SPACES, inherit="drop")
    assert dropped.report["dropped"] == [list(merge) for merge in reference_drops(texts, kept)]
    assert [" CORE", "PORT"] in dropped.report["dropped"]
    assert dropped.report["inherited"] == kept.report["inherited"] - len(dropped.report["dropped"])
    assert dropped.tokenizer.vocab_size <= 290
    text = "".join(texts)
    assert dropped.tokenizer.decode(dropped.tokenizer.encode(text)) == text


SPACES = Scheme(stage1=r" ?\w+|\s+(?!\S)|\s+", stage2=r"\n+")


def reference_drops(texts: Any, training: Any) -> Any:
    """Replay the inherited merges one by one over unsplit text, and note those whose pair is not there."""
    segments = [[text[:-1].encode()[i : i + 1] for i in range(len(text) - 1)] for text in texts]
    known = {bytes([byte]) for byte in range(256)}
    seen = set()
    drops = []
    for left, right in training.merges[: training.report["inherited"]]:
        for segment in segments:
            seen |= set(pairwise(segment))
        if left not in known or right not in known or (left, right) not in seen:
            drops.append((left.decode(), right.decode()))
            continue
        known.add(left + right)
        for segment in segments:
            place = 0
            while place + 1 < len(segment):
                if (segment[place], segment[place + 1]) == (left, right):
                    segment[place : place + 2] = [left + right]
                place += 1
    return drops


def test_constraints_are_kept_and_reported(corpus: Any) -> None:
    lines = [line for lines in corpus.values() for line in lines]
    free = superbpe.train(lines, vocab_size=6_000, transition=2_000, constraints=None)
    strict = Constraints(
        max_words=2,
        forbid_substrings=(": ", " of the"),
        cross_newline=False,
        cross_sentence=False,
        trailing_punctuation=False,
        cross_script=False,
    )
    bound = superbpe.train(lines, vocab_size=6_000, transition=2_000, constraints=strict)
    rest = [a + b for a, b in bound.merges[bound.report["inherited"] :]]
    assert all(len([word for word in token.split(b" ") if word]) <= 2 for token in rest)
    assert not [token for token in rest if b": " in token or b" of the" in token]
    assert bound.report["vetoed"] > 0
    assert free.report["vetoed"] == 0
    assert bound.report["constraints"]["max_words"] == 2
    assert [a + b for a, b in free.merges[free.report["inherited"] :]] != rest
    with pytest.raises(TrainError, match="max_words"):
        Constraints(max_words=0)


# Small batches, so that kills come inside passes too; the state is stored after each.
KILLED = """
import json, os, sys
from tokseam import _corpus, superbpe
_corpus.BATCH = 150_000
training = superbpe.train(
    superbpe.files(sys.argv[1]),
    vocab_size=9000,
    transition=6000,
    inherit=sys.argv[4],
    special_tokens=["<s>"],
    checkpoint=sys.argv[2],
    checkpoint_seconds=0,
)
with open(sys.argv[3] + ".part", "w") as file:
    json.dump([training.tokenizer.to_json(), training.counts.tolist(), training.report], file)
os.replace(sys.argv[3] + ".part", sys.argv[3])
"""


@pytest.mark.parametrize(("inherit", "kills"), [("keep", 20), ("drop", 2)])
def test_a_killed_run_goes_on_to_the_same_result(corpus: Any, tmp_path: Any, inherit: str, kills: int) -> None:
    text = tmp_path / "text.txt"
    text.write_text("".join(line for lines in corpus.values() for line in lines), encoding="utf-8", newline="")
    state, out = tmp_path / "state", tmp_path / "result.json"
    command = [sys.executable, "-c", KILLED, str(text), str(state), str(out), inherit]
    start = time.monotonic()
    subprocess.run(command, check=True, timeout=120)
    whole = time.monotonic() - start
    expected = out.read_bytes()
    assert not state.exists()
    rng = random.Random(time.time_ns())
    stopped = 0
    while stopped < kills:
        out.unlink(missing_ok=True)
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            moment = rng.uniform(0.1, whole)
            time.sleep(moment)
            if process.poll() is not None:
                # The machine has less to do than at the first run.
                whole = moment
            process.send_signal(rng.choice([signal.SIGKILL, signal.SIGINT]))
            process.wait(120)
        stopped += process.returncode != 0
        if not out.exists():
            subprocess.run(command, check=True, timeout=120)
        assert out.read_bytes() == expected
    assert sorted(file.name for file in tmp_path.iterdir()) == ["result.json", "text.txt"]


def test_an_interruption_behind_the_move_is_the_interruption(tmp_path: Path, monkeypatch: Any) -> None:
    """Ctrl-C that comes when a file was just moved to its place is not hidden by a failed removal."""
    move = os.replace

    def moved(*names: Any) -> None:
        move(*names)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", moved)
    training = superbpe.train(["a b a b"], vocab_size=258, transition=257)
    with pytest.raises(KeyboardInterrupt):
        training.tokenizer.save(tmp_path / "tokenizer.json")
    assert [file.name for file in tmp_path.iterdir()] == ["tokenizer.json"]


def test_a_checkpoint_is_of_one_run(tmp_path: Any) -> None:
    state = tmp_path / "state"

    def stop(name: str, _done: int, _total: int | None) -> None:
        if name == "count pairs":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        superbpe.train(["a b a b c"], vocab_size=260, transition=258, checkpoint=state, progress=stop)
    assert state.exists()
    with pytest.raises(TrainError, match="vocab_size is 260 there and 261 here"):
        superbpe.train(["a b a b c"], vocab_size=261, transition=258, checkpoint=state)
    training = superbpe.train(["a b a b c"], vocab_size=260, transition=258, checkpoint=state)
    assert training.merges == superbpe.train(["a b a b c"], vocab_size=260, transition=258).merges
    assert not state.exists()
    state.write_bytes(b"something else")
    with pytest.raises(TrainError, match="no checkpoint"):
        superbpe.train(["a b"], vocab_size=260, transition=258, checkpoint=state)


@pytest.mark.parametrize("stage", ["count words", "count pairs", "count runs"])
@pytest.mark.parametrize("source", ["files", "iterator", "column"])
def test_a_pass_goes_on_where_it_was(source: str, stage: str, corpus: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """What was counted before the last checkpoint is not counted again."""
    monkeypatch.setattr(_corpus, "BATCH", 40_000)
    text = tmp_path / "text.txt"
    text.write_text("".join(next(iter(corpus.values()))[:8_000]), encoding="utf-8", newline="")
    whole = text.stat().st_size
    options: Any = {"vocab_size": 1_500, "transition": 1_000, "checkpoint": tmp_path / "state"}

    def make() -> Any:
        found = superbpe.files(text)
        return {"files": found, "iterator": iter(found), "column": pa.array(list(found), pa.binary())}[source]

    def stop(name: str, done: int, _total: int | None) -> None:
        if name == stage and done > whole / 2:
            raise KeyboardInterrupt

    counted: list[int] = []
    kind: Any = {"count words": PretokenCounts, "count pairs": PairCounts, "count runs": RunCounts}[stage]
    update = kind._update

    def record(self: Any, batch: Any, threads: int) -> None:
        counted.append(sum(map(len, batch.texts)))
        update(self, batch, threads)

    expected = superbpe.train(make(), vocab_size=1_500, transition=1_000)
    with pytest.raises(KeyboardInterrupt):
        superbpe.train(make(), checkpoint_seconds=0, progress=stop, **options)
    monkeypatch.setattr(kind, "_update", record)
    again = superbpe.train(make(), **options)
    assert again.tokenizer.to_json() == expected.tokenizer.to_json()
    assert again.report == expected.report
    assert 0 < sum(counted) < whole * 0.6


def test_a_shorter_corpus_is_not_gone_on_with(tmp_path: Path) -> None:
    options: Any = {"vocab_size": 258, "transition": 257, "checkpoint": tmp_path / "state"}

    def stop(_name: str, done: int, _total: int | None) -> None:
        if done > 5_000_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        superbpe.train(["a b " * 1_000] * 3_000, checkpoint_seconds=0, progress=stop, **options)
    with pytest.raises(TrainError, match="texts fewer than the checkpoint"):
        superbpe.train(["a b "], **options)
    with pytest.raises(TrainError, match="checkpoint_seconds"):
        superbpe.train(["a b "], vocab_size=258, transition=257, checkpoint_seconds=-1)


@pytest.mark.parametrize(("stage", "transition"), [("merge words", 6_000), ("merge superwords", 300)])
def test_merging_goes_on_where_it_was(stage: str, transition: int, tmp_path: Path) -> None:
    letters = random.Random(0)
    # Merging takes some tenths of a second: signals are looked for every tenth.
    texts = ["".join(letters.choices("abcdefg ", k=300)) for _ in range(24_000)]
    options: Any = {"vocab_size": 6_000, "transition": transition, "checkpoint": tmp_path / "state"}
    sizes: list[int] = []

    def stop(name: str, done: int, _total: int | None) -> None:
        if name == stage:
            sizes.append(done)
            if len(sizes) == 2:
                raise KeyboardInterrupt

    expected = superbpe.train(texts, vocab_size=6_000, transition=transition)
    with pytest.raises(KeyboardInterrupt):
        superbpe.train(texts, checkpoint_seconds=0, progress=stop, **options)
    again = superbpe.train(texts, progress=stop, **options)
    assert again.tokenizer.to_json() == expected.tokenizer.to_json()
    assert again.report == expected.report
    assert (again.counts == expected.counts).all()
    assert all(size >= sizes[0] for size in sizes[2:])


def test_a_resumed_report_has_what_was_skipped(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_bytes(b"a b a b c\n\xff\n")

    def run(progress: Any) -> Any:
        found = superbpe.files(tmp_path / "text.txt", on_error="skip")
        state = tmp_path / "state"
        return superbpe.train(found, vocab_size=260, transition=258, checkpoint=state, progress=progress)

    def stop(name: str, _done: int, _total: int | None) -> None:
        if name == "count pairs":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(stop)
    assert run(False).report["skipped"] == {"texts": 1}


def test_progress_names_the_stages() -> None:
    seen = []
    superbpe.train(["ab ab ab"], vocab_size=258, transition=257, progress=lambda *call: seen.append(call))
    assert [name for name, *_ in seen] == ["count words", "count pairs", "count runs"]
    assert seen[-1] == ("count runs", 8, 8)
    seen.clear()
    # Several transitions are several counts, not several readings.
    superbpe.train(["ab ab ab"], vocab_size=259, transition=[257, 258], progress=lambda *call: seen.append(call))
    assert [name for name, *_ in seen] == ["count words", "count pairs", "count runs"]


STREAMED = """
import sys
from tokseam import superbpe

def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) * 1024

def train(corpus):
    return superbpe.train(corpus, vocab_size=2_000, transition=1_500)

kind, once, often = sys.argv[1:]
with open(once, encoding="utf-8", newline="") as file:
    text = file.read()
train([text] * 10)  # what does not grow with the text
before = peak()
training = train(superbpe.files(often) if kind == "files" else (text for _ in range(80)))
print(training.report["bytes"], peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the system for the peak of memory")
@pytest.mark.parametrize("kind", ["files", "iterator"])
def test_a_corpus_is_streamed(kind: str, tmp_path: Path) -> None:
    """Eighty megabytes are read three times in less memory than half of them."""
    once, often = tmp_path / "once.txt", tmp_path / "often.txt"
    data = next(iter(corpora().values())).encode()[:1_000_000].decode(errors="ignore").encode()
    once.write_bytes(data)
    with often.open("wb") as file:
        for _ in range(80):
            file.write(data)
    command = [sys.executable, "-c", STREAMED, kind, str(once), str(often)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    size, grown = map(int, done.stdout.split())
    assert size == 80 * len(data)
    assert grown < size / 2


# Files.


@pytest.fixture
def folder(tmp_path: Any) -> Any:
    lines = ["one two\n", "three\r\n", "four"]
    (tmp_path / "a.txt").write_text("".join(lines), encoding="utf-8", newline="")
    with gzip.open(tmp_path / "a.txt.gz", "wb") as file:
        file.write("".join(lines).encode())
    (tmp_path / "a.txt.zst").write_bytes(zstandard.compress("".join(lines).encode()))
    records = "".join(json.dumps({"text": line, "n": 1}) + "\n" for line in lines)
    (tmp_path / "a.jsonl").write_text(records, encoding="utf-8")
    with gzip.open(tmp_path / "a.jsonl.gz", "wb") as file:
        file.write(records.encode())
    pyarrow.parquet.write_table(pa.table({"text": lines}), tmp_path / "a.parquet")
    return tmp_path


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.txt.zst", "a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_every_kind_of_file_gives_the_same_texts(folder: Any, name: Any) -> None:
    texts = [text if isinstance(text, bytes) else text.encode() for text in superbpe.files(folder / name)]
    assert texts == [b"one two\n", b"three\r\n", b"four"]
    counts = PretokenCounts()
    counts.update(superbpe.files(folder / name))
    assert counts.totals["texts"] == 3
    assert counts.totals["bytes"] == 19


def test_files_of_another_system(folder: Any) -> None:
    import fsspec

    system = fsspec.filesystem("memory")
    for name in ("a.txt", "b.jsonl.gz"):
        system.pipe(f"/corpus/{name}", (folder / f"a{name[1:]}").read_bytes())
    for paths in (["memory://corpus/a.txt", "memory://corpus/b.jsonl.gz"], ["memory://corpus/*"]):
        assert list(superbpe.files(*paths)) == [b"one two\n", b"three\r\n", b"four"] * 2


def test_globs_and_what_they_miss(folder: Any) -> None:
    assert len(list(superbpe.files(folder / "*.txt*"))) == 9
    with pytest.raises(TrainError, match="matches no file"):
        superbpe.files(folder / "*.csv")


def test_what_cannot_be_read_stops_or_is_counted(folder: Any) -> None:
    whole = (folder / "a.txt.gz").read_bytes()
    (folder / "b.txt.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "c.txt").write_bytes(b"fine\n\xff\xfe\nfine too\n")
    (folder / "d.jsonl").write_text('{"text": "fine"}\n{"text": 1}\n{"other": "x"}\nnot json\n', encoding="utf-8")
    (folder / "e.parquet").write_bytes(b"PAR1")
    paths = [folder / name for name in ("b.txt.gz", "c.txt", "d.jsonl", "e.parquet")]
    for path in paths:
        with pytest.raises(TrainError, match=path.name):
            list(superbpe.files(path))
    found = superbpe.files(*paths, on_error="skip")
    training = superbpe.train(found, vocab_size=258, transition=257)
    assert training.report["skipped"] == {"files": 2, "texts": 1, "records": 3}
    # One that is cut off in the middle of a glob: what comes before and behind it is read.
    (folder / "c.txt.gz").write_bytes(whole)
    with pytest.raises(TrainError, match=r"b\.txt\.gz cannot be read to its end"):
        list(superbpe.files(folder / "*.txt.gz"))
    found = superbpe.files(folder / "*.txt.gz", on_error="skip")
    texts = [text.decode() if isinstance(text, bytes) else text for text in found]
    assert texts[:3] == texts[-3:] == ["one two\n", "three\r\n", "four"]
    assert found.skipped == {"files": 1}


@pytest.mark.parametrize("name", ["long.txt", "long.jsonl", "long.parquet", "long.txt.gz"])
def test_what_is_too_long_stops_or_is_counted(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    """With small sizes for those of a gigabyte: lines that end inside a block, at its end and blocks later."""
    monkeypatch.setattr(_corpus, "BATCH", 64)
    monkeypatch.setattr(_corpus, "LARGEST", 500)
    path = tmp_path / name
    sizes = [3, 70, 900, 5, 501, 490, 10, 517, 639, 2]
    texts = [chr(ord("a") + index) * size for index, size in enumerate(sizes)]
    if name.endswith(".parquet"):
        pa.parquet.write_table(pa.table({"text": texts}), path)
    else:
        lines = [json.dumps(text) if "jsonl" in name else text for text in texts]
        data = "".join(line + "\n" for line in lines).encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    with pytest.raises(TrainError, match=r"1 GiB.*on_error"):
        list(superbpe.files(path))
    found = superbpe.files(path, on_error="skip")
    kept = [text.decode() if isinstance(text, bytes) else text for text in found]
    # A line has its end and its quotes too.
    assert [text.rstrip("\n") for text in kept] == [text for text in texts if len(text) <= 490]
    assert found.skipped == {"texts": 4}
    with pytest.raises(TrainError, match="1 GiB"):
        superbpe.train(texts, vocab_size=300, transition=300)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["t", "u", '"', "é"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=2000 if FULL else 300, deadline=None)
@given(values, st.booleans(), st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=2)), max_size=2))
def test_records_are_those_of_json(value: Any, ascii: bool, changes: Any) -> None:
    """What is found by a look at one field is what a whole reading finds; broken lines are never taken for whole."""
    line = json.dumps(value, ensure_ascii=ascii).encode("utf-8", "surrogatepass")
    for place, piece in changes:
        line = line[:place] + piece.replace(b"\n", b"") + line[place + 1 :]
    try:
        record = json.loads(line)
        found = record["t"] if isinstance(record, dict) else record
        text = found.encode() if isinstance(found, str) else None
    except (ValueError, KeyError, RecursionError):
        text = None
    (seen,) = _native.record_texts(line, "t") or [None]
    assert seen in (text, None)
    if not changes and text is not None:
        # What only Python takes for JSON is read by Python.
        assert seen == text or any(part in line for part in (b"NaN", b"Infinity", b"\\ud"))


def test_records_without_a_text(tmp_path: Path) -> None:
    lines, table = tmp_path / "lines.jsonl", tmp_path / "table.parquet"
    lines.write_text('{"text": "caf\\u00e9"}\n \n{"text": 3}\n{"other": "a"}\n', encoding="utf-8")
    pa.parquet.write_table(pa.table({"text": ["a", None]}), table)
    corpus = superbpe.files(lines, table, on_error="skip")
    assert [as_bytes(text) for text in corpus] == ["café".encode(), b"a"]
    assert corpus.skipped == {"records": 3}
    for path, said in ((lines, "line 3 of .*the text is int"), (table, "row 1 .* has no text in 'text'")):
        with pytest.raises(TrainError, match=said):
            list(superbpe.files(path))
    with pytest.raises(TrainError, match="no column 'body', only text"):
        list(superbpe.files(table, text="body"))


def test_a_bar_names_the_stages(capsys: pytest.CaptureFixture[str]) -> None:
    superbpe.train(["a seam", "two seams"], vocab_size=262, transition=260, progress=True)
    shown = capsys.readouterr().err
    for stage in ("count words", "merge words", "count pairs", "count runs", "merge superwords"):
        assert stage in shown


def test_mixtures_are_drawn_by_share(tmp_path: Any) -> None:
    (tmp_path / "a.txt").write_text("aaaa aaa\n" * 20_000, encoding="utf-8")
    (tmp_path / "b.txt").write_text("bbbb bbb\n" * 5_000, encoding="utf-8")
    paths = [tmp_path / "a.txt", tmp_path / "b.txt"]

    def draw(seed: Any) -> Any:
        texts = list(superbpe.files(*paths, weights=[0.5, 0.5], seed=seed))
        return [sum(b"a" in text for text in texts), sum(b"b" in text for text in texts)]

    (many, few) = draw(1)
    assert few == 5_000
    assert many == pytest.approx(5_000, rel=0.05)
    assert draw(1) == [many, few]
    assert draw(2)[0] != many
    with pytest.raises(TrainError, match="weights"):
        superbpe.files(*paths, weights=[1])


# Bad input.


def test_what_cannot_be_trained_says_why() -> None:
    with pytest.raises(TrainError, match="empty"):
        superbpe.train([], vocab_size=300, transition=280)
    with pytest.raises(TrainError, match="alphabet"):
        superbpe.train(["a"], vocab_size=255, transition=255)
    with pytest.raises(TrainError, match="exceed"):
        superbpe.train(["a"], vocab_size=300, transition=301)
    with pytest.raises(TrainError, match="scheme"):
        superbpe.train(["a"], vocab_size=300, transition=300, scheme="other")
    with pytest.raises(TrainError, match="0xFF"):
        superbpe.train([b"a\xff"], vocab_size=300, transition=300)
    with pytest.raises(UnicodeError):
        superbpe.train(["a\ud800"], vocab_size=300, transition=300)
    with pytest.raises(TypeError, match="files"):
        superbpe.train("path.txt", vocab_size=300, transition=300)
    with pytest.raises(TypeError, match="int"):
        superbpe.train([1], vocab_size=300, transition=300)  # type: ignore[list-item]
    with pytest.raises(TrainError, match="byte-level"):
        superbpe.train(["a"], vocab_size=300, transition=300, scheme=Scheme(stage1={"type": "Whitespace"}, stage2="a"))
    with pytest.raises(TrainError, match="twice"):
        superbpe.train(["a"], vocab_size=300, transition=300, special_tokens=["<s>", "<s>"])
    base = superbpe.train(["a b"], vocab_size=257, transition=257).tokenizer
    with pytest.raises(TrainError, match="below"):
        superbpe.extend(base, ["a"], vocab_size=100)


@pytest.mark.parametrize("kind", ["txt", "jsonl"])
def test_one_long_line(kind: str, tmp_path: Path) -> None:
    words = next(iter(corpora().values())).replace("\n", " ")[:4_000_000]
    body = (words if kind == "txt" else json.dumps(words)[1:-1]).encode()
    times = (1_000_000_000 if FULL else 20_000_000) // len(body)
    path = tmp_path / f"long.{kind}"
    with path.open("wb") as file:
        file.write(b"" if kind == "txt" else b'{"text": "')
        for _ in range(times):
            file.write(body)
        file.write(b"" if kind == "txt" else b'"}\n')
    training = superbpe.train(superbpe.files(path), vocab_size=1_200, transition=1_000)
    path.unlink()
    assert training.report["texts"] == 1
    assert training.report["bytes"] == len(words.encode()) * times


def test_a_full_disk_leaves_no_half_file(tmp_path: Any) -> None:
    training = superbpe.train(["a b a b"], vocab_size=258, transition=257)
    code = (
        "import resource, signal, sys\n"
        "from tokseam import Tokenizer\n"
        "tokenizer = Tokenizer.from_file(sys.argv[1])\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    tokenizer.save(sys.argv[2])\n"
        "except OSError as error:\n"
        "    sys.exit(7)\n"
    )
    good = tmp_path / "good.json"
    training.tokenizer.save(good)
    done = subprocess.run([sys.executable, "-c", code, str(good), str(tmp_path / "bad.json")], check=False)
    assert done.returncode == 7
    assert sorted(file.name for file in tmp_path.iterdir()) == ["good.json"]


def test_command_line(tmp_path: Any) -> None:
    text = tmp_path / "text.txt"
    text.write_text("by the way, by the way, on the way\n" * 50, encoding="utf-8")
    out, report = tmp_path / "tokenizer.json", tmp_path / "report.json"

    def run(*words: Any) -> Any:
        command = [sys.executable, "-m", "tokseam", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    done = run("train", text, "-o", out, "-v", 270, "-t", 265, "--special", "<s>", "--report", report)
    assert done.returncode == 0, done.stderr
    assert "270 entries" in done.stdout
    assert Tokenizer.from_file(out).special_tokens == {"<s>": 0}
    assert json.loads(report.read_text(encoding="utf-8"))["inherited"] == 265 - 257
    more = tmp_path / "more.json"
    done = run("extend", text, "-t", out, "-o", more, "-v", 271, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["size"] == 271
    done = run("train", tmp_path / "none.txt", "-o", out, "-v", 275)
    assert done.returncode == 1
    assert "matches no file" in done.stderr
    assert len(Path(out).read_bytes()) > 0


def test_the_command_stops_and_goes_on(tmp_path: Path) -> None:
    text, state, out = tmp_path / "text.txt", tmp_path / "state", tmp_path / "tokenizer.json"
    letters = random.Random(0)
    lines = ("".join(letters.choices("abcdefg ", k=300)) + "\n" for _ in range(20_000))
    text.write_text("".join(lines), encoding="utf-8")
    command: list[Any] = [sys.executable, "-m", "tokseam", "train", text, "-o", out, "-v", "6000", "-t", "300"]
    command += ["--checkpoint", state]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not state.exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert said == f"stopped; the same command goes on from {state}\n"
    assert not out.exists()
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert Tokenizer.from_file(out).vocab_size == 6_000
    assert not state.exists()


def test_counts_that_spill_say_so() -> None:
    counts = PretokenCounts(min_count=2, max_entries=10)
    counts.update([f"{letter}{other} aa" for letter in "abcdef" for other in "ghijkl"], threads=1)
    assert counts.totals["spilled_entries"] > 0
    training = superbpe.train_from_counts(counts, vocab_size=257)
    assert training.report["spilled"] > 0
    assert not training.report["certified"]
    pairs = PairCounts(training.tokenizer, min_count=2, max_entries=10)
    texts = [f"{letter}{other} aa" for letter in "abcdef" for other in "ghijkl"]
    pairs.update(texts, threads=1)
    assert pairs.totals["spilled_entries"] > 0
    runs = RunCounts(training.tokenizer, pairs, 2)
    runs.update(texts)
    longer = superbpe.extend_from_counts(training.tokenizer, runs, vocab_size=258)
    assert longer.report["spilled"] == pairs.totals["spilled_entries"]
    assert not longer.report["certified"]


BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def steps(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": [*parts, BYTES]}


def cut(pattern: str, behavior: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": False}


@pytest.mark.parametrize(
    "stage",
    [
        r"(?<=\d)\.|\s+",
        r"the end|[a-z]{1,3}",
        "|".join(chr(0x4E00 + index) + chr(0x5E00 + index) for index in range(40)),
        r"[a-z]{300}",
        BYTES | {"use_regex": True},
        BYTES | {"add_prefix_space": True},
        steps({"type": "Punctuation", "behavior": "Removed"}),
        steps({"type": "Digits", "individual_digits": True}),
        steps({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}),
        steps({"type": "WhitespaceSplit"}),
        steps(cut(" ", "Removed")),
        steps(cut("a", "MergedWithNext"), cut("b+", "Contiguous")),
        {"type": "Sequence", "pretokenizers": [cut("a", "Isolated"), BYTES | {"add_prefix_space": True}]},
    ],
)
def test_half_written_sequences_of_a_trained_tokenizer_can_be_judged(stage: str | dict[str, Any]) -> None:
    """What cannot be judged is refused before training."""
    text, words = ["the end. the 12 bands"] * 9, r" ?\w+|\s+|[^\w\s]+"
    base = superbpe.train(text, vocab_size=262, transition=262).tokenizer
    across, within = Scheme(stage1=words, stage2=stage), Scheme(stage1=stage, stage2=words)
    try:
        trained = superbpe.train(text, vocab_size=262, transition=260, scheme=across)
    except UnsupportedTokenizerError:
        with pytest.raises(UnsupportedTokenizerError):
            superbpe.train(text, vocab_size=262, transition=260, scheme=within)
        with pytest.raises(UnsupportedTokenizerError):
            superbpe.extend(base, text, vocab_size=264, scheme=across)
        return
    others = superbpe.train(text, vocab_size=262, transition=260, scheme=within)
    extended = superbpe.extend(base, text, vocab_size=264, scheme=across)
    for tokenizer in (trained.tokenizer, others.at(260), others.tokenizer, extended.tokenizer):
        assert tokenizer.is_admissible(tokenizer.encode(text[0]))


@pytest.mark.parametrize("scheme", ["superbpe", "superbpe-paper"])
def test_half_written_sequences_of_the_schemes_can_be_judged(scheme: str) -> None:
    text = ['the end. the 12 bands\' 1234567  of it\n\n "beta",  1),\n', "don've THE中文ABCd .. . !\r\n"] * 9
    training = superbpe.train(text, vocab_size=320, transition=290, scheme=scheme)
    for tokenizer in (
        training.at(290),
        training.tokenizer,
        superbpe.extend(training.tokenizer, text, vocab_size=330).tokenizer,
    ):
        for item in text[:2]:
            ids = tokenizer.encode(item)
            assert all(tokenizer.is_admissible(ids[:end]) for end in range(len(ids) + 1))
