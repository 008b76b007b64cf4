"""Where a command takes its model from."""

from pathlib import Path
from typing import Annotated

import typer

from tokseam import Tokenizer
from tokseam.bytelm import ByteLM, bundled
from tokseam.numpy_lm import NumpyLM

ModelPath = Annotated[
    Path | None,
    typer.Option(
        "--model",
        "-m",
        metavar="FOLDER",
        help="A folder with a Llama: config.json, model.safetensors and tokenizer.json. Default: the bundled model.",
    ),
]


def load(path: Path | None) -> tuple[ByteLM, str | None]:
    """Return the model that the command line names, and its template if it is known."""
    if path is None:
        return ByteLM(*bundled()), "tokseam"
    return ByteLM(NumpyLM.from_folder(path), Tokenizer.from_file(path / "tokenizer.json")), None


def parts(model: ByteLM, data: bytes) -> list[bytes]:
    """Return a text in parts that fit into half of the model's window, cut where tokens end."""
    ids = model.tokenizer.encode(data)
    window = getattr(model.lm, "window", len(ids) + 1) // 2
    found: list[bytes] = []
    part = b""
    for start in range(0, len(ids), max(window, 1)):
        part += model.tokenizer.decode_bytes(ids[start : start + max(window, 1)])
        try:
            part.decode()
        except UnicodeDecodeError:
            # A character goes on in the next part.
            continue
        found.append(part)
        part = b""
    return [*found, part] if part else found
