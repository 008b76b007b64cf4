"""Cut code at random places inside tokens, and count how often each way of prompting finds the rest of the word.

    python examples/midword.py PROBLEMS.jsonl.gz --out cases.jsonl      # one line a case; a second run goes on
    python examples/midword.py PROBLEMS.jsonl.gz --out cases.jsonl --transformers FOLDER   # the same cases, this model
    python examples/midword.py --table cases.jsonl                      # the shares, with 95 % intervals

The problems are those of HumanEval-Infilling (Bavarian et al. 2022): `prompt`, `canonical_solution`, `suffix`. A case
is a cut inside a token of the solution with a letter, digit or `_` behind it; tokens are those of the bundled model, so
that all models get the same cases. An answer is right if it has the bytes to the end of that word, and for the first
cases also to the end of the line. Ways, all greedy, on the same cases:

- `plain`: the prompt as its tokens;
- `healed`: its last token taken back, and the best token that starts with the bytes of that one put there;
- `bytes`: `ByteLM.generate(unit="bytes")`; `exact`: `unit="tokens"`, an exact start and then tokens.

Each is asked from left to right and, where the tokenizer has the special tokens, in both fill-in-the-middle orders. The
table counts the cases that all ways of a model and an order have answered.
"""

import argparse
import gzip
import json
import math
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from transformers_folder import load

from tokseam import Tokenizer, fim
from tokseam.bytelm import ByteLM, bundled
from tokseam.numpy_lm import NumpyLM

WORD = re.compile(rb"[A-Za-z0-9_]+")
ORDERS = {"left": None, "psm": "tokseam", "spm": "tokseam-spm"}
WAYS = ("plain", "healed", "exact", "bytes")
Key = tuple[str, int, str, str]
# Tokens of the prompt and of the suffix that are kept.
PROMPT, SUFFIX = 256, 96


def cases(problems: list[dict[str, str]], tokenizer: Tokenizer, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield cuts, uniformly over problems and over the places inside tokens."""
    rng = random.Random(seed)
    made = 0
    while made < count:
        problem = rng.choice(problems)
        before = problem["prompt"].encode()
        text = before + problem["canonical_solution"].encode()
        place, places = 0, []
        for id in tokenizer.encode(text).tolist():
            size = len(tokenizer.token_bytes(id))
            places += [at for at in range(place + 1, place + size) if at > len(before)]
            place += size
        if not places:
            continue
        cut = rng.choice(places)
        word = WORD.match(text, cut)
        if word is None:
            continue
        line = text[cut:].partition(b"\n")[0]
        found = {"prefix": text[:cut], "suffix": problem["suffix"].encode(), "word": word.group(), "line": line}
        # What tells the case in a record.
        yield found | {"problem": problem.get("task_id", ""), "cut": cut}
        made += 1


def greedy(model: ByteLM, ids: tuple[int, ...], forced: bytes, size: int) -> bytes:
    """Go on by tokens, the first of which starts with forced bytes; return what comes behind these."""
    data, lm, tokenizer = b"", model.lm, model.tokenizer
    special = set(tokenizer.special_tokens.values())
    while len(data) < size + len(forced):
        row = lm.logprobs([ids])[0].astype(np.float64)
        if forced and not data:
            fits = [id for id in range(tokenizer.vocab_size) if id not in special]
            fits = [id for id in fits if tokenizer.token_bytes(id).startswith(forced)]
            id = max(fits, key=lambda id: row[id])
        else:
            id = int(row.argmax())
        if id in special:
            break
        ids = (*ids, id)
        data += tokenizer.token_bytes(id)
    return data[len(forced) :]


def answer(model: ByteLM, case: dict[str, Any], order: str, way: str, size: int) -> bytes:
    """Return the bytes that one way finds behind a cut."""
    tokenizer = model.tokenizer
    prefix = tokenizer.decode_bytes(tokenizer.encode(case["prefix"])[-PROMPT:])
    suffix = tokenizer.decode_bytes(tokenizer.encode(case["suffix"])[:SUFFIX])
    name = ORDERS[order]
    if way in ("exact", "bytes"):
        unit = "tokens" if way == "exact" else "bytes"
        if name is None:
            return model.generate(prefix, max_bytes=size, temperature=0, unit=unit).data
        return model.fill(prefix, suffix, template=name, max_bytes=size, temperature=0, unit=unit).data
    before, after = tuple(tokenizer.encode(prefix).tolist()), tuple(tokenizer.encode(suffix).tolist())
    forced = b""
    if way == "healed":
        before, forced = before[:-1], tokenizer.token_bytes(before[-1])
    ids = before if name is None else fim.find(name).ids(tokenizer, before, after)
    return greedy(model, ids, forced, size)


def interval(hits: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927)."""
    share, z = hits / count, 1.959964
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return middle - half, middle + half


def read(file: Path) -> dict[Key, dict[str, Any]]:
    """Return the lines of a file of cases by model, case, order and way."""
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return {(row["model"], row["case"], row["order"], row["way"]): row for row in rows}


def table(file: Path) -> None:
    """Print the shares of a file of cases, those of each model and order on the cases that all ways have."""
    rows = read(file)
    for model in dict.fromkeys(model for model, *_ in rows):
        for order in ORDERS:
            for kind in ("word", "line"):
                asked = [{case for name, case, *way in rows if [name, *way] == [model, order, one]} for one in WAYS]
                shared = sorted(set.intersection(*asked))
                shared = [case for case in shared if kind in rows[model, case, order, WAYS[0]]]
                for way in WAYS if shared else ():
                    hits = sum(rows[model, case, order, way][kind] for case in shared)
                    low, high = interval(hits, len(shared))
                    share = f"{hits / len(shared):.3f} ({low:.3f} to {high:.3f}, {len(shared)})"
                    print(f"{model} {order:5} {way:7} {kind:5} {share}")


def main() -> None:
    """Run the cases that are not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problems", type=Path, nargs="?")
    parser.add_argument("--out", type=Path, default=Path("cases.jsonl"))
    parser.add_argument("--table", type=Path, help="print the shares of a file of cases")
    parser.add_argument("--model", type=Path, help="a folder with a Llama; the bundled model by default")
    parser.add_argument("--transformers", type=Path, metavar="FOLDER", help="a folder with a model of transformers")
    parser.add_argument("--name", help="the name of the model in the records; that of its folder by default")
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--lines", type=int, default=100, help="cases that are asked to the end of the line")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.table:
        table(given.table)
        return
    if given.problems is None:
        parser.error("name the problems, or a file of cases with --table")
    folder = given.transformers or given.model
    name = given.name or (folder.resolve().name if folder else "bundled")
    _, tokenizer = bundled()
    if given.transformers:
        from tokseam.torch import TransformersLM

        loaded, host = load(given.transformers)
        model = ByteLM(TransformersLM(loaded), Tokenizer.from_hf(host))
    elif given.model:
        model = ByteLM(NumpyLM.from_folder(given.model), Tokenizer.from_file(given.model / "tokenizer.json"))
    else:
        model = ByteLM(*bundled())
    special = model.tokenizer.special_tokens
    orders = []
    for order, form in ORDERS.items():
        parts = () if form is None else fim.find(form).parts
        if all(part in special or part.startswith("{") for part in parts):
            orders.append(order)
    opened = gzip.open if given.problems.suffix == ".gz" else open
    with opened(given.problems, "rt", encoding="utf-8") as lines:
        problems = [json.loads(line) for line in lines]
    done = read(given.out)
    with given.out.open("a", encoding="utf-8") as out:
        for number, case in enumerate(cases(problems, tokenizer, given.cases, given.seed)):
            told = {"case": number, "problem": case["problem"], "cut": case["cut"]}
            for order in orders:
                for way in WAYS:
                    known = done.get((name, number, order, way))
                    if known is not None:
                        if known | told != known:
                            parser.error(f"case {number} of {given.out} is another one: name another file")
                        continue
                    wanted = case["line"] if number < given.lines else case["word"]
                    found = answer(model, case, order, way, min(max(len(wanted), len(case["word"]) + 1), 120))
                    match = WORD.match(found)
                    row = {"model": name, **told, "order": order, "way": way}
                    row["word"] = match is not None and match.group() == case["word"]
                    if number < given.lines:
                        row["line"] = found.partition(b"\n")[0] == case["line"]
                    out.write(json.dumps(row) + "\n")
                    out.flush()


if __name__ == "__main__":
    main()
