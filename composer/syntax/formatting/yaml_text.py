"""Lines of YAML: what fits stands in brackets on one line, what does not in a block."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from composer.syntax.formatting.layout import WIDTH, LayoutGroup, LayoutItem, Style, flat
from composer.syntax.formatting.yaml_statements import kind, name
from composer.syntax.yaml_scalars import comment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.syntax.formatting.page import LineComment, Page, StatementEntry

STEP = 2
DASH = "- "


def text(page: Page) -> str:
    """Write a page: kinds of statements under their keys, or as a list where kinds come again."""
    runs = list(_runs(page.entries))
    kinds = [kind(run[0].statement) for run in runs]
    listed = len(set(kinds)) < len(kinds)
    rows: list[str] = []
    for run in runs:
        rows += _run(run, listed=listed, first=not rows)
    rows += _remarks(page.remarks, 0)
    return "\n".join([*rows, ""]) if rows else ""


def settle(item: LayoutItem, indent: int, mark: str) -> None:
    """Move comments that stand at the head of a value or at its end before its key or its dash."""
    group = item.value.group
    if group is not None:
        inner = DASH if group.style is Style.SEQUENCE else ""
        for inner_item in group.items:
            settle(inner_item, indent + STEP, inner)
        carrier = group.items[-1] if group.items else item
        carrier.leading += group.dangling
        item.leading += [group.opening] if group.opening else []
        if group.items:
            item.leading += group.items[0].leading
            group.items[0].leading = []
        group.opening, group.dangling = None, []
    if item.trailing and _line(item, indent, mark) is None:
        item.leading.append(item.trailing)
        item.trailing = None


def _runs(entries: list[StatementEntry]) -> Iterator[list[StatementEntry]]:
    """Put statements side by side that can stand under one key."""
    for _, same in groupby(entries, key=lambda entry: kind(entry.statement)):
        run: list[StatementEntry] = []
        names: set[str] = set()
        for entry in same:
            key = name(entry.statement)
            if run and (key is None or key in names or name(run[-1].statement) is None):
                yield run
                run, names = [], set()
            run.append(entry)
            names |= {key} if key else set()
        yield run


def _run(run: list[StatementEntry], *, listed: bool, first: bool) -> Iterator[str]:
    """Write statements under their key, after the comments of the first one."""
    head, dash = run[0], DASH if listed else ""
    indent = STEP * listed
    key = kind(head.statement)
    alone = name(head.statement) is None
    inside = indent if alone else indent + STEP
    mark = DASH if key == "use" else ""
    for entry in run:
        settle(entry.item, inside, mark)
    yield from _before(head, first=first)
    yield from _comments(head.item.leading, 0)
    rows = _item(head.item, inside, mark)
    if alone:
        yield from _dashed(dash, rows)
        return
    yield f"{dash}{key}:"
    yield from rows
    for entry in run[1:]:
        yield from _before(entry, first=False, indent=inside)
        yield from _comments(entry.item.leading, inside)
        yield from _item(entry.item, inside, mark)


def _before(entry: StatementEntry, *, first: bool, indent: int = 0) -> Iterator[str]:
    """Write what stands before a statement."""
    yield from _remarks(entry.remarks, indent)
    if entry.blank and (entry.remarks or not first):
        yield ""


def _dashed(dash: str, rows: list[str]) -> list[str]:
    """Put a dash in the place of the first line's indentation."""
    return [dash + rows[0][len(dash) :], *rows[1:]]


def _line(item: LayoutItem, indent: int, mark: str) -> str | None:
    """Write an item on one line; None where it has to be broken."""
    line, group = flat(item.value), item.value.group
    if line is None:
        return None
    row = " " * indent + mark + item.lead + line
    return row if group is None or not group.items or len(row) <= WIDTH else None


def _item(item: LayoutItem, indent: int, mark: str) -> list[str]:
    """Write an item after its mark, a dash or nothing."""
    row, group = _line(item, indent, mark), item.value.group
    if row is not None:
        return [row + (f"  {comment(item.trailing)}" if item.trailing else "")]
    head = " " * indent + mark + item.lead
    if group is None:
        return _block(item, head, indent)
    inner = _items(group, indent + STEP)
    return _dashed(" " * indent + mark, inner) if mark else [head.rstrip(), *inner]


def _items(group: LayoutGroup, indent: int) -> list[str]:
    mark = DASH if group.style is Style.SEQUENCE else ""
    rows: list[str] = []
    for item in group.items:
        rows += [*_comments(item.leading, indent), *_item(item, indent, mark)]
    return rows


def _block(item: LayoutItem, head: str, indent: int) -> list[str]:
    header, *lines = item.value.block or (item.value.text,)
    return [head + header, *(" " * (indent + STEP) + line if line else "" for line in lines)]


def _remarks(remarks: list[LineComment], indent: int) -> Iterator[str]:
    for remark in remarks:
        yield from [""] * remark.blank
        yield from _comments([remark.text], indent)


def _comments(texts: list[str], indent: int) -> Iterator[str]:
    for text in texts:
        yield " " * indent + comment(text)
