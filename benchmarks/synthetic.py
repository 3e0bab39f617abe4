"""Random models of one size with made-up tokenizers: what the cost of a step depends on, no more.

Words are syllables of a consonant and a vowel; a byte-level BPE builds each from its beginning,
so that a word that only one vocabulary holds is two or more tokens in the other.
"""

from __future__ import annotations

import itertools
import random
from functools import cache
from pathlib import Path
from typing import Any

import torch

from composer.backends.hf import HF
from composer.engine.weights.local import LocalModel
from composer.specs import Declared, Weights

SPACE = "Ġ"
END = "<end>"
SYLLABLES = tuple(c + v for c, v in itertools.product("bcdfghjklmnpqrstvwxyz", "aeiou"))
TOKENIZERS = Path(__file__).parents[2] / "shared" / "data" / "tokenizers"
"""Where real tokenizers are, if they are beside this checkout."""

SHARED = 0.5
"""The part of a vocabulary that two unlike ones of its size have in common."""

SHARPNESS = 8.0
"""What the output weights of random models are multiplied by, so that one token stands out."""

LOUDNESS = 50.0
"""What the input weights are multiplied by, so that the last token outweighs what layers add to
it: otherwise random models fall silent on one word, and the words of an answer are too alike."""


@cache
def tokenizer(size: int, kind: int) -> Any:  # noqa: ANN401 - of transformers, untyped
    """Make a byte-level BPE of `size` tokens; other kinds share half of them."""
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    merges = [(s[0], s[1]) for s in SYLLABLES] + [(SPACE, s) for s in SYLLABLES]
    merges += [(SPACE + a, b) for a, b in itertools.product(SYLLABLES, SYLLABLES)]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges += _long_words(size - len(alphabet) - len(merges) - 1, kind, int(SHARED * size))
    tokens = [*alphabet, *(a + b for a, b in merges)]
    made = tokenizers.Tokenizer(models.BPE({token: n for n, token in enumerate(tokens)}, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token=END)


def _long_words(count: int, kind: int, shared: int) -> list[tuple[str, str]]:
    """Three syllables: the first ones in every kind, the others in one only."""
    words = [(SPACE + a + b, c) for a, b, c in itertools.product(SYLLABLES, SYLLABLES, SYLLABLES)]
    random.Random(0).shuffle(words)
    common = shared - len(SYLLABLES) ** 2
    own = count - common
    start = common + kind * own
    return words[:common] + words[start : start + own]


@cache
def llama(name: str, size: int, kind: int = 0, split: float = 0.0) -> LocalModel:
    """Make a random Llama of hidden 256 and 4 layers, which never ends its answers.

    It says words that every kind of vocabulary of the size holds, and, if `split`, so large a
    part of those that only its own does.
    """
    return _llama(name, tokenizer(size, kind), said(size, kind, split))


@cache
def real(name: str, other: str) -> LocalModel:
    """Make the same model with a real tokenizer; it says words that the other one has, too.

    Raises FileNotFoundError where the tokenizers are not beside this checkout.
    """
    from transformers import AutoTokenizer

    mine, theirs = (AutoTokenizer.from_pretrained(TOKENIZERS / each) for each in (name, other))
    common = set(theirs.get_vocab()) - set(theirs.all_special_tokens)
    known = mine.get_vocab()
    said_ = torch.zeros(len(known))
    said_[[i for token, i in known.items() if token in common and token.strip("▁").isalpha()]] = 1.0
    return _llama(name, mine, said_)


def _llama(name: str, words: Any, said_: torch.Tensor) -> LocalModel:  # noqa: ANN401 - untyped
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(said_),
        hidden_size=256,
        intermediate_size=688,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=1024,
        bos_token_id=None,
        eos_token_id=words.eos_token_id,
        tie_word_embeddings=False,
    )
    torch.manual_seed(sum(name.encode()))
    module = LlamaForCausalLM(config).eval().requires_grad_(requires_grad=False)
    module.model.embed_tokens.weight.mul_(LOUDNESS)
    module.lm_head.weight.mul_(SHARPNESS * said_[:, None])
    return LocalModel(module, words, torch.device("cpu"), name)


def said(size: int, kind: int, split: float = 0.0) -> torch.Tensor:
    """Give 1 for each token that a model may say, 0 for the others [size]."""
    vocabulary = tokenizer(size, kind).get_vocab()
    other = tokenizer(size, 1 - kind).get_vocab()
    words = {token: i for token, i in vocabulary.items() if len(token) > len(SPACE + "ba")}
    own = sorted(i for token, i in words.items() if token not in other and token != END)
    said = torch.zeros(size)
    said[[i for token, i in words.items() if token in other and token != END]] = 1.0
    said[random.Random(1).sample(own, int(split * len(own)))] = 1.0
    return said


def prompt(seed: int, words: int = 64) -> str:
    """Write words of two syllables, one token each in every vocabulary."""
    dice = random.Random(seed)
    return "".join(" " + "".join(dice.choices(SYLLABLES, k=2)) for _ in range(words))


class Random(HF):
    """A model that a loader makes; its path is only a name."""

    @property
    def weights(self) -> Weights:
        """Its name, for weights that lie nowhere."""
        return Weights(self.path, "/random")


def checkpoint(name: str) -> Declared:
    """Name a model that a loader makes."""
    return Declared(name, Random(path=name))
