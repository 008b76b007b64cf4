"""Check a built wheel: its size, and that it works in an empty environment where pip brings numpy and nothing else.

    python scripts/check_wheel.py dist/*.whl            # what `make wheel` runs
    python scripts/check_wheel.py --sdist dist/*.tar.gz # builds the sdist, compiling all of it, and checks that wheel

Limits are in megabytes of what is downloaded: of the wheel, and of its parts as they lie packed in it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
WHEEL = 15.0
# What in the wheel may have how many megabytes.
LIMITS = {
    "native module": (4.0, ("_native.abi3.so", "_native.pyd")),
    "model": (7.5, (".safetensors",)),
    "tokenizers": (1.0, ("tokenizer.json.gz",)),
    "corpus": (1.0, (".txt",)),
}
# What goes with it, in the folder of its licences.
NOTICES = ("LICENSE", "THIRD-PARTY-LICENSES", "NOTICE")


def sizes(wheel: Path) -> dict[str, tuple[float, float]]:
    """Return megabytes and their limit, of the wheel and of its parts."""
    found = {"wheel": (wheel.stat().st_size / 1e6, WHEEL)}
    with zipfile.ZipFile(wheel) as archive:
        files = {info.filename: info.compress_size for info in archive.infolist() if ".dist-info/" not in info.filename}
    for part, (limit, endings) in LIMITS.items():
        found[part] = sum(size for name, size in files.items() if name.endswith(endings)) / 1e6, limit
    return found


def install(what: Path, folder: Path) -> Path:
    """Return the Python of an empty environment with a wheel or an sdist in it."""
    venv.create(folder, clear=True, with_pip=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", str(what.resolve())], check=True)
    listed = subprocess.run([*pip, "list", "--format=json"], capture_output=True, text=True, check=True)
    names = {row["name"] for row in json.loads(listed.stdout)} - {"pip", "setuptools"}
    if names != {"tokseam", "numpy"}:
        sys.exit(f"pip brought {', '.join(sorted(names))}: numpy alone is wanted")
    return python


def main() -> None:
    """Check and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="the wheel, or the sdist")
    parser.add_argument("--sdist", action="store_true", help="the file is an sdist: build it first")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheel: Path = options.file
        if options.sdist:
            command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, str(wheel)]
            subprocess.run(command, check=True)
            (wheel,) = Path(folder).glob("*.whl")
        print(wheel.name)
        found = sizes(wheel)
        for part, (size, limit) in found.items():
            print(f"{part}: {size:.2f} of {limit:g} MB")
        with zipfile.ZipFile(wheel) as archive:
            print(f"unpacked: {sum(info.file_size for info in archive.infolist()) / 1e6:.2f} MB")
            there = {Path(name).name for name in archive.namelist() if ".dist-info/licenses/" in name}
        python = install(wheel, Path(folder) / "environment")
        done = subprocess.run(
            [str(python), str(ROOT / "tests" / "without_extras.py")], cwd=folder, capture_output=True, text=True
        )
        lines = done.stdout.splitlines()
        print("\n".join([*lines[:1], *(line for line in lines if "WRONG" in line)]))
        print(f"{sum(line.startswith('ok') for line in lines)} modules, calls and commands right with numpy alone")
        large = [part for part, (size, limit) in found.items() if not 0 < size <= limit]
        absent = [f"no {name}" for name in NOTICES if name not in there]
        if done.returncode or large or absent:
            sys.exit(f"wrong: {', '.join(large + absent) or done.stderr or 'see above'}")


if __name__ == "__main__":
    main()
