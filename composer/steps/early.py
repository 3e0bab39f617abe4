"""Stages of a cascade that begin before their turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.values.gather import attempt

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from composer.values import LazyBranch, MissingAnswer, Text


@dataclass(eq=False)
class EarlyStages:
    """Runs the stages of a cascade, each of which may have begun before it is known to be needed.

    What has begun and is not needed is cancelled at the `end`, or finished if `finish` is set, as a
    rehearsal wants that counts what it may take.
    """

    stages: Sequence[LazyBranch[Text]]
    finish: bool = False
    begun: dict[int, asyncio.Task[Text | MissingAnswer]] = field(default_factory=dict, init=False)

    def begin(self, stage: int) -> asyncio.Task[Text | MissingAnswer]:
        """Begin a stage, once."""
        import asyncio

        if stage not in self.begun:
            self.begun[stage] = asyncio.create_task(_run(self.stages[stage]))
        return self.begun[stage]

    async def answer(self, stage: int) -> Text | MissingAnswer:
        """Wait for a stage, while the next one in order runs too."""
        task = self.begin(stage)
        if stage + 1 < len(self.stages):
            self.begin(stage + 1)
        return await task

    async def end(self) -> None:
        """End what still runs."""
        import asyncio

        if not self.finish:
            for task in self.begun.values():
                task.cancel()
        await asyncio.gather(*self.begun.values(), return_exceptions=True)


async def _run(branch: LazyBranch[Text]) -> Text | MissingAnswer:
    """Run a branch; its coroutine is made when the task begins, which may never be."""
    return await attempt(branch.name, branch())
