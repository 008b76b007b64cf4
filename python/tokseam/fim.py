"""Prompts of fill-in-the-middle models: which special tokens stand around the prefix and the suffix.

In prefix-suffix-middle order (Bavarian et al. 2022, arXiv 2207.14255) the middle comes behind a special token, and the
prefix, the suffix and the middle were each cut into tokens by themselves. In suffix-prefix-middle order the middle goes
on directly behind the prefix. Special tokens are put in as ids, never as text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tokseam.tokenizer import Tokenizer

__all__ = ["TEMPLATES", "FimTemplate", "find"]


@dataclass(frozen=True)
class FimTemplate:
    """The form of a fill-in-the-middle prompt.

    Attributes:
        parts: The prompt from the start: literals of special tokens, and `"{prefix}"` and `"{suffix}"`. If it ends with
            `"{prefix}"`, the middle goes on behind the prefix.
        stops: Literals of special tokens that end the middle, beside the model's own; those that the tokenizer does
            not have are left out.

    Raises:
        ValueError: The parts do not have `"{prefix}"` and `"{suffix}"` once each.
    """

    parts: tuple[str, ...]
    stops: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("{prefix}", "{suffix}"):
            if self.parts.count(name) != 1:
                raise ValueError(f"a template has {name} once, but the parts are {self.parts}")

    @property
    def order(self) -> Literal["psm", "spm"]:
        """Whether the middle comes behind a special token, or behind the prefix."""
        return "spm" if self.parts[-1] == "{prefix}" else "psm"

    def ids(self, tokenizer: Tokenizer, prefix: tuple[int, ...], suffix: tuple[int, ...]) -> tuple[int, ...]:
        """Return the ids of a prompt.

        Args:
            tokenizer: The tokenizer of the model.
            prefix: The ids of the prefix.
            suffix: The ids of the suffix.

        Raises:
            ValueError: The tokenizer lacks one of the special tokens.
        """
        ids: list[int] = []
        for part in self.parts:
            if part == "{prefix}":
                ids += prefix
            elif part == "{suffix}":
                ids += suffix
            else:
                ids.append(_id(tokenizer, part))
        return tuple(ids)

    def stop_ids(self, tokenizer: Tokenizer) -> tuple[int, ...]:
        """Return the ids of the stops that the tokenizer has, and of the template's own special tokens.

        Args:
            tokenizer: The tokenizer of the model.
        """
        own = [part for part in self.parts if not part.startswith("{")]
        known = tokenizer.special_tokens
        return tuple(dict.fromkeys(known[literal] for literal in (*self.stops, *own) if literal in known))


def _id(tokenizer: Tokenizer, literal: str) -> int:
    id = tokenizer.special_tokens.get(literal)
    if id is None:
        id = tokenizer.token_id(literal)
    if id is None:
        raise ValueError(f"the tokenizer has no token {literal!r}: it does not belong to this template")
    return id


def _bars(name: str) -> str:
    """Return a special token as DeepSeek spells it."""
    return f"<｜fim▁{name}｜>"


_STARCODER = ("<|endoftext|>", "<file_sep>")
_QWEN = ("<|endoftext|>", "<|fim_pad|>", "<|file_sep|>", "<|repo_name|>", "<|im_end|>")
_GEMMA = ("<|file_separator|>", "<eos>")
_PLAIN = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")


def _psm(before: str, between: str, behind: str, *stops: str) -> FimTemplate:
    return FimTemplate((before, "{prefix}", between, "{suffix}", behind), stops)


def _spm(before: str, between: str, behind: str, *stops: str) -> FimTemplate:
    return FimTemplate((before, between, "{suffix}", behind, "{prefix}"), stops)


TEMPLATES: dict[str, FimTemplate] = {
    "starcoder": _psm("<fim_prefix>", "<fim_suffix>", "<fim_middle>", *_STARCODER),
    "starcoder-spm": _spm("<fim_prefix>", "<fim_suffix>", "<fim_middle>", *_STARCODER),
    "santacoder": _psm("<fim-prefix>", "<fim-suffix>", "<fim-middle>", "<|endoftext|>", "<fim-pad>"),
    "qwen2.5-coder": _psm(*_PLAIN, *_QWEN),
    "codegemma": _psm(*_PLAIN, *_GEMMA),
    "codellama": _psm("▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"),
    "codellama-spm": _spm("▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"),
    "deepseek-coder": FimTemplate(
        (_bars("begin"), "{prefix}", _bars("hole"), "{suffix}", _bars("end")),
        ("<｜end▁of▁sentence｜>",),
    ),
    "codestral": FimTemplate(("[SUFFIX]", "{suffix}", "[PREFIX]", "{prefix}"), ("</s>",)),
    "codegeex4": FimTemplate(
        ("<|code_suffix|>", "{suffix}", "<|code_prefix|>", "{prefix}", "<|code_middle|>"), ("<|endoftext|>",)
    ),
    # That of the bundled model.
    "tokseam": _psm(*_PLAIN, "<|endoftext|>"),
    "tokseam-spm": _spm(*_PLAIN, "<|endoftext|>"),
}
"""The templates by name: those of the models' own papers and cards. `-spm` has the prefix behind the suffix."""


def find(template: str | FimTemplate) -> FimTemplate:
    """Return a template by its name.

    Args:
        template: A name of `TEMPLATES`; a `FimTemplate` is returned as it is.

    Raises:
        ValueError: There is none of this name.
    """
    if isinstance(template, FimTemplate):
        return template
    if template not in TEMPLATES:
        raise ValueError(f"there is no template {template!r}: take one of {', '.join(TEMPLATES)}, or a FimTemplate")
    return TEMPLATES[template]
