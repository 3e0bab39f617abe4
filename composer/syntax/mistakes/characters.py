# ruff: noqa: RUF001 - the table is one of characters that look like others
"""Characters and signs that the language does not know, and what to write instead."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from composer.diagnostics import Diagnostic, Note, Place, visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer.syntax.lexemes import Lexeme

FOREIGN = {
    "-->": "write `->`",
    "=>": "write a chain with `->`, a comparison with `>=`",
    "|>": "write a chain with `->`",
    "===": "write `==`",
    "<>": "write `!=`",
    "||": "write a condition with `or`, a fallback with `|`",
    "&&": "write `and`",
    "**": "there is no operator for powers; multiply with `*`",
    "//": "write a comment with `#`, a division with `/`",
    ":=": "write `=`",
}
"""Signs of other languages."""

CHARACTERS = {
    **dict.fromkeys("“”„‟«»‘’‚‛′″`", 'put texts in plain double quotes: `"text"`'),
    **dict.fromkeys("→⟶⇒➜➔⇨►▶", "write `->`"),
    **dict.fromkeys("−–—‐‑‒", "write a plain `-`"),
    "×": "write `*`",
    "·": "write `*`",
    "÷": "write `/`",
    "≤": "write `<=`",
    "≥": "write `>=`",
    "≠": "write `!=`",
    "≈": "compare with `<` and `>`",
    "¬": "write `not`",
    "∧": "write `and`",
    "∨": "write `or`",
    "…": "write out all values",
    "{": "write a bank as `[a, b]`, values by name as `[key: value]`, a call as `f(key = value)`",
    "}": "write a bank as `[a, b]`, a call as `f(key = value)`",
    ";": "begin a new line instead",
    "!": "write a negation with `not`, a difference with `!=`",
    "%": "there are no percentages; write a fraction such as `0.6`",
    "^": "there is no operator for powers; multiply with `*`",
    "&": "write `and`",
    "~": "write a negation with `not`",
    ".": "there are no attributes; use a name of its own for each value",
    "@": 'write the revision of a model as an argument: `hf("name", revision = "...")`',
    "$": 'read an environment variable with `env("NAME")`',
    "?": "use `route` or `cascade(...)` to choose",
    "\\": "a line continues without a sign inside brackets, after an operator and before `->`",
    "\ufeff": "save the file without byte-order marks",
}
"""Single characters."""

UNQUOTED = re.compile(r"[^\s,()\[\]=]+$")
"""A word that ends where a quote stands."""


def unreadable(lexeme: Lexeme) -> Diagnostic:
    """Put in words why a lexeme is nothing that the language knows."""
    return _KINDS[lexeme.type](lexeme)


def conflict(markers: list[Lexeme]) -> Diagnostic:
    """Point at the first marker of a merge that was not finished, and at its others."""
    first, *others = markers
    return Diagnostic(
        "E117",
        "the file contains an unfinished merge",
        first.place,
        "a conflict marker",
        tuple(Note(other.place, "and another") for other in others),
        "keep one of the two versions, and delete the lines of the markers",
    )


def unended(template: Lexeme, left_over: Lexeme) -> Diagnostic:
    """Point at a template that ends only where another should begin."""
    source, start = template.place.source, template.place.start
    return Diagnostic(
        "E107",
        "this template contains lines that look like statements",
        Place(source, start, start + 3),
        'the closing `"""` is missing',
        (
            Note(
                Place(source, left_over.place.start, left_over.place.start + 3),
                "so this is read as text",
            ),
        ),
        'end it with `"""`',
    )


def unopened(text: Place) -> Diagnostic:
    """Point at a text that begins without its quote."""
    return Diagnostic(
        "E107",
        "a text has no opening quote",
        text,
        'no `"` before it',
        help='put it in quotes: `"..."`',
    )


def _foreign(lexeme: Lexeme) -> Diagnostic:
    help_ = FOREIGN.get(lexeme.text, "a name cannot get a new value; define a new name with `let`")
    return Diagnostic("E101", f"there is no operator `{lexeme.text}`", lexeme.place, help=help_)


def _stray(lexeme: Lexeme) -> Diagnostic:
    letter = lexeme.text
    plain = unicodedata.normalize("NFKC", letter)
    help_ = CHARACTERS.get(letter, "")
    if not help_ and not letter.isascii() and len(plain) == 1 and plain.isascii():
        help_ = "write a plain space" if plain == " " else f"write a plain `{plain}`"
    if not help_ and unicodedata.category(letter) in ("Cf", "Cc"):
        help_ = "delete this invisible character"
    return Diagnostic(
        "E101", f"{_named(letter)} is not part of the language", lexeme.place, help=help_
    )


def _open_string(lexeme: Lexeme) -> Diagnostic:
    source, quote = lexeme.place.source, lexeme.place.start
    word = UNQUOTED.search(source.line(lexeme.place.line), 0, lexeme.place.column - 1)
    if word and lexeme.text.strip('" ,)]') == "":
        return unopened(Place(source, quote - len(word.group()), quote + 1))
    return Diagnostic(
        "E107",
        "this text is not closed on its line",
        lexeme.place,
        'no `"` ends it',
        help='end it with `"`; put a text of several lines between `"""` and `"""`',
    )


def _open_template(lexeme: Lexeme) -> Diagnostic:
    start = lexeme.place.start
    return Diagnostic(
        "E107",
        "this template is never closed",
        Place(lexeme.place.source, start, start + 3),
        'no `"""` ends it',
        help='end it with `"""`',
    )


def _quoted(lexeme: Lexeme) -> Diagnostic:
    text = lexeme.text[1:].removesuffix("'").replace('"', '\\"')
    return Diagnostic(
        "E107",
        "put texts in double quotes",
        lexeme.place,
        help=f'write `"{visible(text)}"`' if lexeme.text.endswith("'") and text else "",
    )


def _bad_number(lexeme: Lexeme) -> Diagnostic:
    text = lexeme.text
    if text.isidentifier() or text.lstrip("0123456789").replace("_", "").isalpha():
        help_ = "names begin with a letter, and numbers have no unit: write `10`, `0.5` or `1e-3`"
    else:
        help_ = "numbers look like `10`, `0.5` or `1e-3`"
    return Diagnostic("E109", f"`{text}` is not a number", lexeme.place, help=help_)


def _bad_name(lexeme: Lexeme) -> Diagnostic:
    at = next(i for i, letter in enumerate(lexeme.text) if not letter.isascii())
    start = lexeme.place.start + at
    folded = unicodedata.normalize("NFKD", lexeme.text).encode("ascii", "ignore").decode()
    usable = len(folded) == len(lexeme.text) and folded.isidentifier()
    return Diagnostic(
        "E108",
        f"{_named(lexeme.text[at])} is not allowed in a name",
        Place(lexeme.place.source, start, start + 1),
        help=f"write `{folded}`" if usable else "names consist of a to z, A to Z, 0 to 9 and `_`",
    )


def _named(letter: str) -> str:
    """Show a character; one that looks like another, or like nothing, by its name too."""
    if letter.isascii() and letter.isprintable():
        return f"`{letter}`"
    name = f"U+{ord(letter):04X} {unicodedata.name(letter, '')}".strip()
    return f"`{letter}` ({name})" if letter.isprintable() else f"the character {name}"


_KINDS: dict[str, Callable[[Lexeme], Diagnostic]] = {
    "FOREIGN": _foreign,
    "STRAY": _stray,
    "OPEN_STRING": _open_string,
    "OPEN_TEMPLATE": _open_template,
    "QUOTED": _quoted,
    "BAD_NUMBER": _bad_number,
    "BAD_NAME": _bad_name,
}
