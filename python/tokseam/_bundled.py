"""The vocabulary, the text and the model inside the wheel, for the command line and the examples."""

import functools
import gzip
import importlib.resources
import json
from typing import Any

from tokseam.tokenizer import Tokenizer


def _read(name: str) -> bytes:
    return importlib.resources.files("tokseam").joinpath("data", name).read_bytes()


@functools.cache
def tokenizer() -> Tokenizer:
    """The bundled superword vocabulary, made by `scripts/make_demo_data.py`."""
    return Tokenizer.from_json(gzip.decompress(_read("tokenizer.json.gz")).decode())


def report() -> bytes:
    """The report of that training, as `scripts/make_demo_data.py` writes it."""
    return _read("tokenizer.report.json")


def text() -> str:
    """The bundled text: prose and code of CPython, and a few lines in other scripts."""
    return _read("demo.txt").decode()


def model() -> tuple[dict[str, Any], bytes, Tokenizer]:
    """The config, the weights and the tokenizer of the small code model."""
    tokenizer = Tokenizer.from_json(gzip.decompress(_read("fim.tokenizer.json.gz")).decode())
    return json.loads(_read("fim.config.json")), _read("fim.safetensors"), tokenizer
