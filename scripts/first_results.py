"""Time what a new user does on a clean clone: set-up, the demo, and the first result of every command.

    python scripts/first_results.py                # clones this repository and starts with `make setup`
    python scripts/first_results.py --here         # the installed tokseam alone, without a clone
    python scripts/first_results.py --docs         # also fills the table of docs/bench.md

Each command is a new process, run twice: the first time its files are read from disk, the second time they are in
memory. Times are of the wall. The texts are the bundled one and this repository's README; nothing is downloaded.
"""

import argparse
import datetime
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benches"))

from figures import cpu, fill  # noqa: E402

COMMANDS = (
    "tokseam --help",
    "tokseam info",
    "tokseam encode 'Tokens meet at seams.'",
    "tokseam decode 6596 83 6207",
    "tokseam count --file README.md",
    "tokseam show 'Tokens meet at seams.'",
    "tokseam train README.md -o trained.json --vocab-size 2000",
    "tokseam extend README.md -t trained.json -o extended.json --vocab-size 2100",
    "tokseam complete 'raise ValueErr' --max-bytes 3",
    "tokseam score 'import numpy as np'",
    "tokseam numbers split 1234567.89",
    "tokseam phantom --file ids.jsonl",
    "tokseam audit --json",
    "tokseam fuzz --examples 50 --check texts",
    "tokseam report README.md -o report.html",
    "tokseam bench trained.json README.md --repetitions 1",
)
IMPORT = (
    "import time; start = time.perf_counter(); import tokseam; tokseam.Tokenizer; print(time.perf_counter() - start)"
)


def seconds(words: list[str], folder: Path, environment: dict[str, str]) -> float:
    """Return the seconds that a command took; one that fails ends the run."""
    start = time.perf_counter()
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    passed = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{shlex.join(words)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return passed


def commands(folder: Path, python: Path) -> list[tuple[str, float, float]]:
    """Return each command with its first and its second time."""
    environment = dict(os.environ)
    (folder / "README.md").write_bytes((ROOT / "README.md").read_bytes())
    (folder / "ids.jsonl").write_text("[6596, 83, 6207]\n")
    rows = []
    for line in COMMANDS:
        words = [str(python), "-m", *shlex.split(line)]
        first, second = (seconds(words, folder, environment) for _ in range(2))
        rows.append((line, first, second))
        print(f"{first:7.2f} s {second:7.2f} s  {line}", flush=True)
    return rows


def imported(python: Path) -> float:
    """Return the seconds of `import tokseam` with `Tokenizer` and numpy, the best of five."""
    runs = [subprocess.run([python, "-c", IMPORT], capture_output=True, text=True, check=True) for _ in range(5)]
    return min(float(run.stdout) for run in runs)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--here", action="store_true", help="no clone: the tokseam of the Python that runs this")
    parser.add_argument("--docs", action="store_true", help="fill the table of docs/bench.md")
    options = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory() as name:
        folder, python = Path(name), Path(sys.executable)
        if not options.here:
            clone = folder / "tokseam"
            # What cargo and pip have downloaded before is used, as wherever something was built before.
            environment = {
                key: value for key, value in os.environ.items() if key not in ("CARGO_TARGET_DIR", "PYTHONPATH")
            }
            for what in (["git", "clone", "--quiet", str(ROOT), str(clone)], ["make", "setup"], ["make", "demo"]):
                passed = seconds(what, clone if clone.exists() else folder, environment)
                shown = "git clone" if what[0] == "git" else shlex.join(what)
                print(f"{passed:7.1f} s  {shown}", flush=True)
                lines.append(f"| `{shown}` | {passed:.0f} s | |")
            python = clone / ".venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
            # The extras of the commands that need more than `make setup` brings.
            needed = ["hypothesis", "matplotlib", "tokenizers"]
            subprocess.run([python, "-m", "pip", "install", "--quiet", *needed], check=True)
        best = imported(python)
        print(f"{1e3 * best:7.0f} ms  import tokseam")
        lines.append(f"| `import tokseam` with `Tokenizer` and numpy | {1e3 * best:.0f} ms | |")
        lines += [f"| `{line}` | {first:.2f} s | {second:.2f} s |" for line, first, second in commands(folder, python)]
    if options.docs:
        head = f"Taken {datetime.date.today()} on {cpu()}, {os.cpu_count()} cores.\n"
        table = "\n".join([head, "| command | first time | second time |", "|---|---:|---:|", *lines])
        page = ROOT / "docs" / "bench.md"
        page.write_text(fill(page.read_text(encoding="utf-8"), "first results", table), encoding="utf-8")


if __name__ == "__main__":
    main()
