"""What summing over covers changes with a real model: bits a byte, the leak, and the contexts that it costs.

    python examples/covers.py FOLDER english.txt code.py --out covers.jsonl     # one line a piece; a second run goes on
    python examples/covers.py --table covers.jsonl                             # the figures

FOLDER holds a causal model of transformers. Pieces are cut out of each text at even distances, each from the start of
a line, and scored byte by byte as texts of their own, at all tolerances side by side. A line has the bits over covers,
the bits of the tokens that the tokenizer writes, and for each tolerance the contexts that were asked for and the leak,
summed over the bytes of the piece, the greatest bound, and the greatest distance to the exact row.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from transformers_folder import load

from tokseam import Tokenizer
from tokseam.bytelm import ByteLM, FunctionLM

TOLERANCES = (0.0, 1e-3, 1e-2)


def piece(data: bytes, number: int, count: int, size: int) -> bytes:
    """Return whole characters from the start of a line."""
    start = len(data) * number // count
    start = data.find(b"\n", start) + 1
    return data[start : start + size].decode("utf-8", "ignore").encode()


class Counting:
    """A model that counts the contexts that it is asked for."""

    def __init__(self, lm: Any) -> None:
        self.count = 0
        self._lm = lm
        self.counted = FunctionLM(self._rows, vocab_size=lm.vocab_size, end_ids=lm.end_ids)

    def _rows(self, contexts: list[tuple[int, ...]]) -> Any:
        self.count += len(contexts)
        return self._lm.logprobs(contexts)


def measure(lm: Any, tokenizer: Tokenizer, data: bytes) -> dict[str, Any]:
    """Score a piece at all tolerances in turn, so that they share what the model computes."""
    ids = tuple(tokenizer.encode(data).tolist())
    rows = lm.logprobs([ids[:end] for end in range(len(ids))])
    bits = -sum(float(row[id]) for row, id in zip(rows, ids, strict=True)) / math.log(2)
    counting = [Counting(lm) for _ in TOLERANCES]
    states = [
        ByteLM(each.counted, tokenizer, normalize="ratio", tolerance=tolerance).state()
        for each, tolerance in zip(counting, TOLERANCES, strict=True)
    ]
    sums: list[dict[str, Any]] = [{"leak": 0.0, "bound": 0.0, "distance": 0.0} for _ in TOLERANCES]
    summed = 0.0
    for byte in data:
        exact = None
        for state, found in zip(states, sums, strict=True):
            row = state.next_byte()
            exact = row if exact is None else exact
            distance = float(np.abs(np.exp(row.logp) - np.exp(exact.logp)).sum()) / 2
            assert distance <= row.bound + 1e-6
            found["leak"] += row.leak
            found["bound"] = max(found["bound"], row.bound)
            found["distance"] = max(found["distance"], distance)
            state.push(bytes([byte]))
        if exact is not None:
            summed -= float(exact.logp[byte]) / math.log(2)
    for found, each in zip(sums, counting, strict=True):
        found["contexts"] = each.count
    by_tolerance = dict(zip(map(str, TOLERANCES), sums, strict=True))
    return {"bytes": len(data), "tokens": len(ids), "bits": summed, "token_bits": bits, "tolerances": by_tolerance}


def table(file: Path) -> None:
    """Print the figures of a file."""
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for model, text in dict.fromkeys((row["model"], row["text"]) for row in rows):
        chosen = [row for row in rows if (row["model"], row["text"]) == (model, text)]
        size = sum(row["bytes"] for row in chosen)
        tokens, bits, own = (sum(row[name] for row in chosen) / size for name in ("tokens", "bits", "token_bits"))
        print(f"{model} {text}: {size} bytes, {tokens:.3f} tokens a byte, {own:.4f} bits a byte for these tokens")
        print(f"  {bits:.4f} bits a byte over covers")
        for tolerance in map(str, TOLERANCES):
            found = [row["tolerances"][tolerance] for row in chosen]
            contexts, leak = (sum(one[name] for one in found) / size for name in ("contexts", "leak"))
            bound, distance = (max(one[name] for one in found) for name in ("bound", "distance"))
            print(
                f"  tolerance {tolerance}: {contexts:.3f} contexts a byte, "
                f"mean leak {leak:.2e}, greatest bound {bound:.1e}, greatest distance {distance:.1e}"
            )


def main() -> None:
    """Score the pieces that are not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="a folder with a model of transformers")
    parser.add_argument("texts", type=Path, nargs="*")
    parser.add_argument("--out", type=Path, default=Path("covers.jsonl"))
    parser.add_argument("--table", type=Path, help="print the figures of a file")
    parser.add_argument("--name", help="the name of the model in the records; that of its folder by default")
    parser.add_argument("--pieces", type=int, default=4, help="pieces of each text")
    parser.add_argument("--bytes", type=int, default=300, help="bytes of a piece")
    given = parser.parse_args()
    if given.table:
        table(given.table)
        return
    if not given.texts:
        parser.error("name the folder of the model and some texts, or a file of records with --table")
    from tokseam.torch import TransformersLM

    model, host = load(given.folder)
    lm, tokenizer = TransformersLM(model), Tokenizer.from_hf(host)
    name = given.name or given.folder.resolve().name
    known = [json.loads(line) for line in given.out.read_text().splitlines()] if given.out.exists() else []
    done = {(row["model"], row["text"], row["piece"]) for row in known}
    with given.out.open("a", encoding="utf-8") as out:
        for number in range(given.pieces):
            for text in given.texts:
                if (name, text.name, number) in done:
                    continue
                data = piece(text.read_bytes(), number, given.pieces, given.bytes)
                row = {"model": name, "text": text.name, "piece": number} | measure(lm, tokenizer, data)
                out.write(json.dumps(row) + "\n")
                out.flush()


if __name__ == "__main__":
    main()
