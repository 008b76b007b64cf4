"""Slow twins of `tokseam.phantom`, written from the definitions: encode again, cut at common borders, compare."""

import itertools
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from tokseam import Tokenizer, VocabError

# White space as the standard has it; Python's own counts four control characters more.
SPACES = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
WHITE = {char for char in map(chr, range(0x3001)) if char.isspace() and not "\x1c" <= char <= "\x1f"}

Found = tuple[tuple[int, int], tuple[int, int], list[int]]


def runs(ids: Sequence[int], special: set[int]) -> Iterator[tuple[int, list[int]]]:
    """Yield the runs between special ids with the place of their first token."""
    start = 0
    for place, id in enumerate([*ids, None]):
        if id is None or id in special:
            yield start, list(ids[start:place])
            start = place + 1


def is_canonical(tokenizer: Tokenizer, ids: Sequence[int]) -> bool:
    for _, run in runs(ids, set(tokenizer.special_tokens.values())):
        data = tokenizer.decode_bytes(run)
        try:
            data.decode()
            if tokenizer.encode(data).tolist() != run:
                return False
        except (UnicodeDecodeError, VocabError):
            return False
    return True


def borders(tokenizer: Tokenizer, ids: Sequence[int]) -> list[int]:
    places = [0]
    for id in ids:
        places.append(places[-1] + len(tokenizer.token_bytes(id)))
    return places


def find(tokenizer: Tokenizer, ids: Sequence[int]) -> list[Found]:
    """Return the blocks of finished ids that are UTF-8, of a lossless tokenizer: token range, byte range, ids."""
    found = []
    places = borders(tokenizer, ids)
    for first, run in runs(ids, set(tokenizer.special_tokens.values())):
        again = tokenizer.encode(tokenizer.decode_bytes(run)).tolist()
        old, new = borders(tokenizer, run), borders(tokenizer, again)
        common = sorted(set(old) & set(new))
        for start, end in itertools.pairwise(common):
            left, right = old.index(start), old.index(end)
            ids_there = again[new.index(start) : new.index(end)]
            if run[left:right] != ids_there:
                tokens = first + left, first + right
                found.append((tokens, (places[tokens[0]], places[tokens[1]]), ids_there))
    return found


def surface(data: bytes, level: int) -> Any:
    """Return what a reader sees of a text at a level."""
    if level == 0:
        return data
    text = data.decode(errors="replace")
    if level == 4:
        text = unicodedata.normalize("NFC", text)
    if level == 5:
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    if level >= 3:
        text = "".join(" " if char in WHITE else char for char in text)
        text = " ".join(part for part in text.split(" ") if part)
    elif level == 2:
        text = text.strip("".join(WHITE))
    return text


def lowest_level(left: bytes, right: bytes) -> int | None:
    return next((level for level in range(6) if surface(left, level) == surface(right, level)), None)
