"""Run the commands of the README on the bundled text and vocabulary, each printed before what it prints."""

import shlex
import subprocess
import sys
import tempfile
from importlib.resources import as_file, files
from pathlib import Path

COMMANDS = (
    "tokseam info",
    "tokseam encode 'Tokens meet at seams.'",
    "tokseam decode 6122 83 11947 542 377 1801 14",
    "tokseam show 'If the value of the argument is not a string, raise a TypeError.'",
    "tokseam show 'The seams of 12345 naïve tokens: 分词器, 👩‍👩‍👧.'",
    "tokseam count --file {text} --json",
    "tokseam show --file {text} --html {page}",
)


def main() -> None:
    """Run the commands with the Python that runs this file."""
    page = Path(tempfile.gettempdir()) / "tokseam-demo.html"
    with as_file(files("tokseam").joinpath("data", "demo.txt")) as text:
        for command in COMMANDS:
            line = command.format(text=text, page=page)
            print(f"$ {line}", flush=True)
            subprocess.run([sys.executable, "-m", *shlex.split(line)], check=True)
            print()
    print(f"Open {page} in a browser to see every token of the bundled text.")


if __name__ == "__main__":
    main()
