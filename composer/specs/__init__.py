"""What a model is: seven kinds of frozen values, and the backends that declare one of them."""

from composer.specs.chat import Chat
from composer.specs.declaration import Declaration, Local, Remote, Weights
from composer.specs.derived import Derived
from composer.specs.fuses import ByteFuse, Fuse, Handoff, SpanFuse, TokenFuse, WeightedFuse
from composer.specs.models import (
    Checkpoint,
    Declared,
    Prompted,
    bare,
    leaves,
    member_names,
    prompts,
    thinking_of,
    vocabulary,
)
from composer.specs.option_models import OptionModel, models_in, option_models, with_models
from composer.specs.problems import SpecError, SpecProblem

__all__ = [
    "ByteFuse",
    "Chat",
    "Checkpoint",
    "Declaration",
    "Declared",
    "Derived",
    "Fuse",
    "Handoff",
    "Local",
    "OptionModel",
    "Prompted",
    "Remote",
    "SpanFuse",
    "SpecError",
    "SpecProblem",
    "TokenFuse",
    "WeightedFuse",
    "Weights",
    "bare",
    "leaves",
    "member_names",
    "models_in",
    "option_models",
    "prompts",
    "thinking_of",
    "vocabulary",
    "with_models",
]
