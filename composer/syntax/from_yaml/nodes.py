"""YAML text as nodes with places, its comments kept; nothing is expanded and nothing recurses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from composer.diagnostics import Diagnostic, Mistakes, Note, Place, Source
from composer.syntax.from_yaml.mistakes import SHARED, foreign, no_character, unreadable, unwritten
from composer.syntax.mistakes.brackets import DEEPEST, too_deep

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMENT = re.compile("#[^\n\r\x85\u2028\u2029]*")
HEADER = re.compile(r"[|>][-+0-9]*[ \t]+(#[^\n]*)")
MARKED = re.compile(r"[!&*][^\s,\[\]{}]*")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A word, a text, or nothing; whether it stood in quotes has no meaning, unless it is empty."""

    value: str
    plain: bool
    place: Place

    @property
    def empty(self) -> bool:
        """Whether nothing was written."""
        return self.plain and not self.value


@dataclass(frozen=True, slots=True)
class YamlSequence:
    """A list."""

    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class YamlMapping:
    """Keys with values in their order; `unbraced` is `a: b` in a list without braces of its own."""

    entries: tuple[tuple[Node, Node], ...]
    unbraced: bool
    place: Place


Node: TypeAlias = "Scalar | YamlSequence | YamlMapping"


class Document:
    """The one document of a source: its root, if it holds anything, and its comments."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.root: Node | None = None
        self.mistakes: list[Diagnostic] = []
        self.scalars: list[tuple[int, int]] = []
        self.flows: list[tuple[int, int]] = []
        self._open: list[tuple[Any, list[Node]]] = []
        self._anchors: dict[str, Place] = {}
        self._documents = 0
        self._read()

    @property
    def comments(self) -> Iterator[tuple[Place, str]]:
        """Give what stands behind `#`, outside of scalars and at the head of a block."""
        at = 0
        for start, end in [*self.scalars, (len(self.source.text), 0)]:
            for match in COMMENT.finditer(self.source.text, at, start):
                yield Place(self.source, match.start(), match.end()), match[0]
            header = HEADER.match(self.source.text, start)
            if header and end:
                yield Place(self.source, header.start(1), header.end(1)), header[1]
            at = end

    def _read(self) -> None:
        from yaml import MarkedYAMLError, SafeLoader, parse
        from yaml.reader import ReaderError

        try:
            for event in parse(self.source.text, Loader=SafeLoader):
                self._take(event)
        except ReaderError as error:
            raise Mistakes([unwritten(self.source, error.position)]) from None
        except MarkedYAMLError as error:
            raise Mistakes([*self.mistakes, unreadable(self.source, error)]) from None
        except (ValueError, OverflowError):
            raise Mistakes([*self.mistakes, no_character(self.source)]) from None

    def _take(self, event: Any) -> None:  # noqa: ANN401 - PyYAML's events have no common type
        """Take an event; its name says which it is."""
        kind = type(event).__name__
        if kind == "DocumentStartEvent":
            self._begin(event)
        elif kind == "AliasEvent":
            self._alias(event)
        elif kind == "ScalarEvent":
            self._scalar(event)
        elif kind in ("SequenceStartEvent", "MappingStartEvent"):
            self._refuse_marks(event)
            self._open.append((event, []))
            if len(self._open) > DEEPEST:
                raise Mistakes(
                    [too_deep(self._place(event.start_mark.index, event.end_mark.index))]
                )
        elif kind in ("SequenceEndEvent", "MappingEndEvent"):
            self._close(event)

    def _begin(self, event: Any) -> None:  # noqa: ANN401
        self._documents += 1
        if self._documents > 1:
            place = self._place(event.start_mark.index, event.end_mark.index)
            help_ = "put the second document in another file"
            raise Mistakes([*self.mistakes, foreign(place, "several documents", help_)])

    def _alias(self, event: Any) -> None:  # noqa: ANN401
        place = self._place(event.start_mark.index, event.end_mark.index)
        anchor = self._anchors.get(event.anchor)
        notes = (Note(anchor, "stands for this"),) if anchor else ()
        message = "aliases of YAML are not allowed in recipes"
        self.mistakes.append(Diagnostic("E120", message, place, notes=notes, help=SHARED))
        self._put(Scalar("", True, place))

    def _scalar(self, event: Any) -> None:  # noqa: ANN401
        self._refuse_marks(event)
        start, end = event.start_mark.index, event.end_mark.index
        end = start + len(self.source.text[start:end].rstrip())
        self.scalars.append((start, end))
        self._put(Scalar(event.value, event.style is None, self._place(start, end)))

    def _refuse_marks(self, event: Any) -> None:  # noqa: ANN401
        """Refuse anchors and tags, which stand before a node."""
        start = event.start_mark.index
        match = MARKED.match(self.source.text, start)
        place = self._place(start, match.end() if match else start + 1)
        if event.anchor:
            self._anchors[event.anchor] = place
            self.mistakes.append(foreign(place, "anchors of YAML", SHARED))
        if event.tag:
            self.mistakes.append(foreign(place, "tags of YAML", "delete the tag"))

    def _close(self, event: Any) -> None:  # noqa: ANN401
        start, inside = self._open.pop()
        begins = start.start_mark.index
        text = self.source.text
        unbraced = start.flow_style and text[begins : begins + 1] not in ("[", "{")
        end = event.end_mark.index
        if not start.flow_style or unbraced:
            end = max((child.place.end for child in inside), default=begins)
        else:
            self.flows.append((begins, end))
        place = self._place(begins, end)
        if type(event).__name__ == "SequenceEndEvent":
            self._put(YamlSequence(tuple(inside), place))
        else:
            pairs = tuple(zip(inside[::2], inside[1::2], strict=True))
            self._put(YamlMapping(pairs, bool(unbraced), place))

    def _put(self, node: Node) -> None:
        if self._open:
            self._open[-1][1].append(node)
        else:
            self.root = node

    def _place(self, start: int, end: int) -> Place:
        return Place(self.source, start, max(end, start))
