"""The vocabulary and the text inside the wheel, for the command line and the examples."""

import functools
import gzip
import importlib.resources

from tokseam.tokenizer import Tokenizer


def _read(name: str) -> bytes:
    return importlib.resources.files("tokseam").joinpath("data", name).read_bytes()


@functools.cache
def tokenizer() -> Tokenizer:
    """The bundled superword vocabulary, trained on CPython's own library by `scripts/make_demo_data.py`."""
    return Tokenizer.from_json(gzip.decompress(_read("tokenizer.json.gz")).decode())


def text() -> str:
    """The bundled text: prose and code of CPython, and a few lines in other scripts."""
    return _read("demo.txt").decode()
