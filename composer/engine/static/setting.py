"""Where steps have fixed shapes, as the environment sets it; torch is not needed to read it."""

from __future__ import annotations

import os
from typing import Literal, TypeAlias, cast, get_args

from composer.diagnostics import Diagnostic, Mistakes

__all__ = ["VARIABLE", "Where", "where_static"]

Where: TypeAlias = Literal["gpus", "everywhere", "nowhere"]
"""Where draws are answered by static steps: `everywhere` is meant for tests and measurements."""

VARIABLE = "COMPOSE_STATIC"
"""The variable of the environment that says where."""


def where_static() -> Where:
    """Return what COMPOSE_STATIC says, `gpus` by default; raises Mistakes (E715)."""
    where = os.environ.get(VARIABLE, "").strip() or "gpus"
    if where not in get_args(Where):
        message = f"{VARIABLE} must be `gpus`, `everywhere` or `nowhere`, not {where!r}"
        help_ = "correct it, or leave it out: it is `gpus` then"
        raise Mistakes([Diagnostic("E715", message, help=help_)])
    return cast("Where", where)
