"""Awaiting several branches, some of which may fail; a quorum says how many must answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator

from composer.values.errors import ModelError, described

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Awaitable, Iterable, Sequence

__all__ = [
    "MaybeMissing",
    "MissingAnswer",
    "Quorum",
    "TooFewError",
    "attempt",
    "attempts",
    "drop_missing",
    "ends_all",
    "failure_notes",
    "gather_quorum",
    "needed_answers",
    "require_quorum",
    "side_by_side",
]

T = TypeVar("T")


def _positive(count: int | str) -> int | str:
    if isinstance(count, int) and count < 1:
        raise ValueError("at least one must answer")
    return count


Quorum: TypeAlias = Annotated[int | Literal["most", "all"], AfterValidator(_positive)]
"""How many of several must answer: a number, more than half, or all."""

MOMENT = 0.01
"""Seconds for which others are waited for that may be failing too."""

FINAL = frozenset({"E707", "E709"})
"""A closed ensemble and a spent budget: no branch of one answer goes on after them."""


@dataclass(frozen=True, slots=True)
class MissingAnswer:
    """A branch without an answer: its name, and the error.

    Its answers would have been at index `at` and after, `count` of them; None if that is unknown.
    """

    name: str
    error: Exception
    at: int = 0
    count: int | None = 1

    def __str__(self) -> str:
        code, message, _ = described(self.error)
        return f"[{code}] {message}"


MaybeMissing: TypeAlias = T | MissingAnswer
"""The type of a step's input if the step goes on where that input failed."""


def ends_all(error: Exception) -> bool:
    """Say whether an error ends the whole answer, not only its branch."""
    return getattr(error, "code", None) in FINAL


class TooFewError(ModelError):
    """Too few branches answered; `failed` are the others."""

    def __init__(self, failed: Sequence[MissingAnswer], text: str, advice: str) -> None:
        by_reason: dict[str, list[str]] = {}
        for answer in failed:
            by_reason.setdefault(str(answer), []).append(f"`{answer.name}`")
        reasons = "; ".join(f"{', '.join(names)}: {why}" for why, names in by_reason.items())
        super().__init__("E716", f"{text}: {reasons}", advice)
        self.failed = tuple(failed)


def needed_answers(minimum: Quorum, of: int) -> int:
    """Return how many of so many branches must answer."""
    needed = {"most": of // 2 + 1, "all": of}.get(str(minimum), minimum)
    assert isinstance(needed, int)
    return min(needed, of)


def require_quorum(minimum: Quorum, of: int, failed: Sequence[MissingAnswer]) -> None:
    """Raise TooFewError if so many have failed that the quorum cannot be reached."""
    needed = needed_answers(minimum, of)
    if not failed or of - len(failed) >= needed:
        return
    if of == 1:
        raise failed[0].error
    must = {"most": "more than half", "all": "all"}.get(str(minimum), str(needed))
    if len(failed) == of:
        raise TooFewError(failed, f"all {of} branches failed", "add a fallback: `(...) | D`")
    raise TooFewError(
        failed,
        f"{len(failed)} of {of} branches failed, but {must} must answer",
        "lower the number that must answer: `default bank(min = 1)`, or add a fallback: `(...) | "
        "D`",
    )


def failure_notes(failed: Sequence[MissingAnswer]) -> dict[str, dict[str, str]]:
    """Return the note for the trace about failed branches, empty if there are none."""
    return {"failed": {answer.name: str(answer) for answer in failed}} if failed else {}


def drop_missing(
    failed: Iterable[MissingAnswer], values: Sequence[T], answers: int
) -> tuple[T, ...] | None:
    """Return the values of the branches that answered, out of one value for each possible answer.

    `answers` is how many answers there are. One failed branch may have an unknown count, which
    then follows from the others. Returns None if the counts do not agree.
    """
    missing = list(failed)
    of_unknown_count = [each for each in missing if each.count is None]
    surplus = len(values) - answers - sum(each.count or 0 for each in missing)
    if len(of_unknown_count) > 1 or surplus < 0 or (surplus and not of_unknown_count):
        return None
    dropped, shift = set[int](), 0
    for each in sorted(missing, key=lambda one: one.at):
        count = surplus if each.count is None else each.count
        start = each.at + shift
        dropped.update(range(start, start + count))
        shift += count if each.count is None else 0
    return tuple(value for at, value in enumerate(values) if at not in dropped)


async def side_by_side(work: Iterable[Awaitable[T]]) -> list[T]:
    """Await several things at once; if one fails, the others are cancelled."""
    import asyncio

    awaitables = list(work)
    if len(awaitables) == 1:
        return [await awaitables[0]]
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


async def attempts(
    named: Iterable[tuple[str, Awaitable[T]]], minimum: Quorum = 1
) -> list[T | MissingAnswer]:
    """Await several things at once, each under its name; a failed one does not end the others.

    Raises TooFewError, and cancels what still runs, as soon as too few of them can answer.
    """
    results = await gather_quorum([attempt(name, work) for name, work in named], minimum)
    return [
        replace(result, at=at) if isinstance(result, MissingAnswer) else result
        for at, result in enumerate(results)
    ]


async def gather_quorum(work: Sequence[Awaitable[T]], minimum: Quorum) -> list[T]:
    """Await what may fail, until all have ended or the quorum cannot be reached."""
    import asyncio

    tasks = [asyncio.ensure_future(awaitable) for awaitable in work]
    waiting = set(tasks)
    try:
        while waiting:
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if _quorum_is_lost(minimum, tasks):
                if waiting:  # some may be failing for the same reason, and shall be named too
                    await asyncio.wait(waiting, timeout=MOMENT)
                require_quorum(minimum, len(tasks), _missing_answers(tasks))
        return [task.result() for task in tasks]
    finally:
        for task in tasks:
            task.cancel()


async def attempt(name: str, work: Awaitable[T]) -> T | MissingAnswer:
    """Await something; return a MissingAnswer if it fails."""
    try:
        return await work
    except Exception as error:
        if ends_all(error):
            raise
        return MissingAnswer(name, error)


def _quorum_is_lost(minimum: Quorum, tasks: Sequence[Future[T]]) -> bool:
    try:
        require_quorum(minimum, len(tasks), _missing_answers(tasks))
    except TooFewError:
        return True
    return False


def _missing_answers(tasks: Sequence[Future[T]]) -> list[MissingAnswer]:
    """Return the failures so far; raises an error that ends the whole answer."""
    results = (task.result() for task in tasks if task.done())
    return [result for result in results if isinstance(result, MissingAnswer)]
