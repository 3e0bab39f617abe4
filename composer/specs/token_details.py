"""Which details of its tokens a model can tell, known before it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.specs.fuses import Fuse, TokenFuse
from composer.specs.models import Checkpoint, Declared, bare, leaves, vocabulary
from composer.specs.text_fuses import ByteFuse, StringFuse
from composer.values.capability import Capability

if TYPE_CHECKING:
    from composer.values.details import TokenDetail
    from composer.values.flow import Model

__all__ = ["missing_detail"]


def missing_detail(model: Model, detail: TokenDetail) -> str:
    """Say why a model cannot tell what is wanted of each token that it writes; empty if it can.

    A token fuse tells all, as far as its members behind servers do. A span fuse and a handoff tell
    what the member says that wrote a token. Byte and string fuses tell bytes, which have no ids.
    """
    inner = bare(model)
    if isinstance(inner, Checkpoint):
        return _of_checkpoint(inner, detail)
    if isinstance(inner, TokenFuse):
        return ""
    if detail.ids and isinstance(inner, ByteFuse | StringFuse):
        return f"`{inner.name}` fuses bytes, which have no token ids"
    if detail.ids and vocabulary(inner) is None:
        names = ", ".join(dict.fromkeys(leaf.name for leaf in leaves(inner)))
        return f"{names} have different tokenizers, so an id means another token in each of them"
    reasons = (missing_detail(member, detail) for member in inner.members)
    return next(filter(None, reasons), "") if isinstance(inner, Fuse) else ""


def _of_checkpoint(model: Checkpoint, detail: TokenDetail) -> str:
    if model.in_engine:
        return ""
    if Capability.LOGPROBS not in model.capabilities:
        why = model.card.why.get(Capability.LOGPROBS, "")
        reason = f"`{model.name}` tells no log-probabilities of its tokens"
        return f"{reason}: {why}" if why else reason
    reason = model.declaration.missing_detail(detail) if isinstance(model, Declared) else ""
    return f"`{model.name}` {reason}" if reason else ""
