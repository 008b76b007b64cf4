"""Triads: the text kernel against its slow twin, and tokenizers with triads against stock `tokenizers`."""

import json
import math
import pickle
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from numerics import MARKERS, hostile, options, texts
from reference import numerals
from sources import FULL, SEED, compared, corpora, ours, stock_from, vocabulary

from tokseam import NumeralError, Tokenizer, UnknownTokenError, UnsupportedTokenizerError, VocabError, triadic

K, M, B, T, Q = "\x01\x02\x03\x04\x05"
P, PP, PPP, PPPP, PPPPP = "\x0e\x0f\x10\x11\x12"
VARIANTS: tuple[Any, ...] = ("vocabulary", "marker")


@pytest.fixture(scope="module", params=VARIANTS)
def extension(request: pytest.FixtureRequest, bundled: Tokenizer) -> triadic.Extension:
    return triadic.extend_tokenizer(bundled, variant=request.param)


@pytest.fixture(scope="module")
def one_token(bundled: Tokenizer) -> Tokenizer:
    return triadic.extend_tokenizer(bundled, variant="vocabulary").tokenizer


# The text kernel.


@given(texts(), options())
def test_annotate_follows_the_definition(text: str, options: dict[str, Any]) -> None:
    marked = triadic.annotate(text, **options)
    assert marked == numerals.annotate(text, **options)
    assert triadic.restore(marked) == text
    assert triadic.annotate(text.encode(), **options) == marked.encode()


@given(st.one_of(st.text(), st.text(alphabet="12.," + MARKERS), texts()), options())
def test_restore_is_the_inverse(text: str, options: dict[str, Any]) -> None:
    assert triadic.restore(triadic.annotate(text, **options)) == text
    assert triadic.restore(text) == numerals.restore(text)


@given(st.binary(max_size=60), options())
def test_restore_is_the_inverse_on_bytes(data: bytes, options: dict[str, Any]) -> None:
    """A12: bytes that are not UTF-8 are kept."""
    assert triadic.restore(triadic.annotate(data, **options)) == data


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("1234567.89", f"1{M}234{K}567.89{P}"),
        ("1045006", f"1{M}045{K}006"),
        ("0.0045", f"0.004{P}5{PP}"),
        ("3.14159265358979", f"3.141{P}592{PP}653{PPP}589{PPPP}79{PPPPP}"),
        ("0.1234567890123456", "0.1234567890123456"),
        ("999999999999999999", f"999{Q}999{T}999{B}999{M}999{K}999"),
        ("1000000000000000000", "1000000000000000000"),
        ("2024-05-06", f"2{K}024-05-06"),
        ("-123.45", f"-123.45{P}"),
        ("5-3", "5-3"),
        ("a-5", "a-5"),
        ("1234.", f"1{K}234."),
        ("12345 67890", f"12{K}345 67{K}890"),
    ],
)
def test_named_cases(text: str, marked: str) -> None:
    """A1, A2, A4, A5 and A7."""
    assert triadic.annotate(text) == marked
    assert triadic.restore(marked) == text


def test_options() -> None:
    """A1, A3, A5 and A7: styles and options."""
    assert triadic.annotate("1234567.89", style="author") == "1m 234k 567 . 890p"
    assert triadic.annotate("1234567.89", style="author", variant="marker") == "1 m 234 k 567 . 890 p"
    assert triadic.annotate("1234567.89", style="paper") == f"001{M}234{K}567.890{P}"
    assert {triadic.annotate(text, style="paper") for text in ("0.1", "0.10", "0.100")} == {f"000.100{P}"}
    assert [triadic.is_lossy(style) for style in ("lossless", "author", "paper")] == [False, True, True]
    assert triadic.annotate("2024-05-06", years="keep") == "2024-05-06"
    extended = triadic.annotate("1000000000000000000", extend=True)
    assert extended == f"1{K}{K}000{Q}000{T}000{B}000{M}000{K}000"
    assert triadic.annotate("1,234,567.8", grouped=True) == f"1{M},234{K},567.8{P}"
    assert triadic.annotate("12,34,567", grouped=True) == "12,34,567"
    for bad in (
        {"style": "other"},
        {"variant": "other"},
        {"years": "drop"},
        {"group_size": 5},
        {"group_size": 0},
        {"group_size": -1},
        {"group_size": 2**70},
        {"min_digits": 34},
        {"min_digits": 0},
        {"min_digits": 2**70},
        {"grouped": True, "group_size": 2},
        {"grouped": True, "style": "author"},
        {"grouped": True, "style": "paper"},
        {"group_size": 2, "style": "author"},
    ):
        with pytest.raises(ValueError, match=r"is |are |have |has "):
            triadic.annotate("1", **bad)


@pytest.mark.parametrize(
    "text",
    [
        "192.168.0.1",
        "v1.2.3",
        "007",
        "x12345",
        "12345x",
        "0xDEADBEEF",
        "1e400",
        "6.02e23",
        "f(1,2)",
        "[1,2,3]",
        "٣٤٥",
        "１２３",
        "½",
        "1.2.3.4",
    ],
)
def test_left_alone(text: str) -> None:
    """A6."""
    assert triadic.annotate(text) == text
    for more in ({"extend": True}, {"grouped": True}, {"group_size": 4}):
        assert triadic.annotate(text, **more) == text


def test_hostile_literals() -> None:
    """A8, with as many strings as the full volume asks for."""
    for text in ("12\x01345", "5\x1a", "1234\x0e", "12345\x01", "1\ue0012345", "\ufdd112345\ufdd1"):
        assert triadic.restore(triadic.annotate(text)) == text
    rng = random.Random(SEED)
    for _ in range(1_000_000 if FULL else 50_000):
        text = hostile(rng)
        assert triadic.restore(triadic.annotate(text)) == text


def author(number: str, *, compact: bool) -> str:
    """What the converter published with the scheme does to a plain number, from its description."""
    integer, _, fraction = number.partition(".")
    space = "" if compact else " "
    groups = []
    for order in range((len(integer) + 2) // 3):
        end = len(integer) - 3 * order
        suffix = ("", "k", "m", "b", "t", "q")[order]
        groups.append(integer[max(end - 3, 0) : end] + (space + suffix if suffix else ""))
    out = " ".join(reversed(groups))
    for start in range(0, len(fraction), 3):
        out += (
            (" . " if start == 0 else " ") + fraction[start : start + 3].ljust(3, "0") + space + "p" * (start // 3 + 1)
        )
    return out


@given(st.from_regex(r"(0|[1-9][0-9]{0,17})(\.[0-9]{1,30})?", fullmatch=True))
def test_author_style(number: str) -> None:
    for variant in VARIANTS:
        expected = author(number, compact=variant == "vocabulary")
        assert triadic.annotate(number, style="author", variant=variant) == expected
    assert triadic.annotate("1" + number.partition(".")[0].rjust(18, "0"), style="author").isdigit()


@given(texts(), options())
def test_find_numbers(text: str, options: dict[str, Any]) -> None:
    data = text.encode()
    found = triadic.find_numbers(text, **options)
    assert found.dtype.names == ("start", "end", "integer_digits", "fraction_digits")
    last = 0
    for start, end, integer, fraction in found.tolist():
        assert last <= start < end
        literal = data[start:end].decode()
        whole, _, rest = literal.partition(".")
        assert (len(whole.replace(",", "")), len(rest)) == (integer, fraction)
        last = end
    assert [row[:2] for row in found.tolist()] == numerals.find(text, **options)


@given(st.from_regex(r"(0|[1-9][0-9]{0,17})(\.[0-9]{1,15})?", fullmatch=True), st.integers(1, 4))
def test_split_and_join(literal: str, size: int) -> None:
    triads = triadic.split(literal, group_size=size)
    assert triadic.join(triads) == literal
    assert all(len(triad.digits) <= size for triad in triads)
    digits = literal.replace(".", "")
    last = triads[-1].power
    assert sum(int(digits_) * 10 ** (power - last) for digits_, power in triads) == int(digits)
    assert last == -len(literal.partition(".")[2])


def test_split_and_join_refuse() -> None:
    assert triadic.split("1234567.89") == [("1", 6), ("234", 3), ("567", 0), ("89", -2)]
    assert triadic.split(b"5") == [("5", 0)]
    for literal in ("", "-5", "007", "1,234", "1.", ".5", "1" * 19, "1e5", "٣"):
        with pytest.raises(NumeralError, match="is no numeral"):
            triadic.split(literal)
    assert triadic.join(triadic.split("1" * 40, extend=True)) == "1" * 40
    with pytest.raises(NumeralError, match="write digits without"):
        triadic.split("007", extend=True)
    for triads in ([], [("1", 3)], [("12", -1)], [("1", 3), ("1", 0)], [("x", 0)], [("1", 2**40)], [("00", 0)]):
        with pytest.raises(NumeralError):
            triadic.join(triads)


def test_vocabulary() -> None:
    """A2: the sizes of both identities."""
    string = triadic.vocabulary()
    assert len(string) == len(set(string)) == 11_045
    assert {f"45{K}", f"045{K}", f"000{M}", f"0{P}", f"89{P}"} <= set(string)
    assert not {f"0{K}", "45", f"0045{K}"} & set(string)
    value = triadic.vocabulary(identity="value")
    assert len(value) == len(set(value)) == 10_002
    assert {f"45{K}", f"0{K}", f"045{P}", "-0", "-00"} <= set(value)
    assert len(triadic.vocabulary(group_size=1)) == 320
    with pytest.raises(ValueError, match="identity"):
        triadic.vocabulary(identity="other")  # type: ignore[arg-type]
    for size in (-1, 0, 5, 2**70):
        with pytest.raises(NumeralError, match="group_size"):
            triadic.vocabulary(group_size=size)


def test_time_is_linear() -> None:
    """A9, with its own limits: the best of some runs, on the clock of this thread."""

    def seconds(call: Callable[[str], Any], text: str, known: float = math.inf) -> float:
        start = time.thread_time()
        call(text)
        return min(known, time.thread_time() - start)

    def within(call: Callable[[str], Any], text: str, limit: float) -> bool:
        return any(seconds(call, text) < limit for _ in range(20))

    assert within(triadic.annotate, "-" + " " * 4000 + "x", 0.001)
    for unit in ("1", "1.", "1,", " ", "123,", "1.1", "1\x01", "٣1"):
        text = unit * (1_000_000 // len(unit.encode()))
        both: tuple[Any, ...] = ({}, {"grouped": True, "extend": True})
        for more in both:
            assert triadic.restore(triadic.annotate(text, **more)) == text
        assert within(triadic.annotate, text, 0.02), unit
        assert within(triadic.restore, triadic.annotate(text), 0.02), unit
        # Twice the text at most 2.3 times the time; both fit into a cache, whose borders would count for more.
        half, quarter = text[: len(text) // 2], text[: len(text) // 4]
        once = twice = math.inf
        for _ in range(40):
            once, twice = seconds(triadic.annotate, quarter, once), seconds(triadic.annotate, half, twice)
            if twice <= 2.3 * once:
                break
        assert twice <= 2.3 * once, unit


def test_hostile_containers() -> None:
    """A12."""
    assert triadic.annotate("") == triadic.restore("") == ""
    assert triadic.annotate(b"") == b""
    assert len(triadic.find_numbers("")) == 0
    for call in (triadic.annotate, triadic.restore, triadic.find_numbers, triadic.split):
        with pytest.raises(UnicodeError):
            call("12\ud800")
        with pytest.raises(TypeError):
            call(12)  # type: ignore[arg-type, type-var]
    assert triadic.annotate("\x001234\x00") == f"\x001{K}234\x00"
    assert triadic.annotate(b"\xff1234\xc3") == b"\xff1\x01234\xc3"
    text = "no digits here"
    assert triadic.annotate(text) is text


# The peak of a process only rises, so each measurement has a process of its own. It is read from the system's
# account of the memory, since `ru_maxrss` begins with the peak of the process that started this one.
PEAK = """
import re, sys
from tokseam import triadic

def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1]) * 1024

call, row, size = sys.argv[1:]
data = row.encode() * (int(size) // len(row))
text = data if call.endswith("bytes") else data.decode()
call = triadic.annotate if call.startswith("annotate") else triadic.restore
call(text[:100])
before = peak()
made = call(text)
print(peak() - before, len(made))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize(
    ("call", "row"),
    [
        ("annotate str", "row 1234567.89 of 12, "),
        ("annotate bytes", "1234567 "),
        ("restore str", f"1{M}234{K}567.89{P} "),
    ],
)
def test_memory(call: str, row: str) -> None:
    """A12: 100 MB of text are copied twice at most."""
    command = [sys.executable, "-c", PEAK, call, row, "100_000_000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    grown, length = map(int, done.stdout.split())
    # What is counted is there: the result itself.
    assert 0.9 * length <= grown <= 2.1 * max(length, 100_000_000)


# Tokenizers.


def spelled(tokenizer: Tokenizer, text: str | bytes) -> list[bytes]:
    return [tokenizer.token_bytes(id) for id in tokenizer.encode(text).tolist()]


def test_ids_of_numbers(extension: triadic.Extension, bundled: Tokenizer) -> None:
    """A1 and A3."""
    tokenizer, _, _ = extension
    ids = tokenizer.encode("1234567.89")
    apart = tokenizer.token_id(f"1{M}") is None and len(ids) == 8
    assert len(ids) == (8 if apart else 5)
    assert tokenizer.decode(ids) == "1234567.89"
    texts = ["0.1", "0.10", "0.100", "0.5", "0.50"]
    assert len({tuple(tokenizer.encode(text).tolist()) for text in texts}) == 5
    assert [tokenizer.decode(tokenizer.encode(text)) for text in texts] == texts
    assert tokenizer.info()["lossless"] == "yes"
    assert tokenizer.info()["pretokenizer"].startswith("triads (")
    assert bundled.special_tokens == tokenizer.special_tokens


def test_every_triad_is_a_token(one_token: Tokenizer) -> None:
    """A2: each token of the enumeration is one token, and has its value."""
    tree = json.loads(one_token.to_json())
    known = tree["model"]["vocab"]
    rows = []
    for triad in triadic.vocabulary():
        digits, mark = triad[:-1], triad[-1]
        assert "".join(c if c > " " else chr(256 + ord(c)) for c in triad) in known
        name = next(name for name, sign in triadic.MARKERS.items() if sign == mark)
        if name[0] == "p":
            filler = "111" * (len(name) - 1)
            rows.append((f"0.{filler}{digits}", int(digits), -3 * (len(name) - 1) - len(digits)))
        else:
            order = "kmbtq".index(name) + 1
            # A triad with a leading zero needs another before it.
            lead = "7" if digits[0] == "0" and order < 5 else ""
            if digits[0] != "0" or lead:
                rows.append((lead + digits + "000" * order, int(digits), 3 * order))
    assert len(rows) == 11_045 - 100
    batch = one_token.encode_batch([text for text, _, _ in rows])
    for (text, digits_, power), ids in zip(rows, batch.tolists(), strict=True):
        values = triadic.values(ids, one_token).tolist()
        assert (digits_, power) in values, text
        integer, _, fraction = text.partition(".")
        count = (len(integer) + 2) // 3 + (1 + (len(fraction) + 2) // 3 if fraction else 0)
        assert len(ids) == count, text


def test_base_ids_stay(extension: triadic.Extension, bundled: Tokenizer) -> None:
    old = json.loads(bundled.to_json())["model"]["vocab"]
    new = json.loads(extension.tokenizer.to_json())["model"]["vocab"]
    assert {token: new[token] for token in old} == old
    assert (
        sorted(set(new.values()) - set(old.values()) - set(bundled.special_tokens.values()))
        == extension.new_ids.tolist()
    )
    assert new.keys() >= bundled.special_tokens.keys()


def test_initial_rows(extension: triadic.Extension, bundled: Tokenizer) -> None:
    tokenizer, ids, rows = extension
    assert ids.dtype == np.uint32
    assert (ids >= bundled.vocab_size).all()
    assert tokenizer.vocab_size == (int(ids[-1]) + 1 if len(ids) else bundled.vocab_size)
    assert len(rows.offsets) == len(ids) + 1
    assert (rows.ids < bundled.vocab_size).all()
    assert (np.diff(rows.offsets) > 0).all()
    vocab = {id: token for token, id in json.loads(tokenizer.to_json())["model"]["vocab"].items()}
    for id, row in zip(ids.tolist(), rows.tolists(), strict=True):
        assert vocab[id] == "".join(vocab[part] for part in row)


@given(texts())
def test_encode_and_decode(extension: triadic.Extension, text: str) -> None:
    tokenizer = extension.tokenizer
    ids, offsets = tokenizer.encode_with_offsets(text)
    assert tokenizer.encode(text).tolist() == ids.tolist()
    assert tokenizer.decode(ids) == text
    assert tokenizer.is_canonical(ids)
    stream = tokenizer.stream_decoder()
    assert "".join([stream.push(id) for id in ids.tolist()] + [stream.finish()]) == text
    # A11: offsets slice the text; markers and escapes are empty behind their digits.
    data = text.encode()
    last = 0
    for (start, end), id in zip(offsets.tolist(), ids.tolist(), strict=True):
        assert start == last
        piece = tokenizer.token_bytes(id)
        assert data[start:end] == piece or (start == end and piece.decode() in MARKERS) or piece.startswith(b"\x1a")
        last = end
    assert last == len(data)


@given(st.binary(max_size=40))
def test_any_bytes(extension: triadic.Extension, data: bytes) -> None:
    """A12: invalid UTF-8 comes back."""
    tokenizer = extension.tokenizer
    assert tokenizer.decode_bytes(tokenizer.encode(data)) == data
    assert tokenizer.decode_bytes(tokenizer.encode(data + b"1234\xff5678")) == data + b"1234\xff5678"


@given(st.text())
def test_stream_of_any_ids(extension: triadic.Extension, text: str) -> None:
    """Ids that a model may write: markers without digits, digits without markers."""
    tokenizer = extension.tokenizer
    rng = random.Random(text)
    ids = [rng.choice([*extension.new_ids.tolist(), *range(256)]) for _ in range(12)]
    stream = tokenizer.stream_decoder()
    assert "".join([stream.push(id) for id in ids] + [stream.finish()]) == tokenizer.decode(ids)


def test_text_without_digits(extension: triadic.Extension, bundled: Tokenizer) -> None:
    """A11: as the base tokenizer, special tokens allowed or not."""
    rng = random.Random(SEED)
    names = sorted(bundled.special_tokens)
    alphabet = ["ﷺ", "👍", "a", "é", " ", ",", ".", "\n", "½", "٣", "\ue001", "word", *MARKERS, *names]
    rows = ["".join(rng.choices(alphabet, k=rng.randrange(20))) for _ in range(50_000 if FULL else 5_000)]
    rows += [chr(code) * 2 for code in range(0x3000) if chr(code) not in "0123456789"]
    for allowed in ((), "all"):
        ours, base = (one.encode_batch(rows, allowed_special=allowed) for one in (extension.tokenizer, bundled))
        assert ours.ids.tolist() == base.ids.tolist()
        assert ours.offsets.tolist() == base.offsets.tolist()


def test_special_tokens_beside_numbers(extension: triadic.Extension, bundled: Tokenizer) -> None:
    tokenizer = extension.tokenizer
    name, id = next(iter(bundled.special_tokens.items()))
    text = f"1234{name}5678{name}\x01 9{name}\x01"
    ids = tokenizer.encode(text, allowed_special="all")
    assert ids.tolist().count(id) == 3
    assert tokenizer.decode(ids) == text
    theirs = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    assert theirs.encode(text, add_special_tokens=False).ids == ids.tolist()
    assert theirs.decode(ids.tolist(), skip_special_tokens=False) == text
    values = triadic.values(ids, tokenizer)
    assert [tuple(row) for row in values.tolist() if row[0] >= 0] == [(1, 3), (234, 0), (5, 3), (678, 0), (9, 0)]


def test_it_knows_its_file(extension: triadic.Extension, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    extension.tokenizer.save(path)
    loaded = Tokenizer.from_file(path)
    assert loaded == extension.tokenizer
    assert loaded.info()["pretokenizer"].startswith("triads")
    again = Tokenizer.from_hf(tokenizers.Tokenizer.from_file(str(path)))
    assert again.info()["pretokenizer"].startswith("triads")
    assert pickle.loads(pickle.dumps(loaded)) == loaded
    text = "1234567.89 and 0.5\x01"
    assert again.encode(text).tolist() == extension.tokenizer.encode(text).tolist()


def test_values(extension: triadic.Extension, bundled: Tokenizer) -> None:
    tokenizer = extension.tokenizer
    text = "x 1234567.89, x12 1.2.3 0.0045"
    ids = tokenizer.encode(text)
    found = triadic.values(ids, tokenizer)
    assert found.dtype == np.dtype([("digits", "i4"), ("power", "i4")])
    assert found.shape == ids.shape
    triads = [(row["digits"], row["power"]) for row in found if row["digits"] >= 0]
    assert triads == [(1, 6), (234, 3), (567, 0), (89, -2), (0, 0), (4, -3), (5, -4)]
    assert len(triadic.values([], tokenizer)) == 0
    with pytest.raises(VocabError, match="no triads"):
        triadic.values(ids, bundled)
    with pytest.raises(UnknownTokenError):
        triadic.values([10**9], tokenizer)


@given(st.from_regex(r"(0|[1-9][0-9]{0,17})(\.[0-9]{1,15})?", fullmatch=True))
def test_values_sum_to_the_number(extension: triadic.Extension, literal: str) -> None:
    tokenizer = extension.tokenizer
    found = triadic.values(tokenizer.encode(f"is {literal} or"), tokenizer)
    digits, scale = literal.replace(".", ""), len(literal.partition(".")[2])
    total = sum(digits_ * 10 ** (power + scale) for digits_, power in found.tolist() if digits_ >= 0)
    assert total == int(digits)


@pytest.mark.parametrize("name", ["cl100k", "llama3"])
def test_regrouping(name: str) -> None:
    tokenizer = ours(name)

    def pieces(ids: np.ndarray) -> list[bytes]:
        return [tokenizer.token_bytes(id) for id in ids.tolist()]

    ids = tokenizer.encode("is 1234567 or 12.34567, 1000")
    right = triadic.right_to_left(ids, tokenizer)
    assert right.dtype == np.uint32
    assert pieces(right) == [
        b"is",
        b" ",
        b"1",
        b"234",
        b"567",
        b" or",
        b" ",
        b"12",
        b".",
        b"345",
        b"67",
        b",",
        b" ",
        b"1",
        b"000",
    ]
    assert triadic.left_to_right(right, tokenizer).tolist() == ids.tolist()
    rng = random.Random(SEED)
    for _ in range(2000):
        # The split pattern counts other numerals into groups of ASCII digits beside them.
        text = re.sub("[½٣１]", "", hostile(rng))
        ids = tokenizer.encode(text)
        right = triadic.right_to_left(ids, tokenizer)
        assert tokenizer.decode_bytes(right) == text.encode()
        assert triadic.left_to_right(right, tokenizer).tolist() == ids.tolist()
        assert triadic.right_to_left(right, tokenizer).tolist() == right.tolist()
    assert triadic.right_to_left([], tokenizer).tolist() == []
    # Beside another number the way back gives the text, and not its own ids.
    ids = tokenizer.encode("1234½1234")
    back = triadic.left_to_right(triadic.right_to_left(ids, tokenizer), tokenizer)
    assert pieces(back) == [b"123", b"4", "½".encode(), b"123", b"4"]
    assert pieces(ids) == [b"123", b"4", "½".encode(), b"1", b"234"]


def test_regrouping_needs_groups(bundled: Tokenizer) -> None:
    lacking = next(value for value in range(100, 1000) if bundled.token_id(str(value)) is None)
    with pytest.raises(VocabError, match=str(lacking)):
        triadic.right_to_left(bundled.encode(str(lacking)), bundled)


def changed(tokenizer: Tokenizer, **parts: Any) -> Tokenizer:
    return Tokenizer.from_json(json.dumps(json.loads(tokenizer.to_json()) | parts))


def test_bases_that_are_refused(bundled: Tokenizer, one_token: Tokenizer) -> None:
    def added(content: str) -> dict[str, Any]:
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        return {"id": bundled.vocab_size, "content": content, "special": True} | flags

    old = json.loads(bundled.to_json())["added_tokens"]
    for content in ("<|slot7|>", "<\x01>"):
        base = changed(bundled, added_tokens=[*old, added(content)])
        with pytest.raises(UnsupportedTokenizerError, match="digit or a marker"):
            triadic.extend_tokenizer(base, variant="vocabulary")
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    with pytest.raises(UnsupportedTokenizerError, match="add_prefix_space"):
        triadic.extend_tokenizer(changed(bundled, pre_tokenizer=byte_level), variant="vocabulary")
    with pytest.raises(UnsupportedTokenizerError, match="triads already"):
        triadic.extend_tokenizer(one_token, variant="vocabulary")
    with pytest.raises(UnsupportedTokenizerError, match="Fuse"):
        triadic.extend_tokenizer(changed(bundled, decoder={"type": "Fuse"}), variant="vocabulary")
    with pytest.raises(ValueError, match="variant"):
        triadic.extend_tokenizer(bundled, variant="both")  # type: ignore[arg-type]


BASES = ("gpt2", "cl100k", "qwen2", "falcon", "refact", "claude2", "tekken", "superbpe", "deepseek-coder", "mpt")
CHOICES: tuple[dict[str, Any], ...] = (
    {"variant": "vocabulary"},
    {"variant": "marker"},
    {"variant": "vocabulary", "grouped": True, "years": "keep", "min_digits": 5},
    {"variant": "marker", "group_size": 1, "min_digits": 3},
    {"variant": "vocabulary", "group_size": 2, "years": "keep"},
)


@pytest.mark.parametrize("name", BASES)
def test_bases_equal_stock(name: str) -> None:
    """Real vocabularies, with their digits cut in many ways, on hostile and real text."""
    base = Tokenizer.from_json(vocabulary(name))
    rng = random.Random(SEED)
    choices = CHOICES if FULL else (CHOICES[rng.randrange(2)], CHOICES[rng.randrange(2, 5)])
    lacking = base.info()["missing_bytes"]
    for choice in choices:
        tokenizer = triadic.extend_tokenizer(base, **choice).tokenizer
        theirs = stock_from(tokenizer.to_json())
        rows = [hostile(rng) for _ in range(20_000 if FULL else 800)]
        rows += [text[start : start + 2000] for text in corpora().get("numeric", [])[:20] for start in (0, 9000)]
        rows = [text for text in rows if set(text.encode()).isdisjoint(lacking)]
        expected = theirs.encode_batch(rows, add_special_tokens=False)
        for text, row, ids in zip(rows, expected, tokenizer.encode_batch(rows).tolists(), strict=True):
            assert ids == row.ids, (choice, text)
            assert theirs.decode(ids, skip_special_tokens=False) == tokenizer.decode(ids), (choice, text)
        compared["tokenizers, triads"] += sum(len(text.encode()) for text in rows)


def test_transformers(extension: triadic.Extension, tmp_path: Path) -> None:
    """A10: what AutoTokenizer reloads gives the same ids and text."""
    transformers = pytest.importorskip("transformers")
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer.from_str(extension.tokenizer.to_json()),
        clean_up_tokenization_spaces=False,
    )
    made.save_pretrained(tmp_path)
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert Tokenizer.from_hf(loaded).info()["pretokenizer"].startswith("triads")
    rng = random.Random(SEED)
    for _ in range(20_000 if FULL else 1_000):
        text = hostile(rng)
        ids = loaded.encode(text, add_special_tokens=False)
        assert ids == extension.tokenizer.encode(text).tolist()
        assert loaded.decode(ids, clean_up_tokenization_spaces=False) == text
