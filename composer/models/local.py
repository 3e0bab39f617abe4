"""A local model as loaded: weights, tokenizer, and how it is spoken to."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from composer.heavy import transformers
from composer.models.forward import keeps_state
from composer.models.merging import opened
from composer.models.vocabulary import Vocabulary
from composer.ports.errors import ModelError
from composer.specs.headers import json_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

    from composer.specs import Checkpoint, Weights

__all__ = ["LocalModel", "load"]

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_COUPLED_ROPE = {"dynamic", "longrope"}


class LocalModel:
    """A causal language model of transformers with its tokenizer, on one device."""

    def __init__(
        self,
        module: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        device: torch.device,
        name: str,
    ) -> None:
        self.module = module
        self.tokenizer = tokenizer
        self.device = device
        self.name = name
        self.config = module.config.get_text_config()
        self.ends = _ends(module, tokenizer)
        self.vocabulary = Vocabulary(tokenizer.backend_tokenizer, name, self.ends)
        self.context = None if keeps_state(module) else _context(self.config)
        self.bos: int | None = tokenizer.bos_token_id

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
    """Read weights (safetensors only) and tokenizer; nothing from the checkpoint is executed.

    What is derived from others is built first, unless it was before.
    """
    transformers.utils.logging.disable_progress_bar()
    weights = opened(model)
    where = {"revision": weights.revision, "local_files_only": _is_path(model.name, weights)}
    device = torch.device(device)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(weights.location, **where)
        module = transformers.AutoModelForCausalLM.from_pretrained(
            weights.location,
            **where,
            dtype=_dtype(weights.dtype, device),
            use_safetensors=True,
            trust_remote_code=False,
        )
    except Exception as error:
        raise _refused(model.name, weights, error) from error
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise ModelError("E505", f"{model.name} has no fast tokenizer", "save it as tokenizer.json")
    if module.device != device:  # some quantized weights are placed as they are read, and stay
        module = module.to(device)
    module = module.eval().requires_grad_(requires_grad=False)
    return LocalModel(module, tokenizer, device, model.name)


def _refused(name: str, weights: Weights, error: Exception) -> ModelError:
    """Say why a checkpoint was not read; of a quantized one, what it would take."""
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    kind = _quantization(weights)
    if kind is None:
        return ModelError("E505", f"{name} cannot be loaded: {first}")
    return ModelError(
        "E505",
        f"{name} is quantized ({kind}) and cannot be loaded here: {first}",
        f"install the package that reads {kind}, or use a checkpoint that is not quantized",
    )


def _quantization(weights: Weights) -> str | None:
    """How a checkpoint in a folder says its weights are quantized, if they are."""
    path = Path(weights.location) / "config.json"
    if not path.is_file():
        return None
    found = json_of(path).get("quantization_config")
    return None if found is None else str(found.get("quant_method", "in an unknown way"))


def _is_path(name: str, weights: Weights) -> bool:
    """Check a folder for what loading would stumble over, in words of our own."""
    folder = Path(weights.location)
    if not folder.is_dir():
        if weights.location.startswith((".", "/", "~")):
            raise ModelError("E501", f"{name}: there is no folder {weights.location}")
        return False
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            "E505",
            f"{name}: {weights.location} holds no safetensors file",
            "other formats can run code when they are read: convert the checkpoint first",
        )
    return True


def _dtype(wish: str, device: torch.device) -> torch.dtype | str:
    if wish == "auto":
        return torch.float32 if device.type == "cpu" else "auto"
    return _DTYPES[wish]


def _context(config: PreTrainedConfig) -> int | None:
    """How many tokens a row may hold, if there is a limit."""
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type") in _COUPLED_ROPE:
        # beyond this, one row's length changes its neighbours' frequencies
        held = rope.get("original_max_position_embeddings")
        if held:
            return int(held)
    limit = getattr(config, "max_position_embeddings", None)
    return int(limit) if limit else None


def _ends(module: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> frozenset[int]:
    """Every id that ends an answer, by any of the files that may say so."""
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
