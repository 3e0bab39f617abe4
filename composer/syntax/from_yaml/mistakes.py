"""What is no YAML, or is YAML that recipes do without, put in words."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from composer.diagnostics import Diagnostic, Mistakes, Note, Place, Source, visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from yaml import MarkedYAMLError

SHARED = "name a value that is needed twice with `let`"
TEXT_HELP = 'write a text as `{text: "..."}`'
STRING_HELP = "put an expression that begins with a sign in quotes"

LONG = re.compile(r"\\U([0-9a-fA-F]{8})")
TOKEN = re.compile(r"\[|\]|\{|\}|[^\s,\[\]{}]+")


class YamlProblem:
    """Where the reader of YAML stopped: what it said, where, and where what it read began."""

    def __init__(self, source: Source, error: MarkedYAMLError) -> None:
        self.source = source
        self.problem = str(error.problem)
        self.within = str(error.context or "")
        mark = error.problem_mark or error.context_mark
        self.at: int = mark.index if mark else 0
        self.began: int = error.context_mark.index if error.context_mark else self.at

    @property
    def place(self) -> Place:
        """The word or the sign that it stopped at."""
        return self.word(self.at)

    @property
    def stopped_at(self) -> str:
        """The word or the sign that it stopped at, as text."""
        return self.place.text

    @property
    def at_end(self) -> bool:
        """Whether nothing follows."""
        return not self.source.text[self.at :].strip()

    def word(self, at: int) -> Place:
        """Give the word that begins at a character."""
        text = self.source.text
        at = min(at, len(text))
        match = TOKEN.match(text, at)
        return Place(self.source, at, match.end() if match else min(at + 1, len(text)))

    def last(self) -> Place:
        """Give the last character that is not blank before the end."""
        end = len(self.source.text.rstrip())
        return Place(self.source, max(end - 1, 0), end)


def unreadable(source: Source, error: MarkedYAMLError) -> Diagnostic:
    """Put in words why a text is no YAML."""
    problem = YamlProblem(source, error)
    for within, phrase, say in TABLE:
        if within in problem.within and phrase in problem.problem:
            return say(problem)
    return Diagnostic("E119", "this is not valid YAML", problem.place)


def unwritten(source: Source, at: int) -> Diagnostic:
    """Refuse a character that no text holds."""
    place = Place(source, at, at + 1)
    message = f"the character U+{ord(place.text):04X} is not allowed in a recipe"
    return Diagnostic("E101", message, place, help="delete this invisible character")


def no_character(source: Source) -> Diagnostic:
    """Point at the escape of a character that does not exist."""
    escapes = (match for match in LONG.finditer(source.text) if int(match[1], 16) > sys.maxunicode)
    match = next(escapes, None)
    place = Place(source, match.start(), match.end()) if match else Place(source, 0, 1)
    return Diagnostic("E107", f"`{place.text}` is not an escape", place)


def foreign(place: Place, what: str, help_: str) -> Diagnostic:
    """Refuse what YAML has and recipes do without."""
    return Diagnostic("E120", f"{what} are not allowed in recipes", place, help=help_)


def misshapen(place: Place, message: str, help_: str = "") -> Mistakes:
    """Refuse a mapping, a list or a scalar where another of them is due."""
    return Mistakes([Diagnostic("E121", message, place, help=help_)])


def _tab_or_sign(problem: YamlProblem) -> Diagnostic:
    sign = problem.source.text[problem.at]
    place = Place(problem.source, problem.at, problem.at + 1)
    if sign == "\t":
        return Diagnostic(
            "E119", "tabs are not allowed as indentation", place, help="indent with spaces"
        )
    message = f"in YAML a value cannot begin with `{visible(sign)}`"
    return Diagnostic("E119", message, place, help=f"{STRING_HELP}; {TEXT_HELP}")


def _no_colon(problem: YamlProblem) -> Diagnostic:
    line, _ = problem.source.position(problem.began)
    start, text = problem.began, problem.source.line(line).strip()
    place = Place(problem.source, start, start + len(text))
    message = "a `:` is missing on this line, or the line needs more indentation"
    help_ = "write a `:` after a key; indent a line that continues the line before"
    return Diagnostic("E119", message, place, help=help_)


def _value(problem: YamlProblem) -> Diagnostic:
    message = "a `:` is not allowed here"
    help_ = f"write a mapping on one line as `{{...}}`; {TEXT_HELP}"
    return Diagnostic(
        "E119", message, Place(problem.source, problem.at, problem.at + 1), help=help_
    )


def _dash(problem: YamlProblem) -> Diagnostic:
    help_ = "begin the list on the next line, or write it as `[a, b]`"
    place = Place(problem.source, problem.at, problem.at + 1)
    return Diagnostic("E119", "a list with dashes cannot begin on this line", place, help=help_)


def _indent(problem: YamlProblem) -> Diagnostic:
    if problem.stopped_at in ("]", "}"):
        message = f"`{problem.stopped_at}` closes no bracket"
        return Diagnostic(
            "E106", message, problem.place, help="delete it, or add the missing opening one"
        )
    line = problem.source.line(problem.place.line)[: problem.place.column - 1]
    if line.strip(" -"):
        message = "the line should end before this"
        help_ = f"{STRING_HELP}, such as `'[A, B] -> vote()'`; {TEXT_HELP}"
        return Diagnostic("E119", message, problem.place, help=help_)
    message = "this line has another indentation than the lines that it belongs to"
    began = problem.word(problem.began)
    notes = (Note(began, "belongs to this"),) if problem.began != problem.at else ()
    help_ = "put items that belong together in one column; write a `-` on every line of a list"
    return Diagnostic("E119", message, problem.place, notes=notes, help=help_)


def _bracket(problem: YamlProblem) -> Diagnostic:
    text = problem.source.text
    opened = Place(problem.source, problem.began, problem.began + 1)
    opens = text[problem.began] if problem.began < len(text) else "["
    closing = {"[": "]", "{": "}"}.get(opens, "]")
    if problem.stopped_at in ("]", "}"):
        note = (Note(opened, "opened here"),)
        message = f"`{opens}` is closed by `{problem.stopped_at}`"
        return Diagnostic("E105", message, problem.place, f"a `{closing}` is needed here", note)
    on_new_line = problem.source.position(problem.at)[0] > problem.source.position(problem.began)[0]
    if problem.at_end or on_new_line:
        help_ = f"add `{closing}` where it ends"
        return Diagnostic("E104", f"`{opens}` is never closed", opened, help=help_)
    message = (
        "a comma is missing before this"
        if problem.stopped_at[0] != ":"
        else "there is one `:` too many"
    )
    help_ = f"{STRING_HELP}; separate the items of a list by commas"
    return Diagnostic(
        "E110", message, problem.place, notes=(Note(opened, "inside this"),), help=help_
    )


def _node(problem: YamlProblem) -> Diagnostic:
    if (
        problem.stopped_at.startswith(",")
        or problem.source.text[problem.at : problem.at + 1] == ","
    ):
        place = Place(problem.source, problem.at, problem.at + 1)
        help_ = "delete the comma, or add the missing item before it"
        return Diagnostic("E110", "nothing is before this comma", place, help=help_)
    return Diagnostic("E102", "an expression is missing before this", problem.place)


def _open_string(problem: YamlProblem) -> Diagnostic:
    sign = problem.source.text[problem.began]
    line, _ = problem.source.position(problem.began)
    end = problem.source.starts[line - 1] + len(problem.source.line(line))
    place = Place(problem.source, problem.began, end)
    message = "this text is never closed"
    return Diagnostic("E107", message, place, f"no `{sign}` ends it", help=f"end it with `{sign}`")


def _escape(problem: YamlProblem) -> Diagnostic:
    place = Place(problem.source, problem.at - 1, problem.at + 1)
    help_ = "write `\\\\` for a backslash, or use single quotes"
    return Diagnostic("E107", f"`{place.text}` is not an escape", place, help=help_)


def _header(problem: YamlProblem) -> Diagnostic:
    message = f"nothing may follow `{problem.source.text[problem.began]}` on its line"
    help_ = f"begin a block of text on the next line; {STRING_HELP}"
    return Diagnostic("E119", message, problem.place, help=help_)


def _anchor(problem: YamlProblem) -> Diagnostic:
    sign = problem.source.text[problem.began]
    place = Place(problem.source, problem.began, problem.began + 1)
    return Diagnostic(
        "E119", f"in YAML a value cannot begin with `{sign}`", place, help=STRING_HELP
    )


def _tag(problem: YamlProblem) -> Diagnostic:
    return foreign(problem.word(problem.began), "tags of YAML", TEXT_HELP)


def _directive(problem: YamlProblem) -> Diagnostic:
    return foreign(problem.place, "directives of YAML", "delete the line")


TABLE: tuple[tuple[str, str, Callable[[YamlProblem], Diagnostic]], ...] = (
    ("next token", "", _tab_or_sign),
    ("simple key", "", _no_colon),
    ("", "mapping values", _value),
    ("", "mapping keys", _value),
    ("", "sequence entries", _dash),
    ("directive", "", _directive),
    ("", "YAML directive", _directive),
    ("", "YAML document", _directive),
    ("", "tag handle", _tag),
    ("tag", "", _tag),
    ("an anchor", "", _anchor),
    ("an alias", "", _anchor),
    ("block scalar", "", _header),
    ("quoted scalar", "unexpected", _open_string),
    ("quoted scalar", "", _escape),
    ("a flow sequence", "", _bracket),
    ("a flow mapping", "", _bracket),
    ("node", "", _node),
    ("a block", "", _indent),
    ("", "<document start>", _indent),
)
"""The first row whose words the reader of YAML used puts its problem in ours."""
