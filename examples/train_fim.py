"""Train a small fill-in-the-middle code model on the standard library, such as the one in the package.

    python examples/train_fim.py OUT --steps 24000        # a second run goes on from OUT/checkpoint.pt
    python examples/train_fim.py LONGER --start OUT --steps 12000 --rate 0.0015
    tokseam complete -m OUT "raise ValueErr"

Needs torch and transformers. The corpus are the Python files of this interpreter's standard library, 2 % of them held
out; the tokenizer is trained on the same by tokseam, or is that of the model to start from; the model is a Llama with
tied embeddings. Half of the sequences are plain text, half fill-in-the-middle with cuts at random characters (Bavarian
et al. 2022): seven in ten in prefix-suffix-middle order, each part cut into tokens by itself, the others in
suffix-prefix-middle order, prefix and middle as one text. Every sequence depends on the seed and its number alone, so
an interrupted run gives the same model.
"""

import argparse
import json
import math
import random
import sysconfig
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tokseam import Tokenizer, superbpe

SPECIALS = ("<|endoftext|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
VOCAB, LENGTH = 4096, 256
KINDS = ("text", "psm", "spm")


def corpus() -> tuple[list[str], list[str]]:
    """Return the files to train on, and those that are held out."""
    root = Path(sysconfig.get_path("stdlib"))
    texts: dict[str, None] = {}
    for file in sorted(root.rglob("*.py")):
        # lib2to3 is left out, since it is gone from later versions.
        if not {"site-packages", "lib2to3"} & set(file.parts):
            try:
                text = file.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
            if 200 <= len(text) <= 400_000:
                texts[text] = None
    files = list(texts)
    random.Random(20).shuffle(files)
    held = max(len(files) // 50, 1)
    return files[held:], files[:held]


class Sequences:
    """The sequences of some files, each made from its number."""

    def __init__(self, files: list[str], tokenizer: Tokenizer, seed: int) -> None:
        self.files, self.tokenizer, self.seed = files, tokenizer, seed
        self.end, self.prefix, self.suffix, self.middle = (tokenizer.special_tokens[name] for name in SPECIALS)
        rows = [[*ids, self.end] for ids in tokenizer.encode_batch(files).tolists()]
        self.ids = np.concatenate([np.array(row, dtype=np.int64) for row in rows])
        self.ends = np.cumsum([len(text) for text in files])

    def make(self, number: int, kind: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return ids and the labels that count; for a kind, those of the middle alone."""
        rng = random.Random(f"{self.seed} {number}")
        asked = kind
        if kind is None:
            kind = "text" if rng.random() < 0.5 else "psm" if rng.random() < 0.7 else "spm"
        ids = np.full(LENGTH, self.end, dtype=np.int64)
        labels = np.full(LENGTH, -100, dtype=np.int64)
        if kind == "text":
            start = rng.randrange(len(self.ids) - LENGTH)
            ids[:] = labels[:] = self.ids[start : start + LENGTH]
            return ids, labels
        text = self.files[int(np.searchsorted(self.ends, rng.randrange(int(self.ends[-1])), side="right"))]
        start = text.rfind("\n", 0, rng.randrange(max(len(text) - 700, 1))) + 1
        text = text[start : start + 700]
        first = rng.randrange(len(text) + 1)
        last = min(first + 1 + int(rng.expovariate(1 / 60)), len(text))
        before, between, behind = (
            self.tokenizer.encode(part).tolist() for part in (text[:first], text[first:last], text[last:])
        )
        if kind == "psm":
            head = [self.prefix, *before, self.suffix, *behind, self.middle]
            body = [*between, self.end]
        else:
            head = [self.prefix, self.suffix, *behind, self.middle]
            body = [*self.tokenizer.encode(text[:last]).tolist(), self.end]
        row = (head + body)[:LENGTH]
        ids[: len(row)] = row
        counted = len(head) if asked else 0
        labels[counted : len(row)] = row[counted:]
        return ids, labels

    def batch(self, start: int, size: int, kind: str | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return sequences with the numbers from `start` on."""
        rows = [self.make(number, kind) for number in range(start, start + size)]
        return torch.from_numpy(np.stack([ids for ids, _ in rows])), torch.from_numpy(
            np.stack([labels for _, labels in rows])
        )


@torch.no_grad()
def held_out(model: Any, sequences: Sequences, count: int) -> dict[str, float]:
    """Return the loss in nats a token for each kind of sequence."""
    model.eval()
    losses = {}
    for kind in KINDS:
        total, tokens = 0.0, 0
        for start in range(0, count, 16):
            ids, labels = (part.to(model.device) for part in sequences.batch(start, 16, kind))
            wanted = labels[:, 1:].reshape(-1)
            logits = model(ids).logits[:, :-1].reshape(len(wanted), -1).float()
            total += torch.nn.functional.cross_entropy(logits, wanted, ignore_index=-100, reduction="sum").item()
            tokens += int((wanted != -100).sum())
        losses[kind] = total / max(tokens, 1)
    model.train()
    return losses


def main() -> None:
    """Train, or go on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=24_000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rate", type=float, default=3e-3, help="the highest learning rate")
    parser.add_argument("--width", type=int, default=160)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=5)
    parser.add_argument("--inner", type=int, default=432, help="the width of the feed-forward layers")
    parser.add_argument("--start", type=Path, help="a folder with the model and tokenizer to start from")
    parser.add_argument("--threads", type=int, help="threads of torch")
    parser.add_argument("--save-every", type=int, default=1000, help="steps between two checkpoints")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    train, held = corpus()
    file = given.out / "tokenizer.json"
    if not file.exists() and given.start:
        Tokenizer.from_file(given.start / "tokenizer.json").save(file)
    elif not file.exists():
        trained = superbpe.train(train, vocab_size=VOCAB, transition=VOCAB, special_tokens=SPECIALS)
        trained.tokenizer.save(file)
    tokenizer = Tokenizer.from_file(file)
    sequences, tests = Sequences(train, tokenizer, 0), Sequences(held, tokenizer, 1)
    torch.manual_seed(0)
    end = tokenizer.special_tokens[SPECIALS[0]]
    config = LlamaConfig(
        vocab_size=VOCAB,
        hidden_size=given.width,
        num_hidden_layers=given.layers,
        intermediate_size=given.inner,
        num_attention_heads=given.heads,
        num_key_value_heads=given.heads,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )
    made = (
        LlamaForCausalLM.from_pretrained(given.start, dtype=torch.float32) if given.start else LlamaForCausalLM(config)
    )
    model: Any = made.to("cuda" if torch.cuda.is_available() else "cpu")
    matrices = [weight for weight in model.parameters() if weight.dim() > 1]
    others = [weight for weight in model.parameters() if weight.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=given.rate, betas=(0.9, 0.95), fused=True)
    checkpoint, step = given.out / "checkpoint.pt", 0
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])
        step = kept["step"]
        print(f"going on from step {step}")
    start = time.monotonic()
    while step < given.steps:
        # A short rise, a level, and a fall to 3 %.
        share = step / given.steps
        level = 1.0 if share < 0.3 else 0.03 + 0.97 * (1 - (share - 0.3) / 0.7)
        for group in optimizer.param_groups:
            group["lr"] = given.rate * min((step + 1) / 100, 1) * level
        ids, labels = (part.to(model.device) for part in sequences.batch(step * given.batch, given.batch))
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        if step % given.save_every == 0 or step == given.steps:
            found = " ".join(f"{kind} {nats:.3f}" for kind, nats in held_out(model, tests, 64).items())
            print(f"{time.monotonic() - start:.0f} s, step {step}: held out {found} nats a token", flush=True)
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
            torch.save(state, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").replace(checkpoint)
    final = held_out(model, tests, 256)
    bytes_per_token = sum(len(text.encode()) for text in held) / len(tests.ids)
    facts = {
        "steps": step,
        "held_out_nats_per_token": final,
        "held_out_bits_per_byte": final["text"] / math.log(2) / bytes_per_token,
        "files": len(train),
        "tokens": len(sequences.ids),
        "parameters": sum(weight.numel() for weight in model.parameters()),
    }
    model.half().save_pretrained(given.out)
    (given.out / "training.json").write_text(json.dumps(facts, indent=1) + "\n")
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
