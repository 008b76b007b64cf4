"""Load a causal model of transformers for the other examples."""

from pathlib import Path
from typing import Any


def load(folder: Path) -> tuple[Any, Any]:
    """Return a model from a folder, on one thread of the CPU, and the tokenizer of transformers for it.

    A folder may hold nothing but one GGUF file, which transformers reads with the packages gguf and accelerate.
    """
    import torch
    import transformers

    torch.set_num_threads(1)
    options = {} if (folder / "config.json").exists() else {"gguf_file": next(folder.glob("*.gguf")).name}
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options).eval()
    return model, transformers.AutoTokenizer.from_pretrained(folder, **options)
