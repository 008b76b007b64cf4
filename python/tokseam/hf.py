"""Tokenizers as those of Hugging Face, and canonical sampling: a logits processor that plugs into `generate`.

Examples:
    >>> import torch
    >>> from transformers import AutoModelForCausalLM, LogitsProcessorList
    >>> from tokseam import Tokenizer
    >>> model, tokenizer = AutoModelForCausalLM.from_pretrained("model"), Tokenizer.from_file("model")
    >>> prompt = torch.tensor([tokenizer.encode("import").tolist()])
    >>> canonical = LogitsProcessorList([CanonicalLogitsProcessor(tokenizer)])
    >>> ids = model.generate(prompt, do_sample=True, logits_processor=canonical, max_new_tokens=5)
    >>> tokenizer.is_admissible(ids[0].tolist())
    True
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tokseam import _extras, _native
from tokseam.errors import ExportError, ModelError, PretokenizeError
from tokseam.tokenizer import Tokenizer, native_of

if TYPE_CHECKING:
    import transformers

__all__ = ["CanonicalLogitsProcessor", "to_fast"]

# Rows kept on a device: 16 KB each for 128,000 ids.
_KEPT = 4096
# Calls whose states are kept: a speculative decoder asks for several steps, and goes back to one of them.
_CALLS = 64


class CanonicalLogitsProcessor:
    """Masks all ids that would make a sequence non-canonical, whatever the model.

    What that does to a language model: Vieira et al. 2025, "Language Models over Canonical BPE", arXiv 2506.07956.

    It is called with ids of shape (rows, length) and logits of shape (rows, columns) and returns logits of that shape
    in which an id that may not come next is -inf; columns beyond the vocabulary are too. A row is never masked whole:
    where a model has fewer columns than the tokenizer has ids, and none of those that may follow is among them, the
    call raises ModelError. Rows of bits are made in Rust, kept on the device of the logits, and applied there. What
    they are made of is made with the processor, in some tenths of a second for a large vocabulary.

    Where a prompt ends is not said to a processor: ids that are a row of the last 64 calls, or go on from one by a
    token, belong to that text, and all others are a prompt. So beams may change places and speculative decoding may go
    back. A prompt that is to be new although it starts with an old one and what was sampled behind it wants a processor
    of its own.

    Attributes:
        restarted: How often the ids of a row were no start of an encoding, so that its state began anew: a prompt whose
            last run is none, or ids that were not sampled under this mask.
    """

    def __init__(self, tokenizer: Tokenizer, *, prompt: Literal["fixed", "apart"] = "fixed") -> None:
        """Prepare for one tokenizer.

        Args:
            tokenizer: The tokenizer of the model.
            prompt: `"fixed"`: what is sampled goes on with the last run of the prompt, whose ids stay as they are.
                `"apart"`: it is a text of its own.

        Raises:
            ImportError: torch is not installed.
            UnsupportedTokenizerError: A component of the tokenizer is one of which it is not known exactly what can
                follow.
            ValueError: There is no such way to take the prompt.
        """
        if prompt not in ("fixed", "apart"):
            raise ValueError(f'prompt is "fixed" or "apart", not {prompt!r}')
        self._torch = _extras.load("torch", "torch", "CanonicalLogitsProcessor")
        self._tokenizer = tokenizer
        self._start = _native.Prefix(native_of(tokenizer))
        self._special = frozenset(tokenizer.special_tokens.values())
        self._prompt = prompt
        self._calls: deque[dict[bytes, Any]] = deque(maxlen=_CALLS)
        self._rows: OrderedDict[tuple[Any, str, int], Any] = OrderedDict()
        self._values = self._torch.from_numpy(1 << np.arange(8, dtype=np.uint8))
        self.restarted = 0

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Return the scores with all ids masked that may not come next.

        Args:
            input_ids: int64 tensor of shape (rows, length).
            scores: Float tensor of shape (rows, columns), in any unit: what is masked becomes -inf.

        Raises:
            ModelError: The model has no column for any id that may follow.
            TypeError: These are no tensors, or the ids are not integers.
            ValueError: There are not as many rows of ids as of scores.
        """
        self._check(input_ids, scores)
        if not len(scores):
            return scores
        states = {}
        rows = []
        for row in input_ids.cpu().numpy().astype("int64"):
            state = self._state(row)
            states[_key(row)] = state
            rows.append(self._row(state, scores.device, scores.shape[1]))
        self._calls.appendleft(states)
        return scores.masked_fill(self._unpacked(self._torch.stack(rows), scores.shape[1]), float("-inf"))

    def _check(self, input_ids: Any, scores: Any) -> None:
        for tensor in (input_ids, scores):
            if not isinstance(tensor, self._torch.Tensor):
                raise TypeError(f"ids and scores are tensors of torch, not {type(tensor).__name__}")
        if input_ids.is_floating_point() or not scores.is_floating_point():
            raise TypeError(f"ids are integers and scores floats, not {input_ids.dtype} and {scores.dtype}")
        shapes = tuple(input_ids.shape), tuple(scores.shape)
        if [len(shape) for shape in shapes] != [2, 2] or shapes[0][0] != shapes[1][0]:
            raise ValueError(f"ids and scores have a row for each sequence, not the shapes {shapes[0]} and {shapes[1]}")

    def _unpacked(self, packed: Any, columns: int) -> Any:
        """Return the bits of rows as a bool tensor of shape (rows, columns)."""
        if packed.device.type == "cpu":
            # In a third of the time that torch takes.
            bits = np.unpackbits(packed.numpy(), axis=1, count=columns, bitorder="little")
            return self._torch.from_numpy(bits.view(np.bool_))
        return ((packed.unsqueeze(-1) & self._bits(packed.device)) != 0).flatten(1)[:, :columns]

    def _bits(self, device: Any) -> Any:
        """Return the values of the bits of a byte on a device."""
        if self._values.device != device:
            self._values = self._values.to(device)
        return self._values

    def _state(self, row: Any) -> Any:
        """Return the state behind a row of ids, from one of the calls before if there is one."""
        same = self._kept(row)
        if same is not None:
            return same
        before = self._kept(row[:-1]) if len(row) else None
        if before is not None:
            state = self._push(before, int(row[-1]))
            if state is not None:
                return state
            self.restarted += 1
            return self._start
        if self._prompt == "apart":
            return self._start
        ids = row.tolist()
        last = max((place for place, id in enumerate(ids) if id in self._special), default=-1)
        try:
            return self._start.extend(ids[last + 1 :])
        except (PretokenizeError, KeyError):
            self.restarted += 1
            return self._start

    def _kept(self, row: Any) -> Any:
        key = _key(row)
        return next((call[key] for call in self._calls if key in call), None)

    def _push(self, state: Any, id: int) -> Any:
        return state.push(id) if 0 <= id < self._tokenizer.vocab_size else None

    def _row(self, state: Any, device: Any, columns: int) -> Any:
        """Return the packed bits of what may not follow a state, one for each column, as a tensor on a device."""
        key = (state, str(device), columns)
        row = self._rows.get(key)
        if row is not None:
            self._rows.move_to_end(key)
            return row
        bits = np.frombuffer(state.row(), dtype=np.uint8)
        if not bits.any():
            # Nothing can follow, not even an end: a new text starts.
            self.restarted += 1
            bits = np.frombuffer(self._start.row(), dtype=np.uint8)
        made = np.zeros((columns + 7) // 8, dtype=np.uint8)
        size = min(len(made), len(bits))
        made[:size] = bits[:size]
        if columns % 8:
            made[-1] &= (1 << columns % 8) - 1
        if not made.any():
            first = int(np.unpackbits(bits, bitorder="little").argmax())
            raise ModelError(
                f"the model has {columns} columns, but id {first} is the lowest that may follow here: "
                f"give it a row for each of the {self._tokenizer.vocab_size} ids of the tokenizer"
            )
        row = self._torch.from_numpy(~made).to(device)
        if len(self._rows) >= _KEPT:
            self._rows.popitem(last=False)
        self._rows[key] = row
        return row


def _key(row: Any) -> bytes:
    """Return what stands for ids: many rows are kept, and they may be long."""
    return hashlib.blake2b(row.tobytes(), digest_size=16).digest()


def to_fast(tokenizer: Tokenizer, **special: Any) -> transformers.PreTrainedTokenizerFast:
    """Return a fast tokenizer of transformers with the same ids: what `Tokenizer.to_hf` does.

    Args:
        tokenizer: The tokenizer.
        **special: What `PreTrainedTokenizerFast` takes; a special token that is named must be in the vocabulary.

    Raises:
        ExportError: A special token that is named has no id, or the tokenizer cannot be written as a `tokenizer.json`.
        ImportError: transformers is not installed.
    """
    host = _extras.load("transformers", "hf", "to_hf")
    stock = _extras.load("tokenizers", "hf", "to_hf")
    known = {token["content"] for token in tokenizer._native.added_tokens}
    for role, value in special.items():
        if not role.endswith(("_token", "_special_tokens")) or value is None:
            continue
        names = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else [value]
        for name in map(str, names):
            # transformers would give it a new id, which no model has a row for.
            if name not in known:
                raise ExportError(f"{role} is {name!r}, which is no added token here; there are {sorted(known)}")
    # Decoding is to give the text back, not a tidier one.
    options = {"clean_up_tokenization_spaces": False} | special
    return host.PreTrainedTokenizerFast(tokenizer_object=stock.Tokenizer.from_str(tokenizer.to_json()), **options)
