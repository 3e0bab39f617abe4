"""The plan: what would run, where, with which options, and which rules led to it."""

from composer.compiler.plan.describe import describe, describe_steps
from composer.compiler.plan.lock import Lock, hold, lock_of, lock_path, read_lock
from composer.compiler.plan.placement import Device, devices, place
from composer.compiler.plan.plan import (
    VERSION,
    Plan,
    Planned,
    PlannedModel,
    PlannedOption,
    PlannedRule,
    PlannedStep,
    make_plan,
)

__all__ = [
    "VERSION",
    "Device",
    "Lock",
    "Plan",
    "Planned",
    "PlannedModel",
    "PlannedOption",
    "PlannedRule",
    "PlannedStep",
    "describe",
    "describe_steps",
    "devices",
    "hold",
    "lock_of",
    "lock_path",
    "make_plan",
    "place",
    "read_lock",
]
