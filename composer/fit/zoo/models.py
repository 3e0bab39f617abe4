"""What each model of the zoo is: its shape, its tokenizer, its skills and its schedule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from composer.fit.zoo.skills import HALVES, SKILLS
from composer.heavy import transformers

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

Shape = Literal["llama", "llama-large", "neox"]


@dataclass(frozen=True, slots=True)
class TrainingRecipe:
    """How one model is made.

    `ancestor` names the model that a fine-tune starts from; `polish` is a second, short run of
    so many steps at a fifth of the rate.
    """

    seed: int
    skills: tuple[str, ...] = field(default=tuple(SKILLS))
    shape: Shape = "llama"
    tokens: str = "digits-384"
    steps: int = 2800
    polish: int = 0
    ancestor: str | None = None


SHIPPED: dict[str, TrainingRecipe] = {
    "general-1": TrainingRecipe(seed=1, polish=300),
    "general-2": TrainingRecipe(seed=2, polish=300),
    "maths": TrainingRecipe(seed=3, skills=HALVES["maths"], steps=2200),
    "text": TrainingRecipe(seed=4, skills=HALVES["text"], steps=2200),
    "tune-maths": TrainingRecipe(seed=5, skills=HALVES["maths"], steps=160, ancestor="general-1"),
    "tune-text": TrainingRecipe(seed=6, skills=HALVES["text"], steps=160, ancestor="general-1"),
    "other": TrainingRecipe(seed=7, shape="neox", tokens="shuffled-640", steps=2800),
    "large": TrainingRecipe(seed=8, shape="llama-large", steps=2400, polish=300),
}
EXTRA: dict[str, TrainingRecipe] = {
    f"general-{seed}": TrainingRecipe(seed=seed, steps=1500) for seed in (3, 4, 5, 6)
}
RECIPES: dict[str, TrainingRecipe] = SHIPPED | EXTRA


@dataclass(frozen=True, slots=True)
class RewardRecipe:
    """How a process-reward model is made: from which model, by how many steps of training."""

    seed: int
    ancestor: str
    steps: int
    tokens: str = "digits-384"
    polish: int = 0
    skills: tuple[str, ...] = ("steps",)


REWARDS: dict[str, RewardRecipe] = {
    "steps-reward": RewardRecipe(seed=9, ancestor="maths", steps=800),
}


@dataclass(frozen=True, slots=True)
class AdapterRecipe:
    """How an adapter is made: of which base, for which skills, of which rank."""

    seed: int
    base: str
    skills: tuple[str, ...]
    steps: int
    rank: int = 8
    tokens: str = "digits-384"


ADAPTERS: dict[str, AdapterRecipe] = {
    "maths-lora": AdapterRecipe(10, "general-1", HALVES["maths"], 400),
    "text-lora": AdapterRecipe(11, "general-1", HALVES["text"], 400),
}


@dataclass(frozen=True, slots=True)
class RewardAdaptersRecipe:
    """How several adapters of a reward model are made that are trained side by side.

    `diversity` is the weight of the nuclear norm of their matrices.
    """

    seed: int
    base: str
    members: int
    steps: int
    rank: int = 4
    diversity: float = 0.05


REWARD_ADAPTERS: dict[str, RewardAdaptersRecipe] = {
    "steps-lora": RewardAdaptersRecipe(12, "steps-reward", members=3, steps=40),
}


@dataclass(frozen=True, slots=True)
class TranslatorRecipe:
    """How an encoder-decoder model is made: for which skills."""

    seed: int
    skills: tuple[str, ...]
    steps: int
    tokens: str = "digits-384"


TRANSLATORS: dict[str, TranslatorRecipe] = {
    "rewriter": TranslatorRecipe(12, ("plural", "past", "reverse", "letters"), 600),
}


def build(shape: Shape, tokens: PreTrainedTokenizerFast) -> PreTrainedModel:
    """A fresh model of a shape, its vocabulary as wide as its tokenizer."""
    config = _neox(tokens) if shape == "neox" else _llama(shape, tokens)
    model: PreTrainedModel = transformers.AutoModelForCausalLM.from_config(config)
    return model


def _llama(shape: Shape, tokens: PreTrainedTokenizerFast) -> PreTrainedConfig:
    wide, layers, heads, inner = (160, 6, 5, 416) if shape == "llama-large" else (96, 4, 4, 256)
    return transformers.LlamaConfig(
        vocab_size=len(tokens),
        hidden_size=wide,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.pad_token_id,
    )


def _neox(tokens: PreTrainedTokenizerFast) -> PreTrainedConfig:
    return transformers.GPTNeoXConfig(
        vocab_size=len(tokens),
        hidden_size=96,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=512,
        rotary_pct=1.0,
        tie_word_embeddings=True,
        use_parallel_residual=False,
        bos_token_id=None,
        eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.pad_token_id,
    )
