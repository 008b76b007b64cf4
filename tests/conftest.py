"""The settings of a test run. The tests run against the installed wheel, never against the sources beside them."""

import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sources import FULL, ROOT, SEED, compared

import tokseam
from tokseam import Tokenizer, _bundled

settings.register_profile(
    "tokseam",
    max_examples=2000 if FULL else 60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("tokseam")


def pytest_configure() -> None:
    # A shell has its jobs in the background ignore Ctrl-C, and what the tests start to be interrupted would do so too.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    where = Path(tokseam.__file__)
    if ROOT / "python" in where.parents:
        raise pytest.UsageError(f"the tests run against the installed wheel, not against {where.parent}: make test")


def pytest_report_header() -> str:
    volume = "full" if FULL else "CI"
    return f"tokseam {tokseam.__version__} of {Path(tokseam.__file__).parent}, seed {SEED}, {volume} volume"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if compared:
        terminalreporter.section("compared with other tokenizers")
        for name, size in sorted(compared.items()):
            terminalreporter.write_line(f"{name}: {size:,} bytes equal")
        terminalreporter.write_line(f"in all: {sum(compared.values()):,} bytes")


@pytest.fixture(scope="session")
def bundled() -> Tokenizer:
    return _bundled.tokenizer()
