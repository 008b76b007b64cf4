"""Join two models with different vocabularies: the bundled one, and one that only repeats what the text had before.

    python examples/ensemble.py [FILE]

The second model has the 256 bytes as its vocabulary, and counts what followed the last one to five bytes so far, each
length backing off to the next shorter (Witten and Bell 1991). Neither can read the other's tokens; over bytes they are
joined without either being changed. Bits a byte of the file are printed for each alone and for both together.
"""

import json
import math
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tokseam import Tokenizer, _bundled
from tokseam.bytelm import ByteLM, Ensemble, FunctionLM, bundled

# Bytes of the bundled text that are scored where no file is named.
SIZE = 400
ORDER = 5


def byte_tokenizer() -> Tokenizer:
    """Return a tokenizer without merges, whose id n is byte n, and 256 ends a text."""
    shown = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    vocab = {chr(byte if byte in shown else next(spare)): byte for byte in range(256)}
    end = {"id": 256, "content": "<end>", "special": True, "normalized": False}
    flags = {"single_word": False, "lstrip": False, "rstrip": False}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    file = {
        "version": "1.0",
        "added_tokens": [end | flags],
        "pre_tokenizer": level,
        "decoder": level,
        "model": {"type": "BPE", "vocab": vocab | {"<end>": 256}, "merges": []},
    }
    return Tokenizer.from_json(json.dumps(file))


def repeat(context: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the row of the model that counts."""
    row = np.full(257, 1 / 257)
    for length in range(min(ORDER, len(context)) + 1):
        last = context[len(context) - length :]
        followers = Counter(
            context[place + length] for place in range(len(context) - length) if context[place : place + length] == last
        )
        if not followers:
            break
        seen = sum(followers.values())
        row *= len(followers) / (seen + len(followers))
        for byte, times in followers.items():
            row[byte] += times / (seen + len(followers))
    return np.log(row)


def main() -> None:
    """Score a text with each model and with both."""
    named = len(sys.argv) > 1
    data = Path(sys.argv[1]).read_bytes()[:SIZE] if named else _bundled.text().encode()[:SIZE]
    data = data.decode("utf-8", "ignore").encode()
    counting = FunctionLM(
        lambda contexts: np.stack([repeat(context) for context in contexts]), vocab_size=257, end_ids=[256]
    )
    members = [ByteLM(*bundled()), ByteLM(counting, byte_tokenizer())]
    models = {
        "bundled": members[0],
        "repeating": members[1],
        "mixture, 3 to 1": Ensemble(members, weights=(3, 1)),
        "posterior": Ensemble(members, mode="posterior"),
        "product": Ensemble(members, mode="product", weights=(3, 1)),
    }
    bits: dict[str, float] = defaultdict(float)
    for name, model in models.items():
        # Rows, not joint scores, so that all are measured alike.
        state = model.state()
        for byte in data:
            bits[name] -= float(state.next_byte().logp[byte]) / math.log(2) / len(data)
            state.push(bytes([byte]))
        print(f"{name:16} {bits[name]:.3f} bits a byte")


if __name__ == "__main__":
    main()
