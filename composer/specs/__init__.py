"""What a model is: seven kinds of frozen values, and the backends that declare one of them."""

from composer.specs.chat import Chat
from composer.specs.declaration import Declaration, Local, Remote, Weights
from composer.specs.derived import Derived
from composer.specs.fuses import ByteFuse, Fuse, Handoff, SpanFuse, TokenFuse, Weighed
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
from composer.specs.option_models import Held, held_by, models_in, with_models
from composer.specs.problems import Problem, SpecError

__all__ = [
    "ByteFuse",
    "Chat",
    "Checkpoint",
    "Declaration",
    "Declared",
    "Derived",
    "Fuse",
    "Handoff",
    "Held",
    "Local",
    "Problem",
    "Prompted",
    "Remote",
    "SpanFuse",
    "SpecError",
    "TokenFuse",
    "Weighed",
    "Weights",
    "bare",
    "held_by",
    "leaves",
    "member_names",
    "models_in",
    "prompts",
    "thinking_of",
    "vocabulary",
    "with_models",
]
