"""Silence warnings, log lines and progress bars of libraries, only where we call them.

Inside `quiet()` the libraries in LIBRARIES print nothing; what a user should know, we say
ourselves. It holds for the thread or task that is inside. Filters and loggers of the surrounding
program stay as they are.
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
    *("urllib3", "httpx", "httpcore", "requests", "fsspec", "matplotlib", "torchao", "gguf"),
    "ray",
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
    """Lets log lines pass that are written outside of `quiet()` or by another library."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a line is written outside, or by another than these libraries."""
        return not _inside.get() or record.name.partition(".")[0] not in LIBRARIES


_WARNINGS: Any = ("ignore", None, Warning, _Inside(), 0)
_LINES = _Outside()
_attended: list[object] = []


@contextmanager
def quiet() -> Iterator[None]:
    """Silence libraries inside: no warnings, no log lines, no progress bars."""
    attend()
    before = _inside.set(True)
    try:
        yield
    finally:
        _inside.reset(before)


@contextmanager
def aloud() -> Iterator[None]:
    """End the silence inside, for our own warnings and for functions of users."""
    before = _inside.set(False)
    try:
        yield
    finally:
        _inside.reset(before)


def attend() -> None:
    """Add our filters to Python's warnings and loggers, if they are missing."""
    filters: Any = warnings.filters
    if filters[:1] != [_WARNINGS]:
        filters[:] = [_WARNINGS, *(entry for entry in filters if entry is not _WARNINGS)]
    for handler in _handlers():
        if _LINES not in handler.filters:
            handler.addFilter(_LINES)
    library: Any = sys.modules.get("transformers.utils.logging")
    if not hasattr(library, "EmptyTqdm"):
        return
    packed: Any = sys.modules.get("transformers.modeling_gguf_pytorch_utils")
    if hasattr(packed, "tqdm") and packed not in _attended:  # which shows a bar of its own
        _attended.append(packed)
        bar, silenced = packed.tqdm, _bars(library.EmptyTqdm, None)
        packed.tqdm = lambda *args, **options: silenced(bar, args, options)
    if library in _attended:
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
    """Return a maker of progress bars: an empty one inside, else the one from before."""

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
