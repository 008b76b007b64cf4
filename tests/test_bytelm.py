"""Next-byte probabilities: equal to the sum over all covers, listed from the definition."""

from __future__ import annotations

import inspect
import json
import math
import pickle
import random
import re
import resource
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import vocabularies
from hypothesis import given
from hypothesis import strategies as st
from reference.covers import END, Covers, HashLM, admissible, all_covers, is_start_of_utf8
from scipy import stats
from sources import ours
from toys import TOYS

from tokseam import ModelError, PretokenizeError, Tokenizer, UnsupportedTokenizerError, _native
from tokseam.bytelm import ByteLM, Completion, Ensemble, FunctionLM, Healed, Row

NORMALIZE = ("ratio", "sum", "local")


class Case:
    """A toy, a model of random rows over it, and the byte model with its twin."""

    def __init__(self, name: str, seed: int = 0, *, sharpness: float = 2.0) -> None:
        self.toy = TOYS[name]
        self.tokenizer = self.toy.tokenizer()
        self.end, self.other = self.tokenizer.special_tokens["<end>"], self.tokenizer.special_tokens["<other>"]
        self.tokens = {id: self.tokenizer.token_bytes(id) for id in range(self.end)}
        # Two ids more than the tokenizer has.
        self.hash = HashLM(self.end + 4, [self.end], seed, sharpness)
        self.lm = FunctionLM(self.hash, vocab_size=self.hash.vocab_size, end_ids=[self.end])

    def model(self, **options: Any) -> ByteLM:
        return ByteLM(self.lm, self.tokenizer, **options)

    def twin(self, normalize: str, covers: str = "admissible", *, utf8: bool = True) -> Covers:
        if covers == "all":
            return all_covers(self.hash, self.tokens, normalize, utf8=utf8)
        return admissible(self.hash, self.tokenizer, self.tokens, self.toy.characters, self.toy.length, normalize)


def check_row(row: Any, expected: tuple[np.ndarray, float], normalize: str) -> None:
    logs, leak = expected
    np.testing.assert_allclose(np.exp(row.logp), np.exp(logs), atol=1e-9, rtol=1e-9)
    assert np.array_equal(np.isneginf(row.logp), np.isneginf(logs))
    assert row.leak == pytest.approx(0 if normalize == "local" else leak, abs=1e-9)
    assert row.bound == 0
    total = float(np.exp(row.logp).sum())
    assert total == pytest.approx(1 - row.leak if normalize == "ratio" else 1, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("normalize", NORMALIZE)
@pytest.mark.parametrize("name", TOYS)
def test_rows_over_starts_of_encodings(name: str, normalize: str, seed: int) -> None:
    case = Case(name, seed)
    model, twin = case.model(normalize=normalize), case.twin(normalize)
    for prefix in case.toy.prefixes:
        check_row(model.state(prefix).next_byte(), twin.row(prefix), normalize)


@pytest.mark.parametrize("utf8", [True, False])
@pytest.mark.parametrize("normalize", NORMALIZE)
@pytest.mark.parametrize("name", TOYS)
def test_rows_over_all_covers(name: str, normalize: str, utf8: bool) -> None:
    case = Case(name)
    model = case.model(normalize=normalize, covers="all", utf8=utf8)
    twin = case.twin(normalize, "all", utf8=utf8)
    for prefix in case.toy.prefixes:
        check_row(model.state(prefix).next_byte(), twin.row(prefix), normalize)


@pytest.mark.parametrize("covers", ["admissible", "all"])
def test_mass_is_kept(covers: str) -> None:
    """P(x) is the sum over b of P(xb), of the text x, and of the leak."""
    for name in TOYS:
        case = Case(name)
        model = case.model(normalize="ratio", covers=covers)
        for prefix in case.toy.prefixes:
            state = model.state(prefix)
            row = state.next_byte()
            masses = []
            for byte in range(256):
                logp = state.logprob(bytes([byte])) if math.isfinite(row.logp[byte]) else -math.inf
                masses.append(logp)
                assert logp == pytest.approx(row.logp[byte], abs=1e-9)
            masses.append(state.logprob(b"", end=True))
            assert masses[END] == pytest.approx(row.logp[END], abs=1e-9)
            assert np.exp(masses).sum() + row.leak == pytest.approx(1, abs=1e-12)


@given(
    name=st.sampled_from(sorted(TOYS)),
    seed=st.integers(0, 50),
    picks=st.lists(st.integers(0, 10), max_size=12),
    covers=st.sampled_from(["admissible", "all"]),
)
def test_mass_is_kept_on_drawn_texts(name: str, seed: int, picks: list[int], covers: str) -> None:
    case = Case(name, seed)
    characters = case.toy.characters
    text = "".join(characters[pick % len(characters)] for pick in picks).encode()
    state = case.model(normalize="ratio", covers=covers).state(text)
    row = state.next_byte()
    following = [state.logprob(bytes([byte])) for byte in range(256) if math.isfinite(row.logp[byte])]
    assert np.exp([*following, row.logp[END]]).sum() + row.leak == pytest.approx(1, abs=1e-11)
    assert float(np.exp(row.logp).sum()) + row.leak == pytest.approx(1, abs=1e-12)


def test_joint_scores_do_not_depend_on_the_cut() -> None:
    case = Case("superword")
    text = (b"ab a a ab b aab a " * 4)[:60]
    for normalize in NORMALIZE:
        model = case.model(normalize=normalize)
        whole = model.logprob(text)
        for cut in range(len(text) + 1):
            parts = model.logprob(text[:cut]) + model.logprob(text[cut:], prefix=text[:cut])
            assert parts == pytest.approx(whole, abs=1e-9)
        twin = case.twin(normalize)
        assert model.logprob(text[:5]) == pytest.approx(twin.mass(text[:5]), abs=1e-9)
        assert model.logprob(text[:4], end=True) == pytest.approx(twin.end(text[:4]), abs=1e-9)


@pytest.mark.parametrize("name", ["bundled", "gpt2"])
def test_the_way_of_pushing_does_not_matter(name: str) -> None:
    tokenizer = ours(name)
    rows = HashLM(tokenizer.vocab_size, [tokenizer.vocab_size - 1], 1)
    model = ByteLM(FunctionLM(rows, vocab_size=rows.vocab_size, end_ids=rows.end_ids), tokenizer)
    text = b"import numpy"
    whole = model.state(text).next_byte()
    single = model.state()
    for byte in text:
        single.push(bytes([byte]))
        single.next_byte()
    halves = model.state(text[:5])
    halves.next_byte()
    halves.push(text[5:])
    for state in (single, halves):
        assert np.array_equal(state.next_byte().logp, whole.logp)


def test_a_word_that_is_one_token() -> None:
    """The smallest bias: a model over a, b, ab never puts b behind a, since ab is one token."""
    case = Case("ab")
    a, b, ab = (case.tokenizer.token_id(text) for text in ("a", "b", "ab"))
    probabilities = {a: 0.3, b: 0.2, ab: 0.4, case.end: 0.1}

    def rows(contexts: list[tuple[int, ...]]) -> np.ndarray:
        result = np.full((len(contexts), case.hash.vocab_size), -np.inf)
        for row, context in zip(result, contexts, strict=True):
            masses = {id: p for id, p in probabilities.items() if not (context[-1:] == (a,) and id == b)}
            for id, p in masses.items():
                row[id] = math.log(p / sum(masses.values()))
        return result

    model = ByteLM(FunctionLM(rows, vocab_size=case.hash.vocab_size, end_ids=[case.end]), case.tokenizer)
    row = model.state(b"a").next_byte()
    assert math.exp(row.logp[ord("b")]) == pytest.approx(0.4 / 0.7, abs=1e-12)
    assert row.leak == pytest.approx(0, abs=1e-12)


def test_heads_are_few_on_one_letter() -> None:
    model = Case("powers").model()
    state = model.state()
    for size in range(41):
        assert state._heads.count <= 4, size
        state.push(b"a")


def resident() -> float:
    """Return the memory of this process, in megabytes."""
    file = Path("/proc/self/statm")
    if not file.exists():
        pytest.skip("the memory of a process is not told here")
    return int(file.read_text().split()[1]) * resource.getpagesize() / 2**20


def test_contexts_a_byte() -> None:
    """Each byte has its own encoding to score, and little more: on code, and on blanks, which have two."""
    native = _native.ByteKernel(ours("cl100k")._native, True, True)
    code = inspect.getsource(random).encode()[:2500]
    for text, most in ((code, 1.15), (b" " * 300 + b"x", 2.0)):
        heads, known = native.start(), set[int]()
        for byte in text:
            heads = heads.push(native, bytes([byte]))
            known |= {serial for serial, *_ in heads.plan(native).nodes()}
        assert 1 <= len(known) / len(text) <= most


@pytest.mark.parametrize(("name", "most"), [("cl100k", 8), ("superbpe", 16)])
def test_a_long_text_of_one_letter(name: str, most: int) -> None:
    tokenizer = ours(name)
    kernel = ByteLM(FunctionLM(lambda _: None, vocab_size=tokenizer.vocab_size), tokenizer)._reader
    heads = kernel.start
    before, start = resident(), time.thread_time()
    for _ in range(1000):
        heads = heads.push(kernel.kernel, b"a" * 100)
        assert heads.count <= most
    assert len(heads) == 100_000
    # A hundred times the time that it takes, and twice the memory; the bench has the figures.
    assert time.thread_time() - start < 30
    assert resident() - before < 40
    # What is freed at once is a hundred thousand steps deep.
    del heads


def test_a_prefix_may_end_inside_a_character() -> None:
    case = Case("cut characters")
    model = case.model()
    row = model.state(b"a\xc3").next_byte()
    assert np.isneginf(np.delete(row.logp, np.arange(0x80, 0xC0))).all()
    assert row.logp[END] == -math.inf
    assert model.state("é").next_byte().logp[END] > -math.inf
    for wrong in (b"\xff", b"a\xc3a", b"\xc0"):
        with pytest.raises(ValueError, match="cannot stand there in UTF-8"):
            model.state(wrong)
    with pytest.raises(UnicodeError):
        model.state("\ud800")
    assert math.isfinite(case.model(covers="all", utf8=False).state(b"\xc3\xc3").next_byte().logp[0xA9])
    # No encoding of a UTF-8 text starts with tokens that spell other bytes, so there is nothing to sum over.
    first = case.tokenizer.token_id(b"\xc3")
    assert first is not None
    assert case.tokenizer.is_admissible([first])
    assert not case.tokenizer.is_admissible([first, first])
    assert not case.tokenizer.is_canonical(case.tokenizer.encode(b"\xc3\xc3"))
    with pytest.raises(ValueError, match="would add nothing: pass covers"):
        case.model(utf8=False)


def test_special_tokens_are_not_text() -> None:
    tokenizer = ours("gpt2")
    end = tokenizer.special_tokens["<|endoftext|>"]
    rows = HashLM(tokenizer.vocab_size, [end], 3)
    model = ByteLM(FunctionLM(rows, vocab_size=rows.vocab_size, end_ids=[end]), tokenizer, normalize="ratio")
    state = model.state(b"<|endoftext|>")
    assert len(state) == 13
    assert all(end not in cover.ids for cover in state.covers(50))
    first = model.state().next_byte()
    row = rows.row(())
    assert first.logp[END] == pytest.approx(row[end], abs=1e-12)
    bytes_of = [tokenizer.token_bytes(id)[0] if id != end else None for id in range(tokenizer.vocab_size)]
    for byte in (0x3C, 0x20, 0x61):
        ids = [id for id, other in enumerate(bytes_of) if other == byte and tokenizer.is_admissible([id])]
        assert first.logp[byte] == pytest.approx(np.logaddexp.reduce(row[ids]), abs=1e-12)
    # Fixed ids are part of every context, and of no cover.
    behind = model.state(b"a", context_ids=[end])
    assert not np.allclose(behind.next_byte().logp, model.state(b"a").next_byte().logp)


def test_what_may_not_follow_leaks() -> None:
    case = Case("ab")
    row = case.model(normalize="ratio").state(b"").next_byte()
    beyond = np.exp(case.hash.row(())[[case.other, case.end + 2, case.end + 3]]).sum()
    assert row.leak == pytest.approx(beyond, abs=1e-12)


class Trigram:
    """A process over bytes, and the token model that writes its texts canonically."""

    def __init__(self, tokenizer: Tokenizer, alphabet: bytes, end: int, size: int) -> None:
        self.tokenizer, self.alphabet, self.end, self.size = tokenizer, alphabet, end, size
        rng = np.random.default_rng(5)
        self.table = {
            (first, second): rng.dirichlet(np.ones(len(alphabet) + 1))
            for first in (None, *alphabet)
            for second in (None, *alphabet)
        }
        self.longest = 4

    def byte(self, text: bytes) -> np.ndarray:
        last: tuple[int | None, ...] = (None, None, *text)[-2:]
        return self.table[last[0], last[1]]

    def mass(self, text: bytes) -> float:
        """Return the probability that a text starts with some bytes."""
        result = 1.0
        for place, byte in enumerate(text):
            result *= self.byte(text[:place])[self.alphabet.index(byte)]
        return result

    def sequence(self, ids: tuple[int, ...]) -> float:
        """Return the probability that the encoding of a text starts with ids."""
        text = b"".join(self.tokenizer.token_bytes(id) for id in ids)
        # Whether these are the first tokens is known once more bytes than a token has are there.
        total, stack = 0.0, [(text, self.mass(text))]
        while stack:
            longer, mass = stack.pop()
            ending = self.byte(longer)[-1]
            if tuple(self.tokenizer.encode(longer).tolist()[: len(ids)]) == ids:
                total += mass * ending
            if len(longer) >= len(text) + self.longest:
                if tuple(self.tokenizer.encode(longer).tolist()[: len(ids)]) == ids:
                    total += mass * (1 - ending)
                continue
            for place, byte in enumerate(self.alphabet):
                stack.append((longer + bytes([byte]), mass * self.byte(longer)[place]))
        return total

    def __call__(self, contexts: list[tuple[int, ...]]) -> np.ndarray:
        rows = np.full((len(contexts), self.size), -np.inf)
        for row, context in zip(rows, contexts, strict=True):
            below = self.sequence(context)
            text = b"".join(self.tokenizer.token_bytes(id) for id in context)
            if tuple(self.tokenizer.encode(text).tolist()) == context:
                row[self.end] = math.log(self.mass(text) * self.byte(text)[-1] / below)
            for id in range(self.end):
                above = self.sequence((*context, id))
                if above > 0:
                    row[id] = math.log(above / below)
            row -= np.logaddexp.reduce(row)
        return rows


def test_two_vocabularies_of_one_process() -> None:
    models = []
    for merges in ((("a", "b"), ("ab", "a")), (("b", "a"), ("a", "a"), ("ba", "b"))):
        tokenizer = TOYS["ab"]._replace(merges=merges).tokenizer()
        end = tokenizer.special_tokens["<end>"]
        process = Trigram(tokenizer, b"ab", end, tokenizer.vocab_size)
        lm = FunctionLM(process, vocab_size=tokenizer.vocab_size, end_ids=[end])
        models.append(ByteLM(lm, tokenizer))
    both = Ensemble(models)
    texts = [bytes(text) for size in range(6) for text in np.ndindex(*(2,) * size)]
    for text in texts:
        x = bytes(b"ab"[byte] for byte in text)
        expected = process.byte(x)
        for model in (*models, both):
            row = np.exp(model.state(x).next_byte().logp)
            np.testing.assert_allclose(row[[97, 98, END]], expected, atol=1e-9)


def test_tolerance_is_a_bound() -> None:
    case = Case("superword", sharpness=4.0)
    exact, skipped = 0, {}
    text = case.model().generate("", max_bytes=500, seed=1, unit="bytes").data
    text = (text + b"ab a ab" * 80)[:500]
    for normalize in NORMALIZE:
        model = case.model(normalize=normalize)
        state, rows = model.state(), []
        case.hash.scored = 0
        for byte in text:
            rows.append(state.next_byte())
            state.push(bytes([byte]))
        exact = case.hash.scored
        for tolerance in (1e-4, 1e-2, 0.2):
            state = case.model(normalize=normalize, tolerance=tolerance).state()
            case.hash.scored = 0
            for byte, row in zip(text, rows, strict=True):
                found = state.next_byte()
                distance = np.abs(np.exp(found.logp) - np.exp(row.logp)).sum() / 2
                assert distance <= found.bound + 1e-12
                assert found.bound <= tolerance
                state.push(bytes([byte]))
            skipped[tolerance] = case.hash.scored
        assert skipped[0.2] < skipped[1e-2] <= skipped[1e-4] <= exact
        assert skipped[0.2] < 0.9 * exact


def contexts_of_all(case: Case, x: bytes) -> set[tuple[int, ...]]:
    """Return the sequences that spell a start of some bytes and that tokens go on from to their end or beyond."""
    tokens = case.tokens.items()

    @cache
    def leads_on(size: int) -> bool:
        rest = x[size:]
        return any(
            token.startswith(rest) if len(token) > len(rest) else rest.startswith(token) and leads_on(size + len(token))
            for _, token in tokens
        )

    found: set[tuple[int, ...]] = set()
    stems: list[tuple[tuple[int, ...], int]] = [((), 0)]
    while stems:
        ids, size = stems.pop()
        if leads_on(size):
            found.add(ids)
            stems += [((*ids, id), size + len(token)) for id, token in tokens if x.startswith(token, size)]
    return found


@pytest.mark.parametrize("name", ["ab", "superword", "contractions", "cut characters", "whole pieces"])
def test_all_covers_ask_for_what_they_need(name: str) -> None:
    case = Case(name)
    for x in case.toy.prefixes:
        needed = contexts_of_all(case, x)
        asked: list[tuple[int, ...]] = []

        def rows(contexts: list[tuple[int, ...]], asked: list[tuple[int, ...]] = asked) -> np.ndarray:
            asked += contexts
            return case.hash(contexts)

        lm = FunctionLM(rows, vocab_size=case.hash.vocab_size, end_ids=[case.end])
        ByteLM(lm, case.tokenizer, covers="all").state(x).next_byte()
        assert len(asked) == len(set(asked))
        assert set(asked) == needed
        # Byte by byte each is asked for once too, and a joint probability does without those that spell all.
        asked.clear()
        state = ByteLM(lm, case.tokenizer, covers="all").state()
        for byte in x:
            state.next_byte()
            state.push(bytes([byte]))
        state.next_byte()
        assert len(asked) == len(set(asked))
        assert set(asked) >= needed
        asked.clear()
        ByteLM(lm, case.tokenizer, covers="all").logprob(x)
        spelled = {ids for ids in needed if b"".join(case.tokens[id] for id in ids) == x}
        assert set(asked) - {()} == needed - spelled - {()}


@pytest.mark.parametrize("normalize", NORMALIZE)
@pytest.mark.parametrize("name", TOYS)
def test_all_covers_within_a_tolerance(name: str, normalize: str) -> None:
    case = Case(name, 1, sharpness=3.0)
    twin = case.twin(normalize, "all")
    skipped = 0
    for x in case.toy.prefixes:
        logs, _ = twin.row(x)
        for tolerance in (1e-3, 0.05, 0.4):
            case.hash.scored = 0
            state = case.model(normalize=normalize, covers="all", tolerance=tolerance).state(x)
            row = state.next_byte()
            skipped += len(contexts_of_all(case, x)) - case.hash.scored
            distance = np.abs(np.exp(row.logp) - np.exp(logs)).sum() / 2
            assert distance <= row.bound + 1e-12
            assert row.bound <= tolerance
            # What was left out is looked at again, and a joint probability leaves nothing out.
            if is_start_of_utf8(x + b"a"):
                character = case.toy.characters[0]
                mass = twin.mass(x + character.encode()) - twin.mass(x)
                assert state.logprob(character) == pytest.approx(mass, abs=1e-9)
    assert skipped > 0


def test_all_covers_byte_by_byte() -> None:
    """Stems that were left out wake when they must; taking bytes back asks for nothing that is known."""
    case = Case("superword", 4, sharpness=4.0)
    text = b"ab a ab"
    twin = case.twin("sum", "all")
    for tolerance in (0.01, 0.2):
        model = case.model(covers="all", tolerance=tolerance)
        state = model.state()
        rows = []
        for byte in text:
            rows.append(state.next_byte())
            state.push(bytes([byte]))
        for end, row in enumerate(rows):
            logs, _ = twin.row(text[:end])
            assert np.abs(np.exp(row.logp) - np.exp(logs)).sum() / 2 <= row.bound + 1e-12
            assert row.bound <= tolerance
        state.next_byte()
        case.hash.scored = 0
        fork = state.fork()
        for back in (1, 2, 3):
            again = fork.pop(1).next_byte()
            assert np.array_equal(again.logp, rows[len(text) - back].logp)
        assert case.hash.scored == 0
        assert np.array_equal(fork.push(text[-3:]).pop(3).next_byte().logp, rows[len(text) - 3].logp)
        assert math.isfinite(state.pop(len(text)).next_byte().logp[ord("a")])


def test_all_covers_of_a_long_text() -> None:
    """A model that seldom leaves the tokenizer's cuts needs few contexts, however many cuts there are."""
    tokenizer = ours("gpt2")
    text = b"the time of the people and the water in the city was one of the first for many years " * 12
    ids = tuple(tokenizer.encode(text).tolist())
    size, end = tokenizer.vocab_size, tokenizer.special_tokens["<|endoftext|>"]
    scored = 0

    def rows(contexts: list[tuple[int, ...]]) -> np.ndarray:
        nonlocal scored
        scored += len(contexts)
        assert len(contexts) < 100
        logs = np.full((len(contexts), size), math.log(1e-6 / (size - 1)))
        for row, context in zip(logs, contexts, strict=True):
            if ids[: len(context)] == context and len(context) < len(ids):
                row[ids[len(context)]] = math.log1p(-1e-6)
            else:
                row[:] = -math.log(size)
        return logs

    lm = FunctionLM(rows, vocab_size=size, end_ids=[end])
    model = ByteLM(lm, tokenizer, covers="all", tolerance=1e-2)
    row = model.state(text[:-3]).next_byte()
    assert 0 < row.bound <= 1e-2
    assert math.exp(row.logp[text[-3]]) > 0.98
    assert scored < 3 * len(text)
    scored = 0
    state = model.state(text[:900])
    for byte in text[900:950]:
        assert math.exp(state.next_byte().logp[byte]) > 0.98
        state.push(bytes([byte]))
    assert scored < 3 * 950
    assert model.generate(text[:903], max_bytes=4, temperature=0).data == text[903:907]
    with pytest.raises(ModelError, match="lists them all"):
        model.heal_plan(text)


def test_all_covers_that_no_model_can_leave_out() -> None:
    case = Case("ab")
    even = np.full(case.hash.vocab_size, -math.log(case.hash.vocab_size))
    lm = FunctionLM(lambda contexts: np.tile(even, (len(contexts), 1)), vocab_size=len(even), end_ids=[case.end])
    model = ByteLM(lm, case.tokenizer, covers="all", tolerance=1e-3)
    state = model.state(b"ab" * 20)
    with pytest.raises(ModelError, match="context_ids"):
        state.next_byte()
    assert len(state) == 40
    assert state.pop(35).next_byte().bound <= 1e-3


@pytest.mark.parametrize("covers", ["admissible", "all"])
def test_a_byte_of_contexts_that_were_left_out(covers: str) -> None:
    """Under a tolerance a byte has probability 0 only where it has it exactly, if it is scored."""
    found = 0
    for name in ("superword", "blanks", "contractions", "cut characters"):
        for seed in range(3):
            case = Case(name, seed, sharpness=5.0)
            exact = case.model(covers=covers)
            for x in case.toy.prefixes:
                row = exact.state(x).next_byte()
                state = case.model(covers=covers, tolerance=0.5).state(x)
                first = state.next_byte()
                for byte in range(257):
                    lost = first.logp[byte] == -math.inf < row.logp[byte]
                    found += lost
                    again = state.fork().next_byte(observed=byte)
                    assert (again.logp[byte] == -math.inf) == (row.logp[byte] == -math.inf)
                    assert np.abs(np.exp(again.logp) - np.exp(row.logp)).sum() / 2 <= again.bound + 1e-12
                    assert again.bound <= 0.5
                    if first.logp[byte] > -math.inf:
                        assert again is first
                    if lost and byte < END:
                        near = case.model(covers=covers, tolerance=0.5, normalize="ratio")
                        logs = case.model(covers=covers, normalize="ratio").state(x).next_byte().logp
                        assert near.logprob(bytes([byte]), prefix=x) == pytest.approx(logs[byte], abs=1e-9)
    assert found > 10


def test_all_texts_and_what_is_longer() -> None:
    case = Case("ab")
    model = case.model(normalize="local")
    total = 0.0
    for size in range(6):
        for text in np.ndindex(*(2,) * size):
            x = bytes(b"ab"[byte] for byte in text)
            total += math.exp(model.logprob(x, end=True))
            if size == 5:
                total += math.exp(model.logprob(x)) - math.exp(model.logprob(x, end=True))
    assert total == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("name", ["gpt2", "cl100k"])
@pytest.mark.parametrize("text", ['beta",  1),\n', "ing\n    ----", "I'v", "x = 1\n\n    ", "don'"])
def test_prefixes_that_are_not_canonical(name: str, text: str) -> None:
    tokenizer = ours(name)
    rows = HashLM(tokenizer.vocab_size, [tokenizer.vocab_size - 1], 2)
    model = ByteLM(FunctionLM(rows, vocab_size=rows.vocab_size, end_ids=rows.end_ids), tokenizer)
    state = model.state()
    for byte in text.encode():
        assert math.isfinite(state.next_byte().logp[byte])
        state.push(bytes([byte]))


@pytest.mark.parametrize("name", ["cl100k", "bundled"])
def test_hostile_bytes(name: str) -> None:
    tokenizer = ours(name)
    model = ByteLM(FunctionLM(lambda _: None, vocab_size=tokenizer.vocab_size), tokenizer)
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="UTF-8"):
        model.state(rng.bytes(100_000))
    texts = [
        rng.integers(0, 128, 100_000).astype(np.uint8).tobytes(),
        b" " * 100_000,
        b" \n" * 50_000,
        "a\u0301".encode() + "\u0301".encode() * 2000,
        b"import x, y; " * 80_000,
    ]
    for text in texts:
        state = model.state(text)
        assert len(state) == len(text)
        state.pop(len(text))
        assert len(state) == 0


def test_odd_vocabularies() -> None:
    # Two ids with the same bytes: both count. Holes and ids beyond the file leak.
    tree = vocabularies.document(
        {"a": 0, "b": 1, "ab": 2, "<0x61>": 3, "<end>": 6},
        [("a", "b")],
        pre_tokenizer=None,
        decoder={"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
        added_tokens=[vocabularies.added(6, "<end>")],
        byte_fallback=True,
    )
    tokenizer = Tokenizer.from_json(json.dumps(tree))
    rows = HashLM(9, [6], 0)
    model = ByteLM(FunctionLM(rows, vocab_size=9, end_ids=[6]), tokenizer, covers="all", normalize="ratio")
    twin = all_covers(rows, {0: b"a", 1: b"b", 2: b"ab", 3: b"a"}, "ratio", utf8=True)
    for prefix in (b"", b"a", b"ab", b"aba"):
        check_row(model.state(prefix).next_byte(), twin.row(prefix), "ratio")
    with pytest.raises(ModelError, match="3 ids"):
        ByteLM(FunctionLM(rows, vocab_size=3), tokenizer)


def test_wrong_rows_leave_the_state_as_it_was() -> None:
    case = Case("ab")
    good = case.hash
    broken: dict[str, Any] = {"rows": None}

    def rows(contexts: list[tuple[int, ...]]) -> Any:
        return good(contexts) if broken["rows"] is None else broken["rows"](contexts)

    model = ByteLM(FunctionLM(rows, vocab_size=good.vocab_size, end_ids=[case.end]), case.tokenizer)
    state = model.state(b"ab")
    expected = model.state(b"aba").next_byte().logp
    wrong = {
        "nan": lambda contexts: np.full((len(contexts), good.vocab_size), np.nan),
        "inf": lambda contexts: np.full((len(contexts), good.vocab_size), np.inf),
        "shape": lambda contexts: np.zeros((len(contexts), good.vocab_size - 1)),
        "not to 1": lambda contexts: np.zeros((len(contexts), good.vocab_size)),
        "int64": lambda contexts: np.zeros((len(contexts), good.vocab_size), dtype=np.int64),
    }
    for message, function in wrong.items():
        broken["rows"] = function
        with pytest.raises(ModelError, match=message):
            state.next_byte()
        broken["rows"] = None
    with pytest.raises(PretokenizeError, match="probability is zero"):
        state.push(b"aXa")
    with pytest.raises(ValueError, match="taken back"):
        state.pop(3)
    state.push(b"a")
    assert np.array_equal(state.next_byte().logp, expected)
    assert model.logprob(b"X") == -math.inf


def test_fork_and_pop() -> None:
    case = Case("blanks")
    model = case.model()
    text = b"a  a\n aa   a \n\na"
    rows = [model.state(text[:end]).next_byte().logp for end in range(len(text) + 1)]
    state = model.state()
    for end, byte in enumerate(text):
        fork = state.fork().push(text[end:])
        np.testing.assert_array_equal(fork.next_byte().logp, rows[-1])
        np.testing.assert_allclose(state.next_byte().logp, rows[end], atol=1e-12)
        state.push(bytes([byte]))
    for back in range(1, len(text) + 1):
        again = model.state(text)
        again.next_byte()
        again.pop(back)
        np.testing.assert_allclose(again.next_byte().logp, rows[len(text) - back], atol=1e-12)


def test_batches() -> None:
    case = Case("contractions")
    model = case.model()
    prefixes = [b"r'", b"", b"r're", b"e'", b"r'r", b"r'"]
    case.hash.calls = 0
    rows = model.next_byte_logprobs(prefixes)
    assert case.hash.calls == 1
    assert rows.shape == (6, 257)
    for row, prefix in zip(rows, prefixes, strict=True):
        np.testing.assert_allclose(row, model.state(prefix).next_byte().logp, atol=1e-12)
    assert model.next_byte_logprobs([]).shape == (0, 257)


@pytest.mark.parametrize("name", TOYS)
def test_covers_are_listed(name: str) -> None:
    case = Case(name)
    twin = case.twin("ratio")
    model = case.model(normalize="ratio")
    for prefix in case.toy.prefixes:
        total = twin.mass(prefix)
        expected = sorted(((logp - total, ids) for ids, logp in twin.covers(prefix)), key=lambda one: -one[0])
        found = model.state(prefix).covers(10_000)
        assert {cover.ids for cover in found} == {ids for _, ids in expected}
        np.testing.assert_allclose([cover.logprob for cover in found], [logp for logp, _ in expected], atol=1e-9)
        assert np.exp([cover.logprob for cover in found]).sum() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_covers_are_drawn_from_their_posterior(seed: int) -> None:
    case = Case("contractions", 7)
    model = case.model(normalize="ratio")
    plan = model.heal_plan(b"r'r")
    rows = case.hash(plan.contexts)
    exact = {cover.ids: math.exp(cover.logprob) for cover in model.state(b"r'r").covers(1000)}
    counts = dict.fromkeys(exact, 0)
    draws = 20_000
    for draw in range(draws):
        healed = plan.choose(rows, seed * draws + draw)
        counts[healed.ids] += 1
        if draw < 100:
            assert healed.logprob == pytest.approx(math.log(exact[healed.ids]), abs=1e-9)
            spelled = b"".join(case.tokens[id] for id in healed.ids)
            assert spelled.startswith(b"r'r")
            assert healed.bound == 0
    often = {ids for ids, share in exact.items() if share * draws >= 5}
    observed = [counts[ids] for ids in often] + [sum(counts[ids] for ids in exact.keys() - often)]
    expected = [exact[ids] * draws for ids in often]
    expected.append(draws - sum(expected))
    if expected[-1] < 5:
        observed, expected = observed[:-1], [share * sum(observed[:-1]) / sum(expected[:-1]) for share in expected[:-1]]
    assert stats.chisquare(observed, expected).pvalue > 0.001


def two_stage_row(case: Case, model: ByteLM, prefix: bytes, *, mask: bool) -> np.ndarray:
    """Return the next-byte row of: draw a cover, then go on by tokens."""
    row = np.zeros(257)
    for cover in model.state(prefix).covers(100_000):
        spelled = b"".join(case.tokens[id] for id in cover.ids)
        share = math.exp(cover.logprob)
        if len(spelled) > len(prefix):
            row[spelled[len(prefix)]] += share
            continue
        follow, end = case.twin("local", model._covers).step(cover.ids)
        if not mask:
            logs = case.hash.row(cover.ids)
            follow, end = {id: float(logs[id]) for id in case.tokens}, float(logs[case.end])
        for id, logp in follow.items():
            row[case.tokens[id][0]] += share * math.exp(logp)
        row[END] += share * math.exp(end)
    return row


@pytest.mark.parametrize("name", TOYS)
def test_two_stages_give_the_exact_row(name: str) -> None:
    case = Case(name)
    masked, summed = case.model(normalize="local"), case.model(normalize="ratio")
    for prefix in case.toy.prefixes:
        row = np.exp(masked.state(prefix).next_byte().logp)
        np.testing.assert_allclose(two_stage_row(case, masked, prefix, mask=True), row, atol=1e-9)
        exact = summed.state(prefix).next_byte()
        distance = np.abs(two_stage_row(case, summed, prefix, mask=False) - np.exp(exact.logp)).sum()
        assert distance <= exact.leak + 1e-9


def test_both_units_draw_the_same_texts() -> None:
    case = Case("contractions", 3)
    model = case.model(normalize="local")
    draws = 3000
    counts: dict[bytes, list[int]] = {}
    units: list[Literal["tokens", "bytes"]] = ["tokens", "bytes"]
    for place, unit in enumerate(units):
        for seed in range(draws):
            data = model.generate(b"r'", max_bytes=2, seed=seed + place * draws, unit=unit).data
            counts.setdefault(data, [0, 0])[place] += 1
    rare = [sum(pair) for pair in zip(*(pair for pair in counts.values() if min(pair) < 5), strict=True)]
    table = [pair for pair in counts.values() if min(pair) >= 5] + ([rare] if rare and min(rare) >= 5 else [])
    assert len(table) > 3
    assert stats.chi2_contingency(table).pvalue > 0.001


def test_generation() -> None:
    case = Case("superword", 11)
    model = case.model()
    for unit in ("tokens", "bytes"):
        first = model.generate("ab ", max_bytes=20, seed=4, unit=unit)
        again = model.generate("ab ", max_bytes=20, seed=4, unit=unit)
        assert first.data == again.data
        assert first.logprob == pytest.approx(model.logprob(first.data, prefix=b"ab "), abs=1e-12)
        assert len(first.data) <= 20
        assert first.finish_reason in ("end", "length")
        streamed = b"".join(model.generate_stream("ab ", max_bytes=20, seed=4, unit=unit))
        assert streamed == first.data
        stopped = [model.generate("", max_bytes=200, seed=seed, unit=unit, stop=[b"b ", "a a"]) for seed in range(30)]
        assert "stop" in {one.finish_reason for one in stopped}
        for one in stopped:
            assert b"b " not in one.data
            assert b"a a" not in one.data
        greedy = model.generate("a", max_bytes=9, temperature=0, unit=unit)
        assert greedy.data == model.generate("a", max_bytes=9, temperature=0, unit=unit, seed=9).data
        narrow = model.generate("a", max_bytes=9, top_p=1e-9, unit=unit, seed=3)
        assert unit == "tokens" or narrow.data == greedy.data
    with pytest.raises(ValueError, match="unit"):
        model.generate("", max_bytes=1, unit="words")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="colour"):
        model.generate("", max_bytes=1, colour=1)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="temperature"):
        model.generate("", max_bytes=1, temperature=-1)
    with pytest.raises(ValueError, match="stop"):
        model.generate("", max_bytes=1, stop="")
    kept = pickle.loads(pickle.dumps(model.generate("ab", max_bytes=5, seed=1)))
    assert isinstance(kept, Completion)


def test_arguments_out_of_range() -> None:
    case = Case("superword")
    model = case.model()
    both = Ensemble([model, case.model()])

    def none(contexts: list[tuple[int, ...]]) -> Any:
        return np.zeros((len(contexts), 3))

    for call, error, said in (
        (lambda: FunctionLM(none, vocab_size=0), ValueError, "vocab_size is 0"),
        (lambda: FunctionLM(none, vocab_size=3, end_ids=[3]), ValueError, "end id 3"),
        (lambda: case.model(covers="some"), ValueError, "covers is 'some'"),
        (lambda: case.model(normalize="no"), ValueError, "normalize is 'no'"),
        (lambda: case.model(tolerance=1.0), ValueError, "tolerance is 1.0"),
        (lambda: model.state(context_ids=[10**6]), ModelError, "context id 1000000"),
        (lambda: model.generate("", max_bytes=1, top_p=0), ValueError, "top_p is 0"),
        (lambda: model.generate("", max_bytes=-1), ValueError, "max_bytes is -1"),
        (lambda: both.state("ab").pop(3), ValueError, "3 bytes cannot be taken back"),
        (lambda: Ensemble([model], weights=[0]), ValueError, "all weights are zero"),
        (lambda: Ensemble([model, case.model(covers="all", utf8=False)]), ValueError, "differ in utf8"),
    ):
        with pytest.raises(error, match=re.escape(said)):
            call()
    assert "finish_reason='length'" in repr(model.generate("ab", max_bytes=0))


def test_never_half_a_character() -> None:
    case = Case("cut characters", 2)
    for unit in ("tokens", "bytes"):
        for seed in range(40):
            for size in range(4):
                data = case.model().generate("a", max_bytes=size, seed=seed, unit=unit).data
                data.decode()
                assert len(data) <= size
            pieces = list(case.model().generate_stream("a", max_bytes=30, seed=seed, unit=unit))
            for piece in pieces:
                piece.decode()


def alone(id: int, **options: Any) -> ByteLM:
    """Return a model of the toy "ab" that gives all mass to one id."""
    tokenizer = TOYS["ab"].tokenizer()
    row = np.full(tokenizer.vocab_size, -math.inf)
    row[id] = 0.0
    lm = FunctionLM(
        lambda contexts: np.tile(row, (len(contexts), 1)),
        vocab_size=len(row),
        end_ids=[tokenizer.special_tokens["<end>"]],
    )
    return ByteLM(lm, tokenizer, **options)


def test_a_model_without_mass_says_so() -> None:
    special = TOYS["ab"].tokenizer().special_tokens
    other, end = alone(special["<other>"]), alone(special["<end>"])
    with pytest.raises(ModelError, match="no probability to any text that starts with these bytes"):
        other.state().next_byte()
    with pytest.raises(ModelError, match="no probability to any text that starts with the prompt"):
        end.generate("a", max_bytes=1)
    with pytest.raises(ModelError, match="no probability to any token that may follow"):
        other.generate("", max_bytes=1)
    with pytest.raises(ModelError, match='normalize="local" has nothing to normalize'):
        alone(special["<other>"], normalize="local").state().next_byte()
    # An end is drawn by bytes as by tokens.
    for unit in ("bytes", "tokens"):
        done = end.generate("", max_bytes=9, unit=unit)
        assert (done.data, done.text, done.finish_reason, done.logprob) == (b"", "", "end", 0.0)


def test_members_that_disagree() -> None:
    a, b = (alone(TOYS["ab"].tokenizer().token_id(byte) or 0) for byte in (b"a", b"b"))
    with pytest.raises(ModelError, match="agree on no byte"):
        Ensemble([a, b], mode="product").state().next_byte()
    assert Ensemble([a, a]).logprob("ab") == -math.inf
    both = Ensemble([Case("ab", seed).model() for seed in range(2)])
    rows = both.next_byte_logprobs(["", "a"])
    np.testing.assert_array_equal(rows, [both.state(prefix).next_byte().logp for prefix in ("", "a")])
    assert both.next_byte_logprobs([]).shape == (0, 257)
    options: dict[str, Any] = {"max_bytes": 8, "seed": 1}
    assert b"".join(both.generate_stream("a", **options)) == both.generate("a", **options).data


def test_many_rows_are_summed_in_blocks() -> None:
    """Five starts of a text are more places of the vocabulary than one block has."""
    tokenizer = ours("bundled")
    size = tokenizer.vocab_size
    rng = np.random.default_rng(0)
    row = rng.normal(size=size)
    row -= np.logaddexp.reduce(row)
    model = ByteLM(FunctionLM(lambda contexts: np.tile(row, (len(contexts), 1)), vocab_size=size), tokenizer)
    rows = model.next_byte_logprobs([b""] * 9)
    np.testing.assert_allclose(rows, np.tile(model.state().next_byte().logp, (9, 1)), rtol=1e-12)


def test_ties_take_the_lowest_byte() -> None:
    case = Case("ab")
    even = np.full(case.hash.vocab_size, -math.log(case.hash.vocab_size))
    lm = FunctionLM(lambda contexts: np.tile(even, (len(contexts), 1)), vocab_size=len(even), end_ids=[case.end])
    model = ByteLM(lm, case.tokenizer.from_json(TOYS["ab"]._replace(merges=()).tokenizer().to_json()))
    assert model.generate("", max_bytes=4, temperature=0, unit="bytes").data == b"aaaa"


def test_heal_plan_reports_what_rows_lack() -> None:
    case = Case("superword", 5)
    model = case.model(normalize="ratio")
    plan = model.heal_plan(b"ab a")
    rows = case.hash(plan.contexts)
    full = plan.choose(rows, 0)
    assert isinstance(full, Healed)
    assert full.bound == 0
    cut = rows.copy()
    for row in cut:
        row[np.argsort(row)[:5]] = -np.inf
    exact = {cover.ids: math.exp(cover.logprob) for cover in model.state(b"ab a").covers(1000)}
    shares: dict[tuple[int, ...], float] = {}
    bound = 0.0
    for seed in range(300):
        healed = plan.choose(cut, seed)
        shares[healed.ids] = math.exp(healed.logprob)
        bound = healed.bound
    assert bound > 0
    distance = sum(abs(shares.get(ids, 0) - share) for ids, share in exact.items()) / 2
    assert distance <= bound + 1e-9
    with pytest.raises(ModelError, match="shape"):
        plan.choose(rows[:, 1:])


class FixedRows:
    """A member of an ensemble whose rows are given, one for each number of bytes: probabilities."""

    def __init__(self, rows: np.ndarray, bounds: np.ndarray, size: int = 0) -> None:
        self.rows, self.bounds, self.size = rows, bounds, size

    def state(self, _prefix: bytes = b"", *, context_ids: Sequence[int] = ()) -> FixedRows:
        assert not context_ids
        return FixedRows(self.rows, self.bounds)

    def push(self, data: bytes) -> FixedRows:
        self.size += len(data)
        return self

    def pop(self, n: int) -> FixedRows:
        self.size -= n
        return self

    def fork(self) -> FixedRows:
        return FixedRows(self.rows, self.bounds, self.size)

    def __len__(self) -> int:
        return self.size

    def next_byte(self, *, observed: int | None = None) -> Row:
        del observed
        with np.errstate(divide="ignore"):
            return Row(np.log(self.rows[self.size]), 0.0, float(self.bounds[self.size]))

    def _is_utf8(self) -> bool:
        return False


class TestEnsembles:
    def members(self) -> list[ByteLM]:
        toys = [TOYS["ab"], TOYS["ab"]._replace(merges=(("b", "a"), ("a", "a")))]
        models = []
        for seed, toy in enumerate(toys):
            tokenizer = toy.tokenizer()
            end = tokenizer.special_tokens["<end>"]
            rows = HashLM(tokenizer.vocab_size, [end], seed)
            models.append(ByteLM(FunctionLM(rows, vocab_size=rows.vocab_size, end_ids=[end]), tokenizer))
        return models

    def test_of_one_model(self) -> None:
        first, second = self.members()
        for mode in ("mixture", "posterior", "product"):
            for x in (b"", b"a", b"abba"):
                alone = first.state(x).next_byte().logp
                for members, weights in (([first, first], None), ([first, second], (1, 0))):
                    row = Ensemble(members, mode=mode, weights=weights).state(x).next_byte().logp
                    np.testing.assert_allclose(np.exp(row), np.exp(alone), atol=1e-12)

    def test_of_two(self) -> None:
        first, second = self.members()
        x = b"abaab"
        rows = np.stack([model.state(x).next_byte().logp for model in (first, second)])
        mixed = Ensemble([first, second], weights=(3, 1)).state(x).next_byte().logp
        np.testing.assert_allclose(np.exp(mixed), 0.75 * np.exp(rows[0]) + 0.25 * np.exp(rows[1]), atol=1e-12)
        product = Ensemble([first, second], mode="product").state(x).next_byte().logp
        expected = rows.mean(axis=0)
        np.testing.assert_allclose(product, expected - np.logaddexp.reduce(expected), atol=1e-12)
        texts = [
            sum(float(model.state(x[:end]).next_byte().logp[byte]) for end, byte in enumerate(x))
            for model in (first, second)
        ]
        posterior = Ensemble([first, second], mode="posterior")
        assert posterior.logprob(x) == pytest.approx(np.logaddexp.reduce(texts) - math.log(2), abs=1e-12)
        weights = np.exp(texts) / np.exp(texts).sum()
        row = posterior.state(x).next_byte().logp
        np.testing.assert_allclose(np.exp(row), weights @ np.exp(rows), atol=1e-12)
        state = posterior.state(x)
        state.push(b"ab").pop(2)
        np.testing.assert_allclose(state.next_byte().logp, row, atol=1e-12)
        data = posterior.generate("ab", max_bytes=8, seed=0)
        assert data.logprob == pytest.approx(posterior.logprob(data.data, prefix="ab"), abs=1e-12)

    @given(data=st.data())
    def test_bounds_hold(self, data: st.DataObject) -> None:
        """Rows that are moved by at most their bounds give a joint row that is within its own."""
        rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
        count, length = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 3))
        size = data.draw(st.sampled_from([2, 5, 40, 257]))
        concentration = data.draw(st.sampled_from([0.02, 0.3, 3.0]))
        scale = data.draw(st.sampled_from([0.0, 1e-9, 1e-5, 1e-3, 0.05, 0.4]))
        weights = data.draw(st.sampled_from([None, (1, 2, 3, 4), (1, 0, 2, 50)]))
        alike = data.draw(st.booleans())
        exact = np.zeros((count, length + 1, 257))
        exact[:, :, :size] = rng.dirichlet(np.full(size, concentration), (count, length + 1))
        if alike:
            exact[1:] = 0.9 * exact[:1] + 0.1 * exact[1:]
        found, bounds = exact.copy(), scale * rng.random((count, length + 1))
        for row, bound in zip(found.reshape(-1, 257), bounds.reshape(-1), strict=True):
            self.move(row, float(bound), size, rng)
        text = bytes(rng.integers(0, min(size, 256), length).tolist())
        rows: list[Any] = [FixedRows(one, bound) for one, bound in zip(found, bounds, strict=True)]
        twins: list[Any] = [FixedRows(one, np.zeros(length + 1)) for one in exact]
        for mode in ("mixture", "posterior", "product"):
            shares = None if weights is None else weights[:count]
            pair = [Ensemble(members, mode=mode, weights=shares) for members in (rows, twins)]
            try:
                joint, twin = (ensemble.state(text).next_byte() for ensemble in pair)
            except (ModelError, PretokenizeError):
                continue
            assert twin.bound == 0
            assert np.abs(np.exp(joint.logp) - np.exp(twin.logp)).sum() / 2 <= joint.bound + 1e-12
            if not scale:
                assert joint.bound == 0
            if mode == "mixture":
                assert joint.bound <= scale

    @staticmethod
    def move(row: np.ndarray, bound: float, size: int, rng: np.random.Generator) -> None:
        """Move as much mass as a bound allows: from some columns, the least ones first, to another or to many."""
        order = np.argsort(row[:size]) if rng.random() < 0.5 else rng.permutation(size)
        left = bound
        for column in order:
            taken = min(left, row[column])
            row[column] -= taken
            left -= taken
        if rng.random() < 0.5:
            row[rng.integers(size)] += bound - left
        else:
            row[:size] += (bound - left) / size

    def test_bounds_say_something(self) -> None:
        rng = np.random.default_rng(0)
        exact = rng.dirichlet(np.full(257, 3.0), (2, 3))
        for bound in (1e-3, 1e-5, 1e-7):
            members: list[Any] = [FixedRows(rows, np.full(3, bound)) for rows in exact]
            text = bytes(np.argmax(exact[0, :2, :256], axis=1).tolist())
            assert Ensemble(members).state(text).next_byte().bound == pytest.approx(bound)
            assert bound < Ensemble(members, mode="posterior").state(text).next_byte().bound < 1000 * bound
            assert bound <= Ensemble(members, mode="product").state(text).next_byte().bound < 50 * bound
            # Taken back, the weights are what they were.
            state = Ensemble(members, mode="posterior").state(text)
            row = state.next_byte()
            assert state.pop(2).next_byte().bound == pytest.approx(bound)
            assert state.push(text).next_byte().bound == row.bound

    def test_bounds_of_models(self) -> None:
        cases = [Case("ab", seed, sharpness=4.0) for seed in range(2)]
        text = b"abaab"
        for mode in ("mixture", "posterior", "product"):
            exact = Ensemble([case.model() for case in cases], mode=mode).state()
            near = Ensemble([case.model(tolerance=1e-2) for case in cases], mode=mode).state()
            bounds = []
            for byte in text:
                row, twin = near.next_byte(), exact.next_byte()
                assert np.abs(np.exp(row.logp) - np.exp(twin.logp)).sum() / 2 <= row.bound + 1e-12
                bounds.append(row.bound)
                for state in (near, exact):
                    state.push(bytes([byte]))
            assert 0 < max(bounds) < 1
            # A text that the models know has a score, whatever was left out.
            for wide in (0.3, 0.9):
                member = Ensemble([case.model(tolerance=wide) for case in cases], mode=mode)
                assert math.isfinite(member.logprob(text, end=True))

    def test_refused(self) -> None:
        first, second = self.members()
        with pytest.raises(ValueError, match="member"):
            Ensemble([])
        with pytest.raises(ValueError, match="weights"):
            Ensemble([first, second], weights=(1,))
        with pytest.raises(ValueError, match="mode"):
            Ensemble([first], mode="sum")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="unit"):
            Ensemble([first, second]).generate("", max_bytes=1, unit="tokens")  # type: ignore[arg-type]


def test_a_vocabulary_without_known_borders() -> None:
    # Steps that drop text have no admissible covers.
    tree = vocabularies.document(
        {"a": 0, "b": 1, "ab": 2},
        [("a", "b")],
        pre_tokenizer=vocabularies.sequence({"type": "WhitespaceSplit"}, vocabularies.byte_level()),
        decoder=vocabularies.byte_level(),
    )
    tokenizer = Tokenizer.from_json(json.dumps(tree))
    rows = HashLM(3, [], 0)
    lm = FunctionLM(rows, vocab_size=3)
    with pytest.raises(UnsupportedTokenizerError):
        ByteLM(lm, tokenizer)
    check_row(
        ByteLM(lm, tokenizer, covers="all").state(b"a").next_byte(),
        all_covers(rows, {0: b"a", 1: b"b", 2: b"ab"}, "sum", utf8=True).row(b"a"),
        "sum",
    )


@pytest.mark.parametrize("normalize", ["sum", "ratio", "local"])
def test_rows_as_probabilities_and_as_logarithms(normalize: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two ways of the host agree, and what is far below the rest keeps its logarithm."""
    case = TOYS["ab"].tokenizer()
    end = case.special_tokens["<end>"]
    for depth in (0.0, 340.0, 360.0, 900.0):

        def fn(contexts: list[tuple[int, ...]], depth: float = depth) -> np.ndarray:
            rng = np.random.default_rng(len(contexts[0]))
            logs = rng.normal(size=(len(contexts), case.vocab_size))
            logs[:, case.token_id("b")] -= depth
            return logs - np.logaddexp.reduce(logs, axis=1, keepdims=True)

        model = ByteLM(FunctionLM(fn, vocab_size=case.vocab_size, end_ids=[end]), case, normalize=normalize)
        found = []
        for least in (-350.0, 1.0):
            monkeypatch.setattr("tokseam.bytelm.LEAST", least)
            state = model.state()
            rows = [state.push(b"aabab"[place : place + 1]).next_byte() for place in range(5)]
            found.append((np.stack([row.logp for row in rows]), [row.leak for row in rows], state.logprob("abba")))
        (left, leaks, joint), (right, other_leaks, other_joint) = found
        assert np.array_equal(np.isneginf(left), np.isneginf(right))
        finite = np.isfinite(left)
        np.testing.assert_allclose(left[finite], right[finite], atol=1e-10)
        np.testing.assert_allclose(leaks, other_leaks, atol=1e-10)
        assert joint == pytest.approx(other_joint, abs=1e-9)
        assert joint < -depth
