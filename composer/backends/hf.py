"""`hf(...)`: a causal language model in a folder or on a hub, run by transformers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from composer.checkpoints.adapted import Adapted
from composer.checkpoints.chatfiles import chat_of
from composer.checkpoints.devices import DeviceName
from composer.checkpoints.dtypes import Dtype, long_name
from composer.checkpoints.faults import faults_of
from composer.checkpoints.folder import LOCAL, card_of
from composer.checkpoints.generation_options import checked, processing_of, settings_of, unheeded
from composer.checkpoints.location import Stored, names_of
from composer.checkpoints.quantize import Quantize, quantize_faults, quantized_use
from composer.specs.content import folder_digest
from composer.specs.declaration import Chat, Local, Weights
from composer.specs.parts import ChatFile, chosen_chat
from composer.values.card import Card, Price
from composer.values.processing import LogitBias, MinTokens, RepetitionPenalty, TokenPenalty
from composer.values.thinking import Thinking
from composer.values.typed import MaybeModel, ModelPath, Variables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from composer.values.errors import ModelError

__all__ = ["HF"]


class HF(Stored, Adapted, Local):
    """A language model in a folder or on a hub, run here by transformers.

    `dtype = auto` is float32 on a CPU, bfloat16 on a GPU that has it, else the type of the stored
    weights; `device = auto` is the best device of this machine; `template = auto` is the chat
    template of the tokenizer, or `plain` (the messages as they are) if it has none. Choose one of
    several templates by its name, or a file with `file("chat.jinja")`; `template_args` are
    variables of the template, such as `[enable_thinking: false]`. `fold_system` puts the system
    message before the first question, for templates that leave it out. Special tokens in a message
    are read as plain text unless `parse_special` is true. Thoughts are removed from answers if the
    template has such a block (`thinking = auto`), always (`true` for `<think>`, or a tag such as
    `"reasoning"`), or never (`false`). With `generation_config = true` the settings of
    generation_config.json are used where the recipe sets nothing; `false` hides the warning about
    that file. `repetition_penalty`, `presence_penalty`, `frequency_penalty`, `logit_bias` and
    `min_tokens` are those of `generate`, for all that this model writes. `quantize` makes linear
    layers smaller while they are loaded: `int8` or `int4` whole numbers, or `fp8`; embeddings and
    the output layer stay as they are, and answers change a little. It needs the extra `quant`.
    `adapter` is a LoRA adapter as peft saves it: models that differ in their adapters alone have
    their base in memory once, and share its forward passes.
    """

    name: ClassVar[str] = "hf"

    path: ModelPath
    dtype: Dtype = "auto"
    device: DeviceName = "auto"
    quantize: Quantize | None = None
    revision: str | None = None
    template: ChatFile | str = "auto"
    template_args: Variables = ()
    fold_system: bool = False
    parse_special: bool = False
    thinking: bool | Annotated[str, Field(min_length=1)] = "auto"
    generation_config: bool | None = None
    repetition_penalty: RepetitionPenalty | None = None
    presence_penalty: TokenPenalty | None = None
    frequency_penalty: TokenPenalty | None = None
    logit_bias: LogitBias | None = None
    min_tokens: MinTokens | None = None
    adapter: MaybeModel = None
    adapter_revision: str | None = None
    price: Price = None

    @property
    def aliases(self) -> tuple[str, ...]:
        """The path of the model or its adapter, and its last part."""
        return names_of(self.adapter or self.path)

    def card(self) -> Card:
        """Read config.json, tokenizer.json and the headers of the weights."""
        folder = self.folder
        if folder is not None:
            dtype = long_name(self.dtype)
            card = self.adapted(card_of(folder, dtype, self.quantize), dtype, self.path)
            card = replace(card, price=self.price, unheeded=unheeded(self, card))
            card = replace(card, losses=self._losses(folder))
            return checked(self, card, self.aliases[0])
        card = Card(LOCAL, price=self.price, deferred=(self.absence,))
        return checked(self, card, self.aliases[0])

    def faults(self) -> Sequence[ModelError]:
        """Say which weights are missing, too many or of another shape, from the headers."""
        folder = self.folder
        if folder is None:
            return ()
        faults = faults_of(folder) or tuple(quantize_faults(folder, self.quantize))
        return faults or self.adapter_faults(folder)

    def identity(self) -> str:
        """The folder, or the hub id with its revision, and how the weights are used."""
        thinking = () if self.thinking == "auto" else (f"thinking:{self.thinking}",)
        use = (long_name(self.dtype), self.device, str(self.chat), *thinking)
        quantized = quantized_use(self.quantize)
        return "|".join((f"hf:{self.key}", *use, *quantized, *self.adapter_use))

    def content(self) -> str:
        """The digest of the folder, or the hub id with its revision; dtype and template."""
        folder = self.folder
        held = folder_digest(folder) if folder is not None else self.key
        said = processing_of(self).set_options
        done = (f"processing:{sorted(said.items())}",) if said else ()
        if self.thinking != "auto":
            done = (*done, f"thinking:{self.thinking}")
        done = (*done, *quantized_use(self.quantize), *self.adapter_content)
        return "|".join((f"weights:{held}", long_name(self.dtype), self.chat.content(), *done))

    @property
    def settings(self) -> Mapping[str, object]:
        """What its files say of an answer that it writes alone, if they are to be heeded."""
        return settings_of(self)

    @property
    def weights(self) -> Weights:
        """The checkpoint, and how it is used."""
        return Weights(
            key=self.key,
            location=str(self.folder or self.path),
            revision=self.revision,
            dtype=long_name(self.dtype),
            device=self.device,
            chat=self.chat,
            processing=processing_of(self),
            adapter=self.adapter_weights,
            quantize=self.quantize,
        )

    @property
    def chat(self) -> Chat:
        """How the model is spoken to."""
        chat = chosen_chat(self.template, self.template_args)
        return replace(chat, fold_system=self.fold_system, parse_special=self.parse_special)

    @property
    def reasoning(self) -> Thinking | None:
        """The tags that the recipe or the template names, and whether the prompt opens a block."""
        template = chat_of(self.folder, self.chat, self.path) if self.folder else None
        if self.thinking is False or (self.thinking == "auto" and template is None):
            return None
        named = "think" if self.thinking is True else self.thinking
        tags = (named,) if isinstance(named, str) and named != "auto" else ()
        if template is None:
            return Thinking(tags) if tags else None
        return template.thinking(tags)

    def _losses(self, folder: Path) -> frozenset[str]:
        """Say what the template leaves out, found by trying it."""
        template = chat_of(folder, self.chat, f"`{self.path}`")
        losses = template.probe.losses if template is not None else frozenset()
        return losses - {"system"} if self.fold_system else losses
