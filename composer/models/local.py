"""A local model as loaded: weights, tokenizer, and how it is spoken to."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from composer.heavy import transformers
from composer.models.folder import context_of, sound
from composer.models.loading import module_of, refused, tokenizer_of
from composer.models.merging import fetched, opened
from composer.models.stated import Configuration, state
from composer.models.vocabulary import Vocabulary
from composer.ports.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Tokenizer
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from composer.models.folder import ModelFiles
    from composer.specs import Checkpoint

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

    @cached_property
    def width(self) -> int:
        """How many of the logits are tokens: padding beyond the tokenizer is not."""
        return min(len(self.vocabulary), int(self.config.vocab_size))

    @cached_property
    def dtype(self) -> torch.dtype:
        """The weights' number type."""
        dtype: torch.dtype = self.module.dtype
        return dtype

    def render(self, messages: Sequence[tuple[str, str]], template: str = "auto") -> list[int]:
        """Write the conversation as the model was taught to read it, up to where it answers."""
        if template == "plain" or (template == "auto" and not self.tokenizer.chat_template):
            return self._begin("\n\n".join(content for _, content in messages))
        if not self.tokenizer.chat_template:
            raise ModelError(
                "E402",
                f"{self.name} has no chat template",
                'leave `template` out, or say `template = "plain"`',
            )
        return self.vocabulary.encode(self._chat(messages))

    def raw(self, text: str) -> list[int]:
        """Ids of exactly this text after BOS, if the model has one; no template."""
        return [*self.opening, *self.vocabulary.begin(text)]

    @property
    def opening(self) -> list[int]:
        """What a plain text begins with: BOS, or nothing."""
        return [] if self.bos is None else [self.bos]

    def _begin(self, text: str) -> list[int]:
        """Encode with what the tokenizer puts around a text, less an end put after it."""
        ids = self.vocabulary.encode(text, special=True)
        if self.begins is not None:
            ids = [*self.opening * self.begins, *ids[ids[:1] == self.opening :]]
        while ids and ids[-1] in self.ends and len(ids) > 1:
            ids.pop()
        return ids or self.opening

    def _chat(self, messages: Sequence[tuple[str, str]]) -> str:
        from jinja2 import TemplateError

        turns = [{"role": role, "content": content} for role, content in messages]
        try:
            return self._apply(turns)
        except TemplateError as error:
            if turns and turns[0]["role"] == "system":
                return self._apply(_without_system(turns))
            raise ModelError("E708", f"{self.name}'s chat template says: {error}") from error

    def _apply(self, turns: list[dict[str, str]]) -> str:
        text: str = self.tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True
        )
        return text


def load(model: Checkpoint, device: torch.device | str = "cpu") -> LocalModel:
    """Read weights (safetensors only) and tokenizer, by the files that `check` reads.

    What is derived from others is built first, unless it was before; what is on a hub is fetched.
    """
    transformers.utils.logging.disable_progress_bar()
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
        module.config.eos_token_id,
    )
    flat = (i for ids in said for i in (ids if isinstance(ids, list) else [ids]))
    return frozenset(i for i in flat if i is not None)


def _without_system(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """Put the system's words before the first user's, for templates that know no system."""
    system, *rest = turns
    if not rest:
        return [{"role": "user", "content": system["content"]}]
    first = {**rest[0], "content": f"{system['content']}\n\n{rest[0]['content']}"}
    return [first, *rest[1:]]
