"""A local model in memory: its weights, its tokenizer, and how its prompts are rendered."""

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
from composer.specs.declaration import DEFAULT_CHAT, Chat
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

    `tokenizer` renders chats, `encoder` encodes texts, and `files` are the facts read from the
    model's files. A model that was made in memory has neither encoder nor files; then `module` and
    `tokenizer` give the same facts. `ends` are its end tokens, `context` is how many tokens it
    reads (None without a limit), `switch` the length above which it uses other positions.
    """

    def __init__(  # noqa: PLR0913 - its parts
        self,
        module: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        device: torch.device,
        name: str,
        files: ModelFiles | None = None,
        encoder: Tokenizer | None = None,
    ) -> None:
        self.module = module
        self.tokenizer = tokenizer
        self.device = device
        self.name = name
        self.config = module.config.get_text_config()
        encoder = encoder or tokenizer.backend_tokenizer
        self.ends, self.bos = _ends(module, tokenizer), tokenizer.bos_token_id
        if files is not None:
            self.ends = files.ends | _named(encoder, files.end)
            self.bos = next(iter(_named(encoder, files.begin)), None)
        self.begins = None if files is None or self.bos is None else files.begins
        self.vocabulary = Vocabulary(encoder, name, self.ends)
        self.context = _context(module) if files is None else files.context
        self.switch = switch_of(self.config, self.context)
        self._templates: dict[tuple[str, Variables], ChatTemplate] = {}

    @cached_property
    def width(self) -> int:
        """How many logits stand for tokens; logits beyond the tokenizer's tokens are padding."""
        return min(len(self.vocabulary), int(self.config.vocab_size))

    @cached_property
    def rows(self) -> int:
        """How many different tokens it can read: the rows of its embedding."""
        return int(self.config.vocab_size)

    @cached_property
    def dtype(self) -> torch.dtype:
        """The weights' number type."""
        dtype: torch.dtype = self.module.dtype
        return dtype

    def render(self, messages: Sequence[Message], chat: Chat = DEFAULT_CHAT) -> list[int]:
        """Render messages by the chat template; return the tokens up to where the answer begins.

        If the last message is the assistant's, the answer goes on from it.
        """
        contents = [content for _, content in messages]
        marks: dict[str, str] = {}
        if not chat.parse_special:
            contents, marks = self.vocabulary.escaping.mark(contents)
        template = self.template(chat)
        if template is None:
            return self._begin("\n\n".join(contents), marks)
        turns = [(role, content) for (role, _), content in zip(messages, contents, strict=True)]
        return self.vocabulary.prompt(template.write(turns, fold_system=chat.fold_system), marks)

    def template(self, chat: Chat) -> ChatTemplate | None:
        """Return the chat template that a recipe chooses; None where messages have no template."""
        text = chosen(named(self.tokenizer.chat_template, self.name), chat, self.name)
        if text is None:
            return None
        if (text, chat.args) not in self._templates:
            tokens = {name: str(token) for name, token in self.tokenizer.special_tokens_map.items()}
            self._templates[text, chat.args] = ChatTemplate(text, self.name, tokens, chat.args)
        return self._templates[text, chat.args]

    def raw(self, text: str) -> list[int]:
        """Return the tokens of exactly this text, after BOS if the model has one; no template."""
        return [*self.opening, *self.vocabulary.begin(text)]

    @property
    def opening(self) -> list[int]:
        """The tokens that a plain text begins with: BOS, or none."""
        return [] if self.bos is None else [self.bos]

    def _begin(self, text: str, marks: Mapping[str, str]) -> list[int]:
        """Encode with the tokenizer's special tokens around a text, but no end token after it."""
        ids = self.vocabulary.prompt(text, marks, special=True)
        if self.begins is not None:
            ids = [*self.opening * self.begins, *ids[ids[:1] == self.opening :]]
        while ids and ids[-1] in self.ends and len(ids) > 1:
            ids.pop()
        return ids or self.opening


@quiet()
def load(model: Checkpoint, device: torch.device | str = "cpu") -> LocalModel:
    """Load weights (safetensors only) and tokenizer, by the files that `check` reads.

    A derived model is built first, unless it was built before; a model on a hub is downloaded.
    Raises ModelError (E5xx) for what cannot be loaded.
    """
    weights, device = opened(model), torch.device(device)
    if weights.location.startswith((".", "/", "~")) and not weights.local:
        raise ModelError("E501", f"{model.name}: there is no folder {weights.location}")
    try:
        files = sound(fetched(weights))
        encoder, tokenizer = tokenizer_of(files)
        module = module_of(files, weights, device)
    except ModelError as error:
        text = f"{model.name} cannot be loaded: {error.message}"
        raise ModelError(error.code, text, error.help) from error
    except Exception as error:
        raise refused(model.name, weights, error) from error
    if module.device != device:  # some quantized weights are placed as they are read, and stay
        module = module.to(device)
    module = module.eval().requires_grad_(requires_grad=False)
    return LocalModel(module, tokenizer, device, model.name, files, encoder)


def _context(module: PreTrainedModel) -> int | None:
    """How many tokens a model that was made in memory reads; None without a limit."""
    config = module.config.get_text_config()
    values = {"max_position_embeddings": getattr(config, "max_position_embeddings", None)}
    return context_of(state(Configuration, Path("config.json"), values), config.model_type)


def _named(tokenizer: Tokenizer, token: str | None) -> frozenset[int]:
    """The id of a token, if the tokenizer has it."""
    number = None if token is None else tokenizer.token_to_id(token)
    return frozenset() if number is None else frozenset((number,))


def _ends(module: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> frozenset[int]:
    """All end tokens of a model that was made in memory, by its tokenizer and configurations."""
    sources = (
        tokenizer.eos_token_id,
        module.generation_config.eos_token_id,
        getattr(module.config, "eos_token_id", None),  # of a text beside pictures it is within
        getattr(module.config.get_text_config(), "eos_token_id", None),
    )
    flat = (i for ids in sources for i in (ids if isinstance(ids, list) else [ids]))
    return frozenset(i for i in flat if i is not None)
