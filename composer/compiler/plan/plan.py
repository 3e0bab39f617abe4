"""The plan as a versioned value: what a program reads from `compose plan --json`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from composer.compiler.graph import Node
    from composer.specs import Checkpoint

VERSION = 1

_RARE = frozenset(
    {
        "builds",
        "calls",
        "costs",
        "devices",
        "pools",
        "servers",
        "requests",
        "sharing",
        "stacks",
        "timings",
        "turns",
        "unfitted",
    }
)
"""Parts of a plan that are written only where they hold something."""


class _PlanRecord(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlannedModel(_PlanRecord):
    """A model that the answer can reach, and where it goes.

    `processing` is what is done to its logits wherever it writes, by its declaration or its files.
    `active` is how many parameters a token uses, where the model has experts. `why` says why it
    goes to its device, where that is not plain; a model in parts has a device such as
    `cuda:0*20+cuda:1*12`, by numbers of layers. `stored` says how the weights are quantized, if
    they are.
    """

    name: str
    declaration: str
    identity: str
    device: str | None
    parameters: int | None
    bytes: int | None
    context: int | None
    vocabulary: str | None
    price: tuple[float, float] | None
    place: str
    processing: tuple[tuple[str, str], ...] = ()
    active: int | None = None
    why: str = ""
    stored: str = ""

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Write what is done to the logits, active, and quantized, only where something is."""
        record: dict[str, object] = write(self)
        record["processing"] = dict(self.processing)
        if not self.processing:
            del record["processing"]
        if self.active is None:
            del record["active"]
        if not self.why:
            del record["why"]
        if not self.stored:
            del record["stored"]
        return record


class PlannedDevice(_PlanRecord):
    """A device whose memory is limited: its free bytes, and those that models take at most.

    These are the weights and some rows. They are more than the free bytes where models take turns.
    """

    name: str
    free: int
    taken: int


class PlannedServer(_PlanRecord):
    """A server that answers for a model: what it was found to give, or not yet asked.

    `date` is empty where it was not asked; what the recipe alone states is then in `gives`.
    """

    name: str
    model: str
    address: str
    gives: tuple[str, ...]
    lacks: tuple[str, ...]
    unknown: tuple[str, ...]
    date: str
    version: str


class PlannedRequests(_PlanRecord):
    """How often the server of a fuse's member is asked, in words."""

    step: str
    member: str
    requests: str


class PlannedTurns(_PlanRecord):
    """How many branches a vote asks that may stop early; `fewest` is None where a route chooses."""

    step: str
    fewest: int | None
    most: int


class PlannedCalls(_PlanRecord):
    """How often a step asks one of its models about one query, at most."""

    step: str
    model: str
    most: int


class PlannedSharing(_PlanRecord):
    """Models that share one base in memory: each has an adapter of its own, or none.

    `bytes` is what they take together, `apart` what they would take as models of their own.
    """

    models: tuple[str, ...]
    bytes: int
    apart: int


class PlannedPool(_PlanRecord):
    """A pool of a cluster: equal replicas, each with all of its models.

    `cpus`, `gpus` and `resources` are what one replica takes of a machine; `bytes` is the size of
    its weights, and `memory` what it takes with room for rows beside them. Both are None where
    they are not known before the weights are here.
    """

    name: str
    models: tuple[str, ...]
    replicas: tuple[int, int]
    cpus: float
    gpus: float
    resources: dict[str, float]
    bytes: int | None
    memory: int | None


class PlannedStack(_PlanRecord):
    """Models of one shape that step as one batched model, up to so many rows of each.

    `faster` says by how many times a step was faster, by the rows of each model.
    """

    models: tuple[str, ...]
    rows: int
    faster: dict[int, float]


class PlannedBuild(_PlanRecord):
    """A model that is built of others before it is loaded: what it takes, and where it goes.

    `bytes` is what it takes on disk, `memory` what building it takes. `active` is as in a model.
    """

    id: str
    formula: str
    donors: tuple[str, ...]
    device: str | None
    parameters: int | None
    bytes: int | None
    memory: int | None
    place: str
    active: int | None = None
    why: str = ""

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Write what is active only where the model has experts."""
        record: dict[str, object] = write(self)
        if self.active is None:
            del record["active"]
        if not self.why:
            del record["why"]
        return record


class PlannedOption(_PlanRecord):
    """An option of a step, as text; `default` where the recipe does not set it.

    `origin` says where the value was written: a place in a file, or `--set NAME`.
    """

    name: str
    value: str
    default: bool
    origin: str | None = None


class PlannedStep(_PlanRecord):
    """A step, what it is given, and which of its branches it may leave alone."""

    id: str
    op: str
    inputs: tuple[str, ...]
    maybe: tuple[str, ...]
    options: tuple[PlannedOption, ...]
    gives: str
    place: str


class PlannedRule(_PlanRecord):
    """A rule that changed the recipe, and how often."""

    name: str
    summary: str
    times: int


class PlannedFit(_PlanRecord):
    """What a part of a step learnt: from how many rows of which data, and what was calibrated.

    `guarantees` are what it promises, each with its bound and what was measured.
    """

    step: str
    option: str
    part: str
    rows: int
    data: str
    calibrated: dict[str, object]
    reached: tuple[float, ...]
    guarantees: tuple[dict[str, object], ...] = ()

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Write guarantees only where there are some."""
        record: dict[str, object] = write(self)
        return {name: value for name, value in record.items() if value or name != "guarantees"}


class PlannedCost(_PlanRecord):
    """What an answer of a route's choice is taken to cost, in dollars, and how that is known."""

    step: str
    choice: str
    dollars: float | None
    origin: str


class PlannedUnfitted(_PlanRecord):
    """A part of a step that must be fitted before the recipe can run."""

    step: str
    option: str
    part: str


class Plan(_PlanRecord):
    """What would run, where, with which options, and which rules led to it.

    `timings` is the digest of the saved timings by which something was chosen, if anything was.
    """

    version: int = VERSION
    recipe: str
    answer: str
    models: tuple[PlannedModel, ...]
    steps: tuple[PlannedStep, ...]
    rules: tuple[PlannedRule, ...]
    warnings: tuple[dict[str, object], ...]
    fits: tuple[PlannedFit, ...] = ()
    builds: tuple[PlannedBuild, ...] = ()
    costs: tuple[PlannedCost, ...] = ()
    unfitted: tuple[PlannedUnfitted, ...] = ()
    servers: tuple[PlannedServer, ...] = ()
    requests: tuple[PlannedRequests, ...] = ()
    turns: tuple[PlannedTurns, ...] = ()
    calls: tuple[PlannedCalls, ...] = ()
    sharing: tuple[PlannedSharing, ...] = ()
    devices: tuple[PlannedDevice, ...] = ()
    stacks: tuple[PlannedStack, ...] = ()
    timings: str = ""
    pools: tuple[PlannedPool, ...] = ()

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Write what many plans have none of only where there is some."""
        record: dict[str, object] = write(self)
        return {name: value for name, value in record.items() if value or name not in _RARE}


@dataclass(frozen=True, eq=False, slots=True)
class Apart:
    """A graph in which each occurrence of greedy work is a node, and what each is in the plan."""

    root: Node
    planned: Mapping[Node, Node]


@dataclass(frozen=True, eq=False, slots=True)
class Planned:
    """A plan, and the graph that carries it out: models on their devices, nodes by plan name.

    `apart` makes the graph for a query whose greedy work is sampled after all; None where it is
    the same. `stacks` are models that step as one, each with the most rows of a model in a step.
    `choices` says what was chosen by saved timings, what was not, and why.
    """

    plan: Plan
    root: Node
    ids: Mapping[Node, str]
    apart: Callable[[], Apart] | None = None
    stacks: tuple[tuple[tuple[Checkpoint, ...], int], ...] = ()
    choices: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Planned({self.plan.recipe!r}, {len(self.ids)} nodes)"
