"""The signatures of what is public: names, order and defaults, as the documentation promises them."""

import inspect
import pkgutil
from operator import attrgetter
from typing import Any

import pytest

import tokseam

# What is keyword-only stands behind the star. Types are the type checker's concern.
GENERATE = "max_bytes, unit='tokens', temperature=1.0, top_p=1.0, stop=(), seed=None"
TRAIN = "progress=None, checkpoint=None, checkpoint_seconds=60.0"
NUMERALS = "group_size=3, years='annotate', min_digits=1, grouped=False"
SIGNATURES = {
    "Tokenizer.from_file": "path",
    "Tokenizer.from_json": "data",
    "Tokenizer.from_hf": "tokenizer",
    "Tokenizer.from_tiktoken": "source, *, pattern=None, special_tokens=None",
    "Tokenizer.encode": "text, *, allowed_special=()",
    "Tokenizer.encode_batch": "texts, *, allowed_special=(), parallel=None",
    "Tokenizer.encode_with_offsets": "text, *, allowed_special=()",
    "Tokenizer.decode": "ids",
    "Tokenizer.decode_bytes": "ids",
    "Tokenizer.decode_batch": "ragged",
    "Tokenizer.stream_decoder": "",
    "StreamDecoder.push": "id",
    "StreamDecoder.finish": "",
    "Tokenizer.count": "text, *, allowed_special=()",
    "Tokenizer.count_batch": "texts, *, allowed_special=(), parallel=None",
    "Tokenizer.is_canonical": "ids",
    "Tokenizer.is_admissible": "ids",
    "Tokenizer.token_bytes": "id",
    "Tokenizer.token_id": "token",
    "Tokenizer.save": "path",
    "Tokenizer.to_json": "",
    "Tokenizer.to_hf": "**special",
    "Tokenizer.to_tiktoken": "name, *, pad_bytes=False",
    "Ragged": "ids, offsets",
    "Ragged.to_arrow": "",
    "Ragged.from_arrow": "rows",
    "Ragged.tolists": "",
    "superbpe.train": (
        "corpus, *, vocab_size, transition, scheme='superbpe', constraints=Constraints(), min_frequency=1, "
        "special_tokens=(), alphabet='bytes', inherit='keep', max_token_length=None, lines=False, threads=None, "
        f"{TRAIN}"
    ),
    "superbpe.extend": (
        "tokenizer, corpus, *, vocab_size, scheme='superbpe', constraints=Constraints(), min_frequency=1, "
        f"max_token_length=None, lines=False, threads=None, {TRAIN}"
    ),
    "superbpe.files": "*paths, text='text', weights=None, seed=0, on_error='raise'",
    "superbpe.train_from_counts": (
        "pretokens, *, vocab_size, min_frequency=1, special_tokens=(), alphabet='bytes', max_token_length=None, "
        "progress=None"
    ),
    "superbpe.extend_from_counts": (
        "tokenizer, runs, *, vocab_size, constraints=Constraints(), min_frequency=1, max_token_length=None, "
        "progress=None"
    ),
    "superbpe.PretokenCounts": "scheme='superbpe', *, min_count=1, max_entries=100000000",
    "superbpe.PairCounts": "tokenizer, scheme='superbpe', *, min_count=1, max_entries=200000000",
    "superbpe.RunCounts": "tokenizer, pairs, barrier=None, *, vocab_size=None",
    "superbpe.RunCounts.update": "texts, *, lines=False, threads=None",
    "superbpe.RunCounts.merge": "other",
    "superbpe.RunCounts.to_arrow": "",
    "superbpe.RunCounts.from_arrow": "table, tokenizer",
    "superbpe.Constraints": (
        "*, max_words=4, forbid_substrings=(': ',), cross_newline=True, cross_sentence=True, "
        "trailing_punctuation=True, cross_script=True"
    ),
    "superbpe.Scheme": "*, stage1, stage2",
    "superbpe.Training.at": "vocab_size",
    "superbpe.Training.curve": "",
    "bytelm.FunctionLM": "fn, *, vocab_size, end_ids=()",
    "bytelm.bundled": "",
    "bytelm.ByteLM": "lm, tokenizer, *, covers='admissible', normalize='sum', tolerance=0.0, utf8=True",
    "bytelm.ByteLM.state": "prefix=b'', *, context_ids=()",
    "bytelm.ByteLM.next_byte_logprobs": "prefixes",
    "bytelm.ByteLM.logprob": "text, *, prefix=b'', end=False",
    "bytelm.ByteLM.generate": f"prompt, *, {GENERATE}, context_ids=(), mask=True",
    "bytelm.ByteLM.generate_stream": f"prompt, *, {GENERATE}, context_ids=(), mask=True",
    "bytelm.ByteLM.heal_plan": "prompt, *, context_ids=()",
    "bytelm.HealPlan.choose": "logprobs, seed=None, *, temperature=1.0",
    "bytelm.ByteLM.fill": f"prefix, suffix, *, template, heal=True, {GENERATE}, mask=True",
    "bytelm.ByteState.push": "data",
    "bytelm.ByteState.pop": "n",
    "bytelm.ByteState.fork": "",
    "bytelm.ByteState.next_byte": "*, observed=None",
    "bytelm.ByteState.logprob": "text, end=False",
    "bytelm.ByteState.covers": "limit=20",
    "bytelm.Ensemble": "members, *, mode='mixture', weights=None",
    "bytelm.Ensemble.state": "prefix=b'', *, context_ids=()",
    "bytelm.Ensemble.next_byte_logprobs": "prefixes",
    "bytelm.Ensemble.logprob": "text, *, prefix=b'', end=False",
    "bytelm.Ensemble.generate": f"prompt, *, {GENERATE}, context_ids=()".replace("tokens", "bytes"),
    "bytelm.Ensemble.generate_stream": f"prompt, *, {GENERATE}, context_ids=()".replace("tokens", "bytes"),
    "triadic.find_numbers": f"text, *, {NUMERALS}, extend=False",
    "triadic.split": "literal, *, group_size=3, extend=False",
    "triadic.join": "triads",
    "triadic.annotate": f"text, *, style='lossless', variant='vocabulary', {NUMERALS}, extend=False",
    "triadic.restore": "text",
    "triadic.extend_tokenizer": f"tokenizer, *, variant='vocabulary', {NUMERALS}",
    "triadic.values": "ids, tokenizer",
    "triadic.right_to_left": "ids, tokenizer",
    "triadic.left_to_right": "ids, tokenizer",
    "phantom.judge": "ids, tokenizer",
    "phantom.find": "ids, tokenizer",
    "phantom.canonicalize": "ids, tokenizer",
    "phantom.compare": "before, after, tokenizer, *, level=None",
    "phantom.project": "values, map, *, how",
    "phantom.Probe.make": "text, tokenizer, *, rate=0.05, seed",
    "phantom.Probe.score": "ids",
    "phantom.Probe.summary": "outcomes",
    "phantom.next_token_mask": "ids, tokenizer",
    "phantom.prompt_tail": "ids, tokenizer",
    "phantom.Detector": "tokenizer",
    "phantom.Detector.push": "id",
    "phantom.Detector.finish": "",
    "hf.CanonicalLogitsProcessor": "tokenizer, *, prompt='fixed'",
    "fuzz.texts": "*, special_tokens=(), max_pieces=80",
    "fuzz.numbers": "",
    "fuzz.token_ids": "tokenizer, *, max_size=24",
    "fuzz.resegmentations": "tokenizer",
    "fuzz.check_round_trip": "tokenizer, text, *, expected=None, plain=None",
    "fuzz.check_stream": "tokenizer, ids, decoder=None",
    "fuzz.audit": "tokenizer, corpus=None",
}
OF_TORCH = {
    "torch.TransformersLM": "model, *, bos_id=None, end_ids=None",
    "torch.generate": (
        "model, input_ids=None, logits_processor=None, stopping_criteria=None, generation_config=None, *, "
        "tokenizer=None, mask=True, **model_kwargs"
    ),
}


def signature(value: Any) -> str:
    """Return the parameters of a call as the tables have them."""
    found = inspect.signature(value).parameters.values()
    kept = [one.replace(annotation=one.empty) for one in found if one.name != "self"]
    # Those of the native module take their arguments by place alone.
    kept = [one.replace(kind=one.POSITIONAL_OR_KEYWORD) if one.kind is one.POSITIONAL_ONLY else one for one in kept]
    text = str(inspect.Signature(kept))[1:-1]
    return text.replace(repr(tokseam.superbpe.Constraints()), "Constraints()")


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature(name: str) -> None:
    assert signature(attrgetter(name)(tokseam)) == SIGNATURES[name]


@pytest.mark.parametrize("name", OF_TORCH)
def test_signature_with_torch(name: str) -> None:
    pytest.importorskip("torch", reason=f"{name} needs torch")
    assert signature(attrgetter(name)(tokseam)) == OF_TORCH[name]


def test_what_is_public_is_listed() -> None:
    modules = {one.name for one in pkgutil.iter_modules(tokseam.__path__) if not one.name.startswith("_")}
    # The command, and what pytest loads by itself.
    wanted = {*tokseam.__all__, *modules} - {"cli", "pytest_plugin"}
    assert wanted <= set(dir(tokseam))
