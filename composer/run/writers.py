"""Who writes the answer: the steps whose text may be the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph import topological
from composer.values import ANSWER_PORTS

if TYPE_CHECKING:
    from composer.compiler.graph import Node

__all__ = ["read_writers", "writers_of"]


def writers_of(root: Node) -> tuple[Node, ...]:
    """Return the steps whose text may be the answer, in the order of work.

    They are found from the answer back through steps that hand on what others wrote, or make
    something of it without a model.
    """
    reached = _handed_on(root)
    return tuple(node for node in topological(root) if node in reached and not _hands_on(node))


def read_writers(root: Node) -> frozenset[Node]:
    """Return those whose text is not the answer itself: a value is read out of it, say."""
    readers = [node for node in _handed_on(root) if _hands_on(node) and not _keeps_texts(node)]
    writers = {node for reader in readers for node in _handed_on(reader)}
    return frozenset(node for node in writers if not _hands_on(node))


def _handed_on(root: Node) -> set[Node]:
    reached: set[Node] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.port in ANSWER_PORTS and node not in reached:
            reached.add(node)
            waiting.extend(node.direct_inputs if _hands_on(node) else ())
    return reached


def _hands_on(node: Node) -> bool:
    """Say whether what a step gives was written by others: it asks nobody for it."""
    return node.step.selects or not node.step.asks


def _keeps_texts(node: Node) -> bool:
    return node.step.selects and not node.step.reads
