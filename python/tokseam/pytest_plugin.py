"""The option `--tokseam FILE` of pytest: the checks of `tokseam.fuzz` on a tokenizer file, each as a test.

Without the option nothing here is imported or collected.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tokseam.fuzz.plan import Job


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("tokseam", "round trips of tokenizers")
    group.addoption(
        "--tokseam",
        action="append",
        default=[],
        metavar="FILE",
        help="Check this tokenizer file, or the one in this folder; may be given more than once.",
    )
    group.addoption(
        "--tokseam-engine", default="tokseam", metavar="NAME", help="What loads it: see `tokseam fuzz --help`."
    )
    group.addoption(
        "--tokseam-form", default=None, metavar="FORM", help="A text comes back in this form: NFC, NFD, NFKC or NFKD."
    )
    group.addoption("--tokseam-examples", type=_count, default=1000, metavar="N", help="Inputs for each check.")
    group.addoption("--tokseam-seed", type=int, default=0, metavar="N", help="Another seed draws other inputs.")


def _count(value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise argparse.ArgumentTypeError(f"{value!r} is no number of examples: give 1 or more")
    return int(value)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "tokseam: the checks of a file given with --tokseam.")


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the checks before the other tests.

    Raises:
        pytest.UsageError: A file cannot be loaded, or an option is wrong.
    """
    found: list[pytest.Item] = []
    for path in config.getoption("--tokseam"):
        file = _Tokenizer.from_parent(session, name=f"tokseam:{path}", nodeid=f"tokseam:{path}", file=path)
        try:
            checks = list(file.collect())
        except (OSError, ImportError, ValueError) as error:
            raise pytest.UsageError(f"--tokseam {path}: {error}") from error
        # So that they are counted as collected.
        config.hook.pytest_collectreport(report=pytest.CollectReport(file.nodeid, "passed", None, [*checks]))
        found += checks
    items[:0] = found


class _Tokenizer(pytest.Collector):
    """A tokenizer file."""

    def __init__(self, *, file: str, **options: Any) -> None:
        super().__init__(**options)
        self.file = file

    def collect(self) -> Iterator[pytest.Item]:
        from tokseam.fuzz import plan

        tokenizer = plan.load(self.file, self.config.getoption("--tokseam-engine"))
        expected = plan.normalizer(self.config.getoption("--tokseam-form"))
        for job in plan.jobs(tokenizer, expected=expected):
            check = _Check.from_parent(self, name=job.name, job=job)
            check.add_marker("tokseam")
            yield check


class _Check(pytest.Item):
    """One check, on drawn inputs."""

    def __init__(self, *, job: Job, **options: Any) -> None:
        super().__init__(**options)
        self.job = job

    def runtest(self) -> None:
        examples, seed = (self.config.getoption(f"--tokseam-{name}") for name in ("examples", "seed"))
        failure = self.job.run(examples=examples, seed=seed)
        if failure is not None:
            raise failure

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        from tokseam.fuzz import Failure

        return str(excinfo.value) if isinstance(excinfo.value, Failure) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.nodeid
