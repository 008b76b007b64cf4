"""A small Llama in numpy, for the bundled model and for files of the same layout.

The network is that of transformers' `LlamaForCausalLM` with tied embeddings or not, grouped queries, and rotary
positions of the default kind (Touvron et al. 2023, arXiv 2302.13971; Su et al. 2021, arXiv 2104.09864). Weights are
widened to float32. Keys and values of contexts are kept, so a context that is one token longer than a known one costs
one token.
"""

from __future__ import annotations

import json
import math
import os
import struct
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokseam.errors import ModelError

__all__ = ["NumpyLM", "read_safetensors"]

Array = NDArray[np.float32]

# Contexts whose keys and values are kept.
KEPT = 64

DTYPES = {"F16": np.float16, "F32": np.float32, "F64": np.float64}


def read_safetensors(data: bytes) -> dict[str, Array]:
    """Return the tensors of a safetensors file as float32.

    Args:
        data: The bytes of the file.

    Raises:
        ModelError: The file is damaged, or a tensor has another type than F16, F32 or F64.
    """
    try:
        (size,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8 : 8 + size])
        tensors = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            start, end = entry["data_offsets"]
            if not 0 <= start <= end <= len(data) - 8 - size:
                raise ValueError(f"tensor {name} lies outside of the file")
            raw = np.frombuffer(data[8 + size + start : 8 + size + end], dtype=np.dtype(DTYPES[entry["dtype"]]))
            tensors[name] = raw.astype(np.float32).reshape(entry["shape"])
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"the weights are no safetensors file of F16, F32 or F64: {error!r}") from error
    return tensors


class NumpyLM:
    """A Llama with its weights in memory: what `ByteLM` asks of a model.

    Args:
        config: The `config.json` of transformers as a mapping.
        tensors: The weights by their names in transformers.
        bos_id: An id that stands before every context: the config's by default, none for -1.
        end_ids: The ids that end a text; those of the config by default.

    Raises:
        ModelError: The config names something else than a plain Llama, or a weight is missing.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        tensors: Mapping[str, Array],
        *,
        bos_id: int | None = None,
        end_ids: Iterable[int] | None = None,
    ) -> None:
        rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
        for name, found, expected in (
            ("model_type", config.get("model_type"), "llama"),
            ("hidden_act", config.get("hidden_act", "silu"), "silu"),
            ("attention_bias", bool(config.get("attention_bias")), False),
            ("mlp_bias", bool(config.get("mlp_bias")), False),
            ("rope_type", rope.get("rope_type", "default"), "default"),
        ):
            if found != expected:
                raise ModelError(f"{name} is {found!r}: this runner knows {expected!r} alone; use tokseam.torch")
        try:
            self._layers = int(config["num_hidden_layers"])
            self._heads = int(config["num_attention_heads"])
            self._groups = int(config.get("num_key_value_heads") or self._heads)
            self._size = int(config.get("head_dim") or config["hidden_size"] // self._heads)
            self._epsilon = float(config["rms_norm_eps"])
            self.window = int(config["max_position_embeddings"])
            self.vocab_size = int(config["vocab_size"])
            embedding = tensors["model.embed_tokens.weight"]
            output = embedding if config.get("tie_word_embeddings") else tensors["lm_head.weight"]
            self._norm = tensors["model.norm.weight"]
            self._weights = [
                {
                    name: tensors[f"model.layers.{layer}.{name}.weight"]
                    for name in (
                        "input_layernorm",
                        "post_attention_layernorm",
                        *(f"self_attn.{part}_proj" for part in "qkvo"),
                        *(f"mlp.{part}_proj" for part in ("gate", "up", "down")),
                    )
                }
                for layer in range(self._layers)
            ]
        except KeyError as error:
            raise ModelError(f"the model lacks {error.args[0]!r}") from error
        self._embedding, self._output = embedding, output
        ends = config.get("eos_token_id") if end_ids is None else end_ids
        self.end_ids = tuple(ends) if isinstance(ends, Iterable) else () if ends is None else (int(ends),)
        bos_id = config.get("bos_token_id") if bos_id is None else bos_id
        self.bos_id = None if bos_id is None or bos_id < 0 else int(bos_id)
        theta = float(rope.get("rope_theta") or config.get("rope_theta") or 10000.0)
        turns = theta ** (-np.arange(0, self._size, 2) / self._size)
        angles = np.outer(np.arange(self.window), np.concatenate([turns, turns]))
        self._cos, self._sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
        self._kept: OrderedDict[tuple[int, ...], tuple[Array, Array, Array]] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def from_folder(cls, path: str | os.PathLike[str], **options: Any) -> NumpyLM:
        """Read `config.json` and `model.safetensors` of a folder.

        Args:
            path: The folder.
            **options: `bos_id` and `end_ids`, as in the constructor.

        Raises:
            OSError: A file is missing.
            ModelError: The config names something else than a plain Llama, or the weights are damaged.
        """
        folder = Path(path)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return cls(config, read_safetensors((folder / "model.safetensors").read_bytes()), **options)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_kept", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._kept, self._lock = OrderedDict(), threading.Lock()

    def logprobs(self, contexts: Sequence[tuple[int, ...]]) -> NDArray[np.float32]:
        """Return natural-log probabilities of the next id: float32 of shape (contexts, vocab_size).

        Raises:
            ModelError: A context is empty and there is no `bos_id`, or it is longer than the window.
        """
        rows = np.empty((len(contexts), self.vocab_size), dtype=np.float32)
        with self._lock:
            for row, context in zip(rows, contexts, strict=True):
                ids = context if self.bos_id is None else (self.bos_id, *context)
                row[:] = self._row(tuple(ids))
        return rows

    def _row(self, ids: tuple[int, ...]) -> Array:
        if not ids:
            raise ModelError("the context is empty and the model has no bos_id: pass context_ids")
        if len(ids) > self.window:
            raise ModelError(f"the context has {len(ids)} ids, but the model's window has {self.window}: shorten it")
        start = len(ids) - 1
        known = self._kept.get(ids)
        if known is not None:
            self._kept.move_to_end(ids)
            return known[2]
        # The longest start of it that is kept.
        while start and ids[:start] not in self._kept:
            start -= 1
        keys = values = np.zeros((self._layers, self._groups, 0, self._size), dtype=np.float32)
        if start:
            keys, values, _ = self._kept[ids[:start]]
            self._kept.move_to_end(ids[:start])
        keys, values, row = self._forward(np.array(ids[start:]), keys, values)
        self._kept[ids] = keys, values, row
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return row

    def _forward(self, ids: NDArray[np.int64], keys: Array, values: Array) -> tuple[Array, Array, Array]:
        """Return the keys and values of a context with more ids, and the row behind the last."""
        count, start = len(ids), keys.shape[2]
        cos, sin = self._cos[start : start + count], self._sin[start : start + count]
        hidden = self._embedding[ids]
        # A token sees those before it and itself.
        hidden_from = np.triu(np.full((count, start + count), -np.inf, dtype=np.float32), start + 1)
        all_keys, all_values = [], []
        for layer, weights in enumerate(self._weights):
            normed = self._normed(hidden, weights["input_layernorm"])
            query, key, value = (
                (normed @ weights[f"self_attn.{part}_proj"].T).reshape(count, -1, self._size).transpose(1, 0, 2)
                for part in "qkv"
            )
            query, key = _turned(query, cos, sin), _turned(key, cos, sin)
            key = np.concatenate([keys[layer], key], axis=1)
            value = np.concatenate([values[layer], value], axis=1)
            all_keys.append(key)
            all_values.append(value)
            shared = self._heads // self._groups
            grouped = query.reshape(self._groups, shared, count, self._size)
            scores = grouped @ key[:, None].transpose(0, 1, 3, 2) / np.float32(math.sqrt(self._size)) + hidden_from
            scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
            scores /= scores.sum(axis=-1, keepdims=True)
            seen = (scores @ value[:, None]).reshape(self._heads, count, self._size).transpose(1, 0, 2)
            hidden = hidden + seen.reshape(count, -1) @ weights["self_attn.o_proj"].T
            normed = self._normed(hidden, weights["post_attention_layernorm"])
            gate = normed @ weights["mlp.gate_proj"].T
            opened = gate / (1 + np.exp(-gate)) * (normed @ weights["mlp.up_proj"].T)
            hidden = hidden + opened @ weights["mlp.down_proj"].T
        logits: Array = self._normed(hidden[-1], self._norm) @ self._output.T
        logits -= logits.max()
        row = logits - np.float32(math.log(float(np.exp(logits.astype(np.float64)).sum())))
        return np.stack(all_keys), np.stack(all_values), row

    def _normed(self, hidden: Array, weight: Array) -> Array:
        scale = np.sqrt(np.mean(hidden * hidden, axis=-1, keepdims=True) + np.float32(self._epsilon))
        normed: Array = hidden / scale * weight
        return normed


def _turned(vectors: Array, cos: Array, sin: Array) -> Array:
    """Turn each pair of coordinates, half the size apart, by the angle of its position."""
    first, second = np.split(vectors, 2, axis=-1)
    other: Array = np.concatenate([-second, first], axis=-1)
    return vectors * cos + other * sin
