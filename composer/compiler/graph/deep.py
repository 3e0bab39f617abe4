"""Recursion without the stack: work that yields the work it needs, however deep it goes."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

Deep = Generator[Any, Any, Any]
"""Work that yields further work, is sent what that came to, and returns its own result."""


def deep(work: Deep) -> Any:  # noqa: ANN401 - whatever the work returns
    """Do a piece of work and all that it yields; what goes wrong inside is raised where it was."""
    stack: list[Deep] = [work]
    result: Any = None
    trouble: Exception | None = None
    while stack:
        try:
            wanted = stack[-1].throw(trouble) if trouble else stack[-1].send(result)
        except StopIteration as done:
            stack.pop()
            result, trouble = done.value, None
        except Exception as error:  # noqa: BLE001 - raised again, by the one who waits for it
            stack.pop()
            result, trouble = None, error
        else:
            stack.append(wanted)
            result = trouble = None
    if trouble:
        raise trouble
    return result
