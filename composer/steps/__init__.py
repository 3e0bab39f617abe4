"""The steps of the language, one file a family, each step one decorated function."""

from composer.steps import (
    asking,
    banks,
    cascading,
    fusing,
    ranking,
    reading,
    routing,
    voting,
)
from composer.steps.declare import STEPS, Input, Role, Step, step

__all__ = [
    "STEPS",
    "Input",
    "Role",
    "Step",
    "asking",
    "banks",
    "cascading",
    "fusing",
    "ranking",
    "reading",
    "routing",
    "step",
    "voting",
]
