"""Go through the kernels on the bundled text, vocabulary and model: each command is printed before what it prints."""

import json
import shlex
import subprocess
import sys
import tempfile
import time
from importlib.resources import as_file, files
from pathlib import Path

from tokseam import _bundled

STEPS = (
    ("Text to tokens and back", "tokseam encode 'Tokens meet at seams.'"),
    ("", "tokseam decode 6596 83 6207 509 373 1855 14"),
    ("What the bundled vocabulary is", "tokseam info"),
    ("Where its tokens begin and end", "tokseam show 'The seams of 12345 naïve tokens: 分词器, 👩‍👩‍👧.'"),
    ("", "tokseam count --file {text} --json"),
    (
        "Train a superword tokenizer on the bundled text",
        "tokseam train {text} -o {trained} --vocab-size 4000 --transition 3000",
    ),
    (
        "What it makes of a sentence, beside the bundled one, which saw more text",
        "tokseam show 'If the value of the argument is not a string, raise a TypeError.' -t {trained}",
    ),
    ("", "tokseam show 'If the value of the argument is not a string, raise a TypeError.'"),
    (
        "Complete code from the middle of a word, over all ways to cut it",
        "tokseam complete '    raise ValueErr' --max-bytes 3",
    ),
    ("", "tokseam complete 'return isinst' --max-bytes 5 --unit bytes"),
    ("", "tokseam score 'import numpy as np'"),
    ("Numbers with the order of magnitude of each triad", "tokseam numbers split 1234567.89"),
    ("", "tokseam numbers table 'Light takes 1.28 s for 384400 km, at 299792458 m/s.'"),
    ("Phantom edits: an answer that spells the same text in other tokens", "tokseam phantom --file {phantom}"),
    ("Every token of the bundled text, as a page", "tokseam show --file {text} --html {page} -t {trained}"),
)
WORD, PIECES = b"because", (b"be", b"cause")


def main() -> None:
    """Run the commands with the Python that runs this file."""
    folder = Path(tempfile.mkdtemp(prefix="tokseam-demo-"))
    page = folder / "tokens.html"
    names = {"page": page, "trained": folder / "trained.json", "phantom": folder / "rollouts.jsonl"}
    tokenizer = _bundled.tokenizer()
    before, after = [tokenizer.token_id(WORD)], [tokenizer.token_id(piece) for piece in PIECES]
    lines = [json.dumps(after), json.dumps({"before": before, "after": after})]
    names["phantom"].write_text("\n".join(lines) + "\n")
    start = time.perf_counter()
    with as_file(files("tokseam").joinpath("data", "demo.txt")) as text:
        for title, command in STEPS:
            if title:
                print(f"# {title}")
            line = command.format(text=text, **names)
            if "{phantom}" in command:
                print(f"$ cat {names['phantom']}", *lines, sep="\n")
            print(f"$ {line}", flush=True)
            subprocess.run([sys.executable, "-m", *shlex.split(line)], check=True)
            print()
    print(f"Open {page} in a browser to see the tokens in colour.")
    print(f"make demo took {time.perf_counter() - start:.0f} s.")


if __name__ == "__main__":
    main()
