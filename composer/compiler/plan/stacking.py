"""Which models step as one batched model: those of one shape, where saved timings say it is faster.

A choice changes no answer, and a run takes it back where the trial of the engine does not hold
(`composer/engine/rows/stacked.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.compiler.graph.capabilities import checkpoint_of
from composer.compiler.plan.plan import PlannedStack
from composer.diagnostics.amounts import counted, number_text
from composer.specs.shapes import shape_of
from composer.values.timings import MEASURE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from composer.compiler.graph import Node
    from composer.compiler.plan.placement import Placement
    from composer.specs import Checkpoint
    from composer.values.timings import SavedTimings, StackedTime

MARGIN = 1.1
"""How many times faster a step must be to be chosen: less may be noise of the measurement."""


@dataclass(frozen=True, slots=True)
class StackChoice:
    """Models of one shape on one device, and the times of their stacked steps by rows.

    `why` says why they step apart, empty if they do not; `rows` is then how many rows of each
    member step together at most.
    """

    models: tuple[Node, ...]
    times: Mapping[int, StackedTime]
    rows: int
    why: str

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The models as the engine knows them."""
        return tuple(map(checkpoint_of, self.models))

    def planned(self, ids: Mapping[Node, str]) -> PlannedStack:
        """Write the choice as a part of the plan."""
        faster = {rows: round(time.faster, 2) for rows, time in self.times.items()}
        names = tuple(ids[node] for node in self.models)
        return PlannedStack(models=names, rows=self.rows, faster=faster)

    def sentence(self, ids: Mapping[Node, str]) -> str:
        """Say what was chosen, and why."""
        names = ", ".join(ids[node] for node in self.models)
        return f"{names} step apart: {self.why}" if self.why else stack_text(self.planned(ids))


def stack_text(stack: PlannedStack) -> str:
    """Say how much faster stacked members are, and up to how many rows they step together."""
    names, times = ", ".join(stack.models), stack.faster
    ratios = [f"{number_text(times[n], 3)} times faster with {counted(n, 'row')}" for n in times]
    return f"{names} step as one model up to {counted(stack.rows, 'row')}: {', '.join(ratios)}"


def stack_choices(
    groups: Iterable[list[Node]], placement: Mapping[str, Placement], saved: SavedTimings
) -> Iterator[StackChoice]:
    """Yield a choice for each two or more models that could be stacked.

    `groups` are the models that share weights in memory; those with adapters are not stacked.
    """
    alike: dict[tuple[str, str], list[Node]] = {}
    for group in groups:
        model = checkpoint_of(group[0])
        device, *others = placement[model.identity].devices
        if len(group) == 1 and not others and model.is_local and model.weights.adapter is None:
            shape = shape_of(model, device)
            if shape is not None:
                alike.setdefault((shape, device), []).append(group[0])
    for (shape, device), nodes in alike.items():
        if len(nodes) > 1:
            yield _choice(tuple(nodes), shape, device, saved)


def _choice(nodes: tuple[Node, ...], shape: str, device: str, saved: SavedTimings) -> StackChoice:
    if device != "cpu":
        return StackChoice(nodes, {}, 0, "on a GPU a step of all members is one captured graph")
    if saved.timings is None:
        return StackChoice(nodes, {}, 0, saved.why)
    found = saved.timings.of(shape, device)
    times = {} if found is None else found.stacked.get(len(nodes), {})
    if not times:
        members = f"{counted(len(nodes), 'stacked member')} of this shape"
        why = f"the saved timings have no step of {members} on {device}: run `{MEASURE} RECIPE`"
        return StackChoice(nodes, {}, 0, why)
    rows = _most(times)
    fewest = min(times)
    ratio = number_text(times[fewest].faster, 3)
    slow = f"one model is {ratio} times as fast with {counted(fewest, 'row')}, by saved timings"
    return StackChoice(nodes, times, rows, "" if rows else slow)


def _most(times: Mapping[int, StackedTime]) -> int:
    """The rows up to which all steps that were measured are faster; 0 for none."""
    most = 0
    for rows in sorted(times):
        if times[rows].faster < MARGIN:
            break
        most = rows
    return most
