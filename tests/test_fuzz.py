"""The fuzzer finds what it must and nothing else.

Defects are planted in a sound tokenizer, before `encode` or behind `decode`; each must be found within 500 examples, by
every seed that is tried.
"""

import functools
import io
import itertools
import json
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sources
import tokenizers
import vocabularies
from hypothesis import HealthCheck, Phase, given, seed, settings
from sources import FULL, SEED, corpora, ours, stock
from typer.testing import CliRunner

from tokseam import Tokenizer, VocabError, _bundled, fuzz
from tokseam.cli.app import app
from tokseam.fuzz.plan import ENGINES, load
from tokseam.fuzz.subject import Subject
from tokseam.segmentation import is_text

EXAMPLES = 500
SOUND = 100_000 if FULL else 300
# Runs in each of which a planted defect must be found.
SEEDS = range(SEED, SEED + (30 if FULL else 3))

quiet = settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))


class Wrapped:
    """A tokenizer with a defect on one side."""

    def __init__(self, change: Callable[[str], str], side: str) -> None:
        self.inner = _bundled.tokenizer()
        self.change = change
        self.side = side
        self.vocab_size = self.inner.vocab_size

    def encode(self, text: str) -> list[int]:
        return self.inner.encode(self.change(text) if self.side == "encode" else text).tolist()  # type: ignore[no-any-return]

    def decode(self, ids: Sequence[int]) -> str:
        text = self.inner.decode(ids)
        return self.change(text) if self.side == "decode" else text


def without(chars: str) -> Callable[[str], str]:
    return lambda text: "".join(char for char in text if char not in chars)


def form(name: str) -> Callable[[str], str]:
    return lambda text: unicodedata.normalize(name, text)  # type: ignore[arg-type]


def sub(pattern: str, by: str) -> Callable[[str], str]:
    return lambda text: re.sub(pattern, by, text)


FULLWIDTH = {0xFF10 + digit: str(digit) for digit in range(10)}
DEFECTS: dict[str, Callable[[str], str]] = {
    "blank lost at the start": lambda text: text.removeprefix(" "),
    "blank lost at the end": lambda text: text.removesuffix(" "),
    "all blanks lost at the ends": lambda text: text.strip(" "),
    "newline lost at the end": lambda text: text.removesuffix("\n"),
    "blanks doubled": lambda text: text.replace(" ", "  "),
    "blank put first": lambda text: " " + text,
    "two blanks to one": lambda text: text.replace("  ", " "),
    "blank lost before a stop": lambda text: text.replace(" .", "."),
    "blank lost before an apostrophe": lambda text: text.replace(" '", "'"),
    "blank lost before n't": lambda text: text.replace(" n't", "n't"),
    "blank lost before a question mark": lambda text: text.replace(" ?", "?"),
    **{name: form(name) for name in ("NFC", "NFD", "NFKC", "NFKD")},
    "CR LF to LF": lambda text: text.replace("\r\n", "\n"),
    "CR to LF": lambda text: re.sub("\r(?!\n)", "\n", text),
    "CR lost": without("\r"),
    "NUL lost": without("\0"),
    "text cut at NUL": lambda text: text.partition("\0")[0],
    "BOM lost": without("\ufeff"),
    "BOM lost at the start": lambda text: text.removeprefix("\ufeff"),
    "joiner lost": without("\u200d"),
    "non-joiner lost": without("\u200c"),
    "variation selector lost": without("\ufe0f"),
    "combining marks lost": lambda text: "".join(c for c in text if unicodedata.category(c) != "Mn"),
    "acute accent lost": without("\u0301"),
    "C0 bytes lost": sub(r"[\x01-\x08\x0b\x0c\x0e-\x1f]", ""),
    **{f"U+{code:04X} lost": without(chr(code)) for code in (1, 7, 8, 0x0B, 0x0C, 0x1B, 0x1C, 0x1F, 0x7F)},
    "astral characters lost": sub("[\U00010000-\U0010ffff]", ""),
    "astral characters replaced": sub("[\U00010000-\U0010ffff]", "\ufffd"),
    "no-break space to blank": lambda text: text.replace("\u00a0", " "),
    "ideographic space to blank": lambda text: text.replace("\u3000", " "),
    "fullwidth digits to ASCII": lambda text: text.translate(FULLWIDTH),
    "leading zeros lost": sub(r"\b0+(?=\d)", ""),
    "trailing zeros lost": sub(r"(\.\d*?)0+\b", r"\1"),
    "tab to blank": lambda text: text.replace("\t", " "),
    "tab lost": without("\t"),
    "lower case": str.lower,
    "upper case of ASCII": sub("[a-z]+", lambda match: match[0].upper()),  # type: ignore[arg-type]
    "special token lost": lambda text: text.replace("<|endoftext|>", ""),
    "special token split": lambda text: text.replace("<s>", "< s >"),
    "end token lost": lambda text: text.replace("</s>", ""),
    "turns lost": sub(r"<\|im_(start|end)\|>", ""),
    "class token lost": lambda text: text.replace("[CLS]", ""),
    "text cut after 4096 characters": lambda text: text[:4096],
    "word mark to blank": lambda text: text.replace("\u2581", " "),
    "quote to apostrophe": lambda text: text.replace("\u2019", "'"),
}


@functools.cache
def drawn(number: int) -> tuple[str, ...]:
    """The texts of one run: what is drawn depends on the seed, and not on the check."""
    texts: list[str] = []

    @seed(number)
    @settings(quiet, max_examples=EXAMPLES, phases=[Phase.generate])
    @given(fuzz.texts())
    def run(text: str) -> None:
        texts.append(text)

    run()
    assert len(texts) <= EXAMPLES
    return tuple(texts)


def find_in_each_run(check: Callable[[str], None]) -> str:
    """Return the reason of a failure; each run must have one."""
    for number in SEEDS:
        for text in drawn(number):
            try:
                check(text)
            except fuzz.Failure as failure:
                reason = failure.reason
                break
        else:
            pytest.fail(f"seed {number} does not find it")
    return reason


@pytest.mark.parametrize("side", ["encode", "decode"])
@pytest.mark.parametrize("name", DEFECTS)
def test_planted_defects(name: str, side: str) -> None:
    wrapped = Wrapped(DEFECTS[name], side)
    find_in_each_run(lambda text: fuzz.check_round_trip(wrapped, text))


class Chunked:
    """A decoder of a stream that decodes some ids at a time, and loses what is cut between them."""

    def __init__(self, size: int, errors: str) -> None:
        self.inner = _bundled.tokenizer()
        self.size = size
        self.errors = errors
        self.ids: list[int] = []

    def push(self, id: int) -> str:
        self.ids.append(id)
        return self.finish() if len(self.ids) == self.size else ""

    def finish(self) -> str:
        data = self.inner.decode_bytes(self.ids)
        self.ids = []
        return data.decode(errors=self.errors)


class Unspaced(Chunked):
    """A decoder of a stream that loses the blank at the start of each piece."""

    def finish(self) -> str:
        return super().finish().removeprefix(" ")


STREAMS: dict[str, Callable[[], Any]] = {
    "byte lost at every border": lambda: Chunked(1, "ignore"),
    "byte lost at a chunk border": lambda: Chunked(8, "ignore"),
    "byte replaced at a chunk border": lambda: Chunked(3, "replace"),
    "blank lost at a chunk border": lambda: Unspaced(8, "ignore"),
}


@pytest.mark.parametrize("name", STREAMS)
def test_planted_stream_defects(name: str) -> None:
    tokenizer = _bundled.tokenizer()
    reason = find_in_each_run(lambda text: fuzz.check_stream(tokenizer, tokenizer.encode(text), STREAMS[name]))
    assert reason.startswith("in a stream")


class Whole:
    """A decoder of a stream that hands all out at the end."""

    def __init__(self) -> None:
        self.ids: list[int] = []

    def push(self, id: int) -> None:
        self.ids.append(id)

    def finish(self) -> str:
        return _bundled.tokenizer().decode(self.ids)


@pytest.mark.parametrize("decoder", [Whole, lambda: Whole(), Whole()])
def test_decoder_of_a_stream(decoder: Any) -> None:
    """A class, what makes one, or the object itself."""
    tokenizer = _bundled.tokenizer()
    fuzz.check_stream(tokenizer, tokenizer.encode("a 12 b"), decoder)


class Leaky:
    """A tokenizer that gives a special id for its name in plain text, as one does whose merges spell it."""

    def __init__(self) -> None:
        self.inner = _bundled.tokenizer()
        self.special_tokens = self.inner.special_tokens

    def encode(self, text: str) -> list[int]:
        return self.inner.encode(text, allowed_special="all").tolist()  # type: ignore[no-any-return]

    def decode(self, ids: Sequence[int]) -> str:
        return self.inner.decode(ids)


def test_merged_special_token() -> None:
    """The text comes back, but not as text."""
    leaky = Leaky()
    find_in_each_run(lambda text: fuzz.check_round_trip(leaky, text, plain=True))
    found = fuzz.find_failure(
        lambda text: fuzz.check_round_trip(leaky, text, plain=True), fuzz.texts(), examples=EXAMPLES
    )
    assert found is not None
    assert found.text == "<|endoftext|>"
    assert found.reason.startswith("plain text gives the special id")


def sound(name: str) -> Any:
    """Return a sound tokenizer of a library: `LIBRARY/VOCABULARY`."""
    library, _, vocabulary = name.partition("/")
    if library == "tiktoken":
        return encoding(vocabulary)
    return {"tokseam": ours, "tokenizers": stock}[library](vocabulary)


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    "name",
    ["tokseam/bundled", "tokseam/cl100k", "tokseam/llama3", "tokenizers/bundled", "tokenizers/gpt2", "tiktoken/cl100k"],
)
def test_sound(name: str) -> None:
    """A sound tokenizer passes every check."""
    tokenizer = sound(name)
    subject = Subject.of(tokenizer)
    again = fuzz.reload(tokenizer)
    if isinstance(again, tokenizers.Tokenizer):
        # The setting is no part of a file.
        again.encode_special_tokens = True

    other = ""
    for text in sound_texts():
        fuzz.check_round_trip(tokenizer, text)
        if isinstance(tokenizer, Tokenizer):
            fuzz.check_round_trip(tokenizer, text.encode())
        fuzz.check_stream(tokenizer, subject.encode(text))
        fuzz.check_join(tokenizer, text, other)
        fuzz.check_batch(tokenizer, [text, other])
        fuzz.check_same(again, tokenizer, text)
        other = text


def sound_texts() -> Iterator[str]:
    """Yield the texts for a sound tokenizer. They are drawn once for all: drawing takes as long as checking does."""
    runs = range(SEED, SEED + -(-SOUND // EXAMPLES))
    yield from itertools.islice(itertools.chain.from_iterable(map(drawn, runs)), SOUND)


def test_there_are_enough_texts() -> None:
    """Nearly all of them are different."""
    texts = list(sound_texts())
    assert len(texts) == SOUND
    assert len(set(texts)) > 0.95 * SOUND


def test_other_ids_name_both_libraries() -> None:
    """Both classes may be called Tokenizer. What the second gives is expected of the first."""
    tokenizer = _bundled.tokenizer()
    other = tokenizers.Tokenizer(tokenizers.models.BPE({"a": 7}, []))
    with pytest.raises(fuzz.Failure, match=r"^tokseam\.Tokenizer gives other ids than tokenizers\.Tokenizer") as raised:
        fuzz.check_same(tokenizer, other, "a")
    assert raised.value.expected == [7]
    assert raised.value.result == tokenizer.encode("a").tolist()


@pytest.mark.parametrize("engine", ENGINES)
def test_absent_file(engine: str) -> None:
    """Each engine says which file is absent."""
    with pytest.raises(FileNotFoundError) as raised:
        load("absent.json", engine)
    assert raised.value.filename == "absent.json"


@pytest.mark.parametrize("engine", ENGINES)
def test_broken_file(engine: str, tmp_path: Path) -> None:
    """Each engine says that it does not read a file, in an error of this package."""
    path = tmp_path / "broken.json"
    path.write_text('{"model": 1}', encoding="utf-8")
    with pytest.raises(VocabError):
        load(path, engine)


@pytest.mark.parametrize("engine", ["tokseam", "tokenizers", "transformers"])
def test_folder(engine: str, tmp_path: Path) -> None:
    """The file in a folder is read."""
    _bundled.tokenizer().to_hf().save_pretrained(tmp_path)
    fuzz.check_same(load(tmp_path, engine), _bundled.tokenizer(), "a 12 b")


@pytest.mark.parametrize(
    ("engine", "words"),
    [("none", "no engine"), ("json:none", "no attribute"), ("absent:load", "No module"), ("io:StringIO", "no encode")],
)
def test_no_engine(engine: str, words: str) -> None:
    with pytest.raises((ValueError, ImportError), match=words):
        load("any", engine)


@pytest.mark.parametrize("text", ["", " ", "a\n", "e\u0301 \ufb01\t\r\n"])
def test_smallest_case(text: str) -> None:
    """What is found is small, and says what was lost."""
    wrapped = Wrapped(without("\u0301"), "decode")
    found = fuzz.find_failure(lambda drawn: fuzz.check_round_trip(wrapped, text + drawn), fuzz.texts(), examples=200)
    assert found is not None
    assert found.text in (text + "\u0301", text)


class Numbered:
    """A user's own object: it encodes to code points and knows its vocabulary."""

    vocab_size = 0x300

    def encode(self, text: str) -> list[int]:
        return [ord(char) % 0x300 for char in text]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(map(chr, ids))


def hosts() -> dict[str, Any]:
    """One small vocabulary in every library that takes it."""
    import transformers

    bundled = tokenizers.Tokenizer.from_str(sources.vocabulary("bundled"))
    return {
        "tokseam": _bundled.tokenizer(),
        "tokenizers": bundled,
        "transformers": transformers.PreTrainedTokenizerFast(tokenizer_object=bundled),
    }


@pytest.mark.parametrize("name", ["tokseam", "tokenizers", "transformers"])
def test_hosts(name: str) -> None:
    """Every check passes on a sound tokenizer of each library."""
    tokenizer = hosts()[name]
    ran = set()
    for job in fuzz.jobs(tokenizer):
        failure = job.run(examples=2_000 if FULL else 100, seed=SEED)
        assert failure is None, (job.name, str(failure))
        ran.add(job.name)
    assert {"catalogue", "texts", "numbers", "stream", "join", "batch", "reload", "ids", "resegmentations"} <= ran


def encoding(name: str) -> Any:
    """Return a vocabulary as tiktoken's object, with a special token behind it."""
    import tiktoken

    try:
        ranks = vocabularies.ranks(name)
    except vocabularies.Missing as error:
        sources.missing(str(error))
        raise
    pattern = {"cl100k": vocabularies.CL100K}[name]
    return tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={"<s>": 100_300})


def test_tiktoken() -> None:
    encoded = encoding("cl100k")
    for job in fuzz.jobs(encoded):
        assert job.run(examples=50, seed=SEED) is None, job.name
    found = fuzz.audit(encoded)
    assert found.vocab_size == 100_301
    assert found.classes["special"] == 1
    assert found.classes["unused"] == 100_300 - len(vocabularies.ranks("cl100k"))
    assert sum(found.classes.values()) == found.vocab_size


def piece_model(**options: Any) -> Any:
    """Return a small model of sentencepiece, trained on the bundled text."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_bundled.text().splitlines()[:400]),
        model_writer=model,
        model_type="bpe",
        vocab_size=600,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
        **options,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def test_sentencepiece(tmp_path: Path) -> None:
    """A model that keeps all text but its own mark of a blank, and one with the defaults, which keeps less."""
    kept = {"normalization_rule_name": "identity", "add_dummy_prefix": False, "remove_extra_whitespaces": False}
    model = piece_model(byte_fallback=True, **kept)
    found = fuzz.find_failure(lambda text: fuzz.check_round_trip(model, text), fuzz.texts(), examples=EXAMPLES)
    assert found is not None
    assert found.text == "\u2581"
    ran = set()
    for job in fuzz.jobs(model, expected=lambda text: text.replace("\u2581", " ")):
        assert job.run(examples=2_000 if FULL else 50, seed=SEED) is None, job.name
        ran.add(job.name)
    assert {"texts", "numbers", "stream", "batch", "reload", "ids", "resegmentations"} <= ran
    audit = fuzz.audit(model)
    assert sum(audit.classes.values()) == audit.vocab_size == model.get_piece_size()
    assert audit.ids("special").tolist() == [model.unk_id(), model.bos_id(), model.eos_id()]

    path = tmp_path / "defaults.model"
    path.write_bytes(piece_model().serialized_model_proto())
    defaults = load(path, "sentencepiece")
    for text in ("é", "０", "  a", "a ", "a  b", "a\nb"):
        with pytest.raises(fuzz.Failure):
            fuzz.check_round_trip(defaults, text)
    fuzz.check_round_trip(defaults, "a b")


def test_own_object() -> None:
    """An object with nothing but `encode` and `decode` is enough; a vocabulary brings more checks."""
    numbered = Numbered()
    names = [job.name for job in fuzz.jobs(numbered)]
    assert "ids" in names
    found = fuzz.find_failure(lambda text: fuzz.check_round_trip(numbered, text), fuzz.texts(), examples=EXAMPLES)
    assert found is not None
    assert isinstance(found.text, str)
    assert len(found.text) == 1
    assert ord(found.text) >= 0x300
    with pytest.raises(TypeError, match="no encode"):
        fuzz.check_round_trip(object(), "")
    with pytest.raises(TypeError, match="vocab_size"):
        fuzz.audit(type("Bare", (), {"encode": list, "decode": str})())


class Giving(Numbered):
    """An object that gives its ids as something else than a list."""

    def __init__(self, make: Callable[[list[int]], Any]) -> None:
        self.make = make

    def encode(self, text: str) -> Any:
        return self.make(super().encode(text))


def test_kinds_of_ids() -> None:
    """Ids may come as whatever holds a row of integers; what does not is named."""
    import transformers

    kinds: list[Callable[[list[int]], Any]] = [
        tuple,
        np.array,
        lambda ids: np.array(ids, np.int32),
        lambda ids: transformers.BatchEncoding({"input_ids": ids}),
        lambda ids: {"input_ids": np.array(ids)},
    ]
    for make in kinds:
        fuzz.check_round_trip(Giving(make), "ab")
        fuzz.check_batch(Giving(make), ["a", "b"])
    for make in (lambda ids: [ids], lambda _: None, lambda ids: {"ids": ids}, lambda ids: list(map(float, ids))):
        with pytest.raises(fuzz.Failure, match="no row of ids"):
            fuzz.check_round_trip(Giving(make), "ab")
    rows = type("Rows", (Numbered,), {"decode": lambda _, ids: [str(ids)]})
    with pytest.raises(fuzz.Failure, match="gives a list, not a str"):
        fuzz.check_round_trip(rows(), "ab")


def test_short_batch() -> None:
    """A batch call that leaves a text out."""
    short = type("Short", (Numbered,), {"encode_batch": lambda self, texts: [self.encode(text) for text in texts[1:]]})
    with pytest.raises(fuzz.Failure, match="a batch of 2 gives 1"):
        fuzz.check_batch(short(), ["a", "b"])


def test_implementations() -> None:
    """A class of `tokenizers.implementations` holds a tokenizer; one that spells hardly a text in two ways passes."""
    made = tokenizers.ByteLevelBPETokenizer()
    made.train_from_iterator(["hello world"] * 9, vocab_size=270, show_progress=False)
    for job in fuzz.jobs(made):
        assert job.run(examples=5, seed=SEED) is None, job.name


class Panics(BaseException):
    """What a panic of native code looks like."""


def test_exceptions_are_failures() -> None:
    class Broken(Numbered):
        def encode(self, text: str) -> list[int]:
            if "\r" in text:
                raise Panics("index out of bounds")
            return super().encode(text)

    broken = Broken()
    with pytest.raises(fuzz.Failure, match="encode raises Panics: index out of bounds") as caught:
        fuzz.check_round_trip(broken, "a\r")
    assert caught.value.text == "a\r"
    found = fuzz.find_failure(
        lambda text: fuzz.check_round_trip(broken, text),
        fuzz.texts().map(lambda text: text.encode("ascii", "ignore").decode()),
    )
    assert found is not None
    assert found.text == "\r"
    # They stop neither the other checks nor an audit.
    for job in fuzz.jobs(broken):
        job.run(examples=20, seed=SEED)
    assert fuzz.audit(broken).ids("unreachable").tolist() == [0x0D]


class Faulty:
    """The bundled tokenizer with calls that are not its own."""

    def __init__(self, **calls: Any) -> None:
        self.inner = _bundled.tokenizer()
        vars(self).update({"encode": self.inner.encode, "decode": self.inner.decode} | calls)


def test_each_fault_has_a_name() -> None:
    tokenizer = _bundled.tokenizer()
    whole = tokenizer.encode("seam").tolist()
    cut = [tokenizer.token_id(bytes([byte])) or 0 for byte in b"seam"]
    for faulty, check, said in (
        (Faulty(decode_bytes=lambda _: b"x"), lambda one: fuzz.check_round_trip(one, b"ab"), "bytes do not come back"),
        (Faulty(encode_batch=lambda texts: [[0]] * len(texts)), lambda one: fuzz.check_batch(one, ["a"]), "ids differ"),
        (Faulty(encode_batch=lambda _: []), lambda one: fuzz.check_batch(one, ["a"]), "a batch of 1 gives 0"),
        (
            Faulty(decode_batch=lambda rows: ["xy"] * len(rows)),
            lambda one: fuzz.check_batch(one, ["a"]),
            "in a batch, at character 0, U\\+0061",
        ),
        (
            Faulty(decode=lambda ids: "x" * len(ids)),
            lambda one: fuzz.check_resegmentation(one, whole, cut),
            "cut otherwise",
        ),
        (
            Faulty(is_canonical=lambda _: True),
            lambda one: fuzz.check_resegmentation(one, whole, cut),
            "is_canonical is True",
        ),
    ):
        with pytest.raises(fuzz.Failure, match=said):
            check(faulty)  # type: ignore[no-untyped-call]


def test_ctrl_c_is_no_failure() -> None:
    def stop(_: object) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fuzz.check_round_trip(Faulty(encode=stop), "a")
    with pytest.raises(KeyboardInterrupt):
        fuzz.audit(Faulty(decode=stop, vocab_size=3))


def test_checks_of_ids_need_a_vocabulary() -> None:
    assert "ids" not in [job.name for job in fuzz.jobs(Faulty())]
    # What the first of two ids gave is gone when the second comes.
    faulty = Faulty(decode=lambda ids: "x" * (len(ids) % 2), vocab_size=9, token_bytes=lambda _: b"x")
    jobs = {job.name: job for job in fuzz.jobs(faulty)}
    failure = jobs["short-ids"].run(examples=1, seed=0)
    assert failure is not None
    assert len(failure.ids or ()) == 2


def test_what_is_not_known_of_a_vocabulary_is_looked_for() -> None:
    """Of steps that drop text it is not known which texts have a token, so tokens are tried."""
    tree = vocabularies.document(
        {"a": 0, "b": 1, "ab": 2, "ba": 3},
        [("a", "b")],
        pre_tokenizer=vocabularies.sequence({"type": "WhitespaceSplit"}, vocabularies.byte_level()),
        decoder=vocabularies.byte_level(),
    )
    found = fuzz.audit(Tokenizer.from_json(json.dumps(tree)))
    assert not found.exact
    assert (found.ids("ok").tolist(), found.ids("unreachable").tolist()) == ([0, 1, 2], [3])


def test_reasons() -> None:
    from tokseam.fuzz.checks import explain

    for before, after, reason in (
        (" a", "a", "white space at the start is lost"),
        ("a\r\n", "a\n", "CR LF becomes LF"),
        ("e\u0301", "é", "the text is put into NFC"),
        ("ﬁ", "fi", "the text is put into NFKC"),
        ("a .", "a.", "blanks before punctuation are lost"),
        ("007", "7", "leading zeros are lost"),
        ("abc", "abd", "at character 2, U+0063 LATIN SMALL LETTER C becomes U+0064 LATIN SMALL LETTER D"),
        ("abc", "ab", "at character 2, U+0063 LATIN SMALL LETTER C becomes the end"),
    ):
        assert explain(before, after) == reason


def test_expected() -> None:
    """A normalizer that is meant is no defect."""
    wrapped = Wrapped(form("NFC"), "encode")
    with pytest.raises(AssertionError):
        fuzz.check_round_trip(wrapped, "e\u0301")
    fuzz.check_round_trip(wrapped, "e\u0301", expected=form("NFC"))


def test_resegmentations_spell_the_same() -> None:
    tokenizer = _bundled.tokenizer()

    @seed(SEED)
    @settings(quiet, max_examples=2_000 if FULL else 200)
    @given(fuzz.resegmentations(tokenizer))
    def run(pair: tuple[list[int], list[int]]) -> None:
        canonical, other = pair
        assert canonical != other
        assert tokenizer.decode_bytes(canonical) == tokenizer.decode_bytes(other)
        assert tokenizer.is_canonical(canonical)
        assert not tokenizer.is_canonical(other)
        fuzz.check_resegmentation(tokenizer, canonical, other)

    run()


def test_short_ids_are_exhaustive() -> None:
    tokenizer = _bundled.tokenizer()
    rows = list(fuzz.short_ids(tokenizer, tokens=9, size=3))
    assert len(rows) == len(set(map(tuple, rows))) == 1 + 9 + 81 + 729
    tokens = [tokenizer.token_bytes(row[0]) for row in rows[1:10]]
    assert any(not is_text(token) for token in tokens)
    assert any(is_text(token) for token in tokens)


def test_numbers() -> None:
    """Leading zeros, groups, signs and digits of other scripts all come up."""
    seen = ""

    @seed(SEED)
    @settings(quiet, max_examples=300)
    @given(fuzz.numbers())
    def run(text: str) -> None:
        nonlocal seen
        assert text
        seen += f" {text}"

    run()
    for pattern in (r" 0+\d", r"\d\.\d", r"\d,\d{3}", r" -\d", "[０-９]", "[٠-٩]", r"\d{12}"):
        assert re.search(pattern, seen), pattern


# The audit.


@pytest.mark.parametrize("name", sources.NAMES)
def test_audit(name: str) -> None:
    """Classes sum to the vocabulary, and no text has an id that is called unreachable."""
    tokenizer = ours(name)
    found = fuzz.audit(tokenizer)
    assert list(found.classes) == ["ok", "unreachable", "undecodable", "special", "added", "unused"]
    assert sum(found.classes.values()) == found.vocab_size == tokenizer.vocab_size
    assert found.exact
    assert set(found.ids("special").tolist()) == set(tokenizer.special_tokens.values())
    for id, token in found.examples("undecodable", 50):
        assert token is not None
        assert not is_text(token), id
    seen = np.zeros(found.vocab_size, np.bool_)
    for documents in corpora().values():
        for document in documents[: None if FULL else 20]:
            try:
                seen[tokenizer.encode(document[: None if FULL else 50_000])] = True
            except VocabError:
                continue
    assert not seen[found.ids("unreachable")].any()
    assert not seen[found.ids("unused")].any()
    assert not seen[found.ids("special")].any()


@pytest.mark.parametrize("name", ["bundled", "stories", "gpt2"])
def test_audit_of_other_libraries(name: str) -> None:
    """What was seen is reachable, and most that is reachable is seen."""
    exact, seen = fuzz.audit(ours(name)), fuzz.audit(stock(name))
    assert seen.vocab_size == exact.vocab_size
    assert set(seen.ids("ok")) <= set(exact.ids("ok")) | set(exact.ids("undecodable"))
    assert seen.classes["ok"] > 0.9 * exact.classes["ok"]
    assert seen.classes["special"] == exact.classes["special"]


def test_audit_of_a_planted_vocabulary() -> None:
    """A hole, a token that no merge makes, one that pretokens cut, a special and an added token."""
    letters = [vocabularies.spell(bytes([byte])) for byte in range(256)]
    vocab = {letter: id for id, letter in enumerate(letters)}
    vocab |= {"ab": 256, vocabularies.spell(b"a b"): 257, "xyz": 258, "<s>": 261, "<tool>": 262}
    tree = vocabularies.document(
        vocab,
        [("a", "b"), ("a", vocabularies.spell(b" b")), (vocabularies.spell(b" "), "b")],
        pre_tokenizer=vocabularies.byte_level(use_regex=True),
        decoder=vocabularies.byte_level(use_regex=True),
        added_tokens=[vocabularies.added(261, "<s>"), vocabularies.added(262, "<tool>", special=False)],
    )
    tree["model"]["vocab"][vocabularies.spell(b" b")] = 259
    tokenizer = Tokenizer.from_json(json.dumps(tree))
    found = fuzz.audit(tokenizer)
    assert found.ids("unreachable").tolist() == [257, 258]
    assert found.ids("unused").tolist() == [260]
    assert found.ids("special").tolist() == [261]
    assert found.ids("added").tolist() == [262]
    assert found.ids("undecodable").tolist() == list(range(128, 256))
    assert found.classes["ok"] == 128 + 2
    counted = fuzz.audit(tokenizer, ["ab b", "x"])
    assert counted.counts is not None
    assert counted.counts[256] == 1
    assert counted.ids("ok").tolist() == sorted([ord("x"), 256, 259])
    assert sum(counted.classes.values()) == counted.vocab_size
    with pytest.raises(ValueError, match="is none"):
        found.ids("gone")
    with pytest.raises(TypeError, match="many texts"):
        fuzz.audit(tokenizer, "text")


# The catalogue.


def test_catalogue() -> None:
    names = [case.name for case in fuzz.CATALOGUE]
    assert len(set(names)) == len(names) >= 40
    for case in fuzz.CATALOGUE:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", case.thread)
        assert case.text
        assert case.symptom
        assert case.source in {"quoted", "described"}
        fuzz.check_round_trip(_bundled.tokenizer(), case.text)
        fuzz.check_stream(_bundled.tokenizer(), _bundled.tokenizer().encode(case.text))


# Our own tree, by the same door. Vocabularies that keep all text, and two that put it into a normalization form.

LOSSLESS = ("bundled", "cl100k", "o200k", "llama3", "tekken", "gpt2", "deepseek3", "deepseek-coder", "fim")
# Their texts come back normalized, by the Unicode version of stock `tokenizers`.
NORMALIZED = ("qwen2", "claude2")


@pytest.mark.parametrize("name", [*LOSSLESS, *NORMALIZED])
def test_our_own(name: str) -> None:
    tokenizer = ours(name)
    expected = stock(name).normalizer.normalize_str if name in NORMALIZED else None
    for job in fuzz.jobs(tokenizer, against=stock(name), expected=expected):
        failure = job.run(examples=2_000 if FULL else 60, seed=SEED)
        assert failure is None, (job.name, str(failure))


# The command and the plugin.


def test_command(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    _bundled.tokenizer().save(path)
    done = CliRunner().invoke(app, ["fuzz", str(path), "--examples", "30", "--json"])
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 0, done.output
    assert {"catalogue", "texts", "numbers", "stream", "ids"} <= {line["check"] for line in lines}
    assert not any(line["failed"] for line in lines)
    tree = json.loads(path.read_text(encoding="utf-8"))
    tree["normalizer"] = {"type": "Replace", "pattern": {"String": "A"}, "content": "a"}
    path.write_text(json.dumps(tree), encoding="utf-8")
    done = CliRunner().invoke(app, ["fuzz", str(path), "--examples", "100", "--check", "texts", "--json"])
    line = json.loads(done.stdout)
    assert done.exit_code == 1
    assert line["text"] == "A"
    assert line["ids"] == _bundled.tokenizer().encode("a").tolist()
    assert line["reason"] == "the text becomes lower case"
    plain = CliRunner().invoke(app, ["fuzz", str(path), "--examples", "100", "--check", "texts"])
    assert plain.stdout.startswith("texts: FAILED, the text becomes lower case\n  text: ")
    for words in (["--check", "none"], ["--engine", "none"], ["--form", "none"]):
        assert CliRunner().invoke(app, ["fuzz", str(path), *words]).exit_code == 2


def test_audit_command(tmp_path: Path) -> None:
    facts = json.loads(CliRunner().invoke(app, ["audit", "--json", "-n", "2"]).stdout)
    assert facts["classes"] == fuzz.audit(_bundled.tokenizer()).classes
    assert facts["exact"]
    assert len(facts["examples"]["ok"]) == 2
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("Tokens meet at seams.\n", encoding="utf-8")
    shown = CliRunner().invoke(app, ["audit", "--corpus", str(corpus)]).stdout
    for word in (*facts["classes"], "in all", "32,000", "'<|endoftext|>'"):
        assert word in shown
    # tokenizers does not say which bytes a part of a character is.
    _bundled.tokenizer().save(tmp_path)
    shown = CliRunner().invoke(app, ["audit", str(tmp_path), "--engine", "tokenizers"]).stdout
    assert re.search(r"undecodable +\S+ +\d+:\? ", shown)


def pytest_in(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_plugin(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    _bundled.tokenizer().save(path)
    (tmp_path / "test_other.py").write_text("def test_other(): pass\n", encoding="utf-8")
    done = pytest_in(tmp_path, "--tokseam", str(path), "--tokseam-examples", "20", "-v", "-m", "tokseam")
    assert done.returncode == 0, done.stdout
    assert "::texts PASSED" in done.stdout
    assert "1 deselected" in done.stdout
    tree = json.loads(path.read_text(encoding="utf-8"))
    tree["normalizer"] = {"type": "NFC"}
    path.write_text(json.dumps(tree), encoding="utf-8")
    done = pytest_in(tmp_path, "--tokseam", str(path), "--tokseam-examples", "100")
    assert done.returncode == 1
    assert "the text is put into NFC" in done.stdout
    done = pytest_in(tmp_path, "--tokseam", str(path), "--tokseam-examples", "20", "--tokseam-form", "NFC")
    assert done.returncode == 0, done.stdout
    assert pytest_in(tmp_path).stdout.count("passed") == 1


@pytest.mark.parametrize(
    "words",
    [["absent.json"], ["broken.json"], ["."], ["a", "--tokseam-engine", "none"], ["a", "--tokseam-examples", "0"]],
)
def test_plugin_errors(words: list[str], tmp_path: Path) -> None:
    """What cannot be run is one line, and a usage error."""
    (tmp_path / "broken.json").write_text("{}", encoding="utf-8")
    done = pytest_in(tmp_path, "--tokseam", *words)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: " in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "INTERNALERROR" not in done.stdout + done.stderr


def test_the_unused_plugin_costs_nothing() -> None:
    code = "import sys, tokseam.pytest_plugin; print({'numpy', 'hypothesis', 'tokseam._native'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
