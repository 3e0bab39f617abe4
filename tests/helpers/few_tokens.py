"""Random models of a few tokens, whose answers can all be listed, and plain sums over them."""

from functools import cache

import torch
from fusing import checkpoint
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

VOCABULARIES = {
    "letters": (["a", "b"], []),
    "pairs": (["a", "b", "ab", "ba"], [("a", "b"), ("b", "a")]),
    "triples": (["a", "b", "aa", "aab"], [("a", "a"), ("aa", "b")]),
}


def tiny(folder, tokens, merges, seed, end="</s>", *, sharp=20.0, context=64):  # noqa: PLR0913
    """A random model of a few byte-level tokens, the sharper the less it is unsure."""
    folder.mkdir()
    words = {token: n for n, token in enumerate(["<s>", "</s>", *tokens])}
    made = Tokenizer(models.BPE(words, merges))
    made.add_special_tokens(["<s>", "</s>"])
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    named = PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token=end)
    named.save_pretrained(folder)
    torch.manual_seed(seed)
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    shape |= {"num_attention_heads": 1, "max_position_embeddings": context}
    config = LlamaConfig(**shape, vocab_size=len(words), bos_token_id=0, eos_token_id=end and 1)
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        model.lm_head.weight.mul_(sharp)
    model.save_pretrained(folder)
    return checkpoint(folder.name, folder)


class Strings:
    """What a model gives to whole strings and to their beginnings, summed over all tokenizations.

    Tokens without bytes are ruled out. `plain` is the uncached model.
    """

    def __init__(self, plain, prompt):
        self.plain, self.ids = plain, tuple(plain.prompt(prompt))
        local = plain.local
        self.ends = sorted(local.ends)
        self.pieces = {n: p for n in range(local.width) if (p := local.vocabulary.piece(n))}
        self.next = cache(self._next)
        self.begins = cache(lambda text: self._begins(self.ids, text))
        self.writes = cache(lambda text: self._writes(self.ids, text))

    def _next(self, ids):
        table = self.plain.after(list(ids)).exp()
        kept = {n: float(table[n]) for n in (*self.pieces, *self.ends)}
        total = sum(kept.values())
        return {n: p / total for n, p in kept.items()}

    def _begins(self, ids, text):
        """The probability that what follows some tokens begins with a text."""
        if not text:
            return 1.0
        total, table = 0.0, self.next(ids)
        for token, piece in self.pieces.items():
            if piece.startswith(text):
                total += table[token]
            elif text.startswith(piece):
                total += table[token] * self._begins((*ids, token), text[len(piece) :])
        return total

    def _writes(self, ids, text):
        """The probability that exactly a text follows some tokens, and then the end."""
        table = self.next(ids)
        if not text:
            return sum(table[end] for end in self.ends)
        shorter = ((n, p) for n, p in self.pieces.items() if text.startswith(p))
        return sum(table[n] * self._writes((*ids, n), text[len(p) :]) for n, p in shorter)
