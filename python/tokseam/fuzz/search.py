"""The search for an input that fails a check, and for the smallest such input."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, TypeVar

from tokseam import _extras
from tokseam.fuzz.checks import Failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

__all__ = ["find_failure"]

T = TypeVar("T")


def find_failure(
    check: Callable[[T], None], strategy: SearchStrategy[T], *, examples: int = 1000, seed: int = 0
) -> Failure | None:
    """Return the failure of the smallest input that fails a check, None if none of the drawn ones does.

    Args:
        check: What raises `Failure`.
        strategy: Where inputs come from.
        examples: How many are drawn.
        seed: The same seed draws the same inputs.

    Raises:
        ImportError: hypothesis is not installed.
    """
    hypothesis = _extras.load("hypothesis", "fuzz", "find_failure")
    settings = hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )

    def failure(value: T) -> Failure | None:
        try:
            check(value)
        except Failure as error:
            return error
        return None

    try:
        found = hypothesis.find(
            strategy, lambda value: failure(value) is not None, settings=settings, random=random.Random(seed)
        )
    except hypothesis.errors.NoSuchExample:
        return None
    # Pieces have shrunk; now their characters.
    if isinstance(found, (str, list)):
        found = _shrink(found, lambda value: failure(value) is not None)
    return failure(found)


def _shrink(value: Any, fails: Callable[[Any], bool]) -> Any:
    """Take parts of a text or a list out, the large ones first, as long as it fails."""
    size = len(value)
    while size:
        start = 0
        while start < len(value):
            shorter = value[:start] + value[start + size :]
            if len(shorter) < len(value) and fails(shorter):
                value = shorter
            else:
                start += size
        size //= 2
    return value
