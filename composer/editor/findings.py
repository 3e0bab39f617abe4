"""What is wrong with a buffer, as an editor underlines it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.compiler.graph import compile_recipe
from composer.compiler.graph.files import root_of
from composer.diagnostics import Diagnostic, Mistakes, Note, Place, explanation, meant
from composer.editor.definition import used_file
from composer.syntax import Use

if TYPE_CHECKING:
    from composer.editor.buffer import Buffer


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake or a warning at a place of the buffer; `notes` may lie in other files."""

    code: str
    severity: str
    message: str
    place: Place
    notes: tuple[Note, ...]
    mended: str = ""
    """What its place should say, where that is known."""

    @property
    def explanation(self) -> str:
        """What its code means, with an example."""
        return explanation(self.code) or ""


def findings(buffer: Buffer) -> tuple[Finding, ...]:
    """Check a buffer; no model is touched."""
    root = root_of(buffer.path.parent)
    try:
        diagnostics = compile_recipe(buffer.path, buffer.source, root=root).warnings
    except Mistakes as mistakes:
        diagnostics = mistakes.diagnostics
    return tuple(_finding(buffer, each) for each in diagnostics)


def _finding(buffer: Buffer, diagnostic: Diagnostic) -> Finding:
    place, notes = diagnostic.place, diagnostic.notes
    if place is None:
        place = Place(buffer.source, 0, 0)
    elif place.source.name != buffer.source.name:
        notes = (Note(place, diagnostic.label or diagnostic.message), *notes)
        place = _where_used(buffer, place)
    words, mended = _words(diagnostic), _mended(diagnostic, place)
    return Finding(diagnostic.code, diagnostic.severity, words, place, notes, mended)


def _mended(diagnostic: Diagnostic, place: Place) -> str:
    """Write the word that was probably meant in place of the one that is blamed."""
    word, instead = place.text.strip('"'), meant(diagnostic.help)
    blamed = instead is not None and f"`{word}`" in diagnostic.message
    return place.text.replace(word, instead) if blamed and instead and word else ""


def _words(diagnostic: Diagnostic) -> str:
    """Write the message, the values that matter, and what to do."""
    helped = (f"help: {diagnostic.help}",) if diagnostic.help else ()
    return "\n".join((diagnostic.message, *diagnostic.values, *helped))


def _where_used(buffer: Buffer, place: Place) -> Place:
    """Find the `use` that brings in a mistake of another file; else the first line is blamed."""
    uses = [each for each in buffer.file.statements if isinstance(each, Use)]
    for use in uses:
        path = used_file(buffer.path.parent, use.file)
        if path is not None and str(path) == place.source.name:
            return use.file_place
    return uses[0].file_place if len(uses) == 1 else Place(buffer.source, 0, 0)
