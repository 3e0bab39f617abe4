"""The two tokenizers of the zoo: byte-level BPE that splits digits and loses no text."""

from __future__ import annotations

from itertools import islice
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from composer.fit.zoo.skills import SKILLS, stream
from composer.heavy import transformers

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CHAT = (
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'user' -%}{{ 'Q: ' + message['content'] | trim + '\\nA:' }}"
    "{%- elif message['role'] == 'assistant' -%}"
    "{{ ' ' + message['content'] | trim + eos_token + '\\n' }}"
    "{%- else -%}{{ message['content'] | trim + '\\n' }}{%- endif -%}"
    "{%- endfor -%}"
)


class Spec(NamedTuple):
    """What tells the zoo's tokenizers apart."""

    size: int
    eos: str
    pad: str
    shuffle: int | None = None


SPECS = {
    "digits-384": Spec(384, "<eos>", "<pad>"),
    "shuffled-640": Spec(640, "<|end|>", "<|fill|>", shuffle=7),
}


def prompt(query: str) -> str:
    """A question as the models were trained on it; the answer begins with one space."""
    return f"Q: {query}\nA:"


def tokenizer(name: str) -> transformers.PreTrainedTokenizerFast:
    """Train a tokenizer on the zoo's own questions and dress it for transformers."""
    spec = SPECS[name]
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=_bpe(spec),
        eos_token=spec.eos,
        pad_token=spec.pad,
        padding_side="left",
        model_max_length=512,
        clean_up_tokenization_spaces=False,
        chat_template=CHAT,
        model_input_names=["input_ids", "attention_mask"],
    )


def _bpe(spec: Spec) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), byte_level]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=spec.size,
        special_tokens=[spec.pad, spec.eos],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(spec), trainer)
    return tokenizer if spec.shuffle is None else _shuffled(tokenizer, spec)


def _corpus(spec: Spec) -> list[str]:
    chosen = islice(stream(list(SKILLS), f"tokens {spec.size}"), 20_000)
    return [f"{prompt(one.query)} {one.answer}" for one in chosen]


def _shuffled(tokenizer: Tokenizer, spec: Spec) -> Tokenizer:
    """The same merges under other ids, the special tokens last."""
    import json

    from tokenizers import Tokenizer

    state = json.loads(tokenizer.to_str())
    words = sorted(set(state["model"]["vocab"]) - {spec.pad, spec.eos})
    Random(spec.shuffle).shuffle(words)
    vocab = {token: at for at, token in enumerate([*words, spec.eos, spec.pad])}
    state["model"]["vocab"] = vocab
    for added in state["added_tokens"]:
        added["id"] = vocab[added["content"]]
    state["added_tokens"].sort(key=lambda added: added["id"])
    return Tokenizer.from_str(json.dumps(state))
