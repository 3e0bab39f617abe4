"""Recursion without the stack: work that yields the work it needs, however deep it goes."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

Deep = Generator[Any, Any, Any]
"""Work that yields further work, is sent what that came to, and returns its own result."""


def deep(work: Deep) -> Any:  # noqa: ANN401 - whatever the work returns
    """Do a piece of work and all that it yields."""
    stack, result = [work], None
    while stack:
        try:
            wanted = stack[-1].send(result)
        except StopIteration as done:
            stack.pop()
            result = done.value
        else:
            stack.append(wanted)
            result = None
    return result
