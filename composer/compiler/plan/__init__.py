"""The plan: what would run, where, with which options, and which rules led to it."""

from composer.compiler.plan.cluster_room import demand_room
from composer.compiler.plan.describe import describe, describe_steps
from composer.compiler.plan.lock import Lock, check_lock, lock_of, lock_path, read_lock
from composer.compiler.plan.placement import Device, devices, place_models
from composer.compiler.plan.plan import (
    VERSION,
    Apart,
    Plan,
    Planned,
    PlannedModel,
    PlannedOption,
    PlannedRule,
    PlannedStep,
)
from composer.compiler.plan.planning import loaded_models, make_plan
from composer.compiler.plan.pools import Pool, pools_of

__all__ = [
    "VERSION",
    "Apart",
    "Device",
    "Lock",
    "Plan",
    "Planned",
    "PlannedModel",
    "PlannedOption",
    "PlannedRule",
    "PlannedStep",
    "Pool",
    "check_lock",
    "demand_room",
    "describe",
    "describe_steps",
    "devices",
    "loaded_models",
    "lock_of",
    "lock_path",
    "make_plan",
    "place_models",
    "pools_of",
    "read_lock",
]
