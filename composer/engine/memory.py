"""Memory that runs out while an answer is written: how it is recognized, and what is said of it."""

from __future__ import annotations

import re

from composer.heavy import torch
from composer.values.errors import ModelError

__all__ = ["memory_full", "ran_out"]

_ON_A_CPU = "can't allocate memory"
_WANTED = re.compile(r"tried to allocate ([\d.]+) ?(\w+)", re.IGNORECASE)


def ran_out(error: BaseException) -> bool:
    """Whether an error says that a device, or this machine, has no memory left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and _ON_A_CPU in str(error)


def memory_full(error: BaseException, what: str = "an answer") -> ModelError:
    """Return the error (E730) of what found no memory."""
    wanted = _WANTED.search(str(error))
    sought = f"; {wanted[1]} {wanted[2]} more were asked for" if wanted else ""
    return ModelError(
        "E730",
        f"there is no memory left for {what}{sought}",
        "answer fewer questions at once, shorten the prompt, lower `max_tokens`, "
        "or use a smaller `dtype`",
    )
