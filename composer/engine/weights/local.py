"""A local model as loaded: weights, tokenizer, and how it is spoken to."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from composer.checkpoints.chat import ChatTemplate
from composer.checkpoints.chatfiles import chosen, named
from composer.checkpoints.config_files import Configuration, state
from composer.checkpoints.faults import sound
from composer.checkpoints.positions import context_of, switch_of
from composer.checkpoints.vocabulary import Vocabulary
from composer.engine.weights.loading import module_of, refused, tokenizer_of
from composer.engine.weights.merging import fetched, opened
from composer.quiet import quiet
from composer.specs.chat import DEFAULT_CHAT, Chat
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tokenizers import Tokenizer
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from composer.checkpoints.folder import ModelFiles
    from composer.specs import Checkpoint
    from composer.values.flow import Message
    from composer.values.typed import Variables

__all__ = ["LocalModel", "load"]


class LocalModel:
    """A causal language model of transformers with its tokenizer, on one device.

    `tokenizer` renders chats. `written` is what texts are encoded by, and `files` what the model's
    files say; a model that was made in memory has neither, and says the same itself.
    """

    def __init__(  # noqa: PLR0913 - its parts
        self,
        module: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        device: torch.device,
        name: str,
        files: ModelFiles | None = None,
        written: Tokenizer | None = None,
    ) -> None:
        self.module = module
        self.tokenizer = tokenizer
        self.device = device
        self.name = name
        self.config = module.config.get_text_config()
        written = written or tokenizer.backend_tokenizer
        self.ends, self.bos = _ends(module, tokenizer), tokenizer.bos_token_id
        if files is not None:
            self.ends = files.ends | _named(written, files.end)
            self.bos = next(iter(_named(written, files.begin)), None)
        self.begins = None if files is None or self.bos is None else files.begins
        self.vocabulary = Vocabulary(written, name, self.ends)
        self.context = _context(module) if files is None else files.context
        self.switch = switch_of(self.config, self.context)
        self._templates: dict[tuple[str, Variables], ChatTemplate] = {}

    @cached_property
    def width(self) -> int:
        """How many of the logits are tokens: padding beyond the tokenizer is not."""
        return min(len(self.vocabulary), int(self.config.vocab_size))

    @cached_property
    def rows(self) -> int:
        """How many tokens it can read: the rows of its embedding."""
        return int(self.config.vocab_size)

    @cached_property
    def dtype(self) -> torch.dtype:
        """The weights' number type."""
        dtype: torch.dtype = self.module.dtype
        return dtype

    def render(self, messages: Sequence[Message], chat: Chat = DEFAULT_CHAT) -> list[int]:
        """Write the conversation as the model was taught to read it, up to where it answers.

        Where the last message is the assistant's, the model goes on from it.
        """
        said = [content for _, content in messages]
        marks: dict[str, str] = {}
        if not chat.parse_special:
            said, marks = self.vocabulary.escaping.mark(said)
        template = self.template(chat)
        if template is None:
            return self._begin("\n\n".join(said), marks)
        turns = [(role, content) for (role, _), content in zip(messages, said, strict=True)]
        return self.vocabulary.prompt(template.write(turns, fold_system=chat.fold_system), marks)

    def template(self, chat: Chat) -> ChatTemplate | None:
        """The template that a recipe chooses; None where messages are written as they are."""
        text = chosen(named(self.tokenizer.chat_template, self.name), chat, self.name)
        if text is None:
            return None
        if (text, chat.args) not in self._templates:
            tokens = {name: str(token) for name, token in self.tokenizer.special_tokens_map.items()}
            made = ChatTemplate(text, self.name, tokens, chat.args)
            self._templates[text, chat.args] = made
        return self._templates[text, chat.args]

    def raw(self, text: str) -> list[int]:
        """Ids of exactly this text after BOS, if the model has one; no template."""
        return [*self.opening, *self.vocabulary.begin(text)]

    @property
    def opening(self) -> list[int]:
        """What a plain text begins with: BOS, or nothing."""
        return [] if self.bos is None else [self.bos]

    def _begin(self, text: str, marks: Mapping[str, str]) -> list[int]:
        """Encode with what the tokenizer puts around a text, less an end put after it."""
        ids = self.vocabulary.prompt(text, marks, special=True)
        if self.begins is not None:
            ids = [*self.opening * self.begins, *ids[ids[:1] == self.opening :]]
        while ids and ids[-1] in self.ends and len(ids) > 1:
            ids.pop()
        return ids or self.opening


@quiet()
def load(model: Checkpoint, device: torch.device | str = "cpu") -> LocalModel:
    """Read weights (safetensors only) and tokenizer, by the files that `check` reads.

    What is derived from others is built first, unless it was before; what is on a hub is fetched.
    """
    weights, device = opened(model), torch.device(device)
    if weights.location.startswith((".", "/", "~")) and not weights.local:
        raise ModelError("E501", f"{model.name}: there is no folder {weights.location}")
    try:
        files = sound(fetched(weights))
        written, tokenizer = tokenizer_of(files)
        module = module_of(files, weights, device)
    except ModelError as error:
        text = f"{model.name} cannot be loaded: {error.message}"
        raise ModelError(error.code, text, error.help) from error
    except Exception as error:
        raise refused(model.name, weights, error) from error
    if module.device != device:  # some quantized weights are placed as they are read, and stay
        module = module.to(device)
    module = module.eval().requires_grad_(requires_grad=False)
    return LocalModel(module, tokenizer, device, model.name, files, written)


def _context(module: PreTrainedModel) -> int | None:
    """How many tokens a model that was made in memory reads, if there is a limit."""
    config = module.config.get_text_config()
    said = {"max_position_embeddings": getattr(config, "max_position_embeddings", None)}
    return context_of(state(Configuration, Path("config.json"), said), config.model_type)


def _named(tokenizer: Tokenizer, token: str | None) -> frozenset[int]:
    """The id of a token, if the tokenizer has it."""
    found = None if token is None else tokenizer.token_to_id(token)
    return frozenset() if found is None else frozenset((found,))


def _ends(module: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> frozenset[int]:
    """Every id that a model made in memory says ends an answer."""
    said = (
        tokenizer.eos_token_id,
        module.generation_config.eos_token_id,
        getattr(module.config, "eos_token_id", None),  # of a text beside pictures it is within
        getattr(module.config.get_text_config(), "eos_token_id", None),
    )
    flat = (i for ids in said for i in (ids if isinstance(ids, list) else [ids]))
    return frozenset(i for i in flat if i is not None)
