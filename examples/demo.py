"""Run the commands of the README on the bundled text, vocabulary and model, each printed before what it prints."""

import json
import shlex
import subprocess
import sys
import tempfile
import time
from importlib.resources import as_file, files
from pathlib import Path

from tokseam import _bundled

COMMANDS = (
    "tokseam info",
    "tokseam encode 'Tokens meet at seams.'",
    "tokseam decode 6122 83 11947 542 377 1801 14",
    "tokseam show 'If the value of the argument is not a string, raise a TypeError.'",
    "tokseam show 'The seams of 12345 naïve tokens: 分词器, 👩‍👩‍👧.'",
    "tokseam count --file {text} --json",
    "tokseam train {text} -o {trained} --vocab-size 4000 --transition 3000",
    "tokseam show 'If the value of the argument is not a string, raise a TypeError.' -t {trained}",
    "tokseam complete 'raise ValueErr' --max-bytes 3",
    "tokseam complete 'return isinst' --max-bytes 5 --unit bytes",
    "tokseam score 'import numpy as np'",
    "tokseam numbers split 1234567.89",
    "tokseam phantom --file {phantom}",
    "tokseam show --file {text} --html {page}",
)
# "be" and "cause", where the tokenizer writes "because": the same text, and another input to a model.
PHANTOM = ("be", "cause")


def main() -> None:
    """Run the commands with the Python that runs this file."""
    folder = Path(tempfile.gettempdir())
    page = folder / "tokseam-demo.html"
    names = {"page": page, "trained": folder / "tokseam-demo.json", "phantom": folder / "tokseam-demo.jsonl"}
    tokenizer = _bundled.tokenizer()
    names["phantom"].write_text(json.dumps([tokenizer.token_id(token) for token in PHANTOM]) + "\n")
    start = time.perf_counter()
    with as_file(files("tokseam").joinpath("data", "demo.txt")) as text:
        for command in COMMANDS:
            line = command.format(text=text, **names)
            print(f"$ {line}", flush=True)
            subprocess.run([sys.executable, "-m", *shlex.split(line)], check=True)
            print()
    print(f"All of this took {time.perf_counter() - start:.0f} s.")
    print(f"Open {page} in a browser to see every token of the bundled text.")


if __name__ == "__main__":
    main()
