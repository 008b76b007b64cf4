"""Other versions of a package, each in an environment of its own under `tests/.cache`."""

import subprocess
import sys
import venv
from pathlib import Path

import vocabularies


def python_with(package: str, version: str) -> Path:
    """Return the Python of an environment that holds just this package; raise `Missing` where pip cannot get it."""
    folder = vocabularies.CACHE / "environments" / f"{package}-{version}"
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    ready = folder / "ready"
    if not ready.exists():
        venv.create(folder, clear=True, with_pip=False, symlinks=True)
        command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--only-binary", ":all:", f"{package}=={version}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        except subprocess.TimeoutExpired as error:
            raise vocabularies.Missing(f"{package}=={version}: the download took too long") from error
        if done.returncode:
            raise vocabularies.Missing(f"{package}=={version}: {done.stderr.strip().splitlines()[-1:]}")
        ready.touch()
    return python
