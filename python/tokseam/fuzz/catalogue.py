"""Texts that some tokenizer did not give back, each with the thread that reports it.

An entry is one text out of the report, or the shortest that shows the same. Threads are written `owner/name#number`.
"""

from typing import NamedTuple

__all__ = ["CATALOGUE", "Case"]


class Case(NamedTuple):
    """One entry.

    Attributes:
        name: A short name, unlike all others.
        text: The text that must come back.
        symptom: What happened to it.
        thread: Where it is reported.
    """

    name: str
    text: str
    symptom: str
    thread: str


_CLEANED = "blanks before punctuation are lost in decoding"
_PREFIX = "a blank at the start is lost, or put in"
_SPECIAL = "a special token's name in plain text becomes the token"
_STREAM = "a character that is cut in two is lost in a stream"

CATALOGUE: tuple[Case, ...] = (
    Case("blank-before-mark", "hello !", _CLEANED, "huggingface/tokenizers#1543"),
    Case("blank-before-stop", "So it goes .", _CLEANED, "huggingface/tokenizers#1164"),
    Case("blank-before-quote", "a kind of 'sensing", _CLEANED, "huggingface/transformers#25840"),
    Case(
        "blank-before-contraction",
        "do n't , I 'm , we 've , they 're , it 's",
        _CLEANED,
        "huggingface/transformers#31187",
    ),
    Case("blank-before-question", "what ? no !", _CLEANED, "huggingface/transformers#42898"),
    Case("no-leading-blank", "hello world", _PREFIX, "huggingface/transformers#46491"),
    Case("leading-blank", " hello world", _PREFIX, "huggingface/transformers#46491"),
    Case("two-leading-blanks", "  hello", _PREFIX, "huggingface/tokenizers#1237"),
    Case("blank-after-newline", "a\n b\n  c", _PREFIX, "ggml-org/llama.cpp#3287"),
    Case("blank-alone", " ", _PREFIX, "abetlen/llama-cpp-python#1531"),
    Case(
        "blank-before-added-name",
        "met Deniz",
        "a blank before an added token is lost",
        "huggingface/transformers#28384",
    ),
    Case(
        "added-token-inside",
        "a<mask>b <mask> c",
        "blanks beside an added token come or go",
        "huggingface/tokenizers#826",
    ),
    Case("words-and-blanks", "one  two\tthree", "a pre-tokenizer that drops white space", "huggingface/tokenizers#959"),
    Case(
        "blanks-around-special",
        " <s> a </s> ",
        "blanks around a special token are lost",
        "huggingface/transformers#23909",
    ),
    Case(
        "decomposed",
        "Cafe\u0301 A\u030a \u1100\u1161",
        "a normalizer composes characters",
        "huggingface/tokenizers#563",
    ),
    Case("two-dot-leader", "a\ufe30b", "NFKC makes two full stops of it", "google/sentencepiece#329"),
    Case("compatibility", "ﬁ ½ ② Ⅷ ™ ｱ", "NFKC makes other characters of them", "google/sentencepiece#329"),
    Case("accents", "Kantō, Kanto\u0304", "NFD and a filter take accents away", "ggml-org/llama.cpp#5496"),
    Case("end-of-text", "a <|endoftext|> b", _SPECIAL, "huggingface/tokenizers#1347"),
    Case("start", "<s>", _SPECIAL, "huggingface/tokenizers#1850"),
    Case("turns", "<|im_start|>user\nhi<|im_end|>\n", _SPECIAL, "huggingface/transformers#29279"),
    Case("end", "print('</s>')", _SPECIAL, "huggingface/transformers#47853"),
    Case("model-turn", "<start_of_turn>model\n", _SPECIAL, "google-deepmind/gemma#768"),
    Case("unknown", "a <unk> b", _SPECIAL, "marcelroed/gigatoken#57"),
    Case("instruction", "[INST] a [/INST]", _SPECIAL, "vllm-project/vllm#11691"),
    Case("cut-emoji", "👩\u200d👩\u200d👧\u200d👦🏳️\u200d🌈", _STREAM, "vllm-project/vllm#48853"),
    Case("word-and-ideograph", "A 世", "the stream writes it twice", "sgl-project/sglang#31598"),
    Case(
        "replacement",
        "\ufffd\ufffd \ufffd",
        "a stream holds it back as if it were half a character",
        "sgl-project/sglang#34852",
    ),
    Case("hangul", "값싸고 뷁 쀍 똠방각하 펲시", _STREAM, "ai-dynamo/dynamo#12630"),
    Case(
        "blank-in-stream", "a b  c   d", "a blank between two pieces of a stream is lost", "NVIDIA/TensorRT-LLM#14312"
    ),
    Case("caron", "ď ť ľ", _STREAM, "waybarrios/vllm-mlx#109"),
    Case("mixed-scripts", "数字 12 ไทย हिन्दी", _STREAM, "Blaizzy/mlx-vlm#1771"),
    Case("think", "a</think>\n\nb", "a stop string cuts the text in two", "vllm-project/vllm#45636"),
    Case("stop-text", "stop\n\nUser:", "a stop string is left in, or too much is cut", "vllm-project/vllm#57052"),
    Case(
        "stop-later",
        "def f():\n    return 1\n\n\nclass A:",
        "text before a stop string is lost",
        "vllm-project/vllm#3131",
    ),
    Case(
        "special-skipped",
        "<tool_call>{}</tool_call>",
        "decoding leaves tokens out that the ids keep",
        "jingyaogong/minimind#850",
    ),
    Case("suffix", "▁<tool>", "a text encodes otherwise behind another", "radixark/miles#1319"),
    Case("crlf", "a\r\nb\rc\n\r", "line ends are made one kind", "huggingface/tokenizers#692"),
    Case(
        "marks-alone",
        "\u0301\u0301a\u200d\u0bcd",
        "positions in normalized text run past its end",
        "huggingface/tokenizers#736",
    ),
    Case(
        "zero-width-insertion",
        "a",
        "a normalizer that inserts before the first character panics",
        "huggingface/tokenizers#1348",
    ),
)
"""Texts that a tokenizer lost somewhere, each with the thread that tells of it."""
