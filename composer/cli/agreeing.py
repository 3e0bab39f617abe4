"""`doctor --measure RECIPE --data FILE`: how often the members of a fuse agree with it.

The rule that turns drafts on goes by this (`composer/compiler/rules/drafting.py`). Each question is
answered once by each fuse that could draft, greedily and by turns of one token.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from composer.compiler.graph.node import model_of
from composer.compiler.rules.drafting import fuse_key
from composer.specs import TokenFuse
from composer.values import Generate, Sampling
from composer.values.timings import Agreement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from composer.compiler.graph import Node
    from composer.engine.engine import Engine
    from composer.evaluate.rows import EvaluationRow
    from composer.methods.draft.speculative import Accepted
    from composer.recipe import Recipe

QUESTIONS, TOKENS = 40, 64
"""Questions that are asked, and tokens of an answer, at most."""


def measure_agreement(
    recipe: Recipe, rows: Sequence[EvaluationRow], data: str, tell: Callable[[str], None]
) -> tuple[Agreement, ...]:
    """Let each fuse of a recipe that could draft answer the first questions; count what agrees."""
    from composer.engine.engine import Engine

    with Engine() as engine:
        found = []
        for fuse in recipe.draftable:
            names = ", ".join(each.title for each in fuse.direct_inputs)
            tell(f"counting how often {names} agree")
            found.append(_agreement(engine, fuse, rows[:QUESTIONS], data))
        return tuple(each for each in found if each is not None)


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
