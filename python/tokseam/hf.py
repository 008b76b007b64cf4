"""Tokenizers as those of Hugging Face."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokseam import _extras
from tokseam.errors import ExportError

if TYPE_CHECKING:
    import transformers

    from tokseam.tokenizer import Tokenizer

__all__ = ["to_fast"]


def to_fast(tokenizer: Tokenizer, **special: Any) -> transformers.PreTrainedTokenizerFast:
    """Return a fast tokenizer of transformers; see `Tokenizer.to_hf`."""
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
