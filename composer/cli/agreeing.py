"""`doctor --measure RECIPE --data FILE`: how often members of a fuse agree, what drafts save.

The rule that turns drafts on goes by this (`composer/compiler/rules/drafting.py`). Each question is
answered once by each fuse that could draft, greedily and by turns of one token. Where a draft is
reckoned to pay, whole answers with it and without it are timed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from composer.cli.timing import medians
from composer.compiler.graph.node import model_of
from composer.compiler.rules.drafting import FEW, MANY, fuse_key, reckoned_choice
from composer.specs import TokenFuse
from composer.values import Generate, Sampling
from composer.values.timings import Agreement, DraftTime, SavedTimings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from composer.compiler.graph import Graph, Node
    from composer.compiler.rules.drafting import DraftChoice
    from composer.engine.engine import Engine
    from composer.evaluate.rows import EvaluationRow
    from composer.methods.draft.speculative import Accepted
    from composer.recipe import Recipe
    from composer.values.timings import Timings

QUESTIONS, TOKENS = 40, 64
"""Questions that are asked, and tokens of an answer, at most."""

TIMED = 16
"""Questions of which answers are timed, at most."""


def measure_agreement(
    recipe: Recipe,
    rows: Sequence[EvaluationRow],
    data: str,
    timings: Timings,
    tell: Callable[[str], None],
) -> tuple[Agreement, ...]:
    """Let each fuse of a recipe that could draft answer the first questions; count what agrees.

    Answers are timed with the draft that pays by the `timings` of the members' passes, if one does.
    """
    from composer.engine.engine import Engine

    with Engine() as engine:
        found = []
        for fuse in recipe.draftable:
            names = ", ".join(each.title for each in fuse.direct_inputs)
            tell(f"counting how often {names} agree")
            agreement = _agreement(engine, fuse, rows[:QUESTIONS], data)
            if agreement is not None:
                saved = SavedTimings(timings.with_more((), (agreement,)))
                choice = reckoned_choice(recipe.compiled.graph, fuse, saved)
                if choice is not None and not choice.why:
                    tell(f"timing answers of {names} with drafts")
                    drafts = _draft_times(engine, recipe.compiled.graph, choice, rows[:TIMED])
                    agreement = agreement.model_copy(update={"drafts": drafts})
                found.append(agreement)
        return tuple(found)


def _draft_times(
    engine: Engine, graph: Graph, choice: DraftChoice, rows: Sequence[EvaluationRow]
) -> dict[int, dict[int, DraftTime]]:
    """Time answers with a draft and without, by turns: one at a time, and many at once."""
    from composer.methods.draft.speculative import Speculative

    drafted = graph.replaced(choice.fuse, draft=Speculative(tokens=choice.tokens))
    times = {}
    for at_once in (FEW, MANY):
        steps = [partial(_answer, engine, each, rows, at_once) for each in (drafted, choice.fuse)]
        seconds = medians(dict(enumerate(steps)), lambda: None)
        times[at_once] = DraftTime(seconds=seconds[0], plain=seconds[1])
    return {choice.tokens: times}


def _answer(engine: Engine, fuse: Node, rows: Sequence[EvaluationRow], at_once: int) -> None:
    """Let a fuse answer questions, so many at a time."""
    jobs = [Generate(model_of(fuse), row.question(), Sampling(max_tokens=TOKENS)) for row in rows]
    for first in range(0, len(jobs), at_once):
        tasks = [engine.task(job, None) for job in jobs[first : first + at_once]]
        engine.begin(tasks)
        for task in tasks:
            task.future.result()


def _agreement(
    engine: Engine, fuse: Node, rows: Sequence[EvaluationRow], data: str
) -> Agreement | None:
    """Return how often members agree; None where no proposal was judged."""
    from composer.methods.draft.speculative import Accepted

    pairs = [future.result() for future in [_asked(engine, fuse, row) for row in rows]]
    lead, others = (sum((pair[side] for pair in pairs), Accepted()) for side in range(2))
    if not lead.judged:
        return None
    return Agreement(
        fuse=fuse_key(fuse),
        data=data,
        answers=len(pairs),
        tokens=lead.judged + others.judged,
        lead=round(lead.share, 4),
        others=round(others.share, 4),
    )


def _asked(engine: Engine, fuse: Node, row: EvaluationRow) -> Future[tuple[Accepted, Accepted]]:
    from composer.methods.draft.speculative import acceptance

    model = model_of(fuse)
    assert isinstance(model, TokenFuse)
    job = Generate(model, row.question(), Sampling(max_tokens=TOKENS))
    return engine.run(model, partial(acceptance, fuse=model, job=job))
