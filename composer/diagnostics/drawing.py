"""Diagnostics drawn as text, the source line with its subject underlined, and raised."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from composer.diagnostics.printable import columns, printable, visible
from composer.diagnostics.secrets import covered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from composer.diagnostics.diagnostics import Diagnostic
    from composer.diagnostics.places import Place

WIDTH = 96
"""A source line that has more characters is cut around what is underlined."""

CUT = "..."

BOLD, RED, YELLOW, BLUE, CYAN = "1", "1;31", "1;33", "1;34", "1;36"


def draw(diagnostic: Diagnostic, *, color: bool = False) -> str:
    """Draw a diagnostic as the command prints it."""
    return "\n".join(_Page(diagnostic, color=color).rows())


class Mistakes(Exception):  # noqa: N818 - a recipe holds mistakes; the word is the product's
    """One or more diagnostics, all that were found; as text, all of them drawn."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = tuple(sorted(diagnostics, key=_order))
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        return "\n\n".join(draw(diagnostic) for diagnostic in self.diagnostics)


def _order(diagnostic: Diagnostic) -> tuple[str, int, int]:
    place = diagnostic.place
    return (place.source.name, place.start, place.end) if place else ("", -1, -1)


class _Label(NamedTuple):
    """A stretch of one line to underline; the subject's mark is `^`, a note's `-`."""

    place: Place
    text: str
    mark: str
    line: int
    start: int
    end: int


def _label(place: Place, text: str, mark: str) -> _Label:
    """Take the first line of a place, and at least one character of it."""
    line, column = place.source.position(place.start)
    end = min(column - 1 + place.end - place.start, len(place.source.line(line)))
    return _Label(place, text, mark, line, column - 1, max(end, column))


class _Page:
    """The rows of one diagnostic."""

    def __init__(self, diagnostic: Diagnostic, *, color: bool) -> None:
        self.diagnostic = diagnostic
        self.color = color
        self.tone = YELLOW if diagnostic.severity == "warning" else RED
        self.labels = [_label(note.place, note.label, "-") for note in diagnostic.notes]
        if diagnostic.place:
            self.labels.insert(0, _label(diagnostic.place, diagnostic.label, "^"))
        self.gutter = max((len(str(label.line)) for label in self.labels), default=1)

    def rows(self) -> Iterator[str]:
        """Give the rows from the top."""
        diagnostic = self.diagnostic
        head = self._paint(f"{diagnostic.severity}[{diagnostic.code}]", self.tone)
        yield head + self._paint(f": {visible(diagnostic.message)}", BOLD)
        arrow = "-->"
        for name in dict.fromkeys(label.place.source.name for label in self.labels):
            labels = [label for label in self.labels if label.place.source.name == name]
            at = f"{visible(name)}:{labels[0].line}:{labels[0].start + 1}"
            yield " " * self.gutter + f"{self._paint(arrow, BLUE)} {at}"
            yield self._bar("")
            yield from self._lines(labels)
            arrow = ":::"
        for value in diagnostic.values:
            yield self._remark("note", value)
        if diagnostic.help:
            yield self._remark("help", diagnostic.help)

    def _lines(self, labels: list[_Label]) -> Iterator[str]:
        """Give the underlined lines of one file in their order, what lies between left out."""
        source, before = labels[0].place.source, 0
        for line in sorted({label.line for label in labels}):
            if before and line == before + 2:
                yield self._numbered(line - 1, printable(covered(source.line(line - 1)))[:WIDTH])
            elif before and line > before + 1:
                yield CUT
            before = line
            for group in _within_reach([label for label in labels if label.line == line]):
                yield from self._excerpt(covered(source.line(line)), group)

    def _excerpt(self, text: str, labels: list[_Label]) -> Iterator[str]:
        """Give a line and, below it, one row for each of its labels."""
        start, end = _window(len(text), labels)
        lead, tail = CUT if start else "", CUT if end < len(text) else ""
        yield self._numbered(labels[0].line, lead + printable(text[start:end]) + tail)
        stops = [len(lead) + column for column in columns(text[start:end])]
        for label in labels:
            first = stops[min(label.start - start, len(stops) - 1)]
            last = stops[label.end - start] if label.end - start < len(stops) else stops[-1]
            marks = " " * first + label.mark * max(last - first, 1)
            words = f"{marks} {visible(label.text)}" if label.text else marks
            yield self._bar(words, self.tone if label.mark == "^" else BLUE)

    def _bar(self, words: str, tone: str = BLUE) -> str:
        bar = self._paint(" " * self.gutter + " |", BLUE)
        return f"{bar} {self._paint(words, tone)}" if words else bar

    def _numbered(self, line: int, text: str) -> str:
        return f"{self._paint(f'{line:>{self.gutter}} |', BLUE)} {text}".rstrip()

    def _remark(self, kind: str, text: str) -> str:
        lead = " " * self.gutter + " = "
        text = visible(text).replace("\n", "\n" + " " * (len(lead) + len(kind) + 2))
        return self._paint(lead, BLUE) + self._paint(f"{kind}:", CYAN) + f" {text}"

    def _paint(self, text: str, tone: str) -> str:
        return f"\x1b[{tone}m{text}\x1b[0m" if self.color else text


def _within_reach(labels: list[_Label]) -> list[list[_Label]]:
    """Put the labels of a line in order, each by itself where one cut line cannot show them all."""
    labels = sorted(labels, key=lambda label: (label.start, label.end))
    length = len(labels[0].place.source.line(labels[0].line))
    reach = max(label.end for label in labels) - labels[0].start
    return [labels] if length <= WIDTH or reach <= WIDTH else [[label] for label in labels]


def _window(length: int, labels: list[_Label]) -> tuple[int, int]:
    """Choose the characters of a line that are shown."""
    if length <= WIDTH:
        return 0, length
    first, last = labels[0].start, max(label.end for label in labels)
    start = first - max(WIDTH - (last - first), WIDTH // 4) // 2
    start = max(0, min(start, length - WIDTH))
    return start, start + WIDTH
