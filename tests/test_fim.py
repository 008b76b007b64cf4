"""The bundled model and small real models: the runner, fill in the middle, and the commands."""

import json
import math
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import vocabularies
from reference.covers import END, Covers
from sources import missing

from tokseam import ModelError, Tokenizer
from tokseam.bytelm import ByteLM, FimTemplate, FunctionLM, bundled
from tokseam.fim import TEMPLATES
from tokseam.numpy_lm import NumpyLM, read_safetensors


def stories() -> tuple[NumpyLM, Tokenizer]:
    folder = vocabularies.SHARED / "models" / "stories260k"
    if not folder.exists():
        missing("../shared/data/models/stories260k is not here")
    return NumpyLM.from_folder(folder), Tokenizer.from_file(folder / "tokenizer.json")


def run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "tokseam", *arguments], input=stdin, capture_output=True, check=False)


def test_a_story_goes_on() -> None:
    """The words that the author of the model prints for greedy decoding."""
    lm, tokenizer = stories()
    for unit in ("tokens", "bytes"):
        done = ByteLM(lm, tokenizer).generate("Once upon a ti", max_bytes=60, temperature=0, unit=unit)
        assert done.text == "me, there was a little girl named Lily. She loved to play ou"


def test_all_tokens_of_a_small_model() -> None:
    """Every cover of short texts over the 512 tokens of a real model, listed."""
    lm, tokenizer = stories()
    calls: dict[tuple[int, ...], np.ndarray] = {}

    class Kept:
        vocab_size, end_ids = lm.vocab_size, lm.end_ids

        def row(self, ids: tuple[int, ...]) -> np.ndarray:
            if ids not in calls:
                logs = lm.logprobs([ids])[0].astype(np.float64)
                calls[ids] = logs - np.logaddexp.reduce(logs)
            return calls[ids]

    kept = Kept()
    function = FunctionLM(lambda some: np.stack([kept.row(ids) for ids in some]), vocab_size=512, end_ids=lm.end_ids)
    specials = set(tokenizer.special_tokens.values())
    tokens = {id: tokenizer.token_bytes(id) for id in range(512) if id not in specials}

    def ends(ids: tuple[int, ...]) -> bool:
        return bool(tokenizer.is_canonical(list(ids)))

    for normalize in ("ratio", "sum", "local"):
        twin = Covers(kept, tokens, lambda ids: tokenizer.is_admissible(list(ids)), ends, normalize)  # type: ignore[arg-type]
        model = ByteLM(function, tokenizer, normalize=normalize)
        for text in ("", "O", "Once u", "the cat's", "caf", "\n"):
            # The tokenizer writes a blank before every text.
            x = b" " + text.encode()
            row = model.state(text).next_byte()
            bytes_seen = [byte for byte in range(256) if math.isfinite(row.logp[byte])]
            mass = twin.mass(x)
            for byte in [*bytes_seen[:: max(len(bytes_seen) // 12, 1)], ord("X")]:
                expected = twin.mass(x + bytes([byte])) - mass
                if normalize == "sum":
                    expected -= math.log1p(-row.leak)
                assert math.exp(row.logp[byte]) == pytest.approx(math.exp(expected), abs=1e-9)
            expected = twin.end(x) - mass - (math.log1p(-row.leak) if normalize == "sum" else 0)
            assert math.exp(row.logp[END]) == pytest.approx(math.exp(expected), abs=1e-9)


def test_contexts_that_are_known_cost_nothing_new() -> None:
    lm, tokenizer = bundled()
    ids = tuple(tokenizer.encode("def f(self):\n    return self.x").tolist())
    again = NumpyLM.__new__(NumpyLM)
    again.__setstate__(lm.__getstate__())
    whole = again.logprobs([ids])[0]
    stepwise = [lm.logprobs([ids[:end]])[0] for end in range(len(ids) + 1)][-1]
    np.testing.assert_allclose(stepwise, whole, atol=1e-4)
    assert np.logaddexp.reduce(whole.astype(np.float64)) == pytest.approx(0, abs=1e-5)
    copied = pickle.loads(pickle.dumps(lm))
    np.testing.assert_allclose(copied.logprobs([ids])[0], whole, atol=1e-4)


def test_a_full_window() -> None:
    lm, tokenizer = bundled()
    model = ByteLM(lm, tokenizer)
    state = model.state("x = 1\n" * 300)
    with pytest.raises(ModelError, match="window has 512"):
        state.next_byte()
    state.pop(1799)
    assert math.isfinite(state.next_byte().logp[ord(" ")])


def test_wrong_files() -> None:
    for data in (b"", b"\x08", (1 << 40).to_bytes(8, "little"), b"\x02\0\0\0\0\0\0\0[]", b"\x02\0\0\0\0\0\0\0{"):
        with pytest.raises(ModelError, match="safetensors"):
            read_safetensors(data)
    with pytest.raises(ModelError, match="gpt2"):
        NumpyLM({"model_type": "gpt2"}, {})
    with pytest.raises(ModelError, match="num_hidden_layers"):
        NumpyLM({"model_type": "llama"}, {})
    lm, _ = bundled()
    bare = pickle.loads(pickle.dumps(lm))
    bare.bos_id = None
    with pytest.raises(ModelError, match="context_ids"):
        bare.logprobs([()])


def test_the_bias_of_token_prompts() -> None:
    """The token model goes astray behind half a word; over bytes it knows the rest."""
    lm, tokenizer = bundled()
    model = ByteLM(lm, tokenizer)
    for prompt, rest in (("    raise ValueErr", "or("), ("for i in ran", "ge("), ("return isinst", "ance(")):
        ids = tuple(tokenizer.encode(prompt).tolist())
        token = tokenizer.token_bytes(int(lm.logprobs([ids])[0].argmax()))
        assert not rest.encode().startswith(token)
        assert model.generate(prompt, max_bytes=len(rest), temperature=0).text == rest
        assert model.generate(prompt, max_bytes=len(rest), temperature=0, unit="bytes").text == rest


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_keep_bytes(name: str) -> None:
    template = TEMPLATES[name]
    _, base = bundled()
    tree = json.loads(base.to_json())
    literals = [part for part in template.parts if not part.startswith("{")] + list(template.stops)
    for literal in dict.fromkeys(literals):
        if literal not in base.special_tokens:
            id = len(tree["model"]["vocab"])
            tree["model"]["vocab"][literal] = id
            tree["added_tokens"].append(vocabularies.added(id, literal))
    tokenizer = Tokenizer.from_json(json.dumps(tree))
    seen: list[tuple[int, ...]] = []

    def rows(contexts: list[tuple[int, ...]]) -> np.ndarray:
        seen.extend(contexts)
        rng = np.random.default_rng(0)
        logits = rng.standard_normal((len(contexts), tokenizer.vocab_size))
        return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)

    model = ByteLM(FunctionLM(rows, vocab_size=tokenizer.vocab_size), tokenizer)
    prefix, suffix = "def f():\r\n    x = 1  \r\n    ret", "  \r\n\r\nprint(f())  "
    specials = {id: literal for literal, id in tokenizer.special_tokens.items()}
    for heal in (False, True):
        seen.clear()
        done = model.fill(prefix, suffix, template=template, heal=heal, max_bytes=20, seed=1)
        spelled = "".join(specials.get(id) or tokenizer.token_bytes(id).decode("latin1") for id in seen[0])
        expected = "".join(template.parts).replace("{suffix}", suffix)
        if not heal:
            assert spelled == expected.replace("{prefix}", prefix)
            assert done.healed == 0
        else:
            assert done.healed > 0
            kept = prefix[: len(prefix) - done.healed]
            if template.order == "psm":
                assert all(
                    tokenizer.decode(context).startswith(expected[:10].replace("{prefix}", "")[:4]) for context in seen
                )
                assert spelled.startswith(expected.replace("{prefix}", kept))
            assert prefix.endswith("ret")
        assert not done.text.startswith("ret")
    for id in template.stop_ids(tokenizer):
        assert id in specials


def test_a_template_of_ones_own_ends_at_its_stops() -> None:
    """Each id that stops a template ends the middle; without the template none of them does."""
    lm, tokenizer = bundled()
    template = FimTemplate(
        ("<|fim_suffix|>", "{suffix}", "<|fim_prefix|>", "{prefix}", "<|fim_middle|>"),
        ("<|fim_prefix|>", "<|fim_suffix|>", "<|endoftext|>"),
    )
    stops = template.stop_ids(tokenizer)
    # A middle ends at what marks the parts too.
    marks = {part for part in template.parts if not part.startswith("{")}
    assert sorted(stops) == sorted(tokenizer.special_tokens[literal] for literal in marks | set(template.stops))
    x = int(tokenizer.encode("x")[0])
    for stop in stops:

        def rows(contexts: list[tuple[int, ...]], stop: int = stop) -> np.ndarray:
            logs = np.full((len(contexts), lm.vocab_size), -np.inf)
            for line, context in zip(logs, contexts, strict=True):
                line[stop if context[-1] == x else x] = 0.0
            return logs

        model = ByteLM(FunctionLM(rows, vocab_size=lm.vocab_size), tokenizer)
        for unit in ("tokens", "bytes"):
            done = model.fill("", "b", template=template, max_bytes=9, unit=unit)
            assert (done.data, done.finish_reason) == (b"x", "end")
        with pytest.raises(ModelError):
            model.generate("", max_bytes=9, context_ids=[0])


def test_filling_with_the_bundled_model() -> None:
    lm, tokenizer = bundled()
    model = ByteLM(lm, tokenizer)
    for template in ("tokseam", "tokseam-spm"):
        done = model.fill(
            "def add(a, b):\n    ret", "\n\nprint(add(1, 2))\n", template=template, max_bytes=3, temperature=0
        )
        assert done.text == "urn"
        assert done.healed > 0
        assert math.isfinite(done.logprob)
    with pytest.raises(ValueError, match="no template"):
        model.fill("a", "b", template="none", max_bytes=1)
    with pytest.raises(ValueError, match="has no token"):
        model.fill("a", "b", template="starcoder", max_bytes=1)
    with pytest.raises(ValueError, match="once"):
        FimTemplate(("{prefix}",))


def test_the_commands(tmp_path: Path) -> None:
    assert run("complete", "    raise ValueErr", "--max-bytes", "3").stdout == b"or(\n"
    found = json.loads(run("complete", "    raise ValueErr", "--max-bytes", "2", "--unit", "bytes", "--json").stdout)
    assert found["text"] == "or"
    assert found["finish_reason"] == "length"
    file = tmp_path / "module.py"
    file.write_bytes(b"def add(a, b):\r\n    ret\r\n\r\nprint(add(1, 2))\r\n")
    for at in ("2:8", "23"):
        assert run("complete", "--file", str(file), "--at", at, "--max-bytes", "3").stdout == b"urn\n"
    (tmp_path / "before").write_bytes(file.read_bytes()[:23])
    (tmp_path / "after").write_bytes(file.read_bytes()[23:])
    sides = ["--prefix-file", str(tmp_path / "before"), "--suffix-file", str(tmp_path / "after")]
    filled = json.loads(run("complete", *sides, "--max-bytes", "3", "--json").stdout)
    assert filled["text"] == "urn"
    assert filled["healed"] > 0
    assert run("complete", *sides[:2], "--max-bytes", "3").stdout == b"urn\n"
    piped = run("complete", *sides[2:], "--max-bytes", "3", stdin=file.read_bytes()[:23])
    assert piped.stdout == b"urn\n"
    for wrong in (["--at", "2:99"], ["--at", "x"], ["--at", "999"], []):
        done = run("complete", "--file", str(file), *wrong)
        assert done.returncode == 2
        assert b"Traceback" not in done.stderr
    assert run("complete", "a", "--unit", "words").returncode == 2
    scored = json.loads(run("score", "import os\n" * 400, "--json").stdout)
    assert 0 < scored["bits_per_byte"] <= scored["token_bits_per_byte"] < 2
    assert scored["parts"] > 1
    assert run("score", "").returncode == 2
    assert b"bits a byte over covers" in run("score", stdin=b"import os").stdout
