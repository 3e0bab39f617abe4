"""Asking several models the same questions, as judges: one that fails is left out."""

from collections.abc import Awaitable, Sequence
from typing import TypeVar

from composer.methods.mistakes import PartError
from composer.values import Asker, MissingAnswer, Model, Typed
from composer.values.flow import unique
from composer.values.gather import attempt, failure_notes, require_quorum, side_by_side

T = TypeVar("T")


async def by_judges(
    judges: Sequence[Model], work: Sequence[Awaitable[T]], ask: Asker
) -> list[list[T]]:
    """Await what all judges are asked, question by question; one that fails anywhere is left out.

    More than half must answer. Returns the answers of those that did, for each question.
    """
    names, count = unique(judge.name for judge in judges), len(judges)
    named = ((names[at % count], each) for at, each in enumerate(work))
    attempts = await side_by_side(attempt(name, each) for name, each in named)
    failed = {
        at % count: each for at, each in enumerate(attempts) if isinstance(each, MissingAnswer)
    }
    ask.note(**failure_notes(list(failed.values())))
    require_quorum("most", count, list(failed.values()))
    judges_left = [at for at in range(count) if at not in failed]
    starts = range(0, len(attempts), count)
    answered = [[attempts[start + at] for at in judges_left] for start in starts]
    return [[each for each in row if not isinstance(each, MissingAnswer)] for row in answered]


def require_judges(scorer: Typed, judges: tuple[Model, ...]) -> None:
    """Refuse a scorer that asks models where none was given."""
    if not judges:
        raise PartError(
            "E206",
            f"`{scorer.name}` needs a model to ask",
            f"name the model: `rank(M, by = {scorer.name}())`",
        )
