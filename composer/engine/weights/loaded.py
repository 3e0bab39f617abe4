"""A model of transformers in memory: its weights, and its tokenizer."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from composer.checkpoints.config_files import Configuration, state
from composer.checkpoints.positions import context_of, switch_of
from composer.checkpoints.prompts import TokenFacts, stated_facts
from composer.engine.weights.adapters import Adapters
from composer.engine.weights.tokens import TokenModel

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from composer.checkpoints.folder import ModelFiles

__all__ = ["LocalModel"]


class LocalModel(TokenModel):
    """A causal language model of transformers with its tokenizer, on one device.

    `files` are the facts read from the model's files. A model that was made in memory has neither
    encoder nor files; then `module` and `tokenizer` give the same facts. `switch` is the length
    above which it uses other positions, and `adapters` are those that some of its rows have.
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
        self.adapters = Adapters(module)
        self.config = module.config.get_text_config()
        encoder = encoder or tokenizer.backend_tokenizer
        facts = _facts(module, tokenizer) if files is None else stated_facts(files, encoder)
        super().__init__(tokenizer, encoder, name, facts, int(self.config.vocab_size))
        self.device = device
        self.switch = switch_of(self.config, self.context)

    @property
    def parameters(self) -> int | None:
        """How many numbers its weights have."""
        count: int = sum(each.numel() for each in self.module.parameters())
        return count

    def embeddings(self, which: Literal["input", "output"]) -> torch.Tensor | None:
        """The vectors [token, size] of its tokens, None where it has none."""
        module = self.module
        get = module.get_input_embeddings if which == "input" else module.get_output_embeddings
        layer: nn.Module | None = get()
        return None if layer is None else layer.get_parameter("weight").detach()

    @cached_property
    def dtype(self) -> torch.dtype:
        """The weights' number type."""
        dtype: torch.dtype = self.module.dtype
        return dtype


def _facts(module: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> TokenFacts:
    """What a model that was made in memory says: all end tokens, and how many tokens it reads."""
    config = module.config.get_text_config()  # of a text beside pictures
    sources = (
        tokenizer.eos_token_id,
        module.generation_config.eos_token_id,
        getattr(module.config, "eos_token_id", None),
        getattr(config, "eos_token_id", None),
    )
    ids = (i for each in sources for i in (each if isinstance(each, list) else [each]))
    values = {"max_position_embeddings": getattr(config, "max_position_embeddings", None)}
    context = context_of(state(Configuration, Path("config.json"), values), config.model_type)
    ends = frozenset(i for i in ids if i is not None)
    return TokenFacts(ends, tokenizer.bos_token_id, None, context)
