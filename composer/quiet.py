"""Libraries that work for us are not heard; what others do with warnings and logs stays theirs.

Whatever a library says inside of `quiet()` is said to us alone: what a user should know of it, we
say ourselves. That holds for the thread, or the task, that is inside, and for nobody else: filters
and loggers of the program that we are part of stay as they are.
"""

from __future__ import annotations

import logging
import sys
import warnings
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Bar = Callable[..., Any]

__all__ = ["aloud", "attend", "quiet"]

LIBRARIES = (
    *("transformers", "huggingface_hub", "tokenizers", "safetensors", "torch", "accelerate"),
    *("sentence_transformers", "wordllama", "sklearn", "scipy", "numpy", "pyarrow", "filelock"),
    *("urllib3", "httpx", "httpcore", "requests", "fsspec", "matplotlib"),
)
"""Those whose log lines are ours to hear: by handlers of their own, or handed on to the root's."""

_inside: ContextVar[bool] = ContextVar("inside", default=False)


class _Inside:
    """Stands in a filter of warnings for the pattern of a module, and matches where we are inside.

    So one entry serves all threads, each by its own state; to change the filters for a while, as
    `catch_warnings` does, would change them for everybody. Who copies filters by the text of their
    pattern, as scikit-learn does for its jobs, copies one that matches nothing.
    """

    pattern = "(?!)"

    def match(self, module: str) -> bool:
        """Say whether a warning is raised inside."""
        del module
        return _inside.get()


class _Outside(logging.Filter):
    """Lets log lines pass: those that are written outside, and those of no library of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a line is written outside, or by another than these libraries."""
        return not _inside.get() or record.name.partition(".")[0] not in LIBRARIES


_WARNINGS: Any = ("ignore", None, Warning, _Inside(), 0)
_LINES = _Outside()
_attended: list[object] = []


@contextmanager
def quiet() -> Iterator[None]:
    """Hear nothing of libraries inside: no warnings, no log lines, no bars."""
    attend()
    before = _inside.set(True)
    try:
        yield
    finally:
        _inside.reset(before)


@contextmanager
def aloud() -> Iterator[None]:
    """Be heard again inside: what we say ourselves, and what our users' functions say."""
    before = _inside.set(False)
    try:
        yield
    finally:
        _inside.reset(before)


def attend() -> None:
    """Put our filters where libraries speak, unless they are there; called when one is imported."""
    filters: Any = warnings.filters
    if filters[:1] != [_WARNINGS]:
        filters[:] = [_WARNINGS, *(entry for entry in filters if entry is not _WARNINGS)]
    for handler in _handlers():
        if _LINES not in handler.filters:
            handler.addFilter(_LINES)
    library: Any = sys.modules.get("transformers.utils.logging")
    if not hasattr(library, "EmptyTqdm") or library in _attended:
        return
    _attended.append(library)
    if hasattr(library, "set_tqdm_hook"):
        before = library.set_tqdm_hook(None)
        library.set_tqdm_hook(_bars(library.EmptyTqdm, before))
    else:  # of an older transformers
        kind, bars = type(library.tqdm), type(library.tqdm).__call__
        silent = _bars(library.EmptyTqdm, None)
        kind.__call__ = lambda bar, *args, **options: silent(
            lambda *a, **o: bars(bar, *a, **o), args, options
        )


def _bars(empty: Bar, before: Callable[[Bar, Any, Any], Any] | None) -> Callable[..., Any]:
    """Return what makes a bar: nothing inside, and outside what made one before."""

    def make(bar: Bar, args: tuple[Any, ...], options: dict[str, Any]) -> object:
        if _inside.get():
            return empty(*args, **options)
        return bar(*args, **options) if before is None else before(bar, args, options)

    return make


def _handlers() -> Iterator[logging.Handler]:
    """Yield what writes the libraries' lines: their own handlers, the root's, that of last resort.

    Some hand their lines on to the root: transformers does where `CI` is set.
    """
    if logging.lastResort is not None:
        yield logging.lastResort
    yield from logging.root.handlers
    for name in LIBRARIES:
        logger = logging.root.manager.loggerDict.get(name)
        yield from getattr(logger, "handlers", ())
