"""Lines of `.ens` text: what fits stays on one line, what does not is broken in one way."""

from __future__ import annotations

from composer.syntax.formatting.layout import (
    WIDTH,
    LayoutGroup,
    LayoutItem,
    LayoutValue,
    Style,
    flat,
)

STEP = 2
"""How far what is inside stands to the right."""

ARROWS = {Style.CHAIN: "-> ", Style.FALLBACK: "| "}


def write(value: LayoutValue, indent: int, column: int, after: int = 0) -> str:
    """Write a value that begins in a column; `after` characters still follow on its last line."""
    line = flat(value)
    if value.group is None:
        return value.text
    if line is not None and _fits(line, column, after):
        return line
    return value.text + _broken(value.group, indent, column + len(value.text), after)


def _fits(text: str, column: int, after: int) -> bool:
    """Say whether the first and the last line have room; templates inside stay as they are."""
    first, *others = text.split("\n")
    last = len(others[-1]) if others else column + len(first)
    return column + len(first) <= WIDTH and last + after <= WIDTH


def _broken(group: LayoutGroup, indent: int, column: int, after: int) -> str:
    match group.style:
        case Style.LIST:
            return _list(group, indent)
        case Style.PAREN:
            inner = write(group.items[0].value, indent + STEP, indent + STEP)
            return f"(\n{_pad(indent + STEP)}{inner}\n{_pad(indent)})"
        case Style.JOIN:
            return _join(group, indent, column)
        case Style.OPERATORS:
            return _rows(group, indent, column, after, "")
        case _:
            return _after_first(group, column, after, indent) or _rows(
                group, indent, column, after, ARROWS[group.style]
            )


def _list(group: LayoutGroup, indent: int) -> str:
    """Write one item a line, each with a comma."""
    inner = _pad(indent + STEP)
    rows = [group.brackets[0] + _comment(group.opening)]
    for item in group.items:
        rows += [inner + text for text in item.leading]
        column = indent + STEP + len(item.lead)
        value = write(item.value, indent + STEP, column, 1)
        rows.append(f"{inner}{item.lead}{value},{_comment(item.trailing)}")
    rows += [inner + text for text in group.dangling]
    return "\n".join([*rows, _pad(indent) + group.brackets[1]])


def _rows(group: LayoutGroup, indent: int, column: int, after: int, sign: str) -> str:
    """Write a chain with its arrows before the stages, or a formula with its signs behind."""
    first, *others = group.items
    rows = [write(first.value, indent, column, len(first.tail)) + _end(first)]
    inner = _pad(indent + STEP)
    for item in others:
        rows += [inner + text for text in item.leading]
        tail = len(item.tail) if item.tail or item is not others[-1] else after
        value = write(item.value, indent + STEP, indent + STEP + len(sign), tail)
        rows.append(f"{inner}{sign}{value}{_end(item)}")
    return "\n".join(rows)


def _after_first(group: LayoutGroup, column: int, after: int, indent: int) -> str | None:
    """Go on behind the closing bracket of a first stage that is itself broken, if that fits."""
    first, *others = group.items
    inner = first.value.group
    alone = flat(first.value)
    if inner is None or inner.style is not Style.LIST or _commented(group.items):
        return None
    if alone is not None and _fits(alone, column, 0):
        return None
    rest = [flat(item.value) for item in others]
    if None in rest:
        return None
    sign = f" {ARROWS[group.style]}"
    behind = "".join(f"{sign}{text}" for text in rest)
    broken = write(first.value, indent, column)
    return broken + behind if _fits(behind, indent + 1, after) else None


def _commented(items: list[LayoutItem]) -> bool:
    return any(item.leading or item.trailing is not None for item in items)


def _join(group: LayoutGroup, indent: int, column: int) -> str:
    """Write the head of a `def` on one line if it has room there, then what it stands for."""
    head, body = group.items
    head_text = write(head.value, indent, column, len(body.value.text))
    column = len(head_text.rpartition("\n")[2]) + (0 if "\n" in head_text else column)
    return head_text + write(body.value, indent, column)


def _end(item: LayoutItem) -> str:
    return item.tail + _comment(item.trailing)


def _comment(text: str | None) -> str:
    return f"  {text}" if text else ""


def _pad(indent: int) -> str:
    return " " * indent
