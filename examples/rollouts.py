"""Rollouts of reinforcement learning: ids that were sampled, tokenized again, and what that does to log-probabilities.

    python examples/rollouts.py

A trainer that keeps the text of a rollout and encodes it again gets other ids where the model sampled a word in other
pieces. Its log-probabilities then belong to tokens that are not there any more.
"""

import numpy as np

from tokseam import _bundled, phantom

tokenizer = _bundled.tokenizer()
pieces = [
    b"The",
    b" answer",
    b" is",
    b" four",
    b" be",
    b"cause",
    b" two",
    b" and",
    b" two",
    b" are",
    b" fo",
    b"ur",
    b".",
]
sampled = [id for piece in pieces for id in tokenizer.encode(piece).tolist()]
rng = np.random.default_rng(0)
logprobs = -rng.exponential(1.0, len(sampled)).round(3)

print("sampled ids:   ", len(sampled), "tokens,", phantom.judge(sampled, tokenizer).state)
for block in phantom.find(sampled, tokenizer):
    text = tokenizer.decode_bytes(sampled)[slice(*block.byte_range)].decode()
    print(
        f"drift:          tokens {block.token_range} spell {text!r}, encoded again {len(block.canonical_ids)} token(s)"
    )
again, map = phantom.canonicalize(sampled, tokenizer)
assert again.tolist() == tokenizer.encode(tokenizer.decode(sampled)).tolist()

# What a trainer does that pads or cuts the list: token by token it reads the wrong numbers.
naive = np.zeros(len(again))
naive[: min(len(again), len(logprobs))] = logprobs[: len(again)]
carried = phantom.project(logprobs, map, how="first")
wrong = int(np.sum(~np.isclose(naive, carried)))
print(
    "tokenized again:", len(again), "tokens;", wrong, "of them have a wrong log-probability if the list is cut to fit"
)
print(f"sum sampled {logprobs.sum():.3f}, cut {naive.sum():.3f}, carried over {np.nansum(carried):.3f}")
