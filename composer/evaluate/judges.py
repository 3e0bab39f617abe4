"""The recipes that judge answers: opened when they are first asked, and billed by themselves."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar

from composer.recipe import Recipe
from composer.run import Failure
from composer.values import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from composer.run import Ensemble

T = TypeVar("T")
S = TypeVar("S")

__all__ = ["Judges", "side_by_side"]

AT_ONCE = 32
"""Answers that are judged at the same time."""


class Judges:
    """Puts prompts to recipes that judge; equal prompts are asked once. `usage` is what that took.

    It may be called from several threads.
    """

    def __init__(self, ready: Callable[[Recipe], Ensemble]) -> None:
        self._ready = ready
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._recipes: dict[str, Recipe] = {}
        self._ensembles: dict[str, Ensemble] = {}
        self._replies: dict[tuple[str, ...], Future[list[str]]] = {}
        self.usage = Usage()

    def __call__(self, recipe: str, prompts: Sequence[str]) -> list[str]:
        """Return a recipe's replies to prompts, asked at once; raises Failure where one fails."""
        key = (recipe, *prompts)
        with self._lock:
            first = key not in self._replies
            future = self._replies.setdefault(key, Future())
            ensemble = self._open(recipe)
        if first:
            try:
                future.set_result(self._asked(ensemble, prompts))
            except BaseException as error:
                future.set_exception(error)
                raise
        return future.result()

    def recipe(self, text: str) -> Recipe:
        """Read a recipe from its file or its text; raises Mistakes."""
        if text not in self._recipes:
            self._recipes[text] = Recipe.load(text)
        return self._recipes[text]

    def close(self, error: BaseException | None = None) -> None:
        """Close all judges; after an interruption they are not waited for."""
        self._stack.__exit__(type(error) if error else None, error, None)

    def _open(self, recipe: str) -> Ensemble:
        if recipe not in self._ensembles:
            ensemble = self._ready(self.recipe(recipe))
            self._ensembles[recipe] = self._stack.enter_context(ensemble)
        return self._ensembles[recipe]

    def _asked(self, ensemble: Ensemble, prompts: Sequence[str]) -> list[str]:
        results = list(ensemble.map(prompts))
        with self._lock:
            for result in results:
                self.usage = sum(result.members.values(), self.usage)
        for result in results:
            if result.error is not None:
                raise Failure("E701", f"the judge failed: {result.error}")
        return [result.text.text if result.text else str(result.answer) for result in results]


def side_by_side(work: Callable[[T], S], items: Iterable[T], *, threads: bool) -> Iterator[S]:
    """Yield what work returns for each item, in order; with `threads`, several are worked on."""
    if not threads:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(AT_ONCE)
    waiting: deque[Future[S]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            while waiting and (len(waiting) >= AT_ONCE or waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
