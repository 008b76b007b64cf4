"""Give a language model triads: extend its tokenizer, grow its embedding, start the new rows from the old ones.

The model is a small one of transformers with random weights; with a trained one the steps are the same.
"""

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from tokseam import _bundled, triadic


def main() -> None:
    """Extend, grow, and run one step."""
    base = _bundled.tokenizer()
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=base.vocab_size, n_positions=64, n_embd=32, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0
    )
    model = GPT2LMHeadModel(config)

    extension = triadic.extend_tokenizer(base, variant="vocabulary")
    tokenizer = extension.tokenizer
    old = model.get_input_embeddings().weight.detach().clone()
    model.resize_token_embeddings(tokenizer.vocab_size, mean_resizing=False)
    weight = model.get_input_embeddings().weight
    rows, offsets = extension.initial_rows
    starts = torch.nn.functional.embedding_bag(
        torch.from_numpy(rows.astype(np.int64)), old, torch.from_numpy(offsets[:-1]), mode="mean"
    )
    with torch.no_grad():
        weight[torch.from_numpy(extension.new_ids.astype(np.int64))] = starts

    ids = torch.from_numpy(tokenizer.encode("The answer is 1234567.89").astype(np.int64))[None]
    loss = model(ids, labels=ids).loss
    loss.backward()
    print(f"{len(extension.new_ids)} new rows, {ids.shape[1]} tokens, loss {loss.item():.3f}")


if __name__ == "__main__":
    main()
