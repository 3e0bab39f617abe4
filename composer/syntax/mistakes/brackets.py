"""Brackets that do not fit each other, put in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.diagnostics import Diagnostic, Note
from composer.syntax.lexemes import OPENS

if TYPE_CHECKING:
    from composer.diagnostics import Place
    from composer.syntax.lexemes import Lexeme

DEEPEST = 100
"""How many levels an expression may nest."""

SIGNS = {"RPAR": ")", "RSQB": "]"}


def mismatched(opening: Lexeme, closing: Lexeme) -> Diagnostic:
    """Point at a bracket and at the one of another kind that closes it."""
    closing_sign = SIGNS[OPENS[opening.type]]
    return Diagnostic(
        "E105",
        f"`{opening.text}` is closed by `{closing.text}`",
        closing.place,
        f"a `{closing_sign}` is needed here",
        (Note(opening.place, "opened here"),),
        f"close what `{opening.text}` opened before `{closing.text}`",
    )


def unclosed(opened: list[Lexeme]) -> Diagnostic:
    """Point at a bracket that is never closed, and at those around it."""
    *others, opening = opened
    closing_sign = SIGNS[OPENS[opening.type]]
    return Diagnostic(
        "E104",
        f"`{opening.text}` is never closed",
        opening.place,
        f"no `{closing_sign}` follows in this statement",
        tuple(Note(other.place, "not closed either") for other in others),
        f"add `{closing_sign}` where it ends",
    )


def unopened(closing: Lexeme) -> Diagnostic:
    """Point at a bracket that closes nothing."""
    opens = {"RPAR": "(", "RSQB": "["}[closing.type]
    return Diagnostic(
        "E106",
        f"`{closing.text}` closes no bracket",
        closing.place,
        f"no `{opens}` is open here",
        help=f"delete it, or add the missing `{opens}` before it",
    )


def too_deep(place: Place) -> Diagnostic:
    """Refuse nesting that nobody can read."""
    return Diagnostic(
        "E116",
        f"this is nested more than {DEEPEST} levels deep",
        place,
        help="name parts of it with `let`",
    )
