"""What is released: sizes, licences, versions. `make wheel` installs the wheel itself in an empty environment."""

import importlib.util
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from sources import ROOT


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_sizes() -> None:
    """The wheel that was built, and its parts, keep to their limits."""
    wheels = sorted((ROOT / "dist").glob("*.whl"))
    if not wheels:
        pytest.skip("there is no wheel in dist: make test builds one")
    for part, (size, limit) in script("check_wheel").sizes(wheels[-1]).items():
        assert 0 < size <= limit, f"{part} has {size:.2f} MB, more than {limit} MB"


def test_a_part_that_is_too_large_is_seen(tmp_path: Path) -> None:
    check = script("check_wheel")
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as wheel:
        wheel.writestr("tokseam/_native.abi3.so", bytes(5_000_000))
        wheel.writestr("tokseam/data/demo.txt", bytes(1000))
    found = check.sizes(tmp_path / "x.whl")
    assert [part for part, (size, limit) in found.items() if size > limit] == ["native module"]
    assert found["wheel"][0] > 5


@pytest.mark.parametrize(
    ("expression", "met"),
    [
        ("MIT", True),
        ("MIT OR GPL-3.0-only", True),
        ("GPL-3.0-only OR (MIT AND Zlib)", True),
        ("MIT AND GPL-3.0-only", False),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("MIT/Apache-2.0", True),
        ("no licence", False),
        ("(MIT", False),
        ("", False),
    ],
)
def test_licence_expressions(expression: str, met: bool) -> None:
    check = script("check_licences")
    assert check.allowed(expression, check.ALLOWED) is met


def test_versions() -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / "scripts" / "check_version.py"), *words],
            capture_output=True,
            text=True,
            check=False,
        )

    assert run().returncode == 0
    wrong = run("v999.0.0")
    assert wrong.returncode == 1
    assert "v999.0.0" in wrong.stderr


def test_actions_are_pinned() -> None:
    uses = [
        line.split("uses:")[1].strip()
        for file in sorted((ROOT / ".github" / "workflows").glob("*.yml"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if "uses:" in line
    ]
    assert len(uses) > 10
    assert [one for one in uses if not re.fullmatch(r"\./\S+|\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)] == []
