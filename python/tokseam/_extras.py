"""Packages that only some jobs need."""

import importlib
from typing import Any


class MissingExtraError(ImportError):
    """A package of an extra is not installed. The message says what installs it."""


def load(name: str, extra: str, job: str) -> Any:
    """Return a module, or say what installs it.

    Args:
        name: The module.
        extra: The extra of this package that brings it.
        job: What needs it.

    Raises:
        MissingExtraError: The module is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise MissingExtraError(f"{job} needs {package}: pip install 'tokseam[{extra}]'") from error
