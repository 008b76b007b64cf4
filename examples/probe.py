"""Measure phantom edits of a model: ask it to replace marked words, and look at the ids of what it calls other words.

    python examples/probe.py FOLDER english.txt --out answers.jsonl     # one line a paragraph; a second run goes on
    python examples/probe.py FOLDER --table answers.jsonl               # outcomes, transitions and labels

FOLDER holds a causal model of transformers, better one that follows instructions. Paragraphs of the text are drawn by
the seed, and so are the words in them. Each is asked several times, sampled with top-p 0.9, top-k 50 and temperature 1
as in Ayoobi et al. 2026 (arXiv 2601.14658), as it is and under `CanonicalLogitsProcessor`. A line has the paragraph,
the marked byte ranges and the ids of the answers; scoring needs no model, so it may be done again with other rules.
"""

import argparse
import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

from transformers_folder import load

from tokseam import Tokenizer, phantom

# What a small model needs to see before it knows what is asked.
SHOWN = (
    ("The committee published its [report] before the summer.", "The committee published its study before the summer."),
    ("She [walked] to the market, and bought some bread.", "She went to the market, and bought some bread."),
    ("Files in this folder are [removed] once a week.", "Files in this folder are deleted once a week."),
)


def paragraphs(text: str, low: int, high: int) -> list[str]:
    """Return paragraphs with so many words."""
    found = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]
    return [part for part in dict.fromkeys(found) if low <= len(part.split()) <= high and "[" not in part]


def question(host: Any, probe: phantom.Probe) -> str:
    """Return what the model is asked behind some examples, in its own form of a dialogue if it has one."""
    talk = []
    for marked, answer in (*SHOWN, (probe.prompt, "")):
        talk.append({"role": "user", "content": f"{probe.instruction}\n\n{marked}"})
        talk.append({"role": "assistant", "content": answer})
    if host.chat_template:
        return str(host.apply_chat_template(talk[:-1], tokenize=False, add_generation_prompt=True))
    return "\n\n".join(turn["content"] for turn in talk)


def ask(model: Any, host: Any, probe: phantom.Probe, *, masked: bool, answers: int, seed: int) -> list[list[int]]:
    """Return the ids of some answers."""
    import torch

    from tokseam.hf import CanonicalLogitsProcessor

    torch.manual_seed(seed)
    prompt = torch.tensor([probe.tokenizer.encode(question(host, probe), allowed_special="all").tolist()])
    pad = model.generation_config.pad_token_id
    made = model.generate(
        prompt.repeat(answers, 1),
        attention_mask=torch.ones(answers, prompt.shape[1], dtype=torch.int64),
        do_sample=True,
        temperature=1.0,
        top_p=0.9,
        top_k=50,
        max_new_tokens=len(probe.tokenizer.encode(probe.prompt)) * 5 // 4 + 16,
        pad_token_id=0 if pad is None else pad,
        # The answer is a text of its own.
        logits_processor=[CanonicalLogitsProcessor(probe.tokenizer, prompt="apart")] if masked else [],
    )
    special = set(probe.tokenizer.special_tokens.values())
    rows: list[list[int]] = made[:, prompt.shape[1] :].tolist()
    ends = [next((place for place, id in enumerate(row) if id in special), len(row)) for row in rows]
    return [row[:end] for row, end in zip(rows, ends, strict=True)]


def table(file: Path, tokenizer: Tokenizer) -> None:
    """Score the answers of a file and print the counts."""
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for model, masked in dict.fromkeys((row["model"], row["masked"]) for row in rows):
        outcomes: list[phantom.Outcome] = []
        states: Counter[str] = Counter()
        drift: list[phantom.Change] = []
        for row in rows:
            if (row["model"], row["masked"]) != (model, masked):
                continue
            probe = phantom.Probe(row["text"], tuple(map(tuple, row["targets"])), tokenizer)
            for ids in row["answers"]:
                outcomes += probe.score(ids)
                state = phantom.judge(ids, tokenizer).state
                states[state] += 1
                if state == "broken":
                    drift += phantom.compare(ids, phantom.canonicalize(ids, tokenizer)[0], tokenizer).blocks
        found = phantom.Probe.summary(outcomes)
        counts = ", ".join(
            f"{found.counts.get(kind, 0)} {kind}" for kind in ("unchanged", "replaced", "phantom", "lost")
        )
        print(f"{model}, {'masked' if masked else 'as it is'}: {len(outcomes)} targets in {states.total()} answers")
        print(f"  {counts}; phantom edits {100 * found.phantom_rate:.1f} % of those not lost")
        kinds = Counter(kind for block in drift for kind in [*block.labels, *block.classes])
        print(f"  {states['broken']} answers have a token that no encoding has there, in {len(drift)} places")
        if drift:
            print("  labels there: " + ", ".join(f"{kind}: {count}" for kind, count in kinds.most_common()))
        if found.counts.get("phantom"):
            transitions = sorted(found.transitions.items(), key=lambda item: (-item[1], item[0]))
            print("  tokens: " + ", ".join(f"{before} to {after}: {count}" for (before, after), count in transitions))
            print("  labels: " + ", ".join(f"{label}: {count}" for label, count in sorted(found.labels.items())))
            print("  levels: " + ", ".join(f"{level}: {count}" for level, count in sorted(found.levels.items())))


def main() -> None:
    """Ask about the paragraphs that are not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a folder with a model of transformers")
    parser.add_argument("text", type=Path, nargs="?", help="a text with paragraphs")
    parser.add_argument("--out", type=Path, default=Path("answers.jsonl"))
    parser.add_argument("--table", type=Path, help="score the answers of a file")
    parser.add_argument("--name", help="the name of the model in the records; that of its folder by default")
    parser.add_argument("--paragraphs", type=int, default=20)
    parser.add_argument("--words", type=int, nargs=2, default=(25, 60), help="the fewest and most words of a paragraph")
    parser.add_argument("--answers", type=int, default=4, help="answers to each question")
    parser.add_argument("--rate", type=float, default=0.1, help="the share of words that are marked")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    model, host = load(given.folder)
    tokenizer = Tokenizer.from_hf(host)
    if given.table:
        table(given.table, tokenizer)
        return
    if given.text is None:
        parser.error("name a text, or a file of answers with --table")
    name = given.name or given.folder.resolve().name
    texts = paragraphs(given.text.read_text(encoding="utf-8"), *given.words)
    chosen = random.Random(given.seed).sample(texts, min(given.paragraphs, len(texts)))
    known = [json.loads(line) for line in given.out.read_text().splitlines()] if given.out.exists() else []
    done = {(row["model"], row["paragraph"], row["masked"]) for row in known}
    with given.out.open("a", encoding="utf-8") as out:
        for number, text in enumerate(chosen):
            probe = phantom.Probe.make(text, tokenizer, rate=given.rate, seed=given.seed + number)
            for masked in (False, True):
                if (name, number, masked) in done:
                    continue
                answers = ask(model, host, probe, masked=masked, answers=given.answers, seed=given.seed + number)
                row = {"model": name, "paragraph": number, "masked": masked, "text": text, "targets": probe.targets}
                out.write(json.dumps(row | {"answers": answers}) + "\n")
                out.flush()


if __name__ == "__main__":
    main()
