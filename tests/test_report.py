"""Reports: each figure against its definition, the form of the JSON, and pages that hold whatever they are given."""

import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import vocabularies
from hypothesis import given
from hypothesis import strategies as st
from reference import figures as slow
from texts import adversarial
from toys import DIGITS
from typer.testing import CliRunner

from tokseam import Tokenizer, _bundled, _corpus, report, superbpe
from tokseam.cli.app import app
from tokseam.cli.app import run as app_run
from tokseam.errors import ReportError, VocabError
from tokseam.report import Curve, figures

LINES = [
    "by the way, on the way to the sea\n",
    "12345 naïve 数字 in the sea, by the way\n",
    "def f(self):\n    return 1\n",
]


@pytest.fixture(scope="module")
def training() -> superbpe.Training:
    trained: superbpe.Training = superbpe.train(LINES * 5, vocab_size=310, transition=290, special_tokens=["<|end|>"])
    return trained


def leaf(tree: Any, path: str) -> Any:
    for name in path.split("."):
        tree = tree[name]
    return tree


@pytest.mark.parametrize("pending", [3, 1 << 22])
def test_figures_are_their_definitions(
    training: superbpe.Training, pending: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the batches and the runs of pairs are."""
    monkeypatch.setattr(figures, "PENDING", pending)

    @given(
        st.lists(adversarial() | st.sampled_from(LINES) | st.binary(max_size=6), max_size=6),
        st.sampled_from([1, 20, 10**6]),
    )
    def check(given_texts: list[str | bytes], batch: int) -> None:
        monkeypatch.setattr(_corpus, "BATCH", batch)
        made = report.make({"toy": training.tokenizer}, given_texts)
        tree = json.loads(made.to_json())
        data = [text.encode() if isinstance(text, str) else text for text in given_texts]
        strings = [text.decode(errors="replace") for text in data]
        assert tree["text"] == {
            "source": "text",
            "texts": len(data),
            "bytes": sum(map(len, data)),
            "characters": sum(map(len, strings)),
            "words": sum(len(text.split()) for text in strings),
        }
        found = tree["tokenizers"][0]
        expected = slow.figures(training.tokenizer, given_texts)
        for name, value in expected.items():
            close = value if value is None else pytest.approx(value, rel=1e-8, abs=1e-8)
            assert leaf(found, name) == close, name
        for name in ("entropy", "conditional"):
            assert (found[name] is None) == (f"{name}.plug_in" not in expected)
        if found["conditional"] is not None:
            assert found["conditional"]["bytes"] == tree["text"]["bytes"]

    check()


def test_figures_of_the_vocabulary(training: superbpe.Training) -> None:
    tokenizer = training.tokenizer
    found = report.make(tokenizer, LINES).tokenizers[0]
    tokens = [tokenizer.token_bytes(id) for id in range(1, tokenizer.vocab_size)]
    assert found.superwords.entries == sum(map(slow.is_superword, tokens)) > 5
    assert found.lengths.entries == tuple(
        sum(len(token) == size for token in tokens) for size in range(max(map(len, tokens)) + 1)
    )
    assert sum(found.vocabulary.classes.values()) == found.vocab_size == 310
    assert found.vocabulary.classes["special"] == 1
    assert found.vocabulary.examples["special"][0].data == b"<|end|>"
    counts = [one.count for one in found.superwords.frequent]
    assert counts == sorted(counts, reverse=True)
    assert all(slow.is_superword(one.data) for one in found.superwords.frequent)
    assert b"".join(token.data for token in found.excerpt).decode() == "".join(LINES)


def test_pairs_are_counted_in_the_first_part_of_long_texts(
    training: superbpe.Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_corpus, "BATCH", 1)
    monkeypatch.setattr(figures, "PAIR_BYTES", len(LINES[0]) + 1)
    made = report.make(training.tokenizer, LINES)
    two = slow.figures(training.tokenizer, LINES[:2])
    found = made.tokenizers[0].conditional
    assert found is not None
    assert found.pairs == two["conditional.pairs"]
    assert found.plug_in == pytest.approx(two["conditional.plug_in"])
    assert found.bytes == len("".join(LINES[:2]).encode())
    assert any(f"first {found.bytes:,} bytes" in note for note in made.notes)


def test_files_are_lines(training: superbpe.Training, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("".join(LINES), encoding="utf-8")
    assert report.make(training.tokenizer, superbpe.files(path)) == report.make(
        training.tokenizer, [line for text in LINES for line in text.splitlines(keepends=True)]
    )


def test_one_text_is_one_text(training: superbpe.Training) -> None:
    for text in ("".join(LINES), "".join(LINES).encode()):
        assert report.make(training.tokenizer, text) == report.make(training.tokenizer, ["".join(LINES)])


# Numbers.


def numerals(pattern: str | None, *, longest: int, keep: float = 1.0) -> Tokenizer:
    """Return a tokenizer with tokens of up to so many digits, or with a part of these, which are taken whole."""
    draw = random.Random(1)
    vocab = {vocabularies.spell(bytes([byte])): byte for byte in range(256)}
    merges = []
    kept = [str(digit) for digit in range(10)]
    for _ in range(longest - 1):
        grown = [one + str(digit) for one in kept for digit in range(10) if draw.random() < keep]
        merges += [(one[:-1], one[-1]) for one in grown]
        vocab |= {one: len(vocab) + place for place, one in enumerate(grown)}
        kept = grown
    steps = [vocabularies.byte_level()] if pattern is None else [vocabularies.split(pattern), vocabularies.byte_level()]
    tree = vocabularies.document(
        vocab,
        merges,
        pre_tokenizer=vocabularies.sequence(*steps),
        decoder=vocabularies.byte_level(),
        ignore_merges=True,
    )
    return Tokenizer.from_json(json.dumps(tree))


@pytest.mark.parametrize(
    ("pattern", "longest", "keep", "policy", "group", "whole"),
    [
        (r"\p{N}", 3, 1.0, "digits", None, True),
        (None, 1, 1.0, "digits", None, True),
        (r"\p{N}{1,3}|[^\p{N}]+", 3, 1.0, "left", 3, True),
        (r"\p{N}{1,3}|[^\p{N}]+", 3, 0.5, "left", 3, False),
        (r"\p{N}{1,2}|[^\p{N}]+", 2, 1.0, "left", 2, True),
        (DIGITS, 3, 1.0, "right", 3, True),
        (DIGITS, 3, 0.5, "right", 3, False),
        (None, 3, 0.5, "merges", None, False),
    ],
)
def test_numbers(pattern: str | None, longest: int, keep: float, policy: str, group: int | None, whole: bool) -> None:
    tokenizer = numerals(pattern, longest=longest, keep=keep)
    found = report.make(tokenizer, "").tokenizers[0].numbers
    assert (found.policy, found.group, found.whole) == (policy, group, whole)
    assert not found.joins_blank
    for row in found.rows:
        number = "123456789012"[: row.digits]
        ids = tokenizer.encode(" " + number).tolist()
        assert row.example == tuple(tokenizer.token_bytes(id).decode() for id in ids[1:])
        assert row.fewest <= row.mean <= row.most
        if whole:
            size = group or 1
            assert row.fewest == row.most == -(-row.digits // size)
            ends = range(row.digits % size or size, row.digits + 1, size)
            right = [number[max(end - size, 0) : end] for end in ends]
            left = [number[start : start + size] for start in range(0, row.digits, size)]
            assert list(row.example) == (right if policy == "right" else left)


def test_a_blank_in_the_first_token() -> None:
    words = r" ?\p{N}+|[^\p{N}]"
    scheme = superbpe.Scheme(stage1=words, stage2=words)
    training = superbpe.train([" 123 14 15"] * 9, vocab_size=262, transition=262, scheme=scheme)
    found = report.make(training, "").tokenizers[0].numbers
    assert found.joins_blank
    assert found.rows[2].example == ("123",)


def test_digits_without_a_token() -> None:
    tree = vocabularies.document(
        {"a": 0, "b": 1},
        [],
        pre_tokenizer=vocabularies.sequence(vocabularies.byte_level()),
        decoder=vocabularies.byte_level(),
    )
    tokenizer = Tokenizer.from_json(json.dumps(tree))
    made = report.make(tokenizer, "ab")
    assert made.tokenizers[0].numbers.policy == "none"
    assert "no token for digits" in made.to_html()
    with pytest.raises(VocabError, match=r"^mine: "):
        report.make({"mine": tokenizer}, "abc")


# Languages.

PARALLEL = {
    "de": ["auf dem Weg ans Meer", "naiv"],
    "en": ["on the way to the sea", "naïve"],
    "zh": ["在去海边的路上", "天真"],
}


def test_premium(training: superbpe.Training) -> None:
    tokenizers = {"a": training.tokenizer, "b": _bundled.tokenizer()}
    made = report.make(tokenizers, "", parallel=PARALLEL)
    assert made.reference == "en"
    assert [one.name for one in made.languages] == list(PARALLEL)
    for figure, tokenizer in zip(made.tokenizers, tokenizers.values(), strict=True):
        counts = {name: sum(map(tokenizer.count, given)) for name, given in PARALLEL.items()}
        assert [(one.language, one.tokens) for one in figure.languages] == list(counts.items())
        assert [one.premium for one in figure.languages] == [count / counts["en"] for count in counts.values()]
    for language, given_texts in zip(made.languages, PARALLEL.values(), strict=True):
        assert language.texts == 2
        assert language.characters == sum(map(len, given_texts))
        assert language.bytes == sum(len(text.encode()) for text in given_texts)
    other = report.make(training.tokenizer, "", parallel=PARALLEL, reference="zh")
    assert other.tokenizers[0].languages[2].premium == 1
    assert report.make(training.tokenizer, "", parallel={"x": ["a"], "y": ["ab"]}).reference == "x"


@pytest.mark.parametrize(
    ("changed", "reference", "message"),
    [
        ({"de": ["ein Text"]}, None, "there are 1 texts in de, but 2 in en"),
        ({"de": ["auf dem Weg", " "]}, None, "text 2 is empty in de, but not in en"),
        ({"en": ["", "naïve"]}, None, "text 1 is empty in en, but not in de"),
        ({}, "fr", "the reference 'fr' is none of the languages de, en, zh"),
        ({"de": ["", ""], "en": ["", ""], "zh": ["", ""]}, None, "have no tokens"),
    ],
)
def test_texts_that_are_not_parallel(
    training: superbpe.Training, changed: dict[str, list[str]], reference: str | None, message: str
) -> None:
    with pytest.raises(ReportError, match=re.escape(message)):
        report.make(training.tokenizer, "", parallel=PARALLEL | changed, reference=reference)


def test_one_language_is_not_parallel(training: superbpe.Training) -> None:
    with pytest.raises(ReportError, match="two languages at least, not in en alone"):
        report.make(training.tokenizer, "", parallel={"en": ["a"]})
    with pytest.raises(ReportError, match="there are none"):
        report.make(training.tokenizer, "", reference="en")
    with pytest.raises(TypeError, match=re.escape("write [text]")):
        report.make(training.tokenizer, "", parallel={"en": "a", "de": "a"})


def test_lengths_that_do_not_go_together(training: superbpe.Training) -> None:
    draw = random.Random(2)
    texts_here = ["a" * draw.randrange(1, 50) for _ in range(40)]
    for other, doubt in (([text + "b" for text in texts_here], False), (texts_here[1:] + texts_here[:1], True)):
        made = report.make(training.tokenizer, "", parallel={"x": texts_here, "y": other})
        assert any("not long in y" in note for note in made.notes) == doubt


# Curves.


def test_curve(training: superbpe.Training) -> None:
    curve = Curve.of(training)
    values = training.curve()
    first = 310 - len(values) + 1
    assert (curve.sizes[0], curve.sizes[-1], curve.transition) == (first, 310, 290)
    assert {289, 290} <= set(curve.sizes)
    assert curve.bytes_per_token == pytest.approx([values[size - first] for size in curve.sizes], rel=1e-5)
    written = curve.in_report(training.report)
    assert json.loads(written).items() >= training.report.items()
    assert Curve.from_json(written) == curve
    assert report.make({"a": training}, "").tokenizers[0].curve == curve
    given_curve = report.make({"a": training.tokenizer}, "", curves={"a": curve})
    assert given_curve.tokenizers[0].curve == curve
    plain = superbpe.train(LINES, vocab_size=280, transition=280)
    assert Curve.of(plain).transition is None
    more = superbpe.extend(plain.tokenizer, LINES * 3, vocab_size=290)
    assert (Curve.of(more).sizes[0], Curve.of(more).sizes[-1]) == (280, 290)


def test_curves_of_others(training: superbpe.Training) -> None:
    curve = Curve.of(training)
    with pytest.raises(ReportError, match="ends at 310 entries, but the tokenizer has 32000"):
        report.make({"a": _bundled.tokenizer()}, "", curves={"a": curve})
    with pytest.raises(ReportError, match="a curve for 'b', but the tokenizers are a"):
        report.make({"a": training.tokenizer}, "", curves={"b": curve})
    for text in (
        "",
        "{}",
        "[]",
        '{"curve": {}}',
        '{"curve": {"sizes": [2, 1], "bytes_per_token": [1, 2], "transition": null}}',
    ):
        with pytest.raises(ReportError, match="has no training curve"):
            Curve.from_json(text)


def test_the_bundled_report_has_the_curve_of_the_bundled_tokenizer() -> None:
    curve = Curve.from_json(_bundled.report())
    assert curve.sizes[-1] == _bundled.tokenizer().vocab_size
    assert curve.transition == json.loads(_bundled.report())["transition"]


# The JSON.

NAMES = """
languages languages.bytes languages.characters languages.name languages.texts notes reference schema
text text.bytes text.characters text.source text.texts text.words tokseam tokenizers
tokenizers.bytes_per_token tokenizers.characters_per_token
tokenizers.conditional tokenizers.conditional.bytes tokenizers.conditional.corrected tokenizers.conditional.distinct
tokenizers.conditional.once tokenizers.conditional.pairs tokenizers.conditional.per_byte tokenizers.conditional.plug_in
tokenizers.curve tokenizers.curve.bytes_per_token tokenizers.curve.sizes tokenizers.curve.transition
tokenizers.entropy tokenizers.entropy.corrected tokenizers.entropy.per_byte tokenizers.entropy.plug_in
tokenizers.excerpt tokenizers.excerpt.bytes tokenizers.excerpt.id tokenizers.excerpt.special tokenizers.excerpt.text
tokenizers.kind
tokenizers.languages tokenizers.languages.language tokenizers.languages.premium tokenizers.languages.tokens
tokenizers.lengths tokenizers.lengths.entries tokenizers.lengths.longest tokenizers.lengths.median
tokenizers.lengths.tokens tokenizers.name
tokenizers.numbers tokenizers.numbers.group tokenizers.numbers.joins_blank tokenizers.numbers.policy
tokenizers.numbers.rows tokenizers.numbers.rows.digits tokenizers.numbers.rows.example tokenizers.numbers.rows.fewest
tokenizers.numbers.rows.mean tokenizers.numbers.rows.most tokenizers.numbers.whole
tokenizers.superwords tokenizers.superwords.byte_share tokenizers.superwords.entries tokenizers.superwords.frequent
tokenizers.superwords.frequent.bytes tokenizers.superwords.frequent.count tokenizers.superwords.frequent.id
tokenizers.superwords.frequent.text tokenizers.superwords.token_share tokenizers.superwords.tokens
tokenizers.tokens tokenizers.tokens_per_word
tokenizers.vocab_size
tokenizers.vocabulary tokenizers.vocabulary.classes tokenizers.vocabulary.classes.added
tokenizers.vocabulary.classes.ok tokenizers.vocabulary.classes.special tokenizers.vocabulary.classes.undecodable
tokenizers.vocabulary.classes.unreachable tokenizers.vocabulary.classes.unused tokenizers.vocabulary.exact
tokenizers.vocabulary.examples tokenizers.vocabulary.examples.added tokenizers.vocabulary.examples.ok
tokenizers.vocabulary.examples.ok.bytes tokenizers.vocabulary.examples.ok.count tokenizers.vocabulary.examples.ok.id
tokenizers.vocabulary.examples.ok.text tokenizers.vocabulary.examples.special
tokenizers.vocabulary.examples.special.bytes tokenizers.vocabulary.examples.special.count
tokenizers.vocabulary.examples.special.id tokenizers.vocabulary.examples.special.text
tokenizers.vocabulary.examples.undecodable tokenizers.vocabulary.examples.undecodable.bytes
tokenizers.vocabulary.examples.undecodable.count tokenizers.vocabulary.examples.undecodable.id
tokenizers.vocabulary.examples.undecodable.text tokenizers.vocabulary.examples.unreachable
tokenizers.vocabulary.examples.unused tokenizers.vocabulary.seen tokenizers.vocabulary.seen_once
"""


def names(tree: Any, path: str = "") -> Iterator[str]:
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield f"{path}{name}"
            yield from names(value, f"{path}{name}.")
    elif isinstance(tree, list):
        for value in tree:
            yield from names(value, path)


def test_the_form_of_the_json(training: superbpe.Training) -> None:
    """Another name or meaning is another `schema`."""
    made = report.make({"a": training}, LINES, parallel=PARALLEL)
    tree = json.loads(made.to_json())
    assert tree["schema"] == 1
    assert sorted(
        set(names(tree))
        - {f"tokenizers.vocabulary.examples.unreachable.{name}" for name in ("id", "text", "bytes", "count")}
    ) == sorted(NAMES.split())
    assert report.make({"a": training}, iter(LINES), parallel=PARALLEL).to_json() == made.to_json()
    assert json.loads(made.to_json(indent=2)) == tree


# Pages.

HOSTILE = "<script>alert(\"1\")</script> & '$x^2$' \u202e\x00\x1b ]]> --> אבג"
VOID = {"meta", "br", "wbr", "use", "path", "img", "input", "link", "hr"}


class Page(HTMLParser):
    """Checks that elements close in order, and keeps what refers to something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.references: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.references += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href", "srcset"}]
        self.references += [found for _, value in attrs for found in re.findall(r"url\(([^)]*)\)", value or "")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data
        else:
            assert "url(" not in data
            assert "@import" not in data


def check_page(text: str) -> Page:
    page = Page(text)
    assert not {"script", "link", "iframe", "img", "object", "embed", "b"} & set(page.seen)
    assert all(reference.startswith("#") for reference in page.references)
    assert {reference[1:] for reference in page.references} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    # No address of anywhere, but those that the text has.
    assert "http" not in text
    assert all(char.isprintable() or char in "\n\u00a0" for char in text)
    for chart in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        drawn = ElementTree.fromstring(chart)
        assert drawn.get("aria-label")
        # Every colour is one of the page's.
        assert not re.search(
            r"#[0-9a-f]{6}", re.sub(r">[^<]*<", "><", chart).replace(drawn.get("aria-label") or "", "")
        )
    return page


def test_page(training: superbpe.Training) -> None:
    text = HOSTILE + "".join(LINES)
    tokenizers: dict[str, Any] = {HOSTILE: training, "b": _bundled.tokenizer(), "c" * 60: training.tokenizer}
    parallel = {HOSTILE: ["a a a"], "en": ["a"]}
    made = report.make(
        tokenizers, [text.encode() + b"\xff\xe4\xb8"], source=HOSTILE, parallel=parallel, notes=[HOSTILE]
    )
    written = made.to_html()
    page = check_page(written)
    visible = HOSTILE.replace("\u202e", "U+202E").replace("\x00", "U+0000").replace("\x1b", "U+001B")
    assert page.text.count(visible) > 5
    assert page.seen.count("svg") == 2 * 6
    # Tokens are there whole: all of the text, with signs for what is not seen.
    for name in ("U+202E", "U+0000", "FF"):
        assert name in page.text
    assert made.to_html() == written
    assert "prefers-color-scheme:dark" in written


def test_page_of_one(training: superbpe.Training) -> None:
    page = check_page(report.make({"alone": training.tokenizer}, LINES).to_html())
    assert page.seen.count("svg") == 2
    assert "Training" not in page.text
    assert "Languages" not in page.text


def test_empty_text(training: superbpe.Training) -> None:
    for given_text in ("", [], [""], b""):
        made = report.make({"a": training.tokenizer, "b": _bundled.tokenizer()}, given_text)
        assert made.notes == ("The text is empty, so there are no ratios.",)
        found = made.tokenizers[0]
        assert found.tokens == 0
        assert (found.bytes_per_token, found.entropy, found.conditional, found.lengths.median) == (None,) * 4
        json.loads(made.to_json())
        check_page(made.to_html())
        assert ("tokens", ["0", "0"]) in made.rows()


def test_errors(training: superbpe.Training) -> None:
    with pytest.raises(ReportError, match="at least one"):
        report.make({}, "a")
    with pytest.raises(TypeError, match=r"from_hf or from_tiktoken"):
        report.make({"a": "tokenizer.json"}, "a")  # type: ignore[dict-item]
    for name in ("", 1):
        with pytest.raises(TypeError, match="names"):
            report.make({name: training.tokenizer}, "a")  # type: ignore[dict-item]
    for text in (1, ["a", 1]):
        with pytest.raises(TypeError, match=r"int, not|not int"):
            report.make(training.tokenizer, text)  # type: ignore[arg-type]
    with pytest.raises(UnicodeError):
        report.make(training.tokenizer, "\ud800")


def test_excerpt(training: superbpe.Training) -> None:
    def shown(text: Any, size: int) -> bytes:
        return b"".join(
            token.data for token in report.make(training.tokenizer, text, excerpt=size).tokenizers[0].excerpt
        )

    assert shown("one two\nthree four", 12) == b"one two\n"
    assert shown("one two three", 10) == b"one two "
    assert shown("数字数字", 10) == "数字数".encode()
    assert shown(["one", "two\n", "three"], 99) == b"one\ntwo\nthree"
    assert shown("one", 0) == b""


def test_progress(training: superbpe.Training) -> None:
    calls: list[tuple[str, int, int | None]] = []
    report.make(
        training.tokenizer,
        LINES,
        parallel=PARALLEL,
        progress=lambda name, done, total: calls.append((name, done, total)),
    )
    assert [name for name, _, _ in calls] == ["languages"] * 3 + ["text"] + ["vocabulary"] * 2
    assert calls[3] == ("text", len("".join(LINES).encode()), None)
    assert calls[-1] == ("vocabulary", 1, 1)


def test_the_page_of_a_segmentation() -> None:
    """Lines end where they end in the text, even inside a token; bytes stay together; nothing gets out of its place."""
    shown = _bundled.tokenizer().show(HOSTILE.encode() + b"\xff a b\n\n\n  c")
    page = check_page(shown.to_page(HOSTILE.replace("\x00", "").replace("\x1b", "").replace("\u202e", "")))
    drawn = page.text.partition("tokens")[2]
    assert drawn.count("\n") - drawn.strip("\n").count("⏎") == len(drawn) - len(drawn.strip("\n"))
    assert "⏎\n⏎\n⏎\n" in drawn
    assert "FF" in drawn
    assert page.seen.count("span") == len(shown)


# The command.


def run(*words: Any, data: bytes | None = None) -> Any:
    return CliRunner().invoke(app, ["report", *map(str, words)], input=data)


@pytest.fixture
def folder(tmp_path: Path, training: superbpe.Training) -> Path:
    training.tokenizer.save(tmp_path / "mine.json")
    (tmp_path / "mine.report.json").write_text(Curve.of(training).in_report(training.report), encoding="utf-8")
    (tmp_path / "a.txt").write_text("".join(LINES), encoding="utf-8")
    (tmp_path / "b.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in LINES), encoding="utf-8")
    for name, given_texts in PARALLEL.items():
        (tmp_path / f"{name}.txt").write_text("\r\n".join(given_texts), encoding="utf-8", newline="")
    return tmp_path


def test_command(folder: Path, training: superbpe.Training) -> None:
    done = run()
    assert done.exit_code == 0
    for word in ("the bundled text", "bundled", "32,000", "bytes per token", "groups of 3 from the left"):
        assert word in done.stdout
    assert "was trained on this text" in done.stderr
    page = folder / "page.html"
    options = ["-t", folder / "mine.json", "-t", "own=bundled", "--training", f"mine={folder / 'mine.report.json'}"]
    for name in PARALLEL:
        options += ["--parallel", f"{name}={folder / name}.txt"]
    done = run(folder / "a.txt", folder / "b.jsonl", *options, "-o", page, "--json")
    assert done.exit_code == 0, done.stderr
    expected = report.make(
        {"mine": training, "own": _bundled.tokenizer()},
        ["".join(LINES), *LINES],
        source="a.txt, b.jsonl",
        parallel=PARALLEL,
    )
    assert json.loads(done.stdout) == json.loads(expected.to_json())
    assert page.read_text(encoding="utf-8") == expected.to_html()
    done = run(folder / "a.txt", *options, "-o", page)
    assert (done.exit_code, done.stdout) == (0, "")


def test_command_of_a_training(folder: Path) -> None:
    """The report that `train` writes brings the curve."""
    written = [
        "train",
        folder / "a.txt",
        "-o",
        folder / "new.json",
        "-v",
        290,
        "-t",
        270,
        "--report",
        folder / "new.report.json",
    ]
    assert CliRunner().invoke(app, list(map(str, written))).exit_code == 0
    done = run(folder / "a.txt", "-t", folder / "new.json", "--training", folder / "new.report.json", "--json")
    curve = json.loads(done.stdout)["tokenizers"][0]["curve"]
    assert (curve["sizes"][0], curve["sizes"][-1], curve["transition"]) == (256, 290, 270)


def test_command_texts(folder: Path) -> None:
    def text(*words: Any, data: bytes | None = None) -> Any:
        done = run("-t", folder / "mine.json", "--json", *words, data=data)
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)["text"]

    whole = "".join(LINES).encode()
    assert text("-", data=whole)["bytes"] == len(whole)
    assert text("-", data=whole)["source"] == "standard input"
    assert text(folder / "a.txt", "--lines")["texts"] == whole.count(b"\n")
    assert text(folder / "a.txt", folder / "a.txt")["texts"] == 2
    import gzip

    with gzip.open(folder / "c.txt.gz", "wb") as file:
        file.write(whole + b"\xff")
    assert text(folder / "c.txt.gz")["bytes"] == len(whole) + 1
    # A long file is cut at line ends.
    line = b"by the way " * 100 + b"\n"
    (folder / "long.txt").write_bytes(line * 2000)
    found = text(folder / "long.txt")
    assert (found["texts"], found["bytes"], found["words"]) == (3, len(line) * 2000, 300 * 2000)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["{}/none.txt"], 1, "none.txt"),
        (["-t", "{}/none.json"], 1, "none.json"),
        (["-t", "{}/mine.json", "-t", "{}/mine.json"], 2, "two tokenizers have the name mine"),
        (["-t", "=x"], 2, "expected NAME=PATH"),
        (["--parallel", "en.txt"], 2, "expected LANG=FILE"),
        (["--parallel", "en={}/en.txt"], 1, "two languages"),
        (["--parallel", "en={}/en.txt", "--parallel", "en={}/en.txt"], 2, "twice"),
        (["--parallel", "en={}/en.txt", "--parallel", "de={}/a.txt"], 1, "there are 4 texts in de, but 2 in en"),
        (["--training", "{}/mine.json"], 1, "has no training curve"),
        (["--training", "{}/mine.report.json"], 1, "ends at 310 entries"),
        (["--training", "x={}/mine.report.json"], 1, "the tokenizers are bundled"),
        (["-t", "a={}/mine.json", "-t", "bundled", "--training", "{}/mine.report.json"], 2, "say whose"),
        (["--reference", "en"], 1, "there are none"),
        (["-o", "{}/no/folder.html"], 1, "no"),
    ],
)
def test_command_errors(
    folder: Path,
    words: list[str],
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["tokseam", "report", *(word.format(folder) for word in words)])
    assert app_run() == code
    written = capsys.readouterr()
    assert message in re.sub(r"[\s│]+", " ", written.err)
    assert not written.out


def test_without_the_extra(folder: Path) -> None:
    """The figures need no matplotlib; a page says what brings it."""
    (folder / "matplotlib.py").write_text("raise ModuleNotFoundError('no matplotlib', name='matplotlib')\n")
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from tokseam.cli import main; sys.exit(main())"
    command = [
        sys.executable,
        "-c",
        code,
        str(folder),
        "report",
        "-t",
        str(folder / "mine.json"),
        str(folder / "a.txt"),
    ]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["tokenizers"][0]["tokens"]
    done = subprocess.run([*command, "-o", "page.html"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "tokseam[report]" in re.sub(r"[\s│]+", "", done.stderr)
