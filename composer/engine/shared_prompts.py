"""Prompts that several rows read: one row reads it, and the others have copies of its cache.

A partial answer that a row goes on from counts as part of its prompt here.

So draws of one model, whichever step asked for them, read their prompt once: those that begin
together, and those that begin while another one is still written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.engine.rows.row import Feed

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from composer.engine.requests.base import AnyRequest
    from composer.engine.requests.reading import Reading
    from composer.engine.rows.row import RowCache

    PassItem = tuple[AnyRequest, Reading, Feed]
    """What one row reads in a forward pass, and for which request."""

__all__ = ["readers_and_twins"]


def readers_and_twins(
    rows: RowCache, items: Sequence[PassItem]
) -> tuple[Sequence[PassItem], Sequence[tuple[PassItem, PassItem]]]:
    """Return the items that are read, and those that are copied, each with the one that is read.

    A row whose prompt another one has read already is given a copy of all but the last token. In
    most passes no row reads a prompt, or there is one row: these end here at once.
    """
    if len(items) == 1:
        return items, ()
    prompts = [
        reading.state.row.length + len(feed.ids) <= reading.state.counts.prompt
        for _, reading, feed in items
    ]
    if not any(prompts):
        return items, ()
    readers: dict[Hashable, PassItem] = {}
    twins: list[tuple[PassItem, PassItem]] = []
    for item, is_prompt in zip(items, prompts, strict=True):
        if not is_prompt:
            readers[id(item)] = item
            continue
        request, reading, feed = item
        content = _content(reading, feed)
        reader = readers.setdefault(content, item)
        if reader is not item:
            twins.append((item, reader))
        elif _copied(rows, reading, items):
            end = reading.state.row.length
            keep = [place - end for place in feed.keep]
            readers[content] = request, reading, Feed(feed.row, feed.ids[end:], keep)
    return [item for item in readers.values() if item[2].ids], twins


def _content(reading: Reading, feed: Feed) -> Hashable:
    """Return what two readings must share to have the same logits."""
    length = reading.state.row.length
    read = tuple(reading.state.ids[: length + len(feed.ids)])
    return read, length, tuple(feed.keep), reading.hidden, feed.row.adapter


def _copied(rows: RowCache, reading: Reading, items: Sequence[PassItem]) -> bool:
    """Copy the prompt from a row that has read it, but for its last token; say if there is one."""
    state, prompt = reading.state, reading.state.counts.prompt
    if state.row.length or reading.hidden or any(p < prompt for p in reading.positions):
        return False
    for _, other, _ in items:
        if other.state.row.adapter != state.row.adapter:
            continue
        start = other.state.counts.prompt
        has_read = start == prompt and other.state.row.length >= prompt
        if has_read and other.state.ids[:prompt] == state.ids[:prompt]:
            return rows.copy(other.state.row, state.row, prompt - 1)
    return False
