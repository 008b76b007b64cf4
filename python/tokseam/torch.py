"""Causal language models of transformers, on their device, as models of `tokseam.bytelm`.

Contexts share prefixes: those of one step differ in a token or two, and those of the next go on from them. So what
was computed stays, as a tree: slot `i` of the cache holds keys and values of one token behind those of its parent.
The new tokens of all contexts of a call go into one forward, each at the position of its depth, under a mask that
shows it its ancestors alone, so it sees what it would see in a forward of its context by itself. A call costs one
forward of the new tokens and attention over the slots; those that no call of late has used are given up.

Models whose attention cannot be masked like this (a sliding window, a recurrent state, positions that come from the
mask, kernels that take no mask) get their contexts as a batch of whole sequences instead: the same rows, without
cache; those of different length apart where a model is another one beside longer texts. Which way a model goes is in
`TransformersLM.reason`: its configuration and a trial decide, and a model that is not causal is refused.

Examples:
    >>> from transformers import AutoModelForCausalLM
    >>> from tokseam.bytelm import ByteLM
    >>> lm = TransformersLM(AutoModelForCausalLM.from_pretrained("model", dtype="float32"))
    >>> ByteLM(lm, Tokenizer.from_file("model")).generate("    raise ValueErr", max_bytes=3, temperature=0).text
    'or('
"""

from __future__ import annotations

import functools
import inspect
import math
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokseam import _extras, _native
from tokseam.bytelm import COLUMNS, LOWEST, NOTHING, ByteLM, Sums, _Following, _HostSums, _Sampling
from tokseam.errors import ModelError
from tokseam.tokenizer import Tokenizer

torch: Any = _extras.load("torch", "torch", "tokseam.torch")
cache_utils: Any = _extras.load("transformers.cache_utils", "torch", "tokseam.torch")

__all__ = ["TransformersLM", "generate"]

Ids = tuple[int, ...]

# Devices whose memory numpy reads.
HOSTS = ("cpu",)

# The most entries of a mask, and of logits, that one forward makes.
MASK_SIZE = 1 << 26
LOGITS_SIZE = 1 << 26

# What layers keep that only look back, so that a sequence says the same whatever is behind it.
UNLIKE = (
    "DynamicLayer",
    "DynamicSlidingWindowLayer",
    "LinearAttentionLayer",
    "LinearAttentionAndFullAttentionLayer",
    "LinearAttentionAndSlidingWindowAttentionLayer",
)

# Calls for which a slot stays though no context asks for it: forks and bytes taken back come again soon.
STAY = 64

# The most slots that stay for that reason alone.
SLOTS = 8192

# The most bytes of rows that stay.
ROWS_BYTES = 1 << 25


class _Layer(cache_utils.DynamicLayer):  # type: ignore[misc]
    """Keys and values of a layer in buffers with room behind them, so that a step copies what is new alone."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 0
        self.buffers: list[Any] = []

    def update(self, key_states: Any, value_states: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Put the states behind those that are there; return all."""
        end = self.size + key_states.shape[-2]
        if not self.buffers or self.buffers[0].shape[-2] < end:
            self._grow((key_states, value_states), max(2 * end, 64))
        for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
            buffer.narrow(-2, self.size, end - self.size).copy_(states)
        self.cut(end)
        return self.keys, self.values

    def _grow(self, states: tuple[Any, Any], room: int) -> None:
        old = self.buffers
        self.buffers = [state.new_empty((*state.shape[:-2], room, state.shape[-1])) for state in states]
        for buffer, before in zip(self.buffers, old, strict=False):
            buffer[..., : self.size, :] = before[..., : self.size, :]
        self.is_initialized = True

    def get_seq_length(self) -> int:
        """Return the number of slots."""
        return self.size

    def cut(self, size: int) -> None:
        """Keep the first slots."""
        self.size = size
        if self.buffers:
            keys, values = self.buffers
            self.keys, self.values = keys.narrow(-2, 0, size), values.narrow(-2, 0, size)

    def gather(self, slots: Any) -> None:
        """Keep some slots, in this order."""
        for buffer in self.buffers:
            buffer[..., : len(slots), :] = buffer.index_select(-2, slots.to(buffer.device))
        self.cut(len(slots))


class _Tree:
    """Which token each slot holds, and behind which.

    A parent is older than its children and used at least as late, so the slots used since some call are a tree too.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Start without slots."""
        self.parents: list[int] = []
        self.tokens: list[int] = []
        self.children: dict[tuple[int, int], int] = {}
        self.used = np.zeros(64, dtype=np.int64)
        # How many contexts and paths are known by themselves: those of some calls.
        self.known = STAY
        self._found: dict[Ids, int] = {(): -1}
        self._paths: dict[int, NDArray[np.bool_]] = {-1: np.zeros(0, dtype=bool)}

    def __len__(self) -> int:
        return len(self.parents)

    def find(self, context: Ids) -> tuple[int, int]:
        """Return the slot of the longest prefix that is there, and its length."""
        # Most contexts are one token more than one of late. Each look-up reads all ids.
        for back in (1, 2, 0):
            size = max(len(context) - back, 0)
            if (slot := self._found.get(context[:size])) is not None:
                break
        else:
            slot, size = -1, 0
        while size < len(context) and (child := self.children.get((slot, context[size]))) is not None:
            slot, size = child, size + 1
        return slot, size

    def path(self, slot: int) -> NDArray[np.bool_]:
        """Return the slots from the root to one: bool of shape (slot + 1,)."""
        walked, place = [], slot
        while place not in self._paths:
            walked.append(place)
            place = self.parents[place]
        if not walked:
            return self._paths[slot]
        path = np.zeros(slot + 1, dtype=bool)
        above = self._paths[place]
        path[: len(above)] = above
        path[walked] = True
        self.follow(slot, path)
        return path

    def follow(self, slot: int, path: NDArray[np.bool_]) -> None:
        """Keep the path of a slot, which is known."""
        if len(self._paths) > self.known:
            self._paths = {-1: self._paths[-1]}
        self._paths[slot] = path

    def add(self, parents: list[int], tokens: list[int], hidden: set[int]) -> None:
        """Put new slots behind the others; hidden ones are found by no context."""
        for parent, token in zip(parents, tokens, strict=True):
            slot = len(self.parents)
            self.parents.append(parent)
            self.tokens.append(token)
            if slot not in hidden:
                self.children[parent, token] = slot
        if len(self.used) < len(self):
            self.used = np.concatenate([self.used, np.zeros(len(self), dtype=np.int64)])

    def touch(self, context: Ids, slot: int, now: int) -> None:
        """Note that a context is in use."""
        path = self.path(slot)
        self.used[: len(path)][path] = now
        if len(self._found) > self.known:
            self._found = {(): -1}
        self._found[context] = slot

    def keep(self, slots: NDArray[np.int64]) -> None:
        """Keep some slots, each with its parent, in this order."""
        places = np.full(len(self) + 1, -1)
        places[slots] = np.arange(len(slots))
        parents = [int(places[self.parents[slot]]) for slot in slots.tolist()]
        tokens = [self.tokens[slot] for slot in slots.tolist()]
        used = self.used[slots]
        self.clear()
        self.add(parents, tokens, set())
        self.used[: len(slots)] = used


class TransformersLM:
    """A causal language model of transformers.

    Every context of `logprobs` is `bos_id`, unless it starts with it, and the ids. The model is put into evaluation
    mode, and its weights must stay as they are; `clear` forgets what was computed with others.

    Args:
        model: A model with logits over ids, on any device, of any floating type.
        bos_id: The id before every context; by default the model's own, if it has one that has a row.
        end_ids: The ids that end a text; by default those of the model's generation config.

    Attributes:
        vocab_size: The width of the model's logits.
        reason: Why contexts go as a batch of sequences without cache; None if they go as a tree.

    Raises:
        TypeError: The object is no model of transformers.
        ValueError: An id is none of the model.
        ModelError: The model returned no logits over ids, reads a text before it writes one, or is not causal: what it
            says behind an id depends on those that follow.
    """

    def __init__(self, model: Any, *, bos_id: int | None = None, end_ids: int | Iterable[int] | None = None) -> None:
        if not hasattr(model, "config"):
            raise TypeError(f"expected a causal language model of transformers, not {type(model).__name__}")
        if getattr(model.config, "is_encoder_decoder", False):
            raise ModelError(
                f"{type(model).__name__} reads one text and writes another, so its logits are not those behind the ids "
                f"that it is given: take a model that is a decoder alone"
            )
        self._model = model
        self._config = model.config.get_text_config(decoder=True)
        defaults = getattr(model, "generation_config", None)
        # XLNet has -1, which is none.
        window = getattr(self._config, "max_position_embeddings", None) or 0
        self.window: int | None = window if window > 0 else None
        self._embedding = model.get_input_embeddings()
        self._embedded = int(self._embedding.weight.shape[0])
        model.eval()
        self._start()
        if bos_id is None:
            bos_id = self._config.bos_token_id
            if bos_id is None:
                bos_id = getattr(defaults, "bos_token_id", None)
            # The default of a configuration may be meant for another vocabulary.
            self.bos_id = int(bos_id) if isinstance(bos_id, int) and 0 <= bos_id < self._embedded else None
        elif not 0 <= bos_id < self._embedded:
            raise ValueError(f"bos_id {bos_id} is not among the {self._embedded} ids of the model")
        else:
            self.bos_id = int(bos_id)
        self._is_alike = False
        self.reason = self._unfit()
        self.vocab_size = self._try()
        self._start()
        chosen = end_ids is not None
        if end_ids is None:
            end_ids = getattr(defaults, "eos_token_id", None)
            end_ids = self._config.eos_token_id if end_ids is None else end_ids
        ends = [] if end_ids is None else [end_ids] if isinstance(end_ids, int) else [int(id) for id in end_ids]
        for id in ends:
            if chosen and not 0 <= id < self.vocab_size:
                raise ValueError(f"end id {id} is not among the {self.vocab_size} ids of the model")
        self.end_ids: Ids = tuple(dict.fromkeys(id for id in ends if 0 <= id < self.vocab_size))

    def _start(self) -> None:
        """Start with nothing computed."""
        self._lock = threading.RLock()
        self.clear()

    def clear(self) -> None:
        """Forget what was computed: the weights have changed, or the memory is wanted."""
        with self._lock:
            self._tree = _Tree()
            self._cache: Any = None
            self._rows: OrderedDict[Ids, Any] = OrderedDict()
            self._calls = 0
            self._place: tuple[Any, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        computed = ("_lock", "_tree", "_cache", "_rows", "_calls", "_place")
        return {name: value for name, value in self.__dict__.items() if name not in computed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()

    def logprobs(self, contexts: Sequence[Sequence[int]]) -> NDArray[Any]:
        """Return the natural-log probabilities of the next id behind contexts, in one forward.

        Args:
            contexts: Ids, without `bos_id` or with it.

        Returns:
            float64 from a model of float64, otherwise float32, of shape (contexts, vocab_size), in nats.

        Raises:
            ModelError: A context does not fit the window, has ids that the model has not, or is empty for a model
                without `bos_id`. What is computed stays as it was.
        """
        rows = self._logprobs(contexts)
        if not rows:
            return np.zeros((0, self.vocab_size), dtype=np.float32)
        made: NDArray[Any] = self._normalized(torch.stack(rows)).cpu().numpy()
        return made

    def sums_over(self, order: NDArray[np.int64], ends: NDArray[np.int64]) -> Sums:
        """Return what sums rows where they are; `ByteLM` asks for it.

        Rows on the CPU are read by numpy in place. On another device they are summed there, and tokens are drawn there.
        To the host come three numbers for each new row, 257 for each row of bytes, and two for a token.

        Args:
            order: An order of ids in which rows are wanted: int64 of shape (n,).
            ends: The ids that end a text: int64 of shape (m,).
        """
        is_host = self._embedding.weight.device.type in HOSTS
        return _HostRows(self, order, ends) if is_host else _DeviceSums(self, order, ends)

    def _logprobs(self, contexts: Sequence[Sequence[int]]) -> list[Any]:
        """Return the rows of contexts on the device: on the host logits, elsewhere log-probabilities."""
        with self._lock:
            whole = [self._whole(context) for context in contexts]
            self._check_place()
            # Each time a context is looked up all its ids are hashed.
            rows = [self._rows.get(context) for context in whole]
            missing = dict.fromkeys(context for context, row in zip(whole, rows, strict=True) if row is None)
            asked, computed = list(missing), list[Any]()
            size = max(LOGITS_SIZE // self.vocab_size, 1)
            for start in range(0, len(asked), size):
                computed += self._compute(asked[start : start + size])
            if len(asked) == len(rows):
                rows = computed
            elif asked:
                missing.update(zip(asked, computed, strict=True))
                rows = [missing[context] if row is None else row for context, row in zip(whole, rows, strict=True)]
            self._remember(asked, computed)
        return rows

    def _whole(self, context: Sequence[int]) -> Ids:
        """Return a context with `bos_id` before it."""
        ids = tuple(context)
        if self.bos_id is not None and ids[:1] != (self.bos_id,):
            ids = (self.bos_id, *ids)
        if not ids:
            raise ModelError("a context is empty and the model has no bos_id: pass context_ids with a first id")
        if self.window is not None and len(ids) > self.window:
            raise ModelError(f"a context has {len(ids)} ids, more than the window of {self.window} of the model")
        if min(ids) < 0 or max(ids) >= self._embedded:
            wrong = next(id for id in ids if not 0 <= id < self._embedded)
            raise ModelError(f"id {wrong} in a context is not among the {self._embedded} ids of the model")
        return ids

    def _check_place(self) -> None:
        """Forget what was computed elsewhere, in another type or in training."""
        weight = self._embedding.weight
        place = weight.device, weight.dtype
        if place != self._place or self._model.training:
            self.clear()
            self._model.eval()
            self._place = place

    def _remember(self, contexts: list[Ids], rows: list[Any]) -> None:
        for context, row in zip(contexts, rows, strict=True):
            self._rows[context] = row
        most = max(ROWS_BYTES // (4 * self.vocab_size), 2)
        while len(self._rows) > most:
            self._rows.popitem(last=False)

    def _unfit(self) -> str | None:
        """Return why the layers of a model take no tree, as far as its configuration tells."""
        name = type(self._model).__name__
        parameters = inspect.signature(self._model.forward).parameters
        self._accepts = frozenset(parameters)
        if "position_ids" not in parameters:
            return f"{name} takes no position_ids"
        if not {"cache", "past_key_values"} & parameters.keys():
            return f"{name} takes no cache"
        attention = getattr(self._config, "_attn_implementation", None)
        if attention not in ("eager", "sdpa"):
            return f"attention {attention!r} takes no mask of floats"
        if "local" in (getattr(self._config, "attention_layers", None) or ()):
            return f"{name} has layers with local attention"
        rope = getattr(self._config, "rope_parameters", None) or getattr(self._config, "rope_scaling", None) or {}
        if "longrope" in str(rope) or "dynamic" in str(rope):
            # The longest sequence of a batch decides for all.
            self._is_alike = True
            return f"the rotary embedding of {name} depends on the length of the text"
        layers = [type(layer) for layer in cache_utils.DynamicCache(config=self._config).layers]
        for layer in layers:
            if layer is not cache_utils.DynamicLayer:
                # What others keep may depend on all that is there, filled up or not.
                self._is_alike = any(layer.__name__ not in UNLIKE for layer in layers)
                return f"{name} keeps {layer.__name__} in its cache"
        return None

    def _try(self) -> int:
        """Return the width of the logits; see whether a tree, or sequences side by side, give what each gives alone."""
        name = type(self._model).__name__
        first, a, b, c, d, e, f = (((self.bos_id or 0) + step) % self._embedded for step in range(7))
        steps: list[list[Ids]] = [[(first, a)], [(first, a, b, c), (first, a, d), (first, e, f)]]
        if self.window is not None:
            steps = [[context[: self.window] for context in step] for step in steps]
        with self._lock:
            self._check_place()
            alone = torch.stack([row for step in steps for context in step for row in self._branches([context])])
            if not self._is_close(alone[0], self._inner(steps[1][0], len(steps[0][0]) - 1)):
                raise ModelError(
                    f"{name} is not causal: what it says behind an id depends on the ids that follow. Load it as a "
                    f"decoder (is_decoder=True), or take a causal model"
                )
            if self.reason is None:
                try:
                    tree = [row for step in steps for row in self._compute(step)]
                except (AttributeError, NotImplementedError, RuntimeError, TypeError, ValueError):
                    tree = []
                if tree and self._is_close(alone, torch.stack(tree)):
                    return int(alone.shape[1])
                self.reason = f"{name} does not attend by a mask of its own"
            together = [row for step in steps for row in self._branches(step)]
            self._is_alike = self._is_alike or not self._is_close(alone, torch.stack(together))
        return int(alone.shape[1])

    def _inner(self, context: Ids, place: int) -> Any:
        """Return the row behind the first ids of a context, computed with all of it."""
        options = {"use_cache": False} if "use_cache" in self._accepts else {}
        with torch.no_grad():
            ids = torch.tensor([context], device=self._embedding.weight.device)
            return self._wide(self._forward(ids, [place], **options)[0, 0])

    def _is_close(self, expected: Any, found: Any) -> bool:
        """Return whether rows are equal up to the precision of the model."""
        expected, found = self._normalized(expected), self._normalized(found)
        size = max(float(expected.abs().max()), 1.0)
        # Some models take their softmax in float32 whatever their type is.
        precision = max(torch.finfo(kind).eps for kind in (self._embedding.weight.dtype, torch.float32))
        return bool(float((expected - found).abs().max()) <= 16 * precision * size)

    def _compute(self, contexts: list[Ids]) -> list[Any]:
        if self.reason is not None:
            return self._branches(contexts)
        with torch.inference_mode():
            return self._grow_tree(contexts)

    def _forward(self, ids: Any, places: list[int], **options: Any) -> Any:
        """Return the logits of some places: shape (sequences, places, vocab_size)."""
        length = ids.shape[1]
        kept: Any = len(places)
        if places != list(range(length - kept, length)):
            # On the host: the last layer may lie on another device than the ids.
            kept = torch.tensor(places)
        if "logits_to_keep" in self._accepts:
            options["logits_to_keep"] = kept
        logits = getattr(self._model(input_ids=ids, **options), "logits", None)
        if logits is None or logits.dim() != 3:
            raise ModelError(f"{type(self._model).__name__} returns no logits of ids: take AutoModelForCausalLM")
        if "logits_to_keep" in self._accepts:
            return logits
        # Rows stay, and are not to keep all others alive.
        return logits[:, -kept:].clone() if isinstance(kept, int) else logits[:, kept]

    def _wide(self, logits: Any) -> Any:
        """Return logits in float32 or better; where they are not summed on the host, as log-probabilities."""
        wide = logits if logits.dtype == torch.float64 else logits.float()
        return wide if wide.device.type in HOSTS else torch.log_softmax(wide, dim=-1)

    def _normalized(self, rows: Any) -> Any:
        """Return what `_wide` gives as log-probabilities."""
        return torch.log_softmax(rows, dim=-1) if rows.device.type in HOSTS else rows

    def _branches(self, contexts: list[Ids]) -> list[Any]:
        """Compute rows as a batch of sequences, filled up behind their ends unless they must be of one length.

        There is no mask of what fills up: it stands behind all that is asked for. Under a mask, a window behind an end
        may be empty; some attentions give nan there, and nan times the weight 0 is nan.

        Without inference mode: some of these models keep what they compute for a length, and may train later.
        """
        if self._is_alike and len(sizes := sorted(set(map(len, contexts)))) > 1:
            found = dict[Ids, Any]()
            for length in sizes:
                alike = [context for context in contexts if len(context) == length]
                found.update(zip(alike, self._branches(alike), strict=True))
            return [found[context] for context in contexts]
        device = self._embedding.weight.device
        rows: list[Any] = []
        width, longest = max(getattr(self._config, "vocab_size", 1), 1), max(map(len, contexts))
        size = max(LOGITS_SIZE // (longest * width), 1)
        for start in range(0, len(contexts), size):
            part = contexts[start : start + size]
            length = max(map(len, part))
            ids = np.array([context + context[-1:] * (length - len(context)) for context in part])
            lengths = np.array([len(context) for context in part])
            options = {"use_cache": False} if "use_cache" in self._accepts else {}
            ends, places = np.unique(lengths - 1, return_inverse=True)
            with torch.no_grad():
                logits = self._forward(torch.from_numpy(ids).to(device), ends.tolist(), **options)
                taken = logits[torch.arange(len(part)), torch.from_numpy(places)]
                rows.extend(self._wide(taken).unbind())
        return rows

    def _grow_tree(self, contexts: list[Ids]) -> list[Any]:
        """Compute rows with what is cached; put what is new into the cache."""
        tree, old = self._tree, len(self._tree)
        tree.known = max(STAY, 4 * len(contexts))
        parents: list[int] = []
        tokens: list[int] = []
        pending: dict[tuple[int, int], int] = {}
        ends: list[int] = []
        depths: list[int] = []
        hidden: set[int] = set()

        def put(parent: int, token: int, depth: int) -> int:
            parents.append(parent)
            tokens.append(token)
            depths.append(depth)
            return old + len(parents) - 1

        for context in contexts:
            slot, size = tree.find(context)
            if size == len(context):
                # Its keys are there but its row is not: the last token is asked once more, beside itself.
                slot = put(tree.parents[slot], context[-1], size - 1)
                hidden.add(slot)
            for depth in range(size, len(context)):
                token = context[depth]
                known = pending.get((slot, token))
                if known is None:
                    known = pending[slot, token] = put(slot, token, depth)
                slot = known
            ends.append(slot)
        mask = self._mask(parents, old)
        if mask is not None and mask.size > MASK_SIZE:
            if len(contexts) > 1:
                half = len(contexts) // 2
                return self._grow_tree(contexts[:half]) + self._grow_tree(contexts[half:])
            if old:
                self._forget(np.zeros(0, dtype=np.int64))
                return self._grow_tree(contexts)
        logits = self._step(tokens, depths, mask, [end - old for end in ends], old)
        rows = self._wide(logits)
        tree.add(parents, tokens, hidden)
        self._calls += 1
        for context, end in zip(contexts, ends, strict=True):
            if mask is not None:
                tree.follow(end, mask[end - old, : end + 1].copy())
            tree.touch(context, end, self._calls)
        self._trim()
        return list(rows.unbind())

    def _mask(self, parents: list[int], old: int) -> NDArray[np.bool_] | None:
        """Return what each new slot sees: bool of shape (new, old + new), or None if that is all before it."""
        new = len(parents)
        if parents == list(range(old - 1, old + new - 1)) and self._tree.path(old - 1).all():
            return None
        mask = np.zeros((new, old + new), dtype=bool)
        for row, parent in enumerate(parents):
            if parent >= old:
                mask[row] = mask[parent - old]
            else:
                path = self._tree.path(parent)
                mask[row, : len(path)] = path
            mask[row, old + row] = True
        return mask

    def _step(
        self, tokens: list[int], depths: list[int], mask: NDArray[np.bool_] | None, ends: list[int], old: int
    ) -> Any:
        """Run the model over new slots; on failure the cache is as before."""
        device, dtype = self._place if self._place else (None, torch.float32)
        if self._cache is None:
            self._cache = cache_utils.DynamicCache(config=self._config)
            self._cache.layers = [_Layer() for _ in self._cache.layers]
        if mask is None:
            seen = torch.ones((1, old + len(tokens)), dtype=torch.int64, device=device)
        else:
            wide = np.float64 if dtype == torch.float64 else np.float32
            hidden = np.where(mask[None, None], wide(0), wide(torch.finfo(dtype).min))
            seen = torch.from_numpy(hidden).to(device, dtype)
        ids, places = torch.from_numpy(np.array([tokens, depths])).to(device).chunk(2)
        try:
            return self._forward(
                ids,
                ends,
                position_ids=places,
                attention_mask=seen,
                use_cache=True,
                **{"cache" if "cache" in self._accepts else "past_key_values": self._cache},
            )[0]
        except BaseException:
            for layer in self._cache.layers:
                layer.cut(old)
            raise

    def _trim(self) -> None:
        """Give up slots that no context has asked for lately, where they are many."""
        if self._calls % 16 and len(self._tree) < SLOTS:
            return
        used = self._tree.used[: len(self._tree)]
        live = int(np.count_nonzero(used == self._calls))
        stay = used > self._calls - STAY
        if np.count_nonzero(stay) > max(SLOTS, 2 * live):
            stay = used >= np.sort(used)[-max(SLOTS // 2, live)]
            if np.count_nonzero(stay) > max(SLOTS, 2 * live):
                stay = used == self._calls
        kept = np.flatnonzero(stay)
        if len(kept) < len(used) and len(used) > len(kept) + len(kept) // 4 + STAY:
            self._forget(kept)

    def _forget(self, kept: NDArray[np.int64]) -> None:
        """Keep some slots alone."""
        slots = torch.from_numpy(kept)
        for layer in self._cache.layers:
            layer.gather(slots)
        self._tree.keep(kept)


class _HostRows(_HostSums):
    """The sums of logits that are read in place, and normalized on the way."""

    def __init__(self, lm: TransformersLM, order: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        super().__init__(lm, order, ends)
        self._rows = lm._logprobs

    def whole(self, contexts: list[Ids]) -> list[NDArray[Any]]:
        """Return rows in the order of ids; what uses them checks them."""
        return [row.numpy() for row in self._rows(contexts)]

    def of(self, rows: Sequence[NDArray[Any]], following: _Following) -> tuple[Sequence[Any], list[float], list[float]]:
        """Return rows in order, masked, and the logarithms of their sums and of those of the ends."""
        found = following.masses(rows, normalize=True)
        if found is None:
            totals = _native.log_sums(np.array(rows, dtype=np.float64))
        else:
            whole, totals = found
        for total in totals:
            # Some id must be able to come.
            _check(total if total > -math.inf else math.nan)
        if found is None:
            logs = [row.astype(np.float64) - total for row, total in zip(rows, totals, strict=True)]
            return super().of(logs, following)
        return whole, [one.by_byte().total() for one in whole], self.ends(rows, totals)

    def draw(self, row: Any, allowed: NDArray[np.bool_] | None, sampling: _Sampling) -> int:
        """Draw an index from logits or from a part of probabilities."""
        if allowed is not None:
            _check(float(row.max()))
        return super().draw(row, allowed, sampling)


class _DeviceSums:
    """The sums of rows on a device: `tokseam.bytelm.Sums`, in the precision of the rows."""

    # Many texts a call, since each call waits for the device.
    block = 1 << 24

    def __init__(self, lm: TransformersLM, order: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        self._lm = lm
        self._host = torch.from_numpy(order), torch.from_numpy(ends)
        self._placed = self._host

    def whole(self, contexts: list[Ids]) -> list[Any]:
        """Return rows in the order of ids; what uses them checks them."""
        return self._lm._logprobs(contexts)

    def of(self, rows: Sequence[Any], following: _Following) -> tuple[list[Any], list[float], list[float]]:
        """Return rows in order, masked, and the logarithms of their sums and of those of the ends."""
        if not rows:
            return [], [], []
        whole = torch.stack(list(rows))
        if self._placed[0].device != whole.device:
            self._placed = self._host[0].to(whole.device), self._host[1].to(whole.device)
        order, ends = self._placed
        logs = whole.index_select(1, order).masked_fill_(_barred(following.allowed(), whole), -torch.inf)
        found = torch.stack((logs.logsumexp(1), whole.index_select(1, ends).logsumexp(1), whole[:, 0]))
        masses, ends_masses, firsts = _to_host(found).tolist()
        for first in firsts:
            _check(first)
        return list(logs.unbind()), masses, ends_masses

    def draw(self, row: Any, allowed: NDArray[np.bool_] | None, sampling: _Sampling) -> int:
        """Draw an index where the row is, by one number of the host's generator: what `_draw` does in numpy."""
        # There is no float64 on some devices.
        logs = row if row.device.type == "mps" else row.double()
        if allowed is not None:
            logs = logs.masked_fill(_barred(allowed, row), -torch.inf)
        top = logs.max()
        if sampling.temperature == 0:
            index = logs.argmax()
        else:
            weights = logs.sub(top).div_(sampling.temperature).exp_()
            if sampling.top_p < 1:
                order = weights.argsort(descending=True, stable=True)
                ordered = weights[order]
                reached = ordered.cumsum(0).sub_(ordered)
                weights[order] = ordered.masked_fill_(reached >= sampling.top_p * weights.sum(), 0.0)
            total = weights.cumsum(0)
            index = torch.searchsorted(total, total[-1] * sampling.rng.random(), right=True)
            # Rounding may lead behind the last that has a weight.
            index = torch.minimum(index, torch.searchsorted(total, total[-1]))
        place, reached = _to_host(torch.stack((index.to(logs.dtype), top))).tolist()
        _check(reached)
        if reached == -np.inf:
            raise ModelError(NOTHING)
        return int(place)

    def tokens(self, parts: Sequence[tuple[Any, int]]) -> list[float]:
        """Return one number of each part of a row, by one copy to the host."""
        device = parts[-1][0].device
        read: list[float] = _to_host(torch.stack([part[place].to(device) for part, place in parts])).tolist()
        return read

    def ranges(
        self, parts: Sequence[Any], weights: Sequence[float], cuts: NDArray[np.int64], texts: int
    ) -> NDArray[np.float64]:
        """Return the log-masses of each next byte, each range summed with the full precision of its own size."""
        logs = torch.cat([part.to(parts[-1].device) for part in parts])
        if logs.device.type not in ("cpu", "cuda"):
            # There are no sums of segments elsewhere.
            logs = logs.cpu()
        starts, numbers, columns = cuts
        # Each part has a line of its own among those of its text, so that each place is written once.
        owners = np.zeros(len(parts), dtype=np.int64)
        owners[numbers] = columns // COLUMNS
        within = np.arange(len(parts)) - np.searchsorted(owners, owners)
        deep = int(within.max()) + 1
        lines = (owners * (deep - 1) + within)[numbers]
        tops = np.full(texts, LOWEST)
        np.maximum.at(tops, owners, weights)
        whole = np.append(starts, len(logs)), COLUMNS * lines + columns
        borders, places = (torch.from_numpy(each).to(logs.device) for each in whole)
        shares = torch.from_numpy((weights - tops[owners])[numbers]).to(logs.device, logs.dtype)
        highest = torch.segment_reduce(logs, "max", offsets=borders, unsafe=True).clamp_min_(
            torch.finfo(logs.dtype).min
        )
        sizes = logs - highest.repeat_interleave(borders.diff(), output_size=len(logs))
        sums = torch.segment_reduce(sizes.exp_(), "sum", offsets=borders, unsafe=True).log_()
        matrix = logs.new_full((texts * deep * COLUMNS,), -torch.inf)
        # What is near the top is exact in the precision of the rows.
        matrix[places] = sums.add_(highest).add_(shares)
        found = _to_host(matrix.view(texts, deep, COLUMNS).logsumexp(1))
        found += tops[:, None]
        return found

    def totals(self, parts: list[Any]) -> NDArray[np.float64]:
        """Return the logarithms of the sums of parts of rows."""
        return _to_host(torch.stack([part.logsumexp(0) for part in parts]))

    def copy(self, part: Any) -> Any:
        """Return a part of a row that does not keep the row alive."""
        return part.clone()

    def host(self, part: Any) -> NDArray[np.float64]:
        """Return a part of a row in numpy."""
        return _to_host(part)


def _check(value: float) -> None:
    """Raise if the sum of a row, its greatest number or any after a softmax is nan or infinity."""
    if math.isnan(value) or value == math.inf:
        raise ModelError(
            "the model returned logits with nan or infinity: expected finite numbers, or -infinity for ids that "
            "cannot come"
        )


def _barred(allowed: NDArray[np.bool_], rows: Any) -> Any:
    """Return what is not allowed, where the rows are."""
    return torch.from_numpy(~allowed).to(rows.device)


def _to_host(tensor: Any) -> NDArray[np.float64]:
    array: NDArray[np.float64] = tensor.cpu().numpy().astype(np.float64)
    return array


class _Sequence:
    """A text of a batch: its ids behind `bos_id`, and what is known at its end."""

    def __init__(self, ids: Ids, stem: _native.Stem | None, row: Any) -> None:
        self.ids, self.stem, self.row = ids, stem, row
        self.is_done = False


def generate(
    model: Any,
    input_ids: Any = None,
    logits_processor: Any = None,
    stopping_criteria: Any = None,
    generation_config: Any = None,
    *,
    tokenizer: Any = None,
    mask: bool = True,
    **model_kwargs: Any,
) -> Any:
    """Go on behind prompts that may end inside a word: the `custom_generate` of transformers.

    The bytes of the prompt's end are taken back as far as their tokens may still change; one cover of them is drawn
    from its exact posterior, and tokens follow it as usual, under the processors and criteria of `generate`:

        ids = model.generate(**inputs, custom_generate=tokseam.torch.generate(tokenizer), max_new_tokens=40)

    Called with a tokenizer alone it returns the function that transformers is to call, with `mask` as given here.
    transformers keeps the argument `tokenizer` of its own `generate` to itself, so it cannot come that way.

    Args:
        model: The model; or the tokenizer, and nothing else but `mask`.
        input_ids: Prompts: int64 of shape (prompts, ids). What stands behind the last special token of each is its
            text. Where the model has a `bos_id`, a prompt that lacks it is scored behind it.
        logits_processor: Acts on the tokens behind the prompt, on log-probabilities.
        stopping_criteria: Asked for each prompt by itself.
        generation_config: Its `do_sample`, `temperature` and `top_p` also act on the drawn cover; without sampling the
            best one is taken.
        tokenizer: The tokenizer, ours or one of Hugging Face. Or a `ByteLM` over the `TransformersLM` of this model,
            which is taken as it is, so that what it has computed is used again.
        mask: Whether tokens that no encoding has there are excluded; without it the texts are exact up to the leak.
        **model_kwargs: Of these only `attention_mask` is looked at: its zeros before a prompt are padding.

    Returns:
        Of a tokenizer alone the function. Otherwise int64 of shape (prompts, ids), filled up with `pad_token_id` at the
        end: ids whose text starts with the bytes of the prompt. The last ids of the prompt may be others than in
        `input_ids`, so cut by bytes, not by ids.

    Raises:
        ValueError: There is no tokenizer, or it is asked for beams.
        ModelError: A text does not fit the window, or nothing may follow.

    Examples:
        >>> from transformers import AutoModelForCausalLM
        >>> model = AutoModelForCausalLM.from_pretrained("model", dtype="float32")
        >>> tokenizer = Tokenizer.from_file("model")
        >>> prompt = torch.tensor([tokenizer.encode("    raise ValueErr").tolist()])
        >>> ids = model.generate(prompt, custom_generate=generate(tokenizer), max_new_tokens=1, do_sample=False)
        >>> tokenizer.decode(ids[0].tolist())
        '    raise ValueError(...'
    """
    if input_ids is None:
        return functools.partial(generate, tokenizer=model, mask=mask)
    if tokenizer is None:
        raise ValueError(
            "generate needs a tokenizer, which transformers does not hand on: pass "
            "custom_generate=tokseam.torch.generate(tokenizer)"
        )
    config = generation_config if generation_config is not None else model.generation_config
    if (config.num_beams or 1) > 1:
        raise ValueError(f"num_beams is {config.num_beams}: one cover is drawn, beams are none; use num_beams=1")
    bytes_model = _bytes_model(model, tokenizer, config)
    sampling = _Sampling(
        (1.0 if config.temperature is None else config.temperature) if config.do_sample else 0.0,
        1.0 if config.top_p is None else config.top_p,
        # The seed of torch decides.
        int(torch.randint(2**63 - 1, ())),
    )
    present = model_kwargs.get("attention_mask")
    sequences = _start(bytes_model, _prompts(input_ids, present), sampling, mask)
    reader, device = bytes_model._reader, input_ids.device
    lm: Any = bytes_model.lm
    fresh = [sequence for sequence, cut in sequences if cut]
    texts = [sequence for sequence, _ in sequences]
    while True:
        for sequence in fresh:
            ids = torch.tensor([sequence.ids], device=device)
            stops = stopping_criteria is not None and bool(stopping_criteria(ids, None).all())
            sequence.is_done = sequence.is_done or stops
        fresh = [sequence for sequence in texts if not sequence.is_done]
        if not fresh:
            break
        rows = iter(reader.sums.whole([sequence.ids for sequence in fresh if sequence.row is None]))
        for sequence in fresh:
            row = lm._normalized(torch.as_tensor(next(rows) if sequence.row is None else sequence.row))
            barred = _barred(reader.followers(sequence.stem), row)
            scores = row.float().masked_fill(barred, -torch.inf)[None].to(device)
            if logits_processor is not None:
                scores = logits_processor(torch.tensor([sequence.ids], device=device), scores)
            if bool(torch.isneginf(scores).all()):
                raise ModelError("the model and its processors give no probability to any token that may follow")
            id = int(torch.multinomial(scores.softmax(-1), 1)) if config.do_sample else int(scores.argmax())
            sequence.ids, sequence.row = (*sequence.ids, id), None
            sequence.is_done = id in bytes_model.lm.end_ids
            if not sequence.is_done and sequence.stem is not None:
                sequence.stem = sequence.stem.push(reader.kernel, id)
    pad = config.pad_token_id if config.pad_token_id is not None else next(iter(bytes_model.lm.end_ids), 0)
    length = max(len(sequence.ids) for sequence in texts)
    made = torch.tensor([[*text.ids, *[int(pad)] * (length - len(text.ids))] for text in texts], device=device)
    if config.return_dict_in_generate:
        host = _extras.load("transformers.generation.utils", "torch", "tokseam.torch")
        return host.GenerateDecoderOnlyOutput(sequences=made)
    return made


def _bytes_model(model: Any, tokenizer: Any, config: Any) -> ByteLM:
    if isinstance(tokenizer, ByteLM):
        if not isinstance(tokenizer.lm, TransformersLM) or tokenizer.lm._model is not model:
            raise ValueError("the ByteLM is not over the TransformersLM of this model")
        return tokenizer
    known = tokenizer if isinstance(tokenizer, Tokenizer) else Tokenizer.from_hf(tokenizer)
    ends = () if config.eos_token_id is None else config.eos_token_id
    return ByteLM(TransformersLM(model, end_ids=ends), known)


def _prompts(input_ids: Any, present: Any) -> list[list[int]]:
    """Return the ids of each prompt without padding before it."""
    prompts: list[list[int]] = input_ids.tolist()
    if present is not None and present.shape == input_ids.shape:
        firsts = (present != 0).int().argmax(dim=-1).tolist()
        prompts = [ids[first:] for ids, first in zip(prompts, firsts, strict=True)]
    return prompts


def _start(model: ByteLM, prompts: list[list[int]], sampling: _Sampling, mask: bool) -> list[tuple[_Sequence, int]]:
    """Draw the covers of the prompts' ends, with one call of the model; return with each what it has of new bytes."""
    tokenizer, reader = model.tokenizer, model._reader
    special = set(tokenizer.special_tokens.values())
    plans = []
    for ids in prompts:
        first = max((place + 1 for place, id in enumerate(ids) if id in special), default=0)
        data = b"".join(tokenizer.token_bytes(id) for id in ids[first:])
        before = reader.kernel.prefix()
        if data and not data.startswith(before):
            raise ValueError(
                f"the text of a prompt does not start with {before!r}, as every text of the tokenizer does"
            )
        plans.append(model.heal_plan(data[len(before) :], context_ids=ids[:first]))
    rows = reader.sums.whole([context for plan in plans for context in plan.contexts])
    sequences, place = [], 0
    for plan in plans:
        healed, stem, row = plan._draw(rows[place : place + len(plan.contexts)], sampling, reader.sums)
        place += len(plan.contexts)
        sequences.append((_Sequence(healed.ids, stem if mask else None, row), healed.cut))
    return sequences
