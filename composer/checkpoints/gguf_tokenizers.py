"""Tokenizers out of GGUF files, for the families whose result equals the reference's.

Such a file has the tokens and merges of a tokenizer, but names the rest of it by one word. What the
word stands for is written here, only for families that were compared with the ids that the
reference implementation gives (`tests/checkpoints/test_gguf_tokenizers.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from composer.checkpoints.token_bytes import METASPACE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from composer.specs.gguf import Value

__all__ = ["family_of", "settings_from", "tokenizer_from"]

NORMAL, UNKNOWN, CONTROL, CHOSEN, UNUSED = 1, 2, 3, 4, 5
"""The kinds of tokens, as llama.cpp numbers them; `CHOSEN` ones were added, and are text."""

WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def _split(pattern: str) -> dict[str, Any]:
    return {
        "type": "Split",
        "pattern": {"Regex": pattern},
        "behavior": "Isolated",
        "invert": False,
    }


def _bytes(*, by_words: bool) -> dict[str, Any]:
    """Return what writes bytes as letters, and may part a text as GPT-2 does."""
    plain = {"add_prefix_space": False, "trim_offsets": True}
    return {"type": "ByteLevel", **plain, "use_regex": by_words}


DIGITS = {"type": "Digits", "individual_digits": True}
CODE = (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-\ud7ff]+")

PARTED: Mapping[str, list[dict[str, Any]]] = {
    "gpt-2": [_bytes(by_words=True)],
    "starcoder": [DIGITS, _bytes(by_words=True)],
    "llama-bpe": [_split(WORDS + r"|\p{N}{1,3}" + REST), _bytes(by_words=False)],
    "qwen2": [_split(WORDS + r"|\p{N}" + REST), _bytes(by_words=False)],
    "deepseek-coder": [*map(_split, CODE), DIGITS, _bytes(by_words=False)],
}
"""How a text is parted before its bytes are merged, by the word for it."""

WHOLE = ("llama-bpe", "qwen2")
"""Those that take a part as one token where there is such a token, whatever the merges say."""

COMPOSED = ("qwen2",)
"""Those that compose characters (NFC)."""

BEGUN = ("llama-bpe",)
"""Those that begin a text with a token where the file does not say."""


def family_of(facts: Mapping[str, Value]) -> str | None:
    """Return the family of a file's tokenizer, None for one that is not made here."""
    model, word = facts.get("tokenizer.ggml.model"), facts.get("tokenizer.ggml.pre", "default")
    if model == "llama" and word == "default" and facts.get("tokenizer.ggml.add_space_prefix", 1):
        return "llama"
    return str(word) if model == "gpt2" and word in PARTED else None


def tokenizer_from(facts: Mapping[str, Value], family: str) -> dict[str, Any]:
    """Return the content of a tokenizer.json."""
    tokens, kinds = _tokens(facts)
    added = [_added(i, tokens[i], kind) for i, kind in enumerate(kinds) if kind in ADDED]
    vocabulary = {token: i for i, token in enumerate(tokens) if kinds[i] != UNUSED}
    spelt = _of_llama(facts, tokens) if family == "llama" else _of_bytes(facts, family)
    model: dict[str, Any] = {"type": "BPE", "dropout": None, "continuing_subword_prefix": None}
    model |= {"end_of_word_suffix": None, "vocab": vocabulary, **spelt.pop("model")}
    whole = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added}
    return whole | spelt | {"post_processor": _around(facts, family), "model": model}


ADDED = (UNKNOWN, CONTROL, CHOSEN)


def _tokens(facts: Mapping[str, Value]) -> tuple[list[str], list[int]]:
    tokens = cast("list[str]", facts.get("tokenizer.ggml.tokens", []))
    kinds = cast("list[int]", facts.get("tokenizer.ggml.token_type", [NORMAL] * len(tokens)))
    return tokens, kinds


def _added(number: int, token: str, kind: int) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": token, **flags, "special": kind != CHOSEN}


def _of_llama(facts: Mapping[str, Value], tokens: list[str]) -> dict[str, Any]:
    """Return the parts of a tokenizer of the family of sentencepiece, with bytes for the rest."""
    space = {"type": "Replace", "pattern": {"String": " "}, "content": METASPACE}
    back = {"type": "Replace", "pattern": {"String": METASPACE}, "content": " "}
    strip = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    unknown = facts.get("tokenizer.ggml.unknown_token_id", 0)
    return {
        "normalizer": {
            "type": "Sequence",
            "normalizers": [{"type": "Prepend", "prepend": METASPACE}, space],
        },
        "pre_tokenizer": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [back, {"type": "ByteFallback"}, {"type": "Fuse"}, strip],
        },
        "model": {
            "unk_token": tokens[int(cast("int", unknown))],
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "merges": [[left, right] for *_, left, right in sorted(_merges(facts))],
        },
    }


def _merges(facts: Mapping[str, Value]) -> Iterator[tuple[float, int, int, int, str, str]]:
    """Yield the pairs of tokens that make a token: those of the best score come first."""
    tokens, kinds = _tokens(facts)
    scores = cast("list[float]", facts["tokenizer.ggml.scores"])
    ids = {token: i for i, token in enumerate(tokens)}
    for i, token in enumerate(tokens):
        cuts = range(1, len(token)) if kinds[i] == NORMAL else ()
        for left, right in ((token[:cut], token[cut:]) for cut in cuts):
            if left in ids and right in ids:
                yield -scores[i], i, ids[left], ids[right], left, right


def _of_bytes(facts: Mapping[str, Value], family: str) -> dict[str, Any]:
    """Return the parts of a tokenizer that merges bytes."""
    merges = cast("list[str]", facts.get("tokenizer.ggml.merges", []))
    parts = PARTED[family]
    sequence = {"type": "Sequence", "pretokenizers": parts}
    return {
        "normalizer": {"type": "NFC"} if family in COMPOSED else None,
        "pre_tokenizer": parts[0] if len(parts) == 1 else sequence,
        "decoder": _bytes(by_words=True),
        "model": {
            "unk_token": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": family in WHOLE,
            "merges": [merge.split(" ", 1) for merge in merges],
        },
    }


def _around(facts: Mapping[str, Value], family: str) -> dict[str, Any] | None:
    """Return what puts tokens before and behind a text, None where nothing does."""
    begins = facts.get("tokenizer.ggml.add_bos_token", family in ("llama", *BEGUN))
    put = [
        _special(facts, name) if wanted else None
        for name, wanted in (
            ("bos", begins),
            ("eos", facts.get("tokenizer.ggml.add_eos_token", False)),
        )
    ]
    named = {one["SpecialToken"]["id"]: one for one in put if one is not None}
    if not named:
        return None
    single = [one for one in (put[0], {"Sequence": {"id": "A", "type_id": 0}}, put[1]) if one]
    second = [one for one in (put[0], {"Sequence": {"id": "B", "type_id": 1}}, put[1]) if one]
    ids = _tokens(facts)[0]
    specials = {name: {"id": name, "ids": [ids.index(name)], "tokens": [name]} for name in named}
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": single + second,
        "special_tokens": specials,
    }


def _special(facts: Mapping[str, Value], name: str) -> dict[str, Any] | None:
    token = _named(facts, name)
    return None if token is None else {"SpecialToken": {"id": token, "type_id": 0}}


def _named(facts: Mapping[str, Value], name: str) -> str | None:
    """Return the token that a file names `bos`, `eos`, `unknown` or `padding`."""
    number, tokens = facts.get(f"tokenizer.ggml.{name}_token_id"), _tokens(facts)[0]
    return tokens[number] if isinstance(number, int) and 0 <= number < len(tokens) else None


def settings_from(facts: Mapping[str, Value]) -> dict[str, Any]:
    """Return the content of a tokenizer_config.json: named tokens and the chat template."""
    names = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
    tokens = {f"{short}_token": _named(facts, name) for short, name in names.items()}
    stated = {
        "chat_template": facts.get("tokenizer.chat_template"),
        "add_bos_token": facts.get("tokenizer.ggml.add_bos_token"),
    }
    kept = {name: value for name, value in (tokens | stated).items() if value is not None}
    return {"tokenizer_class": "PreTrainedTokenizerFast", **kept}
