"""What is refused: an argument that cannot be meant raises the error that its docstring names, with the value in it."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tokenizers

import tokseam
from tokseam import _bundled, _native
from tokseam.errors import ModelError, NumeralError, ReportError, TrainError, UnknownTokenError, VocabError

# A type checker refuses many of these too.
bytelm: Any = tokseam.bytelm
fim: Any = tokseam.fim
fuzz: Any = tokseam.fuzz
phantom: Any = tokseam.phantom
report: Any = tokseam.report
superbpe: Any = tokseam.superbpe
triadic: Any = tokseam.triadic
Ragged: Any = tokseam.Ragged
Tokenizer: Any = tokseam.Tokenizer
BUNDLED: Any = _bundled.tokenizer()
NATIVE: Any = _native
STOCK: Any = tokenizers.Tokenizer(tokenizers.models.BPE())
TEXTS = ["a seam", "two seams and a seam"]


def model(rows: Callable[[int], Any], **options: Any) -> Any:
    """Return a model of bytes over one that returns these rows for a number of contexts."""
    return bytelm.ByteLM(
        bytelm.FunctionLM(lambda contexts: rows(len(contexts)), vocab_size=BUNDLED.vocab_size), BUNDLED, **options
    )


def uniform(count: int, dtype: Any = np.float32) -> Any:
    return np.full((count, BUNDLED.vocab_size), -np.log(BUNDLED.vocab_size), dtype)


def pairs() -> Any:
    counts = superbpe.PairCounts(BUNDLED)
    counts.update(TEXTS)
    return counts


def other() -> Any:
    """Return another tokenizer that can be extended."""
    return superbpe.train(TEXTS, vocab_size=260, transition=260).tokenizer


def changed(table: pa.Table) -> pa.Table:
    return table.replace_schema_metadata(None)


GOOD = model(uniform)
CASES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    # The package.
    "no such name": (lambda: tokseam.nothing, AttributeError, "has no attribute 'nothing'"),
    "no such tokenizer": (lambda: Tokenizer(None), TypeError, "from_file"),
    "what hf has not": (lambda: Tokenizer.from_hf(3), TypeError, "not int"),
    "what tiktoken has not": (lambda: Tokenizer.from_tiktoken(3), TypeError, "not int"),
    "one text as many": (lambda: BUNDLED.encode_batch("a"), TypeError, "write [text]"),
    "no threads": (lambda: BUNDLED.encode_batch(["a"], parallel=-2), ValueError, "not -2"),
    "one name as many": (lambda: BUNDLED.encode("a", allowed_special="<s>"), TypeError, "{'<s>'}"),
    "rows that are none": (lambda: BUNDLED.decode_batch((1,)), TypeError, "not tuple"),
    "a number as ids": (lambda: BUNDLED.decode(5), TypeError, "a list or an array of integers, not 5"),
    "nothing as ids": (lambda: BUNDLED.is_canonical(None), TypeError, "a list or an array of integers, not None"),
    "a text as ids": (lambda: BUNDLED.decode("12"), TypeError, "a list or an array of integers, not '12'"),
    "a long text as ids": (lambda: BUNDLED.decode("1" * 1000), TypeError, "not '" + "1" * 79 + "..."),
    "a fraction as an id": (lambda: BUNDLED.decode([1, 1.0]), TypeError, "an id must be an integer, not 1.0"),
    "a truth value as an id": (lambda: BUNDLED.decode([True]), TypeError, "an id must be an integer, not True"),
    "truth values as ids": (lambda: BUNDLED.decode(np.array([True])), TypeError, "an array of bool"),
    "a digit as an id": (lambda: BUNDLED.token_bytes("1"), TypeError, "an id must be an integer, not '1'"),
    "a digit pushed": (lambda: BUNDLED.stream_decoder().push("1"), TypeError, "an id must be an integer, not '1'"),
    "a row that is none": (lambda: BUNDLED.decode_batch([[1], None]), TypeError, "row 1: ids must be a list"),
    "a row with a fraction": (lambda: BUNDLED.decode_batch([[1], [1.5]]), TypeError, "row 1: an id must be an integer"),
    "a row below": (lambda: BUNDLED.decode_batch([[1], [2, -1]]), UnknownTokenError, "row 1: -1 is no token id"),
    "a row beyond": (lambda: BUNDLED.decode_batch([[1], [], [2, 10**6]]), UnknownTokenError, "row 2: "),
    "a row of an array beyond": (
        lambda: BUNDLED.decode_batch(Ragged(np.array([1, 10**6]), np.array([0, 1, 2]))),
        UnknownTokenError,
        "row 1: ",
    ),
    "offsets of fractions": (
        lambda: BUNDLED.decode_batch(Ragged(np.array([1, 2]), np.array([0.0, 2.0]))),
        TypeError,
        "offsets must be an array of int64 in one dimension, not an array of float64 with shape (2,)",
    ),
    "offsets as a list": (
        lambda: BUNDLED.decode_batch(Ragged([1, 2], [0, 2])),
        TypeError,
        "offsets must be an array of int64 in one dimension, not [0, 2]: write numpy.array(offsets, numpy.int64)",
    ),
    "offsets of a judged row": (
        lambda: phantom.judge(Ragged(np.array([1, 2]), np.array([0.0, 2.0])), BUNDLED),
        TypeError,
        "not an array of float64",
    ),
    "a number as texts": (lambda: BUNDLED.encode_batch(5), TypeError, "expected many texts, not 5"),
    "a text of many that is none": (lambda: BUNDLED.encode_batch(["a", None]), TypeError, "text 1: expected str"),
    "half a character of many": (
        lambda: BUNDLED.encode_batch(["a", "b\ud800"]),
        UnicodeEncodeError,
        "in position 1: surrogates not allowed (text 1)",
    ),
    "half a character counted": (
        lambda: BUNDLED.count_batch(["\ud800"]),
        UnicodeEncodeError,
        "in position 0: surrogates not allowed (text 0)",
    ),
    "a column of floats": (lambda: BUNDLED.decode_batch(pa.array([[0.5]])), TypeError, "not of list"),
    # Training.
    "constraints on words": (lambda: superbpe.Constraints(max_words=0), TrainError, "not 0"),
    "a substring as many": (lambda: superbpe.Constraints(forbid_substrings=": "), TrainError, "': '"),
    "a transition too high": (lambda: superbpe.train(TEXTS, vocab_size=300, transition=301), TrainError, "301"),
    "no transition": (lambda: superbpe.train(TEXTS, vocab_size=300, transition=[]), TrainError, "[]"),
    "less than an alphabet": (
        lambda: superbpe.train(TEXTS, vocab_size=300, transition=9),
        TrainError,
        "9 is less than 0 + 256",
    ),
    "a scheme of no name": (
        lambda: superbpe.train(TEXTS, vocab_size=300, transition=300, scheme="none"),
        TrainError,
        "'none'",
    ),
    "a stage of no kind": (
        lambda: superbpe.PretokenCounts(superbpe.Scheme(stage1=3, stage2=3)),
        TypeError,
        "not int",
    ),
    "an alphabet of no name": (
        lambda: superbpe.train(TEXTS, vocab_size=300, transition=300, alphabet="none"),
        TrainError,
        "'none'",
    ),
    "no way to inherit": (
        lambda: superbpe.train(TEXTS, vocab_size=300, transition=300, inherit="none"),
        TrainError,
        "'none'",
    ),
    "special tokens as one": (
        lambda: superbpe.train(TEXTS, vocab_size=300, transition=300, special_tokens="<s>"),
        TypeError,
        "a sequence of names",
    ),
    "a negative frequency": (
        lambda: superbpe.train(TEXTS, vocab_size=300, transition=300, min_frequency=-1),
        TrainError,
        "not -1",
    ),
    "tokens of no length": (
        lambda: superbpe.train(TEXTS, vocab_size=300, transition=300, max_token_length=0),
        TrainError,
        "not 0",
    ),
    "constraints of no kind": (
        lambda: superbpe.train(TEXTS, vocab_size=300, transition=300, constraints=3),
        TypeError,
        "not int",
    ),
    "no thread to count": (
        lambda: superbpe.train(TEXTS, vocab_size=300, transition=300, threads=0),
        TrainError,
        "not 0",
    ),
    "a checkpoint in the past": (
        lambda: superbpe.train(TEXTS, vocab_size=300, transition=300, checkpoint_seconds=-1),
        TrainError,
        "not -1",
    ),
    "a corpus that is one text": (
        lambda: superbpe.train("a text", vocab_size=300, transition=300),
        TypeError,
        "[text]",
    ),
    "a corpus that is none": (
        lambda: superbpe.train(3, vocab_size=300, transition=300),
        TypeError,
        "not int",
    ),
    "a corpus with a number": (
        lambda: superbpe.train(["a", 3], vocab_size=300, transition=300),
        TypeError,
        "text 1 of the corpus is int",
    ),
    "no files": (lambda: superbpe.files(), TrainError, "at least one path"),
    "no way to go on": (
        lambda: superbpe.files("a", on_error="none"),
        TrainError,
        "'none'",
    ),
    "weights that do not fit": (lambda: superbpe.files("a", weights=[1, 2]), TrainError, "[1, 2]"),
    "what is no tokenizer": (
        lambda: superbpe.extend(3, TEXTS, vocab_size=300),
        TypeError,
        "builtins.int",
    ),
    "a smaller vocabulary": (lambda: superbpe.extend(BUNDLED, TEXTS, vocab_size=9), TrainError, "9 is below"),
    "a limit of no count": (lambda: superbpe.PretokenCounts(min_count=0), TrainError, "not 0 and"),
    "counts of another kind": (lambda: superbpe.PretokenCounts().merge(pairs()), TypeError, "not PairCounts"),
    "counts with themselves": (lambda: (lambda counts: counts.merge(counts))(pairs()), TrainError, "themselves"),
    "a table of no counts": (
        lambda: superbpe.PairCounts.from_arrow(changed(pairs().to_arrow()), BUNDLED),
        TrainError,
        "no counts of ours, not pairs",
    ),
    "pairs of another": (
        lambda: superbpe.PairCounts.from_arrow(pairs().to_arrow(), other()),
        TrainError,
        "another tokenizer",
    ),
    "runs of another": (lambda: superbpe.RunCounts(other(), pairs(), 1), TrainError, "another tokenizer"),
    "runs without a barrier": (lambda: superbpe.RunCounts(BUNDLED, pairs()), TrainError, "vocab_size"),
    "a barrier of nothing": (lambda: superbpe.RunCounts(BUNDLED, pairs(), 0), TrainError, "not 0"),
    "a size that no run had": (
        lambda: superbpe.train(TEXTS, vocab_size=260, transition=260).at(255),
        TrainError,
        "255 is not in this run",
    ),
    "no text": (lambda: superbpe.extend(BUNDLED, [], vocab_size=32_100), TrainError, "the corpus is empty"),
    "words that are no bytes": (
        lambda: superbpe.PretokenCounts(superbpe.Scheme(stage1={"type": "Whitespace"}, stage2="a")),
        TrainError,
        "not byte-level",
    ),
    "pairs with those of another": (
        lambda: pairs().merge(superbpe.PairCounts(other())),
        TrainError,
        "of another tokenizer or scheme",
    ),
    # Models of bytes.
    "no ids": (lambda: bytelm.FunctionLM(uniform, vocab_size=0), ValueError, "vocab_size is 0"),
    "an end beyond": (lambda: bytelm.FunctionLM(uniform, vocab_size=3, end_ids=[3]), ValueError, "end id 3"),
    "rows too narrow": (
        lambda: model(lambda count: np.zeros((count, 3))).state("a").next_byte(),
        ModelError,
        f"{BUNDLED.vocab_size})",
    ),
    "rows of integers": (
        lambda: model(lambda count: uniform(count, np.int64)).state("a").next_byte(),
        ModelError,
        "int64",
    ),
    "covers of no name": (lambda: model(uniform, covers="none"), ValueError, "'none'"),
    "a norm of no name": (lambda: model(uniform, normalize="none"), ValueError, "'none'"),
    "a tolerance of all": (lambda: model(uniform, tolerance=1.0), ValueError, "tolerance is 1.0"),
    "a temperature below 0": (lambda: GOOD.generate("a", max_bytes=1, temperature=-1), ValueError, "-1"),
    "a share of nothing": (lambda: GOOD.generate("a", max_bytes=1, top_p=0), ValueError, "top_p is 0"),
    "a unit of no name": (
        lambda: GOOD.generate("a", max_bytes=1, unit="words"),
        ValueError,
        "'words'",
    ),
    "bytes below none": (lambda: GOOD.generate("a", max_bytes=-1), ValueError, "max_bytes is -1"),
    "a stop of nothing": (lambda: GOOD.generate("a", max_bytes=1, stop=["b", ""]), ValueError, "stop string is empty"),
    "context ids beyond": (lambda: GOOD.state(context_ids=[-1]), ModelError, "context id -1"),
    "rows of a plan too narrow": (lambda: GOOD.heal_plan("a").choose(np.zeros((1, 3))), ModelError, "(1, 3)"),
    "more bytes than there are": (lambda: GOOD.state("ab").pop(3), ValueError, "3 bytes"),
    "an ensemble of none": (lambda: bytelm.Ensemble([]), ValueError, "needs a member"),
    "an ensemble of no name": (
        lambda: bytelm.Ensemble([GOOD], mode="none"),
        ValueError,
        "'none'",
    ),
    "weights of another number": (lambda: bytelm.Ensemble([GOOD], weights=[1, 2]), ValueError, "[1, 2]"),
    "weights of nothing": (lambda: bytelm.Ensemble([GOOD], weights=[0]), ValueError, "zero"),
    "tokens of an ensemble": (
        lambda: bytelm.Ensemble([GOOD]).generate("a", max_bytes=1, unit="tokens"),
        ValueError,
        "'tokens'",
    ),
    "an ensemble before its start": (lambda: bytelm.Ensemble([GOOD]).state("a").pop(2), ValueError, "2 bytes"),
    "a template of no name": (lambda: fim.find("none"), ValueError, "'none'"),
    "a template without a suffix": (lambda: fim.FimTemplate(("{prefix}",)), ValueError, "{suffix}"),
    "a template of another": (lambda: fim.find("starcoder").ids(BUNDLED, (), ()), ValueError, "'<fim_prefix>'"),
    # Numbers.
    "groups of 5": (lambda: triadic.annotate("1", group_size=5), NumeralError, "not 5"),
    "no digits": (lambda: triadic.annotate("1", min_digits=0), NumeralError, "not 0"),
    "years of no name": (lambda: triadic.annotate("1", years="none"), ValueError, "'none'"),
    "a variant of no name": (lambda: triadic.annotate("1", variant="none"), ValueError, "'none'"),
    "a style of no name": (lambda: triadic.annotate("1", style="none"), ValueError, "'none'"),
    "a power beyond": (lambda: triadic.join([("1", 2**31)]), NumeralError, f"{2**31}"),
    "an identity of no name": (
        lambda: triadic.vocabulary(identity="none"),
        ValueError,
        "'none'",
    ),
    "values without triads": (lambda: triadic.values([0], BUNDLED), VocabError, "extend_tokenizer"),
    # Many ids for a text.
    **{
        f"{call.__name__} of another tokenizer": (partial(call, [1], STOCK), TypeError, "tokenizers.Tokenizer")
        for call in (
            *(triadic.values, triadic.right_to_left, triadic.left_to_right),
            *(phantom.judge, phantom.find, phantom.canonicalize, phantom.next_token_mask),
        )
    },
    "no tokenizer to extend": (lambda: triadic.extend_tokenizer("gpt2"), TypeError, "from_file"),
    "no tokenizer of bytes": (
        lambda: bytelm.ByteLM(bytelm.FunctionLM(uniform, vocab_size=BUNDLED.vocab_size), STOCK),
        TypeError,
        "from_hf",
    ),
    "no tokenizer to count with": (lambda: superbpe.PairCounts(STOCK), TypeError, "tokseam.Tokenizer"),
    "a level beyond": (lambda: phantom.compare([0], [0], BUNDLED, level=6), ValueError, "not 6"),
    "values that are words": (
        lambda: phantom.project(["a"], phantom.canonicalize([65], BUNDLED)[1], how="sum"),
        TypeError,
        "<U1",
    ),
    "values in a table": (
        lambda: phantom.project([[1.0]], phantom.canonicalize([65], BUNDLED)[1], how="sum"),
        ValueError,
        "(1, 1)",
    ),
    "no way to project": (
        lambda: phantom.project([1.0], phantom.canonicalize([65], BUNDLED)[1], how="none"),
        ValueError,
        "none",
    ),
    "an old token beyond": (
        lambda: phantom.canonicalize([65], BUNDLED)[1].new_range(1),
        IndexError,
        "token 1 of 1",
    ),
    "a rate of nothing": (lambda: phantom.Probe.make("seams", BUNDLED, rate=0, seed=0), ValueError, "not 0"),
    "no word to replace": (lambda: phantom.Probe.make("1 2", BUNDLED, seed=0), ValueError, "no word"),
    "a target of nothing": (lambda: phantom.Probe("ab", ((1, 1),), BUNDLED), ValueError, "1 to 1"),
    # Tests of tokenizers, and reports.
    "what has no encode": (lambda: fuzz.check_round_trip(3, "a"), TypeError, "int has no encode"),
    "a class of no name": (lambda: fuzz.audit(BUNDLED).ids("none"), ValueError, "'none'"),
    "a corpus of one text": (lambda: fuzz.audit(BUNDLED, "a text"), TypeError, "[text]"),
    "a report on nothing": (lambda: report.make({}, "a"), ReportError, "at least one"),
    "a report on a number": (lambda: report.make(BUNDLED, 3), TypeError, "not int"),
    "what is reported on": (lambda: report.make({"x": 3}, "a"), TypeError, "x is int"),
    "a tokenizer without a name": (lambda: report.make({"": BUNDLED}, "a"), TypeError, "''"),
    "a language alone": (lambda: report.make(BUNDLED, "a", parallel={"en": ["a"]}), ReportError, "in en alone"),
    "a language of nothing": (lambda: report.make(BUNDLED, "a", reference="en"), ReportError, "'en'"),
    "a text as parallel ones": (
        lambda: report.make(BUNDLED, "a", parallel={"en": "a", "de": ["b"]}),
        TypeError,
        "[text]",
    ),
    "a curve that falls": (
        lambda: report.Curve.from_json('{"curve": {"sizes": [2, 1], "bytes_per_token": [1, 1], "transition": null}}'),
        ReportError,
        "sizes do not rise",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_refused(name: str) -> None:
    call, error, words = CASES[name]
    with pytest.raises(error, match=re.escape(words)) as found:
        call()
    assert found.type is error or error is not ValueError, "a plain ValueError was expected"


def column(*values: int, dtype: Any = np.uint32) -> Any:
    return np.array(values, dtype)


def plan() -> Any:
    kernel = NATIVE.ByteKernel(BUNDLED._native, True, True)
    return kernel.start().push(kernel, b"a").plan(kernel)


def learned(text: bytes, alphabet: list[int]) -> Any:
    counts = NATIVE.PretokenCounts(NATIVE.split_component("a"), None)
    counts.update([text], False, 1)
    return NATIVE.learn(counts, [], alphabet, 300, 1, None, None, (lambda _: False, None))


# What no call of the package passes on, but code that calls the native module may.
UNDER: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a text as many": (lambda: BUNDLED._native.encode_batch("a", None, 1), TypeError, "not one text"),
    "a number as a text": (lambda: BUNDLED._native.encode_batch([3], None, 1), TypeError, "not int"),
    "a name as many": (lambda: BUNDLED._native.encode("a", "<s>"), TypeError, '"<s>"'),
    "a rank beyond": (lambda: NATIVE.Tokenizer.from_tiktoken([(b"a", -1)], "a", []), VocabError, "-1 is no token id"),
    "a split that is no JSON": (lambda: NATIVE.PretokenCounts("{", None), VocabError, "no JSON"),
    "fewer counts than rows": (
        lambda: NATIVE.PretokenCounts(NATIVE.split_component("a"), None).add(
            column(97, dtype=np.uint8), column(1, dtype=np.int64), column(dtype=np.uint64), (0, 0, 0, 0)
        ),
        ValueError,
        "as many counts as rows",
    ),
    "ends that fall": (
        lambda: NATIVE.PretokenCounts(NATIVE.split_component("a"), None).add(
            column(97, dtype=np.uint8), column(-1, dtype=np.int64), column(1, dtype=np.uint64), (0, 0, 0, 0)
        ),
        ValueError,
        "must rise",
    ),
    "columns that differ": (
        lambda: pairs()._counts.add(column(1), column(), column(1, dtype=np.uint64), (0, 0, 0, 0, 0)),
        ValueError,
        "differ in length",
    ),
    "a run of no ids": (
        lambda: NATIVE.RunCounts.gathered(BUNDLED._native, NATIVE.split_component("a"), 1).add(
            column(10**6), column(1, dtype=np.int64), column(1, dtype=np.uint64), (0, 0, 0)
        ),
        TrainError,
        "the id 1000000",
    ),
    "a text beyond its alphabet": (lambda: learned(b"ab", [97]), TrainError, "0x62, which is not of the alphabet"),
    "a merge of no tokens": (
        lambda: NATIVE.plain_json([], [97], column(5), column(0), column(1), NATIVE.split_component("a")),
        TrainError,
        "(5, 0) -> 1",
    ),
    "a node beyond": (lambda: plan().stem(10**6), IndexError, "node 1000000 of"),
    "a depth beyond": (
        lambda: NATIVE.ByteKernel(BUNDLED._native, True, True).depth(10**8),
        IndexError,
        "node 100000000 of",
    ),
    "a map of a part": (
        lambda: NATIVE.project(column(dtype=np.float64), column(1, dtype=np.int64), 0, 0, "sum"),
        ValueError,
        "no map",
    ),
}


@pytest.mark.parametrize("name", UNDER)
def test_refused_under_the_package(name: str) -> None:
    call, error, words = UNDER[name]
    with pytest.raises(error, match=re.escape(words)):
        call()


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no tokenizer\.json"):
        Tokenizer.from_file(tmp_path)
    (tmp_path / "cut.json.gz").write_bytes(b"\x1f\x8bnot")
    with pytest.raises(VocabError, match="broken gzip file"):
        Tokenizer.from_file(tmp_path / "cut.json.gz")
    (tmp_path / "ranks.tiktoken").write_text("YQ== 0\n\nYg== x\n")
    with pytest.raises(VocabError, match="pattern=REGEX"):
        Tokenizer.from_tiktoken(tmp_path / "ranks.tiktoken")
    with pytest.raises(VocabError, match=r"line 3: .*ranks are 0 to 4294967295"):
        Tokenizer.from_tiktoken(tmp_path / "ranks.tiktoken", pattern="a")
    with pytest.raises(VocabError, match="<s>"):
        Tokenizer.from_tiktoken(tmp_path / "ranks.tiktoken", pattern="a", special_tokens={"<s>": -1})
    state = tmp_path / "state"
    state.write_bytes(b"no checkpoint")
    with pytest.raises(TrainError, match="remove it to start anew"):
        superbpe.train(TEXTS, vocab_size=260, transition=260, checkpoint=state)
