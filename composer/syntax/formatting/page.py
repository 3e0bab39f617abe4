"""A file as a page: its statements with the comments and the blank lines around them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.syntax.formatting.comments import Comment, attach, behind
from composer.syntax.reading import YAML

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer.syntax.formatting.comments import Flows
    from composer.syntax.formatting.layout import LayoutItem
    from composer.syntax.tree import File, Statement


@dataclass(eq=False, slots=True)
class LineComment:
    """A comment on a line of its own, perhaps after a blank line."""

    text: str
    blank: bool


@dataclass(eq=False, slots=True)
class StatementEntry:
    """A statement with the comments before it."""

    statement: Statement
    item: LayoutItem
    remarks: list[LineComment] = field(default_factory=list)
    blank: bool = False

    def apart(self) -> None:
        """Put a blank line before it."""
        if self.remarks:
            self.remarks[0].blank = True
        else:
            self.blank = True


@dataclass(eq=False, slots=True)
class Page:
    """All of a file: its statements, and the comments after the last one."""

    entries: list[StatementEntry]
    remarks: list[LineComment]


def page(file: File, item: Callable[[Statement], LayoutItem]) -> Page:
    """Lay out a file: every comment is put where it stood, or as near to it as can be."""
    laid_out = Page(
        [StatementEntry(statement, item(statement)) for statement in file.statements], []
    )
    if all(statement.place is not None for statement in file.statements):
        _Walk(file, laid_out).walk()
    return laid_out


class _Walk:
    """Goes through statements and comments in the order of the source."""

    def __init__(self, file: File, page: Page) -> None:
        self.text = file.source.text
        self.page = page
        flows = _flows(file)
        self.comments = [Comment.of(place, text, flows) for place, text in file.comments]
        self.end = 0
        self.before: StatementEntry | None = None

    def walk(self) -> None:
        at = 0
        for entry in self.page.entries:
            at = self._outside(at, entry.item.start, entry.remarks)
            entry.blank = self._blank(entry.item.start)
            self.end = entry.item.end
            while at < len(self.comments) and self.comments[at].at < entry.item.end:
                attach(self.comments[at], entry.item)
                at += 1
            self.before = entry
        self._outside(at, len(self.text) + 1, self.page.remarks)

    def _outside(self, at: int, stop: int, remarks: list[LineComment]) -> int:
        """Take the comments up to a statement: one may stand behind the statement before."""
        while at < len(self.comments) and self.comments[at].at < stop:
            comment = self.comments[at]
            if self.before is not None and not remarks and comment.follows(self.end):
                behind(comment, self.before.item)
            else:
                remarks.append(LineComment(comment.text, self._blank(comment.at)))
            self.end = comment.place.end
            at += 1
        return at

    def _blank(self, start: int) -> bool:
        """Say whether a blank line stands between what came before and here."""
        lines = self.text[self.end : start].split("\n")[1:-1]
        return bool(self.end) and any(not line.strip() for line in lines)


def _flows(file: File) -> Flows | None:
    """Find the brackets of a YAML file; what stands without them ends with its line."""
    if not file.source.name.lower().endswith(YAML):
        return None
    from composer.syntax.from_yaml.nodes import Document

    return tuple(Document(file.source).flows) if file.comments else ()
