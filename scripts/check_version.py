"""Check that every place that states the version says the same, and that CHANGELOG.md has a section for a release.

python scripts/check_version.py            # the places agree
python scripts/check_version.py v0.1.0     # and are this version, of which the changelog tells
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def versions() -> dict[str, str]:
    """Return the version by the file that states it."""
    read = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("pyproject.toml", "Cargo.toml")}
    package = (ROOT / "python" / "tokseam" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', package, re.MULTILINE)
    return {
        "pyproject.toml": tomllib.loads(read["pyproject.toml"])["project"]["version"],
        "Cargo.toml": tomllib.loads(read["Cargo.toml"])["workspace"]["package"]["version"],
        "python/tokseam/__init__.py": found[1] if found else "none",
    }


def main() -> None:
    """Check."""
    found = versions()
    if len(set(found.values())) > 1:
        sys.exit(f"the versions differ: {found}")
    (version,) = set(found.values())
    for wanted in sys.argv[1:]:
        if wanted.removeprefix("v") != version:
            sys.exit(f"the tag is {wanted}, and the files say {version}")
        if f"\n## {version}" not in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"):
            sys.exit(f"CHANGELOG.md has no section {version}: rename Unreleased")
    print(version)


if __name__ == "__main__":
    main()
