"""Say which parts of the Python package and of the Rust crates no test reaches, and write that into docs/coverage.md.

    python scripts/measure_coverage.py                    # what `make coverage` runs: all tests
    python scripts/measure_coverage.py tests/test_cli.py  # the crates' own tests and these alone; writes no page
    python scripts/measure_coverage.py --report           # the page anew, from what was measured last

Both languages are measured in one run: the crates are compiled with counters, their own tests run, and the Python tests
run against a wheel of the same build, since much of the Rust is reached from Python alone. Each file of Python tests is
a process of its own. It needs coverage 7.10 or newer, maturin, and llvm-profdata and llvm-cov of the compiler's LLVM:
`rustup component add llvm-tools`, or those of the system (`llvm-cov-22`), or named by LLVM_PROFDATA and LLVM_COV.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
WORK = ROOT / "target" / "coverage"
SITE = WORK / "site"
PAGE = ROOT / "docs" / "coverage.md"
CRATES = ["--workspace", "--exclude", "tokseam-benches"]
# Measuring imports what the first forbids, and takes longer than the second allows.
LEFT_OUT = ["tests/test_cli.py::test_importing_is_light", "tests/test_triadic.py::test_time_is_linear"]
# Code in processes that the tests start counts too, wherever they find the package; what a type checker alone reads
# does not.
SETTINGS = f"""
[run]
source_pkgs = tokseam
parallel = true
data_file = {WORK}/python/data
patch = subprocess
disable_warnings = no-data-collected,module-not-measured,couldnt-parse
[paths]
source =
    target/coverage/site/tokseam
    */site-packages/tokseam
[report]
exclude_also =
    if TYPE_CHECKING:
"""
# Why lines of a function stay that no test reaches: a file, a function, and the reason.
WHY = {
    ("python/tokseam/_arrow.py", "texts"): "a pyarrow that is older than the column",
    ("python/tokseam/cli/app.py", "run"): "Typer leaves by SystemExit",
    ("python/tokseam/datatrove.py", "DocumentTokenizer.tokenizer"): "an error of another library is passed on",
    ("python/tokseam/hf.py", "CanonicalLogitsProcessor._bits"): "tests/gpu alone has such a device",
    ("python/tokseam/hf.py", "CanonicalLogitsProcessor._unpacked"): "tests/gpu alone has such a device",
    ("rust/bpe/src/admissible/mod.rs", "State::branches"): "benches/admissible.py alone asks",
    ("rust/bpe/src/admissible/mod.rs", "State::size"): "benches/admissible.py alone asks",
    ("rust/bpe/src/admissible/mod.rs", "Tokenizer::largest_state"): "benches/admissible.py alone asks",
    ("rust/py/src/bpe.rs", "Tokenizer::largest_state"): "benches/admissible.py alone asks",
    ("rust/bpe/src/byte_alphabet.rs", "is_itself"): "runs in the compiler",
    ("rust/bpe/src/encoder/memory.rs", "Table::mapped"): "the system has no memory to map",
    ("rust/bpe/src/tokenizer.rs", "Tokenizer::new"): "more merges than 31 bits count",
    ("rust/bpe/src/vocab.rs", "Vocab::new"): "tokens of 4 GiB together",
    ("rust/bytetoken/src/heads.rs", "Heads::is_empty"): "Clippy wants it beside `len`",
    ("rust/bytetoken/src/plan.rs", "Plan::is_empty"): "Clippy wants it beside `len`",
    ("rust/py/src/bpe.rs", "the module itself"): "PyO3 makes it",
    ("rust/py/src/bytetoken.rs", "the module itself"): "PyO3 makes it",
    ("rust/py/src/phantom.rs", "the module itself"): "PyO3 makes it",
    ("rust/py/src/superbpe.rs", "the module itself"): "PyO3 makes it",
    ("rust/superbpe/src/merger.rs", "Candidate::eq"): "`Ord` wants it",
    ("rust/superbpe/src/merger.rs", "Sequences::push"): "more tokens than 31 bits count",
    ("rust/superbpe/src/records.rs", "Name::expecting"): "JSON has no other names than texts",
    ("rust/superbpe/src/tokens.rs", "Tokens::is_empty"): "Clippy wants it beside `len`",
    ("rust/triadic/src/annotate.rs", "markers"): "runs in the compiler",
}


class File(NamedTuple):
    """What was measured of a file: lines that can run, how many a test reached, and the others by function."""

    name: str
    lines: int
    reached: int
    left: dict[str, list[int]]


def tool(name: str) -> str:
    """Return the path of one of LLVM's tools that fits the compiler.

    Raises:
        SystemExit: there is none.
    """
    version = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    major = version.partition("LLVM version: ")[2].partition(".")[0]
    libraries = subprocess.run(["rustc", "--print", "target-libdir"], capture_output=True, text=True, check=True).stdout
    own = Path(libraries.strip()).parent / "bin" / name
    named = os.environ.get(name.upper().replace("-", "_"))
    found = named or (str(own) if own.exists() else shutil.which(f"{name}-{major}"))
    return found or sys.exit(f"this needs {name} of LLVM {major}: rustup component add llvm-tools")


def environment() -> dict[str, str]:
    """Return the variables under which our own crates, and they alone, are compiled with counters."""
    wrapper = WORK / "rustc"
    text = '#!/bin/sh\nexec "$@" -Cinstrument-coverage\n'
    # Written once: a newer one would compile everything anew.
    if not wrapper.exists() or wrapper.read_text() != text:
        WORK.mkdir(parents=True, exist_ok=True)
        wrapper.write_text(text)
        wrapper.chmod(0o755)
    return os.environ | {
        "RUSTC_WORKSPACE_WRAPPER": str(wrapper),
        "CARGO_TARGET_DIR": str(WORK / "build"),
        "CARGO_PROFILE_RELEASE_LTO": "off",
        "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
        "CARGO_PROFILE_RELEASE_STRIP": "none",
        "CARGO_PROFILE_RELEASE_DEBUG": "0",
        # A file for each program; its processes add to it.
        "LLVM_PROFILE_FILE": str(WORK / "rust" / "%m.profraw"),
        # The slow twins are compared on some drawn cases; more reach no other line.
        "PROPTEST_CASES": os.environ.get("PROPTEST_CASES", "16"),
    }


def run(command: list[str], env: dict[str, str]) -> bool:
    """Run a command in the repository, and say if it went wrong."""
    start = time.perf_counter()
    code = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode
    said = " ".join([*command[:4], command[-1]])
    print(f"{time.perf_counter() - start:6.0f} s, exit {code}: {said}", file=sys.stderr)
    return code == 0


def measure(tests: list[str]) -> bool:
    """Build, run the tests, and leave what was reached in the folder; return whether all passed."""
    maturin = shutil.which("maturin", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if maturin is None:
        sys.exit("this needs maturin: pip install 'maturin>=1.14,<2'")
    tool("llvm-cov")
    env = environment()
    for kind in ("rust", "python", "dist"):
        shutil.rmtree(WORK / kind, ignore_errors=True)
        (WORK / kind).mkdir()
    settings = WORK / "settings"
    settings.write_text(SETTINGS)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", str(SITE)]
    if not run([maturin, "build", "--release", "--locked", "--quiet", "--out", str(WORK / "dist")], env):
        sys.exit("the wheel does not build")
    # pip leaves what a newer wheel no longer has.
    shutil.rmtree(SITE, ignore_errors=True)
    if not run([*pip, *map(str, (WORK / "dist").glob("*.whl"))], env):
        sys.exit("the wheel does not install")
    passed = run(["cargo", "test", "--release", *CRATES, "--lib", "--tests", "--quiet"], env)
    env |= {"PYTHONPATH": os.pathsep.join([str(SITE), *filter(None, [os.environ.get("PYTHONPATH")])])}
    coverage = [sys.executable, "-m", "coverage", "run", f"--rcfile={settings}", "-m", "pytest", "-q"]
    files = tests or sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").glob("**/test_*.py"))
    for file in files:
        passed &= run([*coverage, *(f"--deselect={one}" for one in LEFT_OUT), file], env)
    return passed


def python() -> Iterator[File]:
    """Yield what was measured of each file of the Python package."""
    coverage = [sys.executable, "-m", "coverage"]
    (WORK / "settings").write_text(SETTINGS)
    settings = f"--rcfile={WORK / 'settings'}"
    if any((WORK / "python").glob("data.*")):
        subprocess.run([*coverage, "combine", "--append", "--quiet", settings], cwd=ROOT, check=True)
    found = WORK / "python" / "report.json"
    subprocess.run([*coverage, "json", "--quiet", settings, "-o", str(found)], cwd=ROOT, check=True)
    for name, about in sorted(json.loads(found.read_text())["files"].items()):
        left = {
            function or "the module itself": part["missing_lines"]
            for function, part in about["functions"].items()
            if part["missing_lines"]
        }
        summary = about["summary"]
        inside = Path(name).relative_to(SITE.relative_to(ROOT)).as_posix()
        yield File(f"python/{inside}", summary["num_statements"], summary["covered_lines"], left)


def objects() -> list[str]:
    """Return the programs and the module with counters."""
    command = ["cargo", "test", "--release", *CRATES, "--lib", "--tests", "--no-run", "--message-format=json"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
    programs = [json.loads(line).get("executable") for line in done.stdout.splitlines()]
    return [*filter(None, programs), *map(str, (SITE / "tokseam").glob("_native.*[od]"))]


def rust() -> Iterator[File]:
    """Yield what was measured of each file of the crates; modules of tests in them do not count."""
    profile = WORK / "rust" / "all.profdata"
    raw = [str(path) for path in (WORK / "rust").glob("*.profraw")]
    subprocess.run([tool("llvm-profdata"), "merge", "-sparse", *raw, "-o", str(profile)], check=True)
    first, *others = objects()
    command = [tool("llvm-cov"), "export", "-format=lcov", f"-instr-profile={profile}", first]
    command += [f"-object={other}" for other in others]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    counts: dict[str, dict[int, int]] = {}
    for line in lines:
        kind, _, value = line.partition(":")
        if kind == "SF":
            counts[value] = {}
            here = counts[value]
        elif kind == "DA":
            number, count = map(int, value.split(",")[:2])
            here[number] = here.get(number, 0) + count
    for path, found in sorted(counts.items()):
        file = Path(path)
        if ROOT / "rust" not in file.parents or "tests" in (file.stem, file.parent.name):
            continue
        text = file.read_text(encoding="utf-8").splitlines()
        tests = [
            number for number, line in enumerate(text, 1) if line.strip() == "#[cfg(test)]" and "{" in text[number]
        ]
        end = tests[0] if tests else len(text) + 1
        inside = {number: count for number, count in found.items() if number < end}
        names = functions(text)
        left: dict[str, list[int]] = {}
        for number in sorted(number for number, count in inside.items() if not count):
            left.setdefault(names[number - 1], []).append(number)
        yield File(file.relative_to(ROOT).as_posix(), len(inside), sum(count > 0 for count in inside.values()), left)


def functions(text: list[str]) -> list[str]:
    """Return for each line of Rust the function that began last, with its type."""
    kind = name = ""
    out = []
    for line in text:
        if found := re.match(r"(?:pub(?:\(\w+\))? )?(?:impl(?:<.*?>)? (?:.*? for )?([\w:]+)|trait (\w+))", line):
            kind = (found[1] or found[2]).rpartition(":")[2]
        elif found := re.match(r"( *)(?:pub(?:\([\w ]+\))? )?(?:const |unsafe )*fn (\w+)", line):
            name = f"{kind}::{found[2]}" if found[1] and kind else found[2]
        elif line == "}":
            out.append(name)
            kind = name = ""
            continue
        out.append(name or "the module itself")
    return out


def table(files: list[File], part: str) -> list[str]:
    """Return the lines of a table of parts: the crates, or the modules."""
    lines: Counter[str] = Counter()
    reached: Counter[str] = Counter()
    for file in files:
        place = file.name.split("/")
        name = "/".join(place[:2]) if part == "crate" else "/".join(place[2:3] if len(place) > 3 else place[2:])
        for key in (name, "in all"):
            lines[key] += file.lines
            reached[key] += file.reached
    rows = [f"| {part} | lines | reached | part |", "|---|---:|---:|---:|"]
    for name in sorted(lines, key=lambda name: (name == "in all", name)):
        rows.append(
            f"| {name} | {lines[name]:,} | {reached[name]:,} | {100 * reached[name] / max(lines[name], 1):.1f} % |"
        )
    return rows


def page(of_python: list[File], of_rust: list[File]) -> str:
    """Return the page."""
    out = [
        "# Coverage",
        "",
        "What `make coverage` measured: the lines that can run, those that some test reached, and the functions that",
        "have lines that none did, with the number of these lines and, where it is known, why no test can. Written by",
        f"`scripts/measure_coverage.py` on {date.today()}.",
    ]
    for title, part, files in (("Python", "module", of_python), ("Rust", "crate", of_rust)):
        out += ["", f"## {title}", "", *table(files, part), ""]
        for file in files:
            if file.left:
                inside = ", ".join(
                    f"`{name}` {len(numbers)}" + (f" ({why})" if (why := WHY.get((file.name, name))) else "")
                    for name, numbers in sorted(file.left.items())
                )
                out.append(f"- `{file.name}`: {inside}")
    return "\n".join(out) + "\n"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", action="store_true", help="measure nothing anew")
    parser.add_argument("tests", nargs="*", help="only these Python tests")
    options = parser.parse_args()
    passed = options.report or measure(options.tests)
    of_python, of_rust = list(python()), list(rust())
    for file in (*of_python, *of_rust):
        for name, numbers in file.left.items():
            print(f"{file.name}: {name}: {', '.join(map(str, numbers))}")
    for title, part, files in (("Python", "module", of_python), ("Rust", "crate", of_rust)):
        print(f"\n{title}\n" + "\n".join(table(files, part)))
    if not options.tests:
        PAGE.write_text(page(of_python, of_rust), encoding="utf-8")
    if not passed:
        sys.exit("some tests failed")


if __name__ == "__main__":
    main()
