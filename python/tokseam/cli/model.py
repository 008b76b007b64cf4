"""Where a command takes its model from."""

from pathlib import Path
from typing import Annotated

import typer

from tokseam import Tokenizer
from tokseam.bytelm import ByteLM, bundled
from tokseam.numpy_lm import NumpyLM
from tokseam.segmentation import is_text

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
    """Return a text in parts that fit into half of the model's window, cut where tokens and characters end."""
    ids, decode = model.tokenizer.encode(data), model.tokenizer.decode_bytes
    size = max(getattr(model.lm, "window", 2 * len(ids)) // 2, 1)
    found: list[bytes] = []
    start = 0
    while start < len(ids):
        end = min(start + size, len(ids))
        # A character has four tokens at most; what is no text is cut anywhere.
        borders = range(end, max(end - 4, start), -1)
        end = next((border for border in borders if is_text(decode(ids[start:border]))), end)
        found.append(decode(ids[start:end]))
        start = end
    return found
