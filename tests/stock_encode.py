"""Encode texts with the `tokenizers` of the environment that runs this file.

Standard input has one JSON list a line; the first is the path of the tokenizer, the others are texts. Standard output
has a line for each list of texts: whether all decode to themselves, and all the ids as one list of rows.
"""

import json
import sys

import tokenizers

path = json.loads(sys.stdin.readline())[0]
tokenizer = tokenizers.Tokenizer.from_file(path)
tokenizer.encode_special_tokens = True
print(json.dumps(tokenizers.__version__), flush=True)
for line in sys.stdin:
    texts = json.loads(line)
    rows = [row.ids for row in tokenizer.encode_batch(texts, add_special_tokens=False)]
    decoded = tokenizer.decode_batch(rows, skip_special_tokens=False)
    wrong = [text for text, back in zip(texts, decoded, strict=True) if text != back]
    print(json.dumps({"ids": rows, "wrong": wrong}), flush=True)
