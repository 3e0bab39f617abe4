"""Syntax mistakes put in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.words import Diagnostic, Note

if TYPE_CHECKING:
    from composer.syntax.lexemes import Lexeme


def unreadable(lexeme: Lexeme, before: list[Lexeme]) -> Diagnostic:
    """Refuse what no lexeme is."""
    del before
    return Diagnostic("E101", f"`{lexeme.text[:20]}` is not part of the language", lexeme.place)


def misplaced(lexeme: Lexeme) -> Diagnostic:
    """Refuse a second statement on a line."""
    return Diagnostic("E110", "a statement begins on a line of its own", lexeme.place)


def mismatched(opening: Lexeme, closing: Lexeme) -> Diagnostic:
    """Refuse a bracket that is closed by one of another kind."""
    return Diagnostic(
        "E105",
        f"`{opening.text}` is closed by `{closing.text}`",
        closing.place,
        notes=(Note(opening.place, "opened here"),),
    )


def unclosed(open_: list[Lexeme]) -> Diagnostic:
    """Refuse a bracket that is never closed."""
    return Diagnostic("E104", f"`{open_[-1].text}` is never closed", open_[-1].place)


def unopened(lexeme: Lexeme) -> Diagnostic:
    """Refuse a bracket that closes nothing."""
    return Diagnostic("E106", f"`{lexeme.text}` closes nothing", lexeme.place)


def unexpected(statement: list[Lexeme], at: int) -> Diagnostic:
    """Say what is wrong at a lexeme that cannot stand where it stands."""
    lexeme = statement[at] if at < len(statement) else statement[-1]
    return Diagnostic("E103", f"`{lexeme.text}` cannot stand here", lexeme.place)
