"""
The native half of tokseam. The package `tokseam` is the interface; this module may change.
"""

from _typeshed import Incomplete
from collections.abc import Sequence
from typing import Any, Final, final

__all__ = ["ByteKernel", "Detector", "Grammar", "Heads", "PairCounts", "Plan", "Prefix", "PretokenCounts", "RunCounts", "Stem", "StreamDecoder", "Tokenizer", "canonicalize", "compare", "extend", "extended_json", "find_rows", "is_utf8", "join", "judge_rows", "learn", "log_sums", "marked_triads", "plain_json", "project", "prompt_tail", "range_sums", "record_texts", "regroup_digits", "restore", "scheme", "split_component", "token_values"]

@final
class ByteKernel:
    """
    What the heads of all texts share.
    """
    LEAST: Final[float]
    """
    Logarithms below this are not taken as probabilities.
    """
    LIMIT: Final[int]
    """
    The most stems that are listed, or held open at a time, where all cuts are stems.
    """
    def __new__(cls, /, tokenizer: Tokenizer, admissible: bool, utf8: bool) -> ByteKernel:
        """
        Makes the kernel of a tokenizer: of the starts of its encodings, or of all sequences.
        """
    def allowed(self, /, stems: Sequence[Stem]) -> Incomplete:
        """
        For some stems and all places whether the token may follow: bool of shape (stems, n).
        """
    def depth(self, /, node: int) -> int:
        """
        The number of bytes that lead to a node of the trie.
        """
    def masses(self, /, stems: Sequence[Stem], rows: Sequence[Any], barred: Incomplete) -> tuple[Incomplete, list[float], list[float]] | None:
        """
        The masses of the first bytes of tokens in rows of a model behind some stems, each divided by
        the probability of its top, nothing for tokens that may not follow or are barred: float64 of
        shape (stems, bytes that tokens start with). Then the greatest number of each row, and the
        sum over all ids, nan if a number is nan or infinite. `None` if a logarithm that counts is
        too low for a probability. Rows are float32 or float64 of shape (ids,), all of one type.
        """
    def order(self, /) -> Incomplete:
        """
        The ids of all tokens with bytes in the order of these: uint32 of shape (n,). A place is an
        index here.
        """
    def part(self, /, stem: Stem, row: Any, top: float, barred: Incomplete, low: int, high: int) -> Incomplete | None:
        """
        The probabilities of the places from `low` to `high` in a row of a model behind a stem,
        divided by that of its top: float64, what `masses` sums. `None` where that gives none.
        """
    def prefix(self, /) -> bytes:
        """
        What the tokenizer writes before every text.
        """
    def root(self, /) -> Stem:
        """
        The stem without tokens.
        """
    def segments(self, /, nodes: Sequence[tuple[int, int, bool]]) -> Incomplete:
        """
        How the next byte cuts the longer tokens of some nodes of the trie, each with the number of
        its text and whether the tokens of a byte are one number already, into ranges to be summed:
        int64 of shape (3, s) with where each starts among the numbers of all, which of the nodes it
        is, and the column among those of all texts.
        """
    def start(self, /) -> Heads:
        """
        The heads of the empty text.
        """

@final
class Detector:
    """
    Finds blocks in ids that come one at a time.
    """
    def __new__(cls, /, tokenizer: Tokenizer) -> Detector:
        """
        Waits for the first id.
        """
    @property
    def broken(self, /) -> int | None:
        """
        The first token that no continuation can make canonical.
        """
    def finish(self, /) -> list[tuple[tuple[int, int], tuple[int, int], list[int], str]]:
        """
        The rest; then all starts anew.
        """
    def push(self, /, id: Any) -> list[tuple[tuple[int, int], tuple[int, int], list[int], str]]:
        """
        The blocks that are certain with this id.
        """

@final
class Grammar:
    """
    The rules for numerals.
    """
    def __new__(cls, /, group_size: int, keep_years: bool, min_digits: int, grouped: bool, extend: bool) -> Grammar:
        """
        Makes rules.
        """
    def annotate(self, /, text: Any) -> Any:
        """
        The text with markers.
        """
    def author(self, /, text: Any, separated: bool) -> Any:
        """
        The text in the form of the published converter.
        """
    def extend(self, /, tokenizer: Tokenizer, markers_apart: bool) -> tuple[Tokenizer, Incomplete, tuple[Incomplete, Incomplete]]:
        """
        A tokenizer with triads; its new ids, uint32 (n,); and for each the ids of the base that its
        row starts from, uint32 (total,) and int64 (n + 1,).
        """
    def find(self, /, text: Any) -> Incomplete:
        """
        Numerals as (start, end, integer digits, fraction digits): int64 of shape (4 n,).
        """
    def paper(self, /, text: Any) -> Any:
        """
        The text with padded triads.
        """
    def split(self, /, literal: Any) -> list[tuple[str, int]]:
        """
        The triads of a numeral as (digits, power).
        """

@final
class Heads:
    """
    The heads of some bytes; they do not change.
    """
    def __len__(self, /) -> int:
        """
        The number of bytes.
        """
    def below(self, /, kernel: ByteKernel, sizes: Sequence[int]) -> list[tuple[list[tuple[int, int]], tuple[int, int, int, int] | None]]:
        """
        What goes on from the stems that spell the first bytes, for some numbers of bytes: for each
        the places of the tokens behind which the text goes on or ends, with the number of bytes
        behind each; and the node of the trie that spells the rest with its three places, if longer
        tokens do. Numbers count what the tokenizer writes before every text.
        """
    @property
    def count(self, /) -> int:
        """
        The number of heads.
        """
    def plan(self, /, kernel: ByteKernel, since: Heads | None = None) -> Plan:
        """
        The contexts and ranges; weights count from the trunk of `since`.
        """
    def pop(self, /, kernel: ByteKernel, bytes: int) -> Heads | None:
        """
        The heads with the last bytes taken back, `None` if there are not so many.
        """
    def push(self, /, kernel: ByteKernel, bytes: Any) -> Heads:
        """
        The heads behind more bytes.
        """

@final
class PairCounts:
    """
    Counted neighbours of the second stage's start.
    """
    def __len__(self, /) -> int: ...
    def __new__(cls, /, tokenizer: Tokenizer, pre_tokenizer: str, limits: tuple[int, int] | None) -> PairCounts: ...
    def add(self, /, left: Incomplete, right: Incomplete, counts: Incomplete, totals: tuple[int, int, int, int, int]) -> None:
        """
        Adds a table that was made elsewhere.
        """
    def fingerprint(self, /) -> int:
        """
        What the counts belong to.
        """
    def guess_barrier(self, /, merges: int) -> int:
        """
        A guess of the count of the last of so many merges.
        """
    def merge(self, /, other: PairCounts) -> None:
        """
        Adds other counts; `other` is not this object.
        """
    def see(self, /, ids: Incomplete) -> None:
        """
        Adds ids that came, as counted elsewhere.
        """
    def seen(self, /) -> Incomplete:
        """
        The ids that came.
        """
    def table(self, /) -> tuple[Incomplete, Incomplete, Incomplete]:
        """
        Left ids, right ids and counts, in the order of ids.
        """
    def totals(self, /) -> tuple[int, int, int, int, int]:
        """
        Texts, bytes, tokens, entries dropped, their count.
        """
    def update(self, /, texts: Sequence[Any], lines: bool, threads: int) -> None:
        """
        Counts some texts.
        """

@final
class Plan:
    """
    The contexts and ranges of some heads.
    """
    def context(self, /, node: int, before: Sequence[int]) -> tuple:
        """
        The ids of the tokens of a node behind some ids.
        """
    def heads(self, /) -> list[tuple[int, int, int, int]]:
        """
        The heads: for each the index of the stem's node, the node of the trie, and the places of
        its longer tokens.
        """
    def nodes(self, /) -> list[tuple[int, int, int]]:
        """
        The nodes, the base first, each behind its parent: for each its number, the index of its
        parent, and the place of its last token (that of the base means nothing).
        """
    def stem(self, /, node: int) -> Stem:
        """
        The stem of a node.
        """

@final
class Prefix:
    """
    Ids that start an encoding. Equal ones have equal futures.
    """
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __new__(cls, /, tokenizer: Tokenizer) -> Prefix:
        """
        No ids.
        """
    def extend(self, /, ids: Any) -> Prefix:
        """
        The prefix with some more ids.
        """
    def mask(self, /) -> Incomplete:
        """
        For each id whether it may follow: bool of shape (`vocab_size`,).
        """
    def push(self, /, id: Any) -> Prefix | None:
        """
        The prefix with one more id, or None.
        """
    def row(self, /) -> bytes:
        """
        The ids that may follow, one bit each, the lowest first, in whole words of 64 bits.
        """

@final
class PretokenCounts:
    """
    Counted pretokens of the first stage.
    """
    def __len__(self, /) -> int: ...
    def __new__(cls, /, pre_tokenizer: str, limits: tuple[int, int] | None) -> PretokenCounts: ...
    def add(self, /, items: Incomplete, ends: Incomplete, counts: Incomplete, totals: tuple[int, int, int, int]) -> None:
        """
        Adds a table that was made elsewhere.
        """
    def alphabet(self, /) -> bytes:
        """
        The bytes that came.
        """
    def merge(self, /, other: PretokenCounts) -> None:
        """
        Adds other counts; `other` is not this object.
        """
    def table(self, /) -> tuple[Incomplete, Incomplete, Incomplete]:
        """
        Items, ends and counts.
        """
    def totals(self, /) -> tuple[int, int, int, int]:
        """
        Texts, bytes, entries dropped, their count.
        """
    def update(self, /, texts: Sequence[Any], lines: bool, threads: int) -> None:
        """
        Counts some texts.
        """

@final
class RunCounts:
    """
    Counted runs of the second stage's start.
    """
    def __len__(self, /) -> int: ...
    def __new__(cls, /, pairs: PairCounts, barrier: int) -> RunCounts: ...
    def add(self, /, items: Incomplete, ends: Incomplete, counts: Incomplete, totals: tuple[int, int, int]) -> None:
        """
        Adds a table that was made elsewhere.
        """
    def barrier(self, /) -> int:
        """
        Pairs below this count were cut.
        """
    def fingerprint(self, /) -> int:
        """
        What the counts belong to.
        """
    @staticmethod
    def gathered(tokenizer: Tokenizer, pre_tokenizer: str, barrier: int) -> RunCounts:
        """
        Runs that are counted elsewhere.
        """
    def merge(self, /, other: RunCounts) -> None:
        """
        Adds other counts; `other` is not this object.
        """
    def table(self, /) -> tuple[Incomplete, Incomplete, Incomplete]:
        """
        Items, ends and counts.
        """
    def totals(self, /) -> tuple[int, int, int]:
        """
        Texts, bytes, tokens.
        """
    def update(self, /, texts: Sequence[Any], lines: bool, threads: int) -> None:
        """
        Counts some texts.
        """

@final
class Stem:
    """
    Some tokens, one behind the other.
    """
    def can_end(self, /, kernel: ByteKernel) -> bool:
        """
        Whether it may be a finished text.
        """
    def ids(self, /) -> Incomplete:
        """
        The ids: uint32 of shape (tokens,).
        """
    def push(self, /, kernel: ByteKernel, id: int) -> Stem | None:
        """
        The stem with one more token, `None` if it may not follow.
        """

@final
class StreamDecoder:
    """
    A decoder that takes one id at a time and never splits a character.
    """
    def finish(self, /) -> str:
        """
        Return the rest, with U+FFFD for a character that was cut; the decoder then starts anew.
        """
    def push(self, /, id: Any) -> str:
        """
        Return the text that is certain with this id and was not before.

        Args:
            id: The id.

        Raises:
            TypeError: The id is no integer.
            UnknownTokenError: It has no token; the decoder is as before.
        """

@final
class Tokenizer:
    """
    A tokenizer.
    """
    @property
    def added_tokens(self, /) -> list:
        """
        Added tokens with their flags, in the order of ids.
        """
    def count(self, /, text: Any, allowed: Any) -> int:
        """
        The number of ids of a text.
        """
    def count_batch(self, /, texts: Any, allowed: Any, threads: int) -> Incomplete:
        """
        The number of ids of many texts: int64 (rows,).
        """
    def decode(self, /, ids: Any) -> str:
        """
        The text of ids.
        """
    def decode_batch(self, /, ids: Any, offsets: Any) -> list[str]:
        """
        The texts of the rows of a ragged array.
        """
    def decode_bytes(self, /, ids: Any) -> bytes:
        """
        The bytes of ids.
        """
    def decode_rows(self, /, rows: Sequence[Any]) -> list[str]:
        """
        The texts of rows of ids.
        """
    def encode(self, /, text: Any, allowed: Any) -> Incomplete:
        """
        The ids of a text: uint32 of shape (n,).
        """
    def encode_batch(self, /, texts: Any, allowed: Any, threads: int) -> tuple[Incomplete, Incomplete]:
        """
        The ids of many texts on some threads: uint32 (total,) and int64 (rows + 1,).
        """
    def encode_with_offsets(self, /, text: Any, allowed: Any) -> tuple[Incomplete, Incomplete]:
        """
        The ids of a text and the bytes that each stands for: uint32 (n,) and int64 (n, 2).
        """
    def first_inadmissible(self, /, ids: Any) -> int | None:
        """
        The first position at which the ids are not the start of an encoding any more.
        """
    @staticmethod
    def from_json(data: Any) -> Tokenizer:
        """
        Reads the text of a `tokenizer.json`.
        """
    @staticmethod
    def from_tiktoken(ranks: Sequence[tuple[bytes, Any]], pattern: str, special_tokens: Sequence[tuple[str, Any]]) -> Tokenizer:
        """
        Makes a tokenizer from the ranks and the pattern of a tiktoken encoding.
        """
    def info(self, /) -> dict:
        """
        What the tokenizer is made of.
        """
    def is_admissible(self, /, ids: Any) -> bool:
        """
        Whether the ids are the start of the encoding of some text.
        """
    def is_canonical(self, /, ids: Any) -> bool:
        """
        Whether encoding what the ids decode to gives them back.
        """
    def largest_state(self, /, ids: Any) -> tuple[int, int]:
        """
        The most branches and the most bytes of a state behind any of the ids.
        """
    def reach(self, /) -> tuple[Incomplete, Incomplete]:
        """
        Whether some text has each id, and whether that is known: bool of shape (`vocab_size`,) each.
        """
    @property
    def special_tokens(self, /) -> dict:
        """
        Ids of special tokens by their literal.
        """
    def spell_pairs(self, /, left: Incomplete, right: Incomplete) -> bytes:
        """
        The bytes of pairs of tokens, each behind its length and a colon, end to end.
        """
    def stream_decoder(self, /) -> StreamDecoder:
        """
        A decoder that takes one id at a time.
        """
    def successors(self, /, ids: Any) -> tuple[Incomplete, Incomplete] | None:
        """
        Which ids may follow admissible ids, and with which a text may end: bool of shape
        (`vocab_size`,) each; `None` if the ids are not admissible.
        """
    def to_json(self, /) -> str:
        """
        The text of a `tokenizer.json`.
        """
    def to_tiktoken(self, /, pad_bytes: bool) -> tuple[str, dict, dict, bytes]:
        """
        The pattern, ranks and special tokens of a tiktoken encoding, and the bytes that were added.
        """
    def token_bytes(self, /, id: Any) -> bytes:
        """
        The bytes that an id stands for.
        """
    def token_id(self, /, token: Any) -> int | None:
        """
        The id that stands for bytes, if there is one that is not special.
        """
    def token_pairs(self, /, left: Incomplete, right: Incomplete) -> list[tuple[bytes, bytes]]:
        """
        The bytes of pairs of tokens.
        """
    def unmade(self, /) -> Incomplete:
        """
        The ids of tokens that merging alone does not make of their bytes: uint32 of shape (n,).
        """
    @property
    def vocab_size(self, /) -> int:
        """
        The highest id + 1.
        """

def canonicalize(ids: Any, tokenizer: Tokenizer) -> tuple[Incomplete, Incomplete]:
    """
    The ids with each block replaced, and the changed ranges: uint32 (n,) and int64 (4 k,).
    """

def compare(before: Any, after: Any, tokenizer: Tokenizer, level: int) -> tuple[str, int | None, list[tuple[tuple[int, int], tuple[int, int], tuple[int, int], int | None, list[int], list[str], int, int]], list[int], Incomplete]:
    """
    Two sequences compared.
    """

def extend(runs: RunCounts, constraints: tuple[int | None, Sequence[Sequence[int]], bool, bool, bool, bool], vocab_size: int, min_frequency: int, max_token_length: int | None, arrays: tuple[Incomplete, Incomplete, Incomplete, Incomplete, Incomplete, Incomplete] | None, calls: tuple[Any, Any]) -> tuple[tuple[Incomplete, Incomplete, Incomplete, Incomplete, Incomplete, Incomplete], str, int]:
    """
    The second stage.
    """

def extended_json(tokenizer: Tokenizer, left: Incomplete, right: Incomplete, result: Incomplete, pre_tokenizer: str) -> str:
    """
    The text of a `tokenizer.json` with more merges.
    """

def find_rows(ids: Any, offsets: Any, tokenizer: Tokenizer) -> list[list[tuple[tuple[int, int], tuple[int, int], list[int], str]]]:
    """
    The blocks of each row of ids.
    """

def is_utf8(text: bytes) -> bool:
    """
    Whether bytes are UTF-8.
    """

def join(triads: Sequence[tuple[str, int]]) -> str:
    """
    The numeral of triads.
    """

def judge_rows(ids: Any, offsets: Any, tokenizer: Tokenizer) -> list[tuple[str, int | None, str | None]]:
    """
    State, position and name of the reason for each row of ids.
    """

def learn(counts: PretokenCounts, special_tokens: Sequence[str], alphabet: Sequence[int], vocab_size: int, min_frequency: int, max_token_length: int | None, arrays: tuple[Incomplete, Incomplete, Incomplete, Incomplete, Incomplete, Incomplete] | None, calls: tuple[Any, Any]) -> tuple[tuple[Incomplete, Incomplete, Incomplete, Incomplete, Incomplete, Incomplete], str, int]:
    """
    The first stage.
    """

def log_sums(rows: Incomplete) -> list[float]:
    """
    The logarithm of the sum of the exponentials of each row of a matrix of float64: nan if it has
    nan or infinity.
    """

def marked_triads(group_size: int) -> list[tuple[bytes, bytes]]:
    """
    All triads with a marker, as digits and marker.
    """

def plain_json(special_tokens: Sequence[str], alphabet: Sequence[int], left: Incomplete, right: Incomplete, result: Incomplete, pre_tokenizer: str) -> str:
    """
    The text of a new `tokenizer.json`.
    """

def project(values: Incomplete, changes: Incomplete, old_len: int, new_len: int, how: str) -> Incomplete:
    """
    Values of old tokens as values of new ones: float64 of shape (`new_len`,).
    """

def prompt_tail(ids: Any, tokenizer: Tokenizer) -> int:
    """
    The number of ids at the end that could still grow or be cut otherwise.
    """

def range_sums(parts: Sequence[Incomplete], factors: Sequence[float], cuts: Incomplete, texts: int) -> Incomplete | None:
    """
    The logarithms of the masses of the next bytes of some texts: float64 of shape (texts, 257).

    `parts` are probabilities, float64, each number of which counts `e^factor`; `cuts` are those of
    `ByteKernel.segments`. `None` if a factor is too small beside the greatest of its text.
    """

def record_texts(block: bytes, field: str) -> list[bytes | None]:
    """
    The text of each line of JSON records, where `records` finds one.
    """

def regroup_digits(ids: Any, tokenizer: Tokenizer, from_right: bool) -> Incomplete:
    """
    The ids of the same text with groups of digits counted from the right, or from the left.
    """

def restore(text: Any) -> Any:
    """
    The text without the markers and escapes that annotating puts in.
    """

def scheme(name: str) -> tuple[str, str] | None:
    """
    The two pre-tokenizers of a scheme with a name, as JSON; `None` for another name.
    """

def split_component(regex: str) -> str:
    """
    A pre-tokenizer that isolates the matches of a regex, as JSON.
    """

def token_values(ids: Any, tokenizer: Tokenizer) -> tuple[Incomplete, Incomplete]:
    """
    The digits and the power of each token: int32 of shape (n,), twice.
    """
