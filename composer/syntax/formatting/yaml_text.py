"""Lines of YAML: what fits stands in brackets on one line, what does not in a block."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from composer.syntax.formatting.layout import WIDTH, Group, Item, Style, flat
from composer.syntax.formatting.yaml_statements import kind, name
from composer.syntax.scalars import comment
from composer.syntax.tree import Use

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.syntax.formatting.page import Entry, Page, Remark

STEP = 2


def text(page: Page) -> str:
    """Write a page: kinds of statements under their keys, or as a list where kinds come again."""
    for entry in page.entries:
        settle(entry.item)
        if isinstance(entry.statement, Use):
            _raise(entry.item)
    runs = list(_runs(page.entries))
    kinds = [kind(run[0].statement) for run in runs]
    listed = len(set(kinds)) < len(kinds)
    rows: list[str] = []
    for run in runs:
        rows += _run(run, listed=listed, first=not rows)
    rows += _remarks(page.remarks, 0)
    return "\n".join([*rows, ""]) if rows else ""


def settle(item: Item) -> None:
    """Move comments that YAML cannot carry where they stand to where it can."""
    group = item.value.group
    if group is None:
        return
    for each in group.items:
        settle(each)
    if group.items:
        group.items[-1].leading += group.dangling
    else:
        item.leading += [text for text in (group.opening, *group.dangling) if text]
        group.opening = None
    group.dangling = []
    if group.style is Style.SEQUENCE:
        for each in group.items:
            _raise(each)


def _raise(item: Item) -> None:
    """Put comments at the head of what follows a dash before the dash."""
    group = item.value.group
    if group is None or not group.items:
        return
    first = group.items[0]
    item.leading += ([group.opening] if group.opening else []) + first.leading
    group.opening, first.leading = None, []


def _runs(entries: list[Entry]) -> Iterator[list[Entry]]:
    """Put statements side by side that can stand under one key."""
    for _, same in groupby(entries, key=lambda entry: kind(entry.statement)):
        run: list[Entry] = []
        names: set[str] = set()
        for entry in same:
            own = name(entry.statement)
            if run and (own is None or own in names or name(run[-1].statement) is None):
                yield run
                run, names = [], set()
            run.append(entry)
            names |= {own} if own else set()
        yield run


def _run(run: list[Entry], *, listed: bool, first: bool) -> Iterator[str]:
    """Write statements under their key, after the comments of the first one."""
    head, dash = run[0], "- " if listed else ""
    indent = STEP * listed
    key = kind(head.statement)
    alone = name(head.statement) is None
    inside = indent if alone else indent + STEP
    comments, rows = _item(head.item, inside, "- " if key == "use" else "")
    yield from _before(head, first=first)
    yield from _comments(comments, 0)
    if alone:
        yield from _dashed(dash, rows)
        return
    yield f"{dash}{key}:"
    yield from rows
    for entry in run[1:]:
        comments, rows = _item(entry.item, inside, "- " if key == "use" else "")
        yield from _before(entry, first=False, indent=inside)
        yield from _comments(comments, inside)
        yield from rows


def _before(entry: Entry, *, first: bool, indent: int = 0) -> Iterator[str]:
    """Write what stands before a statement."""
    yield from _remarks(entry.remarks, indent)
    if entry.blank and (entry.remarks or not first):
        yield ""


def _dashed(dash: str, rows: list[str]) -> list[str]:
    """Put a dash in the place of the first line's indentation."""
    return [dash + rows[0][len(dash) :], *rows[1:]]


def _item(item: Item, indent: int, mark: str) -> tuple[list[str], list[str]]:
    """Give the comments before an item, and its lines after its mark, a dash or nothing."""
    head = " " * indent + mark + item.lead
    line, group = flat(item.value), item.value.group
    if line is not None and (not group or not group.items or len(head) + len(line) <= WIDTH):
        return item.leading, [head + line + _behind(item.trailing)]
    if group is None:
        return _with_trailing(item), _block(item, head, indent)
    if mark:
        inner = _items(group, indent + STEP)
        return _with_trailing(item), _dashed(" " * indent + mark, inner)
    comments = item.leading
    if group.opening:
        comments = _with_trailing(item)
    return comments, [
        head.rstrip() + _behind(group.opening or item.trailing),
        *_items(group, indent + STEP),
    ]


def _with_trailing(item: Item) -> list[str]:
    """Give the comments before an item, where none can stand behind it."""
    return item.leading + ([item.trailing] if item.trailing else [])


def _items(group: Group, indent: int) -> list[str]:
    mark = "- " if group.style is Style.SEQUENCE else ""
    rows: list[str] = []
    for item in group.items:
        comments, own = _item(item, indent, mark)
        rows += [*_comments(comments, indent), *own]
    return rows


def _block(item: Item, head: str, indent: int) -> list[str]:
    header, *lines = item.value.block or (item.value.text,)
    return [head + header, *(" " * (indent + STEP) + line if line else "" for line in lines)]


def _remarks(remarks: list[Remark], indent: int) -> Iterator[str]:
    for remark in remarks:
        yield from [""] * remark.blank
        yield from _comments([remark.text], indent)


def _comments(texts: list[str], indent: int) -> Iterator[str]:
    for each in texts:
        yield " " * indent + comment(each)


def _behind(text: str | None) -> str:
    return f"  {comment(text)}" if text else ""
