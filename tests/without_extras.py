"""What tokseam does where only numpy is installed: it works, or it says which extra is missing and how to get it.

    python tests/without_extras.py

Run it with a Python that has tokseam and numpy alone, as `scripts/check_wheel.py` does. It prints a line for each
module, call and command, and exits with 1 if one is wrong. `tests/test_extras.py` runs it with all optional packages
hidden.
"""

import contextlib
import functools
import importlib
import importlib.metadata
import io
import pkgutil
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Loaded only by what is itself the extra: the command behind its guard, and pytest.
HOSTED = ("tokseam.cli.", "tokseam.pytest_plugin", "tokseam.__main__")
COMMANDS = (
    *("info", "encode", "decode", "count", "show", "train", "extend", "complete", "score", "numbers", "audit"),
    *("fuzz", "phantom", "report", "bench", "--help"),
)
IMPORT = (
    "import time as t; start = t.perf_counter(); import tokseam; tokseam.Tokenizer; print(t.perf_counter() - start)"
)
INSTALL = re.compile(r"pip install '?(tokseam\[(\w+)\]|sentencepiece)'?")

Problem = str | None


def extras() -> set[str]:
    """Return the extras that the installed package declares."""
    return set(importlib.metadata.metadata("tokseam").get_all("Provides-Extra") or ())


def refuses(call: Callable[[], Any], extra: str) -> Problem:
    """Return what is wrong with the error of a call that needs an extra, None if nothing is."""
    try:
        call()
    except ImportError as error:
        found = INSTALL.search(str(error))
        if found is None:
            return f"says no command: {error}"
        named = found[2] or found[1]
        known = named == "sentencepiece" or named in extras()
        return None if named == extra and known else f"names {named}, not {extra}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "worked"


def calls(folder: Path) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """Yield the public calls that need an extra: a name, the extra, the call."""
    from tokseam import _bundled, fuzz, superbpe
    from tokseam.fuzz import plan
    from tokseam.hf import CanonicalLogitsProcessor

    tokenizer = _bundled.tokenizer()
    text = folder / "text.txt"
    text.write_text("text\n")
    counts = superbpe.PretokenCounts("superbpe")
    yield "Ragged.to_arrow", "train", lambda: tokenizer.encode_batch(["a"]).to_arrow()
    yield "Tokenizer.to_hf", "hf", tokenizer.to_hf
    yield "Tokenizer.to_tiktoken", "tiktoken", lambda: tokenizer.to_tiktoken("x")
    yield "CanonicalLogitsProcessor", "torch", lambda: CanonicalLogitsProcessor(tokenizer)
    yield "tokseam.torch", "torch", lambda: importlib.import_module("tokseam.torch")
    yield "superbpe.files", "train", lambda: list(superbpe.files(folder / "text.txt.gz"))
    yield "PretokenCounts.to_arrow", "train", counts.to_arrow
    yield (
        "superbpe.train, progress=True",
        "cli",
        lambda: superbpe.train(["text"], vocab_size=257, transition=257, progress=True),
    )
    yield "fuzz.texts", "fuzz", lambda: fuzz.texts()
    yield "fuzz.numbers", "fuzz", lambda: fuzz.numbers()
    yield "fuzz.token_ids", "fuzz", lambda: fuzz.token_ids(tokenizer)
    yield "fuzz.resegmentations", "fuzz", lambda: fuzz.resegmentations(tokenizer)
    yield "fuzz.find_failure", "fuzz", lambda: fuzz.find_failure(print, None)  # type: ignore[arg-type]
    yield "fuzz.jobs", "fuzz", lambda: list(fuzz.jobs(tokenizer))
    for engine, extra in (("tokenizers", "hf"), ("transformers", "hf"), ("sentencepiece", "sentencepiece")):
        yield f"the engine {engine}", extra, functools.partial(plan.load, text, engine)


def works() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what needs nothing but numpy: a name and a call."""
    from tokseam import Tokenizer, _bundled, bytelm, fuzz, phantom, superbpe, triadic

    tokenizer = _bundled.tokenizer()
    text = "Tokens meet at seams: naïve 数字 12345.\r\n"
    ids = tokenizer.encode(text)
    yield "encode and decode", lambda: tokenizer.decode(ids) == text
    yield "batches", lambda: tokenizer.decode_batch(tokenizer.encode_batch([text, ""])) == [text, ""]
    yield "to_json", lambda: Tokenizer.from_json(tokenizer.to_json()) == tokenizer
    yield "show", lambda: "<" in tokenizer.show(text).to_page("x")
    yield "superbpe.train", lambda: superbpe.train(["a b c " * 9], vocab_size=260, transition=258).tokenizer.count("a")
    yield "triadic", lambda: triadic.restore(triadic.annotate(text)) == text
    yield "phantom", lambda: phantom.judge(ids, tokenizer).state == "canonical"
    yield "bytelm", lambda: bytelm.ByteLM(*bytelm.bundled()).generate("raise ValueErr", max_bytes=3, temperature=0).text
    yield "fuzz.audit", lambda: fuzz.audit(tokenizer).vocab_size == tokenizer.vocab_size


def modules() -> Iterator[tuple[str, Problem]]:
    """Yield each module, and what is wrong with how it imports."""
    import tokseam

    for _, name, _ in pkgutil.walk_packages(tokseam.__path__, "tokseam."):
        if name.startswith(HOSTED):
            continue
        try:
            importlib.import_module(name)
        except ImportError as error:
            yield name, None if INSTALL.search(str(error)) else f"{type(error).__name__}: {error}"
        else:
            yield name, None


def command(words: list[str]) -> Problem:
    """Return what is wrong with a command without its extra."""
    from tokseam.cli import main

    out, err = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, ["tokseam", *words]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main()
    finally:
        sys.argv = before
    if code != 2 or out.getvalue() or "pip install 'tokseam[cli]'" not in err.getvalue():
        return f"exit code {code}, {out.getvalue()!r}, {err.getvalue()!r}"
    return None


def check() -> Iterator[tuple[str, Problem]]:
    """Yield everything that is checked, and what is wrong with it."""
    for name, problem in modules():
        yield f"import {name}", problem
    for name, works_call in works():
        try:
            yield name, None if works_call() else "gave something else"
        except Exception as error:
            yield name, f"{type(error).__name__}: {error}"
    with tempfile.TemporaryDirectory() as folder:
        for name, extra, call in calls(Path(folder)):
            yield f"{name} asks for {extra}", refuses(call, extra)
    for word in COMMANDS:
        yield f"tokseam {word}", command([word])


def main() -> None:
    """Print everything."""
    seconds = [
        float(subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    ]
    print(f"import tokseam, with Tokenizer and numpy: {1e3 * min(seconds):.0f} ms")
    wrong = 0
    for name, problem in check():
        wrong += problem is not None
        print(f"{'ok   ' if problem is None else 'WRONG'} {name}{'' if problem is None else ': ' + problem}")
    sys.exit(int(wrong > 0))


if __name__ == "__main__":
    main()
