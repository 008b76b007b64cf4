"""Say which lines of the Python facade, or of the Rust crates, no test reaches.

    python scripts/measure_coverage.py               # Python, over all tests; needs coverage 7.10 or newer
    python scripts/measure_coverage.py tests/test_cli.py tests/test_bench.py
    python scripts/measure_coverage.py --rust        # Rust, over the crates' own tests; needs cargo-llvm-cov

cargo-llvm-cov needs llvm-profdata and llvm-cov of the compiler's LLVM: `rustup component add llvm-tools`, or those of
the system, named by the variables LLVM_PROFDATA and LLVM_COV.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Measuring imports what this test forbids.
LEFT_OUT = "tests/test_cli.py::test_importing_is_light"
# Code in processes that the tests start counts too. What a type checker alone reads does not.
SETTINGS = """
[run]
source_pkgs = tokseam
parallel = true
data_file = {folder}/data
patch = subprocess
disable_warnings = no-data-collected,module-not-measured,couldnt-parse
[report]
exclude_also =
    if TYPE_CHECKING:
show_missing = true
skip_covered = true
"""


def python(tests: list[str]) -> int:
    """Measure the Python facade and print what is missing."""
    if importlib.util.find_spec("coverage") is None:
        sys.exit("this needs coverage: pip install 'coverage>=7.10'")
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "settings"
        settings.write_text(SETTINGS.format(folder=folder))
        coverage = [sys.executable, "-m", "coverage"]
        run = [*coverage, "run", f"--rcfile={settings}", "-m", "pytest", "-q"]
        run += ["--deselect", LEFT_OUT, *(tests or ["tests"])]
        code = subprocess.run(run, cwd=ROOT, check=False).returncode
        subprocess.run([*coverage, "combine", "--quiet", f"--rcfile={settings}"], cwd=ROOT, check=False)
        subprocess.run([*coverage, "report", f"--rcfile={settings}"], cwd=ROOT, check=True)
    return code


def rust() -> int:
    """Measure the crates and print a table of their files."""
    command = ["cargo", "llvm-cov", "--workspace", "--exclude", "tokseam-py", "--exclude", "tokseam-benches"]
    # The slow twins are compared on some drawn cases; more reach no other line.
    environment = {"PROPTEST_CASES": "16"} | dict(os.environ)
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rust", action="store_true", help="the crates instead of the Python facade")
    parser.add_argument("tests", nargs="*", help="only these tests")
    options = parser.parse_args()
    sys.exit(rust() if options.rust else python(options.tests))


if __name__ == "__main__":
    main()
