"""Comments put beside the items that they stand next to, in either notation."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from composer.syntax.formatting.layout import LayoutGroup, Style

if TYPE_CHECKING:
    from composer.diagnostics import Place
    from composer.syntax.formatting.layout import LayoutItem

Path: TypeAlias = "list[tuple[LayoutGroup, int]]"
"""The groups around a spot from the outside, each with the item that leads on."""

Flows: TypeAlias = "tuple[tuple[int, int], ...]"
"""Where brackets of YAML begin and end; None in the other notation."""


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment of a source, and how it stands there."""

    text: str
    place: Place
    before: str
    line_start: int
    flows: Flows | None

    @classmethod
    def of(cls, place: Place, text: str, flows: Flows | None = None) -> Comment:
        """Look at what stands before a comment on its line."""
        start = place.source.starts[place.line - 1]
        before = place.source.text[start : place.start].strip()
        return cls(text.rstrip(), place, before, start, flows)

    @property
    def at(self) -> int:
        """Where it begins."""
        return self.place.start

    def touches(self, group: LayoutGroup) -> bool:
        """Say whether it stands behind the last item of a group, on the same line."""
        first, last = group.items[0].start, group.items[-1].end
        between = self.place.source.text[last : self.at]
        if self.flows is None:
            return not between.strip(" \t,") and first < self.line_start
        closed = any(start <= first and last < end <= self.at for start, end in self.flows)
        return not between.strip(" \t]}\"'") and not closed

    @property
    def own_line(self) -> bool:
        """Whether nothing stands before it on its line."""
        return not self.before

    def follows(self, end: int, tail: str = "") -> bool:
        """Say whether it stands on the line where something ends, closing brackets aside."""
        before = self.before.removesuffix(tail.strip())
        return self.line_start <= end or (not self.own_line and not before.strip("), \t"))


def behind(comment: Comment, item: LayoutItem) -> None:
    """Put a comment behind a statement, or in YAML behind what ends with it."""
    _after(comment.text, item, _last(comment, item))


def attach(comment: Comment, top: LayoutItem) -> None:
    """Put a comment that stands inside a statement beside the innermost item that can carry it."""
    path: Path = []
    item = top
    while (group := item.value.group) is not None and group.start <= comment.at < group.end:
        at = bisect_right(group.items, comment.at, key=lambda item_: item_.start) - 1
        if at < 0 or comment.at >= group.items[at].end:
            _inside(comment, top, path, group, at)
            return
        path.append((group, at))
        item = group.items[at]
    if group is not None and comment.at >= group.end:
        if group.style.holds and group.items:
            _inside(comment, top, path, group, len(group.items) - 1)
        else:
            _after(comment.text, top, path)
    elif group is not None and group.style.holds and not comment.own_line and not group.opening:
        group.opening = comment.text
    elif group is not None and group.items and group.style in (Style.SEQUENCE, Style.MAPPING):
        group.items[0].leading.append(comment.text)
    else:
        _before(comment.text, top, path)


def _inside(comment: Comment, top: LayoutItem, path: Path, group: LayoutGroup, at: int) -> None:
    """Place a comment that stands in a group and in none of its items; `at` is the one before."""
    following = group.items[at + 1] if at + 1 < len(group.items) else None
    if group.style is Style.JOIN:
        _before(comment.text, top, path)
    elif at >= 0 and comment.follows(group.items[at].end, group.items[at].tail):
        path += [(group, at), *_last(comment, group.items[at])]
        _after(comment.text, top, path)
    elif at >= 0 and not following and not group.style.holds:
        _after(comment.text, top, [*path, (group, at)])
    elif group.style.holds and at < 0 and not comment.own_line and not group.opening:
        group.opening = comment.text
    elif following and (group.style.holds or at >= 0):
        following.leading.append(comment.text)
    elif group.style.holds:
        group.dangling.append(comment.text)
    else:
        _before(comment.text, top, path)


def _last(comment: Comment, item: LayoutItem) -> Path:
    """Give the items that end where one ends and that no bracket closes, from the outside."""
    path: Path = []
    while (group := item.value.group) is not None and group.items and group.style.holds:
        if not comment.touches(group):
            break
        item = group.items[-1]
        path.append((group, len(group.items) - 1))
    return path


def _before(text: str, top: LayoutItem, path: Path) -> None:
    """Put a comment on a line before the innermost item that begins on a line of its own."""
    for group, at in reversed(path):
        first = at == 0 or group.style in (Style.JOIN, Style.PAREN)
        if group.style.holds or not first:
            group.items[at].leading.append(text)
            return
    top.leading.append(text)


def _after(text: str, top: LayoutItem, path: Path) -> None:
    """Put a comment behind the innermost item that ends a line, or near it."""
    for group, at in reversed(path):
        last = at + 1 == len(group.items) or group.style in (Style.JOIN, Style.PAREN)
        if last and not group.style.holds:
            continue
        if group.items[at].trailing is None:
            group.items[at].trailing = text
        elif last:
            group.dangling.append(text)
        else:
            group.items[at + 1].leading.append(text)
        return
    if top.trailing is None:
        top.trailing = text
    else:
        top.leading.append(text)
