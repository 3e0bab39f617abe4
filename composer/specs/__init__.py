"""What a model is: seven kinds of frozen values, and the backends that declare one of them."""

from composer.specs.declaration import Declaration, Local, Remote, Weights
from composer.specs.digest import digest
from composer.specs.errors import Problem, SpecError
from composer.specs.fuses import ByteFuse, Fuse, Handoff, SpanFuse, TokenFuse, Weighed
from composer.specs.held import Held, held_by, models_in, with_models
from composer.specs.models import (
    Declared,
    Prompted,
    bare,
    leaves,
    member_names,
    prompts,
    vocabulary,
)
from composer.specs.parts import Align, Combine, Draft, Gate, Handover, Renders, TensorPart, Weigh

__all__ = [
    "Align",
    "ByteFuse",
    "Combine",
    "Declaration",
    "Declared",
    "Draft",
    "Fuse",
    "Gate",
    "Handoff",
    "Handover",
    "Held",
    "Local",
    "Problem",
    "Prompted",
    "Remote",
    "Renders",
    "SpanFuse",
    "SpecError",
    "TensorPart",
    "TokenFuse",
    "Weigh",
    "Weighed",
    "Weights",
    "bare",
    "digest",
    "held_by",
    "leaves",
    "member_names",
    "models_in",
    "prompts",
    "vocabulary",
    "with_models",
]
