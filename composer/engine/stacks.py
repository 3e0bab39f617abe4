"""Which models in memory step as one batched model, as the plan says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.checkpoints.splits import Split
from composer.engine.rows.stacked import StackedMembers
from composer.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from composer.engine.rows.row import Feed
    from composer.engine.rows.runner import Runner
    from composer.specs.models import Checkpoint

    Shared = tuple[str, str, str]
    Loaded = Mapping[Shared, tuple[str, int, Runner]]

__all__ = ["Stacks", "stacked_passes"]


class Stacks:
    """The stacks that plans ask for: each is made once all of its models are in memory."""

    def __init__(self) -> None:
        self._wanted: dict[tuple[Shared, ...], int] = {}

    def want(self, models: Iterable[Checkpoint], most: int) -> None:
        """Let models step as one, with at most so many tokens of each in a step."""
        self._wanted[tuple(model.weights.shared for model in models)] = most

    def make(self, loaded: Loaded) -> None:
        """Stack the models that are in memory, on one device and in no stack."""
        for keys, most in list(self._wanted.items()):
            found = [loaded[key] for key in keys if key in loaded]
            runners = [runner for _, _, runner in found if runner.stack is None]
            places = {place for place, _, _ in found}
            if len(runners) == len(keys) and len(places) == 1 and not any(map(Split.of, places)):
                with quiet():
                    stack = StackedMembers(runners, most)
                for runner in runners:
                    runner.stack = stack

    def together(self, loaded: Loaded) -> Iterator[list[Shared]]:
        """Yield the models that leave memory together, in their order: one, or those of a stack."""
        groups: dict[int, list[Shared]] = {}
        for key, (_, _, runner) in loaded.items():
            groups.setdefault(id(runner.stack or runner), []).append(key)
        yield from groups.values()


def stacked_passes(
    feeds: Mapping[tuple[Runner, int], Sequence[Feed]],
) -> Iterator[tuple[StackedMembers, list[tuple[Runner, int]]]]:
    """Yield the stacks whose members all read in a step, each with the members' passes."""
    known = {(id(runner), number): (runner, number) for runner, number in feeds}
    for runner, number in feeds:
        stack = runner.stack
        if stack is None or runner is not stack.runners[0]:
            continue
        found = [known.get((id(each), number)) for each in stack.runners]
        passes = [each for each in found if each is not None]
        if len(passes) == len(found) and stack.takes([feeds[each] for each in passes]):
            yield stack, passes
