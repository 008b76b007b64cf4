"""Everything public says what it is: its docstring is there, and agrees with what it stands on.

The docstrings are read by griffe, which makes the pages of the reference from them.
"""

import builtins
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe
import pytest
from sources import ROOT

import tokseam
from tokseam import errors

PACKAGE = griffe.load(
    "tokseam", search_paths=[Path(tokseam.__file__).parents[1]], docstring_parser="google", resolve_aliases=True
)
MODULES = sorted(
    name
    for page in (ROOT / "docs" / "reference").glob("*.md")
    for name in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
)
DTYPE = re.compile(r"\b(?:u?int|float)\d+\b|\bbool\b|structured")


def public(name: str) -> Iterator[Any]:
    """Yield what a module says is public, and the public members of its classes, those of its bases among them."""
    module = PACKAGE[name.removeprefix("tokseam.")] if name != "tokseam" else PACKAGE
    for exported in module.exports or ():
        value = module[str(exported)]
        value = value.final_target if value.is_alias else value
        yield value
        if value.is_class:
            for member in value.all_members.values():
                target = member.final_target if member.is_alias else member
                if target.name.startswith("_") or not target.path.startswith("tokseam."):
                    continue
                # Fields and what `__init__` sets stand among the attributes of the class.
                if target.is_function or target.is_class or "property" in target.labels:
                    yield target


def documented(value: Any, kind: str) -> list[str]:
    """Return what the sections of a kind in a docstring name: of a class, also in that of its `__init__`."""
    docs = [value.docstring, *([value.members["__init__"].docstring] if "__init__" in value.members else [])]
    found = [section for doc in docs if doc is not None for section in doc.parsed if section.kind.value == kind]
    return [getattr(entry, "name", None) or str(entry.annotation) for section in found for entry in section.value]


def fields(value: Any) -> list[str] | None:
    """Return the fields of a class that is made of them."""
    if not value.is_class or not ("dataclass" in value.labels or "NamedTuple" in map(str, value.bases)):
        return None
    found = (member for member in value.members.values() if member.is_attribute and "property" not in member.labels)
    return [member.name for member in found if member.annotation is not None and not member.name.startswith("_")]


def faults(value: Any) -> Iterator[str]:
    """Yield what is wrong with a docstring."""
    if not value.has_docstring:
        yield "there is no docstring"
        return
    text = value.docstring.value
    if (wanted := fields(value)) is not None:
        if (given := documented(value, "attributes")) != wanted:
            yield f"its attributes are {given}, its fields {wanted}"
    elif value.is_function or value.is_class:
        wanted = [one.name for one in value.parameters if one.name not in ("self", "cls")]
        given = [name.lstrip("*") for name in documented(value, "parameters")]
        # What other calls make need not say how it is made.
        if given != wanted and (given or (value.is_function and len(wanted) > 1)):
            yield f"its arguments are {given}, its parameters {wanted}"
    for name in documented(value, "raises"):
        if not hasattr(builtins, name) and not hasattr(errors, name) and name != "Failure":
            yield f"it raises {name}, which is no error"
    returned = str(value.returns if value.is_function else value.annotation if value.is_attribute else "")
    if "NDArray" in returned and not ("shape" in text and DTYPE.search(text)):
        yield "it returns an array and does not say its shape and dtype"


@pytest.mark.parametrize("name", MODULES)
def test_docstrings_agree(name: str) -> None:
    found = list(public(name))
    assert found
    wrong = [f"{value.path}: {fault}" for value in found for fault in faults(value)]
    assert not wrong, "\n".join(wrong)
