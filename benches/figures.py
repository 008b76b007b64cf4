"""What the benches share: where figures are kept, the Rust benches, and the place of a table in a page.

All figures of a run lie in `benches/results/<date>-<cpu>.csv`, one a line. A bench that runs again replaces its part.
"""

import contextlib
import csv
import datetime
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benches" / "results"
sys.path.insert(0, str(ROOT / "tests"))

# What a figure is of, then the figure. Every other key of a row is the name of a figure, with its unit.
ABOUT = ("what", "vocabulary", "text", "bytes", "peer", "state")
COLUMNS = ("part", *ABOUT, "figure", "value", "equal", "note")

Row = dict[str, Any]


def cpu() -> str:
    """Return the name of the processor, as a part of a file name."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        name = found[1] if found else name
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def record(part: str, rows: Iterable[Row]) -> None:
    """Write the figures of a part into the file of today and this processor.

    Args:
        part: The name of the bench.
        rows: Each says by the keys of `ABOUT` what was measured, by `equal` what was compared, by `note` why there is
            no figure, and by all its other keys the figures. A figure that is None is left out.
    """
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{datetime.date.today()}-{cpu()}.csv"
    kept = [line for line in read(file) if line["part"] != part] if file.exists() else []
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted([*kept, *lines(part, rows)], key=lambda line: line["part"]))
    print(f"{part}: {file.relative_to(ROOT)}")


def lines(part: str, rows: Iterable[Row]) -> Iterator[dict[str, str]]:
    """Yield the lines of the file."""
    for row in rows:
        known = {name: str(row[name]) for name in (*ABOUT, "equal", "note") if row.get(name) not in (None, "")}
        about = {"part": part} | known
        figures = {name: value for name, value in row.items() if name not in COLUMNS and value is not None}
        if not figures:
            yield about
        for name, value in figures.items():
            yield about | {"figure": name, "value": f"{value:.6g}" if abs(value) < 1e6 else f"{value:.0f}"}


def read(file: Path) -> list[dict[str, str]]:
    """Return the lines of a file of figures."""
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def newest(part: str) -> Iterator[tuple[Path, list[dict[str, str]]]]:
    """Yield the files that have a part, the newest first, and the lines of the part."""
    for file in sorted(RESULTS.glob("*.csv"), reverse=True):
        found = [line for line in read(file) if line["part"] == part]
        if found:
            yield file, found


class Estimate(NamedTuple):
    """A figure of a Rust bench: bytes or elements of one pass, and the seconds it took."""

    group: str
    function: str
    size: int
    seconds: float


def in_rust(bench: str, files: Sequence[Path] = ()) -> list[Estimate]:
    """Run a Rust bench of this folder and return what it measured; nothing where there is no cargo."""
    if shutil.which("cargo") is None:
        print(f"left out the figures in Rust of {bench}: there is no cargo", file=sys.stderr)
        return []
    environment: Mapping[str, str] = os.environ | {"TOKSEAM_FILES": os.pathsep.join(map(str, files))}
    command = ["cargo", "bench", "--quiet", "-p", "tokseam-benches", "--bench", bench]
    start = time.time()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the Rust bench {bench} failed:\n{done.stderr}")
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    found = []
    for file in sorted((target / "criterion").glob("*/*/new/benchmark.json")):
        if file.stat().st_mtime < start:
            continue
        facts = json.loads(file.read_text())
        (size,) = facts["throughput"].values()
        nanoseconds = json.loads(file.with_name("estimates.json").read_text())["median"]["point_estimate"]
        found.append(Estimate(facts["group_id"], facts["function_id"], size, nanoseconds / 1e9))
    return found


def fill(page: str, name: str, table: str) -> str:
    """Return a page with a table in the place of that name.

    Raises:
        ValueError: The page has no such place.
    """
    place = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)
    filled, count = place.subn(lambda _: table.rstrip("\n") + "\n", page)
    if count != 1:
        raise ValueError(f"the page has {count} places <!-- {name} --> ... <!-- /{name} -->")
    return filled
