"""Check the licences of what we depend on against a list of those that a wheel under the MIT licence may carry.

    python scripts/check_licences.py            # exit code 1 if a licence is not on the list
    python scripts/check_licences.py --verbose  # every package
    python scripts/check_licences.py --write    # writes the crates' own notices anew, after a change of Cargo.lock

Crates: all that are compiled into the wheel, from `cargo metadata`. Their licences want their notices to go with the
wheel: these lie in THIRD-PARTY-LICENSES, which must be what --write would write. Python packages: those that pip
installs with any extra of ours, as far as they are installed beside this Python; the others are named. Nothing of the
Python packages is in our wheel; they are listed since a user gets them through us.
"""

import argparse
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ALLOWED = {
    *("0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0"),
    *("ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "Python-2.0", "Unicode-3.0", "Unicode-DFS-2016", "Unlicense"),
    "Zlib",
}
# Packages of Python that a user chooses with an extra, and whose licence asks for something only of who passes them on.
ALLOWED_BESIDE = ALLOWED | {"CNRI-Python", "MPL-2.0"}
# Metadata from before licences were expressions.
SPELLINGS = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Apache Software License 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "BSD-3-Clause License": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "PSFL": "PSF-2.0",
}

NOTICES = ROOT / "THIRD-PARTY-LICENSES"
HEAD = """\
The native module of tokseam contains the Rust crates below, each under its own licence, of which the text follows its
name; where a crate may be had under several, it is used under that one. It also contains parts of the Rust standard
library (Copyright (c) The Rust Project Contributors), used under the MIT licence, with the text that follows the name
of the crate itoa. Written by scripts/check_licences.py --write.
"""


def allowed(expression: str, licences: set[str]) -> bool:
    """Return whether an SPDX expression can be met with some licences.

    Examples:
        >>> allowed("MIT OR GPL-3.0-only", {"MIT"}), allowed("MIT AND (Zlib OR ISC)", {"MIT"})
        (True, False)
    """
    words = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))
    place = 0

    def one() -> bool:
        nonlocal place
        word = words[place]
        place += 1
        if word == "(":
            met = either()
            place += 1
            return met
        if words[place : place + 1] == ["WITH"]:
            word = f"{word} WITH {words[place + 1]}"
            place += 2
        return word in licences

    def both() -> bool:
        nonlocal place
        met = one()
        while words[place : place + 1] == ["AND"]:
            place += 1
            met = one() and met
        return met

    def either() -> bool:
        nonlocal place
        met = both()
        while words[place : place + 1] == ["OR"]:
            place += 1
            met = both() or met
        return met

    try:
        return either() and place == len(words)
    except IndexError:
        return False


def crates() -> list[dict[str, Any]]:
    """Return the crates of others that are compiled into the wheel, by name, as `cargo metadata` describes them."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--manifest-path", str(ROOT / "Cargo.toml")]
    tree = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    packages = {package["id"]: package for package in tree["packages"]}
    nodes = {node["id"]: node for node in tree["resolve"]["nodes"]}
    (start,) = (id for id, package in packages.items() if package["name"] == "tokseam-py")
    seen, todo = {start}, [start]
    while todo:
        for dependency in nodes[todo.pop()]["deps"]:
            id = dependency["pkg"]
            # Without a kind it is no dependency of tests or of build scripts; a macro runs in the compiler.
            linked = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            macro = any("proc-macro" in target["kind"] for target in packages[id]["targets"])
            if id not in seen and linked and not macro:
                seen.add(id)
                todo.append(id)
    ours = (packages[id] for id in seen if packages[id]["source"] is not None)
    return sorted(ours, key=lambda package: (package["name"], package["version"]))


def notices(package: dict[str, Any]) -> str:
    """Return the texts of the licence under which a crate is used.

    Raises:
        SystemExit: the crate has no file of a licence.
    """
    folder = Path(package["manifest_path"]).parent
    there = sorted(file for file in folder.iterdir() if re.match("(?i)licen[cs]e|copying|notice", file.name))
    chosen = [file for file in there if "mit" in file.name.lower()]
    # What applies beside the choice, as the data of Unicode do.
    chosen += [file for file in there if re.search("(?i)unicode|notice", file.name)]
    if not (files := chosen or there):
        sys.exit(f"{package['name']} {package['version']} has no file of a licence: write its notice by hand")
    texts = (file.read_text(encoding="utf-8").replace("\r\n", "\n") for file in files)
    return "\n\n".join("\n".join(line.rstrip() for line in text.strip().splitlines()) for text in texts)


def third_party(found: list[dict[str, Any]]) -> str:
    """Return the notices of the crates."""
    parts = [HEAD]
    for package in found:
        title = f"{package['name']} {package['version']}"
        parts.append(f"{'=' * 80}\n{title} ({package['license']})\n{'=' * 80}\n\n{notices(package)}\n")
    return "\n".join(parts)


def named(distribution: importlib.metadata.Distribution) -> str:
    """Return the licence that a Python package states."""
    about: Any = distribution.metadata
    classifiers = [name.rpartition(" :: ")[2] for name in about.get_all("Classifier") or () if "License ::" in name]
    known = [SPELLINGS[name] for name in classifiers if name in SPELLINGS]
    stated = " ".join((about.get("License") or "").split())
    stated = SPELLINGS.get(stated, stated)
    if stated.startswith("MIT License Copyright") and "Permission is hereby granted, free of charge" in stated:
        stated = "MIT"
    # Any other whole text in the place of a name says nothing.
    short = stated if len(stated) < 100 else ""
    return about.get("License-Expression") or (" AND ".join(known) if known and not allowed(short, ALLOWED) else short)


def packages() -> Iterator[tuple[str, str | None]]:
    """Yield the Python packages that our extras bring, with their licences; None where one is not installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(one for more in project["optional-dependencies"].values() for one in more)]
    seen: set[str] = set()
    while wanted:
        requirement = wanted.pop()
        # What only an extra of theirs or another platform needs is left to them.
        name, _, marker = requirement.partition(";")
        found = re.match(r"[A-Za-z0-9._-]+", name)
        if found is None or "extra" in marker or "sys_platform" in marker or "platform_" in marker:
            continue
        key = re.sub(r"[-_.]+", "-", found[0]).lower()
        if key in seen or key == "tokseam":
            continue
        seen.add(key)
        try:
            distribution = importlib.metadata.distribution(key)
        except importlib.metadata.PackageNotFoundError:
            yield key, None
            continue
        wanted += distribution.requires or []
        yield f"{key} {distribution.version}", named(distribution) or "no licence"


def main() -> None:
    """Check and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verbose", action="store_true", help="print every package")
    parser.add_argument("--write", action="store_true", help=f"write {NOTICES.name}")
    options = parser.parse_args()
    inside = crates()
    text = third_party(inside)
    if options.write:
        NOTICES.write_text(text, encoding="utf-8")
    named_crates = [
        (f"{package['name']} {package['version']}", package["license"] or "no licence") for package in inside
    ]
    wrong, absent, counts = [], [], []
    for kind, found, licences in (
        ("crates in the wheel", named_crates, ALLOWED),
        ("Python packages beside it", list(packages()), ALLOWED_BESIDE),
    ):
        there = [(name, licence) for name, licence in found if licence is not None]
        absent += [name for name, licence in found if licence is None]
        wrong += [f"{name}: {licence}" for name, licence in there if not allowed(licence, licences)]
        counts.append(f"{len(there)} {kind}")
        if options.verbose:
            print("\n".join(f"{name}: {licence}" for name, licence in sorted(there)))
    print(f"licences of {', '.join(counts)} looked at; not installed here: {', '.join(sorted(absent)) or 'none'}")
    if wrong:
        sys.exit("not on the list of licences:\n" + "\n".join(wrong))
    if not NOTICES.exists() or NOTICES.read_text(encoding="utf-8") != text:
        sys.exit(f"{NOTICES.name} is not what the crates carry: python scripts/check_licences.py --write")


if __name__ == "__main__":
    main()
